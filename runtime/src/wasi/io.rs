//! Reading and writing through descriptors.

use super::{
    Attempt, Guest, Outcome, Wait,
    fds::stat_of,
    sockets::{self, Message, Target},
};
use crate::{
    errno::{Errno, SysResult},
    fd::{Description, Kind, Moved, Readiness},
    image::SigPipe,
    limits::{Budget, LimitKind},
    process::{Process, Status},
    tree::Device,
};
use cap_std::fs::FileExt as _;
use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
};

const SIGPIPE: u8 = 13;

/// Bytes that one call moves from a device; more goes in further calls.
const MAX_MOVE_BYTES: usize = 1 << 20;

pub(super) fn seek(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    offset: i64,
    whence: u32,
    out: u32,
) -> SysResult<()> {
    let description = process.fds.get(fd)?;
    let is_seekable = matches!(description.kind, Kind::File(_) | Kind::Host(_) | Kind::Bytes(_));
    if !is_seekable {
        return match description.kind {
            // As on Linux, where lseek on /dev/null and /dev/zero answers 0.
            Kind::Device(_) => guest.write_u64(out, 0),
            Kind::Directory { .. } if offset == 0 => guest.write_u64(out, 0),
            Kind::Directory { .. } | Kind::DescriptorDir => Err(Errno::INVAL),
            _ => Err(Errno::SPIPE),
        };
    }
    let mut position = description.offset.lock();
    let base = match whence {
        0 => 0,
        1 => *position,
        2 => stat_of(description)?.size,
        _ => return Err(Errno::INVAL),
    };
    let target = base.checked_add_signed(offset).filter(|target| i64::try_from(*target).is_ok());
    *position = target.ok_or(Errno::INVAL)?;
    guest.write_u64(out, *position)
}

pub(super) fn tell(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    out: u32,
) -> SysResult<()> {
    seek(guest, process, fd, 0, 1, out)
}

/// Reads from something that has positions.
pub(crate) fn read_at(description: &Description, offset: u64, out: &mut [u8]) -> SysResult<usize> {
    match &description.kind {
        Kind::File(held) => held.vfs.lock().read_at(held.node, offset, out),
        Kind::Host(file) => file.read_at(out, offset).map_err(|error| Errno::from_io(&error)),
        Kind::Bytes(bytes) => {
            let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
            let rest = rest.unwrap_or(&[]);
            let n_bytes = rest.len().min(out.len());
            out[..n_bytes].copy_from_slice(&rest[..n_bytes]);
            Ok(n_bytes)
        }
        Kind::Directory { .. } | Kind::DescriptorDir => Err(Errno::ISDIR),
        _ => Err(Errno::SPIPE),
    }
}

fn read_buffers(
    guest: &mut Guest<'_>,
    process: &Process,
    description: &Description,
    buffers: &[(u32, u32)],
    mut offset: u64,
) -> SysResult<u32> {
    let mut total = 0_u32;
    for (at, len) in buffers {
        let n_bytes = read_at(description, offset, guest.slice_mut(*at, *len)?)?;
        offset += n_bytes as u64;
        total = total.checked_add(n_bytes as u32).ok_or(Errno::INVAL)?;
        if n_bytes < *len as usize {
            break;
        }
    }
    description.count_read(total as usize);
    if description.node().is_some() {
        process.job.kernel.calls.read(total.into());
    }
    Ok(total)
}

pub(super) fn pread(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    offset: u64,
    out: u32,
) -> SysResult<()> {
    let description = readable(process, fd)?;
    let buffers = guest.buffers(iovs, n_iovs)?;
    let total = read_buffers(guest, process, &description, &buffers, offset)?;
    guest.write_u32(out, total)
}

fn readable(process: &Process, fd: u32) -> SysResult<Arc<Description>> {
    let description = process.fd(fd)?;
    let may_read = description.flags.lock().read;
    if may_read { Ok(description) } else { Err(Errno::BADF) }
}

fn writable(process: &Process, fd: u32) -> SysResult<Arc<Description>> {
    let description = process.fd(fd)?;
    let may_write = description.flags.lock().write;
    if may_write { Ok(description) } else { Err(Errno::BADF) }
}

pub(super) fn read(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    out: u32,
) -> Attempt {
    match try_read(guest, process, fd, iovs, n_iovs, out) {
        Ok(None) => Attempt::Finished(Ok(()).into()),
        Ok(Some(wait)) => Attempt::Wait(wait),
        Err(errno) => Attempt::Finished(Err(errno).into()),
    }
}

fn try_read(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    out: u32,
) -> SysResult<Option<Wait>> {
    let description = readable(process, fd)?;
    let buffers = guest.buffers(iovs, n_iovs)?;
    guest.slice(out, 4)?;
    let total = match &description.kind {
        Kind::PipeReader(pipe) => {
            let Some((at, len)) = buffers.into_iter().find(|(_, len)| *len > 0) else {
                return guest.write_u32(out, 0).map(|()| None);
            };
            match pipe.try_read(guest.slice_mut(at, len)?) {
                Moved::Bytes(n_bytes) => n_bytes as u32,
                Moved::Closed => 0,
                Moved::WouldBlock if description.is_nonblocking() => return Err(Errno::AGAIN),
                Moved::WouldBlock => {
                    return Ok(Some(Wait::Descriptor(description, Readiness::Read)));
                }
            }
        }
        Kind::Socket(_) => {
            let message = Message { iovs, n_iovs, flags: 0 };
            match sockets::try_receive(guest, &description, message)? {
                Ok(received) => received.n_bytes,
                Err(wait) => return Ok(Some(wait)),
            }
        }
        Kind::Device(device) => read_device(guest, process, *device, &buffers)?,
        _ => {
            let mut position = description.offset.lock();
            let total = read_buffers(guest, process, &description, &buffers, *position)?;
            *position += u64::from(total);
            total
        }
    };
    guest.write_u32(out, total).map(|()| None)
}

fn read_device(
    guest: &mut Guest<'_>,
    process: &mut Process,
    device: Device,
    buffers: &[(u32, u32)],
) -> SysResult<u32> {
    if device == Device::Null {
        return Ok(0);
    }
    let mut total = 0;
    for (at, len) in buffers {
        let len = (*len).min((MAX_MOVE_BYTES - total as usize) as u32);
        let slice = guest.slice_mut(*at, len)?;
        match device {
            Device::Random => process.random.fill(slice),
            _ => slice.fill(0),
        }
        total += len;
    }
    Ok(total)
}

/// Writes to something that has positions: at `offset`, or at the end if the descriptor appends.
/// Returns the position after it.
pub(crate) fn write_at(
    budget: &Budget,
    description: &Description,
    offset: u64,
    data: &[u8],
) -> SysResult<u64> {
    let appends = description.flags.lock().append;
    match &description.kind {
        Kind::File(held) => {
            // The end is found and written at under one lock: what others append is not lost.
            let mut vfs = held.vfs.lock();
            let offset = if appends { vfs.size_of(held.node)? } else { offset };
            vfs.write_at(budget, held.node, offset, data)?;
            Ok(offset + data.len() as u64)
        }
        Kind::Host(file) => {
            let failed = |error: io::Error| Errno::from_io(&error);
            let end = || file.metadata().map(|metadata| metadata.len());
            let offset = if appends { end().map_err(failed)? } else { offset };
            file.write_all_at(data, offset).map_err(failed)?;
            Ok(offset + data.len() as u64)
        }
        Kind::PipeWriter(_) | Kind::Capture(_) => Err(Errno::SPIPE),
        _ => Err(Errno::BADF),
    }
}

fn write_buffers(
    guest: &Guest<'_>,
    process: &Process,
    description: &Description,
    buffers: &[(u32, u32)],
    mut offset: u64,
) -> SysResult<(u32, u64)> {
    let mut total = 0_u32;
    for (at, len) in buffers {
        match write_at(&process.actor.budget, description, offset, guest.slice(*at, *len)?) {
            // What went before stays written.
            Err(_) if total > 0 => break,
            end => offset = end?,
        }
        total = total.checked_add(*len).ok_or(Errno::INVAL)?;
    }
    description.count_written(total as usize);
    if description.node().is_some() {
        process.job.kernel.calls.written(total.into());
    }
    Ok((total, offset))
}

pub(super) fn pwrite(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    offset: u64,
    out: u32,
) -> SysResult<()> {
    let description = writable(process, fd)?;
    let buffers = guest.buffers(iovs, n_iovs)?;
    let (total, _) = write_buffers(guest, process, &description, &buffers, offset)?;
    guest.write_u32(out, total)
}

pub(super) fn write(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    out: u32,
) -> Attempt {
    match try_write(guest, process, fd, iovs, n_iovs, out) {
        Ok(attempt) => attempt,
        Err(Errno::PIPE) if process.sig_pipe == SigPipe::Kill => {
            Attempt::Finished(Outcome::End(Status::Signal(SIGPIPE)))
        }
        Err(errno) => Attempt::Finished(Err(errno).into()),
    }
}

fn try_write(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    out: u32,
) -> SysResult<Attempt> {
    let description = writable(process, fd)?;
    let buffers = guest.buffers(iovs, n_iovs)?;
    guest.slice(out, 4)?;
    let total = match &description.kind {
        Kind::PipeWriter(pipe) => {
            let Some((at, len)) = buffers.into_iter().find(|(_, len)| *len > 0) else {
                return guest.write_u32(out, 0).map(|()| Attempt::Finished(Ok(()).into()));
            };
            match pipe.try_write(guest.slice(at, len)?) {
                Moved::Bytes(n_bytes) => n_bytes as u32,
                Moved::Closed => return Err(Errno::PIPE),
                Moved::WouldBlock if description.is_nonblocking() => return Err(Errno::AGAIN),
                Moved::WouldBlock => {
                    return Ok(Attempt::Wait(Wait::Descriptor(description, Readiness::Write)));
                }
            }
        }
        Kind::Socket(_) => {
            let message = Message { iovs, n_iovs, flags: 0 };
            match sockets::try_transmit(guest, &description, message, &Target::Peer)? {
                Ok(n_bytes) => n_bytes,
                Err(wait) => return Ok(Attempt::Wait(wait)),
            }
        }
        Kind::Capture(capture) => {
            let mut total = 0;
            for (at, len) in buffers {
                if capture.write(guest.slice(at, len)?).is_err() {
                    process.job.end(LimitKind::Output);
                    return Ok(Attempt::Finished(Outcome::End(Status::Signal(9))));
                }
                total += len;
            }
            total
        }
        Kind::Device(Device::Full) => return Err(Errno::NOSPC),
        Kind::Device(_) => buffers.iter().fold(0_u32, |total, (_, len)| total.saturating_add(*len)),
        _ => {
            let mut position = description.offset.lock();
            let (total, end) = write_buffers(guest, process, &description, &buffers, *position)?;
            *position = end;
            total
        }
    };
    guest.write_u32(out, total)?;
    Ok(Attempt::Finished(Ok(()).into()))
}

pub(crate) fn poll_ready(
    description: &Description,
    readiness: Readiness,
    cx: &Context<'_>,
) -> Poll<()> {
    match (&description.kind, readiness) {
        (Kind::PipeReader(pipe), Readiness::Read) => pipe.poll_ready(cx),
        (Kind::PipeWriter(pipe), Readiness::Write) => pipe.poll_ready(cx),
        // Nothing ever comes out of the end that bytes go into; who asks waits for the other end to close.
        (Kind::PipeWriter(pipe), Readiness::Read) => pipe.poll_closed(cx),
        (Kind::Socket(socket), _) => socket.poll_ready(readiness, cx),
        _ => Poll::Ready(()),
    }
}
