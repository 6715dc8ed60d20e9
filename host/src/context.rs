//! What every stage of the pipeline is given.

use crate::{model::ChatModel, prompt::Prompts};
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
