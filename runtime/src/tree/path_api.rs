//! Reaching a tree by path, for the host: setting up a workspace and reading results.
//!
//! Paths are relative to the tree's root and made of plain names: no `..`, no symlink is followed,
//! so a link that a guest left behind cannot lead the host anywhere.

use super::{Content, Ino, Inode, Node, ROOT, Tree};
use crate::errno::Errno;
use bytes::Bytes;
use std::sync::Arc;
use thiserror::Error;

/// Why a path of a [`Tree`] could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The path is absolute, empty where a name is needed, or has a `..` or NUL in it.
    #[error("path `{path}` is not a plain relative path")]
    BadPath {
        /// The path as given.
        path: String,
    },
    /// The tree refused: nothing there, not a directory, and the like.
    #[error("failed to {action} `{path}` in the tree")]
    Refused {
        /// What was being done.
        action: &'static str,
        /// The path as given.
        path: String,
        /// The reason.
        #[source]
        source: Errno,
    },
}

/// What kind of thing a [`TreeEntry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
}

/// One entry of [`Tree::walk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Path from the root, without a leading slash.
    pub path: String,
    /// File, directory or link.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes of a file, length of a link's target, 4096 for a directory.
    pub size: u64,
    /// Target of a symbolic link.
    pub target: Option<String>,
}

fn names(path: &str) -> Result<Vec<&str>, TreeError> {
    let is_bad = path.starts_with('/') || path.contains('\0');
    let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if is_bad || names.contains(&"..") {
        return Err(TreeError::BadPath { path: path.to_owned() });
    }
    Ok(names)
}

impl Tree {
    /// Returns the inode at `path` without following a symlink in any place.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Ino>, TreeError> {
        let mut ino = ROOT;
        for name in names(path)? {
            match self.inode(ino).and_then(Inode::directory).and_then(|dir| dir.entries.get(name)) {
                Some(child) => ino = *child,
                None => return Ok(None),
            }
        }
        Ok(Some(ino))
    }

    fn found(&self, action: &'static str, path: &str) -> Result<&Inode, TreeError> {
        let ino = self.find(path)?;
        ino.and_then(|ino| self.inode(ino)).ok_or_else(|| refused(action, path)(Errno::NOENT))
    }

    /// Returns the bytes of the file at `path`.
    ///
    /// # Errors
    ///
    /// Fails if there is no regular file at `path`, or if it has holes of more than a gigabyte.
    pub fn read(&self, path: &str) -> Result<Bytes, TreeError> {
        match &self.found("read", path)?.node {
            Node::File(content) if content.is_too_sparse() => {
                Err(refused("read", path)(Errno::FBIG))
            }
            Node::File(content) => Ok(content.to_bytes()),
            Node::Directory(_) => Err(refused("read", path)(Errno::ISDIR)),
            _ => Err(refused("read", path)(Errno::INVAL)),
        }
    }

    /// Tells whether something, a dangling link included, is at `path`.
    pub fn exists(&self, path: &str) -> bool {
        self.find(path).is_ok_and(|found| found.is_some())
    }

    /// Writes a whole file, making the directories above it; replaces a file that is there.
    ///
    /// # Errors
    ///
    /// Fails if something else than a file is at `path`, or a file where a directory is needed.
    pub fn write(
        &mut self,
        path: &str,
        data: impl Into<Bytes>,
        mode: u32,
    ) -> Result<(), TreeError> {
        let (parent, name) = self.parent_of("write", path)?;
        let fail = refused("write", path);
        if let Some(old) = self.lookup(parent, name).map_err(&fail)? {
            if !matches!(self.inode(old).map(|inode| &inode.node), Some(Node::File(_))) {
                return Err(fail(Errno::ISDIR));
            }
            self.unlink(parent, name, |_| false, 0).map_err(&fail)?;
        }
        let node = Node::File(Content::Whole(data.into()));
        self.create(parent, name, node, mode, 0).map_err(fail)?;
        Ok(())
    }

    /// Makes a directory and those above it; one that is there is left as it is.
    ///
    /// # Errors
    ///
    /// Fails if a file is where a directory is needed.
    pub fn create_dir(&mut self, path: &str, mode: u32) -> Result<(), TreeError> {
        if names(path)?.is_empty() {
            return Ok(());
        }
        let (parent, name) = self.parent_of("create directory", path)?;
        let fail = refused("create directory", path);
        match self.create(parent, name, Self::new_directory(), mode, 0) {
            Err(Errno::EXIST) if self.is_directory(path) => Ok(()),
            result => result.map(drop).map_err(fail),
        }
    }

    /// Makes a symbolic link at `path`.
    ///
    /// # Errors
    ///
    /// Fails if something is at `path`.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), TreeError> {
        let (parent, name) = self.parent_of("create link", path)?;
        let node = Node::Symlink(target.into());
        self.create(parent, name, node, 0o777, 0).map_err(refused("create link", path))?;
        Ok(())
    }

    /// Removes what is at `path`, a directory with all that is in it; nothing there is no error.
    ///
    /// # Errors
    ///
    /// Fails if `path` is not a plain path or is the root.
    pub fn remove(&mut self, path: &str) -> Result<(), TreeError> {
        if names(path)?.is_empty() {
            return Err(TreeError::BadPath { path: path.to_owned() });
        }
        if !self.exists(path) {
            return Ok(());
        }
        let (parent, name) = self.parent_of("remove", path)?;
        self.remove_all(parent, name).map_err(refused("remove", path))
    }

    fn remove_all(&mut self, parent: Ino, name: &str) -> Result<(), Errno> {
        // Depth is bounded by a limit for guests, but an import may be deeper: no recursion.
        let mut pending = vec![(parent, Arc::<str>::from(name))];
        while let Some((parent, name)) = pending.last().cloned() {
            let Some(ino) = self.lookup(parent, &name)? else {
                pending.pop();
                continue;
            };
            match self.entries(ino) {
                Ok(entries) if !entries.is_empty() => {
                    pending.extend(entries.keys().map(|child| (ino, Arc::clone(child))));
                }
                Ok(_) => self.remove_directory(parent, &name, |_| false, 0)?,
                Err(_) => self.unlink(parent, &name, |_| false, 0)?,
            }
        }
        Ok(())
    }

    /// Lists everything below the root, parents before children, sorted by name.
    pub fn walk(&self) -> Vec<TreeEntry> {
        self.walk_inodes().into_iter().filter_map(|(path, ino)| self.entry_of(path, ino)).collect()
    }

    /// Returns what is at `path`, if anything; a link is not followed.
    pub fn entry(&self, path: &str) -> Option<TreeEntry> {
        self.entry_of(path.to_owned(), self.find(path).ok()??)
    }

    fn entry_of(&self, path: String, ino: Ino) -> Option<TreeEntry> {
        let inode = self.inode(ino)?;
        let (kind, target) = match &inode.node {
            Node::File(_) => (EntryKind::File, None),
            Node::Directory(_) => (EntryKind::Dir, None),
            Node::Symlink(target) => (EntryKind::Symlink, Some(target.to_string())),
            Node::Device(_) => return None,
        };
        Some(TreeEntry { path, kind, mode: inode.mode, size: inode.size(), target })
    }

    /// Lists paths and inode numbers, parents before children, sorted by name.
    pub(crate) fn walk_inodes(&self) -> Vec<(String, Ino)> {
        let mut out = vec![];
        let mut pending = vec![(String::new(), ROOT)];
        while let Some((path, ino)) = pending.pop() {
            if let Ok(entries) = self.entries(ino) {
                let children =
                    entries.iter().rev().map(|(name, child)| (join(&path, name), *child));
                pending.extend(children);
            }
            if ino != ROOT {
                out.push((path, ino));
            }
        }
        out
    }

    /// Returns a digest of all names, modes, contents and links; times do not count.
    pub fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for (path, ino) in self.walk_inodes() {
            let Some(inode) = self.inode(ino) else { continue };
            let (kind, data) = match &inode.node {
                Node::File(content) if content.is_too_sparse() => {
                    (b's', Bytes::copy_from_slice(content.hash().as_bytes()))
                }
                Node::File(content) => (b'f', content.to_bytes()),
                Node::Directory(_) => (b'd', Bytes::new()),
                Node::Symlink(target) => (b'l', Bytes::copy_from_slice(target.as_bytes())),
                Node::Device(_) => continue,
            };
            hasher.update(&(path.len() as u64).to_le_bytes()).update(path.as_bytes());
            hasher.update(&[kind]).update(&inode.mode.to_le_bytes());
            hasher.update(&(data.len() as u64).to_le_bytes()).update(&data);
        }
        hasher.finalize()
    }

    fn is_directory(&self, path: &str) -> bool {
        self.found("look at", path).is_ok_and(|inode| inode.directory().is_some())
    }

    /// Returns the directory that holds the last name of `path`, made where it was missing.
    fn parent_of<'a>(
        &mut self,
        action: &'static str,
        path: &'a str,
    ) -> Result<(Ino, &'a str), TreeError> {
        let mut names = names(path)?;
        let last = names.pop().ok_or_else(|| TreeError::BadPath { path: path.to_owned() })?;
        let mut ino = ROOT;
        for name in names {
            let fail = refused(action, path);
            ino = match self.lookup(ino, name).map_err(&fail)? {
                Some(child) => child,
                None => self.create(ino, name, Self::new_directory(), 0o755, 0).map_err(fail)?,
            };
        }
        Ok((ino, last))
    }
}

pub(crate) fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
}

fn refused(action: &'static str, path: &str) -> impl Fn(Errno) -> TreeError {
    let path = path.to_owned();
    move |source| TreeError::Refused { action, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        let mut tree = Tree::new();
        for path in ["/etc/passwd", "../x", "a/../../x", "a\0b", ""] {
            assert!(tree.write(path, "x", 0o644).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let mut tree = Tree::new();
        tree.symlink("link", "/etc").unwrap();
        assert!(tree.read("link/passwd").is_err());
        assert!(tree.write("link/passwd", "x", 0o644).is_err());
    }

    #[test]
    fn remove_takes_a_whole_directory_and_forks_keep_theirs() {
        let mut tree = Tree::new();
        tree.write("a/b/c.txt", "1", 0o644).unwrap();
        tree.write("a/d.txt", "2", 0o600).unwrap();
        let fork = tree.clone();
        tree.remove("a").unwrap();
        assert_eq!((tree.n_files(), tree.n_bytes()), (1, 0));
        let paths: Vec<_> = fork.walk().into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c.txt", "a/d.txt"]);
    }

    #[test]
    fn the_digest_sees_content_mode_and_names_but_not_times() {
        let make = |path: &str, data: &str, mode| {
            let mut tree = Tree::new();
            tree.write(path, data.to_owned(), mode).unwrap();
            tree.digest()
        };
        let one = make("a", "x", 0o644);
        assert_eq!(one, make("a", "x", 0o644));
        for other in [make("b", "x", 0o644), make("a", "y", 0o644), make("a", "x", 0o755)] {
            assert_ne!(one, other);
        }
    }
}
