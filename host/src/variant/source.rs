//! A finished run as what variants are made from.

use playpen_runtime::Tree;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::error::VariantError;
use crate::{
    project::{Task, TaskNumber},
    rollout::LoadedProject,
};

/// A run whose tasks are solved, at least some of them.
#[derive(Debug)]
pub struct Source {
    /// The run's folder.
    pub folder: PathBuf,
    /// The project, with the repository as it is after the last task.
    pub project: LoadedProject,
    /// The tasks that were solved, with the ids of their tests.
    pub solved: Vec<(TaskNumber, BTreeSet<String>)>,
}

/// What is read of a `task.json`.
#[derive(Debug, Deserialize)]
struct TaskFile {
    state: State,
    #[serde(default)]
    tests: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct State {
    kind: String,
}

impl Source {
    /// Reads the run in `folder`.
    ///
    /// # Errors
    ///
    /// Fails if there is no run, or if no task of it is solved.
    pub fn load(folder: &Path) -> Result<Source, VariantError> {
        let project = LoadedProject::load(&folder.join("repo"))?;
        let mut solved = vec![];
        for number in &project.order {
            let path = folder.join("tasks").join(number.to_string()).join("task.json");
            let Ok(text) = fs_err::read_to_string(&path) else { continue };
            let file: TaskFile = serde_json::from_str(&text)
                .map_err(|source| VariantError::Instance { path, line: 1, source })?;
            if file.state.kind == "solved" {
                solved.push((*number, file.tests));
            }
        }
        if solved.is_empty() {
            return Err(VariantError::NothingSolved { path: folder.to_owned() });
        }
        Ok(Source { folder: folder.to_owned(), project, solved })
    }

    /// Returns the repository without its history.
    pub fn tree(&self) -> Tree {
        bare(&self.project.tree)
    }

    /// Returns a task of the plan.
    pub fn task(&self, number: TaskNumber) -> &Task {
        self.project.document.task(number).expect("it was solved, so it is in the plan")
    }
}

/// Returns a tree without `.git/`: no history leads from a variant to its solution.
pub(super) fn bare(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    tree.remove(".git").expect("it is a plain path");
    tree
}

/// Returns a tree without its tests.
pub(super) fn without_tests(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    tree.remove("tests").expect("it is a plain path");
    tree
}
