//! Exports of records that are made here: what is written, what is lost, and what is said of it.

use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};
use tempfile::TempDir;

use super::{ExportConfig, Exported, Format, export, rules, text_protocol};
use crate::{
    atif::{Trajectory, TrajectoryBuilder},
    model::{ChatResponse, FinishReason, Message, ToolCall, ToolSpec, Usage},
};

/// A step of a scripted conversation.
enum Say {
    User(&'static str),
    /// Text, and calls with what they print.
    Agent(&'static str, Vec<(&'static str, Value, &'static str)>),
}

fn trajectory(steps: &[Say]) -> Trajectory {
    let tool = ToolSpec {
        name: "bash".to_owned(),
        description: "Run a command.".to_owned(),
        parameters: json!({
            "type": "object", "required": ["command"],
            "properties": {"command": {"type": "string", "description": "The command."}},
        }),
    };
    let mut builder = TrajectoryBuilder::new("playpen-implementer", "m", &[tool]);
    builder.system("You write code.");
    for step in steps {
        match step {
            Say::User(text) => builder.user(*text),
            Say::Agent(text, calls) => {
                let call = |(idx, (name, arguments, _)): (usize, &(&str, Value, &str))| ToolCall {
                    id: format!("call_{idx}"),
                    name: (*name).to_owned(),
                    arguments: arguments.to_string(),
                };
                let text = (!text.is_empty()).then(|| (*text).to_owned());
                let calls_made = calls.iter().enumerate().map(call).collect();
                builder.agent(&ChatResponse {
                    message: Message::assistant_calls(text, calls_made),
                    reasoning: None,
                    finish_reason: FinishReason::ToolCalls,
                    usage: Usage::default(),
                    model: "m".to_owned(),
                });
                for (idx, (.., printed)) in calls.iter().enumerate() {
                    builder.observe(Some(&format!("call_{idx}")), *printed);
                }
            }
        }
    }
    builder.finish().unwrap()
}

/// A conversation with everything that a trainer stumbles over.
fn awkward() -> Trajectory {
    let bash = |command: &str| ("bash", json!({ "command": command }), "done\n");
    trajectory(&[
        Say::User("Do it."),
        Say::User("And do it well."),
        Say::Agent("I look.", vec![bash("ls"), bash("cat <<'END'\n<think>x</think>\nEND")]),
        Say::Agent("", vec![]),
        Say::User("Call a tool."),
        Say::Agent("", vec![("bash", json!({ "command": "a\n\"b\"", "timeout_s": 2 }), "")]),
        Say::Agent("That is all.", vec![("finish", json!({ "message": "ok" }), "finished")]),
    ])
}

fn write(folder: &Path, name: &str, value: &impl serde::Serialize) {
    let path = folder.join(name);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, serde_json::to_string(value).unwrap()).unwrap();
}

fn attempt(run: &Path, place: &str, accepted: bool, reasons: &Value, steps: &Trajectory) {
    let (item, attempt) = place.split_once('/').unwrap();
    let (role, number) = attempt.split_once('-').unwrap();
    let verdict = json!({
        "format_version": 1, "accepted": accepted, "task": item, "role": role, "attempt": number.parse::<u32>().unwrap(),
        "gates": [{"gate": "pass_after", "passed": accepted, "reasons": reasons}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 0},
    });
    write(run, &format!("tasks/{place}/verdict.json"), &verdict);
    write(run, &format!("tasks/{place}/trajectory.json"), steps);
}

/// A run with a solved task, an unsolved one, and one that was interrupted.
fn run() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    write(run, "run.json", &json!({ "run_id": "calc-0001" }));
    write(run, "tasks/1.1.1/task.json", &json!({ "state": {"kind": "solved"} }));
    write(run, "tasks/1.1.2/task.json", &json!({ "state": {"kind": "unsolved"} }));
    let fails = json!([{
        "reason": "fails", "id": "t", "outcome": "failed", "exception": "E", "message": "m", "place": "own",
    }]);
    let plain = trajectory(&[Say::User("Do it."), Say::Agent("Done.", vec![])]);
    attempt(run, "1.1.1/test_writer-1", true, &json!([]), &plain);
    attempt(run, "1.1.1/test_writer-2", true, &json!([]), &awkward());
    attempt(run, "1.1.1/implementer-1", false, &fails, &plain);
    attempt(run, "1.1.1/implementer-2", true, &json!([]), &awkward());
    attempt(run, "1.1.2/test_writer-1", true, &json!([]), &plain);
    let infra = json!([{ "reason": "limit", "limit": "wall", "fault": "infra" }]);
    attempt(run, "1.1.2/implementer-1", false, &infra, &plain);
    write(run, "tasks/1.1.3/test_writer-1/trajectory.json", &plain);
    dir
}

fn exported(run: &TempDir, format: Format) -> (TempDir, Exported, BTreeMap<String, Vec<Value>>) {
    let output = tempfile::tempdir().unwrap();
    let config = ExportConfig {
        sources: vec![run.path().to_owned()],
        format,
        output: output.path().to_owned(),
        roles: vec![],
    };
    let exported = export(&config).unwrap();
    let read = |name: &String| {
        let text = fs_err::read_to_string(output.path().join(name)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (name.clone(), lines)
    };
    let files = exported.files.keys().map(read).collect();
    (output, exported, files)
}

fn why(exported: &Exported) -> BTreeMap<&str, &str> {
    exported.dropped.iter().map(|dropped| (dropped.what.as_str(), dropped.why.as_str())).collect()
}

#[test]
fn no_example_is_lost_by_the_rules_of_the_trainer() {
    let run = run();
    let (_output, exported, files) = exported(&run, Format::ShareGpt);
    assert_eq!(
        exported.files,
        BTreeMap::from([("text.jsonl".into(), 2), ("tools.jsonl".into(), 2)])
    );
    for example in &files["text.jsonl"] {
        assert_eq!(rules::loss(example["messages"].as_array().unwrap(), rules::TEXT), None);
    }
    for example in &files["tools.jsonl"] {
        assert_eq!(rules::loss(example["conversations"].as_array().unwrap(), rules::TOOLS), None);
    }
}

#[test]
fn every_call_and_every_word_of_the_agent_is_in_both_profiles() {
    let run = run();
    let (_output, _, files) = exported(&run, Format::ShareGpt);
    let commands = ["ls", "cat <<'END'\n<think>x</think>\nEND", "a\n\"b\""];
    let messages = files["text.jsonl"][1]["messages"].as_array().unwrap();
    let answers: String = messages
        .iter()
        .filter(|m| m["role"] == "assistant")
        .map(|m| m["content"].as_str().unwrap())
        .collect();
    let calls = text_protocol::parse(&answers);
    let values: Vec<&str> = calls
        .iter()
        .flat_map(|(_, values)| values)
        .filter(|(name, _)| name == "command")
        .map(|(_, v)| v.as_str())
        .collect();
    assert_eq!(values, commands);
    assert!(answers.contains("I look.") && answers.contains("That is all."), "{answers}");
    let system = messages[0]["content"].as_str().unwrap();
    assert!(system.contains("`command` (string, required): The command."), "{system}");

    let turns = files["tools.jsonl"][1]["conversations"].as_array().unwrap();
    let calls = turns.iter().filter(|turn| turn["from"] == "function_call").flat_map(|turn| {
        let value = turn["value"].as_str().unwrap();
        let json = value.rsplit_once("</think>").map_or(value, |(_, json)| json);
        serde_json::from_str::<Vec<Value>>(json).unwrap()
    });
    let values: Vec<String> =
        calls.filter_map(|call| Some(call["arguments"]["command"].as_str()?.to_owned())).collect();
    assert_eq!(values, commands);
}

#[test]
fn what_is_left_out_is_said() {
    let run = run();
    let (output, exported, _) = exported(&run, Format::OpenAi);
    let expected = BTreeMap::from([
        ("calc-0001/tasks/1.1.1/implementer-1", "it was refused: fails"),
        ("calc-0001/tasks/1.1.1/test_writer-1", "a later attempt took its place"),
        ("calc-0001/tasks/1.1.2/implementer-1", "it is undecided: a limit of the machine was met"),
        (
            "calc-0001/tasks/1.1.2/test_writer-1",
            "the task stayed unsolved, so nothing confirms what was accepted",
        ),
        ("calc-0001/tasks/1.1.3/test_writer-1", "there is no verdict: the run was interrupted"),
    ]);
    assert_eq!(why(&exported), expected);
    let card = fs_err::read_to_string(output.path().join("README.md")).unwrap();
    assert!(card.contains("| `messages.jsonl` | 2 |") && card.contains("left out: 5"), "{card}");
}

#[test]
fn messages_with_tools_are_what_an_endpoint_takes() {
    let run = run();
    let (_output, _, files) = exported(&run, Format::OpenAi);
    for example in &files["messages.jsonl"] {
        let mut open: Vec<&str> = vec![];
        for message in example["messages"].as_array().unwrap() {
            match message["role"].as_str().unwrap() {
                "tool" => {
                    let id = message["tool_call_id"].as_str().unwrap();
                    let place = open.iter().position(|other| *other == id).unwrap();
                    open.remove(place);
                }
                "assistant" => {
                    assert!(open.is_empty(), "{open:?} are not answered");
                    let calls = message["tool_calls"].as_array().into_iter().flatten();
                    open.extend(calls.map(|call| call["id"].as_str().unwrap()));
                }
                _ => assert!(open.is_empty(), "{open:?} are not answered"),
            }
        }
        assert_eq!(example["tools"][0]["function"]["name"], "bash");
    }
}

#[test]
fn a_kept_attempt_is_set_against_a_failed_one() {
    let run = run();
    let (_output, exported, files) = exported(&run, Format::Preference);
    let [pair] = files["pairs.jsonl"].as_slice() else { panic!("{:?}", exported.dropped) };
    assert_eq!(
        pair["id"],
        "calc-0001/tasks/1.1.1/implementer-2 over calc-0001/tasks/1.1.1/implementer-1"
    );
    assert_eq!(pair["prompt"].as_array().unwrap().len(), 1);
    assert_eq!(pair["is_same_prompt"], false);
    assert_eq!(pair["reasons"], json!(["fails"]));
    assert_eq!(pair["rejected"].as_array().unwrap().last().unwrap()["content"], "Done.");
    assert_eq!(
        why(&exported)["calc-0001/tasks/1.1.1/test_writer-2"],
        "no attempt at the same work failed"
    );
}

#[test]
fn trajectories_are_atif() {
    let run = run();
    let (output, _, files) = exported(&run, Format::Atif);
    let schema =
        jsonschema::validator_for(&serde_json::from_str(crate::atif::SCHEMA).unwrap()).unwrap();
    assert_eq!(files["index.jsonl"].len(), 2);
    for line in &files["index.jsonl"] {
        let text =
            fs_err::read_to_string(output.path().join(line["file"].as_str().unwrap())).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(schema.is_valid(&value));
        serde_json::from_value::<Trajectory>(value).unwrap().validate().unwrap();
    }
}

#[test]
fn the_rules_know_what_would_be_lost() {
    use rules::Loss;
    let user = || json!({ "from": "human", "value": "u" });
    let gpt = || json!({ "from": "gpt", "value": "a" });
    let seen = || json!({ "from": "observation", "value": "o" });
    let call = |value: &str| json!({ "from": "function_call", "value": value });
    let good = r#"[{"name": "bash", "arguments": {"command": "ls"}}]"#;
    let cases = [
        (vec![user(), gpt()], None),
        (vec![user(), call(good), seen(), gpt()], None),
        (vec![user(), call(&format!("<think>why</think>{good}")), seen(), gpt()], None),
        (vec![user(), user(), gpt()], Some(Loss::NotAlternating)),
        (vec![gpt(), user()], Some(Loss::NotAlternating)),
        (vec![user(), call(good), seen()], Some(Loss::OddNumber)),
        (vec![user(), call(&format!("why {good}"))], Some(Loss::WordsAroundCall)),
        (
            vec![user(), json!({ "from": "gpt", "value": "a", "tool_calls": [] })],
            Some(Loss::CallBesideText),
        ),
        (vec![user(), json!({ "from": "gpt", "value": "" })], Some(Loss::Empty)),
    ];
    for (messages, expected) in cases {
        assert_eq!(rules::loss(&messages, rules::TOOLS), expected, "{messages:?}");
    }
}

#[test]
fn an_end_mark_in_an_argument_is_a_reason() {
    let run = tempfile::tempdir().unwrap();
    write(run.path(), "run.json", &json!({ "run_id": "r" }));
    write(run.path(), "tasks/1.1.1/task.json", &json!({ "state": {"kind": "solved"} }));
    let steps = [
        Say::User("Do it."),
        Say::Agent("", vec![("bash", json!({ "command": "echo '</parameter>'" }), "")]),
        Say::Agent("Done.", vec![]),
    ];
    attempt(run.path(), "1.1.1/implementer-1", true, &json!([]), &trajectory(&steps));
    let (_output, exported, _) = exported(&run, Format::ShareGpt);
    assert_eq!(
        why(&exported)["r/tasks/1.1.1/implementer-1"],
        "argument `command` of a call holds an end mark of the text protocol"
    );
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let run = run();
    let config = |output: &Path| ExportConfig {
        sources: vec![run.path().to_owned()],
        format: Format::Atif,
        output: output.to_owned(),
        roles: vec![],
    };
    let error = export(&config(run.path())).unwrap_err();
    assert!(error.to_string().ends_with("is not empty"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let none = ExportConfig {
        sources: vec![empty.path().to_owned()],
        ..config(&empty.path().join("out"))
    };
    let error = export(&none).unwrap_err();
    assert!(error.to_string().ends_with("is neither a run nor a data set"), "{error}");
}
