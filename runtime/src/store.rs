//! Snapshots that outlive the process: a store of objects, each named by the hash of its content.
//!
//! A snapshot is a record that names the roots of its trees; a tree is a Merkle tree of directories,
//! lists and chunks of files. What two snapshots share is stored once, so a snapshot after a small
//! change costs what changed: the chunk, and one page of each list above it. All that is new goes
//! into one file, a pack, compressed where that pays. `store/FORMAT.md` has the bytes.
//!
//! # Invariants
//!
//! * **Nothing is half there.** A pack is written, brought to the disk and then renamed; a snapshot
//!   exists once its pack does. A process that is killed leaves a temporary file, and nothing else.
//! * **Nothing is believed.** Every object is checked against its hash when it is read. One that is
//!   damaged costs the file that it belongs to, which the error names, and no other.
//! * **Nothing that is needed is removed.** Clearing away waits for readers and writers, and refuses
//!   to work where it cannot tell what is needed.

mod codec;
mod error;
mod gc;
mod load;
mod lock;
mod names;
mod object;
mod pack;
mod packs;
mod pages;
mod record;
mod save;
#[cfg(test)]
mod tests;

pub use self::{
    error::StoreError,
    gc::GcReport,
    object::ObjectId,
    record::{SaveOptions, SnapshotRecord, StoredSnapshot},
};

use self::{
    lock::Lock,
    names::{NAMES, Names},
    object::Kind,
    pack::PackWriter,
    packs::Packs,
    save::Saver,
};
use crate::sandbox::Snapshot;
use cap_std::fs::Dir;
use std::{
    io,
    path::{Path, PathBuf},
};

/// The folder with the packs.
const PACKS: &str = "packs";

/// Locked by whoever reads or writes, and by whoever clears away against them.
const LOCK: &str = "lock";

/// Locked by whoever changes names.
const NAMES_LOCK: &str = "names.lock";

/// Digits of an id that stand for it at least.
const MIN_PREFIX_CHARS: usize = 4;

/// A folder of snapshots.
///
/// # Examples
///
/// ```
/// use cap_std::{ambient_authority, fs::Dir};
/// use playpen_runtime::{Snapshot, Tree, store::{SaveOptions, SnapshotStore}};
///
/// let folder = tempfile::tempdir()?;
/// let dir = Dir::open_ambient_dir(folder.path(), ambient_authority())?;
/// let store = SnapshotStore::open(dir, folder.path())?;
///
/// let mut tree = Tree::new();
/// tree.write("a.py", "x = 1\n", 0o644)?;
/// let snapshot = Snapshot { trees: [("/workspace".to_owned(), tree)].into() };
/// let options = SaveOptions { name: Some("base".to_owned()), ..SaveOptions::default() };
/// let saved = store.save(&snapshot, options)?;
///
/// let (back, record) = store.load(store.resolve("base")?)?;
/// assert_eq!(back.trees["/workspace"].read("a.py")?, "x = 1\n");
/// assert_eq!(store.resolve(&saved.id.short())?, saved.id);
/// assert_eq!(record.parent, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SnapshotStore {
    dir: Dir,
    path: PathBuf,
    packs: Dir,
    packs_path: PathBuf,
}

/// What [`SnapshotStore::save`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The id of the snapshot.
    pub id: ObjectId,
    /// What is stored about it.
    pub record: SnapshotRecord,
    /// Bytes that the store grew by.
    pub n_bytes_written: u64,
}

impl SnapshotStore {
    /// Opens the store in a folder, which may be empty; `path` is what messages call it.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be written.
    pub fn open(dir: Dir, path: &Path) -> Result<Self, StoreError> {
        let packs_path = path.join(PACKS);
        match dir.create_dir(PACKS) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StoreError::io("create", &packs_path)(error));
            }
            _ => {}
        }
        let packs = dir.open_dir(PACKS).map_err(StoreError::io("open", &packs_path))?;
        Ok(Self { dir, path: path.to_owned(), packs, packs_path })
    }

    fn open_packs(&self) -> Result<Packs, StoreError> {
        Packs::open(&self.packs, &self.packs_path)
    }

    /// Stores the trees of a snapshot.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write; the store is then as it was.
    pub fn save(&self, snapshot: &Snapshot, options: SaveOptions) -> Result<Saved, StoreError> {
        options.name.as_deref().map_or(Ok(()), names::check)?;
        let _lock = Lock::shared(self)?;
        let packs = self.open_packs()?;
        let mut saver = Saver::new(&packs, PackWriter::create(&self.packs, &self.packs_path)?);
        let mut record = SnapshotRecord {
            version: record::VERSION,
            created_ms: options.created_ms,
            parent: options.parent,
            fork: None,
            command: options.command,
            image: options.image,
            cwd: options.cwd,
            trees: [].into(),
            n_files: 0,
            n_bytes: 0,
        };
        for (point, tree) in &snapshot.trees {
            record.trees.insert(point.clone(), saver.put_tree(tree)?);
            record.n_files += tree.n_files();
            record.n_bytes += tree.n_bytes();
        }
        let id = saver.put(Kind::Snapshot, &encode(&record))?;
        let n_bytes_written = saver.finish()?;
        if let Some(name) = options.name {
            self.change_names(|names| {
                names.insert(name, id);
                Ok(())
            })?;
        }
        Ok(Saved { id, record, n_bytes_written })
    }

    /// Makes `n` snapshots that start from `id`, named `prefix-1`, `prefix-2` and so on, going on
    /// after those that are there. All of them are made or none.
    ///
    /// # Errors
    ///
    /// Fails if there is no snapshot `id`, or the host refuses a write.
    pub fn fork(
        &self,
        id: ObjectId,
        n: u64,
        prefix: &str,
        created_ms: u64,
    ) -> Result<Vec<StoredSnapshot>, StoreError> {
        names::check(prefix)?;
        names::check(&format!("{prefix}-{}", u64::MAX))?;
        let _lock = Lock::shared(self)?;
        let packs = self.open_packs()?;
        let parent = self.record_in(&packs, id)?;
        let mut saver = Saver::new(&packs, PackWriter::create(&self.packs, &self.packs_path)?);
        // The names are taken before the objects are written, so that no two forks are one.
        let _names = Lock::named(self, NAMES_LOCK)?;
        let mut names = self.names()?;
        let number = |name: &String| name.strip_prefix(prefix)?.strip_prefix('-')?.parse().ok();
        let last: u64 = names.keys().filter_map(number).max().unwrap_or(0);
        let mut forks = vec![];
        for number in (last..).skip(1).take(usize::try_from(n).unwrap_or(usize::MAX)) {
            let record = SnapshotRecord {
                created_ms,
                parent: Some(id),
                fork: Some(number),
                command: vec![],
                ..parent.clone()
            };
            let id = saver.put(Kind::Snapshot, &encode(&record))?;
            let name = format!("{prefix}-{number}");
            names.insert(name.clone(), id);
            forks.push(StoredSnapshot { id, names: vec![name], record });
        }
        saver.finish()?;
        names::write(&self.dir, &self.path, &names)?;
        Ok(forks)
    }

    /// Reads the trees of a snapshot, all of them checked.
    ///
    /// # Errors
    ///
    /// Fails at the first file that cannot be read, and names it.
    pub fn load(&self, id: ObjectId) -> Result<(Snapshot, SnapshotRecord), StoreError> {
        self.load_with(id, &mut Err)
    }

    /// Reads what can be read of a snapshot, and returns errors for what cannot.
    ///
    /// # Errors
    ///
    /// Fails if the record of the snapshot cannot be read.
    pub fn salvage(
        &self,
        id: ObjectId,
    ) -> Result<(Snapshot, SnapshotRecord, Vec<StoreError>), StoreError> {
        let mut damage = vec![];
        let mut keep = |error| {
            damage.push(error);
            Ok(())
        };
        let (snapshot, record) = self.load_with(id, &mut keep)?;
        Ok((snapshot, record, damage))
    }

    fn load_with(
        &self,
        id: ObjectId,
        on_damage: &mut dyn FnMut(StoreError) -> Result<(), StoreError>,
    ) -> Result<(Snapshot, SnapshotRecord), StoreError> {
        let _lock = Lock::shared(self)?;
        let packs = self.open_packs()?;
        let record = self.record_in(&packs, id)?;
        let mut snapshot = Snapshot { trees: [].into() };
        for (point, root) in &record.trees {
            let entry = |path: String, error| StoreError::Entry {
                path: format!("{point}/{path}").trim_end_matches('/').to_owned(),
                snapshot: id,
                source: Box::new(error),
            };
            let mut damaged = |path, error| on_damage(entry(path, error));
            match load::read_tree(&packs, *root, &mut damaged) {
                Ok(tree) => drop(snapshot.trees.insert(point.clone(), tree)),
                Err(error @ StoreError::Entry { .. }) => return Err(error),
                Err(error) => on_damage(entry(String::new(), error))?,
            }
        }
        Ok((snapshot, record))
    }

    /// Returns what is known about a snapshot, without reading its files.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or its record is damaged or of a later version.
    pub fn record(&self, id: ObjectId) -> Result<SnapshotRecord, StoreError> {
        let _lock = Lock::shared(self)?;
        self.record_in(&self.open_packs()?, id)
    }

    fn record_in(&self, packs: &Packs, id: ObjectId) -> Result<SnapshotRecord, StoreError> {
        /// Just enough to tell a later version from a damaged record.
        #[derive(serde::Deserialize)]
        struct Version {
            version: u32,
        }
        let raw = packs.read(Kind::Snapshot, id)?;
        match serde_json::from_slice(&raw) {
            Ok(Version { version: found }) if found > record::VERSION => {
                let path = self.packs_path.join(id.short());
                Err(StoreError::Newer { path, found, supported: record::VERSION })
            }
            _ => serde_json::from_slice(&raw).map_err(|_| packs.undecodable(id)),
        }
    }

    /// Returns the id that a name or the first digits of an id stand for; a name comes first.
    ///
    /// # Errors
    ///
    /// Fails if nothing or more than one snapshot is meant.
    pub fn resolve(&self, asked: &str) -> Result<ObjectId, StoreError> {
        let names = self.names();
        if let Ok(names) = &names
            && let Some(id) = names.get(asked)
        {
            return Ok(*id);
        }
        let is_prefix = asked.len() >= MIN_PREFIX_CHARS
            && asked.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        let _lock = Lock::shared(self)?;
        let packs = self.open_packs()?;
        let found = if is_prefix { packs.ids(Kind::Snapshot, asked) } else { vec![] };
        match &found[..] {
            [id] => Ok(*id),
            // Whether it is a name cannot be told where the names cannot be read.
            [] => {
                Err(names.err().unwrap_or_else(|| StoreError::Unknown { asked: asked.to_owned() }))
            }
            several => Err(StoreError::Ambiguous { asked: asked.to_owned(), n: several.len() }),
        }
    }

    /// Returns all snapshots, oldest first, and what is wrong with the store.
    ///
    /// # Errors
    ///
    /// Fails if the folder of the store cannot be read.
    pub fn list(&self) -> Result<(Vec<StoredSnapshot>, Vec<StoreError>), StoreError> {
        let _lock = Lock::shared(self)?;
        let packs = self.open_packs()?;
        let mut problems = packs.problems();
        let names = self.names().unwrap_or_else(|error| {
            problems.push(error);
            Names::new()
        });
        let mut snapshots = vec![];
        for id in packs.ids(Kind::Snapshot, "") {
            match self.record_in(&packs, id) {
                Ok(record) => {
                    let named = names.iter().filter(|(_, named)| **named == id);
                    let names = named.map(|(name, _)| name.clone()).collect();
                    snapshots.push(StoredSnapshot { id, names, record });
                }
                Err(error) => problems.push(error),
            }
        }
        snapshots.sort_by_key(|it| (it.record.created_ms, it.record.fork, it.id));
        Ok((snapshots, problems))
    }

    /// Returns the names that there are.
    fn names(&self) -> Result<Names, StoreError> {
        names::read(&self.dir, &self.path)
    }

    /// Checks that a snapshot can have a name, for those who want to know before long work.
    ///
    /// # Errors
    ///
    /// Fails if it cannot.
    pub fn check_name(name: &str) -> Result<(), StoreError> {
        names::check(name)
    }

    /// Gives a snapshot a name; one that another has moves.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be a name, or the host refuses a write.
    pub fn set_name(&self, name: &str, id: ObjectId) -> Result<(), StoreError> {
        names::check(name)?;
        self.record(id)?;
        self.change_names(|names| {
            names.insert(name.to_owned(), id);
            Ok(())
        })
    }

    /// Removes names, not the snapshots: those go with the next [`Self::gc`]. All or none.
    ///
    /// # Errors
    ///
    /// Fails if there is no such name, or the host refuses a write.
    pub fn remove_names(&self, removed: &[String]) -> Result<(), StoreError> {
        self.change_names(|names| {
            for name in removed {
                let old = names.remove(name);
                old.ok_or_else(|| StoreError::Unknown { asked: name.clone() })?;
            }
            Ok(())
        })
    }

    fn change_names(
        &self,
        change: impl FnOnce(&mut Names) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let _lock = Lock::named(self, NAMES_LOCK)?;
        let mut names = self.names()?;
        change(&mut names)?;
        names::write(&self.dir, &self.path, &names)
    }
}

fn encode(record: &SnapshotRecord) -> Vec<u8> {
    serde_json::to_vec(record).expect("plain data serializes")
}
