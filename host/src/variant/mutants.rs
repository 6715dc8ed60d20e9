//! Mutants, and what tests make of them.
//!
//! Most mutants are tried in a warm process: pytest is started once, the changed code is put into the
//! functions that are there, the tests that run the changed line are run, and the code is taken out again.
//! That says too much of a mutant in two ways, and both are answered:
//!
//! * What one mutant leaves behind could make tests fail for the next. So after every 50 mutants the tests
//!   that failed are run once more without any: if one fails, nothing said since the last such control counts.
//! * What was computed when a module was imported does not change. So a mutant that survives, or that could
//!   not be put in, is tried again in a fresh process with the changed file.
//!
//! Loops without end are found by counting steps, so the machine's load decides nothing.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use playpen_runtime::Tree;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    baseline::Baseline,
    edits::{self, Lines, Site, edited},
    error::VariantError,
    suite::{Line, Selection, WorkerMutant},
};
use crate::{agent::report::TestOutcome, verify::gate::Run};

/// A change of the project, and the tests that run it.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The file.
    pub path: String,
    /// The change.
    pub site: Site,
    /// The tests that run a changed line, the most specific first.
    pub tests: Vec<String>,
}

impl Mutant {
    /// Returns the tree with the change.
    ///
    /// # Errors
    ///
    /// Fails if the file is not there.
    pub fn tree(&self, base: &Tree) -> Result<Tree, VariantError> {
        edited(base, &self.path, std::slice::from_ref(&self.site.edit))
    }
}

/// What tests made of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// Tests failed.
    Killed {
        /// These.
        by: BTreeSet<String>,
    },
    /// It took too many steps, or a limit ended it.
    Hung,
    /// No test failed.
    Survived,
    /// It could not be tried in a warm process, or what was seen there does not count.
    Unknown,
}

/// The mutants of some lines of a project.
#[derive(Clone, Debug, Default)]
pub struct Mutants {
    /// Those that tests run.
    pub mutants: Vec<Mutant>,
    /// Changes that were dropped because they change nothing.
    pub n_equivalent: usize,
}

/// Finds the mutants of `lines`.
///
/// # Errors
///
/// Fails if the host does.
pub async fn find(baseline: &Baseline, lines: &Lines) -> Result<Mutants, VariantError> {
    let found = edits::sites(&baseline.suite.fork(None), lines).await?;
    let mut mutants = Mutants::default();
    for (path, sites) in found {
        mutants.n_equivalent += sites.n_equivalent;
        for site in sites.sites {
            let tests = baseline.tests_of(&path, site.line, site.last_line());
            if !tests.is_empty() {
                mutants.mutants.push(Mutant { path: path.clone(), site, tests });
            }
        }
    }
    Ok(mutants)
}

/// Finds the mutants of `lines` that no test runs in its own process. All tests are said to run them.
///
/// # Errors
///
/// Fails if the host does.
pub async fn find_elsewhere(baseline: &Baseline, lines: &Lines) -> Result<Mutants, VariantError> {
    let found = edits::sites(&baseline.suite.fork(None), lines).await?;
    let mut mutants = Mutants::default();
    for (path, sites) in found {
        mutants.n_equivalent += sites.n_equivalent;
        let tests = || baseline.ids.iter().cloned().collect();
        let of_path = |site| Mutant { path: path.clone(), site, tests: tests() };
        mutants.mutants.extend(sites.sites.into_iter().map(of_path));
    }
    Ok(mutants)
}

/// Tries mutants in warm processes, `jobs` at a time.
///
/// With `all_tests` each is run against all of its tests, otherwise until one fails.
///
/// # Errors
///
/// Fails if the host does.
pub async fn screen(
    baseline: &Baseline,
    mutants: &[Mutant],
    jobs: usize,
    all_tests: bool,
) -> Result<Vec<Fate>, VariantError> {
    let work: Vec<WorkerMutant> = mutants.iter().enumerate().map(worker_mutant).collect();
    let share = work.len().div_ceil(jobs.max(1)).max(1);
    let patience = Arc::new(baseline.patience().clone());
    let shares: Vec<Vec<WorkerMutant>> = work.chunks(share).map(<[WorkerMutant]>::to_vec).collect();
    let said: Vec<Vec<Line>> = stream::iter(shares)
        .map(|share| {
            let (suite, patience) = (baseline.suite.clone(), Arc::clone(&patience));
            tokio::spawn(async move { suite.mutants(&share, &patience, all_tests).await })
        })
        .buffered(jobs.max(1))
        .map(|joined| joined.map_err(VariantError::from).and_then(std::convert::identity))
        .try_collect()
        .await?;
    Ok(fates(mutants.len(), said.into_iter().flatten()))
}

fn worker_mutant((id, mutant): (usize, &Mutant)) -> WorkerMutant {
    let edit = mutant.site.edit.clone();
    WorkerMutant {
        id,
        path: mutant.path.clone(),
        start: edit.start,
        end: edit.end,
        text: edit.text,
        tests: mutant.tests.clone(),
    }
}

/// Reads what was said of each mutant; what no control confirms is not believed.
fn fates(n_mutants: usize, lines: impl Iterator<Item = Line>) -> Vec<Fate> {
    let mut said: BTreeMap<usize, Fate> = BTreeMap::new();
    let mut fates = vec![Fate::Unknown; n_mutants];
    for line in lines {
        match line {
            Line::Mutant { mutant, how, tests } => {
                let fate = match how.as_str() {
                    "killed" => Fate::Killed { by: tests.into_iter().collect() },
                    "over_budget" => Fate::Hung,
                    "survived" => Fate::Survived,
                    _ => Fate::Unknown,
                };
                said.insert(mutant, fate);
            }
            Line::Control { ok: true, mutants } => {
                for mutant in mutants {
                    if let (Some(fate), Some(place)) = (said.remove(&mutant), fates.get_mut(mutant))
                    {
                        *place = fate;
                    }
                }
            }
            _ => {}
        }
    }
    fates
}

/// Tries mutants: in warm processes first, and again in fresh ones where that does not settle it.
///
/// # Errors
///
/// Fails if the host does.
pub async fn try_all(
    baseline: &Baseline,
    mutants: &[Mutant],
    jobs: usize,
    all_tests: bool,
) -> Result<Vec<Fate>, VariantError> {
    let mut fates = screen(baseline, mutants, jobs, all_tests).await?;
    let open: Vec<usize> = (0..fates.len())
        .filter(|idx| matches!(fates[*idx], Fate::Survived | Fate::Unknown))
        .collect();
    let settled: Vec<(usize, Fate)> = stream::iter(open)
        .map(|idx| {
            let (baseline, mutant) = (baseline.clone(), mutants[idx].clone());
            tokio::spawn(async move { Ok((idx, fresh(&baseline, &mutant).await?)) })
        })
        .buffered(jobs.max(1))
        .map(|joined| joined.map_err(VariantError::from).and_then(std::convert::identity))
        .try_collect()
        .await?;
    for (idx, fate) in settled {
        fates[idx] = fate;
    }
    Ok(fates)
}

/// Tries a mutant in a process of its own.
async fn fresh(baseline: &Baseline, mutant: &Mutant) -> Result<Fate, VariantError> {
    let tree = mutant.tree(&baseline.suite.tree())?;
    let ids: BTreeSet<String> = mutant.tests.iter().cloned().collect();
    let run = baseline.bounded().run(Some(&tree), &Selection::of(ids.clone(), 0)).await?;
    if run.stopped.is_some() {
        return Ok(Fate::Hung);
    }
    let by = failing(&run, &ids);
    Ok(if by.is_empty() { Fate::Survived } else { Fate::Killed { by } })
}

/// Returns those of `ids` that did not pass in `run`, those that it does not mention included.
pub(super) fn failing(run: &Run, ids: &BTreeSet<String>) -> BTreeSet<String> {
    let (results, _) = run.report.by_id();
    let passed = |id: &&String| {
        results.get(id.as_str()).is_some_and(|result| result.outcome == TestOutcome::Passed)
    };
    ids.iter().filter(|id| !passed(id)).cloned().collect()
}
