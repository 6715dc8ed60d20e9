//! Records of runs as data sets that others train on or evaluate with.
//!
//! ```text
//!   RUN... ──► attempts (kept, failed, left out) ──► chat.rs: messages in three profiles ──► files, card
//!                                               └──► preference.rs: kept against failed
//!   RUN... or data sets ──► instances.rs: SWE-bench, SWT-Bench and Commit-0
//! ```
//!
//! # Invariants
//!
//! * **Nothing is lost without a word**: what is not written stands in [`Exported::dropped`], in `report.json`
//!   and on the card, with its reason.
//! * **What a trainer would throw away is not written**: the rules by which LLaMA-Factory drops an example
//!   without saying so are replayed for each one (`rules.rs`).
//! * **The same records give the same bytes.** No clock is read.

use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use crate::record::{json_line, write_file, write_json};

mod attempts;
mod card;
mod chat;
mod error;
mod instances;
mod preference;
mod rules;
#[cfg(test)]
mod tests;
mod text_protocol;

pub use attempts::{Attempt, Fate};
pub use error::ExportError;
pub use rules::Loss;

/// A form that data sets are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Trajectories as they are kept: ATIF v1.7.
    Atif,
    /// `ShareGPT` for LLaMA-Factory, with calls as text and with calls as functions.
    ShareGpt,
    /// `OpenAI` messages with tools.
    OpenAi,
    /// Kept attempts against failed ones.
    Preference,
    /// Instances of SWE-bench.
    SweBench,
    /// Instances of SWT-Bench.
    SwtBench,
    /// Instances of Commit-0.
    Commit0,
}

impl Format {
    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Atif => "atif",
            Self::ShareGpt => "sharegpt",
            Self::OpenAi => "openai",
            Self::Preference => "preference",
            Self::SweBench => "swebench",
            Self::SwtBench => "swtbench",
            Self::Commit0 => "commit0",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct ExportConfig {
    /// Folders of runs or of data sets of bugs.
    pub sources: Vec<PathBuf>,
    /// The form.
    pub format: Format,
    /// The folder for the files; it must be empty or not there.
    pub output: PathBuf,
    /// Roles whose attempts are wanted; all if empty.
    pub roles: Vec<String>,
}

/// Something that was not written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dropped {
    /// What: an attempt, an instance or a folder.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl Dropped {
    pub(crate) fn new(what: impl Into<String>, why: impl Into<String>) -> Dropped {
        Dropped { what: what.into(), why: why.into() }
    }
}

/// What came of an export. This is also what its `report.json` holds.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// The form.
    pub format: Format,
    /// What was written: the number of examples of each file.
    pub files: BTreeMap<String, usize>,
    /// What was not written.
    pub dropped: Vec<Dropped>,
    /// Counts of what was read.
    pub counts: card::Counts,
}

impl Exported {
    /// Returns the number of examples in the file that has the most.
    pub fn n_examples(&self) -> usize {
        self.files.values().copied().max().unwrap_or(0)
    }
}

/// What a format made of its sources: files with their lines, and what is left out.
#[derive(Debug, Default)]
struct Made {
    /// The examples of each file, one a line.
    lines: BTreeMap<String, Vec<String>>,
    /// Files that hold no examples.
    others: BTreeMap<String, Vec<u8>>,
    dropped: Vec<Dropped>,
}

impl Made {
    fn push(&mut self, file: &str, example: &impl Serialize) {
        self.lines.entry(file.to_owned()).or_default().push(json_line(example));
    }

    fn drop(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.dropped.push(Dropped::new(what, why));
    }
}

/// Writes a data set.
///
/// # Errors
///
/// Fails if a source is neither a run nor a data set, if a record cannot be read, or if something cannot be
/// written.
pub fn export(config: &ExportConfig) -> Result<Exported, ExportError> {
    let was_there = config.output.exists();
    prepare(&config.output)?;
    let (mut made, counts) = make(config).inspect_err(|_| {
        if !was_there {
            // A folder in which there is something stays.
            drop(fs_err::remove_dir(&config.output));
        }
    })?;
    made.dropped.sort();
    for (file, lines) in &made.lines {
        write_lines(&config.output.join(file), lines)?;
    }
    for (file, data) in &made.others {
        write_below(&config.output, file, data)?;
    }
    let files = made.lines.iter().map(|(file, lines)| (file.clone(), lines.len())).collect();
    let exported = Exported { format: config.format, files, dropped: made.dropped, counts };
    write_file(&config.output.join("README.md"), card::card(config, &exported).as_bytes())?;
    // Last: with it, the data set is whole.
    write_json(&config.output.join("report.json"), &exported)?;
    Ok(exported)
}

fn make(config: &ExportConfig) -> Result<(Made, card::Counts), ExportError> {
    Ok(match config.format {
        Format::SweBench | Format::SwtBench | Format::Commit0 => {
            let made = instances::make(config)?;
            let counts = card::Counts {
                n_read: made.lines.values().map(Vec::len).sum(),
                ..card::Counts::default()
            };
            (made, counts)
        }
        _ => of_attempts(config)?,
    })
}

/// Makes a data set of attempts.
fn of_attempts(config: &ExportConfig) -> Result<(Made, card::Counts), ExportError> {
    let (mut attempts, mut dropped) = attempts::read(&config.sources)?;
    if attempts.is_empty() && dropped.is_empty() {
        let path = config.sources.first().cloned().unwrap_or_default();
        return Err(ExportError::NoAttempts { path });
    }
    let is_wanted = |role: &String| config.roles.is_empty() || config.roles.contains(role);
    attempts.retain(|attempt| {
        let keep = is_wanted(&attempt.role);
        if !keep {
            dropped.push(Dropped::new(
                &attempt.id,
                format!("role `{}` is not asked for", attempt.role),
            ));
        }
        keep
    });
    let counts = card::Counts::new(&attempts);
    let mut made = match config.format {
        Format::Atif => chat::atif(&attempts),
        Format::OpenAi => chat::openai(&attempts),
        Format::Preference => preference::make(&attempts),
        _ => chat::sharegpt(&attempts, config),
    };
    made.dropped.extend(dropped);
    Ok((made, counts))
}

/// Makes the folder, and refuses one that holds something.
fn prepare(output: &Path) -> Result<(), ExportError> {
    let failed = |source| ExportError::Folder { path: output.to_owned(), source };
    fs_err::create_dir_all(output).map_err(failed)?;
    let mut entries = fs_err::read_dir(output).map_err(failed)?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(ExportError::NotEmpty { path: output.to_owned() }),
    }
}

fn write_lines(path: &Path, lines: &[String]) -> Result<(), ExportError> {
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(write_file(path, text.as_bytes())?)
}

fn write_below(folder: &Path, name: &str, data: &[u8]) -> Result<(), ExportError> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)
            .map_err(|source| ExportError::Folder { path: parent.to_owned(), source })?;
    }
    Ok(write_file(&path, data)?)
}
