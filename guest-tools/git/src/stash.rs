//! `git stash [push [-u] [-m MESSAGE] | list | pop | apply | drop]`.

use git2::{Error, StashFlags};

use crate::place::{Args, Place};

pub(crate) fn stash(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let operands = args.operands(&["-m", "--message"]);
    let (action, rest) =
        operands.split_first().map_or(("push", &[][..]), |(action, rest)| (*action, rest));
    let number = rest.first().map_or(Ok(0), |name| parse(name))?;
    match action {
        "push" | "save" => push(place, args),
        "list" => {
            place.repo.stash_foreach(|i, name, _| {
                println!("stash@{{{i}}}: {name}");
                true
            })?;
            Ok(0)
        }
        "pop" => place.repo.stash_pop(number, None).map(|()| 0).map_err(no_entry),
        "apply" => place.repo.stash_apply(number, None).map(|()| 0).map_err(no_entry),
        "drop" => place.repo.stash_drop(number).map(|()| 0).map_err(no_entry),
        other => Err(Error::from_str(&format!("'{other}' is not a stash command of this sandbox"))),
    }
}

fn push(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let who = place.who("COMMITTER")?;
    let flags = if args.has(&["-u", "--include-untracked"]) {
        StashFlags::INCLUDE_UNTRACKED
    } else {
        StashFlags::DEFAULT
    };
    let message = args.value(&["-m", "--message"]);
    match place.repo.stash_save2(&who, message, Some(flags)) {
        Ok(_) => println!("Saved working directory and index state"),
        Err(e) if e.code() == git2::ErrorCode::NotFound => println!("No local changes to save"),
        Err(e) => return Err(e),
    }
    Ok(0)
}

/// `stash@{2}` or `2`.
fn parse(name: &str) -> Result<usize, Error> {
    let digits = name.trim_start_matches("stash@{").trim_end_matches('}');
    digits.parse().map_err(|_| Error::from_str(&format!("'{name}' is not a stash reference")))
}

fn no_entry(e: Error) -> Error {
    if e.code() == git2::ErrorCode::NotFound {
        Error::from_str("no stash entries found")
    } else {
        e
    }
}
