//! The list of what a rebase does.

use git2::{Commit, Oid};

use super::rebase::FOLDER;
use crate::fail::Outcome;
use crate::log::pretty::subject;
use crate::place::Place;
use crate::quote::lossy;
use crate::rev;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Pick,
    Reword,
    Edit,
    Squash,
    Fixup,
    Drop,
    Exec,
    Break,
    Noop,
    Comment,
}

const VERBS: [(Verb, &str, &str); 9] = [
    (Verb::Pick, "pick", "p"),
    (Verb::Reword, "reword", "r"),
    (Verb::Edit, "edit", "e"),
    (Verb::Squash, "squash", "s"),
    (Verb::Fixup, "fixup", "f"),
    (Verb::Drop, "drop", "d"),
    (Verb::Exec, "exec", "x"),
    (Verb::Break, "break", "b"),
    (Verb::Noop, "noop", "noop"),
];

impl Verb {
    /// Whether it adds to the commit before.
    pub(crate) fn joins(self) -> bool {
        matches!(self, Self::Squash | Self::Fixup)
    }

    fn name(self) -> &'static str {
        VERBS.iter().find(|(verb, ..)| *verb == self).map_or("#", |(_, name, _)| name)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) verb: Verb,
    pub(crate) id: Option<Oid>,
    /// The subject, or the command.
    pub(crate) rest: String,
}

impl Line {
    pub(crate) fn pick(place: &Place, commit: &Commit<'_>) -> Self {
        let _: &Place = place;
        let rest = lossy(&subject(commit.message_bytes())).into_owned();
        Self { verb: Verb::Pick, id: Some(commit.id()), rest }
    }

    /// As it is shown, with a short id, or as it is kept, with a whole one.
    pub(crate) fn text(&self, short: impl Fn(Oid) -> String) -> String {
        let name = self.verb.name();
        match (self.verb, self.id) {
            (_, Some(id)) => format!("{name} {} {}", short(id), self.rest),
            (Verb::Exec, None) => format!("{name} {}", self.rest),
            _ => name.to_owned(),
        }
    }
}

/// What is done and what is left.
#[derive(Debug)]
pub(crate) struct Todo {
    lines: Vec<Line>,
    n_done: usize,
}

impl Todo {
    pub(crate) fn new(lines: Vec<Line>) -> Self {
        Self { lines, n_done: 0 }
    }

    pub(crate) fn read(place: &Place) -> Outcome<Self> {
        let read = |name: &str| {
            let text = std::fs::read_to_string(place.meta(FOLDER).join(name)).unwrap_or_default();
            parse(place, &text).map_err(|text| crate::fail::plain(1, text))
        };
        let mut lines = read("done")?;
        let n_done = lines.len();
        lines.extend(read("git-rebase-todo")?);
        Ok(Self { lines, n_done })
    }

    pub(crate) fn write(&self, place: &Place) -> Outcome<()> {
        let text = |lines: &[Line]| -> String {
            lines.iter().map(|line| line.text(|id| id.to_string()) + "\n").collect()
        };
        let folder = place.meta(FOLDER);
        let (done, rest) = self.lines.split_at(self.n_done);
        std::fs::write(folder.join("done"), text(done))?;
        std::fs::write(folder.join("git-rebase-todo"), text(rest))?;
        std::fs::write(folder.join("msgnum"), format!("{}\n", self.n_done))?;
        std::fs::write(folder.join("end"), format!("{}\n", self.lines.len()))?;
        Ok(())
    }

    pub(crate) fn take(&mut self) -> Option<Line> {
        let line = self.lines.get(self.n_done)?.clone();
        self.n_done += 1;
        Some(line)
    }

    pub(crate) fn next_line(&self) -> Option<&Line> {
        self.lines.get(self.n_done)
    }

    pub(crate) fn last_done(&self) -> Option<Line> {
        self.lines.get(self.n_done.checked_sub(1)?).cloned()
    }

    pub(crate) fn done(&self) -> &[Line] {
        &self.lines[..self.n_done]
    }

    pub(crate) fn rest(&self) -> &[Line] {
        &self.lines[self.n_done..]
    }

    pub(crate) fn replace_rest(&mut self, lines: Vec<Line>) {
        self.lines.truncate(self.n_done);
        self.lines.extend(lines);
    }

    pub(crate) fn n_done(&self) -> usize {
        self.n_done
    }

    pub(crate) fn n_all(&self) -> usize {
        self.lines.len()
    }
}

/// Reads a list; what is wrong is told as git tells it.
pub(crate) fn parse(place: &Place, text: &str) -> Result<Vec<Line>, String> {
    let mut lines = vec![];
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: String| {
            format!(
                "{why}error: invalid line {}: {line}\n\
                 You can fix this with 'git rebase --edit-todo' and then run 'git rebase --continue'.\n\
                 Or you can abort the rebase with 'git rebase --abort'.",
                at + 1
            )
        };
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let verb = VERBS.iter().find(|(_, name, letter)| *name == word || *letter == word);
        let Some((verb, ..)) = verb else {
            return Err(wrong(format!("error: invalid command '{word}'\n")));
        };
        let rest = rest.trim_start();
        if matches!(verb, Verb::Exec | Verb::Break | Verb::Noop) {
            lines.push(Line { verb: *verb, id: None, rest: rest.to_owned() });
            continue;
        }
        let (name, title) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if name.starts_with('-') {
            return Err(wrong(format!(
                "error: {word} {name} is not supported by the git of this sandbox\n"
            )));
        }
        let commit = rev::single(place, name).and_then(|object| object.peel_to_commit().ok());
        let Some(commit) = commit else {
            return Err(wrong(format!("error: could not parse '{name}'\n")));
        };
        if verb.joins() && lines.iter().all(|line: &Line| line.id.is_none()) {
            return Err(format!("error: cannot '{}' without a previous commit", verb.name()));
        }
        lines.push(Line {
            verb: *verb,
            id: Some(commit.id()),
            rest: title.trim_start().to_owned(),
        });
    }
    Ok(lines)
}

/// The list as an editor gets it.
pub(crate) fn for_editor(
    place: &Place,
    lines: &[Line],
    from: &str,
    to: &str,
    onto: &str,
) -> String {
    let mut text: String =
        lines.iter().map(|line| line.text(|id| place.short(id)) + "\n").collect();
    if lines.is_empty() {
        text += "noop\n";
    }
    let n = lines.len();
    let commands = if n == 1 { "command" } else { "commands" };
    text += &format!("\n# Rebase {from}{to} onto {onto} ({n} {commands})\n#\n# Commands:\n");
    for (verb, name, letter) in VERBS {
        let operand = match verb {
            Verb::Exec => " <command>",
            Verb::Break | Verb::Noop => "",
            _ => " <commit>",
        };
        text += &format!("# {letter}, {name}{operand}\n");
    }
    text + "#\n# Lines are done from top to bottom; a commit whose line is removed is lost.\n"
}

/// Puts `fixup!` and `squash!` commits behind those that they are for.
pub(crate) fn autosquash(place: &Place, lines: Vec<Line>) -> Vec<Line> {
    let mut out: Vec<Line> = vec![];
    for mut line in lines {
        let title = line.rest.clone();
        let mut wanted = title.as_str();
        let mut verb = None;
        while let Some((kind, rest)) = ["fixup! ", "squash! "]
            .iter()
            .find_map(|kind| wanted.strip_prefix(kind).map(|rest| (*kind, rest)))
        {
            verb.get_or_insert(if kind == "fixup! " { Verb::Fixup } else { Verb::Squash });
            wanted = rest.trim_start();
        }
        let Some(verb) = verb else {
            out.push(line);
            continue;
        };
        let is_target = |other: &Line| {
            let by_id = || {
                other.id.is_some_and(|id| wanted.len() >= 4 && id.to_string().starts_with(wanted))
            };
            !other.verb.joins()
                && (other.rest == wanted || other.rest.starts_with(wanted) || by_id())
        };
        let exact = out.iter().position(|other| !other.verb.joins() && other.rest == wanted);
        match exact.or_else(|| out.iter().position(is_target)) {
            Some(mut at) => {
                line.verb = verb;
                while out.get(at + 1).is_some_and(|next| next.verb.joins()) {
                    at += 1;
                }
                out.insert(at + 1, line);
            }
            None => out.push(line),
        }
    }
    let _: &Place = place;
    out
}

/// Runs a command behind each commit, those that are joined being one.
pub(crate) fn with_exec(lines: Vec<Line>, command: &str) -> Vec<Line> {
    let mut out = vec![];
    let mut rest = lines.into_iter().peekable();
    while let Some(line) = rest.next() {
        let is_commit = line.id.is_some() && line.verb != Verb::Drop;
        out.push(line);
        if is_commit && !rest.peek().is_some_and(|next| next.verb.joins()) {
            out.push(Line { verb: Verb::Exec, id: None, rest: command.to_owned() });
        }
    }
    out
}
