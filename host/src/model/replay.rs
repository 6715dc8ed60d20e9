//! Answers from a folder of records, without a model.
//!
//! A request that was never recorded is an error, and a useful one: it names the recorded request
//! that shares the longest beginning of the conversation, and the first place where the two differ.

use super::{
    CassetteError, ChatModel, ChatRequest, ChatResponse, FirstDifference, ModelError, Purpose,
    ReplayMiss, canonical_json,
    cassette::{Cassette, Record},
    times::request_without_times,
    wire,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Map, Value};
use std::{cmp::Reverse, collections::BTreeSet, path::PathBuf};

/// The most characters of a value that a difference shows.
const SHOWN_CHARS: usize = 160;
/// How many characters of the common part are shown before the place where two texts differ.
const CONTEXT_CHARS: usize = 40;

/// A model that answers from the files that a [`Recorder`](super::Recorder) wrote.
#[derive(Clone, Debug)]
pub struct Replayer {
    cassette: Cassette,
}

impl Replayer {
    /// Creates a replayer of `folder`.
    ///
    /// # Errors
    ///
    /// Returns a [`CassetteError`] if the folder does not exist or cannot be listed.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self, CassetteError> {
        Ok(Self { cassette: Cassette::open(folder.into())? })
    }

    fn answer(&self, request: &ChatRequest) -> Result<ChatResponse, ModelError> {
        match self.cassette.find(request)? {
            Some(record) => Ok(record.response),
            None => Err(self.miss(request)?),
        }
    }

    fn miss(&self, request: &ChatRequest) -> Result<ModelError, CassetteError> {
        let requested = request_without_times(&wire::encode_request(request));
        let mut records = self.cassette.all()?;
        for record in &mut records {
            record.request = request_without_times(&record.request);
        }
        let nearest = records
            .iter()
            .max_by_key(|record| (likeness(&record.request, &requested), Reverse(record.digest)));
        Ok(ModelError::ReplayMiss(Box::new(ReplayMiss {
            digest: request.digest(),
            folder: self.cassette.folder().to_owned(),
            n_records: records.len(),
            first_difference: nearest.and_then(|record| difference(record, &requested)),
        })))
    }
}

impl ChatModel for Replayer {
    fn chat<'a>(
        &'a self,
        _purpose: &'a Purpose,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        std::future::ready(self.answer(request)).boxed()
    }
}

/// How alike two requests are, to be compared: equal messages at the beginning, then equal bytes at
/// the beginning of the first message that differs, then equal fields beside the messages.
fn likeness(recorded: &Value, requested: &Value) -> (usize, usize, usize) {
    let empty = Vec::new();
    let messages = |request: &'_ Value| -> Vec<String> {
        let list = request.get("messages").and_then(Value::as_array).unwrap_or(&empty);
        list.iter().map(canonical_json).collect()
    };
    let (recorded_messages, requested_messages) = (messages(recorded), messages(requested));
    let pairs = || recorded_messages.iter().zip(&requested_messages);
    let n_equal = pairs().take_while(|(a, b)| a == b).count();
    let n_bytes = pairs()
        .nth(n_equal)
        .map_or(0, |(a, b)| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count());
    let n_fields = ["model", "tools", "temperature", "max_tokens", "seed"]
        .iter()
        .filter(|name| recorded.get(**name) == requested.get(**name))
        .count();
    (n_equal, n_bytes, n_fields)
}

fn difference(record: &Record, requested: &Value) -> Option<FirstDifference> {
    let (path, recorded, requested) = first_difference(&record.request, requested, "")?;
    Some(FirstDifference { nearest: record.digest, path, recorded, requested })
}

/// Returns path and both texts of the first place where two values differ, fields in the order of
/// their names.
fn first_difference(a: &Value, b: &Value, path: &str) -> Option<(String, String, String)> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().find_map(|name| field_difference(a, b, name, path))
        }
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len())).find_map(|item_idx| {
            option_difference(a.get(item_idx), b.get(item_idx), &format!("{path}[{item_idx}]"))
        }),
        _ if canonical_json(a) == canonical_json(b) => None,
        (Value::String(a), Value::String(b)) => {
            let (a, b) = shown_texts(a, b);
            Some((path.to_owned(), a, b))
        }
        _ => Some((path.to_owned(), shown(Some(a)), shown(Some(b)))),
    }
}

fn field_difference(
    a: &Map<String, Value>,
    b: &Map<String, Value>,
    name: &str,
    path: &str,
) -> Option<(String, String, String)> {
    let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    option_difference(a.get(name), b.get(name), &path)
}

fn option_difference(
    a: Option<&Value>,
    b: Option<&Value>,
    path: &str,
) -> Option<(String, String, String)> {
    match (a, b) {
        (Some(a), Some(b)) => first_difference(a, b, path),
        (a, b) => Some((path.to_owned(), shown(a), shown(b))),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(value) => cut(&canonical_json(value)),
    }
}

/// Returns two different texts from shortly before the place where they part, as JSON strings.
fn shown_texts(a: &str, b: &str) -> (String, String) {
    let n_common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let n_skipped = n_common.saturating_sub(CONTEXT_CHARS);
    let from_there = |text: &str| {
        let rest: String = text.chars().skip(n_skipped).take(SHOWN_CHARS).collect();
        let before = if n_skipped > 0 { "..." } else { "" };
        let after = if text.chars().count() > n_skipped + SHOWN_CHARS { "..." } else { "" };
        format!("{before}{}{after}", Value::from(rest))
    };
    (from_there(a), from_there(b))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
