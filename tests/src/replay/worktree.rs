//! A copy of a tree on the host's disk that is brought back to its state after each action.
//!
//! Nothing is copied anew: after an action every entry is looked at (`lstat`), and only what has
//! another inode, size, mode, time of modification or time of change is read, and undone. The time
//! of change cannot be set by a program, so nothing escapes.
//!
//! A `tmpfs` lists a directory newest entry first. The copy is made in reverse order, so that its
//! listings are sorted by name, as those of the sandbox are, and `find` and `grep -r` can be
//! compared; where a restored entry would stand elsewhere, its directory is put in order again.

use super::{
    State,
    base::{Base, Stamp, at},
};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What `lstat` tells that changes with the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    ino: u64,
    mode: u32,
    size: u64,
    modified: Stamp,
    changed: Stamp,
}

/// A copy of a tree.
#[derive(Debug)]
pub struct Worktree {
    folder: PathBuf,
    base: Arc<Base>,
    looks: BTreeMap<String, Look>,
    /// Files that are not as in the tree on purpose: git's index, which knows inode numbers.
    own: BTreeMap<String, Vec<u8>>,
    /// Whether this file system lists the newest entry first.
    is_ordered: bool,
}

impl Worktree {
    /// Writes a copy of `base` into an empty folder.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn create(folder: PathBuf, base: Arc<Base>) -> io::Result<Self> {
        fs_err::create_dir_all(&folder)?;
        let is_ordered = lists_newest_first(&folder)?;
        let mut tree =
            Self { folder, base, looks: BTreeMap::new(), own: BTreeMap::new(), is_ordered };
        let paths: Vec<String> = tree.base.entries.keys().cloned().collect();
        // Sorted backwards, children come before parents: make the directories of each first.
        for path in paths.iter().rev() {
            if let Some((above, _)) = path.rsplit_once('/') {
                tree.make_directories(above)?;
            }
            tree.make(path)?;
        }
        tree.put_in_order(&tree.directories())?;
        tree.restore_times(paths.iter().map(String::as_str).chain([""]))?;
        tree.looks = tree.look_at_all()?;
        Ok(tree)
    }

    /// Returns where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the present content of a file for its own from now on.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn adopt(&mut self, path: &str) -> io::Result<()> {
        self.own.insert(path.to_owned(), fs_err::read(at(&self.folder, path))?);
        self.looks = self.look_at_all()?;
        Ok(())
    }

    /// Returns what is now at each path that is not as it was, and brings everything back.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn take_changes(&mut self) -> io::Result<BTreeMap<String, State>> {
        let touched = self.touched()?;
        if touched.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut changed = BTreeMap::new();
        for path in &touched {
            let state = self.found(path)?;
            if state != self.wanted(path) && !path.is_empty() {
                changed.insert(path.clone(), state);
            }
        }
        self.undo(&touched)?;
        Ok(changed)
    }

    /// Returns the paths whose entry is not the one that was left there.
    ///
    /// # Errors
    ///
    /// Fails if the disk refuses.
    pub fn touched(&self) -> io::Result<BTreeSet<String>> {
        let now = self.look_at_all()?;
        let mut touched: BTreeSet<String> = self
            .looks
            .iter()
            .filter(|(path, look)| now.get(*path) != Some(look))
            .map(|(path, _)| path.clone())
            .collect();
        touched.extend(now.keys().filter(|path| !self.looks.contains_key(*path)).cloned());
        Ok(touched)
    }

    fn wanted(&self, path: &str) -> State {
        match (self.base.state(path), self.own.get(path)) {
            (State::File(mode, _), Some(content)) => State::File(mode, content.clone()),
            (state, _) => state,
        }
    }

    fn found(&self, path: &str) -> io::Result<State> {
        let place = at(&self.folder, path);
        let metadata = match fs_err::symlink_metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => return Ok(State::Absent),
            Err(error) => return Err(error),
        };
        let mode = metadata.mode() & 0o7777;
        Ok(if metadata.is_dir() {
            State::Directory(mode)
        } else if metadata.is_symlink() {
            State::Link(fs_err::read_link(place)?.to_string_lossy().into_owned())
        } else if metadata.is_file() {
            State::File(mode, fs_err::read(place)?)
        } else {
            State::Special
        })
    }

    fn undo(&mut self, touched: &BTreeSet<String>) -> io::Result<()> {
        // Backwards, so that what is in a directory goes before it, and again forwards, so that a
        // directory is there before what belongs into it.
        for path in touched.iter().rev().filter(|path| !path.is_empty()) {
            let (found, wanted) = (self.found(path)?, self.wanted(path));
            if found != wanted && found != State::Absent && found.kind() != wanted.kind() {
                remove(&at(&self.folder, path))?;
            }
        }
        for path in touched.iter().filter(|path| !path.is_empty()) {
            if self.found(path)? != self.wanted(path) {
                self.make(path)?;
            }
        }
        let directories: BTreeSet<String> = touched.iter().map(|path| above(path)).collect();
        let moved = self.put_in_order(&directories)?;
        let all: BTreeSet<&str> =
            [touched, &directories, &moved].into_iter().flatten().map(String::as_str).collect();
        self.restore_times(all.iter().copied())?;
        for path in all {
            match look(&at(&self.folder, path))? {
                Some(look) => self.looks.insert(path.to_owned(), look),
                None => self.looks.remove(path),
            };
        }
        Ok(())
    }

    fn make_directories(&self, path: &str) -> io::Result<()> {
        let place = at(&self.folder, path);
        if fs_err::symlink_metadata(&place).is_ok() {
            Ok(())
        } else {
            fs_err::create_dir_all(place)
        }
    }

    fn make(&self, path: &str) -> io::Result<()> {
        let place = at(&self.folder, path);
        let mode = match self.wanted(path) {
            State::Absent | State::Special => return Ok(()),
            State::Directory(mode) => {
                self.make_directories(path)?;
                mode
            }
            State::File(mode, content) => {
                // A hard link that the action made must not be written through.
                remove(&place)?;
                fs_err::write(&place, content)?;
                mode
            }
            State::Link(target) => {
                remove(&place)?;
                return fs_err::os::unix::fs::symlink(target, place);
            }
        };
        fs_err::set_permissions(place, std::fs::Permissions::from_mode(mode))
    }

    fn restore_times<'a>(&self, paths: impl Iterator<Item = &'a str>) -> io::Result<()> {
        for path in paths {
            let Some((tv_sec, tv_nsec)) = self.base.times.get(path).copied() else { continue };
            let time = Timespec { tv_sec, tv_nsec };
            let times = Timestamps { last_access: time, last_modification: time };
            rustix::fs::utimensat(CWD, at(&self.folder, path), &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    fn directories(&self) -> BTreeSet<String> {
        let is_directory = |path: &&String| matches!(self.base.state(path), State::Directory(_));
        let below = self.base.entries.keys().filter(is_directory).cloned();
        below.chain([String::new()]).collect()
    }

    /// Makes the listings of directories sorted again; returns what was moved for it.
    fn put_in_order(&self, directories: &BTreeSet<String>) -> io::Result<BTreeSet<String>> {
        let mut moved = BTreeSet::new();
        if !self.is_ordered {
            return Ok(moved);
        }
        for path in directories {
            let place = at(&self.folder, path);
            let Ok(names) = list(&place) else { continue };
            if names.is_sorted() {
                continue;
            }
            let aside = self.folder.with_extension("aside");
            fs_err::create_dir_all(&aside)?;
            let mut sorted = names;
            sorted.sort();
            for name in &sorted {
                fs_err::rename(place.join(name), aside.join(name))?;
            }
            for name in sorted.iter().rev() {
                fs_err::rename(aside.join(name), place.join(name))?;
                moved.insert(if path.is_empty() { name.clone() } else { format!("{path}/{name}") });
            }
            fs_err::remove_dir(&aside)?;
            moved.insert(path.clone());
        }
        Ok(moved)
    }

    fn look_at_all(&self) -> io::Result<BTreeMap<String, Look>> {
        let mut looks = BTreeMap::new();
        let mut pending = vec![String::new()];
        while let Some(path) = pending.pop() {
            let place = at(&self.folder, &path);
            let Some(found) = look(&place)? else { continue };
            if found.mode & 0o170_000 == 0o040_000 {
                for name in list(&place)? {
                    pending.push(if path.is_empty() { name } else { format!("{path}/{name}") });
                }
            }
            looks.insert(path, found);
        }
        Ok(looks)
    }
}

fn above(path: &str) -> String {
    path.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned())
}

fn list(place: &Path) -> io::Result<Vec<String>> {
    let names = fs_err::read_dir(place)?;
    names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn look(place: &Path) -> io::Result<Option<Look>> {
    match fs_err::symlink_metadata(place) {
        Ok(metadata) => Ok(Some(Look {
            ino: metadata.ino(),
            mode: metadata.mode(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn remove(place: &Path) -> io::Result<()> {
    match fs_err::symlink_metadata(place) {
        Ok(metadata) if metadata.is_dir() => fs_err::remove_dir_all(place),
        Ok(_) => fs_err::remove_file(place),
        Err(error) if is_absence(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn lists_newest_first(folder: &Path) -> io::Result<bool> {
    let probe = folder.with_extension("probe");
    remove(&probe)?;
    fs_err::create_dir_all(&probe)?;
    let names = ["m", "c", "x", "a", "k"];
    for name in names {
        fs_err::write(probe.join(name), "")?;
    }
    let listed = list(&probe)?;
    fs_err::remove_dir_all(&probe)?;
    Ok(listed.iter().rev().eq(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> (tempfile::TempDir, Arc<Base>) {
        let source = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(source.path().join("b/c")).unwrap();
        fs_err::write(source.path().join("a"), "1").unwrap();
        fs_err::write(source.path().join("b/c/d"), "2").unwrap();
        fs_err::write(source.path().join("b/e"), "3").unwrap();
        fs_err::os::unix::fs::symlink("a", source.path().join("link")).unwrap();
        let base = Arc::new(Base::read(source.path()).unwrap());
        (source, base)
    }

    #[test]
    fn changes_are_told_and_undone() {
        let (_source, base) = base();
        let scratch = tempfile::tempdir().unwrap();
        let mut tree = Worktree::create(scratch.path().join("tree"), base).unwrap();
        assert_eq!(tree.take_changes().unwrap(), BTreeMap::new());
        let place = |path: &str| scratch.path().join("tree").join(path);
        for _ in 0..2 {
            fs_err::write(place("a"), "9").unwrap();
            fs_err::remove_dir_all(place("b")).unwrap();
            fs_err::write(place("b"), "file").unwrap();
            fs_err::create_dir_all(place("new/x")).unwrap();
            fs_err::remove_file(place("link")).unwrap();
            let changed = tree.take_changes().unwrap();
            let shown: Vec<_> =
                changed.iter().map(|(path, state)| format!("{path} {state:?}")).collect();
            assert_eq!(
                shown,
                [
                    "a File(420, [57])",
                    "b File(420, [102, 105, 108, 101])",
                    "b/c Absent",
                    "b/c/d Absent",
                    "b/e Absent",
                    "link Absent",
                    "new Directory(493)",
                    "new/x Directory(493)"
                ]
            );
            assert!(tree.touched().unwrap().is_empty());
            assert_eq!(fs_err::read_to_string(place("b/c/d")).unwrap(), "2");
            assert_eq!(fs_err::read_link(place("link")).unwrap(), Path::new("a"));
        }
    }

    #[test]
    fn the_root_is_as_old_as_that_of_the_tree() {
        let (source, _) = base();
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        fs_err::File::open(source.path()).unwrap().set_modified(long_ago).unwrap();
        let base = Arc::new(Base::read(source.path()).unwrap());
        let scratch = tempfile::tempdir().unwrap();
        let mut tree = Worktree::create(scratch.path().join("tree"), base).unwrap();
        let modified =
            || fs_err::metadata(scratch.path().join("tree")).unwrap().modified().unwrap();
        assert_eq!(modified(), long_ago);
        fs_err::write(scratch.path().join("tree/new"), "").unwrap();
        tree.take_changes().unwrap();
        assert_eq!(modified(), long_ago);
    }

    #[test]
    fn a_rewrite_of_the_same_length_and_time_is_seen() {
        let (_source, base) = base();
        let scratch = tempfile::tempdir().unwrap();
        let mut tree = Worktree::create(scratch.path().join("tree"), base).unwrap();
        let file = scratch.path().join("tree/a");
        let modified = fs_err::metadata(&file).unwrap().modified().unwrap();
        fs_err::write(&file, "7").unwrap();
        fs_err::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        let changed = tree.take_changes().unwrap();
        assert_eq!(changed, BTreeMap::from([("a".to_owned(), State::File(0o644, b"7".to_vec()))]));
    }
}
