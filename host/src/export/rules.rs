//! The rules by which LLaMA-Factory drops an example, or a part of one, without saying so.
//!
//! Written from the behavior of its converters: an example is walked as they walk it. An exporter asks here
//! before it writes, so a rule that is broken is a reason in the report and not a smaller data set.

use serde::Serialize;
use serde_json::Value;

/// What would be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Two messages of one side in a row: the whole example.
    NotAlternating,
    /// An odd number of messages, as with an observation at the end: the whole example.
    OddNumber,
    /// A call that stands beside the text and not in it: the call.
    CallBesideText,
    /// Words around a call that are neither thoughts nor part of it: the words, or the whole example.
    WordsAroundCall,
    /// There is nothing to learn from: no message of the model has content.
    Empty,
}

impl Loss {
    /// Says it in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotAlternating => "two messages of one side follow each other",
            Self::OddNumber => "the model does not have the last word",
            Self::CallBesideText => "a call stands beside the text",
            Self::WordsAroundCall => "there are words around a call",
            Self::Empty => "the model says nothing",
        }
    }
}

/// How the messages of a profile are tagged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags {
    pub(super) role: &'static str,
    pub(super) content: &'static str,
    pub(super) system: &'static str,
    /// Who speaks in odd places.
    pub(super) odd: [&'static str; 2],
    /// Who speaks in even places.
    pub(super) even: [&'static str; 2],
}

/// The tags of the text profile.
pub(super) const TEXT: Tags = Tags {
    role: "role",
    content: "content",
    system: "system",
    odd: ["user", "observation"],
    even: ["assistant", "function_call"],
};

/// The tags of the function-call profile.
pub(super) const TOOLS: Tags = Tags {
    role: "from",
    content: "value",
    system: "system",
    odd: ["human", "observation"],
    even: ["gpt", "function_call"],
};

/// Returns what would be lost of the messages of an example.
pub(super) fn loss(messages: &[Value], tags: Tags) -> Option<Loss> {
    let is_system = |message: &Value| message[tags.role] == tags.system;
    let spoken = if messages.first().is_some_and(is_system) { &messages[1..] } else { messages };
    for (place, message) in spoken.iter().enumerate() {
        let role = message[tags.role].as_str().unwrap_or_default();
        let expected = if place % 2 == 0 { tags.odd } else { tags.even };
        if !expected.contains(&role) {
            return Some(Loss::NotAlternating);
        }
        if message.get("tool_calls").is_some_and(|calls| !calls.is_null()) {
            return Some(Loss::CallBesideText);
        }
        if role == "function_call" && !is_call(message[tags.content].as_str().unwrap_or_default()) {
            return Some(Loss::WordsAroundCall);
        }
    }
    if !spoken.len().is_multiple_of(2) {
        return Some(Loss::OddNumber);
    }
    let says =
        |message: &Value| !message[tags.content].as_str().unwrap_or_default().trim().is_empty();
    let mut answers = spoken.iter().skip(1).step_by(2);
    (!answers.any(says)).then_some(Loss::Empty)
}

/// Returns whether a text is a list of calls, with thoughts before it or not.
fn is_call(text: &str) -> bool {
    let json = match (text.find("<think>"), text.find("</think>")) {
        (Some(begin), Some(end)) if begin < end => {
            let thoughts = &text[begin..end + "</think>".len()];
            text.replace(thoughts, "")
        }
        _ => text.to_owned(),
    };
    let Ok(Value::Array(calls)) = serde_json::from_str::<Value>(&json) else { return false };
    let is_one = |call: &Value| call["name"].is_string() && call["arguments"].is_object();
    !calls.is_empty() && calls.iter().all(is_one)
}
