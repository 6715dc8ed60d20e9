//! Applies ed scripts as `diff -e` writes them.
//!
//! Patches to published sources are kept in this form because it holds addresses and our own lines
//! and nothing of the original. Commands: `a` (append), `c` (change), `d` (delete), each with one
//! address or a range, and `s/.//`, by which `diff -e` gets a line of a single dot past ed's end of
//! input. A script runs from the last hunk to the first, so no address moves before it is used.

/// Why a script was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EdError {
    /// A line that is none of the commands.
    #[error("line {line}: `{text}` is not a command of `diff -e`")]
    Command {
        /// Line of the script, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// An address beyond the end of the text, or a range that runs backwards.
    #[error("line {line}: there is no line {address} in a text of {lines} lines")]
    Address {
        /// Line of the script, from 1.
        line: usize,
        /// The address.
        address: usize,
        /// Lines of the text at that point.
        lines: usize,
    },
    /// Text to insert that is not ended by a line with a single dot.
    #[error("line {line}: the inserted text has no end")]
    Unterminated {
        /// Line of the script, from 1.
        line: usize,
    },
}

/// Applies `script` to `original`. The result ends with a newline unless it is empty, as ed's does.
///
/// # Errors
///
/// [`EdError`] when the script is not one of `diff -e`, or addresses lines that are not there.
pub(crate) fn apply(original: &[u8], script: &[u8]) -> Result<Vec<u8>, EdError> {
    let mut text = Text { lines: lines(original), current: 0 };
    let mut input = lines(script).into_iter().enumerate().map(|(i, l)| (i + 1, l));
    while let Some((number, line)) = input.next() {
        let command = Command::parse(line).ok_or_else(|| EdError::Command {
            line: number,
            text: String::from_utf8_lossy(line).into_owned(),
        })?;
        let insert = if command.inserts() { read_insert(number, &mut input)? } else { Vec::new() };
        text.run(number, &command, insert)?;
    }
    let mut out = text.lines.join(&b'\n');
    if !text.lines.is_empty() {
        out.push(b'\n');
    }
    Ok(out)
}

/// The text being edited and ed's current line (0: before the first).
struct Text<'a> {
    lines: Vec<&'a [u8]>,
    current: usize,
}

enum Command {
    Append(Option<usize>),
    Change(usize, usize),
    Delete(usize, usize),
    DropFirstByte,
}

impl Command {
    fn parse(line: &[u8]) -> Option<Self> {
        if line == b"s/.//" {
            return Some(Self::DropFirstByte);
        }
        let (verb, address) = line.split_last()?;
        let address = std::str::from_utf8(address).ok()?;
        let (first, last) = match address.split_once(',') {
            Some((first, last)) => (Some(number(first)?), Some(number(last)?)),
            None if address.is_empty() => (None, None),
            None => (Some(number(address)?), None),
        };
        match (verb, first, last) {
            (b'a', first, None) => Some(Self::Append(first)),
            (b'c', Some(first @ 1..), last) => Some(Self::Change(first, last.unwrap_or(first))),
            (b'd', Some(first @ 1..), last) => Some(Self::Delete(first, last.unwrap_or(first))),
            _ => None,
        }
    }

    fn inserts(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Change(..))
    }
}

impl<'a> Text<'a> {
    fn run(
        &mut self,
        line: usize,
        command: &Command,
        insert: Vec<&'a [u8]>,
    ) -> Result<(), EdError> {
        match *command {
            Command::Append(at) => {
                let at = at.unwrap_or(self.current);
                self.check(line, 0, at)?;
                self.replace(at, at, insert);
            }
            Command::Change(first, last) => {
                self.check(line, first, last)?;
                self.replace(first - 1, last, insert);
            }
            Command::Delete(first, last) => {
                self.check(line, first, last)?;
                self.replace(first - 1, last, Vec::new());
            }
            Command::DropFirstByte => {
                self.check(line, self.current, self.current)?;
                if let Some(text) = self.current.checked_sub(1).and_then(|i| self.lines.get_mut(i))
                {
                    *text = text.get(1..).unwrap_or_default();
                }
            }
        }
        Ok(())
    }

    /// Replaces the lines after `from` up to and including line `to`.
    fn replace(&mut self, from: usize, to: usize, insert: Vec<&'a [u8]>) {
        self.current = from + insert.len();
        self.lines.splice(from..to, insert);
    }

    fn check(&self, line: usize, first: usize, last: usize) -> Result<(), EdError> {
        let lines = self.lines.len();
        if last > lines || first > last {
            return Err(EdError::Address {
                line,
                address: if last > lines { last } else { first },
                lines,
            });
        }
        Ok(())
    }
}

/// An address from 1, or 0 for `0a`.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Splits at newlines; a last line without one counts as a line.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
}

fn read_insert<'a>(
    start: usize,
    input: &mut impl Iterator<Item = (usize, &'a [u8])>,
) -> Result<Vec<&'a [u8]>, EdError> {
    let mut insert = Vec::new();
    for (_, line) in input {
        if line == b"." {
            return Ok(insert);
        }
        insert.push(line);
    }
    Err(EdError::Unterminated { line: start })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "`diff` itself is the oracle")]

    use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

    use super::*;

    #[track_caller]
    fn check(original: &str, script: &str, expected: &str) {
        let got = apply(original.as_bytes(), script.as_bytes()).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), expected);
    }

    /// What `diff -e` says about two texts.
    fn diff(old: &str, new: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("old"), old).unwrap();
        fs_err::write(dir.path().join("new"), new).unwrap();
        let out = std::process::Command::new("diff")
            .args(["-e", "old", "new"])
            .current_dir(dir.path())
            .output();
        out.unwrap().stdout
    }

    #[test]
    fn commands_of_diff() {
        check("a\nb\nc\n", "2c\nB\n.\n", "a\nB\nc\n");
        check("a\nb\nc\n", "3a\nd\n.\n1,2d\n", "c\nd\n");
        check("a\n", "0a\nz\n.\n", "z\na\n");
        check("", "0a\nz\n.\n", "z\n");
        check("a\n", "1d\n", "");
    }

    #[test]
    fn a_line_of_one_dot_gets_through() {
        check("a\n", "1a\nx\n..\n.\ns/.//\na\ny\n.\n", "a\nx\n.\ny\n");
        let script = diff("a\n", "a\n.\n.\nb\n");
        assert_eq!(apply(b"a\n", &script).unwrap(), b"a\n.\n.\nb\n");
    }

    #[test]
    fn a_missing_last_newline_is_added() {
        check("a\nb", "1c\nA\n.\n", "A\nb\n");
    }

    #[test]
    fn refuses_what_diff_does_not_write() {
        let refused = |script: &[u8]| apply(b"a\nb\n", script).unwrap_err().to_string();
        assert_eq!(refused(b"!rm -rf /\n"), "line 1: `!rm -rf /` is not a command of `diff -e`");
        assert_eq!(refused(b"w file\n"), "line 1: `w file` is not a command of `diff -e`");
        assert_eq!(refused(b"9d\n"), "line 1: there is no line 9 in a text of 2 lines");
        assert_eq!(refused(b"0d\n"), "line 1: `0d` is not a command of `diff -e`");
        assert_eq!(refused(b"2,1d\n"), "line 1: there is no line 2 in a text of 2 lines");
        assert_eq!(refused(b"1d\n1a\ntext\n"), "line 2: the inserted text has no end");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn undoes_what_diff_wrote(
            old in prop::collection::vec("[.ab]{0,2}", 0..12),
            new in prop::collection::vec("[.ab]{0,2}", 0..12),
        ) {
            let text = |lines: &[String]| lines.iter().fold(String::new(), |t, l| t + l + "\n");
            let (old, new) = (text(&old), text(&new));
            let got = apply(old.as_bytes(), &diff(&old, &new)).unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&got), new);
        }

        #[test]
        fn never_panics(original: Vec<u8>, script: Vec<u8>) {
            drop(apply(&original, &script));
        }
    }
}
