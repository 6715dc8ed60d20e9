//! The records of a run, on disk.
//!
//! The layout is described in `record/LAYOUT.md`. A run is a folder that is created once and never
//! shared: two runs that begin at the same moment get two folders.
//!
//! # Invariants
//!
//! * **A file is whole or not there**: it is written under another name in the same folder, flushed
//!   to the disk and renamed.
//! * **The same answers of the model give the same bytes** in every file but those that are called
//!   `times.json`. What a clock says goes there and nowhere else.
//! * **Nothing is overwritten** but `repo/`, which moves on with each accepted task.

use playpen_runtime::Tree;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

mod attempt;
mod given;
mod patch;
mod start;
mod trees;
mod verdict;
mod verification;
mod write;

pub(crate) use attempt::micros;
pub use attempt::{AttemptAudit, AttemptRecord};
pub use given::{StoredAttempt, StoredBudget, Worked, digest_of, find_attempts, read_attempt};
pub use patch::unified_diff;
pub use trees::{TreeId, TreeStore};
pub(crate) use verdict::elapsed_us;
pub use verdict::{StoredVerdict, find_runs};
pub(crate) use verification::find_files;
use verification::find_files_to;
pub use verification::{
    LoadedClaim, StoredClaim, StoredPolicy, StoredVerification, VERIFICATION_FILE,
    find_verifications, read_verification, store_of,
};
pub(crate) use write::read_json;
pub use write::{json_line, write_file, write_json};

/// The version of the layout. A reader refuses a run of a later one.
pub const FORMAT_VERSION: u32 = 1;

/// Runs of one project in one folder, above which a name must be given. Answers a loop that would
/// look for a free name for ever.
const MAX_RUNS: u32 = 9999;

/// What the name of a folder says of a task that was not finished when its run was interrupted.
pub(crate) const INTERRUPTED: &str = "interrupted";

/// Why a record could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The folder of the run is there already.
    #[error("run folder `{}` is there already", path.display())]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// There is no run of this name.
    #[error("there is no run at `{}`", path.display())]
    NoRun {
        /// Where it would be.
        path: PathBuf,
    },
    /// There are too many runs in the folder.
    #[error("`{}` holds {MAX_RUNS} runs of this project", path.display())]
    TooManyRuns {
        /// The folder of all runs.
        path: PathBuf,
    },
    /// The run's name is no plain name.
    #[error("run name `{name}` is not a plain file name")]
    BadRunId {
        /// The name as given.
        name: String,
    },
    /// A folder could not be made.
    #[error("failed to create folder `{}`", path.display())]
    CreateFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of a record could not be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The repository could not be exported.
    #[error("failed to export the repository to `{}`", path.display())]
    Export {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RecordError {
    /// Returns advice for the person who started the run, where there is some.
    pub fn hint(&self) -> Option<String> {
        let source = match self {
            Self::RunExists { .. } => return Some("choose another run name".to_owned()),
            Self::TooManyRuns { .. } => {
                return Some("choose another runtime folder, or name the run".to_owned());
            }
            Self::CreateFolder { source, .. } | Self::Write { source, .. } => source,
            Self::Export { source, .. } => source.downcast_ref::<io::Error>()?,
            Self::NoRun { .. } => {
                return Some("`playpen report FOLDER` shows the runs of a folder".to_owned());
            }
            Self::BadRunId { .. } | Self::Read { .. } => return None,
        };
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("the disk is full; what was recorded so far is complete".to_owned())
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("choose a runtime folder that can be written".to_owned())
            }
            _ => None,
        }
    }
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    path: PathBuf,
    id: String,
    trees: TreeStore,
}

impl RunRecord {
    /// Makes the folder of a run in `runtime_folder`, named `run_id` or after the repository and the
    /// next free number.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made, or if one of this name is there.
    pub fn create(
        runtime_folder: &Path,
        run_id: Option<&str>,
        repo_name: &str,
    ) -> Result<RunRecord, RecordError> {
        create_all(runtime_folder)?;
        match run_id {
            Some(id) => {
                let path = runtime_folder.join(checked(id)?);
                match Self::try_create(path.clone(), id)? {
                    Some(record) => Ok(record),
                    None => Err(RecordError::RunExists { path }),
                }
            }
            None => Self::create_next(runtime_folder, checked(repo_name)?),
        }
    }

    /// Opens the folder of a run that was interrupted.
    ///
    /// # Errors
    ///
    /// Fails if there is no run of this name.
    pub fn open(runtime_folder: &Path, run_id: &str) -> Result<RunRecord, RecordError> {
        let path = runtime_folder.join(checked(run_id)?);
        if !path.join("run.json").is_file() {
            return Err(RecordError::NoRun { path });
        }
        let trees = TreeStore::new(&path);
        Ok(RunRecord { path, id: run_id.to_owned(), trees })
    }

    /// Reads a file of the run itself, such as `run.json`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn read_run_file<T: DeserializeOwned>(&self, name: &str) -> Result<T, RecordError> {
        read_json(&self.path.join(name), |_: &T| FORMAT_VERSION)
    }

    /// Gives the folder of a task that was not finished another name, if it is there: the attempts in it were paid
    /// for.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be renamed.
    pub fn put_aside(&self, task: &str) -> Result<(), RecordError> {
        let folder = self.task_folder(task);
        if !folder.is_dir() {
            return Ok(());
        }
        let mut names =
            (1..=MAX_RUNS).map(|n| self.task_folder(&format!("{task}.{INTERRUPTED}-{n}")));
        let free = names.find(|name| !name.exists());
        let free = free.ok_or_else(|| RecordError::TooManyRuns { path: folder.clone() })?;
        rename(&folder, &free)
    }

    /// Makes the folder with the lowest number that is free.
    fn create_next(folder: &Path, repo_name: &str) -> Result<RunRecord, RecordError> {
        for number in 1..=MAX_RUNS {
            let id = format!("{repo_name}-{number:04}");
            if let Some(record) = Self::try_create(folder.join(&id), &id)? {
                return Ok(record);
            }
        }
        Err(RecordError::TooManyRuns { path: folder.to_owned() })
    }

    /// Makes the folder, or returns `None` if it is there.
    fn try_create(path: PathBuf, id: &str) -> Result<Option<RunRecord>, RecordError> {
        match fs_err::create_dir(&path) {
            Ok(()) => {
                let trees = TreeStore::new(&path);
                Ok(Some(RunRecord { path, id: id.to_owned(), trees }))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(source) => Err(RecordError::CreateFolder { path, source }),
        }
    }

    /// Returns the run's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the run's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the trees of the run.
    pub fn trees(&self) -> &TreeStore {
        &self.trees
    }

    /// Makes the folder of an attempt at a task.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made.
    pub fn attempt(
        &self,
        task: &str,
        role: &str,
        attempt: u32,
    ) -> Result<AttemptRecord, RecordError> {
        AttemptRecord::create(self.task_folder(task).join(format!("{role}-{attempt}")))
    }

    /// Writes a file of the run itself, such as `run.json`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_run_file(&self, name: &str, value: &impl Serialize) -> Result<(), RecordError> {
        write_json(&self.path.join(name), value)
    }

    /// Writes a file of a task, such as `task.json`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_task_file(
        &self,
        task: &str,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), RecordError> {
        let folder = self.task_folder(task);
        create_all(&folder)?;
        write_json(&folder.join(name), value)
    }

    /// Returns where the repository is exported to.
    pub fn repo_path(&self) -> PathBuf {
        self.path.join("repo")
    }

    /// Puts `tree` in the place of the exported repository.
    ///
    /// The new one is written beside the old one, which goes when the new one is complete.
    ///
    /// # Errors
    ///
    /// Fails if the tree cannot be written; the old repository is then still there, as `repo` or as
    /// `repo.old`.
    pub fn export_repo(&self, tree: &Tree) -> Result<(), RecordError> {
        let (now, next, old) =
            (self.repo_path(), self.path.join("repo.new"), self.path.join("repo.old"));
        remove_all(&next)?;
        create_all(&next)?;
        export(tree, &next)?;
        remove_all(&old)?;
        if now.exists() {
            rename(&now, &old)?;
        }
        rename(&next, &now)?;
        remove_all(&old)
    }

    fn task_folder(&self, task: &str) -> PathBuf {
        self.path.join("tasks").join(task)
    }
}

/// Writes `tree` into the folder at `path`.
fn export(tree: &Tree, path: &Path) -> Result<(), RecordError> {
    let fail = |source: Box<dyn std::error::Error + Send + Sync>| RecordError::Export {
        path: path.to_owned(),
        source,
    };
    let dir = cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority())
        .map_err(|error| fail(error.into()))?;
    tree.export(&dir).map_err(|error| fail(error.into()))
}

/// Returns `name` if it can be the name of a folder.
fn checked(name: &str) -> Result<&str, RecordError> {
    let is_plain = !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if is_plain { Ok(name) } else { Err(RecordError::BadRunId { name: name.to_owned() }) }
}

pub(crate) fn create_all(path: &Path) -> Result<(), RecordError> {
    fs_err::create_dir_all(path)
        .map_err(|source| RecordError::CreateFolder { path: path.to_owned(), source })
}

fn remove_all(path: &Path) -> Result<(), RecordError> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RecordError::Write { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), RecordError> {
    fs_err::rename(from, to).map_err(|source| RecordError::Write { path: to.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::{RecordError, RunRecord};
    use playpen_runtime::Tree;

    #[test]
    fn two_runs_get_two_folders() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("runtimes");
        let ids: Vec<String> = (0..2)
            .map(|_| RunRecord::create(&folder, None, "blockfs").unwrap().id().to_owned())
            .collect();
        assert_eq!(ids, ["blockfs-0001", "blockfs-0002"]);
    }

    #[test]
    fn a_run_that_is_there_is_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        RunRecord::create(dir.path(), Some("mine"), "x").unwrap();
        let error = RunRecord::create(dir.path(), Some("mine"), "x").unwrap_err();
        assert!(matches!(error, RecordError::RunExists { .. }));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../x", "a/b", "", ".hidden", "a\0b"] {
            let error = RunRecord::create(dir.path(), Some(name), "x").unwrap_err();
            assert!(matches!(error, RecordError::BadRunId { .. }), "{name:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs_err::write(&file, "").unwrap();
        let error = RunRecord::create(&file.join("below"), None, "x").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("failed to create folder `{}`", file.join("below").display())
        );
    }

    #[test]
    fn a_full_disk_is_explained() {
        let error = RecordError::Write {
            path: "run/a.json".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        };
        assert_eq!(error.to_string(), "failed to write `run/a.json`");
        assert!(error.hint().unwrap().starts_with("the disk is full"));
    }

    #[test]
    fn the_repository_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunRecord::create(dir.path(), None, "x").unwrap();
        let mut tree = Tree::new();
        tree.write("a/old.txt", "1", 0o644).unwrap();
        run.export_repo(&tree).unwrap();
        tree.remove("a").unwrap();
        tree.write("new.txt", "2", 0o644).unwrap();
        run.export_repo(&tree).unwrap();
        assert_eq!(fs_err::read_to_string(run.repo_path().join("new.txt")).unwrap(), "2");
        assert!(!run.repo_path().join("a").exists());
        assert!(!run.path().join("repo.old").exists());
        assert!(!run.path().join("repo.new").exists());
    }
}
