//! The step cache: results under `guests/entries`, addressed by the hash of what they are made from.
//!
//! An entry is a folder and beside it a manifest with the hash, size and time of every file in it.
//! Both are written under temporary names and renamed, the manifest last: a folder without a
//! manifest is no entry. A look-up compares sizes and times and hashes only what differs in them.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::BuildError;

/// Changes when what is in an entry or a manifest means something else: every key depends on it.
pub(crate) const FORMAT: u32 = 1;

/// The hash of everything that goes into a step's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) blake3::Hash);

impl Key {
    fn short(self) -> String {
        self.0.to_hex().as_str().chars().take(16).collect()
    }
}

/// The folder that holds everything of the builder.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

/// What a look-up found.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// The result, as it was written.
    Hit(PathBuf),
    /// Nothing.
    Miss,
    /// Something else than was written.
    Damaged(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    step: String,
    key: String,
    seconds: u64,
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Entry {
    Dir,
    Link { to: String },
    File { size: u64, modified_ns: i128, blake3: String },
}

impl Store {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where the entry for `step` and `key` is or will be.
    pub(crate) fn entry(&self, step: &str, key: Key) -> PathBuf {
        self.root.join("entries").join(format!("{step}-{}", key.short()))
    }

    /// Scratch space of a step; survives an interruption.
    pub(crate) fn work(&self, step: &str, key: Key) -> PathBuf {
        self.root.join("work").join(format!("{step}-{}", key.short()))
    }

    /// Space that the steps of one build share.
    pub(crate) fn shared(&self) -> PathBuf {
        self.root.join("work").join("shared")
    }

    /// The output of a step's last run.
    pub(crate) fn log(&self, step: &str) -> PathBuf {
        self.root.join("logs").join(format!("{step}.log"))
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Looks an entry up and checks it.
    pub(crate) fn look_up(&self, step: &str, key: Key) -> Lookup {
        let dir = self.entry(step, key);
        let Ok(bytes) = fs_err::read(manifest_path(&dir)) else { return Lookup::Miss };
        let checked = serde_json::from_slice(&bytes)
            .map_err(|e| format!("its manifest does not parse: {e}"))
            .and_then(|manifest| check(&dir, &manifest));
        match checked {
            Ok(()) => Lookup::Hit(dir),
            Err(reason) => Lookup::Damaged(reason),
        }
    }

    /// Where a step writes its result until it is complete.
    pub(crate) fn start_entry(&self, step: &str, key: Key) -> Result<PathBuf, BuildError> {
        let dir = self.entry(step, key).with_extension("new");
        clear(&dir).map_err(BuildError::io("make room for a step's result"))?;
        fs_err::create_dir_all(&dir).map_err(BuildError::io("make room for a step's result"))?;
        Ok(dir)
    }

    /// Makes a complete result the entry for `step` and `key`.
    pub(crate) fn commit(
        &self,
        step: &str,
        key: Key,
        new: &Path,
        took: Duration,
    ) -> Result<PathBuf, BuildError> {
        let dir = self.entry(step, key);
        self.remove(step, key)?;
        let doing = || BuildError::io(format!("cache the result of step `{step}`"));
        let files = scan(new).map_err(doing())?;
        let manifest = Manifest {
            step: step.to_owned(),
            key: key.0.to_hex().to_string(),
            seconds: took.as_secs(),
            files,
        };
        fs_err::rename(new, &dir).map_err(doing())?;
        let bytes =
            serde_json::to_vec_pretty(&manifest).map_err(io::Error::other).map_err(doing())?;
        let path = manifest_path(&dir);
        let temporary = path.with_extension("json.new");
        fs_err::write(&temporary, bytes).map_err(doing())?;
        fs_err::rename(&temporary, &path).map_err(doing())?;
        Ok(dir)
    }

    /// Removes an entry, its manifest first.
    pub(crate) fn remove(&self, step: &str, key: Key) -> Result<(), BuildError> {
        let dir = self.entry(step, key);
        clear(&manifest_path(&dir))
            .and_then(|()| clear(&dir))
            .map_err(BuildError::io("remove a cache entry"))
    }

    /// Removes scratch space that is not in `keep`: what an interrupted build of other sources left.
    pub(crate) fn sweep(&self, keep: &[PathBuf]) -> Result<(), BuildError> {
        let doing = || BuildError::io("remove old scratch space");
        let Ok(entries) = fs_err::read_dir(self.root.join("work")) else { return Ok(()) };
        for entry in entries {
            let path = entry.map_err(doing())?.path();
            if !keep.contains(&path) && path != self.shared() {
                clear(&path).map_err(doing())?;
            }
        }
        Ok(())
    }

    /// Returns the images that have a name, which live beside the cache.
    pub(crate) fn images(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs_err::read_dir(self.root.with_file_name("images")) else {
            return vec![];
        };
        entries.flatten().filter_map(|entry| fs_err::read_link(entry.path()).ok()).collect()
    }

    /// Removes every entry that is not in `keep`, and all scratch space.
    pub(crate) fn prune(&self, keep: &[PathBuf]) -> Result<(), BuildError> {
        let doing = || BuildError::io("remove old cache entries");
        clear(&self.root.join("work")).map_err(doing())?;
        let Ok(entries) = fs_err::read_dir(self.root.join("entries")) else { return Ok(()) };
        for entry in entries {
            let path = entry.map_err(doing())?.path();
            if !keep.iter().any(|kept| *kept == path || manifest_path(kept) == path) {
                clear(&path).map_err(doing())?;
            }
        }
        Ok(())
    }
}

fn manifest_path(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".json");
    dir.with_file_name(name)
}

/// Removes a file or folder that may not be there.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    let removed = match fs_err::symlink_metadata(path) {
        Ok(m) if m.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn scan(dir: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(io::Error::other)?;
        let relative = entry.path().strip_prefix(dir).map_err(io::Error::other)?;
        files.insert(relative.to_string_lossy().into_owned(), describe(entry.path())?);
    }
    Ok(files)
}

fn describe(path: &Path) -> io::Result<Entry> {
    let meta = fs_err::symlink_metadata(path)?;
    Ok(if meta.is_dir() {
        Entry::Dir
    } else if meta.is_symlink() {
        Entry::Link { to: fs_err::read_link(path)?.to_string_lossy().into_owned() }
    } else {
        Entry::File { size: meta.len(), modified_ns: modified_ns(&meta), blake3: hash(path)? }
    })
}

fn modified_ns(meta: &std::fs::Metadata) -> i128 {
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut fs_err::File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn check(dir: &Path, manifest: &Manifest) -> Result<(), String> {
    for (relative, expected) in &manifest.files {
        let path = dir.join(relative);
        if !unchanged(&path, expected).map_err(|_| format!("`{relative}` is gone"))? {
            return Err(format!("`{relative}` is not what was written"));
        }
    }
    required(dir)
}

fn unchanged(path: &Path, expected: &Entry) -> io::Result<bool> {
    let meta = fs_err::symlink_metadata(path)?;
    match expected {
        Entry::Dir => Ok(meta.is_dir()),
        Entry::Link { .. } => Ok(describe(path)? == *expected),
        Entry::File { size, modified_ns: modified, blake3 } => {
            let same_size = meta.is_file() && meta.len() == *size;
            Ok(same_size && (modified_ns(&meta) == *modified || hash(path)? == *blake3))
        }
    }
}

/// An entry may name, in `.requires`, files outside the cache that it is of no use without.
fn required(dir: &Path) -> Result<(), String> {
    let Ok(list) = fs_err::read_to_string(dir.join(".requires")) else { return Ok(()) };
    match list.lines().find(|path| !Path::new(path).exists()) {
        Some(gone) => Err(format!("`{gone}`, which it needs, is gone")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key(blake3::hash(text.as_bytes()))
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("guests"));
        (dir, store)
    }

    fn put(store: &Store, content: &str) -> PathBuf {
        let new = store.start_entry("step", key("k")).unwrap();
        fs_err::create_dir(new.join("sub")).unwrap();
        fs_err::write(new.join("sub/file"), content).unwrap();
        store.commit("step", key("k"), &new, Duration::ZERO).unwrap()
    }

    #[track_caller]
    fn damage(store: &Store) -> String {
        match store.look_up("step", key("k")) {
            Lookup::Damaged(reason) => reason,
            other => panic!("not damaged: {other:?}"),
        }
    }

    #[test]
    fn a_committed_result_is_found_under_its_key_only() {
        let (_dir, store) = store();
        assert!(matches!(store.look_up("step", key("k")), Lookup::Miss));
        let entry = put(&store, "content");
        assert!(matches!(store.look_up("step", key("k")), Lookup::Hit(dir) if dir == entry));
        assert!(matches!(store.look_up("step", key("other")), Lookup::Miss));
        assert!(matches!(store.look_up("other", key("k")), Lookup::Miss));
    }

    #[test]
    fn an_uncommitted_result_is_no_entry() {
        let (_dir, store) = store();
        let new = store.start_entry("step", key("k")).unwrap();
        fs_err::write(new.join("half"), "").unwrap();
        assert!(matches!(store.look_up("step", key("k")), Lookup::Miss));
        assert!(!store.start_entry("step", key("k")).unwrap().join("half").exists());
    }

    #[test]
    fn a_flipped_byte_is_noticed() {
        let (_dir, store) = store();
        let entry = put(&store, "content");
        fs_err::write(entry.join("sub/file"), "c0ntent").unwrap();
        assert_eq!(damage(&store), "`sub/file` is not what was written");
    }

    #[test]
    fn a_lost_file_and_a_lost_requirement_are_noticed() {
        let (dir, store) = store();
        let entry = put(&store, "content");
        fs_err::remove_file(entry.join("sub/file")).unwrap();
        assert_eq!(damage(&store), "`sub/file` is gone");

        let compiler = dir.path().join("compiler");
        fs_err::write(&compiler, "").unwrap();
        let new = store.start_entry("step", key("k")).unwrap();
        fs_err::write(new.join(".requires"), compiler.to_string_lossy().as_bytes()).unwrap();
        store.commit("step", key("k"), &new, Duration::ZERO).unwrap();
        assert!(matches!(store.look_up("step", key("k")), Lookup::Hit(_)));
        fs_err::remove_file(&compiler).unwrap();
        assert!(damage(&store).contains("which it needs, is gone"));
    }

    #[test]
    fn a_touched_but_equal_file_is_no_damage() {
        let (_dir, store) = store();
        let entry = put(&store, "content");
        fs_err::remove_file(entry.join("sub/file")).unwrap();
        fs_err::write(entry.join("sub/file"), "content").unwrap();
        assert!(matches!(store.look_up("step", key("k")), Lookup::Hit(_)));
    }

    #[test]
    fn a_broken_manifest_is_damage() {
        let (_dir, store) = store();
        let entry = put(&store, "content");
        fs_err::write(manifest_path(&entry), "{").unwrap();
        assert!(damage(&store).starts_with("its manifest does not parse"));
    }

    #[test]
    fn sweeping_keeps_scratch_space_of_the_same_key() {
        let (_dir, store) = store();
        let dirs = [store.work("step", key("k")), store.work("step", key("old")), store.shared()];
        for dir in &dirs {
            fs_err::create_dir_all(dir).unwrap();
        }
        store.sweep(&dirs[..1]).unwrap();
        assert_eq!(dirs.map(|dir| dir.exists()), [true, false, true]);
    }

    #[cfg(unix)]
    #[test]
    fn images_are_what_their_names_lead_to() {
        let (_dir, store) = store();
        let image = put(&store, "content");
        let names = store.root.with_file_name("images");
        fs_err::create_dir_all(&names).unwrap();
        fs_err::os::unix::fs::symlink(&image, names.join("web")).unwrap();
        assert_eq!(store.images(), [image]);
    }

    #[test]
    fn pruning_keeps_what_it_is_told_to() {
        let (_dir, store) = store();
        let kept = put(&store, "content");
        let new = store.start_entry("step", key("old")).unwrap();
        let old = store.commit("step", key("old"), &new, Duration::ZERO).unwrap();
        store.prune(std::slice::from_ref(&kept)).unwrap();
        assert!(matches!(store.look_up("step", key("k")), Lookup::Hit(_)));
        assert!(!old.exists() && !manifest_path(&old).exists());
    }
}
