//! Functions of a makefile: `$(name args)`.

use std::path::{Path, PathBuf};

use playpen_sys::{Command, Stdio};

use super::vars::{Origin, Res, Vars};

/// All names, for telling a call from a variable.
const NAMES: &[&str] = &[
    "abspath",
    "addprefix",
    "addsuffix",
    "and",
    "basename",
    "call",
    "dir",
    "error",
    "eval",
    "file",
    "filter",
    "filter-out",
    "findstring",
    "firstword",
    "flavor",
    "foreach",
    "if",
    "info",
    "join",
    "lastword",
    "notdir",
    "or",
    "origin",
    "patsubst",
    "realpath",
    "shell",
    "sort",
    "strip",
    "subst",
    "suffix",
    "value",
    "warning",
    "wildcard",
    "word",
    "wordlist",
    "words",
];

/// Splits the inside of a reference into a function's name and its arguments.
pub(super) fn split_call(inside: &str) -> Option<(&str, &str)> {
    let end = inside.find([' ', '\t'])?;
    let name = &inside[..end];
    NAMES.contains(&name).then(|| (name, inside[end..].trim_start()))
}

/// Splits at commas that stand in no brackets, into `most` parts at most.
fn arguments(text: &str, most: usize) -> Vec<&str> {
    let (mut out, mut depth, mut start) = (vec![], 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            ',' if depth == 0 && out.len() + 1 < most => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

/// Calls a function.
pub(super) fn call(vars: &mut Vars, name: &str, text: &str) -> Res<String> {
    match name {
        "if" => return choose(vars, &arguments(text, 3)),
        "or" | "and" => return logical(vars, name == "or", &arguments(text, usize::MAX)),
        "foreach" => return foreach(vars, &arguments(text, 3)),
        "call" => return call_user(vars, &arguments(text, usize::MAX)),
        "value" => {
            let name = vars.expand(text)?;
            return Ok(vars.get(name.trim()).map_or(String::new(), |it| it.value.clone()));
        }
        "eval" => {
            let text = vars.expand(text)?;
            vars.evaluated.push(text);
            return Ok(String::new());
        }
        _ => {}
    }
    let most = match name {
        "subst" | "patsubst" | "wordlist" => 3,
        "findstring" | "filter" | "filter-out" | "word" | "addprefix" | "addsuffix" | "join" => 2,
        _ => 1,
    };
    let mut args = vec![];
    for argument in arguments(text, most) {
        args.push(vars.expand(argument)?);
    }
    if args.len() < most {
        let n = args.len();
        return Err(format!("insufficient number of arguments ({n}) to function '{name}'"));
    }
    apply(vars, name, &args)
}

/// Functions whose arguments are expanded first.
fn apply(vars: &mut Vars, name: &str, args: &[String]) -> Res<String> {
    let first = args[0].as_str();
    let each = |change: &dyn Fn(&str) -> String| {
        first.split_whitespace().map(change).collect::<Vec<_>>().join(" ")
    };
    Ok(match name {
        "subst" => args[2].replace(first, &args[1]),
        "patsubst" => patsubst(first, &args[1], &args[2]),
        "strip" => each(&str::to_owned),
        "findstring" => {
            if args[1].contains(first) {
                first.to_owned()
            } else {
                String::new()
            }
        }
        "filter" => filter(first, &args[1], true),
        "filter-out" => filter(first, &args[1], false),
        "sort" => {
            let mut words: Vec<&str> = first.split_whitespace().collect();
            words.sort_unstable();
            words.dedup();
            words.join(" ")
        }
        "word" => word_at(first, &args[1])?,
        "wordlist" => words_between(first, &args[1], &args[2])?,
        "words" => first.split_whitespace().count().to_string(),
        "firstword" => first.split_whitespace().next().unwrap_or("").to_owned(),
        "lastword" => first.split_whitespace().last().unwrap_or("").to_owned(),
        "dir" => each(&|it| it.rfind('/').map_or("./".to_owned(), |at| it[..=at].to_owned())),
        "notdir" => each(&|it| it.rsplit('/').next().unwrap_or(it).to_owned()),
        "suffix" => {
            let found: Vec<&str> = first.split_whitespace().filter_map(suffix).collect();
            found.join(" ")
        }
        "basename" => each(&|it| it[..it.len() - suffix(it).map_or(0, str::len)].to_owned()),
        "addprefix" => {
            let words = args[1].split_whitespace().map(|it| format!("{first}{it}"));
            words.collect::<Vec<_>>().join(" ")
        }
        "addsuffix" => {
            let words = args[1].split_whitespace().map(|it| format!("{it}{first}"));
            words.collect::<Vec<_>>().join(" ")
        }
        "join" => join(first, &args[1]),
        "wildcard" => {
            let found: Vec<String> = first.split_whitespace().flat_map(wildcard).collect();
            found.join(" ")
        }
        "abspath" => each(&absolute),
        "realpath" => {
            let found = first.split_whitespace().map(absolute).filter(|it| Path::new(it).exists());
            found.collect::<Vec<_>>().join(" ")
        }
        "shell" => shell(vars, first)?,
        "origin" => origin(vars, first.trim()).to_owned(),
        "flavor" => match vars.get(first.trim()) {
            None => "undefined".to_owned(),
            Some(it) if it.is_recursive => "recursive".to_owned(),
            Some(_) => "simple".to_owned(),
        },
        "info" => {
            println!("{first}");
            String::new()
        }
        "warning" => {
            eprintln!("{}{first}", vars.place);
            String::new()
        }
        "error" => return Err(first.to_owned()),
        _ => return Err(format!("function '{name}' is not available here")),
    })
}

fn suffix(word: &str) -> Option<&str> {
    let start = word.rfind('/').map_or(0, |at| at + 1);
    word[start..].rfind('.').map(|at| &word[start + at..])
}

fn choose(vars: &mut Vars, args: &[&str]) -> Res<String> {
    let is_true = !vars.expand(args[0].trim())?.is_empty();
    match args.get(if is_true { 1 } else { 2 }) {
        Some(text) => vars.expand(text),
        None => Ok(String::new()),
    }
}

fn logical(vars: &mut Vars, is_or: bool, args: &[&str]) -> Res<String> {
    let mut last = String::new();
    for argument in args {
        last = vars.expand(argument.trim())?;
        if last.is_empty() != is_or {
            break;
        }
    }
    Ok(last)
}

fn foreach(vars: &mut Vars, args: &[&str]) -> Res<String> {
    let [name, list, text] = args else {
        return Err("insufficient number of arguments to function 'foreach'".to_owned());
    };
    let (name, list) = (vars.expand(name.trim())?, vars.expand(list)?);
    let mut out = vec![];
    for word in list.split_whitespace() {
        vars.push();
        vars.automatic(&name, word);
        let expanded = vars.expand(text);
        vars.pop();
        out.push(expanded?);
    }
    Ok(out.join(" "))
}

fn call_user(vars: &mut Vars, args: &[&str]) -> Res<String> {
    let mut values = vec![];
    for argument in args {
        values.push(vars.expand(argument)?);
    }
    let name = values[0].trim().to_owned();
    if NAMES.contains(&name.as_str()) {
        return call(vars, &name, &values[1..].join(","));
    }
    let Some(body) = vars.get(&name).map(|it| it.value.clone()) else { return Ok(String::new()) };
    vars.push();
    vars.automatic("0", &name);
    for (number, value) in values.iter().enumerate().skip(1) {
        vars.automatic(&number.to_string(), value);
    }
    let expanded = vars.expand(&body);
    vars.pop();
    expanded
}

fn origin(vars: &Vars, name: &str) -> &'static str {
    match vars.get(name).map(|it| it.origin) {
        None => "undefined",
        Some(Origin::Default) => "default",
        Some(Origin::Environment) => "environment",
        Some(Origin::File) => "file",
        Some(Origin::CommandLine) => "command line",
        Some(Origin::Override) => "override",
        Some(Origin::Automatic) => "automatic",
    }
}

fn word_at(number: &str, text: &str) -> Res<String> {
    let at: usize = number
        .trim()
        .parse()
        .map_err(|_| format!("non-numeric first argument to 'word' function: '{number}'"))?;
    let at = at.checked_sub(1).ok_or("first argument to 'word' function must be greater than 0")?;
    Ok(text.split_whitespace().nth(at).unwrap_or("").to_owned())
}

fn words_between(from: &str, to: &str, text: &str) -> Res<String> {
    let number = |it: &str| {
        it.trim()
            .parse::<usize>()
            .map_err(|_| format!("non-numeric argument to 'wordlist' function: '{it}'"))
    };
    let (from, to) = (number(from)?, number(to)?);
    let n_words = (to + 1).saturating_sub(from);
    let words = text.split_whitespace().skip(from.saturating_sub(1)).take(n_words);
    Ok(words.collect::<Vec<_>>().join(" "))
}

fn join(left: &str, right: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (left.split_whitespace().collect(), right.split_whitespace().collect());
    let at = |list: &[&str], i: usize| list.get(i).copied().unwrap_or("").to_owned();
    let n_words = left.len().max(right.len());
    (0..n_words).map(|i| at(&left, i) + &at(&right, i)).collect::<Vec<_>>().join(" ")
}

/// What `%` stands for in a pattern that a word fits.
pub(super) fn stem<'a>(pattern: &str, word: &'a str) -> Option<&'a str> {
    match pattern.split_once('%') {
        None => (pattern == word).then_some(""),
        Some((before, after)) => {
            let fits = word.len() >= before.len() + after.len();
            let stem = word.strip_prefix(before).filter(|_| fits)?;
            stem.strip_suffix(after)
        }
    }
}

pub(super) fn patsubst(pattern: &str, replacement: &str, text: &str) -> String {
    let change = |word: &str| match stem(pattern, word) {
        Some(stem) if pattern.contains('%') => replacement.replacen('%', stem, 1),
        Some(_) => replacement.to_owned(),
        None => word.to_owned(),
    };
    text.split_whitespace().map(change).collect::<Vec<_>>().join(" ")
}

fn filter(patterns: &str, text: &str, keeps: bool) -> String {
    let patterns: Vec<&str> = patterns.split_whitespace().collect();
    let fits = |word: &&str| patterns.iter().any(|pattern| stem(pattern, word).is_some());
    text.split_whitespace().filter(|word| fits(word) == keeps).collect::<Vec<_>>().join(" ")
}

fn absolute(word: &str) -> String {
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let mut out = PathBuf::new();
    for part in here.join(word).components() {
        match part {
            std::path::Component::ParentDir => drop(out.pop()),
            std::path::Component::CurDir => {}
            part => out.push(part),
        }
    }
    out.display().to_string()
}

/// Paths that a pattern of the shell fits, sorted; the pattern itself if it is none and exists.
pub(super) fn wildcard(pattern: &str) -> Vec<String> {
    if !pattern.contains(['*', '?', '[']) {
        let exists = Path::new(pattern).symlink_metadata().is_ok();
        return if exists { vec![pattern.to_owned()] } else { vec![] };
    }
    let mut found = vec![if pattern.starts_with('/') { "/".to_owned() } else { String::new() }];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = found.iter().flat_map(|folder| children(folder, part)).collect();
    }
    found.sort();
    found
}

fn children(folder: &str, part: &str) -> Vec<String> {
    let join = |name: &str| match folder {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        _ => format!("{folder}/{name}"),
    };
    if !part.contains(['*', '?', '[']) {
        let path = join(part);
        return if Path::new(&path).symlink_metadata().is_ok() { vec![path] } else { vec![] };
    }
    let place = if folder.is_empty() { "." } else { folder };
    let Ok(entries) = std::fs::read_dir(place) else { return vec![] };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let fits = |name: &String| {
        (part.starts_with('.') || !name.starts_with('.')) && glob(part.as_bytes(), name.as_bytes())
    };
    names.filter(fits).map(|name| join(&name)).collect()
}

/// Whether a name fits `*`, `?` and `[...]`.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            glob(&pattern[1..], name) || (!name.is_empty() && glob(pattern, &name[1..]))
        }
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &name[1..]),
        (Some(b'['), Some(c)) => {
            let Some(end) = pattern.iter().skip(2).position(|it| *it == b']').map(|at| at + 2)
            else {
                return *c == b'[' && glob(&pattern[1..], &name[1..]);
            };
            let is_inverted = matches!(pattern[1], b'!' | b'^');
            let set = &pattern[1 + usize::from(is_inverted)..end];
            set_has(set, *c) != is_inverted && glob(&pattern[end + 1..], &name[1..])
        }
        (Some(a), Some(b)) => a == b && glob(&pattern[1..], &name[1..]),
        _ => false,
    }
}

fn set_has(set: &[u8], c: u8) -> bool {
    let mut rest = set;
    while let Some(first) = rest.first() {
        if rest.len() > 2 && rest[1] == b'-' {
            if (*first..=rest[2]).contains(&c) {
                return true;
            }
            rest = &rest[3..];
        } else if *first == c {
            return true;
        } else {
            rest = &rest[1..];
        }
    }
    false
}

/// `$(shell)`: what a command writes, in one line.
pub(super) fn shell(vars: &mut Vars, command: &str) -> Res<String> {
    let shell = vars.value("SHELL")?;
    let mut starting = Command::new(&shell);
    starting.args(["-c", command]).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let output = starting.output().map_err(|e| format!("{shell}: {e}"))?;
    vars.set(".SHELLSTATUS", &output.status.shell_code().to_string(), false, Origin::Override);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.trim_end_matches('\n').replace("\r\n", " ").replace('\n', " "))
}
