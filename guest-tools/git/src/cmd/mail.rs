//! `git format-patch`, `git am` and `git shortlog`.

use git2::{Oid, Signature};

use super::message::{self, Cleanup};
use crate::args::{self, Opt, Parser, Unknown, Words, flag, value};
use crate::date;
use crate::diff::parse::{Reader, TABLE as DIFF};
use crate::diff::{Diff, Formats, collect};
use crate::fail::{Outcome, fatal, plain, refuse};
use crate::ident;
use crate::log::placeholders::file_name;
use crate::log::pretty::{self, Context, Format, Style, subject};
use crate::log::{command, decorate, marks, walk};
use crate::out::{self, note, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::quote::lossy;
use crate::refs;
use crate::rev;
use crate::stage::Stage;

const FORMAT: &[Opt] = &[
    flag('n', "numbered"),
    flag('N', "no-numbered"),
    flag('s', "signoff"),
    flag(' ', "stdout"),
    flag(' ', "cover-letter"),
    value('o', "output-directory"),
    value(' ', "suffix"),
    value(' ', "subject-prefix"),
    value('v', "reroll-count"),
    value(' ', "start-number"),
    flag(' ', "no-signature"),
    value(' ', "signature"),
    flag('k', "keep-subject"),
    flag(' ', "root"),
    flag(' ', "zero-commit"),
    value(' ', "max-count"),
    flag('q', "quiet"),
];

pub(crate) fn format_patch(place: &Place, words: &[String]) -> Outcome {
    let usage = "git format-patch [<options>] [<since> | <revision-range>]";
    let parser = Parser { usage, tables: &[FORMAT, DIFF], unknown: Unknown::Fatal, numbers: true };
    let words = parser.parse(words)?;
    if words.has("cover-letter") {
        return Err(refuse("format-patch --cover-letter"));
    }
    let mut reader = Reader::new(Some(place));
    for given in &words.given {
        reader.take(given, Some(place))?;
    }
    let mut options =
        reader.finish(Formats { patch: true, stat: true, summary: true, ..Formats::NOTHING })?;
    options.binary = true;
    options.stat_width = options.stat_width.or(Some(72));
    let commits = commits(place, &words)?;
    let numbered = words.has("numbered")
        || (commits.len() > 1
            && !words.has("no-numbered")
            && !words.given.iter().any(|g| g.name == "numbered" && g.no));
    let start: usize = words.value("start-number").and_then(|n| n.parse().ok()).unwrap_or(1);
    let diff = Diff::new(place, options);
    for (n, id) in commits.iter().enumerate() {
        let commit = place.repo.find_commit(*id)?;
        let text = mail(
            place,
            &diff,
            &commit,
            &words,
            numbered.then_some((start + n, start + commits.len() - 1)),
        )?;
        if words.has("stdout") {
            if n > 0 {
                outln!("");
            }
            out::bytes(&text);
            continue;
        }
        let version = words.value("reroll-count").map(|v| format!("v{v}-")).unwrap_or_default();
        let title: String = file_name(&subject(commit.message_bytes())).chars().take(52).collect();
        let suffix = words.value("suffix").unwrap_or(".patch");
        let name = format!("{version}{:04}-{}{suffix}", start + n, title.trim_end_matches('.'));
        let folder = words.value("output-directory").map(|f| f.trim_end_matches('/').to_owned());
        let file = match folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                format!("{folder}/{name}")
            }
            None => name,
        };
        std::fs::write(&file, text)?;
        if !words.has("quiet") {
            outln!("{file}");
        }
    }
    Ok(0)
}

fn commits(place: &Place, words: &Words) -> Outcome<Vec<Oid>> {
    let mut request = rev::request(place, &words.operands, words.dashes)?;
    let mut wanted = walk::Wanted {
        max_parents: Some(1),
        reverse: true,
        order: walk::Order::Topological,
        ..walk::Wanted::default()
    };
    let number = words.value("#").or(words.value("max-count")).and_then(|n| n.parse().ok());
    let plain = request.tips.iter().filter(|tip| !tip.excluded).count();
    if request.tips.len() == 1
        && plain == 1
        && number.is_none()
        && !words.has("root")
        && !request.range
    {
        // One revision is where the patches start.
        request.tips[0].excluded = true;
    }
    if !request.tips.iter().any(|tip| !tip.excluded) {
        let head = place.head_id().ok_or_else(|| fatal("no HEAD"))?;
        request.tips.push(rev::Tip {
            id: head,
            excluded: false,
            name: "HEAD".to_owned(),
            left: false,
        });
    }
    for tip in &request.tips {
        let id = place.repo.find_object(tip.id, None)?.peel_to_commit()?.id();
        if tip.excluded { wanted.excluded.push(id) } else { wanted.starts.push(id) }
    }
    wanted.max = number;
    wanted.paths = request.paths;
    let mut found = vec![];
    walk::walk(place, &wanted, &mut |step| {
        found.push(step.id);
        Ok(true)
    })?;
    Ok(found)
}

fn mail(
    place: &Place,
    diff: &Diff<'_>,
    commit: &git2::Commit<'_>,
    words: &Words,
    number: Option<(usize, usize)>,
) -> Outcome<Vec<u8>> {
    let prefix = words.value("subject-prefix").unwrap_or("PATCH");
    let version = words.value("reroll-count").map(|v| format!(" v{v}")).unwrap_or_default();
    let mut style = Style::usual(place);
    style.format = Format::Email;
    style.subject_prefix = match number {
        _ if words.has("keep-subject") => String::new(),
        Some((n, all)) => {
            format!("[{prefix}{version} {n:0width$}/{all}] ", width = all.to_string().len())
        }
        None => format!("[{prefix}{version}] "),
    };
    let names = decorate::Names::default();
    let marks = marks::Marks::default();
    let context = Context {
        place,
        style: &style,
        names: &names,
        log: None,
        mark: "",
        marks: &marks,
        parents: &[],
    };
    let mut text = pretty::show(commit, &context);
    if words.has("signoff") {
        let (name, email) = ident::who(place, "COMMITTER")?;
        text =
            super::commit::with_trailer(&lossy(&text), &format!("Signed-off-by: {name} <{email}>"))
                .into_bytes();
    }
    while text.ends_with(b"\n\n") {
        text.pop();
    }
    if text.windows(2).any(|w| w == b"\n\n") || !text.ends_with(b"\n") {
        // There is a body.
    } else {
        text.push(b'\n');
    }
    let old = commit.parents().next().map(|parent| parent.tree()).transpose()?;
    let pairs = diff.refine(collect::trees(
        place,
        old.as_ref(),
        Some(&commit.tree()?),
        &Pathspec::default(),
    )?);
    let (result, patch) = out::capture(|| diff.print(&pairs));
    result?;
    text.extend_from_slice(b"---\n");
    text.extend(patch);
    let signature = words.value("signature").map_or("2.47.3", |text| text);
    if !words.has("no-signature") {
        text.extend(format!("-- \n{signature}\n\n").into_bytes());
    }
    Ok(text)
}

pub(crate) fn am(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag('3', "3way"),
        flag('q', "quiet"),
        flag('s', "signoff"),
        flag('k', "keep"),
        flag(' ', "keep-cr"),
        flag(' ', "abort"),
        flag(' ', "continue"),
        flag(' ', "skip"),
        flag(' ', "quit"),
        value(' ', "whitespace"),
        value('p', "p"),
        flag(' ', "ignore-whitespace"),
        flag(' ', "committer-date-is-author-date"),
        flag('i', "interactive"),
    ];
    let words = args::parse("git am [<options>] [(<mbox> | <Maildir>)...]", table, words)?;
    for name in ["abort", "continue", "skip", "quit"] {
        if words.has(name) {
            return Err(plain(
                128,
                "fatal: Resolve operation not in progress, we are not resuming.",
            ));
        }
    }
    let mut text = String::new();
    let files =
        if words.operands.is_empty() { vec!["-".to_owned()] } else { words.operands.clone() };
    for file in &files {
        text += &message::read(file).map_err(|_| {
            fatal(format!("could not open '{file}' for reading: No such file or directory"))
        })?;
    }
    let mails = split_mails(&text);
    if mails.is_empty() {
        return Err(plain(128, "Patch format detection failed."));
    }
    for mail in mails {
        am_one(place, &words, &mail)?;
    }
    Ok(0)
}

fn split_mails(text: &str) -> Vec<String> {
    let mut mails: Vec<String> = vec![];
    for line in text.split_inclusive('\n') {
        let starts = line.starts_with("From ")
            && line.trim_end().ends_with(|c: char| c.is_ascii_digit())
            && line.matches(':').count() >= 2;
        if starts || mails.is_empty() {
            mails.push(String::new());
        }
        if let Some(last) = mails.last_mut() {
            last.push_str(line);
        }
    }
    mails.retain(|mail| mail.contains("Subject:"));
    mails
}

fn am_one(place: &Place, words: &Words, mail: &str) -> Outcome<()> {
    let (head, body) = mail.split_once("\n\n").unwrap_or((mail, ""));
    // A line that starts with a blank belongs to the one before.
    let head = head.replace("\n ", " ");
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(|text| decoded(text.trim()))
    };
    let from = field("From: ").ok_or_else(|| fatal("Patch is empty."))?;
    let (name, email) = from.rsplit_once('<').map_or((from.clone(), from.clone()), |(n, e)| {
        (n.trim().trim_matches('"').to_owned(), e.trim_end_matches('>').to_owned())
    });
    let title = field("Subject: ").unwrap_or_default();
    let title = if words.has("keep") { title } else { without_brackets(&title) };
    let (text, patch) = match body
        .find("\n---\n")
        .map(|at| (at + 1, at + 5))
        .or_else(|| body.starts_with("---\n").then_some((0, 4)))
    {
        Some((end, start)) => (&body[..end], &body[start..]),
        None => match body.find("diff --git ") {
            Some(at) => body.split_at(at),
            None => (body, ""),
        },
    };
    let mut message = message::tidy(&format!("{title}\n\n{text}"), Cleanup::Whitespace);
    if words.has("signoff") {
        let (name, email) = ident::who(place, "COMMITTER")?;
        message =
            super::commit::with_trailer(&message, &format!("Signed-off-by: {name} <{email}>"));
    }
    if !words.has("quiet") {
        outln!("Applying: {title}");
    }
    let patch_words = ["--index"].map(str::to_owned);
    let apply_words = args::parse(
        "git apply",
        &[flag(' ', "index"), value('p', "p"), value(' ', "whitespace")],
        &patch_words,
    )?;
    if let Err(fail) = crate::apply::apply(place, &apply_words, patch.as_bytes()) {
        note(format!(
            "{}\nPatch failed at 0001 {title}\n\
             hint: Use 'git am --show-current-patch=diff' to see the failed patch",
            fail.text
        ));
        return Err(crate::fail::quiet(128));
    }
    let when = field("Date: ").and_then(|text| date::parse(&text));
    let author = Signature::new(&name, &email, &when.map_or_else(|| ident::when("AUTHOR"), Ok)?)?;
    let mut stage = Stage::open(place)?;
    let tree = place.repo.find_tree(stage.write_tree(place)?)?;
    let parents: Vec<_> = place.head().into_iter().collect();
    let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
    let id = place.repo.commit(
        None,
        &author,
        &ident::signature(place, "COMMITTER")?,
        &message,
        &tree,
        &parents,
    )?;
    stage.write()?;
    refs::move_head(place, id, &format!("am: {title}"))
}

/// A subject without `[PATCH 1/2]`.
fn without_brackets(title: &str) -> String {
    let mut rest = title.trim();
    while let Some(inner) = rest.strip_prefix('[') {
        match inner.split_once(']') {
            Some((_, after)) => rest = after.trim_start(),
            None => break,
        }
    }
    rest.to_owned()
}

/// A header with encoded words in it.
fn decoded(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find("=?utf-8?q?") {
        bytes.extend_from_slice(rest[..at].as_bytes());
        let inner = &rest[at + 10..];
        let end = inner.find("?=").unwrap_or(inner.len());
        let mut letters = inner[..end].bytes();
        while let Some(b) = letters.next() {
            match b {
                b'_' => bytes.push(b' '),
                b'=' => {
                    let hex: Vec<u8> = letters.by_ref().take(2).collect();
                    bytes.extend(u8::from_str_radix(&String::from_utf8_lossy(&hex), 16).ok());
                }
                _ => bytes.push(b),
            }
        }
        rest = inner.get(end + 2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn shortlog(place: &Place, words: &[String]) -> Outcome {
    let mut short = (false, false, false, false);
    let rest: Vec<String> = words
        .iter()
        .filter(|word| {
            let letters = word.strip_prefix('-').filter(|w| {
                !w.starts_with('-') && w.chars().all(|c| "snec".contains(c)) && !w.is_empty()
            });
            let Some(letters) = letters else { return true };
            short.0 |= letters.contains('s');
            short.1 |= letters.contains('n');
            short.2 |= letters.contains('e');
            short.3 |= letters.contains('c');
            false
        })
        .cloned()
        .collect();
    let long = |name: &str| rest.iter().any(|word| word == name);
    let (summary, numbered) = (short.0 || long("--summary"), short.1 || long("--numbered"));
    let (email, committer) = (short.2 || long("--email"), short.3 || long("--committer"));
    let rest: Vec<String> = rest
        .iter()
        .filter(|w| !["--summary", "--numbered", "--email", "--committer"].contains(&w.as_str()))
        .cloned()
        .collect();
    let (mut log, _, words) = command::parse(place, &rest, Formats::NOTHING)?;
    let mut request = rev::request(place, &words.operands, words.dashes)?;
    if request.tips.is_empty() && log.every.is_empty() {
        // Without a terminal git reads a log from standard input.
        use std::io::IsTerminal as _;
        if !std::io::stdin().is_terminal() {
            let text = std::io::read_to_string(std::io::stdin())?;
            return if text.trim().is_empty() {
                Ok(0)
            } else {
                Err(refuse("a log on standard input"))
            };
        }
        let Some(head) = place.head_id() else { return Ok(0) };
        request.tips.push(rev::Tip {
            id: head,
            excluded: false,
            name: "HEAD".to_owned(),
            left: false,
        });
    }
    log.start(place, &request)?;
    let mut people: std::collections::BTreeMap<String, Vec<String>> =
        std::collections::BTreeMap::new();
    walk::walk(place, &log.wanted, &mut |step| {
        let commit = place.repo.find_commit(step.id)?;
        let who = if committer { commit.committer() } else { commit.author() };
        let who = place.mapped(&who);
        let name = lossy(who.name_bytes()).into_owned();
        let key = if email { format!("{name} <{}>", lossy(who.email_bytes())) } else { name };
        people.entry(key).or_default().push(lossy(&subject(commit.message_bytes())).into_owned());
        Ok(true)
    })?;
    let mut people: Vec<(String, Vec<String>)> = people.into_iter().collect();
    if numbered {
        people.sort_by_key(|(_, list)| std::cmp::Reverse(list.len()));
    }
    for (name, subjects) in people {
        if summary {
            outln!("{:>6}\t{name}", subjects.len());
            continue;
        }
        outln!("{name} ({}):", subjects.len());
        subjects.iter().rev().for_each(|subject| outln!("      {}", without_brackets(subject)));
        outln!("");
    }
    Ok(0)
}

/// `git check-mailmap`.
pub(crate) fn check_mailmap(place: &Place, words: &[String]) -> Outcome {
    const USAGE: &str = "git check-mailmap [<options>] <contact>...";
    let words = args::parse(USAGE, &[flag(' ', "stdin")], words)?;
    let mut contacts = words.operands.clone();
    if words.has("stdin") {
        contacts.extend(std::io::read_to_string(std::io::stdin())?.lines().map(str::to_owned));
    } else if contacts.is_empty() {
        return Err(fatal("no contacts specified"));
    }
    for contact in contacts {
        let (name, address) = match contact.split_once('<') {
            Some((name, rest)) => (name.trim(), rest.trim_end().trim_end_matches('>')),
            None => ("", contact.as_str()),
        };
        // libgit2 takes no empty name, so one is put in its place that nobody has.
        const NOBODY: &str = "(nobody)";
        let asked = if name.is_empty() { NOBODY } else { name };
        let who = git2::Signature::new(asked, address, &git2::Time::new(0, 0))?;
        let mapped = place.mapped(&who);
        let name = lossy(mapped.name_bytes()).replace(NOBODY, "");
        let blank = if name.is_empty() { "" } else { " " };
        outln!("{name}{blank}<{}>", lossy(mapped.email_bytes()));
    }
    Ok(0)
}
