//! Which of the lines that a repair changes are run by a reproduction of the bug: the change coverage of SWT-Bench.
//!
//! A line counts if any test runs it: one that was there, one that reproduces the bug, or one of those that were taken
//! out because they see it. Lines that the repair takes out are looked for on the code with the bug, lines that it
//! brings on the repaired code. A reproduction that starts the code as a program runs none of them in its own process, so
//! this is a figure and no gate.

use playpen_runtime::Tree;
use serde::Serialize;
use std::{collections::BTreeSet, time::Duration};

use super::{
    error::VariantError,
    repository::Repository,
    suite::{Line, Suite},
};
use crate::{
    context::Context,
    mutation::new_lines,
    verify::{Verification, with_tests_of},
};

/// Computing time of one run of the tests.
const CPU: Duration = Duration::from_mins(2);

/// Changed lines, and who runs them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeCoverage {
    /// Changed lines that some test runs.
    pub n_lines: usize,
    /// Those of them that tests run which were there before.
    pub n_before: usize,
    /// Those of them that these or the new tests run: the difference is what the reproduction adds.
    pub n_after: usize,
    /// Those of them that the new tests run.
    pub n_by_new: usize,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repair<'a> {
    pub(super) name: &'a str,
    /// The code with the bug, and the reproduction.
    pub(super) buggy: &'a Tree,
    /// The repaired code.
    pub(super) fixed: &'a Tree,
    /// The repaired code with the tests that see the bug.
    pub(super) good: &'a Tree,
    /// The tests that were there before the reproduction.
    pub(super) earlier: &'a BTreeSet<String>,
    /// What the verifier said of the reproduction.
    pub(super) record: &'a Verification,
}

/// Lines by who runs them.
#[derive(Debug, Default)]
struct Run {
    any: Places,
    before: Places,
    new: Places,
}

/// Lines of files.
type Places = BTreeSet<(String, u32)>;

/// Measures a reproduction; `None` if its tests cannot be traced to their end.
///
/// # Errors
///
/// Fails if the host does.
pub(super) async fn change_coverage(
    ctx: &Context,
    repair: Repair<'_>,
) -> Result<Option<ChangeCoverage>, VariantError> {
    match measure(ctx, repair).await {
        Ok(coverage) => Ok(Some(coverage)),
        Err(VariantError::Script { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn measure(ctx: &Context, repair: Repair<'_>) -> Result<ChangeCoverage, VariantError> {
    let Repair { buggy, fixed, good, .. } = repair;
    let none = BTreeSet::new();
    let written = with_tests_of(fixed, buggy, &none);
    let told = with_tests_of(buggy, good, &none);
    let mut coverage = ChangeCoverage::default();
    for (other, code, gold) in [(&written, buggy, &told), (buggy, &written, good)] {
        let mut run = Run::default();
        trace(ctx, repair, (other, code), &mut run, true).await?;
        trace(ctx, repair, (other, gold), &mut run, false).await?;
        coverage.n_lines += run.any.len();
        coverage.n_before += run.before.len();
        coverage.n_after += run.before.union(&run.new).count();
        coverage.n_by_new += run.new.len();
    }
    Ok(coverage)
}

/// Runs the tests of `code`, and notes which of its lines that are not in `other` they run.
async fn trace(
    ctx: &Context,
    repair: Repair<'_>,
    (other, code): (&Tree, &Tree),
    run: &mut Run,
    has_reproduction: bool,
) -> Result<(), VariantError> {
    let mut repository =
        Repository::new(code.clone(), Tree::new(), &["tests".to_owned()], repair.name)?;
    let new = new_ids(repair);
    if has_reproduction {
        let files = new.iter().filter_map(|id| id.split("::").next()).map(str::to_owned);
        repository.test_paths.extend(files.collect::<BTreeSet<_>>());
    }
    let changed: Places = new_lines(other, code, &repository.sources)
        .into_iter()
        .flat_map(|(path, lines)| lines.into_iter().map(move |line| (path.clone(), line)))
        .collect();
    let files: Vec<String> = repository.sources.iter().cloned().collect();
    let (said, _) = Suite::open(ctx, &repository, CPU)?.trace(&files, 0).await?;
    for line in said {
        let (id, lines) = match line {
            Line::Traced { id, lines, .. } => (Some(id), lines),
            Line::Shared { lines } => (None, lines),
            _ => continue,
        };
        let places = lines.into_iter().filter_map(|(file, first, last)| {
            let path = files.get(file)?.clone();
            Some((first..=last).map(move |line| (path.clone(), line)))
        });
        let ran: Places = places.flatten().filter(|place| changed.contains(place)).collect();
        if has_reproduction && id.as_ref().is_none_or(|id| repair.earlier.contains(id)) {
            run.before.extend(ran.iter().cloned());
        }
        if has_reproduction && id.as_ref().is_some_and(|id| new.contains(id)) {
            run.new.extend(ran.iter().cloned());
        }
        run.any.extend(ran);
    }
    Ok(())
}

/// Returns the tests of the reproduction.
fn new_ids(repair: Repair<'_>) -> BTreeSet<String> {
    let Repair { record, earlier, .. } = repair;
    let passing = record.pass_to_pass.difference(earlier);
    record.fail_to_pass.iter().chain(passing).cloned().collect()
}
