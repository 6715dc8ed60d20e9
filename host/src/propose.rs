//! The first half of the pipeline: from nothing to a repository with tasks and test documents.
//!
//! ```text
//!   projects ──► tasks ──► setup ──► test-docs ──► (rollout)
//!    model       model     agent      model
//! ```
//!
//! Each step leaves files in the project's folder; see `propose/folder.rs` for the layout. A step whose
//! files are there is not done again, so a run that was stopped goes on where it stopped, and pays for
//! no call twice but those of the step that was under way.
//!
//! # Invariants
//!
//! * **An answer of a model is never trusted**: names are made safe, documents are checked, a broken
//!   answer is asked for again a bounded number of times and then is an error.
//! * **A repository is kept only if a sandbox has shown** that it imports, that its functions are stubs
//!   and that no test passes.
//! * **Nothing is drawn at random** but by [`ProposeConfig::seed`]; equal answers give equal bytes.

mod answer;
mod conversation;
mod error;
mod folder;
mod projects;
pub(crate) mod prompts;
mod repository;
mod similar;
mod skeleton;
mod tasks;
mod test_docs;
mod topics;

#[cfg(test)]
mod tests;

pub use error::ProposeError;

use crate::{
    agent::{AgentBudget, AgentRun},
    context::Context,
    model::Usage,
    progress::{Progress, ProgressSink},
};
use conversation::Desk;
use folder::ProjectFolder;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What is to be proposed, and how far it may go.
#[derive(Clone, Debug)]
pub struct ProposeConfig {
    /// How many projects the output folder is to have in the end.
    pub n_projects: usize,
    /// The folder for the projects. If it is a project itself, the later steps work on it alone.
    pub output_dir: PathBuf,
    /// Folders with projects that are not to be proposed again.
    pub avoid_dirs: Vec<PathBuf>,
    /// The model's name, as the endpoint knows it.
    pub model_name: String,
    /// Decides which topics are drawn. Not sent to the model.
    pub seed: u64,
    /// The language of the projects. Only Python can be set up and verified.
    pub language: String,
    /// Fields to choose projects from; drawn by `seed` if empty.
    pub topics: Vec<String>,
    /// How hard the projects are to be.
    pub difficulty: Difficulty,
    /// How many tasks a project is to have, roughly.
    pub n_tasks: u32,
    /// The sampling temperature; the endpoint's default if absent.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens; the endpoint's default if absent.
    pub max_tokens: Option<u32>,
    /// The seed of the sampling, for endpoints that honor one.
    pub sampling_seed: Option<u64>,
    /// How often a broken answer is asked for again.
    pub max_repairs: u32,
    /// How often an answer that was cut is continued.
    pub max_continuations: u32,
    /// How often the set-up of a repository is tried.
    pub max_setup_attempts: u32,
    /// What one attempt at a set-up may spend.
    pub setup_budget: AgentBudget,
    /// Time for one check of a repository.
    pub check_wall: Duration,
}

/// How hard projects are to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Difficulty {
    /// About ten tasks around an algorithm that is well understood.
    Easy,
    /// Twelve to twenty tasks, two algorithms that have to be worked out.
    Medium,
    /// Twenty tasks or more, components that constrain each other.
    Hard,
    /// Some of each.
    #[default]
    Mixed,
}

/// Which steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposeStep {
    /// New projects.
    Projects,
    /// The tasks of every project.
    Tasks,
    /// The repository of every project.
    Setup,
    /// The test documents of every project.
    TestDocs,
    /// All of these, one after the other.
    All,
}

/// What was proposed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProposeReport {
    /// The projects in the output folder, sorted by name.
    pub projects: Vec<ProjectReport>,
    /// Projects that the model proposed and that were not taken.
    pub refused: Vec<RefusedProject>,
    /// Projects that are still missing, because too many were refused.
    pub n_missing_projects: usize,
    /// Calls to the model that were answered.
    pub n_model_calls: u64,
    /// Tool calls of agents.
    pub n_tool_calls: u64,
    /// Accesses of agents that the sandbox refused.
    pub n_denied: u64,
    /// Tokens of all calls.
    pub usage: Usage,
}

/// What came of one project.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectReport {
    /// The name of the repository.
    pub repo_name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Its tasks; 0 before step `tasks`.
    pub n_tasks: usize,
    /// Tests that its tasks name.
    pub n_tests: usize,
    /// Whether the repository is set up.
    pub is_set_up: bool,
    /// Test documents that are there.
    pub n_test_documents: usize,
    /// What is odd about its task document.
    pub task_issues: Vec<String>,
}

/// A project that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedProject {
    /// Its name, where it had one.
    pub repo_name: Option<String>,
    /// Why it was refused.
    pub reason: String,
}

/// What a run has cost so far.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    n_model_calls: u64,
    n_tool_calls: u64,
    n_denied: u64,
    usage: Usage,
}

impl ProposeConfig {
    /// Makes a configuration with the usual bounds: one Python project of mixed difficulty and about 12
    /// tasks; 3 repairs and 8 continuations an answer; 3 attempts at a set-up, each with 60 calls to the
    /// model, 1 million tokens and 20 minutes; a minute and 16,000 characters for each tool call; 2
    /// minutes for a check.
    pub fn new(output_dir: &Path, model_name: &str) -> ProposeConfig {
        ProposeConfig {
            n_projects: 1,
            output_dir: output_dir.to_owned(),
            avoid_dirs: Vec::new(),
            model_name: model_name.to_owned(),
            seed: 0,
            language: "Python".to_owned(),
            topics: Vec::new(),
            difficulty: Difficulty::Mixed,
            n_tasks: 12,
            temperature: None,
            max_tokens: None,
            sampling_seed: None,
            max_repairs: 3,
            max_continuations: 8,
            max_setup_attempts: 3,
            setup_budget: AgentBudget {
                steps: 60,
                tokens: 1_000_000,
                wall: Duration::from_mins(20),
                tool_wall: Duration::from_mins(1),
                observation_chars: 16_000,
            },
            check_wall: Duration::from_mins(2),
        }
    }
}

impl Difficulty {
    /// Returns the name on the command line and in prompts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::Medium => "medium",
            Self::Hard => "hard",
            Self::Mixed => "mixed",
        }
    }
}

impl Spent {
    fn add(&mut self, n_model_calls: u64, usage: Usage) {
        self.n_model_calls += n_model_calls;
        self.usage += usage;
    }

    fn add_agent(&mut self, run: &AgentRun) {
        self.add(run.n_model_calls, run.usage);
        self.n_tool_calls += run.n_tool_calls;
        self.n_denied += run.n_denied;
    }
}

/// Does the steps that `which` names, as far as they are not done.
///
/// # Errors
///
/// Returns an error if a folder cannot be used, the model cannot be asked, or its answers cannot be used
/// after all repairs. Finished steps stay on disk.
pub async fn propose(
    ctx: &Context,
    config: &ProposeConfig,
    which: ProposeStep,
    events: &dyn ProgressSink,
) -> Result<ProposeReport, ProposeError> {
    check_config(config)?;
    let mut desk = Desk { ctx, config, events, spent: Spent::default() };
    let mut report = ProposeReport::default();
    let does = |step| which == step || which == ProposeStep::All;
    if does(ProposeStep::Projects) {
        start(events, projects::STAGE, Some(config.n_projects as u64));
        projects::run(&mut desk, &mut report).await?;
        let n_there = ProjectFolder::all_in(&config.output_dir)?.len();
        finish(
            events,
            projects::STAGE,
            report.n_missing_projects == 0,
            format!("{n_there} projects"),
        );
    }
    let folders = ProjectFolder::all_in(&config.output_dir)?;
    if folders.is_empty() {
        return Err(ProposeError::NoProject { path: config.output_dir.clone() });
    }
    if does(ProposeStep::Tasks) {
        propose_tasks(&mut desk, &folders).await?;
    }
    if does(ProposeStep::Setup) {
        start(events, repository::STAGE, Some(folders.len() as u64));
        let mut n_set_up = 0;
        for folder in &folders {
            n_set_up += u32::from(repository::run(&mut desk, folder).await?);
        }
        finish(events, repository::STAGE, true, format!("{n_set_up} repositories"));
    }
    if does(ProposeStep::TestDocs) {
        propose_documents(&mut desk, &folders).await?;
    }
    report.projects = folders.iter().map(describe).collect::<Result<_, _>>()?;
    let Spent { n_model_calls, n_tool_calls, n_denied, usage } = desk.spent;
    Ok(ProposeReport { n_model_calls, n_tool_calls, n_denied, usage, ..report })
}

async fn propose_tasks(desk: &mut Desk<'_>, folders: &[ProjectFolder]) -> Result<(), ProposeError> {
    let events = desk.events;
    start(events, tasks::STAGE, Some(folders.len() as u64));
    for folder in folders {
        for issue in tasks::run(desk, folder).await? {
            let name = folder.project()?.repo_name;
            events.event(&Progress::Note { text: format!("tasks of `{name}`: {issue}") });
        }
    }
    finish(events, tasks::STAGE, true, format!("{} projects", folders.len()));
    Ok(())
}

async fn propose_documents(
    desk: &mut Desk<'_>,
    folders: &[ProjectFolder],
) -> Result<(), ProposeError> {
    let events = desk.events;
    let mut n_tasks = 0;
    for folder in folders {
        n_tasks += folder.tasks()?.map_or(0, |(document, _)| document.tasks().count() as u64);
    }
    start(events, test_docs::STAGE, Some(n_tasks));
    let mut n_written = 0;
    for folder in folders {
        n_written += test_docs::run(desk, folder).await?;
    }
    finish(events, test_docs::STAGE, true, format!("{n_written} documents"));
    Ok(())
}

fn check_config(config: &ProposeConfig) -> Result<(), ProposeError> {
    let problem = if config.n_projects == 0 {
        "the number of projects is 0"
    } else if config.max_setup_attempts == 0 {
        "the number of attempts at a set-up is 0"
    } else if !config.language.eq_ignore_ascii_case("python") {
        "only Python projects can be set up and verified in the sandbox"
    } else {
        return Ok(());
    };
    Err(ProposeError::Config { message: problem.to_owned() })
}

fn describe(folder: &ProjectFolder) -> Result<ProjectReport, ProposeError> {
    let project = folder.project()?;
    let (document, issues) = folder.tasks()?.unwrap_or_default();
    Ok(ProjectReport {
        repo_name: project.repo_name.to_string(),
        path: folder.path().to_owned(),
        n_tasks: document.tasks().count(),
        n_tests: document.n_code_tests(),
        is_set_up: folder.is_set_up(),
        n_test_documents: document.tasks().filter(|task| folder.has_document(task.number)).count(),
        task_issues: issues.iter().map(ToString::to_string).collect(),
    })
}

fn start(events: &dyn ProgressSink, stage: &str, n_items: Option<u64>) {
    events.event(&Progress::StageStarted { stage: stage.to_owned(), n_items });
}

fn finish(events: &dyn ProgressSink, stage: &str, ok: bool, summary: String) {
    events.event(&Progress::StageFinished { stage: stage.to_owned(), ok, summary });
}
