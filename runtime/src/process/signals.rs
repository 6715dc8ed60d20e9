//! Signals: what a process does about them, and those that it has yet to look at.
//!
//! The kernel runs no handlers, since nothing may enter a guest half-way. A guest that has one says that it
//! catches the signal; one that comes is kept, ends what the first thread waits for with `EINTR`, and
//! is taken by the guest where it can run its handler. A guest that never looks goes on as if nothing had come,
//! and is ended by `SIGKILL` and by the limits of its command like any other.

use parking_lot::Mutex;
use std::{
    sync::atomic::{
        AtomicBool, AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    task::Waker,
};
use tokio::sync::Notify;

/// Signals are numbered up to here, as on Linux.
pub(crate) const MAX_SIGNAL: u8 = 64;

pub(crate) const SIGINT: u8 = 2;
pub(crate) const SIGKILL: u8 = 9;
pub(crate) const SIGCHLD: u8 = 17;
const SIGSTOP: u8 = 19;

/// What a process does about one signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Default,
    Ignore,
    /// It is kept until the process takes it.
    Catch,
}

/// A set of signals: bit n - 1 is signal n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SignalSet(pub(crate) u64);

impl SignalSet {
    const fn bit(signal: u8) -> u64 {
        1 << (signal - 1)
    }

    fn has(self, signal: u8) -> bool {
        self.0 & Self::bit(signal) != 0
    }

    fn put(&mut self, signal: u8, is_in: bool) {
        if is_in {
            self.0 |= Self::bit(signal);
        } else {
            self.0 &= !Self::bit(signal);
        }
    }

    /// Joins two sets; what no process can ignore is in neither.
    pub(crate) fn and(self, other: Self) -> Self {
        Self((self.0 | other.0) & !Self::bit(SIGKILL) & !Self::bit(SIGSTOP))
    }
}

#[derive(Debug, Default)]
struct State {
    ignored: SignalSet,
    caught: SignalSet,
    pending: SignalSet,
}

/// The signals of one process.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    state: Mutex<State>,
    /// Whether anything is caught, so that what waits may be interrupted.
    catches: AtomicBool,
    /// Whether something is pending.
    has_come: AtomicBool,
    /// The signal that ends the process, or 0.
    end: AtomicU32,
    ended: Notify,
    interrupt: Interrupt,
}

/// Ends the wait of the first thread, which is the one that signals are for; kept for its next one if it does
/// not wait.
#[derive(Debug, Default)]
struct Interrupt {
    is_set: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signals {
    /// Makes those of a new process, which ignores what its parent does.
    pub(crate) fn new(ignored: SignalSet) -> Self {
        Self { state: Mutex::new(State { ignored, ..State::default() }), ..Self::default() }
    }

    /// Ends the process, whatever it does about signals. The first one counts.
    pub(crate) fn end(&self, signal: u8) {
        let _ = self.end.compare_exchange(0, signal.into(), Relaxed, Relaxed);
        self.ended.notify_one();
    }

    /// Waits until somebody ends the process.
    pub(crate) async fn wait_for_end(&self) -> u8 {
        loop {
            if let Some(signal) = self.has_ended() {
                return signal;
            }
            self.ended.notified().await;
        }
    }

    /// Returns the signal that ends the process, if there is one.
    pub(crate) fn has_ended(&self) -> Option<u8> {
        let signal = self.end.load(Relaxed);
        (signal != 0).then(|| u8::try_from(signal).expect("set from a u8"))
    }

    /// Lets a signal come.
    pub(crate) fn send(&self, signal: u8) {
        if signal == 0 {
            return;
        }
        let mut state = self.state.lock();
        if state.caught.has(signal) {
            state.pending.put(signal, true);
            self.has_come.store(true, Release);
            drop(state);
            self.interrupt();
        } else if !state.ignored.has(signal) && ends_by_default(signal) {
            self.end(signal);
        }
    }

    /// Changes what is done about a signal; returns what was.
    pub(crate) fn set_action(&self, signal: u8, action: Action) -> Action {
        let mut state = self.state.lock();
        let before = state.action(signal);
        state.ignored.put(signal, action == Action::Ignore);
        state.caught.put(signal, action == Action::Catch);
        let is_pending = state.pending.has(signal);
        if is_pending && action != Action::Catch {
            state.pending.put(signal, false);
            self.note_pending(&state);
            // One that came before is not lost by being caught no more.
            if action == Action::Default && ends_by_default(signal) {
                self.end(signal);
            }
        }
        self.catches.store(state.caught != SignalSet::default(), Release);
        before
    }

    /// Returns what is done about a signal.
    pub(crate) fn action(&self, signal: u8) -> Action {
        self.state.lock().action(signal)
    }

    pub(crate) fn ignored(&self) -> SignalSet {
        self.state.lock().ignored
    }

    /// Takes the pending signal with the lowest number.
    pub(crate) fn take(&self) -> Option<u8> {
        if !self.has_come() {
            return None;
        }
        let mut state = self.state.lock();
        let signal = u8::try_from(state.pending.0.trailing_zeros()).unwrap_or(MAX_SIGNAL) + 1;
        if signal > MAX_SIGNAL {
            return None;
        }
        state.pending.put(signal, false);
        self.note_pending(&state);
        Some(signal)
    }

    fn note_pending(&self, state: &State) {
        let is_pending = state.pending != SignalSet::default();
        self.has_come.store(is_pending, Release);
        if !is_pending {
            self.interrupt.is_set.store(false, Release);
        }
    }

    /// Tells whether a caught signal has come and was not taken yet.
    pub(crate) fn has_come(&self) -> bool {
        self.has_come.load(Acquire)
    }

    pub(crate) fn catches(&self) -> bool {
        self.catches.load(Acquire)
    }

    /// Interrupts the first thread where it waits.
    pub(crate) fn interrupt(&self) {
        self.interrupt.is_set.store(true, Release);
        if let Some(waker) = self.interrupt.waker.lock().take() {
            waker.wake();
        }
    }

    /// Asks to be woken by the next interruption; returns whether there was one already, which this uses up.
    pub(crate) fn take_interruption(&self, waker: &Waker) -> bool {
        *self.interrupt.waker.lock() = Some(waker.clone());
        self.interrupt.is_set.swap(false, AcqRel)
    }
}

impl State {
    fn action(&self, signal: u8) -> Action {
        if self.caught.has(signal) {
            Action::Catch
        } else if self.ignored.has(signal) {
            Action::Ignore
        } else {
            Action::Default
        }
    }
}

/// Tells whether a process may do something about a signal.
pub(crate) fn is_changeable(signal: u8) -> bool {
    (1..=MAX_SIGNAL).contains(&signal) && signal != SIGKILL && signal != SIGSTOP
}

/// Tells whether a signal ends a process that does nothing about it, as in `signal(7)`.
pub(crate) fn ends_by_default(signal: u8) -> bool {
    const CONT: u8 = 18;
    const TSTP: u8 = 20;
    const TTIN: u8 = 21;
    const TTOU: u8 = 22;
    const URG: u8 = 23;
    const WINCH: u8 = 28;
    !matches!(signal, 0 | SIGCHLD | CONT | SIGSTOP | TSTP | TTIN | TTOU | URG | WINCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: u8 = 15;
    const USR1: u8 = 10;

    #[test]
    fn what_is_caught_is_kept_until_it_is_taken() {
        let signals = Signals::default();
        assert_eq!(signals.set_action(TERM, Action::Catch), Action::Default);
        signals.set_action(USR1, Action::Catch);
        signals.send(TERM);
        signals.send(USR1);
        signals.send(TERM);
        assert_eq!(signals.has_ended(), None);
        assert!(signals.take_interruption(Waker::noop()));
        assert!(!signals.take_interruption(Waker::noop()));
        assert_eq!(
            [signals.take(), signals.take(), signals.take()],
            [Some(USR1), Some(TERM), None]
        );
    }

    #[test]
    fn what_is_taken_interrupts_nothing_any_more() {
        let signals = Signals::default();
        signals.set_action(TERM, Action::Catch);
        signals.send(TERM);
        assert_eq!(signals.take(), Some(TERM));
        assert!(!signals.take_interruption(Waker::noop()));
    }

    #[test]
    fn a_fatal_signal_is_not_lost_by_restoring_the_default() {
        let signals = Signals::default();
        signals.set_action(TERM, Action::Catch);
        signals.send(TERM);
        signals.set_action(TERM, Action::Default);
        assert_eq!(signals.has_ended(), Some(TERM));
    }

    #[test]
    fn the_highest_signal_can_be_caught() {
        let signals = Signals::default();
        signals.set_action(MAX_SIGNAL, Action::Catch);
        signals.send(MAX_SIGNAL);
        assert_eq!(signals.take(), Some(MAX_SIGNAL));
    }

    #[test]
    fn nothing_ignores_what_kills() {
        let all = SignalSet(u64::MAX);
        let signals = Signals::new(SignalSet::default().and(all));
        signals.send(TERM);
        assert_eq!(signals.has_ended(), None);
        signals.send(SIGKILL);
        assert_eq!(signals.has_ended(), Some(SIGKILL));
    }
}
