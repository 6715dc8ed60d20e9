//! A whole verification beside plain runs of the same tests: native ones, and ones in a sandbox.
//!
//! A verification is three repeats with their controls, the scan of the source, and the contradicted tests. The first
//! task is one of the demo project: its block device is written, and nine tests are there already. The second has 62
//! tests in four files, of which two wait for their modules.

use super::{
    BenchError, Beside, Comparison, Machine, N_WARM_UP, POINT, case::NINE_TESTS,
    native::NativeProgram, ratio, series,
};
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

/// A file: its path, and its text.
type File = (&'static str, &'static str);

/// A task.
#[derive(Clone, Copy, Debug)]
struct Task {
    name: &'static str,
    /// What is there, stubs and tests included.
    base: &'static [File],
    /// The files of tests that fail without a solution.
    tests: &'static [&'static str],
    /// What is handed in.
    solved: &'static [File],
}

const TASKS: [Task; 2] = [
    Task {
        name: "verify",
        base: &[
            ("blockfs/__init__.py", include_str!("../demo/setup/blockfs/__init__.py")),
            ("blockfs/errors.py", include_str!("../demo/setup/blockfs/errors.py")),
            ("blockfs/device.py", include_str!("../demo/setup/blockfs/device.py")),
            ("tests/test_nine.py", NINE_TESTS),
            ("tests/test_1_1_1.py", include_str!("../demo/tests/test_1_1_1.py")),
        ],
        tests: &["tests/test_1_1_1.py"],
        solved: &[("blockfs/device.py", include_str!("../demo/solution/device.py"))],
    },
    Task {
        name: "verify a larger task",
        base: &[
            ("shelf/__init__.py", include_str!("larger/shelf/__init__.py")),
            ("shelf/errors.py", include_str!("larger/shelf/errors.py")),
            ("shelf/heap.py", include_str!("larger/shelf/heap.py")),
            ("shelf/matrix.py", include_str!("larger/shelf/matrix.py")),
            ("shelf/numbers.py", include_str!("larger/shelf/numbers.py")),
            ("shelf/words.py", include_str!("larger/shelf/words.py")),
            ("tests/test_heap.py", include_str!("larger/tests/test_heap.py")),
            ("tests/test_matrix.py", include_str!("larger/tests/test_matrix.py")),
            ("tests/test_numbers.py", include_str!("larger/tests/test_numbers.py")),
            ("tests/test_words.py", include_str!("larger/tests/test_words.py")),
        ],
        tests: &["tests/test_matrix.py", "tests/test_words.py"],
        solved: &[
            ("shelf/matrix.py", include_str!("larger/solution/matrix.py")),
            ("shelf/words.py", include_str!("larger/solution/words.py")),
        ],
    },
];

/// The plain run.
const PLAIN: [&str; 4] = ["-m", "pytest", "-q", "tests"];

/// Measures for each task its whole verification and plain runs of its tests, native and in a sandbox, `n` times
/// in turn; `on_step` is called after each turn.
///
/// # Errors
///
/// Fails if the host does, if there is no native CPython, or if a task is not accepted.
pub async fn compare_verification(
    ctx: &Context,
    machine: &Machine,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Vec<Comparison>, BenchError> {
    let mut comparisons = vec![];
    for task in &TASKS {
        comparisons.push(compare(ctx, machine, task, n, &on_step).await?);
    }
    Ok(comparisons)
}

/// Returns how many turns [`compare_verification`] takes.
pub fn n_verification_steps(n: NonZeroU32) -> u64 {
    u64::from(n.get()) * TASKS.len() as u64
}

async fn compare(
    ctx: &Context,
    machine: &Machine,
    task: &Task,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Comparison, BenchError> {
    let fail = |source| BenchError::Native { case: NAME, source };
    let verifier = Verifier::new(ctx, VerifySettings::default());
    let base = tree(task.base.iter());
    let result = tree(task.base.iter().chain(task.solved));
    let wanted = wanted(&verifier, &result, task).await?;
    let claim = Solution {
        base: &base,
        result: &result,
        policy: &AgentRole::Implementer.policy(),
        pristine: &base,
        wanted: &wanted,
    };
    let (mut ours, mut theirs, mut plain) = (vec![], vec![], vec![]);
    for round in 0..n.get() + N_WARM_UP {
        // A new folder each time, as the sandboxes are: nothing is compiled yet.
        let native = NativeProgram::on_tree(machine, &result, &PLAIN).map_err(fail)?;
        let (native_took, _) = native.run().map_err(fail)?;
        let once = run(ctx, &result).await?;
        let started = Instant::now();
        let verified = verifier.solution(&claim).await?;
        let whole = started.elapsed();
        if !verified.accepted() {
            let output = verified.record.reasons().map(ToString::to_string).collect();
            return Err(BenchError::Failed { case: NAME, exit: "a refusal".to_owned(), output });
        }
        if round >= N_WARM_UP {
            theirs.push(native_took);
            plain.push(once);
            ours.push(whole);
            on_step();
        }
    }
    let n_tests = wanted.fail_to_pass.n_tests() + wanted.pass_to_pass.len();
    let sandbox = series(format!("verification of a task with {n_tests} tests"), ours, None);
    let plainly = format!("python {}", PLAIN.join(" "));
    let native = series(format!("{plainly}, native"), theirs, None);
    let plain = series(format!("{plainly}, in a sandbox"), plain, None);
    let native_over_sandbox = ratio(&native, &sandbox);
    let over_native = ratio(&sandbox, &native);
    let beside =
        Beside { side: "plain run", over: ratio(&sandbox, &plain), over_native, series: plain };
    let (bench, name) = (NAME.to_owned(), task.name.to_owned());
    Ok(Comparison {
        bench,
        name,
        sandbox,
        native,
        native_over_sandbox,
        audited: vec![],
        beside: Some(beside),
    })
}

/// Returns which tests should pass: those of the task, and those that are there already.
async fn wanted(verifier: &Verifier, tree: &Tree, task: &Task) -> Result<Wanted, BenchError> {
    let seen = verifier.observe(tree, &Selection::All).await?;
    let is_own = |id: &String| task.tests.iter().any(|file| id.starts_with(file));
    let (own, earlier): (BTreeSet<String>, BTreeSet<String>) =
        seen.passing().into_iter().partition(is_own);
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

fn tree<'a>(files: impl IntoIterator<Item = &'a File>) -> Tree {
    let mut tree = Tree::new();
    for (path, text) in files {
        tree.write(path, (*text).to_owned(), 0o644).expect("the tree has room");
    }
    tree
}
