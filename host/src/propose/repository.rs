//! Stage `setup`: the skeleton of a repository, made by an agent and checked before it is kept.
//!
//! The agent starts from a tree with nothing but the task files and may write everything but `tests/` and
//! those files. What it leaves is checked in a fresh sandbox ([`skeleton`]); then the host adds
//! `project.json` and `image.toml`, and git, in a sandbox too, makes the first commit.

use super::{
    ProposeError,
    conversation::Desk,
    folder::{ProjectFolder, create_dir},
    prompts::SetupPrompt,
    skeleton,
};
use crate::{
    agent::{
        AgentRole, AgentRun, AgentStop, AgentTask, WORKSPACE, WritePolicy, open_sandbox, run_agent,
    },
    context::Context,
    progress::Progress,
    project::{Project, TaskDocument, TaskFile, render_markdown},
    record::write_json,
    rollout::{git, prompts::ToolsPrompt},
    verify::merge::merge,
};
use playpen_runtime::Tree;

/// The stage's name for the model client, scripts and progress.
pub(super) const STAGE: &str = "setup";
/// What `image.toml` says of a project that needs nothing but the standard library.
const IMAGE_TOML: &str = "\
# What the sandbox of this project is made of; it takes the place of a Dockerfile.
base = \"default\"
";

/// Sets up the repository in `folder`, unless that is done. Returns whether it did.
pub(super) async fn run(desk: &mut Desk<'_>, folder: &ProjectFolder) -> Result<bool, ProposeError> {
    if folder.is_set_up() {
        return Ok(false);
    }
    let project = folder.project()?;
    let name = project.repo_name.to_string();
    let Some((document, _)) = folder.tasks()? else {
        return Err(ProposeError::NotReady { project: name, missing: "tasks" });
    };
    let base = start_tree(&project, &document);
    let mut findings = Vec::new();
    for attempt in 1..=desk.config.max_setup_attempts {
        let (tree, found) = attempt_setup(desk, folder, &project, &base, attempt, findings).await?;
        if found.is_empty() {
            let tree = with_host_files(tree, &project);
            let tree = git::commit(desk.ctx, &tree, "Set up the repository", 0).await;
            let tree = tree.map_err(|source| ProposeError::Check { project: name, source })?;
            folder.write_repository(&tree)?;
            return Ok(true);
        }
        findings = found;
    }
    Err(ProposeError::SetupRefused {
        project: name,
        n_attempts: desk.config.max_setup_attempts,
        findings,
    })
}

/// Commits what differs from the last commit of the project, if anything does.
pub(super) async fn commit_changes(
    ctx: &Context,
    folder: &ProjectFolder,
    project: &Project,
    message: &str,
) -> Result<(), ProposeError> {
    let tree = folder.import()?;
    let check = |source| ProposeError::Check { project: project.repo_name.to_string(), source };
    if skeleton::is_committed(ctx, &tree).await.map_err(check)? {
        return Ok(());
    }
    let committed = git::commit(ctx, &tree, message, 1).await.map_err(check)?;
    folder.apply(&tree, &committed)
}

/// Lets the agent work once; returns what it handed in and what is wrong with it.
async fn attempt_setup(
    desk: &mut Desk<'_>,
    folder: &ProjectFolder,
    project: &Project,
    base: &Tree,
    attempt: u32,
    findings: Vec<String>,
) -> Result<(Tree, Vec<String>), ProposeError> {
    let name = project.repo_name.to_string();
    let policy = AgentRole::Setup.policy();
    let sandbox = open_sandbox(desk.ctx, base.clone(), &policy, None)
        .map_err(|source| ProposeError::Sandbox { project: name.clone(), source })?;
    let task = agent_task(desk, project, attempt, findings)?;
    desk.events.event(&Progress::AttemptStarted { stage: STAGE.to_owned(), task: None, attempt });
    let model = desk.ctx.model.as_ref();
    let run = run_agent(model, task, &sandbox, &desk.config.setup_budget, desk.events).await;
    desk.spent.add_agent(&run);
    let records = folder.records();
    create_dir(&records)?;
    write_json(&records.join(format!("setup-{attempt}.json")), &run.trajectory)?;
    if let AgentStop::ModelFailed(source) = run.stop {
        return Err(ProposeError::Model { stage: STAGE, source });
    }
    let left = sandbox.tree(WORKSPACE).expect("the workspace was mounted as a tree");
    let merged = merge(base, &left, &policy);
    let found = skeleton::check(desk.ctx, &merged.tree, desk.config.check_wall).await;
    let found = found.map_err(|source| ProposeError::Check { project: name, source })?;
    report(desk, attempt, &run, &found);
    Ok((merged.tree, found))
}

fn agent_task(
    desk: &Desk<'_>,
    project: &Project,
    attempt: u32,
    findings: Vec<String>,
) -> Result<AgentTask, ProposeError> {
    let config = desk.config;
    let tools = desk.ctx.prompts.render("agent/tools", &ToolsPrompt::new(&config.setup_budget));
    let tools = tools.map_err(|source| ProposeError::Prompt { stage: STAGE, source })?;
    let variables = SetupPrompt {
        repo_name: project.repo_name.to_string(),
        language: project.programming_language.clone(),
        project_description: project.project_description.clone(),
        constraints: project.constraints.clone(),
        findings,
        tools,
    };
    let render = |name| {
        let prompt = desk.ctx.prompts.render(name, &variables);
        prompt.map_err(|source| ProposeError::Prompt { stage: STAGE, source })
    };
    Ok(AgentTask {
        role: AgentRole::Setup,
        stage: STAGE.to_owned(),
        task: None,
        attempt,
        system_prompt: render("propose/setup.system")?,
        user_prompt: render("propose/setup.user")?,
        model_name: config.model_name.clone(),
        temperature: config.temperature,
        max_tokens: config.max_tokens,
        seed: config.sampling_seed,
    })
}

fn report(desk: &Desk<'_>, attempt: u32, run: &AgentRun, findings: &[String]) {
    let summary = findings.first().map_or_else(
        || run.stop.name().to_owned(),
        |first| format!("{} findings, the first: {first}", findings.len()),
    );
    let ok = findings.is_empty();
    desk.events.event(&Progress::AttemptFinished {
        stage: STAGE.to_owned(),
        task: None,
        attempt,
        ok,
        summary,
    });
}

/// The tree that the agent starts from: the task files and nothing else.
fn start_tree(project: &Project, document: &TaskDocument) -> Tree {
    let mut tree = Tree::new();
    put(&mut tree, "tasks.md", render_markdown(document));
    put(&mut tree, "tasks.json", TaskFile::new(project, document.clone()).to_json());
    tree
}

/// Adds what the host knows of the project. A `.gitignore` keeps what running Python leaves behind out of
/// the commits, if the agent made none.
fn with_host_files(mut tree: Tree, project: &Project) -> Tree {
    let mut json = serde_json::to_string_pretty(project).expect("strings always serialize");
    json.push('\n');
    for (path, text) in [("project.json", json), ("image.toml", IMAGE_TOML.to_owned())] {
        tree.remove(path).expect("what is there can be removed");
        put(&mut tree, path, text);
    }
    if !tree.exists(".gitignore") {
        put(&mut tree, ".gitignore", "__pycache__/\n*.pyc\n.pytest_cache/\n".to_owned());
    }
    tree
}

/// Writes a file at the root of a tree, where nothing is in its way.
fn put(tree: &mut Tree, path: &str, text: String) {
    tree.write(path, text.into_bytes(), 0o644).expect("nothing is in the way");
}

/// A policy that refuses nothing, for what the host itself does in a sandbox.
pub(super) fn unrestricted() -> WritePolicy {
    WritePolicy::all_but(&[])
}
