//! Answers as servers really write them, and as they should not.

use super::describe;
use crate::model::wire::{decode_body, decode_response, encode_response};
use insta::assert_snapshot;
use proptest::prelude::{Strategy, any, prop, proptest};
use serde_json::{Value, json};

/// Reads `message` as the only choice of a completion, and describes what came of it.
fn read(message: impl Into<Value>) -> String {
    let message = message.into();
    read_body(&json!({"choices": [{"message": message}]}).to_string())
}

fn read_body(body: &str) -> String {
    match decode_body(body.as_bytes(), 7) {
        Ok(response) => describe(&response),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn shapes_that_are_bent_are_understood() {
    let calls = |call: Value| json!({"content": null, "tool_calls": [call]});
    assert_snapshot!(read(json!({"content": "hi", "tool_calls": null})), @r#""hi" | stop | 0+0 tokens, 0 cached"#);
    assert_snapshot!(read(json!({})), @r#""-" | stop | 0+0 tokens, 0 cached"#);
    assert_snapshot!(
        read(json!({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}]})),
        @r#""ab" | stop | 0+0 tokens, 0 cached"#
    );
    assert_snapshot!(
        read(json!({"content": "x", "reasoning_content": "because"})),
        @r#""x" | thought "because" | stop | 0+0 tokens, 0 cached"#
    );
    assert_snapshot!(
        read(json!({"content": null, "refusal": "I must not."})),
        @r#""I must not." | stop | 0+0 tokens, 0 cached"#
    );
    assert_snapshot!(
        read(calls(json!({"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}))),
        @r#""-" | a f({"x":1}) | tool_calls | 0+0 tokens, 0 cached"#
    );
    assert_snapshot!(
        read(calls(json!({"function": {"name": "f"}}))),
        @r#""-" | call_7_0 f({}) | tool_calls | 0+0 tokens, 0 cached"#
    );
    assert_snapshot!(
        read(calls(json!({"id": "a", "function": {"name": "f", "arguments": "{\"x\": "}}))),
        @r#""-" | a f({"x": ) | tool_calls | 0+0 tokens, 0 cached"#
    );
}

#[test]
fn calls_with_one_id_get_two() {
    let call = json!({"id": "a", "function": {"name": "f", "arguments": ""}});
    assert_snapshot!(
        read(json!({"tool_calls": [call, call]})),
        @r#""-" | a f() | call_7_1 f() | tool_calls | 0+0 tokens, 0 cached"#
    );
}

#[test]
fn usage_and_finish_reason_may_be_missing_or_strange() {
    let body = |finish: Value, usage: Value| {
        let choice = json!({"message": {"content": "x"}, "finish_reason": finish});
        read_body(&json!({"choices": [choice], "usage": usage, "new_field": {}}).to_string())
    };
    assert_snapshot!(
        body(json!("length"), json!({"prompt_tokens": "many", "completion_tokens": -1})),
        @r#""x" | length | 0+0 tokens, 0 cached"#
    );
    assert_snapshot!(
        body(json!("eos"), json!({"prompt_tokens": 5, "prompt_cache_hit_tokens": 4})),
        @r#""x" | eos | 5+0 tokens, 4 cached"#
    );
    assert_snapshot!(body(json!(3), json!([])), @r#""x" | stop | 0+0 tokens, 0 cached"#);
}

#[test]
fn what_is_needed_is_named_when_it_is_missing() {
    assert_snapshot!(read_body("{}"), @"error: `choices` is missing");
    assert_snapshot!(read_body("[]"), @"error: `choices` is missing");
    assert_snapshot!(read_body(r#"{"choices": 1}"#), @"error: `choices` is not an array");
    assert_snapshot!(read_body(r#"{"choices": []}"#), @"error: `choices[0]` is missing");
    assert_snapshot!(read_body(r#"{"choices": [{}]}"#), @"error: `choices[0].message` is missing");
    assert_snapshot!(read(json!("text")), @"error: `choices[0].message` is not an object");
    assert_snapshot!(read(json!({"content": 1})), @"error: `choices[0].message.content` is not text");
    assert_snapshot!(
        read(json!({"tool_calls": [{"function": {}}]})),
        @"error: `choices[0].message.tool_calls[0].function.name` is missing"
    );
    assert_snapshot!(
        read(json!({"tool_calls": {}})),
        @"error: `choices[0].message.tool_calls` is not an array"
    );
    assert_snapshot!(
        read_body(r#"{"error": {"code": 502, "message": "upstream"}}"#),
        @"error: it reports an error: upstream"
    );
    assert_snapshot!(read_body(""), @"error: it is not JSON: EOF while parsing a value at line 1 column 0");
}

#[test]
fn nesting_without_end_is_an_error_and_no_crash() {
    assert!(read_body(&"[".repeat(1_000_000)).starts_with("error: it is not JSON"));
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = proptest::prop_oneof![
        proptest::prelude::Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,6}".prop_map(Value::from),
    ];
    // The names are those that the reader looks for, so that it gets far.
    let names = proptest::sample::select(vec![
        "choices",
        "message",
        "content",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "usage",
        "error",
        "text",
        "finish_reason",
    ]);
    leaf.prop_recursive(8, 64, 4, move |inner| {
        proptest::prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    /// What is read can be written and read again, whatever it was; and reading never panics.
    #[test]
    fn reading_is_total_and_writing_keeps_all(message in json_values(), body in json_values()) {
        decode_response(&body, 1).ok();
        let body = json!({"choices": [{"message": message}]});
        if let Ok(response) = decode_response(&body, 1) {
            assert_eq!(decode_response(&encode_response(&response), 1).unwrap(), response);
        }
    }
}
