//! Recorded commands, each run in native bash and in a sandbox on the same tree, and compared.
//!
//! ```text
//!   corpus ──► Action ──┬──► native:  bash on a copy of the tree, in namespaces of its own ──┐
//!                       └──► sandbox: a fork of the imported tree ───────────────────────────┤
//!                            stdout, exit status, changed files  ◄── compare ◄── Observed ◄──┘
//! ```
//!
//! Every action starts from the same tree on both sides, so that one difference cannot lead to the
//! next. Both sides have the same variables, the same identity for git, the same directory
//! (`/testbed`), an empty `/tmp` and no network.
//!
//! # What does not count
//!
//! Only what two native runs would differ in too; see [`normal`]. The insides of `.git` are compared
//! by what git says about them (index, refs, HEAD, configuration), since two gits pack and number in
//! their own ways; see [`git_state`].

pub mod base;
pub mod compare;
pub mod corpus;
pub mod git_state;
pub mod native;
pub mod normal;
pub mod place;
pub mod report;
pub mod sandboxed;
pub mod sdists;
pub mod worktree;

use playpen_runtime::EntryKind;
use std::{collections::BTreeMap, time::Duration};

/// Where the tree is, on both sides.
pub const TESTBED: &str = "/testbed";

/// The home directory, on both sides.
pub const HOME: &str = "/home/user";

/// The variables of a command, on both sides.
pub const VARIABLES: &[(&str, &str)] = &[
    ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z"),
    ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z"),
    ("HOME", HOME),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("TMPDIR", "/tmp"),
    ("TZ", "UTC"),
    ("USER", "root"),
];

/// What git is told about who commits, on both sides.
pub const GIT_CONFIG: &str = "[user]\n\tname = Replay\n\temail = replay@example.org\n[init]\n\tdefaultBranch = main\n[safe]\n\tdirectory = *\n";

/// Bounds on one action, on both sides.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Wall time.
    pub wall: Duration,
    /// Bytes of stdout and stderr.
    pub output_bytes: u64,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Absent,
    /// A directory with these permission bits.
    Directory(u32),
    /// A file with these permission bits and this content.
    File(u32, Vec<u8>),
    /// A symbolic link to this target.
    Link(String),
    /// Something else, such as a FIFO.
    Special,
}

impl State {
    /// Returns what kind of entry it is; `None` for what a tree cannot hold.
    pub fn kind(&self) -> Option<EntryKind> {
        match self {
            Self::Directory(_) => Some(EntryKind::Dir),
            Self::File(..) => Some(EntryKind::File),
            Self::Link(_) => Some(EntryKind::Symlink),
            Self::Absent | Self::Special => None,
        }
    }
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code; 128 and the signal's number if a signal ended it.
    Code(i32),
    /// It was ended when its time was over.
    Deadline,
    /// It was ended when it had written too much.
    Flood,
    /// The engine of the sandbox ended it.
    Broken,
}

/// What one side did.
#[derive(Clone, Debug)]
pub struct Observed {
    /// How it ended.
    pub ending: Ending,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr, to be shown only.
    pub stderr: Vec<u8>,
    /// What is now at each path that is not as it was.
    pub changed: BTreeMap<String, State>,
    /// What git says about the repository, if its insides changed.
    pub git: Option<BTreeMap<&'static str, String>>,
    /// How long it took.
    pub took: Duration,
}
