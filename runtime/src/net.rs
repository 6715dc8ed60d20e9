//! The network of one sandbox: sockets of its processes, and nothing else.
//!
//! TCP and UDP on the loopback addresses of IPv4 and IPv6 and sockets of the Unix domain, all of
//! them queues in the host's memory. No socket of the host is ever opened: an address that is not
//! local is `ENETUNREACH`, as on a machine without an interface. A connection is a pair of pipes,
//! so that it has their back-pressure; a datagram that finds its queue full is lost over UDP, and
//! waits in the Unix domain.

mod address;
mod socket;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    address::{Address, Family},
    socket::{Datagram, Protocol, Received, Socket, Way},
};

use self::address::is_local;
use crate::errno::{Errno, SysResult};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// Which network a sandbox has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// None: no socket can be made.
    None,
    /// Between processes of the sandbox only.
    #[default]
    Loopback,
}

impl NetworkMode {
    /// Returns the setting of the policy that refuses what is refused.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::None => "network none",
            Self::Loopback => "network loopback",
        }
    }
}

/// Sockets that a sandbox has at most, with connections that nobody has accepted yet. Answers
/// TM-NET-2: queues that fill the host's memory.
const MAX_SOCKETS: usize = 1024;

/// The ports that are given to who asks for none, as on Linux.
const EPHEMERAL_PORTS: std::ops::Range<u16> = 32_768..61_000;

/// What a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Door {
    protocol: Protocol,
    port: u16,
}

/// The sockets of one sandbox.
#[derive(Debug)]
pub(crate) struct Network {
    mode: NetworkMode,
    n_sockets: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How far ephemeral ports were given out: in order, so that a run can be repeated.
    next_port: u16,
    ports: BTreeMap<Door, Vec<(IpAddr, Weak<Socket>)>>,
    /// By abstract name, or by the node of the file.
    names: BTreeMap<Name, Weak<Socket>>,
}

/// What a socket of the Unix domain is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Abstract(Vec<u8>),
    /// Device and inode.
    File(u64, u64),
}

impl Network {
    pub(crate) fn new(mode: NetworkMode) -> Arc<Self> {
        Arc::new(Self { mode, n_sockets: AtomicUsize::new(0), state: Mutex::default() })
    }

    pub(crate) fn mode(&self) -> NetworkMode {
        self.mode
    }

    /// Counts a socket that is made.
    fn enter(&self) -> SysResult<()> {
        let one_more = |n_sockets| (n_sockets < MAX_SOCKETS).then_some(n_sockets + 1);
        let counted = self.n_sockets.fetch_update(Relaxed, Relaxed, one_more);
        counted.map(drop).map_err(|_| Errno::NFILE)
    }

    fn leave(&self) {
        self.n_sockets.fetch_sub(1, Relaxed);
    }

    /// Gives a socket an address of the machine; port 0 is any that is free.
    fn bind(&self, socket: &Arc<Socket>, address: SocketAddr) -> SysResult<SocketAddr> {
        if !is_local(address.ip()) {
            return Err(Errno::ADDRNOTAVAIL);
        }
        let mut state = self.state.lock();
        let protocol = socket.protocol;
        let port = match address.port() {
            0 => state.free_port(protocol, address.ip()).ok_or(Errno::ADDRINUSE)?,
            port => port,
        };
        let door = Door { protocol, port };
        if !state.is_free(door, address.ip()) {
            return Err(Errno::ADDRINUSE);
        }
        let bound = (address.ip(), Arc::downgrade(socket));
        state.ports.entry(door).or_default().push(bound);
        Ok((address.ip(), port).into())
    }

    /// Finds the socket that answers at an address.
    fn find(&self, protocol: Protocol, address: SocketAddr) -> Option<Arc<Socket>> {
        let state = self.state.lock();
        let bound = state.ports.get(&Door { protocol, port: address.port() })?;
        let wanted = address::unmapped(address.ip());
        let at = |is_it: &dyn Fn(IpAddr) -> bool| {
            bound.iter().find_map(|(ip, socket)| is_it(*ip).then(|| socket.upgrade()).flatten())
        };
        let same_family = |ip: IpAddr| ip.is_unspecified() && ip.is_ipv4() == wanted.is_ipv4();
        // The most precise one first; `::` also answers for IPv4, unless it was told not to.
        at(&|ip| address::unmapped(ip) == wanted)
            .or_else(|| at(&|ip| wanted.is_unspecified() && ip.is_loopback()))
            .or_else(|| at(&same_family))
            .or_else(|| at(&|ip| ip.is_unspecified()).filter(|socket| socket.is_dual()))
    }

    fn bind_name(&self, name: Name, socket: &Arc<Socket>) -> SysResult<()> {
        let mut state = self.state.lock();
        state.names.retain(|_, bound| bound.strong_count() > 0);
        if state.names.contains_key(&name) {
            return Err(Errno::ADDRINUSE);
        }
        state.names.insert(name, Arc::downgrade(socket));
        Ok(())
    }

    /// Tells whether a socket is bound to a file.
    pub(crate) fn is_bound(&self, dev: u64, ino: u64) -> bool {
        // Asked with every stat, and most sandboxes have no socket.
        self.n_sockets.load(Relaxed) > 0
            && self.state.lock().names.contains_key(&Name::File(dev, ino))
    }

    fn find_name(&self, name: &Name) -> Option<Arc<Socket>> {
        self.state.lock().names.get(name)?.upgrade()
    }
}

impl State {
    fn is_free(&mut self, door: Door, ip: IpAddr) -> bool {
        let Some(bound) = self.ports.get_mut(&door) else { return true };
        bound.retain(|(_, socket)| socket.strong_count() > 0);
        let meets = |other: IpAddr| {
            other == ip
                || (other.is_ipv4() == ip.is_ipv4()
                    && (other.is_unspecified() || ip.is_unspecified()))
        };
        let is_free = !bound.iter().any(|(other, _)| meets(*other));
        if bound.is_empty() {
            self.ports.remove(&door);
        }
        is_free
    }

    fn free_port(&mut self, protocol: Protocol, ip: IpAddr) -> Option<u16> {
        for _ in EPHEMERAL_PORTS {
            let port = self.next_port.max(EPHEMERAL_PORTS.start);
            self.next_port = if port + 1 < EPHEMERAL_PORTS.end { port + 1 } else { 0 };
            if self.is_free(Door { protocol, port }, ip) {
                return Some(port);
            }
        }
        None
    }
}
