//! Taking a commit over on top of HEAD, and which commits a rebase takes.

use git2::{Commit, Oid};

use super::rebase::{FOLDER, keep, kept};
use super::switch::{self, MERGE};
use super::todo::Verb;
use super::trees::{self, Labels};
use super::{apply, command};
use crate::cmd::message::{self, Cleanup};
use crate::diff::{Diff, Formats, collect};
use crate::fail::{Outcome, fatal};
use crate::log::pretty::subject;
use crate::log::walk;
use crate::out::{self, note};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::stage::Stage;
use crate::{ident, refs};

pub(crate) enum Taken {
    Committed,
    /// Nothing was left of it.
    Dropped,
    Conflict,
}

/// The commits of `tip` that `upstream` does not have, the oldest first, merges left out.
pub(crate) fn commits(place: &Place, upstream: Option<Oid>, tip: Oid) -> Outcome<Vec<Oid>> {
    let wanted = walk::Wanted {
        starts: vec![tip],
        excluded: upstream.into_iter().collect(),
        reverse: true,
        order: walk::Order::Topological,
        max_parents: Some(1),
        ..walk::Wanted::default()
    };
    let mut found = vec![];
    walk::walk(place, &wanted, &mut |step| {
        found.push(step.id);
        Ok(true)
    })?;
    Ok(found)
}

/// What commits change.
pub(crate) fn patches(place: &Place, ids: &[Oid]) -> Outcome<Vec<Vec<u8>>> {
    let mut all = vec![];
    for id in ids {
        all.extend(patch(place, &place.repo.find_commit(*id)?)?);
    }
    Ok(all)
}

/// What a commit changes, without places and blanks: equal for commits that do the same. None if it changes nothing.
pub(crate) fn patch(place: &Place, commit: &Commit<'_>) -> Outcome<Option<Vec<u8>>> {
    let mut options = crate::diff::parse::Reader::new(None).options;
    options.formats = Formats::PATCH;
    let diff = Diff::new(place, options);
    let old = commit.parents().next().map(|parent| parent.tree()).transpose()?;
    let new = commit.tree()?;
    let pairs = collect::trees(place, old.as_ref(), Some(&new), &Pathspec::default())?;
    let (printed, text) = out::capture(|| diff.print(&pairs));
    printed?;
    let mut kept = vec![];
    for line in text.split(|b| *b == b'\n') {
        if line.starts_with(b"@@ ") || line.starts_with(b"index ") {
            continue;
        }
        kept.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
    }
    Ok((!kept.is_empty()).then_some(kept))
}

/// Takes a commit over.
pub(crate) fn take(
    place: &Place,
    commit: &Commit<'_>,
    verb: Verb,
    is_last_of_chain: bool,
) -> Outcome<Taken> {
    let head = place.head().ok_or_else(|| fatal("no HEAD"))?;
    let parent = commit.parents().next();
    let follows = parent.as_ref().map(Commit::id) == Some(head.id());
    if (follows || parent.is_none()) && !verb.joins() && kept(place, "force").is_none() {
        let mut stage = Stage::open(place)?;
        switch::switch(place, &mut stage, Some(&head.tree()?), Some(&commit.tree()?), &MERGE)?;
        stage.write()?;
        refs::detach_head(place, commit.id(), "rebase: fast-forward")?;
        return Ok(Taken::Committed);
    }
    let title =
        format!("{} ({})", place.short(commit.id()), lossy(&subject(commit.message_bytes())));
    let labels =
        Labels { base: format!("parent of {title}"), ours: "HEAD".to_owned(), theirs: title };
    let options = kept(place, "strategy_opts").unwrap_or_default();
    let how = command::how(options.split_whitespace())?;
    let base = parent.as_ref().map(Commit::tree).transpose()?;
    let (ours, theirs) = (head.tree()?, commit.tree()?);
    let merged = trees::merge(place, base.as_ref(), Some(&ours), Some(&theirs), &labels, how)?;
    let mut stage = Stage::open(place)?;
    let (clean, said) = out::capture(|| apply::apply(place, &mut stage, &merged, &MERGE));
    let message = lossy(commit.message_raw_bytes()).into_owned();
    if !clean? {
        out::bytes(&said);
        let text = message.clone() + &command::conflict_comment(&merged);
        std::fs::write(place.meta("MERGE_MSG"), text)?;
        keep(place, "message", message.trim_end_matches('\n'))?;
        return Ok(Taken::Conflict);
    }
    if verb.joins() {
        return join(place, &head, &message, &mut stage, verb, is_last_of_chain);
    }
    let was_empty = base.is_some_and(|tree| tree.id() == theirs.id());
    if stage.write_tree(place)? == head.tree_id() && !was_empty {
        note(format!(
            "dropping {} {} -- patch contents already upstream",
            commit.id(),
            lossy(&subject(commit.message_bytes()))
        ));
        return Ok(Taken::Dropped);
    }
    self::commit(place, commit, &message, &mut stage, "pick")?;
    Ok(Taken::Committed)
}

/// Commits what is staged as another commit's author.
pub(crate) fn commit(
    place: &Place,
    of: &Commit<'_>,
    message: &str,
    stage: &mut Stage,
    doing: &str,
) -> Outcome<Oid> {
    let head = place.head().ok_or_else(|| fatal("no HEAD"))?;
    let tree = place.repo.find_tree(stage.write_tree(place)?)?;
    let committer = ident::signature(place, "COMMITTER")?;
    let id = place.repo.commit(None, &of.author(), &committer, message, &tree, &[&head])?;
    let first = message.lines().next().unwrap_or_default();
    stage.write()?;
    refs::detach_head(place, id, &format!("rebase ({doing}): {first}"))?;
    crate::cmd::commit::clear_state(place);
    Ok(id)
}

/// Adds what is staged to the commit that is there. The message of a `squash` is asked for at the end of the chain.
fn join(
    place: &Place,
    head: &Commit<'_>,
    message: &str,
    stage: &mut Stage,
    verb: Verb,
    is_last: bool,
) -> Outcome<Taken> {
    let file = place.meta(FOLDER).join("message-squash");
    let before = std::fs::read_to_string(&file)
        .unwrap_or_else(|_| lossy(head.message_raw_bytes()).into_owned());
    let asks = verb == Verb::Squash || kept(place, "current-squash").is_some();
    if verb == Verb::Squash {
        keep(place, "current-squash", "t")?;
    }
    let joined = match verb {
        Verb::Squash => format!("{}\n\n{}", before.trim_end(), message),
        _ => before,
    };
    let text = match is_last && asks {
        true => message::edited(place, &joined)?,
        false => message::tidy(&joined, Cleanup::Whitespace),
    };
    let tree = place.repo.find_tree(stage.write_tree(place)?)?;
    let committer = ident::signature(place, "COMMITTER")?;
    let parents: Vec<Commit<'_>> = head.parents().collect();
    let parents: Vec<&Commit<'_>> = parents.iter().collect();
    let id = place.repo.commit(None, &head.author(), &committer, &text, &tree, &parents)?;
    stage.write()?;
    let name = if verb == Verb::Squash { "squash" } else { "fixup" };
    let first = text.lines().next().unwrap_or_default();
    refs::detach_head(place, id, &format!("rebase ({name}): {first}"))?;
    if is_last {
        // The next chain begins anew.
        drop(std::fs::remove_file(file));
        drop(std::fs::remove_file(place.meta(FOLDER).join("current-squash")));
        if asks {
            crate::cmd::commit::report(place, id, true, false)?;
        }
    } else {
        std::fs::write(file, joined)?;
    }
    Ok(Taken::Committed)
}
