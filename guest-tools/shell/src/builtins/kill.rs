//! `kill [-SIGNAL | -s SIGNAL | -l] PID|%JOB...`.

use std::io::Write as _;

use brush_core::builtins::{ContentOptions, ContentType, SimpleCommand};
use brush_core::{Error, ExecutionContext, ExecutionResult, ShellExtensions};

const SIGNALS: [(&str, u32); 9] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("KILL", 9),
    ("USR1", 10),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
];

pub(super) struct Kill;

impl SimpleCommand for Kill {
    fn get_content(name: &str, _: ContentType, _: &ContentOptions) -> Result<String, Error> {
        Ok(format!("{name}: builtin of the playpen shell\n"))
    }

    fn execute<SE: ShellExtensions, I: Iterator<Item = S>, S: AsRef<str>>(
        context: ExecutionContext<'_, SE>,
        args: I,
    ) -> Result<ExecutionResult, Error> {
        let mut args = args.skip(1).map(|a| a.as_ref().to_owned()).peekable();
        let mut signal = Some(15);
        if let Some(flag) = args.next_if(|a| a.len() > 1 && a.starts_with('-') && a != "--") {
            if flag == "-l" {
                return list(&context);
            }
            signal = match flag.as_str() {
                "-s" | "-n" => args.next().and_then(|name| parse(&name)),
                name => parse(&name[1..]),
            };
        }
        let Some(signal) = signal else {
            writeln!(context.stderr(), "kill: invalid signal specification")?;
            return Ok(ExecutionResult::new(1));
        };
        let mut code = 0;
        for target in args.filter(|a| a != "--") {
            let pid = if target.starts_with('%') {
                context
                    .shell
                    .jobs_mut()
                    .resolve_job_spec(&target)
                    .and_then(|job| job.representative_pid())
            } else {
                target.parse().ok()
            };
            if pid.is_none_or(|pid| playpen_sys::kill(pid, signal).is_err()) {
                writeln!(context.stderr(), "kill: ({target}) - No such process")?;
                code = 1;
            }
        }
        Ok(ExecutionResult::new(code))
    }
}

fn list<SE: ShellExtensions>(context: &ExecutionContext<'_, SE>) -> Result<ExecutionResult, Error> {
    for (name, number) in SIGNALS {
        writeln!(context.stdout(), "{number:2}) SIG{name}")?;
    }
    Ok(ExecutionResult::success())
}

/// `TERM`, `SIGTERM` or `15`.
fn parse(text: &str) -> Option<u32> {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    name.parse()
        .ok()
        .or_else(|| SIGNALS.iter().find(|(n, _)| *n == name).map(|(_, number)| *number))
}
