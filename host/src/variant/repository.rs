//! A Python project as a tree: what is source, what is a test, where imports come from.

use playpen_runtime::{EntryKind, ImportOptions, Tree};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::error::VariantError;
use crate::{agent::WORKSPACE, rollout::without_times, verify::parse::is_test_module};

/// Names that are not part of a project, wherever they appear.
const SKIPPED: [&str; 13] = [
    ".git",
    ".hg",
    ".svn",
    ".tox",
    ".nox",
    ".venv",
    "venv",
    "node_modules",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".eggs",
];

/// Folders at the top of a project whose Python is not the project's own code.
const ASIDE: [&str; 10] = [
    "doc",
    "docs",
    "example",
    "examples",
    "benchmark",
    "benchmarks",
    "bench",
    "scripts",
    "tools",
    "build",
];

/// Where other packages are in the sandbox.
pub const PACKAGES: &str = "/packages";

/// A project.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Its version; `0` if it does not say.
    pub version: String,
    /// Its files, all of them with the same times.
    pub tree: Tree,
    /// Other packages that it needs.
    pub packages: Tree,
    /// Python files that may be changed.
    pub sources: BTreeSet<String>,
    /// What pytest is given to look at.
    pub test_paths: Vec<String>,
}

impl Repository {
    /// Reads the project in `folder`.
    ///
    /// `packages` is a folder with what it imports besides the standard library; `tests` says where its
    /// tests are, where that cannot be seen.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be read.
    pub fn load(
        folder: &Path,
        packages: Option<&Path>,
        tests: &[String],
    ) -> Result<Repository, VariantError> {
        let tree = without_times(&import(folder)?);
        let packages = packages.map_or_else(|| Ok(Tree::new()), import)?;
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder));
        let fallback = absolute.file_name().map(|name| name.to_string_lossy().into_owned());
        Repository::new(tree, without_times(&packages), tests, &fallback.unwrap_or_default())
    }

    /// Makes a project of a tree.
    ///
    /// # Errors
    ///
    /// Fails if the tree cannot be changed.
    pub fn new(
        tree: Tree,
        mut packages: Tree,
        tests: &[String],
        fallback: &str,
    ) -> Result<Repository, VariantError> {
        let (name, version) = identity(&tree);
        let name = name.unwrap_or_else(|| plain(fallback));
        let version = version.unwrap_or_else(|| "0".to_owned());
        if let Ok(metadata) = tree.read("PKG-INFO") {
            // Code that asks for its own version finds it, as if the project were installed.
            let folder = format!("{}-{version}.dist-info", name.replace('-', "_"));
            packages.write(&format!("{folder}/METADATA"), metadata, 0o644)?;
        }
        let python: Vec<String> = tree
            .walk()
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::File && has_suffix(&entry.path, "py"))
            .map(|entry| entry.path)
            .collect();
        let test_paths = if tests.is_empty() { find_tests(&python) } else { tests.to_vec() };
        let below = |path: &str| {
            test_paths.iter().any(|test| {
                let test = test.trim_end_matches('/');
                path.strip_prefix(test).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let sources =
            python.iter().filter(|path| is_source(path) && !below(path)).cloned().collect();
        Ok(Repository { name, version, tree, packages, sources, test_paths })
    }
}

/// Returns the folders that imports come from, first things first, where `tree` is the workspace.
pub(super) fn sys_path(tree: &Tree) -> Vec<String> {
    let mut paths = vec![WORKSPACE.to_owned()];
    if tree.exists("src") {
        paths.push(format!("{WORKSPACE}/src"));
    }
    paths.push(PACKAGES.to_owned());
    paths
}

/// Reads a folder but for what is no part of a project.
fn import(folder: &Path) -> Result<Tree, VariantError> {
    let skip_names = SKIPPED.iter().map(|name| (*name).to_owned()).collect();
    import_but(folder, skip_names)
}

/// Reads a folder whole.
pub(super) fn import_all(folder: &Path) -> Result<Tree, VariantError> {
    import_but(folder, vec![])
}

fn import_but(folder: &Path, skip_names: Vec<String>) -> Result<Tree, VariantError> {
    let dir = cap_std::fs::Dir::open_ambient_dir(folder, cap_std::ambient_authority())
        .map_err(|source| VariantError::Folder { path: folder.to_owned(), source })?;
    let options = ImportOptions { skip_names, ..ImportOptions::default() };
    Tree::import(&dir, &options)
        .map_err(|source| VariantError::Import { path: folder.to_owned(), source })
}

/// Returns whether a Python file is the project's own code.
fn is_source(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    let is_aside =
        parts.first().is_some_and(|first| ASIDE.contains(first) || first.starts_with('.'));
    let is_helper =
        ["conftest.py", "setup.py", "noxfile.py", "tasks.py", "__main__.py"].contains(&name);
    !is_aside
        && !is_helper
        && !is_test_module(path)
        && !parts.iter().any(|part| is_test_folder(part))
}

fn is_test_folder(name: &str) -> bool {
    matches!(name, "tests" | "test" | "testing")
}

/// Finds what to give to pytest: the topmost folders of tests, or test modules on their own.
fn find_tests(python: &[String]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for path in python.iter().filter(|path| is_test_module(path)) {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.first().is_some_and(|first| ASIDE.contains(first)) {
            continue;
        }
        let folder = parts.iter().position(|part| is_test_folder(part));
        found.insert(folder.map_or_else(|| path.clone(), |idx| parts[..=idx].join("/")));
    }
    found.into_iter().collect()
}

/// Returns what a project says of its name and version.
fn identity(tree: &Tree) -> (Option<String>, Option<String>) {
    let text =
        |path: &str| tree.read(path).ok().map(|data| String::from_utf8_lossy(&data).into_owned());
    if let Some(text) = text("PKG-INFO") {
        let field = |name: &str| {
            let line = text
                .lines()
                .take_while(|line| !line.is_empty())
                .find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        return (field("Name:").map(|name| plain(&name)), field("Version:"));
    }
    let project: Option<toml::Table> = text("pyproject.toml").and_then(|text| text.parse().ok());
    let project = project.as_ref().and_then(|table| table.get("project"));
    let field = |name: &str| Some(project?.get(name)?.as_str()?.to_owned());
    (field("name").map(|name| plain(&name)), field("version"))
}

/// Keeps what may stand in an id.
fn plain(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' })
        .collect();
    if plain.trim_matches(['.', '-']).is_empty() { "project".to_owned() } else { plain }
}

fn has_suffix(path: &str, suffix: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == suffix)
}

#[cfg(test)]
mod tests {
    use super::Repository;
    use playpen_runtime::Tree;

    #[test]
    fn sources_and_tests_are_told_apart() {
        let mut tree = Tree::new();
        for path in [
            "pkg/a.py",
            "pkg/tests/test_a.py",
            "pkg/tests/helper.py",
            "setup.py",
            "docs/conf.py",
            "tests/test_b.py",
            "tests/data/x.py",
            "conftest.py",
            "test_top.py",
        ] {
            tree.write(path, "", 0o644).unwrap();
        }
        tree.write("pyproject.toml", "[project]\nname = \"a/b\"\nversion = \"1.2\"\n", 0o644)
            .unwrap();
        let repository = Repository::new(tree, Tree::new(), &[], "x").unwrap();
        assert_eq!(repository.sources.iter().collect::<Vec<_>>(), ["pkg/a.py"]);
        assert_eq!(repository.test_paths, ["pkg/tests", "test_top.py", "tests"]);
        assert_eq!((repository.name.as_str(), repository.version.as_str()), ("a-b", "1.2"));
    }
}
