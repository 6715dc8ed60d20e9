//! The variables of the templates in `prompts/propose`.
//!
//! A struct holds the variables of a `.system` and a `.user` template of the same name.

use serde::Serialize;

/// Variables of `propose/projects`.
#[derive(Debug, Serialize)]
pub(crate) struct ProjectsPrompt {
    /// How many projects are asked for.
    pub(crate) n_projects: usize,
    /// The language of all of them.
    pub(crate) language: String,
    /// The fields to choose from; may be empty.
    pub(crate) topics: Vec<String>,
    /// `easy`, `medium`, `hard` or `mixed`.
    pub(crate) difficulty: &'static str,
    /// Projects not to be proposed again.
    pub(crate) earlier: Vec<EarlierProject>,
}

/// A project that exists already.
#[derive(Debug, Serialize)]
pub(crate) struct EarlierProject {
    pub(crate) repo_name: String,
    pub(crate) summary: String,
}

/// Variables of `propose/tasks`.
#[derive(Debug, Serialize)]
pub(crate) struct TasksPrompt {
    pub(crate) repo_name: String,
    pub(crate) language: String,
    pub(crate) project_description: String,
    pub(crate) constraints: String,
    /// How many tasks the plan should have, roughly.
    pub(crate) n_tasks: u32,
}

/// Variables of `propose/tasks-continue`.
#[derive(Debug, Serialize)]
pub(crate) struct ContinuePrompt {
    /// The last characters of the answer so far.
    pub(crate) tail: String,
}

/// Variables of `propose/repair`.
#[derive(Debug, Serialize)]
pub(crate) struct RepairPrompt {
    /// What is wrong with the answer.
    pub(crate) problems: Vec<String>,
    /// What is wanted instead, as a sentence.
    pub(crate) wanted: String,
}

/// Variables of `propose/setup`.
#[derive(Debug, Serialize)]
pub(crate) struct SetupPrompt {
    pub(crate) repo_name: String,
    pub(crate) language: String,
    pub(crate) project_description: String,
    pub(crate) constraints: String,
    /// Why earlier attempts were refused; empty at the first.
    pub(crate) findings: Vec<String>,
    /// The text about tools.
    pub(crate) tools: String,
}

/// Variables of `propose/test-docs`.
#[derive(Debug, Serialize)]
pub(crate) struct TestDocsPrompt {
    pub(crate) repo_name: String,
    pub(crate) number: String,
    pub(crate) title: String,
    pub(crate) tests: Vec<NamedTest>,
    pub(crate) earlier_tests: Vec<EarlierTest>,
    /// The whole task document in Markdown.
    pub(crate) document: String,
}

/// A test of the task.
#[derive(Debug, Serialize)]
pub(crate) struct NamedTest {
    pub(crate) name: String,
    pub(crate) description: String,
}

/// A test of an earlier task.
#[derive(Debug, Serialize)]
pub(crate) struct EarlierTest {
    pub(crate) task: String,
    pub(crate) name: String,
}
