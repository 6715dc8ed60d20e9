//! Calls of tools as text: the protocol of models that are trained without function calling.
//!
//! ```text
//! <function=edit>
//! <parameter=command>view</parameter>
//! <parameter=path>a.py</parameter>
//! </function>
//! ```
//!
//! A value stands between its marks as it is: a text without quotes, everything else as JSON. A text that
//! holds one of the end marks cannot be told from the protocol, so it is refused. [`parse`] reads what
//! [`write`] wrote; which of texts and JSON a value is follows from the definition of the tool.

use serde_json::{Map, Value};
use std::fmt::Write as _;

use crate::atif::ToolCall;

/// What ends a value or a call.
const END_MARKS: [&str; 2] = ["</parameter>", "</function>"];

/// Writes a call.
///
/// # Errors
///
/// Returns the name of the argument that holds an end mark.
pub(super) fn write(call: &ToolCall) -> Result<String, String> {
    let mut text = format!("<function={}>\n", call.function_name);
    for (name, value) in &call.arguments {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if END_MARKS.iter().any(|mark| value.contains(mark)) {
            return Err(name.clone());
        }
        let _ = writeln!(text, "<parameter={name}>{value}</parameter>");
    }
    text.push_str("</function>");
    Ok(text)
}

/// Describes the protocol and the tools, for the system message.
pub(super) fn describe(tools: &[Value]) -> String {
    let mut text = String::from(
        "# How tools are called\n\nWrite a call at the end of an answer, in this form and in no other:\n\n\
         <function=NAME>\n<parameter=ARGUMENT>value</parameter>\n</function>\n\nA value stands there as it is, \
         on one line or on several, without quotes. Several calls may follow each other; what they print comes \
         with the next message.\n",
    );
    for tool in tools {
        let function = tool.get("function").unwrap_or(tool);
        let word = |key: &str| function[key].as_str().unwrap_or_default();
        let _ = write!(text, "\n## {}\n\n{}\n", word("name"), word("description"));
        let required: Vec<&str> = function["parameters"]["required"]
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for (name, parameter) in
            function["parameters"]["properties"].as_object().into_iter().flatten()
        {
            let kind = parameter["type"].as_str().unwrap_or("any");
            let must = if required.contains(&name.as_str()) { "required" } else { "optional" };
            let what = parameter["description"].as_str().unwrap_or_default();
            let _ = write!(text, "\n- `{name}` ({kind}, {must}): {what}");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// Reads the calls of an answer: each with its name and its values as they stand there.
#[cfg(test)]
pub(super) fn parse(answer: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut calls = vec![];
    let mut rest = answer;
    while let Some((_, after)) = rest.split_once("<function=") {
        let Some((name, body)) = after.split_once(">\n") else { break };
        let Some((body, later)) = body.split_once("</function>") else { break };
        let mut values = vec![];
        let mut left = body;
        while let Some((_, value)) = left.split_once("<parameter=") {
            let Some((name, value)) = value.split_once('>') else { break };
            let Some((value, later)) = value.split_once("</parameter>") else { break };
            values.push((name.to_owned(), value.to_owned()));
            left = later;
        }
        calls.push((name.to_owned(), values));
        rest = later;
    }
    calls
}

/// Returns arguments as JSON in which no text can be taken for a mark of thoughts.
pub(super) fn guarded(arguments: &Map<String, Value>) -> String {
    serde_json::to_string(arguments).expect("texts and numbers are JSON").replace('<', "\\u003c")
}
