//! What is wanted of a solution, found out by running the tests.

use playpen_runtime::{EntryKind, Tree};
use std::collections::BTreeSet;

use super::{
    Verifier,
    check::{CheckError, Selection},
    frozen::FrozenTests,
    gate::Reason,
    overlay::without_history,
    parse::{Names, is_test_module},
    solution::Wanted,
};

/// What the tests of a tree say before there is a solution.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The tests that fail now and should pass, and those that pass.
    pub wanted: Wanted,
    /// What is wrong with the run; if there is something, the rest means nothing.
    pub flaws: Vec<Reason>,
}

impl Verifier {
    /// Runs the tests of `tree` and freezes those that fail. Of a file that cannot be imported yet, the
    /// functions are frozen. Flaky tests are neither wanted to fail nor to pass.
    ///
    /// With `solved`, the same tree with a solution, only tests that pass there are wanted.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn baseline(
        &self,
        tree: &Tree,
        solved: Option<&Tree>,
    ) -> Result<Baseline, CheckError> {
        let tree = without_history(tree);
        let before = self.observe(&tree, &Selection::All).await?;
        let mut flaws = before.flaws.clone();
        let mut wanted = Wanted { pass_to_pass: before.passing(), ..Wanted::default() };
        if let Some(solved) = solved {
            let after = self.observe(&without_history(solved), &Selection::All).await?;
            flaws.extend(after.flaws.clone());
            let passing = after.passing();
            let is_new = |id: &&String| {
                !wanted.pass_to_pass.contains(*id) && !before.flaky.contains_key(*id)
            };
            let new = passing.iter().filter(is_new).cloned().collect();
            wanted.fail_to_pass = FrozenTests::new(new);
            wanted.pass_to_pass.retain(|id| passing.contains(id));
        } else {
            wanted.fail_to_pass = FrozenTests::new(before.failing());
            let files = test_modules(&tree);
            let (_, files) = self.checker().parse(&tree, &files, Names::Found).await?;
            for error in before.collect_errors() {
                if let Some(file) = files.iter().find(|file| file.path == error.id) {
                    wanted.fail_to_pass.defer(file, &error.message);
                }
            }
        }
        Ok(Baseline { wanted, flaws })
    }
}

fn test_modules(tree: &Tree) -> BTreeSet<String> {
    let files = tree.walk().into_iter().filter(|entry| entry.kind == EntryKind::File);
    let files = files.map(|entry| entry.path).filter(|path| path.starts_with("tests/"));
    files.filter(|path| is_test_module(path)).collect()
}
