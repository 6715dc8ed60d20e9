//! The funnel: how many pieces of work of a role went through which gate.
//!
//! What is counted are pieces of work and not attempts, so that a role that tries three times does not
//! look three times as good or as bad; attempts are counted beside them.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use super::{Attempt, Fate, Totals};
use crate::verify::gate::Gate;

/// What became of the work of one role.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// `tasks`, or the name of a variant.
    pub kind: String,
    /// The role.
    pub role: String,
    /// Pieces of work: tasks, or items of the variant.
    pub n_items: usize,
    /// Those of which an attempt was accepted.
    pub n_accepted: usize,
    /// Those of which the first attempt was.
    pub n_accepted_at_once: usize,
    /// The gates, in their order, and how many pieces of work came through each and all before it.
    pub passages: Vec<Passage>,
    /// Why attempts were refused: kinds of reasons, and how many attempts each refused.
    pub reasons: BTreeMap<String, usize>,
    /// What the attempts cost.
    pub totals: Totals,
}

/// A gate, and what came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Passage {
    /// The gate.
    pub gate: Gate,
    /// Pieces of work with an attempt that passed this gate and all before it.
    pub n_items: usize,
}

/// Returns the stages of attempts, in the order in which they first come.
pub(super) fn of(attempts: &[Attempt]) -> Vec<Stage> {
    let mut groups: Vec<((&str, &str), Vec<&Attempt>)> = vec![];
    for attempt in attempts {
        let key = (attempt.kind.as_str(), attempt.role.as_str());
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(attempt),
            None => groups.push((key, vec![attempt])),
        }
    }
    // Tests are written before what they test, and tasks come before what is made of them.
    groups.sort_by_key(|((kind, role), _)| (*kind != "tasks", *kind, rank(role)));
    groups.into_iter().map(|((kind, role), group)| stage(kind, role, &group)).collect()
}

/// Returns which of the roles of one kind of work comes first.
pub(super) fn rank(role: &str) -> usize {
    let order = ["test_writer", "bug_injector"];
    order.iter().position(|first| *first == role).unwrap_or(order.len())
}

fn stage(kind: &str, role: &str, attempts: &[&Attempt]) -> Stage {
    let items = |is_wanted: &dyn Fn(&Attempt) -> bool| -> usize {
        let wanted = attempts.iter().filter(|attempt| is_wanted(attempt));
        wanted.map(|attempt| attempt.item.as_str()).collect::<BTreeSet<_>>().len()
    };
    let gates: BTreeSet<Gate> =
        attempts.iter().flat_map(|attempt| &attempt.gates).map(|verdict| verdict.gate).collect();
    let passages = gates
        .into_iter()
        .map(|gate| Passage { gate, n_items: items(&|attempt| passes(attempt, gate)) });
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut totals = Totals::default();
    for attempt in attempts {
        let kinds: BTreeSet<String> = attempt.reasons().map(super::Reason::name).collect();
        for kind in kinds {
            *reasons.entry(kind).or_default() += 1;
        }
        totals.add(&attempt.totals);
    }
    let is_accepted = |attempt: &Attempt| attempt.fate == Fate::Accepted;
    Stage {
        kind: kind.to_owned(),
        role: role.to_owned(),
        n_items: items(&|_| true),
        n_accepted: items(&is_accepted),
        n_accepted_at_once: items(&|attempt| is_accepted(attempt) && attempt.number == 1),
        passages: passages.collect(),
        reasons,
        totals,
    }
}

/// Tells whether an attempt passed a gate and all before it; one that it did not come to, it did not pass,
/// unless it was accepted without.
fn passes(attempt: &Attempt, gate: Gate) -> bool {
    let refused = attempt.gates.iter().any(|verdict| !verdict.passed && verdict.gate <= gate);
    let came_to = attempt.gates.iter().any(|verdict| verdict.gate >= gate);
    !refused && (came_to || attempt.fate == Fate::Accepted)
}
