//! A test that must fail, added to every verification.
//!
//! Whoever makes pytest report success without running the tests, by a hook, by a forged report or by
//! an early exit, makes this test pass or vanish too. Nobody is told its name: it is made from the
//! digest of the tree under test, and it exists in the verifier's tree only.

use playpen_runtime::Tree;

use super::gate::{Reason, Run};
use crate::agent::report::TestOutcome;

/// Hexadecimal digits of the digest in the name.
const NAME_DIGITS: usize = 16;

/// The test, and the tree that it was added to.
#[derive(Clone, Debug)]
pub(super) struct Canary {
    /// The tree with the test.
    pub(super) tree: Tree,
    id: String,
}

impl Canary {
    /// Adds the test to `tree`. Its file comes last by name, so that it changes nothing for others.
    pub(super) fn add(tree: &Tree) -> Canary {
        let digest = tree.digest().to_hex();
        let name = &digest.as_str()[..NAME_DIGITS];
        let path = format!("tests/test_zzz_{name}.py");
        let mut tree = tree.clone();
        tree.write(&path, format!("def test_{name}():\n    assert '{name}' == ''\n"), 0o644)
            .expect("nothing has this name, and accepted tests are in `tests/`");
        Canary { tree, id: format!("{path}::test_{name}") }
    }

    /// Takes the test out of a run, as if it had not been there, or says what is wrong with it.
    pub(super) fn take(&self, run: &mut Run) -> Option<Reason> {
        let results = &mut run.report.results;
        let n_failed = results.iter().filter(|result| {
            result.id == self.id
                && result.outcome == TestOutcome::Failed
                && result.exception == "AssertionError"
        });
        let n_failed = n_failed.count();
        let n_reported = results.iter().filter(|result| result.id == self.id).count();
        results.retain(|result| result.id != self.id);
        if run.stopped.is_some() || run.report.exit_status.is_none() {
            // The run did not come to its end: the gate has a better reason.
            return None;
        }
        if (n_failed, n_reported) != (1, 1) {
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
    let all_passed = report.results.iter().all(|result| result.outcome == TestOutcome::Passed)
        && report.collect_errors.is_empty();
    if all_passed && (report.exit_status, run.exit_code) == (Some(1), Some(1)) {
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
        rollout::gate::{Reason, Run},
    };
    use bytes::Bytes;
    use playpen_runtime::Tree;

    fn canary() -> Canary {
        let mut tree = Tree::new();
        tree.write("tests/test_a.py", "def test_a(): pass\n", 0o644).unwrap();
        Canary::add(&tree)
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
            report: TestReport::parse(&Bytes::from(report)),
            last_words: String::new(),
        }
    }

    #[test]
    fn an_honest_run_is_as_if_there_were_none() {
        let canary = canary();
        let mut run = run(&[("t::a", "passed"), (&canary.id, "failed")], 1);
        assert_eq!(canary.take(&mut run), None);
        assert_eq!((run.report.results.len(), run.exit_code), (1, Some(0)));
        assert_eq!(run.report.exit_status, Some(0));
    }

    #[test]
    fn failures_of_others_stay() {
        let canary = canary();
        let mut run = run(&[("t::a", "failed"), (&canary.id, "failed")], 1);
        assert_eq!(canary.take(&mut run), None);
        assert_eq!((run.report.results.len(), run.exit_code), (1, Some(1)));
    }

    #[test]
    fn success_of_everything_is_no_success() {
        let canary = canary();
        for (results, status) in [
            (vec![("t::a", "passed"), (canary.id.as_str(), "passed")], 0),
            (vec![("t::a", "passed")], 0),
            (vec![("t::a", "passed"), (&canary.id, "failed")], 0),
            (vec![(&canary.id, "failed"), (&canary.id, "failed")], 1),
            (vec![(&canary.id, "skipped")], 1),
        ] {
            let mut run = run(&results, status);
            assert_eq!(canary.take(&mut run), Some(Reason::Canary), "{results:?}");
        }
    }
}
