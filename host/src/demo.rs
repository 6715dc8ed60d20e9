//! The whole pipeline on a recorded project: what `playpen demo` does.
//!
//! A scripted model plays `demo/script.yaml` on loopback. Nothing else is scripted: the client speaks real
//! HTTP to it and meets real faults, agents work in real sandboxes, tests are run, and the verifier
//! refuses what is wrong.
//!
//! ```text
//!   script.yaml ──► ScriptServer ◄── HTTP ── OpenAiClient ◄── propose, rollout ──► sandboxes
//! ```
//!
//! # Invariants
//!
//! * **No key and no network**: the client talks to an address on loopback and is given no key.
//! * **What the report counts was measured**, not read from the script.

mod count;

#[cfg(test)]
mod tests;

use crate::{
    context::Context,
    mock_model::{Script, ScriptError, ScriptServer, ServeError, Tally},
    model::{ClientConfig, ClientError, OpenAiClient, RetryPolicy},
    mutation::MutationConfig,
    progress::ProgressSink,
    prompt::Prompts,
    propose::{ProposeConfig, ProposeError, ProposeReport, ProposeStep, propose},
    rollout::{RolloutConfig, RolloutError, RolloutReport, TaskState, rollout},
    variant::{
        VariantError,
        commit0::Commit0,
        desk::VariantConfig,
        source::Source,
        stage::{self, Variant, VariantRefusal},
        swe::Swe,
        swt::Swt,
    },
};
use count::Counting;
use include_dir::{Dir, include_dir};
use playpen_runtime::{Engine, Image};
use serde::Serialize;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use thiserror::Error;
use tokio::time::Instant;

/// The script and the files that it names.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/demo");
/// The model's name in the script.
const MODEL: &str = "demo";
/// Mutants that are tried for one task: enough to see which tests are weak.
const MAX_MUTANTS: usize = 24;
/// The name of the run, so that its folder is the same each time.
const RUN_ID: &str = "demo";

/// What the demo did.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// The project's name.
    pub repo_name: String,
    /// The folder of the project as it was proposed.
    pub project_dir: PathBuf,
    /// The folder of the run with its records.
    pub run_dir: PathBuf,
    /// One row for the proposal, then one for each task.
    pub rows: Vec<DemoRow>,
    /// The sums of the rows.
    pub total: DemoRow,
    /// Faults that the scripted model injected; every one was survived.
    pub n_faults: u64,
    /// Answers that were asked for again because they could not be used.
    pub n_repairs: u64,
    /// Tests of the finished project.
    pub n_tests: usize,
    /// What was made of the finished project besides.
    pub variants: Vec<VariantRow>,
}

/// What came of a variant of the finished project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VariantRow {
    /// The variant.
    pub variant: String,
    /// What it was made from.
    pub item: String,
    /// Whether a trajectory is kept.
    pub is_kept: bool,
    /// Attempts of agents.
    pub n_attempts: u32,
    /// Kinds of the reasons for which attempts were refused, in order.
    pub refused: Vec<String>,
}

/// A line of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DemoRow {
    /// The task's number, or `propose`.
    pub task: String,
    /// The task's title.
    pub title: String,
    /// `solved`, `unsolved`, `skipped`, or `done` for the proposal.
    pub outcome: String,
    /// Attempts of agents.
    pub n_attempts: u64,
    /// Tests that were accepted and pass.
    pub n_tests: usize,
    /// Tokens read and written by the model.
    pub n_tokens: u64,
    /// Tool calls.
    pub n_tool_calls: u64,
    /// Accesses that the sandbox refused.
    pub n_denied: u64,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// Why the demo stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The folder already has a demo in it.
    #[error("folder `{}` already has a demo in it", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The script is broken.
    #[error("failed to read the script of the demo")]
    Script(#[from] ScriptError),
    /// The scripted model cannot be started.
    #[error("failed to start the scripted model")]
    Serve(#[from] ServeError),
    /// The client cannot be made.
    #[error("failed to make a client for the scripted model")]
    Client(#[from] ClientError),
    /// The project could not be proposed.
    #[error("failed to propose the demo's project")]
    Propose(#[from] ProposeError),
    /// The rollout failed.
    #[error("failed to work on the demo's project")]
    Rollout(#[from] RolloutError),
    /// A variant could not be made.
    #[error("failed to make a variant of the demo's project")]
    Variant(#[from] VariantError),
}

impl DemoError {
    /// Returns what the user may do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { .. } => {
                Some("give another folder with `--output`, or remove this one".to_owned())
            }
            Self::Propose(error) => error.hint().map(str::to_owned),
            Self::Rollout(error) => error.hint(),
            Self::Variant(error) => error.hint(),
            Self::Script(_) | Self::Serve(_) | Self::Client(_) => None,
        }
    }
}

impl DemoReport {
    /// Returns the number of tasks that were solved.
    pub fn n_solved(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome == "solved").count()
    }

    /// Returns the number of tasks.
    pub fn n_tasks(&self) -> usize {
        self.rows.len() - 1
    }
}

/// Proposes the recorded project into `output_dir` and works on all its tasks.
///
/// # Errors
///
/// Returns an error if the folder has a demo in it, or if a stage fails; a task that stays unsolved is in
/// the report.
pub async fn run_demo(
    engine: &Engine,
    image: &Image,
    output_dir: &Path,
    events: &dyn ProgressSink,
) -> Result<DemoReport, DemoError> {
    let projects_dir = output_dir.join("projects");
    let runs_dir = output_dir.join("runs");
    for path in [&projects_dir, &runs_dir] {
        if path.exists() {
            return Err(DemoError::Exists { path: output_dir.to_owned() });
        }
    }
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (url, server) = ScriptServer::start(script()?, loopback).await?;
    let ctx = Context {
        engine: engine.clone(),
        image: image.clone(),
        model: Arc::new(client(&url)?),
        prompts: Prompts::embedded(),
    };
    let counting = Counting::new(events);
    let worked = work(&ctx, &projects_dir, &runs_dir, &counting).await;
    let tally = server.stop().await;
    let (proposed, rolled_out, variants) = worked?;
    Ok(DemoReport { variants, ..report(&proposed, &rolled_out, &counting, &tally) })
}

/// Reads the script of the demo.
fn script() -> Result<Script, ScriptError> {
    let text = FILES.get_file("script.yaml").and_then(include_dir::File::contents_utf8);
    Script::parse("demo/script.yaml", text.expect("it is built in"), &FILES)
}

/// Makes the client. Its waits are short, because the faults it meets are injected.
fn client(url: &str) -> Result<OpenAiClient, ClientError> {
    OpenAiClient::new(ClientConfig {
        timeout: Duration::from_secs(30),
        retry: RetryPolicy {
            max_retries: 6,
            max_malformed_retries: 2,
            min_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(2),
        },
        ..ClientConfig::new(url, None)
    })
}

/// Runs both halves of the pipeline, and the variants.
async fn work(
    ctx: &Context,
    projects_dir: &Path,
    runs_dir: &Path,
    counting: &Counting<'_>,
) -> Result<(Timed<ProposeReport>, RolloutReport, Vec<VariantRow>), DemoError> {
    let started = Instant::now();
    let config = ProposeConfig { n_tasks: 8, ..ProposeConfig::new(projects_dir, MODEL) };
    let proposed = propose(ctx, &config, ProposeStep::All, counting).await?;
    let proposed = Timed { value: proposed, elapsed: started.elapsed() };
    let repo = &proposed.value.projects[0].path;
    let config = RolloutConfig {
        run_id: Some(RUN_ID.to_owned()),
        mutation: Some(MutationConfig { max_mutants: MAX_MUTANTS, ..MutationConfig::default() }),
        ..RolloutConfig::new(repo, runs_dir, MODEL)
    };
    let rolled_out = rollout(ctx, &config, counting).await?;
    let variants = if rolled_out.n_solved() == rolled_out.tasks.len() {
        make_variants(ctx, &config, &rolled_out.run_folder, counting).await?
    } else {
        vec![]
    };
    Ok((proposed, rolled_out, variants))
}

/// Makes the variants that are recorded.
async fn make_variants(
    ctx: &Context,
    config: &RolloutConfig,
    run_folder: &Path,
    counting: &Counting<'_>,
) -> Result<Vec<VariantRow>, DemoError> {
    let source = Source::load(run_folder)?;
    let commit0 = Commit0 { n_iterations: 2 };
    let recorded: [(&dyn Variant, Option<&str>); 3] =
        [(&Swe, Some("1.1.2")), (&Swt, Some("2.3.1")), (&commit0, None)];
    let mut rows = vec![];
    for (variant, task) in recorded {
        let tasks = task.iter().map(|task| task.parse().expect("it is a number")).collect();
        let config = VariantConfig {
            model_name: MODEL.to_owned(),
            temperature: None,
            max_tokens: None,
            seed: None,
            budget: config.implementer.clone(),
            tasks,
            max_bugs: 3,
            max_attempts: 2,
            verify: config.verify,
        };
        let report = stage::make(ctx, &config, &source, variant, counting).await?;
        rows.extend(report.items.iter().map(|(item, outcome)| VariantRow {
            variant: report.variant.to_owned(),
            item: item.clone(),
            is_kept: outcome.kept,
            n_attempts: outcome.n_attempts,
            refused: outcome.refused.iter().map(VariantRefusal::name).collect(),
        }));
    }
    Ok(rows)
}

/// A result and how long it took.
#[derive(Debug)]
struct Timed<T> {
    value: T,
    elapsed: Duration,
}

fn report(
    proposed: &Timed<ProposeReport>,
    rolled_out: &RolloutReport,
    counting: &Counting<'_>,
    tally: &Tally,
) -> DemoReport {
    let mut rows = vec![propose_row(proposed, counting)];
    rows.extend(rolled_out.tasks.iter().map(|task| {
        let counts = counting.task(&task.number);
        DemoRow {
            task: task.number.clone(),
            title: task.title.clone(),
            outcome: outcome(&task.state).to_owned(),
            n_attempts: u64::from(task.n_test_attempts + task.n_implementation_attempts),
            n_tests: task.tests.len(),
            n_tokens: counts.n_tokens,
            n_tool_calls: counts.n_tool_calls,
            n_denied: counts.n_denied,
            millis: millis(counts.elapsed()),
        }
    }));
    let project = &proposed.value.projects[0];
    DemoReport {
        repo_name: project.repo_name.clone(),
        project_dir: project.path.clone(),
        run_dir: rolled_out.run_folder.clone(),
        total: total(&rows, proposed.elapsed + rolled_out.elapsed),
        rows,
        n_faults: tally.entries.iter().map(|entry| entry.n_faults).sum(),
        n_repairs: counting.n_repairs(),
        n_tests: rolled_out.n_tests,
        variants: vec![],
    }
}

fn propose_row(proposed: &Timed<ProposeReport>, counting: &Counting<'_>) -> DemoRow {
    let report = &proposed.value;
    DemoRow {
        task: "propose".to_owned(),
        title: format!(
            "{} with {} tasks",
            report.projects[0].repo_name, report.projects[0].n_tasks
        ),
        outcome: "done".to_owned(),
        n_attempts: counting.n_setups(),
        n_tests: 0,
        n_tokens: report.usage.total_tokens(),
        n_tool_calls: report.n_tool_calls,
        n_denied: report.n_denied,
        millis: millis(proposed.elapsed),
    }
}

fn total(rows: &[DemoRow], elapsed: Duration) -> DemoRow {
    DemoRow {
        task: "total".to_owned(),
        n_attempts: rows.iter().map(|row| row.n_attempts).sum(),
        n_tests: rows.iter().map(|row| row.n_tests).sum(),
        n_tokens: rows.iter().map(|row| row.n_tokens).sum(),
        n_tool_calls: rows.iter().map(|row| row.n_tool_calls).sum(),
        n_denied: rows.iter().map(|row| row.n_denied).sum(),
        millis: millis(elapsed),
        ..DemoRow::default()
    }
}

fn outcome(state: &TaskState) -> &'static str {
    match state {
        TaskState::Solved => "solved",
        TaskState::Unsolved { .. } => "unsolved",
        TaskState::Skipped { .. } => "skipped",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
