//! The rules of ATIF that the types do not hold by themselves.

use super::{
    Observation, ObservationResult, SCHEMA_VERSION, Source, Step, SubagentRef, ToolCall, Trajectory,
};
use jiff::{Timestamp, civil::DateTime};
use serde_json::Value;
use std::{collections::BTreeSet, fmt};
use thiserror::Error;

/// Why a trajectory breaks the rules of ATIF: every violation, in the order of the document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the trajectory breaks the rules of {SCHEMA_VERSION}: {}", join(.violations))]
pub struct InvalidTrajectory {
    /// What is wrong; never empty.
    pub violations: Vec<Violation>,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The place in the document, for example `steps[2].metrics`.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path, self.reason)
    }
}

fn join(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}

impl Trajectory {
    /// Checks the rules of the format that its types leave open: the version, the numbering of steps,
    /// fields that only an agent may have, times, results that answer calls of their own step, costs
    /// that are numbers, and embedded trajectories.
    ///
    /// # Errors
    ///
    /// Returns all violations.
    pub fn validate(&self) -> Result<(), InvalidTrajectory> {
        let mut check = Check::default();
        check.trajectory(self, "");
        if check.violations.is_empty() {
            Ok(())
        } else {
            Err(InvalidTrajectory { violations: check.violations })
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Check {
    violations: Vec<Violation>,
}

impl Check {
    fn require(&mut self, holds: bool, path: impl Into<String>, reason: impl Into<String>) {
        if !holds {
            self.violations.push(Violation { path: path.into(), reason: reason.into() });
        }
    }

    /// Checks a trajectory; `prefix` is its place in the document, empty or ending in a point.
    fn trajectory(&mut self, trajectory: &Trajectory, prefix: &str) {
        let version = &trajectory.schema_version;
        self.require(
            version == SCHEMA_VERSION,
            format!("{prefix}schema_version"),
            format!("is `{version}` and not `{SCHEMA_VERSION}`"),
        );
        self.require(!trajectory.steps.is_empty(), format!("{prefix}steps"), "is empty");
        for (step, step_id) in trajectory.steps.iter().zip(1..) {
            self.step(step, step_id, &format!("{prefix}steps[{}]", step_id - 1));
        }
        let cost = trajectory.final_metrics.as_ref().and_then(|metrics| metrics.total_cost_usd);
        self.amount(cost, &format!("{prefix}final_metrics.total_cost_usd"));
        self.embedded(trajectory, prefix);
    }

    fn step(&mut self, step: &Step, step_id: u64, path: &str) {
        self.require(
            step.step_id == step_id,
            format!("{path}.step_id"),
            format!("is {} and not {step_id}", step.step_id),
        );
        if let Some(time) = &step.timestamp {
            let reason = format!("is `{time}`, which is no ISO 8601 time");
            self.require(is_time(time), format!("{path}.timestamp"), reason);
        }
        if step.source != Source::Agent {
            self.agent_only(step, path);
        }
        if step.llm_call_count == Some(0) {
            self.no_model(step, path);
        }
        if let Some(effort) = &step.reasoning_effort {
            let is_level = matches!(effort, Value::String(_) | Value::Number(_));
            let reason = "is neither text nor a number";
            self.require(is_level, format!("{path}.reasoning_effort"), reason);
        }
        let cost = step.metrics.as_ref().and_then(|metrics| metrics.cost_usd);
        self.amount(cost, &format!("{path}.metrics.cost_usd"));
        let call_ids = self.calls(step.tool_calls.as_deref().unwrap_or_default(), path);
        if let Some(observation) = &step.observation {
            self.observation(observation, &call_ids, path);
        }
    }

    fn agent_only(&mut self, step: &Step, path: &str) {
        let fields = [
            ("model_name", step.model_name.is_some()),
            ("reasoning_effort", step.reasoning_effort.is_some()),
            ("reasoning_content", step.reasoning_content.is_some()),
            ("tool_calls", step.tool_calls.is_some()),
            ("metrics", step.metrics.is_some()),
        ];
        for (name, is_present) in fields {
            self.require(!is_present, format!("{path}.{name}"), "is for steps of the agent only");
        }
    }

    fn no_model(&mut self, step: &Step, path: &str) {
        let fields = [
            ("metrics", step.metrics.is_some()),
            ("reasoning_content", step.reasoning_content.is_some()),
        ];
        for (name, is_present) in fields {
            let reason = "is present although `llm_call_count` is 0";
            self.require(!is_present, format!("{path}.{name}"), reason);
        }
    }

    /// Checks that the calls of a step differ in their ids, and returns these.
    fn calls<'a>(&mut self, calls: &'a [ToolCall], path: &str) -> BTreeSet<&'a str> {
        let mut ids = BTreeSet::new();
        for (call_idx, call) in calls.iter().enumerate() {
            let reason = format!("is `{}` again", call.tool_call_id);
            let is_new = ids.insert(call.tool_call_id.as_str());
            self.require(is_new, format!("{path}.tool_calls[{call_idx}].tool_call_id"), reason);
        }
        ids
    }

    fn observation(&mut self, observation: &Observation, call_ids: &BTreeSet<&str>, path: &str) {
        for (result_idx, result) in observation.results.iter().enumerate() {
            let path = format!("{path}.observation.results[{result_idx}]");
            let ObservationResult { source_call_id, subagent_trajectory_ref, .. } = result;
            if let Some(id) = source_call_id {
                let reason = format!("is `{id}`, which is no call of this step");
                let is_known = call_ids.contains(id.as_str());
                self.require(is_known, format!("{path}.source_call_id"), reason);
            }
            for (ref_idx, reference) in subagent_trajectory_ref.iter().flatten().enumerate() {
                let SubagentRef { trajectory_id, trajectory_path, .. } = reference;
                self.require(
                    trajectory_id.is_some() || trajectory_path.is_some(),
                    format!("{path}.subagent_trajectory_ref[{ref_idx}]"),
                    "has neither `trajectory_id` nor `trajectory_path`",
                );
            }
        }
    }

    fn embedded(&mut self, trajectory: &Trajectory, prefix: &str) {
        let mut ids = BTreeSet::new();
        let embedded = trajectory.subagent_trajectories.iter().flatten();
        for (sub_idx, subagent) in embedded.enumerate() {
            let path = format!("{prefix}subagent_trajectories[{sub_idx}]");
            match &subagent.trajectory_id {
                Some(id) => {
                    let reason = format!("is `{id}` again");
                    self.require(ids.insert(id), format!("{path}.trajectory_id"), reason);
                }
                None => self.require(false, format!("{path}.trajectory_id"), "is missing"),
            }
            self.trajectory(subagent, &format!("{path}."));
        }
    }

    fn amount(&mut self, amount: Option<f64>, path: &str) {
        let is_price = amount.is_none_or(|amount| amount.is_finite() && amount >= 0.0);
        self.require(is_price, path, "is not an amount of money");
    }
}

/// Whether `text` is a date and a time, with or without an offset.
fn is_time(text: &str) -> bool {
    text.contains(['T', 't'])
        && (text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok())
}
