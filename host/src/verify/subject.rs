//! A tree whose tests are run more than once.
//!
//! What all runs need is made once: the test files, compiled as pytest compiles them, which is a good part of a short
//! run. The first run, which is as plain as can be, does without, so it need not wait.

use bytes::Bytes;
use playpen_runtime::{EntryKind, Tree};
use std::sync::Arc;
use tokio::sync::OnceCell;

use super::{
    Verifier,
    check::{CheckError, Selection},
    parse::{is_python, is_test_module},
};
use crate::agent::role::is_of_tests;

/// A tree, and which of its tests are run. Clones share what is made.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) tree: Tree,
    pub(super) what: Selection,
    codes: Arc<OnceCell<Bytes>>,
}

impl Subject {
    pub(super) fn new(tree: &Tree, what: &Selection) -> Subject {
        Subject { tree: tree.clone(), what: what.clone(), codes: Arc::default() }
    }

    /// Returns the compiled test files.
    pub(super) async fn codes(&self, verifier: &Verifier) -> Result<Bytes, CheckError> {
        let make = || async { verifier.codes(&self.tree, &self.files()).await };
        self.codes.get_or_try_init(make).await.cloned()
    }

    /// Returns the files that pytest will compile, as far as their names tell.
    fn files(&self) -> Vec<String> {
        let files = self.tree.walk().into_iter().filter(|entry| entry.kind == EntryKind::File);
        let files =
            files.map(|entry| entry.path).filter(|path| is_python(path) && is_of_tests(path));
        files.filter(|path| self.what.names(path) || is_conftest(path)).collect()
    }
}

impl Selection {
    /// Returns whether tests of the file at `path` are among those that are run.
    fn names(&self, path: &str) -> bool {
        match self {
            Selection::All => path.starts_with("tests/") && is_test_module(path),
            Selection::Paths(paths) => paths.iter().any(|selected| {
                let file = selected.split("::").next().unwrap_or(selected);
                let below = path.strip_prefix(file).is_some_and(|rest| rest.starts_with('/'));
                file == path || below && is_test_module(path)
            }),
        }
    }
}

fn is_conftest(path: &str) -> bool {
    path.rsplit('/').next() == Some("conftest.py")
}

#[cfg(test)]
mod tests {
    use super::Subject;
    use crate::verify::Selection;
    use playpen_runtime::Tree;

    fn files(what: &Selection) -> Vec<String> {
        let mut tree = Tree::new();
        for path in ["a.py", "conftest.py", "tests/test_a.py", "tests/x/b_test.py", "tests/odd.py"]
        {
            tree.write(path, "", 0o644).unwrap();
        }
        Subject::new(&tree, what).files()
    }

    fn paths(paths: &[&str]) -> Selection {
        Selection::Paths(paths.iter().map(|path| (*path).to_owned()).collect())
    }

    #[test]
    fn the_files_of_all_tests() {
        assert_eq!(files(&Selection::All), ["conftest.py", "tests/test_a.py", "tests/x/b_test.py"]);
    }

    #[test]
    fn named_files_whatever_their_name_is() {
        assert_eq!(files(&paths(&["tests/odd.py::test_a"])), ["conftest.py", "tests/odd.py"]);
        assert_eq!(files(&paths(&["tests/x", "a.py"])), ["conftest.py", "tests/x/b_test.py"]);
    }
}
