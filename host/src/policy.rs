//! `policy.toml`: what a command may see, change, start and use.
//!
//! A policy is read strictly: a key that does not exist is refused, with its line and the known key
//! that is nearest. What it says becomes mounts, rules and limits of a sandbox, which decides on the
//! node that a path leads to. `POLICY.md` beside this file describes the format, and
//! `policy.schema.json` is its schema.

mod learn;
mod parse;
mod values;

pub use self::{
    learn::learn,
    parse::{
        AuditPolicy, Grant, LimitsPolicy, MountMode, MountPolicy, NetworkPolicy, Policy,
        PolicyError, RulePolicy, ToolsPolicy, TripwireAction, TripwirePolicy,
    },
    values::{ByteSize, Span},
};

use playpen_runtime::{Limits, Rule, RuleError};

impl Policy {
    /// Returns the rules, in order; a pattern that does not start with `/` holds below each of the
    /// mounts.
    ///
    /// # Errors
    ///
    /// Fails on a pattern that is no glob.
    pub fn rules(&self, mounts: &[String]) -> Result<Vec<Rule>, RuleError> {
        let mut rules = vec![];
        for rule in &self.rules {
            for pattern in absolute(&rule.paths, mounts) {
                rules.push(match rule.allow {
                    Grant::None => Rule::denied(&pattern),
                    Grant::Read => Rule::read_only(&pattern),
                    Grant::Write => Rule::read_write(&pattern),
                }?);
            }
        }
        for tripwire in &self.tripwires {
            for pattern in absolute(&tripwire.paths, mounts) {
                rules.push(match tripwire.action {
                    TripwireAction::Flag => Rule::tripwire(&pattern),
                    TripwireAction::Deny => Rule::denied_tripwire(&pattern),
                }?);
            }
        }
        Ok(rules)
    }

    /// Returns the limits: those of the policy, and `base` where it says nothing.
    pub fn limits(&self, base: &Limits) -> Limits {
        let LimitsPolicy { wall, cpu, memory, output, disk, files, processes, descriptors, depth } =
            &self.limits;
        Limits {
            wall: wall.map_or(base.wall, |it| it.0),
            cpu: cpu.map_or(base.cpu, |it| it.0),
            memory_bytes: memory.map_or(base.memory_bytes, |it| it.0),
            output_bytes: output.map_or(base.output_bytes, |it| it.0),
            bytes: disk.map_or(base.bytes, |it| it.0),
            files: files.unwrap_or(base.files),
            processes: processes.unwrap_or(base.processes),
            descriptors: descriptors.unwrap_or(base.descriptors),
            depth: depth.unwrap_or(base.depth),
        }
    }
}

/// Returns patterns as the sandbox matches them: absolute, without what means nothing in a path. One that ends in
/// a slash means the folder with all that is in it.
pub fn absolute(patterns: &[String], mounts: &[String]) -> Vec<String> {
    let below = |pattern: &String| {
        let plain = plain(pattern);
        if pattern.starts_with('/') {
            vec![format!("/{plain}")]
        } else {
            // A mount is where it is, whatever characters its name has.
            mounts.iter().map(|mount| format!("{}/{plain}", globset::escape(mount))).collect()
        }
    };
    patterns.iter().flat_map(below).collect()
}

fn plain(pattern: &str) -> String {
    let mut parts: Vec<&str> =
        pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if pattern.ends_with('/') || parts.is_empty() {
        parts.push("**");
    }
    parts.join("/")
}
