//! `env`: runs a program in a changed environment, or shows the environment.
//!
//! Scripts begin with it (`#!/usr/bin/env python3`), so it starts often and should cost little.

use std::io::{self, Write as _};

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};

const SPEC: Spec = Spec {
    flags: "i0vhV",
    values: "uCSa",
    attached: "",
    longs: &[
        ("ignore-environment", 'i'),
        ("null", '0'),
        ("unset", 'u'),
        ("chdir", 'C'),
        ("split-string", 'S'),
        ("argv0", 'a'),
        ("debug", 'v'),
        ("block-signal?", '\x01'),
        ("default-signal?", '\x01'),
        ("ignore-signal?", '\x01'),
        ("list-signal-handling", '\x01'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: true,
};

const HELP: &str = "Usage: env [OPTION]... [-] [NAME=VALUE]... [COMMAND [ARG]...]
Set each NAME to VALUE in the environment and run COMMAND; without COMMAND, show the environment.

  -i, --ignore-environment  start with an empty environment (as does a lone -)
  -0, --null                end each line of output with NUL, not newline
  -u, --unset=NAME          remove a variable
  -C, --chdir=DIR           run COMMAND in DIR
  -a, --argv0=NAME          accepted; COMMAND is called by its own name
  -S, --split-string=TEXT   split TEXT into arguments, for the first line of scripts
  -v, --debug               say what is done
      --help  show this help";

/// Where the options, or what they ask for, are wrong.
const USAGE: i32 = 125;

/// The variables in the order in which they are shown.
type Variables = Vec<(String, String)>;

/// The command's status; 125 to 127 if it could not be run.
pub(crate) fn run(call: &Call<'_>) -> R {
    let args = match split_first(&call.args) {
        Ok(args) => args,
        Err(e) => return usage(&e),
    };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match options::parse(&words, &SPEC) {
        Ok(parsed) => with(&parsed),
        Err(e) => {
            let hint = e.contains("invalid option -- ' '");
            usage(&e).inspect(|_| {
                if hint {
                    eprintln!("env: use -[v]S to pass options in shebang lines");
                }
            })
        }
    }
}

fn with(parsed: &Parsed) -> R {
    if parsed.has('h') {
        println!("{HELP}");
        return Ok(0);
    }
    if parsed.has('V') {
        println!("env (playpen)");
        return Ok(0);
    }
    let mut operands = parsed.operands.as_slice();
    let lone = operands.first().is_some_and(|it| it == "-");
    if lone {
        operands = &operands[1..];
    }
    let mut variables = if lone || parsed.has('i') { vec![] } else { std::env::vars().collect() };
    for name in parsed.all('u') {
        if name.is_empty() || name.contains('=') {
            eprintln!("env: cannot unset '{name}': Invalid argument");
            return Ok(USAGE);
        }
        variables.retain(|(it, _)| it != name);
    }
    let n_set = operands.iter().take_while(|it| it.contains('=')).count();
    operands[..n_set]
        .iter()
        .filter_map(|it| it.split_once('='))
        .for_each(|it| set(&mut variables, it));
    match (&operands[n_set..], parsed.has('0'), parsed.value('C')) {
        ([], _, Some(_)) => usage("must specify command with --chdir (-C)"),
        ([], is_null, None) => show(&variables, is_null),
        (_, true, _) => usage("cannot specify --null (-0) with command"),
        (command, false, folder) => start(command, variables, folder, parsed.has('v')),
    }
}

fn usage(message: &str) -> R {
    eprintln!("env: {message}\nTry 'env --help' for more information.");
    Ok(USAGE)
}

fn set(variables: &mut Variables, (name, value): (&str, &str)) {
    match variables.iter_mut().find(|(it, _)| it == name) {
        Some(variable) => value.clone_into(&mut variable.1),
        None => variables.push((name.to_owned(), value.to_owned())),
    }
}

fn show(variables: &Variables, is_null: bool) -> R {
    let end = if is_null { '\0' } else { '\n' };
    let text: String =
        variables.iter().map(|(name, value)| format!("{name}={value}{end}")).collect();
    io::stdout().write_all(text.as_bytes())?;
    Ok(0)
}

fn start(command: &[String], variables: Variables, folder: Option<&str>, is_verbose: bool) -> R {
    let program = command[0].as_str();
    if is_verbose {
        eprintln!("executing: {program}");
        for (i, word) in command.iter().enumerate() {
            eprintln!("   arg[{i}]= '{word}'");
        }
    }
    if let Some(folder) = folder
        && let Err(e) = std::env::set_current_dir(folder)
    {
        eprintln!("env: cannot change directory to '{folder}': {}", reason(&e));
        return Ok(USAGE);
    }
    let mut start = playpen_sys::Command::new(program);
    match start.args(&command[1..]).env_clear().envs(variables).stand_in() {
        Ok(code) => Ok(code),
        Err(e) => {
            let instead = playpen_sys::instead_of(program);
            eprintln!("env: '{program}': {}{instead}", reason(&e));
            if program.contains([' ', '\t']) {
                eprintln!("env: use -[v]S to pass options in shebang lines");
            }
            Ok(if e.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
        }
    }
}

/// The arguments with the text of the first `-S` among the options split in its place.
fn split_first(args: &[&str]) -> Result<Vec<String>, String> {
    let owned = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let mut at = 0;
    while let Some(word) =
        args.get(at).filter(|it| it.len() > 1 && it.starts_with('-') && **it != "--")
    {
        let (before, text, used) = match text_to_split(word) {
            Some((before, Some(text))) => (before, text, 1),
            Some((before, None)) => match args.get(at + 1) {
                Some(text) => (before, *text, 2),
                None => break, // the parser of options says what is missing
            },
            None => {
                at += 1 + usize::from(matches!(
                    *word,
                    "-u" | "-C" | "-a" | "--unset" | "--chdir" | "--argv0"
                ));
                continue;
            }
        };
        let mut all = owned(&args[..at]);
        all.extend(before);
        all.extend(split(text)?);
        all.extend(owned(&args[at + used..]));
        return Ok(all);
    }
    Ok(owned(args))
}

/// What stands before `S` in a word of options, and what after it if that is in the same word.
fn text_to_split(word: &str) -> Option<(Option<String>, Option<&str>)> {
    if let Some(text) = word.strip_prefix("--split-string") {
        return Some((None, text.strip_prefix('=')));
    }
    let letters = word.strip_prefix('-').filter(|it| !it.starts_with('-'))?;
    let at =
        letters.find(|c| !SPEC.flags.contains(c)).filter(|at| letters[*at..].starts_with('S'))?;
    let before = (at > 0).then(|| format!("-{}", &letters[..at]));
    Some((before, Some(&letters[at + 1..]).filter(|it| !it.is_empty())))
}

/// Splits as `-S` does: quotes, escapes, `${NAME}`, and comments.
fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (vec![], None::<String>, None);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' if quote.is_none() => {
                words.extend(word.take())
            }
            '#' if quote.is_none() && word.is_none() => return Ok(words),
            '\\' => match escape(rest.next(), quote)? {
                Escaped::Text(text) => word.get_or_insert_default().push_str(&text),
                Escaped::Separator => words.extend(word.take()),
                Escaped::End => break,
            },
            '$' if quote != Some('\'') => {
                word.get_or_insert_default().push_str(&variable(&mut rest)?)
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    if quote.is_some() {
        return Err("no terminating quote in -S string".to_owned());
    }
    words.extend(word);
    Ok(words)
}

enum Escaped {
    Text(String),
    Separator,
    End,
}

fn escape(c: Option<char>, quote: Option<char>) -> Result<Escaped, String> {
    let text = |text: &str| Ok(Escaped::Text(text.to_owned()));
    match (c, quote) {
        (Some(c @ ('\\' | '\'')), Some('\'')) => text(&c.to_string()),
        (Some(c), Some('\'')) => text(&format!("\\{c}")),
        (Some('_'), Some(_)) => text(" "),
        (Some('_'), None) => Ok(Escaped::Separator),
        (Some('c'), None) => Ok(Escaped::End),
        (Some('c'), Some(_)) => Err("'\\c' must not appear in double-quoted -S string".to_owned()),
        (Some('f'), _) => text("\x0c"),
        (Some('n'), _) => text("\n"),
        (Some('r'), _) => text("\r"),
        (Some('t'), _) => text("\t"),
        (Some('v'), _) => text("\x0b"),
        (Some(c @ ('"' | '#' | '$' | '\'' | '\\')), _) => text(&c.to_string()),
        (Some(c), _) => Err(format!("invalid sequence '\\{c}' in -S")),
        (None, _) => Err("invalid backslash at end of string in -S".to_owned()),
    }
}

/// The value of what follows a `$`.
fn variable(rest: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let wrong = || "only ${VARNAME} expansion is supported".to_owned();
    if rest.next() != Some('{') {
        return Err(wrong());
    }
    let name: String = rest.take_while(|c| *c != '}').collect();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(wrong());
    }
    Ok(std::env::var(name).unwrap_or_default())
}
