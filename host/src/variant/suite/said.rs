//! What the script that runs pytest says while it works, and whether it still says anything.

use super::{REPORT_FD, STALL};
use parking_lot::Mutex;
use playpen_runtime::{OutputSink, Stream};
use serde::Deserialize;
use tokio::time::Instant;

/// What the worker says, one line each.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// Work on a test or mutant began.
    Begin {
        /// The test.
        #[serde(default)]
        id: String,
        /// The mutant.
        #[serde(default)]
        mutant: usize,
    },
    /// A test was traced.
    Traced {
        /// Its id.
        id: String,
        /// Steps that it took.
        ticks: u64,
        /// Whether it took too many.
        slow: bool,
        /// Lines that it ran: `[file, first, last]`.
        lines: Vec<(usize, u32, u32)>,
        /// Whether it passed.
        passed: bool,
    },
    /// What all tests ran: imports, and fixtures of more than one test.
    Shared {
        /// The lines, as for a test.
        lines: Vec<(usize, u32, u32)>,
    },
    /// A mutant was tried.
    Mutant {
        /// Its number.
        mutant: usize,
        /// `killed`, `survived`, `over_budget` or `unswappable`.
        how: String,
        /// The tests that failed: the first one, or all.
        #[serde(default)]
        tests: Vec<String>,
    },
    /// The tests that failed were run without a mutant.
    Control {
        /// Whether all of them passed.
        ok: bool,
        /// The mutants since the last control.
        mutants: Vec<usize>,
    },
}

/// Keeps what the worker says, also of one that does not come to its end.
#[derive(Debug)]
pub(super) struct Watch {
    said: Mutex<Vec<u8>>,
    last: Mutex<Instant>,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { said: Mutex::default(), last: Mutex::new(Instant::now()) }
    }
}

impl OutputSink for Watch {
    fn write(&self, stream: Stream, data: &[u8]) {
        if stream == Stream::Other(REPORT_FD) {
            self.said.lock().extend_from_slice(data);
        }
        *self.last.lock() = Instant::now();
    }
}

impl Watch {
    /// Returns when nothing was heard for long.
    pub(super) async fn stalled(&self) {
        loop {
            let deadline = *self.last.lock() + STALL;
            if deadline <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// Returns what can be read.
    pub(super) fn lines(&self) -> Vec<Line> {
        let said = self.said.lock();
        said.split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }
}

/// Returns the test whose beginning the line tells.
pub(super) fn begun(line: &Line) -> Option<String> {
    match line {
        Line::Begin { id, .. } => Some(id.clone()),
        _ => None,
    }
}
