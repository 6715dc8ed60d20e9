//! Bugs: changes of working code that tests notice.

use playpen_runtime::Tree;
use std::collections::BTreeSet;

use super::{
    Stopwatch, Verifier,
    check::{CheckError, Selection},
    frozen::FrozenTests,
    gate::{Gate, Reason},
    merge::{Merged, merge},
    observe::Observation,
    overlay::with_tests_of,
    record::{Kind, Verification, Verified},
    subject::Subject,
};
use crate::agent::role::WritePolicy;

/// Files of a bug above which it is not tried whether each is necessary. Answers a change of a
/// thousand files, each of which would cost a run.
const MAX_TRIED_FILES: usize = 24;

/// The claim that a change breaks some tests that pass without it, and not all of them.
#[derive(Clone, Copy, Debug)]
pub struct Bug<'a> {
    /// The code without the bug.
    pub base: &'a Tree,
    /// All that the agent left.
    pub result: &'a Tree,
    /// What of it may be handed in.
    pub policy: &'a WritePolicy,
    /// Where the tests and what configures them come from.
    pub pristine: &'a Tree,
}

impl Verifier {
    /// Judges a bug.
    ///
    /// # Errors
    ///
    /// Fails if the host does. What is wrong with the bug is in the record.
    pub async fn bug(&self, claim: &Bug<'_>) -> Result<Verified, CheckError> {
        let mut watch = Stopwatch::start();
        let merged = merge(claim.base, claim.result, claim.policy);
        let candidate = with_tests_of(&merged.tree, claim.pristine, &BTreeSet::new());
        let mut record = self.begin(Kind::Bug, claim.base, &candidate);
        record.dropped.clone_from(&merged.dropped);
        if self.read_bug(&mut record, claim, &merged, &candidate).await? {
            watch.lap("read");
            Box::pin(self.judge_bug(&mut record, claim, &merged, &candidate)).await?;
            watch.lap("runs");
        }
        record.decide();
        Ok(Verified { record, tree: merged.tree, timing: watch.stop() })
    }

    /// Puts the changed files through the gates that run nothing.
    async fn read_bug(
        &self,
        record: &mut Verification,
        claim: &Bug<'_>,
        merged: &Merged,
        candidate: &Tree,
    ) -> Result<bool, CheckError> {
        let handed_in = if merged.is_empty() { vec![Reason::NothingHandedIn] } else { vec![] };
        if !record.gate(Gate::HandedIn, handed_in) {
            return Ok(false);
        }
        let scanned = self.scan(claim.base, candidate, &merged.written, false).await?;
        record.suspicions = scanned.suspicions;
        record.unsteady = scanned.unsteady;
        Ok(record.gate(Gate::Parse, scanned.errors)
            && record.gate(Gate::Tampering, scanned.evidence))
    }

    /// Runs the tests with and without the bug.
    async fn judge_bug(
        &self,
        record: &mut Verification,
        claim: &Bug<'_>,
        merged: &Merged,
        candidate: &Tree,
    ) -> Result<(), CheckError> {
        let good = with_tests_of(claim.base, claim.pristine, &BTreeSet::new());
        let [good, bad] = [&good, candidate].map(|tree| Subject::new(tree, &Selection::All));
        let (before, after) = tokio::join!(self.observe_subject(&good), self.observe_subject(&bad));
        let (mut before, mut after) = (before?, after?);
        self.look_closer(record, (&good, &mut before), (&bad, &mut after)).await?;
        record.see(&after);
        let passed = before.passing();
        let (failing, passing) = (after.failing(), after.passing());
        record.fail_to_pass = passed.intersection(&failing).cloned().collect();
        record.pass_to_pass = passed.intersection(&passing).cloned().collect();
        record.frozen = FrozenTests::new(record.fail_to_pass.clone());
        let effect = effect(&before, &after, record);
        let unstable = after.flaky.iter().filter(|(id, _)| passed.contains(*id));
        let unstable = unstable
            .map(|(id, outcomes)| Reason::Flaky { id: id.clone(), outcomes: outcomes.clone() })
            .collect();
        if record.gate(Gate::Effect, effect) && record.gate(Gate::Stable, unstable) {
            let unneeded = self.unneeded(record, claim, merged, candidate).await?;
            record.gate(Gate::Necessary, unneeded);
        }
        Ok(())
    }

    /// Runs each test that the bug breaks by itself, with and without it: what it breaks must not depend on the
    /// tests before. Where the change keeps something, or asks for time or chance, more is run.
    async fn look_closer(
        &self,
        record: &mut Verification,
        (good, before): (&Subject, &mut Observation),
        (bad, after): (&Subject, &mut Observation),
    ) -> Result<(), CheckError> {
        let passed = before.passing();
        let mut ids: BTreeSet<String> = passed.intersection(&after.failing()).cloned().collect();
        if !record.unsteady.is_empty() {
            ids.extend(passed.intersection(&after.passing()).cloned());
            self.more(bad, after).await?;
        }
        record.n_alone = ids.len();
        let (on_good, on_bad) =
            tokio::join!(self.alone(good, &ids, before), self.alone(bad, &ids, after));
        on_good.and(on_bad)
    }

    /// Returns the files without whose change the same tests fail.
    async fn unneeded(
        &self,
        record: &Verification,
        claim: &Bug<'_>,
        merged: &Merged,
        candidate: &Tree,
    ) -> Result<Vec<Reason>, CheckError> {
        let files: Vec<&String> = merged.written.iter().chain(&merged.removed).collect();
        if files.len() < 2 || files.len() > MAX_TRIED_FILES {
            return Ok(vec![]);
        }
        let mut unneeded = vec![];
        for path in files {
            let mut reverted = candidate.clone();
            let _ignored = match claim.base.read(path) {
                Ok(data) => reverted.write(path, data, 0o644),
                Err(_) => reverted.remove(path),
            };
            let reverted = Subject::new(&reverted, &Selection::All);
            let seen = self.repeats(&reverted, 0..1).await?;
            let seen = super::observe::fold(seen);
            if seen.failing().is_superset(&record.fail_to_pass) {
                unneeded.push(Reason::Unneeded { path: path.clone() });
            }
        }
        Ok(unneeded)
    }
}

/// Judges what the bug breaks.
fn effect(before: &Observation, after: &Observation, record: &Verification) -> Vec<Reason> {
    let mut reasons = before.flaws.clone();
    reasons.extend(after.flaws.clone());
    if !reasons.is_empty() {
        return reasons;
    }
    let were: BTreeSet<&str> = before.collect_errors().iter().map(|e| e.id.as_str()).collect();
    for error in after.collect_errors().iter().filter(|e| !were.contains(e.id.as_str())) {
        let last = error.message.trim().lines().last().unwrap_or_default();
        let message = last.trim_start_matches("E ").trim().to_owned();
        reasons.push(Reason::NotCollected { id: error.id.clone(), message });
    }
    if reasons.is_empty() && record.fail_to_pass.is_empty() && after.flaky.is_empty() {
        reasons.push(Reason::BreaksNothing);
    } else if reasons.is_empty() && record.pass_to_pass.is_empty() {
        reasons.push(Reason::BreaksEverything);
    }
    reasons
}
