//! What a reader of task documents has to say about them.

use super::{Cycle, MAX_ISSUES, TaskDocument, TaskGraph, TaskNumber};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Something in a task document that is wrong, or that a less tolerant reader would lose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskIssue {
    /// The line it was found in, from 1. `None` if it is about the whole document.
    pub line: Option<u32>,
    /// What was found.
    pub kind: TaskIssueKind,
}

/// Whether the document can be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Understood all the same; the reference reader would lose or misread it.
    Note,
    /// Something is missing or contradicts itself; the author has to mend it.
    Error,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskIssueKind {
    /// The document is longer than [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES); nothing was read.
    TooLarge,
    /// There are more tasks or tests than are allowed; the rest was not read.
    TooMany(&'static str),
    /// There are more issues than are listed.
    MoreIssues(usize),
    /// There is no phase with a task.
    NoTasks,
    /// A phase, module or task heading separates number and title by something else than a colon.
    HeadingSeparator(String),
    /// A heading is of another level than its kind has, or is set in bold.
    HeadingLevel(String),
    /// A heading looks like one of a phase, module or task, and has no readable number.
    HeadingNumber(String),
    /// A line outside of the code blocks starts with `# ` and is none of the three sections.
    UnknownSection(String),
    /// A line in a code block starts with `# `, which the reference reader takes for a section.
    HashInCode(String),
    /// A code block is opened and never closed.
    OpenCodeBlock,
    /// The colon of a label stands outside of the bold text, or the label is not bold.
    LabelStyle(String),
    /// A line is indented in another way than the layout asks for.
    Indentation(String),
    /// The name of a test stands in backticks.
    NameInBackticks(String),
    /// The name of a test is not bold, or contains a colon.
    NameStyle(String),
    /// A task or module stands under a heading whose number it does not carry.
    OutOfPlace(String),
    /// Text belongs to nothing and was dropped.
    StrayText(String),
    /// A task has no description.
    NoDescription(TaskNumber),
    /// A task has no tests, so nobody could tell whether it is done.
    NoTests(TaskNumber),
    /// Two tests of a task have the same name.
    DuplicateTest(TaskNumber, String),
    /// A difficulty is not from 1 to 5.
    Difficulty(String),
    /// Two tasks have the same number.
    DuplicateNumber(TaskNumber),
    /// A dependency is told in words and not by numbers.
    ProseDependency(String),
    /// A task depends on a task that does not exist.
    DanglingDependency {
        /// The task.
        task: TaskNumber,
        /// What it depends on.
        dependency: TaskNumber,
    },
    /// Some tasks wait for each other.
    CircularDependency(Cycle),
}

impl TaskIssue {
    /// Tells whether the author has to mend this.
    pub fn severity(&self) -> Severity {
        use TaskIssueKind as Kind;
        match self.kind {
            Kind::TooLarge
            | Kind::TooMany(_)
            | Kind::NoTasks
            | Kind::HeadingNumber(_)
            | Kind::NoDescription(_)
            | Kind::NoTests(_)
            | Kind::DuplicateNumber(_)
            | Kind::ProseDependency(_)
            | Kind::DanglingDependency { .. }
            | Kind::CircularDependency(_) => Severity::Error,
            _ => Severity::Note,
        }
    }
}

impl fmt::Display for TaskIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl fmt::Display for TaskIssueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the document is too long to be read"),
            Self::TooMany(what) => write!(f, "there are too many {what}; the rest was not read"),
            Self::MoreIssues(n) => write!(f, "and {n} more issues"),
            Self::NoTasks => f.write_str("there is no phase with a task"),
            Self::HeadingSeparator(text) => {
                write!(f, "heading `{text}` has no colon after its number")
            }
            Self::HeadingLevel(text) => {
                write!(f, "heading `{text}` is bold or has a wrong number of `#`")
            }
            Self::HeadingNumber(text) => {
                write!(f, "heading `{text}` has no number of the right form")
            }
            Self::UnknownSection(text) => write!(f, "`{text}` looks like a section and is none"),
            Self::HashInCode(text) => write!(f, "`{text}` in a code block looks like a section"),
            Self::OpenCodeBlock => f.write_str("the code block that starts here is never closed"),
            Self::LabelStyle(text) => write!(f, "label `{text}` is not written `**{text}:**`"),
            Self::Indentation(text) => write!(f, "`{text}` is not indented as the layout asks"),
            Self::NameInBackticks(name) => write!(f, "test name `{name}` stands in backticks"),
            Self::NameStyle(name) => {
                write!(f, "test name `{name}` is not bold, or has a colon in it")
            }
            Self::OutOfPlace(text) => {
                write!(f, "`{text}` stands under a heading of another number")
            }
            Self::StrayText(text) => write!(f, "`{text}` belongs to nothing and was dropped"),
            Self::NoDescription(task) => write!(f, "task {task} has no description"),
            Self::NoTests(task) => write!(f, "task {task} has no unit tests"),
            Self::DuplicateTest(task, name) => {
                write!(f, "task {task} has two tests named `{name}`")
            }
            Self::Difficulty(text) => write!(f, "difficulty `{text}` is not a number from 1 to 5"),
            Self::DuplicateNumber(task) => write!(f, "there is more than one task {task}"),
            Self::ProseDependency(text) => {
                write!(f, "dependencies `{text}` are not a list of task numbers")
            }
            Self::DanglingDependency { task, dependency } => {
                write!(f, "task {task} depends on task {dependency}, which does not exist")
            }
            Self::CircularDependency(cycle) => cycle.fmt(f),
        }
    }
}

/// The lines on which the tasks of a document start. Empty for a document that was not read from text.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// One line per task, in the order of the document.
    pub(super) tasks: Vec<u32>,
}

/// Finds what is wrong with a document as a whole.
pub(super) fn check(document: &TaskDocument, lines: &Lines) -> Vec<TaskIssue> {
    let numbers: BTreeSet<TaskNumber> = document.tasks().map(|task| task.number).collect();
    let mut issues = Vec::new();
    if numbers.is_empty() {
        issues.push(TaskIssue { line: None, kind: TaskIssueKind::NoTasks });
    }
    let mut first: BTreeMap<TaskNumber, Option<u32>> = BTreeMap::new();
    for (idx, task) in document.tasks().enumerate() {
        let line = lines.tasks.get(idx).copied();
        let mut push = |kind| issues.push(TaskIssue { line, kind });
        if first.contains_key(&task.number) {
            push(TaskIssueKind::DuplicateNumber(task.number));
        }
        first.entry(task.number).or_insert(line);
        if task.description.is_empty() {
            push(TaskIssueKind::NoDescription(task.number));
        }
        if task.code_tests.is_empty() && task.visual_tests.is_empty() {
            push(TaskIssueKind::NoTests(task.number));
        }
        let mut names = BTreeSet::new();
        for test in &task.code_tests {
            if !names.insert(&test.name) {
                push(TaskIssueKind::DuplicateTest(task.number, test.name.clone()));
            }
        }
        for &dependency in
            task.dependencies.iter().filter(|dependency| !numbers.contains(dependency))
        {
            push(TaskIssueKind::DanglingDependency { task: task.number, dependency });
        }
    }
    if let Err(cycle) = TaskGraph::new(document).order() {
        let line = cycle.numbers.first().and_then(|number| first.get(number).copied().flatten());
        issues.push(TaskIssue { line, kind: TaskIssueKind::CircularDependency(cycle) });
    }
    limited(issues)
}

/// Sorts issues by line, those of the whole document first, and cuts a list that is too long.
pub(super) fn limited(mut issues: Vec<TaskIssue>) -> Vec<TaskIssue> {
    issues.sort_by_key(|issue| (issue.line, std::cmp::Reverse(issue.severity())));
    if issues.len() > MAX_ISSUES {
        let n_more = issues.len() - MAX_ISSUES;
        issues.truncate(MAX_ISSUES);
        issues.push(TaskIssue { line: None, kind: TaskIssueKind::MoreIssues(n_more) });
    }
    issues
}
