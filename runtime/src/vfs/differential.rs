//! Random operations on a tree and on a real directory: the results and the errors are the same.
//!
//! The real directory is the oracle. What one file system of Linux may do otherwise than another is
//! not compared: sizes of directories, their numbers of links, and the order of lists.

use super::{Actor, At, Found, Mount, NodeId, OpenFlags, Opened, Vfs, resolve::Last};
use crate::{
    audit::{AuditLevel, AuditLog},
    errno::Errno,
    limits::{Budget, Limits},
    tree::Tree,
};
use proptest::prelude::*;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
    sync::Arc,
};

/// Where both sides work: deep enough that nothing leads out.
const BASE: &str = "x/y";

const O_CREAT: i32 = 0o100;
const O_EXCL: i32 = 0o200;
const O_TRUNC: i32 = 0o1000;

#[derive(Clone, Debug)]
enum Step {
    Mkdir(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    Readlink(String),
    Stat(String, bool),
    Chmod(String, u32),
    List(String),
    Open { path: String, write: bool, create: bool, exclusive: bool, truncate: bool },
    Write(usize, u64, Vec<u8>),
    Read(usize, u64, usize),
    SetLen(usize, u64),
    StatOpen(usize),
    Close(usize),
}

/// Paths of few names, so that steps meet.
fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![8 => "[abc]", 1 => Just(".".to_owned()), 1 => "[ab]/\\.\\./[abc]"];
    let end = prop_oneof![8 => Just(""), 1 => Just("/"), 1 => Just("/.")];
    (prop::collection::vec(name, 1..4), end).prop_map(|(names, end)| names.join("/") + end)
}

fn step() -> impl Strategy<Value = Step> {
    let target = prop::collection::vec("[abc]", 1..3).prop_map(|names| names.join("/"));
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let offset = prop_oneof![4 => 0_u64..100, 1 => 65_000_u64..70_000];
    let open = (path(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    prop_oneof![
        3 => path().prop_map(Step::Mkdir),
        1 => path().prop_map(Step::Rmdir),
        2 => path().prop_map(Step::Unlink),
        4 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (path(), path()).prop_map(|(from, to)| Step::Link(from, to)),
        2 => (target, path()).prop_map(|(target, path)| Step::Symlink(target, path)),
        1 => path().prop_map(Step::Readlink),
        1 => (path(), any::<bool>()).prop_map(|(path, follow)| Step::Stat(path, follow)),
        // The owner's bits stay: natively somebody who is not root is refused without them.
        1 => (path(), 0o700_u32..0o1000).prop_map(|(path, mode)| Step::Chmod(path, mode)),
        1 => path().prop_map(Step::List),
        6 => open.prop_map(|(path, write, create, exclusive, truncate)| Step::Open {
            path,
            write: write || create,
            create,
            exclusive: exclusive && create,
            truncate: truncate && (write || create),
        }),
        4 => (0_usize..4, offset.clone(), bytes).prop_map(|(n, at, data)| Step::Write(n, at, data)),
        2 => (0_usize..4, offset.clone(), 0_usize..100).prop_map(|(n, at, len)| Step::Read(n, at, len)),
        1 => (0_usize..4, offset).prop_map(|(n, len)| Step::SetLen(n, len)),
        1 => (0_usize..4).prop_map(Step::StatOpen),
        1 => (0_usize..4).prop_map(Step::Close),
    ]
}

type Outcome = Result<String, &'static str>;

/// The names of the host's errors.
fn name(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(1) => "EPERM",
        Some(2) => "ENOENT",
        Some(9) => "EBADF",
        Some(13) => "EACCES",
        Some(16) => "EBUSY",
        Some(17) => "EEXIST",
        Some(20) => "ENOTDIR",
        Some(21) => "EISDIR",
        Some(22) => "EINVAL",
        Some(39) => "ENOTEMPTY",
        Some(40) => "ELOOP",
        _ => "another",
    }
}

fn described(kind: char, mode: u32, n_links: u64, size: u64) -> String {
    match kind {
        'd' => format!("d {:o}", mode & 0o7777),
        'l' => format!("l {size}"),
        _ => format!("{kind} {:o} {n_links} {size}", mode & 0o7777),
    }
}

/// The real directory.
struct Real {
    folder: tempfile::TempDir,
    open: Vec<File>,
}

impl Real {
    fn path(&self, path: &str) -> PathBuf {
        // Joined as text: `Path::join` would drop the slash or dot at the end.
        format!("{}/{BASE}/{path}", self.folder.path().display()).into()
    }

    fn described(metadata: &fs::Metadata) -> String {
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => 'd',
            kind if kind.is_symlink() => 'l',
            _ => 'f',
        };
        described(kind, metadata.mode(), metadata.nlink(), metadata.len())
    }

    fn run(&mut self, step: &Step) -> Outcome {
        self.try_run(step).map_err(|error| name(&error))
    }

    fn try_run(&mut self, step: &Step) -> io::Result<String> {
        let done = |()| String::new();
        match step {
            Step::Mkdir(path) => {
                let path = self.path(path);
                fs::create_dir(&path)?;
                // Whatever the mask of the process is.
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map(done)
            }
            Step::Rmdir(path) => fs::remove_dir(self.path(path)).map(done),
            Step::Unlink(path) => fs::remove_file(self.path(path)).map(done),
            Step::Rename(from, to) => fs::rename(self.path(from), self.path(to)).map(done),
            Step::Link(from, to) => fs::hard_link(self.path(from), self.path(to)).map(done),
            Step::Symlink(target, path) => {
                std::os::unix::fs::symlink(target, self.path(path)).map(done)
            }
            Step::Readlink(path) => {
                fs::read_link(self.path(path)).map(|target| target.display().to_string())
            }
            Step::Stat(path, follow) => {
                let path = self.path(path);
                let found = if *follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
                found.map(|metadata| Self::described(&metadata))
            }
            Step::Chmod(path, mode) => {
                fs::set_permissions(self.path(path), fs::Permissions::from_mode(*mode)).map(done)
            }
            Step::List(path) => {
                let entries = fs::read_dir(self.path(path))?;
                let mut names: Vec<String> = entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect::<io::Result<_>>()?;
                names.sort();
                Ok(names.join(" "))
            }
            Step::Open { path, write, create, exclusive, truncate } => {
                let flag = |is_on: &bool, flag: i32| if *is_on { flag } else { 0 };
                let flags =
                    flag(create, O_CREAT) | flag(exclusive, O_EXCL) | flag(truncate, O_TRUNC);
                let path = self.path(path);
                let is_new = !path.exists();
                let file = OpenOptions::new()
                    .read(true)
                    .write(*write)
                    .custom_flags(flags)
                    .mode(0o644)
                    .open(path)?;
                let metadata = file.metadata()?;
                if is_new {
                    file.set_permissions(fs::Permissions::from_mode(0o644))?;
                }
                if metadata.is_file() {
                    self.open.push(file);
                }
                Ok(if metadata.is_dir() { "directory" } else { "file" }.to_owned())
            }
            Step::Write(n, offset, data) => match self.open.get(*n) {
                Some(file) => file.write_all_at(data, *offset).map(done),
                None => Ok(String::new()),
            },
            Step::Read(n, offset, len) => match self.open.get(*n) {
                Some(file) => {
                    let mut out = vec![0; *len];
                    let n_bytes = file.read_at(&mut out, *offset)?;
                    Ok(format!("{:?}", &out[..n_bytes]))
                }
                None => Ok(String::new()),
            },
            Step::SetLen(n, len) => match self.open.get(*n) {
                Some(file) => file.set_len(*len).map(done),
                None => Ok(String::new()),
            },
            Step::StatOpen(n) => match self.open.get(*n) {
                Some(file) => file.metadata().map(|metadata| Self::described(&metadata)),
                None => Ok(String::new()),
            },
            Step::Close(n) => {
                if *n < self.open.len() {
                    drop(self.open.remove(*n));
                }
                Ok(String::new())
            }
        }
    }

    /// Everything below the base, a line each.
    fn all(&self) -> Vec<String> {
        let mut out = vec![];
        let mut pending = vec![(self.path(""), String::new())];
        while let Some((folder, shown)) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let shown = format!("{shown}/{}", entry.file_name().to_string_lossy());
                let metadata = fs::symlink_metadata(entry.path()).unwrap();
                let content = if metadata.is_file() {
                    let mut bytes = vec![];
                    File::open(entry.path()).unwrap().read_to_end(&mut bytes).unwrap();
                    blake3::hash(&bytes).to_string()
                } else {
                    String::new()
                };
                out.push(format!("{shown} {} {content}", Self::described(&metadata)));
                if metadata.is_dir() {
                    pending.push((entry.path(), shown));
                }
            }
        }
        out.sort();
        out
    }
}

/// A tree, through the same door as guests.
struct Ours {
    vfs: Vfs,
    actor: Actor,
    open: Vec<(NodeId, bool)>,
}

impl Ours {
    fn new() -> Self {
        let mut tree = Tree::new();
        tree.create_dir(BASE, 0o755).unwrap();
        let audit = Arc::new(AuditLog::new(None, AuditLevel::default()));
        let vfs =
            Vfs::new(vec![Mount::tree("/", tree)], vec![], audit, crate::clock::Clock::start())
                .unwrap();
        let budget = Arc::new(Budget::new(Limits::default()));
        let actor = Actor { pid: 2, ppid: 1, argv0: "test".into(), call: None, budget };
        Self { vfs, actor, open: vec![] }
    }

    fn run(&mut self, step: &Step) -> Outcome {
        self.try_run(step).map_err(Errno::name)
    }

    fn stat(&self, node: NodeId) -> Result<String, Errno> {
        let stat = self.vfs.stat_node(node)?;
        let kind = match stat.kind {
            super::FileType::Directory => 'd',
            super::FileType::SymbolicLink => 'l',
            _ => 'f',
        };
        Ok(described(kind, stat.mode, stat.nlink, stat.size))
    }

    fn try_run(&mut self, step: &Step) -> Result<String, Errno> {
        let done = |()| String::new();
        let full = |path: &str| format!("/{BASE}/{path}");
        let at = |path: &'static str, follow| At { dir: NodeId::ROOT, path, follow, fds: None };
        // A test may leak what would otherwise need a name for each path.
        let place = |path: &str, follow| at(Box::leak(full(path).into_boxed_str()), follow);
        let (vfs, actor) = (&mut self.vfs, &self.actor);
        match step {
            Step::Mkdir(path) => vfs.mkdir(actor, place(path, false), 0o755).map(done),
            Step::Rmdir(path) => vfs.rmdir(actor, place(path, false)).map(done),
            Step::Unlink(path) => vfs.unlink(actor, place(path, false)).map(done),
            Step::Rename(from, to) => {
                vfs.rename(actor, place(from, false), place(to, false)).map(done)
            }
            Step::Link(from, to) => vfs.link(actor, place(from, false), place(to, false)).map(done),
            Step::Symlink(target, path) => vfs.symlink(actor, target, place(path, false)).map(done),
            Step::Readlink(path) => {
                vfs.readlink(actor, place(path, false)).map(|target| target.unwrap())
            }
            Step::Stat(path, follow) => {
                let place = vfs.resolve(
                    NodeId::ROOT,
                    &full(path),
                    if *follow { Last::Followed } else { Last::Named },
                )?;
                match place.found {
                    Some(Found::Node(node)) => self.stat(node),
                    _ => Err(Errno::NOENT),
                }
            }
            Step::Chmod(path, mode) => vfs.chmod(actor, place(path, true), *mode).map(done),
            Step::List(path) => {
                let flags = OpenFlags { read: true, directory: true, ..OpenFlags::default() };
                let (Opened::Directory(node), _) = vfs.open(actor, place(path, true), flags)?
                else {
                    return Err(Errno::NOTDIR);
                };
                let entries = vfs.list(node)?;
                vfs.release(node);
                let names = entries.iter().map(|entry| &*entry.name);
                let names: Vec<&str> = names.filter(|name| !matches!(*name, "." | "..")).collect();
                Ok(names.join(" "))
            }
            Step::Open { path, write, create, exclusive, truncate } => {
                let flags = OpenFlags {
                    read: true,
                    write: *write,
                    create: *create,
                    exclusive: *exclusive,
                    truncate: *truncate,
                    directory: false,
                    mode: 0o644,
                };
                match vfs.open(actor, place(path, true), flags)?.0 {
                    Opened::File(node, _) => {
                        self.open.push((node, *write));
                        Ok("file".to_owned())
                    }
                    Opened::Directory(node) => {
                        vfs.release(node);
                        Ok("directory".to_owned())
                    }
                    other => panic!("{other:?}"),
                }
            }
            Step::Write(n, offset, data) => match self.open.get(*n) {
                Some(_) if data.is_empty() => Ok(String::new()),
                Some((_, false)) => Err(Errno::BADF),
                Some((node, true)) => vfs.write_at(&actor.budget, *node, *offset, data).map(done),
                None => Ok(String::new()),
            },
            Step::Read(n, offset, len) => match self.open.get(*n) {
                Some((node, _)) => {
                    let mut out = vec![0; *len];
                    let n_bytes = vfs.read_at(*node, *offset, &mut out)?;
                    Ok(format!("{:?}", &out[..n_bytes]))
                }
                None => Ok(String::new()),
            },
            Step::SetLen(n, len) => match self.open.get(*n) {
                Some((_, false)) => Err(Errno::INVAL),
                Some((node, true)) => vfs.set_len(*node, *len).map(done),
                None => Ok(String::new()),
            },
            Step::StatOpen(n) => match self.open.get(*n) {
                Some((node, _)) => self.stat(*node),
                None => Ok(String::new()),
            },
            Step::Close(n) => {
                if *n < self.open.len() {
                    vfs.release(self.open.remove(*n).0);
                }
                Ok(String::new())
            }
        }
    }

    fn all(&self) -> Vec<String> {
        let tree = self.vfs.tree_at("").unwrap();
        let mut out: Vec<String> = tree
            .walk_inodes()
            .into_iter()
            .filter_map(|(path, ino)| {
                let shown = path.strip_prefix(BASE)?.strip_prefix('/')?;
                let described = self.stat(NodeId { mount: 0, ino }).unwrap();
                let content = match tree.read(&path) {
                    Ok(bytes) => blake3::hash(&bytes).to_string(),
                    Err(_) => String::new(),
                };
                Some(format!("/{shown} {described} {content}"))
            })
            .collect();
        out.sort();
        out
    }
}

/// Tells whether two outcomes are the same.
fn agree(real: &Outcome, ours: &Outcome) -> bool {
    match (real, ours) {
        (Ok(real), Ok(ours)) => real == ours,
        (Err(real), Err(ours)) => real == ours,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_tree_does_what_a_directory_does(steps in prop::collection::vec(step(), 1..60)) {
        let mut real = Real { folder: tempfile::tempdir().unwrap(), open: vec![] };
        fs::create_dir_all(real.path("")).unwrap();
        let mut ours = Ours::new();
        for step in &steps {
            let (expected, found) = (real.run(step), ours.run(step));
            prop_assert!(agree(&expected, &found), "{step:?}: a directory {expected:?}, a tree {found:?}");
            prop_assert_eq!(real.open.len(), ours.open.len());
        }
        prop_assert_eq!(ours.all(), real.all());
        let n_open = ours.open.len();
        for _ in 0..n_open {
            ours.run(&Step::Close(0)).unwrap();
        }
        // What is counted is what is there.
        let tree = ours.vfs.tree_at("").unwrap();
        prop_assert_eq!(tree.n_files(), tree.walk_inodes().len() as u64 + 1);
    }
}
