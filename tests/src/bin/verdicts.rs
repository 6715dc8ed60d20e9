//! Plays scripted agents and compares the verifier's verdicts with the expected ones:
//!
//! ```text
//! cargo run --release -p playpen-e2e --bin verdicts -- --personas DIR [--seeds N] [--jobs N]
//! ```
//!
//! Prints each wrong verdict with its reasons, and last `false accepts A of B, false rejects C of D`.
#![expect(clippy::print_stdout, reason = "the report is the purpose of this program")]
#![expect(clippy::print_stderr, reason = "as is its progress")]

use clap::Parser;
use playpen::context::Context;
use playpen_e2e::verdicts::{
    judge::{Case, Judgement},
    machine::context,
    persona::{self, Persona},
    report::Report,
};
use std::{path::PathBuf, process::ExitCode, sync::Arc};
use tokio::task::JoinSet;

/// Compare the verdicts on scripted agents with the expected ones
///
/// A persona is a small project, a stage of the pipeline, what an agent does there, and whether its
/// work should be accepted; see `FORMAT.md` beside the personas of this crate.
///
/// Exits with 0 if every verdict is the expected one, with 1 if one is not, with 3 on an error.
#[derive(Debug, Parser)]
struct Args {
    /// Folder with the files of personas
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/personas"))]
    personas: PathBuf,

    /// Judge each persona this many times, with other orders, seeds and names of controls
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,

    /// Personas that are judged at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,

    /// Take only personas whose name has this in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// Print the right verdicts too, with their reasons
    #[arg(long)]
    all: bool,

    /// Folder for guests, images and compiled code [default: `$PLAYPEN_HOME`, or the cache folder]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(3)
        }
    }
}

async fn run(args: Args) -> anyhow::Result<bool> {
    let found = persona::read_all(&args.personas)?;
    let mut report = Report::default();
    for error in &found.errors {
        report.n_errors += 1;
        println!("UNREADABLE {error:#}");
    }
    let is_taken = |persona: &Persona| {
        args.filter.as_ref().is_none_or(|text| persona.name.contains(text.as_str()))
    };
    let mut waiting = found.personas.into_iter().filter(is_taken);
    let ctx = Arc::new(context(args.home.as_deref())?);
    let mut running = JoinSet::new();
    loop {
        while running.len() < args.jobs.max(1)
            && let Some(persona) = waiting.next()
        {
            let (ctx, seeds) = (Arc::clone(&ctx), args.seeds.max(1));
            running.spawn(async move { (persona.clone(), judge(&ctx, persona, seeds).await) });
        }
        let Some(done) = running.join_next().await else { break };
        let (persona, judged) = done?;
        match judged {
            Ok(judgements) => show(&args, &mut report, &persona, &judgements),
            Err(error) => {
                report.n_errors += 1;
                println!("NOT JUDGED {} in `{}`: {error:#}", persona.name, persona.file.display());
            }
        }
    }
    println!("{}", report.summary());
    Ok(report.is_right())
}

/// Plays a persona once, and judges what it left with each seed.
async fn judge(ctx: &Context, persona: Persona, seeds: u64) -> anyhow::Result<Vec<Judgement>> {
    let case = Case::play(ctx, persona).await?;
    let mut judgements = vec![];
    for seed in 0..seeds {
        judgements.push(case.judge(ctx, seed, 1).await?);
    }
    Ok(judgements)
}

fn show(args: &Args, report: &mut Report, persona: &Persona, judgements: &[Judgement]) {
    for (seed, judgement) in (0..).zip(judgements) {
        if let Some(text) = report.add(persona, seed, judgement) {
            print!("{text}");
        } else if args.all {
            let word = if judgement.is_accepted { "accept" } else { "reject" };
            let reasons: Vec<&str> = judgement.reasons.iter().map(String::as_str).collect();
            println!(
                "right {} ({}, seed {seed}): {word} {}",
                persona.name,
                persona.stage,
                reasons.join(", ")
            );
        }
    }
}
