//! `git reset`.

use git2::Tree;

use crate::args::{self, Opt, Words, flag, value};
use crate::diff::collect;
use crate::fail::{Outcome, fatal, refuse};
use crate::log::pretty::subject;
use crate::merge::switch::{self, Doing};
use crate::out::{self, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::{self, lossy};
use crate::refs;
use crate::rev;
use crate::stage::{self, Stage};
use crate::tree;
use crate::work::Work;

const USAGE: &str = "git reset [--mixed | --soft | --hard | --merge | --keep] [-q] [<commit>]\n   \
or: git reset [-q] [<tree-ish>] [--] <pathspec>...";
const TABLE: &[Opt] = &[
    flag('q', "quiet"),
    flag(' ', "refresh"),
    flag(' ', "mixed"),
    flag(' ', "soft"),
    flag(' ', "hard"),
    flag(' ', "merge"),
    flag(' ', "keep"),
    flag('p', "patch"),
    flag('N', "intent-to-add"),
    value(' ', "pathspec-from-file"),
    flag(' ', "recurse-submodules"),
];
const KEEP: Doing = Doing { name: "reset", before: "reset" };

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    if words.has("patch") {
        return Err(refuse("interactive `git reset -p`"));
    }
    let (revision, paths) = split(place, &words)?;
    let mode = ["soft", "hard", "merge", "keep", "mixed"].into_iter().find(|name| words.has(name));
    if !paths.is_empty() {
        if let Some(mode) = mode.filter(|mode| *mode != "mixed") {
            return Err(fatal(format!("Cannot do {mode} reset with paths.")));
        }
        return reset_paths(place, &words, &revision, &paths);
    }
    to_commit(place, &words, &revision, mode.unwrap_or("mixed"))
}

fn split(place: &Place, words: &Words) -> Outcome<(String, Vec<String>)> {
    let (before, after) = words.split();
    let mut before = before.to_vec();
    let head = || "HEAD".to_owned();
    if let Some(file) = words.value("pathspec-from-file") {
        return Ok((
            before.first().cloned().unwrap_or_else(head),
            super::add::read_paths(file, false)?,
        ));
    }
    if words.dashes.is_some() {
        let revision = before.first().cloned().unwrap_or_else(head);
        return Ok((revision, after.to_vec()));
    }
    let Some(first) = before.first().cloned() else { return Ok((head(), vec![])) };
    let known = rev::single(place, &first).is_some();
    if known && rev::is_file(place, &first) {
        return Err(fatal(format!(
            "ambiguous argument '{first}': both revision and filename\n\
             Use '--' to separate paths from revisions, like this:\n\
             'git <command> [<revision>...] -- [<file>...]'"
        )));
    }
    if known {
        before.remove(0);
        return Ok((first, before));
    }
    // Paths; each must be there, or be known.
    let stage = Stage::open(place)?;
    for word in &before {
        let fits = Pathspec::new(place, std::slice::from_ref(word))
            .is_ok_and(|paths| stage.entries().iter().any(|entry| paths.fits(&entry.path)));
        if !rev::is_file(place, word) && !fits {
            return Err(rev::unknown(place, word));
        }
        if !rev::is_file(place, word) && !crate::wildmatch::is_pattern(word.as_bytes()) {
            return Err(rev::unknown(place, word));
        }
    }
    Ok((head(), before))
}

fn source<'a>(place: &'a Place, revision: &str) -> Outcome<Option<Tree<'a>>> {
    match rev::single(place, revision) {
        Some(object) => Ok(Some(object.peel_to_tree()?)),
        None if revision == "HEAD" && place.head().is_none() => Ok(None),
        None => Err(rev::unknown(place, revision)),
    }
}

fn reset_paths(place: &Place, words: &Words, revision: &str, paths: &[String]) -> Outcome {
    let paths = Pathspec::new(place, paths)?;
    let tree = source(place, revision)?;
    let mut stage = Stage::open(place)?;
    let items = tree::flatten(place, tree.as_ref())?;
    let find = |path: &[u8]| items.binary_search_by(|item| item.path.as_slice().cmp(path)).ok();
    for entry in stage.entries().iter().filter(|entry| paths.fits(&entry.path)) {
        if find(&entry.path).is_none() {
            stage.remove(&entry.path);
            if words.has("intent-to-add") {
                let empty = git2::Oid::hash_object(git2::ObjectType::Blob, b"")?;
                stage.put(&stage::announced(&entry.path, entry.mode, empty))?;
            }
        }
    }
    for item in items.iter().filter(|item| paths.fits(&item.path)) {
        let same = stage
            .get(&item.path)
            .is_some_and(|e| e.id == item.id && e.mode == item.mode && !stage::is_announced(&e));
        if !same {
            stage.put(&stage::blank(&item.path, item.mode, item.id))?;
        }
    }
    finish(place, words, &mut stage)
}

fn finish(place: &Place, words: &Words, stage: &mut Stage) -> Outcome {
    if place.tree_root.is_some() {
        list_unstaged(place, words, stage)?;
    }
    stage.write()?;
    Ok(0)
}

/// Tells what differs from the index now.
fn list_unstaged(place: &Place, words: &Words, stage: &mut Stage) -> Outcome<()> {
    let work = Work::new(place);
    let look = collect::index_work(&work, stage, &Pathspec::default());
    for entry in &look.refreshed {
        stage.index.add(entry)?;
    }
    let no_refresh = words.given.iter().any(|g| g.name == "refresh" && g.no);
    if words.has("quiet") || no_refresh {
        return Ok(());
    }
    let mut last: Vec<u8> = vec![];
    let pairs: Vec<_> =
        look.pairs.iter().filter(|pair| !(pair.unmerged && words.has("mixed"))).collect();
    if !pairs.is_empty() {
        outln!("Unstaged changes after reset:");
    }
    for pair in pairs {
        if pair.path() == last {
            continue;
        }
        last = pair.path().to_vec();
        let name = quote::lossy(pair.path()).into_owned();
        out::bytes(format!("{}\t{name}\n", pair.status()).as_bytes());
    }
    Ok(())
}

fn to_commit(place: &Place, words: &Words, revision: &str, mode: &str) -> Outcome {
    let old = place.head();
    let target = match rev::single(place, revision) {
        Some(object) => Some(
            object
                .peel_to_commit()
                .map_err(|_| fatal(format!("Could not parse object '{revision}'.")))?,
        ),
        None if revision == "HEAD" && old.is_none() => None,
        None => return Err(rev::unknown(place, revision)),
    };
    let mut stage = Stage::open(place)?;
    if mode == "soft" && (stage.has_conflicts() || place.meta("MERGE_HEAD").exists()) {
        return Err(fatal("Cannot do a soft reset in the middle of a merge."));
    }
    let tree = target.as_ref().map(git2::Commit::tree).transpose()?;
    match mode {
        "soft" => {}
        "hard" => {
            place.root()?;
            switch::force(place, &mut stage, tree.as_ref())?;
            stage.write()?;
        }
        "keep" | "merge" => {
            place.root()?;
            keep(place, &mut stage, tree.as_ref(), mode)?;
        }
        _ => {
            stage.read_tree(place, tree.as_ref())?;
            finish(place, words, &mut stage)?;
        }
    }
    if let Some(target) = &target {
        if let Some(old) = &old {
            std::fs::write(place.meta("ORIG_HEAD"), format!("{}\n", old.id()))?;
        }
        refs::move_head(place, target.id(), &format!("reset: moving to {revision}"))?;
        if mode == "hard" && !words.has("quiet") {
            outln!(
                "HEAD is now at {} {}",
                place.short(target.id()),
                lossy(&subject(target.message_bytes()))
            );
        }
    }
    if mode != "soft" {
        super::commit::clear_state(place);
    }
    Ok(0)
}

/// `--keep` and `--merge`: local changes stay, and are an error where the commits differ.
fn keep(place: &Place, stage: &mut Stage, new: Option<&Tree<'_>>, mode: &str) -> Outcome<()> {
    if mode == "merge" {
        // What is staged goes; what is not must not be touched.
        let staged = place.repo.find_tree(stage.write_tree(place)?)?;
        switch::switch(place, stage, Some(&staged), new, &KEEP)?;
        return stage.write();
    }
    let head = place.head_tree();
    switch::switch(place, stage, head.as_ref(), new, &KEEP)?;
    // Nothing stays staged.
    stage.read_tree(place, new)?;
    stage.write()
}
