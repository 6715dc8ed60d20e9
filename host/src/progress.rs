//! What a long piece of work reports while it goes on.
//!
//! A stage sends [`Progress`] events to a [`ProgressSink`]; who owns the terminal draws bars from
//! them, and `--json` prints them as they are, one object a line with its kind under `event`.
//! Events are for people and machines that watch: nothing that is kept on disk is made from them,
//! so they may carry durations.

use parking_lot::Mutex;
use serde::Serialize;
use std::fmt;

/// Takes events as they happen.
///
/// Called from the task that does the work, so an implementation must return at once.
pub trait ProgressSink: fmt::Debug + Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Progress);
}

/// Something that happened in a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// A stage began.
    StageStarted {
        /// The stage: `projects`, `tasks`, `setup`, `test_docs`, `rollout` ...
        stage: String,
        /// How many items the stage will go through, where that is known.
        n_items: Option<u64>,
    },
    /// A stage ended.
    StageFinished {
        /// The stage, as in [`Progress::StageStarted`].
        stage: String,
        /// Whether it did what it was asked to.
        ok: bool,
        /// One line about what came of it.
        summary: String,
    },
    /// Work on one item of a stage began.
    ItemStarted {
        /// The stage.
        stage: String,
        /// The item: a task number or a repository name.
        item: String,
        /// The item's title, for people.
        title: String,
        /// Which item this is, from 0.
        item_idx: u64,
    },
    /// Work on one item of a stage ended.
    ItemFinished {
        /// The stage.
        stage: String,
        /// The item, as in [`Progress::ItemStarted`].
        item: String,
        /// Whether the item is kept.
        ok: bool,
        /// One line about what came of it.
        summary: String,
    },
    /// An agent or a single call to the model for an item began.
    AttemptStarted {
        /// The stage, which for agents is the name of the role.
        stage: String,
        /// The task, where there is one.
        task: Option<String>,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// An attempt ended.
    AttemptFinished {
        /// The stage.
        stage: String,
        /// The task, where there is one.
        task: Option<String>,
        /// Which attempt this was, from 1.
        attempt: u32,
        /// Whether it was accepted.
        ok: bool,
        /// One line about why.
        summary: String,
    },
    /// The model answered.
    ModelCalled {
        /// The stage.
        stage: String,
        /// The task, where there is one.
        task: Option<String>,
        /// Which call of the attempt this was, from 1.
        turn: u32,
        /// Tokens of the request.
        prompt_tokens: u64,
        /// Tokens of the answer.
        completion_tokens: u64,
    },
    /// A tool that the model called has returned.
    ToolCalled {
        /// The stage.
        stage: String,
        /// The task, where there is one.
        task: Option<String>,
        /// The tool's name.
        tool: String,
        /// One line about what it was asked, cut to a width for people.
        summary: String,
        /// Whether it did what it was asked.
        ok: bool,
        /// Accesses that were refused during the call.
        n_denied: u64,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A gate gave its verdict.
    GateDecided {
        /// The task.
        task: String,
        /// The gate's name, such as `fail_before`.
        gate: String,
        /// Whether the candidate went through.
        passed: bool,
        /// One line of reasons where it did not.
        summary: String,
    },
    /// Something a person should know, and no machine needs.
    Note {
        /// One line of text.
        text: String,
    },
}

/// Throws every event away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl ProgressSink for Silent {
    fn event(&self, _event: &Progress) {}
}

/// Keeps every event in memory.
#[derive(Debug, Default)]
pub struct Collected {
    events: Mutex<Vec<Progress>>,
}

impl Collected {
    /// Returns the events so far.
    pub fn events(&self) -> Vec<Progress> {
        self.events.lock().clone()
    }
}

impl ProgressSink for Collected {
    fn event(&self, event: &Progress) {
        self.events.lock().push(event.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::{Collected, Progress, ProgressSink as _};

    #[test]
    fn an_event_is_one_object_with_its_kind() {
        let event = Progress::GateDecided {
            task: "1.1.1".to_owned(),
            gate: "parse".to_owned(),
            passed: true,
            summary: String::new(),
        };
        let text = serde_json::to_string(&event).unwrap();
        insta::assert_snapshot!(
            text,
            @r#"{"event":"gate_decided","task":"1.1.1","gate":"parse","passed":true,"summary":""}"#
        );
    }

    #[test]
    fn collected_keeps_the_order() {
        let sink = Collected::default();
        sink.event(&Progress::Note { text: "a".to_owned() });
        sink.event(&Progress::Note { text: "b".to_owned() });
        assert_eq!(
            sink.events(),
            [Progress::Note { text: "a".to_owned() }, Progress::Note { text: "b".to_owned() }]
        );
    }
}
