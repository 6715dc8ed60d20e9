//! The loop with scripted models: first what it does by itself, then with tools in the real sandbox.

use playpen_runtime::{Sandbox, Tree};
use serde_json::json;
use std::{sync::Arc, time::Duration};

use super::{
    AgentBudget, AgentRole, AgentRun, AgentStop, WORKSPACE, open_sandbox, run_agent,
    testing::{
        ScriptedModel, bash, budget, calls, context, empty_sandbox, finish, raw_calls, says, task,
    },
};
use crate::{
    model::{ChatResponse, ModelError, Role},
    progress::{Collected, Progress, Silent},
    record::AttemptAudit,
};

/// Runs an agent whose calls reach no guest.
async fn run(answers: Vec<ChatResponse>) -> (AgentRun, ScriptedModel) {
    run_with(answers, &budget()).await
}

async fn run_with(answers: Vec<ChatResponse>, budget: &AgentBudget) -> (AgentRun, ScriptedModel) {
    let model = ScriptedModel::answers(answers);
    let task = task(AgentRole::Implementer);
    let run = run_agent(&model, task, &empty_sandbox(), budget, &Silent).await;
    run.trajectory.validate().unwrap();
    (run, model)
}

/// Returns what the tools answered, in order.
fn observations(run: &AgentRun) -> Vec<String> {
    let results = run.trajectory.steps.iter().filter_map(|step| step.observation.as_ref());
    results
        .flat_map(|observation| &observation.results)
        .map(|result| result.content.clone().unwrap_or_default())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn finish_ends_the_attempt() {
    let (run, model) = run(vec![finish()]).await;
    assert!(matches!(&run.stop, AgentStop::Finished { message } if message == "done"));
    assert_eq!((run.n_model_calls, run.n_tool_calls, run.n_denied), (1, 1, 0));
    assert_eq!(run.usage.total_tokens(), 15);
    let (purpose, request) = model.requests().remove(0);
    assert_eq!((purpose.stage.as_str(), purpose.turn, purpose.attempt), ("implementer", 1, 1));
    assert_eq!(request.tools.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_make_no_sense_are_answered() {
    let bad = raw_calls(&[
        ("launch", "{}"),
        ("bash", "{\"command\": "),
        ("bash", "[1, 2]"),
        ("bash", "{\"command\": 7}"),
        ("", ""),
    ]);
    let (run, model) = run(vec![bad, finish()]).await;
    assert!(run.stop.is_finished());
    let observations = observations(&run);
    assert_eq!(observations.len(), 6);
    assert!(observations[0].contains("there is no tool `launch`"), "{observations:?}");
    assert!(observations[1].contains("not valid JSON"), "{observations:?}");
    assert!(observations[2].contains("not an object"), "{observations:?}");
    assert!(observations[3].contains("expected a string"), "{observations:?}");
    // What goes back to the endpoint can be parsed by it, call by call.
    let (_, second) = model.requests().remove(1);
    let echoed = second.messages.iter().find(|message| message.role == Role::Assistant).unwrap();
    for call in &echoed.tool_calls {
        let value: serde_json::Value = serde_json::from_str(&call.arguments).unwrap();
        assert!(value.is_object() && !call.name.is_empty(), "{call:?}");
    }
    let n_results = second.messages.iter().filter(|message| message.role == Role::Tool).count();
    assert_eq!(n_results, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_only_talks_is_told_and_then_stopped() {
    let (run, model) = run(vec![says("Let me think."), says(""), says("Hm.")]).await;
    assert!(matches!(run.stop, AgentStop::NoToolCalls));
    assert_eq!(run.n_model_calls, 3);
    let (_, last) = model.requests().pop().unwrap();
    assert!(last.messages.last().unwrap().content.as_ref().unwrap().contains("`finish`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_finish_is_not_carried_out() {
    let both =
        calls(&[("finish", json!({"message": "done"})), ("bash", json!({"command": "echo late"}))]);
    let (run, _) = run(vec![both]).await;
    assert!(run.stop.is_finished());
    assert!(observations(&run)[1].starts_with("[not carried out"));
    assert_eq!(run.n_tool_calls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_again_and_again_ends_the_attempt() {
    let (run, _) = run(vec![raw_calls(&[("nothing", "{}")])]).await;
    assert!(matches!(run.stop, AgentStop::Stuck { n_repeats: 6 }), "{:?}", run.stop);
    let observations = observations(&run);
    assert!(!observations[1].contains("in a row"));
    assert!(observations[2].contains("3th time in a row"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_one_answer_may_have_are_not_carried_out() {
    let many: Vec<(&str, String)> =
        (0..40).map(|n| ("nothing", format!("{{\"n\": {n}}}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let (run, _) = run(vec![raw_calls(&many), finish()]).await;
    assert_eq!(run.n_tool_calls, 17);
    assert_eq!(observations(&run).len(), 41);
    assert!(run.stop.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_end_the_attempt() {
    let endless = |n: u32| raw_calls(&[("nothing", &format!("{{\"n\": {n}}}"))]);
    let answers = || (0..50).map(endless).collect();
    let (run, _) = run_with(answers(), &AgentBudget { steps: 3, ..budget() }).await;
    assert!(matches!(run.stop, AgentStop::StepBudget));
    assert_eq!(run.n_model_calls, 3);
    let (run, _) = run_with(answers(), &AgentBudget { tokens: 31, ..budget() }).await;
    assert!(matches!(run.stop, AgentStop::TokenBudget));
    assert_eq!(run.n_model_calls, 3);
}

/// A model that never answers.
#[derive(Debug)]
struct Silence;

impl crate::model::ChatModel for Silence {
    fn chat<'a>(
        &'a self,
        _purpose: &'a crate::model::Purpose,
        _request: &'a crate::model::ChatRequest,
    ) -> futures_util::future::BoxFuture<'a, Result<ChatResponse, ModelError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_never_answers_meets_the_wall_budget() {
    let budget = AgentBudget { wall: Duration::from_millis(50), ..budget() };
    let task = task(AgentRole::Implementer);
    let run = run_agent(&Silence, task, &empty_sandbox(), &budget, &Silent).await;
    assert!(matches!(run.stop, AgentStop::WallBudget));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_model_are_typed() {
    let fails = |error: ModelError| async move {
        let model = ScriptedModel::new(move |_| Err(error.clone()));
        let task = task(AgentRole::Implementer);
        run_agent(&model, task, &empty_sandbox(), &budget(), &Silent).await
    };
    let url = || "http://model.invalid".to_owned();
    let run = fails(ModelError::ContextLength { url: url(), message: String::new() }).await;
    assert!(matches!(run.stop, AgentStop::ContextLength));
    let error = ModelError::Unauthorized { url: url(), status: 401, message: "no".to_owned() };
    let run = fails(error).await;
    assert!(matches!(run.stop, AgentStop::ModelFailed(ModelError::Unauthorized { .. })));
    assert_eq!(run.trajectory.steps.len(), 2);
}

// From here on the tools are guests of the real image.

/// Runs an agent over `tree`; `None` where there is no image.
async fn run_in_image(
    role: AgentRole,
    tree: Tree,
    answers: Vec<ChatResponse>,
) -> Option<(AgentRun, Sandbox, Arc<AttemptAudit>)> {
    let model = Arc::new(ScriptedModel::answers(answers));
    let ctx = context(model.clone())?;
    let audit = Arc::new(AttemptAudit::default());
    let sandbox = open_sandbox(&ctx, tree, &role.policy(), Some(audit.clone())).unwrap();
    let run = run_agent(&*model, task(role), &sandbox, &budget(), &Silent).await;
    run.trajectory.validate().unwrap();
    Some((run, sandbox, audit))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_is_one_shell() {
    let answers = vec![
        bash("mkdir -p pkg && cd pkg && NAME=world && greet() { echo \"hello $1\"; }"),
        bash("pwd; greet $NAME; echo oops >&2; false"),
        bash("exit 3"),
        bash("greet again"),
        finish(),
    ];
    let Some((run, ..)) = run_in_image(AgentRole::Implementer, Tree::new(), answers).await else {
        return;
    };
    assert_eq!(
        observations(&run)[..4],
        [
            "[exit code 0]",
            "/workspace/pkg\nhello world\noops\n[exit code 1]",
            "[exit code 3]",
            "hello again\n[exit code 0]"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_leaves_the_shell_as_it_was() {
    let endless = json!({"command": "X=2; while :; do :; done", "timeout_s": 0.5});
    let answers = vec![bash("X=1"), calls(&[("bash", endless)]), bash("echo X=$X"), finish()];
    let Some((run, ..)) = run_in_image(AgentRole::Implementer, Tree::new(), answers).await else {
        return;
    };
    let observations = observations(&run);
    assert!(observations[1].contains("the limit on wall time was met"), "{observations:?}");
    assert!(observations[1].contains("as before this command"), "{observations:?}");
    assert!(observations[1].ends_with("[exit code 124]"), "{observations:?}");
    assert_eq!(observations[2], "X=1\n[exit code 0]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_is_cut_in_the_middle() {
    let answers = vec![bash("seq 1 100000"), finish()];
    let Some((run, ..)) = run_in_image(AgentRole::Implementer, Tree::new(), answers).await else {
        return;
    };
    let text = &observations(&run)[0];
    assert!(text.starts_with("1\n2\n3\n") && text.ends_with("100000\n[exit code 0]"), "{text}");
    assert!(text.contains("characters (") && text.len() < 5000, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_edited_and_tests_are_run() {
    let test = "from adder import add\n\ndef test_one():\n    assert add(1, 1) == 2\n\n\
                def test_two():\n    assert add(1, 2) == 4\n";
    let mut tree = Tree::new();
    tree.write("tests/test_adder.py", test, 0o644).unwrap();
    let create = json!({"command": "create", "path": "adder.py", "file_text": "def add(a, b):\n    return 0\n"});
    let replace = json!({"command": "str_replace", "path": "/workspace/adder.py", "old_str": "return 0", "new_str": "return a + b"});
    let again = json!({"command": "str_replace", "path": "adder.py", "old_str": "return 0", "new_str": "x"});
    let answers = vec![
        calls(&[("edit", create), ("edit", replace), ("edit", again)]),
        calls(&[
            ("run_tests", json!({})),
            ("run_tests", json!({"paths": ["tests/test_adder.py::test_one"]})),
        ]),
        finish(),
    ];
    let Some((run, sandbox, _)) = run_in_image(AgentRole::Implementer, tree, answers).await else {
        return;
    };
    let observations = observations(&run);
    assert!(!observations[2].is_empty());
    let tests = &observations[3];
    assert!(
        tests.starts_with(
            "1 passed, 1 failed\nPASSED tests/test_adder.py::test_one\nFAILED tests/test_adder.py::test_two"
        ),
        "{tests}"
    );
    assert!(tests.contains("assert 3 == 4"), "{tests}");
    assert!(observations[4].starts_with("1 passed\n"), "{}", observations[4]);
    let tree = sandbox.tree(WORKSPACE).unwrap();
    assert_eq!(tree.read("adder.py").unwrap(), "def add(a, b):\n    return a + b\n");
    assert_eq!(run.n_denied, 0, "running tests is no access that anybody refuses");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_implementer_cannot_touch_the_tests() {
    let mut tree = Tree::new();
    tree.write("tests/test_a.py", "def test_a():\n    assert False\n", 0o644).unwrap();
    tree.write("src/a.py", "", 0o644).unwrap();
    let attempts = [
        "echo 'def test_a(): pass' > tests/test_a.py",
        "rm tests/test_a.py",
        "mv tests old",
        "ln -s tests t && echo x > t/new.py",
        "echo x > conftest.py",
        "echo x > src/sitecustomize.py",
        "touch src/../tests/conftest.py",
        "python -c 'open(\"/workspace/tests/test_a.py\", \"w\")'",
        "ln tests/test_a.py src/b.py && echo x > src/b.py",
        "chmod 777 tests/test_a.py && mkdir pytest",
        "echo ok > src/a.py",
    ];
    let mut answers: Vec<ChatResponse> = attempts.iter().map(|command| bash(command)).collect();
    answers.push(finish());
    let before = tree.clone();
    let Some((run, sandbox, audit)) = run_in_image(AgentRole::Implementer, tree, answers).await
    else {
        return;
    };
    let observations = observations(&run);
    for (command, observation) in attempts.iter().zip(&observations).take(attempts.len() - 1) {
        assert!(!observation.ends_with("[exit code 0]"), "{command}: {observation}");
    }
    assert_eq!(observations[attempts.len() - 1], "[exit code 0]");
    let after = sandbox.tree(WORKSPACE).unwrap();
    let changed: Vec<String> = before.diff(&after).into_iter().map(|change| change.path).collect();
    assert_eq!(changed, ["src/a.py", "t"], "`t` is a link to `tests`, which is no change in it");
    assert!(run.n_denied >= 10, "{}", run.n_denied);
    assert_eq!(audit.n_denied(), run.n_denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_writer_writes_tests_and_nothing_else() {
    let mut tree = Tree::new();
    tree.write("src/a.py", "", 0o644).unwrap();
    tree.write("tests/1.1.1.md", "# Tests", 0o644).unwrap();
    let answers = vec![
        bash("echo x > src/a.py"),
        bash("echo x > b.py"),
        bash("echo x > tests/1.1.1.md"),
        bash("mkdir tests/data && echo x > tests/data/a.txt && echo x > tests/test_a.py"),
        finish(),
    ];
    let Some((run, sandbox, _)) = run_in_image(AgentRole::TestWriter, tree.clone(), answers).await
    else {
        return;
    };
    let codes: Vec<bool> =
        observations(&run)[..4].iter().map(|text| text.ends_with("[exit code 0]")).collect();
    assert_eq!(codes, [false, false, false, true], "{:?}", observations(&run));
    let after = sandbox.tree(WORKSPACE).unwrap();
    let changed: Vec<String> = tree.diff(&after).into_iter().map(|change| change.path).collect();
    assert_eq!(changed, ["tests/data", "tests/data/a.txt", "tests/test_a.py"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_watch_see_each_call() {
    let model =
        Arc::new(ScriptedModel::answers(vec![bash("echo x > tests.txt; cat nope"), finish()]));
    let Some(ctx) = context(model.clone()) else { return };
    let policy = AgentRole::Implementer.policy();
    let sandbox = open_sandbox(&ctx, Tree::new(), &policy, None).unwrap();
    let events = Collected::default();
    run_agent(&*model, task(AgentRole::Implementer), &sandbox, &budget(), &events).await;
    let tools: Vec<(String, bool)> = events
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Progress::ToolCalled { tool, ok, .. } => Some((tool, ok)),
            _ => None,
        })
        .collect();
    assert_eq!(tools, [("bash".to_owned(), false), ("finish".to_owned(), true)]);
}
