//! What of an agent's tree is handed in.
//!
//! The result of an agent is not its tree but the changes in it that its role allows, applied to the
//! tree that it was given. What the role does not allow is left out and listed; the sandbox should
//! have refused it, so the list is evidence of a hole.

use playpen_runtime::{EntryKind, Tree, TreeEntry};
use std::collections::{BTreeMap, BTreeSet};

use crate::agent::role::WritePolicy;

/// Permission bits that are handed in; no set-id bits.
const MODE_MASK: u32 = 0o777;

/// An agent's changes, sorted out.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The tree that the agent was given, with the allowed changes.
    pub tree: Tree,
    /// Files and links that the agent added or changed, and that are in `tree`.
    pub written: BTreeSet<String>,
    /// Files and links that the agent removed, and that are not in `tree`.
    pub removed: BTreeSet<String>,
    /// Changes that were left out because the role does not allow them.
    pub dropped: BTreeSet<String>,
}

impl Merged {
    /// Returns whether there is no change in it.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }
}

/// Applies to `base` what `policy` allows of the changes that lead to `result`.
pub fn merge(base: &Tree, result: &Tree, policy: &WritePolicy) -> Merged {
    let old = entries(base);
    let new = entries(result);
    let mut merged = Merged {
        tree: base.clone(),
        written: BTreeSet::new(),
        removed: BTreeSet::new(),
        dropped: BTreeSet::new(),
    };
    let changes: Vec<String> = base.diff(result).into_iter().map(|change| change.path).collect();
    let (accepted, refused): (Vec<String>, Vec<String>) =
        changes.into_iter().partition(|path| policy.accepts(path));
    merged.dropped.extend(refused.into_iter().filter(|path| !policy.is_leftover(path)));

    // Children before parents, so that a directory is empty when its turn comes.
    for path in accepted.iter().rev() {
        if let Some(before) = old.get(path)
            && new.get(path).is_none_or(|after| after.kind != before.kind)
        {
            merged.remove(path, before.kind);
        }
    }
    for path in &accepted {
        if let Some(entry) = new.get(path)
            && !merged.dropped.contains(path)
        {
            merged.put(result, entry);
        }
    }
    merged
}

impl Merged {
    /// Removes an entry, unless it is a directory in which something stays.
    fn remove(&mut self, path: &str, kind: EntryKind) {
        let is_kept = kind == EntryKind::Dir && has_children(&self.tree, path);
        if is_kept || self.tree.remove(path).is_err() {
            self.dropped.insert(path.to_owned());
        } else if kind != EntryKind::Dir {
            self.removed.insert(path.to_owned());
        }
    }

    /// Puts an entry of `result` in its place.
    fn put(&mut self, result: &Tree, entry: &TreeEntry) {
        let path = entry.path.as_str();
        let mode = entry.mode & MODE_MASK;
        let done = match entry.kind {
            EntryKind::Dir => self.tree.create_dir(path, mode).is_ok(),
            EntryKind::File => {
                result.read(path).is_ok_and(|data| self.tree.write(path, data, mode).is_ok())
            }
            EntryKind::Symlink => self.put_link(path, entry.target.as_deref().unwrap_or_default()),
        };
        if !done {
            self.dropped.insert(path.to_owned());
        } else if entry.kind != EntryKind::Dir {
            self.removed.remove(path);
            self.written.insert(path.to_owned());
        }
    }

    /// Makes a link, if it cannot lead out of the workspace.
    fn put_link(&mut self, path: &str, target: &str) -> bool {
        let leads_out = target.starts_with('/') || target.split('/').any(|name| name == "..");
        if leads_out {
            return false;
        }
        self.tree.remove(path).is_ok() && self.tree.symlink(path, target).is_ok()
    }
}

fn entries(tree: &Tree) -> BTreeMap<String, TreeEntry> {
    tree.walk().into_iter().map(|entry| (entry.path.clone(), entry)).collect()
}

fn has_children(tree: &Tree, path: &str) -> bool {
    let below = format!("{path}/");
    tree.walk().iter().any(|entry| entry.path.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::agent::AgentRole;
    use playpen_runtime::Tree;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.write(path, (*text).to_owned(), 0o644).unwrap();
        }
        tree
    }

    fn list(tree: &Tree) -> Vec<String> {
        let text =
            |path: &str| tree.read(path).map(|data| String::from_utf8_lossy(&data).into_owned());
        let show = |path: String| match text(&path) {
            Ok(text) => format!("{path}={text}"),
            Err(_) => path,
        };
        tree.walk().into_iter().map(|entry| show(entry.path)).collect()
    }

    const BASE: &[(&str, &str)] =
        &[("src/a.py", "1"), ("pkg/conftest.py", "c"), ("tests/test_a.py", "t")];

    #[test]
    fn allowed_changes_are_taken() {
        let base = tree(BASE);
        let mut result = base.clone();
        result.write("src/a.py", "2", 0o644).unwrap();
        result.write("src/new/b.py", "3", 0o755).unwrap();
        let merged = merge(&base, &result, &AgentRole::Implementer.policy());
        assert!(merged.dropped.is_empty());
        assert_eq!(merged.tree.digest(), result.digest());
        assert_eq!(merged.written.into_iter().collect::<Vec<_>>(), ["src/a.py", "src/new/b.py"]);
    }

    #[test]
    fn what_the_role_may_not_write_stays_as_it_was() {
        let base = tree(BASE);
        let mut result = base.clone();
        result.write("tests/test_a.py", "pass", 0o644).unwrap();
        result.write("tests/conftest.py", "x", 0o644).unwrap();
        result.write("conftest.py", "x", 0o644).unwrap();
        result.write("sitecustomize.py", "x", 0o644).unwrap();
        result.remove("pkg").unwrap();
        result.write("src/__pycache__/a.cpython-313.pyc", "x", 0o644).unwrap();
        let merged = merge(&base, &result, &AgentRole::Implementer.policy());
        assert_eq!(merged.tree.digest(), base.digest(), "{:?}", list(&merged.tree));
        assert_eq!(
            merged.dropped.into_iter().collect::<Vec<_>>(),
            [
                "conftest.py",
                "pkg",
                "pkg/conftest.py",
                "sitecustomize.py",
                "tests/conftest.py",
                "tests/test_a.py"
            ]
        );
    }

    #[test]
    fn a_directory_may_become_a_file_and_back() {
        let base = tree(&[("a/x", "1"), ("b", "2")]);
        let result = tree(&[("a", "3"), ("b/y", "4")]);
        let merged = merge(&base, &result, &AgentRole::Implementer.policy());
        assert_eq!(list(&merged.tree), ["a=3", "b", "b/y=4"]);
        assert!(merged.dropped.is_empty(), "{:?}", merged.dropped);
    }

    #[test]
    fn a_directory_with_a_protected_file_does_not_become_a_link() {
        let base = tree(BASE);
        let mut result = base.clone();
        result.remove("pkg").unwrap();
        result.symlink("pkg", "src").unwrap();
        let merged = merge(&base, &result, &AgentRole::Implementer.policy());
        assert_eq!(merged.tree.digest(), base.digest());
        assert!(merged.dropped.contains("pkg"));
    }

    #[test]
    fn links_that_lead_out_are_left_out() {
        let base = tree(BASE);
        let mut result = base.clone();
        result.symlink("src/up", "../tests").unwrap();
        result.symlink("src/abs", "/etc").unwrap();
        result.symlink("src/near", "a.py").unwrap();
        let merged = merge(&base, &result, &AgentRole::Implementer.policy());
        assert_eq!(merged.written.into_iter().collect::<Vec<_>>(), ["src/near"]);
    }
}
