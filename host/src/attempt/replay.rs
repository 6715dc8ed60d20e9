//! An attempt once more, without its model: the recorded answers in a fresh sandbox, compared event by event.
//!
//! The answers come from the trajectory, and everything else happens again: the files that the agent was given
//! are taken out of the run's trees, its calls are carried out by the same loop in a sandbox with the same rules,
//! and what comes of them is held against the record. Every event and the files at the end must be the same.
//! What a tool printed may tell a time, so a difference there is reported and counted apart.

use futures_util::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use playpen_runtime::SandboxError;
use serde::Serialize;
use std::{collections::VecDeque, path::Path, sync::Arc};
use thiserror::Error;

use crate::{
    agent::{AgentTask, WORKSPACE, open_sandbox, run_agent},
    atif::{RAW_ARGUMENTS, Source, Step, Trajectory},
    context::Context,
    model::{
        ChatModel, ChatRequest, ChatResponse, FinishReason, Message, ModelError, Purpose, ToolCall,
        Usage,
    },
    progress::Silent,
    record::{AttemptAudit, AttemptRecord, RecordError, digest_of, read_attempt, store_of},
};

/// Characters of an observation or an event that a difference shows.
const MAX_SHOWN_CHARS: usize = 400;

/// What came of an attempt that was made once more.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replayed {
    /// Tool calls that were carried out.
    pub n_calls: u64,
    /// Events of the record.
    pub n_events: usize,
    /// What must be the same and is not.
    pub differences: Vec<Difference>,
    /// What tools printed, where that is not what they printed before.
    pub observations: Vec<Difference>,
}

impl Replayed {
    /// Returns whether every event and all files were the same.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Something that differs between an attempt and its repetition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about: `event 12`, `files`, `step 4`.
    pub what: String,
    /// What the record says.
    pub was: String,
    /// What came of it now.
    pub is: String,
}

impl Difference {
    /// Compares two texts; shows them from where they part.
    fn between(what: impl Into<String>, was: &str, is: &str) -> Option<Difference> {
        if was == is {
            return None;
        }
        let n_common = was.chars().zip(is.chars()).take_while(|(was, is)| was == is).count();
        let from = n_common.saturating_sub(MAX_SHOWN_CHARS / 4);
        let shown = |text: &str| -> String {
            let dots = if from > 0 { "..." } else { "" };
            dots.chars().chain(text.chars().skip(from).take(MAX_SHOWN_CHARS)).collect()
        };
        Some(Difference { what: what.into(), was: shown(was), is: shown(is) })
    }
}

/// Why an attempt could not be made once more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The record is of another image, in which other programs may do other things.
    #[error("the attempt was made in the image `{was}`, and this one is `{is}`")]
    Image {
        /// The digest in the record.
        was: String,
        /// The digest of the image that is open.
        is: String,
    },
    /// The sandbox could not be made.
    #[error("failed to make the sandbox of an attempt")]
    Sandbox(#[from] SandboxError),
}

/// Makes the attempt in `folder` once more, and compares.
///
/// # Errors
///
/// Fails if the record cannot be read, is of another image, or if the sandbox cannot be made.
pub async fn replay(ctx: &Context, folder: &Path) -> Result<Replayed, ReplayError> {
    let stored = read_attempt(folder)?;
    let image = ctx.image.digest();
    if stored.image != image {
        return Err(ReplayError::Image { was: stored.image, is: image.to_owned() });
    }
    let record = AttemptRecord::open(folder.to_owned());
    let trajectory = record.read_trajectory()?;
    let model = RecordedModel::new(&trajectory);
    let base = store_of(folder).get_start(record.read_start()?)?;
    let audit = Arc::new(AttemptAudit::default());
    let sandbox = open_sandbox(ctx, base.clone(), &stored.policy.policy(), Some(audit.clone()))?;
    let message = |idx: usize| trajectory.steps.get(idx).map(|step| step.message.clone());
    let task = AgentTask {
        role: stored.role,
        stage: stored.stage,
        task: stored.task,
        attempt: stored.attempt,
        system_prompt: message(0).unwrap_or_default(),
        user_prompt: message(1).unwrap_or_default(),
        model_name: trajectory.agent.model_name.clone().unwrap_or_default(),
        temperature: None,
        max_tokens: None,
        seed: None,
    };
    let budget = stored.budget.budget();
    let run = run_agent(&model, task, &sandbox, &budget, &Silent).await;
    let result = sandbox.tree(WORKSPACE).unwrap_or(base);

    let (was, is) = (record.read_audit()?, audit.lines().0);
    let mut differences = events(&was, &is);
    let files = digest_of(&result, |name| name != ".git");
    differences.extend(Difference::between("files", &stored.result, &files));
    Ok(Replayed {
        n_calls: run.n_tool_calls,
        n_events: lines(&was).len(),
        differences,
        observations: observations(&trajectory, &run.trajectory),
    })
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
}

/// Compares events: the first that differs, and their number.
fn events(was: &[u8], is: &[u8]) -> Vec<Difference> {
    let (was, is) = (lines(was), lines(is));
    let first = was.iter().zip(&is).position(|(was, is)| was != is).and_then(|idx| {
        let [was, is] = [was[idx], is[idx]].map(String::from_utf8_lossy);
        Difference::between(format!("event {idx}"), &was, &is)
    });
    let [n_was, n_is] = [was.len(), is.len()].map(|n| n.to_string());
    first.into_iter().chain(Difference::between("number of events", &n_was, &n_is)).collect()
}

/// Compares what the tools of each step printed.
fn observations(was: &Trajectory, is: &Trajectory) -> Vec<Difference> {
    let printed = |step: &Step| -> Vec<String> {
        let results = step.observation.iter().flat_map(|observation| &observation.results);
        results.map(|result| result.content.clone().unwrap_or_default()).collect()
    };
    let mut found = vec![];
    for (was, is) in was.steps.iter().zip(&is.steps) {
        let what = format!("step {}", was.step_id);
        let (was, is) = (printed(was), printed(is));
        let pairs = was.iter().zip(&is);
        found.extend(pairs.filter_map(|(was, is)| Difference::between(&*what, was, is)));
    }
    found
}

/// A model that says what a trajectory says that it said, whatever it is asked.
#[derive(Debug)]
struct RecordedModel {
    answers: Mutex<VecDeque<ChatResponse>>,
}

impl RecordedModel {
    fn new(trajectory: &Trajectory) -> RecordedModel {
        let name = trajectory.agent.model_name.as_deref().unwrap_or_default();
        let steps = trajectory.steps.iter().filter(|step| step.source == Source::Agent);
        RecordedModel { answers: Mutex::new(steps.map(|step| answer(step, name)).collect()) }
    }
}

impl ChatModel for RecordedModel {
    fn chat<'a>(
        &'a self,
        _purpose: &'a Purpose,
        _request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        let answer = self.answers.lock().pop_front().ok_or(ModelError::NoAnswer);
        std::future::ready(answer).boxed()
    }
}

/// Returns the answer that a step was made of.
fn answer(step: &Step, model: &str) -> ChatResponse {
    let calls: Vec<ToolCall> = step.tool_calls.iter().flatten().map(call).collect();
    let reason = step.extra.as_ref().and_then(|extra| extra.get("finish_reason")?.as_str());
    let usual = if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
    let metrics = step.metrics.clone().unwrap_or_default();
    ChatResponse {
        message: Message::assistant_calls(Some(step.message.clone()), calls),
        reasoning: step.reasoning_content.clone(),
        finish_reason: reason.map_or(usual, FinishReason::from_name),
        usage: Usage {
            prompt_tokens: metrics.prompt_tokens.unwrap_or(0),
            completion_tokens: metrics.completion_tokens.unwrap_or(0),
            cached_tokens: metrics.cached_tokens.unwrap_or(0),
        },
        model: step.model_name.as_deref().unwrap_or(model).to_owned(),
    }
}

fn call(call: &crate::atif::ToolCall) -> ToolCall {
    let raw = call.extra.as_ref().and_then(|extra| extra.get(RAW_ARGUMENTS)?.as_str());
    let arguments = || serde_json::to_string(&call.arguments).expect("texts are JSON");
    ToolCall {
        id: call.tool_call_id.clone(),
        name: call.function_name.clone(),
        arguments: raw.map_or_else(arguments, str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, events};

    #[test]
    fn the_first_event_that_differs_is_named() {
        let found = events(b"{\"a\":1}\n{\"b\":2}\n", b"{\"a\":1}\n{\"b\":3}\n{\"c\":4}\n");
        let difference = |what: &str, was: &str, is: &str| {
            let [what, was, is] = [what, was, is].map(str::to_owned);
            Difference { what, was, is }
        };
        assert_eq!(
            found,
            [
                difference("event 1", "{\"b\":2}", "{\"b\":3}"),
                difference("number of events", "2", "3")
            ]
        );
        assert_eq!(events(b"x\n", b"x\n"), []);
    }

    #[test]
    fn long_texts_are_shown_from_where_they_part() {
        let long = "x".repeat(1000);
        let found =
            Difference::between("step 1", &format!("{long}a"), &format!("{long}b")).unwrap();
        assert!(found.was.starts_with("...x") && found.was.ends_with("xa"), "{}", found.was);
        assert_eq!(found.was.len(), 104);
    }
}
