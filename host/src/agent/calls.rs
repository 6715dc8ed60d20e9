//! The calls of an answer as they go back into the conversation, and calls that repeat.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::observation::cut_middle;
use crate::model::ToolCall;

/// The same call in a row after which the model is warned.
const WARN_REPEATS: u32 = 3;

/// The same call in a row after which the attempt ends.
const MAX_REPEATS: u32 = 6;

/// Characters of malformed arguments that go back into the conversation.
const MAX_ECHO_CHARS: usize = 2000;

/// A call, as the model wrote it and as it goes back into the conversation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// As the model wrote it.
    pub(super) original: ToolCall,
    /// With an id that no other call of the answer has, and arguments that are a JSON object.
    pub(super) echo: ToolCall,
}

/// Brings the calls of the answer number `turn` into a form that every endpoint takes.
pub(super) fn normalized(calls: &[ToolCall], turn: u32) -> Vec<Call> {
    let mut ids = BTreeSet::new();
    let mut normalize = |(call_idx, call): (usize, &ToolCall)| {
        let mut echo = call.clone();
        while echo.id.is_empty() || !ids.insert(echo.id.clone()) {
            echo.id = format!("{}call_{turn}_{call_idx}", echo.id);
        }
        echo.arguments = echoed_arguments(&call.arguments);
        echo.name = echoed_name(&call.name);
        Call { original: call.clone(), echo }
    };
    calls.iter().enumerate().map(&mut normalize).collect()
}

/// Says what a call is about, for people: the command, the path, the tests.
pub(super) fn summary(call: &ToolCall) -> String {
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    let text = |key: &str| arguments[key].as_str().unwrap_or_default();
    match call.name.as_str() {
        "bash" => text("command").to_owned(),
        "edit" => format!("{} {}", text("command"), text("path")),
        "run_tests" => {
            let paths = arguments["paths"].as_array().into_iter().flatten();
            paths.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        "finish" => text("message").to_owned(),
        _ => call.arguments.clone(),
    }
}

/// Returns arguments that are a JSON object: those of the call if they are.
fn echoed_arguments(arguments: &str) -> String {
    let is_object = serde_json::from_str::<serde_json::Map<String, Value>>(arguments).is_ok();
    if is_object && arguments.len() <= super::tools::MAX_ARGUMENT_BYTES {
        arguments.to_owned()
    } else if arguments.trim().is_empty() {
        "{}".to_owned()
    } else {
        json!({ "malformed_arguments": cut_middle(arguments, MAX_ECHO_CHARS) }).to_string()
    }
}

/// Returns a name of the form that endpoints take.
fn echoed_name(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let plain: String = name.chars().filter(is_plain).take(64).collect();
    if plain.is_empty() { "unnamed".to_owned() } else { plain }
}

/// Counts how often the same call came in a row.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    last: Option<(String, String)>,
    n_repeats: u32,
}

impl Repeats {
    /// Counts `call`, and returns how often it has come in a row.
    pub(super) fn count(&mut self, call: &ToolCall) -> u32 {
        let this = Some((call.name.clone(), call.arguments.clone()));
        self.n_repeats = if self.last == this { self.n_repeats + 1 } else { 1 };
        self.last = this;
        self.n_repeats
    }

    /// Returns whether this goes nowhere.
    pub(super) fn is_stuck(&self) -> bool {
        self.n_repeats >= MAX_REPEATS
    }

    /// Returns what to tell the model, if it repeats itself.
    pub(super) fn warning(&self) -> Option<String> {
        (self.n_repeats >= WARN_REPEATS).then(|| {
            format!(
                "\n[this was the same call for the {}th time in a row; try something else, the \
                 session ends at {MAX_REPEATS}]",
                self.n_repeats
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_REPEATS, Repeats, normalized, summary};
    use crate::model::ToolCall;

    fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    #[test]
    fn ids_are_made_distinct() {
        let calls = [call("a", "x", "{}"), call("a", "x", "{}"), call("", "x", "{}")];
        let ids: Vec<String> = normalized(&calls, 7).into_iter().map(|call| call.echo.id).collect();
        assert_eq!(ids, ["a", "acall_7_1", "call_7_2"]);
    }

    #[test]
    fn arguments_go_back_as_an_object() {
        let calls =
            ["{\"a\":1}", "", "[1]", "{\"a\":", "\u{0}"].map(|arguments| call("i", "x", arguments));
        for (call, original) in normalized(&calls, 1).iter().zip(&calls) {
            let value: serde_json::Value = serde_json::from_str(&call.echo.arguments).unwrap();
            assert!(value.is_object(), "{original:?}");
            assert_eq!(&call.original, original);
        }
    }

    #[test]
    fn endless_arguments_do_not_go_back() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
        let calls = normalized(&[call("i", "x", &long)], 1);
        assert!(calls[0].echo.arguments.len() < 4000);
    }

    #[test]
    fn a_call_is_summed_up_for_people() {
        let check = |name, arguments, expected: &str| {
            assert_eq!(summary(&call("i", name, arguments)), expected);
        };
        check("bash", r#"{"command": "ls -l"}"#, "ls -l");
        check("edit", r#"{"command": "view", "path": "a.py"}"#, "view a.py");
        check("run_tests", r#"{"paths": ["a", "b"]}"#, "a b");
        check("run_tests", "{}", "");
        check("bash", "nonsense", "");
        check("other", "nonsense", "nonsense");
    }

    #[test]
    fn only_the_same_call_in_a_row_counts() {
        let mut repeats = Repeats::default();
        for _ in 0..20 {
            repeats.count(&call("1", "bash", "a"));
            repeats.count(&call("2", "bash", "b"));
        }
        assert!(!repeats.is_stuck());
        for _ in 0..MAX_REPEATS {
            repeats.count(&call("3", "bash", "c"));
        }
        assert!(repeats.is_stuck() && repeats.warning().is_some());
    }
}
