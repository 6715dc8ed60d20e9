//! The native side: the CPython that the image builder made for this machine.

use super::{
    fetch::Fetched,
    measured::measured,
    run::{Part, Side, Timeouts},
};
use crate::program::Program;
use anyhow::ensure;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// A package on this machine.
#[derive(Debug)]
pub struct Native<'a> {
    /// The interpreter.
    pub python: &'a Path,
    /// The package.
    pub fetched: &'a Fetched,
    /// Programs that the sandbox has too; tests find no others.
    pub programs: &'a BTreeSet<String>,
}

impl Side for Native<'_> {
    fn start(&self, args: &[String], skip: Option<&[u8]>, left: Timeouts) -> anyhow::Result<Part> {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        for name in ["home", "tmp", "suite", "bin"] {
            fs_err::create_dir(place(name))?;
        }
        copy(&self.fetched.source, &place("workspace"))?;
        fs_err::write(place("suite").join("suite_report.py"), super::PLUGIN)?;
        self.link_programs(&place("bin"))?;
        let program = self.program(folder.path(), skip)?;
        let mut command = vec![self.python.as_os_str().to_owned()];
        command.extend(args.iter().map(Into::into));
        let program = program.cwd(&place("workspace"));
        let (used, ended) = measured(program, folder.path(), &place("report"), left, &command)?;
        Ok(Part {
            lines: fs_err::read(place("report")).unwrap_or_default(),
            code: used.code,
            hung: used.hung,
            cpu_us: used.cpu_us,
            peak_bytes: used.peak_bytes,
            output: ended.out() + &ended.err(),
        })
    }
}

impl Native<'_> {
    /// Makes a folder with the programs of this machine that the sandbox has too.
    fn link_programs(&self, bin: &Path) -> anyhow::Result<()> {
        let folders = ["/usr/local/bin", "/usr/bin", "/bin"];
        for name in self.programs {
            let is_python = name.starts_with("python") || name.starts_with("pip");
            let mut found = folders.iter().map(|folder| Path::new(folder).join(name));
            if let Some(program) = found.find(|path| path.is_file()).filter(|_| !is_python) {
                fs_err::os::unix::fs::symlink(program, bin.join(name))?;
            }
        }
        for name in ["python", "python3", "python3.13"] {
            fs_err::os::unix::fs::symlink(self.python, bin.join(name))?;
        }
        Ok(())
    }

    /// Returns the interpreter with the variables that a sandbox has.
    fn program(&self, folder: &Path, skip: Option<&[u8]>) -> anyhow::Result<Program> {
        let place = |name: &str| folder.join(name);
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let site = self.fetched.site.to_string_lossy();
        let mut program = Program::bare(self.python);
        for (name, value) in super::variables() {
            program = program.env(name, value);
        }
        if let Some(skip) = skip {
            fs_err::write(place("skip"), skip)?;
            program = program.env("SUITE_SKIP", place("skip"));
        }
        Ok(program
            .env("HOME", place("home"))
            .env("PATH", place("bin"))
            .env("PYTHONPATH", format!("{site}:{}", text(place("suite"))))
            .env("SUITE_REPORT", place("report"))
            .env("TMPDIR", place("tmp")))
    }
}

fn copy(source: &Path, target: &Path) -> anyhow::Result<()> {
    let ended = Program::new("cp").args(["-a"]).args([source, target]).run();
    ensure!(ended.code == 0, "failed to copy the source distribution: {}", ended.err());
    Ok(())
}
