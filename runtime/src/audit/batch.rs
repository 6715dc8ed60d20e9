//! Many events in one buffer, which is emptied and filled again. What events rarely have goes beside
//! the buffer as an [`Event`].

use super::{ContentDigest, Decision, Event, EventRef, NodeKind, NodeRef, Op, OpenAccess};

/// Texts of an entry, in this order: argv0, call, path, resolved, to, `to_resolved`, grant, rule, errno.
const N_TEXTS: usize = 9;

/// Bytes before the texts: five numbers of 8 bytes, two of 4, six of one, the lengths of the texts.
const HEAD_BYTES: usize = 6 * 8 + 2 * 4 + 8 + 4 * N_TEXTS;

/// The length of a text that is not there.
const ABSENT: u32 = u32::MAX;

/// The first byte of an entry that lies beside the buffer.
const BESIDE: u8 = 0xff;

/// What is there and what is not.
mod flag {
    pub(super) const NODE: u8 = 1;
    pub(super) const CREATED: u8 = 2;
    pub(super) const FLAGGED: u8 = 4;
    pub(super) const READ: u8 = 8;
    pub(super) const WRITTEN: u8 = 16;
    pub(super) const BEFORE: u8 = 32;
    pub(super) const AFTER: u8 = 64;
    pub(super) const DENIED: u8 = 128;
}

const OPS: [Op; 20] = [
    Op::OpenRead,
    Op::OpenWrite,
    Op::Close,
    Op::Stat,
    Op::Readlink,
    Op::Mkdir,
    Op::Rmdir,
    Op::Unlink,
    Op::Rename,
    Op::Link,
    Op::Symlink,
    Op::Chmod,
    Op::Utimes,
    Op::Truncate,
    Op::Spawn,
    Op::Exit,
    Op::Socket,
    Op::Bind,
    Op::Connect,
    Op::Send,
];

const KINDS: [Option<NodeKind>; 5] = [
    None,
    Some(NodeKind::File),
    Some(NodeKind::Directory),
    Some(NodeKind::Symlink),
    Some(NodeKind::Other),
];

const ACCESSES: [Option<OpenAccess>; 4] =
    [None, Some(OpenAccess::Read), Some(OpenAccess::Write), Some(OpenAccess::ReadWrite)];

/// Events in the order in which they were put in, in one buffer that keeps its memory when it is
/// emptied.
///
/// # Examples
///
/// ```
/// use playpen_runtime::audit::{Decision, EventRef, EventBatch, Op};
///
/// let mut batch = EventBatch::default();
/// batch.push(&EventRef { path: Some("a.txt"), ..EventRef::new(Op::Stat, Decision::Allowed, 2, "ls") });
/// let mut paths = vec![];
/// batch.drain(|entry| paths.extend(entry.path.map(str::to_owned)));
/// assert_eq!(paths, ["a.txt"]);
/// ```
#[derive(Debug, Default)]
pub struct EventBatch {
    bytes: Vec<u8>,
    digests: Vec<ContentDigest>,
    /// Events with what few have.
    beside: Vec<Event>,
    n_events: usize,
}

impl EventBatch {
    /// Returns how many events there are.
    pub fn len(&self) -> usize {
        self.n_events
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.n_events == 0
    }

    /// Returns how many bytes of the buffer are used.
    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes all events out and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.digests.clear();
        self.beside.clear();
        self.n_events = 0;
    }

    /// Puts an event in.
    pub fn push(&mut self, entry: &EventRef<'_>) {
        self.n_events += 1;
        let is_rare = !entry.names.is_empty()
            || entry.argv.is_some()
            || entry.address.is_some()
            || entry.child.is_some()
            || entry.status.is_some()
            || entry.count.is_some();
        if is_rare {
            self.bytes.push(BESIDE);
            return self.beside.push(entry.to_event());
        }
        self.encode(entry);
        self.digests.extend(entry.hash_before.cloned());
        self.digests.extend(entry.hash_after.cloned());
    }

    fn encode(&mut self, entry: &EventRef<'_>) {
        let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
        let flags = flag(entry.node.is_some(), flag::NODE)
            | flag(entry.created, flag::CREATED)
            | flag(entry.flagged, flag::FLAGGED)
            | flag(entry.bytes_read.is_some(), flag::READ)
            | flag(entry.bytes_written.is_some(), flag::WRITTEN)
            | flag(entry.hash_before.is_some(), flag::BEFORE)
            | flag(entry.hash_after.is_some(), flag::AFTER)
            | flag(entry.decision == Decision::Denied, flag::DENIED);
        let node = entry.node.unwrap_or(NodeRef { device: 0, inode: 0 });
        let kind = entry.kind.map_or(0, |kind| kind as u8 + 1);
        let access = entry.access.map_or(0, |access| access as u8 + 1);
        let texts = [
            Some(entry.argv0),
            entry.call,
            entry.path,
            entry.resolved,
            entry.to,
            entry.to_resolved,
            entry.grant,
            entry.rule,
            entry.errno,
        ];
        let mut head = [0; HEAD_BYTES];
        head[..4].copy_from_slice(&[entry.op as u8, flags, kind, access]);
        head[8..12].copy_from_slice(&entry.pid.to_le_bytes());
        head[12..16].copy_from_slice(&entry.ppid.to_le_bytes());
        let numbers = [
            entry.seq,
            entry.at_us,
            node.device,
            node.inode,
            entry.bytes_read.unwrap_or(0),
            entry.bytes_written.unwrap_or(0),
        ];
        for (place, number) in head[16..64].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let len = |text: &str| u32::try_from(text.len()).unwrap_or(ABSENT - 1);
        for (place, text) in head[64..].chunks_exact_mut(4).zip(texts) {
            place.copy_from_slice(&text.map_or(ABSENT, len).to_le_bytes());
        }
        self.bytes.extend_from_slice(&head);
        for text in texts.into_iter().flatten() {
            self.bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// Lends all events, in order, and takes each out: what an event held is let go before the next is lent.
    pub fn drain(&mut self, mut look: impl FnMut(&EventRef<'_>)) {
        // There is no error.
        let _ = self.try_drain(|entry| {
            look(entry);
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Lends events as [`Self::drain`] does, up to the first error. The batch is empty afterwards, and keeps its
    /// memory.
    ///
    /// # Errors
    ///
    /// Fails as `look` fails.
    pub fn try_drain<E>(
        &mut self,
        mut look: impl FnMut(&EventRef<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = Rest { bytes: &self.bytes, digests: self.digests.drain(..) };
        let mut beside = self.beside.drain(..);
        let mut result = Ok(());
        while result.is_ok()
            && let Some(first) = rest.bytes.first()
        {
            result = if *first == BESIDE {
                rest.bytes = &rest.bytes[1..];
                look(&EventRef::from(&beside.next().expect("pushed with its mark")))
            } else {
                rest.lend_next(&mut look)
            };
        }
        drop((rest, beside));
        self.clear();
        result
    }
}

/// What of a batch is still to be lent.
struct Rest<'a> {
    bytes: &'a [u8],
    digests: std::vec::Drain<'a, ContentDigest>,
}

impl<'a> Rest<'a> {
    fn take(&mut self, n_bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(n_bytes);
        self.bytes = rest;
        taken
    }

    fn text(&mut self, len: u32) -> Option<&'a str> {
        let text = (len != ABSENT).then(|| self.take(len as usize))?;
        Some(std::str::from_utf8(text).expect("it was a text"))
    }

    fn lend_next<T>(&mut self, look: impl FnOnce(&EventRef<'_>) -> T) -> T {
        let head = self.take(HEAD_BYTES);
        let flags = head[1];
        let has = |flag: u8| flags & flag != 0;
        let short = |at: usize| {
            u32::from_le_bytes(head[at..at + 4].try_into().expect("a slice of 4 bytes"))
        };
        let long = |index: usize| {
            let at = 16 + 8 * index;
            u64::from_le_bytes(head[at..at + 8].try_into().expect("a slice of 8 bytes"))
        };
        let mut texts = [None; N_TEXTS];
        for (index, text) in texts.iter_mut().enumerate() {
            *text = self.text(short(64 + 4 * index));
        }
        let [argv0, call, path, resolved, to, to_resolved, grant, rule, errno] = texts;
        let decision = if has(flag::DENIED) { Decision::Denied } else { Decision::Allowed };
        let op = OPS[usize::from(head[0])];
        let hash_before = has(flag::BEFORE).then(|| self.digests.next()).flatten();
        let hash_after = has(flag::AFTER).then(|| self.digests.next()).flatten();
        look(&EventRef {
            seq: long(0),
            at_us: long(1),
            ppid: short(12),
            call,
            path,
            resolved,
            to,
            to_resolved,
            node: has(flag::NODE).then(|| NodeRef { device: long(2), inode: long(3) }),
            kind: KINDS[usize::from(head[2])],
            created: has(flag::CREATED),
            access: ACCESSES[usize::from(head[3])],
            grant,
            rule,
            flagged: has(flag::FLAGGED),
            errno,
            bytes_read: has(flag::READ).then(|| long(4)),
            bytes_written: has(flag::WRITTEN).then(|| long(5)),
            hash_before: hash_before.as_ref(),
            hash_after: hash_after.as_ref(),
            ..EventRef::new(op, decision, short(8), argv0.unwrap_or(""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{option, prelude::*, sample::select};
    use std::sync::Arc;

    fn text() -> impl Strategy<Value = Arc<str>> {
        prop_oneof!["[a-z/\"\\\\]{0,12}", ".{0,20}"].prop_map(Arc::from)
    }

    prop_compose! {
        fn numbers()(
            n in any::<[u64; 4]>(), pids in any::<[u32; 2]>(), bits in any::<[bool; 6]>(),
            op in select(&OPS[..]), kind in select(&KINDS[..]), access in select(&ACCESSES[..]),
        ) -> Event {
            let decision = if bits[0] { Decision::Denied } else { Decision::Allowed };
            let digest = |has: bool| has.then(|| ContentDigest::of_bytes(&n[0].to_le_bytes()));
            Event {
                seq: n[0], at_us: n[1], ppid: pids[1], kind, access, created: bits[1], flagged: bits[2],
                node: bits[3].then_some(NodeRef { device: n[2], inode: n[3] }),
                bytes_read: bits[4].then_some(n[1]), bytes_written: bits[5].then_some(n[2]),
                hash_before: digest(bits[4]), hash_after: digest(bits[5]),
                ..Event::new(op, decision, pids[0], "")
            }
        }
    }

    prop_compose! {
        fn event()(
            event in numbers(), argv0 in text(),
            path in option::of(text()), resolved in option::of(text()), to in option::of(text()),
            to_resolved in option::of(text()), grant in option::of(text()), rule in option::of(text()),
            errno in option::of("[A-Z]{3}"), rare in 0_u8..20,
        ) -> Event {
            Event {
                names: if rare == 1 { vec!["/n".to_owned()] } else { vec![] },
                argv: (rare == 2).then(|| vec!["a".to_owned(), String::new()]),
                status: (rare == 3).then(|| "code 0".into()),
                count: (rare == 4).then_some(3),
                child: (rare == 5).then_some(7),
                address: (rare == 6).then(|| "tcp".into()),
                call: (rare > 15).then(|| "call".into()),
                argv0, path, resolved, to, to_resolved, grant, rule,
                errno: errno.map(Into::into), ..event
            }
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_was_put_in(events in prop::collection::vec(event(), 0..20)) {
            let mut batch = EventBatch::default();
            for _ in 0..2 {
                for event in &events {
                    batch.push(&event.into());
                }
                let mut out = vec![];
                batch.drain(|entry| out.push(entry.to_event()));
                prop_assert_eq!(&out, &events);
                prop_assert!(batch.is_empty());
            }
        }

        #[test]
        fn an_entry_is_written_as_its_event(event in event()) {
            let entry = serde_json::to_string(&EventRef::from(&event)).unwrap();
            prop_assert_eq!(entry, serde_json::to_string(&event).unwrap());
        }
    }
}
