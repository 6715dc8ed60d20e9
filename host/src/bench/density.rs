//! Many runs of pytest at once in this process, and the memory that each takes.

use super::{
    BenchError, POINT,
    case::{Bench, Case, NINE_TESTS, NINE_TESTS_NAME},
};
use bytes::Bytes;
use playpen_runtime::{Engine, Image, Mount, Outcome, Sandbox, Tree};
use serde::Serialize;
use std::{
    io,
    num::NonZeroU32,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// How often the memory of this process is looked at.
const PERIOD: Duration = Duration::from_millis(5);

/// Where the kernel says how much memory of its own a process has.
const STATUS: &str = "/proc/self/status";

/// What a number of runs at once came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Density {
    /// What was executed.
    pub what: String,
    /// Sandboxes that lived at the same time, with one run in each.
    pub n: u32,
    /// Seconds from the first start to the last end.
    pub took_s: f64,
    /// The most memory that this process had on top of what it had before, divided by the runs, in
    /// bytes: what the guests wrote to, and what the host keeps for them. The image is not in it,
    /// as all runs share it.
    pub bytes_each: u64,
    /// The most memory that one run's guests were given, in bytes, shared pages included.
    pub peak_memory_bytes: u64,
}

/// Runs pytest on the nine tests in `n` sandboxes at once; `on_step` is called after each run.
///
/// # Errors
///
/// Fails if a run fails, if two differ, or if the memory of this process cannot be read.
pub async fn density(
    engine: &Engine,
    image: &Image,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Density, BenchError> {
    let case = &Bench::Pytest.cases()[0];
    let (expected, _) = run(case, sandbox(engine, image)?).await?;
    let sandboxes: Vec<Sandbox> =
        (0..n.get()).map(|_| sandbox(engine, image)).collect::<Result<_, _>>()?;
    let (before, started) = (own_memory()?, Instant::now());
    let mut runs = JoinSet::new();
    for sandbox in sandboxes {
        runs.spawn(run(case, sandbox));
    }
    let (mut most, mut peak_memory_bytes) = (before, 0);
    let mut clock = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            _ = clock.tick() => most = most.max(own_memory()?),
            ended = runs.join_next() => {
                let Some(ended) = ended else { break };
                let (output, peak) = ended.map_err(io::Error::other)??;
                check(case, &expected, &output)?;
                peak_memory_bytes = peak_memory_bytes.max(peak);
                on_step();
            }
        }
    }
    let what = case.command().map(|(program, args)| [&[program], args.as_slice()].concat());
    Ok(Density {
        what: what.unwrap_or_default().join(" "),
        n: n.get(),
        took_s: started.elapsed().as_secs_f64(),
        bytes_each: most.saturating_sub(before) / u64::from(n.get()),
        peak_memory_bytes,
    })
}

fn sandbox(engine: &Engine, image: &Image) -> Result<Sandbox, BenchError> {
    let mut tree = Tree::new();
    tree.write(NINE_TESTS_NAME, NINE_TESTS, 0o644).expect("the tree is empty");
    Ok(Sandbox::builder(engine, image).mount(Mount::tree(POINT, tree)).cwd(POINT).build()?)
}

/// Runs the case; returns what it wrote and the memory of its guests.
async fn run(case: &'static Case, sandbox: Sandbox) -> Result<(Bytes, u64), BenchError> {
    let (program, args) = case.command().unwrap_or_default();
    let outcome: Outcome = sandbox.command(program).args(args).output().await?;
    if outcome.exit.is_success() {
        return Ok((outcome.stdout, outcome.usage.peak_memory_bytes));
    }
    let output = String::from_utf8_lossy(&outcome.stderr).into_owned();
    Err(BenchError::Failed { case: case.name, exit: outcome.exit.to_string(), output })
}

fn check(case: &Case, expected: &[u8], output: &[u8]) -> Result<(), BenchError> {
    if case.comparable(output) == case.comparable(expected) {
        return Ok(());
    }
    let [ours, theirs] = [output, expected].map(|text| String::from_utf8_lossy(text).into_owned());
    Err(BenchError::Differ { case: case.name, ours, theirs })
}

/// Returns the bytes of memory that no other process and no file has.
fn own_memory() -> io::Result<u64> {
    parse(&fs_err::read_to_string(STATUS)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::{own_memory, parse};

    #[test]
    fn memory_of_its_own_is_found_among_the_rest() {
        assert_eq!(parse("VmRSS:\t  900 kB\nRssAnon:\t     12 kB\nRssFile: 3 kB\n"), Some(12288));
        assert_eq!(parse("VmRSS:\t  900 kB\n"), None);
    }

    #[test]
    fn memory_that_is_written_to_counts() {
        let before = own_memory().unwrap();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(own_memory().unwrap() >= before + (32 << 20));
        drop(block);
    }
}
