//! What goes through a socket.

use super::{Address, Datagram, MAX_QUEUED_BYTES, Protocol, Received, Role, Socket, loopback};
use crate::{
    errno::{Errno, SysResult},
    fd::Moved,
    net::{
        Family, Name,
        address::{is_local, unmapped},
    },
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// Bytes of one datagram, as UDP over IPv4 has them.
const MAX_DATAGRAM_BYTES: usize = 65_507;
/// What each datagram counts besides its bytes, so that empty ones cannot be queued without end.
const DATAGRAM_COST: usize = 64;

impl Socket {
    /// Tries to receive; a datagram that is larger than `out` is the caller's to cut.
    pub(crate) fn receive(&self, out: &mut [u8], peek: bool) -> SysResult<Received> {
        let mut state = self.state.lock();
        match &mut state.role {
            Role::Connected { reader: None, .. } => Ok(Received::Stream(Moved::Closed)),
            Role::Connected { reader: Some(reader), lines, .. } => {
                let moved = if peek { reader.try_peek(out) } else { reader.try_read(out) };
                let is_end = moved == Moved::Closed;
                Ok(Received::Stream(if is_end { self.end_of_stream(lines)? } else { moved }))
            }
            Role::Mailbox { queue, n_bytes, is_shut, .. } => {
                if peek && let Some(first) = queue.front() {
                    let (from, data) = (first.from.clone(), first.data.clone());
                    return Ok(Received::Datagram(Datagram { from, data }));
                }
                match queue.pop_front() {
                    Some(datagram) => {
                        *n_bytes -= datagram.data.len() + DATAGRAM_COST;
                        state.waiting.wake();
                        Ok(Received::Datagram(datagram))
                    }
                    None if *is_shut => Ok(Received::Stream(Moved::Closed)),
                    None => Ok(Received::WouldBlock),
                }
            }
            Role::Idle | Role::Listening { .. } => Err(Errno::NOTCONN),
        }
    }

    /// Tries to send to the other end.
    pub(crate) fn send(self: &Arc<Self>, data: &[u8]) -> SysResult<Moved> {
        let target = {
            let state = self.state.lock();
            match &state.role {
                Role::Connected { writer: None, .. } => return Err(Errno::PIPE),
                Role::Connected { writer: Some(writer), lines, .. } => {
                    return match writer.try_write(data) {
                        Moved::Closed => self.send_in_vain(lines, data.len()),
                        moved => Ok(moved),
                    };
                }
                Role::Idle | Role::Listening { .. } => return Err(Errno::NOTCONN),
                Role::Mailbox { other: Some(other), .. } => {
                    Some(other.upgrade().ok_or(Errno::CONNREFUSED)?)
                }
                Role::Mailbox { .. } => None,
            }
        };
        match (target, self.peer()) {
            (Some(target), _) => self.deliver(&target, data),
            (None, Ok(Address::Inet(address))) => self.send_to(data, address),
            (None, _) => Err(Errno::DESTADDRREQ),
        }
    }

    /// Sends a datagram to an address of IPv4 or IPv6; one that nobody takes is lost.
    pub(crate) fn send_to(self: &Arc<Self>, data: &[u8], address: SocketAddr) -> SysResult<Moved> {
        if self.protocol == Protocol::Stream {
            // As on Linux, a stream does not look at it.
            return self.send(data);
        }
        if self.family != Address::Inet(address).family() {
            return Err(Errno::AFNOSUPPORT);
        }
        if !is_local(address.ip()) {
            return Err(Errno::NETUNREACH);
        }
        if data.len() > MAX_DATAGRAM_BYTES {
            return Err(Errno::MSGSIZE);
        }
        let address = SocketAddr::from((loopback(address.ip()), address.port()));
        self.give_address_of_sender(address.ip())?;
        match self.network.find(Protocol::Datagram, address) {
            Some(target) => self.deliver(&target, data),
            None => Ok(Moved::Bytes(data.len())),
        }
    }

    /// Who sends without an address gets a port on all interfaces, as on Linux.
    fn give_address_of_sender(self: &Arc<Self>, ip: IpAddr) -> SysResult<()> {
        if matches!(self.local(), Address::Inet(local) if local.port() == 0) {
            let any = if ip.is_ipv4() { Family::V4.any() } else { Family::V6.any() };
            let bound = self.network.bind(self, (any, 0).into())?;
            self.state.lock().local = Some(Address::Inet(bound));
        }
        Ok(())
    }

    /// Sends a datagram to a name of the Unix domain.
    pub(crate) fn send_to_name(self: &Arc<Self>, data: &[u8], name: &Name) -> SysResult<Moved> {
        if self.protocol == Protocol::Stream {
            return Err(if self.peer().is_ok() { Errno::ISCONN } else { Errno::NOTSUP });
        }
        let target = self.network.find_name(name).ok_or(Errno::CONNREFUSED)?;
        if target.protocol != Protocol::Datagram {
            return Err(Errno::PROTOTYPE);
        }
        self.deliver(&target, data)
    }

    fn deliver(&self, target: &Arc<Self>, data: &[u8]) -> SysResult<Moved> {
        if data.len() > MAX_DATAGRAM_BYTES {
            return Err(Errno::MSGSIZE);
        }
        let from = target.as_seen(self.sender(target));
        let mut state = target.state.lock();
        let is_for_it = match (&state.peer, target.family) {
            // Who is connected hears only the one it is connected with.
            (Some(Address::Inet(peer)), _) => *peer == inet(&from).unwrap_or(*peer),
            _ => true,
        };
        let Role::Mailbox { queue, n_bytes, is_shut, .. } = &mut state.role else {
            return Err(Errno::CONNREFUSED);
        };
        let cost = data.len() + DATAGRAM_COST;
        let is_full = *n_bytes > 0 && *n_bytes + cost > MAX_QUEUED_BYTES;
        if is_full && target.family == Family::Unix {
            return Ok(Moved::WouldBlock);
        }
        if is_for_it && !is_full && !*is_shut {
            queue.push_back(Datagram { from, data: data.to_vec() });
            *n_bytes += cost;
            state.waiting.wake();
        }
        Ok(Moved::Bytes(data.len()))
    }

    /// Returns the address that a datagram for `target` comes from.
    fn sender(&self, target: &Self) -> Address {
        match (self.local(), target.local()) {
            (Address::Inet(local), Address::Inet(target)) if local.ip().is_unspecified() => {
                let ip = if local.is_ipv4() || unmapped(target.ip()).is_ipv4() {
                    IpAddr::V4(Ipv4Addr::LOCALHOST)
                } else {
                    Ipv6Addr::LOCALHOST.into()
                };
                Address::Inet((ip, local.port()).into())
            }
            (local, _) => local,
        }
    }
}

fn inet(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Inet(address) => Some(*address),
        Address::Unix(_) => None,
    }
}
