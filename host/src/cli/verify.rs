//! `playpen verify`: every verdict of a run, found out again.

use super::{
    Status,
    hint::Advice,
    session::Session,
    table::{duration, table},
};
use crate::{
    context::Context,
    record::{StoredVerification, find_verifications, read_verification, store_of},
    verify::{Decision, Verification, Verifier, gate::Reason},
};
use anyhow::{Context as _, ensure};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// Run every gate of a run again, in fresh sandboxes
///
/// Finds each `verification.json` below the folder, takes what was claimed from the trees of the run,
/// and asks the verifier again. Nothing is believed but the files; nothing is written.
///
/// Exits with 0 if everything that was accepted still is, with 1 if something no longer holds.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// Folder of a run, or of one attempt in it
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Find each verdict out this many times, with other orders, seeds and names of controls
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    times: u64,

    /// Verifications that run at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,

    /// Leave out what was refused
    #[arg(long)]
    accepted_only: bool,
}

/// What came of one verification that was made again.
#[derive(Debug, Serialize)]
struct Again {
    /// Where it is, below the folder that was named.
    verification: PathBuf,
    was: Decision,
    now: Decision,
    n_times: u64,
    /// How often the decision was the same.
    n_same: u64,
    /// Why it was refused, where it was accepted before.
    reasons: Vec<String>,
}

impl Again {
    fn holds(&self) -> bool {
        self.n_same == self.n_times
    }
}

/// Verifies again, and reports what no longer holds.
pub(super) async fn run(session: &Session, args: &VerifyArgs) -> anyhow::Result<Status> {
    let started = Instant::now();
    let stored = load(args)?;
    let (engine, image) = session.image(None).await?;
    let ctx = Arc::new(Context::without_model(engine, image));
    let bar = session.printer.spinner("verifying again");
    let mut waiting = stored.into_iter();
    let mut running = JoinSet::new();
    let mut done = vec![];
    loop {
        while running.len() < args.jobs.max(1)
            && let Some((path, stored)) = waiting.next()
        {
            let (ctx, root, times) = (Arc::clone(&ctx), args.run.clone(), args.times);
            running.spawn(async move { again(&ctx, &root, &path, &stored, times).await });
        }
        let Some(finished) = running.join_next().await else { break };
        done.push(finished??);
    }
    bar.finish_and_clear();
    done.sort_by(|a: &Again, b| a.verification.cmp(&b.verification));
    print(session, &done, started.elapsed());
    Ok(if done.iter().all(Again::holds) { Status::Done } else { Status::No })
}

/// Reads the verifications below the folder.
fn load(args: &VerifyArgs) -> anyhow::Result<Vec<(PathBuf, StoredVerification)>> {
    let advice = |what: &str| {
        let message = format!("{what} `{}`", args.run.display());
        Advice::new(
            message,
            "name the folder that `playpen rollout` or `playpen variant` told, or one attempt in it",
        )
    };
    ensure!(args.run.is_dir(), advice("there is no folder"));
    let mut stored = vec![];
    for path in find_verifications(&args.run)? {
        let verification = read_verification(&path)?;
        if verification.verification.accepted() || !args.accepted_only {
            stored.push((path, verification));
        }
    }
    ensure!(!stored.is_empty(), advice("there is no verification below"));
    Ok(stored)
}

/// Makes one verification again, as often as is asked, each time with another nonce.
async fn again(
    ctx: &Context,
    root: &Path,
    path: &Path,
    stored: &StoredVerification,
    times: u64,
) -> anyhow::Result<Again> {
    let name = || format!("failed to verify `{}` again", path.display());
    let claim = stored.claim.load(&store_of(path)).with_context(name)?;
    let was = stored.verification.decision;
    let folder = path.parent().unwrap_or(path);
    let mut result = Again {
        verification: folder.strip_prefix(root).unwrap_or(folder).to_owned(),
        was,
        now: was,
        n_times: times,
        n_same: 0,
        reasons: vec![],
    };
    for time in 0..times {
        let mut settings = stored.settings.settings(1);
        settings.nonce = settings.nonce.wrapping_add(time);
        let record = claim.verify(&Verifier::new(ctx, settings)).await.with_context(name)?.record;
        if record.decision == was {
            result.n_same += 1;
        } else {
            result.now = record.decision;
            result.reasons = reasons(&record);
        }
    }
    Ok(result)
}

fn reasons(record: &Verification) -> Vec<String> {
    record.reasons().map(Reason::to_string).collect()
}

fn print(session: &Session, done: &[Again], elapsed: Duration) {
    let printer = &session.printer;
    let n_holding = done.iter().filter(|again| again.holds()).count();
    if printer.is_json() {
        for again in done {
            printer.json_line(&serde_json::json!({ "event": "verified", "again": again }));
        }
        return;
    }
    let mut table = table(["verification", "was", "now", "same", "why"]);
    for again in done {
        table.add_row([
            again.verification.display().to_string(),
            word(again.was).to_owned(),
            word(again.now).to_owned(),
            format!("{} of {}", again.n_same, again.n_times),
            again.reasons.first().cloned().unwrap_or_default(),
        ]);
    }
    printer.result(table);
    printer.status(format_args!(
        "{n_holding} of {} verdicts hold, {}",
        done.len(),
        duration(elapsed)
    ));
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Accept => "accepted",
        Decision::Reject => "refused",
        Decision::Undecided => "undecided",
    }
}
