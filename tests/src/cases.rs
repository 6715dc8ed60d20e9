//! Shell commands compared with native bash.
//!
//! A file of cases says which files there are and which commands run on them (see
//! `cases/shell.toml`). Each command runs twice, each time on a fresh copy: natively in bash, and in
//! a sandbox whose changes are written back. Stdout, exit code and the files afterwards must agree.

use crate::program::{Ended, Program};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use walkdir::WalkDir;

/// A file of cases.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// What native bash runs once where the files are.
    #[serde(default)]
    pub setup: String,
    /// The content of each file.
    pub files: BTreeMap<String, String>,
    /// The commands.
    pub case: Vec<Case>,
}

/// One command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What a report calls it.
    pub name: String,
    /// The text that `bash -c` gets.
    pub command: String,
    /// Why the sandbox is known to do something else.
    #[serde(default)]
    pub differs: Option<String>,
    /// Programs without which there is nothing to compare with.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// Cases with their files in place.
#[derive(Debug)]
pub struct Cases {
    program: PathBuf,
    pristine: TempDir,
    list: Vec<Case>,
    left_out: Vec<String>,
}

impl Cases {
    /// Reads a file of cases and makes its files; `program` is playpen.
    ///
    /// # Errors
    ///
    /// Fails if the file is not one of cases, or if its set-up does not work.
    pub fn open(program: &Path, file: &Path) -> anyhow::Result<Self> {
        let text = fs_err::read_to_string(file)?;
        let parsed: CaseFile = toml::from_str(&text)
            .with_context(|| format!("failed to read cases from `{}`", file.display()))?;
        let pristine = tempfile::tempdir()?;
        for (path, content) in &parsed.files {
            let target = pristine.path().join(path);
            fs_err::create_dir_all(target.parent().unwrap_or(pristine.path()))?;
            fs_err::write(target, content)?;
        }
        let ended = bash(&parsed.setup).cwd(pristine.path()).run();
        ensure!(ended.code == 0, "the set-up failed: {ended:?}");
        let (list, left_out): (Vec<Case>, Vec<Case>) =
            parsed.case.into_iter().partition(|case| case.needs.iter().all(|it| is_here(it)));
        let left_out = left_out.into_iter().map(|case| case.name).collect();
        Ok(Self { program: program.to_owned(), pristine, list, left_out })
    }

    /// Returns the cases.
    pub fn iter(&self) -> impl Iterator<Item = &Case> {
        self.list.iter()
    }

    /// Returns the names of the cases whose programs this machine lacks.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Runs a case both ways; returns what is wrong, or `None` if it agrees or is known not to.
    ///
    /// # Errors
    ///
    /// Fails if the files cannot be copied or compared.
    pub fn verdict(&self, case: &Case) -> anyhow::Result<Option<String>> {
        let difference = self.difference(case)?;
        Ok(match (difference, &case.differs) {
            (Some(_), Some(_)) | (None, None) => None,
            (Some(difference), None) => Some(difference),
            (None, Some(reason)) => Some(format!("agrees, though it is marked: {reason}")),
        })
    }

    /// Runs a case both ways and returns what differs, or `None`.
    ///
    /// # Errors
    ///
    /// Fails if the files cannot be copied or compared.
    pub fn difference(&self, case: &Case) -> anyhow::Result<Option<String>> {
        let native = self.copy()?;
        let expected = bash(&case.command).cwd(native.path()).run();
        let sandboxed = self.copy()?;
        let found = self.sandboxed(&case.command, sandboxed.path());
        if (found.code, &found.stdout) != (expected.code, &expected.stdout) {
            return Ok(Some(format!("expected {expected:?}\nfound {found:?}")));
        }
        let (expected, found) = (files(native.path())?, files(sandboxed.path())?);
        Ok((expected != found).then(|| changed_differently(&expected, &found)))
    }

    fn copy(&self) -> anyhow::Result<TempDir> {
        let folder = tempfile::tempdir()?;
        let source = format!("{}/.", self.pristine.path().display());
        let copied = Program::new("cp").args(["-a", &source]).args([folder.path()]).run();
        ensure!(copied.code == 0, "failed to copy the files: {copied:?}");
        Ok(folder)
    }

    fn sandboxed(&self, command: &str, folder: &Path) -> Ended {
        let args =
            ["run", "--quiet", "--apply", "--env", "LC_ALL=C.UTF-8", "--", "bash", "-c", command];
        Program::new(&self.program).args(args).cwd(folder).run()
    }
}

/// Whether the machine has a program.
fn is_here(program: &str) -> bool {
    bash(&format!("command -v {program}")).run().code == 0
}

fn bash(command: &str) -> Program {
    let bash = Program::new("bash").args(["--norc", "--noprofile", "-c", command]);
    bash.env("LC_ALL", "C.UTF-8")
        .env("HOME", "/home/user")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("TZ", "UTC")
}

/// Returns every file and link of `folder` with its content.
fn files(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let entries =
        WalkDir::new(folder).into_iter().filter_entry(|entry| !is_made_aside(entry.file_name()));
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path().strip_prefix(folder)?.to_owned();
        let content = if entry.file_type().is_symlink() {
            fs_err::read_link(entry.path())?.into_os_string().into_encoded_bytes()
        } else if entry.file_type().is_file() && !is_archive(entry.path()) {
            fs_err::read(entry.path())?
        } else {
            vec![]
        };
        files.insert(path, content);
    }
    Ok(files)
}

/// Folders whose insides may differ: two gits pack and number in their own ways, and two versions of
/// Python name their compiled files differently.
fn is_made_aside(name: &OsStr) -> bool {
    name == ".git" || name == "__pycache__"
}

/// Archives hold times and owners; what is in them is for the commands to compare.
fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["gz", "tgz", "tar", "zip", "bz2", "xz", "z"].iter().any(|it| extension == *it)
    })
}

fn changed_differently(
    expected: &BTreeMap<PathBuf, Vec<u8>>,
    found: &BTreeMap<PathBuf, Vec<u8>>,
) -> String {
    let paths = expected.keys().chain(found.keys());
    let mut lines: Vec<String> = paths
        .filter(|path| expected.get(*path) != found.get(*path))
        .map(|path| {
            let shown = |content: Option<&Vec<u8>>| {
                content
                    .map_or("absent".to_owned(), |it| format!("{:?}", String::from_utf8_lossy(it)))
            };
            let (expected, found) = (expected.get(path), found.get(path));
            format!("{}: expected {}, found {}", path.display(), shown(expected), shown(found))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines.join("\n")
}
