//! The real client against the real scripted server: every fault, over real sockets.

use super::{ask, config, purpose, request};
use crate::{
    mock_model::{NoFiles, Script, ScriptServer, Tally},
    model::{ChatModel as _, ClientConfig, Message, OpenAiClient, Recorder, Replayer},
};
use insta::assert_snapshot;
use std::time::{Duration, Instant};

/// Plays an entry with `faults` and the reply "done", asks once, and describes what came of it.
async fn run(faults: &str) -> String {
    let script = format!(
        "format: 1\nentries:\n  - faults: [{faults}]\n    repeat_last: true\n    replies: [{{text: done, usage: {{prompt_tokens: 7, completion_tokens: 2}}}}]\n"
    );
    let (described, tally) = play(&script, Duration::from_millis(500)).await;
    let entry = &tally.entries[0];
    format!(
        "{} requests, {} faults, {} replies: {described}",
        entry.n_requests, entry.n_faults, entry.n_replies
    )
}

async fn play(script: &str, timeout: Duration) -> (String, Tally) {
    let script = Script::parse("test.yaml", script, &NoFiles).unwrap();
    let (url, server) = ScriptServer::start(script, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let described = ask(ClientConfig { timeout, ..config(&url) }).await;
    (described.replace(&url, "URL"), server.stop().await)
}

#[tokio::test]
async fn no_fault() {
    assert_snapshot!(run("").await, @r#"1 requests, 0 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#);
}

#[tokio::test]
async fn status_429_with_retry_after() {
    let started = Instant::now();
    assert_snapshot!(
        run("{kind: status, status: 429, retry_after: 1}").await,
        @r#"2 requests, 1 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn status_500_twice() {
    assert_snapshot!(
        run("{kind: status, status: 500, times: 2}").await,
        @r#"3 requests, 2 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#
    );
}

#[tokio::test]
async fn status_401_is_final() {
    assert_snapshot!(run("{kind: status, status: 401, message: no}").await, @"
    1 requests, 1 faults, 0 replies: `URL/chat/completions` refused the key with status 401: no
    hint: check the key in `OPENAI_API_KEY`
    ");
}

#[tokio::test]
async fn hang_ends_in_a_timeout_and_another_try() {
    assert_snapshot!(
        run("{kind: hang}").await,
        @r#"2 requests, 1 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#
    );
}

#[tokio::test]
async fn hang_without_end() {
    assert_snapshot!(run("{kind: timeout, times: 99}").await, @"
    5 requests, 5 faults, 0 replies: gave up on `URL/chat/completions` after 5 attempts: `URL/chat/completions` did not answer within 500ms
    hint: raise the model's time limit, or use a faster model
    ");
}

#[tokio::test]
async fn cut_in_the_middle() {
    assert_snapshot!(
        run("{kind: cut, times: 2}").await,
        @r#"3 requests, 2 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#
    );
    assert_snapshot!(run("{kind: cut, times: 99}").await, @"
    5 requests, 5 faults, 0 replies: gave up on `URL/chat/completions` after 5 attempts: the answer of `URL/chat/completions` was cut off
    hint: check the address in `OPENAI_BASE_URL` and the network
    ");
}

#[tokio::test]
async fn malformed_json() {
    assert_snapshot!(
        run("{kind: malformed_json}").await,
        @r#"2 requests, 1 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#
    );
}

#[tokio::test]
async fn truncated_is_an_answer_that_says_so() {
    assert_snapshot!(
        run("{kind: truncated}").await,
        @r#"1 requests, 1 faults, 1 replies: "do" | length | 7+1 tokens, 0 cached"#
    );
}

#[tokio::test]
async fn slow_within_the_time_limit_is_waited_for() {
    let started = Instant::now();
    assert_snapshot!(
        run("{kind: slow, delay_ms: 200}").await,
        @r#"1 requests, 1 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#
    );
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn all_faults_in_a_row() {
    assert_snapshot!(
        run("{kind: status, status: 503}, {kind: cut}, {kind: malformed_json}, {kind: hang}").await,
        @r#"5 requests, 4 faults, 1 replies: "done" | stop | 7+2 tokens, 0 cached"#
    );
}

#[tokio::test]
async fn request_that_no_entry_matches_is_told_what_came_nearest() {
    let script = "
format: 1
entries:
  - name: other task
    match: {stage: implementer, task: 9.9.9}
    replies: [{text: a}]
  - name: later attempt
    match: {stage: implementer, task: 1.2.3, attempt: 3}
    replies: [{text: a}, {text: b}]
";
    let (described, tally) = play(script, Duration::from_secs(5)).await;
    assert_snapshot!(described, @"
    `URL/chat/completions` was not found: no entry of `test.yaml` answers stage `implementer`, task `1.2.3`, attempt `2`, turn `2`; the nearest is `later attempt` (line 7): attempt is `2`, and it wants `3`
    hint: check the address in `OPENAI_BASE_URL`: it usually ends in `/v1`
    hint: check the name given with `--model`
    ");
    assert_eq!(tally.n_unmatched, 1);
}

#[tokio::test]
async fn conversation_is_recorded_and_replayed_without_the_server() {
    let script = "
format: 1
entries:
  - match: {stage: implementer}
    replies:
      - tool_calls: [{name: bash, arguments: {command: ls}}]
      - text: first
      - text: second
";
    let script = Script::parse("test.yaml", script, &NoFiles).unwrap();
    let (url, server) = ScriptServer::start(script, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = OpenAiClient::new(config(&url)).unwrap();
    let recorder = Recorder::new(client, folder.path()).unwrap();

    // The request holds one answer of the model already, so this is turn 2, and then turn 3.
    let mut request = request();
    let first = recorder.chat(&purpose(), &request).await.unwrap();
    assert_eq!(first.message.content.as_deref(), Some("first"));
    request.messages.extend([first.message.clone(), Message::user("go on")]);
    let second = recorder.chat(&purpose(), &request).await.unwrap();
    assert_eq!(second.message.content.as_deref(), Some("second"));
    assert_eq!(server.stop().await.n_requests(), 2);

    let replayer = Replayer::new(folder.path()).unwrap();
    assert_eq!(replayer.chat(&purpose(), &request).await.unwrap(), second);
    request.messages.truncate(4);
    assert_eq!(replayer.chat(&purpose(), &request).await.unwrap(), first);
}
