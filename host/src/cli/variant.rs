//! `playpen variant`: tasks made from finished code.

use super::{
    Status,
    session::Session,
    table::{duration, table},
    watch::Watch,
};
use crate::variant::{
    instance::{self, CheckReport},
    offline_context, packages,
    procedural::{self, Procedural, ProceduralConfig},
    repository::Repository,
};
use clap::Subcommand;
use std::{path::PathBuf, time::Duration};

/// Make tasks from finished code
#[derive(Debug, clap::Args)]
pub(super) struct VariantArgs {
    #[command(subcommand)]
    command: VariantCommand,
}

#[derive(Debug, Subcommand)]
enum VariantCommand {
    Procedural(ProceduralArgs),
    Check(CheckArgs),
}

/// Make bugs without a model, in any Python project with tests that pass
///
/// Small changes of the syntax tree, on lines that tests run; each is kept if some tests fail with it and
/// others go on passing, in two orders and in fresh processes. The data set has the shape of SWE-bench.
///
/// Exits with 0 if there are as many bugs as asked for, with 1 if there are fewer.
#[derive(Debug, clap::Args)]
struct ProceduralArgs {
    /// Folder of a Python project, or a requirement such as `tinydb==4.9.0` whose source pip gets
    #[arg(long, value_name = "DIR|REQUIREMENT")]
    repo_path: String,

    /// Bugs to make
    #[arg(short, long, value_name = "N", default_value_t = 50)]
    n_bugs: usize,

    /// Folder for the data set; without it the bugs are only counted
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Where the tests are [default: folders and files that are named like tests]
    #[arg(long, value_name = "PATH")]
    tests: Vec<String>,

    /// Pure-Python package that the tests need, got with pip; may be repeated
    #[arg(long = "with", value_name = "REQUIREMENT")]
    with: Vec<String>,

    /// Folder with packages that the tests need
    #[arg(long, value_name = "DIR", conflicts_with = "with")]
    packages: Option<PathBuf>,

    /// Bugs in one function at most
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_per_function: usize,

    /// Bugs that join several places of one file or folder, besides the others
    #[arg(long, value_name = "N", default_value_t = 0)]
    combine: usize,

    /// Places of each of them
    #[arg(long, value_name = "N", default_value_t = 2)]
    places: usize,

    /// Decides which candidates are tried first
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Processes at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

/// Check a data set from what is on disk
///
/// For each instance the base commit is checked out and the tests are brought in: those of `FAIL_TO_PASS`
/// must fail, those of `PASS_TO_PASS` must pass; with the patch all of them must pass.
///
/// Exits with 0 if everything holds, with 1 if something does not.
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Folder of the data set
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Instances at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

/// Makes or checks tasks.
pub(super) async fn run(session: &Session, args: &VariantArgs) -> anyhow::Result<Status> {
    match &args.command {
        VariantCommand::Procedural(args) => make(session, args).await,
        VariantCommand::Check(args) => check(session, args).await,
    }
}

async fn make(session: &Session, args: &ProceduralArgs) -> anyhow::Result<Status> {
    let scratch = tempfile::tempdir()?;
    let mut folder = PathBuf::from(&args.repo_path);
    if !folder.exists() && !args.repo_path.contains('/') {
        folder = packages::source(&args.repo_path, scratch.path()).await?;
    }
    let mut needed = args.packages.clone();
    if !args.with.is_empty() {
        let target = scratch.path().join("packages");
        packages::install(&args.with, &target).await?;
        needed = Some(target);
    }
    let repository = Repository::load(&folder, needed.as_deref(), &args.tests)?;
    let (engine, image) = session.image(None).await?;
    let ctx = offline_context(engine, image);
    let watch = Watch::new(session.printer.clone());
    let config = ProceduralConfig {
        n_bugs: args.n_bugs,
        max_per_function: args.max_per_function,
        seed: args.seed,
        jobs: args.jobs,
        ..ProceduralConfig::default()
    };
    let mut made = procedural::procedural(&ctx, &repository, &config, &watch).await?;
    let n_single = made.bugs.len();
    if args.combine > 0 {
        let (places, n_wanted) = (args.places, args.combine);
        let joined =
            procedural::combine(&made.baseline, &made.bugs, places, n_wanted, config.max_broken);
        made.bugs.extend(joined.await?.0);
    }
    made.cpu = made.baseline.suite.cpu();
    if let Some(output) = &args.output {
        instance::write(&ctx, &repository, &made, output).await?;
    }
    print(session, &made, n_single, args);
    let is_enough = n_single >= args.n_bugs && made.bugs.len() >= n_single + args.combine;
    Ok(if is_enough { Status::Done } else { Status::No })
}

fn print(session: &Session, made: &Procedural, n_single: usize, args: &ProceduralArgs) {
    let printer = &session.printer;
    let n_bugs = made.bugs.len();
    let minutes = made.cpu.as_secs_f64() / 60.0;
    #[expect(clippy::cast_precision_loss, reason = "a count of bugs")]
    let per_minute = n_bugs as f64 / minutes.max(f64::MIN_POSITIVE);
    if printer.is_json() {
        printer.json_line(&serde_json::json!({
            "event": "report", "n_bugs": n_bugs, "n_single": n_single, "funnel": made.funnel,
            "cpu_s": made.cpu.as_secs_f64(), "bugs_per_core_minute": per_minute,
            "n_tests": made.baseline.ids.len(), "tests_left_out": made.baseline.left_out,
        }));
        return;
    }
    let mut bugs = table(["bug", "kind", "where", "lines", "fail", "pass"]);
    for bug in &made.bugs {
        let difficulty = bug.difficulty();
        let places: Vec<String> =
            bug.places.iter().map(|(path, site)| format!("{path}:{}", site.line)).collect();
        let kinds: Vec<&str> = bug.places.iter().map(|(_, site)| site.operator.as_str()).collect();
        bugs.add_row([
            bug.digest(),
            kinds.join(", "),
            places.join(", "),
            difficulty.n_lines.to_string(),
            difficulty.n_tests_broken.to_string(),
            difficulty.n_tests_kept.to_string(),
        ]);
    }
    printer.result(bugs);
    let funnel = &made.funnel;
    printer.status(format_args!(
        "{} places, {} screened, {} validated, {} kept; refused: {}",
        funnel.n_sites,
        funnel.n_screened,
        funnel.n_validated,
        funnel.n_kept,
        refusals(made),
    ));
    printer.status(format_args!(
        "{n_bugs} bugs in {} of computing: {per_minute:.0} a core-minute",
        duration(made.cpu)
    ));
    if let Some(output) = &args.output {
        printer.status(format_args!("data set: {}", output.display()));
    }
}

fn refusals(made: &Procedural) -> String {
    let refused = made.funnel.refused.iter();
    let list: Vec<String> = refused
        .map(|(refusal, n)| {
            let name = serde_json::to_value(refusal).expect("a name is JSON");
            format!("{} {n}", name.as_str().unwrap_or_default().replace('_', " "))
        })
        .collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

async fn check(session: &Session, args: &CheckArgs) -> anyhow::Result<Status> {
    let (engine, image) = session.image(None).await?;
    let ctx = offline_context(engine, image);
    let bar = session.printer.spinner("checking the instances");
    let report = instance::check(&ctx, &args.folder, args.jobs, Duration::from_mins(5)).await;
    bar.finish_and_clear();
    let report: CheckReport = report?;
    let printer = &session.printer;
    if printer.is_json() {
        printer.json_line(&serde_json::json!({ "event": "report", "report": report }));
    } else {
        for check in report.instances.iter().filter(|check| !check.holds()) {
            for problem in check.problems.iter().take(5) {
                printer.result(format_args!("{}: {problem}", check.instance_id));
            }
        }
        let n = report.instances.len();
        let count = |holds: fn(&instance::InstanceCheck) -> bool| {
            report.instances.iter().filter(|check| holds(check)).count()
        };
        printer.result(format_args!(
            "gold patches that pass: {} of {n}, nop patches that fail: {} of {n}",
            count(|check| check.gold_holds),
            count(|check| check.nop_holds),
        ));
    }
    Ok(if report.n_holding() == report.instances.len() { Status::Done } else { Status::No })
}
