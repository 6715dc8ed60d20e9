//! `jobs [-lpr] [%JOB]...`.

use std::io::Write as _;

use brush_core::jobs::Job;
use brush_core::{Error, ExecutionContext, ExecutionResult, ShellExtensions};

use super::wait;

/// Lists the jobs that run. Those that have ended are gone, as in a bash that nobody types into.
pub(super) async fn jobs<SE: ShellExtensions>(
    context: ExecutionContext<'_, SE>,
    args: Vec<String>,
) -> Result<ExecutionResult, Error> {
    let (flags, ids): (Vec<String>, Vec<String>) =
        args.into_iter().partition(|a| a.starts_with('-'));
    let has = |letter| flags.iter().any(|flag| flag.contains(letter));
    if !brush_core::sys::fork::is_fork() {
        wait::drop_ended(context.shell.jobs_mut());
    }
    let mut result = ExecutionResult::success();
    let mut wanted = vec![];
    for id in &ids {
        let spec = if id.starts_with('%') { id.clone() } else { format!("%{id}") };
        match context.shell.jobs_mut().resolve_job_spec(&spec) {
            Some(job) => wanted.push(job.id),
            None => {
                let prefix = context.shell.message_prefix();
                writeln!(context.stderr(), "{prefix}jobs: {id}: no such job")?;
                result = ExecutionResult::new(1);
            }
        }
    }
    let is_wanted = |job: &&Job| ids.is_empty() || wanted.contains(&job.id);
    // None is ever stopped.
    for job in context.shell.jobs().jobs.iter().filter(is_wanted).filter(|_| !has('s')) {
        let pid = job.representative_pid().unwrap_or(0);
        let line = if has('p') {
            pid.to_string()
        } else if has('l') {
            let text = job.to_string();
            let at = text.find("Running").unwrap_or(text.len());
            format!("{}{pid} {}", text[..at].replace("  ", " "), &text[at..])
        } else {
            job.to_string()
        };
        writeln!(context.stdout(), "{line}")?;
    }
    Ok(result)
}
