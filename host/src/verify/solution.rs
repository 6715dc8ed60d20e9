//! Solutions: implementations, repairs, libraries from scratch.

use playpen_runtime::Tree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::{
    Stopwatch, Verifier,
    check::{CheckError, Selection},
    frozen::{FrozenTests, is_of_function},
    gate::{self, Gate, Reason, Run, Where},
    merge::merge,
    observe::{Observation, Repeat, Turn, fold},
    overlay::with_tests_of,
    record::{Kind, Verification, Verified},
    scripts::{Rewriting, Rewritten, Suspicion},
    subject::Subject,
};
use crate::agent::{report::TestOutcome, role::WritePolicy};

/// Contradictions that are tried where something is suspicious: of up to three expectations of each test, both sides.
const MAX_ROUNDS: u64 = 6;

/// What a solution should bring about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Tests that should pass now.
    pub fail_to_pass: FrozenTests,
    /// Tests that should go on passing.
    pub pass_to_pass: BTreeSet<String>,
    /// Tests that should go on failing.
    pub must_fail: BTreeSet<String>,
}

/// The claim that tests which failed pass now.
#[derive(Clone, Copy, Debug)]
pub struct Solution<'a> {
    /// What the agent was given.
    pub base: &'a Tree,
    /// All that it left.
    pub result: &'a Tree,
    /// What of it may be handed in.
    pub policy: &'a WritePolicy,
    /// Where the tests and what configures them come from.
    pub pristine: &'a Tree,
    /// What should come of it.
    pub wanted: &'a Wanted,
}

/// What is run before it is known whether the source is suspicious.
#[derive(Debug)]
struct First {
    repeats: Vec<Repeat>,
    twin: Rewritten,
}

impl Verifier {
    /// Judges a solution.
    ///
    /// # Errors
    ///
    /// Fails if the host does. What is wrong with the solution is in the record.
    pub async fn solution(&self, claim: &Solution<'_>) -> Result<Verified, CheckError> {
        let mut watch = Stopwatch::start();
        let merged = merge(claim.base, claim.result, claim.policy);
        let files = claim.wanted.files();
        let candidate = with_tests_of(&merged.tree, claim.pristine, &files);
        let mut record = self.begin(Kind::Solution, claim.base, &candidate);
        record.dropped.clone_from(&merged.dropped);
        record.frozen.clone_from(&claim.wanted.fail_to_pass);
        let handed_in = if merged.is_empty() { vec![Reason::NothingHandedIn] } else { vec![] };
        if record.gate(Gate::HandedIn, handed_in) {
            // What is found in the source decides before what the runs say; it costs less to begin with both.
            let subject = Subject::new(&candidate, &claim.wanted.selection(&candidate));
            let (scanned, first) = tokio::join!(
                self.scan(claim.base, &candidate, &merged.written, false),
                Box::pin(self.begin_runs(&subject, claim.wanted))
            );
            let (scanned, first) = (scanned?, first?);
            watch.lap("scan and first repeats");
            record.suspicions = scanned.suspicions;
            record.unsteady = scanned.unsteady;
            if record.gate(Gate::Tampering, scanned.evidence) {
                Box::pin(self.judge(&mut record, &subject, claim.wanted, first, &mut watch))
                    .await?;
            }
        }
        record.decide();
        Ok(Verified { record, tree: merged.tree, timing: watch.stop() })
    }

    /// Makes the first runs, and contradicts the tests.
    ///
    /// Two repeats tell flaky tests from wrong ones; what both refuse needs no third.
    async fn begin_runs(&self, subject: &Subject, wanted: &Wanted) -> Result<First, CheckError> {
        let candidate = &subject.tree;
        let number = self.draw("contradiction", candidate) >> 1;
        let own = wanted.fail_to_pass.all();
        let (repeats, twin) = tokio::join!(
            self.repeats(subject, 0..self.n_repeats().min(2)),
            self.rewrite(candidate, &own, Rewriting::Contradicted, number)
        );
        Ok(First { repeats: repeats?, twin: twin? })
    }

    /// Runs the tests, and judges what comes of it.
    async fn judge(
        &self,
        record: &mut Verification,
        subject: &Subject,
        wanted: &Wanted,
        first: First,
        watch: &mut Stopwatch,
    ) -> Result<(), CheckError> {
        let candidate = &subject.tree;
        let First { mut repeats, twin } = first;
        let n_first = self.n_repeats().min(2);
        let early = fold(repeats.clone());
        if early.flaky.is_empty() && gates_of(&early, wanted).iter().any(|gate| !gate.passed) {
            close(record, &early, wanted);
            return Ok(());
        }
        let passing = early.passing();
        let (rest, contradicted) = tokio::join!(
            self.repeats(subject, n_first..self.n_repeats()),
            self.contradict(candidate, &passing, wanted, twin, &record.suspicions)
        );
        repeats.extend(rest?);
        let (contradicted, n_contradicted) = contradicted?;
        let mut seen = fold(repeats);
        watch.lap("further repeats and contradictions");
        if !record.unsteady.is_empty() && gates_of(&seen, wanted).iter().all(|gate| gate.passed) {
            let ids: BTreeSet<String> =
                seen.passing().into_iter().filter(|id| wanted.is_claimed(id)).collect();
            record.n_alone = ids.len();
            self.more(subject, &mut seen).await?;
            self.alone(subject, &ids, &mut seen).await?;
            watch.lap("more repeats, and tests alone");
        }
        if !close(record, &seen, wanted) {
            return Ok(());
        }
        record.n_contradicted = n_contradicted;
        if record.gate(Gate::Contradiction, contradicted) && !record.suspicions.is_empty() {
            let needy = self.disguise(candidate, &subject.what, &passing).await?;
            watch.lap("disguise");
            record.gate(Gate::Disguise, needy);
        }
        Ok(())
    }

    /// Runs the tests that pass with contradicted expectations. Returns those that pass still, and how
    /// many were tried.
    async fn contradict(
        &self,
        candidate: &Tree,
        passing: &BTreeSet<String>,
        wanted: &Wanted,
        first: Rewritten,
        suspicions: &[Suspicion],
    ) -> Result<(Vec<Reason>, usize), CheckError> {
        let own: BTreeSet<String> =
            passing.iter().filter(|id| wanted.fail_to_pass.is_frozen(id)).cloned().collect();
        let (mut reasons, n_tried) = self.contradict_once(&own, &first).await?;
        if suspicions.is_empty() || n_tried == 0 {
            return Ok((reasons, n_tried));
        }
        for round in 0..MAX_ROUNDS {
            if !reasons.is_empty() {
                break;
            }
            let twin = self.rewrite(candidate, &own, Rewriting::Contradicted, round).await?;
            reasons = self.contradict_once(&own, &twin).await?.0;
        }
        Ok((reasons, n_tried))
    }

    /// Runs contradicted tests. Returns those that pass still, and how many were tried.
    async fn contradict_once(
        &self,
        own: &BTreeSet<String>,
        twin: &Rewritten,
    ) -> Result<(Vec<Reason>, usize), CheckError> {
        let is_tried =
            |id: &&String| twin.functions.iter().any(|function| is_of_function(id, function));
        let tried: BTreeSet<&String> = own.iter().filter(is_tried).collect();
        if tried.is_empty() {
            return Ok((vec![], 0));
        }
        let files = tried.iter().filter_map(|id| id.split("::").next()).map(str::to_owned);
        // Only whether they pass counts, not what an assertion says.
        let turn = Turn { has_plain_asserts: true, ..Turn::default() };
        let run = self.once(&twin.tree, &Selection::Paths(files.collect()), &turn).await?;
        Ok((still_passing(&run, &tried), tried.len()))
    }

    /// Runs the tests spelled otherwise, where the code cannot see that pytest runs them.
    async fn disguise(
        &self,
        candidate: &Tree,
        what: &Selection,
        passing: &BTreeSet<String>,
    ) -> Result<Vec<Reason>, CheckError> {
        let spelled = self.rewrite(candidate, passing, Rewriting::Respelled, 0).await?;
        let turn = Turn { is_disguised: true, ..Turn::default() };
        let run = self.once(&spelled.tree, what, &turn).await?;
        let (results, _) = run.report.by_id();
        if run.stopped.is_some() || results.is_empty() {
            return Ok(run.flaws(&[0, 1]));
        }
        let passes =
            |id: &str| results.get(id).is_some_and(|result| result.outcome == TestOutcome::Passed);
        let needy = passing.iter().filter(|id| !passes(id));
        Ok(needy.map(|id| Reason::NeedsTestRun { id: id.clone() }).collect())
    }

    /// Makes one run with controls. A run that they do not vouch for counts as incomplete.
    pub(super) async fn once(
        &self,
        tree: &Tree,
        what: &Selection,
        turn: &Turn,
    ) -> Result<Run, CheckError> {
        let repeat = self.repeat(tree, what, turn).await?;
        let mut run = repeat.run;
        if let Some(reason) = repeat.unbelievable {
            run.stopped.get_or_insert(reason.to_string());
        }
        Ok(run)
    }
}

impl Wanted {
    /// Returns the files of the tests that are wanted.
    fn files(&self) -> BTreeSet<String> {
        let file = |id: String| id.split("::").next().unwrap_or_default().to_owned();
        self.ids().map(file).collect()
    }

    /// Returns what has to be run: all of `tests/`, and wanted tests elsewhere.
    fn selection(&self, tree: &Tree) -> Selection {
        let elsewhere: BTreeSet<String> =
            self.files().into_iter().filter(|path| !path.starts_with("tests/")).collect();
        if elsewhere.is_empty() {
            return Selection::All;
        }
        let mut paths = elsewhere;
        if tree.exists("tests") {
            paths.insert("tests".to_owned());
        }
        Selection::Paths(paths)
    }

    /// Returns whether the claim says something of a test.
    fn is_claimed(&self, id: &str) -> bool {
        self.fail_to_pass.is_frozen(id)
            || self.pass_to_pass.contains(id)
            || self.must_fail.contains(id)
    }

    fn ids(&self) -> impl Iterator<Item = String> {
        let own = self.fail_to_pass.all();
        own.into_iter().chain(self.pass_to_pass.clone()).chain(self.must_fail.clone())
    }
}

/// Adds the gates of a run to the record. Returns whether all of them passed.
fn close(record: &mut Verification, seen: &Observation, wanted: &Wanted) -> bool {
    record.see(seen);
    let passing = seen.passing();
    record.pass_to_pass = wanted.pass_to_pass.intersection(&passing).cloned().collect();
    let own = passing.iter().filter(|id| wanted.fail_to_pass.is_frozen(id));
    record.fail_to_pass = own.cloned().collect();
    let mut all_passed = true;
    for gate in gates_of(seen, wanted) {
        all_passed &= record.add(gate);
    }
    all_passed
}

/// Judges what was seen by what was wanted.
fn gates_of(seen: &Observation, wanted: &Wanted) -> Vec<gate::Verdict> {
    let flaws = flaws_of(seen, wanted);
    let is_believed = flaws.is_empty();
    let own = flaws.into_iter().chain(own_failures(seen, wanted)).collect();
    let mut gates = vec![gate::Verdict::new(Gate::PassAfter, own)];
    if !is_believed {
        return gates;
    }
    let mut earlier = gate::earlier_pass(&seen.run, &wanted.pass_to_pass).reasons;
    earlier.retain(|reason| reason.test().is_none_or(|id| !seen.flaky.contains_key(id)));
    gates.push(gate::Verdict::new(Gate::EarlierPass, earlier));
    if !wanted.must_fail.is_empty() {
        let passing = seen.passing();
        let passes = wanted.must_fail.intersection(&passing);
        let passes = passes.map(|id| Reason::Passes { id: id.clone() }).collect();
        gates.push(gate::Verdict::new(Gate::MustFail, passes));
    }
    let flaky = seen.flaky.iter().filter(|(id, _)| wanted.is_claimed(id));
    let flaky =
        flaky.map(|(id, outcomes)| Reason::Flaky { id: id.clone(), outcomes: outcomes.clone() });
    gates.push(gate::Verdict::new(Gate::Stable, flaky.collect()));
    gates
}

/// Returns what is wrong with the run as a whole, and with the files of wanted tests.
fn flaws_of(seen: &Observation, wanted: &Wanted) -> Vec<Reason> {
    let mut flaws = seen.flaws.clone();
    let report = &seen.run.report;
    let is_explained = match report.exit_status {
        Some(0) => true,
        Some(1) => report.results.iter().any(|result| result.outcome != TestOutcome::Passed),
        Some(2) => !report.collect_errors.is_empty(),
        _ => !flaws.is_empty(),
    };
    if let (false, Some(status)) = (is_explained, report.exit_status)
        && flaws.is_empty()
    {
        flaws.push(Reason::ExitStatus { status });
    }
    let files = wanted.files();
    let errors = report.collect_errors.iter().filter(|error| files.contains(&error.id));
    flaws.extend(errors.map(|error| {
        let last = error.message.trim().lines().last().unwrap_or_default();
        let message = last.trim_start_matches("E ").trim().to_owned();
        Reason::NotCollected { id: error.id.clone(), message }
    }));
    flaws
}

/// Returns the tests that should pass now and do not, the flaky ones left out.
fn own_failures(seen: &Observation, wanted: &Wanted) -> Vec<Reason> {
    let (results, _) = seen.run.report.by_id();
    let reported: BTreeSet<&str> = results.keys().copied().collect();
    let missing = wanted.fail_to_pass.missing_of(&reported).into_iter();
    let failing = results
        .values()
        .filter(|result| wanted.fail_to_pass.is_frozen(&result.id))
        .filter_map(|result| gate::not_passed(result, Where::Own));
    let reasons = missing.map(|id| Reason::Missing { id }).chain(failing);
    reasons.filter(|reason| reason.test().is_none_or(|id| !seen.flaky.contains_key(id))).collect()
}

/// Returns what speaks against a run in which none of `tried` may pass.
fn still_passing(run: &Run, tried: &BTreeSet<&String>) -> Vec<Reason> {
    let flaws = run.flaws(&[0, 1, 2]);
    if !flaws.is_empty() {
        return flaws;
    }
    let (results, _) = run.report.by_id();
    let passes = |id: &str| match results.get(id) {
        Some(result) => result.outcome == TestOutcome::Passed,
        None => true,
    };
    let passing = tried.iter().filter(|id| passes(id));
    passing.map(|id| Reason::Contradicted { id: (**id).clone() }).collect()
}
