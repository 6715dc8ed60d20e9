//! `fd_poll`: waiting for descriptors, with what Linux's `poll` tells of them.

use super::{Guest, PLAYPEN, sleep};
use crate::{
    errno::{Errno, SysResult},
    fd::{Description, Events},
    process::{Process, give_way, waiting},
};
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};
use wasmtime::{Caller, Linker};

/// A `struct pollfd`: descriptor i32, events u16, events found u16.
const ENTRY_BYTES: u32 = 8;

/// Entries of one call. Answers TM-MEM-3: a list that makes the host allocate.
const MAX_ENTRIES: u32 = 4096;

struct Entry {
    /// `None` for an entry that is passed over, as its number is negative.
    description: Option<SysResult<Arc<Description>>>,
    wanted: u16,
}

impl Entry {
    fn events(&self) -> Events {
        match &self.description {
            None => Events::NONE,
            Some(Err(_)) => Events::NVAL,
            Some(Ok(description)) => description.events().told(self.wanted),
        }
    }
}

pub(super) fn define(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        PLAYPEN,
        "fd_poll",
        |mut caller: Caller<'_, Process>, (entries, count, timeout, out): (u32, u32, i64, u32)| {
            Box::new(async move {
                let timeout = u64::try_from(timeout).ok().map(Duration::from_nanos);
                let polled = poll(&mut caller, entries, count, timeout, out).await;
                Ok(polled.map_or_else(|errno| i32::from(errno.raw()), |()| 0))
            })
        },
    )?;
    Ok(())
}

async fn poll(
    caller: &mut Caller<'_, Process>,
    at: u32,
    count: u32,
    timeout: Option<Duration>,
    out: u32,
) -> SysResult<()> {
    let memory = caller.data().memory.ok_or(Errno::FAULT)?;
    let entries = {
        let (bytes, process) = memory.data_and_store_mut(&mut *caller);
        read_all(&Guest::new(bytes), process, at, count)?
    };
    let job = Arc::clone(&caller.data().job);
    let turns = job.turns.as_deref();
    let ready = async {
        let mut sleep = pin!(sleep(timeout, turns));
        if turns.is_some() && timeout == Some(Duration::ZERO) {
            // Who looks without waiting looks for what others do.
            give_way().await;
        }
        poll_fn(|cx| {
            for description in
                entries.iter().filter_map(|entry| entry.description.as_ref()?.as_ref().ok())
            {
                description.watch(cx);
            }
            let found: Vec<_> = entries.iter().map(Entry::events).collect();
            let is_over = || timeout.is_some_and(|timeout| timeout.is_zero());
            if found.iter().any(|events| *events != Events::NONE)
                || is_over()
                || sleep.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(found);
            }
            Poll::Pending
        })
        .await
    };
    let found = waiting(caller, ready).await?;
    let (bytes, _) = memory.data_and_store_mut(&mut *caller);
    let mut guest = Guest::new(bytes);
    for (events, index) in found.iter().zip(0..) {
        guest.write(at + index * ENTRY_BYTES + 6, &events.bits().to_le_bytes())?;
    }
    let n_found = found.iter().filter(|events| **events != Events::NONE).count();
    guest.write_u32(out, n_found as u32)
}

fn read_all(guest: &Guest<'_>, process: &Process, at: u32, count: u32) -> SysResult<Vec<Entry>> {
    if count > MAX_ENTRIES {
        return Err(Errno::INVAL);
    }
    let (entries, _) =
        guest.slice(at, count * ENTRY_BYTES)?.as_chunks::<{ ENTRY_BYTES as usize }>();
    let entry = |&[a, b, c, d, e, f, ..]: &[u8; ENTRY_BYTES as usize]| Entry {
        description: u32::try_from(i32::from_le_bytes([a, b, c, d])).ok().map(|fd| process.fd(fd)),
        wanted: u16::from_le_bytes([e, f]),
    };
    Ok(entries.iter().map(entry).collect())
}
