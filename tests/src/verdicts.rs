//! Scripted agents with a known verdict: what the verifier must let through, and what it must refuse.
//!
//! A persona is a small project, a stage, what an agent does there, and the expected verdict; see
//! `personas/FORMAT.md`. The agent is played for real: through the tools of agents, in a sandbox with
//! the rules of its role. What it leaves goes through the verifier of the pipeline.

pub mod judge;
pub mod machine;
pub mod persona;
pub mod player;
pub mod report;
