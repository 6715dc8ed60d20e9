//! The record of an attempt, read as a log.
//!
//! A rollout writes the events of an attempt sorted by process and without times and a chain, so that two runs
//! write the same bytes; the times are in `times.json` beside it. Here they come together again, in the order in
//! which things happened. Nothing can be proved with such a record, since nothing shows whether it was changed.

use super::{Record, read::VERSION};
use playpen_runtime::audit::{Event, Header, MountInfo};
use serde::Deserialize;
use std::path::Path;

use crate::agent::WORKSPACE;

/// What is wrong with each of these records.
const NO_CHAIN: &str = "the record of an attempt has no chain, so nothing is proved with it";

/// The times beside a record.
#[derive(Debug, Deserialize)]
struct Times {
    audit_at_us: Vec<u64>,
}

/// Returns the record of an attempt, if the first line of `bytes` is that of one.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Option<Record> {
    let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    serde_json::from_slice::<Event>(lines.clone().next()?).ok()?;
    let mounts = vec![MountInfo {
        guest: WORKSPACE.to_owned(),
        host: String::new(),
        mode: "cow".to_owned(),
        skip: vec![],
        log: None,
        digest: None,
    }];
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let run = folder.to_string_lossy().into_owned();
    let header = Header { version: VERSION, run, mounts, ..Header::default() };
    let mut record = Record::under(header);
    record.fault(1, NO_CHAIN);
    for (n, line) in (1..).zip(lines.by_ref()) {
        match serde_json::from_slice(line) {
            Ok(event) => record.events.push(event),
            Err(error) => record.fault(n, format!("the line is no event: {error}")),
        }
    }
    record.in_time(times(path));
    Some(record)
}

/// Returns when each event happened; nothing where that is not written beside the record.
fn times(path: &Path) -> Vec<u64> {
    let text = fs_err::read(path.with_file_name("times.json")).unwrap_or_default();
    serde_json::from_slice(&text).map(|times: Times| times.audit_at_us).unwrap_or_default()
}

impl Record {
    /// Gives the events their times, and sorts by them; does neither unless there is one for each.
    fn in_time(&mut self, times: Vec<u64>) {
        if times.len() != self.events.len() {
            return self.fault(1, "no times of the events are beside the record");
        }
        for (event, at_us) in self.events.iter_mut().zip(times) {
            event.at_us = at_us;
        }
        self.events.sort_by_key(|event| event.at_us);
    }
}

#[cfg(test)]
mod tests {
    use super::NO_CHAIN;
    use crate::audit::{Paths, Record, who_read};
    use serde_json::json;

    /// A record in which process 3 opened a file after process 2 had given it another name.
    fn record(times: &serde_json::Value) -> Record {
        let folder = tempfile::tempdir().unwrap();
        let event = |seq: u64, pid: u32, op: &str, path: &str| {
            json!({
                "seq": seq, "at_us": 0, "pid": pid, "ppid": 1, "argv0": "sh", "op": op, "path": path,
                "resolved": path, "node": "6:9", "kind": "file", "decision": "allowed",
            })
        };
        let mut moved = event(0, 2, "rename", "/workspace/a");
        moved["to"] = "/workspace/b".into();
        moved["to_resolved"] = "/workspace/b".into();
        let lines = [moved, event(1, 2, "exit", "/"), event(2, 3, "open_read", "/workspace/b")];
        let path = folder.path().join("audit.jsonl");
        fs_err::write(&path, lines.map(|line| format!("{line}\n")).concat()).unwrap();
        fs_err::write(folder.path().join("times.json"), times.to_string()).unwrap();
        Record::read(&path).unwrap()
    }

    #[test]
    fn events_are_in_the_order_in_which_they_happened() {
        let record = record(&json!({"start": "", "elapsed_us": 9, "audit_at_us": [3, 8, 5]}));
        let order: Vec<(u64, u64)> = record.events.iter().map(|it| (it.seq, it.at_us)).collect();
        assert_eq!(order, [(0, 3), (2, 5), (1, 8)]);
        let faults: Vec<&str> = record.faults.iter().map(|fault| &*fault.what).collect();
        assert_eq!(faults, [NO_CHAIN]);
        let paths = Paths::new("a", &record.points()).unwrap();
        let readers: Vec<u64> = who_read(&record, &paths).iter().map(|it| it.seq).collect();
        assert_eq!(readers, [2]);
    }

    #[test]
    fn times_that_do_not_fit_are_none() {
        let record = record(&json!({"start": "", "elapsed_us": 9, "audit_at_us": [3]}));
        assert_eq!(record.events.iter().map(|it| it.seq).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(record.faults.len(), 2);
    }
}
