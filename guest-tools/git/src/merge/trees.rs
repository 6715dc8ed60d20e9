//! The merge of two trees with a common ancestor, renames included.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ObjectType, Oid, Tree};

use crate::diff::options::{Options, Renames};
use crate::diff::{Pair, collect, rename};
use crate::fail::Outcome;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::LINK;
use crate::tree::{self, Item};
use crate::work::Work;
use crate::xdiff;

/// How sides are called in conflicts.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) base: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
}

/// What a path is on the three sides.
type Three = [Option<Item>; 3];

/// A path that must be settled by hand.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) path: Vec<u8>,
    /// Ancestor, ours, theirs.
    pub(crate) stages: Three,
    /// What is left in the working tree.
    pub(crate) file: Option<(u32, Oid)>,
}

/// The result of a merge.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// Paths that differ from ours: what they become.
    pub(crate) changes: Vec<tree::Sides>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) messages: Vec<String>,
}

/// How much is preferred in conflicts, and which blanks do not count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    pub(crate) favor: i32,
    pub(crate) flags: u32,
    pub(crate) no_renames: bool,
}

struct Merge<'a> {
    place: &'a Place,
    labels: &'a Labels,
    how: How,
    work: Work<'a>,
    style: i32,
    merged: Merged,
}

pub(crate) fn merge(
    place: &Place,
    base: Option<&Tree<'_>>,
    ours: Option<&Tree<'_>>,
    theirs: Option<&Tree<'_>>,
    labels: &Labels,
    how: How,
) -> Outcome<Merged> {
    let style = match place.setting("merge.conflictstyle").as_deref() {
        Some("diff3") => 1,
        Some("zdiff3") => 2,
        _ => 0,
    };
    let mut merge =
        Merge { place, labels, how, work: Work::new(place), style, merged: Merged::default() };
    let all = Pathspec::default();
    let our_pairs = collect::trees(place, base, ours, &all)?;
    let their_pairs = collect::trees(place, base, theirs, &all)?;
    let (our_pairs, their_pairs) = (merge.renames(our_pairs), merge.renames(their_pairs));
    let mut paths = merge.line_up(&our_pairs, &their_pairs, base, ours, theirs);
    paths.retain(|_, (three, _)| three.iter().any(Option::is_some));
    for (path, (three, origin)) in paths {
        merge.path(path, three, origin, ours)?;
    }
    Ok(merge.merged)
}

impl Merge<'_> {
    fn renames(&self, pairs: Vec<Pair>) -> Vec<Pair> {
        if self.how.no_renames || self.place.setting_bool("merge.renames") == Some(false) {
            return pairs;
        }
        let options = Options {
            renames: Renames::Moves,
            rename_empty: false,
            rename_limit: 7000,
            ..Options::default()
        };
        rename::detect(pairs, &options, &self.work)
    }

    /// For each path that changed: its three sides, and the old name on the side that renamed it.
    fn line_up(
        &mut self,
        ours: &[Pair],
        theirs: &[Pair],
        base_tree: Option<&Tree<'_>>,
        our_tree: Option<&Tree<'_>>,
        their_tree: Option<&Tree<'_>>,
    ) -> BTreeMap<Vec<u8>, (Three, Option<Vec<u8>>)> {
        let at = |tree: Option<&Tree<'_>>, path: &[u8]| {
            tree.and_then(|tree| tree::lookup(tree, path))
                .filter(|item| item.mode != crate::stage::FOLDER)
        };
        let mut paths: BTreeMap<Vec<u8>, (Three, Option<Vec<u8>>)> = BTreeMap::new();
        let touched: BTreeSet<Vec<u8>> = ours
            .iter()
            .chain(theirs)
            .flat_map(|pair| [pair.path().to_vec(), pair.old_path().to_vec()])
            .collect();
        for path in touched {
            let three = [at(base_tree, &path), at(our_tree, &path), at(their_tree, &path)];
            paths.insert(path, (three, None));
        }
        for (side, pairs) in [(1, ours), (2, theirs)] {
            let other = 3 - side;
            for pair in pairs.iter().filter(|pair| pair.renamed) {
                let (old, new) = (pair.old_path().to_vec(), pair.path().to_vec());
                let Some((old_three, _)) = paths.get(&old).cloned() else { continue };
                // Renamed on both sides: equal names meet at the new path by themselves.
                let both = paths
                    .get(&new)
                    .is_some_and(|(three, _)| three[other].is_some() && three[0].is_none());
                let renamed_there =
                    [ours, theirs][other - 1].iter().any(|p| p.renamed && p.old_path() == old);
                if renamed_there && !both {
                    continue;
                }
                let entry = paths.entry(new).or_default();
                entry.0[0].clone_from(&old_three[0]);
                if !both {
                    entry.0[other].clone_from(&old_three[other]);
                }
                entry.1 = Some(old.clone());
                if let Some((three, _)) = paths.get_mut(&old)
                    && three[side].is_none()
                {
                    // What was here is looked at under its new name; ours, if it is here, goes.
                    three[0] = None;
                    if side == 2 {
                        self.remove(&old, three[1].take());
                    }
                    three[other] = None;
                }
            }
        }
        paths
    }

    fn remove(&mut self, path: &[u8], ours: Option<Item>) {
        if let Some(item) = ours {
            self.merged.changes.push((Some(Item { path: path.to_vec(), ..item }), None));
        }
    }

    fn path(
        &mut self,
        path: Vec<u8>,
        three: Three,
        origin: Option<Vec<u8>>,
        our_tree: Option<&Tree<'_>>,
    ) -> Outcome<()> {
        let key = |item: &Option<Item>| item.as_ref().map(|item| (item.mode, item.id));
        let [base, ours, theirs] = &three;
        let present = our_tree
            .and_then(|tree| tree::lookup(tree, &path))
            .filter(|i| i.mode != crate::stage::FOLDER);
        let same = key(ours) == key(theirs) || key(base) == key(theirs);
        let result = if same {
            ours.clone()
        } else if key(base) == key(ours) {
            theirs.clone()
        } else {
            return self.both(path, three, origin, present);
        };
        self.becomes(&path, present, result);
        Ok(())
    }

    fn becomes(&mut self, path: &[u8], present: Option<Item>, result: Option<Item>) {
        let result = result.map(|item| Item { path: path.to_vec(), ..item });
        if present != result {
            self.merged.changes.push((present, result));
        }
    }

    /// Both sides changed, each in its way.
    fn both(
        &mut self,
        path: Vec<u8>,
        three: Three,
        origin: Option<Vec<u8>>,
        present: Option<Item>,
    ) -> Outcome<()> {
        let name = lossy(&path).into_owned();
        let (ours, theirs) = match &three {
            [_, Some(ours), Some(theirs)] => (ours.clone(), theirs.clone()),
            _ => return self.deleted(path, three, origin),
        };
        let base_kind = three[0].as_ref().map(|item| item.mode & 0o170_000);
        let (our_kind, their_kind) = (ours.mode & 0o170_000, theirs.mode & 0o170_000);
        let base_mode = three[0].as_ref().map(|item| item.mode);
        let mode = if base_mode == Some(ours.mode) { theirs.mode } else { ours.mode };
        if our_kind != their_kind || our_kind != 0o100_000 {
            let kind = if base_kind.is_none() { "add/add" } else { "content" };
            self.merged.messages.push(format!("CONFLICT ({kind}): Merge conflict in {name}"));
            let file =
                Some((ours.mode, ours.id)).filter(|_| our_kind == 0o100_000 || ours.mode == LINK);
            self.merged.conflicts.push(Conflict { path, stages: three, file });
            return Ok(());
        }
        let same_content = ours.id == theirs.id;
        let (id, conflicts) =
            if same_content { (ours.id, false) } else { self.content(&three, &name, &origin)? };
        if conflicts {
            let kind = if base_kind.is_none() { "add/add" } else { "content" };
            self.merged.messages.push(format!("CONFLICT ({kind}): Merge conflict in {name}"));
            self.merged.conflicts.push(Conflict { path, stages: three, file: Some((mode, id)) });
        } else {
            let result = Item { path: path.clone(), mode, id };
            self.becomes(&path, present, Some(result));
        }
        Ok(())
    }

    /// Merges the lines of two files; whether there are conflicts in them.
    fn content(
        &mut self,
        three: &Three,
        name: &str,
        origin: &Option<Vec<u8>>,
    ) -> Outcome<(Oid, bool)> {
        let [base, ours, theirs] = three;
        let key = |item: &Option<Item>| item.as_ref().map(|item| item.id);
        if key(base) == key(ours) {
            return Ok((key(theirs).unwrap_or(Oid::ZERO_SHA1), false));
        }
        if key(base) == key(theirs) {
            return Ok((key(ours).unwrap_or(Oid::ZERO_SHA1), false));
        }
        self.merged.messages.push(format!("Auto-merging {name}"));
        let read = |item: &Option<Item>| match item {
            Some(item) => self.place.read(item.id),
            None => Ok(vec![]),
        };
        let (base, a, b) = (read(base)?, read(ours)?, read(theirs)?);
        if [&base, &a, &b].iter().any(|text| crate::diff::pair::looks_binary(text)) {
            let id = if self.how.favor == 2 { key(theirs) } else { key(ours) };
            let settled = matches!(self.how.favor, 1 | 2);
            if !settled {
                crate::out::note(format!(
                    "warning: Cannot merge binary files: {name} ({} vs. {})",
                    self.labels.ours, self.labels.theirs
                ));
            }
            return Ok((id.unwrap_or(Oid::ZERO_SHA1), !settled));
        }
        let (mut our_label, mut their_label) =
            (self.labels.ours.clone(), self.labels.theirs.clone());
        if let Some(old) = origin {
            let old = lossy(old).into_owned();
            let names = |item: &Option<Item>| {
                item.as_ref().map_or(old.clone(), |item| lossy(&item.path).into_owned())
            };
            our_label = format!("{our_label}:{}", names(ours));
            their_label = format!("{their_label}:{}", names(theirs));
        }
        let how = xdiff::Merge {
            ours: &our_label,
            theirs: &their_label,
            ancestor: if self.style == 0 { "" } else { &self.labels.base },
            favor: self.how.favor,
            style: self.style,
            flags: self.how.flags,
        };
        let (text, conflicts) = xdiff::merge(&base, &a, &b, &how);
        Ok((self.place.repo.odb()?.write(ObjectType::Blob, &text)?, conflicts > 0))
    }

    /// One side changed the path, the other has it no longer.
    fn deleted(&mut self, path: Vec<u8>, three: Three, origin: Option<Vec<u8>>) -> Outcome<()> {
        let ours_left = three[1].is_some();
        let (kept, gone) = if ours_left {
            (self.labels.ours.clone(), self.labels.theirs.clone())
        } else {
            (self.labels.theirs.clone(), self.labels.ours.clone())
        };
        let name = lossy(&path).into_owned();
        let message = match origin {
            Some(old) => format!(
                "CONFLICT (rename/delete): {} renamed to {name} in {kept}, but deleted in {gone}.",
                lossy(&old)
            ),
            None => format!(
                "CONFLICT (modify/delete): {name} deleted in {gone} and modified in {kept}.  Version {kept} of {name} left in tree."
            ),
        };
        self.merged.messages.push(message);
        let file = three[1].as_ref().or(three[2].as_ref()).map(|item| (item.mode, item.id));
        self.merged.conflicts.push(Conflict { path, stages: three, file });
        Ok(())
    }
}
