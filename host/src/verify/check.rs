//! Runs of pytest whose result the pipeline believes.
//!
//! A check is made in a fresh sandbox over a tree that [`merge`](super::merge) put together. pytest
//! and the reporter are imported before the workspace is on Python's path, so that no file of the
//! workspace can take their place; results come through the reporter's descriptor, which exists in
//! no other process than this one.

use bytes::Bytes;
use playpen_runtime::{Exit, RunError, Sandbox, SandboxError, Tree};
use std::{collections::BTreeSet, time::Duration};
use thiserror::Error;

use super::{
    gate::{Run, Verdict},
    parse::{self, TestFile},
    program::Program,
};
use crate::{
    agent::{
        AgentRole, WORKSPACE, exit,
        namespace::{Perturbation, limits, open_perturbed, python},
        report::{REPORT_FD, REPORT_FD_VARIABLE, TestReport},
    },
    context::Context,
};

/// Starts pytest as `python -m pytest` does, in an order that no file of the workspace can change.
const START: Program = Program { name: "start.py", source: include_str!("start.py") };

/// Options of every run.
const OPTIONS: [&str; 8] = [
    "-p",
    "no:cacheprovider",
    "-q",
    "--tb=short",
    "--color=no",
    "--rootdir=/workspace",
    "--continue-on-collection-errors",
    "--maxfail=0",
];

/// Where tests lie unless a selection says otherwise.
const TESTS: &str = "tests";

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
    /// A script of the verifier did not do what it must.
    #[error("the verifier's own script failed in the sandbox: {message}")]
    Script {
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

/// Which tests a check runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All under `tests/`.
    #[default]
    All,
    /// Those in some files or folders, or with some ids; paths of the workspace.
    Paths(BTreeSet<String>),
}

impl Selection {
    /// Returns what pytest is told.
    fn arguments(&self) -> Vec<String> {
        match self {
            Self::All => vec![TESTS.to_owned()],
            Self::Paths(paths) => paths.iter().cloned().collect(),
        }
    }

    /// Returns this selection with the file at `path`.
    pub(super) fn with(&self, path: &str) -> Selection {
        match self {
            Self::All => Self::All,
            Self::Paths(paths) => {
                let mut paths = paths.clone();
                paths.insert(path.to_owned());
                Self::Paths(paths)
            }
        }
    }
}

/// In which order the tests run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they are written.
    #[default]
    Written,
    /// The last one first.
    Reversed,
    /// Files, classes and tests drawn by a seed.
    Shuffled(u32),
}

/// What may differ from one run of the same tests to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// In which order the tests run.
    pub order: Order,
    /// Random bytes, hashes and the clock of the sandbox.
    pub perturbation: Perturbation,
    /// Whether it is hidden that pytest runs the tests.
    pub is_disguised: bool,
    /// Whether assertions stay as they are written: no message says what was compared, and nothing is compiled twice.
    pub has_plain_asserts: bool,
    /// Of all tests that are collected, those that are run; all of them if there is nothing here.
    pub only: Option<BTreeSet<String>>,
    /// Source files whose compiled code no test may read; see `veil.rs`.
    pub veiled: BTreeSet<String>,
    /// The file of the controls. They always run, and do not count where orders are compared.
    pub controls: Option<String>,
    /// Test files that are compiled already, as `codes.py` writes them; none if it is empty.
    pub codes: Bytes,
}

impl Manner {
    /// Returns the plan as the script reads it.
    fn plan(&self) -> String {
        let order = match self.order {
            Order::Written => serde_json::Value::Null,
            Order::Reversed => "reversed".into(),
            Order::Shuffled(seed) => seed.into(),
        };
        let plan = serde_json::json!({
            "root": WORKSPACE,
            "order": order,
            "disguised": self.is_disguised,
            "only": self.only,
            "controls": self.controls,
            "veiled": self.veiled,
        });
        plan.to_string()
    }
}

/// How far one run of pytest may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// Time spent computing. Meeting it is the fault of what is run.
    pub cpu: Duration,
    /// Time from start to end, above any that a run needs on a busy machine.
    pub wall: Duration,
}

impl Default for CheckLimits {
    /// A minute of computing, ten minutes in all.
    fn default() -> Self {
        Self { cpu: Duration::from_mins(1), wall: Duration::from_mins(10) }
    }
}

/// Makes checks.
#[derive(Clone, Debug)]
pub struct Checker<'a> {
    /// Engine and image.
    pub ctx: &'a Context,
    /// How far one run of pytest may go.
    pub limits: CheckLimits,
}

impl Checker<'_> {
    /// Reads the Python files at `paths` of `tree` as tests.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn parse(
        &self,
        tree: &Tree,
        paths: &BTreeSet<String>,
        names: parse::Names,
    ) -> Result<(Verdict, Vec<TestFile>), CheckError> {
        let sandbox = self.open(tree, Perturbation::default())?;
        let parsed = parse::parse(&sandbox, paths, names, self.limits.wall).await;
        parsed.map_err(|source| CheckError::Run { program: "python", source })
    }

    /// Runs pytest once on tests of `tree`, in the order in which they are written.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn pytest(
        &self,
        tree: &Tree,
        mode: Mode,
        selection: &Selection,
    ) -> Result<Run, CheckError> {
        self.run(tree, mode, selection, &Manner::default()).await
    }

    /// Runs pytest once, in a manner.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn run(
        &self,
        tree: &Tree,
        mode: Mode,
        selection: &Selection,
        manner: &Manner,
    ) -> Result<Run, CheckError> {
        let sandbox = self.open(tree, manner.perturbation)?;
        let python = python(manner.perturbation);
        let collect_only: &[&str] = if mode == Mode::Collect { &["--collect-only"] } else { &[] };
        let plain: &[&str] = if manner.has_plain_asserts { &["--assert=plain"] } else { &[] };
        let command = START.command(self.ctx, &sandbox, &python, &manner.codes).await?;
        let mut outcome = command
            .arg(manner.plan())
            .args(OPTIONS)
            .args(plain.iter().chain(collect_only).copied())
            .args(selection.arguments())
            .cwd(WORKSPACE)
            .env(REPORT_FD_VARIABLE, REPORT_FD.to_string())
            .limits(self.limits())
            .output()
            .await
            .map_err(|source| CheckError::Run { program: "python", source })?;
        let report = outcome.collected.remove(&REPORT_FD).unwrap_or_default();
        let is_regular = exit::is_regular(outcome.exit);
        Ok(Run {
            exit_code: is_regular.then(|| outcome.exit.code()),
            stopped: exit::describe(outcome.exit),
            limit: match outcome.exit {
                Exit::Limit(limit) => Some(limit),
                _ => None,
            },
            report: TestReport::parse(&report),
            last_words: last_line(&outcome.stderr),
        })
    }

    /// Opens the sandbox of a check: the tests and what configures them are read-only, and whatever
    /// is written is thrown away.
    pub(super) fn open(
        &self,
        tree: &Tree,
        perturbation: Perturbation,
    ) -> Result<Sandbox, CheckError> {
        let policy = AgentRole::Implementer.policy();
        open_perturbed(self.ctx, tree.clone(), &policy, None, perturbation)
            .map_err(CheckError::Sandbox)
    }

    /// Returns the limits of one command.
    pub(super) fn limits(&self) -> playpen_runtime::Limits {
        playpen_runtime::Limits { cpu: self.limits.cpu, ..limits(self.limits.wall) }
    }
}

/// Returns the last line of what was printed, cut to a width for people.
fn last_line(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let line = text.trim().lines().last().unwrap_or_default();
    line.trim_start_matches("E ").trim().chars().take(MAX_LINE_CHARS).collect()
}
