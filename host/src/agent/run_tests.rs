//! The tool `run_tests`: pytest, with the outcome of each test.
//!
//! The outcomes come through pytest's own descriptor and not from what is printed; what is printed
//! follows, because tracebacks are there.

use playpen_runtime::{Outcome, RunError, Sandbox};
use std::{fmt::Write as _, time::Duration};

use super::{
    bash::output_text,
    exit,
    namespace::limits,
    observation::{Observation, cut_middle},
    report::{REPORT_FD, REPORT_FD_VARIABLE, TestOutcome, TestReport},
    role::WORKSPACE,
};

/// Tests that are listed one by one even if they passed; above it, only the others are.
const MAX_LISTED_PASSED: usize = 40;

/// Runs the tests under `paths`, or all of them.
///
/// # Errors
///
/// Returns a [`RunError`] if the host failed; failing tests are an observation.
pub(super) async fn run_tests(
    sandbox: &Sandbox,
    paths: &[String],
    wall: Duration,
    max_chars: usize,
) -> Result<Observation, RunError> {
    let mut outcome = sandbox
        .command("python")
        .args(["-m", "pytest", "-p", "playpen_report", "-q", "--tb=short"])
        .args(["--no-header", "--no-summary", "--color=no"])
        .args(paths)
        .cwd(WORKSPACE)
        .env(REPORT_FD_VARIABLE, REPORT_FD.to_string())
        .collect(REPORT_FD)
        .limits(limits(wall))
        .output()
        .await?;
    let report = TestReport::parse(&outcome.collected.remove(&REPORT_FD).unwrap_or_default());
    Ok(observe(&report, &outcome, max_chars))
}

/// Says how the tests came out.
fn observe(report: &TestReport, outcome: &Outcome, max_chars: usize) -> Observation {
    let mut text = summary(report);
    if let Some(stopped) = exit::describe(outcome.exit) {
        let _ = writeln!(text, "[{stopped}]");
    }
    let printed = without_duration(&output_text(outcome));
    if !printed.trim().is_empty() {
        let _ = write!(text, "\nOutput of pytest:\n{printed}");
    }
    let ok = outcome.exit.code() == 0 && report.exit_status == Some(0);
    Observation { text: cut_middle(text.trim_end(), max_chars), ok }
}

/// Lists the outcomes, the total first.
fn summary(report: &TestReport) -> String {
    let mut text = totals(report);
    let list_passed = report.results.len() <= MAX_LISTED_PASSED;
    for result in &report.results {
        if result.outcome != TestOutcome::Passed || list_passed {
            let _ = write!(text, "{} {}", label(result.outcome), result.id);
            if !result.message.is_empty() && result.outcome != TestOutcome::Passed {
                let _ = write!(text, " - {}", first_line(&result.message));
            }
            text.push('\n');
        }
    }
    for error in &report.collect_errors {
        let last = error.message.trim_end().lines().last().unwrap_or_default();
        let _ = writeln!(text, "NOT COLLECTED {} - {last}", error.id);
    }
    text
}

/// Counts the outcomes.
fn totals(report: &TestReport) -> String {
    let kinds = [
        (TestOutcome::Passed, "passed"),
        (TestOutcome::Failed, "failed"),
        (TestOutcome::Error, "errors"),
        (TestOutcome::Skipped, "skipped"),
        (TestOutcome::Xfailed, "xfailed"),
        (TestOutcome::Xpassed, "xpassed"),
    ];
    let mut parts: Vec<String> = kinds
        .iter()
        .map(|(outcome, name)| (report.count(*outcome), name))
        .filter(|(n, _)| *n > 0)
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    if !report.collect_errors.is_empty() {
        parts.push(format!("{} not collected", report.collect_errors.len()));
    }
    if parts.is_empty() { "no tests ran\n".to_owned() } else { format!("{}\n", parts.join(", ")) }
}

fn label(outcome: TestOutcome) -> &'static str {
    match outcome {
        TestOutcome::Passed => "PASSED",
        TestOutcome::Failed => "FAILED",
        TestOutcome::Skipped => "SKIPPED",
        TestOutcome::Xfailed => "XFAILED",
        TestOutcome::Xpassed => "XPASSED",
        TestOutcome::Error => "ERROR",
    }
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

/// Drops pytest's last line, which is its own total and says how long the run took: the total stands
/// above, and the time would make two equal runs differ.
fn without_duration(printed: &str) -> String {
    let lines = printed.lines().filter(|line| !is_total(line));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// Returns whether `line` looks like `2 failed, 1 passed in 0.12s`, bare or between `=` signs.
fn is_total(line: &str) -> bool {
    let line = line.trim_matches(['=', ' ']);
    let Some((counts, time)) = line.rsplit_once(" in ") else { return false };
    let time = time.split(' ').next().unwrap_or_default();
    let starts = counts.starts_with(|c: char| c.is_ascii_digit()) || counts == "no tests ran";
    starts && time.strip_suffix('s').is_some_and(|seconds| seconds.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::{is_total, summary};
    use crate::agent::report::TestReport;
    use bytes::Bytes;
    use insta::assert_snapshot;

    #[test]
    fn each_test_is_listed() {
        let report = TestReport::parse(&Bytes::from_static(
            br#"{"event":"test","id":"t.py::a","outcome":"passed","message":"noise"}
{"event":"test","id":"t.py::b","outcome":"failed","message":"AssertionError: assert 1 == 2\nmore"}
{"event":"test","id":"t.py::c","outcome":"error","message":"fixture 'x' not found"}
{"event":"collect_error","id":"u.py","message":"Traceback\nModuleNotFoundError: No module named 'x'\n"}
"#,
        ));
        assert_snapshot!(summary(&report), @r"
        1 passed, 1 failed, 1 errors, 1 not collected
        PASSED t.py::a
        FAILED t.py::b - AssertionError: assert 1 == 2
        ERROR t.py::c - fixture 'x' not found
        NOT COLLECTED u.py - ModuleNotFoundError: No module named 'x'
        ");
    }

    #[test]
    fn nothing_is_said_plainly() {
        assert_eq!(summary(&TestReport::default()), "no tests ran\n");
    }

    #[test]
    fn only_the_total_is_dropped() {
        assert!(is_total("2 failed, 1 passed in 0.12s"));
        assert!(is_total("===== 1 passed in 62.10s (0:01:02) ====="));
        assert!(is_total("no tests ran in 0.01s"));
        assert!(!is_total("E   assert 3 in 4s"));
        assert!(!is_total("3 blocks in use"));
    }
}
