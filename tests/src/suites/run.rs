//! One side's run of a suite, whole even where single tests break it.

use super::{list::Package, report::Report};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Runs that one suite may be broken into; each lost a test that crashed or hung.
const N_PARTS_MAX: usize = 12;

/// The highest exit status that pytest itself has.
const LAST_PYTEST_STATUS: i32 = 5;

/// The exit status with which pytest refuses its options.
const USAGE_ERROR: i32 = 4;

/// How long things may take.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Timeouts {
    /// The whole suite, on each side.
    pub suite: Duration,
    /// One test.
    pub test: Duration,
}

/// What came of one start of pytest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// The lines that the plugin wrote.
    #[serde(skip)]
    pub lines: Vec<u8>,
    /// The exit code; none if it was ended from outside.
    pub code: Option<i32>,
    /// Whether it was ended because nothing moved.
    pub hung: bool,
    /// Time spent computing, in microseconds.
    pub cpu_us: u64,
    /// The most memory held at one time, in bytes.
    pub peak_bytes: u64,
    /// What it wrote to stdout and stderr.
    pub output: String,
}

/// What came of a suite.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Each test.
    pub report: Report,
    /// Time spent computing, in microseconds.
    pub cpu_us: u64,
    /// The most memory held at one time, in bytes.
    pub peak_bytes: u64,
    /// What the first start wrote.
    pub output: String,
    /// Whether the package's own options for pytest had to be left out.
    pub without_options: bool,
    /// Whether it was ended before all tests had run.
    pub cut_short: bool,
}

/// One of the two places that a suite is run in.
pub trait Side {
    /// Starts pytest once with the given arguments; `skip` is a list of ids that are left out.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be started; whatever it does later is a [`Part`].
    fn start(&self, args: &[String], skip: Option<&[u8]>, left: Timeouts) -> anyhow::Result<Part>;
}

/// Runs a suite; a test that ends the run, or does not end, is left out of the next start.
///
/// # Errors
///
/// Fails if pytest cannot be started.
pub fn run(
    side: &dyn Side,
    package: &Package,
    timeouts: Timeouts,
    without_options: bool,
) -> anyhow::Result<Run> {
    let args = arguments(package, without_options);
    let started = Instant::now();
    let mut run = Run { without_options, cut_short: true, ..Run::default() };
    for n in 0..N_PARTS_MAX {
        let left = timeouts.suite.saturating_sub(started.elapsed());
        if left.is_zero() {
            break;
        }
        let skip = (n > 0).then(|| run.report.skip_list());
        let part = side.start(&args, skip.as_deref(), Timeouts { suite: left, ..timeouts })?;
        if !run.add(part, n == 0) {
            break;
        }
    }
    Ok(run)
}

impl Run {
    /// Adds a part; returns whether another one is needed.
    fn add(&mut self, part: Part, is_first: bool) -> bool {
        self.cpu_us += part.cpu_us;
        self.peak_bytes = self.peak_bytes.max(part.peak_bytes);
        self.report.merge(Report::parse(&part.lines));
        if is_first {
            self.output = part.output;
        }
        let ended = part.code.filter(|code| (0..=LAST_PYTEST_STATUS).contains(code));
        if ended.is_some() && (self.report.finish.is_some() || self.report.running.is_none()) {
            self.cut_short = false;
            return false;
        }
        match part.code {
            None if part.hung => self.report.break_off("hung", "did not end in time"),
            // The suite's time is over, which is no fault of the test that was running.
            None => false,
            Some(code) => self.report.break_off("crashed", &format!("pytest ended with {code}")),
        }
    }

    /// Returns whether pytest refused its options before any test was found.
    pub fn refused_options(&self) -> bool {
        let status = self.report.finish;
        self.report.tests.is_empty() && (status.is_none() || status == Some(USAGE_ERROR))
    }
}

fn arguments(package: &Package, without_options: bool) -> Vec<String> {
    // A file that cannot be collected costs its own tests, and not those of the others.
    let all = "--continue-on-collection-errors";
    let common = ["-m", "pytest", "-p", "suite_report", "-p", "no:cacheprovider", "-q", all];
    let mut args: Vec<String> = common.map(str::to_owned).into();
    if without_options {
        args.extend(["-o", "addopts=", "-o", "strict_config=false"].map(str::to_owned));
    }
    args.extend(package.args.iter().chain(&package.tests).cloned());
    args
}

#[cfg(test)]
mod tests {
    use super::{Duration, Package, Part, Side, Timeouts, run};
    use std::cell::RefCell;

    /// Plays recorded parts, and keeps what was to be left out.
    struct Played(RefCell<Vec<Part>>, RefCell<Vec<String>>);

    impl Side for Played {
        fn start(&self, _: &[String], skip: Option<&[u8]>, _: Timeouts) -> anyhow::Result<Part> {
            self.1
                .borrow_mut()
                .push(String::from_utf8_lossy(skip.unwrap_or_default()).into_owned());
            Ok(self.0.borrow_mut().remove(0))
        }
    }

    #[test]
    fn a_crash_costs_one_test() {
        let part = |code, lines: &str| Part {
            code: Some(code),
            lines: lines.as_bytes().to_vec(),
            cpu_us: 5,
            ..Part::default()
        };
        let first = "{\"end\": \"a\", \"outcome\": \"passed\"}\n{\"start\": \"b\"}\n";
        let second = "{\"end\": \"c\", \"outcome\": \"passed\"}\n{\"finish\": 0}\n";
        let parts = vec![part(134, first), part(0, second)];
        let side = Played(RefCell::new(parts), RefCell::default());
        let package = Package {
            name: "p".to_owned(),
            requirement: "p==1".to_owned(),
            sha256: None,
            tests: vec![],
            extras: vec![],
            args: vec![],
            timeout: None,
        };
        let timeouts = Timeouts { suite: Duration::from_secs(9), test: Duration::from_secs(9) };
        let run = run(&side, &package, timeouts, false).unwrap();
        let found: Vec<_> = run.report.tests.iter().map(|(id, it)| (&**id, &*it.outcome)).collect();
        assert_eq!(found, [("a", "passed"), ("b", "crashed"), ("c", "passed")]);
        assert_eq!(*side.1.borrow(), ["", r#"["a","b"]"#]);
        assert!(!run.cut_short && run.cpu_us == 10);
    }
}
