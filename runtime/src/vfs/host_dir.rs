//! A directory of the host, mounted through cap-std.
//!
//! Nodes are numbered as they are first seen, so that the rest of the kernel speaks of a node of the
//! host as it does of any other. The namespace has walked the symlinks before a path gets here; that
//! somebody on the host may swap a directory for a link in between is cap-std's to withstand, which
//! resolves beneath its directory or fails.

use super::stat::{DirEntry, FileType, Stat};
use crate::{
    errno::{Errno, SysResult},
    tree::{Ino, ROOT},
};
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt as _, File, Metadata, MetadataExt as _, OpenOptions,
    OpenOptionsExt as _, Permissions, PermissionsExt as _,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// A file of the host that a descriptor holds.
pub(crate) type HostFile = File;

#[derive(Debug)]
pub(super) struct HostDir {
    dir: Arc<Dir>,
    names: Mutex<Names>,
}

#[derive(Clone, Debug)]
struct Names {
    by_ino: BTreeMap<Ino, Arc<str>>,
    by_path: BTreeMap<Arc<str>, Ino>,
    next: Ino,
}

impl Names {
    fn ino(&mut self, path: &str) -> Ino {
        if let Some(ino) = self.by_path.get(path) {
            return *ino;
        }
        let (ino, path) = (self.next, Arc::<str>::from(path));
        self.next += 1;
        self.by_ino.insert(ino, Arc::clone(&path));
        self.by_path.insert(path, ino);
        ino
    }

    /// Lets the numbers of a file or directory, and of all below it, go with their new names.
    fn rename(&mut self, from: &str, to: &str) {
        let is_at = |path: &str, above: &str| {
            path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if from == to {
            return;
        }
        self.by_path.retain(|path, _| !is_at(path, to));
        let moved: Vec<Arc<str>> =
            self.by_path.keys().filter(|path| is_at(path, from)).cloned().collect();
        for path in moved {
            let Some(ino) = self.by_path.remove(&path) else { continue };
            let path: Arc<str> = format!("{to}{}", &path[from.len()..]).into();
            self.by_ino.insert(ino, Arc::clone(&path));
            self.by_path.insert(path, ino);
        }
    }
}

impl HostDir {
    pub(super) fn new(dir: Dir) -> Self {
        let root = Arc::<str>::from("");
        let names = Names {
            by_ino: BTreeMap::from([(ROOT, Arc::clone(&root))]),
            by_path: BTreeMap::from([(root, ROOT)]),
            next: ROOT + 1,
        };
        Self { dir: Arc::new(dir), names: Mutex::new(names) }
    }

    pub(super) fn fork(&self) -> Self {
        Self { dir: Arc::clone(&self.dir), names: Mutex::new(self.names.lock().clone()) }
    }

    pub(super) fn path_of(&self, ino: Ino) -> Option<Arc<str>> {
        self.names.lock().by_ino.get(&ino).cloned()
    }

    pub(super) fn child_path(&self, parent: Ino, name: &str) -> SysResult<String> {
        let parent = self.path_of(parent).ok_or(Errno::NOENT)?;
        Ok(if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") })
    }

    pub(super) fn has_dir(&self, path: &str) -> bool {
        self.dir.symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
    }

    fn metadata(&self, ino: Ino) -> SysResult<Metadata> {
        let path = self.path_of(ino).ok_or(Errno::NOENT)?;
        let place = if path.is_empty() { "." } else { &*path };
        self.dir.symlink_metadata(place).map_err(|error| Errno::from_io(&error))
    }

    pub(super) fn lookup(&self, parent: Ino, name: &str) -> SysResult<Option<Ino>> {
        let path = self.child_path(parent, name)?;
        match self.dir.symlink_metadata(&path) {
            Ok(_) => Ok(Some(self.names.lock().ino(&path))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Errno::from_io(&error)),
        }
    }

    pub(super) fn is_dir(&self, ino: Ino) -> bool {
        self.metadata(ino).is_ok_and(|metadata| metadata.is_dir())
    }

    pub(super) fn kind(&self, ino: Ino) -> FileType {
        self.metadata(ino).map_or(FileType::Unknown, |metadata| file_type(metadata.file_type()))
    }

    pub(super) fn link_target(&self, ino: Ino) -> SysResult<Option<String>> {
        if !self.metadata(ino)?.is_symlink() {
            return Ok(None);
        }
        let path = self.path_of(ino).ok_or(Errno::NOENT)?;
        let target = self.dir.read_link_contents(&*path).map_err(|error| Errno::from_io(&error))?;
        target.to_str().map(|target| Some(target.to_owned())).ok_or(Errno::ILSEQ)
    }

    pub(super) fn stat(&self, ino: Ino, dev: u64) -> SysResult<Stat> {
        Ok(stat_of(&self.metadata(ino)?, dev))
    }

    pub(super) fn list(&self, ino: Ino) -> SysResult<Vec<DirEntry>> {
        let path = self.path_of(ino).ok_or(Errno::NOENT)?;
        let place = if path.is_empty() { "." } else { &*path };
        let mut entries = vec![];
        for entry in self.dir.read_dir(place).map_err(|error| Errno::from_io(&error))? {
            let entry = entry.map_err(|error| Errno::from_io(&error))?;
            // A name that is not UTF-8 has no WASI path, so it cannot be reached anyway.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type().map_or(FileType::Unknown, file_type);
            // Before the lock, which finding the path takes too.
            let path = self.child_path(ino, &name)?;
            let ino = self.names.lock().ino(&path);
            entries.push(DirEntry { name: name.into(), ino, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Opens a regular file; anything else could block or reach outside.
    pub(super) fn open(
        &self,
        path: &str,
        read: bool,
        write: bool,
        create: Option<u32>,
        exclusive: bool,
    ) -> SysResult<File> {
        let mut options: OpenOptions = crate::tree::read_options();
        options.read(read || !write).write(write);
        if let Some(mode) = create {
            options.create(!exclusive).create_new(exclusive).mode(mode);
        }
        let file = self.dir.open_with(path, &options).map_err(|error| Errno::from_io(&error))?;
        let metadata = file.metadata().map_err(|error| Errno::from_io(&error))?;
        if !metadata.is_file() || (write && metadata.nlink() > 1) {
            return Err(Errno::ACCES);
        }
        Ok(file)
    }

    fn io<T>(result: std::io::Result<T>) -> SysResult<T> {
        result.map_err(|error| Errno::from_io(&error))
    }

    pub(super) fn mkdir(&self, path: &str, mode: u32) -> SysResult<()> {
        Self::io(self.dir.create_dir_with(path, DirBuilder::new().mode(mode)))
    }

    pub(super) fn rmdir(&self, path: &str) -> SysResult<()> {
        Self::io(self.dir.remove_dir(path))?;
        self.names.lock().by_path.remove(path);
        Ok(())
    }

    pub(super) fn unlink(&self, path: &str) -> SysResult<()> {
        Self::io(self.dir.remove_file(path))?;
        // A file that is made here later is another node.
        self.names.lock().by_path.remove(path);
        Ok(())
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> SysResult<()> {
        Self::io(self.dir.rename(from, &self.dir, to))?;
        self.names.lock().rename(from, to);
        Ok(())
    }

    /// Returns all paths of a file that has several, sorted; none for one that has one. Looks
    /// through the whole directory: such files are rare, and somebody outside may make one at any
    /// time.
    pub(super) fn names_of(&self, ino: Ino) -> Vec<String> {
        let Ok(metadata) = self.metadata(ino) else { return vec![] };
        if metadata.is_dir() || metadata.nlink() < 2 {
            return vec![];
        }
        let identity = (metadata.dev(), metadata.ino());
        let mut names = vec![];
        let mut pending = vec![String::new()];
        while let Some(path) = pending.pop() {
            let place = if path.is_empty() { "." } else { &path };
            let Ok(entries) = self.dir.read_dir(place) else { continue };
            for entry in entries.flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let child = if path.is_empty() { name } else { format!("{path}/{name}") };
                match self.dir.symlink_metadata(&child) {
                    Ok(metadata) if metadata.is_dir() => pending.push(child),
                    Ok(metadata) if (metadata.dev(), metadata.ino()) == identity => {
                        names.push(child);
                    }
                    _ => {}
                }
            }
        }
        names.sort();
        names
    }

    pub(super) fn symlink(&self, target: &str, path: &str) -> SysResult<()> {
        Self::io(self.dir.symlink_contents(target, path))
    }

    /// Changes permission bits, unless the file has another name, which may be outside.
    pub(super) fn chmod(&self, path: &str, mode: u32) -> SysResult<()> {
        let metadata = Self::io(self.dir.symlink_metadata(path))?;
        if metadata.is_file() && metadata.nlink() > 1 {
            return Err(Errno::ACCES);
        }
        Self::io(self.dir.set_permissions(path, Permissions::from_mode(mode)))
    }
}

fn file_type(kind: cap_std::fs::FileType) -> FileType {
    if kind.is_dir() {
        FileType::Directory
    } else if kind.is_file() {
        FileType::RegularFile
    } else if kind.is_symlink() {
        FileType::SymbolicLink
    } else {
        FileType::CharacterDevice
    }
}

/// Translates the host's metadata; owners are not shown, everything in a sandbox is root's.
pub(crate) fn stat_of(metadata: &Metadata, dev: u64) -> Stat {
    let nanos = |seconds: i64, nanos: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000);
        seconds.saturating_add(u64::try_from(nanos).unwrap_or(0))
    };
    Stat {
        dev,
        ino: metadata.ino(),
        kind: file_type(metadata.file_type()),
        mode: metadata.mode() & 0o7777,
        nlink: metadata.nlink(),
        size: metadata.len(),
        accessed: nanos(metadata.atime(), metadata.atime_nsec()),
        modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
        changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
    }
}
