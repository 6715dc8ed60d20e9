//! Text that must not be printed.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// What a secret prints as.
const REDACTED: &str = "[redacted]";

/// A key or password. It prints as `[redacted]` and cannot be serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`, without white space around it: keys read from files end in a newline.
    pub fn new(text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self(text.trim().to_owned())
    }

    /// Returns the text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns `text` with every occurrence of the secret replaced, for messages that an endpoint
    /// wrote and that may quote the key.
    pub fn redact_in(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, REDACTED) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secret_prints_redacted() {
        let secret = Secret::new(" sk-123\n");
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(secret.expose(), "sk-123");
    }

    #[test]
    fn quoted_key_is_redacted_and_an_empty_one_matches_nothing() {
        assert_eq!(Secret::new("sk-123").redact_in("bad key sk-123!"), "bad key [redacted]!");
        assert_eq!(Secret::new("").redact_in("text"), "text");
    }
}
