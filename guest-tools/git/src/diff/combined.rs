//! Differences of a merge from all its parents at once (`--cc`).

use git2::Oid;

use super::show::Diff;
use crate::out;
use crate::quote;
use crate::tree::Item;
use crate::xdiff;

/// A path that differs from each parent.
pub(crate) struct Combined {
    pub(crate) path: Vec<u8>,
    pub(crate) parents: Vec<Option<Item>>,
    pub(crate) result: Option<Item>,
    /// The content, if it is a file of the working tree.
    pub(crate) content: Option<Vec<u8>>,
}

#[derive(Clone, Default)]
struct Line {
    text: Vec<u8>,
    /// The parents that do not have the line.
    new_in: u64,
    /// Lines before it that are gone, with the parents that had them.
    lost: Vec<(Vec<u8>, u64)>,
    shown: bool,
    without_lost: bool,
    /// The number of the line in each parent.
    numbers: Vec<usize>,
}

impl Line {
    fn is_changed(&self) -> bool {
        self.new_in != 0 || !self.lost.is_empty()
    }
}

/// Prints the combined difference of a path, if there is something to show.
pub(crate) fn print(diff: &Diff<'_>, change: &Combined, dense: bool) -> bool {
    let content = |item: &Option<Item>| {
        item.as_ref().and_then(|i| diff.place.read(i.id).ok()).unwrap_or_default()
    };
    let result = change.content.clone().unwrap_or_else(|| content(&change.result));
    let parents: Vec<Vec<u8>> = change.parents.iter().map(content).collect();
    let binary =
        super::pair::looks_binary(&result) || parents.iter().any(|p| super::pair::looks_binary(p));
    if binary && !diff.options.text {
        header(diff, change, dense, false);
        out::bytes(b"Binary files differ\n");
        return true;
    }
    let mut lines = compare(&parents, &result, diff.options.params.flags);
    let context = diff.options.params.context;
    let any = mark(&mut lines, parents.len(), context, dense);
    let modes = change.parents.iter().flatten().map(|i| i.mode);
    let mode = change.result.as_ref().map(|i| i.mode);
    let mode_differs = modes.clone().any(|m| Some(m) != mode);
    if !any && !mode_differs && change.content.is_none() {
        return false;
    }
    header(diff, change, dense, true);
    dump(&lines, parents.len());
    true
}

fn header(diff: &Diff<'_>, change: &Combined, dense: bool, labels: bool) {
    let word = if dense { "cc" } else { "combined" };
    let name =
        |prefix: &str| quote::two(prefix.as_bytes(), diff.seen(&change.path), diff.quotes_high);
    let mut text = format!("diff --{word} ").into_bytes();
    text.extend(name(""));
    text.push(b'\n');
    let short = |item: &Option<Item>| {
        let id = item.as_ref().map_or(Oid::ZERO_SHA1, |i| i.id);
        let digits = if diff.options.full_index {
            40
        } else {
            diff.options.abbrev.unwrap_or_else(|| diff.place.digits())
        };
        diff.place.short_of(id, digits)
    };
    let ids: Vec<String> = change.parents.iter().map(&short).collect();
    let result = if change.content.is_some() { short(&None) } else { short(&change.result) };
    text.extend(format!("index {}..{result}\n", ids.join(",")).into_bytes());
    let added = change.parents.iter().all(Option::is_none);
    let mode = change.result.as_ref().map(|i| i.mode);
    let differs = change.parents.iter().any(|p| p.as_ref().map(|i| i.mode) != mode);
    if differs {
        let modes: Vec<String> = change
            .parents
            .iter()
            .map(|p| format!("{:06o}", p.as_ref().map_or(0, |i| i.mode)))
            .collect();
        text.extend(
            match mode {
                Some(mode) if added => format!("new file mode {mode:06o}\n"),
                Some(mode) => format!("mode {}..{mode:06o}\n", modes.join(",")),
                None => format!("deleted file mode {}\n", modes.join(",")),
            }
            .into_bytes(),
        );
    }
    if labels {
        text.extend_from_slice(b"--- ");
        text.extend(if added { b"/dev/null".to_vec() } else { name(&diff.options.old_prefix) });
        text.extend_from_slice(b"\n+++ ");
        text.extend(if mode.is_none() {
            b"/dev/null".to_vec()
        } else {
            name(&diff.options.new_prefix)
        });
        text.push(b'\n');
    }
    out::bytes(&text);
}

/// The lines of the result, and one more for what is lost behind them.
fn compare(parents: &[Vec<u8>], result: &[u8], flags: u32) -> Vec<Line> {
    let split =
        |text: &[u8]| text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut lines: Vec<Line> =
        split(result).into_iter().map(|text| Line { text, ..Line::default() }).collect();
    lines.push(Line::default());
    for (n, parent) in parents.iter().enumerate() {
        let bit = 1 << n;
        let old = split(parent);
        for [start, len, new, n_new] in xdiff::ranges(parent, result, flags) {
            lines[new..new + n_new].iter_mut().for_each(|line| line.new_in |= bit);
            let lost: Vec<Vec<u8>> = old[start..start + len].to_vec();
            let before = std::mem::take(&mut lines[new].lost);
            lines[new].lost = united(before, lost, bit);
        }
        number(&mut lines, bit);
    }
    lines
}

fn number(lines: &mut [Line], bit: u64) {
    let mut number = 1;
    for line in lines.iter_mut() {
        line.numbers.push(number);
        number += line.lost.iter().filter(|(_, parents)| parents & bit != 0).count();
        number += usize::from(line.new_in & bit == 0);
    }
}

/// Lines lost from earlier parents and from one more, equal ones as one.
fn united(before: Vec<(Vec<u8>, u64)>, lost: Vec<Vec<u8>>, bit: u64) -> Vec<(Vec<u8>, u64)> {
    if before.is_empty() {
        return lost.into_iter().map(|text| (text, bit)).collect();
    }
    let (n, m) = (before.len(), lost.len());
    let mut table = vec![vec![0usize; m + 1]; n + 1];
    for i in 1..=n {
        for j in 1..=m {
            table[i][j] = if before[i - 1].0 == lost[j - 1] {
                table[i - 1][j - 1] + 1
            } else {
                table[i][j - 1].max(table[i - 1][j])
            };
        }
    }
    let (mut i, mut j) = (n, m);
    let mut out = vec![];
    while i > 0 || j > 0 {
        if i > 0 && j > 0 && before[i - 1].0 == lost[j - 1] {
            out.push((before[i - 1].0.clone(), before[i - 1].1 | bit));
            (i, j) = (i - 1, j - 1);
        } else if j > 0 && (i == 0 || table[i][j - 1] >= table[i - 1][j]) {
            out.push((lost[j - 1].clone(), bit));
            j -= 1;
        } else {
            out.push(before[i - 1].clone());
            i -= 1;
        }
    }
    out.reverse();
    out
}

/// Marks what is shown; returns whether anything is.
fn mark(lines: &mut [Line], n_parents: usize, context: usize, dense: bool) -> bool {
    lines.iter_mut().for_each(|line| line.shown = line.is_changed());
    let count = lines.len();
    let mut at = 0;
    while dense && at < count {
        if !lines[at].shown {
            at += 1;
            continue;
        }
        let end = hunk_end(lines, at, context);
        if !matters(&lines[at..end], n_parents) {
            lines[at..end].iter_mut().for_each(|line| line.shown = false);
        }
        at = end;
    }
    add_context(lines, context)
}

/// Where a run of changed lines ends; close ones belong together.
fn hunk_end(lines: &[Line], begin: usize, context: usize) -> usize {
    let mut at = begin + 1;
    while at < lines.len() {
        if !lines[at].shown {
            let ahead = (tail(lines, begin, at) + context).min(lines.len());
            match (at..ahead).rev().find(|n| lines[*n].shown) {
                Some(next) => at = next,
                None => return at,
            }
        }
        at += 1;
    }
    at.min(lines.len())
}

/// A last line that only has lost lines before it is context itself.
fn tail(lines: &[Line], begin: usize, end: usize) -> usize {
    if begin < end && lines[end - 1].new_in == 0 { end - 1 } else { end }
}

/// Whether the result of a hunk is not simply that of one parent.
fn matters(lines: &[Line], n_parents: usize) -> bool {
    let all = (1u64 << n_parents) - 1;
    let sets = lines.iter().flat_map(|line| {
        std::iter::once(line.new_in)
            .filter(|set| *set != 0)
            .chain(line.lost.iter().map(|lost| lost.1))
    });
    let mut first = 0;
    for set in sets {
        if first == 0 {
            first = set;
        } else if set != first {
            return true;
        }
    }
    first == all
}

fn add_context(lines: &mut [Line], context: usize) -> bool {
    let count = lines.len();
    let next = |lines: &[Line], from: usize, shown: bool| {
        (from..count).find(|at| lines[*at].shown == shown).unwrap_or(count)
    };
    let mut i = next(lines, 0, true);
    if i >= count {
        return false;
    }
    while i < count {
        for line in &mut lines[i.saturating_sub(context)..i] {
            line.without_lost |= !line.shown;
            line.shown = true;
        }
        loop {
            let mut j = next(lines, i, false);
            if j >= count {
                return true;
            }
            let k = next(lines, j, true);
            j = tail(lines, i, j);
            if k < j + context && k < count {
                lines[j..k].iter_mut().for_each(|line| line.shown = true);
                i = k;
                continue;
            }
            i = k;
            let end = (j + context).min(count);
            lines[j..end].iter_mut().for_each(|line| line.shown = true);
            break;
        }
    }
    true
}

fn dump(lines: &[Line], n_parents: usize) {
    let last = lines.len() - 1;
    let mut at = 0;
    loop {
        let mut comment: Option<&Line> = None;
        while at <= last && !lines[at].shown {
            if lines[at]
                .text
                .first()
                .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$'))
            {
                comment = Some(&lines[at]);
            }
            at += 1;
        }
        if at > last {
            return;
        }
        let end = (at + 1..=last).find(|n| !lines[*n].shown).unwrap_or(last + 1);
        hunk_header(lines, at..end, n_parents, comment);
        for (n, line) in lines[at..end].iter().enumerate() {
            print_line(line, at + n == last, n_parents);
        }
        at = end;
    }
}

fn hunk_header(
    lines: &[Line],
    range: std::ops::Range<usize>,
    n_parents: usize,
    comment: Option<&Line>,
) {
    let last = lines.len() - 1;
    let marks = "@".repeat(n_parents + 1);
    let mut text = marks.clone();
    for n in 0..n_parents {
        let start = lines[range.start].numbers[n];
        let end = if range.end <= last {
            lines[range.end].numbers[n]
        } else {
            // Behind the last line are only lost ones.
            let lost = lines[last].lost.iter().filter(|l| l.1 & (1 << n) != 0).count();
            lines[last].numbers[n] + lost
        };
        text += &format!(" -{start},{}", end - start);
    }
    let n_lines = range.len() - usize::from(range.end > last);
    text += &format!(" +{},{n_lines} {marks}", range.start + 1);
    let mut text = text.into_bytes();
    if let Some(comment) = comment {
        let shown: Vec<u8> =
            comment.text.iter().copied().take(40).take_while(|b| *b != b'\n' && *b != 0).collect();
        let end = shown.iter().rposition(|b| !b.is_ascii_whitespace()).unwrap_or(0);
        if end > 0 {
            text.push(b' ');
            text.extend_from_slice(&shown[..end]);
        }
    }
    text.push(b'\n');
    out::bytes(&text);
}

fn print_line(line: &Line, is_last: bool, n_parents: usize) {
    let signs = |set: u64, sign: u8| {
        (0..n_parents).map(|n| if set & (1 << n) != 0 { sign } else { b' ' }).collect::<Vec<u8>>()
    };
    let ended = |text: &[u8]| [text.strip_suffix(b"\n").unwrap_or(text), b"\n"].concat();
    if !line.without_lost {
        for (text, parents) in &line.lost {
            out::bytes(&[signs(*parents, b'-'), ended(text)].concat());
        }
    }
    if !is_last {
        out::bytes(&[signs(line.new_in, b'+'), ended(&line.text)].concat());
    }
}
