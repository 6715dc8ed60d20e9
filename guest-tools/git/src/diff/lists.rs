//! One line for each pair: names, raw, summary, and the complaints of `--check`.

use super::pair::{Pair, Side};
use super::show::Diff;
use super::stat::movement;
use crate::out;
use crate::xdiff::{self, Event};
use std::rc::Rc;

/// Prints a pair as `--raw`, `--name-status` or `--name-only` have it.
pub(crate) fn print(diff: &Diff<'_>, pair: &Pair) {
    let options = &diff.options;
    let (tab, end): (&[u8], &[u8]) = if options.nul { (b"\0", b"\0") } else { (b"\t", b"\n") };
    let name = |path: &[u8]| if options.nul { diff.seen(path).to_vec() } else { diff.quoted(path) };
    let mut line = options.line_prefix.clone().into_bytes();
    if options.formats.name_only {
        line.extend(name(pair.path()));
    } else {
        if options.formats.raw {
            line.extend(raw(diff, pair).into_bytes());
        }
        line.extend(status(pair).into_bytes());
        line.extend_from_slice(tab);
        if pair.renamed || pair.copied {
            line.extend(name(pair.old_path()));
            line.extend_from_slice(tab);
        }
        line.extend(name(pair.path()));
    }
    line.extend_from_slice(end);
    out::bytes(&line);
}

fn status(pair: &Pair) -> String {
    let letter = pair.status();
    let scored = pair.renamed || pair.copied || (pair.score > 0 && letter == 'M');
    if scored { format!("{letter}{:03}", pair.percent()) } else { letter.to_string() }
}

fn raw(diff: &Diff<'_>, pair: &Pair) -> String {
    let mode = |side: &Option<Rc<Side>>| side.as_ref().map_or(0, |side| side.mode);
    let id = |side: &Option<Rc<Side>>| {
        // The id of a file that is no object yet is not told.
        let known = side.as_ref().filter(|side| !side.is_loose());
        diff.short(known, false)
    };
    format!(":{:06o} {:06o} {} {} ", mode(&pair.old), mode(&pair.new), id(&pair.old), id(&pair.new))
}

/// Prints what `--summary` tells of a pair.
pub(crate) fn summary(diff: &Diff<'_>, pair: &Pair) {
    let line = |text: &str, path: &[u8]| {
        out::bytes(diff.options.line_prefix.as_bytes());
        out::bytes(&[text.as_bytes(), path, b"\n"].concat());
    };
    let change = |named: bool| {
        if let (Some(old), Some(new)) = (&pair.old, &pair.new)
            && old.mode != new.mode
        {
            let text = format!(" mode change {:06o} => {:06o}", old.mode, new.mode);
            let path =
                if named { [b" ", diff.quoted(pair.path()).as_slice()].concat() } else { vec![] };
            line(&text, &path);
        }
    };
    match (&pair.old, &pair.new) {
        _ if pair.unmerged => {}
        (None, Some(new)) => {
            line(&format!(" create mode {:06o} ", new.mode), &diff.quoted(pair.path()))
        }
        (Some(old), None) => {
            line(&format!(" delete mode {:06o} ", old.mode), &diff.quoted(pair.path()))
        }
        _ if pair.renamed || pair.copied => {
            let word = if pair.renamed { " rename " } else { " copy " };
            let text = movement(diff, pair);
            line(word, &[text.as_slice(), format!(" ({}%)", pair.percent()).as_bytes()].concat());
            change(false);
        }
        _ if pair.score > 0 => {
            let percent = format!(" ({}%)", pair.percent());
            line(" rewrite ", &[diff.quoted(pair.path()).as_slice(), percent.as_bytes()].concat());
            change(false);
        }
        _ => change(true),
    }
}

/// Complains about blanks in added lines; returns whether there are any.
pub(crate) fn check(diff: &Diff<'_>, pair: &Pair) -> bool {
    let Some(new) = &pair.new else { return false };
    if new.is_binary(&diff.work) {
        return false;
    }
    let old = pair.old.as_ref().map(|side| side.content(&diff.work)).unwrap_or_default();
    let content = new.content(&diff.work);
    let (mut number, mut bad) = (0, false);
    let name = diff.quoted(pair.path());
    xdiff::diff(&old, &content, &diff.options.params, None, &mut |event| match event {
        Event::Hunk(hunk) => number = hunk.new.0.max(1) - 1,
        Event::Line(b'-', ..) => {}
        Event::Line(sign, line, _) => {
            number += 1;
            let problems = if sign == b'+' { problems(line) } else { vec![] };
            if !problems.is_empty() {
                bad = true;
                let text = format!(":{number}: {}.\n+", problems.join(", "));
                out::bytes(&[name.as_slice(), text.as_bytes(), line].concat());
                if !line.ends_with(b"\n") {
                    out::bytes(b"\n");
                }
            }
        }
    });
    bad | check_end(&name, &old, &content)
}

fn problems(line: &[u8]) -> Vec<&'static str> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let mut found = vec![];
    if text.last().is_some_and(|b| b.is_ascii_whitespace()) {
        found.push("trailing whitespace");
    }
    let indent: Vec<u8> = text.iter().copied().take_while(|b| matches!(b, b' ' | b'\t')).collect();
    if indent.windows(2).any(|w| w == b" \t") {
        found.push("space before tab in indent");
    }
    if text.starts_with(b"<<<<<<< ") || text.starts_with(b">>>>>>> ") || text == b"=======" {
        found.insert(0, "leftover conflict marker");
    }
    found
}

/// Complains about new empty lines at the end.
fn check_end(name: &[u8], old: &[u8], new: &[u8]) -> bool {
    let empty_at_end = |text: &[u8]| {
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        let n =
            lines.iter().rev().take_while(|line| line.iter().all(u8::is_ascii_whitespace)).count();
        (lines.len() - n, n)
    };
    let ((_, before), (start, after)) = (empty_at_end(old), empty_at_end(new));
    if after <= before || after == 0 {
        return false;
    }
    out::bytes(
        &[name, format!(":{}: new blank line at EOF.\n", start + 1 + before).as_bytes()].concat(),
    );
    true
}
