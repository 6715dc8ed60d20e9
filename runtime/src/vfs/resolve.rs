//! From a path to a node, in one walk.
//!
//! The walk starts at the root of the namespace or at an open directory, steps through mounts and
//! symlinks, and never leaves the namespace: `..` at the root stays there, and an absolute link
//! starts again at the root. What it returns is the node itself and the path that names it; later
//! steps use both and look nothing up again.

use super::{Vfs, mount::Backing};
use crate::{
    errno::{Errno, SysResult},
    tree::{Device, Ino, Node, ProcessFile, ROOT},
};

/// A node of one of the mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId {
    pub(crate) mount: u16,
    pub(crate) ino: Ino,
}

impl NodeId {
    /// The root of the namespace: the mount at `/` is always the first.
    pub(crate) const ROOT: Self = Self { mount: 0, ino: ROOT };
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A node of a mount.
    Node(NodeId),
    /// A descriptor of the process that asks, through `/dev/fd` and its like.
    Descriptor(u32),
}

/// The end of a walk.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Canonical path in the namespace; the root's is `/`.
    pub(super) path: String,
    /// The directory that holds the last name, and that name; none at `/` and after a final `.` or `..`.
    pub(super) entry: Option<(NodeId, String)>,
    /// The mount that the place belongs to, which decides on rights.
    pub(super) mount: u16,
    /// What is there.
    pub(super) found: Option<Found>,
    /// The path ended in `/` or `/.`, so only a directory will do.
    pub(super) wants_directory: bool,
}

/// Symbolic links followed in one walk, as in Linux. Answers TM-PATH-2: a loop of links.
const MAX_LINKS: u32 = 40;
/// Bytes of a path, as `PATH_MAX` of Linux.
const MAX_PATH_BYTES: usize = 4096;
/// Bytes of a name, as `NAME_MAX` of Linux.
const MAX_NAME_BYTES: usize = 255;

/// What the last name of a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// What a symbolic link there leads to.
    Followed,
    /// What is there, a symbolic link itself; but `link/` is the directory that it leads to.
    Named,
    /// A name to make, remove or move: no link there is followed, and `name/` only says that it
    /// is or becomes a directory's.
    Entry,
}

struct Walk {
    /// Nodes from the root to where the walk stands, each with the length of its path.
    stack: Vec<(NodeId, usize)>,
    path: String,
    /// Names still to step through, the next one last.
    pending: Vec<String>,
    n_links: u32,
}

impl Walk {
    fn here(&self) -> NodeId {
        self.stack.last().expect("the root is never popped").0
    }

    fn up(&mut self) {
        if self.stack.len() > 1 {
            self.stack.pop();
            let len = self.stack.last().expect("the root is never popped").1;
            self.path.truncate(len);
        }
    }

    fn down(&mut self, node: NodeId, name: &str) {
        self.path.push('/');
        self.path.push_str(name);
        self.stack.push((node, self.path.len()));
    }

    fn push_pending(&mut self, path: &str) -> SysResult<()> {
        let n_bytes: usize = self.pending.iter().map(|name| name.len() + 1).sum();
        if n_bytes + path.len() > MAX_PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        self.pending.extend(names(path).rev().map(str::to_owned));
        Ok(())
    }
}

fn names(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

impl Vfs {
    /// Walks `path` from the directory `base`.
    pub(super) fn resolve(&mut self, base: NodeId, path: &str, last: Last) -> SysResult<Place> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        if path.contains('\0') {
            return Err(Errno::INVAL);
        }
        let root = NodeId::ROOT;
        let mut walk =
            Walk { stack: vec![(root, 0)], path: String::new(), pending: vec![], n_links: 0 };
        walk.push_pending(path)?;
        if base != root && !path.starts_with('/') {
            let above = self.path_of(base).ok_or(Errno::NOENT)?;
            walk.pending.extend(names(&above).rev().map(str::to_owned));
        }
        let wants_directory = path.ends_with('/') || path.ends_with("/.") || path == ".";
        let is_dot = path.trim_end_matches('/').rsplit('/').next() == Some(".");
        let is_followed = match last {
            Last::Followed => true,
            Last::Named => wants_directory,
            Last::Entry => is_dot,
        };
        let mut place = self.walk_to_end(walk, is_followed, wants_directory)?;
        if is_dot {
            // `new/.` is a name in a directory that is not there; `new/` may become one.
            place.found.ok_or(Errno::NOENT)?;
            place.entry = None;
        }
        if wants_directory
            && (last != Last::Entry || is_dot)
            && let Some(Found::Node(node)) = place.found
            && !self.is_directory(node)
        {
            return Err(Errno::NOTDIR);
        }
        Ok(place)
    }

    fn walk_to_end(
        &mut self,
        mut walk: Walk,
        follow_last: bool,
        wants_directory: bool,
    ) -> SysResult<Place> {
        let mut entry = None;
        while let Some(name) = walk.pending.pop() {
            let is_last = walk.pending.is_empty();
            let here = walk.here();
            if !self.is_directory(here) {
                // A way through /proc/self/root or /proc/self/cwd is refused, not missing.
                let is_refused = self.process_file(here).is_some();
                return Err(if is_refused { Errno::ACCES } else { Errno::NOTDIR });
            }
            if name == ".." {
                walk.up();
                entry = None;
                continue;
            }
            if name.len() > MAX_NAME_BYTES {
                return Err(Errno::NAMETOOLONG);
            }
            let Some(child) = self.step(here, &walk.path, &name)? else {
                if !is_last {
                    return Err(Errno::NOENT);
                }
                let path = format!("{}/{name}", walk.path);
                let (mount, entry) = (here.mount, Some((here, name)));
                return Ok(Place { path, entry, mount, found: None, wants_directory });
            };
            let Found::Node(child) = child else {
                if !is_last {
                    return Err(Errno::NOTDIR);
                }
                let path = format!("{}/{name}", walk.path);
                let entry = Some((here, name));
                let found = Some(child);
                return Ok(Place { path, entry, mount: here.mount, found, wants_directory });
            };
            if let Some(target) = self.link_target(child)?
                && (!is_last || follow_last)
            {
                walk.n_links += 1;
                if walk.n_links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                if target.starts_with('/') {
                    walk.stack.truncate(1);
                    walk.path.clear();
                }
                walk.push_pending(&target)?;
                entry = None;
                continue;
            }
            walk.down(child, &name);
            entry = Some((here, name));
        }
        let node = walk.here();
        let path = if walk.path.is_empty() { "/".to_owned() } else { walk.path };
        let found = Some(Found::Node(node));
        Ok(Place { path, entry, mount: node.mount, found, wants_directory })
    }

    /// Returns what `name` leads to in the directory `here` with the path `path`.
    fn step(&mut self, here: NodeId, path: &str, name: &str) -> SysResult<Option<Found>> {
        if let Some(Device::DescriptorDir) = self.device(here) {
            let number = name.parse().map_err(|_| Errno::NOENT)?;
            return Ok(Some(Found::Descriptor(number)));
        }
        let point = self.points.get(&format!("{path}/{name}")).copied();
        if let Some(mount) = point {
            return Ok(Some(Found::Node(NodeId { mount, ino: ROOT })));
        }
        let Some(ino) = self.lookup(here, name)? else { return Ok(None) };
        let node = NodeId { mount: here.mount, ino };
        Ok(Some(match self.device(node) {
            Some(Device::Descriptor(number)) => Found::Descriptor(number),
            _ => Found::Node(node),
        }))
    }

    pub(crate) fn device(&self, node: NodeId) -> Option<Device> {
        match &self.inode(node)?.node {
            Node::Device(device) => Some(*device),
            _ => None,
        }
    }

    pub(super) fn process_file(&self, node: NodeId) -> Option<ProcessFile> {
        match self.device(node)? {
            Device::Process(file) => Some(file),
            _ => None,
        }
    }

    pub(crate) fn is_directory(&self, node: NodeId) -> bool {
        match &self.mounted(node).backing {
            Backing::Host(dir) => dir.is_dir(node.ino),
            Backing::Tree(tree) => tree.inode(node.ino).is_some_and(|inode| {
                matches!(inode.node, Node::Directory(_) | Node::Device(Device::DescriptorDir))
            }),
        }
    }

    /// Returns where a symbolic link points, or none if the node is no link.
    pub(super) fn link_target(&self, node: NodeId) -> SysResult<Option<String>> {
        match &self.mounted(node).backing {
            Backing::Host(dir) => dir.link_target(node.ino),
            Backing::Tree(tree) => match tree.inode(node.ino).map(|inode| &inode.node) {
                Some(Node::Symlink(target)) if target.is_empty() => Err(Errno::NOENT),
                Some(Node::Symlink(target)) => Ok(Some(target.to_string())),
                _ => Ok(None),
            },
        }
    }

    /// Returns the canonical path of a directory, or none if it was removed.
    pub(crate) fn path_of(&self, node: NodeId) -> Option<String> {
        let mounted = self.mounted(node);
        let below = match &mounted.backing {
            Backing::Tree(tree) => {
                let inode = tree.inode(node.ino)?;
                (inode.nlink > 0).then(|| tree.path_of(node.ino))??
            }
            Backing::Host(dir) => dir.path_of(node.ino)?.to_string(),
        };
        Some(match (mounted.point.is_empty(), below.is_empty()) {
            (true, true) => "/".to_owned(),
            (false, true) => mounted.point.clone(),
            _ => format!("{}/{below}", mounted.point),
        })
    }
}
