//! Addresses of sockets, in the layout that Linux gives `sockaddr`.

use crate::errno::{Errno, SysResult};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Bytes of `sun_path`.
const MAX_UNIX_NAME_BYTES: usize = 108;

/// What kind of addresses a socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Unix,
    V4,
    V6,
}

impl Family {
    /// Translates a number of Linux.
    pub(crate) fn from_raw(raw: u32) -> SysResult<Self> {
        match u16::try_from(raw) {
            Ok(AF_UNIX) => Ok(Self::Unix),
            Ok(AF_INET) => Ok(Self::V4),
            Ok(AF_INET6) => Ok(Self::V6),
            _ => Err(Errno::AFNOSUPPORT),
        }
    }

    pub(crate) fn raw(self) -> u16 {
        match self {
            Self::Unix => AF_UNIX,
            Self::V4 => AF_INET,
            Self::V6 => AF_INET6,
        }
    }

    /// Returns the address of no particular interface.
    pub(super) fn any(self) -> IpAddr {
        if self == Self::V6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
    }
}

/// An address of a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Address {
    /// A path, or after a NUL an abstract name; empty where a socket has no name.
    Unix(Vec<u8>),
    Inet(SocketAddr),
}

impl Address {
    /// Parses `sockaddr`.
    pub(crate) fn parse(bytes: &[u8]) -> SysResult<Self> {
        let (family, rest) = bytes.split_first_chunk::<2>().ok_or(Errno::INVAL)?;
        match u16::from_le_bytes(*family) {
            AF_UNIX => {
                let name = if rest.first() == Some(&0) {
                    rest
                } else {
                    rest.split(|byte| *byte == 0).next().unwrap_or_default()
                };
                if name.len() > MAX_UNIX_NAME_BYTES {
                    return Err(Errno::INVAL);
                }
                Ok(Self::Unix(name.to_vec()))
            }
            AF_INET => {
                let (port, rest) = rest.split_first_chunk::<2>().ok_or(Errno::INVAL)?;
                let ip = rest.first_chunk::<4>().ok_or(Errno::INVAL)?;
                Ok(Self::Inet((IpAddr::from(*ip), u16::from_be_bytes(*port)).into()))
            }
            AF_INET6 => {
                let (port, rest) = rest.split_first_chunk::<2>().ok_or(Errno::INVAL)?;
                let ip = rest.get(4..).and_then(|rest| rest.first_chunk::<16>());
                let ip = IpAddr::from(*ip.ok_or(Errno::INVAL)?);
                Ok(Self::Inet((ip, u16::from_be_bytes(*port)).into()))
            }
            _ => Err(Errno::AFNOSUPPORT),
        }
    }

    /// Returns `sockaddr`, as long as it needs to be.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.family().raw().to_le_bytes().to_vec();
        match self {
            Self::Unix(name) => {
                out.extend(name);
                if name.first().is_some_and(|first| *first != 0) {
                    out.push(0);
                }
            }
            Self::Inet(address) => {
                out.extend(address.port().to_be_bytes());
                match address.ip() {
                    IpAddr::V4(ip) => {
                        out.extend(ip.octets());
                        out.extend([0; 8]);
                    }
                    IpAddr::V6(ip) => {
                        out.extend([0; 4]);
                        out.extend(ip.octets());
                        out.extend([0; 4]);
                    }
                }
            }
        }
        out
    }

    pub(crate) fn family(&self) -> Family {
        match self {
            Self::Unix(_) => Family::Unix,
            Self::Inet(SocketAddr::V4(_)) => Family::V4,
            Self::Inet(SocketAddr::V6(_)) => Family::V6,
        }
    }

    /// Returns the path that the address names, if it names one.
    pub(crate) fn path(&self) -> Option<&[u8]> {
        match self {
            Self::Unix(name) if name.first().is_some_and(|first| *first != 0) => Some(name),
            _ => None,
        }
    }
}

/// As the record writes it, but for the protocol of an address of IPv4 or IPv6.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "//{address}"),
            Self::Unix(name) => match name.split_first() {
                Some((0, name)) => write!(f, "@{}", String::from_utf8_lossy(name)),
                _ => f.write_str(&String::from_utf8_lossy(name)),
            },
        }
    }
}

/// Returns the IPv4 address that an IPv6 address maps.
pub(super) fn unmapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Tells whether packets to `ip` stay on the machine.
pub(super) fn is_local(ip: IpAddr) -> bool {
    let ip = unmapped(ip);
    ip.is_loopback() || ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_as_they_went() {
        for address in [
            Address::Inet("127.0.0.1:80".parse().unwrap()),
            Address::Inet("[::1]:65535".parse().unwrap()),
            Address::Unix(b"/tmp/s".to_vec()),
            Address::Unix(b"\0name\0with".to_vec()),
            Address::Unix(vec![]),
        ] {
            assert_eq!(Address::parse(&address.bytes()), Ok(address));
        }
    }

    #[test]
    fn bytes_have_the_layout_of_linux() {
        let address = Address::Inet("127.0.0.1:8080".parse().unwrap());
        let expected = [2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(address.bytes(), expected);
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        assert_eq!(Address::parse(&[]), Err(Errno::INVAL));
        assert_eq!(Address::parse(&[2, 0, 1]), Err(Errno::INVAL));
        assert_eq!(Address::parse(&[10, 0, 1, 1, 0, 0, 0, 0, 1]), Err(Errno::INVAL));
        assert_eq!(Address::parse(&[17, 0, 1, 1]), Err(Errno::AFNOSUPPORT));
        let long = [&[1, 0][..], &[b'a'; 109]].concat();
        assert_eq!(Address::parse(&long), Err(Errno::INVAL));
    }
}
