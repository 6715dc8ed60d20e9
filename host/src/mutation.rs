//! Mutation testing of new tests: whether they notice when the code that they test is changed.
//!
//! Once an implementation passes the tests of a task, its new lines are changed, one small change at a time, and the
//! tests are run on each mutant ([`variant::mutants`](crate::variant::mutants)). The score is the part of the mutants
//! that some test notices.
//!
//! # Invariants
//!
//! * **Only what the task brought, and only what its tests run**: a mutant on a line that no test runs says that
//!   the line is not tested, which is known without it. Where no test runs any new line in its own process, some of
//!   them are changed all the same, for tests that start the code in another one.
//! * **Not measured is not passed**: tests get through without a mutant only if there is nothing that can be changed.
//! * **Mutants that change nothing do not count**: those whose compiled code stays the same are dropped.
//! * **No clock decides.** Tests that hang are found by their steps, and mutants are drawn by a hash.

use playpen_runtime::Tree;
use serde::{Deserialize, Serialize};
use similar::{DiffOp, TextDiff};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    context::Context,
    record::FORMAT_VERSION,
    variant::{
        VariantError,
        baseline::Baseline,
        edits::Lines,
        mutants::{self, Fate, Mutant},
        repository::Repository,
    },
    verify::gate::{Gate, Reason, Verdict},
};

/// Mutants below which percents say little: then half of them have to be noticed, and one at least.
const MIN_MUTANTS: usize = 5;

/// Mutants that are tried where no test runs a new line in its own process: each needs a fresh one.
const MAX_ELSEWHERE: usize = 12;

/// Mutants that survived of which the test writer is told.
const MAX_TOLD: usize = 12;

/// How tests are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MutationConfig {
    /// The part of the mutants that must be noticed, in percent.
    pub min_percent: u32,
    /// Mutants that are tried at most, drawn from all of them.
    pub max_mutants: usize,
    /// Processes at a time.
    pub jobs: usize,
    /// Computing time of one run of the tests.
    pub cpu: Duration,
}

impl Default for MutationConfig {
    /// 60 percent of at most 60 mutants; two processes at a time, two minutes of computing for a run.
    fn default() -> Self {
        Self { min_percent: 60, max_mutants: 60, jobs: 2, cpu: Duration::from_mins(2) }
    }
}

/// What is measured: the tests with these ids, by what `after` has and `before` has not.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The project's name.
    pub name: &'a str,
    /// The project before the implementation.
    pub before: &'a Tree,
    /// The project with it, and with the tests.
    pub after: &'a Tree,
    /// The tests.
    pub ids: &'a BTreeSet<String>,
}

/// How many mutants were noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Mutants that a test noticed.
    pub n_killed: usize,
    /// Mutants that were tried.
    pub n_mutants: usize,
}

impl Score {
    /// Returns whether at least `percent` of the mutants were noticed; of very few, half.
    pub fn reaches(self, percent: u32) -> bool {
        let percent = if self.n_mutants < MIN_MUTANTS { percent.min(50) } else { percent };
        self.n_killed * 100 >= self.n_mutants * percent as usize
    }
}

/// A mutant that no test noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survivor {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The function, with its classes.
    pub function: String,
    /// The kind of change.
    pub operator: String,
    /// What is there.
    pub original: String,
    /// What was there instead.
    pub changed: String,
}

/// What came of a measurement. This is also what `mutation.json` holds, without times.
#[derive(Clone, Debug, Serialize)]
pub struct Mutation {
    /// The version of the layout of the records.
    pub format_version: u32,
    /// What the gate said.
    pub verdict: Verdict,
    /// How many mutants were noticed.
    pub score: Score,
    /// The same for each test: of the mutants on lines that it runs, those that it notices.
    pub by_test: BTreeMap<String, Score>,
    /// Mutants that no test noticed.
    pub survivors: Vec<Survivor>,
    /// Changes that compile, on lines that the tests run.
    pub n_sites: usize,
    /// Changes that were dropped because the compiled code stays the same.
    pub n_equivalent: usize,
    /// Tests that could not be used, and why.
    pub left_out: BTreeMap<String, String>,
}

/// What a clock and the sandbox's meter said about a measurement.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MutationTimes {
    /// How long it took, in microseconds.
    pub elapsed_us: u64,
    /// Computing until the mutants were known, in microseconds.
    pub baseline_cpu_us: u64,
    /// Computing for the mutants, in microseconds.
    pub mutants_cpu_us: u64,
}

/// Measures tests.
///
/// # Errors
///
/// Fails if the host does.
pub async fn measure(
    ctx: &Context,
    config: MutationConfig,
    what: &Measured<'_>,
) -> Result<(Mutation, MutationTimes), VariantError> {
    let started = Instant::now();
    let repository = repository(what)?;
    let lines = new_lines(what.before, what.after, &repository.sources);
    let baseline = match Baseline::of_stable(ctx, &repository, config.cpu).await {
        Ok(baseline) => baseline,
        // The verifier saw them pass, but no line of what they run is known.
        Err(VariantError::NoTests { .. }) => {
            return Ok((unmeasured(what), MutationTimes::default()));
        }
        Err(error) => return Err(error),
    };
    let covered = intersection(&lines, &baseline.lines);
    let mut found = mutants::find(&baseline, &covered).await?;
    let mut max_mutants = config.max_mutants;
    if found.mutants.is_empty() {
        found = mutants::find_elsewhere(&baseline, &lines).await?;
        max_mutants = max_mutants.min(MAX_ELSEWHERE);
    }
    let baseline_cpu = baseline.suite.cpu();
    let n_sites = found.mutants.len();
    let drawn = draw(found.mutants, max_mutants);
    let fates = mutants::try_all(&baseline, &drawn, config.jobs, true).await?;
    let mut mutation = judge(config, &drawn, &fates);
    mutation.n_sites = n_sites;
    mutation.n_equivalent = found.n_equivalent;
    let left_out = baseline.left_out.iter().filter(|(id, _)| what.ids.contains(*id));
    mutation.left_out = left_out.map(|(id, why)| (id.clone(), (*why).to_owned())).collect();
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let times = MutationTimes {
        elapsed_us: micros(started.elapsed()),
        baseline_cpu_us: micros(baseline_cpu),
        mutants_cpu_us: micros(baseline.suite.cpu().saturating_sub(baseline_cpu)),
    };
    Ok((mutation, times))
}

/// Makes a project whose tests are those that are measured.
fn repository(what: &Measured<'_>) -> Result<Repository, VariantError> {
    let mut tree = what.after.clone();
    tree.remove(".git")?;
    let files: BTreeSet<&str> = what.ids.iter().filter_map(|id| id.split("::").next()).collect();
    let all = ["tests".to_owned()];
    let mut repository = Repository::new(tree, Tree::new(), &all, what.name)?;
    repository.test_paths = files.into_iter().map(str::to_owned).collect();
    Ok(repository)
}

/// Returns the lines of `sources` that are in `after` and not in `before`.
pub(crate) fn new_lines(before: &Tree, after: &Tree, sources: &BTreeSet<String>) -> Lines {
    let text = |tree: &Tree, path: &str| {
        tree.read(path).map(|data| String::from_utf8_lossy(&data).into_owned()).unwrap_or_default()
    };
    let mut lines = Lines::new();
    for path in sources {
        let (old, new) = (text(before, path), text(after, path));
        let diff = TextDiff::from_lines(&old, &new);
        let changed = diff.ops().iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
        let numbers: BTreeSet<u32> = changed
            .flat_map(DiffOp::new_range)
            .filter_map(|line_idx| u32::try_from(line_idx + 1).ok())
            .collect();
        if !numbers.is_empty() {
            lines.insert(path.clone(), numbers);
        }
    }
    lines
}

fn intersection(one: &Lines, other: &Lines) -> Lines {
    let both = one.iter().filter_map(|(path, lines)| {
        let common: BTreeSet<u32> = lines.intersection(other.get(path)?).copied().collect();
        (!common.is_empty()).then(|| (path.clone(), common))
    });
    both.collect()
}

/// Draws mutants by a hash of what they are, and puts them back in order.
fn draw(mutants: Vec<Mutant>, max_mutants: usize) -> Vec<Mutant> {
    let key = |mutant: &Mutant| {
        let edit = &mutant.site.edit;
        let text = format!("{}\0{}\0{}\0{}", mutant.path, edit.start, edit.end, edit.text);
        *blake3::hash(text.as_bytes()).as_bytes()
    };
    let mut ranked: Vec<([u8; 32], Mutant)> =
        mutants.into_iter().map(|mutant| (key(&mutant), mutant)).collect();
    ranked.sort_by_key(|(key, _)| *key);
    ranked.truncate(max_mutants);
    let mut drawn: Vec<Mutant> = ranked.into_iter().map(|(_, mutant)| mutant).collect();
    drawn.sort_by(|a, b| (&a.path, &a.site.edit).cmp(&(&b.path, &b.site.edit)));
    drawn
}

/// Counts, and asks the gate.
fn judge(config: MutationConfig, mutants: &[Mutant], fates: &[Fate]) -> Mutation {
    let mut score = Score::default();
    let mut by_test: BTreeMap<String, Score> = BTreeMap::new();
    let mut survivors = vec![];
    for (mutant, fate) in mutants.iter().zip(fates) {
        let is_killed = matches!(fate, Fate::Killed { .. } | Fate::Hung);
        score.n_mutants += 1;
        score.n_killed += usize::from(is_killed);
        if !is_killed {
            survivors.push(survivor(mutant));
        }
        for test in &mutant.tests {
            let own = by_test.entry(test.clone()).or_default();
            own.n_mutants += 1;
            own.n_killed += usize::from(match fate {
                Fate::Killed { by } => by.contains(test),
                // Which of the tests would have hung is not known.
                Fate::Hung => true,
                Fate::Survived | Fate::Unknown => false,
            });
        }
    }
    let reasons =
        if score.reaches(config.min_percent) { vec![] } else { reasons(config, score, &survivors) };
    Mutation {
        format_version: FORMAT_VERSION,
        verdict: Verdict::new(Gate::Mutation, reasons),
        score,
        by_test,
        survivors,
        n_sites: 0,
        n_equivalent: 0,
        left_out: BTreeMap::new(),
    }
}

fn reasons(config: MutationConfig, score: Score, survivors: &[Survivor]) -> Vec<Reason> {
    let Score { n_killed, n_mutants } = score;
    let mut reasons =
        vec![Reason::WeakTests { n_killed, n_mutants, min_percent: config.min_percent }];
    reasons.extend(survivors.iter().take(MAX_TOLD).map(|survivor| Reason::Survives {
        path: survivor.path.clone(),
        line: u64::from(survivor.line),
        function: survivor.function.clone(),
        original: survivor.original.clone(),
        changed: survivor.changed.clone(),
    }));
    reasons
}

fn survivor(mutant: &Mutant) -> Survivor {
    let site = &mutant.site;
    Survivor {
        path: mutant.path.clone(),
        line: site.line,
        function: site.function.clone(),
        operator: site.operator.clone(),
        original: site.original.clone(),
        changed: site.edit.text.clone(),
    }
}

/// Returns what is said where no test could be used.
fn unmeasured(what: &Measured<'_>) -> Mutation {
    let left_out = what.ids.iter().map(|id| (id.clone(), "it does not pass each time".to_owned()));
    let verdict = Verdict::new(Gate::Mutation, vec![Reason::NotMeasured]);
    Mutation { verdict, left_out: left_out.collect(), ..judge(MutationConfig::default(), &[], &[]) }
}

#[cfg(test)]
mod tests {
    use super::{Measured, Mutation, MutationConfig, Score, measure, new_lines};
    use crate::{
        agent::testing::{ScriptedModel, context},
        context::Context,
        verify::gate::Reason,
    };
    use playpen_runtime::Tree;
    use std::{collections::BTreeSet, sync::Arc};

    const ID: &str = "tests/test_double.py::test_double";

    /// Measures a test that goes `n_rounds` times through a loop before it asks anything.
    async fn measured(ctx: &Context, n_rounds: u32) -> Mutation {
        let tree = |body: &str| {
            let test = format!(
                "from double import double\n\n\ndef test_double():\n    for _ in range({n_rounds}):\n        \
                 pass\n    assert double(2) == 4\n"
            );
            let mut tree = Tree::new();
            let code = format!("def double(n):\n    {body}\n");
            tree.write("double.py", code, 0o644).unwrap();
            tree.write("tests/test_double.py", test, 0o644).unwrap();
            tree
        };
        let (before, after) = (tree("raise NotImplementedError"), tree("return n + n"));
        let ids = BTreeSet::from([ID.to_owned()]);
        let what = Measured { name: "double", before: &before, after: &after, ids: &ids };
        measure(ctx, MutationConfig::default(), &what).await.unwrap().0
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn tests_of_which_none_can_be_used_are_not_measured() {
        let Some(ctx) = context(Arc::new(ScriptedModel::answers(vec![]))) else { return };
        let quick = measured(&ctx, 3).await;
        assert!(quick.verdict.passed && quick.score.n_mutants > 0, "{quick:?}");
        let slow = measured(&ctx, 400_000).await;
        assert!(!slow.verdict.passed, "{slow:?}");
        assert_eq!(slow.verdict.reasons, [Reason::NotMeasured]);
        assert_eq!(slow.left_out.keys().collect::<Vec<_>>(), [ID]);
        assert_eq!(slow.score, Score::default());
    }

    #[test]
    fn only_new_lines_are_changed() {
        let tree = |text: &str| {
            let mut tree = Tree::new();
            tree.write("a.py", text.to_owned(), 0o644).unwrap();
            tree
        };
        let (before, after) = (tree("a\nb\nc\n"), tree("a\nx\ny\nc\nd\n"));
        let lines = new_lines(&before, &after, &BTreeSet::from(["a.py".to_owned()]));
        assert_eq!(lines["a.py"], BTreeSet::from([2, 3, 5]));
        assert!(new_lines(&after, &after, &BTreeSet::from(["a.py".to_owned()])).is_empty());
    }

    #[test]
    fn of_few_mutants_half_have_to_be_noticed() {
        let score = |n_killed, n_mutants| Score { n_killed, n_mutants };
        assert!(!score(0, 1).reaches(60) && !score(1, 4).reaches(60) && !score(1, 3).reaches(60));
        assert!(score(0, 0).reaches(60) && score(1, 2).reaches(60) && score(2, 4).reaches(60));
        assert!(!score(2, 5).reaches(60));
        assert!(score(3, 5).reaches(60));
    }
}
