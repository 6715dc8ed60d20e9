//! What a verification leaves.

use playpen_runtime::Tree;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Observation, Seen, Suspicion, Verifier,
    frozen::FrozenTests,
    gate::{Fault, Gate, Reason, Verdict},
    overlay::without_history,
};
use crate::{
    agent::{report::TestOutcome, role::is_of_tests},
    record::FORMAT_VERSION,
};

/// What was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Tests that failed pass now.
    Solution,
    /// New tests fail now, and for the right reason.
    Suite,
    /// Tests that passed fail now.
    Bug,
}

/// What came of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The claim holds.
    Accept,
    /// It does not.
    Reject,
    /// It could not be found out, and not because of what is claimed: it may be tried again.
    Undecided,
}

/// A verification as a record. No clock is in it: the same claim gives the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// The version of the layout of records.
    pub format_version: u32,
    /// What was claimed.
    pub kind: Kind,
    /// What came of it.
    pub decision: Decision,
    /// The gates, up to the first that refuses.
    pub gates: Vec<Verdict>,
    /// How each test came out in all repeats.
    pub outcomes: BTreeMap<String, Seen>,
    /// Tests that came out otherwise in another repeat.
    pub flaky: BTreeMap<String, Vec<Option<TestOutcome>>>,
    /// The tests that the claim is about, fixed from here on.
    pub frozen: FrozenTests,
    /// Tests that fail before and pass after; for a bug, after and before.
    pub fail_to_pass: BTreeSet<String>,
    /// Tests that pass before and after.
    pub pass_to_pass: BTreeSet<String>,
    /// Tests whose contradiction was tried.
    pub n_contradicted: usize,
    /// Changes that were left out because the role does not allow them.
    pub dropped: BTreeSet<String>,
    /// What called for runs that look for tampering.
    pub suspicions: Vec<Suspicion>,
    /// What called for more repeats: time, chance, and what is kept between calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsteady: Vec<Suspicion>,
    /// Tests that ran once more in a process of their own, or of few.
    #[serde(default)]
    pub n_alone: usize,
    /// What was verified, and on what.
    pub digests: Digests,
    /// Repeats of each run.
    pub n_repeats: u32,
}

/// BLAKE3 in hexadecimal, of trees without `.git/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// What the agent was given.
    pub base: String,
    /// What was run, tests included.
    pub candidate: String,
    /// The tests and the test configuration in it.
    pub tests: String,
    /// The image.
    pub image: String,
}

/// What a clock said about a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// When each step came to its end, in microseconds since the start.
    pub done_at_us: Vec<(String, u64)>,
}

/// A verification with what goes on from it.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The record.
    pub record: Verification,
    /// The base with the changes that the role allows, and its `.git/`.
    pub tree: Tree,
    /// How long it took.
    pub timing: Timing,
}

impl Verified {
    /// Returns whether the claim holds.
    pub fn accepted(&self) -> bool {
        self.record.accepted()
    }
}

impl Verification {
    /// Returns whether the claim holds.
    pub fn accepted(&self) -> bool {
        self.decision == Decision::Accept
    }

    /// Returns why it does not.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.gates.iter().flat_map(|gate| &gate.reasons)
    }

    /// Adds what a gate said. Returns whether it let the claim through.
    pub(super) fn gate(&mut self, gate: Gate, reasons: Vec<Reason>) -> bool {
        let verdict = Verdict::new(gate, reasons);
        let passed = verdict.passed;
        self.gates.push(verdict);
        passed
    }

    /// Adds a verdict. Returns whether it let the claim through.
    pub(super) fn add(&mut self, verdict: Verdict) -> bool {
        self.gate(verdict.gate, verdict.reasons)
    }

    /// Keeps how the tests came out.
    pub(super) fn see(&mut self, observation: &Observation) {
        self.outcomes = observation.outcomes();
        self.flaky.clone_from(&observation.flaky);
    }

    /// Decides by the gates.
    pub(super) fn decide(&mut self) {
        let is_infra =
            |reason: &Reason| matches!(reason, Reason::Limit { fault: Fault::Infra, .. });
        self.decision = if self.gates.iter().all(|gate| gate.passed) {
            Decision::Accept
        } else if self.reasons().any(is_infra) {
            Decision::Undecided
        } else {
            Decision::Reject
        };
    }
}

impl Verifier {
    /// Begins a record.
    pub(super) fn begin(&self, kind: Kind, base: &Tree, candidate: &Tree) -> Verification {
        Verification {
            format_version: FORMAT_VERSION,
            kind,
            decision: Decision::Undecided,
            gates: vec![],
            outcomes: BTreeMap::new(),
            flaky: BTreeMap::new(),
            frozen: FrozenTests::default(),
            fail_to_pass: BTreeSet::new(),
            pass_to_pass: BTreeSet::new(),
            n_contradicted: 0,
            dropped: BTreeSet::new(),
            suspicions: vec![],
            unsteady: vec![],
            n_alone: 0,
            digests: Digests {
                base: without_history(base).digest().to_hex().to_string(),
                candidate: candidate.digest().to_hex().to_string(),
                tests: tests_digest(candidate),
                image: self.image_digest(),
            },
            n_repeats: self.settings.n_repeats,
        }
    }
}

/// Returns the digest of the tests and the test configuration in `tree`.
fn tests_digest(tree: &Tree) -> String {
    let mut hasher = blake3::Hasher::new();
    for entry in tree.walk().into_iter().filter(|entry| is_of_tests(&entry.path)) {
        if let Ok(data) = tree.read(&entry.path) {
            hasher.update(&(entry.path.len() as u64).to_le_bytes());
            hasher.update(entry.path.as_bytes());
            hasher.update(blake3::hash(&data).as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}
