//! Changes as text, in each of the formats.
//!
//! Text is kept as `char`s of the value of each byte, so that lines may hold any bytes.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use posix_regex::Regex;

use super::script::Change;

/// A file cut into lines.
#[derive(Debug)]
pub(super) struct Side {
    lines: Vec<Vec<u8>>,
    pub(super) ends_in_newline: bool,
    label: String,
}

/// Which format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Normal,
    Unified,
    Context,
    Ed,
    Rcs,
    Side,
}

/// A format and what it depends on.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) kind: Kind,
    pub(super) context: usize,
    pub(super) width: usize,
    pub(super) hides_common: bool,
    pub(super) left_column: bool,
    pub(super) function: Option<Regex>,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            kind: Kind::Normal,
            context: 3,
            width: 130,
            hides_common: false,
            left_column: false,
            function: None,
        }
    }
}

impl Side {
    pub(super) fn new(bytes: &[u8], label: String, strips_cr: bool) -> Self {
        let ends_in_newline = bytes.is_empty() || bytes.last() == Some(&b'\n');
        let mut lines: Vec<Vec<u8>> = bytes.split(|c| *c == b'\n').map(<[u8]>::to_vec).collect();
        if ends_in_newline {
            lines.pop();
        }
        if strips_cr {
            lines.iter_mut().filter(|it| it.last() == Some(&b'\r')).for_each(|it| drop(it.pop()));
        }
        Self { lines, ends_in_newline, label }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn line(&self, index: usize) -> &[u8] {
        &self.lines[index]
    }

    fn text(&self, index: usize) -> String {
        self.lines[index].iter().map(|c| char::from(*c)).collect()
    }

    /// Lines, each behind a prefix.
    fn put(&self, out: &mut String, prefix: &str, range: (usize, usize)) {
        for i in range.0..range.1 {
            out.push_str(prefix);
            out.push_str(&self.text(i));
            out.push('\n');
            if i + 1 == self.len() && !self.ends_in_newline {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// Text as it was made here, to bytes again.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// A label of UTF-8 in the text of this file.
fn as_bytes(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

pub(super) fn show(old: &Side, new: &Side, changes: &[Change], format: &Format) -> String {
    let shown = || changes.iter().filter(|it| !it.is_ignored);
    match format.kind {
        Kind::Normal => shown().map(|it| normal(it, old, new)).collect(),
        Kind::Ed => {
            changes.iter().rev().filter(|it| !it.is_ignored).map(|it| ed(it, new)).collect()
        }
        Kind::Rcs => shown().map(|it| rcs(it, new)).collect(),
        Kind::Unified | Kind::Context => hunks(old, new, changes, format),
        Kind::Side => side_by_side(old, new, changes, format),
    }
}

/// `3` or `3,5`, of lines that count from 0 and end before the second.
fn range(lines: (usize, usize)) -> String {
    match lines {
        (from, to) if to <= from => from.to_string(),
        (from, to) if to == from + 1 => to.to_string(),
        (from, to) => format!("{},{to}", from + 1),
    }
}

fn letter(change: &Change) -> char {
    match (change.old.0 == change.old.1, change.new.0 == change.new.1) {
        (true, _) => 'a',
        (_, true) => 'd',
        _ => 'c',
    }
}

fn normal(change: &Change, old: &Side, new: &Side) -> String {
    let letter = letter(change);
    let mut out = format!("{}{letter}{}\n", range(change.old), range(change.new));
    old.put(&mut out, "< ", change.old);
    if letter == 'c' {
        out.push_str("---\n");
    }
    new.put(&mut out, "> ", change.new);
    out
}

fn ed(change: &Change, new: &Side) -> String {
    let letter = letter(change);
    let mut out = format!("{}{letter}\n", range(change.old));
    if letter != 'd' {
        for i in change.new.0..change.new.1 {
            let _ = writeln!(out, "{}", new.text(i));
        }
        out.push_str(".\n");
    }
    out
}

fn rcs(change: &Change, new: &Side) -> String {
    let mut out = String::new();
    let (n_old, n_new) = (change.old.1 - change.old.0, change.new.1 - change.new.0);
    if n_old > 0 {
        let _ = writeln!(out, "d{} {n_old}", change.old.0 + 1);
    }
    if n_new > 0 {
        let _ = writeln!(out, "a{} {n_new}", change.old.1);
        for i in change.new.0..change.new.1 {
            let _ = writeln!(out, "{}", new.text(i));
        }
    }
    out
}

fn hunks(old: &Side, new: &Side, changes: &[Change], format: &Format) -> String {
    let (mark_old, mark_new) = match format.kind {
        Kind::Unified => ("---", "+++"),
        _ => ("***", "---"),
    };
    let (a, b) = (as_bytes(&old.label), as_bytes(&new.label));
    let mut out = format!("{mark_old} {a}\n{mark_new} {b}\n");
    for group in groups(changes, format.context) {
        if group.iter().all(|it| it.is_ignored) {
            continue;
        }
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let before = format.context.min(first.old.0).min(first.new.0);
        let after = format.context.min(old.len() - last.old.1).min(new.len() - last.new.1);
        let of_old = (first.old.0 - before, last.old.1 + after);
        let of_new = (first.new.0 - before, last.new.1 + after);
        let function = function(old, of_old.0, format);
        if format.kind == Kind::Unified {
            unified(&mut out, old, new, group, (of_old, of_new), &function);
        } else {
            context(&mut out, old, new, group, (of_old, of_new), &function);
        }
    }
    out
}

/// Changes that are near enough to share their context.
fn groups(changes: &[Change], context: usize) -> Vec<&[Change]> {
    let mut groups = vec![];
    let mut start = 0;
    for i in 1..=changes.len() {
        let is_end = i == changes.len() || {
            let gap = changes[i].old.0 - changes[i - 1].old.1;
            let near = if changes[i].is_ignored { context } else { 2 * context };
            gap > near
        };
        if is_end {
            groups.push(&changes[start..i]);
            start = i;
        }
    }
    groups
}

/// The last line before a hunk that starts a function, as `-p` shows it.
fn function(old: &Side, before: usize, format: &Format) -> String {
    let Some(pattern) = &format.function else { return String::new() };
    let found = (0..before).rev().find(|i| pattern.is_match(old.line(*i)));
    found.map_or(String::new(), |i| {
        let text = old.text(i);
        let cut: String = text.chars().take(40).collect();
        format!(" {}", cut.trim_end())
    })
}

fn unified_range(lines: (usize, usize)) -> String {
    match lines.1 - lines.0 {
        1 => lines.1.to_string(),
        0 => format!("{},0", lines.0),
        n => format!("{},{n}", lines.0 + 1),
    }
}

type Ranges = ((usize, usize), (usize, usize));

fn unified(
    out: &mut String,
    old: &Side,
    new: &Side,
    group: &[Change],
    (of_old, of_new): Ranges,
    function: &str,
) {
    let _ = writeln!(out, "@@ -{} +{} @@{function}", unified_range(of_old), unified_range(of_new));
    let mut at = of_old.0;
    for change in group {
        old.put(out, " ", (at, change.old.0));
        old.put(out, "-", change.old);
        new.put(out, "+", change.new);
        at = change.old.1;
    }
    old.put(out, " ", (at, of_old.1));
}

fn context_range(lines: (usize, usize)) -> String {
    match lines.1.saturating_sub(lines.0) {
        0 => lines.0.to_string(),
        1 => lines.1.to_string(),
        _ => format!("{},{}", lines.0 + 1, lines.1),
    }
}

fn context(
    out: &mut String,
    old: &Side,
    new: &Side,
    group: &[Change],
    (of_old, of_new): Ranges,
    function: &str,
) {
    let _ = writeln!(out, "***************{function}\n*** {} ****", context_range(of_old));
    if group.iter().any(|it| it.old.0 < it.old.1) {
        let mut at = of_old.0;
        for change in group {
            old.put(out, "  ", (at, change.old.0));
            let mark = if change.new.0 == change.new.1 { "- " } else { "! " };
            old.put(out, mark, change.old);
            at = change.old.1;
        }
        old.put(out, "  ", (at, of_old.1));
    }
    let _ = writeln!(out, "--- {} ----", context_range(of_new));
    if group.iter().any(|it| it.new.0 < it.new.1) {
        let mut at = of_new.0;
        for change in group {
            new.put(out, "  ", (at, change.new.0));
            let mark = if change.old.0 == change.old.1 { "+ " } else { "! " };
            new.put(out, mark, change.new);
            at = change.new.1;
        }
        new.put(out, "  ", (at, of_new.1));
    }
}

fn side_by_side(old: &Side, new: &Side, changes: &[Change], format: &Format) -> String {
    const TAB: isize = 8;
    let width = format.width as isize;
    let offset = (width + TAB + 3) / (2 * TAB) * TAB;
    let half = (offset - 3).min(width - offset).max(0);
    let second = if half > 0 { offset } else { width };
    let mut out = String::new();
    let row = |out: &mut String, left: Option<usize>, sign: char, right: Option<usize>| {
        let mut column = left.map_or(0, |i| half_line(out, &old.text(i), 0, half));
        if sign != ' ' {
            column = tabs(out, column, (half + second - 1) / 2) + 1;
            out.push(sign);
        }
        if let Some(text) = right.map(|i| new.text(i)).filter(|it| !it.is_empty()) {
            column = tabs(out, column, second);
            half_line(out, &text, column, half);
        }
        out.push('\n');
    };
    let (mut i, mut j) = (0, 0);
    let end = Change { old: (old.len(), old.len()), new: (new.len(), new.len()), is_ignored: true };
    for change in changes.iter().chain([&end]) {
        while i < change.old.0 && j < change.new.0 {
            if !format.hides_common {
                let (sign, right) = if format.left_column { ('(', None) } else { (' ', Some(j)) };
                row(&mut out, Some(i), sign, right);
            }
            i += 1;
            j += 1;
        }
        while i < change.old.1 && j < change.new.1 {
            row(&mut out, Some(i), '|', Some(j));
            i += 1;
            j += 1;
        }
        while i < change.old.1 {
            row(&mut out, Some(i), '<', None);
            i += 1;
        }
        while j < change.new.1 {
            row(&mut out, None, '>', Some(j));
            j += 1;
        }
    }
    out
}

/// Tabs, then blanks, from one column to another.
fn tabs(out: &mut String, from: isize, to: isize) -> isize {
    let mut column = from;
    while column + 8 - column % 8 <= to {
        out.push('\t');
        column += 8 - column % 8;
    }
    while column < to {
        out.push(' ');
        column += 1;
    }
    to
}

/// As much of a line as fits into half of the width; the column where it ends.
fn half_line(out: &mut String, text: &str, indent: isize, half: isize) -> isize {
    let (mut column, mut written) = (0, 0);
    for c in text.chars() {
        if c == '\t' {
            let spaces = 8 - column % 8;
            if column + spaces > half {
                break;
            }
            tabs(out, indent + written, indent + column + spaces);
            column += spaces;
            written = column;
            continue;
        }
        if column >= half {
            break;
        }
        out.push(c);
        column += 1;
        written = column;
    }
    indent + written
}

/// `2026-03-01 06:00:00.000000000 +0000`.
pub(crate) fn time(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = date((since.as_secs() / 86_400) as i64);
    let second = since.as_secs() % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:09} +0000",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_nanos()
    )
}

/// Year, month and day of a day since 1970.
pub(crate) fn date(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}
