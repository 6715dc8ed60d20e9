//! The record of what guests asked for and what they were given.
//!
//! One [`Event`] for each operation on a path, each start and end of a process, each close of a file
//! that was read or written, and each address that a socket asks for, allowed and denied alike. The choke point of the namespace makes
//! the event from the node that it then operates on, so the recorded path is the path used.
//!
//! Events go to an [`AuditSink`]; [`LogWriter`] makes them lines of a file in which each line holds
//! the hash of the one before. The format is described in `audit/FORMAT.md` beside this file, and
//! as a JSON schema in `audit/events.schema.json`.

mod batch;
mod count;
mod digest;
mod event;
mod log;

pub(crate) use self::count::HostCalls;
pub use self::{
    batch::EventBatch,
    count::{AuditCounts, HostCounts},
    digest::ContentDigest,
    event::{Decision, Event, EventRef, NodeKind, NodeRef, Op, OpenAccess},
    log::{End, Gap, Header, Line, LogOptions, LogWriter, MountInfo, Signature, chain_hash},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// Which events are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditLevel {
    /// All of them.
    #[default]
    All,
    /// What was denied or flagged, changes, processes; no reading and no looking.
    Changes,
    /// What was denied or flagged, and processes.
    Denied,
}

impl AuditLevel {
    fn takes(self, event: &EventRef<'_>) -> bool {
        let is_process = matches!(event.op, Op::Spawn | Op::Exit);
        let is_told = event.decision == Decision::Denied || event.flagged || is_process;
        match self {
            Self::All => true,
            Self::Changes => is_told || event.op.changes() || event.bytes_written.is_some(),
            Self::Denied => is_told,
        }
    }
}

/// Where events go. Called in order, under the lock of the sandbox's record: it should not block.
pub trait AuditSink: Send + Sync {
    /// Takes one event.
    fn record(&self, event: Event);

    /// Takes one event that is only lent; unless a sink does otherwise, an [`Event`] is made of it.
    fn lend(&self, entry: &EventRef<'_>) {
        self.record(entry.to_event());
    }
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
    fn record(&self, mut event: Event) {
        event.settle();
        self.events.lock().push(event);
    }
}

/// The record of one sandbox: numbers the events and hands them on.
pub(crate) struct AuditLog {
    sink: Option<Arc<dyn AuditSink>>,
    level: AuditLevel,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    next: u64,
    counts: AuditCounts,
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("state", &self.state).finish_non_exhaustive()
    }
}

impl AuditLog {
    pub(crate) fn new(sink: Option<Arc<dyn AuditSink>>, level: AuditLevel) -> Self {
        Self { sink, level, state: Mutex::default() }
    }

    /// Returns whether events are looked at by anybody; without a sink only denials are counted.
    pub(crate) fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// Numbers, counts and hands on one event, unless its level is not asked for.
    pub(crate) fn record(&self, entry: &mut EventRef<'_>) {
        let mut state = self.state.lock();
        state.counts.add(entry);
        if let Some(sink) = &self.sink
            && self.level.takes(entry)
        {
            entry.seq = state.next;
            state.next += 1;
            sink.lend(entry);
        }
    }

    pub(crate) fn counts(&self) -> AuditCounts {
        self.state.lock().counts.clone()
    }
}
