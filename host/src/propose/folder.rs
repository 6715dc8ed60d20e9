//! A project on disk, and which of its steps are finished.
//!
//! ```text
//!   OUTPUT/REPO_NAME/        a git repository
//!       project.json         step `projects`
//!       tasks.md tasks.json  step `tasks`
//!       image.toml           step `setup`, written last
//!       ...                  the repository that the agent made
//!       tests/X.Y.Z.md       step `test-docs`, one for each task
//!   OUTPUT/.playpen/REPO_NAME/setup-N.json    trajectories of the set-up
//! ```
//!
//! A step is finished when its last file is there: files are written whole or not at all, so a run that
//! is killed at any point finds on the next start what it had paid for.

use super::ProposeError;
use crate::{
    project::{Project, Severity, TaskDocument, TaskFile, TaskIssue, TaskNumber, render_markdown},
    record::{write_file, write_json},
    rollout::without_times,
};
use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{ImportOptions, Tree};
use std::path::{Path, PathBuf};

/// The longest file of a project that is read. Answers a folder that is no project.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// The most folders that are looked at for projects.
const MAX_FOLDERS: usize = 100_000;

/// The folder of one project.
#[derive(Clone, Debug)]
pub(super) struct ProjectFolder {
    path: PathBuf,
}

impl ProjectFolder {
    pub(super) fn new(path: PathBuf) -> ProjectFolder {
        ProjectFolder { path }
    }

    /// Returns the folders with a project in `output`, sorted by name; `output` itself if it is one.
    pub(super) fn all_in(output: &Path) -> Result<Vec<ProjectFolder>, ProposeError> {
        if output.join("project.json").is_file() {
            return Ok(vec![ProjectFolder::new(output.to_owned())]);
        }
        let paths = list(output)?;
        Ok(paths
            .into_iter()
            .filter(|path| path.join("project.json").is_file())
            .map(ProjectFolder::new)
            .collect())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where records of this project lie, outside of its repository.
    pub(super) fn records(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default();
        self.path.parent().unwrap_or(&self.path).join(".playpen").join(name)
    }

    pub(super) fn project(&self) -> Result<Project, ProposeError> {
        let path = self.path.join("project.json");
        serde_json::from_str(&read(&path)?)
            .map_err(|source| ProposeError::ProjectFile { path, source })
    }

    pub(super) fn write_project(&self, project: &Project) -> Result<(), ProposeError> {
        create_dir(&self.path)?;
        Ok(write_json(&self.path.join("project.json"), project)?)
    }

    /// Returns the tasks and what is odd about them, or `None` if the step is not finished.
    pub(super) fn tasks(&self) -> Result<Option<(TaskDocument, Vec<TaskIssue>)>, ProposeError> {
        let path = self.path.join("tasks.json");
        if !path.is_file() {
            return Ok(None);
        }
        let text = read(&path)?;
        let (file, issues) =
            TaskFile::from_json(&text).map_err(|source| ProposeError::TaskFile { path, source })?;
        let is_usable = issues.iter().all(|issue| issue.severity() == Severity::Note);
        Ok(is_usable.then_some((file.document, issues)))
    }

    pub(super) fn write_tasks(
        &self,
        project: &Project,
        document: &TaskDocument,
    ) -> Result<(), ProposeError> {
        write_file(&self.path.join("tasks.md"), render_markdown(document).as_bytes())?;
        let json = TaskFile::new(project, document.clone()).to_json();
        Ok(write_file(&self.path.join("tasks.json"), json.as_bytes())?)
    }

    pub(super) fn is_set_up(&self) -> bool {
        self.path.join("image.toml").is_file()
    }

    pub(super) fn has_document(&self, number: TaskNumber) -> bool {
        self.path.join(number.document_path()).metadata().is_ok_and(|metadata| metadata.len() > 0)
    }

    pub(super) fn write_document(
        &self,
        number: TaskNumber,
        text: &str,
    ) -> Result<(), ProposeError> {
        create_dir(&self.path.join("tests"))?;
        Ok(write_file(
            &self.path.join(number.document_path()),
            format!("{}\n", text.trim()).as_bytes(),
        )?)
    }

    /// Returns the files of the project as a tree, without their times, which would reach git's index.
    pub(super) fn import(&self) -> Result<Tree, ProposeError> {
        let imported = Tree::import(&self.dir()?, &ImportOptions::default());
        let tree =
            imported.map_err(|source| ProposeError::Import { path: self.path.clone(), source })?;
        Ok(without_times(&tree))
    }

    /// Writes what differs between two trees of the project.
    pub(super) fn apply(&self, base: &Tree, tree: &Tree) -> Result<(), ProposeError> {
        let applied = tree.apply_to(base, &self.dir()?);
        applied.map_err(|source| ProposeError::Export { path: self.path.clone(), source })
    }

    /// Writes a repository that was set up. `image.toml` comes last: with it the step is finished.
    pub(super) fn write_repository(&self, tree: &Tree) -> Result<(), ProposeError> {
        let image = tree.read("image.toml").expect("the caller put it there");
        let mut rest = tree.clone();
        rest.remove("image.toml").expect("it was read the line above");
        self.apply(&self.import()?, &rest)?;
        Ok(write_file(&self.path.join("image.toml"), &image)?)
    }

    fn dir(&self) -> Result<Dir, ProposeError> {
        let opened = Dir::open_ambient_dir(&self.path, ambient_authority());
        opened.map_err(|source| ProposeError::Folder { path: self.path.clone(), source })
    }
}

/// Returns the projects below a folder whose projects are not to be proposed again: `*/project.json`,
/// and `*.json` as the reference system writes them. Files that are no project are passed over.
pub(super) fn projects_to_avoid(dir: &Path) -> Result<Vec<Project>, ProposeError> {
    let is_json = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    let file = |path: PathBuf| if is_json(&path) { path } else { path.join("project.json") };
    let mut files = vec![dir.join("project.json")];
    files.extend(list(dir)?.into_iter().map(file));
    files.dedup();
    let read = |path: PathBuf| {
        read(&path).ok().and_then(|text| serde_json::from_str::<Project>(&text).ok())
    };
    Ok(files.into_iter().filter_map(read).collect())
}

/// Makes a folder with those above it.
pub(super) fn create_dir(path: &Path) -> Result<(), ProposeError> {
    fs_err::create_dir_all(path)
        .map_err(|source| ProposeError::Folder { path: path.to_owned(), source })
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, ProposeError> {
    let error = |source| ProposeError::Folder { path: dir.to_owned(), source };
    let entries = fs_err::read_dir(dir).map_err(error)?.take(MAX_FOLDERS);
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(error)?;
    paths.retain(|path| {
        path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'))
    });
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, ProposeError> {
    let read = || {
        if fs_err::metadata(path)?.len() > MAX_FILE_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        fs_err::read_to_string(path)
    };
    read().map_err(|source| ProposeError::ReadFile { path: path.to_owned(), source })
}
