//! What can be said of a project before anything is changed: which tests pass each time, and which test
//! runs which line.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    edits::Lines,
    error::VariantError,
    repository::Repository,
    suite::{Line, Selection, Suite},
};
use crate::{agent::report::TestOutcome, context::Context, verify::gate::Run};

/// Orders in which the tests are run before anything is changed.
const ORDERS: [u64; 3] = [0, 1, 20_260_101];

/// Steps that each test with a mutant may take at least: a short one may become long and not hang.
const MIN_PATIENCE: u64 = 30_000;

/// How many times longer than all tests together one run of tests with a bug may compute, and what it may in any
/// case.
const MOST_TIMES: u32 = 4;
const MIN_CPU: Duration = Duration::from_secs(5);

/// A test as it was traced: steps, id, lines, whether it is slow, whether it passed.
type Traced<'a> = (u64, &'a String, &'a Vec<(usize, u32, u32)>, bool, bool);

/// A project whose tests are known.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Runs its tests.
    pub suite: Suite,
    /// The ids that passed in each run.
    pub ids: BTreeSet<String>,
    /// The other ids, and why they are left out.
    pub left_out: BTreeMap<String, &'static str>,
    /// Lines that tests ran, by file.
    pub lines: Lines,
    coverage: BTreeMap<(String, u32), BTreeSet<u32>>,
    shared: BTreeSet<(String, u32)>,
    /// Lines that other tests run where the order is another one: what one test computes is remembered, and hides
    /// from the trace that the next ones depend on it.
    remembered: BTreeSet<(String, u32)>,
    /// The ids by number, those that run the fewest lines first.
    order: Vec<String>,
    /// Steps after which each test with a mutant counts as one that hangs.
    patience: BTreeMap<String, u64>,
    /// What one run of tests with a mutant may compute.
    most_cpu: Duration,
}

impl Baseline {
    /// Traces the tests forwards and backwards, and runs them three times, each in another order.
    ///
    /// # Errors
    ///
    /// Fails if the host does, or if no test passes each time.
    pub async fn new(
        ctx: &Context,
        repository: &Repository,
        cpu: Duration,
    ) -> Result<Baseline, VariantError> {
        Baseline::in_orders(ctx, repository, cpu, &ORDERS).await
    }

    /// Traces the tests once and runs them once: for tests that are known to be stable.
    ///
    /// # Errors
    ///
    /// Fails if the host does, or if no test passes.
    pub async fn of_stable(
        ctx: &Context,
        repository: &Repository,
        cpu: Duration,
    ) -> Result<Baseline, VariantError> {
        Baseline::in_orders(ctx, repository, cpu, &ORDERS[..1]).await
    }

    async fn in_orders(
        ctx: &Context,
        repository: &Repository,
        cpu: Duration,
        orders: &[u64],
    ) -> Result<Baseline, VariantError> {
        let mut suite = Suite::open(ctx, repository, cpu)?;
        let files: Vec<String> = repository.sources.iter().cloned().collect();
        let (lines, hanging) = suite.trace(&files, 0).await?;
        let mut baseline = Baseline::of_trace(suite, &files, &lines, hanging);
        if orders.len() > 1 {
            let (lines, _) = baseline.suite.trace(&files, 1).await?;
            baseline.compare(&files, &lines);
        }
        let candidates = baseline.ids.clone();
        if candidates.is_empty() && !baseline.left_out.is_empty() {
            let said = baseline.why_left_out();
            return Err(VariantError::NoTests { repo: repository.name.clone(), said });
        }
        let mut said = String::new();
        let mut longest = Duration::ZERO;
        for order in orders {
            let before = baseline.suite.cpu();
            let run = baseline.suite.run(None, &Selection::of(candidates.clone(), *order)).await?;
            longest = longest.max(baseline.suite.cpu().saturating_sub(before));
            said.clone_from(&run.last_words);
            baseline.keep_passing(&run);
        }
        baseline.most_cpu = longest * MOST_TIMES + MIN_CPU;
        if baseline.ids.is_empty() {
            return Err(VariantError::NoTests { repo: repository.name.clone(), said });
        }
        Ok(baseline)
    }

    /// Says why tests are left out, with one of them.
    fn why_left_out(&self) -> String {
        let (n, first) = (self.left_out.len(), self.left_out.first_key_value());
        first.map_or_else(String::new, |(id, why)| {
            format!("of {n} left out, the first is `{id}`: {why}")
        })
    }

    fn of_trace(
        suite: Suite,
        files: &[String],
        lines: &[Line],
        hanging: BTreeSet<String>,
    ) -> Baseline {
        let mut traced: Vec<Traced<'_>> = vec![];
        let mut shared = BTreeSet::new();
        for line in lines {
            match line {
                Line::Traced { id, ticks, slow, lines, passed } => {
                    traced.push((*ticks, id, lines, *slow, *passed));
                }
                Line::Shared { lines } => {
                    shared.extend(each(files, lines).map(|(file, line)| (file.to_owned(), line)));
                }
                _ => {}
            }
        }
        // The most specific test first: it is the one that a change breaks soonest and cheapest.
        traced.sort_by_key(|(ticks, id, lines, ..)| {
            (
                lines.iter().map(|(_, first, last)| last - first + 1).sum::<u32>(),
                *ticks,
                (*id).clone(),
            )
        });
        let mut baseline = Baseline {
            suite,
            ids: BTreeSet::new(),
            left_out: hanging.into_iter().map(|id| (id, "it hangs")).collect(),
            lines: Lines::new(),
            coverage: BTreeMap::new(),
            shared,
            remembered: BTreeSet::new(),
            order: vec![],
            patience: BTreeMap::new(),
            most_cpu: Duration::MAX,
        };
        for (ticks, id, lines, slow, passed) in traced {
            if slow || !passed {
                let why = if slow { "it takes too many steps" } else { "it does not pass" };
                baseline.left_out.insert(id.clone(), why);
                continue;
            }
            baseline.patience.insert(id.clone(), 10 * ticks + MIN_PATIENCE);
            let number = u32::try_from(baseline.order.len()).expect("fewer tests than that");
            baseline.order.push(id.clone());
            baseline.ids.insert(id.clone());
            for (file, line) in each(files, lines) {
                baseline.coverage.entry((file.to_owned(), line)).or_default().insert(number);
                baseline.lines.entry(file.to_owned()).or_default().insert(line);
            }
        }
        baseline
    }

    /// Finds the lines of which a trace in another order says that other tests run them, and adds these.
    fn compare(&mut self, files: &[String], lines: &[Line]) {
        let numbers: BTreeMap<&String, u32> = self.order.iter().zip(0..).collect();
        let mut again: BTreeMap<(String, u32), BTreeSet<u32>> = BTreeMap::new();
        for line in lines {
            let Line::Traced { id, lines, .. } = line else { continue };
            let Some(number) = numbers.get(id) else { continue };
            for (file, line) in each(files, lines) {
                again.entry((file.to_owned(), line)).or_default().insert(*number);
            }
        }
        let places: BTreeSet<_> = self.coverage.keys().chain(again.keys()).cloned().collect();
        for place in places {
            let tests = again.remove(&place).unwrap_or_default();
            let known = self.coverage.entry(place.clone()).or_default();
            if *known != tests {
                known.extend(tests);
                self.lines.entry(place.0.clone()).or_default().insert(place.1);
                self.remembered.insert(place);
            }
        }
    }

    /// Keeps the ids that passed in `run`.
    fn keep_passing(&mut self, run: &Run) {
        let (results, _) = run.report.by_id();
        let passed = |id: &String| {
            results.get(id.as_str()).is_some_and(|result| result.outcome == TestOutcome::Passed)
        };
        let (stay, go) = std::mem::take(&mut self.ids).into_iter().partition(passed);
        self.ids = stay;
        let go: BTreeSet<String> = go;
        self.left_out.extend(go.into_iter().map(|id| (id, "it does not pass each time")));
    }

    /// Returns the tests that run one of the lines from `first` to `last` of `path`, the most specific
    /// first. A line that runs for all tests is run by all.
    pub fn tests_of(&self, path: &str, first: u32, last: u32) -> Vec<String> {
        let mut numbers = BTreeSet::new();
        for line in first..=last {
            let key = (path.to_owned(), line);
            if self.shared.contains(&key) {
                return self.order.iter().filter(|id| self.ids.contains(*id)).cloned().collect();
            }
            numbers.extend(self.coverage.get(&key).into_iter().flatten().copied());
        }
        let ids = numbers.into_iter().map(|number| &self.order[number as usize]);
        ids.filter(|id| self.ids.contains(*id)).cloned().collect()
    }

    /// Returns whether a line runs when the project is imported, or for several tests at once.
    pub fn is_shared(&self, path: &str, line: u32) -> bool {
        self.shared.contains(&(path.to_owned(), line))
    }

    /// Returns whether more tests may depend on the lines from `first` to `last` of `path` than those that run them.
    pub fn is_remembered(&self, path: &str, first: u32, last: u32) -> bool {
        (first..=last).any(|line| self.remembered.contains(&(path.to_owned(), line)))
    }

    /// Returns the lines that run before any test.
    pub fn shared_lines(&self) -> Lines {
        let mut lines = Lines::new();
        for (path, line) in &self.shared {
            lines.entry(path.clone()).or_default().insert(*line);
        }
        lines
    }

    /// Returns what runs tests with a change, each run within a small multiple of what all tests take without one.
    pub fn bounded(&self) -> Suite {
        self.suite.within(self.most_cpu)
    }

    /// Returns the steps after which each test with a mutant counts as one that hangs: ten times its own.
    pub fn patience(&self) -> &BTreeMap<String, u64> {
        &self.patience
    }
}

/// Lists single lines.
fn each<'a>(
    files: &'a [String],
    lines: &'a [(usize, u32, u32)],
) -> impl Iterator<Item = (&'a str, u32)> {
    lines
        .iter()
        .filter_map(|(file, first, last)| Some((files.get(*file)?, *first, *last)))
        .flat_map(|(file, first, last)| (first..=last).map(move |line| (file.as_str(), line)))
}
