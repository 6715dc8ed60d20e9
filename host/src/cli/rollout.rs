//! `playpen rollout`: agents work on the tasks of a project; what is verified is kept.

use super::{
    Status,
    model::ModelArgs,
    session::Session,
    table::{count, duration, table},
    watch::Watch,
};
use crate::{
    agent::AgentBudget,
    rollout::{self, LoadedProject, RolloutConfig, RolloutReport, TaskReport, TaskState},
};
use std::path::{Path, PathBuf};

/// Let agents work on the tasks of a project, and keep what is verified
///
/// For each task one agent writes tests, which must fail for the right reason, and another
/// implements, until the tests pass and all earlier ones still do. Each accepted step is a commit in
/// the repository of the run; the project's own folder is not changed. Every attempt leaves its
/// trajectory (ATIF), its audit record and the verdict of each gate.
///
/// Exits with 0 if at least one task was solved, with 1 if none was.
#[derive(Debug, clap::Args)]
pub(super) struct RolloutArgs {
    /// Folder of a project, as `playpen propose` makes it
    #[arg(long, value_name = "DIR")]
    repo_path: PathBuf,

    /// Folder for the records of runs
    #[arg(long, value_name = "DIR")]
    runtime_folder: PathBuf,

    /// Attempts at the tests of a task
    #[arg(long, value_name = "N", default_value_t = 2)]
    max_test_attempts: u32,

    /// Attempts at the implementation for each accepted set of tests
    #[arg(long, value_name = "N", default_value_t = 2)]
    max_implementation_attempts: u32,

    /// Calls to the model that one attempt may make
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_steps: u32,

    /// Tokens that one attempt may spend
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    max_agent_tokens: u64,

    #[command(flatten)]
    model: ModelArgs,
}

impl RolloutArgs {
    fn config(&self, model_name: &str) -> RolloutConfig {
        let config = RolloutConfig::new(&self.repo_path, &self.runtime_folder, model_name);
        RolloutConfig {
            temperature: self.model.temperature,
            max_tokens: self.model.max_tokens,
            test_writer: self.budget(&config.test_writer),
            implementer: self.budget(&config.implementer),
            max_test_attempts: self.max_test_attempts,
            max_implementation_attempts: self.max_implementation_attempts,
            ..config
        }
    }

    fn budget(&self, usual: &AgentBudget) -> AgentBudget {
        AgentBudget { steps: self.max_steps, tokens: self.max_agent_tokens, ..usual.clone() }
    }
}

/// Rolls out and reports what came of each task.
pub(super) async fn run(session: &Session, args: &RolloutArgs) -> anyhow::Result<Status> {
    let config = args.config(&args.model.name(session)?);
    // What is wrong with a project should be said before an image is built or a model is asked.
    LoadedProject::load(&args.repo_path)?;
    let ctx = args.model.context(session).await?;
    let watch = Watch::new(session.printer.clone());
    let report = rollout::rollout(&ctx, &config, &watch).await?;
    print(session, &report);
    Ok(if report.n_solved() > 0 { Status::Done } else { Status::No })
}

fn print(session: &Session, report: &RolloutReport) {
    let printer = &session.printer;
    if printer.is_json() {
        let folder: &Path = &report.run_folder;
        let line = serde_json::json!({ "event": "report", "report": report, "run_folder": folder });
        printer.json_line(&line);
        return;
    }
    let mut table = table(["task", "title", "state", "tests", "attempts (tests + code)"]);
    for task in &report.tasks {
        table.add_row(row(task));
    }
    printer.result(table);
    let totals = &report.totals;
    printer.status(format_args!(
        "{} of {} tasks solved, {} attempts, {} tokens, {} tool calls, {} denied accesses, {}",
        report.n_solved(),
        report.tasks.len(),
        count(totals.n_attempts),
        count(totals.usage.total_tokens()),
        count(totals.n_tool_calls),
        count(totals.n_denied),
        duration(report.elapsed),
    ));
    printer.status(format_args!("records and trajectories: {}", report.run_folder.display()));
}

fn row(task: &TaskReport) -> [String; 5] {
    let state = match &task.state {
        TaskState::Solved => "solved".to_owned(),
        TaskState::Unsolved { reasons } => format!("unsolved: {}", reasons.join("; ")),
        TaskState::Skipped { because } => format!("skipped, waits for {}", because.join(", ")),
    };
    [
        task.number.clone(),
        task.title.clone(),
        state,
        task.tests.len().to_string(),
        format!("{} + {}", task.n_test_attempts, task.n_implementation_attempts),
    ]
}
