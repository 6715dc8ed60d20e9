//! How the build of the image looks to whoever waits for it.

use crate::printer::Printer;
use indicatif::ProgressBar;
use parking_lot::Mutex;
use playpen_image::{BuildEvent, Progress, StepStatus};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// Draws a bar on a terminal, and writes a line for each step elsewhere.
#[derive(Debug)]
pub(super) struct BuildProgress {
    printer: Printer,
    bar: Mutex<Option<ProgressBar>>,
    stop: Arc<AtomicBool>,
}

/// Stops the build when it is dropped, as it is when the command is interrupted.
#[derive(Debug)]
pub(super) struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl BuildProgress {
    /// Returns the progress of a build, and what stops it.
    pub(super) fn new(printer: Printer) -> (Self, StopOnDrop) {
        let stop = Arc::new(AtomicBool::new(false));
        let guard = StopOnDrop(Arc::clone(&stop));
        (Self { printer, bar: Mutex::default(), stop }, guard)
    }

    fn planned(&self, n_steps: usize, expected: Duration) {
        if n_steps == 0 {
            return;
        }
        self.printer.status(format_args!(
            "building the guest image from sources: {n_steps} steps, about {} on two cores, once",
            rounded(expected)
        ));
        let bar = self.printer.bar(expected.as_secs().max(1), "");
        *self.bar.lock() = Some(bar);
    }

    fn running(&self, status: &StepStatus<'_>) {
        if let Some(bar) = &*self.bar.lock() {
            let left = status.expected.saturating_sub(status.elapsed) + status.remaining;
            let length = bar.length().unwrap_or(0);
            bar.set_position(length.saturating_sub(left.as_secs()));
            bar.set_message(format!("[{}/{}] {}", status.index, status.total, status.step));
        }
    }

    fn finished(&self, status: &StepStatus<'_>) {
        let StepStatus { index, total, step, about, elapsed, .. } = status;
        let seconds = elapsed.as_secs();
        self.printer.status(format_args!("[{index}/{total}] {step}: {about}, {seconds} s"));
        if index == total
            && let Some(bar) = self.bar.lock().take()
        {
            bar.finish_and_clear();
        }
    }
}

impl Progress for BuildProgress {
    fn event(&self, event: &BuildEvent<'_>) {
        match event {
            BuildEvent::Waiting { lock } => self.printer.status(format_args!(
                "another process builds the image; waiting for `{}`",
                lock.display()
            )),
            BuildEvent::Damaged { step, reason } => self.printer.warning(format_args!(
                "the result of `{step}` is damaged, building it again: {reason}"
            )),
            BuildEvent::Planned { steps, expected } => self.planned(*steps, *expected),
            BuildEvent::Started(status) | BuildEvent::Running(status) => self.running(status),
            BuildEvent::Finished(status) => self.finished(status),
            _ => {}
        }
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Relaxed)
    }
}

/// Returns a duration as a person would say it.
fn rounded(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..90 => format!("{} seconds", seconds.max(1)),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;
    use std::time::Duration;

    #[test]
    fn durations_are_said_in_seconds_and_then_in_minutes() {
        assert_eq!(rounded(Duration::from_millis(10)), "1 seconds");
        assert_eq!(rounded(Duration::from_secs(89)), "89 seconds");
        assert_eq!(rounded(Duration::from_secs(871)), "15 minutes");
    }
}
