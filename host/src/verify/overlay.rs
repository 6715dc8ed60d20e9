//! The pristine tests over what an agent left.

use playpen_runtime::{EntryKind, Tree, TreeEntry};
use std::collections::BTreeSet;

use crate::agent::role::is_of_tests;

/// Returns `tree` with the tests and the test configuration of `pristine`, and none but these.
///
/// The overlay is of whole trees: a file of this kind that is in `tree` only is removed. `more` are
/// further paths that are taken from `pristine`. There is no `.git/` in the result.
pub fn with_tests_of(tree: &Tree, pristine: &Tree, more: &BTreeSet<String>) -> Tree {
    let is_taken = |path: &str| is_of_tests(path) || more.contains(path);
    let mut result = without_history(tree);
    let ours = result.walk();
    let kept: BTreeSet<&str> = ours
        .iter()
        .filter(|entry| !is_taken(&entry.path))
        .flat_map(|entry| parents(&entry.path).chain([entry.path.as_str()]))
        .collect();
    let mut in_the_way: BTreeSet<&str> = ours
        .iter()
        .filter(|entry| entry.kind != EntryKind::Dir && kept.contains(entry.path.as_str()))
        .map(|entry| entry.path.as_str())
        .collect();
    // Children before parents.
    for entry in ours.iter().rev().filter(|entry| !kept.contains(entry.path.as_str())) {
        let _ignored = result.remove(&entry.path);
    }
    let theirs = pristine.walk();
    for entry in theirs.iter().filter(|entry| is_taken(&entry.path)) {
        for parent in parents(&entry.path).filter(|parent| in_the_way.remove(parent)) {
            let _ignored = result.remove(parent);
        }
        put(&mut result, pristine, entry);
    }
    result
}

/// Puts an entry of `pristine` into `tree`. What is in a tree can be put into another once nothing is
/// in its way.
fn put(tree: &mut Tree, pristine: &Tree, entry: &TreeEntry) {
    let path = entry.path.as_str();
    let _ignored = match entry.kind {
        EntryKind::Dir => tree.create_dir(path, entry.mode),
        EntryKind::File => match pristine.read(path) {
            Ok(data) => tree.write(path, data, entry.mode),
            Err(error) => Err(error),
        },
        EntryKind::Symlink => tree.symlink(path, entry.target.as_deref().unwrap_or_default()),
    };
}

/// Returns the folders that `path` lies in, the outermost first.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// Returns `tree` without its history.
pub(super) fn without_history(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    if tree.exists(".git") {
        let _ignored = tree.remove(".git");
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::with_tests_of;
    use playpen_runtime::Tree;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.write(path, (*text).to_owned(), 0o644).unwrap();
        }
        tree
    }

    fn list(tree: &Tree) -> Vec<String> {
        let show = |path: String| match tree.read(&path) {
            Ok(data) => format!("{path}={}", String::from_utf8_lossy(&data)),
            Err(_) => path,
        };
        tree.walk().into_iter().map(|entry| show(entry.path)).collect()
    }

    #[test]
    fn tests_and_configuration_come_from_the_pristine_tree_only() {
        let pristine = tree(&[
            ("src/a.py", "stub"),
            ("tests/test_a.py", "t"),
            ("tests/data/x", "d"),
            ("pyproject.toml", "p"),
        ]);
        let left = tree(&[
            (".git/objects/aa", "secret"),
            ("src/a.py", "done"),
            ("src/conftest.py", "evil"),
            ("pytest.ini", "evil"),
            ("tests/test_a.py", "pass"),
            ("tests/conftest.py", "evil"),
        ]);
        assert_eq!(
            list(&with_tests_of(&left, &pristine, &["src/none.py".to_owned()].into())),
            [
                "pyproject.toml=p",
                "src",
                "src/a.py=done",
                "tests",
                "tests/data",
                "tests/data/x=d",
                "tests/test_a.py=t"
            ]
        );
    }

    #[test]
    fn what_is_in_the_way_goes() {
        let pristine = tree(&[("tests/test_a.py", "t")]);
        let left = tree(&[("tests", "a file"), ("src/a.py", "x")]);
        let overlaid = with_tests_of(&left, &pristine, &[].into());
        assert_eq!(list(&overlaid), ["src", "src/a.py=x", "tests", "tests/test_a.py=t"]);
    }
}
