//! What the prompts of a rollout are filled with.

use playpen_runtime::Tree;
use serde::Serialize;
use std::collections::BTreeSet;

use super::LoadedProject;
use crate::{
    agent::AgentBudget,
    project::{Task, UnitTest},
    prompt::{PromptError, Prompts},
    verify::{gate::Reason, parse::is_python},
};

/// Reasons of a refusal that the next agent is told.
const MAX_TOLD_REASONS: usize = 20;

/// Variables of `agent/tools`, which is part of every agent's system message.
#[derive(Debug, Serialize)]
pub(crate) struct ToolsPrompt {
    /// Time for one tool call, in seconds.
    pub(crate) tool_wall_s: u64,
    /// Characters of one observation.
    pub(crate) observation_chars: usize,
    /// Calls to the model.
    pub(crate) steps: u32,
}

impl ToolsPrompt {
    /// Says what an agent with this budget must know of its tools.
    pub(crate) fn new(budget: &AgentBudget) -> ToolsPrompt {
        ToolsPrompt {
            tool_wall_s: budget.tool_wall.as_secs(),
            observation_chars: budget.observation_chars,
            steps: budget.steps,
        }
    }
}

/// Variables of `rollout/test-writer` and `rollout/implementer`.
#[derive(Debug, Serialize)]
pub(crate) struct TaskPrompt {
    /// The task's number.
    pub(crate) number: String,
    /// Its title.
    pub(crate) title: String,
    /// What it asks for.
    pub(crate) description: String,
    /// What the project may and may not use.
    pub(crate) constraints: String,
    /// What the project is.
    pub(crate) project_description: String,
    /// Why an earlier attempt was refused; empty for the first.
    pub(crate) findings: Vec<String>,
    /// The text about tools.
    pub(crate) tools: String,
}

/// Variables of `rollout/test-writer`.
#[derive(Debug, Serialize)]
pub(crate) struct TestWriterPrompt {
    /// The task.
    pub(crate) task: TaskPrompt,
    /// The tests that the plan names.
    pub(crate) code_tests: Vec<PromptTest>,
    /// Where the tests go.
    pub(crate) test_path: String,
    /// The document that describes them, if there is one.
    pub(crate) document_path: Option<String>,
    /// Whether tests are there that say too little.
    pub(crate) is_strengthening: bool,
}

/// Variables of `rollout/implementer`.
#[derive(Debug, Serialize)]
pub(crate) struct ImplementerPrompt {
    /// The task.
    pub(crate) task: TaskPrompt,
    /// The files of its tests.
    pub(crate) test_files: Vec<String>,
}

/// A test as the plan describes it.
#[derive(Debug, Serialize)]
pub(crate) struct PromptTest {
    /// Its name.
    pub(crate) name: String,
    /// What it checks.
    pub(crate) description: String,
}

/// The two messages that an agent begins with.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) system: String,
    pub(super) user: String,
}

impl Messages {
    /// Fills the two templates of `name`.
    fn render(
        prompts: &Prompts,
        name: &str,
        variables: &impl Serialize,
    ) -> Result<Messages, PromptError> {
        Ok(Messages {
            system: prompts.render(&format!("{name}.system"), variables)?,
            user: prompts.render(&format!("{name}.user"), variables)?,
        })
    }

    /// Returns what a test writer is told.
    pub(super) fn test_writer(
        prompts: &Prompts,
        project: &LoadedProject,
        task: &Task,
        budget: &AgentBudget,
        reasons: &[Reason],
        is_strengthening: bool,
    ) -> Result<Messages, PromptError> {
        let document_path = task.number.document_path();
        let variables = TestWriterPrompt {
            task: task_prompt(prompts, project, task, budget, reasons)?,
            code_tests: task.code_tests.iter().map(prompt_test).collect(),
            test_path: task.number.test_path(),
            document_path: project.tree.exists(&document_path).then_some(document_path),
            is_strengthening,
        };
        Messages::render(prompts, "rollout/test-writer", &variables)
    }

    /// Returns what an implementer is told about a task whose tests are in `with_tests` and not in
    /// `without_tests`.
    pub(super) fn implementer(
        prompts: &Prompts,
        project: &LoadedProject,
        task: &Task,
        budget: &AgentBudget,
        reasons: &[Reason],
        (without_tests, with_tests): (&Tree, &Tree),
    ) -> Result<Messages, PromptError> {
        let is_new = |path: &String| is_python(path) && !without_tests.exists(path);
        let variables = ImplementerPrompt {
            task: task_prompt(prompts, project, task, budget, reasons)?,
            test_files: files_below(with_tests, "tests/").into_iter().filter(is_new).collect(),
        };
        Messages::render(prompts, "rollout/implementer", &variables)
    }
}

/// Returns all files and links whose path begins with `prefix`.
pub(super) fn files_below(tree: &Tree, prefix: &str) -> BTreeSet<String> {
    let is_wanted = |entry: &playpen_runtime::TreeEntry| {
        entry.path.starts_with(prefix) && entry.kind != playpen_runtime::EntryKind::Dir
    };
    tree.walk().into_iter().filter(is_wanted).map(|entry| entry.path).collect()
}

fn task_prompt(
    prompts: &Prompts,
    project: &LoadedProject,
    task: &Task,
    budget: &AgentBudget,
    reasons: &[Reason],
) -> Result<TaskPrompt, PromptError> {
    Ok(TaskPrompt {
        number: task.number.to_string(),
        title: task.title.clone(),
        description: task.description.clone(),
        constraints: project.constraints.clone(),
        project_description: project.document.project_description.clone(),
        findings: reasons.iter().take(MAX_TOLD_REASONS).map(ToString::to_string).collect(),
        tools: prompts.render("agent/tools", &ToolsPrompt::new(budget))?,
    })
}

fn prompt_test(test: &UnitTest) -> PromptTest {
    PromptTest { name: test.name.clone(), description: test.description.clone() }
}

/// Sample values for the test that renders every prompt.
#[cfg(test)]
pub(crate) mod samples {
    use super::{ImplementerPrompt, PromptTest, TaskPrompt, TestWriterPrompt, ToolsPrompt};

    pub(crate) fn tools() -> ToolsPrompt {
        ToolsPrompt { tool_wall_s: 60, observation_chars: 16_000, steps: 100 }
    }

    fn task(finding: &str) -> TaskPrompt {
        TaskPrompt {
            number: "1.1.2".to_owned(),
            title: "Bitmap allocator".to_owned(),
            description: "`Bitmap.allocate()` returns the lowest free block.".to_owned(),
            constraints: "Standard library only.".to_owned(),
            project_description: "A file system on a simulated block device.".to_owned(),
            findings: vec![finding.to_owned()],
            tools: "(the text about tools)".to_owned(),
        }
    }

    pub(crate) fn test_writer() -> TestWriterPrompt {
        let test = |name: &str, description: &str| PromptTest {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        TestWriterPrompt {
            task: task("`tests/test_1_1_2.py::test_new` passes before anything is implemented"),
            code_tests: vec![
                test("lowest first", "Three allocations give 0, 1, 2."),
                test("full", ""),
            ],
            test_path: "tests/test_1_1_2.py".to_owned(),
            document_path: Some("tests/1.1.2.md".to_owned()),
            is_strengthening: false,
        }
    }

    pub(crate) fn implementer() -> ImplementerPrompt {
        ImplementerPrompt {
            task: task("`tests/test_1_1_2.py::test_full` fails: AssertionError"),
            test_files: vec!["tests/test_1_1_2.py".to_owned()],
        }
    }
}
