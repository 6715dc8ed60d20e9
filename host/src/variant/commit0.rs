//! `commit0`: the bodies of all functions are taken out of the finished library; an agent writes them again.

use futures_util::future::BoxFuture;
use playpen_runtime::Tree;
use std::{collections::BTreeSet, time::Duration};

use super::{
    baseline::Baseline,
    desk::{Desk, Order, Score},
    edits::{self, edited},
    error::VariantError,
    repository::Repository,
    source::{Source, bare},
    stage::{Outcome, Variant, VariantRefusal},
};
use crate::{
    agent::AgentRole,
    record::StoredClaim,
    verify::{FrozenTests, Selection, Solution, Wanted},
};

/// What stands for a body.
const STUB: &str = "raise NotImplementedError";

/// Computing time of one run of the tests.
const CPU: Duration = Duration::from_mins(2);

/// The variant.
#[derive(Clone, Copy, Debug)]
pub struct Commit0 {
    /// Attempts at the library.
    pub n_iterations: u32,
}

impl Variant for Commit0 {
    fn name(&self) -> &'static str {
        "commit0"
    }

    fn items(&self, source: &Source) -> Vec<String> {
        vec![source.project.name.clone()]
    }

    fn work<'a>(
        &'a self,
        desk: &'a Desk<'a>,
        item: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, VariantError>> {
        Box::pin(work(desk, item, self.n_iterations))
    }
}

async fn work(desk: &Desk<'_>, item: &str, n_iterations: u32) -> Result<Outcome, VariantError> {
    let mut outcome = Outcome::default();
    let good = desk.source.tree();
    let (stubs, wanted) = stubbed(desk, &good).await?;
    let given = desk.committed(&stubs).await?;
    let policy = AgentRole::LibraryWriter.policy();
    let n_wanted = wanted.fail_to_pass.ids().len();
    let mut findings: Vec<String> = vec![];
    for attempt in 1..=n_iterations {
        let mut variables = desk.variables(None)?;
        variables.findings.clone_from(&findings);
        let order = Order {
            role: AgentRole::LibraryWriter,
            item,
            attempt,
            tree: &given,
            policy: &policy,
            template: "variant/library-writer",
            variables,
        };
        let left = desk.attempt(order).await?;
        outcome.n_attempts += 1;
        // What an agent left that ran out of something is scored too: part of a library is of use.
        let (given, result) = (bare(&given), bare(&left.result));
        let claim = Solution {
            base: &given,
            result: &result,
            policy: &policy,
            pristine: &good,
            wanted: &wanted,
        };
        let is_finished = left.is_finished();
        let verified = desk.verifier().solution(&claim).await?;
        let stored = StoredClaim::solution(&desk.trees(), &claim)?;
        let score = Score { n_passed: verified.record.fail_to_pass.len(), n_wanted };
        outcome.score = outcome.score.max_by_key_passed(score);
        let reasons = desk.close(left, Some((&stored, &verified)), Some(score))?;
        if verified.accepted() && is_finished {
            outcome.kept = true;
            break;
        }
        findings = reasons.iter().take(20).map(ToString::to_string).collect();
        let role = AgentRole::LibraryWriter.name();
        outcome.refused.push(VariantRefusal::Gates { role, reasons });
    }
    Ok(outcome)
}

/// Makes the stubs, and finds out which tests fail with them.
///
/// Functions that run when the library is imported keep their bodies: without them nothing could be collected.
async fn stubbed(desk: &Desk<'_>, good: &Tree) -> Result<(Tree, Wanted), VariantError> {
    let name = &desk.source.project.name;
    let repository = Repository::new(good.clone(), Tree::new(), &["tests".to_owned()], name)?;
    let baseline = Baseline::new(desk.ctx, &repository, CPU).await?;
    let keep = baseline.shared_lines();
    let sandbox = baseline.suite.fork(Some(good));
    let mut tree = good.clone();
    for (path, stubbed) in edits::stubs(&sandbox, &repository.sources, &keep, STUB).await? {
        if !stubbed.edits.is_empty() {
            tree = edited(&tree, &path, &stubbed.edits)?;
        }
    }
    let seen = desk.verifier().observe(&tree, &Selection::All).await?;
    let passing = seen.passing();
    let pass_to_pass: BTreeSet<String> = baseline.ids.intersection(&passing).cloned().collect();
    let fail_to_pass = baseline.ids.difference(&passing).cloned().collect();
    let fail_to_pass = FrozenTests::new(fail_to_pass);
    Ok((tree, Wanted { fail_to_pass, pass_to_pass, must_fail: BTreeSet::new() }))
}

/// Keeps the better of two scores.
trait Better {
    fn max_by_key_passed(self, other: Score) -> Self;
}

impl Better for Option<Score> {
    fn max_by_key_passed(self, other: Score) -> Self {
        Some(self.filter(|score| score.n_passed >= other.n_passed).unwrap_or(other))
    }
}
