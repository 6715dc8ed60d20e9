//! What is sent, what is retried, how often and when.

use super::{ask, chat, config, purpose, request};
use crate::model::{
    ChatModel as _, ClientConfig, ClientError, ModelError, OpenAiClient, TokenLimitField,
};
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

fn completion(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "model": "m-2026",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 12,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 8},
        },
    }))
}

/// Starts a server that answers with each of `answers` in turn, and then with "done".
async fn server(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    for answer in answers {
        let mock = Mock::given(method("POST")).respond_with(answer);
        mock.up_to_n_times(1).mount(&server).await;
    }
    Mock::given(method("POST")).respond_with(completion("done")).mount(&server).await;
    server
}

async fn n_requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

/// Lets a server give `answers`, and describes what the client makes of them after how many requests.
async fn run(answers: Vec<ResponseTemplate>) -> String {
    let server = server(answers).await;
    let described = ask(config(&server.uri())).await;
    format!("{} requests: {}", n_requests(&server).await, described.replace(&server.uri(), "URL"))
}

#[tokio::test]
async fn request_has_the_shape_of_the_wire_and_says_who_asks() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .and(header("authorization", "Bearer sk-secret"))
        .and(header("content-type", "application/json"))
        .and(header("x-playpen-stage", "implementer"))
        .and(header("x-playpen-task", "1.2.3"))
        .and(header("x-playpen-turn", "4"))
        .and(header("x-playpen-attempt", "2"))
        .respond_with(completion("done"))
        .mount(&server)
        .await;
    let described = ask(config(&format!("{}/v1/", server.uri()))).await;
    assert_snapshot!(described, @r#""done" | stop | 12+3 tokens, 8 cached"#);

    let requests = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_json_snapshot!(body, @r#"
    {
      "max_tokens": 100,
      "messages": [
        {
          "content": "You write code.",
          "role": "system"
        },
        {
          "content": "List the files.",
          "role": "user"
        },
        {
          "content": null,
          "role": "assistant",
          "tool_calls": [
            {
              "function": {
                "arguments": "{}",
                "name": "bash"
              },
              "id": "call_1",
              "type": "function"
            }
          ]
        },
        {
          "content": "a.py\n",
          "role": "tool",
          "tool_call_id": "call_1"
        }
      ],
      "model": "m",
      "seed": 1,
      "temperature": 0.7,
      "tools": [
        {
          "function": {
            "description": "Runs a command.",
            "name": "bash",
            "parameters": {
              "properties": {
                "command": {
                  "type": "string"
                }
              },
              "type": "object"
            }
          },
          "type": "function"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn token_limit_has_the_name_that_the_endpoint_wants() {
    let server = server(vec![]).await;
    let config = ClientConfig {
        token_limit_field: TokenLimitField::MaxCompletionTokens,
        ..config(&server.uri())
    };
    chat(config).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(body.get("max_completion_tokens"), Some(&json!(100)));
    assert_eq!(body.get("max_tokens"), None);
}

#[tokio::test]
async fn passing_troubles_are_asked_again() {
    for status in [408, 429, 500, 502, 503, 504, 529] {
        let answers = vec![ResponseTemplate::new(status), ResponseTemplate::new(status)];
        let described = run(answers).await;
        assert_eq!(described, "3 requests: \"done\" | stop | 12+3 tokens, 8 cached", "{status}");
    }
}

#[tokio::test]
async fn patience_ends_with_the_retries() {
    let answers = vec![ResponseTemplate::new(503).set_body_string("overloaded"); 9];
    assert_snapshot!(run(answers).await, @"
    5 requests: gave up on `URL/chat/completions` after 5 attempts: `URL/chat/completions` failed with status 503: overloaded
    hint: the endpoint is in trouble: wait and resume the run
    ");
}

#[tokio::test]
async fn malformed_answers_are_asked_again_twice() {
    let broken = || ResponseTemplate::new(200).set_body_string(r#"{"choices": [{"mess"#);
    assert_snapshot!(
        run(vec![broken(), broken()]).await,
        @r#"3 requests: "done" | stop | 12+3 tokens, 8 cached"#
    );
    assert_snapshot!(run(vec![broken(); 9]).await, @r#"
    3 requests: gave up on `URL/chat/completions` after 3 attempts: the answer of `URL/chat/completions` is malformed: it is not JSON: EOF while parsing a string at line 1 column 19; it starts with `{"choices": [{"mess`
    hint: check that `OPENAI_BASE_URL` is an OpenAI-compatible endpoint
    "#);
}

#[tokio::test]
async fn retry_after_in_seconds_is_waited() {
    let server = server(vec![ResponseTemplate::new(429).insert_header("retry-after", "1")]).await;
    let started = Instant::now();
    chat(config(&server.uri())).await.unwrap();
    let waited = started.elapsed();
    assert!((1000..3000).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(n_requests(&server).await, 2);
}

#[tokio::test]
async fn retry_after_as_a_date_is_counted_from_the_date_of_the_answer() {
    let answer = ResponseTemplate::new(503)
        .insert_header("date", "Sun, 22 Nov 2026 10:00:00 GMT")
        .insert_header("retry-after", "Sun, 22 Nov 2026 10:00:01 GMT");
    let server = server(vec![answer]).await;
    let started = Instant::now();
    chat(config(&server.uri())).await.unwrap();
    let waited = started.elapsed();
    assert!((1000..3000).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test]
async fn wait_beyond_the_deadline_is_not_begun() {
    let answer = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let started = Instant::now();
    assert_snapshot!(run(vec![answer]).await, @"
    1 requests: `URL/chat/completions` limits the rate of requests: it gave no reason
    hint: lower `--jobs`, or wait and resume the run
    ");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn slow_answer_times_out_and_is_asked_again() {
    let slow = completion("late").set_delay(Duration::from_secs(30));
    let server = server(vec![slow]).await;
    let config = ClientConfig { timeout: Duration::from_millis(200), ..config(&server.uri()) };
    assert_snapshot!(ask(config).await, @r#""done" | stop | 12+3 tokens, 8 cached"#);
    assert_eq!(n_requests(&server).await, 2);
}

#[tokio::test]
async fn deadline_holds_over_all_attempts() {
    let server = server(vec![completion("late").set_delay(Duration::from_secs(30)); 9]).await;
    let config = ClientConfig {
        timeout: Duration::from_millis(300),
        deadline: Duration::from_millis(700),
        ..config(&server.uri())
    };
    let started = Instant::now();
    let error = chat(config).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(error.is_retryable());
    assert!(matches!(error, ModelError::GaveUp { n_attempts: 2..=4, .. }), "{error:?}");
}

#[tokio::test]
async fn deadline_holds_within_one_attempt() {
    let server = server(vec![completion("late").set_delay(Duration::from_secs(4))]).await;
    let config = ClientConfig {
        timeout: Duration::from_mins(1),
        deadline: Duration::from_millis(300),
        ..config(&server.uri())
    };
    let error = chat(config).await.unwrap_err();
    assert!(matches!(error, ModelError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn unreachable_endpoint_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_snapshot!(ask(config(&url)).await.replace(&url, "URL"), @"
    gave up on `URL/chat/completions` after 5 attempts: failed to connect to `URL/chat/completions`
    hint: check the address in `OPENAI_BASE_URL` and the network
    ");
}

#[tokio::test]
async fn connection_that_breaks_is_a_cut_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let n_connections = tokio::spawn(async move {
        for n_connections in 1_u32.. {
            let accepted = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
            let Ok(Ok((mut stream, _))) = accepted else { return n_connections - 1 };
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choices\":";
            stream.write_all(head).await.unwrap();
        }
        0
    });
    assert_snapshot!(ask(config(&url)).await.replace(&url, "URL"), @"
    gave up on `URL/chat/completions` after 5 attempts: the answer of `URL/chat/completions` was cut off
    hint: check the address in `OPENAI_BASE_URL` and the network
    ");
    assert_eq!(n_connections.await.unwrap(), 5);
}

#[tokio::test]
async fn cut_answer_is_asked_again() {
    // The first connection sends half an answer, the second one all of it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = r#"{"choices":[{"message":{"content":"done"}}]}"#;
    tokio::spawn(async move {
        for n_bytes in [body.len() / 2, body.len()] {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body.as_bytes()[..n_bytes]).await.unwrap();
        }
    });
    assert_snapshot!(ask(config(&url)).await, @r#""done" | stop | 0+0 tokens, 0 cached"#);
}

#[tokio::test]
async fn answer_without_end_is_refused_and_not_asked_for_again() {
    let server = server(vec![completion(&"x".repeat(5000))]).await;
    let config = ClientConfig { max_response_bytes: 4096, ..config(&server.uri()) };
    assert_snapshot!(ask(config).await.replace(&server.uri(), "URL"), @"
    the answer of `URL/chat/completions` is larger than 4096 bytes
    hint: lower the token limit of the request
    ");
    assert_eq!(n_requests(&server).await, 1);
}

#[tokio::test]
async fn redirect_does_not_carry_the_key_away() {
    let elsewhere = server(vec![]).await;
    let moved = ResponseTemplate::new(307).insert_header("location", elsewhere.uri().as_str());
    assert_snapshot!(run(vec![moved]).await, @"
    1 requests: `URL/chat/completions` refused the request with status 307: it gave no reason
    hint: the address has moved: set the new one in `OPENAI_BASE_URL`
    ");
    assert_eq!(n_requests(&elsewhere).await, 0);
}

#[tokio::test]
async fn waits_depend_on_who_asks_and_not_on_when() {
    let client = OpenAiClient::new(config("http://127.0.0.1:1")).unwrap();
    let mut other = purpose();
    other.task = Some("1.2.4".to_owned());
    assert_eq!(client.jitter_seed(&purpose()), client.jitter_seed(&purpose()));
    assert_ne!(client.jitter_seed(&purpose()), client.jitter_seed(&other));
}

#[tokio::test]
async fn secrets_of_the_address_are_not_shown() {
    let address = "http://user:hunter2@127.0.0.1:1/v1?key=hunter3";
    let mut config = config(address);
    config.retry.max_retries = 0;
    let client = OpenAiClient::new(config.clone()).unwrap();
    let error = client.chat(&purpose(), &request()).await.unwrap_err();
    assert_snapshot!(error, @"failed to connect to `http://127.0.0.1:1/v1/chat/completions`");
    let debug = format!("{error:?} {client:?} {config:?}");
    assert!(!debug.contains("hunter") && !debug.contains("sk-secret"), "{debug}");
}

#[test]
fn unusable_configurations_are_refused() {
    let refusal = |url: &str, key: &str| {
        let config = ClientConfig { api_key: Some(key.to_owned().into()), ..config(url) };
        let error: ClientError = OpenAiClient::new(config).unwrap_err();
        format!("{error}; hint: {}", error.hints().join(""))
    };
    assert_snapshot!(
        refusal("api.openai.com/v1", "k"),
        @"the base address `api.openai.com/v1` is not an `http` or `https` address; hint: set `OPENAI_BASE_URL`, for example to `https://api.openai.com/v1`"
    );
    assert_snapshot!(
        refusal("ftp://me:pw@host", "k"),
        @"the base address `[redacted]@host` is not an `http` or `https` address; hint: set `OPENAI_BASE_URL`, for example to `https://api.openai.com/v1`"
    );
    assert_snapshot!(
        refusal("http://host", "two\nlines"),
        @"the API key holds a line break or another character that cannot be sent; hint: check the key in `OPENAI_API_KEY`"
    );
}

#[test]
fn whole_address_of_the_endpoint_is_taken_as_it_is() {
    let shown = |url: &str| format!("{:?}", OpenAiClient::new(config(url)).unwrap());
    let whole = shown("http://h/v1/chat/completions");
    assert_eq!(whole, r#"OpenAiClient { endpoint: "http://h/v1/chat/completions", .. }"#);
    let base = shown("http://h/openai/?api-version=3");
    assert_eq!(base, r#"OpenAiClient { endpoint: "http://h/openai/chat/completions", .. }"#);
}
