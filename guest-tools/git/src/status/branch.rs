//! The branch that is checked out, and how far it is from its upstream.

use git2::{BranchType, Oid};

use crate::out::out;
use crate::place::Place;

/// The upstream of a branch: its short name, and how far ahead and behind the branch is; no numbers if
/// the upstream is gone.
pub(crate) fn tracking(place: &Place, branch: &str) -> Option<(String, Option<(usize, usize)>)> {
    let local = place.repo.find_branch(branch, BranchType::Local).ok();
    let name = place.repo.branch_upstream_name(&format!("refs/heads/{branch}")).ok()?;
    let name = name.as_str().ok()?.to_owned();
    let short = name
        .strip_prefix("refs/remotes/")
        .or_else(|| name.strip_prefix("refs/heads/"))
        .unwrap_or(&name);
    let theirs = place.repo.refname_to_id(&name).ok();
    let ours = local.and_then(|branch| branch.get().peel_to_commit().ok()).map(|c| c.id());
    let distance = match (ours, theirs) {
        (Some(ours), Some(theirs)) => place.repo.graph_ahead_behind(ours, theirs).ok(),
        _ => None,
    };
    Some((short.to_owned(), distance))
}

/// What follows `## `.
pub(super) fn short_line(place: &Place) -> String {
    let Some(branch) = place.branch() else { return "HEAD (no branch)".to_owned() };
    let initial = if place.head().is_none() { "No commits yet on " } else { "" };
    let upstream = tracking(place, &branch).map(|(name, distance)| {
        let numbers = match distance {
            None => " [gone]".to_owned(),
            Some((0, 0)) => String::new(),
            Some((ahead, 0)) => format!(" [ahead {ahead}]"),
            Some((0, behind)) => format!(" [behind {behind}]"),
            Some((ahead, behind)) => format!(" [ahead {ahead}, behind {behind}]"),
        };
        format!("...{name}{numbers}")
    });
    format!("{initial}{branch}{}", upstream.unwrap_or_default())
}

pub(super) fn porcelain2(place: &Place, head: Option<Oid>, end: &str) {
    match head {
        Some(id) => out!("# branch.oid {id}{end}"),
        None => out!("# branch.oid (initial){end}"),
    }
    let branch = place.branch();
    out!("# branch.head {}{end}", branch.as_deref().unwrap_or("(detached)"));
    if let Some((name, distance)) = branch.and_then(|branch| tracking(place, &branch)) {
        out!("# branch.upstream {name}{end}");
        if let Some((ahead, behind)) = distance {
            out!("# branch.ab +{ahead} -{behind}{end}");
        }
    }
}

/// Where a detached HEAD is: a name, and whether HEAD is still there.
pub(crate) fn detached(place: &Place) -> Option<(String, bool)> {
    let log = place.repo.reflog("HEAD").ok()?;
    let head = place.head_id()?;
    let (target, id) = log.iter().find_map(|entry| {
        let message = String::from_utf8_lossy(entry.message_bytes()?).into_owned();
        let (_, target) = message.strip_prefix("checkout: moving from ")?.split_once(" to ")?;
        Some((target.to_owned(), entry.id_new()))
    })?;
    let named = place.repo.resolve_reference_from_short_name(&target).is_ok() && target != "HEAD";
    let at_target = named
        && crate::rev::single(place, &target)
            .and_then(|o| o.peel_to_commit().ok())
            .is_some_and(|c| c.id() == id);
    let name = if at_target {
        let name = target.as_str();
        let prefixes = ["refs/heads/", "refs/remotes/", "refs/tags/", "heads/", "tags/"];
        prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name).to_owned()
    } else {
        place.short(id)
    };
    Some((name, head == id))
}

/// The lines about the upstream in long status.
pub(crate) fn tracking_text(place: &Place, branch: &str) -> String {
    let Some((name, distance)) = tracking(place, branch) else { return String::new() };
    let s = |n: usize| if n == 1 { "" } else { "s" };
    match distance {
        None => format!(
            "Your branch is based on '{name}', but the upstream is gone.\n  (use \"git branch --unset-upstream\" to fixup)\n"
        ),
        Some((0, 0)) => format!("Your branch is up to date with '{name}'.\n"),
        Some((ahead, 0)) => format!(
            "Your branch is ahead of '{name}' by {ahead} commit{}.\n  (use \"git push\" to publish your local commits)\n",
            s(ahead)
        ),
        Some((0, behind)) => format!(
            "Your branch is behind '{name}' by {behind} commit{}, and can be fast-forwarded.\n  (use \"git pull\" to update your local branch)\n",
            s(behind)
        ),
        Some((ahead, behind)) => format!(
            "Your branch and '{name}' have diverged,\nand have {ahead} and {behind} different commits each, respectively.\n  \
             (use \"git pull\" if you want to integrate the remote branch with yours)\n"
        ),
    }
}
