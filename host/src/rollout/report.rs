//! What came of a rollout.

use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

use crate::{model::Usage, mutation::Score};

/// What came of a rollout.
#[derive(Clone, Debug, Serialize)]
pub struct RolloutReport {
    /// The version of the layout of the records.
    pub format_version: u32,
    /// The run's name.
    pub run_id: String,
    /// The repository's name.
    pub repo_name: String,
    /// Whether all tasks were gone through; an error stops a run before.
    pub complete: bool,
    /// The tasks, in the order in which they were worked on.
    pub tasks: Vec<TaskReport>,
    /// Counts over all attempts.
    pub totals: Totals,
    /// Tests of the repository as it is now.
    pub n_tests: usize,
    /// How long it took. Not part of the record.
    #[serde(skip)]
    pub elapsed: Duration,
    /// The run's folder. Not part of the record.
    #[serde(skip)]
    pub run_folder: PathBuf,
}

impl RolloutReport {
    /// Returns the number of tasks that were solved.
    pub fn n_solved(&self) -> usize {
        self.tasks.iter().filter(|task| task.state == TaskState::Solved).count()
    }
}

/// Counts over all attempts, those that were refused included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Attempts of agents.
    pub n_attempts: u64,
    /// Calls to the model.
    pub n_model_calls: u64,
    /// Tool calls.
    pub n_tool_calls: u64,
    /// Accesses that the sandbox refused.
    pub n_denied: u64,
    /// Tokens.
    pub usage: Usage,
}

/// What came of a task. This is also what `task.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskReport {
    /// The task's number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// What came of it.
    pub state: TaskState,
    /// Attempts at its tests.
    pub n_test_attempts: u32,
    /// Attempts at its implementation.
    pub n_implementation_attempts: u32,
    /// The ids of its tests, if it was solved.
    pub tests: Vec<String>,
    /// How many mutants of the implementation its tests noticed, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutation: Option<Score>,
    /// Visual tests of the task, which are kept and not run.
    pub unsupported_visual_tests: Vec<String>,
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TaskState {
    /// Its tests were accepted and an implementation was verified.
    Solved,
    /// No attempt was accepted.
    Unsolved {
        /// Why the last one was not.
        reasons: Vec<String>,
    },
    /// It was not tried, because a task that it depends on is not solved.
    Skipped {
        /// Those tasks.
        because: Vec<String>,
    },
}
