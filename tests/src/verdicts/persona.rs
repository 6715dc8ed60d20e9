//! Personas as they are written down; the format is described in `personas/FORMAT.md`.

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};
use walkdir::WalkDir;

/// The folder, beside the personas, whose files are projects.
const PROJECTS: &str = "projects";

/// Where in the pipeline an agent works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Writes tests for code that is not there yet.
    TestWriter,
    /// Makes accepted tests pass.
    Implementer,
    /// Puts a bug into working code.
    BugInjector,
    /// Repairs code without seeing the tests.
    Solver,
    /// Writes tests that a bug fails.
    Reproducer,
    /// Fills the stubs of a library.
    LibraryWriter,
}

impl Stage {
    /// Every stage with its name and the other names by which it is understood.
    const NAMES: [(Stage, &[&str]); 6] = [
        (Stage::TestWriter, &["test_writer", "tests_writer", "tests", "unit_test"]),
        (Stage::Implementer, &["implementer", "implementation", "implement"]),
        (
            Stage::BugInjector,
            &["bug_injector", "swe_injector", "injector", "swt_injector", "issue"],
        ),
        (Stage::Solver, &["solver", "swe_solver", "swe", "fix"]),
        (Stage::Reproducer, &["reproducer", "swt_reproducer", "swt", "reproduce"]),
        (
            Stage::LibraryWriter,
            &["library_writer", "commit0", "commit0_implementer", "commit0_writer"],
        ),
    ];

    /// Returns the stage's name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(stage, _)| *stage == self).expect("each has one").1[0]
    }

    fn parse(text: &str) -> anyhow::Result<Stage> {
        let plain: String = text
            .trim()
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let plain = plain.replace("commit_0", "commit0");
        let found = Self::NAMES.iter().find(|(_, names)| names.contains(&plain.as_str()));
        let known: Vec<&str> = Self::NAMES.iter().map(|(_, names)| names[0]).collect();
        found
            .map(|(stage, _)| *stage)
            .with_context(|| format!("`stage` is `{text}`; it must be one of {}", known.join(", ")))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that an agent does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Runs a command with the tool `bash`.
    Bash(String),
    /// Writes a file, with the tool `edit` if it can, else with a command.
    Write {
        /// The file.
        path: String,
        /// All that is in it.
        text: String,
    },
    /// Replaces a text that occurs once, with the tool `edit`.
    Replace {
        /// The file.
        path: String,
        /// What is there.
        old: String,
        /// What should be there.
        new: String,
    },
    /// Removes a file or folder.
    Delete(String),
    /// Runs tests with the tool `run_tests`.
    Tests(Vec<String>),
    /// Says that it is done.
    Finish(String),
}

/// A scripted agent and the verdict that it should get.
#[derive(Clone, Debug)]
pub struct Persona {
    /// Its name: that of the file, unless it says otherwise.
    pub name: String,
    /// The file it is from.
    pub file: PathBuf,
    /// Where it works.
    pub stage: Stage,
    /// Whether its work should be accepted.
    pub is_accepted: bool,
    /// Kinds of reasons of which at least one should be given; any if empty.
    pub reasons: BTreeSet<String>,
    /// The files of the project.
    pub files: BTreeMap<String, String>,
    /// What differs where the task is done.
    pub solved: BTreeMap<String, String>,
    /// What differs where there is a bug.
    pub buggy: BTreeMap<String, String>,
    /// The tests.
    pub tests: BTreeMap<String, String>,
    /// Tests that should pass afterwards; found out by running them if absent.
    pub fail_to_pass: Option<BTreeSet<String>>,
    /// Tests that should go on passing; found out by running them if absent.
    pub pass_to_pass: Option<BTreeSet<String>>,
    /// Modules that tests may import before they exist.
    pub may_appear: BTreeSet<String>,
    /// What the agent does.
    pub steps: Vec<Step>,
    /// Computing time of one test run, in seconds.
    pub cpu_s: u64,
    /// Time of one call of a tool, in seconds.
    pub tool_s: u64,
}

/// What is in a file of personas.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

/// A section of files.
type Files = BTreeMap<String, String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawProject {
    #[serde(rename = "about")]
    _about: String,
    files: Files,
    solved: Files,
    buggy: Files,
    tests: Files,
    fail_to_pass: Option<BTreeSet<String>>,
    pass_to_pass: Option<BTreeSet<String>>,
    may_appear: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPersona {
    name: Option<String>,
    #[serde(default, rename = "about")]
    _about: String,
    stage: String,
    expect: String,
    #[serde(alias = "reasons")]
    reason: Option<OneOrMore>,
    project: Option<String>,
    #[serde(default)]
    files: Files,
    #[serde(default)]
    solved: Files,
    #[serde(default)]
    buggy: Files,
    #[serde(default)]
    tests: Files,
    fail_to_pass: Option<BTreeSet<String>>,
    pass_to_pass: Option<BTreeSet<String>>,
    #[serde(default)]
    may_appear: BTreeSet<String>,
    #[serde(default, rename = "do", alias = "actions", alias = "steps")]
    steps: Vec<RawStep>,
    #[serde(default = "yes")]
    finish: bool,
    #[serde(default = "default_cpu_s")]
    cpu_s: u64,
    #[serde(default = "default_tool_s")]
    tool_s: u64,
}

fn yes() -> bool {
    true
}

fn default_cpu_s() -> u64 {
    10
}

fn default_tool_s() -> u64 {
    20
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawStep {
    bash: Option<String>,
    write: Option<String>,
    text: Option<String>,
    replace: Option<String>,
    old: Option<String>,
    new: Option<String>,
    delete: Option<OneOrMore>,
    tests: Option<OneOrMore>,
    finish: Option<String>,
}

/// What was found in a folder: personas, and why others could not be read.
#[derive(Debug, Default)]
pub struct Found {
    /// The personas, sorted by name.
    pub personas: Vec<Persona>,
    /// What is wrong with the others.
    pub errors: Vec<anyhow::Error>,
}

/// Reads the personas in a folder and the folders in it.
///
/// # Errors
///
/// Fails if the folder cannot be listed, or if there is no file of personas in it.
pub fn read_all(folder: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut n_files = 0;
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let path = entry?.into_path();
        let is_project = path.strip_prefix(folder)?.components().any(|c| c.as_os_str() == PROJECTS);
        if path.extension().is_none_or(|extension| extension != "toml") || is_project {
            continue;
        }
        n_files += 1;
        match read(&path, folder) {
            Ok(personas) => found.personas.extend(personas),
            Err(error) => found.errors.push(error),
        }
    }
    ensure!(n_files > 0, "there is no file of personas (`*.toml`) in `{}`", folder.display());
    found.personas.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Reads one file: one persona, or several under `[[persona]]`.
fn read(path: &Path, root: &Path) -> anyhow::Result<Vec<Persona>> {
    let text = fs_err::read_to_string(path)?;
    let in_file = || format!("failed to read personas from `{}`", path.display());
    let table: toml::Table = text.parse().with_context(in_file)?;
    let several = table.get("persona").and_then(toml::Value::as_array).cloned();
    let tables: Vec<toml::Value> = several.unwrap_or_else(|| vec![toml::Value::Table(table)]);
    let mut personas = vec![];
    for (number, table) in (1..).zip(tables) {
        let place = || format!("failed to read persona {number} of `{}`", path.display());
        let raw: RawPersona = table.try_into().with_context(place)?;
        personas.push(raw.resolve(path, root, number).with_context(place)?);
    }
    Ok(personas)
}

impl RawPersona {
    fn resolve(self, file: &Path, root: &Path, number: usize) -> anyhow::Result<Persona> {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let by_file = if number == 1 { stem } else { format!("{stem}-{number}") };
        let project = match &self.project {
            Some(name) => read_project(name, file, root)?,
            None => RawProject::default(),
        };
        let over = |mut files: Files, more: Files| -> Files {
            files.extend(more);
            files
        };
        let mut steps: Vec<Step> = vec![];
        for (number, step) in (1..).zip(self.steps) {
            let step = step.resolve().with_context(|| format!("in step {number} of `do`"))?;
            steps.push(step);
        }
        let is_finished = steps.iter().any(|step| matches!(step, Step::Finish(_)));
        if self.finish && !is_finished {
            steps.push(Step::Finish("done".to_owned()));
        }
        let mut may_appear = project.may_appear;
        may_appear.extend(self.may_appear);
        let persona = Persona {
            name: self.name.unwrap_or(by_file),
            file: file.to_owned(),
            stage: Stage::parse(&self.stage)?,
            is_accepted: parse_expect(&self.expect)?,
            reasons: self.reason.map_or_else(Vec::new, OneOrMore::into_vec).into_iter().collect(),
            files: over(project.files, self.files),
            solved: over(project.solved, self.solved),
            buggy: over(project.buggy, self.buggy),
            tests: over(project.tests, self.tests),
            fail_to_pass: self.fail_to_pass.or(project.fail_to_pass),
            pass_to_pass: self.pass_to_pass.or(project.pass_to_pass),
            may_appear,
            steps,
            cpu_s: self.cpu_s,
            tool_s: self.tool_s,
        };
        persona.check()?;
        Ok(persona)
    }
}

impl Persona {
    /// Refuses what cannot be played.
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.files.is_empty() || !self.solved.is_empty(),
            "there are no `files`: name a `project`, or write them"
        );
        let needs_bug = matches!(self.stage, Stage::Solver | Stage::Reproducer);
        ensure!(
            !needs_bug || !self.buggy.is_empty(),
            "stage `{}` needs `buggy`: the files that have the bug",
            self.stage
        );
        let needs_tests = !matches!(self.stage, Stage::TestWriter | Stage::Reproducer);
        let has_tests = self.files.keys().any(|path| path.starts_with("tests/"));
        ensure!(
            !needs_tests || has_tests || !self.tests.is_empty(),
            "stage `{}` needs `tests`: files below `tests/`",
            self.stage
        );
        let sections = [&self.files, &self.solved, &self.buggy, &self.tests];
        for path in sections.into_iter().flat_map(BTreeMap::keys) {
            let is_plain = !path.starts_with('/')
                && path.split('/').all(|part| !part.is_empty() && part != ".." && part != ".");
            ensure!(is_plain, "`{path}` is not a plain path relative to the project");
        }
        Ok(())
    }
}

fn parse_expect(text: &str) -> anyhow::Result<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "accept" | "accepted" | "keep" => Ok(true),
        "reject" | "rejected" | "refuse" | "drop" => Ok(false),
        _ => bail!("`expect` is `{text}`; it must be `accept` or `reject`"),
    }
}

impl RawStep {
    fn resolve(self) -> anyhow::Result<Step> {
        let Self { bash, write, text, replace, old, new, delete, tests, finish } = self;
        let needs = |value: Option<String>, key: &str, of: &str| {
            value.with_context(|| format!("`{of}` needs `{key}`"))
        };
        match (bash, write, replace, delete, tests, finish) {
            (Some(command), None, None, None, None, None) => Ok(Step::Bash(command)),
            (None, Some(path), None, None, None, None) => {
                Ok(Step::Write { path, text: needs(text, "text", "write")? })
            }
            (None, None, Some(path), None, None, None) => Ok(Step::Replace {
                path,
                old: needs(old, "old", "replace")?,
                new: needs(new, "new", "replace")?,
            }),
            (None, None, None, Some(paths), None, None) => {
                Ok(Step::Delete(paths.into_vec().join(" ")))
            }
            (None, None, None, None, Some(paths), None) => Ok(Step::Tests(paths.into_vec())),
            (None, None, None, None, None, Some(message)) => Ok(Step::Finish(message)),
            _ => bail!(
                "a step is exactly one of `bash`, `write` (with `text`), `replace` (with `old` and \
                 `new`), `delete`, `tests`, `finish`"
            ),
        }
    }
}

/// Reads a project by its name, or by a path relative to the persona's file.
fn read_project(name: &str, file: &Path, root: &Path) -> anyhow::Result<RawProject> {
    let beside = file.parent().unwrap_or(root);
    let places = [
        root.join(PROJECTS).join(format!("{name}.toml")),
        beside.join(PROJECTS).join(format!("{name}.toml")),
        beside.join(format!("{name}.toml")),
        beside.join(name),
    ];
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        bail!("there is no project `{name}`: looked for `{}`", places[0].display());
    };
    let text = fs_err::read_to_string(path)?;
    let project: RawProject = toml::from_str(&text)
        .with_context(|| format!("failed to read project `{}`", path.display()))?;
    Ok(project)
}
