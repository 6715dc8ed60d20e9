//! System calls on locks: the extension module `playpen`.

use super::{Attempt, Guest, Wait};
use crate::{
    errno::{Errno, SysResult},
    fd::Description,
    locks::{Family, Lock, Mode, Owner, Place},
    process::Process,
};
use std::sync::Arc;

/// Bits of `flock`'s operation, as Linux has them.
const LOCK_SHARED: u32 = 1;
const LOCK_EXCLUSIVE: u32 = 2;
const LOCK_NO_WAIT: u32 = 4;
const LOCK_UNLOCK: u32 = 8;

/// Kinds of a lock on a range, as Linux has them.
const READ: u32 = 0;
const WRITE: u32 = 1;
const UNLOCK: u32 = 2;

/// Flags of a lock on a range.
const WAIT: u32 = 1;
const OF_DESCRIPTION: u32 = 2;

pub(super) fn flock(_: &mut Guest<'_>, process: &mut Process, fd: u32, operation: u32) -> Attempt {
    Attempt::of(try_flock(process, fd, operation))
}

fn try_flock(process: &Process, fd: u32, operation: u32) -> SysResult<Result<(), Wait>> {
    let description = process.fds.get(fd)?;
    let mode = match operation & !LOCK_NO_WAIT {
        LOCK_SHARED => Some(Mode::Shared),
        LOCK_EXCLUSIVE => Some(Mode::Exclusive),
        LOCK_UNLOCK => None,
        _ => return Err(Errno::INVAL),
    };
    let owner = description.lock_holder(&process.job.kernel.locks).owner();
    let wanted = Wanted { family: Family::Whole, place: place(description), owner, mode };
    wanted.take(process, (0, u64::MAX), operation & LOCK_NO_WAIT == 0)
}

pub(super) fn lock(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    kind: u32,
    flags: u32,
    start: u64,
    len: u64,
) -> Attempt {
    Attempt::of(try_lock(process, fd, kind, flags, start, len))
}

fn try_lock(
    process: &mut Process,
    fd: u32,
    kind: u32,
    flags: u32,
    start: u64,
    len: u64,
) -> SysResult<Result<(), Wait>> {
    let wanted = Wanted::range(process, fd, kind, flags)?;
    let open = *process.fds.get(fd)?.flags.lock();
    let is_allowed = match wanted.mode {
        Some(Mode::Shared) => open.read,
        Some(Mode::Exclusive) => open.write,
        None => true,
    };
    if !is_allowed {
        return Err(Errno::BADF);
    }
    process.has_locked |= matches!(wanted.owner, Owner::Process(_));
    wanted.take(process, range(start, len)?, flags & WAIT != 0)
}

/// Says which lock would be in the way: its kind, its process, and its range.
pub(super) fn test(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    kind: u32,
    flags: u32,
    start: u64,
    len: u64,
    out: u32,
) -> SysResult<()> {
    let Wanted { family, place, owner, mode } = Wanted::range(process, fd, kind, flags)?;
    let mode = mode.ok_or(Errno::INVAL)?;
    let (start, end) = range(start, len)?;
    let locks = &process.job.kernel.locks;
    let found = locks.hindrance(family, place, Lock { owner, mode, start, end });
    let (kind, pid, start, len) = found.map_or((UNLOCK, 0, 0, 0), |found| {
        let kind = if found.mode == Mode::Shared { READ } else { WRITE };
        // As on Linux: what a description holds is no process's.
        let pid = if let Owner::Process(pid) = found.owner { pid } else { u32::MAX };
        (kind, pid, found.start, if found.end == u64::MAX { 0 } else { found.end - found.start })
    });
    let mut record = [0; 24];
    record[..4].copy_from_slice(&kind.to_le_bytes());
    record[4..8].copy_from_slice(&pid.to_le_bytes());
    record[8..16].copy_from_slice(&start.to_le_bytes());
    record[16..].copy_from_slice(&len.to_le_bytes());
    guest.write(out, &record)
}

/// A lock that is asked for, or to be given up.
struct Wanted {
    family: Family,
    place: Place,
    owner: Owner,
    mode: Option<Mode>,
}

impl Wanted {
    fn range(process: &Process, fd: u32, kind: u32, flags: u32) -> SysResult<Self> {
        let description = process.fds.get(fd)?;
        let mode = match kind {
            READ => Some(Mode::Shared),
            WRITE => Some(Mode::Exclusive),
            UNLOCK => None,
            _ => return Err(Errno::INVAL),
        };
        let owner = if flags & OF_DESCRIPTION == 0 {
            Owner::Process(process.pid())
        } else {
            description.lock_holder(&process.job.kernel.locks).owner()
        };
        Ok(Self { family: Family::Ranges, place: place(description), owner, mode })
    }

    fn take(
        self,
        process: &Process,
        (start, end): (u64, u64),
        waits: bool,
    ) -> SysResult<Result<(), Wait>> {
        let Self { family, place, owner, mode } = self;
        let locks = &process.job.kernel.locks;
        let Some(mode) = mode else {
            locks.unset(family, place, owner, start, end)?;
            return Ok(Ok(()));
        };
        match locks.set(family, place, Lock { owner, mode, start, end })? {
            Ok(()) => Ok(Ok(())),
            Err(hindered) if waits => Ok(Err(Wait::Lock(Arc::clone(locks), hindered.n_changes))),
            Err(_) => Err(Errno::AGAIN),
        }
    }
}

/// Returns the range from a start; a length of 0 is all that follows.
fn range(start: u64, len: u64) -> SysResult<(u64, u64)> {
    match len {
        0 => Ok((start, u64::MAX)),
        len => Ok((start, start.checked_add(len).ok_or(Errno::OVERFLOW)?)),
    }
}

fn place(description: &Description) -> Place {
    description.node().map_or(Place::Special(description.serial), Place::Node)
}

/// Closing any descriptor of a file gives up what the process has locked of it by ranges, as POSIX has it.
pub(super) fn forget(process: &Process, description: &Description) {
    if process.has_locked {
        let owner = Owner::Process(process.pid());
        let locks = &process.job.kernel.locks;
        let whole = locks.unset(Family::Ranges, place(description), owner, 0, u64::MAX);
        debug_assert!(whole.is_ok(), "nothing is left of what is given up as a whole");
    }
}
