//! Finding the place of a hunk in a file.

use super::parse::Hunk;

/// What is lenient.
pub(super) struct How {
    /// Blanks of any length are the same.
    pub(super) blanks: bool,
    /// How many lines of context must fit.
    pub(super) least_context: Option<usize>,
    /// Hunks without context are meant so.
    pub(super) zero: bool,
}

/// Hunks that found no place, and those that moved.
#[derive(Default)]
pub(super) struct Report {
    pub(super) hunks: Vec<usize>,
    pub(super) moved: Vec<(usize, (usize, isize))>,
}

/// Applies hunks; those that do not fit are left out.
pub(super) fn apply(content: &[u8], hunks: &[Hunk], how: &How, creates: bool) -> (Vec<u8>, Report) {
    let mut lines: Vec<Vec<u8>> =
        content.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let mut report = Report::default();
    let mut offset = 0isize;
    for (n, hunk) in hunks.iter().enumerate() {
        if creates && !content.is_empty() {
            report.hunks.push(n);
            continue;
        }
        match place(&lines, hunk, how, offset) {
            Some(found) => {
                let wanted =
                    hunk.new.0.max(1) as isize - 1 + isize::from(hunk.new.1 == 0 && hunk.new.0 > 0);
                if found.at as isize != wanted {
                    report.moved.push((n + 1, (found.at + 1, found.at as isize - wanted)));
                }
                offset = found.at as isize - wanted;
                lines.splice(found.at..found.at + found.old.len(), found.new);
            }
            None => report.hunks.push(n),
        }
    }
    (lines.concat(), report)
}

/// Where a hunk goes, and what it replaces by what.
struct Found {
    at: usize,
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
}

fn place(lines: &[Vec<u8>], hunk: &Hunk, how: &How, offset: isize) -> Option<Found> {
    let context = |sign: &(u8, Vec<u8>)| sign.0 == b' ';
    let mut leading = hunk.lines.iter().take_while(|l| context(l)).count();
    let mut trailing = hunk.lines.iter().rev().take_while(|l| context(l)).count();
    let mut body: &[(u8, Vec<u8>)] = &hunk.lines;
    // A hunk with less context in front starts the file, one with less behind ends it.
    let mut at_start = !how.zero && (hunk.old.0 == 0 || (hunk.old.0 == 1 && !how.zero));
    let mut at_end = !how.zero && trailing == 0;
    if leading >= trailing {
        at_end &= leading > trailing || leading == 0;
    }
    at_start &= hunk.old.0 <= 1;
    let start =
        hunk.new.0.max(1) as isize - 1 + isize::from(hunk.new.1 == 0 && hunk.new.0 > 0) + offset;
    let mut expected = start.max(0) as usize;
    loop {
        let old: Vec<Vec<u8>> = body.iter().filter(|l| l.0 != b'+').map(|l| l.1.clone()).collect();
        if let Some(at) = find(lines, &old, expected, at_start, at_end, how) {
            let new = replacement(&lines[at..at + old.len()], body, how);
            return Some(Found { at, old, new });
        }
        let least = how.least_context.unwrap_or(usize::MAX);
        if leading <= least && trailing <= least {
            return None;
        }
        if at_start || at_end {
            (at_start, at_end) = (false, false);
            continue;
        }
        if leading >= trailing {
            body = &body[1..];
            expected += 1;
            leading -= 1;
        }
        if trailing > leading {
            body = &body[..body.len() - 1];
            trailing -= 1;
        }
    }
}

/// The new lines; context stays as it is in the file.
fn replacement(there: &[Vec<u8>], body: &[(u8, Vec<u8>)], how: &How) -> Vec<Vec<u8>> {
    let mut out = vec![];
    let mut at = 0;
    for (sign, line) in body {
        match sign {
            b'+' => out.push(line.clone()),
            b'-' => at += 1,
            _ => {
                out.push(if how.blanks { there[at].clone() } else { line.clone() });
                at += 1;
            }
        }
    }
    out
}

fn find(
    lines: &[Vec<u8>],
    old: &[Vec<u8>],
    expected: usize,
    at_start: bool,
    at_end: bool,
    how: &How,
) -> Option<usize> {
    if old.len() > lines.len() {
        return None;
    }
    let last = lines.len() - old.len();
    let fits = |at: usize| {
        if (at_start && at != 0) || (at_end && at != last) {
            return false;
        }
        lines[at..at + old.len()].iter().zip(old).all(|(a, b)| same(a, b, how))
    };
    let expected = if at_start {
        0
    } else if at_end {
        last
    } else {
        expected.min(last)
    };
    // First where it should be, then further and further away, before and behind in turn.
    if fits(expected) {
        return Some(expected);
    }
    for distance in 1..=lines.len() {
        let behind = expected + distance;
        if behind <= last && fits(behind) {
            return Some(behind);
        }
        if distance <= expected && fits(expected - distance) {
            return Some(expected - distance);
        }
        if behind > last && distance > expected {
            break;
        }
    }
    None
}

fn same(a: &[u8], b: &[u8], how: &How) -> bool {
    if a == b {
        return true;
    }
    if !how.blanks {
        return false;
    }
    let words = |line: &[u8]| -> Vec<Vec<u8>> {
        line.split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(<[u8]>::to_vec)
            .collect()
    };
    words(a) == words(b)
}
