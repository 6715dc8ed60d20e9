//! What differs between the two sides of one action.

use super::{Ending, Observed, State, base::Base, git_state, normal};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// How much of a line is shown.
const SHOWN: usize = 160;

/// In what two sides can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What was written to stdout.
    Stdout,
    /// The exit status.
    Status,
    /// The files afterwards.
    Files,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stdout => "stdout",
            Self::Status => "status",
            Self::Files => "files",
        })
    }
}

/// What differs, with a line for each thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The kinds, without repetition.
    pub kinds: BTreeSet<Kind>,
    /// What is shown.
    pub lines: Vec<String>,
}

impl Difference {
    /// Compares the two sides.
    pub fn between(
        base: &Base,
        native: &Observed,
        sandbox: &Observed,
        starts_python: bool,
    ) -> Self {
        let mut found = Self::default();
        // Where both were ended, how far each of them came is chance.
        if native.ending == sandbox.ending && !matches!(native.ending, Ending::Code(_)) {
            return found;
        }
        if native.ending != sandbox.ending {
            let line = format!("native {:?}, sandbox {:?}", native.ending, sandbox.ending);
            found.add(Kind::Status, &line);
        }
        let shown = |side: &Observed| normal::output(&side.stdout, starts_python).into_owned();
        found.add_stdout(&shown(native), &shown(sandbox));
        found.add_files(base, &native.changed, &sandbox.changed, starts_python);
        let git = |side: &Observed| side.git.clone().unwrap_or_else(|| base.git.clone());
        let (native, sandbox) = (git(native), git(sandbox));
        for (what, text) in &native {
            let other = sandbox.get(what).map_or("", String::as_str);
            found.add_text(Kind::Files, &format!(".git {what}"), text, other);
        }
        found
    }

    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    fn add(&mut self, kind: Kind, line: &str) {
        self.kinds.insert(kind);
        self.lines.push(format!("{kind}: {line}"));
    }

    fn add_stdout(&mut self, native: &str, sandbox: &str) {
        self.add_text(Kind::Stdout, "", native, sandbox);
    }

    /// Adds the first line in which two texts differ.
    fn add_text(&mut self, kind: Kind, what: &str, native: &str, sandbox: &str) {
        if native == sandbox {
            return;
        }
        let n_same = native
            .split('\n')
            .zip(sandbox.split('\n'))
            .take_while(|(native, sandbox)| native == sandbox)
            .count();
        let line = |text: &str| match text.split('\n').nth(n_same) {
            Some(line) => format!("{:?}", line.chars().take(SHOWN).collect::<String>()),
            None => "nothing".to_owned(),
        };
        let (native, sandbox) = (line(native), line(sandbox));
        self.add(kind, &format!("{what} line {}: native {native}, sandbox {sandbox}", n_same + 1));
    }

    fn add_files(
        &mut self,
        base: &Base,
        native: &BTreeMap<String, State>,
        sandbox: &BTreeMap<String, State>,
        starts_python: bool,
    ) {
        let paths: BTreeSet<&String> = native.keys().chain(sandbox.keys()).collect();
        for path in paths.into_iter().filter(|path| !git_state::is_inside(path)) {
            let state = |side: &BTreeMap<String, State>| {
                side.get(path).cloned().unwrap_or(base.state(path))
            };
            self.add_state(path, &state(native), &state(sandbox), starts_python);
        }
    }

    fn add_state(&mut self, path: &str, native: &State, sandbox: &State, by_python: bool) {
        match (native, sandbox) {
            _ if native == sandbox => {}
            (State::File(..), State::File(..)) if normal::is_volatile(path) => {}
            (State::File(native_mode, native), State::File(mode, sandbox)) => {
                if native_mode != mode {
                    let line = format!("{path}: native mode {native_mode:o}, sandbox {mode:o}");
                    self.add(Kind::Files, &line);
                }
                let text = |bytes: &[u8]| {
                    if by_python {
                        // Often it is output that was redirected.
                        normal::output(bytes, true).into_owned()
                    } else {
                        String::from_utf8_lossy(bytes).into_owned()
                    }
                };
                self.add_text(Kind::Files, path, &text(native), &text(sandbox));
            }
            _ => {
                let line = format!("{path}: native {}, sandbox {}", what(native), what(sandbox));
                self.add(Kind::Files, &line);
            }
        }
    }
}

fn what(state: &State) -> String {
    match state {
        State::Absent => "nothing".to_owned(),
        State::Directory(mode) => format!("a directory {mode:o}"),
        State::File(mode, content) => format!("a file {mode:o} of {} bytes", content.len()),
        State::Link(target) => format!("a link to `{target}`"),
        State::Special => "something special".to_owned(),
    }
}
