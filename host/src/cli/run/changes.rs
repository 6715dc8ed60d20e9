//! What a command changed in a copied folder, shown as a unified diff.

use super::{mounts::Copied, write_back::WriteBack};
use crate::printer::{Printer, visible};
use bytes::Bytes;
use owo_colors::{OwoColorize as _, Style};
use playpen_runtime::{Change, ChangeKind, Tree, TreeEntry};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use std::fmt::Write as _;

/// Lines of a diff that are shown before the rest is only counted.
const MAX_DIFF_LINES: usize = 200;

/// Lines after which not even the number of the rest is found out.
const MAX_COUNTED_LINES: usize = 20_000;

/// Characters of a line that are shown: a diff is for reading, and one line can be a whole file.
const MAX_LINE_CHARS: usize = 400;

/// A file longer than this is named, not compared: the comparison is quadratic at worst.
const MAX_COMPARED_BYTES: usize = 1 << 20;

/// A changed path, as results report it.
#[derive(Debug, Serialize)]
pub(super) struct ChangedPath {
    /// The absolute path in the sandbox.
    path: String,
    /// `added`, `removed` or `modified`.
    kind: &'static str,
}

/// A copied folder before and after.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    copied: &'a Copied,
    after: Tree,
    list: Vec<Change>,
}

impl<'a> Changes<'a> {
    /// Compares what was copied with what is there now. Folders that are there only for another mount to be in
    /// are no change.
    pub(super) fn new(copied: &'a Copied, mut after: Tree, points: &[String]) -> Self {
        let prefix = format!("{}/", copied.guest);
        for point in points.iter().filter_map(|point| point.strip_prefix(&prefix)) {
            let ends = point.match_indices('/').map(|(at, _)| at).chain([point.len()]);
            for folder in ends.rev().map(|end| &point[..end]) {
                let below = format!("{folder}/");
                let is_made = !copied.base.exists(folder) && after.exists(folder);
                if is_made && !after.walk().iter().any(|entry| entry.path.starts_with(&below)) {
                    drop(after.remove(folder));
                }
            }
        }
        let list = copied.base.diff(&after);
        Self { copied, after, list }
    }

    /// Returns how many paths changed.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the changed paths, sorted.
    pub(super) fn paths(&self) -> impl Iterator<Item = ChangedPath> + '_ {
        self.list.iter().map(|change| ChangedPath {
            path: format!("{}/{}", self.copied.guest, change.path),
            kind: kind(change.kind),
        })
    }

    /// Prints the diff to stderr, cut where it gets long, with the name of the folder if there are several.
    pub(super) fn show(&self, printer: &Printer, is_one_of_several: bool) {
        if self.list.is_empty() || printer.is_quiet() {
            return;
        }
        if is_one_of_several {
            printer.status(format_args!("playpen: changes in `{}`", self.copied.guest));
        }
        let shown = self.list.iter().filter(|change| !self.is_told_by_others(change));
        let mut n_lines = 0_usize;
        for change in shown {
            // A guest may have written more than anybody wants to hold or to compare.
            if n_lines > MAX_COUNTED_LINES {
                printer.status(format_args!("... more than {MAX_COUNTED_LINES} lines of changes"));
                return;
            }
            for line in self.diff(change).lines() {
                n_lines += 1;
                if n_lines <= MAX_DIFF_LINES {
                    printer.status(format_args!("{}", coloured(&for_terminal(line))));
                }
            }
        }
        if let Some(n_hidden @ 1..) = n_lines.checked_sub(MAX_DIFF_LINES) {
            printer.status(format_args!("... {n_hidden} more lines of changes"));
        }
    }

    /// Returns what is to be written to the folder on the host, if it is one's.
    ///
    /// # Errors
    ///
    /// Fails if something that changed in the sandbox has changed on the host as well; names it all.
    pub(super) fn write_back(&self) -> anyhow::Result<Option<WriteBack<'a>>> {
        WriteBack::new(self.copied, &self.after, &self.list)
    }

    /// Tells whether the change is a folder that came or went with something in it.
    fn is_told_by_others(&self, change: &Change) -> bool {
        let below = format!("{}/", change.path);
        // The list is sorted by path.
        let next = self.list.partition_point(|other| other.path < below);
        let has_more = self.list.get(next).is_some_and(|other| other.path.starts_with(&below));
        change.kind != ChangeKind::Modified && has_more
    }

    fn diff(&self, change: &Change) -> String {
        let before = self.copied.base.read(&change.path).ok();
        let after = self.after.read(&change.path).ok();
        let path = &visible(&change.path);
        let (was, is) = (self.copied.base.entry(&change.path), self.after.entry(&change.path));
        let told = match (text(before.as_ref()), text(after.as_ref())) {
            (Some(old), Some(new)) if old != new || before.is_some() != after.is_some() => {
                unified(path, before.is_some(), after.is_some(), old, new)
            }
            (Some(_), Some(_)) => String::new(),
            (None, _) | (_, None) if before == after => String::new(),
            (None, _) | (_, None) => format!("{} `{path}` (binary or long)\n", kind(change.kind)),
        };
        match modes(was.as_ref(), is.as_ref()) {
            Some((old, new)) => format!("mode of `{path}` {old:03o} -> {new:03o}\n{told}"),
            None if told.is_empty() => {
                let target = is.and_then(|is| is.target).map(|target| visible(&target));
                let target = target.map_or_else(String::new, |target| format!(" -> `{target}`"));
                format!("{} `{path}`{target}\n", kind(change.kind))
            }
            None => told,
        }
    }
}

/// Returns the permission bits before and after, if they are of one kind and the bits differ.
fn modes(was: Option<&TreeEntry>, is: Option<&TreeEntry>) -> Option<(u32, u32)> {
    let (was, is) = (was?, is?);
    let differ = was.kind == is.kind && was.mode & 0o7777 != is.mode & 0o7777;
    differ.then_some((was.mode & 0o7777, is.mode & 0o7777))
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Modified => "modified",
    }
}

/// Returns the content as text worth comparing; a file that is not there is empty.
fn text(content: Option<&Bytes>) -> Option<&str> {
    let Some(content) = content else { return Some("") };
    let short = content.len() <= MAX_COMPARED_BYTES && !content.contains(&0);
    short.then(|| std::str::from_utf8(content).ok()).flatten()
}

fn unified(path: &str, was: bool, is: bool, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let from = if was { format!("a/{path}") } else { "/dev/null".to_owned() };
    let to = if is { format!("b/{path}") } else { "/dev/null".to_owned() };
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "--- {from}\n+++ {to}");
    for hunk in diff.unified_diff().iter_hunks() {
        let _ = writeln!(out, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let _ = writeln!(out, "{sign}{}", change.value().trim_end_matches('\n'));
            if change.missing_newline() {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Makes a line that a guest wrote fit for a terminal: not too long, and without the control
/// characters by which it could command the terminal.
fn for_terminal(line: &str) -> String {
    let visible = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    let mut shown: String = line.chars().take(MAX_LINE_CHARS).map(visible).collect();
    let n_hidden = line.chars().count().saturating_sub(MAX_LINE_CHARS);
    if n_hidden > 0 {
        // Writing to a string cannot fail.
        let _ = write!(shown, "... ({n_hidden} more characters)");
    }
    shown
}

fn coloured(line: &str) -> String {
    let style = match line.as_bytes().first() {
        Some(b'+') => Style::new().green(),
        Some(b'-') => Style::new().red(),
        Some(b'@') => Style::new().cyan(),
        _ => return line.to_owned(),
    };
    line.style(style).to_string()
}

#[cfg(test)]
mod tests {
    use super::{for_terminal, text, unified};
    use bytes::Bytes;

    #[test]
    fn a_line_cannot_command_the_terminal_nor_fill_it() {
        assert_eq!(for_terminal("+\u{1b}[2Jx\ty"), "+\u{fffd}[2Jx\ty");
        let long = for_terminal(&"x".repeat(1000));
        assert!(long.ends_with("x... (600 more characters)"), "{long}");
    }

    #[test]
    fn a_new_file_is_a_diff_from_nothing() {
        insta::assert_snapshot!(unified("a.txt", false, true, "", "one\ntwo\n"), @"
        --- /dev/null
        +++ b/a.txt
        @@ -0,0 +1,2 @@
        +one
        +two
        ");
    }

    #[test]
    fn a_change_has_context() {
        insta::assert_snapshot!(unified("a.txt", true, true, "one\ntwo\n", "one\n2\n"), @"
        --- a/a.txt
        +++ b/a.txt
        @@ -1,2 +1,2 @@
         one
        -two
        +2
        ");
    }

    #[test]
    fn binary_content_is_no_text() {
        assert_eq!(text(Some(&Bytes::from_static(b"a\0b"))), None);
        assert_eq!(text(Some(&Bytes::from_static(b"\xff"))), None);
        assert_eq!(text(None), Some(""));
    }
}
