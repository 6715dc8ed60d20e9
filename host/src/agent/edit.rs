//! The tool `edit`: the editor is a guest, so it is bound by the same rules as everything else.

use bytes::Bytes;
use playpen_runtime::{RunError, Sandbox};
use std::time::Duration;

use super::{
    bash::output_text,
    exit,
    namespace::limits,
    observation::{Observation, cut_middle},
    role::WORKSPACE,
    tools::EditRequest,
};

/// Carries out one request.
///
/// # Errors
///
/// Returns a [`RunError`] if the host failed; a refusal of the editor is an observation.
pub(super) async fn edit(
    sandbox: &Sandbox,
    request: &EditRequest,
    wall: Duration,
    max_chars: usize,
) -> Result<Observation, RunError> {
    let json = serde_json::to_vec(request).expect("a request has string keys only");
    let outcome = sandbox
        .command("playpen-edit")
        .cwd(WORKSPACE)
        .stdin(Bytes::from(json))
        .limits(limits(wall))
        .output()
        .await?;
    let mut text = cut_middle(&output_text(&outcome), max_chars);
    if let Some(stopped) = exit::describe(outcome.exit) {
        text = format!("{text}[{stopped}]");
    }
    if text.is_empty() {
        "(no output)".clone_into(&mut text);
    }
    Ok(Observation { text, ok: outcome.exit.code() == 0 })
}
