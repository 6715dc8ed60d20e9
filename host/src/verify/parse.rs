//! The gate `parse`: test files are read as Python, and not run.
//!
//! The reading is done by a script of ours in a guest, started so that nothing of the workspace is
//! imported; its findings come through a descriptor of their own.

use bytes::Bytes;
use playpen_runtime::{Outcome, RunError, Sandbox};
use serde::Deserialize;
use std::{collections::BTreeSet, path::Path, time::Duration};

use super::gate::{Gate, Reason, Verdict};
use crate::agent::{exit, namespace::limits, report::REPORT_FD, role::WORKSPACE};

/// The script that reads the files.
const SCRIPT: &str = include_str!("parse_tests.py");

/// A file under `tests/` as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestFile {
    /// Its path in the workspace.
    pub path: String,
    /// Its test functions: `test_x`, `TestA::test_x`.
    pub functions: Vec<String>,
    /// Those of them that a mark skips, or expects to fail.
    pub idle: Vec<String>,
}

/// Returns whether a file is a Python module by its name.
pub fn is_python(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "py")
}

/// Returns whether pytest takes a file for tests by its name.
pub fn is_test_module(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.strip_suffix(".py");
    stem.is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}

/// Which names files of tests may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Those by which pytest finds tests.
    Found,
    /// Any: the files are given to pytest by name.
    Any,
}

/// Reads the Python files among `paths`, which are paths of the workspace in `sandbox`.
///
/// # Errors
///
/// Returns a [`RunError`] if the host failed; what is wrong with the files is in the verdict.
pub async fn parse(
    sandbox: &Sandbox,
    paths: &BTreeSet<String>,
    names: Names,
    wall: Duration,
) -> Result<(Verdict, Vec<TestFile>), RunError> {
    let paths: Vec<&String> = paths.iter().filter(|path| is_python(path)).collect();
    let may_be_tests = |path: &str| names == Names::Any || is_test_module(path);
    if !paths.iter().any(|path| may_be_tests(path)) {
        return Ok((Verdict::new(Gate::Parse, vec![Reason::NoTestFiles]), vec![]));
    }
    let request = serde_json::to_vec(&paths).expect("a list of strings is JSON");
    let mut outcome = sandbox
        .command("python")
        .args(["-I", "-c", SCRIPT])
        .cwd(WORKSPACE)
        .stdin(Bytes::from(request))
        .collect(REPORT_FD)
        .limits(limits(wall))
        .output()
        .await?;
    let findings = outcome.collected.remove(&REPORT_FD).unwrap_or_default();
    Ok(judge(&paths, &findings, &outcome))
}

/// Judges what the script found.
fn judge(paths: &[&String], findings: &Bytes, outcome: &Outcome) -> (Verdict, Vec<TestFile>) {
    let mut reasons = vec![];
    let mut files = vec![];
    for line in findings.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Finding>(line) {
            Ok(finding) => add(finding, &mut reasons, &mut files),
            Err(_) => reasons.push(Reason::ReportMalformed { n_lines: 1 }),
        }
    }
    if outcome.exit.code() != 0 {
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        let last = stderr.trim().lines().last().unwrap_or_default();
        let how = exit::describe(outcome.exit)
            .unwrap_or_else(|| format!("ended with status {}: {last}", outcome.exit.code()));
        reasons.push(Reason::Stopped { how });
    } else if reasons.is_empty() && files.len() != paths.len() {
        reasons.push(Reason::ReportIncomplete { status: 0, said: String::new() });
    }
    (Verdict::new(Gate::Parse, reasons), files)
}

/// Adds what was found in one file.
fn add(finding: Finding, reasons: &mut Vec<Reason>, files: &mut Vec<TestFile>) {
    let Finding { path, error, functions, idle, hooks } = finding;
    if let Some(SyntaxError { line, message }) = error {
        reasons.push(Reason::SyntaxError { path, line, message });
        return;
    }
    let hook = |name: String| Reason::PytestHook { path: path.clone(), name };
    reasons.extend(hooks.into_iter().map(hook));
    files.push(TestFile { path, functions, idle });
}

#[derive(Debug, Deserialize)]
struct Finding {
    path: String,
    error: Option<SyntaxError>,
    #[serde(default)]
    functions: Vec<String>,
    #[serde(default)]
    idle: Vec<String>,
    #[serde(default)]
    hooks: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct SyntaxError {
    line: u64,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::is_test_module;

    #[test]
    fn test_modules_are_known_by_name() {
        for path in ["tests/test_a.py", "tests/x/a_test.py", "tests/test_1_1_1.py"] {
            assert!(is_test_module(path), "{path}");
        }
        for path in ["tests/conftest.py", "tests/test_a.txt", "tests/helper.py", "test_/a.py"] {
            assert!(!is_test_module(path), "{path}");
        }
    }
}
