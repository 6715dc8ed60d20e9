//! Names of snapshots: one file, replaced as a whole.

use super::{error::StoreError, object::ObjectId, pack::sync_dir};
use cap_std::fs::{Dir, OpenOptions};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    path::Path,
};

/// The file with the names.
pub(super) const NAMES: &str = "names.json";

const TEMPORARY: &str = "names.json.new";

/// The version of the file that is written, and the latest that is read.
const VERSION: u32 = 1;

/// Characters of a name at most.
const MAX_NAME_CHARS: usize = 100;

pub(super) type Names = BTreeMap<String, ObjectId>;

#[derive(Debug, Serialize, Deserialize)]
struct File {
    version: u32,
    names: Names,
}

/// Just enough of a file to tell a later version from a damaged one.
#[derive(Debug, Deserialize)]
struct Version {
    version: u32,
}

/// Checks that a name is one that can be typed, and cannot be taken for a flag or a path.
pub(super) fn check(name: &str) -> Result<(), StoreError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && name.chars().all(is_plain) && name.len() <= MAX_NAME_CHARS {
        Ok(())
    } else {
        Err(StoreError::BadName { name: name.to_owned() })
    }
}

pub(super) fn read(dir: &Dir, folder: &Path) -> Result<Names, StoreError> {
    let path = folder.join(NAMES);
    let mut text = vec![];
    match dir.open(NAMES).and_then(|mut file| file.read_to_end(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Names::new()),
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    }
    match serde_json::from_slice::<Version>(&text) {
        Ok(Version { version }) if version > VERSION => {
            Err(StoreError::Newer { path, found: version, supported: VERSION })
        }
        _ => match serde_json::from_slice::<File>(&text) {
            Ok(file) => Ok(file.names),
            Err(_) => Err(StoreError::Damaged { path, what: "it is not a list of names" }),
        },
    }
}

/// Writes the file beside the old one and renames it: one of the two is always there.
pub(super) fn write(dir: &Dir, folder: &Path, names: &Names) -> Result<(), StoreError> {
    let file = File { version: VERSION, names: names.clone() };
    let mut text = serde_json::to_vec_pretty(&file).expect("plain data serializes");
    text.push(b'\n');
    let options = OpenOptions::new().write(true).create(true).truncate(true).clone();
    let written = dir
        .open_with(TEMPORARY, &options)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .and_then(|()| dir.rename(TEMPORARY, dir, NAMES))
        .and_then(|()| sync_dir(dir));
    written.map_err(|source| {
        let _removed = dir.remove_file(TEMPORARY);
        StoreError::io("write", &folder.join(NAMES))(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_typed_and_are_no_paths() {
        for good in ["base", "base-1", "v1.2_x", "7"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "-n", ".x", "a/b", "a b", "ä", "a\n", &"x".repeat(101)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
