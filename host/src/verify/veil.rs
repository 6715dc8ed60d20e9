//! Whether tests see what the code does, or how it is written.
//!
//! A test can fail because of a bug without running it: it reads the source of the module, or its compiled code, and
//! asserts what stands there. So tests that fail because of a bug run once more on the repaired code, in files that show
//! the text of the bug: they are imported from compiled files that Python does not compare with the text (`veil.py`). What
//! code does is the same as before, in programs that tests start too, so an honest test passes as before. In this
//! run, reading the compiled code of a function in such a file from a test raises.

use bytes::Bytes;
use playpen_runtime::{EntryKind, Tree};
use serde::Deserialize;
use std::collections::BTreeSet;

use super::{
    Verifier,
    check::{CheckError, Selection},
    gate::Reason,
    observe::Turn,
    parse::is_python,
    program::Program,
};
use crate::agent::{
    report::TestOutcome,
    role::{WORKSPACE, is_of_tests},
};

/// The script that makes such files.
const VEIL: Program = Program { name: "veil.py", source: include_str!("veil.py") };

/// Files of a repair that are looked at. Answers a repair of a thousand files.
const MAX_FILES: usize = 64;

impl Verifier {
    /// Returns those of `ids`, which pass on `good` and fail on `bad`, that do not pass where `good` looks like `bad`.
    pub(super) async fn readers_of_source(
        &self,
        good: &Tree,
        bad: &Tree,
        ids: &BTreeSet<String>,
    ) -> Result<Vec<Reason>, CheckError> {
        let (tree, paths) = self.veiled(good, bad).await?;
        if paths.is_empty() || ids.is_empty() {
            return Ok(vec![]);
        }
        let files = ids.iter().filter_map(|id| id.split("::").next()).map(str::to_owned);
        let turn = Turn { only: Some(ids.clone()), veiled: paths, ..Turn::default() };
        let run = self.once(&tree, &Selection::Paths(files.collect()), &turn).await?;
        let flaws = run.flaws(&[0, 1]);
        if !flaws.is_empty() {
            return Ok(flaws);
        }
        let (results, _) = run.report.by_id();
        let passes =
            |id: &str| results.get(id).is_some_and(|result| result.outcome == TestOutcome::Passed);
        let readers = ids.iter().filter(|id| !passes(id));
        Ok(readers.map(|id| Reason::ReadsSource { id: id.clone() }).collect())
    }

    /// Returns `good` with the texts of `bad`, and the files that differ.
    async fn veiled(
        &self,
        good: &Tree,
        bad: &Tree,
    ) -> Result<(Tree, BTreeSet<String>), CheckError> {
        let files: Vec<_> = changed(good, bad)
            .into_iter()
            .map(|(path, real, shown)| {
                serde_json::json!({ "path": path, "real": real, "shown": shown })
            })
            .collect();
        let (mut tree, mut paths) = (good.clone(), BTreeSet::new());
        if files.is_empty() {
            return Ok((tree, paths));
        }
        let request = serde_json::json!({ "root": WORKSPACE, "files": files });
        for line in self.script::<Veiled>(VEIL, good, &request).await?.unwrap_or_default() {
            let written = tree.write(&line.path, line.text, 0o644).is_ok()
                && tree.write(&line.compiled_path, Bytes::from(line.compiled), 0o644).is_ok();
            if written {
                paths.insert(line.path);
            } else {
                tree = good.clone();
                return Ok((tree, BTreeSet::new()));
            }
        }
        Ok((tree, paths))
    }
}

/// Returns the source files that differ: their paths, and their texts in `good` and in `bad`.
fn changed(good: &Tree, bad: &Tree) -> Vec<(String, String, String)> {
    let files = good.walk().into_iter().filter(|entry| entry.kind == EntryKind::File);
    let sources =
        files.map(|entry| entry.path).filter(|path| is_python(path) && !is_of_tests(path));
    let text = |tree: &Tree, path: &str| {
        let data = tree.read(path).ok()?;
        String::from_utf8(data.to_vec()).ok()
    };
    let pair = |path: String| {
        let (real, shown) = (text(good, &path)?, text(bad, &path)?);
        (real != shown).then_some((path, real, shown))
    };
    sources.filter_map(pair).take(MAX_FILES).collect()
}

#[derive(Debug, Deserialize)]
struct Veiled {
    path: String,
    text: String,
    compiled_path: String,
    compiled: Vec<u8>,
}
