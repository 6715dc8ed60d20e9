//! `playpen audit`: questions about what a command touched.

use super::{
    Status,
    hint::Advice,
    session::Session,
    table::{count, table},
};
use crate::{
    audit::{self, Access, Bases, Paths, PublicKey, Record, never_read, who_read, who_wrote},
    printer::visible,
};
use cap_std::{ambient_authority, fs::Dir};
use clap::{Args, Subcommand};
use playpen_runtime::{
    ImportOptions, Tree,
    audit::{Event, MountInfo, Op},
};
use serde::{Deserialize as _, Serialize, de::IntoDeserializer as _};
use std::path::{Path, PathBuf};

/// Ask what a command touched: the record that `run --audit` wrote
///
/// Paths are those of the sandbox, or globs; one that does not start with `/` is below each mount.
/// Files are known by their node: one that is read through a link, under a new name or inside a
/// renamed folder is still that file.
///
/// Exits with 0 if the answer is yes (there is such an event; the log is good; it was never read),
/// with 1 if it is no, and with 3 if the file is no log.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Print the events
    Show(Show),
    /// Count: operations, programs, files, bytes
    Stats(LogArgs),
    /// Which processes read a path
    WhoRead(PathArgs),
    /// Which processes changed a path
    WhoWrote(PathArgs),
    /// Prove that nothing of a path was read, as a git object neither
    ///
    /// Answers no, and lists the events, if anything that was opened or read could have had the
    /// content: under any name that the file ever had, in a loose git object or in a pack that holds
    /// it, or in git objects that the base commit does not reach. Answers no as well if the log is
    /// damaged or incomplete, or if a folder changed on the host since, so that nobody can tell what
    /// git kept in it.
    NeverRead(NeverReadArgs),
    /// Print what was denied or flagged
    Denied(LogArgs),
    /// Check that nothing was changed, left out or cut off
    Verify(VerifyArgs),
    /// Write one page to look at: timeline, processes, files, denials, changes
    ///
    /// The page needs no other file, no network and no script.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
struct LogArgs {
    /// The log
    #[arg(value_name = "EVENTS")]
    log: PathBuf,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    log: LogArgs,

    /// Only of this process
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// Only this operation, such as `open_read`
    #[arg(long, value_name = "OP", value_parser = operation)]
    op: Option<Op>,

    /// Only of paths that match
    #[arg(long, value_name = "GLOB")]
    path: Option<String>,
}

#[derive(Debug, Args)]
struct PathArgs {
    /// A path of the sandbox, or a glob
    path: String,

    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Args)]
struct NeverReadArgs {
    #[command(flatten)]
    path: PathArgs,

    /// The commit whose history may be read [default: what `HEAD` named before the run]
    #[arg(long, value_name = "COMMIT")]
    base: Option<String>,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    #[command(flatten)]
    log: LogArgs,

    /// Require a signature with this public key: a PEM file, or 64 hexadecimal digits
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

#[derive(Debug, Args)]
struct ReportArgs {
    #[command(flatten)]
    log: LogArgs,

    /// Where to write the page
    #[arg(long, value_name = "FILE")]
    html: PathBuf,

    /// Show this patch as well, such as `playpen snapshot export --patch` writes
    #[arg(long, value_name = "FILE")]
    patch: Option<PathBuf>,
}

/// Reads the name of an operation, as the record has it.
fn operation(name: &str) -> Result<Op, String> {
    let error = |error: serde::de::value::Error| error.to_string().replace("variant", "operation");
    Op::deserialize(name.into_deserializer()).map_err(error)
}

/// Answers.
pub(super) fn run(session: &Session, args: &AuditArgs) -> anyhow::Result<Status> {
    match &args.question {
        Question::Show(args) => show(session, args),
        Question::Stats(args) => Ok(stats(session, &read(&args.log)?)),
        Question::WhoRead(args) => ask(session, args, who_read),
        Question::WhoWrote(args) => ask(session, args, who_wrote),
        Question::NeverRead(args) => prove(session, args),
        Question::Denied(args) => {
            let record = read(&args.log)?;
            warn(session, &record);
            Ok(list(session, &audit::denied(&record)))
        }
        Question::Verify(args) => verify(session, args),
        Question::Report(args) => report(session, args),
    }
}

fn read(path: &Path) -> anyhow::Result<Record> {
    Ok(Record::read(path)?)
}

/// Returns the paths that a question is about; says so if the log knows nothing of them.
fn paths(session: &Session, pattern: &str, record: &Record) -> anyhow::Result<Paths> {
    let paths = Paths::new(pattern, &record.points()).map_err(|error| {
        let hint =
            "name a path as in `tests/hidden/**`, below a mount, or an absolute one of the sandbox";
        Advice::new(error.to_string(), hint)
    })?;
    let is_named = record.events.iter().any(|event| {
        let told = event.resolved.iter().chain(&event.to_resolved).map(|path| &**path);
        told.chain(event.names.iter().map(String::as_str)).any(|path| paths.has(path))
    });
    if !is_named {
        session.printer.warning(format_args!(
            "no event names `{pattern}`, in any way: paths are those of the sandbox, or relative to its mounts"
        ));
    }
    Ok(paths)
}

/// Says what is wrong with a log whose events are shown all the same, and what is missing in it.
fn warn(session: &Session, record: &Record) {
    for defect in record.defects() {
        session.printer.warning(format_args!("{}", visible(&defect)));
    }
}

fn show(session: &Session, args: &Show) -> anyhow::Result<Status> {
    let record = read(&args.log.log)?;
    let paths = args.path.as_deref().map(|path| paths(session, path, &record)).transpose()?;
    let is_meant = |event: &&Event| {
        let touched = event.resolved.iter().chain(&event.to_resolved);
        args.pid.is_none_or(|pid| event.pid == pid)
            && args.op.is_none_or(|op| event.op == op)
            && paths.as_ref().is_none_or(|paths| touched.clone().any(|path| paths.has(path)))
    };
    let mut n = 0_u64;
    for event in record.events.iter().filter(is_meant) {
        n += 1;
        if session.printer.is_json() {
            session.printer.json_line(event);
        } else {
            session.printer.result(line(event));
        }
    }
    warn(session, &record);
    Ok(if n > 0 { Status::Done } else { Status::No })
}

/// Returns an event as a line for people.
fn line(event: &Event) -> String {
    let mut parts = vec![format!(
        "{:>6} {:>9.3}s {:>4} {:<10} {:<10}",
        event.seq,
        micros(event.at_us),
        event.pid,
        event.argv0,
        event.op.name()
    )];
    let path = event.resolved.as_deref().or(event.path.as_deref());
    parts.extend(path.map(str::to_owned));
    if let Some(to) = event.to_resolved.as_deref().or(event.to.as_deref()) {
        parts.push(format!("-> {to}"));
    }
    parts.extend(event.address.as_deref().map(str::to_owned));
    if let Some(argv) = &event.argv {
        parts.push(format!("{argv:?}"));
    }
    if let Some(status) = &event.status {
        parts.push(status.to_string());
    }
    if let Some(n) = event.bytes_read.filter(|n| *n > 0) {
        parts.push(format!("{n} bytes read"));
    }
    if let Some(n) = event.bytes_written.filter(|n| *n > 0) {
        parts.push(format!("{n} bytes written"));
    }
    if let Some(errno) = &event.errno {
        parts.push(errno.to_string());
    }
    if event.flagged {
        parts.push("FLAGGED".to_owned());
    }
    if event.decision == playpen_runtime::audit::Decision::Denied {
        let by = event.rule.as_deref().or(event.grant.as_deref()).unwrap_or("the kernel");
        parts.push(format!("DENIED by {by}"));
    }
    if let Some(count) = event.count {
        parts.push(format!("x{count}"));
    }
    visible(&parts.join(" "))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn micros(at_us: u64) -> f64 {
    at_us as f64 / 1e6
}

fn stats(session: &Session, record: &Record) -> Status {
    let stats = audit::stats(record);
    warn(session, record);
    if session.printer.is_json() {
        session.printer.json(&stats);
        return Status::Done;
    }
    let mut table = table(["what", "how many"]);
    let mut row = |what: &str, n: u64| {
        table.add_row([what.to_owned(), count(n)]);
    };
    row("events", stats.n_events);
    row("denied", stats.n_denied as u64);
    row("flagged", stats.n_flagged as u64);
    row("processes", stats.n_processes as u64);
    row("microseconds", stats.took_us);
    row("files read", stats.n_files_read as u64);
    row("files written", stats.n_files_written as u64);
    row("bytes read", stats.bytes_read);
    row("bytes written", stats.bytes_written);
    for (op, n) in &stats.by_op {
        row(op, *n);
    }
    for (program, n) in &stats.by_program {
        row(&format!("by `{}`", visible(program)), *n);
    }
    session.printer.result(table);
    Status::Done
}

fn ask(
    session: &Session,
    args: &PathArgs,
    question: fn(&Record, &Paths) -> Vec<Access>,
) -> anyhow::Result<Status> {
    let record = read(&args.log.log)?;
    let paths = paths(session, &args.path, &record)?;
    for doubt in record.doubts() {
        session.printer.warning(format_args!("{}", visible(&doubt)));
    }
    Ok(list(session, &question(&record, &paths)))
}

fn list(session: &Session, accesses: &[Access]) -> Status {
    if session.printer.is_json() {
        session.printer.json(&accesses);
    } else {
        for access in accesses {
            session.printer.result(access_line(access));
        }
    }
    if accesses.is_empty() { Status::No } else { Status::Done }
}

fn access_line(access: &Access) -> String {
    let Access { seq, pid, argv, op, path, .. } = access;
    let said = format!("event {seq}: {} {path} by {pid} {}", op.name(), argv.join(" "));
    let also = access.also.as_ref().map_or_else(String::new, |also| format!(" (that is {also})"));
    let by = access.by.as_deref().unwrap_or("the kernel");
    let denied = access.errno.as_ref().map(|errno| format!(" [{errno} by {by}]"));
    let why = access.why.as_ref().map(|why| format!(": {why}"));
    visible(&[said, also, denied.unwrap_or_default(), why.unwrap_or_default()].concat())
}

/// Reads folders of the host again, if they are still what was copied.
struct HostFolders;

impl Bases for HostFolders {
    fn tree(&self, mount: &MountInfo) -> Result<Tree, String> {
        let MountInfo { host, guest, skip, log, digest, .. } = mount;
        let options = ImportOptions {
            skip_names: skip.clone(),
            skip_path: log.clone(),
            ..ImportOptions::default()
        };
        let read = || -> anyhow::Result<Tree> {
            let dir = Dir::open_ambient_dir(host, ambient_authority())?;
            Ok(Tree::import(&dir, &options)?)
        };
        let tree = read().map_err(|error| format!("`{host}` cannot be read again: {error:#}"))?;
        match digest {
            Some(digest) if *digest == tree.digest().to_hex().as_str() => Ok(tree),
            Some(_) => Err(format!("`{host}` is not any more what was copied to `{guest}`")),
            None => Err(format!("`{guest}` was no copy, so what was in `{host}` is not known")),
        }
    }
}

fn prove(session: &Session, args: &NeverReadArgs) -> anyhow::Result<Status> {
    let record = read(&args.path.log.log)?;
    let paths = paths(session, &args.path.path, &record)?;
    let answer = never_read(&record, &paths, &HostFolders, args.base.as_deref());
    if session.printer.is_json() {
        session.printer.json(&answer);
    } else if answer.proved {
        let (pattern, n) = (&args.path.path, answer.n_events);
        session.printer.result(format_args!("never read: `{pattern}`, by {} events", count(n)));
    } else {
        for access in &answer.reads {
            session.printer.result(access_line(access));
        }
        for doubt in &answer.doubts {
            session.printer.result(format_args!("not proved: {}", visible(doubt)));
        }
    }
    Ok(if answer.proved { Status::Done } else { Status::No })
}

/// The answer of `verify`, as JSON.
#[derive(Debug, Serialize)]
struct Verified<'a> {
    good: bool,
    n_events: u64,
    /// Events that the log says it left out.
    n_missing: u64,
    signed_by: Option<&'a str>,
    /// Of all events without the chain.
    event_hash: String,
    faults: &'a [audit::Fault],
}

fn verify(session: &Session, args: &VerifyArgs) -> anyhow::Result<Status> {
    let mut record = read(&args.log.log)?;
    if let Some(key) = &args.key {
        record.require(&PublicKey::read(key)?);
    }
    let (faults, n_events) = (&record.faults, record.n_events());
    let defects = record.defects();
    let good = defects.is_empty();
    let event_hash = record.event_hash().to_hex().to_string();
    let signed_by = record.signed_by.as_deref();
    if session.printer.is_json() {
        session.printer.json(&Verified {
            good,
            n_events,
            n_missing: record.gaps.iter().map(|gap| gap.n_events).sum(),
            signed_by,
            event_hash,
            faults,
        });
    } else if good {
        let signer = signed_by.map_or_else(String::new, |key| format!(", signed by {key}"));
        session.printer.result(format_args!("good: {} events{signer}", count(n_events)));
    } else {
        for defect in &defects {
            session.printer.result(visible(defect));
        }
    }
    Ok(if good { Status::Done } else { Status::No })
}

fn report(session: &Session, args: &ReportArgs) -> anyhow::Result<Status> {
    let record = read(&args.log.log)?;
    let patch = args.patch.as_deref().map(fs_err::read).transpose()?;
    let patch = patch.map(|patch| String::from_utf8_lossy(&patch).into_owned());
    fs_err::write(&args.html, audit::report::html(&record, patch.as_deref()))?;
    warn(session, &record);
    let (path, n_events) = (args.html.display(), count(record.n_events()));
    session.printer.status(format_args!("wrote `{path}`: {n_events} events"));
    Ok(Status::Done)
}

/// Returns the advice for a log that is none.
pub(super) fn hint(error: &audit::LogError) -> &'static str {
    match error {
        audit::LogError::Newer { .. } => "a newer playpen reads it",
        _ => "`playpen run --audit FILE -- COMMAND` writes a log",
    }
}
