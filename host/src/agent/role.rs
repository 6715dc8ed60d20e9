//! Roles: what an agent may do is what its namespace contains.
//!
//! A role is a [`WritePolicy`] on paths of the workspace. The policy is used twice: as rules of the
//! sandbox, where the kernel refuses the access and records it, and by the verifier, which takes
//! from an agent's tree the changes that the policy allows and no others. The second use does not
//! rest on the first.
//!
//! # Invariants
//!
//! * **No role writes `.git/`, the task files, or a module that Python or pytest loads by its name
//!   before any test runs** (`sitecustomize`, `*.pth`, a package named `pytest` ...).
//! * **What is not allowed is refused**: a path that no pattern of an allow list names is read-only.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use playpen_runtime::Rule;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::LazyLock};

/// Where the workspace lies in every sandbox.
pub const WORKSPACE: &str = "/workspace";

/// Paths that no agent writes, whatever its role.
///
/// The modules are those that run before the tests do, or instead of pytest: an agent that can
/// create one decides the outcome of its own verification.
const RESERVED: &[&str] = &[
    ".git/**",
    "project.json",
    "tasks.json",
    "tasks.md",
    "**/*.pth",
    "**/sitecustomize.py",
    "**/sitecustomize/**",
    "**/usercustomize.py",
    "**/usercustomize/**",
    "**/pytest.py",
    "**/pytest/**",
    "**/_pytest.py",
    "**/_pytest/**",
    "**/pluggy.py",
    "**/pluggy/**",
    "**/playpen_report.py",
    "**/playpen_report/**",
];

/// Files that configure how, and on what, the tests run.
const TEST_CONFIGURATION: &[&str] = &[
    "**/conftest.py",
    "**/conftest/**",
    "pyproject.toml",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "setup.cfg",
    "tox.ini",
    "image.toml",
];

/// The tests and their documents.
const TESTS: &[&str] = &["tests/**"];

/// The documents that describe the tests, which are read and not written.
const TEST_DOCUMENTS: &[&str] = &["tests/*.md"];

/// Files that running Python leaves behind. They are never part of what an agent hands in: a
/// compiled file could stand in for a source file that the agent may not write.
const LEFTOVERS: &[&str] =
    &["**/__pycache__/**", "**/*.pyc", "**/*.pyo", "**/.pytest_cache/**", "**/*.egg-info/**"];

/// Returns whether a file is a test, or configures how the tests run: what a verifier takes from the
/// pristine tree and from nowhere else.
pub fn is_of_tests(path: &str) -> bool {
    static PATTERNS: LazyLock<Patterns> =
        LazyLock::new(|| Patterns::new(TESTS.iter().chain(TEST_CONFIGURATION).copied()));
    PATTERNS.matches(path)
}

/// Who an agent is, and so what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgentRole {
    /// Makes the skeleton of a repository: writes everything but `tests/` and the task files.
    Setup,
    /// Turns the description of a task into tests: writes new files under `tests/`.
    TestWriter,
    /// Makes the tests of a task pass: writes everything but `tests/` and test configuration.
    Implementer,
    /// Puts a bug into working code: writes what an implementer may.
    BugInjector,
    /// Repairs code after the report of a bug: writes what an implementer may.
    Solver,
    /// Writes tests that a bug fails: writes under `tests/`, what is there included.
    Reproducer,
    /// Fills the stubs of a library: writes what an implementer may.
    LibraryWriter,
}

impl AgentRole {
    /// Every role.
    pub const ALL: [AgentRole; 7] = [
        AgentRole::Setup,
        AgentRole::TestWriter,
        AgentRole::Implementer,
        AgentRole::BugInjector,
        AgentRole::Solver,
        AgentRole::Reproducer,
        AgentRole::LibraryWriter,
    ];

    /// Returns the role's name in records, prompts and scripts.
    pub fn name(self) -> &'static str {
        match self {
            AgentRole::Setup => "setup",
            AgentRole::TestWriter => "test_writer",
            AgentRole::Implementer => "implementer",
            AgentRole::BugInjector => "bug_injector",
            AgentRole::Solver => "solver",
            AgentRole::Reproducer => "reproducer",
            AgentRole::LibraryWriter => "library_writer",
        }
    }

    /// Returns the rules of the role's namespace.
    pub fn rules(self) -> Vec<Rule> {
        self.policy().rules()
    }

    /// Returns what the role may write.
    pub fn policy(self) -> WritePolicy {
        match self {
            AgentRole::Setup => WritePolicy::all_but(&[RESERVED, TESTS]),
            AgentRole::TestWriter | AgentRole::Reproducer => {
                WritePolicy::only(TESTS, &[RESERVED, TEST_DOCUMENTS])
            }
            AgentRole::Implementer
            | AgentRole::BugInjector
            | AgentRole::Solver
            | AgentRole::LibraryWriter => {
                WritePolicy::all_but(&[RESERVED, TESTS, TEST_CONFIGURATION])
            }
        }
    }
}

impl fmt::Display for AgentRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which paths of the workspace may be written.
///
/// Paths are relative to [`WORKSPACE`], with `/` between their parts.
#[derive(Clone, Debug)]
pub struct WritePolicy {
    only: Option<Patterns>,
    never: Patterns,
    leftovers: Patterns,
}

impl WritePolicy {
    /// Allows every path but those that a pattern of `never` matches.
    pub fn all_but(never: &[&[&str]]) -> WritePolicy {
        WritePolicy {
            only: None,
            never: Patterns::new(never.iter().copied().flatten().copied()),
            leftovers: Patterns::new(LEFTOVERS.iter().copied()),
        }
    }

    /// Allows the paths that a pattern of `only` matches and no pattern of `never`.
    pub fn only(only: &[&str], never: &[&[&str]]) -> WritePolicy {
        WritePolicy { only: Some(Patterns::new(only.iter().copied())), ..Self::all_but(never) }
    }

    /// Returns the patterns of what may be written, if not everything, and of what never may.
    pub fn patterns(&self) -> (Option<Vec<String>>, Vec<String>) {
        (self.only.as_ref().map(|only| only.texts.clone()), self.never.texts.clone())
    }

    /// Makes the policy that has these patterns; those that are none are left out of `only` and
    /// refuse everything in `never`.
    pub fn from_patterns(only: Option<&[String]>, never: &[String]) -> WritePolicy {
        let compiles = |text: &&String| globset::Glob::new(text).is_ok();
        let never = never.iter().map(|text| if compiles(&text) { text.as_str() } else { "**" });
        WritePolicy {
            only: only.map(|only| Patterns::new(only.iter().filter(compiles).map(String::as_str))),
            never: Patterns::new(never),
            leftovers: Patterns::new(LEFTOVERS.iter().copied()),
        }
    }

    /// Makes `paths` read-only, as they are spelled and not as patterns.
    #[must_use]
    pub fn freeze<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> WritePolicy {
        let frozen = paths.into_iter().map(globset::escape);
        self.never = self.never.with(frozen);
        self
    }

    /// Returns whether a file at `path` may be created, changed or removed.
    pub fn may_write(&self, path: &str) -> bool {
        !self.never.matches(path) && self.only.as_ref().is_none_or(|only| only.matches(path))
    }

    /// Returns whether a change at `path` is part of what the agent hands in: it may be written, and
    /// it is not something that running Python leaves behind.
    pub fn accepts(&self, path: &str) -> bool {
        self.may_write(path) && !self.is_leftover(path)
    }

    /// Returns whether `path` is something that running Python leaves behind.
    pub fn is_leftover(&self, path: &str) -> bool {
        self.leftovers.matches(path)
    }

    /// Returns the policy as rules of a sandbox, in which the last rule that matches decides.
    pub fn rules(&self) -> Vec<Rule> {
        let in_workspace = |pattern: &String| format!("{WORKSPACE}/{pattern}");
        let mut rules = vec![];
        if let Some(only) = &self.only {
            rules.push(Rule::read_only(&format!("{WORKSPACE}/**")));
            rules.extend(only.texts.iter().map(|text| Rule::read_write(&in_workspace(text))));
        }
        rules.extend(self.never.texts.iter().map(|text| Rule::read_only(&in_workspace(text))));
        rules.into_iter().map(|rule| rule.expect("the patterns compiled before")).collect()
    }
}

/// Some patterns and what matches them.
#[derive(Clone, Debug)]
struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

impl Patterns {
    /// Compiles patterns as a [`Rule`] does: `*` stays within one part of a path, and `x/**` matches
    /// `x` too.
    fn new(patterns: impl IntoIterator<Item = impl Into<String>>) -> Patterns {
        let texts: Vec<String> = patterns.into_iter().map(Into::into).collect();
        let mut builder = GlobSetBuilder::new();
        for text in texts.iter().flat_map(|text| [Some(text.as_str()), text.strip_suffix("/**")]) {
            let Some(text) = text else { continue };
            let glob = GlobBuilder::new(text).literal_separator(true).build();
            builder.add(glob.expect("the patterns are written here, or are escaped paths"));
        }
        let set = builder.build().expect("each pattern compiled on its own");
        Patterns { texts, set }
    }

    /// Returns these patterns and `more`.
    fn with(self, more: impl IntoIterator<Item = String>) -> Patterns {
        Patterns::new(self.texts.into_iter().chain(more))
    }

    /// Returns whether some pattern matches `path`.
    fn matches(&self, path: &str) -> bool {
        self.set.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::AgentRole;
    use insta::assert_snapshot;

    /// What each role may hand in, for one path of each kind.
    fn table() -> String {
        let paths = [
            "src/store.py",
            "README.md",
            "pyproject.toml",
            "pytest.ini",
            "setup.cfg",
            "tox.ini",
            "conftest.py",
            "pkg/conftest.py",
            "tests",
            "tests/test_1_1_1.py",
            "tests/conftest.py",
            "tests/data/deep/a.bin",
            "tests/1.1.1.md",
            "tests_more/a.py",
            ".git/config",
            ".gitignore",
            "tasks.json",
            "docs/tasks.json",
            "image.toml",
            "sitecustomize.py",
            "src/usercustomize.py",
            "src/evil.pth",
            "pytest/__init__.py",
            "tests/_pytest/__init__.py",
            "src/playpen_report.py",
            "src/pytest_helpers.py",
            "src/__pycache__/a.cpython-313.pyc",
            "tests/__pycache__/a.pyc",
        ];
        let mut table = format!("{:<36} setup  writer implementer\n", "path");
        for path in paths {
            let cells: Vec<&str> = AgentRole::ALL[..3]
                .iter()
                .map(|role| if role.policy().accepts(path) { "yes" } else { "-" })
                .collect();
            let row = format!("{path:<36} {:<6} {:<6} {}\n", cells[0], cells[1], cells[2]);
            table.push_str(&row);
        }
        table
    }

    #[test]
    fn roles_are_what_they_may_write() {
        assert_snapshot!(table(), @r#"
        path                                 setup  writer implementer
        src/store.py                         yes    -      yes
        README.md                            yes    -      yes
        pyproject.toml                       yes    -      -
        pytest.ini                           yes    -      -
        setup.cfg                            yes    -      -
        tox.ini                              yes    -      -
        conftest.py                          yes    -      -
        pkg/conftest.py                      yes    -      -
        tests                                -      yes    -
        tests/test_1_1_1.py                  -      yes    -
        tests/conftest.py                    -      yes    -
        tests/data/deep/a.bin                -      yes    -
        tests/1.1.1.md                       -      -      -
        tests_more/a.py                      yes    -      yes
        .git/config                          -      -      -
        .gitignore                           yes    -      yes
        tasks.json                           -      -      -
        docs/tasks.json                      yes    -      yes
        image.toml                           yes    -      -
        sitecustomize.py                     -      -      -
        src/usercustomize.py                 -      -      -
        src/evil.pth                         -      -      -
        pytest/__init__.py                   -      -      -
        tests/_pytest/__init__.py            -      -      -
        src/playpen_report.py                -      -      -
        src/pytest_helpers.py                yes    -      yes
        src/__pycache__/a.cpython-313.pyc    -      -      -
        tests/__pycache__/a.pyc              -      -      -
        "#);
    }

    #[test]
    fn a_frozen_path_is_a_path_and_not_a_pattern() {
        let policy = AgentRole::TestWriter.policy().freeze(["tests/test_[a].py"]);
        assert!(!policy.may_write("tests/test_[a].py"));
        assert!(policy.may_write("tests/test_a.py"));
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<&str> =
            AgentRole::ALL.iter().map(|role| role.name()).collect();
        assert_eq!(names.len(), AgentRole::ALL.len());
        for role in AgentRole::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
    }
}
