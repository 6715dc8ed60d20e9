//! Carries out tool calls in the sandbox of an attempt.

use playpen_runtime::{RunError, Sandbox};
use std::time::Duration;

use super::{
    AgentBudget, bash::Shell, edit::edit, observation::Observation, run_tests::run_tests,
    tools::Action,
};
use crate::model::ToolCall;

/// What came of a call.
#[derive(Debug)]
pub(super) enum Performed {
    /// There is something to tell the model.
    Observed(Observation),
    /// The model says that it is done.
    Finished {
        /// What it has to say.
        message: String,
    },
}

/// The sandbox of an attempt and the shell in it.
#[derive(Debug)]
pub(super) struct Toolbox<'a> {
    sandbox: &'a Sandbox,
    budget: &'a AgentBudget,
    shell: Shell,
}

impl<'a> Toolbox<'a> {
    pub(super) fn new(sandbox: &'a Sandbox, budget: &'a AgentBudget) -> Toolbox<'a> {
        Toolbox { sandbox, budget, shell: Shell::default() }
    }

    /// Returns the number of accesses that the sandbox refused so far.
    pub(super) fn n_denied(&self) -> u64 {
        self.sandbox.n_denied()
    }

    /// Carries out `call`, in at most `wall_left`.
    ///
    /// # Errors
    ///
    /// Returns a [`RunError`] if the host failed.
    pub(super) async fn perform(
        &mut self,
        call: &ToolCall,
        wall_left: Duration,
    ) -> Result<Performed, RunError> {
        let wall = wall_left.min(self.budget.tool_wall);
        let max_chars = self.budget.observation_chars;
        let observation = match Action::parse(call) {
            Err(bad_call) => Observation::failed(format!("[error: {bad_call}]")),
            Ok(Action::Finish { message }) => return Ok(Performed::Finished { message }),
            Ok(Action::Bash { command, timeout }) => {
                let wall = timeout.map_or(wall, |timeout| timeout.min(wall));
                self.shell.run(self.sandbox, &command, wall, max_chars).await?
            }
            Ok(Action::Edit(request)) => edit(self.sandbox, &request, wall, max_chars).await?,
            Ok(Action::RunTests { paths }) => {
                run_tests(self.sandbox, &paths, wall, max_chars).await?
            }
        };
        Ok(Performed::Observed(observation))
    }
}
