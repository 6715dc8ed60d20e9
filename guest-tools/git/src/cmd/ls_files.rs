//! `git ls-files`.

use git2::IndexEntry;

use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::diff::collect::{self, Fate};
use crate::fail::{Outcome, plain};
use crate::ignore::Ignore;
use crate::out::{self, out};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote;
use crate::stage::{self, Stage};
use crate::untracked::{self, Wanted};
use crate::work::Work;

const USAGE: &str = "git ls-files [<options>] [<file>...]";
const TABLE: &[Opt] = &[
    flag('z', "z"),
    flag('t', "t"),
    flag('v', "v"),
    flag('c', "cached"),
    flag('d', "deleted"),
    flag('m', "modified"),
    flag('o', "others"),
    flag('i', "ignored"),
    flag('s', "stage"),
    flag('k', "killed"),
    flag(' ', "directory"),
    flag(' ', "eol"),
    flag(' ', "empty-directory"),
    flag('u', "unmerged"),
    flag(' ', "resolve-undo"),
    value('x', "exclude"),
    value('X', "exclude-from"),
    value(' ', "exclude-per-directory"),
    flag(' ', "exclude-standard"),
    flag(' ', "full-name"),
    flag(' ', "recurse-submodules"),
    flag(' ', "error-unmatch"),
    value(' ', "with-tree"),
    maybe(' ', "abbrev"),
    flag(' ', "debug"),
    flag(' ', "deduplicate"),
    value(' ', "format"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    if words.has("eol") {
        return Err(crate::fail::refuse("ls-files --eol"));
    }
    let paths = if words.operands.is_empty() && !place.prefix.is_empty() {
        Pathspec::here(place)?
    } else {
        Pathspec::new(place, &words.operands)?
    };
    let stage = Stage::open(place)?;
    let lister = Lister { place, words: &words, paths, stage };
    lister.run()
}

struct Lister<'a> {
    place: &'a Place,
    words: &'a Words,
    paths: Pathspec,
    stage: Stage,
}

impl Lister<'_> {
    fn run(&self) -> Outcome {
        let words = self.words;
        if words.has("others") || words.has("killed") {
            self.others();
        }
        let kinds = ["deleted", "modified", "others", "unmerged", "killed"];
        let cached =
            words.has("cached") || words.has("stage") || !kinds.iter().any(|name| words.has(name));
        let entries = self.stage.entries();
        let mut last: Vec<u8> = vec![];
        let mut ignore = self.ignore();
        let work = Work::new(self.place);
        for entry in entries.iter().filter(|entry| self.paths.fits(&entry.path)) {
            if cached || words.has("unmerged") {
                self.cached(entry, &mut ignore, &last);
            }
            if words.has("deleted") || words.has("modified") {
                self.changed(entry, &work);
            }
            last.clone_from(&entry.path);
        }
        if words.has("error-unmatch") {
            let known = entries.iter().map(|entry| entry.path.as_slice());
            if let Some(item) = self.paths.unmatched(known) {
                return Err(plain(
                    1,
                    format!(
                        "error: pathspec '{}' did not match any file(s) known to git\nDid you forget to 'git add'?",
                        item.word
                    ),
                ));
            }
        }
        Ok(0)
    }

    fn ignore(&self) -> Ignore<'_> {
        let mut ignore = if self.words.has("exclude-standard") {
            Ignore::new(self.place)
        } else {
            Ignore::only_given(self.place)
        };
        self.words.values("exclude").for_each(|pattern| ignore.give(pattern));
        for file in self.words.values("exclude-from") {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            text.lines().for_each(|line| ignore.give(line));
        }
        ignore
    }

    fn others(&self) {
        let ignored = self.words.has("ignored");
        let wanted = Wanted {
            paths: &self.paths,
            folders: self.words.has("directory"),
            empty_folders: self.words.has("directory")
                && !self.words.given.iter().any(|g| g.name == "empty-directory" && g.no),
            ignored,
        };
        let found = untracked::scan(self.place, &self.stage, &mut self.ignore(), &wanted);
        for path in if ignored { found.ignored } else { found.untracked } {
            self.line(if self.words.has("t") { "? " } else { "" }, None, &path);
        }
    }

    fn details<'e>(&self, entry: &'e IndexEntry) -> Option<&'e IndexEntry> {
        (self.words.has("stage") || self.words.has("unmerged")).then_some(entry)
    }

    fn cached(&self, entry: &IndexEntry, ignore: &mut Ignore<'_>, last: &[u8]) {
        let words = self.words;
        let unmerged = stage::stage(entry) > 0;
        let only_ignored = words.has("ignored") && !words.has("others");
        let skipped = (words.has("unmerged") && !unmerged)
            || (only_ignored && !ignore.is_ignored(&entry.path, false))
            || (words.has("deduplicate") && entry.path == last);
        if skipped {
            return;
        }
        let tag = match (words.has("t") || words.has("v"), unmerged) {
            (false, _) => "",
            (true, true) => "M ",
            (true, false) => "H ",
        };
        self.line(tag, self.details(entry), &entry.path);
    }

    fn changed(&self, entry: &IndexEntry, work: &Work<'_>) {
        let words = self.words;
        let fate = collect::fate(work, &self.stage, entry);
        let gone = matches!(fate, Fate::Gone);
        let changed = !matches!(fate, Fate::Same(_));
        if words.has("deleted") && gone {
            self.line(if words.has("t") { "R " } else { "" }, self.details(entry), &entry.path);
        }
        if words.has("modified") && (changed || stage::stage(entry) > 0) {
            self.line(if words.has("t") { "C " } else { "" }, self.details(entry), &entry.path);
        }
    }

    fn line(&self, tag: &str, details: Option<&IndexEntry>, path: &[u8]) {
        let seen = if self.words.has("full-name") { path.to_vec() } else { self.place.seen(path) };
        if let Some(format) = self.words.value("format") {
            let name = String::from_utf8_lossy(&seen).into_owned();
            let entry = self.stage.get(path);
            let mut text = format.replace("%(path)", &name);
            if let Some(entry) = entry {
                text = text.replace("%(objectmode)", &format!("{:06o}", entry.mode));
                text = text.replace("%(objectname)", &entry.id.to_string());
                text = text.replace("%(stage)", &stage::stage(&entry).to_string());
            }
            out!("{text}\n");
            return;
        }
        out!("{tag}");
        if let Some(entry) = details {
            let id = match self.words.given.iter().find(|g| g.name == "abbrev") {
                Some(given) => self.place.short_of(
                    entry.id,
                    given.text().parse().unwrap_or_else(|_| self.place.digits()),
                ),
                None => entry.id.to_string(),
            };
            out!("{:06o} {id} {}\t", entry.mode, stage::stage(entry));
        }
        if self.words.has("z") {
            out::bytes(&[seen.as_slice(), b"\0"].concat());
        } else {
            out::bytes(&[quote::path(&seen, self.place.quotes_high()).as_slice(), b"\n"].concat());
        }
    }
}
