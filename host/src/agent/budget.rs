//! What an attempt may spend, and what it has spent.

use std::time::Duration;
use tokio::time::Instant;

use super::AgentStop;
use crate::model::Usage;

/// What one attempt of an agent may spend.
///
/// There is no default: what an attempt may cost is for the caller to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentBudget {
    /// Calls to the model. Answers a model that never comes to an end.
    pub steps: u32,
    /// Tokens of all calls, request and answer together. Answers a conversation whose cost grows
    /// with the square of its length.
    pub tokens: u64,
    /// Time for the whole attempt, model and tools together.
    pub wall: Duration,
    /// Time for one tool call. Answers a command that waits for ever.
    pub tool_wall: Duration,
    /// Characters of one observation; what is longer is cut in the middle.
    pub observation_chars: usize,
}

/// What an attempt has spent so far.
#[derive(Debug)]
pub(super) struct Spending<'a> {
    budget: &'a AgentBudget,
    started: Instant,
    steps: u32,
    tokens: u64,
}

impl<'a> Spending<'a> {
    /// Starts the clock.
    pub(super) fn start(budget: &'a AgentBudget) -> Spending<'a> {
        Spending { budget, started: Instant::now(), steps: 0, tokens: 0 }
    }

    /// Returns why the attempt must stop now, if it must.
    pub(super) fn exhausted(&self) -> Option<AgentStop> {
        if self.steps >= self.budget.steps {
            Some(AgentStop::StepBudget)
        } else if self.tokens >= self.budget.tokens {
            Some(AgentStop::TokenBudget)
        } else if self.wall_left().is_zero() {
            Some(AgentStop::WallBudget)
        } else {
            None
        }
    }

    /// Counts one call to the model.
    pub(super) fn add_step(&mut self) {
        self.steps += 1;
    }

    /// Counts the tokens of one answer.
    pub(super) fn add_tokens(&mut self, usage: &Usage) {
        self.tokens = self.tokens.saturating_add(usage.total_tokens());
    }

    /// Returns the number of calls to the model.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// Returns how long the attempt may still go on.
    pub(super) fn wall_left(&self) -> Duration {
        self.budget.wall.saturating_sub(self.started.elapsed())
    }
}
