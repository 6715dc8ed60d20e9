//! What pytest said through its own descriptor.
//!
//! The plugin `playpen_report` writes one JSON object a line to a descriptor of the host. It is read
//! here without trust: the process that writes it runs the code under test, so a line may be
//! anything. What cannot be read is counted, never skipped in silence.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The descriptor that the plugin writes to.
pub const REPORT_FD: u32 = 62;

/// The variable that tells the plugin which descriptor that is.
pub const REPORT_FD_VARIABLE: &str = "PLAYPEN_REPORT_FD";

/// Lines of a report that are read. Answers a forged report that never ends.
const MAX_LINES: usize = 200_000;

/// Characters kept of a message. Answers an assertion message of megabytes.
const MAX_MESSAGE_CHARS: usize = 500;

/// How one test came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestOutcome {
    /// It ran to its end.
    Passed,
    /// It raised.
    Failed,
    /// It, or a mark on it, said that it should not run.
    Skipped,
    /// It was expected to fail, and did.
    Xfailed,
    /// It was expected to fail, and did not.
    Xpassed,
    /// Something around it raised: a fixture, or its teardown.
    Error,
}

/// One test and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The test's id, such as `tests/test_a.py::test_x[1]`.
    pub id: String,
    /// How it came out.
    pub outcome: TestOutcome,
    /// The first line of what went wrong.
    pub message: String,
    /// The type of the exception, such as `AssertionError`; empty if there was none.
    pub exception: String,
}

/// A file or package that could not be collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectError {
    /// The node that could not be collected, such as `tests/test_a.py`.
    pub id: String,
    /// What went wrong.
    pub message: String,
}

/// Everything that one run of pytest reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestReport {
    /// The ids that were collected, in order; `None` if pytest did not come that far.
    pub collected: Option<Vec<String>>,
    /// The results, in the order in which they came.
    pub results: Vec<TestResult>,
    /// What could not be collected.
    pub collect_errors: Vec<CollectError>,
    /// The exit status that pytest announced; `None` if it did not come to its end.
    pub exit_status: Option<i64>,
    /// Lines that are not what the plugin writes.
    pub n_malformed: usize,
}

impl TestReport {
    /// Reads what was written to the descriptor.
    pub fn parse(bytes: &Bytes) -> TestReport {
        let mut report = TestReport::default();
        for (line_idx, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice::<wire::Event>(line) {
                Ok(event) if line_idx < MAX_LINES => report.add(event),
                _ => report.n_malformed += 1,
            }
        }
        report
    }

    /// Adds one line.
    fn add(&mut self, event: wire::Event) {
        match event {
            wire::Event::Collected { ids } => self.collected.get_or_insert_default().extend(ids),
            wire::Event::Test { id, outcome, message, exception } => {
                let result = TestResult {
                    id,
                    outcome,
                    message: cut(&message.unwrap_or_default()),
                    exception: last_name(&exception.unwrap_or_default()),
                };
                self.results.push(result);
            }
            wire::Event::CollectError { id, message } => {
                self.collect_errors.push(CollectError { id, message: cut_tail(&message) });
            }
            wire::Event::Finish { exitstatus } => {
                // A second one was not written by the plugin.
                self.n_malformed += usize::from(self.exit_status.is_some());
                self.exit_status = Some(exitstatus);
            }
            wire::Event::Other => self.n_malformed += 1,
        }
    }

    /// Returns the results by id, and the ids that came more than once.
    pub fn by_id(&self) -> (BTreeMap<&str, &TestResult>, BTreeSet<&str>) {
        let mut results = BTreeMap::new();
        let mut repeated = BTreeSet::new();
        for result in &self.results {
            if results.insert(result.id.as_str(), result).is_some() {
                repeated.insert(result.id.as_str());
            }
        }
        (results, repeated)
    }

    /// Returns how many tests came out as `outcome`.
    pub fn count(&self, outcome: TestOutcome) -> usize {
        self.results.iter().filter(|result| result.outcome == outcome).count()
    }
}

/// Keeps the head of a message.
fn cut(message: &str) -> String {
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// Keeps the tail of a message: the last lines of a traceback say what went wrong.
fn cut_tail(message: &str) -> String {
    let n_chars = message.chars().count();
    message.chars().skip(n_chars.saturating_sub(2 * MAX_MESSAGE_CHARS)).collect()
}

/// Returns the last part of a dotted name: exceptions of one name are alike here.
fn last_name(name: &str) -> String {
    cut(name.rsplit('.').next().unwrap_or_default())
}

/// The lines as the plugin writes them.
mod wire {
    use super::TestOutcome;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    pub(super) enum Event {
        Collected {
            ids: Vec<String>,
        },
        Test {
            id: String,
            outcome: TestOutcome,
            message: Option<String>,
            exception: Option<String>,
        },
        CollectError {
            id: String,
            message: String,
        },
        Finish {
            exitstatus: i64,
        },
        #[serde(other)]
        Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{TestOutcome, TestReport};
    use bytes::Bytes;

    fn parse(text: &str) -> TestReport {
        TestReport::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_whole_run_is_read() {
        let report = parse(
            r#"{"event":"collected","ids":["t.py::a","t.py::b"]}
{"event":"test","id":"t.py::a","outcome":"passed","duration_us":12,"message":"","exception":""}
{"event":"test","id":"t.py::b","outcome":"failed","duration_us":9,"message":"assert 1 == 2","exception":"builtins.AssertionError"}
{"event":"collect_error","id":"u.py","message":"No module named 'x'"}
{"event":"finish","exitstatus":1}
"#,
        );
        assert_eq!(report.collected.as_deref().map(<[String]>::len), Some(2));
        assert_eq!(report.count(TestOutcome::Passed), 1);
        assert_eq!(report.results[1].exception, "AssertionError");
        assert_eq!(report.collect_errors[0].id, "u.py");
        assert_eq!(report.exit_status, Some(1));
        assert_eq!(report.n_malformed, 0);
    }

    #[test]
    fn lines_that_are_no_events_are_counted() {
        let report =
            parse("nonsense\n{}\n[1]\n{\"event\":\"test\",\"id\":3}\n{\"event\":\"new\"}\n\n");
        assert_eq!(report.n_malformed, 5);
        assert_eq!(report.results, []);
    }

    #[test]
    fn a_repeated_id_is_seen() {
        let line = r#"{"event":"test","id":"a","outcome":"passed"}"#;
        let report = parse(&format!("{line}\n{line}\n"));
        let (results, repeated) = report.by_id();
        assert_eq!((results.len(), repeated.len()), (1, 1));
    }

    #[test]
    fn a_second_end_is_malformed() {
        let line = r#"{"event":"finish","exitstatus":0}"#;
        assert_eq!(parse(&format!("{line}\n{line}\n")).n_malformed, 1);
    }

    #[test]
    fn a_cut_line_is_malformed() {
        assert_eq!(parse(r#"{"event":"test","id":"a","outco"#).n_malformed, 1);
    }
}
