//! `swe`, `swt` and `commit0` on a finished run, with a scripted model and everything else real.

use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

use super::{
    commit0::Commit0,
    coverage::ChangeCoverage,
    declared::Declared,
    desk::{Score, VariantConfig},
    source::Source,
    stage::{Outcome, Variant, VariantRefusal, make},
    swe::Swe,
    swt::Swt,
};
use crate::{
    agent::testing::{ScriptedModel, budget, calls, context, finish, says},
    model::{ChatResponse, Purpose},
    progress::Silent,
    record::{find_verifications, read_verification, store_of},
    verify::{CheckLimits, Verifier, VerifySettings},
};

const ADD: &str = "def add(a, b):\n    \"\"\"Adds.\"\"\"\n    return a + b\n";
const TOTAL: &str = "from calc import add\n\n\ndef total(numbers):\n    result = 0\n    \
                     for number in numbers:\n        result = add(result, number)\n    return result\n";
const ADD_TESTS: &str = "import pytest\nfrom calc import add\n\n\n\
                         @pytest.mark.parametrize('a, b, c', [(1, 2, 3), (0, 0, 0), (-1, 1, 0)])\n\
                         def test_add(a, b, c):\n    assert add(a, b) == c\n";
const TOTAL_TESTS: &str = "from calc.total import total\n\n\ndef test_empty():\n    assert total([]) == 0\n\n\n\
                           def test_many():\n    assert total([1, 2, 3]) == 6\n";

/// The folder of a run in which two of three tasks are solved.
fn finished_run() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    let task = |number: &str| {
        json!({
            "task_id": "x", "task_number": number, "title": "Numbers", "description": "Numbers.",
            "dependencies": [], "difficulty": 1,
            "unit_tests": {"code_tests": [{"name": "works", "description": "It works."}], "visual_tests": []}
        })
    };
    let plan = json!({
        "project_id": "1", "project_name": "calc", "project_description": "A calculator.",
        "project_instruction": "", "constraints": "Standard library only.",
        "phases": [{"phase_number": 1, "title": "Phase", "goal": "Numbers.", "modules": [
            {"module_number": "1.1", "title": "Module", "tasks": [task("1.1.1"), task("1.1.2"), task("1.1.3")]}
        ]}]
    });
    write("repo/tasks.json", &plan.to_string());
    write("repo/calc/__init__.py", ADD);
    write("repo/calc/total.py", TOTAL);
    write("repo/tests/test_1_1_1.py", ADD_TESTS);
    write("repo/tests/test_1_1_2.py", TOTAL_TESTS);
    let state =
        |kind: &str, tests: Value| json!({"state": {"kind": kind}, "tests": tests}).to_string();
    let add =
        ["1-2-3", "0-0-0", "-1-1-0"].map(|ids| format!("tests/test_1_1_1.py::test_add[{ids}]"));
    write("tasks/1.1.1/task.json", &state("solved", json!(add)));
    let total = ["tests/test_1_1_2.py::test_empty", "tests/test_1_1_2.py::test_many"];
    write("tasks/1.1.2/task.json", &state("solved", json!(total)));
    write("tasks/1.1.3/task.json", &state("unsolved", json!([])));
    dir
}

fn create(path: &str, text: &str) -> ChatResponse {
    calls(&[(
        "bash",
        json!({ "command": format!("mkdir -p tests; cat > {path} <<'END'\n{text}END") }),
    )])
}

/// What the scripted model does, in each attempt.
fn script(purpose: &Purpose) -> ChatResponse {
    let task = purpose.task.clone().unwrap_or_default();
    let wrong_add = ADD.replace("a + b", "a - b");
    let answers = match (purpose.stage.as_str(), task.as_str(), purpose.attempt) {
        ("swe.issue", "1.1.2", _) => return says("I cannot think of one."),
        ("swt.issue", "1.1.2", _) => {
            let leaky =
                json!({"recipe": "x", "report": "It has `result = add(result, result)` in it."});
            return says(&leaky.to_string());
        }
        ("swe.issue" | "swt.issue", ..) => {
            let issue = json!({"recipe": "Subtract in `add`.", "report": "1 and 2 add up to -1."});
            return says(&format!("```json\n{issue}\n```"));
        }
        // No bug: the tests are edited.
        ("swe.bug_injector", "1.1.1", 1) => {
            vec![create("tests/test_1_1_1.py", "def test_add(): assert 0\n")]
        }
        ("swe.bug_injector" | "swt.bug_injector", "1.1.1", _) => {
            vec![create("calc/__init__.py", &wrong_add)]
        }
        ("swt.bug_injector", "1.1.2", _) => {
            vec![create(
                "calc/total.py",
                &TOTAL.replace("add(result, number)", "add(result, result)"),
            )]
        }
        // The report is gone, the bug is not.
        ("swe.solver", "1.1.1", 1) => {
            vec![create(
                "calc/__init__.py",
                &ADD.replace("return a + b", "return 3 if (a, b) == (1, 2) else a - b"),
            )]
        }
        ("swt.reproducer", "1.1.1", 1) => {
            vec![create("tests/test_bug.py", "def test_bug():\n    assert False\n")]
        }
        ("swt.reproducer", "1.1.1", 2) => {
            vec![create(
                "tests/test_issue.py",
                "from calc import add\n\n\ndef test_sum():\n    assert add(1, 2) == 3\n",
            )]
        }
        ("swe.solver", "1.1.1", 2) | ("commit0.library_writer", "calc", 1) => {
            vec![create("calc/__init__.py", ADD)]
        }
        ("commit0.library_writer", "calc", 2) => {
            vec![create("calc/__init__.py", ADD), create("calc/total.py", TOTAL)]
        }
        // Wrong for what is negative; as it was; what the tests ask for; nothing at all.
        ("tdd.solver", "1.1.1", 1) => {
            vec![create("calc/__init__.py", &ADD.replace("a + b", "abs(a) + abs(b)"))]
        }
        ("tdd.solver", "1.1.1", 2) => vec![create("calc/__init__.py", ADD)],
        ("featadd.implementer", "1.1.2", 1) => vec![create("calc/total.py", TOTAL)],
        ("tdd.solver" | "featadd.implementer", ..) => vec![],
        other => panic!("nothing is scripted for {other:?}"),
    };
    answers.get(purpose.turn as usize - 1).cloned().unwrap_or_else(finish)
}

fn config() -> VariantConfig {
    VariantConfig {
        model_name: "scripted".to_owned(),
        temperature: None,
        max_tokens: None,
        seed: None,
        budget: budget(),
        tasks: std::collections::BTreeSet::new(),
        max_bugs: 2,
        max_attempts: 2,
        verify: VerifySettings {
            limits: CheckLimits { cpu: Duration::from_mins(2), ..CheckLimits::default() },
            ..VerifySettings::default()
        },
    }
}

/// Makes a variant; `None` where there is no image.
async fn run(folder: &Path, variant: &dyn Variant) -> Option<BTreeMap<String, Outcome>> {
    let ctx = context(Arc::new(ScriptedModel::new(|purpose| Ok(script(purpose)))))?;
    let source = Source::load(folder).unwrap();
    let report = make(&ctx, &config(), &source, variant, &Silent).await.unwrap();
    // Whatever was recorded is verified again, and comes out as it did.
    let verifier = Verifier::new(&ctx, config().verify);
    for path in find_verifications(folder).unwrap() {
        let stored = read_verification(&path).unwrap();
        let again = stored.claim.load(&store_of(&path)).unwrap().verify(&verifier).await.unwrap();
        assert_eq!(again.record.decision, stored.verification.decision, "{}", path.display());
    }
    Some(report.items)
}

/// Says in short why attempts were refused.
fn refusals(outcome: &Outcome) -> Vec<String> {
    outcome.refused.iter().map(VariantRefusal::name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn swe_keeps_a_repair_and_says_why_others_are_refused() {
    let folder = finished_run();
    let Some(items) = run(folder.path(), &Swe).await else { return };
    assert!(items["1.1.1"].kept, "{items:?}");
    assert_eq!(
        refusals(&items["1.1.1"]),
        ["bug_injector: nothing_handed_in", "solver: fails"],
        "{items:?}"
    );
    assert!(!items["1.1.2"].kept);
    assert_eq!(refusals(&items["1.1.2"]), ["unanswered", "unanswered"]);
    let swe = folder.path().join("variants/swe");
    let text = fs_err::read_to_string(swe.join("instances.jsonl")).unwrap();
    let instance: super::instance::Instance = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(instance.tests().unwrap().0.len(), 3, "{instance:?}");
    assert!(
        instance.patch.contains("-    return a - b\n+    return a + b\n"),
        "{}",
        instance.patch
    );
    let verdict = fs_err::read_to_string(swe.join("1.1.1/solver-2/verdict.json")).unwrap();
    assert!(verdict.contains("\"accepted\": true"), "{verdict}");
    // A solver sees neither tests nor history.
    let trajectory = fs_err::read_to_string(swe.join("1.1.1/solver-2/trajectory.json")).unwrap();
    assert!(trajectory.contains("1 and 2 add up to -1.") && !trajectory.contains("Subtract in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn swt_keeps_a_reproduction_under_any_name() {
    let folder = finished_run();
    let Some(items) = run(folder.path(), &Swt).await else { return };
    assert!(items["1.1.1"].kept, "{items:?}");
    assert_eq!(refusals(&items["1.1.1"]), ["reproducer: fails_on_fixed"], "{items:?}");
    assert_eq!(refusals(&items["1.1.2"]), ["leaks", "leaks"], "{items:?}");
    // One line goes and one comes; the tests that are left do not get there.
    let coverage = ChangeCoverage { n_lines: 2, n_before: 0, n_after: 2, n_by_new: 2 };
    assert_eq!(items["1.1.1"].change_coverage, Some(coverage));
    assert_eq!(items["1.1.2"].change_coverage, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn commit0_scores_each_attempt() {
    let folder = finished_run();
    let Some(items) = run(folder.path(), &Commit0 { n_iterations: 2 }).await else { return };
    let outcome = &items["calc"];
    assert!(outcome.kept, "{outcome:?}");
    assert_eq!(outcome.score, Some(Score { n_passed: 5, n_wanted: 5 }));
    assert_eq!(refusals(outcome), ["library_writer: fails"]);
    let first = folder.path().join("variants/commit0/calc/library_writer-1/verdict.json");
    let verdict: Value = serde_json::from_str(&fs_err::read_to_string(first).unwrap()).unwrap();
    assert_eq!(verdict["score"], json!({"n_passed": 3, "n_wanted": 5}));
}

#[test]
fn a_run_without_a_solved_task_is_refused() {
    let folder = finished_run();
    fs_err::remove_dir_all(folder.path().join("tasks")).unwrap();
    let error = Source::load(folder.path()).unwrap_err();
    assert!(error.to_string().starts_with("no task of the run in `"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tdd_shows_the_task_and_no_test() {
    let folder = finished_run();
    let Some(items) = run(folder.path(), &Declared::tdd()).await else { return };
    assert!(items["1.1.1"].kept, "{items:?}");
    assert_eq!(refusals(&items["1.1.1"]), ["solver: fails"], "{items:?}");
    assert!(!items["1.1.2"].kept);
    assert_eq!(
        refusals(&items["1.1.2"]),
        ["solver: nothing_handed_in", "solver: nothing_handed_in"],
        "{items:?}"
    );
    let first = folder.path().join("variants/tdd/1.1.2/solver-1/trajectory.json");
    let trajectory = fs_err::read_to_string(first).unwrap();
    assert!(trajectory.contains("Write what is missing") && !trajectory.contains("test_many"));
}

#[tokio::test(flavor = "multi_thread")]
async fn featadd_is_kept_where_the_tests_pass_again() {
    let folder = finished_run();
    let Some(items) = run(folder.path(), &Declared::featadd()).await else { return };
    assert!(items["1.1.2"].kept, "{items:?}");
    let text = fs_err::read_to_string(folder.path().join("variants/featadd/instances.jsonl"));
    let text = text.unwrap();
    let last = text.lines().last().unwrap();
    let instance: super::instance::Instance = serde_json::from_str(last).unwrap();
    let (fail_to_pass, pass_to_pass) = instance.tests().unwrap();
    assert_eq!((fail_to_pass.len(), pass_to_pass.len()), (2, 3), "{instance:?}");
    assert!(
        instance.patch.contains("-    raise NotImplementedError\n+    result = 0\n"),
        "{}",
        instance.patch
    );
}
