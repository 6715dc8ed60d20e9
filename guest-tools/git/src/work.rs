//! Files of the working tree: reading them as git stores them, and writing them from what it stored.

use std::io;
use std::path::Path;

use git2::{IndexEntry, ObjectType, Oid};

use crate::attr::Attributes;
use crate::fail::{Outcome, error, io_text};
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::{self, FILE, LINK, MODULE, PROGRAM};
use crate::sys::{self, Kind, Meta};

/// The working tree with the attributes of its paths.
pub(crate) struct Work<'a> {
    pub(crate) place: &'a Place,
    pub(crate) attributes: Attributes,
    modes_count: bool,
}

impl<'a> Work<'a> {
    pub(crate) fn new(place: &'a Place) -> Self {
        let modes_count = place.setting_bool("core.filemode").unwrap_or(true);
        Self { place, attributes: Attributes::new(place), modes_count }
    }

    /// What is at a path; nothing is found behind a link.
    pub(crate) fn find(&self, path: &[u8]) -> Option<Meta> {
        sys::find(&self.place.file(path))
    }

    /// As `find`, but a path that leads through a link is not there.
    pub(crate) fn find_straight(&self, path: &[u8]) -> Option<Meta> {
        let through_link = path
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'/')
            .any(|(at, _)| self.find(&path[..at]).is_none_or(|meta| meta.kind != Kind::Folder));
        if through_link { None } else { self.find(path) }
    }

    /// The mode that a file would have in the index; `known` is what it has there.
    pub(crate) fn mode(&self, meta: &Meta, known: Option<u32>) -> u32 {
        match meta.kind {
            Kind::Link => LINK,
            Kind::Folder => MODULE,
            _ if !self.modes_count => known.filter(|mode| *mode == PROGRAM).unwrap_or(FILE),
            _ if meta.executable => PROGRAM,
            _ => FILE,
        }
    }

    /// A file as git would store it; of a link its target.
    pub(crate) fn stored(&self, path: &[u8], meta: &Meta) -> io::Result<Vec<u8>> {
        let content = self.raw(path, meta)?;
        Ok(if meta.kind == Kind::File {
            self.attributes.stored(self.place, path, content)
        } else {
            content
        })
    }

    /// A file as it is; of a link its target.
    pub(crate) fn raw(&self, path: &[u8], meta: &Meta) -> io::Result<Vec<u8>> {
        let file = self.place.file(path);
        match meta.kind {
            Kind::Link => std::fs::read_link(file).map(|target| sys::path_bytes(&target).to_vec()),
            Kind::Folder => Ok(vec![]),
            _ => std::fs::read(file),
        }
    }

    /// The id that a file would have; of a folder with a repository its last commit.
    pub(crate) fn hash(&self, path: &[u8], meta: &Meta) -> io::Result<Oid> {
        if meta.kind == Kind::Folder {
            return Ok(module_head(&self.place.file(path)).unwrap_or(Oid::ZERO_SHA1));
        }
        let content = self.stored(path, meta)?;
        Oid::hash_object(ObjectType::Blob, &content)
            .map_err(|e| io::Error::other(e.message().to_owned()))
    }

    /// Stores a file and makes its entry.
    pub(crate) fn store(
        &self,
        path: &[u8],
        meta: &Meta,
        known: Option<u32>,
    ) -> Outcome<IndexEntry> {
        let mode = self.mode(meta, known);
        let id = if mode == MODULE {
            module_head(&self.place.file(path)).ok_or_else(|| {
                error(format!("'{}/' does not have a commit checked out", lossy(path)))
            })?
        } else {
            let content = self
                .stored(path, meta)
                .map_err(|e| error(format!("open(\"{}\"): {}", lossy(path), io_text(&e))))?;
            self.place.repo.odb()?.write(ObjectType::Blob, &content)?
        };
        Ok(stage::known(path, mode, id, meta))
    }

    /// Writes a file, link or folder of a module; what is in the way is removed. Returns its entry.
    pub(crate) fn write(&self, path: &[u8], mode: u32, id: Oid) -> Outcome<IndexEntry> {
        let content = if mode == MODULE { vec![] } else { self.place.read(id)? };
        self.write_content(path, mode, &content)?;
        let meta = sys::lstat(&self.place.file(path))?;
        Ok(stage::known(path, mode, id, &meta))
    }

    /// Writes content as it is stored to the file of a path.
    pub(crate) fn write_content(&self, path: &[u8], mode: u32, content: &[u8]) -> Outcome<()> {
        let file = self.place.file(path);
        self.make_folders(path)?;
        if let Some(meta) = sys::find(&file) {
            if meta.kind == Kind::Folder && mode == MODULE {
                return Ok(());
            }
            remove_whatever(&file, &meta)?;
        }
        match mode {
            MODULE => std::fs::create_dir_all(&file)?,
            LINK => sys::symlink(sys::path(content), &file)?,
            _ => {
                std::fs::write(&file, self.attributes.checked_out(self.place, path, content))?;
                if mode == PROGRAM {
                    sys::chmod(&file, 0o755)?;
                }
            }
        }
        Ok(())
    }

    /// Makes the folders above a path; files and links in the way are removed.
    fn make_folders(&self, path: &[u8]) -> io::Result<()> {
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            let folder = self.place.file(&path[..at]);
            match sys::find(&folder) {
                Some(meta) if meta.kind == Kind::Folder => (),
                Some(_) => {
                    std::fs::remove_file(&folder)?;
                    std::fs::create_dir(&folder)?;
                }
                None => std::fs::create_dir(&folder)?,
            }
        }
        Ok(())
    }

    /// Removes a file and the folders that are empty without it, but not the working folder.
    pub(crate) fn remove(&self, path: &[u8]) {
        let file = self.place.file(path);
        if sys::find(&file)
            .is_none_or(|meta| meta.kind == Kind::Folder && std::fs::remove_dir(&file).is_err())
        {
            return;
        }
        // A folder is gone already.
        drop(std::fs::remove_file(&file));
        self.remove_empty_above(path);
    }

    pub(crate) fn remove_empty_above(&self, path: &[u8]) {
        let slashes = path.iter().enumerate().rev().filter(|(_, b)| **b == b'/');
        for (at, _) in slashes {
            let folder = &path[..at];
            let is_here = self.place.prefix.strip_suffix(b"/") == Some(folder);
            if is_here || std::fs::remove_dir(self.place.file(folder)).is_err() {
                return;
            }
        }
    }
}

fn remove_whatever(file: &Path, meta: &Meta) -> io::Result<()> {
    if meta.kind == Kind::Folder {
        std::fs::remove_dir_all(file)
    } else {
        std::fs::remove_file(file)
    }
}

/// The last commit of the repository in a folder.
pub(crate) fn module_head(folder: &Path) -> Option<Oid> {
    sys::find(&folder.join(".git"))?;
    git2::Repository::open(folder).ok()?.head().ok()?.peel_to_commit().ok().map(|c| c.id())
}
