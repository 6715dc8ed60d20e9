//! The namespace of a sandbox, and the choke point that every path goes through.
//!
//! A [`Vfs`] is a list of mounts and a list of rules. All operations on paths are methods of it,
//! all under one lock, and all of the same shape: the path is resolved once, the rights decide on
//! the *resolved* node, the decision is recorded, and the same node is operated on.
//!
//! ```text
//!   path (copied once) ──► resolve ──► decide ──► record ──► operate
//!                            │            │ no
//!                            ▼            ▼
//!                          errno     errno, recorded as denied
//! ```
//!
//! # Invariants
//!
//! * There is no second lookup: [`resolve`](self::resolve) returns node numbers and the operation
//!   takes those.
//! * A rule looks at the path of the node, never at the path as it was asked for, so a symlink, a
//!   rename or `..` cannot step around it. Renaming a directory checks everything below it.
//! * A hard link needs the right to write at both names, so a link cannot carry a file out of a
//!   read-only place.

mod device;
#[cfg(test)]
mod differential;
mod host_dir;
mod mount;
mod names;
mod open;
mod operate;
mod record;
mod resolve;
mod rights;
mod stat;

pub(crate) use self::{
    device::standard_devices,
    host_dir::{HostFile, stat_of},
    open::{OpenFlags, Opened, ProgramFile},
    operate::{MadeUp, SetTimes, set_times},
    record::{Actor, At, Failure, Traffic},
    resolve::{Found, NodeId},
    rights::Verdict,
    stat::{DirEntry, FileType, Stat},
};
pub use self::{
    mount::{Access, Mount, MountError},
    rights::{Answer, Explanation, Rule, RuleError},
};

use self::{
    mount::{Backing, Mounted},
    names::Names,
};
use crate::{
    audit::AuditLog,
    clock::Clock,
    errno::{Errno, SysResult},
    limits::{Budget, LimitKind},
    tree::{Ino, Inode, Node, Tree},
};
use std::{collections::BTreeMap, sync::Arc};

/// The mounts, rules and open files of one sandbox.
#[derive(Debug)]
pub(crate) struct Vfs {
    mounts: Vec<Mounted>,
    /// Index into `mounts` by mount point.
    points: BTreeMap<String, u16>,
    rules: Vec<Rule>,
    /// How many descriptors hold a node, over all processes.
    open_counts: BTreeMap<NodeId, u32>,
    /// What the writable trees held when the sandbox was made: limits count what came since.
    base: Held,
    /// The node that the operation under way has made.
    made: Option<NodeId>,
    /// The rule of a tripwire that the operation under way met below what it names.
    met: Option<Arc<str>>,
    /// The names of nodes that have several.
    names: Names,
    /// Nodes that a tripwire met under any name, with the rule.
    marked: BTreeMap<NodeId, Arc<str>>,
    pub(crate) clock: Clock,
    pub(crate) audit: Arc<AuditLog>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

impl Vfs {
    pub(crate) fn new(
        mounts: Vec<Mount>,
        rules: Vec<Rule>,
        audit: Arc<AuditLog>,
        clock: Clock,
    ) -> Result<Self, MountError> {
        let mut mounts = mount::arrange(mounts)?;
        if clock.is_virtual() {
            mounts.iter_mut().for_each(Mounted::forget_times);
        }
        let points = mounts.iter().map(|mounted| mounted.point.clone()).zip(0..).collect();
        let mut vfs = Self {
            mounts,
            points,
            rules,
            open_counts: BTreeMap::new(),
            base: Held::default(),
            made: None,
            met: None,
            names: Names::default(),
            marked: BTreeMap::new(),
            clock,
            audit,
        };
        vfs.base = vfs.held();
        Ok(vfs)
    }

    /// Returns a namespace with the same mounts and trees, in which nothing is open.
    pub(crate) fn fork(&self, audit: Arc<AuditLog>) -> Self {
        let mut vfs = Self {
            mounts: self.mounts.iter().map(Mounted::fork).collect(),
            points: self.points.clone(),
            rules: self.rules.clone(),
            open_counts: BTreeMap::new(),
            base: Held::default(),
            made: None,
            met: None,
            names: Names::default(),
            marked: self.marked.clone(),
            clock: self.clock.fork(),
            audit,
        };
        vfs.base = vfs.held();
        vfs
    }

    /// Returns a fork of the tree mounted at `point`, as it is now.
    pub(crate) fn tree_at(&self, point: &str) -> Option<Tree> {
        match &self.mounts[usize::from(*self.points.get(point)?)].backing {
            Backing::Tree(tree) => Some(tree.clone().without_orphans()),
            Backing::Host(_) => None,
        }
    }

    /// Puts another tree at a mount point; fails if anything of the old one is open.
    pub(crate) fn replace_tree(&mut self, point: &str, tree: Tree) -> bool {
        let Some(index) = self.points.get(point).copied() else { return false };
        let is_busy = self.open_counts.keys().any(|node| node.mount == index);
        match &mut self.mounts[usize::from(index)].backing {
            Backing::Tree(old) if !is_busy => {
                *old = tree;
                self.names.forget(index);
                self.marked.retain(|node, _| node.mount != index);
                self.base = self.held();
                true
            }
            _ => false,
        }
    }

    /// Returns the mount points of all trees, sorted.
    pub(crate) fn tree_points(&self) -> Vec<String> {
        let is_tree =
            |index: &u16| matches!(self.mounts[usize::from(*index)].backing, Backing::Tree(_));
        self.points.iter().filter(|(_, index)| is_tree(index)).map(|(p, _)| p.clone()).collect()
    }

    /// Tells whether the tree mounted at `point` may be written.
    pub(crate) fn is_writable(&self, point: &str) -> bool {
        let index = self.points.get(point);
        index.is_some_and(|index| self.mounts[usize::from(*index)].access == Access::ReadWrite)
    }

    fn mounted(&self, node: NodeId) -> &Mounted {
        &self.mounts[usize::from(node.mount)]
    }

    fn tree(&self, mount: u16) -> Option<&Tree> {
        match &self.mounts[usize::from(mount)].backing {
            Backing::Tree(tree) => Some(tree),
            Backing::Host(_) => None,
        }
    }

    fn tree_mut(&mut self, mount: u16) -> Option<&mut Tree> {
        match &mut self.mounts[usize::from(mount)].backing {
            Backing::Tree(tree) => Some(tree),
            Backing::Host(_) => None,
        }
    }

    fn inode(&self, node: NodeId) -> Option<&Inode> {
        self.tree(node.mount)?.inode(node.ino)
    }

    /// Returns what the writable trees hold.
    fn held(&self) -> Held {
        let writable = self.mounts.iter().filter(|mounted| mounted.access == Access::ReadWrite);
        writable.fold(Held::default(), |held, mounted| match &mounted.backing {
            Backing::Tree(tree) => {
                Held { bytes: held.bytes + tree.n_bytes(), files: held.files + tree.n_files() }
            }
            Backing::Host(_) => held,
        })
    }

    /// Returns what was written since the start, as limits count it.
    pub(crate) fn grown(&self) -> Held {
        let held = self.held();
        Held {
            bytes: held.bytes.saturating_sub(self.base.bytes),
            files: held.files.saturating_sub(self.base.files),
        }
    }

    /// Checks that `n_bytes` more may be held.
    fn check_bytes(&self, budget: &Budget, n_bytes: u64) -> SysResult<()> {
        let grown = self.grown().bytes;
        if grown.saturating_add(n_bytes) > budget.limits.bytes {
            budget.meet_soft(LimitKind::Bytes);
            return Err(Errno::NOSPC);
        }
        Ok(())
    }

    /// Checks that one more file may be made in `parent`.
    fn check_file(&self, budget: &Budget, parent: NodeId) -> SysResult<()> {
        let grown = self.grown().files;
        if grown >= budget.limits.files {
            budget.meet_soft(LimitKind::Files);
            return Err(Errno::NOSPC);
        }
        let depth = self.tree(parent.mount).map_or(0, |tree| tree.depth_of(parent.ino));
        if depth >= budget.limits.depth {
            budget.meet_soft(LimitKind::Depth);
            return Err(Errno::NAMETOOLONG);
        }
        Ok(())
    }

    /// Counts one more descriptor of a node.
    pub(crate) fn hold(&mut self, node: NodeId) {
        *self.open_counts.entry(node).or_default() += 1;
    }

    /// Counts one descriptor less; an inode that nobody names or holds any more is dropped.
    pub(crate) fn release(&mut self, node: NodeId) {
        let Some(count) = self.open_counts.get_mut(&node) else { return };
        *count -= 1;
        if *count == 0 {
            self.open_counts.remove(&node);
            if let Some(tree) = self.tree_mut(node.mount) {
                tree.last_close(node.ino);
            }
        }
    }

    /// Reads from an open file of a tree.
    pub(crate) fn read_at(&self, node: NodeId, offset: u64, out: &mut [u8]) -> SysResult<usize> {
        match &self.inode(node).ok_or(Errno::BADF)?.node {
            Node::File(content) => {
                content.read_at(offset, out).map_err(|error| Errno::from_io(&error))
            }
            Node::Directory(_) => Err(Errno::ISDIR),
            _ => Err(Errno::INVAL),
        }
    }

    /// Writes to an open file of a tree; the right to was checked when it was opened.
    pub(crate) fn write_at(
        &mut self,
        budget: &Budget,
        node: NodeId,
        offset: u64,
        data: &[u8],
    ) -> SysResult<()> {
        let end = offset.checked_add(data.len() as u64).ok_or(Errno::FBIG)?;
        if end > MAX_FILE_BYTES {
            return Err(Errno::FBIG);
        }
        match self.growth(node, offset, data.len() as u64)? {
            0 => {}
            n_bytes => self.check_bytes(budget, n_bytes)?,
        }
        let now = self.clock.wall_nanos();
        self.tree_mut(node.mount).ok_or(Errno::BADF)?.write_at(node.ino, offset, data, now)
    }

    /// Returns how many bytes more a file holds once so many are written: holes take none before.
    fn growth(&self, node: NodeId, offset: u64, n_bytes: u64) -> SysResult<u64> {
        match &self.inode(node).ok_or(Errno::BADF)?.node {
            Node::File(content) => Ok(content.growth(offset, n_bytes)),
            _ => Ok(n_bytes),
        }
    }

    pub(crate) fn size_of(&self, node: NodeId) -> SysResult<u64> {
        Ok(self.inode(node).ok_or(Errno::BADF)?.size())
    }

    /// Cuts or extends an open file of a tree.
    pub(crate) fn set_len(&mut self, node: NodeId, len: u64) -> SysResult<()> {
        if len > MAX_FILE_BYTES {
            return Err(Errno::FBIG);
        }
        let now = self.clock.wall_nanos();
        self.tree_mut(node.mount).ok_or(Errno::BADF)?.set_len(node.ino, len, now)
    }

    pub(crate) fn inode_mut(&mut self, node: NodeId) -> Option<&mut Inode> {
        self.tree_mut(node.mount)?.inode_mut(node.ino)
    }

    fn lookup(&mut self, parent: NodeId, name: &str) -> SysResult<Option<Ino>> {
        match &mut self.mounts[usize::from(parent.mount)].backing {
            Backing::Tree(tree) => tree.lookup(parent.ino, name),
            Backing::Host(dir) => dir.lookup(parent.ino, name),
        }
    }
}

/// The largest offset of a file, 1 PiB: a sparse file costs nothing, but arithmetic on its size in a
/// guest should not overflow.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 50;
