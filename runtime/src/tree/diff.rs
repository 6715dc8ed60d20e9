//! What changed between two trees.

use super::{Ino, Node, Tree};
use std::collections::BTreeMap;

/// How an entry differs between two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// In the newer tree only.
    Added,
    /// In the older tree only.
    Removed,
    /// In both, with another content, mode, target or kind.
    Modified,
}

/// One difference found by [`Tree::diff`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Path from the root, without a leading slash.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
}

impl Tree {
    /// Returns what turns `self` into `newer`, sorted by path; times do not count.
    pub fn diff(&self, newer: &Self) -> Vec<Change> {
        let old: BTreeMap<String, Ino> = self.walk_inodes().into_iter().collect();
        let new: BTreeMap<String, Ino> = newer.walk_inodes().into_iter().collect();
        let mut changes = vec![];
        for (path, ino) in &old {
            let kind = match new.get(path) {
                None => ChangeKind::Removed,
                Some(other) if self.differs(*ino, newer, *other) => ChangeKind::Modified,
                Some(_) => continue,
            };
            changes.push(Change { path: path.clone(), kind });
        }
        let added = new.keys().filter(|path| !old.contains_key(*path));
        changes.extend(added.map(|path| Change { path: path.clone(), kind: ChangeKind::Added }));
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        changes
    }

    fn differs(&self, ino: Ino, other: &Self, other_ino: Ino) -> bool {
        let (Some(a), Some(b)) = (self.inode(ino), other.inode(other_ino)) else { return true };
        if std::ptr::eq(a, b) {
            return false;
        }
        a.mode != b.mode
            || match (&a.node, &b.node) {
                (Node::File(a), Node::File(b)) => !a.same_as(b),
                (Node::Symlink(a), Node::Symlink(b)) => a != b,
                (Node::Directory(_), Node::Directory(_)) => false,
                (Node::Device(a), Node::Device(b)) => a != b,
                _ => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_was_added_removed_and_modified() {
        let mut old = Tree::new();
        old.write("keep", "1", 0o644).unwrap();
        old.write("edit", "1", 0o644).unwrap();
        old.write("gone", "1", 0o644).unwrap();
        let mut new = old.clone();
        new.write("edit", "2", 0o644).unwrap();
        new.write("dir/add", "1", 0o644).unwrap();
        new.remove("gone").unwrap();
        let changes = old.diff(&new);
        let shown: Vec<_> = changes.iter().map(|c| format!("{:?} {}", c.kind, c.path)).collect();
        assert_eq!(shown, ["Added dir", "Added dir/add", "Modified edit", "Removed gone"]);
        assert_eq!(old.diff(&old.clone()), []);
    }
}
