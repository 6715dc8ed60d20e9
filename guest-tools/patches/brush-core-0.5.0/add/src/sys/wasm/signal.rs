//! The signals of the playpen kernel, with the numbers of Linux.
//!
//! What becomes of one that comes is in `delivery`.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::nursery)]

use crate::{error, sys, traps};

macro_rules! signals {
    ($($name:ident = $number:literal,)*) => {
        /// A signal.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Signal {
            $($name = $number,)*
        }

        impl Signal {
            /// Returns all signals.
            pub fn iterator() -> impl Iterator<Item = Self> {
                [$(Self::$name),*].into_iter()
            }

            /// Returns the name, with `SIG`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

signals! {
    SIGHUP = 1,
    SIGINT = 2,
    SIGQUIT = 3,
    SIGILL = 4,
    SIGTRAP = 5,
    SIGABRT = 6,
    SIGBUS = 7,
    SIGFPE = 8,
    SIGKILL = 9,
    SIGUSR1 = 10,
    SIGSEGV = 11,
    SIGUSR2 = 12,
    SIGPIPE = 13,
    SIGALRM = 14,
    SIGTERM = 15,
    SIGSTKFLT = 16,
    SIGCHLD = 17,
    SIGCONT = 18,
    SIGSTOP = 19,
    SIGTSTP = 20,
    SIGTTIN = 21,
    SIGTTOU = 22,
    SIGURG = 23,
    SIGXCPU = 24,
    SIGXFSZ = 25,
    SIGVTALRM = 26,
    SIGPROF = 27,
    SIGWINCH = 28,
    SIGIO = 29,
    SIGPWR = 30,
    SIGSYS = 31,
}

impl Signal {
    /// Finds a signal by its name, with `SIG`.
    pub fn from_str(s: &str) -> Result<Self, error::Error> {
        let found = Self::iterator().find(|signal| signal.as_str() == s);
        found.ok_or_else(|| error::ErrorKind::InvalidSignal(s.into()).into())
    }
}

impl TryFrom<i32> for Signal {
    type Error = error::Error;

    fn try_from(value: i32) -> Result<Self, Self::Error> {
        let found = Self::iterator().find(|signal| *signal as i32 == value);
        found.ok_or_else(|| error::ErrorKind::InvalidSignal(value.to_string()).into())
    }
}

pub(crate) fn continue_process(_pid: sys::process::ProcessId) -> Result<(), error::Error> {
    Err(error::ErrorKind::NotSupportedOnThisPlatform("continuing process").into())
}

/// Sends a signal to a specific process.
pub fn kill_process(
    pid: sys::process::ProcessId,
    signal: traps::TrapSignal,
) -> Result<(), error::Error> {
    let number = i32::try_from(signal).ok().and_then(|number| u32::try_from(number).ok());
    let Some(number) = number else { return Err(error::ErrorKind::FailedToSendSignal.into()) };
    playpen_sys::kill(pid, number).map_err(|_| error::ErrorKind::FailedToSendSignal.into())
}

pub(crate) fn lead_new_process_group() -> Result<(), error::Error> {
    Ok(())
}

pub(crate) struct FakeSignal {}

impl FakeSignal {
    fn new() -> Self {
        Self {}
    }

    pub async fn recv(&self) {
        futures::future::pending::<()>().await;
    }
}

pub(crate) fn tstp_signal_listener() -> Result<FakeSignal, error::Error> {
    Ok(FakeSignal::new())
}

pub(crate) fn chld_signal_listener() -> Result<FakeSignal, error::Error> {
    Ok(FakeSignal::new())
}

pub(crate) async fn await_ctrl_c() -> std::io::Result<()> {
    FakeSignal::new().recv().await;
    Ok(())
}

pub(crate) fn mask_sigttou() -> Result<(), error::Error> {
    Ok(())
}

pub(crate) fn poll_for_stopped_children() -> Result<bool, error::Error> {
    Ok(false)
}
