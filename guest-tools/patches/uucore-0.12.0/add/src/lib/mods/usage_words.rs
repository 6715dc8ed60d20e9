//! What is wrong with a command line, in the words of getopt and of GNU's tools, where clap has words of its own.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// The exit status for an error of clap's, where the tool has another one for the rest.
pub fn status(error: &Error, usual: i32) -> i32 {
    let is_value = error.kind() == ErrorKind::InvalidValue && !value(error).is_empty();
    if is_value && usual < 125 { 1 } else { usual }
}

/// What the tool called `name` says about an error of clap's; `None` if GNU's words for it are not known.
pub fn message(name: &str, error: &Error) -> Option<String> {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
    let text = match error.kind() {
        ErrorKind::UnknownArgument => unknown(&words, &named(error)?)?,
        ErrorKind::InvalidValue if value(error).is_empty() => lacks_value(&words, &named(error)?),
        ErrorKind::InvalidValue => not_among(error)?,
        ErrorKind::MissingRequiredArgument => missing(name, &words),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues if name == "mv" => {
            format!("missing destination file operand{}", after(&words))
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("missing operand{}", after(&words))
        }
        ErrorKind::TooManyValues => format!("extra operand '{}'", value(error)),
        _ => return None,
    };
    Some(framed(name, &text))
}

/// The complaint with the line that points to the help.
fn framed(name: &str, text: &str) -> String {
    let try_help = format!("Try '{name} --help' for more information.");
    match name {
        "grep" | "egrep" | "fgrep" => {
            let usage = format!("Usage: {name} [OPTION]... PATTERNS [FILE]...\n{try_help}");
            if text.starts_with("missing") { usage } else { format!("{name}: {text}\n{usage}") }
        }
        _ => format!("{name}: {text}\n{try_help}"),
    }
}

fn named(error: &Error) -> Option<String> {
    error.get(ContextKind::InvalidArg).map(ToString::to_string)
}

fn value(error: &Error) -> String {
    error.get(ContextKind::InvalidValue).map(ToString::to_string).unwrap_or_default()
}

/// An option that there is not, or an operand too many.
fn unknown(words: &[String], argument: &str) -> Option<String> {
    if let Some(long) = argument.strip_prefix("--") {
        let typed = |word: &&String| {
            word.strip_prefix("--").is_some_and(|it| it.split('=').next() == Some(long))
        };
        return Some(format!("unrecognized option '{}'", words.iter().find(typed)?));
    }
    match argument.strip_prefix('-') {
        Some(letter) if !letter.is_empty() => Some(format!("invalid option -- '{letter}'")),
        _ => Some(format!("extra operand '{argument}'")),
    }
}

/// An option at the end of the line that wants a value; clap names it by its long name whichever was typed.
fn lacks_value(words: &[String], argument: &str) -> String {
    let long = argument.split([' ', '=', '[']).next().unwrap_or(argument);
    match words.last().and_then(|word| word.strip_prefix('-')) {
        Some(letters) if !letters.is_empty() && !letters.starts_with('-') => {
            format!("option requires an argument -- '{}'", letters.chars().last().unwrap_or('-'))
        }
        _ => format!("option '{long}' requires an argument"),
    }
}

/// A value that is none of those that there are.
fn not_among(error: &Error) -> Option<String> {
    let argument = named(error)?;
    let option = argument.split([' ', '=', '[']).next()?;
    let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) else { return None };
    let lines: Vec<String> = values.iter().map(|it| format!("  - '{it}'")).collect();
    let listed = lines.join("\n");
    Some(format!("invalid argument '{}' for '{option}'\nValid arguments are:\n{listed}", value(error)))
}

/// Operands that are not there.
fn missing(name: &str, words: &[String]) -> String {
    match name {
        "truncate" => "you must specify either '--size' or '--reference'".to_owned(),
        "cp" | "ln" | "mv" | "touch" => "missing file operand".to_owned(),
        _ => format!("missing operand{}", after(words)),
    }
}

/// ` after` the last operand, if there is one.
fn after(words: &[String]) -> String {
    let last = words.iter().rev().find(|word| !word.starts_with('-') || *word == "-");
    last.map(|it| format!(" after '{it}'")).unwrap_or_default()
}
