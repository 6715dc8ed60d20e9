//! `playpen replay EVENTS`: a deterministic run once more, compared event by event.

use super::{RunArgs, run_recorded};
use crate::{
    audit::Record,
    cli::{Status, hint::Advice, session::Session},
};
use anyhow::Context as _;
use clap::Parser as _;
use playpen_runtime::audit::{Event, Header, MountInfo};
use serde::Serialize;
use std::path::Path;

/// What came of it.
#[derive(Debug, Serialize)]
struct Replayed {
    same: bool,
    n_events: u64,
    /// The hash of all events, without the chain.
    event_hash: String,
    difference: Option<String>,
}

/// Repeats and compares.
pub(in crate::cli) async fn replay_events(
    session: &Session,
    events: &Path,
    n_times: u32,
) -> anyhow::Result<Status> {
    let first = Record::read(events)?;
    if let Some(mount) = first.header.mounts.iter().find(|mount| mount.mode == "rw") {
        // The record says which command is run, and where.
        let what = format!("the run could write to `{}`, and would again", mount.host);
        return Err(Advice::new(
            what,
            "only runs in copies of folders, or beside `:ro`, are replayed",
        )
        .into());
    }
    if let Some(doubt) = first.defects().first() {
        anyhow::bail!("the record is no good for a replay: {doubt}");
    }
    let folder = tempfile::tempdir().context("failed to make a folder for the repetition")?;
    let mut difference = None;
    for _ in 0..n_times {
        let again = repeat(session, &first, folder.path()).await?;
        difference = compare(&first, &again);
        if difference.is_some() {
            break;
        }
    }
    let (n_events, event_hash) = (first.n_events(), first.event_hash().to_hex().to_string());
    let same = difference.is_none();
    let result = Replayed { same, n_events, event_hash, difference };
    if session.printer.is_json() {
        session.printer.json(&result);
    } else if let Some(difference) = &result.difference {
        session.printer.result(difference);
    } else {
        let (n, hash) = (result.n_events, &result.event_hash);
        session
            .printer
            .result(format_args!("same: {n} events, {n_times} times; event hash {hash}"));
    }
    Ok(if same { Status::Done } else { Status::No })
}

/// The flags of `run` by themselves.
#[derive(Debug, clap::Parser)]
struct Flags {
    #[command(flatten)]
    args: RunArgs,
}

async fn repeat(session: &Session, first: &Record, folder: &Path) -> anyhow::Result<Record> {
    let header = &first.header;
    let seed = header.seed.ok_or_else(|| {
        Advice::new(
            "the record is of a run that was not deterministic",
            "`playpen run --deterministic SEED --audit EVENTS -- COMMAND` makes one that can be repeated",
        )
    })?;
    let events = folder.join("events.jsonl");
    let mut flags = vec!["run".to_owned(), "--deterministic".to_owned(), seed.to_string()];
    flags.extend(["--audit".to_owned(), events.display().to_string()]);
    for mount in &header.mounts {
        flags.extend([
            "--mount".to_owned(),
            format!("{}={}:{}", mount.guest, mount.host, mount.mode),
        ]);
    }
    for name in header.mounts.first().map_or(&[][..], |mount| &mount.skip) {
        flags.extend(["--skip".to_owned(), name.clone()]);
    }
    for (name, value) in &header.env {
        flags.extend(["--env".to_owned(), format!("{name}={value}")]);
    }
    if let Some(cwd) = &header.cwd {
        flags.extend(["--cwd".to_owned(), cwd.clone()]);
    }
    if let Some(policy) = &header.policy {
        let path = folder.join("policy.toml");
        fs_err::write(&path, policy)?;
        flags.extend(["--policy".to_owned(), path.display().to_string()]);
    }
    flags.push("--".to_owned());
    flags.extend(header.command.iter().cloned());
    let mut args = Flags::try_parse_from(flags)?.args;
    args.from.clone_from(&header.from);
    args.set_limits(&header.limits);
    let log = |mount: &MountInfo| Some(Path::new(&mount.host).join(mount.log.as_ref()?));
    args.earlier_log = header.mounts.iter().find_map(log);
    let stdin = header.stdin.clone().unwrap_or_default().into_bytes();
    drop(run_recorded(session, &args, Some(stdin), false).await?.outcome);
    Ok(Record::read(&events)?)
}

/// Returns the first difference.
fn compare(first: &Record, again: &Record) -> Option<String> {
    if let Some(what) = compare_headers(&first.header, &again.header) {
        return Some(what);
    }
    let show = |event: &Event| serde_json::to_string(event).unwrap_or_default();
    for (old, new) in first.events.iter().zip(&again.events) {
        if old != new {
            return Some(format!("event {}:\n- {}\n+ {}", old.seq, show(old), show(new)));
        }
    }
    let (old, new) = (first.events.len(), again.events.len());
    if old != new {
        return Some(format!("there were {old} events, and now there are {new}"));
    }
    let (old, new) = (first.end.as_ref()?, again.end.as_ref()?);
    (old != new).then(|| format!("the ends differ:\n- {old:?}\n+ {new:?}"))
}

fn compare_headers(old: &Header, new: &Header) -> Option<String> {
    for (old, new) in old.mounts.iter().zip(&new.mounts) {
        if old.digest != new.digest {
            return Some(format!(
                "`{}` is not any more what was copied to `{}`",
                old.host, old.guest
            ));
        }
    }
    (old.image != new.image).then(|| "the image is another one".to_owned())
}
