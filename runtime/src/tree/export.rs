//! Writing a tree into a directory of the host.
//!
//! The host's side is a [`cap_std::fs::Dir`] that the caller lends; no symlink is followed on the
//! way out.

use super::{Content, EntryKind, Inode, Node, Run, Tree};
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _, Permissions,
    PermissionsExt as _,
};
use std::io::{self, Seek as _, Write as _};
use thiserror::Error;

/// Why [`Tree::export`] stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The host could not write something.
    #[error("failed to export `{path}`")]
    Write {
        /// Path below the directory exported to.
        path: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
}

impl Tree {
    /// Writes the tree into a directory of the host, over what is there.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write, as with a full disk.
    pub fn export(&self, dir: &Dir) -> Result<(), ExportError> {
        for (path, ino) in self.walk_inodes() {
            if let Some(inode) = self.inode(ino) {
                write_node(dir, &path, inode)?;
            }
        }
        Ok(())
    }

    /// Brings a directory of the host from the state of `base` to the state of `self`: only what
    /// differs between the two is written or removed.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write.
    pub fn apply_to(&self, base: &Self, dir: &Dir) -> Result<(), ExportError> {
        let changes = base.diff(self);
        let removed =
            changes.iter().rev().filter(|change| change.kind == super::ChangeKind::Removed);
        for change in removed {
            remove(dir, &change.path, base)?;
        }
        for change in changes.iter().filter(|change| change.kind != super::ChangeKind::Removed) {
            let found = self.find(&change.path).ok().flatten().and_then(|ino| self.inode(ino));
            if let Some(inode) = found {
                write_node(dir, &change.path, inode)?;
            }
        }
        Ok(())
    }

    pub(super) fn kind_at(&self, path: &str) -> Option<EntryKind> {
        match &self.find(path).ok()?.and_then(|ino| self.inode(ino))?.node {
            Node::File(_) => Some(EntryKind::File),
            Node::Directory(_) => Some(EntryKind::Dir),
            Node::Symlink(_) => Some(EntryKind::Symlink),
            Node::Device(_) => None,
        }
    }
}

fn write_node(dir: &Dir, path: &str, inode: &Inode) -> Result<(), ExportError> {
    write_node_io(dir, path, inode)
        .map_err(|source| ExportError::Write { path: path.to_owned(), source })
}

fn write_node_io(dir: &Dir, path: &str, inode: &Inode) -> io::Result<()> {
    let existing = dir.symlink_metadata(path).ok().map(|metadata| metadata.file_type());
    let fits = |is_kind: bool| existing.is_some() && is_kind;
    match &inode.node {
        Node::Directory(_) if fits(existing.is_some_and(|kind| kind.is_dir())) => {
            dir.set_permissions(path, Permissions::from_mode((inode.mode | 0o700) & 0o7777))
        }
        Node::Directory(_) => {
            remove_entry(dir, path)?;
            dir.create_dir_with(path, DirBuilder::new().mode(inode.mode | 0o700))
        }
        Node::File(content) => {
            if existing.is_some_and(|kind| kind.is_dir()) {
                remove_entry(dir, path)?;
            }
            write_file(dir, path, content, inode.mode & 0o777)
        }
        Node::Symlink(target) => {
            remove_entry(dir, path)?;
            dir.symlink_contents(&**target, path)
        }
        Node::Device(_) => Ok(()),
    }
}

/// Writes a file under a temporary name beside its own and renames it: what was there stays whole
/// until all of the new content is on the disk, and a link is replaced, not written through.
fn write_file(dir: &Dir, path: &str, content: &Content, mode: u32) -> io::Result<()> {
    let above = path.rsplit_once('/').map_or(".", |(above, _)| above);
    let (temporary, mut file) = create_temporary(dir, above, mode)?;
    let written = write_content(&mut file, content)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| dir.rename(&temporary, dir, path));
    if written.is_err() {
        let _removed = dir.remove_file(&temporary);
    }
    written
}

/// Makes a file under a name that nothing has yet.
fn create_temporary(dir: &Dir, above: &str, mode: u32) -> io::Result<(String, cap_std::fs::File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut number = 0_u64;
    loop {
        let name = format!("{above}/.playpen-{}-{number}", std::process::id());
        match dir.open_with(&name, &options) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            opened => return Ok((name, opened?)),
        }
    }
}

/// Writes what was ever written, and leaves holes as holes.
fn write_content(file: &mut cap_std::fs::File, content: &Content) -> io::Result<()> {
    for run in content.runs() {
        match run {
            Run::Data(bytes) => file.write_all(&bytes)?,
            Run::Hole(n_bytes) => {
                file.seek(io::SeekFrom::Current(
                    i64::try_from(n_bytes).map_err(io::Error::other)?,
                ))?;
            }
        }
    }
    file.set_len(content.len())
}

/// Removes what is at `path`, if anything: replacing never writes through a link, and a folder with something in
/// it that no tree knows stays.
fn remove_entry(dir: &Dir, path: &str) -> io::Result<()> {
    match dir.symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => dir.remove_dir(path),
        Ok(_) => dir.remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove(dir: &Dir, path: &str, base: &Tree) -> Result<(), ExportError> {
    let result = if base.kind_at(path) == Some(EntryKind::Dir) {
        match dir.remove_dir(path) {
            // Something that the tree never knew is in there: it stays, and so does the directory.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            result => result,
        }
    } else {
        remove_entry(dir, path)
    };
    match result {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ExportError::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{ImportOptions, testing::folder};
    use cap_std::fs::MetadataExt as _;

    #[test]
    fn a_round_trip_through_the_host_keeps_everything() {
        let mut tree = Tree::new();
        tree.write("bin/run.sh", "#!/bin/sh\n", 0o755).unwrap();
        tree.write("empty", "", 0o600).unwrap();
        tree.symlink("link", "bin/run.sh").unwrap();
        tree.symlink("dangling", "/nowhere/at/all").unwrap();
        let (_folder, dir) = folder();
        tree.export(&dir).unwrap();
        let back = Tree::import(&dir, &ImportOptions::default()).unwrap();
        assert_eq!(tree.digest(), back.digest());
    }

    #[test]
    fn apply_writes_only_the_changes_and_never_through_a_link() {
        let (_folder, dir) = folder();
        let (outside_folder, outside) = folder();
        outside.write("secret", "keep").unwrap();
        let mut base = Tree::new();
        base.write("a", "1", 0o644).unwrap();
        base.write("gone/b", "1", 0o644).unwrap();
        base.export(&dir).unwrap();
        dir.write("untracked", "mine").unwrap();
        let mut new = base.clone();
        new.remove("gone").unwrap();
        new.write("a", "2", 0o644).unwrap();
        dir.remove_file("a").unwrap();
        let target = outside_folder.path().join("secret");
        dir.symlink_contents(&target, "a").unwrap();
        new.apply_to(&base, &dir).unwrap();
        assert_eq!(dir.read_to_string("a").unwrap(), "2");
        assert_eq!(outside.read_to_string("secret").unwrap(), "keep");
        assert_eq!(dir.read_to_string("untracked").unwrap(), "mine");
        assert!(!dir.exists("gone"));
    }

    #[test]
    fn apply_writes_empty_folders_and_modes_of_folders() {
        let (_folder, dir) = folder();
        let mut base = Tree::new();
        base.write("a/b", "1", 0o644).unwrap();
        base.export(&dir).unwrap();
        let mut new = base.clone();
        new.create_dir("empty/deep", 0o755).unwrap();
        let ino = new.find("a").unwrap().unwrap();
        new.inode_mut(ino).unwrap().mode = 0o711;
        new.apply_to(&base, &dir).unwrap();
        assert!(dir.metadata("empty/deep").unwrap().is_dir());
        assert_eq!(dir.metadata("a").unwrap().mode() & 0o7777, 0o711);
    }

    #[test]
    fn a_sparse_file_of_a_petabyte_costs_the_host_nothing() {
        let mut tree = Tree::new();
        tree.write("sparse", "start", 0o644).unwrap();
        let ino = tree.find("sparse").unwrap().unwrap();
        tree.set_len(ino, 1 << 50, 0).unwrap();
        assert!(tree.read("sparse").is_err());
        let mut other = tree.clone();
        other.write_at(ino, 1 << 49, b"x", 0).unwrap();
        assert_ne!(tree.digest(), other.digest());
        assert_eq!(tree.diff(&other).len(), 1);
        assert_eq!(tree.diff(&tree.clone()), []);
        let (folder, dir) = folder();
        tree.set_len(ino, 1 << 40, 0).unwrap();
        tree.export(&dir).unwrap();
        let file = std::fs::metadata(folder.path().join("sparse")).unwrap();
        assert_eq!(
            (file.len(), std::os::unix::fs::MetadataExt::blocks(&file) < 100),
            (1 << 40, true)
        );
    }
}
