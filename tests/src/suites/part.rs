//! One start of pytest in a fresh sandbox, in a process that does nothing else.

use super::run::{Part, Timeouts};
use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{
    Engine, EngineConfig, Exit, Image, ImportOptions, Limits, Mount, Outcome, RunError, Sandbox,
    Tree,
};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// How often the report of a running suite is looked at.
const POLL: Duration = Duration::from_millis(250);

/// Where the source distribution is; as deep as on the native side.
const WORKSPACE: &str = "/tmp/suite/workspace";

/// Where the plugin writes.
const REPORT: &str = "report.jsonl";

/// What a suite may use besides time.
const MEMORY_BYTES: u64 = 4 << 30;
const OUTPUT_BYTES: u64 = 256 << 20;

/// What is to be run, and where what comes of it goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// The folder of the image.
    pub image: PathBuf,
    /// The folder of compiled code.
    pub compiled: PathBuf,
    /// The source distribution.
    pub source: PathBuf,
    /// What its tests need.
    pub site: PathBuf,
    /// The arguments of Python.
    pub args: Vec<String>,
    /// A file with the ids that are left out.
    pub skip: Option<PathBuf>,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// The file for the [`Part`].
    pub result: PathBuf,
    /// The file for the lines of the plugin.
    pub report: PathBuf,
}

/// Does what the request in a file asks for.
///
/// # Errors
///
/// Fails if pytest cannot be started.
pub fn perform(request: &Path) -> anyhow::Result<()> {
    let request: Request = serde_json::from_slice(&fs_err::read(request)?)?;
    let sandbox = request.sandbox()?;
    let command = sandbox.command("python").args(&request.args).output();
    let outcome = Runtime::new()?.block_on(async {
        tokio::select! {
            outcome = command => Some(outcome),
            () = stall(&sandbox, request.timeouts.test) => None,
        }
    });
    let part = match outcome {
        None => Part { hung: true, ..Part::default() },
        Some(outcome) => part(outcome)?,
    };
    let tree = sandbox.tree("/report");
    let lines = tree.and_then(|tree| tree.read(REPORT).ok().map(|lines| lines.to_vec()));
    fs_err::write(&request.report, lines.unwrap_or_default())?;
    Ok(fs_err::write(&request.result, serde_json::to_vec(&part)?)?)
}

impl Request {
    fn sandbox(&self) -> anyhow::Result<Sandbox> {
        let config =
            EngineConfig { cache_dir: Some(self.compiled.clone()), ..EngineConfig::default() };
        let engine = Engine::new(config)?;
        let image = Image::open(&engine, &self.image)?;
        let (mut suite, mut report) = (Tree::new(), Tree::new());
        suite.write("suite_report.py", super::PLUGIN.as_bytes(), 0o644)?;
        let mut builder = Sandbox::builder(&engine, &image);
        if let Some(skip) = &self.skip {
            report.write("skip", fs_err::read(skip)?, 0o644)?;
            builder = builder.env("SUITE_SKIP", "/report/skip");
        }
        for (name, value) in super::variables() {
            builder = builder.env(*name, *value);
        }
        let limits = Limits {
            wall: self.timeouts.suite,
            cpu: self.timeouts.suite,
            memory_bytes: MEMORY_BYTES,
            output_bytes: OUTPUT_BYTES,
            ..Limits::default()
        };
        let builder = builder
            .env("PYTHONPATH", "/site:/suite")
            .env("SUITE_REPORT", format!("/report/{REPORT}"))
            .mount(Mount::tree(WORKSPACE, import(&self.source)?))
            .mount(Mount::tree("/site", import(&self.site)?))
            .mount(Mount::tree("/suite", suite))
            .mount(Mount::tree("/report", report));
        Ok(builder.cwd(WORKSPACE).limits(limits).build()?)
    }
}

fn part(outcome: Result<Outcome, RunError>) -> anyhow::Result<Part> {
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
    Ok(Part { code, cpu_us: outcome.usage.cpu_us, output, ..Part::default() })
}

/// Returns when the report has not grown for the given time. A process that computes is given that much
/// time of a processor, so that a busy machine makes no test hang; one that waits is given that much time.
async fn stall(sandbox: &Sandbox, patience: Duration) {
    let (mut length, mut grown, mut used) = (0, Instant::now(), cpu_time());
    loop {
        let computed = cpu_time().saturating_sub(used);
        let is_idle = computed < patience / 20;
        if computed >= patience || (is_idle && grown.elapsed() >= patience) {
            return;
        }
        tokio::time::sleep(POLL).await;
        let now = length_of_report(sandbox);
        if now != length {
            (length, grown, used) = (now, Instant::now(), cpu_time());
        }
    }
}

/// Returns the time that this process has computed for.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.try_into().unwrap_or_default()
}

fn length_of_report(sandbox: &Sandbox) -> u64 {
    let tree = sandbox.tree("/report");
    tree.and_then(|tree| tree.walk().into_iter().find(|it| it.path == REPORT).map(|it| it.size))
        .unwrap_or(0)
}

fn import(folder: &Path) -> anyhow::Result<Tree> {
    let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
    Ok(Tree::import(&dir, &ImportOptions::default())?)
}
