//! What a person can do about an error.
//!
//! Advice is no part of a message: it hangs on the error types as data, is collected here from the
//! whole chain, and is printed after the causes.

use crate::config::ConfigError;
use std::{error::Error as StdError, fmt};

/// A message of the command line with advice, and perhaps a cause.
#[derive(Debug)]
pub(super) struct Advice {
    message: String,
    hint: String,
    source: Option<anyhow::Error>,
}

impl Advice {
    /// Returns an error of its own.
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), source: None }
    }

    /// Adds what caused it.
    pub(super) fn caused_by(self, source: impl Into<anyhow::Error>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Advice {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(AsRef::as_ref)
    }
}

/// Returns the advice in the chain of `error`, outermost first, each line once.
pub(super) fn hints(error: &anyhow::Error) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in error.chain().filter_map(hint) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

fn hint(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(advice) = error.downcast_ref::<Advice>() {
        return Some(advice.hint.clone());
    }
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return Some(error.hint().to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Advice, hints};
    use crate::config::ConfigError;

    #[test]
    fn advice_is_found_below_context_and_said_once() {
        let error = anyhow::Error::new(ConfigError::NoHome);
        let error = anyhow::Error::new(Advice::new("outer", "do this").caused_by(error));
        let error = error.context("while trying");
        assert_eq!(hints(&error), ["do this", ConfigError::NoHome.hint()]);
    }
}
