//! The folder of one attempt, and the audit of its sandbox.

use parking_lot::Mutex;
use playpen_runtime::{
    Tree,
    audit::{AuditSink, Decision, Event},
    store::ObjectId,
};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    FORMAT_VERSION, RecordError, create_all, read_json, unified_diff, write_file, write_json,
};
use crate::atif::Trajectory;

/// Events that the record of an attempt holds. Answers a guest that touches files in a loop: the
/// events are in the host's memory until the attempt ends. The count of the rest is kept.
pub(super) const MAX_EVENTS: usize = 300_000;

/// Everything said and done.
const TRAJECTORY_FILE: &str = "trajectory.json";

/// What the gates said.
pub(super) const VERDICT_FILE: &str = "verdict.json";

/// What the attempt hands in.
pub(super) const PATCH_FILE: &str = "patch.diff";

/// What a clock said.
pub(super) const TIMES_FILE: &str = "times.json";

/// Every access.
const AUDIT_FILE: &str = "audit.jsonl";

/// The folder of one attempt.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    path: PathBuf,
}

impl AttemptRecord {
    /// Opens the folder of an attempt that is over.
    pub fn open(path: PathBuf) -> AttemptRecord {
        AttemptRecord { path }
    }

    /// Makes the folder.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be made.
    pub fn create(path: PathBuf) -> Result<AttemptRecord, RecordError> {
        create_all(&path)?;
        Ok(AttemptRecord { path })
    }

    /// Reads what [`Self::write_trajectory`] wrote.
    ///
    /// # Errors
    ///
    /// Fails if the file is not there, or is no trajectory.
    pub fn read_trajectory(&self) -> Result<Trajectory, RecordError> {
        read_json(&self.path.join(TRAJECTORY_FILE), |_: &Trajectory| FORMAT_VERSION)
    }

    /// Reads the lines that [`Self::write_audit`] wrote.
    ///
    /// # Errors
    ///
    /// Fails if the file is not there.
    pub fn read_audit(&self) -> Result<Vec<u8>, RecordError> {
        let path = self.path.join(AUDIT_FILE);
        fs_err::read(&path).map_err(|source| RecordError::Read { path, source })
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
        write_json(&self.path.join(TRAJECTORY_FILE), trajectory)
    }

    /// Writes `verdict.json`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_verdict(&self, verdict: &impl Serialize) -> Result<(), RecordError> {
        write_json(&self.path.join(VERDICT_FILE), verdict)
    }

    /// Writes `patch.diff`: what the attempt hands in.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn write_patch(&self, before: &Tree, after: &Tree) -> Result<(), RecordError> {
        write_file(&self.path.join(PATCH_FILE), unified_diff(before, after).as_bytes())
    }

    /// Writes `mutation.json`, and how long it took into a file beside it.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn write_mutation(
        &self,
        mutation: &impl Serialize,
        times: &impl Serialize,
    ) -> Result<(), RecordError> {
        write_json(&self.path.join("mutation.times.json"), times)?;
        write_json(&self.path.join("mutation.json"), mutation)
    }

    /// Writes `audit.jsonl`, and with it `times.json`: the snapshot that the attempt started from, when each
    /// event happened, and how long the attempt took.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written.
    pub fn write_audit(
        &self,
        audit: &AttemptAudit,
        start: ObjectId,
        elapsed: Duration,
    ) -> Result<(), RecordError> {
        let (lines, audit_at_us) = audit.lines();
        write_file(&self.path.join(AUDIT_FILE), &lines)?;
        let times = Times { start, elapsed_us: micros(elapsed), audit_at_us };
        write_json(&self.path.join(TIMES_FILE), &times)
    }

    /// Reads from which snapshot the attempt started.
    ///
    /// # Errors
    ///
    /// Fails if `times.json` is not there, or does not say it.
    pub fn read_start(&self) -> Result<ObjectId, RecordError> {
        Ok(read_json(&self.path.join(TIMES_FILE), |_: &Times| FORMAT_VERSION)?.start)
    }
}

/// What a clock said about an attempt.
#[derive(Debug, Serialize, Deserialize)]
struct Times {
    /// The snapshot that it started from, whose id covers the times of files.
    start: ObjectId,
    elapsed_us: u64,
    /// For each line of `audit.jsonl`.
    audit_at_us: Vec<u64>,
}

/// The audit of one sandbox, kept in memory until the attempt ends.
#[derive(Debug, Default)]
pub struct AttemptAudit {
    kept: Mutex<Kept>,
}

/// What is kept of an audit.
#[derive(Debug, Default)]
struct Kept {
    events: Vec<Event>,
    n_denied: u64,
    n_unrecorded: u64,
}

impl AttemptAudit {
    /// Returns the number of accesses that were refused.
    pub fn n_denied(&self) -> u64 {
        self.kept.lock().n_denied
    }

    /// Returns the number of events that are not in the record, because it is full.
    pub fn n_unrecorded(&self) -> u64 {
        self.kept.lock().n_unrecorded
    }

    /// Returns the events as JSON lines, and when each happened.
    ///
    /// Processes that run side by side are recorded in the order in which they happened to be
    /// served. The lines are sorted by process instead, each process in its own order, and numbered
    /// again: this order is the same in every run, and the times tell the other one.
    pub(crate) fn lines(&self) -> (Vec<u8>, Vec<u64>) {
        let mut events = self.kept.lock().events.clone();
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
    fn record(&self, mut event: Event) {
        event.settle();
        let mut kept = self.kept.lock();
        kept.n_denied += u64::from(event.decision == Decision::Denied);
        if kept.events.len() < MAX_EVENTS {
            kept.events.push(event);
        } else {
            kept.n_unrecorded += 1;
        }
    }
}

/// Returns a duration in microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{AttemptAudit, AttemptRecord, MAX_EVENTS};
    use playpen_runtime::audit::{AuditSink as _, Decision, Event, Op};
    use std::time::Duration;

    fn event(seq: u64, pid: u32, decision: Decision) -> Event {
        let path = Some(format!("f{seq}").into());
        Event { seq, at_us: 100 + seq, path, ..Event::new(Op::Stat, decision, pid, "sh") }
    }

    #[test]
    fn processes_side_by_side_are_recorded_in_one_order() {
        let write = |order: &[(u64, u32, &str)]| {
            let audit = AttemptAudit::default();
            for (seq, pid, path) in order {
                let path = Some((*path).into());
                audit.record(Event { path, ..event(*seq, *pid, Decision::Allowed) });
            }
            let dir = tempfile::tempdir().unwrap();
            let record = AttemptRecord::create(dir.path().join("a")).unwrap();
            let start = "0".repeat(64).parse().unwrap();
            record.write_audit(&audit, start, Duration::from_micros(5)).unwrap();
            let read = |name| fs_err::read_to_string(record.path().join(name)).unwrap();
            (read("audit.jsonl"), read("times.json").replace([' ', '\n'], ""))
        };
        let (one, times) = write(&[(0, 2, "a"), (1, 3, "b"), (2, 2, "c")]);
        let (other, other_times) = write(&[(0, 2, "a"), (1, 2, "c"), (2, 3, "b")]);
        assert_eq!(one, other);
        assert!(times.ends_with(r#","elapsed_us":5,"audit_at_us":[100,102,101]}"#), "{times}");
        assert!(other_times.ends_with(r#""audit_at_us":[100,101,102]}"#), "{other_times}");
        let first: Event = serde_json::from_str(one.lines().next().unwrap()).unwrap();
        assert_eq!((first.seq, first.at_us), (0, 0));
    }

    #[test]
    fn a_flood_of_events_is_counted_and_not_kept() {
        let audit = AttemptAudit::default();
        for seq in 0..=MAX_EVENTS as u64 {
            audit.record(event(seq, 2, Decision::Denied));
        }
        assert_eq!((audit.n_denied(), audit.n_unrecorded()), (MAX_EVENTS as u64 + 1, 1));
    }
}
