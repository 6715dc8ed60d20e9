//! Which entry answers a request, and with what.

use super::{
    EntryTally, Tally,
    script::{Criteria, Entry, Fault, PlannedFault, Reply, Rule, Script},
};
use serde_json::Value;
use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
};

/// What a request says about itself, as far as entries can ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) stage: Option<String>,
    pub(super) task: Option<String>,
    pub(super) attempt: Option<u32>,
    /// Which request of the conversation this is, from 1: one more than the model has answered.
    pub(super) turn: u32,
    pub(super) last_role: String,
    pub(super) last_text: String,
}

impl Asked {
    /// Reads what entries can ask about from a request's body; `header` returns a header's text.
    pub(super) fn new(header: impl Fn(&str) -> Option<String>, messages: &[Value]) -> Self {
        let role = |message: &Value| message.get("role").and_then(Value::as_str).map(str::to_owned);
        let n_answers =
            messages.iter().filter(|message| role(message).as_deref() == Some("assistant")).count();
        let last = messages.last();
        Self {
            stage: header("x-playpen-stage"),
            task: header("x-playpen-task"),
            attempt: header("x-playpen-attempt").and_then(|text| text.parse().ok()),
            turn: u32::try_from(n_answers).unwrap_or(u32::MAX).saturating_add(1),
            last_role: last.and_then(role).unwrap_or_default(),
            last_text: last
                .and_then(|last| last.get("content"))
                .map(plain_text)
                .unwrap_or_default(),
        }
    }
}

/// Returns the text of a message's content: a string, or the text parts of an array.
fn plain_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// What is to be sent for a request.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) entry: &'a Entry,
    /// What goes wrong this time.
    pub(super) fault: Option<&'a Fault>,
    /// The reply, which a fault may replace or spoil.
    pub(super) reply: Option<&'a Reply>,
}

/// Why no entry answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Miss {
    /// The nearest entry and what keeps it from answering; absent if the script has no entries.
    pub(super) nearest: Option<Nearest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nearest {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) reasons: Vec<String>,
}

/// A script being played: its entries, and how often each was asked.
#[derive(Debug)]
pub(super) struct Player {
    script: Script,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    entries: Vec<EntryCounts>,
    n_unmatched: u64,
}

#[derive(Clone, Debug)]
struct EntryCounts {
    n_requests: u64,
    n_replies: u64,
    /// How often each fault of the entry has happened.
    faults: Vec<u64>,
}

/// One thing that keeps an entry from answering. A heavier one makes it less near.
struct Obstacle {
    weight: u32,
    reason: String,
}

impl Player {
    pub(super) fn new(script: Script) -> Self {
        let entries = script
            .entries
            .iter()
            .map(|entry| EntryCounts {
                n_requests: 0,
                n_replies: 0,
                faults: vec![0; entry.faults.len()],
            })
            .collect();
        Self { script, counts: Mutex::new(Counts { entries, n_unmatched: 0 }) }
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    /// Chooses what to send, and counts it.
    pub(super) fn choose(&self, asked: &Asked) -> Result<Choice<'_>, Miss> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nearest: Option<(u32, Nearest)> = None;
        for (entry, counts) in self.script.entries.iter().zip(&mut counts.entries) {
            let obstacles = obstacles(entry, counts, asked);
            if obstacles.is_empty() {
                return Ok(take(entry, counts, asked));
            }
            let weight = obstacles.iter().map(|obstacle| obstacle.weight).sum();
            if nearest.as_ref().is_none_or(|(least, _)| weight < *least) {
                let reasons = obstacles.into_iter().map(|obstacle| obstacle.reason).collect();
                let (name, line) = (entry.name.clone(), entry.line);
                nearest = Some((weight, Nearest { name, line, reasons }));
            }
        }
        counts.n_unmatched += 1;
        Err(Miss { nearest: nearest.map(|(_, nearest)| nearest) })
    }

    pub(super) fn tally(&self) -> Tally {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.script.entries.iter().zip(&counts.entries);
        Tally {
            entries: entries
                .map(|(entry, counts)| EntryTally {
                    name: entry.name.clone(),
                    n_requests: counts.n_requests,
                    n_replies: counts.n_replies,
                    n_faults: counts.faults.iter().sum(),
                })
                .collect(),
            n_unmatched: counts.n_unmatched,
        }
    }
}

/// Counts a request that an entry answers, and returns the answer.
fn take<'a>(entry: &'a Entry, counts: &mut EntryCounts, asked: &Asked) -> Choice<'a> {
    counts.n_requests += 1;
    let fault = due_fault(entry, counts, asked).map(|fault_idx| {
        counts.faults[fault_idx] += 1;
        &entry.faults[fault_idx].fault
    });
    let reply = reply_of(entry, asked.turn);
    let is_replied = matches!(fault, None | Some(Fault::Truncated | Fault::Slow(_)));
    if is_replied && reply.is_some() {
        counts.n_replies += 1;
    }
    Choice { entry, fault, reply }
}

/// Returns the first fault that concerns this turn and has not happened often enough.
fn due_fault(entry: &Entry, counts: &EntryCounts, asked: &Asked) -> Option<usize> {
    let mut faults = entry.faults.iter().zip(&counts.faults);
    faults.position(|(PlannedFault { times, turn, .. }, count)| {
        turn.is_none_or(|turn| turn == asked.turn) && count < times
    })
}

/// Returns the reply to `turn`: the first reply is for the entry's own turn, or for turn 1.
fn reply_of(entry: &Entry, turn: u32) -> Option<&Reply> {
    let first_turn = entry.criteria.turn.unwrap_or(1);
    let reply_idx = usize::try_from(turn.checked_sub(first_turn)?).ok()?;
    entry.replies.get(reply_idx).or_else(|| entry.replies.last().filter(|_| entry.repeat_last))
}

fn obstacles(entry: &Entry, counts: &EntryCounts, asked: &Asked) -> Vec<Obstacle> {
    let Criteria { stage, task, attempt, turn: _, last_message } = &entry.criteria;
    let mut obstacles = Vec::new();
    obstacles.extend(unequal(8, "stage", stage.as_ref(), asked.stage.as_ref()));
    obstacles.extend(unequal(4, "task", task.as_ref(), asked.task.as_ref()));
    obstacles.extend(unequal(2, "attempt", attempt.as_ref(), asked.attempt.as_ref()));
    if !covers_turn(entry, counts, asked) {
        obstacles.push(other_turn(entry, asked.turn));
    }
    obstacles.extend(last_message.iter().filter_map(|rule| broken_rule(rule, asked)));
    if let Some(at_most) = entry.at_most.filter(|at_most| counts.n_requests >= *at_most) {
        let reason = format!("it has answered {at_most} requests, and `at_most` allows no more");
        obstacles.push(Obstacle { weight: 1, reason });
    }
    obstacles
}

fn unequal<T: PartialEq + Display>(
    weight: u32,
    name: &str,
    wanted: Option<&T>,
    asked: Option<&T>,
) -> Option<Obstacle> {
    let wanted = wanted?;
    if asked == Some(wanted) {
        return None;
    }
    let asked = asked.map_or_else(|| "absent".to_owned(), |asked| format!("`{asked}`"));
    Some(Obstacle { weight, reason: format!("{name} is {asked}, and it wants `{wanted}`") })
}

/// Whether an entry has something for a turn: a reply, or, if it has no replies at all, a fault.
fn covers_turn(entry: &Entry, counts: &EntryCounts, asked: &Asked) -> bool {
    if !entry.replies.is_empty() {
        return reply_of(entry, asked.turn).is_some();
    }
    entry.criteria.turn.is_none_or(|turn| turn == asked.turn)
        && due_fault(entry, counts, asked).is_some()
}

fn other_turn(entry: &Entry, turn: u32) -> Obstacle {
    let first_turn = entry.criteria.turn.unwrap_or(1);
    let reason = match entry.replies.len() {
        0 => format!("turn is {turn}, and its faults are used up or for another turn"),
        1 => format!("turn is {turn}, and its only reply is for turn {first_turn}"),
        n => {
            let last_turn = first_turn as usize + n - 1;
            format!("turn is {turn}, and its replies are for turns {first_turn} to {last_turn}")
        }
    };
    Obstacle { weight: 1, reason }
}

fn broken_rule(rule: &Rule, asked: &Asked) -> Option<Obstacle> {
    let (holds, what) = match rule {
        Rule::Role(role) => (asked.last_role == *role, format!("is not of role `{role}`")),
        Rule::Contains(text) => (asked.last_text.contains(text), format!("lacks `{text}`")),
        Rule::Lacks(text) => (!asked.last_text.contains(text), format!("contains `{text}`")),
        Rule::Regex(regex) => {
            (regex.is_match(&asked.last_text), format!("does not match `{regex}`"))
        }
    };
    (!holds).then(|| Obstacle { weight: 1, reason: format!("the last message {what}") })
}
