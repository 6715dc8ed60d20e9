//! Open file descriptions.

use super::{Capture, PipeReader, PipeWriter};
use crate::{
    errno::{Errno, SysResult},
    limits::Budget,
    locks::{Holder, Locks},
    net::Socket,
    tree::{Content, Device},
    vfs::{Actor, DirEntry, HostFile, NodeId, Traffic, Vfs},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// A node of a tree, held open: the inode lives as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) node: NodeId,
    pub(crate) vfs: Arc<Mutex<Vfs>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.vfs.lock().release(self.node);
    }
}

/// What was in a directory when reading it started. Counts as memory of the command: answers many descriptors
/// of a large directory.
#[derive(Debug)]
pub(crate) struct Listing {
    entries: Box<[DirEntry]>,
    budget: Arc<Budget>,
}

impl Listing {
    pub(crate) fn new(entries: Vec<DirEntry>, budget: &Arc<Budget>) -> SysResult<Arc<Self>> {
        let entries = entries.into_boxed_slice();
        if !budget.take_memory(size_of_val(&*entries) as u64) {
            return Err(Errno::NOMEM);
        }
        Ok(Arc::new(Self { entries, budget: Arc::clone(budget) }))
    }

    pub(crate) fn entries(&self) -> &[DirEntry] {
        &self.entries
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.budget.give_memory(size_of_val(&*self.entries) as u64);
    }
}

/// What is open.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A file of a tree.
    File(Held),
    /// A directory; the listing is taken when reading starts, so that cookies stay good.
    Directory {
        held: Held,
        listing: Mutex<Option<Arc<Listing>>>,
    },
    /// A file of the host.
    Host(HostFile),
    /// Bytes that exist only for this description: `/proc/self`, input given by the host.
    Bytes(Bytes),
    /// A device.
    Device(Device),
    /// `/dev/fd` itself.
    DescriptorDir,
    PipeReader(PipeReader),
    PipeWriter(PipeWriter),
    /// A socket of the sandbox.
    Socket(Arc<Socket>),
    /// Output that the host collects.
    Capture(Arc<Capture>),
}

/// What was asked for at the open, and `O_APPEND` and `O_NONBLOCK`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) nonblock: bool,
}

/// Who opened a file, and what it was then.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) actor: Actor,
    pub(crate) node: NodeId,
    pub(crate) vfs: Arc<Mutex<Vfs>>,
    /// What a file held that was opened for writing.
    pub(crate) before: Option<Content>,
    /// The open has emptied it.
    pub(crate) is_cut: bool,
}

/// An open file description.
#[derive(Debug)]
pub(crate) struct Description {
    /// Who holds its locks, once it has any. They go before what is open does.
    lock_holder: OnceLock<Holder>,
    pub(crate) kind: Kind,
    pub(crate) flags: Mutex<Flags>,
    pub(crate) offset: Mutex<u64>,
    /// Canonical path at the open, for the record; empty for pipes.
    pub(crate) path: Arc<str>,
    /// What tells it from others where there is no inode.
    pub(crate) serial: u64,
    opener: Option<Opener>,
    pub(crate) bytes_read: AtomicU64,
    pub(crate) bytes_written: AtomicU64,
}

impl Description {
    pub(crate) fn new(kind: Kind, flags: Flags) -> Self {
        Self {
            lock_holder: OnceLock::new(),
            kind,
            flags: Mutex::new(flags),
            offset: Mutex::new(0),
            path: "".into(),
            serial: 0,
            opener: None,
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        }
    }

    /// A description of something with a path, whose traffic is recorded at the last close.
    pub(crate) fn opened(kind: Kind, flags: Flags, path: String, opener: Option<Opener>) -> Self {
        let mut description = Self::new(kind, flags);
        description.path = path.into();
        description.opener = opener;
        description
    }

    /// Returns the node that is open, if it is one of a mount.
    pub(crate) fn node(&self) -> Option<NodeId> {
        match &self.kind {
            Kind::File(held) | Kind::Directory { held, .. } => Some(held.node),
            _ => self.opener.as_ref().map(|opener| opener.node),
        }
    }

    /// Returns who holds the locks of this description.
    pub(crate) fn lock_holder(&self, locks: &Arc<Locks>) -> &Holder {
        self.lock_holder.get_or_init(|| Holder::new(locks))
    }

    /// Input that the host gives: one slice, read once.
    pub(crate) fn input(data: Bytes) -> Self {
        Self::new(Kind::Bytes(data), Flags { read: true, ..Flags::default() })
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.flags.lock().nonblock
    }

    pub(crate) fn count_read(&self, n_bytes: usize) {
        self.bytes_read.fetch_add(n_bytes as u64, Relaxed);
    }

    pub(crate) fn count_written(&self, n_bytes: usize) {
        self.bytes_written.fetch_add(n_bytes as u64, Relaxed);
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        let (read, written) = (*self.bytes_read.get_mut(), *self.bytes_written.get_mut());
        let Some(Opener { actor, node, vfs, before, is_cut }) = &self.opener else { return };
        let is_written = written > 0 || *is_cut;
        if read == 0 && !is_written {
            return;
        }
        let vfs = vfs.lock();
        if vfs.audit.is_on() {
            let before = before.as_ref().filter(|_| is_written);
            let traffic =
                Traffic { path: &self.path, node: *node, before, read, written, is_written };
            vfs.note_close(actor, &traffic);
        }
    }
}
