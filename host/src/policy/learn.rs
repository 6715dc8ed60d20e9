//! From a record to the least policy under which the run would have gone the same way.
//!
//! Every path in a mount that was touched and not denied is allowed to be read, every path that was changed to be
//! written, and nothing else of the mounts. What was asked for and was not there counts as touched:
//! a program that looks for its configuration must be told that there is none, not that it may not
//! look. A run that made no socket needs no network. Names that a run makes up and gives up again
//! (temporary files) become a glob of their folder.

use super::{Grant, MountMode, MountPolicy, NetworkPolicy, Policy, RulePolicy, ToolsPolicy};
use crate::audit::Record;
use playpen_runtime::{
    NetworkMode,
    audit::{Decision, Event, Op, OpenAccess},
};
use std::collections::BTreeSet;

/// Returns the policy.
pub fn learn(record: &Record) -> Policy {
    let header = &record.header;
    let points = record.points();
    let is_meant = |path: &str| {
        points.iter().any(|point| {
            path.strip_prefix(point.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let passing = given_up(record);
    let mut touched = Touched::default();
    for event in &record.events {
        touched.add(event, &|path| is_meant(path), &passing);
    }
    let Touched { read, written, tools, has_sockets } = touched;
    let mode = if has_sockets { NetworkMode::Loopback } else { NetworkMode::None };
    let everything = points.iter().map(|point| format!("{}/**", escape(point))).collect();
    let read = read.difference(&written).cloned().collect();
    let rules = [(Grant::None, everything), (Grant::Read, read), (Grant::Write, written)]
        .map(|(allow, paths)| RulePolicy { allow, paths: paths.into_iter().collect() });
    Policy {
        version: 1,
        mounts: header.mounts.iter().map(mount).collect(),
        rules: rules.into_iter().filter(|rule| !rule.paths.is_empty()).collect(),
        tools: Some(ToolsPolicy { allow: tools.into_iter().collect() }),
        network: NetworkPolicy { mode },
        ..Policy::default()
    }
}

fn mount(mount: &playpen_runtime::audit::MountInfo) -> MountPolicy {
    MountPolicy {
        path: mount.guest.clone(),
        from: (&mount.host).into(),
        mode: match mount.mode.as_str() {
            "ro" => MountMode::Ro,
            "rw" => MountMode::Rw,
            _ => MountMode::Cow,
        },
    }
}

#[derive(Default)]
struct Touched {
    read: BTreeSet<String>,
    written: BTreeSet<String>,
    tools: BTreeSet<String>,
    has_sockets: bool,
}

impl Touched {
    fn add(&mut self, event: &Event, is_meant: &dyn Fn(&str) -> bool, passing: &BTreeSet<&str>) {
        self.has_sockets |= event.op == Op::Socket && event.succeeded();
        if event.op == Op::Spawn {
            let names = [
                event.resolved.as_deref(),
                event.argv.as_ref().and_then(|argv| argv.first()).map(String::as_str),
            ];
            if event.child.is_some() {
                let base = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
                self.tools.extend(names.into_iter().flatten().map(base));
            }
        }
        if event.decision == Decision::Denied {
            // It was denied, so the run goes the same way if it is again.
            return;
        }
        let writes = match event.op {
            Op::OpenWrite => event.created || event.access.is_some_and(|it| it != OpenAccess::Read),
            op => op.changes(),
        };
        let writes = writes && event.errno.is_none();
        let paths = event.resolved.iter().chain(&event.to_resolved).map(|path| &**path);
        for path in
            paths.chain(event.names.iter().map(String::as_str)).filter(|path| is_meant(path))
        {
            let pattern = match path.rsplit_once('/') {
                Some((folder, _)) if passing.contains(path) => format!("{}/*", escape(folder)),
                _ => escape(path),
            };
            if writes {
                self.written.insert(pattern)
            } else {
                self.read.insert(pattern)
            };
        }
    }
}

/// Returns the paths that the run made and did not keep.
fn given_up(record: &Record) -> BTreeSet<&str> {
    let mut made = BTreeSet::new();
    let mut gone = BTreeSet::new();
    for event in record.events.iter().filter(|event| event.succeeded()) {
        let Some(path) = event.resolved.as_deref() else { continue };
        if event.created {
            made.insert(path);
        }
        if matches!(event.op, Op::Unlink | Op::Rmdir | Op::Rename) && made.contains(path) {
            gone.insert(path);
        }
    }
    gone
}

/// Makes a path a glob that matches itself alone.
fn escape(path: &str) -> String {
    let special = |c: char| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!');
    path.chars().fold(String::new(), |mut text, c| {
        if special(c) {
            text.push('\\');
        }
        text.push(c);
        text
    })
}
