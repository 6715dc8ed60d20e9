//! The tool `bash`: one shell for the whole attempt, one guest for each call.
//!
//! No shell waits between calls. A call starts a shell from the state that the call before left
//! behind (working directory, variables, functions, options) and collects the new one at its end.
//! The state is the guest's own business: it is kept here as bytes and never read.

use bytes::Bytes;
use parking_lot::Mutex;
use playpen_runtime::{Outcome, OutputSink, RunError, Sandbox, Stream};
use std::{sync::Arc, time::Duration};

use super::{
    exit,
    namespace::limits,
    observation::{Observation, cut_middle, text_of},
    role::WORKSPACE,
};

/// The descriptor that the shell reads its state from.
const STATE_IN_FD: u32 = 60;

/// The descriptor that the shell writes its state to.
const STATE_OUT_FD: u32 = 61;

/// Bytes of a state that is kept. Answers a loop that fills variables: each call would carry them.
const MAX_STATE_BYTES: usize = 4 * 1024 * 1024;

/// The shell of an attempt.
#[derive(Debug, Default)]
pub(super) struct Shell {
    state: Bytes,
}

impl Shell {
    /// Runs `command`, for at most `wall`.
    ///
    /// # Errors
    ///
    /// Returns a [`RunError`] if the host failed; what the command does is an observation.
    pub(super) async fn run(
        &mut self,
        sandbox: &Sandbox,
        command: &str,
        wall: Duration,
        max_chars: usize,
    ) -> Result<Observation, RunError> {
        let (state_in, state_out) = (STATE_IN_FD.to_string(), STATE_OUT_FD.to_string());
        let terminal = Arc::new(Terminal::default());
        let mut outcome = sandbox
            .command("sh")
            .args(["--playpen-state", &state_in, &state_out, "-c", command])
            .cwd(WORKSPACE)
            .input(STATE_IN_FD, self.state.clone())
            .collect(STATE_OUT_FD)
            .watch(Arc::<Terminal>::clone(&terminal))
            .limits(limits(wall))
            .output()
            .await?;
        let state = outcome.collected.remove(&STATE_OUT_FD).unwrap_or_default();
        let note = self.keep(state, &outcome);
        Ok(observe(&terminal.text(), &outcome, note, max_chars))
    }

    /// Takes over the state that a command left, or says why the one before stays.
    fn keep(&mut self, state: Bytes, outcome: &Outcome) -> Option<String> {
        let why = if exit::is_regular(outcome.exit) && state.len() > MAX_STATE_BYTES {
            format!("the shell's variables are larger than {MAX_STATE_BYTES} bytes")
        } else if exit::is_regular(outcome.exit) && !state.is_empty() {
            self.state = state;
            return None;
        } else {
            "the shell did not come to its end".to_owned()
        };
        Some(format!(
            "[{why}: working directory, variables and functions are as before this command]"
        ))
    }
}

/// What a terminal would show: output and errors in the order in which they were written.
#[derive(Debug, Default)]
struct Terminal {
    bytes: Mutex<Vec<u8>>,
}

impl Terminal {
    /// Returns what was written.
    fn text(&self) -> String {
        text_of(&self.bytes.lock())
    }
}

impl OutputSink for Terminal {
    fn write(&self, stream: Stream, data: &[u8]) {
        if matches!(stream, Stream::Stdout | Stream::Stderr) {
            self.bytes.lock().extend_from_slice(data);
        }
    }
}

/// Says what came of a command.
fn observe(
    printed: &str,
    outcome: &Outcome,
    note: Option<String>,
    max_chars: usize,
) -> Observation {
    let mut text = cut_middle(printed, max_chars);
    let mut add_line = |line: &str| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(line);
    };
    if let Some(stopped) = exit::describe(outcome.exit) {
        add_line(&format!("[{stopped}]"));
    }
    if let Some(note) = note {
        add_line(&note);
    }
    let code = outcome.exit.code();
    add_line(&format!("[exit code {code}]"));
    Observation { text, ok: code == 0 }
}

/// Returns what a command printed: its output, and what it said on standard error below.
pub(super) fn output_text(outcome: &Outcome) -> String {
    let stdout = text_of(&outcome.stdout);
    let stderr = text_of(&outcome.stderr);
    match (stdout.is_empty(), stderr.is_empty()) {
        (_, true) => stdout,
        (true, false) => stderr,
        (false, false) if stdout.ends_with('\n') => format!("{stdout}[stderr]\n{stderr}"),
        (false, false) => format!("{stdout}\n[stderr]\n{stderr}"),
    }
}
