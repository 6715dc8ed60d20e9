//! Scripts of the verifier that read and rewrite Python in a sandbox.
//!
//! Python is read by Python's own parser. The scripts run alone, before anything of the workspace is
//! imported; they write to a descriptor.

use bytes::Bytes;
use playpen_runtime::{EntryKind, Tree};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};

use super::{Verifier, check::CheckError, gate::Reason, parse::is_python, program::Program};
use crate::agent::{
    exit,
    namespace::{Perturbation, python},
    report::REPORT_FD,
    role::{WORKSPACE, is_of_tests},
};

/// The script that looks for tampering.
const SCAN: Program = Program {
    name: "scan.py",
    source: concat!(include_str!("unsteady.py"), include_str!("scan.py")),
};

/// The script that rewrites tests.
const TWIN: Program = Program { name: "twin.py", source: include_str!("twin.py") };

/// The script that compiles tests.
const CODES: Program = Program { name: "codes.py", source: include_str!("codes.py") };

/// Something in a changed file that an honest program may have, and that calls for more runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Suspicion {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// What it does.
    pub what: String,
}

/// What the scan of changed files found.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanned {
    /// What refuses.
    pub(super) evidence: Vec<Reason>,
    /// What calls for runs that look for tampering.
    pub(super) suspicions: Vec<Suspicion>,
    /// What calls for more repeats.
    pub(super) unsteady: Vec<Suspicion>,
    /// Files that do not compile.
    pub(super) errors: Vec<Reason>,
}

/// How tests are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rewriting {
    /// Their expectations are contradicted.
    Contradicted,
    /// They mean the same and are not the same bytes.
    Respelled,
}

/// A tree with rewritten tests.
#[derive(Clone, Debug)]
pub(super) struct Rewritten {
    pub(super) tree: Tree,
    /// The functions that were rewritten, as ids without parameters.
    pub(super) functions: BTreeSet<String>,
}

impl Verifier {
    /// Scans the Python files among `written`, tests left out unless `with_tests`.
    pub(super) async fn scan(
        &self,
        base: &Tree,
        tree: &Tree,
        written: &BTreeSet<String>,
        with_tests: bool,
    ) -> Result<Scanned, CheckError> {
        let is_scanned = |path: &&String| is_python(path) && (with_tests || !is_of_tests(path));
        let before = |path: &String| {
            let data = base.read(path).ok()?;
            Some(String::from_utf8_lossy(&data).into_owned())
        };
        let files: BTreeMap<&String, Option<String>> =
            written.iter().filter(is_scanned).map(|path| (path, before(path))).collect();
        if files.is_empty() {
            return Ok(Scanned::default());
        }
        let tests = tree.walk().into_iter().filter(|entry| entry.kind == EntryKind::File);
        let tests =
            tests.map(|entry| entry.path).filter(|path| is_python(path) && is_of_tests(path));
        let request = serde_json::json!({ "files": files, "tests": tests.collect::<Vec<_>>() });
        let mut scanned = Scanned::default();
        let mut is_done = false;
        let lines = match self.script::<ScanLine>(SCAN, tree, &request).await? {
            Ok(lines) => lines,
            Err(how) => {
                scanned.evidence.push(Reason::Stopped { how });
                return Ok(scanned);
            }
        };
        for line in lines {
            match line {
                ScanLine::Error { path, error } => scanned.errors.push(Reason::SyntaxError {
                    path,
                    line: error.line,
                    message: error.message,
                }),
                ScanLine::Finding { path, line, what, kind } => match kind {
                    Finding::Hard => scanned.evidence.push(Reason::Tampers { path, line, what }),
                    Finding::Soft => scanned.suspicions.push(Suspicion { path, line, what }),
                    Finding::Unsteady => scanned.unsteady.push(Suspicion { path, line, what }),
                },
                ScanLine::Done { done } => is_done = done,
            }
        }
        scanned.suspicions.sort();
        scanned.unsteady.sort();
        if is_done { Ok(scanned) } else { Err(broken("the scan did not come to its end")) }
    }

    /// Rewrites the test files that hold `ids`, which may be functions.
    pub(super) async fn rewrite(
        &self,
        tree: &Tree,
        ids: &BTreeSet<String>,
        how: Rewriting,
        round: u64,
    ) -> Result<Rewritten, CheckError> {
        let files: BTreeSet<&str> = ids.iter().filter_map(|id| id.split("::").next()).collect();
        let files: Vec<&str> = files.into_iter().filter(|path| tree.exists(path)).collect();
        let salt = self.word("salt", tree);
        let request =
            serde_json::json!({ "files": files, "mode": how, "round": round, "salt": salt });
        let mut rewritten = Rewritten { tree: tree.clone(), functions: BTreeSet::new() };
        if files.is_empty() {
            return Ok(rewritten);
        }
        let lines = self.script::<TwinLine>(TWIN, tree, &request).await?.map_err(|e| broken(&e))?;
        for line in lines {
            let Some(text) = line.text else { continue };
            let written = rewritten.tree.write(&line.path, text, 0o644);
            written.map_err(|error| broken(&error.to_string()))?;
            let functions = line.functions.iter().map(|name| format!("{}::{name}", line.path));
            rewritten.functions.extend(functions);
        }
        Ok(rewritten)
    }

    /// Compiles the test files at `paths` as pytest does. What does not compile is left out, and so is everything
    /// where the files stop the script.
    pub(super) async fn codes(&self, tree: &Tree, paths: &[String]) -> Result<Bytes, CheckError> {
        if paths.is_empty() {
            return Ok(Bytes::new());
        }
        let request = serde_json::json!({ "root": WORKSPACE, "files": paths });
        Ok(self.output(CODES, tree, &request).await?.unwrap_or_default())
    }

    /// Runs a script on the files of `tree`, and reads the lines that it writes; or says what the
    /// files did to it.
    pub(super) async fn script<T: DeserializeOwned>(
        &self,
        program: Program,
        tree: &Tree,
        request: &serde_json::Value,
    ) -> Result<Result<Vec<T>, String>, CheckError> {
        let lines = match self.output(program, tree, request).await? {
            Ok(lines) => lines,
            Err(how) => return Ok(Err(how)),
        };
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).map_err(|error| broken(&error.to_string())))
            .collect::<Result<Vec<T>, CheckError>>()
            .map(Ok)
    }

    /// Runs a script on the files of `tree`, and returns what it writes; or says what the files did to it.
    async fn output(
        &self,
        program: Program,
        tree: &Tree,
        request: &serde_json::Value,
    ) -> Result<Result<Bytes, String>, CheckError> {
        let checker = self.checker();
        let sandbox = checker.open(tree, Perturbation::default())?;
        let python = python(Perturbation::default());
        let command = program.command(&self.ctx, &sandbox, &python, &[]).await?;
        let mut outcome = command
            .cwd(WORKSPACE)
            .stdin(Bytes::from(request.to_string()))
            .limits(checker.limits())
            .output()
            .await
            .map_err(|source| CheckError::Run { program: "python", source })?;
        if outcome.exit.code() != 0 {
            let stderr = String::from_utf8_lossy(&outcome.stderr);
            let last = stderr.trim().lines().last().unwrap_or_default().to_owned();
            let how = exit::describe(outcome.exit).unwrap_or(last);
            return Ok(Err(format!("ended while its files were read: {how}")));
        }
        Ok(Ok(outcome.collected.remove(&REPORT_FD).unwrap_or_default()))
    }
}

fn broken(message: &str) -> CheckError {
    CheckError::Script { message: message.to_owned() }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ScanLine {
    Error { path: String, error: SyntaxError },
    Finding { path: String, line: u64, what: String, kind: Finding },
    Done { done: bool },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Finding {
    Hard,
    Soft,
    Unsteady,
}

#[derive(Debug, Deserialize)]
struct SyntaxError {
    line: u64,
    message: String,
}

#[derive(Debug, Deserialize)]
struct TwinLine {
    path: String,
    text: Option<String>,
    functions: Vec<String>,
}
