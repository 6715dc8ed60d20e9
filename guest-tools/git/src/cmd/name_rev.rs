//! `git name-rev`, and `git describe --contains`: commits named by the references that they are reached from.

use std::collections::HashMap;

use git2::{ObjectType, Oid};

use crate::args::{self, Opt, Words, flag, value};
use crate::fail::{Outcome, fatal};
use crate::out::{out, outln};
use crate::place::Place;
use crate::refs;
use crate::rev;
use crate::wildmatch;

/// How much further away what a merge brought in is.
const MERGE_WEIGHT: u64 = 65535;

const TABLE: &[Opt] = &[
    flag(' ', "name-only"),
    flag(' ', "tags"),
    value(' ', "refs"),
    value(' ', "exclude"),
    flag(' ', "all"),
    flag(' ', "stdin"),
    flag(' ', "annotate-stdin"),
    flag(' ', "undefined"),
    flag(' ', "always"),
];

/// The name of a commit: so many first parents behind a tip.
#[derive(Clone)]
struct Name {
    tip: String,
    /// When the tip was tagged, or made.
    when: i64,
    generation: u64,
    distance: u64,
    is_tag: bool,
}

impl Name {
    fn reach(&self) -> u64 {
        self.distance + if self.generation > 0 { MERGE_WEIGHT } else { 0 }
    }

    /// Whether this one is to be preferred.
    fn is_better_than(&self, other: &Self) -> bool {
        if self.is_tag && other.is_tag {
            return self.reach() < other.reach();
        }
        if self.is_tag != other.is_tag {
            return self.is_tag;
        }
        (self.reach(), self.when) < (other.reach(), other.when)
    }

    fn base(&self) -> &str {
        self.tip.strip_suffix("^0").unwrap_or(&self.tip)
    }

    fn text(&self) -> String {
        match self.generation {
            0 => self.tip.clone(),
            n => format!("{}~{n}", self.base()),
        }
    }

    /// The name of the parent with a number, which counts from 1.
    fn parent(&self, number: usize) -> Self {
        if number == 1 {
            let (generation, distance) = (self.generation + 1, self.distance + 1);
            return Self { generation, distance, ..self.clone() };
        }
        let tip = match self.generation {
            0 => format!("{}^{number}", self.base()),
            n => format!("{}~{n}^{number}", self.base()),
        };
        Self { tip, generation: 0, distance: self.distance + MERGE_WEIGHT, ..self.clone() }
    }
}

/// Which references name commits, and how these are shown.
#[derive(Default)]
struct Wanted {
    tags_only: bool,
    /// `v1` instead of `tags/v1`.
    short: bool,
    patterns: Vec<String>,
    excluded: Vec<String>,
}

impl Wanted {
    fn takes(&self, name: &str) -> bool {
        let fits = |pattern: &String| {
            let rules = wildmatch::Rules::default();
            let ends = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
            [name]
                .into_iter()
                .chain(ends)
                .any(|part| wildmatch::fits(pattern.as_bytes(), part.as_bytes(), rules))
        };
        (!self.tags_only || name.starts_with("refs/tags/"))
            && (self.patterns.is_empty() || self.patterns.iter().any(fits))
            && !self.excluded.iter().any(fits)
    }

    fn shown(&self, name: &str) -> String {
        if self.short && self.tags_only {
            return refs::shortened(name).to_owned();
        }
        let name = name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/")).unwrap_or(name);
        name.to_owned()
    }
}

/// The names of all commits that have one.
fn names(place: &Place, wanted: &Wanted) -> Outcome<HashMap<Oid, Name>> {
    let mut tips = vec![];
    for (name, id) in refs::all(place)? {
        if !wanted.takes(&name) {
            continue;
        }
        let Ok(object) = place.repo.find_object(id, None) else { continue };
        let Ok(commit) = object.peel_to_commit() else { continue };
        let tagged = object.as_tag().and_then(|tag| tag.tagger()).map(|who| who.when().seconds());
        let when = tagged.unwrap_or(commit.time().seconds());
        let is_tag = name.starts_with("refs/tags/");
        let peeled = if object.kind() == Some(ObjectType::Tag) { "^0" } else { "" };
        let tip = format!("{}{peeled}", wanted.shown(&name));
        tips.push((commit.id(), Name { tip, when, generation: 0, distance: 0, is_tag }));
    }
    // Tags first, the oldest first.
    tips.sort_by_key(|(_, name)| (!name.is_tag, name.when));
    let mut found: HashMap<Oid, Name> = HashMap::new();
    for (id, name) in tips {
        spread(place, id, name, &mut found)?;
    }
    Ok(found)
}

/// Names everything behind a tip that has no better name.
fn spread(place: &Place, id: Oid, name: Name, found: &mut HashMap<Oid, Name>) -> Outcome<()> {
    let mut open = vec![(id, name)];
    while let Some((id, name)) = open.pop() {
        if found.get(&id).is_some_and(|old| !name.is_better_than(old)) {
            continue;
        }
        let parents: Vec<Oid> = place.repo.find_commit(id)?.parent_ids().collect();
        let named = parents.iter().enumerate().map(|(n, parent)| (*parent, name.parent(n + 1)));
        open.extend(named.rev());
        found.insert(id, name);
    }
    Ok(())
}

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse("git name-rev [<options>] <commit>...", TABLE, words)?;
    if words.has("stdin") || words.has("annotate-stdin") {
        return Err(crate::fail::refuse("name-rev --annotate-stdin"));
    }
    let wanted = Wanted {
        tags_only: words.has("tags"),
        short: words.has("name-only"),
        patterns: words.values("refs").map(str::to_owned).collect(),
        excluded: words.values("exclude").map(str::to_owned).collect(),
    };
    let names = names(place, &wanted)?;
    if words.has("all") {
        let mut walk = place.repo.revwalk()?;
        walk.push_glob("*")?;
        for id in walk.flatten() {
            show(place, &words, &names, id, &id.to_string())?;
        }
        return Ok(0);
    }
    for word in &words.operands {
        let Some(object) = rev::single(place, word) else {
            eprintln!("Could not get sha1 for {word}. Skipping.");
            continue;
        };
        if object.kind() == Some(ObjectType::Tag) {
            let all = refs::all(place)?;
            let name = all.iter().find(|(name, id)| *id == object.id() && wanted.takes(name));
            tell(
                &words,
                word,
                &name.map_or("undefined".to_owned(), |(name, _)| wanted.shown(name)),
            );
            continue;
        }
        let id = object.peel_to_commit().map_or(object.id(), |commit| commit.id());
        show(place, &words, &names, id, word)?;
    }
    Ok(0)
}

fn show(place: &Place, words: &Words, names: &HashMap<Oid, Name>, id: Oid, word: &str) -> Outcome {
    let is_needed = words.given.iter().any(|given| given.name == "undefined" && given.no);
    let text = match names.get(&id) {
        Some(name) => name.text(),
        None if !is_needed => "undefined".to_owned(),
        None if words.has("always") => place.short(id),
        None => {
            if !words.has("name-only") {
                out!("{word} ");
            }
            return Err(fatal(format!("cannot describe '{id}'")));
        }
    };
    tell(words, word, &text);
    Ok(0)
}

fn tell(words: &Words, word: &str, text: &str) {
    if words.has("name-only") {
        outln!("{text}");
    } else {
        outln!("{word} {text}");
    }
}

/// `git describe --contains`: the tag after a commit.
pub(crate) fn contains(place: &Place, words: &Words) -> Outcome {
    let start = if words.has("all") { "" } else { "refs/tags/" };
    let pattern = |text: &str| format!("{start}{text}");
    let wanted = Wanted {
        tags_only: !words.has("all"),
        short: true,
        patterns: words.values("match").map(pattern).collect(),
        excluded: words.values("exclude").map(pattern).collect(),
    };
    let names = names(place, &wanted)?;
    let head = ["HEAD".to_owned()];
    let revisions = if words.operands.is_empty() { &head[..] } else { &words.operands };
    for word in revisions {
        let commit =
            place.commit(word).map_err(|_| fatal(format!("Not a valid object name {word}")))?;
        match names.get(&commit.id()) {
            Some(name) => outln!("{}", name.text()),
            None if words.has("always") => outln!("{}", place.short(commit.id())),
            None => return Err(fatal(format!("cannot describe '{}'", commit.id()))),
        }
    }
    Ok(0)
}
