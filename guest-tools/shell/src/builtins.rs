//! Builtins that brush has for Unix only, or that must speak of the kernel's processes.

mod jobs;
mod kill;
mod ulimit;
mod umask;
mod wait;

use std::path::Path;
use std::pin::Pin;

use brush_builtins::{BuiltinSet, default_builtins};
use brush_core::builtins::{Registration, simple_builtin};
use brush_core::commands::{CommandArg, ShellForCommand, SimpleCommand};
use brush_core::{
    Error, ErrorKind, ExecutionContext, ExecutionControlFlow, ExecutionResult, Shell,
    ShellExtensions,
};

use ulimit::Ulimit;
use umask::Umask;

type Pending<'a> = Pin<Box<dyn Future<Output = Result<ExecutionResult, Error>> + Send + 'a>>;

/// Registers every builtin; a shell that came over a pipe has none.
pub(crate) fn register<SE: ShellExtensions>(shell: &mut Shell<SE>) {
    if shell.builtins().is_empty() {
        for (name, builtin) in default_builtins(BuiltinSet::BashMode) {
            shell.register_builtin(name, builtin);
        }
    }
    // A registration has private parts: ours start from that of a simple builtin.
    shell.register_builtin(
        "exec",
        Registration { execute_func: exec, ..simple_builtin::<Umask, SE>() },
    );
    shell.register_builtin(
        "wait",
        Registration { execute_func: wait, ..simple_builtin::<Umask, SE>() },
    );
    shell.register_builtin(
        "jobs",
        Registration { execute_func: jobs, ..simple_builtin::<Umask, SE>() },
    );
    shell.register_builtin(
        "kill",
        Registration { execute_func: kill, ..simple_builtin::<Umask, SE>() },
    );
    shell.register_builtin(
        "disown",
        Registration { execute_func: disown, ..simple_builtin::<Umask, SE>() },
    );
    shell.register_builtin("ulimit", simple_builtin::<Ulimit, SE>());
    shell.register_builtin("umask", simple_builtin::<Umask, SE>());
}

/// `exec`: keeps redirections. No process is replaced: the program stands in for the shell, which waits and ends as it.
fn exec<SE: ShellExtensions>(
    context: ExecutionContext<'_, SE>,
    args: Vec<CommandArg>,
) -> Pending<'_> {
    Box::pin(async move {
        let (argv0, is_bare, words) = exec_options(args.into_iter().skip(1).collect());
        let Some(name) = words.first().map(ToString::to_string) else {
            let files: Vec<_> = context.iter_fds().collect();
            context.shell.replace_open_files(files.into_iter());
            return Ok(ExecutionResult::success());
        };
        if is_bare {
            let exported: Vec<String> =
                context.shell.env().iter_exported().map(|(name, _)| name.clone()).collect();
            for name in exported {
                context.shell.env_mut().unset(&name)?;
            }
        }
        let mut params = context.params;
        params.is_tail = true;
        let (command_prefix, command_errors) =
            (context.shell.message_prefix(), params.stderr(context.shell));
        let folder = context.shell.working_dir().to_path_buf();
        let shell = ShellForCommand::ParentShell(context.shell);
        let mut command = SimpleCommand::new(shell, params, name, words);
        command.use_functions = false;
        command.argv0 = argv0;
        let (prefix, mut errors) = (command_prefix, command_errors);
        let started = match command.execute().await {
            Ok(started) => started,
            Err(e) => return not_executed(&e, &folder, &prefix, &mut errors),
        };
        let mut result: ExecutionResult = started.wait().await?.into();
        result.next_control_flow = ExecutionControlFlow::ExitShell;
        Ok(result)
    })
}

/// Nothing runs behind an `exec` that fails.
fn not_executed(
    e: &Error,
    folder: &Path,
    prefix: &str,
    errors: &mut impl std::io::Write,
) -> Result<ExecutionResult, Error> {
    let (text, status) = match e.kind() {
        ErrorKind::CommandNotFound(name) if name.contains('/') => {
            (format!("{name}: No such file or directory"), 127)
        }
        ErrorKind::CommandNotFound(name) => (format!("exec: {name}: not found"), 127),
        ErrorKind::FailedToExecuteCommand(name, why) => {
            let why = why.to_string();
            let why = why.rsplit_once(" (os error").map_or(why.as_str(), |(text, _)| text);
            let path = folder.join(name.strip_prefix("./").unwrap_or(name));
            let why = if path.is_dir() { "Is a directory" } else { why };
            let name = path.display();
            (format!("{name}: {why}\n{prefix}exec: {name}: cannot execute: {why}"), 126)
        }
        e => (format!("exec: {e}"), 126),
    };
    writeln!(errors, "{prefix}{text}")?;
    let mut result = ExecutionResult::new(status);
    result.next_control_flow = ExecutionControlFlow::ExitShell;
    Ok(result)
}

/// `-a NAME`, `-c` and `-l` of `exec`: the name for the program, whether it gets no variables, and
/// what is left.
fn exec_options(words: Vec<CommandArg>) -> (Option<String>, bool, Vec<CommandArg>) {
    let (mut argv0, mut is_bare) = (None, false);
    let mut words = words.into_iter().peekable();
    while let Some(word) =
        words.next_if(|word| word.to_string().len() > 1 && word.to_string().starts_with('-'))
    {
        match word.to_string().as_str() {
            "--" => break,
            "-a" => argv0 = words.next().map(|name| name.to_string()),
            letters => is_bare |= letters.contains('c'),
        }
    }
    (argv0, is_bare, words.collect())
}

/// `disown [-a] [PID | %JOB]...`: the shell forgets jobs, which go on.
fn disown<SE: ShellExtensions>(
    context: ExecutionContext<'_, SE>,
    args: Vec<CommandArg>,
) -> Pending<'_> {
    Box::pin(async move {
        let words: Vec<String> = args.iter().skip(1).map(ToString::to_string).collect();
        let jobs = context.shell.jobs_mut();
        if words.iter().any(|word| word.starts_with("-a")) {
            jobs.jobs.clear();
        }
        let mut ids: Vec<String> =
            words.into_iter().filter(|word| !word.starts_with('-')).collect();
        if ids.is_empty() {
            ids.push("%+".to_owned());
        }
        for id in ids {
            let number = match id.parse().ok() {
                Some(pid) => {
                    jobs.jobs.iter().find(|j| j.representative_pid() == Some(pid)).map(|j| j.id)
                }
                None => jobs.resolve_job_spec(&id).map(|job| job.id),
            };
            jobs.jobs.retain(|job| Some(job.id) != number);
        }
        Ok(ExecutionResult::success())
    })
}

/// `jobs`; see [`jobs::jobs`].
fn jobs<SE: ShellExtensions>(
    context: ExecutionContext<'_, SE>,
    args: Vec<CommandArg>,
) -> Pending<'_> {
    Box::pin(jobs::jobs(context, args.iter().skip(1).map(ToString::to_string).collect()))
}

/// `kill`; see [`kill::kill`].
fn kill<SE: ShellExtensions>(
    context: ExecutionContext<'_, SE>,
    args: Vec<CommandArg>,
) -> Pending<'_> {
    Box::pin(kill::kill(context, args.iter().skip(1).map(ToString::to_string).collect()))
}

/// `wait`; see [`wait::wait`].
fn wait<SE: ShellExtensions>(
    context: ExecutionContext<'_, SE>,
    args: Vec<CommandArg>,
) -> Pending<'_> {
    Box::pin(wait::wait(context, args.iter().skip(1).map(ToString::to_string).collect()))
}
