//! `git status [--short | --porcelain] [-b] [PATH]...`.

use git2::{Error, Status, StatusEntry, StatusOptions};

use crate::place::{Args, Place};

const STAGED: [(Status, char, &str); 5] = [
    (Status::INDEX_NEW, 'A', "new file:   "),
    (Status::INDEX_MODIFIED, 'M', "modified:   "),
    (Status::INDEX_DELETED, 'D', "deleted:    "),
    (Status::INDEX_RENAMED, 'R', "renamed:    "),
    (Status::INDEX_TYPECHANGE, 'T', "typechange: "),
];
const UNSTAGED: [(Status, char, &str); 3] = [
    (Status::WT_MODIFIED, 'M', "modified:   "),
    (Status::WT_DELETED, 'D', "deleted:    "),
    (Status::WT_TYPECHANGE, 'T', "typechange: "),
];

pub(crate) fn status(place: &mut Place, args: &Args) -> Result<i32, Error> {
    print(place, args)?;
    Ok(0)
}

/// Prints what differs between the last commit, the index and the files.
pub(crate) fn print(place: &Place, args: &Args) -> Result<(), Error> {
    let mut options = StatusOptions::new();
    options.include_untracked(true).renames_head_to_index(true);
    options.recurse_untracked_dirs(args.has(&["-uall", "--untracked-files=all"]));
    for spec in &place.specs(&args.operands(&[])) {
        options.pathspec(spec);
    }
    let statuses = place.repo.statuses(Some(&mut options))?;
    let mut files = vec![];
    for entry in statuses.iter() {
        if !entry.status().is_ignored() {
            files.push((entry.status(), name(&entry)?));
        }
    }
    let branch = place.branch();
    if args.has(&["-s", "--short", "--porcelain", "-sb", "--porcelain=v1"]) {
        if args.has(&["-b", "--branch", "-sb"]) {
            println!("## {}", branch.as_deref().unwrap_or("HEAD (no branch)"));
        }
        files.sort_by_key(|(status, path)| (status.is_wt_new(), path.clone()));
        files.iter().for_each(|(status, path)| println!("{} {path}", letters(*status)));
    } else {
        long(place, branch, &files);
    }
    Ok(())
}

/// The path; of a renamed file both.
fn name(entry: &StatusEntry<'_>) -> Result<String, Error> {
    let path = entry.path()?.to_owned();
    let renamed = entry.head_to_index().filter(|_| entry.status().is_index_renamed());
    let new = renamed
        .as_ref()
        .and_then(|delta| delta.new_file().path())
        .map(|p| p.to_string_lossy().into_owned());
    Ok(match new {
        Some(new) if new != path => format!("{path} -> {new}"),
        _ => path,
    })
}

fn letters(status: Status) -> String {
    if status.is_wt_new() {
        return "??".to_owned();
    }
    let letter = |table: &[(Status, char, &str)]| {
        table.iter().find(|(flag, ..)| status.contains(*flag)).map_or(' ', |(_, letter, _)| *letter)
    };
    format!("{}{}", letter(&STAGED), letter(&UNSTAGED))
}

fn long(place: &Place, branch: Option<String>, files: &[(Status, String)]) {
    match (branch, place.head()) {
        (Some(branch), _) => println!("On branch {branch}"),
        (None, Some(head)) => println!("HEAD detached at {}", crate::place::short(head.id())),
        (None, None) => {}
    }
    if place.head().is_none() {
        println!("\nNo commits yet\n");
    }
    let of = |table: &'static [(Status, char, &'static str)]| {
        files.iter().filter_map(move |(status, path)| {
            let (.., word) = table.iter().find(|(flag, ..)| status.contains(*flag))?;
            Some(format!("\t{word}{path}"))
        })
    };
    let staged: Vec<_> = of(&STAGED).collect();
    let unstaged: Vec<_> = of(&UNSTAGED).collect();
    let untracked: Vec<_> =
        files.iter().filter(|f| f.0.is_wt_new()).map(|f| format!("\t{}", f.1)).collect();
    let unstage = "  (use \"git restore --staged <file>...\" to unstage)\n";
    let update = "  (use \"git add <file>...\" to update what will be committed)\n  (use \"git restore <file>...\" to discard changes in working directory)\n";
    let include = "  (use \"git add <file>...\" to include in what will be committed)\n";
    section("Changes to be committed:", unstage, &staged);
    section("Changes not staged for commit:", update, &unstaged);
    section("Untracked files:", include, &untracked);
    if !staged.is_empty() {
        return;
    }
    println!(
        "{}",
        match (unstaged.is_empty(), untracked.is_empty()) {
            (false, _) => "no changes added to commit (use \"git add\" and/or \"git commit -a\")",
            (true, false) =>
                "nothing added to commit but untracked files present (use \"git add\" to track)",
            (true, true) => "nothing to commit, working tree clean",
        }
    );
}

fn section(title: &str, hint: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("{title}\n{hint}{}\n", lines.join("\n"));
    }
}
