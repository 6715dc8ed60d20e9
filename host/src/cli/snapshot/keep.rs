//! Making, naming and clearing away snapshots.

use super::{GcArgs, ImportArgs, NameArgs, RmArgs, Status, now_ms};
use crate::cli::{
    run::{import_folder, open_folder},
    session::Session,
    table,
};
use playpen_runtime::{
    Snapshot,
    store::{SaveOptions, SnapshotStore, StoredSnapshot},
};

/// Keeps a folder of the host.
pub(super) fn import(
    session: &Session,
    store: &SnapshotStore,
    args: &ImportArgs,
) -> anyhow::Result<Status> {
    let mount = crate::cli::run::guest_path(&args.mount).map_err(anyhow::Error::msg)?;
    let dir = open_folder(&args.folder)?;
    let tree = import_folder(&args.folder, &dir, &args.skip_names, None)?;
    let snapshot = Snapshot { trees: [(mount.clone(), tree)].into() };
    let name = args.name.clone();
    let options = SaveOptions {
        created_ms: now_ms(),
        cwd: Some(mount),
        name: Some(name.clone()),
        ..SaveOptions::default()
    };
    let saved = store.save(&snapshot, options)?;
    if session.printer.is_json() {
        let names = vec![name];
        session.printer.json(&StoredSnapshot { id: saved.id, names, record: saved.record });
    } else {
        session.printer.result(saved.id);
    }
    let bytes = table::count(saved.n_bytes_written);
    session.printer.detail(format_args!("playpen: {bytes} bytes written"));
    Ok(Status::Done)
}

/// Gives a name.
pub(super) fn name(store: &SnapshotStore, args: &NameArgs) -> anyhow::Result<Status> {
    store.set_name(&args.name, store.resolve(&args.snapshot)?)?;
    Ok(Status::Done)
}

/// Removes names.
pub(super) fn remove(store: &SnapshotStore, args: &RmArgs) -> anyhow::Result<Status> {
    store.remove_names(&args.names)?;
    Ok(Status::Done)
}

/// Clears away.
pub(super) fn gc(
    session: &Session,
    store: &SnapshotStore,
    args: &GcArgs,
) -> anyhow::Result<Status> {
    let report = store.gc(args.dry_run)?;
    if session.printer.is_json() {
        session.printer.json(&report);
    } else {
        let (would, about) = if args.dry_run { ("would be ", "about ") } else { ("", "") };
        session.printer.result(format_args!(
            "{} snapshots {would}removed, {} kept; {} bytes before, {about}{} after",
            report.n_removed,
            report.n_kept,
            table::count(report.bytes_before),
            table::count(report.bytes_after)
        ));
    }
    Ok(Status::Done)
}
