//! The sandbox's side: a fork of the imported tree for each action.

use super::{
    Bounds, Ending, GIT_CONFIG, Observed, State, TESTBED, VARIABLES,
    base::{Base, state_in},
    git_state,
};
use anyhow::Context as _;
use playpen_runtime::{
    Engine, Exit, Image, LimitKind, Limits, Mount, Outcome, RunError, Sandbox, Tree,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A sandbox with a tree, of which each action gets a fork.
#[derive(Debug)]
pub struct Sandboxed {
    base: Arc<Base>,
    /// The tree of `base`, with the index of git as the guest's git writes it.
    tree: Tree,
    sandbox: Sandbox,
    scratch: PathBuf,
}

impl Sandboxed {
    /// Makes a sandbox with the tree of `base` at `/testbed`.
    ///
    /// # Errors
    ///
    /// Fails if the image has no place for it.
    pub async fn create(
        engine: &Engine,
        image: &Image,
        base: Arc<Base>,
        scratch: &Path,
    ) -> anyhow::Result<Self> {
        let mut home = Tree::new();
        home.write("user/.gitconfig", GIT_CONFIG, 0o644)?;
        let mut builder = Sandbox::builder(engine, image)
            .mount(Mount::tree(TESTBED, base.tree.clone()))
            .cwd(TESTBED);
        for (name, value) in VARIABLES {
            builder = builder.env(*name, *value);
        }
        let sandbox = builder.build()?;
        anyhow::ensure!(sandbox.replace_tree("/home", home), "the sandbox has no `/home`");
        if base.has_git() {
            // As on the native side: the index learns the inode numbers of this copy.
            let args = ["-c", "git status"];
            let _status = sandbox.command("bash").args(args).output().await;
        }
        let tree = sandbox.tree(TESTBED).context("the tree is not where it was mounted")?;
        Ok(Self { base, tree, sandbox, scratch: scratch.to_owned() })
    }

    /// Runs a command in a fork.
    ///
    /// # Errors
    ///
    /// Fails if the result cannot be compared because the disk refuses.
    pub async fn run(&self, command: &str, bounds: Bounds) -> anyhow::Result<Observed> {
        let sandbox = self.sandbox.fork(None);
        let limits = Limits {
            wall: bounds.wall,
            cpu: bounds.wall * 2,
            output_bytes: bounds.output_bytes,
            ..Limits::default()
        };
        let run = sandbox.command("bash").args(["-c", command]).limits(limits);
        let outcome = run.output().await;
        let after = sandbox.tree(TESTBED).context("the tree is gone")?;
        let (changed, git) = self.changes(&after)?;
        Ok(observed(outcome, changed, git))
    }

    #[expect(clippy::type_complexity, reason = "both are fields of the result")]
    fn changes(
        &self,
        after: &Tree,
    ) -> anyhow::Result<(BTreeMap<String, State>, Option<BTreeMap<&'static str, String>>)> {
        let differences = self.tree.diff(after);
        if differences.is_empty() {
            return Ok((BTreeMap::new(), None));
        }
        let entries: BTreeMap<String, _> =
            after.walk().into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        let is_about_git = differences.iter().any(|change| git_state::is_inside(&change.path));
        let git = is_about_git.then(|| git_state::read_tree(after, &self.scratch)).transpose()?;
        let changed = differences
            .into_iter()
            .map(|change| {
                let state = state_in(after, entries.get(&change.path));
                (change.path, state)
            })
            .filter(|(path, state)| *state != self.base.state(path))
            .collect();
        Ok((changed, git))
    }
}

fn observed(
    outcome: Result<Outcome, RunError>,
    changed: BTreeMap<String, State>,
    git: Option<BTreeMap<&'static str, String>>,
) -> Observed {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let stderr = error.to_string().into_bytes();
            let took = Duration::ZERO;
            return Observed { ending: Ending::Broken, stdout: vec![], stderr, changed, git, took };
        }
    };
    let ending = match outcome.exit {
        Exit::Limit(LimitKind::Wall | LimitKind::Cpu) => Ending::Deadline,
        Exit::Limit(LimitKind::Output) => Ending::Flood,
        Exit::Limit(_) => Ending::Broken,
        exit => Ending::Code(exit.code().into()),
    };
    let mut stderr = outcome.stderr.to_vec();
    for incident in &outcome.incidents {
        stderr.extend_from_slice(format!("[{incident}]\n").as_bytes());
    }
    let took = Duration::from_micros(outcome.usage.wall_us);
    Observed { ending, stdout: outcome.stdout.to_vec(), stderr, changed, git, took }
}
