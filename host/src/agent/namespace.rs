//! The sandbox that an agent or a check of the pipeline works in.
//!
//! Every sandbox of the pipeline has the same shape: the image, the workspace as a copy-on-write
//! tree at [`WORKSPACE`], the rules of who works in it, and an environment that is the same on every
//! machine.

use playpen_runtime::{Limits, Mount, Sandbox, SandboxError, Tree, audit::AuditSink};
use std::{sync::Arc, time::Duration};

use super::role::{WORKSPACE, WritePolicy};
use crate::context::Context;

/// The environment of every command. Nothing of the host's environment is in it.
///
/// Compiled files and pytest's cache are switched off: they would be accesses under `tests/` that
/// nobody asked for, refused and recorded.
const ENVIRONMENT: [(&str, &str); 12] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("HOME", "/tmp"),
    ("USER", "agent"),
    ("LANG", "C.UTF-8"),
    ("TERM", "dumb"),
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("NO_COLOR", "1"),
    ("COLUMNS", "100"),
    ("PYTHONHASHSEED", "0"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTEST_ADDOPTS", "-p no:cacheprovider"),
];

/// Seed of the random bytes in every sandbox of the pipeline: the same answers of a model should
/// leave the same records, names of temporary files included.
const SEED: u64 = 0;

/// Builds a sandbox over `tree` in which `policy` holds.
///
/// # Errors
///
/// Returns a [`SandboxError`] if the host cannot make one.
pub fn open_sandbox(
    ctx: &Context,
    tree: Tree,
    policy: &WritePolicy,
    audit: Option<Arc<dyn AuditSink>>,
) -> Result<Sandbox, SandboxError> {
    let mut builder = Sandbox::builder(&ctx.engine, &ctx.image)
        .mount(Mount::tree(WORKSPACE, tree))
        .cwd(WORKSPACE)
        .seed(SEED);
    if let Some(audit) = audit {
        builder = builder.audit(audit);
    }
    for rule in policy.rules() {
        builder = builder.rule(rule);
    }
    for (name, value) in ENVIRONMENT {
        builder = builder.env(name, value);
    }
    builder.build()
}

/// Returns the limits of one command that may take `wall`.
pub fn limits(wall: Duration) -> Limits {
    Limits { wall, ..Limits::default() }
}
