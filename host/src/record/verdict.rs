//! Reading what became of an attempt: `verdict.json` and `times.json`.

use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    AttemptRecord, FORMAT_VERSION, RecordError,
    attempt::{PATCH_FILE, TIMES_FILE, VERDICT_FILE},
    read_json,
};
use crate::{
    model::Usage,
    verify::gate::{Fault, Reason, Verdict},
};

/// What `verdict.json` says of an attempt at a task, or at an item of a variant.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredVerdict {
    format_version: u32,
    /// What it was an attempt at: the number of a task, or the name of an item.
    pub task: String,
    /// Who worked.
    pub role: String,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// The variant, unless it was an attempt at a task.
    pub variant: Option<String>,
    /// Whether every gate passed.
    pub accepted: bool,
    /// How the agent ended.
    #[serde(default)]
    pub stop: String,
    /// What the agent said when it finished.
    pub message: Option<String>,
    /// What the gates said, in their order.
    pub gates: Vec<Verdict>,
    /// Tokens.
    #[serde(default)]
    pub usage: Usage,
    /// Calls to the model.
    #[serde(default)]
    pub n_model_calls: u64,
    /// Tool calls.
    #[serde(default)]
    pub n_tool_calls: u64,
    /// Accesses that the sandbox refused.
    #[serde(default)]
    pub n_denied: u64,
}

impl StoredVerdict {
    /// Returns why the attempt was refused; nothing if it was not.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.gates.iter().flat_map(|gate| &gate.reasons)
    }

    /// Tells whether nothing can be said of the attempt: a limit of the machine was met.
    pub fn is_undecided(&self) -> bool {
        self.reasons().any(|reason| matches!(reason, Reason::Limit { fault: Fault::Infra, .. }))
    }
}

#[derive(Deserialize)]
struct Elapsed {
    elapsed_us: u64,
}

impl AttemptRecord {
    /// Reads `verdict.json`; none if the attempt was interrupted before there was one.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or is no verdict.
    pub fn read_verdict(&self) -> Result<Option<StoredVerdict>, RecordError> {
        let path = self.path().join(VERDICT_FILE);
        if !path.exists() {
            return Ok(None);
        }
        read_json(&path, |verdict: &StoredVerdict| verdict.format_version).map(Some)
    }

    /// Reads `patch.diff`, if it is there.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read.
    pub fn read_patch(&self) -> Result<Option<String>, RecordError> {
        let path = self.path().join(PATCH_FILE);
        match fs_err::read(&path) {
            Ok(patch) => Ok(Some(String::from_utf8_lossy(&patch).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RecordError::Read { path, source }),
        }
    }

    /// Reads how long the attempt took, in microseconds, if that is recorded.
    ///
    /// # Errors
    ///
    /// Fails if `times.json` cannot be read.
    pub fn read_elapsed_us(&self) -> Result<Option<u64>, RecordError> {
        elapsed_us(self.path())
    }
}

/// Reads how long what is recorded in a folder took, if its `times.json` is there.
pub(crate) fn elapsed_us(folder: &Path) -> Result<Option<u64>, RecordError> {
    let path = folder.join(TIMES_FILE);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(read_json(&path, |_: &Elapsed| FORMAT_VERSION)?.elapsed_us))
}

/// Returns the folder of every run at `folder` or up to two levels below it, sorted.
///
/// # Errors
///
/// Fails if a folder cannot be read.
pub fn find_runs(folder: &Path) -> Result<Vec<PathBuf>, RecordError> {
    let files = super::find_files_to(3, folder, "run.json")?;
    Ok(files.iter().filter_map(|file| file.parent().map(Path::to_owned)).collect())
}
