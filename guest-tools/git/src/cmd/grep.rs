//! `git grep`.

use git2::ObjectType;

use crate::args::{Opt, Parser, Unknown, Words, flag, maybe, value};
use crate::fail::{Outcome, fatal, plain};
use crate::out;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote;
use crate::regexp::{Regexp, Syntax};
use crate::rev;
use crate::stage::{self, Stage};
use crate::tree;
use crate::untracked::{self, Wanted};
use crate::work::Work;

const USAGE: &str = "git grep [<options>] [-e] <pattern> [<rev>...] [[--] <path>...]";
const TABLE: &[Opt] = &[
    flag(' ', "cached"),
    flag(' ', "no-index"),
    flag(' ', "untracked"),
    flag(' ', "exclude-standard"),
    flag(' ', "recurse-submodules"),
    flag('v', "invert-match"),
    flag('i', "ignore-case"),
    flag('w', "word-regexp"),
    flag('a', "text"),
    flag('I', "I"),
    flag('r', "recursive"),
    value(' ', "max-depth"),
    flag('E', "extended-regexp"),
    flag('G', "basic-regexp"),
    flag('F', "fixed-strings"),
    flag('P', "perl-regexp"),
    flag('n', "line-number"),
    flag(' ', "column"),
    flag('h', "h"),
    flag('H', "H"),
    flag(' ', "full-name"),
    flag('l', "files-with-matches"),
    flag(' ', "name-only"),
    flag('L', "files-without-match"),
    flag('z', "null"),
    flag('o', "only-matching"),
    flag('c', "count"),
    maybe(' ', "color"),
    flag(' ', "break"),
    flag(' ', "heading"),
    value('C', "context"),
    value('B', "before-context"),
    value('A', "after-context"),
    value(' ', "threads"),
    flag('p', "show-function"),
    flag('W', "function-context"),
    value('f', "f"),
    value('e', "e"),
    flag(' ', "and"),
    flag(' ', "or"),
    flag(' ', "not"),
    flag('q', "quiet"),
    flag(' ', "all-match"),
    value('m', "max-count"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let parser = Parser { usage: USAGE, tables: &[TABLE], unknown: Unknown::Option, numbers: true };
    let mut words = parser.parse(words)?;
    for name in ["and", "not", "no-index", "function-context", "show-function", "all-match"] {
        if words.has(name) {
            return Err(crate::fail::refuse(format!("grep --{name}")));
        }
    }
    let mut patterns: Vec<String> = words.values("e").map(str::to_owned).collect();
    for file in words.values("f") {
        patterns.extend(super::add::read_paths(file, false)?);
    }
    if patterns.is_empty() {
        if words.operands.is_empty() || words.dashes == Some(0) {
            return Err(fatal("no pattern given"));
        }
        patterns.push(words.operands.remove(0));
        words.dashes = words.dashes.map(|at| at - 1);
    }
    let (trees, paths) = split(place, &words)?;
    let grep = Grep::new(place, &words, &patterns, paths)?;
    let hits = if trees.is_empty() { grep.files()? } else { grep.trees(&trees)? };
    Ok(i32::from(!hits))
}

fn split(place: &Place, words: &Words) -> Outcome<(Vec<String>, Pathspec)> {
    let (before, after) = words.split();
    let mut trees = vec![];
    let mut paths: Vec<String> = vec![];
    for word in before {
        let known = paths.is_empty() && rev::single(place, word).is_some();
        if known {
            trees.push(word.clone());
        } else if words.dashes.is_some() {
            return Err(fatal(format!("unable to resolve revision: {word}")));
        } else {
            if !rev::is_file(place, word)
                && !crate::wildmatch::is_pattern(word.as_bytes())
                && !word.starts_with(':')
            {
                return Err(rev::unknown(place, word));
            }
            paths.push(word.clone());
        }
    }
    paths.extend_from_slice(after);
    let paths = if paths.is_empty() && !place.prefix.is_empty() {
        Pathspec::here(place)?
    } else {
        Pathspec::new(place, &paths)?
    };
    Ok((trees, paths))
}

struct Grep<'a> {
    place: &'a Place,
    words: &'a Words,
    regexps: Vec<Regexp>,
    paths: Pathspec,
    before: usize,
    after: usize,
    max: usize,
    /// Folders below those of the paths that are looked into.
    max_depth: Option<usize>,
    first: std::cell::Cell<bool>,
}

impl<'a> Grep<'a> {
    fn new(
        place: &'a Place,
        words: &'a Words,
        patterns: &[String],
        paths: Pathspec,
    ) -> Outcome<Self> {
        let configured = match place.setting("grep.patterntype").as_deref() {
            Some("extended") => Syntax::Extended,
            Some("fixed") => Syntax::Fixed,
            Some("perl") => Syntax::Perl,
            _ => Syntax::Basic,
        };
        let given = words.given.iter().rev().find_map(|g| match g.name {
            "extended-regexp" => Some(Syntax::Extended),
            "basic-regexp" => Some(Syntax::Basic),
            "fixed-strings" => Some(Syntax::Fixed),
            "perl-regexp" => Some(Syntax::Perl),
            _ => None,
        });
        let syntax = given.unwrap_or(configured);
        let (fold, whole) = (words.has("ignore-case"), words.has("word-regexp"));
        let lines =
            patterns.iter().flat_map(|p| if p.is_empty() { vec![""] } else { p.lines().collect() });
        let regexps =
            lines.map(|p| Regexp::new(p, syntax, fold, whole)).collect::<Outcome<Vec<_>>>()?;
        let number = |name: &str| {
            words
                .value(name)
                .map(|n| {
                    n.parse().map_err(|_| {
                        plain(129, format!("error: option `{name}' expects a numerical value"))
                    })
                })
                .transpose()
        };
        let both = number("context")?.or(number("#")?).unwrap_or(0);
        Ok(Self {
            place,
            words,
            regexps,
            paths,
            before: number("before-context")?.unwrap_or(both),
            after: number("after-context")?.unwrap_or(both),
            max: number("max-count")?.unwrap_or(usize::MAX),
            max_depth: words
                .value("max-depth")
                .and_then(|n| n.parse::<i64>().ok())
                .and_then(|n| usize::try_from(n).ok()),
            first: std::cell::Cell::new(true),
        })
    }

    /// Whether a path is meant, and is not too deep.
    fn fits(&self, path: &[u8]) -> bool {
        if !self.paths.fits(path) {
            return false;
        }
        let Some(max) = self.max_depth else { return true };
        let depth_below = |folder: &[u8]| {
            let rest = path.strip_prefix(folder)?;
            let rest = rest.strip_prefix(b"/").unwrap_or(rest);
            let is_below = folder.is_empty() || path.len() > folder.len();
            Some(if is_below { rest.iter().filter(|b| **b == b'/').count() } else { 0 })
        };
        if self.paths.is_empty() {
            return depth_below(b"").is_some_and(|depth| depth <= max);
        }
        let items = self.paths.items.iter().filter(|item| !item.excludes);
        items.into_iter().any(|item| {
            // A pattern says itself how deep it goes.
            !item.is_plain() || depth_below(&item.path).is_some_and(|depth| depth <= max)
        })
    }

    fn files(&self) -> Outcome<bool> {
        let stage = Stage::open(self.place)?;
        let work = Work::new(self.place);
        let cached = self.words.has("cached");
        let mut names: Vec<(Vec<u8>, Option<git2::Oid>)> = vec![];
        for entry in stage.entries() {
            let file = entry.mode & 0o170_000 == 0o100_000;
            if file
                && self.fits(&entry.path)
                && names.last().is_none_or(|last| last.0 != entry.path)
                && stage::stage(&entry) != 1
            {
                names.push((entry.path, Some(entry.id)));
            }
        }
        if self.words.has("untracked") {
            let mut ignore = crate::ignore::Ignore::new(self.place);
            let wanted =
                Wanted { paths: &self.paths, folders: false, empty_folders: false, ignored: false };
            names.extend(
                untracked::scan(self.place, &stage, &mut ignore, &wanted)
                    .untracked
                    .into_iter()
                    .filter(|p| self.fits(p))
                    .map(|p| (p, None)),
            );
            names.sort();
        }
        let mut hits = false;
        for (path, id) in names {
            let content = match id.filter(|_| cached) {
                Some(id) => self.place.read(id)?,
                None => match work.find(&path).map(|meta| work.raw(&path, &meta)) {
                    Some(Ok(content)) => content,
                    _ => continue,
                },
            };
            hits |= self.search(b"", &path, &content);
            if hits && self.words.has("quiet") {
                break;
            }
        }
        Ok(hits)
    }

    fn trees(&self, names: &[String]) -> Outcome<bool> {
        let mut hits = false;
        for name in names {
            let object = self.place.resolve(name)?;
            if object.kind() == Some(ObjectType::Blob) {
                hits |= self.search(b"", name.as_bytes(), &self.place.read(object.id())?);
                continue;
            }
            let root = tree::of(&object)?;
            let separator: &[u8] = if name.contains(':') {
                if name.ends_with(':') { b"" } else { b"/" }
            } else {
                b":"
            };
            let start = [name.as_bytes(), separator].concat();
            for item in tree::flatten(self.place, Some(&root))? {
                if item.mode & 0o170_000 == 0o100_000 && self.fits(&item.path) {
                    hits |= self.search(&start, &item.path, &self.place.read(item.id)?);
                }
            }
        }
        Ok(hits)
    }

    /// The first match in a line.
    fn find(&self, line: &[u8], from: usize) -> Option<(usize, usize)> {
        self.regexps
            .iter()
            .filter_map(|r| r.find_at(line, from))
            .min_by_key(|(start, end)| (*start, std::cmp::Reverse(*end)))
    }

    fn search(&self, start: &[u8], path: &[u8], content: &[u8]) -> bool {
        let words = self.words;
        let binary = crate::diff::pair::looks_binary(content) && !words.has("text");
        if binary && words.has("I") {
            return false;
        }
        let seen = if words.has("full-name") { path.to_vec() } else { self.place.seen(path) };
        let shown =
            if words.has("null") { seen } else { quote::path(&seen, self.place.quotes_high()) };
        let name = [start, &shown].concat();
        let body = content.strip_suffix(b"\n").unwrap_or(content);
        let lines: Vec<&[u8]> =
            if content.is_empty() { vec![] } else { body.split(|b| *b == b'\n').collect() };
        let invert = words.has("invert-match");
        // Most files have no match at all: that is found out in one go.
        if !invert && self.find(body, 0).is_none() {
            if words.has("files-without-match") {
                self.name_only(&name);
                return true;
            }
            return false;
        }
        let mut hits: Vec<usize> = vec![];
        for (n, line) in lines.iter().enumerate() {
            if self.find(line, 0).is_some() != invert {
                hits.push(n);
                if hits.len() >= self.max {
                    break;
                }
            }
        }
        if words.has("files-without-match") {
            if hits.is_empty() {
                self.name_only(&name);
            }
            return hits.is_empty();
        }
        if hits.is_empty() || words.has("quiet") {
            return !hits.is_empty();
        }
        if words.has("files-with-matches") || words.has("name-only") {
            self.name_only(&name);
        } else if words.has("count") {
            let head =
                if words.has("h") { vec![] } else { [name.as_slice(), self.mark(b":")].concat() };
            out::bytes(&[head, format!("{}\n", hits.len()).into_bytes()].concat());
        } else if binary {
            out::bytes(&[b"Binary file ", name.as_slice(), b" matches\n"].concat());
        } else {
            self.print(&name, &lines, &hits);
        }
        true
    }

    fn mark<'m>(&self, mark: &'m [u8]) -> &'m [u8] {
        if self.words.has("null") { b"\0" } else { mark }
    }

    fn name_only(&self, name: &[u8]) {
        out::bytes(&[name, if self.words.has("null") { b"\0" } else { b"\n" }].concat());
    }

    fn print(&self, name: &[u8], lines: &[&[u8]], hits: &[usize]) {
        let words = self.words;
        let context = self.before + self.after > 0;
        if words.has("break") && !self.first.get() {
            out::bytes(b"\n");
        }
        if words.has("heading") {
            if context && !self.first.get() && !words.has("break") {
                out::bytes(b"--\n");
            }
            out::bytes(&[name, b"\n"].concat());
        }
        let mut next = 0;
        let mut opened = false;
        for (i, &hit) in hits.iter().enumerate() {
            let from = hit.saturating_sub(self.before).max(next);
            let to = (hit + self.after + 1).min(lines.len());
            let gap = context
                && (from > next || !opened)
                && (opened || (!self.first.get() && !words.has("heading")));
            if gap {
                out::bytes(b"--\n");
            }
            opened = true;
            for (n, line) in lines.iter().enumerate().take(to).skip(from) {
                if n > hit && hits.get(i + 1) == Some(&n) {
                    break;
                }
                let mark: &[u8] = if n == hit { b":" } else { b"-" };
                self.line(name, n, line, mark);
                next = n + 1;
            }
            self.first.set(false);
        }
        self.first.set(false);
    }

    fn line(&self, name: &[u8], n: usize, line: &[u8], mark: &[u8]) {
        let words = self.words;
        let mut head = vec![];
        if !words.has("h") && !words.has("heading") {
            head.extend([name, if mark == b":" { self.mark(mark) } else { mark }].concat());
        }
        if words.has("line-number") {
            head.extend(format!("{}", n + 1).into_bytes());
            head.extend_from_slice(mark);
        }
        if words.has("only-matching") && mark == b":" {
            let mut from = 0;
            while let Some((start, end)) = self.find(line, from).filter(|(start, end)| end > start)
            {
                out::bytes(&[head.as_slice(), &line[start..end], b"\n"].concat());
                from = end;
            }
            return;
        }
        if words.has("column") && mark == b":" {
            let column = self.find(line, 0).map_or(1, |(start, _)| start + 1);
            head.extend(format!("{column}:").into_bytes());
        }
        out::bytes(&[head.as_slice(), line, b"\n"].concat());
    }
}
