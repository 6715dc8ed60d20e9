//! Progress of the pipeline as people and machines see it.

use crate::{
    printer::Printer,
    progress::{Progress, ProgressSink},
};
use indicatif::ProgressBar;
use parking_lot::Mutex;

/// Draws a bar and writes lines to stderr, or writes events to stdout with `--json`.
#[derive(Debug)]
pub(super) struct Watch {
    printer: Printer,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    n_tokens: u64,
}

impl Watch {
    pub(super) fn new(printer: Printer) -> Self {
        Self { printer, state: Mutex::default() }
    }

    /// Brings the bar up to date.
    fn draw(&self, event: &Progress) {
        let mut state = self.state.lock();
        match event {
            Progress::StageStarted { stage, n_items } => {
                state.bar = Some(self.printer.bar(n_items.unwrap_or(1), stage));
            }
            Progress::StageFinished { .. } => {
                if let Some(bar) = state.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Progress::ItemFinished { .. } => {
                if let Some(bar) = &state.bar {
                    bar.inc(1);
                }
            }
            Progress::ModelCalled { stage, task, prompt_tokens, completion_tokens, .. } => {
                state.n_tokens += prompt_tokens + completion_tokens;
                let n_tokens = state.n_tokens;
                if let Some(bar) = &state.bar {
                    bar.set_message(format!(
                        "{} ({n_tokens} tokens)",
                        place(stage, task.as_deref())
                    ));
                }
            }
            _ => {}
        }
    }

    /// Writes what a person who looks on wants to know.
    fn say(&self, event: &Progress) {
        let printer = &self.printer;
        match event {
            Progress::StageStarted { .. } | Progress::ModelCalled { .. } => {}
            Progress::StageFinished { stage, ok, summary } => {
                printer.status(format_args!("{stage}: {}{summary}", unless(*ok, "not done: ")));
            }
            Progress::ItemStarted { item, title, .. } => {
                printer.status(format_args!("{item} {title}"));
            }
            Progress::ItemFinished { item, ok, summary, .. } => {
                printer
                    .status(format_args!("{item} {}: {summary}", verdict(*ok, "done", "not done")));
            }
            Progress::AttemptStarted { stage, task, attempt } => {
                let place = place(stage, task.as_deref());
                printer.detail(format_args!("  {place}: attempt {attempt}"));
            }
            Progress::AttemptFinished { stage, task, attempt, ok, summary } => {
                let place = place(stage, task.as_deref());
                let verdict = verdict(*ok, "accepted", "refused");
                printer.status(format_args!(
                    "  {place}: attempt {attempt} {verdict}{}",
                    after(summary)
                ));
            }
            Progress::ToolCalled { tool, summary, ok, n_denied, millis, .. } => {
                let line =
                    format_args!("    {tool} {summary} ({}{millis} ms)", unless(*ok, "failed, "));
                printer.detail(line);
                if *n_denied > 0 {
                    printer
                        .status(format_args!("    {tool}: {n_denied} accesses denied: {summary}"));
                }
            }
            Progress::GateDecided { task, gate, passed, summary } => {
                let verdict = verdict(*passed, "passed", "refused");
                printer.detail(format_args!("  {task}: gate {gate} {verdict} {summary}"));
            }
            Progress::Note { text } => printer.status(format_args!("{text}")),
        }
    }
}

impl ProgressSink for Watch {
    fn event(&self, event: &Progress) {
        if self.printer.is_json() {
            self.printer.json_line(event);
        } else {
            self.say(event);
        }
        self.draw(event);
    }
}

fn place(stage: &str, task: Option<&str>) -> String {
    task.map_or_else(|| stage.to_owned(), |task| format!("{task} {stage}"))
}

fn verdict<'a>(ok: bool, yes: &'a str, no: &'a str) -> &'a str {
    if ok { yes } else { no }
}

/// Returns ` SUMMARY` after a colon, or nothing where there is nothing to say.
fn after(summary: &str) -> String {
    if summary.is_empty() { String::new() } else { format!(": {summary}") }
}

fn unless(ok: bool, text: &str) -> &str {
    if ok { "" } else { text }
}
