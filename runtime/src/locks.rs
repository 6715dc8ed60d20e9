//! Locks on files, by which the programs of one sandbox agree on who goes first.
//!
//! As Linux has them: `flock` locks a whole file for an open file description, `fcntl` locks ranges of bytes for a
//! process or for a description, and the two kinds do not see each other. A lock hinders nothing but other locks.
//! A circle of processes that wait for each other is not noticed (Linux answers `EDEADLK`).

use crate::{
    errno::{Errno, SysResult},
    fd::Waiting,
    vfs::NodeId,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

/// Locks of one sandbox. Answers TM-MEM-3: a list that makes the host allocate.
const MAX_LOCKS: usize = 2048;

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A file or directory of a mount.
    Node(NodeId),
    /// What is open and has no inode, by its serial number.
    Special(u64),
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A process, by its number.
    Process(u32),
    /// An open file description, by the number of its [`Holder`].
    Description(u64),
}

/// Which locks see each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// Those of `flock`.
    Whole,
    /// Those of `fcntl`.
    Ranges,
}

/// How much a lock keeps others out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// A lock on the bytes from `start` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) owner: Owner,
    pub(crate) mode: Mode,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Lock {
    fn hinders(&self, other: &Self) -> bool {
        let is_strict = self.mode == Mode::Exclusive || other.mode == Mode::Exclusive;
        self.owner != other.owner && is_strict && self.start < other.end && other.start < self.end
    }

    /// Returns what is left of the lock on both sides of a range.
    fn without(self, start: u64, end: u64) -> impl Iterator<Item = Self> {
        let before = Self { end: self.end.min(start), ..self };
        let after = Self { start: self.start.max(end), ..self };
        let is_apart = self.end <= start || self.start >= end;
        let parts = if is_apart { [Some(self), None] } else { [Some(before), Some(after)] };
        parts.into_iter().flatten().filter(|part| part.start < part.end)
    }
}

/// All locks of a sandbox.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    state: Mutex<State>,
    next_holder: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<(Family, Place), Vec<Lock>>,
    n_held: usize,
    /// Counts what was given up, so that nobody who waits misses it.
    n_changes: u64,
    waiting: Waiting,
}

/// A lock that cannot be had: the one that is in its way, and the count to wait from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hindered {
    pub(crate) by: Lock,
    pub(crate) n_changes: u64,
}

impl Locks {
    /// Sets a lock in the place of those that its owner has on these bytes, unless another one's is in the way.
    pub(crate) fn set(
        &self,
        family: Family,
        place: Place,
        lock: Lock,
    ) -> SysResult<Result<(), Hindered>> {
        let mut state = self.state.lock();
        // As on Linux: `flock` gives up the lock that it had before it asks for another kind of it.
        if family == Family::Whole && !state.has(family, place, lock) {
            state.clear(family, place, lock.owner, lock.start, lock.end);
        }
        if let Some(by) = state.hindrance(family, place, lock) {
            return Ok(Err(Hindered { by, n_changes: state.n_changes }));
        }
        // A range may be cut out of one that is there, which makes three of it.
        if state.n_held + 2 > MAX_LOCKS {
            return Err(Errno::NOLCK);
        }
        state.clear(family, place, lock.owner, lock.start, lock.end);
        state.add(family, place, lock);
        Ok(Ok(()))
    }

    /// Gives up what an owner has locked of a range. Fails where two locks would be left of one and there are
    /// too many already.
    pub(crate) fn unset(
        &self,
        family: Family,
        place: Place,
        owner: Owner,
        start: u64,
        end: u64,
    ) -> SysResult<()> {
        let mut state = self.state.lock();
        let is_cut = |it: &Lock| it.owner == owner && it.start < start && end < it.end;
        if state.n_held >= MAX_LOCKS && state.of(family, place).iter().any(is_cut) {
            return Err(Errno::NOLCK);
        }
        state.clear(family, place, owner, start, end);
        Ok(())
    }

    /// Returns a lock that is in the way of another one.
    pub(crate) fn hindrance(&self, family: Family, place: Place, lock: Lock) -> Option<Lock> {
        self.state.lock().hindrance(family, place, lock)
    }

    /// Gives up all that an owner has locked anywhere.
    pub(crate) fn unset_all(&self, owner: Owner) {
        let mut state = self.state.lock();
        let places: Vec<_> = state.held.keys().copied().collect();
        for (family, place) in places {
            state.clear(family, place, owner, 0, u64::MAX);
        }
    }

    /// Waits until something was given up after a lock could not be had.
    pub(crate) fn poll_changed(&self, since: u64, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.n_changes != since {
            return Poll::Ready(());
        }
        state.waiting.add(cx);
        Poll::Pending
    }
}

impl State {
    fn of(&self, family: Family, place: Place) -> &[Lock] {
        self.held.get(&(family, place)).map_or(&[], Vec::as_slice)
    }

    fn has(&self, family: Family, place: Place, lock: Lock) -> bool {
        self.of(family, place).contains(&lock)
    }

    /// As on Linux, of several locks that are in the way, the first one of who came first.
    fn hindrance(&self, family: Family, place: Place, lock: Lock) -> Option<Lock> {
        self.of(family, place).iter().find(|it| it.hinders(&lock)).copied()
    }

    /// Takes what an owner has of a range out of its locks.
    fn clear(&mut self, family: Family, place: Place, owner: Owner, start: u64, end: u64) {
        let Some(locks) = self.held.get_mut(&(family, place)) else { return };
        let is_meant = |it: &Lock| it.owner == owner && it.start < end && start < it.end;
        let is_changed = locks.iter().any(is_meant);
        let cut = |it: &Lock| {
            let (start, end) = if is_meant(it) { (start, end) } else { (0, 0) };
            it.without(start, end)
        };
        let left: Vec<Lock> = locks.iter().flat_map(cut).collect();
        self.n_held = self.n_held + left.len() - locks.len();
        *locks = left;
        if locks.is_empty() {
            self.held.remove(&(family, place));
        }
        if is_changed {
            self.n_changes += 1;
            self.waiting.wake();
        }
    }

    /// Adds a lock, as one with those of the same kind that it touches. Those of one owner stand together, by
    /// where they start, and owners in the order in which they came.
    fn add(&mut self, family: Family, place: Place, mut lock: Lock) {
        let locks = self.held.entry((family, place)).or_default();
        let n_before = locks.len();
        locks.retain(|it| {
            let is_same = it.owner == lock.owner && it.mode == lock.mode;
            let is_joined = is_same && (it.end == lock.start || it.start == lock.end);
            if is_joined {
                (lock.start, lock.end) = (lock.start.min(it.start), lock.end.max(it.end));
            }
            !is_joined
        });
        let is_later = |it: &Lock| it.owner == lock.owner && it.start > lock.start;
        let after_own = locks.iter().rposition(|it| it.owner == lock.owner).map(|last| last + 1);
        let at = locks.iter().position(is_later).or(after_own).unwrap_or(locks.len());
        locks.insert(at, lock);
        self.n_held = self.n_held + locks.len() - n_before;
    }
}

/// An open file description as an owner of locks, which go with it.
#[derive(Debug)]
pub(crate) struct Holder {
    locks: Arc<Locks>,
    number: u64,
}

impl Holder {
    pub(crate) fn new(locks: &Arc<Locks>) -> Self {
        let number = locks.next_holder.fetch_add(1, Relaxed);
        Self { locks: Arc::clone(locks), number }
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner::Description(self.number)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.locks.unset_all(self.owner());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Family::{Ranges, Whole};
    use Mode::{Exclusive, Shared};

    const FILE: Place = Place::Special(7);
    const A: Owner = Owner::Process(1);
    const B: Owner = Owner::Process(2);

    fn lock(owner: Owner, mode: Mode, start: u64, end: u64) -> Lock {
        Lock { owner, mode, start, end }
    }

    /// Sets a lock; says whether it was granted.
    fn set(locks: &Locks, lock: Lock) -> bool {
        locks.set(Ranges, FILE, lock).unwrap().is_ok()
    }

    fn held(locks: &Locks) -> Vec<(u64, u64, Mode)> {
        let state = locks.state.lock();
        let mut all: Vec<_> =
            state.of(Ranges, FILE).iter().map(|it| (it.start, it.end, it.mode)).collect();
        assert_eq!(all.len(), state.n_held);
        all.sort_by_key(|it| it.0);
        all
    }

    #[test]
    fn readers_share_and_a_writer_does_not() {
        let locks = Locks::default();
        assert!(set(&locks, lock(A, Shared, 0, 10)) && set(&locks, lock(B, Shared, 5, 15)));
        assert!(!set(&locks, lock(B, Exclusive, 9, 11)));
        assert!(set(&locks, lock(B, Exclusive, 10, 11)));
        let by = locks.set(Ranges, FILE, lock(A, Shared, 0, 12)).unwrap().unwrap_err().by;
        assert_eq!(by, lock(B, Exclusive, 10, 11));
    }

    #[test]
    fn ranges_are_cut_and_joined() {
        let locks = Locks::default();
        assert!(set(&locks, lock(A, Exclusive, 0, 30)) && set(&locks, lock(A, Shared, 10, 20)));
        assert_eq!(held(&locks), [(0, 10, Exclusive), (10, 20, Shared), (20, 30, Exclusive)]);
        assert!(set(&locks, lock(A, Exclusive, 10, 20)));
        assert_eq!(held(&locks), [(0, 30, Exclusive)]);
        locks.unset(Ranges, FILE, A, 5, 6).unwrap();
        assert_eq!(held(&locks), [(0, 5, Exclusive), (6, 30, Exclusive)]);
        locks.unset_all(A);
        assert_eq!(held(&locks), []);
    }

    #[test]
    fn the_two_kinds_do_not_see_each_other() {
        let locks = Arc::new(Locks::default());
        let (one, other) = (Holder::new(&locks), Holder::new(&locks));
        let whole = |holder: &Holder, mode| {
            locks.set(Whole, FILE, lock(holder.owner(), mode, 0, u64::MAX)).unwrap().is_ok()
        };
        assert!(whole(&one, Exclusive) && set(&locks, lock(A, Exclusive, 0, 1)));
        assert!(!whole(&other, Shared));
        drop(one);
        assert!(whole(&other, Shared));
    }

    #[test]
    fn who_asks_for_another_kind_of_flock_has_given_up_the_first() {
        let locks = Arc::new(Locks::default());
        let (one, other) = (Holder::new(&locks), Holder::new(&locks));
        let whole = |holder: &Holder, mode| {
            locks.set(Whole, FILE, lock(holder.owner(), mode, 0, u64::MAX)).unwrap().is_ok()
        };
        assert!(whole(&one, Shared) && whole(&other, Shared));
        assert!(!whole(&one, Exclusive));
        assert!(whole(&other, Exclusive));
    }

    #[test]
    fn a_release_wakes_and_is_not_missed() {
        let locks = Locks::default();
        assert!(set(&locks, lock(A, Exclusive, 0, 1)));
        let since = locks.set(Ranges, FILE, lock(B, Shared, 0, 1)).unwrap().unwrap_err().n_changes;
        let cx = Context::from_waker(std::task::Waker::noop());
        assert!(locks.poll_changed(since, &cx).is_pending());
        locks.unset(Ranges, FILE, A, 0, 1).unwrap();
        assert!(locks.poll_changed(since, &cx).is_ready());
    }

    #[test]
    fn locks_are_bounded() {
        let locks = Locks::default();
        let n_granted = (0..5000_u64)
            .take_while(|n| locks.set(Ranges, FILE, lock(A, Shared, n * 2, n * 2 + 1)).is_ok())
            .count();
        assert!((MAX_LOCKS - 2..=MAX_LOCKS).contains(&n_granted), "{n_granted}");
        locks.unset_all(A);
        assert!(set(&locks, lock(A, Shared, 0, u64::MAX)));
        let n_cut = (0..5000_u64)
            .take_while(|n| locks.unset(Ranges, FILE, A, n * 2 + 1, n * 2 + 2).is_ok())
            .count();
        assert_eq!(n_cut, MAX_LOCKS - 1);
    }
}
