//! Writing back what a command changed: nothing that it did not see is written over or removed.
//!
//! All folders are looked at before the first is written. What was left out of a copy stays as it is on the host.

use super::mounts::{self, Copied};
use crate::cli::hint::Advice;
use anyhow::Context as _;
use cap_std::fs::Dir;
use playpen_runtime::{Change, ChangeKind, EntryKind, Tree, TreeEntry};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// What is to be written to one folder of the host.
#[derive(Debug)]
pub(super) struct WriteBack<'a> {
    copied: &'a Copied,
    dir: &'a Dir,
    after: Tree,
    /// Changed paths that are written.
    pub(super) n_paths: usize,
    /// Changed paths that are not, because the host has something there that was left out of the copy.
    pub(super) left_out: Vec<String>,
}

impl<'a> WriteBack<'a> {
    /// Checks that what would be written over or removed is still what was copied; none if the copy is of no folder
    /// of the host.
    ///
    /// # Errors
    ///
    /// Fails if something is not, and names all of it.
    pub(super) fn new(
        copied: &'a Copied,
        after: &Tree,
        changes: &[Change],
    ) -> anyhow::Result<Option<Self>> {
        let Some(dir) = &copied.dir else { return Ok(None) };
        let host = Host::new(copied, dir, after);
        let mut n_paths = 0;
        let (mut clashes, mut left_out) = (vec![], BTreeSet::new());
        for change in changes {
            match host.fate(change)? {
                Fate::Free => n_paths += 1,
                Fate::Clash => clashes.push(format!("`{}`", shown(&copied.host, &change.path))),
                Fate::LeftOut(path) => drop(left_out.insert(path)),
            }
        }
        anyhow::ensure!(
            clashes.is_empty(),
            Advice::new(
                format!(
                    "changed on the host since the command started, or with something in it that was left out of \
                     the copy: {}",
                    clashes.join(", ")
                ),
                "nothing was written; run the command again on the folder as it is now",
            )
        );
        let mut after = after.clone();
        for path in &left_out {
            after.remove(path)?;
        }
        let left_out = left_out.iter().map(|path| shown(&copied.host, path)).collect();
        Ok(Some(Self { copied, dir, after, n_paths, left_out }))
    }

    /// Writes.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let host = &self.copied.host;
        self.after.apply_to(&self.copied.base, self.dir).with_context(|| {
            format!("failed to write changes to `{}`; some of them may be written", host.display())
        })
    }
}

fn shown(host: &Path, path: &str) -> String {
    let path = if host == Path::new(".") { Path::new(path).to_owned() } else { host.join(path) };
    path.display().to_string()
}

/// What can be done about a change.
enum Fate {
    /// The host has what was copied, or nothing where there was nothing.
    Free,
    /// The host has something else.
    Clash,
    /// The host has something at this path, which was left out of the copy.
    LeftOut(String),
}

/// A folder of the host beside what was copied from it.
struct Host<'a> {
    copied: &'a Copied,
    dir: &'a Dir,
    base: BTreeMap<String, TreeEntry>,
    after: &'a Tree,
    /// What would be copied now.
    now: OnceCell<BTreeSet<String>>,
}

impl<'a> Host<'a> {
    fn new(copied: &'a Copied, dir: &'a Dir, after: &'a Tree) -> Self {
        let entries = copied.base.walk().into_iter();
        let base = entries.map(|entry| (entry.path.clone(), entry)).collect();
        Self { copied, dir, base, after, now: OnceCell::new() }
    }

    fn fate(&self, change: &Change) -> anyhow::Result<Fate> {
        // A folder that the command was shown has to be one still; one that it made is looked at by itself.
        for (at, _) in change.path.match_indices('/') {
            let above = &change.path[..at];
            if self.base.get(above).is_some_and(|entry| entry.kind == EntryKind::Dir)
                && !self.dir.symlink_metadata(above).is_ok_and(|found| found.is_dir())
            {
                return Ok(Fate::Clash);
            }
            if !self.base.contains_key(above) && self.is_left_out(above)? {
                return Ok(Fate::LeftOut(above.to_owned()));
            }
        }
        if change.kind != ChangeKind::Added {
            let is_same = self.is_same(&change.path).unwrap_or(false);
            return Ok(if is_same { Fate::Free } else { Fate::Clash });
        }
        match self.dir.symlink_metadata(&change.path) {
            Err(error) if is_missing(&error) => Ok(Fate::Free),
            _ if self.is_left_out(&change.path)? => Ok(Fate::LeftOut(change.path.clone())),
            _ => Ok(Fate::Clash),
        }
    }

    /// Tells whether the host has something at a path that no copy takes.
    fn is_left_out(&self, path: &str) -> anyhow::Result<bool> {
        if self.dir.symlink_metadata(path).is_err() {
            return Ok(false);
        }
        if self.now.get().is_none() {
            let Copied { host, skip_names, log, .. } = self.copied;
            let now = mounts::import(host, self.dir, skip_names, log.as_deref())?;
            let paths = now.walk().into_iter().map(|entry| entry.path).collect();
            drop(self.now.set(paths));
        }
        Ok(self.now.get().is_some_and(|now| !now.contains(path)))
    }

    /// Compares what the host has with what was copied: files by content, links by where they point, folders by
    /// having nothing that the copy did not have.
    fn is_same(&self, path: &str) -> io::Result<bool> {
        let Some(was) = self.base.get(path) else { return Ok(false) };
        let is = self.dir.symlink_metadata(path)?;
        Ok(match was.kind {
            EntryKind::File => {
                is.is_file()
                    && is.len() == was.size
                    && self
                        .copied
                        .base
                        .read(path)
                        .is_ok_and(|then| self.dir.read(path).is_ok_and(|now| then == now))
            }
            EntryKind::Symlink => {
                let target = was.target.as_deref().map(Path::new);
                is.is_symlink() && target == Some(&self.dir.read_link_contents(path)?)
            }
            EntryKind::Dir if !self.becomes_something(path) => is.is_dir(),
            EntryKind::Dir => is.is_dir() && self.has_only_what_was_copied(path)?,
        })
    }

    /// Tells whether the command put a file or a link in the place of a folder.
    fn becomes_something(&self, path: &str) -> bool {
        self.after.entry(path).is_some_and(|entry| entry.kind != EntryKind::Dir)
    }

    fn has_only_what_was_copied(&self, folder: &str) -> io::Result<bool> {
        for entry in self.dir.read_dir(folder)? {
            let entry = entry?;
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            let is_known = self.base.contains_key(&path);
            if !is_known
                || (entry.file_type()?.is_dir() && !self.has_only_what_was_copied(&path)?)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Tells whether nothing is at a path, nor can be.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
