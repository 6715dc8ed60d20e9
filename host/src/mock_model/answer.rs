//! The bytes of an answer: a completion as one JSON object or as a stream of chunks, an error, and
//! what the faults make of them.

use super::{
    script::{Fault, Reply, Script},
    select::{Asked, Miss, Nearest},
};
use crate::model::{ChatResponse, FinishReason, Message, Usage, wire};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{fmt::Write as _, time::Duration};

/// How many characters of text a streamed chunk carries.
const CHUNK_CHARS: usize = 48;
/// How many bytes count as a token in an estimate.
const BYTES_PER_TOKEN: u64 = 4;

/// What to send, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) retry_after: Option<String>,
    pub(super) delay: Duration,
    pub(super) body: Body,
}

/// How the body is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// All of it.
    Whole(Bytes),
    /// The first half, and then the connection is closed.
    Cut(Bytes),
    /// None of it, ever.
    Never,
}

/// A request for a completion, as far as the form of the answer depends on it.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// The bytes of the conversation, for the estimate of its tokens.
    pub(super) n_prompt_bytes: usize,
}

impl Answer {
    /// Returns an answer of JSON.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            retry_after: None,
            delay: Duration::ZERO,
            body: Body::Whole(body.to_string().into()),
        }
    }

    /// Returns an error in OpenAI's shape.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
        let error = json!({"message": message, "type": kind, "code": code, "param": null});
        Self::json(status, &json!({"error": error}))
    }
}

/// Returns the answer to a request that an entry matched.
pub(super) fn answer(
    form: &Form,
    asked: &Asked,
    reply: Option<&Reply>,
    fault: Option<&Fault>,
) -> Answer {
    if let Some(Fault::Status { status, retry_after, message }) = fault {
        let code = if *status == 429 { "rate_limit_exceeded" } else { "scripted_fault" };
        let mut answer = Answer::error(*status, code, message);
        answer.retry_after.clone_from(retry_after);
        return answer;
    }
    let mut response = match reply {
        Some(reply) => response(form, asked, reply),
        None => empty_response(form),
    };
    if matches!(fault, Some(Fault::Truncated)) {
        truncate(&mut response);
    }
    let text = if form.stream {
        stream_text(&response, form.include_usage)
    } else {
        completion(&response).to_string()
    };
    Answer {
        status: 200,
        content_type: if form.stream { "text/event-stream" } else { "application/json" },
        retry_after: None,
        delay: delay(reply, fault),
        body: body(text, fault),
    }
}

/// Returns the answer to a request that no entry matched: an error that says what came nearest.
pub(super) fn miss(script: &Script, asked: &Asked, miss: &Miss) -> Answer {
    let Asked { stage, task, attempt, turn, .. } = asked;
    let show =
        |value: Option<String>| value.map_or("absent".to_owned(), |text| format!("`{text}`"));
    let mut message = format!(
        "no entry of `{}` answers stage {}, task {}, attempt {}, turn `{turn}`",
        script.name,
        show(stage.clone()),
        show(task.clone()),
        show(attempt.map(|attempt| attempt.to_string())),
    );
    let mut nearest = Value::Null;
    if let Some(entry) = &miss.nearest {
        let reasons = entry.reasons.join("; ");
        let Nearest { name, line, .. } = entry;
        message = format!("{message}; the nearest is `{name}` (line {line}): {reasons}");
        nearest = json!({"entry": entry.name, "line": entry.line, "reasons": entry.reasons});
    }
    let error = json!({
        "message": message,
        "type": "invalid_request_error",
        "code": "no_matching_entry",
        "nearest": nearest,
    });
    Answer::json(404, &json!({"error": error}))
}

fn delay(reply: Option<&Reply>, fault: Option<&Fault>) -> Duration {
    let own = reply.map_or(Duration::ZERO, |reply| reply.delay);
    match fault {
        Some(Fault::Slow(delay)) => own + *delay,
        _ => own,
    }
}

fn body(text: String, fault: Option<&Fault>) -> Body {
    match fault {
        Some(Fault::Hang) => Body::Never,
        Some(Fault::Cut) => Body::Cut(text.into()),
        Some(Fault::MalformedJson) => Body::Whole(text[..half(&text)].to_owned().into()),
        _ => Body::Whole(text.into()),
    }
}

fn response(form: &Form, asked: &Asked, reply: &Reply) -> ChatResponse {
    let calls = reply.calls.iter().enumerate();
    let tool_calls: Vec<_> =
        calls.map(|(call_idx, call)| call.to_call(asked.turn, call_idx)).collect();
    let finish_reason = match &reply.finish_reason {
        Some(name) => FinishReason::from_name(name),
        None if tool_calls.is_empty() => FinishReason::Stop,
        None => FinishReason::ToolCalls,
    };
    let message = Message::assistant_calls(reply.text.clone(), tool_calls);
    let estimate = Usage {
        prompt_tokens: tokens(form.n_prompt_bytes),
        completion_tokens: tokens(wire::encode_message(&message).to_string().len()),
        cached_tokens: 0,
    };
    ChatResponse {
        message,
        reasoning: reply.reasoning.clone(),
        finish_reason,
        usage: reply.usage.or(estimate),
        model: form.model.clone(),
    }
}

/// What a fault without a reply spoils.
fn empty_response(form: &Form) -> ChatResponse {
    ChatResponse {
        message: Message::assistant(""),
        reasoning: None,
        finish_reason: FinishReason::Stop,
        usage: Usage::default(),
        model: form.model.clone(),
    }
}

/// Cuts an answer as a token limit does: within the arguments of the last call, else in the text.
fn truncate(response: &mut ChatResponse) {
    response.finish_reason = FinishReason::Length;
    if let Some(call) = response.message.tool_calls.last_mut() {
        call.arguments.truncate(half(&call.arguments));
    } else if let Some(text) = &mut response.message.content {
        text.truncate(half(text));
    }
    response.usage.completion_tokens = response.usage.completion_tokens.div_ceil(2);
}

/// Returns the place of the character in the middle.
fn half(text: &str) -> usize {
    text.floor_char_boundary(text.len() / 2)
}

fn tokens(n_bytes: usize) -> u64 {
    (n_bytes as u64).div_ceil(BYTES_PER_TOKEN)
}

fn completion(response: &ChatResponse) -> Value {
    let mut body = wire::encode_response(response);
    body["id"] = "chatcmpl-scripted".into();
    body["created"] = 0.into();
    body
}

/// Returns a completion as server-sent events.
fn stream_text(response: &ChatResponse, include_usage: bool) -> String {
    let mut text = String::new();
    let mut send = |choices: &Value, usage: &Value| {
        let event = chunk(&response.model, choices, usage);
        // Writing to a string cannot fail.
        write!(text, "data: {event}\n\n").ok();
    };
    for delta in deltas(response) {
        send(&json!([{"index": 0, "delta": delta, "finish_reason": null}]), &Value::Null);
    }
    let reason = response.finish_reason.as_str();
    send(&json!([{"index": 0, "delta": {}, "finish_reason": reason}]), &Value::Null);
    if include_usage {
        send(&json!([]), &wire::encode_usage(response.usage));
    }
    text.push_str("data: [DONE]\n\n");
    text
}

/// Returns a message in pieces, in the order in which a model writes them.
fn deltas(response: &ChatResponse) -> Vec<Value> {
    let mut deltas = vec![json!({"role": "assistant", "content": ""})];
    let reasoning = response.reasoning.as_deref().unwrap_or_default();
    deltas.extend(pieces(reasoning).map(|piece| json!({"reasoning_content": piece})));
    let content = response.message.content.as_deref().unwrap_or_default();
    deltas.extend(pieces(content).map(|piece| json!({"content": piece})));
    for (call_idx, call) in response.message.tool_calls.iter().enumerate() {
        deltas.push(json!({"tool_calls": [{
            "index": call_idx,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }]}));
        deltas.extend(pieces(&call.arguments).map(
            |piece| json!({"tool_calls": [{"index": call_idx, "function": {"arguments": piece}}]}),
        ));
    }
    deltas
}

fn chunk(model: &str, choices: &Value, usage: &Value) -> Value {
    json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": choices,
        "usage": usage,
    })
}

fn pieces(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    let pieces: Vec<String> =
        chars.chunks(CHUNK_CHARS).map(|piece| piece.iter().collect()).collect();
    pieces.into_iter()
}
