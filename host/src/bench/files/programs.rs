//! Programs that work on files, with and without a record, beside the same line in bash.
//!
//! The loop of system calls next door shows what a record costs where nothing else is done; this shows what it
//! costs those who do something.

use super::{Audited, AuditedSide, LEVELS};
use crate::bench::{
    BenchError, Comparison, FILES, N_WARM_UP, POINT, native::NativeProgram, ratio, series,
};
use playpen_runtime::{Engine, Image, Mount, Sandbox, Tree, audit::AuditLevel};
use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// Folders of the tree.
const N_FOLDERS: usize = 20;

/// Files in each.
const N_FILES: usize = 50;

/// What is measured: a name, and a line of shell that leaves as many files as there were.
const PROGRAMS: [(&str, &str); 5] = [
    ("cp -r, rm -r of 1,000 files", "cp -r src copy && rm -r copy"),
    (
        "tar of 1,000 files, and back",
        "tar cf all.tar src && mkdir new && tar xf all.tar -C new && rm -r new all.tar",
    ),
    ("sed -i in 1,000 files", "sed -i 's/alpha/beta/; s/beta/alpha/' src/*/*"),
    ("append to 1,000 files", "for file in src/*/*; do echo line >> \"$file\"; done"),
    ("grep -r in 1,000 files", "grep -rc omega src > counts; rm counts"),
];

/// Returns how many turns [`compare_programs`] takes.
pub fn n_program_steps(n: NonZeroU32) -> u64 {
    u64::from(n.get()) * PROGRAMS.len() as u64
}

/// Measures programs that work on files `n` times on every side; `on_step` is called after each turn.
///
/// # Errors
///
/// Fails if one of the sides cannot run, or a program fails.
pub async fn compare_programs(
    engine: &Engine,
    image: &Image,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Vec<Comparison>, BenchError> {
    let tree = tree();
    let mut comparisons = vec![];
    for (name, line) in PROGRAMS {
        let failed = |source| BenchError::Native { case: name, source };
        let native = NativeProgram::shell(&tree, line).map_err(failed)?;
        let sandbox = |level| {
            let builder = Sandbox::builder(engine, image).mount(Mount::tree(POINT, tree.clone()));
            builder.cwd(POINT).audit_level(level).build()
        };
        let plain = sandbox(AuditLevel::All)?;
        let mut audited = LEVELS
            .map(|level| Ok(AuditedSide::new(level, sandbox(level)?)))
            .into_iter()
            .collect::<Result<Vec<AuditedSide>, BenchError>>()?;
        let (mut ours, mut theirs) = (vec![], vec![]);
        for round in 0..n.get() + N_WARM_UP {
            let counts = round >= N_WARM_UP;
            let native = native.run().map_err(failed)?.0;
            let without = execute(name, line, &plain.fork(None)).await?;
            for side in &mut audited {
                let run = async |sandbox: &Sandbox| execute(name, line, sandbox).await;
                side.round(name, 1, counts, run).await?;
            }
            if counts {
                theirs.push(native);
                ours.push(without);
                on_step();
            }
        }
        let sandbox = series("no record".to_owned(), ours, None);
        let native = series(format!("bash -c {line}"), theirs, None);
        let audited: Vec<Audited> =
            audited.into_iter().map(|side| side.conclude(&sandbox, None)).collect();
        let native_over_sandbox = ratio(&native, &sandbox);
        let (bench, name) = (FILES.to_owned(), name.to_owned());
        let beside = None;
        comparisons.push(Comparison {
            bench,
            name,
            sandbox,
            native,
            native_over_sandbox,
            audited,
            beside,
        });
    }
    Ok(comparisons)
}

/// Returns files of half a kilobyte to eight.
fn tree() -> Tree {
    let mut tree = Tree::new();
    for n in 0..N_FOLDERS * N_FILES {
        let path = format!("src/p{:02}/f{n:04}.txt", n % N_FOLDERS);
        let text = "alpha gamma delta\n".repeat(28 * (1 + n % 16));
        tree.write(&path, text, 0o644).expect("the tree is empty");
    }
    tree
}

async fn execute(
    name: &'static str,
    line: &str,
    sandbox: &Sandbox,
) -> Result<Duration, BenchError> {
    let started = Instant::now();
    let outcome = sandbox.command("sh").args(["-c", line]).output().await?;
    let took = started.elapsed();
    if outcome.exit.is_success() {
        return Ok(took);
    }
    let output = String::from_utf8_lossy(&outcome.stderr).into_owned();
    Err(BenchError::Failed { case: name, exit: outcome.exit.to_string(), output })
}
