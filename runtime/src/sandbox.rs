//! Sandboxes and the commands that run in them.

use crate::{
    audit::{AuditLog, AuditSink},
    clock::Clock,
    engine::Engine,
    errno::Errno,
    fd::{Capture, Description, Flags, Kind, OutputSink, RandomSource, StdinWriter, Stream, pipe},
    image::{Image, Programs},
    limits::{Limits, Usage},
    process::{Exit, Incident, Job, Kernel, Start},
    tree::Tree,
    vfs::{Mount, MountError, Rule, Vfs, standard_devices},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicU32},
};
use thiserror::Error;

/// Why a [`Sandbox`] could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The mounts do not make a namespace.
    #[error("failed to arrange the mounts of a sandbox")]
    Mounts {
        /// Which mount, and why.
        #[from]
        source: MountError,
    },
}

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

/// Describes a sandbox to be made; see [`Sandbox::builder`].
pub struct SandboxBuilder {
    engine: Engine,
    programs: Programs,
    mounts: Vec<Mount>,
    rules: Vec<Rule>,
    settings: Settings,
    sink: Option<Arc<dyn AuditSink>>,
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mounts, rules, settings, .. } = self;
        f.debug_struct("SandboxBuilder")
            .field("mounts", mounts)
            .field("rules", rules)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

/// What commands of a sandbox start from.
#[derive(Clone, Debug)]
struct Settings {
    env: BTreeMap<String, String>,
    cwd: String,
    limits: Limits,
}

impl SandboxBuilder {
    /// Adds a mount.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Adds a rule; of the rules that match a path, the last one decides.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets a variable for all commands.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.env.insert(key.into(), value.into());
        self
    }

    /// Sets the directory that commands start in.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<String>) -> Self {
        self.settings.cwd = cwd.into();
        self
    }

    /// Sets the limits of each command.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sends the record of every access somewhere; without a sink only denials are counted.
    #[must_use]
    pub fn audit(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Makes the sandbox.
    ///
    /// # Errors
    ///
    /// Fails if two mounts are at one place, or a mount point cannot be made.
    pub fn build(self) -> Result<Sandbox, SandboxError> {
        let audit = Arc::new(AuditLog::new(self.sink));
        let vfs = Vfs::new(self.mounts, self.rules, Arc::clone(&audit))?;
        Ok(Sandbox::new(self.engine, self.programs, vfs, audit, self.settings))
    }
}

/// A namespace of files, and a place to run commands in. Cheap to clone: clones are the same
/// sandbox; see [`Self::fork`] for another one.
///
/// # Examples
///
/// ```no_run
/// use playpen_runtime::{Engine, EngineConfig, Image, Mount, Sandbox, Tree};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::new(EngineConfig::default())?;
/// let image = Image::open(&engine, "path/to/image".as_ref())?;
/// let mut tree = Tree::new();
/// tree.write("hello.py", "print('hello')\n", 0o644)?;
/// let sandbox = Sandbox::builder(&engine, &image)
///     .mount(Mount::tree("/workspace", tree))
///     .cwd("/workspace")
///     .build()?;
/// let outcome = sandbox.command("python").arg("hello.py").output().await?;
/// assert_eq!(outcome.stdout, "hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox {
    kernel: Arc<Kernel>,
    settings: Arc<Settings>,
}

/// Where programs are looked for unless a command says otherwise.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

impl Sandbox {
    /// Starts to describe a sandbox on an image.
    ///
    /// What it has unless more is added: the image read-only at `/`, empty writable trees at `/tmp`
    /// and `/home`, `/dev` and `/proc/self`, no file of the host, no network, no variable of the
    /// host's environment (`PATH`, `HOME`, `LANG`, `USER` and `TMPDIR` are set to the sandbox's own),
    /// and [`Limits::default`].
    pub fn builder(engine: &Engine, image: &Image) -> SandboxBuilder {
        let root = Mount::read_only_tree("/", image.root().clone());
        Self::builder_on(engine, image.programs().clone(), root)
    }

    pub(crate) fn builder_on(engine: &Engine, programs: Programs, root: Mount) -> SandboxBuilder {
        let env = [
            ("HOME", "/home/user"),
            ("LANG", "C.UTF-8"),
            ("PATH", DEFAULT_PATH),
            ("TMPDIR", "/tmp"),
            ("USER", "root"),
        ];
        let [dev, proc_self] = standard_devices();
        let mut home = Tree::new();
        home.create_dir("user", 0o755).expect("the tree is empty");
        SandboxBuilder {
            engine: engine.clone(),
            programs,
            mounts: vec![
                root,
                Mount::tree("/tmp", tmp()),
                Mount::tree("/home", home),
                dev,
                proc_self,
            ],
            rules: vec![],
            settings: Settings {
                env: env.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
                cwd: "/".to_owned(),
                limits: Limits::default(),
            },
            sink: None,
        }
    }

    /// Starts to describe a sandbox whose only programs are the given modules (each a WASI command,
    /// placed at `/bin/NAME`): for trying the kernel without an image.
    ///
    /// # Examples
    ///
    /// ```
    /// use playpen_runtime::{Engine, EngineConfig, Exit, Sandbox};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let guest = r#"(module
    ///   (import "wasi_snapshot_preview1" "fd_write"
    ///     (func $write (param i32 i32 i32 i32) (result i32)))
    ///   (memory (export "memory") 1)
    ///   (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\0a")
    ///   (func (export "_start")
    ///     (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;
    /// let engine = Engine::new(EngineConfig::default())?;
    /// let sandbox =
    ///     Sandbox::with_modules(&engine, vec![("hello".to_owned(), wat::parse_str(guest)?)]).build()?;
    /// let outcome = sandbox.command("hello").output().await?;
    /// assert_eq!(outcome.exit, Exit::Code(0));
    /// assert_eq!(outcome.stdout, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_modules(engine: &Engine, modules: Vec<(String, Vec<u8>)>) -> SandboxBuilder {
        let mut root = Tree::new();
        for (name, _) in &modules {
            let stub = crate::image::stub(name);
            root.write(&format!("bin/{name}"), stub, 0o755).expect("names are plain");
        }
        let root = Mount::read_only_tree("/", root);
        Self::builder_on(engine, Programs::from_bytes(engine, modules), root)
    }

    fn new(
        engine: Engine,
        programs: Programs,
        vfs: Vfs,
        audit: Arc<AuditLog>,
        settings: Settings,
    ) -> Self {
        let kernel = Kernel {
            engine,
            programs,
            vfs: Arc::new(Mutex::new(vfs)),
            audit,
            random: host_random(),
            clock: Clock::start(),
            next_pid: AtomicU32::new(FIRST_PID),
        };
        Self { kernel: Arc::new(kernel), settings: Arc::new(settings) }
    }

    /// Describes a command to be run; a name without a slash is looked for in `PATH`.
    pub fn command(&self, program: impl Into<String>) -> Command {
        Command {
            sandbox: self.clone(),
            program: program.into(),
            args: vec![],
            env: self.settings.env.clone(),
            cwd: self.settings.cwd.clone(),
            limits: self.settings.limits.clone(),
            stdin: Input::Bytes(Bytes::new()),
            inputs: BTreeMap::new(),
            collect: vec![],
            sink: None,
        }
    }

    /// Makes another sandbox that starts from this one's files as they are now; it has the same
    /// mounts, rules, variables and limits, and its own record, which goes to `sink`.
    #[must_use]
    pub fn fork(&self, sink: Option<Arc<dyn AuditSink>>) -> Self {
        let audit = Arc::new(AuditLog::new(sink));
        let vfs = self.kernel.vfs.lock().fork(Arc::clone(&audit));
        let (engine, programs) = (self.kernel.engine.clone(), self.kernel.programs.clone());
        Self::new(engine, programs, vfs, audit, (*self.settings).clone())
    }

    /// Returns a fork of the tree at a mount point, as it is now.
    pub fn tree(&self, point: &str) -> Option<Tree> {
        self.kernel.vfs.lock().tree_at(point.trim_end_matches('/'))
    }

    /// Puts another tree at a mount point. Returns false if there is no tree mounted, or if a
    /// process has something of the old one open.
    pub fn replace_tree(&self, point: &str, tree: Tree) -> bool {
        self.kernel.vfs.lock().replace_tree(point.trim_end_matches('/'), tree)
    }

    /// Returns forks of all trees as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let vfs = self.kernel.vfs.lock();
        let tree = |point: String| vfs.tree_at(&point).map(|tree| (point, tree));
        Snapshot { trees: vfs.tree_points().into_iter().filter_map(tree).collect() }
    }

    /// Makes a job that is no command, for an instance that only starts up.
    pub(crate) fn job(&self) -> Arc<Job> {
        Job::new(Arc::clone(&self.kernel), self.settings.limits.clone())
    }

    /// Returns how many accesses were denied so far.
    pub fn n_denied(&self) -> u64 {
        self.kernel.audit.n_denied()
    }
}

/// Numbers of processes start here: 1 is what programs take for `init`.
const FIRST_PID: u32 = 2;

fn tmp() -> Tree {
    let mut tree = Tree::new();
    if let Some(root) = tree.inode_mut(crate::tree::ROOT) {
        root.mode = 0o1777;
    }
    tree
}

/// Returns the host's random source.
fn host_random() -> RandomSource {
    Arc::new(|out: &mut [u8]| getrandom::fill(out).expect("the host has random bytes"))
}

/// The trees of a sandbox at one instant, by mount point.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The trees; the image's is at `""`.
    pub trees: BTreeMap<String, Tree>,
}

#[derive(Debug)]
enum Input {
    Bytes(Bytes),
    Pipe(Option<crate::fd::PipeReader>),
}

/// A command to be run in a sandbox.
pub struct Command {
    sandbox: Sandbox,
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: String,
    limits: Limits,
    stdin: Input,
    inputs: BTreeMap<u32, Bytes>,
    collect: Vec<u32>,
    sink: Option<Arc<dyn OutputSink>>,
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
    /// Dropping the future ends the command too.
    ///
    /// # Errors
    ///
    /// Fails if the program cannot be started; whatever it does later is an [`Outcome`].
    pub async fn output(mut self) -> Result<Outcome, RunError> {
        let job = Job::new(Arc::clone(&self.sandbox.kernel), self.limits.clone());
        let guard = Abandon(Arc::clone(&job));
        let captures = self.captures(&job);
        let fds = self.descriptors(&captures);
        let pid = self.start(&job, &fds)?;
        let (exit, incidents) = job.finish(pid).await;
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
        fds
    }

    fn start(&self, job: &Arc<Job>, fds: &[(u32, Arc<Description>)]) -> Result<u32, RunError> {
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
            };
            match start.start(job) {
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
