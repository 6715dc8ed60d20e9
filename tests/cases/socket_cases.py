"""Servers and clients in one sandbox; prints one JSON line a case, with what came of it.

Run natively and in a sandbox by `e2e/subprocess.rs`, which compares the lines.
"""

import asyncio
import http.server
import os
import select
import selectors
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

from told import tell

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def started(target, *args):
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


@case
def numbers_are_those_of_linux():
    names = "AF_UNIX AF_INET AF_INET6 SOCK_STREAM SOCK_DGRAM SOL_SOCKET SO_REUSEADDR IPPROTO_TCP TCP_NODELAY MSG_PEEK".split()
    return [[repr(getattr(socket, name)), int(getattr(socket, name))] for name in names]


@case
def pair_of_streams():
    a, b = socket.socketpair()
    with a, b:
        a.sendall(b"there")
        b.sendall(b"and back")
        found = [b.recv(99).decode(), a.recv(3).decode(), a.recv(99).decode()]
        a.shutdown(socket.SHUT_WR)
        return found + [b.recv(9).decode(), str(a.family), str(a.type), a.getsockname(), a.getpeername()]


@case
def pair_with_timeouts():
    a, b = socket.socketpair()
    with a, b:
        a.settimeout(0.05)
        try:
            a.recv(1)
        except TimeoutError as error:
            found = [str(error), error.errno]
        a.setblocking(False)
        try:
            a.recv(1)
        except BlockingIOError as error:
            found += [error.errno, error.strerror]
        return found + [a.gettimeout(), b.gettimeout(), b.getblocking()]


@case
def stream_server_and_client():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            connection, address = server.accept()
            with connection, connection.makefile("rwb") as file:
                file.write(file.readline().upper())

        thread = started(answer)
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"hello\n")
            found = client.makefile("rb").read().decode()
            found = [found, client.getpeername() == server.getsockname(), client.getsockname()[0]]
        thread.join()
        return found


@case
def stream_over_version_six():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        client = socket.create_connection(server.getsockname()[:2])
        connection, address = server.accept()
        with client, connection:
            client.send(b"six")
            return [connection.recv(9).decode(), address[0], len(address)]


@case
def nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = taken.getsockname()
    found = []
    for call in (socket.create_connection, lambda address: socket.socket().connect_ex(address)):
        try:
            found.append(call(address))
        except OSError as error:
            found.append([type(error).__name__, error.errno, error.strerror])
    return found


@case
def address_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            socket.socket().bind(server.getsockname())
        except OSError as error:
            return [error.errno, error.strerror]


@case
def datagrams():
    with socket.socket(type=socket.SOCK_DGRAM) as a, socket.socket(type=socket.SOCK_DGRAM) as b:
        a.bind(("127.0.0.1", 0)), b.bind(("localhost", 0))
        a.sendto(b"one", b.getsockname()), a.sendto(b"two", b.getsockname())
        data, sender = b.recvfrom(99)
        return [data.decode(), sender == a.getsockname(), b.recv(2).decode()]


@case
def unix_domain():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(path)
            server.listen()
            client.connect(path)
            connection, _ = server.accept()
            connection.send(b"x")
            found = [client.recv(9).decode(), client.getpeername() == path, os.path.exists(path)]
            connection.close()
            return found


@case
def select_and_poll():
    a, b = socket.socketpair()
    with a, b:
        before = [len(it) for it in select.select([a], [a], [], 0)]
        b.send(b"x")
        poll = select.poll()
        poll.register(a, select.POLLIN)
        after = [[a.fileno() == fd, event] for fd, event in poll.poll(1000)]
        with selectors.DefaultSelector() as selector:
            selector.register(a, selectors.EVENT_READ, "data")
            return [before, after, [(key.data, events) for key, events in selector.select(1)]]


@case
def http_server_and_urllib():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.path.encode()
            self.send_response(404 if "missing" in self.path else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        started(server.serve_forever)
        url = f"http://127.0.0.1:{server.server_port}"
        found = [urllib.request.urlopen(url + path).read().decode() for path in ("/a", "/b?c=d")]
        try:
            urllib.request.urlopen(url + "/missing")
        except urllib.error.HTTPError as error:
            found.append([error.code, error.read().decode()])
            error.close()
        server.shutdown()
        return found


@case
def socketserver_with_many_clients():
    class Echo(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.readline())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        started(server.serve_forever, 0.05)
        found = []
        for n in range(10):
            with socket.create_connection(server.server_address) as client:
                client.sendall(b"%d\n" % n)
                found.append(client.makefile().read())
        server.shutdown()
        return found


@case
def asyncio_streams():
    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def ask(port, text):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text)
        found = await reader.read()
        writer.close()
        await writer.wait_closed()
        return found.decode()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.gather(*(ask(port, b"line %d\n" % n) for n in range(5)))

    return asyncio.run(main())


@case
def server_in_another_process():
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); c = s.accept()[0]; c.sendall(c.recv(99)[::-1])"
    child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True)
    with socket.create_connection(("127.0.0.1", int(child.stdout.readline()))) as client:
        client.sendall(b"abc")
        found = client.recv(99).decode()
    child.stdout.close()
    return [found, child.wait()]


@case
def large_transfer():
    a, b = socket.socketpair()
    with a, b:
        thread = started(lambda: [a.sendall(b"x" * 1_000_000), a.close()])
        size = 0
        while data := b.recv(65536):
            size += len(data)
        thread.join()
        return size


@case
def numeric_addresses():
    found = [[str(it[0]), str(it[1]), it[2], it[4]] for it in socket.getaddrinfo("127.0.0.1", 80)[:2]]
    found += [socket.inet_pton(socket.AF_INET6, "::192.9.5.5").hex(), socket.inet_ntop(socket.AF_INET6, bytes(15) + b"\1")]
    for wrong in ("::g", "1.2.3", ""):
        try:
            socket.inet_pton(socket.AF_INET6, wrong)
        except OSError as error:
            found.append(str(error))
    return found + [socket.inet_aton("1.2").hex(), socket.htons(80), socket.ntohl(1), socket.gethostbyname("localhost")]


tell(CASES)
