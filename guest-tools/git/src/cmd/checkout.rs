//! `git checkout` and `git switch`.

use git2::{Commit, Oid};

use super::restore;
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::diff::collect;
use crate::fail::{Outcome, ambiguous, error, fatal, plain, refuse};
use crate::log::pretty::subject;
use crate::merge::switch::{self, CHECKOUT};
use crate::out::{self, note};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::{self, lossy};
use crate::refs;
use crate::rev;
use crate::stage::Stage;
use crate::work::Work;

const USAGE: &str =
    "git checkout [<options>] <branch>\n   or: git checkout [<options>] [<branch>] -- <file>...";
const SWITCH_USAGE: &str = "git switch [<options>] [<branch>]";
const TABLE: &[Opt] = &[
    value('b', "b"),
    value('B', "B"),
    flag('l', "l"),
    flag('q', "quiet"),
    flag(' ', "guess"),
    flag('d', "detach"),
    maybe('t', "track"),
    flag('f', "force"),
    value(' ', "orphan"),
    flag(' ', "overwrite-ignore"),
    flag('m', "merge"),
    value(' ', "conflict"),
    flag('p', "patch"),
    flag(' ', "ours"),
    flag('2', "ours"),
    flag(' ', "theirs"),
    flag('3', "theirs"),
    flag(' ', "progress"),
    flag(' ', "overlay"),
    flag(' ', "ignore-skip-worktree-bits"),
    value(' ', "pathspec-from-file"),
    flag(' ', "recurse-submodules"),
];
const SWITCH: &[Opt] = &[
    value('c', "b"),
    value(' ', "create"),
    value('C', "B"),
    value(' ', "force-create"),
    flag('q', "quiet"),
    flag(' ', "guess"),
    flag('d', "detach"),
    maybe('t', "track"),
    flag('f', "force"),
    flag(' ', "discard-changes"),
    value(' ', "orphan"),
    flag('m', "merge"),
    value(' ', "conflict"),
    flag(' ', "progress"),
    flag(' ', "ignore-other-worktrees"),
    flag(' ', "recurse-submodules"),
];

pub(crate) fn checkout(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    place.root()?;
    if words.has("patch") {
        return Err(refuse("interactive `git checkout -p`"));
    }
    let creates =
        words.value("b").or_else(|| words.value("B")).is_some() || words.value("orphan").is_some();
    let (before, after) = words.split();
    let mut paths: Vec<String> = after.to_vec();
    if let Some(file) = words.value("pathspec-from-file") {
        paths = super::add::read_paths(file, false)?;
    }
    let (target, rest) = target(place, &words, before, creates)?;
    let mut all: Vec<String> = rest.to_vec();
    all.append(&mut paths);
    if words.dashes.is_some() && all.is_empty() && target.is_none() {
        return Ok(0);
    }
    if all.is_empty() {
        return Going { place, words: &words, switch: false }.go(target);
    }
    if creates || words.has("detach") {
        return Err(fatal(format!(
            "'{}' cannot be used with updating paths",
            if creates { "-b" } else { "--detach" }
        )));
    }
    restore::from_checkout(place, &words, target.as_deref(), &all)
}

/// The revision at the front, and the paths behind it.
fn target<'a>(
    place: &Place,
    words: &Words,
    before: &'a [String],
    creates: bool,
) -> Outcome<(Option<String>, &'a [String])> {
    let Some(first) = before.first() else { return Ok((None, before)) };
    let first = if first == "-" { "@{-1}".to_owned() } else { first.clone() };
    let known = rev::single(place, &first).is_some() || merge_base_name(place, &first).is_some();
    let has_dashes = words.dashes.is_some();
    if has_dashes {
        if !known && before.len() == 1 {
            if remote_branch(place, &first).is_some() {
                return Ok((Some(first), &before[1..]));
            }
            return Err(fatal(format!("invalid reference: {first}")));
        }
        if before.len() > 1 {
            return Err(fatal(format!("only one reference expected, {} given.", before.len())));
        }
        return Ok((Some(first), &before[1..]));
    }
    let file = rev::is_file(place, &first);
    if known && file && before.len() == 1 && !creates {
        return Err(fatal(format!(
            "ambiguous argument '{first}': both revision and filename\n\
             Use '--' to separate paths from revisions, like this:\n\
             'git <command> [<revision>...] -- [<file>...]'"
        )));
    }
    let guess = !file && before.len() == 1 && remote_branch(place, &first).is_some();
    if known || creates || guess {
        return Ok((Some(first), &before[1..]));
    }
    Ok((None, before))
}

/// `a...b`: where they parted.
fn merge_base_name(place: &Place, name: &str) -> Option<Oid> {
    let (a, b) = name.split_once("...")?;
    let end = |name: &str| {
        rev::single(place, if name.is_empty() { "HEAD" } else { name })?.peel_to_commit().ok()
    };
    place.repo.merge_base(end(a)?.id(), end(b)?.id()).ok()
}

/// The only branch of a remote with that name.
fn remote_branch(place: &Place, name: &str) -> Option<String> {
    let all = refs::all(place).ok()?;
    let fits = |full: &str| {
        full.strip_prefix("refs/remotes/")
            .and_then(|f| f.split_once('/'))
            .is_some_and(|(_, b)| b == name)
    };
    let mut found = all.iter().filter(|(full, _)| fits(full));
    let first = found.next()?.0.clone();
    found.next().is_none().then_some(first)
}

pub(crate) fn switch_command(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(SWITCH_USAGE, SWITCH, words)?;
    place.root()?;
    let creates = ["b", "create", "B", "force-create", "orphan"]
        .iter()
        .any(|name| words.value(name).is_some());
    let target = match words.operands.as_slice() {
        [] => None,
        [one] if one == "-" => Some("@{-1}".to_owned()),
        [one] => Some(one.clone()),
        _ => return Err(fatal("only one reference expected")),
    };
    if target.is_none() && !creates && !words.has("detach") {
        return Err(fatal("missing branch or commit argument"));
    }
    if let Some(name) = &target
        && !creates
        && !words.has("detach")
    {
        let is_branch = branch_of(place, name).is_some();
        if rev::single(place, name).is_none() && remote_branch(place, name).is_none() {
            return Err(fatal(format!("invalid reference: {name}")));
        }
        if !is_branch && rev::single(place, name).is_some() {
            return Err(fatal(format!(
                "a branch is expected, got {} '{name}'\n\
                 hint: If you want to detach HEAD at the commit, try again with the --detach option.",
                if place.repo.find_reference(&format!("refs/tags/{name}")).is_ok() {
                    "tag"
                } else {
                    "commit"
                }
            )));
        }
    }
    Going { place, words: &words, switch: true }.go(target)
}

/// The full name of a local branch; `@{-1}` is what it was before.
fn branch_of(place: &Place, name: &str) -> Option<String> {
    let name = if name.starts_with("@{-") { previous(place, name)? } else { name.to_owned() };
    let full = if name.starts_with("refs/heads/") { name } else { format!("refs/heads/{name}") };
    place.repo.find_reference(&full).ok().map(|_| full)
}

/// What `@{-1}` names.
pub(crate) fn previous(place: &Place, name: &str) -> Option<String> {
    let n: usize = name.strip_prefix("@{-")?.strip_suffix('}')?.parse().ok()?;
    let log = place.repo.reflog("HEAD").ok()?;
    let left = log.iter().filter_map(|entry| {
        let message = lossy(entry.message_bytes()?).into_owned();
        let (from, _) = message.strip_prefix("checkout: moving from ")?.split_once(" to ")?;
        Some(from.to_owned())
    });
    left.into_iter().nth(n.checked_sub(1)?)
}

struct Going<'a> {
    place: &'a Place,
    words: &'a Words,
    switch: bool,
}

impl Going<'_> {
    fn go(&self, target: Option<String>) -> Outcome {
        let (place, words) = (self.place, self.words);
        if let Some(name) = words.value("orphan") {
            return self.orphan(name);
        }
        let created = words.value("b").or_else(|| words.value("create")).map(|name| (name, false));
        let created = created.or_else(|| {
            words.value("B").or_else(|| words.value("force-create")).map(|name| (name, true))
        });
        if let Some((name, force)) = created {
            return self.create(name, force, target.as_deref());
        }
        let Some(target) = target else {
            // Nothing to go to: the changes are listed.
            if words.has("detach") {
                return self.detach("HEAD");
            }
            if words.has("force") {
                let mut stage = Stage::open(place)?;
                switch::force(place, &mut stage, place.head_tree().as_ref())?;
                stage.write()?;
                return Ok(0);
            }
            self.list_changes()?;
            return Ok(0);
        };
        let branch = branch_of(place, &target).filter(|_| !words.has("detach"));
        if let Some(full) = branch {
            return self.to_branch(&full);
        }
        if rev::single(place, &target).is_none() && merge_base_name(place, &target).is_none() {
            if let Some(remote) = remote_branch(place, &target) {
                let code = self.create(&target, false, Some(&remote))?;
                return Ok(code);
            }
            return Err(error(format!(
                "pathspec '{target}' did not match any file(s) known to git"
            )));
        }
        if let Some(tracked) = words.value("track").or_else(|| words.has("track").then_some("")) {
            let _: &str = tracked;
            if let Some((_, name)) = target.split_once('/') {
                return self.create(name, false, Some(&target));
            }
        }
        self.detach(&target)
    }

    /// Moves index and files to a commit.
    fn move_tree(&self, target: &Commit<'_>) -> Outcome<()> {
        let place = self.place;
        let mut stage = Stage::open(place)?;
        let force = self.words.has("force") || self.words.has("discard-changes");
        if stage.has_conflicts() && !force {
            let mut text = String::new();
            for entry in stage.entries().iter().filter(|e| crate::stage::stage(e) > 0) {
                let line = format!("{}: needs merge\n", lossy(&entry.path));
                if !text.ends_with(&line) {
                    text += &line;
                }
            }
            return Err(plain(1, text + "error: you need to resolve your current index first"));
        }
        let new = target.tree()?;
        if force {
            switch::force(place, &mut stage, Some(&new))?;
        } else if self.words.has("merge") {
            self.merge_tree(&mut stage, &new)?;
        } else {
            switch::switch(place, &mut stage, place.head_tree().as_ref(), Some(&new), &CHECKOUT)?;
        }
        stage.write()
    }

    /// `-m`: local changes come along, with conflicts if need be.
    fn merge_tree(&self, stage: &mut Stage, new: &git2::Tree<'_>) -> Outcome<()> {
        use crate::merge::trees::{How, Labels};
        let place = self.place;
        if switch::switch(place, stage, place.head_tree().as_ref(), Some(new), &CHECKOUT).is_ok() {
            return Ok(());
        }
        super::add::update_known(place, stage, &Pathspec::default())?;
        let mine = place.repo.find_tree(stage.write_tree(place)?)?;
        let labels =
            Labels { base: "base".to_owned(), ours: "new".to_owned(), theirs: "local".to_owned() };
        let merged = crate::merge::trees::merge(
            place,
            place.head_tree().as_ref(),
            Some(new),
            Some(&mine),
            &labels,
            How::default(),
        )?;
        switch::force(place, stage, Some(new))?;
        crate::merge::apply::apply(place, stage, &merged, &CHECKOUT)?;
        Ok(())
    }

    fn from_name(&self) -> String {
        let place = self.place;
        place.branch().or_else(|| place.head_id().map(|id| id.to_string())).unwrap_or_default()
    }

    fn to_branch(&self, full: &str) -> Outcome {
        let place = self.place;
        let name = full.trim_start_matches("refs/heads/").to_owned();
        let target = place.repo.find_reference(full)?.peel_to_commit()?;
        let same = place.head_ref().as_deref() == Some(full);
        let leaving = self.leaving(&target);
        self.move_tree(&target)?;
        let from = self.from_name();
        refs::head_to_branch(place, full, &format!("checkout: moving from {from} to {name}"))?;
        self.list_changes()?;
        if !self.words.has("quiet") {
            if let Some(text) = leaving {
                note(text);
            }
            note(if same {
                format!("Already on '{name}'")
            } else {
                format!("Switched to branch '{name}'")
            });
            out::bytes(crate::status::tracking_text(place, &name).as_bytes());
        }
        Ok(0)
    }

    /// What is said when a detached HEAD is left.
    fn leaving(&self, target: &Commit<'_>) -> Option<String> {
        let place = self.place;
        let head = place.head()?;
        if place.head_ref().is_some() || head.id() == target.id() {
            return None;
        }
        Some(format!(
            "Previous HEAD position was {} {}",
            place.short(head.id()),
            lossy(&subject(head.message_bytes()))
        ))
    }

    fn create(&self, name: &str, force: bool, start: Option<&str>) -> Outcome {
        let place = self.place;
        let full = format!("refs/heads/{name}");
        if !git2::Reference::is_valid_name(&full) || name.starts_with('-') {
            return Err(fatal(format!(
                "'{name}' is not a valid branch name\nhint: See `man git check-ref-format`\nhint: Disable this message with \"git config advice.refSyntax false\""
            )));
        }
        let exists = place.repo.find_reference(&full).is_ok();
        if exists && !force {
            return Err(fatal(format!("a branch named '{name}' already exists")));
        }
        let from = self.from_name();
        let quiet = self.words.has("quiet");
        let start_name = start.unwrap_or("HEAD");
        let base =
            merge_base_name(place, start_name).and_then(|id| place.repo.find_commit(id).ok());
        let target = match base {
            Some(commit) => commit,
            None => match rev::single(place, start_name)
                .and_then(|object| object.peel_to_commit().ok())
            {
                Some(commit) => commit,
                None if start.is_none() => {
                    refs::head_to_branch(place, &full, "checkout")?;
                    if !quiet {
                        note(format!("Switched to a new branch '{name}'"));
                    }
                    return Ok(0);
                }
                None if self.switch => {
                    return Err(fatal(format!("invalid reference: {start_name}")));
                }
                None => {
                    return Err(fatal(format!(
                        "'{start_name}' is not a commit and a branch '{name}' cannot be created from it"
                    )));
                }
            },
        };
        if start.is_some() || force {
            self.move_tree(&target)?;
        }
        place.repo.reference(
            &full,
            target.id(),
            force,
            &format!("branch: Created from {start_name}"),
        )?;
        refs::head_to_branch(place, &full, &format!("checkout: moving from {from} to {name}"))?;
        let tracked = super::branch::set_up_tracking(place, name, start)?;
        if start.is_some() {
            self.list_changes()?;
        }
        if !quiet {
            note(if exists {
                format!("Reset branch '{name}'")
            } else {
                format!("Switched to a new branch '{name}'")
            });
            if let Some(upstream) = tracked {
                out::bytes(format!("branch '{name}' set up to track '{upstream}'.\n").as_bytes());
            }
        }
        Ok(0)
    }

    fn orphan(&self, name: &str) -> Outcome {
        let place = self.place;
        let full = format!("refs/heads/{name}");
        if place.repo.find_reference(&full).is_ok() {
            return Err(fatal(format!("a branch named '{name}' already exists")));
        }
        if self.switch {
            let mut stage = Stage::open(place)?;
            switch::switch(place, &mut stage, place.head_tree().as_ref(), None, &CHECKOUT)?;
            stage.write()?;
        }
        std::fs::write(place.meta("HEAD"), format!("ref: {full}\n"))?;
        if !self.words.has("quiet") {
            note(format!("Switched to a new branch '{name}'"));
        }
        Ok(0)
    }

    fn detach(&self, name: &str) -> Outcome {
        let place = self.place;
        let target = match merge_base_name(place, name) {
            Some(id) => place.repo.find_commit(id)?,
            None => {
                let object = rev::single(place, name).ok_or_else(|| ambiguous(name))?;
                object
                    .peel_to_commit()
                    .map_err(|_| fatal(format!("reference is not a tree: {name}")))?
            }
        };
        let was_branch = place.head_ref().is_some();
        let leaving = self.leaving(&target);
        self.move_tree(&target)?;
        let from = self.from_name();
        let shown = previous(place, name).unwrap_or_else(|| name.to_owned());
        refs::detach_head(place, target.id(), &format!("checkout: moving from {from} to {shown}"))?;
        self.list_changes()?;
        if self.words.has("quiet") {
            return Ok(0);
        }
        if let Some(text) = leaving {
            note(text);
        }
        let advice =
            place.setting_bool("advice.detachedhead").unwrap_or(true) && !self.words.has("detach");
        if was_branch && advice {
            note(format!(
                "Note: switching to '{shown}'.\n\n\
                 You are in 'detached HEAD' state. You can look around, make experimental\n\
                 changes and commit them, and you can discard any commits you make in this\n\
                 state without impacting any branches by switching back to a branch.\n\n\
                 If you want to create a new branch to retain commits you create, you may\n\
                 do so (now or later) by using -c with the switch command. Example:\n\n  \
                 git switch -c <new-branch-name>\n\n\
                 Or undo this operation with:\n\n  git switch -\n\n\
                 Turn off this advice by setting config variable advice.detachedHead to false\n"
            ));
        }
        note(format!(
            "HEAD is now at {} {}",
            place.short(target.id()),
            lossy(&subject(target.message_bytes()))
        ));
        Ok(0)
    }

    /// The changes that came along.
    fn list_changes(&self) -> Outcome<()> {
        if self.words.has("quiet") {
            return Ok(());
        }
        let place = self.place;
        let stage = Stage::open(place)?;
        let work = Work::new(place);
        let head = place.head_tree();
        let staged = collect::tree_index(place, head.as_ref(), &stage, &Pathspec::default())?;
        let look = collect::index_work(&work, &stage, &Pathspec::default());
        let mut changed: std::collections::BTreeMap<Vec<u8>, char> =
            std::collections::BTreeMap::new();
        for pair in staged {
            changed.insert(pair.path().to_vec(), pair.status());
        }
        for pair in look.pairs {
            let status = pair.status();
            let entry = changed.entry(pair.path().to_vec()).or_insert(status);
            if status == 'D' || (*entry != 'A' && *entry != 'U') {
                *entry = status;
            }
        }
        for (path, status) in changed {
            let name = quote::path(&path, place.quotes_high());
            out::bytes(&[format!("{status}\t").as_bytes(), &name, b"\n"].concat());
        }
        Ok(())
    }
}
