//! Calls on sockets: no descriptor is one, so each says so.

use super::Guest;
use crate::{
    errno::{Errno, SysResult},
    process::Process,
};

/// Answers `ENOTSOCK` for an open descriptor and `EBADF` for any other.
fn no_socket(process: &Process, fd: u32) -> SysResult<()> {
    process.fds.get(fd).and(Err(Errno::NOTSOCK))
}

pub(super) fn accept(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    _: u32,
    _: u32,
) -> SysResult<()> {
    no_socket(process, fd)
}

pub(super) fn recv(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> SysResult<()> {
    no_socket(process, fd)
}

pub(super) fn send(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> SysResult<()> {
    no_socket(process, fd)
}

pub(super) fn shutdown(_: &mut Guest<'_>, process: &mut Process, fd: u32, _: u32) -> SysResult<()> {
    no_socket(process, fd)
}
