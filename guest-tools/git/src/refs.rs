//! Changing references, with what their logs say about it.

use git2::{Oid, Reference};

use crate::fail::Outcome;
use crate::place::Place;

/// Points HEAD, or the branch that it names, to a commit.
pub(crate) fn move_head(place: &Place, id: Oid, message: &str) -> Outcome<()> {
    if place.head_id() == Some(id) {
        // Nothing moves, but the log of HEAD says that it was asked for.
        log(place, "HEAD", id, id, message);
        return Ok(());
    }
    match place.head_ref() {
        Some(name) => drop(place.repo.reference(&name, id, true, message)?),
        None => drop(place.repo.reference("HEAD", id, true, message)?),
    }
    Ok(())
}

/// Lets HEAD name a branch.
pub(crate) fn head_to_branch(place: &Place, name: &str, message: &str) -> Outcome<()> {
    drop(place.repo.reference_symbolic("HEAD", name, true, message)?);
    Ok(())
}

/// Lets HEAD be a commit.
pub(crate) fn detach_head(place: &Place, id: Oid, message: &str) -> Outcome<()> {
    // Written as a link it would change the branch: HEAD itself must be replaced.
    let head = place.meta("HEAD");
    let old = place.head_id().unwrap_or(Oid::ZERO_SHA1);
    std::fs::write(&head, format!("{id}\n"))?;
    log(place, "HEAD", old, id, message);
    Ok(())
}

/// Appends to the log of a reference.
pub(crate) fn log(place: &Place, name: &str, old: Oid, new: Oid, message: &str) {
    use std::io::Write as _;
    let who = crate::ident::committer_or_default(place);
    let when = who.when();
    let (sign, offset) =
        (if when.offset_minutes() < 0 { '-' } else { '+' }, when.offset_minutes().abs());
    let line = format!(
        "{old} {new} {} <{}> {} {sign}{:02}{:02}\t{}\n",
        String::from_utf8_lossy(who.name_bytes()),
        String::from_utf8_lossy(who.email_bytes()),
        when.seconds(),
        offset / 60,
        offset % 60,
        message.replace('\n', " ")
    );
    let file = place.meta("logs").join(name);
    if let Some(folder) = file.parent() {
        // Without a log nothing else is lost.
        drop(std::fs::create_dir_all(folder));
    }
    if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(file) {
        drop(file.write_all(line.as_bytes()));
    }
}

/// The name of a reference without what all of its kind begin with.
pub(crate) fn shortened(name: &str) -> &str {
    ["refs/heads/", "refs/tags/", "refs/remotes/"]
        .iter()
        .find_map(|p| name.strip_prefix(p))
        .unwrap_or(name)
}

/// All references with their objects, sorted by name.
pub(crate) fn all(place: &Place) -> Outcome<Vec<(String, Oid)>> {
    let mut found = vec![];
    for reference in place.repo.references()?.flatten() {
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        if let Some(id) = target(&reference) {
            found.push((name, id));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn target(reference: &Reference<'_>) -> Option<Oid> {
    reference.resolve().ok()?.target()
}
