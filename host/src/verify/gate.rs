//! Gates: what a candidate must pass, and why it did not.
//!
//! The functions here are pure: reports in, [`Verdict`]s out. What runs in a sandbox to get the
//! reports is in [`check`](super::check).
//!
//! # Invariants
//!
//! * **A test counts by its id.** The ids are frozen when the tests are accepted; afterwards each of
//!   them must be reported exactly once, and no other id of the same files may appear.
//! * **Every refusal has a reason**: a verdict without reasons has passed.
//! * **Two witnesses**: what the plugin reported must agree with the status that the process
//!   returned.

use playpen_runtime::LimitKind;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

use super::frozen::FrozenTests;
use crate::agent::report::{CollectError, TestOutcome, TestReport, TestResult};

mod reason;

pub use reason::{Fault, Reason, Where};

/// Exceptions that say no more than that the thing under test does not exist or does not work yet.
const NOT_YET: [&str; 4] =
    ["NotImplementedError", "AttributeError", "ImportError", "ModuleNotFoundError"];

/// Exceptions that a test raises because the test itself is wrong.
const OWN_BUG: [&str; 8] = [
    "SyntaxError",
    "IndentationError",
    "TabError",
    "NameError",
    "UnboundLocalError",
    "FixtureLookupError",
    "SystemExit",
    "KeyboardInterrupt",
];

/// Status of a pytest run in which every test passed.
const ALL_PASSED: i64 = 0;

/// Status of a pytest run in which some test did not.
const SOME_FAILED: i64 = 1;

/// The gates, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The agent came to its end, and what it handed in is something.
    Finished,
    /// Something is handed in that the role may write.
    HandedIn,
    /// The files compile.
    Parse,
    /// No file changes how pytest works, or asks whether tests run.
    Tampering,
    /// pytest finds tests in them.
    Collect,
    /// Each test fails on the tree as it is, for the right reason.
    FailBefore,
    /// Each test passes on the verified tree.
    PassAfter,
    /// The tests of earlier tasks still pass.
    EarlierPass,
    /// What should go on failing does.
    MustFail,
    /// Each test comes out alike in each repeat.
    Stable,
    /// Tests with a contradicted expectation do not pass.
    Contradiction,
    /// Tests pass as well where it is hidden that tests run.
    Disguise,
    /// A bug breaks something, and not everything.
    Effect,
    /// Each edited file of a bug is necessary.
    Necessary,
    /// The tests pass on the repaired code.
    PassFixed,
    /// The tests see what the code does, not how it is written.
    Behavior,
    /// The tests notice changes of the code that they test.
    Mutation,
}

impl Gate {
    /// Returns the gate's name in records.
    pub fn name(self) -> &'static str {
        match self {
            Gate::Finished => "finished",
            Gate::HandedIn => "handed_in",
            Gate::Parse => "parse",
            Gate::Tampering => "tampering",
            Gate::Collect => "collect",
            Gate::FailBefore => "fail_before",
            Gate::PassAfter => "pass_after",
            Gate::EarlierPass => "earlier_pass",
            Gate::MustFail => "must_fail",
            Gate::Stable => "stable",
            Gate::Contradiction => "contradiction",
            Gate::Disguise => "disguise",
            Gate::Effect => "effect",
            Gate::Necessary => "necessary",
            Gate::PassFixed => "pass_fixed",
            Gate::Behavior => "behavior",
            Gate::Mutation => "mutation",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a gate said of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The gate.
    pub gate: Gate,
    /// Whether the candidate went through.
    pub passed: bool,
    /// Why not; empty if it did.
    pub reasons: Vec<Reason>,
}

impl Verdict {
    /// Makes the verdict that `reasons` call for.
    pub fn new(gate: Gate, reasons: Vec<Reason>) -> Verdict {
        Verdict { gate, passed: reasons.is_empty(), reasons }
    }
}

/// One run of pytest: how its process ended and what it reported.
#[derive(Clone, Debug)]
pub struct Run {
    /// The status of the process; `None` if it was ended from outside.
    pub exit_code: Option<u8>,
    /// Why it was ended from outside, if it was.
    pub stopped: Option<String>,
    /// The limit that ended it, if one did.
    pub limit: Option<LimitKind>,
    /// What the plugin wrote.
    pub report: TestReport,
    /// The last line on standard error: where pytest does not come to its end, the cause is there.
    pub last_words: String,
}

impl Run {
    /// Returns why the run was ended from outside, if it was.
    pub(crate) fn stop_reason(&self) -> Option<Reason> {
        let how = self.stopped.clone()?;
        Some(match self.limit {
            Some(limit) => Reason::Limit { limit, fault: Fault::of(limit) },
            None => Reason::Stopped { how },
        })
    }

    /// Returns the reason that pytest did not come to its end.
    fn incomplete(&self) -> Reason {
        let status = self.exit_code.map_or(-1, i64::from);
        Reason::ReportIncomplete { status, said: self.last_words.clone() }
    }

    /// Returns what is wrong with the run as a whole, whatever the tests did.
    pub(crate) fn flaws(&self, allowed: &[i64]) -> Vec<Reason> {
        if let Some(stopped) = self.stop_reason() {
            return vec![stopped];
        }
        let mut flaws = vec![];
        if self.report.n_malformed > 0 {
            flaws.push(Reason::ReportMalformed { n_lines: self.report.n_malformed });
        }
        match (self.report.exit_status, self.exit_code.map(i64::from)) {
            (Some(reported), Some(actual)) if reported == actual => {
                if !allowed.contains(&actual) {
                    flaws.push(Reason::ExitStatus { status: actual });
                }
            }
            (Some(reported), actual) => {
                flaws.push(Reason::StatusMismatch { reported, actual: actual.unwrap_or(-1) });
            }
            (None, _) => flaws.push(self.incomplete()),
        }
        let (_, repeated) = self.report.by_id();
        flaws.extend(repeated.iter().map(|id| Reason::DuplicateId { id: (*id).to_owned() }));
        flaws
    }
}

/// Judges what pytest collected of `files`, the new test files, beside the `earlier` ids.
///
/// Returns the verdict, and the ids to freeze: those that were collected, and for a file that could
/// not be imported because what it imports does not exist yet, the `written` functions in it.
pub fn collect(
    run: &Run,
    files: &[super::parse::TestFile],
    earlier: &BTreeSet<String>,
    may_appear: &dyn Fn(&str) -> bool,
) -> (Verdict, FrozenTests) {
    let mut reasons = vec![];
    if let Some(stopped) = run.stop_reason() {
        reasons.push(stopped);
        return (Verdict::new(Gate::Collect, reasons), FrozenTests::default());
    }
    let collected: Vec<&String> = run.report.collected.iter().flatten().collect();
    let mut ids = BTreeSet::new();
    // What was there and does not pass, because it is skipped or known to fail, is neither new nor wanted.
    let is_written = |id: &str| files.iter().any(|file| id.split("::").next() == Some(&file.path));
    let is_new = |id: &&String| !earlier.contains(*id) && is_written(id);
    for id in collected.iter().copied().filter(is_new) {
        if !ids.insert(id.clone()) {
            reasons.push(Reason::DuplicateId { id: id.clone() });
        }
    }
    let all: BTreeSet<&String> = collected.into_iter().collect();
    let lost = earlier.iter().filter(|id| !all.contains(id));
    reasons.extend(lost.map(|id| Reason::EarlierLost { id: id.clone() }));

    let mut frozen = FrozenTests::new(ids);
    for error in &run.report.collect_errors {
        let file = files.iter().find(|file| file.path == error.id);
        match file.filter(|_| waits_for_implementation(error, may_appear)) {
            Some(file) => {
                reasons.extend(file.idle.iter().map(|name| Reason::WrongBefore {
                    id: format!("{}::{name}", file.path),
                    outcome: TestOutcome::Skipped,
                    exception: String::new(),
                    message: String::new(),
                }));
                frozen.defer(file, &last_line(&error.message));
            }
            None => reasons.push(Reason::NotCollected {
                id: error.id.clone(),
                message: last_line(&error.message),
            }),
        }
    }
    if run.report.n_malformed > 0 {
        reasons.push(Reason::ReportMalformed { n_lines: run.report.n_malformed });
    }
    if run.report.exit_status.is_none() {
        reasons.push(run.incomplete());
    } else if reasons.is_empty() && frozen.is_empty() {
        reasons.push(Reason::NoTests);
    }
    (Verdict::new(Gate::Collect, reasons), frozen)
}

/// Judges a run on the tree as it is: each frozen test must fail for the right reason, and each
/// earlier test must pass.
pub fn fail_before(run: &Run, frozen: &FrozenTests, earlier: &BTreeSet<String>) -> Verdict {
    // Files that cannot be imported yet interrupt the run (2) even if pytest goes on without them.
    let mut reasons = run.flaws(&[SOME_FAILED, 2]);
    let (results, _) = run.report.by_id();
    for id in frozen.ids() {
        match results.get(id.as_str()) {
            Some(result) => reasons.extend(wrong_failure(result)),
            None => reasons.push(Reason::Missing { id: id.clone() }),
        }
    }
    reasons.extend(earlier_failures(run, earlier));
    Verdict::new(Gate::FailBefore, drop_consequences(reasons))
}

/// Judges a run on the verified tree by the task's own tests.
pub fn pass_after(run: &Run, frozen: &FrozenTests, earlier: &BTreeSet<String>) -> Verdict {
    let mut reasons = run.flaws(&[ALL_PASSED]);
    let (results, _) = run.report.by_id();
    let own: BTreeSet<&str> = results.keys().copied().filter(|id| !earlier.contains(*id)).collect();
    let missing = frozen.missing_of(&own);
    reasons.extend(missing.into_iter().map(|id| Reason::Missing { id }));
    let extra = frozen.extra_of(&own);
    reasons.extend(extra.into_iter().map(|id| Reason::Extra { id }));
    let failed = own.iter().filter_map(|id| results.get(id));
    reasons.extend(failed.filter_map(|result| not_passed(result, Where::Own)));
    for error in &run.report.collect_errors {
        let message = last_line(&error.message);
        reasons.push(Reason::NotCollected { id: error.id.clone(), message });
    }
    Verdict::new(Gate::PassAfter, drop_consequences(reasons))
}

/// Judges a run on the verified tree by the tests of earlier tasks.
pub fn earlier_pass(run: &Run, earlier: &BTreeSet<String>) -> Verdict {
    let mut reasons = vec![];
    reasons.extend(run.stop_reason());
    reasons.extend(earlier_failures(run, earlier));
    Verdict::new(Gate::EarlierPass, reasons)
}

/// Lists the earlier tests that did not pass.
fn earlier_failures(run: &Run, earlier: &BTreeSet<String>) -> Vec<Reason> {
    let (results, _) = run.report.by_id();
    let judge = |id: &String| match results.get(id.as_str()) {
        Some(result) => not_passed(result, Where::Earlier),
        None => Some(Reason::EarlierLost { id: id.clone() }),
    };
    earlier.iter().filter_map(judge).collect()
}

/// Says what is wrong with a test that should have passed.
pub(crate) fn not_passed(result: &TestResult, place: Where) -> Option<Reason> {
    (result.outcome != TestOutcome::Passed).then(|| Reason::Fails {
        id: result.id.clone(),
        outcome: result.outcome,
        exception: result.exception.clone(),
        message: first_line(&result.message),
        place,
    })
}

/// Says what is wrong with the way in which a test came out before the implementation.
fn wrong_failure(result: &TestResult) -> Option<Reason> {
    let exception = result.exception.as_str();
    let right = match result.outcome {
        TestOutcome::Failed => !OWN_BUG.contains(&exception),
        TestOutcome::Error => NOT_YET.contains(&exception),
        _ => false,
    };
    if right {
        return None;
    }
    Some(Reason::WrongBefore {
        id: result.id.clone(),
        outcome: result.outcome,
        exception: exception.to_owned(),
        message: first_line(&result.message),
    })
}

/// Returns whether a file could not be imported only because something is not written yet.
fn waits_for_implementation(error: &CollectError, may_appear: &dyn Fn(&str) -> bool) -> bool {
    let module = missing_module(&error.message);
    module.is_some_and(|module| may_appear(module.split('.').next().unwrap_or_default()))
}

/// Returns the module that an import error names.
fn missing_module(message: &str) -> Option<&str> {
    let line = message
        .lines()
        .rev()
        .find(|line| line.contains("No module named '") || line.contains("cannot import name '"))?;
    let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest);
    let rest = after("No module named '")
        .or_else(|| after("' from '").or_else(|| after("' from partially initialized module '")))?;
    rest.split('\'').next().filter(|module| !module.is_empty())
}

/// Drops the status of the run where what the tests did explains it.
fn drop_consequences(reasons: Vec<Reason>) -> Vec<Reason> {
    let is_status =
        |reason: &Reason| matches!(reason, Reason::ExitStatus { status: ALL_PASSED..=2 });
    if reasons.iter().all(is_status) {
        return reasons;
    }
    reasons.into_iter().filter(|reason| !is_status(reason)).collect()
}

fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().to_owned()
}

fn last_line(text: &str) -> String {
    text.trim().lines().last().unwrap_or_default().trim_start_matches("E ").trim().to_owned()
}

#[cfg(test)]
mod tests;
