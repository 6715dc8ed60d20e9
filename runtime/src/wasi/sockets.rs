//! System calls on sockets: preview 1's, and in the extension module those that it lacks.
//!
//! Addresses are `sockaddr` as Linux lays it out. A name of the Unix domain comes with the path that
//! it means, since only the guest's C library knows the directory that it is relative to.

mod messages;

pub(super) use self::messages::{
    Message, Target, receive, recv, send, transmit, try_receive, try_transmit,
};

use super::{Attempt, Guest, Wait, fds::NONBLOCK};
use crate::{
    audit::{Decision, EventRef, Op},
    errno::{Errno, SysResult},
    fd::{Description, Flags, Held, Kind, Readiness},
    net::{Address, Family, Name, Network, Protocol, Socket, Way},
    process::Process,
    vfs::{At, NodeId, OpenFlags, Opened},
};
use std::sync::Arc;

/// Bytes of the largest address.
const MAX_ADDRESS_BYTES: u32 = 128;

fn socket(process: &Process, fd: u32) -> SysResult<(Arc<Description>, Arc<Socket>)> {
    let description = process.fd(fd)?;
    match &description.kind {
        Kind::Socket(socket) => {
            let socket = Arc::clone(socket);
            Ok((description, socket))
        }
        _ => Err(Errno::NOTSOCK),
    }
}

fn network(process: &Process) -> &Arc<Network> {
    &process.job.kernel.network
}

/// Records what was asked of a socket, and what came of it.
fn note<T>(process: &Process, op: Op, address: &str, result: SysResult<T>) -> SysResult<T> {
    let kernel = &process.job.kernel;
    kernel.calls.call();
    let errno = result.as_ref().err().copied();
    let is_denied = match op {
        Op::Socket => errno == Some(Errno::ACCES),
        _ => errno == Some(Errno::NETUNREACH),
    };
    if is_denied || kernel.audit.is_on() {
        let decision = if is_denied { Decision::Denied } else { Decision::Allowed };
        let vfs = kernel.vfs.lock();
        kernel.audit.record(&mut EventRef {
            address: Some(address),
            rule: is_denied.then(|| kernel.network.mode().rule()),
            errno: errno.map(Errno::name),
            ..vfs.blank_ref(&process.actor, op, decision)
        });
    }
    result
}

/// An address that a guest asks for.
struct Asked {
    address: Address,
    /// What a name of the Unix domain that is a path means; empty for every other address.
    path: String,
}

impl Asked {
    fn parse(guest: &Guest<'_>, at: u32, len: u32, path: u32, path_len: u32) -> SysResult<Self> {
        if len > MAX_ADDRESS_BYTES {
            return Err(Errno::INVAL);
        }
        let address = Address::parse(guest.slice(at, len)?)?;
        let path = match address.path() {
            Some(_) => guest.path(path, path_len)?,
            None => String::new(),
        };
        Ok(Self { address, path })
    }

    /// Records what a socket did with the address, and what came of it.
    fn note<T>(
        &self,
        process: &Process,
        op: Op,
        socket: &Socket,
        result: SysResult<T>,
    ) -> SysResult<T> {
        let scheme = Socket::scheme(socket.family, socket.protocol);
        let address = match self.address.path() {
            Some(_) => format!("{scheme}:{}", self.path),
            None => format!("{scheme}:{}", self.address),
        };
        note(process, op, &address, result)
    }

    /// Returns what a name of the Unix domain is found by.
    fn name(&self, process: &Process) -> SysResult<Name> {
        match &self.address {
            Address::Unix(name) if name.is_empty() => Err(Errno::INVAL),
            Address::Unix(name) if name[0] == 0 => Ok(Name::Abstract(name.clone())),
            _ => Ok(file(process, &self.path, false)?.0),
        }
    }
}

fn add(process: &mut Process, socket: Arc<Socket>, flags: u32) -> SysResult<u32> {
    let nonblock = flags & NONBLOCK != 0;
    let flags = Flags { read: true, write: true, nonblock, ..Flags::default() };
    let mut description = Description::new(Kind::Socket(socket), flags);
    description.serial = process.job.kernel.serial();
    process.add_fd(0, Arc::new(description))
}

pub(super) fn open(
    guest: &mut Guest<'_>,
    process: &mut Process,
    family: u32,
    protocol: u32,
    flags: u32,
    out: u32,
) -> SysResult<()> {
    guest.slice(out, 4)?;
    let (family, protocol) = (Family::from_raw(family)?, Protocol::from_raw(protocol)?);
    let socket = Socket::new(network(process), family, protocol);
    let socket = note(process, Op::Socket, Socket::scheme(family, protocol), socket)?;
    let fd = add(process, socket, flags)?;
    guest.write_u32(out, fd)
}

pub(super) fn pair(
    guest: &mut Guest<'_>,
    process: &mut Process,
    protocol: u32,
    flags: u32,
    out: u32,
) -> SysResult<()> {
    guest.slice(out, 8)?;
    let (one, other) = Socket::pair(network(process), Protocol::from_raw(protocol)?)?;
    let one = add(process, one, flags)?;
    let other = add(process, other, flags).inspect_err(|_| drop(process.fds.take(one)))?;
    guest.write_u32(out, one)?;
    guest.write_u32(out + 4, other)
}

/// Opens or makes the file that a name of the Unix domain is bound to.
fn file(process: &Process, path: &str, create: bool) -> SysResult<(Name, Held)> {
    let flags = OpenFlags {
        read: false,
        write: true,
        create,
        exclusive: create,
        truncate: false,
        directory: false,
        mode: 0o777 & !process.umask,
    };
    process.job.kernel.calls.call();
    let vfs = Arc::clone(&process.job.kernel.vfs);
    let mut guard = vfs.lock();
    let at = At { dir: NodeId::ROOT, path, follow: true, fds: Some(&process.fds) };
    let node = match guard.open(&process.actor, at, flags) {
        Ok((Opened::File(node, _), _)) => node,
        Ok(_) => return Err(if create { Errno::NOTSUP } else { Errno::CONNREFUSED }),
        Err(Errno::EXIST) => return Err(Errno::ADDRINUSE),
        Err(errno) => return Err(errno),
    };
    let stat = guard.stat_node(node);
    drop(guard);
    let held = Held { node, vfs };
    let stat = stat?;
    Ok((Name::File(stat.dev, stat.ino), held))
}

pub(super) fn bind(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    at: u32,
    len: u32,
    path: u32,
    path_len: u32,
) -> SysResult<()> {
    let (_, socket) = socket(process, fd)?;
    let asked = Asked::parse(guest, at, len, path, path_len)?;
    if asked.address.family() != socket.family {
        return Err(Errno::AFNOSUPPORT);
    }
    socket.may_bind()?;
    let bound = match &asked.address {
        Address::Inet(inet) => socket.bind(*inet),
        Address::Unix(_) => bind_name(process, &socket, &asked),
    };
    asked.note(process, Op::Bind, &socket, bound)
}

fn bind_name(process: &Process, socket: &Arc<Socket>, asked: &Asked) -> SysResult<()> {
    match &asked.address {
        Address::Unix(name) if asked.address.path().is_none() => {
            // Without a name Linux makes one up.
            let serial = process.job.kernel.serial();
            let name =
                if name.is_empty() { format!("\0{serial:05x}").into() } else { name.clone() };
            socket.bind_name(Name::Abstract(name.clone()), Address::Unix(name), None)
        }
        address => {
            let (name, held) = file(process, &asked.path, true)?;
            socket.bind_name(name, address.clone(), Some(held))
        }
    }
}

pub(super) fn connect(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    at: u32,
    len: u32,
    path: u32,
    path_len: u32,
) -> SysResult<()> {
    let (_, socket) = socket(process, fd)?;
    let asked = Asked::parse(guest, at, len, path, path_len)?;
    if asked.address.family() != socket.family {
        return Err(Errno::AFNOSUPPORT);
    }
    let connected = match &asked.address {
        Address::Inet(inet) => socket.connect(*inet),
        Address::Unix(_) => asked.name(process).and_then(|name| socket.connect_name(&name)),
    };
    asked.note(process, Op::Connect, &socket, connected)
}

pub(super) fn listen(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    backlog: u32,
) -> SysResult<()> {
    socket(process, fd)?.1.listen(backlog as usize)
}

/// Writes the address of this end (0) or of the other (1), and how long it is.
pub(super) fn name(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    whose: u32,
    at: u32,
    room: u32,
    out: u32,
) -> SysResult<()> {
    let (_, socket) = socket(process, fd)?;
    let address = match whose {
        0 => socket.local(),
        1 => socket.peer()?,
        _ => return Err(Errno::INVAL),
    };
    let len = write_address(guest, at, room, &address)?;
    guest.write_u32(out, len)
}

/// Writes as much of an address as there is room for; returns how long it is.
fn write_address(guest: &mut Guest<'_>, at: u32, room: u32, address: &Address) -> SysResult<u32> {
    let bytes = address.bytes();
    let n_bytes = bytes.len().min(room as usize);
    guest.write(at, &bytes[..n_bytes])?;
    Ok(bytes.len() as u32)
}

pub(super) fn option(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    level: u32,
    name: u32,
    out: u32,
) -> SysResult<()> {
    let value = socket(process, fd)?.1.option(level, name)?;
    guest.write(out, &value.to_le_bytes())
}

pub(super) fn set_option(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    level: u32,
    name: u32,
    value: u32,
) -> SysResult<()> {
    socket(process, fd)?.1.set_option(level, name, value as i32)
}

pub(super) fn shutdown(
    _: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    how: u32,
) -> SysResult<()> {
    let (_, socket) = socket(process, fd)?;
    if how == 0 || how > 3 {
        return Err(Errno::INVAL);
    }
    socket.shut_down(Way { read: how & 1 != 0, write: how & 2 != 0 })
}

pub(super) fn accept(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    flags: u32,
    out: u32,
) -> Attempt {
    Attempt::of(try_accept(guest, process, fd, flags, out))
}

fn try_accept(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    flags: u32,
    out: u32,
) -> Tried<()> {
    let (description, socket) = socket(process, fd)?;
    guest.slice(out, 4)?;
    let Some(accepted) = socket.accept()? else {
        return wait_for(description, Readiness::Read);
    };
    let fd = add(process, accepted, flags)?;
    guest.write_u32(out, fd)?;
    Ok(Ok(()))
}

/// What came of trying: a result, or what to wait for.
type Tried<T> = SysResult<Result<T, Wait>>;

fn wait_for<T>(description: Arc<Description>, readiness: Readiness) -> Tried<T> {
    if description.is_nonblocking() {
        return Err(Errno::AGAIN);
    }
    Ok(Err(Wait::Descriptor(description, readiness)))
}
