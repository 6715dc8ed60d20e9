//! The one place that reads the host's clocks.

use std::{
    cell::Cell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// Time as a sandbox sees it: wall time for files and programs, and a count since the sandbox began.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Returns nanoseconds since the Unix epoch.
    #[expect(clippy::unused_self, reason = "a virtual clock will need it")]
    pub(crate) fn wall_nanos(&self) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "this module owns the clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Returns the time since the sandbox began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
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
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::computed;
    use std::{
        hint::black_box,
        thread,
        time::{Duration, Instant},
    };

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
}
