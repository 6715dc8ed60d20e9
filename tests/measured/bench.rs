//! The figures that are promised, measured beside their native counterparts in one run.

use crate::{alone, playpen};
/// Returns how many times faster than native the sandbox was.
#[track_caller]
fn ratio(bench: &str) -> f64 {
    let _alone = alone();
    let ended = playpen(["bench", bench, "--json"]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let result = ended.json();
    let median = |side: &str| result[0][side]["median_us"].as_f64().unwrap();
    assert!(median("sandbox") > 0.0 && median("native") > 0.0, "{result:#}");
    let ratio = result[0]["native_over_sandbox"].as_f64().unwrap();
    assert!((median("native") / median("sandbox") - ratio).abs() < 0.01 * ratio, "{result:#}");
    ratio
}

#[test]
fn a_trivial_tool_is_ten_times_faster_than_a_native_program() {
    let ratio = ratio("exec");
    assert!(ratio >= 10.0, "{ratio}");
}

#[test]
fn python_is_three_times_faster_than_a_native_python() {
    let ratio = ratio("python");
    assert!(ratio >= 3.0, "{ratio}");
}
