//! A folder of the host to work in, and playpen run in it.
#![expect(clippy::unwrap_used, reason = "a test cannot go on without its folder")]

use crate::program::{Ended, Program};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that goes away with the test.
#[derive(Debug)]
pub struct Folder {
    program: &'static str,
    folder: TempDir,
}

impl Folder {
    /// Makes a folder; `program` is playpen.
    pub fn new(program: &'static str) -> Self {
        Self { program, folder: tempfile::tempdir().unwrap() }
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let target = self.path().join(path);
        fs_err::create_dir_all(target.parent().unwrap()).unwrap();
        fs_err::write(target, content).unwrap();
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        fs_err::os::unix::fs::symlink(target, self.path().join(path)).unwrap();
        self
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns where a file in it is.
    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Returns the text of a file.
    pub fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.join(path)).unwrap()
    }

    /// Returns playpen, to be run in this folder.
    pub fn playpen<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Program {
        Program::new(self.program).args(args).cwd(self.path())
    }

    /// Runs a command in a sandbox with this folder as its workspace.
    pub fn run(&self, command: &[&str]) -> Ended {
        self.playpen(["run", "--quiet", "--"]).args(command).run()
    }

    /// Runs a command with limits and other flags, and returns the result as JSON.
    pub fn run_json(&self, flags: &[&str], command: &[&str]) -> Value {
        let program = self.playpen(["run", "--json"]).args(flags).args(["--"]).args(command);
        program.run().json()
    }

    /// Runs a command and returns the denied events of its audit record.
    pub fn denied(&self, flags: &[&str], command: &[&str]) -> (Ended, Vec<Value>) {
        let audit = tempfile::NamedTempFile::new().unwrap();
        let path = audit.path().to_str().unwrap();
        let program = self.playpen(["run", "--quiet", "--audit", path]).args(flags);
        let ended = program.args(["--"]).args(command).run();
        let events = fs_err::read_to_string(path).unwrap();
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        (ended, events.filter(|event| event["decision"] == "denied").collect())
    }
}
