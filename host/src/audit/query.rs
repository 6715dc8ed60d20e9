//! Questions about a log.

use super::{
    Paths, Record, Trace,
    git::{self, Object},
};
use playpen_runtime::{
    Tree,
    audit::{Decision, Event, MountInfo, NodeKind, Op, OpenAccess},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// An event as the answer of a question.
#[derive(Clone, Debug, Serialize)]
pub struct Access {
    /// The event's place in the log.
    pub seq: u64,
    /// Microseconds since the sandbox began.
    pub at_us: u64,
    /// The process.
    pub pid: u32,
    /// What it was started as.
    pub argv: Vec<String>,
    /// The operation.
    pub op: Op,
    /// The path of the node, or the address of the socket.
    pub path: String,
    /// The name that the question asked for, where the node was reached under another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// Allowed or denied.
    pub decision: Decision,
    /// The rule or mount that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The error that the guest got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// Bytes that went through, for a `close`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why the event counts, if that is not plain from its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Access {
    fn new(record: &Record, event: &Event, also: Option<String>) -> Self {
        let argv = record
            .argv_of(event.pid)
            .map_or_else(|| vec![event.argv0.to_string()], <[String]>::to_vec);
        let path = event.resolved.as_ref().or(event.path.as_ref()).or(event.to.as_ref());
        let path = path.or(event.address.as_ref());
        let by = event.rule.as_ref().or(event.grant.as_ref());
        let bytes = event.bytes_read.map(|read| read + event.bytes_written.unwrap_or(0));
        Self {
            seq: event.seq,
            at_us: event.at_us,
            pid: event.pid,
            argv,
            op: event.op,
            path: path.map_or_else(String::new, ToString::to_string),
            also,
            decision: event.decision,
            by: by.map(ToString::to_string),
            errno: event.errno.as_ref().map(ToString::to_string),
            bytes,
            why: None,
        }
    }
}

/// Why an event concerns a set of paths.
enum Concern {
    No,
    ByName,
    /// Its node has another name, or had.
    ByNode(String),
}

/// Which question is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    WhoRead,
    WhoWrote,
}

/// Tells whether an event takes a folder, and with it what is asked for, to another place.
fn moves_above(event: &Event, paths: &Paths) -> bool {
    let is_move = event.op == Op::Rename && event.kind == Some(NodeKind::Directory);
    let mut places = event.resolved.iter().chain(&event.to_resolved);
    is_move && places.any(|place| paths.may_be_below(place))
}

fn concern(event: &Event, trace: &Trace, paths: &Paths, question: Asked) -> Concern {
    let told = event.resolved.iter().chain(&event.to_resolved).map(|path| &**path);
    if told.chain(event.names.iter().map(String::as_str)).any(|path| paths.has(path)) {
        return Concern::ByName;
    }
    let is_of_all = question == Asked::WhoWrote;
    if is_of_all && moves_above(event, paths) {
        return Concern::ByName;
    }
    // What a guest made holds what guests put there: for a reader only its name at the time counts.
    match event.node.filter(|node| is_of_all || !trace.is_made(*node)) {
        Some(node) => match trace.names(node).find(|name| paths.has(name)) {
            Some(name) => Concern::ByNode(name.to_owned()),
            None => Concern::No,
        },
        None => Concern::No,
    }
}

fn concerned(
    record: &Record,
    paths: &Paths,
    question: Asked,
    counts: impl Fn(&Event) -> bool,
) -> Vec<Access> {
    let trace = Trace::of(&record.events);
    let access = |event: &Event| match concern(event, &trace, paths, question) {
        Concern::No => None,
        Concern::ByName => Some(Access::new(record, event, None)),
        Concern::ByNode(name) => Some(Access::new(record, event, Some(name))),
    };
    record.events.iter().filter(|event| counts(event)).filter_map(access).collect()
}

/// Returns the events in which something of `paths` was read, under whatever name.
pub fn who_read(record: &Record, paths: &Paths) -> Vec<Access> {
    concerned(record, paths, Asked::WhoRead, Event::reads_content)
}

/// Returns the events in which something of `paths` was changed, under whatever name.
pub fn who_wrote(record: &Record, paths: &Paths) -> Vec<Access> {
    let writes = |event: &Event| {
        event.succeeded()
            && match event.op {
                Op::OpenWrite => {
                    event.created || event.access.is_some_and(|it| it != OpenAccess::Read)
                }
                Op::Close => {
                    event.hash_after.is_some() || event.bytes_written.is_some_and(|n| n > 0)
                }
                op => op.changes(),
            }
    };
    concerned(record, paths, Asked::WhoWrote, writes)
}

/// Returns what was denied or flagged.
pub fn denied(record: &Record) -> Vec<Access> {
    let is_told = |event: &&Event| event.decision == Decision::Denied || event.flagged;
    record.events.iter().filter(is_told).map(|event| Access::new(record, event, None)).collect()
}

/// The answer of [`never_read`].
#[derive(Debug, Serialize)]
pub struct NeverRead {
    /// It is proved that nothing of the paths was read.
    pub proved: bool,
    /// The events that read something of them, or may have.
    pub reads: Vec<Access>,
    /// Why nothing can be proved, whatever the events are.
    pub doubts: Vec<String>,
    /// How many events were looked at.
    pub n_events: u64,
}

/// What was in the mounts before the run: where git keeps copies of what was hidden.
pub trait Bases {
    /// Returns what was copied from the host, or why that cannot be known any more.
    ///
    /// # Errors
    ///
    /// Returns a sentence for people.
    fn tree(&self, mount: &MountInfo) -> Result<Tree, String>;
}

/// Finds out whether nothing of `paths` was read, under any name, and not as a git object either.
///
/// Sound as far as the log goes: a read that could have had the content counts. `base` is the commit
/// whose history may be read; without it, what `HEAD` named before the run.
pub fn never_read(
    record: &Record,
    paths: &Paths,
    bases: &dyn Bases,
    base: Option<&str>,
) -> NeverRead {
    let mut doubts = record.doubts();
    let mut reads = who_read(record, paths);
    reads.extend(git_reads(record, paths, bases, base, &mut doubts));
    reads.sort_by_key(|access| access.seq);
    reads.dedup_by_key(|access| access.seq);
    let proved = doubts.is_empty() && reads.is_empty();
    NeverRead { proved, reads, doubts, n_events: record.n_events() }
}

/// Returns the reads of git's own files that hold hidden content, or such as the base commit does
/// not reach.
fn git_reads(
    record: &Record,
    paths: &Paths,
    bases: &dyn Bases,
    base: Option<&str>,
    doubts: &mut Vec<String>,
) -> Vec<Access> {
    let trace = Trace::of(&record.events);
    let mut found = vec![];
    let mut stores: BTreeMap<(String, String), Result<git::Store, String>> = BTreeMap::new();
    for event in record.events.iter().filter(|event| event.reads_content()) {
        let Some(node) = event.node.filter(|node| !trace.is_made(*node)) else { continue };
        // A node may have had the names of several objects; one of them is its own.
        let why = trace.names(node).filter_map(Object::at).find_map(|object| {
            let mounts = record.header.mounts.iter().filter(|it| object.is_below(&it.guest));
            let Some(mount) = mounts.max_by_key(|it| it.guest.len()) else {
                let unknown = "what was in the snapshot that the run started from is not known";
                let is_of_run = record.header.from.is_some();
                return is_of_run.then(|| format!("nobody can tell what it holds: {unknown}"));
            };
            let key = (mount.guest.clone(), object.git_dir.clone());
            let store = stores.entry(key).or_insert_with(|| {
                let tree = bases.tree(mount)?;
                git::Store::open(&tree, &mount.guest, &object.git_dir, paths, base)
            });
            match store {
                Ok(store) => store.secret_of(&object),
                Err(reason) => Some(format!("nobody can tell what it holds: {reason}")),
            }
        });
        if let Some(why) = why {
            found.push(Access { why: Some(why), ..Access::new(record, event, None) });
        }
    }
    for reason in stores.into_values().filter_map(Result::err) {
        if !doubts.contains(&reason) {
            doubts.push(reason);
        }
    }
    found
}

/// Figures of a log.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// The run.
    pub run: String,
    /// Events.
    pub n_events: u64,
    /// The denied ones.
    pub n_denied: usize,
    /// Those that a tripwire met.
    pub n_flagged: usize,
    /// Processes that were started.
    pub n_processes: usize,
    /// From the first event to the last, in microseconds.
    pub took_us: u64,
    /// Bytes read from files.
    pub bytes_read: u64,
    /// Bytes written to files.
    pub bytes_written: u64,
    /// Different files whose content was read.
    pub n_files_read: usize,
    /// Different files that were written.
    pub n_files_written: usize,
    /// Events by operation.
    pub by_op: BTreeMap<&'static str, u64>,
    /// Events by the name that their process was started under.
    pub by_program: BTreeMap<String, u64>,
}

/// Counts.
pub fn stats(record: &Record) -> Stats {
    let counts = record.host_counts();
    let mut by_op = BTreeMap::new();
    let mut by_program = BTreeMap::new();
    for event in &record.events {
        let n = event.count.unwrap_or(1);
        *by_op.entry(event.op.name()).or_default() += n;
        *by_program.entry(event.argv0.to_string()).or_default() += n;
    }
    let files = |counts: &dyn Fn(&&Event) -> bool| {
        let mut nodes: Vec<_> =
            record.events.iter().filter(counts).filter_map(|event| event.node).collect();
        nodes.sort();
        nodes.dedup();
        nodes.len()
    };
    Stats {
        run: record.header.run.clone(),
        n_events: record.n_events(),
        n_denied: record.n_denied(),
        n_flagged: record.events.iter().filter(|event| event.flagged).count(),
        n_processes: record.events.iter().filter(|event| event.child.is_some()).count(),
        took_us: record.events.last().map_or(0, |event| event.at_us),
        bytes_read: counts.bytes_read,
        bytes_written: counts.bytes_written,
        n_files_read: files(&|event| event.reads_content()),
        n_files_written: files(&|event| event.hash_after.is_some() || event.created),
        by_op,
        by_program,
    }
}
