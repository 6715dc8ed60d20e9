//! `poll_oneoff`: waiting for descriptors and clocks at once.

use super::{Guest, PREVIEW1, io};
use crate::{
    errno::{Errno, SysResult},
    fd::{Description, Kind, Readiness},
    process::{Process, Turns, give_way, waiting},
};
use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use wasmtime::{Caller, Linker};

const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;

/// Subscriptions of one call. Answers TM-MEM-3: a list that makes the host allocate.
const MAX_SUBSCRIPTIONS: u32 = 4096;

struct Subscription {
    userdata: u64,
    kind: What,
}

enum What {
    Clock { timeout: Duration },
    Ready(SysResult<Arc<Description>>, Readiness),
}

/// One event to tell of: bytes available, and whether the other end has hung up.
struct Event {
    userdata: u64,
    errno: Option<Errno>,
    tag: u8,
    n_bytes: u64,
    hangup: bool,
}

pub(super) fn define(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        PREVIEW1,
        "poll_oneoff",
        |mut caller: Caller<'_, Process>,
         (subscriptions, out, count, n_out): (u32, u32, u32, u32)| {
            Box::new(async move {
                let errno = match poll(&mut caller, subscriptions, out, count, n_out).await {
                    Ok(()) => 0,
                    Err(errno) => i32::from(errno.raw()),
                };
                Ok::<i32, wasmtime::Error>(errno)
            })
        },
    )?;
    Ok(())
}

async fn poll(
    caller: &mut Caller<'_, Process>,
    at: u32,
    out: u32,
    count: u32,
    n_out: u32,
) -> SysResult<()> {
    let memory = caller.data().memory.ok_or(Errno::FAULT)?;
    let subscriptions = {
        let (bytes, process) = memory.data_and_store_mut(&mut *caller);
        let guest = Guest::new(bytes);
        guest.slice(out, count.checked_mul(EVENT_BYTES).ok_or(Errno::INVAL)?)?;
        read_all(&guest, process, at, count)?
    };
    let job = Arc::clone(&caller.data().job);
    let events = waiting(caller, wait(&subscriptions, job.turns.as_deref())).await?;
    let (bytes, _) = memory.data_and_store_mut(&mut *caller);
    let mut guest = Guest::new(bytes);
    for (event, index) in events.iter().zip(0..) {
        guest.write(out + index * EVENT_BYTES, &event.record())?;
    }
    guest.write_u32(n_out, events.len() as u32)
}

fn read_all(
    guest: &Guest<'_>,
    process: &Process,
    at: u32,
    count: u32,
) -> SysResult<Vec<Subscription>> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::INVAL);
    }
    let bytes = guest.slice(at, count * SUBSCRIPTION_BYTES)?;
    bytes
        .chunks_exact(SUBSCRIPTION_BYTES as usize)
        .map(|record| {
            let u64_at = |place: usize| {
                u64::from_le_bytes(record[place..place + 8].try_into().expect("8 bytes"))
            };
            let u32_at = |place: usize| {
                u32::from_le_bytes(record[place..place + 4].try_into().expect("4 bytes"))
            };
            let ready = |readiness| What::Ready(process.fd(u32_at(16)), readiness);
            let kind = match record[8] {
                0 => What::Clock { timeout: timeout(process, u32_at(16), u64_at(24), record[40])? },
                1 => ready(Readiness::Read),
                2 => ready(Readiness::Write),
                _ => return Err(Errno::INVAL),
            };
            Ok(Subscription { userdata: u64_at(0), kind })
        })
        .collect()
}

/// Returns how long a clock subscription waits from now on.
fn timeout(process: &Process, clock: u32, timeout: u64, flags: u8) -> SysResult<Duration> {
    const REALTIME: u32 = 0;
    const MONOTONIC: u32 = 1;
    const ABSOLUTE: u8 = 1;
    if flags & ABSOLUTE == 0 {
        return Ok(Duration::from_nanos(timeout));
    }
    let now = match clock {
        REALTIME => process.job.kernel.vfs.lock().clock.wall_nanos(),
        MONOTONIC => process.monotonic_nanos(),
        _ => return Err(Errno::INVAL),
    };
    Ok(Duration::from_nanos(timeout.saturating_sub(now)))
}

async fn wait(subscriptions: &[Subscription], turns: Option<&Turns>) -> Vec<Event> {
    let timeouts = subscriptions.iter().filter_map(|subscription| match subscription.kind {
        What::Clock { timeout } => Some(timeout),
        What::Ready(..) => None,
    });
    let deadline = timeouts.min();
    let mut sleep = pin!(sleep(deadline, turns));
    if turns.is_some() && deadline == Some(Duration::ZERO) {
        // Who looks without waiting looks for what others do.
        give_way().await;
    }
    poll_fn(|cx| {
        let events: Vec<Event> =
            subscriptions.iter().filter_map(|subscription| subscription.ready(cx)).collect();
        if !events.is_empty() {
            return Poll::Ready(events);
        }
        if deadline.is_some_and(|deadline| deadline.is_zero()) || sleep.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(expired(subscriptions, deadline.unwrap_or_default()));
        }
        Poll::Pending
    })
    .await
}

/// Waits for a time, by the clock that the sandbox has.
pub(crate) async fn sleep(time: Option<Duration>, turns: Option<&Turns>) {
    match (time, turns) {
        (Some(time), Some(turns)) => turns.sleep(time).await,
        (None, Some(_)) => std::future::pending().await,
        // Without a clock the wait is without end; the job's own limit on time ends it.
        (time, None) => tokio::time::sleep(time.unwrap_or(Duration::from_hours(24 * 365))).await,
    }
}

fn expired(subscriptions: &[Subscription], deadline: Duration) -> Vec<Event> {
    let is_due = |subscription: &&Subscription| matches!(subscription.kind, What::Clock { timeout } if timeout <= deadline);
    let event = |subscription: &Subscription| Event {
        userdata: subscription.userdata,
        errno: None,
        tag: 0,
        n_bytes: 0,
        hangup: false,
    };
    subscriptions.iter().filter(is_due).map(event).collect()
}

impl Subscription {
    /// Returns the event of a descriptor that is ready; otherwise asks to be woken.
    fn ready(&self, cx: &Context<'_>) -> Option<Event> {
        let What::Ready(description, readiness) = &self.kind else { return None };
        let tag = if *readiness == Readiness::Read { 1 } else { 2 };
        let event = Event { userdata: self.userdata, errno: None, tag, n_bytes: 0, hangup: false };
        let description = match description {
            Err(errno) => return Some(Event { errno: Some(*errno), ..event }),
            Ok(description) => description,
        };
        if io::poll_ready(description, *readiness, cx).is_pending() {
            return None;
        }
        let (n_bytes, hangup) = match &description.kind {
            Kind::PipeReader(pipe) => pipe.level(),
            Kind::PipeWriter(pipe) => pipe.level(),
            Kind::Socket(socket) => socket.level(*readiness),
            _ => (1, false),
        };
        Some(Event { n_bytes: n_bytes as u64, hangup, ..event })
    }
}

impl Event {
    /// Returns `event` of preview 1, 32 bytes.
    fn record(&self) -> [u8; EVENT_BYTES as usize] {
        let mut record = [0; EVENT_BYTES as usize];
        record[..8].copy_from_slice(&self.userdata.to_le_bytes());
        record[8..10].copy_from_slice(&self.errno.map_or(0, Errno::raw).to_le_bytes());
        record[10] = self.tag;
        record[16..24].copy_from_slice(&self.n_bytes.to_le_bytes());
        record[24] = self.hangup.into();
        record
    }
}
