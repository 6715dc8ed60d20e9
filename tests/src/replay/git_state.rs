//! What git says about a repository.
//!
//! The bytes inside `.git` differ between two gits that did the same: packs, the times in the index,
//! the log of references. What is compared is what they mean: the entries of the index, the
//! references, HEAD, and the configuration.
#![expect(clippy::disallowed_methods, reason = "native git is the judge of repositories")]

use super::{State, base::state_in};
use playpen_runtime::Tree;
use std::{
    collections::BTreeMap,
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// What is asked, and how.
const QUESTIONS: &[(&str, &[&str])] = &[
    ("index", &["ls-files", "--stage"]),
    ("references", &["for-each-ref", "--format=%(objectname) %(refname)"]),
    ("head", &["rev-parse", "HEAD", "--abbrev-ref", "HEAD"]),
    ("configuration", &["config", "--local", "--list"]),
];

/// Tells whether a path is inside of a repository's own folder.
pub fn is_inside(path: &str) -> bool {
    path.split('/').any(|name| name == ".git")
}

/// Asks git about the repository in `folder`.
///
/// # Errors
///
/// Fails if git cannot be started.
pub fn read(folder: &Path) -> io::Result<BTreeMap<&'static str, String>> {
    QUESTIONS.iter().map(|(name, args)| Ok((*name, ask(folder, args)?))).collect()
}

/// Asks git about the repository in a tree, written out below `scratch`.
///
/// # Errors
///
/// Fails if git cannot be started, or the disk refuses.
pub fn read_tree(tree: &Tree, scratch: &Path) -> io::Result<BTreeMap<&'static str, String>> {
    let folder = tempfile::tempdir_in(scratch)?;
    for entry in tree.walk() {
        if !is_inside(&entry.path) {
            continue;
        }
        let place = folder.path().join(&entry.path);
        match state_in(tree, Some(&entry)) {
            State::Directory(_) => fs_err::create_dir_all(place)?,
            State::File(mode, content) => {
                fs_err::write(&place, content)?;
                fs_err::set_permissions(place, std::fs::Permissions::from_mode(mode))?;
            }
            State::Link(target) => fs_err::os::unix::fs::symlink(target, place)?,
            State::Absent | State::Special => {}
        }
    }
    read(folder.path())
}

fn ask(folder: &Path, args: &[&str]) -> io::Result<String> {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder));
    git.args(["-c", "safe.directory=*"]).args(args).current_dir(folder);
    let output = git.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(format!("{text}exit {}\n", output.status.code().unwrap_or(-1)))
}
