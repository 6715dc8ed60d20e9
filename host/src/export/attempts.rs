//! The attempts of runs: which are kept, which failed, and which cannot be used.

use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use walkdir::WalkDir;

use super::{Dropped, error::ExportError};
use crate::{
    atif::Trajectory,
    record::{AttemptRecord, find_runs},
    verify::gate::Reason,
};

/// How deep below a source attempts are looked for: `RUNS/RUN/variants/VARIANT/ITEM/ATTEMPT/`.
const MAX_DEPTH: usize = 7;

/// What an attempt is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was accepted, and what came of it was kept.
    Kept,
    /// It was refused, and the fault is the agent's.
    Failed,
}

/// An attempt with what is needed of its records.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// `RUN/tasks/1.2.3/implementer-1`, or with `variants/VARIANT` for `tasks`.
    pub id: String,
    /// `tasks`, or the name of a variant.
    pub kind: String,
    /// What it worked on.
    pub item: String,
    /// Who the agent was.
    pub role: String,
    /// Which attempt of this role it is.
    pub number: u32,
    /// What it is good for.
    pub fate: Fate,
    /// Kinds of the reasons for which it was refused.
    pub reasons: Vec<String>,
    /// What was said and done.
    pub trajectory: Trajectory,
    /// Tokens that the model read and wrote.
    pub n_tokens: u64,
}

impl Attempt {
    /// Returns what all attempts at the same work have in common.
    pub(super) fn group(&self) -> &str {
        self.id.rsplit_once('-').map_or(self.id.as_str(), |(group, _)| group)
    }
}

/// What is read of a `task.json`.
#[derive(Debug, Deserialize)]
struct TaskFile {
    state: StateFile,
}

#[derive(Debug, Deserialize)]
struct StateFile {
    kind: String,
}

/// What is read of a `run.json`.
#[derive(Debug, Deserialize)]
struct RunFile {
    run_id: String,
}

/// Reads the attempts of all runs in `sources`, which are folders of runs or folders above them.
pub(super) fn read(sources: &[PathBuf]) -> Result<(Vec<Attempt>, Vec<Dropped>), ExportError> {
    let (mut attempts, mut dropped) = (vec![], vec![]);
    let mut names = BTreeSet::new();
    for source in sources {
        let runs = if source.is_dir() { find_runs(source)? } else { vec![] };
        if runs.is_empty() {
            return Err(ExportError::NoSource { path: source.clone() });
        }
        for run in runs {
            let name = free_name(&mut names, &json::<RunFile>(&run.join("run.json"))?.run_id);
            read_run(&run, &name, &mut attempts, &mut dropped)?;
        }
    }
    choose(&mut attempts, &mut dropped);
    Ok((attempts, dropped))
}

fn walk_error(folder: &Path, error: walkdir::Error) -> ExportError {
    ExportError::Folder { path: folder.to_owned(), source: error.into() }
}

/// Returns `name`, with a number if another run has it.
fn free_name(taken: &mut BTreeSet<String>, name: &str) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = format!("{name}~{number}");
        number += 1;
    }
    free
}

fn read_run(
    run: &Path,
    name: &str,
    attempts: &mut Vec<Attempt>,
    dropped: &mut Vec<Dropped>,
) -> Result<(), ExportError> {
    for part in ["tasks", "variants"] {
        let folder = run.join(part);
        if !folder.is_dir() {
            continue;
        }
        for entry in WalkDir::new(&folder).max_depth(MAX_DEPTH).sort_by_file_name() {
            let entry = entry.map_err(|error| walk_error(&folder, error))?;
            if entry.file_name() != "trajectory.json" {
                continue;
            }
            let place = entry.path().parent().unwrap_or(run);
            let below = place.strip_prefix(run).unwrap_or(place).to_string_lossy();
            let id = format!("{name}/{below}");
            match read_attempt(place, &id, part)? {
                Ok(attempt) => attempts.push(attempt),
                Err(why) => dropped.push(Dropped::new(id, why)),
            }
        }
    }
    Ok(())
}

/// Reads one attempt, or says why it cannot be used.
fn read_attempt(
    folder: &Path,
    id: &str,
    part: &str,
) -> Result<Result<Attempt, String>, ExportError> {
    let Some(verdict) = AttemptRecord::open(folder.to_owned()).read_verdict()? else {
        return Ok(Err("there is no verdict: the run was interrupted".to_owned()));
    };
    if verdict.is_undecided() {
        return Ok(Err("it is undecided: a limit of the machine was met".to_owned()));
    }
    if part == "tasks" && verdict.accepted {
        let task = folder.parent().unwrap_or(folder).join("task.json");
        if !task.exists() {
            return Ok(Err("the task is not finished: the run was interrupted".to_owned()));
        }
        if json::<TaskFile>(&task)?.state.kind != "solved" {
            return Ok(Err(
                "the task stayed unsolved, so nothing confirms what was accepted".to_owned()
            ));
        }
    }
    let trajectory: Trajectory = json(&folder.join("trajectory.json"))?;
    if let Err(error) = trajectory.validate() {
        return Ok(Err(error.to_string()));
    }
    let kinds: BTreeSet<String> = verdict.reasons().map(Reason::name).collect();
    Ok(Ok(Attempt {
        id: id.to_owned(),
        kind: verdict.variant.clone().unwrap_or_else(|| part.to_owned()),
        fate: if verdict.accepted { Fate::Kept } else { Fate::Failed },
        reasons: kinds.into_iter().collect(),
        n_tokens: verdict.usage.total_tokens(),
        item: verdict.task,
        role: verdict.role,
        number: verdict.attempt,
        trajectory,
    }))
}

/// Leaves one kept attempt for each piece of work: the last one, which the others were built on.
fn choose(attempts: &mut Vec<Attempt>, dropped: &mut Vec<Dropped>) {
    let mut last: BTreeMap<String, u32> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| attempt.fate == Fate::Kept) {
        let number = last.entry(attempt.group().to_owned()).or_default();
        *number = attempt.number.max(*number);
    }
    attempts.retain(|attempt| {
        let is_chosen =
            attempt.fate == Fate::Failed || last.get(attempt.group()) == Some(&attempt.number);
        if !is_chosen {
            dropped.push(Dropped::new(&attempt.id, "a later attempt took its place"));
        }
        is_chosen
    });
}

pub(super) fn text(path: &Path) -> Result<String, ExportError> {
    fs_err::read_to_string(path)
        .map_err(|source| ExportError::Read { path: path.to_owned(), source })
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ExportError> {
    serde_json::from_str(&text(path)?)
        .map_err(|source| ExportError::Parse { path: path.to_owned(), source })
}
