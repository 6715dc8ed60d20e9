//! `git rev-parse` and `git rev-list`.

use git2::Oid;

use crate::diff::Formats;
use crate::fail::{Outcome, ambiguous, fatal, plain};
use crate::log::command::parse;
use crate::log::walk;
use crate::out::{self, outln};
use crate::place::{Globals, Place, normal};
use crate::refs;
use crate::rev;

#[derive(Default)]
struct State {
    verify: bool,
    quiet: bool,
    short: Option<usize>,
    symbolic: bool,
    abbreviated: bool,
    sq: bool,
    default: Option<String>,
    n_shown: usize,
    found: Option<String>,
}

pub(crate) fn rev_parse(globals: &Globals, words: &[String]) -> Outcome {
    if words.first().is_some_and(|word| word == "--parseopt" || word == "--sq-quote") {
        return Err(crate::fail::refuse(format!("rev-parse {}", words[0])));
    }
    let found = Place::find(globals)?;
    let place = match &found {
        Some(place) => place,
        None if words
            .iter()
            .any(|word| word == "--is-inside-work-tree" || word.starts_with("--"))
            || words.is_empty() =>
        {
            return Err(fatal("not a git repository (or any of the parent directories): .git"));
        }
        None => return Err(fatal("not a git repository (or any of the parent directories): .git")),
    };
    let mut state = State::default();
    let mut rest = words.iter();
    let mut after_dashes = false;
    while let Some(word) = rest.next() {
        if after_dashes {
            outln!("{word}");
        } else if word == "--" {
            after_dashes = true;
            if !state.verify {
                outln!("--");
            }
        } else if word == "--default" {
            state.default = rest.next().cloned();
        } else if word == "--git-path" {
            let name = rest.next().cloned().unwrap_or_default();
            outln!("{}/{name}", git_dir(place, false));
        } else if word == "--path-format=absolute" || word == "--path-format=relative" {
        } else if word.starts_with('-') && word.len() > 1 {
            option(place, word, &mut state)?;
        } else {
            revision(place, word, &mut state)?;
        }
    }
    if state.n_shown == 0
        && let Some(name) = state.default.clone()
    {
        revision(place, &name, &mut state)?;
    }
    if state.verify {
        match (&state.found, state.n_shown) {
            (Some(text), 1) => outln!("{text}"),
            _ if state.quiet => return Ok(1),
            _ => return Err(fatal("Needed a single revision")),
        }
    }
    Ok(0)
}

fn git_dir(place: &Place, absolute: bool) -> String {
    let full = normal(place.repo.path());
    let here = std::env::current_dir().unwrap_or_default();
    let at_root =
        place.tree_root.as_ref().is_some_and(|root| *root == here) && full == here.join(".git");
    match () {
        () if absolute => full.display().to_string(),
        () if at_root => ".git".to_owned(),
        () if full == here => ".".to_owned(),
        () => full.display().to_string(),
    }
}

fn option(place: &Place, word: &str, state: &mut State) -> Outcome<()> {
    let yes = |yes: bool| outln!("{yes}");
    let here = std::env::current_dir().unwrap_or_default();
    match word {
        "--verify" => state.verify = true,
        "-q" | "--quiet" => state.quiet = true,
        "--short" => state.short = Some(place.digits()),
        "--symbolic" => state.symbolic = true,
        "--symbolic-full-name" => state.symbolic = true,
        "--abbrev-ref" | "--abbrev-ref=strict" | "--abbrev-ref=loose" => state.abbreviated = true,
        "--sq" => state.sq = true,
        "--revs-only" | "--no-revs" | "--flags" | "--no-flags" | "--end-of-options" => {}
        "--show-toplevel" => {
            let root = place.root()?;
            outln!("{}", root.display());
        }
        "--show-cdup" => {
            outln!("{}", "../".repeat(place.prefix.iter().filter(|b| **b == b'/').count()))
        }
        "--show-prefix" => {
            out::bytes(&place.prefix);
            outln!("");
        }
        "--git-dir" => outln!("{}", git_dir(place, false)),
        "--absolute-git-dir" => outln!("{}", git_dir(place, true)),
        "--git-common-dir" => outln!("{}", git_dir(place, false)),
        "--is-inside-work-tree" => yes(place.tree_root.is_some()),
        "--is-inside-git-dir" => yes(here.starts_with(normal(place.repo.path()))),
        "--is-bare-repository" => yes(place.repo.is_bare()),
        "--is-shallow-repository" => yes(place.repo.is_shallow()),
        "--show-object-format" | "--show-object-format=storage" => outln!("sha1"),
        "--show-ref-format" => outln!("files"),
        "--show-superproject-working-tree" => {}
        "--local-env-vars" => outln!("GIT_DIR\nGIT_WORK_TREE\nGIT_INDEX_FILE"),
        "--all" => every(place, "refs/", state)?,
        "--branches" => every(place, "refs/heads/", state)?,
        "--tags" => every(place, "refs/tags/", state)?,
        "--remotes" => every(place, "refs/remotes/", state)?,
        _ if word.starts_with("--short=") => state.short = word[8..].parse().ok(),
        _ if word.starts_with("--since=") || word.starts_with("--after=") => {
            outln!("--max-age={}", crate::date::approximate(&word[8..]).unwrap_or(0));
        }
        _ if word.starts_with("--until=") || word.starts_with("--before=") => {
            let text = word.split_once('=').map_or("", |(_, text)| text);
            outln!("--min-age={}", crate::date::approximate(text).unwrap_or(0));
        }
        _ if state.verify => return Err(fatal("Needed a single revision")),
        _ => outln!("{word}"),
    }
    Ok(())
}

fn every(place: &Place, prefix: &str, state: &mut State) -> Outcome<()> {
    for (name, id) in refs::all(place)?.into_iter().filter(|(name, _)| name.starts_with(prefix)) {
        let text = if state.symbolic { name } else { id.to_string() };
        show(place, &text, Some(id), "", state);
    }
    Ok(())
}

fn show(place: &Place, text: &str, id: Option<Oid>, sign: &str, state: &mut State) {
    state.n_shown += 1;
    let text = match (state.short, id) {
        (Some(digits), Some(id)) => place.short_of(id, digits.clamp(4, 40)),
        _ => text.to_owned(),
    };
    let text = format!("{sign}{text}");
    if state.verify {
        state.found = Some(text);
    } else {
        outln!("{text}");
    }
}

fn revision(place: &Place, word: &str, state: &mut State) -> Outcome<()> {
    if state.abbreviated || state.symbolic {
        if let Some(name) = full_name(place, word) {
            let text = match (state.abbreviated, name.as_str()) {
                (true, name) => refs::shortened(name).to_owned(),
                (false, name) => name.to_owned(),
            };
            show(place, &text, None, "", state);
            return Ok(());
        }
        if rev::single(place, word).is_some() {
            if !state.abbreviated {
                show(place, word, None, "", state);
            }
            return Ok(());
        }
    }
    let mut request = rev::Request::default();
    if rev::add(place, word, &mut request)? {
        // A range shows its end first.
        let mut tips = request.tips.clone();
        tips.sort_by_key(|tip| tip.excluded && (request.range || request.symmetric));
        if request.range {
            tips.sort_by_key(|tip| tip.excluded);
        }
        for tip in tips {
            let sign = if tip.excluded { "^" } else { "" };
            show(place, &tip.id.to_string(), Some(tip.id), sign, state);
        }
        return Ok(());
    }
    if state.verify {
        return Err(if state.quiet {
            crate::fail::quiet(1)
        } else {
            fatal("Needed a single revision")
        });
    }
    if rev::is_file(place, word) {
        outln!("{word}");
        return Ok(());
    }
    // The word is shown all the same before the complaint.
    let fail = rev::unknown(place, word);
    outln!("{word}");
    if fail.text.contains("unknown revision") { Err(ambiguous(word)) } else { Err(fail) }
}

/// The full name of what a word abbreviates.
fn full_name(place: &Place, word: &str) -> Option<String> {
    if word == "HEAD" || word == "@" {
        return Some(place.head_ref().unwrap_or_else(|| "HEAD".to_owned()));
    }
    if word.starts_with("@{-") {
        return super::checkout::previous(place, word).map(|name| format!("refs/heads/{name}"));
    }
    let base = word.strip_suffix("@{u}").or_else(|| word.strip_suffix("@{upstream}"));
    if let Some(base) = base {
        let branch =
            if base.is_empty() || base == "HEAD" { place.branch()? } else { base.to_owned() };
        let found = place.repo.branch_upstream_name(&format!("refs/heads/{branch}")).ok()?;
        return found.as_str().ok().map(str::to_owned);
    }
    let found = place.repo.resolve_reference_from_short_name(word).ok()?;
    Some(String::from_utf8_lossy(found.name_bytes()).into_owned())
}

pub(crate) fn rev_list(place: &Place, words: &[String]) -> Outcome {
    let mut count = false;
    let mut no_commit_header = false;
    let rest: Vec<String> = words
        .iter()
        .filter(|word| match word.as_str() {
            "--count" => {
                count = true;
                false
            }
            "--no-commit-header" => {
                no_commit_header = true;
                false
            }
            "--objects" | "--header" | "--timestamp" | "--disk-usage" => true,
            _ => true,
        })
        .cloned()
        .collect();
    if rest.iter().any(|word| word == "--objects") {
        return Err(crate::fail::refuse("rev-list --objects"));
    }
    let pretty = rest.iter().any(|word| {
        word.starts_with("--format") || word.starts_with("--pretty") || word == "--oneline"
    });
    let (mut log, options, words) = parse(place, &rest, Formats::NOTHING)?;
    log.style.mailmap = false;
    let request = rev::request(place, &words.operands, words.dashes)?;
    if request.tips.is_empty() && log.every.is_empty() {
        return Err(plain(129, "usage: git rev-list [<options>] <commit>... [--] [<path>...]"));
    }
    log.start(place, &request)?;
    let (mut n, mut n_left) = (0, 0);
    let left = crate::log::command::left_ids(place, &log)?;
    let style = log.style.clone();
    let mut printer = crate::log::entry::Printer::new(
        place,
        crate::diff::Diff::new(place, options),
        style.clone(),
    );
    walk::walk(place, &log.wanted, &mut |step| {
        let is_left = left.contains(&step.id);
        if log.side.is_some_and(|side| side != is_left) {
            return Ok(true);
        }
        n += 1;
        n_left += usize::from(is_left);
        if count {
            return Ok(true);
        }
        if pretty {
            let user = matches!(style.format, crate::log::pretty::Format::User(..));
            if user && !no_commit_header {
                outln!("commit {}", step.id);
            }
            printer.print(step)?;
            return Ok(true);
        }
        let id = |id: Oid| {
            if style.short_ids { place.short_of(id, style.digits) } else { id.to_string() }
        };
        let parents: String = if style.parents {
            step.parents.iter().map(|p| format!(" {}", id(*p))).collect()
        } else {
            String::new()
        };
        let mark = match log.left_right {
            true if is_left => "<",
            true => ">",
            false => "",
        };
        outln!("{mark}{}{parents}", id(step.id));
        Ok(true)
    })?;
    match (count, log.left_right) {
        (true, true) => outln!("{n_left}\t{}", n - n_left),
        (true, false) => outln!("{n}"),
        (false, _) => {}
    }
    Ok(0)
}
