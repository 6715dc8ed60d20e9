//! Writing an image.

use super::{
    Entry, FORMAT, MANIFEST, MODULES, Manifest, ModuleRecord, SigPipe, TREE_DATA, TREE_INDEX, pack,
    stub::stub,
};
use crate::tree::{Tree, TreeError};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Why an image could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The host refused a write.
    #[error("failed to write `{path}` of the image")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// A program could not be put into the tree.
    #[error("failed to place a program in the tree")]
    Place {
        /// What is in the way.
        #[source]
        source: TreeError,
    },
    /// A program names a module that was not given.
    #[error("program `{program}` names module `{module}`, which was not given")]
    NoModule {
        /// Path of the program.
        program: String,
        /// The module it names.
        module: String,
    },
}

/// Collects what makes an image and writes it to a folder.
#[derive(Debug)]
pub struct ImageWriter {
    folder: PathBuf,
    root: Tree,
    modules: BTreeMap<String, (Vec<u8>, Entry, SigPipe)>,
    programs: Vec<(String, String)>,
}

impl ImageWriter {
    /// Starts an image on a root file system; `folder` is made by [`Self::finish`].
    pub fn new(folder: impl Into<PathBuf>, root: Tree) -> Self {
        Self { folder: folder.into(), root, modules: BTreeMap::new(), programs: vec![] }
    }

    /// Adds a guest module.
    pub fn module(
        &mut self,
        name: &str,
        wasm: Vec<u8>,
        entry: Entry,
        sig_pipe: SigPipe,
    ) -> &mut Self {
        self.modules.insert(name.to_owned(), (wasm, entry, sig_pipe));
        self
    }

    /// Adds a program: a file at `path` (absolute, in the sandbox) that starts `module`. The module
    /// learns by `argv[0]` which of its programs it is.
    pub fn program(&mut self, path: &str, module: &str) -> &mut Self {
        self.programs.push((path.trim_start_matches('/').to_owned(), module.to_owned()));
        self
    }

    /// Writes the image and returns the digest of its manifest.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write, or a program cannot be placed.
    pub fn finish(mut self) -> Result<String, WriteError> {
        for (path, module) in &self.programs {
            if !self.modules.contains_key(module) {
                let (program, module) = (path.clone(), module.clone());
                return Err(WriteError::NoModule { program, module });
            }
            let placed = self.root.write(path, stub(module), 0o755);
            placed.map_err(|source| WriteError::Place { source })?;
        }
        let (index, data) = pack::pack(&self.root);
        let modules_folder = self.folder.join(MODULES);
        std::fs::create_dir_all(&modules_folder)
            .map_err(|source| WriteError::Write { path: modules_folder.clone(), source })?;
        let mut modules = BTreeMap::new();
        for (name, (wasm, entry, sig_pipe)) in self.modules {
            write(&modules_folder.join(format!("{name}.wasm")), &wasm)?;
            let hash = blake3::hash(&wasm).to_hex().to_string();
            modules.insert(name, ModuleRecord { hash, entry, sig_pipe });
        }
        let manifest = Manifest {
            format: FORMAT,
            modules,
            tree_index: blake3::hash(&index).to_hex().to_string(),
            tree_data: blake3::hash(&data).to_hex().to_string(),
        };
        write(&self.folder.join(TREE_INDEX), &index)?;
        write(&self.folder.join(TREE_DATA), &data)?;
        let text = serde_json::to_vec_pretty(&manifest).expect("plain data serializes");
        // Last, so that a folder with a manifest is a whole image.
        write(&self.folder.join(MANIFEST), &text)?;
        Ok(blake3::hash(&text).to_hex().to_string())
    }
}

fn write(path: &Path, data: &[u8]) -> Result<(), WriteError> {
    #[expect(clippy::disallowed_methods, reason = "an image is the host's own, not a guest's")]
    std::fs::write(path, data).map_err(|source| WriteError::Write { path: path.to_owned(), source })
}
