//! Commands of both sides, measured by one program.

use super::run::Timeouts;
use crate::program::{Ended, Program};
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::{ffi::OsString, path::Path, time::Duration};

/// Watches a command and measures it; see there.
const MEASURE: &str = include_str!("../../suites/measure.py");

/// How much longer it may take than what it watches.
const GRACE: Duration = Duration::from_secs(30);

/// What a command used.
#[derive(Debug, Deserialize)]
pub(super) struct Used {
    /// The exit code; none if it was ended from outside.
    pub(super) code: Option<i32>,
    pub(super) hung: bool,
    pub(super) cpu_us: u64,
    pub(super) peak_bytes: u64,
}

/// Runs a command under a Python that measures it, in `folder`, until its time is over or its report
/// does not grow.
pub(super) fn measured(
    python: Program,
    folder: &Path,
    report: &Path,
    timeouts: Timeouts,
    command: &[OsString],
) -> anyhow::Result<(Used, Ended)> {
    let (script, used) = (folder.join("measure.py"), folder.join("used"));
    fs_err::write(&script, MEASURE)?;
    let seconds = |time: Duration| time.as_secs_f64().to_string();
    let program = python.args([&script, &used]).args([report]);
    let program = program.args([seconds(timeouts.suite), seconds(timeouts.test)]).args(command);
    let ended = program.deadline(timeouts.suite + GRACE).try_run()?;
    let ended = ended.context("what measures did not end in time")?;
    ensure!(ended.code == 0, "measuring failed: {}", ended.err());
    Ok((serde_json::from_slice(&fs_err::read(used)?)?, ended))
}
