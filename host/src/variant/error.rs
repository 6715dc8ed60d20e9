//! Why a variant could not be made.

use playpen_runtime::{ExportError, ImportError, RunError, SandboxError, TreeError};
use std::{io, path::PathBuf};
use thiserror::Error;

use crate::{
    attempt::AttemptError, model::ModelError, prompt::PromptError, record::RecordError,
    rollout::ProjectError, verify::CheckError,
};

/// Why work on variants stopped. A candidate that is refused is none of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VariantError {
    /// A folder cannot be used.
    #[error("failed to open folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no description of a variant.
    #[error("`{}` does not describe a variant: {said}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        said: String,
    },
    /// A folder cannot be read into a tree.
    #[error("failed to import `{}`", path.display())]
    Import {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: ImportError,
    },
    /// A tree cannot be written to a folder.
    #[error("failed to export to `{}`", path.display())]
    Export {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: ExportError,
    },
    /// There is something in the output folder already.
    #[error("folder `{}` has a data set in it already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has no data set in it.
    #[error("there is no data set in `{}`", path.display())]
    NoDataSet {
        /// The folder.
        path: PathBuf,
    },
    /// There is neither a folder nor, by its form, a requirement of that name.
    #[error("there is no folder `{}`", path.display())]
    NoProject {
        /// The folder.
        path: PathBuf,
    },
    /// The project has no tests that pass.
    #[error("`{repo}` has no tests that pass: {said}")]
    NoTests {
        /// The project.
        repo: String,
        /// What pytest said last.
        said: String,
    },
    /// The host failed while a guest ran.
    #[error("failed to run python in the sandbox")]
    Run(#[from] RunError),
    /// The sandbox could not be made.
    #[error("failed to make a sandbox")]
    Sandbox(#[from] SandboxError),
    /// A script of ours did not do what it must.
    #[error("the {script} failed in the sandbox: {said}")]
    Script {
        /// Which one.
        script: &'static str,
        /// What it said last.
        said: String,
    },
    /// A file of the project cannot be edited.
    #[error("failed to edit `{path}`: {message}")]
    Edit {
        /// The file.
        path: String,
        /// Why not.
        message: String,
    },
    /// A tree refused.
    #[error("failed to change the tree of a variant")]
    Tree(#[from] TreeError),
    /// A commit could not be made.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// pip did not get what was asked for.
    #[error("pip failed to get `{requirement}`: {said}")]
    Pip {
        /// What was asked for.
        requirement: String,
        /// What pip said last.
        said: String,
    },
    /// A data set cannot be understood.
    #[error("failed to read instance {line} of `{}`", path.display())]
    Instance {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The folder holds no project that could be worked on.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// No task of the run is solved.
    #[error("no task of the run in `{}` is solved", path.display())]
    NothingSolved {
        /// The run's folder.
        path: PathBuf,
    },
    /// A task that is asked for is not solved.
    #[error("task `{task}` is not one of the solved tasks of the run")]
    NotSolved {
        /// The task.
        task: String,
    },
    /// A prompt could not be made.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The model could not be asked.
    #[error("the model could not be asked")]
    Model(#[from] ModelError),
    /// A part of the work was given up.
    #[error("a part of the work broke off")]
    Join(#[from] tokio::task::JoinError),
}

impl From<AttemptError> for VariantError {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Sandbox(source) => source.into(),
            AttemptError::Record(source) => source.into(),
        }
    }
}

impl VariantError {
    /// Returns advice for the person who asked, where there is some.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTests { .. } => Some(
                "name the folder of the tests with `--tests`, and packages that they need with `--with`"
                    .to_owned(),
            ),
            Self::Exists { .. } => Some(
                "give another folder with `--output`; a variant of a run is made once, of all its tasks or of those that \
                 `--task` names"
                    .to_owned(),
            ),
            Self::Pip { .. } => Some(
                "it is no folder here, so pip was asked; only pure-Python packages with wheels can be used, and a \
                 folder of your own with packages goes to `--packages`"
                    .to_owned(),
            ),
            Self::NoProject { .. } => Some(
                "`--repo-path` takes the folder of a project, or a requirement such as `tinydb==4.9.0`".to_owned(),
            ),
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("a file has that name: give another folder with `--output`".to_owned())
            }
            Self::Import { .. } | Self::NoDataSet { .. } => {
                Some("name a folder that `playpen variant procedural --output DIR` wrote".to_owned())
            }
            Self::Description { .. } => Some(
                "`name`, `takes`, `role` and `template` are needed; `playpen variant declared --help` says more"
                    .to_owned(),
            ),
            Self::NothingSolved { .. } | Self::Project(_) => Some(
                "`--runtime-folder` names the folder of one run, as `playpen rollout` tells it".to_owned(),
            ),
            Self::Record(error) => error.hint(),
            _ => None,
        }
    }
}
