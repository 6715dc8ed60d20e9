//! `playpen demo`: the pipeline from nothing to verified trajectories, with a recorded model.

use crate::folder;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use walkdir::WalkDir;

/// How long the whole pipeline may take, on a machine that does much else besides.
const DEADLINE: Duration = Duration::from_mins(8);

#[test]
fn durations_are_taken_out() {
    assert_eq!(without_durations("a in b, 6 failed in 0.04s\n"), "a in b, 6 failed in s\n");
}

#[test]
fn the_demo_solves_its_project_and_its_trajectories_repeat() {
    let folder = folder();
    let report = demo(folder.path(), "first");
    check(&report);
    check_variants(&report);
    check_exports(&folder.join("first/runs/demo"), folder.path());
    let project = folder.join("first");
    assert!(n_files(&project, "trajectory.json") >= 12, "too few trajectories in {project:?}");

    check_replay(&folder.join("first/runs/demo"));
    check_report(&folder.join("first/runs"), &report);

    demo(folder.path(), "second");
    let (first, second) = (records(&project), records(&folder.join("second")));
    assert_eq!(first.len(), second.len());
    for ((path, content), (other_path, other_content)) in first.iter().zip(&second) {
        assert_eq!(path, other_path);
        assert!(content == other_content, "`{path}` differs between two runs");
    }
}

/// Runs the demo and returns its report.
fn demo(folder: &Path, output: &str) -> Value {
    let program = crate::playpen(["demo", "--json", "--output", output]).cwd(folder);
    let program = program.deadline(DEADLINE);
    let ended = program.run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let last = ended.out().lines().last().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let last = last.unwrap();
    assert_eq!(last["event"], "report");
    last["report"].clone()
}

/// Every attempt comes to the same events and files again without its model, and a record that was changed is
/// noticed.
fn check_replay(run: &Path) {
    let replay = |folder: &Path| {
        let ended = crate::playpen(["replay", "--json"]).args([folder]).deadline(DEADLINE).run();
        let read = |line: &str| serde_json::from_str::<Value>(line).unwrap()["again"].clone();
        (ended.code, ended.out().lines().map(read).collect::<Vec<Value>>())
    };
    let (code, again) = replay(run);
    let differing: Vec<&Value> = again.iter().filter(|again| again["same"] != true).collect();
    assert_eq!((code, &differing[..]), (0, &[][..]));
    assert_eq!(again.len(), n_files(run, "trajectory.json"));
    assert!(again.iter().all(|again| again["n_events"].as_u64().unwrap() > 10), "{again:#?}");

    let attempt = run.join("tasks/1.1.1/implementer-1");
    let path = attempt.join("audit.jsonl");
    let text = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, text.replacen("/workspace/tests", "/workspace/tasks", 1)).unwrap();
    let (code, again) = replay(&attempt);
    assert_eq!(code, 1);
    assert!(
        again[0]["differences"][0]["what"].as_str().unwrap().starts_with("event "),
        "{again:?}"
    );
    fs_err::write(&path, text).unwrap();
}

/// The report adds up to what the demo told, and its page shows every attempt.
fn check_report(runs: &Path, demo: &Value) {
    let page = runs.join("page.html");
    let program = crate::playpen(["--json", "report", "--html"]).args([page.as_path(), runs]);
    let ended = program.run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let reports = ended.json();
    let [report] = &reports.as_array().unwrap()[..] else { panic!("{ended:?}") };
    assert_eq!(report["is_complete"], true);
    let solved = report["tasks"].as_array().unwrap().iter();
    let solved = solved.filter(|task| task["report"]["state"]["kind"] == "solved").count();
    assert_eq!(solved, demo["rows"].as_array().unwrap().len() - 1);
    let n_attempts = n_files(runs, "trajectory.json");
    assert_eq!(report["totals"]["n_attempts"], n_attempts);
    let of_stages = report["stages"].as_array().unwrap().iter();
    let sum: u64 = of_stages.map(|stage| stage["totals"]["n_attempts"].as_u64().unwrap()).sum();
    assert_eq!(sum, n_attempts as u64);
    let page = fs_err::read_to_string(page).unwrap();
    for attempt in report["attempts"].as_array().unwrap() {
        let id = attempt["id"].as_str().unwrap();
        assert!(page.contains(&format!(" id=\"{id}\">")), "{id}");
    }
}

/// The project is real work: dependent tasks, a refused attempt, refused accesses.
fn check(report: &Value) {
    let rows = report["rows"].as_array().unwrap();
    let tasks = &rows[1..];
    assert!(tasks.len() >= 4, "{report:#}");
    assert!(tasks.iter().all(|task| task["outcome"] == "solved"), "{report:#}");
    assert!(report["n_tests"].as_u64().unwrap() >= 25, "{report:#}");
    assert!(tasks.iter().any(|task| task["n_attempts"].as_u64().unwrap() > 2), "{report:#}");
    assert!(report["total"]["n_denied"].as_u64().unwrap() > 0, "{report:#}");
}

/// Each variant keeps a trajectory and refuses an attempt, and says why.
fn check_variants(report: &Value) {
    let rows = report["variants"].as_array().unwrap();
    let row =
        |row: &Value| (row["variant"].clone(), row["is_kept"].clone(), row["refused"].clone());
    let expected = [
        ("swe", json!(["bug_injector: nothing_handed_in", "solver: fails"])),
        ("swt", json!(["reproducer: fails_on_fixed"])),
        ("commit0", json!(["library_writer: fails"])),
    ];
    let expected = expected.map(|(name, refused)| (json!(name), json!(true), refused));
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), expected);
}

/// Every form can be written, and what the benchmarks are given holds: nop patches fail, gold ones pass.
fn check_exports(run: &Path, folder: &Path) {
    let export = |format: &str| {
        let output = folder.join(format!("data-{format}"));
        let args = ["--json", "export", "--format", format, "--output"];
        let program = crate::playpen(args).args([output.as_path(), run]).cwd(folder);
        let ended = program.run();
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.json()["report"]["files"].clone()
    };
    assert_eq!(export("atif"), json!({"index.jsonl": 21}));
    assert_eq!(export("sharegpt"), json!({"text.jsonl": 21, "tools.jsonl": 21}));
    assert_eq!(export("openai"), json!({"messages.jsonl": 21}));
    assert_eq!(export("preference"), json!({"pairs.jsonl": 5}));
    let one = json!({"instances.jsonl": 1, "predictions.jsonl": 1});
    for (format, variant) in [("swebench", "swe"), ("swtbench", "swt"), ("commit0", "commit0")] {
        assert_eq!(export(format), one, "{format}");
        let set = run.join("variants").join(variant);
        let ended = crate::playpen(["variant", "check"]).args([set]).deadline(DEADLINE).run();
        assert_eq!(ended.code, 0, "{ended:?}");
        let held = "gold patches that pass: 1 of 1, nop patches that fail: 1 of 1\n";
        assert_eq!(ended.out(), held, "{variant}");
    }
    // The shortest of the verdicts on variants, found out again.
    let swt = run.join("variants/swt");
    let ended = crate::playpen(["verify"]).args([swt]).deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
}

/// A run that is killed at any moment leaves only whole records, and no verdict of the verifier without
/// what it was asked.
#[test]
fn a_killed_run_leaves_no_half_verdict() {
    for (n_seen, name) in
        [(1, "trajectory.json"), (1, "verification.times.json"), (2, "verdict.json")]
    {
        let folder = folder();
        let there = || n_files(folder.path(), name) >= n_seen;
        let program = crate::playpen(["demo", "--quiet", "--output", "demo"]).cwd(folder.path());
        let program = program.deadline(DEADLINE);
        assert!(program.kill_when(there), "it ended before `{name}` was there");
        assert!(there());
        for entry in WalkDir::new(folder.join("demo/runs")).into_iter().map(|entry| entry.unwrap())
        {
            let is_json = entry.path().extension().is_some_and(|suffix| suffix == "json");
            if is_json && entry.file_type().is_file() {
                let text = fs_err::read_to_string(entry.path()).unwrap();
                let value: Value = serde_json::from_str(&text).unwrap();
                check_record(entry.path(), &value);
            }
        }
        if n_files(&folder.join("demo/runs"), "verification.json") > 0 {
            let run = folder.join("demo/runs/demo");
            let ended = crate::playpen(["verify"]).args([run]).deadline(DEADLINE).run();
            assert_eq!(ended.code, 0, "{ended:?}");
        }
    }
}

/// A verification is decided, and an accepted attempt has one.
fn check_record(path: &Path, value: &Value) {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("verification.json") => {
            let decision = value["verification"]["decision"].as_str().unwrap();
            assert!(["accept", "reject"].contains(&decision), "{}: {decision}", path.display());
        }
        Some("verdict.json") if value["accepted"] == true => {
            assert!(path.with_file_name("verification.json").exists(), "{}", path.display());
        }
        _ => {}
    }
}

fn n_files(folder: &Path, name: &str) -> usize {
    // What a running program renames or removes meanwhile is none of the files that are counted.
    let entries = WalkDir::new(folder).into_iter().filter_map(Result::ok);
    entries.filter(|entry| entry.file_name() == name).count()
}

/// Replaces what pytest says about its own duration, as in `6 failed in 0.04s`.
fn without_durations(text: &str) -> String {
    let mut pieces = text.split(" in ");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let is_duration = rest.len() < piece.len() && rest.starts_with('s');
        out.push_str(" in ");
        out.push_str(if is_duration { rest } else { piece });
    }
    out
}

/// Returns the records of all attempts, sorted by path. Times are in files of their own, beside the
/// audit record, which has times too.
fn records(folder: &Path) -> Vec<(String, String)> {
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap());
    let kept = [
        "trajectory.json",
        "verdict.json",
        "verification.json",
        "mutation.json",
        "patch.diff",
        "task.json",
        "attempt.json",
    ];
    let files = entries.filter(|entry| kept.iter().any(|name| entry.file_name() == *name));
    let record = |path: &Path| {
        let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        (name, without_durations(&fs_err::read_to_string(path).unwrap()))
    };
    files.map(|entry| record(entry.path())).collect()
}
