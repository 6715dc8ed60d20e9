//! Who may do what where.
//!
//! A mount grants reading or reading and writing; a [`Rule`] narrows that for the paths that its
//! pattern matches. The last rule that matches decides, and no rule widens what its mount grants.

use super::{Access, Vfs, resolve::NodeId};
use crate::errno::Errno;
use globset::{GlobBuilder, GlobMatcher};
use std::sync::Arc;
use thiserror::Error;

/// A pattern of a [`Rule`] that is not a glob.
#[derive(Debug, Error)]
#[error("pattern `{pattern}` is not a valid glob")]
pub struct RuleError {
    /// The pattern as given.
    pattern: String,
    /// What is wrong with it.
    #[source]
    source: globset::Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    ReadWrite,
    ReadOnly,
    Denied,
}

/// Narrows the rights on paths that match a glob.
///
/// The pattern is matched against the whole path inside the sandbox, as in `/workspace/tests/**` or
/// `/workspace/**/conftest.py`; `*` and `?` do not match `/`. A pattern that ends in `/**` matches
/// the directory itself too.
#[derive(Clone, Debug)]
pub struct Rule {
    label: Arc<str>,
    effect: Effect,
    matchers: Vec<GlobMatcher>,
}

impl Rule {
    /// Makes what matches readable only; writing fails with `EACCES`.
    ///
    /// # Errors
    ///
    /// Fails if `pattern` is not a glob.
    pub fn read_only(pattern: &str) -> Result<Self, RuleError> {
        Self::new("read-only", Effect::ReadOnly, pattern)
    }

    /// Makes what matches unreachable: neither opened, nor listed, nor looked at.
    ///
    /// # Errors
    ///
    /// Fails if `pattern` is not a glob.
    pub fn denied(pattern: &str) -> Result<Self, RuleError> {
        Self::new("denied", Effect::Denied, pattern)
    }

    /// Takes back an earlier, wider rule for what matches, up to what the mount grants.
    ///
    /// # Errors
    ///
    /// Fails if `pattern` is not a glob.
    pub fn read_write(pattern: &str) -> Result<Self, RuleError> {
        Self::new("read-write", Effect::ReadWrite, pattern)
    }

    fn new(verb: &str, effect: Effect, pattern: &str) -> Result<Self, RuleError> {
        let matcher = |pattern: &str| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            glob.map(|glob| glob.compile_matcher())
                .map_err(|source| RuleError { pattern: pattern.to_owned(), source })
        };
        let mut matchers = vec![matcher(pattern)?];
        if let Some(directory) = pattern.strip_suffix("/**") {
            matchers.push(matcher(directory)?);
        }
        Ok(Self { label: format!("rule {verb} {pattern}").into(), effect, matchers })
    }

    fn matches(&self, path: &str) -> bool {
        self.matchers.iter().any(|matcher| matcher.is_match(path))
    }
}

/// What an operation wants to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Read,
    Write,
}

/// The answer of [`Vfs::decide`].
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// The mount or rule that decided.
    pub(super) grant: Arc<str>,
    /// What the guest is told if the answer is no.
    pub(super) refusal: Option<Errno>,
}

impl Vfs {
    /// Decides on the path of a resolved node.
    pub(super) fn decide(&self, path: &str, mount: u16, want: Want) -> Verdict {
        let mounted = &self.mounts[usize::from(mount)];
        if want == Want::Write && mounted.access == Access::ReadOnly {
            return Verdict { grant: mounted.label.clone(), refusal: Some(Errno::ROFS) };
        }
        let Some(rule) = self.rules.iter().rev().find(|rule| rule.matches(path)) else {
            return Verdict { grant: mounted.label.clone(), refusal: None };
        };
        let is_refused = match rule.effect {
            Effect::ReadWrite => false,
            Effect::ReadOnly => want == Want::Write,
            Effect::Denied => true,
        };
        Verdict { grant: rule.label.clone(), refusal: is_refused.then_some(Errno::ACCES) }
    }

    /// Decides on moving or removing a directory: every entry below it must be writable, where it
    /// is and (for a move) where it would be.
    pub(super) fn decide_subtree(&self, node: NodeId, paths: &[&str]) -> Option<Verdict> {
        if self.rules.is_empty() {
            return None;
        }
        let tree = self.tree(node.mount)?;
        let mut pending = vec![(node.ino, String::new())];
        while let Some((ino, below)) = pending.pop() {
            for path in paths {
                let verdict = self.decide(&format!("{path}{below}"), node.mount, Want::Write);
                if verdict.refusal.is_some() {
                    return Some(verdict);
                }
            }
            if let Ok(entries) = tree.entries(ino) {
                let children = entries.iter();
                pending.extend(children.map(|(name, child)| (*child, format!("{below}/{name}"))));
            }
        }
        None
    }
}
