//! Status in whole sentences.

use super::branch::{detached, tracking_text};
use super::{Change, Report, Untracked};
use crate::diff::{Formats, Pair, collect};
use crate::merge::rebase;
use crate::merge::todo::{Line, Todo};
use crate::out::{self, out, outln};
use crate::place::Place;
use crate::quote;

const LABELS: [(char, &str); 6] = [
    ('A', "new file:   "),
    ('C', "copied:     "),
    ('D', "deleted:    "),
    ('M', "modified:   "),
    ('R', "renamed:    "),
    ('T', "typechange: "),
];

fn conflict_label(stages: u8) -> &'static str {
    match stages {
        1 => "both deleted:    ",
        2 => "added by us:     ",
        3 => "deleted by them: ",
        4 => "added by them:   ",
        5 => "deleted by us:   ",
        6 => "both added:      ",
        _ => "both modified:   ",
    }
}

pub(super) fn print(report: &Report<'_>) {
    let place = report.place;
    head(report);
    state(report);
    if report.head.is_none() {
        outln!("\nNo commits yet\n");
    }
    let hints = place.setting_bool("advice.statushints").unwrap_or(true);
    let merging = place.meta("MERGE_HEAD").exists() || place.meta("CHERRY_PICK_HEAD").exists();
    let unstage = match (merging, report.head) {
        (true, _) => "",
        (_, Some(_)) => "  (use \"git restore --staged <file>...\" to unstage)\n",
        (_, None) => "  (use \"git rm --cached <file>...\" to unstage)\n",
    };
    let staged: Vec<&Pair> = report
        .changes
        .values()
        .filter(|c| c.stages == 0)
        .filter_map(|c| c.staged.as_ref())
        .collect();
    section(
        "Changes to be committed:",
        if hints { unstage } else { "" },
        &pair_lines(report, &staged),
    );
    conflicts(report, unstage, hints);
    let unstaged: Vec<&Pair> =
        report.changes.values().filter_map(|c| c.unstaged.as_ref()).collect();
    let add = if unstaged.iter().any(|p| p.new.is_none()) { "add/rm" } else { "add" };
    let update = format!(
        "  (use \"git {add} <file>...\" to update what will be committed)\n  (use \"git restore <file>...\" to discard changes in working directory)\n"
    );
    section(
        "Changes not staged for commit:",
        if hints { &update } else { "" },
        &pair_lines(report, &unstaged),
    );
    others(report, hints);
    verbose(report);
    last(report, !unstaged.is_empty());
}

fn head(report: &Report<'_>) {
    let place = report.place;
    if rebasing(place).is_some() {
        let onto = short(place, "onto");
        outln!("interactive rebase in progress; onto {onto}");
        return;
    }
    match place.branch() {
        Some(branch) => {
            outln!("On branch {branch}");
            let text = tracking_text(place, &branch);
            if !text.is_empty() {
                outln!("{text}");
            }
        }
        None => match detached(place) {
            Some((name, true)) => outln!("HEAD detached at {name}"),
            Some((name, false)) => outln!("HEAD detached from {name}"),
            None => outln!("Not currently on any branch."),
        },
    }
}

/// What is under way.
fn state(report: &Report<'_>) {
    let place = report.place;
    let conflict = report.changes.values().any(|change| change.stages > 0);
    let id_of = |name: &str| {
        let text = std::fs::read_to_string(place.meta(name)).ok()?;
        git2::Oid::from_str(text.trim()).ok().map(|id| place.short(id))
    };
    if place.meta("MERGE_HEAD").exists() {
        out!(
            "{}",
            if conflict {
                "You have unmerged paths.\n  (fix conflicts and run \"git commit\")\n  (use \"git merge --abort\" to abort the merge)\n\n"
            } else {
                "All conflicts fixed but you are still merging.\n  (use \"git commit\" to conclude merge)\n\n"
            }
        );
        return;
    }
    if let Some(todo) = rebasing(place) {
        rebase_state(report, &todo, conflict);
        return;
    }
    if let Ok(start) = std::fs::read_to_string(place.meta("BISECT_START")) {
        outln!(
            "You are currently bisecting, started from branch '{}'.\n  (use \"git bisect reset\" to get back to the original branch)\n",
            start.trim()
        );
        return;
    }
    for (file, doing, command, noun) in [
        ("CHERRY_PICK_HEAD", "cherry-picking", "cherry-pick", "cherry-pick"),
        ("REVERT_HEAD", "reverting", "revert", "revert"),
    ] {
        let Some(id) = id_of(file) else { continue };
        let first = if conflict {
            format!("fix conflicts and run \"git {command} --continue\"")
        } else {
            format!("all conflicts fixed: run \"git {command} --continue\"")
        };
        outln!(
            "You are currently {doing} commit {id}.\n  ({first})\n  (use \"git {command} --skip\" to skip this patch)\n  \
             (use \"git {command} --abort\" to cancel the {noun} operation)\n"
        );
        return;
    }
}

/// The list of a rebase that is under way.
fn rebasing(place: &Place) -> Option<Todo> {
    place.meta(rebase::FOLDER).join("interactive").exists().then(|| Todo::read(place).ok())?
}

fn short(place: &Place, name: &str) -> String {
    let id = rebase::kept(place, name).and_then(|text| git2::Oid::from_str(&text).ok());
    id.map_or_else(String::new, |id| place.short(id))
}

fn rebase_state(report: &Report<'_>, todo: &Todo, conflict: bool) {
    const N_SHOWN: usize = 2;
    let place = report.place;
    let line = |line: &Line| outln!("   {}", line.text(|id| place.short(id)));
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let (done, rest) = (todo.done(), todo.rest());
    if done.is_empty() {
        outln!("No commands done.");
    } else {
        let n = done.len();
        outln!("Last command{0} done ({n} command{0} done):", plural(n));
        done[n.saturating_sub(N_SHOWN)..].iter().for_each(line);
        if n > N_SHOWN {
            outln!("  (see more in file .git/rebase-merge/done)");
        }
    }
    if rest.is_empty() {
        outln!("No commands remaining.");
    } else {
        let n = rest.len();
        outln!("Next command{0} to do ({n} remaining command{0}):", plural(n));
        rest[..n.min(N_SHOWN)].iter().for_each(line);
        outln!("  (use \"git rebase --edit-todo\" to view and edit)");
    }
    let branch = rebase::kept(place, "head-name").unwrap_or_default();
    let what = match branch.strip_prefix("refs/heads/") {
        Some(branch) => format!(" branch '{branch}' on '{}'", short(place, "onto")),
        None => String::new(),
    };
    let staged = report.changes.values().any(|change| change.staged.is_some());
    let resolves = place.meta("MERGE_MSG").exists() && rebase::kept(place, "amend").is_none();
    if conflict {
        outln!(
            "You are currently rebasing{what}.\n  (fix conflicts and then run \"git rebase --continue\")\n  \
             (use \"git rebase --skip\" to skip this patch)\n  \
             (use \"git rebase --abort\" to check out the original branch)\n"
        );
    } else if resolves && (staged || rebase::kept(place, "stopped-sha").is_some()) {
        outln!(
            "You are currently rebasing{what}.\n  (all conflicts fixed: run \"git rebase --continue\")\n"
        );
    } else {
        outln!(
            "You are currently editing a commit while rebasing{what}.\n  \
             (use \"git commit --amend\" to amend the current commit)\n  \
             (use \"git rebase --continue\" once you are satisfied with your changes)\n"
        );
    }
}

fn name(report: &Report<'_>, path: &[u8]) -> Vec<u8> {
    let relative = report.place.setting_bool("status.relativepaths").unwrap_or(true);
    let seen = if relative { report.place.seen(path) } else { path.to_vec() };
    quote::path(&seen, report.diff.quotes_high)
}

fn pair_lines(report: &Report<'_>, pairs: &[&Pair]) -> Vec<Vec<u8>> {
    let line = |pair: &&Pair| {
        let label =
            LABELS.iter().find(|(letter, _)| *letter == pair.status()).map_or("", |found| found.1);
        let mut line = label.as_bytes().to_vec();
        if pair.renamed || pair.copied {
            line.extend(name(report, pair.old_path()));
            line.extend_from_slice(b" -> ");
        }
        line.extend(name(report, pair.path()));
        line
    };
    pairs.iter().map(line).collect()
}

fn section(title: &str, hint: &str, lines: &[Vec<u8>]) {
    if lines.is_empty() {
        return;
    }
    out!("{title}\n{hint}");
    for line in lines {
        out::bytes(&[b"\t", line.as_slice(), b"\n"].concat());
    }
    outln!("");
}

fn conflicts(report: &Report<'_>, unstage: &str, hints: bool) {
    let found: Vec<(&Vec<u8>, &Change)> =
        report.changes.iter().filter(|(_, change)| change.stages > 0).collect();
    if found.is_empty() {
        return;
    }
    let any = |test: fn(u8) -> bool| found.iter().any(|(_, change)| test(change.stages));
    let both_deleted = any(|stages| stages == 1);
    let one_deleted = any(|stages| matches!(stages, 3 | 5));
    let others = any(|stages| !matches!(stages, 1 | 3 | 5));
    let mark = match (both_deleted, one_deleted) {
        (false, false) => "  (use \"git add <file>...\" to mark resolution)\n",
        (true, false) if !others => "  (use \"git rm <file>...\" to mark resolution)\n",
        _ => "  (use \"git add/rm <file>...\" as appropriate to mark resolution)\n",
    };
    let line = |(path, change): &(&Vec<u8>, &Change)| {
        [conflict_label(change.stages).as_bytes(), &name(report, path)].concat()
    };
    let lines: Vec<Vec<u8>> = found.iter().map(line).collect();
    let hint = if hints { format!("{unstage}{mark}") } else { String::new() };
    section("Unmerged paths:", &hint, &lines);
}

fn others(report: &Report<'_>, hints: bool) {
    if report.request.untracked == Untracked::No {
        if report.is_committable() {
            let hint = if hints { " (use -u option to show untracked files)" } else { "" };
            outln!("Untracked files not listed{hint}");
        }
        return;
    }
    let lists = [
        ("Untracked files:", "add", &report.untracked),
        ("Ignored files:", "add -f", &report.ignored),
    ];
    for (title, command, paths) in lists {
        let hint =
            format!("  (use \"git {command} <file>...\" to include in what will be committed)\n");
        let lines: Vec<Vec<u8>> = paths.iter().map(|path| name(report, path)).collect();
        section(title, if hints { &hint } else { "" }, &lines);
    }
}

/// `-v`: what would be committed.
fn verbose(report: &Report<'_>) {
    if !report.request.verbose {
        return;
    }
    let tree = report.place.head_tree();
    let Ok(pairs) =
        collect::tree_index(report.place, tree.as_ref(), &report.stage, &report.request.paths)
    else {
        return;
    };
    let mut options = report.diff.options.clone();
    options.formats = Formats::PATCH;
    let diff = crate::diff::Diff::new(report.place, options);
    let pairs = diff.refine(pairs);
    // What cannot be shown is only missing here.
    drop(diff.print(&pairs));
}

fn last(report: &Report<'_>, unstaged: bool) {
    if report.is_committable() {
        return;
    }
    let dirty = unstaged || report.changes.values().any(|change| change.stages > 0);
    outln!(
        "{}",
        match () {
            () if report.request.amend => "No changes",
            () if dirty => "no changes added to commit (use \"git add\" and/or \"git commit -a\")",
            () if !report.untracked.is_empty() =>
                "nothing added to commit but untracked files present (use \"git add\" to track)",
            () if report.head.is_none() =>
                "nothing to commit (create/copy files and use \"git add\" to track)",
            () if report.request.untracked == Untracked::No =>
                "nothing to commit (use -u to show untracked files)",
            () => "nothing to commit, working tree clean",
        }
    );
}
