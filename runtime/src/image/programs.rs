//! The modules of an image, compiled when they are first started.

use super::{Entry, ImageError, MODULES, ModuleRecord, SigPipe, read};
use crate::{
    engine::{Code, Engine, ModuleError, Program},
    errno::{Errno, SysResult},
    process::Process,
    tool::HostTool,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use wasmtime::InstancePre;

/// The modules that processes of a sandbox may be started from. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    engine: Engine,
    by_name: Arc<BTreeMap<String, Slot>>,
    /// What the host provides, by the name in the stub.
    tools: BTreeMap<String, Arc<Program>>,
}

/// What the names of the host's programs begin with in stubs: no module has such a name.
const TOOL: &str = "tool:";

#[derive(Debug)]
struct Slot {
    source: Source,
    entry: Entry,
    sig_pipe: SigPipe,
    program: OnceLock<Option<Arc<Program>>>,
}

#[derive(Debug)]
enum Source {
    File { image: PathBuf, path: PathBuf, hash: String },
    Bytes(Vec<u8>),
}

impl Programs {
    pub(super) fn new(
        engine: &Engine,
        image: &Path,
        modules: BTreeMap<String, ModuleRecord>,
    ) -> Self {
        let slot = |name: &str, record: ModuleRecord| Slot {
            source: Source::File {
                image: image.to_owned(),
                path: image.join(MODULES).join(format!("{name}.wasm")),
                hash: record.hash,
            },
            entry: record.entry,
            sig_pipe: record.sig_pipe,
            program: OnceLock::new(),
        };
        let slots = modules.into_iter().map(|(name, record)| {
            let slot = slot(&name, record);
            (name, slot)
        });
        Self { engine: engine.clone(), by_name: Arc::new(slots.collect()), tools: [].into() }
    }

    /// Makes a set from modules in memory.
    pub(crate) fn from_bytes(engine: &Engine, modules: Vec<(String, Vec<u8>)>) -> Self {
        let slot = |wasm| Slot {
            source: Source::Bytes(wasm),
            entry: Entry::Start,
            sig_pipe: SigPipe::Kill,
            program: OnceLock::new(),
        };
        let slots = modules.into_iter().map(|(name, wasm)| (name, slot(wasm)));
        Self { engine: engine.clone(), by_name: Arc::new(slots.collect()), tools: [].into() }
    }

    /// Returns a module ready to start; the errors are those of `execve(2)`.
    pub(crate) fn load(&self, name: &str) -> SysResult<Arc<Program>> {
        if let Some(tool) = self.tools.get(name) {
            return Ok(Arc::clone(tool));
        }
        let slot = self.by_name.get(name).ok_or(Errno::NOEXEC)?;
        let program = slot.program.get_or_init(|| match slot.program(&self.engine, name) {
            Ok(program) => Some(Arc::new(program)),
            Err(error) => {
                tracing::error!("module `{name}` does not load: {error:?}");
                None
            }
        });
        program.clone().ok_or(Errno::NOEXEC)
    }

    /// Adds a program of the host and returns the file that stands for it.
    pub(crate) fn add_tool(&mut self, name: &str, tool: Arc<dyn HostTool>) -> Vec<u8> {
        let module = format!("{TOOL}{name}");
        let stub = super::stub(&module);
        let program = Program { code: Code::Tool(tool), sig_pipe: SigPipe::Error };
        self.tools.insert(module, Arc::new(program));
        stub
    }

    pub(super) fn compile_all(&self) -> Result<(), ImageError> {
        for (name, slot) in self.by_name.iter() {
            if slot.program.get().is_none() {
                let program = slot.program(&self.engine, name)?;
                let _unless_raced = slot.program.set(Some(Arc::new(program)));
            }
        }
        Ok(())
    }
}

impl Slot {
    fn program(&self, engine: &Engine, name: &str) -> Result<Program, ImageError> {
        let instance = match &self.source {
            Source::Bytes(wasm) => engine
                .compile(name, wasm)
                .map_err(|source| in_image(Path::new("modules in memory"), source))?,
            Source::File { image, path, hash } => {
                let key = blake3::Hash::from_hex(hash);
                let key = key.map_err(|_| ImageError::Damaged { path: image.clone() })?;
                match engine.cached(key) {
                    Some(instance) => instance,
                    None => compile_file(engine, name, image, path, key)?,
                }
            }
        };
        let code = Code::Guest { instance, entry: self.entry.clone() };
        Ok(Program { code, sig_pipe: self.sig_pipe })
    }
}

fn compile_file(
    engine: &Engine,
    name: &str,
    image: &Path,
    path: &Path,
    key: blake3::Hash,
) -> Result<InstancePre<Process>, ImageError> {
    let wasm = read(path)?;
    if blake3::hash(&wasm) != key {
        return Err(ImageError::Damaged { path: path.to_owned() });
    }
    engine.compile(name, &wasm).map_err(|source| in_image(image, source))
}

fn in_image(path: &Path, source: ModuleError) -> ImageError {
    ImageError::Module { path: path.to_owned(), source }
}
