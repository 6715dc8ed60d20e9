//! What a namespace is made of.

use super::host_dir::HostDir;
use crate::{
    clock::VIRTUAL_START_NANOS,
    tree::{ROOT, Tree},
};
use cap_std::fs::Dir;
use std::sync::Arc;
use thiserror::Error;

/// The right that a mount grants on all that is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Opening for reading, listing and looking.
    ReadOnly,
    /// Reading and every change.
    ReadWrite,
}

/// A tree or a directory of the host at a path of the sandbox.
#[derive(Debug)]
pub struct Mount {
    point: String,
    access: Access,
    backing: Backing,
}

impl Mount {
    /// Mounts a tree, copy-on-write: the sandbox writes to a fork of it.
    pub fn tree(point: impl Into<String>, tree: Tree) -> Self {
        Self { point: point.into(), access: Access::ReadWrite, backing: Backing::Tree(tree) }
    }

    /// Mounts a tree that nobody in the sandbox may write.
    pub fn read_only_tree(point: impl Into<String>, tree: Tree) -> Self {
        Self { point: point.into(), access: Access::ReadOnly, backing: Backing::Tree(tree) }
    }

    /// Mounts a directory of the host itself. Devices, sockets and FIFOs in it cannot be opened,
    /// and a file with several hard links cannot be written.
    pub fn host(point: impl Into<String>, dir: Dir, access: Access) -> Self {
        Self { point: point.into(), access, backing: Backing::Host(HostDir::new(dir)) }
    }
}

impl Mount {
    /// Returns the tree that is mounted, if it is one.
    pub(crate) fn tree_mut(&mut self) -> Option<&mut Tree> {
        match &mut self.backing {
            Backing::Tree(tree) => Some(tree),
            Backing::Host(_) => None,
        }
    }
}

/// Why mounts do not make a namespace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MountError {
    /// A mount point is not an absolute path made of plain names.
    #[error("mount point `{point}` is not an absolute path without `.` and `..`")]
    BadPoint {
        /// The mount point as given.
        point: String,
    },
    /// Two mounts at one place.
    #[error("mount point `{point}` is given twice")]
    Twice {
        /// The mount point.
        point: String,
    },
    /// The place for a mount point is taken by a file, or lies in a directory of the host.
    #[error("mount point `{point}` cannot be made in the mount above it")]
    NoPlace {
        /// The mount point.
        point: String,
    },
}

#[derive(Debug)]
pub(super) enum Backing {
    Tree(Tree),
    Host(HostDir),
}

/// A mount in its place.
#[derive(Debug)]
pub(super) struct Mounted {
    /// Canonical path; the root's is empty.
    pub(super) point: String,
    pub(super) access: Access,
    pub(super) backing: Backing,
    /// How the record names the grant.
    pub(super) label: Arc<str>,
}

impl Mounted {
    /// Makes everything in a writable tree as old as a virtual clock: when a folder was copied from
    /// the host is nothing that a run should depend on.
    pub(super) fn forget_times(&mut self) {
        let Backing::Tree(tree) = &mut self.backing else { return };
        if self.access == Access::ReadOnly {
            return;
        }
        let all = tree.walk_inodes().into_iter().map(|(_, ino)| ino).chain([ROOT]);
        for ino in all {
            if let Some(inode) = tree.inode_mut(ino) {
                let start = VIRTUAL_START_NANOS;
                (inode.accessed, inode.modified, inode.changed) = (start, start, start);
            }
        }
    }

    pub(super) fn fork(&self) -> Self {
        let backing = match &self.backing {
            Backing::Tree(tree) => Backing::Tree(tree.clone().without_orphans()),
            Backing::Host(dir) => Backing::Host(dir.fork()),
        };
        let (point, label) = (self.point.clone(), self.label.clone());
        Self { point, access: self.access, backing, label }
    }
}

/// Checks mounts, sorts them so that the one above comes first, and makes missing mount points in
/// the trees above.
pub(super) fn arrange(mounts: Vec<Mount>) -> Result<Vec<Mounted>, MountError> {
    let mut arranged: Vec<Mounted> = vec![];
    for mount in mounts {
        let point = canonical(&mount.point)?;
        if arranged.iter().any(|other| other.point == point) {
            return Err(MountError::Twice { point: mount.point });
        }
        let right = match mount.access {
            Access::ReadOnly => "read-only",
            Access::ReadWrite => "read-write",
        };
        let shown = if point.is_empty() { "/" } else { &point };
        let label = format!("mount {shown} {right}").into();
        arranged.push(Mounted { point, access: mount.access, backing: mount.backing, label });
    }
    arranged.sort_by(|a, b| a.point.cmp(&b.point));
    if arranged.first().is_none_or(|first| !first.point.is_empty()) {
        return Err(MountError::NoPlace { point: "/".to_owned() });
    }
    for index in 1..arranged.len() {
        make_point(&mut arranged, index)?;
    }
    Ok(arranged)
}

fn canonical(point: &str) -> Result<String, MountError> {
    let is_plain = |name: &str| !matches!(name, "." | "..") && !name.contains('\0');
    let names: Vec<&str> = point.split('/').filter(|name| !name.is_empty()).collect();
    if !point.starts_with('/') || !names.iter().all(|name| is_plain(name)) {
        return Err(MountError::BadPoint { point: point.to_owned() });
    }
    Ok(if names.is_empty() { String::new() } else { format!("/{}", names.join("/")) })
}

fn make_point(arranged: &mut [Mounted], index: usize) -> Result<(), MountError> {
    let (above, rest) = arranged.split_at_mut(index);
    let point = &rest[0].point;
    let is_above = |other: &&mut Mounted| {
        point.strip_prefix(other.point.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    let no_place = || MountError::NoPlace { point: point.clone() };
    let parent = above.iter_mut().rev().find(is_above).ok_or_else(no_place)?;
    let place = point[parent.point.len() + 1..].to_owned();
    match &mut parent.backing {
        Backing::Tree(tree) => tree.create_dir(&place, 0o755).map_err(|_| no_place()),
        Backing::Host(dir) if dir.has_dir(&place) => Ok(()),
        Backing::Host(_) => Err(no_place()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(points: &[&str]) -> String {
        let mounts = points.iter().map(|point| Mount::tree(*point, Tree::new())).collect();
        arrange(mounts).unwrap_err().to_string()
    }

    #[test]
    fn bad_mounts_are_named() {
        assert_eq!(
            error(&["/", "/a/../b"]),
            "mount point `/a/../b` is not an absolute path without `.` and `..`"
        );
        assert_eq!(error(&["/", "/a", "/a/"]), "mount point `/a/` is given twice");
        assert_eq!(error(&["/a"]), "mount point `/` cannot be made in the mount above it");
    }

    #[test]
    fn mount_points_appear_in_the_mount_above() {
        let mounts = vec![Mount::tree("/w/x", Tree::new()), Mount::tree("/", Tree::new())];
        let arranged = arrange(mounts).unwrap();
        let Backing::Tree(root) = &arranged[0].backing else { panic!("a tree was given") };
        assert!(root.exists("w/x"));
    }
}
