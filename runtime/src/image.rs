//! Images: a root file system and the guest programs that go with it.
//!
//! An image is a folder of three things: `image.json` (the manifest: modules, and hashes of all
//! else), `root.json` with `root.data` (the file tree, packed: the data is mapped and shared by all
//! sandboxes), and `modules/` (WebAssembly). A program in the tree is a file of a few bytes, a valid
//! WebAssembly module that holds only the name of the module to start: copies and links of it work
//! like copies and links of a program, and a guest that writes such a file itself can start nothing
//! that it could not start anyway.

mod pack;
mod programs;
mod stub;
mod writer;

pub use self::writer::{ImageWriter, WriteError};
pub(crate) use self::{
    programs::Programs,
    stub::{stub, stub_module},
};

use crate::{
    engine::{Engine, ModuleError},
    tree::Tree,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Version of the layout of an image.
const FORMAT: u32 = 1;

const MANIFEST: &str = "image.json";
const TREE_INDEX: &str = "root.json";
const TREE_DATA: &str = "root.data";
const MODULES: &str = "modules";

/// How a module is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A WASI command: `_start`, which returns or calls `proc_exit`.
    Start,
    /// An exported function `() -> i32` that returns the exit status.
    Function(String),
}

/// What a write to a pipe without a reader does to a program that has said nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigPipe {
    /// Ends it, as the default action of `SIGPIPE`.
    Kill,
    /// Gives it `EPIPE`, as for a program that ignores `SIGPIPE`.
    Error,
}

/// The manifest of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    modules: BTreeMap<String, ModuleRecord>,
    /// Hashes of the two files of the tree, in hexadecimal.
    tree_index: String,
    tree_data: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModuleRecord {
    hash: String,
    entry: Entry,
    sig_pipe: SigPipe,
}

/// Why an image cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file of the image cannot be read.
    #[error("failed to read `{path}` of the image")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// A file of the image is not what was written.
    #[error("image file `{path}` is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The image was written by a newer version.
    #[error("image `{path}` has format {found}, this version reads {FORMAT}")]
    Newer {
        /// The image.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A guest module does not load.
    #[error("failed to load a module of the image `{path}`")]
    Module {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ModuleError,
    },
}

/// An image, opened and checked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Image {
    path: PathBuf,
    digest: String,
    root: Tree,
    programs: Programs,
}

impl Image {
    /// Opens the image in a folder for an engine, checking it against its hashes.
    ///
    /// Modules are compiled when they are first started; [`Self::compile`] does so beforehand.
    ///
    /// # Errors
    ///
    /// Fails if a file is missing, damaged or of a newer format.
    pub fn open(engine: &Engine, path: &Path) -> Result<Self, ImageError> {
        let (manifest, digest) = read_manifest(path)?;
        let root = pack::read_packed(path, &manifest.tree_index, &manifest.tree_data)?;
        let programs = Programs::new(engine, path, manifest.modules);
        Ok(Self { path: path.to_owned(), digest, root, programs })
    }

    /// Compiles every module that is not in the engine's cache yet.
    ///
    /// # Errors
    ///
    /// Fails if a module is damaged, or is none that the kernel can run.
    pub fn compile(&self) -> Result<(), ImageError> {
        self.programs.compile_all()
    }

    /// Returns the digest of the manifest, which stands for all of the image.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the folder that the image was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the root file system; a clone of it is a fork.
    pub fn root(&self) -> &Tree {
        &self.root
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }
}

fn read_manifest(path: &Path) -> Result<(Manifest, String), ImageError> {
    let file = path.join(MANIFEST);
    let text = read(&file)?;
    let damaged = || ImageError::Damaged { path: file.clone() };
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|_| damaged())?;
    let found = value.get("format").and_then(serde_json::Value::as_u64).ok_or_else(damaged)?;
    let found = u32::try_from(found).map_err(|_| damaged())?;
    if found > FORMAT {
        return Err(ImageError::Newer { path: path.to_owned(), found });
    }
    let manifest = serde_json::from_value(value).map_err(|_| damaged())?;
    Ok((manifest, blake3::hash(&text).to_hex().to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    #[expect(clippy::disallowed_methods, reason = "an image is the host's own, not a guest's")]
    std::fs::read(path).map_err(|source| ImageError::Read { path: path.to_owned(), source })
}
