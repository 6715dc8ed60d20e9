//! A script as it stands in the file: the shape of the YAML, and nothing else.
//!
//! Unknown fields are errors, so that a misspelled one is not silently without effect. Values that
//! can be wrong in ways the shape does not show carry their place in the file.

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScript {
    pub(super) format: Spanned<u32>,
    #[serde(default)]
    pub(super) models: Vec<String>,
    pub(super) entries: Vec<Spanned<RawEntry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEntry {
    pub(super) name: Option<String>,
    #[serde(default, rename = "match")]
    pub(super) criteria: RawCriteria,
    #[serde(default)]
    pub(super) faults: Vec<Spanned<RawFault>>,
    #[serde(default)]
    pub(super) replies: Vec<Spanned<RawReply>>,
    #[serde(default)]
    pub(super) repeat_last: bool,
    pub(super) at_most: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCriteria {
    pub(super) stage: Option<String>,
    pub(super) task: Option<String>,
    pub(super) attempt: Option<u32>,
    pub(super) turn: Option<u32>,
    #[serde(default)]
    pub(super) last_message: Vec<Spanned<RawRule>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) role: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) lacks: Option<String>,
    pub(super) regex: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFault {
    pub(super) kind: RawFaultKind,
    #[serde(default = "once")]
    pub(super) times: u64,
    pub(super) turn: Option<u32>,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<String>,
    pub(super) message: Option<String>,
    pub(super) delay_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawFaultKind {
    Status,
    #[serde(alias = "timeout")]
    Hang,
    Cut,
    MalformedJson,
    Truncated,
    Slow,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReply {
    pub(super) text: Option<String>,
    pub(super) text_file: Option<String>,
    pub(super) reasoning: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Vec<Spanned<RawCall>>,
    #[serde(default)]
    pub(super) usage: RawUsage,
    pub(super) finish_reason: Option<String>,
    #[serde(default)]
    pub(super) delay_ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCall {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) arguments: Option<Map<String, Value>>,
    #[serde(default)]
    pub(super) arguments_files: BTreeMap<String, String>,
    pub(super) arguments_raw: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUsage {
    #[serde(rename = "prompt_tokens")]
    pub(super) prompt: Option<u64>,
    #[serde(rename = "completion_tokens")]
    pub(super) completion: Option<u64>,
    #[serde(rename = "cached_tokens")]
    pub(super) cached: Option<u64>,
}

fn once() -> u64 {
    1
}
