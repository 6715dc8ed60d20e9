//! Two tests whose outcome is known.
//!
//! The process that runs the tests runs the code under test too, and that code could write the report
//! itself: for the tests that it has seen, or success for whatever is collected. So in each run there
//! is a test that fails and one that passes, under names that are drawn from a digest of the tree and
//! the number of the run; a report that does not say both is not believed. They exist in trees of
//! the verifier only.

use playpen_runtime::Tree;

use super::gate::{Reason, Run};
use crate::agent::report::TestOutcome;

/// The two tests, and the tree that they were added to.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    /// The tree with the tests.
    pub(crate) tree: Tree,
    /// The file that holds them.
    pub(crate) path: String,
    fails: String,
    passes: String,
}

impl Canary {
    /// Adds the tests to `tree`, under names made of `word`.
    pub(crate) fn add(tree: &Tree, word: &str) -> Canary {
        let path = format!("tests/test_{word}.py");
        // Nobody reads what an assertion of theirs says, so pytest need not rewrite them.
        let text = format!(
            "\"\"\"PYTEST_DONT_REWRITE\"\"\"\n\n\ndef test_{word}_a():\n    assert '{word}' == '{word}'.upper()\n\n\n\
             def test_{word}_b():\n    assert '{word}' == '{word}'.lower()\n"
        );
        let mut tree = tree.clone();
        if let Err(error) = tree.write(&path, text, 0o644) {
            // Where `tests` is no directory there is no test either, and the run says so.
            tracing::debug!("no room for control tests: {error}");
        }
        let id = |suffix: &str| format!("{path}::test_{word}_{suffix}");
        Canary { tree, fails: id("a"), passes: id("b"), path }
    }

    /// Takes the tests out of a run, as if they had not been there, or says what is wrong with them.
    pub(crate) fn take(&self, run: &mut Run) -> Option<Reason> {
        let results = &mut run.report.results;
        let count = |id: &str, is_right: &dyn Fn(TestOutcome, &str) -> bool| {
            let of_id = results.iter().filter(|result| result.id == id);
            let n_right =
                of_id.clone().filter(|result| is_right(result.outcome, &result.exception)).count();
            (n_right, of_id.count())
        };
        let failed = count(&self.fails, &|outcome, exception| {
            outcome == TestOutcome::Failed && exception == "AssertionError"
        });
        let passed = count(&self.passes, &|outcome, _| outcome == TestOutcome::Passed);
        let is_ours = |id: &str| id == self.fails || id == self.passes;
        results.retain(|result| !is_ours(&result.id));
        if let Some(collected) = &mut run.report.collected {
            collected.retain(|id| !is_ours(id));
        }
        if run.stopped.is_some() || run.report.exit_status.is_none() {
            // The run did not come to its end: the gate has a better reason.
            return None;
        }
        if (failed, passed) != ((1, 1), (1, 1)) {
            return Some(Reason::Canary);
        }
        settle(run)
    }
}

/// Takes the failure out of the status, if it is the only one.
fn settle(run: &mut Run) -> Option<Reason> {
    let report = &mut run.report;
    if (report.exit_status, run.exit_code) == (Some(0), Some(0)) {
        return Some(Reason::Canary);
    }
    let is_good = |outcome| {
        matches!(
            outcome,
            TestOutcome::Passed
                | TestOutcome::Skipped
                | TestOutcome::Xfailed
                | TestOutcome::Xpassed
        )
    };
    let all_good = report.results.iter().all(|result| is_good(result.outcome))
        && report.collect_errors.is_empty();
    if all_good && (report.exit_status, run.exit_code) == (Some(1), Some(1)) {
        report.exit_status = Some(0);
        run.exit_code = Some(0);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Canary;
    use crate::{
        agent::report::TestReport,
        verify::gate::{Reason, Run},
    };
    use bytes::Bytes;
    use playpen_runtime::Tree;

    fn canary() -> Canary {
        let mut tree = Tree::new();
        tree.write("tests/test_a.py", "def test_a(): pass\n", 0o644).unwrap();
        Canary::add(&tree, "q1")
    }

    fn run(results: &[(&str, &str)], status: u8) -> Run {
        let mut report: String = results
            .iter()
            .map(|(id, outcome)| {
                let exception = if *outcome == "failed" { "AssertionError" } else { "" };
                serde_json::json!({"event": "test", "id": id, "outcome": outcome, "exception": exception})
                    .to_string()
                    + "\n"
            })
            .collect();
        report += &serde_json::json!({"event": "finish", "exitstatus": status}).to_string();
        Run {
            exit_code: Some(status),
            stopped: None,
            limit: None,
            report: TestReport::parse(&Bytes::from(report)),
            last_words: String::new(),
        }
    }

    const FAILS: &str = "tests/test_q1.py::test_q1_a";
    const PASSES: &str = "tests/test_q1.py::test_q1_b";

    #[test]
    fn an_honest_run_is_as_if_there_were_none() {
        let mut run = run(&[("t::a", "passed"), (FAILS, "failed"), (PASSES, "passed")], 1);
        assert_eq!(canary().take(&mut run), None);
        assert_eq!((run.report.results.len(), run.exit_code), (1, Some(0)));
        assert_eq!(run.report.exit_status, Some(0));
    }

    #[test]
    fn failures_of_others_stay() {
        let mut run = run(&[("t::a", "failed"), (FAILS, "failed"), (PASSES, "passed")], 1);
        assert_eq!(canary().take(&mut run), None);
        assert_eq!((run.report.results.len(), run.exit_code), (1, Some(1)));
    }

    #[test]
    fn a_report_without_both_is_not_believed() {
        for (results, status) in [
            (vec![("t::a", "passed"), (FAILS, "passed"), (PASSES, "passed")], 0),
            (vec![("t::a", "passed")], 0),
            (vec![("t::a", "passed"), (FAILS, "failed"), (PASSES, "passed")], 0),
            (vec![("t::a", "failed"), (FAILS, "failed"), (PASSES, "failed")], 1),
            (vec![(FAILS, "failed"), (FAILS, "failed"), (PASSES, "passed")], 1),
            (vec![(FAILS, "skipped"), (PASSES, "passed")], 1),
            (vec![(FAILS, "failed")], 1),
        ] {
            let mut run = run(&results, status);
            assert_eq!(canary().take(&mut run), Some(Reason::Canary), "{results:?}");
        }
    }
}
