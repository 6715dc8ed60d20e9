//! What came of a run, read from its records: how many pieces of work went through which gate, what it
//! cost, and one page with everything that was said and done.
//!
//! ```text
//!   RUN ──► read.rs ──► Report ──► stages.rs: the funnel ──► the command line, JSON
//!                          └─────► html.rs: the page, with trajectories and patches
//! ```
//!
//! Nothing is run and nothing is believed but the files; a run that was interrupted, or that goes on while it is
//! looked at, is reported as far as it came.

mod html;
mod read;
mod stages;
#[cfg(test)]
mod tests;

pub(crate) use html::dollars;
pub use html::html;
pub use read::read;
pub use stages::{Passage, Stage};

use serde::Serialize;
use std::{path::PathBuf, str::FromStr};

use crate::{
    model::Usage,
    rollout::TaskReport,
    variant::desk::Score,
    verify::gate::{Reason, Verdict},
};

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The run's name.
    pub run_id: String,
    /// What was worked on.
    pub repo_name: String,
    /// The model.
    pub model_name: Option<String>,
    /// The version of the program that made the run.
    pub playpen_version: String,
    /// Whether all tasks were gone through; not if the run was interrupted, or goes on.
    pub is_complete: bool,
    /// How long it took, in microseconds, once it is complete.
    pub elapsed_us: Option<u64>,
    /// The tasks, in the order of work.
    pub tasks: Vec<Task>,
    /// The items of variants.
    pub items: Vec<Item>,
    /// What became of the work of each role.
    pub stages: Vec<Stage>,
    /// All attempts: those at tasks in the order of work, then those at variants.
    pub attempts: Vec<Attempt>,
    /// Sums over all attempts.
    pub totals: Totals,
    /// The run's folder.
    pub folder: PathBuf,
}

impl Report {
    /// Returns the number of tasks that were solved.
    pub fn n_solved(&self) -> usize {
        self.tasks.iter().filter(|task| task.is_solved()).count()
    }

    /// Returns the number of items of variants that are kept.
    pub fn n_kept(&self) -> usize {
        self.items.iter().filter(|item| item.is_kept).count()
    }
}

/// A task of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// Its number.
    pub number: String,
    /// What came of it; none if it is not finished.
    pub report: Option<TaskReport>,
}

impl Task {
    /// Tells whether its tests and an implementation were accepted.
    pub fn is_solved(&self) -> bool {
        use crate::rollout::TaskState;
        self.report.as_ref().is_some_and(|report| report.state == TaskState::Solved)
    }
}

/// An item of a variant.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// The variant.
    pub variant: String,
    /// The item: the number of a task, or a name.
    pub name: String,
    /// Whether a trajectory is kept.
    pub is_kept: bool,
    /// The best score, where there is one.
    pub score: Option<Score>,
}

/// One attempt of an agent.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// Its folder below the run's, with `/`.
    pub id: String,
    /// `tasks`, or the name of a variant.
    pub kind: String,
    /// What it was an attempt at.
    pub item: String,
    /// Who worked.
    pub role: String,
    /// Which attempt of this role it was, from 1.
    pub number: u32,
    /// What became of it.
    pub fate: Fate,
    /// How the agent ended.
    pub stop: String,
    /// What the agent said when it finished.
    pub message: Option<String>,
    /// What the gates said.
    pub gates: Vec<Verdict>,
    /// What it cost.
    #[serde(flatten)]
    pub totals: Totals,
}

impl Attempt {
    /// Returns why it was refused.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        self.gates.iter().flat_map(|gate| &gate.reasons)
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Every gate passed.
    Accepted,
    /// A gate refused it.
    Refused,
    /// A limit of the machine was met, so that nothing can be said.
    Undecided,
    /// There is no verdict.
    Interrupted,
}

/// What attempts cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Attempts.
    pub n_attempts: u64,
    /// Calls to the model.
    pub n_model_calls: u64,
    /// Tool calls.
    pub n_tool_calls: u64,
    /// Accesses that the sandbox refused.
    pub n_denied: u64,
    /// Tokens.
    pub usage: Usage,
    /// How long they took, in microseconds, as if one had followed the other.
    pub elapsed_us: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.n_attempts += other.n_attempts;
        self.n_model_calls += other.n_model_calls;
        self.n_tool_calls += other.n_tool_calls;
        self.n_denied += other.n_denied;
        self.usage += other.usage;
        self.elapsed_us = self.elapsed_us.saturating_add(other.elapsed_us);
    }
}

/// What a model costs, in US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prices {
    /// Tokens read.
    pub prompt: f64,
    /// Tokens written.
    pub completion: f64,
    /// Tokens read from the endpoint's cache.
    pub cached: f64,
}

impl Prices {
    /// Returns what tokens cost, in US dollars.
    #[expect(clippy::cast_precision_loss, reason = "2^53 tokens are more than there are")]
    pub fn cost(&self, usage: Usage) -> f64 {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let read = (usage.prompt_tokens - cached) as f64 * self.prompt;
        (read + cached as f64 * self.cached + usage.completion_tokens as f64 * self.completion)
            / 1e6
    }
}

/// Reads `READ,WRITTEN` or `READ,WRITTEN,CACHED`.
impl FromStr for Prices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not two or three prices, such as `3,15` or `3,15,0.3`");
        let prices: Vec<f64> = text
            .split(',')
            .map(|price| price.trim().parse().ok().filter(|price: &f64| (0.0..1e9).contains(price)))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        match prices[..] {
            [prompt, completion] => Ok(Self { prompt, completion, cached: prompt }),
            [prompt, completion, cached] => Ok(Self { prompt, completion, cached }),
            _ => Err(wrong()),
        }
    }
}
