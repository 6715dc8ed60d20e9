//! Locks between the processes that use a store.

use super::{LOCK, SnapshotStore, error::StoreError};
use cap_std::fs::OpenOptions;
use std::{fs::File, io};

/// A lock of the operating system on a file of the store; it ends with the process at the latest.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Keeps garbage from being cleared away while something is read or written.
    pub(super) fn shared(store: &SnapshotStore) -> Result<Self, StoreError> {
        Self::take(store, LOCK, File::lock_shared)
    }

    /// Waits until nobody reads or writes.
    pub(super) fn exclusive(store: &SnapshotStore) -> Result<Self, StoreError> {
        Self::named(store, LOCK)
    }

    /// Waits for a file that only one at a time may change.
    pub(super) fn named(store: &SnapshotStore, name: &str) -> Result<Self, StoreError> {
        Self::take(store, name, File::lock)
    }

    fn take(
        store: &SnapshotStore,
        name: &str,
        lock: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<Self, StoreError> {
        let path = store.path.join(name);
        let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
        let opened = store.dir.open_with(name, &options);
        let file = opened.map_err(StoreError::io("open", &path))?.into_std();
        lock(&file).map_err(StoreError::io("lock", &path))?;
        Ok(Self { _file: file })
    }
}
