//! One question to the model, until its answer is whole and makes sense.
//!
//! ```text
//!   ask ──► cut? ──yes──► go on from here ──┐
//!    ▲        │no          (bounded)        │ joined
//!    │        ▼ ◄───────────────────────────┘
//!    │      reader ──► value
//!    │        │ problems
//!    └── repair (bounded)
//! ```
//!
//! A repaired or continued answer stands in the conversation as if it had been given at once.

use super::{
    ProposeConfig, ProposeError, Spent, answer,
    prompts::{ContinuePrompt, RepairPrompt},
};
use crate::{
    context::Context,
    model::{ChatRequest, FinishReason, Message, Purpose},
    progress::{Progress, ProgressSink},
};
use serde::Serialize;

/// The longest answer that is put together, in bytes. Answers a model that never stops.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Continuations after answers that stop in the middle although the model says that it is done. More
/// would be spent on answers that are broken and not cut.
const MAX_STOPPED_CONTINUATIONS: u32 = 2;
/// The end of an answer that the model is shown when it is asked to go on, in characters.
const TAIL_CHARS: usize = 300;
/// The most problems that a repair lists.
const MAX_PROBLEMS: usize = 20;

/// What all questions of a run share.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) ctx: &'a Context,
    pub(super) config: &'a ProposeConfig,
    pub(super) events: &'a dyn ProgressSink,
    pub(super) spent: Spent,
}

/// A question that is being asked.
#[derive(Debug)]
pub(super) struct Question<'d, 'a> {
    desk: &'d mut Desk<'a>,
    stage: &'static str,
    task: Option<String>,
    messages: Vec<Message>,
    n_repairs: u32,
}

/// What a reader says of an answer that cannot be used.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What is wrong.
    pub(super) problems: Vec<String>,
    /// What is wanted instead, as a sentence.
    pub(super) wanted: String,
}

impl<'a> Desk<'a> {
    /// Starts a question with the two prompts of `template`.
    pub(super) fn question<'d>(
        &'d mut self,
        stage: &'static str,
        template: &str,
        task: Option<String>,
        variables: &impl Serialize,
    ) -> Result<Question<'d, 'a>, ProposeError> {
        let render = |name: String| {
            let prompt = self.ctx.prompts.render(&name, variables);
            prompt.map_err(|source| ProposeError::Prompt { stage, source })
        };
        let messages = vec![
            Message::system(render(format!("{template}.system"))?),
            Message::user(render(format!("{template}.user"))?),
        ];
        Ok(Question { desk: self, stage, task, messages, n_repairs: 0 })
    }
}

impl Question<'_, '_> {
    /// Asks until `read` takes the answer or the repairs are used up.
    pub(super) async fn answer<T>(
        &mut self,
        mut read: impl FnMut(&str) -> Result<T, Refusal>,
    ) -> Result<T, ProposeError> {
        loop {
            let text = self.whole_answer().await?;
            let refusal = match read(&text) {
                Ok(value) => return Ok(value),
                Err(refusal) => refusal,
            };
            self.report(false, &refusal.problems.join("; "));
            if self.n_repairs >= self.desk.config.max_repairs {
                let n_asked = self.n_repairs + 1;
                return Err(ProposeError::Unusable {
                    stage: self.stage,
                    n_asked,
                    problems: refusal.problems,
                });
            }
            self.add_repair(text, refusal)?;
        }
    }

    /// Asks once and has the answer continued until it is whole, or may not be continued any more.
    async fn whole_answer(&mut self) -> Result<String, ProposeError> {
        let mut whole = String::new();
        let mut n_stopped = 0;
        for n_asked in 0..=self.desk.config.max_continuations {
            let messages =
                if n_asked == 0 { self.messages.clone() } else { self.continuation(&whole)? };
            let (text, finish) = self.ask(messages).await?;
            whole = if n_asked == 0 { text } else { answer::joined(&whole, &text) };
            let is_cut = finish == FinishReason::Length || answer::is_cut(&whole);
            n_stopped += u32::from(finish != FinishReason::Length);
            if !is_cut || n_stopped > MAX_STOPPED_CONTINUATIONS || whole.len() > MAX_ANSWER_BYTES {
                break;
            }
        }
        Ok(whole)
    }

    async fn ask(
        &mut self,
        messages: Vec<Message>,
    ) -> Result<(String, FinishReason), ProposeError> {
        let config = self.desk.config;
        let n_answers =
            messages.iter().filter(|message| message.role == crate::model::Role::Assistant).count();
        let purpose = Purpose {
            stage: self.stage.to_owned(),
            task: self.task.clone(),
            turn: u32::try_from(n_answers).unwrap_or(u32::MAX).saturating_add(1),
            attempt: 1,
        };
        let request = ChatRequest {
            model: config.model_name.clone(),
            messages,
            tools: Vec::new(),
            temperature: config.temperature,
            max_tokens: config.max_tokens,
            seed: config.sampling_seed,
        };
        let stage = self.stage;
        let response = self.desk.ctx.model.chat(&purpose, &request).await;
        let response = response.map_err(|source| ProposeError::Model { stage, source })?;
        self.desk.spent.add(1, response.usage);
        self.desk.events.event(&Progress::ModelCalled {
            stage: stage.to_owned(),
            task: self.task.clone(),
            turn: purpose.turn,
            prompt_tokens: response.usage.prompt_tokens,
            completion_tokens: response.usage.completion_tokens,
        });
        if response.finish_reason == FinishReason::ContentFilter {
            return Err(ProposeError::Withheld { stage });
        }
        Ok((response.message.content.unwrap_or_default(), response.finish_reason))
    }

    /// Returns the conversation that asks to go on after `whole`.
    fn continuation(&self, whole: &str) -> Result<Vec<Message>, ProposeError> {
        let n_skipped = whole.chars().count().saturating_sub(TAIL_CHARS);
        let prompt = ContinuePrompt { tail: whole.chars().skip(n_skipped).collect() };
        let text = self.render("propose/tasks-continue.user", &prompt)?;
        let mut messages = self.messages.clone();
        messages.extend([Message::assistant(whole), Message::user(text)]);
        Ok(messages)
    }

    fn add_repair(&mut self, text: String, refusal: Refusal) -> Result<(), ProposeError> {
        let mut problems = refusal.problems;
        problems.truncate(MAX_PROBLEMS);
        let prompt = RepairPrompt { problems, wanted: refusal.wanted };
        let repair = self.render("propose/repair.user", &prompt)?;
        self.messages.extend([Message::assistant(text), Message::user(repair)]);
        self.n_repairs += 1;
        Ok(())
    }

    fn render(&self, name: &str, variables: &impl Serialize) -> Result<String, ProposeError> {
        let prompt = self.desk.ctx.prompts.render(name, variables);
        prompt.map_err(|source| ProposeError::Prompt { stage: self.stage, source })
    }

    fn report(&self, ok: bool, summary: &str) {
        self.desk.events.event(&Progress::AttemptFinished {
            stage: self.stage.to_owned(),
            task: self.task.clone(),
            attempt: self.n_repairs + 1,
            ok,
            summary: summary.chars().take(200).collect(),
        });
    }
}
