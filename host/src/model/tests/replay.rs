//! Recording and replay, on real folders.

use super::{describe, purpose, request};
use crate::model::{
    ChatModel, ChatRequest, ChatResponse, FinishReason, Message, ModelError, Purpose, Recorder,
    Replayer, RequestDigest, ToolCall, Usage, wire,
};
use fs_err as fs;
use futures_util::{FutureExt as _, future::BoxFuture};
use insta::assert_snapshot;
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// A model that answers each request with the number of requests so far.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl ChatModel for Counting {
    fn chat<'a>(
        &'a self,
        _purpose: &'a Purpose,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        async {
            let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            // Lets an equal request come in between.
            tokio::task::yield_now().await;
            let call = ToolCall {
                id: "call_1".to_owned(),
                name: "bash".to_owned(),
                arguments: "{\"command\": \"é\n\"".to_owned(),
            };
            Ok(ChatResponse {
                message: Message::assistant_calls(Some(format!("answer {number}")), vec![call]),
                reasoning: Some("I think.".to_owned()),
                finish_reason: FinishReason::Other("eos".to_owned()),
                usage: Usage { prompt_tokens: 9, completion_tokens: 2, cached_tokens: 1 },
                model: request.model.clone(),
            })
        }
        .boxed()
    }
}

fn asking(text: &str) -> ChatRequest {
    let mut request = request();
    request.messages.push(Message::user(text));
    request
}

async fn record(folder: &Path, requests: &[ChatRequest]) -> Vec<ChatResponse> {
    let recorder = Recorder::new(Counting::default(), folder).unwrap();
    let mut responses = Vec::new();
    for request in requests {
        responses.push(recorder.chat(&purpose(), request).await.unwrap());
    }
    responses
}

async fn replay(folder: &Path, request: &ChatRequest) -> Result<ChatResponse, ModelError> {
    // Who asks does not matter.
    Replayer::new(folder).unwrap().chat(&Purpose::new("another stage"), request).await
}

#[tokio::test]
async fn replay_gives_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let requests = [asking("one"), asking("two")];
    let recorded = record(folder.path(), &requests).await;
    for (request, response) in requests.iter().zip(&recorded) {
        assert_eq!(replay(folder.path(), request).await.unwrap(), *response);
    }
}

/// A request at whose end a tool has printed `text`.
fn after(text: &str) -> ChatRequest {
    let mut request = request();
    request.messages.push(Message::tool("call_2", text));
    request
}

#[tokio::test]
async fn a_repeated_run_may_take_another_time() {
    let folder = tempfile::tempdir().unwrap();
    let recorded =
        record(folder.path(), &[after("6 failed in 0.04s"), after("6 failed in 0.07s")]).await;
    assert_eq!(recorded[0], recorded[1]);
    let replayed = replay(folder.path(), &after("6 failed in 0.03s")).await.unwrap();
    assert_eq!(replayed, recorded[0]);
    let difference = difference(after("6 failed in 0.04s"), &after("5 failed in 0.03s")).await;
    assert_snapshot!(difference, @r#"messages[4].content: "6 failed in TIME" / "5 failed in TIME""#);
    // What a person wrote is taken as it is.
    record(folder.path(), &[asking("in 0.04s")]).await;
    assert!(replay(folder.path(), &asking("in 0.03s")).await.is_err());
}

#[tokio::test]
async fn a_record_with_the_digest_of_its_very_text_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let request = after("6 failed in 0.04s");
    let recorded = record(folder.path(), std::slice::from_ref(&request)).await;
    let exact = RequestDigest::of_json(&wire::encode_request(&request));
    let file = |digest: RequestDigest| folder.path().join(format!("{digest}.json"));
    fs::rename(file(request.digest()), file(exact)).unwrap();
    assert_eq!(replay(folder.path(), &request).await.unwrap(), recorded[0]);
}

#[tokio::test]
async fn record_is_readable_and_complete() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = asking("one");
    request.tools.clear();
    request.messages.drain(..4);
    record(folder.path(), std::slice::from_ref(&request)).await;
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, [format!("{}.json", request.digest())]);
    assert_snapshot!(fs::read_to_string(folder.path().join(&names[0])).unwrap(), @r#"
    {
      "format": 1,
      "request": {
        "max_tokens": 100,
        "messages": [
          {
            "content": "one",
            "role": "user"
          }
        ],
        "model": "m",
        "seed": 1,
        "temperature": 0.7
      },
      "response": {
        "choices": [
          {
            "finish_reason": "eos",
            "index": 0,
            "message": {
              "content": "answer 1",
              "reasoning_content": "I think.",
              "role": "assistant",
              "tool_calls": [
                {
                  "function": {
                    "arguments": "{\"command\": \"é\n\"",
                    "name": "bash"
                  },
                  "id": "call_1",
                  "type": "function"
                }
              ]
            }
          }
        ],
        "model": "m",
        "object": "chat.completion",
        "usage": {
          "completion_tokens": 2,
          "prompt_tokens": 9,
          "prompt_tokens_details": {
            "cached_tokens": 1
          },
          "total_tokens": 11
        }
      }
    }
    "#);
}

#[tokio::test]
async fn nothing_is_paid_twice() {
    let folder = tempfile::tempdir().unwrap();
    let first = record(folder.path(), &[asking("one"), asking("one")]).await;
    assert_eq!(first[0], first[1]);
    // Another process goes on in the same folder.
    let second = record(folder.path(), &[asking("one")]).await;
    assert_eq!(first[0], second[0]);
}

#[tokio::test]
async fn equal_requests_at_once_are_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::new(Counting::default(), folder.path()).unwrap();
    let (purpose, request) = (purpose(), asking("one"));
    let asked = (0..8).map(|_| recorder.chat(&purpose, &request));
    let answers = futures_util::future::try_join_all(asked).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(describe(&answers[0]).split('|').next(), Some("\"answer 1\" "));
}

#[tokio::test]
async fn miss_shows_the_nearest_record_and_the_first_difference() {
    let folder = tempfile::tempdir().unwrap();
    let long = "All tests pass but one, which is `test_mount_reads_superblock`: ";
    let nearest = asking(&format!("{long}it fails with AssertionError at line 14."));
    let mut recorded: Vec<_> =
        (0..8).map(|number| asking(&format!("All {number} tests pass."))).collect();
    recorded.push(nearest.clone());
    record(folder.path(), &recorded).await;
    // Neither the first nor the last name in the folder would be right.
    let digests: Vec<_> = recorded.iter().map(ChatRequest::digest).collect();
    assert_ne!(digests.iter().min(), Some(&nearest.digest()));
    assert_ne!(digests.iter().max(), Some(&nearest.digest()));
    let requested = asking(&format!("{long}it fails with ValueError at line 12."));
    let error = replay(folder.path(), &requested).await.unwrap_err();
    let shown = format!("{error}\nhint: {}", error.hints().join(""));
    let shown = shown
        .replace(&folder.path().display().to_string(), "DIR")
        .replace(&requested.digest().to_string(), "REQUESTED")
        .replace(&nearest.digest().to_string(), "NEAREST");
    assert_snapshot!(shown, @r#"
    no recorded answer for request `REQUESTED` in `DIR`; the nearest of 9 records is `NEAREST`, and the first difference is at `messages[4].content`:
      recorded:  ..."_mount_reads_superblock`: it fails with AssertionError at line 14."
      requested: ..."_mount_reads_superblock`: it fails with ValueError at line 12."
    hint: record again with `--record` if prompts, tools or model changed on purpose
    "#);
    assert!(!error.is_retryable());
}

/// Records one request, asks for another and returns the line of the first difference.
async fn difference(recorded: ChatRequest, requested: &ChatRequest) -> String {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &[recorded]).await;
    let ModelError::ReplayMiss(miss) = replay(folder.path(), requested).await.unwrap_err() else {
        panic!("it should have missed");
    };
    let difference = miss.first_difference.unwrap();
    format!("{}: {} / {}", difference.path, difference.recorded, difference.requested)
}

#[tokio::test]
async fn differences_are_found_wherever_they_are() {
    let mut other = request();
    other.model = "n".to_owned();
    assert_snapshot!(difference(other, &request()).await, @r#"model: "n" / "m""#);
    let mut other = request();
    other.temperature = None;
    assert_snapshot!(difference(other, &request()).await, @"temperature: nothing / 0.7");
    assert_snapshot!(
        difference(asking("more"), &request()).await,
        @r#"messages[4]: {"content":"more","role":"user"} / nothing"#
    );
    let mut other = request();
    other.tools[0].parameters["properties"]["command"]["type"] = "integer".into();
    assert_snapshot!(
        difference(other, &request()).await,
        @r#"tools[0].function.parameters.properties.command.type: "integer" / "string""#
    );
    let mut other = request();
    other.messages[2].tool_calls[0].arguments = "{ }".to_owned();
    assert_snapshot!(
        difference(other, &request()).await,
        @r#"messages[2].tool_calls[0].function.arguments: "{ }" / "{}""#
    );
}

#[tokio::test]
async fn empty_and_missing_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = replay(folder.path(), &request()).await.unwrap_err();
    assert!(error.to_string().ends_with(", which holds no records"), "{error}");
    let missing = folder.path().join("missing");
    let error = Replayer::new(&missing).unwrap_err();
    assert_eq!(error.to_string(), format!("failed to open folder `{}`", missing.display()));
}

/// Records a request, changes its file and returns what replaying it says.
async fn damaged(change: impl Fn(&str) -> String) -> String {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &[request()]).await;
    let file = folder.path().join(format!("{}.json", request().digest()));
    fs::write(&file, change(&fs::read_to_string(&file).unwrap())).unwrap();
    let ModelError::Cassette(error) = replay(folder.path(), &request()).await.unwrap_err() else {
        panic!("it should have found the damage");
    };
    format!("{error}; hint: {}", error.hints().join(""))
        .replace(&file.display().to_string(), "FILE")
}

#[tokio::test]
async fn damage_is_reported_with_the_file() {
    assert_snapshot!(
        damaged(|text| text[..text.len() / 2].to_owned()).await,
        @"record `FILE` is damaged: not JSON: EOF while parsing an object at line 45 column 6; hint: remove the file and record again"
    );
    assert_snapshot!(
        damaged(|text| text.replace("\"format\": 1", "\"format\": 2")).await,
        @"record `FILE` has format 2, and this program reads 1; hint: use a newer playpen"
    );
    assert_snapshot!(
        damaged(|text| text.replace("\"format\"", "\"fromat\"")).await,
        @"record `FILE` is damaged: `format` is missing or not a known number; hint: remove the file and record again"
    );
    assert_snapshot!(
        damaged(|text| text.replace("List the files.", "List no files.")).await,
        @"record `FILE` is damaged: its request does not have the digest in its name; hint: remove the file and record again"
    );
    assert_snapshot!(
        damaged(|text| text.replace("\"choices\"", "\"chances\"")).await,
        @"record `FILE` is damaged: in its response, `choices` is missing; hint: remove the file and record again"
    );
}

#[tokio::test]
async fn folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Recorder::new(Counting::default(), file.join("sub")).unwrap_err();
    assert!(error.to_string().starts_with("failed to open folder"), "{error}");
}
