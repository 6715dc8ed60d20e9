//! What holds for every document, however hostile its text.

use crate::project::{
    Module, ModuleNumber, Phase, Project, RepoName, Task, TaskDocument, TaskFile, TaskGraph,
    TaskNumber, UnitTest, parse_markdown, render_markdown,
};
use proptest::{collection::vec, option, prelude::*};

/// Lines that could be taken for something else, mixed with ordinary ones.
const PIECES: [&str; 27] = [
    "# Project Description",
    "# Notes",
    "## Phase 2: x",
    "## Phase x",
    "### Module 1.2: y",
    "#### Task 1.1.1: z",
    "- **Description:** d",
    "- **Dependencies:** 9.9.9",
    "- **Unit Tests**:",
    "  - **Code Tests:**",
    "    - **name:** text",
    "**Goal:** g",
    "```",
    "```python",
    "````",
    "~~~",
    "```a```",
    "\\# Project Description",
    "\\\\```",
    "\\- item",
    "- item",
    "N/A",
    "",
    "   indented",
    "\ttab",
    "plain words",
    "ends with blanks  ",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![9 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => any::<String>()];
    vec(piece, 0..6).prop_map(|lines| lines.join("\n"))
}

fn number() -> impl Strategy<Value = TaskNumber> {
    (0..4_u32, 0..4_u32, any::<u32>())
        .prop_map(|(phase, module, task)| TaskNumber::new(phase, module, task))
}

fn test() -> impl Strategy<Value = UnitTest> {
    (text(), text()).prop_map(|(name, description)| UnitTest { name, description })
}

fn task() -> impl Strategy<Value = Task> {
    let tests = || vec(test(), 0..3);
    (number(), text(), text(), vec(number(), 0..3), option::of(0..9_u8), tests(), tests()).prop_map(
        |(number, title, description, dependencies, difficulty, code_tests, visual_tests)| Task {
            number,
            title,
            description,
            dependencies,
            difficulty,
            code_tests,
            visual_tests,
        },
    )
}

fn module() -> impl Strategy<Value = Module> {
    (0..4_u32, any::<u32>(), text(), vec(task(), 0..3)).prop_map(|(phase, module, title, tasks)| {
        Module { number: ModuleNumber { phase, module }, title, tasks }
    })
}

fn phase() -> impl Strategy<Value = Phase> {
    (any::<u32>(), text(), text(), vec(module(), 0..3))
        .prop_map(|(number, title, goal, modules)| Phase { number, title, goal, modules })
}

fn document() -> impl Strategy<Value = TaskDocument> {
    (text(), text(), text(), vec(phase(), 0..3)).prop_map(
        |(description, instruction, documentation, phases)| {
            TaskDocument {
                project_description: description,
                project_instruction: instruction,
                detailed_documentation: documentation,
                phases,
            }
            .normalized()
        },
    )
}

proptest! {
    #[test]
    fn markdown_gives_back_the_document(document in document()) {
        let markdown = render_markdown(&document);
        let (again, _) = parse_markdown(&markdown);
        prop_assert_eq!(again, document, "{}", markdown);
    }

    #[test]
    fn json_gives_back_the_document(document in document()) {
        let project = Project {
            project_description: "d".to_owned(),
            repo_name: RepoName::sanitized("p").expect("a letter is a name"),
            programming_language: "Python".to_owned(),
            constraints: "c".to_owned(),
        };
        let file = TaskFile::new(&project, document);
        let (again, _) = TaskFile::from_json(&file.to_json()).expect("it was written here");
        prop_assert_eq!(again, file);
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in text()) {
        let (document, _) = parse_markdown(&text);
        prop_assert_eq!(document.clone().normalized(), document);
    }

    #[test]
    fn order_respects_every_dependency(document in document()) {
        let graph = TaskGraph::new(&document);
        match graph.order() {
            Ok(order) => {
                for (idx, number) in order.iter().enumerate() {
                    prop_assert!(graph.dependencies(*number).iter().all(|before| order[..idx].contains(before)));
                }
            }
            Err(cycle) => {
                for (idx, number) in cycle.numbers.iter().enumerate() {
                    let next = cycle.numbers[(idx + 1) % cycle.numbers.len()];
                    prop_assert!(graph.dependencies(*number).contains(&next));
                }
            }
        }
    }
}
