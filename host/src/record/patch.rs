//! The difference of two trees as a patch that `git apply` takes.

use crate::git::binary_patch;
use bytes::Bytes;
use playpen_runtime::{EntryKind, Tree, TreeEntry};
use similar::TextDiff;
use std::{collections::BTreeMap, fmt::Write as _};

/// Bytes of a file above which its difference is not worked out line by line. Answers a generated
/// file of many megabytes, on which that takes minutes.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// Returns the patch that leads from `old` to `new`, in the order of the paths.
///
/// What is under a `.git/`, at any place, is left out: it is the history, not the work, and `git apply` takes no
/// patch with such a path in it. Files that are no text, or
/// that are very long, are given whole, as git's binary patches do.
pub fn unified_diff(old: &Tree, new: &Tree) -> String {
    let (old_entries, new_entries) = (entries(old), entries(new));
    let mut patch = String::new();
    for change in old.diff(new) {
        let path = change.path.as_str();
        if path.split('/').any(|name| name.eq_ignore_ascii_case(".git")) {
            continue;
        }
        let before = side(old, old_entries.get(path));
        let after = side(new, new_entries.get(path));
        if before.is_some() || after.is_some() {
            add_file(&mut patch, path, before.as_ref(), after.as_ref());
        }
    }
    patch
}

/// One side of a change: git's mode and the bytes.
#[derive(Debug, PartialEq)]
struct Side {
    mode: &'static str,
    data: Bytes,
}

impl Side {
    fn is_link(&self) -> bool {
        self.mode == "120000"
    }
}

/// Returns a file or link as git sees it.
fn side(tree: &Tree, entry: Option<&TreeEntry>) -> Option<Side> {
    let entry = entry?;
    match entry.kind {
        EntryKind::Dir => None,
        EntryKind::File => {
            let mode = if entry.mode & 0o111 == 0 { "100644" } else { "100755" };
            Some(Side { mode, data: tree.read(&entry.path).ok()? })
        }
        EntryKind::Symlink => {
            let target = entry.target.clone().unwrap_or_default();
            Some(Side { mode: "120000", data: Bytes::from(target) })
        }
    }
}

/// Adds the change of one path; a file that becomes a link is removed and added, as with git.
fn add_file(patch: &mut String, path: &str, before: Option<&Side>, after: Option<&Side>) {
    match (before, after) {
        (Some(old), Some(new)) if old.is_link() != new.is_link() => {
            add_change(patch, path, before, None);
            add_change(patch, path, None, after);
        }
        _ if before == after => {}
        _ => add_change(patch, path, before, after),
    }
}

fn add_change(patch: &mut String, path: &str, before: Option<&Side>, after: Option<&Side>) {
    let (a, b) = (quoted(&format!("a/{path}")), quoted(&format!("b/{path}")));
    let _ = writeln!(patch, "diff --git {a} {b}");
    let mut same_mode = None;
    match (before, after) {
        (None, Some(after)) => {
            let _ = writeln!(patch, "new file mode {}", after.mode);
        }
        (Some(before), None) => {
            let _ = writeln!(patch, "deleted file mode {}", before.mode);
        }
        (Some(before), Some(after)) if before.mode != after.mode => {
            let _ = writeln!(patch, "old mode {}\nnew mode {}", before.mode, after.mode);
        }
        _ => same_mode = before.map(|before| before.mode),
    }
    let data = |side: Option<&Side>| side.map(|side| side.data.clone());
    let (old_data, new_data) = (data(before), data(after));
    if old_data == new_data {
        return;
    }
    let old_name = if before.is_some() { a } else { "/dev/null".to_owned() };
    let new_name = if after.is_some() { b } else { "/dev/null".to_owned() };
    match (text(before), text(after)) {
        (Some(old), Some(new)) => add_text(patch, &old_name, &new_name, old, new),
        _ => binary_patch(patch, old_data.as_deref(), new_data.as_deref(), same_mode),
    }
}

/// Adds the difference of two texts. Lines end with a line feed and with nothing else.
fn add_text(patch: &mut String, old_name: &str, new_name: &str, old: &str, new: &str) {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let diff = TextDiff::configure().newline_terminated(true).diff_slices(&old, &new);
    // Git reads a name with a space in it up to the tab.
    let ends = |name: &str| if name.contains(' ') { format!("{name}\t") } else { name.to_owned() };
    let _ = write!(patch, "{}", diff.unified_diff().header(&ends(old_name), &ends(new_name)));
}

/// Returns a side as text; a side that is not there is empty.
fn text(side: Option<&Side>) -> Option<&str> {
    match side {
        None => Some(""),
        Some(side) if side.data.len() > MAX_TEXT_BYTES || side.data.contains(&0) => None,
        // The library that compares would take this for the end of a line.
        Some(side) if side.data.ends_with(b"\r") => None,
        Some(side) => std::str::from_utf8(&side.data).ok(),
    }
}

/// Quotes a name as git does, if it must be.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    if name.chars().all(is_plain) {
        return name.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\{:03o}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn entries(tree: &Tree) -> BTreeMap<String, TreeEntry> {
    tree.walk().into_iter().map(|entry| (entry.path.clone(), entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::unified_diff;
    use insta::assert_snapshot;
    use playpen_runtime::Tree;

    #[test]
    fn each_kind_of_change() {
        let mut old = Tree::new();
        old.write("edit.py", "one\ntwo\nthree\n", 0o644).unwrap();
        old.write("gone.py", "bye\n", 0o644).unwrap();
        old.write("mode.sh", "#!/bin/sh\n", 0o644).unwrap();
        old.write("data.bin", &b"\0\x01"[..], 0o644).unwrap();
        old.write(".git/index", "x", 0o644).unwrap();
        let mut new = old.clone();
        new.write("edit.py", "one\n2\nthree", 0o644).unwrap();
        new.remove("gone.py").unwrap();
        new.write("mode.sh", "#!/bin/sh\n", 0o755).unwrap();
        new.write("data.bin", &b"\0\x02"[..], 0o644).unwrap();
        new.write("dir/new.py", "hello\n", 0o644).unwrap();
        new.write("dir/empty.py", "", 0o644).unwrap();
        new.symlink("link", "edit.py").unwrap();
        new.write(".git/index", "y", 0o644).unwrap();
        new.write("dir/.GIT/config", "y", 0o644).unwrap();
        assert_snapshot!(unified_diff(&old, &new), @r#"
        diff --git a/data.bin b/data.bin
        index bdc955b7b2e610ad5a72302b139a2e6cb325519a..8835708590a9afa236e1bbad18df9d23de82ccd3 100644
        GIT binary patch
        literal 2
        Jc${Nk0ssI600RI3

        literal 2
        Jc${Nk1ONa700IC2

        diff --git a/dir/empty.py b/dir/empty.py
        new file mode 100644
        diff --git a/dir/new.py b/dir/new.py
        new file mode 100644
        --- /dev/null
        +++ b/dir/new.py
        @@ -0,0 +1 @@
        +hello
        diff --git a/edit.py b/edit.py
        --- a/edit.py
        +++ b/edit.py
        @@ -1,3 +1,3 @@
         one
        -two
        -three
        +2
        +three
        \ No newline at end of file
        diff --git a/gone.py b/gone.py
        deleted file mode 100644
        --- a/gone.py
        +++ /dev/null
        @@ -1 +0,0 @@
        -bye
        diff --git a/link b/link
        new file mode 120000
        --- /dev/null
        +++ b/link
        @@ -0,0 +1 @@
        +edit.py
        \ No newline at end of file
        diff --git a/mode.sh b/mode.sh
        old mode 100644
        new mode 100755
        "#);
    }

    #[test]
    fn equal_trees_have_no_patch() {
        let mut tree = Tree::new();
        tree.write("a", "x", 0o644).unwrap();
        assert_eq!(unified_diff(&tree, &tree.clone()), "");
    }

    #[test]
    fn odd_names_are_quoted() {
        let mut new = Tree::new();
        new.write("a \"b\"\n", "x\n", 0o644).unwrap();
        let patch = unified_diff(&Tree::new(), &new);
        assert!(patch.starts_with(r#"diff --git "a/a \"b\"\n" "b/a \"b\"\n""#), "{patch}");
    }
}
