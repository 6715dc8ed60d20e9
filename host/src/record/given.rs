//! `attempt.json`: what an attempt was given and what it left, complete enough to carry its calls out again.

use playpen_runtime::Tree;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{AttemptRecord, FORMAT_VERSION, RecordError, StoredPolicy, read_json, write_json};
use crate::agent::{AgentBudget, AgentRole, WritePolicy};

/// The file that it is in.
const ATTEMPT_FILE: &str = "attempt.json";

/// What `attempt.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredAttempt {
    format_version: u32,
    /// Who worked.
    pub role: AgentRole,
    /// The stage, as the model client knows it.
    pub stage: String,
    /// The task or item.
    pub task: Option<String>,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// The digest of all files that it left, `.git/` apart. They are not kept: its calls make them again.
    pub result: String,
    /// What it could write.
    pub policy: StoredPolicy,
    /// What it could spend.
    pub budget: StoredBudget,
    /// The BLAKE3 hash of the manifest of the image that it worked in.
    pub image: String,
}

/// A budget as records hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBudget {
    steps: u32,
    tokens: u64,
    wall_s: u64,
    tool_wall_s: u64,
    observation_chars: usize,
}

impl From<&AgentBudget> for StoredBudget {
    fn from(budget: &AgentBudget) -> StoredBudget {
        StoredBudget {
            steps: budget.steps,
            tokens: budget.tokens,
            wall_s: budget.wall.as_secs(),
            tool_wall_s: budget.tool_wall.as_secs(),
            observation_chars: budget.observation_chars,
        }
    }
}

impl StoredBudget {
    /// Returns the budget.
    pub fn budget(self) -> AgentBudget {
        AgentBudget {
            steps: self.steps,
            tokens: self.tokens,
            wall: Duration::from_secs(self.wall_s),
            tool_wall: Duration::from_secs(self.tool_wall_s),
            observation_chars: self.observation_chars,
        }
    }
}

/// What an attempt was and what it worked with, for its record.
#[derive(Clone, Copy, Debug)]
pub struct Worked<'a> {
    /// Who worked.
    pub role: AgentRole,
    /// The stage.
    pub stage: &'a str,
    /// The task or item.
    pub task: Option<&'a str>,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// All files that it left.
    pub result: &'a Tree,
    /// What it could write.
    pub policy: &'a WritePolicy,
    /// What it could spend.
    pub budget: &'a AgentBudget,
    /// The hash of the image's manifest.
    pub image: &'a str,
}

/// Returns the digest of what lies in `tree` under the names at its root that are wanted.
pub fn digest_of(tree: &Tree, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut wanted = tree.clone();
    for entry in tree.walk() {
        if !entry.path.contains('/') && !is_wanted(&entry.path) {
            wanted.remove(&entry.path).expect("the entry was listed");
        }
    }
    wanted.digest().to_hex().to_string()
}

impl AttemptRecord {
    /// Writes `attempt.json`.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn write_attempt(&self, worked: &Worked<'_>) -> Result<(), RecordError> {
        let stored = StoredAttempt {
            format_version: FORMAT_VERSION,
            role: worked.role,
            stage: worked.stage.to_owned(),
            task: worked.task.map(str::to_owned),
            attempt: worked.attempt,
            result: digest_of(worked.result, |name| name != ".git"),
            policy: StoredPolicy::new(worked.policy),
            budget: worked.budget.into(),
            image: worked.image.to_owned(),
        };
        write_json(&self.path().join(ATTEMPT_FILE), &stored)
    }
}

/// Reads the `attempt.json` of the attempt in `folder`.
///
/// # Errors
///
/// Fails if it is not there, or is none.
pub fn read_attempt(folder: &Path) -> Result<StoredAttempt, RecordError> {
    read_json(&folder.join(ATTEMPT_FILE), |stored: &StoredAttempt| stored.format_version)
}

/// Returns the folder of every attempt in `folder`, sorted.
///
/// # Errors
///
/// Fails if a folder cannot be read.
pub fn find_attempts(folder: &Path) -> Result<Vec<PathBuf>, RecordError> {
    super::find_files(folder, ATTEMPT_FILE)?
        .into_iter()
        .map(|path| Ok(path.parent().unwrap_or(folder).to_owned()))
        .collect()
}
