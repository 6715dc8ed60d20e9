"""Calls on sockets, one by one; prints one JSON line a case, with what came of it.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines. No case shows a port
that the system chose, and none waits for time to pass.
"""

import asyncio
import errno
import json
import os
import select
import selectors
import socket
import struct
import subprocess
import sys
import tempfile

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def listener(family=socket.AF_INET, address=("127.0.0.1", 0)):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen()
    return server


def connection(**options):
    with listener(**options) as server:
        client = socket.create_connection(server.getsockname()[:2])
        accepted, _ = server.accept()
        return client, accepted


@case
def stream_both_ways():
    client, server = connection()
    client.sendall(b"ping")
    got = [server.recv(10)]
    server.sendall(b"pong")
    got.append(client.recv(10))
    client.close()
    got.append(server.recv(10))
    return [part.decode() for part in got]


@case
def addresses_of_both_ends():
    client, server = connection()
    return [
        client.getsockname() == server.getpeername(), client.getpeername() == server.getsockname(),
        client.getsockname()[0], client.family.name, client.type.name, client.proto,
    ]  # fmt: skip


@case
def ephemeral_port_is_given():
    with listener() as server:
        host, port = server.getsockname()
        return [host, 1024 < port < 65536]


@case
def unbound_has_no_port():
    with socket.socket() as it:
        return it.getsockname()


@case
def refused():
    with socket.socket() as it:
        return it.connect_ex(("127.0.0.1", 1))


@case
def address_in_use():
    with listener() as server, socket.socket() as other:
        try:
            other.bind(server.getsockname())
        except OSError as error:
            return [errno.errorcode[error.errno], str(error)]


@case
def address_of_another_machine():
    with socket.socket() as it:
        try:
            it.bind(("192.0.2.1", 0))
        except OSError as error:
            return [errno.errorcode[error.errno], str(error)]


@case
def bound_twice():
    with listener() as server:
        try:
            server.bind(("127.0.0.1", 0))
        except OSError as error:
            return errno.errorcode[error.errno]


@case
def not_connected():
    out = []
    with socket.socket() as it:
        for call in (lambda: it.recv(1), lambda: it.getpeername(), lambda: it.shutdown(socket.SHUT_RDWR)):
            try:
                call()
            except OSError as error:
                out.append(errno.errorcode[error.errno])
    return out


@case
def connected_twice():
    client, _server = connection()
    try:
        client.connect(("127.0.0.1", 9))
    except OSError as error:
        return errno.errorcode[error.errno]


@case
def accept_without_listen():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        try:
            it.accept()
        except OSError as error:
            return errno.errorcode[error.errno]


@case
def write_after_the_other_end_closed():
    client, server = socket.socketpair()
    server.close()
    try:
        client.send(b"x")
    except OSError as error:
        return [type(error).__name__, error.errno]


@case
def half_closed():
    client, server = connection()
    client.sendall(b"request")
    client.shutdown(socket.SHUT_WR)
    data = b""
    while part := server.recv(3):
        data += part
    server.sendall(data[::-1])
    server.close()
    return client.recv(100).decode()


@case
def send_after_shutdown():
    client, _server = connection()
    client.shutdown(socket.SHUT_WR)
    try:
        client.send(b"x")
    except OSError as error:
        return errno.errorcode[error.errno]


@case
def peek_and_wait_for_all():
    client, server = connection()
    client.sendall(b"abcdef")
    return [
        server.recv(3, socket.MSG_PEEK).decode(), server.recv(6, socket.MSG_WAITALL).decode(),
    ]  # fmt: skip


@case
def nonblocking():
    client, server = connection()
    server.setblocking(False)
    out = []
    try:
        server.recv(1)
    except OSError as error:
        out.append([type(error).__name__, error.errno])
    try:
        client.recv(1, socket.MSG_DONTWAIT)
    except OSError as error:
        out.append([type(error).__name__, error.errno])
    return [*out, server.getblocking(), server.gettimeout(), client.getblocking()]


@case
def timeout():
    client, _server = connection()
    client.settimeout(0.01)
    try:
        client.recv(1)
    except TimeoutError as error:
        return [str(error), client.gettimeout()]


@case
def full_queue_would_block():
    client, server = connection()
    client.setblocking(False)
    n_bytes = 0
    try:
        while True:
            n_bytes += client.send(b"x" * 65536)
    except BlockingIOError:
        pass
    received = 0
    while received < n_bytes:
        received += len(server.recv(1 << 20))
    return [n_bytes > 0, received == n_bytes]


@case
def files_of_a_socket():
    client, server = connection()
    with client.makefile("w") as out:
        out.write("one\ntwo\n")
    client.shutdown(socket.SHUT_WR)
    with server.makefile() as lines:
        return list(lines)


@case
def os_read_and_write():
    client, server = connection()
    os.write(client.fileno(), b"through the descriptor")
    return os.read(server.fileno(), 100).decode()


@case
def into_a_buffer():
    client, server = connection()
    client.sendall(b"0123456789")
    data = bytearray(6)
    n_bytes = server.recv_into(data, 4)
    return [n_bytes, bytes(data).hex()]


@case
def several_buffers():
    client, server = connection()
    client.sendmsg([b"a", b"bc", b"def"])
    return server.recvmsg(100)[0].decode()


@case
def datagrams():
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.sendto(b"first", one.getsockname())
        other.sendto(b"", one.getsockname())
        other.sendto(b"third is cut", one.getsockname())
        data, address = one.recvfrom(100)
        one.sendto(data.upper(), address)
        return [
            data.decode(), one.recv(10).decode(), one.recv(5).decode(), other.recv(10).decode(),
            address[0], address[1] == other.getsockname()[1],
        ]  # fmt: skip


@case
def connected_datagrams():
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        other.connect(one.getsockname())
        other.send(b"hello")
        one.connect(other.getsockname())
        one.send(b"there")
        return [one.recv(9).decode(), other.recv(9).decode(), other.getpeername() == one.getsockname()]


@case
def a_datagram_that_is_too_long():
    with socket.socket(type=socket.SOCK_DGRAM) as it:
        try:
            it.sendto(b"x" * 70_000, ("127.0.0.1", 9))
        except OSError as error:
            return errno.errorcode[error.errno]


@case
def ipv6():
    server = listener(socket.AF_INET6, ("::1", 0))
    client = socket.create_connection(server.getsockname()[:2])
    accepted, address = server.accept()
    client.sendall(b"six")
    return [accepted.recv(3).decode(), address[0], len(address), client.family.name]


@case
def ipv6_that_takes_ipv4():
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        client = socket.create_connection(("127.0.0.1", server.getsockname()[1]))
        accepted, address = server.accept()
        return [address[0], accepted.getsockname()[0], client.getpeername()[0]]


@case
def unix_stream():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        server = listener(socket.AF_UNIX, path)
        import stat

        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        accepted, address = server.accept()
        client.sendall(b"unix")
        got = accepted.recv(10).decode()
        shown = [server.getsockname() == path, client.getpeername() == path, address]
        os.unlink(path)
        return [is_socket, got, *shown, os.path.exists(path)]


@case
def unix_relative_path():
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            server = listener(socket.AF_UNIX, "name.sock")
            client = socket.socket(socket.AF_UNIX)
            client.connect("./name.sock")
            return [server.getsockname(), client.getpeername(), os.listdir(".")]
        finally:
            os.chdir(here)


@case
def unix_errors():
    out = []
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "plain")
        open(plain, "w").close()
        for call in (
            lambda it: it.connect(os.path.join(folder, "none")), lambda it: it.connect(plain),
            lambda it: it.bind(plain), lambda it: it.bind(os.path.join(folder, "no/where")),
            lambda it: it.bind("x" * 200),
        ):  # fmt: skip
            with socket.socket(socket.AF_UNIX) as it:
                try:
                    call(it)
                    out.append("none")
                except OSError as error:
                    out.append([type(error).__name__, error.errno])
    return out


@case
def unix_abstract():
    server = listener(socket.AF_UNIX, "\0playpen-cases")
    client = socket.socket(socket.AF_UNIX)
    client.connect("\0playpen-cases")
    return [server.getsockname().decode(), client.getpeername().decode()]


@case
def unix_datagrams():
    with tempfile.TemporaryDirectory() as folder:
        one, other = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
        one.bind(os.path.join(folder, "one"))
        other.bind(os.path.join(folder, "other"))
        one.sendto(b"to the other", other.getsockname())
        data, address = other.recvfrom(100)
        return [data.decode(), address == one.getsockname()]


@case
def pairs():
    one, other = socket.socketpair()
    one.send(b"stream")
    left, right = socket.socketpair(type=socket.SOCK_DGRAM)
    left.send(b"a")
    left.send(b"b")
    return [
        other.recv(10).decode(), right.recv(10).decode(), right.recv(10).decode(),
        one.family.name, repr(one.getsockname()), one.get_inheritable(),
    ]  # fmt: skip


@case
def options():
    with socket.socket() as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        it.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        it.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
        return [
            it.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR),
            it.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            it.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM,
            it.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
            it.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
            it.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8).hex(),
        ]


@case
def numbers_of_linux():
    return [
        int(value) for value in (
            socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOL_SOCKET,
            socket.SO_REUSEADDR, socket.MSG_PEEK, socket.SHUT_RDWR, socket.IPPROTO_TCP, socket.SOCK_NONBLOCK,
            socket.SOCK_CLOEXEC,
        )
    ]  # fmt: skip


@case
def select_on_sockets():
    client, server = connection()
    out = [len(part) for part in select.select([server], [client], [], 0)]
    client.sendall(b"x")
    out += [len(part) for part in select.select([server], [], [], 1)]
    poll = select.poll()
    poll.register(server, select.POLLIN | select.POLLOUT)
    out.append(poll.poll(0)[0][1] == select.POLLIN | select.POLLOUT)
    return out


@case
def selectors_with_a_listener():
    with selectors.DefaultSelector() as selector, listener() as server:
        selector.register(server, selectors.EVENT_READ, "server")
        before = len(selector.select(0))
        client = socket.create_connection(server.getsockname())
        ready = [key.data for key, _ in selector.select(1)]
        client.close()
        return [before, ready]


@case
def names():
    out = [socket.gethostbyname("localhost"), socket.gethostbyname("127.0.0.5")]
    for family in (socket.AF_INET, socket.AF_INET6):
        out.append(socket.inet_ntop(family, socket.inet_pton(family, "::1" if family == socket.AF_INET6 else "10.1.2.3")))
    out.append(socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][1:])
    out.append([part[4] for part in socket.getaddrinfo(None, 80, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)])
    out.append(sorted(part[4][0] for part in socket.getaddrinfo(None, "http", type=socket.SOCK_STREAM)))
    out.append(socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV))
    out.append([socket.getservbyname("https"), socket.getprotobyname("udp"), socket.inet_aton("127.1").hex()])
    return out


@case
def names_that_are_not():
    out = []
    for call in (
        lambda: socket.getaddrinfo("name.invalid", 80), lambda: socket.inet_pton(socket.AF_INET, "1.2.3"),
        lambda: socket.getaddrinfo("127.0.0.1", "no-such-service"), lambda: socket.inet_aton("x"),
        lambda: socket.getaddrinfo("x", 1, family=99),
    ):  # fmt: skip
        try:
            call()
        except OSError as error:
            out.append(type(error).__name__)
    return out


@case
def a_child_serves():
    server = listener()
    code = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); c, _ = s.accept(); c.sendall(c.recv(9)[::-1])"
    child = subprocess.Popen([sys.executable, "-c", code, str(server.fileno())], pass_fds=[server.fileno()])
    client = socket.create_connection(server.getsockname())
    client.sendall(b"dlihc")
    got = client.recv(9).decode()
    return [got, child.wait()]


@case
def a_child_connects():
    server = listener()
    code = "import socket, sys; socket.create_connection(('localhost', int(sys.argv[1]))).sendall(b'from a child')"
    child = subprocess.Popen([sys.executable, "-c", code, str(server.getsockname()[1])])
    accepted, _ = server.accept()
    with accepted.makefile() as text:
        return [text.read(), child.wait()]


@case
def asyncio_streams():
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]

            async def ask(text):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(text.encode() + b"\n")
                answer = await reader.read()
                writer.close()
                return answer.decode()

            return await asyncio.gather(*(ask(f"client {n}") for n in range(5)))

    return asyncio.run(main())


@case
def asyncio_unix_server():
    async def serve(reader, writer):
        writer.write(await reader.readexactly(4))
        writer.close()

    async def main(path):
        async with await asyncio.start_unix_server(serve, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"ping")
            return (await reader.read()).decode()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(main(os.path.join(folder, "s")))


@case
def asyncio_datagrams():
    async def main():
        loop = asyncio.get_running_loop()
        got = loop.create_future()

        class Server(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, address):
                self.transport.sendto(data[::-1], address)

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data, address):
                got.set_result(data.decode())

        server, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        client, _ = await loop.create_datagram_endpoint(Client, remote_addr=server.get_extra_info("sockname"))
        client.sendto(b"abc")
        answer = await got
        server.close()
        client.close()
        return answer

    return asyncio.run(main())


@case
def http_server_in_a_child():
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "page.txt"), "w") as file:
            file.write("served\n")
        code = """if True:
            import functools, http.server, sys
            handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
            with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
                print(server.server_port, flush=True)
                server.handle_request()
                server.handle_request()
        """
        child = subprocess.Popen(
            [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        port = int(child.stdout.readline())
        import urllib.error
        import urllib.request

        with urllib.request.urlopen(f"http://127.0.0.1:{port}/page.txt") as answer:
            got = [answer.status, answer.read().decode(), answer.headers["Content-Type"]]
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/none")
        except urllib.error.HTTPError as error:
            got.append(error.code)
        return [*got, child.wait()]


def told_of(what, asked=select.POLLIN | select.POLLOUT | select.POLLRDHUP):
    """What poll tells at once of a descriptor."""
    poll = select.poll()
    poll.register(what, asked)
    names = "POLLIN POLLOUT POLLERR POLLHUP POLLNVAL POLLPRI POLLRDHUP".split()
    return [name for _, found in poll.poll(0) for name in names if found & getattr(select, name)]


@case
def events_of_pipes():
    got = []
    for close_first in (False, True):
        for left in (b"", b"data"):
            reader, writer = os.pipe()
            os.write(writer, left)
            got.append([told_of(reader), told_of(writer), told_of(writer, 0)])
            os.close(reader if close_first else writer)
            one = writer if close_first else reader
            got.append([told_of(one), told_of(one, 0), told_of(one, select.POLLOUT), told_of(one, select.POLLIN)])
            got.append([len(part) for part in select.select([one], [one], [one], 0)])
            os.close(one)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    full = 0
    try:
        while True:
            full += os.write(writer, bytes(4096))
    except BlockingIOError:
        got.append([told_of(writer), told_of(reader), full])
    return got


@case
def events_of_what_is_no_stream():
    got = [told_of(99), told_of(socket.socket()), told_of(socket.socket(socket.AF_UNIX))]
    with tempfile.TemporaryFile() as file:
        got += [told_of(file), told_of(file, 0)]
    got += [told_of(socket.socket(type=socket.SOCK_DGRAM)), told_of(os.open("/dev/null", os.O_RDWR)), told_of(os.open("/", 0))]
    got.append([select.poll().poll(1), *select.select([], [], [], 0.001)])
    return got


def ended(client, server, how):
    """Ends one end of a connection in one of the ways there are."""
    if "unread" in how:
        client.sendall(b"not read")
    if "data" in how:
        server.sendall(b"data")
    if "shut" in how:
        server.shutdown(socket.SHUT_WR)
    if "deaf" in how:
        server.shutdown(socket.SHUT_RD)
    if "abort" in how:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if "close" in how:
        server.close()


def told(client, what):
    """What one call at the other end comes to then."""
    try:
        if what == "send":
            return client.send(b"abc")
        if what == "recv":
            return client.recv(100).decode()
        if what == "peer":
            return bool(client.getpeername()) or "unnamed"
        if what == "error":
            return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if what == "poll":
            return told_of(client)
        return client.shutdown(socket.SHUT_WR if what == "finish" else socket.SHUT_RDWR)
    except OSError as error:
        return [type(error).__name__, errno.errorcode.get(error.errno)]


ENDS = ["close", "unread close", "unread data close", "shut", "deaf", "abort close", "shut close", "shut unread close"]
CALLS = [
    "send send send recv", "recv recv send send", "send recv send recv", "shutdown send send", "error send send",
    "poll send send poll", "recv error recv", "peer send peer recv peer", "finish send send", "send send shutdown",
]  # fmt: skip


def what_the_other_end_is_told(make, how):
    got = []
    for calls in CALLS:
        client, server = make()
        ended(client, server, how)
        client.setblocking(False)
        got.append([told(client, what) for what in calls.split()])
        client.close(), server.close()
    return got


for how in ENDS:
    for make in (connection, socket.socketpair):
        CASES[f"{make.__name__}, {how}"] = lambda make=make, how=how: what_the_other_end_is_told(make, how)


@case
def nobody_accepts():
    got = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "\0nobody accepts")):
        server = listener(family, address)
        client = socket.socket(family)
        client.connect(server.getsockname())
        server.close()
        got.append([told(client, what) for what in ("recv", "recv", "send", "shutdown")])
        client.close()
    return got


for name, function in CASES.items():
    try:
        outcome = function()
    except BaseException as error:
        outcome = ["raised", type(error).__name__, str(error)]
    print(json.dumps({"id": name, "outcome": outcome}), flush=True)
