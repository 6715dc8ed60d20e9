//! `git blame`: which commit each line came with.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use git2::{Commit, Oid};

use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::date;
use crate::diff::options::Options;
use crate::diff::{Pair, collect, rename};
use crate::fail::{Outcome, fatal, plain};
use crate::log::pretty::subject;
use crate::out::{self, out, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::regexp::{Regexp, Syntax};
use crate::rev;
use crate::tree;
use crate::work::Work;
use crate::xdiff;

const USAGE: &str = "git blame [<options>] [<rev-opts>] [<rev>] [--] <file>";
const TABLE: &[Opt] = &[
    flag(' ', "incremental"),
    flag('b', "b"),
    flag(' ', "root"),
    flag(' ', "show-stats"),
    flag(' ', "progress"),
    flag(' ', "score-debug"),
    flag('f', "show-name"),
    flag('n', "show-number"),
    flag('p', "porcelain"),
    flag(' ', "line-porcelain"),
    flag('c', "c"),
    flag('t', "t"),
    flag('l', "l"),
    flag('s', "s"),
    flag('e', "show-email"),
    flag('w', "w"),
    value(' ', "ignore-rev"),
    value(' ', "ignore-revs-file"),
    flag(' ', "color-lines"),
    flag(' ', "color-by-age"),
    flag(' ', "minimal"),
    value('S', "S"),
    value(' ', "contents"),
    maybe('C', "C"),
    maybe('M', "M"),
    value('L', "L"),
    maybe(' ', "abbrev"),
    value(' ', "date"),
    flag(' ', "first-parent"),
    flag(' ', "reverse"),
    value(' ', "since"),
];

/// The commit that stands for what is not committed.
const NOT_YET: &str = "Not Committed Yet";

/// Lines of the file, and where they are in the version of a commit.
#[derive(Clone, Debug)]
struct Piece {
    /// In the file that is shown, from 0.
    shown: Range<usize>,
    /// The first of them in this version.
    start: usize,
}

/// A line's origin.
#[derive(Clone)]
struct Origin {
    id: Option<Oid>,
    path: Vec<u8>,
    line: usize,
}

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    if words.has("reverse") {
        return Err(crate::fail::refuse("blame --reverse"));
    }
    let (revision, file) = target(place, &words)?;
    let path = place.relative(&file)?;
    let commit = match &revision {
        Some(name) => Some(place.commit(name)?),
        None => None,
    };
    let content = content(place, &words, commit.as_ref(), &path, &file)?;
    let n_lines = content.split_inclusive(|b| *b == b'\n').count();
    let ranges = ranges(&words, &content, n_lines, &file)?;
    let mut blame = Blame {
        place,
        flags: if words.has("w") { xdiff::IGNORE_ALL_SPACE } else { 0 },
        first: words.has("first-parent"),
        origins: vec![None; n_lines],
        boundary: HashMap::new(),
    };
    blame.trace(commit, path, &content, &ranges)?;
    print(place, &words, &blame, &content, &ranges);
    Ok(0)
}

fn target(place: &Place, words: &Words) -> Outcome<(Option<String>, String)> {
    let (before, after) = words.split();
    match (before, after) {
        ([], [file]) | ([file], []) => {
            let path = place.relative(file)?;
            let in_head = place.head_tree().and_then(|tree| tree::lookup(&tree, &path)).is_some();
            if !rev::is_file(place, file) && !in_head {
                return Err(fatal(format!("no such path '{file}' in HEAD")));
            }
            if !in_head {
                return Err(fatal(format!("no such path '{}' in HEAD", lossy(&path))));
            }
            Ok((None, file.clone()))
        }
        ([revision], [file]) => Ok((Some(revision.clone()), file.clone())),
        ([a, b], []) if rev::single(place, b).is_some() && rev::is_file(place, a) => {
            Ok((Some(b.clone()), a.clone()))
        }
        ([a, b], []) => {
            if rev::single(place, a).is_none() {
                return Err(fatal(format!("bad revision '{a}'")));
            }
            Ok((Some(a.clone()), b.clone()))
        }
        _ => Err(plain(129, format!("usage: {USAGE}"))),
    }
}

fn content(
    place: &Place,
    words: &Words,
    commit: Option<&Commit<'_>>,
    path: &[u8],
    file: &str,
) -> Outcome<Vec<u8>> {
    if let Some(name) = words.value("contents") {
        return Ok(std::fs::read(name)?);
    }
    match commit {
        Some(commit) => {
            let item = tree::lookup(&commit.tree()?, path);
            let item = item
                .ok_or_else(|| fatal(format!("no such path {} in {}", lossy(path), commit.id())))?;
            place.read(item.id)
        }
        None => {
            let work = Work::new(place);
            let meta = work.find(path).ok_or_else(|| {
                fatal(format!("Cannot lstat '{file}': No such file or directory"))
            })?;
            Ok(work.stored(path, &meta)?)
        }
    }
}

/// The ranges of `-L`, from 0.
fn ranges(words: &Words, content: &[u8], n_lines: usize, file: &str) -> Outcome<Vec<Range<usize>>> {
    let mut found: Vec<Range<usize>> = vec![];
    for text in words.values("L") {
        found.push(range(text, content, n_lines, file)?);
    }
    if found.is_empty() {
        return Ok(vec![0..n_lines]);
    }
    found.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = vec![];
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    Ok(merged)
}

/// One range as `-L` writes it, from 0.
pub(crate) fn range(
    text: &str,
    content: &[u8],
    n_lines: usize,
    file: &str,
) -> Outcome<Range<usize>> {
    let lines: Vec<&[u8]> = content.split(|b| *b == b'\n').collect();
    if let Some(pattern) = text.strip_prefix(':') {
        let regexp = Regexp::new(pattern, Syntax::Extended, false, false)?;
        let starts = |line: &[u8]| {
            line.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'))
        };
        let start = lines.iter().position(|line| starts(line) && regexp.matches(line));
        let start = start.ok_or_else(|| {
            fatal(format!("-L parameter '{pattern}' starting at line 1: no match"))
        })?;
        let end = lines
            .iter()
            .skip(start + 1)
            .position(|line| starts(line))
            .map_or(n_lines, |n| start + 1 + n);
        return Ok(start..end.min(n_lines));
    }
    let (first, second) = split_range(text);
    let find = |text: &str, from: usize| -> Outcome<usize> {
        if let Some(pattern) = text.strip_prefix('/') {
            let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
            let regexp = Regexp::new(pattern, Syntax::Basic, false, false)?;
            let at = lines.iter().skip(from).position(|line| regexp.matches(line));
            return at.map(|n| from + n + 1).ok_or_else(|| {
                fatal(format!("-L parameter '{pattern}' starting at line {}: no match", from + 1))
            });
        }
        text.parse().map_err(|_| fatal(format!("invalid -L range: {text}")))
    };
    let start = if first.is_empty() { 1 } else { find(first, 0)? };
    let end = match second {
        "" => n_lines,
        text if text.starts_with('+') => start + text[1..].parse::<usize>().unwrap_or(1) - 1,
        text if text.starts_with('-') => {
            let n = text[1..].parse::<usize>().unwrap_or(1);
            return Ok(start.saturating_sub(n)..start);
        }
        text => find(text, start)?,
    };
    if start > n_lines || start == 0 {
        let s = if n_lines == 1 { "" } else { "s" };
        return Err(fatal(format!("file {file} has only {n_lines} line{s}")));
    }
    let (start, end) = (start.min(end), start.max(end));
    Ok(start - 1..end.min(n_lines))
}

fn split_range(text: &str) -> (&str, &str) {
    if let Some(rest) = text.strip_prefix('/')
        && let Some(at) = rest.find('/')
    {
        let end = at + 2;
        return (&text[..end], text[end..].strip_prefix(',').unwrap_or_default());
    }
    text.split_once(',').unwrap_or((text, ""))
}

struct Blame<'a> {
    place: &'a Place,
    flags: u32,
    first: bool,
    origins: Vec<Option<Origin>>,
    boundary: HashMap<Oid, bool>,
}

impl<'a> Blame<'a> {
    fn trace(
        &mut self,
        commit: Option<Commit<'a>>,
        path: Vec<u8>,
        content: &[u8],
        ranges: &[Range<usize>],
    ) -> Outcome<()> {
        let pieces: Vec<Piece> =
            ranges.iter().map(|r| Piece { shown: r.clone(), start: r.start }).collect();
        // Suspects by date, the youngest first.
        let mut open: HashMap<(Oid, Vec<u8>), Vec<Piece>> = HashMap::new();
        match commit {
            Some(commit) => drop(open.insert((commit.id(), path), pieces)),
            None => {
                let head = self.place.head().ok_or_else(|| fatal("no such ref: HEAD"))?;
                let old = tree::lookup(&head.tree()?, &path)
                    .map(|item| self.place.read(item.id))
                    .transpose()?;
                let Some(old) = old else {
                    return Err(fatal(format!("no such path '{}' in HEAD", lossy(&path))));
                };
                let (passed, kept) = self.pass(pieces, &old, content);
                self.settle(None, &path, kept);
                open.insert((head.id(), path), passed);
            }
        }
        let mut order: BTreeMap<(i64, usize), (Oid, Vec<u8>)> = BTreeMap::new();
        let mut n = usize::MAX;
        for (id, path) in open.keys() {
            order.insert((self.time(*id), n), (*id, path.clone()));
            n -= 1;
        }
        while let Some((_, key)) = order.pop_last() {
            let Some(pieces) = open.remove(&key) else { continue };
            if pieces.is_empty() {
                continue;
            }
            for (id, path, pieces) in self.suspect(key.0, key.1, pieces)? {
                let entry = open.entry((id, path.clone())).or_default();
                if entry.is_empty() {
                    order.insert((self.time(id), n), (id, path));
                    n -= 1;
                }
                entry.extend(pieces);
            }
        }
        Ok(())
    }

    fn time(&self, id: Oid) -> i64 {
        self.place.repo.find_commit(id).map_or(0, |commit| commit.time().seconds())
    }

    /// Passes lines on to the parents; what is left came with the commit.
    fn suspect(
        &mut self,
        id: Oid,
        path: Vec<u8>,
        mut pieces: Vec<Piece>,
    ) -> Outcome<Vec<(Oid, Vec<u8>, Vec<Piece>)>> {
        let commit = self.place.repo.find_commit(id)?;
        let item = tree::lookup(&commit.tree()?, &path);
        let Some(item) = item else { return Ok(vec![]) };
        let content = self.place.read(item.id)?;
        let mut parents: Vec<Oid> = commit.parent_ids().collect();
        if self.first {
            parents.truncate(1);
        }
        self.boundary.insert(id, parents.is_empty());
        let mut out: Vec<(Oid, Vec<u8>, Vec<Piece>)> = vec![];
        let mut found = vec![];
        for parent in parents {
            let Some((old_path, old)) = self.in_parent(&commit, parent, &path)? else { continue };
            if old.id == item.id {
                // The same file: all goes there.
                out.push((parent, old_path, pieces));
                return Ok(out);
            }
            found.push((parent, old_path, old));
        }
        for (parent, old_path, old) in found {
            let old = self.place.read(old.id)?;
            let (passed, kept) = self.pass(pieces, &old, &content);
            pieces = kept;
            if !passed.is_empty() {
                out.push((parent, old_path, passed));
            }
        }
        self.settle(Some(id), &path, pieces);
        Ok(out)
    }

    /// The file in a parent, by its name or by the one that it had before.
    fn in_parent(
        &self,
        commit: &Commit<'_>,
        parent: Oid,
        path: &[u8],
    ) -> Outcome<Option<(Vec<u8>, tree::Item)>> {
        let old_tree = self.place.repo.find_commit(parent)?.tree()?;
        if let Some(item) = tree::lookup(&old_tree, path) {
            return Ok(Some((path.to_vec(), item)));
        }
        let new_tree = commit.tree()?;
        let pairs =
            collect::trees(self.place, Some(&old_tree), Some(&new_tree), &Pathspec::default())?;
        // Only this file is of interest as a target.
        let pairs: Vec<Pair> =
            pairs.into_iter().filter(|p| p.old.is_some() || p.path() == path).collect();
        let work = Work::new(self.place);
        let found = rename::detect(pairs, &Options::default(), &work)
            .into_iter()
            .find(|p| p.path() == path && p.renamed);
        Ok(found.and_then(|pair| {
            Some((pair.old_path().to_vec(), tree::lookup(&old_tree, pair.old_path())?))
        }))
    }

    /// Splits pieces into those that the old text has and the others.
    fn pass(&self, pieces: Vec<Piece>, old: &[u8], new: &[u8]) -> (Vec<Piece>, Vec<Piece>) {
        let changes = xdiff::ranges(old, new, self.flags | xdiff::INDENT_HEURISTIC);
        let (mut passed, mut kept) = (vec![], vec![]);
        for piece in pieces {
            let mut at = piece.start;
            let end = piece.start + piece.shown.len();
            let sub = |from: usize, to: usize, start: usize| Piece {
                shown: piece.shown.start + (from - piece.start)
                    ..piece.shown.start + (to - piece.start),
                start,
            };
            let mut shift = 0isize;
            for [old_start, old_len, new_start, new_len] in &changes {
                if *new_start >= end {
                    break;
                }
                if *new_start > at {
                    passed.push(sub(at, *new_start, (at as isize + shift) as usize));
                    at = *new_start;
                }
                let to = (new_start + new_len).min(end);
                if to > at {
                    kept.push(sub(at, to, at));
                    at = to;
                }
                shift = (old_start + old_len) as isize - (new_start + new_len) as isize;
            }
            if at < end {
                passed.push(sub(at, end, (at as isize + shift) as usize));
            }
        }
        (passed, kept)
    }

    fn settle(&mut self, id: Option<Oid>, path: &[u8], pieces: Vec<Piece>) {
        for piece in pieces {
            for (n, shown) in piece.shown.clone().enumerate() {
                self.origins[shown] =
                    Some(Origin { id, path: path.to_vec(), line: piece.start + n + 1 });
            }
        }
    }
}

/// What is shown of a commit.
struct Shown {
    name: String,
    email: String,
    when: git2::Time,
}

fn shown(place: &Place, id: Option<Oid>) -> Shown {
    match id.and_then(|id| place.repo.find_commit(id).ok()) {
        Some(commit) => {
            let author = place.mapped(&commit.author());
            Shown {
                name: lossy(author.name_bytes()).into_owned(),
                email: lossy(author.email_bytes()).into_owned(),
                when: author.when(),
            }
        }
        None => Shown {
            name: NOT_YET.to_owned(),
            email: "not.committed.yet".to_owned(),
            when: git2::Time::new(date::now(), 0),
        },
    }
}

fn print(place: &Place, words: &Words, blame: &Blame<'_>, content: &[u8], ranges: &[Range<usize>]) {
    let lines: Vec<&[u8]> = content.split_inclusive(|b| *b == b'\n').collect();
    let wanted: Vec<usize> = ranges.iter().flat_map(Clone::clone).collect();
    if words.has("porcelain") || words.has("line-porcelain") {
        return porcelain(place, words, blame, &lines, &wanted);
    }
    let origin = |n: usize| {
        blame.origins[n].clone().unwrap_or(Origin { id: None, path: vec![], line: n + 1 })
    };
    let mut people: HashMap<Option<Oid>, Shown> = HashMap::new();
    for n in &wanted {
        let id = origin(*n).id;
        people.entry(id).or_insert_with(|| shown(place, id));
    }
    let who = |id: Option<Oid>| {
        if words.has("show-email") {
            format!("<{}>", people[&id].email)
        } else {
            people[&id].name.clone()
        }
    };
    let paths: Vec<Vec<u8>> = wanted.iter().map(|n| origin(*n).path).collect();
    let named = words.has("show-name")
        || paths.windows(2).any(|w| w[0] != w[1])
        || paths.first().is_some_and(|p| blame.origins.iter().flatten().any(|o| o.path != *p))
        || renamed(place, words, &paths);
    let name_width = paths.iter().map(|path| lossy(path).chars().count()).max().unwrap_or(0);
    let who_width = wanted.iter().map(|n| who(origin(*n).id).chars().count()).max().unwrap_or(0);
    let number_width = wanted.last().map_or(1, |n| (n + 1).to_string().len());
    let old_width = wanted.iter().map(|n| origin(*n).line.to_string().len()).max().unwrap_or(1);
    let mode = words.value("date").map_or_else(
        || place.setting("blame.date").unwrap_or_else(|| "iso".to_owned()),
        str::to_owned,
    );
    let digits = match words.value("abbrev").and_then(|n| n.parse::<usize>().ok()) {
        Some(n) => (n + 1).min(40),
        None if words.has("l") => 40,
        None => {
            wanted
                .iter()
                .filter_map(|n| origin(*n).id)
                .map(|id| place.short(id).len())
                .max()
                .unwrap_or(place.digits())
                .max(place.digits())
                + 1
        }
    };
    for n in &wanted {
        let origin = origin(*n);
        let id = origin.id.unwrap_or(Oid::ZERO_SHA1).to_string();
        let boundary = origin.id.is_some_and(|id| blame.boundary.get(&id) == Some(&true))
            && !words.has("root");
        let id = match (boundary, words.has("b")) {
            (true, true) => " ".repeat(digits),
            (true, false) => format!("^{}", &id[..digits - 1]),
            _ => id[..digits].to_owned(),
        };
        out!("{id}");
        if named {
            out!(" {:<name_width$}", lossy(&origin.path));
        }
        if words.has("show-number") {
            out!(" {:>old_width$}", origin.line);
        }
        if !words.has("s") {
            let person = who(origin.id);
            let when = people[&origin.id].when;
            let date =
                if words.has("t") { date::show(when, "raw") } else { date::show(when, &mode) };
            let padding = " ".repeat(who_width.saturating_sub(person.chars().count()));
            out!(" ({person}{padding} {} {:>number_width$})", date.unwrap_or_default(), n + 1);
        } else {
            out!(" {:>number_width$})", n + 1);
        }
        out::bytes(b" ");
        out::bytes(lines[*n]);
        if !lines[*n].ends_with(b"\n") {
            out::bytes(b"\n");
        }
    }
}

/// Whether lines come from another name than the one that was asked for.
fn renamed(place: &Place, words: &Words, paths: &[Vec<u8>]) -> bool {
    let asked =
        words.operands.last().and_then(|file| place.relative(file).ok()).unwrap_or_default();
    paths.iter().any(|path| *path != asked)
}

fn porcelain(place: &Place, words: &Words, blame: &Blame<'_>, lines: &[&[u8]], wanted: &[usize]) {
    let mut told: Vec<Option<Oid>> = vec![];
    let same_run =
        |a: &Origin, b: &Origin| a.id == b.id && a.path == b.path && b.line == a.line + 1;
    let mut at = 0;
    while at < wanted.len() {
        let Some(first) = blame.origins[wanted[at]].clone() else {
            at += 1;
            continue;
        };
        let mut n = 1;
        let mut last = first.clone();
        while let Some(next) = wanted
            .get(at + n)
            .filter(|next| **next == wanted[at + n - 1] + 1)
            .and_then(|n| blame.origins[*n].clone())
        {
            if !same_run(&last, &next) {
                break;
            }
            last = next;
            n += 1;
        }
        for i in 0..n {
            let shown_line = wanted[at + i] + 1;
            let id = first.id.unwrap_or(Oid::ZERO_SHA1);
            let count = if i == 0 { format!(" {n}") } else { String::new() };
            outln!("{id} {} {shown_line}{count}", first.line + i);
            if words.has("line-porcelain") || (i == 0 && !told.contains(&first.id)) {
                told.push(first.id);
                headers(place, blame, &first);
            }
            out::bytes(b"\t");
            out::bytes(lines[wanted[at + i]]);
            if !lines[wanted[at + i]].ends_with(b"\n") {
                out::bytes(b"\n");
            }
        }
        at += n;
    }
}

fn headers(place: &Place, blame: &Blame<'_>, origin: &Origin) {
    let commit = origin.id.and_then(|id| place.repo.find_commit(id).ok());
    let person = |role: &str, name: &str, email: &str, when: git2::Time| {
        let raw = date::show(when, "raw").unwrap_or_default();
        let (time, zone) = raw.split_once(' ').unwrap_or((&raw, ""));
        outln!("{role} {name}\n{role}-mail <{email}>\n{role}-time {time}\n{role}-tz {zone}");
    };
    match &commit {
        Some(commit) => {
            for (role, who) in [("author", commit.author()), ("committer", commit.committer())] {
                let who = place.mapped(&who);
                person(role, &lossy(who.name_bytes()), &lossy(who.email_bytes()), who.when());
            }
            outln!("summary {}", lossy(&subject(commit.message_bytes())));
            if blame.boundary.get(&commit.id()) == Some(&true) {
                outln!("boundary");
            } else if let Ok(parent) = commit.parent(0)
                && let Ok(tree) = parent.tree()
                && tree::lookup(&tree, &origin.path).is_some()
            {
                outln!("previous {} {}", parent.id(), lossy(&origin.path));
            }
        }
        None => {
            let now = git2::Time::new(date::now(), 0);
            person("author", NOT_YET, "not.committed.yet", now);
            person("committer", NOT_YET, "not.committed.yet", now);
            outln!("summary Version of {0} from {0}", lossy(&origin.path));
            if let Some(head) = place.head_id() {
                outln!("previous {head} {}", lossy(&origin.path));
            }
        }
    }
    outln!("filename {}", lossy(&origin.path));
}
