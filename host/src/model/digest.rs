//! The digest of a request: BLAKE3 over canonical JSON.
//!
//! Canonical JSON here is the shortest text of a value with its keys sorted by their bytes and its
//! numbers normalized: `1.0` and `1` are one number, and so are `-0` and `0`. Two requests that mean
//! the same have the same canonical text, whatever wrote them.

use super::times::request_without_times;
use serde_json::{Number, Value};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The largest integer up to which every integer has a double of its own: 2^53.
const EXACT_INTEGER_LIMIT: f64 = 9_007_199_254_740_992.0;

/// The digest of a request's meaning, and the name of its record on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestDigest(blake3::Hash);

impl RequestDigest {
    /// Returns the digest of `value`'s canonical JSON.
    pub fn of_json(value: &Value) -> Self {
        Self(blake3::hash(canonical_json(value).as_bytes()))
    }

    /// Returns the digest of a request in the shape of the wire. Requests whose tools printed the same but for
    /// times are one request: a run that is repeated takes longer or shorter.
    pub fn of_request(request: &Value) -> Self {
        Self::of_json(&request_without_times(request))
    }
}

impl PartialOrd for RequestDigest {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RequestDigest {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
    }
}

impl fmt::Display for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for RequestDigest {
    type Err = blake3::HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Returns the canonical JSON text of `value`.
///
/// # Examples
///
/// ```
/// use playpen::model::canonical_json;
///
/// let value = serde_json::json!({"b": [1.0, 0.5], "a": "x"});
/// assert_eq!(canonical_json(&value), r#"{"a":"x","b":[1,0.5]}"#);
/// ```
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::Array(items) => {
            text.push('[');
            write_separated(items, text, write_value);
            text.push(']');
        }
        Value::Object(fields) => {
            // Sorted here and not left to the map: a feature of `serde_json` that some dependency
            // switches on would change its order, and with it every digest.
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push('{');
            write_separated(sorted, text, |(key, value), text| {
                write_string(key, text);
                text.push(':');
                write_value(value, text);
            });
            text.push('}');
        }
        Value::String(string) => write_string(string, text),
        Value::Null | Value::Bool(_) => text.push_str(&value.to_string()),
    }
}

fn write_separated<T>(
    items: impl IntoIterator<Item = T>,
    text: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    for (item_idx, item) in items.into_iter().enumerate() {
        if item_idx > 0 {
            text.push(',');
        }
        write(item, text);
    }
}

fn write_string(string: &str, text: &mut String) {
    text.push_str(&Value::from(string).to_string());
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float)
            if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT_INTEGER_LIMIT =>
        {
            // Adding zero turns `-0` into `0`.
            format!("{:.0}", float + 0.0)
        }
        _ => number.to_string(),
    }
}
