//! Repeats of one run, and what they agree on.

use bytes::Bytes;
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
    subject::Subject,
};
use crate::agent::{
    namespace::{Perturbation, has_other_hashes},
    report::{CollectError, TestOutcome, TestResult},
};

/// Seconds of a day, and of a minute.
const DAY_S: u64 = 24 * 3_600;
const MINUTE_S: u64 = 60;

/// Days from the start of one repeat to that of the next: another weekday each time for seven repeats, and
/// another season.
const DAYS_APART: u64 = 7 * 30 + 3;

/// Hours of the day from one repeat to the next.
const HOURS_APART: u64 = 5;

/// Repeats on top of the usual ones where something may come out otherwise the next time: with three usual
/// ones, every weekday comes.
const N_MORE: u32 = 7;

/// Processes for tests that are run by themselves. Where there are more tests, several share one: answers a
/// claim about thousands of tests.
const MAX_ALONE: usize = 32;

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

    /// Takes in another run: of `ids`, or of all tests. What came out otherwise is flaky.
    fn compare(&mut self, other: &Repeat, ids: Option<&BTreeSet<String>>) {
        for flaw in other.flaws() {
            if !self.flaws.contains(&flaw) {
                self.flaws.push(flaw);
            }
        }
        let ((was, _), (now, _)) = (self.run.report.by_id(), other.run.report.by_id());
        let all = || was.keys().chain(now.keys()).map(|id| (*id).to_owned()).collect();
        let ids = ids.map_or_else(all, BTreeSet::clone);
        for id in ids {
            let [was, now] = [&was, &now].map(|of| of.get(id.as_str()).map(|test| test.outcome));
            if was != now {
                self.flaky.entry(id).or_insert_with(|| vec![was]).push(now);
            }
        }
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

impl Repeat {
    /// Returns what is wrong with the run as a whole.
    fn flaws(&self) -> impl Iterator<Item = Reason> {
        self.run.flaws(&[0, 1, 2]).into_iter().chain(self.unbelievable.clone())
    }
}

/// One run among others of the same tests.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    /// Its number: what is drawn for the run depends on it.
    pub(super) number: u32,
    /// Whether it is hidden that pytest runs the tests.
    pub(super) is_disguised: bool,
    /// Whether assertions stay as they are written.
    pub(super) has_plain_asserts: bool,
    /// The tests that are run, if not all of the selection.
    pub(super) only: Option<BTreeSet<String>>,
    /// Test files that are compiled already.
    pub(super) codes: Bytes,
    /// Source files that show another text than they run.
    pub(super) veiled: BTreeSet<String>,
}

impl Turn {
    /// Returns the turn with this number, plain otherwise.
    pub(super) fn number(number: u32) -> Turn {
        Turn { number, ..Turn::default() }
    }
}

impl Verifier {
    /// Runs tests of `tree` as often as the settings say, each time in another manner and in a fresh
    /// sandbox.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn observe(&self, tree: &Tree, what: &Selection) -> Result<Observation, CheckError> {
        self.observe_subject(&Subject::new(tree, what)).await
    }

    /// Observes a subject, of which more is asked afterwards.
    pub(super) async fn observe_subject(
        &self,
        subject: &Subject,
    ) -> Result<Observation, CheckError> {
        Ok(fold(self.repeats(subject, 0..self.n_repeats()).await?))
    }

    /// Observes the tests, runs them more often, and each by itself: what an observation misses because
    /// tests are alike in all orders or at most times is flaky here.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn observe_closely(
        &self,
        tree: &Tree,
        what: &Selection,
    ) -> Result<Observation, CheckError> {
        let subject = Subject::new(tree, what);
        let mut seen = self.observe_subject(&subject).await?;
        let ids = seen.outcomes().into_keys().collect();
        self.more(&subject, &mut seen).await?;
        self.alone(&subject, &ids, &mut seen).await?;
        Ok(seen)
    }

    /// Returns the number of repeats.
    pub(super) fn n_repeats(&self) -> u32 {
        self.settings.n_repeats.max(1)
    }

    /// Makes the repeats with the numbers in `which`.
    pub(super) async fn repeats(
        &self,
        subject: &Subject,
        which: Range<u32>,
    ) -> Result<Vec<Repeat>, CheckError> {
        let turns = which.map(|number| (subject.what.clone(), Turn::number(number)));
        self.side_by_side(subject, turns.collect()).await
    }

    /// Makes further repeats, at other times and with other seeds. What differs is flaky.
    pub(super) async fn more(
        &self,
        subject: &Subject,
        seen: &mut Observation,
    ) -> Result<(), CheckError> {
        if seen.flaws.is_empty() {
            let first = self.n_repeats();
            for repeat in self.repeats(subject, first..first + N_MORE).await? {
                seen.compare(&repeat, None);
            }
        }
        Ok(())
    }

    /// Runs each of `ids` once more in a process and a sandbox of its own, where no other test was before
    /// it. What differs is flaky. Of very many tests, some share a process.
    pub(super) async fn alone(
        &self,
        subject: &Subject,
        ids: &BTreeSet<String>,
        seen: &mut Observation,
    ) -> Result<(), CheckError> {
        if !seen.flaws.is_empty() || ids.is_empty() {
            return Ok(());
        }
        let mut groups = vec![BTreeSet::new(); ids.len().min(MAX_ALONE)];
        for (idx, id) in ids.iter().enumerate() {
            let group_idx = idx % groups.len();
            groups[group_idx].insert(id.clone());
        }
        let turns = (self.n_repeats()..).zip(&groups).map(|(number, group)| {
            let files = group.iter().filter_map(|id| id.split("::").next()).map(str::to_owned);
            let only = Some(group.clone());
            (Selection::Paths(files.collect()), Turn { number, only, ..Turn::default() })
        });
        let runs = self.side_by_side(subject, turns.collect()).await?;
        for (group, run) in groups.iter().zip(&runs) {
            seen.compare(run, Some(group));
        }
        Ok(())
    }

    /// Makes runs, some of them at once, and returns them in their order.
    async fn side_by_side(
        &self,
        subject: &Subject,
        turns: Vec<(Selection, Turn)>,
    ) -> Result<Vec<Repeat>, CheckError> {
        let mut left = turns.into_iter().enumerate();
        let mut running = JoinSet::new();
        let mut done = BTreeMap::new();
        loop {
            while running.len() < self.settings.n_jobs.max(1)
                && let Some((idx, (what, turn))) = left.next()
            {
                let (verifier, subject) = (self.clone(), subject.clone());
                running.spawn(async move { (idx, verifier.turn(&subject, &what, turn).await) });
            }
            match running.join_next().await {
                None => return Ok(done.into_values().collect()),
                Some(Ok((idx, repeat))) => {
                    done.insert(idx, repeat?);
                }
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
            }
        }
    }

    /// Makes one run of a subject. All but the plainest take the compiled test files.
    async fn turn(
        &self,
        subject: &Subject,
        what: &Selection,
        mut turn: Turn,
    ) -> Result<Repeat, CheckError> {
        if turn.number > 0 {
            turn.codes = subject.codes(self).await?;
        }
        self.repeat(&subject.tree, what, &turn).await
    }

    /// Makes one run. If time runs out, which may be the machine's fault, it is tried once more.
    pub(super) async fn repeat(
        &self,
        tree: &Tree,
        what: &Selection,
        turn: &Turn,
    ) -> Result<Repeat, CheckError> {
        let canary = Canary::add(tree, &self.word(&format!("control {}", turn.number), tree));
        let what = what.with(&canary.path);
        let manner = Manner { controls: Some(canary.path.clone()), ..self.manner(tree, turn) };
        let mut checker = self.checker();
        let mut run = checker.run(&canary.tree, Mode::Test, &what, &manner).await?;
        if run.limit == Some(LimitKind::Wall) {
            let CheckLimits { cpu, wall } = checker.limits;
            checker = Checker { limits: CheckLimits { cpu, wall: wall * 2 }, ..checker };
            run = checker.run(&canary.tree, Mode::Test, &what, &manner).await?;
        }
        let unbelievable = canary.take(&mut run);
        Ok(Repeat { run, unbelievable })
    }

    /// Returns in which manner a turn runs; the first is as plain as can be.
    fn manner(&self, tree: &Tree, turn: &Turn) -> Manner {
        let number = turn.number;
        let drawn = self.draw(&format!("manner {number}"), tree);
        let order = match number {
            0 => Order::Written,
            1 => Order::Reversed,
            _ => Order::Shuffled(u32::try_from(drawn >> 32).expect("32 bits are left")),
        };
        let perturbation = match number {
            0 => Perturbation::default(),
            _ => Perturbation {
                random_seed: drawn,
                has_other_hashes: number % 2 == 1 && has_other_hashes(&self.ctx),
                clock_ahead: clock_ahead(number, drawn),
            },
        };
        let Turn { is_disguised, has_plain_asserts, only, codes, veiled, number: _ } = turn.clone();
        Manner {
            order,
            perturbation,
            is_disguised,
            has_plain_asserts,
            only,
            veiled,
            codes,
            controls: None,
        }
    }
}

/// Returns how long after the usual start the clock of a repeat starts: weekday, month and hour are others than in
/// the repeats before, for as long as there are others; the rest is drawn.
fn clock_ahead(number: u32, drawn: u64) -> Duration {
    let number = u64::from(number);
    let days = number * DAYS_APART;
    let hours = number * HOURS_APART % 24;
    let (minutes, seconds) = (drawn % 60, (drawn >> 8) % 30 * 2 + number % 2);
    let micros = (drawn >> 16) % 1_000_000;
    Duration::from_secs(days * DAY_S + (hours * 60 + minutes) * MINUTE_S + seconds)
        + Duration::from_micros(micros)
}

/// Says what repeats agree on.
pub(super) fn fold(repeats: Vec<Repeat>) -> Observation {
    let mut flaws: Vec<Reason> = vec![];
    for repeat in &repeats {
        for flaw in repeat.flaws() {
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
