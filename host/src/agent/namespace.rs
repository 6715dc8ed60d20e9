//! The sandbox that an agent or a check of the pipeline works in.
//!
//! Every sandbox of the pipeline has the same shape: the image, the workspace as a copy-on-write
//! tree at [`WORKSPACE`], the rules of who works in it, and an environment that is the same on every
//! machine.

use playpen_runtime::{
    Limits, Mount, Sandbox, SandboxBuilder, SandboxError, Tree, audit::AuditSink,
};
use std::{sync::Arc, time::Duration};

use super::role::{WORKSPACE, WritePolicy};
use crate::context::Context;

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Where the image has Python a second time, from a snapshot that was taken with another seed of hashes.
const OTHER_HASHES: &str = "/usr/lib/playpen/other-hashes";

/// The environment of every command. Nothing of the host's environment is in it.
///
/// Compiled files and pytest's cache are switched off: they would be accesses under `tests/` that
/// nobody asked for, refused and recorded.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("PATH", PATH),
    ("HOME", "/tmp"),
    ("USER", "agent"),
    ("LANG", "C.UTF-8"),
    ("TERM", "dumb"),
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("NO_COLOR", "1"),
    ("COLUMNS", "100"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTEST_ADDOPTS", "-p no:cacheprovider"),
];

/// What one run may have otherwise than another without any difference that code should depend on.
///
/// The default is that of every agent's sandbox: the same answers of a model should leave the same
/// records, names of temporary files included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perturbation {
    /// The seed of the sandbox's random bytes.
    pub random_seed: u64,
    /// Whether Python hashes texts with another seed, which changes the order of sets.
    pub has_other_hashes: bool,
    /// How long after the first second of 2026 the clock starts.
    pub clock_ahead: Duration,
}

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
    builder(ctx, tree, policy, audit, Perturbation::default()).build()
}

/// Builds a sandbox as [`open_sandbox`] does, with other seeds and with a virtual clock, so that neither the
/// machine's time nor its load changes what runs in it.
///
/// # Errors
///
/// Returns a [`SandboxError`] if the host cannot make one.
pub fn open_perturbed(
    ctx: &Context,
    tree: Tree,
    policy: &WritePolicy,
    audit: Option<Arc<dyn AuditSink>>,
    perturbation: Perturbation,
) -> Result<Sandbox, SandboxError> {
    let Perturbation { random_seed, clock_ahead, .. } = perturbation;
    let builder = builder(ctx, tree, policy, audit, perturbation);
    builder.deterministic(random_seed).clock_ahead(clock_ahead).build()
}

fn builder(
    ctx: &Context,
    tree: Tree,
    policy: &WritePolicy,
    audit: Option<Arc<dyn AuditSink>>,
    perturbation: Perturbation,
) -> SandboxBuilder {
    let mut builder = Sandbox::builder(&ctx.engine, &ctx.image)
        .mount(Mount::tree(WORKSPACE, tree))
        .cwd(WORKSPACE)
        .env("PYTHONHASHSEED", if perturbation.has_other_hashes { "1" } else { "0" })
        .seed(perturbation.random_seed);
    if let Some(audit) = audit {
        builder = builder.audit(audit);
    }
    for rule in policy.rules() {
        builder = builder.rule(rule);
    }
    for (name, value) in ENVIRONMENT {
        builder = builder.env(name, value);
    }
    if perturbation.has_other_hashes {
        builder = builder.env("PATH", format!("{OTHER_HASHES}:{PATH}"));
    }
    builder
}

/// Returns the path of Python in a sandbox with this perturbation.
pub fn python(perturbation: Perturbation) -> String {
    let folder = if perturbation.has_other_hashes { OTHER_HASHES } else { "/usr/bin" };
    format!("{folder}/python3")
}

/// Returns whether the image has a Python with another seed of hashes.
pub fn has_other_hashes(ctx: &Context) -> bool {
    ctx.image.root().exists(OTHER_HASHES.trim_start_matches('/'))
}

/// Returns the limits of one command that may take `wall`.
pub fn limits(wall: Duration) -> Limits {
    Limits { wall, ..Limits::default() }
}
