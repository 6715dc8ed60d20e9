//! The sandboxed side: each start is a process of this program of its own, as it is natively, so that its
//! memory is counted by the same rule: all that the host's kernel held for it at one time.

use super::{
    fetch::Fetched,
    measured::measured,
    part::Request,
    run::{Part, Side, Timeouts},
};
use crate::program::Program;
use anyhow::ensure;
use playpen_runtime::Image;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// The option by which this program is asked for one start.
pub const PART: &str = "--part";

/// How much longer the process may take than what it runs.
const GRACE: Duration = Duration::from_mins(1);

/// A package in sandboxes; each start is in a fresh one.
#[derive(Debug)]
pub struct Sandboxed<'a> {
    /// The folder of the image.
    pub image: &'a Path,
    /// The folder of compiled code.
    pub compiled: PathBuf,
    /// A Python for the measuring.
    pub python: &'a Path,
    /// A copy of this program, so that it shares no pages with it.
    pub program: &'a Path,
    /// The package.
    pub fetched: &'a Fetched,
}

impl Sandboxed<'_> {
    /// Returns the names of the programs that tests find in a sandbox.
    pub fn programs(image: &Image) -> BTreeSet<String> {
        let entries = image.root().walk().into_iter();
        let names =
            entries.filter_map(|entry| Some(entry.path.strip_prefix("usr/bin/")?.to_owned()));
        names.collect()
    }
}

impl Side for Sandboxed<'_> {
    fn start(&self, args: &[String], skip: Option<&[u8]>, left: Timeouts) -> anyhow::Result<Part> {
        let folder = tempfile::tempdir()?;
        let place = |name: &str| folder.path().join(name);
        let request = Request {
            image: self.image.to_owned(),
            compiled: self.compiled.clone(),
            source: self.fetched.source.clone(),
            site: self.fetched.site.clone(),
            args: args.to_vec(),
            skip: skip.map(|_| place("skip")),
            timeouts: left,
            result: place("result"),
            report: place("report"),
        };
        fs_err::write(place("skip"), skip.unwrap_or_default())?;
        fs_err::write(place("request"), serde_json::to_vec(&request)?)?;
        let command: [OsString; 3] =
            [self.program.into(), PART.into(), place("request").into_os_string()];
        // The process itself watches time and tests.
        let longer = Timeouts { suite: left.suite + GRACE, test: left.suite + GRACE };
        let program = Program::new(self.python);
        let report = place("report");
        let (used, ended) = measured(program, folder.path(), &report, longer, &command)?;
        ensure!(used.code == Some(0), "the sandboxed side failed: {}", ended.err());
        let part: Part = serde_json::from_slice(&fs_err::read(place("result"))?)?;
        Ok(Part { lines: fs_err::read(report)?, peak_bytes: used.peak_bytes, ..part })
    }
}
