//! Compares shell commands in the sandbox with native bash:
//!
//! ```text
//! cargo run --release -p playpen-e2e --bin shell-cases -- [--cases FILE.toml] [--only NAME] PLAYPEN
//! ```
//!
//! Prints each difference that is not known, and last `identical N of M`.
#![expect(clippy::print_stdout, reason = "the report is the purpose of this program")]

use clap::Parser;
use playpen_e2e::cases::Cases;
use std::{path::PathBuf, process::ExitCode};

/// Compare shell commands in the sandbox with native bash
///
/// Exits with 0 if all agree, with 1 if some do not.
#[derive(Debug, Parser)]
struct Args {
    /// File of cases
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/shell.toml"))]
    cases: PathBuf,

    /// Run only cases whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// The program playpen
    program: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let program = args.program.canonicalize()?;
    let cases = Cases::open(&program, &args.cases)?;
    let (mut n_identical, mut n_known, mut n_cases) = (0, 0, 0);
    for case in cases.iter().filter(|case| case.name.contains(&args.only)) {
        n_cases += 1;
        match cases.difference(case)? {
            None => n_identical += 1,
            Some(_) if case.differs.is_some() => n_known += 1,
            Some(difference) => println!("==== {}\n{difference}\n", case.name),
        }
    }
    for name in cases.left_out() {
        println!("left out, as this machine lacks its programs: {name}");
    }
    println!("known to differ {n_known}");
    println!("identical {n_identical} of {n_cases}");
    Ok(if n_identical + n_known == n_cases { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
