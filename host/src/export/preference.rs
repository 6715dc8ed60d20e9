//! Preference pairs: a kept attempt against each failed one at the same work.
//!
//! The form is the conversational one of TRL: `prompt` is what both begin with, `chosen` and `rejected` are the
//! rest. A second attempt is told why the first was refused, so often only the system message is common;
//! `is_same_prompt` says whether the first message to the agent is, too.

use serde_json::json;
use std::collections::BTreeMap;

use super::{
    Attempt, Fate, Made,
    chat::{Conversation, openai_messages, tools_of},
};

/// Makes the pairs.
pub(super) fn make(attempts: &[Attempt]) -> Made {
    let mut made = Made::default();
    let mut groups: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        groups.entry(attempt.group()).or_default().push(attempt);
    }
    for group in groups.into_values() {
        let (kept, failed): (Vec<&Attempt>, Vec<&Attempt>) =
            group.into_iter().partition(|attempt| attempt.fate == Fate::Kept);
        let Some(chosen) = kept.first() else {
            for attempt in failed {
                made.drop(&attempt.id, "no attempt at the same work is kept");
            }
            continue;
        };
        if failed.is_empty() {
            made.drop(&chosen.id, "no attempt at the same work failed");
        }
        for rejected in failed {
            pair(&mut made, chosen, rejected);
        }
    }
    made
}

fn pair(made: &mut Made, chosen: &Attempt, rejected: &Attempt) {
    let (good, bad) =
        (Conversation::of(&chosen.trajectory), Conversation::of(&rejected.trajectory));
    if good.turns.is_empty() || bad.turns.is_empty() {
        made.drop(&rejected.id, "one of the two agents says nothing");
        return;
    }
    let (good, bad) = (openai_messages(&good), openai_messages(&bad));
    // A prompt ends before the model speaks.
    let is_prompt = |message: &serde_json::Value| message["role"] != "assistant";
    let n_prompt = good.iter().take_while(|message| is_prompt(message)).count();
    let n_common = good[..n_prompt].iter().zip(&bad).take_while(|(good, bad)| good == bad).count();
    let line = json!({
        "id": format!("{} over {}", chosen.id, rejected.id),
        "role": chosen.role,
        "prompt": good[..n_common], "chosen": good[n_common..], "rejected": bad[n_common..],
        "is_same_prompt": n_common == n_prompt,
        "reasons": rejected.reasons,
        "tools": tools_of(chosen),
    });
    made.push("pairs.jsonl", &line);
}
