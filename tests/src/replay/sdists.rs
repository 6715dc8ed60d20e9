//! The trees of real projects: source distributions, as repositories of git.
#![expect(clippy::disallowed_methods, reason = "pip, tar and git of the host prepare the trees")]

use anyhow::{Context as _, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What is fetched, with versions and hashes.
const PINS: &str = include_str!("../../replay/sdists.txt");

/// What makes a repository of an unpacked source distribution.
const COMMIT: &str = "git init -q -b main . && git add -A && git commit -q -m Import && git gc -q";

/// Fetches and unpacks what is missing; returns the folder with one tree for each project.
///
/// # Errors
///
/// Fails if pip cannot fetch a source distribution, or it cannot be unpacked.
pub fn trees(home: &Path) -> anyhow::Result<PathBuf> {
    let folder = home.join("replay");
    let (archives, trees) = (folder.join("sdists"), folder.join("trees"));
    fs_err::create_dir_all(&archives)?;
    fs_err::create_dir_all(&trees)?;
    for pin in PINS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let requirement = pin.split_whitespace().next().unwrap_or_default();
        let tree = trees.join(requirement.replace("==", "-").to_lowercase());
        if !tree.exists() {
            let archive = fetch(&archives, requirement, pin)?;
            unpack(&archive, &tree)?;
        }
    }
    Ok(trees)
}

fn fetch(archives: &Path, requirement: &str, pin: &str) -> anyhow::Result<PathBuf> {
    let (name, _) = requirement.split_once("==").context("a pin has a version")?;
    let pins = archives.join(format!("{name}.txt"));
    fs_err::write(&pins, pin)?;
    let folder = archives.join(name);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name]);
    pip.arg("--require-hashes").arg("--dest").arg(&folder).arg("--requirement").arg(&pins);
    run(pip).with_context(|| format!("failed to fetch the source distribution `{requirement}`"))?;
    let first = fs_err::read_dir(&folder)?.next().context("pip has fetched nothing")?;
    Ok(first?.path())
}

/// Unpacks beside the place and renames, so that an interrupted one is not taken for whole.
fn unpack(archive: &Path, tree: &Path) -> anyhow::Result<()> {
    let beside = tempfile::tempdir_in(tree.parent().context("a tree is in a folder")?)?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--no-same-owner", "--strip-components=1", "--file"]);
    tar.arg(archive).arg("--directory").arg(beside.path());
    run(tar)?;
    let mut git = Command::new("sh");
    git.args(["-c", COMMIT]).current_dir(beside.path());
    for role in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{role}_NAME"), "Replay");
        git.env(format!("GIT_{role}_EMAIL"), "replay@example.org");
        git.env(format!("GIT_{role}_DATE"), "2026-01-01T00:00:00Z");
    }
    run(git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null"))?;
    Ok(fs_err::rename(beside.keep(), tree)?)
}

fn run(mut command: impl std::borrow::BorrowMut<Command>) -> anyhow::Result<()> {
    let command = command.borrow_mut();
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{command:?}` ended with {}: {said}", output.status);
    Ok(())
}
