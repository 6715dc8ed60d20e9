//! What an event says.
//!
//! A guest waits while its event is made, so making one takes nothing from the allocator: what it says
//! is lent to the sink as an [`EventRef`], and whoever keeps it makes an [`Event`] of it or copies it into
//! an [`EventBatch`](super::EventBatch).

use super::ContentDigest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    borrow::{Borrow, Cow},
    fmt,
    str::FromStr,
    sync::Arc,
};

/// The operation that an event records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// A file was opened for reading, or a directory for listing.
    OpenRead,
    /// A file was opened for writing, or created.
    OpenWrite,
    /// A descriptor of a file was closed for the last time; `bytes_*` say what went through it.
    Close,
    /// Metadata was asked for.
    Stat,
    /// A link was read.
    Readlink,
    /// A directory was made.
    Mkdir,
    /// An empty directory was removed.
    Rmdir,
    /// A file or link was removed.
    Unlink,
    /// An entry was renamed from `path` to `to`.
    Rename,
    /// A hard link was made to `path` at `to`.
    Link,
    /// A symbolic link was made.
    Symlink,
    /// Permission bits were changed.
    Chmod,
    /// Times were changed.
    Utimes,
    /// An open file was cut or extended.
    Truncate,
    /// A process was started from the program at the path.
    Spawn,
    /// A process ended; `status` says how.
    Exit,
    /// A socket was made; `address` is its protocol.
    Socket,
    /// A socket was given `address`.
    Bind,
    /// A socket was connected with `address`, or was to be.
    Connect,
    /// A datagram was sent to `address` by a socket that is not connected.
    Send,
}

impl Op {
    /// Tells whether the operation changes something, if it is carried out.
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::OpenRead | Self::Close | Self::Stat | Self::Readlink | Self::Spawn | Self::Exit
        ) && !self.is_network()
    }

    /// Tells whether the operation is one of a socket.
    pub fn is_network(self) -> bool {
        matches!(self, Self::Socket | Self::Bind | Self::Connect | Self::Send)
    }

    /// Tells whether a system call on one or two names, on an open file or on a socket made the event.
    pub fn is_call(self) -> bool {
        !matches!(self, Self::Close | Self::Spawn | Self::Exit)
    }

    /// Returns the name that the record uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenRead => "open_read",
            Self::OpenWrite => "open_write",
            Self::Close => "close",
            Self::Stat => "stat",
            Self::Readlink => "readlink",
            Self::Mkdir => "mkdir",
            Self::Rmdir => "rmdir",
            Self::Unlink => "unlink",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Symlink => "symlink",
            Self::Chmod => "chmod",
            Self::Utimes => "utimes",
            Self::Truncate => "truncate",
            Self::Spawn => "spawn",
            Self::Exit => "exit",
            Self::Socket => "socket",
            Self::Bind => "bind",
            Self::Connect => "connect",
            Self::Send => "send",
        }
    }
}

/// Whether an operation was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The rights allow it; `errno` may still tell of a failure, as for a file that is not there.
    Allowed,
    /// The rights refuse it.
    Denied,
}

/// What a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenAccess {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

impl OpenAccess {
    /// Tells whether what was opened can be read.
    pub fn reads(self) -> bool {
        self != Self::Write
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else: a device, a pipe.
    Other,
}

/// A node as `stat` shows it to guests: the number of the device (each mount is one) and of the
/// inode. Written as `device:inode`. No number is given twice in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRef {
    /// The mount, as `st_dev`.
    pub device: u64,
    /// The node, as `st_ino`.
    pub inode: u64,
}

impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

impl FromStr for NodeRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pair = text.split_once(':').and_then(|(device, inode)| {
            Some(Self { device: device.parse().ok()?, inode: inode.parse().ok()? })
        });
        pair.ok_or("a node is written as `device:inode`")
    }
}

impl Serialize for NodeRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// One entry of the record.
///
/// `Event` without parameters holds what it says; an [`EventRef`] has it lent. `S` is a text, `D` the
/// digest of a content, `L` a list of texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound(
        serialize = "S: Serialize, D: Serialize, L: Serialize + AsRef<[String]>",
        deserialize = "S: Deserialize<'de>, D: Deserialize<'de>, L: Deserialize<'de> + Default"
    )
)]
pub struct Event<S = Arc<str>, D = ContentDigest, L = Vec<String>> {
    /// Position in the record of the sandbox, from 0, without gaps.
    pub seq: u64,
    /// Microseconds since the sandbox began, by its own clock.
    pub at_us: u64,
    /// The process that asked; 0 is the host.
    pub pid: u32,
    /// Its parent; 0 is the host.
    pub ppid: u32,
    /// The name that process was started under.
    pub argv0: S,
    /// The tool call that the command belongs to, as whoever ran it named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<S>,
    /// What was asked for.
    pub op: Op,
    /// The path as it was asked for; relative to the root of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<S>,
    /// The path of the node that was operated on, or that would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<S>,
    /// The second path as it was asked for, for `rename` and `link`; where the link points, for
    /// `symlink`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<S>,
    /// The path that the second one led to, for `rename` and `link`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_resolved: Option<S>,
    /// What a socket was to be given, or to reach, as in `tcp://127.0.0.1:80`, `udp://[::1]:53`,
    /// `unix:/tmp/name` and `unix:@abstract`; the protocol alone for `socket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<S>,
    /// The node that was operated on, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeRef>,
    /// What that node is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<NodeKind>,
    /// Other names that the node had at that time: its hard links.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub names: L,
    /// The operation made the node.
    #[serde(default, skip_serializing_if = "is_false")]
    pub created: bool,
    /// What a file was opened for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<OpenAccess>,
    /// The mount that grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<S>,
    /// The rule that decided, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<S>,
    /// Allowed or denied.
    pub decision: Decision,
    /// A tripwire: the access is to be looked at, whether it was allowed or denied.
    #[serde(default, skip_serializing_if = "is_false")]
    pub flagged: bool,
    /// The POSIX name of the error that the guest got, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<S>,
    /// Bytes read through the descriptor, for `close`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_read: Option<u64>,
    /// Bytes written through the descriptor, for `close`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_written: Option<u64>,
    /// What the file held when it was opened, for the `close` of one that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_before: Option<D>,
    /// What it held when it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_after: Option<D>,
    /// The arguments, for `spawn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<L>,
    /// The process that was started, for `spawn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<u32>,
    /// How the process ended, for `exit`: `code 0`, `signal 9`, `trap stack overflow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<S>,
    /// How many equal events this one stands for, where they were put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// An [`Event`] whose texts somebody else holds.
pub type EventRef<'a> = Event<&'a str, &'a ContentDigest, &'a [String]>;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_empty(list: &impl AsRef<[String]>) -> bool {
    list.as_ref().is_empty()
}

impl<S, D, L: Default> Event<S, D, L> {
    /// Returns an event that says who did what, and nothing else.
    pub fn new(op: Op, decision: Decision, pid: u32, argv0: impl Into<S>) -> Self {
        Self {
            seq: 0,
            at_us: 0,
            pid,
            ppid: 0,
            argv0: argv0.into(),
            call: None,
            op,
            path: None,
            resolved: None,
            to: None,
            to_resolved: None,
            address: None,
            node: None,
            kind: None,
            names: L::default(),
            created: false,
            access: None,
            grant: None,
            rule: None,
            decision,
            flagged: false,
            errno: None,
            bytes_read: None,
            bytes_written: None,
            hash_before: None,
            hash_after: None,
            argv: None,
            child: None,
            status: None,
            count: None,
        }
    }
}

impl<S, D, L> Event<S, D, L> {
    /// Returns the same event with its texts, digests and lists in another form.
    fn map<'a, T, E, M>(
        &'a self,
        text: impl Fn(&'a S) -> T,
        digest: impl Fn(&'a D) -> E,
        list: impl Fn(&'a L) -> M,
    ) -> Event<T, E, M> {
        let maybe = |it: &'a Option<S>| it.as_ref().map(&text);
        Event {
            seq: self.seq,
            at_us: self.at_us,
            pid: self.pid,
            ppid: self.ppid,
            argv0: text(&self.argv0),
            call: maybe(&self.call),
            op: self.op,
            path: maybe(&self.path),
            resolved: maybe(&self.resolved),
            to: maybe(&self.to),
            to_resolved: maybe(&self.to_resolved),
            address: maybe(&self.address),
            node: self.node,
            kind: self.kind,
            names: list(&self.names),
            created: self.created,
            access: self.access,
            grant: maybe(&self.grant),
            rule: maybe(&self.rule),
            decision: self.decision,
            flagged: self.flagged,
            errno: maybe(&self.errno),
            bytes_read: self.bytes_read,
            bytes_written: self.bytes_written,
            hash_before: self.hash_before.as_ref().map(&digest),
            hash_after: self.hash_after.as_ref().map(&digest),
            argv: self.argv.as_ref().map(&list),
            child: self.child,
            status: maybe(&self.status),
            count: self.count,
        }
    }

    /// Returns how many bytes of content the event holds on to.
    pub fn n_held_bytes(&self) -> u64
    where
        D: Borrow<ContentDigest>,
    {
        let digests = [&self.hash_before, &self.hash_after].into_iter().flatten();
        digests.map(|digest| digest.borrow().n_held_bytes()).sum()
    }
}

impl EventRef<'_> {
    /// Returns an event that holds all of it.
    pub fn to_event(&self) -> Event {
        self.map(|text| Arc::from(*text), |digest| (*digest).clone(), |list| list.to_vec())
    }
}

impl<'a> From<&'a Event> for EventRef<'a> {
    fn from(event: &'a Event) -> Self {
        event.map(|text| &**text, |digest| digest, |list| &**list)
    }
}

impl Event {
    /// Computes the hashes now rather than when they are first asked for. Until then the event
    /// holds on to the contents.
    pub fn settle(&mut self) {
        for digest in [&mut self.hash_before, &mut self.hash_after].into_iter().flatten() {
            digest.settle();
        }
    }

    /// Tells whether the operation was allowed and succeeded.
    pub fn succeeded(&self) -> bool {
        self.decision == Decision::Allowed && self.errno.is_none()
    }

    /// Tells whether content of a file or link went to a guest, or could have: a file opened for
    /// reading, bytes read through a descriptor, a link read.
    pub fn reads_content(&self) -> bool {
        if !self.succeeded() || self.kind == Some(NodeKind::Directory) {
            return false;
        }
        match self.op {
            Op::OpenRead | Op::Readlink => true,
            Op::OpenWrite => self.access.is_some_and(OpenAccess::reads) && !self.created,
            Op::Close => self.bytes_read.is_some_and(|n_bytes| n_bytes > 0),
            _ => false,
        }
    }
}
