//! Whether accepted tests notice changes of the code, and the one chance to make them stronger.
//!
//! ```text
//!   accepted tests and code ──► mutants ──► score reaches the gate ──► the task is solved
//!                                  │ no                                      ▲
//!                                  ▼                                         │
//!                   test writer, told what survived ──► the same code, or the implementer again ──► mutants
//! ```

use playpen_runtime::Tree;
use std::collections::BTreeSet;

use super::{
    Work,
    attempt::summary,
    error::RolloutError,
    git,
    task::{Accepted, AcceptedTests, Tries},
};
use crate::{
    agent::AgentRole,
    mutation::{Measured, Mutation, measure},
    progress::Progress,
    project::Task,
    record::StoredClaim,
    verify::{Solution, Wanted, with_tests_of},
};

/// What stands for a role in the names of folders of measurements.
const FOLDER: &str = "mutation";

impl Work<'_> {
    /// Measures the tests of a task whose implementation is accepted, and has them made stronger once.
    ///
    /// Returns what is accepted in the end, or nothing if the tests stay weak.
    pub(super) async fn strengthened(
        &mut self,
        task: &Task,
        tests: &AcceptedTests,
        accepted: Accepted,
        tries: &mut Tries,
    ) -> Result<Option<Accepted>, RolloutError> {
        if self.config.mutation.is_none() {
            return Ok(Some(accepted));
        }
        let first = self.mutate(task, tests, &accepted, tries).await?;
        if first.verdict.passed {
            return Ok(Some(accepted));
        }
        tries.reasons = first.verdict.reasons;
        let Some(stronger) = self.write_tests(task, tries, Some(tests)).await? else {
            return Ok(None);
        };
        let accepted = match self.same_code(task, &stronger, &accepted, tries).await? {
            Some(accepted) => accepted,
            None => match self.implement(task, &stronger, tries).await? {
                Some(accepted) => accepted,
                None => return Ok(None),
            },
        };
        let second = self.mutate(task, &stronger, &accepted, tries).await?;
        tries.reasons.clone_from(&second.verdict.reasons);
        Ok(second.verdict.passed.then_some(accepted))
    }

    /// Measures the tests, and records what came of it.
    async fn mutate(
        &mut self,
        task: &Task,
        tests: &AcceptedTests,
        accepted: &Accepted,
        tries: &mut Tries,
    ) -> Result<Mutation, RolloutError> {
        let number = task.number.to_string();
        let config = self.config.mutation.expect("it was asked before");
        let what = Measured {
            name: &self.project.name,
            before: &tests.tree,
            after: &accepted.tree,
            ids: &accepted.ids,
        };
        let (mutation, times) = measure(self.ctx, config, &what).await.map_err(|source| {
            RolloutError::Mutation { task: number.clone(), source: Box::new(source) }
        })?;
        tries.n_measurements += 1;
        tries.score = Some(mutation.score);
        let record = self.record.attempt(&number, FOLDER, tries.n_measurements)?;
        record.write_mutation(&mutation, &times)?;
        self.events.event(&Progress::GateDecided {
            task: number,
            gate: mutation.verdict.gate.name().to_owned(),
            passed: mutation.verdict.passed,
            summary: summary(&mutation.verdict.reasons),
        });
        Ok(mutation)
    }

    /// Verifies the code that there is against other tests of the same task.
    async fn same_code(
        &mut self,
        task: &Task,
        tests: &AcceptedTests,
        accepted: &Accepted,
        tries: &Tries,
    ) -> Result<Option<Accepted>, RolloutError> {
        let result: Tree = with_tests_of(&accepted.tree, &tests.tree, &BTreeSet::new());
        let wanted = Wanted {
            fail_to_pass: tests.frozen.clone(),
            pass_to_pass: self.earlier.clone(),
            must_fail: BTreeSet::new(),
        };
        let claim = Solution {
            base: &tests.tree,
            result: &result,
            policy: &AgentRole::Implementer.policy(),
            pristine: &tests.tree,
            wanted: &wanted,
        };
        let verified = self.verifier().solution(&claim).await?;
        let stored = StoredClaim::solution(self.record.trees(), &claim)?;
        let record = self.record.attempt(&task.number.to_string(), FOLDER, tries.n_measurements)?;
        record.write_verification(&stored, self.config.verify, &verified)?;
        if !verified.accepted() {
            return Ok(None);
        }
        let message = format!("Implement task {}: {}", task.number, task.title);
        let tree = git::commit(self.ctx, &verified.tree, &message, self.n_commits + 1).await?;
        Ok(Some(Accepted { tree, ids: verified.record.fail_to_pass }))
    }
}
