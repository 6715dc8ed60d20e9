//! Why a proposal could not be finished.

use crate::{
    model::ModelError,
    project::{TaskFileError, TaskNumber},
    prompt::PromptError,
    record::RecordError,
    verify::check::CheckError,
};
use playpen_runtime::{ExportError, ImportError, SandboxError};
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why [`propose`](super::propose()) stopped. What was finished before is on disk and is not paid for
/// again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// The configuration asks for something that cannot be.
    #[error("failed to propose: {message}")]
    Config {
        /// What.
        message: String,
    },
    /// A folder cannot be used.
    #[error("failed to open folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of a project cannot be read.
    #[error("failed to read `{}`", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A `project.json` is not what it should be.
    #[error("failed to read project file `{}`", path.display())]
    ProjectFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A `tasks.json` is not what it should be.
    #[error("failed to read task file `{}`", path.display())]
    TaskFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TaskFileError,
    },
    /// A file cannot be written.
    #[error("failed to record a finished step")]
    Record(#[from] RecordError),
    /// A folder has no project to work on.
    #[error("folder `{}` has no project", path.display())]
    NoProject {
        /// The folder.
        path: PathBuf,
    },
    /// A step needs an earlier one.
    #[error("project `{project}` has no {missing} yet")]
    NotReady {
        /// The project.
        project: String,
        /// What is missing.
        missing: &'static str,
    },
    /// A prompt cannot be made.
    #[error("failed to make a prompt of stage `{stage}`")]
    Prompt {
        /// The stage.
        stage: &'static str,
        /// Why.
        #[source]
        source: PromptError,
    },
    /// The model cannot be asked.
    #[error("failed to ask the model in stage `{stage}`")]
    Model {
        /// The stage.
        stage: &'static str,
        /// Why.
        #[source]
        source: ModelError,
    },
    /// The endpoint withheld an answer.
    #[error("the endpoint withheld the answer in stage `{stage}` by its content filter")]
    Withheld {
        /// The stage.
        stage: &'static str,
    },
    /// The model's answers could not be used, repairs included.
    #[error("no answer of stage `{stage}` could be used after {n_asked} attempts: {}", problems.join("; "))]
    Unusable {
        /// The stage.
        stage: &'static str,
        /// How often the model was asked.
        n_asked: u32,
        /// What was wrong with the last answer.
        problems: Vec<String>,
    },
    /// The agent's repositories were all refused.
    #[error("no set-up of `{project}` was accepted after {n_attempts} attempts: {}", findings.join("; "))]
    SetupRefused {
        /// The project.
        project: String,
        /// How often it was tried.
        n_attempts: u32,
        /// What was wrong with the last one.
        findings: Vec<String>,
    },
    /// A sandbox cannot be made.
    #[error("failed to make a sandbox for `{project}`")]
    Sandbox {
        /// The project.
        project: String,
        /// Why.
        #[source]
        source: SandboxError,
    },
    /// A check or a commit in a sandbox failed on the host's side.
    #[error("failed to check `{project}` in a sandbox")]
    Check {
        /// The project.
        project: String,
        /// Why.
        #[source]
        source: CheckError,
    },
    /// The files of a project cannot be taken into a sandbox.
    #[error("failed to take the files of `{}` into a sandbox", path.display())]
    Import {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: ImportError,
    },
    /// The files of a sandbox cannot be written to the project.
    #[error("failed to write the repository to `{}`", path.display())]
    Export {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: ExportError,
    },
    /// The document of a task is too short to be one.
    #[error("task {number} of `{project}` has no test document")]
    NoDocument {
        /// The project.
        project: String,
        /// The task.
        number: TaskNumber,
    },
}

impl ProposeError {
    /// Returns what the user may do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unusable { .. } | Self::SetupRefused { .. } => Some(
                "run the same command again: what is finished is kept; or try a stronger model",
            ),
            Self::NoProject { .. } => {
                Some("propose a project first: `playpen propose projects --output DIR`")
            }
            Self::NotReady { .. } => {
                Some("run the earlier steps first, or `playpen propose` without a sub-command")
            }
            Self::ProjectFile { .. } | Self::TaskFile { .. } => {
                Some("mend the file, or remove it to have it made again")
            }
            Self::Model { .. } | Self::Record(_) => Some(
                "run the same command again to go on: finished steps are kept and not paid for twice",
            ),
            _ => None,
        }
    }
}
