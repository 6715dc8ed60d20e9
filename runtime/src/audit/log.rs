//! Events as the lines of a file, each bound to the one before.

use super::{AuditLevel, Decision, Event, EventRef, HostCounts, Op};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

/// The first line: what the record is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format, 1.
    pub version: u32,
    /// A name of the run that no other run has; the same for each repetition of a deterministic run.
    pub run: String,
    /// Which events were recorded.
    pub level: AuditLevel,
    /// When the sandbox began, in microseconds since the Unix epoch: the wall time of an event is
    /// this plus its `at_us`. By the virtual clock in a deterministic run.
    pub started_us: u64,
    /// The seed of a deterministic run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The command and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The directory that it started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables that were set besides those that every sandbox has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The BLAKE3 hash of the image's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What was mounted besides what every sandbox has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountInfo>,
    /// The id of the snapshot that the run started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Limits that were set besides those of the policy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
    /// The policy, as its file has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Standard input, where it was given as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
}

/// A mount, as the header names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountInfo {
    /// The path in the sandbox.
    pub guest: String,
    /// The folder on the host.
    pub host: String,
    /// `ro`, `rw` or `cow`.
    pub mode: String,
    /// Names that were left out of the copy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// Where the record itself lies in the folder: it was left out of the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The digest of what was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// The last line: that the record is complete, and what it must add up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Events that were made, those that other lines stand for included.
    pub n_events: u64,
    /// The denied ones of these.
    pub n_denied: u64,
    /// What came in at the host functions, counted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostCounts>,
    /// The digest of each tree at the end, by mount point.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub trees: BTreeMap<String, String>,
    /// How the command ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<String>,
}

/// Events that are not in the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// How many.
    pub n_events: u64,
    /// Why.
    pub reason: String,
}

/// An Ed25519 signature over the hash of the line before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The public key, in hexadecimal.
    pub key: String,
    /// The signature, in hexadecimal.
    pub ed25519: String,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Header(Header),
    /// What is missing.
    Gap(Gap),
    /// The last, but for a signature.
    End(End),
    /// The very last.
    Signature(Signature),
    /// An event; it stands in its line without this name around it.
    #[serde(untagged)]
    Event(Box<Event>),
}

/// How a log is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Puts equal accesses that only look (`stat`, `readlink`) and between which nothing changed
    /// into one line with a `count`.
    pub coalesce: bool,
    /// Writes no further events once the file has this many bytes; they are counted as a gap.
    pub max_bytes: Option<u64>,
}

/// Lines that a coalescing writer holds back before it writes them all.
const MAX_HELD: usize = 256;

/// Returns what the next line must name as `prev`: the BLAKE3 hash of this one, without its end of
/// line.
pub fn chain_hash(line: &[u8]) -> blake3::Hash {
    blake3::hash(line)
}

/// Writes a log. Whoever reads it finds out about every line that was changed, left out or cut off.
///
/// # Examples
///
/// ```
/// use playpen_runtime::audit::{Decision, End, Event, Header, LogOptions, LogWriter, Op};
///
/// let header = Header { version: 1, run: "r1".to_owned(), ..Header::default() };
/// let mut log = LogWriter::new(vec![], &header, LogOptions::default())?;
/// log.event(Event::new(Op::Exit, Decision::Allowed, 2, "true"))?;
/// let (bytes, _last) = log.finish(&End { n_events: 1, ..End::default() })?;
/// assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct LogWriter<W> {
    out: W,
    options: LogOptions,
    prev: Option<blake3::Hash>,
    line: Vec<u8>,
    n_bytes: u64,
    n_left_out: u64,
    held: Vec<Event>,
}

impl<W: Write> LogWriter<W> {
    /// Starts a log with its header.
    ///
    /// # Errors
    ///
    /// Fails if `out` does.
    pub fn new(out: W, header: &Header, options: LogOptions) -> io::Result<Self> {
        let line = vec![];
        let mut log =
            Self { out, options, prev: None, line, n_bytes: 0, n_left_out: 0, held: vec![] };
        log.write(&Line::Header(header.clone()))?;
        Ok(log)
    }

    /// Writes one event that is only lent; see [`Self::event`].
    ///
    /// # Errors
    ///
    /// Fails if the output does.
    pub fn entry(&mut self, entry: &EventRef<'_>) -> io::Result<()> {
        if self.options.coalesce {
            return self.event(entry.to_event());
        }
        self.write_entry(entry)
    }

    /// Writes one event, or holds it back until it is known whether equal ones follow.
    ///
    /// # Errors
    ///
    /// Fails if the output does.
    pub fn event(&mut self, event: Event) -> io::Result<()> {
        if !self.options.coalesce {
            return self.write_event(&event);
        }
        if !matches!(event.op, Op::Stat | Op::Readlink) {
            self.release()?;
            return self.write_event(&event);
        }
        if let Some(like) = self.held.iter_mut().find(|held| is_like(held, &event)) {
            like.count = Some(like.count.unwrap_or(1) + 1);
            return Ok(());
        }
        if self.held.len() == MAX_HELD {
            self.release()?;
        }
        self.held.push(event);
        Ok(())
    }

    /// Counts an event that is not written.
    pub fn leave_out(&mut self, n_events: u64) {
        self.n_left_out += n_events;
    }

    /// Writes the end; returns the output and the hash of the last line, for a signature.
    ///
    /// # Errors
    ///
    /// Fails if the output does.
    pub fn finish(mut self, end: &End) -> io::Result<(W, blake3::Hash)> {
        self.release()?;
        if self.n_left_out > 0 {
            let reason = "the log is full".to_owned();
            self.write(&Line::Gap(Gap { n_events: self.n_left_out, reason }))?;
        }
        self.write(&Line::End(end.clone()))?;
        self.out.flush()?;
        let last = self.prev.expect("a line was written");
        Ok((self.out, last))
    }

    /// Hands what was written so far on to the file.
    ///
    /// # Errors
    ///
    /// Fails if the output does.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn release(&mut self) -> io::Result<()> {
        for event in std::mem::take(&mut self.held) {
            self.write_event(&event)?;
        }
        Ok(())
    }

    fn write_event(&mut self, event: &Event) -> io::Result<()> {
        self.write_entry(&event.into())
    }

    fn write_entry(&mut self, event: &EventRef<'_>) -> io::Result<()> {
        let n_events = event.count.unwrap_or(1);
        // What comes after an event that is missing is missing too.
        if self.options.max_bytes.is_some_and(|max| self.n_left_out > 0 || self.n_bytes >= max) {
            self.n_left_out += n_events;
            return Ok(());
        }
        self.form(event)?;
        if self.options.max_bytes.is_some_and(|max| self.n_bytes + self.line.len() as u64 > max) {
            self.n_left_out += n_events;
            return Ok(());
        }
        self.add()
    }

    fn write(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.form(value)?;
        self.add()
    }

    /// Forms the next line.
    fn form(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        if let Some(prev) = self.prev {
            self.line.pop();
            self.line.extend_from_slice(b",\"prev\":\"");
            self.line.extend_from_slice(prev.to_hex().as_bytes());
            self.line.extend_from_slice(b"\"}");
        }
        Ok(())
    }

    /// Adds the line that was formed.
    fn add(&mut self) -> io::Result<()> {
        self.prev = Some(chain_hash(&self.line));
        self.line.push(b'\n');
        self.n_bytes += self.line.len() as u64;
        self.out.write_all(&self.line)
    }
}

fn is_like(held: &Event, event: &Event) -> bool {
    (held.pid, held.op, held.decision) == (event.pid, event.op, event.decision)
        && held.path == event.path
        && held.resolved == event.resolved
        && held.node == event.node
        && held.errno == event.errno
        && held.names == event.names
        && event.decision == Decision::Allowed
        && !event.flagged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(path: &str) -> Event {
        let path = Some(path.into());
        Event { path, ..Event::new(Op::Stat, Decision::Allowed, 2, "ls") }
    }

    fn lines(options: LogOptions, events: Vec<Event>) -> Vec<String> {
        let mut log = LogWriter::new(vec![], &Header::default(), options).unwrap();
        for event in events {
            log.event(event).unwrap();
        }
        let (bytes, _) = log.finish(&End::default()).unwrap();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_line_names_the_one_before() {
        let lines = lines(LogOptions::default(), vec![stat("a"), stat("b")]);
        for pair in lines.windows(2) {
            let prev = chain_hash(pair[0].as_bytes()).to_hex();
            assert!(pair[1].ends_with(&format!(",\"prev\":\"{prev}\"}}")), "{}", pair[1]);
        }
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn looks_are_put_together_until_something_else_happens() {
        let options = LogOptions { coalesce: true, ..LogOptions::default() };
        let exit = Event::new(Op::Exit, Decision::Allowed, 2, "ls");
        let lines = lines(options, vec![stat("a"), stat("b"), stat("a"), exit, stat("a")]);
        let counts: Vec<u64> = lines[1..lines.len() - 1]
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|event| event["count"].as_u64().unwrap_or(1))
            .collect();
        assert_eq!(counts, [2, 1, 1, 1]);
    }

    #[test]
    fn a_full_log_says_how_many_are_missing() {
        let options = LogOptions { max_bytes: Some(1), ..LogOptions::default() };
        let lines = lines(options, vec![stat("a"), stat("b")]);
        assert!(lines[1].starts_with(r#"{"gap":{"n_events":2,"reason":"the log is full"}"#));
        assert_eq!(lines.len(), 3);
    }
}
