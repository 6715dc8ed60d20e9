//! The other names of a node: its hard links.
//!
//! A tree knows how many names an inode has, not which. For the few inodes that have more than one,
//! the names are looked for once in the whole tree and kept up to date from then on, so that a rule
//! on one name holds for the node under every name, and the record can tell them all.

use super::{Found, NodeId, Vfs, mount::Backing};
use crate::tree::{Ino, Name, Tree};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// The names of the inodes of one mount that have several, each as directory and name.
type Index = BTreeMap<Ino, BTreeSet<(Ino, Name)>>;

/// The indexes of the mounts in which a node with several names was met.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<BTreeMap<u16, Index>>);

impl Names {
    /// Forgets a mount whose tree was replaced.
    pub(super) fn forget(&self, mount: u16) {
        self.0.lock().remove(&mount);
    }
}

impl Vfs {
    /// Returns all names of a node that has several, as absolute paths, sorted; none otherwise.
    pub(super) fn other_names(&self, node: NodeId) -> Vec<String> {
        match &self.mounted(node).backing {
            Backing::Host(dir) => {
                let point = &self.mounted(node).point;
                let names = dir.names_of(node.ino);
                names.into_iter().map(|name| format!("{point}/{name}")).collect()
            }
            Backing::Tree(tree) => {
                let is_shared = |tree: &Tree| {
                    let inode = tree.inode(node.ino);
                    inode.is_some_and(|it| it.nlink > 1 && it.directory().is_none())
                };
                if is_shared(tree) { self.names_in_tree(node, tree) } else { vec![] }
            }
        }
    }

    fn names_in_tree(&self, node: NodeId, tree: &Tree) -> Vec<String> {
        let mut indexes = self.names.0.lock();
        let index = indexes.entry(node.mount).or_insert_with(|| index(tree));
        let Some(places) = index.get(&node.ino) else { return vec![] };
        let path = |(parent, name): &(Ino, Name)| {
            let parent = self.path_of(NodeId { mount: node.mount, ino: *parent })?;
            Some(format!("{}/{name}", parent.trim_end_matches('/')))
        };
        let mut names: Vec<String> = places.iter().filter_map(path).collect();
        names.sort();
        names
    }

    fn change_names(&self, mount: u16, change: impl FnOnce(&mut Index)) {
        if let Some(index) = self.names.0.lock().get_mut(&mount) {
            change(index);
        }
    }

    /// Notes a new hard link. The first link of a node makes its other name worth knowing too, so
    /// the mount is looked through again when somebody asks.
    pub(super) fn name_added(&self, node: NodeId, parent: NodeId, name: &str) {
        let mut indexes = self.names.0.lock();
        match indexes.get_mut(&node.mount).and_then(|index| index.get_mut(&node.ino)) {
            Some(places) => drop(places.insert((parent.ino, name.into()))),
            None => drop(indexes.remove(&node.mount)),
        }
    }

    pub(super) fn name_removed(&self, node: NodeId, parent: NodeId, name: &str) {
        self.change_names(node.mount, |index| {
            if let Some(places) = index.get_mut(&node.ino) {
                places.remove(&(parent.ino, name.into()));
            }
        });
    }

    pub(super) fn names_moved(
        &self,
        node: NodeId,
        (from, name): (NodeId, &str),
        (to, new_name): (NodeId, &str),
        replaced: Option<Found>,
    ) {
        if let Some(Found::Node(replaced)) = replaced
            && replaced != node
        {
            self.name_removed(replaced, to, new_name);
        }
        // Renaming one link of a node onto another leaves both.
        if replaced != Some(Found::Node(node)) {
            self.change_names(node.mount, |index| {
                if let Some(places) = index.get_mut(&node.ino) {
                    places.remove(&(from.ino, name.into()));
                    places.insert((to.ino, new_name.into()));
                }
            });
        }
    }
}

/// Looks through a whole tree.
fn index(tree: &Tree) -> Index {
    let mut index = Index::new();
    let mut pending = vec![crate::tree::ROOT];
    while let Some(parent) = pending.pop() {
        let Ok(entries) = tree.entries(parent) else { continue };
        for (name, ino) in entries {
            let Some(inode) = tree.inode(*ino) else { continue };
            if inode.directory().is_some() {
                pending.push(*ino);
            } else if inode.nlink > 1 {
                index.entry(*ino).or_default().insert((parent, name.clone()));
            }
        }
    }
    index
}
