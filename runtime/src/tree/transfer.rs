//! Copying between a tree and a directory of the host.
//!
//! The host's side is a [`cap_std::fs::Dir`] that the caller lends; no symlink is followed on the
//! way in or out. An import copies, so a hard link in the host's directory becomes two files and a
//! guest cannot reach the other name; devices, sockets and FIFOs are refused, since opening one can
//! block for ever.

use super::{Content, Directory, EntryKind, Inode, Node, ROOT, Tree, path_api::join};
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _, OpenOptions, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::{
    io::{self, Read as _, Write as _},
    sync::Arc,
};
use thiserror::Error;

/// Bounds and exceptions of [`Tree::import`].
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Names that are left out wherever they appear, as in `target` or `node_modules`.
    pub skip_names: Vec<String>,
    /// The most bytes of content to copy; answers a home directory given by mistake.
    pub max_bytes: u64,
    /// The most files, directories and links to copy.
    pub max_files: u64,
}

impl Default for ImportOptions {
    /// Nothing skipped, at most 2 GiB in 500,000 files.
    fn default() -> Self {
        Self { skip_names: vec![], max_bytes: 2 << 30, max_files: 500_000 }
    }
}

/// Why [`Tree::import`] stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The host could not list or read something.
    #[error("failed to import `{path}`")]
    Read {
        /// Path below the imported directory.
        path: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// A name is not UTF-8, which WASI paths are.
    #[error("failed to import `{path}`: the name is not UTF-8")]
    Name {
        /// The path with replacement characters.
        path: String,
    },
    /// A device, socket or FIFO.
    #[error("failed to import `{path}`: it is neither a file, a directory nor a link")]
    Special {
        /// Path below the imported directory.
        path: String,
    },
    /// More than [`ImportOptions`] allow.
    #[error("failed to import: more than {max_bytes} bytes or {max_files} files (at `{path}`)")]
    TooLarge {
        /// Where the bound was met.
        path: String,
        /// The bound in bytes.
        max_bytes: u64,
        /// The bound in files.
        max_files: u64,
    },
}

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
    /// Copies a directory of the host into a new tree, with modes, times and links.
    ///
    /// # Errors
    ///
    /// Fails if something cannot be read, is a special file, has a name that is not UTF-8, or if
    /// there is more than `options` allow.
    pub fn import(dir: &Dir, options: &ImportOptions) -> Result<Self, ImportError> {
        let mut tree = Self::new();
        let mut pending = vec![(String::new(), ROOT)];
        while let Some((path, ino)) = pending.pop() {
            for (name, child_path) in list(dir, &path, options)? {
                if tree.n_files >= options.max_files || tree.n_bytes > options.max_bytes {
                    return Err(ImportError::TooLarge {
                        path: child_path,
                        max_bytes: options.max_bytes,
                        max_files: options.max_files,
                    });
                }
                let (node, mode, modified) = read_node(dir, &child_path)?;
                let is_directory = matches!(node, Node::Directory(_));
                let child = tree.create(ino, &name, node, mode, modified).map_err(|source| {
                    ImportError::Read { path: child_path.clone(), source: io::Error::other(source) }
                })?;
                if is_directory {
                    pending.push((child_path, child));
                }
            }
        }
        Ok(tree)
    }

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

fn list(
    dir: &Dir,
    path: &str,
    options: &ImportOptions,
) -> Result<Vec<(String, String)>, ImportError> {
    let fail = |source| ImportError::Read { path: path.to_owned(), source };
    let place = if path.is_empty() { "." } else { path };
    let mut names = vec![];
    for entry in dir.read_dir(place).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let Some(name) = name.to_str() else {
            return Err(ImportError::Name { path: join(path, &name.to_string_lossy()) });
        };
        if !options.skip_names.iter().any(|skipped| skipped == name) {
            names.push((name.to_owned(), join(path, name)));
        }
    }
    names.sort();
    Ok(names)
}

fn read_node(dir: &Dir, path: &str) -> Result<(Node, u32, u64), ImportError> {
    let fail = |source| ImportError::Read { path: path.to_owned(), source };
    let metadata = dir.symlink_metadata(path).map_err(fail)?;
    let kind = metadata.file_type();
    let node = if kind.is_symlink() {
        let target = dir.read_link_contents(path).map_err(fail)?;
        let target = target.to_str().ok_or_else(|| ImportError::Name { path: path.to_owned() })?;
        Node::Symlink(target.into())
    } else if kind.is_dir() {
        Node::Directory(Directory { entries: Arc::default(), parent: ROOT, name: "".into() })
    } else if kind.is_file() {
        let mut bytes = vec![];
        // The file may have become a FIFO since: without blocking, opening one returns at once.
        let mut file = dir.open_with(path, &read_options()).map_err(fail)?;
        file.read_to_end(&mut bytes).map_err(fail)?;
        Node::File(Content::Whole(bytes.into()))
    } else {
        return Err(ImportError::Special { path: path.to_owned() });
    };
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let nanos = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
    Ok((node, metadata.mode(), seconds.saturating_mul(1_000_000_000) + nanos))
}

/// Options that open a regular file and cannot block on anything else.
pub(crate) fn read_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_NONBLOCK | O_NOFOLLOW);
    options
}

/// `O_NONBLOCK` and `O_NOFOLLOW` of Linux on x86-64 and aarch64 with the generic numbers.
const O_NONBLOCK: i32 = 0o4000;
#[cfg(target_arch = "x86_64")]
const O_NOFOLLOW: i32 = 0o400_000;
#[cfg(not(target_arch = "x86_64"))]
const O_NOFOLLOW: i32 = 0o100_000;

fn write_node(dir: &Dir, path: &str, inode: &Inode) -> Result<(), ExportError> {
    write_node_io(dir, path, inode)
        .map_err(|source| ExportError::Write { path: path.to_owned(), source })
}

fn write_node_io(dir: &Dir, path: &str, inode: &Inode) -> io::Result<()> {
    let existing = dir.symlink_metadata(path).ok().map(|metadata| metadata.file_type());
    let fits = |is_kind: bool| existing.is_some() && is_kind;
    match &inode.node {
        Node::Directory(_) if fits(existing.is_some_and(|kind| kind.is_dir())) => Ok(()),
        Node::Directory(_) => {
            remove_entry(dir, path)?;
            dir.create_dir_with(path, DirBuilder::new().mode(inode.mode | 0o700))
        }
        Node::File(content) => {
            if existing.is_some_and(|kind| kind.is_dir()) {
                remove_entry(dir, path)?;
            }
            write_file(dir, path, &content.to_bytes(), inode.mode & 0o777)
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
fn write_file(dir: &Dir, path: &str, data: &[u8], mode: u32) -> io::Result<()> {
    let above = path.rsplit_once('/').map_or(".", |(above, _)| above);
    let temporary = format!("{above}/.playpen-{}", std::process::id());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = dir.open_with(&temporary, &options)?;
    let written = file
        .write_all(data)
        .and_then(|()| file.set_permissions(cap_std::fs::Permissions::from_mode(mode)))
        .and_then(|()| dir.rename(&temporary, dir, path));
    if written.is_err() {
        let _removed = dir.remove_file(&temporary);
    }
    written
}

/// Removes what is at `path`, if anything: replacing never writes through a link.
fn remove_entry(dir: &Dir, path: &str) -> io::Result<()> {
    match dir.symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => dir.remove_dir_all(path),
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
    use cap_std::ambient_authority;

    fn folder() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, dir)
    }

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
    fn a_fifo_is_refused_by_name() {
        let (folder, dir) = folder();
        let status = {
            #[expect(clippy::disallowed_methods, reason = "std cannot make a FIFO")]
            let mut command = std::process::Command::new("mkfifo");
            command.arg(folder.path().join("pipe")).status().unwrap()
        };
        assert!(status.success());
        let error = Tree::import(&dir, &ImportOptions::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to import `pipe`: it is neither a file, a directory nor a link"
        );
    }

    #[test]
    fn a_tree_over_the_bounds_is_refused() {
        let (_folder, dir) = folder();
        for n in 0..10 {
            dir.write(format!("f{n}"), "x").unwrap();
        }
        let options = ImportOptions { max_files: 5, ..ImportOptions::default() };
        assert!(matches!(
            Tree::import(&dir, &options),
            Err(ImportError::TooLarge { max_files: 5, .. })
        ));
    }
}
