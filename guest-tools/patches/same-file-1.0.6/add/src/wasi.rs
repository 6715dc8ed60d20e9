//! WASI: std's device and inode numbers are not stable there, so the kernel is asked itself.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;

use playpen_sys::FileId;

/// An open file, and which one it is.
#[derive(Debug)]
pub struct Handle {
    file: File,
    id: FileId,
}

impl Eq for Handle {}

impl PartialEq for Handle {
    fn eq(&self, other: &Handle) -> bool {
        self.id == other.id
    }
}

impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Handle {
    pub fn from_path<P: AsRef<Path>>(p: P) -> io::Result<Handle> {
        Handle::from_file(File::open(p)?)
    }

    pub fn from_file(file: File) -> io::Result<Handle> {
        Ok(Handle { id: playpen_sys::file_id(&file)?, file })
    }

    pub fn stdin() -> io::Result<Handle> {
        Handle::from_file(playpen_sys::dup(&io::stdin())?)
    }

    pub fn stdout() -> io::Result<Handle> {
        Handle::from_file(playpen_sys::dup(&io::stdout())?)
    }

    pub fn stderr() -> io::Result<Handle> {
        Handle::from_file(playpen_sys::dup(&io::stderr())?)
    }

    pub fn as_file(&self) -> &File {
        &self.file
    }

    pub fn as_file_mut(&mut self) -> &mut File {
        &mut self.file
    }
}
