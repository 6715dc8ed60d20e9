//! Programs of the host, run to their end under a deadline.
//!
//! A test that hangs tells nothing: whatever runs here is killed when its time is over, and the
//! result says so.
#![expect(clippy::disallowed_methods, reason = "the programs under test run on the host")]

use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a program may take unless the test says otherwise.
const DEADLINE: Duration = Duration::from_mins(2);

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(2);

/// The variables that say where the home of playpen is; no other is passed on.
const PASSED_ON: &[&str] =
    &["PATH", "HOME", "PLAYPEN_HOME", "PLAYPEN_IMAGE", "XDG_CACHE_HOME", "RUST_BACKTRACE"];

/// A program to run, with an environment of its own.
#[derive(Debug)]
pub struct Program {
    command: Command,
    stdin: Stdin,
    deadline: Duration,
}

/// What is on standard input.
#[derive(Debug)]
enum Stdin {
    Nothing,
    Bytes(Vec<u8>),
    /// A pipe that nobody writes to and nobody closes.
    HeldOpen,
}

/// What a program wrote and how it ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; a program that a signal ended has 128 and the signal's number.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
    /// The most memory it held, in KiB.
    pub peak_memory_kib: u64,
    /// How long it ran.
    pub took: Duration,
}

impl Ended {
    /// Returns stdout as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Returns stderr as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Returns stdout as JSON.
    ///
    /// # Panics
    ///
    /// Panics if it is not JSON: the test cannot go on.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}): {self:?}"),
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, took) = (self.code, self.took);
        write!(f, "exit {code} after {took:?}\n--- stdout\n{}", self.out())?;
        write!(f, "--- stderr\n{}", self.err())
    }
}

impl Program {
    /// Returns a program with only the variables that say where things are.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut program = Self::bare(program);
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                program.command.env(name, value);
            }
        }
        program
    }

    /// Returns a program without any variable.
    pub fn bare(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env_clear();
        Self { command, stdin: Stdin::Nothing, deadline: DEADLINE }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the folder to start in.
    #[must_use]
    pub fn cwd(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets what is on standard input; without it there is nothing.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// Gives it a pipe as standard input that is never written to and not closed before it ends.
    #[must_use]
    pub fn stdin_held_open(mut self) -> Self {
        self.stdin = Stdin::HeldOpen;
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be started or does not end in time: the test cannot go on.
    #[track_caller]
    pub fn run(self) -> Ended {
        let shown = format!("{:?}", self.command);
        match self.try_run() {
            Ok(Some(ended)) => ended,
            Ok(None) => panic!("did not end in time: {shown}"),
            Err(error) => panic!("failed to run {shown}: {error}"),
        }
    }

    /// Runs the program until something is so, and kills it then as the system would: without a word.
    /// Returns whether it was still running.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be started or if its time is over before: the test cannot go on.
    #[track_caller]
    pub fn kill_when(mut self, is_so: impl Fn() -> bool) -> bool {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let mut child = self.command.spawn().expect("the program can be started");
        while !is_so() && matches!(child.try_wait(), Ok(None)) {
            assert!(started.elapsed() <= self.deadline, "what was waited for did not come");
            thread::sleep(POLL);
        }
        let was_running = matches!(child.try_wait(), Ok(None));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        was_running
    }

    /// Runs the program; `None` if it had to be killed.
    ///
    /// # Errors
    ///
    /// Fails if the program cannot be started or waited for.
    pub fn try_run(mut self) -> io::Result<Option<Ended>> {
        let has_stdin = !matches!(self.stdin, Stdin::Nothing);
        let stdin = if has_stdin { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let feeds = matches!(self.stdin, Stdin::Bytes(_));
        let started = Instant::now();
        let mut child = self.command.spawn()?;
        let mut held = child.stdin.take();
        if let (Stdin::Bytes(bytes), Some(mut pipe)) = (self.stdin, held.take_if(|_| feeds)) {
            // A program that does not read its input closes the pipe, which is its good right.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let stdout = read_aside(child.stdout.take());
        let stderr = read_aside(child.stderr.take());
        let (code, peak_memory_kib) = wait(&mut child, started, self.deadline)?;
        let took = started.elapsed();
        drop(held);
        let ended = |code| Ended {
            code,
            stdout: join(stdout),
            stderr: join(stderr),
            peak_memory_kib,
            took,
        };
        Ok(code.map(ended))
    }
}

/// Waits until the child ends; returns its exit code, or `None` if it had to be killed.
fn wait(child: &mut Child, started: Instant, deadline: Duration) -> io::Result<(Option<i32>, u64)> {
    use std::os::unix::process::ExitStatusExt as _;
    let mut peak = 0;
    loop {
        peak = peak_memory_kib(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait()? {
            let signal = status.signal().map_or(-1, |signal| 128 + signal);
            return Ok((Some(status.code().unwrap_or(signal)), peak));
        }
        if started.elapsed() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok((None, peak));
        }
        thread::sleep(POLL);
    }
}

/// Returns the most memory that a running process has held.
fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn read_aside(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = vec![];
        if let Some(mut stream) = stream {
            // What was read before a failure is what there is to show.
            drop(stream.read_to_end(&mut bytes));
        }
        bytes
    })
}

fn join(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().unwrap_or_default()
}
