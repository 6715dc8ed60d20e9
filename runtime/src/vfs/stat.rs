//! Metadata of nodes, in the terms of WASI preview 1 with POSIX modes.

use super::{NodeId, Vfs, mount::Backing};
use crate::{
    errno::{Errno, SysResult},
    tree::{Device, Inode, Node, ROOT},
};

/// `filetype` of WASI preview 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileType {
    /// How preview 1 shows a pipe.
    Unknown = 0,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketDatagram = 5,
    SocketStream = 6,
    SymbolicLink = 7,
}

impl FileType {
    /// Returns the type bits of `st_mode`, as Linux numbers them.
    pub(crate) fn mode_bits(self) -> u32 {
        match self {
            Self::Unknown => 0o010_000,
            Self::CharacterDevice => 0o020_000,
            Self::Directory => 0o040_000,
            Self::RegularFile => 0o100_000,
            Self::SymbolicLink => 0o120_000,
            Self::SocketDatagram | Self::SocketStream => 0o140_000,
        }
    }
}

/// What `stat` tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) kind: FileType,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) nlink: u64,
    pub(crate) size: u64,
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

impl Stat {
    /// What `stat` tells of something that no tree holds: a pipe, a device, a file of `/proc`.
    pub(crate) fn of_special(kind: FileType, ino: u64) -> Self {
        let mode = if kind == FileType::CharacterDevice { 0o666 } else { 0o600 };
        Self { dev: 0, ino, kind, mode, nlink: 1, size: 0, accessed: 0, modified: 0, changed: 0 }
    }
}

/// One entry of a directory listing.
#[derive(Clone, Debug)]
pub(crate) struct DirEntry {
    pub(crate) name: Box<str>,
    pub(crate) ino: u64,
    pub(crate) kind: FileType,
}

pub(super) fn kind_of(inode: &Inode) -> FileType {
    match &inode.node {
        Node::File(_) | Node::Device(Device::Process(_)) => FileType::RegularFile,
        Node::Directory(_) | Node::Device(Device::DescriptorDir) => FileType::Directory,
        Node::Symlink(_) => FileType::SymbolicLink,
        Node::Device(_) => FileType::CharacterDevice,
    }
}

impl Vfs {
    /// Returns what a node is, without its other metadata.
    pub(super) fn quick_kind(&self, node: NodeId) -> FileType {
        match &self.mounted(node).backing {
            Backing::Host(dir) => dir.kind(node.ino),
            Backing::Tree(tree) => tree.inode(node.ino).map_or(FileType::Unknown, kind_of),
        }
    }

    /// Returns the metadata of a node of a tree.
    pub(crate) fn stat_node(&self, node: NodeId) -> SysResult<Stat> {
        match &self.mounted(node).backing {
            Backing::Host(dir) => dir.stat(node.ino, dev(node)),
            Backing::Tree(tree) => {
                let inode = tree.inode(node.ino).ok_or(Errno::NOENT)?;
                let subdirectories = || {
                    let entries = inode.directory().map(|dir| dir.entries.values());
                    let is_dir = |ino: &&u64| {
                        tree.inode(**ino).is_some_and(|child| child.directory().is_some())
                    };
                    entries.map_or(0, |inos| inos.filter(is_dir).count() as u64)
                };
                let is_live_dir = inode.directory().is_some() && inode.nlink > 0;
                Ok(Stat {
                    dev: dev(node),
                    ino: node.ino,
                    kind: kind_of(inode),
                    mode: inode.mode,
                    nlink: if is_live_dir { 2 + subdirectories() } else { inode.nlink.into() },
                    size: inode.size(),
                    accessed: inode.accessed,
                    modified: inode.modified,
                    changed: inode.changed,
                })
            }
        }
    }

    /// Lists a directory, `.` and `..` first, then sorted by name.
    pub(crate) fn list(&mut self, node: NodeId) -> SysResult<Vec<DirEntry>> {
        let parent = self.parent_ino(node);
        let dot = |name: &str, ino| DirEntry { name: name.into(), ino, kind: FileType::Directory };
        let mut out = vec![dot(".", node.ino), dot("..", parent)];
        match &mut self.mounts[usize::from(node.mount)].backing {
            Backing::Host(dir) => out.extend(dir.list(node.ino)?),
            Backing::Tree(tree) => {
                let entries = tree.entries(node.ino)?.iter().map(|(name, ino)| DirEntry {
                    name: (&**name).into(),
                    ino: *ino,
                    kind: tree.inode(*ino).map_or(FileType::Unknown, kind_of),
                });
                out.extend(entries);
            }
        }
        Ok(out)
    }

    fn parent_ino(&self, node: NodeId) -> u64 {
        let directory = self.inode(node).and_then(Inode::directory);
        directory.map_or(ROOT, |directory| directory.parent)
    }
}

fn dev(node: NodeId) -> u64 {
    u64::from(node.mount) + 1
}
