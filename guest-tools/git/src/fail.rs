//! How a command fails: a text for stderr and an exit code, both as git has them.

use std::fmt::Display;

/// A failure that ends the command.
#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) code: i32,
    pub(crate) text: String,
}

pub(crate) type Outcome<T = i32> = Result<T, Fail>;

/// `fatal: ...`, exit code 128.
pub(crate) fn fatal(text: impl Display) -> Fail {
    Fail { code: 128, text: format!("fatal: {text}") }
}

/// `error: ...`, exit code 1.
pub(crate) fn error(text: impl Display) -> Fail {
    Fail { code: 1, text: format!("error: {text}") }
}

/// `error: ...` with the usage below it, exit code 129.
pub(crate) fn usage(text: impl Display, usage: &str) -> Fail {
    Fail { code: 129, text: format!("error: {text}\nusage: {usage}") }
}

/// An exit code for which everything has been said.
pub(crate) fn quiet(code: i32) -> Fail {
    Fail { code, text: String::new() }
}

/// A text as it is.
pub(crate) fn plain(code: i32, text: impl Display) -> Fail {
    Fail { code, text: text.to_string() }
}

/// What this git does not do: one line that names it.
pub(crate) fn refuse(what: impl Display) -> Fail {
    fatal(format!("{what} is not supported by the git of this sandbox"))
}

/// A revision or path that is neither.
pub(crate) fn ambiguous(word: &str) -> Fail {
    fatal(format!(
        "ambiguous argument '{word}': unknown revision or path not in the working tree.\n\
         Use '--' to separate paths from revisions, like this:\n\
         'git <command> [<revision>...] -- [<file>...]'"
    ))
}

impl From<git2::Error> for Fail {
    fn from(e: git2::Error) -> Self {
        fatal(e.message())
    }
}

impl From<std::io::Error> for Fail {
    fn from(e: std::io::Error) -> Self {
        fatal(io_text(&e))
    }
}

/// The message of the system without Rust's number behind it.
pub(crate) fn io_text(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.rfind(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
