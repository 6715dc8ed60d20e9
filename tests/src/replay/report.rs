//! What is told about a replay: each difference, what is known, and figures.

use super::{
    Ending, Observed,
    compare::{Difference, Kind},
    corpus::Action,
};
use anyhow::Context as _;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

/// How much of a command is shown.
const SHOWN_COMMAND: usize = 200;
/// How many lines of one difference are shown.
const SHOWN_LINES: usize = 6;
/// How many first words are listed.
const SHOWN_WORDS: usize = 25;

/// The file of known differences.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFile {
    #[serde(default)]
    difference: Vec<Known>,
}

/// Actions that are known to differ, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Found in the command.
    #[serde(with = "as_text")]
    pub command: Regex,
    /// Why they differ.
    pub reason: String,
}

mod as_text {
    use regex::Regex;
    use serde::{Deserialize as _, Deserializer, de::Error as _};

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Regex, D::Error> {
        Regex::new(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Reads a file of known differences.
///
/// # Errors
///
/// Fails if it cannot be read or is not one.
pub fn read_known(file: &Path) -> anyhow::Result<Vec<Known>> {
    let text = fs_err::read_to_string(file)?;
    let known: KnownFile = toml::from_str(&text)
        .with_context(|| format!("failed to read known differences from `{}`", file.display()))?;
    Ok(known.difference)
}

/// One action with both results.
#[derive(Debug)]
pub struct Compared {
    /// The action.
    pub action: Action,
    /// What bash did.
    pub native: Observed,
    /// What the sandbox did.
    pub sandbox: Observed,
    /// What differs.
    pub difference: Difference,
}

/// A difference as it is written to a file.
#[derive(Debug, Serialize)]
struct Written<'a> {
    id: u64,
    task: &'a str,
    command: &'a str,
    starts_python: bool,
    known: Option<&'a str>,
    kinds: &'a BTreeSet<Kind>,
    lines: &'a [String],
    native: Side,
    sandbox: Side,
}

#[derive(Debug, Serialize)]
struct Side {
    ending: String,
    stdout: String,
    stderr: String,
    milliseconds: u128,
}

/// How many actions there were, and how many agreed.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    identical: usize,
    of: usize,
}

impl Count {
    fn add(&mut self, is_identical: bool) {
        self.of += 1;
        self.identical += usize::from(is_identical);
    }

    fn text(self) -> String {
        // The last digit is cut off, so that 100.00% means all.
        let hundredths = (self.identical * 10_000).checked_div(self.of).unwrap_or(10_000);
        let (whole, part) = (hundredths / 100, hundredths % 100);
        format!("identical {} of {} ({whole}.{part:02}%)", self.identical, self.of)
    }
}

/// Collects what is told at the end.
#[derive(Debug)]
pub struct Report {
    known: Vec<Known>,
    all: Count,
    without_python: Count,
    by_word: BTreeMap<String, BTreeMap<Kind, usize>>,
    words: BTreeMap<String, Count>,
    reasons: BTreeMap<String, usize>,
    written: Vec<serde_json::Value>,
    native_ms: u128,
    sandbox_ms: u128,
}

impl Report {
    /// Returns an empty report.
    pub fn new(known: Vec<Known>) -> Self {
        Self {
            known,
            all: Count::default(),
            without_python: Count::default(),
            by_word: BTreeMap::new(),
            words: BTreeMap::new(),
            reasons: BTreeMap::new(),
            written: vec![],
            native_ms: 0,
            sandbox_ms: 0,
        }
    }

    /// Takes one result; returns what is to be shown of it, if it differs.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be written as JSON.
    pub fn take(&mut self, compared: &Compared) -> anyhow::Result<Option<String>> {
        let Compared { action, native, sandbox, difference } = compared;
        let is_identical = difference.is_empty();
        self.all.add(is_identical);
        if !action.starts_python() {
            self.without_python.add(is_identical);
        }
        self.words.entry(action.first_word().to_owned()).or_default().add(is_identical);
        self.native_ms += native.took.as_millis();
        self.sandbox_ms += sandbox.took.as_millis();
        if is_identical {
            return Ok(None);
        }
        let kinds = self.by_word.entry(action.first_word().to_owned()).or_default();
        for kind in &difference.kinds {
            *kinds.entry(*kind).or_default() += 1;
        }
        let known = self.known.iter().find(|known| known.command.is_match(&action.command));
        if let Some(known) = known {
            *self.reasons.entry(known.reason.clone()).or_default() += 1;
        }
        let reason = known.map(|known| known.reason.as_str());
        self.written.push(serde_json::to_value(written(compared, reason))?);
        Ok(Some(shown(compared, reason)))
    }

    /// Writes all differences with both outputs, as JSON.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        Ok(fs_err::write(file, serde_json::to_string_pretty(&self.written)?)?)
    }

    /// Returns the figures; the last line is the overall one.
    pub fn summary(&self) -> String {
        let mut text = String::from("differences by first word:\n");
        let mut words: Vec<_> = self.by_word.iter().collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(self.n_different(word)));
        for (word, kinds) in words.iter().take(SHOWN_WORDS) {
            let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
            let (n, of) =
                (self.n_different(word), self.words.get(*word).map_or(0, |count| count.of));
            let _infallible = writeln!(text, "  {word:24} {n:5} of {of:5}   {}", kinds.join(", "));
        }
        let n_known: usize = self.reasons.values().sum();
        let _infallible = writeln!(text, "known differences: {n_known}");
        for (reason, n) in &self.reasons {
            let _infallible = writeln!(text, "  {n:5}  {reason}");
        }
        let seconds = |ms: u128| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
        let (native, sandbox) = (seconds(self.native_ms), seconds(self.sandbox_ms));
        let _infallible = writeln!(text, "time: native {native}, sandbox {sandbox}");
        let _infallible = writeln!(text, "not starting python: {}", self.without_python.text());
        text + &self.all.text()
    }

    /// Tells whether all actions agreed.
    pub fn is_clean(&self) -> bool {
        self.all.identical == self.all.of
    }

    fn n_different(&self, word: &str) -> usize {
        self.words.get(word).map_or(0, |count| count.of - count.identical)
    }
}

fn written<'a>(compared: &'a Compared, known: Option<&'a str>) -> Written<'a> {
    let side = |observed: &Observed| Side {
        ending: ending(observed.ending),
        stdout: String::from_utf8_lossy(&observed.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&observed.stderr).into_owned(),
        milliseconds: observed.took.as_millis(),
    };
    let Compared { action, native, sandbox, difference } = compared;
    Written {
        id: action.id,
        task: &action.task,
        command: &action.command,
        starts_python: action.starts_python(),
        known,
        kinds: &difference.kinds,
        lines: &difference.lines,
        native: side(native),
        sandbox: side(sandbox),
    }
}

fn shown(compared: &Compared, known: Option<&str>) -> String {
    let Compared { action, sandbox, difference, .. } = compared;
    let mut command: String = action.command.chars().take(SHOWN_COMMAND).collect();
    if command.len() < action.command.len() {
        command.push_str(" ...");
    }
    let mut text =
        format!("==== {} {}: {}\n", action.id, action.task, command.replace('\n', "\n     "));
    for line in difference.lines.iter().take(SHOWN_LINES) {
        let _infallible = writeln!(text, "  {line}");
    }
    if difference.lines.len() > SHOWN_LINES {
        let _infallible = writeln!(text, "  and {} more", difference.lines.len() - SHOWN_LINES);
    }
    if let Some(line) = String::from_utf8_lossy(&sandbox.stderr).lines().last() {
        let line: String = line.chars().take(SHOWN_COMMAND).collect();
        let _infallible = writeln!(text, "  the sandbox says: {line}");
    }
    if let Some(reason) = known {
        let _infallible = writeln!(text, "  known: {reason}");
    }
    text
}

fn ending(ending: Ending) -> String {
    match ending {
        Ending::Code(code) => code.to_string(),
        Ending::Deadline => "deadline".to_owned(),
        Ending::Flood => "flood".to_owned(),
        Ending::Broken => "broken".to_owned(),
    }
}
