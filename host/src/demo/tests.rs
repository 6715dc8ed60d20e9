//! The script is sound; that it plays through is shown by the end-to-end tests.

use super::{FILES, script};
use crate::{
    mock_model::ScriptFiles as _,
    project::{Severity, TaskFile, TaskGraph},
};

#[test]
fn script_and_all_its_files_are_read() {
    script().unwrap();
}

#[test]
fn recorded_project_is_large_enough_and_has_no_issues() {
    let answer =
        FILES.read("answers/tasks-1.md").unwrap() + &FILES.read("answers/tasks-2.md").unwrap();
    let json = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
    let (file, issues) = TaskFile::from_json(json).unwrap();
    assert!(issues.iter().all(|issue| issue.severity() == Severity::Note), "{issues:?}");
    assert!(file.document.tasks().count() >= 4);
    assert!(file.document.n_code_tests() >= 25);
    assert!(file.document.tasks().filter(|task| !task.dependencies.is_empty()).count() >= 3);
    assert!(TaskGraph::new(&file.document).order().is_ok());
}

#[test]
fn every_task_has_tests_and_a_document_in_the_recording() {
    let answer =
        FILES.read("answers/tasks-1.md").unwrap() + &FILES.read("answers/tasks-2.md").unwrap();
    let json = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
    for task in TaskFile::from_json(json).unwrap().0.document.tasks() {
        let document = FILES.read(&format!("answers/test-doc-{}.md", task.number)).unwrap();
        let tests = FILES.read(&task.number.test_path()).unwrap();
        assert!(tests.contains(&format!("Task {}", task.number)));
        let n_functions = tests.lines().filter(|line| line.starts_with("def test_")).count();
        assert_eq!(n_functions, task.code_tests.len(), "task {}", task.number);
        assert!(
            task.code_tests.iter().all(|test| document.contains(&test.name)),
            "task {}",
            task.number
        );
    }
}
