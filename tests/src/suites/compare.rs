//! What differs between two runs of a suite.

use super::{list::Package, report::Test, run::Run};
use std::{collections::BTreeSet, fmt};

/// Differences of one package that are shown one by one.
const N_SHOWN_MAX: usize = 200;

/// A suite on both sides.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What a report calls the package.
    pub name: String,
    /// What came of it natively.
    pub native: Run,
    /// What came of it in the sandbox.
    pub sandbox: Run,
}

/// A test that does not do the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The id.
    pub id: String,
    /// What became of it natively; nothing if it did not run.
    pub native: Option<Test>,
    /// What became of it in the sandbox; nothing if it did not run.
    pub sandbox: Option<Test>,
}

impl Comparison {
    /// Puts both sides of a package together.
    pub fn new(package: &Package, native: Run, sandbox: Run) -> Self {
        Self { name: package.name.clone(), native, sandbox }
    }

    /// Returns the number of ids that either side knows.
    pub fn n_tests(&self) -> usize {
        self.ids().len()
    }

    /// Returns the tests whose outcomes differ.
    pub fn differences(&self) -> Vec<Difference> {
        let (native, sandbox) = (&self.native.report.tests, &self.sandbox.report.tests);
        let outcome = |test: Option<&Test>| test.map(|test| test.outcome.clone());
        let ids = self.ids().into_iter();
        ids.filter(|id| outcome(native.get(*id)) != outcome(sandbox.get(*id)))
            .map(|id| Difference {
                id: id.clone(),
                native: native.get(id).cloned(),
                sandbox: sandbox.get(id).cloned(),
            })
            .collect()
    }

    /// Returns whether tests ran and each did the same on both sides.
    pub fn is_identical(&self) -> bool {
        self.n_tests() > 0 && self.differences().is_empty() && !self.sandbox.cut_short
    }

    /// Returns how many times more the sandbox computed, if both sides ran.
    pub fn cpu_ratio(&self) -> Option<f64> {
        let seconds = |run: &Run| u32::try_from(run.cpu_us / 1000).map_or(0.0, f64::from);
        let (native, sandbox) = (seconds(&self.native), seconds(&self.sandbox));
        (native > 0.0 && sandbox > 0.0).then(|| sandbox / native)
    }

    fn ids(&self) -> BTreeSet<&String> {
        self.native.report.tests.keys().chain(self.sandbox.report.tests.keys()).collect()
    }
}

impl fmt::Display for Comparison {
    /// Shows each difference, and then one line about the package.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differences = self.differences();
        for difference in differences.iter().take(N_SHOWN_MAX) {
            writeln!(f, "  {difference}")?;
        }
        if differences.len() > N_SHOWN_MAX {
            writeln!(f, "  and {} more", differences.len() - N_SHOWN_MAX)?;
        }
        let n_tests = self.n_tests();
        write!(f, "{}: identical {} of {n_tests}", self.name, n_tests - differences.len())?;
        write!(f, ", CPU {} / {} s", seconds(&self.sandbox), seconds(&self.native))?;
        if let Some(ratio) = self.cpu_ratio() {
            write!(f, " ({ratio:.2}x)")?;
        }
        write!(f, ", peak memory {} / {} MB", mega(&self.sandbox), mega(&self.native))?;
        for (side, run) in [("native", &self.native), ("sandbox", &self.sandbox)] {
            if run.cut_short {
                write!(f, ", {side} cut short")?;
            }
        }
        if self.native.without_options {
            write!(f, ", without the package's own options for pytest")?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = |test: &Option<Test>| {
            test.as_ref().map_or_else(|| "did not run".to_owned(), |test| test.outcome.clone())
        };
        write!(
            f,
            "{}: native {}, sandbox {}",
            self.id,
            outcome(&self.native),
            outcome(&self.sandbox)
        )?;
        let told = |test: &Option<Test>| test.as_ref().map(|test| test.message.clone());
        for message in [told(&self.sandbox), told(&self.native)].into_iter().flatten() {
            if !message.is_empty() {
                return write!(f, ": {message}");
            }
        }
        Ok(())
    }
}

fn seconds(run: &Run) -> String {
    format!("{}.{:02}", run.cpu_us / 1_000_000, run.cpu_us / 10_000 % 100)
}

fn mega(run: &Run) -> u64 {
    run.peak_bytes / 1_000_000
}

/// Returns the geometric mean, or `None` of nothing.
pub fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    let n = u32::try_from(ratios.len()).ok().filter(|n| *n > 0)?;
    Some((ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / f64::from(n)).exp())
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Run, Test, geometric_mean};

    fn run(outcomes: &[(&str, &str)]) -> Run {
        let mut run = Run::default();
        for (id, outcome) in outcomes {
            let test = Test { outcome: (*outcome).to_owned(), message: "why".to_owned() };
            run.report.tests.insert((*id).to_owned(), test);
        }
        run
    }

    #[test]
    fn a_test_that_did_not_run_differs() {
        let native = run(&[("a", "passed"), ("b", "failed"), ("c", "passed")]);
        let sandbox = run(&[("a", "passed"), ("b", "passed")]);
        let comparison = Comparison { name: "p".to_owned(), native, sandbox };
        let shown = comparison.to_string();
        let expected = "  b: native failed, sandbox passed: why
  c: native passed, sandbox did not run: why
p: identical 1 of 3, CPU 0.00 / 0.00 s, peak memory 0 / 0 MB";
        assert_eq!(shown, expected);
        assert!(!comparison.is_identical());
    }

    #[test]
    fn nothing_is_not_identical() {
        let comparison = Comparison { name: "p".to_owned(), native: run(&[]), sandbox: run(&[]) };
        assert!(!comparison.is_identical());
    }

    #[test]
    fn the_mean_of_two_and_eight_is_four() {
        assert!((geometric_mean(&[2.0, 8.0]).unwrap() - 4.0).abs() < 1e-9);
        assert_eq!(geometric_mean(&[]), None);
    }
}
