//! Instances for benchmarks: SWE-bench, SWT-Bench and Commit-0, with the repositories that they name.
//!
//! ```text
//!   OUTPUT/instances.jsonl         one instance a line
//!   OUTPUT/predictions.jsonl       what kept attempts hand in, where there are some
//!   OUTPUT/repos/OWNER/NAME.git    bare repositories with the base commits: a branch for each instance
//! ```
//!
//! Rows of SWT-Bench are rows of SWE-bench; they come from `swt`, whose base has tests beside which new ones can
//! stand, and from bugs without a model. Those of `swe` have no tests at all and are left out there.

use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use walkdir::WalkDir;

use super::{ExportConfig, Format, Made, attempts::text, error::ExportError};
use crate::variant::instance::Instance;

/// How deep below a source data sets are looked for: `RUNS/RUN/variants/VARIANT/`.
const MAX_DEPTH: usize = 5;

/// What is read of a `dataset.json`.
#[derive(Debug, Deserialize)]
struct DataSetFile {
    #[serde(default)]
    kind: String,
    test_paths: Vec<String>,
}

/// A data set: its folder, what it is, and its instances.
#[derive(Debug)]
struct DataSet {
    folder: PathBuf,
    kind: String,
    test_paths: Vec<String>,
    instances: Vec<Instance>,
}

/// An instance with the fields of Commit-0 (version 0.1 of its package).
#[derive(Debug, Serialize)]
struct Commit0Row {
    instance_id: String,
    repo: String,
    original_repo: String,
    base_commit: String,
    reference_commit: String,
    setup: Commit0Setup,
    test: Commit0Test,
    src_dir: String,
}

/// How the environment of a Commit-0 instance is made: nothing but Python is needed.
#[derive(Debug, Serialize)]
struct Commit0Setup {
    install: &'static str,
    packages: &'static str,
    pip_packages: &'static str,
    pre_install: &'static str,
    python: &'static str,
    specification: &'static str,
}

/// How the tests of a Commit-0 instance are run.
#[derive(Debug, Serialize)]
struct Commit0Test {
    test_cmd: &'static str,
    test_dir: String,
}

/// Makes the rows of a benchmark.
pub(super) fn make(config: &ExportConfig) -> Result<Made, ExportError> {
    let mut made = Made::default();
    let mut seen: BTreeMap<String, Instance> = BTreeMap::new();
    for source in &config.sources {
        for set in data_sets(source)? {
            add(&mut made, config, &set, &mut seen)?;
        }
    }
    if made.lines.is_empty() {
        let path = config.sources.first().cloned().unwrap_or_default();
        return Err(ExportError::NoInstances { kind: config.format.name(), path });
    }
    Ok(made)
}

/// Returns whether a data set of this kind has rows of this format.
fn is_of(kind: &str, format: Format) -> bool {
    let is_procedural = matches!(kind, "" | "procedural");
    match format {
        Format::SweBench => is_procedural || kind == "swe",
        Format::SwtBench => is_procedural || kind == "swt",
        Format::Commit0 => kind == "commit0",
        _ => false,
    }
}

fn add(
    made: &mut Made,
    config: &ExportConfig,
    set: &DataSet,
    seen: &mut BTreeMap<String, Instance>,
) -> Result<(), ExportError> {
    if !is_of(&set.kind, config.format) {
        let why = format!("instances of `{}` are no rows of {}", set.kind, config.format);
        made.drop(set.folder.display().to_string(), why);
        return Ok(());
    }
    for instance in &set.instances {
        match seen.get(&instance.instance_id) {
            Some(other) if other == instance => {
                made.drop(&instance.instance_id, "it is there already");
                continue;
            }
            Some(_) => {
                made.drop(&instance.instance_id, "another instance has this id");
                continue;
            }
            None => drop(seen.insert(instance.instance_id.clone(), instance.clone())),
        }
        if config.format == Format::Commit0 {
            made.push("instances.jsonl", &commit0_row(set, instance)?);
        } else {
            made.push("instances.jsonl", instance);
        }
        copy_repository(&set.folder.join("repo.git"), &config.output, &instance.repo)?;
        predictions(made, set, instance)?;
    }
    Ok(())
}

/// Returns the data sets at or below `folder`.
fn data_sets(folder: &Path) -> Result<Vec<DataSet>, ExportError> {
    if !folder.is_dir() {
        return Err(ExportError::NoSource { path: folder.to_owned() });
    }
    let mut sets = vec![];
    for entry in WalkDir::new(folder).max_depth(MAX_DEPTH).sort_by_file_name() {
        let entry = entry.map_err(|error| ExportError::Folder {
            path: folder.to_owned(),
            source: error.into(),
        })?;
        let place = entry.path().parent().unwrap_or(folder);
        if entry.file_name() == "instances.jsonl" && place.join("dataset.json").is_file() {
            sets.push(read_set(place)?);
        }
    }
    Ok(sets)
}

fn read_set(folder: &Path) -> Result<DataSet, ExportError> {
    let parse = |path: &Path, source| ExportError::Parse { path: path.to_owned(), source };
    let path = folder.join("dataset.json");
    let DataSetFile { kind, test_paths } =
        serde_json::from_str(&text(&path)?).map_err(|error| parse(&path, error))?;
    let path = folder.join("instances.jsonl");
    let lines = text(&path)?;
    let instances: Result<Vec<Instance>, _> = lines.lines().map(serde_json::from_str).collect();
    let instances = instances.map_err(|error| parse(&path, error))?;
    Ok(DataSet { folder: folder.to_owned(), kind, test_paths, instances })
}

fn commit0_row(set: &DataSet, instance: &Instance) -> Result<Commit0Row, ExportError> {
    let id = &instance.instance_id;
    let reference = set.folder.join(format!("repo.git/refs/heads/{id}-reference"));
    Ok(Commit0Row {
        instance_id: id.clone(),
        repo: instance.repo.clone(),
        original_repo: instance.repo.clone(),
        base_commit: instance.base_commit.clone(),
        reference_commit: text(&reference)?.trim().to_owned(),
        setup: Commit0Setup {
            install: "",
            packages: "",
            pip_packages: "",
            pre_install: "",
            python: "3.13",
            specification: "",
        },
        test: Commit0Test {
            test_cmd: "pytest",
            test_dir: set.test_paths.first().cloned().unwrap_or_default() + "/",
        },
        src_dir: source_folder(&instance.patch),
    })
}

/// Returns the folder at the top that all files of a patch lie in, or `.`.
fn source_folder(patch: &str) -> String {
    let paths = patch.lines().filter_map(|line| line.strip_prefix("+++ b/"));
    let mut tops: Vec<&str> =
        paths.map(|path| path.split_once('/').map_or(".", |(top, _)| top)).collect();
    tops.dedup();
    match tops.as_slice() {
        [".", ..] | [] => ".".to_owned(),
        [top, rest @ ..] if rest.iter().all(|other| other == top) => format!("{top}/"),
        _ => ".".to_owned(),
    }
}

/// Adds what kept attempts at an instance hand in.
fn predictions(made: &mut Made, set: &DataSet, instance: &Instance) -> Result<(), ExportError> {
    let Some((_, item)) = instance.instance_id.rsplit_once('-') else { return Ok(()) };
    let folder = set.folder.join(item);
    let Ok(entries) = fs_err::read_dir(&folder) else { return Ok(()) };
    let mut attempts: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    attempts.sort();
    for attempt in attempts {
        let name = attempt.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let verdict = attempt.join("verdict.json");
        if name.starts_with("bug_injector") || !verdict.is_file() {
            continue;
        }
        let value: serde_json::Value = serde_json::from_str(&text(&verdict)?)
            .map_err(|source| ExportError::Parse { path: verdict.clone(), source })?;
        if value["accepted"] == true {
            let line = json!({
                "instance_id": instance.instance_id, "model_name_or_path": format!("playpen-{name}"),
                "model_patch": text(&attempt.join("patch.diff"))?,
            });
            made.push("predictions.jsonl", &line);
        }
    }
    Ok(())
}

/// Copies the objects and branches of a bare repository to `OUTPUT/repos/OWNER/NAME.git`; what another data
/// set brought stays, since objects are named by what is in them and branches by their instance.
fn copy_repository(from: &Path, output: &Path, name: &str) -> Result<(), ExportError> {
    let target = output.join("repos").join(format!("{name}.git"));
    for entry in WalkDir::new(from).sort_by_file_name() {
        let entry = entry
            .map_err(|error| ExportError::Folder { path: from.to_owned(), source: error.into() })?;
        let to = target.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        let failed = |source| ExportError::Folder { path: to.clone(), source };
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(&to).map_err(failed)?;
        } else if !to.exists() {
            fs_err::copy(entry.path(), &to).map_err(failed)?;
        }
    }
    Ok(())
}
