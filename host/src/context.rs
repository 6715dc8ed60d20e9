//! What every stage of the pipeline is given.

use crate::{
    model::{ChatModel, ChatRequest, ChatResponse, ModelError, Purpose},
    prompt::Prompts,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use playpen_runtime::{Engine, Image};
use std::sync::Arc;

/// The engine, the image, the model and the prompts that the stages of one run share.
#[derive(Clone, Debug)]
pub struct Context {
    /// The engine that runs guests.
    pub engine: Engine,
    /// The root filesystem of every sandbox.
    pub image: Image,
    /// The model that proposes, writes tests and implements.
    pub model: Arc<dyn ChatModel>,
    /// The templates of what is said to the model.
    pub prompts: Prompts,
}

impl Context {
    /// Returns the context of work for which no model is asked.
    pub fn without_model(engine: Engine, image: Image) -> Context {
        Context { engine, image, model: Arc::new(NoModel), prompts: Prompts::embedded() }
    }
}

/// In the place of a model that is never asked.
#[derive(Clone, Copy, Debug)]
struct NoModel;

impl ChatModel for NoModel {
    fn chat<'a>(
        &'a self,
        _purpose: &'a Purpose,
        _request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        std::future::ready(Err(ModelError::NoAnswer)).boxed()
    }
}
