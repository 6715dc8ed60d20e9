//! `--audit FILE`: the record of accesses as a file, one JSON object a line.

use anyhow::Context as _;
use fs_err::File;
use parking_lot::Mutex;
use playpen_runtime::audit::{AuditSink, Event};
use std::{
    io::{self, BufWriter, Write as _},
    path::Path,
};

/// Writes events to a file as they come.
#[derive(Debug)]
pub(super) struct EventFile {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    failure: Option<io::Error>,
}

impl EventFile {
    /// Makes the file, or empties it.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).context("failed to make the audit file")?;
        let state = State { file: BufWriter::new(file), failure: None };
        Ok(Self { state: Mutex::new(state) })
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    ///
    /// Fails if an event could not be written, now or earlier: a record with holes is worth nothing.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let mut state = self.state.lock();
        let flushed = state.file.flush();
        let written = state.failure.take().map_or(flushed, Err);
        written.context("failed to write the audit file, which is incomplete")
    }
}

impl AuditSink for EventFile {
    fn record(&self, event: &Event) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let written = serde_json::to_writer(&mut state.file, event)
            .map_err(io::Error::from)
            .and_then(|()| state.file.write_all(b"\n"));
        if let Err(error) = written {
            state.failure.get_or_insert(error);
        }
    }
}
