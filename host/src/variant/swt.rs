//! `swt`: a bug is put in and the tests that see it are taken out; an agent writes tests that fail because
//! of the bug, and that pass on the repaired code.

use futures_util::future::BoxFuture;
use playpen_runtime::Tree;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    bug::inject,
    coverage::{Repair, change_coverage},
    desk::{Desk, Statement},
    edits::{self, apply},
    error::VariantError,
    series::{Goal, Series},
    source::bare,
    stage::{Outcome, Variant},
    swe::number_of,
};
use crate::agent::{AgentRole, WritePolicy, open_sandbox};

/// The variant.
#[derive(Clone, Copy, Debug)]
pub struct Swt;

impl Variant for Swt {
    fn name(&self) -> &'static str {
        "swt"
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
    outcome.posed = Some(desk.posed(&Statement {
        item,
        base: &given,
        fixed: &fixed,
        good: &bug.good,
        problem: &bug.report,
        fail_to_pass: &bug.fail_to_pass,
        pass_to_pass: &bug.pass_to_pass,
    })?);
    let mut variables = desk.variables(Some(number))?;
    variables.report.clone_from(&bug.report);
    let series = Series {
        role: AgentRole::Reproducer,
        item,
        max_attempts: desk.config.max_attempts,
        given: &given,
        template: "variant/reproducer",
        variables,
        goal: Goal::Reproduction { fixed: &fixed, earlier: &earlier },
        is_scored: false,
    };
    if let Some(verified) = series.work(desk, &mut outcome).await? {
        let repair = Repair {
            name: &desk.source.project.name,
            buggy: &bare(&verified.tree),
            fixed: &fixed,
            good: &bug.good,
            earlier: &earlier,
            record: &verified.record,
        };
        outcome.change_coverage = change_coverage(desk.ctx, repair).await?;
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
