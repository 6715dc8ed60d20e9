//! Reads `tasks.md`, or the same text in the answer of a model.
//!
//! The reader goes over the lines once. A line is told by itself what it is (`syntax.rs`); what it
//! means depends on what is open: a section, a phase, a task, one of its fields, a test. Whatever is
//! understood although the reference reader would lose it is reported as a note; whatever is lost, or
//! contradicts itself, as an error.

mod syntax;

pub(super) use syntax::{Context, dependencies, difficulty, needs_escape};

use super::{
    MAX_DOCUMENT_BYTES, MAX_TASKS, MAX_TESTS, Module, ModuleNumber, Phase, Task, TaskDocument,
    TaskIssue, TaskIssueKind as Kind, TaskNumber, UnitTest,
    issue::{self, Lines},
    render::{FIELD_INDENT, TEST_INDENT, TEST_TEXT_INDENT},
    text::{Place, label, line, places},
};
use syntax::{Heading, Label, Level, Section, TestItem};

/// The longest piece of a line that an issue quotes, in characters.
const MAX_QUOTE: usize = 60;

/// Reads a task document and reports what is wrong with it, in the order of its lines.
///
/// Never fails: a document that cannot be used has issues of severity
/// [`Error`](super::Severity::Error).
pub fn parse_markdown(text: &str) -> (TaskDocument, Vec<TaskIssue>) {
    if text.len() > MAX_DOCUMENT_BYTES {
        return (TaskDocument::default(), vec![TaskIssue { line: None, kind: Kind::TooLarge }]);
    }
    let text =
        text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let mut reader = Reader::default();
    for (idx, (line, place)) in lines.iter().zip(places(&lines)).enumerate() {
        reader.line = u32::try_from(idx + 1).unwrap_or(u32::MAX);
        reader.read(line, place);
        if reader.is_full {
            break;
        }
    }
    reader.finish()
}

/// What text that is read now belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    /// Nothing: the start of the document, or the part of a phase or module that has no text.
    #[default]
    Nothing,
    Section(Section),
    Goal,
    /// A task, before its first label.
    Task,
    Description,
    /// `Unit Tests`, before it is said which.
    Tests,
    CodeTests,
    VisualTests,
    /// A field that was read with its line.
    Closed,
}

#[derive(Debug, Default)]
struct Reader {
    document: TaskDocument,
    issues: Vec<TaskIssue>,
    task_lines: Vec<u32>,
    n_tests: usize,
    /// The number of the line that is read, from 1.
    line: u32,
    open: Open,
    /// The blanks before the list item of the test that is open.
    test_indent: Option<usize>,
    is_full: bool,
}

impl Reader {
    fn read(&mut self, raw: &str, place: Place) {
        let own = raw.trim_start();
        match place {
            Place::Code => {
                if raw.starts_with("# ") {
                    self.report(Kind::HashInCode(quote(raw)));
                }
                return self.add_text(raw, false);
            }
            Place::OpenFence => self.report(Kind::OpenCodeBlock),
            Place::Text => {}
        }
        if let Some(section) = Section::read(own) {
            self.open = Open::Section(section);
        } else if let Some(heading) = Heading::read(own) {
            self.open_heading(&heading);
        } else if let Some(label) =
            Label::read(own).filter(|label| !self.is_name_of_test(raw, label))
        {
            self.open_label(raw, &label);
        } else if self.is_in_tests() && self.read_test(raw, own) {
        } else {
            self.read_plain(raw, own);
        }
    }

    /// Tells whether a label is the name of a test that happens to be called like a field of a task.
    fn is_name_of_test(&self, raw: &str, label: &Label<'_>) -> bool {
        self.is_in_tests() && indent(raw) >= TEST_INDENT && !label.name.ends_with("Tests")
    }

    /// Reads a line that has no form of its own: text of whatever is open.
    fn read_plain(&mut self, raw: &str, own: &str) {
        if Level::is_named(own)
            && self.open != Open::Description
            && !matches!(self.open, Open::Section(_))
        {
            self.report(Kind::HeadingNumber(quote(own)));
        } else if own.starts_with("# ") {
            self.report(Kind::UnknownSection(quote(own)));
        }
        self.add_text(raw, true);
    }

    fn open_heading(&mut self, heading: &Heading<'_>) {
        if !heading.has_colon {
            self.report(Kind::HeadingSeparator(quote(heading.text)));
        }
        if !heading.is_plain {
            self.report(Kind::HeadingLevel(quote(heading.text)));
        }
        let title = line(heading.title);
        match (heading.level, heading.numbers.as_slice()) {
            (Level::Phase, &[number]) => {
                self.document.phases.push(Phase { number, title, ..Phase::default() });
                self.open = Open::Nothing;
            }
            (Level::Module, &[phase, module]) => {
                self.open_module(ModuleNumber { phase, module }, title);
            }
            (Level::Task, &[phase, module, task]) => {
                self.open_task(TaskNumber::new(phase, module, task), &title);
            }
            _ => {
                self.report(Kind::HeadingNumber(quote(heading.text)));
                self.open = Open::Nothing;
            }
        }
    }

    fn open_module(&mut self, number: ModuleNumber, title: String) {
        let phases = &mut self.document.phases;
        let is_in_place = phases.last().is_some_and(|phase| phase.number == number.phase);
        if phases.is_empty() {
            phases.push(Phase { number: number.phase, ..Phase::default() });
        }
        let phase = phases.last_mut().expect("a phase was pushed if there was none");
        phase.modules.push(Module { number, title, tasks: Vec::new() });
        if !is_in_place {
            self.report(Kind::OutOfPlace(format!("Module {number}")));
        }
        self.open = Open::Nothing;
    }

    fn open_task(&mut self, number: TaskNumber, title: &str) {
        if self.task_lines.len() == MAX_TASKS {
            return self.stop("tasks");
        }
        let has_module = self.document.phases.last().is_some_and(|phase| !phase.modules.is_empty());
        if !has_module {
            self.open_module(number.module_number(), String::new());
        }
        let module = self.module().expect("a module was opened if there was none");
        module.tasks.push(Task::new(number, title));
        let is_in_place = module.number == number.module_number();
        if !is_in_place || !has_module {
            self.report(Kind::OutOfPlace(format!("Task {number}")));
        }
        self.task_lines.push(self.line);
        self.open = Open::Task;
    }

    fn open_label(&mut self, raw: &str, label: &Label<'_>) {
        let is_goal = label.name == "Goal";
        let has_owner = if is_goal {
            self.can_open_goal()
        } else {
            self.task().is_some() && !self.is_in_section()
        };
        if !has_owner {
            return self.add_text(raw, true);
        }
        if !label.is_plain {
            self.report(Kind::LabelStyle(label.name.to_owned()));
        }
        let expected_indent =
            if label.name.ends_with("e Tests") || label.name == "Visual Tests" { 2 } else { 0 };
        if indent(raw) != expected_indent || label.has_bullet == is_goal {
            self.report(Kind::Indentation(quote(raw.trim_start())));
        }
        self.open_field(label.name, label.rest.trim());
    }

    fn open_field(&mut self, name: &str, rest: &str) {
        self.open = match name {
            "Goal" => Open::Goal,
            "Description" => Open::Description,
            "Unit Tests" => Open::Tests,
            "Code Tests" => Open::CodeTests,
            "Visual Tests" => Open::VisualTests,
            _ => Open::Closed,
        };
        self.test_indent = None;
        match name {
            "Dependencies" => self.read_dependencies(rest),
            "Difficulty" => self.read_difficulty(rest),
            "Unit Tests" | "Code Tests" | "Visual Tests" if is_none(rest) => {}
            "Goal" | "Description" => self.push_text(rest),
            _ => self.report(Kind::StrayText(quote(rest))),
        }
    }

    fn read_dependencies(&mut self, rest: &str) {
        let (numbers, is_list) = syntax::dependencies(rest);
        if !is_list {
            self.report(Kind::ProseDependency(quote(rest)));
        }
        if let Some(task) = self.task() {
            for number in numbers {
                if !task.dependencies.contains(&number) {
                    task.dependencies.push(number);
                }
            }
        }
    }

    fn read_difficulty(&mut self, rest: &str) {
        let difficulty = syntax::difficulty(rest);
        if difficulty.is_none() && !is_none(rest) {
            self.report(Kind::Difficulty(quote(rest)));
        }
        if let Some(task) = self.task() {
            task.difficulty = difficulty;
        }
    }

    /// Reads a line of a list of tests. Returns `false` if it belongs to the test above.
    fn read_test(&mut self, raw: &str, own: &str) -> bool {
        let indent = indent(raw);
        let Some(item) = TestItem::read(own) else { return false };
        let is_below = self.test_indent.is_some_and(|test| indent > test);
        if is_below && !item.is_bold && !item.has_backticks {
            return false;
        }
        if is_none(own.trim_start_matches(['-', '*', '+', ' '])) {
            return true;
        }
        if self.n_tests == MAX_TESTS {
            self.stop("tests");
            return true;
        }
        if indent != TEST_INDENT {
            self.report(Kind::Indentation(quote(own)));
        }
        if item.has_backticks {
            self.report(Kind::NameInBackticks(label(item.name)));
        } else if !item.is_bold || item.name.contains(':') {
            self.report(Kind::NameStyle(quote(&label(item.name))));
        }
        self.test_indent = Some(indent);
        self.n_tests += 1;
        let test =
            UnitTest { name: label(item.name), description: format!("{}\n", item.rest.trim()) };
        if let Some(tests) = self.tests() {
            tests.push(test);
        }
        true
    }

    /// Adds a line to the text that is open. `is_text` is false for lines of code blocks, which are
    /// taken as they are.
    fn add_text(&mut self, raw: &str, is_text: bool) {
        let (context, indent) = match self.open {
            Open::Section(_) => (Context::Section, 0),
            Open::Goal => (Context::Goal, 0),
            Open::CodeTests | Open::VisualTests | Open::Tests => (Context::Test, TEST_TEXT_INDENT),
            _ => (Context::Field, FIELD_INDENT),
        };
        let text = without_indent(raw, indent);
        let own = text.trim_start();
        match own.strip_prefix('\\').filter(|_| is_text && needs_escape(own, context)) {
            Some(unescaped) => {
                self.push_text(&format!("{}{unescaped}", &text[..text.len() - own.len()]));
            }
            None => self.push_text(text),
        }
    }

    fn push_text(&mut self, text: &str) {
        let open = self.open;
        let is_in_tests = self.is_in_tests();
        let target = match open {
            Open::Section(Section::Description) => Some(&mut self.document.project_description),
            Open::Section(Section::Instruction) => Some(&mut self.document.project_instruction),
            Open::Section(Section::Documentation) => {
                Some(&mut self.document.detailed_documentation)
            }
            Open::Goal => self.document.phases.last_mut().map(|phase| &mut phase.goal),
            Open::Task | Open::Description => self.task().map(|task| &mut task.description),
            Open::CodeTests | Open::VisualTests | Open::Tests if self.test_indent.is_some() => {
                self.tests().and_then(|tests| tests.last_mut()).map(|test| &mut test.description)
            }
            _ => None,
        };
        match target {
            Some(target) => {
                target.push_str(text);
                target.push('\n');
                if open == Open::Task && !text.trim().is_empty() {
                    self.report(Kind::LabelStyle("Description".to_owned()));
                    self.open = Open::Description;
                }
            }
            None if text.trim().is_empty() => {}
            None if is_in_tests && is_none(text.trim()) => {}
            None => self.report(Kind::StrayText(quote(text))),
        }
    }

    fn finish(self) -> (TaskDocument, Vec<TaskIssue>) {
        let document = self.document.normalized();
        let mut issues = self.issues;
        issues.extend(issue::check(&document, &Lines { tasks: self.task_lines }));
        (document, issue::limited(issues))
    }

    fn stop(&mut self, what: &'static str) {
        self.report(Kind::TooMany(what));
        self.is_full = true;
    }

    fn report(&mut self, kind: Kind) {
        self.issues.push(TaskIssue { line: Some(self.line), kind });
    }

    fn module(&mut self) -> Option<&mut Module> {
        self.document.phases.last_mut()?.modules.last_mut()
    }

    fn task(&mut self) -> Option<&mut Task> {
        self.module()?.tasks.last_mut()
    }

    fn tests(&mut self) -> Option<&mut Vec<UnitTest>> {
        let is_visual = self.open == Open::VisualTests;
        self.task()
            .map(|task| if is_visual { &mut task.visual_tests } else { &mut task.code_tests })
    }

    fn is_in_tests(&self) -> bool {
        matches!(self.open, Open::CodeTests | Open::VisualTests | Open::Tests)
    }

    fn is_in_section(&self) -> bool {
        matches!(self.open, Open::Section(_))
    }

    /// A goal belongs to a phase that has no modules yet.
    fn can_open_goal(&self) -> bool {
        let is_new = self
            .document
            .phases
            .last()
            .is_some_and(|phase| phase.modules.is_empty() && phase.goal.is_empty());
        is_new && self.open == Open::Nothing
    }
}

/// Returns the blanks at the start of a line; a tab counts as four.
fn indent(raw: &str) -> usize {
    raw.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

/// Takes up to `indent` blanks from the start of a line.
fn without_indent(raw: &str, indent: usize) -> &str {
    let n_blanks = raw.bytes().take(indent).take_while(|&byte| byte == b' ').count();
    &raw[n_blanks..]
}

/// Tells whether a field says that there is nothing.
pub(super) fn is_none(text: &str) -> bool {
    let text = text.trim().trim_end_matches('.').trim_matches(['*', '`']);
    ["", "n/a", "na", "none", "-", "nil", "null", "[]"]
        .contains(&text.to_ascii_lowercase().as_str())
}

fn quote(text: &str) -> String {
    let text = line(text);
    let quoted: String = text.chars().take(MAX_QUOTE).collect();
    if quoted.len() < text.len() { format!("{quoted}...") } else { quoted }
}
