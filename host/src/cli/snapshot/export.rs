//! Writing snapshots as something else.

use super::{ExportArgs, Status, load, main_tree, show::with_causes};
use crate::{
    cli::{hint::Advice, session::Session},
    git::{Commit, Repository},
    record::unified_diff,
};
use anyhow::Context as _;
use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{
    Tree,
    store::{ObjectId, SnapshotRecord, SnapshotStore},
};
use std::path::Path;

/// Exports in the form that was asked for.
pub(super) fn run(
    session: &Session,
    store: &SnapshotStore,
    args: &ExportArgs,
) -> anyhow::Result<Status> {
    match (&args.to, &args.git) {
        (Some(folder), _) => to_folder(session, store, args, folder),
        (None, Some(folder)) => to_git(session, store, args, folder),
        (None, None) if args.patch => to_patch(session, store, args),
        (None, None) => Err(Advice::new(
            "it is not said what to write",
            "add `--patch`, `--to DIR` or `--git DIR`",
        )
        .into()),
    }
}

fn to_patch(session: &Session, store: &SnapshotStore, args: &ExportArgs) -> anyhow::Result<Status> {
    let (_, snapshot, record) = load(store, &args.snapshot)?;
    let (point, newer) = main_tree(snapshot, &record, args.mount.as_deref())?;
    let older = match (&args.against, record.parent) {
        (Some(older), _) => tree_at(store, store.resolve(older)?, &point)?,
        (None, Some(parent)) => tree_at(store, parent, &point)?,
        (None, None) => Tree::new(),
    };
    session.printer.data(unified_diff(&older, &newer).as_bytes());
    Ok(Status::Done)
}

/// Returns the tree at a mount point; empty where nothing was mounted.
fn tree_at(store: &SnapshotStore, id: ObjectId, point: &str) -> anyhow::Result<Tree> {
    let (mut snapshot, _) = store.load(id)?;
    Ok(snapshot.trees.remove(point).unwrap_or_default())
}

fn to_folder(
    session: &Session,
    store: &SnapshotStore,
    args: &ExportArgs,
    folder: &Path,
) -> anyhow::Result<Status> {
    let id = store.resolve(&args.snapshot)?;
    let (snapshot, record, damage) =
        if args.salvage { store.salvage(id)? } else { with_no_damage(store.load(id)?) };
    let (_, tree) = main_tree(snapshot, &record, args.mount.as_deref())?;
    let dir = empty_folder(folder)?;
    tree.export(&dir).with_context(|| format!("failed to write to `{}`", folder.display()))?;
    for error in &damage {
        session.printer.warning(format_args!("left out: {}", with_causes(error)));
    }
    Ok(if damage.is_empty() { Status::Done } else { Status::No })
}

fn with_no_damage<A, B, E>((a, b): (A, B)) -> (A, B, Vec<E>) {
    (a, b, vec![])
}

/// Makes a folder, or takes one that is empty.
fn empty_folder(folder: &Path) -> anyhow::Result<Dir> {
    let dir = open_folder(folder)?;
    let is_empty = dir.entries()?.next().is_none();
    anyhow::ensure!(
        is_empty,
        Advice::new(
            format!("folder `{}` is not empty", folder.display()),
            "name another one: nothing is written over",
        )
    );
    Ok(dir)
}

fn open_folder(folder: &Path) -> anyhow::Result<Dir> {
    fs_err::create_dir_all(folder)?;
    Dir::open_ambient_dir(folder, ambient_authority())
        .with_context(|| format!("failed to open folder `{}`", folder.display()))
}

/// Writes a commit for the snapshot and each that it was made from, the oldest first.
fn to_git(
    session: &Session,
    store: &SnapshotStore,
    args: &ExportArgs,
    folder: &Path,
) -> anyhow::Result<Status> {
    let id = store.resolve(&args.snapshot)?;
    let record = store.record(id)?;
    let point = match &args.mount {
        Some(mount) => mount.trim_end_matches('/').to_owned(),
        None => main_tree(store.load(id)?.0, &record, None)?.0,
    };
    let repository = Repository::open(open_folder(folder)?, &args.branch)
        .with_context(|| format!("failed to export to `{}`", folder.display()))?;
    let mut parent = None;
    for (id, record) in history(store, id)? {
        let message = message(id, &record);
        let seconds = record.created_ms / 1000;
        let commit = Commit { parent, seconds, message: &message };
        let (name, skipped) = repository.commit(&tree_at(store, id, &point)?, &commit)?;
        for path in skipped {
            session.printer.warning(format_args!(
                "`{}` of snapshot `{}` is left out: git does not take it",
                path.0,
                id.short()
            ));
        }
        parent = Some(name);
    }
    let head = parent.context("a snapshot has at least itself as its history")?;
    repository.set_branch(&args.branch, &head)?;
    session.printer.result(head);
    Ok(Status::Done)
}

/// Returns a snapshot after those that it was made from, as far as they are still there.
fn history(store: &SnapshotStore, id: ObjectId) -> anyhow::Result<Vec<(ObjectId, SnapshotRecord)>> {
    let (all, _) = store.list()?;
    let mut history = vec![];
    let mut next = Some(id);
    while let Some(id) = next {
        let Some(found) = all.iter().find(|it| it.id == id) else { break };
        next = found.record.parent;
        history.push((id, found.record.clone()));
    }
    history.reverse();
    Ok(history)
}

fn message(id: ObjectId, record: &SnapshotRecord) -> String {
    let what = match (record.fork, &record.command[..]) {
        (Some(number), _) => format!("Fork {number}"),
        (None, []) => "Import".to_owned(),
        (None, command) => command.join(" "),
    };
    format!("{what}\n\nSnapshot: {id}")
}
