//! System calls on named semaphores: the extension module `playpen`.

use super::{Guest, PLAYPEN, sleep};
use crate::{
    errno::{Errno, SysResult},
    process::{Process, waiting},
    semaphores::Opening,
};
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};
use wasmtime::{Caller, Linker};

/// Bits of `flags`: what is not there is made; what is there is refused.
const CREATE: u32 = 1;
const EXCLUSIVE: u32 = 2;

pub(super) fn open(
    guest: &mut Guest<'_>,
    process: &mut Process,
    name: u32,
    len: u32,
    flags: u32,
    value: u32,
    out: u32,
) -> SysResult<()> {
    let opening = match flags {
        0 => Opening::Existing,
        CREATE => Opening::OrNew(value),
        flags if flags == CREATE | EXCLUSIVE => Opening::New(value),
        _ => return Err(Errno::INVAL),
    };
    let name = guest.path(name, len)?;
    guest.slice(out, 4)?;
    let semaphore = process.job.kernel.semaphores.open(&name, opening)?;
    guest.write_u32(out, process.semaphores.add(semaphore)?)
}

pub(super) fn unlink(
    guest: &mut Guest<'_>,
    process: &mut Process,
    name: u32,
    len: u32,
) -> SysResult<()> {
    process.job.kernel.semaphores.unlink(&guest.path(name, len)?)
}

pub(super) fn close(_: &mut Guest<'_>, process: &mut Process, number: u32) -> SysResult<()> {
    process.semaphores.close(number)
}

pub(super) fn post(_: &mut Guest<'_>, process: &mut Process, number: u32) -> SysResult<()> {
    process.semaphores.get(number)?.give()
}

pub(super) fn try_take(_: &mut Guest<'_>, process: &mut Process, number: u32) -> SysResult<()> {
    process.semaphores.get(number)?.try_take()
}

pub(super) fn value(
    guest: &mut Guest<'_>,
    process: &mut Process,
    number: u32,
    out: u32,
) -> SysResult<()> {
    guest.write_u32(out, process.semaphores.get(number)?.value())
}

/// Waits for a semaphore, for a time unless that is negative.
pub(super) fn define_wait(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        PLAYPEN,
        "sem_wait",
        |mut caller: Caller<'_, Process>, (number, timeout): (u32, i64)| {
            Box::new(async move {
                let timeout = u64::try_from(timeout).ok().map(Duration::from_nanos);
                let taken = take(&mut caller, number, timeout).await;
                Ok(taken.map_or_else(|errno| i32::from(errno.raw()), |()| 0))
            })
        },
    )?;
    Ok(())
}

async fn take(
    caller: &mut Caller<'_, Process>,
    number: u32,
    timeout: Option<Duration>,
) -> SysResult<()> {
    let semaphore = caller.data().semaphores.get(number)?;
    let job = Arc::clone(&caller.data().job);
    let taking = async {
        let mut sleep = pin!(sleep(timeout, job.turns.as_deref()));
        poll_fn(|cx| {
            if semaphore.poll_take(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            sleep.as_mut().poll(cx).map(|()| Err(Errno::TIMEDOUT))
        })
        .await
    };
    waiting(caller, taking).await?
}
