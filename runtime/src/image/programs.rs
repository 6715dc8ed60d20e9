//! The modules of an image, compiled when they are first started.

use super::{Entry, ImageError, MODULES, ModuleRecord, SigPipe, read};
use crate::{
    engine::{Engine, ModuleError, Program},
    errno::{Errno, SysResult},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// The modules that processes of a sandbox may be started from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    by_name: Arc<BTreeMap<String, Slot>>,
}

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
        _engine: &Engine,
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
        Self { by_name: Arc::new(slots.collect()) }
    }

    /// Makes a set from modules in memory.
    pub(crate) fn from_bytes(modules: Vec<(String, Vec<u8>)>) -> Self {
        let slot = |wasm| Slot {
            source: Source::Bytes(wasm),
            entry: Entry::Start,
            sig_pipe: SigPipe::Kill,
            program: OnceLock::new(),
        };
        let slots = modules.into_iter().map(|(name, wasm)| (name, slot(wasm)));
        Self { by_name: Arc::new(slots.collect()) }
    }

    /// Returns a module ready to start; the errors are those of `execve(2)`.
    pub(crate) fn load(&self, engine: &Engine, name: &str) -> SysResult<Arc<Program>> {
        let slot = self.by_name.get(name).ok_or(Errno::NOEXEC)?;
        let program = slot.program.get_or_init(|| match slot.program(engine, name) {
            Ok(program) => Some(Arc::new(program)),
            Err(error) => {
                tracing::error!("module `{name}` does not load: {error:?}");
                None
            }
        });
        program.clone().ok_or(Errno::NOEXEC)
    }

    pub(super) fn compile_all(&self, engine: &Engine) -> Result<(), ImageError> {
        for (name, slot) in self.by_name.iter() {
            if slot.program.get().is_none() {
                let program = slot.program(engine, name)?;
                let _unless_raced = slot.program.set(Some(Arc::new(program)));
            }
        }
        Ok(())
    }
}

impl Slot {
    fn program(&self, engine: &Engine, name: &str) -> Result<Program, ImageError> {
        let load = |wasm: &[u8]| engine.program(name, wasm, self.entry.clone(), self.sig_pipe);
        match &self.source {
            Source::Bytes(wasm) => load(wasm).map_err(|source| in_image(Path::new(""), source)),
            Source::File { image, path, hash } => {
                let wasm = read(path)?;
                if blake3::hash(&wasm).to_hex().as_str() != hash {
                    return Err(ImageError::Damaged { path: path.clone() });
                }
                load(&wasm).map_err(|source| in_image(image, source))
            }
        }
    }
}

fn in_image(path: &Path, source: ModuleError) -> ImageError {
    ImageError::Module { path: path.to_owned(), source }
}
