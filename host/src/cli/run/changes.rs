//! What a command changed in a copied folder: shown as a unified diff, and written back on request.

use super::mounts::Copied;
use crate::{
    cli::hint::Advice,
    printer::{Printer, visible},
};
use anyhow::Context as _;
use bytes::Bytes;
use cap_std::fs::Dir;
use owo_colors::{OwoColorize as _, Style};
use playpen_runtime::{Change, ChangeKind, Tree};
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use std::{fmt::Write as _, io};

/// Lines of a diff that are shown before the rest is only counted.
const MAX_DIFF_LINES: usize = 200;

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
    /// Compares what was copied with what is there now.
    pub(super) fn new(copied: &'a Copied, after: Tree) -> Self {
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

    /// Prints the diff to stderr, cut where it gets long.
    pub(super) fn show(&self, printer: &Printer) {
        if self.list.is_empty() {
            return;
        }
        let shown = self.list.iter().filter(|change| !self.is_told_by_others(change));
        let text: String = shown.map(|change| self.diff(change)).collect();
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().take(MAX_DIFF_LINES) {
            printer.status(format_args!("{}", coloured(&for_terminal(line))));
        }
        if let Some(n_hidden @ 1..) = lines.len().checked_sub(MAX_DIFF_LINES) {
            printer.status(format_args!("... {n_hidden} more lines of changes"));
        }
    }

    /// Checks that what would be written over is still what was copied.
    ///
    /// # Errors
    ///
    /// Fails if a file that changed in the sandbox has changed on the host as well; names them all.
    pub(super) fn check_host(&self) -> anyhow::Result<()> {
        let Some(dir) = &self.copied.dir else { return Ok(()) };
        let touched: Vec<String> = self
            .list
            .iter()
            .filter(|change| !self.is_as_copied(dir, change))
            .map(|change| format!("`{}`", self.copied.host.join(&change.path).display()))
            .collect();
        anyhow::ensure!(
            touched.is_empty(),
            Advice::new(
                format!("changed on the host since the command started: {}", touched.join(", ")),
                "nothing was written; run the command again on the folder as it is now",
            )
        );
        Ok(())
    }

    /// Writes the changes to the folder on the host.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write.
    pub(super) fn apply(&self) -> anyhow::Result<()> {
        let Copied { host, base, .. } = self.copied;
        let Some(dir) = &self.copied.dir else { return Ok(()) };
        self.after
            .apply_to(base, dir)
            .with_context(|| format!("failed to write changes to `{}`", host.display()))
    }

    fn is_as_copied(&self, dir: &Dir, change: &Change) -> bool {
        match change.kind {
            ChangeKind::Added => dir.symlink_metadata(&change.path).is_err(),
            ChangeKind::Removed | ChangeKind::Modified => {
                same_content(dir, &self.copied.base, &change.path).unwrap_or(false)
            }
        }
    }

    /// Tells whether the change is a folder that came or went with something in it.
    fn is_told_by_others(&self, change: &Change) -> bool {
        let below = format!("{}/", change.path);
        let comes_or_goes = change.kind != ChangeKind::Modified;
        comes_or_goes && self.list.iter().any(|other| other.path.starts_with(&below))
    }

    fn diff(&self, change: &Change) -> String {
        let before = self.copied.base.read(&change.path).ok();
        let after = self.after.read(&change.path).ok();
        let path = &visible(&change.path);
        match (text(before.as_ref()), text(after.as_ref())) {
            (Some(old), Some(new)) if before.is_some() || after.is_some() => {
                unified(path, before.is_some(), after.is_some(), old, new)
            }
            (None, _) | (_, None) => format!("{} `{path}` (binary or long)\n", kind(change.kind)),
            _ => format!("{} `{path}`\n", kind(change.kind)),
        }
    }
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Modified => "modified",
    }
}

/// Compares a host file with what was copied. A symlink is compared by where it points.
fn same_content(dir: &Dir, base: &Tree, path: &str) -> io::Result<bool> {
    let metadata = dir.symlink_metadata(path)?;
    if !metadata.is_file() {
        return Ok(base.read(path).is_err());
    }
    let now = dir.read(path)?;
    Ok(base.read(path).is_ok_and(|then| then == now))
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
