//! Which entry answers.

use super::{ask, start};
use insta::assert_snapshot;

#[tokio::test]
async fn first_entry_that_matches_answers() {
    let (url, server) = start(
        "
format: 1
entries:
  - {name: a, match: {stage: s, task: 1.1.1, attempt: 2}, replies: [{text: second attempt}]}
  - {name: b, match: {stage: s, task: 1.1.1}, replies: [{text: any attempt}]}
  - {name: c, match: {stage: s}, replies: [{text: any task}]}
  - {name: d, replies: [{text: anything}]}
",
    )
    .await;
    let stage = ("x-playpen-stage", "s");
    let task = ("x-playpen-task", "1.1.1");
    let attempt = ("x-playpen-attempt", "2");
    assert_eq!(ask(&url, &[stage, task, attempt], &["hi"]).await, "second attempt");
    assert_eq!(ask(&url, &[stage, task], &["hi"]).await, "any attempt");
    assert_eq!(ask(&url, &[stage, ("x-playpen-task", "1.1.10")], &["hi"]).await, "any task");
    assert_eq!(ask(&url, &[("x-playpen-stage", "t")], &["hi"]).await, "anything");
    assert_eq!(ask(&url, &[], &["hi"]).await, "anything");
    assert_snapshot!(server.stop().await.to_table(), @"
         1 requests      1 replies      0 faults  a
         1 requests      1 replies      0 faults  b
         1 requests      1 replies      0 faults  c
         2 requests      2 replies      0 faults  d
    ");
}

#[tokio::test]
async fn replies_follow_the_conversation_and_not_the_order_of_requests() {
    let (url, _server) = start(
        "format: 1\nentries: [{name: e, replies: [{text: one}, {text: two}, {text: three}]}]",
    )
    .await;
    let history = ["q", "one", "q", "two", "q", "three", "q"];
    assert_eq!(ask(&url, &[], &history[..5]).await, "three");
    assert_eq!(ask(&url, &[], &history[..1]).await, "one");
    assert_eq!(ask(&url, &[], &history[..3]).await, "two");
    assert_eq!(ask(&url, &[], &history[..3]).await, "two");
    assert_snapshot!(
        ask(&url, &[], &history).await,
        @"404: no entry of `test.yaml` answers stage absent, task absent, attempt absent, turn `4`; the nearest is `e` (line 2): turn is 4, and its replies are for turns 1 to 3"
    );
}

#[tokio::test]
async fn last_reply_may_be_repeated_and_the_first_may_be_for_a_later_turn() {
    let (url, _server) = start(
        "
format: 1
entries:
  - {match: {turn: 2}, replies: [{text: turn two}]}
  - {match: {turn: 3}, repeat_last: true, replies: [{text: turn three}, {text: later}]}
  - {replies: [{text: turn one}]}
",
    )
    .await;
    let history = ["q", "a", "q", "a", "q", "a", "q", "a", "q"];
    let mut answers = Vec::new();
    for n_messages in [1, 3, 5, 7, 9] {
        answers.push(ask(&url, &[], &history[..n_messages]).await);
    }
    assert_eq!(answers, ["turn one", "turn two", "turn three", "later", "later"]);
}

#[tokio::test]
async fn rules_look_at_the_last_message() {
    let (url, _server) = start(
        "
format: 1
entries:
  - match: {last_message: [{contains: FAILED, lacks: timeout}]}
    repeat_last: true
    replies: [{text: fix it}]
  - match: {last_message: [{role: user}, {regex: '(?i)^pass(ed)?$'}]}
    repeat_last: true
    replies: [{text: finish}]
",
    )
    .await;
    assert_eq!(ask(&url, &[], &["1 FAILED"]).await, "fix it");
    assert_eq!(ask(&url, &[], &["FAILED", "a", "Passed"]).await, "finish");
    assert_snapshot!(
        ask(&url, &[], &["FAILED by timeout"]).await,
        @"404: no entry of `test.yaml` answers stage absent, task absent, attempt absent, turn `1`; the nearest is `entry 1` (line 4): the last message contains `timeout`"
    );
    assert_snapshot!(
        ask(&url, &[], &["passed", "passed"]).await,
        @"404: no entry of `test.yaml` answers stage absent, task absent, attempt absent, turn `2`; the nearest is `entry 1` (line 4): the last message lacks `FAILED`"
    );
}

#[tokio::test]
async fn entry_may_answer_a_number_of_requests_at_most() {
    let (url, _server) = start(
        "format: 1\nentries: [{at_most: 2, replies: [{text: bad}]}, {replies: [{text: good}]}]",
    )
    .await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(ask(&url, &[], &["q"]).await);
    }
    assert_eq!(answers, ["bad", "bad", "good"]);
}

#[tokio::test]
async fn faults_come_before_replies_and_may_be_for_one_turn() {
    let (url, server) = start(
        "
format: 1
entries:
  - faults: [{kind: status, status: 500, turn: 2, message: oops}]
    replies: [{text: one}, {text: two}]
  - name: only faults
    faults: [{kind: status, status: 503, times: 1}]
",
    )
    .await;
    assert_eq!(ask(&url, &[], &["q"]).await, "one");
    assert_eq!(ask(&url, &[], &["q", "a", "q"]).await, "500: oops");
    assert_eq!(ask(&url, &[], &["q", "a", "q"]).await, "two");
    let later = ["q", "a", "q", "a", "q"];
    assert_eq!(ask(&url, &[], &later).await, "503: scripted fault");
    assert!(ask(&url, &[], &later).await.starts_with("404: "));
    let tally = server.stop().await;
    assert_eq!((tally.n_requests(), tally.n_unmatched), (5, 1));
}

#[tokio::test]
async fn empty_script_answers_nothing() {
    let (url, _server) = start("format: 1\nentries: []").await;
    assert_snapshot!(
        ask(&url, &[], &["q"]).await,
        @"404: no entry of `test.yaml` answers stage absent, task absent, attempt absent, turn `1`"
    );
}
