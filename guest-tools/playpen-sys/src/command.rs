//! `std::process::Command`'s interface over the kernel's `proc_spawn`, for crates that use it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Error};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use crate::ENOEXEC;
use crate::files::pipe;
use crate::process::{ExitStatus, NOHANG, kill, spawn, wait};
use crate::signals;

/// Where a child's descriptor 0, 1 or 2 leads.
#[derive(Debug)]
pub enum Stdio {
    /// Where ours leads.
    Inherit,
    /// To `/dev/null`.
    Null,
    /// To a new pipe.
    Piped,
    /// To this file.
    File(File),
}

impl Stdio {
    /// As std's `Stdio::null`.
    pub fn null() -> Self {
        Self::Null
    }

    /// As std's `Stdio::inherit`.
    pub fn inherit() -> Self {
        Self::Inherit
    }

    /// As std's `Stdio::piped`.
    pub fn piped() -> Self {
        Self::Piped
    }
}

impl From<File> for Stdio {
    fn from(f: File) -> Self {
        Self::File(f)
    }
}

/// A program to start; what is not set is inherited.
#[derive(Debug)]
pub struct Command {
    argv: Vec<OsString>,
    clear: bool,
    env: Vec<(OsString, Option<OsString>)>,
    cwd: Option<PathBuf>,
    io: [Option<Stdio>; 3],
}

/// A started program, with our ends of its pipes.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    pub stdin: Option<File>,
    pub stdout: Option<File>,
    pub stderr: Option<File>,
}

/// What a finished program left behind.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Command {
    /// As std's `Command::new`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            argv: vec![program.as_ref().into()],
            clear: false,
            env: vec![],
            cwd: None,
            io: [None, None, None],
        }
    }

    /// As std's `Command::arg`.
    pub fn arg(&mut self, a: impl AsRef<OsStr>) -> &mut Self {
        self.argv.push(a.as_ref().into());
        self
    }

    /// As std's `Command::args`.
    pub fn args<S: AsRef<OsStr>>(&mut self, a: impl IntoIterator<Item = S>) -> &mut Self {
        self.argv.extend(a.into_iter().map(|x| x.as_ref().to_owned()));
        self
    }

    /// As std's `Command::env_clear`.
    pub fn env_clear(&mut self) -> &mut Self {
        self.clear = true;
        self.env.clear();
        self
    }

    /// As std's `Command::env`.
    pub fn env(&mut self, k: impl AsRef<OsStr>, v: impl AsRef<OsStr>) -> &mut Self {
        self.env.push((k.as_ref().into(), Some(v.as_ref().into())));
        self
    }

    /// As std's `Command::env_remove`.
    pub fn env_remove(&mut self, k: impl AsRef<OsStr>) -> &mut Self {
        self.env.push((k.as_ref().into(), None));
        self
    }

    /// As std's `Command::envs`.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        it: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        for (k, v) in it {
            self.env(k, v);
        }
        self
    }

    /// As std's `Command::current_dir`.
    pub fn current_dir(&mut self, d: impl AsRef<Path>) -> &mut Self {
        self.cwd = Some(d.as_ref().into());
        self
    }

    /// As std's `Command::stdin`.
    pub fn stdin(&mut self, s: impl Into<Stdio>) -> &mut Self {
        self.io[0] = Some(s.into());
        self
    }

    /// As std's `Command::stdout`.
    pub fn stdout(&mut self, s: impl Into<Stdio>) -> &mut Self {
        self.io[1] = Some(s.into());
        self
    }

    /// As std's `Command::stderr`.
    pub fn stderr(&mut self, s: impl Into<Stdio>) -> &mut Self {
        self.io[2] = Some(s.into());
        self
    }

    /// As std's `Command::spawn`.
    pub fn spawn(&mut self) -> io::Result<Child> {
        let utf8 = |s: &OsStr| {
            s.to_str().map(str::to_owned).ok_or(Error::from(io::ErrorKind::InvalidInput))
        };
        let argv = self.argv.iter().map(|a| utf8(a)).collect::<io::Result<Vec<_>>>()?;
        let mut env: std::collections::BTreeMap<String, String> =
            if self.clear { Default::default() } else { std::env::vars().collect() };
        for (k, v) in &self.env {
            match v {
                Some(v) => env.insert(utf8(k)?, utf8(v)?),
                None => env.remove(&utf8(k)?),
            };
        }
        let here = std::env::current_dir()?;
        let cwd = self.cwd.as_ref().map_or(here.clone(), |d| here.join(d));
        env.insert("PWD".into(), utf8(cwd.as_os_str())?);
        let mut keep: Vec<File> = vec![]; // the child's ends, closed here once it has them
        let mut ends = [None, None, None];
        let mut fds = vec![];
        for i in 0..3u32 {
            let parent = match &self.io[i as usize] {
                None | Some(Stdio::Inherit) => i,
                Some(Stdio::File(f)) => f.as_raw_fd() as u32,
                Some(Stdio::Null) => {
                    keep.push(File::options().read(true).write(true).open("/dev/null")?);
                    keep.last().unwrap().as_raw_fd() as u32
                }
                Some(Stdio::Piped) => {
                    let (r, w) = pipe()?;
                    let (child, ours) = if i == 0 { (r, w) } else { (w, r) };
                    ends[i as usize] = Some(ours);
                    keep.push(child);
                    keep.last().unwrap().as_raw_fd() as u32
                }
            };
            fds.push((i, parent));
        }
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let env: Vec<_> = env.into_iter().collect();
        let cwd = utf8(cwd.as_os_str())?;
        let pid = match spawn(None, &argv, &env, &cwd, &fds) {
            Err(e) if e.raw_os_error() == Some(ENOEXEC) => {
                let sh: Vec<&str> = std::iter::once("sh").chain(argv.iter().copied()).collect();
                spawn(Some("/bin/sh"), &sh, &env, &cwd, &fds)?
            }
            r => r?,
        };
        let [stdin, stdout, stderr] = ends;
        Ok(Child { pid, stdin, stdout, stderr })
    }

    /// As std's `Command::status`.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Runs the program in place of this one, as `execve` would: it gets the signals for this process, which ends as
    /// it does. Returns its status unless a signal has ended it.
    pub fn stand_in(&mut self) -> io::Result<i32> {
        let mut child = self.spawn()?;
        let _ = signals::forward_signals(child.pid);
        let status = child.wait()?;
        if let Some(signal) = status.signal() {
            let _ = signals::set_action(signal as u32, signals::Action::Default);
            let _ = kill(crate::pid(), signal as u32);
        }
        Ok(status.shell_code().into())
    }

    /// Reads stdout to its end, then stderr: the child must not fill stderr's pipe before.
    pub fn output(&mut self) -> io::Result<Output> {
        for i in [1, 2] {
            self.io[i].get_or_insert(Stdio::Piped);
        }
        let mut child = self.spawn()?;
        let (mut stdout, mut stderr) = (vec![], vec![]);
        if let Some(f) = &mut child.stdout {
            io::Read::read_to_end(f, &mut stdout)?;
        }
        if let Some(f) = &mut child.stderr {
            io::Read::read_to_end(f, &mut stderr)?;
        }
        Ok(Output { status: child.wait()?, stdout, stderr })
    }
}

impl Child {
    /// As std's `Child::id`.
    pub fn id(&self) -> u32 {
        self.pid as u32
    }

    /// As std's `Child::wait`.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        loop {
            if let Some(s) = wait(self.pid, 0)? {
                return Ok(s);
            }
        }
    }

    /// As std's `Child::try_wait`.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        wait(self.pid, NOHANG)
    }

    /// As std's `Child::kill`.
    pub fn kill(&mut self) -> io::Result<()> {
        kill(self.pid, 9)
    }
}
