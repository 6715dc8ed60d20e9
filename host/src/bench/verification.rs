//! A whole verification beside one plain run of the same tests.
//!
//! The task is one of the demo project: its block device is written, and nine tests are there already. A
//! verification is three repeats with their controls, the scan of the source, and the contradicted tests.

use super::{BenchError, Comparison, N_WARM_UP, POINT, case::NINE_TESTS, ratio, series};
use crate::{
    agent::AgentRole,
    context::Context,
    verify::{FrozenTests, Selection, Solution, Verifier, VerifySettings, Wanted},
};
use playpen_runtime::{Mount, Sandbox, Tree};
use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// The bench's name.
const NAME: &str = "verify";

/// What is there before the task, stubs included.
const BASE: [(&str, &str); 4] = [
    ("blockfs/__init__.py", include_str!("../demo/setup/blockfs/__init__.py")),
    ("blockfs/errors.py", include_str!("../demo/setup/blockfs/errors.py")),
    ("blockfs/device.py", include_str!("../demo/setup/blockfs/device.py")),
    ("tests/test_nine.py", NINE_TESTS),
];

/// The tests of the task.
const TESTS: (&str, &str) = ("tests/test_1_1_1.py", include_str!("../demo/tests/test_1_1_1.py"));

/// What is handed in.
const SOLVED: (&str, &str) = ("blockfs/device.py", include_str!("../demo/solution/device.py"));

/// The plain run.
const PLAIN: [&str; 4] = ["-m", "pytest", "-q", "tests"];

/// Measures a plain run of the tests of a task and its whole verification `n` times in turn; `on_step` is called
/// after each turn. The plain run takes the place of the native side.
///
/// # Errors
///
/// Fails if the host does, or if the task is not accepted.
pub async fn compare_verification(
    ctx: &Context,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Comparison, BenchError> {
    let verifier = Verifier::new(ctx, VerifySettings::default());
    let base = tree(BASE.into_iter().chain([TESTS]));
    let result = tree(BASE.into_iter().chain([TESTS, SOLVED]));
    let wanted = wanted(&verifier, &result).await?;
    let claim = Solution {
        base: &base,
        result: &result,
        policy: &AgentRole::Implementer.policy(),
        pristine: &base,
        wanted: &wanted,
    };
    let (mut ours, mut plain) = (vec![], vec![]);
    for round in 0..n.get() + N_WARM_UP {
        let once = run(ctx, &result).await?;
        let started = Instant::now();
        let verified = verifier.solution(&claim).await?;
        let whole = started.elapsed();
        if !verified.accepted() {
            let output = verified.record.reasons().map(ToString::to_string).collect();
            return Err(BenchError::Failed { case: NAME, exit: "a refusal".to_owned(), output });
        }
        if round >= N_WARM_UP {
            plain.push(once);
            ours.push(whole);
            on_step();
        }
    }
    let n_tests = wanted.fail_to_pass.n_tests() + wanted.pass_to_pass.len();
    let sandbox = series(format!("verification of a task with {n_tests} tests"), ours, None);
    let native = series(format!("python {} in a sandbox", PLAIN.join(" ")), plain, None);
    let native_over_sandbox = ratio(&native, &sandbox);
    let (bench, name) = (NAME.to_owned(), NAME.to_owned());
    Ok(Comparison { bench, name, sandbox, native, native_over_sandbox, audited: vec![] })
}

/// Returns which tests should pass: those of the task, and those that are there already.
async fn wanted(verifier: &Verifier, tree: &Tree) -> Result<Wanted, BenchError> {
    let seen = verifier.observe(tree, &Selection::All).await?;
    let (own, earlier): (BTreeSet<String>, BTreeSet<String>) =
        seen.passing().into_iter().partition(|id| id.starts_with(TESTS.0));
    let fail_to_pass = FrozenTests::new(own);
    Ok(Wanted { fail_to_pass, pass_to_pass: earlier, ..Wanted::default() })
}

/// Runs the tests once, as a user would.
async fn run(ctx: &Context, tree: &Tree) -> Result<Duration, BenchError> {
    let sandbox = Sandbox::builder(&ctx.engine, &ctx.image)
        .mount(Mount::tree(POINT, tree.clone()))
        .cwd(POINT)
        .build()?;
    let started = Instant::now();
    let outcome = sandbox.command("python").args(PLAIN).output().await?;
    let took = started.elapsed();
    if outcome.exit.is_success() {
        return Ok(took);
    }
    let output = String::from_utf8_lossy(&outcome.stdout).into_owned();
    Err(BenchError::Failed { case: NAME, exit: outcome.exit.to_string(), output })
}

fn tree<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        tree.write(path, text.to_owned(), 0o644).expect("the tree has room");
    }
    tree
}
