//! Lines, line ends and how they are shown.

/// Lines shown before and after a change.
const CONTEXT_LINES: usize = 4;

/// The lines of a text without their ends; a last line without an end counts.
pub(crate) fn lines(content: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = content
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect();
    if content.is_empty() || content.ends_with(b"\n") {
        lines.pop();
    }
    lines
}

/// Whether the first line ends as on Windows.
pub(crate) fn is_crlf(content: &[u8]) -> bool {
    content.iter().position(|b| *b == b'\n').is_some_and(|i| content[..i].ends_with(b"\r"))
}

/// `text` with the line ends of Windows.
pub(crate) fn to_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// The number, from 1, of the line that byte `at` is in.
pub(crate) fn line_of(content: &[u8], at: usize) -> usize {
    content[..at].iter().filter(|b| **b == b'\n').count() + 1
}

/// Lines `first` to `last`, from 1, with their numbers as `cat -n` shows them.
pub(crate) fn numbered(lines: &[&[u8]], first: usize, last: usize) -> String {
    let shown = lines.iter().enumerate().take(last).skip(first.saturating_sub(1));
    shown.fold(String::new(), |text, (i, line)| {
        text + &format!("{:6}\t{}\n", i + 1, String::from_utf8_lossy(line))
    })
}

/// The lines of a change and a few around it, with numbers.
pub(crate) fn around(content: &[u8], (first, last): (usize, usize)) -> String {
    numbered(&lines(content), first.saturating_sub(CONTEXT_LINES).max(1), last + CONTEXT_LINES)
}
