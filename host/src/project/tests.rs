//! The task document from text to types and back.

mod property;

use super::{TaskFile, parse_markdown, render_markdown};
use insta::assert_snapshot;
use std::fmt::Write as _;

/// Reads a document and describes what was understood and what was reported.
///
/// The only place in these tests that knows the types: a test is a text and the expected description.
fn read(text: &str) -> String {
    let (document, issues) = parse_markdown(text);
    let mut out = String::new();
    for task in document.tasks() {
        let dependencies: Vec<String> = task.dependencies.iter().map(ToString::to_string).collect();
        writeln!(
            out,
            "{} {:?} after [{}] {:?}",
            task.number,
            task.title,
            dependencies.join(" "),
            task.difficulty
        )
        .unwrap();
        writeln!(out, "  {:?}", task.description).unwrap();
        for (kind, tests) in [("code", &task.code_tests), ("visual", &task.visual_tests)] {
            for test in tests {
                writeln!(out, "  {kind} {:?} {:?}", test.name, test.description).unwrap();
            }
        }
    }
    for issue in issues {
        writeln!(out, "{:?} {issue}", issue.severity()).unwrap();
    }
    out
}

/// Puts one task around `tests` so that nothing else is wrong.
fn with_tests(tests: &str) -> String {
    format!(
        "## Phase 1: P\n\n### Module 1.1: M\n\n#### Task 1.1.1: T\n- **Description:** D\n- **Dependencies:** N/A\n\
         - **Difficulty:** 2/5\n{tests}"
    )
}

/// Puts tasks with one test each after a phase and a module; each is a title and further fields.
fn with_tasks(tasks: &[(&str, &str)]) -> String {
    let mut text = "## Phase 1: P\n### Module 1.1: M\n".to_owned();
    for (heading, dependencies) in tasks {
        write!(text, "{heading}\n- **Description:** D\n- **Dependencies:** {dependencies}\n- **Unit Tests:**\n  \
             - **Code Tests:**\n    - **a:** b\n").unwrap();
    }
    text
}

#[test]
fn reference_layout_is_read_without_a_word() {
    let text = with_tests(
        "- **Unit Tests:**\n  - **Code Tests:**\n    - **One:** first\n      goes on\n    - **Two:** second\n  \
         - **Visual Tests:** N/A\n",
    );
    assert_snapshot!(read(&text), @r#"
    1.1.1 "T" after [] Some(2)
      "D"
      code "One" "first\ngoes on"
      code "Two" "second"
    "#);
}

#[test]
fn tests_with_wrong_indentation_are_tests() {
    let text = with_tests(
        "- **Unit Tests:**\n  - **Code Tests:**\n    - **One:** a\n  - **Two:** b\n      - **Three:** c\n",
    );
    assert_snapshot!(read(&text), @r#"
    1.1.1 "T" after [] Some(2)
      "D"
      code "One" "a"
      code "Two" "b"
      code "Three" "c"
    Note line 12: `- **Two:** b` is not indented as the layout asks
    Note line 13: `- **Three:** c` is not indented as the layout asks
    "#);
}

#[test]
fn names_in_backticks_and_with_colons_are_kept() {
    let text = with_tests(
        "- **Unit Tests:**\n  - **Code Tests:**\n    - **`test_a`:** a\n    - `test_b`: b\n    - **x: y:** c\n    - plain: d\n",
    );
    assert_snapshot!(read(&text), @r#"
    1.1.1 "T" after [] Some(2)
      "D"
      code "test_a" "a"
      code "test_b" "b"
      code "x: y" "c"
      code "plain" "d"
    Note line 11: test name `test_a` stands in backticks
    Note line 12: test name `test_b` stands in backticks
    Note line 13: test name `x: y` is not bold, or has a colon in it
    Note line 14: test name `plain` is not bold, or has a colon in it
    "#);
}

#[test]
fn colon_outside_of_bold_loses_no_tests() {
    let text = with_tests("- **Unit Tests**:\n  - **Code Tests**:\n    - **One**: a\n");
    assert_snapshot!(read(&text), @r#"
    1.1.1 "T" after [] Some(2)
      "D"
      code "One" "a"
    Note line 9: label `Unit Tests` is not written `**Unit Tests:**`
    Note line 10: label `Code Tests` is not written `**Code Tests:**`
    "#);
}

#[test]
fn shell_comment_in_a_code_block_loses_nothing() {
    let text = with_tests(
        "- **Unit Tests:**\n  - **Code Tests:**\n    - **One:** a\n```sh\n# not a section\n```\n    - **Two:** b\n",
    );
    assert_snapshot!(read(&text), @r##"
    1.1.1 "T" after [] Some(2)
      "D"
      code "One" "a\n```sh\n# not a section\n```"
      code "Two" "b"
    Note line 13: `# not a section` in a code block looks like a section
    "##);
}

#[test]
fn code_block_that_is_never_closed_swallows_nothing() {
    let text = with_tests(
        "- **Unit Tests:**\n  - **Code Tests:**\n    - **One:** a\n      ```\n    - **Two:** b\n",
    );
    assert_snapshot!(read(&text), @r#"
    1.1.1 "T" after [] Some(2)
      "D"
      code "One" "a\n```"
      code "Two" "b"
    Note line 12: the code block that starts here is never closed
    "#);
}

#[test]
fn headings_of_other_forms_are_headings() {
    let text = "## Phase 1 - P\n### **Module 1.1: M**\n### Task 1.1.1 – T\n- **Description:** D\n- **Unit Tests:**\n  \
                - **Code Tests:**\n    - **a:** b\n";
    assert_snapshot!(read(text), @r#"
    1.1.1 "T" after [] None
      "D"
      code "a" "b"
    Note line 1: heading `Phase 1 - P` has no colon after its number
    Note line 2: heading `**Module 1.1: M**` is bold or has a wrong number of `#`
    Note line 3: heading `Task 1.1.1 – T` has no colon after its number
    Note line 3: heading `Task 1.1.1 – T` is bold or has a wrong number of `#`
    "#);
}

#[test]
fn duplicate_dangling_prose_and_circular_dependencies_are_errors() {
    let text = with_tasks(&[
        ("#### Task 1.1.1: A", "Task 1.1.2 (second)"),
        ("#### Task 1.1.2: B", "1.1.1, 9.9.9"),
        ("#### Task 1.1.2: B again", "the block device"),
        ("#### Task 1.1.3: C", "1.1.1 and everything before"),
    ]);
    assert_snapshot!(read(&text), @r#"
    1.1.1 "A" after [1.1.2] None
      "D"
      code "a" "b"
    1.1.2 "B" after [1.1.1 9.9.9] None
      "D"
      code "a" "b"
    1.1.2 "B again" after [] None
      "D"
      code "a" "b"
    1.1.3 "C" after [1.1.1] None
      "D"
      code "a" "b"
    Error line 3: tasks 1.1.1, 1.1.2 wait for each other
    Error line 9: task 1.1.2 depends on task 9.9.9, which does not exist
    Error line 15: there is more than one task 1.1.2
    Error line 17: dependencies `the block device` are not a list of task numbers
    Error line 23: dependencies `1.1.1 and everything before` are not a list of task numbers
    "#);
}

#[test]
fn task_without_tests_or_description_is_an_error() {
    let text = "## Phase 1: P\n### Module 1.1: M\n#### Task 1.1.1: T\n- **Difficulty:** hard\n- **Unit Tests:** N/A\n";
    assert_snapshot!(read(text), @r#"
    1.1.1 "T" after [] None
      ""
    Error line 3: task 1.1.1 has no description
    Error line 3: task 1.1.1 has no unit tests
    Note line 4: difficulty `hard` is not a number from 1 to 5
    "#);
}

#[test]
fn text_that_belongs_to_nothing_is_reported() {
    assert_snapshot!(read("Sure! Here is the plan.\n\n#### Task one: T\n"), @r"
    Error there is no phase with a task
    Note line 1: `Sure! Here is the plan.` belongs to nothing and was dropped
    Error line 3: heading `#### Task one: T` has no number of the right form
    Note line 3: `#### Task one: T` belongs to nothing and was dropped
    ");
}

#[test]
fn task_outside_of_its_module_is_kept_and_reported() {
    let text = with_tasks(&[("#### Task 2.1.1: A", "None")]);
    assert_snapshot!(read(&text), @r#"
    2.1.1 "A" after [] None
      "D"
      code "a" "b"
    Note line 3: `Task 2.1.1` stands under a heading of another number
    "#);
}

#[test]
fn sections_keep_their_own_headings() {
    let text = "# Project Description\nA\n# Notes\n## Sub\n# Detailed Documentation\n```\n# comment\n```\n";
    let (document, issues) = parse_markdown(text);
    assert_eq!(document.project_description, "A\n# Notes\n## Sub");
    assert_eq!(document.detailed_documentation, "```\n# comment\n```");
    let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
    assert_snapshot!(issues.join("\n"), @"
    there is no phase with a task
    line 3: `# Notes` looks like a section and is none
    line 7: `# comment` in a code block looks like a section
    ");
}

#[test]
fn endless_documents_are_cut() {
    let (_, issues) = parse_markdown(&"x\n".repeat(super::MAX_DOCUMENT_BYTES));
    assert_eq!(
        issues.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the document is too long to be read"]
    );
    let (document, issues) = parse_markdown(&"#### Task 1.1.1: T\n".repeat(super::MAX_TASKS + 1));
    assert_eq!(document.tasks().count(), super::MAX_TASKS);
    assert_eq!(issues.len(), super::MAX_ISSUES + 1);
    let open_fences: String = (3..2_000).rev().map(|length| "`".repeat(length) + "\n").collect();
    assert_eq!(parse_markdown(&open_fences).0.tasks().count(), 0);
}

#[test]
fn json_of_the_reference_is_read() {
    let text = r#"{"project_id": "1768000000", "project_name": "p", "project_description": "d", "project_instruction": "i",
        "constraints": "c", "phases": [{"phase_number": 1, "title": "P", "goal": "g", "modules": [{"module_number": "1.1",
        "title": "M", "tasks": [{"task_id": "a1B2c3D4", "task_number": "1.1.1", "title": "T", "description": "D",
        "dependencies": [], "difficulty": "3/5", "unit_tests": {"code_tests": [{"name": "n", "description": "t"}],
        "visual_tests": []}}]}]}]}"#;
    let (file, issues) = TaskFile::from_json(text).unwrap();
    assert_eq!(issues, []);
    assert_eq!(file.project_id, "1768000000");
    assert_snapshot!(read(&render_markdown(&file.document)), @r#"
    1.1.1 "T" after [] Some(3)
      "D"
      code "n" "t"
    "#);
    let again = TaskFile::from_json(&file.to_json()).unwrap().0;
    assert_eq!(again, file);
}

#[test]
fn json_that_lacks_something_names_it() {
    let error = |text: &str| {
        let error = TaskFile::from_json(text).unwrap_err();
        std::error::Error::source(&error)
            .map_or(error.to_string(), |source| format!("{error}: {source}"))
    };
    assert_snapshot!(error("[]"), @"failed to read the task document as JSON: invalid length 6, expected an object with the key `phases` at line 1 column 2");
    assert_snapshot!(error("{}"), @"failed to read the task document as JSON: missing field `phases` at line 1 column 2");
    assert_snapshot!(error(r#"{"phases": [{"phase_number": "one", "title": "", "modules": []}]}"#), @"`one` is not the number of a phase");
    let deep = format!(r#"{{"phases": [{{"phase_number": {}"#, "[".repeat(100_000));
    assert_snapshot!(error(&deep), @"failed to read the task document as JSON: recursion limit exceeded at line 1 column 154");
}
