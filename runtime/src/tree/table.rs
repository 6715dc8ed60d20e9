//! A persistent table from inode number to inode.
//!
//! A radix tree of fan-out 32 whose nodes are shared between clones: cloning the table is one
//! reference count, and a write after a clone copies the nodes on the path to the inode and no
//! others. Numbers are handed out from 1 upwards and never reused, so the tree stays dense.

use std::sync::Arc;

const BITS: u32 = 5;
const FANOUT: usize = 1 << BITS;

#[derive(Debug)]
enum Slot<T> {
    Empty,
    Branch(Arc<[Slot<T>; FANOUT]>),
    Leaf(Arc<T>),
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Branch(branch) => Self::Branch(Arc::clone(branch)),
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
        }
    }
}

fn empty_branch<T>() -> Slot<T> {
    Slot::Branch(Arc::new(std::array::from_fn(|_| Slot::Empty)))
}

/// A map from `u64` to `T` whose clones share structure.
#[derive(Debug)]
pub(super) struct Table<T> {
    root: Slot<T>,
    /// Number of branch levels above the leaves.
    height: u32,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), height: self.height }
    }
}

impl<T: Clone> Table<T> {
    pub(super) fn new() -> Self {
        Self { root: empty_branch(), height: 1 }
    }

    fn index(key: u64, level: u32) -> usize {
        usize::try_from((key >> (BITS * level)) & (FANOUT as u64 - 1)).expect("masked to 5 bits")
    }

    fn covers(&self, key: u64) -> bool {
        key >> (BITS * self.height) == 0
    }

    pub(super) fn get(&self, key: u64) -> Option<&T> {
        if !self.covers(key) {
            return None;
        }
        let mut slot = &self.root;
        for level in (0..self.height).rev() {
            let Slot::Branch(branch) = slot else { return None };
            slot = &branch[Self::index(key, level)];
        }
        match slot {
            Slot::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        // Looking first keeps a miss from copying shared branches.
        self.get(key)?;
        match self.slot_mut(key) {
            Slot::Leaf(leaf) => Some(Arc::make_mut(leaf)),
            _ => None,
        }
    }

    pub(super) fn insert(&mut self, key: u64, value: T) {
        while !self.covers(key) {
            let mut top: [Slot<T>; FANOUT] = std::array::from_fn(|_| Slot::Empty);
            top[0] = std::mem::replace(&mut self.root, Slot::Empty);
            self.root = Slot::Branch(Arc::new(top));
            self.height += 1;
        }
        *self.slot_mut(key) = Slot::Leaf(Arc::new(value));
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<T> {
        self.get(key)?;
        match std::mem::replace(self.slot_mut(key), Slot::Empty) {
            Slot::Leaf(leaf) => Some(Arc::unwrap_or_clone(leaf)),
            _ => None,
        }
    }

    /// Returns the slot of `key`, making and unsharing the branches above it.
    fn slot_mut(&mut self, key: u64) -> &mut Slot<T> {
        let mut slot = &mut self.root;
        for level in (0..self.height).rev() {
            if matches!(slot, Slot::Empty) {
                *slot = empty_branch();
            }
            let Slot::Branch(branch) = slot else { unreachable!("leaves sit at level 0 only") };
            slot = &mut Arc::make_mut(branch)[Self::index(key, level)];
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn behaves_like_a_map_and_clones_are_independent(
            ops in prop::collection::vec((0_u64..5000, prop::option::of(any::<u32>())), 1..200),
            fork_at in 0_usize..200,
        ) {
            let (mut table, mut model) = (Table::new(), BTreeMap::new());
            let mut fork = None;
            for (step, (key, value)) in ops.into_iter().enumerate() {
                if step == fork_at {
                    fork = Some((table.clone(), model.clone()));
                }
                if let Some(value) = value {
                    table.insert(key, value);
                    model.insert(key, value);
                } else {
                    prop_assert_eq!(table.remove(key), model.remove(&key));
                }
            }
            for (table, model) in fork.into_iter().chain([(table, model)]) {
                for key in 0..5000 {
                    prop_assert_eq!(table.get(key), model.get(&key));
                }
            }
        }
    }
}
