//! Reads what a model answered: JSON in a code block, JSON alone, or the tags of the reference system.
//!
//! Answers are text from outside: nothing here fails on any input, recurses, or takes more than linear
//! time and a few passes.

use crate::project::{Project, RepoName};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The most projects that are read from one answer.
const MAX_PROJECTS: usize = 1_000;
/// The longest end of an answer that is looked for at the start of its continuation, in bytes.
const MAX_OVERLAP_BYTES: usize = 400;
/// The shortest end that is taken for a repetition, in bytes. A shorter one may be chance.
const MIN_OVERLAP_BYTES: usize = 24;

/// Finds the JSON in an answer and returns it as text that parses.
///
/// Trailing commas are dropped and line breaks in strings are escaped, because models write both.
pub(super) fn json_text(answer: &str) -> Result<String, String> {
    let mut first_problem = None;
    for candidate in candidates(answer) {
        for text in [candidate.to_owned(), lenient(candidate)] {
            match first_value(&text) {
                Ok(value) => return Ok(value.to_owned()),
                Err(problem) => first_problem = first_problem.or(Some(problem)),
            }
        }
    }
    Err(first_problem.map_or_else(
        || "it has no JSON in a fenced code block".to_owned(),
        |problem| format!("its JSON cannot be read: {problem}"),
    ))
}

/// Tells whether an answer stops before its end: in the middle of its JSON or before a closing tag.
pub(super) fn is_cut(answer: &str) -> bool {
    if let Some(start) = answer.find("<tasks>") {
        return !answer[start..].contains("</tasks>");
    }
    if json_text(answer).is_ok() {
        return false;
    }
    candidates(answer).first().is_some_and(|text| is_open(text))
}

/// Puts an answer and its continuation together.
///
/// A continuation that repeats the end of the answer, or opens the code block again, loses that part.
pub(super) fn joined(answer: &str, next: &str) -> String {
    let mut next = next;
    if is_in_code(answer) {
        let body = next.trim_start();
        if body.starts_with("```") {
            next = body.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }
    let longest = MAX_OVERLAP_BYTES.min(next.len()).min(answer.len());
    let overlap = (MIN_OVERLAP_BYTES..=longest)
        .rev()
        .find(|&n| next.is_char_boundary(n) && answer.ends_with(&next[..n]))
        .unwrap_or(0);
    format!("{answer}{}", &next[overlap..])
}

/// Reads projects from an answer. Each is a project, or what is wrong with it.
pub(super) fn projects(answer: &str) -> Result<Vec<Result<Project, String>>, String> {
    if answer.contains("<proposed_project>") {
        return Ok(tagged_projects(answer));
    }
    let text = json_text(answer)?;
    let value: Value =
        serde_json::from_str(&text).map_err(|error| format!("its JSON cannot be read: {error}"))?;
    let items = match value {
        Value::Array(items) => items,
        Value::Object(mut object) => match object.remove("projects") {
            Some(Value::Array(items)) => items,
            _ => vec![Value::Object(object)],
        },
        _ => return Err("its JSON is no array of objects".to_owned()),
    };
    let items = items.into_iter().take(MAX_PROJECTS).enumerate();
    Ok(items
        .map(|(idx, item)| json_project(&item).map_err(|why| format!("project {}: {why}", idx + 1)))
        .collect())
}

/// Returns what stands between `<tag>` and `</tag>`, or to the end if it is not closed.
pub(super) fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let open = format!("<{name}>");
    let start = text.find(&open)? + open.len();
    let rest = &text[start..];
    Some(rest.find(&format!("</{name}>")).map_or(rest, |end| &rest[..end]).trim())
}

/// Takes away a code block that is the whole answer.
pub(super) fn without_fence(answer: &str) -> &str {
    let text = answer.trim();
    let inner = text.strip_prefix("```").and_then(|text| text.strip_suffix("```"));
    match inner.and_then(|inner| inner.split_once('\n')) {
        Some((language, body)) if !body.contains("```") && !language.contains(' ') => body.trim(),
        _ => text,
    }
}

fn json_project(item: &Value) -> Result<Project, String> {
    let field = |names: &[&str]| {
        let value = names
            .iter()
            .find_map(|name| item.get(name))
            .ok_or_else(|| format!("`{}` is missing", names[0]))?;
        Ok::<String, String>(plain_lines(value))
    };
    project(
        &field(&["project_description", "description", "proposed_project"])?,
        &field(&["repo_name", "name"])?,
        &field(&["programming_language", "language"])?,
        &field(&["constraints"])?,
    )
}

fn tagged_projects(answer: &str) -> Vec<Result<Project, String>> {
    let pieces = answer.split("<proposed_project>").skip(1).take(MAX_PROJECTS).enumerate();
    pieces
        .map(|(idx, piece)| {
            let piece = format!("<proposed_project>{piece}");
            let field = |name| {
                tag(&piece, name).ok_or_else(|| format!("project {}: `{name}` is missing", idx + 1))
            };
            let names = ["proposed_project", "repo_name", "programming_language", "constraints"];
            let [description, name, language, constraints] = names.map(field);
            project(description?, name?, language?, constraints?)
                .map_err(|why| format!("project {}: {why}", idx + 1))
        })
        .collect()
}

fn project(
    description: &str,
    name: &str,
    language: &str,
    constraints: &str,
) -> Result<Project, String> {
    let project = Project {
        project_description: description.to_owned(),
        repo_name: RepoName::sanitized(name).map_err(|error| error.to_string())?,
        programming_language: language.to_owned(),
        constraints: constraints.to_owned(),
    };
    let project = project.normalized().ok_or("a field is empty")?;
    if project.constraints.is_empty() {
        return Err("`constraints` is empty; it must name the banned libraries".to_owned());
    }
    Ok(project)
}

/// Returns a string as it is and a list as lines.
fn plain_lines(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain_lines).collect::<Vec<_>>().join("\n"),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Returns the parts of an answer that may be JSON: its code blocks, or else what starts with the first
/// bracket that looks like the start of JSON. Brackets further in are not tried: an object within a
/// broken array is not the answer.
fn candidates(answer: &str) -> Vec<&str> {
    let blocks = code_blocks(answer);
    if !blocks.is_empty() {
        return blocks;
    }
    let at_line = |at: &usize| {
        answer[..*at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty())
    };
    let starts_line = answer.match_indices(['{', '[']).map(|(at, _)| at).find(at_line);
    let in_line = || ["{\"", "[{", "[["].iter().filter_map(|start| answer.find(start)).min();
    starts_line.or_else(in_line).map(|at| &answer[at..]).into_iter().collect()
}

/// Returns the content of fenced code blocks that start like JSON. One that is not closed goes on to the
/// end.
fn code_blocks(answer: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in answer.split_inclusive('\n') {
        let fence = line.trim().strip_prefix("```");
        match (start, fence) {
            (None, Some(_)) => start = Some(at + line.len()),
            (Some(from), Some("")) => {
                blocks.push(&answer[from..at]);
                start = None;
            }
            _ => {}
        }
        at += line.len();
    }
    blocks.extend(start.map(|from| &answer[from..]));
    blocks.retain(|block| block.trim_start().starts_with(['{', '[']));
    blocks
}

fn is_in_code(answer: &str) -> bool {
    answer.lines().filter(|line| line.trim().starts_with("```")).count() % 2 == 1
}

/// Returns the first JSON value in `text` without what follows.
fn first_value(text: &str) -> Result<&str, serde_json::Error> {
    let text = text.trim_start();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(&text[..values.byte_offset()]),
        Some(Err(error)) => Err(error),
        None => serde_json::from_str::<IgnoredAny>("").map(|_| ""),
    }
}

/// Where a scan of JSON text is.
#[derive(Default)]
struct Scan {
    depth: usize,
    is_string: bool,
    is_escaped: bool,
}

impl Scan {
    /// Takes one more character; returns whether it stands in a string.
    fn step(&mut self, c: char) -> bool {
        if self.is_string {
            let closes = c == '"' && !self.is_escaped;
            self.is_escaped = c == '\\' && !self.is_escaped;
            self.is_string = !closes;
            return true;
        }
        match c {
            '"' => self.is_string = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}

fn is_open(text: &str) -> bool {
    let mut scan = Scan::default();
    let mut has_started = false;
    for c in text.chars() {
        scan.step(c);
        has_started |= scan.depth > 0;
        if has_started && scan.depth == 0 && !scan.is_string {
            return false;
        }
    }
    has_started
}

/// Drops commas before a closing bracket and escapes control characters in strings.
fn lenient(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut scan = Scan::default();
    for c in text.chars() {
        let in_string = scan.step(c);
        match c {
            '\n' if in_string => out.push_str("\\n"),
            '\r' if in_string => {}
            '\t' if in_string => out.push_str("\\t"),
            c if in_string && c.is_control() => {}
            '}' | ']' if !in_string => {
                let end = out.trim_end().len();
                if out[..end].ends_with(',') {
                    out.truncate(end - 1);
                }
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    /// Describes what is read from an answer.
    fn read(answer: &str) -> String {
        let show = |project: Result<Project, String>| match project {
            Ok(p) => format!(
                "{} | {} | {} | {}",
                p.repo_name,
                p.project_description,
                p.programming_language,
                p.constraints.replace('\n', " / ")
            ),
            Err(why) => format!("refused: {why}"),
        };
        match projects(answer) {
            Ok(found) => found.into_iter().map(show).collect::<Vec<_>>().join("\n"),
            Err(why) => format!("unusable: {why}"),
        }
    }

    #[test]
    fn json_in_a_code_block_is_read() {
        assert_snapshot!(read("Sure [really]!\n```json\n[{\"project_description\": \"D\", \"repo_name\": \"A B\",\n\"programming_language\": \"Python\", \"constraints\": [\"x\", \"y\"]},]\n```\nEnjoy"), @"a-b | D | Python | x / y");
    }

    #[test]
    fn json_alone_and_in_an_object_is_read() {
        let one = r#"{"description": "D", "name": "n", "language": "Python", "constraints": "c"}"#;
        assert_snapshot!(read(one), @"n | D | Python | c");
        assert_snapshot!(read(&format!("Here: {{\"projects\": [{one}]}} done")), @"n | D | Python | c");
    }

    #[test]
    fn tags_of_the_reference_are_read_in_any_order() {
        let answer = "Project 1:\n<proposed_project>\nD\n</proposed_project>\n<programming_language>Python</programming_language>\n\
            <repo_name>../x</repo_name><constraints>c</constraints>\nProject 2:\n<proposed_project>E</proposed_project>";
        assert_snapshot!(read(answer), @"
        x | D | Python | c
        refused: project 2: `repo_name` is missing
        ");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_snapshot!(read("I cannot do that."), @"unusable: it has no JSON in a fenced code block");
        assert_snapshot!(read("```json\n[{\"repo_name\": \"a\"}]\n```"), @"refused: project 1: `project_description` is missing");
        assert_snapshot!(read("```json\n[{\"a\" 1}]\n```"), @"unusable: its JSON cannot be read: expected `:` at line 1 column 7");
        assert_snapshot!(read("[1]"), @"refused: project 1: `project_description` is missing");
    }

    #[test]
    fn line_breaks_in_strings_are_mended() {
        assert_eq!(json_text("{\"a\": \"x\ny\",\n}").unwrap(), "{\"a\": \"x\\ny\"}");
        assert_eq!(
            json_text("{\"a\": \"a, ]\", \"b\": [1, ]}").unwrap(),
            "{\"a\": \"a, ]\", \"b\": [1]}"
        );
    }

    #[test]
    fn cut_answers_are_noticed() {
        for cut in ["```json\n[{\"a\": 1}, {", "{\"a\": \"x", "<tasks>\n# Project"] {
            assert!(is_cut(cut), "{cut}");
        }
        for whole in ["```json\n[]\n```", "<tasks>a</tasks>", "no", "{\"a\" 1}", ""] {
            assert!(!is_cut(whole), "{whole}");
        }
    }

    #[test]
    fn continuations_are_joined_without_repetition() {
        let start = "```json\n{\"first\": \"a long enough piece of text\", \"sec";
        assert_eq!(joined(start, "ond\": 1}"), format!("{start}ond\": 1}}"));
        assert_eq!(joined(start, "```json\nond\": 1}"), format!("{start}ond\": 1}}"));
        assert_eq!(
            joined(start, "enough piece of text\", \"second\": 1}"),
            format!("{start}ond\": 1}}")
        );
    }

    proptest! {
        #[test]
        fn any_answer_can_be_cut_anywhere_and_joined(texts in proptest::collection::vec("[^\\p{Cc}\"\\\\`]{0,40}", 1..8), at in any::<prop::sample::Index>()) {
            let json = serde_json::to_string(&texts).unwrap();
            let answer = format!("```json\n{json}\n```");
            let cuts: Vec<usize> = (9..8 + json.len()).filter(|&at| answer.is_char_boundary(at)).collect();
            if !cuts.is_empty() {
                let (start, rest) = answer.split_at(*at.get(&cuts));
                prop_assert!(is_cut(start));
                prop_assert_eq!(json_text(&format!("{start}{rest}")).unwrap(), json);
            }
        }

        #[test]
        fn no_answer_makes_the_reader_fail(answer in "[\\[\\]{}\",:a<>`\\\\\n]{0,200}") {
            let found = projects(&answer).unwrap_or_default();
            prop_assert!(found.len() <= MAX_PROJECTS);
            prop_assert!(joined(&answer, &answer).starts_with(&answer));
            prop_assert!(answer.contains(without_fence(&answer)));
            is_cut(&answer);
        }
    }
}
