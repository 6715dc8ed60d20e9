//! `playpen run`: one command in a sandbox.

mod changes;
mod mounts;
mod plan;
mod recording;
mod replay;
mod report;
mod snapshots;
mod stdin;
mod write_back;

use super::{EXIT_LIMIT, Status, hint::Advice, session::Session, units};
use crate::printer::Printer;
use anyhow::Context as _;
use changes::Changes;
use mounts::{Copied, MountSpec};
pub(super) use mounts::{guest_path, import as import_folder, open_folder};
use plan::Plan;
pub(super) use plan::sandbox_for;
use playpen_runtime::{
    Errno, Exit, Explanation, Interrupter, Limits, Mount, Outcome, OutputSink, RunError, Sandbox,
    Stream, store::SnapshotStore,
};
use recording::{Recording, RecordingArgs};
pub(super) use replay::replay_events;
use report::Report;
use snapshots::Taken;
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};
use write_back::WriteBack;

/// There is no program of that name, as shells say it.
const EXIT_NOT_FOUND: u8 = 127;
/// The program cannot be executed, as shells say it.
const EXIT_NOT_EXECUTABLE: u8 = 126;

/// Whoever read the output has left: what a shell shows for a program that `SIGPIPE` ended.
const EXIT_NOT_READ: u8 = 141;

/// Run one command in a sandbox
///
/// Without `--mount`, the current directory is mounted copy-on-write at `/workspace`, and the command
/// starts there. What it changes in a copy-on-write mount is shown as a diff and thrown away, unless
/// `--apply` is given. There is no network but loopback inside, and nothing of the host is visible but the
/// mounts.
///
/// Standard input is passed on unless it is a terminal.
///
/// With `--json` the result is one object on stdout: `exit` (`kind` is `code`, `signal`, `trap`, `limit` or
/// `not_started`, and the key of that name says which, or `error` says why), `code` (the exit code of playpen), `stdout` and
/// `stderr` (bytes that are not UTF-8 are replaced), `usage`, `incidents`, `n_denied`, `changes` (a
/// list of `path` and `kind`), `applied`, and `snapshot` (`id` and `name`) if one was taken.
///
/// Exits with the code of the command; with 124 if a limit ended it, 126 if the program cannot be
/// executed, 127 if there is none of that name, and 3 on an error of the host.
#[derive(Debug, Default, clap::Args)]
pub(super) struct RunArgs {
    /// Image with the programs [default: the one that `playpen image build` made]
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,

    /// Show a folder of the host at an absolute path of the sandbox
    ///
    /// `ro` reads through to the host, `rw` writes to it, `cow` (the default) copies it into memory.
    #[arg(long = "mount", value_name = "GUEST=HOST[:ro|rw|cow]")]
    mounts: Vec<MountSpec>,

    /// Leave files and folders of this name out of copies, such as `target` or `node_modules`
    ///
    /// A file `.playpenignore` in a folder says it for good, in lines as of a `.gitignore`.
    #[arg(long = "skip", value_name = "NAME", value_parser = units::file_name)]
    skip_names: Vec<String>,

    /// Set a variable in the environment of the command
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE", value_parser = units::variable)]
    variables: Vec<(String, String)>,

    /// Folder of the sandbox to start in [default: the first mount]
    #[arg(long, value_name = "DIR", value_parser = mounts::guest_folder)]
    cwd: Option<String>,

    /// End the command after this time [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    wall: Option<Duration>,

    /// Memory of all its processes together [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    mem: Option<u64>,

    /// End the command when it has written this much to stdout and stderr [default: 16M]
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    output_limit: Option<u64>,

    /// Bytes that files in copy-on-write mounts and `/tmp` may hold [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    disk: Option<u64>,

    /// Files and folders that may exist there [default: 200000]
    #[arg(long, value_name = "N")]
    files: Option<u64>,

    /// Processes that may live at once [default: 256]
    #[arg(long, value_name = "N")]
    processes: Option<u32>,

    #[command(flatten)]
    recording: RecordingArgs,

    /// Run under this policy: mounts, rules, tools, limits; flags come before it
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Make the run the same each time: virtual time, random bytes from this seed, one order
    ///
    /// Standard input is read to its end before the command starts. `playpen replay` repeats such a
    /// run and compares every event.
    #[arg(long, value_name = "SEED")]
    deterministic: Option<u64>,

    /// Write the changes in copy-on-write mounts back to the host
    #[arg(long)]
    apply: bool,

    /// Start from the files of a snapshot instead of the current directory
    ///
    /// A name, or the first digits of an id. `--mount` adds to what the snapshot has.
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "apply")]
    from: Option<String>,

    /// Keep all files as they are afterwards, under this name
    ///
    /// A name that another snapshot has moves to the new one.
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,

    /// Whether somebody works with the command from a terminal
    #[arg(skip)]
    is_session: bool,

    /// A record that is no part of what is copied, other than the one that is written
    #[arg(skip)]
    earlier_log: Option<PathBuf>,

    /// The command and its arguments
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

impl RunArgs {
    /// Returns a flag of ours that does not exist: no program's name starts with a dash, but the
    /// grammar takes what it does not know for the start of the command.
    pub(super) fn unknown_flag(&self) -> Option<&str> {
        self.command.first().map(String::as_str).filter(|program| program.starts_with('-'))
    }

    /// Makes the run one that somebody works with from a terminal. `wall`, `command` and `variable` are for
    /// what was not given.
    pub(super) fn into_session(
        self,
        wall: Duration,
        command: &[&str],
        variable: (&str, &str),
    ) -> Self {
        let mut args = Self { is_session: true, ..self };
        args.wall.get_or_insert(wall);
        if args.command.is_empty() {
            args.command = command.iter().map(|&word| word.to_owned()).collect();
        }
        let (name, value) = variable;
        if !args.variables.iter().any(|(given, _)| given == name) {
            args.variables.push((name.to_owned(), value.to_owned()));
        }
        args
    }

    /// Returns the limits that the flags set, by name.
    fn given_limits(&self) -> BTreeMap<String, u64> {
        let wall_us = self.wall.map(|wall| u64::try_from(wall.as_micros()).unwrap_or(u64::MAX));
        let limits = [
            ("wall_us", wall_us),
            ("memory_bytes", self.mem),
            ("output_bytes", self.output_limit),
            ("bytes", self.disk),
            ("files", self.files),
            ("processes", self.processes.map(u64::from)),
        ];
        limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), limit?))).collect()
    }

    /// Sets limits as [`Self::given_limits`] returned them.
    fn set_limits(&mut self, limits: &BTreeMap<String, u64>) {
        let limit = |name: &str| limits.get(name).copied();
        self.wall = limit("wall_us").map(Duration::from_micros);
        self.mem = limit("memory_bytes");
        self.output_limit = limit("output_bytes");
        self.disk = limit("bytes");
        self.files = limit("files");
        self.processes = limit("processes").and_then(|n| u32::try_from(n).ok());
    }

    fn limits(&self, default: &Limits) -> Limits {
        let default = default.clone();
        Limits {
            wall: self.wall.unwrap_or(default.wall),
            memory_bytes: self.mem.unwrap_or(default.memory_bytes),
            output_bytes: self.output_limit.unwrap_or(default.output_bytes),
            bytes: self.disk.unwrap_or(default.bytes),
            files: self.files.unwrap_or(default.files),
            processes: self.processes.unwrap_or(default.processes),
            ..default
        }
    }
}

/// Runs the command and passes on what it wrote and how it ended.
pub(super) async fn run(session: &Session, args: &RunArgs) -> anyhow::Result<Status> {
    args.snapshot.as_deref().map_or(Ok(()), SnapshotStore::check_name)?;
    if args.is_session && args.deterministic.is_some() {
        let what = "a session cannot be deterministic: what is typed comes when it comes";
        return Err(Advice::new(what, "`playpen run --deterministic` takes a whole input").into());
    }
    let Ran { plan, image, sandbox, outcome } = run_recorded(session, args, None, true).await?;
    let copied = &plan.copied;
    let outcome = match outcome {
        Ok(Some(outcome)) => outcome,
        Ok(None) => return Ok(Status::Guest(EXIT_NOT_READ)),
        Err(error) => return not_started(session, error),
    };
    let points = plan.points();
    let changes: Vec<Changes<'_>> = copied
        .iter()
        .filter_map(|copied| Some(Changes::new(copied, sandbox.tree(&copied.guest)?, &points)))
        .collect();
    let origin = plan.origin.as_ref();
    let taken = snapshots::take(session, args, &sandbox, origin, &plan.cwd, &image)?;
    conclude(session, args, &plan.limits, &outcome, sandbox.n_denied(), &changes, taken)
}

/// A command that was run.
struct Ran {
    plan: Plan,
    /// The digest of the image.
    image: String,
    sandbox: Sandbox,
    outcome: anyhow::Result<Option<Outcome>>,
}

/// Runs the command and writes its record. Without `stdin`, standard input is passed on.
async fn run_recorded(
    session: &Session,
    args: &RunArgs,
    stdin: Option<Vec<u8>>,
    shows: bool,
) -> anyhow::Result<Ran> {
    let mut plan = Plan::new(session, args)?;
    let (engine, image) = session.image(args.image.as_deref()).await?;
    let stdin = match stdin {
        None if args.deterministic.is_some() => Some(stdin::read_all()?),
        stdin => stdin,
    };
    let recording = Recording::start(args, &plan, &image, stdin.as_deref())?;
    let sandbox = plan.sandbox(args, &engine, &image, recording.as_ref())?;
    if let Some(origin) = &plan.origin {
        origin.restore(session, &sandbox, image.digest());
    }
    if args.cwd.is_some() {
        check_start(&sandbox, &plan)?;
    }
    let outcome = execute(session, &sandbox, args, stdin, shows).await;
    if let Some(recording) = recording {
        recording.finish(&sandbox, &plan.copied, outcome.as_ref().ok().and_then(Option::as_ref))?;
    }
    let image = image.digest().to_owned();
    Ok(Ran { plan, image, sandbox, outcome })
}

/// Checks that the folder to start in is there: what starts in none starts at the root.
fn check_start(sandbox: &Sandbox, plan: &Plan) -> anyhow::Result<()> {
    // With the slash at the end, a file is none.
    let found = sandbox.explain(&format!("{}/", plan.cwd));
    if matches!(found, Ok(Explanation { errno: None, .. })) {
        return Ok(());
    }
    let mounts: Vec<String> = plan.points().iter().map(|point| format!("`{point}`")).collect();
    Err(Advice::new(
        format!("there is no folder `{}` in the sandbox to start in", plan.cwd),
        format!("mounted are {}; `--mount GUEST=HOST` adds more", mounts.join(", ")),
    )
    .into())
}

/// Ends as a shell does where a program is not there (127) or cannot be run (126).
fn not_started(session: &Session, error: anyhow::Error) -> anyhow::Result<Status> {
    let code = match error.downcast_ref() {
        Some(RunError::Start { source: Errno::NOENT | Errno::NOTDIR, .. }) => EXIT_NOT_FOUND,
        Some(RunError::Start { .. }) => EXIT_NOT_EXECUTABLE,
        _ => return Err(error),
    };
    let hint =
        "`playpen image show` lists the programs; a file is named by its path in the sandbox";
    session.printer.error(&error, &[hint.to_owned()]);
    if session.printer.is_json() {
        session.printer.json(&Report::not_started(code, &error));
    }
    Ok(Status::Guest(code))
}

fn open_all(
    specs: &[MountSpec],
    skip_names: &[String],
    log: Option<&Path>,
) -> anyhow::Result<(Vec<Mount>, Vec<Copied>)> {
    let mut mounts = vec![];
    let mut all_copied = vec![];
    for spec in specs {
        let (mount, copied) = mounts::open(spec, skip_names, log)?;
        mounts.push(mount);
        all_copied.extend(copied);
    }
    Ok((mounts, all_copied))
}

/// Runs the command; unless the result is wanted as JSON, its output is passed on as it appears.
///
/// Returns `None` if it was ended because nobody reads its output any more.
async fn execute(
    session: &Session,
    sandbox: &Sandbox,
    args: &RunArgs,
    stdin: Option<Vec<u8>>,
    shows: bool,
) -> anyhow::Result<Option<Outcome>> {
    let (program, rest) = args.command.split_first().context("no command was given")?;
    let mut command = sandbox.command(program).args(rest);
    if let Some(stdin) = stdin {
        command = command.stdin(stdin);
    } else if args.is_session || !io::stdin().is_terminal() {
        stdin::feed(command.stdin_pipe());
    }
    let interrupter = command.interrupter();
    // Before the command starts, so that no interrupt meets the program that runs it.
    let interrupts = args
        .is_session
        .then(|| signal(SignalKind::interrupt()))
        .transpose()
        .context("cannot listen for interrupts")?;
    let pass_on = Arc::new(PassOn { printer: session.printer.clone(), left: Notify::new() });
    if shows && !session.printer.is_json() {
        command = command.watch(Arc::<PassOn>::clone(&pass_on));
    }
    tokio::select! {
        outcome = command.output() => Ok(Some(outcome?)),
        () = pass_on.left.notified() => Ok(None),
        () = pass_interrupts(&interrupter, interrupts) => Ok(None),
    }
}

/// Interrupts what the command has started whenever the user asks for it; never returns.
async fn pass_interrupts(interrupter: &Interrupter, interrupts: Option<Signal>) {
    if let Some(mut interrupts) = interrupts {
        while interrupts.recv().await.is_some() {
            interrupter.interrupt();
        }
    }
    std::future::pending::<()>().await;
}

/// Passes output on as it appears.
#[derive(Debug)]
struct PassOn {
    printer: Printer,
    /// Told when whoever read stdout has left.
    left: Notify,
}

impl OutputSink for PassOn {
    fn write(&self, stream: Stream, data: &[u8]) {
        match stream {
            Stream::Stdout if self.printer.data(data) => {}
            Stream::Stdout => self.left.notify_one(),
            Stream::Stderr => self.printer.passthrough(data),
            Stream::Other(_) => {}
        }
    }
}

/// Passes on the output, shows the changes, writes them back if asked to, and returns the code.
fn conclude(
    session: &Session,
    args: &RunArgs,
    limits: &Limits,
    outcome: &Outcome,
    n_denied: u64,
    changes: &[Changes<'_>],
    taken: Option<Taken>,
) -> anyhow::Result<Status> {
    let printer = &session.printer;
    if !printer.is_json() {
        for folder in changes {
            folder.show(printer, changes.len() > 1);
        }
    }
    let program = args.command.first().map_or("", String::as_str);
    let reason = report::reason(outcome.exit, program, limits);
    if let Some(reason) = &reason {
        printer.always(format_args!("playpen: {reason}"));
    }
    for incident in &outcome.incidents {
        printer.always(format_args!("playpen: {incident}"));
    }

    let mut n_changes: usize = changes.iter().map(Changes::len).sum();
    let applied = args.apply && reason.is_none();
    if applied {
        n_changes = write_back(printer, changes)?;
    }
    say_what_became(session, args, n_changes, applied, taken.as_ref());
    if printer.is_json() {
        let paths = changes.iter().flat_map(Changes::paths).collect();
        printer.json(&Report::new(outcome, n_denied, paths, applied, taken));
    }
    Ok(Status::Guest(match outcome.exit {
        Exit::Limit(_) => EXIT_LIMIT,
        exit => exit.code(),
    }))
}

/// Says what became of the changes.
/// Writes to the folders of the host what changed; returns how many paths that are.
fn write_back(printer: &Printer, changes: &[Changes<'_>]) -> anyhow::Result<usize> {
    // All folders are looked at before the first is written.
    let plans: Vec<_> =
        changes.iter().filter_map(|it| it.write_back().transpose()).collect::<Result<_, _>>()?;
    plans.iter().try_for_each(WriteBack::write)?;
    let left_out: Vec<String> =
        plans.iter().flat_map(|plan| &plan.left_out).map(|path| format!("`{path}`")).collect();
    if !left_out.is_empty() {
        printer.warning(format_args!(
            "left as they are, since they were left out of the copy: {}",
            left_out.join(", ")
        ));
    }
    Ok(plans.iter().map(|plan| plan.n_paths).sum())
}

fn say_what_became(
    session: &Session,
    args: &RunArgs,
    n_changes: usize,
    applied: bool,
    taken: Option<&Taken>,
) {
    let printer = &session.printer;
    if let Some(Taken { id, name }) = taken {
        printer.status(format_args!("playpen: snapshot `{name}` is {}", id.short()));
    }
    match n_changes {
        0 => {}
        n if !args.apply && taken.is_some() => {
            printer.status(format_args!("playpen: {n} changed paths kept in the snapshot"));
        }
        n if applied => printer.status(format_args!("playpen: {n} changed paths written back")),
        n if args.apply => printer.warning(format_args!(
            "{n} changed paths thrown away: the command did not end by itself"
        )),
        n => printer.status(format_args!("playpen: {n} changed paths thrown away (no --apply)")),
    }
}
