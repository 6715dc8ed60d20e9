//! What a tree stores about one file, directory, link or device.

use super::content::Content;
use std::{collections::BTreeMap, sync::Arc};

/// An inode number, unique within its tree.
pub(crate) type Ino = u64;

/// The number of every tree's root directory.
pub(crate) const ROOT: Ino = 1;

/// The name of a directory entry.
pub(crate) type Name = Arc<str>;

/// Nanoseconds since the Unix epoch.
pub(crate) type Nanos = u64;

/// A file of the kernel's own, under `/dev` or `/proc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    Null,
    Zero,
    Full,
    Random,
    /// `/dev/stdin` and its like: a duplicate of that descriptor of whoever opens it.
    Descriptor(u32),
    /// `/dev/fd` and `/proc/self/fd`: one entry for each open descriptor of whoever looks.
    DescriptorDir,
    /// A file of `/proc/self`, made up when it is opened.
    Process(ProcessFile),
}

/// A file that describes the process that opens it, or what its command may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessFile {
    Cmdline,
    Environ,
    Status,
    Stat,
    Exe,
    Cwd,
    Root,
    /// Bytes and files: how many may be written, and how many were.
    Disk,
    /// Memory of the command, as Linux tells that of a machine.
    Meminfo,
}

/// The kind of an inode and what goes with it.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(Content),
    Directory(Directory),
    Symlink(Arc<str>),
    Device(Device),
}

/// The entries of a directory, and where it hangs in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) entries: Arc<BTreeMap<Name, Ino>>,
    /// The directory above; the root's is itself.
    pub(crate) parent: Ino,
    /// The name under which the directory above lists this one.
    pub(crate) name: Name,
}

/// One node of a tree.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) node: Node,
    /// Permission bits, `07777` at most.
    pub(crate) mode: u32,
    /// Number of directory entries that name the inode; 0 once it lives on in descriptors only.
    pub(crate) nlink: u32,
    pub(crate) accessed: Nanos,
    pub(crate) modified: Nanos,
    pub(crate) changed: Nanos,
}

impl Inode {
    pub(crate) fn new(node: Node, mode: u32, now: Nanos) -> Self {
        Self { node, mode: mode & 0o7777, nlink: 1, accessed: now, modified: now, changed: now }
    }

    pub(crate) fn size(&self) -> u64 {
        match &self.node {
            Node::File(content) => content.len(),
            Node::Symlink(target) => target.len() as u64,
            Node::Directory(_) => 4096,
            Node::Device(_) => 0,
        }
    }

    pub(crate) fn directory(&self) -> Option<&Directory> {
        match &self.node {
            Node::Directory(directory) => Some(directory),
            _ => None,
        }
    }
}
