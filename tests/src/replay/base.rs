//! A tree as every action finds it.

use super::{State, git_state};
use anyhow::Context as _;
use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{EntryKind, ImportOptions, Tree, TreeEntry};
use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Seconds and nanoseconds since 1970.
pub type Stamp = (i64, i64);

/// A tree with what is in it.
#[derive(Debug)]
pub struct Base {
    /// The tree itself.
    pub tree: Tree,
    /// What is in it, by path without a leading slash.
    pub entries: BTreeMap<String, TreeEntry>,
    /// When each of them was modified.
    pub times: BTreeMap<String, Stamp>,
    /// What git says about it.
    pub git: BTreeMap<&'static str, String>,
}

impl Base {
    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or holds what a tree cannot: FIFOs, devices, sockets.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let doing = || format!("failed to read the tree `{}`", folder.display());
        let dir = Dir::open_ambient_dir(folder, ambient_authority()).with_context(doing)?;
        let tree = Tree::import(&dir, &ImportOptions::default()).with_context(doing)?;
        let entries: BTreeMap<String, TreeEntry> =
            tree.walk().into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let paths = entries.keys().map(String::as_str).chain([""]);
        let times: anyhow::Result<_> = paths
            .map(|path| {
                let metadata = fs_err::symlink_metadata(at(folder, path))?;
                Ok((path.to_owned(), (metadata.mtime(), metadata.mtime_nsec())))
            })
            .collect();
        Ok(Self { tree, entries, times: times?, git: git_state::read(folder)? })
    }

    /// Returns what is at a path.
    pub fn state(&self, path: &str) -> State {
        state_in(&self.tree, self.entries.get(path))
    }

    /// Tells whether the tree is a repository of git.
    pub fn has_git(&self) -> bool {
        self.entries.contains_key(".git/HEAD")
    }
}

/// Returns what an entry of a tree is.
pub fn state_in(tree: &Tree, entry: Option<&TreeEntry>) -> State {
    let Some(entry) = entry else { return State::Absent };
    let mode = entry.mode & 0o7777;
    match entry.kind {
        EntryKind::Dir => State::Directory(mode),
        EntryKind::Symlink => State::Link(entry.target.clone().unwrap_or_default()),
        EntryKind::File => State::File(
            mode,
            tree.read(&entry.path).map(|bytes| bytes.to_vec()).unwrap_or_default(),
        ),
    }
}

/// Returns the path below a folder; the folder itself for the empty path.
pub fn at(folder: &Path, path: &str) -> PathBuf {
    if path.is_empty() { folder.to_owned() } else { folder.join(path) }
}
