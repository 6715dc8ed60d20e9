//! Reports of records that are made here: how far what came, and that a page is no more than text.

use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

use super::{Fate, Prices, Report, html, read};
use crate::{
    atif::TrajectoryBuilder,
    model::{ChatResponse, FinishReason, Message, ToolCall, Usage},
    record::{AttemptRecord, write_json},
};

/// What a model would write to leave the place where it is shown.
const HOSTILE: &str = "</pre><script>alert(1)</script>\" onload='x' \u{202e}";

fn write(folder: &Path, name: &str, value: &Value) {
    let path = folder.join(name);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    write_json(&path, value).unwrap();
}

fn attempt(run: &Path, place: &str, gates: Option<&Value>) {
    let (item, name) = place.rsplit_once('/').unwrap();
    let (role, number) = name.rsplit_once('-').unwrap();
    let item = item.rsplit('/').next().unwrap();
    let record = AttemptRecord::create(run.join(place)).unwrap();
    let mut builder = TrajectoryBuilder::new("playpen-implementer", "m", &[]);
    builder.user(HOSTILE);
    let call = ToolCall {
        id: "call_0".to_owned(),
        name: "bash".to_owned(),
        arguments: json!({ "command": HOSTILE }).to_string(),
    };
    builder.agent(&ChatResponse {
        message: Message::assistant_calls(Some(HOSTILE.to_owned()), vec![call]),
        reasoning: Some(HOSTILE.to_owned()),
        finish_reason: FinishReason::ToolCalls,
        usage: Usage::default(),
        model: "m".to_owned(),
    });
    builder.observe(Some("call_0"), HOSTILE);
    record.write_trajectory(&builder.finish().unwrap()).unwrap();
    fs_err::write(record.path().join("patch.diff"), format!("+{HOSTILE}\n")).unwrap();
    let Some(gates) = gates else { return };
    let accepted = gates.as_array().unwrap().iter().all(|gate| gate["passed"] == true);
    let verdict = json!({
        "format_version": 1, "accepted": accepted, "task": item, "role": role,
        "attempt": number.parse::<u32>().unwrap(), "stop": "finished", "gates": gates,
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 400},
        "n_tool_calls": 2, "n_denied": 1,
    });
    record.write_verdict(&verdict).unwrap();
}

/// Two solved tasks of which one took two attempts, one that is not finished, and a variant that was not kept.
fn run() -> (TempDir, Report) {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let about = json!({
        "format_version": 1, "run_id": "calc-0001", "repo_name": HOSTILE, "model_name": HOSTILE,
        "tasks": ["1.1.1", "1.1.2", "1.1.3", "../../x"],
    });
    write(run, "run.json", &about);
    for (number, title) in [("1.1.1", "One"), ("1.1.2", HOSTILE)] {
        let task = json!({
            "number": number, "title": title, "state": {"kind": "solved"}, "n_test_attempts": 1,
            "n_implementation_attempts": 1, "tests": ["t"], "unsupported_visual_tests": [],
        });
        write(run, &format!("tasks/{number}/task.json"), &task);
    }
    let passed = |gate: &str| json!({"gate": gate, "passed": true, "reasons": []});
    let fails = json!({
        "gate": "pass_after", "passed": false, "reasons": [{
            "reason": "fails", "id": HOSTILE, "outcome": "failed", "exception": "E", "message": HOSTILE,
            "place": "own",
        }],
    });
    let good = json!([passed("finished"), passed("pass_after"), passed("stable")]);
    let bad = json!([passed("finished"), fails, passed("stable")]);
    attempt(run, "tasks/1.1.1/implementer-1", Some(&bad));
    attempt(run, "tasks/1.1.1/implementer-2", Some(&good));
    attempt(run, "tasks/1.1.2/implementer-1", Some(&good));
    attempt(run, "tasks/1.1.2/test_writer-1", Some(&good));
    attempt(run, "tasks/1.1.3/implementer-1", None);
    attempt(run, "variants/swe/1.1.1/solver-1", Some(&bad));
    let swe = json!({
        "format_version": 1, "variant": "swe", "items": {"1.1.1": {"kept": false, "refused": [], "n_attempts": 1}},
    });
    write(run, "variants/swe/report.json", &swe);
    let report = read(run).unwrap();
    (dir, report)
}

#[test]
fn pieces_of_work_are_counted_and_not_attempts() {
    let (_dir, report) = run();
    let stages: Vec<Value> =
        report.stages.iter().map(|it| serde_json::to_value(it).unwrap()).collect();
    let row = |stage: &Value| {
        let passages = stage["passages"].as_array().unwrap().iter();
        let passed: Vec<Value> = passages.map(|passage| passage["n_items"].clone()).collect();
        json!([
            stage["kind"],
            stage["role"],
            stage["n_items"],
            stage["n_accepted"],
            stage["n_accepted_at_once"],
            passed,
            stage["reasons"],
        ])
    };
    assert_eq!(
        stages.iter().map(row).collect::<Vec<_>>(),
        [
            json!(["tasks", "test_writer", 1, 1, 1, [1, 1, 1], {}]),
            json!(["tasks", "implementer", 3, 2, 1, [2, 2, 2], {"fails": 1}]),
            json!(["swe", "solver", 1, 0, 0, [1, 0, 0], {"fails": 1}]),
        ]
    );
    assert_eq!((report.n_solved(), report.tasks.len(), report.n_kept()), (2, 4, 0));
    assert!(!report.is_complete);
    let fates: Vec<Fate> = report.attempts.iter().map(|attempt| attempt.fate).collect();
    assert_eq!(fates.iter().filter(|fate| **fate == Fate::Interrupted).count(), 1);
    assert_eq!((report.totals.n_attempts, report.totals.n_denied), (6, 5));
}

#[test]
fn a_page_is_no_more_than_text() {
    let (_dir, report) = run();
    let prices = "3,15,0.3".parse().unwrap();
    let page = html(&report, Some(prices)).unwrap();
    assert!(!page.contains("<script") && !page.contains('\u{202e}'), "{page}");
    assert!(!page.contains("onload='x'"), "{page}");
    assert!(page.matches("&lt;script&gt;alert(1)").count() > 6 * 5, "{page}");
    assert!(page.contains("<h2>Funnel</h2>") && page.contains("2 of 4"), "{page}");
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
}

#[test]
fn tokens_have_prices() {
    let usage =
        Usage { prompt_tokens: 1_000_000, completion_tokens: 100_000, cached_tokens: 400_000 };
    let cost = |prices: &str| prices.parse::<Prices>().unwrap().cost(usage);
    assert!((cost("3,15") - 4.5).abs() < 1e-9);
    assert!((cost("3, 15, 0.3") - (1.8 + 0.12 + 1.5)).abs() < 1e-9);
    for wrong in ["", "3", "a,b", "-1,2", "1,2,3,4", "nan,1", "inf,1"] {
        assert!(wrong.parse::<Prices>().is_err(), "{wrong}");
    }
}
