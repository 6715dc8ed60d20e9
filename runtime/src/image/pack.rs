//! A tree in two files: an index of all entries, and their contents one after the other.
//!
//! The contents are mapped, not read: sandboxes share the pages, and a file that nobody opens is
//! never loaded.

use super::{ImageError, TREE_DATA, TREE_INDEX, read};
use crate::tree::{Content, Node, Tree};
use bytes::Bytes;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    entries: Vec<Packed>,
}

/// One entry; a file has a place in the data, a link a target, a directory neither.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    path: String,
    mode: u32,
    /// Nanoseconds since the epoch.
    #[serde(default, skip_serializing_if = "is_zero")]
    modified: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Returns the index and the data of a tree.
pub(super) fn pack(tree: &Tree) -> (Vec<u8>, Vec<u8>) {
    let mut data = vec![];
    let mut entries = vec![];
    for (path, ino) in tree.walk_inodes() {
        let Some(inode) = tree.inode(ino) else { continue };
        let mut packed =
            Packed { path, mode: inode.mode, modified: inode.modified, data: None, link: None };
        match &inode.node {
            Node::File(content) => {
                packed.data = Some((data.len() as u64, content.len()));
                data.extend_from_slice(&content.to_bytes());
            }
            Node::Symlink(target) => packed.link = Some(target.to_string()),
            Node::Directory(_) => {}
            Node::Device(_) => continue,
        }
        entries.push(packed);
    }
    let index = serde_json::to_vec(&Index { entries }).expect("plain data serializes");
    (index, data)
}

/// Reads the tree of the image in `folder`, checking both files against their hashes.
pub(super) fn read_packed(
    folder: &Path,
    index_hash: &str,
    data_hash: &str,
) -> Result<Tree, ImageError> {
    let (index_path, data_path) = (folder.join(TREE_INDEX), folder.join(TREE_DATA));
    let index = read(&index_path)?;
    let damaged = |path: &Path| ImageError::Damaged { path: path.to_owned() };
    if blake3::hash(&index).to_hex().as_str() != index_hash {
        return Err(damaged(&index_path));
    }
    if hash(&data_path)?.to_hex().as_str() != data_hash {
        return Err(damaged(&data_path));
    }
    let data = map(&data_path)?;
    let index: Index = serde_json::from_slice(&index).map_err(|_| damaged(&index_path))?;
    unpack(index, &data).ok_or_else(|| damaged(&index_path))
}

fn unpack(index: Index, data: &Bytes) -> Option<Tree> {
    let mut tree = Tree::new();
    for packed in index.entries {
        let node = match (packed.data, packed.link) {
            (Some((start, len)), _) => {
                let start = usize::try_from(start).ok()?;
                let end = start.checked_add(usize::try_from(len).ok()?)?;
                if end > data.len() {
                    return None;
                }
                Node::File(Content::Whole(data.slice(start..end)))
            }
            (None, Some(target)) => Node::Symlink(target.into()),
            (None, None) => Tree::new_directory(),
        };
        let (parent, name) = packed.path.rsplit_once('/').unwrap_or(("", &packed.path));
        let parent = tree.find(parent).ok().flatten()?;
        tree.create(parent, name, node, packed.mode, packed.modified).ok()?;
    }
    Some(tree)
}

/// Hashes a file without mapping it, which would make all of it count as this process's memory.
fn hash(path: &Path) -> Result<blake3::Hash, ImageError> {
    let fail = |source| ImageError::Read { path: path.to_owned(), source };
    let mut hasher = blake3::Hasher::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    hasher.update_reader(file).map_err(fail)?;
    Ok(hasher.finalize())
}

fn map(path: &Path) -> Result<Bytes, ImageError> {
    let fail = |source| ImageError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.len() == 0 {
        return Ok(Bytes::new());
    }
    #[expect(unsafe_code, reason = "mapping a file")]
    // SAFETY: the file lies in the image store, which is written under a temporary name and renamed
    // into place, and never changed after; no guest can name it.
    let map = unsafe { Mmap::map(&file) }.map_err(fail)?;
    Ok(Bytes::from_owner(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_survives_packing() {
        let mut tree = Tree::new();
        tree.write("usr/lib/a.py", "print(1)\n", 0o644).unwrap();
        tree.write("usr/lib/empty", "", 0o600).unwrap();
        tree.create_dir("tmp", 0o1777).unwrap();
        tree.symlink("bin", "usr/bin").unwrap();
        let (index, data) = pack(&tree);
        let index = serde_json::from_slice(&index).unwrap();
        let back = unpack(index, &data.into()).unwrap();
        assert_eq!(tree.digest(), back.digest());
    }

    #[test]
    fn an_index_that_points_outside_of_its_data_is_refused() {
        let index = Index {
            entries: vec![Packed {
                path: "x".to_owned(),
                mode: 0o644,
                modified: 0,
                data: Some((u64::MAX, 2)),
                link: None,
            }],
        };
        assert!(unpack(index, &Bytes::new()).is_none());
    }
}
