//! Counting twice: what the record has, and what came in at the host functions.
//!
//! The two counts are taken at different ends. [`HostCalls`] is raised by the system calls as they
//! come in, before any path is walked; [`AuditCounts`] by the record as events go out. That they
//! agree says that no call passed without an event.

use super::{Decision, EventRef, Op};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the record of a sandbox has, all levels and all events counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditCounts {
    /// Accesses that were refused.
    pub n_denied: u64,
    /// Accesses that a tripwire met.
    pub n_flagged: u64,
    /// The rest, as the host functions count.
    pub host: HostCounts,
}

/// What came through the host functions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostCounts {
    /// Calls that name a path or the address of a socket, or that change a file through a descriptor.
    pub calls: u64,
    /// Attempts to start a process.
    pub spawns: u64,
    /// Processes that ended.
    pub exits: u64,
    /// Bytes that guests read from files.
    pub bytes_read: u64,
    /// Bytes that guests wrote to files.
    pub bytes_written: u64,
}

impl AuditCounts {
    pub(super) fn add(&mut self, event: &EventRef<'_>) {
        self.n_denied += u64::from(event.decision == Decision::Denied);
        self.n_flagged += u64::from(event.flagged);
        self.host.calls += u64::from(event.op.is_call());
        self.host.spawns += u64::from(event.op == Op::Spawn);
        self.host.exits += u64::from(event.op == Op::Exit);
        self.host.bytes_read += event.bytes_read.unwrap_or(0);
        self.host.bytes_written += event.bytes_written.unwrap_or(0);
    }
}

/// Counters that the host functions raise.
#[derive(Debug, Default)]
pub(crate) struct HostCalls {
    calls: AtomicU64,
    spawns: AtomicU64,
    exits: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

impl HostCalls {
    pub(crate) fn call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn spawn(&self) {
        self.spawns.fetch_add(1, Relaxed);
    }

    pub(crate) fn exit(&self) {
        self.exits.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, n_bytes: u64) {
        self.bytes_read.fetch_add(n_bytes, Relaxed);
    }

    pub(crate) fn written(&self, n_bytes: u64) {
        self.bytes_written.fetch_add(n_bytes, Relaxed);
    }

    pub(crate) fn counts(&self) -> HostCounts {
        HostCounts {
            calls: self.calls.load(Relaxed),
            spawns: self.spawns.load(Relaxed),
            exits: self.exits.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
        }
    }
}
