//! All packs of a store, and which of them holds an object.

use super::{
    error::StoreError,
    object::{Kind, ObjectId},
    pack::{EXTENSION, FORMAT, Pack, Place},
};
use cap_std::fs::Dir;
use std::path::{Path, PathBuf};

/// The packs as they were when they were opened, and an index over them.
#[derive(Debug)]
pub(super) struct Packs {
    folder: PathBuf,
    all: Vec<Pack>,
    /// Object, pack and place in the pack, sorted.
    index: Vec<(ObjectId, u32, u32)>,
    /// Packs of a later version, with their formats: what is in them is not known.
    newer: Vec<(PathBuf, u32)>,
}

impl Packs {
    pub(super) fn open(dir: &Dir, folder: &Path) -> Result<Self, StoreError> {
        let fail = || StoreError::io("list", folder);
        let mut names = vec![];
        for entry in dir.entries().map_err(fail())? {
            let name = entry.map_err(fail())?.file_name();
            names.extend(name.to_str().filter(|name| name.ends_with(EXTENSION)).map(str::to_owned));
        }
        names.sort();
        let (mut all, mut newer) = (vec![], vec![]);
        for name in names {
            match Pack::open(dir, folder, &name) {
                Ok(pack) => all.push(pack),
                Err(StoreError::Newer { path, found, .. }) => newer.push((path, found)),
                Err(error) => return Err(error),
            }
        }
        let mut index = vec![];
        for (pack, n) in all.iter().zip(0_u32..) {
            index.extend(pack.places.iter().zip(0_u32..).map(|(place, at)| (place.id, n, at)));
        }
        index.sort_unstable();
        Ok(Self { folder: folder.to_owned(), all, index, newer })
    }

    pub(super) fn all(&self) -> &[Pack] {
        &self.all
    }

    /// Returns the places of an object: more than one after a repair or an unfinished clearing.
    fn places(&self, id: ObjectId) -> impl Iterator<Item = (&Pack, &Place)> {
        let start = self.index.partition_point(|(other, ..)| *other < id);
        let found = self.index[start..].iter().take_while(move |(other, ..)| *other == id);
        found.map(|(_, pack, at)| {
            let pack = &self.all[*pack as usize];
            (pack, &pack.places[*at as usize])
        })
    }

    pub(super) fn has(&self, id: ObjectId) -> bool {
        self.places(id).next().is_some()
    }

    /// Reads an object from whichever pack has it whole.
    pub(super) fn read(&self, kind: Kind, id: ObjectId) -> Result<Vec<u8>, StoreError> {
        let mut failure = None;
        for (pack, place) in self.places(id) {
            if place.kind != kind {
                failure.get_or_insert_with(|| pack.damaged(id));
                continue;
            }
            match pack.read(place) {
                Ok(raw) => return Ok(raw),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| self.missing(id)))
    }

    /// Returns the error for an object that no pack has, as far as can be told.
    fn missing(&self, id: ObjectId) -> StoreError {
        let not_known = self.check_all_readable().err();
        not_known.unwrap_or_else(|| StoreError::Missing { id, path: self.folder.clone() })
    }

    /// Fails if there is a pack of a later version.
    pub(super) fn check_all_readable(&self) -> Result<(), StoreError> {
        self.newer.first().map_or(Ok(()), |(path, found)| {
            Err(StoreError::Newer { path: path.clone(), found: *found, supported: FORMAT })
        })
    }

    /// Returns what is wrong with whole packs.
    pub(super) fn problems(&self) -> Vec<StoreError> {
        let damaged = self.all.iter().filter_map(|pack| {
            Some(StoreError::Damaged { path: pack.path.clone(), what: pack.damage? })
        });
        damaged.chain(self.check_all_readable().err()).collect()
    }

    /// Returns the error for an object that is whole and yet cannot be decoded.
    pub(super) fn undecodable(&self, id: ObjectId) -> StoreError {
        match self.places(id).next() {
            Some((pack, _)) => pack.damaged(id),
            None => self.missing(id),
        }
    }

    /// Returns the ids of all objects of a kind whose digits start with `prefix`, each once.
    pub(super) fn ids(&self, kind: Kind, prefix: &str) -> Vec<ObjectId> {
        let places = self.all.iter().flat_map(|pack| &pack.places);
        let found = places.filter(|place| place.kind == kind).map(|place| place.id);
        let mut ids: Vec<_> = found.filter(|id| id.to_string().starts_with(prefix)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
