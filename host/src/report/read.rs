//! Reading the records of a run.

use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Attempt, Fate, Item, Report, Task, Totals, stages};
use crate::{
    record::{
        AttemptRecord, FORMAT_VERSION, INTERRUPTED, RecordError, elapsed_us, find_files, read_json,
    },
    rollout::TaskReport,
    variant::desk::Score,
};

/// What is read of a `run.json`.
#[derive(Deserialize)]
struct RunFile {
    format_version: u32,
    run_id: String,
    repo_name: String,
    #[serde(default)]
    model_name: Option<String>,
    #[serde(default)]
    playpen_version: String,
    #[serde(default)]
    tasks: Vec<String>,
}

/// What is read of the `report.json` of a run.
#[derive(Deserialize)]
struct RunReport {
    format_version: u32,
    complete: bool,
}

/// What is read of the `report.json` of a variant.
#[derive(Deserialize)]
struct VariantFile {
    format_version: u32,
    variant: String,
    items: BTreeMap<String, ItemFile>,
}

#[derive(Deserialize)]
struct ItemFile {
    kept: bool,
    #[serde(default)]
    score: Option<Score>,
}

/// Reads what came of the run in `folder`.
///
/// # Errors
///
/// Fails if a record cannot be read, or is of a later version.
pub fn read(folder: &Path) -> Result<Report, RecordError> {
    let run = read_json(&folder.join("run.json"), |run: &RunFile| run.format_version)?;
    let report = if_there(&folder.join("report.json"), |report: &RunReport| report.format_version)?;
    let mut attempts = attempts(folder)?;
    // Tasks in the order of work, then what was made of them.
    attempts.sort_by_cached_key(|it| {
        let task = run.tasks.iter().position(|number| *number == it.item);
        let is_variant = it.kind != "tasks";
        (is_variant, it.kind.clone(), task, it.item.clone(), stages::rank(&it.role), it.number)
    });
    let mut totals = Totals::default();
    for attempt in &attempts {
        totals.add(&attempt.totals);
    }
    Ok(Report {
        tasks: tasks(folder, run.tasks)?,
        items: items(folder)?,
        stages: stages::of(&attempts),
        attempts,
        totals,
        run_id: run.run_id,
        repo_name: run.repo_name,
        model_name: run.model_name,
        playpen_version: run.playpen_version,
        is_complete: report.is_some_and(|report| report.complete),
        elapsed_us: elapsed_us(folder)?,
        folder: folder.to_owned(),
    })
}

/// Reads a file that need not be there yet.
fn if_there<T: serde::de::DeserializeOwned>(
    path: &Path,
    version: impl Fn(&T) -> u32,
) -> Result<Option<T>, RecordError> {
    if path.exists() { read_json(path, version).map(Some) } else { Ok(None) }
}

fn tasks(folder: &Path, numbers: Vec<String>) -> Result<Vec<Task>, RecordError> {
    let read = |number: String| {
        // A number that leads elsewhere is no number.
        let is_plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
        let path = folder.join("tasks").join(&number).join("task.json");
        let report =
            if is_plain { if_there(&path, |_: &TaskReport| FORMAT_VERSION)? } else { None };
        Ok(Task { number, report })
    };
    numbers.into_iter().map(read).collect()
}

fn items(folder: &Path) -> Result<Vec<Item>, RecordError> {
    let mut items = vec![];
    for path in files_below(&folder.join("variants"), "report.json")? {
        let file = read_json(&path, |file: &VariantFile| file.format_version)?;
        items.extend(file.items.into_iter().map(|(name, item)| Item {
            variant: file.variant.clone(),
            name,
            is_kept: item.kept,
            score: item.score,
        }));
    }
    Ok(items)
}

fn attempts(folder: &Path) -> Result<Vec<Attempt>, RecordError> {
    let mut attempts = vec![];
    for part in ["tasks", "variants"] {
        for path in files_below(&folder.join(part), "trajectory.json")? {
            attempts.extend(attempt(folder, path.parent().unwrap_or(folder))?);
        }
    }
    Ok(attempts)
}

/// Returns every file of a name below a folder, of which there is none if the folder is not there.
fn files_below(folder: &Path, name: &str) -> Result<Vec<PathBuf>, RecordError> {
    if folder.is_dir() { find_files(folder, name) } else { Ok(vec![]) }
}

/// Reads an attempt; none if its folder is not called as one.
fn attempt(run: &Path, folder: &Path) -> Result<Option<Attempt>, RecordError> {
    let record = AttemptRecord::open(folder.to_owned());
    let names: Vec<String> = folder
        .strip_prefix(run)
        .unwrap_or(folder)
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let (kind, item, name) = match &names[..] {
        [tasks, item, name] if tasks == "tasks" => (tasks, item, name),
        [_, variant, item, name] => (variant, item, name),
        _ => return Ok(None),
    };
    let Some((role, number)) = name.rsplit_once('-') else { return Ok(None) };
    // Attempts from before an interruption are attempts at the same task.
    let item = item.split_once(&format!(".{INTERRUPTED}-")).map_or(item.as_str(), |(item, _)| item);
    let mut attempt = Attempt {
        id: names.join("/"),
        kind: kind.clone(),
        item: item.to_owned(),
        role: role.to_owned(),
        number: number.parse().unwrap_or(1),
        fate: Fate::Interrupted,
        stop: String::new(),
        message: None,
        gates: vec![],
        totals: Totals {
            n_attempts: 1,
            elapsed_us: record.read_elapsed_us()?.unwrap_or(0),
            ..Totals::default()
        },
    };
    if let Some(verdict) = record.read_verdict()? {
        attempt.fate = match () {
            () if verdict.accepted => Fate::Accepted,
            () if verdict.is_undecided() => Fate::Undecided,
            () => Fate::Refused,
        };
        attempt.totals = Totals {
            n_model_calls: verdict.n_model_calls,
            n_tool_calls: verdict.n_tool_calls,
            n_denied: verdict.n_denied,
            usage: verdict.usage,
            ..attempt.totals
        };
        attempt.stop = verdict.stop;
        attempt.message = verdict.message;
        attempt.gates = verdict.gates;
    }
    Ok(Some(attempt))
}
