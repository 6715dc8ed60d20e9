//! `commit0`: the bodies of all functions are taken out of the finished library; an agent writes them again.

use futures_util::future::BoxFuture;
use playpen_runtime::Tree;
use std::{collections::BTreeSet, time::Duration};

use super::{
    baseline::Baseline,
    desk::{Desk, Statement},
    edits::{self, edited},
    error::VariantError,
    repository::Repository,
    series::{Goal, Series},
    source::Source,
    stage::{Outcome, Variant},
};
use crate::{
    agent::AgentRole,
    verify::{FrozenTests, Selection, Wanted},
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
    let mut posed = desk.posed(&Statement {
        item,
        base: &given,
        fixed: &good,
        good: &good,
        problem: &desk.source.project.document.project_description,
        fail_to_pass: wanted.fail_to_pass.ids(),
        pass_to_pass: &wanted.pass_to_pass,
    })?;
    posed.reference = Some(desk.committed(&good).await?);
    outcome.posed = Some(posed);
    let series = Series {
        role: AgentRole::LibraryWriter,
        item,
        max_attempts: n_iterations,
        given: &given,
        template: "variant/library-writer",
        variables: desk.variables(None)?,
        goal: Goal::Passing { pristine: &good, wanted: &wanted },
        // What an agent left that ran out of something is scored too: part of a library is of use.
        is_scored: true,
    };
    series.work(desk, &mut outcome).await?;
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
