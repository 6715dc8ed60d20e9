//! Bugs without a model: small changes of a finished project that some of its tests see.
//!
//! Candidates are taken function by function, so that bugs are spread over the project; they are screened in
//! a warm process, and what is left is validated in fresh ones: all tests in one order, then those that failed and
//! some others in the opposite one. The same tests must fail, others must go on passing, and nothing may be lost
//! from the collection.

use futures_util::{StreamExt as _, stream};
use playpen_runtime::Tree;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use super::{
    baseline::Baseline,
    edits::{Edit, Site, edited},
    error::VariantError,
    mutants::{self, Fate, Mutant, failing},
    repository::Repository,
    suite::Selection,
};
use crate::{
    agent::report::TestOutcome,
    context::Context,
    progress::{Progress, ProgressSink},
    verify::gate::Run,
};

mod combine;
pub use combine::combine;

/// The stage's name in progress events.
pub(super) const STAGE: &str = "procedural";

/// Mutants that are screened at a time, in percent of the bugs that are still wanted: most of them are seen by a
/// test, and what is screened in vain costs as well.
const SCREENED_PERCENT: usize = 140;

/// Tests beside the broken ones that are run in the second order.
const MAX_AGAIN: usize = 20;

/// Tests of a project, up to which all of them are run for each candidate, and not only those that run its
/// lines. Of a larger project all are run for lines whose result is remembered.
const MAX_CHEAP_TESTS: usize = 500;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct ProceduralConfig {
    /// How many bugs.
    pub n_bugs: usize,
    /// How many bugs in one function at most.
    pub max_per_function: usize,
    /// The largest part of the tests that a bug may break; one that breaks more is no puzzle.
    pub max_broken: f64,
    /// Decides which candidates are tried first.
    pub seed: u64,
    /// Processes at a time.
    pub jobs: usize,
    /// Computing time of one run of the tests.
    pub cpu: Duration,
    /// The folder for the data set, where one is wanted.
    pub output: Option<PathBuf>,
}

impl Default for ProceduralConfig {
    /// 50 bugs, at most 3 in a function, none that breaks more than half of the tests; two processes
    /// at a time, two minutes of computing for a run.
    fn default() -> Self {
        Self {
            n_bugs: 50,
            max_per_function: 3,
            max_broken: 0.5,
            seed: 0,
            jobs: 2,
            cpu: Duration::from_mins(2),
            output: None,
        }
    }
}

/// A function: its file, and its name with its classes.
type Function = (String, String);

/// A bug that was validated.
#[derive(Clone, Debug)]
pub struct Bug {
    /// What is changed: one place, or several for a combination.
    pub places: Vec<(String, Site)>,
    /// The project with the bug.
    pub tree: Tree,
    /// Tests that fail with it.
    pub fail_to_pass: BTreeSet<String>,
    /// Tests that pass with it.
    pub pass_to_pass: BTreeSet<String>,
    /// How the failing tests failed: the exception and its first line.
    pub failures: BTreeMap<String, (String, String)>,
}

impl Bug {
    /// Returns a name that depends on what is changed and on nothing else.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (path, site) in &self.places {
            hasher.update(format!("{path}\0{}\0{}\0", site.function, site.hash).as_bytes());
        }
        hasher.finalize().to_hex()[..8].to_owned()
    }

    /// Returns how hard it may be, as far as that can be counted.
    pub fn difficulty(&self) -> Difficulty {
        let files: BTreeSet<&String> = self.places.iter().map(|(path, _)| path).collect();
        let n_lines = |site: &Site| 1 + site.original.matches('\n').count();
        Difficulty {
            n_places: self.places.len(),
            n_files: files.len(),
            n_lines: self.places.iter().map(|(_, site)| n_lines(site)).sum(),
            n_tests_broken: self.fail_to_pass.len(),
            n_tests_kept: self.pass_to_pass.len(),
        }
    }
}

/// What can be counted of a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Difficulty {
    /// Places that are changed.
    pub n_places: usize,
    /// Files that are changed.
    pub n_files: usize,
    /// Lines that are changed.
    pub n_lines: usize,
    /// Tests that fail.
    pub n_tests_broken: usize,
    /// Tests that pass all the same.
    pub n_tests_kept: usize,
}

/// Why a candidate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No test sees it.
    Unseen,
    /// A test takes too long with it.
    Hangs,
    /// A limit ended the run, or the run did not come to its end.
    Incomplete,
    /// Tests can no longer be collected.
    NotCollected,
    /// It breaks too many tests.
    BreaksTooMuch,
    /// Not the same tests fail in another order.
    Unstable,
    /// Fewer tests than expected: none fails, or none is left that passes.
    NothingLeft,
    /// One place of a combination changes nothing beside the others.
    Redundant,
}

/// How many candidates went where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Funnel {
    /// Changes that compile, on lines that tests run.
    pub n_sites: usize,
    /// Changes that were dropped before, because the compiled code stays the same.
    pub n_equivalent: usize,
    /// Candidates that were screened.
    pub n_screened: usize,
    /// Candidates that were run in fresh processes.
    pub n_validated: usize,
    /// Bugs that were kept.
    pub n_kept: usize,
    /// The others, by reason.
    pub refused: BTreeMap<Refusal, usize>,
}

impl Funnel {
    fn refuse(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal).or_default() += 1;
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Procedural {
    /// The bugs.
    pub bugs: Vec<Bug>,
    /// Where the candidates went.
    pub funnel: Funnel,
    /// The project's tests.
    pub baseline: Baseline,
    /// Computing time in the sandbox.
    pub cpu: Duration,
}

/// Makes bugs in `repository`.
///
/// # Errors
///
/// Fails if the host does, or if the project has no tests that pass.
pub async fn procedural(
    ctx: &Context,
    repository: &Repository,
    config: &ProceduralConfig,
    events: &dyn ProgressSink,
) -> Result<Procedural, VariantError> {
    let n_items = Some(config.n_bugs as u64);
    events.event(&Progress::StageStarted { stage: STAGE.to_owned(), n_items });
    let baseline = Baseline::new(ctx, repository, config.cpu).await?;
    let text = format!(
        "{}: {} tests pass each time, {} are left out",
        repository.name,
        baseline.ids.len(),
        baseline.left_out.len()
    );
    events.event(&Progress::Note { text });
    let found = mutants::find(&baseline, &baseline.lines).await?;
    let mut search = Search {
        baseline: &baseline,
        config,
        events,
        bugs: vec![],
        funnel: Funnel {
            n_sites: found.mutants.len(),
            n_equivalent: found.n_equivalent,
            ..Funnel::default()
        },
        per_function: BTreeMap::new(),
    };
    search.work(in_turn(found.mutants, config.seed)).await?;
    let Search { bugs, mut funnel, .. } = search;
    funnel.n_kept = bugs.len();
    let summary = format!("{} bugs of {} candidates", funnel.n_kept, funnel.n_screened);
    events.event(&Progress::StageFinished {
        stage: STAGE.to_owned(),
        ok: !bugs.is_empty(),
        summary,
    });
    let cpu = baseline.suite.cpu();
    Ok(Procedural { bugs, funnel, baseline, cpu })
}

/// Puts candidates in an order that a seed decides: one of each function, then the second of each.
fn in_turn(mutants: Vec<Mutant>, seed: u64) -> Vec<Mutant> {
    let key = |mutant: &Mutant| {
        let Mutant { path, site, .. } = mutant;
        let text =
            format!("{seed}\0{path}\0{}\0{}\0{}", site.edit.start, site.edit.end, site.edit.text);
        *blake3::hash(text.as_bytes()).as_bytes()
    };
    let mut functions: BTreeMap<Function, Vec<([u8; 32], Mutant)>> = BTreeMap::new();
    for mutant in mutants {
        let function = (mutant.path.clone(), mutant.site.function.clone());
        functions.entry(function).or_default().push((key(&mutant), mutant));
    }
    let mut ranked = vec![];
    for mut list in functions.into_values() {
        list.sort_by_key(|(key, _)| *key);
        ranked
            .extend(list.into_iter().enumerate().map(|(rank, (key, mutant))| (rank, key, mutant)));
    }
    ranked.sort_by_key(|(rank, key, _)| (*rank, *key));
    ranked.into_iter().map(|(.., mutant)| mutant).collect()
}

/// A search under way.
#[derive(Debug)]
struct Search<'a> {
    baseline: &'a Baseline,
    config: &'a ProceduralConfig,
    events: &'a dyn ProgressSink,
    bugs: Vec<Bug>,
    funnel: Funnel,
    per_function: BTreeMap<Function, usize>,
}

impl Search<'_> {
    /// Goes through the candidates until there are enough bugs.
    async fn work(&mut self, candidates: Vec<Mutant>) -> Result<(), VariantError> {
        let mut rest = candidates.as_slice();
        while !rest.is_empty() && self.bugs.len() < self.config.n_bugs {
            let n_wanted = (self.config.n_bugs - self.bugs.len()) * SCREENED_PERCENT / 100;
            let (now, later) = rest.split_at(n_wanted.max(20).min(rest.len()));
            rest = later;
            let now: Vec<Mutant> =
                now.iter().filter(|mutant| self.has_room(mutant)).cloned().collect();
            let seen = self.screen(now).await?;
            self.validate(seen).await?;
        }
        Ok(())
    }

    fn has_room(&self, mutant: &Mutant) -> bool {
        let function = (mutant.path.clone(), mutant.site.function.clone());
        self.per_function.get(&function).copied().unwrap_or(0) < self.config.max_per_function
    }

    /// Keeps the candidates that a test sees.
    async fn screen(&mut self, candidates: Vec<Mutant>) -> Result<Vec<Mutant>, VariantError> {
        let fates = mutants::screen(self.baseline, &candidates, self.config.jobs, false).await?;
        self.funnel.n_screened += candidates.len();
        let mut seen = vec![];
        for (mutant, fate) in candidates.into_iter().zip(fates) {
            match fate {
                Fate::Killed { .. } | Fate::Unknown => seen.push(mutant),
                Fate::Survived => self.funnel.refuse(Refusal::Unseen),
                Fate::Hung => self.funnel.refuse(Refusal::Hangs),
            }
        }
        Ok(seen)
    }

    /// Runs the tests of candidates in fresh processes, until there are enough bugs.
    async fn validate(&mut self, candidates: Vec<Mutant>) -> Result<(), VariantError> {
        let (baseline, config) = (self.baseline, self.config);
        let mut judged = stream::iter(candidates)
            .map(|mutant| {
                let (baseline, max_broken) = (baseline.clone(), config.max_broken);
                let judge = async move { judge(&baseline, &[mutant], max_broken).await };
                tokio::spawn(judge)
            })
            .buffered(config.jobs.max(1));
        while let Some(joined) = judged.next().await {
            self.funnel.n_validated += 1;
            match joined?? {
                Ok(bug) => self.keep(bug),
                Err(refusal) => self.funnel.refuse(refusal),
            }
            if self.bugs.len() >= config.n_bugs {
                break;
            }
        }
        Ok(())
    }

    fn keep(&mut self, bug: Bug) {
        let (path, site) = &bug.places[0];
        let function = self.per_function.entry((path.clone(), site.function.clone())).or_default();
        if *function >= self.config.max_per_function {
            return;
        }
        *function += 1;
        self.events.event(&Progress::ItemFinished {
            stage: STAGE.to_owned(),
            item: bug.digest(),
            ok: true,
            summary: format!(
                "{} in `{}`: {} tests fail",
                site.operator,
                site.function,
                bug.fail_to_pass.len()
            ),
        });
        self.bugs.push(bug);
    }
}

/// Runs the tests that changes touch, in two orders, and says what kind of bug they make.
async fn judge(
    baseline: &Baseline,
    changes: &[Mutant],
    max_broken: f64,
) -> Result<Result<Bug, Refusal>, VariantError> {
    let suite = baseline.bounded();
    let tree = changed(&suite.tree(), changes)?;
    let ids: BTreeSet<String> =
        changes.iter().flat_map(|mutant| mutant.tests.iter().cloned()).collect();
    // A test may depend on what another one computed; where that is known, or all are cheap, all are run.
    let is_remembered = |mutant: &Mutant| {
        baseline.is_remembered(&mutant.path, mutant.site.line, mutant.site.last_line())
    };
    let is_whole = baseline.ids.len() <= MAX_CHEAP_TESTS || changes.iter().any(is_remembered);
    let (all, selection) = if is_whole {
        (&baseline.ids, Selection::of(baseline.ids.clone(), 1))
    } else {
        (&ids, Selection::narrow(ids.clone(), 1))
    };
    let first = suite.run(Some(&tree), &selection).await?;
    if let Some(refusal) = flaw(&first, all) {
        return Ok(Err(refusal));
    }
    let broken = failing(&first, all);
    let pass_to_pass: BTreeSet<String> = baseline.ids.difference(&broken).cloned().collect();
    if broken.is_empty() || pass_to_pass.is_empty() {
        return Ok(Err(Refusal::NothingLeft));
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of some thousands of tests")]
    let share = broken.len() as f64 / baseline.ids.len() as f64;
    if share > max_broken {
        return Ok(Err(Refusal::BreaksTooMuch));
    }
    // The other way round: those that fail, and some that run the changed lines and do not.
    let beside = ids.difference(&broken).take(MAX_AGAIN);
    let again: BTreeSet<String> = broken.iter().chain(beside).cloned().collect();
    let second = suite.run(Some(&tree), &Selection::narrow(again.clone(), 0)).await?;
    if let Some(refusal) = flaw(&second, &again) {
        return Ok(Err(refusal));
    }
    if failing(&second, &again) != broken {
        return Ok(Err(Refusal::Unstable));
    }
    let places = changes.iter().map(|mutant| (mutant.path.clone(), mutant.site.clone())).collect();
    let failures = failures(&first, &broken);
    Ok(Ok(Bug { places, tree, fail_to_pass: broken, pass_to_pass, failures }))
}

/// Returns `base` with all the changes.
fn changed(base: &Tree, changes: &[Mutant]) -> Result<Tree, VariantError> {
    let mut by_file: BTreeMap<&str, Vec<Edit>> = BTreeMap::new();
    for mutant in changes {
        by_file.entry(&mutant.path).or_default().push(mutant.site.edit.clone());
    }
    let mut tree = base.clone();
    for (path, edits) in by_file {
        tree = edited(&tree, path, &edits)?;
    }
    Ok(tree)
}

/// Says what is wrong with a run as a whole.
fn flaw(run: &Run, ids: &BTreeSet<String>) -> Option<Refusal> {
    let has_no_end = run.report.exit_status.is_none();
    if run.stopped.is_none() && has_no_end && run.report.results.is_empty() {
        // A `conftest.py` that cannot be imported ends pytest before it begins.
        return Some(Refusal::NotCollected);
    }
    if run.stopped.is_some() || has_no_end || run.report.n_malformed > 0 {
        return Some(Refusal::Incomplete);
    }
    let (results, _) = run.report.by_id();
    let is_lost = ids.iter().any(|id| !results.contains_key(id.as_str()));
    (is_lost || !run.report.collect_errors.is_empty()).then_some(Refusal::NotCollected)
}

/// Returns how tests failed.
fn failures(run: &Run, ids: &BTreeSet<String>) -> BTreeMap<String, (String, String)> {
    let (results, _) = run.report.by_id();
    let failed = ids.iter().filter_map(|id| results.get(id.as_str()));
    failed
        .filter(|result| result.outcome != TestOutcome::Passed)
        .map(|result| (result.id.clone(), (result.exception.clone(), result.message.clone())))
        .collect()
}
