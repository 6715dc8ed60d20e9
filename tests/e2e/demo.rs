//! `playpen demo`: the pipeline from nothing to verified trajectories, with a recorded model.

use crate::folder;
use serde_json::Value;
use std::path::Path;
use walkdir::WalkDir;

#[test]
fn durations_are_taken_out() {
    assert_eq!(without_durations("a in b, 6 failed in 0.04s\n"), "a in b, 6 failed in s\n");
}

#[test]
fn the_demo_solves_its_project_and_its_trajectories_repeat() {
    let folder = folder();
    let report = demo(folder.path(), "first");
    check(&report);
    let project = folder.join("first");
    assert!(n_files(&project, "trajectory.json") >= 12, "too few trajectories in {project:?}");

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
    let ended = program.run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let last = ended.out().lines().last().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let last = last.unwrap();
    assert_eq!(last["event"], "report");
    last["report"].clone()
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

fn n_files(folder: &Path, name: &str) -> usize {
    let entries = WalkDir::new(folder).into_iter().map(|entry| entry.unwrap());
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
    let kept = ["trajectory.json", "verdict.json", "patch.diff", "task.json"];
    let files = entries.filter(|entry| kept.iter().any(|name| entry.file_name() == *name));
    let record = |path: &Path| {
        let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        (name, without_durations(&fs_err::read_to_string(path).unwrap()))
    };
    files.map(|entry| record(entry.path())).collect()
}
