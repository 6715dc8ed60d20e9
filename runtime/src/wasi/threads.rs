//! System calls on the threads of a process: the extension module `playpen`.

use super::{Guest, PLAYPEN};
use crate::{
    errno::{Errno, SysResult},
    process::{Layout, NewThread, Process, Woken, park},
};
use std::time::Duration;
use wasmtime::{Caller, Linker};

/// Starts a thread; `layout` is four words that say where the guest keeps what changes with it.
pub(super) fn start(
    guest: &mut Guest<'_>,
    process: &mut Process,
    layout: u32,
    identity: u32,
    argument: u32,
    stack_pointer: u32,
) -> SysResult<()> {
    let [at_identity, holder, flags, give_way] = guest.u32s::<4>(layout)?;
    let layout = Layout { identity: at_identity, holder, flags, give_way };
    let new = NewThread { identity, argument, stack_pointer };
    process.threads.start(&process.job.kernel.engine, layout, new)
}

pub(super) fn wake(_: &mut Guest<'_>, process: &mut Process, address: u32) -> SysResult<()> {
    process.threads.wake(address);
    Ok(())
}

pub(super) fn interrupt(_: &mut Guest<'_>, process: &mut Process) -> SysResult<()> {
    process.signals.interrupt();
    Ok(())
}

/// Waits at an address, where a negative time is none; and tells whether threads change by a count of the
/// guest's, since ticks may change nothing.
pub(super) fn define_rest(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        PLAYPEN,
        "thread_wait",
        |mut caller: Caller<'_, Process>, (address, timeout): (u32, i64)| {
            Box::new(async move {
                let timeout = u64::try_from(timeout).ok().map(Duration::from_nanos);
                let woken = park(&mut caller, address, timeout).await;
                Ok(match woken {
                    Woken::Thread => 0,
                    Woken::Signal => Errno::INTR.raw().into(),
                    Woken::Time => Errno::TIMEDOUT.raw().into(),
                })
            })
        },
    )?;
    linker.func_wrap(PLAYPEN, "thread_counts", |caller: Caller<'_, Process>| -> i32 {
        caller.data().job.turns.is_some().into()
    })?;
    Ok(())
}
