//! Error messages in bash's words.

use brush_core::extensions::{ErrorFormatter, ShellExtensionsImpl};
use brush_core::sys::fork;
use brush_core::{Error, ErrorKind, Shell, ShellExtensions};
use brush_parser::{ParseError, TokenizerError};
use std::path::Path;

/// brush with our messages.
pub(crate) type Extensions = ShellExtensionsImpl<Messages>;

/// `bash: line 3: frobnicate: command not found`.
#[derive(Clone, Default)]
pub(crate) struct Messages;

impl ErrorFormatter for Messages {
    fn format_error(&self, e: &Error, shell: &Shell<impl ShellExtensions>) -> String {
        if let ErrorKind::ParseError(e, source) = e.kind() {
            let name = shell.current_shell_name().map_or_else(|| "bash".into(), |n| n.to_string());
            let place = match source.to_string().as_str() {
                "main" | "stdin" => format!("{name}: "),
                "-c" => format!("{name}: -c: "),
                _ if source.start.is_some() => format!("{name}: eval: "),
                script => format!("{script}: "),
            };
            return wrong_syntax(e, &place, &fork::wrong_text());
        }
        format!("{}{}\n", shell.message_prefix(), message(e, shell))
    }
}

/// What is wrong with a text that could not be parsed, after `place`.
fn wrong_syntax(e: &ParseError, place: &str, text: &str) -> String {
    let unmatched = |line: usize, quote: char| {
        format!("{place}line {line}: unexpected EOF while looking for matching `{quote}'\n")
    };
    let n_lines = text.lines().count().max(1);
    match e {
        ParseError::ParsingNear(at, _) => match text.lines().nth(at.line.saturating_sub(1)) {
            Some(line) => format!("{place}{e}\n{place}line {}: `{line}'\n", at.line),
            None => format!("{place}{e}\n"),
        },
        ParseError::ParsingAtEndOfInput => format!("{place}line {}: {e}\n", n_lines + 1),
        ParseError::Tokenizing { inner, .. } => match inner {
            TokenizerError::UnterminatedDoubleQuote(at) => unmatched(at.line, '"'),
            TokenizerError::UnterminatedSingleQuote(at)
            | TokenizerError::UnterminatedAnsiCQuote(at) => unmatched(at.line, '\''),
            TokenizerError::UnterminatedBackquote(at) => unmatched(at.line, '`'),
            TokenizerError::UnterminatedVariable => unmatched(n_lines, '}'),
            TokenizerError::UnterminatedExpansion
            | TokenizerError::UnterminatedCommandSubstitution => unmatched(n_lines + 1, ')'),
            _ => format!("{place}{e}\n"),
        },
    }
}

fn message(e: &Error, shell: &Shell<impl ShellExtensions>) -> String {
    match e.kind() {
        ErrorKind::CommandNotFound(name) if name.contains('/') => {
            format!("{name}: No such file or directory")
        }
        ErrorKind::CommandNotFound(name) => {
            format!("{name}: command not found{}", playpen_sys::instead_of(name))
        }
        ErrorKind::FailedToExecuteCommand(name, _)
            if shell.absolute_path(Path::new(name)).is_dir() =>
        {
            format!("{name}: Is a directory")
        }
        ErrorKind::FailedToExecuteCommand(name, why) => format!("{name}: {}", plain(why)),
        ErrorKind::RedirectionFailure(name, why) if why.starts_with("File exists") => {
            format!("{name}: cannot overwrite existing file")
        }
        ErrorKind::RedirectionFailure(name, why) => format!("{name}: {}", plain(why)),
        ErrorKind::FailedSourcingFile(name, why) => format!("{}: {}", name.display(), plain(why)),
        ErrorKind::CheckedExpansionError(text) => text.clone(),
        ErrorKind::ExpandingUnsetVariable(name) => {
            let name = name.strip_prefix("${").and_then(|n| n.strip_suffix('}')).unwrap_or(name);
            format!("{name}: unbound variable")
        }
        ErrorKind::BadSubstitution(text) => format!("{text}: bad substitution"),
        ErrorKind::BadFileDescriptor(number) => format!("{number}: Bad file descriptor"),
        ErrorKind::ReadonlyVariable => "readonly variable".to_owned(),
        ErrorKind::BuiltinError(inner, name) => match plain(inner) {
            text if text.starts_with("failed to source file: ") => {
                format!("{}: No such file or directory", &text["failed to source file: ".len()..])
            }
            text if text.ends_with(": readonly variable") && name != "declare" => text,
            text => match text.strip_prefix("command not found: ") {
                Some(command) => {
                    let hint = playpen_sys::instead_of(command);
                    format!("{command}: command not found{hint}")
                }
                None => match text.strip_prefix("not a shell builtin: ") {
                    Some(command) => format!("{name}: {command}: not a shell builtin"),
                    None => format!("{name}: {}", text.strip_prefix("printf: ").unwrap_or(&text)),
                },
            },
        },
        ErrorKind::EvalError(e) => match e.to_string().as_str() {
            "division by zero" => "division by 0".to_owned(),
            text => text.to_owned(),
        },
        _ => plain(e),
    }
}

/// The text without what std and brush put around it.
fn plain(e: impl std::fmt::Display) -> String {
    let text = e.to_string();
    let text = text.strip_prefix("arithmetic evaluation error: ").unwrap_or(&text).to_owned();
    let text = text.rsplit_once(" (os error ").map_or(text.as_str(), |(text, _)| text);
    text.strip_prefix("i/o error: ").unwrap_or(text).to_owned()
}
