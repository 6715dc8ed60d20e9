//! `git rebase`: commits one after another on top of another base, as a list that can be edited says.
//!
//! What is under way is kept in `.git/rebase-merge`, in git's files.

use git2::{Commit, Oid};

use super::replay::{self, Taken};
use super::start::Start;
use super::switch;
use super::todo::{self, Line, Todo, Verb};
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::cmd::commit::{clear_state, report};
use crate::diff::collect;
use crate::fail::{Fail, Outcome, fatal, plain, quiet, refuse};
use crate::log::pretty::subject;
use crate::out::{self, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::{self, Stage};
use crate::work::Work;
use crate::{programs, refs};

pub(crate) const FOLDER: &str = "rebase-merge";
const USAGE: &str = "git rebase [-i] [options] [--exec <cmd>] [--onto <newbase> | --keep-base] [<upstream> [<branch>]]\n   \
or: git rebase [-i] [options] [--exec <cmd>] [--onto <newbase>] --root [<branch>]\n   \
or: git rebase --continue | --abort | --skip | --edit-todo";
const TABLE: &[Opt] = &[
    value(' ', "onto"),
    flag(' ', "keep-base"),
    flag(' ', "verify"),
    flag('q', "quiet"),
    flag('v', "verbose"),
    flag('n', "no-stat"),
    flag(' ', "stat"),
    flag(' ', "signoff"),
    flag('f', "force-rebase"),
    flag(' ', "ff"),
    flag(' ', "continue"),
    flag(' ', "skip"),
    flag(' ', "abort"),
    flag(' ', "quit"),
    flag(' ', "edit-todo"),
    flag(' ', "show-current-patch"),
    flag(' ', "apply"),
    flag('m', "merge"),
    flag('i', "interactive"),
    flag(' ', "rerere-autoupdate"),
    value(' ', "empty"),
    flag('k', "keep-empty"),
    flag(' ', "autosquash"),
    flag(' ', "update-refs"),
    maybe('S', "gpg-sign"),
    flag(' ', "autostash"),
    value('x', "exec"),
    maybe('r', "rebase-merges"),
    maybe(' ', "fork-point"),
    value('s', "strategy"),
    value('X', "strategy-option"),
    flag(' ', "root"),
    flag(' ', "reschedule-failed-exec"),
    flag(' ', "reapply-cherry-picks"),
    flag(' ', "committer-date-is-author-date"),
    flag(' ', "ignore-whitespace"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    place.root()?;
    let is_running = place.meta(FOLDER).exists();
    for action in ["continue", "skip", "abort", "quit", "edit-todo", "show-current-patch"] {
        if !words.has(action) {
            continue;
        }
        if !is_running {
            return Err(fatal("no rebase in progress"));
        }
        return match action {
            "continue" => go_on(place, &words),
            "skip" => skip(place, &words),
            "abort" => abort(place),
            "quit" => Ok(forget(place)),
            "edit-todo" => edit_todo(place),
            _ => show_current(place),
        };
    }
    if is_running {
        return Err(plain(
            128,
            "fatal: It seems that there is already a rebase-merge directory, and\n\
             I wonder if you are in the middle of another rebase.  If that is the\n\
             case, please try\n\tgit rebase (--continue | --abort | --skip)\n\
             If that is not the case, please\n\trm -fr \".git/rebase-merge\"\n\
             and run me again.  I am stopping in case you still have something\n\
             valuable there.\n",
        ));
    }
    if let Some(option) = ["rebase-merges", "signoff", "gpg-sign"].iter().find(|it| words.has(it)) {
        return Err(refuse(format!("rebase --{option}")));
    }
    Start::new(place, &words)?.run()
}

pub(super) fn forget(place: &Place) -> i32 {
    // Whether or not all of it is there.
    drop(std::fs::remove_dir_all(place.meta(FOLDER)));
    0
}

pub(crate) fn kept(place: &Place, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(place.meta(FOLDER).join(name)).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

pub(crate) fn keep(place: &Place, name: &str, text: &str) -> Outcome<()> {
    Ok(std::fs::write(place.meta(FOLDER).join(name), format!("{text}\n"))?)
}

fn kept_id(place: &Place, name: &str) -> Outcome<Oid> {
    let text = kept(place, name).unwrap_or_default();
    Oid::from_str(&text).map_err(|_| fatal(format!("could not read '.git/{FOLDER}/{name}'")))
}

/// Nothing may be lost: all that is changed must be committed.
pub(super) fn check_clean(place: &Place) -> Outcome<()> {
    let stage = Stage::open(place)?;
    let all = Pathspec::default();
    let unstaged = !collect::index_work(&Work::new(place), &stage, &all).pairs.is_empty();
    let staged = !collect::tree_index(place, place.head_tree().as_ref(), &stage, &all)?.is_empty();
    let text = match (unstaged, staged) {
        (false, false) => return Ok(()),
        (true, false) => "error: cannot rebase: You have unstaged changes.\n",
        (false, true) => "error: cannot rebase: Your index contains uncommitted changes.\n",
        (true, true) => {
            "error: cannot rebase: You have unstaged changes.\n\
             error: additionally, your index contains uncommitted changes.\n"
        }
    };
    Err(plain(1, format!("{text}error: Please commit or stash them.")))
}

/// Says something behind what was printed.
fn note(text: impl std::fmt::Display) {
    out::flush();
    out::note(text);
}

/// Does what is left of the list.
pub(super) fn work_off(place: &Place, mut todo: Todo) -> Outcome {
    let is_quiet = kept(place, "quiet").is_some();
    while let Some(line) = todo.take() {
        todo.write(place)?;
        if !is_quiet && line.verb != Verb::Comment {
            out::flush();
            eprint!("Rebasing ({}/{})\r", todo.n_done(), todo.n_all());
        }
        if let Some(code) = one(place, &line, &todo)? {
            return Ok(code);
        }
    }
    finish(place, is_quiet)
}

/// Does one line; a code if the rebase stops there.
fn one(place: &Place, line: &Line, todo: &Todo) -> Outcome<Option<i32>> {
    match line.verb {
        Verb::Drop | Verb::Noop | Verb::Comment => return Ok(None),
        Verb::Break => {
            let head = place.head().ok_or_else(|| fatal("no HEAD"))?;
            let title = lossy(&subject(head.message_bytes())).into_owned();
            note(format!("Stopped at {}... {title}", place.short(head.id())));
            return Ok(Some(0));
        }
        Verb::Exec => return execute(place, &line.rest, todo),
        _ => {}
    }
    let id = line.id.ok_or_else(|| fatal("a line without a commit"))?;
    let commit = place.repo.find_commit(id)?;
    let is_last_of_chain = !todo.next_line().is_some_and(|next| next.verb.joins());
    match replay::take(place, &commit, line.verb, is_last_of_chain)? {
        Taken::Conflict => Ok(Some(conflict(place, &commit)?)),
        Taken::Committed | Taken::Dropped => match line.verb {
            Verb::Edit => Ok(Some(stop_for_edit(place, &commit)?)),
            Verb::Reword => reword(place).map(|code| (code != 0).then_some(code)),
            _ => Ok(None),
        },
    }
}

fn title(place: &Place, commit: &Commit<'_>) -> String {
    format!("{}... {}", place.short(commit.id()), lossy(&subject(commit.message_bytes())))
}

fn conflict(place: &Place, commit: &Commit<'_>) -> Outcome {
    keep(place, "stopped-sha", &commit.id().to_string())?;
    let title = title(place, commit);
    note(format!(
        "error: could not apply {title}\n\
         hint: Resolve all conflicts manually, mark them as resolved with\n\
         hint: \"git add/rm <conflicted_files>\", then run \"git rebase --continue\".\n\
         hint: You can instead skip this commit: run \"git rebase --skip\".\n\
         hint: To abort and get back to the state before \"git rebase\", run \"git rebase --abort\".\n\
         hint: Disable this message with \"git config advice.mergeConflict false\"\n\
         Could not apply {title}"
    ));
    Ok(1)
}

fn stop_for_edit(place: &Place, commit: &Commit<'_>) -> Outcome {
    keep(place, "stopped-sha", &commit.id().to_string())?;
    let head = place.head_id().ok_or_else(|| fatal("no HEAD"))?;
    keep(place, "amend", &head.to_string())?;
    note(format!(
        "Stopped at {}...  {}\nYou can amend the commit now, with\n\n  git commit --amend \n\n\
         Once you are satisfied with your changes, run\n\n  git rebase --continue",
        place.short(commit.id()),
        lossy(&subject(commit.message_bytes()))
    ));
    Ok(0)
}

fn reword(place: &Place) -> Outcome {
    let words = ["--amend", "--allow-empty", "-e"].map(str::to_owned);
    crate::cmd::commit::run(place, &words)
}

fn execute(place: &Place, command: &str, todo: &Todo) -> Outcome<Option<i32>> {
    note(format!("Executing: {command}"));
    let code = programs::shell(Some(place), command, &[], &[])?;
    let is_dirty = check_clean(place).is_err();
    if code == 0 && !is_dirty {
        return Ok(None);
    }
    if code == 0 {
        note(format!(
            "warning: execution succeeded: {command}\nbut left changes to the index and/or the working tree.\n\
             Commit or stash your changes, and then run\n\n  git rebase --continue\n\n"
        ));
    } else {
        let and =
            if is_dirty { "and made changes to the index and/or the working tree.\n" } else { "" };
        note(format!(
            "warning: execution failed: {command}\n{and}You can fix the problem, and then run\n\n  git rebase --continue\n\n"
        ));
    }
    todo.write(place)?;
    Ok(Some(1))
}

/// All is done: the branch is moved, and checked out.
fn finish(place: &Place, is_quiet: bool) -> Outcome {
    let name = kept(place, "head-name").unwrap_or_default();
    let head = place.head_id().ok_or_else(|| fatal("no HEAD"))?;
    let onto = kept_id(place, "onto")?;
    if name.starts_with("refs/") {
        place.repo.reference(&name, head, true, &format!("rebase (finish): {name} onto {onto}"))?;
        refs::head_to_branch(place, &name, &format!("rebase (finish): returning to {name}"))?;
    }
    forget(place);
    if !is_quiet {
        note(format!("Successfully rebased and updated {name}."));
    }
    Ok(0)
}

fn abort(place: &Place) -> Outcome {
    let name = kept(place, "head-name").unwrap_or_default();
    let target = kept_id(place, "orig-head")?;
    let mut stage = Stage::open(place)?;
    let tree = place.repo.find_commit(target)?.tree()?;
    switch::force(place, &mut stage, Some(&tree))?;
    stage.write()?;
    if name.starts_with("refs/") {
        refs::head_to_branch(place, &name, &format!("rebase (abort): returning to {name}"))?;
    } else {
        refs::detach_head(place, target, &format!("rebase (abort): returning to {target}"))?;
    }
    clear_state(place);
    Ok(forget(place))
}

fn skip(place: &Place, words: &Words) -> Outcome {
    let mut stage = Stage::open(place)?;
    switch::force(place, &mut stage, place.head_tree().as_ref())?;
    stage.write()?;
    forget_stop(place);
    let _: &Words = words;
    work_off(place, Todo::read(place)?)
}

fn forget_stop(place: &Place) {
    clear_state(place);
    for name in ["stopped-sha", "amend", "message", "author-script"] {
        // Most are not there.
        drop(std::fs::remove_file(place.meta(FOLDER).join(name)));
    }
}

fn go_on(place: &Place, words: &Words) -> Outcome {
    let stage = Stage::open(place)?;
    let mut unmerged = vec![];
    for entry in stage.entries().iter().filter(|entry| stage::stage(entry) > 0) {
        if unmerged.last() != Some(&entry.path) {
            unmerged.push(entry.path.clone());
        }
    }
    let all = Pathspec::default();
    let is_dirty = !collect::index_work(&Work::new(place), &stage, &all).pairs.is_empty();
    if !unmerged.is_empty() || is_dirty {
        for path in &unmerged {
            outln!("{}: needs merge", lossy(path));
        }
        outln!("You must edit all merge conflicts and then\nmark them as resolved using git add");
        return Err(quiet(1));
    }
    drop(stage);
    commit_staged(place).map_err(|fail: Fail| {
        plain(1, format!("{}\nerror: could not commit staged changes.", fail.text.trim_end()))
    })?;
    let _: &Words = words;
    forget_stop(place);
    work_off(place, Todo::read(place)?)
}

/// What was resolved becomes the commit that could not be applied.
fn commit_staged(place: &Place) -> Outcome<()> {
    let mut stage = Stage::open(place)?;
    let head = place.head().ok_or_else(|| fatal("no HEAD"))?;
    if stage.write_tree(place)? == head.tree_id() {
        return Ok(());
    }
    let stopped = kept(place, "stopped-sha").and_then(|text| Oid::from_str(&text).ok());
    let amends = kept(place, "amend").is_some();
    let author = stopped.and_then(|id| place.repo.find_commit(id).ok());
    let done = Todo::read(place)?.last_done();
    let joins = done.as_ref().is_some_and(|line| line.verb.joins());
    if amends || joins {
        let words = ["--amend", "--allow-empty", "-q", "--no-edit"].map(str::to_owned);
        return crate::cmd::commit::run(place, &words).map(drop);
    }
    let Some(author) = author else {
        let words = ["-e"].map(str::to_owned);
        return crate::cmd::commit::run(place, &words).map(drop);
    };
    let message = std::fs::read_to_string(place.meta("MERGE_MSG"))
        .unwrap_or_else(|_| lossy(author.message_raw_bytes()).into_owned());
    let message = crate::cmd::message::edited(place, &message)?;
    let id = replay::commit(place, &author, &message, &mut stage, "continue")?;
    report(place, id, false, false)
}

fn edit_todo(place: &Place) -> Outcome {
    let file = place.meta(FOLDER).join("git-rebase-todo");
    let Some(editor) = programs::editor(place, true) else {
        return Err(plain(1, "error: Terminal is dumb, but EDITOR unset"));
    };
    if !programs::edit(place, &editor, &file)? {
        return Ok(1);
    }
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let lines = todo::parse(place, &text).map_err(|text| plain(1, text))?;
    let mut todo = Todo::read(place)?;
    todo.replace_rest(lines);
    todo.write(place)?;
    Ok(0)
}

fn show_current(place: &Place) -> Outcome {
    let id = kept(place, "stopped-sha").ok_or_else(|| fatal("no commit is being applied"))?;
    crate::log::show::run(place, &[id])
}
