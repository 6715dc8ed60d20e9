//! `playpen replay`: what was recorded, once more, and compared.

use super::{
    Status,
    hint::Advice,
    run::replay_events,
    session::Session,
    table::{duration, table},
};
use crate::{
    attempt::{Difference, Replayed, replay},
    context::Context,
    record::find_attempts,
};
use anyhow::{Context as _, ensure};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// Observations that differ and are shown of each attempt.
const MAX_SHOWN: usize = 3;

/// Do again what was recorded, and compare every event and the final files
///
/// EVENTS, a file, is the record of `run --deterministic SEED --audit EVENTS`. The folders that were
/// copied must still be what they were, and a snapshot that the run started from must still be there.
///
/// RUN, a folder, is a run of `rollout` or `variant`, or one attempt in it. Each attempt is made again from the
/// files that it was given: the calls of its trajectory are carried out in a fresh sandbox with the same rules,
/// and no model is asked. What tools print may tell a time; where it differs, that is shown and is no failure.
///
/// Exits with 1 if an event or a file differs, and names the first difference.
#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// The record of a run, or the folder of a rollout or of an attempt
    #[arg(value_name = "EVENTS|RUN")]
    record: PathBuf,

    /// Do it so many times
    #[arg(long, short, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    n: u32,

    /// Attempts that are made at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

/// What came of one attempt.
#[derive(Debug, Serialize)]
struct Again {
    /// Where it is, below the folder that was named.
    attempt: PathBuf,
    same: bool,
    #[serde(flatten)]
    replayed: Replayed,
}

/// Repeats and compares.
pub(super) async fn run(session: &Session, args: &ReplayArgs) -> anyhow::Result<Status> {
    if args.record.is_dir() {
        replay_attempts(session, args).await
    } else {
        replay_events(session, &args.record, args.n).await
    }
}

async fn replay_attempts(session: &Session, args: &ReplayArgs) -> anyhow::Result<Status> {
    let started = Instant::now();
    let attempts = find_attempts(&args.record)?;
    ensure!(
        !attempts.is_empty(),
        Advice::new(
            format!("there is no `attempt.json` below `{}`", args.record.display()),
            "name the folder that `playpen rollout` or `playpen variant` told, or one attempt in it",
        )
    );
    let (engine, image) = session.image(None).await?;
    let ctx = Arc::new(Context::without_model(engine, image));
    let bar = session.printer.bar(attempts.len() as u64, "replaying");
    let mut waiting = attempts.into_iter();
    let mut running = JoinSet::new();
    let mut done = vec![];
    loop {
        while running.len() < args.jobs.max(1)
            && let Some(folder) = waiting.next()
        {
            let (ctx, root, n_times) = (Arc::clone(&ctx), args.record.clone(), args.n);
            running.spawn(async move { again(&ctx, &root, &folder, n_times).await });
        }
        let Some(finished) = running.join_next().await else { break };
        done.push(finished??);
        bar.inc(1);
    }
    bar.finish_and_clear();
    done.sort_by(|a: &Again, b| a.attempt.cmp(&b.attempt));
    print(session, &done, started.elapsed());
    Ok(if done.iter().all(|again| again.same) { Status::Done } else { Status::No })
}

/// Makes an attempt so many times more, up to the first that differs.
async fn again(ctx: &Context, root: &Path, folder: &Path, n_times: u32) -> anyhow::Result<Again> {
    let mut replayed = Replayed::default();
    for _ in 0..n_times {
        let result = replay(ctx, folder).await;
        replayed = result.with_context(|| format!("failed to replay `{}`", folder.display()))?;
        if !replayed.is_same() {
            break;
        }
    }
    let below = folder.strip_prefix(root).unwrap_or(folder);
    let attempt = if below.as_os_str().is_empty() { folder } else { below }.to_owned();
    Ok(Again { attempt, same: replayed.is_same(), replayed })
}

fn print(session: &Session, done: &[Again], elapsed: Duration) {
    let printer = &session.printer;
    if printer.is_json() {
        for again in done {
            printer.json_line(&serde_json::json!({ "event": "replayed", "again": again }));
        }
        return;
    }
    let mut rows = table(["attempt", "calls", "events", "same", "printed otherwise"]);
    for Again { attempt, same, replayed } in done {
        rows.add_row([
            attempt.display().to_string(),
            replayed.n_calls.to_string(),
            replayed.n_events.to_string(),
            if *same { "yes" } else { "NO" }.to_owned(),
            replayed.observations.len().to_string(),
        ]);
    }
    printer.result(rows);
    for Again { attempt, replayed, .. } in done {
        let said = replayed.observations.iter().take(MAX_SHOWN);
        for Difference { what, was, is } in replayed.differences.iter().chain(said) {
            printer.result(format_args!("{}: {what}\n- {was}\n+ {is}", attempt.display()));
        }
    }
    let n_same = done.iter().filter(|again| again.same).count();
    let (n, took) = (done.len(), duration(elapsed));
    printer.status(format_args!("{n_same} of {n} attempts are the same again, {took}"));
}
