//! What can go wrong with stored snapshots.

use super::object::ObjectId;
use std::{
    io,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// Why a [`SnapshotStore`](super::SnapshotStore) could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The host refused to read or write a file of the store, as with a full disk.
    #[error("failed to {action} `{path}`", path = path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },

    /// A file was written by a later version of this program.
    #[error("`{path}` has format {found}; this playpen reads up to {supported}", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format that it says it has.
        found: u32,
        /// The latest format that is understood.
        supported: u32,
    },

    /// A file does not hold what it was written with.
    #[error("`{path}` is damaged: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },

    /// An object is in no pack.
    #[error("object `{id}` is missing from `{path}`", id = id.short(), path = path.display())]
    Missing {
        /// The object.
        id: ObjectId,
        /// The folder with the packs.
        path: PathBuf,
    },

    /// An object does not hash to its own name, or cannot be decoded.
    #[error("object `{id}` in `{path}` is damaged", id = id.short(), path = path.display())]
    DamagedObject {
        /// The object.
        id: ObjectId,
        /// The pack that it is in.
        path: PathBuf,
    },

    /// A file, folder or link of a snapshot cannot be read; the others can.
    #[error("failed to read `{path}` of snapshot `{snapshot}`", snapshot = snapshot.short())]
    Entry {
        /// The path, with the mount point.
        path: String,
        /// The snapshot.
        snapshot: ObjectId,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },

    /// Nothing has this name or this start of an id.
    #[error("there is no snapshot `{asked}`")]
    Unknown {
        /// What was asked for.
        asked: String,
    },

    /// Several snapshots have ids that start like this.
    #[error("`{asked}` is the start of {n} snapshot ids")]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// How many there are.
        n: usize,
    },

    /// A name that a snapshot cannot have.
    #[error("`{name}` cannot be the name of a snapshot")]
    BadName {
        /// The name.
        name: String,
    },

    /// A name that is in use, where a new one is wanted.
    #[error("there is a snapshot `{name}` already")]
    NameTaken {
        /// The name.
        name: String,
    },
}

impl StoreError {
    /// Returns what to do about it, if that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room on the disk; nothing that was stored before is lost")
            }
            Self::Newer { .. } => Some("use the newer playpen that wrote it"),
            Self::Damaged { path, .. } if path.ends_with(super::NAMES) => {
                Some("move the file away: snapshots can still be reached by their ids")
            }
            Self::Entry { .. } | Self::DamagedObject { .. } | Self::Missing { .. } => {
                Some("`playpen snapshot export --salvage` writes what can still be read")
            }
            Self::Unknown { .. } => Some("`playpen snapshot list` shows names and ids"),
            Self::Ambiguous { .. } => Some("write more characters of the id"),
            Self::BadName { .. } => Some(
                "use letters, digits, `.`, `_` and `-`, up to 100, and start with a letter or digit",
            ),
            Self::NameTaken { .. } => Some("take another name, or remove that one first"),
            _ => None,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
