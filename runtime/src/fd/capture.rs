//! Output that the host collects.

use crate::limits::{Budget, LimitKind};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{fmt, sync::Arc};

/// Which captured output a piece belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
    /// Another descriptor that the host collects.
    Other(u32),
}

/// Sees output as it is written, besides it being collected. Called on the thread that runs the
/// guest: it should not block for long.
pub trait OutputSink: Send + Sync {
    /// Takes one piece.
    fn write(&self, stream: Stream, data: &[u8]);
}

/// A collected output; the limit on output counts over all of one command.
pub(crate) struct Capture {
    stream: Stream,
    budget: Arc<Budget>,
    sink: Option<Arc<dyn OutputSink>>,
    bytes: Mutex<Vec<u8>>,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Capture {
    pub(crate) fn new(
        stream: Stream,
        budget: Arc<Budget>,
        sink: Option<Arc<dyn OutputSink>>,
    ) -> Self {
        Self { stream, budget, sink, bytes: Mutex::default() }
    }

    /// Takes what the limit allows of `data`; says which limit is met if that is not all.
    pub(crate) fn write(&self, data: &[u8]) -> Result<(), LimitKind> {
        let kept = self.budget.take_output(data.len());
        if let Some(sink) = &self.sink {
            sink.write(self.stream, &data[..kept]);
        }
        self.bytes.lock().extend_from_slice(&data[..kept]);
        if kept < data.len() { Err(LimitKind::Output) } else { Ok(()) }
    }

    pub(crate) fn take(&self) -> Bytes {
        std::mem::take(&mut *self.bytes.lock()).into()
    }
}
