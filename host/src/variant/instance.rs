//! Data sets of bugs: instances in the shape of SWE-bench, one repository with their base commits, and what
//! is needed to check them again.
//!
//! ```text
//!   OUTPUT/instances.jsonl   one instance a line, the fields of SWE-bench and no others
//!   OUTPUT/metadata.jsonl    for each instance: what was changed, how hard it may be
//!   OUTPUT/dataset.json      the project, how its tests are run, and where the candidates went
//!   OUTPUT/repo.git          a bare repository: one branch for each instance, each a single commit
//!   OUTPUT/packages          other packages that the tests need
//! ```
//!
//! The variants of a run leave the same files, but for the metadata, in `RUN/variants/VARIANT`.
//!
//! A base commit is the project with the bug and without the tests that see it; it has no parent, so that no
//! history leads to the fix. `test_patch` brings the tests, `patch` takes the bug away.

use playpen_runtime::{EntryKind, Tree};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use super::{
    edits::{self, apply},
    error::VariantError,
    procedural::{Bug, Difficulty, Funnel, Procedural},
    repository::Repository,
};
use crate::{
    context::Context,
    record::{json_line, unified_diff, write_file, write_json},
    rollout::git,
    verify::parse::is_python,
};

mod check;
pub use check::{CheckReport, InstanceCheck, check};

/// When instances were made, as far as they tell: the time of their base commits.
pub(super) const CREATED_AT: &str = "2026-01-01T00:00:00Z";

/// The version of projects that were made from nothing.
pub(super) const RUN_VERSION: &str = "0";

/// Failures that a problem statement tells of.
const MAX_TOLD_FAILURES: usize = 5;

/// Characters of a failure that a problem statement tells.
const MAX_TOLD_CHARS: usize = 300;

/// An instance, with the fields of `SWE-bench` (version 5 of its package).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// `OWNER__NAME-ID`.
    pub instance_id: String,
    /// `OWNER/NAME`.
    pub repo: String,
    /// The commit to start from.
    pub base_commit: String,
    /// The diff that takes the bug away.
    pub patch: String,
    /// The diff that brings the tests.
    pub test_patch: String,
    /// What a user would report.
    pub problem_statement: String,
    /// Always empty.
    pub hints_text: String,
    /// RFC 3339.
    pub created_at: String,
    /// The project's version.
    pub version: String,
    /// Ids of tests, a JSON list as text.
    #[serde(rename = "FAIL_TO_PASS")]
    pub fail_to_pass: String,
    /// Ids of tests, a JSON list as text.
    #[serde(rename = "PASS_TO_PASS")]
    pub pass_to_pass: String,
    /// The commit whose environment is used: the base commit.
    pub environment_setup_commit: String,
}

impl Instance {
    /// Returns the tests that fail with the bug and those that do not.
    ///
    /// # Errors
    ///
    /// Fails if they are not lists as text.
    pub fn tests(&self) -> Result<(BTreeSet<String>, BTreeSet<String>), serde_json::Error> {
        Ok((serde_json::from_str(&self.fail_to_pass)?, serde_json::from_str(&self.pass_to_pass)?))
    }
}

/// What is known of an instance besides.
#[derive(Clone, Debug, Serialize)]
struct Metadata<'a> {
    instance_id: &'a str,
    kind: &'static str,
    difficulty: Difficulty,
    places: Vec<Place<'a>>,
}

#[derive(Clone, Debug, Serialize)]
struct Place<'a> {
    path: &'a str,
    #[serde(flatten)]
    site: &'a edits::Site,
}

/// An instance that a variant poses, with the commits that it names.
#[derive(Clone, Debug)]
pub struct Posed {
    /// The instance.
    pub instance: Instance,
    /// The repository at its base commit.
    pub base: Tree,
    /// The repository with the solution, where the instance names its commit too.
    pub reference: Option<Tree>,
}

/// The project of a data set.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct DataSet {
    format_version: u32,
    /// `procedural`, or the variant.
    #[serde(default)]
    kind: String,
    name: String,
    version: String,
    test_paths: Vec<String>,
    n_instances: usize,
    tests_left_out: BTreeMap<String, String>,
    #[serde(default, skip_deserializing)]
    funnel: Option<Funnel>,
}

/// A commit with everything that belongs to it.
#[derive(Debug)]
struct Base {
    shown: Tree,
    committed: Tree,
    commit: String,
}

/// Makes the folder for a data set; to be called before the work whose result it is for.
///
/// # Errors
///
/// Fails if there is a data set in it already, or if it cannot be made.
pub fn prepare(output: &Path) -> Result<(), VariantError> {
    fs_err::create_dir_all(output)
        .map_err(|source| VariantError::Folder { path: output.to_owned(), source })?;
    if output.join("instances.jsonl").exists() {
        return Err(VariantError::Exists { path: output.to_owned() });
    }
    Ok(())
}

/// Writes the data set of `made` to `output`.
///
/// # Errors
///
/// Fails if there is one already, if something cannot be written, or if the host fails.
pub async fn write(
    ctx: &Context,
    repository: &Repository,
    made: &Procedural,
    output: &Path,
) -> Result<Vec<Instance>, VariantError> {
    prepare(output)?;
    let (mut posed, mut metadata) = (vec![], String::new());
    for bug in &made.bugs {
        let id = format!("playpen__{}-{}", repository.name, bug.digest());
        let base = base(ctx, repository, made, bug).await?;
        let instance = instance(repository, bug, &base, &id)?;
        let _ = writeln!(metadata, "{}", describe(&id, bug));
        posed.push(Posed { instance, base: base.committed, reference: None });
    }
    write_file(&output.join("metadata.jsonl"), metadata.as_bytes())?;
    let left_out = made.baseline.left_out.iter().map(|(id, why)| (id.clone(), (*why).to_owned()));
    let data_set = DataSet {
        format_version: 1,
        kind: "procedural".to_owned(),
        name: repository.name.clone(),
        version: repository.version.clone(),
        test_paths: repository.test_paths.clone(),
        n_instances: posed.len(),
        tests_left_out: left_out.collect(),
        funnel: Some(made.funnel.clone()),
    };
    write_set(output, &data_set, &repository.packages, &posed)?;
    Ok(posed.into_iter().map(|posed| posed.instance).collect())
}

/// Writes the instances that a variant of a run posed as a data set, in the folder of the variant.
pub(super) fn write_posed(
    output: &Path,
    variant: &str,
    name: &str,
    posed: &[Posed],
) -> Result<(), VariantError> {
    let data_set = DataSet {
        format_version: 1,
        kind: variant.to_owned(),
        name: name.to_owned(),
        version: RUN_VERSION.to_owned(),
        test_paths: vec!["tests".to_owned()],
        n_instances: posed.len(),
        tests_left_out: BTreeMap::new(),
        funnel: None,
    };
    write_set(output, &data_set, &Tree::new(), posed)
}

/// Writes instances, the repository with their commits, and the packages that the tests need.
fn write_set(
    output: &Path,
    data_set: &DataSet,
    packages: &Tree,
    posed: &[Posed],
) -> Result<(), VariantError> {
    let mut git = Tree::new();
    let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
    git.write("config", config, 0o644)?;
    let mut lines = String::new();
    for Posed { instance, base, reference } in posed {
        adopt(&mut git, base, &instance.instance_id)?;
        if let Some(reference) = reference {
            adopt(&mut git, reference, &format!("{}-reference", instance.instance_id))?;
        }
        let _ = writeln!(lines, "{}", json_line(instance));
    }
    if let Some(first) = posed.first() {
        let id = &first.instance.instance_id;
        git.write("HEAD", format!("ref: refs/heads/{id}\n"), 0o644)?;
    }
    export(&git, &output.join("repo.git"))?;
    export(packages, &output.join("packages"))?;
    write_json(&output.join("dataset.json"), data_set)?;
    // Last: with it, the data set is whole.
    Ok(write_file(&output.join("instances.jsonl"), lines.as_bytes())?)
}

fn describe(id: &str, bug: &Bug) -> String {
    let places = bug.places.iter().map(|(path, site)| Place { path, site }).collect();
    let kind = if bug.places.len() == 1 { "procedural" } else { "combine" };
    let metadata = Metadata { instance_id: id, kind, difficulty: bug.difficulty(), places };
    json_line(&metadata)
}

/// Makes the commit that an instance starts from.
async fn base(
    ctx: &Context,
    repository: &Repository,
    made: &Procedural,
    bug: &Bug,
) -> Result<Base, VariantError> {
    let mut shown = with_bug(repository, bug)?;
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in &bug.fail_to_pass {
        let (path, name) = id.split_once("::").unwrap_or((id, ""));
        if repository.sources.contains(path) {
            // A test in a docstring: it goes with the source.
            continue;
        }
        if !is_python(path) {
            // A document with examples in it.
            shown.remove(path)?;
            continue;
        }
        let name = name.split('[').next().unwrap_or(name);
        names.entry(path.to_owned()).or_default().insert(name.to_owned());
    }
    let removed = edits::without(&made.baseline.suite.fork(None), &names).await?;
    for (path, (edits, missing)) in removed {
        if missing.is_empty() {
            let data = apply(&shown.read(&path)?, &edits);
            shown.write(&path, data, mode_of(&repository.tree, &path))?;
        } else {
            // A test that another class or module brings: only without the file it is not there.
            shown.remove(&path)?;
        }
    }
    let message = format!("Import {} {}", repository.name, repository.version);
    let committed = git::commit(ctx, &shown, &message, 0).await?;
    let commit = commit_of(&committed)?;
    Ok(Base { shown, committed, commit })
}

/// Returns the commit that a repository is at.
pub(super) fn commit_of(tree: &Tree) -> Result<String, VariantError> {
    let text =
        |path: &str| tree.read(path).map(|data| String::from_utf8_lossy(&data).trim().to_owned());
    let head = text(".git/HEAD")?;
    Ok(match head.strip_prefix("ref: ") {
        Some(name) => text(&format!(".git/{name}"))?,
        None => head,
    })
}

/// Returns the project as it came, with the bug.
fn with_bug(repository: &Repository, bug: &Bug) -> Result<Tree, VariantError> {
    let mut by_file: BTreeMap<&String, Vec<edits::Edit>> = BTreeMap::new();
    for (path, site) in &bug.places {
        by_file.entry(path).or_default().push(site.edit.clone());
    }
    let mut tree = repository.tree.clone();
    for (path, edits) in by_file {
        tree = edits::edited(&tree, path, &edits)?;
    }
    Ok(tree)
}

fn mode_of(tree: &Tree, path: &str) -> u32 {
    tree.walk().into_iter().find(|entry| entry.path == path).map_or(0o644, |entry| entry.mode)
}

/// Takes the objects of a commit into the common repository, with a branch for it.
fn adopt(git: &mut Tree, committed: &Tree, branch: &str) -> Result<(), VariantError> {
    for entry in committed.walk() {
        let Some(path) = entry.path.strip_prefix(".git/") else { continue };
        if path.starts_with("objects/") && entry.kind == EntryKind::File && !git.exists(path) {
            git.write(path, committed.read(&entry.path)?, 0o644)?;
        }
    }
    git.write(&format!("refs/heads/{branch}"), format!("{}\n", commit_of(committed)?), 0o644)?;
    Ok(())
}

fn instance(
    repository: &Repository,
    bug: &Bug,
    base: &Base,
    id: &str,
) -> Result<Instance, VariantError> {
    let mut fixed = base.shown.clone();
    for path in bug.places.iter().map(|(path, _)| path).collect::<BTreeSet<_>>() {
        fixed.write(path, repository.tree.read(path)?, mode_of(&repository.tree, path))?;
    }
    let list = |ids: &BTreeSet<String>| serde_json::to_string(ids).expect("texts are JSON");
    Ok(Instance {
        instance_id: id.to_owned(),
        repo: format!("playpen/{}", repository.name),
        base_commit: base.commit.clone(),
        patch: unified_diff(&base.shown, &fixed),
        test_patch: unified_diff(&fixed, &repository.tree),
        problem_statement: statement(repository, bug),
        hints_text: String::new(),
        created_at: CREATED_AT.to_owned(),
        version: repository.version.clone(),
        fail_to_pass: list(&bug.fail_to_pass),
        pass_to_pass: list(&bug.pass_to_pass),
        environment_setup_commit: base.commit.clone(),
    })
}

/// Says what was seen, and not where it comes from.
fn statement(repository: &Repository, bug: &Bug) -> String {
    let name = &repository.name;
    let n = bug.fail_to_pass.len();
    let checks = if n == 1 { "one check fails".to_owned() } else { format!("{n} checks fail") };
    let mut text = format!("{name} {}: {checks} that passed before\n\n", repository.version);
    let _ = writeln!(text, "Something in {name} no longer does what it should. What was seen:\n");
    for (id, (exception, message)) in bug.failures.iter().take(MAX_TOLD_FAILURES) {
        let test = id.rsplit("::").next().unwrap_or(id);
        let message: String = message.chars().take(MAX_TOLD_CHARS).collect();
        let how = match (message.is_empty(), message.starts_with(exception.as_str())) {
            (true, _) => exception.clone(),
            (false, true) => message,
            (false, false) => format!("{exception}: {message}"),
        };
        let _ = writeln!(text, "- `{test}`: {how}");
    }
    if bug.failures.len() > MAX_TOLD_FAILURES {
        let _ = writeln!(text, "- and {} more", bug.failures.len() - MAX_TOLD_FAILURES);
    }
    text.push_str(
        "\nThese checks are not part of the repository. Find the cause in the source and correct it, so \
         that everything else goes on to work as it does now.\n",
    );
    text
}

fn export(tree: &Tree, folder: &Path) -> Result<(), VariantError> {
    let failed = |source| VariantError::Folder { path: folder.to_owned(), source };
    fs_err::create_dir_all(folder).map_err(failed)?;
    let dir =
        cap_std::fs::Dir::open_ambient_dir(folder, cap_std::ambient_authority()).map_err(failed)?;
    tree.export(&dir).map_err(|source| VariantError::Export { path: folder.to_owned(), source })
}
