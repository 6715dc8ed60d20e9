//! `view`: a file with line numbers, a folder as a tree.

use std::fs;
use std::path::Path;

use crate::{Refusal, text};

/// How deep a folder is listed.
const LEVELS: usize = 2;

pub(crate) fn view(path: &Path, range: Option<(i64, i64)>) -> Result<String, Refusal> {
    if path.is_dir() {
        if range.is_some() {
            return Err(Refusal::new(format!(
                "`{}` is a folder: view_range is for files",
                path.display()
            )));
        }
        return folder(path);
    }
    let content = fs::read(path).map_err(|e| Refusal::io("view", path, &e))?;
    if content.contains(&0) {
        return Err(Refusal::new(format!(
            "`{}` is a binary file of {} bytes",
            path.display(),
            content.len()
        )));
    }
    let lines = text::lines(&content);
    let (first, last) = match range {
        Some(range) => checked(range, lines.len())?,
        None if lines.is_empty() => return Ok(format!("`{}` is empty\n", path.display())),
        None => (1, lines.len()),
    };
    Ok(text::numbered(&lines, first, last))
}

fn checked((first, last): (i64, i64), lines: usize) -> Result<(usize, usize), Refusal> {
    let refusal = || {
        Refusal::new(format!(
            "view_range [{first}, {last}] is not in the file: it has {lines} lines (-1 is the last one)"
        ))
    };
    let from =
        usize::try_from(first).ok().filter(|n| (1..=lines).contains(n)).ok_or_else(refusal)?;
    let to = if last == -1 { lines } else { usize::try_from(last).map_err(|_| refusal())? };
    if to < from {
        return Err(refusal());
    }
    // A range that ends beyond the file is what a reader wants who does not know its length.
    Ok((from, to.min(lines)))
}

fn folder(path: &Path) -> Result<String, Refusal> {
    let mut text = format!("{}\n", path.display());
    list(path, 1, &mut text).map_err(|e| Refusal::io("list", path, &e))?;
    Ok(text)
}

fn list(dir: &Path, level: usize, text: &mut String) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        let is_dir = entry.file_type()?.is_dir();
        *text += &format!("{}{name}{}\n", "  ".repeat(level), if is_dir { "/" } else { "" });
        if is_dir && level < LEVELS {
            list(&entry.path(), level + 1, text)?;
        }
    }
    Ok(())
}
