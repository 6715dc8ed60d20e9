//! Our own sources, embedded so that an installed program can build the guests as well.

use std::path::Path;

use include_dir::{Dir, DirEntry, include_dir};

use crate::error::BuildError;

static TREES: [(&str, Dir<'static>); 12] = [
    ("edit", include_dir!("$CARGO_MANIFEST_DIR/../edit")),
    ("git", include_dir!("$CARGO_MANIFEST_DIR/../git")),
    ("patches", include_dir!("$CARGO_MANIFEST_DIR/../patches")),
    ("playpen-sys", include_dir!("$CARGO_MANIFEST_DIR/../playpen-sys")),
    ("posix-regex", include_dir!("$CARGO_MANIFEST_DIR/../posix-regex")),
    ("python", include_dir!("$CARGO_MANIFEST_DIR/../python")),
    ("root", include_dir!("$CARGO_MANIFEST_DIR/../root")),
    ("rust", include_dir!("$CARGO_MANIFEST_DIR/../rust")),
    ("shell", include_dir!("$CARGO_MANIFEST_DIR/../shell")),
    ("steps", include_dir!("$CARGO_MANIFEST_DIR/../steps")),
    ("tools", include_dir!("$CARGO_MANIFEST_DIR/../tools")),
    ("zig", include_dir!("$CARGO_MANIFEST_DIR/../zig")),
];

/// Visits the files at or under `path` (`shell`, `steps/lib.sh`), sorted, with their paths relative to guest-tools.
pub(crate) fn files(path: &str) -> Vec<(String, &'static [u8])> {
    let (tree, rest) = path.split_once('/').unwrap_or((path, ""));
    let mut found = Vec::new();
    if let Some((_, dir)) = TREES.iter().find(|(name, _)| *name == tree) {
        if rest.is_empty() {
            collect(tree, dir, &mut found);
        } else if let Some(entry) = dir.get_entry(rest) {
            collect_entry(tree, entry, &mut found);
        }
    }
    found.sort();
    found
}

/// Writes the files under each of `paths` below `target`. A file that is there with the same content
/// keeps its time, so that cargo and make see no change.
pub(crate) fn write(paths: &[&str], target: &Path) -> Result<(), BuildError> {
    for (relative, content) in paths.iter().flat_map(|path| files(path)) {
        let file = target.join(relative);
        if fs_err::read(&file).is_ok_and(|there| there == content) {
            continue;
        }
        if let Some(parent) = file.parent() {
            fs_err::create_dir_all(parent)
                .map_err(BuildError::io("write out the guests' sources"))?;
        }
        fs_err::write(&file, content).map_err(BuildError::io("write out the guests' sources"))?;
    }
    Ok(())
}

/// The names of the folders directly under `path`.
#[cfg(test)]
pub(crate) fn folders(path: &str) -> Vec<String> {
    let dir = TREES.iter().find(|(name, _)| *name == path).map(|(_, dir)| dir);
    let mut names: Vec<String> = dir
        .into_iter()
        .flat_map(Dir::dirs)
        .map(|d| d.path().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn collect(tree: &str, dir: &'static Dir<'static>, found: &mut Vec<(String, &'static [u8])>) {
    for entry in dir.entries() {
        collect_entry(tree, entry, found);
    }
}

fn collect_entry(
    tree: &str,
    entry: &'static DirEntry<'static>,
    found: &mut Vec<(String, &'static [u8])>,
) {
    match entry {
        // Left over when somebody ran cargo in a guest's folder.
        DirEntry::Dir(dir) if dir.path().ends_with("target") => {}
        DirEntry::Dir(dir) => collect(tree, dir, found),
        DirEntry::File(file) => {
            let path = format!("{tree}/{}", file.path().display());
            found.push((path, file.contents()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_finds_its_script() {
        assert_eq!(files("steps/lib.sh").len(), 1);
        assert!(files("shell").iter().any(|(path, _)| path == "shell/Cargo.lock"));
        assert!(files("no-such-tree").is_empty());
    }

    #[test]
    fn what_is_written_out_is_what_is_embedded() {
        let dir = tempfile::tempdir().unwrap();
        write(&["zig", "steps/lib.sh"], dir.path()).unwrap();
        for (path, content) in files("zig") {
            assert_eq!(fs_err::read(dir.path().join(path)).unwrap(), content);
        }
        assert!(dir.path().join("steps/lib.sh").exists());
    }
}
