//! `git branch` and `git tag`.

use git2::{BranchType, Error};

use crate::place::{Args, Place, short};

pub(crate) fn branch(place: &mut Place, args: &Args) -> Result<i32, Error> {
    if args.has(&["--show-current"]) {
        println!("{}", place.branch().unwrap_or_default());
        return Ok(0);
    }
    let operands = args.operands(&[]);
    if args.has(&["-d", "-D", "--delete"]) {
        for name in operands {
            let mut branch = place.repo.find_branch(name, BranchType::Local)?;
            let id = branch.get().peel_to_commit()?.id();
            branch.delete()?;
            println!("Deleted branch {name} (was {}).", short(id));
        }
        return Ok(0);
    }
    if args.has(&["-m", "-M", "--move"]) {
        let current = place.branch().unwrap_or_default();
        let (old, new) = match operands.as_slice() {
            [new] => (current.as_str(), *new),
            [old, new] => (*old, *new),
            _ => return Err(Error::from_str("branch name required")),
        };
        if place.head().is_none() {
            place.repo.set_head(&format!("refs/heads/{new}"))?;
        } else {
            place.repo.find_branch(old, BranchType::Local)?.rename(new, args.has(&["-M"]))?;
        }
        return Ok(0);
    }
    match operands.as_slice() {
        [] => list(place, args),
        [name] => create(place, name, "HEAD", args.has(&["-f", "--force"])).map(|()| 0),
        [name, start, ..] => create(place, name, start, args.has(&["-f", "--force"])).map(|()| 0),
    }
}

/// Makes a branch at a revision; on a repository without commits, the branch to come.
pub(crate) fn create(place: &Place, name: &str, start: &str, force: bool) -> Result<(), Error> {
    if start == "HEAD" && place.head().is_none() {
        return place.repo.set_head(&format!("refs/heads/{name}"));
    }
    let commit = place.resolve(start)?.peel_to_commit()?;
    place.repo.branch(name, &commit, force).map(drop)
}

fn list(place: &Place, args: &Args) -> Result<i32, Error> {
    let current = place.branch();
    for branch in place.repo.branches(Some(BranchType::Local))? {
        let (branch, _) = branch?;
        let name = String::from_utf8_lossy(branch.name_bytes()?).into_owned();
        let mark = if current.as_deref() == Some(&name) { '*' } else { ' ' };
        if args.has(&["-v", "-vv"]) {
            let commit = branch.get().peel_to_commit()?;
            let summary = commit.summary_bytes().map(String::from_utf8_lossy).unwrap_or_default();
            println!("{mark} {name} {} {summary}", short(commit.id()));
        } else {
            println!("{mark} {name}");
        }
    }
    Ok(0)
}

/// `git tag [NAME [REVISION]]`: lightweight tags.
pub(crate) fn tag(place: &mut Place, args: &Args) -> Result<i32, Error> {
    match args.operands(&["-m"]).as_slice() {
        [] => place.repo.tag_foreach(|_, name| {
            println!("{}", String::from_utf8_lossy(name).trim_start_matches("refs/tags/"));
            true
        })?,
        [name] if args.has(&["-d", "--delete"]) => place.repo.tag_delete(name)?,
        [name, rest @ ..] => {
            let target = place.resolve(rest.first().unwrap_or(&"HEAD"))?;
            place.repo.tag_lightweight(name, &target, args.has(&["-f", "--force"]))?;
        }
    }
    Ok(0)
}
