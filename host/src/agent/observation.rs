//! What the model is told about a tool call.
//!
//! An observation is text of bounded length: a flood of output costs the model its head and its
//! tail and no more. The cut is made in the middle, because the cause is at the head of a log and
//! the verdict at its tail, on character boundaries, and says how much is missing.

/// The answer to one tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    /// What the model reads.
    pub(super) text: String,
    /// Whether the tool did what it was asked to.
    pub(super) ok: bool,
}

impl Observation {
    /// Makes the observation of a call that worked.
    pub(super) fn done(text: impl Into<String>) -> Observation {
        Observation { text: text.into(), ok: true }
    }

    /// Makes the observation of a call that did not work.
    pub(super) fn failed(text: impl Into<String>) -> Observation {
        Observation { text: text.into(), ok: false }
    }
}

/// Returns `text` with at most `max_chars` characters of it, head and tail kept in equal parts.
///
/// The note in the middle comes on top of `max_chars`.
pub(super) fn cut_middle(text: &str, max_chars: usize) -> String {
    let n_chars = text.chars().count();
    if n_chars <= max_chars {
        return text.to_owned();
    }
    let head_chars = max_chars / 2;
    let tail_chars = max_chars - head_chars;
    let head = &text[..byte_of_char(text, head_chars)];
    let tail = &text[byte_of_char(text, n_chars - tail_chars)..];
    let n_cut = n_chars - max_chars;
    let n_lines = text[head.len()..text.len() - tail.len()].matches('\n').count();
    format!("{head}\n[... {n_cut} characters ({n_lines} lines) cut here ...]\n{tail}")
}

/// Returns the text of a guest's output: UTF-8 with replacement characters, without NUL bytes,
/// which some endpoints refuse.
pub(super) fn text_of(output: &[u8]) -> String {
    String::from_utf8_lossy(output).replace('\0', "\u{fffd}")
}

/// Returns the first line of `text`, cut to `max_chars` characters, for people who watch.
pub(super) fn one_line(text: &str, max_chars: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(max_chars) {
        Some((idx, _)) => format!("{}...", &line[..idx]),
        None => line.to_owned(),
    }
}

/// Returns where the character number `char_idx` begins, or the end of `text`.
fn byte_of_char(text: &str, char_idx: usize) -> usize {
    text.char_indices().nth(char_idx).map_or(text.len(), |(idx, _)| idx)
}

#[cfg(test)]
mod tests {
    use super::{cut_middle, one_line, text_of};

    #[test]
    fn text_that_fits_is_left_alone() {
        assert_eq!(cut_middle("abcdef", 6), "abcdef");
    }

    #[test]
    fn head_and_tail_are_kept() {
        assert_eq!(
            cut_middle("abc\ndefghij", 4),
            "ab\n[... 7 characters (1 lines) cut here ...]\nij"
        );
    }

    #[test]
    fn the_cut_falls_between_characters() {
        let text = "\u{1F600}".repeat(9);
        let cut = cut_middle(&text, 3);
        assert!(cut.starts_with("\u{1F600}\n[... 6 characters"), "{cut}");
        assert!(cut.ends_with("\n\u{1F600}\u{1F600}"), "{cut}");
    }

    #[test]
    fn a_limit_of_nothing_leaves_the_note() {
        assert_eq!(cut_middle("abc", 0), "\n[... 3 characters (0 lines) cut here ...]\n");
    }

    #[test]
    fn every_cut_counts_what_is_missing() {
        let text: String = (0..500).map(|n| if n % 7 == 0 { '\n' } else { 'ß' }).collect();
        for max_chars in 0..500 {
            let cut = cut_middle(&text, max_chars);
            let (head, rest) = cut.split_once("\n[... ").unwrap();
            let (note, tail) = rest.split_once(" cut here ...]\n").unwrap();
            let n_cut: usize = note.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(head.chars().count() + n_cut + tail.chars().count(), 500);
            assert!(text.starts_with(head) && text.ends_with(tail));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(text_of(b"a\xffb\0c"), "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn one_line_is_the_first_line() {
        assert_eq!(one_line("\nmake test\nmore", 6), "make t...");
        assert_eq!(one_line("", 6), "");
    }
}
