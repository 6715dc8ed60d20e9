//! Walks through history: by date, with uninteresting parts and unchanged paths left out, or in the order
//! of a graph.

use std::collections::{BinaryHeap, HashMap, HashSet};

use git2::{Commit, Oid};

use super::grep::Filter;
use crate::fail::Outcome;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::tree;

/// How many older uninteresting commits are looked at before the walk ends.
const SLOP: usize = 5;

/// The order of commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Usual,
    Topological,
    Date,
    AuthorDate,
}

/// What is walked.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) starts: Vec<Oid>,
    pub(crate) excluded: Vec<Oid>,
    /// Starts on the left of `a...b`.
    pub(crate) left: Vec<Oid>,
    pub(crate) paths: Pathspec,
    pub(crate) max: Option<usize>,
    pub(crate) skip: usize,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) min_parents: usize,
    pub(crate) max_parents: Option<usize>,
    pub(crate) first_parent: bool,
    pub(crate) full_history: bool,
    pub(crate) reverse: bool,
    pub(crate) order: Order,
    /// Parents are those that are shown.
    pub(crate) rewrite: bool,
    pub(crate) no_walk: bool,
    pub(crate) unsorted: bool,
    pub(crate) filter: Filter,
}

/// A commit of a walk.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) id: Oid,
    /// The parents that the walk goes to.
    pub(crate) parents: Vec<Oid>,
    time: i64,
    /// The paths are as in a parent.
    same: bool,
}

/// By date, and of equal ones that first which was found first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due(i64, std::cmp::Reverse<usize>, Oid);

pub(crate) struct Walk<'a> {
    place: &'a Place,
    wanted: &'a Wanted,
    steps: HashMap<Oid, Step>,
    boring: HashSet<Oid>,
    seen: HashSet<Oid>,
    due: BinaryHeap<Due>,
    n: usize,
}

/// Calls `visit` with each commit until it says no.
pub(crate) fn walk(
    place: &Place,
    wanted: &Wanted,
    visit: &mut dyn FnMut(&Step) -> Outcome<bool>,
) -> Outcome<()> {
    let mut walk = Walk::new(place, wanted);
    if wanted.no_walk {
        return walk.only_starts(visit);
    }
    if wanted.excluded.is_empty() && wanted.order == Order::Usual && !wanted.reverse {
        return walk.stream(visit);
    }
    let steps = walk.collect()?;
    let mut steps = walk.sorted(steps);
    if wanted.rewrite {
        walk.rewrite(&mut steps);
    }
    let mut shown: Vec<Step> = vec![];
    let mut skip = wanted.skip;
    for step in steps {
        if wanted.max.is_some_and(|max| shown.len() >= max) {
            break;
        }
        if !walk.is_shown(&step)? {
            continue;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        shown.push(step);
    }
    if wanted.reverse {
        shown.reverse();
    }
    for step in &shown {
        if !visit(step)? {
            break;
        }
    }
    Ok(())
}

/// The children of each commit of a walk, those first that were found last.
pub(crate) fn children(place: &Place, wanted: &Wanted) -> Outcome<HashMap<Oid, Vec<Oid>>> {
    let mut found: HashMap<Oid, Vec<Oid>> = HashMap::new();
    for step in Walk::new(place, wanted).collect()? {
        step.parents.iter().for_each(|parent| found.entry(*parent).or_default().insert(0, step.id));
    }
    Ok(found)
}

impl<'a> Walk<'a> {
    fn new(place: &'a Place, wanted: &'a Wanted) -> Self {
        Self {
            place,
            wanted,
            steps: HashMap::new(),
            boring: wanted.excluded.iter().copied().collect(),
            seen: HashSet::new(),
            due: BinaryHeap::new(),
            n: 0,
        }
    }

    fn push(&mut self, id: Oid) -> Outcome<()> {
        if self.seen.insert(id) {
            let time = self.place.repo.find_commit(id)?.time().seconds();
            self.due.push(Due(time, std::cmp::Reverse(self.n), id));
            self.n += 1;
        }
        Ok(())
    }

    fn only_starts(&mut self, visit: &mut dyn FnMut(&Step) -> Outcome<bool>) -> Outcome<()> {
        let mut steps: Vec<Step> = vec![];
        for id in &self.wanted.starts {
            let commit = self.place.repo.find_commit(*id)?;
            steps.push(Step {
                id: *id,
                parents: commit.parent_ids().collect(),
                time: commit.time().seconds(),
                same: false,
            });
        }
        if !self.wanted.unsorted {
            steps.sort_by_key(|step| std::cmp::Reverse(step.time));
        }
        if self.wanted.reverse {
            steps.reverse();
        }
        for step in steps.iter().take(self.wanted.max.unwrap_or(usize::MAX)) {
            if self.is_shown(step)? && !visit(step)? {
                break;
            }
        }
        Ok(())
    }

    /// Newest first, without looking further than needed.
    fn stream(&mut self, visit: &mut dyn FnMut(&Step) -> Outcome<bool>) -> Outcome<()> {
        for id in self.wanted.starts.clone() {
            self.push(id)?;
        }
        let (mut skip, mut left) = (self.wanted.skip, self.wanted.max.unwrap_or(usize::MAX));
        while left > 0
            && let Some(Due(time, _, id)) = self.due.pop()
        {
            if self.wanted.since.is_some_and(|since| time < since) {
                continue;
            }
            let step = self.step(id)?;
            for parent in &step.parents {
                self.push(*parent)?;
            }
            if !self.is_shown(&step)? {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            left -= 1;
            if !visit(&step)? {
                break;
            }
        }
        Ok(())
    }

    /// All interesting commits, newest first.
    fn collect(&mut self) -> Outcome<Vec<Step>> {
        for id in
            self.wanted.starts.iter().chain(&self.wanted.excluded).copied().collect::<Vec<_>>()
        {
            self.push(id)?;
        }
        let mut found = vec![];
        let mut slop = SLOP;
        while let Some(Due(time, _, id)) = self.due.pop() {
            let too_old = self.wanted.since.is_some_and(|since| time < since);
            if self.boring.contains(&id) || too_old {
                self.boring.insert(id);
                self.bore_parents(id)?;
                if self.due.iter().any(|due| !self.boring.contains(&due.2)) {
                    slop = SLOP;
                    continue;
                }
                // A clock may have been wrong: a few more are looked at.
                slop -= 1;
                if slop == 0 || too_old {
                    break;
                }
                continue;
            }
            let step = self.step(id)?;
            for parent in &step.parents {
                self.push(*parent)?;
            }
            found.push(step);
        }
        found.retain(|step: &Step| !self.boring.contains(&step.id));
        Ok(found)
    }

    fn bore_parents(&mut self, id: Oid) -> Outcome<()> {
        let mut open: Vec<Oid> = self.place.repo.find_commit(id)?.parent_ids().collect();
        while let Some(parent) = open.pop() {
            let fresh = self.boring.insert(parent);
            if self.seen.contains(&parent) {
                if fresh {
                    // It was walked already: so were its parents, perhaps.
                    open.extend(self.place.repo.find_commit(parent)?.parent_ids());
                }
            } else {
                self.push(parent)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, id: Oid) -> Outcome<Step> {
        if let Some(step) = self.steps.get(&id) {
            return Ok(step.clone());
        }
        let commit = self.place.repo.find_commit(id)?;
        let mut parents: Vec<Oid> = commit.parent_ids().collect();
        if self.wanted.first_parent {
            parents.truncate(1);
        }
        let mut same = false;
        if !self.wanted.paths.is_empty() {
            (parents, same) = self.simplify(&commit, parents)?;
        }
        let step = Step { id, parents, time: commit.time().seconds(), same };
        self.steps.insert(id, step.clone());
        Ok(step)
    }

    /// Only the parent that has the paths as they are, if there is one.
    fn simplify(&self, commit: &Commit<'_>, parents: Vec<Oid>) -> Outcome<(Vec<Oid>, bool)> {
        let tree = commit.tree()?;
        if parents.is_empty() {
            return Ok((parents, self.same(None, &tree)?));
        }
        let mut n_same = 0;
        for parent in &parents {
            let old = self.place.repo.find_commit(*parent)?.tree()?;
            if !self.same(Some(&old), &tree)? {
                continue;
            }
            if !self.wanted.full_history {
                return Ok((vec![*parent], true));
            }
            n_same += 1;
        }
        let same = n_same > 0 && (n_same == parents.len() || parents.len() > 1);
        Ok((parents, same))
    }

    fn same(&self, old: Option<&git2::Tree<'_>>, new: &git2::Tree<'_>) -> Outcome<bool> {
        if old.is_some_and(|old| old.id() == new.id()) {
            return Ok(true);
        }
        let plain = self.wanted.paths.items.iter().all(|item| item.is_plain());
        if plain {
            let at = |tree: &git2::Tree<'_>, path: &[u8]| {
                tree::lookup(tree, path).map(|item| (item.mode, item.id))
            };
            let same = |item: &crate::pathspec::Item| {
                let old = old.and_then(|old| at(old, &item.path));
                old == at(new, &item.path)
            };
            return Ok(self.wanted.paths.items.iter().all(same));
        }
        let sides = tree::differences(self.place, old, Some(new), &|folder| {
            self.wanted.paths.reaches(folder)
        })?;
        let path = |sides: &tree::Sides| {
            sides.0.as_ref().or(sides.1.as_ref()).map(|item| item.path.clone())
        };
        Ok(!sides.iter().filter_map(path).any(|path| self.wanted.paths.fits(&path)))
    }

    /// Whether a commit passes all filters.
    fn is_shown(&self, step: &Step) -> Outcome<bool> {
        let wanted = self.wanted;
        if step.same
            || wanted.until.is_some_and(|until| step.time > until)
            || wanted.since.is_some_and(|since| step.time < since)
        {
            return Ok(false);
        }
        if wanted.min_parents == 0 && wanted.max_parents.is_none() && wanted.filter.is_empty() {
            return Ok(true);
        }
        let commit = self.place.repo.find_commit(step.id)?;
        let n = commit.parent_count();
        let count_fits = n >= wanted.min_parents && wanted.max_parents.is_none_or(|max| n <= max);
        Ok(count_fits && wanted.filter.fits(&commit, self.place))
    }

    fn sorted(&self, steps: Vec<Step>) -> Vec<Step> {
        if self.wanted.order == Order::Usual {
            return steps;
        }
        let at: HashMap<Oid, usize> =
            steps.iter().enumerate().map(|(n, step)| (step.id, n)).collect();
        let mut children = vec![0; steps.len()];
        for step in &steps {
            step.parents.iter().filter_map(|p| at.get(p)).for_each(|n| children[*n] += 1);
        }
        let mut ready: Vec<usize> = (0..steps.len()).filter(|n| children[*n] == 0).rev().collect();
        let mut order = vec![];
        while let Some(n) = self.next(&mut ready, &steps) {
            order.push(n);
            for parent in steps[n].parents.iter().filter_map(|p| at.get(p)) {
                children[*parent] -= 1;
                if children[*parent] == 0 {
                    ready.push(*parent);
                }
            }
        }
        order.into_iter().map(|n| steps[n].clone()).collect()
    }

    /// The last that became ready, or the youngest.
    fn next(&self, ready: &mut Vec<usize>, steps: &[Step]) -> Option<usize> {
        if self.wanted.order == Order::Topological {
            return ready.pop();
        }
        let date = |n: usize| match self.wanted.order {
            Order::AuthorDate => self
                .place
                .repo
                .find_commit(steps[n].id)
                .map_or(0, |commit| commit.author().when().seconds()),
            _ => steps[n].time,
        };
        let youngest = (0..ready.len()).max_by_key(|i| (date(ready[*i]), std::cmp::Reverse(*i)))?;
        Some(ready.remove(youngest))
    }

    /// Lets parents be the next commits that are shown.
    fn rewrite(&self, steps: &mut [Step]) {
        let by_id: HashMap<Oid, Step> = steps.iter().map(|step| (step.id, step.clone())).collect();
        for step in steps.iter_mut() {
            let mut parents: Vec<Oid> = vec![];
            for parent in &step.parents {
                let mut id = Some(*parent);
                while let Some(step) = id.and_then(|id| by_id.get(&id)).filter(|step| step.same) {
                    id = step.parents.first().copied();
                }
                parents.extend(id.filter(|id| !parents.contains(id)));
            }
            step.parents = parents;
        }
    }
}
