//! Starting a process: from a path to a running instance.

use super::{
    End, Ended, Identity, IncidentKind, Job, Process, Status, Threads,
    job::ROOT_PARENT,
    signals::{SignalSet, Signals},
    status::TrapKind,
    threads::{self, Main},
};
use crate::{
    audit::{Decision, EventRef, NodeKind, Op, OpenAccess},
    clock::Computing,
    engine::{Code, Program},
    errno::{Errno, SysResult},
    fd::{Description, FdTable, Flags, Held, Kind, ROOT_FD},
    image::{Entry, SigPipe, stub_module},
    limits::LimitKind,
    semaphores::OpenSemaphores,
    tool::{HostTool, ToolCall},
    vfs::{Actor, At, Failure, NodeId, ProgramFile, Verdict},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};
use wasmtime::{InstancePre, Store, StoreContextMut, Trap, UpdateDeadline};
use wasmtime_wasi::WasiCtxBuilder;

/// What a process is started with. Nothing is inherited but what stands here.
#[derive(Debug)]
pub(crate) struct Start {
    /// Absolute, or relative to `cwd`; there is no search in `PATH` here.
    pub(crate) path: String,
    pub(crate) argv: Vec<String>,
    /// `KEY=VALUE` strings.
    pub(crate) env: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) fds: Vec<(u32, Arc<Description>)>,
    /// None for the first process of a job.
    pub(crate) parent: Option<u32>,
    pub(crate) umask: u32,
    pub(crate) own_session: bool,
    pub(crate) group: Option<u32>,
    /// Signals that it ignores from the start.
    pub(crate) ignored: SignalSet,
}

/// Interpreters that may start interpreters, as in Linux. Answers TM-PROC-2: a script that names
/// itself as its interpreter.
const MAX_INTERPRETERS: usize = 4;

/// Bytes of arguments and environment, as `ARG_MAX` of Linux.
const MAX_ARGUMENT_BYTES: usize = 2 << 20;

/// How a tool that panics ends: as a program that calls `abort`.
const SIGABRT: u8 = 6;

struct Found {
    module: String,
    file: ProgramFile,
}

/// A process that is in the table and about to run.
struct Entered {
    found: Found,
    program: Arc<Program>,
    actor: Actor,
    signals: Arc<Signals>,
}

impl Start {
    /// Starts the process as a task of its own and returns its number at once.
    pub(crate) fn start(self, job: &Arc<Job>) -> SysResult<u32> {
        let (pid, life) = self.prepare(job)?;
        match &job.turns {
            Some(turns) => turns.add(pid, Box::pin(life)),
            None => drop(tokio::spawn(life)),
        }
        Ok(pid)
    }

    /// Makes the process and returns its number and its life, which whoever calls has to poll.
    pub(crate) fn prepare(
        mut self,
        job: &Arc<Job>,
    ) -> SysResult<(u32, impl Future<Output = ()> + Send + use<>)> {
        job.kernel.calls.spawn();
        let asked = self.path.clone();
        let entered = self.enter(job);
        self.note(job, &asked, &entered);
        let Entered { found, program, actor, signals } =
            entered.map_err(|failure| failure.errno())?;
        let pid = actor.pid;
        let exe = found.file.path;
        let process = self.into_process(job, actor, exe, program.sig_pipe, signals);
        Ok((pid, run(Arc::clone(job), program, process)))
    }

    /// Finds the program and enters the process into the table.
    fn enter(&mut self, job: &Arc<Job>) -> Result<Entered, Failure> {
        let n_bytes: usize = self.argv.iter().chain(&self.env).map(|text| text.len() + 1).sum();
        if n_bytes > MAX_ARGUMENT_BYTES {
            return Err(Errno::TOOBIG.into());
        }
        let found = self.find_program(job)?;
        self.check_tool(job, &found)?;
        let program = job.kernel.programs.load(&found.module)?;
        let argv0: Arc<str> = self.argv.first().map_or("", |argv0| argv0.as_str()).into();
        let parent = self.parent.unwrap_or(ROOT_PARENT);
        let name = Arc::clone(&argv0);
        let (pid, signals) = job.enter(parent, name, self.own_session, self.group, self.ignored)?;
        let actor = Actor { pid, ppid: self.parent.unwrap_or(0), argv0, ..self.actor(job) };
        Ok(Entered { found, program, actor, signals })
    }

    /// Follows `#!` lines until a guest program is found, and puts their arguments in place.
    fn find_program(&mut self, job: &Arc<Job>) -> Result<Found, Failure> {
        for _ in 0..=MAX_INTERPRETERS {
            let path = crate::path::absolute(&self.cwd, &self.path);
            let (content, file) = {
                let at = At { dir: NodeId::ROOT, path: &path, follow: true, fds: None };
                job.kernel.vfs.lock().program(&self.actor(job), at)?
            };
            if let Some(module) = stub_module(&content) {
                return Ok(Found { module: module.to_owned(), file });
            }
            let (interpreter, argument) = shebang(&content).ok_or(Errno::NOEXEC)?;
            self.note_script(job, &file);
            let mut argv = vec![interpreter.clone()];
            argv.extend(argument);
            argv.push(self.path.clone());
            argv.extend(self.argv.drain(..).skip(1));
            self.argv = argv;
            self.path = interpreter;
        }
        Err(Errno::LOOP.into())
    }

    /// Records that the first line of a script was read, which tells what to start.
    fn note_script(&self, job: &Job, file: &ProgramFile) {
        job.kernel.calls.call();
        if !job.kernel.audit.is_on() {
            return;
        }
        let vfs = job.kernel.vfs.lock();
        job.kernel.audit.record(&mut EventRef {
            path: Some(&self.path),
            resolved: Some(&file.path),
            node: Some(file.node.into()),
            kind: Some(NodeKind::File),
            names: &vfs.recorded_names(file.node, &file.path),
            access: Some(OpenAccess::Read),
            grant: Some(&*file.grant),
            rule: file.rule.as_deref(),
            flagged: file.flagged,
            ..vfs.blank_ref(&self.actor(job), Op::OpenRead, Decision::Allowed)
        });
    }

    /// Checks that the program is one of those that may be started. One module can be many tools,
    /// told by the name that it is started under, so both names count; and a name only stands for
    /// its own module, so a copy of another program under it is refused.
    fn check_tool(&self, job: &Job, found: &Found) -> Result<(), Failure> {
        let Some(tools) = &job.kernel.tools else { return Ok(()) };
        let Found { module, file } = found;
        let started_as = self.argv.first().map_or("", String::as_str).trim_start_matches('-');
        for path in [file.path.as_str(), started_as] {
            let name = path.rsplit('/').next().unwrap_or(path);
            let rule = match tools.get(name) {
                Some(own) if own == module => continue,
                Some(_) => format!("tools: this is not the image's {name}"),
                None => format!("tools without {name}"),
            };
            return Err(Failure::Refused(Verdict {
                grant: Arc::clone(&file.grant),
                rule: Some(rule.into()),
                refusal: Some(Errno::ACCES),
                flagged: file.flagged,
            }));
        }
        Ok(())
    }

    /// Returns who starts the process.
    fn actor(&self, job: &Job) -> Actor {
        let pid = self.parent.unwrap_or(0);
        let argv0 = job.argv0_of(pid).unwrap_or_else(|| "playpen".into());
        let ppid = job.ids(pid).map_or(0, |ids| if ids.ppid == ROOT_PARENT { 0 } else { ids.ppid });
        Actor { pid, ppid, argv0, call: job.call.clone(), budget: Arc::clone(&job.budget) }
    }

    /// Records one attempt to start a process.
    fn note(&self, job: &Job, asked: &str, entered: &Result<Entered, Failure>) {
        let errno = entered.as_ref().err().map(Failure::errno);
        let refused = match entered {
            Err(Failure::Refused(verdict)) => Some(verdict),
            _ => None,
        };
        let is_denied = errno == Some(Errno::ACCES);
        if !job.kernel.audit.is_on() && !is_denied {
            return;
        }
        let decision = if is_denied { Decision::Denied } else { Decision::Allowed };
        let entered = entered.as_ref().ok();
        let file = entered.map(|entered| &entered.found.file);
        let vfs = job.kernel.vfs.lock();
        let rule = file.map_or_else(
            || refused.and_then(|verdict| verdict.rule.as_deref()),
            |file| file.rule.as_deref(),
        );
        let flagged = file.map_or(refused.is_some_and(|it| it.flagged), |file| file.flagged);
        job.kernel.audit.record(&mut EventRef {
            path: Some(asked),
            resolved: file.map(|file| file.path.as_str()),
            node: file.map(|file| file.node.into()),
            kind: file.map(|_| NodeKind::File),
            grant: file.map(|file| &*file.grant).or(refused.map(|verdict| &*verdict.grant)),
            rule,
            flagged,
            argv: Some(&self.argv),
            child: entered.map(|entered| entered.actor.pid),
            errno: errno.map(Errno::name),
            ..vfs.blank_ref(&self.actor(job), Op::Spawn, decision)
        });
    }

    fn into_process(
        mut self,
        job: &Arc<Job>,
        actor: Actor,
        exe: String,
        sig_pipe: SigPipe,
        signals: Arc<Signals>,
    ) -> Process {
        // Guests have no working directory of the kernel's: they enter $PWD by themselves.
        self.env.retain(|variable| !variable.starts_with("PWD="));
        self.env.push(format!("PWD={}", self.cwd));
        let pairs: Vec<(&str, &str)> =
            self.env.iter().filter_map(|variable| variable.split_once('=')).collect();
        let wasi = WasiCtxBuilder::new()
            .args(&self.argv)
            .envs(&pairs)
            .monotonic_clock(job.kernel.clock.clone())
            .wall_clock(job.kernel.clock.clone())
            .build_p1();
        let pid = actor.pid;
        let identity = Identity { argv: self.argv, env: self.env, shown: Default::default(), exe };
        Process {
            job: Arc::clone(job),
            actor,
            identity,
            fds: table(job, self.fds),
            umask: self.umask,
            create_mode: None,
            random: job.kernel.random.stream(pid),
            sig_pipe,
            wasi,
            computing: Arc::default(),
            memory: None,
            has_yielded: false,
            memory_taken: 0,
            turn_calls: 0,
            is_turn_over: false,
            threads: Threads::default(),
            semaphores: OpenSemaphores::default(),
            has_locked: false,
            signals,
            signal_notice: None,
        }
    }
}

/// Makes the state of an instance that is no process: it is in no table and has no descriptors but
/// the root directory.
pub(crate) fn detached(job: &Arc<Job>, name: &str) -> Process {
    let start = Start {
        path: name.to_owned(),
        argv: vec![name.to_owned()],
        env: vec![],
        cwd: "/".to_owned(),
        fds: vec![],
        parent: None,
        umask: 0o022,
        own_session: true,
        group: None,
        ignored: SignalSet::default(),
    };
    let budget = Arc::clone(&job.budget);
    let actor = Actor { pid: 1, ppid: 0, argv0: name.into(), call: None, budget };
    start.into_process(job, actor, name.to_owned(), SigPipe::Error, Arc::default())
}

/// Builds the table of a new process: what it was given, and the root directory at its number.
fn table(job: &Job, fds: Vec<(u32, Arc<Description>)>) -> FdTable {
    let vfs = Arc::clone(&job.kernel.vfs);
    vfs.lock().hold(NodeId::ROOT);
    let held = Held { node: NodeId::ROOT, vfs };
    let kind = Kind::Directory { held, listing: Mutex::new(None) };
    let root = Description::new(kind, Flags { read: true, ..Flags::default() });
    let mut table = FdTable::default();
    for (number, description) in fds.into_iter().chain([(ROOT_FD, Arc::new(root))]) {
        // Numbers were checked where they came in.
        let _replaced = table.put(number, description);
    }
    table
}

/// Returns the interpreter and its argument of a script's first line.
fn shebang(content: &Bytes) -> Option<(String, Option<String>)> {
    let line = content.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let (interpreter, argument) = match line.split_once([' ', '\t']) {
        Some((interpreter, argument)) => (interpreter, Some(argument.trim().to_owned())),
        None => (line, None),
    };
    (!interpreter.is_empty()).then(|| (interpreter.to_owned(), argument))
}

/// The task of one process.
async fn run(job: Arc<Job>, program: Arc<Program>, process: Process) {
    let actor = process.actor.clone();
    let stderr = process.fds.get(2).ok().cloned();
    let computing = Arc::clone(&process.computing);
    let signals = Arc::clone(&process.signals);
    let status = {
        let instance = pin!(run_instance(&job, &program, process));
        let mut counted = pin!(counted(&job, &computing, instance));
        tokio::select! {
            biased;
            signal = signals.wait_for_end() => Status::Signal(signal),
            status = &mut counted => status,
        }
        // Here the store goes, and with it the descriptors: a reader at the other end of a pipe
        // sees the end before the parent learns of the exit.
    };
    if let (Status::Trap(trap), Some(stderr)) = (status, stderr) {
        tell_trap(&actor, trap, &stderr);
    }
    let is_real = !job.kernel.clock.is_virtual();
    let computed_nanos = if is_real { computing.nanos() } else { 0 };
    job.leave(&actor, End { status, computed_nanos });
}

/// Counts the time that `future` computes, and ends the job if that is too much.
async fn counted<F: Future<Output = Status>>(
    job: &Job,
    computing: &Computing,
    mut future: std::pin::Pin<&mut F>,
) -> Status {
    poll_fn(|cx| {
        let (result, time) = computing.count(|| future.as_mut().poll(cx));
        if !job.budget.add_cpu(time) && result.is_pending() {
            job.end(LimitKind::Cpu);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        result
    })
    .await
}

/// Runs a program of the host.
async fn run_tool(tool: &dyn HostTool, call: ToolCall) -> Status {
    let mut running = tool.run(call);
    // A panic of a tool ends its process, and not the command that waits for it.
    let step =
        |cx: &mut Context<'_>| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Status::Code),
            Err(_) => Poll::Ready(Status::Signal(SIGABRT)),
        };
    poll_fn(step).await
}

async fn run_instance(job: &Job, program: &Program, process: Process) -> Status {
    let (instance, entry) = match &program.code {
        Code::Guest { instance, entry } => (instance, entry),
        Code::Tool(tool) => {
            let call = ToolCall::new(&process);
            // The tool holds the descriptors that it knows of; the others are closed.
            drop(process);
            return run_tool(&**tool, call).await;
        }
    };
    let actor = process.actor.clone();
    let mut store = Store::new(job.kernel.engine.wasmtime(), process);
    store.limiter(|process| process);
    store.set_epoch_deadline(1);
    if job.turns.is_some() {
        store.epoch_deadline_callback(tick_of_turn);
    } else {
        store.epoch_deadline_async_yield_and_update(1);
    }
    let result = call_entry(&mut store, instance, entry).await;
    if let Some(memory) = store.data().memory {
        job.kernel.engine.keep_warm(memory.data_mut(&mut store));
    }
    match result {
        Ok(code) => Status::Code(u8::try_from(code & 0xff).expect("masked to 8 bits")),
        Err(error) => {
            if let Some(Ended(status)) = error.downcast_ref::<Ended>() {
                *status
            } else if let Some(trap) = error.downcast_ref::<Trap>() {
                let trap = TrapKind::from_wasmtime(*trap);
                job.add_incident(&actor, IncidentKind::Trap(trap));
                Status::Trap(trap)
            } else {
                tracing::warn!(pid = actor.pid, "process could not be started: {error:#}");
                job.add_incident(&actor, IncidentKind::NotStarted);
                if job.budget.soft_limit_met() == Some(LimitKind::Memory) {
                    // As with an out-of-memory killer: a tree whose processes do not fit any more
                    // would go on failing to start them.
                    job.end(LimitKind::Memory);
                }
                Status::Signal(9)
            }
        }
    }
}

/// What a tick does where processes take turns: it ends none, unless the process has had enough.
#[expect(clippy::unnecessary_wraps, reason = "the engine asks for a result")]
fn tick_of_turn(mut store: StoreContextMut<'_, Process>) -> wasmtime::Result<UpdateDeadline> {
    let process = store.data_mut();
    let is_over = std::mem::take(&mut process.is_turn_over);
    match &process.job.turns {
        Some(turns) if is_over => turns.end_long_turn(),
        Some(turns) => turns.tick(),
        None => {}
    }
    Ok(UpdateDeadline::Yield(1))
}

async fn call_entry(
    store: &mut Store<Process>,
    instance: &InstancePre<Process>,
    entry: &Entry,
) -> wasmtime::Result<i32> {
    let instance = instance.instantiate_async(&mut *store).await?;
    store.data_mut().memory = instance.get_memory(&mut *store, "memory");
    let main = match entry {
        Entry::Start => Main::Start(instance.get_typed_func(&mut *store, "_start")?),
        Entry::Function(name) => Main::Function(instance.get_typed_func(&mut *store, name)?),
    };
    threads::run(store, instance, main).await
}

/// Says on the standard error of a process what ended it, as a shell would.
fn tell_trap(actor: &Actor, trap: TrapKind, stderr: &Description) {
    let line = format!("{}: {trap}\n", actor.argv0);
    match &stderr.kind {
        Kind::Capture(capture) => drop(capture.write(line.as_bytes())),
        Kind::PipeWriter(pipe) => drop(pipe.try_write(line.as_bytes())),
        _ => {}
    }
}
