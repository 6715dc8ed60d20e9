//! The trees that the index remembers: what equals them needs not be read to know what is staged.

use std::collections::HashMap;

use git2::{IndexEntry, ObjectType, Oid, Tree};

use crate::fail::Outcome;
use crate::place::Place;
use crate::stage::Stage;
use crate::tree::Item;

/// The parts of a tree and of the index that may differ, in the same order.
pub(crate) struct Changed {
    pub(crate) tree: Vec<Item>,
    pub(crate) entries: Vec<IndexEntry>,
}

/// Leaves out the folders that the index remembers as they are in the tree.
pub(crate) fn changed_items(
    place: &Place,
    tree: Option<&Tree<'_>>,
    stage: &Stage,
) -> Outcome<Changed> {
    let known = read(place).unwrap_or_default();
    let mut walk = Walk { place, known: &known, items: vec![], skipped: vec![] };
    if let Some(tree) = tree {
        walk.descend(tree, &mut vec![])?;
    }
    walk.items.sort_by(|a, b| a.path.cmp(&b.path));
    walk.skipped.sort();
    let skipped = walk.skipped;
    let is_skipped = |path: &[u8]| {
        let at = skipped.partition_point(|folder| folder.as_slice() <= path);
        at > 0 && path.starts_with(&skipped[at - 1])
    };
    let entries = stage.index.iter().filter(|entry| !is_skipped(&entry.path)).collect();
    Ok(Changed { tree: walk.items, entries })
}

struct Walk<'a> {
    place: &'a Place,
    known: &'a HashMap<Vec<u8>, Oid>,
    items: Vec<Item>,
    skipped: Vec<Vec<u8>>,
}

impl Walk<'_> {
    /// `at` ends with a slash unless it is empty.
    fn descend(&mut self, tree: &Tree<'_>, at: &mut Vec<u8>) -> Outcome<()> {
        if self.known.get(at.as_slice()) == Some(&tree.id()) {
            self.skipped.push(at.clone());
            return Ok(());
        }
        for entry in tree {
            let len = at.len();
            at.extend_from_slice(entry.name_bytes());
            if entry.kind() == Some(ObjectType::Tree) {
                at.push(b'/');
                if self.known.get(at.as_slice()) == Some(&entry.id()) {
                    self.skipped.push(at.clone());
                } else {
                    self.descend(&self.place.repo.find_tree(entry.id())?, at)?;
                }
            } else {
                let item =
                    Item { path: at.clone(), mode: entry.filemode_raw() as u32, id: entry.id() };
                self.items.push(item);
            }
            at.truncate(len);
        }
        Ok(())
    }
}

/// Reads the extension `TREE` of the index file: folders with their trees.
fn read(place: &Place) -> Option<HashMap<Vec<u8>, Oid>> {
    if std::env::var_os("GIT_INDEX_FILE").is_some() {
        return None;
    }
    let file = std::fs::read(place.meta("index")).ok()?;
    let at = file.windows(4).rposition(|w| w == b"TREE")?;
    let len = u32::from_be_bytes(file.get(at + 4..at + 8)?.try_into().ok()?) as usize;
    let data = file.get(at + 8..at + 8 + len)?;
    let mut known = HashMap::new();
    let mut rest = data;
    folder(&mut rest, &mut vec![], &mut known)?;
    rest.is_empty().then_some(known)
}

fn folder(rest: &mut &[u8], at: &mut Vec<u8>, known: &mut HashMap<Vec<u8>, Oid>) -> Option<()> {
    let name = until(rest, 0)?;
    let start = at.len();
    if !name.is_empty() {
        at.extend_from_slice(name);
        at.push(b'/');
    }
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i64>().ok();
    let entries = number(until(rest, b' ')?)?;
    let folders = number(until(rest, b'\n')?)?;
    if entries >= 0 {
        known.insert(at.clone(), Oid::from_bytes(rest.get(..20)?).ok()?);
        *rest = &rest[20..];
    }
    for _ in 0..folders {
        folder(rest, at, known)?;
    }
    at.truncate(start);
    Some(())
}

fn until<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let at = rest.iter().position(|b| *b == end)?;
    let found = &rest[..at];
    *rest = &rest[at + 1..];
    Some(found)
}
