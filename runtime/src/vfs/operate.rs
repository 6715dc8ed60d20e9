//! The operations on paths: each resolves once, decides, records, and operates on the same node.

use super::{
    Found, NodeId, Vfs,
    mount::Backing,
    record::{Actor, Ask, At, Outcome},
    resolve::Place,
    rights::Want,
    stat::Stat,
};
use crate::{
    audit::Op,
    errno::{Errno, SysResult},
    tree::{Inode, Node, ProcessFile, Tree},
};

/// New access and modification times; none leaves a time as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SetTimes {
    pub(crate) accessed: Option<u64>,
    pub(crate) modified: Option<u64>,
}

/// Where a link points that no tree holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MadeUp {
    /// To the program of whoever asks.
    Exe,
    /// To what this descriptor of whoever asks has open.
    Descriptor(u32),
}

impl Vfs {
    pub(super) fn create(
        &mut self,
        parent: NodeId,
        name: &str,
        node: Node,
        mode: u32,
    ) -> SysResult<u64> {
        let now = self.clock.wall_nanos();
        let tree = self.tree_mut(parent.mount).ok_or(Errno::NOTSUP)?;
        let ino = tree.create(parent.ino, name, node, mode, now)?;
        self.made = Some(NodeId { mount: parent.mount, ino });
        Ok(ino)
    }

    /// Returns the metadata of what a path names; a descriptor is the caller's to look at.
    pub(crate) fn stat(&mut self, actor: &Actor, at: At<'_>) -> SysResult<Result<Stat, u32>> {
        let ask = Ask::new(actor, Op::Stat, at);
        let place = self.locate(&ask)?;
        self.operate(&ask, &place, Want::Read, |vfs| match place.found {
            None => Err(Errno::NOENT),
            Some(Found::Descriptor(number)) => Ok(Err(number)),
            Some(Found::Node(node)) if vfs.is_refused_proc(node) => Err(Errno::ACCES),
            Some(Found::Node(node)) => vfs.stat_node(node).map(Ok),
        })
    }

    fn is_refused_proc(&self, node: NodeId) -> bool {
        matches!(self.process_file(node), Some(ProcessFile::Root | ProcessFile::Cwd))
    }

    /// Returns where a symbolic link points.
    pub(crate) fn readlink(
        &mut self,
        actor: &Actor,
        at: At<'_>,
    ) -> SysResult<Result<String, MadeUp>> {
        let at = At { follow: false, ..at };
        let ask = Ask::new(actor, Op::Readlink, at);
        let place = self.locate(&ask)?;
        self.operate(&ask, &place, Want::Read, |vfs| match place.found {
            None => Err(Errno::NOENT),
            Some(Found::Descriptor(number)) => Ok(Err(MadeUp::Descriptor(number))),
            Some(Found::Node(node)) => match vfs.process_file(node) {
                Some(ProcessFile::Exe) => Ok(Err(MadeUp::Exe)),
                Some(ProcessFile::Root | ProcessFile::Cwd) => Err(Errno::ACCES),
                _ => vfs.link_target(node)?.map(Ok).ok_or(Errno::INVAL),
            },
        })
    }

    /// Makes a directory.
    pub(crate) fn mkdir(&mut self, actor: &Actor, at: At<'_>, mode: u32) -> SysResult<()> {
        self.make(actor, Op::Mkdir, at, None, |vfs, parent, name| {
            if let Backing::Host(dir) = &vfs.mounted(parent).backing {
                return dir.mkdir(&dir.child_path(parent.ino, name)?, mode);
            }
            vfs.check_file(&actor.budget, parent)?;
            vfs.create(parent, name, Tree::new_directory(), mode).map(drop)
        })
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(&mut self, actor: &Actor, target: &str, at: At<'_>) -> SysResult<()> {
        self.make(actor, Op::Symlink, at, Some(target), |vfs, parent, name| {
            if let Backing::Host(dir) = &vfs.mounted(parent).backing {
                return dir.symlink(target, &dir.child_path(parent.ino, name)?);
            }
            vfs.check_file(&actor.budget, parent)?;
            vfs.create(parent, name, Node::Symlink(target.into()), 0o777).map(drop)
        })
    }

    /// Makes a new entry at a path where nothing is.
    fn make(
        &mut self,
        actor: &Actor,
        op: Op,
        at: At<'_>,
        to: Option<&str>,
        make: impl FnOnce(&mut Self, NodeId, &str) -> SysResult<()>,
    ) -> SysResult<()> {
        let is_directory = op == Op::Mkdir;
        let ask = Ask { to, ..Ask::new(actor, op, at) };
        let place = self.locate(&ask)?;
        if place.found.is_some() {
            // As with Linux, what is there is told before whether it could have been made.
            return self.operate(&ask, &place, Want::Read, |_| Err(Errno::EXIST));
        }
        self.operate(&ask, &place, Want::Write, |vfs| {
            if place.wants_directory && !is_directory {
                return Err(Errno::NOENT);
            }
            let (parent, name) = place.entry.as_ref().ok_or(Errno::EXIST)?;
            make(vfs, *parent, name)
        })
    }

    /// Removes a file or link.
    pub(crate) fn unlink(&mut self, actor: &Actor, at: At<'_>) -> SysResult<()> {
        let ask = Ask::new(actor, Op::Unlink, at);
        let place = self.locate(&ask)?;
        self.operate(&ask, &place, Want::Write, |vfs| {
            let (parent, name) = place.entry.as_ref().ok_or(Errno::ISDIR)?;
            let Some(Found::Node(node)) = place.found else {
                return Err(if place.found.is_some() { Errno::PERM } else { Errno::NOENT });
            };
            if vfs.is_directory(node) {
                return Err(Errno::ISDIR);
            }
            if place.wants_directory {
                return Err(Errno::NOTDIR);
            }
            if let Backing::Host(dir) = &vfs.mounted(*parent).backing {
                return dir.unlink(&dir.child_path(parent.ino, name)?);
            }
            vfs.in_tree(parent.mount, |tree, is_open, now| {
                tree.unlink(parent.ino, name, is_open, now)
            })?;
            vfs.name_removed(node, *parent, name);
            Ok(())
        })
    }

    /// Removes an empty directory.
    pub(crate) fn rmdir(&mut self, actor: &Actor, at: At<'_>) -> SysResult<()> {
        let ask = Ask::new(actor, Op::Rmdir, at);
        let place = self.locate(&ask)?;
        self.operate(&ask, &place, Want::Write, |vfs| {
            let Some(Found::Node(node)) = place.found else { return Err(Errno::NOENT) };
            let (parent, name) =
                place.entry.as_ref().ok_or(if at.path.trim_end_matches('/').ends_with('.') {
                    Errno::INVAL
                } else {
                    Errno::BUSY
                })?;
            if !vfs.is_directory(node) {
                return Err(Errno::NOTDIR);
            }
            if node.mount != parent.mount || vfs.has_mount_below(&place.path) {
                return Err(Errno::BUSY);
            }
            if let Backing::Host(dir) = &vfs.mounted(*parent).backing {
                return dir.rmdir(&dir.child_path(parent.ino, name)?);
            }
            vfs.in_tree(parent.mount, |tree, is_open, now| {
                tree.remove_directory(parent.ino, name, is_open, now)
            })
        })
    }

    /// Runs an operation on a tree that must know which inodes are open.
    fn in_tree(
        &mut self,
        mount: u16,
        operation: impl FnOnce(&mut Tree, &dyn Fn(u64) -> bool, u64) -> SysResult<()>,
    ) -> SysResult<()> {
        let now = self.clock.wall_nanos();
        let Backing::Tree(tree) = &mut self.mounts[usize::from(mount)].backing else {
            return Err(Errno::NOTSUP);
        };
        let open = &self.open_counts;
        operation(tree, &|ino| open.contains_key(&NodeId { mount, ino }), now)
    }

    fn has_mount_below(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        self.points.keys().any(|point| point == path || point.starts_with(&prefix))
    }

    /// Renames an entry; both names must be writable, and lie in one mount.
    pub(crate) fn rename(&mut self, actor: &Actor, from: At<'_>, to: At<'_>) -> SysResult<()> {
        let ask = Ask::new(actor, Op::Rename, from);
        self.operate_both(&ask, to, |vfs, old, new| vfs.rename_places(actor, old, new))
    }

    fn rename_places(&mut self, actor: &Actor, old: &Place, new: &Place) -> Outcome {
        let (Some((from, name)), Some((to, new_name))) = (&old.entry, &new.entry) else {
            return Err(Errno::BUSY.into());
        };
        let Some(Found::Node(node)) = old.found else {
            return Err(Errno::NOENT.into());
        };
        let is_directory = self.is_directory(node);
        if !is_directory && (old.wants_directory || new.wants_directory) {
            return Err(Errno::NOTDIR.into());
        }
        if from.mount != to.mount {
            return Err(Errno::XDEV.into());
        }
        let crosses = node.mount != from.mount
            || matches!(new.found, Some(Found::Node(node)) if node.mount != to.mount);
        if crosses || self.has_mount_below(&old.path) || self.has_mount_below(&new.path) {
            return Err(Errno::BUSY.into());
        }
        if is_directory {
            self.decide_subtree(node, &[&old.path, &new.path])?;
        }
        if let Backing::Host(dir) = &self.mounted(*from).backing {
            let (old, new) = (dir.child_path(from.ino, name)?, dir.child_path(to.ino, new_name)?);
            return Ok(dir.rename(&old, &new)?);
        }
        if is_directory && from != to {
            self.check_depth(actor, node, *to)?;
        }
        self.in_tree(from.mount, |tree, is_open, now| {
            tree.rename((from.ino, name), (to.ino, new_name), is_open, now)
        })?;
        self.names_moved(node, (*from, name), (*to, new_name), new.found);
        Ok(())
    }

    /// Checks that a directory moved below `to` does not become deeper than it may be.
    fn check_depth(&self, actor: &Actor, node: NodeId, to: NodeId) -> SysResult<()> {
        let Some(tree) = self.tree(node.mount) else { return Ok(()) };
        let mut deepest = 0;
        let mut pending = vec![(node.ino, 1)];
        while let Some((ino, depth)) = pending.pop() {
            deepest = deepest.max(depth);
            let directories = tree.entries(ino)?.values().filter(|child| {
                tree.inode(**child).is_some_and(|inode| inode.directory().is_some())
            });
            pending.extend(directories.map(|child| (*child, depth + 1)));
        }
        if tree.depth_of(to.ino) + deepest > actor.budget.limits.depth {
            actor.budget.meet_soft(crate::limits::LimitKind::Depth);
            return Err(Errno::NAMETOOLONG);
        }
        Ok(())
    }

    /// Makes a hard link; both names must be writable, so that a link carries nothing out of a
    /// read-only place.
    pub(crate) fn link(&mut self, actor: &Actor, from: At<'_>, to: At<'_>) -> SysResult<()> {
        let ask = Ask::new(actor, Op::Link, from);
        self.operate_both(&ask, to, |vfs, old, new| Ok(vfs.link_places(actor, old, new)?))
    }

    fn link_places(&mut self, actor: &Actor, old: &Place, new: &Place) -> SysResult<()> {
        let Some(Found::Node(node)) = old.found else { return Err(Errno::NOENT) };
        if new.found.is_some() {
            return Err(Errno::EXIST);
        }
        let (parent, name) = new.entry.as_ref().ok_or(Errno::EXIST)?;
        if new.wants_directory {
            return Err(Errno::NOENT);
        }
        if node.mount != parent.mount {
            return Err(Errno::XDEV);
        }
        self.check_file(&actor.budget, *parent)?;
        let now = self.clock.wall_nanos();
        // No hard links in directories of the host: the number of names is how a file that also
        // lives outside is told.
        let tree = self.tree_mut(parent.mount).ok_or(Errno::NOTSUP)?;
        tree.link(node.ino, parent.ino, name, now)?;
        self.name_added(node, *parent, name);
        Ok(())
    }

    /// Changes permission bits.
    pub(crate) fn chmod(&mut self, actor: &Actor, at: At<'_>, mode: u32) -> SysResult<()> {
        self.change(actor, Op::Chmod, at, |vfs, node, now| {
            if let Backing::Host(dir) = &vfs.mounted(node).backing {
                let path = dir.path_of(node.ino).ok_or(Errno::NOENT)?;
                return dir.chmod(if path.is_empty() { "." } else { &path }, mode & 0o777);
            }
            let inode = vfs.inode_mut(node).ok_or(Errno::NOENT)?;
            if matches!(inode.node, Node::Symlink(_)) {
                return Err(Errno::NOTSUP);
            }
            (inode.mode, inode.changed) = (mode & 0o7777, now);
            Ok(())
        })
    }

    /// Changes times.
    pub(crate) fn utimes(&mut self, actor: &Actor, at: At<'_>, times: SetTimes) -> SysResult<()> {
        self.change(actor, Op::Utimes, at, |vfs, node, now| {
            if matches!(vfs.mounted(node).backing, Backing::Host(_)) {
                return Err(Errno::NOTSUP);
            }
            set_times(vfs.inode_mut(node).ok_or(Errno::NOENT)?, times, now);
            Ok(())
        })
    }

    fn change(
        &mut self,
        actor: &Actor,
        op: Op,
        at: At<'_>,
        change: impl FnOnce(&mut Self, NodeId, u64) -> SysResult<()>,
    ) -> SysResult<()> {
        let ask = Ask::new(actor, op, at);
        let place = self.locate(&ask)?;
        if place.found.is_none() {
            return self.operate(&ask, &place, Want::Read, |_| Err(Errno::NOENT));
        }
        self.operate(&ask, &place, Want::Write, |vfs| match place.found {
            Some(Found::Node(node)) => {
                let now = vfs.clock.wall_nanos();
                change(vfs, node, now)
            }
            _ => Err(Errno::PERM),
        })
    }

    /// Changes an open file that was not opened through a path that allows it: decides again, on
    /// the path under which it was opened.
    pub(crate) fn change_open(
        &mut self,
        actor: &Actor,
        op: Op,
        path: &str,
        node: NodeId,
        change: impl FnOnce(&mut Inode, u64),
    ) -> SysResult<()> {
        let place = Place {
            path: path.to_owned(),
            entry: None,
            mount: node.mount,
            found: Some(Found::Node(node)),
            wants_directory: false,
        };
        let at = At { dir: NodeId::ROOT, path, follow: false, fds: None };
        self.operate(&Ask::new(actor, op, at), &place, Want::Write, |vfs| {
            let now = vfs.clock.wall_nanos();
            change(vfs.inode_mut(node).ok_or(Errno::NOTSUP)?, now);
            Ok(())
        })
    }
}

pub(crate) fn set_times(inode: &mut Inode, times: SetTimes, now: u64) {
    inode.accessed = times.accessed.unwrap_or(inode.accessed);
    inode.modified = times.modified.unwrap_or(inode.modified);
    inode.changed = now;
}
