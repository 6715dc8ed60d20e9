//! `playpen rollout`: agents work on the tasks of a project; what is verified is kept.

use super::{
    Status,
    hint::Advice,
    model::ModelArgs,
    session::Session,
    table::{count, duration, table},
    variant::{VariantLimits, make_variants, variant_config},
    watch::Watch,
};
use crate::{
    agent::AgentBudget,
    context::Context,
    mutation::MutationConfig,
    record::find_runs,
    rollout::{self, LoadedProject, RolloutConfig, RolloutReport, TaskReport, TaskState},
    variant::{commit0::Commit0, source::Source, stage::Variant, swe::Swe, swt::Swt},
};
use std::path::{Path, PathBuf};

/// Where help lists the variants that a run may be followed by.
const AFTERWARDS: &str = "Variants";

/// Let agents work on the tasks of a project, and keep what is verified
///
/// For each task one agent writes tests, which must fail for the right reason, and another
/// implements, until the tests pass and all earlier ones still do. Tests that notice too few small changes of
/// the implementation are made stronger once. Each accepted step is a commit in
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
    pub(super) runtime_folder: PathBuf,

    /// Go on with a run of this name in that folder, which was interrupted; all else as it was started
    #[arg(long, value_name = "RUN")]
    resume: Option<String>,

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

    /// Part of small changes of an implementation that its tests must notice, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=100))]
    min_mutation_score: u32,

    /// Small changes that are tried for one task; 0 to measure no tests
    #[arg(long, value_name = "N", default_value_t = 60)]
    max_mutants: usize,

    /// Afterwards, put bugs into the finished code and have them repaired from a report
    #[arg(long, help_heading = AFTERWARDS)]
    swe: bool,

    /// Afterwards, put bugs into the finished code and have tests written that show them
    #[arg(long, help_heading = AFTERWARDS)]
    swt: bool,

    /// Afterwards, have the library written again from stubs
    #[arg(long, help_heading = AFTERWARDS)]
    commit0: bool,

    /// Attempts at the library
    #[arg(long, value_name = "N", default_value_t = 1, requires = "commit0", help_heading = AFTERWARDS)]
    num_iterations: u32,

    #[command(flatten, next_help_heading = AFTERWARDS)]
    variants: VariantLimits,

    #[command(flatten)]
    model: ModelArgs,
}

impl RolloutArgs {
    fn config(&self, model_name: &str) -> RolloutConfig {
        let config = RolloutConfig::new(&self.repo_path, &self.runtime_folder, model_name);
        RolloutConfig {
            resume: self.resume.clone(),
            temperature: self.model.temperature,
            max_tokens: self.model.max_tokens,
            test_writer: self.budget(&config.test_writer),
            implementer: self.budget(&config.implementer),
            max_test_attempts: self.max_test_attempts,
            max_implementation_attempts: self.max_implementation_attempts,
            mutation: (self.max_mutants > 0).then(|| MutationConfig {
                min_percent: self.min_mutation_score,
                max_mutants: self.max_mutants,
                ..MutationConfig::default()
            }),
            ..config
        }
    }

    fn budget(&self, usual: &AgentBudget) -> AgentBudget {
        AgentBudget { steps: self.max_steps, tokens: self.max_agent_tokens, ..usual.clone() }
    }
}

/// Says how to go on after an interruption: with the run that was written to last.
pub(super) fn after_interruption(runtime_folder: &Path) -> Option<String> {
    let runs = find_runs(runtime_folder).ok()?;
    let touched = |run: &PathBuf| {
        let tasks = fs_err::metadata(run.join("tasks")).or_else(|_| fs_err::metadata(run)).ok()?;
        tasks.modified().ok()
    };
    let last = runs.iter().max_by_key(|run| touched(run))?;
    let name = last.strip_prefix(runtime_folder).ok()?.display();
    Some(format!("`--resume {name}` with the same options goes on after the last finished task"))
}

/// Rolls out and reports what came of each task.
pub(super) async fn run(session: &Session, args: &RolloutArgs) -> anyhow::Result<Status> {
    let config = args.config(&args.model.name(session)?);
    // What is wrong with a project should be said before an image is built or a model is asked.
    let project = LoadedProject::load(&args.repo_path)?;
    for task in &args.variants.tasks {
        anyhow::ensure!(
            project.order.contains(task),
            Advice::new(
                format!("task `{task}` of `--task` is none of the project's"),
                "`tasks.md` in the project's folder has their numbers",
            )
        );
    }
    let ctx = args.model.context(session).await?;
    let watch = Watch::new(session.printer.clone());
    let report = rollout::rollout(&ctx, &config, &watch).await?;
    print(session, &report);
    if report.n_solved() > 0 {
        variants(session, args, &ctx, &config, &report).await?;
    }
    Ok(if report.n_solved() > 0 { Status::Done } else { Status::No })
}

/// Makes the variants that were asked for.
async fn variants(
    session: &Session,
    args: &RolloutArgs,
    ctx: &Context,
    config: &RolloutConfig,
    report: &RolloutReport,
) -> anyhow::Result<()> {
    let commit0 = Commit0 { n_iterations: args.num_iterations };
    let all: [(bool, &dyn Variant); 3] =
        [(args.swe, &Swe), (args.swt, &Swt), (args.commit0, &commit0)];
    let wanted: Vec<&dyn Variant> =
        all.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, variant)| variant).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let source = Source::load(&report.run_folder)?;
    let config = variant_config(config, &args.variants, &args.model);
    make_variants(session, ctx, &config, &source, &wanted).await?;
    Ok(())
}

fn print(session: &Session, report: &RolloutReport) {
    let printer = &session.printer;
    if printer.is_json() {
        let folder: &Path = &report.run_folder;
        let line = serde_json::json!({ "event": "report", "report": report, "run_folder": folder });
        printer.json_line(&line);
        return;
    }
    let mut table =
        table(["task", "title", "state", "tests", "mutants noticed", "attempts (tests + code)"]);
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

fn row(task: &TaskReport) -> [String; 6] {
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
        task.mutation
            .map(|score| format!("{}/{}", score.n_killed, score.n_mutants))
            .unwrap_or_default(),
        format!("{} + {}", task.n_test_attempts, task.n_implementation_attempts),
    ]
}
