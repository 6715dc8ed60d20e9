//! Going on with a run that was interrupted.
//!
//! A task is finished when its `task.json` is there, and after it the repository is exported; so what is missing at
//! worst is the export of the last task, which is then done again. Attempts at a task that is not finished are kept
//! under another name, since they were paid for, and the task starts from its beginning.

use playpen_runtime::{ImportOptions, Tree};
use serde_json::Value;
use std::collections::BTreeSet;

use super::{
    RolloutError, RunInfo, Totals,
    project::{LoadedProject, ProjectError, without_times},
    report::{TaskReport, TaskState},
};
use crate::{record::RunRecord, report};

/// Keys of `run.json` that may be others when a run goes on: another build of the program is no other run.
const MAY_DIFFER: [&str; 2] = ["playpen_version", "image_digest"];

/// Commits of a task: its tests, and its implementation.
const COMMITS_OF_A_TASK: u64 = 2;

/// What a run has come to.
#[derive(Debug)]
pub(super) struct Before {
    /// The tasks that are finished, in the order of work.
    pub(super) reports: Vec<TaskReport>,
    /// The repository after the last that was solved; none if the run never came so far.
    pub(super) tree: Option<Tree>,
    pub(super) totals: Totals,
}

impl Before {
    /// Reads the records of a run, and puts aside what belongs to no finished task.
    pub(super) fn read(
        record: &RunRecord,
        info: &RunInfo<'_>,
        project: &LoadedProject,
    ) -> Result<Before, RolloutError> {
        check_same(record, info)?;
        let before = report::read(record.path())?;
        if before.is_complete {
            return Err(RolloutError::Complete { run: record.id().to_owned() });
        }
        let mut reports: Vec<TaskReport> =
            before.tasks.into_iter().map_while(|task| task.report).collect();
        let tree = repository(record)?;
        let is_exported = |task: &TaskReport| {
            task.state != TaskState::Solved
                || tree.as_ref().is_some_and(|tree| has_tests(tree, task))
        };
        if reports.last().is_some_and(|task| !is_exported(task)) {
            reports.pop();
        }
        for number in project.order.iter().skip(reports.len()) {
            record.put_aside(&number.to_string())?;
        }
        let totals = Totals {
            n_attempts: before.totals.n_attempts,
            n_model_calls: before.totals.n_model_calls,
            n_tool_calls: before.totals.n_tool_calls,
            n_denied: before.totals.n_denied,
            usage: before.totals.usage,
        };
        Ok(Before { reports, tree, totals })
    }

    /// Returns how many commits the run has made in a project that had a history or not.
    pub(super) fn n_commits(&self, project: &LoadedProject) -> u64 {
        let solved = self.reports.iter().filter(|task| task.state == TaskState::Solved);
        let is_set_up = self.tree.is_some() && !project.tree.exists(".git/HEAD");
        u64::from(is_set_up) + COMMITS_OF_A_TASK * solved.count() as u64
    }
}

/// Tells whether a repository has the files of a task's tests.
fn has_tests(tree: &Tree, task: &TaskReport) -> bool {
    let files: BTreeSet<&str> =
        task.tests.iter().map(|id| id.split("::").next().unwrap_or(id)).collect();
    files.into_iter().all(|file| tree.exists(file))
}

/// Checks that the run was started as it is to go on.
fn check_same(record: &RunRecord, info: &RunInfo<'_>) -> Result<(), RolloutError> {
    let was: Value = record.read_run_file("run.json")?;
    let now = serde_json::to_value(info).unwrap_or_default();
    let keys = [&was, &now].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys());
    let differing: BTreeSet<&str> = keys
        .map(String::as_str)
        .filter(|key| !MAY_DIFFER.contains(key) && was.get(key) != now.get(key))
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let keys = differing.into_iter().collect::<Vec<_>>().join(", ");
    Err(RolloutError::OtherRun { run: record.id().to_owned(), keys })
}

/// Reads the repository of a run, or the one before if the run was interrupted while it was put in place.
fn repository(record: &RunRecord) -> Result<Option<Tree>, RolloutError> {
    let place = record.repo_path();
    let found = [place.clone(), place.with_extension("old")].into_iter().find(|path| path.is_dir());
    let Some(path) = found else { return Ok(None) };
    let dir = cap_std::fs::Dir::open_ambient_dir(&path, cap_std::ambient_authority())
        .map_err(|source| ProjectError::Open { path: path.clone(), source })?;
    let options = ImportOptions { ignore_file: None, ..ImportOptions::default() };
    let tree = Tree::import(&dir, &options)
        .map_err(|source| ProjectError::Import { path: path.clone(), source })?;
    Ok(Some(without_times(&tree)))
}
