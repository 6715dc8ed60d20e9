//! Who may do what where.
//!
//! A mount grants reading or reading and writing; a [`Rule`] narrows that for the paths that its
//! pattern matches. The last rule that matches decides, and no rule widens what its mount grants.

use super::{
    Access, Found, Vfs,
    record::{Ask, Failure, Outcome},
    resolve::{Last, NodeId, Place},
};
use crate::{
    errno::Errno,
    glob::{GlobError, glob},
};
use globset::GlobMatcher;
use serde::Serialize;
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
    source: GlobError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    ReadWrite,
    ReadOnly,
    Denied,
    /// Leaves the rights as they are.
    None,
}

/// Narrows the rights on paths that match a glob.
///
/// The pattern is matched against the whole path inside the sandbox, as in `/workspace/tests/**` or
/// `/workspace/**/conftest.py`; `*` and `?` do not match `/`. A pattern that ends in `/**` matches
/// the directory itself too; what denies or flags a directory does so with all that is in it.
#[derive(Clone, Debug)]
pub struct Rule {
    label: Arc<str>,
    effect: Effect,
    flags: bool,
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

    /// Flags every access to what matches in the record, and to the same nodes under any other name
    /// that they are given later. Rights stay what they are.
    ///
    /// # Errors
    ///
    /// Fails if `pattern` is not a glob.
    pub fn tripwire(pattern: &str) -> Result<Self, RuleError> {
        Ok(Self { flags: true, ..Self::new("tripwire", Effect::None, pattern)? })
    }

    /// Makes what matches unreachable, and flags every attempt in the record.
    ///
    /// # Errors
    ///
    /// Fails if `pattern` is not a glob.
    pub fn denied_tripwire(pattern: &str) -> Result<Self, RuleError> {
        Ok(Self { flags: true, ..Self::new("denied tripwire", Effect::Denied, pattern)? })
    }

    /// Returns how the record names the rule.
    pub fn label(&self) -> &str {
        &self.label
    }

    fn new(verb: &str, effect: Effect, pattern: &str) -> Result<Self, RuleError> {
        let matcher = |pattern: &str| {
            glob(pattern).map_err(|source| RuleError { pattern: pattern.to_owned(), source })
        };
        let mut matchers = vec![matcher(pattern)?];
        match pattern.strip_suffix("/**") {
            Some(directory) => matchers.push(matcher(directory)?),
            // What guards a directory guards what is in it.
            None if matches!(effect, Effect::Denied | Effect::None) => {
                matchers.push(matcher(&format!("{pattern}/**"))?);
            }
            None => {}
        }
        let label = format!("rule {verb} {pattern}").into();
        Ok(Self { label, effect, flags: false, matchers })
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
pub(crate) struct Verdict {
    /// The mount that grants, or does not.
    pub(crate) grant: Arc<str>,
    /// The rule that decided, where one did.
    pub(crate) rule: Option<Arc<str>>,
    /// What the guest is told if the answer is no.
    pub(crate) refusal: Option<Errno>,
    /// A tripwire was met.
    pub(crate) flagged: bool,
}

impl Vfs {
    /// Decides on one path of a node.
    pub(super) fn decide(&self, path: &str, mount: u16, want: Want) -> Verdict {
        let mounted = &self.mounts[usize::from(mount)];
        let mut verdict = Verdict {
            grant: Arc::clone(&mounted.label),
            rule: None,
            refusal: None,
            flagged: false,
        };
        let matching = || self.rules.iter().rev().filter(|rule| rule.matches(path));
        if let Some(rule) = matching().find(|rule| rule.flags) {
            (verdict.flagged, verdict.rule) = (true, Some(Arc::clone(&rule.label)));
        }
        if want == Want::Write && mounted.access == Access::ReadOnly {
            verdict.refusal = Some(Errno::ROFS);
            return verdict;
        }
        if let Some(rule) = matching().find(|rule| rule.effect != Effect::None) {
            let is_refused = match rule.effect {
                Effect::ReadWrite | Effect::None => false,
                Effect::ReadOnly => want == Want::Write,
                Effect::Denied => true,
            };
            verdict.refusal = is_refused.then_some(Errno::ACCES);
            if is_refused || verdict.rule.is_none() {
                verdict.rule = Some(Arc::clone(&rule.label));
            }
        }
        verdict
    }

    /// Decides on the node at the end of a walk, under every name that it has.
    pub(super) fn decide_place(&mut self, ask: &Ask<'_>, place: &Place, want: Want) -> Verdict {
        let open = match place.found {
            Some(Found::Descriptor(number)) => ask.at.fds.and_then(|fds| fds.get(number).ok()),
            _ => None,
        };
        if let Some(open) = open
            && let Some(node) = open.node()
        {
            return self.decide_node(&open.path.clone(), Some(node), node.mount, Want::Read);
        }
        let node = match place.found {
            Some(Found::Node(node)) => Some(node),
            _ => None,
        };
        self.decide_node(&place.path, node, place.mount, want)
    }

    fn decide_node(&mut self, path: &str, node: Option<NodeId>, mount: u16, want: Want) -> Verdict {
        let mut verdict = self.decide(path, mount, want);
        let Some(node) = node.filter(|_| !self.rules.is_empty()) else { return verdict };
        for name in self.other_names(node) {
            let other = self.decide(&name, mount, want);
            verdict.flagged |= other.flagged;
            if (other.refusal.is_some() && verdict.refusal.is_none())
                || (other.flagged && verdict.rule.is_none())
            {
                verdict = Verdict { flagged: verdict.flagged, ..other };
            }
        }
        if verdict.flagged {
            let rule = verdict.rule.clone().unwrap_or_else(|| Arc::clone(&verdict.grant));
            self.marked.entry(node).or_insert(rule);
        } else if let Some(rule) = self.marked.get(&node) {
            verdict.flagged = true;
            verdict.rule.get_or_insert_with(|| Arc::clone(rule));
        }
        verdict
    }

    /// Decides on moving a directory: every entry below it must be writable, where it is and where
    /// it would be. What a tripwire guards below it stays guarded.
    pub(super) fn decide_subtree(&mut self, node: NodeId, paths: &[&str]) -> Outcome {
        if self.rules.is_empty() {
            return Ok(());
        }
        let mut pending = vec![(node, String::new())];
        while let Some((node, below)) = pending.pop() {
            for path in paths {
                let verdict = self.decide_node(
                    &format!("{path}{below}"),
                    Some(node),
                    node.mount,
                    Want::Write,
                );
                if verdict.refusal.is_some() {
                    return Err(Failure::Refused(verdict));
                }
                if verdict.flagged && self.met.is_none() {
                    self.met = Some(verdict.rule.unwrap_or(verdict.grant));
                }
            }
            if self.is_directory(node) {
                let entries = self.list(node)?.into_iter().skip(DOTS);
                pending.extend(entries.map(|entry| {
                    let child = NodeId { mount: node.mount, ino: entry.ino };
                    (child, format!("{below}/{}", entry.name))
                }));
            }
        }
        Ok(())
    }
}

/// What may be done with a path, and by which mount and rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Where the path leads.
    pub resolved: String,
    /// Whether it may be read.
    pub read: Answer,
    /// Whether it may be written.
    pub write: Answer,
    /// Why there is nothing, in the terms of POSIX.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
}

/// Whether something may be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// It may.
    pub allowed: bool,
    /// The mount.
    pub grant: String,
    /// The rule that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// A tripwire is met.
    pub flagged: bool,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        let Verdict { grant, rule, refusal, flagged } = verdict;
        let (grant, rule) = (grant.to_string(), rule.map(|rule| rule.to_string()));
        Self { allowed: refusal.is_none(), grant, rule, flagged }
    }
}

impl Vfs {
    /// Explains what would be decided on a path.
    pub(crate) fn explain(&mut self, path: &str) -> Result<Explanation, Errno> {
        let place = self.resolve(NodeId::ROOT, path, Last::Followed)?;
        let node = match place.found {
            Some(Found::Node(node)) => Some(node),
            _ => None,
        };
        let mut answer = |want| self.decide_node(&place.path, node, place.mount, want).into();
        let (read, write) = (answer(Want::Read), answer(Want::Write));
        let errno = place.found.is_none().then(|| Errno::NOENT.name().to_owned());
        Ok(Explanation { resolved: place.path, read, write, errno })
    }
}

/// `.` and `..` come first in a listing.
const DOTS: usize = 2;
