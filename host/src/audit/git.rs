//! What git keeps of a folder, read from a tree and without git: enough to say which content a read
//! of an object file could have had.
//!
//! Two kinds of content are secret when a question names paths: the blobs that lie at such a path,
//! in the folder itself or in any commit that the base reaches; and every object that the base does
//! not reach, for what else would it be than history that was taken away. A pack is read as a whole,
//! so it is as secret as any of its objects.

mod object;
mod pack;

use super::Paths;
use object::{Id, Kind};
use pack::Pack;
use playpen_runtime::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// An object file or a pack, told by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The absolute path of the folder that git calls its own.
    pub git_dir: String,
    file: File,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum File {
    Loose(Id),
    /// A pack, by its path below the git folder, without its ending.
    Pack(String),
}

impl Object {
    /// Tells what lies at an absolute path; none if it is no object of git's.
    pub fn at(path: &str) -> Option<Self> {
        let (git_dir, rest) = path.rsplit_once("/objects/")?;
        let file = match rest.split_once('/')? {
            ("pack", name) => {
                let stem = name.strip_suffix(".pack")?;
                File::Pack(format!("objects/pack/{stem}"))
            }
            (high, low) if high.len() == 2 => File::Loose(Id::from_hex(&format!("{high}{low}"))?),
            _ => return None,
        };
        Some(Self { git_dir: git_dir.to_owned(), file })
    }

    /// Tells whether it lies in a mount.
    pub fn is_below(&self, mount: &str) -> bool {
        self.git_dir
            .strip_prefix(mount)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The objects of one repository as it was before a run.
#[derive(Debug)]
pub struct Store {
    reachable: BTreeSet<Id>,
    hidden: BTreeMap<Id, String>,
    packs: BTreeMap<String, Vec<Id>>,
}

impl Store {
    /// Reads a repository in `tree`, which is mounted at `mount`.
    ///
    /// # Errors
    ///
    /// Returns a sentence for people if the repository cannot be read.
    pub fn open(
        tree: &Tree,
        mount: &str,
        git_dir: &str,
        paths: &Paths,
        base: Option<&str>,
    ) -> Result<Self, String> {
        let inside = |path: &str| {
            let path = path.strip_prefix(mount).unwrap_or(path);
            path.trim_start_matches('/').to_owned()
        };
        let reader = Reader::new(tree, inside(git_dir))?;
        let base = match base {
            Some(base) => Some(Id::from_hex(base).ok_or_else(|| {
                format!("`{base}` is no full commit id of 40 hexadecimal digits")
            })?),
            None => reader.head()?,
        };
        let mut walk = Walk {
            reader: &reader,
            paths,
            mount,
            root: worktree(&inside(git_dir)).or_else(|| reader.worktree()),
            reachable: BTreeSet::new(),
            hidden: BTreeMap::new(),
            seen: BTreeSet::new(),
        };
        walk.commits(base)?;
        let Walk { reachable, mut hidden, .. } = walk;
        for entry in tree.walk() {
            if paths.has_below(mount, &entry.path)
                && let Ok(content) = tree.read(&entry.path)
            {
                hidden.insert(Id::of_blob(&content), entry.path);
            }
        }
        let packs = reader.packs.iter().map(|(stem, pack)| (stem.clone(), pack.ids().collect()));
        Ok(Self { packs: packs.collect(), reachable, hidden })
    }

    /// Tells why reading this file may have told a secret; none if it cannot have.
    pub fn secret_of(&self, object: &Object) -> Option<String> {
        match &object.file {
            File::Loose(id) => self.secret(*id),
            File::Pack(stem) => {
                let Some(ids) = self.packs.get(stem) else {
                    return Some("the pack has no index".to_owned());
                };
                let secrets: Vec<String> = ids.iter().filter_map(|id| self.secret(*id)).collect();
                let (first, n) = (secrets.first()?, secrets.len());
                Some(format!("{n} objects of the pack: {first}"))
            }
        }
    }

    fn secret(&self, id: Id) -> Option<String> {
        if let Some(path) = self.hidden.get(&id) {
            return Some(format!("git object {id} is the content of `{path}`"));
        }
        let is_reached = self.reachable.contains(&id);
        (!is_reached).then(|| format!("git object {id} is not reached by the base commit"))
    }
}

/// Returns the folder that a git folder belongs to, relative to the mount; none for a bare one.
fn worktree(git_dir: &str) -> Option<String> {
    match git_dir {
        ".git" => Some(String::new()),
        _ => git_dir.strip_suffix("/.git").map(str::to_owned),
    }
}

/// Reads objects, loose or packed.
struct Reader<'a> {
    tree: &'a Tree,
    git_dir: String,
    packs: BTreeMap<String, Pack>,
}

impl<'a> Reader<'a> {
    fn new(tree: &'a Tree, git_dir: String) -> Result<Self, String> {
        let prefix = format!("{git_dir}/objects/pack/");
        let mut packs = BTreeMap::new();
        for entry in tree.walk() {
            let Some(stem) =
                entry.path.strip_prefix(&prefix).and_then(|it| it.strip_suffix(".idx"))
            else {
                continue;
            };
            let read = |ending: &str| tree.read(&format!("{prefix}{stem}.{ending}"));
            let (Ok(index), Ok(data)) = (read("idx"), read("pack")) else {
                return Err(format!("the pack `{stem}` in `{git_dir}` cannot be read"));
            };
            let pack = Pack::new(&index, data);
            let pack = pack.ok_or_else(|| format!("the index of pack `{stem}` is damaged"))?;
            packs.insert(format!("objects/pack/{stem}"), pack);
        }
        Ok(Self { tree, git_dir, packs })
    }

    fn text(&self, name: &str) -> Option<String> {
        let content = self.tree.read(&format!("{}/{name}", self.git_dir)).ok()?;
        Some(String::from_utf8_lossy(&content).trim().to_owned())
    }

    /// Returns the folder that the configuration names, as that of a submodule does.
    fn worktree(&self) -> Option<String> {
        let config = self.text("config")?;
        let named = config.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("worktree").then(|| value.trim().to_owned())
        })?;
        let mut folder: Vec<&str> = self.git_dir.split('/').collect();
        for name in named.split('/') {
            match name {
                "" | "." => {}
                ".." => drop(folder.pop()?),
                name => folder.push(name),
            }
        }
        Some(folder.join("/"))
    }

    /// Returns the commit that `HEAD` names; none before the first commit.
    fn head(&self) -> Result<Option<Id>, String> {
        let no_head = || format!("`{}/HEAD` names no commit", self.git_dir);
        let mut text = self.text("HEAD").ok_or_else(no_head)?;
        for _ in 0..MAX_SYMBOLIC {
            let Some(name) = text.strip_prefix("ref: ").map(str::to_owned) else {
                return Id::from_hex(&text).map(Some).ok_or_else(no_head);
            };
            let packed = || {
                let refs = self.text("packed-refs")?;
                let line = refs.lines().find(|line| line.ends_with(&format!(" {name}")))?;
                Some(line.split(' ').next()?.to_owned())
            };
            match self.text(&name).or_else(packed) {
                Some(next) => text = next,
                None => return Ok(None),
            }
        }
        Err(no_head())
    }

    fn object(&self, id: Id) -> Result<(Kind, Vec<u8>), String> {
        self.find(id, 0).ok_or_else(|| format!("the git object {id} is missing or damaged"))
    }

    fn find(&self, id: Id, depth: u32) -> Option<(Kind, Vec<u8>)> {
        let hex = id.to_string();
        let loose = format!("{}/objects/{}/{}", self.git_dir, &hex[..2], &hex[2..]);
        if let Ok(content) = self.tree.read(&loose) {
            return object::loose(&content);
        }
        let mut packs = self.packs.values();
        packs.find_map(|pack| pack.get(id, depth, &|id, depth| self.find(id, depth)))
    }
}

/// References to references that are followed, as in git.
const MAX_SYMBOLIC: usize = 5;

/// Folders of history that are looked through. Answers a tree whose folders all have the same ten folders in them.
const MAX_FOLDERS: usize = 1_000_000;

/// A walk through everything that a commit reaches.
struct Walk<'a> {
    reader: &'a Reader<'a>,
    paths: &'a Paths,
    mount: &'a str,
    /// The folder that the paths of commits are relative to.
    root: Option<String>,
    reachable: BTreeSet<Id>,
    hidden: BTreeMap<Id, String>,
    /// Folders of history that were looked through, each at the path where it lay.
    seen: BTreeSet<(Id, String)>,
}

impl Walk<'_> {
    fn commits(&mut self, base: Option<Id>) -> Result<(), String> {
        let mut pending: Vec<Id> = base.into_iter().collect();
        while let Some(id) = pending.pop() {
            if !self.reachable.insert(id) {
                continue;
            }
            let (kind, content) = self.reader.object(id)?;
            let Kind::Commit = kind else { return Err(format!("{id} is no commit")) };
            let links = object::commit(&content).ok_or_else(|| format!("{id} is damaged"))?;
            self.trees(links.tree)?;
            // A shallow clone ends where its parents are not there.
            let parents = links.parents.into_iter();
            pending.extend(parents.filter(|parent| self.reader.find(*parent, 0).is_some()));
        }
        Ok(())
    }

    fn trees(&mut self, root: Id) -> Result<(), String> {
        let mut pending = vec![(root, String::new())];
        while let Some((id, path)) = pending.pop() {
            if !self.seen.insert((id, path.clone())) {
                continue;
            }
            if self.seen.len() > MAX_FOLDERS {
                return Err(format!("its history has more than {MAX_FOLDERS} folders"));
            }
            self.reachable.insert(id);
            let (_, content) = self.reader.object(id)?;
            let entries = object::tree(&content).ok_or_else(|| format!("{id} is damaged"))?;
            for entry in entries {
                let path =
                    if path.is_empty() { entry.name } else { format!("{path}/{}", entry.name) };
                match entry.kind {
                    Kind::Tree => pending.push((entry.id, path)),
                    Kind::Blob => self.blob(entry.id, path),
                    // A submodule's commit lies in another repository.
                    Kind::Commit | Kind::Tag => {}
                }
            }
        }
        Ok(())
    }

    fn blob(&mut self, id: Id, path: String) {
        self.reachable.insert(id);
        let Some(root) = &self.root else { return };
        let below = if root.is_empty() { path } else { format!("{root}/{path}") };
        if self.paths.has_below(self.mount, &below) {
            self.hidden.insert(id, below);
        }
    }
}
