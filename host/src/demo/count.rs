//! Counts what goes by, task by task, and passes it on.

use crate::progress::{Progress, ProgressSink};
use parking_lot::Mutex;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The stages in which an answer that is asked for again is a repair and not an attempt of an agent.
const ASKING: [&str; 3] = ["projects", "tasks", "test_docs"];
/// The stage of agents that set up repositories.
const SETUP: &str = "setup";
/// The stage whose items are tasks.
const ROLLOUT: &str = "rollout";

/// A sink that counts.
#[derive(Debug)]
pub(super) struct Counting<'a> {
    inner: &'a dyn ProgressSink,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    tasks: BTreeMap<String, TaskCounts>,
    n_repairs: u64,
    n_setups: u64,
}

/// What was counted for one task of the rollout.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaskCounts {
    pub(super) n_tokens: u64,
    pub(super) n_tool_calls: u64,
    pub(super) n_denied: u64,
    started: Option<Instant>,
    finished: Option<Instant>,
}

impl TaskCounts {
    /// Returns the time from the first event of the task to the last.
    pub(super) fn elapsed(&self) -> Duration {
        match (self.started, self.finished) {
            (Some(started), Some(finished)) => finished - started,
            _ => Duration::ZERO,
        }
    }
}

impl<'a> Counting<'a> {
    pub(super) fn new(inner: &'a dyn ProgressSink) -> Counting<'a> {
        Counting { inner, counts: Mutex::default() }
    }

    pub(super) fn task(&self, number: &str) -> TaskCounts {
        self.counts.lock().tasks.get(number).copied().unwrap_or_default()
    }

    pub(super) fn n_repairs(&self) -> u64 {
        self.counts.lock().n_repairs
    }

    pub(super) fn n_setups(&self) -> u64 {
        self.counts.lock().n_setups
    }
}

impl ProgressSink for Counting<'_> {
    fn event(&self, event: &Progress) {
        self.counts.lock().add(event);
        self.inner.event(event);
    }
}

impl Counts {
    fn add(&mut self, event: &Progress) {
        match event {
            Progress::ModelCalled {
                stage,
                task: Some(task),
                prompt_tokens,
                completion_tokens,
                ..
            } if is_rollout(stage) => {
                self.tasks.entry(task.clone()).or_default().n_tokens +=
                    prompt_tokens + completion_tokens;
            }
            Progress::ToolCalled { stage, task: Some(task), n_denied, .. } if is_rollout(stage) => {
                let counts = self.tasks.entry(task.clone()).or_default();
                counts.n_tool_calls += 1;
                counts.n_denied += n_denied;
            }
            Progress::ItemStarted { stage, item, .. } if stage == ROLLOUT => {
                self.tasks
                    .entry(item.clone())
                    .or_default()
                    .started
                    .get_or_insert_with(Instant::now);
            }
            Progress::ItemFinished { stage, item, .. } if stage == ROLLOUT => {
                self.tasks.entry(item.clone()).or_default().finished = Some(Instant::now());
            }
            Progress::AttemptFinished { stage, ok: false, .. }
                if ASKING.contains(&stage.as_str()) =>
            {
                self.n_repairs += 1;
            }
            Progress::AttemptFinished { stage, .. } if stage == SETUP => self.n_setups += 1,
            _ => {}
        }
    }
}

/// Tells whether a stage belongs to the rollout: to an agent that works on a task.
fn is_rollout(stage: &str) -> bool {
    // Stages of variants are called `VARIANT.ROLE`.
    stage != SETUP && !ASKING.contains(&stage) && !stage.contains('.')
}
