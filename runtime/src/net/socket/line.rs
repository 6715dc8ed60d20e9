//! What has become of a connection, as each of its ends knows it.
//!
//! As on Linux. A stream of TCP whose other end is closed takes what is sent once and is reset by it; one whose other
//! end is closed before all was read there is reset at once. In the Unix domain nothing more can be sent after a
//! close, and who receives is told if something of its own was not read.

use super::{Role, Socket, State};
use crate::{
    errno::{Errno, SysResult},
    fd::Moved,
    net::Family,
};
use parking_lot::Mutex;
use std::sync::Arc;

const SOL_SOCKET: u32 = 1;
const SO_LINGER: u32 = 13;
/// What a guest's library keeps for a linger of no seconds: a close that resets.
const LINGER_NOT: i32 = 1;

/// One end's knowledge of the connection.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Nothing goes through it any more.
    is_reset: bool,
    /// The other end has said that it sends no more.
    is_ended: bool,
    /// The other end is closed.
    is_left: bool,
    /// To be told once.
    error: Option<Errno>,
}

impl Line {
    pub(super) fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    pub(super) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// Notes that the other end sends no more.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
    }

    fn leave(&mut self) {
        if !self.is_reset {
            (self.is_ended, self.is_left) = (true, true);
        }
    }

    /// Notes that the other end is closed, and that something was lost by it.
    fn lose(&mut self, family: Family) {
        if family == Family::Unix {
            self.leave();
            self.error = Some(Errno::CONNRESET);
        } else {
            self.reset();
        }
    }

    /// Notes a reset; who knew already that nothing comes any more hears of what it sends only.
    fn reset(&mut self) {
        self.error = Some(if self.is_ended { Errno::PIPE } else { Errno::CONNRESET });
        self.is_reset = true;
    }
}

/// The lines of both ends.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) own: Arc<Mutex<Line>>,
    pub(super) others: Arc<Mutex<Line>>,
}

impl Lines {
    /// Returns those of the two ends of a new connection.
    pub(super) fn of_connection() -> (Self, Self) {
        let (one, other) = (Arc::<Mutex<Line>>::default(), Arc::default());
        let swapped = Self { own: Arc::clone(&other), others: Arc::clone(&one) };
        (Self { own: one, others: other }, swapped)
    }
}

impl Socket {
    /// What becomes of bytes that nobody at the other end can read.
    pub(super) fn send_in_vain(&self, lines: &Lines, n_bytes: usize) -> SysResult<Moved> {
        let mut line = lines.own.lock();
        if self.family == Family::Unix {
            return Err(Errno::PIPE);
        }
        if line.is_reset {
            return Err(line.take_error().unwrap_or(Errno::PIPE));
        }
        if line.is_left {
            line.reset();
        }
        Ok(Moved::Bytes(n_bytes))
    }

    /// What who receives is told where nothing is left to be read.
    pub(super) fn end_of_stream(&self, lines: &Lines) -> SysResult<Moved> {
        let mut line = lines.own.lock();
        let tells = self.family == Family::Unix || !line.is_ended;
        let error = if tells { line.take_error() } else { None };
        error.map_or(Ok(Moved::Closed), Err)
    }

    /// Whether the connection has ended both ways.
    pub(super) fn is_over(&self, lines: &Lines, sends: bool) -> bool {
        let line = lines.own.lock();
        line.is_reset || (line.is_ended && !sends) || (line.is_left && self.family == Family::Unix)
    }
}

impl State {
    /// Fails if the connection was reset.
    pub(super) fn whole(&self) -> SysResult<()> {
        match &self.role {
            Role::Connected { lines, .. } if lines.own.lock().is_reset => Err(Errno::NOTCONN),
            _ => Ok(()),
        }
    }

    /// Tells the other end that this one is closed.
    pub(super) fn leave(&mut self, family: Family) {
        let lingers = self.options.get(&(SOL_SOCKET, SO_LINGER)) != Some(&LINGER_NOT);
        match &mut self.role {
            Role::Connected { reader, lines, .. } => {
                let is_unread = reader.as_ref().is_some_and(|reader| reader.level().0 > 0);
                let is_lost = is_unread || (!lingers && family != Family::Unix);
                let mut line = lines.others.lock();
                if is_lost { line.lose(family) } else { line.leave() }
            }
            // Who was never accepted is refused after all.
            Role::Listening { pending, .. } => {
                for socket in pending.drain(..) {
                    if let Role::Connected { lines, .. } = &socket.state.lock().role {
                        lines.others.lock().lose(family);
                    }
                }
            }
            Role::Idle | Role::Mailbox { .. } => {}
        }
    }
}
