//! `playpen variant`: tasks made from finished code.

use super::{
    Status,
    hint::Advice,
    model::ModelArgs,
    session::Session,
    table::{duration, table},
    watch::Watch,
};
use crate::{
    context::Context,
    project::TaskNumber,
    record::find_runs,
    rollout::RolloutConfig,
    variant::{
        VariantError,
        commit0::Commit0,
        declared::Declared,
        desk::VariantConfig,
        instance::{self, CheckReport},
        offline_context, packages,
        procedural::{self, Procedural, ProceduralConfig},
        repository::Repository,
        source::Source,
        stage::{self, Variant, VariantReport},
        swe::Swe,
        swt::Swt,
    },
};
use clap::Subcommand;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Make tasks from finished code
#[derive(Debug, clap::Args)]
pub(super) struct VariantArgs {
    #[command(subcommand)]
    command: VariantCommand,
}

#[derive(Debug, Subcommand)]
enum VariantCommand {
    Swe(SweArgs),
    Swt(SwtArgs),
    Commit0(Commit0Args),
    Tdd(TddArgs),
    Featadd(FeataddArgs),
    Declared(DeclaredArgs),
    Procedural(ProceduralArgs),
    Check(CheckArgs),
}

/// Bugs put into a finished run, to be repaired from a user's report
///
/// For each solved task a bug is thought up and put in; at least one test must fail with it. An agent that sees
/// neither tests nor history repairs it; what it leaves is verified with the original tests.
///
/// Exits with 0 if at least one trajectory is kept, with 1 if none is.
#[derive(Debug, clap::Args)]
struct SweArgs {
    #[command(flatten)]
    run: RunArgs,
}

/// Bugs put into a finished run, to be reproduced by tests
///
/// As `swe`, but the tests that see the bug are taken out, and an agent writes tests that fail because of it. They
/// are run on the code with the bug and on the code without it.
#[derive(Debug, clap::Args)]
struct SwtArgs {
    #[command(flatten)]
    run: RunArgs,
}

/// The library of a finished run, to be written again from stubs
///
/// The bodies of all functions are taken out; signatures, docstrings and tests stay. Each attempt is scored by the
/// part of the tests that pass; one that passes all of them is kept.
#[derive(Debug, clap::Args)]
struct Commit0Args {
    #[command(flatten)]
    run: RunArgs,

    /// Attempts at the library
    #[arg(long, value_name = "N", default_value_t = 1)]
    num_iterations: u32,
}

/// What a task of a finished run asked for, to be written again from its description
///
/// The bodies of the functions that tests of the task run, and no test of an earlier one, are taken out. An agent that sees neither tests nor
/// history writes them; what it leaves is verified with the original tests.
#[derive(Debug, clap::Args)]
struct TddArgs {
    #[command(flatten)]
    run: RunArgs,
}

/// What a task of a finished run brought, to be added again so that its tests pass
///
/// As `tdd`, but the agent is given the tests.
#[derive(Debug, clap::Args)]
struct FeataddArgs {
    #[command(flatten)]
    run: RunArgs,
}

/// A variant that a TOML file describes
///
/// The file says `name`, `takes` (`task` or `library`), `shows_tests`, `role` (`solver`, `implementer` or
/// `library_writer`) and `template` (its prompts), and may say `is_scored` and `max_attempts`. What a task
/// brought, or all of the library, is taken out and written again by an agent.
#[derive(Debug, clap::Args)]
struct DeclaredArgs {
    /// File with the description
    #[arg(long, value_name = "FILE")]
    definition: PathBuf,

    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Folder of a run, as `playpen rollout` makes it, or one with a single run in it
    #[arg(long, value_name = "DIR")]
    runtime_folder: PathBuf,

    #[command(flatten)]
    limits: VariantLimits,

    #[command(flatten)]
    model: ModelArgs,
}

/// How far work on variants may go.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct VariantLimits {
    /// Solved task of which variants are made; may be repeated [default: all that are solved]
    #[arg(long = "task", value_name = "NUMBER")]
    pub(super) tasks: Vec<TaskNumber>,

    /// Bugs that are tried for one task, where bugs are put in
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_bugs: u32,

    /// Attempts at the solution of each
    #[arg(long, value_name = "N", default_value_t = 2)]
    max_attempts: u32,
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
        VariantCommand::Swe(args) => variants(session, &args.run, &[&Swe]).await,
        VariantCommand::Swt(args) => variants(session, &args.run, &[&Swt]).await,
        VariantCommand::Commit0(args) => {
            let commit0 = Commit0 { n_iterations: args.num_iterations };
            variants(session, &args.run, &[&commit0]).await
        }
        VariantCommand::Tdd(args) => variants(session, &args.run, &[&Declared::tdd()]).await,
        VariantCommand::Featadd(args) => {
            variants(session, &args.run, &[&Declared::featadd()]).await
        }
        VariantCommand::Declared(args) => {
            variants(session, &args.run, &[&Declared::load(&args.definition)?]).await
        }
        VariantCommand::Procedural(args) => make(session, args).await,
        VariantCommand::Check(args) => check(session, args).await,
    }
}

async fn variants(
    session: &Session,
    args: &RunArgs,
    wanted: &[&dyn Variant],
) -> anyhow::Result<Status> {
    let name = args.model.name(session)?;
    let folder = the_run(&args.runtime_folder)?;
    let source = Source::load(&folder)?;
    let ctx = args.model.context(session).await?;
    let usual = RolloutConfig::new(&folder, &folder, &name);
    let config = variant_config(&usual, &args.limits, &args.model);
    make_variants(session, &ctx, &config, &source, wanted).await
}

/// Returns the run at a folder, or the only one below it.
fn the_run(folder: &Path) -> anyhow::Result<PathBuf> {
    let runs = if folder.is_dir() { find_runs(folder)? } else { vec![] };
    if runs.is_empty() || runs.iter().any(|run| run == folder) {
        return Ok(folder.to_owned());
    }
    let [run] = &runs[..] else {
        let message = format!("there are {} runs in `{}`", runs.len(), folder.display());
        let hint = format!("name one of them, such as `{}`", runs[0].display());
        return Err(Advice::new(message, hint).into());
    };
    Ok(run.clone())
}

/// Returns how variants are worked on beside a rollout with `usual`.
pub(super) fn variant_config(
    usual: &RolloutConfig,
    limits: &VariantLimits,
    model: &ModelArgs,
) -> VariantConfig {
    VariantConfig {
        model_name: usual.model_name.clone(),
        temperature: model.temperature,
        max_tokens: model.max_tokens,
        seed: usual.seed,
        budget: usual.implementer.clone(),
        tasks: limits.tasks.iter().copied().collect(),
        max_bugs: limits.max_bugs,
        max_attempts: limits.max_attempts,
        verify: usual.verify,
    }
}

/// Makes variants of a run one after the other, and reports what came of each item.
pub(super) async fn make_variants(
    session: &Session,
    ctx: &Context,
    config: &VariantConfig,
    source: &Source,
    wanted: &[&dyn Variant],
) -> anyhow::Result<Status> {
    let mut n_kept = 0;
    for variant in wanted {
        let watch = Watch::new(session.printer.clone());
        let report = stage::make(ctx, config, source, *variant, &watch).await?;
        n_kept += report.n_kept();
        print_variant(session, &report, source);
    }
    Ok(if n_kept > 0 { Status::Done } else { Status::No })
}

fn print_variant(session: &Session, report: &VariantReport, source: &Source) {
    let printer = &session.printer;
    if printer.is_json() {
        printer.json_line(&serde_json::json!({ "event": "report", "report": report }));
        return;
    }
    let mut items = table([report.variant, "kept", "attempts", "refused", "score"]);
    for (item, outcome) in &report.items {
        let score = outcome.score.map(|score| format!("{}/{}", score.n_passed, score.n_wanted));
        items.add_row([
            item.clone(),
            if outcome.kept { "yes" } else { "no" }.to_owned(),
            outcome.n_attempts.to_string(),
            outcome.refused.len().to_string(),
            score.unwrap_or_default(),
        ]);
    }
    printer.result(items);
    let folder = source.folder.join("variants").join(report.variant);
    printer.status(format_args!(
        "{} of {} kept; records and trajectories: {}",
        report.n_kept(),
        report.items.len(),
        folder.display()
    ));
}

async fn make(session: &Session, args: &ProceduralArgs) -> anyhow::Result<Status> {
    let was_there = args.output.as_deref().is_none_or(Path::exists);
    args.output.as_deref().map_or(Ok(()), instance::prepare)?;
    let made = make_bugs(session, args).await;
    if let (Err(_), false, Some(output)) = (&made, was_there, &args.output) {
        // A folder in which there is something stays.
        drop(fs_err::remove_dir(output));
    }
    made
}

async fn make_bugs(session: &Session, args: &ProceduralArgs) -> anyhow::Result<Status> {
    let scratch = tempfile::tempdir()?;
    let mut folder = PathBuf::from(&args.repo_path);
    if !folder.exists() {
        if args.repo_path.contains('/') {
            return Err(VariantError::NoProject { path: folder }.into());
        }
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
