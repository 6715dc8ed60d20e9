//! `playpen policy`: check a policy, explain what it decides, learn one from a run.

use super::{Status, run::sandbox_for, session::Session};
use crate::{
    audit::Record,
    policy::{Policy, learn},
};
use clap::{Args, Subcommand};
use playpen_runtime::Explanation;
use std::path::{Path, PathBuf};

/// Check a policy, explain what it decides, or learn one from a run
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    #[command(subcommand)]
    what: What,
}

/// Where a policy is looked for unless a flag says otherwise.
const DEFAULT: &str = "policy.toml";

#[derive(Debug, Subcommand)]
enum What {
    /// Check that a policy says only what a policy can say
    Check {
        /// The policy
        #[arg(value_name = "FILE", default_value = DEFAULT)]
        file: PathBuf,

        /// Print the JSON schema of a policy instead
        #[arg(long)]
        schema: bool,
    },
    /// Say what may be done with a path, and by which mount and rule
    ///
    /// The path is looked up as a program in the sandbox would: what decides is where it leads.
    /// Exits with 1 if it may not be read.
    Explain {
        /// An absolute path of the sandbox, or one below the first mount
        path: String,

        /// The policy
        #[arg(long, value_name = "FILE", default_value = DEFAULT)]
        policy: PathBuf,
    },
    /// Print the least policy under which a recorded run would have gone the same way
    Learn {
        /// The record that `run --audit` wrote
        #[arg(value_name = "EVENTS")]
        events: PathBuf,
    },
}

/// Does what was asked for.
pub(super) async fn run(session: &Session, args: &PolicyArgs) -> anyhow::Result<Status> {
    match &args.what {
        What::Check { schema: true, .. } => {
            session.printer.result(include_str!("../policy/policy.schema.json").trim_end());
            Ok(Status::Done)
        }
        What::Check { file, .. } => {
            let (policy, _) = Policy::read(file)?;
            if session.printer.is_json() {
                session.printer.json(&policy);
            } else {
                session.printer.result(summary(file, &policy));
            }
            Ok(Status::Done)
        }
        What::Explain { path, policy } => explain(session, path, policy).await,
        What::Learn { events } => {
            let record = Record::read(events)?;
            for doubt in record.doubts() {
                session.printer.warning(format_args!("{doubt}"));
            }
            let text = toml::to_string(&learn(&record))?;
            session.printer.result(text.trim_end());
            Ok(Status::Done)
        }
    }
}

fn summary(file: &Path, policy: &Policy) -> String {
    let (n_mounts, n_rules) = (policy.mounts.len(), policy.rules.len());
    let n_tripwires = policy.tripwires.len();
    let path = file.display();
    format!("good: `{path}` with {n_mounts} mounts, {n_rules} rules, {n_tripwires} tripwires")
}

async fn explain(session: &Session, path: &str, policy: &Path) -> anyhow::Result<Status> {
    let (sandbox, first) = sandbox_for(session, policy).await?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("{first}/{path}") };
    let found = sandbox.explain(&path)?;
    if session.printer.is_json() {
        session.printer.json(&found);
    } else {
        describe(session, &path, &found);
    }
    Ok(if found.read.allowed { Status::Done } else { Status::No })
}

fn describe(session: &Session, path: &str, found: &Explanation) {
    let leads =
        if found.resolved == path { String::new() } else { format!(" -> {}", found.resolved) };
    session.printer.result(format_args!("{path}{leads}"));
    for (what, answer) in [("read", &found.read), ("write", &found.write)] {
        let verdict = if answer.allowed { "allowed" } else { "denied" };
        let flagged = if answer.flagged { ", flagged" } else { "" };
        let rule = answer.rule.as_ref().map_or_else(String::new, |rule| format!(", {rule}"));
        session
            .printer
            .result(format_args!("  {what}: {verdict} by {}{rule}{flagged}", answer.grant));
    }
    if let Some(errno) = &found.errno {
        session.printer.result(format_args!("  looking it up ends with {errno}"));
    }
}
