//! `playpen snapshot`: what `run --snapshot` kept.

mod export;
mod keep;
mod show;

use super::{Status, session::Session, units};
use anyhow::Context as _;
use playpen_runtime::{
    Snapshot, Tree,
    store::{ObjectId, SnapshotRecord, SnapshotStore},
};
use std::path::PathBuf;

/// Look at, compare, export and clear away snapshots
///
/// A snapshot holds all files that commands of a sandbox can change: the copy-on-write mounts, `/tmp`
/// and `/home`. `playpen run --snapshot NAME` takes one, `playpen run --from NAME` starts from one.
/// They are kept in the home, in the folder `snapshots`, where each costs what is new in it.
///
/// A snapshot is named by a name or by the first digits of its id, four at least.
#[derive(Debug, clap::Args)]
pub(super) struct SnapshotArgs {
    #[command(subcommand)]
    command: SnapshotCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SnapshotCommand {
    /// List the snapshots, oldest first
    ///
    /// With `--json`: a list of objects with `id`, `names`, `created_ms`, `parent`, `fork`, `command`,
    /// `trees`, `n_files` and `n_bytes`.
    List,
    /// Show what is known about a snapshot, and its files
    Show(ShowArgs),
    /// List the paths that differ between two snapshots
    ///
    /// With `--json`: a list of objects with `path` and `kind` (`added`, `removed`, `modified`).
    Diff(DiffArgs),
    /// Write a snapshot as a patch, a folder or a git repository
    Export(ExportArgs),
    /// Keep a folder of the host as a snapshot, without running anything
    ///
    /// No link is followed and hard links are copied; devices, sockets and FIFOs are refused.
    Import(ImportArgs),
    /// Give a snapshot a name; one that another has moves to it
    Name(NameArgs),
    /// Remove names
    ///
    /// The snapshots themselves go with the next `gc`.
    Rm(RmArgs),
    /// Clear away snapshots without a name, and what only they needed
    ///
    /// One from which a named snapshot was made stays. Waits until no other playpen uses the
    /// snapshots.
    Gc(GcArgs),
    /// Read everything and check it against its hashes
    ///
    /// Exits with 1 if something is damaged, and says what.
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Name, or first digits of the id
    snapshot: String,
    /// List its files as well
    #[arg(long)]
    files: bool,
}

#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// The older snapshot
    older: String,
    /// The newer snapshot
    newer: String,
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// Name, or first digits of the id
    snapshot: String,

    /// Print a patch for `git apply`, from the snapshot that this one was made from
    ///
    /// What is under `.git/` is left out.
    #[arg(long, group = "what")]
    patch: bool,

    /// Print the patch from this snapshot instead
    #[arg(long, value_name = "SNAPSHOT", requires = "patch")]
    against: Option<String>,

    /// Write the files to this folder, which must be empty or missing
    #[arg(long, value_name = "DIR", group = "what")]
    to: Option<PathBuf>,

    /// Write what can be read if something is damaged, and exit with 1
    #[arg(long, requires = "to")]
    salvage: bool,

    /// Write a bare git repository with a commit for this snapshot and each that it was made from
    ///
    /// The folder must be empty or missing, or a bare repository without the branch.
    #[arg(long, value_name = "DIR", group = "what")]
    git: Option<PathBuf>,

    /// The branch of the repository
    #[arg(long, value_name = "NAME", default_value = "main", requires = "git")]
    branch: String,

    /// The mount to export [default: the one that commands started in]
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// Name of the snapshot
    name: String,
    /// The folder
    folder: PathBuf,
    /// Where it is mounted when something runs on the snapshot
    #[arg(long, value_name = "PATH", default_value = "/workspace")]
    mount: String,
    /// Leave files and folders of this name out
    #[arg(long = "skip", value_name = "NAME", value_parser = units::file_name)]
    skip_names: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct NameArgs {
    /// The name
    name: String,
    /// Name, or first digits of the id, of the snapshot
    snapshot: String,
}

#[derive(Debug, clap::Args)]
struct RmArgs {
    /// The names
    #[arg(required = true)]
    names: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct GcArgs {
    /// Only say what would be cleared away
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Name, or first digits of the id [default: all]
    snapshot: Option<String>,
}

/// Does what the command says.
pub(super) fn run(session: &Session, args: &SnapshotArgs) -> anyhow::Result<Status> {
    let store = session.snapshots()?;
    match &args.command {
        SnapshotCommand::List => show::list(session, &store),
        SnapshotCommand::Show(args) => show::show(session, &store, args),
        SnapshotCommand::Diff(args) => show::diff(session, &store, args),
        SnapshotCommand::Verify(args) => show::verify(session, &store, args),
        SnapshotCommand::Export(args) => export::run(session, &store, args),
        SnapshotCommand::Import(args) => keep::import(session, &store, args),
        SnapshotCommand::Name(args) => keep::name(&store, args),
        SnapshotCommand::Rm(args) => keep::remove(&store, args),
        SnapshotCommand::Gc(args) => keep::gc(session, &store, args),
    }
}

/// Returns the time, for the record of a snapshot.
pub(super) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Reads the snapshot that somebody asked for.
fn load(
    store: &SnapshotStore,
    asked: &str,
) -> anyhow::Result<(ObjectId, Snapshot, SnapshotRecord)> {
    let id = store.resolve(asked)?;
    let (snapshot, record) = store.load(id)?;
    Ok((id, snapshot, record))
}

/// Returns the tree of a snapshot that is meant if none is named: where commands started.
fn main_tree(
    mut snapshot: Snapshot,
    record: &SnapshotRecord,
    asked: Option<&str>,
) -> anyhow::Result<(String, Tree)> {
    let points: Vec<&str> = snapshot.trees.keys().map(String::as_str).collect();
    let holds = |point: &&&str, path: &str| {
        path.strip_prefix(**point).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let wanted = asked.map(|asked| asked.trim_end_matches('/'));
    let found = match (wanted, &record.cwd) {
        (Some(wanted), _) => points.iter().find(|point| **point == wanted),
        (None, Some(cwd)) => points.iter().rev().find(|point| holds(point, cwd)),
        (None, None) => None,
    };
    let only = if wanted.is_none() && points.len() == 1 { points.first() } else { None };
    let shown = points.join("`, `");
    let point = found.or(only).with_context(|| match asked {
        Some(asked) => format!("nothing is mounted at `{asked}`; there are `{shown}`"),
        None => format!("name one of the mounts with `--mount`: `{shown}`"),
    })?;
    let point = (*point).to_owned();
    let tree = snapshot.trees.remove(&point).context("the mount is one of the snapshot")?;
    Ok((point, tree))
}
