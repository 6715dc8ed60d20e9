//! The client against real HTTP, and records against real files. Each test is an exchange and the
//! text that is to come of it.

mod client;
mod digest;
mod refusals;
mod replay;
mod scripted;
mod wire;

use super::{
    ChatModel as _, ChatRequest, ChatResponse, ClientConfig, Message, ModelError, OpenAiClient,
    Purpose, RetryPolicy, Role, Secret, ToolCall, ToolSpec,
};
use serde_json::json;
use std::time::Duration;

/// A configuration that loses no time: five attempts with waits of some milliseconds.
fn config(url: &str) -> ClientConfig {
    ClientConfig {
        timeout: Duration::from_secs(5),
        deadline: Duration::from_secs(20),
        retry: RetryPolicy {
            max_retries: 4,
            max_malformed_retries: 2,
            min_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(4),
        },
        ..ClientConfig::new(url, Some(Secret::new("sk-secret")))
    }
}

fn purpose() -> Purpose {
    Purpose { stage: "implementer".to_owned(), task: Some("1.2.3".to_owned()), turn: 4, attempt: 2 }
}

fn request() -> ChatRequest {
    let call =
        ToolCall { id: "call_1".to_owned(), name: "bash".to_owned(), arguments: "{}".to_owned() };
    ChatRequest {
        model: "m".to_owned(),
        messages: vec![
            Message::system("You write code."),
            Message::user("List the files."),
            Message::assistant_calls(None, vec![call]),
            Message::tool("call_1", "a.py\n"),
        ],
        tools: vec![ToolSpec {
            name: "bash".to_owned(),
            description: "Runs a command.".to_owned(),
            parameters: json!({"type": "object", "properties": {"command": {"type": "string"}}}),
        }],
        temperature: Some(0.7),
        max_tokens: Some(100),
        seed: Some(1),
    }
}

/// Asks the endpoint at `config` once and describes what came of it.
async fn ask(config: ClientConfig) -> String {
    match chat(config).await {
        Ok(response) => describe(&response),
        Err(error) => describe_error(&error),
    }
}

async fn chat(config: ClientConfig) -> Result<ChatResponse, ModelError> {
    OpenAiClient::new(config).expect("a usable configuration").chat(&purpose(), &request()).await
}

fn describe(response: &ChatResponse) -> String {
    let ChatResponse { message, reasoning, finish_reason, usage, .. } = response;
    assert_eq!(message.role, Role::Assistant);
    let mut parts = vec![format!("{:?}", message.content.as_deref().unwrap_or("-"))];
    parts.extend(reasoning.iter().map(|text| format!("thought {text:?}")));
    parts.extend(
        message
            .tool_calls
            .iter()
            .map(|call| format!("{} {}({})", call.id, call.name, call.arguments)),
    );
    parts.push(finish_reason.as_str().to_owned());
    parts.push(format!(
        "{}+{} tokens, {} cached",
        usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens
    ));
    parts.join(" | ")
}

/// Returns the messages of an error and of the model errors below it, and the hints.
fn describe_error(error: &ModelError) -> String {
    let mut text = error.to_string();
    if let ModelError::GaveUp { last, .. } = error {
        text = format!("{text}: {last}");
    }
    for hint in error.hints() {
        text = format!("{text}\nhint: {hint}");
    }
    text
}
