//! The record of a snapshot: what it is of, and where it comes from.

use super::object::ObjectId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of records that is written, and the latest that is read.
pub(super) const VERSION: u32 = 1;

/// What is known about a stored snapshot; stored itself, as JSON, so its id is the hash of all this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    /// The version of the record.
    pub version: u32,
    /// Milliseconds since 1970 when it was taken.
    pub created_ms: u64,
    /// The snapshot that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ObjectId>,
    /// Which of the forks of its parent it is, from 1, if it was made by forking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<u64>,
    /// What was run on the parent to get here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The digest of the image that it was run with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The directory that commands started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The trees by mount point.
    pub trees: BTreeMap<String, ObjectId>,
    /// Files, directories and links in all trees.
    pub n_files: u64,
    /// Bytes of content in all trees.
    pub n_bytes: u64,
}

/// What the caller of [`SnapshotStore::save`](super::SnapshotStore::save) knows about a snapshot.
#[derive(Clone, Debug, Default)]
pub struct SaveOptions {
    /// See [`SnapshotRecord::created_ms`]; the store reads no clock.
    pub created_ms: u64,
    /// See [`SnapshotRecord::parent`].
    pub parent: Option<ObjectId>,
    /// See [`SnapshotRecord::command`].
    pub command: Vec<String>,
    /// See [`SnapshotRecord::image`].
    pub image: Option<String>,
    /// See [`SnapshotRecord::cwd`].
    pub cwd: Option<String>,
    /// A name for it; one that another snapshot has moves here.
    pub name: Option<String>,
}

/// A snapshot of the store with its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredSnapshot {
    /// The id: the hash of the record.
    pub id: ObjectId,
    /// The names that lead to it, sorted.
    pub names: Vec<String>,
    /// What is known about it.
    #[serde(flatten)]
    pub record: SnapshotRecord,
}
