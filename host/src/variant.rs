//! Tasks made from finished code: bugs without a model, mutants, stubs.
//!
//! Whatever looks at Python here is CPython's own parser, run in a sandbox ([`edits`]); whatever runs
//! tests is pytest in a fork of one sandbox ([`suite`]). Changes are made to the text of a file, so that
//! comments and formatting stay.
//!
//! ```text
//!   folder ──► Repository ──► Baseline: ids that pass each time, and which test runs which line
//!                                 │
//!                   edits::sites ─┴─► candidates ──► screened in a warm process ──► validated in forks
//!                                                                                        │
//!                                              instances in the shape of SWE-bench ◄─────┘
//! ```
//!
//! # Invariants
//!
//! * **A test counts by its id.** What is kept names the tests that fail with the bug and the tests that
//!   pass with and without it.
//! * **No clock decides.** A test that hangs is found by the steps that it takes. The exception is a test
//!   of the project itself that hangs outside of the project's code: it is left out after a wait.
//! * **A warm process only chooses candidates**; what is said of them was seen in a fresh one.

use futures_util::future::BoxFuture;
use playpen_runtime::{Engine, Image};
use std::sync::Arc;

use crate::{
    context::Context,
    model::{ChatModel, ChatRequest, ChatResponse, ModelError, Purpose},
    prompt::Prompts,
};

pub mod baseline;
mod bug;
pub mod commit0;
pub mod coverage;
pub mod declared;
pub mod desk;
pub mod edits;
mod error;
pub mod instance;
pub mod mutants;
pub mod packages;
pub mod procedural;
pub(crate) mod prompts;
pub mod repository;
pub mod series;
pub mod source;
pub mod stage;
pub mod suite;
pub mod swe;
pub mod swt;

pub use error::VariantError;

/// Makes the context of work that needs no model.
pub fn offline_context(engine: Engine, image: Image) -> Context {
    Context { engine, image, model: Arc::new(NoModel), prompts: Prompts::embedded() }
}

/// Stands where no model is asked.
#[derive(Debug)]
struct NoModel;

impl ChatModel for NoModel {
    fn chat<'a>(
        &'a self,
        purpose: &'a Purpose,
        _request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        let url = purpose.stage.clone();
        let message = "no model is configured for this work".to_owned();
        Box::pin(async move { Err(ModelError::Refused { url, status: 0, message }) })
    }
}

#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod tests;
