//! Stage `tasks`: a project broken into tasks.

use super::{
    ProposeError, answer,
    conversation::{Desk, Refusal},
    folder::ProjectFolder,
    prompts::TasksPrompt,
};
use crate::project::{Project, Severity, TaskDocument, TaskFile, TaskIssue, parse_markdown};
use std::error::Error as _;

/// The stage's name for the model client, scripts and progress.
pub(super) const STAGE: &str = "tasks";

/// Breaks the project in `folder` into tasks, unless that is done.
pub(super) async fn run(
    desk: &mut Desk<'_>,
    folder: &ProjectFolder,
) -> Result<Vec<TaskIssue>, ProposeError> {
    if let Some((_, issues)) = folder.tasks()? {
        return Ok(issues);
    }
    let project = folder.project()?;
    let variables = TasksPrompt {
        repo_name: project.repo_name.to_string(),
        language: project.programming_language.clone(),
        project_description: project.project_description.clone(),
        constraints: project.constraints.clone(),
        n_tasks: desk.config.n_tasks,
    };
    let mut question = desk.question(STAGE, "propose/tasks", None, &variables)?;
    let (document, issues) = question.answer(|text| read(text, &project)).await?;
    folder.write_tasks(&project, &document)?;
    Ok(issues)
}

/// Reads tasks from an answer: Markdown between tags or alone, or JSON.
fn read(text: &str, project: &Project) -> Result<(TaskDocument, Vec<TaskIssue>), Refusal> {
    let refuse =
        |problems| Refusal { problems, wanted: "Give the whole task document again.".to_owned() };
    let (mut document, issues) = if is_markdown(text) {
        parse_markdown(answer::tag(text, "tasks").unwrap_or(answer::without_fence(text)))
    } else {
        let json = answer::json_text(text).map_err(|problem| refuse(vec![problem]))?;
        let (file, issues) = TaskFile::from_json(&json).map_err(|error| {
            let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            refuse(vec![format!("{error}{source}")])
        })?;
        (file.document, issues)
    };
    let is_error = |issue: &&TaskIssue| issue.severity() == Severity::Error;
    let problems: Vec<String> = issues.iter().filter(is_error).map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(refuse(problems));
    }
    if document.project_description.is_empty() {
        document.project_description.clone_from(&project.project_description);
    }
    Ok((document, issues))
}

/// Tells whether an answer is written in the layout of `tasks.md`.
fn is_markdown(text: &str) -> bool {
    text.contains("<tasks>")
        || text.lines().any(|line| line.starts_with("## Phase") || line.starts_with("#### Task"))
}
