//! Attempts at the same work, one after the other, until one is accepted.

use playpen_runtime::Tree;
use std::collections::BTreeSet;

use super::{
    desk::{Desk, Order, Score},
    error::VariantError,
    prompts::VariantPrompt,
    source::bare,
    stage::{Outcome, VariantRefusal},
};
use crate::{
    agent::{AgentRole, WritePolicy},
    record::StoredClaim,
    verify::{Solution, Suite, Verified, Wanted, gate::Reason},
};

/// Reasons of a refusal that the next agent is told.
const MAX_TOLD_REASONS: usize = 20;

/// What an attempt must bring about.
#[derive(Clone, Copy, Debug)]
pub enum Goal<'a> {
    /// Tests that failed pass, and others go on passing.
    Passing {
        /// Where the tests come from.
        pristine: &'a Tree,
        /// Which ones.
        wanted: &'a Wanted,
    },
    /// New tests fail, and pass on the code as it should be.
    Reproduction {
        /// That code.
        fixed: &'a Tree,
        /// The tests that are there already.
        earlier: &'a BTreeSet<String>,
    },
}

/// Attempts at the same work.
#[derive(Debug)]
pub struct Series<'a> {
    /// Who the agents are.
    pub role: AgentRole,
    /// What they work on: a task's number, or the name of the whole.
    pub item: &'a str,
    /// How many there are at most.
    pub max_attempts: u32,
    /// What each of them is given.
    pub given: &'a Tree,
    /// The template of their prompts.
    pub(crate) template: &'a str,
    /// What the prompts are filled with.
    pub(crate) variables: VariantPrompt,
    /// What an attempt must bring about.
    pub goal: Goal<'a>,
    /// Whether what is left counts that an agent did not finish, and later ones are told what is missing.
    pub is_scored: bool,
}

impl Series<'_> {
    /// Lets agents work until one is accepted; what comes of it goes to `outcome`. Returns what was accepted.
    ///
    /// # Errors
    ///
    /// Fails if the host does, if a record cannot be written or if the model cannot be asked.
    pub async fn work(
        mut self,
        desk: &Desk<'_>,
        outcome: &mut Outcome,
    ) -> Result<Option<Verified>, VariantError> {
        let policy = self.role.policy();
        for attempt in 1..=self.max_attempts {
            let order = Order {
                role: self.role,
                item: self.item,
                attempt,
                tree: self.given,
                policy: &policy,
                template: self.template,
                variables: self.variables.clone(),
            };
            let left = desk.attempt(order).await?;
            outcome.n_attempts += 1;
            let is_finished = left.is_finished();
            let (mut judged, mut score) = (None, None);
            if is_finished || self.is_scored {
                let (stored, verified) = self.judge(desk, &bare(&left.result), &policy).await?;
                score = self.score(&verified);
                judged = Some((stored, verified));
            }
            outcome.score = better(outcome.score, score);
            let pair = judged.as_ref().map(|(stored, verified)| (stored, verified));
            let reasons = desk.close(left, pair, score)?;
            if let Some((_, verified)) = judged
                && is_finished
                && verified.accepted()
            {
                outcome.kept = true;
                return Ok(Some(verified));
            }
            if self.is_scored {
                self.variables.findings = told(&reasons);
            }
            outcome.refused.push(VariantRefusal::Gates { role: self.role.name(), reasons });
        }
        Ok(None)
    }

    /// Asks the verifier about what an agent left.
    async fn judge(
        &self,
        desk: &Desk<'_>,
        result: &Tree,
        policy: &WritePolicy,
    ) -> Result<(StoredClaim, Verified), VariantError> {
        let (base, trees) = (&bare(self.given), desk.trees());
        match self.goal {
            Goal::Passing { pristine, wanted } => {
                let claim = Solution { base, result, policy, pristine, wanted };
                let verified = desk.verifier().solution(&claim).await?;
                Ok((StoredClaim::solution(&trees, &claim)?, verified))
            }
            Goal::Reproduction { fixed, earlier } => {
                let may_appear = &BTreeSet::new();
                let claim = Suite { base, result, policy, fixed: Some(fixed), earlier, may_appear };
                let verified = desk.verifier().suite(&claim).await?;
                Ok((StoredClaim::suite(&trees, &claim)?, verified))
            }
        }
    }

    /// Counts what passes, where that is of use.
    fn score(&self, verified: &Verified) -> Option<Score> {
        match self.goal {
            Goal::Passing { wanted, .. } if self.is_scored => Some(Score {
                n_passed: verified.record.fail_to_pass.len(),
                n_wanted: wanted.fail_to_pass.ids().len(),
            }),
            _ => None,
        }
    }
}

fn told(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().take(MAX_TOLD_REASONS).map(ToString::to_string).collect()
}

/// Returns the better of two scores; the earlier one if they are equal.
fn better(first: Option<Score>, second: Option<Score>) -> Option<Score> {
    match (first, second) {
        (Some(one), Some(other)) if other.n_passed > one.n_passed => Some(other),
        (first, second) => first.or(second),
    }
}
