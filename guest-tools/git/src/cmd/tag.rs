//! `git tag`.

use git2::ObjectType;

use super::listing::{self, Item};
use super::message::{self, Cleanup};
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::fail::{Outcome, fatal, plain, refuse};
use crate::ident;
use crate::log::pretty::{body, subject};
use crate::out::{self, note, outln};
use crate::place::Place;
use crate::refs;
use crate::rev;

const USAGE: &str = "git tag [-a] [-f] [-m <msg> | -F <file>] <tagname> [<commit> | <object>]\n   \
or: git tag -d <tagname>...\n   or: git tag [-n[<num>]] -l [<pattern>...]";
const TABLE: &[Opt] = &[
    flag('l', "list"),
    maybe('n', "n"),
    flag('d', "delete"),
    flag('v', "verify"),
    flag('a', "annotate"),
    value('m', "message"),
    value('F', "file"),
    flag('e', "edit"),
    flag('s', "sign"),
    value(' ', "cleanup"),
    value('u', "local-user"),
    flag('f', "force"),
    flag(' ', "create-reflog"),
    maybe(' ', "column"),
    maybe(' ', "contains"),
    maybe(' ', "no-contains"),
    maybe(' ', "merged"),
    maybe(' ', "no-merged"),
    maybe(' ', "points-at"),
    value(' ', "sort"),
    value(' ', "format"),
    flag('i', "ignore-case"),
    maybe(' ', "color"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, &listing::join_optional(words))?;
    if words.has("sign") || words.has("verify") || words.value("local-user").is_some() {
        return Err(refuse("signing tags"));
    }
    if words.has("delete") {
        return delete(place, &words);
    }
    let filters =
        ["contains", "no-contains", "merged", "no-merged", "points-at", "format", "sort", "n"];
    let lists = words.has("list")
        || words.operands.is_empty()
        || words.given.iter().any(|g| filters.contains(&g.name));
    if lists { list(place, &words) } else { create(place, &words) }
}

fn delete(place: &Place, words: &Words) -> Outcome {
    let mut code = 0;
    for name in &words.operands {
        match place.repo.find_reference(&format!("refs/tags/{name}")) {
            Ok(mut reference) => {
                let id = reference.target().map(|id| place.short(id)).unwrap_or_default();
                reference.delete()?;
                outln!("Deleted tag '{name}' (was {id})");
            }
            Err(_) => {
                note(format!("error: tag '{name}' not found."));
                code = 1;
            }
        }
    }
    Ok(code)
}

fn list(place: &Place, words: &Words) -> Outcome {
    let all = refs::all(place)?.into_iter().filter(|(name, _)| name.starts_with("refs/tags/"));
    let mut items: Vec<Item> = all.map(|(name, id)| Item { name, id }).collect();
    if words.value("sort").is_none()
        && let Some(key) = place.setting("tag.sort")
    {
        listing::sort(place, &mut items, &key)?;
    }
    let items = listing::filtered(place, words, items)?;
    let n_lines: Option<usize> =
        words.has("n").then(|| words.value("n").and_then(|n| n.parse().ok()).unwrap_or(1));
    for item in &items {
        if let Some(format) = words.value("format") {
            outln!("{}", listing::expand(place, format, item)?);
            continue;
        }
        let name = refs::shortened(&item.name);
        match n_lines {
            None => outln!("{name}"),
            Some(n) => with_lines(place, name, item, n)?,
        }
    }
    Ok(0)
}

/// A tag with the first lines of its message.
fn with_lines(place: &Place, name: &str, item: &Item, n: usize) -> Outcome<()> {
    let object = place.repo.find_object(item.id, None)?;
    let text = match object.kind() {
        Some(ObjectType::Tag) => {
            object.as_tag().and_then(|tag| tag.message_bytes()).unwrap_or_default().to_vec()
        }
        _ => object
            .peel_to_commit()
            .map(|commit| commit.message_bytes().to_vec())
            .unwrap_or_default(),
    };
    out::bytes(format!("{name:<15} ").as_bytes());
    out::bytes(&subject(&text));
    let rest = body(&text);
    let mut lines: Vec<&[u8]> = vec![b""];
    lines.extend(rest.split(|b| *b == b'\n'));
    let shown = if rest.is_empty() { 0 } else { n.saturating_sub(1) };
    for line in lines.iter().take(shown) {
        out::bytes(&[b"\n    ", *line].concat());
    }
    outln!("");
    Ok(())
}

fn create(place: &Place, words: &Words) -> Outcome {
    let (name, target) = match words.operands.as_slice() {
        [name] => (name, "HEAD"),
        [name, target] => (name, target.as_str()),
        _ => return Err(fatal("too many arguments")),
    };
    let full = format!("refs/tags/{name}");
    if !git2::Reference::is_valid_name(&full) || name.starts_with('-') {
        return Err(fatal(format!("'{name}' is not a valid tag name.")));
    }
    let object = rev::single(place, target)
        .ok_or_else(|| fatal(format!("Failed to resolve '{target}' as a valid ref.")))?;
    let old = place.repo.find_reference(&full).ok().and_then(|r| r.target());
    if old.is_some() && !words.has("force") {
        return Err(fatal(format!("tag '{name}' already exists")));
    }
    let given = message::paragraphs(words.values("message"));
    let text = match (given, words.value("file")) {
        (Some(text), _) => Some(text),
        (None, Some(file)) => Some(message::read(file)?),
        (None, None) if words.has("annotate") => Some(message::edited(place, "")?),
        (None, None) => None,
    };
    let id = match text {
        None => object.id(),
        Some(text) => {
            let text = message::tidy(&text, Cleanup::Strip);
            if text.is_empty() && words.has("edit") {
                return Err(plain(128, "fatal: no tag message?"));
            }
            place.repo.tag_annotation_create(
                name,
                &object,
                &ident::signature(place, "COMMITTER")?,
                &text,
            )?
        }
    };
    place.repo.reference(&full, id, true, "tag")?;
    if let Some(old) = old.filter(|old| *old != id) {
        outln!("Updated tag '{name}' (was {})", place.short(old));
    }
    Ok(0)
}
