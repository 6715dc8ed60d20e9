//! A whole rollout with a scripted model: real prompts, real sandbox, real pytest, real git.

use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

use super::{RolloutConfig, RolloutError, RolloutReport, TaskState, rollout};
use crate::{
    agent::testing::{ScriptedModel, calls, context, finish},
    model::{ChatResponse, ModelError, Purpose},
    progress::Silent,
    verify::{CheckLimits, VerifySettings},
};

/// Four tasks: 1.1.2 will not be solved, 1.1.3 depends on it, 1.2.1 does not.
fn tasks_json() -> String {
    let task = |number: &str, title: &str, dependencies: &[&str]| {
        json!({
            "task_id": "x", "task_number": number, "title": title, "description": title,
            "dependencies": dependencies, "difficulty": 1,
            "unit_tests": {"code_tests": [{"name": "works", "description": "It works."}], "visual_tests": []}
        })
    };
    let module = |number: &str, tasks: Vec<Value>| json!({"module_number": number, "title": "Module", "tasks": tasks});
    json!({
        "project_id": "1", "project_name": "calc", "project_description": "A calculator.",
        "project_instruction": "", "constraints": "Standard library only.",
        "phases": [{"phase_number": 1, "title": "Phase", "goal": "Numbers.", "modules": [
            module("1.1", vec![
                task("1.1.1", "Add two numbers", &[]),
                task("1.1.2", "Subtract two numbers", &[]),
                task("1.1.3", "Negate a number", &["1.1.2"]),
            ]),
            module("1.2", vec![task("1.2.1", "Sum a list", &["1.1.1"])]),
        ]}]
    })
    .to_string()
}

const STUBS: &str = "def add(a, b):\n    raise NotImplementedError\n\n\n\
def sub(a, b):\n    raise NotImplementedError\n";

const ADD: &str = "def add(a, b):\n    return a + b\n\n\n\
def sub(a, b):\n    raise NotImplementedError\n";

const ADD_TESTS: &str = "import pytest\nfrom calc import add\n\n\n\
@pytest.mark.parametrize('a, b, c', [(1, 2, 3), (0, 0, 0), (-1, 1, 0)])\n\
def test_add(a, b, c):\n    assert add(a, b) == c\n";

const TOTAL_TESTS: &str = "from calc.total import total\n\n\n\
def test_empty():\n    assert total([]) == 0\n\n\n\
def test_many():\n    assert total([1, 2, 3]) == 6\n";

const TOTAL: &str = "from calc import add\n\n\n\
def total(numbers):\n    result = 0\n    for number in numbers:\n        result = add(result, number)\n    return result\n";

fn project() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    write("tasks.json", &tasks_json());
    write("calc/__init__.py", STUBS);
    write("tests/1.1.1.md", "# Tests of 1.1.1\n");
    dir
}

fn create(path: &str, text: &str) -> ChatResponse {
    let command = format!("cat > {path} <<'END'\n{text}END");
    calls(&[("bash", json!({ "command": command }))])
}

/// What the scripted model does: one list of answers for each attempt.
fn script(purpose: &Purpose) -> ChatResponse {
    let task = purpose.task.clone().unwrap_or_default();
    let answers = match (purpose.stage.as_str(), task.as_str(), purpose.attempt) {
        ("test_writer", "1.1.1", 1) => vec![create("tests/test_1_1_1.py", ADD_TESTS)],
        // Wrong, and an attempt to make it pass all the same.
        ("implementer", "1.1.1", 1) => vec![
            create("calc/__init__.py", &ADD.replace("a + b", "a * b")),
            create("tests/conftest.py", "def pytest_runtest_makereport():\n    pass\n"),
            create("sitecustomize.py", "raise SystemExit(0)\n"),
        ],
        ("implementer", "1.1.1", 2) => vec![create("calc/__init__.py", ADD)],
        ("test_writer", "1.1.2", 1) => {
            vec![create("tests/test_1_1_2.py", "def test_nothing():\n    assert True\n")]
        }
        ("test_writer", "1.1.2", _) => vec![create("tests/test_1_1_2.py", "def test_broken(:\n")],
        ("test_writer", "1.2.1", 1) => vec![create("tests/test_1_2_1.py", TOTAL_TESTS)],
        ("implementer", "1.2.1", 1) => {
            vec![create("calc/total.py", TOTAL), calls(&[("run_tests", json!({}))])]
        }
        other => panic!("nothing is scripted for {other:?}"),
    };
    answers.get(purpose.turn as usize - 1).cloned().unwrap_or_else(finish)
}

/// Runs the rollout into a folder of its own; `None` where there is no image.
async fn run(
    repo: &Path,
) -> Option<(Result<RolloutReport, RolloutError>, TempDir, Arc<ScriptedModel>)> {
    let model = Arc::new(ScriptedModel::new(|purpose| Ok(script(purpose))));
    let ctx = context(model.clone())?;
    let folder = tempfile::tempdir().unwrap();
    let config = RolloutConfig::new(repo, folder.path(), "scripted");
    Some((rollout(&ctx, &config, &Silent).await, folder, model))
}

fn read_json(path: PathBuf) -> Value {
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

/// Returns the gates of an attempt as `name` or `name: first reason`.
fn gates(run: &Path, attempt: &str) -> Vec<String> {
    let verdict = read_json(run.join("tasks").join(attempt).join("verdict.json"));
    let gate = |gate: &Value| {
        let name = gate["gate"].as_str().unwrap();
        match gate["reasons"][0]["reason"].as_str() {
            Some(reason) => format!("{name}: {reason}"),
            None => name.to_owned(),
        }
    };
    verdict["gates"].as_array().unwrap().iter().map(gate).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_solved_retried_given_up_and_skipped() {
    let repo = project();
    let Some((report, _folder, model)) = run(repo.path()).await else { return };
    let report = report.unwrap();
    let run = report.run_folder.as_path();

    let states: Vec<&TaskState> = report.tasks.iter().map(|task| &task.state).collect();
    assert!(matches!(states[0], TaskState::Solved), "{:?}", gates(run, "1.1.1/implementer-2"));
    assert!(matches!(states[1], TaskState::Unsolved { .. }));
    assert_eq!(states[2], &TaskState::Skipped { because: vec!["1.1.2".to_owned()] });
    assert!(matches!(states[3], TaskState::Solved), "{:?}", gates(run, "1.2.1/test_writer-1"));
    assert_eq!(report.n_tests, 5);
    assert_eq!(report.totals.n_attempts, 7);

    let before = ["finished", "handed_in", "parse", "tampering", "collect"];
    assert_eq!(
        gates(run, "1.1.1/test_writer-1"),
        [&before[..], &["fail_before", "stable"]].concat()
    );
    assert_eq!(
        gates(run, "1.1.1/implementer-1"),
        ["finished", "handed_in", "tampering", "pass_after: fails", "earlier_pass", "stable"]
    );
    assert_eq!(
        gates(run, "1.1.1/implementer-2"),
        [
            "finished",
            "handed_in",
            "tampering",
            "pass_after",
            "earlier_pass",
            "stable",
            "contradiction"
        ]
    );
    assert_eq!(
        gates(run, "1.1.2/test_writer-1"),
        [&before[..], &["fail_before: wrong_before", "stable"]].concat()
    );
    assert_eq!(gates(run, "1.1.2/test_writer-2"), ["finished", "handed_in", "parse: syntax_error"]);

    // What the first implementer tried to forge was refused and recorded.
    let verdict = read_json(run.join("tasks/1.1.1/implementer-1/verdict.json"));
    assert_eq!(verdict["n_denied"], 2);
    assert_eq!(verdict["dropped"], json!([]));

    // The second one was told why the first was not accepted.
    let told = model.requests().into_iter().find(|(purpose, _)| {
        purpose.stage == "implementer" && purpose.attempt == 2 && purpose.turn == 1
    });
    let text = told.unwrap().1.messages[1].content.clone().unwrap();
    assert!(text.contains("tests/test_1_1_1.py::test_add[1-2-3]"), "{text}");

    // The repository is that of the last solved task, with its history.
    let total = fs_err::read_to_string(run.join("repo/calc/total.py")).unwrap();
    assert_eq!(total, TOTAL);
    assert!(!run.join("repo/tests/test_1_1_2.py").exists());
    assert!(run.join("repo/.git/HEAD").exists());
}

/// Returns all files of a run but those that may differ: times, snapshots, whose ids cover the times of files, git's
/// own files (commits carry the time of git's clock), and in an audit the temporary files, whose names are drawn at random.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let folders = ["repo/.git/", "snapshots/"];
        let may_differ =
            path.ends_with("times.json") || folders.iter().any(|folder| path.starts_with(folder));
        if entry.file_type().is_file() && !may_differ {
            let text = fs_err::read(entry.path()).unwrap();
            files.insert(path, without_temporary_files(&text));
        }
    }
    files
}

fn without_temporary_files(text: &[u8]) -> Vec<u8> {
    let mark = br#""resolved":"/tmp/"#;
    let is_kept = |line: &&[u8]| !line.windows(mark.len()).any(|part| part == mark);
    text.split_inclusive(|byte| *byte == b'\n').filter(is_kept).flatten().copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_answers_give_the_same_bytes() {
    let repo = project();
    let Some((first, _one, _)) = run(repo.path()).await else { return };
    let Some((second, _two, _)) = run(repo.path()).await else { return };
    let (first, second) = (files(&first.unwrap().run_folder), files(&second.unwrap().run_folder));
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let differing: Vec<&&String> =
        names.iter().filter(|name| first.get(**name) != second.get(**name)).collect();
    assert!(differing.is_empty(), "{differing:?}");
    assert!(first.len() > 30, "{}", first.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_asked_ends_the_run_and_keeps_the_records() {
    let refuses = |_: &Purpose| {
        Err(ModelError::Unauthorized {
            url: "http://model.invalid".to_owned(),
            status: 401,
            message: "bad key".to_owned(),
        })
    };
    let Some(ctx) = context(Arc::new(ScriptedModel::new(refuses))) else { return };
    let (repo, folder) = (project(), tempfile::tempdir().unwrap());
    let config = RolloutConfig::new(repo.path(), folder.path(), "scripted");
    let error = rollout(&ctx, &config, &Silent).await.unwrap_err();
    assert!(matches!(&error, RolloutError::Model { task, .. } if task == "1.1.1"), "{error}");
    let run = folder.path().join("calc-0001");
    assert_eq!(read_json(run.join("report.json"))["complete"], false);
    assert!(run.join("tasks/1.1.1/test_writer-1/trajectory.json").exists());
    assert_eq!(gates(&run, "1.1.1/test_writer-1"), ["finished: not_finished"]);
}

/// A run that broke off in its last task goes on with that task, and comes to what it would have come to.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_goes_on_after_the_last_finished_task() {
    let repo = project();
    let Some((whole, _folder, _)) = run(repo.path()).await else { return };
    let whole = whole.unwrap();
    let breaks_off = |purpose: &Purpose| match (purpose.stage.as_str(), purpose.task.as_deref()) {
        ("implementer", Some("1.2.1")) => Err(ModelError::Unauthorized {
            url: "http://model.invalid".to_owned(),
            status: 401,
            message: "no money left".to_owned(),
        }),
        _ => Ok(script(purpose)),
    };
    let ctx = context(Arc::new(ScriptedModel::new(breaks_off))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = RolloutConfig::new(repo.path(), folder.path(), "scripted");
    rollout(&ctx, &config, &Silent).await.unwrap_err();

    let model = Arc::new(ScriptedModel::new(|purpose| Ok(script(purpose))));
    let ctx = context(model.clone()).unwrap();
    let resume = Some("calc-0001".to_owned());
    let other = RolloutConfig { resume: resume.clone(), max_test_attempts: 9, ..config.clone() };
    let error = rollout(&ctx, &other, &Silent).await.unwrap_err().to_string();
    assert_eq!(error, "run `calc-0001` was started with something else: max_test_attempts");

    let config = RolloutConfig { resume, ..config };
    let report = rollout(&ctx, &config, &Silent).await.unwrap();
    let asked: BTreeSet<_> =
        model.requests().into_iter().filter_map(|(purpose, _)| purpose.task).collect();
    assert_eq!(asked, BTreeSet::from(["1.2.1".to_owned()]));
    let states = |report: &RolloutReport| -> Vec<TaskState> {
        report.tasks.iter().map(|task| task.state.clone()).collect()
    };
    assert_eq!(states(&report), states(&whole));
    assert_eq!(report.n_tests, whole.n_tests);
    // The two attempts of before the interruption are kept, and count.
    assert_eq!(report.totals.n_attempts, whole.totals.n_attempts + 2);
    let run = report.run_folder.as_path();
    assert!(run.join("tasks/1.2.1.interrupted-1/test_writer-1/verdict.json").exists());
    let is_result = |name: &String| {
        let is_of_run = name.starts_with("repo/") || name.starts_with("tasks/");
        is_of_run && !name.contains("interrupted")
    };
    let of = |run: &Path| -> BTreeMap<String, Vec<u8>> {
        files(run).into_iter().filter(|(name, _)| is_result(name)).collect()
    };
    let (ours, theirs) = (of(run), of(&whole.run_folder));
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differing: Vec<&&String> =
        names.iter().filter(|name| ours.get(**name) != theirs.get(**name)).collect();
    assert!(differing.is_empty(), "{differing:?}");

    let error = rollout(&ctx, &config, &Silent).await.unwrap_err().to_string();
    assert_eq!(error, "run `calc-0001` is complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_hold_no_project_are_named() {
    let Some(ctx) = context(Arc::new(ScriptedModel::new(|purpose| Ok(script(purpose))))) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let check = async |repo: &Path| {
        let config = RolloutConfig::new(repo, folder.path(), "scripted");
        rollout(&ctx, &config, &Silent).await.unwrap_err().to_string()
    };
    let missing = folder.path().join("none");
    assert_eq!(
        check(&missing).await,
        format!("failed to open project folder `{}`", missing.display())
    );
    let empty = tempfile::tempdir().unwrap();
    let shown = empty.path().display().to_string();
    assert_eq!(
        check(empty.path()).await,
        format!("project `{shown}` has neither `tasks.json` nor `tasks.md`")
    );
    fs_err::write(empty.path().join("tasks.json"), "{nonsense").unwrap();
    assert_eq!(
        check(empty.path()).await,
        format!("failed to read `tasks.json` of project `{shown}`")
    );
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0, "no run was begun");
}

/// What an implementer may try instead of implementing: the shell commands, and the kind of the first
/// reason for which the verifier refuses it.
const TRICKS: [(&str, &str); 9] = [
    (
        "cat > calc/__init__.py <<'END'\nimport json, os\nfor n in ('1-2-3', '0-0-0', '-1-1-0'):\n    \
         line = {'event': 'test', 'id': f'tests/test_1_1_1.py::test_add[{n}]', 'outcome': 'passed'}\n    \
         os.write(62, json.dumps(line).encode() + b'\\n')\n\
         os.write(62, b'{\"event\":\"finish\",\"exitstatus\":0}\\n')\nos._exit(0)\nEND",
        "canary",
    ),
    ("echo 'import os; os._exit(0)' > calc/__init__.py", "report_incomplete"),
    ("echo 'while True: pass' > calc/__init__.py", "limit"),
    (
        "printf 'print(\"3 passed in 0.01s\")\\nraise SystemExit(0)\\n' > calc/__init__.py",
        "exit_status",
    ),
    (
        "mkdir pytest; echo 'def main(a): return 0' > pytest/__init__.py; echo '# x' >> calc/__init__.py",
        "fails",
    ),
    ("mv tests old; mkdir tests; echo '# x' >> calc/__init__.py", "fails"),
    (
        "printf '[pytest]\\naddopts = --collect-only\\n' > pytest.ini; echo '# x' >> calc/__init__.py",
        "fails",
    ),
    (
        "printf 'import _pytest.runner\\n_pytest.runner.check_interactive_exception = 1\\n' >> calc/__init__.py",
        "tampers",
    ),
    ("true", "nothing_handed_in"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_an_implementer_may_try_is_refused() {
    let tricks = |purpose: &Purpose| {
        if purpose.stage == "test_writer" {
            return script(purpose);
        }
        let (command, _) = TRICKS[purpose.attempt as usize - 1];
        let answers = [calls(&[("bash", json!({ "command": command }))])];
        answers.get(purpose.turn as usize - 1).cloned().unwrap_or_else(finish)
    };
    let model = ScriptedModel::new(move |purpose| match purpose.task.as_deref() {
        Some("1.1.1") => Ok(tricks(purpose)),
        _ => Ok(script(purpose)),
    });
    let Some(ctx) = context(Arc::new(model)) else { return };
    let (repo, folder) = (project(), tempfile::tempdir().unwrap());
    let config = RolloutConfig {
        max_test_attempts: 1,
        max_implementation_attempts: u32::try_from(TRICKS.len()).unwrap(),
        verify: VerifySettings {
            limits: CheckLimits { cpu: Duration::from_secs(5), ..CheckLimits::default() },
            ..VerifySettings::default()
        },
        ..RolloutConfig::new(repo.path(), folder.path(), "scripted")
    };
    let report = rollout(&ctx, &config, &Silent).await.unwrap();
    assert!(matches!(report.tasks[0].state, TaskState::Unsolved { .. }));
    assert_eq!(report.n_solved(), 0);
    for (attempt, (command, reason)) in (1..).zip(TRICKS) {
        let gates = gates(&report.run_folder, &format!("1.1.1/implementer-{attempt}"));
        let refused = gates.iter().find_map(|gate| gate.split_once(": ")).map(|(_, reason)| reason);
        assert_eq!(refused, Some(reason), "{command}: {gates:?}");
    }
}

/// Tests that run the code in another process, where no trace sees which lines run.
const FROM_OUTSIDE: &str = "import subprocess, sys\n\n\n\
def run(code):\n    done = subprocess.run([sys.executable, '-c', 'import calc; ' + code], capture_output=True, text=True)\n    \
assert done.returncode == 0, done.stderr\n    return done.stdout\n\n\n";

/// Runs a rollout of one task, `add`, with the tests of two attempts. Returns its state and what the first
/// measurement said.
async fn measured(tests: String, stronger: String) -> Option<(TaskState, Value)> {
    let model = ScriptedModel::new(move |purpose| {
        let answer = match (purpose.stage.as_str(), purpose.attempt) {
            ("test_writer", 1) => create("tests/test_1_1_1.py", &tests),
            ("test_writer", _) => create("tests/test_1_1_1.py", &stronger),
            _ => create("calc/__init__.py", ADD),
        };
        Ok(if purpose.turn == 1 { answer } else { finish() })
    });
    let ctx = context(Arc::new(model))?;
    let (repo, folder) = (project(), tempfile::tempdir().unwrap());
    let mut plan: Value = serde_json::from_str(&tasks_json()).unwrap();
    let first = plan["phases"][0]["modules"][0]["tasks"][0].clone();
    plan["phases"][0]["modules"] =
        json!([{"module_number": "1.1", "title": "Module", "tasks": [first]}]);
    fs_err::write(repo.path().join("tasks.json"), plan.to_string()).unwrap();
    let config = RolloutConfig::new(repo.path(), folder.path(), "scripted");
    let report = rollout(&ctx, &config, &Silent).await.unwrap();
    let said = read_json(report.run_folder.join("tasks/1.1.1/mutation-1/mutation.json"));
    Some((report.tasks[0].state.clone(), said))
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_that_no_mutant_reaches_are_not_let_through() {
    // They see that the program ends well, and not what it says.
    let weak = format!(
        "{FROM_OUTSIDE}def test_add():\n    run('calc.add(1, 2)')\n\n\ndef test_more():\n    run('calc.add(2, 3)')\n"
    );
    let Some((state, said)) = measured(weak.clone(), weak).await else { return };
    assert!(matches!(state, TaskState::Unsolved { .. }), "{state:?}");
    assert_eq!(said["verdict"]["reasons"][0]["reason"], "weak_tests", "{said:#}");
    assert_eq!(said["score"]["n_killed"], 0, "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_in_another_process_are_measured_there() {
    let good = format!(
        "{FROM_OUTSIDE}def test_add():\n    assert run('print(calc.add(1, 2))') == '3\\n'\n\n\n\
         def test_more():\n    assert run('print(calc.add(2, 3))') == '5\\n'\n"
    );
    let Some((state, said)) = measured(good.clone(), good).await else { return };
    assert!(matches!(state, TaskState::Solved), "{state:?} {said:#}");
    assert!(said["score"]["n_mutants"].as_u64() > Some(0), "{said:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_one_line_is_measured_too() {
    // Whatever is returned is accepted: the few mutants that there are survive.
    let weak = "from calc import add\n\n\ndef test_add():\n    add(1, 2)\n\n\ndef test_more():\n    add(2, 3)\n";
    let Some((state, said)) = measured(weak.to_owned(), ADD_TESTS.to_owned()).await else { return };
    assert_eq!(said["verdict"]["reasons"][0]["reason"], "weak_tests", "{said:#}");
    assert!(said["score"]["n_mutants"].as_u64() < Some(5), "{said:#}");
    assert!(matches!(state, TaskState::Solved), "made stronger once: {state:?}");
}
