//! The record of what guests asked for and what they were given.
//!
//! One [`Event`] for each operation on a path, each start and end of a process, and each close of a
//! file that was read or written, allowed and denied alike. The choke point of the namespace makes
//! the event from the node that it then operates on, so the recorded path is the path used.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The operation that an event records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A file was opened for reading, or a directory for listing.
    OpenRead,
    /// A file was opened for writing, or created.
    OpenWrite,
    /// A descriptor of a file was closed for the last time; `bytes_*` say what went through it.
    Close,
    /// Metadata was asked for.
    Stat,
    /// A link was read.
    Readlink,
    /// A directory was made.
    Mkdir,
    /// An empty directory was removed.
    Rmdir,
    /// A file or link was removed.
    Unlink,
    /// An entry was renamed; one event for the old path and one for the new.
    Rename,
    /// A hard link was made; one event for the old path and one for the new.
    Link,
    /// A symbolic link was made.
    Symlink,
    /// Permission bits were changed.
    Chmod,
    /// Times were changed.
    Utimes,
    /// A file was cut or extended.
    Truncate,
    /// A process was started from the program at the path.
    Spawn,
    /// A process ended; `status` says how.
    Exit,
}

/// Whether an operation was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The rights allow it; `errno` may still tell of a failure, as for a file that is not there.
    Allowed,
    /// The rights refuse it.
    Denied,
}

/// One entry of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Position in the record of the sandbox, from 0, without gaps.
    pub seq: u64,
    /// Microseconds since the sandbox began.
    pub at_us: u64,
    /// The process that asked.
    pub pid: u32,
    /// The name that process was started under.
    pub argv0: Arc<str>,
    /// What was asked for.
    pub op: Op,
    /// The path as it was asked for; relative to the root of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The path of the node that was operated on, or that would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// The mount or the rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Arc<str>>,
    /// Allowed or denied.
    pub decision: Decision,
    /// The POSIX name of the error that the guest got, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// Bytes read through the descriptor, for `close`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_read: Option<u64>,
    /// Bytes written through the descriptor, for `close`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_written: Option<u64>,
    /// The arguments, for `spawn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// The process that was started, for `spawn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<u32>,
    /// How the process ended, for `exit`: `code 0`, `signal 9`, `trap stack overflow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Where events go. Called in order, under the lock of the sandbox's record: it should not block.
pub trait AuditSink: Send + Sync {
    /// Takes one event.
    fn record(&self, event: &Event);
}

/// An [`AuditSink`] that keeps all events.
#[derive(Debug, Default)]
pub struct MemorySink {
    events: Mutex<Vec<Event>>,
}

impl MemorySink {
    /// Returns what was recorded so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().clone()
    }

    /// Returns the denied ones of what was recorded so far.
    pub fn denied(&self) -> Vec<Event> {
        let events = self.events.lock();
        events.iter().filter(|event| event.decision == Decision::Denied).cloned().collect()
    }
}

impl AuditSink for MemorySink {
    fn record(&self, event: &Event) {
        self.events.lock().push(event.clone());
    }
}

/// The record of one sandbox: numbers the events and hands them on.
pub(crate) struct AuditLog {
    sink: Option<Arc<dyn AuditSink>>,
    state: Mutex<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    next: u64,
    denied: u64,
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("state", &self.state).finish_non_exhaustive()
    }
}

impl AuditLog {
    pub(crate) fn new(sink: Option<Arc<dyn AuditSink>>) -> Self {
        Self { sink, state: Mutex::default() }
    }

    /// Returns whether events are looked at by anybody; without a sink only denials are counted.
    pub(crate) fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// Numbers and records what `make` returns.
    pub(crate) fn record(&self, decision: Decision, make: impl FnOnce(u64) -> Event) {
        let mut state = self.state.lock();
        state.denied += u64::from(decision == Decision::Denied);
        if let Some(sink) = &self.sink {
            sink.record(&make(state.next));
        }
        state.next += 1;
    }

    pub(crate) fn n_denied(&self) -> u64 {
        self.state.lock().denied
    }
}
