//! The only place that prints.
//!
//! Data goes to stdout, everything else to stderr. Colour appears only where the stream is a
//! terminal (and `NO_COLOR` is not set), and is never the only carrier of a meaning. Progress bars
//! appear only on a terminal.
//!
//! # Invariants
//!
//! * **A closed pipe is not an error.** `playpen ... | head` ends quietly: what is written after the
//!   reader left is dropped.
//! * **Any other failure to write is kept** and reported by [`Printer::finish`], so that a full disk
//!   behind `> file` does not look like success.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::{OwoColorize as _, Style};
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    fmt::{Arguments, Display},
    io::{self, IsTerminal as _, Write},
    sync::Arc,
    time::Duration,
};

/// How often a running bar is drawn again.
const REDRAW: Duration = Duration::from_millis(120);

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only errors.
    Quiet,
    /// Errors, warnings and what is being done.
    #[default]
    Normal,
    /// Everything, with details that help to find a fault.
    Verbose,
}

/// Writes to the terminal, or to where stdout and stderr lead.
#[derive(Clone, Debug)]
pub struct Printer {
    verbosity: Verbosity,
    json: bool,
    bars: MultiProgress,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Printer {
    /// Returns a printer; `json` says that results are wanted for machines.
    pub fn new(verbosity: Verbosity, json: bool) -> Self {
        let bars = MultiProgress::with_draw_target(if shows_bars(verbosity) {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        Self { verbosity, json, bars, failure: Arc::default() }
    }

    /// Returns whether results are to be printed as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Returns whether nothing but errors is wanted.
    pub fn is_quiet(&self) -> bool {
        self.verbosity == Verbosity::Quiet
    }

    /// Returns whether details were asked for.
    pub fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Returns whether bars are drawn.
    pub fn draws_bars(&self) -> bool {
        shows_bars(self.verbosity)
    }

    /// Writes bytes to stdout as they are; returns whether anybody still reads there.
    pub fn data(&self, bytes: &[u8]) -> bool {
        let written = self.bars.suspend(|| write_all(&mut io::stdout().lock(), bytes));
        let is_read = !written.as_ref().is_err_and(|it| it.kind() == io::ErrorKind::BrokenPipe);
        self.note(written);
        is_read
    }

    /// Writes bytes to stderr as they are: what a command in the sandbox said there.
    pub fn passthrough(&self, bytes: &[u8]) {
        self.bars.suspend(|| self.note(write_all(&mut io::stderr().lock(), bytes)));
    }

    /// Writes one line of a result to stdout.
    pub fn result(&self, line: impl Display) {
        let mut stdout = anstream::stdout();
        self.bars.suspend(|| self.note(writeln!(stdout, "{line}").and_then(|()| stdout.flush())));
    }

    /// Writes a result to stdout as JSON, indented.
    pub fn json(&self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.result(text),
            Err(error) => self.note(Err(error.into())),
        }
    }

    /// Writes a value to stdout as one line of JSON.
    pub fn json_line(&self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.result(text),
            Err(error) => self.note(Err(error.into())),
        }
    }

    /// Says on stderr what must be known even where quiet was asked for.
    pub fn always(&self, message: Arguments<'_>) {
        self.line(message);
    }

    /// Says what is being done.
    pub fn status(&self, message: Arguments<'_>) {
        if self.verbosity >= Verbosity::Normal {
            self.line(message);
        }
    }

    /// Says something only `--verbose` asks for.
    pub fn detail(&self, message: Arguments<'_>) {
        if self.is_verbose() {
            self.line(message);
        }
    }

    /// Says what is not as it should be, though the work goes on.
    pub fn warning(&self, message: Arguments<'_>) {
        if self.verbosity >= Verbosity::Normal {
            let label = "warning:".style(Style::new().yellow().bold());
            self.line(format_args!("{label} {message}"));
        }
    }

    /// Prints an error, the chain of its causes, and the hints on lines of their own.
    pub fn error(&self, error: &anyhow::Error, hints: &[String]) {
        let label = "error:".style(Style::new().red().bold());
        self.line(format_args!("{label} {error}"));
        for cause in error.chain().skip(1) {
            self.line(format_args!("  caused by: {cause}"));
        }
        let label = "hint:".style(Style::new().cyan().bold());
        for hint in hints {
            self.line(format_args!("{label} {hint}"));
        }
    }

    /// Returns a bar for work of `len` steps, drawn only on a terminal.
    pub fn bar(&self, len: u64, message: &str) -> ProgressBar {
        let template = "{msg:32!} [{bar:30}] {pos}/{len} {elapsed}";
        self.add(ProgressBar::new(len), template, message)
    }

    /// Returns a sign of life for work of unknown length, drawn only on a terminal.
    pub fn spinner(&self, message: &str) -> ProgressBar {
        self.add(ProgressBar::new_spinner(), "{spinner} {wide_msg} {elapsed}", message)
    }

    /// Reports a write that failed, other than to a closed pipe.
    ///
    /// # Errors
    ///
    /// Returns the first failure since the printer was made.
    pub fn finish(&self) -> io::Result<()> {
        self.failure.lock().take().map_or(Ok(()), Err)
    }

    fn add(&self, bar: ProgressBar, template: &str, message: &str) -> ProgressBar {
        let bar = self.bars.add(bar);
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        bar.set_style(style);
        bar.set_message(message.to_owned());
        if self.draws_bars() {
            bar.enable_steady_tick(REDRAW);
        }
        bar
    }

    fn line(&self, message: Arguments<'_>) {
        // A stderr nobody reads any more leaves nothing to tell anyone.
        self.bars.suspend(|| drop(writeln!(anstream::stderr(), "{message}")));
    }

    fn note(&self, written: io::Result<()>) {
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.failure.lock().get_or_insert(error);
        }
    }
}

/// Returns a text, such as a name that a guest chose, with a sign in the place of each character by which it could
/// command the terminal, begin another line, or be read in another order.
pub fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn shows_bars(verbosity: Verbosity) -> bool {
    verbosity >= Verbosity::Normal && io::stderr().is_terminal()
}

fn write_all(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::{Printer, Verbosity, visible};
    use std::io;

    #[test]
    fn a_name_neither_commands_nor_forges() {
        assert_eq!(visible("dir/n\u{e4}me \u{4e2d}"), "dir/n\u{e4}me \u{4e2d}");
        assert_eq!(
            visible("\u{1b}[2J\nadded\u{202e}gpj.exe"),
            "\u{fffd}[2J\u{fffd}added\u{fffd}gpj.exe"
        );
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        let printer = Printer::new(Verbosity::Quiet, false);
        printer.note(Err(io::ErrorKind::BrokenPipe.into()));
        assert!(printer.finish().is_ok());
    }

    #[test]
    fn the_first_other_failure_is_reported() {
        let printer = Printer::new(Verbosity::Quiet, false);
        printer.note(Err(io::ErrorKind::StorageFull.into()));
        printer.note(Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!(printer.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
