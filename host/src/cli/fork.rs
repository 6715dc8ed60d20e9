//! `playpen fork`: many snapshots that start from one.

use super::{Status, session::Session, snapshot::now_ms};

/// Make snapshots that start from another one
///
/// The forks are named after it, `NAME-1`, `NAME-2` and so on, going on after those that are there.
/// They share everything with it until something runs on them, as with
/// `playpen run --from base-1 --snapshot base-1 -- COMMAND`.
///
/// All of them are made, or none. With `--json` the result is a list of objects as
/// `playpen snapshot list` prints them; without it, one name a line.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ForkArgs {
    /// Name of the snapshot to start from, or the first digits of its id
    snapshot: String,

    /// How many
    #[arg(short = 'n', value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=MAX_FORKS))]
    n_forks: u64,

    /// What the names of the forks begin with [default: the name or id of the snapshot]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Forks of one command. Answers a number typed with a few digits too many.
const MAX_FORKS: u64 = 1_000_000;

/// Makes the forks and prints their names.
pub(super) fn run(session: &Session, args: &ForkArgs) -> anyhow::Result<Status> {
    let store = session.snapshots()?;
    let id = store.resolve(&args.snapshot)?;
    let prefix = args.name.as_ref().unwrap_or(&args.snapshot);
    let forks = store.fork(id, args.n_forks, prefix, now_ms())?;
    if session.printer.is_json() {
        session.printer.json(&forks);
    } else {
        let names: Vec<&str> = forks.iter().flat_map(|fork| &fork.names).map(|it| &**it).collect();
        session.printer.result(names.join("\n"));
    }
    Ok(Status::Done)
}
