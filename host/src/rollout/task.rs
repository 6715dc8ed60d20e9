//! One task: tests, gate, implementation, verification, commits, with retries.
//!
//! ```text
//!   test writer ──► finished, suite verified ───────────► tests are frozen and committed    
//!        ▲                  │ no                                        │
//!        └──── reasons ─────┘                                           ▼
//!        ▲                                implementer ──► finished, solution verified ──► commit
//!        │                                     ▲                  │ no
//!        │                                     └──── reasons ─────┘
//!        └──────────── reasons, when the implementation was tried often enough
//! ```
//!
//! Once an implementation is accepted, the tests are measured by mutants (`strength.rs`).
//!
//! Every attempt starts from the same tree as the one before: what a refused attempt left is not
//! carried on, its reasons are.

use playpen_runtime::Tree;
use std::collections::BTreeSet;

use super::{
    Work,
    attempt::{HandedIn, Judged, Order},
    error::RolloutError,
    git,
    prompts::{Messages, files_below},
    report::{TaskReport, TaskState},
};
use crate::{
    agent::{AgentRole, WritePolicy},
    mutation::Score,
    project::Task,
    record::StoredClaim,
    verify::{FrozenTests, Solution, Suite, Verifier, Wanted, gate::Reason, merge::merge},
};

/// Tests as they were accepted.
#[derive(Debug)]
pub(super) struct AcceptedTests {
    /// The tree with the tests, committed.
    pub(super) tree: Tree,
    pub(super) frozen: FrozenTests,
}

/// An implementation as it was accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The tree with the implementation, committed.
    pub(super) tree: Tree,
    /// The ids of the task's tests, all of them known by now.
    pub(super) ids: BTreeSet<String>,
}

/// What the attempts at a task have led to so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    n_test_attempts: u32,
    n_implementation_attempts: u32,
    /// How often the tests were measured.
    pub(super) n_measurements: u32,
    /// What the last measurement said.
    pub(super) score: Option<Score>,
    pub(super) reasons: Vec<Reason>,
}

impl Work<'_> {
    /// Works on one task until it is solved or the attempts are used up.
    pub(super) async fn solve(&mut self, task: &Task) -> Result<TaskReport, RolloutError> {
        let mut tries = Tries::default();
        while tries.n_test_attempts < self.config.max_test_attempts {
            let Some(tests) = self.write_tests(task, &mut tries, None).await? else { continue };
            let Some(accepted) = self.implement(task, &tests, &mut tries).await? else { continue };
            if let Some(accepted) = self.strengthened(task, &tests, accepted, &mut tries).await? {
                self.tree = accepted.tree;
                self.n_commits += 2;
                self.earlier.extend(accepted.ids.iter().cloned());
                let tests = accepted.ids.into_iter().collect();
                return Ok(task_report(task, &tries, TaskState::Solved, tests));
            }
        }
        let reasons = tries.reasons.iter().map(ToString::to_string).collect();
        Ok(task_report(task, &tries, TaskState::Unsolved { reasons }, vec![]))
    }

    /// Has the tests of a task written once, or weak ones made stronger, and judges them.
    pub(super) async fn write_tests(
        &mut self,
        task: &Task,
        tries: &mut Tries,
        weak: Option<&AcceptedTests>,
    ) -> Result<Option<AcceptedTests>, RolloutError> {
        tries.n_test_attempts += 1;
        let base = self.tree.clone();
        let there = files_below(&base, "tests/");
        let policy = AgentRole::TestWriter.policy().freeze(there.iter().map(String::as_str));
        let budget = &self.config.test_writer;
        let prompts = &self.ctx.prompts;
        let messages = Messages::test_writer(
            prompts,
            self.project,
            task,
            budget,
            &tries.reasons,
            weak.is_some(),
        )?;
        let order = Order {
            role: AgentRole::TestWriter,
            task: task.number,
            attempt: tries.n_test_attempts,
            tree: weak.map_or(&base, |tests| &tests.tree),
            policy: policy.clone(),
            budget,
            messages,
        };
        let handed_in = self.run_attempt(order).await?;
        let judged = self.judge_tests(task, &handed_in, &base, &policy).await?;
        let tree = merge(&base, &handed_in.result, &policy).tree;
        let frozen = judged.as_ref().map(|judged| judged.verified.record.frozen.clone());
        let frozen = frozen.unwrap_or_default();
        tries.reasons = self.close_attempt(handed_in, judged.as_ref())?;
        if !tries.reasons.is_empty() {
            return Ok(None);
        }
        let message = format!("Add tests for task {}: {}", task.number, task.title);
        let tree = git::commit(self.ctx, &tree, &message, self.n_commits).await?;
        Ok(Some(AcceptedTests { tree, frozen }))
    }

    /// Judges new tests, if the agent came to its end.
    async fn judge_tests(
        &self,
        task: &Task,
        handed_in: &HandedIn,
        base: &Tree,
        policy: &WritePolicy,
    ) -> Result<Option<Judged>, RolloutError> {
        if !handed_in.is_finished() {
            return Ok(None);
        }
        let may_appear = known_names(task, &handed_in.merged.tree);
        let claim = Suite {
            base,
            result: &handed_in.result,
            policy,
            fixed: None,
            earlier: &self.earlier,
            may_appear: &may_appear,
        };
        let verified = self.verifier().suite(&claim).await?;
        Ok(Some(Judged { claim: StoredClaim::suite(self.record.trees(), &claim)?, verified }))
    }

    /// Has a task implemented against accepted tests, as often as is allowed.
    pub(super) async fn implement(
        &mut self,
        task: &Task,
        tests: &AcceptedTests,
        tries: &mut Tries,
    ) -> Result<Option<Accepted>, RolloutError> {
        tries.reasons.clear();
        for _ in 0..self.config.max_implementation_attempts {
            tries.n_implementation_attempts += 1;
            let budget = &self.config.implementer;
            let messages = Messages::implementer(
                &self.ctx.prompts,
                self.project,
                task,
                budget,
                &tries.reasons,
                (&self.tree, &tests.tree),
            )?;
            let order = Order {
                role: AgentRole::Implementer,
                task: task.number,
                attempt: tries.n_implementation_attempts,
                tree: &tests.tree,
                policy: AgentRole::Implementer.policy(),
                budget,
                messages,
            };
            let handed_in = self.run_attempt(order).await?;
            let policy = AgentRole::Implementer.policy();
            let judged = self.verify(&handed_in, tests, &policy).await?;
            let tree = handed_in.merged.tree.clone();
            let ids = judged.as_ref().map(|judged| judged.verified.record.fail_to_pass.clone());
            let ids = ids.unwrap_or_default();
            tries.reasons = self.close_attempt(handed_in, judged.as_ref())?;
            if tries.reasons.is_empty() {
                let message = format!("Implement task {}: {}", task.number, task.title);
                let tree = git::commit(self.ctx, &tree, &message, self.n_commits + 1).await?;
                return Ok(Some(Accepted { tree, ids }));
            }
        }
        Ok(None)
    }

    /// Verifies an implementation, if the agent came to its end: fresh sandboxes over the accepted
    /// tests and the allowed part of the changes.
    async fn verify(
        &self,
        handed_in: &HandedIn,
        tests: &AcceptedTests,
        policy: &WritePolicy,
    ) -> Result<Option<Judged>, RolloutError> {
        if !handed_in.is_finished() {
            return Ok(None);
        }
        let wanted = Wanted {
            fail_to_pass: tests.frozen.clone(),
            pass_to_pass: self.earlier.clone(),
            must_fail: BTreeSet::new(),
        };
        let claim = Solution {
            base: &tests.tree,
            result: &handed_in.result,
            policy,
            pristine: &tests.tree,
            wanted: &wanted,
        };
        let verified = self.verifier().solution(&claim).await?;
        Ok(Some(Judged { claim: StoredClaim::solution(self.record.trees(), &claim)?, verified }))
    }

    pub(super) fn verifier(&self) -> Verifier {
        Verifier::new(self.ctx, self.config.verify)
    }
}

/// Returns the names of modules that a test may import before they exist: those at the top of the
/// repository or of its `src/`, and every name in the plan of the task.
fn known_names(task: &Task, tree: &Tree) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = tree
        .walk()
        .into_iter()
        .map(|entry| entry.path.strip_prefix("src/").unwrap_or(&entry.path).to_owned())
        .filter(|path| !path.contains('/'))
        .map(|name| name.trim_end_matches(".py").to_owned())
        .collect();
    let tests = task.code_tests.iter();
    let tests = tests.flat_map(|test| [test.name.as_str(), test.description.as_str()]);
    for text in tests.chain([task.title.as_str(), task.description.as_str()]) {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
    }
    names.remove("tests");
    names.remove("conftest");
    names
}

fn task_report(task: &Task, tries: &Tries, state: TaskState, tests: Vec<String>) -> TaskReport {
    TaskReport {
        number: task.number.to_string(),
        title: task.title.clone(),
        state,
        n_test_attempts: tries.n_test_attempts,
        n_implementation_attempts: tries.n_implementation_attempts,
        tests,
        mutation: tries.score,
        unsupported_visual_tests: task.visual_tests.iter().map(|test| test.name.clone()).collect(),
    }
}

impl TaskReport {
    /// Makes the report of a task that is not tried.
    pub(super) fn skipped(task: &Task, because: Vec<String>) -> TaskReport {
        task_report(task, &Tries::default(), TaskState::Skipped { because }, vec![])
    }
}
