//! `playpen report`: what came of runs.

use super::{
    Status,
    hint::Advice,
    session::Session,
    table::{count, duration, table},
};
use crate::{
    record::find_runs,
    report::{self, Item, Prices, Report, Stage, Task, Totals},
    rollout::TaskState,
};
use anyhow::ensure;
use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

/// Show what came of a run: tasks, a funnel of all gates, costs
///
/// Of one run, shows each task, each item of a variant, and for each role how many pieces of work came how far,
/// and why attempts were refused. Of several, a line each. A run that goes on is shown as far as it is.
///
/// With `--html`, writes one page besides, with all attempts: verdicts, patches and everything said and done. It
/// needs no other file, no network and no script.
///
/// With `--json`, prints a list with one object for each run: `run_id`, `repo_name`, `model_name`, `is_complete`,
/// `tasks`, `items` (of variants), `stages` (`kind`, `role`, `n_items`, `n_accepted`, `n_accepted_at_once`, `passages`
/// through the gates, `reasons` of refused attempts, `totals`), `attempts`, `totals` and `folder`.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// Folders of runs, or folders above several
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// Where to write the page; of one run only
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// What a million tokens cost in US dollars: read, written and, if that is another price, read from the
    /// endpoint's cache, such as `3,15,0.3`
    #[arg(long, value_name = "PRICES")]
    prices: Option<Prices>,
}

/// Reads the runs and shows them.
pub(super) fn run(session: &Session, args: &ReportArgs) -> anyhow::Result<Status> {
    let mut reports = vec![];
    for folder in &args.runs {
        for run in runs(folder)? {
            reports.push(report::read(&run)?);
        }
    }
    if let Some(path) = &args.html {
        let [report] = &reports[..] else {
            let message = format!("a page shows one run, and these are {}", reports.len());
            return Err(Advice::new(message, "name one of them, such as `RUNS/RUN-0001`").into());
        };
        fs_err::write(path, report::html(report, args.prices)?)?;
    }
    if session.printer.is_json() {
        session.printer.json(&reports);
        return Ok(Status::Done);
    }
    match &reports[..] {
        [report] => print(session, report, args.prices),
        _ => print_all(session, &reports, args.prices),
    }
    if let Some(path) = &args.html {
        session.printer.status(format_args!("page: {}", path.display()));
    }
    Ok(Status::Done)
}

fn runs(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let runs = if folder.is_dir() { find_runs(folder)? } else { vec![] };
    ensure!(
        !runs.is_empty(),
        Advice::new(
            format!("there is no run at `{}`", folder.display()),
            "name the folder that `playpen rollout` told, or the one that holds several",
        )
    );
    Ok(runs)
}

/// Shows one run.
fn print(session: &Session, report: &Report, prices: Option<Prices>) {
    let printer = &session.printer;
    let model = report.model_name.as_deref().unwrap_or("an unknown model");
    printer.result(format_args!(
        "run {} of {} by {model}, playpen {}{}",
        report.run_id,
        report.repo_name,
        report.playpen_version,
        if report.is_complete { "" } else { " (not complete: interrupted, or it goes on)" },
    ));
    if !report.tasks.is_empty() {
        let mut tasks = table(["task", "title", "outcome", "tests", "mutants noticed"]);
        report.tasks.iter().for_each(|task| {
            tasks.add_row(task_row(task));
        });
        printer.result(tasks);
    }
    if !report.items.is_empty() {
        let mut items = table(["variant", "of", "kept", "score"]);
        for Item { variant, name, is_kept, score } in &report.items {
            let score = score.map(|score| format!("{}/{}", score.n_passed, score.n_wanted));
            let kept = if *is_kept { "yes" } else { "no" };
            items.add_row([variant, name, kept, &score.unwrap_or_default()]);
        }
        printer.result(items);
    }
    if !report.stages.is_empty() {
        let mut stages = table([
            "role",
            "worked on",
            "accepted",
            "at once",
            "attempts",
            "lost at",
            "refused for",
            "tokens",
            "time",
        ]);
        report.stages.iter().for_each(|stage| {
            stages.add_row(stage_row(stage));
        });
        printer.result(stages);
    }
    printer.result(summary(report.n_solved(), report.tasks.len(), &report.totals, prices));
}

fn task_row(task: &Task) -> [String; 5] {
    let Some(report) = &task.report else {
        return [&task.number, "", "not finished", "", ""].map(str::to_owned);
    };
    let outcome = match &report.state {
        TaskState::Solved => "solved".to_owned(),
        TaskState::Unsolved { reasons } => format!("unsolved: {}", reasons.join("; ")),
        TaskState::Skipped { because } => format!("skipped, waits for {}", because.join(", ")),
    };
    let mutants = report.mutation.map(|score| format!("{}/{}", score.n_killed, score.n_mutants));
    let n_tests = report.tests.len().to_string();
    [task.number.clone(), report.title.clone(), outcome, n_tests, mutants.unwrap_or_default()]
}

fn stage_row(stage: &Stage) -> [String; 9] {
    let role = match stage.kind.as_str() {
        "tasks" => stage.role.clone(),
        variant => format!("{variant} {}", stage.role),
    };
    [
        role,
        stage.n_items.to_string(),
        stage.n_accepted.to_string(),
        stage.n_accepted_at_once.to_string(),
        count(stage.totals.n_attempts),
        list(lost(stage)),
        list(stage.reasons.iter().map(|(reason, n)| (reason, *n))),
        count(stage.totals.usage.total_tokens()),
        duration(Duration::from_micros(stage.totals.elapsed_us)),
    ]
}

/// Returns the gates at which pieces of work were lost for good, with how many.
fn lost(stage: &Stage) -> impl Iterator<Item = (&'static str, usize)> {
    let before = std::iter::once(stage.n_items).chain(stage.passages.iter().map(|it| it.n_items));
    stage
        .passages
        .iter()
        .zip(before)
        .map(|(passage, before)| (passage.gate.name(), before.saturating_sub(passage.n_items)))
        .filter(|(_, n_lost)| *n_lost > 0)
}

fn list(counts: impl Iterator<Item = (impl Display, usize)>) -> String {
    counts.map(|(what, n)| format!("{what} {n}")).collect::<Vec<_>>().join(", ")
}

/// Shows several runs, a line each.
fn print_all(session: &Session, reports: &[Report], prices: Option<Prices>) {
    let mut runs = table([
        "run",
        "of",
        "solved",
        "variants kept",
        "attempts",
        "tokens",
        "cost",
        "denied",
        "time",
    ]);
    let mut totals = Totals::default();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports {
        let incomplete = if report.is_complete { "" } else { " (not complete)" };
        runs.add_row([
            format!("{}{incomplete}", report.run_id),
            report.repo_name.clone(),
            format!("{}/{}", report.n_solved(), report.tasks.len()),
            format!("{}/{}", report.n_kept(), report.items.len()),
            count(report.totals.n_attempts),
            count(report.totals.usage.total_tokens()),
            cost(&report.totals, prices),
            count(report.totals.n_denied),
            duration(Duration::from_micros(report.totals.elapsed_us)),
        ]);
        totals.add(&report.totals);
        for (reason, n) in report.stages.iter().flat_map(|stage| &stage.reasons) {
            *reasons.entry(reason).or_default() += n;
        }
    }
    let printer = &session.printer;
    printer.result(runs);
    if !reasons.is_empty() {
        printer.result(format_args!("attempts refused for: {}", list(reasons.into_iter())));
    }
    let n_solved = reports.iter().map(Report::n_solved).sum();
    let n_tasks = reports.iter().map(|report| report.tasks.len()).sum();
    printer.result(summary(n_solved, n_tasks, &totals, prices));
}

fn summary(n_solved: usize, n_tasks: usize, totals: &Totals, prices: Option<Prices>) -> String {
    let cost = match cost(totals, prices) {
        cost if cost.is_empty() => cost,
        cost => format!("{cost}, "),
    };
    format!(
        "{n_solved} of {n_tasks} tasks solved, {} attempts, {} tokens read and {} written, {cost}{} tool calls, \
         {} denied accesses, {} of work",
        count(totals.n_attempts),
        count(totals.usage.prompt_tokens),
        count(totals.usage.completion_tokens),
        count(totals.n_tool_calls),
        count(totals.n_denied),
        duration(Duration::from_micros(totals.elapsed_us)),
    )
}

fn cost(totals: &Totals, prices: Option<Prices>) -> String {
    prices.map(|prices| report::dollars(prices.cost(totals.usage))).unwrap_or_default()
}
