//! `wait [-fn] [-p NAME] [PID | %JOB]...`.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Mutex;

use brush_core::env::{EnvironmentLookup, EnvironmentScope};
use brush_core::jobs::JobManager;
use brush_core::sys::{process, signal::Signal};
use brush_core::variables::ShellValueLiteral;
use brush_core::{Error, ExecutionContext, ExecutionResult, ShellExtensions};

/// The status of something that the shell does not know.
const UNKNOWN: u8 = 127;

/// What is waited for, and where the name of what has ended goes.
#[derive(Default)]
struct Options {
    takes_next: bool,
    variable: Option<String>,
    ids: Vec<String>,
}

impl Options {
    fn parse(args: Vec<String>) -> Self {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--" => options.ids.extend(args.by_ref()),
                "-p" => options.variable = args.next(),
                flags if flags.starts_with('-') && flags.len() > 1 => {
                    options.takes_next |= flags.contains('n');
                    if flags.ends_with('p') {
                        options.variable = args.next();
                    }
                }
                _ => options.ids.push(arg),
            }
        }
        options
    }
}

/// How waiting ended: with what a job came to, or early, by a signal that has a trap.
enum Waited {
    Ended(u8),
    Interrupted(Signal),
}

/// Waits for jobs. A signal whose trap is to run ends it at once, with 128 and its number.
pub(super) async fn wait<SE: ShellExtensions>(
    mut context: ExecutionContext<'_, SE>,
    args: Vec<String>,
) -> Result<ExecutionResult, Error> {
    let options = Options::parse(args);
    let waited = if options.takes_next {
        next(&mut context, &options).await?
    } else if options.ids.is_empty() {
        all(&mut context).await?
    } else {
        each(&mut context, &options).await?
    };
    Ok(ExecutionResult::new(match waited {
        Waited::Ended(status) => status,
        Waited::Interrupted(signal) => 128 + signal as u8,
    }))
}

async fn all<SE: ShellExtensions>(context: &mut ExecutionContext<'_, SE>) -> Result<Waited, Error> {
    while let Some(id) = context.shell.jobs().jobs.first().map(|job| job.id) {
        if let Waited::Interrupted(signal) = one(context, id).await? {
            return Ok(Waited::Interrupted(signal));
        }
    }
    Ok(Waited::Ended(0))
}

async fn each<SE: ShellExtensions>(
    context: &mut ExecutionContext<'_, SE>,
    options: &Options,
) -> Result<Waited, Error> {
    let mut last = Waited::Ended(0);
    for id in &options.ids {
        let job = find(context, id);
        last = match job {
            Some(job) => one(context, job).await?,
            None => Waited::Ended(unknown(context, id)?),
        };
        if matches!(last, Waited::Interrupted(_)) {
            break;
        }
        if job.is_some() {
            name(context, options, id)?;
        }
    }
    Ok(last)
}

/// Waits for the one of the jobs, or of those that are named, that ends first.
async fn next<SE: ShellExtensions>(
    context: &mut ExecutionContext<'_, SE>,
    options: &Options,
) -> Result<Waited, Error> {
    let mut wanted: Vec<usize> = context.shell.jobs().jobs.iter().map(|job| job.id).collect();
    if !options.ids.is_empty() {
        let named: Vec<usize> = options.ids.iter().filter_map(|id| find(context, id)).collect();
        wanted.retain(|id| named.contains(id));
    }
    if wanted.is_empty() {
        return Ok(Waited::Ended(UNKNOWN));
    }
    loop {
        let pid = match process::wait_any() {
            Ok(pid) => pid,
            Err(e) if e.raw_os_error() == Some(playpen_sys::EINTR) => {
                match brush_core::sys::delivery::ends_wait() {
                    Some(signal) => return Ok(Waited::Interrupted(signal)),
                    None => continue,
                }
            }
            Err(e) => return Err(e.into()),
        };
        let jobs = &context.shell.jobs().jobs;
        let job = jobs.iter().find(|job| job.representative_pid() == Some(pid)).map(|job| job.id);
        match job {
            Some(id) if wanted.contains(&id) => {
                name(context, options, &pid.to_string())?;
                return one(context, id).await;
            }
            // Another job: its status is for whoever asks for it.
            Some(id) => drop(one(context, id).await?),
            // Children that are no jobs end as well: process substitutions.
            None => process::forget(pid),
        }
    }
}

/// How jobs ended that the shell has forgotten, the last ones: `wait PID` may ask again.
static ENDED: Mutex<VecDeque<(i32, u8)>> = Mutex::new(VecDeque::new());

/// As many as there can be children of one user.
const MAX_ENDED: usize = 1024;

/// Forgets the jobs that have ended, but not what came of them.
pub(super) fn drop_ended(jobs: &mut JobManager) {
    for (pid, status) in jobs.drop_ended() {
        remember(pid, status);
    }
}

fn remember(pid: i32, status: u8) {
    if let Ok(mut ended) = ENDED.lock() {
        ended.truncate(MAX_ENDED - 1);
        ended.push_front((pid, status));
    }
}

fn remembered(id: &str) -> Option<u8> {
    let pid: i32 = id.parse().ok()?;
    let ended = ENDED.lock().ok()?;
    ended.iter().find(|(it, _)| *it == pid).map(|(_, status)| *status)
}

/// Waits for one job, which the shell then forgets.
async fn one<SE: ShellExtensions>(
    context: &mut ExecutionContext<'_, SE>,
    id: usize,
) -> Result<Waited, Error> {
    let jobs = context.shell.jobs_mut();
    let Some(at) = jobs.jobs.iter().position(|job| job.id == id) else {
        return Ok(Waited::Ended(UNKNOWN));
    };
    let pid = jobs.jobs[at].representative_pid();
    if let Some(pid) = pid
        && let Some(signal) = process::wait_for(pid)?
    {
        return Ok(Waited::Interrupted(signal));
    }
    let mut job = jobs.jobs.remove(at);
    jobs.mark();
    let status = job.wait().await?.exit_code.into();
    if let Some(pid) = pid {
        remember(pid, status);
    }
    Ok(Waited::Ended(status))
}

fn find<SE: ShellExtensions>(context: &mut ExecutionContext<'_, SE>, id: &str) -> Option<usize> {
    let jobs = context.shell.jobs_mut();
    if id.starts_with('%') {
        return jobs.resolve_job_spec(id).map(|job| job.id);
    }
    let pid: i32 = id.parse().ok()?;
    jobs.jobs.iter().find(|job| job.representative_pid() == Some(pid)).map(|job| job.id)
}

fn unknown<SE: ShellExtensions>(context: &ExecutionContext<'_, SE>, id: &str) -> Result<u8, Error> {
    let prefix = context.shell.message_prefix();
    if let Some(status) = remembered(id) {
        return Ok(status);
    }
    let what = match id {
        job if job.starts_with('%') => format!("{job}: no such job"),
        pid if pid.parse::<u32>().is_ok() => {
            format!("pid {pid} is not a child of this shell")
        }
        word => {
            writeln!(context.stderr(), "{prefix}wait: `{word}': not a pid or valid job spec")?;
            return Ok(1);
        }
    };
    writeln!(context.stderr(), "{prefix}wait: {what}")?;
    Ok(UNKNOWN)
}

/// `-p NAME`: what has ended.
fn name<SE: ShellExtensions>(
    context: &mut ExecutionContext<'_, SE>,
    options: &Options,
    pid: &str,
) -> Result<(), Error> {
    let Some(variable) = &options.variable else { return Ok(()) };
    context.shell.env_mut().update_or_add(
        variable,
        ShellValueLiteral::Scalar(pid.to_owned()),
        |_| Ok(()),
        EnvironmentLookup::Anywhere,
        EnvironmentScope::Global,
    )
}
