"""Network namespaces as hosts: two of them, joined by a cable, for tests that need rules or addresses of their own."""
import contextlib
import ctypes
import os
import socket
import subprocess
import threading

import pytest
from harness import WAIT

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SO_ORIGINAL_DST = 80
SO_MARK = 36
IP_TRANSPARENT = (socket.SOL_IP, 19)
IPV6_TRANSPARENT = (41, 75)


def command(*words, **settings):
    """Runs a program that has to succeed; what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=settings.pop("stdin", subprocess.DEVNULL), **settings)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


class Host:
    """A namespace with a name, an address of each family, and a loopback."""

    def __init__(self, name, number):
        self.name = f"{name}-{os.getpid()}"
        self.v4, self.v6 = f"10.77.0.{number}", f"fd77::{number}"
        command("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *words, **settings):
        return command("ip", "netns", "exec", self.name, *words, **settings)

    def words(self, *words):
        """The command line that runs these words on this host."""
        return ["ip", "netns", "exec", self.name, *words]

    @contextlib.contextmanager
    def entered(self):
        """This thread is on the host; sockets that are made meanwhile stay there."""
        with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{self.name}") as here:
            assert LIBC.setns(here.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert LIBC.setns(before.fileno(), CLONE_NEWNET) == 0

    def listen(self, port, address=None, transparent=False):
        """A listening socket on all addresses of both families, or on one."""
        with self.entered():
            server = socket.socket(socket.AF_INET6 if address is None or ":" in address else socket.AF_INET)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address is None:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            if transparent:
                server.setsockopt(*IPV6_TRANSPARENT, 1)
                server.setsockopt(*IP_TRANSPARENT, 1)
            server.bind((address or "::", port))
            server.listen()
        server.settimeout(WAIT)
        return server

    def connect(self, address, port, user=None, group=None, mark=None, source=None):
        """A connection from this host, of a user, a group, with a mark, or from somebody else's address."""
        with self.entered():
            # Of this thread only. The owner of a socket is who made it.
            if user:
                LIBC.setfsuid(user)
            if group:
                LIBC.setfsgid(group)
            try:
                client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            finally:
                LIBC.setfsuid(0)
                LIBC.setfsgid(0)
            client.settimeout(WAIT)
            if mark:
                client.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
            if source:
                client.setsockopt(*(IPV6_TRANSPARENT if ":" in address else IP_TRANSPARENT), 1)
                client.bind((source, 0))
            client.connect((address, port))
            return client

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


def plain(address):
    """`::ffff:10.0.0.1` -> `10.0.0.1`"""
    return address.removeprefix("::ffff:")


def original_destination(sock):
    """Where a redirected connection wanted to go."""
    if sock.family == socket.AF_INET6 and not sock.getsockname()[0].startswith("::ffff:"):
        raw = sock.getsockopt(41, SO_ORIGINAL_DST, 28)
        return socket.inet_ntop(socket.AF_INET6, raw[8:24]), int.from_bytes(raw[2:4], "big")
    raw = sock.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    return socket.inet_ntop(socket.AF_INET, raw[4:8]), int.from_bytes(raw[2:4], "big")


class Greeter:
    """A server that says its name to every connection, before that says anything."""

    def __init__(self, host, port, name, address=None):
        self.server, self.name, self.peers = host.listen(port, address), name.encode(), []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                sock, peer = self.server.accept()
                self.peers.append((plain(peer[0]), peer[1]))
                with sock:
                    sock.sendall(self.name)

    def close(self):
        self.server.close()


@pytest.fixture
def hosts():
    """Two hosts, `a` and `b`, with a cable between them."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("network namespaces need root")
    with contextlib.ExitStack() as stack:
        pair = []
        for number, name in enumerate("ab", start=1):
            pair.append(Host(name, number))
            stack.callback(pair[-1].close)
        a, b = pair
        command("ip", "link", "add", "cable", "netns", a.name, "type", "veth", "peer", "name", "cable", "netns", b.name)
        for host in pair:
            host.run("ip", "addr", "add", f"{host.v4}/24", "dev", "cable")
            host.run("ip", "addr", "add", f"{host.v6}/64", "dev", "cable", "nodad")
            host.run("ip", "link", "set", "cable", "up")
        yield pair


@pytest.fixture
def greeter():
    """greeter(host, port, name) -> a server that says its name."""
    with contextlib.ExitStack() as stack:

        def launch(*arguments, **settings):
            server = Greeter(*arguments, **settings)
            stack.callback(server.close)
            return server

        yield launch
