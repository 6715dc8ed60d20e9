//! From a list of pairs to what is printed.

use std::rc::Rc;

use super::options::{Options, Pickaxe, Renames, Words};
use super::pair::{Pair, Side};
use super::{lists, patch, pickaxe, rename, stat};
use crate::fail::Outcome;
use crate::out;
use crate::place::Place;
use crate::quote;
use crate::work::Work;

/// Everything that showing a difference needs.
pub(crate) struct Diff<'a> {
    pub(crate) place: &'a Place,
    pub(crate) work: Work<'a>,
    pub(crate) options: Options,
    pub(crate) quotes_high: bool,
}

impl<'a> Diff<'a> {
    pub(crate) fn new(place: &'a Place, options: Options) -> Self {
        Self { place, work: Work::new(place), options, quotes_high: place.quotes_high() }
    }

    /// Renames, search and filters.
    pub(crate) fn refine(&self, pairs: Vec<Pair>) -> Vec<Pair> {
        let options = &self.options;
        let mut pairs = pairs;
        if options.reverse {
            pairs.iter_mut().for_each(|pair| std::mem::swap(&mut pair.old, &mut pair.new));
        }
        if let Some(at) = options.breaks {
            pairs = rename::take_apart(pairs, at, &self.work);
        }
        if options.renames != Renames::No {
            pairs = rename::detect(pairs, options, &self.work);
        }
        if options.breaks.is_some() {
            pairs = rename::put_together(pairs);
        }
        if options.harder {
            pairs.retain(|pair| {
                pair.renamed || pair.copied || pair.unmerged || !self.is_nothing(pair)
            });
        }
        if let Some(wanted) = &options.pickaxe {
            pairs = self.search(pairs, wanted);
        }
        if let Some(relative) = &options.relative {
            pairs.retain(|pair| pair.path().starts_with(relative));
        }
        if let Some(letters) = &options.filter {
            pairs.retain(|pair| passes(letters, pair.status()));
        }
        pairs
    }

    /// Whether both sides are the same: only sources of copies are.
    fn is_nothing(&self, pair: &Pair) -> bool {
        matches!((&pair.old, &pair.new), (Some(old), Some(new)) if old.mode == new.mode)
            && pair.same_content(&self.work)
    }

    fn search(&self, pairs: Vec<Pair>, wanted: &Pickaxe) -> Vec<Pair> {
        let hits: Vec<bool> = pairs.iter().map(|pair| pickaxe::hits(pair, wanted, self)).collect();
        if self.options.pickaxe_all {
            return if hits.contains(&true) { pairs } else { vec![] };
        }
        pairs.into_iter().zip(hits).filter(|(_, hit)| *hit).map(|(pair, _)| pair).collect()
    }

    /// Prints pairs in all formats that are wanted; returns whether anything differs.
    pub(crate) fn print(&self, pairs: &[Pair]) -> Outcome<bool> {
        let formats = self.options.formats;
        let mut sections = 0;
        let mut differs = !pairs.is_empty();
        if pairs.is_empty() {
            return Ok(false);
        }
        if formats.raw || formats.name_only || formats.name_status {
            pairs.iter().for_each(|pair| lists::print(self, pair));
            sections += 1;
        }
        if formats.check {
            let found: Vec<bool> = pairs.iter().map(|pair| lists::check(self, pair)).collect();
            differs = found.contains(&true);
            sections += 1;
        }
        if formats.stat || formats.numstat || formats.shortstat || formats.dirstat {
            stat::print(self, pairs);
            sections += 1;
        }
        if formats.summary {
            let (_, text) =
                out::capture(|| pairs.iter().for_each(|pair| lists::summary(self, pair)));
            if !text.is_empty() {
                out::bytes(&text);
                sections += 1;
            }
        }
        if formats.patch {
            if sections > 0 {
                out::bytes(self.options.line_prefix.as_bytes());
                out::bytes(if self.options.nul { b"\0" } else { b"\n" });
            }
            let mut shown = false;
            for pair in pairs {
                shown |= patch::print(self, pair)?;
            }
            if self.from_contents() {
                differs = shown;
            }
        } else if self.from_contents() && !formats.check {
            let printed = |pair: &Pair| {
                let (shown, _) = out::capture(|| patch::print(self, pair));
                shown.unwrap_or(false)
            };
            differs = pairs.iter().any(printed);
        }
        Ok(differs)
    }

    /// Whether only the lines tell if something differs.
    pub(crate) fn from_contents(&self) -> bool {
        self.options.params.flags & (crate::xdiff::SPACE | crate::xdiff::IGNORE_BLANK_LINES) != 0
    }

    /// A path as it is shown: from the folder that paths are relative to.
    pub(crate) fn seen<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        match &self.options.relative {
            Some(folder) => path.strip_prefix(folder.as_slice()).unwrap_or(path),
            None => path,
        }
    }

    /// A path in quotes if it needs them.
    pub(crate) fn quoted(&self, path: &[u8]) -> Vec<u8> {
        quote::path(self.seen(path), self.quotes_high)
    }

    /// The short id of a side; zeros for none.
    pub(crate) fn short(&self, side: Option<&Rc<Side>>, whole: bool) -> String {
        let id = side.map_or(git2::Oid::ZERO_SHA1, |side| side.id(&self.work));
        let digits = if whole || self.options.full_index {
            40
        } else {
            self.options.abbrev.unwrap_or_else(|| self.place.digits())
        };
        self.place.short_of(id, digits)
    }

    pub(crate) fn shows_words(&self) -> bool {
        self.options.words != Words::No
    }
}

/// Whether a status is among letters: capitals want it, small ones do not.
fn passes(letters: &str, status: char) -> bool {
    let small = status.to_ascii_lowercase();
    if letters.contains(small) {
        return false;
    }
    let has_capitals = letters.chars().any(|c| c.is_ascii_uppercase());
    letters.contains(status) || !has_capitals
}
