//! `kill [-SIGNAL | -s SIGNAL | -l] PID|%JOB...`.

use std::io::Write as _;
use std::str::FromStr as _;

use brush_core::sys::signal::Signal;
use brush_core::traps::TrapSignal;
use brush_core::{Error, ExecutionContext, ExecutionResult, ShellExtensions};

const USAGE: &str =
    "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]";

/// Sends a signal. The trap of one to the shell itself runs after the command, like that of any other.
pub(super) async fn kill<SE: ShellExtensions>(
    context: ExecutionContext<'_, SE>,
    args: Vec<String>,
) -> Result<ExecutionResult, Error> {
    let mut args = args.into_iter().peekable();
    let mut signal = Some(TrapSignal::Signal(Signal::SIGTERM));
    if let Some(flag) = args.next_if(|a| a.len() > 1 && a.starts_with('-') && a != "--") {
        if flag == "-l" || flag == "-L" {
            return list(&context, args);
        }
        let name = if matches!(flag.as_str(), "-s" | "-n") { args.next() } else { None };
        let name = name.unwrap_or_else(|| flag.trim_start_matches('-').to_owned());
        signal = TrapSignal::from_str(&name).ok();
        if signal.is_none() {
            let prefix = context.shell.message_prefix();
            writeln!(context.stderr(), "{prefix}kill: {name}: invalid signal specification")?;
            return Ok(ExecutionResult::new(1));
        }
    }
    let targets: Vec<String> = args.filter(|a| a != "--").collect();
    let (Some(signal), false) = (signal, targets.is_empty()) else {
        writeln!(context.stderr(), "{USAGE}")?;
        return Ok(ExecutionResult::new(2));
    };
    let mut result = ExecutionResult::success();
    for target in targets {
        let pid = if target.starts_with('%') {
            let job = context.shell.jobs_mut().resolve_job_spec(&target);
            job.and_then(|job| job.representative_pid())
        } else {
            target.parse().ok()
        };
        let number = i32::try_from(signal).ok().and_then(|number| u32::try_from(number).ok());
        let sent = pid.zip(number).map(|(pid, number)| playpen_sys::kill(pid, number));
        if !sent.is_some_and(|sent| sent.is_ok()) {
            let prefix = context.shell.message_prefix();
            let why = match target.parse::<i32>() {
                Ok(pid) => format!("({pid}) - No such process"),
                Err(_) if target.starts_with('%') => format!("{target}: no such job"),
                Err(_) => format!("{target}: arguments must be process or job IDs"),
            };
            writeln!(context.stderr(), "{prefix}kill: {why}")?;
            result = ExecutionResult::new(1);
        }
    }
    Ok(result)
}

/// `kill -l` lists; with numbers it names them, with names it numbers them.
fn list<SE: ShellExtensions>(
    context: &ExecutionContext<'_, SE>,
    wanted: impl Iterator<Item = String>,
) -> Result<ExecutionResult, Error> {
    let mut is_listed = false;
    for text in wanted {
        is_listed = true;
        // A status above 128 is that of a process that a signal has ended.
        let number = text.parse::<i32>().ok().map(|n| if n > 128 { n - 128 } else { n });
        let signal = match number {
            Some(number) => Signal::try_from(number).ok(),
            None => match TrapSignal::from_str(&text) {
                Ok(TrapSignal::Signal(signal)) => Some(signal),
                _ => None,
            },
        };
        let Some(signal) = signal else {
            let prefix = context.shell.message_prefix();
            writeln!(context.stderr(), "{prefix}kill: {text}: invalid signal specification")?;
            return Ok(ExecutionResult::new(1));
        };
        match number {
            Some(_) => writeln!(context.stdout(), "{}", signal.as_str().trim_start_matches("SIG"))?,
            None => writeln!(context.stdout(), "{}", signal as i32)?,
        }
    }
    if !is_listed {
        write!(context.stdout(), "{}", table())?;
    }
    Ok(ExecutionResult::success())
}

/// All signals, five in a row.
pub(super) fn table() -> String {
    let cells: Vec<String> =
        Signal::iterator().map(|s| format!("{:2}) {}", s as i32, s.as_str())).collect();
    cells.chunks(5).map(|row| row.join("\t") + "\n").collect()
}
