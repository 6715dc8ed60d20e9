//! `str_replace`: other text in the one place where the old text is.

use std::path::Path;

use crate::{Edit, Refusal, text};

pub(crate) fn replace(path: &Path, content: &[u8], old: &str, new: &str) -> Result<Edit, Refusal> {
    if old.is_empty() {
        return Err(Refusal::new("old_str is empty: use insert, or create for a new file"));
    }
    if old == new {
        return Err(Refusal::new("old_str and new_str are the same: nothing to do"));
    }
    let at = find(content, old.as_bytes());
    if !at.is_empty() {
        return put(path, content, &at, old.as_bytes(), new.as_bytes());
    }
    // A model writes \n; the file may not.
    let (old_crlf, new_crlf) = (text::to_crlf(old), text::to_crlf(new));
    let at = if text::is_crlf(content) { find(content, old_crlf.as_bytes()) } else { Vec::new() };
    if at.is_empty() {
        Err(not_found(path, content, old))
    } else {
        put(path, content, &at, old_crlf.as_bytes(), new_crlf.as_bytes())
    }
}

fn put(path: &Path, content: &[u8], at: &[usize], old: &[u8], new: &[u8]) -> Result<Edit, Refusal> {
    let &[at] = at else { return Err(ambiguous(path, content, at)) };
    let new = if text::is_crlf(content) && !new.windows(2).any(|w| w == b"\r\n") {
        text::to_crlf(&String::from_utf8_lossy(new)).into_bytes()
    } else {
        new.to_vec()
    };
    let first = text::line_of(content, at);
    let added = new.iter().filter(|b| **b == b'\n').count();
    let content = [&content[..at], &new, &content[at + old.len()..]].concat();
    Ok(Edit { content, lines: (first, first + added) })
}

/// Where `needle` starts, overlapping matches included.
fn find(content: &[u8], needle: &[u8]) -> Vec<usize> {
    content
        .windows(needle.len())
        .enumerate()
        .filter(|(_, window)| *window == needle)
        .map(|(i, _)| i)
        .collect()
}

fn ambiguous(path: &Path, content: &[u8], at: &[usize]) -> Refusal {
    let lines: Vec<String> = at.iter().map(|at| text::line_of(content, *at).to_string()).collect();
    Refusal::new(format!(
        "old_str is in `{}` {} times, at lines {}: add lines around it until it is unique",
        path.display(),
        at.len(),
        lines.join(", ")
    ))
}

fn not_found(path: &Path, content: &[u8], old: &str) -> Refusal {
    let advice = match similar(content, old) {
        Some(line) => {
            format!("the text at line {line} differs from it in white space only: copy it exactly")
        }
        None => "view the file and copy the text exactly, without line numbers".to_owned(),
    };
    Refusal::new(format!("old_str is not in `{}`: {advice}", path.display()))
}

/// The line where the words of `old` stand with other white space.
fn similar(content: &[u8], old: &str) -> Option<usize> {
    let wanted: Vec<Vec<u8>> = text::lines(old.as_bytes()).into_iter().map(words).collect();
    let lines: Vec<Vec<u8>> = text::lines(content).into_iter().map(words).collect();
    let has_words = wanted.iter().any(|line| !line.is_empty());
    let at = lines.windows(wanted.len().max(1)).position(|window| window == wanted);
    at.filter(|_| has_words).map(|i| i + 1)
}

fn words(line: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> =
        line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}
