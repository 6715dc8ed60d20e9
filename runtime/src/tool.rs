//! Programs of a sandbox that the host provides: a function that guests start like any other
//! program.
//!
//! A tool gets arguments, environment and standard input, writes to standard output and error, and
//! returns an exit code. Guests find it in `PATH` at `/usr/local/bin`, start it from a shell or with
//! `subprocess`, and put it into pipelines; its start and its end are in the record. It runs with all
//! rights of the host: what it does with what a guest gives it is its own care. The limits of the
//! command hold for it where it waits; one that computes without waiting cannot be stopped.

use crate::{
    errno::Errno,
    fd::{Description, Kind, Moved, Readiness},
    limits::{Budget, LimitKind},
    process::{Job, Process},
    tree::Device,
    wasi,
};
use std::{collections::BTreeMap, future::poll_fn, io, pin::Pin, sync::Arc};

/// What [`HostTool::run`] returns: the exit code, later.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = u8> + Send + 'a>>;

/// A program that the host provides. An asynchronous function from a [`ToolCall`] to an exit code is
/// one.
///
/// # Examples
///
/// ```
/// use playpen_runtime::{Engine, EngineConfig, Sandbox, ToolCall};
/// use std::sync::Arc;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let engine = Engine::new(EngineConfig::default())?;
/// let shout = |mut call: ToolCall| async move {
///     let Ok(input) = call.stdin.read_to_end(1 << 20).await else { return 1 };
///     let text = String::from_utf8_lossy(&input).to_uppercase();
///     u8::from(call.stdout.write_all(text.as_bytes()).await.is_err())
/// };
/// let sandbox = Sandbox::with_modules(&engine, vec![]).tool("shout", Arc::new(shout)).build()?;
/// let outcome = sandbox.command("shout").stdin("hello\n").output().await?;
/// assert_eq!(outcome.stdout, "HELLO\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait HostTool: Send + Sync + 'static {
    /// Runs the program once. The future is dropped if the process is ended from outside.
    fn run(&self, call: ToolCall) -> ToolFuture<'_>;
}

impl<F, Fut> HostTool for F
where
    F: Fn(ToolCall) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = u8> + Send + 'static,
{
    fn run(&self, call: ToolCall) -> ToolFuture<'_> {
        Box::pin(self(call))
    }
}

/// What a tool is started with.
#[derive(Debug)]
pub struct ToolCall {
    /// The arguments; the first is the name under which it was started.
    pub args: Vec<String>,
    /// The variables of the environment.
    pub env: BTreeMap<String, String>,
    /// The directory in which it was started.
    pub cwd: String,
    /// The number of its process.
    pub pid: u32,
    /// Standard input.
    pub stdin: ToolInput,
    /// Standard output.
    pub stdout: ToolOutput,
    /// Standard error.
    pub stderr: ToolOutput,
}

impl ToolCall {
    pub(crate) fn new(process: &Process) -> Self {
        let variables = process.identity.env.iter().filter_map(|it| it.split_once('='));
        let env: BTreeMap<String, String> =
            variables.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let output = |fd| ToolOutput {
            description: process.fd(fd).ok().filter(|it| it.flags.lock().write),
            job: Arc::clone(&process.job),
            budget: Arc::clone(&process.actor.budget),
        };
        let stdin = process.fd(0).ok().filter(|it| it.flags.lock().read);
        Self {
            args: process.identity.argv.clone(),
            cwd: env.get("PWD").cloned().unwrap_or_default(),
            env,
            pid: process.pid(),
            stdin: ToolInput { description: stdin },
            stdout: output(1),
            stderr: output(2),
        }
    }
}

/// Something that a tool reads; closed if the descriptor is not open for reading.
#[derive(Debug)]
pub struct ToolInput {
    description: Option<Arc<Description>>,
}

impl ToolInput {
    /// Reads some bytes, 0 at the end.
    ///
    /// # Errors
    ///
    /// Fails as `read(2)` does.
    pub async fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(description) = &self.description else { return Err(error(Errno::BADF)) };
        match &description.kind {
            Kind::PipeReader(pipe) => loop {
                match pipe.try_read(out) {
                    Moved::Bytes(n_bytes) => return Ok(n_bytes),
                    Moved::Closed => return Ok(0),
                    Moved::WouldBlock => ready(description, Readiness::Read).await,
                }
            },
            Kind::Device(Device::Null) => Ok(0),
            Kind::Device(Device::Zero) => {
                out.fill(0);
                Ok(out.len())
            }
            _ => {
                let mut position = description.offset.lock();
                let n_bytes = wasi::read_at(description, *position, out).map_err(error)?;
                description.count_read(n_bytes);
                *position += n_bytes as u64;
                Ok(n_bytes)
            }
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// Fails as `read(2)` does, and if there are more than `max_bytes`.
    pub async fn read_to_end(&mut self, max_bytes: usize) -> io::Result<Vec<u8>> {
        let mut all = vec![];
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n_bytes = self.read(&mut buffer).await?;
            if n_bytes == 0 {
                return Ok(all);
            }
            if all.len() + n_bytes > max_bytes {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            all.extend_from_slice(&buffer[..n_bytes]);
        }
    }
}

/// Something that a tool writes; closed if the descriptor is not open for writing.
#[derive(Debug)]
pub struct ToolOutput {
    description: Option<Arc<Description>>,
    job: Arc<Job>,
    budget: Arc<Budget>,
}

impl ToolOutput {
    /// Writes all of `data`, waiting where a pipe is full.
    ///
    /// # Errors
    ///
    /// Fails as `write(2)` does, with [`io::ErrorKind::BrokenPipe`] if nobody reads any more.
    pub async fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
        let Some(description) = &self.description else { return Err(error(Errno::BADF)) };
        while !data.is_empty() {
            let n_bytes = match &description.kind {
                Kind::PipeWriter(pipe) => match pipe.try_write(data) {
                    Moved::Bytes(n_bytes) => n_bytes,
                    Moved::Closed => return Err(error(Errno::PIPE)),
                    Moved::WouldBlock => {
                        ready(description, Readiness::Write).await;
                        continue;
                    }
                },
                _ => self.write_at_once(description, data).map_err(error)?,
            };
            data = &data[n_bytes..];
        }
        Ok(())
    }

    fn write_at_once(&self, description: &Arc<Description>, data: &[u8]) -> Result<usize, Errno> {
        match &description.kind {
            Kind::Capture(capture) => {
                if capture.write(data).is_err() {
                    self.job.end(LimitKind::Output);
                    return Err(Errno::IO);
                }
            }
            Kind::Device(Device::Full) => return Err(Errno::NOSPC),
            Kind::Device(_) => {}
            _ => {
                let mut position = description.offset.lock();
                *position = wasi::write_at(&self.budget, description, *position, data)?;
                description.count_written(data.len());
            }
        }
        Ok(data.len())
    }
}

async fn ready(description: &Description, readiness: Readiness) {
    poll_fn(|cx| wasi::poll_ready(description, readiness, cx)).await;
}

fn error(errno: Errno) -> io::Error {
    let kind = match errno {
        Errno::PIPE => io::ErrorKind::BrokenPipe,
        Errno::NOSPC => io::ErrorKind::StorageFull,
        Errno::ISDIR => io::ErrorKind::IsADirectory,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, errno)
}
