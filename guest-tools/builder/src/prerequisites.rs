//! Programs of the host that the steps need, and how to get one that is missing.

use std::path::{Path, PathBuf};

/// A program that steps call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tool {
    Bash,
    Cc,
    Make,
    Xz,
    Tar,
    Python,
    Cargo,
    AptGet,
}

/// A missing program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The program.
    pub name: &'static str,
    /// What the build does with it.
    pub used_for: &'static str,
    /// A command or a place.
    pub how_to_get: &'static str,
}

impl Tool {
    fn describe(self) -> Missing {
        let (name, used_for, how_to_get) = match self {
            Self::Bash => ("bash", "runs the build's steps", "apt-get install bash"),
            Self::Cc => {
                ("cc", "compiles CPython for this machine", "apt-get install gcc libc6-dev")
            }
            Self::Make => ("make", "builds CPython", "apt-get install make"),
            Self::Xz => ("xz", "unpacks source tarballs", "apt-get install xz-utils"),
            Self::Tar => ("tar", "unpacks source tarballs", "apt-get install tar"),
            Self::Python => (
                "python3",
                "3.9 or later with pip or venv: fetches the C compiler and pytest from PyPI",
                "apt-get install python3-pip",
            ),
            Self::Cargo => ("cargo", "builds the Rust guests; 1.95 or later", "https://rustup.rs"),
            Self::AptGet => (
                "apt-get",
                "fetches the sources of CPython, zlib, bzip2 and xz",
                "without apt, put the upstream tarballs that guest-tools/README.md lists into a folder and set PLAYPEN_SOURCES to it",
            ),
        };
        Missing { name, used_for, how_to_get }
    }
}

/// The tools of `wanted` that are not in the folders of `path`.
pub(crate) fn missing(
    wanted: &[Tool],
    path: &[PathBuf],
    runs: impl Fn(&Path, &[&str]) -> bool,
) -> Vec<Missing> {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    wanted.into_iter().filter(|tool| !present(*tool, path, &runs)).map(Tool::describe).collect()
}

fn present(tool: Tool, path: &[PathBuf], runs: &impl Fn(&Path, &[&str]) -> bool) -> bool {
    let Some(program) = find(tool.describe().name, path) else { return false };
    if tool != Tool::Python {
        return true;
    }
    let version = "import sys; sys.exit(sys.version_info < (3, 9))";
    runs(&program, &["-c", version])
        && (runs(&program, &["-m", "pip", "--version"])
            || runs(&program, &["-c", "import venv, ensurepip"]))
}

fn find(name: &str, path: &[PathBuf]) -> Option<PathBuf> {
    path.iter().map(|dir| dir.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir_with(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs_err::write(dir.path().join(name), "").unwrap();
        }
        dir
    }

    #[test]
    fn names_each_missing_program_once() {
        let dir = dir_with(&["bash", "make"]);
        let wanted = [Tool::Make, Tool::Cc, Tool::Bash, Tool::Cc, Tool::Xz];
        let names: Vec<_> = missing(&wanted, &[dir.path().into()], |_, _| true)
            .into_iter()
            .map(|m| m.name)
            .collect();
        assert_eq!(names, ["cc", "xz"]);
    }

    #[test]
    fn python_without_pip_and_venv_is_missing() {
        let dir = dir_with(&["python3"]);
        let path = [dir.path().to_owned()];
        let without_pip =
            |_: &Path, args: &[&str]| args[0] == "-c" && args[1].contains("version_info");
        assert_eq!(missing(&[Tool::Python], &path, without_pip).len(), 1);
        let with_venv = |_: &Path, args: &[&str]| args[0] == "-c";
        assert_eq!(missing(&[Tool::Python], &path, with_venv), []);
    }

    #[test]
    fn the_error_says_what_for_and_how_to_get_it() {
        let error =
            crate::BuildError::Prerequisites(missing(&[Tool::Xz, Tool::Cc], &[], |_, _| true));
        assert_eq!(
            error.to_string(),
            "the guests cannot be built without `cc` (compiles CPython for this machine), `xz` (unpacks source tarballs)"
        );
        assert_eq!(
            error.hint().unwrap(),
            "cc: apt-get install gcc libc6-dev; xz: apt-get install xz-utils"
        );
    }
}
