//! `git log`, `git whatchanged`, and `git reflog show`.

use git2::Oid;

use super::entry::Printer;
use super::graph::Graph;
use super::options::{Log, Merges, TABLE};
use super::walk::{self, Step};
use super::{lines, marks, pretty};
use crate::args::{Parser, Unknown, Words};
use crate::diff::parse::{Reader, TABLE as DIFF};
use crate::diff::{Diff, Formats, Options};
use crate::fail::{Outcome, fatal};
use crate::out::outln;
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::refs;
use crate::rev;

const USAGE: &str = "git log [<options>] [<revision-range>] [[--] <path>...]";

/// Parses the words of a log; differences are shown as `usual` says if nothing is asked for.
pub(crate) fn parse(
    place: &Place,
    words: &[String],
    usual: Formats,
) -> Outcome<(Log, Options, Words)> {
    let parser =
        Parser { usage: USAGE, tables: &[TABLE, DIFF], unknown: Unknown::Fatal, numbers: true };
    let words = parser.parse(words)?;
    let mut log = Log::new(place);
    let mut reader = Reader::new(Some(place));
    for given in &words.given {
        // `--abbrev` is for both.
        let taken = log.take(given, place)?;
        if !taken || given.name == "abbrev" {
            reader.take(given, Some(place))?;
        }
    }
    let options = reader.finish(usual)?;
    log.style.color = options.color;
    if matches!(log.merges, Merges::Combined | Merges::Dense)
        && log.merges_given
        && !options.formats.any()
    {
        let options = Options { formats: Formats::PATCH, ..options };
        return Ok((log, options, words));
    }
    Ok((log, options, words))
}

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let (log, options, words) = parse(place, words, Formats::NOTHING)?;
    history(place, log, options, &words)
}

pub(crate) fn whatchanged(place: &Place, words: &[String]) -> Outcome {
    let raw = Formats { raw: true, ..Formats::NOTHING };
    let (log, mut options, words) = parse(place, words, raw)?;
    options.abbrev = options.abbrev.or(Some(place.digits()));
    let mut log = log;
    log.wanted.max_parents = Some(1);
    show_history(place, log, options, &words, false)
}

fn history(place: &Place, log: Log, options: Options, words: &Words) -> Outcome {
    show_history(place, log, options, words, true)
}

fn show_history(
    place: &Place,
    mut log: Log,
    mut options: Options,
    words: &Words,
    always: bool,
) -> Outcome {
    let mut request = rev::request(place, &words.operands, words.dashes)?;
    if log.reflogs {
        return reflog(place, &log, options, &request, words);
    }
    if request.tips.is_empty() && log.every.is_empty() {
        let head = place.head_id().ok_or_else(|| no_commits(place))?;
        request.tips.push(rev::Tip {
            id: head,
            excluded: false,
            name: "HEAD".to_owned(),
            left: false,
        });
    }
    log.start(place, &request)?;
    log.check(words, &mut options.renames)?;
    if !log.lines.is_empty() {
        return lines::history(place, &log, options);
    }
    let searches = options.pickaxe.is_some() || options.filter.is_some() || log.follow;
    let exit_code = options.exit_code;
    let follow = log.follow.then(|| log.wanted.paths.items[0].path.clone());
    let mut printer = Printer::new(place, Diff::new(place, options), log.style.clone());
    printer.graph = log.graph.then(Graph::new);
    printer.merges = log.merges;
    printer.always = always && !searches;
    if !log.full_diff {
        printer.paths = log.wanted.paths.clone();
    }
    if follow.is_some() {
        // Which commits touch the path is found on the way.
        log.wanted.paths = Pathspec::default();
    }
    printer.follow = follow;
    if !printer.always {
        printer.max = log.wanted.max.take();
    }
    if printer.max == Some(0) {
        return Ok(0);
    }
    let left = left_ids(place, &log)?;
    printer.marks.left = left.iter().copied().collect();
    if log.style.source || asks_for(&log.style, 'S') {
        printer.marks.sources = marks::sources(place, &log.sources)?;
    }
    if log.style.children {
        if !log.wanted.paths.is_empty() {
            return Err(crate::fail::refuse("--children with paths"));
        }
        printer.marks.children = walk::children(place, &log.wanted)?;
    }
    walk::walk(place, &log.wanted, &mut |step: &Step| {
        let is_left = left.contains(&step.id);
        if log.side.is_some_and(|wants_left| wants_left != is_left) {
            return Ok(true);
        }
        if log.left_right {
            printer.mark = if is_left { "< " } else { "> " }.to_owned();
        }
        printer.print(step)
    })?;
    Ok(i32::from(exit_code && printer.n_shown > 0))
}

fn no_commits(place: &Place) -> crate::fail::Fail {
    let branch = place.branch().unwrap_or_default();
    fatal(format!("your current branch '{branch}' does not have any commits yet"))
}

/// Whether a format has a placeholder.
fn asks_for(style: &pretty::Style, placeholder: char) -> bool {
    let pretty::Format::User(text, _) = &style.format else { return false };
    text.split('%')
        .skip(1)
        .any(|rest| rest.trim_start_matches(['+', '-', ' ']).starts_with(placeholder))
}

/// The commits that are only on the left of `a...b`.
pub(crate) fn left_ids(place: &Place, log: &Log) -> Outcome<Vec<Oid>> {
    if log.wanted.left.is_empty()
        || !(log.left_right || log.side.is_some() || asks_for(&log.style, 'm'))
    {
        return Ok(vec![]);
    }
    let mut walk = place.repo.revwalk()?;
    log.wanted.left.iter().try_for_each(|id| walk.push(*id))?;
    log.wanted.excluded.iter().try_for_each(|id| walk.hide(*id))?;
    Ok(walk.flatten().collect())
}

/// `git log -g` and `git reflog`: what a reference was.
pub(crate) fn reflog(
    place: &Place,
    log: &Log,
    options: Options,
    request: &rev::Request,
    words: &Words,
) -> Outcome {
    let typed =
        words.operands.first().filter(|_| !request.tips.is_empty()).map_or("HEAD", String::as_str);
    let base = typed.split("@{").next().unwrap_or(typed);
    let full = match base {
        "HEAD" | "@" | "" => "HEAD".to_owned(),
        "stash" => "refs/stash".to_owned(),
        name => {
            let found = place.repo.resolve_reference_from_short_name(name)?;
            String::from_utf8_lossy(found.name_bytes()).into_owned()
        }
    };
    let entries = place.repo.reflog(&full)?;
    let shown_name = if base.is_empty() || base == "@" { "HEAD" } else { refs::shortened(base) };
    let mut printer = Printer::new(place, Diff::new(place, options), log.style.clone());
    printer.paths = request.paths.clone();
    let filter = log.asked.filter()?;
    let wanted = entries.iter().enumerate().skip(log.wanted.skip);
    let mut n = 0;
    for (at, entry) in wanted {
        if log.wanted.max.is_some_and(|max| n >= max) {
            break;
        }
        let Ok(commit) = place.repo.find_commit(entry.id_new()) else { continue };
        if !filter.fits(&commit, place) {
            continue;
        }
        let message =
            String::from_utf8_lossy(entry.message_bytes().unwrap_or_default()).into_owned();
        printer.log = Some((format!("{full}@{{{at}}}"), format!("{shown_name}@{{{at}}}"), message));
        printer.commit(&commit, &[])?;
        n += 1;
    }
    Ok(0)
}

/// `git reflog [show|list|exists] ...`.
pub(crate) fn reflog_command(place: &Place, words: &[String]) -> Outcome {
    let rest = match words.first().map(String::as_str) {
        Some("show") => &words[1..],
        Some("expire" | "delete") => {
            return Err(crate::fail::refuse(format!("`git reflog {}`", words[0])));
        }
        Some("exists") => {
            let name = words.get(1).map_or("", String::as_str);
            return Ok(i32::from(!place.repo.reference_has_log(name).unwrap_or(false)));
        }
        Some("list") => {
            for (name, _) in
                [("HEAD".to_owned(), Oid::ZERO_SHA1)].into_iter().chain(refs::all(place)?)
            {
                if place.repo.reference_has_log(&name).unwrap_or(false) {
                    outln!("{name}");
                }
            }
            return Ok(0);
        }
        _ => words,
    };
    let all: Vec<String> =
        ["-g", "--oneline"].iter().map(|w| (*w).to_owned()).chain(rest.iter().cloned()).collect();
    let (log, options, words) = parse(place, &all, Formats::NOTHING)?;
    let request = rev::request(place, &words.operands, words.dashes)?;
    reflog(place, &log, options, &request, &words)
}
