//! `git log -L`: the commits that changed ranges of lines, each with what it did to them.

use std::collections::HashMap;
use std::ops::Range;

use git2::{Commit, Oid};

use super::entry::Printer;
use super::graph::Graph;
use super::options::Log;
use super::walk::{self, Order, Step, Wanted};
use crate::cmd::blame;
use crate::diff::options::{Formats, Options, Renames};
use crate::diff::{Diff, Pair, collect, rename};
use crate::fail::{Outcome, fatal};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::tree;
use crate::work::Work;
use crate::xdiff;

/// Lines of a file, counted from 0: sorted, apart from each other, and none of them empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tracked {
    path: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

/// What a commit did to a file: the changed ranges of the old and the new text.
struct Change {
    old: Vec<u8>,
    new: Vec<u8>,
    old_path: Option<Vec<u8>>,
    hunks: Vec<(Range<usize>, Range<usize>)>,
}

/// Prints the history of the ranges that the options name.
pub(crate) fn history(place: &Place, log: &Log, options: Options) -> Outcome {
    let shown = options.formats;
    if (Formats { patch: false, none: false, ..shown }).any() {
        return Err(fatal("-L does not yet support diff formats besides -p and -s"));
    }
    let start =
        log.wanted.starts.first().copied().ok_or_else(|| fatal("no commit to start from"))?;
    let mut history = History { place, params: options.params.flags, due: HashMap::new() };
    history.due.insert(start, first_ranges(place, start, &log.lines)?);
    // All commits are walked, as ranges move in those that are not shown too.
    let all = Wanted {
        starts: log.wanted.starts.clone(),
        excluded: log.wanted.excluded.clone(),
        first_parent: log.wanted.first_parent,
        order: Order::Topological,
        ..Wanted::default()
    };
    let mut printer = Printer::new(place, Diff::new(place, options), log.style.clone());
    printer.graph = log.graph.then(Graph::new);
    let limits = &log.wanted;
    let mut found: Vec<(Step, Vec<u8>)> = vec![];
    let mut skip = limits.skip;
    walk::walk(place, &all, &mut |step: &Step| {
        if limits.max.is_some_and(|max| found.len() >= max) {
            return Ok(false);
        }
        let commit = place.repo.find_commit(step.id)?;
        let Some(text) = history.visit(&commit, limits.first_parent)? else { return Ok(true) };
        let time = commit.time().seconds();
        let fits = limits.filter.is_empty() || limits.filter.fits(&commit, place);
        let n = commit.parent_count();
        let is_wanted = fits
            && limits.since.is_none_or(|since| time >= since)
            && limits.until.is_none_or(|until| time <= until)
            && n >= limits.min_parents
            && limits.max_parents.is_none_or(|max| n <= max);
        if is_wanted && skip > 0 {
            skip -= 1;
        } else if is_wanted {
            found.push((step.clone(), text));
        }
        Ok(true)
    })?;
    if limits.reverse {
        found.reverse();
    }
    for (step, text) in &found {
        if let Some(graph) = &mut printer.graph {
            graph.update(step);
        }
        printer.with_lines(&place.repo.find_commit(step.id)?, &step.parents, text);
    }
    Ok(0)
}

/// What `-L` says about the commit that the walk starts at.
fn first_ranges(place: &Place, start: Oid, words: &[String]) -> Outcome<Vec<Tracked>> {
    let top = place.repo.find_commit(start)?.tree()?;
    let mut files: Vec<Tracked> = vec![];
    for word in words {
        let (range, file) = split(word).ok_or_else(|| {
            fatal(format!("-L argument not 'start,end:file' or ':funcname:file': {word}"))
        })?;
        let path = place.relative(file)?;
        let item = tree::lookup(&top, &path)
            .ok_or_else(|| fatal(format!("There is no path {} in the commit", lossy(&path))))?;
        let content = place.read(item.id)?;
        let n_lines = content.split_inclusive(|b| *b == b'\n').count();
        let range = blame::range(range, &content, n_lines, file)?;
        match files.iter_mut().find(|it| it.path == path) {
            Some(known) => known.ranges = merged(known.ranges.iter().cloned().chain([range])),
            None => files.push(Tracked { path, ranges: merged([range]) }),
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The range and the file of `start,end:file` or `:name:file`.
fn split(word: &str) -> Option<(&str, &str)> {
    if let Some(rest) = word.strip_prefix(':') {
        let at = rest.find(':')? + 1;
        return Some((&word[..at], &word[at + 1..])).filter(|it| !it.1.is_empty());
    }
    let first = end_of_place(word);
    let end = match word[first..].strip_prefix(',') {
        Some(rest) => first + 1 + end_of_place(rest),
        None => first,
    };
    let file = word[end..].strip_prefix(':')?;
    (!file.is_empty()).then_some((&word[..end], file))
}

/// Where a line number, a distance or a pattern between slashes ends.
fn end_of_place(text: &str) -> usize {
    if !text.starts_with('/') {
        let is_part = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-');
        return text.bytes().position(|b| !is_part(b)).unwrap_or(text.len());
    }
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'/' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

struct History<'a> {
    place: &'a Place,
    /// How texts are compared.
    params: u32,
    /// What is followed in commits that the walk has not reached yet.
    due: HashMap<Oid, Vec<Tracked>>,
}

impl History<'_> {
    /// The differences of a commit in the lines that are followed, which move on to its parents; `None` if it left
    /// them as they are.
    fn visit(&mut self, commit: &Commit<'_>, first_parent: bool) -> Outcome<Option<Vec<u8>>> {
        let Some(files) = self.due.remove(&commit.id()) else { return Ok(None) };
        let mut parents: Vec<Oid> = commit.parent_ids().collect();
        if first_parent {
            parents.truncate(1);
        }
        let mut moves = vec![];
        for parent in &parents {
            let (text, before) = self.step(commit, Some(*parent), &files)?;
            if text.is_empty() {
                self.owe(*parent, before);
                return Ok(None);
            }
            moves.push((*parent, before, text));
        }
        if parents.is_empty() {
            return Ok(Some(self.step(commit, None, &files)?.0));
        }
        let is_merge = moves.len() > 1;
        let mut shown = vec![];
        for (parent, before, text) in moves {
            self.owe(parent, before);
            if !is_merge {
                shown = text;
            }
        }
        Ok(Some(shown))
    }

    /// Follows lines in a commit, besides those that are followed there already.
    fn owe(&mut self, commit: Oid, files: Vec<Tracked>) {
        let known = self.due.entry(commit).or_default();
        for file in files {
            match known.iter_mut().find(|it| it.path == file.path) {
                Some(it) => it.ranges = merged(it.ranges.iter().cloned().chain(file.ranges)),
                None => known.push(file),
            }
        }
        known.retain(|it| !it.ranges.is_empty());
    }

    /// What changed against a parent, as text, and where the lines were there.
    fn step(
        &self,
        commit: &Commit<'_>,
        parent: Option<Oid>,
        files: &[Tracked],
    ) -> Outcome<(Vec<u8>, Vec<Tracked>)> {
        let (mut text, mut before) = (vec![], vec![]);
        for file in files {
            let Some(change) = self.change(commit, parent, &file.path)? else {
                before.push(file.clone());
                continue;
            };
            let touched: Vec<_> = change
                .hunks
                .iter()
                .filter(|(_, new)| file.ranges.iter().any(|range| overlap(new, range)))
                .cloned()
                .collect();
            if !touched.is_empty() {
                show(&mut text, file, &change);
            }
            if let Some(path) = &change.old_path {
                let ranges = moved(&file.ranges, &change.hunks, &touched);
                before.push(Tracked { path: path.clone(), ranges });
            }
        }
        Ok((text, before))
    }

    /// How a file came to be what it is; `None` if it was the same.
    fn change(
        &self,
        commit: &Commit<'_>,
        parent: Option<Oid>,
        path: &[u8],
    ) -> Outcome<Option<Change>> {
        let new_tree = commit.tree()?;
        let Some(item) = tree::lookup(&new_tree, path) else { return Ok(None) };
        let old = match parent {
            Some(parent) => self.source(parent, &new_tree, path)?,
            None => None,
        };
        if old.as_ref().is_some_and(|(name, old)| old.id == item.id && name == path) {
            return Ok(None);
        }
        let (old_path, old) = match old {
            Some((path, item)) => (Some(path), self.place.read(item.id)?),
            None => (None, vec![]),
        };
        let new = self.place.read(item.id)?;
        let hunks = xdiff::ranges(&old, &new, self.params)
            .into_iter()
            .map(|[a, n, b, m]| (a..a + n, b..b + m))
            .collect();
        Ok(Some(Change { old, new, old_path, hunks }))
    }

    /// The file that a path was in a parent, perhaps under another name.
    fn source(
        &self,
        parent: Oid,
        new_tree: &git2::Tree<'_>,
        path: &[u8],
    ) -> Outcome<Option<(Vec<u8>, tree::Item)>> {
        let old_tree = self.place.repo.find_commit(parent)?.tree()?;
        if let Some(item) = tree::lookup(&old_tree, path) {
            return Ok(Some((path.to_vec(), item)));
        }
        let all = Pathspec::default();
        let pairs = collect::trees(self.place, Some(&old_tree), Some(new_tree), &all)?;
        // Only this file is of interest as a target.
        let pairs: Vec<Pair> =
            pairs.into_iter().filter(|it| it.old.is_some() || it.path() == path).collect();
        let options = Options { renames: Renames::Moves, ..Options::default() };
        let found = rename::detect(pairs, &options, &Work::new(self.place))
            .into_iter()
            .find(|it| it.path() == path && it.renamed);
        Ok(found.and_then(|pair| {
            let item = tree::lookup(&old_tree, pair.old_path())?;
            Some((pair.old_path().to_vec(), item))
        }))
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.end > b.start && b.end > a.start
}

/// Ranges in order, joined where they meet.
fn merged(ranges: impl IntoIterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = ranges.into_iter().filter(|it| !it.is_empty()).collect();
    all.sort_by_key(|it| (it.start, it.end));
    let mut out: Vec<Range<usize>> = vec![];
    for range in all {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// Where lines were before: what was not changed by its distance, and all that changed lines took the place of.
fn moved(
    ranges: &[Range<usize>],
    hunks: &[(Range<usize>, Range<usize>)],
    touched: &[(Range<usize>, Range<usize>)],
) -> Vec<Range<usize>> {
    let mut rest: Vec<Range<usize>> = vec![];
    for range in ranges {
        let mut start = range.start;
        for (_, new) in hunks.iter().filter(|(_, new)| overlap(new, range)) {
            rest.push(start..new.start.max(start));
            start = new.end.max(start);
        }
        rest.push(start..range.end.max(start));
    }
    let shifted = rest.into_iter().filter(|it| !it.is_empty()).map(|range| {
        let before = hunks.iter().filter(|(_, new)| new.start <= range.start);
        let distance: isize =
            before.map(|(old, new)| old.len() as isize - new.len() as isize).sum();
        let at = |line: usize| line.saturating_add_signed(distance);
        at(range.start)..at(range.end)
    });
    merged(shifted.chain(touched.iter().map(|(old, _)| old.clone())))
}

/// The changes in the lines that are followed, each range with all of its lines.
fn show(out: &mut Vec<u8>, file: &Tracked, change: &Change) {
    let new_name = lossy(&file.path);
    let old_name = change.old_path.as_deref().map(lossy);
    let label = old_name.as_ref().map_or("/dev/null".to_owned(), |name| format!("a/{name}"));
    let first = old_name.as_ref().unwrap_or(&new_name);
    out.extend_from_slice(
        format!("diff --git a/{first} b/{new_name}\n--- {label}\n+++ b/{new_name}\n").as_bytes(),
    );
    let old: Vec<&[u8]> = change.old.split_inclusive(|b| *b == b'\n').collect();
    let new: Vec<&[u8]> = change.new.split_inclusive(|b| *b == b'\n').collect();
    for range in &file.ranges {
        let inside: Vec<_> = change.hunks.iter().filter(|(_, new)| overlap(new, range)).collect();
        let (Some((old_first, new_first)), Some((old_last, new_last))) =
            (inside.first(), inside.last())
        else {
            continue;
        };
        let start = old_first.start.saturating_sub(new_first.start.saturating_sub(range.start));
        let end = old_last.end + range.end.saturating_sub(new_last.end);
        let n = end - start;
        // Lines of an empty file are counted from none.
        let shown = if start == 0 && end == 0 { 0 } else { start + 1 };
        let header = format!("@@ -{shown},{n} +{},{} @@\n", range.start + 1, range.len());
        out.extend_from_slice(header.as_bytes());
        let mut at = range.start;
        for (gone, came) in inside {
            lines(out, b' ', &new[at..came.start.max(at)]);
            lines(out, b'-', &old[gone.clone()]);
            at = came.start.max(at);
            let until = came.end.min(range.end);
            lines(out, b'+', &new[at..until]);
            at = until;
        }
        lines(out, b' ', &new[at..range.end]);
    }
}

fn lines(out: &mut Vec<u8>, sign: u8, lines: &[&[u8]]) {
    for line in lines {
        out.push(sign);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}
