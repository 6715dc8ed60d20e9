//! Checks a repository that was set up: it imports, its functions are stubs, no test passes.
//!
//! The checks run in fresh sandboxes. What they find comes back through a descriptor of the host, not
//! through what is printed.

use super::repository::unrestricted;
use crate::{
    agent::{
        WORKSPACE, exit,
        namespace::{limits, open_sandbox},
        report::{REPORT_FD, REPORT_FD_VARIABLE, TestOutcome, TestReport},
    },
    context::Context,
    verify::check::CheckError,
};
use bytes::Bytes;
use playpen_runtime::{Outcome, Sandbox, Tree};
use serde::Deserialize;
use std::time::Duration;

/// Reads every module, then imports each; see its docstring.
const SCRIPT: &str = include_str!("check_skeleton.py");
/// Findings of one kind that are listed.
const MAX_LISTED: usize = 10;
/// Time for `git status`.
const GIT_WALL: Duration = Duration::from_mins(1);

/// Returns what is wrong with the repository in `tree`; nothing if it can be kept.
pub(super) async fn check(
    ctx: &Context,
    tree: &Tree,
    wall: Duration,
) -> Result<Vec<String>, CheckError> {
    let sandbox = open(ctx, tree)?;
    let mut findings = judge(&look(&sandbox, wall).await?);
    if findings.is_empty() {
        findings = passing_tests(&open(ctx, tree)?, wall).await?;
    }
    Ok(findings)
}

/// Tells whether git sees nothing in `tree` that is not committed.
pub(super) async fn is_committed(ctx: &Context, tree: &Tree) -> Result<bool, CheckError> {
    let sandbox = open(ctx, tree)?;
    let command = sandbox
        .command("git")
        .args(["status", "--porcelain"])
        .cwd(WORKSPACE)
        .limits(limits(GIT_WALL));
    let outcome =
        command.output().await.map_err(|source| CheckError::Run { program: "git", source })?;
    if outcome.exit.code() != 0 {
        let message = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
        return Err(CheckError::Git { message: format!("`git status`: {message}") });
    }
    Ok(outcome.stdout.iter().all(u8::is_ascii_whitespace))
}

fn open(ctx: &Context, tree: &Tree) -> Result<Sandbox, CheckError> {
    open_sandbox(ctx, tree.clone(), &unrestricted(), None).map_err(CheckError::Sandbox)
}

/// What the script found, line by line.
#[derive(Debug, Default)]
struct Look {
    found: Option<Found>,
    imports: Vec<Import>,
    /// Why the script did not come to its end.
    stopped: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Found {
    modules: Vec<String>,
    errors: Vec<String>,
    stubs: Vec<String>,
    implemented: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Import {
    module: String,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Found(Found),
    Import(Import),
}

async fn look(sandbox: &Sandbox, wall: Duration) -> Result<Look, CheckError> {
    let command = sandbox.command("python").args(["-I", "-c", SCRIPT, WORKSPACE]).cwd(WORKSPACE);
    let outcome = command.collect(REPORT_FD).limits(limits(wall)).output().await;
    let outcome = outcome.map_err(|source| CheckError::Run { program: "python", source })?;
    let report = outcome.collected.get(&REPORT_FD).cloned().unwrap_or_default();
    Ok(Look { stopped: stopped(&outcome), ..read(&report) })
}

fn read(report: &Bytes) -> Look {
    let mut look = Look::default();
    for line in report.split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            // The first line is written before any code of the repository runs.
            Ok(Line::Found(found)) if look.found.is_none() => look.found = Some(found),
            Ok(Line::Import(import)) => look.imports.push(import),
            Ok(Line::Found(_)) | Err(_) => {}
        }
    }
    look
}

fn stopped(outcome: &Outcome) -> Option<String> {
    let said = || {
        String::from_utf8_lossy(&outcome.stderr)
            .trim()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    let failed = || format!("the check ended with status {}: {}", outcome.exit.code(), said());
    exit::describe(outcome.exit).or_else(|| (outcome.exit.code() != 0).then(failed))
}

fn judge(look: &Look) -> Vec<String> {
    let Some(found) = &look.found else {
        return vec![look.stopped.clone().unwrap_or_else(|| "the check found nothing".to_owned())];
    };
    let mut findings = found.errors.clone();
    if found.modules.is_empty() && findings.is_empty() {
        findings.push("there is no Python module".to_owned());
    } else if found.stubs.is_empty() && findings.is_empty() {
        findings.push(
            "no function raises `NotImplementedError`; the tasks' functions must be there as stubs"
                .to_owned(),
        );
    }
    if found.implemented.len() > found.stubs.len() {
        let listed: Vec<&str> =
            found.implemented.iter().take(MAX_LISTED).map(String::as_str).collect();
        findings.push(format!(
            "{} functions are implemented and only {} are stubs, among the first: {}",
            found.implemented.len(),
            found.stubs.len(),
            listed.join(", ")
        ));
    }
    findings.extend(look.imports.iter().filter_map(|import| {
        let error = import.error.as_ref()?;
        Some(format!("module `{}` cannot be imported: {error}", import.module))
    }));
    if findings.is_empty() && look.imports.len() < found.modules.len() {
        let next = &found.modules[look.imports.len()];
        let why = look.stopped.as_deref().unwrap_or("the process ended");
        findings.push(format!("importing module `{next}` does not come to an end: {why}"));
    }
    findings.truncate(MAX_LISTED);
    findings
}

/// Runs pytest over the whole repository: nothing in it may pass.
async fn passing_tests(sandbox: &Sandbox, wall: Duration) -> Result<Vec<String>, CheckError> {
    let command = sandbox
        .command("python")
        .args(["-m", "pytest", "-p", "playpen_report", "-q"])
        .cwd(WORKSPACE)
        .env(REPORT_FD_VARIABLE, REPORT_FD.to_string())
        .collect(REPORT_FD)
        .limits(limits(wall));
    let outcome =
        command.output().await.map_err(|source| CheckError::Run { program: "python", source })?;
    let report = TestReport::parse(outcome.collected.get(&REPORT_FD).unwrap_or(&Bytes::new()));
    let passed = report.results.iter().filter(|result| result.outcome == TestOutcome::Passed);
    Ok(passed
        .take(MAX_LISTED)
        .map(|result| format!("test `{}` passes already", result.id))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    /// Judges what the script wrote.
    fn findings(report: &'static str) -> String {
        judge(&read(&Bytes::from_static(report.as_bytes()))).join("\n")
    }

    #[test]
    fn good_skeleton_has_no_findings() {
        assert_snapshot!(findings("{\"modules\":[\"a\"],\"errors\":[],\"stubs\":[\"a.f\"],\"implemented\":[]}\n{\"module\":\"a\",\"error\":null}\n"), @"");
    }

    #[test]
    fn implementation_is_no_skeleton() {
        assert_snapshot!(findings("{\"modules\":[\"a\"],\"errors\":[],\"stubs\":[\"a.f\"],\"implemented\":[\"a.g\",\"a.h\"]}\n{\"module\":\"a\",\"error\":null}\n"), @"2 functions are implemented and only 1 are stubs, among the first: a.g, a.h");
    }

    #[test]
    fn module_that_ends_the_process_is_found() {
        assert_snapshot!(findings("{\"modules\":[\"a\",\"b\"],\"errors\":[],\"stubs\":[\"a.f\"],\"implemented\":[]}\n{\"module\":\"a\",\"error\":null}\n"), @"importing module `b` does not come to an end: the process ended");
    }

    #[test]
    fn forged_list_of_modules_comes_too_late() {
        assert_snapshot!(findings("{\"modules\":[],\"errors\":[],\"stubs\":[],\"implemented\":[]}\n{\"modules\":[\"a\"],\"errors\":[],\"stubs\":[\"a.f\"],\"implemented\":[]}\n"), @"there is no Python module");
    }
}
