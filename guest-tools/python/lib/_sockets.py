"""The module `_socket` on the kernel's loopback network, with Linux's numbers.

It takes the place of CPython's own, which cannot be built over wasi-libc; Lib/socket.py is as it is. Nothing
leads out of the sandbox: other addresses than those of loopback are unreachable, and names are those of
/etc/hosts. A socket with a timeout does not block in the kernel; it is waited for with poll.
"""

import _playpen_sockets as _kernel
import errno as _errno
import os as _os

AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6 = 0, 1, 2, 10
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET = 1, 2, 3, 4, 5
SOCK_NONBLOCK, SOCK_CLOEXEC = 2048, 524288
SOL_SOCKET, SOL_IP, SOL_TCP, SOL_UDP, SOMAXCONN = 1, 0, 6, 17, 4096
SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE = range(1, 10)
SO_OOBINLINE, SO_PRIORITY, SO_LINGER, SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED = 10, 12, 13, 15, 16, 17
SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO, SO_BINDTODEVICE = 18, 19, 20, 21, 25
SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN = 30, 38, 39
IPPROTO_IP, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_ICMPV6, IPPROTO_RAW = 0, 1, 6, 17, 41, 58, 255
TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT = 1, 2, 3, 4, 5, 6, 7
TCP_LINGER2, TCP_DEFER_ACCEPT, TCP_INFO, TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_FASTOPEN = 8, 9, 11, 12, 18, 23
IP_TOS, IP_TTL, IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP, IP_ADD_MEMBERSHIP = 1, 2, 32, 33, 34, 35
IPV6_UNICAST_HOPS, IPV6_V6ONLY, IPV6_JOIN_GROUP = 16, 26, 20
MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC, MSG_DONTWAIT, MSG_EOR, MSG_WAITALL = 1, 2, 4, 8, 32, 64, 128, 256
MSG_NOSIGNAL, MSG_MORE = 16384, 32768
SHUT_RD, SHUT_WR, SHUT_RDWR = 0, 1, 2
SCM_RIGHTS, SCM_CREDENTIALS = 1, 2  # such messages are refused: sendmsg
AI_PASSIVE, AI_CANONNAME, AI_NUMERICHOST, AI_V4MAPPED, AI_ALL, AI_ADDRCONFIG, AI_NUMERICSERV = 1, 2, 4, 8, 16, 32, 1024
EAI_BADFLAGS, EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_FAMILY, EAI_SOCKTYPE, EAI_SERVICE = -1, -2, -3, -4, -6, -7, -8
EAI_MEMORY, EAI_SYSTEM, EAI_NODATA, EAI_ADDRFAMILY, EAI_OVERFLOW = -10, -11, -5, -9, -12
NI_NUMERICHOST, NI_NUMERICSERV, NI_NOFQDN, NI_NAMEREQD, NI_DGRAM, NI_MAXHOST, NI_MAXSERV = 1, 2, 4, 8, 16, 1025, 32
INADDR_ANY, INADDR_LOOPBACK, INADDR_BROADCAST, INADDR_NONE = 0, 0x7F000001, 0xFFFFFFFF, 0xFFFFFFFF
has_ipv6 = True

error, timeout = OSError, TimeoutError
_default_timeout = None
_SERVICES = {
    "echo": 7, "discard": 9, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "pop3": 110,
    "ntp": 123, "imap2": 143, "https": 443, "imaps": 993, "pop3s": 995, "mysql": 3306, "postgresql": 5432,
}  # fmt: skip
_PROTOCOLS = {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17, "ipv6": 41, "ipv6-icmp": 58}


class gaierror(OSError):
    __module__ = "socket"


class herror(OSError):
    __module__ = "socket"


def _fail(number):
    raise OSError(number, _os.strerror(number))


# ---- addresses
def inet_aton(text, /):
    parts = text.split(".")
    try:
        numbers = [int(part, 16 if part[:2].lower() == "0x" else 8 if part[:1] == "0" and len(part) > 1 else 10) for part in parts]
        tail = numbers.pop().to_bytes(5 - len(parts), "big")
        return bytes(numbers) + tail
    except (ValueError, OverflowError):
        raise OSError("illegal IP address string passed to inet_aton") from None


def inet_ntoa(packed, /):
    packed = bytes(packed)
    if len(packed) != 4:
        raise OSError("packed IP wrong length")
    return ".".join(map(str, packed))


def inet_pton(family, text, /):
    import ipaddress

    if family not in (AF_INET, AF_INET6):
        _fail(_errno.EAFNOSUPPORT)
    try:
        if "%" in text or "/" in text:
            raise ValueError
        return (ipaddress.IPv4Address if family == AF_INET else ipaddress.IPv6Address)(text).packed
    except ValueError:
        raise OSError("illegal IP address string passed to inet_pton") from None


def inet_ntop(family, packed, /):
    import ipaddress

    packed = bytes(packed)
    if family not in (AF_INET, AF_INET6):
        raise ValueError(f"unknown address family {int(family)}")
    if len(packed) != (4 if family == AF_INET else 16):
        raise ValueError("invalid length of packed IP address string")
    if family == AF_INET:
        return inet_ntoa(packed)
    if packed[:12] in (bytes(12), bytes(10) + b"\xff\xff") and packed[12:14] != b"\0\0":
        return ("::ffff:" if packed[10] else "::") + inet_ntoa(packed[12:])
    return ipaddress.IPv6Address(packed).compressed


def htons(x, /):
    return _swap(x, 2)


def htonl(x, /):
    return _swap(x, 4)


ntohs, ntohl = htons, htonl


def _swap(x, size):
    if x < 0:
        raise OverflowError("can't convert negative value to unsigned int")
    try:
        return int.from_bytes(x.to_bytes(size, "big"), "little")
    except OverflowError:
        raise OverflowError("htons: Python int too large to convert to C 16-bit unsigned integer" if size == 2 else "int larger than 32 bits") from None


def _pack(family, address, what):
    """-> sockaddr, and the absolute path that it means."""
    if family == AF_UNIX:
        name = _os.fsencode(address) if isinstance(address, (str, _os.PathLike)) else bytes(address)
        if len(name) > 107 + (name[:1] == b"\0"):
            raise OSError("AF_UNIX path too long")
        path = _os.path.abspath(_os.fsdecode(name)) if name and name[0] else ""
        return b"\1\0" + name + (b"\0" if path else b""), path
    if not isinstance(address, tuple):
        raise TypeError(f"{what}(): {'AF_INET' if family == AF_INET else 'AF_INET6'} address must be tuple, not {type(address).__name__}")
    if len(address) != 2 and family == AF_INET:
        raise TypeError(f"{what}(): AF_INET address must be a pair (host, port)" if len(address) < 2 else "AF_INET address must be a pair (host, port)")
    host, port = address[:2]
    if not 0 <= port <= 65535:
        raise OverflowError(f"{what}(): port must be 0-65535.")
    packed = _resolve(host, family)
    if family == AF_INET:
        return b"\2\0" + port.to_bytes(2, "big") + packed + bytes(8), ""
    flow, scope = (*address[2:], 0, 0)[:2]
    return b"\n\0" + port.to_bytes(2, "big") + flow.to_bytes(4, "big") + packed + scope.to_bytes(4, "little"), ""


def _unpack(data):
    family = int.from_bytes(data[:2], "little")
    if family == AF_UNIX:
        name = data[2:]
        return bytes(name) if name[:1] == b"\0" else _os.fsdecode(name.split(b"\0")[0])
    port = int.from_bytes(data[2:4], "big")
    if family == AF_INET:
        return inet_ntoa(data[4:8]), port
    if family == AF_INET6:
        return inet_ntop(AF_INET6, data[8:24]), port, int.from_bytes(data[4:8], "big"), int.from_bytes(data[24:28], "little")
    return None


def _hosts():
    found = [("127.0.0.1", "localhost"), ("::1", "localhost"), ("127.0.0.1", gethostname())]
    try:
        with open("/etc/hosts", encoding="utf-8") as file:
            for line in file:
                address, *names = line.split("#")[0].split() or [""]
                found += [(address, name) for name in names]
    except OSError:
        pass
    return list(dict.fromkeys(found))


def _addresses(host, family, flags=0):
    """-> (family, packed) of a name."""
    families = [AF_INET, AF_INET6] if family == AF_UNSPEC else [family]
    for each in families:
        try:
            return [(each, inet_pton(each, host))]
        except OSError:
            pass
    if not flags & AI_NUMERICHOST:
        known = [(AF_INET6 if ":" in address else AF_INET, address) for address, name in _hosts() if name.lower() == host.lower().rstrip(".")]
        found = [(each, inet_pton(each, address)) for each, address in known if each in families]
        if found:
            return sorted(found, key=lambda it: it[0] != AF_INET6)
    raise gaierror(EAI_NONAME, "Name or service not known")


def _resolve(host, family):
    host = host.decode("idna") if isinstance(host, (bytes, bytearray)) else host
    if host == "":
        return bytes(4 if family == AF_INET else 16)
    if host == "<broadcast>" and family == AF_INET:
        return b"\xff" * 4
    return _addresses(host, family)[0][1]


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    if host is None and port is None:
        raise gaierror(EAI_NONAME, "Name or service not known")
    if family not in (AF_UNSPEC, AF_INET, AF_INET6):
        raise gaierror(EAI_FAMILY, "ai_family not supported")
    port = port.decode() if isinstance(port, (bytes, bytearray)) else port
    if isinstance(port, str):
        if port.isdigit():
            port = int(port)
        elif port in _SERVICES and not flags & AI_NUMERICSERV:
            port = _SERVICES[port]
        else:
            raise gaierror(EAI_SERVICE, "Servname not supported for ai_socktype")
    port = (port or 0) & 0xFFFF
    if host is None:
        found = [(AF_INET, bytes(4) if flags & AI_PASSIVE else b"\x7f\0\0\1"), (AF_INET6, bytes(16) if flags & AI_PASSIVE else bytes(15) + b"\1")]
        found = [it for it in found if family in (AF_UNSPEC, it[0])]
        found = found if flags & AI_PASSIVE else found[::-1]
    else:
        host = host.decode("idna") if isinstance(host, (bytes, bytearray)) else host
        found = _addresses(host, family, flags)
    kinds = [(SOCK_STREAM, 6), (SOCK_DGRAM, 17), (SOCK_RAW, 0)]
    kinds = [kind for kind in kinds if type in (0, kind[0]) and (proto in (0, kind[1]) or kind[0] == SOCK_RAW)]
    name = host or "" if flags & AI_CANONNAME else ""
    results = []
    for each, packed in found:
        address = inet_ntop(each, packed)
        where = (address, port) if each == AF_INET else (address, port, 0, 0)
        for n, (kind, protocol) in enumerate(kinds):
            results.append((each, kind, proto if kind == SOCK_RAW else protocol, name if not results else "", where))
    return results


def getnameinfo(address, flags, /):
    if not isinstance(address, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    host, port = address[:2]
    family, packed = _addresses(host, AF_UNSPEC, AI_NUMERICHOST)[0]
    text = inet_ntop(family, packed)
    if not flags & NI_NUMERICHOST:
        names = [name for known, name in _hosts() if known == text]
        if not names and flags & NI_NAMEREQD:
            raise gaierror(EAI_NONAME, "Name or service not known")
        text = names[0] if names else text
    services = {number: name for name, number in _SERVICES.items()}
    return text, str(port) if flags & NI_NUMERICSERV else services.get(port, str(port))


def gethostname():
    try:
        with open("/etc/hostname", encoding="utf-8") as file:
            return file.read().strip() or "playpen"
    except OSError:
        return "playpen"


def sethostname(name, /):
    _fail(_errno.EPERM)


def gethostbyname(name, /):
    return inet_ntoa(_resolve(name, AF_INET))


def gethostbyname_ex(name, /):
    return name, [], [gethostbyname(name)]


def gethostbyaddr(name, /):
    family, packed = _addresses(name, AF_UNSPEC)[0]
    text = inet_ntop(family, packed)
    names = [name for known, name in _hosts() if known == text]
    if not names:
        raise herror(1, "Unknown host")
    return names[0], names[1:], [text]


def getservbyname(name, protocol=None, /):
    if name not in _SERVICES:
        raise OSError("service/proto not found")
    return _SERVICES[name]


def getservbyport(port, protocol=None, /):
    if not 0 <= port <= 65535:
        raise OverflowError("getservbyport: port must be 0-65535.")
    for name, number in _SERVICES.items():
        if number == port:
            return name
    raise OSError("port/proto not found")


def getprotobyname(name, /):
    if name not in _PROTOCOLS:
        raise OSError("protocol not found")
    return _PROTOCOLS[name]


def if_nameindex():
    return [(1, "lo")]


def if_nametoindex(name, /):
    if name != "lo":
        raise OSError("no interface with this name")
    return 1


def if_indextoname(index, /):
    if index != 1:
        _fail(_errno.ENXIO)
    return "lo"


def getdefaulttimeout():
    return _default_timeout


def setdefaulttimeout(value, /):
    global _default_timeout
    _default_timeout = _seconds(value)


def _seconds(value):
    if value is None:
        return None
    value = float(value)
    if value < 0:
        raise ValueError("Timeout value out of range")
    return value


def close(fd, /):
    _os.close(int(fd))


def dup(fd, /):
    return _os.dup(fd) if not isinstance(fd, int) else _copy(fd)


def _copy(fd):
    copy = _os.dup(fd)
    _os.set_inheritable(copy, False)
    return copy


def socketpair(family=AF_UNIX, type=SOCK_STREAM, proto=0, /):
    if family != AF_UNIX:
        _fail(_errno.EOPNOTSUPP)
    one, other = _kernel.pair(type & 0xF)
    flags = -1 if not type & SOCK_NONBLOCK else 0
    pair = socket(family, type, proto, one), socket(family, type, proto, other)
    if not flags:
        [it.setblocking(False) for it in pair]
    return pair


# ---- sockets
class socket:
    """A socket, as in CPython's socketmodule.c."""

    __slots__ = ("_fd", "_family", "_type", "_proto", "_timeout")

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        self._fd = -1
        if fileno is not None:
            fd = fileno.__index__()
            if fd < 0:
                raise ValueError("negative file descriptor")
            _os.fstat(fd)
            family = _kernel.option(fd, SOL_SOCKET, SO_DOMAIN) if family == -1 else family
            type = _kernel.option(fd, SOL_SOCKET, SO_TYPE) if type == -1 else type
            proto = _kernel.option(fd, SOL_SOCKET, SO_PROTOCOL) if proto == -1 else proto
        else:
            family = AF_INET if family == -1 else family
            type = SOCK_STREAM if type == -1 else type
            fd = _kernel.open(family, type & 0xF)
            proto = 0 if proto == -1 else proto
        self._fd, self._family, self._type, self._proto = fd, int(family), int(type) & 0xF, proto
        self._timeout = 0.0 if type & SOCK_NONBLOCK else _default_timeout
        if self._timeout is not None:
            _os.set_blocking(fd, False)

    family = property(lambda self: self._family)
    type = property(lambda self: self._type)
    proto = property(lambda self: self._proto)
    timeout = property(lambda self: self._timeout)

    def __del__(self):
        fd = getattr(self, "_fd", -1)
        if fd >= 0:
            import warnings

            try:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            finally:
                socket.close(self)

    def fileno(self):
        return self._fd

    def detach(self):
        fd, self._fd = self._fd, -1
        return fd

    def close(self):
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                _os.close(fd)
            except ConnectionResetError:
                pass

    def setblocking(self, flag, /):
        self.settimeout(None if flag else 0.0)

    def getblocking(self):
        return self._timeout is None or self._timeout > 0

    def settimeout(self, value, /):
        value = _seconds(value)
        _os.set_blocking(self._fd, value is None)
        self._timeout = value

    def gettimeout(self):
        return self._timeout

    def _wait(self, call, writing=False):
        """Calls until it does not have to wait, within the socket's timeout."""
        import select
        import time

        if not self._timeout:
            return call()
        end, poll = time.monotonic() + self._timeout, None
        while True:
            try:
                return call()
            except BlockingIOError:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError("timed out") from None
            if poll is None:
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT if writing else select.POLLIN)
            poll.poll(max(1, left * 1000))

    def bind(self, address, /):
        _kernel.bind(self._fd, *_pack(self._family, address, "bind"))

    def connect(self, address, /):
        _kernel.connect(self._fd, *_pack(self._family, address, "connect"))

    def connect_ex(self, address, /):
        try:
            self.connect(address)
        except gaierror:
            raise
        except OSError as e:
            if e.errno is None:
                raise
            return e.errno
        return 0

    def listen(self, backlog=128, /):
        _kernel.listen(self._fd, backlog)

    def _accept(self):
        fd = self._wait(lambda: _kernel.accept(self._fd))
        return fd, _unpack(_kernel.name(fd, 1))

    def getsockname(self):
        return _unpack(_kernel.name(self._fd, 0))

    def getpeername(self):
        return _unpack(_kernel.name(self._fd, 1))

    def shutdown(self, how, /):
        _kernel.shutdown(self._fd, how)

    def getsockopt(self, level, name, size=0, /):
        value = _kernel.option(self._fd, level, name)
        if (level, name) == (SOL_SOCKET, SO_LINGER) and size:
            import struct

            # The kernel keeps one number: 0 for none, else a second more than the time.
            return struct.pack("ii", bool(value), max(value - 1, 0))[:size]
        return value if not size else value.to_bytes(4, "little", signed=True)[:size].ljust(min(size, 8), b"\0")

    def setsockopt(self, level, name, value, length=None, /):
        if (level, name) == (SOL_SOCKET, SO_LINGER) and not isinstance(value, int):
            import struct

            on, seconds = struct.unpack_from("ii", value)
            value = seconds + 1 if on else 0
        elif not isinstance(value, int):
            value = int.from_bytes(bytes(value or b"")[:4], "little", signed=True)
        _kernel.set_option(self._fd, level, name, value)

    def _receive(self, buffer, flags):
        return self._wait(lambda: _kernel.receive(self._fd, buffer, flags))

    def recv(self, size, flags=0, /):
        return self.recvfrom(size, flags)[0]

    def recvfrom(self, size, flags=0, /):
        if size < 0:
            raise ValueError("negative buffersize in recv")
        buffer = bytearray(size)
        n, address, _ = self._receive(buffer, flags)
        del buffer[min(n, size) :]
        return bytes(buffer), _unpack(address)

    def recv_into(self, buffer, nbytes=0, flags=0):
        return self.recvfrom_into(buffer, nbytes, flags)[0]

    def recvfrom_into(self, buffer, nbytes=0, flags=0):
        view = memoryview(buffer).cast("B")
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        if nbytes > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        n, address, _ = self._receive(view[: nbytes or len(view)], flags)
        return n, _unpack(address)

    def recvmsg(self, size, ancillary=0, flags=0, /):
        buffer = bytearray(size)
        n, address, found = self._receive(buffer, flags)
        return bytes(buffer[:n]), [], found, _unpack(address)

    def recvmsg_into(self, buffers, ancillary=0, flags=0, /):
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data, _, found, address = self.recvmsg(sum(map(len, views)), 0, flags)
        at = 0
        for view in views:
            part = data[at : at + len(view)]
            view[: len(part)] = part
            at += len(part)
        return len(data), [], found, address

    def _transmit(self, data, flags, address=b"", path=""):
        return self._wait(lambda: _kernel.transmit(self._fd, data, flags, address, path), writing=True)

    def send(self, data, flags=0, /):
        return self._transmit(data, flags)

    def sendall(self, data, flags=0, /):
        view = memoryview(data).cast("B")
        at = 0
        while True:
            at += self._transmit(view[at:], flags)
            if at >= len(view):
                return

    def sendto(self, data, *more):
        flags, address = (0, *more) if len(more) == 1 else more
        return self._transmit(data, flags, *_pack(self._family, address, "sendto"))

    def sendmsg(self, buffers, ancillary=(), flags=0, address=None, /):
        if list(ancillary):
            _fail(_errno.EOPNOTSUPP)
        data = b"".join(bytes(buffer) for buffer in buffers)
        return self._transmit(data, flags, *(_pack(self._family, address, "sendmsg") if address is not None else ()))


SocketType = socket
