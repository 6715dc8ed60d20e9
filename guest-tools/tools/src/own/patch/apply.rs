//! Finding the place of each hunk, and changing the text there.

use super::parse::Hunk;

/// A patched text.
pub(super) struct Applied<'a> {
    pub(super) text: String,
    pub(super) rejected: Vec<&'a Hunk>,
    /// What to tell about hunks that lay elsewhere or did not fit.
    pub(super) report: Vec<String>,
    /// Whether a hunk fitted with an offset or fuzz only, or not at all.
    pub(super) is_mismatched: bool,
    pub(super) is_changed: bool,
}

pub(super) fn apply<'a>(
    before: &str,
    hunks: &'a [Hunk],
    max_fuzz: usize,
    loose: bool,
) -> Applied<'a> {
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let mut applied = Applied {
        text: String::with_capacity(before.len()),
        rejected: vec![],
        report: vec![],
        is_mismatched: false,
        is_changed: false,
    };
    // Up to where `lines` is in the result, and how far off the last hunk lay.
    let (mut done, mut offset) = (0usize, 0isize);
    let mut growth = 0isize;
    for (i, hunk) in hunks.iter().enumerate() {
        let number = i + 1;
        match place(&lines, hunk, done, offset, max_fuzz, loose) {
            Some(found) => {
                lines[done..found.at].iter().for_each(|it| applied.text.push_str(it));
                done = insert(&mut applied.text, &lines, hunk, &found);
                let wanted = (hunk.old_start.max(1) - 1 + found.prefix) as isize;
                offset = found.at as isize - wanted;
                applied.is_changed = true;
                if offset != 0 || found.fuzz > 0 {
                    applied.is_mismatched = true;
                    let at = (found.at as isize + 1 - found.prefix as isize + growth).max(1);
                    applied.report.push(success(number, at, offset, found.fuzz));
                }
                growth += hunk.side('-').len() as isize - hunk.side('+').len() as isize;
            }
            None => {
                applied.is_mismatched = true;
                let at = hunk.old_start as isize + growth;
                let endings = differs_in_line_ends(&lines, hunk);
                let why = if endings { " (different line endings)" } else { "" };
                applied.report.push(format!("Hunk #{number} FAILED at {}{why}.", at.max(1)));
                applied.rejected.push(hunk);
            }
        }
    }
    lines[done..].iter().for_each(|it| applied.text.push_str(it));
    applied
}

/// Whether a hunk could be applied somewhere.
pub(super) fn fits(text: &str, hunk: &Hunk, max_fuzz: usize) -> bool {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    place(&lines, hunk, 0, 0, max_fuzz, false).is_some()
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

fn place(
    lines: &[&str],
    hunk: &Hunk,
    done: usize,
    offset: isize,
    max_fuzz: usize,
    loose: bool,
) -> Option<Place> {
    let old = hunk.side('+');
    let context = |mut it: Box<dyn Iterator<Item = &(char, String)> + '_>| {
        let mut n = 0;
        while it.next().is_some_and(|(sign, _)| *sign == ' ') {
            n += 1;
        }
        n
    };
    let before = context(Box::new(hunk.lines.iter()));
    let behind = context(Box::new(hunk.lines.iter().rev()));
    let most = before.max(behind);
    for fuzz in 0..=max_fuzz.min(most) {
        // Of the longer context more is left out.
        let prefix = (fuzz + before).saturating_sub(most);
        let suffix = (fuzz + behind).saturating_sub(most);
        if prefix + suffix > old.len() {
            break;
        }
        let wanted = &old[prefix..old.len() - suffix];
        let first = hunk.old_start.max(1) as isize - 1 + offset + prefix as isize;
        // Less context at the start than at the end ties a hunk to the start, and the other way.
        let at_start = before < behind && fuzz == 0 && hunk.old_start <= 1;
        let at_end = behind < before && fuzz == 0;
        let last = lines.len() as isize - wanted.len() as isize;
        if last < done as isize {
            continue;
        }
        let matches = |at: isize| {
            at >= done as isize
                && at <= last
                && (!at_start || at == 0)
                && (!at_end || at == last)
                && same(&lines[at as usize..at as usize + wanted.len()], wanted, loose)
        };
        for distance in 0..=lines.len() as isize {
            let found = [first + distance, first - distance].into_iter().find(|at| matches(*at));
            if let Some(at) = found {
                return Some(Place { at: at as usize, fuzz, prefix, suffix });
            }
        }
    }
    None
}

fn same(lines: &[&str], wanted: &[&str], loose: bool) -> bool {
    lines
        .iter()
        .zip(wanted)
        .all(|(a, b)| if loose { a.split_whitespace().eq(b.split_whitespace()) } else { a == b })
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
    let bare: Vec<String> =
        lines.iter().map(|it| it.trim_end_matches(['\r', '\n']).to_owned()).collect();
    let old: Vec<String> =
        hunk.side('+').iter().map(|it| it.trim_end_matches(['\r', '\n']).to_owned()).collect();
    !old.is_empty() && bare.windows(old.len()).any(|it| it == old)
}
