//! Edits of Python source, found by CPython's own parser in a sandbox.
//!
//! The script reads files and answers with places in bytes; the edits are made here, on the text.
//! So nothing but the named bytes can change.

use bytes::Bytes;
use playpen_runtime::{Limits, Sandbox, Tree};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::error::VariantError;
use crate::agent::{WORKSPACE, exit, report::REPORT_FD};

/// The script: the library of edits, then the tool.
const SCRIPT: &str = concat!(include_str!("python/edits.py"), include_str!("python/ast_main.py"));

/// Time for one call of the script.
const CPU: Duration = Duration::from_mins(5);

/// The lines of each file.
pub type Lines = BTreeMap<String, BTreeSet<u32>>;

/// A change of a file: the bytes from `start` to `end` become `text`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edit {
    /// The first byte that goes.
    pub start: usize,
    /// The first byte that stays.
    pub end: usize,
    /// What comes in its place.
    pub text: String,
}

/// A small change of one function that compiles and changes what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The kind of change: `arithmetic`, `comparison`, `boundary`, `boolean`, `constant`, `return`,
    /// `statement`, `exception`, `loop`, `argument`.
    pub operator: String,
    /// The function, with its classes.
    pub function: String,
    /// The line, from 1.
    pub line: u32,
    /// The change.
    #[serde(flatten)]
    pub edit: Edit,
    /// What was there.
    pub original: String,
    /// A digest of the function's code with the change.
    pub hash: String,
}

impl Site {
    /// Returns the last line of what was there.
    pub fn last_line(&self) -> u32 {
        let n_breaks = self.original.matches('\n').count();
        self.line.saturating_add(u32::try_from(n_breaks).unwrap_or(u32::MAX))
    }
}

/// What can be changed in a file.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    /// The changes, in the order of the file.
    pub sites: Vec<Site>,
    /// Changes that were dropped because the compiled code stays the same, or is that of another one.
    pub n_equivalent: usize,
    /// Files that cannot be edited, and why.
    pub refused: BTreeMap<String, String>,
}

/// A file whose functions are stubs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stubbed {
    /// The changes.
    pub edits: Vec<Edit>,
    /// Functions that are stubs now.
    pub functions: Vec<String>,
    /// Functions that were kept because a line of them was.
    pub kept: Vec<String>,
}

/// Applies `edits`, which do not overlap, to `data`.
pub fn apply(data: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort();
    let mut out = Vec::with_capacity(data.len());
    let mut at = 0;
    for edit in sorted {
        out.extend_from_slice(&data[at..edit.start.max(at)]);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.end.max(at);
    }
    out.extend_from_slice(&data[at..]);
    out
}

/// Returns `tree` with `edits` made to the file at `path`, and without its compiled form: a tree's times
/// are all alike, so Python would take the old one for current.
///
/// # Errors
///
/// Fails if there is no such file.
pub fn edited(tree: &Tree, path: &str, edits: &[Edit]) -> Result<Tree, VariantError> {
    let data = tree.read(path)?;
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.strip_suffix(".py").unwrap_or(name);
    let separator = if folder.is_empty() { "" } else { "/" };
    let compiled = format!("{folder}{separator}__pycache__/{stem}.");
    let (mut mode, mut stale) = (0o644, vec![]);
    for entry in tree.walk() {
        if entry.path == path {
            mode = entry.mode;
        } else if entry.path.starts_with(&compiled) {
            stale.push(entry.path);
        }
    }
    let mut tree = tree.clone();
    tree.write(path, apply(&data, edits), mode)?;
    for path in stale {
        tree.remove(&path)?;
    }
    Ok(tree)
}

/// Lists what can be changed on `lines` of the files of `sandbox`, file by file.
///
/// # Errors
///
/// Fails if the host does, or the script.
pub async fn sites(
    sandbox: &Sandbox,
    lines: &Lines,
) -> Result<BTreeMap<String, Sites>, VariantError> {
    let request = Request { operation: "sites", lines, ..Request::new(lines.keys()) };
    let mut found = BTreeMap::new();
    for answer in ask(sandbox, &request).await? {
        let mut sites =
            Sites { sites: answer.sites, n_equivalent: answer.n_equivalent, ..Sites::default() };
        if let Some(error) = answer.error {
            sites.refused.insert(answer.path.clone(), error);
        }
        found.insert(answer.path, sites);
    }
    Ok(found)
}

/// Makes stubs of all functions in `paths`, but for those with a line in `keep`.
///
/// # Errors
///
/// Fails if the host does, the script, or if a file is not Python.
pub async fn stubs(
    sandbox: &Sandbox,
    paths: &BTreeSet<String>,
    keep: &Lines,
    text: &str,
) -> Result<BTreeMap<String, Stubbed>, VariantError> {
    let request = Request { operation: "stub", lines: keep, text, ..Request::new(paths) };
    let mut done = BTreeMap::new();
    for answer in ask(sandbox, &request).await? {
        let answer = answer.checked()?;
        let stubbed =
            Stubbed { edits: answer.edits, functions: answer.functions, kept: answer.kept };
        done.insert(answer.path, stubbed);
    }
    Ok(done)
}

/// Finds the edits that remove test functions (`test_a`, `TestA::test_b`) by file; also returns, by file,
/// the names that were not found.
///
/// # Errors
///
/// Fails as [`stubs`] does.
pub async fn without(
    sandbox: &Sandbox,
    names: &BTreeMap<String, BTreeSet<String>>,
) -> Result<BTreeMap<String, (Vec<Edit>, Vec<String>)>, VariantError> {
    let request =
        Request { operation: "without", names: Some(names), ..Request::new(names.keys()) };
    let mut done = BTreeMap::new();
    for answer in ask(sandbox, &request).await? {
        let answer = answer.checked()?;
        done.insert(answer.path, (answer.edits, answer.missing));
    }
    Ok(done)
}

/// Lines of no file.
static NO_LINES: Lines = Lines::new();

#[derive(Debug, Serialize)]
struct Request<'a> {
    operation: &'static str,
    paths: Vec<&'a String>,
    lines: &'a Lines,
    text: &'a str,
    names: Option<&'a BTreeMap<String, BTreeSet<String>>>,
}

impl<'a> Request<'a> {
    fn new(paths: impl IntoIterator<Item = &'a String>) -> Request<'a> {
        let paths = paths.into_iter().collect();
        Request { operation: "", paths, lines: &NO_LINES, text: "", names: None }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    path: String,
    error: Option<String>,
    sites: Vec<Site>,
    n_equivalent: usize,
    #[serde(deserialize_with = "triples")]
    edits: Vec<Edit>,
    functions: Vec<String>,
    kept: Vec<String>,
    missing: Vec<String>,
}

impl Answer {
    fn checked(self) -> Result<Answer, VariantError> {
        match self.error {
            Some(message) => Err(VariantError::Edit { path: self.path, message }),
            None => Ok(self),
        }
    }
}

/// Reads `[start, end, text]`.
fn triples<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Edit>, D::Error> {
    let triples = Vec::<(usize, usize, String)>::deserialize(deserializer)?;
    Ok(triples.into_iter().map(|(start, end, text)| Edit { start, end, text }).collect())
}

/// Asks the script.
async fn ask(sandbox: &Sandbox, request: &Request<'_>) -> Result<Vec<Answer>, VariantError> {
    let stdin = serde_json::to_vec(request).expect("a request is JSON");
    let mut outcome = sandbox
        .command("python")
        .args(["-I", "-B", "-c", SCRIPT])
        .cwd(WORKSPACE)
        .stdin(Bytes::from(stdin))
        .collect(REPORT_FD)
        .limits(Limits { cpu: CPU, output_bytes: 256 << 20, ..Limits::default() })
        .output()
        .await?;
    let lines = outcome.collected.remove(&REPORT_FD).unwrap_or_default();
    let answers: Result<Vec<Answer>, _> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect();
    match answers {
        Ok(answers) if outcome.exit.code() == 0 && answers.len() == request.paths.len() => {
            Ok(answers)
        }
        _ => {
            let stderr = String::from_utf8_lossy(&outcome.stderr);
            let last = stderr.trim().lines().last().unwrap_or_default();
            let how = exit::describe(outcome.exit).unwrap_or_default();
            Err(VariantError::Script { script: "script for edits", said: format!("{how}{last}") })
        }
    }
}

#[cfg(test)]
mod tests;
