//! From the end of a walk to an entry of the record: who asks, for what, and what came of it.

use super::{
    Found, NodeId, Vfs,
    resolve::{Last, Place},
    rights::{Verdict, Want},
    stat::FileType,
};
use crate::{
    audit::{ContentDigest, Decision, EventRef, NodeKind, NodeRef, Op, OpenAccess},
    errno::{Errno, SysResult},
    fd::FdTable,
    limits::Budget,
    tree::{Content, Node},
};
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) argv0: Arc<str>,
    /// The tool call that the command belongs to.
    pub(crate) call: Option<Arc<str>>,
    pub(crate) budget: Arc<Budget>,
}

/// A path and the directory that it is relative to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) dir: NodeId,
    pub(crate) path: &'a str,
    /// Whether a symbolic link at the end is followed.
    pub(crate) follow: bool,
    /// The descriptors of whoever asks, for paths like `/dev/fd/5`.
    pub(crate) fds: Option<&'a FdTable>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) actor: &'a Actor,
    pub(super) op: Op,
    pub(super) at: At<'a>,
    pub(super) last: Last,
    /// The target of a link that is made.
    pub(super) to: Option<&'a str>,
    pub(super) access: Option<OpenAccess>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(actor: &'a Actor, op: Op, at: At<'a>) -> Self {
        let last = match op {
            Op::Mkdir | Op::Symlink | Op::Unlink | Op::Rmdir | Op::Rename => Last::Entry,
            _ if at.follow => Last::Followed,
            _ => Last::Named,
        };
        Self { actor, op, at, last, to: None, access: None }
    }
}

/// What an operation came to; a refusal that only the operation could find has its verdict.
pub(super) type Outcome = Result<(), Failure>;

/// Why an operation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Errno(Errno),
    Refused(Verdict),
}

impl Failure {
    /// Returns what the guest is told.
    pub(crate) fn errno(&self) -> Errno {
        match self {
            Self::Errno(errno) => *errno,
            Self::Refused(verdict) => verdict.refusal.unwrap_or(Errno::ACCES),
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// An open file whose traffic is recorded at its last close.
#[derive(Debug)]
pub(crate) struct Traffic<'a> {
    pub(crate) path: &'a Arc<str>,
    pub(crate) node: NodeId,
    pub(crate) before: Option<&'a Content>,
    /// Bytes.
    pub(crate) read: u64,
    /// Bytes.
    pub(crate) written: u64,
    pub(crate) is_written: bool,
}

impl Vfs {
    /// Resolves a path, and records if that fails.
    pub(super) fn locate(&mut self, ask: &Ask<'_>) -> SysResult<Place> {
        self.resolve(ask.at.dir, ask.at.path, ask.last)
            .inspect_err(|errno| self.note(ask, None, None, None, Some(*errno)))
    }

    /// Decides on a place, operates if the answer is yes, and records both.
    pub(super) fn operate<T>(
        &mut self,
        ask: &Ask<'_>,
        place: &Place,
        want: Want,
        operation: impl FnOnce(&mut Self) -> SysResult<T>,
    ) -> SysResult<T> {
        let verdict = self.decide_place(ask, place, want);
        self.made = None;
        let result = match verdict.refusal {
            Some(errno) => Err(errno),
            None => operation(self),
        };
        let errno = result.as_ref().err().copied();
        self.note(ask, Some(place), None, Some(&verdict), errno);
        result
    }

    /// The same for an operation on two names, both of which must be writable.
    pub(super) fn operate_both(
        &mut self,
        ask: &Ask<'_>,
        to: At<'_>,
        operation: impl FnOnce(&mut Self, &Place, &Place) -> Outcome,
    ) -> SysResult<()> {
        let ask = &Ask { to: Some(to.path), ..*ask };
        let old = self.locate(ask)?;
        let new = match self.resolve(to.dir, to.path, Last::Entry) {
            Ok(new) => new,
            Err(errno) => {
                // What is to be linked is looked up whole before the new name is; what is to be
                // renamed is not.
                let is_missing = ask.op == Op::Link && old.found.is_none();
                let errno = if is_missing { Errno::NOENT } else { errno };
                self.note(ask, Some(&old), None, None, Some(errno));
                return Err(errno);
            }
        };
        let mut verdict = self.decide_place(ask, &old, Want::Write);
        if verdict.refusal.is_none() {
            let other = self.decide_place(ask, &new, Want::Write);
            if other.refusal.is_some() || other.flagged {
                verdict = other;
            }
        }
        (self.made, self.met) = (None, None);
        let result = match verdict.refusal {
            Some(errno) => Err(errno),
            None => operation(self, &old, &new).map_err(|failure| {
                let errno = failure.errno();
                if let Failure::Refused(refusal) = failure {
                    verdict = refusal;
                }
                errno
            }),
        };
        if let Some(rule) = self.met.take() {
            verdict.flagged = true;
            verdict.rule.get_or_insert(rule);
        }
        self.note(ask, Some(&old), Some(&new), Some(&verdict), result.err());
        result
    }

    /// Records one operation.
    pub(super) fn note(
        &self,
        ask: &Ask<'_>,
        place: Option<&Place>,
        to: Option<&Place>,
        verdict: Option<&Verdict>,
        errno: Option<Errno>,
    ) {
        // A walk that fails with EACCES met something that may not be walked through.
        let is_refused =
            verdict.is_some_and(|verdict| verdict.refusal.is_some()) || errno == Some(Errno::ACCES);
        let decision = if is_refused { Decision::Denied } else { Decision::Allowed };
        let flagged = verdict.is_some_and(|verdict| verdict.flagged);
        if !self.audit.is_on() && decision == Decision::Allowed && !flagged {
            return;
        }
        let (resolved, node) = place.map_or((None, None), |place| identity(ask, place));
        let created = errno.is_none() && self.made.is_some();
        let node = if created { self.made } else { node };
        let names = node.map_or(vec![], |node| {
            self.recorded_names(node, place.map_or("", |place| &place.path))
        });
        self.audit.record(&mut EventRef {
            path: Some(ask.at.path),
            resolved,
            to: ask.to,
            to_resolved: to.map(|place| place.path.as_str()),
            node: node.map(NodeRef::from),
            kind: node.map(|node| self.kind_of(node)),
            names: &names,
            created,
            access: ask.access,
            grant: verdict.map(|verdict| &*verdict.grant),
            rule: verdict.and_then(|verdict| verdict.rule.as_deref()),
            flagged,
            errno: errno.map(Errno::name),
            ..self.blank_ref(ask.actor, ask.op, decision)
        });
    }

    /// Returns the names of a node but for the one that the event has already.
    pub(crate) fn recorded_names(&self, node: NodeId, path: &str) -> Vec<String> {
        let mut names = self.other_names(node);
        names.retain(|name| name != path);
        names
    }

    fn kind_of(&self, node: NodeId) -> NodeKind {
        match self.quick_kind(node) {
            FileType::RegularFile => NodeKind::File,
            FileType::Directory => NodeKind::Directory,
            FileType::SymbolicLink => NodeKind::Symlink,
            FileType::Unknown
            | FileType::CharacterDevice
            | FileType::SocketDatagram
            | FileType::SocketStream => NodeKind::Other,
        }
    }

    /// Returns what a file holds, for the record of what it held before it was written.
    pub(crate) fn content_of(&self, node: NodeId) -> Option<Content> {
        match &self.inode(node)?.node {
            Node::File(content) => Some(content.clone()),
            _ => None,
        }
    }

    /// Records the last close of a file that was read or written.
    pub(crate) fn note_close(&self, actor: &Actor, traffic: &Traffic<'_>) {
        let after = traffic.is_written.then(|| self.content_of(traffic.node)).flatten();
        let before = traffic.before.and_then(ContentDigest::of);
        let after = after.as_ref().and_then(ContentDigest::of);
        self.audit.record(&mut EventRef {
            resolved: Some(traffic.path),
            node: Some(traffic.node.into()),
            kind: Some(NodeKind::File),
            names: &self.recorded_names(traffic.node, ""),
            bytes_read: Some(traffic.read),
            bytes_written: Some(traffic.written),
            hash_before: before.as_ref(),
            hash_after: after.as_ref(),
            ..self.blank_ref(actor, Op::Close, Decision::Allowed)
        });
    }

    /// Records that an open file was cut or extended; the right to was checked at the open.
    pub(crate) fn note_truncate(
        &self,
        actor: &Actor,
        path: &Arc<str>,
        node: NodeId,
        errno: Option<Errno>,
    ) {
        if !self.audit.is_on() {
            return;
        }
        self.audit.record(&mut EventRef {
            path: Some(path),
            resolved: Some(path),
            node: Some(node.into()),
            kind: Some(NodeKind::File),
            names: &self.recorded_names(node, ""),
            errno: errno.map(Errno::name),
            ..self.blank_ref(actor, Op::Truncate, Decision::Allowed)
        });
    }

    /// Returns an entry with what every event has.
    pub(crate) fn blank_ref<'a>(
        &self,
        actor: &'a Actor,
        op: Op,
        decision: Decision,
    ) -> EventRef<'a> {
        EventRef {
            at_us: u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX),
            ppid: actor.ppid,
            call: actor.call.as_deref(),
            ..EventRef::new(op, decision, actor.pid, &*actor.argv0)
        }
    }
}

/// Returns the path and the node that a place stands for; a descriptor stands for what it is open on.
fn identity<'a>(ask: &Ask<'a>, place: &'a Place) -> (Option<&'a str>, Option<NodeId>) {
    let path = Some(place.path.as_str());
    match place.found {
        Some(Found::Node(node)) => (path, Some(node)),
        Some(Found::Descriptor(number)) => match ask.at.fds.and_then(|fds| fds.get(number).ok()) {
            Some(it) if !it.path.is_empty() => (Some(&it.path), it.node()),
            _ => (path, None),
        },
        None => (path, None),
    }
}

impl From<NodeId> for NodeRef {
    fn from(node: NodeId) -> Self {
        Self { device: u64::from(node.mount) + 1, inode: node.ino }
    }
}
