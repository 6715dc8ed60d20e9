//! The command line: one file for each command, and how a command ends.
//!
//! A command is an `Args` struct, whose doc comment is its help, and one function. Arguments are
//! turned once into what they mean (paths opened, limits built) before work starts. Here alone
//! `anyhow` is used; the libraries below have error types of their own.
//!
//! # Exit codes
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | the work was done, and the answer is no: a test failed, something needed is missing |
//! | 2 | the command line cannot be understood |
//! | 3 | error |
//! | 75 | try again: interrupted. `image build` goes on where it stopped, and so does `rollout --resume RUN` |
//! | 124 | `run` and `shell`: a limit ended the command; the reason is on stderr |
//! | 130 | `run` only: interrupted |
//!
//! `run` and `shell` return the exit code of the command in the sandbox.

mod building;
mod hint;
mod model;
mod session;
mod table;
mod watch;

mod audit;
mod bench;
mod demo;
mod doctor;
mod export;
mod fork;
mod image;
mod mock_model;
mod policy;
mod propose;
mod replay;
mod report;
mod rollout;
mod run;
mod shell;
mod snapshot;
mod variant;
mod verify;

use crate::{
    config::Environment,
    printer::{Printer, Verbosity},
    units,
};
use clap::{
    CommandFactory as _, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use session::Session;
use std::{num::IntErrorKind, path::PathBuf, process::ExitCode, time::Duration};
use tracing_subscriber::EnvFilter;

/// Everything that was asked for was done.
pub const EXIT_DONE: u8 = 0;
/// The work was done and the answer is no.
pub const EXIT_NO: u8 = 1;
/// The command line cannot be understood.
pub const EXIT_USAGE: u8 = 2;
/// The host or its configuration is at fault.
pub const EXIT_ERROR: u8 = 3;
/// The work was interrupted; the same command can be given again.
pub const EXIT_TRY_AGAIN: u8 = 75;
/// A limit ended the command in the sandbox.
pub const EXIT_LIMIT: u8 = 124;

/// `run` was interrupted: what a shell shows for a program that `SIGINT` ended.
const EXIT_INTERRUPTED: u8 = 130;

/// How long an interrupted command may take to put things in order.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// Training data for coding agents, without containers
///
/// Everything an agent does (shell, file edits, tests) happens in a sandbox of WebAssembly guests on
/// a copy-on-write filesystem that records every access.
///
/// Exit codes: 0 done, 1 the answer is no, 2 usage, 3 error, 75 try again. `run` and `shell` return the
/// exit code of their command, and 124 where a limit ended it.
#[derive(Debug, Parser)]
#[command(name = "playpen", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct GlobalArgs {
    /// Say nothing but errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Say more about what is done
    #[arg(long, short, global = true)]
    verbose: bool,

    /// Print results as JSON
    #[arg(long, global = true)]
    json: bool,

    /// Folder for guests, images and compiled code [default: `$PLAYPEN_HOME`, or the cache folder]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Shell(shell::ShellArgs),
    Audit(audit::AuditArgs),
    Snapshot(snapshot::SnapshotArgs),
    Fork(fork::ForkArgs),
    Replay(replay::ReplayArgs),
    Policy(policy::PolicyArgs),
    Propose(propose::ProposeArgs),
    Rollout(rollout::RolloutArgs),
    Variant(variant::VariantArgs),
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
    Report(report::ReportArgs),
    Demo(demo::DemoArgs),
    Image(image::ImageArgs),
    Doctor(doctor::DoctorArgs),
    MockModel(mock_model::MockModelArgs),
    Bench(bench::BenchArgs),
}

/// How a command ended, short of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Everything asked for was done.
    Done,
    /// The work was done, and the answer is no.
    No,
    /// Interrupted; the same command can be given again.
    TryAgain,
    /// What the command in the sandbox returned.
    Guest(u8),
}

impl Status {
    fn code(self) -> u8 {
        match self {
            Self::Done => EXIT_DONE,
            Self::No => EXIT_NO,
            Self::TryAgain => EXIT_TRY_AGAIN,
            Self::Guest(code) => code,
        }
    }
}

/// Parses the command line, runs the command and reports how it went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse().and_then(checked) {
        Ok(cli) => cli,
        Err(error) => return usage(&told(error)),
    };
    let session = Session::new(printer(&cli.global), Environment::read(), cli.global.home);
    start_log(&session);

    let code = match start(&session, cli.command) {
        Ok(status) => status.code(),
        Err(error) => {
            session.printer.error(&error, &hint::hints(&error));
            EXIT_ERROR
        }
    };
    ExitCode::from(finish(&session.printer, code))
}

/// Refuses what the grammar of the command line cannot.
fn checked(cli: Cli) -> Result<Cli, clap::Error> {
    let flag = match &cli.command {
        Command::Run(args) => args.unknown_flag(),
        Command::Shell(args) => args.unknown_flag(),
        _ => None,
    };
    if let Some(flag) = flag {
        let message = format!("unexpected argument '{flag}' found");
        return Err(Cli::command().error(ErrorKind::UnknownArgument, message));
    }
    Ok(cli)
}

/// Says of a number that is none what it should be, instead of how reading it failed.
fn told(error: clap::Error) -> clap::Error {
    let source = std::error::Error::source(&error).and_then(|it| it.downcast_ref());
    let wanted = match source.map(std::num::ParseIntError::kind) {
        None => return error,
        Some(IntErrorKind::Zero) => "it must be 1 or more",
        Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => "the number is too large",
        Some(_) => "write a whole number, such as `3`",
    };
    let mut told = clap::Error::new(ErrorKind::ValueValidation).with_cmd(&Cli::command());
    for (kind, value) in error.context() {
        told.insert(kind, value.clone());
    }
    told.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![wanted.into()]));
    told
}

/// Prints what is wrong with the command line, or the help that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    // Where nobody reads the message there is nothing left to report.
    drop(error.print());
    ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { EXIT_DONE })
}

fn printer(args: &GlobalArgs) -> Printer {
    let verbosity = match (args.quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    Printer::new(verbosity, args.json)
}

fn start_log(session: &Session) {
    let Some(filter) = &session.env.log_filter else { return };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .finish();
    // The only subscriber of the process, so this cannot find another one in place.
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// Runs the command until it ends or until it is interrupted.
fn start(session: &Session, command: Command) -> anyhow::Result<Status> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (takes_interrupts, when_interrupted) = match &command {
        Command::Run(_) => (false, Status::Guest(EXIT_INTERRUPTED)),
        Command::MockModel(_) | Command::Shell(_) => (true, Status::Done),
        _ => (false, Status::TryAgain),
    };
    let runs = match &command {
        Command::Rollout(args) => Some(args.runtime_folder.clone()),
        _ => None,
    };
    let status = runtime.block_on(async {
        tokio::select! {
            status = dispatch(session, command) => status,
            () = interrupted(), if !takes_interrupts => {
                session.printer.always(format_args!("playpen: interrupted"));
                if let Some(advice) = runs.and_then(|runs| rollout::after_interruption(&runs)) {
                    session.printer.status(format_args!("hint: {advice}"));
                }
                Ok(when_interrupted)
            }
        }
    });
    // Time for a build of the image to end the programs that it started.
    runtime.shutdown_timeout(SHUTDOWN);
    status
}

/// Returns when the user or the system asks the program to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn dispatch(session: &Session, command: Command) -> anyhow::Result<Status> {
    match command {
        Command::Run(args) => run::run(session, &args).await,
        Command::Shell(args) => shell::run(session, args).await,
        Command::Audit(args) => audit::run(session, &args),
        Command::Snapshot(args) => snapshot::run(session, &args),
        Command::Fork(args) => fork::run(session, &args),
        Command::Replay(args) => replay::run(session, &args).await,
        Command::Policy(args) => policy::run(session, &args).await,
        Command::Propose(args) => propose::run(session, &args).await,
        Command::Rollout(args) => rollout::run(session, &args).await,
        Command::Variant(args) => variant::run(session, &args).await,
        Command::Verify(args) => verify::run(session, &args).await,
        Command::Export(args) => export::run(session, &args),
        Command::Report(args) => report::run(session, &args),
        Command::Demo(args) => demo::run(session, &args).await,
        Command::Image(args) => image::run(session, &args).await,
        Command::Doctor(args) => doctor::run(session, &args),
        Command::Bench(args) => bench::run(session, &args).await,
        Command::MockModel(args) => mock_model::run(session, &args).await,
    }
}

/// Returns `code`, or the code of an error if the output could not be written.
fn finish(printer: &Printer, code: u8) -> u8 {
    match printer.finish() {
        Ok(()) => code,
        Err(error) => {
            printer.error(&anyhow::Error::new(error).context("failed to write the output"), &[]);
            EXIT_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, told, units};
    use clap::{CommandFactory as _, Parser as _};

    /// Returns what is said of a command line that cannot be understood.
    fn refusal(args: &[&str]) -> String {
        let args = ["playpen"].iter().chain(args);
        told(Cli::try_parse_from(args).expect_err("it should be refused")).to_string()
    }

    #[test]
    fn a_number_that_is_none_is_told_what_it_should_be() {
        let said = refusal(&["bench", "exec", "-n", "0"]);
        assert!(said.starts_with("error: invalid value '0' for '--n <N>'\n"), "{said}");
        assert!(said.contains("it must be 1 or more"), "{said}");
        let said = refusal(&["run", "--deterministic", "abc", "--", "ls"]);
        assert!(said.contains("write a whole number, such as `3`"), "{said}");
        let said = refusal(&["fork", "base", "-n", "99999999999999999999999"]);
        assert!(said.contains("the number is too large"), "{said}");
        let said = refusal(&["run", "--wall", "x", "--", "ls"]);
        assert!(said.contains("`x` is not a duration"), "{said}");
    }

    #[test]
    fn help_tells_the_limits_that_hold() {
        let limits = playpen_runtime::Limits::default();
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run").expect("there is `run`");
        let told = |name: &str| {
            let help = run.get_arguments().find(|it| it.get_id() == name)?.get_help()?.to_string();
            Some(help.split_once("[default: ")?.1.trim_end_matches(']').to_owned())
        };
        let bytes = |name| units::bytes(&told(name).unwrap()).unwrap();
        assert_eq!(units::duration(&told("wall").unwrap()).unwrap(), limits.wall);
        assert_eq!(bytes("mem"), limits.memory_bytes);
        assert_eq!(bytes("output_limit"), limits.output_bytes);
        assert_eq!(bytes("disk"), limits.bytes);
        assert_eq!(bytes("files"), limits.files);
        assert_eq!(bytes("processes"), u64::from(limits.processes));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
