//! `playpen doctor`: what this machine offers, and what is missing.

use super::{Status, session::Session};
use crate::doctor::{self, Check, ImageState, Verdict};
use owo_colors::OwoColorize as _;

/// Show what this machine offers and what is missing
///
/// Nothing is changed. Each line is one check: `ok`, `limited` (part of playpen works less well or
/// not at all) or `missing`.
///
/// Exits with 0 if everything needed is there, with 1 if something is missing.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorArgs {}

/// Prints every check and returns whether the machine can be used.
pub(super) fn run(session: &Session, _args: &DoctorArgs) -> anyhow::Result<Status> {
    let checks = doctor::examine(&session.env, &session.home()?, &image_state(session)?);
    if session.printer.is_json() {
        session.printer.json(&checks);
    } else {
        for check in &checks {
            session.printer.result(line(check));
        }
    }
    Ok(if doctor::is_usable(&checks) { Status::Done } else { Status::No })
}

fn image_state(session: &Session) -> anyhow::Result<ImageState> {
    let dir = session.images()?.into_iter().next();
    Ok(ImageState { dir, native_python: playpen_image::native_python(&session.home()?) })
}

fn line(check: &Check) -> String {
    let verdict = match check.verdict {
        Verdict::Ok => "ok     ".green().to_string(),
        Verdict::Limited => "limited".yellow().to_string(),
        Verdict::Missing => "missing".red().to_string(),
    };
    let hint = check.hint.as_ref().map(|hint| format!("\n        {:22} hint: {hint}", ""));
    format!("{verdict} {:22} {}{}", check.name, check.found, hint.unwrap_or_default())
}
