//! One process at a time, in an order that is the same in every run.
//!
//! In a deterministic sandbox the processes of a command are not tasks of the async runtime: they
//! take turns here. A turn lasts until the process waits, gives way, ends, or has made
//! [`MAX_CALLS`] system calls; that it is interrupted by the engine's ticks in between does not
//! count. Who is woken queues up at the end, and all that wakes anybody happens in turns, so the
//! order follows from the programs alone. When nobody can go on, time does: to the first moment that
//! somebody waits for. A turn that ends for its many calls has taken [`LONG_TURN`].

use crate::clock::Clock;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// System calls of one turn: a program that looks again and again for what another one does lets
/// that one do it.
pub(crate) const MAX_CALLS: u32 = 10_000;

/// How long a turn of [`MAX_CALLS`] takes by the virtual clock.
const LONG_TURN: Duration = Duration::from_millis(100);

type Life = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The processes of one command, taking turns.
pub(crate) struct Turns {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lives: BTreeMap<u32, Life>,
    /// Those that can go on, each once, the next one first.
    ready: VecDeque<u32>,
    /// The one whose turn was interrupted by a tick.
    interrupted: Option<u32>,
    is_tick: bool,
    timers: BTreeMap<(Duration, u64), Waker>,
    n_timers: u64,
    runner: Option<Waker>,
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("ready", &self.state.lock().ready).finish_non_exhaustive()
    }
}

struct Turn {
    turns: Arc<Turns>,
    pid: u32,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.turns.queue(self.pid);
    }
}

impl Turns {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }

    /// Lets a process take part.
    pub(crate) fn add(&self, pid: u32, life: Life) {
        self.state.lock().lives.insert(pid, life);
        self.queue(pid);
    }

    /// Ends all that take part, without another turn.
    pub(crate) fn clear(&self) {
        let lives = std::mem::take(&mut self.state.lock().lives);
        drop(lives);
    }

    fn queue(&self, pid: u32) {
        let mut state = self.state.lock();
        if !state.ready.contains(&pid) {
            state.ready.push_back(pid);
        }
        if let Some(runner) = &state.runner {
            runner.wake_by_ref();
        }
    }

    /// Notes that the process whose turn it is stops for a tick of the engine only.
    pub(crate) fn tick(&self) {
        self.state.lock().is_tick = true;
    }

    /// Notes that the process whose turn it is has made as many calls as it may.
    pub(crate) fn end_long_turn(&self) {
        self.clock.advance_to(self.clock.elapsed() + LONG_TURN);
    }

    /// Wakes those whose moment has come.
    fn wake_due(&self) {
        let now = self.clock.elapsed();
        let due = {
            let mut state = self.state.lock();
            let later = state.timers.split_off(&(now, u64::MAX));
            std::mem::replace(&mut state.timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// Lets processes take turns until `end` is there, which is looked at between turns.
    pub(crate) async fn run<T>(self: &Arc<Self>, end: impl Future<Output = T>) -> T {
        let mut end = pin!(end);
        let turns = poll_fn(|cx| {
            loop {
                if let Poll::Ready(value) = end.as_mut().poll(cx) {
                    return Poll::Ready(value);
                }
                if !self.take_turn(cx) {
                    return Poll::Pending;
                }
            }
        });
        // A budget of the async runtime would end turns at moments that nobody knows.
        tokio::task::unconstrained(turns).await
    }

    /// Gives the next process its turn; returns whether there may be another one at once.
    fn take_turn(self: &Arc<Self>, cx: &Context<'_>) -> bool {
        if self.state.lock().interrupted.is_none() {
            self.wake_due();
        }
        let next = {
            let mut state = self.state.lock();
            state.runner = Some(cx.waker().clone());
            state.is_tick = false;
            state.interrupted.take().or_else(|| state.ready.pop_front())
        };
        let Some(pid) = next else { return self.pass_time() };
        let Some(mut life) = self.state.lock().lives.remove(&pid) else { return true };
        let waker = Waker::from(Arc::new(Turn { turns: Arc::clone(self), pid }));
        let is_over = life.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if is_over {
            return true;
        }
        let mut state = self.state.lock();
        state.lives.insert(pid, life);
        if !state.is_tick {
            return true;
        }
        // The tick has queued the process; it goes on where it was instead.
        state.ready.retain(|other| *other != pid);
        state.interrupted = Some(pid);
        drop(state);
        cx.waker().wake_by_ref();
        false
    }

    /// Nobody can go on: moves the clock to the next moment that somebody waits for.
    fn pass_time(&self) -> bool {
        let first = self.state.lock().timers.pop_first();
        let Some(((moment, _), waker)) = first else { return false };
        self.clock.advance_to(moment);
        waker.wake();
        true
    }

    /// Waits for a time of the virtual clock.
    pub(crate) async fn sleep(&self, time: Duration) {
        let moment = self.clock.elapsed().saturating_add(time);
        let mut timer = Timer { turns: self, key: None };
        poll_fn(|cx| {
            if self.clock.elapsed() >= moment {
                return Poll::Ready(());
            }
            let mut state = self.state.lock();
            let key = *timer.key.get_or_insert_with(|| {
                state.n_timers += 1;
                (moment, state.n_timers)
            });
            state.timers.insert(key, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Takes a timer out when nobody waits for it any more.
struct Timer<'a> {
    turns: &'a Turns,
    key: Option<(Duration, u64)>,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.turns.state.lock().timers.remove(&key);
        }
    }
}

/// Gives way once: everybody else who can go on does, and then the caller.
pub(crate) async fn give_way() {
    let mut has_given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
