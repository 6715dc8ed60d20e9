//! Where native commands run: namespaces of their own, or, where the host allows none, the host.
#![expect(clippy::disallowed_methods, reason = "the native side runs on the host")]

use super::{GIT_CONFIG, TESTBED, VARIABLES};
use anyhow::{Context as _, bail, ensure};
use playpen_runtime::{EntryKind, Tree};
use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Mounts what both sides share and runs the command.
const ENTER: &str = include_str!("enter.sh");

/// Programs of the image that are Python scripts of few lines, which the native side is given too.
const SCRIPTS: &[&str] = &["pytest", "py.test"];

/// Names under which CPython is started.
const PYTHONS: &[&str] = &["python", "python3", "python3.13"];

/// Where native commands run.
#[derive(Debug)]
pub struct Place {
    scratch: PathBuf,
    python: Option<PathBuf>,
    hostname: String,
    is_isolated: bool,
    /// Held as long as this process has `/testbed` for itself.
    lock: Option<std::fs::File>,
}

impl Place {
    /// Prepares it below `scratch`. `python` is the program of a native CPython and `image` the file
    /// tree of the image, for the scripts beside it.
    ///
    /// # Errors
    ///
    /// Fails if `/testbed` is not there and cannot be made, or holds something.
    pub fn new(scratch: &Path, python: Option<&Path>, image: &Tree) -> anyhow::Result<Self> {
        make_testbed()?;
        let root = python.and_then(Path::parent).and_then(Path::parent).map(Path::to_owned);
        let hostname = image
            .read("etc/hostname")
            .map_or("playpen".to_owned(), |name| String::from_utf8_lossy(&name).trim().to_owned());
        let mut place = Self {
            scratch: scratch.to_owned(),
            python: root,
            hostname,
            is_isolated: true,
            lock: None,
        };
        fs_err::write(scratch.join("enter.sh"), ENTER)?;
        fs_err::write(scratch.join("gitconfig"), GIT_CONFIG)?;
        fs_err::create_dir_all(scratch.join("usr/local/lib/python3.13"))?;
        let empty = scratch.join("empty");
        fs_err::create_dir_all(&empty)?;
        let probe = place.isolated(&empty, "pwd").stderr(Stdio::null()).output();
        if !probe.is_ok_and(|output| output.stdout == format!("{TESTBED}\n").as_bytes()) {
            place.is_isolated = false;
            place.lock = Some(take_testbed()?);
        }
        place.lay_over(python, image)?;
        Ok(place)
    }

    /// Tells whether commands run in namespaces, and cannot reach the host's files or network.
    pub fn is_isolated(&self) -> bool {
        self.is_isolated
    }

    /// Returns where trees belong: `/testbed` itself, or any folder that is shown there.
    pub fn tree_folder(&self, name: &str) -> PathBuf {
        if self.is_isolated { self.scratch.join(name) } else { PathBuf::from(TESTBED) }
    }

    /// Returns what runs `command` in bash on the tree at `folder`.
    pub fn bash(&self, folder: &Path, command: &str) -> Command {
        let mut program =
            if self.is_isolated { self.isolated(folder, command) } else { self.direct(command) };
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        program
    }

    fn isolated(&self, folder: &Path, command: &str) -> Command {
        let mut program = Command::new("unshare");
        program.env_clear().envs(VARIABLES.iter().copied());
        program.args(["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]);
        program.args(["--mount-proc", "--propagation", "private"]);
        if !rustix::process::getuid().is_root() {
            program.arg("--map-root-user");
        }
        program.arg("bash").arg(self.scratch.join("enter.sh")).arg(folder);
        program.arg(self.scratch.join("usr"));
        program.arg(self.python.as_deref().unwrap_or(Path::new("")));
        program.arg(self.scratch.join("gitconfig")).arg(&self.hostname).arg(command);
        program
    }

    fn direct(&self, command: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut program = Command::new("bash");
        program.env_clear().envs(VARIABLES.iter().copied());
        let bin = self.scratch.join("usr/local/bin");
        program.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
        program.env("GIT_CONFIG_GLOBAL", self.scratch.join("gitconfig"));
        program.args(["--norc", "--noprofile", "-c", command]);
        program.current_dir(TESTBED).process_group(0);
        program
    }

    /// Makes what is laid over `/usr`: the native CPython at the places that it has in the image.
    fn lay_over(&self, python: Option<&Path>, image: &Tree) -> anyhow::Result<()> {
        let (bin, local) = (self.scratch.join("usr/bin"), self.scratch.join("usr/local/bin"));
        fs_err::create_dir_all(&bin)?;
        fs_err::create_dir_all(&local)?;
        fs_err::create_dir_all(self.scratch.join("usr/local/lib/python3.13"))?;
        let Some(python) = python else { return Ok(()) };
        fs_err::copy(python, local.join("python3.13.bin"))?;
        // As in the image: in /usr/bin. What the host has in /usr/local/bin would come first in PATH.
        let is_shadowed = |name: &str| Path::new("/usr/local/bin").join(name).exists();
        for name in PYTHONS {
            fs_err::os::unix::fs::symlink("../local/bin/python3.13.bin", bin.join(name))?;
            if is_shadowed(name) || !self.is_isolated {
                fs_err::os::unix::fs::symlink("python3.13.bin", local.join(name))?;
            }
        }
        for name in SCRIPTS {
            let is_script = image.walk().iter().any(|entry| {
                entry.path == format!("usr/bin/{name}") && entry.kind == EntryKind::File
            });
            if is_script {
                let file = bin.join(name);
                fs_err::write(&file, image.read(&format!("usr/bin/{name}"))?)?;
                fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
                if is_shadowed(name) || !self.is_isolated {
                    fs_err::copy(&file, local.join(name))?;
                }
            }
        }
        Ok(())
    }
}

/// Makes `/testbed` where it is not there.
fn make_testbed() -> anyhow::Result<()> {
    match fs_err::create_dir(TESTBED) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            ensure!(Path::new(TESTBED).is_dir(), "`{TESTBED}` is no directory: move it away");
            Ok(())
        }
        Err(error) => Err(error).with_context(|| {
            format!("failed to make `{TESTBED}`, where recorded commands expect their tree: run `sudo mkdir {TESTBED} && sudo chown $USER {TESTBED}` once")
        }),
    }
}

/// Takes `/testbed` for this process alone, empty.
fn take_testbed() -> anyhow::Result<std::fs::File> {
    let folder = std::fs::File::open(TESTBED)?;
    if rustix::fs::flock(&folder, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another replay uses `{TESTBED}`, and this host has no namespaces to keep them apart"
        );
    }
    let is_empty = fs_err::read_dir(TESTBED)?.next().is_none();
    ensure!(is_empty, "`{TESTBED}` is not empty: move what is in it away, it would be changed");
    Ok(folder)
}
