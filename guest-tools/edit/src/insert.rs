//! `insert`: new lines after a line.

use std::path::Path;

use crate::{Edit, Refusal, text};

pub(crate) fn insert(
    path: &Path,
    content: &[u8],
    after: usize,
    new: &str,
) -> Result<Edit, Refusal> {
    let lines = text::lines(content).len();
    if after > lines {
        return Err(Refusal::new(format!(
            "insert_line {after} is not in `{}`: it has {lines} lines (0 inserts at the beginning)",
            path.display()
        )));
    }
    let end = if text::is_crlf(content) { "\r\n" } else { "\n" };
    let mut new = if end == "\n" { new.to_owned() } else { text::to_crlf(new) };
    if !new.ends_with('\n') {
        new += end;
    }
    let at = offset(content, after);
    let glue = if at == content.len() && !content.is_empty() && !content.ends_with(b"\n") {
        end
    } else {
        ""
    };
    let count = new.bytes().filter(|b| *b == b'\n').count();
    let content = [&content[..at], glue.as_bytes(), new.as_bytes(), &content[at..]].concat();
    Ok(Edit { content, lines: (after + 1, after + count) })
}

/// Where the line after line `after` starts.
fn offset(content: &[u8], after: usize) -> usize {
    let ends = content.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1);
    std::iter::once(0).chain(ends).nth(after).unwrap_or(content.len())
}
