//! `playpen demo`: the whole pipeline on a recorded project.

use super::{
    Status,
    session::Session,
    table::{count, duration, table},
    watch::Watch,
};
use crate::demo::{self, DemoReport, DemoRow};
use std::{path::PathBuf, time::Duration};

/// Run the whole pipeline on a recorded project
///
/// A scripted model on this machine proposes a project, writes its tasks, its tests and its code, some
/// of it wrong at first. Only the model's answers are recorded: the HTTP requests, the sandboxes, the
/// tests and the verdicts are real. Neither a key nor a network is needed.
///
/// Exits with 0 if all tasks were solved, with 1 if some were not.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// Folder for the project and its records [default: a new folder `playpen-demo-N`]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Runs the demo and prints its table.
pub(super) async fn run(session: &Session, args: &DemoArgs) -> anyhow::Result<Status> {
    let printer = &session.printer;
    printer.status(format_args!(
        "The model is recorded; everything else is real: HTTP, sandboxes, tests, verdicts."
    ));
    let (engine, image) = session.image(None).await?;
    let output = args.output.clone().unwrap_or_else(free_folder);
    let watch = Watch::new(printer.clone());
    let report = demo::run_demo(&engine, &image, &output, &watch).await?;
    print(session, &report);
    Ok(if report.n_solved() == report.n_tasks() { Status::Done } else { Status::No })
}

/// Returns the first folder of the default names that is not there yet.
fn free_folder() -> PathBuf {
    let mut names = (1_u64..).map(|n| PathBuf::from(format!("playpen-demo-{n}")));
    names.find(|name| !name.exists()).expect("the numbers do not end")
}

fn print(session: &Session, report: &DemoReport) {
    let printer = &session.printer;
    if printer.is_json() {
        printer.json_line(&serde_json::json!({ "event": "report", "report": report }));
        return;
    }
    let mut table = table([
        "task",
        "title",
        "outcome",
        "attempts",
        "tests",
        "tokens",
        "tool calls",
        "denied",
        "time",
    ]);
    report.rows.iter().chain([&report.total]).for_each(|line| {
        table.add_row(row(line));
    });
    printer.result(table);
    let mut variants = super::table::table(["variant", "of", "kept", "attempts", "refused"]);
    for row in &report.variants {
        variants.add_row([
            row.variant.clone(),
            row.item.clone(),
            if row.is_kept { "yes" } else { "no" }.to_owned(),
            row.n_attempts.to_string(),
            row.refused.join(", "),
        ]);
    }
    if !report.variants.is_empty() {
        printer.result(variants);
    }
    printer.result(format_args!(
        "{} of {} tasks solved with {} tests. {} injected faults survived, {} broken answers asked for again.",
        report.n_solved(),
        report.n_tasks(),
        report.n_tests,
        report.n_faults,
        report.n_repairs,
    ));
    printer
        .result("Only the model was recorded; requests, sandboxes, tests and verdicts were real.");
    printer.result(format_args!("project:      {}", report.project_dir.display()));
    printer.result(format_args!("trajectories: {}", report.run_dir.display()));
}

fn row(row: &DemoRow) -> [String; 9] {
    [
        row.task.clone(),
        row.title.clone(),
        row.outcome.clone(),
        count(row.n_attempts),
        row.n_tests.to_string(),
        count(row.n_tokens),
        count(row.n_tool_calls),
        count(row.n_denied),
        duration(Duration::from_millis(row.millis)),
    ]
}
