//! Looking at snapshots.

use super::{DiffArgs, ShowArgs, Status, VerifyArgs, load};
use crate::{
    cli::{hint, session::Session, table},
    printer::visible,
};
use playpen_runtime::{
    ChangeKind, EntryKind, Snapshot, Tree,
    store::{SnapshotStore, StoreError, StoredSnapshot},
};
use serde::Serialize;
use std::collections::BTreeSet;

/// A path that differs.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    path: String,
    kind: &'static str,
}

/// A snapshot with its files.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    stored: StoredSnapshot,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<ShownFile>>,
}

#[derive(Debug, Serialize)]
struct ShownFile {
    path: String,
    kind: &'static str,
    mode: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

/// Prints all snapshots.
pub(super) fn list(session: &Session, store: &SnapshotStore) -> anyhow::Result<Status> {
    let (snapshots, problems) = store.list()?;
    warn(session, &problems);
    if session.printer.is_json() {
        session.printer.json(&snapshots);
    } else if !snapshots.is_empty() {
        let mut table = table::table(["id", "names", "taken", "from", "files", "bytes", "command"]);
        for StoredSnapshot { id, names, record } in &snapshots {
            table.add_row([
                id.short(),
                names.join(" "),
                time(record.created_ms),
                record.parent.map(|parent| parent.short()).unwrap_or_default(),
                table::count(record.n_files),
                table::count(record.n_bytes),
                one_line(&record.command),
            ]);
        }
        session.printer.result(table);
    }
    Ok(Status::Done)
}

/// Prints what is known about one snapshot.
pub(super) fn show(
    session: &Session,
    store: &SnapshotStore,
    args: &ShowArgs,
) -> anyhow::Result<Status> {
    let id = store.resolve(&args.snapshot)?;
    let files = args.files.then(|| store.load(id)).transpose()?;
    let (all, problems) = store.list()?;
    warn(session, &problems);
    let record = store.record(id)?;
    let names = all.into_iter().find(|it| it.id == id).map(|it| it.names).unwrap_or_default();
    let files = files.map(|(snapshot, _)| shown_files(&snapshot));
    let shown = Shown { stored: StoredSnapshot { id, names, record }, files };
    if session.printer.is_json() {
        session.printer.json(&shown);
    } else {
        session.printer.result(shown.lines());
    }
    Ok(Status::Done)
}

impl Shown {
    fn lines(&self) -> String {
        let StoredSnapshot { id, names, record } = &self.stored;
        let parent = record.parent.map(|parent| parent.short()).unwrap_or_default();
        let points: Vec<&str> = record.trees.keys().map(String::as_str).collect();
        let mut lines = vec![
            format!("id       {id}"),
            format!("names    {}", names.join(" ")),
            format!("taken    {}", time(record.created_ms)),
            format!("from     {parent}"),
            format!("command  {}", one_line(&record.command)),
            format!("mounts   {}", points.join(" ")),
            format!("files    {}", table::count(record.n_files)),
            format!("bytes    {}", table::count(record.n_bytes)),
        ];
        for file in self.files.iter().flatten() {
            let target = file.target.as_ref().map(|it| format!(" -> {it}")).unwrap_or_default();
            let name = visible(&format!("{}{target}", file.path));
            lines.push(format!("{} {:>10} {name}", file.mode, file.size));
        }
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }
}

fn shown_files(snapshot: &Snapshot) -> Vec<ShownFile> {
    let files = |(point, tree): (&String, &Tree)| {
        let point = point.clone();
        tree.walk().into_iter().map(move |entry| ShownFile {
            path: format!("{point}/{}", entry.path),
            kind: match entry.kind {
                EntryKind::File => "file",
                EntryKind::Dir => "dir",
                EntryKind::Symlink => "symlink",
            },
            mode: format!("{:04o}", entry.mode),
            size: entry.size,
            target: entry.target,
        })
    };
    snapshot.trees.iter().flat_map(files).collect()
}

/// Prints the paths that differ.
pub(super) fn diff(
    session: &Session,
    store: &SnapshotStore,
    args: &DiffArgs,
) -> anyhow::Result<Status> {
    let (_, older, _) = load(store, &args.older)?;
    let (_, newer, _) = load(store, &args.newer)?;
    let differences = differences(&older, &newer);
    if session.printer.is_json() {
        session.printer.json(&differences);
    } else {
        for Difference { path, kind } in &differences {
            session.printer.result(format_args!("{kind:8} {}", visible(path)));
        }
    }
    Ok(Status::Done)
}

/// Returns what differs, over all mounts.
pub(super) fn differences(older: &Snapshot, newer: &Snapshot) -> Vec<Difference> {
    let points: BTreeSet<&String> = older.trees.keys().chain(newer.trees.keys()).collect();
    let empty = Tree::new();
    let mut differences = vec![];
    for point in points {
        let tree = |snapshot: &Snapshot| snapshot.trees.get(point).unwrap_or(&empty).clone();
        for change in tree(older).diff(&tree(newer)) {
            let kind = match change.kind {
                ChangeKind::Added => "added",
                ChangeKind::Removed => "removed",
                ChangeKind::Modified => "modified",
            };
            differences.push(Difference { path: format!("{point}/{}", change.path), kind });
        }
    }
    differences
}

/// What `verify --json` prints of each snapshot.
#[derive(Debug, Serialize)]
struct Verified {
    id: String,
    names: Vec<String>,
    damage: Vec<String>,
}

/// Reads everything, and says what cannot be read.
pub(super) fn verify(
    session: &Session,
    store: &SnapshotStore,
    args: &VerifyArgs,
) -> anyhow::Result<Status> {
    let only = args.snapshot.as_ref().map(|asked| store.resolve(asked)).transpose()?;
    let (all, problems) = store.list()?;
    warn(session, &problems);
    let mut verified = vec![];
    for StoredSnapshot { id, names, .. } in all {
        if only.is_none_or(|only| only == id) {
            let damage = match store.salvage(id) {
                Ok((.., damage)) => damage.iter().map(with_causes).collect(),
                Err(error) => vec![with_causes(&error)],
            };
            verified.push(Verified { id: id.to_string(), names, damage });
        }
    }
    let n_damaged = verified.iter().filter(|it| !it.damage.is_empty()).count();
    if session.printer.is_json() {
        session.printer.json(&verified);
    } else {
        for line in verified.iter().flat_map(|it| &it.damage) {
            session.printer.result(line);
        }
        session.printer.result(format_args!("{n_damaged} of {} snapshots damaged", verified.len()));
    }
    Ok(if n_damaged == 0 && problems.is_empty() { Status::Done } else { Status::No })
}

/// Returns an error with what caused it, in one line.
pub(super) fn with_causes(error: &StoreError) -> String {
    format!("{:#}", anyhow::Error::msg(causes(error)))
}

fn causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", causes(source)),
        None => error.to_string(),
    }
}

fn warn(session: &Session, problems: &[StoreError]) {
    for problem in problems {
        session.printer.warning(format_args!("{}", causes(problem)));
        if let Some(hint) = problem.hint() {
            session.printer.status(format_args!("{}", hint::line(hint)));
        }
    }
}

fn time(ms: u64) -> String {
    let timestamp =
        i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map(|it| it.strftime("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

/// Returns a command as one line of at most 60 characters.
fn one_line(command: &[String]) -> String {
    let text = command.join(" ");
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((end, _)) = line.char_indices().nth(60) {
        line.truncate(end);
        line.push_str("...");
    }
    line
}
