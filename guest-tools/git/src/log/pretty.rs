//! Commits as they are shown: the formats with names.

use git2::{Commit, Oid, Time};

use super::decorate::Names;
use super::marks::Marks;
use super::placeholders;
use crate::date;
use crate::place::Place;

/// A format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Oneline,
    Short,
    Medium,
    Full,
    Fuller,
    Email,
    Mboxrd,
    Raw,
    /// With placeholders; whether an end of line follows each commit.
    User(String, bool),
}

/// How commits are shown.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) format: Format,
    pub(crate) date: String,
    pub(crate) short_ids: bool,
    pub(crate) digits: usize,
    pub(crate) decorate: bool,
    pub(crate) full_names: bool,
    pub(crate) parents: bool,
    pub(crate) children: bool,
    pub(crate) source: bool,
    pub(crate) color: bool,
    pub(crate) expand_tabs: bool,
    pub(crate) subject_prefix: String,
    /// Whether people are shown as `.mailmap` has them.
    pub(crate) mailmap: bool,
}

impl Style {
    pub(crate) fn usual(place: &Place) -> Self {
        Self {
            format: Format::Medium,
            date: place.setting("log.date").unwrap_or_else(|| "default".to_owned()),
            short_ids: place.setting_bool("log.abbrevcommit") == Some(true),
            digits: place.digits(),
            decorate: false,
            full_names: false,
            parents: false,
            children: false,
            source: false,
            color: false,
            expand_tabs: true,
            subject_prefix: "[PATCH] ".to_owned(),
            mailmap: place.setting_bool("log.mailmap") != Some(false),
        }
    }

    pub(crate) fn shown_date(&self, time: Time) -> String {
        date::show(time, &self.date).unwrap_or_default()
    }

    /// Whether commits are set apart by empty lines, as opposed to ending with the end of a line.
    pub(crate) fn separates(&self) -> bool {
        !matches!(self.format, Format::Oneline | Format::User(_, true))
    }
}

/// The format of a name, or of `format:...`; `None` if there is none.
pub(crate) fn format(place: &Place, name: &str) -> Option<Format> {
    Some(match name {
        "oneline" => Format::Oneline,
        "short" => Format::Short,
        "medium" => Format::Medium,
        "full" => Format::Full,
        "fuller" => Format::Fuller,
        "email" => Format::Email,
        "mboxrd" => Format::Mboxrd,
        "raw" => Format::Raw,
        "reference" => Format::User("%C(auto)%h (%s, %as)".to_owned(), true),
        _ => match (name.strip_prefix("format:"), name.strip_prefix("tformat:")) {
            (Some(text), _) => Format::User(text.to_owned(), false),
            (_, Some(text)) => Format::User(text.to_owned(), true),
            _ if name.contains('%') || name.is_empty() => Format::User(name.to_owned(), true),
            _ => {
                return place
                    .setting(&format!("pretty.{name}"))
                    .and_then(|text| format(place, &text));
            }
        },
    })
}

/// What a commit is shown with.
pub(crate) struct Context<'a> {
    pub(crate) place: &'a Place,
    pub(crate) style: &'a Style,
    pub(crate) names: &'a Names,
    /// In walks of a log: its number, name and message.
    pub(crate) log: Option<(String, String, String)>,
    pub(crate) mark: &'a str,
    pub(crate) marks: &'a Marks,
    /// Parents of the walk.
    pub(crate) parents: &'a [Oid],
}

/// A commit without its differences; the last line has no end where the format has none.
pub(crate) fn show(commit: &Commit<'_>, context: &Context<'_>) -> Vec<u8> {
    let style = context.style;
    match &style.format {
        Format::User(text, _) => placeholders::expand(text, commit, context),
        Format::Oneline => {
            let mut out = id_line(commit, context).into_bytes();
            out.push(b' ');
            match &context.log {
                Some((_, name, message)) => out.extend(format!("{name}: {message}").into_bytes()),
                None => out.extend(subject(commit.message_bytes())),
            }
            out
        }
        Format::Email | Format::Mboxrd => email(commit, style),
        _ => long(commit, context),
    }
}

fn id_line(commit: &Commit<'_>, context: &Context<'_>) -> String {
    let style = context.style;
    let id = |id: Oid| {
        if style.short_ids { context.place.short_of(id, style.digits) } else { id.to_string() }
    };
    let mut line = format!("{}{}", context.mark, id(commit.id()));
    if style.parents {
        context.parents.iter().for_each(|parent| line += &format!(" {}", id(*parent)));
    }
    if style.children {
        let children = context.marks.children.get(&commit.id());
        children.into_iter().flatten().for_each(|child| line += &format!(" {}", id(*child)));
    }
    if style.source
        && let Some(name) = context.marks.sources.get(&commit.id())
    {
        line += &format!("\t{name}");
    }
    if !style.color {
        return if style.decorate { line + &context.names.bracket(commit.id()) } else { line };
    }
    line = format!("\x1b[33m{line}\x1b[m");
    if style.decorate { line + &context.names.colored(commit.id()) } else { line }
}

fn long(commit: &Commit<'_>, context: &Context<'_>) -> Vec<u8> {
    let style = context.style;
    let line = id_line(commit, context);
    let mut out = match line.strip_prefix("\x1b[33m") {
        Some(rest) => format!("\x1b[33mcommit {rest}\n"),
        None => format!("commit {line}\n"),
    }
    .into_bytes();
    if let Some((_, name, message)) = &context.log {
        let who = commit.committer();
        out.extend(format!("Reflog: {name} (").into_bytes());
        out.extend([who.name_bytes(), b" <", who.email_bytes()].concat());
        out.extend(format!(">)\nReflog message: {message}\n").into_bytes());
    }
    if style.format == Format::Raw {
        out.extend(commit.raw_header_bytes());
    } else {
        people(commit, context, &mut out);
    }
    out.push(b'\n');
    let mut lines = commit
        .message_bytes()
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .skip_while(|l| l.is_empty());
    let short = style.format == Format::Short;
    let lines: Vec<&[u8]> = lines.by_ref().take_while(|line| !(short && line.is_empty())).collect();
    for line in lines {
        out.extend_from_slice(b"    ");
        if style.expand_tabs && !matches!(style.format, Format::Raw | Format::Short) {
            out.extend(with_blanks(line));
        } else {
            out.extend_from_slice(line);
        }
        out.push(b'\n');
    }
    let end = out.iter().rposition(|b| !b.is_ascii_whitespace()).map_or(0, |at| at + 1);
    out.truncate(end);
    out.push(b'\n');
    out
}

fn people(commit: &Commit<'_>, context: &Context<'_>, out: &mut Vec<u8>) {
    let style = context.style;
    if commit.parent_count() > 1 {
        let ids: Vec<String> =
            commit.parent_ids().map(|id| context.place.short_of(id, style.digits)).collect();
        out.extend(format!("Merge: {}\n", ids.join(" ")).into_bytes());
    }
    let mut line = |label: &str, text: &[u8]| out.extend([label.as_bytes(), text, b"\n"].concat());
    let who =
        |who: &git2::Signature<'_>| [who.name_bytes(), b" <", who.email_bytes(), b">"].concat();
    let (author, committer) =
        (named(&commit.author(), context), named(&commit.committer(), context));
    match style.format {
        Format::Fuller => {
            line("Author:     ", &who(&author));
            line("AuthorDate: ", style.shown_date(author.when()).as_bytes());
            line("Commit:     ", &who(&committer));
            line("CommitDate: ", style.shown_date(committer.when()).as_bytes());
        }
        Format::Full => {
            line("Author: ", &who(&author));
            line("Commit: ", &who(&committer));
        }
        Format::Short => line("Author: ", &who(&author)),
        _ => {
            line("Author: ", &who(&author));
            line("Date:   ", style.shown_date(author.when()).as_bytes());
        }
    }
}

/// Somebody as the log shows them.
fn named(who: &git2::Signature<'_>, context: &Context<'_>) -> git2::Signature<'static> {
    if context.style.mailmap { context.place.mapped(who) } else { who.to_owned() }
}

fn email(commit: &Commit<'_>, style: &Style) -> Vec<u8> {
    let author = commit.author();
    let mut out = format!("From {} Mon Sep 17 00:00:00 2001\nFrom: ", commit.id()).into_bytes();
    out.extend(encoded_name(author.name_bytes()));
    out.extend([b" <", author.email_bytes(), b">\n"].concat());
    out.extend(
        format!("Date: {}\n", date::show(author.when(), "rfc").unwrap_or_default()).into_bytes(),
    );
    let head = format!("Subject: {}", style.subject_prefix);
    out.extend(folded_subject(&head, &subject(commit.message_bytes())));
    let body = body(commit.message_bytes());
    if !author.name_bytes().is_ascii() || !body.is_ascii() {
        out.extend_from_slice(b"MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n");
    }
    out.push(b'\n');
    for line in body.split_inclusive(|b| *b == b'\n') {
        let quoted =
            line.iter().position(|b| *b != b'>').is_some_and(|at| line[at..].starts_with(b"From "));
        if style.format == Format::Mboxrd && quoted {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
    out
}

/// A name as a header may have it.
fn encoded_name(name: &[u8]) -> Vec<u8> {
    if !name.is_ascii() {
        return encoded_word(name);
    }
    let special = name.iter().any(|b| b"()<>[]:;@\\,.\"".contains(b));
    if special {
        let escaped: Vec<u8> = name
            .iter()
            .flat_map(|b| if b"\"\\".contains(b) { vec![b'\\', *b] } else { vec![*b] })
            .collect();
        return [b"\"", escaped.as_slice(), b"\""].concat();
    }
    name.to_vec()
}

fn encoded_word(text: &[u8]) -> Vec<u8> {
    let mut out = b"=?UTF-8?q?".to_vec();
    for &b in text {
        if b.is_ascii_alphanumeric()
            || b"-!*+/.,:;'()#@".contains(&b) && !b"()<>@,;:.[]".contains(&b)
        {
            out.push(b);
        } else {
            out.extend(format!("={b:02X}").into_bytes());
        }
    }
    out.extend_from_slice(b"?=");
    out
}

/// The line of the subject, folded at blanks where it gets long.
fn folded_subject(head: &str, subject: &[u8]) -> Vec<u8> {
    const WIDTH: usize = 78;
    let mut out = head.as_bytes().to_vec();
    if !subject.is_ascii() {
        out.extend(encoded_word(subject));
        out.push(b'\n');
        return out;
    }
    let mut column = head.len();
    for (n, word) in subject.split(|b| *b == b' ').enumerate() {
        if n > 0 && column + 1 + word.len() > WIDTH {
            out.extend_from_slice(b"\n ");
            column = 1;
        } else if n > 0 {
            out.push(b' ');
            column += 1;
        }
        out.extend_from_slice(word);
        column += word.len();
    }
    out.push(b'\n');
    out
}

/// Tabs as blanks up to the next eighth column.
fn with_blanks(line: &[u8]) -> Vec<u8> {
    if !line.contains(&b'\t') {
        return line.to_vec();
    }
    let mut out = vec![];
    let mut column = 0;
    for c in String::from_utf8_lossy(line).chars() {
        if c == '\t' {
            let n = 8 - column % 8;
            out.extend(vec![b' '; n]);
            column += n;
        } else {
            out.extend(c.to_string().into_bytes());
            column += 1;
        }
    }
    out
}

/// The first paragraph in one line.
pub(crate) fn subject(message: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    for line in message.split(|b| *b == b'\n').skip_while(|line| line.trim_ascii().is_empty()) {
        if line.trim_ascii().is_empty() {
            break;
        }
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(line.trim_ascii_end());
    }
    out
}

/// What follows the first paragraph.
pub(crate) fn body(message: &[u8]) -> Vec<u8> {
    let blank = |line: &&[u8]| line.trim_ascii().is_empty();
    let lines = message.split_inclusive(|b| *b == b'\n');
    let rest = lines.skip_while(blank).skip_while(|line| !blank(line)).skip_while(blank);
    rest.flatten().copied().collect()
}
