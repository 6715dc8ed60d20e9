//! Where attempts start: snapshots of their files, with times as they were.
//!
//! The trees of [`TreeStore`] hold what is in the files, which is the same in every run; what a clock said of them
//! lies here. Whoever makes an attempt again needs both: `git status` looks at times before it looks into files.

use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{
    Snapshot, Tree,
    store::{ObjectId, SaveOptions, SnapshotStore},
};
use std::io;

use super::{RecordError, TreeStore, create_all};
use crate::agent::WORKSPACE;

/// The folder of the snapshots in that of the run.
const SNAPSHOTS: &str = "snapshots";

impl TreeStore {
    /// Keeps the files of an attempt as they are, and returns the id of the snapshot.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn put_start(&self, tree: &Tree, image: &str) -> Result<ObjectId, RecordError> {
        let path = self.folder().join(SNAPSHOTS);
        create_all(&path)?;
        let snapshot = Snapshot { trees: [(WORKSPACE.to_owned(), tree.clone())].into() };
        let options = SaveOptions {
            image: Some(image.to_owned()),
            cwd: Some(WORKSPACE.to_owned()),
            ..SaveOptions::default()
        };
        let failed = |error| RecordError::Write { path: path.clone(), source: error };
        let store = self.open_starts().map_err(failed)?;
        Ok(store.save(&snapshot, options).map_err(io::Error::other).map_err(failed)?.id)
    }

    /// Takes the files of an attempt out again.
    ///
    /// # Errors
    ///
    /// Fails if they are not there, or were changed.
    pub fn get_start(&self, id: ObjectId) -> Result<Tree, RecordError> {
        let path = self.folder().join(SNAPSHOTS);
        let failed = |error| RecordError::Read { path: path.clone(), source: error };
        let store = self.open_starts().map_err(failed)?;
        let (mut snapshot, _) = store.load(id).map_err(io::Error::other).map_err(failed)?;
        let missing = || failed(io::Error::other(format!("`{id}` has no `{WORKSPACE}`")));
        snapshot.trees.remove(WORKSPACE).ok_or_else(missing)
    }

    fn open_starts(&self) -> io::Result<SnapshotStore> {
        let path = self.folder().join(SNAPSHOTS);
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        SnapshotStore::open(dir, &path).map_err(io::Error::other)
    }
}
