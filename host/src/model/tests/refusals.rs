//! Refusals, which no repetition helps: one request each, and a message with advice.

use super::{ask, config};
use insta::assert_snapshot;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

/// Lets a server refuse with `status` and `body`, and describes what the client says. Fails if it
/// asked more than once.
async fn refusal(status: u16, body: &str) -> String {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_string(body);
    Mock::given(method("POST")).respond_with(answer).expect(1).mount(&server).await;
    ask(config(&server.uri())).await.replace(&server.uri(), "URL")
}

fn openai_error(code: &str, message: &str) -> String {
    let body: Value = json!({"error": {"message": message, "type": "x", "code": code}});
    body.to_string()
}

#[tokio::test]
async fn bad_key() {
    let body = openai_error("invalid_api_key", "Incorrect API key provided: sk-secret.");
    assert_snapshot!(refusal(401, &body).await, @"
    `URL/chat/completions` refused the key with status 401: Incorrect API key provided: [redacted].
    hint: check the key in `OPENAI_API_KEY`
    ");
}

#[tokio::test]
async fn key_without_the_right() {
    assert_snapshot!(refusal(403, r#"{"error": "no access to model"}"#).await, @"
    `URL/chat/completions` refused the key with status 403: no access to model
    hint: check the key in `OPENAI_API_KEY`
    ");
}

#[tokio::test]
async fn unknown_path_or_model() {
    assert_snapshot!(refusal(404, r#"{"detail": "Not Found"}"#).await, @"
    `URL/chat/completions` was not found: Not Found
    hint: check the address in `OPENAI_BASE_URL`: it usually ends in `/v1`
    hint: check the name given with `--model`
    ");
}

#[tokio::test]
async fn bad_request() {
    assert_snapshot!(refusal(400, &openai_error("bad", "temperature is out of range")).await, @"
    `URL/chat/completions` refused the request with status 400: temperature is out of range
    hint: check the name given with `--model`
    ");
}

#[tokio::test]
async fn token_limit_of_another_name() {
    let message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
    assert_snapshot!(refusal(400, &openai_error("unsupported_parameter", message)).await, @"
    `URL/chat/completions` refused the request with status 400: Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.
    hint: this model wants `max_completion_tokens`: set it as the token limit field
    ");
}

#[tokio::test]
async fn conversation_too_long() {
    let body = openai_error("context_length_exceeded", "too long: 9000 tokens, at most 8192");
    assert_snapshot!(refusal(400, &body).await, @"
    the conversation is too long for the model at `URL/chat/completions`: too long: 9000 tokens, at most 8192
    hint: use a model with a longer context, or lower the step or output budget
    ");
    let body = r#"{"message": "This model's maximum context length is 8192 tokens."}"#;
    assert!(refusal(422, body).await.starts_with("the conversation is too long"));
}

#[tokio::test]
async fn quota_used_up_is_not_a_rate_limit() {
    let body = openai_error("insufficient_quota", "You exceeded your current quota.");
    assert_snapshot!(refusal(429, &body).await, @"
    the quota at `URL/chat/completions` is used up: You exceeded your current quota.
    hint: top up the account that `OPENAI_API_KEY` is for
    ");
}

#[tokio::test]
async fn page_of_a_proxy_is_cut_and_harmless_to_a_terminal() {
    let page = format!("<html>\u{1b}[31m{}</html>", "x".repeat(5000));
    let described = refusal(418, &page).await;
    assert!(described.len() < 500, "{described}");
    assert!(!described.contains('\u{1b}'));
}
