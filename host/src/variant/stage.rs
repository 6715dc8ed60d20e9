//! Variants of a finished run: what one is, and how several are made.
//!
//! A variant is a value of a type that implements [`Variant`]: it says what it works on, and how it works on
//! one item, with what a [`Desk`] offers (questions, agents, the verifier, records).

use futures_util::future::BoxFuture;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    coverage::ChangeCoverage,
    desk::{Desk, Score, VariantConfig},
    error::VariantError,
    instance::{self, Posed},
    source::Source,
};
use crate::{
    context::Context,
    progress::{Progress, ProgressSink},
    project::TaskNumber,
    record::{FORMAT_VERSION, write_json},
    verify::gate::Reason,
};

/// A way to make tasks from a finished run.
pub trait Variant: fmt::Debug + Send + Sync {
    /// Returns its name in records, commands and stages.
    fn name(&self) -> &'static str;

    /// Returns what it works on, one after the other: the numbers of the solved tasks, or a name for the
    /// whole.
    fn items(&self, source: &Source) -> Vec<String> {
        source.solved.iter().map(|(number, _)| number.to_string()).collect()
    }

    /// Works on one item.
    ///
    /// # Errors
    ///
    /// The future fails if the host does or the model cannot be asked; a refusal is an [`Outcome`].
    fn work<'a>(
        &'a self,
        desk: &'a Desk<'a>,
        item: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, VariantError>>;
}

/// Why an item is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum VariantRefusal {
    /// The model's answer could not be read.
    Unanswered {
        /// What was wrong with it.
        problem: String,
    },
    /// The report of a bug quotes the code.
    Leaks {
        /// The line.
        line: String,
    },
    /// No test of the item fails without what it brought: there is no task.
    NothingTaken,
    /// A gate refused what an agent handed in.
    Gates {
        /// Who the agent was.
        role: &'static str,
        /// Why.
        reasons: Vec<Reason>,
    },
}

impl VariantRefusal {
    /// Returns its kind: of the first reason, where a gate refused.
    pub fn name(&self) -> String {
        match self {
            Self::Unanswered { .. } => "unanswered".to_owned(),
            Self::Leaks { .. } => "leaks".to_owned(),
            Self::NothingTaken => "nothing_taken".to_owned(),
            Self::Gates { role, reasons } => {
                let reason = reasons.first().map(Reason::name).unwrap_or_default();
                format!("{role}: {reason}")
            }
        }
    }
}

/// What came of an item.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// Whether a trajectory is kept.
    pub kept: bool,
    /// Attempts that were refused on the way, in order.
    pub refused: Vec<VariantRefusal>,
    /// Attempts of agents.
    pub n_attempts: u32,
    /// The best score, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// Which of the lines that the repair changes a reproduction runs, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_coverage: Option<ChangeCoverage>,
    /// The task in the shape of SWE-bench.
    #[serde(skip)]
    pub posed: Option<Posed>,
}

/// What came of a variant. This is also what its `report.json` holds.
#[derive(Clone, Debug, Serialize)]
pub struct VariantReport {
    /// The version of the layout of the records.
    pub format_version: u32,
    /// The variant.
    pub variant: &'static str,
    /// The items.
    pub items: BTreeMap<String, Outcome>,
}

impl VariantReport {
    /// Returns the number of items of which a trajectory is kept.
    pub fn n_kept(&self) -> usize {
        self.items.values().filter(|outcome| outcome.kept).count()
    }
}

/// Leaves the items that are asked for: all that are no tasks, and of the tasks those in `tasks`.
fn wanted(items: Vec<String>, tasks: &BTreeSet<TaskNumber>) -> Result<Vec<String>, VariantError> {
    let number = |item: &String| item.parse::<TaskNumber>().ok();
    let there: BTreeSet<TaskNumber> = items.iter().filter_map(number).collect();
    if !there.is_empty()
        && let Some(missing) = tasks.difference(&there).next()
    {
        return Err(VariantError::NotSolved { task: missing.to_string() });
    }
    let is_wanted = |item: &String| number(item).is_none_or(|number| tasks.contains(&number));
    Ok(items.into_iter().filter(|item| tasks.is_empty() || is_wanted(item)).collect())
}

/// Works on all items of a variant, and records what came of them in `RUN/variants/VARIANT`.
///
/// # Errors
///
/// Fails if the variant was made before, if the host fails or if the model cannot be asked.
pub async fn make(
    ctx: &Context,
    config: &VariantConfig,
    source: &Source,
    variant: &dyn Variant,
    events: &dyn ProgressSink,
) -> Result<VariantReport, VariantError> {
    let desk = Desk { ctx, config, source, events, variant: variant.name() };
    let folder = source.folder.join("variants").join(variant.name());
    if folder.join("report.json").exists() {
        return Err(VariantError::Exists { path: folder });
    }
    let failed = |error| VariantError::Folder { path: folder.clone(), source: error };
    fs_err::create_dir_all(&folder).map_err(failed)?;
    let items = wanted(variant.items(source), &config.tasks)?;
    let stage = variant.name().to_owned();
    events
        .event(&Progress::StageStarted { stage: stage.clone(), n_items: Some(items.len() as u64) });
    let mut report = VariantReport {
        format_version: FORMAT_VERSION,
        variant: variant.name(),
        items: BTreeMap::new(),
    };
    let mut posed = vec![];
    for item in items {
        let mut outcome = variant.work(&desk, &item).await?;
        events.event(&Progress::ItemFinished {
            stage: stage.clone(),
            item: item.clone(),
            ok: outcome.kept,
            summary: if outcome.kept { "kept" } else { "not kept" }.to_owned(),
        });
        posed.extend(outcome.posed.take());
        report.items.insert(item, outcome);
    }
    if !posed.is_empty() {
        instance::write_posed(&folder, variant.name(), &source.project.name, &posed)?;
    }
    write_json(&folder.join("report.json"), &report)?;
    let summary = format!("{} of {} kept", report.n_kept(), report.items.len());
    events.event(&Progress::StageFinished { stage, ok: report.n_kept() > 0, summary });
    Ok(report)
}
