//! Runs of pytest whose result the pipeline believes.
//!
//! A check is made in a fresh sandbox over a tree that [`merge`](super::merge) put together. pytest
//! and the reporter are imported before the workspace is on Python's path, so that no file of the
//! workspace can take their place; results come through the reporter's descriptor.

use playpen_runtime::{RunError, Sandbox, SandboxError, Tree};
use std::{collections::BTreeSet, time::Duration};
use thiserror::Error;

use super::{
    gate::{Run, Verdict},
    parse::{self, TestFile},
};
use crate::{
    agent::{
        AgentRole, WORKSPACE, exit,
        namespace::{limits, open_sandbox},
        report::{REPORT_FD, REPORT_FD_VARIABLE, TestReport},
    },
    context::Context,
};

/// Starts pytest as `python -m pytest` does, in an order that no file of the workspace can change.
const START: &str = "\
import sys, pytest, playpen_report
sys.path.insert(0, sys.argv[1])
sys.exit(pytest.main(sys.argv[2:]))
";

/// Options of every run.
const OPTIONS: [&str; 10] = [
    "-p",
    "playpen_report",
    "-p",
    "no:cacheprovider",
    "-q",
    "--tb=short",
    "--color=no",
    "--rootdir=/workspace",
    "--continue-on-collection-errors",
    "--maxfail=0",
];

/// Characters kept of a line.
const MAX_LINE_CHARS: usize = 300;

/// Why a check could not be made. What the tests do is never among these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The sandbox could not be made.
    #[error("failed to make a sandbox for a check")]
    Sandbox(#[source] SandboxError),
    /// The host failed while a guest ran.
    #[error("failed to run `{program}` in the sandbox of a check")]
    Run {
        /// The program.
        program: &'static str,
        /// What went wrong.
        #[source]
        source: RunError,
    },
    /// The guest for git did not do what it must.
    #[error("git failed in the sandbox: {message}")]
    Git {
        /// What it said.
        message: String,
    },
}

/// What a check does with the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// List them.
    Collect,
    /// Run them.
    Test,
}

/// Makes checks.
#[derive(Clone, Debug)]
pub struct Checker<'a> {
    /// Engine and image.
    pub ctx: &'a Context,
    /// Time for one run of pytest.
    pub wall: Duration,
}

impl Checker<'_> {
    /// Reads the Python files at `paths` of `tree` as Python.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn parse(
        &self,
        tree: &Tree,
        paths: &BTreeSet<String>,
    ) -> Result<(Verdict, Vec<TestFile>), CheckError> {
        let sandbox = self.open(tree)?;
        let parsed = parse::parse(&sandbox, paths, self.wall).await;
        parsed.map_err(|source| CheckError::Run { program: "python", source })
    }

    /// Runs pytest on all tests of `tree`.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn pytest(&self, tree: &Tree, mode: Mode) -> Result<Run, CheckError> {
        let sandbox = self.open(tree)?;
        let collect_only: &[&str] = if mode == Mode::Collect { &["--collect-only"] } else { &[] };
        let mut outcome = sandbox
            .command("python")
            .args(["-I", "-c", START, WORKSPACE])
            .args(OPTIONS)
            .args(collect_only.iter().copied())
            .args(["tests"])
            .cwd(WORKSPACE)
            .env(REPORT_FD_VARIABLE, REPORT_FD.to_string())
            .collect(REPORT_FD)
            .limits(limits(self.wall))
            .output()
            .await
            .map_err(|source| CheckError::Run { program: "python", source })?;
        let report = outcome.collected.remove(&REPORT_FD).unwrap_or_default();
        let is_regular = exit::is_regular(outcome.exit);
        Ok(Run {
            exit_code: is_regular.then(|| outcome.exit.code()),
            stopped: exit::describe(outcome.exit),
            report: TestReport::parse(&report),
            last_words: last_line(&outcome.stderr),
        })
    }

    /// Opens the sandbox of a check: the tests and what configures them are read-only, and whatever
    /// is written is thrown away.
    fn open(&self, tree: &Tree) -> Result<Sandbox, CheckError> {
        let policy = AgentRole::Implementer.policy();
        open_sandbox(self.ctx, tree.clone(), &policy, None).map_err(CheckError::Sandbox)
    }
}

/// Returns the last line of what was printed, cut to a width for people.
fn last_line(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let line = text.trim().lines().last().unwrap_or_default();
    line.trim_start_matches("E ").trim().chars().take(MAX_LINE_CHARS).collect()
}
