//! One attempt of an agent at a task: its sandbox, its run, and its record.

use playpen_runtime::Tree;
use serde::Serialize;

use super::{Work, error::RolloutError, prompts::Messages, report::Totals};
use crate::{
    agent::{AgentBudget, AgentRole, AgentRun, AgentStop, AgentTask, WritePolicy},
    attempt::{AttemptError, Attempted, Given, attempt},
    model::Usage,
    progress::Progress,
    project::TaskNumber,
    record::{AttemptRecord, FORMAT_VERSION, StoredClaim, digest_of},
    verify::{
        FrozenTests, Verified,
        gate::{Gate, Reason, Verdict},
        merge::Merged,
    },
};

/// What an agent is asked, and what it is lent for it.
#[derive(Debug)]
pub(super) struct Order<'a> {
    pub(super) role: AgentRole,
    pub(super) task: TaskNumber,
    pub(super) attempt: u32,
    pub(super) tree: &'a Tree,
    pub(super) policy: WritePolicy,
    pub(super) budget: &'a AgentBudget,
    pub(super) messages: Messages,
}

/// What an agent handed in, before any gate has seen it.
#[derive(Debug)]
pub(super) struct HandedIn {
    pub(super) merged: Merged,
    /// All that the agent left.
    pub(super) result: Tree,
    run: AgentRun,
    record: AttemptRecord,
    verdict: AttemptVerdict,
}

/// What the verifier said of it, and what it was asked.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) claim: StoredClaim,
    pub(super) verified: Verified,
}

impl HandedIn {
    /// Returns whether the agent came to its end.
    pub(super) fn is_finished(&self) -> bool {
        self.run.stop.is_finished()
    }

    /// Judges whether the agent came to its end.
    fn finished(&self) -> Verdict {
        let stop = self.run.stop.name().to_owned();
        let not_finished = Reason::NotFinished { stop };
        let reasons = if self.is_finished() { vec![] } else { vec![not_finished] };
        Verdict::new(Gate::Finished, reasons)
    }
}

/// What `verdict.json` holds.
#[derive(Debug, Serialize)]
struct AttemptVerdict {
    format_version: u32,
    task: String,
    role: &'static str,
    attempt: u32,
    accepted: bool,
    /// How the agent stopped.
    stop: &'static str,
    /// What the agent said when it finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    gates: Vec<Verdict>,
    /// The tests, once they are frozen.
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<FrozenTests>,
    /// Digests of trees without `.git/`, BLAKE3 in hexadecimal.
    digests: Digests,
    /// Changes that were left out because the role does not allow them.
    dropped: Vec<String>,
    usage: Usage,
    n_model_calls: u64,
    n_tool_calls: u64,
    n_denied: u64,
    /// Events that `audit.jsonl` had no room for.
    n_unrecorded: u64,
}

/// Digests of what an attempt began with and what it handed in.
#[derive(Debug, Serialize)]
struct Digests {
    before: String,
    after: String,
    tests_after: String,
}

impl Work<'_> {
    /// Lets an agent work, and keeps what it left that its role allows.
    pub(super) async fn run_attempt(&mut self, order: Order<'_>) -> Result<HandedIn, RolloutError> {
        let task = order.task.to_string();
        let record = self.record.attempt(&task, order.role.name(), order.attempt)?;
        self.events.event(&Progress::AttemptStarted {
            stage: order.role.name().to_owned(),
            task: Some(task.clone()),
            attempt: order.attempt,
        });
        let agent_task = AgentTask {
            role: order.role,
            stage: order.role.name().to_owned(),
            task: Some(task.clone()),
            attempt: order.attempt,
            system_prompt: order.messages.system,
            user_prompt: order.messages.user,
            model_name: self.config.model_name.clone(),
            temperature: self.config.temperature,
            max_tokens: self.config.max_tokens,
            seed: self.config.seed,
        };
        let given = Given {
            task: agent_task,
            tree: order.tree,
            policy: &order.policy,
            budget: order.budget,
        };
        let trees = self.record.trees();
        let made = attempt(self.ctx, given, &record, trees, self.events).await;
        let Attempted { run, result, merged, n_unrecorded } =
            made.map_err(|error| match error {
                AttemptError::Sandbox(source) => {
                    RolloutError::Sandbox { task: task.clone(), source }
                }
                AttemptError::Record(source) => source.into(),
            })?;
        self.totals.add(&run);
        let verdict = AttemptVerdict {
            format_version: FORMAT_VERSION,
            task,
            role: order.role.name(),
            attempt: order.attempt,
            accepted: false,
            stop: run.stop.name(),
            message: match &run.stop {
                AgentStop::Finished { message } => Some(message.clone()),
                _ => None,
            },
            gates: vec![],
            tests: None,
            digests: Digests {
                before: digest_of(order.tree, |name| name != ".git"),
                after: digest_of(&merged.tree, |name| name != ".git"),
                tests_after: digest_of(&merged.tree, |name| name == "tests"),
            },
            dropped: merged.dropped.iter().cloned().collect(),
            usage: run.usage,
            n_model_calls: run.n_model_calls,
            n_tool_calls: run.n_tool_calls,
            n_denied: run.n_denied,
            n_unrecorded,
        };
        Ok(HandedIn { merged, result, run, record, verdict })
    }

    /// Writes the verdict on an attempt, and reports it.
    ///
    /// Returns the reasons for a refusal, which are empty if the attempt was accepted.
    pub(super) fn close_attempt(
        &mut self,
        handed_in: HandedIn,
        judged: Option<&Judged>,
    ) -> Result<Vec<Reason>, RolloutError> {
        let mut gates = vec![handed_in.finished()];
        let HandedIn { run, record, mut verdict, .. } = handed_in;
        if let Some(Judged { claim, verified }) = judged {
            gates.extend(verified.record.gates.iter().cloned());
            verdict.tests = Some(verified.record.frozen.clone());
            record.write_verification(claim, self.config.verify, verified)?;
        }
        verdict.accepted = judged.is_some() && gates.iter().all(|gate| gate.passed);
        verdict.gates = gates;
        record.write_verdict(&verdict)?;
        let reasons: Vec<Reason> =
            verdict.gates.iter().flat_map(|gate| gate.reasons.iter().cloned()).collect();
        self.report_verdict(&verdict, &reasons);
        match run.stop {
            AgentStop::ModelFailed(source) => {
                Err(RolloutError::Model { task: verdict.task, source })
            }
            AgentStop::SandboxFailed(source) => {
                Err(RolloutError::Host { task: verdict.task, source })
            }
            _ => Ok(reasons),
        }
    }

    /// Tells those who watch.
    fn report_verdict(&self, verdict: &AttemptVerdict, reasons: &[Reason]) {
        for gate in &verdict.gates {
            self.events.event(&Progress::GateDecided {
                task: verdict.task.clone(),
                gate: gate.gate.name().to_owned(),
                passed: gate.passed,
                summary: summary(&gate.reasons),
            });
        }
        self.events.event(&Progress::AttemptFinished {
            stage: verdict.role.to_owned(),
            task: Some(verdict.task.clone()),
            attempt: verdict.attempt,
            ok: verdict.accepted,
            summary: summary(reasons),
        });
    }
}

impl Totals {
    /// Counts one attempt.
    fn add(&mut self, run: &AgentRun) {
        self.n_attempts += 1;
        self.usage += run.usage;
        self.n_model_calls += run.n_model_calls;
        self.n_tool_calls += run.n_tool_calls;
        self.n_denied += run.n_denied;
    }
}

/// Says the first reason, and how many more there are.
pub(super) fn summary(reasons: &[Reason]) -> String {
    match reasons {
        [] => String::new(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
