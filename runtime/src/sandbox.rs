//! Sandboxes and the commands that run in them.

use crate::{
    audit::{AuditCounts, AuditLevel, AuditLog, AuditSink, HostCalls, HostCounts},
    clock::Clock,
    command::{Command, DEFAULT_PATH},
    engine::Engine,
    errno::Errno,
    image::{Image, Programs, stub_module},
    limits::Limits,
    net::{Network, NetworkMode},
    process::{Job, Kernel},
    random::Randomness,
    semaphores::Semaphores,
    tool::HostTool,
    tree::Tree,
    vfs::{Explanation, Mount, MountError, Rule, Vfs, standard_devices},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64},
    },
    time::Duration,
};
use thiserror::Error;

/// Why a [`Sandbox`] could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The mounts do not make a namespace.
    #[error("failed to arrange the mounts of a sandbox")]
    Mounts {
        /// Which mount, and why.
        #[from]
        source: MountError,
    },
    /// A tool has no name that a program can have.
    #[error("`{name}` cannot be the name of a tool")]
    Tool {
        /// The name.
        name: String,
    },
}

/// Bytes of a tool's name at most: it stands in a file of a few bytes.
const MAX_TOOL_NAME_BYTES: usize = 48;

/// Describes a sandbox to be made; see [`Sandbox::builder`].
pub struct SandboxBuilder {
    engine: Engine,
    programs: Programs,
    mounts: Vec<Mount>,
    rules: Vec<Rule>,
    tools: Vec<(String, Arc<dyn HostTool>)>,
    only: Option<BTreeSet<String>>,
    settings: Settings,
    sink: Option<Arc<dyn AuditSink>>,
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mounts, rules, settings, .. } = self;
        f.debug_struct("SandboxBuilder")
            .field("mounts", mounts)
            .field("rules", rules)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

/// What commands of a sandbox start from.
#[derive(Clone, Debug)]
struct Settings {
    env: BTreeMap<String, String>,
    cwd: String,
    limits: Limits,
    random: Randomness,
    level: AuditLevel,
    /// The programs that may be started, each with its module; all if none.
    programs: Option<BTreeMap<String, String>>,
    is_deterministic: bool,
    /// How long after its usual start a virtual clock starts.
    clock_ahead: Duration,
    network: NetworkMode,
}

impl SandboxBuilder {
    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Adds a rule; of the rules that match a path, the last one decides.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets a variable for all commands.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.env.insert(key.into(), value.into());
        self
    }

    /// Sets the directory that commands start in.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<String>) -> Self {
        self.settings.cwd = cwd.into();
        self
    }

    /// Sets the limits of each command.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets which network there is; without this, one between the sandbox's own processes.
    #[must_use]
    pub fn network(mut self, mode: NetworkMode) -> Self {
        self.settings.network = mode;
        self
    }

    /// Makes the random bytes that processes get depend on a seed and on nothing else; without
    /// this they are the host's.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.random = Randomness::Seeded(seed);
        self
    }

    /// Adds a program that the host provides, at `/usr/local/bin/NAME`.
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>, tool: Arc<dyn HostTool>) -> Self {
        self.tools.push((name.into(), tool));
        self
    }

    /// Makes all runs of the same commands on the same files the same run: the seed decides the
    /// random bytes, time is virtual and starts with the year 2026, everything in the writable
    /// trees is as old as that, and the processes of a command take turns in one order. Sleeping
    /// takes no time. Commands must be run one after the other, and a mounted folder of the host
    /// brings its own times and whatever others do in it.
    #[must_use]
    pub fn deterministic(mut self, seed: u64) -> Self {
        self.settings.is_deterministic = true;
        self.seed(seed)
    }

    /// Starts the virtual clock of a deterministic sandbox this long after the first second of 2026: for
    /// finding out what depends on the time.
    #[must_use]
    pub fn clock_ahead(mut self, ahead: Duration) -> Self {
        self.settings.clock_ahead = ahead;
        self
    }

    /// Sends the record of every access somewhere; without a sink only denials are counted.
    #[must_use]
    pub fn audit(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Lets only programs of these names be started; without this all may.
    ///
    /// Both the name of the program's file and the name that it is started under count, and it has
    /// to be the program that has this name in the image: a copy of another does not become one of
    /// these by its name.
    #[must_use]
    pub fn only_programs(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.only = Some(names.into_iter().collect());
        self
    }

    /// Says which events are made; without this all are.
    #[must_use]
    pub fn audit_level(mut self, level: AuditLevel) -> Self {
        self.settings.level = level;
        self
    }

    /// Makes the sandbox.
    ///
    /// # Errors
    ///
    /// Fails if two mounts are at one place, a mount point cannot be made, or the name of a tool is
    /// none.
    pub fn build(mut self) -> Result<Sandbox, SandboxError> {
        for (name, tool) in std::mem::take(&mut self.tools) {
            self.place_tool(name, tool)?;
        }
        self.settings.programs = self.only.take().map(|names| self.modules_of(names));
        let audit = Arc::new(AuditLog::new(self.sink, self.settings.level));
        let Settings { is_deterministic, clock_ahead, .. } = self.settings;
        let clock =
            if is_deterministic { Clock::start_virtual(clock_ahead) } else { Clock::start() };
        let vfs = Vfs::new(self.mounts, self.rules, Arc::clone(&audit), clock)?;
        Ok(Sandbox::new(self.engine, self.programs, vfs, audit, self.settings))
    }
}

impl SandboxBuilder {
    /// Returns the modules of the programs that the image has under these names.
    fn modules_of(&mut self, names: BTreeSet<String>) -> BTreeMap<String, String> {
        let Some(root) = self.mounts.first_mut().and_then(Mount::tree_mut) else {
            return BTreeMap::new();
        };
        let module = |name: String| {
            let mut folders = DEFAULT_PATH.split(':').map(|folder| folder.trim_start_matches('/'));
            let stub = folders.find_map(|folder| root.read(&format!("{folder}/{name}")).ok())?;
            Some((name, stub_module(&stub)?.to_owned()))
        };
        names.into_iter().filter_map(module).collect()
    }

    fn place_tool(&mut self, name: String, tool: Arc<dyn HostTool>) -> Result<(), SandboxError> {
        let is_name = !name.is_empty() && name.len() <= MAX_TOOL_NAME_BYTES && !name.contains('/');
        let stub = if is_name { self.programs.add_tool(&name, tool) } else { vec![] };
        // The root is what every builder starts with.
        let root = self.mounts.first_mut().and_then(Mount::tree_mut);
        let placed = root.map(|root| root.write(&format!("usr/local/bin/{name}"), stub, 0o755));
        match placed {
            Some(Ok(())) if is_name => Ok(()),
            _ => Err(SandboxError::Tool { name }),
        }
    }
}

/// A namespace of files, and a place to run commands in. Cheap to clone: clones are the same
/// sandbox; see [`Self::fork`] for another one.
///
/// # Examples
///
/// ```no_run
/// use playpen_runtime::{Engine, EngineConfig, Image, Mount, Sandbox, Tree};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::new(EngineConfig::default())?;
/// let image = Image::open(&engine, "path/to/image".as_ref())?;
/// let mut tree = Tree::new();
/// tree.write("hello.py", "print('hello')\n", 0o644)?;
/// let sandbox = Sandbox::builder(&engine, &image)
///     .mount(Mount::tree("/workspace", tree))
///     .cwd("/workspace")
///     .build()?;
/// let outcome = sandbox.command("python").arg("hello.py").output().await?;
/// assert_eq!(outcome.stdout, "hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox {
    kernel: Arc<Kernel>,
    settings: Arc<Settings>,
}

impl Sandbox {
    /// Starts to describe a sandbox on an image.
    ///
    /// What it has unless more is added: the image read-only at `/`, empty writable trees at `/tmp`
    /// and `/home`, `/dev` and `/proc/self`, no file of the host, no network, no variable of the
    /// host's environment (`PATH`, `HOME`, `LANG`, `USER` and `TMPDIR` are set to the sandbox's own),
    /// and [`Limits::default`].
    pub fn builder(engine: &Engine, image: &Image) -> SandboxBuilder {
        let root = Mount::read_only_tree("/", image.root().clone());
        Self::builder_on(engine, image.programs().clone(), root)
    }

    pub(crate) fn builder_on(engine: &Engine, programs: Programs, root: Mount) -> SandboxBuilder {
        let env = [
            ("HOME", "/home/user"),
            ("LANG", "C.UTF-8"),
            ("PATH", DEFAULT_PATH),
            ("TMPDIR", "/tmp"),
            ("USER", "root"),
        ];
        let [dev, proc_self] = standard_devices();
        let mut home = Tree::new();
        home.create_dir("user", 0o755).expect("the tree is empty");
        SandboxBuilder {
            engine: engine.clone(),
            programs,
            mounts: vec![
                root,
                Mount::tree("/tmp", tmp()),
                Mount::tree("/home", home),
                dev,
                proc_self,
            ],
            rules: vec![],
            tools: vec![],
            only: None,
            settings: Settings {
                env: env.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
                cwd: "/".to_owned(),
                limits: Limits::default(),
                random: Randomness::Host,
                level: AuditLevel::All,
                programs: None,
                is_deterministic: false,
                clock_ahead: Duration::ZERO,
                network: NetworkMode::default(),
            },
            sink: None,
        }
    }

    /// Starts to describe a sandbox whose only programs are the given modules (each a WASI command,
    /// placed at `/bin/NAME`): for trying the kernel without an image.
    ///
    /// # Examples
    ///
    /// ```
    /// use playpen_runtime::{Engine, EngineConfig, Exit, Sandbox};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let guest = r#"(module
    ///   (import "wasi_snapshot_preview1" "fd_write"
    ///     (func $write (param i32 i32 i32 i32) (result i32)))
    ///   (memory (export "memory") 1)
    ///   (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\0a")
    ///   (func (export "_start")
    ///     (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;
    /// let engine = Engine::new(EngineConfig::default())?;
    /// let sandbox =
    ///     Sandbox::with_modules(&engine, vec![("hello".to_owned(), wat::parse_str(guest)?)]).build()?;
    /// let outcome = sandbox.command("hello").output().await?;
    /// assert_eq!(outcome.exit, Exit::Code(0));
    /// assert_eq!(outcome.stdout, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_modules(engine: &Engine, modules: Vec<(String, Vec<u8>)>) -> SandboxBuilder {
        let mut root = Tree::new();
        for (name, _) in &modules {
            let stub = crate::image::stub(name);
            root.write(&format!("bin/{name}"), stub, 0o755).expect("names are plain");
        }
        let root = Mount::read_only_tree("/", root);
        Self::builder_on(engine, Programs::from_bytes(engine, modules), root)
    }

    fn new(
        engine: Engine,
        programs: Programs,
        vfs: Vfs,
        audit: Arc<AuditLog>,
        settings: Settings,
    ) -> Self {
        let kernel = Kernel {
            engine,
            programs,
            audit,
            random: settings.random,
            clock: vfs.clock.clone(),
            vfs: Arc::new(Mutex::new(vfs)),
            next_serial: AtomicU64::new(1),
            next_pid: AtomicU32::new(FIRST_PID),
            tools: settings.programs.clone(),
            network: Network::new(settings.network),
            semaphores: Semaphores::default(),
            locks: Arc::default(),
            calls: HostCalls::default(),
        };
        Self { kernel: Arc::new(kernel), settings: Arc::new(settings) }
    }

    /// Describes a command to be run; a name without a slash is looked for in `PATH`.
    pub fn command(&self, program: impl Into<String>) -> Command {
        let Settings { env, cwd, limits, .. } = (*self.settings).clone();
        Command::new(Arc::clone(&self.kernel), program.into(), env, cwd, limits)
    }

    /// Makes another sandbox that starts from this one's files as they are now; it has the same
    /// mounts, rules, variables and limits, and its own record, which goes to `sink`.
    #[must_use]
    pub fn fork(&self, sink: Option<Arc<dyn AuditSink>>) -> Self {
        let audit = Arc::new(AuditLog::new(sink, self.settings.level));
        let vfs = self.kernel.vfs.lock().fork(Arc::clone(&audit));
        let (engine, programs) = (self.kernel.engine.clone(), self.kernel.programs.clone());
        Self::new(engine, programs, vfs, audit, (*self.settings).clone())
    }

    /// Returns a fork of the tree at a mount point, as it is now.
    pub fn tree(&self, point: &str) -> Option<Tree> {
        self.kernel.vfs.lock().tree_at(point.trim_end_matches('/'))
    }

    /// Puts another tree at a mount point. Returns false if there is no tree mounted, or if a
    /// process has something of the old one open.
    pub fn replace_tree(&self, point: &str, tree: Tree) -> bool {
        self.kernel.vfs.lock().replace_tree(point.trim_end_matches('/'), tree)
    }

    /// Returns forks of all trees as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let vfs = self.kernel.vfs.lock();
        let tree = |point: String| vfs.tree_at(&point).map(|tree| (point, tree));
        Snapshot { trees: vfs.tree_points().into_iter().filter_map(tree).collect() }
    }

    /// Returns forks of the trees that commands can change, as they are now.
    pub fn snapshot_of_changes(&self) -> Snapshot {
        let vfs = self.kernel.vfs.lock();
        let writable = vfs.tree_points().into_iter().filter(|point| vfs.is_writable(point));
        let tree = |point: String| vfs.tree_at(&point).map(|tree| (point, tree));
        Snapshot { trees: writable.filter_map(tree).collect() }
    }

    /// Makes a job that is no command, for an instance that only starts up.
    pub(crate) fn job(&self) -> Arc<Job> {
        Job::new(Arc::clone(&self.kernel), self.settings.limits.clone(), None)
    }

    /// Explains what may be done with a path, and by which mount and rule.
    ///
    /// # Errors
    ///
    /// Fails as looking the path up in the sandbox fails, other than at its end.
    pub fn explain(&self, path: &str) -> Result<Explanation, Errno> {
        self.kernel.vfs.lock().explain(path)
    }

    /// Returns how many accesses were denied so far.
    pub fn n_denied(&self) -> u64 {
        self.kernel.audit.counts().n_denied
    }

    /// Returns what the record has so far. Without a sink only what was denied or flagged is
    /// counted.
    pub fn audit_counts(&self) -> AuditCounts {
        self.kernel.audit.counts()
    }

    /// Returns what came in at the host functions so far, counted there.
    pub fn host_counts(&self) -> HostCounts {
        self.kernel.calls.counts()
    }
}

/// Numbers of processes start here: 1 is what programs take for `init`.
const FIRST_PID: u32 = 2;

fn tmp() -> Tree {
    let mut tree = Tree::new();
    if let Some(root) = tree.inode_mut(crate::tree::ROOT) {
        root.mode = 0o1777;
    }
    tree
}

/// The trees of a sandbox at one instant, by mount point.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The trees; the image's is at `""`.
    pub trees: BTreeMap<String, Tree>,
}
