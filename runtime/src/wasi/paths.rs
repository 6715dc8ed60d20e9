//! System calls on paths: each copies its path once and hands it to the namespace.

use super::{
    Guest,
    fds::{self, APPEND, NONBLOCK, RIGHT_READ, RIGHT_WRITE},
};
use crate::{
    errno::{Errno, SysResult},
    fd::{Description, Flags, Held, Kind, Opener},
    process::Process,
    tree::{Content, Device, ProcessFile},
    vfs::{At, FileType, MadeUp, NodeId, OpenFlags, Opened, Stat, Vfs},
};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

/// `lookupflags` of preview 1.
const FOLLOW: u32 = 1;

/// `oflags` of preview 1.
const CREATE: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;

/// A path that was copied from the guest, and the directory it is relative to.
struct Asked {
    dir: NodeId,
    path: String,
    follow: bool,
}

impl Asked {
    fn new(
        guest: &Guest<'_>,
        process: &Process,
        fd: u32,
        path: u32,
        len: u32,
        follow: bool,
    ) -> SysResult<Self> {
        let path = guest.path(path, len)?;
        let description = process.fds.get(fd)?;
        match &description.kind {
            Kind::Directory { held, .. } => Ok(Self { dir: held.node, path, follow }),
            Kind::DescriptorDir => {
                let is_below = !path.is_empty() && !path.starts_with('/');
                let path = if is_below { format!("{}/{path}", description.path) } else { path };
                Ok(Self { dir: NodeId::ROOT, path, follow })
            }
            _ => Err(Errno::NOTDIR),
        }
    }

    fn at<'a>(&'a self, process: &'a Process) -> At<'a> {
        At { dir: self.dir, path: &self.path, follow: self.follow, fds: Some(&process.fds) }
    }
}

fn vfs(process: &Process) -> MutexGuard<'_, Vfs> {
    process.job.kernel.vfs.lock()
}

/// Takes the namespace for one call that names a path, and counts the call.
fn enter(process: &Process) -> MutexGuard<'_, Vfs> {
    process.job.kernel.calls.call();
    vfs(process)
}

pub(super) fn create_directory(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    path: u32,
    len: u32,
) -> SysResult<()> {
    let mode = process.take_create_mode(0o777);
    let asked = Asked::new(guest, process, fd, path, len, false)?;
    enter(process).mkdir(&process.actor, asked.at(process), mode)
}

fn find_stat(
    guest: &Guest<'_>,
    process: &Process,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
) -> SysResult<Stat> {
    let asked = Asked::new(guest, process, fd, path, len, lookup & FOLLOW != 0)?;
    let found = enter(process).stat(&process.actor, asked.at(process))?;
    let mut stat = found.or_else(|number| {
        let description = process.fds.get(number).map_err(|_| Errno::NOENT)?;
        if asked.follow {
            fds::stat_of(description)
        } else {
            Ok(Stat { mode: 0o777, ..Stat::of_special(FileType::SymbolicLink, number.into()) })
        }
    })?;
    if process.job.kernel.network.is_bound(stat.dev, stat.ino) {
        stat.kind = FileType::SocketStream;
    }
    Ok(stat)
}

pub(super) fn filestat_get(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    out: u32,
) -> SysResult<()> {
    let stat = find_stat(guest, process, fd, lookup, path, len)?;
    guest.write_filestat(out, &stat)
}

pub(super) fn stat(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    out: u32,
) -> SysResult<()> {
    let stat = find_stat(guest, process, fd, lookup, path, len)?;
    guest.write_stat(out, &stat)
}

pub(super) fn chmod(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    mode: u32,
) -> SysResult<()> {
    let asked = Asked::new(guest, process, fd, path, len, lookup & FOLLOW != 0)?;
    enter(process).chmod(&process.actor, asked.at(process), mode)
}

pub(super) fn filestat_set_times(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> SysResult<()> {
    let asked = Asked::new(guest, process, fd, path, len, lookup & FOLLOW != 0)?;
    let mut vfs = enter(process);
    let times = fds::times(vfs.clock.wall_nanos(), accessed, modified, flags)?;
    vfs.utimes(&process.actor, asked.at(process), times)
}

pub(super) fn link(
    guest: &mut Guest<'_>,
    process: &mut Process,
    old_fd: u32,
    lookup: u32,
    old: u32,
    old_len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> SysResult<()> {
    let old = Asked::new(guest, process, old_fd, old, old_len, lookup & FOLLOW != 0)?;
    let new = Asked::new(guest, process, new_fd, new, new_len, false)?;
    enter(process).link(&process.actor, old.at(process), new.at(process))
}

pub(super) fn open(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    oflags: u32,
    rights: u64,
    _inheriting: u64,
    fdflags: u32,
    out: u32,
) -> SysResult<()> {
    let mode = process.take_create_mode(0o666);
    guest.slice(out, 4)?;
    let asked = Asked::new(guest, process, fd, path, len, lookup & FOLLOW != 0)?;
    let flags = OpenFlags {
        read: rights & RIGHT_READ != 0 || oflags & DIRECTORY != 0,
        write: rights & RIGHT_WRITE != 0,
        create: oflags & CREATE != 0,
        exclusive: oflags & EXCLUSIVE != 0,
        truncate: oflags & TRUNCATE != 0,
        directory: oflags & DIRECTORY != 0,
        mode,
    };
    // Bound to a name, so that the lock is released before a descriptor is made or dropped.
    let opened = enter(process).open(&process.actor, asked.at(process), flags);
    let (opened, path) = opened?;
    let description = describe(process, opened, path, flags, fdflags)?;
    let number = process.add_fd(0, description)?;
    guest.write_u32(out, number)
}

fn describe(
    process: &Process,
    opened: Opened,
    path: String,
    open: OpenFlags,
    fdflags: u32,
) -> SysResult<Arc<Description>> {
    let flags = Flags {
        read: open.read || !open.write,
        write: open.write,
        append: fdflags & APPEND != 0,
        nonblock: fdflags & NONBLOCK != 0,
    };
    let hold = |node| Held { node, vfs: Arc::clone(&process.job.kernel.vfs) };
    let mut opener = None;
    let mut opened_by = |node, before: Option<Content>| {
        let (actor, vfs) = (process.actor.clone(), Arc::clone(&process.job.kernel.vfs));
        opener =
            Some(Opener { actor, node, vfs, is_cut: open.truncate && before.is_some(), before });
    };
    let kind = match opened {
        Opened::File(node, before) => {
            opened_by(node, before);
            Kind::File(hold(node))
        }
        Opened::Directory(node) if vfs(process).is_descriptor_dir(node) => {
            drop(hold(node));
            Kind::DescriptorDir
        }
        Opened::Directory(node) => Kind::Directory { held: hold(node), listing: Mutex::new(None) },
        Opened::Host(node, file) => {
            opened_by(node, None);
            Kind::Host(file)
        }
        Opened::Device(device) => Kind::Device(device),
        Opened::Process(file) => Kind::Bytes(process_file(process, file)),
        Opened::Descriptor(number) => {
            return process.fds.get(number).cloned().map_err(|_| Errno::NOENT);
        }
    };
    let mut description = Description::opened(kind, flags, path, opener);
    description.serial = process.job.kernel.serial();
    Ok(Arc::new(description))
}

impl Vfs {
    fn is_descriptor_dir(&self, node: NodeId) -> bool {
        self.device(node) == Some(Device::DescriptorDir)
    }
}

/// Makes up a file of `/proc/self`.
fn process_file(process: &Process, file: ProcessFile) -> Bytes {
    let identity = &process.identity;
    let joined = |texts: &[String]| texts.iter().fold(String::new(), |all, text| all + text + "\0");
    let shared = |index: usize, texts: &[String]| {
        identity.shown[index].get_or_init(|| joined(texts).into()).clone()
    };
    let name: String = identity.exe.rsplit('/').next().unwrap_or("").chars().take(15).collect();
    let pid = process.pid();
    let ppid =
        process.job.ids(pid).map_or(0, |ids| if ids.ppid == u32::MAX { 0 } else { ids.ppid });
    match file {
        ProcessFile::Cmdline => return shared(0, &identity.argv),
        ProcessFile::Environ => return shared(1, &identity.env),
        ProcessFile::Status => format!(
            "Name:\t{name}\nUmask:\t{:04o}\nState:\tR (running)\nPid:\t{pid}\nPPid:\t{ppid}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmRSS:\t{} kB\nThreads:\t1\n",
            process.umask,
            process.memory_taken / 1024,
        ),
        ProcessFile::Stat => format!("{pid} ({name}) R {ppid}\n"),
        ProcessFile::Disk => {
            let (limits, grown) = (&process.job.budget.limits, vfs(process).grown());
            let (bytes, files) = (limits.bytes, limits.files);
            format!("bytes {bytes} {}\nfiles {files} {}\n", grown.bytes, grown.files)
        }
        ProcessFile::Meminfo => {
            let (total, held) = process.job.budget.memory();
            let (total, free) = (total / 1024, total.saturating_sub(held) / 1024);
            format!("MemTotal: {total:>15} kB\nMemFree: {free:>16} kB\nMemAvailable: {free:>11} kB\n")
        }
        ProcessFile::Exe | ProcessFile::Cwd | ProcessFile::Root => String::new(),
    }
    .into()
}

/// Returns what a link in `/proc/self/fd` says: a path, or what there is instead of one.
fn shown(description: &Description) -> String {
    match description.kind {
        Kind::Directory { .. } if description.path.is_empty() => "/".to_owned(),
        _ if description.path.is_empty() => format!("pipe:[{}]", description.serial),
        _ => description.path.to_string(),
    }
}

pub(super) fn readlink(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    path: u32,
    len: u32,
    buf: u32,
    buf_len: u32,
    out: u32,
) -> SysResult<()> {
    let asked = Asked::new(guest, process, fd, path, len, false)?;
    let target = enter(process).readlink(&process.actor, asked.at(process))?;
    let target = match target {
        Ok(target) => target,
        Err(MadeUp::Exe) => process.identity.exe.clone(),
        Err(MadeUp::Descriptor(number)) => {
            shown(process.fds.get(number).map_err(|_| Errno::NOENT)?)
        }
    };
    let n_bytes = target.len().min(buf_len as usize);
    guest.write(buf, &target.as_bytes()[..n_bytes])?;
    guest.write_u32(out, n_bytes as u32)
}

pub(super) fn remove_directory(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    path: u32,
    len: u32,
) -> SysResult<()> {
    let asked = Asked::new(guest, process, fd, path, len, false)?;
    enter(process).rmdir(&process.actor, asked.at(process))
}

pub(super) fn rename(
    guest: &mut Guest<'_>,
    process: &mut Process,
    old_fd: u32,
    old: u32,
    old_len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> SysResult<()> {
    let old = Asked::new(guest, process, old_fd, old, old_len, false)?;
    let new = Asked::new(guest, process, new_fd, new, new_len, false)?;
    enter(process).rename(&process.actor, old.at(process), new.at(process))
}

pub(super) fn symlink(
    guest: &mut Guest<'_>,
    process: &mut Process,
    target: u32,
    target_len: u32,
    fd: u32,
    path: u32,
    len: u32,
) -> SysResult<()> {
    let target = guest.path(target, target_len)?;
    if target.is_empty() || target.contains('\0') {
        return Err(Errno::NOENT);
    }
    let asked = Asked::new(guest, process, fd, path, len, false)?;
    enter(process).symlink(&process.actor, &target, asked.at(process))
}

pub(super) fn unlink_file(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    path: u32,
    len: u32,
) -> SysResult<()> {
    let asked = Asked::new(guest, process, fd, path, len, false)?;
    enter(process).unlink(&process.actor, asked.at(process))
}
