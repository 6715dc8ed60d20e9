//! The benches run, and what they print agrees with itself.
//!
//! Whether a figure is good is not for a test to say: machines are shared and loaded, and
//! `playpen bench` shows it beside its native counterpart for whoever asks.

use crate::{alone, playpen};

#[track_caller]
fn check(bench: &str) {
    let _alone = alone();
    let ended = playpen(["bench", bench, "-n", "5", "--json"]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let result = ended.json();
    let median = |side: &str| result[0][side]["median_us"].as_f64().unwrap();
    assert!(median("sandbox") > 0.0 && median("native") > 0.0, "{result:#}");
    let ratio = result[0]["native_over_sandbox"].as_f64().unwrap();
    assert!((median("native") / median("sandbox") - ratio).abs() < 0.01 * ratio, "{result:#}");
}

#[test]
fn a_trivial_tool_is_measured_beside_a_native_program() {
    check("exec");
}

#[test]
fn python_is_measured_beside_a_native_python() {
    check("python");
}
