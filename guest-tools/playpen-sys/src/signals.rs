//! Signals: what this process does about them, and those that have come.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::{EINTR, check, raw};

/// What a process does about a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What the system does: most signals end the process.
    Default,
    /// Nothing; children start like this too.
    Ignore,
    /// It is kept for [`take_signal`], and ends what the process waits for with `EINTR`.
    Catch,
}

/// Says what to do about a signal; returns what was done before.
pub fn set_action(signal: u32, action: Action) -> io::Result<Action> {
    let number = match action {
        Action::Default => 0,
        Action::Ignore => 1,
        Action::Catch => 2,
    };
    change(signal, number)
}

/// What is done about a signal.
pub fn action(signal: u32) -> io::Result<Action> {
    /// Changes nothing.
    const LEAVE: u32 = 3;
    change(signal, LEAVE)
}

fn change(signal: u32, action: u32) -> io::Result<Action> {
    let mut before = 0;
    check(unsafe { raw::signal_action(signal, action, &mut before) })?;
    Ok(match before {
        0 => Action::Default,
        1 => Action::Ignore,
        _ => Action::Catch,
    })
}

/// Passes the signals for this process on to a child until that has ended: what is left of `execve`, which no guest
/// can have.
pub fn forward_signals(child: i32) -> io::Result<()> {
    check(unsafe { raw::signal_forward(child) })
}

/// Takes a caught signal that has come.
pub fn take_signal() -> Option<u32> {
    let mut signal = 0;
    let errno = unsafe { raw::signal_take(&mut signal) };
    (errno == 0 && signal != 0).then_some(signal)
}

/// Signals that children are to ignore from their start: bit n - 1 is signal n.
static IGNORED_IN_CHILDREN: AtomicU32 = AtomicU32::new(0);

/// Lets children that are started from now on ignore these signals, besides those that this process ignores.
pub fn ignore_in_children(signals: &[u32]) {
    let set = signals.iter().fold(0, |set, signal| set | 1 << (signal - 1));
    IGNORED_IN_CHILDREN.store(set, Relaxed);
}

pub(crate) fn ignored_in_children() -> u32 {
    IGNORED_IN_CHILDREN.load(Relaxed)
}

/// Sleeps; returns whether a caught signal ended that early.
pub fn sleep(time: Duration) -> io::Result<bool> {
    /// The clock that only goes forward.
    const MONOTONIC: u32 = 1;
    let timeout_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let until = raw::Subscription { subject: MONOTONIC, timeout_ns, ..Default::default() };
    let (mut event, mut n_ready) = ([0u64; 4], 0);
    match check(unsafe { raw::poll_oneoff(&until, &mut event, 1, &mut n_ready) }) {
        Err(e) if e.raw_os_error() == Some(EINTR) => Ok(true),
        other => other.map(|()| false),
    }
}
