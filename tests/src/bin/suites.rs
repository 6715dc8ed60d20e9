//! Runs the test suites of real packages natively and in the sandbox:
//!
//! ```text
//! cargo run --release -p playpen-e2e --bin suites -- --list FILE.toml [--only NAME]...
//! ```
//!
//! Prints each test that differs with both outcomes, a line for each package, and last `tests identical N of
//! M`, `packages identical K of L` and the ratio of CPU time.
#![expect(clippy::print_stdout, reason = "the report is the purpose of this program")]

use anyhow::Context as _;
use clap::Parser;
use playpen::config::Environment;
use playpen_e2e::suites::{
    compare::{Comparison, geometric_mean},
    fetch::Fetcher,
    list::{self, Package},
    native::Native,
    part,
    run::{self, Run, Timeouts},
    sandboxed::Sandboxed,
};
use playpen_image::{BuildOptions, ImageSpec, Silent};
use playpen_runtime::{Engine, EngineConfig, Image};
use std::{collections::BTreeSet, path::PathBuf, process::ExitCode, sync::Mutex, time::Duration};

/// Run the test suites of real packages natively and in the sandbox
///
/// Exits with 0 if all tests do the same on both sides, with 1 if some do not.
#[derive(Debug, Parser)]
struct Args {
    /// File of packages: `[[package]]` with `name`, `requirement`, `tests` and `extras`
    #[arg(long, value_name = "FILE", required_unless_present = "part")]
    list: Option<PathBuf>,

    /// Do one start of the sandboxed side; this program starts itself with it
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "list")]
    part: Option<PathBuf>,

    /// Run only the packages of this name; may be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,

    /// Packages to run at once
    #[arg(long, value_name = "N", default_value = "1")]
    jobs: usize,

    /// Seconds for each package on each side; the list can give a package more
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    timeout: u64,

    /// Seconds for each test
    #[arg(long, value_name = "SECONDS", default_value = "120")]
    test_timeout: u64,

    /// Folder for guests, images, compiled code and downloads [default: as playpen]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,

    /// Folder to put what both sides wrote into, for looking at it later
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// What all packages share.
struct Bench {
    image: PathBuf,
    compiled: PathBuf,
    /// A copy of this program.
    program: tempfile::TempPath,
    native_python: PathBuf,
    programs: BTreeSet<String>,
    fetcher: Fetcher,
    timeouts: Timeouts,
    output: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(request) = &args.part {
        part::perform(request)?;
        return Ok(ExitCode::SUCCESS);
    }
    let list = args.list.as_deref().context("there is no list")?;
    let mut packages = list::read(list)?;
    packages.retain(|package| args.only.is_empty() || args.only.contains(&package.name));
    let bench = Bench::new(&args)?;
    let done = run_all(&bench, &packages, args.jobs.max(1));
    Ok(summary(&done, packages.len()))
}

impl Bench {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let env = Environment::read();
        let home = std::path::absolute(env.home(args.home.as_deref())?)?;
        let image = match &env.image {
            Some(image) => image.clone(),
            None => {
                playpen_image::ensure(&ImageSpec::default(), &BuildOptions::new(&home), &Silent)?
            }
        };
        let compiled = home.join("compiled");
        let config = EngineConfig { cache_dir: Some(compiled.clone()), ..EngineConfig::default() };
        let opened = Image::open(&Engine::new(config)?, &image)?;
        // Not in the measured processes.
        opened.compile()?;
        let native_python = playpen_image::native_python(&home)
            .context("there is no native CPython in the home; `playpen image build` makes it")?;
        let fetcher = Fetcher::new(&home, &native_python)?;
        let timeouts = Timeouts {
            suite: Duration::from_secs(args.timeout),
            test: Duration::from_secs(args.test_timeout),
        };
        let programs = Sandboxed::programs(&opened);
        let program = tempfile::NamedTempFile::new_in(&home)?.into_temp_path();
        fs_err::copy(std::env::current_exe()?, &program)?;
        let output = args.output.clone();
        Ok(Self { image, compiled, program, native_python, programs, fetcher, timeouts, output })
    }

    fn compare(&self, package: &Package) -> anyhow::Result<Comparison> {
        let fetched = self.fetcher.fetch(package)?;
        let (python, programs) = (&self.native_python, &self.programs);
        let native_side = Native { python, fetched: &fetched, programs };
        let sandbox_side = Sandboxed {
            image: &self.image,
            compiled: self.compiled.clone(),
            python,
            program: &self.program,
            fetched: &fetched,
        };
        let suite = package.timeout.map_or(self.timeouts.suite, |seconds| {
            self.timeouts.suite.max(Duration::from_secs(seconds))
        });
        let timeouts = Timeouts { suite, ..self.timeouts };
        let mut native = run::run(&native_side, package, timeouts, false)?;
        if native.refused_options() {
            // Options for plugins that are not there, mostly.
            native = run::run(&native_side, package, timeouts, true)?;
        }
        self.keep(package, "native", &native)?;
        let without_options = native.without_options;
        let sandbox = run::run(&sandbox_side, package, timeouts, without_options)?;
        self.keep(package, "sandbox", &sandbox)?;
        Ok(Comparison::new(package, native, sandbox))
    }

    fn keep(&self, package: &Package, side: &str, run: &Run) -> anyhow::Result<()> {
        let Some(folder) = &self.output else { return Ok(()) };
        fs_err::create_dir_all(folder)?;
        let tests = run.report.tests.iter();
        let lines: Vec<String> =
            tests.map(|(id, test)| format!("{} {id} {}\n", test.outcome, test.message)).collect();
        let text = run.output.clone() + &lines.concat();
        Ok(fs_err::write(folder.join(format!("{}.{side}.txt", package.name)), text)?)
    }
}

/// Runs the packages, printing each as soon as it is done.
fn run_all(bench: &Bench, packages: &[Package], n_jobs: usize) -> Vec<Comparison> {
    let (waiting, done) = (Mutex::new(packages.iter()), Mutex::new(vec![]));
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
    let work = || {
        while let Some(package) = next() {
            let compared = bench.compare(package);
            let Ok(mut done) = done.lock() else { return };
            match compared {
                Ok(comparison) => {
                    print(&comparison);
                    done.push(comparison);
                }
                Err(error) => println!("{}: not run: {error:#}", package.name),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..n_jobs {
            scope.spawn(work);
        }
    });
    done.into_inner().unwrap_or_default()
}

fn print(comparison: &Comparison) {
    println!("{comparison}");
    if comparison.n_tests() == 0 {
        for (side, run) in [("native", &comparison.native), ("sandbox", &comparison.sandbox)] {
            println!("  no tests; the end of what pytest wrote on the {side} side:");
            let lines: Vec<&str> = run.output.lines().collect();
            for line in &lines[lines.len().saturating_sub(12)..] {
                println!("    {line}");
            }
        }
    }
}

fn summary(done: &[Comparison], n_packages: usize) -> ExitCode {
    let n_tests: usize = done.iter().map(Comparison::n_tests).sum();
    let n_different: usize = done.iter().map(|it| it.differences().len()).sum();
    let n_identical = done.iter().filter(|it| it.is_identical()).count();
    let ratios: Vec<f64> = done.iter().filter_map(Comparison::cpu_ratio).collect();
    let memory = done.iter().map(|it| extra_mega(&it.sandbox, &it.native)).max().unwrap_or(0);
    println!("most memory above native {memory} MB");
    println!("tests identical {} of {n_tests}", n_tests - n_different);
    println!("packages identical {n_identical} of {n_packages}");
    match geometric_mean(&ratios) {
        Some(mean) => println!("CPU ratio {mean:.2} (sandbox / native, geometric mean)"),
        None => println!("CPU ratio unknown"),
    }
    if n_identical == n_packages { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn extra_mega(sandbox: &Run, native: &Run) -> i64 {
    let mega = |run: &Run| i64::try_from(run.peak_bytes / 1_000_000).unwrap_or(i64::MAX);
    mega(sandbox) - mega(native)
}
