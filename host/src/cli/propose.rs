//! `playpen propose`: projects, tasks, a repository and test documents from a model.

use super::{
    Status,
    model::ModelArgs,
    session::Session,
    table::{count, table},
    watch::Watch,
};
use crate::propose::{self, Difficulty, ProposeConfig, ProposeReport, ProposeStep};
use clap::ValueEnum;
use std::path::PathBuf;

/// Propose projects with tasks, and set up their repositories
///
/// Without a step all four are done, one after the other. Steps that are done are not done again, so
/// the command can be repeated after an interruption, and pays for no finished step twice.
///
/// Exits with 0 if everything is there, with 1 if projects are missing because too many proposals
/// were refused.
#[derive(Debug, clap::Args)]
pub(super) struct ProposeArgs {
    /// Do only this step
    step: Option<Step>,

    /// Projects that the output folder is to have in the end
    #[arg(long, value_name = "N", default_value_t = 1)]
    num_projects: usize,

    /// Folder for the projects; a single project's folder is worked on alone
    #[arg(long, value_name = "DIR", default_value = "generated")]
    output: PathBuf,

    /// Do not propose again what is in this folder
    #[arg(long, value_name = "DIR")]
    avoid: Vec<PathBuf>,

    /// Field to choose projects from [default: drawn by `--seed`]
    #[arg(long = "topic", value_name = "TEXT")]
    topics: Vec<String>,

    /// How hard the projects are to be
    #[arg(long, value_enum, default_value_t = Level::Mixed)]
    difficulty: Level,

    /// Tasks of a project, roughly
    #[arg(long, value_name = "N", default_value_t = 12)]
    num_tasks: u32,

    /// Decides which topics are drawn
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Step {
    /// New projects
    Projects,
    /// The tasks of every project
    Tasks,
    /// The repository of every project
    Setup,
    /// The test documents of every project
    TestDocs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    /// About ten tasks around a well-understood algorithm
    Easy,
    /// Twelve to twenty tasks
    Medium,
    /// Twenty tasks or more
    Hard,
    /// Some of each
    Mixed,
}

impl ProposeArgs {
    fn step(&self) -> ProposeStep {
        match self.step {
            Some(Step::Projects) => ProposeStep::Projects,
            Some(Step::Tasks) => ProposeStep::Tasks,
            Some(Step::Setup) => ProposeStep::Setup,
            Some(Step::TestDocs) => ProposeStep::TestDocs,
            None => ProposeStep::All,
        }
    }

    fn config(&self, model_name: &str) -> ProposeConfig {
        ProposeConfig {
            n_projects: self.num_projects,
            avoid_dirs: self.avoid.clone(),
            seed: self.seed,
            topics: self.topics.clone(),
            difficulty: match self.difficulty {
                Level::Easy => Difficulty::Easy,
                Level::Medium => Difficulty::Medium,
                Level::Hard => Difficulty::Hard,
                Level::Mixed => Difficulty::Mixed,
            },
            n_tasks: self.num_tasks,
            temperature: self.model.temperature,
            max_tokens: self.model.max_tokens,
            ..ProposeConfig::new(&self.output, model_name)
        }
    }
}

/// Proposes and reports what there is.
pub(super) async fn run(session: &Session, args: &ProposeArgs) -> anyhow::Result<Status> {
    let config = args.config(&args.model.name(session)?);
    let ctx = args.model.context(session).await?;
    let watch = Watch::new(session.printer.clone());
    let report = propose::propose(&ctx, &config, args.step(), &watch).await?;
    print(session, &report);
    Ok(if report.n_missing_projects == 0 { Status::Done } else { Status::No })
}

fn print(session: &Session, report: &ProposeReport) {
    let printer = &session.printer;
    if printer.is_json() {
        printer.json_line(&serde_json::json!({ "event": "report", "report": report }));
        return;
    }
    for refused in &report.refused {
        let name = refused.repo_name.as_deref().unwrap_or("without a name");
        printer.warning(format_args!("project `{name}` was not taken: {}", refused.reason));
    }
    let mut table = table(["project", "tasks", "tests", "set up", "test documents", "folder"]);
    for project in &report.projects {
        table.add_row([
            project.repo_name.clone(),
            project.n_tasks.to_string(),
            project.n_tests.to_string(),
            if project.is_set_up { "yes".to_owned() } else { "no".to_owned() },
            project.n_test_documents.to_string(),
            project.path.display().to_string(),
        ]);
    }
    printer.result(table);
    printer.status(format_args!(
        "{} model calls, {} tokens",
        count(report.n_model_calls),
        count(report.usage.total_tokens())
    ));
}
