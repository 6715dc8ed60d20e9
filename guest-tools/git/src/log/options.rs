//! Options of everything that walks through history.

use super::grep::Asked;
use super::pretty::{self, Format, Style};
use super::walk::{Order, Wanted};
use crate::args::{Given, Opt, Words, flag, maybe, value};
use crate::date;
use crate::diff::options::Renames;
use crate::fail::{Outcome, fatal, refuse};
use crate::place::Place;
use crate::refs;
use crate::regexp::Syntax;
use crate::rev::Request;

pub(crate) const TABLE: &[Opt] = &[
    value('n', "max-count"),
    value(' ', "skip"),
    value(' ', "since"),
    value(' ', "after"),
    value(' ', "until"),
    value(' ', "before"),
    value(' ', "since-as-filter"),
    value(' ', "author"),
    value(' ', "committer"),
    value(' ', "grep"),
    flag(' ', "all-match"),
    flag(' ', "invert-grep"),
    flag('i', "regexp-ignore-case"),
    flag(' ', "basic-regexp"),
    flag('E', "extended-regexp"),
    flag('F', "fixed-strings"),
    flag('P', "perl-regexp"),
    flag(' ', "merges"),
    value(' ', "min-parents"),
    value(' ', "max-parents"),
    flag(' ', "first-parent"),
    flag(' ', "all"),
    maybe(' ', "branches"),
    maybe(' ', "tags"),
    maybe(' ', "remotes"),
    maybe(' ', "glob"),
    value(' ', "exclude"),
    flag(' ', "full-history"),
    flag(' ', "dense"),
    flag(' ', "sparse"),
    flag(' ', "simplify-merges"),
    flag(' ', "simplify-by-decoration"),
    flag(' ', "ancestry-path"),
    flag(' ', "date-order"),
    flag(' ', "author-date-order"),
    flag(' ', "topo-order"),
    flag(' ', "reverse"),
    maybe(' ', "no-walk"),
    flag(' ', "do-walk"),
    flag(' ', "oneline"),
    maybe(' ', "pretty"),
    value(' ', "format"),
    flag(' ', "abbrev-commit"),
    value(' ', "date"),
    flag(' ', "relative-date"),
    flag(' ', "parents"),
    flag(' ', "children"),
    flag(' ', "left-right"),
    flag(' ', "left-only"),
    flag(' ', "right-only"),
    flag(' ', "cherry-pick"),
    flag(' ', "cherry-mark"),
    flag(' ', "boundary"),
    flag(' ', "graph"),
    maybe(' ', "decorate"),
    value(' ', "decorate-refs"),
    value(' ', "decorate-refs-exclude"),
    flag(' ', "clear-decorations"),
    flag(' ', "follow"),
    flag(' ', "full-diff"),
    flag(' ', "root"),
    flag('m', "m"),
    flag('c', "c"),
    flag(' ', "cc"),
    flag(' ', "remerge-diff"),
    value(' ', "diff-merges"),
    flag('t', "t"),
    flag('g', "walk-reflogs"),
    value('L', "L"),
    maybe(' ', "show-signature"),
    maybe(' ', "notes"),
    flag(' ', "mailmap"),
    flag(' ', "use-mailmap"),
    maybe(' ', "expand-tabs"),
    maybe(' ', "encoding"),
    flag(' ', "source"),
    flag(' ', "log-size"),
    flag(' ', "stdin"),
    flag(' ', "ignore-missing"),
];

/// How merges are compared with their parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merges {
    Off,
    First,
    Separate,
    Combined,
    Dense,
}

/// What the words ask for.
pub(crate) struct Log {
    pub(crate) wanted: Wanted,
    pub(crate) style: Style,
    pub(crate) graph: bool,
    pub(crate) merges: Merges,
    /// The way of merges was asked for.
    pub(crate) merges_given: bool,
    pub(crate) follow: bool,
    pub(crate) full_diff: bool,
    pub(crate) reflogs: bool,
    pub(crate) left_right: bool,
    pub(crate) asked: Asked,
    pub(crate) every: Vec<String>,
    pub(crate) side: Option<bool>,
    /// `-L`: the ranges of lines that are followed.
    pub(crate) lines: Vec<String>,
    pub(crate) oneline_given: bool,
    /// The names that the walk starts from.
    pub(crate) sources: Vec<(git2::Oid, String)>,
}

impl Log {
    pub(crate) fn new(place: &Place) -> Self {
        Self {
            wanted: Wanted::default(),
            style: Style::usual(place),
            graph: false,
            merges: Merges::Off,
            merges_given: false,
            follow: false,
            full_diff: false,
            reflogs: false,
            left_right: false,
            asked: Asked::default(),
            every: vec![],
            side: None,
            lines: vec![],
            oneline_given: false,
            sources: vec![],
        }
    }

    /// Takes an option; `false` if it is none of these.
    pub(crate) fn take(&mut self, given: &Given, place: &Place) -> Outcome<bool> {
        Ok(self.limits(given)?
            || self.order(given)?
            || self.looks(given, place)?
            || self.merges(given)?)
    }

    fn limits(&mut self, given: &Given) -> Outcome<bool> {
        let wanted = &mut self.wanted;
        let time = || {
            date::approximate(given.text())
                .ok_or_else(|| fatal(format!("invalid date: {}", given.text())))
        };
        match given.name {
            "max-count" | "#" => {
                let n: i64 = given
                    .text()
                    .parse()
                    .map_err(|_| fatal(format!("'{}': not an integer", given.text())))?;
                wanted.max = usize::try_from(n).ok();
            }
            "skip" => wanted.skip = given.number()?,
            "since" | "after" | "since-as-filter" => wanted.since = Some(time()?),
            "until" | "before" => wanted.until = Some(time()?),
            "author" => self.asked.authors.push(given.text().to_owned()),
            "committer" => self.asked.committers.push(given.text().to_owned()),
            "grep" => self.asked.messages.push(given.text().to_owned()),
            "all-match" => self.asked.all = true,
            "invert-grep" => self.asked.invert = true,
            "regexp-ignore-case" => self.asked.fold = true,
            "basic-regexp" => self.asked.syntax = Syntax::Basic,
            "extended-regexp" => self.asked.syntax = Syntax::Extended,
            "fixed-strings" => self.asked.syntax = Syntax::Fixed,
            "perl-regexp" => self.asked.syntax = Syntax::Perl,
            "merges" if given.no => wanted.max_parents = Some(1),
            "merges" => wanted.min_parents = 2,
            "min-parents" => wanted.min_parents = given.number()?,
            "max-parents" => wanted.max_parents = usize::try_from(given.number::<i64>()?).ok(),
            "first-parent" => {
                wanted.first_parent = true;
                if !self.merges_given {
                    self.merges = Merges::First;
                }
            }
            "all" | "branches" | "tags" | "remotes" | "glob" => {
                let word = given
                    .value
                    .as_ref()
                    .map_or(given.name.to_owned(), |v| format!("{}={v}", given.name));
                self.every.push(word);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn order(&mut self, given: &Given) -> Outcome<bool> {
        let wanted = &mut self.wanted;
        match given.name {
            "full-history" | "simplify-merges" => wanted.full_history = true,
            "dense" | "sparse" | "do-walk" | "ignore-missing" => {}
            "date-order" => wanted.order = Order::Date,
            "author-date-order" => wanted.order = Order::AuthorDate,
            "topo-order" => wanted.order = Order::Topological,
            "reverse" => wanted.reverse = !given.no,
            "no-walk" => {
                wanted.no_walk = true;
                wanted.unsorted = given.text() == "unsorted";
            }
            "graph" => {
                self.graph = !given.no;
                if wanted.order == Order::Usual {
                    wanted.order = Order::Topological;
                }
                wanted.rewrite = true;
            }
            "parents" => {
                self.style.parents = true;
                wanted.rewrite = true;
            }
            "children" => self.style.children = true,
            "left-right" => self.left_right = true,
            "left-only" => self.side = Some(true),
            "right-only" => self.side = Some(false),
            "follow" => self.follow = !given.no,
            "walk-reflogs" => self.reflogs = true,
            "full-diff" => self.full_diff = true,
            "L" => self.lines.push(given.text().to_owned()),
            "simplify-by-decoration"
            | "ancestry-path"
            | "cherry-pick"
            | "cherry-mark"
            | "boundary"
            | "stdin" => {
                return Err(refuse(format!("--{}", given.name)));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn looks(&mut self, given: &Given, place: &Place) -> Outcome<bool> {
        let style = &mut self.style;
        match given.name {
            "oneline" => {
                style.format = Format::Oneline;
                style.short_ids = true;
                self.oneline_given = true;
            }
            "pretty" | "format" => {
                let name = given.value.as_deref().unwrap_or("medium");
                style.format = pretty::format(place, name)
                    .ok_or_else(|| fatal(format!("invalid --pretty format: {name}")))?;
                if matches!(name, "email" | "mboxrd") {
                    style.subject_prefix = "[PATCH] ".to_owned();
                }
            }
            "abbrev-commit" => style.short_ids = !given.no,
            "abbrev" => style.digits = given.text().parse().unwrap_or(style.digits).clamp(4, 40),
            "date" => {
                let mode = given.text();
                if date::show(git2::Time::new(0, 0), mode).is_none() {
                    return Err(fatal(format!("unknown date format {mode}")));
                }
                mode.clone_into(&mut style.date);
            }
            "relative-date" => "relative".clone_into(&mut style.date),
            "decorate" => {
                style.decorate = !given.no && !matches!(given.text(), "no" | "auto");
                style.full_names = given.text() == "full";
            }
            "source" => style.source = !given.no,
            "decorate-refs" | "decorate-refs-exclude" | "log-size" | "exclude" if !given.no => {
                return Err(refuse(format!("--{}", given.name)));
            }
            "mailmap" | "use-mailmap" => style.mailmap = !given.no,
            "expand-tabs" => style.expand_tabs = !given.no && given.text() != "0",
            "clear-decorations" | "show-signature" | "notes" | "encoding" | "root" | "t" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn merges(&mut self, given: &Given) -> Outcome<bool> {
        let kind = match given.name {
            "diff-merges" if given.no => "off",
            "diff-merges" => given.text(),
            name @ ("m" | "c" | "cc" | "remerge-diff") => name,
            _ => return Ok(false),
        };
        self.merges = match kind {
            "off" | "none" => Merges::Off,
            "1" | "first-parent" => Merges::First,
            "m" | "on" | "separate" => Merges::Separate,
            "c" | "combined" => Merges::Combined,
            "cc" | "dense-combined" => Merges::Dense,
            "remerge-diff" | "r" | "remerge" => return Err(refuse("--remerge-diff")),
            other => return Err(fatal(format!("invalid value for '--diff-merges': '{other}'"))),
        };
        self.merges_given = true;
        Ok(true)
    }

    /// Puts the revisions of the command line where the walk starts and ends.
    pub(crate) fn start(&mut self, place: &Place, request: &Request) -> Outcome<()> {
        let commit =
            |id| place.repo.find_object(id, None).and_then(|object| object.peel_to_commit());
        for tip in &request.tips {
            let id =
                commit(tip.id).map_err(|_| fatal(format!("{} is not a commit", tip.name)))?.id();
            match (tip.excluded, tip.left) {
                (true, _) => self.wanted.excluded.push(id),
                (false, left) => {
                    self.wanted.starts.push(id);
                    self.sources.push((id, end_of(&tip.name, left)));
                    if left {
                        self.wanted.left.push(id);
                    }
                }
            }
        }
        self.start_from_refs(place)?;
        self.wanted.paths = request.paths.clone();
        self.wanted.filter = self.asked.filter()?;
        self.wanted.filter.mailmap = self.style.mailmap;
        Ok(())
    }

    fn start_from_refs(&mut self, place: &Place) -> Outcome<()> {
        for word in self.every.clone() {
            let (kind, pattern) = word.split_once('=').unwrap_or((&word, ""));
            let (start, rest) = match kind {
                "branches" => ("refs/heads/", pattern),
                "tags" => ("refs/tags/", pattern),
                "remotes" => ("refs/remotes/", pattern),
                _ => ("refs/", pattern.strip_prefix("refs/").unwrap_or(pattern)),
            };
            for (name, id) in refs::all(place)? {
                let Some(short) = name.strip_prefix(start) else { continue };
                let rules = crate::wildmatch::Rules::default();
                let full = if crate::wildmatch::is_pattern(rest.as_bytes()) {
                    rest.to_owned()
                } else {
                    format!("{rest}/*")
                };
                let fits = rest.is_empty()
                    || crate::wildmatch::fits(full.as_bytes(), short.as_bytes(), rules);
                if fits
                    && let Ok(commit) =
                        place.repo.find_object(id, None).and_then(|o| o.peel_to_commit())
                {
                    self.wanted.starts.push(commit.id());
                    self.sources.push((commit.id(), name.clone()));
                }
            }
            if kind == "all" {
                self.wanted.starts.extend(place.head_id());
                self.sources.extend(place.head_id().map(|id| (id, "HEAD".to_owned())));
            }
        }
        Ok(())
    }

    /// What must agree with what, when all is read.
    pub(crate) fn check(&self, words: &Words, renames: &mut Renames) -> Outcome<()> {
        if self.graph && self.wanted.reverse {
            return Err(fatal("options '--reverse' and '--graph' cannot be used together"));
        }
        if self.graph && self.wanted.no_walk {
            return Err(fatal("options '--no-walk' and '--graph' cannot be used together"));
        }
        if self.follow {
            if self.wanted.paths.items.len() != 1 {
                return Err(fatal("--follow requires exactly one pathspec"));
            }
            if *renames == Renames::No && !words.has("renames") {
                *renames = Renames::Moves;
            }
        }
        Ok(())
    }
}

/// The name of one end of `a..b` or `a...b`, or the name itself.
fn end_of(name: &str, left: bool) -> String {
    let parts = name.split_once("...").or_else(|| name.split_once(".."));
    let end = parts.map_or(name, |(start, end)| if left { start } else { end });
    if end.is_empty() { "HEAD".to_owned() } else { end.to_owned() }
}
