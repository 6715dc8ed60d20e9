//! Gates on reports as pytest would have made them.

use super::{Gate, Reason, Run, Verdict, collect, earlier_pass, fail_before, pass_after};
use crate::{
    agent::report::TestReport,
    verify::{FrozenTests, parse::TestFile},
};
use bytes::Bytes;
use insta::assert_snapshot;
use std::collections::BTreeSet;

/// Makes a run from lines such as `passed t.py::a`, `failed t.py::b KeyError: 'x'`,
/// `uncollected t.py ImportError: ...`, `collected t.py::a t.py::b` and the status.
fn run(lines: &[&str], status: u8) -> Run {
    let mut report = String::new();
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let (kind, id) = (words.next().unwrap(), words.next().unwrap_or_default());
        let message = words.next().unwrap_or_default();
        let event = match kind {
            "collected" => serde_json::json!({
                "event": "collected", "ids": line.split(' ').skip(1).collect::<Vec<_>>()
            }),
            "uncollected" => {
                serde_json::json!({"event": "collect_error", "id": id, "message": message})
            }
            outcome => serde_json::json!({
                "event": "test", "id": id, "outcome": outcome, "message": message,
                "exception": message.split(':').next()
            }),
        };
        report.push_str(&event.to_string());
        report.push('\n');
    }
    let finish = serde_json::json!({"event": "finish", "exitstatus": status});
    report.push_str(&finish.to_string());
    Run {
        exit_code: Some(status),
        stopped: None,
        limit: None,
        last_words: String::new(),
        report: TestReport::parse(&Bytes::from(report)),
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn frozen(ids: &[&str]) -> FrozenTests {
    FrozenTests::new(set(ids))
}

fn show(verdict: &Verdict) -> String {
    let reasons = verdict.reasons.iter().map(|reason| format!("- {reason}\n"));
    let word = if verdict.passed { "passed" } else { "refused" };
    format!("{} {word}\n{}", verdict.gate, reasons.collect::<String>())
}

#[test]
fn before_each_test_fails_for_the_right_reason() {
    let run = run(
        &[
            "failed t.py::a NotImplementedError",
            "failed t.py::b AssertionError: assert 1 == 2",
            "failed t.py::c TypeError: f() takes 1 argument",
            "error t.py::d NotImplementedError",
            "passed u.py::old",
        ],
        1,
    );
    let ids = frozen(&["t.py::a", "t.py::b", "t.py::c", "t.py::d"]);
    assert_eq!(show(&fail_before(&run, &ids, &set(&["u.py::old"]))), "fail_before passed\n");
}

#[test]
fn before_everything_else_is_refused() {
    let run = run(
        &[
            "passed t.py::passes",
            "failed t.py::typo NameError: name 'x' is not defined",
            "error t.py::fixture fixture 'nope' not found",
            "skipped t.py::skipped",
            "xfailed t.py::xfailed",
            "failed u.py::old AssertionError",
        ],
        1,
    );
    let ids = frozen(&[
        "t.py::passes",
        "t.py::typo",
        "t.py::fixture",
        "t.py::skipped",
        "t.py::xfailed",
        "t.py::gone",
    ]);
    let verdict = fail_before(&run, &ids, &set(&["u.py::old", "u.py::lost"]));
    assert_snapshot!(show(&verdict), @r"
    fail_before refused
    - `t.py::fixture` has an error in its set-up: fixture 'nope' not found
    - `t.py::gone` was not run
    - `t.py::passes` passes before anything is implemented, so it tests nothing new
    - `t.py::skipped` is skipped or expected to fail; each test must run and must count
    - `t.py::typo` fails because of a mistake in the test: NameError: name 'x' is not defined
    - `t.py::xfailed` is skipped or expected to fail; each test must run and must count
    - `u.py::lost`, a test of an earlier task, was not run
    - `u.py::old` (a test of an earlier task) fails: AssertionError
    ");
}

#[test]
fn vacuous_tests_are_refused() {
    let verdict = fail_before(&run(&["passed t.py::a"], 0), &frozen(&["t.py::a"]), &set(&[]));
    assert!(!verdict.passed);
    assert!(matches!(verdict.reasons.last(), Some(Reason::WrongBefore { .. })));
}

#[test]
fn after_all_pass() {
    let run = run(&["passed t.py::a", "passed u.py::old"], 0);
    let earlier = set(&["u.py::old"]);
    assert_eq!(show(&pass_after(&run, &frozen(&["t.py::a"]), &earlier)), "pass_after passed\n");
    assert_eq!(show(&earlier_pass(&run, &earlier)), "earlier_pass passed\n");
}

#[test]
fn after_failures_are_told_apart() {
    let run =
        run(&["failed t.py::a AssertionError: assert 1 == 2", "failed u.py::old KeyError: 'x'"], 1);
    let earlier = set(&["u.py::old"]);
    assert_snapshot!(show(&pass_after(&run, &frozen(&["t.py::a"]), &earlier)), @r"
    pass_after refused
    - `t.py::a` fails: AssertionError: assert 1 == 2
    ");
    assert_snapshot!(show(&earlier_pass(&run, &earlier)), @r"
    earlier_pass refused
    - `u.py::old` (a test of an earlier task) fails: KeyError: 'x'
    ");
}

#[test]
fn ids_must_be_those_that_were_frozen() {
    let run = run(&["passed t.py::a", "passed t.py::a", "passed t.py::new"], 0);
    assert_snapshot!(show(&pass_after(&run, &frozen(&["t.py::a", "t.py::b"]), &set(&[]))), @r"
    pass_after refused
    - `t.py::a` was reported more than once
    - `t.py::b` was not run
    - `t.py::new` is not one of the accepted tests
    ");
}

#[test]
fn a_status_that_contradicts_the_report_is_refused() {
    let mut run = run(&["passed t.py::a"], 0);
    run.exit_code = Some(1);
    assert_snapshot!(show(&pass_after(&run, &frozen(&["t.py::a"]), &set(&[]))), @r"
    pass_after refused
    - pytest announced status 0, but its process returned 1
    ");
}

#[test]
fn a_process_that_leaves_early_is_refused() {
    // `os._exit(0)` in the code under test: no end is reported.
    let mut run = run(&["passed t.py::a"], 0);
    run.report.exit_status = None;
    assert_snapshot!(show(&pass_after(&run, &frozen(&["t.py::a"]), &set(&[]))), @r"
    pass_after refused
    - the test process ended with status 0 before pytest did
    ");
}

#[test]
fn an_early_exit_of_success_with_a_forged_end_lacks_tests() {
    let run = run(&[], 0);
    assert_snapshot!(show(&pass_after(&run, &frozen(&["t.py::a"]), &set(&[]))), @r"
    pass_after refused
    - `t.py::a` was not run
    ");
}

#[test]
fn a_limit_is_a_reason() {
    let run = Run {
        exit_code: None,
        stopped: Some("stopped: it took longer than it may".to_owned()),
        limit: None,
        report: TestReport::default(),
        last_words: String::new(),
    };
    let verdict = pass_after(&run, &frozen(&["t.py::a"]), &set(&[]));
    assert!(matches!(verdict.reasons.first(), Some(Reason::Stopped { .. })));
}

fn collected(run: &Run, files: &[TestFile], earlier: &[&str]) -> (String, FrozenTests) {
    let known = set(&["blockfs"]);
    let may_appear = |name: &str| known.contains(name);
    let (verdict, frozen) = collect(run, files, &set(earlier), &may_appear);
    assert_eq!(verdict.gate, Gate::Collect);
    (show(&verdict), frozen)
}

fn file(path: &str, functions: &[&str]) -> TestFile {
    let functions = functions.iter().map(|name| (*name).to_owned()).collect();
    TestFile { path: path.to_owned(), functions, idle: vec![] }
}

#[test]
fn new_ids_are_frozen_and_earlier_ones_are_not() {
    let run = run(&["collected t.py::a[1] t.py::a[2] u.py::old"], 0);
    let (shown, frozen) = collected(&run, &[file("t.py", &["a"])], &["u.py::old"]);
    assert_eq!(shown, "collect passed\n");
    assert_eq!(frozen.ids(), &set(&["t.py::a[1]", "t.py::a[2]"]));
}

#[test]
fn a_module_to_come_defers_the_ids() {
    let run = run(
        &[
            "collected u.py::old",
            "uncollected t.py ModuleNotFoundError: No module named 'blockfs.cache'",
        ],
        2,
    );
    let (shown, frozen) =
        collected(&run, &[file("t.py", &["test_a", "TestB::test_c"])], &["u.py::old"]);
    assert_eq!(shown, "collect passed\n");
    assert_eq!(frozen.n_tests(), 2);
    let reported = BTreeSet::from(["t.py::test_a[x]", "t.py::test_a[y]", "t.py::test_abc"]);
    assert_eq!(frozen.missing_of(&reported), ["t.py::TestB::test_c"]);
    assert_eq!(frozen.extra_of(&reported), ["t.py::test_abc"]);
}

#[test]
fn names_to_come_defer_the_ids() {
    let message =
        "ImportError: cannot import name 'Cache' from 'blockfs' (/workspace/blockfs/__init__.py)";
    let line = format!("uncollected t.py {message}");
    let (shown, _) = collected(&run(&[&line], 2), &[file("t.py", &["test_a"])], &[]);
    assert_eq!(shown, "collect passed\n");
}

#[test]
fn other_import_errors_are_the_tests_own() {
    let run = run(
        &[
            "uncollected t.py ModuleNotFoundError: No module named 'numpy'",
            "uncollected v.py NameError: name 'x' is not defined",
            "uncollected conftest.py No module named 'blockfs'",
        ],
        2,
    );
    let files = [file("t.py", &["test_a"]), file("v.py", &["test_b"])];
    assert_snapshot!(collected(&run, &files, &["u.py::old"]).0, @r"
    collect refused
    - `u.py::old`, a test of an earlier task, was not run
    - `t.py` cannot be collected: ModuleNotFoundError: No module named 'numpy'
    - `v.py` cannot be collected: NameError: name 'x' is not defined
    - `conftest.py` cannot be collected: No module named 'blockfs'
    ");
}

#[test]
fn a_conftest_that_fails_is_told() {
    let mut run = run(&[], 4);
    run.report.exit_status = None;
    run.last_words = "NameError: name 'x' is not defined".to_owned();
    assert_snapshot!(collected(&run, &[file("t.py", &["test_a"])], &[]).0, @r"
    collect refused
    - the test process ended with status 4 before pytest did: NameError: name 'x' is not defined
    ");
}

#[test]
fn no_tests_are_refused() {
    let (shown, _) = collected(&run(&["collected"], 5), &[file("t.py", &[])], &[]);
    assert_snapshot!(shown, @r"
    collect refused
    - pytest found no tests in the new files
    ");
}
