//! A log that is written while a command runs.
//!
//! The guest only pays for copying the event into a buffer; turning it into a line, hashing and writing
//! happen on a thread of this module, which takes one buffer and leaves the other. Nothing is dropped:
//! when the thread falls behind by [`MAX_PENDING_BYTES`] of events or [`MAX_HELD_BYTES`] of contents to
//! be hashed, whoever makes the next event waits.

use super::{Key, Redaction};
use fs_err::{File, OpenOptions};
use parking_lot::{Condvar, Mutex};
use playpen_runtime::audit::{
    AuditSink, Decision, End, Event, EventBatch, EventRef, Header, Line, LogOptions, LogWriter,
    Signature,
};
use std::{
    fs::TryLockError,
    io::{self, BufWriter, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use thiserror::Error;

/// Bytes of events that wait to be written, about 300,000 of them.
const MAX_PENDING_BYTES: usize = 64 << 20;

/// Bytes of file contents that the waiting events hold on to.
const MAX_HELD_BYTES: u64 = 256 << 20;

/// Events that are worth waking the thread for at once.
const BATCH: usize = 512;

/// How long an event may wait otherwise.
const DELAY: Duration = Duration::from_millis(20);

/// Why a log could not be written.
#[derive(Debug, Error)]
#[error("failed to write the audit file `{path}`, which is incomplete")]
pub struct FileError {
    /// The file.
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Writes events to a file as they come.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<io::Result<Log>>>>,
}

type Log = LogWriter<BufWriter<File>>;

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Told when there is something to write.
    filled: Condvar,
    /// Told when there is room again.
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    events: EventBatch,
    n_held_bytes: u64,
    n_events: u64,
    n_denied: u64,
    is_over: bool,
}

impl EventFile {
    /// Makes the file, or empties it, and writes the header.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be made.
    pub fn create(
        path: &Path,
        header: &Header,
        options: LogOptions,
        redaction: Redaction,
    ) -> Result<Self, FileError> {
        let queue = Arc::new(Queue::default());
        let start = || {
            let file = BufWriter::with_capacity(1 << 18, create(path)?);
            let mut log = LogWriter::new(file, header, options)?;
            log.flush()?;
            let queue = Arc::clone(&queue);
            let write = move || queue.write_all(log, &redaction);
            thread::Builder::new().name("audit-writer".to_owned()).spawn(write)
        };
        let writer = start().map_err(|source| FileError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), queue, writer: Mutex::new(Some(writer)) })
    }

    /// Writes what is still waiting, the end, and a signature if there is a key.
    ///
    /// # Errors
    ///
    /// Fails if an event could not be written, now or earlier: a record with holes is worth nothing.
    pub fn finish(&self, end: End, key: Option<&Key>) -> Result<(), FileError> {
        self.close(end, key).map_err(|source| FileError { path: self.path.clone(), source })
    }

    fn close(&self, end: End, key: Option<&Key>) -> io::Result<()> {
        let (n_events, n_denied) = {
            let mut state = self.queue.state.lock();
            state.is_over = true;
            (state.n_events, state.n_denied)
        };
        self.queue.filled.notify_one();
        let Some(writer) = self.writer.lock().take() else { return Ok(()) };
        let log = writer.join().map_err(|_| io::Error::other("the writing thread broke off"))??;
        let (mut file, last) = log.finish(&End { n_events, n_denied, ..end })?;
        if let Some(key) = key {
            let (public, signature) = key.sign(last);
            let line = Line::Signature(Signature { key: public, ed25519: signature });
            let mut line = serde_json::to_string(&line)?;
            line.pop();
            writeln!(file, "{line},\"prev\":\"{}\"}}", last.to_hex())?;
        }
        file.flush()?;
        if is_in_place(&self.path, file.get_ref())? {
            return Ok(());
        }
        // A guest that writes to the folder of the log, or a person.
        Err(io::Error::other("another file was put in its place while the command ran"))
    }
}

/// Tells whether a path still leads to the file that was written.
fn is_in_place(path: &Path, file: &File) -> io::Result<bool> {
    let (there, own) = (fs_err::metadata(path)?, file.metadata()?);
    Ok((there.dev(), there.ino()) == (own.dev(), own.ino()))
}

/// Makes the file, or empties it, unless another run writes to it.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    // A pipe, a terminal or `/dev/null` may be shared, and has nothing to be emptied of.
    if !file.metadata()?.is_file() {
        return Ok(file);
    }
    match file.file().try_lock() {
        Err(TryLockError::WouldBlock) => {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another run writes to it"));
        }
        // A filesystem without locks.
        Err(TryLockError::Error(_)) | Ok(()) => {}
    }
    file.set_len(0)?;
    Ok(file)
}

impl Queue {
    /// The thread: writes batches until the queue is closed and empty.
    fn write_all(&self, mut log: Log, redaction: &Redaction) -> io::Result<Log> {
        let mut events = EventBatch::default();
        loop {
            let is_over = self.take(&mut events);
            let is_idle = events.is_empty();
            if let Err(error) = write(&mut log, &mut events, redaction) {
                // Whoever waits for room must not wait for ever.
                self.state.lock().is_over = true;
                self.drained.notify_all();
                return Err(error);
            }
            if is_idle {
                if is_over {
                    return Ok(log);
                }
                log.flush()?;
            }
        }
    }

    /// Waits for events and takes them, in exchange for a buffer that was written.
    fn take(&self, events: &mut EventBatch) -> bool {
        let mut state = self.state.lock();
        if state.events.len() < BATCH && !state.is_over {
            self.filled.wait_for(&mut state, DELAY);
        }
        state.n_held_bytes = 0;
        std::mem::swap(&mut state.events, events);
        let is_over = state.is_over;
        drop(state);
        self.drained.notify_all();
        is_over
    }
}

fn write(log: &mut Log, events: &mut EventBatch, redaction: &Redaction) -> io::Result<()> {
    if redaction.is_nothing() {
        return events.try_drain(|entry| log.entry(entry));
    }
    events.try_drain(|entry| {
        let mut event = entry.to_event();
        redaction.apply(&mut event);
        log.event(event)
    })
}

impl State {
    fn is_full(&self) -> bool {
        self.events.n_bytes() >= MAX_PENDING_BYTES || self.n_held_bytes >= MAX_HELD_BYTES
    }
}

impl AuditSink for EventFile {
    fn record(&self, event: Event) {
        self.lend(&EventRef::from(&event));
    }

    fn lend(&self, entry: &EventRef<'_>) {
        let mut state = self.queue.state.lock();
        state.n_events += 1;
        state.n_denied += u64::from(entry.decision == Decision::Denied);
        while state.is_full() && !state.is_over {
            self.queue.filled.notify_one();
            self.queue.drained.wait(&mut state);
        }
        state.n_held_bytes += entry.n_held_bytes();
        state.events.push(entry);
        if state.events.len() == BATCH || state.is_full() {
            self.queue.filled.notify_one();
        }
    }
}
