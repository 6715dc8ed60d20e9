//! Reading a log, with every check that can be made of it.

use super::{PublicKey, attempt, redact::is_redacted, sign};
use playpen_runtime::audit::{
    AuditLevel, Decision, End, Event, Gap, Header, HostCounts, Line, Op, Signature, chain_hash,
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The version of the format that is read and written here.
pub(super) const VERSION: u32 = 1;

/// Why a file is no log at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file cannot be read.
    #[error("failed to read the audit log `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The first line is no header.
    #[error("`{path}` is no audit log: its first line is no header")]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error(
        "the audit log `{path}` has version {version} of the format; this program reads {VERSION}"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A log that was read.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The first line.
    pub header: Header,
    /// The events, in order.
    pub events: Vec<Event>,
    /// What is missing, as the log itself says.
    pub gaps: Vec<Gap>,
    /// The end; without it the log was cut off.
    pub end: Option<End>,
    /// The public key of whoever signed, if the signature is good.
    pub signed_by: Option<String>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    last_hash: Option<blake3::Hash>,
    n_lines: usize,
}

impl Record {
    /// Reads a log and checks it; what can be read of a damaged one is read. The record of an attempt is read as
    /// one without a chain.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, is no log, or is of a later version.
    pub fn read(path: &Path) -> Result<Self, LogError> {
        let bytes = fs_err::read(path)
            .map_err(|source| LogError::Read { path: path.to_owned(), source })?;
        if let Some(record) = attempt::read(path, &bytes) {
            return Ok(record);
        }
        let mut record = Self::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            record.add(line);
            if record.n_lines == 1 {
                record.check_header(path)?;
            }
        }
        if record.n_lines == 0 {
            return Err(LogError::NoHeader { path: path.to_owned() });
        }
        record.check_whole();
        Ok(record)
    }

    fn check_header(&self, path: &Path) -> Result<(), LogError> {
        let path = path.to_owned();
        match self.header.version {
            0 => Err(LogError::NoHeader { path }),
            1..=VERSION => Ok(()),
            version => Err(LogError::Newer { path, version }),
        }
    }

    /// Returns a log of which nothing but the header is there.
    pub(super) fn under(header: Header) -> Self {
        Self { header, ..Self::default() }
    }

    pub(super) fn fault(&mut self, line: usize, what: impl Into<String>) {
        self.faults.push(Fault { line, what: what.into() });
    }

    fn add(&mut self, line: &[u8]) {
        self.n_lines += 1;
        let n = self.n_lines;
        let Some(line) = line.strip_suffix(b"\n") else {
            return self.fault(n, "the line is cut off");
        };
        let Some((text, prev)) = split(line, n == 1) else {
            self.last_hash = Some(chain_hash(line));
            return self.fault(n, "the line names no line before it, or is not text");
        };
        if prev != self.last_hash {
            self.fault(n - 1, "this line was changed, or lines after it were taken out or put in");
        }
        let before = self.last_hash.replace(chain_hash(line));
        match serde_json::from_str::<Line>(&text) {
            Ok(line) if self.end.is_some() && !matches!(line, Line::Signature(_)) => {
                self.fault(n, "there is more after the end");
            }
            Ok(Line::Header(header)) if n == 1 => self.header = header,
            Ok(Line::Header(_)) => self.fault(n, "there is a second header"),
            Ok(Line::Event(event)) => self.add_event(*event),
            Ok(Line::Gap(gap)) => self.gaps.push(gap),
            Ok(Line::End(end)) => self.end = Some(end),
            Ok(Line::Signature(signature)) => self.add_signature(&signature, before),
            Err(_) if n == 1 => self.header.version = version_of(&text),
            Err(error) => self.fault(n, format!("the line is no entry of a log: {error}")),
        }
    }

    fn add_event(&mut self, event: Event) {
        let expected = self.events.last().map_or(0, |last| last.seq + 1);
        if event.seq < expected {
            self.fault(self.n_lines, format!("event {} comes after event {expected}", event.seq));
        }
        self.events.push(event);
    }

    fn add_signature(&mut self, signature: &Signature, before: Option<blake3::Hash>) {
        let is_good =
            before.is_some_and(|last| sign::is_good(&signature.key, &signature.ed25519, last));
        if is_good && self.end.is_some() {
            self.signed_by = Some(signature.key.clone());
        } else {
            self.fault(self.n_lines, "the signature does not fit the log");
        }
    }

    fn check_whole(&mut self) {
        let n = self.n_lines;
        let Some(end) = self.end.clone() else {
            return self.fault(n, "the log has no end: it was cut off here, or the run was");
        };
        let missing: u64 = self.gaps.iter().map(|gap| gap.n_events).sum();
        let found = self.n_events();
        if found + missing != end.n_events {
            let expected = end.n_events;
            self.fault(n, format!("the end counts {expected} events, there are {found}"));
        }
        if missing > 0 || self.header.level != AuditLevel::All {
            return;
        }
        if let Some(host) = end.host
            && host != self.host_counts()
        {
            self.fault(
                n,
                format!(
                    "the host functions counted {}, the events {}",
                    told(&host),
                    told(&self.host_counts())
                ),
            );
        }
    }

    /// Returns how many events there are, each put-together one counted as often as it stands for.
    pub fn n_events(&self) -> u64 {
        self.events.iter().map(|event| event.count.unwrap_or(1)).sum()
    }

    /// Returns what the host functions should have counted.
    pub fn host_counts(&self) -> HostCounts {
        let mut counts = HostCounts::default();
        for event in &self.events {
            let n = event.count.unwrap_or(1);
            counts.calls += if event.op.is_call() { n } else { 0 };
            counts.spawns += u64::from(event.op == Op::Spawn);
            counts.exits += u64::from(event.op == Op::Exit);
            counts.bytes_read += event.bytes_read.unwrap_or(0);
            counts.bytes_written += event.bytes_written.unwrap_or(0);
        }
        counts
    }

    /// Returns a hash of all events, without the chain and what goes before and after them: the same
    /// for each repetition of a deterministic run.
    pub fn event_hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for event in &self.events {
            hasher.update(&serde_json::to_vec(event).unwrap_or_default()).update(b"\n");
        }
        hasher.finalize()
    }

    /// Returns how many accesses were denied.
    pub fn n_denied(&self) -> usize {
        self.events.iter().filter(|event| event.decision == Decision::Denied).count()
    }

    /// Checks that the log is signed with this key; a fault if it is not.
    pub fn require(&mut self, key: &PublicKey) {
        let what = match &self.signed_by {
            Some(signer) if *signer == key.to_hex() => return,
            Some(signer) => format!("the log is signed with another key, {signer}"),
            None => "the log is not signed".to_owned(),
        };
        self.fault(self.n_lines, what);
    }

    /// Returns where something was mounted, and where the trees of a snapshot were.
    pub fn points(&self) -> Vec<String> {
        let mounts = self.header.mounts.iter().map(|mount| &mount.guest);
        let trees = self.end.iter().flat_map(|end| end.trees.keys());
        mounts.chain(trees).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// Returns what is wrong with the log, and how many events are missing.
    pub fn defects(&self) -> Vec<String> {
        let missing = |gap: &Gap| format!("{} events are missing: {}", gap.n_events, gap.reason);
        self.faults.iter().map(Fault::to_string).chain(self.gaps.iter().map(missing)).collect()
    }

    /// Returns why nothing can be proved with this log: what is wrong with it, and what it left out.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = self.defects();
        let n_redacted = self.events.iter().filter(|event| is_redacted(event)).count();
        if n_redacted > 0 {
            doubts.push(format!("{n_redacted} events are of paths that are redacted"));
        }
        if self.header.level != AuditLevel::All {
            doubts.push("the log was written at a level that leaves out reads".to_owned());
        }
        doubts
    }

    /// Returns the arguments that each process was started with.
    pub fn argv_of(&self, pid: u32) -> Option<&[String]> {
        let started = self.events.iter().find(|event| event.child == Some(pid));
        started.and_then(|event| event.argv.as_deref())
    }
}

fn told(counts: &HostCounts) -> String {
    let HostCounts { calls, spawns, exits, bytes_read, bytes_written } = counts;
    format!(
        "{calls} calls, {spawns} starts and {exits} ends of processes, {bytes_read} bytes read and {bytes_written} written"
    )
}

/// Returns a line without the hash at its end, and that hash.
fn split(line: &[u8], is_first: bool) -> Option<(String, Option<blake3::Hash>)> {
    const TAIL: usize = r#","prev":""}"#.len() + 64;
    let text = std::str::from_utf8(line).ok()?;
    if is_first {
        return Some((text.to_owned(), None));
    }
    let (text, tail) = text.split_at_checked(text.len().checked_sub(TAIL)?)?;
    let hex = tail.strip_prefix(r#","prev":""#)?.strip_suffix("\"}")?;
    Some((format!("{text}}}"), Some(blake3::Hash::from_hex(hex).ok()?)))
}

/// Returns the version that a header names that cannot be read otherwise; 0 if it is no header.
fn version_of(text: &str) -> u32 {
    let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let version = value["header"]["version"].as_u64().and_then(|it| u32::try_from(it).ok());
    version.filter(|version| *version > VERSION).unwrap_or(0)
}
