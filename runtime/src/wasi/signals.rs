//! System calls on signals: the extension module `playpen`.

use super::{Guest, Outcome};
use crate::{
    errno::{Errno, SysResult},
    process::{Action, MAX_SIGNAL, Process, Status, Target, is_changeable},
};

/// Sends a signal to a process or a group.
pub(super) fn kill(_: &mut Guest<'_>, process: &mut Process, pid: i32, signal: u32) -> Outcome {
    let Some(signal) = u8::try_from(signal).ok().filter(|signal| *signal <= MAX_SIGNAL) else {
        return Err(Errno::INVAL).into();
    };
    let target = match pid {
        1.. => Target::Pid(pid.cast_unsigned()),
        i32::MIN..-1 => Target::Group(pid.unsigned_abs()),
        _ => match process.job.ids(process.pid()) {
            Ok(ids) => Target::Group(ids.pgid),
            Err(errno) => return Err(errno).into(),
        },
    };
    let sent = process.job.kill(target, signal);
    // A process that has ended itself does nothing more.
    match process.signals.has_ended() {
        Some(signal) => Outcome::End(Status::Signal(signal)),
        None => sent.into(),
    }
}

/// Ends the process with a signal, whatever it does about that signal.
pub(super) fn raise(_: &mut Guest<'_>, _: &mut Process, signal: u32) -> Outcome {
    match u8::try_from(signal) {
        Ok(signal) if signal <= MAX_SIGNAL => Outcome::End(Status::Signal(signal)),
        _ => Err(Errno::INVAL).into(),
    }
}

/// Passes the signals for the process on to one of its children, until that has ended.
pub(super) fn forward(_: &mut Guest<'_>, process: &mut Process, child: u32) -> SysResult<()> {
    process.job.stand_in(process.pid(), child)
}

/// Says what the process does about a signal, and tells what it did before.
pub(super) fn action(
    guest: &mut Guest<'_>,
    process: &mut Process,
    signal: u32,
    action: u32,
    out: u32,
) -> SysResult<()> {
    /// Only tells.
    const LEAVE: u32 = 3;
    let signal = u8::try_from(signal).ok().filter(|it| is_changeable(*it)).ok_or(Errno::INVAL)?;
    guest.slice(out, 4)?;
    let action = match action {
        0 => Some(Action::Default),
        1 => Some(Action::Ignore),
        2 => Some(Action::Catch),
        LEAVE => None,
        _ => return Err(Errno::INVAL),
    };
    let before = match action {
        Some(action) => process.signals.set_action(signal, action),
        None => process.signals.action(signal),
    };
    let number = match before {
        Action::Default => 0,
        Action::Ignore => 1,
        Action::Catch => 2,
    };
    guest.write_u32(out, number)
}

/// Takes a caught signal that has come; 0 is none.
pub(super) fn take(guest: &mut Guest<'_>, process: &mut Process, out: u32) -> SysResult<()> {
    guest.slice(out, 4)?;
    guest.write_u32(out, process.signals.take().unwrap_or(0).into())
}

/// Says where the guest looks for signals while it computes; no bits are nowhere.
pub(super) fn notice(
    guest: &mut Guest<'_>,
    process: &mut Process,
    address: u32,
    bits: u32,
) -> SysResult<()> {
    guest.slice(address, 4)?;
    process.signal_notice = (bits != 0).then_some((address, bits));
    Ok(())
}
