//! The sandboxed side: the CPython of the image, with the files of the package mounted.

use super::{
    fetch::Fetched,
    run::{Part, Side, Timeouts},
};
use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{
    Engine, Exit, Image, ImportOptions, Limits, Mount, Outcome, RunError, Sandbox, Tree,
};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How often the report of a running suite is looked at.
const POLL: Duration = Duration::from_millis(250);

/// Where the source distribution is; as deep as on the native side.
const WORKSPACE: &str = "/tmp/suite/workspace";

/// Where the plugin writes.
const REPORT: &str = "report.jsonl";

/// What a suite may use besides time.
const MEMORY_BYTES: u64 = 4 << 30;
const OUTPUT_BYTES: u64 = 256 << 20;

/// A package in sandboxes; each start is in a fresh one.
#[derive(Debug)]
pub struct Sandboxed<'a> {
    engine: &'a Engine,
    image: &'a Image,
    handle: Handle,
    source: Tree,
    site: Tree,
}

impl<'a> Sandboxed<'a> {
    /// Reads the files of a package.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be read.
    pub fn new(
        engine: &'a Engine,
        image: &'a Image,
        handle: Handle,
        fetched: &Fetched,
    ) -> anyhow::Result<Self> {
        let (source, site) = (import(&fetched.source)?, import(&fetched.site)?);
        Ok(Self { engine, image, handle, source, site })
    }

    /// Returns the names of the programs that tests find in a sandbox.
    pub fn programs(image: &Image) -> BTreeSet<String> {
        let entries = image.root().walk().into_iter();
        let names =
            entries.filter_map(|entry| Some(entry.path.strip_prefix("usr/bin/")?.to_owned()));
        names.collect()
    }

    fn sandbox(&self, skip: Option<&[u8]>, left: Timeouts) -> anyhow::Result<Sandbox> {
        let (mut suite, mut report) = (Tree::new(), Tree::new());
        suite.write("suite_report.py", super::PLUGIN.as_bytes(), 0o644)?;
        let mut builder = Sandbox::builder(self.engine, self.image);
        if let Some(skip) = skip {
            report.write("skip", skip.to_vec(), 0o644)?;
            builder = builder.env("SUITE_SKIP", "/report/skip");
        }
        for (name, value) in super::variables() {
            builder = builder.env(*name, *value);
        }
        let limits = Limits {
            wall: left.suite,
            cpu: left.suite,
            memory_bytes: MEMORY_BYTES,
            output_bytes: OUTPUT_BYTES,
            ..Limits::default()
        };
        let builder = builder
            .env("PYTHONPATH", "/site:/suite")
            .env("SUITE_REPORT", format!("/report/{REPORT}"))
            .mount(Mount::tree(WORKSPACE, self.source.clone()))
            .mount(Mount::tree("/site", self.site.clone()))
            .mount(Mount::tree("/suite", suite))
            .mount(Mount::tree("/report", report));
        Ok(builder.cwd(WORKSPACE).limits(limits).build()?)
    }
}

impl Side for Sandboxed<'_> {
    fn start(&self, args: &[String], skip: Option<&[u8]>, left: Timeouts) -> anyhow::Result<Part> {
        let sandbox = self.sandbox(skip, left)?;
        let command = sandbox.command("python").args(args).output();
        let outcome = self.handle.block_on(async {
            tokio::select! {
                outcome = command => Some(outcome),
                () = stall(&sandbox, left.test) => None,
            }
        });
        let lines = lines(&sandbox);
        Ok(match outcome {
            None => Part { lines, hung: true, ..Part::default() },
            Some(outcome) => part(lines, outcome)?,
        })
    }
}

fn part(lines: Vec<u8>, outcome: Result<Outcome, RunError>) -> anyhow::Result<Part> {
    let outcome = outcome?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut output = text(&outcome.stdout) + &text(&outcome.stderr);
    let incidents: Vec<String> = outcome.incidents.iter().map(|it| format!("{it:?}\n")).collect();
    output.push_str(&incidents.concat());
    let code = match outcome.exit {
        Exit::Code(code) => Some(i32::from(code)),
        Exit::Limit(_) => None,
        _ => Some(-1),
    };
    if code == Some(-1) {
        output = format!("{output}ended: {}\n", outcome.exit);
    }
    let usage = outcome.usage;
    let (cpu_us, peak_bytes) = (usage.cpu_us, usage.peak_memory_bytes);
    Ok(Part { lines, code, hung: false, cpu_us, peak_bytes, output })
}

/// Returns when the report has not grown for the given time.
async fn stall(sandbox: &Sandbox, patience: Duration) {
    let (mut length, mut grown) = (0, Instant::now());
    while grown.elapsed() < patience {
        tokio::time::sleep(POLL).await;
        let now = lines(sandbox).len();
        if now != length {
            (length, grown) = (now, Instant::now());
        }
    }
}

fn lines(sandbox: &Sandbox) -> Vec<u8> {
    let tree = sandbox.tree("/report");
    tree.and_then(|tree| tree.read(REPORT).ok().map(|lines| lines.to_vec())).unwrap_or_default()
}

fn import(folder: &Path) -> anyhow::Result<Tree> {
    let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
    Ok(Tree::import(&dir, &ImportOptions::default())?)
}
