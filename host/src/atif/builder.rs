//! A trajectory in the making: steps are numbered, results find their calls, totals are kept.

use super::{
    Agent, Extra, FinalMetrics, InvalidTrajectory, Metrics, Observation, ObservationResult,
    SCHEMA_VERSION, Source, Step, ToolCall, Trajectory,
};
use crate::model::{ChatResponse, FinishReason, ToolCall as ModelCall, ToolSpec, Usage, wire};
use jiff::Timestamp;
use serde_json::Value;

/// Where a call's arguments are kept if they are not a JSON object.
pub(crate) const RAW_ARGUMENTS: &str = "raw_arguments";

/// Builds a [`Trajectory`] as a conversation goes on.
///
/// # Examples
///
/// ```
/// use playpen::{
///     atif::TrajectoryBuilder,
///     model::{ChatResponse, FinishReason, Message, ToolCall, Usage},
/// };
///
/// let call = ToolCall {
///     id: "call_1".to_owned(),
///     name: "bash".to_owned(),
///     arguments: r#"{"command": "ls"}"#.to_owned(),
/// };
/// let response = ChatResponse {
///     message: Message::assistant_calls(None, vec![call]),
///     reasoning: None,
///     finish_reason: FinishReason::ToolCalls,
///     usage: Usage { prompt_tokens: 10, completion_tokens: 2, cached_tokens: 0 },
///     model: "m".to_owned(),
/// };
///
/// let mut builder = TrajectoryBuilder::new("playpen-implementer", "m", &[]);
/// builder.system("You write code.");
/// builder.user("List the files.");
/// builder.agent(&response);
/// builder.observe(Some("call_1"), "a.py\n");
/// let trajectory = builder.finish()?;
/// assert_eq!(trajectory.steps.len(), 3);
/// # Ok::<(), playpen::atif::InvalidTrajectory>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrajectoryBuilder {
    trajectory: Trajectory,
    usage: Usage,
}

impl TrajectoryBuilder {
    /// Starts the trajectory of the agent `name`, run by this version of this program, with the model
    /// `model_name` and `tools`.
    pub fn new(name: impl Into<String>, model_name: impl Into<String>, tools: &[ToolSpec]) -> Self {
        let tool_definitions: Vec<Value> = tools.iter().map(wire::encode_tool).collect();
        let agent = Agent {
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model_name: Some(model_name.into()),
            tool_definitions: Some(tool_definitions).filter(|tools| !tools.is_empty()),
            extra: None,
        };
        let trajectory = Trajectory {
            schema_version: SCHEMA_VERSION.to_owned(),
            session_id: None,
            trajectory_id: None,
            agent,
            steps: Vec::new(),
            notes: None,
            final_metrics: None,
            continued_trajectory_ref: None,
            extra: None,
            subagent_trajectories: None,
        };
        Self { trajectory, usage: Usage::default() }
    }

    /// Says which run the trajectory belongs to, and its own id.
    pub fn ids(&mut self, session_id: impl Into<String>, trajectory_id: impl Into<String>) {
        self.trajectory.session_id = Some(session_id.into());
        self.trajectory.trajectory_id = Some(trajectory_id.into());
    }

    /// Adds a remark for people; a second one goes on a line of its own.
    pub fn note(&mut self, text: &str) {
        match &mut self.trajectory.notes {
            Some(notes) => {
                notes.push('\n');
                notes.push_str(text);
            }
            notes => *notes = Some(text.to_owned()),
        }
    }

    /// Adds a field of our own to the trajectory.
    pub fn extra(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let extra = self.trajectory.extra.get_or_insert_default();
        extra.insert(name.into(), value.into());
    }

    /// Adds a field of our own to the last step, if there is one.
    pub fn step_extra(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        if let Some(step) = self.trajectory.steps.last_mut() {
            step.extra.get_or_insert_default().insert(name.into(), value.into());
        }
    }

    /// Says when the last step happened. Without it a step has no time, and equal runs give equal
    /// bytes.
    pub fn at(&mut self, time: Timestamp) {
        if let Some(step) = self.trajectory.steps.last_mut() {
            step.timestamp = Some(time.to_string());
        }
    }

    /// Adds the instructions that frame the conversation.
    pub fn system(&mut self, message: impl Into<String>) {
        self.push(Source::System, message.into());
    }

    /// Adds a message to the agent.
    pub fn user(&mut self, message: impl Into<String>) {
        self.push(Source::User, message.into());
    }

    /// Adds an answer of the model.
    ///
    /// Arguments that are not a JSON object, which the format demands, are kept as text under
    /// `extra.raw_arguments` of their call. So is a finish reason other than the usual two.
    pub fn agent(&mut self, response: &ChatResponse) {
        let ChatResponse { message, reasoning, finish_reason, usage, model } = response;
        self.usage += *usage;
        let differs = Some(model) != self.trajectory.agent.model_name.as_ref();
        let calls: Vec<ToolCall> = message.tool_calls.iter().map(tool_call).collect();
        let step = self.push(Source::Agent, message.content.clone().unwrap_or_default());
        step.model_name = Some(model.clone()).filter(|model| differs && !model.is_empty());
        step.reasoning_content.clone_from(reasoning);
        step.tool_calls = Some(calls).filter(|calls| !calls.is_empty());
        step.metrics = Some(Metrics {
            prompt_tokens: Some(usage.prompt_tokens),
            completion_tokens: Some(usage.completion_tokens),
            cached_tokens: Some(usage.cached_tokens),
            ..Metrics::default()
        });
        step.llm_call_count = Some(1);
        if !matches!(finish_reason, FinishReason::Stop | FinishReason::ToolCalls) {
            self.step_extra("finish_reason", finish_reason.as_str());
        }
    }

    /// Adds a result to the last step: the answer to one of its calls, or, without an id, something
    /// else that the agent saw.
    pub fn observe(&mut self, source_call_id: Option<&str>, content: impl Into<String>) {
        let result = ObservationResult {
            source_call_id: source_call_id.map(str::to_owned),
            content: Some(content.into()),
            ..ObservationResult::default()
        };
        self.observe_result(result);
    }

    /// Adds a result with fields of its own to the last step.
    pub fn observe_result(&mut self, result: ObservationResult) {
        if let Some(step) = self.trajectory.steps.last_mut() {
            step.observation.get_or_insert_with(Observation::default).results.push(result);
        }
    }

    /// Returns the tokens of all answers so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Returns the number of steps so far.
    pub fn n_steps(&self) -> usize {
        self.trajectory.steps.len()
    }

    /// Adds the totals and checks the whole.
    ///
    /// # Errors
    ///
    /// Returns an [`InvalidTrajectory`] if there are no steps, or a result names a call that its step
    /// does not have.
    pub fn finish(mut self) -> Result<Trajectory, InvalidTrajectory> {
        self.trajectory.final_metrics = Some(FinalMetrics {
            total_prompt_tokens: Some(self.usage.prompt_tokens),
            total_completion_tokens: Some(self.usage.completion_tokens),
            total_cached_tokens: Some(self.usage.cached_tokens),
            total_steps: Some(self.trajectory.steps.len() as u64),
            ..FinalMetrics::default()
        });
        self.trajectory.validate()?;
        Ok(self.trajectory)
    }

    fn push(&mut self, source: Source, message: String) -> &mut Step {
        let steps = &mut self.trajectory.steps;
        steps.push(Step {
            step_id: steps.len() as u64 + 1,
            timestamp: None,
            source,
            model_name: None,
            reasoning_effort: None,
            message,
            reasoning_content: None,
            tool_calls: None,
            observation: None,
            metrics: None,
            llm_call_count: None,
            is_copied_context: None,
            extra: None,
        });
        steps.last_mut().expect("a step was pushed on the line above")
    }
}

fn tool_call(call: &ModelCall) -> ToolCall {
    let arguments = serde_json::from_str(&call.arguments);
    let extra = arguments.is_err().then(|| {
        Extra::from_iter([(RAW_ARGUMENTS.to_owned(), Value::from(call.arguments.as_str()))])
    });
    ToolCall {
        tool_call_id: call.id.clone(),
        function_name: call.name.clone(),
        arguments: arguments.unwrap_or_default(),
        extra,
    }
}
