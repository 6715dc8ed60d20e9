//! `playpen bench`: our figures beside native ones, measured in one run.

use super::{Status, session::Session, table::table};
use crate::{
    bench::{self, Audited, Bench, Beside, Comparison, Density, Machine, Series},
    context::Context,
};
use anyhow::Context as _;
use cap_std::{ambient_authority, fs::Dir};
use clap::ValueEnum;
use playpen_runtime::{ImportOptions, Tree, audit::AuditLevel};
use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};

/// Measure the sandbox beside its native counterpart
///
/// Both sides take turns in one run, so that what else the machine does falls on both. Only ratios
/// are worth comparing between machines.
///
/// `exec` starts a trivial tool in a warm sandbox of this process, against starting and waiting for a
/// static program natively. `spawn` runs lines of shell against bash and the tools of this machine:
/// a shell by itself, 200 commands, searches in a tree of files. `pipe` sends 1 GiB from one process
/// to another. `python` runs `python -c "print(1)"` against the CPython of the same version that
/// `playpen image build` made for this machine, and `pytest` runs `python -m pytest -q` on a file of
/// nine tests against the same. `fork` takes forks of the tree against copying it. `fs` calls operations
/// on files from a guest, without a record and with one at each level, against `std::fs` in the folder
/// for temporary files, and then lets programs work on 1,000 files (`cp`, `tar`, `sed`, `grep`, a loop of the
/// shell), against bash. `verify` has a whole verification of a task (three repeats, controls, contradicted
/// tests) on the sandbox's side, one plain run of the same tests in the native CPython on the other, and one in a
/// sandbox as a third; the last column says how many times longer the verification takes than each. `density` has no native side: it runs pytest on the nine tests in 100 sandboxes of this
/// process at once, and shows the memory that each run takes on top of the image.
///
/// With `--json`, prints a list with one object for each comparison: `bench`, `name`, `sandbox` and
/// `native` (each with `what`, `n`, `median_us`, `p10_us`, `p90_us`, and `mb_per_s` where data goes
/// through), and `native_over_sandbox`; for `fs` also `audited`, a list with `level`, `series`,
/// `over_unaudited` and `written_us` (until the record was whole); for `verify` also `beside`, with `side`, `series`, `over`
/// (the verification by the plain run in a sandbox) and `over_native` (by the native one). For `density`, one object with `what`, `n`,
/// `took_s`, `bytes_each` and `peak_memory_bytes`.
#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// What to measure
    bench: Which,

    /// Measurements on each side [default: 50 for what is short, 5 to 10 for what is not]; for
    /// `density`, the runs at once [default: 100]
    #[arg(long, short, value_name = "N")]
    n: Option<NonZeroU32>,

    /// The folder that `spawn` searches and `fork` copies [default: Python's standard library]
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// A trivial tool against a static native program
    Exec,
    /// Shells and what they start, against bash and the tools of this machine
    Spawn,
    /// 1 GiB from one process to another
    Pipe,
    /// `python -c "print(1)"` against a native CPython
    Python,
    /// `pytest -q` on a file of nine tests, against a native CPython
    Pytest,
    /// Forks of a tree of files, against copies
    Fork,
    /// Operations on files with and without a record, against `std::fs`
    Fs,
    /// A whole verification of a task, against one plain run of its tests
    Verify,
    /// 100 runs of pytest at once
    Density,
    /// All comparisons
    All,
}

impl Which {
    fn benches(self) -> Vec<Bench> {
        let one = match self {
            Self::Exec => Bench::Exec,
            Self::Spawn => Bench::Spawn,
            Self::Pipe => Bench::Pipe,
            Self::Python => Bench::Python,
            Self::Pytest => Bench::Pytest,
            Self::Fork => Bench::Fork,
            Self::Fs | Self::Verify | Self::Density => return vec![],
            Self::All => return Bench::ALL.to_vec(),
        };
        vec![one]
    }
}

/// Rounds of `fs` unless somebody says otherwise.
const FS_ROUNDS: NonZeroU32 = NonZeroU32::new(9).expect("not 0");

/// Rounds of `verify` unless somebody says otherwise.
const VERIFY_ROUNDS: NonZeroU32 = NonZeroU32::new(15).expect("not 0");

/// Runs of `density` at once.
const N_AT_ONCE: NonZeroU32 = NonZeroU32::new(100).expect("not 0");

/// Measures and prints.
pub(super) async fn run(session: &Session, args: &BenchArgs) -> anyhow::Result<Status> {
    let (engine, image) = session.image(None).await?;
    if matches!(args.bench, Which::Density) {
        let n = args.n.unwrap_or(N_AT_ONCE);
        let bar = session.printer.bar(n.get().into(), "density");
        let measured = bench::density(&engine, &image, n, || bar.inc(1)).await;
        bar.finish_and_clear();
        print_density(session, &measured?);
        return Ok(Status::Done);
    }
    let benches = args.bench.benches();
    let machine = machine(session, args, benches.iter().any(|bench| bench.needs_tree()))?;
    let mut comparisons = vec![];
    for bench in benches {
        let n = args.n.unwrap_or(bench.rounds());
        let bar = session.printer.bar(bench::n_steps(bench, n), bench.name());
        let measured = bench::compare(bench, &engine, &image, &machine, n, || bar.inc(1)).await;
        bar.finish_and_clear();
        comparisons.extend(measured?);
    }
    if matches!(args.bench, Which::Fs | Which::All) {
        let n = args.n.unwrap_or(FS_ROUNDS);
        let n_steps = bench::n_file_steps(n) + bench::n_program_steps(n);
        let bar = session.printer.bar(n_steps, "fs");
        let measured = bench::compare_files(&engine, n, || bar.inc(1)).await;
        let programs = bench::compare_programs(&engine, &image, n, || bar.inc(1)).await;
        bar.finish_and_clear();
        comparisons.extend(measured?);
        comparisons.extend(programs?);
    }
    if matches!(args.bench, Which::Verify | Which::All) {
        let n = args.n.unwrap_or(VERIFY_ROUNDS);
        let ctx = Context::without_model(engine, image);
        let bar = session.printer.bar(bench::n_verification_steps(n), "verify");
        let measured = bench::compare_verification(&ctx, &machine, n, || bar.inc(1)).await;
        bar.finish_and_clear();
        comparisons.extend(measured?);
    }
    print(session, &comparisons);
    Ok(Status::Done)
}

/// Finds what the native sides need.
fn machine(session: &Session, args: &BenchArgs, needs_tree: bool) -> anyhow::Result<Machine> {
    let native_python = playpen_image::native_python(&session.home()?);
    let library = native_python.as_deref().and_then(|python| python.parent()?.parent());
    let library = library.map(|prefix| prefix.join("lib/python3.13"));
    let folder = args.tree.clone().or(library).filter(|_| needs_tree);
    let tree = folder.as_deref().map(import).transpose()?;
    Ok(Machine { cc: session.env.find_program("cc"), native_python, folder, tree })
}

fn import(folder: &Path) -> anyhow::Result<Tree> {
    let failed = || format!("failed to read folder `{}`", folder.display());
    let dir = Dir::open_ambient_dir(folder, ambient_authority()).with_context(failed)?;
    Tree::import(&dir, &ImportOptions::default()).with_context(failed)
}

fn print_density(session: &Session, density: &Density) {
    if session.printer.is_json() {
        return session.printer.json(density);
    }
    let Density { what, n, took_s, bytes_each, peak_memory_bytes } = density;
    session.printer.result(format!(
        "{n} of `{what}` at once: all finished in {took_s:.1} s, {:.1} MB each on top of the image \
         (address space of one: {:.0} MB)",
        mega(*bytes_each),
        mega(*peak_memory_bytes),
    ));
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn print(session: &Session, comparisons: &[Comparison]) {
    if session.printer.is_json() {
        return session.printer.json(&comparisons);
    }
    let mut table = table(["bench", "side", "what", "median", "10 %", "90 %", "native / sandbox"]);
    for comparison in comparisons {
        let Comparison { name, sandbox, native, native_over_sandbox, audited, beside, .. } =
            comparison;
        for (side, series) in [("sandbox", sandbox), ("native", native)] {
            table.add_row([
                name.clone(),
                side.to_owned(),
                format!("{}{}", series.what, speed(series)),
                duration(series.median_us),
                duration(series.p10_us),
                duration(series.p90_us),
                match (side, beside) {
                    ("sandbox", _) => format!("{native_over_sandbox:.1}"),
                    (_, Some(beside)) => times(beside.over_native, name),
                    _ => String::new(),
                },
            ]);
        }
        if let Some(Beside { side, series, over, .. }) = beside {
            table.add_row([
                name.clone(),
                (*side).to_owned(),
                series.what.clone(),
                duration(series.median_us),
                duration(series.p10_us),
                duration(series.p90_us),
                times(*over, name),
            ]);
        }
        for Audited { level, series, over_unaudited, .. } in audited {
            table.add_row([
                name.clone(),
                format!("record of {}", level_name(*level)),
                format!("{}{}", series.what, speed(series)),
                duration(series.median_us),
                duration(series.p10_us),
                duration(series.p90_us),
                format!("{over_unaudited:.2} of no record"),
            ]);
        }
    }
    session.printer.result(table);
    if let Some(costs) = costs_of_a_record(comparisons) {
        session.printer.result(costs);
    }
}

/// Says what a record of everything costs over all kinds of operations together, and where it costs most.
fn costs_of_a_record(comparisons: &[Comparison]) -> Option<String> {
    let costs: Vec<(&str, f64)> = comparisons
        .iter()
        .filter_map(|comparison| {
            let all = comparison.audited.iter().find(|side| side.level == AuditLevel::All)?;
            Some((comparison.name.as_str(), all.over_unaudited))
        })
        .collect();
    let (name, most) = costs.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let n_kinds = u32::try_from(costs.len()).expect("a few");
    let mean = (costs.iter().map(|(_, cost)| cost.ln()).sum::<f64>() / f64::from(n_kinds)).exp();
    Some(format!(
        "With a record of all, {n_kinds} kinds of work take {mean:.2} times as long as with none \
         (geometric mean); `{name}` takes {most:.2} times as long, which is the most."
    ))
}

/// Says how many times longer what is measured takes than the side of a row.
fn times(over: f64, what: &str) -> String {
    format!("`{what}` takes {over:.2} times as long")
}

fn level_name(level: AuditLevel) -> &'static str {
    match level {
        AuditLevel::All => "all",
        AuditLevel::Changes => "changes",
        AuditLevel::Denied => "what is denied",
    }
}

fn speed(series: &Series) -> String {
    series.mb_per_s.map_or_else(String::new, |speed| format!(" ({speed:.0} MB/s)"))
}

/// Shows microseconds with three digits or more.
fn duration(micros: f64) -> String {
    match micros {
        ..10.0 => format!("{micros:.2} us"),
        10.0..10_000.0 => format!("{micros:.0} us"),
        _ => format!("{:.0} ms", micros / 1e3),
    }
}
