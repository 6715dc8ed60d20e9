//! `swt`: a bug is put in and the tests that see it are taken out; an agent writes tests that fail because
//! of the bug, and that pass on the repaired code.

use futures_util::future::BoxFuture;
use playpen_runtime::Tree;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    bug::inject,
    desk::{Desk, Order},
    edits::{self, apply},
    error::VariantError,
    source::{Source, bare},
    stage::{Outcome, Variant, VariantRefusal},
    swe::number_of,
};
use crate::{
    agent::{AgentRole, WritePolicy, open_sandbox},
    record::StoredClaim,
    verify::Suite,
};

/// The variant.
#[derive(Clone, Copy, Debug)]
pub struct Swt;

impl Variant for Swt {
    fn name(&self) -> &'static str {
        "swt"
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
    let base = weakened(desk, &bare(&bug.buggy), &bug.fail_to_pass).await?;
    let fixed = weakened(desk, &bug.good, &bug.fail_to_pass).await?;
    let given = desk.committed(&base).await?;
    // With a test function all of its parameters are gone, those that the bug leaves alone among them.
    let gone: BTreeSet<&str> = bug.fail_to_pass.iter().map(|id| function_of(id)).collect();
    let earlier = bug.pass_to_pass.iter().filter(|id| !gone.contains(function_of(id)));
    let earlier: BTreeSet<String> = earlier.cloned().collect();
    let policy = AgentRole::Reproducer.policy();
    for attempt in 1..=desk.config.max_attempts {
        let mut variables = desk.variables(Some(number))?;
        variables.report.clone_from(&bug.report);
        let order = Order {
            role: AgentRole::Reproducer,
            item,
            attempt,
            tree: &given,
            policy: &policy,
            template: "variant/reproducer",
            variables,
        };
        let left = desk.attempt(order).await?;
        outcome.n_attempts += 1;
        let mut reasons = vec![];
        if left.is_finished() {
            let (given, result) = (bare(&given), bare(&left.result));
            let claim = Suite {
                base: &given,
                result: &result,
                policy: &policy,
                fixed: Some(&fixed),
                earlier: &earlier,
                may_appear: &BTreeSet::new(),
            };
            let verified = desk.verifier().suite(&claim).await?;
            let stored = StoredClaim::suite(&desk.trees(), &claim)?;
            outcome.kept = verified.accepted();
            reasons.extend(desk.close(left, Some((&stored, &verified)), None)?);
        } else {
            reasons.extend(desk.close(left, None, None)?);
        }
        if outcome.kept {
            break;
        }
        outcome.refused.push(VariantRefusal::Gates { role: AgentRole::Reproducer.name(), reasons });
    }
    Ok(outcome)
}

/// Returns the function of a test, without its parameters.
fn function_of(id: &str) -> &str {
    id.split('[').next().unwrap_or(id)
}

/// Returns a tree without the tests `ids`; the rest of their files stays as it is.
async fn weakened(
    desk: &Desk<'_>,
    tree: &Tree,
    ids: &BTreeSet<String>,
) -> Result<Tree, VariantError> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in ids {
        let (path, name) = function_of(id).split_once("::").unwrap_or((id, ""));
        names.entry(path.to_owned()).or_default().insert(name.to_owned());
    }
    let sandbox = open_sandbox(desk.ctx, tree.clone(), &WritePolicy::all_but(&[]), None)?;
    let mut tree = tree.clone();
    for (path, (edits, _)) in edits::without(&sandbox, &names).await? {
        tree.write(&path, apply(&tree.read(&path)?, &edits), 0o644)?;
    }
    Ok(tree)
}
