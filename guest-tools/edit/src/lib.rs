//! The file editor of agents: view, create, `str_replace`, insert, undo.
//!
//! Works on bytes: what is not UTF-8 and what line ends a file has survive an edit of other lines.
//! The answers are text for a model to read; a refusal says what to do instead.
#![expect(clippy::disallowed_methods, reason = "a guest: every file it can reach is the sandbox's")]

mod history;
mod insert;
mod replace;
mod text;
mod view;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use history::History;

/// One call of the editor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A file with line numbers, or a folder two levels deep.
    View {
        /// File or folder.
        path: PathBuf,
        /// First and last line, from 1; -1 is the last line of the file.
        view_range: Option<(i64, i64)>,
    },
    /// A new file, or new content for one; parent folders are made.
    Create {
        /// The file.
        path: PathBuf,
        /// Its content.
        file_text: String,
    },
    /// Other text in the one place where `old_str` is.
    StrReplace {
        /// The file.
        path: PathBuf,
        /// Text that occurs exactly once.
        old_str: String,
        /// What takes its place; nothing by default.
        #[serde(default)]
        new_str: String,
    },
    /// New lines after a line.
    Insert {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 inserts at the beginning.
        insert_line: usize,
        /// The lines.
        #[serde(alias = "insert_text")]
        new_str: String,
    },
    /// What the last change of this editor to the file was made from.
    Undo {
        /// The file.
        path: PathBuf,
    },
}

/// Why a call was refused, for the model.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    fn io(doing: &str, path: &Path, e: &io::Error) -> Self {
        Self(format!("cannot {doing} `{}`: {e}", path.display()))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Runs one call; `history` is the folder where earlier contents are kept for undo.
///
/// # Errors
///
/// [`Refusal`] when nothing was changed.
pub fn run(request: &Request, history: &Path) -> Result<String, Refusal> {
    let history = History::new(history);
    match request {
        Request::View { path, view_range } => view::view(path, *view_range),
        Request::Create { path, file_text } => create(path, file_text, &history),
        Request::StrReplace { path, old_str, new_str } => {
            let before = read(path)?;
            let edit = replace::replace(path, &before, old_str, new_str)?;
            change(path, &before, &edit, &history)
        }
        Request::Insert { path, insert_line, new_str } => {
            let before = read(path)?;
            let edit = insert::insert(path, &before, *insert_line, new_str)?;
            change(path, &before, &edit, &history)
        }
        Request::Undo { path } => undo(path, &history),
    }
}

/// A changed content and the lines to show of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) content: Vec<u8>,
    /// First and last changed line, from 1.
    pub(crate) lines: (usize, usize),
}

fn create(path: &Path, content: &str, history: &History) -> Result<String, Refusal> {
    let before = match fs::read(path) {
        Ok(before) => Some(before),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(Refusal::io("create", path, &e)),
    };
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|e| Refusal::io("make the folder", parent, &e))?;
    }
    let verb = if before.is_some() { "overwrote" } else { "created" };
    let note = write(path, content.as_bytes(), before.as_deref(), history)?;
    let lines = text::lines(content.as_bytes()).len();
    Ok(format!(
        "{verb} `{}` ({lines} {}){note}\n",
        path.display(),
        if lines == 1 { "line" } else { "lines" }
    ))
}

fn change(path: &Path, before: &[u8], edit: &Edit, history: &History) -> Result<String, Refusal> {
    let note = write(path, &edit.content, Some(before), history)?;
    let shown = text::around(&edit.content, edit.lines);
    Ok(format!("edited `{}`{note}; it reads now:\n{shown}", path.display()))
}

fn undo(path: &Path, history: &History) -> Result<String, Refusal> {
    let nothing = || Refusal::new(format!("there is no edit of `{}` to undo", path.display()));
    match history.pop(path).ok_or_else(nothing)? {
        Some(content) => {
            fs::write(path, content).map_err(|e| Refusal::io("write", path, &e))?;
            Ok(format!("undid the last edit of `{}`\n", path.display()))
        }
        None => {
            fs::remove_file(path).map_err(|e| Refusal::io("remove", path, &e))?;
            Ok(format!("undid the creation of `{}`: it is gone\n", path.display()))
        }
    }
}

/// Writes a file and keeps what it was; the note says so if that could not be kept.
fn write(
    path: &Path,
    content: &[u8],
    before: Option<&[u8]>,
    history: &History,
) -> Result<&'static str, Refusal> {
    fs::write(path, content).map_err(|e| Refusal::io("write", path, &e))?;
    Ok(if history.push(path, before).is_ok() { "" } else { " (this cannot be undone)" })
}

fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    if path.is_dir() {
        return Err(Refusal::new(format!("`{}` is a folder", path.display())));
    }
    fs::read(path).map_err(|e| Refusal::io("read", path, &e))
}

#[cfg(test)]
mod tests;
