//! The index: reading it, finding in it, changing it. It is opened apart from the repository, so that
//! libgit2 does not look at files of its own accord when it is written.

use git2::{Index, IndexEntry, IndexTime, Oid, Tree};

use crate::fail::{Outcome, fatal};
use crate::place::Place;
use crate::sys::{self, Meta};

const STAGES: u16 = 0x3000;
const INTENT: u16 = 1 << 13;
const SKIP_WORKTREE: u16 = 1 << 14;
const ASSUME_VALID: u16 = 1 << 15;

/// Modes of entries.
pub(crate) const FILE: u32 = 0o100_644;
pub(crate) const PROGRAM: u32 = 0o100_755;
pub(crate) const LINK: u32 = 0o120_000;
pub(crate) const MODULE: u32 = 0o160_000;
pub(crate) const FOLDER: u32 = 0o040_000;

/// The index of a repository.
pub(crate) struct Stage {
    pub(crate) index: Index,
    /// When it was last written: what is not older than that must be looked at.
    written: (i64, u32),
}

impl Stage {
    pub(crate) fn open(place: &Place) -> Outcome<Self> {
        let path = match std::env::var_os("GIT_INDEX_FILE") {
            Some(path) => std::env::current_dir()?.join(path),
            None => place.meta("index"),
        };
        let written = sys::find(&path).map_or((0, 0), |meta| meta.modified);
        let index = Index::open(&path)
            .map_err(|e| fatal(format!("index file corrupt: {}", e.message())))?;
        Ok(Self { index, written })
    }

    pub(crate) fn write(&mut self) -> Outcome<()> {
        Ok(self.index.write()?)
    }

    /// The tree of what is staged.
    pub(crate) fn write_tree(&mut self, place: &Place) -> Outcome<Oid> {
        // What is only announced is in no tree.
        let announced: Vec<Vec<u8>> =
            self.index.iter().filter(is_announced).map(|entry| entry.path).collect();
        if announced.is_empty() {
            return Ok(self.index.write_tree_to(&place.repo)?);
        }
        let mut apart = Index::new()?;
        for entry in self.index.iter().filter(|entry| !is_announced(entry)) {
            apart.add(&entry)?;
        }
        Ok(apart.write_tree_to(&place.repo)?)
    }

    pub(crate) fn entries(&self) -> Vec<IndexEntry> {
        self.index.iter().collect()
    }

    /// The entry of a path without conflict.
    pub(crate) fn get(&self, path: &[u8]) -> Option<IndexEntry> {
        self.index.get_path(sys::path(path), 0)
    }

    /// Whether the path or something below it is there, in any stage.
    pub(crate) fn knows(&self, path: &[u8]) -> bool {
        if path.is_empty() {
            return !self.index.is_empty();
        }
        (0..=3).any(|stage| self.index.get_path(sys::path(path), stage).is_some())
            || self.index.find_prefix([path, b"/"].concat()).is_ok()
    }

    pub(crate) fn has_conflicts(&self) -> bool {
        self.index.iter().any(|entry| stage(&entry) > 0)
    }

    /// Removes a path in all stages.
    pub(crate) fn remove(&mut self, path: &[u8]) {
        for stage in 0..=3 {
            // It is not in most stages.
            drop(self.index.remove(sys::path(path), stage));
        }
    }

    /// Puts an entry in the place of whatever has its path, above or below it.
    pub(crate) fn put(&mut self, entry: &IndexEntry) -> Outcome<()> {
        if stage(entry) == 0 {
            for stage in 1..=3 {
                drop(self.index.remove(sys::path(&entry.path), stage));
            }
        }
        self.clear_way(&entry.path)?;
        Ok(self.index.add(entry)?)
    }

    /// Removes what is a file where the path has a folder, and what is below the path.
    fn clear_way(&mut self, path: &[u8]) -> Outcome<()> {
        for (at, _) in path.iter().enumerate().filter(|(_, b)| **b == b'/') {
            if self.index.get_path(sys::path(&path[..at]), 0).is_some() {
                self.index.remove(sys::path(&path[..at]), 0)?;
            }
        }
        if self.index.find_prefix([path, b"/"].concat()).is_ok() {
            self.index.remove_dir(sys::path(path), 0)?;
        }
        Ok(())
    }

    /// Makes the index what a tree is; entries that agree keep what is known of their files.
    pub(crate) fn read_tree(&mut self, place: &Place, tree: Option<&Tree<'_>>) -> Outcome<()> {
        let mut fresh = Index::new()?;
        for item in crate::tree::flatten(place, tree)? {
            let known = self
                .get(&item.path)
                .filter(|e| e.id == item.id && e.mode == item.mode && !is_announced(e));
            fresh.add(&known.unwrap_or_else(|| blank(&item.path, item.mode, item.id)))?;
        }
        self.replace(&fresh)
    }

    /// Takes the entries of another index.
    pub(crate) fn replace(&mut self, other: &Index) -> Outcome<()> {
        self.index.clear()?;
        for entry in other.iter() {
            self.index.add(&entry)?;
        }
        Ok(())
    }

    /// Whether a file is surely what its entry says, from its times and size alone.
    pub(crate) fn is_fresh(&self, entry: &IndexEntry, meta: &Meta) -> bool {
        let time = (i64::from(entry.mtime.seconds()), entry.mtime.nanoseconds());
        time == (i64::from(meta.modified.0 as i32), meta.modified.1)
            && entry.file_size == meta.size as u32
            && time < self.written
            && !is_announced(entry)
    }
}

/// An entry of which no file is known.
pub(crate) fn blank(path: &[u8], mode: u32, id: Oid) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.to_vec(),
    }
}

/// The entry of a file that was looked at.
pub(crate) fn known(path: &[u8], mode: u32, id: Oid, meta: &Meta) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(meta.changed.0 as i32, meta.changed.1),
        mtime: IndexTime::new(meta.modified.0 as i32, meta.modified.1),
        dev: meta.device as u32,
        ino: meta.inode as u32,
        uid: meta.user,
        gid: meta.group,
        file_size: meta.size as u32,
        ..blank(path, mode, id)
    }
}

/// An entry of a conflict: 1 the ancestor, 2 ours, 3 theirs.
pub(crate) fn staged(path: &[u8], mode: u32, id: Oid, stage: u16) -> IndexEntry {
    IndexEntry { flags: stage << 12, ..blank(path, mode, id) }
}

/// An entry of `add -N`.
pub(crate) fn announced(path: &[u8], mode: u32, empty: Oid) -> IndexEntry {
    IndexEntry { flags_extended: INTENT, ..blank(path, mode, empty) }
}

pub(crate) fn stage(entry: &IndexEntry) -> u16 {
    (entry.flags & STAGES) >> 12
}

pub(crate) fn is_announced(entry: &IndexEntry) -> bool {
    entry.flags_extended & INTENT != 0
}

/// Says that the file is not to be looked at, or that it is again.
pub(crate) fn leave_alone(entry: &mut IndexEntry, is_set: bool, is_skip: bool) {
    let extended = if is_skip { SKIP_WORKTREE } else { 0 };
    let flags = if is_skip { 0 } else { ASSUME_VALID };
    if is_set {
        entry.flags_extended |= extended;
        entry.flags |= flags;
    } else {
        entry.flags_extended &= !extended;
        entry.flags &= !flags;
    }
}

/// Whether the file is not to be looked at.
pub(crate) fn is_left_alone(entry: &IndexEntry) -> bool {
    entry.flags_extended & SKIP_WORKTREE != 0 || entry.flags & ASSUME_VALID != 0
}
