//! Runs recorded commands in native bash and in a sandbox, and compares:
//!
//! ```text
//! cargo run --release -p playpen-e2e --bin replay -- --corpus FILE.jsonl --tree DIR [--limit N]
//! ```
//!
//! Prints each difference, then figures, and last `identical N of M (P%)`.
#![expect(clippy::print_stdout, reason = "the report is the purpose of this program")]
#![expect(clippy::print_stderr, reason = "as is its progress")]

use anyhow::Context as _;
use clap::Parser;
use playpen::config::Environment;
use playpen_e2e::replay::{
    Bounds,
    base::Base,
    compare::Difference,
    corpus::{self, Action},
    native::Native,
    place::Place,
    report::{self, Compared, Report},
    sandboxed::Sandboxed,
    sdists,
};
use playpen_image::{BuildOptions, ImageSpec};
use playpen_runtime::{Engine, EngineConfig, Image};
use regex::Regex;
use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// Compare recorded commands in a sandbox with native bash
///
/// Each line of the corpus is `{"id": N, "task": "owner__project-N", "command": "..."}`. Every action
/// starts from the same tree at `/testbed`; stdout, exit status and the files afterwards must agree.
///
/// Native commands run in namespaces (mounts, processes, network) where the host allows that, so that
/// they reach nothing of the host but the programs in /usr. Where it does not, they run on the host
/// itself, as whoever runs this: use such a host for this only.
///
/// Exits with 0 if all agree, with 1 if some do not.
#[derive(Debug, Parser)]
struct Args {
    /// The recorded actions
    #[arg(long, value_name = "FILE")]
    corpus: PathBuf,

    /// The tree that all actions are run on
    #[arg(long, value_name = "DIR", required_unless_present_any = ["trees", "sdists"])]
    tree: Option<PathBuf>,

    /// A folder with one tree for each project, as in `django` or `Django-4.2.16`
    #[arg(long, value_name = "DIR", conflicts_with = "tree")]
    trees: Option<PathBuf>,

    /// Fetch the source distributions of well-known projects and use those
    #[arg(long, conflicts_with_all = ["tree", "trees"])]
    sdists: bool,

    /// With several trees: the one for actions of other projects
    #[arg(long, value_name = "PROJECT", default_value = "flask")]
    fallback: String,

    /// Stop after this many actions
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Take one action of N
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: usize,

    /// Take only these actions
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    only_ids: Vec<u64>,

    /// Take only actions whose task matches
    #[arg(long, value_name = "REGEX")]
    filter: Option<Regex>,

    /// Take only actions whose command matches
    #[arg(long, value_name = "REGEX")]
    command: Option<Regex>,

    /// Leave out actions that start Python
    #[arg(long)]
    skip_python: bool,

    /// Write each difference with both outputs to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Actions that run at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,

    /// Wall time of one action on one side
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,

    /// Differences that are known
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/replay/known.toml"))]
    known: PathBuf,

    /// Folder for guests, images and trees [default: `$PLAYPEN_HOME`, or the cache folder]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl Args {
    fn actions(&self) -> anyhow::Result<Vec<Action>> {
        let all = corpus::read(&self.corpus)?;
        let is_wanted = |action: &Action| {
            (self.only_ids.is_empty() || self.only_ids.contains(&action.id))
                && self.filter.as_ref().is_none_or(|filter| filter.is_match(&action.task))
                && self.command.as_ref().is_none_or(|filter| filter.is_match(&action.command))
                && !(self.skip_python && action.starts_python())
        };
        let wanted = all.into_iter().filter(is_wanted).step_by(self.every.max(1));
        Ok(wanted.take(self.limit.unwrap_or(usize::MAX)).collect())
    }
}

/// What all actions share.
struct Replay {
    engine: Engine,
    image: Image,
    place: Arc<Place>,
    scratch: PathBuf,
    bounds: Bounds,
    runtime: tokio::runtime::Handle,
}

/// A tree on both sides.
struct Project {
    name: String,
    base: Arc<Base>,
    sandbox: Sandboxed,
    /// Native copies that no action uses now.
    idle: Mutex<Vec<Native>>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let environment = Environment::read();
    let home = environment.home(args.home.as_deref())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let shared =
        if Path::new("/dev/shm").is_dir() { "/dev/shm".into() } else { std::env::temp_dir() };
    let scratch = tempfile::Builder::new().prefix("playpen-replay-").tempdir_in(shared)?;
    let replay = Replay::open(&args, &environment, &home, scratch.path(), runtime.handle())?;
    let mut report = Report::new(report::read_known(&args.known)?);
    for (tree, actions) in by_tree(&args, &home, scratch.path())? {
        let project = replay.project(&tree)?;
        eprintln!("{}: {} actions", project.name, actions.len());
        replay.run(&project, actions, args.jobs, &mut report)?;
    }
    if let Some(file) = &args.report {
        report.write(file)?;
    }
    println!("{}", report.summary());
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sorts the actions by the tree that they run on; within each, in the order of the corpus.
fn by_tree(
    args: &Args,
    home: &Path,
    scratch: &Path,
) -> anyhow::Result<BTreeMap<PathBuf, VecDeque<Action>>> {
    let trees = if args.sdists { Some(sdists::trees(home)?) } else { args.trees.clone() };
    let nothing = scratch.join("nothing");
    fs_err::create_dir_all(&nothing)?;
    let mut sorted = BTreeMap::<PathBuf, VecDeque<Action>>::new();
    for action in args.actions()? {
        let tree = match (&args.tree, &trees) {
            (Some(tree), _) => tree.clone(),
            (None, Some(trees)) => match tree_of(trees, action.project())? {
                Some(tree) => tree,
                None => tree_of(trees, &args.fallback)?.unwrap_or_else(|| nothing.clone()),
            },
            (None, None) => nothing.clone(),
        };
        sorted.entry(tree).or_default().push_back(action);
    }
    Ok(sorted)
}

/// Returns the tree of a project: the folder of that name, or of that name and a version.
fn tree_of(trees: &Path, project: &str) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs_err::read_dir(trees)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let rest = name.strip_prefix(&project.to_lowercase());
        let is_version = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        if rest
            .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(is_version))
        {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

impl Replay {
    fn open(
        args: &Args,
        environment: &Environment,
        home: &Path,
        scratch: &Path,
        runtime: &tokio::runtime::Handle,
    ) -> anyhow::Result<Self> {
        let build = || {
            let spec = ImageSpec::default();
            playpen_image::ensure(&spec, &BuildOptions::new(home), &playpen_image::Silent)
        };
        let folder = environment.image.clone().map_or_else(build, Ok)?;
        let config =
            EngineConfig { cache_dir: Some(home.join("compiled")), ..EngineConfig::default() };
        let engine = Engine::new(config)?;
        let image = Image::open(&engine, &folder)?;
        let python = playpen_image::native_python(home);
        if python.is_none() {
            eprintln!("no native CPython 3.13 in `{}`: the host's is used", home.display());
        }
        let place = Place::new(scratch, python.as_deref(), image.root())?;
        if !place.is_isolated() {
            eprintln!("the host allows no namespaces: native commands reach its files and network");
        }
        let bounds = Bounds { wall: Duration::from_secs(args.timeout), output_bytes: 16 << 20 };
        let (place, scratch, runtime) = (Arc::new(place), scratch.to_owned(), runtime.clone());
        Ok(Self { engine, image, place, scratch, bounds, runtime })
    }

    fn project(&self, tree: &Path) -> anyhow::Result<Project> {
        let name =
            tree.file_name().map_or("tree".into(), |name| name.to_string_lossy().into_owned());
        let base = Arc::new(Base::read(tree)?);
        let sandbox =
            Sandboxed::create(&self.engine, &self.image, Arc::clone(&base), &self.scratch);
        let sandbox = self.runtime.block_on(sandbox)?;
        Ok(Project { name, base, sandbox, idle: Mutex::default() })
    }

    /// Runs the actions of one tree; takes the results in their order.
    fn run(
        &self,
        project: &Project,
        actions: VecDeque<Action>,
        jobs: usize,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        // Without namespaces there is only one `/testbed`.
        let jobs = if self.place.is_isolated() { jobs.max(1) } else { 1 };
        for idx in 0..jobs {
            let name = format!("{}-{idx}", project.name);
            let copy = Native::create(Arc::clone(&self.place), Arc::clone(&project.base), &name)?;
            lock(&project.idle).push(copy);
        }
        let queue = Mutex::new(actions.into_iter().enumerate().collect::<VecDeque<_>>());
        let (sender, results) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs {
                let (sender, queue) = (sender.clone(), &queue);
                scope.spawn(move || {
                    loop {
                        let next = lock(queue).pop_front();
                        let Some((idx, action)) = next else { break };
                        let compared = self.compare(project, action);
                        let is_failure = compared.is_err();
                        if sender.send((idx, compared)).is_err() || is_failure {
                            lock(queue).clear();
                            break;
                        }
                    }
                });
            }
            drop(sender);
            take_in_order(&results, report)
        })
    }

    fn compare(&self, project: &Project, action: Action) -> anyhow::Result<Compared> {
        let failed = || format!("failed to run action {}", action.id);
        let mut copy = lock(&project.idle).pop().context("there are too few native copies")?;
        let native = copy.run(&action.command, self.bounds).with_context(failed)?;
        lock(&project.idle).push(copy);
        let sandbox = project.sandbox.run(&action.command, self.bounds);
        let sandbox = self.runtime.block_on(sandbox).with_context(failed)?;
        let starts_python = action.starts_python();
        let difference = Difference::between(&project.base, &native, &sandbox, starts_python);
        Ok(Compared { action, native, sandbox, difference })
    }
}

fn take_in_order(
    results: &mpsc::Receiver<(usize, anyhow::Result<Compared>)>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (mut early, mut next) = (BTreeMap::new(), 0);
    for (idx, compared) in results {
        early.insert(idx, compared?);
        while let Some(compared) = early.remove(&next) {
            if let Some(text) = report.take(&compared)? {
                println!("{text}");
            }
            next += 1;
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
