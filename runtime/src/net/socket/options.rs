//! Options of sockets: kept, and mostly without effect, since loopback has no use for them.

use super::{Protocol, Role, Socket};
use crate::{
    errno::{Errno, SysResult},
    net::Family,
};

/// Options that one socket keeps.
const MAX_OPTIONS: usize = 64;

const SOL_SOCKET: u32 = 1;
const IPPROTO_IPV6: u32 = 41;
const IPV6_V6ONLY: u32 = 26;
/// What a socket says of its buffers.
const BUFFER_BYTES: i32 = 64 * 1024;

impl Socket {
    /// Returns an option; those that were never set have the value 0 or the one that is a fact.
    pub(crate) fn option(&self, level: u32, name: u32) -> SysResult<i32> {
        const TYPE: u32 = 3;
        const ERROR: u32 = 4;
        const SNDBUF: u32 = 7;
        const RCVBUF: u32 = 8;
        const ACCEPTCONN: u32 = 30;
        const PROTOCOL: u32 = 38;
        const DOMAIN: u32 = 39;
        let state = self.state.lock();
        let kept = state.options.get(&(level, name)).copied();
        if level != SOL_SOCKET {
            return kept.ok_or(Errno::NOPROTOOPT).or_else(|errno| match level {
                0 | 6 | 17 | IPPROTO_IPV6 => Ok(0),
                _ => Err(errno),
            });
        }
        Ok(match name {
            TYPE => self.protocol.raw(),
            // By Linux's numbers, as all options are.
            ERROR => match &state.role {
                Role::Connected { lines, .. } => match lines.own.lock().take_error() {
                    Some(Errno::PIPE) => 32,
                    Some(_) => 104,
                    None => 0,
                },
                _ => 0,
            },
            ACCEPTCONN => matches!(state.role, Role::Listening { .. }).into(),
            DOMAIN => self.family.raw().into(),
            PROTOCOL => match (self.family, self.protocol) {
                (Family::Unix, _) => 0,
                (_, Protocol::Stream) => 6,
                (_, Protocol::Datagram) => 17,
            },
            SNDBUF | RCVBUF => kept.map_or(BUFFER_BYTES, |size| size.saturating_mul(2)),
            _ => kept.unwrap_or(0),
        })
    }

    /// Keeps an option. What it says is done only for `IPV6_V6ONLY`; loopback has no use for others.
    pub(crate) fn set_option(&self, level: u32, name: u32, value: i32) -> SysResult<()> {
        let mut state = self.state.lock();
        if level == IPPROTO_IPV6 && self.family != Family::V6 {
            return Err(Errno::NOPROTOOPT);
        }
        if state.options.len() >= MAX_OPTIONS && !state.options.contains_key(&(level, name)) {
            return Err(Errno::NOPROTOOPT);
        }
        state.options.insert((level, name), value);
        Ok(())
    }

    /// Tells whether the socket is IPv6's and takes what comes for IPv4 as well.
    pub(in crate::net) fn is_dual(&self) -> bool {
        let state = self.state.lock();
        let only = state.options.get(&(IPPROTO_IPV6, IPV6_V6ONLY)).copied().unwrap_or(0);
        self.family == Family::V6 && only == 0
    }
}
