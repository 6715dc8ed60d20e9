//! An event that is only lent, and many of them in one piece of memory.
//!
//! A guest waits while its event is made, so making one takes nothing from the allocator: what it says
//! is lent to the sink as an [`EventRef`], and whoever keeps it copies it into an [`EventBatch`], a buffer
//! that is emptied and filled again. What events rarely have goes beside the buffer as an [`Event`].

use super::{ContentDigest, Decision, Event, NodeKind, NodeRef, Op, OpenAccess, event::is_false};
use serde::Serialize;

/// An [`Event`] whose texts somebody else holds; each field is what it is there, and it is serialized
/// as that is.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of `Event`")]
pub struct EventRef<'a> {
    pub seq: u64,
    pub at_us: u64,
    pub pid: u32,
    pub ppid: u32,
    pub argv0: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<&'a str>,
    pub op: Op,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_resolved: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<NodeKind>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub names: &'a [String],
    #[serde(skip_serializing_if = "is_false")]
    pub created: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<OpenAccess>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    pub decision: Decision,
    #[serde(skip_serializing_if = "is_false")]
    pub flagged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_before: Option<&'a ContentDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_after: Option<&'a ContentDigest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl<'a> EventRef<'a> {
    /// Returns an entry that says who did what, and nothing else.
    pub fn new(op: Op, decision: Decision, pid: u32, argv0: &'a str) -> Self {
        Self {
            seq: 0,
            at_us: 0,
            pid,
            ppid: 0,
            argv0,
            call: None,
            op,
            path: None,
            resolved: None,
            to: None,
            to_resolved: None,
            node: None,
            kind: None,
            names: &[],
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

    /// Returns an event that holds all of it.
    pub fn to_event(&self) -> Event {
        Event {
            seq: self.seq,
            at_us: self.at_us,
            pid: self.pid,
            ppid: self.ppid,
            argv0: self.argv0.into(),
            call: self.call.map(Into::into),
            op: self.op,
            path: self.path.map(Into::into),
            resolved: self.resolved.map(Into::into),
            to: self.to.map(Into::into),
            to_resolved: self.to_resolved.map(Into::into),
            node: self.node,
            kind: self.kind,
            names: self.names.to_vec(),
            created: self.created,
            access: self.access,
            grant: self.grant.map(Into::into),
            rule: self.rule.map(Into::into),
            decision: self.decision,
            flagged: self.flagged,
            errno: self.errno.map(|errno| errno.to_owned().into()),
            bytes_read: self.bytes_read,
            bytes_written: self.bytes_written,
            hash_before: self.hash_before.cloned(),
            hash_after: self.hash_after.cloned(),
            argv: self.argv.map(<[String]>::to_vec),
            child: self.child,
            status: self.status.map(str::to_owned),
            count: self.count,
        }
    }

    /// Returns how many bytes of content the entry holds on to.
    pub fn n_held_bytes(&self) -> u64 {
        let digests = [self.hash_before, self.hash_after].into_iter().flatten();
        digests.map(ContentDigest::n_held_bytes).sum()
    }
}

impl<'a> From<&'a Event> for EventRef<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            seq: event.seq,
            at_us: event.at_us,
            ppid: event.ppid,
            call: event.call.as_deref(),
            path: event.path.as_deref(),
            resolved: event.resolved.as_deref(),
            to: event.to.as_deref(),
            to_resolved: event.to_resolved.as_deref(),
            node: event.node,
            kind: event.kind,
            names: &event.names,
            created: event.created,
            access: event.access,
            grant: event.grant.as_deref(),
            rule: event.rule.as_deref(),
            flagged: event.flagged,
            errno: event.errno.as_deref(),
            bytes_read: event.bytes_read,
            bytes_written: event.bytes_written,
            hash_before: event.hash_before.as_ref(),
            hash_after: event.hash_after.as_ref(),
            argv: event.argv.as_deref(),
            child: event.child,
            status: event.status.as_deref(),
            count: event.count,
            ..Self::new(event.op, event.decision, event.pid, &event.argv0)
        }
    }
}
