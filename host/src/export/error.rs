//! Why an export stopped.

use std::{io, path::PathBuf};
use thiserror::Error;

use crate::record::RecordError;

/// Why an export stopped. An attempt that is left out is none of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The folder is neither a run nor a data set.
    #[error("`{}` is neither a run nor a data set", path.display())]
    NoSource {
        /// The folder.
        path: PathBuf,
    },
    /// There are no attempts below the folders.
    #[error("there are no attempts below `{}`", path.display())]
    NoAttempts {
        /// The first of them.
        path: PathBuf,
    },
    /// There are no instances of this kind below the folders.
    #[error("there are no {kind} instances below `{}`", path.display())]
    NoInstances {
        /// The kind.
        kind: &'static str,
        /// The first of the folders.
        path: PathBuf,
    },
    /// The folder for the files holds something.
    #[error("folder `{}` is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A folder cannot be made or read.
    #[error("failed to use folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record is not what it should be.
    #[error("failed to understand `{}`", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl ExportError {
    /// Returns advice for the person who asked, where there is some.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSource { .. } | Self::NoAttempts { .. } => Some(
                "name the folder of one run, as `playpen rollout` tells it, or a folder above several".to_owned(),
            ),
            Self::NoInstances { .. } => Some(
                "`playpen rollout --swe --swt --commit0` and `playpen variant` make instances".to_owned(),
            ),
            Self::NotEmpty { .. } => Some("give another folder with `--output`".to_owned()),
            Self::Record(error) => error.hint(),
            _ => None,
        }
    }
}
