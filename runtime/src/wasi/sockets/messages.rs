//! Sending and receiving.

use super::{Asked, Tried, socket, wait_for, write_address};
use crate::{
    audit::Op,
    errno::{Errno, SysResult},
    fd::{Description, Kind, Moved, Readiness},
    net::{Address, Datagram, Name, Protocol, Received},
    process::Process,
    wasi::{Attempt, Guest},
};
use std::sync::Arc;

/// `MSG_` flags, as Linux numbers them.
const PEEK: u32 = 2;
const TRUNCATED: u32 = 0x20;
const DONT_WAIT: u32 = 0x40;

/// `riflags` and `roflags` of preview 1.
const PREVIEW1_PEEK: u32 = 1;
const PREVIEW1_TRUNCATED: u32 = 1;

/// Bytes that one call moves; a datagram is smaller.
const MAX_MESSAGE_BYTES: u32 = 128 * 1024;

/// The buffers of a message in the guest's memory, and its `MSG_` flags.
#[derive(Clone, Copy)]
pub(in crate::wasi) struct Message {
    pub(in crate::wasi) iovs: u32,
    pub(in crate::wasi) n_iovs: u32,
    pub(in crate::wasi) flags: u32,
}

/// Who a message goes to.
pub(in crate::wasi) enum Target {
    Peer,
    Address(Address),
    Name(Name),
}

/// What was received.
pub(in crate::wasi) struct Arrived {
    pub(in crate::wasi) n_bytes: u32,
    from: Option<Address>,
    is_cut: bool,
}

/// Tries to receive into the buffers of a message.
pub(in crate::wasi) fn try_receive(
    guest: &mut Guest<'_>,
    description: &Arc<Description>,
    message: Message,
) -> Tried<Arrived> {
    let Kind::Socket(socket) = &description.kind else { return Err(Errno::NOTSOCK) };
    let buffers = guest.buffers(message.iovs, message.n_iovs)?;
    let first = buffers.iter().copied().find(|(_, len)| *len > 0);
    let peek = message.flags & PEEK != 0;
    let out = match first {
        Some((at, len)) => guest.slice_mut(at, len)?,
        None if socket.protocol == Protocol::Stream => return Ok(Ok(Arrived::none())),
        None => &mut [],
    };
    match socket.receive(out, peek)? {
        Received::Stream(Moved::Bytes(n_bytes)) => {
            Ok(Ok(Arrived { n_bytes: n_bytes as u32, from: None, is_cut: false }))
        }
        Received::Stream(Moved::Closed) => Ok(Ok(Arrived::none())),
        Received::Datagram(Datagram { from, data }) => {
            let mut rest = &data[..];
            for (at, len) in buffers {
                let (now, later) = rest.split_at(rest.len().min(len as usize));
                guest.write(at, now)?;
                rest = later;
            }
            let is_cut = !rest.is_empty();
            let whole = message.flags & TRUNCATED != 0;
            let n_bytes = if whole { data.len() } else { data.len() - rest.len() } as u32;
            Ok(Ok(Arrived { n_bytes, from: Some(from), is_cut }))
        }
        Received::Stream(Moved::WouldBlock) | Received::WouldBlock => {
            wait(description, Readiness::Read, message)
        }
    }
}

impl Arrived {
    fn none() -> Self {
        Self { n_bytes: 0, from: None, is_cut: false }
    }
}

fn wait<T>(description: &Arc<Description>, readiness: Readiness, message: Message) -> Tried<T> {
    if message.flags & DONT_WAIT != 0 {
        return Err(Errno::AGAIN);
    }
    wait_for(Arc::clone(description), readiness)
}

/// Tries to send the buffers of a message.
pub(in crate::wasi) fn try_transmit(
    guest: &Guest<'_>,
    description: &Arc<Description>,
    message: Message,
    target: &Target,
) -> Tried<u32> {
    let Kind::Socket(socket) = &description.kind else { return Err(Errno::NOTSOCK) };
    let data = gather(guest, message)?;
    if data.is_empty() && socket.protocol == Protocol::Stream {
        return Ok(Ok(0));
    }
    let moved = match target {
        Target::Peer => socket.send(&data),
        Target::Address(Address::Inet(address)) => socket.send_to(&data, *address),
        Target::Address(Address::Unix(_)) => Err(Errno::INVAL),
        Target::Name(name) => socket.send_to_name(&data, name),
    };
    match moved? {
        Moved::Bytes(n_bytes) => Ok(Ok(n_bytes as u32)),
        Moved::Closed => Err(Errno::PIPE),
        Moved::WouldBlock => wait(description, Readiness::Write, message),
    }
}

/// Copies what the buffers of a message hold, up to what one call moves.
fn gather(guest: &Guest<'_>, message: Message) -> SysResult<Vec<u8>> {
    let mut data = vec![];
    for (at, len) in guest.buffers(message.iovs, message.n_iovs)? {
        let room = MAX_MESSAGE_BYTES - data.len() as u32;
        data.extend(guest.slice(at, len.min(room))?);
    }
    Ok(data)
}

/// Writes how many bytes came, how long the sender's address is, and flags: 12 bytes.
pub(in crate::wasi) fn receive(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    flags: u32,
    from: u32,
    room: u32,
    out: u32,
) -> Attempt {
    let message = Message { iovs, n_iovs, flags };
    receive_and(guest, process, fd, message, [(out, 12), (from, room)], |guest, arrived| {
        let len = match &arrived.from {
            Some(address) => write_address(guest, from, room, address)?,
            None => 0,
        };
        guest.write_u32(out, arrived.n_bytes)?;
        guest.write_u32(out + 4, len)?;
        guest.write_u32(out + 8, if arrived.is_cut { TRUNCATED } else { 0 })
    })
}

/// Receives if there is room for what is then told, and tells it.
fn receive_and(
    guest: &mut Guest<'_>,
    process: &Process,
    fd: u32,
    message: Message,
    rooms: [(u32, u32); 2],
    tell: impl FnOnce(&mut Guest<'_>, &Arrived) -> SysResult<()>,
) -> Attempt {
    let receive = || -> Tried<()> {
        for (at, len) in rooms {
            guest.slice(at, len)?;
        }
        match try_receive(guest, &socket(process, fd)?.0, message)? {
            Ok(arrived) => Ok(Ok(tell(guest, &arrived)?)),
            Err(wait) => Ok(Err(wait)),
        }
    };
    Attempt::of(receive())
}

pub(in crate::wasi) fn transmit(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    flags: u32,
    to: u32,
    len: u32,
    path: u32,
    path_len: u32,
    out: u32,
) -> Attempt {
    let message = Message { iovs, n_iovs, flags };
    let sent = || -> Tried<()> {
        guest.slice(out, 4)?;
        let (description, socket) = socket(process, fd)?;
        let sent = if len == 0 {
            try_transmit(guest, &description, message, &Target::Peer)?
        } else {
            let asked = Asked::parse(guest, to, len, path, path_len)?;
            let sent = target(process, &asked)
                .and_then(|target| try_transmit(guest, &description, message, &target));
            match sent {
                // It is tried again, and recorded then.
                Ok(Err(wait)) => return Ok(Err(wait)),
                sent => asked.note(process, Op::Send, &socket, sent)?,
            }
        };
        match sent {
            Ok(n_bytes) => Ok(Ok(guest.write_u32(out, n_bytes)?)),
            Err(wait) => Ok(Err(wait)),
        }
    }();
    Attempt::of(sent)
}

fn target(process: &Process, asked: &Asked) -> SysResult<Target> {
    match asked.address {
        Address::Inet(_) => Ok(Target::Address(asked.address.clone())),
        Address::Unix(_) => Ok(Target::Name(asked.name(process)?)),
    }
}

/// `sock_recv` of preview 1.
pub(in crate::wasi) fn recv(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    flags: u32,
    out: u32,
    out_flags: u32,
) -> Attempt {
    let flags = if flags & PREVIEW1_PEEK != 0 { PEEK } else { 0 };
    let message = Message { iovs, n_iovs, flags };
    receive_and(guest, process, fd, message, [(out, 4), (out_flags, 2)], |guest, arrived| {
        let flags = if arrived.is_cut { PREVIEW1_TRUNCATED as u16 } else { 0 };
        guest.write_u32(out, arrived.n_bytes)?;
        guest.write(out_flags, &flags.to_le_bytes())
    })
}

/// `sock_send` of preview 1.
pub(in crate::wasi) fn send(
    guest: &mut Guest<'_>,
    process: &mut Process,
    fd: u32,
    iovs: u32,
    n_iovs: u32,
    _: u32,
    out: u32,
) -> Attempt {
    transmit(guest, process, fd, iovs, n_iovs, 0, 0, 0, 0, 0, out)
}
