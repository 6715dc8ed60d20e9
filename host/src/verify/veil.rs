//! Whether tests see what the code does, or how it is written.
//!
//! A test can fail because of a bug without running it: it reads the source of the module, or its compiled code, and
//! asserts what stands there. So tests that fail because of a bug run once more on the repaired code, in files that show
//! the text of the bug: they are imported from compiled files that Python does not compare with the text (`veil.py`). What
//! code does is the same as before, so an honest test passes as before. Those that do not pass get another chance: they may
//! run the text itself, as a program or from a copy, so they are run with texts that look like one code and do what the other one
//! does, both ways. In these runs, reading the compiled code of a function in such a file from a test raises.

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
    /// Returns those of `ids`, tests in both trees which pass on `good` and fail on `bad`, that look at the text of the code.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn readers_of_source(
        &self,
        good: &Tree,
        bad: &Tree,
        ids: &BTreeSet<String>,
    ) -> Result<Vec<Reason>, CheckError> {
        let suspects = match self.passing_veiled(good, bad, true, ids).await? {
            Ok(passing) => ids - &passing,
            Err(flaws) => return Ok(flaws),
        };
        if suspects.is_empty() {
            return Ok(vec![]);
        }
        // Honest tests may run the text: as a program, or from a copy.
        let good_looks_bad = self.passing_veiled(good, bad, false, &suspects).await?;
        let bad_looks_good = self.passing_veiled(bad, good, false, &suspects).await?;
        let (passing, fooled) =
            (good_looks_bad.unwrap_or_default(), bad_looks_good.unwrap_or_default());
        let readers =
            suspects.into_iter().filter(|id| !passing.contains(id) || fooled.contains(id));
        Ok(readers.map(|id| Reason::ReadsSource { id }).collect())
    }

    /// Returns those of `ids` that pass on code that does what `real` does and looks like `shown`, or what is wrong with
    /// the run.
    async fn passing_veiled(
        &self,
        real: &Tree,
        shown: &Tree,
        is_exact: bool,
        ids: &BTreeSet<String>,
    ) -> Result<Result<BTreeSet<String>, Vec<Reason>>, CheckError> {
        let (tree, paths) = self.veiled(real, shown, is_exact).await?;
        if paths.is_empty() || ids.is_empty() {
            return Ok(Ok(ids.clone()));
        }
        let files = ids.iter().filter_map(|id| id.split("::").next()).map(str::to_owned);
        let turn = Turn { only: Some(ids.clone()), veiled: paths, ..Turn::default() };
        let run = self.once(&tree, &Selection::Paths(files.collect()), &turn).await?;
        let flaws = run.flaws(&[0, 1, 2]);
        if !flaws.is_empty() {
            return Ok(Err(flaws));
        }
        let (results, _) = run.report.by_id();
        let passes = |id: &&String| {
            results.get(id.as_str()).is_some_and(|it| it.outcome == TestOutcome::Passed)
        };
        Ok(Ok(ids.iter().filter(passes).cloned().collect()))
    }

    /// Returns `good` with the texts of `bad`, and the files that differ; none if there is no room for them.
    async fn veiled(
        &self,
        good: &Tree,
        bad: &Tree,
        is_exact: bool,
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
        let request =
            serde_json::json!({ "root": WORKSPACE, "files": files, "is_exact": is_exact });
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
