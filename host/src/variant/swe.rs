//! `swe`: a bug is put in, and an agent repairs it from a user's report, without tests and history.

use futures_util::future::BoxFuture;

use super::{
    bug::{Injected, inject},
    desk::{Desk, Order},
    error::VariantError,
    instance::{Instance, commit_of},
    source::{Source, bare, without_tests},
    stage::{Outcome, Variant, VariantRefusal},
};
use crate::{
    agent::AgentRole,
    project::TaskNumber,
    record::{StoredClaim, unified_diff},
    verify::{FrozenTests, Solution, Wanted},
};
use playpen_runtime::Tree;
use std::collections::BTreeSet;

/// The variant.
#[derive(Clone, Copy, Debug)]
pub struct Swe;

impl Variant for Swe {
    fn name(&self) -> &'static str {
        "swe"
    }

    fn items(&self, source: &Source) -> Vec<String> {
        source.solved.iter().map(|(number, _)| number.to_string()).collect()
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
    outcome.instance = Some(instance(desk, item, &bug, &base)?);
    let policy = AgentRole::Solver.policy();
    let wanted = Wanted {
        fail_to_pass: FrozenTests::new(bug.fail_to_pass.clone()),
        pass_to_pass: bug.pass_to_pass.clone(),
        must_fail: BTreeSet::new(),
    };
    for attempt in 1..=desk.config.max_attempts {
        let mut variables = desk.variables(Some(number))?;
        variables.report.clone_from(&bug.report);
        let order = Order {
            role: AgentRole::Solver,
            item,
            attempt,
            tree: &base,
            policy: &policy,
            template: "variant/solver",
            variables,
        };
        let left = desk.attempt(order).await?;
        outcome.n_attempts += 1;
        let mut reasons = vec![];
        if left.is_finished() {
            let bare_base = bare(&base);
            let result = bare(&left.result);
            let claim = Solution {
                base: &bare_base,
                result: &result,
                policy: &policy,
                pristine: &bug.good,
                wanted: &wanted,
            };
            let verified = desk.verifier().solution(&claim).await?;
            let stored = StoredClaim::solution(&desk.trees(), &claim)?;
            outcome.kept = verified.accepted();
            reasons.extend(desk.close(left, Some((&stored, &verified)), None)?);
        } else {
            reasons.extend(desk.close(left, None, None)?);
        }
        if outcome.kept {
            break;
        }
        outcome.refused.push(VariantRefusal::Gates { role: AgentRole::Solver.name(), reasons });
    }
    Ok(outcome)
}

/// Returns the number that an item stands for.
pub(super) fn number_of(source: &Source, item: &str) -> TaskNumber {
    let mut numbers = source.solved.iter().map(|(number, _)| *number);
    numbers.find(|number| number.to_string() == item).expect("items are made from these numbers")
}

/// Describes the task in the shape of SWE-bench.
fn instance(
    desk: &Desk<'_>,
    item: &str,
    bug: &Injected,
    base: &Tree,
) -> Result<Instance, VariantError> {
    let name = &desk.source.project.name;
    let fixed = without_tests(&bug.good);
    let commit = commit_of(base)?;
    let list = |ids: &BTreeSet<String>| serde_json::to_string(ids).expect("texts are JSON");
    let shown = without_tests(&bare(&bug.buggy));
    Ok(Instance {
        instance_id: format!("playpen__{name}-swe-{item}"),
        repo: format!("playpen/{name}"),
        base_commit: commit.clone(),
        patch: unified_diff(&shown, &fixed),
        test_patch: unified_diff(&fixed, &bug.good),
        problem_statement: bug.report.clone(),
        hints_text: String::new(),
        created_at: super::instance::CREATED_AT.to_owned(),
        version: "0".to_owned(),
        fail_to_pass: list(&bug.fail_to_pass),
        pass_to_pass: list(&bug.pass_to_pass),
        environment_setup_commit: commit,
    })
}
