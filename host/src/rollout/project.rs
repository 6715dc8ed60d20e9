//! The project that a rollout works on, read from its folder.

use playpen_runtime::{EntryKind, ImportError, ImportOptions, Tree};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

use crate::project::{
    Cycle, Project, RepoName, TaskDocument, TaskFile, TaskFileError, TaskGraph, TaskIssueKind,
    TaskNumber, parse_markdown,
};

/// Why a folder is no project that a rollout can work on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The folder cannot be opened.
    #[error("failed to open project folder `{}`", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The files in it cannot be read.
    #[error("failed to read the files of project `{}`", path.display())]
    Import {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: ImportError,
    },
    /// A file that a project has is not there.
    #[error("project `{}` has neither `tasks.json` nor `tasks.md`", path.display())]
    NoTasks {
        /// The folder.
        path: PathBuf,
    },
    /// `tasks.json` is not a list of tasks.
    #[error("failed to read `tasks.json` of project `{}`", path.display())]
    TaskFile {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: TaskFileError,
    },
    /// `project.json` is not a project.
    #[error("failed to read `project.json` of project `{}`", path.display())]
    ProjectFile {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The tasks cannot be worked on as they are listed.
    #[error("the tasks of project `{}` are not usable: {issues}", path.display())]
    Tasks {
        /// The folder.
        path: PathBuf,
        /// What is wrong with them.
        issues: String,
    },
    /// Tasks wait for each other.
    #[error("failed to order the tasks of project `{}`", path.display())]
    Order {
        /// The folder.
        path: PathBuf,
        /// Which.
        #[source]
        source: Cycle,
    },
}

/// A project as it was read.
#[derive(Clone, Debug)]
pub struct LoadedProject {
    /// The name of the repository.
    pub name: String,
    /// What the project may and may not use.
    pub constraints: String,
    /// The tasks.
    pub document: TaskDocument,
    /// The tasks in the order in which they can be worked on.
    pub order: Vec<TaskNumber>,
    /// What is odd about the tasks, and no reason not to work on them.
    pub oddities: Vec<String>,
    /// All files, `.git/` included.
    pub tree: Tree,
}

impl LoadedProject {
    /// Reads the project in the folder at `path`.
    ///
    /// # Errors
    ///
    /// Fails if the folder or a file of the project cannot be read, or if its tasks have no order.
    pub fn load(path: &Path) -> Result<LoadedProject, ProjectError> {
        let dir = cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority())
            .map_err(|source| ProjectError::Open { path: path.to_owned(), source })?;
        let tree = Tree::import(&dir, &ImportOptions::default())
            .map_err(|source| ProjectError::Import { path: path.to_owned(), source })?;
        let tasks = tasks(&tree, path)?;
        let project = project(&tree, path)?;
        let order = TaskGraph::new(&tasks.document)
            .order()
            .map_err(|source| ProjectError::Order { path: path.to_owned(), source })?;
        let named = project.as_ref().map(|project| project.repo_name.as_str().to_owned());
        let named =
            named.or_else(|| Some(RepoName::sanitized(&tasks.name).ok()?.as_str().to_owned()));
        Ok(LoadedProject {
            name: named.unwrap_or_else(|| folder_name(path)),
            constraints: project.map_or(tasks.constraints, |project| project.constraints),
            document: tasks.document,
            order,
            oddities: tasks.oddities,
            tree: without_times(&tree),
        })
    }
}

/// The tasks as they were read.
#[derive(Debug)]
struct Tasks {
    name: String,
    document: TaskDocument,
    constraints: String,
    oddities: Vec<String>,
}

/// Reads the tasks, from JSON if it is there.
fn tasks(tree: &Tree, path: &Path) -> Result<Tasks, ProjectError> {
    let owned = || path.to_owned();
    let (name, document, constraints, issues) = if let Some(text) = text(tree, "tasks.json") {
        let (file, issues) = TaskFile::from_json(&text)
            .map_err(|source| ProjectError::TaskFile { path: owned(), source })?;
        (file.project_name, file.document, file.constraints, issues)
    } else {
        let text = text(tree, "tasks.md").ok_or_else(|| ProjectError::NoTasks { path: owned() })?;
        let (document, issues) = parse_markdown(&text);
        (String::new(), document, String::new(), issues)
    };
    let (fatal, odd): (Vec<_>, Vec<_>) =
        issues.into_iter().partition(|issue| is_fatal(&issue.kind));
    let shown: BTreeSet<String> = fatal.iter().take(5).map(ToString::to_string).collect();
    if document.tasks().next().is_none() || !shown.is_empty() {
        let shown: Vec<String> = shown.into_iter().collect();
        let issues = if shown.is_empty() { "there are none".to_owned() } else { shown.join("; ") };
        return Err(ProjectError::Tasks { path: owned(), issues });
    }
    Ok(Tasks {
        name,
        document,
        constraints,
        oddities: odd.iter().map(ToString::to_string).collect(),
    })
}

/// Returns whether tasks with this issue have no order in which they could be worked on.
fn is_fatal(kind: &TaskIssueKind) -> bool {
    matches!(
        kind,
        TaskIssueKind::NoTasks
            | TaskIssueKind::TooLarge
            | TaskIssueKind::DuplicateNumber(_)
            | TaskIssueKind::DanglingDependency { .. }
    )
}

/// Returns `tree` with all times at zero: they would reach git's index, and so the records.
pub(crate) fn without_times(tree: &Tree) -> Tree {
    let mut copy = Tree::new();
    for entry in tree.walk() {
        let path = entry.path.as_str();
        let copied = match entry.kind {
            EntryKind::Dir => copy.create_dir(path, entry.mode),
            EntryKind::File => tree.read(path).and_then(|data| copy.write(path, data, entry.mode)),
            EntryKind::Symlink => copy.symlink(path, entry.target.as_deref().unwrap_or_default()),
        };
        copied.expect("what is in a tree can be put into an empty one in the same order");
    }
    copy
}

/// Reads `project.json`, which a project of another origin may not have.
fn project(tree: &Tree, path: &Path) -> Result<Option<Project>, ProjectError> {
    let Some(text) = text(tree, "project.json") else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|source| ProjectError::ProjectFile { path: path.to_owned(), source })
}

fn text(tree: &Tree, path: &str) -> Option<String> {
    tree.read(path).ok().map(|data| String::from_utf8_lossy(&data).into_owned())
}

/// Returns a name for a project that does not say its own.
fn folder_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let plain: String = name
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '-' })
        .collect();
    if plain.is_empty() { "project".to_owned() } else { plain }
}
