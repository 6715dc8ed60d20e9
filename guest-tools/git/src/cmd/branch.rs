//! `git branch`.

use git2::{BranchType, Commit};

use super::listing::{self, Item};
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::fail::{Outcome, error, fatal, plain};
use crate::log::pretty::subject;
use crate::merge::command::is_ancestor;
use crate::out::{note, outln};
use crate::place::Place;
use crate::quote::lossy;
use crate::refs;
use crate::rev;

const USAGE: &str = "git branch [<options>] [-r | -a] [--merged] [--no-merged]\n   \
or: git branch [<options>] [-f] [--recurse-submodules] <branch-name> [<start-point>]\n   \
or: git branch [<options>] [-l] [<pattern>...]\n   \
or: git branch [<options>] [-r] (-d | -D) <branch-name>...\n   \
or: git branch [<options>] (-m | -M) [<old-branch>] <new-branch>";
const TABLE: &[Opt] = &[
    flag('v', "verbose"),
    flag('q', "quiet"),
    maybe('t', "track"),
    value('u', "set-upstream-to"),
    flag(' ', "unset-upstream"),
    maybe(' ', "color"),
    flag('r', "remotes"),
    maybe(' ', "contains"),
    maybe(' ', "no-contains"),
    maybe(' ', "abbrev"),
    flag('a', "all"),
    flag('d', "delete"),
    flag('D', "D"),
    flag('m', "move"),
    flag('M', "M"),
    flag(' ', "omit-empty"),
    flag('c', "copy"),
    flag('C', "C"),
    flag('l', "list"),
    flag(' ', "show-current"),
    flag(' ', "create-reflog"),
    flag(' ', "edit-description"),
    flag('f', "force"),
    maybe(' ', "merged"),
    maybe(' ', "no-merged"),
    maybe(' ', "column"),
    value(' ', "sort"),
    maybe(' ', "points-at"),
    flag('i', "ignore-case"),
    value(' ', "format"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, &listing::join_optional(words))?;
    if words.has("show-current") {
        if let Some(branch) = place.branch() {
            outln!("{branch}");
        }
        return Ok(0);
    }
    let force = words.has("force");
    if words.has("delete") || words.has("D") {
        return delete(place, &words, force || words.has("D"));
    }
    if words.has("move") || words.has("M") {
        return rename(place, &words, force || words.has("M"), false);
    }
    if words.has("copy") || words.has("C") {
        return rename(place, &words, force || words.has("C"), true);
    }
    if words.value("set-upstream-to").is_some() || words.has("unset-upstream") {
        return upstream(place, &words);
    }
    let filters = ["contains", "no-contains", "merged", "no-merged", "points-at", "format", "sort"];
    let lists = words.has("list")
        || words.has("all")
        || words.has("remotes")
        || words.given.iter().any(|g| filters.contains(&g.name));
    match words.operands.as_slice() {
        [name] if !lists => create(place, name, None, force, &words),
        [name, start] if !lists => create(place, name, Some(start), force, &words),
        [_, ..] if !lists => Err(plain(129, format!("usage: {USAGE}"))),
        _ => list(place, &words),
    }
}

fn check_name(name: &str) -> Outcome<()> {
    if git2::Reference::is_valid_name(&format!("refs/heads/{name}"))
        && !name.starts_with('-')
        && name != "HEAD"
    {
        return Ok(());
    }
    Err(fatal(format!(
        "'{name}' is not a valid branch name\nhint: See `man git check-ref-format`\n\
         hint: Disable this message with \"git config advice.refSyntax false\""
    )))
}

fn create(place: &Place, name: &str, start: Option<&str>, force: bool, words: &Words) -> Outcome {
    check_name(name)?;
    let start_name = start.unwrap_or("HEAD");
    let commit = rev::single(place, start_name).and_then(|object| object.peel_to_commit().ok());
    let commit = commit.ok_or_else(|| {
        let shown = match place.branch() {
            Some(branch) if start.is_none() => branch,
            _ => start_name.to_owned(),
        };
        fatal(format!("not a valid object name: '{shown}'"))
    })?;
    let full = format!("refs/heads/{name}");
    if place.repo.find_reference(&full).is_ok() {
        if !force {
            return Err(fatal(format!("a branch named '{name}' already exists")));
        }
        if place.head_ref().as_deref() == Some(&full) {
            let root = place
                .tree_root
                .as_ref()
                .map_or_else(String::new, |root| root.display().to_string());
            return Err(fatal(format!(
                "cannot force update the branch '{name}' used by worktree at '{root}'"
            )));
        }
    }
    place.repo.reference(
        &full,
        commit.id(),
        force,
        &format!("branch: Created from {start_name}"),
    )?;
    if let Some(upstream) = set_up_tracking(place, name, start)?
        && !words.has("quiet")
    {
        outln!("branch '{name}' set up to track '{upstream}'.");
    }
    Ok(0)
}

/// A branch that starts from one of a remote follows it.
pub(crate) fn set_up_tracking(
    place: &Place,
    name: &str,
    start: Option<&str>,
) -> Outcome<Option<String>> {
    let Some(start) = start else { return Ok(None) };
    let Ok(found) = place.repo.resolve_reference_from_short_name(start) else { return Ok(None) };
    let full = lossy(found.name_bytes()).into_owned();
    let Some(short) = full.strip_prefix("refs/remotes/") else { return Ok(None) };
    let mut branch = place.repo.find_branch(name, BranchType::Local)?;
    if branch.set_upstream(Some(short)).is_err() {
        return Ok(None);
    }
    Ok(Some(short.to_owned()))
}

fn upstream(place: &Place, words: &Words) -> Outcome {
    let name = match words.operands.first() {
        Some(name) => name.clone(),
        None => place.branch().ok_or_else(|| {
            fatal("could not set upstream of HEAD when it does not point to any branch")
        })?,
    };
    let branch = place.repo.find_branch(&name, BranchType::Local);
    let mut branch = branch.map_err(|_| fatal(format!("branch '{name}' does not exist")))?;
    if words.has("unset-upstream") {
        branch
            .upstream()
            .map_err(|_| fatal(format!("branch '{name}' has no upstream information")))?;
        branch.set_upstream(None)?;
        return Ok(0);
    }
    let target = words.value("set-upstream-to").unwrap_or_default();
    branch
        .set_upstream(Some(target))
        .map_err(|_| fatal(format!("the requested upstream branch '{target}' does not exist")))?;
    if !words.has("quiet") {
        outln!("branch '{name}' set up to track '{target}'.");
    }
    Ok(0)
}

fn delete(place: &Place, words: &Words, force: bool) -> Outcome {
    if words.operands.is_empty() {
        return Err(fatal("branch name required"));
    }
    let mut code = 0;
    let remote = words.has("remotes");
    for name in &words.operands {
        if let Err(fail) = delete_one(place, name, remote, force, words.has("quiet")) {
            note(fail.text);
            code = 1;
        }
    }
    Ok(code)
}

fn delete_one(place: &Place, name: &str, remote: bool, force: bool, quiet: bool) -> Outcome<()> {
    let (kind, prefix) =
        if remote { (BranchType::Remote, "remote-tracking ") } else { (BranchType::Local, "") };
    let mut branch = place
        .repo
        .find_branch(name, kind)
        .map_err(|_| error(format!("{prefix}branch '{name}' not found")))?;
    let full = lossy(branch.get().name_bytes()).into_owned();
    if place.head_ref().as_deref() == Some(&full) {
        let root =
            place.tree_root.as_ref().map_or_else(String::new, |root| root.display().to_string());
        return Err(error(format!("cannot delete branch '{name}' used by worktree at '{root}'")));
    }
    let commit: Commit<'_> = branch.get().peel_to_commit()?;
    let base = branch
        .upstream()
        .ok()
        .and_then(|up| up.get().peel_to_commit().ok())
        .or_else(|| place.head());
    let merged = base.is_some_and(|base| is_ancestor(place, commit.id(), base.id()));
    if !merged && !force {
        return Err(error(format!(
            "the branch '{name}' is not fully merged\nhint: If you are sure you want to delete it, run 'git branch -D {name}'\n\
             hint: Disable this message with \"git config advice.forceDeleteBranch false\""
        )));
    }
    branch.delete()?;
    if !quiet {
        outln!("Deleted {prefix}branch {name} (was {}).", place.short(commit.id()));
    }
    Ok(())
}

fn rename(place: &Place, words: &Words, force: bool, copy: bool) -> Outcome {
    let (old, new) = match words.operands.as_slice() {
        [new] => (
            place
                .branch()
                .ok_or_else(|| fatal("cannot rename the current branch while not on any"))?,
            new.clone(),
        ),
        [old, new] => (old.clone(), new.clone()),
        [] => return Err(fatal("branch name required")),
        _ => {
            return Err(fatal(format!(
                "too many arguments for a {} operation",
                if copy { "copy" } else { "rename" }
            )));
        }
    };
    check_name(&new)?;
    let (old_full, new_full) = (format!("refs/heads/{old}"), format!("refs/heads/{new}"));
    let is_head = place.head_ref().as_deref() == Some(&old_full);
    let Ok(reference) = place.repo.find_reference(&old_full) else {
        if is_head {
            refs::head_to_branch(place, &new_full, "branch renamed")?;
            return Ok(0);
        }
        return Err(fatal(format!("no branch named '{old}'")));
    };
    if place.repo.find_reference(&new_full).is_ok() && !force && old != new {
        return Err(fatal(format!("a branch named '{new}' already exists")));
    }
    if old == new {
        return Ok(0);
    }
    if copy {
        let id = reference.peel_to_commit()?.id();
        place.repo.reference(
            &new_full,
            id,
            force,
            &format!("Branch: copied {old_full} to {new_full}"),
        )?;
        return Ok(0);
    }
    let mut branch = place.repo.find_branch(&old, BranchType::Local)?;
    branch.rename(&new, force)?;
    Ok(0)
}

fn list(place: &Place, words: &Words) -> Outcome {
    let current = place.head_ref();
    let detached = current.is_none().then(|| crate::status::detached(place)).flatten();
    let mut items: Vec<Item> = vec![];
    for (name, id) in refs::all(place)? {
        let local = name.starts_with("refs/heads/");
        let remote = name.starts_with("refs/remotes/");
        let wanted = if words.has("all") {
            local || remote
        } else if words.has("remotes") {
            remote
        } else {
            local
        };
        if wanted {
            items.push(Item { name, id });
        }
    }
    let items = listing::filtered(place, words, items)?;
    if let Some(format) = words.value("format") {
        for item in &items {
            outln!("{}", listing::expand(place, format, item)?);
        }
        return Ok(0);
    }
    let all = words.has("all");
    let shown = |item: &Item| {
        let short = item
            .name
            .strip_prefix("refs/heads/")
            .or_else(|| item.name.strip_prefix("refs/remotes/"))
            .unwrap_or(&item.name);
        if all && item.name.starts_with("refs/remotes/") {
            format!("remotes/{short}")
        } else {
            short.to_owned()
        }
    };
    let head_line = match (&detached, place.head()) {
        (Some((name, at)), Some(head)) if !words.has("remotes") && words.operands.is_empty() => {
            let at = if *at { "at" } else { "from" };
            Some((format!("(HEAD detached {at} {name})"), head))
        }
        _ => None,
    };
    let width = items
        .iter()
        .map(|item| shown(item).chars().count())
        .chain(head_line.iter().map(|l| l.0.len()))
        .max()
        .unwrap_or(0);
    let line = |mark: char, name: &str, commit: Option<&Commit<'_>>, branch: Option<&str>| {
        let n_verbose = words.given.iter().filter(|g| g.name == "verbose").count();
        match commit.filter(|_| n_verbose > 0) {
            None => outln!("{mark} {name}"),
            Some(commit) => {
                let tracking =
                    branch.map(|branch| tracking(place, branch, n_verbose > 1)).unwrap_or_default();
                let subject = subject(commit.message_bytes());
                outln!(
                    "{mark} {name:<width$} {} {tracking}{}",
                    place.short(commit.id()),
                    lossy(&subject)
                );
            }
        }
    };
    if let Some((name, head)) = &head_line {
        line('*', name, Some(head), None);
    }
    for item in &items {
        let mark = if current.as_deref() == Some(&item.name) { '*' } else { ' ' };
        let name = shown(item);
        if let Some(target) = symbolic(place, &item.name) {
            outln!("{mark} {name:<0$} -> {target}", if words.has("verbose") { width } else { 0 });
            continue;
        }
        let commit = place.repo.find_commit(item.id).ok();
        line(mark, &name, commit.as_ref(), item.name.strip_prefix("refs/heads/"));
    }
    Ok(0)
}

fn symbolic(place: &Place, name: &str) -> Option<String> {
    let reference = place.repo.find_reference(name).ok()?;
    let target = reference.symbolic_target().ok().flatten()?.to_owned();
    Some(refs::shortened(&target).to_owned())
}

/// `[origin/main: ahead 1] ` of `-vv`, `[ahead 1] ` of `-v`.
fn tracking(place: &Place, branch: &str, named: bool) -> String {
    let Some((name, distance)) = crate::status::tracking(place, branch) else {
        return String::new();
    };
    let numbers = match distance {
        None => "gone".to_owned(),
        Some((0, 0)) => String::new(),
        Some((ahead, 0)) => format!("ahead {ahead}"),
        Some((0, behind)) => format!("behind {behind}"),
        Some((ahead, behind)) => format!("ahead {ahead}, behind {behind}"),
    };
    match (named, numbers.is_empty()) {
        (true, true) => format!("[{name}] "),
        (true, false) => format!("[{name}: {numbers}] "),
        (false, true) => String::new(),
        (false, false) => format!("[{numbers}] "),
    }
}
