//! From one tree to another in index and files, without losing what is not committed.

use git2::Tree;

use crate::diff::collect::{self, Fate};
use crate::fail::{Fail, Outcome, plain};
use crate::ignore::Ignore;
use crate::place::Place;
use crate::quote;
use crate::stage::{self, Stage};
use crate::tree::{self, Item};
use crate::work::Work;

/// What a failed switch is called in messages.
pub(crate) struct Doing {
    /// `checkout`, `merge`.
    pub(crate) name: &'static str,
    /// `switch branches`, `merge`.
    pub(crate) before: &'static str,
}

pub(crate) const CHECKOUT: Doing = Doing { name: "checkout", before: "switch branches" };
pub(crate) const MERGE: Doing = Doing { name: "merge", before: "merge" };

/// Changes of index and files that are known to be safe.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) write: Vec<Item>,
    pub(crate) remove: Vec<Vec<u8>>,
    dirty: Vec<Vec<u8>>,
    untracked: Vec<Vec<u8>>,
}

impl Plan {
    /// Finds out what changes; what would be lost is an error.
    pub(crate) fn make(
        place: &Place,
        stage: &Stage,
        changes: &[tree::Sides],
        doing: &Doing,
    ) -> Outcome<Self> {
        let work = Work::new(place);
        let mut ignore = Ignore::new(place);
        let mut plan = Self::default();
        for (old, new) in changes {
            plan.take(&work, stage, &mut ignore, old.as_ref(), new.as_ref());
        }
        if plan.dirty.is_empty() && plan.untracked.is_empty() {
            return Ok(plan);
        }
        Err(plan.refusal(place, doing))
    }

    fn take(
        &mut self,
        work: &Work<'_>,
        stage: &Stage,
        ignore: &mut Ignore<'_>,
        old: Option<&Item>,
        new: Option<&Item>,
    ) {
        let Some(path) = old.or(new).map(|item| item.path.clone()) else { return };
        let entry = stage.get(&path);
        let is = |item: Option<&Item>| match (&entry, item) {
            (Some(entry), Some(item)) => entry.id == item.id && entry.mode == item.mode,
            (None, None) => true,
            _ => false,
        };
        if is(new) && (new.is_some() || entry.is_none()) {
            return;
        }
        if !is(old) {
            self.dirty.push(path);
            return;
        }
        match &entry {
            Some(entry)
                if !matches!(collect::fate(work, stage, entry), Fate::Same(_) | Fate::Gone) =>
            {
                self.dirty.push(path);
            }
            None if is_in_the_way(work, stage, ignore, &path) => self.untracked.push(path),
            _ => match new {
                Some(new) => self.write.push(new.clone()),
                None => self.remove.push(path),
            },
        }
    }

    fn refusal(&self, place: &Place, doing: &Doing) -> Fail {
        let names = |paths: &[Vec<u8>]| {
            let name = |path: &Vec<u8>| {
                format!("\t{}\n", quote::lossy(&quote::path(path, place.quotes_high())))
            };
            paths.iter().map(name).collect::<String>()
        };
        let mut text = String::new();
        if !self.dirty.is_empty() {
            text += &format!(
                "error: Your local changes to the following files would be overwritten by {}:\n{}Please commit your changes or stash them before you {}.\n",
                doing.name,
                names(&self.dirty),
                doing.before
            );
        }
        if !self.untracked.is_empty() {
            text += &format!(
                "error: The following untracked working tree files would be overwritten by {}:\n{}Please move or remove them before you {}.\n",
                doing.name,
                names(&self.untracked),
                doing.before
            );
        }
        plain(1, text + "Aborting")
    }

    /// Does it.
    pub(crate) fn run(&self, place: &Place, stage: &mut Stage) -> Outcome<()> {
        let work = Work::new(place);
        for path in &self.remove {
            work.remove(path);
            stage.remove(path);
        }
        for item in &self.write {
            let entry = work.write(&item.path, item.mode, item.id)?;
            stage.put(&entry)?;
        }
        Ok(())
    }
}

/// Whether a file that nobody knows would be lost.
fn is_in_the_way(work: &Work<'_>, stage: &Stage, ignore: &mut Ignore<'_>, path: &[u8]) -> bool {
    let Some(meta) = work.find_straight(path) else { return false };
    if meta.kind == crate::sys::Kind::Folder {
        // A folder of known files goes with them.
        return !stage.knows(path);
    }
    !ignore.is_ignored(path, false)
}

/// Switches index and files from one tree to another.
pub(crate) fn switch(
    place: &Place,
    stage: &mut Stage,
    old: Option<&Tree<'_>>,
    new: Option<&Tree<'_>>,
    doing: &Doing,
) -> Outcome<()> {
    let changes = tree::differences(place, old, new, &|_| true)?;
    Plan::make(place, stage, &changes, doing)?.run(place, stage)
}

/// Makes index and files what a tree is, whatever they were.
pub(crate) fn force(place: &Place, stage: &mut Stage, new: Option<&Tree<'_>>) -> Outcome<()> {
    let work = Work::new(place);
    let items = tree::flatten(place, new)?;
    let find = |path: &[u8]| items.binary_search_by(|item| item.path.as_slice().cmp(path)).ok();
    let mut last = vec![];
    for entry in stage.entries() {
        if entry.path != last && find(&entry.path).is_none() {
            work.remove(&entry.path);
            stage.remove(&entry.path);
        }
        last = entry.path;
    }
    for item in &items {
        let entry = stage
            .get(&item.path)
            .filter(|e| e.id == item.id && e.mode == item.mode && !stage::is_announced(e));
        let same = match &entry {
            Some(entry) => {
                matches!(collect::fate(&work, stage, entry), Fate::Same(_))
                    && work.find_straight(&entry.path).is_some()
            }
            None => false,
        };
        if !same {
            let entry = work.write(&item.path, item.mode, item.id)?;
            stage.put(&entry)?;
        }
    }
    Ok(())
}
