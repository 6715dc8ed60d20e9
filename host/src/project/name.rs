//! Names that are safe to use as a folder.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// The longest name of a repository, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Names that some filesystems give to devices.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The name of a repository: lower-case letters, digits, `-`, `_` and `.`, with a letter or digit at
/// both ends. It has no separator and is not `..`, so a folder named by it stays where it is put.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName(String);

/// Why a name could not be made safe.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{raw}` has no letter or digit that could name a folder")]
pub struct RepoNameError {
    /// The name as it was given, cut to its first 64 characters.
    pub raw: String,
}

impl RepoName {
    /// Makes `raw` safe: what is not allowed becomes `-`, and what is at the ends and is no letter or
    /// digit is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if nothing is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use playpen::project::RepoName;
    ///
    /// assert_eq!(RepoName::sanitized("../Mini Git!")?.as_str(), "mini-git");
    /// # Ok::<(), playpen::project::RepoNameError>(())
    /// ```
    pub fn sanitized(raw: &str) -> Result<RepoName, RepoNameError> {
        let mut name = String::new();
        for c in raw.chars().take(4 * MAX_NAME_BYTES) {
            match c.to_ascii_lowercase() {
                c if c.is_ascii_alphanumeric() => name.push(c),
                c @ ('_' | '.') if !name.ends_with(['-', '_', '.']) => name.push(c),
                _ if !name.ends_with(['-', '_', '.']) => name.push('-'),
                _ => {}
            }
        }
        name.truncate(MAX_NAME_BYTES);
        let name = name.trim_matches(['-', '_', '.']);
        if name.is_empty() {
            return Err(RepoNameError { raw: raw.chars().take(MAX_NAME_BYTES).collect() });
        }
        Ok(RepoName(if DEVICES.contains(&name) {
            format!("{name}-project")
        } else {
            name.to_owned()
        }))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RepoName {
    type Error = RepoNameError;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        Self::sanitized(&raw)
    }
}

impl From<RepoName> for String {
    fn from(name: RepoName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        let name = RepoName::sanitized(raw).map_or_else(|error| error.to_string(), String::from);
        assert_eq!(name, expected);
    }

    #[test]
    fn path_out_of_the_output_folder_is_refused() {
        check("../../etc/passwd", "etc-passwd");
        check("/etc/passwd", "etc-passwd");
        check("a/../../b", "a-b");
        check("C:\\temp", "c-temp");
        check("..", "`..` has no letter or digit that could name a folder");
        check("", "`` has no letter or digit that could name a folder");
        check("nul", "nul-project");
        check(".git", "git");
        check("a\0b\n", "a-b");
    }

    #[test]
    fn ordinary_names_stay() {
        check("block-fs", "block-fs");
        check("mini_git.2", "mini_git.2");
        check("Mini Git", "mini-git");
    }

    proptest! {
        #[test]
        fn every_name_stays_in_its_folder(raw in any::<String>()) {
            if let Ok(name) = RepoName::sanitized(&raw) {
                let path = std::path::Path::new(name.as_str());
                prop_assert_eq!(path.components().count(), 1);
                let is_normal = matches!(path.components().next(), Some(std::path::Component::Normal(_)));
                prop_assert!(is_normal);
                prop_assert!(name.as_str().len() <= MAX_NAME_BYTES + "-project".len());
                prop_assert_eq!(RepoName::sanitized(name.as_str()).ok(), Some(name.clone()));
            }
        }
    }
}
