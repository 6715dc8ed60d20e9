//! The agent: a model in a loop with four tools, in a sandbox.
//!
//! [`run_agent`] asks the model, carries out the tools that it calls, tells it what came of them,
//! and asks again, until the model calls `finish` or something runs out. All tools are guests of the
//! sandbox that the caller lends; this module decides nothing about files.
//!
//! ```text
//!            ┌──────────────── messages ◄───────────────┐
//!            ▼                                          │
//!         ChatModel ──► tool calls ──► Action ──► guest ──► Observation
//!            │                           │
//!            │                           └─ not understood ──► Observation (why)
//!            └──► `finish`, a budget, the same call again and again ──► AgentStop
//! ```
//!
//! # Invariants
//!
//! * **What a model writes never fails the host.** A call that makes no sense is answered, an answer
//!   without calls is answered, both a bounded number of times; the end is an [`AgentStop`].
//! * **Every call is answered once**, in order, also those that are not carried out: endpoints refuse
//!   a conversation with a call that has no result.
//! * **Arguments in the conversation are JSON objects**, also where the model wrote something else:
//!   endpoints parse them again. The record keeps what was written.

use playpen_runtime::{RunError, Sandbox};
use std::time::Duration;
use tokio::time::Instant;

use crate::{
    atif::Trajectory,
    model::{
        ChatModel, ChatRequest, ChatResponse, FinishReason, Message, ModelError, Purpose, ToolCall,
        Usage,
    },
    progress::{Progress, ProgressSink},
};

mod bash;
mod budget;
mod calls;
mod edit;
pub(crate) mod exit;
pub mod namespace;
mod observation;
pub mod report;
pub mod role;
mod run_tests;
mod toolbox;
mod tools;
mod trace;

pub use budget::AgentBudget;
pub use namespace::open_sandbox;
pub use role::{AgentRole, WORKSPACE, WritePolicy};

use budget::Spending;
use calls::{Repeats, normalized, summary};
use observation::{Observation, one_line};
use toolbox::{Performed, Toolbox};
use trace::Trace;

/// Answers without a tool call, one after the other, that end an attempt.
const MAX_SILENT_ANSWERS: u32 = 3;

/// Calls of one answer that are carried out. Answers a model that writes calls without end.
const MAX_CALLS_PER_ANSWER: usize = 16;

/// Characters of a call that people see while it runs.
const SUMMARY_CHARS: usize = 100;

/// What an agent is to do, and as whom.
#[derive(Clone, Debug)]
pub struct AgentTask {
    /// The role, which decides nothing here: the sandbox was built for it.
    pub role: AgentRole,
    /// The stage, as the model client and the script of a scripted model know it.
    pub stage: String,
    /// The task's number, where there is one.
    pub task: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The instructions that frame the conversation.
    pub system_prompt: String,
    /// What is to be done.
    pub user_prompt: String,
    /// The model's name, as the endpoint knows it.
    pub model_name: String,
    /// The sampling temperature; the endpoint's default if absent.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens; the endpoint's default if absent.
    pub max_tokens: Option<u32>,
    /// The seed of the sampling, for endpoints that honor one.
    pub seed: Option<u64>,
}

/// Why an attempt ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentStop {
    /// The model said that it is done.
    Finished {
        /// What it had to say.
        message: String,
    },
    /// [`AgentBudget::steps`] are used up.
    StepBudget,
    /// [`AgentBudget::tokens`] are used up.
    TokenBudget,
    /// [`AgentBudget::wall`] is used up.
    WallBudget,
    /// The model answered several times without calling a tool.
    NoToolCalls,
    /// The model made the same call again and again.
    Stuck {
        /// How often in a row.
        n_repeats: u32,
    },
    /// The conversation no longer fits the model.
    ContextLength,
    /// The model could not be asked.
    ModelFailed(ModelError),
    /// The sandbox failed, which no guest can bring about.
    SandboxFailed(RunError),
}

impl AgentStop {
    /// Returns whether the model said that it is done.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Finished { .. })
    }

    /// Returns the kind of the end, as records name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished { .. } => "finished",
            Self::StepBudget => "step_budget",
            Self::TokenBudget => "token_budget",
            Self::WallBudget => "wall_budget",
            Self::NoToolCalls => "no_tool_calls",
            Self::Stuck { .. } => "stuck",
            Self::ContextLength => "context_length",
            Self::ModelFailed(_) => "model_failed",
            Self::SandboxFailed(_) => "sandbox_failed",
        }
    }
}

/// What came of an attempt.
#[derive(Debug)]
pub struct AgentRun {
    /// Everything that was said and done.
    pub trajectory: Trajectory,
    /// Why it ended.
    pub stop: AgentStop,
    /// Tokens of all calls to the model.
    pub usage: Usage,
    /// Calls to the model that were answered.
    pub n_model_calls: u64,
    /// Tool calls, those that were not understood included.
    pub n_tool_calls: u64,
    /// Accesses that the sandbox refused.
    pub n_denied: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Lets the model work at `task` in `sandbox` until it is done or `budget` is used up.
///
/// The files that it leaves are the sandbox's: `sandbox.tree(WORKSPACE)`.
pub async fn run_agent(
    model: &dyn ChatModel,
    task: AgentTask,
    sandbox: &Sandbox,
    budget: &AgentBudget,
    events: &dyn ProgressSink,
) -> AgentRun {
    let started = Instant::now();
    let denied_before = sandbox.n_denied();
    let mut agent = Agent::new(model, task, sandbox, budget, events);
    let stop = agent.work().await;
    let trajectory = agent.trace.finish(&stop);
    AgentRun {
        trajectory,
        stop,
        usage: agent.usage,
        n_model_calls: agent.n_model_calls,
        n_tool_calls: agent.n_tool_calls,
        n_denied: sandbox.n_denied() - denied_before,
        elapsed: started.elapsed(),
    }
}

/// An attempt under way.
#[derive(Debug)]
struct Agent<'a> {
    model: &'a dyn ChatModel,
    task: AgentTask,
    request: ChatRequest,
    toolbox: Toolbox<'a>,
    spending: Spending<'a>,
    events: &'a dyn ProgressSink,
    trace: Trace,
    repeats: Repeats,
    n_silent: u32,
    usage: Usage,
    n_model_calls: u64,
    n_tool_calls: u64,
}

impl<'a> Agent<'a> {
    fn new(
        model: &'a dyn ChatModel,
        task: AgentTask,
        sandbox: &'a Sandbox,
        budget: &'a AgentBudget,
        events: &'a dyn ProgressSink,
    ) -> Agent<'a> {
        let tools = tools::specs(budget.tool_wall);
        let request = ChatRequest {
            model: task.model_name.clone(),
            messages: vec![
                Message::system(task.system_prompt.as_str()),
                Message::user(task.user_prompt.as_str()),
            ],
            tools,
            temperature: task.temperature,
            max_tokens: task.max_tokens,
            seed: task.seed,
        };
        Agent {
            trace: Trace::start(&task, &request),
            model,
            task,
            request,
            toolbox: Toolbox::new(sandbox, budget),
            spending: Spending::start(budget),
            events,
            repeats: Repeats::default(),
            n_silent: 0,
            usage: Usage::default(),
            n_model_calls: 0,
            n_tool_calls: 0,
        }
    }

    /// Asks and answers until there is a reason to stop.
    async fn work(&mut self) -> AgentStop {
        loop {
            if let Some(stop) = self.spending.exhausted() {
                return stop;
            }
            let response = match self.ask().await {
                Ok(response) => response,
                Err(stop) => return stop,
            };
            let stop = if response.message.tool_calls.is_empty() {
                self.nudge(&response)
            } else {
                self.answer(response).await
            };
            if let Some(stop) = stop {
                return stop;
            }
        }
    }

    /// Asks the model for its next message.
    async fn ask(&mut self) -> Result<ChatResponse, AgentStop> {
        self.spending.add_step();
        let purpose = Purpose {
            stage: self.task.stage.clone(),
            task: self.task.task.clone(),
            turn: self.spending.steps(),
            attempt: self.task.attempt,
        };
        let chat = self.model.chat(&purpose, &self.request);
        let response = match tokio::time::timeout(self.spending.wall_left(), chat).await {
            Err(_elapsed) => return Err(AgentStop::WallBudget),
            Ok(Err(ModelError::ContextLength { .. })) => return Err(AgentStop::ContextLength),
            Ok(Err(error)) => return Err(AgentStop::ModelFailed(error)),
            Ok(Ok(response)) => response,
        };
        self.n_model_calls += 1;
        self.spending.add_tokens(&response.usage);
        self.usage += response.usage;
        self.events.event(&Progress::ModelCalled {
            stage: self.task.stage.clone(),
            task: self.task.task.clone(),
            turn: purpose.turn,
            prompt_tokens: response.usage.prompt_tokens,
            completion_tokens: response.usage.completion_tokens,
        });
        Ok(response)
    }

    /// Tells a model that called no tool what is expected of it.
    fn nudge(&mut self, response: &ChatResponse) -> Option<AgentStop> {
        self.trace.agent_step(response, &[]);
        self.n_silent += 1;
        if self.n_silent >= MAX_SILENT_ANSWERS {
            return Some(AgentStop::NoToolCalls);
        }
        let text = match response.finish_reason {
            FinishReason::Length => {
                "Your answer was cut because it was too long. Call one tool with short arguments; \
                 write long files in several steps."
            }
            _ => {
                "Your answer calls no tool, so nothing happened. Call a tool to go on, or call \
                 `finish` if the work is done."
            }
        };
        let content = response.message.content.clone().unwrap_or_default();
        self.request.messages.push(Message::assistant(content));
        self.request.messages.push(Message::user(text));
        self.trace.user_step(text);
        None
    }

    /// Carries out the calls of an answer.
    async fn answer(&mut self, response: ChatResponse) -> Option<AgentStop> {
        self.n_silent = 0;
        let calls = normalized(&response.message.tool_calls, self.spending.steps());
        self.trace.agent_step(&response, &calls);
        let echoed = calls.iter().map(|call| call.echo.clone()).collect();
        self.request.messages.push(Message::assistant_calls(response.message.content, echoed));

        let mut stop = None;
        for (call_idx, call) in calls.iter().enumerate() {
            let observation = if stop.is_some() {
                Observation::failed("[not carried out: the session ended with the call before]")
            } else if call_idx >= MAX_CALLS_PER_ANSWER {
                Observation::failed(format!(
                    "[not carried out: at most {MAX_CALLS_PER_ANSWER} calls in one answer]"
                ))
            } else {
                match self.perform(&call.original).await {
                    Ok((observation, end)) => {
                        stop = end;
                        observation
                    }
                    Err(error) => {
                        stop = Some(AgentStop::SandboxFailed(error));
                        Observation::failed("[not carried out: the sandbox failed]")
                    }
                }
            };
            self.trace.observation(&call.echo.id, &observation.text);
            self.request.messages.push(Message::tool(call.echo.id.as_str(), observation.text));
        }
        stop
    }

    /// Carries out one call, and says whether it ends the attempt.
    async fn perform(
        &mut self,
        call: &ToolCall,
    ) -> Result<(Observation, Option<AgentStop>), RunError> {
        self.n_tool_calls += 1;
        let n_repeats = self.repeats.count(call);
        if self.repeats.is_stuck() {
            let text = format!("[not carried out: the same call {n_repeats} times in a row]");
            return Ok((Observation::failed(text), Some(AgentStop::Stuck { n_repeats })));
        }
        if self.spending.wall_left().is_zero() {
            let text = "[not carried out: the time for this session is used up]";
            return Ok((Observation::failed(text), Some(AgentStop::WallBudget)));
        }
        let started = Instant::now();
        let denied_before = self.toolbox.n_denied();
        let performed = self.toolbox.perform(call, self.spending.wall_left()).await?;
        let (mut observation, stop) = match performed {
            Performed::Observed(observation) => (observation, None),
            Performed::Finished { message } => {
                (Observation::done("The session ends."), Some(AgentStop::Finished { message }))
            }
        };
        if let Some(warning) = self.repeats.warning() {
            observation.text.push_str(&warning);
        }
        self.report(call, &observation, self.toolbox.n_denied() - denied_before, started);
        Ok((observation, stop))
    }

    /// Tells those who watch about a call.
    fn report(&self, call: &ToolCall, observation: &Observation, n_denied: u64, started: Instant) {
        self.events.event(&Progress::ToolCalled {
            stage: self.task.stage.clone(),
            task: self.task.task.clone(),
            tool: one_line(&call.name, SUMMARY_CHARS),
            summary: one_line(&summary(call), SUMMARY_CHARS),
            ok: observation.ok,
            n_denied,
            millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
