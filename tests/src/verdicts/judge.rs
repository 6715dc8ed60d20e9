//! Puts what a persona left before the verifier, as the pipeline would.

use anyhow::{Context as _, bail, ensure};
use playpen::{
    agent::{WritePolicy, report::TestOutcome},
    context::Context,
    verify::{
        Bug, CheckLimits, Decision, FrozenTests, Selection, Solution, Suite, Verification,
        Verifier, VerifySettings, Wanted, gate::Reason, merge::merge, with_tests_of,
    },
};
use playpen_runtime::Tree;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    persona::{Persona, Stage},
    player::{self, Played},
};

/// Time for one test run above any that a busy machine needs. A persona that waits for ever costs it
/// twice.
const WALL: Duration = Duration::from_secs(90);

/// The verdict on a persona.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Whether its work was accepted.
    pub is_accepted: bool,
    /// Kinds of the reasons why not.
    pub reasons: BTreeSet<String>,
    /// The reasons in words, and what went wrong while the script was played.
    pub details: Vec<String>,
}

/// A persona with the trees of its stage.
#[derive(Debug)]
pub struct Case {
    persona: Persona,
    /// What the agent is given.
    base: Tree,
    /// The code as it should be, with all tests, if it is known.
    good: Option<Tree>,
    /// Where the tests come from.
    pristine: Tree,
    played: Played,
}

impl Case {
    /// Builds the trees and plays the script.
    ///
    /// # Errors
    ///
    /// Fails if the trees cannot be made of the persona's files, or if the host fails.
    pub async fn play(ctx: &Context, persona: Persona) -> anyhow::Result<Case> {
        let code = overlaid(&Tree::new(), &persona.files)?;
        let solved = overlaid(&code, &persona.solved)?;
        let with_tests = |tree: &Tree| overlaid(tree, &persona.tests);
        let (base, good, pristine) = match persona.stage {
            Stage::TestWriter => {
                let good = (!persona.solved.is_empty()).then_some(solved);
                (code.clone(), good, code)
            }
            Stage::Implementer | Stage::LibraryWriter => {
                let good =
                    if persona.solved.is_empty() { None } else { Some(with_tests(&solved)?) };
                let base = with_tests(&code)?;
                (base.clone(), good, base)
            }
            Stage::BugInjector => {
                let base = with_tests(&solved)?;
                (base.clone(), None, base)
            }
            Stage::Solver => {
                let good = with_tests(&solved)?;
                let buggy = overlaid(&solved, &persona.buggy)?;
                (without_tests(&buggy), Some(good.clone()), good)
            }
            Stage::Reproducer => {
                let good = with_tests(&solved)?;
                let buggy = overlaid(&good, &persona.buggy)?;
                (buggy, Some(good.clone()), good)
            }
        };
        let played = player::play(ctx, &persona, &base).await?;
        Ok(Case { persona, base, good, pristine, played })
    }

    /// Returns the persona.
    pub fn persona(&self) -> &Persona {
        &self.persona
    }

    /// Asks the verifier, with `seed` for its draws.
    ///
    /// # Errors
    ///
    /// Fails if the host does, or if the tests of the persona make no sense.
    pub async fn judge(
        &self,
        ctx: &Context,
        seed: u64,
        n_jobs: usize,
    ) -> anyhow::Result<Judgement> {
        if !self.played.run.stop.is_finished() {
            let details = vec![format!("the agent ended with {}", self.played.run.stop.name())];
            let reasons = ["not_finished".to_owned()].into();
            return Ok(Judgement { is_accepted: false, reasons, details });
        }
        let (record, more) = self.verify(ctx, seed, n_jobs).await?;
        Ok(self.judgement(&record, &more))
    }

    /// Returns the verifier's record of what was left, and what speaks against it besides.
    ///
    /// # Errors
    ///
    /// Fails if the host does, or if the tests of the persona make no sense.
    pub async fn verify(
        &self,
        ctx: &Context,
        seed: u64,
        n_jobs: usize,
    ) -> anyhow::Result<(Verification, Vec<Reason>)> {
        let cpu = Duration::from_secs(self.persona.cpu_s);
        let settings = VerifySettings {
            limits: CheckLimits { cpu, wall: WALL },
            nonce: seed,
            n_jobs,
            ..VerifySettings::default()
        };
        let verifier = Verifier::new(ctx, settings);
        let policy = self.policy();
        Ok(match self.persona.stage {
            Stage::TestWriter => self.suite(&verifier, &policy).await?,
            Stage::Reproducer => self.reproduction(&verifier, &policy).await?,
            Stage::BugInjector => {
                let (base, result) = (&self.base, &self.played.tree);
                let claim = Bug { base, result, policy: &policy, pristine: &self.pristine };
                (verifier.bug(&claim).await?.record, vec![])
            }
            Stage::Implementer | Stage::Solver | Stage::LibraryWriter => {
                (self.solution(&verifier, &policy).await?, vec![])
            }
        })
    }

    fn policy(&self) -> WritePolicy {
        let policy = player::role(self.persona.stage).policy();
        if self.persona.stage != Stage::TestWriter {
            return policy;
        }
        policy.freeze(player::tests_in(&self.base).iter().map(String::as_str))
    }

    async fn solution(
        &self,
        verifier: &Verifier,
        policy: &WritePolicy,
    ) -> anyhow::Result<Verification> {
        let wanted = self.wanted(verifier).await?;
        let claim = Solution {
            base: &self.base,
            result: &self.played.tree,
            policy,
            pristine: &self.pristine,
            wanted: &wanted,
        };
        Ok(verifier.solution(&claim).await?.record)
    }

    /// Returns which tests should pass: as the persona says, else as they come out.
    async fn wanted(&self, verifier: &Verifier) -> anyhow::Result<Wanted> {
        let persona = &self.persona;
        if let (Some(own), Some(others)) = (&persona.fail_to_pass, &persona.pass_to_pass) {
            return Ok(Wanted {
                fail_to_pass: FrozenTests::new(own.clone()),
                pass_to_pass: others.clone(),
                ..Wanted::default()
            });
        }
        let before = with_tests_of(&self.base, &self.pristine, &BTreeSet::new());
        let baseline = verifier.baseline(&before, self.good.as_ref()).await?;
        ensure!(
            baseline.flaws.is_empty(),
            "the tests of the persona cannot be run: {}",
            words(&baseline.flaws).join("; ")
        );
        let mut wanted = baseline.wanted;
        if let Some(own) = &persona.fail_to_pass {
            wanted.fail_to_pass = FrozenTests::new(own.clone());
        }
        if let Some(others) = &persona.pass_to_pass {
            wanted.pass_to_pass.clone_from(others);
        }
        if wanted.fail_to_pass.is_empty() {
            bail!("no test of the persona fails before the agent has worked, so there is no task");
        }
        Ok(wanted)
    }

    /// Judges new tests, and runs them on the code as it should be, where that is known.
    async fn suite(
        &self,
        verifier: &Verifier,
        policy: &WritePolicy,
    ) -> anyhow::Result<(Verification, Vec<Reason>)> {
        let earlier = verifier.baseline(&self.base, None).await?.wanted.pass_to_pass;
        let may_appear = self.may_appear();
        let claim = Suite {
            base: &self.base,
            result: &self.played.tree,
            policy,
            fixed: None,
            earlier: &earlier,
            may_appear: &may_appear,
        };
        let verified = verifier.suite(&claim).await?;
        let mut more = vec![];
        if let (true, Some(good)) = (verified.accepted(), &self.good) {
            let tests = merge(&self.base, &self.played.tree, policy).tree;
            let tree = with_tests_of(good, &tests, &BTreeSet::new());
            let seen = verifier.observe_closely(&tree, &Selection::All).await?;
            let claimed = verified.record.frozen.ids();
            let own = seen.passing().into_iter().filter(|id| claimed.contains(id)).collect();
            let stubs = merge(&self.base, &self.played.tree, policy).tree;
            more.extend(verifier.readers_of_source(&tree, &stubs, &own).await?);
            more.extend(seen.flaws.clone());
            let outcomes = seen.flaky.iter();
            more.extend(
                outcomes.map(|(id, o)| Reason::Flaky { id: id.clone(), outcomes: o.clone() }),
            );
            let passing = seen.passing();
            let is_idle = |outcome| matches!(outcome, TestOutcome::Skipped | TestOutcome::Xfailed);
            let frozen = verified.record.frozen.ids();
            let failing = seen.outcomes().into_iter().filter(|(id, seen)| {
                // What was there and does not run, or is known to fail, says nothing.
                !passing.contains(id) && (frozen.contains(id) || !is_idle(seen.outcome))
            });
            more.extend(failing.map(|(id, seen)| Reason::FailsOnFixed {
                id,
                outcome: seen.outcome,
                exception: seen.exception,
                message: seen.message,
            }));
        }
        Ok((verified.record, more))
    }

    async fn reproduction(
        &self,
        verifier: &Verifier,
        policy: &WritePolicy,
    ) -> anyhow::Result<(Verification, Vec<Reason>)> {
        let good = self.good.as_ref().context("a reproduction needs the code as it should be")?;
        let before = with_tests_of(&self.base, &self.base, &BTreeSet::new());
        let earlier = if before.exists("tests") {
            verifier.observe(&before, &Selection::All).await?.passing()
        } else {
            BTreeSet::new()
        };
        let claim = Suite {
            base: &self.base,
            result: &self.played.tree,
            policy,
            fixed: Some(good),
            earlier: &earlier,
            may_appear: &BTreeSet::new(),
        };
        Ok((verifier.suite(&claim).await?.record, vec![]))
    }

    /// Returns the modules that tests may import: those at the top of the project or of its `src/`,
    /// those of the code as it should be, and those that the persona names.
    fn may_appear(&self) -> BTreeSet<String> {
        let trees = [Some(&self.base), self.good.as_ref()];
        let entries = trees.into_iter().flatten().flat_map(Tree::walk);
        let names = entries.filter_map(|entry| {
            let path = entry.path.strip_prefix("src/").unwrap_or(&entry.path);
            let name = path.split('/').next()?;
            Some(name.trim_end_matches(".py").to_owned())
        });
        let mut names: BTreeSet<String> = names.chain(self.persona.may_appear.clone()).collect();
        names.remove("tests");
        names.remove("conftest");
        names
    }

    fn judgement(&self, record: &Verification, more: &[Reason]) -> Judgement {
        let reasons: Vec<Reason> = record.reasons().chain(more).cloned().collect();
        let mut details = words(&reasons);
        details.extend(record.dropped.iter().map(|path| format!("left out: {path}")));
        let failed = self.played.failed.iter();
        details.extend(failed.map(|call| format!("a step of the script failed: {call}")));
        Judgement {
            is_accepted: record.decision == Decision::Accept && more.is_empty(),
            reasons: reasons.iter().map(Reason::name).collect(),
            details,
        }
    }
}

fn words(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().map(|reason| format!("{}: {reason}", reason.name())).collect()
}

fn overlaid(tree: &Tree, files: &BTreeMap<String, String>) -> anyhow::Result<Tree> {
    let mut tree = tree.clone();
    for (path, text) in files {
        tree.write(path, text.clone(), 0o644)
            .with_context(|| format!("`{path}` cannot be put into the project"))?;
    }
    Ok(tree)
}

fn without_tests(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    if tree.exists("tests") {
        let _ignored = tree.remove("tests");
    }
    tree
}
