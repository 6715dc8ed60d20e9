//! Writes a task document as `tasks.md`.

use super::{
    Phase, Task, TaskDocument, UnitTest,
    parse::{Context, needs_escape},
    text::{Place, places},
};
use std::fmt::Write as _;

/// The blanks before the further lines of a task's field.
pub(super) const FIELD_INDENT: usize = 2;
/// The blanks before the list item of a test.
pub(super) const TEST_INDENT: usize = 4;
/// The blanks before the further lines of a test's description.
pub(super) const TEST_TEXT_INDENT: usize = 6;

/// Writes `document` in the layout that [`parse_markdown`](super::parse_markdown) reads.
///
/// A line of text that would be taken for a heading or a label gets a backslash before it, which the
/// reader takes away again.
pub fn render_markdown(document: &TaskDocument) -> String {
    let mut out = String::new();
    section(&mut out, "Project Description", &document.project_description);
    section(&mut out, "Project Instruction", &document.project_instruction);
    section(&mut out, "Detailed Documentation", &document.detailed_documentation);
    for phase in &document.phases {
        render_phase(&mut out, phase);
    }
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

fn section(out: &mut String, title: &str, text: &str) {
    heading(out, &format!("# {title}"), "");
    lines(out, text, 0, Context::Section, false);
    out.push('\n');
}

fn render_phase(out: &mut String, phase: &Phase) {
    heading(out, &format!("## Phase {}:", phase.number), &phase.title);
    out.push_str("**Goal:**");
    lines(out, &phase.goal, 0, Context::Goal, true);
    out.push('\n');
    for module in &phase.modules {
        heading(out, &format!("### Module {}:", module.number), &module.title);
        for task in &module.tasks {
            render_task(out, task);
        }
    }
}

fn render_task(out: &mut String, task: &Task) {
    heading(out, &format!("#### Task {}:", task.number), &task.title);
    out.push_str("- **Description:**");
    lines(out, &task.description, FIELD_INDENT, Context::Field, true);
    let dependencies: Vec<String> = task.dependencies.iter().map(ToString::to_string).collect();
    let dependencies =
        if dependencies.is_empty() { "N/A".to_owned() } else { dependencies.join(", ") };
    let difficulty =
        task.difficulty.map_or_else(|| "N/A".to_owned(), |difficulty| format!("{difficulty}/5"));
    let _ = writeln!(
        out,
        "- **Dependencies:** {dependencies}\n- **Difficulty:** {difficulty}\n- **Unit Tests:**"
    );
    render_tests(out, "Code Tests", &task.code_tests);
    render_tests(out, "Visual Tests", &task.visual_tests);
    out.push('\n');
}

fn render_tests(out: &mut String, kind: &str, tests: &[UnitTest]) {
    let none = if tests.is_empty() { " N/A" } else { "" };
    let _ = writeln!(out, "  - **{kind}:**{none}");
    for test in tests {
        let _ = write!(out, "{:TEST_INDENT$}- **{}:**", "", test.name);
        lines(out, &test.description, TEST_TEXT_INDENT, Context::Test, true);
    }
}

fn heading(out: &mut String, start: &str, title: &str) {
    out.push_str(start);
    if !title.is_empty() {
        out.push(' ');
        out.push_str(title);
    }
    out.push_str("\n\n");
}

/// Writes the lines of `text`. With `after_label`, a first line that is no code goes on the line of
/// the label.
fn lines(out: &mut String, text: &str, indent: usize, context: Context, after_label: bool) {
    let all: Vec<&str> = if text.is_empty() { Vec::new() } else { text.split('\n').collect() };
    let places = places(&all);
    let mut rest = all.iter().zip(places);
    if after_label {
        if let Some((first, _)) = rest.next_if_text() {
            out.push(' ');
            out.push_str(first);
        }
        out.push('\n');
    }
    for (text, place) in rest {
        if !text.is_empty() {
            let own = text.trim_start();
            let escape = if place != Place::Code && needs_escape(own, context) { "\\" } else { "" };
            let _ = write!(out, "{:indent$}{}{escape}{own}", "", &text[..text.len() - own.len()]);
        }
        out.push('\n');
    }
}

/// Takes the first line of a text if it is not the start of a code block.
trait NextIfText<'a> {
    fn next_if_text(&mut self) -> Option<(&'a &'a str, Place)>;
}

impl<'a, I> NextIfText<'a> for I
where
    I: Iterator<Item = (&'a &'a str, Place)> + Clone,
{
    fn next_if_text(&mut self) -> Option<(&'a &'a str, Place)> {
        let mut ahead = self.clone();
        let first = ahead.next().filter(|(_, place)| *place != Place::Code)?;
        *self = ahead;
        Some(first)
    }
}
