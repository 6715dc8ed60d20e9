//! What a person can do about an error.
//!
//! Advice is no part of a message: it hangs on the error types as data, is collected here from the
//! whole chain, and is printed after the causes.

use crate::{
    attempt::ReplayError,
    audit::{KeyError, LogError},
    config::ConfigError,
    demo::DemoError,
    export::ExportError,
    mock_model::ScriptError,
    model::{CassetteError, ClientError, ModelError},
    policy::PolicyError,
    prompt::PromptError,
    propose::ProposeError,
    record::RecordError,
    rollout::{ProjectError, RolloutError},
    variant::VariantError,
};
use playpen_image::{BuildError, SpecError};
use playpen_runtime::{EngineError, ImageError, ImportError, store::StoreError};
use std::{error::Error as StdError, io};
use thiserror::Error;

/// A message of the command line with advice.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct Advice {
    message: String,
    hint: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Advice {
    /// Returns an error of its own.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), source: None }
    }

    /// Returns the error with what caused it.
    pub(super) fn because(self, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..self }
    }
}

/// Returns advice as a line for people.
pub(super) fn line(hint: &str) -> String {
    format!("hint: {hint}")
}

/// Returns the advice in the chain of `error`, outermost first, each line once.
pub(super) fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in error.chain().flat_map(hints_of) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

/// Returns the advice of one error, where its type has some.
fn hints_of(error: &(dyn StdError + 'static)) -> Vec<String> {
    let own = own_hint(error).into_iter().collect();
    let model = error.downcast_ref().map(ModelError::hints);
    let client = || error.downcast_ref().map(ClientError::hints);
    let cassette = || error.downcast_ref().map(CassetteError::hints);
    let several = model.or_else(client).or_else(cassette);
    several.map_or(own, |several| several.into_iter().map(str::to_owned).collect())
}

fn own_hint(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(advice) = error.downcast_ref::<Advice>() {
        return Some(advice.hint.clone());
    }
    if let Some(error) = error.downcast_ref::<SpecError>() {
        return error.hint().map(str::to_owned);
    }
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return Some(error.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<PolicyError>() {
        return error.hint();
    }
    let stage = error.downcast_ref().and_then(ProposeError::hint);
    let prompt = || error.downcast_ref().and_then(PromptError::hint);
    if let Some(hint) = stage.or_else(prompt) {
        return Some(hint.to_owned());
    }
    let build = error.downcast_ref().and_then(BuildError::hint);
    let demo = || error.downcast_ref().and_then(DemoError::hint);
    let rollout = || error.downcast_ref().and_then(RolloutError::hint);
    let variant = || error.downcast_ref().and_then(VariantError::hint);
    let export = || error.downcast_ref().and_then(ExportError::hint);
    let record = || error.downcast_ref().and_then(RecordError::hint);
    build
        .or_else(demo)
        .or_else(rollout)
        .or_else(record)
        .or_else(variant)
        .or_else(export)
        .or_else(|| runtime_hint(error).map(str::to_owned))
}

/// The runtime knows nothing of flags, so its advice is given here.
fn runtime_hint(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    if let Some(EngineError::TooManySlots { .. }) = error.downcast_ref() {
        return Some("`playpen doctor` shows how many process slots there can be");
    }
    if let Some(error) = error.downcast_ref::<LogError>() {
        return Some(super::audit::hint(error));
    }
    if let Some(error) = error.downcast_ref::<KeyError>() {
        return Some(error.hint());
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return error.hint();
    }
    if let Some(ImageError::Read { source, .. }) = error.downcast_ref()
        && source.kind() == io::ErrorKind::NotFound
    {
        return Some(
            "`playpen image list` shows the images that there are; `playpen image build` makes one",
        );
    }
    if let Some(ScriptError::Read { .. } | ScriptError::Invalid { .. }) = error.downcast_ref() {
        return Some("`host/src/mock_model/FORMAT.md` says how a script is written");
    }
    if error.is::<ProjectError>() {
        return Some("`playpen propose` makes the folder of a project");
    }
    if let Some(ReplayError::Image { .. }) = error.downcast_ref() {
        return Some(
            "`PLAYPEN_IMAGE` names the folder of an image, where the one of then is still there",
        );
    }
    if error.is::<ImageError>() {
        return Some("`playpen image build` makes the image again where it is damaged");
    }
    match error.downcast_ref() {
        Some(ImportError::TooLarge { .. }) => Some(
            "leave something out with `--skip NAME`, or mount another folder: `--mount GUEST=HOST`",
        ),
        Some(ImportError::Special { .. } | ImportError::Name { .. }) => {
            Some("leave it out with `--skip NAME`, or with a pattern in a `.playpenignore`")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Advice, hints};
    use crate::config::ConfigError;

    #[test]
    fn advice_is_found_below_context_and_said_once() {
        let error = anyhow::Error::new(ConfigError::NoHome).context("while trying");
        assert_eq!(hints(&error), [ConfigError::NoHome.hint()]);
        let error = anyhow::Error::new(Advice::new("message", "do this")).context("outer");
        assert_eq!(hints(&error), ["do this"]);
    }
}
