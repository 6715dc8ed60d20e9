//! How a process ended.

use crate::limits::LimitKind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why the engine stopped a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrapKind {
    /// The call stack is used up: a recursion without end.
    StackOverflow,
    /// An access outside the guest's memory; a recursion that used up the stack a C or Rust program
    /// keeps in memory ends like this too.
    MemoryFault,
    /// The guest gave up by itself: a panic, an `abort()`, an assertion.
    Abort,
    /// Division by zero and the like.
    Arithmetic,
    /// Any other violation of the rules of WebAssembly.
    Other,
}

impl TrapKind {
    /// Returns the signal that a Unix would have sent.
    fn signal(self) -> u8 {
        match self {
            Self::StackOverflow | Self::MemoryFault => 11,
            Self::Abort => 6,
            Self::Arithmetic => 8,
            Self::Other => 4,
        }
    }

    pub(crate) fn from_wasmtime(trap: wasmtime::Trap) -> Self {
        use wasmtime::Trap;
        match trap {
            Trap::StackOverflow => Self::StackOverflow,
            Trap::MemoryOutOfBounds | Trap::HeapMisaligned => Self::MemoryFault,
            Trap::UnreachableCodeReached => Self::Abort,
            Trap::IntegerDivisionByZero | Trap::IntegerOverflow | Trap::BadConversionToInteger => {
                Self::Arithmetic
            }
            _ => Self::Other,
        }
    }
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StackOverflow => "stack overflow",
            Self::MemoryFault => "memory fault",
            Self::Abort => "aborted",
            Self::Arithmetic => "arithmetic error",
            Self::Other => "illegal instruction",
        })
    }
}

/// How a process of the sandbox ended, as its parent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Code(u8),
    Signal(u8),
    Trap(TrapKind),
}

impl Status {
    /// Returns the status as `waitpid` of Linux encodes it.
    pub(crate) fn wait_status(self) -> u32 {
        match self {
            Self::Code(code) => u32::from(code) << 8,
            Self::Signal(signal) => signal.into(),
            Self::Trap(trap) => trap.signal().into(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Trap(trap) => write!(f, "trap {trap}"),
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// The program ended by itself, with this status.
    Code(u8),
    /// A signal ended it.
    Signal(u8),
    /// The engine stopped it.
    Trap(TrapKind),
    /// It met one of its [`Limits`](crate::Limits).
    Limit(LimitKind),
}

impl Exit {
    /// Returns the exit code that a shell would show: 128 and the signal's number for a signal or a
    /// trap, 124 for a limit.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128_u8.saturating_add(signal),
            Self::Trap(trap) => 128 + trap.signal(),
            Self::Limit(_) => 124,
        }
    }

    /// Tells whether the program ended by itself with status 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    pub(crate) fn of(status: Status) -> Self {
        match status {
            Status::Code(code) => Self::Code(code),
            Status::Signal(signal) => Self::Signal(signal),
            Status::Trap(trap) => Self::Trap(trap),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Trap(trap) => write!(f, "{trap}"),
            Self::Limit(limit) => write!(f, "limit on {limit} met"),
        }
    }
}

/// Something that went wrong in one process of a command's tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The process.
    pub pid: u32,
    /// The name that it was started under.
    pub argv0: String,
    /// What happened.
    pub kind: IncidentKind,
}

/// What an [`Incident`] was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IncidentKind {
    /// The engine stopped the process.
    Trap(TrapKind),
    /// The process could not be started after all: not enough memory left for its instance.
    NotStarted,
    /// The process met a limit.
    Limit(LimitKind),
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, argv0, kind } = self;
        match kind {
            IncidentKind::Trap(trap) => write!(f, "{argv0} (pid {pid}): {trap}"),
            IncidentKind::NotStarted => {
                write!(f, "{argv0} (pid {pid}): not enough memory to start")
            }
            IncidentKind::Limit(limit) => write!(f, "{argv0} (pid {pid}): limit on {limit} met"),
        }
    }
}
