//! What bash does with fork(), for a guest that cannot fork: a child process of the same program
//! that is sent the shell's state.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::nursery)]
use crate::commands::{CommandArg, ExecutionContext, ShellForCommand, SimpleCommand};
use crate::interp::Execute as _;
use crate::openfiles::OpenFile;
use crate::processes::ChildProcess;
use crate::results::{ExecutionResult, ExecutionWaitResult};
use crate::{ExecutionParameters, Shell, error, extensions::ShellExtensions};
use brush_parser::ast;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed};

/// What the host promises at least.
pub const PIPE_CAPACITY: usize = 65536;
/// This program; not looked up in PATH, which scripts change.
const SHELL: &str = "/bin/sh";
/// `argv[1]` of such a child.
pub const RESUME: &str = "--playpen-resume";
/// Where the child finds its state, and from where on it finds the shell's descriptors.
const STATE_FD: u32 = 64;
const FIRST_FD: u32 = 1000;

#[derive(serde::Serialize, serde::Deserialize)]
pub enum Task {
    Text(String),
    Simple(String, Vec<String>),
    Command(ast::Command),
    AndOr(ast::AndOrList),
    List(ast::CompoundList),
    Subshell(ast::CompoundList),
}

static CHILD: AtomicBool = AtomicBool::new(false);

/// Whether this process is such a child.
pub fn is_fork() -> bool {
    CHILD.load(Relaxed)
}

/// A forked shell that writes to a closed pipe ends, as by SIGPIPE.
pub fn broken_pipe() {
    if CHILD.load(Relaxed) {
        std::process::exit(141);
    }
}

/// `$$`: the process of the shell that all forks come from.
static SHELL_PID: AtomicI32 = AtomicI32::new(0);

pub fn shell_pid() -> String {
    own_or(SHELL_PID.load(Relaxed)).to_string()
}

/// `$!`: what was started in the background last, also when the shell has forgotten the job.
static BACKGROUND_PID: AtomicI32 = AtomicI32::new(0);

pub fn started_in_background(pid: i32) {
    BACKGROUND_PID.store(pid, Relaxed);
}

pub fn background_pid() -> Option<i32> {
    Some(BACKGROUND_PID.load(Relaxed)).filter(|pid| *pid != 0)
}

thread_local! {
    static WRONG_TEXT: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// Remembers a text that could not be parsed, for the message about it.
pub fn set_wrong_text(text: &str) {
    WRONG_TEXT.with(|it| text.clone_into(&mut it.borrow_mut()));
}

/// The text that could not be parsed last.
pub fn wrong_text() -> String {
    WRONG_TEXT.with(|it| it.borrow().clone())
}

fn own_or(pid: i32) -> i32 {
    if pid == 0 { playpen_sys::pid() } else { pid }
}

pub fn temp_file(contents: &str) -> std::io::Result<std::fs::File> {
    static N: AtomicU32 = AtomicU32::new(0);
    let name = format!("/tmp/.sh-{}-{}-{:x}", playpen_sys::pid(), N.fetch_add(1, Relaxed), rand::random::<u64>());
    std::fs::write(&name, contents)?;
    let f = std::fs::File::open(&name)?;
    std::fs::remove_file(&name)?;
    Ok(f)
}

pub(crate) fn raw_fd(f: &OpenFile) -> Option<u32> {
    match f {
        OpenFile::Stdin(_) => Some(0),
        OpenFile::Stdout(_) => Some(1),
        OpenFile::Stderr(_) => Some(2),
        OpenFile::File(f) => Some(f.as_raw_fd() as u32),
        _ => None,
    }
}

fn child(pid: i32) -> ChildProcess {
    ChildProcess::new(super::process::Child { pid }, Some(pid), None)
}

fn environment<SE: ShellExtensions>(shell: &Shell<SE>) -> Vec<(String, String)> {
    let mut env = vec![("PWD".to_owned(), shell.working_dir().to_string_lossy().into_owned())];
    for (k, v) in shell.env().iter_exported() {
        if v.value().is_set() && k != "PWD" {
            env.push((k.clone(), v.value().to_cow_str(shell).into_owned()));
        }
    }
    for (name, f) in shell.funcs().iter() {
        if f.is_exported() {
            env.push((format!("BASH_FUNC_{name}%%"), format!("() {}", f.definition().body)));
        }
    }
    env
}

/// Starts an external command; a script without `#!` is one of ours.
pub fn exec<SE: ShellExtensions>(
    context: &ExecutionContext<'_, SE>,
    argv0: &str,
    path: &str,
    args: &[&String],
) -> std::io::Result<ChildProcess> {
    let files: Vec<_> = context.iter_fds().collect();
    // Number 3 is the root directory of every guest; a shell looks for the one of its parent here.
    let place = |n: i32| if n == 3 { FIRST_FD + 3 } else { n as u32 };
    let fds: Vec<_> = files.iter().filter_map(|(n, f)| Some((place(*n), raw_fd(f)?))).collect();
    let env = environment(context.shell);
    let cwd = context.shell.working_dir().to_string_lossy();
    let mut argv = vec![argv0];
    argv.extend(args.iter().map(|a| a.as_str()));
    let is_tail = context.params.is_tail;
    let started = |pid| {
        if is_tail {
            super::delivery::started_tail(pid);
        }
        child(pid)
    };
    match playpen_sys::spawn(Some(path), &argv, &env, &cwd, &fds) {
        Err(e) if e.raw_os_error() == Some(playpen_sys::ENOEXEC) => {
            argv.splice(0..1, ["sh", path]);
            playpen_sys::spawn(Some(SHELL), &argv, &env, &cwd, &fds).map(started)
        }
        r => r.map(started),
    }
}

/// What whoever started this shell left open for it, besides 0 to 2. Numbers above are not looked for: a
/// listing of `/dev/fd` at each start took longer than most commands that are run.
pub fn inherited() -> Vec<(i32, OpenFile)> {
    const HIGHEST: i32 = 31;
    let three = FIRST_FD as i32 + 3;
    let numbers = (4..=HIGHEST).map(|n| (n, n)).chain([(3, three)]);
    let is_open = |(_, n): &(i32, i32)| playpen_sys::is_open(*n as u32);
    let file = |(shown, n)| (shown, unsafe { std::fs::File::from_raw_fd(n) }.into());
    numbers.filter(is_open).map(file).collect()
}

/// Starts a copy of `shell` that runs `task` with the descriptors of `params`.
pub fn fork<SE: ShellExtensions>(
    shell: &Shell<SE>,
    params: &ExecutionParameters,
    task: &Task,
) -> Result<ChildProcess, error::Error> {
    let files: Vec<_> = params.iter_fds(shell).filter_map(|(n, f)| Some((n, raw_fd(&f)?, f))).collect();
    let (r, mut w) = playpen_sys::pipe()?;
    let place = |n: i32| if n < 3 { n as u32 } else { FIRST_FD + n as u32 };
    let mut fds: Vec<_> = files.iter().map(|(n, raw, _)| (place(*n), *raw)).collect();
    fds.push((STATE_FD, r.as_raw_fd() as u32));
    let numbers: Vec<i32> = files.iter().map(|(n, ..)| *n).collect();
    let pids = (own_or(SHELL_PID.load(Relaxed)), BACKGROUND_PID.load(Relaxed));
    let state = serde_json::to_vec(&(shell, params.suppress_errexit, numbers, task, pids, shell.jobs().shown())).map_err(std::io::Error::other)?;
    let cwd = shell.working_dir().to_string_lossy().into_owned();
    let pid = playpen_sys::spawn(Some(SHELL), &["sh", RESUME], &environment(shell), &cwd, &fds)?;
    drop(r);
    let _ = w.write_all(&state); // a child that was killed meanwhile is seen by wait
    Ok(child(pid))
}

/// What is left of a shell when its process ends: variables, functions, aliases, options, traps,
/// working directory, `$?`. Jobs and open files are not.
pub fn save<SE: ShellExtensions>(shell: &Shell<SE>) -> Result<Vec<u8>, error::Error> {
    Ok(serde_json::to_vec(shell).map_err(std::io::Error::other)?)
}

/// A shell from what [`save`] wrote, on descriptors 0 to 2. `builtins` registers them again.
pub fn restore<SE: ShellExtensions>(
    state: &[u8],
    builtins: impl FnOnce(&mut Shell<SE>),
) -> Result<Shell<SE>, error::Error> {
    let mut shell: Shell<SE> = serde_json::from_slice(state).map_err(std::io::Error::other)?;
    take_over(&mut shell, builtins)?;
    super::delivery::declare_all(shell.traps());
    let files: [(i32, OpenFile); 3] =
        [(0, std::io::stdin().into()), (1, std::io::stdout().into()), (2, std::io::stderr().into())];
    shell.replace_open_files(files.into_iter());
    Ok(shell)
}

/// Puts back what serialization leaves out: getters of dynamic variables, and builtins.
fn take_over<SE: ShellExtensions>(
    shell: &mut Shell<SE>,
    builtins: impl FnOnce(&mut Shell<SE>),
) -> Result<(), error::Error> {
    let vars: Vec<_> = shell
        .env()
        .iter()
        .filter(|(_, v)| !matches!(v.value(), crate::ShellValue::Dynamic { .. }))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    crate::wellknownvars::init_well_known_vars(shell)?;
    for (k, v) in vars {
        if let Some((_, slot)) = shell.env_mut().get_mut(&k) {
            *slot = v;
        }
    }
    builtins(shell);
    Ok(())
}

/// What such a child is sent: the shell, whether errors end it, its descriptors, what to do, the processes that it
/// knows, and its jobs.
type Resumed<SE> =
    (Shell<SE>, bool, Vec<i32>, Task, (i32, i32), Vec<(usize, bool, bool, String, i32)>);

/// In the child: takes the state over. `builtins` registers them again.
pub async fn resume<SE: ShellExtensions>(builtins: impl FnOnce(&mut Shell<SE>)) -> Result<u8, error::Error> {
    CHILD.store(true, Relaxed);
    let mut state = vec![];
    unsafe { std::fs::File::from_raw_fd(STATE_FD as i32) }.read_to_end(&mut state)?;
    let (mut shell, suppress_errexit, numbers, task, (shell_pid, background_pid), jobs): Resumed<SE> =
        serde_json::from_slice(&state).map_err(std::io::Error::other)?;
    drop(state);
    SHELL_PID.store(shell_pid, Relaxed);
    super::delivery::inherit();
    started_in_background(background_pid);
    take_over(&mut shell, builtins)?;
    shell.jobs_mut().show(jobs);
    shell.replace_open_files(numbers.into_iter().map(|n| {
        (n, match n {
            0 => std::io::stdin().into(),
            1 => std::io::stdout().into(),
            2 => std::io::stderr().into(),
            n => unsafe { std::fs::File::from_raw_fd((FIRST_FD as i32) + n) }.into(),
        })
    }));
    let mut params = shell.default_exec_params();
    params.suppress_errexit = suppress_errexit;
    let result = match task {
        Task::Text(text) => crate::commands::run_substitution_command(shell, params, text).await,
        Task::Simple(name, args) => {
            let args = args.into_iter().map(CommandArg::String).collect();
            let command = SimpleCommand::new(ShellForCommand::ParentShell(&mut shell), params.clone(), name, args);
            match command.execute().await {
                Ok(started) => started.wait().await.map(|w: ExecutionWaitResult| w.into()),
                Err(e) => Err(e),
            }
            .or_else(|e| report(&mut shell, &params, e))
        }
        Task::Command(c) => {
            let pipeline = ast::Pipeline { timed: None, bang: false, seq: vec![c] };
            pipeline.execute(&mut shell, &params).await.or_else(|e| report(&mut shell, &params, e))
        }
        Task::AndOr(l) => l.execute(&mut shell, &params).await.or_else(|e| report(&mut shell, &params, e)),
        Task::Subshell(l) => crate::interp::run_subshell(&l, &mut shell.clone(), &params).await,
        Task::List(l) => l.execute(&mut shell, &params).await.or_else(|e| report(&mut shell, &params, e)),
    }?;
    let _ = std::io::stdout().flush();
    Ok(result.exit_code.into())
}

fn report<SE: ShellExtensions>(
    shell: &mut Shell<SE>,
    params: &ExecutionParameters,
    e: error::Error,
) -> Result<ExecutionResult, error::Error> {
    let _ = shell.display_error(&mut params.stderr(shell), &e);
    Ok(e.into_result(shell))
}
