//! What is known of a commit from the walk around it: from where it was reached, its children, and its side.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use git2::Oid;

use crate::fail::Outcome;
use crate::place::Place;

/// What `--source`, `--children` and `%m` show.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) sources: HashMap<Oid, String>,
    pub(crate) children: HashMap<Oid, Vec<Oid>>,
    /// Commits on the left of `a...b`.
    pub(crate) left: HashSet<Oid>,
}

/// The name from which each commit was reached first, where younger ones go on first.
pub(crate) fn sources(place: &Place, starts: &[(Oid, String)]) -> Outcome<HashMap<Oid, String>> {
    let mut found: HashMap<Oid, String> = HashMap::new();
    let mut due = BinaryHeap::new();
    let mut n = 0usize;
    let mut push = |due: &mut BinaryHeap<_>, id: Oid| -> Outcome<()> {
        due.push((place.repo.find_commit(id)?.time().seconds(), Reverse(n), id));
        n += 1;
        Ok(())
    };
    for (id, name) in starts {
        if !found.contains_key(id) {
            found.insert(*id, name.clone());
            push(&mut due, *id)?;
        }
    }
    while let Some((_, _, id)) = due.pop() {
        let name = found[&id].clone();
        for parent in place.repo.find_commit(id)?.parent_ids() {
            if !found.contains_key(&parent) {
                found.insert(parent, name.clone());
                push(&mut due, parent)?;
            }
        }
    }
    Ok(found)
}
