//! Our figures beside native ones.
//!
//! Both sides take turns, so that whatever else the machine does falls on both alike: the ratio is
//! what is promised, the times are not. Each measurement is a whole execution, from the call to the
//! end of the program with its output read.

mod native;

use native::NativeProgram;
use playpen_runtime::{Engine, Image, RunError, Sandbox, SandboxError};
use serde::Serialize;
use std::{
    num::NonZeroU32,
    path::PathBuf,
    time::{Duration, Instant},
};
use thiserror::Error;

pub use native::NativeError;

/// Executions on each side before anything is counted: code, caches and pools become warm.
const N_WARM_UP: u32 = 5;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bench {
    /// A trivial tool against a static native program.
    Exec,
    /// `python -c "print(1)"` against a native CPython.
    Python,
}

impl Bench {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Python => "python",
        }
    }

    /// Returns the command in the sandbox and what it prints.
    fn command(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Exec => ("true", &[], ""),
            Self::Python => ("python", &["-c", "print(1)"], "1\n"),
        }
    }
}

/// What of the host the native sides need.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The C compiler, for a static program that does nothing; without it `/bin/true` is taken.
    pub cc: Option<PathBuf>,
    /// The CPython that the image builder made for this machine.
    pub native_python: Option<PathBuf>,
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
}

/// Both sides of a bench.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The bench.
    pub name: String,
    /// The sandbox's side.
    pub sandbox: Series,
    /// The native side.
    pub native: Series,
    /// The native median divided by the sandbox's: how many times faster the sandbox is.
    pub native_over_sandbox: f64,
}

/// Why nothing could be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The native side cannot run.
    #[error("failed to run the native side of bench `{bench}`")]
    Native {
        /// The bench.
        bench: &'static str,
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
    /// A command did something else than it should, so that its time means nothing.
    #[error("`{program}` in the sandbox ended with {exit} and wrote `{output}`")]
    Wrong {
        /// The program.
        program: &'static str,
        /// How it ended.
        exit: String,
        /// What it wrote.
        output: String,
    },
}

/// Measures both sides `n` times in turn; `on_step` is called after each turn.
///
/// # Errors
///
/// Fails if one of the sides cannot run, or does something else than it should.
pub async fn compare(
    bench: Bench,
    engine: &Engine,
    image: &Image,
    machine: &Machine,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Comparison, BenchError> {
    let native = NativeProgram::new(bench, machine)
        .map_err(|source| BenchError::Native { bench: bench.name(), source })?;
    let sandbox = Sandbox::builder(engine, image).build()?;
    let (mut ours, mut theirs) = (vec![], vec![]);
    for round in 0..n.get() + N_WARM_UP {
        let native_took =
            native.run().map_err(|source| BenchError::Native { bench: bench.name(), source })?;
        let sandbox_took = execute(bench, &sandbox).await?;
        if round >= N_WARM_UP {
            theirs.push(native_took);
            ours.push(sandbox_took);
            on_step();
        }
    }
    let (program, args, _) = bench.command();
    let what = [&[program], args].concat().join(" ");
    let (sandbox, native) = (series(what, ours), series(native.what(), theirs));
    let native_over_sandbox = native.median_us / sandbox.median_us;
    Ok(Comparison { name: bench.name().to_owned(), sandbox, native, native_over_sandbox })
}

async fn execute(bench: Bench, sandbox: &Sandbox) -> Result<Duration, BenchError> {
    let (program, args, expected) = bench.command();
    let started = Instant::now();
    let outcome = sandbox.command(program).args(args.iter().copied()).output().await?;
    let took = started.elapsed();
    if outcome.exit.is_success() && outcome.stdout == expected {
        return Ok(took);
    }
    let output = String::from_utf8_lossy(&outcome.stdout).into_owned();
    Err(BenchError::Wrong { program, exit: outcome.exit.to_string(), output })
}

fn series(what: String, mut times: Vec<Duration>) -> Series {
    times.sort_unstable();
    let n = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let (median_us, p10_us, p90_us) =
        (quantile(&times, 50), quantile(&times, 10), quantile(&times, 90));
    Series { what, n, median_us, p10_us, p90_us }
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
        assert!((series("x".to_owned(), times).median_us - 5.0).abs() < 1e-6);
    }
}
