//! `git commit`.

use git2::{Commit, Oid, Signature, Tree};

use super::message::{self, Cleanup};
use crate::args::{self, Opt, Words, flag, maybe, value};
use crate::date;
use crate::diff::{Diff, Formats, collect};
use crate::fail::{Outcome, fatal, plain, quiet, refuse};
use crate::ident;
use crate::out::{self, outln};
use crate::pathspec::Pathspec;
use crate::place::Place;
use crate::programs;
use crate::quote::lossy;
use crate::refs;
use crate::stage::{self, Stage};
use crate::status::{self, Report};

const USAGE: &str = "git commit [-a | --interactive | --patch] [-s] [-v] [-u[<mode>]] [--amend]\n                  \
[--dry-run] [(-c | -C | --squash) <commit> | --fixup [(amend|reword):]<commit>]\n                  \
[-F <file> | -m <msg>] [--reset-author] [--allow-empty]\n                  \
[--allow-empty-message] [--no-verify] [-e] [--author=<author>]\n                  \
[--date=<date>] [--cleanup=<mode>] [--[no-]status]\n                  \
[-i | -o] [--] [<pathspec>...]";
const TABLE: &[Opt] = &[
    flag('q', "quiet"),
    flag('v', "verbose"),
    value('F', "file"),
    value(' ', "author"),
    value(' ', "date"),
    value('m', "message"),
    value('c', "reedit-message"),
    value('C', "reuse-message"),
    value(' ', "fixup"),
    value(' ', "squash"),
    flag(' ', "reset-author"),
    value(' ', "trailer"),
    flag('s', "signoff"),
    value('t', "template"),
    flag('e', "edit"),
    value(' ', "cleanup"),
    flag(' ', "status"),
    maybe('S', "gpg-sign"),
    flag('a', "all"),
    flag('i', "include"),
    flag(' ', "interactive"),
    flag('p', "patch"),
    flag('o', "only"),
    flag('n', "no-verify"),
    flag(' ', "verify"),
    flag(' ', "dry-run"),
    flag(' ', "short"),
    flag(' ', "branch"),
    flag(' ', "porcelain"),
    flag(' ', "long"),
    flag('z', "null"),
    flag(' ', "amend"),
    flag(' ', "no-post-rewrite"),
    maybe('u', "untracked-files"),
    flag(' ', "allow-empty"),
    flag(' ', "allow-empty-message"),
    value(' ', "pathspec-from-file"),
];

pub(crate) fn run(place: &Place, words: &[String]) -> Outcome {
    let words = args::parse(USAGE, TABLE, words)?;
    check(&words)?;
    place.root()?;
    let mut commit = Committing::new(place, &words)?;
    commit.stage_wanted()?;
    commit.run()
}

fn check(words: &Words) -> Outcome<()> {
    if words.has("patch") || words.has("interactive") {
        return Err(refuse("interactive `git commit -p`"));
    }
    if words.has("gpg-sign") {
        return Err(refuse("signing commits"));
    }
    if words.has("all") && !words.operands.is_empty() {
        return Err(fatal(format!(
            "paths '{} ...' with -a does not make sense",
            words.operands[0]
        )));
    }
    let sources = ["file", "reuse-message", "reedit-message"]
        .iter()
        .filter(|name| words.value(name).is_some())
        .count();
    if sources > 1 || (sources > 0 && words.value("message").is_some()) {
        return Err(fatal("options '-m' and '-F' cannot be used together"));
    }
    Ok(())
}

struct Committing<'a> {
    place: &'a Place,
    words: &'a Words,
    stage: Stage,
    /// What is committed, if it is not all that is staged.
    apart: Option<Stage>,
    head: Option<Commit<'a>>,
    amend: bool,
}

impl<'a> Committing<'a> {
    fn new(place: &'a Place, words: &'a Words) -> Outcome<Self> {
        let head = place.head();
        let amend = words.has("amend");
        if amend && head.is_none() {
            return Err(fatal("You have nothing to amend."));
        }
        if amend && place.meta("MERGE_HEAD").exists() {
            return Err(fatal("You are in the middle of a merge -- cannot amend."));
        }
        Ok(Self { place, words, stage: Stage::open(place)?, apart: None, head, amend })
    }

    /// `-a`, and paths.
    fn stage_wanted(&mut self) -> Outcome<()> {
        if self.words.has("all") {
            super::add::update_known(self.place, &mut self.stage, &Pathspec::default())?;
        } else if !self.words.operands.is_empty() {
            let paths = Pathspec::new(self.place, &self.words.operands)?;
            self.stage_paths(&paths)?;
        }
        if self.stage.has_conflicts() {
            return Err(self.unmerged());
        }
        Ok(())
    }

    fn unmerged(&self) -> crate::fail::Fail {
        let mut last = vec![];
        for entry in self.stage.entries() {
            if stage::stage(&entry) > 0 && entry.path != last {
                outln!("U\t{}", lossy(&entry.path));
                last = entry.path;
            }
        }
        plain(
            128,
            "error: Committing is not possible because you have unmerged files.\n\
             hint: Fix them up in the work tree, and then use 'git add/rm <file>'\n\
             hint: as appropriate to mark resolution and make a commit.\n\
             fatal: Exiting because of an unresolved conflict.",
        )
    }

    /// Only the named files, as they are now, on top of the last commit.
    fn stage_paths(&mut self, paths: &Pathspec) -> Outcome<()> {
        let entries = self.stage.entries();
        let tree = self.place.head_tree();
        let old = crate::tree::flatten(self.place, tree.as_ref())?;
        let known = entries
            .iter()
            .map(|e| e.path.as_slice())
            .chain(old.iter().map(|item| item.path.as_slice()));
        if let Some(item) = paths.unmatched(known) {
            return Err(crate::fail::error(format!(
                "pathspec '{}' did not match any file(s) known to git",
                item.word
            )));
        }
        if self.place.meta("MERGE_HEAD").exists() && !self.words.has("include") {
            return Err(fatal("cannot do a partial commit during a merge."));
        }
        super::add::update_known(self.place, &mut self.stage, paths)?;
        if self.words.has("include") {
            return Ok(());
        }
        let mut apart = Stage::open(self.place)?;
        apart.read_tree(self.place, tree.as_ref())?;
        for item in old.iter().filter(|item| paths.fits(&item.path)) {
            apart.remove(&item.path);
        }
        for entry in
            self.stage.entries().iter().filter(|e| paths.fits(&e.path) && !stage::is_announced(e))
        {
            apart.put(entry)?;
        }
        self.apart = Some(apart);
        Ok(())
    }

    fn run(&mut self) -> Outcome {
        let runs_hooks = !self.words.has("no-verify")
            && !self.words.given.iter().any(|given| given.name == "verify" && given.no)
            && !self.words.has("dry-run");
        if runs_hooks && has_hook(self.place, "pre-commit") {
            self.stage.write()?;
            if !programs::hook(self.place, "pre-commit", &[])? {
                return Err(quiet(1));
            }
            self.stage = Stage::open(self.place)?;
        }
        let tree_id = match &mut self.apart {
            Some(apart) => apart.write_tree(self.place)?,
            None => self.stage.write_tree(self.place)?,
        };
        if self.words.has("dry-run")
            || ["short", "porcelain", "long"].iter().any(|name| self.words.has(name))
        {
            return self.dry_run();
        }
        let parents = self.parents()?;
        let before = match (self.amend, &self.head) {
            (true, Some(head)) => head.parents().next().map(|parent| parent.tree_id()),
            (_, head) => head.as_ref().map(Commit::tree_id),
        };
        let empty = match before {
            Some(before) => before == tree_id,
            None => self.place.repo.find_tree(tree_id)?.is_empty(),
        };
        let picking = self.place.meta("CHERRY_PICK_HEAD").exists();
        if empty && parents.len() < 2 && !self.words.has("allow-empty") {
            return self.nothing(picking);
        }
        let mut message = self.message()?;
        if runs_hooks {
            message = self.checked_by_hooks(message)?;
        }
        if message.trim().is_empty() && !self.words.has("allow-empty-message") {
            return Err(plain(1, "Aborting commit due to empty commit message."));
        }
        let (author, dated) = self.author()?;
        let committer = ident::signature(self.place, "COMMITTER")?;
        let tree = self.place.repo.find_tree(tree_id)?;
        let parents: Vec<&Commit<'_>> = parents.iter().collect();
        let id = self.place.repo.commit(None, &author, &committer, &message, &tree, &parents)?;
        self.stage.write()?;
        let kind = match (self.amend, parents.len()) {
            (true, _) => "commit (amend)",
            (_, 0) => "commit (initial)",
            (_, 1) if picking => "commit (cherry-pick)",
            (_, 1) => "commit",
            _ => "commit (merge)",
        };
        refs::move_head(
            self.place,
            id,
            &format!("{kind}: {}", message.lines().next().unwrap_or_default()),
        )?;
        clear_state(self.place);
        // What it says changes nothing any more.
        drop(programs::hook(self.place, "post-commit", &[]));
        if !self.words.has("quiet") {
            report(self.place, id, dated, parents.is_empty() && !self.amend)?;
        }
        Ok(0)
    }

    /// The message as `prepare-commit-msg` and `commit-msg` leave it.
    fn checked_by_hooks(&self, message: String) -> Outcome<String> {
        let hooks = ["prepare-commit-msg", "commit-msg"];
        if !hooks.iter().any(|name| has_hook(self.place, name)) {
            return Ok(message);
        }
        let file = self.place.meta("COMMIT_EDITMSG");
        std::fs::write(&file, &message)?;
        let root = self.place.root()?;
        let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let given = ["message", "file"].iter().any(|name| self.words.value(name).is_some());
        let mut words = vec![shown.clone()];
        if given {
            words.push("message".to_owned());
        }
        if !programs::hook(self.place, hooks[0], &words)?
            || !programs::hook(self.place, hooks[1], &[shown])?
        {
            return Err(quiet(1));
        }
        Ok(message::tidy(&lossy(&std::fs::read(&file)?), Cleanup::Whitespace))
    }

    fn parents(&self) -> Outcome<Vec<Commit<'a>>> {
        if self.amend {
            return Ok(self.head.as_ref().map(|head| head.parents().collect()).unwrap_or_default());
        }
        let mut parents: Vec<Commit<'a>> = self.head.iter().cloned().collect();
        if let Ok(text) = std::fs::read_to_string(self.place.meta("MERGE_HEAD")) {
            for line in text.lines() {
                parents.push(self.place.repo.find_commit(Oid::from_str(line.trim())?)?);
            }
        }
        Ok(parents)
    }

    fn dry_run(&self) -> Outcome {
        let mut request = status::Request::usual(self.place);
        if self.words.has("short") {
            request.format = status::Format::Short;
        } else if self.words.has("porcelain") {
            request.format = status::Format::Porcelain;
        }
        let report = Report::make(self.place, request)?;
        report.print();
        Ok(i32::from(!report.is_committable()))
    }

    /// Nothing would change: the status says why.
    fn nothing(&mut self, picking: bool) -> Outcome {
        if self.amend {
            out::note(
                "You asked to amend the most recent commit, but doing so would make\n\
                 it empty. You can repeat your command with --allow-empty, or you can\n\
                 remove the commit entirely with \"git reset HEAD^\".",
            );
        }
        let mut request = status::Request::usual(self.place);
        if let Some(given) = self.words.given.iter().rev().find(|g| g.name == "untracked-files") {
            request.untracked = status::untracked_mode(given.value.as_deref())?;
        }
        request.amend = self.amend;
        let report = Report::make(self.place, request)?;
        report.print();
        if picking {
            out::note(
                "The previous cherry-pick is now empty, possibly due to conflict resolution.",
            );
        }
        Err(quiet(1))
    }

    fn message(&self) -> Outcome<String> {
        let words = self.words;
        let given = message::paragraphs(words.values("message"));
        let mut edited = false;
        let text = if let Some(name) = words.value("fixup") {
            self.fixup(name, given)?
        } else if let Some(name) = words.value("squash") {
            let subject = self.subject(name)?;
            format!("squash! {subject}\n\n{}", given.unwrap_or_default())
        } else if let Some(text) = given {
            text
        } else if let Some(file) = words.value("file") {
            message::read(file)?
        } else if let Some(name) =
            words.value("reuse-message").or_else(|| words.value("reedit-message"))
        {
            lossy(self.place.commit(name)?.message_raw_bytes()).into_owned()
        } else {
            let no_edit =
                self.words.given.iter().rev().find(|g| g.name == "edit").is_some_and(|g| g.no);
            edited = !no_edit;
            self.prepared()?
        };
        let text = if edited { text } else { text.trim_start_matches('\n').to_owned() };
        let how = message::cleanup(words.value("cleanup"), edited)?;
        let mut text = message::tidy(&text, how);
        if words.has("signoff") {
            let (name, email) = ident::who(self.place, "COMMITTER")?;
            text = with_trailer(&text, &format!("Signed-off-by: {name} <{email}>"));
        }
        for trailer in words.values("trailer") {
            let line =
                trailer.split_once(['=', ':']).map(|(k, v)| format!("{}: {}", k.trim(), v.trim()));
            text = with_trailer(&text, &line.unwrap_or_else(|| trailer.to_owned()));
        }
        Ok(if how == Cleanup::Verbatim { text } else { message::tidy(&text, Cleanup::Whitespace) })
    }

    fn subject(&self, name: &str) -> Outcome<String> {
        let commit = self.place.commit(name)?;
        Ok(lossy(commit.summary_bytes().unwrap_or_default()).into_owned())
    }

    fn fixup(&self, name: &str, given: Option<String>) -> Outcome<String> {
        let (kind, name) = match name.split_once(':') {
            Some((kind @ ("amend" | "reword"), name)) => (kind, name),
            _ => ("fixup", name),
        };
        let word = if kind == "fixup" { "fixup!" } else { "amend!" };
        Ok(format!("{word} {}\n\n{}", self.subject(name)?, given.unwrap_or_default()))
    }

    /// A message that is there already: of the commit that is amended, or of a merge.
    fn prepared(&self) -> Outcome<String> {
        let no_edit =
            self.words.given.iter().rev().find(|g| g.name == "edit").is_some_and(|g| g.no);
        let ready = if self.amend {
            self.head.as_ref().map(|head| lossy(head.message_raw_bytes()).into_owned())
        } else {
            ["MERGE_MSG", "SQUASH_MSG"]
                .iter()
                .find_map(|name| std::fs::read_to_string(self.place.meta(name)).ok())
        };
        match ready {
            Some(text) if no_edit => Ok(text),
            ready => message::edited(self.place, &ready.unwrap_or_default()),
        }
    }

    /// The author, and whether a date was given that the report shows.
    fn author(&self) -> Outcome<(Signature<'static>, bool)> {
        let words = self.words;
        let picked = std::fs::read_to_string(self.place.meta("CHERRY_PICK_HEAD")).ok();
        let template = if words.has("reset-author") {
            None
        } else if self.amend {
            self.head.clone()
        } else if let Some(name) =
            words.value("reuse-message").or_else(|| words.value("reedit-message"))
        {
            Some(self.place.commit(name)?)
        } else {
            picked.and_then(|text| self.place.commit(text.trim()).ok())
        };
        let given_author = words.value("author").map(|text| self.parse_author(text)).transpose()?;
        let given_date = words.value("date").map(parse_date).transpose()?;
        let old = template.as_ref().map(|commit| commit.author().to_owned());
        let (name, email) = match (&given_author, &old) {
            (Some(author), _) => author.clone(),
            (None, Some(old)) => {
                (lossy(old.name_bytes()).into_owned(), lossy(old.email_bytes()).into_owned())
            }
            (None, None) => ident::who(self.place, "AUTHOR")?,
        };
        let when = match (given_date, &old) {
            (Some(date), _) => date,
            (None, Some(old)) => old.when(),
            (None, None) => ident::when("AUTHOR")?,
        };
        let dated = given_date.is_some() || old.is_some();
        Ok((Signature::new(&name, &email, &when)?, dated))
    }

    /// `Name <address>`, or a part of the name of an author.
    fn parse_author(&self, text: &str) -> Outcome<(String, String)> {
        if let Some((name, rest)) = text.split_once('<')
            && let Some((email, _)) = rest.split_once('>')
        {
            return Ok((name.trim().to_owned(), email.trim().to_owned()));
        }
        let mut walk = self.place.repo.revwalk()?;
        // Without a commit there is no author to find.
        drop(walk.push_head());
        let found = walk.flatten().find_map(|id| {
            let commit = self.place.repo.find_commit(id).ok()?;
            let author = commit.author();
            let pair =
                (lossy(author.name_bytes()).into_owned(), lossy(author.email_bytes()).into_owned());
            format!("{} <{}>", pair.0, pair.1).contains(text).then_some(pair)
        });
        found.ok_or_else(|| {
            fatal(format!("--author '{text}' is not 'Name <email>' and matches no existing author"))
        })
    }
}

fn parse_date(text: &str) -> Outcome<git2::Time> {
    if let Some(time) = date::parse(text) {
        return Ok(time);
    }
    let seconds =
        date::approximate(text).ok_or_else(|| fatal(format!("invalid date format: {text}")))?;
    Ok(git2::Time::new(seconds, 0))
}

/// Adds a line to the block of such lines at the end.
pub(crate) fn with_trailer(text: &str, line: &str) -> String {
    let text = text.trim_end_matches('\n');
    let last = text.rsplit("\n\n").next().unwrap_or_default();
    let is_trailer = |line: &str| {
        line.split_once(": ").is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    };
    let block = text.contains("\n\n") && last.lines().all(is_trailer);
    if block && last.lines().last() == Some(line) {
        return format!("{text}\n");
    }
    format!("{text}{}{line}\n", if block { "\n" } else { "\n\n" })
}

fn has_hook(place: &Place, name: &str) -> bool {
    place.setting("core.hookspath").is_some() || place.meta("hooks").join(name).exists()
}

/// Forgets a merge or pick that was under way.
pub(crate) fn clear_state(place: &Place) {
    for name in [
        "MERGE_HEAD",
        "MERGE_MSG",
        "MERGE_MODE",
        "CHERRY_PICK_HEAD",
        "REVERT_HEAD",
        "SQUASH_MSG",
        "AUTO_MERGE",
    ] {
        // Most are not there.
        drop(std::fs::remove_file(place.meta(name)));
    }
}

/// What was committed: `[main 1234567] subject` and the numbers.
pub(crate) fn report(place: &Place, id: Oid, dated: bool, first: bool) -> Outcome<()> {
    let commit = place.repo.find_commit(id)?;
    let branch = place.branch().unwrap_or_else(|| "detached HEAD".to_owned());
    let root = if first { " (root-commit)" } else { "" };
    let subject = crate::log::pretty::subject(commit.message_bytes());
    out::bytes(format!("[{branch}{root} {}] ", place.short(id)).as_bytes());
    out::bytes(&subject);
    out::bytes(b"\n");
    let (author, committer) = (commit.author(), commit.committer());
    if (author.name_bytes(), author.email_bytes())
        != (committer.name_bytes(), committer.email_bytes())
    {
        outln!(" Author: {} <{}>", lossy(author.name_bytes()), lossy(author.email_bytes()));
    }
    if dated {
        outln!(" Date: {}", date::show(author.when(), "default").unwrap_or_default());
    }
    if commit.parent_count() > 1 {
        return Ok(());
    }
    let old: Option<Tree<'_>> = commit.parents().next().map(|parent| parent.tree()).transpose()?;
    print_numbers(place, old.as_ref(), &commit.tree()?)
}

/// The numbers and the summary of what changed.
pub(crate) fn print_numbers(place: &Place, old: Option<&Tree<'_>>, new: &Tree<'_>) -> Outcome<()> {
    let formats = Formats { shortstat: true, summary: true, ..Formats::NOTHING };
    let mut options = crate::diff::parse::Reader::new(Some(place)).options;
    options.formats = formats;
    let diff = Diff::new(place, options);
    let pairs = collect::trees(place, old, Some(new), &Pathspec::default())?;
    diff.print(&diff.refine(pairs))?;
    Ok(())
}
