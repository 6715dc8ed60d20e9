//! The native counterparts: programs of the host, started with `posix_spawn` and waited for.
#![expect(clippy::disallowed_methods, reason = "the native side of a bench runs on the host")]

use super::{Bench, Machine};
use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
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
    /// A folder for the static program cannot be made.
    #[error("failed to make a folder for a static program")]
    Folder(#[source] io::Error),
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
    args: &'static [&'static str],
    expected: &'static str,
    what: String,
    /// Where the program is, if it was made for this bench.
    _folder: Option<TempDir>,
}

impl NativeProgram {
    /// Finds or makes the counterpart of a bench.
    pub(super) fn new(bench: Bench, machine: &Machine) -> Result<Self, NativeError> {
        let (_, args, expected) = bench.command();
        let (program, what, folder) = match bench {
            Bench::Python => {
                let python = machine.native_python.clone().ok_or(NativeError::NoPython)?;
                (python, "native CPython of the same sources".to_owned(), None)
            }
            Bench::Exec => match machine.cc.as_deref().map(static_program).transpose()?.flatten() {
                Some((folder, program)) => (program, "static C program".to_owned(), Some(folder)),
                None => (PathBuf::from("/bin/true"), "/bin/true (dynamic)".to_owned(), None),
            },
        };
        Ok(Self { program, args, expected, what, _folder: folder })
    }

    /// Says what is executed.
    pub(super) fn what(&self) -> String {
        self.what.clone()
    }

    /// Executes the program once, with its output read as the sandbox reads it.
    pub(super) fn run(&self) -> Result<Duration, NativeError> {
        let started = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(self.args).stdin(Stdio::null()).stderr(Stdio::null());
        let (status, stdout) = if self.expected.is_empty() {
            command.stdout(Stdio::null()).status().map(|status| (status, vec![]))
        } else {
            command.output().map(|output| (output.status, output.stdout))
        }
        .map_err(|source| NativeError::Start { program: self.program.clone(), source })?;
        let took = started.elapsed();
        if status.success() && stdout == self.expected.as_bytes() {
            return Ok(took);
        }
        Err(NativeError::Wrong {
            program: self.program.clone(),
            status: status.to_string(),
            output: String::from_utf8_lossy(&stdout).into_owned(),
        })
    }
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
