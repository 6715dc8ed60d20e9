//! `--word-diff`: changed words instead of changed lines.

use std::ops::Range;

use super::options::Words as Style;
use super::show::Diff;
use crate::out;
use crate::xdiff::{self, Event, Params};

/// Lines that went and came since the last line that stayed.
pub(crate) struct Words<'a> {
    diff: &'a Diff<'a>,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl<'a> Words<'a> {
    pub(crate) fn new(diff: &'a Diff<'a>) -> Self {
        Self { diff, old: vec![], new: vec![] }
    }

    pub(crate) fn take(&mut self, sign: u8, line: &[u8], unended: bool) {
        let buffer = match sign {
            b'-' => &mut self.old,
            b'+' => &mut self.new,
            _ => {
                self.flush();
                let porcelain = self.diff.options.words == Style::Porcelain;
                if porcelain {
                    out::bytes(b" ");
                }
                if self.diff.options.words == Style::Color {
                    let text = line.strip_suffix(b"\n").unwrap_or(line);
                    let end: &[u8] = if text.is_empty() { b"\n" } else { b"\x1b[m\n" };
                    out::bytes(&[text, end].concat());
                    return;
                }
                out::bytes(line);
                out::bytes(match (porcelain, unended) {
                    (true, _) => b"~\n",
                    (false, true) => b"\n",
                    (false, false) => b"",
                });
                return;
            }
        };
        buffer.extend_from_slice(line);
        if unended {
            buffer.push(b'\n');
        }
    }

    /// Shows what was taken.
    pub(crate) fn flush(&mut self) {
        let (old, new) = (std::mem::take(&mut self.old), std::mem::take(&mut self.new));
        if new.is_empty() {
            return self.write(b'-', &old);
        }
        let (old_words, new_words) = (self.split(&old), self.split(&new));
        let lines = |text: &[u8], words: &[Range<usize>]| {
            words.iter().flat_map(|w| [&text[w.clone()], b"\n"].concat()).collect::<Vec<u8>>()
        };
        let (a, b) = (lines(&old, &old_words), lines(&new, &new_words));
        let params = Params { context: 0, ..self.diff.options.params.clone() };
        let mut shown = 0;
        let mut hunks = vec![];
        xdiff::diff(&a, &b, &params, None, &mut |event| {
            if let Event::Hunk(hunk) = event {
                hunks.push(hunk);
            }
        });
        for hunk in hunks {
            let old_range = span(&old_words, hunk.old);
            let new_range = span(&new_words, hunk.new);
            self.write(b' ', &new[shown..new_range.start.max(shown)]);
            self.write(b'-', &old[old_range]);
            shown = new_range.end;
            self.write(b'+', &new[new_range]);
        }
        self.write(b' ', &new[shown..]);
    }

    fn split(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut words = vec![];
        if let Some(regexp) = &self.diff.options.word_regexp {
            let mut at = 0;
            while let Some((start, end)) = regexp.find_at(text, at) {
                let end =
                    text[start..end].iter().position(|b| *b == b'\n').map_or(end, |n| start + n);
                if end > start {
                    words.push(start..end);
                }
                at = end.max(start + 1);
                if at >= text.len() {
                    break;
                }
            }
            return words;
        }
        let mut start = None;
        for (at, b) in text.iter().chain(b"\n").enumerate() {
            match (b.is_ascii_whitespace(), start) {
                (true, Some(from)) => {
                    words.push(from..at);
                    start = None;
                }
                (false, None) => start = Some(at),
                _ => {}
            }
        }
        words
    }

    fn write(&self, sign: u8, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let (before, after, newline): (&str, &str, &str) = match (self.diff.options.words, sign) {
            (Style::Plain, b'-') => ("[-", "-]", "\n"),
            (Style::Plain, b'+') => ("{+", "+}", "\n"),
            (Style::Color, b'-') => ("\x1b[31m", "\x1b[m", "\n"),
            (Style::Color, b'+') => ("\x1b[32m", "\x1b[m", "\n"),
            (Style::Porcelain, b'-') => ("-", "\n", "~\n"),
            (Style::Porcelain, b'+') => ("+", "\n", "~\n"),
            (Style::Porcelain, _) => (" ", "\n", "~\n"),
            _ => ("", "", "\n"),
        };
        for line in text.split_inclusive(|b| *b == b'\n') {
            let (words, ended) = match line.strip_suffix(b"\n") {
                Some(words) => (words, true),
                None => (line, false),
            };
            if !words.is_empty() {
                out::bytes(&[before.as_bytes(), words, after.as_bytes()].concat());
            }
            if ended {
                out::bytes(newline.as_bytes());
            }
        }
    }
}

/// The bytes of some words; of none the place behind the word before.
fn span(words: &[Range<usize>], (start, n): (usize, usize)) -> Range<usize> {
    if n == 0 {
        let end = if start == 0 { 0 } else { words[start - 1].end };
        return end..end;
    }
    words[start - 1].start..words[start + n - 2].end
}
