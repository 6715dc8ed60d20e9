//! The benches run, and what they print agrees with itself.
//!
//! Whether a figure is good is not for a test to say: machines are shared and loaded, and
//! `playpen bench` shows it beside its native counterpart for whoever asks.

use crate::{alone, playpen};

#[track_caller]
fn check(bench: &str) {
    let _alone = alone();
    let ended = playpen(["bench", bench, "-n", "2", "--json"]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let result = ended.json();
    let comparisons = result.as_array().unwrap();
    assert!(!comparisons.is_empty());
    for comparison in comparisons {
        let median = |side: &str| comparison[side]["median_us"].as_f64().unwrap();
        assert!(median("sandbox") > 0.0 && median("native") > 0.0, "{comparison:#}");
        let ratio = comparison["native_over_sandbox"].as_f64().unwrap();
        assert!(
            (median("native") / median("sandbox") - ratio).abs() < 0.01 * ratio,
            "{comparison:#}"
        );
    }
}

#[test]
fn a_trivial_tool_is_measured_beside_a_native_program() {
    check("exec");
}

#[test]
fn python_is_measured_beside_a_native_python() {
    check("python");
}

#[test]
fn pytest_is_measured_beside_a_native_pytest() {
    check("pytest");
}

#[test]
fn shells_and_searches_give_what_native_ones_give() {
    check("spawn");
}

#[test]
fn a_pipe_is_measured_beside_a_native_pipe() {
    check("pipe");
}

#[test]
fn forks_are_measured_beside_copies() {
    check("fork");
}

#[test]
fn files_are_measured_with_and_without_a_record() {
    check("fs");
}

#[test]
fn a_verification_is_measured_beside_a_plain_run() {
    check("verify");
}

#[test]
fn many_runs_of_pytest_at_once_finish() {
    let _alone = alone();
    let ended = playpen(["bench", "density", "-n", "40", "--json"]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let result = ended.json();
    assert_eq!(result["n"], 40, "{result:#}");
    // What is promised, and three times that: this test runs beside others.
    assert!(result["bytes_each"].as_u64().unwrap() <= 75_000_000, "{result:#}");
}
