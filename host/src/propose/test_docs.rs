//! Stage `test-docs`: for each task, words from which its tests are written.

use super::{
    ProposeError, answer,
    conversation::{Desk, Refusal},
    folder::ProjectFolder,
    prompts::{EarlierTest, NamedTest, TestDocsPrompt},
    repository,
};
use crate::{
    progress::Progress,
    project::{Project, Task, TaskDocument, render_markdown},
};

/// The stage's name for the model client, scripts and progress.
pub(super) const STAGE: &str = "test_docs";
/// The shortest document that can say anything, in characters.
const MIN_CHARS: usize = 80;

/// Writes the test documents that are missing, and commits them.
pub(super) async fn run(desk: &mut Desk<'_>, folder: &ProjectFolder) -> Result<u64, ProposeError> {
    let project = folder.project()?;
    let (document, _) = folder.tasks()?.ok_or_else(|| not_ready(&project, "tasks"))?;
    if !folder.is_set_up() {
        return Err(not_ready(&project, "repository"));
    }
    let mut n_written = 0;
    let tasks = document.tasks().filter(|task| task.is_testable());
    for (item_idx, task) in (0_u64..).zip(tasks) {
        if folder.has_document(task.number) {
            continue;
        }
        desk.events.event(&Progress::ItemStarted {
            stage: STAGE.to_owned(),
            item: task.number.to_string(),
            title: task.title.clone(),
            item_idx,
        });
        let text = write(desk, &project, &document, task).await?;
        folder.write_document(task.number, &text)?;
        n_written += 1;
        desk.events.event(&Progress::ItemFinished {
            stage: STAGE.to_owned(),
            item: task.number.to_string(),
            ok: true,
            summary: format!("{} lines", text.lines().count()),
        });
    }
    repository::commit_changes(desk.ctx, folder, &project, "Add test documents").await?;
    Ok(n_written)
}

async fn write(
    desk: &mut Desk<'_>,
    project: &Project,
    document: &TaskDocument,
    task: &Task,
) -> Result<String, ProposeError> {
    let variables = prompt(project, document, task);
    let mut question =
        desk.question(STAGE, "propose/test-docs", Some(task.number.to_string()), &variables)?;
    question.answer(|text| read(text, task)).await
}

fn prompt(project: &Project, document: &TaskDocument, task: &Task) -> TestDocsPrompt {
    let earlier = document.tasks().take_while(|earlier| earlier.number != task.number);
    TestDocsPrompt {
        repo_name: project.repo_name.to_string(),
        number: task.number.to_string(),
        title: task.title.clone(),
        tests: task
            .code_tests
            .iter()
            .map(|test| NamedTest {
                name: test.name.clone(),
                description: test.description.clone(),
            })
            .collect(),
        earlier_tests: earlier
            .flat_map(|task| task.code_tests.iter().map(|test| (task.number, test)))
            .map(|(number, test)| EarlierTest { task: number.to_string(), name: test.name.clone() })
            .collect(),
        document: render_markdown(document),
    }
}

/// Takes an answer that is long enough and speaks of every test of the task.
fn read(text: &str, task: &Task) -> Result<String, Refusal> {
    let text = answer::without_fence(text);
    let lower = text.to_lowercase();
    let is_missing = |name: &&str| !lower.contains(&name.to_lowercase());
    let missing: Vec<&str> =
        task.code_tests.iter().map(|test| test.name.as_str()).filter(is_missing).collect();
    let mut problems: Vec<String> =
        missing.iter().map(|name| format!("the test `{name}` is not in it by its name")).collect();
    if text.chars().count() < MIN_CHARS {
        problems.insert(0, "it is too short to be a test document".to_owned());
    }
    if problems.is_empty() {
        return Ok(text.to_owned());
    }
    Err(Refusal { problems, wanted: "Give the whole document again.".to_owned() })
}

fn not_ready(project: &Project, missing: &'static str) -> ProposeError {
    ProposeError::NotReady { project: project.repo_name.to_string(), missing }
}
