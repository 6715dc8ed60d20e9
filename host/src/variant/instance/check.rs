//! Checks a data set from what is on disk, with git and pytest in fresh sandboxes.
//!
//! For each instance the base commit is checked out and `test_patch` is applied: the tests of `FAIL_TO_PASS`
//! must fail and those of `PASS_TO_PASS` must pass. Then `patch` is applied, and all of them must pass.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use playpen_runtime::{EntryKind, Limits, Sandbox, Tree};
use serde::Serialize;
use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{DataSet, Instance};
use crate::{
    agent::WORKSPACE,
    context::Context,
    variant::{
        error::VariantError,
        mutants::failing,
        repository::Repository,
        suite::{Selection, Suite},
    },
    verify::CheckError,
};

/// What came of a check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The instances.
    pub instances: Vec<InstanceCheck>,
    /// Computing time in the sandbox, in microseconds.
    pub cpu_us: u64,
}

/// What came of the check of one instance.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceCheck {
    /// The instance.
    pub instance_id: String,
    /// Whether the tests that should fail without the patch do, and the others pass.
    pub nop_holds: bool,
    /// Whether all tests pass with the patch.
    pub gold_holds: bool,
    /// What does not hold.
    pub problems: Vec<String>,
}

impl InstanceCheck {
    /// Returns whether everything holds.
    pub fn holds(&self) -> bool {
        self.nop_holds && self.gold_holds
    }
}

impl CheckReport {
    /// Returns the number of instances of which everything holds.
    pub fn n_holding(&self) -> usize {
        self.instances.iter().filter(|check| check.holds()).count()
    }
}

/// Checks all instances of the data set in `folder`, `jobs` at a time.
///
/// # Errors
///
/// Fails if the data set cannot be read, or if the host fails.
pub async fn check(
    ctx: &Context,
    folder: &Path,
    jobs: usize,
    cpu: Duration,
) -> Result<CheckReport, VariantError> {
    if !folder.join("repo.git").is_dir() {
        return Err(VariantError::NoDataSet { path: folder.to_owned() });
    }
    let git = super::super::repository::import_all(&folder.join("repo.git"))?;
    let packages = super::super::repository::import_all(&folder.join("packages"))?;
    let data_set = read_data_set(folder)?;
    let instances = read_instances(folder)?;
    let empty = Repository {
        name: data_set.name,
        version: data_set.version,
        tree: Tree::new(),
        packages,
        sources: BTreeSet::new(),
        test_paths: data_set.test_paths,
    };
    let suite = Suite::open(ctx, &empty, cpu)?;
    let checks = stream::iter(instances)
        .map(|instance| {
            let (suite, git) = (suite.clone(), git.clone());
            tokio::spawn(async move { check_one(&suite, &git, &instance).await })
        })
        .buffered(jobs.max(1))
        .map(|joined| joined.map_err(VariantError::from).and_then(std::convert::identity))
        .try_collect()
        .await?;
    let cpu_us = u64::try_from(suite.cpu().as_micros()).unwrap_or(u64::MAX);
    Ok(CheckReport { instances: checks, cpu_us })
}

fn read(path: &Path) -> Result<String, VariantError> {
    fs_err::read_to_string(path)
        .map_err(|source| VariantError::Read { path: path.to_owned(), source })
}

fn read_data_set(folder: &Path) -> Result<DataSet, VariantError> {
    let path = folder.join("dataset.json");
    serde_json::from_str(&read(&path)?).map_err(|source| VariantError::Instance {
        path,
        line: 1,
        source,
    })
}

fn read_instances(folder: &Path) -> Result<Vec<Instance>, VariantError> {
    let path = folder.join("instances.jsonl");
    let text = read(&path)?;
    let parse = |(line_idx, line)| {
        let failed =
            |source| VariantError::Instance { path: path.clone(), line: line_idx + 1, source };
        let instance: Instance = serde_json::from_str(line).map_err(failed)?;
        instance.tests().map_err(failed)?;
        Ok(instance)
    };
    text.lines().enumerate().map(parse).collect()
}

async fn check_one(
    suite: &Suite,
    git: &Tree,
    instance: &Instance,
) -> Result<InstanceCheck, VariantError> {
    let (fail_to_pass, pass_to_pass) = instance.tests().expect("it was read before");
    let all: BTreeSet<String> = fail_to_pass.union(&pass_to_pass).cloned().collect();
    let mut problems = vec![];
    let sandbox = suite.fork(Some(&checked_out(git, instance)?));
    run_git(&sandbox, &["reset", "--hard", "-q"]).await?;
    apply_patch(&sandbox, &instance.test_patch).await?;
    let nop = tree_of(&sandbox)?;
    apply_patch(&sandbox, &instance.patch).await?;
    let gold = tree_of(&sandbox)?;

    let run = suite.run(Some(&nop), &Selection::of(all.clone(), 0)).await?;
    let failed = failing(&run, &all);
    problems.extend(
        fail_to_pass.difference(&failed).map(|id| format!("`{id}` passes without the patch")),
    );
    problems.extend(
        failed.difference(&fail_to_pass).map(|id| format!("`{id}` fails without the patch")),
    );
    let nop_holds = problems.is_empty() && run.stopped.is_none();
    let run = suite.run(Some(&gold), &Selection::of(all.clone(), 1)).await?;
    let failed = failing(&run, &all);
    problems.extend(failed.iter().map(|id| format!("`{id}` fails with the patch")));
    let gold_holds = failed.is_empty() && run.stopped.is_none() && run.exit_code == Some(0);
    Ok(InstanceCheck { instance_id: instance.instance_id.clone(), nop_holds, gold_holds, problems })
}

/// Returns a tree in which the repository is at the instance's commit and nothing is checked out.
fn checked_out(git: &Tree, instance: &Instance) -> Result<Tree, VariantError> {
    let mut tree = Tree::new();
    for entry in git.walk() {
        let path = format!(".git/{}", entry.path);
        match entry.kind {
            EntryKind::File => tree.write(&path, git.read(&entry.path)?, entry.mode)?,
            _ => tree.create_dir(&path, 0o755)?,
        }
    }
    let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n";
    tree.write(".git/config", config, 0o644)?;
    tree.write(".git/refs/heads/main", format!("{}\n", instance.base_commit), 0o644)?;
    tree.write(".git/HEAD", "ref: refs/heads/main\n", 0o644)?;
    Ok(tree)
}

fn tree_of(sandbox: &Sandbox) -> Result<Tree, VariantError> {
    let mut tree = sandbox.tree(WORKSPACE).expect("it was mounted as a tree");
    tree.remove(".git")?;
    Ok(crate::rollout::without_times(&tree))
}

async fn apply_patch(sandbox: &Sandbox, patch: &str) -> Result<(), VariantError> {
    if patch.is_empty() {
        return Ok(());
    }
    let mut tree = sandbox.tree(WORKSPACE).expect("it was mounted as a tree");
    tree.write(".git/playpen.patch", patch.to_owned(), 0o644)?;
    let is_replaced = sandbox.replace_tree(WORKSPACE, tree);
    assert!(is_replaced, "nothing runs between two commands");
    run_git(sandbox, &["apply", ".git/playpen.patch"]).await
}

async fn run_git(sandbox: &Sandbox, args: &[&str]) -> Result<(), VariantError> {
    let outcome = sandbox
        .command("git")
        .args(args.iter().copied())
        .cwd(WORKSPACE)
        .limits(Limits::default())
        .output()
        .await?;
    if outcome.exit.code() == 0 {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&outcome.stderr).trim().to_owned();
    let command = args.first().copied().unwrap_or_default();
    Err(CheckError::Git { message: format!("`git {command}`: {message}") }.into())
}
