//! `git show`.

use git2::{ObjectType, Oid};

use super::command::parse;
use super::entry::Printer;
use super::options::Merges;
use super::walk;
use crate::date;
use crate::diff::{Diff, Formats};
use crate::fail::{Outcome, fatal};
use crate::out::{self, outln};
use crate::place::Place;
use crate::quote::lossy;
use crate::rev;

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let (mut log, options, words) = parse(place, words, Formats::PATCH)?;
    let mut request = rev::request(place, &words.operands, words.dashes)?;
    if request.tips.is_empty() {
        let head = place.head_id().ok_or_else(|| {
            let branch = place.branch().unwrap_or_default();
            fatal(format!("your current branch '{branch}' does not have any commits yet"))
        })?;
        request.tips.push(rev::Tip {
            id: head,
            excluded: false,
            name: "HEAD".to_owned(),
            left: false,
        });
    }
    let range = request.range || request.symmetric || request.tips.iter().any(|tip| tip.excluded);
    let mut printer = Printer::new(place, Diff::new(place, options), log.style.clone());
    printer.merges =
        if log.merges_given || log.merges == Merges::First { log.merges } else { Merges::Dense };
    printer.paths = request.paths.clone();
    if printer.diff.options.pickaxe.is_some() || !printer.paths.is_empty() {
        printer.always = false;
    }
    if range {
        log.start(place, &request)?;
        walk::walk(place, &log.wanted, &mut |step| printer.print(step))?;
        return Ok(0);
    }
    for tip in &request.tips {
        object(&mut printer, tip.id, &tip.name)?;
    }
    Ok(0)
}

fn object(printer: &mut Printer<'_>, id: Oid, name: &str) -> Outcome<()> {
    let place = printer.place;
    let found = place.repo.find_object(id, None)?;
    match found.kind() {
        Some(ObjectType::Commit) => {
            let commit = found.peel_to_commit()?;
            let parents: Vec<Oid> = commit.parent_ids().collect();
            printer.commit(&commit, &parents)?;
        }
        Some(ObjectType::Blob) => out::bytes(&place.read(id)?),
        Some(ObjectType::Tree) => {
            if printer.shown {
                outln!("");
            }
            outln!("tree {name}\n");
            for entry in &found.peel_to_tree()? {
                let slash: &[u8] = if entry.kind() == Some(ObjectType::Tree) { b"/" } else { b"" };
                out::bytes(&[entry.name_bytes(), slash, b"\n"].concat());
            }
            printer.shown = true;
        }
        _ => {
            let tag = found.peel_to_tag()?;
            if printer.shown {
                outln!("");
            }
            outln!("tag {}", lossy(tag.name_bytes()));
            if let Some(tagger) = tag.tagger() {
                outln!("Tagger: {} <{}>", lossy(tagger.name_bytes()), lossy(tagger.email_bytes()));
                outln!(
                    "Date:   {}",
                    date::show(tagger.when(), &printer.style.date).unwrap_or_default()
                );
            }
            outln!("");
            out::bytes(tag.message_bytes().unwrap_or_default());
            printer.shown = true;
            return object(printer, tag.target_id(), name);
        }
    }
    Ok(())
}
