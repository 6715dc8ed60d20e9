//! `swe`: a bug is put in, and an agent repairs it from a user's report, without tests and history.

use futures_util::future::BoxFuture;
use std::collections::BTreeSet;

use super::{
    bug::inject,
    desk::{Desk, Statement},
    error::VariantError,
    series::{Goal, Series},
    source::{Source, bare, without_tests},
    stage::{Outcome, Variant},
};
use crate::{
    agent::AgentRole,
    project::TaskNumber,
    verify::{FrozenTests, Wanted},
};

/// The variant.
#[derive(Clone, Copy, Debug)]
pub struct Swe;

impl Variant for Swe {
    fn name(&self) -> &'static str {
        "swe"
    }

    fn work<'a>(
        &'a self,
        desk: &'a Desk<'a>,
        item: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, VariantError>> {
        Box::pin(work(desk, item))
    }
}

async fn work(desk: &Desk<'_>, item: &str) -> Result<Outcome, VariantError> {
    let mut outcome = Outcome::default();
    let number = number_of(desk.source, item);
    let Some(bug) = inject(desk, number, &mut outcome).await? else { return Ok(outcome) };
    let base = desk.committed(&without_tests(&bug.buggy)).await?;
    outcome.posed = Some(desk.posed(&Statement {
        item,
        base: &base,
        fixed: &without_tests(&bug.good),
        good: &bug.good,
        problem: &bug.report,
        fail_to_pass: &bug.fail_to_pass,
        pass_to_pass: &bug.pass_to_pass,
    })?);
    let wanted = Wanted {
        fail_to_pass: FrozenTests::new(bug.fail_to_pass.clone()),
        pass_to_pass: bug.pass_to_pass.clone(),
        must_fail: BTreeSet::new(),
    };
    let mut variables = desk.variables(Some(number))?;
    variables.report.clone_from(&bug.report);
    let series = Series {
        role: AgentRole::Solver,
        item,
        max_attempts: desk.config.max_attempts,
        given: &base,
        template: "variant/solver",
        variables,
        goal: Goal::Passing { pristine: &bare(&bug.good), wanted: &wanted },
        is_scored: false,
    };
    series.work(desk, &mut outcome).await?;
    Ok(outcome)
}

/// Returns the number that an item stands for.
pub(super) fn number_of(source: &Source, item: &str) -> TaskNumber {
    let mut numbers = source.solved.iter().map(|(number, _)| *number);
    numbers.find(|number| number.to_string() == item).expect("items are made from these numbers")
}
