//! Where a script's files come from.

use cap_std::{ambient_authority, fs::Dir};
use std::{collections::BTreeMap, io, path::Path};

/// A source of the files that a script names: a folder, or files built into the program.
pub trait ScriptFiles {
    /// Reads a file, by its path relative to the script.
    ///
    /// # Errors
    ///
    /// Returns the error of the layer below; a path that leaves the folder is refused.
    fn read(&self, path: &str) -> io::Result<String>;
}

/// A script that stands alone.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl ScriptFiles for NoFiles {
    fn read(&self, _path: &str) -> io::Result<String> {
        Err(io::Error::new(io::ErrorKind::NotFound, "this script has no files beside it"))
    }
}

/// The files of a folder. Neither `..` nor a symbolic link leads out of it.
#[derive(Debug)]
pub struct FolderFiles(Dir);

impl FolderFiles {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// Returns the error of the operating system if the folder cannot be opened.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(folder, ambient_authority()).map(Self)
    }
}

impl ScriptFiles for FolderFiles {
    fn read(&self, path: &str) -> io::Result<String> {
        self.0.read_to_string(path)
    }
}

impl ScriptFiles for BTreeMap<String, String> {
    fn read(&self, path: &str) -> io::Result<String> {
        self.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl ScriptFiles for include_dir::Dir<'_> {
    fn read(&self, path: &str) -> io::Result<String> {
        let file = self.get_file(path).ok_or(io::ErrorKind::NotFound)?;
        let text = file.contents_utf8().ok_or(io::ErrorKind::InvalidData)?;
        Ok(text.to_owned())
    }
}
