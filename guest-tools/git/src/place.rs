//! The repository, its working tree, and where in it the command runs.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use git2::{Commit, ErrorCode, Object, ObjectType, Oid, Repository, Tree};

use crate::fail::{Outcome, ambiguous, fatal};
use crate::sys;

/// What comes before the name of the command.
#[derive(Clone, Default)]
pub(crate) struct Globals {
    /// `-c name=value`.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) git_dir: Option<PathBuf>,
    pub(crate) work_tree: Option<PathBuf>,
    pub(crate) literal_pathspecs: bool,
}

/// A repository.
pub(crate) struct Place {
    pub(crate) repo: Repository,
    /// The folder of the working tree; none in a bare repository.
    pub(crate) tree_root: Option<PathBuf>,
    /// The working folder below the root, with a slash at its end unless it is empty.
    pub(crate) prefix: Vec<u8>,
    pub(crate) globals: Globals,
    config: OnceCell<git2::Config>,
    abbreviation: OnceCell<usize>,
    mailmap: OnceCell<Option<git2::Mailmap>>,
    /// There is no repository: nothing may be asked of its folder.
    is_nowhere: bool,
}

impl Place {
    /// The repository around the working folder.
    pub(crate) fn discover(globals: &Globals) -> Outcome<Self> {
        Self::find(globals)?
            .ok_or_else(|| fatal("not a git repository (or any of the parent directories): .git"))
    }

    /// The repository around the working folder, if there is one.
    pub(crate) fn find(globals: &Globals) -> Outcome<Option<Self>> {
        let environment = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let git_dir = globals.git_dir.clone().or_else(|| environment("GIT_DIR"));
        let work_tree = globals.work_tree.clone().or_else(|| environment("GIT_WORK_TREE"));
        let here = std::env::current_dir()?;
        let opened = match &git_dir {
            Some(folder) => Repository::open(folder)
                .map_err(|_| fatal(format!("not a git repository: '{}'", folder.display())))?,
            None => match Repository::discover(&here) {
                Ok(repo) => repo,
                Err(e) if e.code() == ErrorCode::NotFound => return Ok(None),
                Err(e) => return Err(e.into()),
            },
        };
        let root = match work_tree {
            Some(folder) => Some(normal(&here.join(folder))),
            None if git_dir.is_some() && opened.workdir().is_some() => {
                match opened.config()?.get_path("core.worktree") {
                    Ok(_) => opened.workdir().map(normal),
                    Err(_) => Some(here.clone()),
                }
            }
            None => opened.workdir().map(normal),
        };
        let inside_git_dir = here.starts_with(normal(opened.path()));
        let root = root.filter(|_| !inside_git_dir);
        let prefix = root
            .as_deref()
            .and_then(|root| here.strip_prefix(root).ok())
            .map(below)
            .unwrap_or_default();
        Ok(Some(Self {
            repo: opened,
            tree_root: root,
            prefix,
            globals: globals.clone(),
            config: OnceCell::new(),
            abbreviation: OnceCell::new(),
            mailmap: OnceCell::new(),
            is_nowhere: false,
        }))
    }

    /// A repository that is only read.
    pub(crate) fn at(repo: Repository, globals: &Globals) -> Self {
        Self {
            repo,
            tree_root: None,
            prefix: vec![],
            globals: globals.clone(),
            config: OnceCell::new(),
            abbreviation: OnceCell::new(),
            mailmap: OnceCell::new(),
            is_nowhere: false,
        }
    }

    /// A stand-in where there is no repository: an object store in memory.
    pub(crate) fn nowhere(globals: &Globals) -> Outcome<Self> {
        Ok(Self {
            mailmap: OnceCell::new(),
            repo: Repository::from_odb(git2::Odb::new()?)?,
            tree_root: None,
            prefix: vec![],
            globals: globals.clone(),
            config: OnceCell::new(),
            abbreviation: OnceCell::from(7),
            is_nowhere: true,
        })
    }

    /// The root of the working tree, or git's complaint.
    pub(crate) fn root(&self) -> Outcome<&Path> {
        self.tree_root.as_deref().ok_or_else(|| fatal("this operation must be run in a work tree"))
    }

    /// The file of a path below the root.
    pub(crate) fn file(&self, path: &[u8]) -> PathBuf {
        self.tree_root.as_deref().unwrap_or(Path::new("/")).join(sys::path(path))
    }

    /// A file in the folder `.git`.
    pub(crate) fn meta(&self, name: &str) -> PathBuf {
        if self.is_nowhere {
            return PathBuf::from("/dev/null").join(name);
        }
        self.repo.path().join(name)
    }

    /// A word of the command line as a path below the root, without a slash at its end.
    pub(crate) fn relative(&self, word: &str) -> Outcome<Vec<u8>> {
        let root = self.root()?;
        let here = root.join(sys::path(&self.prefix));
        let full = normal(&here.join(word));
        match full.strip_prefix(root) {
            Ok(inside) => Ok(sys::path_bytes(inside).to_vec()),
            Err(_) => Err(fatal(format!(
                "{word}: '{word}' is outside repository at '{}'",
                root.display()
            ))),
        }
    }

    /// A path below the root as seen from the working folder.
    pub(crate) fn seen(&self, path: &[u8]) -> Vec<u8> {
        if self.prefix.is_empty() {
            return path.to_vec();
        }
        if let Some(inside) = path.strip_prefix(self.prefix.as_slice()) {
            return if inside.is_empty() { b"./".to_vec() } else { inside.to_vec() };
        }
        let common = common_folder(&self.prefix, path);
        let up = self.prefix[common..].iter().filter(|b| **b == b'/').count();
        [b"../".repeat(up).as_slice(), &path[common..]].concat()
    }

    /// Who somebody is by `.mailmap`.
    pub(crate) fn mapped(&self, who: &git2::Signature<'_>) -> git2::Signature<'static> {
        let map = self.mailmap.get_or_init(|| self.repo.mailmap().ok());
        map.as_ref()
            .and_then(|map| map.resolve_signature(who).ok())
            .unwrap_or_else(|| who.to_owned())
    }

    /// A setting: of `-c`, else of the files.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        let given = self.globals.settings.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name));
        if let Some((_, value)) = given {
            return Some(value.clone());
        }
        self.config()?.get_string(name).ok()
    }

    pub(crate) fn setting_bool(&self, name: &str) -> Option<bool> {
        truth(&self.setting(name)?)
    }

    fn config(&self) -> Option<&git2::Config> {
        if self.is_nowhere {
            return None;
        }
        if self.config.get().is_none() {
            let config = self.repo.config().and_then(|mut c| c.snapshot()).ok()?;
            // Nobody else sets it.
            drop(self.config.set(config));
        }
        self.config.get()
    }

    /// Whether bytes above 127 are escaped in paths.
    pub(crate) fn quotes_high(&self) -> bool {
        self.setting_bool("core.quotepath").unwrap_or(true)
    }

    /// The last commit, if there is one.
    pub(crate) fn head(&self) -> Option<Commit<'_>> {
        self.repo.head().ok()?.peel_to_commit().ok()
    }

    pub(crate) fn head_id(&self) -> Option<Oid> {
        self.head().map(|head| head.id())
    }

    pub(crate) fn head_tree(&self) -> Option<Tree<'_>> {
        self.head()?.tree().ok()
    }

    /// What HEAD names, `refs/heads/main`; none if it is a commit.
    pub(crate) fn head_ref(&self) -> Option<String> {
        let head = self.repo.find_reference("HEAD").ok()?;
        head.symbolic_target().ok().flatten().map(str::to_owned)
    }

    /// The name of the branch that is checked out.
    pub(crate) fn branch(&self) -> Option<String> {
        let name = self.head_ref()?;
        Some(name.strip_prefix("refs/heads/").unwrap_or(&name).to_owned())
    }

    /// The object that a revision names.
    pub(crate) fn resolve(&self, revision: &str) -> Outcome<Object<'_>> {
        crate::rev::single(self, revision).ok_or_else(|| ambiguous(revision))
    }

    pub(crate) fn commit(&self, revision: &str) -> Outcome<Commit<'_>> {
        let object = self.resolve(revision)?;
        object.peel_to_commit().map_err(|_| {
            let kind = object.kind().unwrap_or(ObjectType::Any);
            fatal(format!("{revision} is a {}, not a commit", kind.str()))
        })
    }

    /// How many digits a short id has at least.
    pub(crate) fn digits(&self) -> usize {
        *self.abbreviation.get_or_init(|| match self.setting("core.abbrev") {
            Some(text) if text == "no" => 40,
            Some(text) => {
                text.parse().map_or_else(|_| self.usual_digits(), |n: usize| n.clamp(4, 40))
            }
            None => self.usual_digits(),
        })
    }

    /// Half the bits that the number of packed objects needs, at least 7 digits.
    fn usual_digits(&self) -> usize {
        let count = packed_objects(&self.repo.commondir().join("objects/pack"));
        let bits = if count == 0 { 0 } else { 64 - count.leading_zeros() as usize };
        bits.div_ceil(2).max(7)
    }

    /// A short id: as many digits as make it the only one.
    pub(crate) fn short(&self, id: Oid) -> String {
        self.short_of(id, self.digits())
    }

    pub(crate) fn short_of(&self, id: Oid, digits: usize) -> String {
        let text = id.to_string();
        if id.is_zero() || digits >= 40 {
            return text[..digits.min(40)].to_owned();
        }
        if self.is_nowhere {
            return text[..digits].to_owned();
        }
        let Ok(odb) = self.repo.odb() else { return text[..digits].to_owned() };
        for len in digits..40 {
            match odb.exists_prefix(id, len) {
                Ok(found) if found != id => (),
                Err(e) if e.code() == ErrorCode::Ambiguous => (),
                _ => return text[..len].to_owned(),
            }
        }
        text
    }

    /// Reads an object whole.
    pub(crate) fn read(&self, id: Oid) -> Outcome<Vec<u8>> {
        Ok(self.repo.odb()?.read(id)?.data().to_vec())
    }
}

/// A path without `.`, `..` and double slashes.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::from("/");
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(parts.pop()),
            std::path::Component::Normal(name) => parts.push(name),
            _ => {}
        }
    }
    parts
}

/// The bytes of a relative folder with a slash at the end, or nothing.
fn below(folder: &Path) -> Vec<u8> {
    let mut bytes = sys::path_bytes(folder).to_vec();
    if !bytes.is_empty() {
        bytes.push(b'/');
    }
    bytes
}

/// How long the common beginning of two paths is, up to and with a slash.
fn common_folder(a: &[u8], b: &[u8]) -> usize {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    a[..same].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1)
}

/// What git takes for true and false.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" | "" => Some(false),
        number => number.parse::<i64>().ok().map(|n| n != 0),
    }
}

/// The number of objects in packs, from the last entry of each index's first table.
fn packed_objects(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let indexes =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "idx"));
    indexes.filter_map(|path| objects_of(&path)).sum()
}

fn objects_of(index: &Path) -> Option<u64> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(index).ok()?;
    file.seek(SeekFrom::Start(8 + 255 * 4)).ok()?;
    let mut number = [0; 4];
    file.read_exact(&mut number).ok()?;
    Some(u32::from_be_bytes(number).into())
}
