//! Which commit halves those that are left, in git's order.

use std::collections::{HashMap, HashSet};

use git2::Oid;

use crate::fail::Outcome;
use crate::log::walk;
use crate::pathspec::Pathspec;
use crate::place::Place;

/// How many steps there are for so many commits.
pub(super) fn steps(n_all: usize) -> usize {
    if n_all < 3 {
        return 0;
    }
    let n = n_all.ilog2() as usize;
    let power = 1 << n;
    if power < 3 * (n_all - power) { n } else { n - 1 }
}

/// What halves the commits that are left.
#[derive(Default)]
pub(super) struct Halves {
    pub(super) chosen: Option<Oid>,
    pub(super) n_all: usize,
    pub(super) n_reached: usize,
    /// Skipped ones that would have been better.
    pub(super) tried: Vec<Oid>,
}

pub(super) fn halves(
    place: &Place,
    bad: Oid,
    good: &[Oid],
    paths: &[String],
    skipped: &[Oid],
) -> Outcome<Halves> {
    let wanted = walk::Wanted {
        starts: vec![bad],
        excluded: good.to_vec(),
        paths: Pathspec::new(place, paths)?,
        rewrite: true,
        ..walk::Wanted::default()
    };
    let mut steps = vec![];
    walk::walk(place, &wanted, &mut |step| {
        steps.push((step.id, step.parents.clone()));
        Ok(true)
    })?;
    steps.reverse();
    let n_all = steps.len();
    let known: HashSet<Oid> = steps.iter().map(|(id, _)| *id).collect();
    let parents: HashMap<Oid, Vec<Oid>> = steps
        .iter()
        .map(|(id, parents)| {
            (*id, parents.iter().copied().filter(|it| known.contains(it)).collect())
        })
        .collect();
    let ids: Vec<Oid> = steps.iter().map(|(id, _)| *id).collect();
    let (weights, early) = weigh(&ids, &parents, skipped.is_empty());
    let distance = |id: &Oid| weights.get(id).map_or(0, |w| (*w).min(n_all - w));
    let mut halves = Halves { n_all, ..Halves::default() };
    let mut best = early;
    if skipped.is_empty() {
        if best.is_none() {
            for id in &ids {
                if best.is_none_or(|it| distance(id) > distance(&it)) {
                    best = Some(*id);
                }
            }
        }
        halves.chosen = best;
    } else {
        let mut sorted = ids;
        sorted.sort_by(|a, b| distance(b).cmp(&distance(a)).then(a.as_bytes().cmp(b.as_bytes())));
        (halves.chosen, halves.tried) = beside_skipped(&sorted, skipped, bad);
        best = sorted.first().copied();
    }
    halves.n_reached = best.and_then(|id| weights.get(&id).copied()).unwrap_or(0);
    Ok(halves)
}

/// How many commits each reaches, itself among them; with `stops`, the first that is found to be half-way.
fn weigh(
    ids: &[Oid],
    parents: &HashMap<Oid, Vec<Oid>>,
    stops: bool,
) -> (HashMap<Oid, usize>, Option<Oid>) {
    let n_all = ids.len();
    let is_half = |weight: usize| {
        let difference = (2 * weight).abs_diff(n_all);
        difference <= 1 || difference < n_all / 1024
    };
    let mut weights: HashMap<Oid, usize> = HashMap::new();
    for id in ids.iter().filter(|id| parents[id].is_empty()) {
        weights.insert(*id, 1);
    }
    for id in ids.iter().filter(|id| parents[id].len() > 1) {
        let weight = reached(*id, parents);
        weights.insert(*id, weight);
        if stops && is_half(weight) {
            return (weights, Some(*id));
        }
    }
    while weights.len() < n_all {
        let before = weights.len();
        for id in ids {
            if weights.contains_key(id) {
                continue;
            }
            let Some(weight) = parents[id].iter().find_map(|it| weights.get(it)) else { continue };
            let weight = weight + 1;
            weights.insert(*id, weight);
            if stops && is_half(weight) {
                return (weights, Some(*id));
            }
        }
        if weights.len() == before {
            break;
        }
    }
    (weights, None)
}

fn reached(id: Oid, parents: &HashMap<Oid, Vec<Oid>>) -> usize {
    let (mut seen, mut due) = (HashSet::from([id]), vec![id]);
    while let Some(id) = due.pop() {
        for parent in parents.get(&id).into_iter().flatten() {
            if seen.insert(*parent) {
                due.push(*parent);
            }
        }
    }
    seen.len()
}

/// The best one that is not skipped; where the best is, one further away, by git's own dice.
fn beside_skipped(sorted: &[Oid], skipped: &[Oid], bad: Oid) -> (Option<Oid>, Vec<Oid>) {
    const MODULO: u32 = 32768;
    let is_skipped = |id: &Oid| skipped.contains(id);
    if sorted.first().is_some_and(|first| !is_skipped(first)) {
        return (sorted.first().copied(), vec![]);
    }
    let tried: Vec<Oid> = sorted.iter().copied().filter(is_skipped).collect();
    let left: Vec<Oid> = sorted.iter().copied().filter(|id| !is_skipped(id)).collect();
    let count = left.len() as u32;
    let dice = (count.wrapping_mul(1_103_515_245).wrapping_add(12345) / 65536) % MODULO;
    let root = |n: u32| n.isqrt();
    let index = (count.wrapping_mul(dice) / MODULO).wrapping_mul(root(dice)) / root(MODULO);
    let chosen = match left.get(index as usize) {
        Some(id) if *id != bad => Some(*id),
        Some(_) if index > 0 => left.get(index as usize - 1).copied(),
        _ => left.first().copied(),
    };
    (chosen, tried)
}
