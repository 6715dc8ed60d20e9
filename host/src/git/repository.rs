//! A bare repository that git reads: loose objects and a branch.

use super::object::{Kind, ObjectId, header};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use playpen_runtime::{EntryKind, Tree, TreeEntry};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};
use thiserror::Error;

/// How hard objects are compressed, 0 to 10.
const LEVEL: u8 = 6;

/// Why a repository could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GitError {
    /// The host refused to write.
    #[error("failed to write `{path}` of the repository")]
    Write {
        /// The file in the repository.
        path: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The folder has something else in it.
    #[error("the folder is neither empty nor a bare repository")]
    NotARepository,
    /// There is such a branch, and it would be lost.
    #[error("branch `{branch}` is there already")]
    BranchExists {
        /// Its name.
        branch: String,
    },
    /// A name that git does not take for a branch.
    #[error("`{branch}` cannot be the name of a branch")]
    BadBranch {
        /// The name.
        branch: String,
    },
    /// A file of the tree could not be read.
    #[error("failed to read a file of the snapshot")]
    Read {
        /// Why.
        #[from]
        source: playpen_runtime::TreeError,
    },
}

/// A path that git does not take, and that was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped(pub String);

/// What a commit says about itself.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// The commit before it.
    pub parent: Option<String>,
    /// Seconds since 1970.
    pub seconds: u64,
    /// The message.
    pub message: &'a str,
}

/// Who made the commits: an address that nobody has (RFC 2606).
const IDENTITY: &str = "playpen <playpen@example.invalid>";

/// A bare repository in a folder.
#[derive(Debug)]
pub struct Repository {
    dir: Dir,
}

impl Repository {
    /// Opens the repository in a folder; an empty folder becomes one, with `branch` as its head.
    ///
    /// # Errors
    ///
    /// Fails if there is something else in the folder, or the host refuses a write.
    pub fn open(dir: Dir, branch: &str) -> Result<Self, GitError> {
        check_branch(branch)?;
        let repository = Self { dir };
        let mut entries = repository.dir.entries().map_err(writing("."))?;
        if entries.next().is_none() {
            for folder in
                ["objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"]
            {
                repository.dir.create_dir(folder).map_err(writing(folder))?;
            }
            let config =
                "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";
            repository.write("config", config.as_bytes(), 0o644)?;
            repository.write("HEAD", format!("ref: refs/heads/{branch}\n").as_bytes(), 0o644)?;
        } else if !["HEAD", "objects", "refs"].iter().all(|name| repository.dir.exists(name)) {
            return Err(GitError::NotARepository);
        }
        if repository.has_branch(branch) {
            return Err(GitError::BranchExists { branch: branch.to_owned() });
        }
        Ok(repository)
    }

    fn has_branch(&self, branch: &str) -> bool {
        let name = format!("refs/heads/{branch}");
        let packed = self.dir.read_to_string("packed-refs").unwrap_or_default();
        let mut packed = packed.lines().filter_map(|line| line.split_once(' '));
        self.dir.exists(&name) || packed.any(|(_, other)| other == name)
    }

    /// Commits a tree and returns the name of the commit, and what git cannot hold.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write.
    pub fn commit(
        &self,
        tree: &Tree,
        commit: &Commit<'_>,
    ) -> Result<(String, Vec<Skipped>), GitError> {
        let mut skipped = vec![];
        let root = self.put_tree(tree, &mut skipped)?;
        let Commit { parent, seconds, message } = commit;
        let parent = parent.as_ref().map(|it| format!("parent {it}\n")).unwrap_or_default();
        let who = format!("{IDENTITY} {seconds} +0000");
        let message = message.replace('\0', " ");
        let message = message.trim_end();
        let text = format!("tree {root}\n{parent}author {who}\ncommitter {who}\n\n{message}\n");
        Ok((self.put(Kind::Commit, text.as_bytes())?.to_string(), skipped))
    }

    /// Points a branch at a commit.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses a write.
    pub fn set_branch(&self, branch: &str, commit: &str) -> Result<(), GitError> {
        if let Some((above, _)) = branch.rsplit_once('/') {
            let folder = format!("refs/heads/{above}");
            self.dir.create_dir_all(&folder).map_err(writing(&folder))?;
        }
        self.write(&format!("refs/heads/{branch}"), format!("{commit}\n").as_bytes(), 0o644)
    }

    fn put_tree(&self, tree: &Tree, skipped: &mut Vec<Skipped>) -> Result<ObjectId, GitError> {
        let mut folders: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
        // From the end of the walk, what is below a directory is there before it.
        for entry in tree.walk().iter().rev() {
            if !is_taken(entry) {
                let above = entry.path.rsplit_once('/').map_or("", |(above, _)| above);
                // One line for a repository, not one for each of its files.
                if !above.split('/').any(is_repository) {
                    skipped.push(Skipped(entry.path.clone()));
                }
                continue;
            }
            let Some(listed) = self.put_entry(tree, entry, &mut folders)? else { continue };
            let above = entry.path.rsplit_once('/').map_or("", |(above, _)| above);
            folders.entry(above.to_owned()).or_default().push(listed);
        }
        skipped.sort();
        self.put_folder(folders.remove("").unwrap_or_default())
    }

    /// Puts one entry; none for an empty directory, which git does not have.
    fn put_entry(
        &self,
        tree: &Tree,
        entry: &TreeEntry,
        folders: &mut BTreeMap<String, Vec<Listed>>,
    ) -> Result<Option<Listed>, GitError> {
        let (mode, id) = match entry.kind {
            EntryKind::File => {
                let mode = if entry.mode & 0o111 == 0 { "100644" } else { "100755" };
                (mode, self.put(Kind::Blob, &tree.read(&entry.path)?)?)
            }
            EntryKind::Symlink => {
                let target = entry.target.as_deref().unwrap_or_default();
                ("120000", self.put(Kind::Blob, target.as_bytes())?)
            }
            EntryKind::Dir => match folders.remove(&entry.path) {
                Some(listed) => ("40000", self.put_folder(listed)?),
                None => return Ok(None),
            },
        };
        let name = name(&entry.path).to_owned();
        Ok(Some(Listed { name, mode, id }))
    }

    fn put_folder(&self, mut listed: Vec<Listed>) -> Result<ObjectId, GitError> {
        listed.sort_by_cached_key(Listed::sort_key);
        let mut content = vec![];
        for Listed { name, mode, id } in &listed {
            content.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            content.extend_from_slice(id.as_bytes());
        }
        self.put(Kind::Tree, &content)
    }

    /// Writes an object, unless it is there.
    fn put(&self, kind: Kind, content: &[u8]) -> Result<ObjectId, GitError> {
        let id = ObjectId::of(kind, content);
        let name = id.to_string();
        let folder = format!("objects/{}", &name[..2]);
        let path = format!("{folder}/{}", &name[2..]);
        if self.dir.exists(&path) {
            return Ok(id);
        }
        match self.dir.create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(writing(&folder)(error));
            }
            _ => {}
        }
        let mut raw = header(kind, content);
        raw.extend_from_slice(content);
        self.write(&path, &miniz_oxide::deflate::compress_to_vec_zlib(&raw, LEVEL), 0o444)?;
        Ok(id)
    }

    /// Writes a file under another name and renames it, so that it is whole or not there.
    fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), GitError> {
        let temporary = format!("tmp_playpen_{}", std::process::id());
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).clone();
        let written = self
            .dir
            .open_with(&temporary, &options)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| self.dir.rename(&temporary, &self.dir, path));
        written.map_err(|error| {
            let _removed = self.dir.remove_file(&temporary);
            writing(path)(error)
        })
    }
}

/// An entry of a directory.
#[derive(Debug)]
struct Listed {
    name: String,
    mode: &'static str,
    id: ObjectId,
}

impl Listed {
    /// Returns what git sorts by: directories as if their names ended with a slash.
    fn sort_key(&self) -> Vec<u8> {
        let end = if self.mode == "40000" { "/" } else { "" };
        format!("{}{end}", self.name).into_bytes()
    }
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns whether `git fsck` takes an entry: nothing that a checkout could take for a repository
/// of its own, and no link where git reads its settings.
fn is_taken(entry: &TreeEntry) -> bool {
    let name = name(&entry.path).to_ascii_lowercase();
    let is_setting =
        matches!(&name[..], ".gitmodules" | ".gitattributes" | ".gitignore" | ".mailmap");
    let is_linked_setting = is_setting && entry.kind == EntryKind::Symlink;
    !is_linked_setting && !entry.path.split('/').any(is_repository)
}

/// Returns whether some file system takes a name for `.git`.
fn is_repository(name: &str) -> bool {
    let is_seen = |c: &char| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let name: String = name.chars().filter(is_seen).collect();
    let name = name.split([':', '\\']).next().unwrap_or_default();
    let name = name.trim_end_matches([' ', '.']).to_ascii_lowercase();
    matches!(&name[..], ".git" | "git~1")
}

/// Refuses what `git check-ref-format` does, and a little more.
fn check_branch(branch: &str) -> Result<(), GitError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !part.ends_with('.')
            && !part.contains("..")
            && part.rsplit('.').next() != Some("lock")
    };
    if branch.chars().all(is_plain) && branch.split('/').all(is_name) {
        Ok(())
    } else {
        Err(GitError::BadBranch { branch: branch.to_owned() })
    }
}

fn writing(path: &str) -> impl FnOnce(io::Error) -> GitError {
    let path = path.to_owned();
    move |source| GitError::Write { path, source }
}

#[cfg(test)]
mod tests {
    use super::check_branch;

    #[test]
    fn names_of_branches_are_those_that_git_takes() {
        for good in ["main", "try/1", "v1.2"] {
            assert!(check_branch(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "a//b", "a..b", ".a", "a/.b", "a.lock", "-a", "a b", "a/", "a."] {
            assert!(check_branch(bad).is_err(), "{bad}");
        }
    }
}
