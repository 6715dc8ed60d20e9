//! File trees in the folder of a run, by the digest of what is in them.
//!
//! A tree is a list of its entries in `trees/DIGEST.json`; each file is in `blobs/`, under the digest of
//! its bytes, once however many trees hold it.

use playpen_runtime::{EntryKind, Tree, TreeEntry};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

use super::{FORMAT_VERSION, RecordError, create_all, write_file, write_json};

/// The digest of a tree, BLAKE3 in hexadecimal.
pub type TreeId = String;

/// The trees of a run.
#[derive(Clone, Debug)]
pub struct TreeStore {
    folder: PathBuf,
}

/// What a file in `trees/` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Listing {
    format_version: u32,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    path: String,
    mode: u32,
    #[serde(flatten)]
    node: Node,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Node {
    Dir,
    File { blob: String },
    Symlink { target: String },
}

impl TreeStore {
    /// Uses the folders `trees/` and `blobs/` of `folder`, which are made where they are needed.
    pub fn new(folder: &Path) -> TreeStore {
        TreeStore { folder: folder.to_owned() }
    }

    /// Puts a tree into the store, its `.git/` left out, and returns its digest.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn put(&self, tree: &Tree) -> Result<TreeId, RecordError> {
        let mut tree = tree.clone();
        if tree.exists(".git") {
            let _ignored = tree.remove(".git");
        }
        let id = tree.digest().to_hex().to_string();
        let path = self.listing(&id);
        if path.exists() {
            return Ok(id);
        }
        let entries = tree.walk().into_iter().map(|entry| self.put_entry(&tree, &entry));
        let listing =
            Listing { format_version: FORMAT_VERSION, entries: entries.collect::<Result<_, _>>()? };
        create_all(&self.folder.join("trees"))?;
        write_json(&path, &listing)?;
        Ok(id)
    }

    fn put_entry(&self, tree: &Tree, entry: &TreeEntry) -> Result<Entry, RecordError> {
        let node = match entry.kind {
            EntryKind::Dir => Node::Dir,
            EntryKind::Symlink => {
                Node::Symlink { target: entry.target.clone().unwrap_or_default() }
            }
            EntryKind::File => {
                let data = tree.read(&entry.path).expect("the entry was listed as a file");
                let blob = blake3::hash(&data).to_hex().to_string();
                let path = self.blob(&blob);
                if !path.exists() {
                    create_all(path.parent().expect("it lies in a folder"))?;
                    write_file(&path, &data)?;
                }
                Node::File { blob }
            }
        };
        Ok(Entry { path: entry.path.clone(), mode: entry.mode, node })
    }

    /// Takes a tree out of the store, and checks that it is the one that was put in.
    ///
    /// # Errors
    ///
    /// Fails if a file is not there or was changed.
    pub fn get(&self, id: &str) -> Result<Tree, RecordError> {
        let path = self.listing(id);
        let broken = |source: io::Error| RecordError::Read { path: path.clone(), source };
        let text = fs_err::read(&path).map_err(broken)?;
        let listing: Listing =
            serde_json::from_slice(&text).map_err(|error| broken(error.into()))?;
        let mut tree = Tree::new();
        for entry in listing.entries {
            let put = match entry.node {
                Node::Dir => tree.create_dir(&entry.path, entry.mode),
                Node::Symlink { target } => tree.symlink(&entry.path, &target),
                Node::File { blob } => {
                    let data = fs_err::read(self.blob(&blob)).map_err(broken)?;
                    tree.write(&entry.path, data, entry.mode)
                }
            };
            put.map_err(|error| broken(io::Error::other(error)))?;
        }
        if tree.digest().to_hex().as_str() != id {
            return Err(broken(io::Error::other("its files are not what they were")));
        }
        Ok(tree)
    }

    /// Returns the folder of the run.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn listing(&self, id: &str) -> PathBuf {
        self.folder.join("trees").join(format!("{id}.json"))
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs").join(&digest[..2.min(digest.len())]).join(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::TreeStore;
    use playpen_runtime::Tree;

    fn tree() -> Tree {
        let mut tree = Tree::new();
        tree.write("a/b.py", "x = 1\n", 0o644).unwrap();
        tree.write("run.sh", &b"\0\xff"[..], 0o755).unwrap();
        tree.symlink("a/link", "b.py").unwrap();
        tree.create_dir("empty", 0o755).unwrap();
        tree
    }

    #[test]
    fn what_is_put_in_comes_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = TreeStore::new(dir.path());
        let mut with_history = tree();
        with_history.write(".git/HEAD", "x", 0o644).unwrap();
        let id = store.put(&with_history).unwrap();
        assert_eq!(store.put(&tree()).unwrap(), id);
        assert_eq!(store.get(&id).unwrap().digest(), tree().digest());
    }

    #[test]
    fn a_changed_blob_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let store = TreeStore::new(dir.path());
        let id = store.put(&tree()).unwrap();
        let blob = store.blob(blake3::hash(b"x = 1\n").to_hex().as_str());
        fs_err::write(blob, "x = 2\n").unwrap();
        let error = store.get(&id).unwrap_err();
        assert!(error.to_string().starts_with("failed to read `"), "{error}");
        assert!(store.get("0000").is_err());
    }
}
