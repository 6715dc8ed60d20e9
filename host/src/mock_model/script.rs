//! A script, read and checked.
//!
//! Everything that can be wrong with a script is found when it is read: regular expressions are
//! compiled, files are loaded, fields that exclude each other are refused, each with the script's name
//! and the line.

use super::{
    files::{FolderFiles, ScriptFiles},
    raw::{RawCall, RawCriteria, RawEntry, RawFault, RawFaultKind, RawReply, RawRule, RawScript},
};
use crate::model::{ToolCall, Usage};
use fs_err as fs;
use regex::Regex;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use thiserror::Error;

/// The format that this program reads.
const FORMAT: u32 = 1;
/// The model that a script names if it names none.
const DEFAULT_MODEL: &str = "scripted";

/// Why a script could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The script cannot be read.
    #[error("failed to read script `{}`", file.display())]
    Read {
        /// The script.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },

    /// The script is not valid.
    #[error("{script}:{line}:{column}: {reason}")]
    Invalid {
        /// The script's name.
        script: String,
        /// The line, counted from 1.
        line: u64,
        /// The column, counted from 1.
        column: u64,
        /// What is wrong.
        reason: String,
    },

    /// A file that the script names cannot be read.
    #[error("{script}:{line}: failed to read `{file}`")]
    File {
        /// The script's name.
        script: String,
        /// The line, counted from 1.
        line: u64,
        /// The file, as the script names it.
        file: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// A checked script.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) name: String,
    pub(super) models: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

/// One entry: which requests it answers, and with what.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) criteria: Criteria,
    pub(super) faults: Vec<PlannedFault>,
    pub(super) replies: Vec<Reply>,
    pub(super) repeat_last: bool,
    pub(super) at_most: Option<u64>,
}

/// Which requests an entry answers; what is absent matches any.
#[derive(Clone, Debug, Default)]
pub(super) struct Criteria {
    pub(super) stage: Option<String>,
    pub(super) task: Option<String>,
    pub(super) attempt: Option<u32>,
    pub(super) turn: Option<u32>,
    pub(super) last_message: Vec<Rule>,
}

/// A rule on the last message of a conversation.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    Role(String),
    Contains(String),
    Lacks(String),
    Regex(Regex),
}

/// A fault and how often it happens.
#[derive(Clone, Debug)]
pub(super) struct PlannedFault {
    pub(super) fault: Fault,
    pub(super) times: u64,
    pub(super) turn: Option<u32>,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Status { status: u16, retry_after: Option<String>, message: String },
    Hang,
    Cut,
    MalformedJson,
    Truncated,
    Slow(Duration),
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) text: Option<String>,
    pub(super) reasoning: Option<String>,
    pub(super) calls: Vec<ScriptedCall>,
    pub(super) usage: PartialUsage,
    pub(super) finish_reason: Option<String>,
    pub(super) delay: Duration,
}

/// A tool call; its id is made up if the script has none.
#[derive(Clone, Debug)]
pub(super) struct ScriptedCall {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// Token counts; what is absent is estimated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartialUsage {
    pub(super) prompt: Option<u64>,
    pub(super) completion: Option<u64>,
    pub(super) cached: Option<u64>,
}

impl PartialUsage {
    /// Returns the counts, with `estimate` where the script gives none.
    pub(super) fn or(self, estimate: Usage) -> Usage {
        Usage {
            prompt_tokens: self.prompt.unwrap_or(estimate.prompt_tokens),
            completion_tokens: self.completion.unwrap_or(estimate.completion_tokens),
            cached_tokens: self.cached.unwrap_or(estimate.cached_tokens),
        }
    }
}

impl ScriptedCall {
    /// Returns the call, as number `call_idx` of the reply to `turn`.
    pub(super) fn to_call(&self, turn: u32, call_idx: usize) -> ToolCall {
        ToolCall {
            id: self.id.clone().unwrap_or_else(|| format!("call_{turn}_{call_idx}")),
            name: self.name.clone(),
            arguments: self.arguments.clone(),
        }
    }
}

impl Script {
    /// Reads a script, and the files that it names, from the folder that it is in.
    ///
    /// # Errors
    ///
    /// Returns a [`ScriptError`] with the line if the script does not keep to the format.
    pub fn from_path(path: &Path) -> Result<Self, ScriptError> {
        let read_error = |source| ScriptError::Read { file: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(read_error)?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let files = FolderFiles::open(folder).map_err(read_error)?;
        Self::parse(&path.display().to_string(), &text, &files)
    }

    /// Reads a script from text. `name` stands for it in messages.
    ///
    /// # Errors
    ///
    /// Returns a [`ScriptError`] with the line if the script does not keep to the format.
    pub fn parse(name: &str, text: &str, files: &dyn ScriptFiles) -> Result<Self, ScriptError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let raw: RawScript = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| yaml_error(name, &error))?;
        let reader = Reader { name, files };
        if raw.format.value != FORMAT {
            let reason = format!(
                "format {} is not known; this program reads format {FORMAT}",
                raw.format.value
            );
            return Err(reader.invalid(raw.format.referenced, reason));
        }
        let entries = raw.entries.into_iter().enumerate();
        Ok(Self {
            name: name.to_owned(),
            models: if raw.models.is_empty() { vec![DEFAULT_MODEL.to_owned()] } else { raw.models },
            entries: entries
                .map(|(entry_idx, entry)| reader.entry(entry, entry_idx))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn yaml_error(script: &str, error: &serde_saphyr::Error) -> ScriptError {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let (line, column) = (location.line(), location.column());
    let reason = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    // The place is said once, in front.
    let place = format!(" at line {line}, column {column}");
    ScriptError::Invalid {
        script: script.to_owned(),
        line,
        column,
        reason: reason.strip_suffix(&place).unwrap_or(&reason).to_owned(),
    }
}

/// Turns the shape of the file into what it means.
struct Reader<'a> {
    name: &'a str,
    files: &'a dyn ScriptFiles,
}

impl Reader<'_> {
    fn entry(&self, raw: Spanned<RawEntry>, entry_idx: usize) -> Result<Entry, ScriptError> {
        let Spanned { value: raw, referenced: place, .. } = raw;
        if raw.replies.is_empty() && raw.faults.is_empty() {
            return Err(self.invalid(place, "an entry needs `replies` or `faults`"));
        }
        Ok(Entry {
            name: raw.name.unwrap_or_else(|| format!("entry {}", entry_idx + 1)),
            line: place.line(),
            criteria: self.criteria(raw.criteria)?,
            faults: collect(raw.faults, |fault| self.fault(fault))?,
            replies: collect(raw.replies, |reply| self.reply(reply))?,
            repeat_last: raw.repeat_last,
            at_most: raw.at_most,
        })
    }

    fn criteria(&self, raw: RawCriteria) -> Result<Criteria, ScriptError> {
        let rules = collect(raw.last_message, |rule| self.rules(rule))?;
        Ok(Criteria {
            stage: raw.stage,
            task: raw.task,
            attempt: raw.attempt,
            turn: raw.turn,
            last_message: rules.into_iter().flatten().collect(),
        })
    }

    fn rules(&self, raw: Spanned<RawRule>) -> Result<Vec<Rule>, ScriptError> {
        let Spanned { value: raw, referenced: place, .. } = raw;
        let regex = raw.regex.map(|regex| Regex::new(&regex)).transpose();
        let regex = regex.map_err(|error| self.invalid(place, format!("bad `regex`: {error}")))?;
        let rules: Vec<Rule> = [
            raw.role.map(Rule::Role),
            raw.contains.map(Rule::Contains),
            raw.lacks.map(Rule::Lacks),
            regex.map(Rule::Regex),
        ]
        .into_iter()
        .flatten()
        .collect();
        if rules.is_empty() {
            let reason = "a rule needs `role`, `contains`, `lacks` or `regex`";
            return Err(self.invalid(place, reason));
        }
        Ok(rules)
    }

    fn fault(&self, raw: Spanned<RawFault>) -> Result<PlannedFault, ScriptError> {
        let Spanned { value: raw, referenced: place, .. } = raw;
        let is_status = matches!(raw.kind, RawFaultKind::Status);
        if !is_status
            && (raw.status.is_some() || raw.retry_after.is_some() || raw.message.is_some())
        {
            let reason = "`status`, `retry_after` and `message` go with `kind: status` only";
            return Err(self.invalid(place, reason));
        }
        if raw.delay_ms.is_some() != matches!(raw.kind, RawFaultKind::Slow) {
            return Err(self.invalid(place, "`delay_ms` goes with `kind: slow`, and must be there"));
        }
        let fault = match raw.kind {
            RawFaultKind::Status => Fault::Status {
                status: self.status(raw.status, place)?,
                retry_after: raw.retry_after,
                message: raw.message.unwrap_or_else(|| "scripted fault".to_owned()),
            },
            RawFaultKind::Hang => Fault::Hang,
            RawFaultKind::Cut => Fault::Cut,
            RawFaultKind::MalformedJson => Fault::MalformedJson,
            RawFaultKind::Truncated => Fault::Truncated,
            RawFaultKind::Slow => Fault::Slow(Duration::from_millis(raw.delay_ms.unwrap_or(0))),
        };
        Ok(PlannedFault { fault, times: raw.times, turn: raw.turn })
    }

    fn status(&self, status: Option<u16>, place: Location) -> Result<u16, ScriptError> {
        match status {
            Some(status @ 300..=599) => Ok(status),
            _ => Err(self.invalid(place, "`kind: status` needs a `status` from 300 to 599")),
        }
    }

    fn reply(&self, raw: Spanned<RawReply>) -> Result<Reply, ScriptError> {
        let Spanned { value: raw, referenced: place, .. } = raw;
        let text = match (raw.text, raw.text_file) {
            (Some(_), Some(_)) => {
                return Err(self.invalid(place, "`text` and `text_file` exclude each other"));
            }
            (None, Some(file)) => Some(self.file(&file, place)?),
            (text, None) => text,
        };
        if text.is_none() && raw.tool_calls.is_empty() {
            return Err(self.invalid(place, "a reply needs `text`, `text_file` or `tool_calls`"));
        }
        Ok(Reply {
            text,
            reasoning: raw.reasoning,
            calls: collect(raw.tool_calls, |call| self.call(call))?,
            usage: PartialUsage {
                prompt: raw.usage.prompt,
                completion: raw.usage.completion,
                cached: raw.usage.cached,
            },
            finish_reason: raw.finish_reason,
            delay: Duration::from_millis(raw.delay_ms),
        })
    }

    fn call(&self, raw: Spanned<RawCall>) -> Result<ScriptedCall, ScriptError> {
        let Spanned { value: raw, referenced: place, .. } = raw;
        let is_mapping = raw.arguments.is_some() || !raw.arguments_files.is_empty();
        let arguments = match raw.arguments_raw {
            Some(_) if is_mapping => {
                let reason = "`arguments_raw` excludes `arguments` and `arguments_files`";
                return Err(self.invalid(place, reason));
            }
            Some(text) => text,
            None => {
                let mut arguments = raw.arguments.unwrap_or_default();
                for (name, file) in raw.arguments_files {
                    let text = self.file(&file, place)?;
                    if arguments.insert(name.clone(), text.into()).is_some() {
                        let reason = format!("argument `{name}` is given twice");
                        return Err(self.invalid(place, reason));
                    }
                }
                Value::Object(arguments).to_string()
            }
        };
        Ok(ScriptedCall { id: raw.id, name: raw.name, arguments })
    }

    fn file(&self, file: &str, place: Location) -> Result<String, ScriptError> {
        self.files.read(file).map_err(|source| ScriptError::File {
            script: self.name.to_owned(),
            line: place.line(),
            file: file.to_owned(),
            source,
        })
    }

    fn invalid(&self, place: Location, reason: impl Into<String>) -> ScriptError {
        ScriptError::Invalid {
            script: self.name.to_owned(),
            line: place.line(),
            column: place.column(),
            reason: reason.into(),
        }
    }
}

fn collect<Raw, Checked>(
    raw: Vec<Spanned<Raw>>,
    check: impl Fn(Spanned<Raw>) -> Result<Checked, ScriptError>,
) -> Result<Vec<Checked>, ScriptError> {
    raw.into_iter().map(check).collect()
}
