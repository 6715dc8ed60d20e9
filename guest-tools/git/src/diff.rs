//! `git diff [--cached] [A [B] | A..B] [--stat | --name-only | --name-status | --numstat] [--] [PATH]...`.

use std::io::Write as _;

use git2::{Diff, DiffFormat, DiffOptions, DiffStatsFormat, Error, Tree};

use crate::place::{Args, Place};

pub(crate) fn diff(place: &mut Place, args: &Args) -> Result<i32, Error> {
    let (mut revisions, paths) = revisions_and_paths(place, args);
    let mut options = options(place, args, &paths)?;
    if let Some((from, to)) = revisions.first().and_then(|r| r.split_once("..")) {
        let end = |name: &str| {
            if name.is_empty() { "HEAD".to_owned() } else { name.trim_matches('.').to_owned() }
        };
        revisions = vec![end(from), end(to)];
    }
    let trees = revisions
        .iter()
        .map(|r| place.resolve(r)?.peel_to_tree())
        .collect::<Result<Vec<Tree<'_>>, _>>()?;
    let repo = &place.repo;
    let cached = args.has(&["--cached", "--staged"]);
    let diff = match trees.as_slice() {
        [a, b, ..] => repo.diff_tree_to_tree(Some(a), Some(b), Some(&mut options))?,
        [a] if cached => repo.diff_tree_to_index(Some(a), None, Some(&mut options))?,
        [a] => repo.diff_tree_to_workdir_with_index(Some(a), Some(&mut options))?,
        [] if cached => {
            repo.diff_tree_to_index(place.head_tree().as_ref(), None, Some(&mut options))?
        }
        [] => repo.diff_index_to_workdir(None, Some(&mut options))?,
    };
    let changed = diff.deltas().len() > 0;
    if !args.has(&["--quiet", "-q"]) {
        print(&diff, args)?;
    }
    Ok(i32::from(changed && args.has(&["--quiet", "-q", "--exit-code"])))
}

/// What a word is, git decides by looking: before `--` a revision if it names one, else a path.
fn revisions_and_paths(place: &Place, args: &Args) -> (Vec<String>, Vec<String>) {
    let (before, after) = args.split();
    let (mut revisions, mut paths) = (vec![], vec![]);
    for word in before.into_iter().filter(|w| !w.starts_with('-')) {
        let is_revision = word.contains("..") || place.repo.revparse_single(word).is_ok();
        if is_revision { revisions.push(word.to_owned()) } else { paths.push(word.to_owned()) }
    }
    paths.extend(after.unwrap_or_default().into_iter().map(str::to_owned));
    (revisions, paths)
}

fn options(place: &Place, args: &Args, paths: &[String]) -> Result<DiffOptions, Error> {
    let mut options = DiffOptions::new();
    if let Some(context) = args.value(&["-U", "--unified"]) {
        let context = context.parse().map_err(|_| Error::from_str("-U expects a number"))?;
        options.context_lines(context);
    }
    options.ignore_whitespace(args.has(&["-w", "--ignore-all-space"]));
    options.ignore_whitespace_change(args.has(&["-b", "--ignore-space-change"]));
    options.reverse(args.has(&["-R"]));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    for spec in &place.specs(&paths) {
        options.pathspec(spec);
    }
    Ok(options)
}

/// Prints a diff in the form that the options ask for.
pub(crate) fn print(diff: &Diff<'_>, args: &Args) -> Result<(), Error> {
    if args.has(&["--stat", "--shortstat", "--numstat"]) {
        let format = if args.has(&["--shortstat"]) {
            DiffStatsFormat::SHORT
        } else if args.has(&["--numstat"]) {
            DiffStatsFormat::NUMBER
        } else {
            DiffStatsFormat::FULL
        };
        print!("{}", String::from_utf8_lossy(&diff.stats()?.to_buf(format, 80)?));
        return Ok(());
    }
    let format = if args.has(&["--name-only"]) {
        DiffFormat::NameOnly
    } else if args.has(&["--name-status"]) {
        DiffFormat::NameStatus
    } else {
        DiffFormat::Patch
    };
    let mut out = std::io::stdout().lock();
    diff.print(format, |_, _, line| {
        let sign = matches!(line.origin(), '+' | '-' | ' ').then(|| line.origin().to_string());
        out.write_all(sign.unwrap_or_default().as_bytes())
            .and_then(|()| out.write_all(line.content()))
            .is_ok()
    })
}
