//! Time as a sandbox sees it. The one place that reads the host's clocks.
//!
//! A sandbox has the host's time, or a virtual one that moves by rule alone: each reading of it is
//! [`TICK`] later than the one before, and when all processes wait, it goes on to the moment that
//! the first of them waits for.

use parking_lot::Mutex;
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// How far one reading moves a virtual clock.
const TICK: Duration = Duration::from_micros(10);

/// When a virtual clock starts: the first second of 2026, in nanoseconds since the Unix epoch.
pub(crate) const VIRTUAL_START_NANOS: u64 = 1_767_225_600_000_000_000;

/// Wall time for files and programs, and a count since the sandbox began. Clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    Host {
        started: Instant,
    },
    /// Nanoseconds since the sandbox began.
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self::Host { started: Instant::now() }
    }

    /// Starts a virtual clock, as if the sandbox had been there for a while.
    pub(crate) fn start_virtual(ahead: Duration) -> Self {
        Self::Virtual(Arc::new(AtomicU64::new(nanos(ahead))))
    }

    /// Returns a clock of the same kind for a fork; a virtual one goes on from where this stands.
    pub(crate) fn fork(&self) -> Self {
        match self {
            Self::Host { .. } => Self::start(),
            Self::Virtual(nanos) => Self::Virtual(Arc::new(AtomicU64::new(nanos.load(Relaxed)))),
        }
    }

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    /// Returns nanoseconds since the Unix epoch.
    pub(crate) fn wall_nanos(&self) -> u64 {
        match self {
            Self::Host { .. } => host_nanos(),
            Self::Virtual(_) => VIRTUAL_START_NANOS + self.monotonic_nanos(),
        }
    }

    /// Returns nanoseconds since the sandbox began, as guests read them.
    pub(crate) fn monotonic_nanos(&self) -> u64 {
        match self {
            Self::Host { .. } => nanos(self.elapsed()),
            Self::Virtual(at) => at.fetch_add(nanos(TICK), Relaxed) + nanos(TICK),
        }
    }

    /// Returns the time since the sandbox began; looking does not move it.
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::Host { started } => started.elapsed(),
            Self::Virtual(at) => Duration::from_nanos(at.load(Relaxed)),
        }
    }

    /// Moves a virtual clock on to a moment, if that lies ahead.
    pub(crate) fn advance_to(&self, moment: Duration) {
        if let Self::Virtual(at) = self {
            at.fetch_max(nanos(moment), Relaxed);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn host_nanos() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this module owns the clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    nanos(since)
}

/// A stretch of work that took longer was either interrupted by others or spent in the host: a guest
/// that computes gives way at each tick of a millisecond.
const LONG_STRETCH: Duration = Duration::from_millis(2);

thread_local! {
    /// The computing time of this thread when it was last read, and what was counted since.
    static COUNTED: Cell<(Duration, Duration)> = const { Cell::new((Duration::ZERO, Duration::ZERO)) };
}

/// Returns how much of a stretch of work on this thread, which has just ended and took `elapsed`, was
/// computing. Time in which others had the processor does not count, so what a limit on computing ends
/// does not depend on what else the machine does.
///
/// The clock of the thread is a system call, so it is read for long stretches only.
pub(crate) fn computed(elapsed: Duration) -> Duration {
    let (read, counted) = COUNTED.get();
    if elapsed < LONG_STRETCH {
        COUNTED.set((read, counted + elapsed));
        return elapsed;
    }
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let now = Duration::try_from(now).unwrap_or_default();
    COUNTED.set((now, Duration::ZERO));
    now.saturating_sub(read).saturating_sub(counted).min(elapsed)
}

/// What one process has computed, which it may also ask for while it does.
#[derive(Debug, Default)]
pub(crate) struct Computing {
    /// Nanoseconds in stretches that are over.
    before: AtomicU64,
    /// When the present stretch began.
    since: Mutex<Option<Instant>>,
    /// The most that was ever told; what is computed does not get less.
    told: AtomicU64,
}

impl Computing {
    /// Does some work, and returns how long it computed.
    pub(crate) fn count<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let started = Instant::now();
        *self.since.lock() = Some(started);
        let done = work();
        let time = computed(started.elapsed());
        self.before.fetch_add(nanos(time), Relaxed);
        *self.since.lock() = None;
        (done, time)
    }

    pub(crate) fn nanos(&self) -> u64 {
        let present = self.since.lock().map_or(0, |since| nanos(since.elapsed()));
        let sum = self.before.load(Relaxed) + present;
        self.told.fetch_max(sum, Relaxed).max(sum)
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.wall_nanos())
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.monotonic_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{hint::black_box, thread};

    /// On a thread of its own, since the count is one of a thread.
    fn measured(work: fn()) -> Duration {
        let work = move || {
            computed(Duration::from_secs(1));
            let started = Instant::now();
            work();
            computed(started.elapsed())
        };
        thread::spawn(work).join().unwrap()
    }

    #[test]
    fn waiting_is_not_computing() {
        let waited = measured(|| thread::sleep(Duration::from_millis(60)));
        assert!(waited < Duration::from_millis(30), "{waited:?}");
    }

    #[test]
    fn computing_is_counted() {
        let spun = measured(|| {
            let mut sum = 0_u64;
            for n in 0..80_000_000_u64 {
                sum = black_box(sum.wrapping_add(n));
            }
        });
        assert!(spun > Duration::from_millis(5), "{spun:?}");
    }

    #[test]
    fn a_virtual_clock_moves_by_being_read_and_by_being_moved() {
        let clock = Clock::start_virtual(Duration::ZERO);
        assert_eq!(clock.elapsed(), Duration::ZERO);
        assert_eq!(clock.wall_nanos(), VIRTUAL_START_NANOS + 10_000);
        assert_eq!(clock.clone().monotonic_nanos(), 20_000);
        clock.advance_to(Duration::from_secs(1));
        clock.advance_to(Duration::ZERO);
        assert_eq!(clock.elapsed(), Duration::from_secs(1));
        assert_eq!(clock.fork().elapsed(), Duration::from_secs(1));
    }
}
