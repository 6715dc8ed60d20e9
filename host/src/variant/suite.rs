//! Runs of a project's tests, each in a fork of one sandbox.
//!
//! The first run leaves compiled files behind, in the fork that all others start from: that is most of
//! what a short run costs. Tests are chosen by id, in an order that a number decides.

mod asked;
mod said;

use asked::{OPTIONS, Request};
pub use asked::{Selection, WorkerMutant};
use bytes::Bytes;
use playpen_runtime::{Exit, Limits, Mount, Outcome, Sandbox, Tree};
pub use said::Line;
use said::{Watch, begun};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    error::VariantError,
    repository::{PACKAGES, Repository, sys_path},
};
use crate::{
    agent::{
        WORKSPACE, exit,
        report::{REPORT_FD, REPORT_FD_VARIABLE, TestReport},
    },
    context::Context,
    verify::gate::Run,
};

/// The script that runs pytest.
const WORKER: &str = concat!(include_str!("python/edits.py"), include_str!("python/worker.py"));

/// Where the script is in the sandbox.
const WORKER_FOLDER: &str = "/playpen";

/// Starts the script: what it imports of its own comes before anything of the project.
const START: &str = "import sys; sys.path.insert(0, '/playpen'); import playpen_worker";

/// The descriptor that the script reads its request from.
const REQUEST_FD: u32 = 63;

/// Time without a sign of life after which a test of the project is given up.
const STALL: Duration = Duration::from_mins(1);

/// Characters kept of a line that pytest printed.
const MAX_LINE_CHARS: usize = 300;

/// Steps after which a test of the project is too slow to be used.
pub const MOST_TICKS: u64 = 300_000;

/// No test has a bound of its own.
static NO_TICKS: BTreeMap<String, u64> = BTreeMap::new();

/// Runs the tests of one project. Clones share the sandbox that runs are forked from.
#[derive(Clone, Debug)]
pub struct Suite {
    base: Sandbox,
    test_paths: Arc<[String]>,
    /// Time for one run.
    cpu: Duration,
    cpu_us: Arc<AtomicU64>,
}

impl Suite {
    /// Makes the sandbox of a project and runs its tests once, so that compiled files are there.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub fn open(
        ctx: &Context,
        repository: &Repository,
        cpu: Duration,
    ) -> Result<Suite, VariantError> {
        let mut worker = Tree::new();
        worker.write("playpen_worker.py", WORKER, 0o644)?;
        let base = Sandbox::builder(&ctx.engine, &ctx.image)
            .mount(Mount::tree(WORKSPACE, repository.tree.clone()))
            .mount(Mount::tree(PACKAGES, repository.packages.clone()))
            .mount(Mount::tree(WORKER_FOLDER, worker))
            .cwd(WORKSPACE)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/tmp")
            .env("TERM", "dumb")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .seed(0)
            .build()?;
        Ok(Suite {
            base,
            test_paths: repository.test_paths.clone().into(),
            cpu,
            cpu_us: Arc::default(),
        })
    }

    /// Returns the computing time of all runs so far.
    pub fn cpu(&self) -> Duration {
        Duration::from_micros(self.cpu_us.load(Ordering::Relaxed))
    }

    /// Returns the tree that runs start from.
    pub fn tree(&self) -> Tree {
        self.base.tree(WORKSPACE).expect("it was mounted as a tree")
    }

    /// Returns a sandbox of its own in which `tree` is the workspace.
    pub fn fork(&self, tree: Option<&Tree>) -> Sandbox {
        let sandbox = self.base.fork(None);
        if let Some(tree) = tree {
            let is_replaced = sandbox.replace_tree(WORKSPACE, tree.clone());
            assert!(is_replaced, "nothing runs in a fork that was just made");
        }
        sandbox
    }

    /// Takes over the files that a run left: compiled files, which later runs need not make again.
    fn warm(&mut self, fork: Sandbox) {
        self.base = fork;
    }

    /// Returns the same suite, in which a run may take `cpu` of computing, or what it could take before if that is
    /// less.
    #[must_use]
    pub fn within(&self, cpu: Duration) -> Suite {
        Suite { cpu: self.cpu.min(cpu), ..self.clone() }
    }

    /// Runs tests of `tree`, or of the project as it is.
    ///
    /// # Errors
    ///
    /// Fails if the host does; what the tests do is in the result.
    pub async fn run(
        &self,
        tree: Option<&Tree>,
        selection: &Selection,
    ) -> Result<Run, VariantError> {
        self.run_in(&self.fork(tree), selection).await
    }

    async fn run_in(&self, sandbox: &Sandbox, selection: &Selection) -> Result<Run, VariantError> {
        let request = self.request("run", selection);
        let watch = Arc::new(Watch::default());
        let ended = tokio::select! {
            ended = self.start(sandbox, &request, &["-p", "playpen_report"], Some(&watch)) => ended?,
            // Threads that wait for each other compute nothing, so no limit on computing ends them.
            () = watch.stalled() => return Ok(stalled()),
        };
        let (outcome, report) = ended;
        Ok(Run {
            exit_code: exit::is_regular(outcome.exit).then(|| outcome.exit.code()),
            stopped: exit::describe(outcome.exit),
            limit: match outcome.exit {
                Exit::Limit(limit) => Some(limit),
                _ => None,
            },
            report: TestReport::parse(&report),
            last_words: last_line(&outcome),
        })
    }

    /// Runs each test once, in the order of [`Selection::order`], and returns which lines of `files` it ran. Compiled
    /// files stay for later runs.
    ///
    /// A test that shows no sign of life is left out, and its id is in the second part of the result.
    ///
    /// # Errors
    ///
    /// Fails if the host does, or if the worker breaks off for no reason that can be seen.
    pub async fn trace(
        &mut self,
        files: &[String],
        order: u64,
    ) -> Result<(Vec<Line>, BTreeSet<String>), VariantError> {
        let mut selection = Selection { order, ..Selection::default() };
        let mut hanging = BTreeSet::new();
        let mut lines: Vec<Line> = vec![];
        loop {
            let sandbox = self.fork(None);
            let mut request = self.request("trace", &selection);
            request.files = files;
            let watch = Arc::new(Watch::default());
            let ended = self.start_watched(&sandbox, &request, &watch).await?;
            let said = watch.lines();
            let last = said.iter().rev().find_map(begun);
            let traced = said.iter().filter_map(|line| match line {
                Line::Traced { id, .. } => Some(id.clone()),
                _ => None,
            });
            selection.exclude.extend(traced);
            lines.extend(said.into_iter().filter(|line| !matches!(line, Line::Begin { .. })));
            match (ended, last) {
                (Some(outcome), _) if exit::is_regular(outcome.exit) => {
                    self.warm(sandbox);
                    return Ok((lines, hanging));
                }
                (_, Some(last)) if !selection.exclude.contains(&last) => {
                    hanging.insert(last.clone());
                    selection.exclude.insert(last);
                }
                (outcome, _) => {
                    let how = outcome.and_then(|outcome| exit::describe(outcome.exit));
                    let said = how.unwrap_or_else(|| "it showed no sign of life".to_owned());
                    return Err(VariantError::Script { script: "trace of the tests", said });
                }
            }
        }
    }

    /// Tries mutants in a warm process, and in another one from where it broke off.
    ///
    /// # Errors
    ///
    /// Fails if the host does, or if the worker breaks off for no reason that can be seen.
    pub async fn mutants(
        &self,
        mutants: &[WorkerMutant],
        ticks: &BTreeMap<String, u64>,
        all_tests: bool,
    ) -> Result<Vec<Line>, VariantError> {
        let mut lines = vec![];
        let mut rest = mutants;
        let selection = Selection::default();
        while !rest.is_empty() {
            let mut request = self.request("mutants", &selection);
            request.args.splice(0..0, ["--assert=plain".to_owned()]);
            request.ticks = ticks;
            request.mutants = rest;
            request.all_tests = all_tests;
            let watch = Arc::new(Watch::default());
            let ended = self.start_watched(&self.fork(None), &request, &watch).await?;
            let said = watch.lines();
            let n_begun = said.iter().filter(|line| matches!(line, Line::Begin { .. })).count();
            let n_done = said.iter().filter(|line| matches!(line, Line::Mutant { .. })).count();
            lines.extend(said.into_iter().filter(|line| !matches!(line, Line::Begin { .. })));
            if n_done == rest.len() {
                break;
            }
            if n_begun == 0 {
                let last = ended.as_ref().map(last_line).unwrap_or_default();
                return Err(VariantError::Script { script: "trial of mutants", said: last });
            }
            // The mutant that was under way ended the process: nothing is said of it.
            rest = &rest[n_begun..];
        }
        Ok(lines)
    }

    fn request<'a>(&'a self, mode: &'static str, selection: &'a Selection) -> Request<'a> {
        let paths = selection.arguments().unwrap_or_else(|| self.test_paths.to_vec());
        let args = OPTIONS.iter().map(|option| (*option).to_owned()).chain(paths).collect();
        Request {
            mode,
            root: WORKSPACE,
            args,
            select: selection.ids.as_ref(),
            exclude: &selection.exclude,
            order: selection.order,
            files: &[],
            most_ticks: MOST_TICKS,
            ticks: &NO_TICKS,
            mutants: &[],
            control_every: 50,
            all_tests: false,
        }
    }

    async fn start(
        &self,
        sandbox: &Sandbox,
        request: &Request<'_>,
        options: &[&str],
        watch: Option<&Arc<Watch>>,
    ) -> Result<(Outcome, Bytes), VariantError> {
        let mut args: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        args.extend(request.args.iter().cloned());
        let request = serde_json::to_value(request).map(|mut value| {
            value["args"] = args.into();
            value["sys_path"] = sandbox.tree(WORKSPACE).as_ref().map(sys_path).into();
            value
        });
        let request = request.expect("a request is JSON").to_string();
        let mut command = sandbox
            .command("python")
            .args(["-I", "-c", START])
            .cwd(WORKSPACE)
            .env(REPORT_FD_VARIABLE, REPORT_FD.to_string())
            .input(REQUEST_FD, Bytes::from(request))
            .collect(REPORT_FD)
            .limits(Limits { cpu: self.cpu, output_bytes: 256 << 20, ..Limits::default() });
        if let Some(watch) = watch {
            command = command.watch(Arc::<Watch>::clone(watch));
        }
        let mut outcome = command.output().await?;
        self.cpu_us.fetch_add(outcome.usage.cpu_us, Ordering::Relaxed);
        let report = outcome.collected.remove(&REPORT_FD).unwrap_or_default();
        Ok((outcome, report))
    }

    /// Runs a request until it ends or shows no sign of life; then there is no outcome.
    async fn start_watched(
        &self,
        sandbox: &Sandbox,
        request: &Request<'_>,
        watch: &Arc<Watch>,
    ) -> Result<Option<Outcome>, VariantError> {
        tokio::select! {
            ended = self.start(sandbox, request, &[], Some(watch)) => Ok(Some(ended?.0)),
            () = watch.stalled() => Ok(None),
        }
    }
}

/// Returns what is said of a run in which everything waits.
fn stalled() -> Run {
    Run {
        exit_code: None,
        stopped: Some("it showed no sign of life".to_owned()),
        limit: None,
        report: TestReport::default(),
        last_words: String::new(),
    }
}

/// Returns the last line that was printed, cut to a width for people.
pub(super) fn last_line(outcome: &Outcome) -> String {
    let text = |printed: &[u8]| {
        let text = String::from_utf8_lossy(printed);
        text.trim().lines().last().map(|line| line.chars().take(MAX_LINE_CHARS).collect::<String>())
    };
    text(&outcome.stderr).or_else(|| text(&outcome.stdout)).unwrap_or_default()
}
