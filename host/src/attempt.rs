//! One attempt of an agent: its sandbox, its work and the record of both; and the same once more.

use playpen_runtime::{SandboxError, Tree};
use std::sync::Arc;
use thiserror::Error;

use crate::{
    agent::{AgentBudget, AgentRun, AgentTask, WORKSPACE, WritePolicy, open_sandbox, run_agent},
    context::Context,
    progress::ProgressSink,
    record::{AttemptAudit, AttemptRecord, RecordError, TreeStore, Worked},
    verify::merge::{Merged, merge},
};

mod replay;

pub use replay::{Difference, ReplayError, Replayed, replay};

/// What an agent is to do, and with what.
#[derive(Debug)]
pub struct Given<'a> {
    /// What it is asked.
    pub task: AgentTask,
    /// The files that it is given.
    pub tree: &'a Tree,
    /// What it may write.
    pub policy: &'a WritePolicy,
    /// What it may spend.
    pub budget: &'a AgentBudget,
}

/// What came of an attempt, before anybody has judged it.
#[derive(Debug)]
pub struct Attempted {
    /// What the agent said and did.
    pub run: AgentRun,
    /// All that it left.
    pub result: Tree,
    /// What of that its role may hand in.
    pub merged: Merged,
    /// Events that `audit.jsonl` had no room for.
    pub n_unrecorded: u64,
}

/// Why an attempt could not be made. What the agent does is never among these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// Its sandbox could not be made.
    #[error("failed to make the sandbox of an attempt")]
    Sandbox(#[from] SandboxError),
    /// A record could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Lets an agent work in a sandbox of its own, and keeps the record of it.
///
/// # Errors
///
/// Fails if the sandbox cannot be made or a file cannot be written.
pub async fn attempt(
    ctx: &Context,
    given: Given<'_>,
    record: &AttemptRecord,
    trees: &TreeStore,
    events: &dyn ProgressSink,
) -> Result<Attempted, AttemptError> {
    let Given { task, tree, policy, budget } = given;
    let image = ctx.image.digest();
    let start = trees.put_start(tree, image)?;
    // From the store, as whoever replays the attempt gets it: a tree that was read is numbered anew.
    let tree = &trees.get_start(start)?;
    let audit = Arc::new(AttemptAudit::default());
    let sandbox = open_sandbox(ctx, tree.clone(), policy, Some(audit.clone()))?;
    let run = run_agent(ctx.model.as_ref(), task.clone(), &sandbox, budget, events).await;
    let result = sandbox.tree(WORKSPACE).unwrap_or_else(|| tree.clone());
    let merged = merge(tree, &result, policy);
    record.write_trajectory(&run.trajectory)?;
    record.write_audit(&audit, start, run.elapsed)?;
    record.write_patch(tree, &merged.tree)?;
    record.write_attempt(&Worked {
        role: task.role,
        stage: &task.stage,
        task: task.task.as_deref(),
        attempt: task.attempt,
        result: &result,
        policy,
        budget,
        image,
    })?;
    Ok(Attempted { run, result, merged, n_unrecorded: audit.n_unrecorded() })
}
