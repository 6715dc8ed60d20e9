//! Short and porcelain status.

use super::{Change, Format, Report};
use crate::diff::Pair;
use crate::out::{self, out};
use crate::quote;
use crate::stage;

/// The two letters of a conflict, by the stages that are there.
pub(super) fn conflict_letters(stages: u8) -> &'static str {
    match stages {
        1 => "DD",
        2 => "AU",
        3 => "UD",
        4 => "UA",
        5 => "DU",
        6 => "AA",
        _ => "UU",
    }
}

fn letter(pair: Option<&Pair>) -> char {
    pair.map_or(' ', Pair::status)
}

pub(super) fn print(report: &Report<'_>) {
    if report.request.branch {
        let head = super::branch::short_line(report.place);
        out!("## {head}{}", if report.request.nul { '\0' } else { '\n' });
    }
    for (path, change) in &report.changes {
        line(report, path, change);
    }
    for (sign, list) in [("??", &report.untracked), ("!!", &report.ignored)] {
        for path in list {
            entry(report, sign, path, None);
        }
    }
}

fn line(report: &Report<'_>, path: &[u8], change: &Change) {
    if change.stages > 0 {
        return entry(report, conflict_letters(change.stages), path, None);
    }
    let letters = format!("{}{}", letter(change.staged.as_ref()), letter(change.unstaged.as_ref()));
    let moved =
        [&change.staged, &change.unstaged].into_iter().flatten().find(|p| p.renamed || p.copied);
    entry(report, &letters, path, moved.map(Pair::old_path));
}

fn entry(report: &Report<'_>, letters: &str, path: &[u8], from: Option<&[u8]>) {
    if report.request.nul {
        out!("{letters} ");
        out::bytes(&[path, b"\0"].concat());
        if let Some(from) = from {
            out::bytes(&[from, b"\0"].concat());
        }
        return;
    }
    let name = |path: &[u8]| {
        let relative = report.request.format == Format::Short;
        let seen = if relative { report.place.seen(path) } else { path.to_vec() };
        quote::path_or_blank(&seen, report.diff.quotes_high)
    };
    out!("{letters} ");
    if let Some(from) = from {
        out::bytes(&[name(from).as_slice(), b" -> "].concat());
    }
    out::bytes(&[name(path).as_slice(), b"\n"].concat());
}

/// Porcelain status, version 2.
pub(super) fn print2(report: &Report<'_>) {
    let end = if report.request.nul { "\0" } else { "\n" };
    if report.request.branch {
        super::branch::porcelain2(report.place, report.head, end);
    }
    for (path, change) in report.changes.iter().filter(|(_, change)| change.stages == 0) {
        ordinary(report, path, change, end);
    }
    for (path, change) in report.changes.iter().filter(|(_, change)| change.stages > 0) {
        conflict(report, path, change.stages, end);
    }
    for (sign, list) in [("?", &report.untracked), ("!", &report.ignored)] {
        for path in list {
            out!("{sign} ");
            out::bytes(&name2(report, path));
            out!("{end}");
        }
    }
}

fn name2(report: &Report<'_>, path: &[u8]) -> Vec<u8> {
    if report.request.nul { path.to_vec() } else { quote::path(path, report.diff.quotes_high) }
}

fn ordinary(report: &Report<'_>, path: &[u8], change: &Change, end: &str) {
    let dot = |pair: Option<&Pair>| pair.map_or('.', Pair::status);
    let entry = report.stage.get(path).filter(|entry| !stage::is_announced(entry));
    let zero = git2::Oid::ZERO_SHA1;
    let (index_mode, index_id) = entry.map_or((0, zero), |entry| (entry.mode, entry.id));
    let staged = change.staged.as_ref();
    let (head_mode, head_id) = match staged {
        Some(pair) => {
            pair.old.as_ref().map_or((0, zero), |old| (old.mode, old.id(&report.diff.work)))
        }
        None => (index_mode, index_id),
    };
    let work_mode = match &change.unstaged {
        Some(pair) => pair.new.as_ref().map_or(0, |new| new.mode),
        None => index_mode,
    };
    let letters = format!("{}{}", dot(staged), dot(change.unstaged.as_ref()));
    let moved =
        [staged, change.unstaged.as_ref()].into_iter().flatten().find(|p| p.renamed || p.copied);
    let kind = if moved.is_some() { 2 } else { 1 };
    out!(
        "{kind} {letters} N... {head_mode:06o} {index_mode:06o} {work_mode:06o} {head_id} {index_id} "
    );
    if let Some(pair) = moved {
        out!("{}{} ", pair.status(), pair.percent());
    }
    out::bytes(&name2(report, path));
    if let Some(pair) = moved {
        out::bytes(if report.request.nul { b"\0" } else { b"\t" });
        out::bytes(&name2(report, pair.old_path()));
    }
    out!("{end}");
}

fn conflict(report: &Report<'_>, path: &[u8], stages: u8, end: &str) {
    let entry = |n| report.stage.index.get_path(crate::sys::path(path), n);
    let sides: Vec<_> = (1..=3).map(entry).collect();
    let modes: Vec<String> =
        sides.iter().map(|e| format!("{:06o}", e.as_ref().map_or(0, |e| e.mode))).collect();
    let ids: Vec<String> = sides
        .iter()
        .map(|e| e.as_ref().map_or(git2::Oid::ZERO_SHA1, |e| e.id).to_string())
        .collect();
    let work = report.diff.work.find(path).map_or(0, |meta| report.diff.work.mode(&meta, None));
    out!("u {} N... {} {work:06o} {} ", conflict_letters(stages), modes.join(" "), ids.join(" "));
    out::bytes(&name2(report, path));
    out!("{end}");
}
