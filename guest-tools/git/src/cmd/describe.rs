//! `git describe`.

use super::name_rev;
use crate::args::{self, Opt, flag, maybe, value};
use crate::fail::{Outcome, fatal};
use crate::out::outln;
use crate::place::Place;
use crate::refs;
use crate::stage::Stage;
use crate::work::Work;

pub(crate) fn describe(place: &Place, words: &[String]) -> Outcome {
    let table: &[Opt] = &[
        flag(' ', "contains"),
        flag(' ', "all"),
        flag(' ', "tags"),
        flag(' ', "long"),
        flag(' ', "first-parent"),
        maybe(' ', "abbrev"),
        flag(' ', "exact-match"),
        value(' ', "candidates"),
        value(' ', "match"),
        value(' ', "exclude"),
        flag(' ', "always"),
        maybe(' ', "dirty"),
        maybe(' ', "broken"),
        flag(' ', "debug"),
    ];
    let words = args::parse(
        "git describe [--all] [--tags] [--abbrev=<n>] [<commit-ish>...]",
        table,
        words,
    )?;
    if words.has("contains") {
        return name_rev::contains(place, &words);
    }
    let mut how = git2::DescribeOptions::new();
    if words.has("all") {
        how.describe_all();
    } else if words.has("tags") {
        how.describe_tags();
    }
    if words.has("exact-match") {
        how.max_candidates_tags(0);
    }
    if let Some(pattern) = words.value("match") {
        how.pattern(pattern);
    }
    how.only_follow_first_parent(words.has("first-parent"));
    let names =
        if words.operands.is_empty() { vec!["HEAD".to_owned()] } else { words.operands.clone() };
    for name in &names {
        let commit =
            place.commit(name).map_err(|_| fatal(format!("Not a valid object name {name}")))?;
        let mut shape = git2::DescribeFormatOptions::new();
        let abbreviation = words.value("abbrev").and_then(|n| n.parse::<u32>().ok());
        shape.abbreviated_size(abbreviation.unwrap_or(place.digits() as u32));
        shape.always_use_long_format(words.has("long"));
        let text = match commit
            .as_object()
            .describe(&how)
            .and_then(|found| found.format(Some(&shape)))
        {
            Ok(text) => text,
            Err(_) if words.has("always") => place.short(commit.id()),
            Err(_) if words.has("exact-match") => {
                return Err(fatal(format!("no tag exactly matches '{}'", commit.id())));
            }
            Err(_) => {
                let any = refs::all(place)?.iter().any(|(name, _)| name.starts_with("refs/tags/"));
                return Err(fatal(if any && !words.has("tags") {
                    format!(
                        "No annotated tags can describe '{}'.\nHowever, there were unannotated tags: try --tags.",
                        commit.id()
                    )
                } else if any {
                    format!(
                        "No tags can describe '{}'.\nTry --always, or create some tags.",
                        commit.id()
                    )
                } else {
                    "No names found, cannot describe anything.".to_owned()
                }));
            }
        };
        let dirty = words.given.iter().find(|g| g.name == "dirty").filter(|_| is_dirty(place));
        outln!(
            "{text}{}",
            dirty.map_or(String::new(), |g| g.value.clone().unwrap_or_else(|| "-dirty".to_owned()))
        );
    }
    Ok(0)
}

fn is_dirty(place: &Place) -> bool {
    let Ok(stage) = Stage::open(place) else { return false };
    let work = Work::new(place);
    let head = place.head_tree();
    let all = crate::pathspec::Pathspec::default();
    crate::diff::collect::tree_work(&work, head.as_ref(), &stage, &all)
        .is_ok_and(|pairs| !pairs.is_empty())
}
