//! The rollout: from a project and its tasks to verified trajectories.
//!
//! [`rollout`] takes the tasks in an order in which each comes after those that it depends on, and
//! works on them one after the other (`task.rs`). A task that stays unsolved is recorded, those that
//! depend on it are skipped, and the others go on. What the agents leave is believed only as far as
//! the verifier can check it: [`merge`](crate::verify::merge) takes the changes that a role
//! allows, [`verify`](crate::verify) runs pytest in fresh sandboxes, its gates judge.
//!
//! # Invariants
//!
//! * **The project's tree moves only with a solved task**: tests and implementation together, two
//!   commits.
//! * **An `Err` ends the run, a refused attempt does not.** An `Err` is the host's fault, the
//!   project's, or a model that cannot be asked.
//! * **Records are complete up to the point where a run stops**, for whatever reason.

use playpen_runtime::Tree;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    agent::{AgentBudget, report::TestOutcome},
    context::Context,
    mutation::MutationConfig,
    progress::{Progress, ProgressSink},
    project::{Task, TaskGraph, TaskNumber},
    record::{FORMAT_VERSION, RunRecord, StoredBudget},
    verify::{
        FrozenTests, Observation, Selection, VerifySettings, gate, gate::Reason, parse,
        with_tests_of,
    },
};

mod attempt;
mod error;
pub(crate) mod git;
mod project;
pub(crate) mod prompts;
mod report;
mod resume;
mod strength;
mod task;

pub use error::RolloutError;
pub(crate) use project::without_times;
pub use project::{LoadedProject, ProjectError};
pub use report::{RolloutReport, TaskReport, TaskState, Totals};
use resume::Before;

/// The stage's name in progress events.
const STAGE: &str = "rollout";

/// What a rollout works on, and how far it may go.
#[derive(Clone, Debug)]
pub struct RolloutConfig {
    /// The folder of the project.
    pub repo: PathBuf,
    /// The folder in which the run's folder is made.
    pub runtime_folder: PathBuf,
    /// The name of a run in this folder that was interrupted and goes on.
    pub resume: Option<String>,
    /// The run's name; made from the project's name and a number if absent.
    pub run_id: Option<String>,
    /// The model's name, as the endpoint knows it.
    pub model_name: String,
    /// The sampling temperature; the endpoint's default if absent.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens; the endpoint's default if absent.
    pub max_tokens: Option<u32>,
    /// The seed of the sampling, for endpoints that honor one.
    pub seed: Option<u64>,
    /// What one attempt at tests may spend.
    pub test_writer: AgentBudget,
    /// What one attempt at an implementation may spend.
    pub implementer: AgentBudget,
    /// Attempts at the tests of a task.
    pub max_test_attempts: u32,
    /// Attempts at the implementation for each accepted set of tests.
    pub max_implementation_attempts: u32,
    /// How thoroughly an attempt is verified.
    pub verify: VerifySettings,
    /// How new tests are measured; they are not if absent.
    pub mutation: Option<MutationConfig>,
}

impl RolloutConfig {
    /// Makes a configuration with the usual bounds: for each attempt 100 calls to the model, 2 million
    /// tokens and 30 minutes, 60 seconds and 16,000 characters for each tool call; 2 attempts at the
    /// tests of a task, 2 at its implementation for each; the usual settings of the verifier and of mutants.
    pub fn new(repo: &Path, runtime_folder: &Path, model_name: &str) -> RolloutConfig {
        let budget = AgentBudget {
            steps: 100,
            tokens: 2_000_000,
            wall: Duration::from_mins(30),
            tool_wall: Duration::from_mins(1),
            observation_chars: 16_000,
        };
        RolloutConfig {
            repo: repo.to_owned(),
            runtime_folder: runtime_folder.to_owned(),
            resume: None,
            run_id: None,
            model_name: model_name.to_owned(),
            temperature: None,
            max_tokens: None,
            seed: None,
            test_writer: budget.clone(),
            implementer: budget,
            max_test_attempts: 2,
            max_implementation_attempts: 2,
            verify: VerifySettings::default(),
            mutation: Some(MutationConfig::default()),
        }
    }
}

/// Works on all tasks of a project.
///
/// # Errors
///
/// Fails if the folder holds no project, if a record cannot be written, if the model cannot be asked
/// or if the host fails. What was recorded before is kept.
pub async fn rollout(
    ctx: &Context,
    config: &RolloutConfig,
    events: &dyn ProgressSink,
) -> Result<RolloutReport, RolloutError> {
    let started = Instant::now();
    let project = LoadedProject::load(&config.repo)?;
    let run_id = config.run_id.as_deref();
    let record = match &config.resume {
        Some(run) => RunRecord::open(&config.runtime_folder, run)?,
        None => RunRecord::create(&config.runtime_folder, run_id, &project.name)?,
    };
    let mut work = Work {
        ctx,
        config,
        events,
        record,
        tree: project.tree.clone(),
        project: &project,
        earlier: BTreeSet::new(),
        n_commits: 0,
        totals: Totals::default(),
    };
    let mut tasks = vec![];
    if config.resume.is_some() {
        tasks = work.go_on()?;
    } else {
        work.record.write_run_file("run.json", &work.run_info())?;
    }
    let outcome = work.run(&mut tasks).await;
    let report = work.report(tasks, outcome.is_ok(), started.elapsed());
    let recorded = work.write_report(&report);
    outcome?;
    recorded?;
    Ok(report)
}

/// A rollout under way.
#[derive(Debug)]
struct Work<'a> {
    ctx: &'a Context,
    config: &'a RolloutConfig,
    events: &'a dyn ProgressSink,
    record: RunRecord,
    project: &'a LoadedProject,
    /// The repository as it is after the tasks that are solved.
    tree: Tree,
    /// The ids of all tests in it.
    earlier: BTreeSet<String>,
    n_commits: u64,
    totals: Totals,
}

impl Work<'_> {
    /// Goes through the tasks.
    async fn run(&mut self, reports: &mut Vec<TaskReport>) -> Result<(), RolloutError> {
        self.events.event(&Progress::StageStarted {
            stage: STAGE.to_owned(),
            n_items: Some(self.project.order.len() as u64),
        });
        for oddity in &self.project.oddities {
            self.events.event(&Progress::Note { text: format!("tasks: {oddity}") });
        }
        self.begin().await?;
        let graph = TaskGraph::new(&self.project.document);
        let project = self.project;
        let finished = project.order.iter().zip(&*reports);
        let finished = finished.filter(|(_, report)| report.state == TaskState::Solved);
        let mut solved: BTreeSet<TaskNumber> = finished.map(|(number, _)| *number).collect();
        let n_finished = reports.len();
        for (task_idx, number) in (0..).zip(&project.order).skip(n_finished) {
            let task = project.document.task(*number).expect("the order is of this document");
            let waits_for: Vec<String> =
                graph.dependencies(*number).difference(&solved).map(ToString::to_string).collect();
            let report = self.work_on(task, task_idx, waits_for).await?;
            if report.state == TaskState::Solved {
                solved.insert(*number);
            }
            reports.push(report);
        }
        Ok(())
    }

    /// Takes over what an interrupted run has come to; returns the tasks that are finished.
    fn go_on(&mut self) -> Result<Vec<TaskReport>, RolloutError> {
        let before = Before::read(&self.record, &self.run_info(), self.project)?;
        self.n_commits = before.n_commits(self.project);
        let Before { reports, tree, totals } = before;
        self.tree = tree.unwrap_or_else(|| self.project.tree.clone());
        self.totals = totals;
        let (n, all) = (reports.len(), self.project.order.len());
        let text = format!("{n} of {all} tasks were finished before");
        self.events.event(&Progress::Note { text });
        Ok(reports)
    }

    /// Commits the project as it is if it has no history, and runs the tests that it has.
    async fn begin(&mut self) -> Result<(), RolloutError> {
        if !self.tree.exists(".git/HEAD") {
            let message = format!("Set up {}", self.project.name);
            self.tree = git::commit(self.ctx, &self.tree, &message, self.n_commits).await?;
            self.n_commits += 1;
        }
        let has_tests =
            self.tree.walk().iter().any(|entry| {
                entry.path.starts_with("tests/") && parse::is_test_module(&entry.path)
            });
        if has_tests {
            let tree = with_tests_of(&self.tree, &self.tree, &BTreeSet::new());
            self.earlier = all_ids(&self.verifier().observe(&tree, &Selection::All).await?)?;
        }
        self.record.export_repo(&self.tree)?;
        Ok(())
    }

    /// Works on one task, or skips it.
    async fn work_on(
        &mut self,
        task: &Task,
        task_idx: u64,
        waits_for: Vec<String>,
    ) -> Result<TaskReport, RolloutError> {
        let number = task.number.to_string();
        self.events.event(&Progress::ItemStarted {
            stage: STAGE.to_owned(),
            item: number.clone(),
            title: task.title.clone(),
            item_idx: task_idx,
        });
        let report = if waits_for.is_empty() {
            self.solve(task).await?
        } else {
            TaskReport::skipped(task, waits_for)
        };
        self.record.write_task_file(&number, "task.json", &report)?;
        if report.state == TaskState::Solved {
            self.record.export_repo(&self.tree)?;
        }
        self.events.event(&Progress::ItemFinished {
            stage: STAGE.to_owned(),
            item: number,
            ok: report.state == TaskState::Solved,
            summary: report.state.summary(),
        });
        Ok(report)
    }

    /// Says what the run is, for `run.json`.
    fn run_info(&self) -> RunInfo<'_> {
        RunInfo {
            format_version: FORMAT_VERSION,
            run_id: self.record.id(),
            playpen_version: env!("CARGO_PKG_VERSION"),
            image_digest: self.ctx.image.digest().to_owned(),
            repo_name: &self.project.name,
            model_name: &self.config.model_name,
            temperature: self.config.temperature,
            max_tokens: self.config.max_tokens,
            seed: self.config.seed,
            test_writer: (&self.config.test_writer).into(),
            implementer: (&self.config.implementer).into(),
            max_test_attempts: self.config.max_test_attempts,
            max_implementation_attempts: self.config.max_implementation_attempts,
            verify: VerifyInfo::new(self.config.verify),
            mutation: self.config.mutation.map(MutationInfo::new),
            tasks: self.project.order.iter().map(ToString::to_string).collect(),
        }
    }

    /// Puts the report together.
    fn report(&self, tasks: Vec<TaskReport>, complete: bool, elapsed: Duration) -> RolloutReport {
        RolloutReport {
            format_version: FORMAT_VERSION,
            run_id: self.record.id().to_owned(),
            repo_name: self.project.name.clone(),
            complete,
            tasks,
            totals: self.totals.clone(),
            n_tests: self.earlier.len(),
            elapsed,
            run_folder: self.record.path().to_owned(),
        }
    }

    /// Writes the report and how long the run took.
    fn write_report(&self, report: &RolloutReport) -> Result<(), RolloutError> {
        self.record.write_run_file("report.json", report)?;
        let elapsed_us = crate::record::micros(report.elapsed);
        self.record.write_run_file("times.json", &Times { elapsed_us })?;
        self.events.event(&Progress::StageFinished {
            stage: STAGE.to_owned(),
            ok: report.complete,
            summary: format!("{} of {} tasks solved", report.n_solved(), report.tasks.len()),
        });
        Ok(())
    }
}

/// Returns the ids of the tests that a project begins with, all of which must pass, but for those that are skipped or
/// known to fail.
fn all_ids(seen: &Observation) -> Result<BTreeSet<String>, RolloutError> {
    let mut run = seen.run.clone();
    let is_idle = |outcome| matches!(outcome, TestOutcome::Skipped | TestOutcome::Xfailed);
    run.report.results.retain(|result| !is_idle(result.outcome));
    let frozen = FrozenTests::new(run.report.results.iter().map(|r| r.id.clone()).collect());
    let mut reasons = seen.flaws.clone();
    reasons.extend(gate::pass_after(&run, &frozen, &BTreeSet::new()).reasons);
    let flaky = seen.flaky.iter();
    reasons.extend(
        flaky.map(|(id, outcomes)| Reason::Flaky { id: id.clone(), outcomes: outcomes.clone() }),
    );
    if reasons.is_empty() {
        Ok(frozen.ids().clone())
    } else {
        Err(RolloutError::BaseTests { summary: attempt::summary(&reasons) })
    }
}

/// What `run.json` holds.
#[derive(Debug, Serialize)]
struct RunInfo<'a> {
    format_version: u32,
    run_id: &'a str,
    playpen_version: &'static str,
    image_digest: String,
    repo_name: &'a str,
    model_name: &'a str,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    seed: Option<u64>,
    test_writer: StoredBudget,
    implementer: StoredBudget,
    max_test_attempts: u32,
    max_implementation_attempts: u32,
    verify: VerifyInfo,
    mutation: Option<MutationInfo>,
    tasks: Vec<String>,
}

/// The settings of the verifier as `run.json` holds them.
#[derive(Debug, Serialize)]
struct VerifyInfo {
    n_repeats: u32,
    cpu_s: u64,
    wall_s: u64,
    nonce: u64,
}

impl VerifyInfo {
    fn new(settings: VerifySettings) -> VerifyInfo {
        VerifyInfo {
            n_repeats: settings.n_repeats,
            cpu_s: settings.limits.cpu.as_secs(),
            wall_s: settings.limits.wall.as_secs(),
            nonce: settings.nonce,
        }
    }
}

/// How tests are measured, as `run.json` holds it.
#[derive(Debug, Serialize)]
struct MutationInfo {
    min_percent: u32,
    max_mutants: usize,
}

impl MutationInfo {
    fn new(config: MutationConfig) -> MutationInfo {
        MutationInfo { min_percent: config.min_percent, max_mutants: config.max_mutants }
    }
}

/// What a clock said about the run.
#[derive(Debug, Serialize)]
struct Times {
    elapsed_us: u64,
}

impl TaskState {
    /// Says it in one line.
    fn summary(&self) -> String {
        match self {
            TaskState::Solved => "solved".to_owned(),
            TaskState::Unsolved { reasons } => {
                format!("unsolved: {}", reasons.first().map_or("", String::as_str))
            }
            TaskState::Skipped { because } => {
                format!("skipped: depends on {}", because.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests;
