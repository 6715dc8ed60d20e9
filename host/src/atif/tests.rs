//! Trajectories against the schema, with an independent validator, and against the rules in code.

use super::{
    InvalidTrajectory, ObservationResult, SCHEMA, SubagentRef, Trajectory, TrajectoryBuilder,
};
use crate::model::{ChatResponse, FinishReason, Message, ToolCall, ToolSpec, Usage};
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn response(text: Option<&str>, arguments: &[&str]) -> ChatResponse {
    let calls = arguments.iter().zip(1..).map(|(arguments, number)| ToolCall {
        id: format!("call_{number}"),
        name: "bash".to_owned(),
        arguments: (*arguments).to_owned(),
    });
    ChatResponse {
        message: Message::assistant_calls(text.map(str::to_owned), calls.collect()),
        reasoning: None,
        finish_reason: FinishReason::ToolCalls,
        usage: Usage { prompt_tokens: 100, completion_tokens: 10, cached_tokens: 60 },
        model: "m".to_owned(),
    }
}

fn builder() -> TrajectoryBuilder {
    let tool = ToolSpec {
        name: "bash".to_owned(),
        description: "Runs a command.".to_owned(),
        parameters: json!({"type": "object"}),
    };
    let mut builder = TrajectoryBuilder::new("playpen-implementer", "m", &[tool]);
    builder.system("You write code.");
    builder.user("List the files.");
    builder
}

/// A valid trajectory that uses every part of the format once.
fn full() -> Trajectory {
    let mut builder = builder();
    builder.ids("run-1", "run-1/1.1.1/implementer/1");
    builder.extra("playpen", json!({"stage": "implementer"}));
    builder.note("First remark.");
    builder.note("Second remark.");
    let mut first = response(Some("I look."), &[r#"{"command": "ls"}"#, "{\"comm"]);
    first.reasoning = Some("Look first.".to_owned());
    first.model = "m-2026".to_owned();
    builder.agent(&first);
    builder.at("2026-11-22T10:00:00Z".parse().unwrap());
    builder.step_extra("wall_ms", 12);
    builder.observe(Some("call_1"), "a.py\n");
    builder.observe_result(ObservationResult {
        source_call_id: Some("call_2".to_owned()),
        content: Some("the arguments are not JSON".to_owned()),
        subagent_trajectory_ref: Some(vec![SubagentRef {
            trajectory_id: Some("sub".to_owned()),
            ..SubagentRef::default()
        }]),
        extra: Some([("is_error".to_owned(), true.into())].into_iter().collect()),
    });
    let mut last = response(Some("Done, but c"), &[]);
    last.finish_reason = FinishReason::Length;
    builder.agent(&last);
    let mut trajectory = builder.finish().unwrap();
    let mut subagent = self::builder();
    subagent.ids("run-1", "sub");
    trajectory.subagent_trajectories = Some(vec![subagent.finish().unwrap()]);
    trajectory.final_metrics.as_mut().unwrap().total_cost_usd = Some(0.25);
    trajectory
}

fn full_json() -> Value {
    serde_json::to_value(full()).unwrap()
}

/// Returns whether the schema accepts a document, and what types and rules say.
fn judge(document: &Value) -> (bool, Result<(), String>) {
    let by_code = serde_json::from_value::<Trajectory>(document.clone())
        .map_err(|error| error.to_string())
        .and_then(|trajectory| trajectory.validate().map_err(|error| violations(&error)));
    (validator().is_valid(document), by_code)
}

fn violations(error: &InvalidTrajectory) -> String {
    let all: Vec<_> = error.violations.iter().map(ToString::to_string).collect();
    all.join("; ")
}

#[test]
fn built_trajectory_is_valid_and_reads_back() {
    let document = full_json();
    assert_eq!(judge(&document), (true, Ok(())));
    assert_eq!(serde_json::from_value::<Trajectory>(document).unwrap(), full());
}

#[test]
fn built_trajectory_has_this_form() {
    let mut document = full_json();
    document.as_object_mut().unwrap().remove("subagent_trajectories");
    document.as_object_mut().unwrap().remove("steps");
    document["agent"]["version"] = "VERSION".into();
    assert_json_snapshot!(document, @r#"
    {
      "agent": {
        "model_name": "m",
        "name": "playpen-implementer",
        "tool_definitions": [
          {
            "function": {
              "description": "Runs a command.",
              "name": "bash",
              "parameters": {
                "type": "object"
              }
            },
            "type": "function"
          }
        ],
        "version": "VERSION"
      },
      "extra": {
        "playpen": {
          "stage": "implementer"
        }
      },
      "final_metrics": {
        "total_cached_tokens": 120,
        "total_completion_tokens": 20,
        "total_cost_usd": 0.25,
        "total_prompt_tokens": 200,
        "total_steps": 4
      },
      "notes": "First remark.\nSecond remark.",
      "schema_version": "ATIF-v1.7",
      "session_id": "run-1",
      "trajectory_id": "run-1/1.1.1/implementer/1"
    }
    "#);
}

#[test]
fn built_steps_have_this_form() {
    assert_json_snapshot!(full_json()["steps"], @r#"
    [
      {
        "message": "You write code.",
        "source": "system",
        "step_id": 1
      },
      {
        "message": "List the files.",
        "source": "user",
        "step_id": 2
      },
      {
        "extra": {
          "wall_ms": 12
        },
        "llm_call_count": 1,
        "message": "I look.",
        "metrics": {
          "cached_tokens": 60,
          "completion_tokens": 10,
          "prompt_tokens": 100
        },
        "model_name": "m-2026",
        "observation": {
          "results": [
            {
              "content": "a.py\n",
              "source_call_id": "call_1"
            },
            {
              "content": "the arguments are not JSON",
              "extra": {
                "is_error": true
              },
              "source_call_id": "call_2",
              "subagent_trajectory_ref": [
                {
                  "trajectory_id": "sub"
                }
              ]
            }
          ]
        },
        "reasoning_content": "Look first.",
        "source": "agent",
        "step_id": 3,
        "timestamp": "2026-11-22T10:00:00Z",
        "tool_calls": [
          {
            "arguments": {
              "command": "ls"
            },
            "function_name": "bash",
            "tool_call_id": "call_1"
          },
          {
            "arguments": {},
            "extra": {
              "raw_arguments": "{\"comm"
            },
            "function_name": "bash",
            "tool_call_id": "call_2"
          }
        ]
      },
      {
        "extra": {
          "finish_reason": "length"
        },
        "llm_call_count": 1,
        "message": "Done, but c",
        "metrics": {
          "cached_tokens": 60,
          "completion_tokens": 10,
          "prompt_tokens": 100
        },
        "source": "agent",
        "step_id": 4
      }
    ]
    "#);
}

/// Changes one place of the valid trajectory, which both checks must then refuse, and returns what the
/// code says.
fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut document = full_json();
    change(&mut document);
    let (by_schema, by_code) = judge(&document);
    assert!(!by_schema, "the schema accepts it");
    by_code.expect_err("the code accepts it")
}

#[test]
fn schema_and_code_refuse_the_same() {
    assert_snapshot!(refused(|t| t["schema_version"] = "ATIF-v9".into()), @"`schema_version` is `ATIF-v9` and not `ATIF-v1.7`");
    assert_snapshot!(refused(|t| t["steps"] = json!([])), @"`steps` is empty");
    assert_snapshot!(refused(|t| t["surprise"] = 1.into()), @"unknown field `surprise`, expected one of `schema_version`, `session_id`, `trajectory_id`, `agent`, `steps`, `notes`, `final_metrics`, `continued_trajectory_ref`, `extra`, `subagent_trajectories`");
    assert_snapshot!(refused(|t| t["steps"][0]["surprise"] = 1.into()), @"unknown field `surprise`, expected one of `step_id`, `timestamp`, `source`, `model_name`, `reasoning_effort`, `message`, `reasoning_content`, `tool_calls`, `observation`, `metrics`, `llm_call_count`, `is_copied_context`, `extra`");
    assert_snapshot!(refused(|t| t["agent"]["surprise"] = 1.into()), @"unknown field `surprise`, expected one of `name`, `version`, `model_name`, `tool_definitions`, `extra`");
    assert_snapshot!(refused(|t| t["steps"][2]["metrics"]["surprise"] = 1.into()), @"unknown field `surprise`, expected one of `prompt_tokens`, `completion_tokens`, `cached_tokens`, `cost_usd`, `prompt_token_ids`, `completion_token_ids`, `logprobs`, `extra`");
    assert_snapshot!(refused(|t| t["steps"][2]["tool_calls"][0]["surprise"] = 1.into()), @"unknown field `surprise`, expected one of `tool_call_id`, `function_name`, `arguments`, `extra`");
    assert_snapshot!(refused(|t| t["steps"][2]["observation"]["results"][0]["surprise"] = 1.into()), @"unknown field `surprise`, expected one of `source_call_id`, `content`, `subagent_trajectory_ref`, `extra`");
    assert_snapshot!(refused(|t| t["steps"][2]["tool_calls"][0]["arguments"] = "ls".into()), @r#"invalid type: string "ls", expected a map"#);
    assert_snapshot!(refused(|t| t["steps"][2]["metrics"]["prompt_tokens"] = 1.5.into()), @"invalid type: floating point `1.5`, expected u64");
    assert_snapshot!(refused(|t| t["steps"][2]["metrics"]["cached_tokens"] = (-1).into()), @"invalid value: integer `-1`, expected u64");
    assert_snapshot!(refused(|t| t["steps"][2]["metrics"]["cost_usd"] = (-1.0).into()), @"`steps[2].metrics.cost_usd` is not an amount of money");
    assert_snapshot!(refused(|t| t["steps"][2]["source"] = "robot".into()), @"unknown variant `robot`, expected one of `system`, `user`, `agent`");
    assert_snapshot!(refused(|t| t["steps"][2]["timestamp"] = "yesterday".into()), @"`steps[2].timestamp` is `yesterday`, which is no ISO 8601 time");
    assert_snapshot!(refused(|t| t["steps"][0]["step_id"] = 2.into()), @"`steps[0].step_id` is 2 and not 1");
    assert_snapshot!(refused(|t| t["steps"][2]["llm_call_count"] = 0.into()), @"`steps[2].metrics` is present although `llm_call_count` is 0; `steps[2].reasoning_content` is present although `llm_call_count` is 0");
    assert_snapshot!(refused(|t| t["steps"][2]["reasoning_effort"] = json!([])), @"`steps[2].reasoning_effort` is neither text nor a number");
    assert_snapshot!(
        refused(|t| t["steps"][2]["observation"]["results"][1]["subagent_trajectory_ref"][0] = json!({"session_id": "s"})),
        @"`steps[2].observation.results[1].subagent_trajectory_ref[0]` has neither `trajectory_id` nor `trajectory_path`"
    );
    assert_snapshot!(
        refused(|t| drop(t["subagent_trajectories"][0].as_object_mut().unwrap().remove("trajectory_id"))),
        @"`subagent_trajectories[0].trajectory_id` is missing"
    );
    assert_snapshot!(
        refused(|t| t["subagent_trajectories"][0]["steps"][0]["metrics"] = json!({})),
        @"`subagent_trajectories[0].steps[0].metrics` is for steps of the agent only"
    );
}

#[test]
fn fields_of_the_agent_are_refused_elsewhere() {
    let fields = [
        ("model_name", json!("m")),
        ("reasoning_effort", json!("high")),
        ("reasoning_content", json!("thoughts")),
        ("tool_calls", json!([])),
        ("metrics", json!({})),
    ];
    for (name, value) in fields {
        let said = refused(|t| t["steps"][1][name] = value);
        assert_eq!(said, format!("`steps[1].{name}` is for steps of the agent only"));
    }
}

#[test]
fn required_fields_are_required() {
    for (pointer, name) in [
        ("", "schema_version"),
        ("", "agent"),
        ("", "steps"),
        ("/agent", "name"),
        ("/agent", "version"),
        ("/steps/0", "step_id"),
        ("/steps/0", "source"),
        ("/steps/0", "message"),
        ("/steps/2/tool_calls/0", "tool_call_id"),
        ("/steps/2/tool_calls/0", "function_name"),
        ("/steps/2/tool_calls/0", "arguments"),
        ("/steps/2/observation", "results"),
    ] {
        let said = refused(|t| {
            t.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        });
        assert!(said.contains(&format!("missing field `{name}`")), "{said}");
    }
}

#[test]
fn rules_across_fields_are_held_by_the_code() {
    let said = |change: fn(&mut Value)| {
        let mut document = full_json();
        change(&mut document);
        judge(&document).1.unwrap_err()
    };
    assert_snapshot!(said(|t| t["steps"][3]["step_id"] = 5.into()), @"`steps[3].step_id` is 5 and not 4");
    assert_snapshot!(
        said(|t| t["steps"][2]["observation"]["results"][0]["source_call_id"] = "call_9".into()),
        @"`steps[2].observation.results[0].source_call_id` is `call_9`, which is no call of this step"
    );
    // A call of another step does not count.
    assert_snapshot!(
        said(|t| t["steps"][3]["observation"] = json!({"results": [{"source_call_id": "call_1"}]})),
        @"`steps[3].observation.results[0].source_call_id` is `call_1`, which is no call of this step"
    );
    assert_snapshot!(
        said(|t| t["steps"][2]["tool_calls"][1]["tool_call_id"] = "call_1".into()),
        @"`steps[2].tool_calls[1].tool_call_id` is `call_1` again; `steps[2].observation.results[1].source_call_id` is `call_2`, which is no call of this step"
    );
    assert_snapshot!(
        said(|t| {
            let twin = t["subagent_trajectories"][0].clone();
            t["subagent_trajectories"].as_array_mut().unwrap().push(twin);
        }),
        @"`subagent_trajectories[1].trajectory_id` is `sub` again"
    );
}

#[test]
fn times_with_and_without_offset_are_times() {
    for time in ["2026-11-22T10:00:00.123Z", "2026-11-22T10:00:00+02:00", "2026-11-22T10:00:00"] {
        let mut document = full_json();
        document["steps"][0]["timestamp"] = time.into();
        assert_eq!(judge(&document), (true, Ok(())), "{time}");
    }
    for time in ["2026-11-22", "10:00", ""] {
        refused(|t| t["steps"][0]["timestamp"] = time.into());
    }
}

#[test]
fn builder_refuses_what_would_be_invalid() {
    let empty = TrajectoryBuilder::new("a", "m", &[]);
    assert_snapshot!(empty.finish().unwrap_err(), @"the trajectory breaks the rules of ATIF-v1.7: `steps` is empty");
    let mut dangling = builder();
    dangling.agent(&response(None, &["{}"]));
    dangling.observe(Some("call_7"), "");
    assert_snapshot!(
        dangling.finish().unwrap_err(),
        @"the trajectory breaks the rules of ATIF-v1.7: `steps[2].observation.results[0].source_call_id` is `call_7`, which is no call of this step"
    );
}

#[test]
fn totals_are_the_sums() {
    let mut builder = builder();
    builder.agent(&response(None, &["{}"]));
    builder.agent(&response(Some("done"), &[]));
    assert_eq!(
        builder.usage(),
        Usage { prompt_tokens: 200, completion_tokens: 20, cached_tokens: 120 }
    );
    assert_eq!(builder.n_steps(), 4);
    let metrics = builder.finish().unwrap().final_metrics.unwrap();
    assert_eq!(metrics.total_prompt_tokens, Some(200));
    assert_eq!(metrics.total_completion_tokens, Some(20));
    assert_eq!(metrics.total_cached_tokens, Some(120));
    assert_eq!(metrics.total_steps, Some(4));
}
