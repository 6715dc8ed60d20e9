//! The OpenAI chat shape: our types to JSON, and hostile JSON to our types.
//!
//! Answers come from many servers that each bend the shape a little, so they are read field by field
//! and not by derive: a field that we can do without may be missing or of another type, a field that
//! we need gives an error with its path, and a field that we do not know is ignored. What is bent
//! in practice, and accepted: arguments as an object, a call without an id, content in parts, an
//! error object under status 200.
//!
//! Shape: <https://platform.openai.com/docs/api-reference/chat/create>.

use super::{ChatRequest, ChatResponse, FinishReason, Message, Role, ToolCall, ToolSpec, Usage};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use thiserror::Error;

/// The name of the field that limits the answer's tokens. It is part of what the digest covers, so
/// it stays the same whatever the endpoint calls it.
pub const MAX_TOKENS: &str = "max_tokens";

/// Why a body is not a chat completion.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The body is not JSON.
    #[error("it is not JSON: {reason}")]
    NotJson {
        /// What the parser said.
        reason: String,
    },

    /// A field that we need is missing.
    #[error("`{path}` is missing")]
    Missing {
        /// Where it should be.
        path: String,
    },

    /// A field that we need has another type.
    #[error("`{path}` is not {expected}")]
    WrongType {
        /// Where it is.
        path: String,
        /// What it should be.
        expected: &'static str,
    },

    /// The body reports an error, under a status of success.
    #[error("it reports an error: {message}")]
    Reported {
        /// The status in the error object, if it has one.
        status: Option<u16>,
        /// What it says.
        message: String,
    },
}

/// Returns `request` in the shape of the wire.
pub fn encode_request(request: &ChatRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), request.model.as_str().into());
    body.insert("messages".to_owned(), request.messages.iter().map(encode_message).collect());
    if !request.tools.is_empty() {
        body.insert("tools".to_owned(), request.tools.iter().map(encode_tool).collect());
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".to_owned(), temperature.into());
    }
    if let Some(max_tokens) = request.max_tokens {
        body.insert(MAX_TOKENS.to_owned(), max_tokens.into());
    }
    if let Some(seed) = request.seed {
        body.insert("seed".to_owned(), seed.into());
    }
    Value::Object(body)
}

/// Returns `message` in the shape of the wire.
pub fn encode_message(message: &Message) -> Value {
    let mut body = Map::new();
    body.insert("role".to_owned(), message.role.as_str().into());
    body.insert("content".to_owned(), message.content.as_deref().into());
    if !message.tool_calls.is_empty() {
        body.insert("tool_calls".to_owned(), message.tool_calls.iter().map(encode_call).collect());
    }
    if let Some(id) = &message.tool_call_id {
        body.insert("tool_call_id".to_owned(), id.as_str().into());
    }
    Value::Object(body)
}

/// Returns `tool` in the shape of the wire.
pub fn encode_tool(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        },
    })
}

fn encode_call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

/// Returns `response` in the shape of the wire, as a non-streamed completion.
pub fn encode_response(response: &ChatResponse) -> Value {
    let ChatResponse { message, reasoning, finish_reason, usage, model } = response;
    let mut message = encode_message(message);
    if let Some(reasoning) = reasoning {
        message["reasoning_content"] = reasoning.as_str().into();
    }
    json!({
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason.as_str()}],
        "usage": encode_usage(*usage),
    })
}

/// Returns `usage` in the shape of the wire.
pub fn encode_usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens(),
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    })
}

/// Reads a completion from the bytes of a body.
///
/// `turn` goes into the ids of calls that came without one, so that they differ within a
/// conversation.
///
/// # Errors
///
/// Returns a [`WireError`] if the bytes are not a completion that holds a message.
pub fn decode_body(body: &[u8], turn: u32) -> Result<ChatResponse, WireError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| WireError::NotJson { reason: error.to_string() })?;
    decode_response(&body, turn)
}

/// Reads a completion from JSON; see [`decode_body`].
///
/// # Errors
///
/// Returns a [`WireError`] if the value is not a completion that holds a message.
pub fn decode_response(body: &Value, turn: u32) -> Result<ChatResponse, WireError> {
    let Some(choices) = body.get("choices").filter(|choices| !choices.is_null()) else {
        return Err(reported_error(body).unwrap_or_else(|| missing("choices")));
    };
    let choices = choices.as_array().ok_or_else(|| wrong_type("choices", "an array"))?;
    let choice = choices.first().ok_or_else(|| missing("choices[0]"))?;
    let message = choice.get("message").ok_or_else(|| missing("choices[0].message"))?;
    let message =
        message.as_object().ok_or_else(|| wrong_type("choices[0].message", "an object"))?;

    let tool_calls = decode_calls(message.get("tool_calls"), turn)?;
    let finish_reason = match choice.get("finish_reason").and_then(Value::as_str) {
        Some(name) => FinishReason::from_name(name),
        None if tool_calls.is_empty() => FinishReason::Stop,
        None => FinishReason::ToolCalls,
    };
    Ok(ChatResponse {
        message: Message {
            role: Role::Assistant,
            content: decode_content(message)?,
            tool_calls,
            tool_call_id: None,
        },
        reasoning: first_text(message, &["reasoning_content", "reasoning"]),
        finish_reason,
        usage: decode_usage(body.get("usage")),
        model: body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}

/// Returns the message of an error body, in the shapes that endpoints use: an object under `error`,
/// a string under `error`, or a `message` or `detail` of its own.
pub fn error_message(body: &Value) -> Option<String> {
    let places = [
        body.pointer("/error/message"),
        body.get("error"),
        body.get("message"),
        body.get("detail"),
    ];
    places.into_iter().flatten().find_map(Value::as_str).map(str::to_owned)
}

/// Returns the code of an error body, for example `context_length_exceeded`.
pub fn error_code(body: &Value) -> Option<&str> {
    ["/error/code", "/error/type"].iter().find_map(|path| body.pointer(path)?.as_str())
}

fn reported_error(body: &Value) -> Option<WireError> {
    let error = body.get("error").filter(|error| !error.is_null())?;
    let status = error.get("code").and_then(Value::as_u64).and_then(|code| code.try_into().ok());
    let message = error_message(body).unwrap_or_else(|| error.to_string());
    Some(WireError::Reported { status, message })
}

/// Reads the text of a message: a string, null, or an array of parts of which the text parts count.
/// A refusal stands in for a text that is absent.
fn decode_content(message: &Map<String, Value>) -> Result<Option<String>, WireError> {
    match message.get("content") {
        None | Some(Value::Null) => Ok(first_text(message, &["refusal"])),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Array(parts)) => {
            Ok(Some(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()))
        }
        Some(_) => Err(wrong_type("choices[0].message.content", "text")),
    }
}

fn first_text(message: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names
        .iter()
        .filter_map(|name| message.get(*name)?.as_str())
        .find(|text| !text.is_empty())
        .map(str::to_owned)
}

fn decode_calls(calls: Option<&Value>, turn: u32) -> Result<Vec<ToolCall>, WireError> {
    let path = "choices[0].message.tool_calls";
    let calls = match calls {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(calls) => calls.as_array().ok_or_else(|| wrong_type(path, "an array"))?,
    };
    let mut ids = BTreeSet::new();
    calls
        .iter()
        .enumerate()
        .map(|(call_idx, call)| {
            let mut call = decode_call(call, &format!("{path}[{call_idx}]"))?;
            if call.id.is_empty() || ids.contains(&call.id) {
                call.id = format!("call_{turn}_{call_idx}");
            }
            ids.insert(call.id.clone());
            Ok(call)
        })
        .collect()
}

fn decode_call(call: &Value, path: &str) -> Result<ToolCall, WireError> {
    let function = call.get("function").ok_or_else(|| missing(format!("{path}.function")))?;
    let name = function.get("name").ok_or_else(|| missing(format!("{path}.function.name")))?;
    let name =
        name.as_str().ok_or_else(|| wrong_type(format!("{path}.function.name"), "a string"))?;
    let arguments = match function.get("arguments") {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let id = call.get("id").and_then(Value::as_str).unwrap_or_default();
    Ok(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments })
}

/// Reads what an answer cost. Endpoints that do not count leave it out, so nothing here is an error.
fn decode_usage(usage: Option<&Value>) -> Usage {
    let count = |path: &str| usage.and_then(|usage| usage.pointer(path)?.as_u64());
    Usage {
        prompt_tokens: count("/prompt_tokens").unwrap_or(0),
        completion_tokens: count("/completion_tokens").unwrap_or(0),
        cached_tokens: count("/prompt_tokens_details/cached_tokens")
            .or_else(|| count("/prompt_cache_hit_tokens"))
            .unwrap_or(0),
    }
}

fn missing(path: impl Into<String>) -> WireError {
    WireError::Missing { path: path.into() }
}

fn wrong_type(path: impl Into<String>, expected: &'static str) -> WireError {
    WireError::WrongType { path: path.into(), expected }
}
