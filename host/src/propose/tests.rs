//! The steps that need a model and no guest, against the scripted server over real HTTP.
//!
//! The image has no programs: a step that would start one fails. Set-up and test documents are played
//! through by the end-to-end tests with the real image.

use super::{ProposeConfig, ProposeError, ProposeReport, ProposeStep, propose};
use crate::{
    context::Context,
    mock_model::{NoFiles, Script, ScriptServer, ServerHandle},
    model::{ClientConfig, OpenAiClient, RetryPolicy},
    progress::Silent,
    project::{TaskFile, parse_markdown},
    prompt::Prompts,
};
use fs_err as fs;
use playpen_runtime::{Engine, EngineConfig, Image, Tree, image::ImageWriter};
use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;

/// A project as a model would propose it. The doubled quotes are YAML's.
const PROJECT: &str = r#"[{"project_description": "A file system on a simulated block device with a bitmap allocator and inodes, directories and a write-ahead journal.", "repo_name": "BlockFS", "programming_language": "Python 3", "constraints": "No sqlite3."}]"#;

/// A folder, a scripted model and what a stage needs to use both.
struct Bench {
    dir: TempDir,
    ctx: Context,
    server: ServerHandle,
}

impl Bench {
    async fn new(entries: &str) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::new(EngineConfig { slots: 2, ..EngineConfig::default() }).unwrap();
        ImageWriter::new(dir.path().join("image"), Tree::new()).finish().unwrap();
        let image = Image::open(&engine, &dir.path().join("image")).unwrap();
        let script =
            Script::parse("script", &format!("format: 1\nentries:\n{entries}"), &NoFiles).unwrap();
        let (url, server) =
            ScriptServer::start(script, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let delay = Duration::from_millis(1);
        let retry = RetryPolicy {
            max_retries: 2,
            max_malformed_retries: 1,
            min_delay: delay,
            max_delay: delay,
        };
        let client =
            OpenAiClient::new(ClientConfig { retry, ..ClientConfig::new(url, None) }).unwrap();
        let ctx = Context { engine, image, model: Arc::new(client), prompts: Prompts::embedded() };
        Bench { dir, ctx, server }
    }

    fn config(&self) -> ProposeConfig {
        ProposeConfig::new(&self.path("out"), "scripted")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    async fn run(&self, step: ProposeStep) -> Result<ProposeReport, ProposeError> {
        propose(&self.ctx, &self.config(), step, &Silent).await
    }

    /// Runs a step that fails; returns its error with all causes.
    async fn error(&self, step: ProposeStep) -> String {
        let error = self.run(step).await.unwrap_err();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            write!(text, "\n  by {cause}").unwrap();
            source = cause.source();
        }
        text.replace(&self.dir.path().display().to_string(), "DIR")
    }

    async fn n_requests(self) -> u64 {
        self.server.stop().await.n_requests()
    }
}

/// An entry of a script for `stage` with these answers.
fn entry(stage: &str, answers: &[&str]) -> String {
    let mut entry = format!("  - match: {{stage: {stage}}}\n    replies:\n");
    for answer in answers {
        writeln!(entry, "      - text: {}", serde_json::to_string(answer).unwrap()).unwrap();
    }
    entry
}

/// A task document as JSON with two tasks; the second depends on `dependency`.
fn tasks_json(dependency: &str) -> String {
    let task = |number: &str, dependency: &str| {
        format!(
            r#"{{"task_number": "{number}", "title": "T{number}", "description": "D", "dependencies": [{dependency}],
            "difficulty": 2, "unit_tests": {{"code_tests": [{{"name": "does it", "description": "It does."}}]}}}}"#
        )
    };
    format!(
        r#"{{"project_description": "D", "project_instruction": "I", "phases": [{{"phase_number": 1, "title": "P",
        "goal": "G", "modules": [{{"module_number": "1.1", "title": "M", "tasks": [{}, {}]}}]}}]}}"#,
        task("1.1.1", ""),
        task("1.1.2", &format!("\"{dependency}\""))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_answer_is_asked_for_again_and_a_finished_step_is_not() {
    let bench = Bench::new(&entry("projects", &["I would rather not.", PROJECT])).await;
    let report = bench.run(ProposeStep::Projects).await.unwrap();
    assert_eq!(report.projects[0].repo_name, "blockfs");
    assert_eq!((report.n_model_calls, report.n_missing_projects), (2, 0));
    let written: serde_json::Value =
        serde_json::from_str(&bench.read("out/blockfs/project.json")).unwrap();
    assert_eq!(written["constraints"], "No sqlite3.");
    let again = bench.run(ProposeStep::Projects).await.unwrap();
    assert_eq!(again.n_model_calls, 0);
    assert_eq!(bench.n_requests().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn path_in_a_name_stays_in_the_output_folder() {
    let bench = Bench::new(&entry("projects", &[&PROJECT.replace("BlockFS", "../../evil")])).await;
    bench.run(ProposeStep::Projects).await.unwrap();
    assert!(bench.path("out/evil/project.json").is_file());
    assert!(!bench.path("evil").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn project_of_an_avoided_folder_is_refused_under_any_name() {
    let other = r#"[{"project_description": "A solver for nonograms with line propagation and backtracking, which proves that solutions are unique.", "repo_name": "nonosolve", "programming_language": "Python", "constraints": "No SAT packages."}]"#;
    let answers = [PROJECT.replace("BlockFS", "diskfs"), other.to_owned()];
    let bench = Bench::new(&entry("projects", &[&answers[0], &answers[1]])).await;
    // The layout of the reference system: one file for each project.
    bench.write("avoid/simplefs.json", PROJECT.trim_matches(['[', ']']));
    let avoid_dirs = vec![bench.path("avoid")];
    let config = ProposeConfig { avoid_dirs, ..bench.config() };
    let report = propose(&bench.ctx, &config, ProposeStep::Projects, &Silent).await.unwrap();
    assert_eq!(report.projects[0].repo_name, "nonosolve");
    let refused: Vec<&str> = report.refused.iter().map(|refused| refused.reason.as_str()).collect();
    assert_eq!(refused, ["`diskfs` describes nearly the same as the earlier project `blockfs`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_projects_are_kept_and_counted() {
    let bench = Bench::new(&entry("projects", &[PROJECT, PROJECT, PROJECT, PROJECT])).await;
    let config = ProposeConfig { n_projects: 2, ..bench.config() };
    let report = propose(&bench.ctx, &config, ProposeStep::Projects, &Silent).await.unwrap();
    assert_eq!((report.projects.len(), report.n_missing_projects, report.refused.len()), (1, 1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn model_that_answers_nonsense_is_an_error_that_says_so() {
    let bench = Bench::new(&entry("projects", &["No.", "No.", "```json\n[{]\n```", "[]"])).await;
    insta::assert_snapshot!(bench.error(ProposeStep::Projects).await, @"no answer of stage `projects` could be used after 4 attempts: 1 of the projects are missing");
    assert!(!bench.path("out/blockfs").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_answer_is_continued_and_both_files_say_the_same() {
    let answer = format!("```json\n{}\n```", tasks_json("1.1.1"));
    let (start, rest) = answer.split_at(answer.len() / 2);
    let script = entry("projects", &[PROJECT])
        + &entry("tasks", &[start, rest]).replacen(
            "\n      - text: ",
            "\n      - finish_reason: length\n        text: ",
            1,
        );
    let bench = Bench::new(&script).await;
    bench.run(ProposeStep::Projects).await.unwrap();
    let report = bench.run(ProposeStep::Tasks).await.unwrap();
    assert_eq!(
        (report.projects[0].n_tasks, report.projects[0].n_tests, report.n_model_calls),
        (2, 2, 2)
    );
    let (from_markdown, issues) = parse_markdown(&bench.read("out/blockfs/tasks.md"));
    let (from_json, _) = TaskFile::from_json(&bench.read("out/blockfs/tasks.json")).unwrap();
    assert_eq!(from_markdown, from_json.document);
    assert_eq!(issues, []);
    assert_eq!(from_json.constraints, "No sqlite3.");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_in_the_tags_of_the_reference_are_read() {
    let tasks = "<tasks>\n## Phase 1: P\n**Goal:** G\n### Module 1.1: M\n#### Task 1.1.1: T\n- **Description:** D\n\
        - **Dependencies:** N/A\n- **Difficulty:** 2/5\n- **Unit Tests:**\n  - **Code Tests:**\n    - **a:** b\n</tasks>";
    let bench = Bench::new(&(entry("projects", &[PROJECT]) + &entry("tasks", &[tasks]))).await;
    bench.run(ProposeStep::Projects).await.unwrap();
    assert_eq!(bench.run(ProposeStep::Tasks).await.unwrap().projects[0].n_tests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_wait_for_each_other_are_asked_for_again_with_the_reason() {
    let good = entry("tasks", &["unused", &tasks_json("1.1.1")])
        .replace("match: {stage: tasks}", "match: {stage: tasks, turn: 2, last_message: [{contains: \"tasks 1.1.2 wait for each other\"}]}")
        .replace("      - text: \"unused\"\n", "");
    let script = entry("projects", &[PROJECT]) + &entry("tasks", &[&tasks_json("1.1.2")]) + &good;
    let bench = Bench::new(&script).await;
    bench.run(ProposeStep::Projects).await.unwrap();
    assert_eq!(bench.run(ProposeStep::Tasks).await.unwrap().n_model_calls, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_out_of_order_are_told_apart() {
    let bench = Bench::new(&entry("projects", &[PROJECT])).await;
    fs::create_dir(bench.path("out")).unwrap();
    insta::assert_snapshot!(bench.error(ProposeStep::Tasks).await, @"folder `DIR/out` has no project");
    bench.run(ProposeStep::Projects).await.unwrap();
    insta::assert_snapshot!(bench.error(ProposeStep::Setup).await, @"project `blockfs` has no tasks yet");
    insta::assert_snapshot!(bench.error(ProposeStep::TestDocs).await, @"project `blockfs` has no tasks yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_files_are_named() {
    let bench = Bench::new(&entry("projects", &[PROJECT])).await;
    bench.write("out/blockfs/project.json", "{");
    insta::assert_snapshot!(bench.error(ProposeStep::All).await, @"
    failed to read project file `DIR/out/blockfs/project.json`
      by EOF while parsing an object at line 1 column 1
    ");
    bench.write("out/blockfs/project.json", PROJECT.trim_matches(['[', ']']));
    bench.write("out/blockfs/tasks.json", "[]");
    insta::assert_snapshot!(bench.error(ProposeStep::Tasks).await, @"
    failed to read task file `DIR/out/blockfs/tasks.json`
      by failed to read the task document as JSON
      by invalid length 6, expected an object with the key `phases` at line 1 column 2
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_key_is_an_error_and_loses_nothing() {
    let script = "  - match: {stage: projects}\n    faults:\n      - {kind: status, status: 401, message: bad key}\n".to_owned();
    let bench = Bench::new(&script).await;
    let error = bench.error(ProposeStep::Projects).await;
    assert!(error.starts_with("failed to ask the model in stage `projects`\n  by "), "{error}");
    assert!(error.contains("401") && error.contains("bad key"), "{error}");
    assert_eq!(bench.n_requests().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_folder_to_avoid_is_an_error() {
    let bench = Bench::new(&entry("projects", &[PROJECT])).await;
    let config = ProposeConfig { avoid_dirs: vec![bench.path("none")], ..bench.config() };
    let error = propose(&bench.ctx, &config, ProposeStep::Projects, &Silent).await.unwrap_err();
    assert!(matches!(error, ProposeError::Folder { .. }), "{error}");
    assert_eq!(bench.n_requests().await, 0);
}
