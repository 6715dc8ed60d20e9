//! `git stash`.

use git2::{Commit, IndexEntry, Oid};

use super::apply;
use super::switch::{self, MERGE};
use super::trees::{self, How, Labels};
use crate::args::{self, Opt, Parser, Unknown, Words, flag, value};
use crate::diff::parse::{Reader, TABLE as DIFF};
use crate::diff::{Diff, Formats, collect};
use crate::fail::{Outcome, error, fatal, plain, quiet, refuse};
use crate::ident;
use crate::ignore::Ignore;
use crate::log::pretty::subject;
use crate::out::{note, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::Stage;
use crate::untracked::{self, Wanted};
use crate::work::Work;

const REF: &str = "refs/stash";
const PUSH: &[Opt] = &[
    flag('k', "keep-index"),
    flag('S', "staged"),
    flag('p', "patch"),
    flag('q', "quiet"),
    flag('u', "include-untracked"),
    flag('a', "all"),
    value('m', "message"),
    value(' ', "pathspec-from-file"),
];
const POP: &[Opt] = &[flag(' ', "index"), flag('q', "quiet")];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    place.root()?;
    let (name, rest) = match words.first().map(String::as_str) {
        None => ("push", words),
        Some(name) if name.starts_with('-') => ("push", words),
        Some(name) => (name, &words[1..]),
    };
    match name {
        "push" => push(place, rest),
        "save" => save(place, rest),
        "list" => list(place, rest),
        "pop" | "apply" => pop(place, rest, name == "pop"),
        "drop" => drop_one(place, rest),
        "clear" => {
            clear(place);
            Ok(0)
        }
        "show" => show(place, rest),
        "branch" => branch(place, rest),
        "create" => {
            if let Some(id) = Making::new(place, &Words::default(), Pathspec::default())?
                .create(rest.first().map(String::as_str))?
            {
                outln!("{id}");
            }
            Ok(0)
        }
        "store" => store_command(place, rest),
        other => Err(fatal(format!(
            "subcommand wasn't specified; 'push' can't be assumed due to unexpected token '{other}'"
        ))),
    }
}

fn push(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(
        "git stash push [-k] [-u] [-a] [-q] [-m <message>] [--] [<pathspec>...]",
        PUSH,
        words,
    )?;
    if words.has("patch") {
        return Err(refuse("interactive `git stash -p`"));
    }
    make(place, &words, words.value("message"), &words.operands)
}

fn save(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse("git stash save [-k] [-u] [-a] [-q] [<message>]", PUSH, words)?;
    let message = words.operands.join(" ");
    let message = Some(message.as_str()).filter(|text| !text.is_empty()).or(words.value("message"));
    make(place, &words, message, &[])
}

fn make(place: &Place, words: &Words, message: Option<&str>, paths: &[String]) -> Outcome {
    let paths = Pathspec::new(place, paths)?;
    let mut making = Making::new(place, words, paths)?;
    making.check_paths()?;
    let Some(id) = making.create(message)? else {
        if !words.has("quiet") {
            outln!("No local changes to save");
        }
        return Ok(0);
    };
    let commit = place.repo.find_commit(id)?;
    let text = lossy(&subject(commit.message_bytes())).into_owned();
    store(place, id, &text)?;
    if !words.has("quiet") {
        outln!("Saved working directory and index state {text}");
    }
    making.clean_up()?;
    Ok(0)
}

/// Puts a commit on top of the list.
fn store(place: &Place, id: Oid, text: &str) -> Outcome<()> {
    place.repo.reference_ensure_log(REF)?;
    place.repo.reference(REF, id, true, text)?;
    Ok(())
}

fn store_command(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(
        "git stash store [-m <message>] [-q] <commit>",
        &[value('m', "message"), flag('q', "quiet")],
        words,
    )?;
    let name = words
        .operands
        .first()
        .ok_or_else(|| plain(1, "\"git stash store\" requires one <commit> argument"))?;
    let id = place.commit(name)?.id();
    store(place, id, words.value("message").unwrap_or("Created via \"git stash store\"."))?;
    Ok(0)
}

struct Making<'a> {
    place: &'a Place,
    words: &'a Words,
    paths: Pathspec,
    stage: Stage,
    head: Commit<'a>,
    untracked: Vec<Vec<u8>>,
}

impl<'a> Making<'a> {
    fn new(place: &'a Place, words: &'a Words, paths: Pathspec) -> Outcome<Self> {
        let head =
            place.head().ok_or_else(|| plain(1, "You do not have the initial commit yet"))?;
        let stage = Stage::open(place)?;
        if stage.has_conflicts() {
            return Err(needs_merge(&stage));
        }
        Ok(Self { place, words, paths, stage, head, untracked: vec![] })
    }

    fn check_paths(&self) -> Outcome<()> {
        if self.words.has("include-untracked") || self.words.has("all") {
            return Ok(());
        }
        let entries = self.stage.entries();
        match self.paths.unmatched(entries.iter().map(|entry| entry.path.as_slice())) {
            Some(item) => Err(plain(
                1,
                format!(
                    "error: pathspec ':(,prefix:{}){}' did not match any file(s) known to git\nDid you forget to 'git add'?",
                    self.place.prefix.len(),
                    item.word
                ),
            )),
            None => Ok(()),
        }
    }

    /// Makes the commits of a stash; none if nothing changed.
    fn create(&mut self, message: Option<&str>) -> Outcome<Option<Oid>> {
        let place = self.place;
        let head_tree = self.head.tree()?;
        let work = Work::new(place);
        let staged = collect::tree_index(place, Some(&head_tree), &self.stage, &self.paths)?;
        let look = collect::index_work(&work, &self.stage, &self.paths);
        if self.words.has("include-untracked") || self.words.has("all") {
            self.find_untracked();
        }
        if staged.is_empty() && look.pairs.is_empty() && self.untracked.is_empty() {
            return Ok(None);
        }
        let branch = place.branch().unwrap_or_else(|| "(no branch)".to_owned());
        let title = format!(
            "{branch}: {} {}",
            place.short(self.head.id()),
            lossy(&subject(self.head.message_bytes()))
        );
        let who = ident::signature(place, "COMMITTER")
            .map(|_| ())
            .err()
            .map(|_| ident::committer_or_default(place));
        let author = match &who {
            Some(who) => who.clone(),
            None => ident::signature(place, "AUTHOR")?,
        };
        let committer = ident::committer_or_default(place);
        let repo = &place.repo;
        let tree = repo.find_tree(self.stage.write_tree(place)?)?;
        let index = repo.commit(
            None,
            &author,
            &committer,
            &format!("index on {title}\n"),
            &tree,
            &[&self.head],
        )?;
        let mut parents = vec![self.head.clone(), repo.find_commit(index)?];
        if !self.untracked.is_empty() {
            let tree = repo.find_tree(self.untracked_tree(&work)?)?;
            let text = format!("untracked files on {title}\n");
            parents.push(repo.find_commit(repo.commit(
                None,
                &author,
                &committer,
                &text,
                &tree,
                &[],
            )?)?);
        }
        let tree =
            if self.words.has("staged") { tree } else { repo.find_tree(self.work_tree(&work)?)? };
        let text = match message {
            Some(text) => format!("On {branch}: {text}"),
            None => format!("WIP on {title}"),
        };
        let parents: Vec<&Commit<'_>> = parents.iter().collect();
        Ok(Some(repo.commit(None, &author, &committer, &text, &tree, &parents)?))
    }

    fn find_untracked(&mut self) {
        let all = self.words.has("all");
        let mut ignore = if all { Ignore::only_given(self.place) } else { Ignore::new(self.place) };
        let wanted =
            Wanted { paths: &self.paths, folders: false, empty_folders: false, ignored: false };
        let found = untracked::scan(self.place, &self.stage, &mut ignore, &wanted);
        self.untracked = found.untracked.into_iter().filter(|path| !path.ends_with(b"/")).collect();
    }

    fn untracked_tree(&self, work: &Work<'_>) -> Outcome<Oid> {
        let mut index = git2::Index::new()?;
        for path in &self.untracked {
            if let Some(meta) = work.find(path) {
                index.add(&work.store(path, &meta, None)?)?;
            }
        }
        Ok(index.write_tree_to(&self.place.repo)?)
    }

    /// What is staged, with all known files as they are now.
    fn work_tree(&self, work: &Work<'_>) -> Outcome<Oid> {
        let mut index = git2::Index::new()?;
        let mut links = collect::Links::default();
        for entry in self.stage.entries() {
            let looked = self.paths.fits(&entry.path);
            let kept: Option<IndexEntry> =
                match work.find(&entry.path).filter(|m| m.kind != crate::sys::Kind::Folder) {
                    _ if !looked || entry.mode == crate::stage::MODULE => Some(entry),
                    Some(_) if links.lead(work, &entry.path) => None,
                    Some(meta) if self.stage.is_fresh(&entry, &meta) => Some(entry),
                    Some(meta) => Some(work.store(&entry.path, &meta, Some(entry.mode))?),
                    None => None,
                };
            if let Some(entry) = kept {
                index.add(&IndexEntry { flags_extended: 0, ..entry })?;
            }
        }
        Ok(index.write_tree_to(&self.place.repo)?)
    }

    /// Takes away from index and files what was saved.
    fn clean_up(&mut self) -> Outcome<()> {
        let work = Work::new(self.place);
        self.untracked.iter().for_each(|path| work.remove(path));
        let head_tree = self.head.tree()?;
        if self.words.has("staged") {
            let changes =
                collect::tree_index(self.place, Some(&head_tree), &self.stage, &self.paths)?;
            return self.restore(
                &work,
                &head_tree,
                &changes.iter().map(|p| p.path().to_vec()).collect::<Vec<_>>(),
            );
        }
        let keep = self.words.has("keep-index");
        if self.paths.is_empty() && !keep {
            switch::force(self.place, &mut self.stage, Some(&head_tree))?;
            return self.stage.write();
        }
        let target = if keep {
            self.place.repo.find_tree(self.stage.write_tree(self.place)?)?
        } else {
            head_tree
        };
        let known = self.stage.entries();
        let mut paths: Vec<Vec<u8>> = known.iter().map(|entry| entry.path.clone()).collect();
        paths.extend(
            crate::tree::flatten(self.place, Some(&target))?.into_iter().map(|item| item.path),
        );
        paths.sort();
        paths.dedup();
        paths.retain(|path| self.paths.fits(path));
        self.restore(&work, &target, &paths)
    }

    fn restore(
        &mut self,
        work: &Work<'_>,
        tree: &git2::Tree<'_>,
        paths: &[Vec<u8>],
    ) -> Outcome<()> {
        for path in paths {
            match crate::tree::lookup(tree, path) {
                Some(item) => {
                    let entry =
                        self.stage.get(path).filter(|e| e.id == item.id && e.mode == item.mode);
                    let same = entry.is_some_and(|e| {
                        matches!(collect::fate(work, &self.stage, &e), collect::Fate::Same(_))
                    });
                    if !same {
                        let entry = work.write(path, item.mode, item.id)?;
                        self.stage.put(&entry)?;
                    }
                }
                None => {
                    work.remove(path);
                    self.stage.remove(path);
                }
            }
        }
        self.stage.write()
    }
}

/// The entries, the youngest first.
fn entries(place: &Place) -> Vec<(Oid, String)> {
    if place.repo.find_reference(REF).is_err() {
        return vec![];
    }
    let log = place.repo.reflog(REF);
    let entry = |e: git2::ReflogEntry<'_>| {
        (e.id_new(), lossy(e.message_bytes().unwrap_or_default()).into_owned())
    };
    log.map(|log| log.iter().map(entry).collect()).unwrap_or_default()
}

/// The number and commit that a word names; the youngest without one.
fn find(place: &Place, word: Option<&String>) -> Outcome<(Option<usize>, Oid, String)> {
    let all = entries(place);
    let Some(word) = word else {
        let first = all.first().ok_or_else(|| plain(1, "No stash entries found."))?;
        return Ok((Some(0), first.0, "refs/stash@{0}".to_owned()));
    };
    let digits = word
        .strip_prefix("stash@{")
        .or_else(|| word.strip_prefix("refs/stash@{"))
        .and_then(|w| w.strip_suffix('}'))
        .unwrap_or(word);
    if let Ok(n) = digits.parse::<usize>() {
        if all.is_empty() {
            return Err(plain(1, "No stash entries found."));
        }
        let name = if word == digits { format!("refs/stash@{{{n}}}") } else { word.clone() };
        let found = all.get(n).ok_or_else(|| error(format!("{name} is not a valid reference")))?;
        return Ok((Some(n), found.0, name));
    }
    let commit = crate::rev::single(place, word).and_then(|o| o.peel_to_commit().ok());
    let commit = commit.ok_or_else(|| error(format!("{word} is not a valid reference")))?;
    if commit.parent_count() < 2 {
        return Err(error(format!("'{word}' is not a stash-like commit")));
    }
    Ok(((word == "stash").then_some(0), commit.id(), word.clone()))
}

fn list(place: &Place, words: &[String]) -> Outcome {
    if place.repo.find_reference(REF).is_err() {
        return Ok(0);
    }
    let usual = ["--format=%gd: %gs", "-g", "--first-parent"].map(str::to_owned);
    let all: Vec<String> =
        usual.into_iter().chain(words.iter().cloned()).chain(["refs/stash".to_owned()]).collect();
    let (log, options, words) = crate::log::command::parse(place, &all, Formats::NOTHING)?;
    let mut request = crate::rev::request(place, &["refs/stash".to_owned()], None)?;
    request.paths = Pathspec::default();
    let words = Words { operands: vec!["stash".to_owned()], ..words };
    crate::log::command::reflog(place, &log, options, &request, &words)
}

fn pop(place: &Place, words: &[String], and_drop: bool) -> Outcome {
    let words = args::parse("git stash (pop | apply) [--index] [-q] [<stash>]", POP, words)?;
    if words.operands.len() > 1 {
        return Err(plain(
            1,
            format!("Too many revisions specified: {}", words.operands.join(" ")),
        ));
    }
    let (number, id, name) = find(place, words.operands.first())?;
    if and_drop && number.is_none() {
        return Err(error(format!("'{name}' is not a stash reference")));
    }
    let restored = restore(place, &place.repo.find_commit(id)?, words.has("index"));
    let clean = match restored {
        Ok(clean) => clean,
        Err(fail) => {
            let is_refused = fail.text.contains("would be overwritten");
            if is_refused && !words.has("quiet") {
                note(&fail.text);
                crate::status::Report::make(place, crate::status::Request::usual(place))?.print();
            }
            if and_drop {
                outln!("The stash entry is kept in case you need it again.");
            }
            return Err(if is_refused { quiet(fail.code) } else { fail });
        }
    };
    if !words.has("quiet") || !clean {
        let report = crate::status::Report::make(place, crate::status::Request::usual(place))?;
        report.print();
    }
    if !clean {
        if and_drop {
            outln!("The stash entry is kept in case you need it again.");
        }
        return Ok(1);
    }
    if and_drop {
        remove(place, number.unwrap_or(0))?;
        if !words.has("quiet") {
            outln!("Dropped {name} ({id})");
        }
    }
    Ok(0)
}

/// Names the files that are in conflict.
fn needs_merge(stage: &Stage) -> crate::fail::Fail {
    let mut last = vec![];
    for entry in stage.entries().into_iter().filter(|entry| crate::stage::stage(entry) > 0) {
        if entry.path != last {
            outln!("{}: needs merge", lossy(&entry.path));
            last = entry.path;
        }
    }
    quiet(1)
}

/// Brings a stash back; whether there were no conflicts.
fn restore(place: &Place, stash: &Commit<'_>, with_index: bool) -> Outcome<bool> {
    let mut stage = Stage::open(place)?;
    if stage.has_conflicts() {
        return Err(needs_merge(&stage));
    }
    let base = stash.parent(0)?.tree()?;
    let index = stash.parent(1)?.tree()?;
    let theirs = stash.tree()?;
    let before = stage.write_tree(place)?;
    let ours = place.repo.find_tree(before)?;
    let labels = Labels {
        base: "Stash base".to_owned(),
        ours: "Updated upstream".to_owned(),
        theirs: "Stashed changes".to_owned(),
    };
    let mut staged = None;
    if with_index && index.id() != base.id() && index.id() != ours.id() {
        let merged =
            trees::merge(place, Some(&base), Some(&ours), Some(&index), &labels, How::default())?;
        if !merged.conflicts.is_empty() {
            return Err(error("conflicts in index. Try without --index."));
        }
        staged = Some(tree_of(place, &ours, &merged)?);
    }
    if let Ok(untracked) = stash.parent(2) {
        restore_untracked(place, &untracked)?;
    }
    if base.id() == theirs.id() {
        outln!("Already up to date.");
    }
    let merged =
        trees::merge(place, Some(&base), Some(&ours), Some(&theirs), &labels, How::default())?;
    let clean = apply::apply(place, &mut stage, &merged, &MERGE)?;
    if !clean {
        return Ok(false);
    }
    match staged {
        Some(tree) => stage.read_tree(place, Some(&place.repo.find_tree(tree)?))?,
        // What is new stays staged, the rest is as it was.
        None => unstage_known(place, &mut stage, &ours)?,
    }
    stage.write()?;
    Ok(true)
}

fn unstage_known(place: &Place, stage: &mut Stage, before: &git2::Tree<'_>) -> Outcome<()> {
    for item in crate::tree::flatten(place, Some(before))? {
        let entry = stage.get(&item.path);
        let same = entry.is_some_and(|e| e.id == item.id && e.mode == item.mode);
        if !same {
            stage.put(&crate::stage::blank(&item.path, item.mode, item.id))?;
        }
    }
    Ok(())
}

/// The tree that a merge without conflicts makes of ours.
fn tree_of(place: &Place, ours: &git2::Tree<'_>, merged: &trees::Merged) -> Outcome<Oid> {
    let mut index = git2::Index::new()?;
    for item in crate::tree::flatten(place, Some(ours))? {
        index.add(&crate::stage::blank(&item.path, item.mode, item.id))?;
    }
    for (old, new) in &merged.changes {
        match (old, new) {
            (_, Some(new)) => index.add(&crate::stage::blank(&new.path, new.mode, new.id))?,
            (Some(old), None) => index.remove(crate::sys::path(&old.path), 0)?,
            _ => {}
        }
    }
    Ok(index.write_tree_to(&place.repo)?)
}

fn restore_untracked(place: &Place, commit: &Commit<'_>) -> Outcome<()> {
    let work = Work::new(place);
    let items = crate::tree::flatten(place, Some(&commit.tree()?))?;
    for item in &items {
        if work.find(&item.path).is_some() {
            note(format!("{} already exists, no checkout", lossy(&item.path)));
            return Err(error("could not restore untracked files from stash"));
        }
    }
    for item in &items {
        work.write(&item.path, item.mode, item.id)?;
    }
    Ok(())
}

fn drop_one(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse("git stash drop [-q] [<stash>]", &[flag('q', "quiet")], words)?;
    let (number, id, name) = find(place, words.operands.first())?;
    let number = number.ok_or_else(|| error(format!("'{name}' is not a stash reference")))?;
    remove(place, number)?;
    if !words.has("quiet") {
        outln!("Dropped {name} ({id})");
    }
    Ok(0)
}

fn remove(place: &Place, number: usize) -> Outcome<()> {
    let mut log = place.repo.reflog(REF)?;
    log.remove(number, true)?;
    if log.is_empty() {
        clear(place);
        return Ok(());
    }
    log.write()?;
    let top = log.get(0).map(|entry| entry.id_new());
    if let Some(top) = top {
        std::fs::write(place.meta(REF), format!("{top}\n"))?;
    }
    Ok(())
}

fn clear(place: &Place) {
    if let Ok(mut reference) = place.repo.find_reference(REF) {
        // It is gone in the end.
        drop(reference.delete());
    }
    drop(std::fs::remove_file(place.meta("logs").join(REF)));
}

fn show(place: &Place, words: &[String]) -> Outcome {
    let own: &[Opt] = &[flag(' ', "include-untracked"), flag(' ', "only-untracked")];
    let parser = Parser {
        usage: "git stash show [<diff-options>] [<stash>]",
        tables: &[own, DIFF],
        unknown: Unknown::Option,
        numbers: false,
    };
    // `-u` is a way to ask for a patch of `diff`, but here it is for files that were not known.
    let words = parser.parse(words)?;
    let mut reader = Reader::new(Some(place));
    for given in &words.given {
        reader.take(given, Some(place))?;
    }
    let diff = Diff::new(place, reader.finish(Formats { stat: true, ..Formats::NOTHING })?);
    let (_, id, _) = find(place, words.operands.first())?;
    let stash = place.repo.find_commit(id)?;
    let (old, new) = (stash.parent(0)?.tree()?, stash.tree()?);
    let mut pairs = vec![];
    if !words.has("only-untracked") {
        pairs = collect::trees(place, Some(&old), Some(&new), &Pathspec::default())?;
    }
    if (words.has("include-untracked") || words.has("only-untracked"))
        && let Ok(untracked) = stash.parent(2)
    {
        pairs.extend(collect::trees(place, None, Some(&untracked.tree()?), &Pathspec::default())?);
        pairs.sort_by(|a, b| a.path().cmp(b.path()));
    }
    let differs = diff.print(&diff.refine(pairs))?;
    Ok(i32::from(diff.options.exit_code && differs))
}

fn branch(place: &Place, words: &[String]) -> Outcome {
    let name = words.first().ok_or_else(|| plain(129, "No branch name specified"))?;
    let (number, id, shown) = find(place, words.get(1))?;
    let base = place.repo.find_commit(id)?.parent(0)?.id().to_string();
    let code = crate::cmd::checkout::checkout(place, &["-b".to_owned(), name.clone(), base])?;
    if code != 0 {
        return Err(quiet(code));
    }
    if !restore(place, &place.repo.find_commit(id)?, true)? {
        return Ok(1);
    }
    crate::status::Report::make(place, crate::status::Request::usual(place))?.print();
    if let Some(number) = number {
        remove(place, number)?;
        outln!("Dropped {shown} ({id})");
    }
    Ok(0)
}
