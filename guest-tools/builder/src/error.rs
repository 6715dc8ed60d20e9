//! Everything that can keep an image from being built, each with what to do about it.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::patches::PatchError;
use crate::prerequisites::Missing;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Programs that the steps to run need and this machine lacks, all of them at once.
    #[error("the guests cannot be built without {}", names(.0))]
    Prerequisites(Vec<Missing>),
    /// Not enough room before the build starts.
    #[error(
        "the build needs {needed_mib} MiB of free disk at `{path}`, where {free_mib} MiB are free"
    )]
    NoSpace {
        /// The home directory.
        path: PathBuf,
        /// What the steps still to run take.
        needed_mib: u64,
        /// What there is.
        free_mib: u64,
    },
    /// The disk filled up while a step ran.
    #[error("the disk at `{path}` filled up in step `{step}`")]
    DiskFull {
        /// The home directory.
        path: PathBuf,
        /// The step.
        step: String,
    },
    /// A step's program ended with an error.
    #[error("step `{step}` failed; the end of `{log}`:\n{tail}")]
    Step {
        /// The step.
        step: String,
        /// Its whole output.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A patch does not fit the source it was made for.
    #[error("step `{step}` cannot patch a source")]
    Patch {
        /// The step.
        step: String,
        /// What does not fit.
        #[source]
        source: Box<PatchError>,
    },
    /// The snapshot of the interpreter, or the packing of the image.
    #[error("step `{step}` cannot {doing}")]
    Runtime {
        /// The step.
        step: String,
        /// What was being done.
        doing: &'static str,
        /// The kernel's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The build was told to stop.
    #[error("the build was interrupted in step `{step}`")]
    Interrupted {
        /// The step it will go on with.
        step: String,
    },
    /// The file system said no.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the file system said; names the path.
        #[source]
        source: io::Error,
    },
}

impl BuildError {
    /// What the user can do, for a line of its own that starts with `hint:`.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Prerequisites(missing) => Some(advice(missing)),
            Self::NoSpace { .. } | Self::DiskFull { .. } => {
                Some("free some space, or choose another place with --home or PLAYPEN_HOME; what is built so far is kept".into())
            }
            Self::Step { log, .. } => Some(format!(
                "the whole log is `{}`; the build goes on at this step when it is run again",
                log.display()
            )),
            Self::Interrupted { .. } => Some("run it again: it goes on at this step".into()),
            Self::Patch { .. } => Some("guest-tools/README.md says how to cut a patch again".into()),
            Self::Runtime { .. } | Self::Io { .. } => None,
        }
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

fn names(missing: &[Missing]) -> String {
    missing.iter().map(|m| format!("`{}` ({})", m.name, m.used_for)).collect::<Vec<_>>().join(", ")
}

fn advice(missing: &[Missing]) -> String {
    let mut text = String::new();
    for m in missing {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ok = write!(text, "{separator}{}: {}", m.name, m.how_to_get);
    }
    text
}
