//! What a single line is, told from the line alone.
//!
//! Everything here takes a line without the blanks at its start.

use crate::project::{TaskNumber, number::numbers};

/// One of the sections before the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Description,
    Instruction,
    Documentation,
}

/// The kinds of numbered headings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Phase,
    Module,
    Task,
}

/// A heading like `## Phase 1: title`.
#[derive(Debug)]
pub(super) struct Heading<'a> {
    pub(super) level: Level,
    /// The number's parts; as many as the heading has, which may be too many or too few.
    pub(super) numbers: Vec<u32>,
    pub(super) title: &'a str,
    /// The heading without `#`.
    pub(super) text: &'a str,
    pub(super) has_colon: bool,
    /// Whether the heading has the `#`s of its level and is not bold.
    pub(super) is_plain: bool,
}

/// A label like `- **Description:** rest`.
#[derive(Debug)]
pub(super) struct Label<'a> {
    /// The label as the layout writes it.
    pub(super) name: &'static str,
    pub(super) rest: &'a str,
    pub(super) has_bullet: bool,
    /// Whether it is bold with its colon inside.
    pub(super) is_plain: bool,
}

/// A list item that may be a test.
#[derive(Debug)]
pub(super) struct TestItem<'a> {
    pub(super) name: &'a str,
    pub(super) rest: &'a str,
    pub(super) is_bold: bool,
    pub(super) has_backticks: bool,
}

/// Where a text stands that may have to be protected from being read as something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::project) enum Context {
    /// A section before the phases.
    Section,
    /// The goal of a phase.
    Goal,
    /// A field of a task.
    Field,
    /// The description of a test.
    Test,
}

/// The labels, with what else they are called.
const LABELS: [(&str, &[&str]); 7] = [
    ("Description", &["description"]),
    ("Dependencies", &["dependencies", "dependency", "depends on"]),
    ("Difficulty", &["difficulty"]),
    ("Unit Tests", &["unit tests", "unit test", "tests"]),
    ("Code Tests", &["code tests", "code test"]),
    ("Visual Tests", &["visual tests", "visual test"]),
    ("Goal", &["goal", "goals"]),
];

/// Tells whether `own`, a line of text in `context`, has to be written with a backslash before it.
///
/// It says the same of a line that already has backslashes, so that taking one away undoes adding one.
pub(in crate::project) fn needs_escape(own: &str, context: Context) -> bool {
    let bare = own.trim_start_matches('\\');
    let is_item = context == Context::Test
        && (bullet(bare).is_some() || super::is_none(bare) && !bare.is_empty());
    is_item
        || bare.starts_with("```")
        || bare.starts_with("~~~")
        || Section::read(bare).is_some()
        || Heading::read(bare).is_some()
        || Label::read(bare).is_some()
}

impl Section {
    pub(super) fn read(own: &str) -> Option<Section> {
        let text = own.strip_prefix("# ")?.trim().trim_matches('*').trim_end_matches(':');
        match text.to_ascii_lowercase().as_str() {
            "project description" => Some(Section::Description),
            "project instruction" | "project instructions" => Some(Section::Instruction),
            "detailed documentation" | "documentation" => Some(Section::Documentation),
            _ => None,
        }
    }
}

impl Level {
    const ALL: [(Level, &'static str, usize); 3] =
        [(Level::Phase, "phase", 2), (Level::Module, "module", 3), (Level::Task, "task", 4)];

    /// Tells whether a line is a heading that starts with the name of a level.
    pub(super) fn is_named(own: &str) -> bool {
        let text = own.trim_start_matches('#');
        text.len() < own.len() && text.starts_with(' ') && Level::read(text.trim()).is_some()
    }

    /// Reads the name of a level at the start of `text`; returns the level, the number of `#` it asks for
    /// and what comes after the name.
    fn read(text: &str) -> Option<(Level, usize, &str)> {
        Level::ALL.into_iter().find_map(|(level, name, hashes)| {
            let start = text.get(..name.len())?;
            let rest = &text[name.len()..];
            let is_word = rest.starts_with(char::is_whitespace);
            (start.eq_ignore_ascii_case(name) && is_word)
                .then(|| (level, hashes, rest.trim_start()))
        })
    }
}

impl<'a> Heading<'a> {
    pub(super) fn read(own: &'a str) -> Option<Heading<'a>> {
        let after_hashes = own.trim_start_matches('#');
        let n_hashes = own.len() - after_hashes.len();
        let is_heading =
            (1..=6).contains(&n_hashes) && after_hashes.starts_with(char::is_whitespace);
        let text = after_hashes.trim();
        let bold = text.strip_prefix("**").map(str::trim_start);
        let (level, expected_hashes, rest) =
            Level::read(bold.unwrap_or(text)).filter(|_| is_heading)?;
        let n_digits =
            rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at(n_digits);
        let numbers = numbers(number.trim_end_matches('.'))?;
        if after.starts_with(char::is_alphanumeric) {
            return None;
        }
        let after = after.trim_start();
        let title = after.strip_prefix([':', '-', '–', '—', ')']).unwrap_or(after);
        Some(Heading {
            level,
            numbers,
            title: if bold.is_some() { unbold(title) } else { title },
            text,
            has_colon: after.starts_with(':') && !number.ends_with('.'),
            is_plain: n_hashes == expected_hashes && bold.is_none(),
        })
    }
}

/// Takes away the `**` that closes a bold heading, after its number or at its end.
fn unbold(title: &str) -> &str {
    let title = title.trim();
    title.strip_prefix("**").or_else(|| title.strip_suffix("**")).unwrap_or(title)
}

impl<'a> Label<'a> {
    pub(super) fn read(own: &'a str) -> Option<Label<'a>> {
        let item = bullet(own);
        let text = item.unwrap_or(own);
        let (name, rest, is_plain) = match bold(text) {
            Some(bold) => bold,
            None if item.is_some() => {
                text.split_once(':').map(|(name, rest)| (name, rest, false))?
            }
            None => return None,
        };
        let known = name.trim().to_ascii_lowercase();
        let (name, _) = LABELS.iter().find(|(_, names)| names.contains(&known.as_str()))?;
        Some(Label { name, rest, has_bullet: item.is_some(), is_plain })
    }
}

impl<'a> TestItem<'a> {
    pub(super) fn read(own: &'a str) -> Option<TestItem<'a>> {
        let text = bullet(own)?;
        if let Some((name, rest, _)) = bold(text) {
            return Some(TestItem { name, rest, is_bold: true, has_backticks: name.contains('`') });
        }
        if let Some((name, rest)) = text.strip_prefix('`').and_then(|text| text.split_once('`')) {
            let rest = rest.trim_start().trim_start_matches([':', '-', '–', '—']);
            return Some(TestItem { name, rest, is_bold: false, has_backticks: true });
        }
        let (name, rest) = text.split_once(": ").unwrap_or((text, ""));
        Some(TestItem { name, rest, is_bold: false, has_backticks: false })
    }
}

/// Returns what comes after the mark of a list item.
fn bullet(own: &str) -> Option<&str> {
    own.strip_prefix(['-', '*', '+'])
        .filter(|rest| rest.starts_with(char::is_whitespace))
        .map(str::trim_start)
}

/// Splits `**name:** rest` or `**name**: rest`; the last part tells whether it was the first form.
fn bold(text: &str) -> Option<(&str, &str, bool)> {
    let (inner, rest) = text.strip_prefix("**")?.split_once("**")?;
    match inner.strip_suffix(':') {
        Some(name) => Some((name, rest, true)),
        None => Some((inner, rest.trim_start().strip_prefix(':').unwrap_or(rest), false)),
    }
}

/// Finds the task numbers in a list of dependencies, and tells whether there is nothing else in it but
/// separators, titles in parentheses and the word `task`.
pub(in crate::project) fn dependencies(rest: &str) -> (Vec<TaskNumber>, bool) {
    let mut found = Vec::new();
    let mut is_list = true;
    for word in
        without_parentheses(rest).split(|c: char| c.is_whitespace() || ",;&[]`*\"'".contains(c))
    {
        let word = word.trim_matches(['.', ':']);
        match word.parse() {
            Ok(number) => found.push(number),
            Err(_)
                if ["task", "tasks", "and", "", "#"]
                    .contains(&word.to_ascii_lowercase().as_str()) => {}
            Err(_) => is_list = false,
        }
    }
    let is_empty = found.is_empty() && super::is_none(rest);
    (found, is_list || is_empty)
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Reads `3/5`, or `3`.
pub(in crate::project) fn difficulty(rest: &str) -> Option<u8> {
    let number = rest.trim().trim_matches(['*', '`']);
    let number = number.split_once('/').map_or(number, |(number, _)| number).trim();
    number.parse().ok().filter(|number| (1..=5).contains(number))
}
