//! `playpen bench`: our figures beside native ones, measured in one run.

use super::{Status, session::Session, table::table};
use crate::bench::{self, Bench, Comparison};
use clap::ValueEnum;
use std::num::NonZeroU32;

/// Measure the sandbox beside its native counterpart
///
/// Both sides take turns in one run, so that what else the machine does falls on both. Only ratios
/// are worth comparing between machines.
///
/// `exec` starts a trivial tool in a warm sandbox of this process, against starting and waiting for a
/// static program natively; `python` runs `python -c "print(1)"` against the CPython of the same
/// version that `playpen image build` made for this machine.
///
/// With `--json`, prints a list with one object for each bench: `name`, `sandbox` and `native` (each
/// with `what`, `n`, `median_us`, `p10_us`, `p90_us`), and `native_over_sandbox`.
#[derive(Debug, clap::Args)]
pub(super) struct BenchArgs {
    /// What to measure
    bench: Which,

    /// Measurements on each side
    #[arg(long, short, value_name = "N", default_value = "50")]
    n: NonZeroU32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// A trivial tool against a static native program
    Exec,
    /// `python -c "print(1)"` against a native CPython
    Python,
    /// All of them
    All,
}

/// Measures and prints.
pub(super) async fn run(session: &Session, args: &BenchArgs) -> anyhow::Result<Status> {
    let benches: &[Bench] = match args.bench {
        Which::Exec => &[Bench::Exec],
        Which::Python => &[Bench::Python],
        Which::All => &[Bench::Exec, Bench::Python],
    };
    let (engine, image) = session.image(None).await?;
    let native_python = playpen_image::native_python(&session.home()?);
    let machine = bench::Machine { cc: session.env.find_program("cc"), native_python };
    let mut comparisons = vec![];
    for bench in benches {
        let bar = session.printer.bar(args.n.get().into(), bench.name());
        let measured =
            bench::compare(*bench, &engine, &image, &machine, args.n, || bar.inc(1)).await;
        bar.finish_and_clear();
        comparisons.push(measured?);
    }
    print(session, &comparisons);
    Ok(Status::Done)
}

fn print(session: &Session, comparisons: &[Comparison]) {
    if session.printer.is_json() {
        return session.printer.json(&comparisons);
    }
    let mut table = table(["bench", "side", "what", "median", "10 %", "90 %", "native / sandbox"]);
    for Comparison { name, sandbox, native, native_over_sandbox } in comparisons {
        for (side, series) in [("sandbox", sandbox), ("native", native)] {
            let micros = |value: f64| format!("{value:.0} us");
            table.add_row([
                name.clone(),
                side.to_owned(),
                series.what.clone(),
                micros(series.median_us),
                micros(series.p10_us),
                micros(series.p90_us),
                if side == "sandbox" { format!("{native_over_sandbox:.1}") } else { String::new() },
            ]);
        }
    }
    session.printer.result(table);
}
