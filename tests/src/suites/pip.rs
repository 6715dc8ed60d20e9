//! pip of this machine, asked for pure Python only.
//!
//! A wheel for any platform is taken as it is. What has none is built from its source with the C compiler
//! switched off, since many packages have an extension that they can do without; a wheel that holds
//! native code all the same is refused by name.

use crate::program::{Ended, Program};
use anyhow::{Context as _, bail, ensure};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How long one call of pip may take.
const DEADLINE: Duration = Duration::from_mins(5);

/// Packages without a pure wheel that one resolution may meet.
const N_BUILDS_MAX: usize = 16;

/// What makes builds leave their extension modules out.
const PURE: &[(&str, &str)] = &[
    ("CC", "false"),
    ("CXX", "false"),
    ("AIOHTTP_NO_EXTENSIONS", "1"),
    ("DISABLE_SQLALCHEMY_CEXT", "1"),
    ("FROZENLIST_NO_EXTENSIONS", "1"),
    ("MSGPACK_PUREPYTHON", "1"),
    ("MULTIDICT_NO_EXTENSIONS", "1"),
    ("MYPYC_ENABLED", "0"),
    ("PROPCACHE_NO_EXTENSIONS", "1"),
    ("PURE_PYTHON", "1"),
    ("PYYAML_FORCE_LIBYAML", "0"),
    ("SETUPTOOLS_USE_DISTUTILS", "local"),
    ("TORNADO_EXTENSION", "0"),
    ("WRAPT_INSTALL_EXTENSIONS", "false"),
    ("YARL_NO_EXTENSIONS", "1"),
];

/// How a wheel that runs anywhere is asked for.
const ANY_PLATFORM: &[&str] = &[
    "--only-binary=:all:",
    "--platform=any",
    "--implementation=py",
    "--abi=none",
    "--python-version=3.13",
];

/// A pip, and a folder for what it builds.
#[derive(Debug)]
pub(super) struct Pip {
    python: PathBuf,
    wheels: PathBuf,
}

impl Pip {
    /// Finds a pip: that of a Python 3.13, else that of `python3`, else one of a venv in `folder`.
    ///
    /// # Errors
    ///
    /// Fails where there is none and none can be made.
    pub(super) fn find(folder: &Path) -> anyhow::Result<Self> {
        let wheels = folder.join("wheels");
        fs_err::create_dir_all(&wheels)?;
        let venv = folder.join("pip/bin/python");
        let candidates = [PathBuf::from("python3.13"), PathBuf::from("python3"), venv.clone()];
        if let Some(python) = candidates.into_iter().find(|python| has_pip(python)) {
            return Ok(Self { python, wheels });
        }
        let made = Program::new("python3").args(["-m", "venv"]).args([&folder.join("pip")]);
        let made = made.deadline(DEADLINE).try_run().context("failed to run `python3`")?;
        ensure!(made.is_some_and(|it| it.code == 0) && has_pip(&venv), "there is no pip here");
        Ok(Self { python: venv, wheels })
    }

    /// Gets the source distribution of a package, checked against its hash if there is one.
    ///
    /// # Errors
    ///
    /// Fails if there is none, or if it is another one.
    pub(super) fn sdist(
        &self,
        requirement: &str,
        sha256: Option<&str>,
        folder: &Path,
    ) -> anyhow::Result<()> {
        fs_err::create_dir_all(folder)?;
        let hash = sha256.map_or(String::new(), |sha256| format!(" --hash=sha256:{sha256}"));
        let pin = folder.join("requirement.txt");
        fs_err::write(&pin, format!("{requirement}{hash}\n"))?;
        let from_source = from_source(requirement);
        let pip = self.program("download").args(["--no-deps", &from_source, "--dest"]);
        succeed(pip.args([folder]).args(["--requirement"]).args([&pin]).cwd(folder))?;
        fs_err::remove_file(pin)?;
        Ok(())
    }

    /// Installs packages and what they depend on into a folder.
    ///
    /// # Errors
    ///
    /// Fails if something is not to be had as pure Python.
    pub(super) fn install(
        &self,
        requirements: &[String],
        constraints: &Path,
        target: &Path,
    ) -> anyhow::Result<()> {
        let mut built: Vec<String> = vec![];
        loop {
            let pip = self.program("install").args(["--no-compile", "--find-links"]);
            let pip = pip.args([&self.wheels]).args(ANY_PLATFORM).args(["--constraint"]);
            let pip = pip.args([constraints]).args(["--target"]).args([target]);
            let ended = run(pip.args(requirements))?;
            if ended.code == 0 {
                return Ok(());
            }
            match missing(&ended.err()) {
                Some(wanted) if !built.contains(&wanted) && built.len() < N_BUILDS_MAX => {
                    self.build(&wanted)?;
                    built.push(wanted);
                }
                _ => bail!("pip: {}", last_error(&ended)),
            }
        }
    }

    /// Builds a wheel without native code from a source distribution.
    fn build(&self, requirement: &str) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let from_source = from_source(requirement);
        let mut pip = self.program("wheel").args(["--no-deps", &from_source, "--wheel-dir"]);
        for (name, value) in PURE {
            pip = pip.env(name, value);
        }
        succeed(pip.args([folder.path()]).args([requirement])).with_context(|| {
            format!("`{requirement}` has no pure wheel, and building one failed")
        })?;
        for wheel in fs_err::read_dir(folder.path())? {
            self.take(&wheel?.path())?;
        }
        Ok(())
    }

    /// Takes a wheel that was built here, under the name of one for any platform.
    fn take(&self, wheel: &Path) -> anyhow::Result<()> {
        let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let list = Program::new(&self.python).args(["-m", "zipfile", "-l"]).args([wheel]);
        let list = run(list)?.out();
        let native = list.lines().filter_map(|line| line.split_whitespace().next());
        if let Some(native) = native.into_iter().find(|path| is_native(path)) {
            bail!(
                "the wheel `{name}` has native code (`{native}`), which cannot run in the sandbox"
            );
        }
        let stem: Vec<&str> = name.trim_end_matches(".whl").split('-').collect();
        let [package, version, ..] = stem.as_slice() else { bail!("not a wheel: `{name}`") };
        fs_err::copy(wheel, self.wheels.join(format!("{package}-{version}-py3-none-any.whl")))?;
        Ok(())
    }

    fn program(&self, command: &str) -> Program {
        let options = ["--disable-pip-version-check", "--no-input", "--quiet"];
        let pip = Program::new(&self.python).args(["-m", "pip", command]).args(options);
        pip.deadline(DEADLINE)
    }
}

/// Says that a package is to come from its source, and what its build needs may come as it is.
fn from_source(requirement: &str) -> String {
    format!("--no-binary={}", super::fetch::name_of(requirement))
}

fn has_pip(python: &Path) -> bool {
    let ended = Program::new(python).args(["-m", "pip", "--version"]).try_run();
    ended.is_ok_and(|ended| ended.is_some_and(|ended| ended.code == 0))
}

fn run(program: Program) -> anyhow::Result<Ended> {
    let ended = program.deadline(DEADLINE).try_run().context("failed to run pip")?;
    ended.with_context(|| format!("pip did not end within {} s", DEADLINE.as_secs()))
}

fn succeed(program: Program) -> anyhow::Result<()> {
    let ended = run(program)?;
    ensure!(ended.code == 0, "pip: {}", last_error(&ended));
    Ok(())
}

/// Returns what pip says is not to be had as a wheel for any platform.
fn missing(err: &str) -> Option<String> {
    let line =
        err.lines().find_map(|line| line.split("No matching distribution found for ").nth(1))?;
    Some(line.split(" (from").next().unwrap_or(line).trim().to_owned())
}

fn last_error(ended: &Ended) -> String {
    let err = ended.err();
    let lines: Vec<&str> = err.lines().filter(|line| !line.trim().is_empty()).collect();
    let errors: Vec<&str> = lines.iter().copied().filter(|line| line.contains("ERROR")).collect();
    let shown = if errors.is_empty() { &lines } else { &errors };
    shown.last().map_or_else(|| format!("exit {}", ended.code), |line| line.trim().to_owned())
}

fn is_native(path: &str) -> bool {
    [".so", ".pyd", ".dylib"].iter().any(|suffix| path.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn what_is_missing_is_read_from_the_error() {
        let err = "ERROR: Could not find a version that satisfies the requirement MarkupSafe>=2.0 \
                   (from jinja2) (from versions: none)\n\
                   ERROR: No matching distribution found for MarkupSafe>=2.0\n";
        assert_eq!(missing(err).as_deref(), Some("MarkupSafe>=2.0"));
    }
}
