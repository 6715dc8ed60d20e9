//! Our figures beside native ones.
//!
//! Both sides take turns, so that whatever else the machine does falls on both alike: the ratio is
//! what is promised, the times are not. Each measurement is a whole execution, from the call to the
//! end of the program with its output read; the outputs of both sides have to be the same.

mod case;
mod density;
mod files;
mod native;
mod verification;

use bytes::Bytes;
use case::{Case, NINE_TESTS, NINE_TESTS_NAME};
use native::NativeProgram;
use playpen_runtime::{Engine, Image, Mount, RunError, Sandbox, SandboxError, Tree};
use serde::Serialize;
use std::{
    num::NonZeroU32,
    path::PathBuf,
    time::{Duration, Instant},
};
use thiserror::Error;

pub use case::Bench;
pub use density::{Density, density};
pub use files::{Audited, compare_files, compare_programs, n_file_steps, n_program_steps};
pub use native::NativeError;
pub use verification::{compare_verification, n_verification_steps};

/// Executions on each side before anything is counted: code, caches and pools become warm.
const N_WARM_UP: u32 = 2;

/// Forks in one measurement: a single one is too short for a clock.
const N_FORKS: u32 = 1000;

/// What [`compare_files`] is called.
const FILES: &str = "fs";

/// Where the tree is in the sandbox.
const POINT: &str = "/workspace";

/// What of the host the native sides need.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The C compiler, for a static program that does nothing; without it `/bin/true` is taken.
    pub cc: Option<PathBuf>,
    /// The CPython that the image builder made for this machine.
    pub native_python: Option<PathBuf>,
    /// The folder that searches and copies work on, on the native side.
    pub folder: Option<PathBuf>,
    /// The same folder as a tree.
    pub tree: Option<Tree>,
}

/// One side's measurements.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// What was executed.
    pub what: String,
    /// The number of measurements.
    pub n: u32,
    /// The median, in microseconds.
    pub median_us: f64,
    /// One in ten was faster than this, in microseconds.
    pub p10_us: f64,
    /// One in ten was slower than this, in microseconds.
    pub p90_us: f64,
    /// Megabytes (10^6 bytes) a second at the median, where data goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mb_per_s: Option<f64>,
}

/// Both sides of a bench.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The bench's name.
    pub bench: String,
    /// The comparison's name.
    pub name: String,
    /// The sandbox's side.
    pub sandbox: Series,
    /// The native side.
    pub native: Series,
    /// The native median divided by the sandbox's: how many times faster the sandbox is.
    pub native_over_sandbox: f64,
    /// The sandbox's side once more for each level of a record, where that is the point.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audited: Vec<Audited>,
    /// A third side that took its turns, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
}

/// A third side of a bench: what is done in a sandbox without that whose cost is the point.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// What the side is called.
    pub side: &'static str,
    /// Its measurements.
    pub series: Series,
    /// The sandbox's median divided by this side's.
    pub over: f64,
    /// The sandbox's median divided by the native one.
    pub over_native: f64,
}

/// Why nothing could be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The native side cannot run.
    #[error("failed to run the native side of bench `{case}`")]
    Native {
        /// The comparison.
        case: &'static str,
        /// Why.
        #[source]
        source: NativeError,
    },
    /// No sandbox can be made.
    #[error("failed to make the sandbox of a bench")]
    Sandbox(#[from] SandboxError),
    /// The command cannot be started in the sandbox.
    #[error("failed to run the sandbox's side of a bench")]
    Run(#[from] RunError),
    /// A verification cannot be made.
    #[error("failed to verify the task of a bench")]
    Verify(#[from] crate::verify::CheckError),
    /// The record of a bench cannot be written.
    #[error("failed to write the record of a bench")]
    Record(#[source] crate::audit::FileError),
    /// A command failed, so that its time means nothing.
    #[error("`{case}` in the sandbox ended with {exit} and wrote `{output}`")]
    Failed {
        /// The comparison.
        case: &'static str,
        /// How it ended.
        exit: String,
        /// What it wrote to its standard error.
        output: String,
    },
    /// The memory of this process cannot be read, or a run broke off.
    #[error("failed to measure this process")]
    Measure(#[from] std::io::Error),
    /// The sides did different things, so that their times cannot be compared.
    #[error("the sides of bench `{case}` differ: the sandbox wrote `{ours}`, the host `{theirs}`")]
    Differ {
        /// The comparison.
        case: &'static str,
        /// What was written in the sandbox.
        ours: String,
        /// What was written on the host.
        theirs: String,
    },
}

/// Measures both sides of each comparison of a bench `n` times in turn; `on_step` is called after
/// each turn.
///
/// # Errors
///
/// Fails if one of the sides cannot run, or if they do different things.
pub async fn compare(
    bench: Bench,
    engine: &Engine,
    image: &Image,
    machine: &Machine,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Vec<Comparison>, BenchError> {
    let tree = workspace(bench, machine);
    let sandbox =
        Sandbox::builder(engine, image).mount(Mount::tree(POINT, tree)).cwd(POINT).build()?;
    let mut comparisons = vec![];
    for case in bench.cases() {
        comparisons.push(compare_case(bench, case, &sandbox, machine, n, &on_step).await?);
    }
    Ok(comparisons)
}

/// Returns the files that a bench works on.
fn workspace(bench: Bench, machine: &Machine) -> Tree {
    let mut tree = machine.tree.clone().filter(|_| bench.needs_tree()).unwrap_or_default();
    if bench == Bench::Pytest {
        tree.write(NINE_TESTS_NAME, NINE_TESTS, 0o644).expect("the tree is empty");
    }
    tree
}

/// Returns how many turns [`compare`] takes.
pub fn n_steps(bench: Bench, n: NonZeroU32) -> u64 {
    u64::from(n.get()) * bench.cases().len() as u64
}

async fn compare_case(
    bench: Bench,
    case: &Case,
    sandbox: &Sandbox,
    machine: &Machine,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Comparison, BenchError> {
    let fail = |source| BenchError::Native { case: case.name, source };
    let native = NativeProgram::new(case, machine).map_err(fail)?;
    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..n.get() + N_WARM_UP {
        let (native_took, native_output) = native.run().map_err(fail)?;
        let (took, output) = execute(case, sandbox, machine).await?;
        if case.comparable(&output) != case.comparable(&native_output) {
            let [ours, theirs] = [&output[..], &native_output]
                .map(|text| String::from_utf8_lossy(text).into_owned());
            return Err(BenchError::Differ { case: case.name, ours, theirs });
        }
        if round >= N_WARM_UP {
            theirs.push(native_took);
            ours.push(took);
            on_step();
        }
    }
    let what = case.command().map_or_else(
        || "fork of a tree in memory".to_owned(),
        |(program, args)| [&[program], args.as_slice()].concat().join(" "),
    );
    let sandbox = series(what, ours, case.bytes);
    let native = series(native.what(), theirs, case.bytes);
    let native_over_sandbox = ratio(&native, &sandbox);
    let (bench, name) = (bench.name().to_owned(), case.name.to_owned());
    Ok(Comparison {
        bench,
        name,
        sandbox,
        native,
        native_over_sandbox,
        audited: vec![],
        beside: None,
    })
}

/// Returns how many times longer `over` takes than `under`.
fn ratio(over: &Series, under: &Series) -> f64 {
    over.median_us / under.median_us
}

async fn execute(
    case: &Case,
    sandbox: &Sandbox,
    machine: &Machine,
) -> Result<(Duration, Bytes), BenchError> {
    let Some((program, args)) = case.command() else {
        return Ok((time_of_fork(machine.tree.as_ref()), Bytes::new()));
    };
    let started = Instant::now();
    let outcome = sandbox.command(program).args(args).output().await?;
    let took = started.elapsed();
    if outcome.exit.is_success() {
        return Ok((took, outcome.stdout));
    }
    let output = String::from_utf8_lossy(&outcome.stderr).into_owned();
    Err(BenchError::Failed { case: case.name, exit: outcome.exit.to_string(), output })
}

/// Returns the time of one fork, from many that all live at once.
fn time_of_fork(tree: Option<&Tree>) -> Duration {
    let empty = Tree::new();
    let tree = tree.unwrap_or(&empty);
    let started = Instant::now();
    let forks: Vec<Tree> = (0..N_FORKS).map(|_| tree.clone()).collect();
    let took = started.elapsed();
    std::hint::black_box(forks);
    took / N_FORKS
}

fn series(what: String, mut times: Vec<Duration>, bytes: Option<u64>) -> Series {
    times.sort_unstable();
    let n = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let (median_us, p10_us, p90_us) =
        (quantile(&times, 50), quantile(&times, 10), quantile(&times, 90));
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let mb_per_s = bytes.map(|bytes| bytes as f64 / median_us);
    Series { what, n, median_us, p10_us, p90_us, mb_per_s }
}

/// Returns the time that `percent` of the sorted times stay below, in microseconds.
fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let idx = (sorted.len().saturating_sub(1) * percent + 50) / 100;
    sorted.get(idx).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::{quantile, series};
    use std::time::Duration;

    #[test]
    fn quantiles_of_eleven_times() {
        let times: Vec<Duration> = (0..=10).map(Duration::from_micros).collect();
        let found = [0, 10, 50, 90, 100].map(|percent| format!("{:.0}", quantile(&times, percent)));
        assert_eq!(found, ["0", "1", "5", "9", "10"]);
    }

    #[test]
    fn a_series_sorts_its_times() {
        let times = [9, 1, 5].map(Duration::from_micros).to_vec();
        assert!((series("x".to_owned(), times, None).median_us - 5.0).abs() < 1e-6);
    }

    #[test]
    fn bytes_in_a_microsecond_are_megabytes_in_a_second() {
        let times = vec![Duration::from_millis(2)];
        let speed = series("x".to_owned(), times, Some(1_000_000)).mb_per_s;
        assert!((speed.unwrap() - 500.0).abs() < 1e-6, "{speed:?}");
    }
}
