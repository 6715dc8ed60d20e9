//! The folder of one attempt, and the audit of its sandbox.

use parking_lot::Mutex;
use playpen_runtime::{
    Tree,
    audit::{AuditSink, Decision, Event},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{RecordError, create_all, unified_diff, write_file, write_json};
use crate::atif::Trajectory;

/// The folder of one attempt.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    path: PathBuf,
}

impl AttemptRecord {
    /// Makes the folder.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be made.
    pub fn create(path: PathBuf) -> Result<AttemptRecord, RecordError> {
        create_all(&path)?;
        Ok(AttemptRecord { path })
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `trajectory.json`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_trajectory(&self, trajectory: &Trajectory) -> Result<(), RecordError> {
        write_json(&self.path.join("trajectory.json"), trajectory)
    }

    /// Writes `verdict.json`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_verdict(&self, verdict: &impl Serialize) -> Result<(), RecordError> {
        write_json(&self.path.join("verdict.json"), verdict)
    }

    /// Writes `patch.diff`: what the attempt hands in.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_patch(&self, before: &Tree, after: &Tree) -> Result<(), RecordError> {
        write_file(&self.path.join("patch.diff"), unified_diff(before, after).as_bytes())
    }

    /// Writes `audit.jsonl`, and with it `times.json`: when each event happened, and how long the
    /// attempt took.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn write_audit(&self, audit: &AttemptAudit, elapsed: Duration) -> Result<(), RecordError> {
        let (lines, times) = audit.lines();
        write_file(&self.path.join("audit.jsonl"), &lines)?;
        let elapsed_us = micros(elapsed);
        write_json(&self.path.join("times.json"), &Times { elapsed_us, audit_at_us: times })
    }
}

/// What a clock said about an attempt.
#[derive(Debug, Serialize)]
struct Times {
    elapsed_us: u64,
    /// For each line of `audit.jsonl`.
    audit_at_us: Vec<u64>,
}

/// The audit of one sandbox, kept in memory until the attempt ends.
#[derive(Debug, Default)]
pub struct AttemptAudit {
    events: Mutex<Vec<Event>>,
}

impl AttemptAudit {
    /// Returns the number of accesses that were refused.
    pub fn n_denied(&self) -> u64 {
        let events = self.events.lock();
        events.iter().filter(|event| event.decision == Decision::Denied).count() as u64
    }

    /// Returns the events as JSON lines, and when each happened.
    ///
    /// Processes that run side by side are recorded in the order in which they happened to be
    /// served. The lines are sorted by process instead, each process in its own order, and numbered
    /// again: this order is the same in every run, and the times tell the other one.
    fn lines(&self) -> (Vec<u8>, Vec<u64>) {
        let mut events = self.events.lock().clone();
        events.sort_by_key(|event| (event.pid, event.seq));
        let times = events.iter().map(|event| event.at_us).collect();
        let mut lines = vec![];
        for (seq, event) in (0..).zip(&mut events) {
            event.seq = seq;
            event.at_us = 0;
            serde_json::to_writer(&mut lines, event).expect("an event is JSON");
            lines.push(b'\n');
        }
        (lines, times)
    }
}

impl AuditSink for AttemptAudit {
    fn record(&self, event: &Event) {
        self.events.lock().push(event.clone());
    }
}

/// Returns a duration in microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
