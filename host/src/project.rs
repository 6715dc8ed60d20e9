//! A proposed project and its tasks: the types, and the two files they live in.
//!
//! ```text
//!   answer of a model ──► TaskDocument ──► tasks.md   (for people and for agents)
//!        tasks.md ──────►      │      ──► tasks.json (for programs)
//!        tasks.json ────►      ▼
//!                          TaskGraph   (what has to be done before what)
//! ```
//!
//! Both files follow the layout of the SWE-Playground pipeline, so that its projects can be read here
//! and ours can be read there. Its reader drops what it does not expect without a word; ours keeps what
//! it can and tells the rest as [`TaskIssue`]s with line numbers.
//!
//! # Invariants
//!
//! * **Text is in normal form** (see [`TaskDocument::normalized`]) in every document that a reader of
//!   this module returns; for such a document `parse(render(document)) == document`.
//! * **A name that becomes a folder is a [`RepoName`]**, which cannot leave the folder it is put in.
//! * **Input is bounded**: [`MAX_DOCUMENT_BYTES`], [`MAX_TASKS`], [`MAX_TESTS`] and [`MAX_ISSUES`] answer
//!   a model, or a file, that never ends.

mod graph;
mod issue;
mod json;
mod name;
mod number;
mod parse;
mod render;
mod text;

#[cfg(test)]
mod tests;

pub use graph::{Cycle, TaskGraph};
pub use issue::{Severity, TaskIssue, TaskIssueKind};
pub use json::{TaskFile, TaskFileError};
pub use name::{RepoName, RepoNameError};
pub use number::{ModuleNumber, TaskNumber, TaskNumberError};
pub use parse::parse_markdown;
pub use render::render_markdown;

use serde::{Deserialize, Serialize};
use text::{block, label, line};

/// The longest task document that is read. A real one has about 100 KB.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;
/// The most tasks a document may have. A real one has about 30.
pub const MAX_TASKS: usize = 2_000;
/// The most tests a document may have, over all its tasks.
pub const MAX_TESTS: usize = 20_000;
/// The most issues that are reported for one document; the rest are counted by one last issue.
pub const MAX_ISSUES: usize = 500;

/// A project as the first stage proposes it, and as `project.json` holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// What is to be built, in a few paragraphs.
    pub project_description: String,
    /// The name of the repository, safe to use as a folder.
    pub repo_name: RepoName,
    /// The language as a model writes it, for example `Python`.
    pub programming_language: String,
    /// What is forbidden or required: banned libraries, interfaces, limits.
    pub constraints: String,
}

/// A project broken into phases, modules and tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskDocument {
    /// Section `# Project Description`.
    pub project_description: String,
    /// Section `# Project Instruction`: how the project is to be worked on.
    pub project_instruction: String,
    /// Section `# Detailed Documentation`: formats, interfaces, algorithms.
    pub detailed_documentation: String,
    /// The phases, in the order they are worked through.
    pub phases: Vec<Phase>,
}

/// A part of a project that ends with something that can be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phase {
    /// The number in the heading, from 1.
    pub number: u32,
    /// The title, one line.
    pub title: String,
    /// What holds when the phase is done.
    pub goal: String,
    /// The modules.
    pub modules: Vec<Module>,
}

/// A component of the project within a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Module {
    /// The number in the heading, for example `1.2`.
    pub number: ModuleNumber,
    /// The title, one line.
    pub title: String,
    /// The tasks.
    pub tasks: Vec<Task>,
}

/// One piece of work of the size of a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// The number in the heading, for example `1.2.3`.
    pub number: TaskNumber,
    /// The title, one line.
    pub title: String,
    /// What is to be built, precisely enough to write tests from.
    pub description: String,
    /// The tasks that have to be done before this one.
    pub dependencies: Vec<TaskNumber>,
    /// From 1 (an hour) to 5 (days), or `None` where it was not given.
    pub difficulty: Option<u8>,
    /// The tests that a program can decide.
    pub code_tests: Vec<UnitTest>,
    /// The tests that need eyes. They are kept and not run.
    pub visual_tests: Vec<UnitTest>,
}

/// The name of a test and what it checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnitTest {
    /// The name, one line without a colon at its end.
    pub name: String,
    /// What is checked.
    pub description: String,
}

impl Project {
    /// Returns the project with its text in normal form, and `None` if a field is empty.
    pub fn normalized(self) -> Option<Project> {
        let project = Project {
            project_description: block(&self.project_description),
            repo_name: self.repo_name,
            programming_language: line(&self.programming_language),
            constraints: block(&self.constraints),
        };
        let complete =
            !project.project_description.is_empty() && !project.programming_language.is_empty();
        complete.then_some(project)
    }

    /// Returns the first sentence of the description, for lists of projects.
    pub fn summary(&self) -> String {
        let text = line(&self.project_description);
        let end = text.find(". ").map_or(text.len(), |at| at + 1);
        text.chars().take(text[..end].chars().count().min(240)).collect()
    }
}

impl TaskDocument {
    /// Iterates over all tasks in the order of the document.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.phases.iter().flat_map(|phase| &phase.modules).flat_map(|module| &module.tasks)
    }

    /// Returns the first task with this number.
    pub fn task(&self, number: TaskNumber) -> Option<&Task> {
        self.tasks().find(|task| task.number == number)
    }

    /// Returns the number of tests a program can decide, over all tasks.
    pub fn n_code_tests(&self) -> usize {
        self.tasks().map(|task| task.code_tests.len()).sum()
    }

    /// Returns what is wrong with the document as a whole: no tasks, duplicate numbers, dangling and
    /// circular dependencies, tasks without tests.
    pub fn check(&self) -> Vec<TaskIssue> {
        issue::check(self, &issue::Lines::default())
    }

    /// Returns the document with all text in normal form: no control characters, no blanks at the ends
    /// of lines, no empty lines around a block, titles and names on one line.
    #[must_use]
    pub fn normalized(self) -> TaskDocument {
        TaskDocument {
            project_description: block(&self.project_description),
            project_instruction: block(&self.project_instruction),
            detailed_documentation: block(&self.detailed_documentation),
            phases: self.phases.into_iter().map(Phase::normalized).collect(),
        }
    }
}

impl Phase {
    fn normalized(self) -> Phase {
        Phase {
            number: self.number,
            title: line(&self.title),
            goal: block(&self.goal),
            modules: self.modules.into_iter().map(Module::normalized).collect(),
        }
    }
}

impl Module {
    fn normalized(self) -> Module {
        Module {
            number: self.number,
            title: line(&self.title),
            tasks: self.tasks.into_iter().map(Task::normalized).collect(),
        }
    }
}

impl Task {
    /// Returns a task with nothing but a number and a title.
    pub fn new(number: TaskNumber, title: &str) -> Task {
        Task {
            number,
            title: line(title),
            description: String::new(),
            dependencies: Vec::new(),
            difficulty: None,
            code_tests: Vec::new(),
            visual_tests: Vec::new(),
        }
    }

    /// Tells whether the task has a test that a program can decide.
    pub fn is_testable(&self) -> bool {
        !self.code_tests.is_empty()
    }

    fn normalized(self) -> Task {
        let tests = |tests: Vec<UnitTest>| tests.into_iter().map(UnitTest::normalized).collect();
        let mut dependencies: Vec<TaskNumber> = Vec::new();
        for dependency in self.dependencies {
            if !dependencies.contains(&dependency) {
                dependencies.push(dependency);
            }
        }
        Task {
            number: self.number,
            title: line(&self.title),
            description: block(&self.description),
            dependencies,
            difficulty: self.difficulty.filter(|difficulty| (1..=5).contains(difficulty)),
            code_tests: tests(self.code_tests),
            visual_tests: tests(self.visual_tests),
        }
    }
}

impl UnitTest {
    /// Returns a test with its name and description in normal form.
    pub fn new(name: &str, description: &str) -> UnitTest {
        UnitTest { name: label(name), description: block(description) }
    }

    fn normalized(self) -> UnitTest {
        UnitTest::new(&self.name, &self.description)
    }
}
