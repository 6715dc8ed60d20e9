//! The record of an attempt: every message, call, observation and cost, as ATIF.

use serde_json::Value;

use super::{AgentStop, AgentTask, calls::Call, tools::MAX_ARGUMENT_BYTES};
use crate::{
    atif::{Trajectory, TrajectoryBuilder},
    model::{ChatRequest, ChatResponse, ToolCall},
};

/// A trajectory in the making.
#[derive(Debug)]
pub(super) struct Trace {
    builder: TrajectoryBuilder,
}

impl Trace {
    /// Starts with the messages and tools of the first request.
    pub(super) fn start(task: &AgentTask, request: &ChatRequest) -> Trace {
        let name = format!("playpen-{}", task.role);
        let mut builder = TrajectoryBuilder::new(name, task.model_name.as_str(), &request.tools);
        builder.extra("stage", task.stage.as_str());
        builder.extra("task", task.task.clone().map_or(Value::Null, Value::from));
        builder.extra("attempt", task.attempt);
        builder.system(task.system_prompt.as_str());
        builder.user(task.user_prompt.as_str());
        Trace { builder }
    }

    /// Adds an answer of the model, whose calls are `calls`.
    pub(super) fn agent_step(&mut self, response: &ChatResponse, calls: &[Call]) {
        let mut response = response.clone();
        response.message.tool_calls = calls.iter().map(recorded).collect();
        self.builder.agent(&response);
    }

    /// Adds a message that the loop itself sends to the model.
    pub(super) fn user_step(&mut self, text: &str) {
        self.builder.user(text);
    }

    /// Adds the answer to a call of the last step.
    pub(super) fn observation(&mut self, call_id: &str, text: &str) {
        self.builder.observe(Some(call_id), text);
    }

    /// Adds how the attempt ended.
    pub(super) fn finish(mut self, stop: &AgentStop) -> Trajectory {
        self.builder.extra("stop", stop.name());
        self.builder
            .finish()
            .expect("there are two steps from the start, and each result names a call of its step")
    }
}

/// Returns a call as it is kept: with the id of the conversation and the arguments of the model.
fn recorded(call: &Call) -> ToolCall {
    let is_endless = call.original.arguments.len() > MAX_ARGUMENT_BYTES;
    let arguments = if is_endless { &call.echo.arguments } else { &call.original.arguments };
    ToolCall {
        id: call.echo.id.clone(),
        name: call.echo.name.clone(),
        arguments: arguments.clone(),
    }
}
