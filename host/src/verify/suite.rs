//! Suites: tests that were written for code that does not do yet what they ask.

use playpen_runtime::Tree;
use std::collections::BTreeSet;

use super::{
    Stopwatch, Verifier,
    check::{CheckError, Mode, Selection},
    frozen::FrozenTests,
    gate::{self, Gate, Reason, Verdict},
    merge::{Merged, merge},
    observe::Observation,
    overlay::without_history,
    parse::{Names, TestFile},
    record::{Kind, Verification, Verified},
    subject::Subject,
};
use crate::agent::{report::TestOutcome, role::WritePolicy};

/// The claim that new tests fail on the code as it is, for the right reason, and pass on code that is
/// right.
///
/// Without `fixed` there is no such code yet: each new test must fail, in files that pytest finds by
/// name. With it, at least one test of the written files fails before, and all of them pass after.
#[derive(Clone, Copy, Debug)]
pub struct Suite<'a> {
    /// What the agent was given.
    pub base: &'a Tree,
    /// All that it left.
    pub result: &'a Tree,
    /// What of it may be handed in.
    pub policy: &'a WritePolicy,
    /// The same code as it should be, if it is known.
    pub fixed: Option<&'a Tree>,
    /// The tests that are there already and pass.
    pub earlier: &'a BTreeSet<String>,
    /// Modules that a test may import before they exist.
    pub may_appear: &'a BTreeSet<String>,
}

impl Verifier {
    /// Judges new tests.
    ///
    /// # Errors
    ///
    /// Fails if the host does. What is wrong with the tests is in the record.
    pub async fn suite(&self, claim: &Suite<'_>) -> Result<Verified, CheckError> {
        let mut watch = Stopwatch::start();
        let merged = merge(claim.base, claim.result, claim.policy);
        let candidate = without_history(&merged.tree);
        let mut record = self.begin(Kind::Suite, claim.base, &candidate);
        record.dropped.clone_from(&merged.dropped);
        let files = self.read(&mut record, claim, &merged, &candidate).await?;
        watch.lap("read");
        if let Some(files) = files {
            match claim.fixed {
                None => Box::pin(self.judge_new(&mut record, claim, &candidate, &files)).await?,
                Some(fixed) => {
                    Box::pin(self.judge_reproduction(&mut record, claim, &merged, fixed, &files))
                        .await?;
                }
            }
            watch.lap("runs");
        }
        record.decide();
        Ok(Verified { record, tree: merged.tree, timing: watch.stop() })
    }

    /// Puts the written files through the gates that run nothing.
    async fn read(
        &self,
        record: &mut Verification,
        claim: &Suite<'_>,
        merged: &Merged,
        candidate: &Tree,
    ) -> Result<Option<Vec<TestFile>>, CheckError> {
        let handed_in = if merged.is_empty() { vec![Reason::NothingHandedIn] } else { vec![] };
        if !record.gate(Gate::HandedIn, handed_in) {
            return Ok(None);
        }
        let names = if claim.fixed.is_some() { Names::Any } else { Names::Found };
        let (verdict, files) = self.checker().parse(candidate, &merged.written, names).await?;
        if !record.add(verdict) {
            return Ok(None);
        }
        let base = without_history(claim.base);
        let scanned = self.scan(&base, candidate, &merged.written, true).await?;
        record.unsteady = scanned.unsteady;
        // Tests import pytest, name tests and look at the stack: only what changes pytest counts.
        let evidence = scanned.evidence.into_iter().filter(|reason| match reason {
            Reason::Tampers { what, .. } => !what.starts_with("asks"),
            _ => true,
        });
        Ok(record.gate(Gate::Tampering, evidence.collect()).then_some(files))
    }

    /// Judges tests for code that is not written yet.
    async fn judge_new(
        &self,
        record: &mut Verification,
        claim: &Suite<'_>,
        candidate: &Tree,
        files: &[TestFile],
    ) -> Result<(), CheckError> {
        let run = self.checker().pytest(candidate, Mode::Collect, &Selection::All).await?;
        let may_appear = |name: &str| claim.may_appear.contains(name);
        let (verdict, frozen) = gate::collect(&run, files, claim.earlier, &may_appear);
        record.frozen = frozen;
        if !record.add(verdict) {
            return Ok(());
        }
        let subject = Subject::new(candidate, &Selection::All);
        let mut seen = self.observe_subject(&subject).await?;
        if !record.unsteady.is_empty() && seen.flaky.is_empty() {
            let ids = seen.failing();
            record.n_alone = ids.len();
            self.more(&subject, &mut seen).await?;
            self.alone(&subject, &ids, &mut seen).await?;
        }
        record.see(&seen);
        record.add(fail_before(&seen, &record.frozen.clone(), claim.earlier));
        let stable = flaky(&seen, |id| record.frozen.is_frozen(id) || claim.earlier.contains(id));
        record.gate(Gate::Stable, stable);
        Ok(())
    }

    /// Judges tests that should fail because of a bug, by the code without it.
    async fn judge_reproduction(
        &self,
        record: &mut Verification,
        claim: &Suite<'_>,
        merged: &Merged,
        fixed: &Tree,
        files: &[TestFile],
    ) -> Result<(), CheckError> {
        let with_tests = files.iter().filter(|file| !file.functions.is_empty());
        let paths: BTreeSet<String> = with_tests.map(|file| file.path.clone()).collect();
        if paths.is_empty() {
            record.gate(Gate::Collect, vec![Reason::NoTests]);
            return Ok(());
        }
        let buggy = without_history(&merged.tree);
        let good = merge(claim.base, claim.result, claim.policy).onto(&without_history(fixed));
        let what = Selection::Paths(paths.clone());
        let [bad, well] = [&buggy, &good].map(|tree| Subject::new(tree, &what));
        let (before, after) = tokio::join!(self.observe_subject(&bad), self.observe_subject(&well));
        let (mut before, mut after) = (before?, after?);
        let ids: BTreeSet<String> = before.failing();
        record.n_alone = ids.len();
        if !record.unsteady.is_empty() {
            self.more(&bad, &mut before).await?;
            self.more(&well, &mut after).await?;
        }
        self.alone(&bad, &ids, &mut before).await?;
        self.alone(&well, &ids, &mut after).await?;
        record.see(&after);
        if !record.gate(Gate::Collect, uncollected(&before)) {
            return Ok(());
        }
        let failing = before.failing();
        let mut flaws = before.flaws.clone();
        if flaws.is_empty() && failing.is_empty() && before.flaky.is_empty() {
            flaws.push(Reason::NoReproduction);
        }
        let passing = after.passing();
        record.fail_to_pass = failing.intersection(&passing).cloned().collect();
        record.pass_to_pass = before.passing().intersection(&passing).cloned().collect();
        record.frozen = FrozenTests::new(record.fail_to_pass.clone());
        let is_good = record.gate(Gate::FailBefore, flaws)
            && record.gate(Gate::PassFixed, fails_on_fixed(&before, &after));
        let is_good = is_good && {
            let readers =
                self.readers_of_source(&well.tree, &bad.tree, &record.fail_to_pass).await?;
            record.gate(Gate::Behavior, readers)
        };
        let mut unstable = flaky(&before, |_| true);
        unstable.extend(flaky(&after, |_| true));
        if is_good && record.gate(Gate::Stable, unstable) && !claim.earlier.is_empty() {
            let seen = self.observe(&buggy, &Selection::All).await?;
            let mut lost = gate::earlier_pass(&seen.run, claim.earlier).reasons;
            // A test that was there and now fails because of the bug is a reproduction too.
            lost.retain(|reason| reason.test().is_none_or(|id| !record.fail_to_pass.contains(id)));
            record.gate(Gate::EarlierPass, lost);
        }
        Ok(())
    }
}

impl Merged {
    /// Applies the same changes to another tree.
    fn onto(&self, tree: &Tree) -> Tree {
        let mut other = tree.clone();
        for path in &self.removed {
            let _ignored = other.remove(path);
        }
        for path in &self.written {
            if let Ok(data) = self.tree.read(path) {
                // Where it cannot be written, the tests of the file are missing, which is a reason.
                let _ignored = other.write(path, data, 0o644);
            }
        }
        other
    }
}

/// Judges what was seen before anything is implemented.
fn fail_before(seen: &Observation, frozen: &FrozenTests, earlier: &BTreeSet<String>) -> Verdict {
    let mut reasons = seen.flaws.clone();
    if reasons.is_empty() {
        reasons = gate::fail_before(&seen.run, frozen, earlier).reasons;
        reasons.retain(|reason| reason.test().is_none_or(|id| !seen.flaky.contains_key(id)));
    }
    Verdict::new(Gate::FailBefore, reasons)
}

/// Returns a reason for each flaky test that counts.
fn flaky(seen: &Observation, counts: impl Fn(&str) -> bool) -> Vec<Reason> {
    let flaky = seen.flaky.iter().filter(|(id, _)| counts(id));
    flaky
        .map(|(id, outcomes)| Reason::Flaky { id: id.clone(), outcomes: outcomes.clone() })
        .collect()
}

/// Returns what could not be collected, or that nothing was.
fn uncollected(seen: &Observation) -> Vec<Reason> {
    let errors = seen.collect_errors().iter().map(|error| {
        let last = error.message.trim().lines().last().unwrap_or_default();
        let message = last.trim_start_matches("E ").trim().to_owned();
        Reason::NotCollected { id: error.id.clone(), message }
    });
    let mut reasons: Vec<Reason> = errors.collect();
    if reasons.is_empty() && seen.flaws.is_empty() && seen.run.report.results.is_empty() {
        reasons.push(Reason::NoTests);
    }
    reasons
}

/// Returns why the tests do not pass on the repaired code: each of them must, but those that are
/// skipped on both.
fn fails_on_fixed(before: &Observation, after: &Observation) -> Vec<Reason> {
    let mut reasons = after.flaws.clone();
    let (was, _) = before.run.report.by_id();
    for result in &after.run.report.results {
        let is_flaky = after.flaky.contains_key(&result.id);
        let is_idle = |outcome| matches!(outcome, TestOutcome::Skipped | TestOutcome::Xfailed);
        let was_idle = was.get(result.id.as_str()).is_some_and(|was| is_idle(was.outcome));
        let may_stay = is_flaky || was_idle && is_idle(result.outcome);
        if result.outcome != TestOutcome::Passed && !may_stay {
            reasons.push(Reason::FailsOnFixed {
                id: result.id.clone(),
                outcome: result.outcome,
                exception: result.exception.clone(),
                message: result.message.lines().next().unwrap_or_default().to_owned(),
            });
        }
    }
    let (now, _) = after.run.report.by_id();
    let lost = was.keys().filter(|id| !now.contains_key(**id));
    reasons.extend(lost.map(|id| Reason::Missing { id: (*id).to_owned() }));
    reasons
}
