//! `%H`, `%s` and all the others.

use git2::{Commit, Signature};

use super::pretty::{Context, body, subject};
use crate::date;
use crate::quote::lossy;

/// Where a text must be cut or filled up.
#[derive(Clone, Copy)]
struct Fit {
    width: usize,
    /// `<` left, `>` right, `^` center.
    align: char,
    cut: Option<Cut>,
}

#[derive(Clone, Copy)]
enum Cut {
    Right,
    Left,
    Middle,
}

/// Replaces placeholders.
pub(crate) fn expand(format: &str, commit: &Commit<'_>, context: &Context<'_>) -> Vec<u8> {
    let mut out: Vec<u8> = vec![];
    let mut rest = format;
    let mut fit: Option<Fit> = None;
    let mut wrap: Option<(usize, usize, usize, usize)> = None;
    while let Some(at) = rest.find('%') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        if let Some((found, len)) = fitting(rest) {
            fit = Some(found);
            rest = &rest[len..];
            continue;
        }
        if rest.starts_with("w(") && rest.contains(')') {
            let end = rest.find(')').unwrap_or(1);
            let numbers: Vec<usize> =
                rest[2..end].split(',').filter_map(|n| n.trim().parse().ok()).collect();
            if let Some((start, width, first, next)) = wrap.take() {
                rewrap(&mut out, start, width, first, next);
            }
            let number = |n: usize| numbers.get(n).copied().unwrap_or(0);
            wrap = (!numbers.is_empty()).then(|| (out.len(), number(0), number(1), number(2)));
            rest = &rest[end + 1..];
            continue;
        }
        let (sign, name) = match rest.as_bytes().first() {
            Some(b @ (b'+' | b'-' | b' ')) => (Some(*b), &rest[1..]),
            _ => (None, rest),
        };
        let Some((text, len)) = one(name, commit, context) else {
            out.push(b'%');
            continue;
        };
        rest = &name[len..];
        match sign {
            Some(b'+') if !text.is_empty() => out.push(b'\n'),
            Some(b' ') if !text.is_empty() => out.push(b' '),
            Some(b'-') if text.is_empty() => {
                while out.last() == Some(&b'\n') {
                    out.pop();
                }
            }
            _ => {}
        }
        match fit.take() {
            Some(fit) => out.extend(fitted(&lossy(&text), fit).into_bytes()),
            None => out.extend(text),
        }
    }
    out.extend_from_slice(rest.as_bytes());
    if let Some((start, width, first, next)) = wrap {
        rewrap(&mut out, start, width, first, next);
    }
    out
}

/// One placeholder: its text, and how long its name is.
fn one(name: &str, commit: &Commit<'_>, context: &Context<'_>) -> Option<(Vec<u8>, usize)> {
    let place = context.place;
    let digits = context.style.digits;
    let text = |text: String, len: usize| Some((text.into_bytes(), len));
    let first = name.chars().next()?;
    match first {
        'H' => text(commit.id().to_string(), 1),
        'h' => {
            let id = place.short_of(commit.id(), digits);
            text(if context.style.color { format!("\x1b[33m{id}\x1b[m") } else { id }, 1)
        }
        'T' => text(commit.tree_id().to_string(), 1),
        't' => text(place.short_of(commit.tree_id(), digits), 1),
        'P' => text(commit.parent_ids().map(|id| id.to_string()).collect::<Vec<_>>().join(" "), 1),
        'p' => text(
            commit.parent_ids().map(|id| place.short_of(id, digits)).collect::<Vec<_>>().join(" "),
            1,
        ),
        'a' => person(&commit.author(), name, context),
        'c' => person(&commit.committer(), name, context),
        'd' => text(context.names.bracket(commit.id()), 1),
        'D' => text(context.names.of(commit.id()).join(", "), 1),
        's' => Some((subject(commit.message_bytes()), 1)),
        'f' => text(file_name(&subject(commit.message_bytes())), 1),
        'b' => Some((body(commit.message_bytes()), 1)),
        'B' => {
            let message = commit.message_bytes();
            let start = message.iter().position(|b| *b != b'\n').unwrap_or(message.len());
            Some((message[start..].to_vec(), 1))
        }
        'e' => text(commit.message_encoding().ok().flatten().unwrap_or_default().to_owned(), 1),
        'n' => text("\n".to_owned(), 1),
        'm' => {
            text(if context.marks.left.contains(&commit.id()) { "<" } else { ">" }.to_owned(), 1)
        }
        '%' => text("%".to_owned(), 1),
        'N' => text(String::new(), 1),
        'x' => {
            let byte = u8::from_str_radix(name.get(1..3)?, 16).ok()?;
            Some((vec![byte], 3))
        }
        'C' => color(name, context.style.color),
        'G' => text(if name.starts_with("G?") { "N" } else { "" }.to_owned(), 2),
        'g' => log_part(name, commit, context),
        'S' => text(context.marks.sources.get(&commit.id()).cloned().unwrap_or_default(), 1),
        '(' => bracketed(name, commit, context),
        _ => None,
    }
}

fn person(who: &Signature<'_>, name: &str, context: &Context<'_>) -> Option<(Vec<u8>, usize)> {
    let mapped = || context.place.mapped(who);
    let date = |mode: &str| date::show(who.when(), mode).unwrap_or_default().into_bytes();
    let text = match name.chars().nth(1)? {
        'n' => who.name_bytes().to_vec(),
        'N' => mapped().name_bytes().to_vec(),
        'e' => who.email_bytes().to_vec(),
        'E' => mapped().email_bytes().to_vec(),
        'l' => local_part(who.email_bytes()),
        'L' => local_part(mapped().email_bytes()),
        'd' => context.style.shown_date(who.when()).into_bytes(),
        'D' => date("rfc"),
        'r' => date("relative"),
        't' => date("unix"),
        'i' => date("iso"),
        'I' => date("iso-strict"),
        's' => date("short"),
        'h' => date("human"),
        _ => return None,
    };
    Some((text, 2))
}

/// What stands before the `@`.
fn local_part(address: &[u8]) -> Vec<u8> {
    address.split(|b| *b == b'@').next().unwrap_or_default().to_vec()
}

fn log_part(name: &str, commit: &Commit<'_>, context: &Context<'_>) -> Option<(Vec<u8>, usize)> {
    let log = context.log.as_ref();
    let text = match name.chars().nth(1)? {
        'D' => log.map(|log| log.0.clone()),
        'd' => log.map(|log| log.1.clone()),
        's' => log.map(|log| log.2.clone()),
        'n' | 'N' => log.map(|_| lossy(commit.committer().name_bytes()).into_owned()),
        'e' | 'E' => log.map(|_| lossy(commit.committer().email_bytes()).into_owned()),
        _ => return None,
    };
    Some((text.unwrap_or_default().into_bytes(), 2))
}

/// `%(trailers...)`, `%(decorate...)`, `%(describe...)`.
fn bracketed(name: &str, commit: &Commit<'_>, context: &Context<'_>) -> Option<(Vec<u8>, usize)> {
    let end = name.find(')')?;
    let (kind, options) = name[1..end].split_once(':').unwrap_or((&name[1..end], ""));
    let text = match kind {
        "trailers" => trailers(commit.message_bytes(), options),
        "decorate" => {
            let value =
                |key: &str| options.split(',').find_map(|o| o.strip_prefix(key)?.strip_prefix('='));
            let names = context.names.of(commit.id());
            if names.is_empty() {
                String::new()
            } else {
                let (prefix, suffix) =
                    (value("prefix").unwrap_or(" ("), value("suffix").unwrap_or(")"));
                format!("{prefix}{}{suffix}", names.join(value("separator").unwrap_or(", ")))
            }
        }
        "describe" => {
            let mut how = git2::DescribeOptions::new();
            let found = commit.as_object().describe(how.describe_tags());
            found.and_then(|d| d.format(None)).unwrap_or_default()
        }
        _ => return None,
    };
    Some((text.into_bytes(), end + 1))
}

/// The block of `Key: value` lines at the end of a message.
fn trailers(message: &[u8], options: &str) -> String {
    let message = lossy(message);
    let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let is_trailer = |line: &str| {
        line.split_once(':').is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    };
    if !message.trim_end().contains("\n\n")
        || !last.lines().all(|line| is_trailer(line) || line.starts_with(' '))
    {
        return String::new();
    }
    let key = options.split(',').find_map(|o| o.strip_prefix("key="));
    let only_values = options.split(',').any(|o| o == "valueonly" || o == "valueonly=true");
    let separator = options
        .split(',')
        .find_map(|o| o.strip_prefix("separator="))
        .map(|s| s.replace("%x2C", ",").replace("%n", "\n"));
    let mut lines: Vec<String> = vec![];
    for line in last.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if key.is_some_and(|key| !key.trim_end_matches(':').eq_ignore_ascii_case(name)) {
            continue;
        }
        lines.push(if only_values { value.trim().to_owned() } else { line.to_owned() });
    }
    match separator {
        Some(separator) => lines.join(&separator),
        None => lines.iter().map(|line| format!("{line}\n")).collect(),
    }
}

/// A subject as the name of a file.
pub(crate) fn file_name(subject: &[u8]) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in lossy(subject).chars() {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            if gap && !out.is_empty() {
                out.push('-');
            }
            gap = false;
            if c == '.' && out.ends_with('.') {
                continue;
            }
            out.push(c);
        } else {
            gap = true;
        }
    }
    out.trim_end_matches('.').to_owned()
}

/// `%C(red)`, `%Cred`, `%C(auto)`: without colors only its length counts.
fn color(name: &str, on: bool) -> Option<(Vec<u8>, usize)> {
    let (text, len) = if name.starts_with("C(") {
        let end = name.find(')')?;
        (&name[2..end], end + 1)
    } else {
        let known = ["Cred", "Cgreen", "Cblue", "Creset"];
        let found = known.iter().find(|known| name.starts_with(**known))?;
        (&found[1..], found.len())
    };
    let (text, always) = match text.strip_prefix("always,") {
        Some(rest) => (rest, true),
        None => (text.strip_prefix("auto,").unwrap_or(text), false),
    };
    if !(on || always) || text == "auto" {
        return Some((vec![], len));
    }
    let codes: Vec<String> = text.split(' ').filter_map(code).collect();
    Some((format!("\x1b[{}m", codes.join(";")).into_bytes(), len))
}

fn code(word: &str) -> Option<String> {
    let names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
    Some(match word {
        "reset" => String::new(),
        "bold" => "1".to_owned(),
        "dim" => "2".to_owned(),
        "italic" => "3".to_owned(),
        "ul" => "4".to_owned(),
        "reverse" => "7".to_owned(),
        _ => (30 + names.iter().position(|name| *name == word)?).to_string(),
    })
}

/// `%<(20,trunc)` and its kin.
fn fitting(rest: &str) -> Option<(Fit, usize)> {
    let align = rest.chars().next()?;
    let (align, start) = match (align, rest[1..].starts_with('<')) {
        ('>', true) => ('^', 2),
        ('<' | '>', _) => (align, 1),
        _ => return None,
    };
    let inner = rest[start..].trim_start_matches(['>', '|']);
    let skipped = rest.len() - inner.len();
    let inner = inner.strip_prefix('(')?;
    let end = inner.find(')')?;
    let (width, cut) = inner[..end].split_once(',').unwrap_or((&inner[..end], ""));
    let cut = match cut.trim() {
        "trunc" => Some(Cut::Right),
        "ltrunc" => Some(Cut::Left),
        "mtrunc" => Some(Cut::Middle),
        _ => None,
    };
    Some((Fit { width: width.trim().parse().ok()?, align, cut }, skipped + 1 + end + 1))
}

fn fitted(text: &str, fit: Fit) -> String {
    let letters: Vec<char> = text.chars().collect();
    let n = letters.len();
    if n > fit.width {
        let keep = fit.width.saturating_sub(2);
        let part = |range: std::ops::Range<usize>| letters[range].iter().collect::<String>();
        return match fit.cut {
            Some(Cut::Right) => part(0..keep) + "..",
            Some(Cut::Left) => format!("..{}", part(n - keep..n)),
            Some(Cut::Middle) => {
                format!("{}..{}", part(0..keep / 2), part(n - (keep - keep / 2)..n))
            }
            None => text.to_owned(),
        };
    }
    let room = fit.width - n;
    match fit.align {
        '<' => format!("{text}{}", " ".repeat(room)),
        '>' => format!("{}{text}", " ".repeat(room)),
        _ => format!("{}{text}{}", " ".repeat(room / 2), " ".repeat(room - room / 2)),
    }
}

/// Breaks the lines of what was written since a position.
fn rewrap(out: &mut Vec<u8>, start: usize, width: usize, first: usize, next: usize) {
    let text = lossy(&out[start..]).into_owned();
    out.truncate(start);
    let new =
        if width == 0 { indented(&text, first, next) } else { wrapped(&text, width, first, next) };
    out.extend(new.into_bytes());
}

/// Lines with blanks before them.
fn indented(text: &str, first: usize, next: usize) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    lines.map(|(n, line)| " ".repeat(if n == 0 { first } else { next }) + line).collect()
}

/// Paragraphs of lines that are no longer than a width. Blanks between words stay as they are, an end of a line is
/// one of them, and a new paragraph begins after an empty line and before a line that begins with no letter or digit.
fn wrapped(text: &str, width: usize, first: usize, next: usize) -> String {
    let mut out = String::new();
    let mut indent = first;
    let mut rest = text;
    while !rest.is_empty() {
        let (paragraph, after) = paragraph(rest);
        fill(&mut out, paragraph, width, indent, next);
        if paragraph.len() < rest.len() {
            out.push('\n');
        }
        rest = after;
        if let Some(after) = rest.strip_prefix('\n') {
            out.push('\n');
            rest = after;
        }
        indent = next;
    }
    out
}

/// Splits a text where its first paragraph ends, without the end of the line there.
fn paragraph(text: &str) -> (&str, &str) {
    for (at, _) in text.match_indices('\n') {
        let after = &text[at + 1..];
        if !after.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return (&text[..at], after);
        }
    }
    (text, "")
}

fn fill(out: &mut String, paragraph: &str, width: usize, first: usize, next: usize) {
    let mut column = first;
    let mut gap = " ".repeat(first);
    let mut opens = true;
    let mut rest = paragraph;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let n = word.chars().count();
        if !opens && column + gap.len() + n > width {
            out.push('\n');
            gap = " ".repeat(next);
            column = 0;
        } else if opens {
            column = 0;
        }
        column += gap.len() + n;
        out.push_str(&gap);
        out.push_str(word);
        opens = false;
        let blanks = after.len() - after.trim_ascii_start().len();
        gap = after[..blanks].replace('\n', " ");
        rest = &after[blanks..];
    }
}
