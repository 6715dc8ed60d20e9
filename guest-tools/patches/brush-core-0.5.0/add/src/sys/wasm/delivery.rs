//! Signals that come to the shell: what the kernel is told of traps, and when they run.
//!
//! The kernel keeps a caught signal until the shell looks: after each pipeline, while `wait` and `read` wait, never
//! half-way through a command. As in bash, an exit trap also runs when a signal without a trap ends the shell.
#![allow(clippy::all, clippy::pedantic, clippy::nursery)]

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use playpen_sys::Action;

use super::signal::Signal;
use crate::extensions::ShellExtensions;
use crate::traps::{TrapHandlerConfig, TrapSignal};
use crate::{ExecutionControlFlow, ExecutionParameters, ExecutionResult, Shell, error};

/// Signals that end a shell, but not before its exit trap has run.
const FATAL: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
];

/// Came, and waits for its trap.
static PENDING: Mutex<VecDeque<Signal>> = Mutex::new(VecDeque::new());
/// Whether any signal is caught for a trap.
static CATCHES: AtomicBool = AtomicBool::new(false);
/// Signals that are caught for the sake of the exit trap only.
static FOR_EXIT: AtomicU32 = AtomicU32::new(0);
/// `( )` that run in this process: what comes is for the shell around them.
static SUBSHELLS: AtomicU32 = AtomicU32::new(0);
/// Signals that were ignored when the shell started, which no trap changes.
static IGNORED_AT_START: OnceLock<u32> = OnceLock::new();

fn bit(signal: Signal) -> u32 {
    1 << (signal as u32 - 1)
}

fn ignored_at_start() -> u32 {
    *IGNORED_AT_START.get_or_init(|| {
        let is_ignored = |s: &Signal| playpen_sys::action(*s as u32).is_ok_and(|a| a == Action::Ignore);
        if super::fork::is_fork() { 0 } else { Signal::iterator().filter(is_ignored).fold(0, |set, s| set | bit(s)) }
    })
}

/// The shell does not end by SIGQUIT, as bash does not; its children do.
pub fn start() {
    let _ = playpen_sys::set_action(Signal::SIGQUIT as u32, Action::Catch);
}

/// Tells whether a trap for this signal would change nothing.
pub fn is_beyond_traps(signal: TrapSignal) -> bool {
    matches!(signal, TrapSignal::Signal(signal) if ignored_at_start() & bit(signal) != 0)
}

/// Tells the kernel what the traps of the shell say about these signals.
pub fn declare(traps: &TrapHandlerConfig, signals: &[TrapSignal]) {
    for signal in signals {
        match signal {
            TrapSignal::Signal(signal) => declare_one(traps, *signal),
            TrapSignal::Exit => FATAL.iter().for_each(|signal| declare_one(traps, *signal)),
            _ => {}
        }
    }
}

/// Tells the kernel of all traps: for a shell whose process has just started.
pub fn declare_all(traps: &TrapHandlerConfig) {
    let signals: Vec<TrapSignal> = traps.iter_handlers().map(|(signal, _)| signal).collect();
    declare(traps, &signals);
}

fn declare_one(traps: &TrapHandlerConfig, signal: Signal) {
    if ignored_at_start() & bit(signal) != 0 {
        return;
    }
    let runs_exit_trap = traps.get_handler(TrapSignal::Exit).is_some_and(|it| !it.command.is_empty());
    let is_for_exit = FATAL.contains(&signal) && runs_exit_trap && !traps.handles(TrapSignal::Signal(signal));
    let action = match traps.get_handler(TrapSignal::Signal(signal)) {
        Some(handler) if handler.command.is_empty() => Action::Ignore,
        Some(_) => Action::Catch,
        None if is_for_exit || signal == Signal::SIGQUIT => Action::Catch,
        None => Action::Default,
    };
    let others = FOR_EXIT.load(Relaxed) & !bit(signal);
    FOR_EXIT.store(if is_for_exit { others | bit(signal) } else { others }, Relaxed);
    if action == Action::Catch {
        CATCHES.store(true, Relaxed);
    }
    let _ = playpen_sys::set_action(signal as u32, action);
}

/// Whether the shell has to look for signals at all.
pub fn catches() -> bool {
    CATCHES.load(Relaxed)
}

/// Runs `( )` in this process: signals wait until it has ended.
pub struct Subshell;

impl Subshell {
    pub fn enter() -> Self {
        SUBSHELLS.fetch_add(1, Relaxed);
        Self
    }
}

impl Drop for Subshell {
    fn drop(&mut self) {
        SUBSHELLS.fetch_sub(1, Relaxed);
    }
}

/// Takes what has come from the kernel.
fn collect() {
    let Ok(mut pending) = PENDING.lock() else { return };
    while let Some(number) = playpen_sys::take_signal() {
        if let Ok(signal) = Signal::try_from(number as i32)
            && !pending.contains(&signal)
        {
            pending.push_back(signal);
        }
    }
}

/// A signal that ends the wait for a command in the foreground, as no trap does: one that ends the shell.
pub(crate) fn ends_foreground() -> Option<Signal> {
    let pending = pending_of(FOR_EXIT.load(Relaxed));
    pending.into_iter().find(|signal| *signal != Signal::SIGINT)
}

/// After a command in the foreground: an interruption that did not end the command does not end the shell.
pub(crate) fn foreground_ended(signal: Option<i32>) {
    if catches() && signal != Some(Signal::SIGINT as i32) && FOR_EXIT.load(Relaxed) & bit(Signal::SIGINT) != 0 {
        collect();
        if let Ok(mut pending) = PENDING.lock() {
            pending.retain(|it| *it != Signal::SIGINT);
        }
    }
}

/// A signal that ends `wait`; that of children does not.
pub fn ends_wait() -> Option<Signal> {
    pending_of(!bit(Signal::SIGCHLD) & !bit(Signal::SIGQUIT)).into_iter().next()
}

fn pending_of(set: u32) -> Vec<Signal> {
    collect();
    PENDING.lock().map_or(vec![], |it| it.iter().copied().filter(|s| set & bit(*s) != 0).collect())
}

/// Runs the traps of signals that have come. A result is that of a trap that ends more than itself.
pub async fn run_traps<SE: ShellExtensions>(
    shell: &mut Shell<SE>,
    params: &ExecutionParameters,
) -> Result<Option<ExecutionResult>, error::Error> {
    if !catches() {
        return Ok(None);
    }
    collect();
    if SUBSHELLS.load(Relaxed) > 0 {
        // What ends the shell ends `( )` first.
        let ended = pending_of(FOR_EXIT.load(Relaxed)).into_iter().next().map(|signal| ExecutionResult {
            next_control_flow: ExecutionControlFlow::ExitShell,
            exit_code: (128 + signal as u8).into(),
        });
        return Ok(ended);
    }
    loop {
        let next = PENDING.lock().ok().and_then(|mut pending| {
            let is_free = |s: &Signal| !shell.call_stack().is_trap_signal_active(TrapSignal::Signal(*s));
            // As bash: by number, whichever came first.
            let is_first = |(_, signal): &(usize, &Signal)| **signal as i32;
            let (at, _) = pending.iter().enumerate().filter(|(_, it)| is_free(it)).min_by_key(is_first)?;
            pending.remove(at)
        });
        let Some(signal) = next else { return Ok(None) };
        if shell.traps().handles(TrapSignal::Signal(signal)) {
            let result = shell.invoke_trap_handler(TrapSignal::Signal(signal), params).await?;
            if !result.is_normal_flow() {
                return Ok(Some(result));
            }
        } else if FATAL.contains(&signal) {
            end(shell, signal).await;
        }
    }
}

/// The process that is the last thing the shell does, or 0.
static TAIL: AtomicI32 = AtomicI32::new(0);

/// Lets a child stand in for the shell, which does nothing after it: bash would have become that program.
pub(crate) fn started_tail(pid: i32) {
    if playpen_sys::forward_signals(pid).is_ok() {
        TAIL.store(pid, Relaxed);
    }
}

/// Ends the shell by the signal that has ended its stand-in.
pub(crate) fn tail_ended(pid: i32, signal: Option<i32>) {
    if let Some(signal) = signal.filter(|_| TAIL.load(Relaxed) == pid) {
        let _ = std::io::stdout().flush();
        let _ = playpen_sys::set_action(signal as u32, Action::Default);
        let _ = playpen_sys::kill(playpen_sys::pid(), signal as u32);
    }
}

/// Whether no trap gives the shell something to do after its last command.
pub(crate) fn is_free(traps: &TrapHandlerConfig) -> bool {
    traps.iter_handlers().next().is_none()
}

/// Whether the handlers of signals are those of the shell that this one was forked from: shown by `trap`, but not
/// those of this process.
static INHERITED: AtomicBool = AtomicBool::new(false);

pub(crate) fn inherit() {
    INHERITED.store(true, Relaxed);
}

/// Before a trap is changed: forgets those that are only shown.
pub fn forget_inherited(traps: &mut TrapHandlerConfig) {
    if !INHERITED.swap(false, Relaxed) {
        return;
    }
    let is_shown = |(signal, handler): (TrapSignal, &crate::traps::TrapHandler)| {
        (matches!(signal, TrapSignal::Signal(_)) && !handler.command.is_empty()).then_some(signal)
    };
    let shown: Vec<TrapSignal> = traps.iter_handlers().filter_map(is_shown).collect();
    shown.into_iter().for_each(|signal| traps.remove_handlers(signal));
}

/// Ends the shell by a signal, after its exit trap.
async fn end<SE: ShellExtensions>(shell: &mut Shell<SE>, signal: Signal) {
    let _ = shell.on_exit().await;
    let _ = std::io::stdout().flush();
    let _ = playpen_sys::set_action(signal as u32, Action::Default);
    let _ = playpen_sys::kill(playpen_sys::pid(), signal as u32);
    std::process::exit(128 + signal as i32);
}
