//! Why a rollout stopped before its end.

use playpen_runtime::{RunError, SandboxError};
use thiserror::Error;

use super::project::ProjectError;
use crate::{
    model::ModelError, prompt::PromptError, record::RecordError, variant::VariantError,
    verify::check::CheckError,
};

/// Why [`rollout`](super::rollout) stopped before its end. A task that is not solved is none of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// The folder holds no project that could be worked on.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A check could not be made.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A prompt could not be made.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The sandbox of an agent could not be made.
    #[error("failed to make the sandbox for task `{task}`")]
    Sandbox {
        /// The task.
        task: String,
        /// What went wrong.
        #[source]
        source: SandboxError,
    },
    /// The host failed while an agent worked.
    #[error("the sandbox failed during task `{task}`")]
    Host {
        /// The task.
        task: String,
        /// What went wrong.
        #[source]
        source: RunError,
    },
    /// The model could not be asked. Other tasks would meet the same.
    #[error("the model could not be asked for task `{task}`")]
    Model {
        /// The task.
        task: String,
        /// What went wrong.
        #[source]
        source: ModelError,
    },
    /// Tests could not be measured.
    #[error("failed to try mutants for task `{task}`")]
    Mutation {
        /// The task.
        task: String,
        /// What went wrong.
        #[source]
        source: Box<VariantError>,
    },
    /// The run that was to go on is complete.
    #[error("run `{run}` is complete")]
    Complete {
        /// The run.
        run: String,
    },
    /// The run that was to go on was started otherwise.
    #[error("run `{run}` was started with something else: {keys}")]
    OtherRun {
        /// The run.
        run: String,
        /// What differs, as `run.json` names it.
        keys: String,
    },
    /// The tests that the project has already do not pass.
    #[error("the tests that the project begins with do not pass: {summary}")]
    BaseTests {
        /// The first of them.
        summary: String,
    },
}

impl RolloutError {
    /// Returns advice for the person who started the run, where there is some.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Record(error) => error.hint(),
            Self::Complete { .. } => {
                Some("leave out `--resume` to start another run".to_owned())
            }
            Self::OtherRun { .. } => Some(
                "give the project and the options that the run was started with, which its `run.json` has".to_owned(),
            ),
            Self::BaseTests { .. } => Some(
                "remove or repair them: a task counts only if all tests pass after it".to_owned(),
            ),
            _ => None,
        }
    }
}
