//! The native counterparts: programs of the host, started with `posix_spawn` and waited for.
#![expect(clippy::disallowed_methods, reason = "the native side of a bench runs on the host")]

use super::{
    Machine,
    case::{Case, NINE_TESTS, NINE_TESTS_NAME, Work},
};
use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{ExportError, Tree};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use thiserror::Error;

/// The smallest program there is in C.
const NOTHING: &str = "int main(void) { return 0; }\n";

/// Why a native program could not be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NativeError {
    /// There is no CPython of the same version to compare with.
    #[error("there is no native CPython in the home; `playpen image build` makes it")]
    NoPython,
    /// A folder for the comparison cannot be made, or not emptied.
    #[error("failed to make or empty a folder for a bench")]
    Folder(#[source] io::Error),
    /// Files cannot be written into a folder for the comparison.
    #[error("failed to write the files of a bench")]
    Export(#[source] ExportError),
    /// A program cannot be started.
    #[error("failed to start `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program did something else than it should, so that its time means nothing.
    #[error("`{}` ended with {status} and wrote `{output}`", program.display())]
    Wrong {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// What it wrote.
        output: String,
    },
}

/// A program of the host.
#[derive(Debug)]
pub(super) struct NativeProgram {
    program: PathBuf,
    args: Vec<OsString>,
    what: String,
    /// Where the program starts.
    cwd: Option<PathBuf>,
    /// The folder made for this comparison: of the program, or for what it writes.
    folder: Option<TempDir>,
    /// Whether each execution leaves a folder `copy` behind that has to go.
    copies: bool,
}

impl NativeProgram {
    /// Finds or makes the counterpart of a comparison.
    pub(super) fn new(case: &Case, machine: &Machine) -> Result<Self, NativeError> {
        let plain = |program: PathBuf, args: &[&str], what: &str| Self {
            program,
            args: args.iter().map(OsString::from).collect(),
            what: what.to_owned(),
            cwd: None,
            folder: None,
            copies: false,
        };
        match case.work {
            Work::Nothing => {
                Ok(match machine.cc.as_deref().map(static_program).transpose()?.flatten() {
                    Some((folder, program)) => {
                        Self { folder: Some(folder), ..plain(program, &[], "static C program") }
                    }
                    None => plain(PathBuf::from("/bin/true"), &[], "/bin/true (dynamic)"),
                })
            }
            Work::Shell(line) => {
                let bash = plain(PathBuf::from("bash"), &["-c", line], &format!("bash -c {line}"));
                Ok(Self { cwd: machine.folder.clone(), ..bash })
            }
            Work::Python(program) => {
                let python = machine.native_python.clone().ok_or(NativeError::NoPython)?;
                Ok(plain(python, &["-c", program], "native CPython of the same sources"))
            }
            Work::Pytest => Self::pytest(machine),
            Work::Fork => Self::copy(machine),
        }
    }

    /// Runs the nine tests in a folder of their own.
    fn pytest(machine: &Machine) -> Result<Self, NativeError> {
        let folder = tempfile::tempdir().map_err(NativeError::Folder)?;
        fs_err::write(folder.path().join(NINE_TESTS_NAME), NINE_TESTS)
            .map_err(NativeError::Folder)?;
        Ok(Self {
            program: machine.native_python.clone().ok_or(NativeError::NoPython)?,
            args: ["-m", "pytest", "-q", NINE_TESTS_NAME].map(OsString::from).to_vec(),
            what: "pytest in native CPython of the same sources".to_owned(),
            cwd: Some(folder.path().to_owned()),
            folder: Some(folder),
            copies: false,
        })
    }

    /// Runs Python with `args` in a new folder with the files of `tree`.
    pub(super) fn on_tree(
        machine: &Machine,
        tree: &Tree,
        args: &[&str],
    ) -> Result<Self, NativeError> {
        let folder = exported(tree)?;
        Ok(Self {
            program: machine.native_python.clone().ok_or(NativeError::NoPython)?,
            args: args.iter().map(OsString::from).collect(),
            what: format!("python {} in native CPython of the same sources", args.join(" ")),
            cwd: Some(folder.path().to_owned()),
            folder: Some(folder),
            copies: false,
        })
    }

    /// Runs a line of bash in a new folder with the files of `tree`.
    pub(super) fn shell(tree: &Tree, line: &str) -> Result<Self, NativeError> {
        let folder = exported(tree)?;
        Ok(Self {
            program: PathBuf::from("bash"),
            args: ["-c", line].map(OsString::from).to_vec(),
            what: format!("bash -c {line}"),
            cwd: Some(folder.path().to_owned()),
            folder: Some(folder),
            copies: false,
        })
    }

    /// Copies the folder of the machine with `cp -a`.
    fn copy(machine: &Machine) -> Result<Self, NativeError> {
        let source = machine.folder.as_ref().ok_or(NativeError::NoPython)?;
        let folder = tempfile::tempdir().map_err(NativeError::Folder)?;
        let target = folder.path().join("copy");
        let args = vec!["-a".into(), source.into(), target.into()];
        Ok(Self {
            program: PathBuf::from("cp"),
            args,
            what: "cp -a of its folder".to_owned(),
            cwd: None,
            folder: Some(folder),
            copies: true,
        })
    }

    /// Says what is executed.
    pub(super) fn what(&self) -> String {
        self.what.clone()
    }

    /// Executes the program once, with its output read as the sandbox reads it.
    pub(super) fn run(&self) -> Result<(Duration, Vec<u8>), NativeError> {
        let fail = |source| NativeError::Start { program: self.program.clone(), source };
        let started = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stderr(Stdio::null()).env("LC_ALL", "C");
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        let Output { status, stdout, .. } = command.output().map_err(fail)?;
        let took = started.elapsed();
        if let Some(folder) = self.folder.as_ref().filter(|_| self.copies) {
            fs_err::remove_dir_all(folder.path().join("copy")).map_err(NativeError::Folder)?;
        }
        if status.success() {
            return Ok((took, stdout));
        }
        Err(NativeError::Wrong {
            program: self.program.clone(),
            status: status.to_string(),
            output: String::from_utf8_lossy(&stdout).into_owned(),
        })
    }
}

/// Returns a new folder with the files of a tree.
fn exported(tree: &Tree) -> Result<TempDir, NativeError> {
    let folder = tempfile::tempdir().map_err(NativeError::Folder)?;
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority());
    tree.export(&dir.map_err(NativeError::Folder)?).map_err(NativeError::Export)?;
    Ok(folder)
}

/// Compiles a static program that does nothing; none if this compiler cannot.
fn static_program(cc: &Path) -> Result<Option<(TempDir, PathBuf)>, NativeError> {
    let folder = tempfile::tempdir().map_err(NativeError::Folder)?;
    let (source, program) = (folder.path().join("nothing.c"), folder.path().join("nothing"));
    fs_err::write(&source, NOTHING).map_err(NativeError::Folder)?;
    let mut command = Command::new(cc);
    command.args(["-O2", "-static", "-o"]).arg(&program).arg(&source);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_made = command.status().is_ok_and(|status| status.success());
    Ok(is_made.then_some((folder, program)))
}
