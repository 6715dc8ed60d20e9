//! Where pairs come from: trees, the index, and files.

use std::collections::BTreeMap;

use git2::{IndexEntry, Oid, Tree};

use super::pair::{Pair, Side};
use crate::fail::Outcome;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::stage::{self, MODULE, Stage};
use crate::sys::{Kind, Meta};
use crate::tree::{self, Item};
use crate::work::Work;

fn object(item: &Item) -> std::rc::Rc<Side> {
    Side::object(&item.path, item.mode, item.id)
}

/// What differs between two trees.
pub(crate) fn trees(
    place: &Place,
    old: Option<&Tree<'_>>,
    new: Option<&Tree<'_>>,
    paths: &Pathspec,
) -> Outcome<Vec<Pair>> {
    let sides = tree::differences(place, old, new, &|folder| paths.reaches(folder))?;
    let wanted = sides
        .iter()
        .filter(|(a, b)| a.as_ref().or(b.as_ref()).is_some_and(|item| paths.fits(&item.path)));
    Ok(wanted.map(|(a, b)| Pair::new(a.as_ref().map(object), b.as_ref().map(object))).collect())
}

/// All files of a tree, also where nothing differs: the sources of `--find-copies-harder`.
pub(crate) fn unchanged(
    place: &Place,
    tree: Option<&Tree<'_>>,
    pairs: Vec<Pair>,
) -> Outcome<Vec<Pair>> {
    let mut all: BTreeMap<Vec<u8>, Vec<Pair>> = BTreeMap::new();
    for pair in pairs {
        all.entry(pair.path().to_vec()).or_default().push(pair);
    }
    for item in tree::flatten(place, tree)? {
        all.entry(item.path.clone())
            .or_insert_with(|| vec![Pair::new(Some(object(&item)), Some(object(&item)))]);
    }
    Ok(all.into_values().flatten().collect())
}

/// What is staged, compared with a tree.
pub(crate) fn tree_index(
    place: &Place,
    tree: Option<&Tree<'_>>,
    stage: &Stage,
    paths: &Pathspec,
) -> Outcome<Vec<Pair>> {
    let items = crate::cache_tree::changed_items(place, tree, stage)?;
    let mut pairs = vec![];
    let entries = items.entries;
    merge_join(&items.tree, &entries, &mut |item, staged| {
        let path = item.map_or_else(|| staged[0].path.as_slice(), |item| &item.path);
        if !paths.fits(path) {
            return;
        }
        if staged.iter().any(|entry| stage::stage(entry) > 0) {
            pairs.push(Pair::unmerged(path));
            return;
        }
        let entry = staged.first().filter(|entry| !stage::is_announced(entry));
        if let (Some(item), Some(entry)) = (item, entry)
            && item.id == entry.id
            && item.mode == entry.mode
        {
            return;
        }
        let new = entry.map(|entry| Side::object(path, entry.mode, entry.id));
        if item.is_some() || new.is_some() {
            pairs.push(Pair::new(item.map(object), new));
        }
    });
    Ok(pairs)
}

/// Goes through tree and index side by side.
fn merge_join(
    items: &[Item],
    entries: &[IndexEntry],
    take: &mut dyn FnMut(Option<&Item>, &[IndexEntry]),
) {
    let (mut i, mut j) = (0, 0);
    while i < items.len() || j < entries.len() {
        let order = match (items.get(i), entries.get(j)) {
            (Some(item), Some(entry)) => item.path.cmp(&entry.path),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        let start = j;
        if order.is_ge() {
            let path = &entries[j].path;
            while entries.get(j).is_some_and(|entry| entry.path == *path) {
                j += 1;
            }
        }
        let item = order.is_le().then(|| &items[i]);
        i += usize::from(order.is_le());
        take(item, &entries[start..j]);
    }
}

/// What became of the file of an entry.
pub(crate) enum Fate {
    Same(Meta),
    Gone,
    /// Changed; its mode, and its id if it had to be found out.
    Changed(u32, Option<Oid>),
}

/// Looks at the file of an entry.
pub(crate) fn fate(work: &Work<'_>, stage: &Stage, entry: &IndexEntry) -> Fate {
    if stage::is_left_alone(entry) {
        return Fate::Changed(entry.mode, Some(entry.id));
    }
    let Some(meta) = work.find(&entry.path) else { return Fate::Gone };
    if meta.kind == Kind::Folder {
        return if entry.mode != MODULE {
            Fate::Gone
        } else {
            match crate::work::module_head(&work.place.file(&entry.path)) {
                Some(id) if id != entry.id => Fate::Changed(MODULE, Some(id)),
                _ => Fate::Same(meta),
            }
        };
    }
    if meta.kind == Kind::Other {
        return Fate::Gone;
    }
    let mode = work.mode(&meta, Some(entry.mode));
    if mode == entry.mode && stage.is_fresh(entry, &meta) {
        return Fate::Same(meta);
    }
    if stage::is_announced(entry) {
        return Fate::Changed(mode, None);
    }
    match work.hash(&entry.path, &meta) {
        Ok(id) if id == entry.id && mode == entry.mode => Fate::Same(meta),
        Ok(id) => Fate::Changed(mode, Some(id)),
        Err(_) => Fate::Changed(mode, None),
    }
}

/// A change of a file and what was learned about the others on the way.
pub(crate) struct Look {
    pub(crate) pairs: Vec<Pair>,
    /// Entries whose files are the same at another time.
    pub(crate) refreshed: Vec<IndexEntry>,
}

/// What differs between the index and the files.
pub(crate) fn index_work(work: &Work<'_>, stage: &Stage, paths: &Pathspec) -> Look {
    let mut look = Look { pairs: vec![], refreshed: vec![] };
    let mut links = Links::default();
    let entries = stage.entries();
    let mut last_unmerged: Vec<u8> = vec![];
    for entry in entries.iter().filter(|entry| paths.fits(&entry.path)) {
        if stage::stage(entry) > 0 {
            if entry.path != last_unmerged {
                last_unmerged.clone_from(&entry.path);
                look.pairs.push(Pair::unmerged(&entry.path));
                look.pairs.extend(unmerged_change(work, stage, &entry.path));
            }
            continue;
        }
        let fate =
            if links.lead(work, &entry.path) { Fate::Gone } else { fate(work, stage, entry) };
        let old = || Side::object(&entry.path, entry.mode, entry.id);
        match fate {
            Fate::Same(_) if stage::is_announced(entry) => {}
            Fate::Same(meta) => {
                if !stage.is_fresh(entry, &meta) {
                    look.refreshed.push(stage::known(&entry.path, entry.mode, entry.id, &meta));
                }
            }
            Fate::Changed(mode, Some(id)) if mode == entry.mode && id == entry.id => {}
            Fate::Gone => look.pairs.push(Pair::new(Some(old()), None)),
            Fate::Changed(mode, id) => {
                let new = match id {
                    Some(id) => Side::hashed_file(&entry.path, mode, id),
                    None => Side::file(&entry.path, mode),
                };
                let old = (!stage::is_announced(entry)).then(old);
                look.pairs.push(Pair::new(old, Some(new)));
            }
        }
    }
    look
}

/// Whether paths lead through links, asked folder by folder.
#[derive(Default)]
pub(crate) struct Links {
    folder: Vec<u8>,
    through: bool,
}

impl Links {
    pub(crate) fn lead(&mut self, work: &Work<'_>, path: &[u8]) -> bool {
        let folder = path.iter().rposition(|b| *b == b'/').map_or(&[][..], |at| &path[..at]);
        if folder != self.folder {
            self.through = !folder.is_empty() && {
                let slashes =
                    folder.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
                slashes
                    .chain([folder.len()])
                    .any(|at| work.find(&folder[..at]).is_some_and(|m| m.kind == Kind::Link))
            };
            self.folder = folder.to_vec();
        }
        self.through
    }
}

/// Our side of a conflict against the file.
fn unmerged_change(work: &Work<'_>, stage: &Stage, path: &[u8]) -> Option<Pair> {
    let entry = stage.index.get_path(crate::sys::path(path), 2)?;
    let meta = work.find(path)?;
    let (old, mode) =
        (Side::object(path, entry.mode, entry.id), work.mode(&meta, Some(entry.mode)));
    let same = mode == entry.mode && work.hash(path, &meta).is_ok_and(|id| id == entry.id);
    (!same).then(|| Pair::new(Some(old), Some(Side::file(path, mode))))
}

/// What differs between a tree and the files that the index knows.
pub(crate) fn tree_work(
    work: &Work<'_>,
    tree: Option<&Tree<'_>>,
    stage: &Stage,
    paths: &Pathspec,
) -> Outcome<Vec<Pair>> {
    let mut pairs = vec![];
    let items = tree::flatten(work.place, tree)?;
    let mut links = Links::default();
    merge_join(&items, &stage.entries(), &mut |item, staged| {
        let path = item.map_or_else(|| staged[0].path.as_slice(), |item| &item.path);
        if !paths.fits(path) {
            return;
        }
        let unmerged = staged.iter().any(|entry| stage::stage(entry) > 0);
        if unmerged {
            pairs.push(Pair::unmerged(path));
        }
        let new = match staged.first() {
            None => None,
            Some(_) if links.lead(work, path) => None,
            Some(entry) if unmerged => {
                work.find(path).map(|meta| Side::file(path, work.mode(&meta, Some(entry.mode))))
            }
            Some(entry) => match fate(work, stage, entry) {
                Fate::Gone => None,
                Fate::Same(_) => Some(Side::object(path, entry.mode, entry.id)),
                Fate::Changed(mode, Some(id)) => Some(Side::hashed_file(path, mode, id)),
                Fate::Changed(mode, None) => Some(Side::file(path, mode)),
            },
        };
        let same = matches!((item, &new), (Some(item), Some(new)) if item.mode == new.mode && item.id == new.id(work));
        if !same && (item.is_some() || new.is_some()) {
            pairs.push(Pair::new(item.map(object), new));
        }
    });
    Ok(pairs)
}
