//! The verifier: whether what an agent hands in does what is claimed.
//!
//! It takes nothing from an agent but files that its role may write, puts them into fresh sandboxes
//! with pristine tests, and runs those tests more than once. Three kinds of claims are judged:
//! [`Solution`] (tests that failed pass now), [`Suite`] (new tests fail now and pass on repaired
//! code), [`Bug`] (tests that passed fail now).
//!
//! ```text
//!   base, result ──► merge ──► overlay ──► scan ─────────► repeats ───────────► contradicted tests
//!                   (role)   (pristine)  (tampering)  (order, time, seeds,       (must not pass)
//!                                                      hashes, controls)
//! ```
//!
//! # What a verdict rests on
//!
//! The code under test runs in the interpreter that reports, so it can forge any report and read any
//! secret in that interpreter. No verdict rests on such a secret:
//!
//! * **Another question under the same name.** After the repeats the same test ids run once more with
//!   contradicted expectations (`twin.py`). Whoever reports by name, forces tests to pass, returns
//!   objects that equal everything or reads the expected value from the caller passes those too, and
//!   honest code cannot.
//! * **Controls.** Each run holds a test that must fail and one that must pass, under names that no
//!   one knew (`canary.rs`).
//! * **Two witnesses.** What is reported must agree with the status of the process and with the frozen ids.
//! * **Suspicion costs runs, evidence refuses.** A scan of the changed source (`scan.py`) refuses only what
//!   no honest program does. Other oddities call for further runs: more contradictions, the tests
//!   spelled otherwise, and a run in which it is hidden that tests run.
//!
//! # What is flaky
//!
//! The usual three repeats run the tests as they are written, reversed, and shuffled, each at another time of another
//! year, with another seed of random bytes; one of them in a Python with another seed of hashes. Orders are compared, so no draw makes
//! two of them the same. What that leaves open is answered where it matters:
//!
//! * **Each test that a bug breaks, or that reproduces one, runs alone** in a process and a sandbox of its own, with
//!   the bug and without it: what depends on the calls before it shows there, whatever the orders have in common.
//! * **What keeps something between calls, or asks for time, chance, or the order of a set,** is found in the source
//!   (`unsteady.py`). It is no fault; it calls for seven more repeats, on all days of the week, and for all tests alone.
//!
//! # Invariants
//!
//! * **No clock in a verdict.** Tests have a virtual clock, which starts at another time in each repeat; the
//!   limit that an endless program meets is one of computing. The wall clock only says [`Decision::Undecided`].
//! * **No history.** `.git/` is in no tree that is run.

use playpen_runtime::Tree;
use std::{fmt::Write as _, sync::Arc, time::Duration};
use tokio::time::Instant;

use crate::context::Context;

mod baseline;
mod bug;
pub(crate) mod canary;
pub mod check;
mod frozen;
pub mod gate;
pub mod merge;
mod observe;
mod overlay;
pub mod parse;
mod program;
mod record;
mod scripts;
mod solution;
mod subject;
mod suite;
mod veil;

pub use baseline::Baseline;
pub use bug::Bug;
pub use check::{CheckError, CheckLimits, Checker, Mode, Selection};
pub use frozen::FrozenTests;
pub use observe::{Observation, Seen};
pub use overlay::with_tests_of;
pub use record::{Decision, Digests, Kind, Timing, Verification, Verified};
pub use scripts::Suspicion;
pub use solution::{Solution, Wanted};
pub use suite::Suite;

/// How thoroughly claims are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifySettings {
    /// Runs of the same tests, each in another manner.
    pub n_repeats: u32,
    /// How far one run may go.
    pub limits: CheckLimits,
    /// What the names of controls, the orders and the seeds depend on, besides the files.
    pub nonce: u64,
    /// Runs side by side.
    pub n_jobs: usize,
}

impl Default for VerifySettings {
    /// Three repeats, the usual limits, two runs side by side.
    fn default() -> Self {
        Self { n_repeats: 3, limits: CheckLimits::default(), nonce: 0, n_jobs: 2 }
    }
}

/// Judges claims. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier {
    ctx: Arc<Context>,
    settings: VerifySettings,
}

impl Verifier {
    /// Makes a verifier that runs tests on the image of `ctx`.
    pub fn new(ctx: &Context, settings: VerifySettings) -> Verifier {
        Verifier { ctx: Arc::new(ctx.clone()), settings }
    }

    /// Returns the settings.
    pub fn settings(&self) -> VerifySettings {
        self.settings
    }

    /// Returns what makes single runs, without repeats and controls.
    pub fn checker(&self) -> Checker<'_> {
        Checker { ctx: &self.ctx, limits: self.settings.limits }
    }

    /// Returns the digest of the image.
    fn image_digest(&self) -> String {
        self.ctx.image.digest().to_owned()
    }

    /// Draws 64 bits that depend on the nonce, the files and what they are for.
    fn draw(&self, purpose: &str, tree: &Tree) -> u64 {
        let mut hasher = blake3::Hasher::new_derive_key("playpen verifier 2026-11-22");
        hasher.update(&self.settings.nonce.to_le_bytes());
        hasher.update(tree.digest().as_bytes());
        hasher.update(purpose.as_bytes());
        let bytes = hasher.finalize();
        u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("eight of 32 bytes"))
    }

    /// Draws a word for a name, letters first.
    fn word(&self, purpose: &str, tree: &Tree) -> String {
        let mut word = String::from("q");
        let _ = write!(word, "{:x}", self.draw(purpose, tree));
        word
    }
}

/// Measures a verification, for its side file.
#[derive(Debug)]
struct Stopwatch {
    started: Instant,
    steps: Vec<(String, Duration)>,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch { started: Instant::now(), steps: vec![] }
    }

    /// Notes that a step has come to its end.
    fn lap(&mut self, step: &str) {
        self.steps.push((step.to_owned(), self.started.elapsed()));
    }

    fn stop(self) -> Timing {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Timing {
            elapsed_us: micros(self.started.elapsed()),
            done_at_us: self.steps.into_iter().map(|(step, at)| (step, micros(at))).collect(),
        }
    }
}
