//! Training data for coding agents without containers: the pipeline and the command line.
//!
//! The sandbox itself is the crate `playpen_runtime`; this crate is everything that talks to a
//! model, to a person or to the disk of the host:
//!
//! ```text
//!   cli ──► propose, rollout, demo ──► agent ──► model      (HTTP, record and replay)
//!    │              │                    │
//!    │              └──► project, record └────► playpen_runtime::Sandbox
//!    └──► printer, config
//! ```
//!
//! Arrows never point back: [`model`] knows no tool, a stage knows no HTTP, and [`cli`] holds no
//! logic of the pipeline.

pub mod agent;
pub mod atif;
pub mod attempt;
pub mod audit;
pub mod bench;
pub mod cli;
pub mod config;
pub mod context;
pub mod demo;
pub mod doctor;
pub mod export;
pub mod git;
pub mod mock_model;
pub mod model;
pub mod mutation;
mod page;
pub mod policy;
pub mod printer;
pub mod progress;
pub mod project;
pub mod prompt;
pub mod propose;
pub mod record;
pub mod report;
pub mod rollout;
mod units;
pub mod variant;
pub mod verify;
