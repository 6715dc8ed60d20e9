//! Repeats of one run, and what they agree on.

use playpen_runtime::{LimitKind, Tree};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::Duration,
};
use tokio::task::JoinSet;

use super::{
    Verifier,
    canary::Canary,
    check::{CheckError, CheckLimits, Checker, Manner, Mode, Order, Selection},
    gate::{Reason, Run},
};
use crate::agent::{
    namespace::Perturbation,
    report::{CollectError, TestOutcome, TestResult},
};

/// How far after the usual start the clock of a repeat may start, in microseconds: some four years, so that
/// weekdays, leap days and fractions of seconds differ.
const MAX_AHEAD_US: u64 = 4 * 365 * 24 * 3_600 * 1_000_000;

/// How a test came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How.
    pub outcome: TestOutcome,
    /// The type of the exception, such as `AssertionError`; empty if there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub exception: String,
    /// The first line of what went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What repeats of a run agree on.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The first of the runs, without its controls.
    pub run: Run,
    /// Tests that came out otherwise in another repeat, with their outcomes.
    pub flaky: BTreeMap<String, Vec<Option<TestOutcome>>>,
    /// What is wrong with a run as a whole, whatever the tests did; if there is something, nothing
    /// else here can be believed.
    pub flaws: Vec<Reason>,
}

impl Observation {
    /// Returns how each test came out, the flaky ones left out.
    pub fn outcomes(&self) -> BTreeMap<String, Seen> {
        let stable = self.run.report.results.iter().filter(|r| !self.flaky.contains_key(&r.id));
        stable.map(|result| (result.id.clone(), Seen::from(result))).collect()
    }

    /// Returns the tests that pass in each repeat.
    pub fn passing(&self) -> BTreeSet<String> {
        self.with_outcome(|outcome| outcome == TestOutcome::Passed)
    }

    /// Returns the tests that fail, or whose set-up does, in each repeat.
    pub fn failing(&self) -> BTreeSet<String> {
        self.with_outcome(|outcome| matches!(outcome, TestOutcome::Failed | TestOutcome::Error))
    }

    /// Returns what could not be collected.
    pub fn collect_errors(&self) -> &[CollectError] {
        &self.run.report.collect_errors
    }

    fn with_outcome(&self, is_wanted: impl Fn(TestOutcome) -> bool) -> BTreeSet<String> {
        let outcomes = self.outcomes().into_iter();
        outcomes.filter(|(_, seen)| is_wanted(seen.outcome)).map(|(id, _)| id).collect()
    }
}

impl From<&TestResult> for Seen {
    fn from(result: &TestResult) -> Seen {
        let first_line = result.message.trim().lines().next().unwrap_or_default();
        Seen {
            outcome: result.outcome,
            exception: result.exception.clone(),
            message: first_line.to_owned(),
        }
    }
}

/// One repeat: the run without its controls, and what they say of it.
#[derive(Clone, Debug)]
pub(super) struct Repeat {
    pub(super) run: Run,
    pub(super) unbelievable: Option<Reason>,
}

impl Verifier {
    /// Runs tests of `tree` as often as the settings say, each time in another manner and in a fresh
    /// sandbox.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn observe(&self, tree: &Tree, what: &Selection) -> Result<Observation, CheckError> {
        let repeats = self.repeats(tree, what, 0..self.settings.n_repeats.max(1), false).await?;
        Ok(fold(repeats))
    }

    /// Makes the repeats with the numbers in `which`.
    pub(super) async fn repeats(
        &self,
        tree: &Tree,
        what: &Selection,
        which: Range<u32>,
        is_disguised: bool,
    ) -> Result<Vec<Repeat>, CheckError> {
        let mut left = which;
        let mut running = JoinSet::new();
        let mut done = BTreeMap::new();
        loop {
            while running.len() < self.settings.n_jobs.max(1)
                && let Some(number) = left.next()
            {
                let (verifier, tree, what) = (self.clone(), tree.clone(), what.clone());
                running.spawn(async move {
                    (number, verifier.repeat(&tree, &what, number, is_disguised).await)
                });
            }
            match running.join_next().await {
                None => return Ok(done.into_values().collect()),
                Some(Ok((number, repeat))) => {
                    done.insert(number, repeat?);
                }
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }

    /// Makes one repeat. If time runs out, which may be the machine's fault, it is tried once more.
    pub(super) async fn repeat(
        &self,
        tree: &Tree,
        what: &Selection,
        number: u32,
        is_disguised: bool,
    ) -> Result<Repeat, CheckError> {
        let canary = Canary::add(tree, &self.word(&format!("control {number}"), tree));
        let what = what.with(&canary.path);
        let manner = self.manner(tree, number, is_disguised);
        let mut checker = self.checker();
        let mut run = checker.run(&canary.tree, Mode::Test, &what, manner).await?;
        if run.limit == Some(LimitKind::Wall) {
            let CheckLimits { cpu, wall } = checker.limits;
            checker = Checker { limits: CheckLimits { cpu, wall: wall * 2 }, ..checker };
            run = checker.run(&canary.tree, Mode::Test, &what, manner).await?;
        }
        let unbelievable = canary.take(&mut run);
        Ok(Repeat { run, unbelievable })
    }

    /// Returns in which manner a repeat runs; the first is as plain as can be.
    fn manner(&self, tree: &Tree, number: u32, is_disguised: bool) -> Manner {
        let drawn = self.draw(&format!("manner {number}"), tree);
        let seed = u32::try_from(drawn >> 32).expect("32 bits are left");
        let order = match number {
            0 => Order::Written,
            1 => Order::Reversed,
            _ => Order::Shuffled(seed),
        };
        let perturbation = match number {
            0 => Perturbation::default(),
            _ => Perturbation {
                random_seed: drawn,
                hash_seed: seed,
                clock_ahead: Duration::from_micros(drawn % MAX_AHEAD_US),
            },
        };
        Manner { order, perturbation, is_disguised }
    }
}

/// Says what repeats agree on.
pub(super) fn fold(repeats: Vec<Repeat>) -> Observation {
    let mut flaws: Vec<Reason> = vec![];
    for repeat in &repeats {
        let found = repeat.run.flaws(&[0, 1, 2]).into_iter().chain(repeat.unbelievable.clone());
        for flaw in found {
            if !flaws.contains(&flaw) {
                flaws.push(flaw);
            }
        }
    }
    let flaky = if flaws.is_empty() { differing(&repeats) } else { BTreeMap::new() };
    let run = repeats.into_iter().next().expect("at least one repeat was made").run;
    Observation { run, flaky, flaws }
}

/// Returns the tests whose outcome is not the same in all repeats.
fn differing(repeats: &[Repeat]) -> BTreeMap<String, Vec<Option<TestOutcome>>> {
    let by_id: Vec<_> = repeats.iter().map(|repeat| repeat.run.report.by_id().0).collect();
    let ids: BTreeSet<&str> = by_id.iter().flat_map(|results| results.keys().copied()).collect();
    let outcomes = |id: &str| -> Vec<Option<TestOutcome>> {
        by_id.iter().map(|results| results.get(id).map(|result| result.outcome)).collect()
    };
    let all = ids.into_iter().map(|id| (id.to_owned(), outcomes(id)));
    all.filter(|(_, outcomes)| outcomes.windows(2).any(|pair| pair[0] != pair[1])).collect()
}
