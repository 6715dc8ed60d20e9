//! Routes, streams, limits and the stop.

use super::{ask, http, post, start};
use crate::mock_model::{NoFiles, Script, serve};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const HELLO: &str = "format: 1\nmodels: [a, b]\nentries: [{replies: [{text: hello}]}]";

async fn get(url: &str) -> (u16, String) {
    let response = http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn models_are_listed_with_and_without_version_in_the_path() {
    let (url, _server) = start(HELLO).await;
    let (status, body) = get(&format!("{url}/models")).await;
    assert_eq!(status, 200);
    assert_snapshot!(body, @r#"{"data":[{"created":0,"id":"a","object":"model","owned_by":"playpen"},{"created":0,"id":"b","object":"model","owned_by":"playpen"}],"object":"list"}"#);
    let bare = url.strip_suffix("/v1").unwrap();
    assert_eq!(get(&format!("{bare}/models")).await, (200, body));
    assert_eq!(ask(bare, &[], &["q"]).await, "hello");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let (url, _server) = start(HELLO).await;
    assert_eq!(get(&format!("{url}/embeddings")).await.0, 404);
    assert_eq!(get(&format!("{url}/chat/completions")).await.0, 405);
}

#[tokio::test]
async fn bad_requests_are_refused_and_not_counted() {
    let (url, server) = start(HELLO).await;
    assert_snapshot!(post(&url, &[], "{".to_owned()).await.1, @r#"{"error":{"code":"invalid_request","message":"the body is not JSON: EOF while parsing an object at line 1 column 1","param":null,"type":"invalid_request_error"}}"#);
    assert_snapshot!(post(&url, &[], r#"{"model": "m"}"#.to_owned()).await.1, @r#"{"error":{"code":"invalid_request","message":"`messages` is missing or not an array","param":null,"type":"invalid_request_error"}}"#);
    assert_eq!(post(&url, &[], r#"{"messages": []}"#.to_owned()).await.0, 400);
    assert_eq!(server.tally().n_requests(), 0);
}

#[tokio::test]
async fn request_without_end_is_refused() {
    let (url, _server) = start(HELLO).await;
    let sent = http().post(format!("{url}/chat/completions")).body(vec![b' '; 33 << 20]).send();
    // The server may close the connection before the client has sent all of it.
    if let Ok(response) = sent.await {
        assert_eq!(response.status(), 413);
    }
    assert_eq!(ask(&url, &[], &["q"]).await, "hello");
}

#[tokio::test]
async fn usage_is_what_the_script_says_or_an_estimate() {
    let (url, _server) =
        start("format: 1\nentries: [{replies: [{text: '12345678', usage: {cached_tokens: 3}}]}]")
            .await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(400)}]});
    let (_, answer) = post(&url, &[], body.to_string()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    // The prompt has 400 bytes of text and 28 around it; the answer 8 and 33.
    assert_snapshot!(answer["usage"], @r#"{"completion_tokens":11,"prompt_tokens":107,"prompt_tokens_details":{"cached_tokens":3},"total_tokens":118}"#);
    assert_eq!(answer["model"], "m");
}

#[tokio::test]
async fn stream_has_the_same_message_in_pieces() {
    let (url, _server) = start(
        "
format: 1
entries:
  - replies:
      - text: A text that is long enough to be sent in more than one piece, é included.
        tool_calls:
          - {name: bash, arguments: {command: ls}}
          - {name: bash, arguments_raw: '{\"comm'}
        usage: {prompt_tokens: 5, completion_tokens: 6}
",
    )
    .await;
    let body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "q"}],
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    let (status, text) = post(&url, &[], body.to_string()).await;
    assert_eq!(status, 200);
    let events: Vec<&str> =
        text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    let (last, events) = events.split_last().unwrap();
    assert_eq!(*last, "[DONE]");

    let mut content = String::new();
    let mut calls: Vec<(String, String)> = Vec::new();
    let mut finish_reason = Value::Null;
    let mut usage = Value::Null;
    for event in events {
        let event: Value = serde_json::from_str(event).unwrap();
        usage = event["usage"].clone();
        let Some(choice) = event["choices"].get(0) else { continue };
        content += choice["delta"]["content"].as_str().unwrap_or_default();
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            if let Some(id) = call["id"].as_str() {
                calls.push((id.to_owned(), String::new()));
            }
            let call_idx = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            calls[call_idx].1 += call["function"]["arguments"].as_str().unwrap();
        }
        finish_reason = choice["finish_reason"].clone();
    }
    assert_eq!(
        content,
        "A text that is long enough to be sent in more than one piece, é included."
    );
    assert_eq!(
        calls,
        [("call_1_0", r#"{"command":"ls"}"#), ("call_1_1", "{\"comm")]
            .map(|(id, arguments)| (id.to_owned(), arguments.to_owned()))
    );
    assert_eq!(finish_reason, "tool_calls");
    assert_eq!(usage["total_tokens"], 11);
    assert!(events.len() > 7, "{events:?}");
}

#[tokio::test]
async fn stream_can_be_cut() {
    let (url, _server) =
        start("format: 1\nentries: [{faults: [{kind: cut}], replies: [{text: hello}]}]").await;
    let body = json!({"model": "m", "messages": [], "stream": true});
    let sent = http().post(format!("{url}/chat/completions")).body(body.to_string()).send();
    let mut response = sent.await.unwrap();
    assert_eq!(response.status(), 200);
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"data: "), "{first:?}");
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn stop_finishes_answers_and_cuts_what_hangs() {
    let (url, server) = start(
        "
format: 1
entries:
  - {match: {stage: slow}, faults: [{kind: slow, delay_ms: 400}], replies: [{text: late}]}
  - {match: {stage: hang}, faults: [{kind: hang}], replies: [{text: never}]}
",
    )
    .await;
    let body = json!({"model": "m", "messages": []}).to_string();
    let hanging = {
        let request = http().post(format!("{url}/chat/completions")).body(body);
        tokio::spawn(request.header("x-playpen-stage", "hang").send())
    };
    let slow = {
        let url = url.clone();
        tokio::spawn(async move { ask(&url, &[("x-playpen-stage", "slow")], &["q"]).await })
    };
    while server.tally().n_requests() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    let tally = server.stop().await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(slow.await.unwrap(), "late");
    assert!(hanging.await.unwrap().is_err());
    assert_eq!(tally.n_requests(), 2);
    assert!(http().get(format!("{url}/models")).send().await.is_err(), "it still listens");
}

#[tokio::test]
async fn drop_stops_the_server() {
    let (url, server) = start(HELLO).await;
    drop(server);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(http().get(format!("{url}/models")).send().await.is_err());
}

#[tokio::test]
async fn serve_says_where_and_counts() {
    let script = Script::parse("s", HELLO, &NoFiles).unwrap();
    let (send_url, url) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ready = |url: &str| send_url.send(url.to_owned()).unwrap();
    let serving = serve(script, "127.0.0.1:0".parse().unwrap(), ready, async {
        stopped.await.ok();
    });
    let asking = async {
        let answer = ask(&url.await.unwrap(), &[], &["q"]).await;
        stop.send(()).unwrap();
        answer
    };
    let (tally, answer) = tokio::join!(serving, asking);
    assert_eq!(answer, "hello");
    assert_eq!(tally.unwrap().entries[0].n_replies, 1);
}

#[tokio::test]
async fn address_in_use_is_named() {
    let (_, server) = start(HELLO).await;
    let script = Script::parse("s", HELLO, &NoFiles).unwrap();
    let error = crate::mock_model::ScriptServer::start(script, server.address()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("failed to listen on `{}`", server.address()));
}
