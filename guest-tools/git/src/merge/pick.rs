//! `git cherry-pick` and `git revert`.

use git2::{Commit, Oid, Signature};

use super::switch::{self, MERGE};
use super::trees::{self, How, Labels};
use super::{apply, command};
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::cmd::commit::{clear_state, with_trailer};
use crate::cmd::message::{self, Cleanup};
use crate::fail::{Outcome, fatal, plain};
use crate::ident;
use crate::log::pretty::subject;
use crate::log::walk;
use crate::out::note;
use crate::place::Place;
use crate::quote::lossy;
use crate::refs;
use crate::rev;
use crate::stage::Stage;

const TABLE: &[Opt] = &[
    flag(' ', "quit"),
    flag(' ', "continue"),
    flag(' ', "abort"),
    flag(' ', "skip"),
    value(' ', "cleanup"),
    flag('n', "no-commit"),
    flag(' ', "commit"),
    flag('e', "edit"),
    flag('s', "signoff"),
    value('m', "mainline"),
    flag(' ', "rerere-autoupdate"),
    value(' ', "strategy"),
    value('X', "strategy-option"),
    maybe('S', "gpg-sign"),
    flag('x', "x"),
    flag(' ', "ff"),
    flag(' ', "allow-empty"),
    flag(' ', "allow-empty-message"),
    flag(' ', "keep-redundant-commits"),
    value(' ', "empty"),
    flag(' ', "reference"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pick,
    Revert,
}

impl Kind {
    fn name(self) -> &'static str {
        if self == Self::Pick { "cherry-pick" } else { "revert" }
    }

    fn head(self) -> &'static str {
        if self == Self::Pick { "CHERRY_PICK_HEAD" } else { "REVERT_HEAD" }
    }
}

pub(crate) fn cherry_pick(place: &Place, words: &[String]) -> Outcome {
    run(place, words, Kind::Pick)
}

pub(crate) fn revert(place: &Place, words: &[String]) -> Outcome {
    run(place, words, Kind::Revert)
}

fn run(place: &Place, words: &[String], kind: Kind) -> Outcome {
    let usage = format!("git {} [--edit] [-n] [-m <parent-number>] [-s] <commit>...", kind.name());
    let words = args::parse(&usage, TABLE, words)?;
    place.root()?;
    if words.has("quit") {
        forget(place);
        return Ok(0);
    }
    if words.has("abort") {
        return abort(place, kind);
    }
    if words.has("continue") || words.has("skip") {
        return go_on(place, &words, kind);
    }
    if words.operands.is_empty() {
        return Err(plain(129, format!("usage: {usage}")));
    }
    let todo = commits(place, &words, kind)?;
    let head =
        place.head_id().ok_or_else(|| fatal(format!("cannot {}: no commit yet", kind.name())))?;
    start(place, &todo, head)?;
    work_off(place, &words, kind, todo)
}

/// The commits in the order in which they are taken.
fn commits(place: &Place, words: &Words, kind: Kind) -> Outcome<Vec<Oid>> {
    let mut request = rev::Request::default();
    for word in &words.operands {
        let word = if word == "-" { "@{-1}" } else { word };
        if !rev::add(place, word, &mut request)? {
            return Err(fatal(format!("bad revision '{word}'")));
        }
    }
    let commit = |id: Oid| {
        Ok::<Oid, crate::fail::Fail>(place.repo.find_object(id, None)?.peel_to_commit()?.id())
    };
    if !request.tips.iter().any(|tip| tip.excluded) {
        return request.tips.iter().map(|tip| commit(tip.id)).collect();
    }
    let mut wanted = walk::Wanted {
        reverse: kind == Kind::Pick,
        order: walk::Order::Topological,
        ..walk::Wanted::default()
    };
    for tip in &request.tips {
        let list = if tip.excluded { &mut wanted.excluded } else { &mut wanted.starts };
        list.push(commit(tip.id)?);
    }
    let mut found = vec![];
    walk::walk(place, &wanted, &mut |step| {
        found.push(step.id);
        Ok(true)
    })?;
    if found.is_empty() {
        return Err(plain(128, "error: empty commit set passed\nfatal: cherry-pick failed"));
    }
    Ok(found)
}

/// Remembers where it began and what is to do.
fn start(place: &Place, todo: &[Oid], head: Oid) -> Outcome<()> {
    if todo.len() > 1 {
        std::fs::create_dir_all(place.meta("sequencer"))?;
        std::fs::write(place.meta("sequencer/head"), format!("{head}\n"))?;
    }
    Ok(())
}

fn forget(place: &Place) {
    clear_state(place);
    // Only a sequence has it.
    drop(std::fs::remove_dir_all(place.meta("sequencer")));
}

fn abort(place: &Place, kind: Kind) -> Outcome {
    let began = std::fs::read_to_string(place.meta("sequencer/head")).ok();
    if began.is_none() && !place.meta(kind.head()).exists() {
        return Err(plain(
            128,
            format!("error: no cherry-pick or revert in progress\nfatal: {} failed", kind.name()),
        ));
    }
    let target = match began.and_then(|text| Oid::from_str(text.trim()).ok()) {
        Some(id) => id,
        None => place.head_id().ok_or_else(|| fatal("no HEAD"))?,
    };
    let mut stage = Stage::open(place)?;
    let tree = place.repo.find_commit(target)?.tree()?;
    switch::force(place, &mut stage, Some(&tree))?;
    stage.write()?;
    refs::move_head(place, target, "reset: moving to before the sequence")?;
    forget(place);
    Ok(0)
}

fn go_on(place: &Place, words: &Words, kind: Kind) -> Outcome {
    let in_progress = place.meta(kind.head()).exists();
    let todo_file = place.meta("sequencer/todo");
    if !in_progress && !todo_file.exists() {
        return Err(plain(
            128,
            format!("error: no cherry-pick or revert in progress\nfatal: {} failed", kind.name()),
        ));
    }
    if words.has("skip") {
        let mut stage = Stage::open(place)?;
        switch::force(place, &mut stage, place.head_tree().as_ref())?;
        stage.write()?;
        clear_state(place);
    } else if in_progress {
        let code =
            crate::cmd::commit::run(place, &["--no-edit", "--cleanup=strip"].map(str::to_owned))?;
        if code != 0 {
            return Ok(code);
        }
    }
    let text = std::fs::read_to_string(todo_file).unwrap_or_default();
    let todo: Vec<Oid> =
        text.lines().filter_map(|line| Oid::from_str(line.split(' ').nth(1)?).ok()).collect();
    work_off(place, words, kind, todo)
}

fn work_off(place: &Place, words: &Words, kind: Kind, todo: Vec<Oid>) -> Outcome {
    let mut rest = todo.as_slice();
    while let Some((id, after)) = rest.split_first() {
        rest = after;
        if place.meta("sequencer").exists() {
            let word = if kind == Kind::Pick { "pick" } else { "revert" };
            let lines: String = rest.iter().map(|id| format!("{word} {id}\n")).collect();
            std::fs::write(place.meta("sequencer/todo"), lines)?;
        }
        let code = one(place, words, kind, &place.repo.find_commit(*id)?)?;
        if code != 0 {
            return Ok(code);
        }
    }
    // Only a sequence has it.
    drop(std::fs::remove_dir_all(place.meta("sequencer")));
    Ok(0)
}

fn parent<'a>(words: &Words, commit: &Commit<'a>) -> Outcome<Option<Commit<'a>>> {
    let number = words.value("mainline").and_then(|text| text.parse::<usize>().ok());
    let id = commit.id();
    let fail =
        |text: String, kind: &str| plain(128, format!("error: {text}\nfatal: {kind} failed"));
    match (commit.parent_count(), number) {
        (2.., None) => {
            Err(fail(format!("commit {id} is a merge but no -m option was given."), "cherry-pick"))
        }
        (0 | 1, Some(n)) if n != 1 => Err(fail(
            format!("mainline was specified but commit {id} is not a merge."),
            "cherry-pick",
        )),
        (n, Some(wanted)) if wanted > n || wanted == 0 => {
            Err(fail(format!("commit {id} does not have parent {wanted}"), "cherry-pick"))
        }
        (_, number) => Ok(commit.parent(number.unwrap_or(1) - 1).ok()),
    }
}

fn one(place: &Place, words: &Words, kind: Kind, commit: &Commit<'_>) -> Outcome {
    let parent = parent(words, commit)?;
    let head = place.head().ok_or_else(|| fatal("no HEAD"))?;
    let no_commit = words.has("no-commit");
    if words.has("ff") && kind == Kind::Pick && parent.as_ref().map(Commit::id) == Some(head.id()) {
        let mut stage = Stage::open(place)?;
        switch::switch(place, &mut stage, Some(&head.tree()?), Some(&commit.tree()?), &MERGE)?;
        stage.write()?;
        refs::move_head(place, commit.id(), "cherry-pick: fast-forward")?;
        return Ok(0);
    }
    let mut stage = Stage::open(place)?;
    let ours = ours(place, &mut stage, &head, no_commit, kind)?;
    let title =
        format!("{} ({})", place.short(commit.id()), lossy(&subject(commit.message_bytes())));
    let parent_tree = parent.as_ref().map(Commit::tree).transpose()?;
    let tree = commit.tree()?;
    let (base, theirs, labels) = match kind {
        Kind::Pick => (parent_tree.as_ref(), Some(&tree), (format!("parent of {title}"), title)),
        Kind::Revert => {
            (Some(&tree), parent_tree.as_ref(), (title.clone(), format!("parent of {title}")))
        }
    };
    let labels = Labels { base: labels.0, ours: "HEAD".to_owned(), theirs: labels.1 };
    let how: How = command::how(words.values("strategy-option"))?;
    let merged = trees::merge(place, base, Some(&ours), theirs, &labels, how)?;
    let clean = apply::apply(place, &mut stage, &merged, &MERGE).map_err(|fail| {
        plain(
            if fail.code == 128 { 128 } else { 1 },
            format!("{}\nfatal: {} failed", fail.text, kind.name()),
        )
    })?;
    let message = text(place, words, kind, commit, parent.as_ref())?;
    if !clean {
        return conflict(place, kind, commit, &message, &merged, no_commit);
    }
    if no_commit {
        std::fs::write(place.meta("MERGE_MSG"), message)?;
        return Ok(0);
    }
    commit_it(place, words, kind, commit, &head, &mut stage, &message)
}

/// What is merged into: with `-n` all that is staged, else the last commit.
fn ours<'a>(
    place: &'a Place,
    stage: &mut Stage,
    head: &Commit<'a>,
    no_commit: bool,
    kind: Kind,
) -> Outcome<git2::Tree<'a>> {
    if stage.has_conflicts() {
        let doing = if kind == Kind::Pick { "Cherry-picking" } else { "Reverting" };
        return Err(plain(
            128,
            format!(
                "error: {doing} is not possible because you have unmerged files.\n\
                 hint: Fix them up in the work tree, and then use 'git add/rm <file>'\n\
                 hint: as appropriate to mark resolution and make a commit.\nfatal: {} failed",
                kind.name()
            ),
        ));
    }
    let staged = stage.write_tree(place)?;
    if no_commit {
        return Ok(place.repo.find_tree(staged)?);
    }
    if staged != head.tree_id() {
        return Err(plain(
            128,
            format!(
                "error: your local changes would be overwritten by {0}.\n\
                 hint: commit your changes or stash them to proceed.\nfatal: {0} failed",
                kind.name()
            ),
        ));
    }
    Ok(head.tree()?)
}

fn text(
    place: &Place,
    words: &Words,
    kind: Kind,
    commit: &Commit<'_>,
    parent: Option<&Commit<'_>>,
) -> Outcome<String> {
    let mut text = match kind {
        Kind::Pick => lossy(commit.message_raw_bytes()).into_owned(),
        Kind::Revert => {
            let old = lossy(&subject(commit.message_bytes())).into_owned();
            let title = match old.strip_prefix("Revert \"") {
                Some(rest) if !rest.starts_with("Revert \"") => format!("Reapply \"{rest}"),
                _ => format!("Revert \"{old}\""),
            };
            let of_merge = match parent {
                Some(parent) if commit.parent_count() > 1 => {
                    format!(", reversing\nchanges made to {}", parent.id())
                }
                _ => String::new(),
            };
            format!("{title}\n\nThis reverts commit {}{of_merge}.\n", commit.id())
        }
    };
    if words.has("x") && kind == Kind::Pick {
        text = with_trailer_like(&text, &format!("(cherry picked from commit {})", commit.id()));
    }
    if words.has("signoff") {
        let (name, email) = ident::who(place, "COMMITTER")?;
        text = with_trailer(&text, &format!("Signed-off-by: {name} <{email}>"));
    }
    Ok(text)
}

/// Adds a line in brackets where trailers are.
fn with_trailer_like(text: &str, line: &str) -> String {
    let marked = with_trailer(text, "X-Picked: here");
    marked.replacen("X-Picked: here", line, 1)
}

fn conflict(
    place: &Place,
    kind: Kind,
    commit: &Commit<'_>,
    message: &str,
    merged: &trees::Merged,
    no_commit: bool,
) -> Outcome {
    std::fs::write(
        place.meta("MERGE_MSG"),
        message.to_owned() + &command::conflict_comment(merged),
    )?;
    if !no_commit {
        std::fs::write(place.meta(kind.head()), format!("{}\n", commit.id()))?;
    }
    let title =
        format!("{}... {}", place.short(commit.id()), lossy(&subject(commit.message_bytes())));
    let name = kind.name();
    let what = if kind == Kind::Pick { "apply" } else { "revert" };
    note(format!(
        "error: could not {what} {title}\n\
         hint: After resolving the conflicts, mark them with\n\
         hint: \"git add/rm <pathspec>\", then run\n\
         hint: \"git {name} --continue\".\n\
         hint: You can instead skip this commit with \"git {name} --skip\".\n\
         hint: To abort and get back to the state before \"git {name}\",\n\
         hint: run \"git {name} --abort\".\n\
         hint: Disable this message with \"git config advice.mergeConflict false\""
    ));
    Ok(1)
}

fn commit_it(
    place: &Place,
    words: &Words,
    kind: Kind,
    commit: &Commit<'_>,
    head: &Commit<'_>,
    stage: &mut Stage,
    message: &str,
) -> Outcome {
    let tree_id = stage.write_tree(place)?;
    let was_empty =
        commit.parents().next().is_some_and(|parent| parent.tree_id() == commit.tree_id());
    let allowed = words.has("keep-redundant-commits") || (was_empty && words.has("allow-empty"));
    if tree_id == head.tree_id() && !allowed {
        return empty(place, kind, commit, message);
    }
    let author: Signature<'_> = match kind {
        Kind::Pick => commit.author().to_owned(),
        Kind::Revert => ident::signature(place, "AUTHOR")?,
    };
    let committer = ident::signature(place, "COMMITTER")?;
    let message = message::tidy(message, Cleanup::Whitespace);
    let tree = place.repo.find_tree(tree_id)?;
    let id = place.repo.commit(None, &author, &committer, &message, &tree, &[head])?;
    let first = message.lines().next().unwrap_or_default();
    refs::move_head(place, id, &format!("{}: {first}", kind.name()))?;
    stage.write()?;
    clear_state(place);
    crate::cmd::commit::report(place, id, true, false)?;
    Ok(0)
}

/// Nothing is left to commit.
fn empty(place: &Place, kind: Kind, commit: &Commit<'_>, message: &str) -> Outcome {
    std::fs::write(place.meta("MERGE_MSG"), message)?;
    if kind == Kind::Pick {
        std::fs::write(place.meta(kind.head()), format!("{}\n", commit.id()))?;
    }
    let request = crate::status::Request::usual(place);
    crate::status::Report::make(place, request)?.print();
    if kind == Kind::Pick {
        note(
            "The previous cherry-pick is now empty, possibly due to conflict resolution.\n\
             If you wish to commit it anyway, use:\n\n    git commit --allow-empty\n\n\
             Otherwise, please use 'git cherry-pick --skip'",
        );
    }
    Ok(1)
}
