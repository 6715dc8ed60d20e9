//! `verification.json`: what a verifier was asked and what it said, complete enough to ask again.

use playpen_runtime::Tree;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{AttemptRecord, FORMAT_VERSION, RecordError, TreeId, TreeStore, read_json, write_json};
use crate::{
    agent::WritePolicy,
    verify::{
        Bug, CheckError, CheckLimits, Solution, Suite, Verification, Verified, Verifier,
        VerifySettings, Wanted,
    },
};

/// The file that a verification is in.
pub const VERIFICATION_FILE: &str = "verification.json";

/// The file beside it in which its times are.
const TIMES_FILE: &str = "verification.times.json";

/// A claim, with its trees in a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StoredClaim {
    /// See [`Solution`].
    Solution {
        /// What the agent was given.
        base: TreeId,
        /// All that it left.
        result: TreeId,
        /// Where the tests come from.
        pristine: TreeId,
        /// What may be handed in.
        policy: StoredPolicy,
        /// What should come of it.
        wanted: Wanted,
    },
    /// See [`Suite`].
    Suite {
        /// What the agent was given.
        base: TreeId,
        /// All that it left.
        result: TreeId,
        /// The code as it should be.
        fixed: Option<TreeId>,
        /// What may be handed in.
        policy: StoredPolicy,
        /// The tests that are there already.
        earlier: BTreeSet<String>,
        /// Modules that may appear.
        may_appear: BTreeSet<String>,
    },
    /// See [`Bug`].
    Bug {
        /// The code without the bug.
        base: TreeId,
        /// All that the agent left.
        result: TreeId,
        /// Where the tests come from.
        pristine: TreeId,
        /// What may be handed in.
        policy: StoredPolicy,
    },
}

/// What a role may write, as patterns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPolicy {
    only: Option<Vec<String>>,
    never: Vec<String>,
}

impl StoredPolicy {
    /// Returns the patterns of `policy`.
    pub fn new(policy: &WritePolicy) -> StoredPolicy {
        let (only, never) = policy.patterns();
        StoredPolicy { only, never }
    }

    /// Returns the policy.
    pub fn policy(&self) -> WritePolicy {
        WritePolicy::from_patterns(self.only.as_deref(), &self.never)
    }
}

/// What `verification.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredVerification {
    /// The version of the layout.
    pub format_version: u32,
    /// How thoroughly was looked.
    pub settings: StoredSettings,
    /// What was asked.
    pub claim: StoredClaim,
    /// What was said.
    pub verification: Verification,
}

/// Settings of a verifier that change what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSettings {
    n_repeats: u32,
    cpu_s: u64,
    wall_s: u64,
    nonce: u64,
}

impl From<VerifySettings> for StoredSettings {
    fn from(settings: VerifySettings) -> StoredSettings {
        StoredSettings {
            n_repeats: settings.n_repeats,
            cpu_s: settings.limits.cpu.as_secs(),
            wall_s: settings.limits.wall.as_secs(),
            nonce: settings.nonce,
        }
    }
}

impl StoredSettings {
    /// Returns the settings for as many runs side by side.
    pub fn settings(self, n_jobs: usize) -> VerifySettings {
        VerifySettings {
            n_repeats: self.n_repeats,
            limits: CheckLimits {
                cpu: Duration::from_secs(self.cpu_s),
                wall: Duration::from_secs(self.wall_s),
            },
            nonce: self.nonce,
            n_jobs,
        }
    }
}

impl StoredClaim {
    /// Stores the trees of a solution.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written; so do the other two.
    pub fn solution(store: &TreeStore, claim: &Solution<'_>) -> Result<StoredClaim, RecordError> {
        Ok(StoredClaim::Solution {
            base: store.put(claim.base)?,
            result: store.put(claim.result)?,
            pristine: store.put(claim.pristine)?,
            policy: StoredPolicy::new(claim.policy),
            wanted: claim.wanted.clone(),
        })
    }

    /// Stores the trees of a suite.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn suite(store: &TreeStore, claim: &Suite<'_>) -> Result<StoredClaim, RecordError> {
        Ok(StoredClaim::Suite {
            base: store.put(claim.base)?,
            result: store.put(claim.result)?,
            fixed: claim.fixed.map(|fixed| store.put(fixed)).transpose()?,
            policy: StoredPolicy::new(claim.policy),
            earlier: claim.earlier.clone(),
            may_appear: claim.may_appear.clone(),
        })
    }

    /// Stores the trees of a bug.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn bug(store: &TreeStore, claim: &Bug<'_>) -> Result<StoredClaim, RecordError> {
        Ok(StoredClaim::Bug {
            base: store.put(claim.base)?,
            result: store.put(claim.result)?,
            pristine: store.put(claim.pristine)?,
            policy: StoredPolicy::new(claim.policy),
        })
    }

    /// Takes the trees out of the store.
    ///
    /// # Errors
    ///
    /// Fails if a file is not there or was changed.
    pub fn load(&self, store: &TreeStore) -> Result<LoadedClaim, RecordError> {
        let (base, result, third) = match self {
            Self::Solution { base, result, pristine, .. }
            | Self::Bug { base, result, pristine, .. } => (base, result, Some(pristine)),
            Self::Suite { base, result, fixed, .. } => (base, result, fixed.as_ref()),
        };
        Ok(LoadedClaim {
            claim: self.clone(),
            base: store.get(base)?,
            result: store.get(result)?,
            third: third.map(|id| store.get(id)).transpose()?,
        })
    }
}

/// A claim with its trees.
#[derive(Clone, Debug)]
pub struct LoadedClaim {
    claim: StoredClaim,
    base: Tree,
    result: Tree,
    /// The pristine tests, or the code as it should be.
    third: Option<Tree>,
}

impl LoadedClaim {
    /// Asks a verifier.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn verify(&self, verifier: &Verifier) -> Result<Verified, CheckError> {
        let Self { claim, base, result, third } = self;
        let pristine = third.as_ref().unwrap_or(base);
        match claim {
            StoredClaim::Solution { policy, wanted, .. } => {
                let policy = &policy.policy();
                verifier.solution(&Solution { base, result, policy, pristine, wanted }).await
            }
            StoredClaim::Suite { policy, earlier, may_appear, .. } => {
                let policy = &policy.policy();
                let fixed = third.as_ref();
                let claim = Suite { base, result, policy, fixed, earlier, may_appear };
                verifier.suite(&claim).await
            }
            StoredClaim::Bug { policy, .. } => {
                let policy = &policy.policy();
                verifier.bug(&Bug { base, result, policy, pristine }).await
            }
        }
    }
}

impl AttemptRecord {
    /// Writes what a verifier was asked and what it said, and how long it took into a file beside it.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn write_verification(
        &self,
        claim: &StoredClaim,
        settings: VerifySettings,
        verified: &Verified,
    ) -> Result<(), RecordError> {
        let stored = StoredVerification {
            format_version: FORMAT_VERSION,
            settings: settings.into(),
            claim: claim.clone(),
            verification: verified.record.clone(),
        };
        write_json(&self.path().join(TIMES_FILE), &verified.timing)?;
        write_json(&self.path().join(VERIFICATION_FILE), &stored)
    }
}

/// Reads a `verification.json`.
///
/// # Errors
///
/// Fails if it is not there, or is none.
pub fn read_verification(path: &Path) -> Result<StoredVerification, RecordError> {
    read_json(path, |stored: &StoredVerification| stored.format_version)
}

/// Returns every `verification.json` below `folder`, sorted.
///
/// # Errors
///
/// Fails if a folder cannot be read.
pub fn find_verifications(folder: &Path) -> Result<Vec<PathBuf>, RecordError> {
    find_files(folder, VERIFICATION_FILE)
}

/// Returns every file of a name below `folder`, sorted.
pub(crate) fn find_files(folder: &Path, name: &str) -> Result<Vec<PathBuf>, RecordError> {
    find_files_to(usize::MAX, folder, name)
}

/// Returns every file of a name up to so many levels below `folder`, sorted.
pub(super) fn find_files_to(
    n_levels: usize,
    folder: &Path,
    name: &str,
) -> Result<Vec<PathBuf>, RecordError> {
    let mut found = vec![];
    for entry in walkdir::WalkDir::new(folder).max_depth(n_levels).sort_by_file_name() {
        let entry = entry
            .map_err(|error| RecordError::Read { path: folder.to_owned(), source: error.into() })?;
        if entry.file_type().is_file() && entry.file_name() == name {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

/// Returns the run that a record lies in: the nearest folder above it with trees.
pub fn store_of(path: &Path) -> TreeStore {
    let run = path.ancestors().find(|folder| folder.join("trees").is_dir());
    TreeStore::new(run.unwrap_or(path))
}
