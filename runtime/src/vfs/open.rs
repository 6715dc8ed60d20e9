//! Opening files, and reading programs for starting them.

use super::{
    Actor, At, Failure, Found, HostFile, NodeId, Vfs,
    mount::Backing,
    record::Ask,
    resolve::{Last, Place},
    rights::{Verdict, Want},
    stat::FileType,
};
use crate::{
    audit::{Op, OpenAccess},
    errno::{Errno, SysResult},
    tree::{Content, Device, Node, ProcessFile},
};
use std::sync::Arc;

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenFlags {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) directory: bool,
    /// Permission bits of a file that is created.
    pub(crate) mode: u32,
}

/// What [`Vfs::open`] opened.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A file of a tree, held until [`Vfs::release`], and what it held if it may be written.
    File(NodeId, Option<Content>),
    /// A directory; held until [`Vfs::release`].
    Directory(NodeId),
    /// A file of the host.
    Host(NodeId, HostFile),
    /// A device.
    Device(Device),
    /// A file of `/proc/self`.
    Process(ProcessFile),
    /// A duplicate of a descriptor of the caller.
    Descriptor(u32),
}

/// Where a program was found, for the record.
#[derive(Debug)]
pub(crate) struct ProgramFile {
    /// Canonical path.
    pub(crate) path: String,
    pub(crate) node: NodeId,
    pub(crate) grant: Arc<str>,
    pub(crate) rule: Option<Arc<str>>,
    pub(crate) flagged: bool,
}

/// How much of a program is read to tell what it is.
const MAX_PROGRAM_HEAD_BYTES: usize = 4096;

impl OpenFlags {
    /// Returns what the descriptor will be good for.
    fn access(self) -> OpenAccess {
        match (self.read, self.write) {
            (true, true) => OpenAccess::ReadWrite,
            (false, true) => OpenAccess::Write,
            _ => OpenAccess::Read,
        }
    }
}

impl Vfs {
    /// Opens what a path names.
    pub(crate) fn open(
        &mut self,
        actor: &Actor,
        at: At<'_>,
        flags: OpenFlags,
    ) -> SysResult<(Opened, String)> {
        let changes = flags.write || flags.truncate;
        let op = if changes || flags.create { Op::OpenWrite } else { Op::OpenRead };
        let at = At { follow: at.follow && !(flags.create && flags.exclusive), ..at };
        let mut ask = Ask { access: Some(flags.access()), ..Ask::new(actor, op, at) };
        if flags.create && flags.directory {
            // As Linux since 6.4, whatever is there.
            self.note(&ask, None, None, None, Some(Errno::INVAL));
            return Err(Errno::INVAL);
        }
        // No file can be made at `name/`, whatever is there; `./` is no name.
        let makes_directory = flags.create && at.path.ends_with('/');
        if makes_directory {
            ask.last = Last::Entry;
        }
        let place = self.locate(&ask)?;
        // Opening an existing file with O_CREAT for reading changes nothing.
        let writes = changes || (flags.create && place.found.is_none());
        let is_device = matches!(place.found, Some(Found::Descriptor(_)))
            || matches!(place.found, Some(Found::Node(node)) if self.device(node).is_some());
        let want = if writes && !is_device { Want::Write } else { Want::Read };
        let opened = self.operate(&ask, &place, want, |vfs| {
            if makes_directory && place.entry.is_some() {
                return Err(Errno::ISDIR);
            }
            vfs.open_place(actor, &place, at.follow, flags)
        })?;
        Ok((opened, place.path))
    }

    fn open_place(
        &mut self,
        actor: &Actor,
        place: &Place,
        follow: bool,
        flags: OpenFlags,
    ) -> SysResult<Opened> {
        let node = match place.found {
            Some(_) if flags.create && flags.exclusive => return Err(Errno::EXIST),
            Some(Found::Descriptor(number)) => return Ok(Opened::Descriptor(number)),
            Some(Found::Node(node)) => node,
            None if flags.create => return self.create_file(actor, place, flags),
            None => return Err(Errno::NOENT),
        };
        if self.link_target(node)?.is_some() {
            debug_assert!(!follow, "a link at the end was walked");
            return Err(Errno::LOOP);
        }
        if self.is_directory(node) {
            if flags.write || flags.truncate || flags.create {
                return Err(Errno::ISDIR);
            }
            self.hold(node);
            return Ok(Opened::Directory(node));
        }
        if flags.directory || place.wants_directory {
            return Err(Errno::NOTDIR);
        }
        self.open_file(node, flags)
    }

    fn open_file(&mut self, node: NodeId, flags: OpenFlags) -> SysResult<Opened> {
        match self.device(node) {
            Some(Device::Process(ProcessFile::Root | ProcessFile::Cwd | ProcessFile::Exe)) => {
                return Err(Errno::ACCES);
            }
            Some(Device::Process(_)) if flags.write => return Err(Errno::ACCES),
            Some(Device::Process(file)) => return Ok(Opened::Process(file)),
            Some(device) => return Ok(Opened::Device(device)),
            None => {}
        }
        if let Backing::Host(dir) = &self.mounted(node).backing {
            let path = dir.path_of(node.ino).ok_or(Errno::NOENT)?;
            let file = dir.open(&path, flags.read, flags.write || flags.truncate, None, false)?;
            if flags.truncate {
                file.set_len(0).map_err(|error| Errno::from_io(&error))?;
            }
            return Ok(Opened::Host(node, file));
        }
        let is_recorded = (flags.write || flags.truncate) && self.audit.is_on();
        let before = if is_recorded { self.content_of(node) } else { None };
        if flags.truncate && self.size_of(node)? > 0 {
            self.set_len(node, 0)?;
        }
        self.hold(node);
        Ok(Opened::File(node, before))
    }

    fn create_file(&mut self, actor: &Actor, place: &Place, flags: OpenFlags) -> SysResult<Opened> {
        let (parent, name) = place.entry.as_ref().ok_or(Errno::NOENT)?;
        if let Backing::Host(dir) = &self.mounted(*parent).backing {
            let path = dir.child_path(parent.ino, name)?;
            let create = Some(flags.mode);
            let file = dir.open(&path, flags.read, true, create, flags.exclusive)?;
            let ino = dir.lookup(parent.ino, name)?.ok_or(Errno::NOENT)?;
            let node = NodeId { mount: parent.mount, ino };
            self.made = Some(node);
            return Ok(Opened::Host(node, file));
        }
        self.check_file(&actor.budget, *parent)?;
        let node = Node::File(Content::default());
        let ino = self.create(*parent, name, node, flags.mode)?;
        let node = NodeId { mount: parent.mount, ino };
        self.hold(node);
        Ok(Opened::File(node, None))
    }

    /// Reads a program's file for starting it; the kind of refusal is `execve(2)`'s.
    pub(crate) fn program(
        &mut self,
        actor: &Actor,
        at: At<'_>,
    ) -> Result<(bytes::Bytes, ProgramFile), Failure> {
        let place = self.resolve(at.dir, at.path, Last::Followed)?;
        let ask = Ask::new(actor, Op::Spawn, at);
        let verdict = self.decide_place(&ask, &place, Want::Read);
        if verdict.refusal.is_some() {
            return Err(Failure::Refused(verdict));
        }
        let Some(Found::Node(node)) = place.found else { return Err(Errno::NOENT.into()) };
        let stat = self.stat_node(node)?;
        if stat.kind != FileType::RegularFile || stat.mode & 0o111 == 0 {
            return Err(Errno::ACCES.into());
        }
        let content = match &self.mounted(node).backing {
            Backing::Tree(tree) => match tree.inode(node.ino).map(|inode| &inode.node) {
                Some(Node::File(content)) => {
                    let mut head = vec![0; MAX_PROGRAM_HEAD_BYTES];
                    let n_bytes =
                        content.read_at(0, &mut head).map_err(|error| Errno::from_io(&error))?;
                    head.truncate(n_bytes);
                    head.into()
                }
                _ => return Err(Errno::ACCES.into()),
            },
            Backing::Host(dir) => {
                use std::io::Read as _;
                let path = dir.path_of(node.ino).ok_or(Errno::NOENT)?;
                let file = dir.open(&path, true, false, None, false)?;
                let mut head = vec![];
                let read = file.take(MAX_PROGRAM_HEAD_BYTES as u64).read_to_end(&mut head);
                read.map_err(|error| Errno::from_io(&error))?;
                head.into()
            }
        };
        let Verdict { grant, rule, flagged, .. } = verdict;
        Ok((content, ProgramFile { path: place.path, node, grant, rule, flagged }))
    }
}
