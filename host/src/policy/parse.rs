//! The text of a policy, and what can be wrong with it.

use super::{ByteSize, Span};
use playpen_runtime::{NetworkMode, audit::AuditLevel};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The version of the format.
const VERSION: u32 = 1;

/// Why a policy cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("failed to read the policy `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key that does not exist.
    #[error("`{path}` line {line}: there is no key `{key}` here")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key.
        key: String,
        /// The known key that is nearest.
        nearest: Option<String>,
    },
    /// Anything else that is not as it should be.
    #[error("`{path}` line {line}: {message}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A later program's policy.
    #[error("`{path}` has version {version} of the format; this program reads {VERSION}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A pattern is no glob.
    #[error("`{path}` has a pattern that is no glob")]
    Pattern {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        #[source]
        source: playpen_runtime::RuleError,
    },
}

impl PolicyError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            Self::UnknownKey { nearest: None, .. } | Self::Wrong { .. } => {
                Some("`playpen policy check --schema` prints what a policy may say".to_owned())
            }
            Self::Newer { .. } => Some("a newer playpen reads it".to_owned()),
            _ => None,
        }
    }
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The version of the format, 1.
    pub version: u32,
    /// Folders of the host.
    #[serde(rename = "mount", skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountPolicy>,
    /// What may be done with paths; the last that matches decides.
    #[serde(rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RulePolicy>,
    /// Paths whose touch is worth knowing.
    #[serde(rename = "tripwire", skip_serializing_if = "Vec::is_empty")]
    pub tripwires: Vec<TripwirePolicy>,
    /// Programs that may be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<ToolsPolicy>,
    /// What may be used.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: LimitsPolicy,
    /// What may be reached.
    #[serde(skip_serializing_if = "is_default")]
    pub network: NetworkPolicy,
    /// What is recorded.
    #[serde(skip_serializing_if = "is_default")]
    pub audit: AuditPolicy,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A folder of the host in the sandbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountPolicy {
    /// The absolute path in the sandbox.
    pub path: String,
    /// The folder of the host; relative to the folder where the command is given.
    pub from: PathBuf,
    /// How it is shown.
    #[serde(default)]
    pub mode: MountMode,
}

/// How a folder is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountMode {
    /// A copy in memory.
    #[default]
    Cow,
    /// Read through to the host.
    Ro,
    /// Read and written on the host.
    Rw,
}

/// What may be done with some paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulePolicy {
    /// Globs.
    pub paths: Vec<String>,
    /// The right.
    pub allow: Grant,
}

/// A right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// Nothing: neither looked at nor listed.
    None,
    /// Reading.
    Read,
    /// Reading and writing, as far as the mount goes.
    Write,
}

/// Paths whose touch is worth knowing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripwirePolicy {
    /// Globs.
    pub paths: Vec<String>,
    /// What happens besides the flag in the record.
    #[serde(default)]
    pub action: TripwireAction,
}

/// What a tripwire does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TripwireAction {
    /// Nothing more.
    #[default]
    Flag,
    /// The access is denied.
    Deny,
}

/// Programs that may be started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolsPolicy {
    /// Their names.
    pub allow: Vec<String>,
}

/// Limits; see [`playpen_runtime::Limits`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each is the limit of that name")]
pub struct LimitsPolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
}

/// What may be reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkPolicy {
    /// Which network there is.
    pub mode: NetworkMode,
}

/// What is recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditPolicy {
    /// Which events.
    pub level: AuditLevel,
    /// Globs of paths that the record shows as a hash only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<String>,
    /// Leave arguments of programs out.
    #[serde(skip_serializing_if = "is_default")]
    pub redact_arguments: bool,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or does not say what a policy can say.
    pub fn read(path: &Path) -> Result<(Self, String), PolicyError> {
        let text = fs_err::read_to_string(path)
            .map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
        Ok((Self::parse(path, &text)?, text))
    }

    /// Parses a policy; `path` is what errors name.
    ///
    /// # Errors
    ///
    /// Fails if the text does not say what a policy can say.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PolicyError> {
        let path = path.to_owned();
        let policy: Self = toml::from_str(text).map_err(|error| wrong(&path, text, &error))?;
        let line = 1;
        match policy.version {
            0 => {
                let message = "there is no `version = 1`".to_owned();
                return Err(PolicyError::Wrong { path, line, message });
            }
            VERSION => {}
            version => return Err(PolicyError::Newer { path, version }),
        }
        let mounts: Vec<String> = policy.mounts.iter().map(|mount| mount.path.clone()).collect();
        let mounts = if mounts.is_empty() { vec!["/workspace".to_owned()] } else { mounts };
        match policy.rules(&mounts) {
            Ok(_) => Ok(policy),
            Err(source) => Err(PolicyError::Pattern { path, source }),
        }
    }
}

fn wrong(path: &Path, text: &str, error: &toml::de::Error) -> PolicyError {
    let path = path.to_owned();
    let start = error.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
    let message = error.message().to_owned();
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return PolicyError::Wrong { path, line, message };
    };
    let mut names = rest.split('`').step_by(2).map(str::to_owned);
    let key = names.next().unwrap_or_default();
    let near = |name: &String| strsim::jaro_winkler(name, &key);
    let nearest = names
        .filter(|name| !name.is_empty())
        .max_by(|a, b| near(a).total_cmp(&near(b)))
        .filter(|name| near(name) > 0.7);
    PolicyError::UnknownKey { path, line, key, nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = Policy::parse(Path::new("policy.toml"), text).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        format!("{error} ({hint})")
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
        let text = "version = 1\n\n[[rule]]\npaths = [\"a\"]\nalow = \"read\"\n";
        assert_eq!(
            error(text),
            "`policy.toml` line 5: there is no key `alow` here (did you mean `allow`?)"
        );
        assert_eq!(
            error("version = 1\n[limit]\nwall = \"1s\"\n"),
            "`policy.toml` line 2: there is no key `limit` here (did you mean `limits`?)"
        );
        assert_eq!(
            error("version = 1\n[limits]\nmem = \"1M\"\n"),
            "`policy.toml` line 3: there is no key `mem` here (did you mean `memory`?)"
        );
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(error("").contains("there is no `version = 1`"));
        assert!(error("version = 2").contains("version 2"));
        assert!(error("version = 1\nnetwork.mode = \"host\"").contains("loopback"));
        assert!(error("version = 1\n[[rule]]\npaths=[\"a[\"]\nallow=\"none\"").contains("no glob"));
        assert!(error("version = 1\n[limits]\nwall = \"soon\"").contains("line 3"));
        assert!(error("version = 1\n[[rule]]\npaths = [\"a\"]").contains("allow"));
    }

    #[test]
    fn the_schema_knows_the_same_keys() {
        let text = r#"
            version = 1
            [[mount]]
            path = "/workspace"
            from = "."
            mode = "cow"
            [[rule]]
            paths = ["tests/**"]
            allow = "read"
            [[tripwire]]
            paths = ["tests/hidden/**"]
            action = "deny"
            [tools]
            allow = ["sh"]
            [limits]
            wall = "60s"
            cpu = "60s"
            memory = "512M"
            output = "1M"
            disk = "1G"
            files = 10
            processes = 10
            descriptors = 10
            depth = 10
            [network]
            mode = "none"
            [audit]
            level = "all"
            redact = ["**/.env"]
            redact_arguments = true
        "#;
        let policy = Policy::parse(Path::new("p"), text).unwrap();
        let value = serde_json::to_value(toml::from_str::<toml::Value>(text).unwrap()).unwrap();
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("policy.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        assert!(schema.is_valid(&value), "{:?}", schema.iter_errors(&value).next());
        let again = toml::to_string(&policy).unwrap();
        assert_eq!(Policy::parse(Path::new("p"), &again).unwrap(), policy);
        let mut wrong = value.clone();
        wrong["rule"][0]["alow"] = "read".into();
        assert!(!schema.is_valid(&wrong));
    }
}
