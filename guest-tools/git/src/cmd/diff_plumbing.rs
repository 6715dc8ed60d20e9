//! `git diff-tree`, `git diff-index`, `git diff-files`: differences as scripts ask for them.
//!
//! Unlike `git diff` they tell ids in full, find no renames unless told to, and heed no settings.

use std::io::Read as _;

use git2::{Commit, Oid, Tree};

use crate::args::{Opt, Parser, Unknown, Words, flag};
use crate::diff::options::Renames;
use crate::diff::parse::{Reader, TABLE};
use crate::diff::{Diff, Formats, Options, Pair, Side, collect};
use crate::fail::{Outcome, fatal, plain};
use crate::out::outln;
use crate::place::Place;
use crate::rev::{self, Request};
use crate::stage::Stage;

const TREE_USAGE: &str = "git diff-tree [--stdin] [-m] [-s] [-v] [--no-commit-id] [--root] [-r] \
[<common-diff-options>] <tree-ish> [<tree-ish>] [<path>...]";
const INDEX_USAGE: &str =
    "git diff-index [-m] [--cached] [<common-diff-options>] <tree-ish> [<path>...]";
const FILES_USAGE: &str = "git diff-files [-q] [<common-diff-options>] [<path>...]";

const TREE: &[Opt] = &[
    flag('r', "recursive"),
    flag('t', "show-trees"),
    flag(' ', "root"),
    flag(' ', "no-commit-id"),
    flag('m', "each-parent"),
    flag(' ', "stdin"),
];
const INDEX: &[Opt] = &[flag(' ', "cached"), flag('m', "missing"), flag(' ', "merge-base")];
const FILES: &[Opt] = &[flag('q', "silent")];

/// A command line, read.
struct Asked {
    words: Words,
    options: Options,
    request: Request,
}

fn read(
    place: &Place,
    usage: &'static str,
    own: &'static [Opt],
    words: &[String],
) -> Outcome<Asked> {
    let tables = &[own, TABLE];
    let parser = Parser { usage, tables, unknown: Unknown::Invalid, numbers: false };
    let words = parser.parse(words)?;
    let mut reader = Reader::new(None);
    for given in &words.given {
        reader.take(given, None)?;
    }
    let mut options = reader.finish(Formats { raw: true, ..Formats::NOTHING })?;
    if !words.has("find-renames") && !words.has("find-copies") {
        options.renames = Renames::No;
    }
    if options.formats.raw && !options.formats.patch && !words.has("abbrev") {
        options.abbrev = Some(40);
    }
    let request = rev::request(place, &words.operands, words.dashes)?;
    Ok(Asked { words, options, request })
}

fn tree<'a>(place: &'a Place, id: Oid) -> Outcome<Tree<'a>> {
    place.repo.find_object(id, None)?.peel_to_tree().map_err(|_| fatal("not a tree"))
}

fn code(diff: &Diff<'_>, differs: bool) -> i32 {
    if diff.options.formats.check && differs {
        return 2;
    }
    i32::from(diff.options.exit_code && differs)
}

pub(crate) fn diff_files(place: &Place, words: &[String]) -> Outcome {
    let asked = read(place, FILES_USAGE, FILES, words)?;
    let diff = Diff::new(place, asked.options);
    let stage = Stage::open(place)?;
    let look = collect::index_work(&diff.work, &stage, &asked.request.paths);
    let differs = diff.print(&diff.refine(look.pairs))?;
    Ok(code(&diff, differs))
}

pub(crate) fn diff_index(place: &Place, words: &[String]) -> Outcome {
    let asked = read(place, INDEX_USAGE, INDEX, words)?;
    let [tip] = asked.request.tips.as_slice() else {
        return Err(plain(129, format!("usage: {INDEX_USAGE}")));
    };
    let diff = Diff::new(place, asked.options);
    let stage = Stage::open(place)?;
    let old = tree(place, tip.id)?;
    let paths = &asked.request.paths;
    let pairs = if asked.words.has("cached") {
        collect::tree_index(place, Some(&old), &stage, paths)?
    } else {
        collect::tree_work(&diff.work, Some(&old), &stage, paths)?
    };
    let differs = diff.print(&diff.refine(pairs))?;
    Ok(code(&diff, differs))
}

pub(crate) fn diff_tree(place: &Place, words: &[String]) -> Outcome {
    let asked = read(place, TREE_USAGE, TREE, words)?;
    let Asked { words, options, request } = &asked;
    let diff = Diff::new(place, options.clone());
    let compare = Compare { diff: &diff, words, request };
    let differs = match request.tips.as_slice() {
        [] if words.has("stdin") => compare.each_line()?,
        [tip] => compare.commit(tip.id)?,
        [_, _] => {
            let (old, new) = ends(request);
            compare.trees(Some(&tree(place, old)?), &tree(place, new)?)?
        }
        _ => return Err(plain(129, format!("usage: {TREE_USAGE}"))),
    };
    Ok(code(&diff, differs))
}

/// The two trees; `a..b` comes with `b` first.
fn ends(request: &Request) -> (Oid, Oid) {
    let (first, second) = (&request.tips[0], &request.tips[1]);
    if second.excluded && !first.excluded { (second.id, first.id) } else { (first.id, second.id) }
}

struct Compare<'a> {
    diff: &'a Diff<'a>,
    words: &'a Words,
    request: &'a Request,
}

impl Compare<'_> {
    fn each_line(&self) -> Outcome<bool> {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        let mut differs = false;
        for line in text.lines() {
            let names: Vec<&str> = line.split_whitespace().collect();
            let find = |name: &str| {
                rev::single(self.diff.place, name)
                    .map(|object| object.id())
                    .ok_or_else(|| fatal(format!("bad object {name}")))
            };
            differs |= match names.as_slice() {
                [] => false,
                [one] => self.commit(find(one)?)?,
                [old, new, ..] => {
                    let place = self.diff.place;
                    self.trees(Some(&tree(place, find(old)?)?), &tree(place, find(new)?)?)?
                }
            };
        }
        Ok(differs)
    }

    /// A commit against its parents; what is not a commit is compared with nothing.
    fn commit(&self, id: Oid) -> Outcome<bool> {
        let place = self.diff.place;
        let commit = place.repo.find_object(id, None)?.peel_to_commit();
        let commit = commit.map_err(|_| fatal("a commit or two trees are needed"))?;
        let new = commit.tree()?;
        match commit.parent_count() {
            0 if self.words.has("root") => self.named(&commit, None, &new),
            0 => Ok(false),
            1 => self.named(&commit, Some(&commit.parent(0)?.tree()?), &new),
            _ if !self.words.has("each-parent") => Ok(false),
            _ => {
                let mut differs = false;
                for parent in commit.parents() {
                    differs |= self.named(&commit, Some(&parent.tree()?), &new)?;
                }
                Ok(differs)
            }
        }
    }

    /// Differences under the id of their commit, if there are any.
    fn named(&self, commit: &Commit<'_>, old: Option<&Tree<'_>>, new: &Tree<'_>) -> Outcome<bool> {
        let pairs = self.pairs(old, new)?;
        if !pairs.is_empty() && !self.words.has("no-commit-id") && !self.diff.options.quiet {
            outln!("{}", commit.id());
        }
        self.diff.print(&pairs)
    }

    fn trees(&self, old: Option<&Tree<'_>>, new: &Tree<'_>) -> Outcome<bool> {
        self.diff.print(&self.pairs(old, new)?)
    }

    fn pairs(&self, old: Option<&Tree<'_>>, new: &Tree<'_>) -> Outcome<Vec<Pair>> {
        let formats = &self.diff.options.formats;
        let lists_only = formats.raw || formats.name_only || formats.name_status;
        let is_flat = lists_only
            && !formats.patch
            && !formats.stat
            && !self.words.has("recursive")
            && !self.words.has("show-trees")
            && self.request.paths.items.is_empty();
        if is_flat {
            return Ok(top_level(old, new));
        }
        let pairs = collect::trees(self.diff.place, old, Some(new), &self.request.paths)?;
        Ok(self.diff.refine(pairs))
    }
}

/// The entries of the topmost folder that differ, folders among them.
fn top_level(old: Option<&Tree<'_>>, new: &Tree<'_>) -> Vec<Pair> {
    type Found = std::collections::BTreeMap<Vec<u8>, (u32, Oid)>;
    let entries = |tree: &Tree<'_>| -> Found {
        let one = |it: git2::TreeEntry<'_>| {
            (it.name_bytes().to_vec(), (it.filemode_raw() as u32, it.id()))
        };
        tree.iter().map(one).collect()
    };
    let (old, new) = (old.map(entries).unwrap_or_default(), entries(new));
    let names: std::collections::BTreeSet<&Vec<u8>> = old.keys().chain(new.keys()).collect();
    let side = |name: &[u8], found: Option<&(u32, Oid)>| {
        found.map(|(mode, id)| Side::object(name, *mode, *id))
    };
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| Pair::new(side(name, old.get(name)), side(name, new.get(name))))
        .collect()
}
