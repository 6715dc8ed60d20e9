//! `git bisect`: halves the commits between a good and a bad one, in git's order and with git's files.

use git2::Oid;

use super::halves::{halves, steps};
use crate::cmd::checkout;
use crate::fail::{Fail, Outcome, fatal, plain};
use crate::log::pretty::subject;
use crate::out::{self, note, outln};
use crate::place::Place;
use crate::quote::lossy;
use crate::{programs, refs, rev};

const USAGE: &str = "usage: git bisect start [--term-(new|bad)=<term> --term-(old|good)=<term>]    [--no-checkout] [--first-parent] [<bad> [<good>...]] [--]    [<pathspec>...]\n   \
or: git bisect (good|bad) [<rev>...]\n   or: git bisect terms [--term-good | --term-bad]\n   \
or: git bisect skip [(<rev>|<range>)...]\n   or: git bisect next\n   or: git bisect reset [<commit>]\n   \
or: git bisect visualize\n   or: git bisect replay <logfile>\n   or: git bisect log\n   or: git bisect run <cmd> [<arg>...]\n";

/// What the states are called.
struct Terms {
    bad: String,
    good: String,
}

impl Terms {
    fn read(place: &Place) -> Self {
        let text = std::fs::read_to_string(place.meta("BISECT_TERMS")).unwrap_or_default();
        let mut lines = text.lines().map(str::to_owned);
        let bad = lines.next().unwrap_or_else(|| "bad".to_owned());
        Self { bad, good: lines.next().unwrap_or_else(|| "good".to_owned()) }
    }

    fn write(&self, place: &Place) -> Outcome<()> {
        Ok(std::fs::write(place.meta("BISECT_TERMS"), format!("{}\n{}\n", self.bad, self.good))?)
    }
}

/// How a step ended.
enum Step {
    /// More is known, or more must be said.
    Open,
    Found,
    OnlySkipped,
}

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    place.root()?;
    let Some((name, rest)) = words.split_first() else {
        return Err(plain(129, format!("fatal: need a command\n\n{USAGE}")));
    };
    match name.as_str() {
        "start" => return start(place, rest),
        "reset" => return reset(place, rest),
        "log" => return log(place),
        "replay" => return replay(place, rest),
        "-h" | "--help" => return Err(plain(129, USAGE)),
        _ => {}
    }
    if !place.meta("BISECT_START").exists() {
        if name == "run" {
            return Ok(1);
        }
        return Err(not_started());
    }
    match name.as_str() {
        "terms" => terms(place, rest),
        "skip" => skip(place, rest),
        "next" => next(place).map(|_| 0),
        "run" => run_command(place, rest),
        "visualize" | "view" => crate::log::command::run(place, &["--bisect".to_owned()]),
        word => state(place, word, rest),
    }
}

fn not_started() -> Fail {
    plain(1, "You need to start by \"git bisect start\"\n")
}

/// Appends to the log.
fn record(place: &Place, text: &str) -> Outcome<()> {
    use std::io::Write as _;
    let file = place.meta("BISECT_LOG");
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn title(place: &Place, id: Oid) -> String {
    let Ok(commit) = place.repo.find_commit(id) else { return String::new() };
    lossy(&subject(commit.message_bytes())).into_owned()
}

fn commit(place: &Place, name: &str) -> Option<Oid> {
    Some(rev::single(place, name)?.peel_to_commit().ok()?.id())
}

fn quoted(words: &[String]) -> String {
    let quote = |word: &String| format!(" '{}'", word.replace('\'', "'\\''"));
    words.iter().map(quote).collect()
}

fn start(place: &Place, words: &[String]) -> Outcome {
    let mut terms = Terms { bad: "bad".to_owned(), good: "good".to_owned() };
    let (mut revisions, mut paths) = (vec![], vec![]);
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        match name {
            "--" => paths.extend(rest.by_ref().cloned()),
            "--no-checkout" | "--first-parent" => {
                return Err(crate::fail::refuse(format!("bisect {name}")));
            }
            "--term-good" | "--term-old" => {
                terms.good = attached.or_else(|| rest.next().cloned()).unwrap_or_default();
            }
            "--term-bad" | "--term-new" => {
                terms.bad = attached.or_else(|| rest.next().cloned()).unwrap_or_default();
            }
            _ if name.starts_with("--") => {
                return Err(plain(1, format!("error: unrecognized option: '{word}'")));
            }
            _ => match commit(place, word) {
                Some(id) if paths.is_empty() => revisions.push(id),
                _ if words.iter().any(|it| it == "--") => {
                    return Err(fatal(format!("'{word}' does not appear to be a valid revision")));
                }
                _ => paths.push(word.clone()),
            },
        }
    }
    let head = place.head_ref().map_or_else(
        || place.head_id().map(|id| id.to_string()).unwrap_or_default(),
        |name| refs::shortened(&name).to_owned(),
    );
    if place.meta("BISECT_START").exists() {
        let started = std::fs::read_to_string(place.meta("BISECT_START")).unwrap_or_default();
        let words = ["-q".to_owned(), started.trim().to_owned()];
        checkout::checkout(place, &words)?;
        forget(place)?;
        std::fs::write(place.meta("BISECT_START"), started)?;
    } else {
        std::fs::write(place.meta("BISECT_START"), format!("{head}\n"))?;
    }
    std::fs::write(place.meta("BISECT_NAMES"), quoted(&paths) + "\n")?;
    terms.write(place)?;
    std::fs::write(place.meta("BISECT_LOG"), "")?;
    for (at, id) in revisions.iter().enumerate() {
        let name = if at == 0 { &terms.bad } else { &terms.good };
        mark(place, &terms, name, *id, false)?;
    }
    record(place, &format!("git bisect start{}\n", quoted(words)))?;
    next(place).map(|_| 0)
}

/// Notes what a commit is.
fn mark(place: &Place, terms: &Terms, name: &str, id: Oid, is_said: bool) -> Outcome<()> {
    let reference = match name {
        name if name == terms.bad => format!("refs/bisect/{name}"),
        name => format!("refs/bisect/{name}-{id}"),
    };
    drop(place.repo.reference(&reference, id, true, "bisect")?);
    record(place, &format!("# {name}: [{id}] {}\n", title(place, id)))?;
    if is_said {
        record(place, &format!("git bisect {name} {id}\n"))?;
    }
    Ok(())
}

fn state(place: &Place, word: &str, words: &[String]) -> Outcome {
    let terms = Terms::read(place);
    let has_marks = !marks(place, &terms)?.is_empty();
    let terms = match word {
        "new" | "old" if terms.bad == "bad" && !has_marks => {
            let terms = Terms { bad: "new".to_owned(), good: "old".to_owned() };
            terms.write(place)?;
            terms
        }
        _ => terms,
    };
    if word != terms.bad && word != terms.good {
        let known = ["good", "bad", "new", "old"].contains(&word);
        let why = if known {
            format!(
                "error: Invalid command: you're currently in a {}/{} bisect\n",
                terms.bad, terms.good
            )
        } else {
            String::new()
        };
        return Err(plain(
            if known { 1 } else { 129 },
            format!("{why}fatal: unknown command: '{word}'\n\n{USAGE}"),
        ));
    }
    let mut ids = vec![];
    if words.is_empty() {
        ids.push(place.head_id().ok_or_else(|| plain(1, "error: Bad rev input: HEAD"))?);
    }
    for name in words {
        let id = commit(place, name);
        ids.push(id.ok_or_else(|| plain(1, format!("error: Bad rev input: {name}")))?);
    }
    if word == terms.bad && ids.len() > 1 {
        return Err(plain(1, format!("error: 'git bisect {word}' can take only one argument.")));
    }
    for id in ids {
        mark(place, &terms, word, id, true)?;
    }
    next(place).map(|_| 0)
}

fn skip(place: &Place, words: &[String]) -> Outcome {
    let terms = Terms::read(place);
    let mut ids = vec![];
    if words.is_empty() {
        ids.extend(place.head_id());
    }
    for name in words {
        if let Some((from, to)) = name.split_once("..") {
            let (from, to) =
                (commit(place, from), commit(place, if to.is_empty() { "HEAD" } else { to }));
            let to = to.ok_or_else(|| plain(1, format!("error: Bad rev input: {name}")))?;
            ids.extend(super::replay::commits(place, from, to)?);
            continue;
        }
        let id = commit(place, name);
        ids.push(id.ok_or_else(|| plain(1, format!("error: Bad rev input: {name}")))?);
    }
    for id in ids {
        mark(place, &terms, "skip", id, true)?;
    }
    match next(place)? {
        Step::OnlySkipped => Ok(2),
        _ => Ok(0),
    }
}

fn terms(place: &Place, words: &[String]) -> Outcome {
    let terms = Terms::read(place);
    match words.first().map(String::as_str) {
        None => outln!(
            "Your current terms are {} for the old state\nand {} for the new state.",
            terms.good,
            terms.bad
        ),
        Some("--term-good" | "--term-old") => outln!("{}", terms.good),
        Some("--term-bad" | "--term-new") => outln!("{}", terms.bad),
        Some(other) => {
            return Err(plain(
                1,
                format!(
                    "error: invalid argument {other} for 'git bisect terms'.\nSupported options are: --term-good|--term-old and --term-bad|--term-new."
                ),
            ));
        }
    }
    Ok(0)
}

fn log(place: &Place) -> Outcome {
    match std::fs::read(place.meta("BISECT_LOG")) {
        Ok(text) if !text.is_empty() => {
            out::bytes(&text);
            Ok(0)
        }
        _ => Err(plain(1, "error: We are not bisecting.")),
    }
}

fn replay(place: &Place, words: &[String]) -> Outcome {
    let file = words.first().ok_or_else(|| plain(1, "error: no logfile given"))?;
    let text = std::fs::read_to_string(file)
        .map_err(|_| plain(1, format!("error: cannot read file '{file}' for replaying")))?;
    if place.meta("BISECT_START").exists() {
        reset(place, &[])?;
    }
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("git bisect ") else { continue };
        let words: Vec<String> =
            rest.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect();
        let (said, _) = out::capture(|| run(place, &words));
        said?;
    }
    next(place).map(|_| 0)
}

/// Goes back to where it began.
fn reset(place: &Place, words: &[String]) -> Outcome {
    let target = match words.first() {
        Some(name) => {
            if commit(place, name).is_none() {
                return Err(plain(1, format!("error: '{name}' is not a valid commit")));
            }
            name.clone()
        }
        None => match std::fs::read_to_string(place.meta("BISECT_START")) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => {
                outln!("We are not bisecting.");
                return Ok(0);
            }
        },
    };
    let code = checkout::checkout(place, &[target])?;
    forget(place)?;
    Ok(code)
}

fn forget(place: &Place) -> Outcome<()> {
    for (name, _) in refs::all(place)? {
        if name.starts_with("refs/bisect/") {
            place.repo.find_reference(&name)?.delete()?;
        }
    }
    for name in ["START", "LOG", "NAMES", "EXPECTED_REV", "ANCESTORS_OK", "RUN"] {
        // Some are not there.
        drop(std::fs::remove_file(place.meta(&format!("BISECT_{name}"))));
    }
    Ok(())
}

/// All that was said: a name and its commit.
fn marks(place: &Place, terms: &Terms) -> Outcome<Vec<(String, Oid)>> {
    let mut found = vec![];
    for (name, id) in refs::all(place)? {
        let Some(name) = name.strip_prefix("refs/bisect/") else { continue };
        let kinds = [&terms.bad, &terms.good, &"skip".to_owned()];
        let kind = kinds.into_iter().find(|kind| {
            name == kind.as_str()
                || name.strip_prefix(kind.as_str()).is_some_and(|it| it.starts_with('-'))
        });
        found.extend(kind.map(|kind| (kind.clone(), id)));
    }
    Ok(found)
}

/// Goes to the commit that halves what is left, or says what is missing or found.
fn next(place: &Place) -> Outcome<Step> {
    let terms = Terms::read(place);
    let marks = marks(place, &terms)?;
    let of = |name: &str| -> Vec<Oid> {
        marks.iter().filter(|(kind, _)| kind == name).map(|(_, id)| *id).collect()
    };
    let (bad, good, skipped) = (of(&terms.bad), of(&terms.good), of("skip"));
    let missing = match (bad.is_empty(), good.len()) {
        (true, 0) => "waiting for both good and bad commits".to_owned(),
        (true, 1) => "waiting for bad commit, 1 good commit known".to_owned(),
        (true, n) => format!("waiting for bad commit, {n} good commits known"),
        (false, 0) => "waiting for good commit(s), bad commit known".to_owned(),
        _ => String::new(),
    };
    if !missing.is_empty() {
        record(place, &format!("# status: {missing}\n"))?;
        outln!("status: {missing}");
        return Ok(Step::Open);
    }
    let bad = bad[0];
    if let Some(base) = untested_base(place, bad, &good, &skipped)? {
        outln!("Bisecting: a merge base must be tested");
        go_to(place, base)?;
        return Ok(Step::Open);
    }
    let names = std::fs::read_to_string(place.meta("BISECT_NAMES")).unwrap_or_default();
    let paths: Vec<String> =
        names.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect();
    let found = halves(place, bad, &good, &paths, &skipped)?;
    let Some(chosen) = found.chosen else {
        return only_skipped(place, bad, &found.tried);
    };
    if chosen == bad {
        if !found.tried.is_empty() {
            return only_skipped(place, bad, &found.tried);
        }
        outln!("{bad} is the first {} commit", terms.bad);
        let words = ["--stat", "--summary", "--no-abbrev-commit", &bad.to_string()];
        crate::log::show::run(place, &words.map(str::to_owned))?;
        record(place, &format!("# first {} commit: [{bad}] {}\n", terms.bad, title(place, bad)))?;
        return Ok(Step::Found);
    }
    let n_left = found.n_all - found.n_reached - 1;
    let n_steps = steps(found.n_all);
    let plural = |n: usize, word: &str| if n == 1 { word.to_owned() } else { format!("{word}s") };
    outln!(
        "Bisecting: {n_left} {} left to test after this (roughly {n_steps} {})",
        plural(n_left, "revision"),
        plural(n_steps, "step")
    );
    go_to(place, chosen)?;
    Ok(Step::Open)
}

fn only_skipped(place: &Place, bad: Oid, tried: &[Oid]) -> Outcome<Step> {
    outln!("There are only 'skip'ped commits left to test.\nThe first bad commit could be any of:");
    for id in tried {
        outln!("{id}");
    }
    outln!("{bad}\nWe cannot bisect more!");
    let _: &Place = place;
    Ok(Step::OnlySkipped)
}

fn go_to(place: &Place, id: Oid) -> Outcome<()> {
    std::fs::write(place.meta("BISECT_EXPECTED_REV"), format!("{id}\n"))?;
    checkout::checkout(place, &["-q".to_owned(), id.to_string()])?;
    outln!("[{id}] {}", title(place, id));
    Ok(())
}

/// Where good and bad commits parted, if that was not looked at yet.
fn untested_base(place: &Place, bad: Oid, good: &[Oid], skipped: &[Oid]) -> Outcome<Option<Oid>> {
    let is_before = |id: Oid| id == bad || place.repo.graph_descendant_of(bad, id).unwrap_or(false);
    for id in good.iter().filter(|id| !is_before(**id)) {
        let bases = place.repo.merge_bases(bad, *id);
        for base in bases.map(|bases| bases.iter().copied().collect::<Vec<_>>()).unwrap_or_default()
        {
            if base == bad {
                return Err(plain(
                    1,
                    "Some good revs are not ancestors of the bad rev.\n\
                     git bisect cannot work properly in this case.\n\
                     Maybe you mistook good and bad revs?",
                ));
            }
            if !good.contains(&base) && !skipped.contains(&base) {
                return Ok(Some(base));
            }
        }
    }
    Ok(None)
}

/// `bisect run`: a command says what each commit is.
fn run_command(place: &Place, words: &[String]) -> Outcome {
    let Some((program, rest)) = words.split_first() else {
        return Err(plain(1, "error: 'git bisect run' failed: no command provided."));
    };
    let terms = Terms::read(place);
    if !marks(place, &terms)?.iter().any(|(kind, _)| *kind == terms.bad) {
        return Err(plain(1, "error: bisect run cannot continue any more"));
    }
    let command = quoted(words);
    let _: (&String, &[String]) = (program, rest);
    loop {
        outln!("running{command}");
        let code = programs::shell(Some(place), command.trim_start(), &[], &[])?;
        if !(0..128).contains(&code) {
            note(format!(
                "error: bisect run failed: exit code {code} from{command} is < 0 or >= 128"
            ));
            return Ok(code);
        }
        let name = match code {
            125 => "skip",
            0 => terms.good.as_str(),
            _ => terms.bad.as_str(),
        };
        let id = place.head_id().ok_or_else(|| fatal("no HEAD"))?;
        mark(place, &terms, name, id, true)?;
        match next(place)? {
            Step::Found => {
                outln!("bisect found first {} commit", terms.bad);
                return Ok(0);
            }
            Step::OnlySkipped => {
                out::flush();
                note("error: bisect run cannot continue any more");
                return Ok(2);
            }
            Step::Open => {}
        }
    }
}
