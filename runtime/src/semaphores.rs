//! Named semaphores: counters that the processes of one sandbox wait for.
//!
//! As POSIX has them: a name leads to a semaphore until it is unlinked, and who has opened it keeps it.

use crate::{
    errno::{Errno, SysResult},
    fd::Waiting,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll},
};

/// The highest value, `SEM_VALUE_MAX` of Linux.
const MAX_VALUE: u32 = i32::MAX.unsigned_abs();

/// Names of one sandbox, and semaphores that one process has open. Answers TM-MEM-3: a list that makes the
/// host allocate.
const MAX_SEMAPHORES: usize = 4096;

/// Longest name, `NAME_MAX` less what Linux puts before it.
const MAX_NAME_BYTES: usize = 251;

/// What is to be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening {
    /// Only what is there.
    Existing,
    /// What is there, or a new one with a value.
    OrNew(u32),
    /// A new one with a value, and nothing that is there.
    New(u32),
}

/// The semaphores of a sandbox, by name.
#[derive(Debug, Default)]
pub(crate) struct Semaphores(Mutex<BTreeMap<String, Arc<Semaphore>>>);

impl Semaphores {
    pub(crate) fn open(&self, name: &str, opening: Opening) -> SysResult<Arc<Semaphore>> {
        let name = checked(name)?;
        let mut names = self.0.lock();
        let value = match (names.get(name), opening) {
            (Some(_), Opening::New(_)) => return Err(Errno::EXIST),
            (Some(semaphore), _) => return Ok(Arc::clone(semaphore)),
            (None, Opening::Existing) => return Err(Errno::NOENT),
            (None, Opening::OrNew(value) | Opening::New(value)) => value,
        };
        if value > MAX_VALUE {
            return Err(Errno::INVAL);
        }
        if names.len() >= MAX_SEMAPHORES {
            return Err(Errno::NOSPC);
        }
        let state = Mutex::new(State { value, waiting: Waiting::default() });
        let semaphore = Arc::new(Semaphore(state));
        names.insert(name.to_owned(), Arc::clone(&semaphore));
        Ok(semaphore)
    }

    pub(crate) fn unlink(&self, name: &str) -> SysResult<()> {
        let name = checked(name)?;
        self.0.lock().remove(name).map(drop).ok_or(Errno::NOENT)
    }
}

/// Returns a name without the slash that it may begin with.
fn checked(name: &str) -> SysResult<&str> {
    let name = name.trim_start_matches('/');
    match name.len() {
        0 => Err(Errno::INVAL),
        1..=MAX_NAME_BYTES if !name.contains(['/', '\0']) => Ok(name),
        1..=MAX_NAME_BYTES => Err(Errno::INVAL),
        _ => Err(Errno::NAMETOOLONG),
    }
}

/// A counter that cannot fall below 0.
#[derive(Debug)]
pub(crate) struct Semaphore(Mutex<State>);

#[derive(Debug)]
struct State {
    value: u32,
    waiting: Waiting,
}

impl Semaphore {
    /// Takes one, or asks to be woken when there may be one.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if let Some(left) = state.value.checked_sub(1) {
            state.value = left;
            return Poll::Ready(());
        }
        state.waiting.add(cx);
        Poll::Pending
    }

    pub(crate) fn try_take(&self) -> SysResult<()> {
        let mut state = self.0.lock();
        state.value = state.value.checked_sub(1).ok_or(Errno::AGAIN)?;
        Ok(())
    }

    pub(crate) fn give(&self) -> SysResult<()> {
        let mut state = self.0.lock();
        if state.value >= MAX_VALUE {
            return Err(Errno::OVERFLOW);
        }
        state.value += 1;
        state.waiting.wake();
        Ok(())
    }

    pub(crate) fn value(&self) -> u32 {
        self.0.lock().value
    }
}

/// The semaphores that a process has open, by number.
#[derive(Debug, Default)]
pub(crate) struct OpenSemaphores {
    open: BTreeMap<u32, Arc<Semaphore>>,
    last: u32,
}

impl OpenSemaphores {
    pub(crate) fn add(&mut self, semaphore: Arc<Semaphore>) -> SysResult<u32> {
        if self.open.len() >= MAX_SEMAPHORES {
            return Err(Errno::MFILE);
        }
        self.last = self.last.checked_add(1).ok_or(Errno::MFILE)?;
        self.open.insert(self.last, semaphore);
        Ok(self.last)
    }

    pub(crate) fn get(&self, number: u32) -> SysResult<Arc<Semaphore>> {
        self.open.get(&number).cloned().ok_or(Errno::INVAL)
    }

    pub(crate) fn close(&mut self, number: u32) -> SysResult<()> {
        self.open.remove(&number).map(drop).ok_or(Errno::INVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_one_semaphore_until_it_is_unlinked() {
        let all = Semaphores::default();
        assert_eq!(all.open("/a", Opening::Existing).unwrap_err(), Errno::NOENT);
        let first = all.open("/a", Opening::New(1)).unwrap();
        assert_eq!(all.open("a", Opening::New(1)).unwrap_err(), Errno::EXIST);
        let again = all.open("a", Opening::OrNew(7)).unwrap();
        assert_eq!(
            (again.value(), again.try_take(), first.try_take()),
            (1, Ok(()), Err(Errno::AGAIN))
        );
        all.unlink("/a").unwrap();
        assert_eq!(all.unlink("/a"), Err(Errno::NOENT));
        first.give().unwrap();
        assert_eq!(again.value(), 1);
        assert_eq!(all.open("/a", Opening::New(5)).unwrap().value(), 5);
    }

    #[test]
    fn odd_names_and_values_are_refused() {
        let all = Semaphores::default();
        let open = |name: &str, value| all.open(name, Opening::New(value)).map(|it| it.value());
        assert_eq!(open("/", 1), Err(Errno::INVAL));
        assert_eq!(open("/a/b", 1), Err(Errno::INVAL));
        assert_eq!(open(&"a".repeat(252), 1), Err(Errno::NAMETOOLONG));
        assert_eq!(open("/a", MAX_VALUE + 1), Err(Errno::INVAL));
        let full = all.open("/a", Opening::New(MAX_VALUE)).unwrap();
        assert_eq!(full.give(), Err(Errno::OVERFLOW));
    }

    #[test]
    fn handles_are_bounded_and_closed_once() {
        let (all, mut open) = (Semaphores::default(), OpenSemaphores::default());
        let semaphore = all.open("a", Opening::New(0)).unwrap();
        let numbers: Vec<_> =
            (0..MAX_SEMAPHORES).map(|_| open.add(Arc::clone(&semaphore)).unwrap()).collect();
        assert_eq!(open.add(semaphore), Err(Errno::MFILE));
        assert_eq!((open.close(numbers[0]), open.close(numbers[0])), (Ok(()), Err(Errno::INVAL)));
    }
}
