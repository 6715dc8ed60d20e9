//! Lists of references: filters, orders, and the placeholders of `for-each-ref`.

use git2::{ObjectType, Oid};

use crate::args::Words;
use crate::date;
use crate::fail::{Outcome, fatal, plain};
use crate::log::pretty;
use crate::merge::command::is_ancestor;
use crate::place::Place;
use crate::quote::lossy;
use crate::refs;
use crate::wildmatch::{self, Rules};

/// A reference.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) id: Oid,
}

/// Options whose value may be the next word.
const OPTIONAL: [&str; 5] =
    ["--contains", "--no-contains", "--merged", "--no-merged", "--points-at"];

/// Joins such options with the next word, if it is a value.
pub(crate) fn join_optional(words: &[String]) -> Vec<String> {
    let mut out: Vec<String> = vec![];
    for word in words {
        match out.last_mut() {
            Some(last) if OPTIONAL.contains(&last.as_str()) && !word.starts_with('-') => {
                *last += &format!("={word}")
            }
            _ => out.push(word.clone()),
        }
    }
    out
}

/// What of a list is wanted, in the order that is wanted.
pub(crate) fn filtered(place: &Place, words: &Words, items: Vec<Item>) -> Outcome<Vec<Item>> {
    let mut items = items;
    let fold = words.has("ignore-case");
    if !words.operands.is_empty() {
        let rules = Rules { path: false, fold };
        let fits = |item: &Item, pattern: &String| {
            wildmatch::fits(pattern.as_bytes(), refs::shortened(&item.name).as_bytes(), rules)
        };
        items.retain(|item| words.operands.iter().any(|pattern| fits(item, pattern)));
    }
    let commit_of =
        |id: Oid| place.repo.find_object(id, None).ok()?.peel_to_commit().ok().map(|c| c.id());
    for given in words.given.iter().filter(|g| {
        ["contains", "no-contains", "merged", "no-merged", "points-at"].contains(&g.name)
    }) {
        let name = given.value.as_deref().unwrap_or("HEAD");
        let object = crate::rev::single(place, name)
            .ok_or_else(|| plain(129, format!("error: malformed object name {name}")))?;
        let commit = object
            .peel_to_commit()
            .map_err(|_| plain(129, format!("error: no such commit {name}")))?
            .id();
        let negative = given.name.starts_with("no-") || given.no;
        items.retain(|item| {
            let Some(id) = commit_of(item.id) else { return false };
            let is = match given.name {
                "contains" | "no-contains" => is_ancestor(place, commit, id),
                "points-at" => item.id == object.id() || id == commit,
                _ => is_ancestor(place, id, commit),
            };
            is != negative
        });
    }
    let keys: Vec<String> = words.values("sort").map(str::to_owned).collect();
    for key in &keys {
        sort(place, &mut items, key)?;
    }
    Ok(items)
}

/// Sorts by a key; `-` turns the order around.
pub(crate) fn sort(place: &Place, items: &mut [Item], key: &str) -> Outcome<()> {
    let (name, backward) = match key.strip_prefix('-') {
        Some(name) => (name, true),
        None => (key, false),
    };
    let numeric = matches!(
        name,
        "committerdate" | "authordate" | "creatordate" | "taggerdate" | "objectsize"
    );
    let turned = |order: std::cmp::Ordering| if backward { order.reverse() } else { order };
    if name.starts_with("version:") || name.starts_with("v:") {
        items.sort_by(|a, b| turned(version_key(&a.name).cmp(&version_key(&b.name))));
    } else if numeric {
        let field = format!("%({name}:unix)");
        let number = |item: &Item| {
            expand(place, &field, item).ok().and_then(|t| t.parse::<i64>().ok()).unwrap_or(0)
        };
        items.sort_by(|a, b| turned(number(a).cmp(&number(b))));
    } else {
        expand(
            place,
            &format!("%({name})"),
            &Item { name: "refs/x".to_owned(), id: Oid::ZERO_SHA1 },
        )
        .map_err(|_| fatal(format!("unknown field name: {name}")))?;
        let text = |item: &Item| expand(place, &format!("%({name})"), item).unwrap_or_default();
        items.sort_by(|a, b| turned(text(a).cmp(&text(b))));
    }
    Ok(())
}

/// Numbers in a name count as numbers.
fn version_key(name: &str) -> Vec<(String, u64)> {
    let mut key = vec![];
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (before, after) = rest.split_at(text);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        key.push((before.to_owned(), after[..digits].parse().unwrap_or(0)));
        rest = &after[digits..];
    }
    key
}

/// Replaces `%(field)`.
pub(crate) fn expand(place: &Place, format: &str, item: &Item) -> Outcome<String> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out += &rest[..at];
        rest = &rest[at + 1..];
        if let Some(inner) = rest.strip_prefix('(')
            && let Some(end) = inner.find(')')
        {
            out += &field(place, &inner[..end], item)?;
            rest = &inner[end + 1..];
        } else if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
        } else if let Some(byte) = rest.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte.into());
            rest = &rest[2..];
        } else {
            out.push('%');
        }
    }
    Ok(out + rest)
}

fn field(place: &Place, name: &str, item: &Item) -> Outcome<String> {
    let (name, option) = name.split_once(':').unwrap_or((name, ""));
    let (peeled, name) = match name.strip_prefix('*') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let object = place.repo.find_object(item.id, None).ok();
    let object = match (peeled, object) {
        (true, Some(object)) if object.kind() == Some(ObjectType::Tag) => {
            object.peel(ObjectType::Any).ok()
        }
        (true, _) => None,
        (false, object) => object,
    };
    let commit = object.as_ref().and_then(|object| object.as_commit());
    let tag = object.as_ref().and_then(|object| object.as_tag());
    let message = || {
        commit
            .map(|c| c.message_bytes().to_vec())
            .or_else(|| tag.and_then(|t| t.message_bytes()).map(<[u8]>::to_vec))
            .unwrap_or_default()
    };
    let mode = if option.is_empty() { "default" } else { option };
    let who = |role: &str| match role {
        "author" => commit.map(|c| c.author().to_owned()),
        "committer" => commit.map(|c| c.committer().to_owned()),
        "tagger" => tag.and_then(|t| t.tagger().map(|s| s.to_owned())),
        _ => commit
            .map(|c| c.committer().to_owned())
            .or_else(|| tag.and_then(|t| t.tagger().map(|s| s.to_owned()))),
    };
    for role in ["author", "committer", "tagger", "creator"] {
        let Some(part) = name.strip_prefix(role) else { continue };
        let Some(found) = who(role) else { return Ok(String::new()) };
        let (person, email) =
            (lossy(found.name_bytes()).into_owned(), lossy(found.email_bytes()).into_owned());
        return Ok(match part {
            "" => format!(
                "{person} <{email}> {}",
                date::show(found.when(), "raw").unwrap_or_default()
            ),
            "name" => person,
            "email" => format!("<{email}>"),
            "date" => date::show(found.when(), mode).unwrap_or_default(),
            _ => return Err(fatal(format!("unknown field name: {name}"))),
        });
    }
    Ok(match name {
        "refname" => match option {
            "short" => refs::shortened(&item.name).to_owned(),
            _ if option.starts_with("lstrip=") || option.starts_with("strip=") => {
                let n: usize = option.split('=').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
                item.name.split('/').skip(n).collect::<Vec<_>>().join("/")
            }
            _ => item.name.clone(),
        },
        "objectname" if option == "short" => object.map_or(String::new(), |o| place.short(o.id())),
        "objectname" => object.map_or(String::new(), |o| o.id().to_string()),
        "objecttype" => {
            object.and_then(|o| o.kind()).map_or(String::new(), |kind| kind.str().to_owned())
        }
        "objectsize" => object
            .and_then(|o| place.repo.odb().ok()?.read_header(o.id()).ok())
            .map_or(String::new(), |(n, _)| n.to_string()),
        "tree" => commit.map_or(String::new(), |c| c.tree_id().to_string()),
        "parent" => commit.map_or(String::new(), |c| {
            c.parent_ids().map(|id| id.to_string()).collect::<Vec<_>>().join(" ")
        }),
        "subject" => lossy(&pretty::subject(&message())).into_owned(),
        "body" => lossy(&pretty::body(&message())).into_owned(),
        "contents" if option == "subject" => lossy(&pretty::subject(&message())).into_owned(),
        "contents" if option == "body" => lossy(&pretty::body(&message())).into_owned(),
        "contents" => lossy(&message()).into_owned(),
        "HEAD" => {
            if place.head_ref().as_deref() == Some(&item.name) { "*" } else { " " }.to_owned()
        }
        "upstream" => {
            let branch = item.name.strip_prefix("refs/heads/").unwrap_or_default();
            let found = crate::status::tracking(place, branch);
            match (found, option) {
                (Some((name, _)), "short") => name,
                (Some((name, _)), "") => format!("refs/remotes/{name}"),
                _ => String::new(),
            }
        }
        "symref" => {
            let found = place.repo.find_reference(&item.name).ok();
            found
                .and_then(|r| r.symbolic_target().ok().flatten().map(str::to_owned))
                .unwrap_or_default()
        }
        "align" | "end" | "color" | "if" | "then" | "else" => String::new(),
        _ => return Err(fatal(format!("unknown field name: {name}"))),
    })
}
