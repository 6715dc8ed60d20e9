//! Where the pieces of long files go, so that a gigabyte in a file is not a gigabyte of memory.
//!
//! One nameless temporary file for the whole process, in the folder that `TMPDIR` names, cut into slots of
//! one piece each. A slot is written once, shared by all forks that hold it, and given back to the disk
//! when the last of them lets it go. Nothing outlives the process: the file has no name.

use super::content::CHUNK_BYTES;
use parking_lot::Mutex;
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, OnceLock},
};

/// A piece of a file that lies on disk. Never changed once it is written.
#[derive(Debug)]
pub(super) struct Spilled {
    store: Arc<Store>,
    slot: u64,
    len: usize,
}

#[derive(Debug)]
struct Store {
    file: File,
    slots: Mutex<Slots>,
}

/// Which slots may be used again, and how many there ever were.
#[derive(Debug, Default)]
struct Slots {
    free: Vec<u64>,
    n_made: u64,
}

impl Spilled {
    /// Writes a piece of at most [`CHUNK_BYTES`] to disk. Whoever gets an error keeps it in memory.
    pub(super) fn new(bytes: &[u8]) -> io::Result<Self> {
        Self::in_store(Store::of_process()?, bytes)
    }

    fn in_store(store: Arc<Store>, bytes: &[u8]) -> io::Result<Self> {
        debug_assert!(bytes.len() as u64 <= CHUNK_BYTES);
        // Made before the write, so that a failed write gives the slot back.
        let spilled = Self { slot: store.take(), store, len: bytes.len() };
        spilled.store.file.write_all_at(bytes, spilled.slot * CHUNK_BYTES)?;
        Ok(spilled)
    }

    /// Returns how many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Fills `out` from `start` on, up to the end of the piece; returns how many bytes that were.
    pub(super) fn read(&self, start: usize, out: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.len.saturating_sub(start).min(out.len());
        let at = self.slot * CHUNK_BYTES + start as u64;
        self.store.file.read_exact_at(&mut out[..n_bytes], at)?;
        Ok(n_bytes)
    }

    /// Returns all bytes.
    pub(super) fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        self.store.give_back(self.slot);
    }
}

impl Store {
    fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, slots: Mutex::default() })
    }

    /// Returns the one of this process, made when it is first needed.
    fn of_process() -> io::Result<Arc<Self>> {
        static STORE: OnceLock<Arc<Store>> = OnceLock::new();
        if let Some(store) = STORE.get() {
            return Ok(Arc::clone(store));
        }
        let store = Arc::new(Self::new()?);
        Ok(Arc::clone(STORE.get_or_init(|| store)))
    }

    fn take(&self) -> u64 {
        let mut slots = self.slots.lock();
        slots.free.pop().unwrap_or_else(|| {
            slots.n_made += 1;
            slots.n_made - 1
        })
    }

    /// Lets the disk have the space of a slot at once. A file system that cannot do that keeps it for the
    /// next piece.
    fn give_back(&self, slot: u64) {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _punched = fallocate(&self.file, flags, slot * CHUNK_BYTES, CHUNK_BYTES);
        self.slots.lock().free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_piece_comes_back_as_it_was_and_its_space_goes_back_to_the_disk() {
        let store = Arc::new(Store::new().unwrap());
        let piece = |byte: u8| vec![byte; usize::try_from(CHUNK_BYTES).unwrap()];
        let held: Vec<_> =
            (0..8).map(|n| Spilled::in_store(Arc::clone(&store), &piece(n)).unwrap()).collect();
        for (n, spilled) in (0..).zip(&held) {
            assert_eq!(spilled.to_vec().unwrap(), piece(n));
        }
        store.file.sync_all().unwrap();
        let n_blocks = || store.file.metadata().unwrap().blocks();
        let n_used = n_blocks();
        drop(held);
        assert!(n_blocks() <= n_used / 4, "{} of {n_used} blocks are still used", n_blocks());
        let again = Spilled::in_store(Arc::clone(&store), b"short").unwrap();
        let mut out = [0; 8];
        assert_eq!((again.len(), again.read(3, &mut out).unwrap()), (5, 2));
        assert_eq!((&out[..2], again.slot < 8), (&b"rt"[..], true));
    }
}
