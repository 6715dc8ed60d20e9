//! System calls on descriptors.

use super::{Guest, locks};
use crate::{
    audit::Op,
    errno::{Errno, SysResult},
    fd::{Description, Flags, Kind, Listing, ROOT_FD, pipe},
    net::{Protocol, Socket},
    process::Process,
    vfs::{FileType, SetTimes, Stat},
};
use std::sync::Arc;

/// `fdflags` of preview 1.
pub(super) const APPEND: u32 = 1;
pub(super) const NONBLOCK: u32 = 4;

/// `rights` of preview 1 that programs look at.
pub(super) const RIGHT_READ: u64 = 1 << 1;
const RIGHT_SEEK: u64 = 1 << 2;
const RIGHT_TELL: u64 = 1 << 5;
pub(super) const RIGHT_WRITE: u64 = 1 << 6;
const RIGHT_READDIR: u64 = 1 << 14;
const ALL_RIGHTS: u64 = (1 << 30) - 1;

pub(super) fn advise(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    _: i64,
    _: i64,
    _: i32,
) -> SysResult<()> {
    process.fds.get(fd).map(drop)
}

pub(super) fn sync(_: &mut Guest<'_>, process: &mut Process, fd: u32) -> SysResult<()> {
    process.fds.get(fd).map(drop)
}

pub(super) fn fdstat_set_rights(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    _: i64,
    _: i64,
) -> SysResult<()> {
    process.fds.get(fd).map(drop)
}

pub(super) fn allocate(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    offset: u64,
    len: u64,
) -> SysResult<()> {
    let description = process.fd(fd)?;
    let end = offset.checked_add(len).ok_or(Errno::FBIG)?;
    if end > size_of(&description)? { set_size(process, &description, end) } else { Ok(()) }
}

pub(super) fn close(_: &mut Guest<'_>, process: &mut Process, fd: u32) -> SysResult<()> {
    let closed = process.fds.take(fd)?;
    locks::forget(process, &closed);
    Ok(())
}

pub(super) fn dup(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    min: u32,
    out: u32,
) -> SysResult<()> {
    let description = process.fd(fd)?;
    let number = process.add_fd(min, description)?;
    guest.write_u32(out, number)
}

pub(super) fn dup2(_: &mut Guest<'_>, process: &mut Process, fd: u32, to: u32) -> SysResult<()> {
    let description = process.fd(fd)?;
    if to == ROOT_FD {
        return Err(Errno::BADF);
    }
    let replaced = if fd == to { None } else { process.fds.put(to, description)? };
    if let Some(replaced) = replaced {
        locks::forget(process, &replaced);
    }
    Ok(())
}

pub(super) fn renumber(
    guest: &mut Guest<'_>,
    process: &mut Process,
    from: u32,
    to: u32,
) -> SysResult<()> {
    process.fds.get(to)?;
    dup2(guest, process, from, to)?;
    if from == to { Ok(()) } else { close(guest, process, from) }
}

pub(super) fn make_pipe(
    guest: &mut Guest<'_>,
    process: &mut Process,
    flags: u32,
    out: u32,
) -> SysResult<()> {
    guest.slice(out, 8)?;
    let (reader, writer) = pipe();
    let nonblock = flags & NONBLOCK != 0;
    let read = Flags { read: true, nonblock, ..Flags::default() };
    let write = Flags { write: true, nonblock, ..Flags::default() };
    let serial = process.job.kernel.serial();
    let end = |kind, flags| {
        let mut description = Description::new(kind, flags);
        description.serial = serial;
        Arc::new(description)
    };
    let reader = process.add_fd(0, end(Kind::PipeReader(reader), read))?;
    let writer = process
        .add_fd(0, end(Kind::PipeWriter(writer), write))
        .inspect_err(|_| drop(process.fds.take(reader)))?;
    guest.write_u32(out, reader)?;
    guest.write_u32(out + 4, writer)
}

fn socket_type(socket: &Socket) -> FileType {
    match socket.protocol {
        Protocol::Stream => FileType::SocketStream,
        Protocol::Datagram => FileType::SocketDatagram,
    }
}

fn special(kind: FileType, description: &Arc<Description>) -> Stat {
    Stat::of_special(kind, description.serial)
}

/// Returns the metadata of what is open.
pub(super) fn stat_of(description: &Arc<Description>) -> SysResult<Stat> {
    match &description.kind {
        Kind::File(held) | Kind::Directory { held, .. } => held.vfs.lock().stat_node(held.node),
        Kind::Host(file) => {
            let metadata = file.metadata().map_err(|error| Errno::from_io(&error))?;
            Ok(crate::vfs::stat_of(&metadata, 0))
        }
        Kind::Bytes(bytes) => {
            Ok(Stat { size: bytes.len() as u64, ..special(FileType::RegularFile, description) })
        }
        Kind::Device(_) => Ok(special(FileType::CharacterDevice, description)),
        Kind::DescriptorDir => Ok(special(FileType::Directory, description)),
        Kind::PipeReader(_) | Kind::PipeWriter(_) | Kind::Capture(_) => {
            Ok(special(FileType::Unknown, description))
        }
        Kind::Socket(socket) => Ok(special(socket_type(socket), description)),
    }
}

pub(super) fn filestat_get(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    out: u32,
) -> SysResult<()> {
    guest.write_filestat(out, &stat_of(process.fds.get(fd)?)?)
}

pub(super) fn stat(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    out: u32,
) -> SysResult<()> {
    guest.write_stat(out, &stat_of(process.fds.get(fd)?)?)
}

pub(super) fn fdstat_get(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    out: u32,
) -> SysResult<()> {
    let description = process.fds.get(fd)?;
    let kind = match &description.kind {
        Kind::File(_) | Kind::Host(_) | Kind::Bytes(_) => FileType::RegularFile,
        Kind::Directory { .. } | Kind::DescriptorDir => FileType::Directory,
        Kind::Device(_) => FileType::CharacterDevice,
        Kind::PipeReader(_) | Kind::PipeWriter(_) | Kind::Capture(_) => FileType::Unknown,
        Kind::Socket(socket) => socket_type(socket),
    };
    let flags = *description.flags.lock();
    let mut rights = ALL_RIGHTS & !(RIGHT_READ | RIGHT_WRITE | RIGHT_READDIR);
    if flags.read {
        rights |= if kind == FileType::Directory { RIGHT_READDIR } else { RIGHT_READ };
    }
    if flags.write {
        rights |= RIGHT_WRITE;
    }
    if matches!(kind, FileType::Unknown | FileType::SocketDatagram | FileType::SocketStream) {
        rights &= !(RIGHT_SEEK | RIGHT_TELL);
    }
    let bits = if flags.append { APPEND } else { 0 } | if flags.nonblock { NONBLOCK } else { 0 };
    let mut record = [0; 24];
    record[0] = kind as u8;
    record[2..4].copy_from_slice(&(bits as u16).to_le_bytes());
    record[8..16].copy_from_slice(&rights.to_le_bytes());
    // Libraries cut what they ask for at an open down to what the directory hands on.
    record[16..24].copy_from_slice(&ALL_RIGHTS.to_le_bytes());
    guest.write(out, &record)
}

pub(super) fn fdstat_set_flags(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    flags: u32,
) -> SysResult<()> {
    let mut held = process.fds.get(fd)?.flags.lock();
    held.append = flags & APPEND != 0;
    held.nonblock = flags & NONBLOCK != 0;
    Ok(())
}

pub(crate) fn size_of(description: &Arc<Description>) -> SysResult<u64> {
    Ok(stat_of(description)?.size)
}

fn set_size(process: &Process, description: &Description, len: u64) -> SysResult<()> {
    if !description.flags.lock().write {
        return Err(Errno::INVAL);
    }
    let Some(node) = description.node() else { return Err(Errno::INVAL) };
    process.job.kernel.calls.call();
    let mut vfs = process.job.kernel.vfs.lock();
    let result = match &description.kind {
        Kind::File(held) => vfs.set_len(held.node, len),
        Kind::Host(file) => file.set_len(len).map_err(|error| Errno::from_io(&error)),
        _ => Err(Errno::INVAL),
    };
    vfs.note_truncate(&process.actor, &description.path, node, result.err());
    result
}

pub(super) fn filestat_set_size(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    len: u64,
) -> SysResult<()> {
    let description = process.fd(fd)?;
    set_size(process, &description, len)
}

/// `fstflags` of preview 1.
pub(super) fn times(now: u64, accessed: u64, modified: u64, flags: u32) -> SysResult<SetTimes> {
    const ACCESSED: u32 = 1;
    const ACCESSED_NOW: u32 = 2;
    const MODIFIED: u32 = 4;
    const MODIFIED_NOW: u32 = 8;
    let pick =
        |given: u32, at_once: u32, value: u64| match (flags & given != 0, flags & at_once != 0) {
            (true, true) => Err(Errno::INVAL),
            (true, false) => Ok(Some(value)),
            (false, true) => Ok(Some(now)),
            (false, false) => Ok(None),
        };
    Ok(SetTimes {
        accessed: pick(ACCESSED, ACCESSED_NOW, accessed)?,
        modified: pick(MODIFIED, MODIFIED_NOW, modified)?,
    })
}

pub(super) fn filestat_set_times(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> SysResult<()> {
    let description = process.fd(fd)?;
    let (Kind::File(held) | Kind::Directory { held, .. }) = &description.kind else {
        return Err(Errno::NOTSUP);
    };
    process.job.kernel.calls.call();
    let mut vfs = held.vfs.lock();
    let times = times(vfs.clock.wall_nanos(), accessed, modified, flags)?;
    vfs.change_open(&process.actor, Op::Utimes, &description.path, held.node, |inode, now| {
        crate::vfs::set_times(inode, times, now);
    })
}

pub(super) fn chmod(_: &mut Guest<'_>, process: &mut Process, fd: u32, mode: u32) -> SysResult<()> {
    let description = process.fd(fd)?;
    let (Kind::File(held) | Kind::Directory { held, .. }) = &description.kind else {
        return Err(Errno::NOTSUP);
    };
    process.job.kernel.calls.call();
    let mut vfs = held.vfs.lock();
    vfs.change_open(&process.actor, Op::Chmod, &description.path, held.node, |inode, now| {
        (inode.mode, inode.changed) = (mode & 0o7777, now);
    })
}

pub(super) fn prestat_get(
    guest: &mut Guest<'_>,
    _: &mut Process,
    fd: u32,
    out: u32,
) -> SysResult<()> {
    if fd != ROOT_FD {
        return Err(Errno::BADF);
    }
    guest.write_u32(out, 0)?;
    guest.write_u32(out + 4, 1)
}

pub(super) fn prestat_dir_name(
    guest: &mut Guest<'_>,
    _: &mut Process,
    fd: u32,
    path: u32,
    len: u32,
) -> SysResult<()> {
    match (fd, len) {
        (ROOT_FD, 0) => Err(Errno::NAMETOOLONG),
        (ROOT_FD, _) => guest.write(path, b"/"),
        _ => Err(Errno::BADF),
    }
}

/// `dirent` of preview 1: 24 bytes and the name.
pub(super) fn readdir(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    buf: u32,
    len: u32,
    cookie: u64,
    out: u32,
) -> SysResult<()> {
    let description = process.fd(fd)?;
    let entries = listing(process, &description, cookie)?;
    let buffer = guest.slice_mut(buf, len)?;
    let mut used = 0;
    let start = usize::try_from(cookie).map_err(|_| Errno::INVAL)?;
    for (entry, next) in entries.entries().iter().zip(1_u64..).skip(start) {
        let mut record = [0; 24];
        record[..8].copy_from_slice(&next.to_le_bytes());
        record[8..16].copy_from_slice(&entry.ino.to_le_bytes());
        record[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
        record[20] = entry.kind as u8;
        for part in [&record[..], entry.name.as_bytes()] {
            let n_bytes = part.len().min(buffer.len() - used);
            buffer[used..used + n_bytes].copy_from_slice(&part[..n_bytes]);
            used += n_bytes;
        }
        if used == buffer.len() {
            break;
        }
    }
    guest.write_u32(out, used as u32)
}

/// Returns the listing of a directory, taken when reading started.
fn listing(process: &Process, description: &Description, cookie: u64) -> SysResult<Arc<Listing>> {
    match &description.kind {
        Kind::Directory { held, listing } => {
            let mut listing = listing.lock();
            match &*listing {
                Some(entries) if cookie > 0 => Ok(Arc::clone(entries)),
                _ => {
                    // The one before goes first.
                    *listing = None;
                    let entries = held.vfs.lock().list(held.node)?;
                    let entries = Listing::new(entries, &process.job.budget)?;
                    *listing = Some(Arc::clone(&entries));
                    Ok(entries)
                }
            }
        }
        Kind::DescriptorDir => {
            let entry = |number: u32| crate::vfs::DirEntry {
                name: number.to_string().into(),
                // Libraries take 0 for an inode that they have to look up.
                ino: u64::from(number) + 1,
                kind: FileType::SymbolicLink,
            };
            Listing::new(process.fds.numbers().map(entry).collect(), &process.job.budget)
        }
        _ => Err(Errno::NOTDIR),
    }
}
