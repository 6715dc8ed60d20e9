//! Trajectories as conversations: ATIF as it is, `ShareGPT` in two profiles, and `OpenAI` messages.
//!
//! All profiles are made from the same turns, in which the two sides alternate and the model has the last
//! word: what tools print after the last answer teaches nothing and is left out.

use serde_json::{Value, json};

use super::{
    Attempt, ExportConfig, Fate, Made, card, rules,
    text_protocol::{self, guarded},
};
use crate::atif::{Source, Step, ToolCall, Trajectory};

/// The file of the text profile.
pub(super) const TEXT_FILE: &str = "text.jsonl";
/// The file of the function-call profile.
pub(super) const TOOLS_FILE: &str = "tools.jsonl";

/// A conversation as all profiles see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: String,
    pub(super) turns: Vec<Turn<'a>>,
}

/// What is said to the model, and what it answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn<'a> {
    /// Results of the calls of the turn before, in their order.
    pub(super) results: Vec<(&'a str, &'a str)>,
    /// Messages, joined.
    pub(super) user: String,
    /// The answers; more than one only where the model answered twice without being told anything.
    pub(super) answer: Answer<'a>,
}

/// An answer of the model.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer<'a> {
    pub(super) thoughts: String,
    pub(super) text: String,
    pub(super) calls: Vec<&'a ToolCall>,
}

impl Answer<'_> {
    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.text.trim().is_empty()
    }
}

impl<'a> Conversation<'a> {
    /// Reads the turns of a trajectory.
    pub(super) fn of(trajectory: &'a Trajectory) -> Conversation<'a> {
        let mut conversation = Conversation::default();
        let mut next = Turn::default();
        for step in &trajectory.steps {
            match step.source {
                Source::System => append(&mut conversation.system, &step.message),
                Source::User => append(&mut next.user, &step.message),
                Source::Agent => {
                    next.answer = answer(step);
                    // An empty answer teaches nothing: what is said next is said instead of it.
                    if !next.answer.is_empty() {
                        conversation.turns.push(std::mem::take(&mut next));
                    }
                    next.results.extend(results(step));
                }
            }
        }
        conversation
    }
}

fn append(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}

fn answer(step: &Step) -> Answer<'_> {
    Answer {
        thoughts: step.reasoning_content.clone().unwrap_or_default(),
        text: step.message.clone(),
        calls: step.tool_calls.iter().flatten().collect(),
    }
}

fn results(step: &Step) -> impl Iterator<Item = (&str, &str)> {
    let results = step.observation.iter().flat_map(|observation| &observation.results);
    results.map(|result| {
        (
            result.source_call_id.as_deref().unwrap_or_default(),
            result.content.as_deref().unwrap_or_default(),
        )
    })
}

/// Writes the trajectories of kept attempts as they are.
pub(super) fn atif(attempts: &[Attempt]) -> Made {
    let mut made = Made::default();
    for attempt in kept(attempts, &mut made) {
        let file = format!("trajectories/{}.json", attempt.id.replace('/', "__"));
        let line = json!({
            "id": attempt.id, "file": file, "role": attempt.role, "kind": attempt.kind, "item": attempt.item,
        });
        made.push("index.jsonl", &line);
        let mut data =
            serde_json::to_vec_pretty(&attempt.trajectory).expect("it was read from JSON");
        data.push(b'\n');
        made.others.insert(file, data);
    }
    made
}

/// Writes kept attempts in the two profiles of LLaMA-Factory.
pub(super) fn sharegpt(attempts: &[Attempt], config: &ExportConfig) -> Made {
    let mut made = Made::default();
    for attempt in kept(attempts, &mut made) {
        let conversation = Conversation::of(&attempt.trajectory);
        let written = text_messages(&conversation, tools_of(attempt)).and_then(|messages| {
            let (system, conversations) = tool_messages(&conversation);
            let lost = rules::loss(&messages, rules::TEXT);
            match lost.or_else(|| rules::loss(&conversations, rules::TOOLS)) {
                Some(loss) => Err(format!("a trainer would lose it: {}", loss.describe())),
                None => Ok((messages, system, conversations)),
            }
        });
        match written {
            Err(why) => made.drop(&attempt.id, why),
            Ok((messages, system, conversations)) => {
                made.push(
                    TEXT_FILE,
                    &json!({ "id": attempt.id, "role": attempt.role, "messages": messages }),
                );
                let tools =
                    serde_json::to_string(&functions(attempt)).expect("it was read from JSON");
                made.push(
                    TOOLS_FILE,
                    &json!({
                        "id": attempt.id, "role": attempt.role, "system": system, "tools": tools,
                        "conversations": conversations,
                    }),
                );
            }
        }
    }
    made.others.extend(card::training_files(&config.output));
    made
}

/// Writes kept attempts as messages with tools.
pub(super) fn openai(attempts: &[Attempt]) -> Made {
    let mut made = Made::default();
    for attempt in kept(attempts, &mut made) {
        let conversation = Conversation::of(&attempt.trajectory);
        if conversation.turns.is_empty() {
            made.drop(&attempt.id, rules::Loss::Empty.describe());
            continue;
        }
        let messages = openai_messages(&conversation);
        let line = json!({
            "id": attempt.id, "role": attempt.role, "messages": messages, "tools": tools_of(attempt),
        });
        made.push("messages.jsonl", &line);
    }
    made
}

/// Returns the kept attempts, and says that the others are left out.
fn kept<'a>(attempts: &'a [Attempt], made: &mut Made) -> Vec<&'a Attempt> {
    let (kept, failed): (Vec<_>, Vec<_>) =
        attempts.iter().partition(|attempt| attempt.fate == Fate::Kept);
    for attempt in failed {
        made.drop(&attempt.id, format!("it was refused: {}", attempt.reasons.join(", ")));
    }
    kept
}

/// Returns the definitions of the tools of an attempt.
pub(super) fn tools_of(attempt: &Attempt) -> &[Value] {
    attempt.trajectory.agent.tool_definitions.as_deref().unwrap_or_default()
}

/// Returns the bare functions among them, as LLaMA-Factory of every version reads them.
fn functions(attempt: &Attempt) -> Vec<&Value> {
    tools_of(attempt).iter().map(|tool| tool.get("function").unwrap_or(tool)).collect()
}

/// Returns the messages of the text profile.
fn text_messages(conversation: &Conversation<'_>, tools: &[Value]) -> Result<Vec<Value>, String> {
    let mut system = conversation.system.clone();
    append(&mut system, &text_protocol::describe(tools));
    let mut messages = vec![json!({ "role": "system", "content": system })];
    for turn in &conversation.turns {
        let mut user = String::new();
        for (_, printed) in &turn.results {
            append(&mut user, &format!("OBSERVATION:\n{}", printed.trim_end()));
        }
        append(&mut user, &turn.user);
        messages.push(json!({ "role": "user", "content": user }));
        messages.push(json!({ "role": "assistant", "content": text_answer(&turn.answer)? }));
    }
    Ok(messages)
}

fn text_answer(answer: &Answer<'_>) -> Result<String, String> {
    let mut text = String::new();
    if !answer.thoughts.is_empty() {
        append(&mut text, &format!("<think>\n{}\n</think>", answer.thoughts.trim()));
    }
    append(&mut text, &answer.text);
    for call in &answer.calls {
        let call = text_protocol::write(call).map_err(|name| {
            format!("argument `{name}` of a call holds an end mark of the text protocol")
        })?;
        append(&mut text, &call);
    }
    Ok(text)
}

/// Returns the system message and the messages of the function-call profile.
fn tool_messages<'a>(conversation: &'a Conversation<'_>) -> (&'a str, Vec<Value>) {
    let mut messages = vec![];
    for turn in &conversation.turns {
        let printed: Vec<&str> =
            turn.results.iter().map(|(_, printed)| printed.trim_end()).collect();
        let (from, value) = if printed.is_empty() {
            ("human", turn.user.clone())
        } else {
            let mut value = printed.join("\n</tool_response>\n<tool_response>\n");
            append(&mut value, &turn.user);
            ("observation", value)
        };
        messages.push(json!({ "from": from, "value": value }));
        messages.push(tool_answer(&turn.answer));
    }
    (&conversation.system, messages)
}

fn tool_answer(answer: &Answer<'_>) -> Value {
    let mut thoughts = answer.thoughts.trim().to_owned();
    if answer.calls.is_empty() {
        let mut value = if thoughts.is_empty() {
            String::new()
        } else {
            format!("<think>\n{thoughts}\n</think>")
        };
        append(&mut value, &answer.text);
        return json!({ "from": "gpt", "value": value });
    }
    append(&mut thoughts, answer.text.trim());
    // Words beside a call are kept only as thoughts.
    let thoughts = thoughts.replace("<think>", "").replace("</think>", "");
    let calls: Vec<String> = answer
        .calls
        .iter()
        .map(|call| {
            let name = serde_json::to_string(&call.function_name).expect("a text is JSON");
            format!("{{\"name\": {name}, \"arguments\": {}}}", guarded(&call.arguments))
        })
        .collect();
    let calls = format!("[{}]", calls.join(", "));
    let value = if thoughts.is_empty() {
        calls
    } else {
        format!("<think>\n{thoughts}\n</think>\n\n{calls}")
    };
    json!({ "from": "function_call", "value": value })
}

/// Returns the messages of the `OpenAI` profile.
pub(super) fn openai_messages(conversation: &Conversation<'_>) -> Vec<Value> {
    let mut messages = vec![json!({ "role": "system", "content": conversation.system })];
    for (turn_idx, turn) in conversation.turns.iter().enumerate() {
        for (id, printed) in &turn.results {
            messages.push(
                json!({ "role": "tool", "tool_call_id": unique(turn_idx, id), "content": printed }),
            );
        }
        if !turn.user.is_empty() {
            messages.push(json!({ "role": "user", "content": turn.user }));
        }
        messages.push(openai_answer(&turn.answer, turn_idx + 1));
    }
    messages
}

fn openai_answer(answer: &Answer<'_>, turn_idx: usize) -> Value {
    let mut message = json!({ "role": "assistant", "content": answer.text });
    if !answer.thoughts.is_empty() {
        message["reasoning_content"] = answer.thoughts.clone().into();
    }
    if !answer.calls.is_empty() {
        let call = |call: &&ToolCall| {
            let arguments = serde_json::to_string(&call.arguments).expect("it was read from JSON");
            json!({
                "id": unique(turn_idx, &call.tool_call_id), "type": "function",
                "function": { "name": call.function_name, "arguments": arguments },
            })
        };
        message["tool_calls"] = answer.calls.iter().map(call).collect();
    }
    message
}

/// Makes an id unique in its conversation: in a trajectory it is unique in its step only.
fn unique(turn_idx: usize, id: &str) -> String {
    format!("t{turn_idx}_{id}")
}
