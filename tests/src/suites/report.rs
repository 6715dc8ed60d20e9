//! What a run tells of each test, line by line; see `suites/suite_report.py`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// `passed`, `failed`, `error`, `skipped`, `xfailed`, `xpassed`, or `crashed` or `hung` for a test in
    /// which the run ended.
    pub outcome: String,
    /// What went wrong, in one line.
    pub message: String,
}

/// What became of the tests of a run so far, by id.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The tests that ended.
    pub tests: BTreeMap<String, Test>,
    /// The test that started and has not ended.
    pub running: Option<String>,
    /// The exit status that pytest had before it ended.
    pub finish: Option<i32>,
}

#[derive(Debug, Deserialize)]
struct Line {
    start: Option<String>,
    end: Option<String>,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    message: String,
    finish: Option<i32>,
}

impl Report {
    /// Reads lines; a last one that was cut off is left out.
    pub fn parse(lines: &[u8]) -> Self {
        let mut report = Self::default();
        let lines = lines.split(|byte| *byte == b'\n');
        for line in lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok()) {
            report.add(line);
        }
        report
    }

    fn add(&mut self, line: Line) {
        if let Some(id) = line.start {
            self.running = Some(id);
        }
        if let Some(id) = line.end {
            self.running = None;
            self.insert(&id, Test { outcome: line.outcome, message: line.message });
        }
        self.finish = line.finish.or(self.finish);
    }

    /// Adds a test; a second one of the same id gets a number.
    fn insert(&mut self, id: &str, test: Test) {
        let numbered = (1..).map(|n| if n == 1 { id.to_owned() } else { format!("{id}#{n}") });
        if let Some(id) = { numbered }.find(|id| !self.tests.contains_key(id)) {
            self.tests.insert(id, test);
        }
    }

    /// Adds what a later run of the same suite told.
    pub fn merge(&mut self, later: Self) {
        for (id, test) in later.tests {
            self.tests.entry(id).or_insert(test);
        }
        (self.running, self.finish) = (later.running, later.finish);
    }

    /// Ends the test that was running in the given way; returns whether there was one.
    pub fn break_off(&mut self, outcome: &str, message: &str) -> bool {
        let Some(id) = self.running.take() else { return false };
        self.insert(&id, Test { outcome: outcome.to_owned(), message: message.to_owned() });
        true
    }

    /// Returns the ids that a further run leaves out, as JSON.
    pub fn skip_list(&self) -> Vec<u8> {
        let ids: Vec<&String> = self.tests.keys().collect();
        serde_json::to_vec(&ids).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_run_that_dies_tells_what_ran_before() {
        let lines = br#"{"start": "a"}
{"end": "a", "outcome": "passed", "message": ""}
{"start": "b"}
{"end": "b", "outc"#;
        let mut report = Report::parse(lines);
        assert!(report.break_off("crashed", "signal 6") && report.finish.is_none());
        let outcomes: Vec<_> =
            report.tests.iter().map(|(id, test)| format!("{id} {}", test.outcome)).collect();
        assert_eq!(outcomes, ["a passed", "b crashed"]);
        assert_eq!(report.skip_list(), br#"["a","b"]"#);
    }

    #[test]
    fn two_tests_of_one_id_are_two() {
        let line = r#"{"end": "a", "outcome": "passed"}"#;
        let report = Report::parse(format!("{line}\n{line}\n").as_bytes());
        assert_eq!(report.tests.keys().collect::<Vec<_>>(), ["a", "a#2"]);
    }
}
