//! A file tree in memory whose clones cost nothing.
//!
//! A [`Tree`] is a value: cloning it is a fork, and what is written to one clone is never seen in
//! another. Inodes live in a persistent table ([`table`]), file contents in shared pieces
//! ([`content`]); a write copies what lies between it and the root of the table, a few kilobytes.
//!
//! Inside the sandbox a tree is reached by inode number only, after the namespace has resolved and
//! decided; the methods that take paths are for the host, for setting up and looking at results.
//!
//! # Invariants
//!
//! * A directory has exactly one name; `parent` and `name` of [`Directory`] agree with the entry
//!   that lists it, so a path can be told from an inode number at any time.
//! * An inode without names (`nlink` 0) exists only while a descriptor holds it.
//! * Directory entries are sorted by name, so two equal trees list, hash and export equally.

mod content;
mod diff;
mod export;
mod ignore;
mod import;
mod inode;
mod path_api;
mod spill;
mod table;
#[cfg(test)]
mod testing;

pub(crate) use self::{
    content::{Content, MEMORY_BYTES, Run},
    inode::{Device, Directory, Ino, Inode, Name, Nanos, Node, ProcessFile, ROOT},
};
pub use self::{
    diff::{Change, ChangeKind},
    export::ExportError,
    import::{ImportError, ImportOptions},
    path_api::{EntryKind, TreeEntry, TreeError},
};
pub(crate) use self::{import::read_options, path_api::join};

use self::table::Table;
use crate::errno::{Errno, SysResult};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A persistent file tree in memory.
///
/// # Examples
///
/// ```
/// use playpen_runtime::Tree;
///
/// let mut base = Tree::new();
/// base.write("src/a.py", "x = 1\n", 0o644)?;
/// let mut fork = base.clone();
/// fork.write("src/a.py", "x = 2\n", 0o644)?;
/// assert_eq!(base.read("src/a.py")?, "x = 1\n");
/// # Ok::<(), playpen_runtime::TreeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tree {
    inodes: Table<Inode>,
    next: Ino,
    /// Inodes without names that descriptors still hold.
    orphans: Arc<BTreeSet<Ino>>,
    /// Names, and the root.
    n_files: u64,
    n_bytes: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// Creates a tree with an empty root directory of mode 0755.
    pub fn new() -> Self {
        let mut inodes = Table::new();
        let root = Directory { entries: Arc::default(), parent: ROOT, name: "".into() };
        inodes.insert(ROOT, Inode { nlink: 2, ..Inode::new(Node::Directory(root), 0o755, 0) });
        Self { inodes, next: ROOT + 1, orphans: Arc::default(), n_files: 1, n_bytes: 0 }
    }

    /// Returns the number of names of files, directories and links, the root included: a file with two hard links
    /// counts twice.
    pub fn n_files(&self) -> u64 {
        self.n_files
    }

    /// Returns the bytes that file contents hold; holes count nothing.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    pub(crate) fn inode(&self, ino: Ino) -> Option<&Inode> {
        self.inodes.get(ino)
    }

    pub(crate) fn inode_mut(&mut self, ino: Ino) -> Option<&mut Inode> {
        self.inodes.get_mut(ino)
    }

    fn directory_mut(&mut self, ino: Ino) -> SysResult<(&mut Directory, &mut Nanos, &mut Nanos)> {
        let inode = self.inodes.get_mut(ino).ok_or(Errno::NOENT)?;
        match &mut inode.node {
            Node::Directory(directory) => Ok((directory, &mut inode.modified, &mut inode.changed)),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(crate) fn directory(&self, ino: Ino) -> SysResult<&Directory> {
        let inode = self.inodes.get(ino).ok_or(Errno::NOENT)?;
        inode.directory().ok_or(Errno::NOTDIR)
    }

    pub(crate) fn lookup(&self, parent: Ino, name: &str) -> SysResult<Option<Ino>> {
        Ok(self.directory(parent)?.entries.get(name).copied())
    }

    /// Returns the path of a directory from the root, without a leading slash.
    pub(crate) fn path_of(&self, mut ino: Ino) -> Option<String> {
        let mut names = vec![];
        while ino != ROOT {
            let directory = self.inodes.get(ino)?.directory()?;
            names.push(Arc::clone(&directory.name));
            ino = directory.parent;
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// Returns how many directories lie between the root and `ino`.
    pub(crate) fn depth_of(&self, mut ino: Ino) -> u32 {
        let mut depth = 0;
        while ino != ROOT {
            let Some(directory) = self.inodes.get(ino).and_then(Inode::directory) else { break };
            ino = directory.parent;
            depth += 1;
        }
        depth
    }

    /// Adds a node under a name that must be free.
    pub(crate) fn create(
        &mut self,
        parent: Ino,
        name: &str,
        node: Node,
        mode: u32,
        now: Nanos,
    ) -> SysResult<Ino> {
        let is_gone = self.inodes.get(parent).is_none_or(|inode| inode.nlink == 0);
        if is_gone {
            return Err(Errno::NOENT);
        }
        if self.lookup(parent, name)?.is_some() {
            return Err(Errno::EXIST);
        }
        let ino = self.next;
        let name: Name = name.into();
        let mut inode = Inode::new(node, mode, now);
        if let Node::Directory(directory) = &mut inode.node {
            directory.parent = parent;
            directory.name = Arc::clone(&name);
            inode.nlink = 2;
        }
        if let Node::File(content) = &inode.node {
            self.n_bytes += content.allocated();
        }
        self.link_name(parent, name, ino, now)?;
        self.inodes.insert(ino, inode);
        self.next += 1;
        self.n_files += 1;
        Ok(ino)
    }

    fn link_name(&mut self, parent: Ino, name: Name, ino: Ino, now: Nanos) -> SysResult<()> {
        let (directory, modified, changed) = self.directory_mut(parent)?;
        Arc::make_mut(&mut directory.entries).insert(name, ino);
        (*modified, *changed) = (now, now);
        Ok(())
    }

    fn unlink_name(&mut self, parent: Ino, name: &str, now: Nanos) -> SysResult<()> {
        let (directory, modified, changed) = self.directory_mut(parent)?;
        Arc::make_mut(&mut directory.entries).remove(name);
        (*modified, *changed) = (now, now);
        Ok(())
    }

    /// Gives a file one more name.
    pub(crate) fn link(&mut self, ino: Ino, parent: Ino, name: &str, now: Nanos) -> SysResult<()> {
        if self.lookup(parent, name)?.is_some() {
            return Err(Errno::EXIST);
        }
        let inode = self.inodes.get_mut(ino).ok_or(Errno::NOENT)?;
        if matches!(inode.node, Node::Directory(_)) {
            return Err(Errno::PERM);
        }
        if inode.nlink == 0 {
            return Err(Errno::NOENT);
        }
        inode.nlink += 1;
        inode.changed = now;
        // Each name counts: names take memory too.
        self.n_files += 1;
        self.link_name(parent, name.into(), ino, now)
    }

    /// Removes a name of anything but a directory; `is_open` tells whether a descriptor holds the
    /// inode.
    pub(crate) fn unlink(
        &mut self,
        parent: Ino,
        name: &str,
        is_open: impl Fn(Ino) -> bool,
        now: Nanos,
    ) -> SysResult<()> {
        let ino = self.lookup(parent, name)?.ok_or(Errno::NOENT)?;
        let inode = self.inodes.get_mut(ino).ok_or(Errno::NOENT)?;
        if matches!(inode.node, Node::Directory(_)) {
            return Err(Errno::ISDIR);
        }
        inode.nlink -= 1;
        inode.changed = now;
        let is_last = inode.nlink == 0;
        self.unlink_name(parent, name, now)?;
        if is_last {
            self.forget_or_orphan(ino, is_open(ino));
        } else {
            self.n_files -= 1;
        }
        Ok(())
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(
        &mut self,
        parent: Ino,
        name: &str,
        is_open: impl Fn(Ino) -> bool,
        now: Nanos,
    ) -> SysResult<()> {
        let ino = self.lookup(parent, name)?.ok_or(Errno::NOENT)?;
        if !self.directory(ino)?.entries.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.unlink_name(parent, name, now)?;
        if let Some(inode) = self.inodes.get_mut(ino) {
            inode.nlink = 0;
        }
        self.forget_or_orphan(ino, is_open(ino));
        Ok(())
    }

    /// Moves an entry, replacing what is at the new name as `rename(2)` does.
    pub(crate) fn rename(
        &mut self,
        from: (Ino, &str),
        to: (Ino, &str),
        is_open: impl Fn(Ino) -> bool,
        now: Nanos,
    ) -> SysResult<()> {
        let ino = self.lookup(from.0, from.1)?.ok_or(Errno::NOENT)?;
        let is_directory = self.inode(ino).is_some_and(|inode| inode.directory().is_some());
        if is_directory && self.is_below(to.0, ino) {
            return Err(Errno::INVAL);
        }
        if self.inode(to.0).is_none_or(|inode| inode.nlink == 0) {
            return Err(Errno::NOENT);
        }
        if let Some(old) = self.lookup(to.0, to.1)? {
            if old == ino {
                return Ok(());
            }
            let old_is_directory = self.inode(old).is_some_and(|old| old.directory().is_some());
            // Above what is renamed, whatever that is: this comes before any talk of kinds.
            if old_is_directory && self.is_below(from.0, old) {
                return Err(Errno::NOTEMPTY);
            }
            match (is_directory, old_is_directory) {
                (true, false) => return Err(Errno::NOTDIR),
                (false, true) => return Err(Errno::ISDIR),
                (true, true) => self.remove_directory(to.0, to.1, &is_open, now)?,
                (false, false) => self.unlink(to.0, to.1, &is_open, now)?,
            }
        }
        self.unlink_name(from.0, from.1, now)?;
        let name: Name = to.1.into();
        self.link_name(to.0, Arc::clone(&name), ino, now)?;
        if let Some(inode) = self.inodes.get_mut(ino) {
            inode.changed = now;
            if let Node::Directory(directory) = &mut inode.node {
                directory.parent = to.0;
                directory.name = name;
            }
        }
        Ok(())
    }

    /// Tells whether `ino` is `above` or lies below it.
    pub(crate) fn is_below(&self, mut ino: Ino, above: Ino) -> bool {
        loop {
            if ino == above {
                return true;
            }
            if ino == ROOT {
                return false;
            }
            match self.inodes.get(ino).and_then(Inode::directory) {
                Some(directory) => ino = directory.parent,
                None => return false,
            }
        }
    }

    fn forget_or_orphan(&mut self, ino: Ino, is_open: bool) {
        self.n_files -= 1;
        if is_open {
            Arc::make_mut(&mut self.orphans).insert(ino);
        } else {
            self.forget(ino);
        }
    }

    fn forget(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.remove(ino)
            && let Node::File(content) = inode.node
        {
            self.n_bytes -= content.allocated();
        }
    }

    /// Drops an inode without names once its last descriptor is closed.
    pub(crate) fn last_close(&mut self, ino: Ino) {
        if self.orphans.contains(&ino) {
            Arc::make_mut(&mut self.orphans).remove(&ino);
            self.forget(ino);
        }
    }

    /// Drops all inodes without names: those that only the descriptors of another clone hold.
    pub(crate) fn without_orphans(mut self) -> Self {
        for ino in std::mem::take(&mut self.orphans).iter() {
            self.forget(*ino);
        }
        self
    }

    pub(crate) fn write_at(
        &mut self,
        ino: Ino,
        offset: u64,
        data: &[u8],
        now: Nanos,
    ) -> SysResult<()> {
        let inode = self.inodes.get_mut(ino).ok_or(Errno::BADF)?;
        let Node::File(content) = &mut inode.node else { return Err(Errno::ISDIR) };
        self.n_bytes += content.write_at(offset, data);
        (inode.modified, inode.changed) = (now, now);
        Ok(())
    }

    pub(crate) fn set_len(&mut self, ino: Ino, len: u64, now: Nanos) -> SysResult<()> {
        let inode = self.inodes.get_mut(ino).ok_or(Errno::BADF)?;
        let Node::File(content) = &mut inode.node else { return Err(Errno::INVAL) };
        self.n_bytes -= content.set_len(len);
        (inode.modified, inode.changed) = (now, now);
        Ok(())
    }

    pub(crate) fn new_directory() -> Node {
        Node::Directory(Directory { entries: Arc::default(), parent: ROOT, name: "".into() })
    }

    pub(crate) fn entries(&self, ino: Ino) -> SysResult<&BTreeMap<Name, Ino>> {
        Ok(&self.directory(ino)?.entries)
    }
}
