//! What an import leaves out: the lines of ignore files, with the meaning that git gives them.
//!
//! One thing is missing: named classes of characters, as in `[[:digit:]]`.

use super::import::{ImportError, ImportOptions, read_options};
use cap_std::fs::Dir;
use ignore::{Match, gitignore::Gitignore};
use std::{
    io::{self, Read as _},
    sync::Arc,
};

/// Bytes of an ignore file at most. Answers one that is no text but a disk image.
const MAX_BYTES: u64 = 1 << 20;

/// The rules that hold in a folder: its own, and those of the folders above it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignores {
    /// The folder of each list of rules, and the list; the nearest is the last.
    lists: Vec<(Arc<str>, Arc<Gitignore>)>,
}

impl Ignores {
    /// Returns the rules for a folder, given those of the one above.
    pub(super) fn below(
        mut self,
        dir: &Dir,
        folder: &str,
        options: &ImportOptions,
    ) -> Result<Self, ImportError> {
        let Some(name) = &options.ignore_file else { return Ok(self) };
        let path = super::join(folder, name);
        if let Some(text) = read(dir, &path)? {
            self.lists.push((folder.into(), Arc::new(parse(&path, &text)?)));
        }
        Ok(self)
    }

    /// Tells whether a path is left out: the nearest folder with something to say decides.
    pub(super) fn ignore(&self, path: &str, is_dir: bool) -> bool {
        for (folder, rules) in self.lists.iter().rev() {
            let below = path.strip_prefix(&**folder).unwrap_or(path).trim_start_matches('/');
            match rules.matched(below, is_dir) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }
}

/// Reads an ignore file; none if there is no regular file of that name.
fn read(dir: &Dir, path: &str) -> Result<Option<String>, ImportError> {
    let is_file = dir.symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Ok(None);
    }
    let mut text = vec![];
    let read = dir
        .open_with(path, &read_options())
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text));
    let read = read.and_then(|n_bytes| {
        if n_bytes as u64 > MAX_BYTES {
            return Err(io::Error::other("it is too long for a list of patterns"));
        }
        String::from_utf8(text).map_err(io::Error::other)
    });
    read.map(Some).map_err(|source| ImportError::Read { path: path.to_owned(), source })
}

fn parse(path: &str, text: &str) -> Result<Gitignore, ImportError> {
    let mut builder = ignore::gitignore::GitignoreBuilder::new("");
    let fail = |line: usize, error: &ignore::Error| ImportError::Ignore {
        path: path.to_owned(),
        line,
        reason: error.to_string(),
    };
    for (line, idx) in text.lines().zip(1..) {
        builder.add_line(None, &plain_braces(line)).map_err(|error| fail(idx, &error))?;
    }
    builder.build().map_err(|error| fail(0, &error))
}

/// Takes the meaning from braces, which they have in the library and not in git.
fn plain_braces(line: &str) -> String {
    let (mut out, mut is_escaped, mut is_class) = (String::new(), false, false);
    for c in line.chars() {
        let is_special = !is_escaped && !is_class;
        if is_special && matches!(c, '{' | '}') {
            out.push('\\');
        }
        is_class = (is_class && c != ']') || (is_special && c == '[');
        is_escaped = c == '\\' && !is_escaped;
        out.push(c);
    }
    out
}
