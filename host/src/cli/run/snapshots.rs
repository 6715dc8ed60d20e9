//! `--from` and `--snapshot`: where the files of a run come from, and where they are kept.

use super::{RunArgs, mounts::Copied};
use crate::cli::{session::Session, snapshot::now_ms};
use anyhow::Context as _;
use playpen_runtime::{
    Mount, Sandbox, Tree,
    store::{ObjectId, SaveOptions},
};
use serde::Serialize;

/// The mounts that every sandbox has: what a snapshot has there takes the place of what is new.
const STANDARD: &[&str] = &["/home", "/tmp"];

/// A snapshot that a run starts from.
#[derive(Debug)]
pub(super) struct Origin {
    id: ObjectId,
    /// The directory that commands started in.
    pub(super) cwd: Option<String>,
    image: Option<String>,
    /// Trees of the mounts that every sandbox has.
    standard: Vec<(String, Tree)>,
    /// The other trees.
    trees: Vec<(String, Tree)>,
}

/// The snapshot that was taken, as results report it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Taken {
    pub(super) id: ObjectId,
    pub(super) name: String,
}

impl Origin {
    /// Reads the snapshot that the arguments name, if they name one.
    pub(super) fn load(session: &Session, args: &RunArgs) -> anyhow::Result<Option<Self>> {
        let Some(asked) = &args.from else { return Ok(None) };
        let store = session.snapshots()?;
        let id = store.resolve(asked)?;
        let (snapshot, record) = store.load(id)?;
        let is_standard = |(point, _): &(String, Tree)| STANDARD.contains(&point.as_str());
        let (standard, trees) = snapshot.trees.into_iter().partition(is_standard);
        Ok(Some(Self { id, cwd: record.cwd, image: record.image, standard, trees }))
    }

    /// Returns the id of the snapshot.
    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }

    /// Returns the mounts, and what is in them, for showing what changed.
    pub(super) fn mounts(&self) -> (Vec<Mount>, Vec<Copied>) {
        let mount = |(point, tree): &(String, Tree)| Mount::tree(point.clone(), tree.clone());
        let copied = |(point, tree): &(String, Tree)| Copied {
            guest: point.clone(),
            host: point.into(),
            dir: None,
            base: tree.clone(),
            log: None,
            skip_names: vec![],
        };
        (self.trees.iter().map(mount).collect(), self.trees.iter().map(copied).collect())
    }

    /// Puts the trees of `/tmp` and `/home` in place.
    pub(super) fn restore(&self, session: &Session, sandbox: &Sandbox, image: &str) {
        for (point, tree) in &self.standard {
            sandbox.replace_tree(point, tree.clone());
        }
        if self.image.as_deref().is_some_and(|taken_with| taken_with != image) {
            session.printer.warning(format_args!("the snapshot was taken with another image"));
        }
    }
}

/// Keeps the files as they are now, if the arguments say so.
pub(super) fn take(
    session: &Session,
    args: &RunArgs,
    sandbox: &Sandbox,
    origin: Option<&Origin>,
    cwd: &str,
    image: &str,
) -> anyhow::Result<Option<Taken>> {
    let Some(name) = &args.snapshot else { return Ok(None) };
    let options = SaveOptions {
        created_ms: now_ms(),
        parent: origin.map(|origin| origin.id),
        command: args.command.clone(),
        image: Some(image.to_owned()),
        cwd: Some(cwd.to_owned()),
        name: Some(name.clone()),
    };
    let saved = session
        .snapshots()?
        .save(&sandbox.snapshot_of_changes(), options)
        .with_context(|| format!("failed to keep snapshot `{name}`"))?;
    Ok(Some(Taken { id: saved.id, name: name.clone() }))
}
