//! One socket: what it is bound to, connected with, and holds.

mod events;
mod line;
mod options;
mod transfer;

use self::line::Lines;
use super::{Address, Family, Name, Network, NetworkMode, address::is_local};
use crate::{
    errno::{Errno, SysResult},
    fd::{Held, Moved, PipeReader, PipeWriter, Readiness, Waiting, pipe},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Weak},
    task::{Context, Poll},
};

/// Connections that wait to be accepted, at most, as `SOMAXCONN` of older Linux.
const MAX_BACKLOG: usize = 128;
/// Bytes of the datagrams that a socket holds for its reader.
const MAX_QUEUED_BYTES: usize = 64 * 1024;

/// How bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Stream,
    Datagram,
}

impl Protocol {
    /// Translates a type of Linux.
    pub(crate) fn from_raw(raw: u32) -> SysResult<Self> {
        match raw {
            1 => Ok(Self::Stream),
            2 => Ok(Self::Datagram),
            _ => Err(Errno::PROTONOSUPPORT),
        }
    }

    fn raw(self) -> i32 {
        match self {
            Self::Stream => 1,
            Self::Datagram => 2,
        }
    }
}

/// A message, and who sent it.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) from: Address,
    pub(crate) data: Vec<u8>,
}

/// What came of trying to receive.
#[derive(Debug)]
pub(crate) enum Received {
    Stream(Moved),
    Datagram(Datagram),
    WouldBlock,
}

/// Which way is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// A socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) family: Family,
    pub(crate) protocol: Protocol,
    network: Arc<Network>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    local: Option<Address>,
    peer: Option<Address>,
    role: Role,
    options: BTreeMap<(u32, u32), i32>,
    waiting: Waiting,
    /// The file of a name in the Unix domain, so that its inode is nobody else's meanwhile.
    file: Option<Held>,
}

#[derive(Debug, Default)]
enum Role {
    #[default]
    Idle,
    Listening {
        backlog: usize,
        pending: VecDeque<Arc<Socket>>,
    },
    Connected {
        reader: Option<PipeReader>,
        writer: Option<PipeWriter>,
        lines: Lines,
    },
    /// Holds datagrams; the other end, where it is a socket and not an address.
    Mailbox {
        queue: VecDeque<Datagram>,
        n_bytes: usize,
        other: Option<Weak<Socket>>,
        is_shut: bool,
    },
}

impl Socket {
    /// Returns what the record calls the protocol.
    pub(crate) fn scheme(family: Family, protocol: Protocol) -> &'static str {
        match (family, protocol) {
            (Family::Unix, _) => "unix",
            (_, Protocol::Stream) => "tcp",
            (_, Protocol::Datagram) => "udp",
        }
    }

    /// Makes a socket that is not bound and not connected.
    pub(crate) fn new(
        network: &Arc<Network>,
        family: Family,
        protocol: Protocol,
    ) -> SysResult<Arc<Self>> {
        if network.mode == NetworkMode::None {
            return Err(Errno::ACCES);
        }
        let role = match protocol {
            Protocol::Stream => Role::Idle,
            Protocol::Datagram => Role::mailbox(None),
        };
        Self::with(network, family, protocol, State { role, ..State::default() })
    }

    fn with(
        network: &Arc<Network>,
        family: Family,
        protocol: Protocol,
        state: State,
    ) -> SysResult<Arc<Self>> {
        network.enter()?;
        let (network, state) = (Arc::clone(network), Mutex::new(state));
        Ok(Arc::new(Self { family, protocol, network, state }))
    }

    /// Makes two sockets that are connected with each other.
    pub(crate) fn pair(
        network: &Arc<Network>,
        protocol: Protocol,
    ) -> SysResult<(Arc<Self>, Arc<Self>)> {
        let unnamed = || Some(Address::Unix(vec![]));
        let make = |role| {
            let state = State { local: unnamed(), peer: unnamed(), role, ..State::default() };
            Self::with(network, Family::Unix, protocol, state)
        };
        match protocol {
            Protocol::Stream => {
                let (one, other) = Role::connection();
                Ok((make(one)?, make(other)?))
            }
            Protocol::Datagram => {
                let one = make(Role::mailbox(None))?;
                let other = make(Role::mailbox(Some(Arc::downgrade(&one))))?;
                one.state.lock().role = Role::mailbox(Some(Arc::downgrade(&other)));
                Ok((one, other))
            }
        }
    }

    /// Gives the socket an address of IPv4 or IPv6.
    pub(crate) fn bind(self: &Arc<Self>, address: SocketAddr) -> SysResult<()> {
        self.may_bind()?;
        if self.family != Address::Inet(address).family() {
            return Err(Errno::AFNOSUPPORT);
        }
        let bound = self.network.bind(self, address)?;
        self.state.lock().local = Some(Address::Inet(bound));
        Ok(())
    }

    /// Fails if the socket has an address.
    pub(crate) fn may_bind(&self) -> SysResult<()> {
        if self.state.lock().local.is_some() { Err(Errno::INVAL) } else { Ok(()) }
    }

    /// Gives the socket a name of the Unix domain.
    pub(crate) fn bind_name(
        self: &Arc<Self>,
        name: Name,
        address: Address,
        file: Option<Held>,
    ) -> SysResult<()> {
        self.network.bind_name(name, self)?;
        let mut state = self.state.lock();
        (state.local, state.file) = (Some(address), file);
        Ok(())
    }

    /// Waits for connections.
    pub(crate) fn listen(self: &Arc<Self>, backlog: usize) -> SysResult<()> {
        if self.protocol != Protocol::Stream {
            return Err(Errno::NOTSUP);
        }
        if self.state.lock().local.is_none() {
            if self.family == Family::Unix {
                return Err(Errno::INVAL);
            }
            self.bind((self.family.any(), 0).into())?;
        }
        let mut state = self.state.lock();
        let backlog = backlog.clamp(1, MAX_BACKLOG);
        match &mut state.role {
            Role::Idle => state.role = Role::Listening { backlog, pending: VecDeque::new() },
            Role::Listening { backlog: old, .. } => *old = backlog,
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    /// Takes a connection that waits, if one does.
    pub(crate) fn accept(&self) -> SysResult<Option<Arc<Self>>> {
        match &mut self.state.lock().role {
            Role::Listening { pending, .. } => Ok(pending.pop_front()),
            _ if self.protocol == Protocol::Datagram => Err(Errno::NOTSUP),
            _ => Err(Errno::INVAL),
        }
    }

    /// Connects with whoever answers at an address, at once: nobody on loopback is far away.
    pub(crate) fn connect(self: &Arc<Self>, address: SocketAddr) -> SysResult<()> {
        if self.family != Address::Inet(address).family() {
            return Err(Errno::AFNOSUPPORT);
        }
        self.may_connect()?;
        if !is_local(address.ip()) {
            return Err(Errno::NETUNREACH);
        }
        let address = SocketAddr::from((loopback(address.ip()), address.port()));
        let found = self.network.find(self.protocol, address);
        if self.protocol == Protocol::Stream && found.is_none() {
            return Err(Errno::CONNREFUSED);
        }
        self.give_address(address.ip())?;
        match found {
            Some(listener) if self.protocol == Protocol::Stream => {
                self.join(&listener, Address::Inet(address))
            }
            _ => {
                self.state.lock().peer = Some(Address::Inet(address));
                Ok(())
            }
        }
    }

    /// Connects with whoever has a name of the Unix domain.
    pub(crate) fn connect_name(self: &Arc<Self>, name: &Name) -> SysResult<()> {
        self.may_connect()?;
        let found = self.network.find_name(name).ok_or(Errno::CONNREFUSED)?;
        if found.protocol != self.protocol {
            return Err(Errno::PROTOTYPE);
        }
        let address = found.local();
        if self.protocol == Protocol::Stream {
            return self.join(&found, address);
        }
        let mut state = self.state.lock();
        state.peer = Some(address);
        if let Role::Mailbox { other, .. } = &mut state.role {
            *other = Some(Arc::downgrade(&found));
        }
        Ok(())
    }

    fn may_connect(&self) -> SysResult<()> {
        match self.state.lock().role {
            Role::Idle | Role::Mailbox { .. } => Ok(()),
            Role::Connected { .. } => Err(Errno::ISCONN),
            Role::Listening { .. } => Err(Errno::INVAL),
        }
    }

    /// Puts one end of a new connection into the queue of `listener`, and takes the other.
    fn join(self: &Arc<Self>, listener: &Arc<Self>, address: Address) -> SysResult<()> {
        let (ours, theirs) = Role::connection();
        let seen = listener.as_seen(self.local());
        let server = State {
            local: Some(listener.as_seen(address.clone())),
            peer: Some(seen),
            role: theirs,
            ..State::default()
        };
        let server = Self::with(&self.network, listener.family, Protocol::Stream, server)?;
        {
            let mut state = listener.state.lock();
            match &mut state.role {
                Role::Listening { backlog, pending } if pending.len() < *backlog => {
                    pending.push_back(server);
                }
                // As if nobody listened: who waits for room in the queue could wait for ever.
                _ => return Err(Errno::CONNREFUSED),
            }
            state.waiting.wake();
        }
        let mut state = self.state.lock();
        (state.peer, state.role) = (Some(address), ours);
        state.waiting.wake();
        Ok(())
    }

    /// Returns an address as a socket of this family shows it.
    fn as_seen(&self, address: Address) -> Address {
        match address {
            Address::Inet(SocketAddr::V4(v4)) if self.family == Family::V6 => {
                Address::Inet((v4.ip().to_ipv6_mapped(), v4.port()).into())
            }
            address => address,
        }
    }

    /// Gives a socket that has no address a free port.
    fn give_address(self: &Arc<Self>, ip: IpAddr) -> SysResult<()> {
        let bound = match self.local() {
            Address::Inet(local) if local.ip().is_unspecified() && local.port() != 0 => {
                (ip, local.port()).into()
            }
            Address::Inet(local) if local.port() != 0 => return Ok(()),
            Address::Unix(_) => return Ok(()),
            Address::Inet(_) => self.network.bind(self, (ip, 0).into())?,
        };
        self.state.lock().local = Some(Address::Inet(bound));
        Ok(())
    }

    /// Returns the address that the socket has, or that of none.
    pub(crate) fn local(&self) -> Address {
        self.state.lock().local.clone().unwrap_or_else(|| match self.family {
            Family::Unix => Address::Unix(vec![]),
            family => Address::Inet((family.any(), 0).into()),
        })
    }

    /// Returns the address of the other end.
    pub(crate) fn peer(&self) -> SysResult<Address> {
        let state = self.state.lock();
        state.whole()?;
        state.peer.clone().ok_or(Errno::NOTCONN)
    }

    /// Ends one direction or both.
    pub(crate) fn shut_down(&self, way: Way) -> SysResult<()> {
        let mut state = self.state.lock();
        state.whole()?;
        match &mut state.role {
            Role::Connected { reader, writer, lines } => {
                if way.read {
                    *reader = None;
                }
                if way.write {
                    *writer = None;
                    lines.others.lock().end();
                }
            }
            Role::Mailbox { is_shut, .. } if way.read => *is_shut = true,
            Role::Listening { .. } if way.read => state.role = Role::Idle,
            Role::Mailbox { .. } | Role::Listening { .. } => {}
            Role::Idle => return Err(Errno::NOTCONN),
        }
        if self.protocol == Protocol::Datagram && state.peer.is_none() {
            return Err(Errno::NOTCONN);
        }
        state.waiting.wake();
        Ok(())
    }

    /// Returns how much can be moved, and whether the other end is gone.
    pub(crate) fn level(&self, readiness: Readiness) -> (usize, bool) {
        match (&self.state.lock().role, readiness) {
            (Role::Connected { reader: Some(reader), writer, lines }, Readiness::Read) => {
                (reader.level().0, self.is_over(lines, writer.is_some()))
            }
            (Role::Connected { writer: Some(writer), .. }, Readiness::Write) => {
                (writer.level().0, false)
            }
            (Role::Mailbox { queue, .. }, Readiness::Read) => {
                (queue.front().map_or(0, |first| first.data.len()), false)
            }
            _ => (1, false),
        }
    }

    /// Tells whether a call would not wait; otherwise asks to be woken.
    pub(crate) fn poll_ready(&self, readiness: Readiness, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        let is_ready = match (&state.role, readiness) {
            (Role::Connected { reader: Some(reader), .. }, Readiness::Read) => {
                // A shutdown of this end wakes too, and is no change of the pipe.
                let polled = reader.poll_ready(cx);
                if polled.is_pending() {
                    state.waiting.add(cx);
                }
                return polled;
            }
            (Role::Connected { writer: Some(writer), .. }, Readiness::Write) => {
                return writer.poll_ready(cx);
            }
            (Role::Listening { pending, .. }, Readiness::Read) => !pending.is_empty(),
            (Role::Mailbox { queue, is_shut, .. }, Readiness::Read) => {
                !queue.is_empty() || *is_shut
            }
            (Role::Mailbox { other: Some(other), .. }, Readiness::Write) => {
                let other = other.upgrade();
                drop(state);
                return other.map_or(Poll::Ready(()), |other| other.poll_room(cx));
            }
            _ => true,
        };
        if is_ready {
            return Poll::Ready(());
        }
        state.waiting.add(cx);
        Poll::Pending
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        match state.role {
            Role::Mailbox { n_bytes, .. } if n_bytes >= MAX_QUEUED_BYTES / 2 => {
                state.waiting.add(cx);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.network.leave();
        let state = self.state.get_mut();
        state.leave(self.family);
        // Whoever waits for room here waits no more.
        state.waiting.wake();
    }
}

impl Role {
    fn mailbox(other: Option<Weak<Socket>>) -> Self {
        Self::Mailbox { queue: VecDeque::new(), n_bytes: 0, other, is_shut: false }
    }

    /// Returns the two ends of a new connection.
    fn connection() -> (Self, Self) {
        let ((one_reader, other_writer), (other_reader, one_writer)) = (pipe(), pipe());
        let (one, other) = Lines::of_connection();
        let end = |reader, writer, lines| Self::Connected {
            reader: Some(reader),
            writer: Some(writer),
            lines,
        };
        (end(one_reader, one_writer, one), end(other_reader, other_writer, other))
    }
}

/// Who calls no interface in particular calls the machine itself.
fn loopback(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
