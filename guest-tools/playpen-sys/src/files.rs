//! Descriptors and modes that preview 1 does not know.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd as _, RawFd};
use std::path::Path;

use crate::{ROOT, check, raw};

/// A pipe: read end, write end.
pub fn pipe() -> io::Result<(File, File)> {
    let mut fds = [0u32; 2];
    check(unsafe { raw::fd_pipe(0, fds.as_mut_ptr()) })?;
    Ok(unsafe { (File::from_raw_fd(fds[0] as RawFd), File::from_raw_fd(fds[1] as RawFd)) })
}

/// A new descriptor for the same open file description.
pub fn dup(f: &impl AsRawFd) -> io::Result<File> {
    let mut fd = 0u32;
    check(unsafe { raw::fd_dup(f.as_raw_fd() as u32, 4, &mut fd) })?;
    Ok(unsafe { File::from_raw_fd(fd as RawFd) })
}

/// The path below descriptor 3.
fn from_root(path: &Path) -> io::Result<String> {
    let full = std::env::current_dir()?.join(path);
    let full = full.to_str().ok_or(io::ErrorKind::InvalidInput)?.trim_start_matches('/').to_owned();
    Ok(if full.is_empty() { ".".into() } else { full })
}

/// `st_mode`, user and group.
pub fn stat(path: &Path, follow: bool) -> io::Result<(u32, u32, u32)> {
    let (path, mut out) = (from_root(path)?, [0u64; 10]);
    check(unsafe {
        raw::path_stat(ROOT, follow.into(), path.as_ptr(), path.len(), out.as_mut_ptr().cast())
    })?;
    Ok((out[8] as u32, (out[8] >> 32) as u32, out[9] as u32))
}

/// How many names a file has, and its number.
pub fn links(path: &Path, follow: bool) -> io::Result<(u64, u64)> {
    let (path, mut out) = (from_root(path)?, [0u64; 10]);
    check(unsafe {
        raw::path_stat(ROOT, follow.into(), path.as_ptr(), path.len(), out.as_mut_ptr().cast())
    })?;
    Ok((out[3], out[1]))
}

/// What no two files have in common that are there at the same time: device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The device, one for each mount.
    pub device: u64,
    /// The number on it.
    pub inode: u64,
}

/// Which file a path leads to.
pub fn path_id(path: &Path, follow: bool) -> io::Result<FileId> {
    let (path, mut out) = (from_root(path)?, [0u64; 10]);
    check(unsafe {
        raw::path_stat(ROOT, follow.into(), path.as_ptr(), path.len(), out.as_mut_ptr().cast())
    })?;
    Ok(FileId { device: out[0], inode: out[1] })
}

/// Which file is open.
pub fn file_id(file: &impl AsRawFd) -> io::Result<FileId> {
    let mut out = [0u64; 10];
    check(unsafe { raw::fd_stat(file.as_raw_fd() as u32, out.as_mut_ptr().cast()) })?;
    Ok(FileId { device: out[0], inode: out[1] })
}

/// Sets permission bits; follows links.
pub fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    let path = from_root(path)?;
    check(unsafe { raw::path_chmod(ROOT, 1, path.as_ptr(), path.len(), mode) })
}

/// Whether an x bit is set; true where the host has no modes.
pub fn executable(path: &Path) -> bool {
    path.is_file() && stat(path, true).map_or(true, |s| s.0 & 0o111 != 0)
}

/// Sets the mask of permission bits that new files do not get; returns the one before.
pub fn umask(mask: u32) -> io::Result<u32> {
    // SAFETY: a call with a number.
    let before = unsafe { raw::umask((mask & 0o777) as i32) };
    u32::try_from(before).map_err(|_| io::ErrorKind::Unsupported.into())
}

/// Waits until a descriptor can be read, also at its end; false if the time was over before.
pub fn wait_readable(fd: u32, timeout: std::time::Duration) -> io::Result<bool> {
    /// The clock that only goes forward.
    const MONOTONIC: u32 = 1;
    let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let subscriptions = [
        raw::Subscription { userdata: 1, tag: 1, subject: fd, ..Default::default() },
        raw::Subscription { subject: MONOTONIC, timeout_ns, ..Default::default() },
    ];
    let (mut events, mut n_ready) = ([[0u64; 4]; 2], 0);
    check(unsafe {
        raw::poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), 2, &mut n_ready)
    })?;
    Ok(events.iter().take(n_ready).any(|event| event[0] == 1))
}

/// Whether a descriptor is open.
pub fn is_open(fd: u32) -> bool {
    let mut stat = [0u32; 20];
    unsafe { raw::fd_stat(fd, stat.as_mut_ptr()) == 0 }
}
