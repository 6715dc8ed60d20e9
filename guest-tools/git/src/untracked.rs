//! Files that the index does not know, and those that are ignored.

use std::ffi::OsString;

use crate::ignore::{self, Ignore};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::stage::{MODULE, Stage};
use crate::sys::OsStringExt as _;

/// What is looked for.
pub(crate) struct Wanted<'a> {
    pub(crate) paths: &'a Pathspec,
    /// A folder without known files is one entry, with a slash at its end.
    pub(crate) folders: bool,
    /// Empty folders count as such entries too.
    pub(crate) empty_folders: bool,
    pub(crate) ignored: bool,
}

/// What was found, sorted.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) untracked: Vec<Vec<u8>>,
    pub(crate) ignored: Vec<Vec<u8>>,
}

struct Entry {
    name: Vec<u8>,
    folder: bool,
}

struct Scan<'a, 'b> {
    place: &'a Place,
    wanted: &'a Wanted<'a>,
    ignore: &'a mut Ignore<'b>,
    tracked: Vec<(Vec<u8>, u32)>,
    found: Found,
}

/// Looks through the working tree.
pub(crate) fn scan(
    place: &Place,
    stage: &Stage,
    ignore: &mut Ignore<'_>,
    wanted: &Wanted<'_>,
) -> Found {
    let tracked = stage.index.iter().map(|entry| (entry.path, entry.mode)).collect();
    let mut scan = Scan { place, wanted, ignore, tracked, found: Found::default() };
    scan.folder(&mut vec![]);
    scan.found.untracked.sort();
    scan.found.ignored.sort();
    scan.found
}

fn list(place: &Place, folder: &[u8]) -> Vec<Entry> {
    let Ok(entries) = std::fs::read_dir(place.file(folder)) else { return vec![] };
    let entry = |entry: std::fs::DirEntry| {
        let kind = entry.file_type().ok()?;
        let name: OsString = entry.file_name();
        let name = name.into_vec();
        let known = kind.is_dir() || kind.is_file() || kind.is_symlink();
        (known && name != b".git").then(|| Entry { name, folder: kind.is_dir() })
    };
    entries.flatten().filter_map(entry).collect()
}

impl Scan<'_, '_> {
    /// `at` ends with a slash unless it is empty.
    fn folder(&mut self, at: &mut Vec<u8>) {
        for entry in list(self.place, at) {
            let len = at.len();
            at.extend_from_slice(&entry.name);
            if entry.folder {
                self.subfolder(at);
            } else if self.wanted.paths.fits(at) && self.mode(at).is_none() {
                self.file(at);
            }
            at.truncate(len);
        }
    }

    /// The mode that the index has for a path.
    fn mode(&self, path: &[u8]) -> Option<u32> {
        let at = self.tracked.binary_search_by(|(known, _)| known.as_slice().cmp(path)).ok()?;
        Some(self.tracked[at].1)
    }

    fn has_tracked(&self, folder: &[u8]) -> bool {
        let at = self.tracked.partition_point(|(known, _)| known.as_slice() < folder);
        self.tracked.get(at).is_some_and(|(known, _)| known.starts_with(folder))
    }

    fn file(&mut self, path: &[u8]) {
        if self.ignore.is_ignored(path, false) {
            if self.wanted.ignored {
                self.found.ignored.push(path.to_vec());
            }
        } else {
            self.found.untracked.push(path.to_vec());
        }
    }

    fn subfolder(&mut self, path: &mut Vec<u8>) {
        if !self.wanted.paths.reaches(path) || self.mode(path) == Some(MODULE) {
            return;
        }
        path.push(b'/');
        let bare = &path[..path.len() - 1];
        if self.has_tracked(path) {
            return self.folder(path);
        }
        let whole = self.wanted.paths.fits_as(bare, true);
        if self.ignore.is_ignored(bare, true) {
            if self.wanted.ignored && (whole || !self.wanted.folders) {
                if self.wanted.folders {
                    self.found.ignored.push(path.clone())
                } else {
                    self.folder(path)
                }
            } else if self.wanted.ignored {
                self.folder(path);
            }
            return;
        }
        if ignore::is_repository(self.place, bare) {
            if whole {
                self.found.untracked.push(path.clone());
            }
            return;
        }
        if !(self.wanted.folders && whole) {
            return self.folder(path);
        }
        self.whole_folder(path);
    }

    /// A folder without known files: one entry, or what of it is ignored.
    fn whole_folder(&mut self, path: &mut Vec<u8>) {
        let before = std::mem::take(&mut self.found);
        if self.wanted.ignored {
            self.folder(path);
        } else if self.any_visible(path) {
            self.found.untracked.push(path.clone());
        }
        let mut inside = std::mem::replace(&mut self.found, before);
        if !inside.untracked.is_empty()
            || (self.wanted.empty_folders && list(self.place, path).is_empty())
        {
            self.found.untracked.push(path.clone());
        } else if !inside.ignored.is_empty() {
            inside.ignored = vec![path.clone()];
        }
        self.found.ignored.append(&mut inside.ignored);
    }

    /// Whether a folder has a file that is not ignored, at any depth.
    fn any_visible(&mut self, at: &mut Vec<u8>) -> bool {
        for entry in list(self.place, at) {
            let len = at.len();
            at.extend_from_slice(&entry.name);
            let mut visible = !self.ignore.is_ignored(at, entry.folder);
            if visible && entry.folder {
                visible = ignore::is_repository(self.place, at) || {
                    at.push(b'/');
                    self.any_visible(at)
                };
            }
            at.truncate(len);
            if visible {
                return true;
            }
        }
        false
    }
}
