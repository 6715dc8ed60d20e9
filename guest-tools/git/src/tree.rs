//! Trees as flat lists, and what differs between two of them.

use git2::{Object, ObjectType, Oid, Tree};

use crate::fail::Outcome;
use crate::place::Place;

/// A file, link or module of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) id: Oid,
}

/// All that is in a tree, in the order of the index.
pub(crate) fn flatten(place: &Place, tree: Option<&Tree<'_>>) -> Outcome<Vec<Item>> {
    let mut items = vec![];
    if let Some(tree) = tree {
        descend(place, tree, &mut vec![], &mut items)?;
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

fn descend(place: &Place, tree: &Tree<'_>, at: &mut Vec<u8>, items: &mut Vec<Item>) -> Outcome<()> {
    for entry in tree {
        let len = at.len();
        at.extend_from_slice(entry.name_bytes());
        if entry.kind() == Some(ObjectType::Tree) {
            at.push(b'/');
            descend(place, &place.repo.find_tree(entry.id())?, at, items)?;
        } else {
            items.push(Item {
                path: at.clone(),
                mode: entry.filemode_raw() as u32,
                id: entry.id(),
            });
        }
        at.truncate(len);
    }
    Ok(())
}

/// The item of a path in a tree; a folder is an item too.
pub(crate) fn lookup(tree: &Tree<'_>, path: &[u8]) -> Option<Item> {
    let entry = tree.get_path(crate::sys::path(path)).ok()?;
    Some(Item { path: path.to_vec(), mode: entry.filemode_raw() as u32, id: entry.id() })
}

/// What is at a path in two trees, where they differ.
pub(crate) type Sides = (Option<Item>, Option<Item>);

/// The differences of two trees in the order of paths; equal folders are not opened. `folder_wanted` may
/// say that nothing below a folder matters.
pub(crate) fn differences(
    place: &Place,
    old: Option<&Tree<'_>>,
    new: Option<&Tree<'_>>,
    folder_wanted: &dyn Fn(&[u8]) -> bool,
) -> Outcome<Vec<Sides>> {
    let mut walk = Walk { place, folder_wanted, found: vec![] };
    walk.compare(old, new, &mut vec![])?;
    let key = |sides: &Sides| sides.0.as_ref().or(sides.1.as_ref()).map(|item| item.path.clone());
    walk.found.sort_by_cached_key(key);
    Ok(walk.found)
}

struct Walk<'a> {
    place: &'a Place,
    folder_wanted: &'a dyn Fn(&[u8]) -> bool,
    found: Vec<Sides>,
}

impl Walk<'_> {
    fn compare(
        &mut self,
        old: Option<&Tree<'_>>,
        new: Option<&Tree<'_>>,
        at: &mut Vec<u8>,
    ) -> Outcome<()> {
        if old.map(Tree::id) == new.map(Tree::id) {
            return Ok(());
        }
        let list = |tree: Option<&Tree<'_>>| {
            let mut items: Vec<Item> =
                tree.map_or_else(Vec::new, |tree| tree.iter().map(|e| item(&e)).collect());
            items.sort_by(|a, b| a.path.cmp(&b.path));
            items
        };
        let (old, new) = (list(old), list(new));
        let (mut i, mut j) = (0, 0);
        while i < old.len() || j < new.len() {
            let order = match (old.get(i), new.get(j)) {
                (Some(a), Some(b)) => a.path.cmp(&b.path),
                (Some(_), None) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Greater,
            };
            let a = order.is_le().then(|| &old[i]);
            let b = order.is_ge().then(|| &new[j]);
            i += usize::from(order.is_le());
            j += usize::from(order.is_ge());
            if a != b {
                self.pair(a, b, at)?;
            }
        }
        Ok(())
    }

    fn pair(&mut self, old: Option<&Item>, new: Option<&Item>, at: &mut Vec<u8>) -> Outcome<()> {
        let is_tree = |item: &&Item| item.mode == crate::stage::FOLDER;
        let len = at.len();
        at.extend_from_slice(&old.or(new).expect("one of both").path);
        let leaf = |item: Option<&Item>| {
            item.filter(|item| !is_tree(item)).map(|item| Item { path: at.clone(), ..item.clone() })
        };
        let leaves = (leaf(old), leaf(new));
        if leaves.0.is_some() || leaves.1.is_some() {
            self.found.push(leaves);
        }
        let trees = (old.filter(is_tree), new.filter(is_tree));
        if (trees.0.is_some() || trees.1.is_some()) && (self.folder_wanted)(at) {
            at.push(b'/');
            let find = |item: Option<&Item>| {
                item.map(|item| self.place.repo.find_tree(item.id)).transpose()
            };
            let (old, new) = (find(trees.0)?, find(trees.1)?);
            self.compare(old.as_ref(), new.as_ref(), at)?;
        }
        at.truncate(len);
        Ok(())
    }
}

fn item(entry: &git2::TreeEntry<'_>) -> Item {
    Item { path: entry.name_bytes().to_vec(), mode: entry.filemode_raw() as u32, id: entry.id() }
}

/// The tree of a commit, tag or tree.
pub(crate) fn of<'a>(object: &Object<'a>) -> Outcome<Tree<'a>> {
    Ok(object.peel_to_tree()?)
}
