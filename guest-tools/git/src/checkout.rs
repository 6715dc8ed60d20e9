//! `git checkout`, `git switch`, `git restore` and `git reset`.

use git2::{Error, ResetType, build::CheckoutBuilder};

use crate::branch;
use crate::place::{Args, Place, short};

pub(crate) fn checkout(place: &mut Place, args: &Args) -> Result<i32, Error> {
    if let Some(name) = args.value(&["-b", "-B"]) {
        let (name, start) =
            (name.to_owned(), args.operands(&["-b", "-B"]).first().copied().unwrap_or("HEAD"));
        branch::create(place, &name, start, args.value(&["-B"]).is_some())?;
        return go_to(place, &name, true);
    }
    let (before, after) = args.split();
    let words: Vec<&str> =
        before.into_iter().filter(|w| *w == "-" || !w.starts_with('-')).collect();
    match (words.as_slice(), after) {
        ([], None) => Ok(0),
        ([], Some(paths)) => files(place, None, &paths, false),
        ([revision], Some(paths)) => files(place, Some(revision), &paths, true),
        ([name, paths @ ..], None) if *name == "-" || place.repo.revparse_single(name).is_ok() => {
            if paths.is_empty() {
                go_to(place, name, args.has(&["-q", "--quiet"]))
            } else {
                files(place, Some(name), paths, true)
            }
        }
        (paths, _) => files(place, None, paths, false),
    }
}

pub(crate) fn switch(place: &mut Place, args: &Args) -> Result<i32, Error> {
    match args.value(&["-c", "-C", "--create"]) {
        Some(name) => {
            let (name, start) = (
                name.to_owned(),
                args.operands(&["-c", "-C", "--create"]).first().copied().unwrap_or("HEAD"),
            );
            branch::create(place, &name, start, false)?;
            go_to(place, &name, true)
        }
        None => match args.operands(&[]).first() {
            Some(name) => go_to(place, name, false),
            None => Err(Error::from_str("missing branch or commit argument")),
        },
    }
}

pub(crate) fn restore(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let paths = args.operands(&["-s", "--source"]);
    if paths.is_empty() {
        return Err(Error::from_str("you must specify path(s) to restore"));
    }
    let staged = args.has(&["--staged", "-S"]);
    let source = args.value(&["-s", "--source"]);
    if staged {
        unstage(place, source.unwrap_or("HEAD"), &paths)?;
    }
    if !staged || args.has(&["--worktree", "-W"]) {
        return files(place, source, &paths, false);
    }
    Ok(0)
}

pub(crate) fn reset(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let (before, after) = args.split();
    let mut words: Vec<&str> = before.into_iter().filter(|w| !w.starts_with('-')).collect();
    let is_revision = words.first().is_some_and(|w| place.repo.revparse_single(w).is_ok());
    let revision = if is_revision { words.remove(0) } else { "HEAD" };
    words.extend(after.unwrap_or_default());
    if !words.is_empty() {
        unstage(place, revision, &words)?;
        return Ok(0);
    }
    let kind = if args.has(&["--hard"]) {
        ResetType::Hard
    } else if args.has(&["--soft"]) {
        ResetType::Soft
    } else {
        ResetType::Mixed
    };
    let target = place.resolve(revision)?;
    place.repo.reset(&target, kind, None)?;
    if matches!(kind, ResetType::Hard) && !args.has(&["-q", "--quiet"]) {
        let commit = target.peel_to_commit()?;
        let summary = commit.summary_bytes().map(String::from_utf8_lossy).unwrap_or_default();
        println!("HEAD is now at {} {summary}", short(commit.id()));
    }
    Ok(0)
}

fn unstage(place: &Place, revision: &str, paths: &[&str]) -> Result<(), Error> {
    let target = place.repo.revparse_single(revision).ok();
    place.repo.reset_default(target.as_ref(), place.specs(paths))
}

/// Writes files as the index has them, or as a revision does.
fn files(place: &Place, revision: Option<&str>, paths: &[&str], stage: bool) -> Result<i32, Error> {
    let specs = place.specs(paths);
    let index = place.repo.index()?;
    let tree = revision.map(|r| place.resolve(r)?.peel_to_tree()).transpose()?;
    for (path, spec) in paths.iter().zip(&specs) {
        let below = format!("{spec}/");
        let in_index = || {
            index.iter().any(|e| e.path == spec.as_bytes() || e.path.starts_with(below.as_bytes()))
        };
        let known = match &tree {
            Some(tree) => tree.get_path(std::path::Path::new(spec)).is_ok(),
            None => in_index(),
        };
        if !known && spec != "*" && !spec.contains('*') {
            return Err(Error::from_str(&format!(
                "pathspec '{path}' did not match any file(s) known to git"
            )));
        }
    }
    let mut builder = CheckoutBuilder::new();
    builder.force().update_index(stage);
    for spec in &specs {
        builder.path(spec);
    }
    match tree {
        Some(tree) => place.repo.checkout_tree(tree.as_object(), Some(&mut builder))?,
        None => place.repo.checkout_index(None, Some(&mut builder))?,
    }
    Ok(0)
}

/// Checks a branch or a commit out; changes that it would overwrite are an error.
fn go_to(place: &Place, name: &str, quiet: bool) -> Result<i32, Error> {
    let name = if name == "-" { "@{-1}" } else { name };
    let (object, reference) = place.repo.revparse_ext(name)?;
    let mut builder = CheckoutBuilder::new();
    builder.safe();
    place.repo.checkout_tree(&object, Some(&mut builder)).map_err(|e| match e.code() {
        git2::ErrorCode::Conflict => Error::from_str(
            "your local changes would be overwritten by checkout: commit them or stash them first",
        ),
        _ => e,
    })?;
    match reference.filter(git2::Reference::is_branch) {
        Some(branch) => {
            let full = branch.name()?.to_owned();
            place.repo.set_head(&full)?;
            if !quiet {
                eprintln!("Switched to branch '{}'", full.trim_start_matches("refs/heads/"));
            }
        }
        None => {
            let commit = object.peel_to_commit()?;
            place.repo.set_head_detached(commit.id())?;
            if !quiet {
                eprintln!("HEAD is now at {}", short(commit.id()));
            }
        }
    }
    Ok(0)
}
