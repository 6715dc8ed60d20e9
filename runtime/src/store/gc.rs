//! Clearing away what no snapshot needs.

use super::{
    NAMES_LOCK, SnapshotStore,
    error::StoreError,
    lock::Lock,
    object::{Kind, ObjectId},
    pack::{PackWriter, TEMPORARY},
    packs::Packs,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// Packs with fewer bytes than this are put together with others.
const SMALL_PACK_BYTES: u64 = 4 << 20;

/// Small packs that may lie about before they are put together: each is a file to open.
const MAX_SMALL_PACKS: usize = 16;

/// What [`SnapshotStore::gc`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Snapshots that stay.
    pub n_kept: u64,
    /// Snapshots that have no name, and from which no named one was made.
    pub n_removed: u64,
    /// Objects that only those needed.
    pub n_objects_removed: u64,
    /// Bytes of the store before.
    pub bytes_before: u64,
    /// Bytes of the store after.
    pub bytes_after: u64,
}

impl SnapshotStore {
    /// Removes snapshots without a name from which no named one was made, and everything that only
    /// they needed. Waits until nobody else reads or writes the store.
    ///
    /// # Errors
    ///
    /// Fails, and removes nothing, if it cannot be told what a snapshot needs because something of
    /// it is damaged. Killed at any moment, it leaves everything that is needed in place.
    pub fn gc(&self, dry_run: bool) -> Result<GcReport, StoreError> {
        let _everything = Lock::exclusive(self)?;
        let _names = Lock::named(self, NAMES_LOCK)?;
        let packs = self.open_packs()?;
        packs.check_all_readable()?;
        let all = packs.ids(Kind::Snapshot, "");
        let kept = self.kept(&packs)?;
        let mut needed = kept.clone();
        for id in &kept {
            for tree in self.record_in(&packs, *id)?.trees.values() {
                super::load::reach(&packs, *tree, &mut needed)?;
            }
        }
        let (bytes_before, bytes_after, n_objects_removed) = if dry_run {
            self.weigh(&packs, &needed)
        } else {
            self.clear_temporary()?;
            self.repack(&packs, &needed)?
        };
        let (n_kept, n_all) = (kept.len() as u64, all.len() as u64);
        let n_removed = n_all - n_kept;
        Ok(GcReport { n_kept, n_removed, n_objects_removed, bytes_before, bytes_after })
    }

    /// Returns the named snapshots and those that they were made from.
    fn kept(&self, packs: &Packs) -> Result<BTreeSet<ObjectId>, StoreError> {
        let mut kept = BTreeSet::new();
        let mut pending: Vec<ObjectId> = self.names()?.into_values().collect();
        while let Some(id) = pending.pop() {
            if kept.insert(id) {
                let parent = self.record_in(packs, id)?.parent;
                // A parent that was in another store is no loss of this one.
                pending.extend(parent.filter(|parent| packs.has(*parent)));
            }
        }
        Ok(kept)
    }

    #[expect(clippy::unused_self, reason = "the counterpart of `repack`")]
    fn weigh(&self, packs: &Packs, needed: &BTreeSet<ObjectId>) -> (u64, u64, u64) {
        let before = packs.all().iter().map(|pack| pack.len).sum();
        let places = packs.all().iter().flat_map(|pack| &pack.places);
        let (mut seen, mut after, mut removed) = (BTreeSet::new(), 0, BTreeSet::new());
        for place in places {
            if !needed.contains(&place.id) {
                removed.insert(place.id);
            } else if seen.insert(place.id) {
                after += u64::from(place.stored);
            }
        }
        (before, after, removed.len() as u64)
    }

    /// Writes what is needed of packs with garbage, and of many small ones, into one new pack, and
    /// removes those after the new one is on the disk.
    fn repack(
        &self,
        packs: &Packs,
        needed: &BTreeSet<ObjectId>,
    ) -> Result<(u64, u64, u64), StoreError> {
        let n_small = packs.all().iter().filter(|pack| pack.len < SMALL_PACK_BYTES).count();
        let mut seen = BTreeSet::new();
        let (mut old, mut removed) = (vec![], BTreeSet::new());
        for pack in packs.all() {
            let is_small = pack.len < SMALL_PACK_BYTES && n_small > MAX_SMALL_PACKS;
            let mut has_garbage = pack.damage.is_some();
            for place in &pack.places {
                if !needed.contains(&place.id) {
                    removed.insert(place.id);
                }
                has_garbage |= !needed.contains(&place.id) || !seen.insert(place.id);
            }
            if has_garbage || is_small {
                old.push(pack);
            }
        }
        let before: u64 = packs.all().iter().map(|pack| pack.len).sum();
        let freed: u64 = old.iter().map(|pack| pack.len).sum();
        let mut written = 0;
        let mut writer = PackWriter::create(&self.packs, &self.packs_path)?;
        let mut copied: BTreeSet<ObjectId> = BTreeSet::new();
        let stay = packs.all().iter().filter(|pack| !old.iter().any(|old| old.name == pack.name));
        copied.extend(stay.flat_map(|pack| &pack.places).map(|place| place.id));
        let n_staying = copied.len();
        for pack in &old {
            for place in &pack.places {
                if !needed.contains(&place.id) || copied.contains(&place.id) {
                    continue;
                }
                // A damaged object is kept as it is, unless there is a whole one elsewhere.
                if pack.read(place).is_ok() || packs.read(place.kind, place.id).is_err() {
                    writer.copy(pack, place)?;
                    copied.insert(place.id);
                }
            }
        }
        let new_name = if copied.len() > n_staying {
            let (bytes, name) = writer.finish()?;
            written = bytes;
            Some(name)
        } else {
            None
        };
        for pack in old.iter().filter(|pack| Some(&pack.name) != new_name.as_ref()) {
            let removed = self.packs.remove_file(&pack.name);
            removed.map_err(StoreError::io("remove", &pack.path))?;
        }
        Ok((before, before - freed + written, removed.len() as u64))
    }

    /// Removes what killed writers left: nobody writes while the store is locked.
    fn clear_temporary(&self) -> Result<(), StoreError> {
        let fail = || StoreError::io("list", &self.packs_path);
        for entry in self.packs.entries().map_err(fail())? {
            let name = entry.map_err(fail())?.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(TEMPORARY)) else {
                continue;
            };
            let path = self.packs_path.join(name);
            self.packs.remove_file(name).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }
}
