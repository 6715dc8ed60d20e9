//! Commands: what is run in a sandbox, and what comes of it.

use crate::{
    errno::Errno,
    fd::{Capture, Description, Flags, Kind, OutputSink, PipeReader, StdinWriter, Stream, pipe},
    limits::{Limits, Usage},
    process::{Exit, Incident, Job, Kernel, SignalSet, Start},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Weak},
};
use thiserror::Error;

/// Where programs are looked for unless a command says otherwise.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why a command could not be started. What the guest does once it runs is an [`Outcome`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such program in the sandbox, or it cannot be run.
    #[error("failed to start `{program}` in the sandbox")]
    Start {
        /// The program as it was asked for.
        program: String,
        /// `ENOENT`, `EACCES` and so on, as for `execve(2)`.
        #[source]
        source: Errno,
    },
}

/// What came of a command.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote to descriptor 1.
    pub stdout: Bytes,
    /// What it wrote to descriptor 2.
    pub stderr: Bytes,
    /// What it wrote to the other descriptors that were to be collected.
    pub collected: BTreeMap<u32, Bytes>,
    /// What it and everything it started used.
    pub usage: Usage,
    /// What went wrong in any process of its tree.
    pub incidents: Vec<Incident>,
}

#[derive(Debug)]
enum Input {
    Bytes(Bytes),
    Pipe(Option<PipeReader>),
}

/// A command to be run in a sandbox.
pub struct Command {
    kernel: Arc<Kernel>,
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: String,
    limits: Limits,
    stdin: Input,
    inputs: BTreeMap<u32, Bytes>,
    collect: Vec<u32>,
    sink: Option<Arc<dyn OutputSink>>,
    call: Option<Arc<str>>,
    interrupter: Interrupter,
}

/// Interrupts what a command has started, while the command itself goes on.
#[derive(Clone, Debug, Default)]
pub struct Interrupter(Arc<Mutex<Option<Running>>>);

/// The job of a command, and its first process.
#[derive(Debug)]
struct Running {
    job: Weak<Job>,
    pid: u32,
}

impl Interrupter {
    /// Sends `SIGINT` to every process of the command but the first, as a terminal does while a shell waits
    /// for a program. Before the command runs and after its end this does nothing.
    pub fn interrupt(&self) {
        let running = self.0.lock();
        let Some(Running { job, pid }) = &*running else { return };
        if let Some(job) = job.upgrade() {
            job.interrupt_all_but(*pid);
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

impl Command {
    pub(crate) fn new(
        kernel: Arc<Kernel>,
        program: String,
        env: BTreeMap<String, String>,
        cwd: String,
        limits: Limits,
    ) -> Self {
        Self {
            kernel,
            program,
            args: vec![],
            env,
            cwd,
            limits,
            stdin: Input::Bytes(Bytes::new()),
            inputs: BTreeMap::new(),
            collect: vec![],
            sink: None,
            call: None,
            interrupter: Interrupter::default(),
        }
    }

    /// Names the tool call that the command belongs to; all its events have the name.
    #[must_use]
    pub fn call(mut self, call: impl Into<Arc<str>>) -> Self {
        self.call = Some(call.into());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Sets the directory that the command starts in.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<String>) -> Self {
        self.cwd = cwd.into();
        self
    }

    /// Sets the limits of this command and everything that it starts.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Gives the command its whole standard input; without this it is empty.
    #[must_use]
    pub fn stdin(mut self, data: impl Into<Bytes>) -> Self {
        self.stdin = Input::Bytes(data.into());
        self
    }

    /// Makes standard input a pipe; returns its writing end.
    pub fn stdin_pipe(&mut self) -> StdinWriter {
        let (reader, writer) = pipe();
        self.stdin = Input::Pipe(Some(reader));
        StdinWriter(writer)
    }

    /// Returns what interrupts the programs that the command has started.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Opens a descriptor from which the command can read the given bytes.
    #[must_use]
    pub fn input(mut self, fd: u32, data: impl Into<Bytes>) -> Self {
        self.inputs.insert(fd, data.into());
        self
    }

    /// Opens a descriptor whose output is found in [`Outcome::collected`].
    #[must_use]
    pub fn collect(mut self, fd: u32) -> Self {
        self.collect.push(fd);
        self
    }

    /// Shows output while it is written, besides collecting it.
    #[must_use]
    pub fn watch(mut self, sink: Arc<dyn OutputSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Runs the command to its end, and ends everything that it started.
    ///
    /// Dropping the future ends the command too. The first process runs on the task that polls the
    /// future, which spares a short command the way to another thread and back; to run commands in
    /// parallel, spawn a task for each.
    ///
    /// # Errors
    ///
    /// Fails if the program cannot be started; whatever it does later is an [`Outcome`].
    pub async fn output(mut self) -> Result<Outcome, RunError> {
        let job = Job::new(Arc::clone(&self.kernel), self.limits.clone(), self.call.clone());
        let guard = Abandon(Arc::clone(&job));
        let captures = self.captures(&job);
        let fds = self.descriptors(&captures);
        let (pid, life) = self.start(&job, &fds)?;
        drop(fds);
        *self.interrupter.0.lock() = Some(Running { job: Arc::downgrade(&job), pid });
        let (exit, incidents) = match &job.turns {
            Some(turns) => {
                turns.add(pid, Box::pin(life));
                turns.run(job.finish(pid)).await
            }
            None => tokio::join!(life, job.finish(pid)).1,
        };
        drop(guard);
        let mut collected: BTreeMap<u32, Bytes> =
            captures.iter().map(|(fd, capture)| (*fd, capture.take())).collect();
        let mut take = |fd| collected.remove(&fd).unwrap_or_default();
        let (stdout, stderr) = (take(1), take(2));
        let usage = job.budget.usage(job.elapsed());
        Ok(Outcome { exit, stdout, stderr, collected, usage, incidents })
    }

    fn captures(&self, job: &Job) -> BTreeMap<u32, Arc<Capture>> {
        let stream = |fd| match fd {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            fd => Stream::Other(fd),
        };
        let capture = |fd: &u32| {
            let (budget, sink) = (Arc::clone(&job.budget), self.sink.clone());
            (*fd, Arc::new(Capture::new(stream(*fd), budget, sink)))
        };
        [1, 2].iter().chain(&self.collect).map(capture).collect()
    }

    fn descriptors(
        &mut self,
        captures: &BTreeMap<u32, Arc<Capture>>,
    ) -> Vec<(u32, Arc<Description>)> {
        let read = Flags { read: true, ..Flags::default() };
        let write = Flags { write: true, ..Flags::default() };
        let stdin = match &mut self.stdin {
            Input::Bytes(data) => Description::input(std::mem::take(data)),
            Input::Pipe(reader) => {
                let reader = reader.take().expect("taken once");
                Description::new(Kind::PipeReader(reader), read)
            }
        };
        let mut fds = vec![(0, Arc::new(stdin))];
        let inputs = std::mem::take(&mut self.inputs);
        fds.extend(inputs.into_iter().map(|(fd, data)| (fd, Arc::new(Description::input(data)))));
        let output = |capture: &Arc<Capture>| {
            Arc::new(Description::new(Kind::Capture(Arc::clone(capture)), write))
        };
        fds.extend(captures.iter().map(|(fd, capture)| (*fd, output(capture))));
        for (_, description) in &mut fds {
            if let Some(description) = Arc::get_mut(description) {
                description.serial = self.kernel.serial();
            }
        }
        fds
    }

    fn start(
        &self,
        job: &Arc<Job>,
        fds: &[(u32, Arc<Description>)],
    ) -> Result<(u32, impl Future<Output = ()> + Send + use<>), RunError> {
        let mut argv = vec![self.program.clone()];
        argv.extend(self.args.iter().cloned());
        let env = self.env.iter().map(|(key, value)| format!("{key}={value}"));
        let env: Vec<String> = env.collect();
        let mut result = Err(Errno::NOENT);
        for path in self.candidates() {
            let start = Start {
                path,
                argv: argv.clone(),
                env: env.clone(),
                cwd: self.cwd.clone(),
                fds: fds.to_vec(),
                parent: None,
                umask: 0o022,
                own_session: true,
                group: None,
                ignored: SignalSet::default(),
            };
            match start.prepare(job) {
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                // What cannot be run here may be found further on.
                Err(Errno::ACCES) => result = Err(Errno::ACCES),
                other => {
                    result = other;
                    break;
                }
            }
        }
        result.map_err(|source| RunError::Start { program: self.program.clone(), source })
    }

    fn candidates(&self) -> Vec<String> {
        if self.program.contains('/') {
            return vec![self.program.clone()];
        }
        let path = self.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        path.split(':').map(|dir| crate::path::absolute(dir, &self.program)).collect()
    }
}

/// Ends the job of a command whose future is dropped.
#[derive(Debug)]
struct Abandon(Arc<Job>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
