//! The tools of an agent: what the model is offered, and how its calls are read.
//!
//! A call is untrusted text. [`Action::parse`] turns it into an [`Action`] or into a [`BadCall`]
//! whose message tells the model what to do better; nothing in between reaches a guest.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use std::time::Duration;
use thiserror::Error;

use crate::model::{ToolCall, ToolSpec};

/// Bytes of the arguments of one call. Answers a model that writes without end; the largest file an
/// agent has reason to write in one call is far below it.
pub(super) const MAX_ARGUMENT_BYTES: usize = 256 * 1024;

/// Paths of one `run_tests` call. Answers an argument list that the guest could not take.
const MAX_TEST_PATHS: usize = 200;

/// What a model asked for, once it is known to make sense.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Run a command in the shell.
    Bash {
        /// The text of the command.
        command: String,
        /// How long it may take, if the model said so.
        timeout: Option<Duration>,
    },
    /// View or change a file.
    Edit(EditRequest),
    /// Run tests.
    RunTests {
        /// Files or test ids; all tests if empty.
        paths: Vec<String>,
    },
    /// End the attempt.
    Finish {
        /// What the model has to say about it.
        message: String,
    },
}

/// One request to the editor, as the editor reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditRequest {
    /// What to do.
    pub(super) command: EditCommand,
    /// The file, or for `view` also a directory.
    pub(super) path: String,
    /// First and last line to show, from 1; -1 as the last means the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) view_range: Option<[i64; 2]>,
    /// The content of a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file_text: Option<String>,
    /// The text to replace; it must occur exactly once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) old_str: Option<String>,
    /// The text to put in its place, or to insert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) new_str: Option<String>,
    /// The line after which to insert; 0 is the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) insert_line: Option<u64>,
}

/// What the editor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EditCommand {
    /// Show a file with line numbers, or list a directory.
    View,
    /// Write a new file.
    Create,
    /// Replace one occurrence of a text.
    StrReplace,
    /// Insert lines.
    Insert,
    /// Take the last change of a file back.
    Undo,
}

/// Why a call cannot be carried out as it stands. The message is for the model.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum BadCall {
    /// There is no such tool.
    #[error("there is no tool `{name}`; the tools are `bash`, `edit`, `run_tests` and `finish`")]
    UnknownTool {
        /// The name that the model gave.
        name: String,
    },
    /// The arguments are longer than [`MAX_ARGUMENT_BYTES`].
    #[error(
        "the arguments of `{tool}` have {n_bytes} bytes, the limit is {MAX_ARGUMENT_BYTES}; \
         write long files in several steps"
    )]
    TooLong {
        /// The tool.
        tool: String,
        /// The length of the arguments.
        n_bytes: usize,
    },
    /// The arguments are not JSON.
    #[error("the arguments of `{tool}` are not valid JSON: {reason}; send one JSON object")]
    NotJson {
        /// The tool.
        tool: String,
        /// What the parser said.
        reason: String,
    },
    /// The arguments are JSON, and not what the tool takes.
    #[error("the arguments of `{tool}` do not fit its schema: {reason}")]
    BadArguments {
        /// The tool.
        tool: String,
        /// What does not fit.
        reason: String,
    },
}

impl Action {
    /// Reads a call.
    pub(super) fn parse(call: &ToolCall) -> Result<Action, BadCall> {
        let tool = call.name.as_str();
        if !TOOL_NAMES.contains(&tool) {
            return Err(BadCall::UnknownTool { name: call.name.chars().take(80).collect() });
        }
        let n_bytes = call.arguments.len();
        if n_bytes > MAX_ARGUMENT_BYTES {
            return Err(BadCall::TooLong { tool: tool.to_owned(), n_bytes });
        }
        match tool {
            "bash" => bash(read(call)?),
            "edit" => edit(read(call)?),
            "run_tests" => run_tests(read(call)?),
            _ => Ok(Action::Finish { message: read::<FinishArguments>(call)?.message }),
        }
    }
}

/// The names of the tools.
pub(super) const TOOL_NAMES: [&str; 4] = ["bash", "edit", "run_tests", "finish"];

/// Returns the tools as the model is offered them.
pub(super) fn specs(tool_wall: Duration) -> Vec<ToolSpec> {
    let seconds = tool_wall.as_secs();
    vec![bash_spec(seconds), edit_spec(), run_tests_spec(), finish_spec()]
}

fn bash_spec(seconds: u64) -> ToolSpec {
    spec(
        "bash",
        &format!(
            "Run a command with bash in the sandbox and return its output and exit code. The working \
             directory, variables and functions are kept between calls. There is no terminal and no \
             input. A command is stopped after {seconds} seconds at the latest."
        ),
        json!({
            "type": "object",
            "properties": {
                "command": {"type": "string", "description": "The command, as it would be typed into bash."},
                "timeout_s": {"type": "number", "description": format!("Stop the command after this many seconds (at most {seconds}).")}
            },
            "required": ["command"],
            "additionalProperties": false
        }),
    )
}

fn edit_spec() -> ToolSpec {
    spec(
        "edit",
        "View or change one file. `view` shows a file with line numbers (or lists a directory), \
         `create` writes a file, `str_replace` replaces a text that occurs exactly once, `insert` \
         puts text after a line, `undo` takes the last change of the file back. Relative paths are \
         relative to /workspace.",
        json!({
            "type": "object",
            "properties": {
                "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert", "undo"]},
                "path": {"type": "string", "description": "The file; for `view` also a directory."},
                "view_range": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "description": "For `view`: first and last line, from 1; -1 as the last line means the end."},
                "file_text": {"type": "string", "description": "For `create`: the whole content."},
                "old_str": {"type": "string", "description": "For `str_replace`: the text to replace, white space included."},
                "new_str": {"type": "string", "description": "For `str_replace` and `insert`: the new text."},
                "insert_line": {"type": "integer", "description": "For `insert`: the line after which to insert; 0 is the top."}
            },
            "required": ["command", "path"],
            "additionalProperties": false
        }),
    )
}

fn run_tests_spec() -> ToolSpec {
    spec(
        "run_tests",
        "Run pytest on the given files, directories or test ids, or on all tests, and return the \
         outcome of each test.",
        json!({
            "type": "object",
            "properties": {
                "paths": {"type": "array", "items": {"type": "string"}, "description": "For example tests/test_a.py or tests/test_a.py::test_x. All tests if absent."}
            },
            "additionalProperties": false
        }),
    )
}

fn finish_spec() -> ToolSpec {
    spec(
        "finish",
        "Say that the work is done. Call it alone, after you have checked your work; the session ends.",
        json!({
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "What was done, in a few sentences."}
            },
            "required": ["message"],
            "additionalProperties": false
        }),
    )
}

fn spec(name: &str, description: &str, parameters: serde_json::Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BashArguments {
    command: String,
    timeout_s: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunTestsArguments {
    #[serde(default)]
    paths: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FinishArguments {
    #[serde(default)]
    message: String,
}

/// Reads the arguments of `call`. No text at all counts as no arguments.
fn read<T: DeserializeOwned>(call: &ToolCall) -> Result<T, BadCall> {
    let text = call.arguments.trim();
    let text = if text.is_empty() { "{}" } else { text };
    let tool = call.name.clone();
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return Err(BadCall::NotJson { tool, reason: error.to_string() }),
    };
    if !value.is_object() {
        return Err(BadCall::BadArguments { tool, reason: "they are not an object".to_owned() });
    }
    T::deserialize(value).map_err(|error| BadCall::BadArguments { tool, reason: error.to_string() })
}

fn bash(arguments: BashArguments) -> Result<Action, BadCall> {
    let BashArguments { command, timeout_s } = arguments;
    refuse_nul("bash", &command)?;
    if command.trim().is_empty() {
        return Err(bad("bash", "`command` is empty"));
    }
    let timeout = match timeout_s.map(Duration::try_from_secs_f64) {
        None => None,
        Some(Ok(timeout)) if !timeout.is_zero() => Some(timeout),
        Some(_) => return Err(bad("bash", "`timeout_s` is not a positive number of seconds")),
    };
    Ok(Action::Bash { command, timeout })
}

fn edit(request: EditRequest) -> Result<Action, BadCall> {
    refuse_nul("edit", &request.path)?;
    let missing = match request.command {
        EditCommand::Create if request.file_text.is_none() => Some("file_text"),
        EditCommand::StrReplace if request.old_str.is_none() => Some("old_str"),
        EditCommand::Insert if request.insert_line.is_none() => Some("insert_line"),
        EditCommand::Insert if request.new_str.is_none() => Some("new_str"),
        _ => None,
    };
    match missing {
        Some(field) => Err(bad("edit", &format!("this command needs `{field}`"))),
        None => Ok(Action::Edit(request)),
    }
}

fn run_tests(arguments: RunTestsArguments) -> Result<Action, BadCall> {
    let paths = arguments.paths.unwrap_or_default();
    if paths.len() > MAX_TEST_PATHS {
        return Err(bad("run_tests", &format!("more than {MAX_TEST_PATHS} paths")));
    }
    for path in &paths {
        refuse_nul("run_tests", path)?;
        if path.is_empty() || path.starts_with('-') {
            return Err(bad("run_tests", &format!("`{path}` is not a path")));
        }
    }
    Ok(Action::RunTests { paths })
}

/// Refuses what no argument of a program can hold.
fn refuse_nul(tool: &str, text: &str) -> Result<(), BadCall> {
    if text.contains('\0') { Err(bad(tool, "there is a NUL character in it")) } else { Ok(()) }
}

fn bad(tool: &str, reason: &str) -> BadCall {
    BadCall::BadArguments { tool: tool.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Action, MAX_ARGUMENT_BYTES, TOOL_NAMES, specs};
    use crate::model::ToolCall;
    use insta::assert_snapshot;
    use std::time::Duration;

    fn parse(name: &str, arguments: &str) -> String {
        let call =
            ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
        match Action::parse(&call) {
            Ok(action) => format!("{action:?}"),
            Err(error) => format!("refused: {error}"),
        }
    }

    #[test]
    fn every_offered_tool_is_read() {
        let names: Vec<String> =
            specs(Duration::from_secs(9)).into_iter().map(|spec| spec.name).collect();
        assert_eq!(names, TOOL_NAMES);
        assert!(!parse("finish", "{}").starts_with("refused"));
    }

    #[test]
    fn good_calls() {
        assert_snapshot!(parse("bash", r#"{"command":"ls","timeout_s":1.5}"#), @r#"Bash { command: "ls", timeout: Some(1.5s) }"#);
        assert_snapshot!(parse("run_tests", ""), @"RunTests { paths: [] }");
        assert_snapshot!(parse("run_tests", r#"{"paths":["tests/a.py"]}"#), @r#"RunTests { paths: ["tests/a.py"] }"#);
        assert_snapshot!(parse("finish", r#"{"message":"done"}"#), @r#"Finish { message: "done" }"#);
    }

    #[test]
    fn bad_calls_are_told_why() {
        assert_snapshot!(parse("shell", "{}"), @"refused: there is no tool `shell`; the tools are `bash`, `edit`, `run_tests` and `finish`");
        assert_snapshot!(parse("bash", "{"), @"refused: the arguments of `bash` are not valid JSON: EOF while parsing an object at line 1 column 1; send one JSON object");
        assert_snapshot!(parse("bash", "\"ls\""), @"refused: the arguments of `bash` do not fit its schema: they are not an object");
        assert_snapshot!(parse("bash", "{}"), @"refused: the arguments of `bash` do not fit its schema: missing field `command`");
        assert_snapshot!(parse("bash", r#"{"command":3}"#), @"refused: the arguments of `bash` do not fit its schema: invalid type: integer `3`, expected a string");
        assert_snapshot!(parse("bash", r#"{"command":" "}"#), @"refused: the arguments of `bash` do not fit its schema: `command` is empty");
        assert_snapshot!(parse("bash", r#"{"command":"ls","timeout_s":-1}"#), @"refused: the arguments of `bash` do not fit its schema: `timeout_s` is not a positive number of seconds");
        assert_snapshot!(parse("bash", r#"{"command":"a\u0000b"}"#), @"refused: the arguments of `bash` do not fit its schema: there is a NUL character in it");
        assert_snapshot!(parse("edit", r#"{"command":"delete","path":"a"}"#), @"refused: the arguments of `edit` do not fit its schema: unknown variant `delete`, expected one of `view`, `create`, `str_replace`, `insert`, `undo`");
        assert_snapshot!(parse("edit", r#"{"command":"create","path":"a"}"#), @"refused: the arguments of `edit` do not fit its schema: this command needs `file_text`");
        assert_snapshot!(parse("edit", r#"{"command":"view","path":"a","x":1}"#), @"refused: the arguments of `edit` do not fit its schema: unknown field `x`, expected one of `command`, `path`, `view_range`, `file_text`, `old_str`, `new_str`, `insert_line`");
        assert_snapshot!(parse("run_tests", r#"{"paths":["-p","x"]}"#), @"refused: the arguments of `run_tests` do not fit its schema: `-p` is not a path");
        assert_snapshot!(parse("finish", r#"{"message":["x"]}"#), @"refused: the arguments of `finish` do not fit its schema: invalid type: sequence, expected a string");
    }

    #[test]
    fn endless_arguments_are_refused() {
        let arguments = "x".repeat(MAX_ARGUMENT_BYTES + 1);
        assert!(parse("bash", &arguments).contains("the limit is 262144"));
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let arguments = "[".repeat(MAX_ARGUMENT_BYTES);
        assert!(parse("bash", &arguments).contains("recursion limit exceeded"));
    }
}
