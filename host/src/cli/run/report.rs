//! How a command ended: what `--json` prints, and the reason on stderr where it did not end by itself.

use super::{changes::ChangedPath, snapshots::Taken};
use playpen_runtime::{Exit, LimitKind, Limits, Outcome, Usage};
use serde::Serialize;

/// The result of `playpen run --json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    exit: ExitReport,
    code: u8,
    stdout: String,
    stderr: String,
    usage: Usage,
    incidents: Vec<String>,
    n_denied: u64,
    changes: Vec<ChangedPath>,
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Taken>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ExitReport {
    Code { code: u8 },
    Signal { signal: u8 },
    Trap { trap: String },
    Limit { limit: LimitKind },
    NotStarted { error: String },
}

impl Report {
    /// Says why there was no command that could run.
    pub(super) fn not_started(code: u8, error: &anyhow::Error) -> Self {
        Self {
            exit: ExitReport::NotStarted { error: format!("{error:#}") },
            code,
            stdout: String::new(),
            stderr: String::new(),
            usage: Usage::default(),
            incidents: vec![],
            n_denied: 0,
            changes: vec![],
            applied: false,
            snapshot: None,
        }
    }

    /// Describes `outcome`; bytes that are not UTF-8 are replaced.
    pub(super) fn new(
        outcome: &Outcome,
        n_denied: u64,
        changes: Vec<ChangedPath>,
        applied: bool,
        snapshot: Option<Taken>,
    ) -> Self {
        Self {
            exit: exit_report(outcome.exit),
            code: outcome.exit.code(),
            stdout: String::from_utf8_lossy(&outcome.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&outcome.stderr).into_owned(),
            usage: outcome.usage.clone(),
            incidents: outcome.incidents.iter().map(ToString::to_string).collect(),
            n_denied,
            changes,
            applied,
            snapshot,
        }
    }
}

fn exit_report(exit: Exit) -> ExitReport {
    match exit {
        Exit::Code(code) => ExitReport::Code { code },
        Exit::Signal(signal) => ExitReport::Signal { signal },
        Exit::Trap(trap) => ExitReport::Trap { trap: trap.to_string() },
        Exit::Limit(limit) => ExitReport::Limit { limit },
    }
}

/// Returns why a command did not end by itself, as a line for people.
pub(super) fn reason(exit: Exit, program: &str, limits: &Limits) -> Option<String> {
    match exit {
        Exit::Code(_) => None,
        Exit::Signal(signal) => Some(format!("`{program}` was ended by signal {signal}")),
        Exit::Trap(trap) => Some(format!("`{program}` broke off: {trap}")),
        Exit::Limit(kind) => {
            let limit = amount(kind, limits);
            Some(format!("`{program}` was ended by a limit: {kind} ({limit})"))
        }
    }
}

/// Returns how much of `kind` was allowed, with its unit.
fn amount(kind: LimitKind, limits: &Limits) -> String {
    match kind {
        LimitKind::Wall => format!("{:?}", limits.wall),
        LimitKind::Cpu => format!("{:?}", limits.cpu),
        LimitKind::Memory => format!("{} bytes", limits.memory_bytes),
        LimitKind::Processes => limits.processes.to_string(),
        LimitKind::Descriptors => limits.descriptors.to_string(),
        LimitKind::Files => limits.files.to_string(),
        LimitKind::Bytes => format!("{} bytes", limits.bytes),
        LimitKind::Depth => limits.depth.to_string(),
        LimitKind::Output => format!("{} bytes", limits.output_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::{ExitReport, exit_report, reason};
    use playpen_runtime::{Exit, LimitKind, Limits};

    #[test]
    fn an_exit_names_its_kind_and_its_value() {
        let json = |exit: &ExitReport| serde_json::to_string(exit).unwrap();
        let limit = exit_report(Exit::Limit(LimitKind::Wall));
        assert_eq!(json(&limit), r#"{"kind":"limit","limit":"wall"}"#);
        assert_eq!(json(&exit_report(Exit::Code(3))), r#"{"kind":"code","code":3}"#);
    }

    #[test]
    fn a_limit_is_named_with_its_amount() {
        let limits = Limits::default();
        assert_eq!(reason(Exit::Code(1), "sh", &limits), None);
        insta::assert_snapshot!(
            reason(Exit::Limit(LimitKind::Output), "yes", &limits).unwrap(),
            @"`yes` was ended by a limit: bytes of output (16777216 bytes)"
        );
    }
}
