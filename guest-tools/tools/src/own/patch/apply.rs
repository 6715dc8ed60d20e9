//! Finding the place of each hunk, and changing the text there.

use super::parse::Hunk;

/// A patched text.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) text: String,
    /// What did not fit, and by how many lines the text had grown before it.
    pub(super) rejected: Vec<(Hunk, isize)>,
    /// What to tell about hunks that lay elsewhere or did not fit.
    pub(super) report: Vec<String>,
    /// Whether a hunk fitted with an offset or fuzz only, or not at all.
    pub(super) is_mismatched: bool,
    pub(super) is_changed: bool,
    /// Whether it was decided to leave the patch out.
    pub(super) is_skipped: bool,
}

/// What to do about a patch that fits only when it is turned around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Reverse,
    Anyway,
    Skip,
}

/// How exactly hunks must fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fitting {
    pub(super) max_fuzz: usize,
    /// Whether blanks count.
    pub(super) is_loose: bool,
    /// Whether nothing may be there yet.
    pub(super) creates: bool,
}

/// Applies hunks; `asks` is called if the first one seems to be there already, unless it is none.
pub(super) fn apply(
    before: &str,
    hunks: &mut [Hunk],
    how: Fitting,
    asks: Option<&dyn Fn() -> Answer>,
) -> Applied {
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let mut search = Search { lines: &lines, done: 0, offset: 0, is_loose: how.is_loose };
    let mut applied = Applied { text: String::with_capacity(before.len()), ..Applied::default() };
    let mut growth = 0isize;
    let mut asks = asks;
    for i in 0..hunks.len() {
        let mut found = None;
        for fuzz in 0..=how.max_fuzz.min(hunks[i].context()) {
            found = search.locate(&hunks[i], fuzz);
            applied.is_mismatched |= found.is_none() || fuzz > 0 || search.offset != 0;
            if found.is_some() {
                break;
            }
            let Some(ask) = asks.filter(|_| i == 0) else { continue };
            found = search.locate(&hunks[i].reversed(), fuzz);
            if found.is_none() {
                continue;
            }
            match ask() {
                Answer::Reverse => {
                    hunks.iter_mut().for_each(|hunk| *hunk = hunk.reversed());
                    break;
                }
                Answer::Skip => {
                    return Applied {
                        rejected: hunks.iter().map(|it| (it.clone(), 0)).collect(),
                        text: before.to_owned(),
                        is_skipped: true,
                        ..applied
                    };
                }
                Answer::Anyway => {
                    (found, asks) = (search.locate(&hunks[i], fuzz), None);
                    if found.is_some() {
                        break;
                    }
                }
            }
        }
        asks = None;
        let hunk = &hunks[i];
        let number = i + 1;
        let is_in_the_way = how.creates && !before.is_empty();
        match found.filter(|_| !is_in_the_way) {
            Some(place) => {
                lines[search.done..place.at].iter().for_each(|it| applied.text.push_str(it));
                search.done = insert(&mut applied.text, &lines, hunk, &place);
                applied.is_changed = true;
                if search.offset != 0 || place.fuzz > 0 {
                    let at = place.at as isize + 1 - place.prefix as isize + growth;
                    applied.report.push(success(number, at, search.offset, place.fuzz));
                }
                growth += hunk.side('-').len() as isize - hunk.side('+').len() as isize;
            }
            None => {
                applied.is_mismatched = true;
                let at = hunk.first() as isize + growth;
                let endings = differs_in_line_ends(&lines, hunk);
                let why = if endings { " (different line endings)" } else { "" };
                applied.report.push(format!("Hunk #{number} FAILED at {}{why}.", at.max(1)));
                applied.rejected.push((hunk.clone(), growth));
            }
        }
    }
    lines[search.done..].iter().for_each(|it| applied.text.push_str(it));
    applied
}

struct Place {
    /// The first line that is compared.
    at: usize,
    fuzz: usize,
    /// How many lines of the hunk are left out at its start and its end.
    prefix: usize,
    suffix: usize,
}

fn success(number: usize, at: isize, offset: isize, fuzz: usize) -> String {
    let mut text = format!("Hunk #{number} succeeded at {at}");
    if fuzz > 0 {
        text.push_str(&format!(" with fuzz {fuzz}"));
    }
    if offset != 0 {
        let plural = if offset == 1 { "" } else { "s" };
        text.push_str(&format!(" (offset {offset} line{plural})"));
    }
    text + "."
}

/// Where hunks are looked for.
struct Search<'a> {
    lines: &'a [&'a str],
    /// How many lines have their place in the result already.
    done: usize,
    /// How far off the last hunk lay.
    offset: isize,
    is_loose: bool,
}

impl Search<'_> {
    /// The place of a hunk with some of its context left out; lines are counted from 1 here.
    fn locate(&mut self, hunk: &Hunk, fuzz: usize) -> Option<Place> {
        let old = hunk.side('+');
        let guess = hunk.first() as isize + self.offset;
        if old.is_empty() {
            let at = (guess - 1).clamp(self.done as isize, self.lines.len() as isize) as usize;
            return Some(Place { at, fuzz, prefix: 0, suffix: 0 });
        }
        let (before, behind) = (hunk.context_before(), hunk.context_behind());
        // Of the longer context more is left out; a negative number ties a hunk to an end.
        let missing = |context: usize| fuzz as isize + context as isize - hunk.context() as isize;
        let (prefix, suffix) = (missing(before), missing(behind));
        let n_lines = self.lines.len() as isize;
        let n_wanted = old.len() as isize - suffix.max(0);
        let last = n_lines - n_wanted + 1;
        let at_start = prefix < 0 && hunk.first() <= 1;
        if at_start && suffix < 0 && (old.len() as isize != n_lines || before < self.done) {
            return None;
        }
        let (prefix, suffix) = (prefix.max(0) as usize, suffix.max(0) as usize);
        let wanted = &old[prefix..old.len() - suffix];
        let fits = |start: isize| {
            let first = start - 1 + prefix as isize;
            first >= 0
                && first + wanted.len() as isize <= n_lines
                && self.is_same(&self.lines[first as usize..][..wanted.len()], wanted)
        };
        let first = self.done as isize + 1;
        let start = if at_start {
            Some(1).filter(|it| self.done <= before && *it <= last && fits(*it))
        } else if missing(behind) < 0 {
            let end = n_lines - old.len() as isize + 1;
            Some(end).filter(|it| *it >= first.max(1) && fits(*it))
        } else {
            let n_off = (last - guess).max(guess - first).max(0);
            (0..=n_off)
                .flat_map(|off| [guess + off, guess - off])
                .find(|it| *it >= first.max(1) && *it <= last && fits(*it))
        }?;
        self.offset += start - guess;
        Some(Place { at: (start - 1) as usize + prefix, fuzz, prefix, suffix })
    }

    fn is_same(&self, lines: &[&str], wanted: &[&str]) -> bool {
        let is_loose = self.is_loose;
        lines.iter().zip(wanted).all(|(a, b)| {
            if is_loose { a.split_whitespace().eq(b.split_whitespace()) } else { a == b }
        })
    }
}

/// Puts a hunk at its place; the first line that is behind it.
fn insert(out: &mut String, lines: &[&str], hunk: &Hunk, place: &Place) -> usize {
    let (mut at, mut skipped) = (place.at, 0);
    let n_old = hunk.side('+').len();
    for (sign, line) in &hunk.lines {
        if *sign == '+' {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(line);
            continue;
        }
        let is_outside = skipped < place.prefix || skipped >= n_old - place.suffix;
        skipped += 1;
        if is_outside {
            continue;
        }
        if *sign == ' ' {
            out.push_str(lines[at]);
        }
        at += 1;
    }
    at
}

fn differs_in_line_ends(lines: &[&str], hunk: &Hunk) -> bool {
    let bare = |it: &str| it.trim_end_matches(['\r', '\n']).to_owned();
    let exact = hunk.side('+');
    let old: Vec<String> = exact.iter().map(|it| bare(it)).collect();
    let is_like = |at: &[&str]| at.iter().map(|it| bare(it)).eq(old.iter().cloned());
    let has_other_ends = |at: &[&str]| {
        at.iter().zip(&exact).any(|(a, b)| a.ends_with("\r\n") != b.ends_with("\r\n"))
    };
    !old.is_empty() && lines.windows(old.len()).any(|at| is_like(at) && has_other_ends(at))
}
