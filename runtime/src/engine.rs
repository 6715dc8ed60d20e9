//! The wasmtime engine, configured once for all sandboxes of a host process.
//!
//! Cranelift only: Winch had escapes of its own. Instances come from a pool whose memories are
//! copy-on-write images of the module, so starting a process costs microseconds whatever the size
//! of its initial memory. A thread of the engine's own raises the epoch every millisecond; every
//! guest gives way then, so no guest can hold a thread.
//!
//! Compiled code is cached in a folder that only its owner may enter, under a name made of the
//! module's hash and of everything that the code depends on. Code is native: a file in that folder
//! that somebody else could write would be an escape, so the folder's owner and mode are checked and
//! each file carries its own hash.

mod warm;

use self::warm::WarmPages;
use crate::{
    image::{Entry, SigPipe},
    process::Process,
    tool::HostTool,
    wasi,
};
use cap_std::fs::{
    DirBuilder, DirBuilderExt as _, MetadataExt as _, OpenOptions, OpenOptionsExt as _,
};
use cap_std::{ambient_authority, fs::Dir};
use std::{
    fmt, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use thiserror::Error;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, InstancePre, Linker, Module, OptLevel,
    PoolingAllocationConfig,
};

/// How an [`Engine`] is made.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where compiled code is kept; without it every module is compiled in every run.
    pub cache_dir: Option<PathBuf>,
    /// Processes of all sandboxes together that may live at once.
    pub slots: u32,
}

impl Default for EngineConfig {
    /// No cache, and as many slots as [`available_slots`] finds, 1,000 at most.
    fn default() -> Self {
        Self { cache_dir: None, slots: available_slots().min(DEFAULT_SLOTS) }
    }
}

const DEFAULT_SLOTS: u32 = 1000;

/// Why an [`Engine`] could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// More slots than the kernel of the host has memory maps for.
    #[error("{wanted} process slots need more memory maps than the host allows ({possible} slots)")]
    TooManySlots {
        /// The slots asked for.
        wanted: u32,
        /// The slots that `vm.max_map_count` leaves room for.
        possible: u32,
    },
    /// The folder for compiled code cannot be used.
    #[error("failed to open the folder for compiled code `{path}`")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// wasmtime refused the configuration.
    #[error("failed to set up the WebAssembly engine")]
    Engine {
        /// What wasmtime said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a guest module could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The bytes are no WebAssembly module that this engine compiles.
    #[error("failed to compile module `{name}`")]
    Compile {
        /// The module's name in its image.
        name: String,
        /// What the compiler said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The module imports a function that the kernel does not have.
    #[error("module `{name}` imports something that the kernel does not have")]
    Import {
        /// The module's name in its image.
        name: String,
        /// Which import.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The compiler, the pool of instances and the clock tick that all sandboxes share. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<Process>,
    cache: Option<CodeCache>,
    slots: u32,
    stop: Arc<AtomicBool>,
    n_threads: Arc<AtomicU32>,
    warm_pages: Option<WarmPages>,
}

/// A native stack for a thread that is not the first one of its process; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct ThreadStack(Arc<AtomicU32>);

impl Drop for ThreadStack {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("slots", &self.inner.slots).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// A module ready to be started.
pub(crate) struct Program {
    pub(crate) code: Code,
    pub(crate) sig_pipe: SigPipe,
}

/// What is run.
pub(crate) enum Code {
    /// A compiled module and where it begins.
    Guest { instance: InstancePre<Process>, entry: Entry },
    /// A function of the host.
    Tool(Arc<dyn HostTool>),
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("sig_pipe", &self.sig_pipe).finish_non_exhaustive()
    }
}

/// Time between two ticks of the epoch: how long a guest runs before it gives way.
const TICK: Duration = Duration::from_millis(1);

/// Stacks besides those of the slots, for the threads of processes that are not their first ones. Each takes two memory
/// maps, out of [`RESERVED_MAPS`], and 2 us of the engine's start.
const THREAD_STACKS: u32 = 512;

/// Native stack of a guest in bytes; CPython needs 2 MiB, deep recursion in it more.
const WASM_STACK_BYTES: usize = 8 << 20;

/// Stack of the fiber that a guest runs on: the guest's own and room for host functions.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + (1 << 20);

/// Bytes that one linear memory may have: all that 32-bit WebAssembly can address.
const MAX_MEMORY_BYTES: usize = 4 << 30;

impl Engine {
    /// Sets up the engine and starts its tick.
    ///
    /// # Errors
    ///
    /// Fails if more slots are asked for than the host can map, if the cache folder cannot be used,
    /// or if wasmtime refuses.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a description is used up by what it describes"
    )]
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let possible = available_slots();
        if config.slots > possible {
            return Err(EngineError::TooManySlots { wanted: config.slots, possible });
        }
        let fail = |error: wasmtime::Error| EngineError::Engine { source: error.into() };
        let engine = wasmtime::Engine::new(&wasmtime_config(config.slots)).map_err(fail)?;
        let linker = wasi::linker(&engine).map_err(fail)?;
        let cache = config.cache_dir.as_deref();
        let cache = cache.map(|path| CodeCache::open(path, &engine)).transpose()?;
        let stop = Arc::new(AtomicBool::new(false));
        start_tick(engine.clone(), Arc::clone(&stop));
        let (slots, n_threads) = (config.slots, Arc::default());
        let warm_pages = WarmPages::new();
        let inner = Inner { engine, linker, cache, slots, stop, n_threads, warm_pages };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Prepares the memory of a process that has ended for the next process of the same module.
    pub(crate) fn keep_warm(&self, memory: &mut [u8]) {
        if let Some(warm_pages) = &self.inner.warm_pages {
            warm_pages.keep(memory);
        }
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.engine
    }

    /// Takes a stack for another thread of a process, if there is one; half of the slots keep theirs.
    pub(crate) fn thread_stack(&self) -> Option<ThreadStack> {
        let n_threads = &self.inner.n_threads;
        let most = THREAD_STACKS + self.inner.slots / 2;
        let more = |n: u32| (n < most).then_some(n + 1);
        n_threads.try_update(Relaxed, Relaxed, more).ok()?;
        Some(ThreadStack(Arc::clone(n_threads)))
    }

    pub(crate) fn linker(&self) -> &Linker<Process> {
        &self.inner.linker
    }

    /// Returns the compiled code of the module with this hash from the cache, linked to the kernel.
    pub(crate) fn cached(&self, key: blake3::Hash) -> Option<InstancePre<Process>> {
        let module = self.inner.cache.as_ref()?.load(&self.inner.engine, key)?;
        self.inner.linker.instantiate_pre(&module).ok()
    }

    /// Compiles a module, keeps the code in the cache, and links it to the kernel.
    pub(crate) fn compile(
        &self,
        name: &str,
        wasm: &[u8],
    ) -> Result<InstancePre<Process>, ModuleError> {
        let module = Module::new(&self.inner.engine, wasm).map_err(|error| {
            ModuleError::Compile { name: name.to_owned(), source: error.into() }
        })?;
        if let Some(cache) = &self.inner.cache {
            // Not being able to keep the code costs time in the next run, and no more.
            if let Err(error) = cache.store(&module, blake3::hash(wasm)) {
                tracing::warn!("compiled code of module `{name}` could not be kept: {error}");
            }
        }
        self.inner
            .linker
            .instantiate_pre(&module)
            .map_err(|error| ModuleError::Import { name: name.to_owned(), source: error.into() })
    }
}

/// Memory of a slot that is reset by copying rather than given back, so that the next process in it
/// takes no page faults there. With [`WARM_SLOTS`] it bounds what an idle engine holds, 128 MiB.
const KEEP_RESIDENT_BYTES: usize = 4 << 20;

/// Slots that stay warm for the next process of the same module.
const WARM_SLOTS: u32 = 32;

fn wasmtime_config(slots: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots * 2)
        .total_stacks(slots + THREAD_STACKS)
        .max_memories_per_module(1)
        .max_tables_per_module(2)
        .max_memory_size(MAX_MEMORY_BYTES)
        .table_elements(1 << 16)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .max_unused_warm_slots(WARM_SLOTS)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        // Every exit of a process unwinds as an error. Nobody reads where it came from, and finding
        // that out took half the time of a short command.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .parallel_compilation(true);
    config
}

/// Raises the epoch until the engine is gone.
fn start_tick(engine: wasmtime::Engine, stop: Arc<AtomicBool>) {
    let tick = move || {
        while !stop.load(Relaxed) {
            std::thread::sleep(TICK);
            engine.increment_epoch();
        }
    };
    let _thread = std::thread::Builder::new()
        .name("playpen-tick".to_owned())
        .spawn(tick)
        .expect("the host can start a thread");
}

/// Memory maps that the host process needs for itself.
const RESERVED_MAPS: u64 = 8000;

/// Returns how many processes may live at once on this host.
///
/// Each takes about 6.5 memory maps. Running out of them (`vm.max_map_count`, 65,530 by default)
/// leaves a process that can neither go on nor exit, so the number is computed beforehand.
pub fn available_slots() -> u32 {
    let maps = max_map_count().unwrap_or(65_530);
    let slots = maps.saturating_sub(RESERVED_MAPS) * 2 / 13;
    u32::try_from(slots.max(16)).unwrap_or(u32::MAX)
}

fn max_map_count() -> Option<u64> {
    let dir = Dir::open_ambient_dir("/proc/sys/vm", ambient_authority()).ok()?;
    dir.read_to_string("max_map_count").ok()?.trim().parse().ok()
}

/// The folder of compiled code.
struct CodeCache {
    dir: Dir,
    path: PathBuf,
    /// Of everything in the engine's configuration that compiled code depends on.
    compatibility: String,
}

impl CodeCache {
    fn open(path: &Path, engine: &wasmtime::Engine) -> Result<Self, EngineError> {
        let fail = |source| EngineError::Cache { path: path.to_owned(), source };
        let dir = Self::open_private(path).map_err(fail)?;
        let mut hasher = CompatibilityHasher(blake3::Hasher::new());
        std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
        let compatibility = hasher.0.finalize().to_hex()[..16].to_owned();
        Ok(Self { dir, path: path.to_owned(), compatibility })
    }

    fn open_private(path: &Path) -> io::Result<Dir> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::other("it has no name"));
        };
        Dir::create_ambient_dir_all(parent, ambient_authority())?;
        let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
        match parent.create_dir_with(name, DirBuilder::new().mode(0o700)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let dir = parent.open_dir(name)?;
        if dir.dir_metadata()?.mode() & 0o077 != 0 {
            return Err(io::Error::other("others than its owner may enter it: `chmod 700` it"));
        }
        Ok(dir)
    }

    fn name(&self, key: blake3::Hash) -> String {
        format!("{}-{}.cwasm", &key.to_hex()[..32], self.compatibility)
    }

    /// Loads compiled code, or none if it is missing or damaged.
    fn load(&self, engine: &wasmtime::Engine, key: blake3::Hash) -> Option<Module> {
        let name = self.name(key);
        let expected = self.dir.read_to_string(format!("{name}.blake3")).ok()?;
        let code = self.dir.open(&name).ok()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(code).ok()?;
        if hasher.finalize().to_hex().as_str() != expected.trim() {
            tracing::warn!("compiled code `{name}` is damaged; it will be made again");
            return None;
        }
        #[expect(unsafe_code, reason = "loading native code, which wasmtime cannot check")]
        // SAFETY: the file lies in a folder of mode 0700 that no guest can name, was written by
        // this program with `store`, and has the hash that was written with it.
        let module = unsafe { Module::deserialize_file(engine, self.path.join(&name)) };
        module.inspect_err(|error| tracing::warn!("compiled code `{name}`: {error}")).ok()
    }

    fn store(&self, module: &Module, key: blake3::Hash) -> io::Result<()> {
        let code = module.serialize().map_err(io::Error::other)?;
        let name = self.name(key);
        self.write(&format!("{name}.blake3"), blake3::hash(&code).to_hex().as_bytes())?;
        self.write(&name, &code)
    }

    /// Writes under a temporary name and renames: a reader sees a whole file or none.
    fn write(&self, name: &str, data: &[u8]) -> io::Result<()> {
        let temporary = format!(".{name}.{}", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = self.dir.open_with(&temporary, &options)?;
        let written =
            file.write_all(data).and_then(|()| self.dir.rename(&temporary, &self.dir, name));
        if written.is_err() {
            let _removed = self.dir.remove_file(&temporary);
        }
        written
    }
}

/// Turns wasmtime's compatibility hash into bytes that are the same in every run.
struct CompatibilityHasher(blake3::Hasher);

impl std::hash::Hasher for CompatibilityHasher {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}
