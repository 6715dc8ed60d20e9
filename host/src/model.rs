//! The language model, as the pipeline sees it.
//!
//! A stage asks through the trait [`ChatModel`] and knows neither HTTP nor files. Three
//! implementations exist, and the second and third wrap or replace the first:
//!
//! ```text
//!   stage ──► Recorder ──► OpenAiClient ──► endpoint       --record DIR
//!   stage ──► OpenAiClient ──► endpoint
//!   stage ──► Replayer ──► DIR                             --replay DIR
//! ```
//!
//! # Invariants
//!
//! * **A request is its meaning.** [`ChatRequest`] holds what the answer depends on, and its
//!   [`RequestDigest`] covers all of it but the times that tools printed, which differ from run to run. A
//!   [`Purpose`] says who asks; it travels in headers, for the scripted server and for logs, and is no part
//!   of the digest.
//! * **Arguments of a tool call stay a string**, exactly as the model wrote them. Whether they are
//!   JSON is for the tool to find out and to tell the model.
//! * **No key is ever printed.** Keys live in a [`Secret`]; an endpoint is shown without user name,
//!   password and query.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::{fmt, ops::AddAssign, sync::Arc};

mod cassette;
mod digest;
mod error;
mod openai;
mod record;
mod replay;
mod retry;
mod secret;
#[cfg(test)]
mod tests;
mod times;
pub mod wire;

pub use cassette::CassetteError;
pub use digest::{RequestDigest, canonical_json};
pub use error::{FirstDifference, ModelError, ReplayMiss};
pub use openai::{ClientConfig, ClientError, OpenAiClient, TokenLimitField};
pub use record::Recorder;
pub use replay::Replayer;
pub use retry::RetryPolicy;
pub use secret::Secret;

/// A model that answers chat requests.
///
/// The future is boxed so that a stage can hold any model as `&dyn ChatModel`.
pub trait ChatModel: Send + Sync + fmt::Debug {
    /// Asks the model for the next message of a conversation.
    ///
    /// # Errors
    ///
    /// Returns a [`ModelError`] after the implementation has tried what it can: a caller that asks
    /// again at once gains nothing.
    fn chat<'a>(
        &'a self,
        purpose: &'a Purpose,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>>;
}

impl<M: ChatModel + ?Sized> ChatModel for Arc<M> {
    fn chat<'a>(
        &'a self,
        purpose: &'a Purpose,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        (**self).chat(purpose, request)
    }
}

/// Who asks, and where in the run: sent as headers, logged, and no part of the request's digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purpose {
    /// The stage that asks, for example `propose.projects` or `implementer`.
    pub stage: String,
    /// The task that it concerns, for example `1.2.3`.
    pub task: Option<String>,
    /// Which request of the conversation this is, counted from 1.
    pub turn: u32,
    /// Which attempt at the task this is, counted from 1.
    pub attempt: u32,
}

impl Purpose {
    /// Creates the purpose of the first request of the first attempt of `stage`, with no task.
    pub fn new(stage: impl Into<String>) -> Self {
        Self { stage: stage.into(), task: None, turn: 1, attempt: 1 }
    }
}

/// A request for the next message of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// The model's name, as the endpoint knows it.
    pub model: String,
    /// The conversation so far, oldest message first.
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    pub tools: Vec<ToolSpec>,
    /// The sampling temperature; the endpoint's default if absent.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens; the endpoint's default if absent.
    pub max_tokens: Option<u32>,
    /// The seed of the sampling, for endpoints that honor one.
    pub seed: Option<u64>,
}

impl ChatRequest {
    /// Returns the digest of the request's meaning, of which the times that tools printed are no part.
    pub fn digest(&self) -> RequestDigest {
        RequestDigest::of_request(&wire::encode_request(self))
    }
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The instructions that frame the conversation.
    System,
    /// The person, or the program in the person's place.
    User,
    /// The model.
    Assistant,
    /// A tool, with the result of a call.
    Tool,
}

impl Role {
    /// Returns the role's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// Its text. The model may write none when it calls tools.
    pub content: Option<String>,
    /// The calls that the model makes; empty for every other role.
    pub tool_calls: Vec<ToolCall>,
    /// The call that this message answers; present for [`Role::Tool`] only.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// Creates a system message.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text.into())
    }

    /// Creates a user message.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text.into())
    }

    /// Creates a message of the model that calls no tools.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text.into())
    }

    /// Creates a message of the model that calls tools.
    pub fn assistant_calls(content: Option<String>, tool_calls: Vec<ToolCall>) -> Self {
        Self { role: Role::Assistant, content, tool_calls, tool_call_id: None }
    }

    /// Creates the result of the tool call `tool_call_id`.
    pub fn tool(tool_call_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::text(Role::Tool, text.into()) }
    }

    fn text(role: Role, text: String) -> Self {
        Self { role, content: Some(text), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A call of a tool, as the model wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The call's id, unique within its message.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: JSON text if the model kept to the rules, anything if it did not.
    pub arguments: String,
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// The tool's name.
    pub name: String,
    /// What the tool does, for the model to read.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// The answer to a [`ChatRequest`].
#[derive(Clone, Debug, PartialEq)]
pub struct ChatResponse {
    /// The message; its role is always [`Role::Assistant`].
    pub message: Message,
    /// The model's thoughts, where the endpoint returns them apart from the message.
    pub reasoning: Option<String>,
    /// Why the model stopped.
    pub finish_reason: FinishReason,
    /// What the answer cost.
    pub usage: Usage,
    /// The name of the model that answered, which may be more exact than the one asked for.
    pub model: String,
}

/// Why a model stopped writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It met the token limit: the message is cut, and so may be the arguments of its last call.
    Length,
    /// It wants its tool calls answered.
    ToolCalls,
    /// The endpoint withheld the rest.
    ContentFilter,
    /// A reason that this program does not know.
    Other(String),
}

impl FinishReason {
    /// Returns the reason that the wire calls `name`.
    pub fn from_name(name: &str) -> Self {
        match name {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Returns the reason's name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(name) => name,
        }
    }
}

/// The tokens that an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// Tokens read that the endpoint had in its cache.
    pub cached_tokens: u64,
}

impl Usage {
    /// Returns the tokens read and written.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
    }
}
