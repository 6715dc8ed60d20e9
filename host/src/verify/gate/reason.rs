//! Why a gate refused a candidate.

use playpen_runtime::LimitKind;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::agent::report::TestOutcome;

/// Whose test failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// A test of the task itself.
    Own,
    /// A test of an earlier task.
    Earlier,
}

/// Whose fault it is that a run met a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Of what was run: it computes, grows or writes without end.
    Agent,
    /// Perhaps of the machine: nothing can be said of what was run.
    Infra,
}

impl Fault {
    /// Returns whose fault it is that `limit` was met. Time that passes is the only limit that a busy
    /// machine can bring about.
    pub fn of(limit: LimitKind) -> Fault {
        if limit == LimitKind::Wall { Fault::Infra } else { Fault::Agent }
    }
}

/// One reason for a refusal. [`fmt::Display`] is the text that the next agent reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The agent ran out of something, or stopped without saying that it was done.
    NotFinished {
        /// How it stopped.
        stop: String,
    },
    /// The agent left nothing that its role may hand in.
    NothingHandedIn,
    /// There is no new test file.
    NoTestFiles,
    /// A test file is not Python.
    SyntaxError {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What the compiler said.
        message: String,
    },
    /// A file of the tests changes how pytest works.
    PytestHook {
        /// The file.
        path: String,
        /// The function or variable that does it.
        name: String,
    },
    /// No test was collected.
    NoTests,
    /// A file could not be collected, and not because something is not written yet.
    NotCollected {
        /// The file.
        id: String,
        /// The error.
        message: String,
    },
    /// A test id came more than once.
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A test of an earlier task is not there any more.
    EarlierLost {
        /// The id.
        id: String,
    },
    /// A new test did not fail, or not for the right reason, before the implementation.
    WrongBefore {
        /// The id.
        id: String,
        /// How it came out.
        outcome: TestOutcome,
        /// The type of the exception, if there was one.
        exception: String,
        /// The first line of the message.
        message: String,
    },
    /// A frozen test was not reported.
    Missing {
        /// The id.
        id: String,
    },
    /// A test was reported that was not frozen.
    Extra {
        /// The id.
        id: String,
    },
    /// A test does not pass.
    Fails {
        /// The id.
        id: String,
        /// How it came out.
        outcome: TestOutcome,
        /// The type of the exception, if there was one.
        exception: String,
        /// The first line of the message.
        message: String,
        /// Whose test it is.
        place: Where,
    },
    /// The run met a limit of its sandbox.
    Limit {
        /// Which.
        limit: LimitKind,
        /// Whose fault that is.
        fault: Fault,
    },
    /// A test came out otherwise in another repeat of the same run.
    Flaky {
        /// The id.
        id: String,
        /// How it came out, in each repeat; absent where it was not reported.
        outcomes: Vec<Option<TestOutcome>>,
    },
    /// A test passed although its expectation was replaced by the opposite.
    Contradicted {
        /// The id.
        id: String,
    },
    /// A test passes only where it can be seen that a test runs.
    NeedsTestRun {
        /// The id.
        id: String,
    },
    /// A file changes how pytest or Python works, or asks whether tests run.
    Tampers {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// What it does.
        what: String,
    },
    /// A test that should fail does not.
    Passes {
        /// The id.
        id: String,
    },
    /// A change breaks no test.
    BreaksNothing,
    /// A change breaks every test.
    BreaksEverything,
    /// Without the change of this file the same tests fail.
    Unneeded {
        /// The file.
        path: String,
    },
    /// A new test does not pass on the repaired code.
    FailsOnFixed {
        /// The id.
        id: String,
        /// How it came out.
        outcome: TestOutcome,
        /// The type of the exception, if there was one.
        exception: String,
        /// The first line of the message.
        message: String,
    },
    /// A test does not pass on repaired code that looks like the code with the bug.
    ReadsSource {
        /// The id.
        id: String,
    },
    /// No new test fails on the code with the bug.
    NoReproduction,
    /// The tests notice too few changes of the code.
    WeakTests {
        /// Changes that a test noticed.
        n_killed: usize,
        /// Changes that were tried.
        n_mutants: usize,
        /// The part that must be noticed, in percent.
        min_percent: u32,
    },
    /// None of the tests could be run on changes of the code.
    NotMeasured,
    /// No test notices a change of the code.
    Survives {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u64,
        /// The function, with its classes.
        function: String,
        /// What is there.
        original: String,
        /// What was there instead.
        changed: String,
    },
    /// The run was ended from outside: a signal, a crash.
    Stopped {
        /// How.
        how: String,
    },
    /// Lines of the report are not what the plugin writes.
    ReportMalformed {
        /// How many.
        n_lines: usize,
    },
    /// A test that must fail, which the verifier adds, did not.
    Canary,
    /// The process ended and pytest did not report its end.
    ReportIncomplete {
        /// The status of the process.
        status: i64,
        /// The last line on its standard error.
        said: String,
    },
    /// pytest reported one status and its process returned another.
    StatusMismatch {
        /// What was reported.
        reported: i64,
        /// What was returned.
        actual: i64,
    },
    /// pytest ended with a status that no outcome of a test explains.
    ExitStatus {
        /// The status.
        status: i64,
    },
}

impl Reason {
    /// Returns the kind of the reason, as records name it.
    pub fn name(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get("reason").and_then(|name| name.as_str()).unwrap_or_default().to_owned()
    }

    /// Returns the test that the reason is about, if it is about one.
    pub fn test(&self) -> Option<&str> {
        match self {
            Self::DuplicateId { id }
            | Self::EarlierLost { id }
            | Self::WrongBefore { id, .. }
            | Self::Missing { id }
            | Self::Extra { id }
            | Self::Fails { id, .. }
            | Self::Flaky { id, .. }
            | Self::Contradicted { id }
            | Self::NeedsTestRun { id }
            | Self::ReadsSource { id }
            | Self::Passes { id }
            | Self::FailsOnFixed { id, .. } => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinished { stop } => {
                write!(f, "the attempt did not end with `finish`: {stop}")
            }
            Self::NothingHandedIn => f.write_str("nothing was changed that may be changed"),
            Self::NoTestFiles => f.write_str("there is no new file `tests/test_*.py`"),
            Self::SyntaxError { path, line, message } => {
                write!(f, "`{path}` line {line} is not valid Python: {message}")
            }
            Self::PytestHook { path, name } => write!(
                f,
                "`{path}` defines `{name}`: tests must not change how pytest collects or reports"
            ),
            Self::NoTests => f.write_str("pytest found no tests in the new files"),
            Self::NotCollected { id, message } => {
                write!(f, "`{id}` cannot be collected: {message}")
            }
            Self::DuplicateId { id } => write!(f, "`{id}` was reported more than once"),
            Self::EarlierLost { id } => {
                write!(f, "`{id}`, a test of an earlier task, was not run")
            }
            Self::WrongBefore { id, outcome, exception, message } => {
                fmt_wrong_before(f, id, *outcome, &what_happened(exception, message))
            }
            Self::Missing { id } => write!(f, "`{id}` was not run"),
            Self::Extra { id } => write!(f, "`{id}` is not one of the accepted tests"),
            Self::Fails { id, outcome, exception, message, place } => {
                fmt_fails(f, id, *outcome, &what_happened(exception, message), *place)
            }
            Self::Limit { limit, fault: Fault::Agent } => {
                write!(f, "the test run was stopped: the limit on {limit} was met")
            }
            Self::Limit { limit, fault: Fault::Infra } => {
                write!(f, "the test run did not end, and nothing can be said: {limit}")
            }
            Self::Flaky { id, .. } => {
                write!(f, "`{id}` is flaky: it comes out otherwise when it is run again")
            }
            Self::Contradicted { id } => write!(
                f,
                "`{id}` also passes if the opposite is expected, so its result cannot be believed"
            ),
            Self::NeedsTestRun { id } => {
                write!(f, "`{id}` passes only where the code can see that a test runs it")
            }
            Self::Tampers { path, line, what } => write!(f, "`{path}` line {line} {what}"),
            Self::Passes { id } => write!(f, "`{id}` passes, and should not"),
            Self::BreaksNothing => f.write_str("no test that passed before fails"),
            Self::BreaksEverything => f.write_str("no test that passed before still passes"),
            Self::Unneeded { path } => {
                write!(f, "the same tests fail without the change of `{path}`")
            }
            Self::FailsOnFixed { id, exception, message, .. } => write!(
                f,
                "`{id}` also fails on the repaired code: {}",
                what_happened(exception, message)
            ),
            Self::ReadsSource { id } => write!(
                f,
                "`{id}` fails because of how the code is written, not because of what it does"
            ),
            Self::NoReproduction => f.write_str("no test fails because of the bug"),
            Self::WeakTests { n_killed, n_mutants, min_percent } => write!(
                f,
                "the tests notice {n_killed} of {n_mutants} small changes of the implementation; at least \
                 {min_percent} percent are asked for"
            ),
            Self::NotMeasured => f.write_str(
                "no test could be used to see whether it notices changes of the implementation: each takes too many \
                 steps, or does not pass when it is run again",
            ),
            Self::Survives { path, line, function, original, changed } if changed.is_empty() => {
                write!(
                    f,
                    "no test notices when `{original}` is left out of `{function}`, {path}:{line}"
                )
            }
            Self::Survives { path, line, function, original, changed } => write!(
                f,
                "no test notices when `{original}` in `{function}` is `{changed}` instead, {path}:{line}"
            ),
            Self::Stopped { how } => write!(f, "the test run was {how}"),
            Self::ReportMalformed { n_lines } => {
                write!(f, "{n_lines} lines of the test report were not written by the reporter")
            }
            Self::Canary => {
                f.write_str("the report cannot be believed: a control test that must fail did not")
            }
            Self::ReportIncomplete { status, said } => {
                write!(f, "the test process ended with status {status} before pytest did")?;
                if said.is_empty() { Ok(()) } else { write!(f, ": {said}") }
            }
            Self::StatusMismatch { reported, actual } => {
                write!(f, "pytest announced status {reported}, but its process returned {actual}")
            }
            Self::ExitStatus { status } => write!(f, "pytest ended with status {status}"),
        }
    }
}

/// Says in words why a test did not fail as it should have.
fn fmt_wrong_before(
    f: &mut fmt::Formatter<'_>,
    id: &str,
    outcome: TestOutcome,
    what: &str,
) -> fmt::Result {
    match outcome {
        TestOutcome::Passed | TestOutcome::Xpassed => {
            write!(f, "`{id}` passes before anything is implemented, so it tests nothing new")
        }
        TestOutcome::Skipped | TestOutcome::Xfailed => {
            write!(f, "`{id}` is skipped or expected to fail; each test must run and must count")
        }
        TestOutcome::Error => write!(f, "`{id}` has an error in its set-up: {what}"),
        TestOutcome::Failed => write!(f, "`{id}` fails because of a mistake in the test: {what}"),
    }
}

/// Says in words that a test does not pass.
fn fmt_fails(
    f: &mut fmt::Formatter<'_>,
    id: &str,
    outcome: TestOutcome,
    what: &str,
    place: Where,
) -> fmt::Result {
    let how = match outcome {
        TestOutcome::Skipped => "is skipped",
        TestOutcome::Xfailed | TestOutcome::Xpassed => "is marked as expected to fail",
        TestOutcome::Error => "has an error in its set-up",
        TestOutcome::Failed | TestOutcome::Passed => "fails",
    };
    let whose = if place == Where::Earlier { " (a test of an earlier task)" } else { "" };
    write!(f, "`{id}`{whose} {how}: {what}")
}

/// Joins the type and the message of an exception, the type once.
fn what_happened(exception: &str, message: &str) -> String {
    match (exception.is_empty(), message.is_empty()) {
        (true, true) => "no reason was reported".to_owned(),
        (true, false) => message.to_owned(),
        (false, true) => exception.to_owned(),
        (false, false) if message.starts_with(exception) => message.to_owned(),
        (false, false) => format!("{exception}: {message}"),
    }
}
