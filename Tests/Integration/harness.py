"""Starts proxies on free ports, scripts upstreams, and speaks raw HTTP to them.

Everything listens on loopback and on ports the kernel chose; nothing sleeps in hope: waits are for a condition, bounded.
"""
import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

WAIT = 20.0  # seconds after which a condition that was waited for has failed


def wait_until(condition, what, timeout=WAIT):
    """Polls until `condition()` is truthy and returns its value. `what` is a text, or makes one when it did not happen."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.01)


def readable(sockets, timeout=0):
    """Those of the sockets that have something to read, or an end, after at most `timeout` seconds; any descriptor number."""
    poller = select.poll()
    by_number = {one.fileno(): one for one in sockets}
    for number in by_number:
        poller.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poller.poll(timeout * 1000)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Upstream:
    """A scripted server: `script(connection, number)` runs in a thread for each accepted connection."""

    def __init__(self, script, tls=None, address="127.0.0.1"):
        self.script, self.tls = script, tls
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family, backlog=256)
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.requests = []
        self.errors = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, number):
        # A peer that goes away in the middle of a message ends the script.
        with contextlib.suppress(OSError, EOFError), sock:
            if self.tls:
                try:
                    sock = self.tls.wrap_socket(sock, server_side=True)
                except (ssl.SSLError, OSError) as error:
                    self.errors.append(error)
                    return
            self.script(Peer(sock, self), number)

    def close(self):
        self.listener.close()


class Peer:
    """One end of a connection, with a buffer; used by scripts and by tests as the client."""

    def __init__(self, sock, upstream=None):
        self.sock, self.upstream, self.buffer = sock, upstream, b""
        sock.settimeout(WAIT)
        # What is said in several pieces shall not wait for acknowledgements.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def fill(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def until(self, mark):
        """Bytes up to and with `mark`; None at the end of the stream."""
        while mark not in self.buffer:
            if not self.fill():
                return None
        head, self.buffer = self.buffer.split(mark, 1)
        return head + mark

    def line(self):
        """The next line, with its end."""
        line = self.until(b"\r\n")
        if line is None:
            raise EOFError("the stream ended in a message")
        return line

    def exactly(self, count):
        data, self.buffer = bytearray(self.buffer[:count]), self.buffer[count:]
        while len(data) < count:
            more = self.sock.recv(min(count - len(data), 1 << 20))
            if not more:
                raise EOFError(f"{len(data)} of {count} bytes")
            data += more
        return bytes(data)

    def rest(self):
        """All bytes up to the end, in order or not."""
        data, self.buffer = bytearray(self.buffer), b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            while more := self.sock.recv(1 << 20):
                data += more
        return bytes(data)

    def discard(self, count):
        """Reads `count` bytes and forgets them; how many came before the end."""
        room, left = memoryview(bytearray(1 << 20)), count - len(self.buffer)
        assert left >= 0
        self.buffer = b""
        while left and (got := self.sock.recv_into(room[:min(left, len(room))])):
            left -= got
        return count - left

    def closed(self):
        """Waits for the peer's end; False when bytes came instead."""
        try:
            return not self.buffer and not self.fill()
        except ConnectionError:
            return True

    def request(self):
        """Reads one request; None at the end of the stream."""
        message = Message.read(self, is_request=True)
        if message and self.upstream:
            self.upstream.requests.append(message)
        return message

    def response(self, head_only=False):
        return Message.read(self, is_request=False, head_only=head_only)

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()


class Message:
    """A parsed HTTP/1 message: `start` line, `headers` as (name, value) pairs as sent, `body`, `trailers`."""

    def __init__(self, start, headers):
        self.start, self.headers, self.body, self.trailers = start, headers, b"", []

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def method(self):
        return self.start.split(" ")[0]

    @property
    def path(self):
        return self.start.split(" ")[1]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @classmethod
    def read(cls, peer, is_request, head_only=False):
        head = peer.until(b"\r\n\r\n")
        if head is None:
            return None
        lines = head[:-4].decode("latin-1").split("\r\n")
        pairs = [(line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in lines[1:]]
        message = cls(lines[0], pairs)
        if is_request or not (head_only or message.status in (204, 304) or message.status < 200):
            message._read_body(peer, is_request)
        return message

    def _read_body(self, peer, is_request):
        if "chunked" in (self.get("transfer-encoding") or ""):
            while True:
                size = int(peer.line().split(b";")[0], 16)
                if size == 0:
                    break
                self.body += peer.exactly(size)
                assert peer.exactly(2) == b"\r\n"
            while (line := peer.line()) != b"\r\n":
                name, value = line.decode("latin-1").split(":", 1)
                self.trailers.append((name, value.strip()))
        elif self.get("content-length") is not None:
            self.body = peer.exactly(int(self.get("content-length")))
        elif not is_request:
            self.body = peer.rest()


def response(status=200, body=b"", headers=(), reason="OK"):
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{k}: {v}" for k, v in headers), f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def serve(answer):
    """A script that answers every request of a connection with `answer(request)` (bytes)."""

    def script(peer, _number):
        while request := peer.request():
            peer.send(answer(request))

    return script


def ok_upstream(body=b"hello"):
    return Upstream(serve(lambda _request: response(body=body)))


class Proxy:
    """A running proxy: `outrider` or, for comparisons, the real Envoy. The file is JSON, which both read."""

    def __init__(self, config, binary=None, arguments=(), environment=None, wait=True, concurrency=1):
        self.folder = tempfile.TemporaryDirectory(prefix="outrider-test-")
        folder = pathlib.Path(self.folder.name)
        self.log = folder / "log"
        path = folder / "bootstrap.json"
        path.write_text(json.dumps(config))
        self.admin_file = folder / "admin"
        binary = binary or os.environ["OUTRIDER"]
        extra = ["--base-id", str(free_port()), "--disable-hot-restart"] if binary.endswith("envoy") else []
        command = [binary, "-c", str(path), "--admin-address-path", str(self.admin_file), "--concurrency",
                   str(concurrency)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*command, *extra, *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})})
        self.admin = None
        if "admin" in config and wait:
            wait_until(self._ready, "proxy ready")

    def _ready(self):
        with contextlib.suppress(OSError):
            return self._has_admin() and self.get_admin("/ready").status == 200

    def _has_admin(self):
        if self.process.poll() is not None:
            raise AssertionError(f"proxy ended with {self.process.returncode}:\n{self.log.read_text()}")
        with contextlib.suppress(OSError, ValueError, IndexError):
            self.admin = int(self.admin_file.read_text().strip().rsplit(":", 1)[1])
            return True

    def wait_admin(self):
        """Until there is an admin port, ready or not."""
        wait_until(self._has_admin, "admin port")

    def get_admin(self, path, method="GET"):
        with contextlib.closing(connect(self.admin)) as peer:
            peer.send(f"{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")
            return peer.response()

    def port(self, listener):
        """The port that the kernel gave to a listener."""
        for entry in json.loads(self.get_admin("/listeners?format=json").body)["listener_statuses"]:
            if entry["name"] == listener:
                return entry["local_address"]["socket_address"]["port_value"]
        raise KeyError(listener)

    def client(self, listener="main", tls=None, server_name=None):
        peer = connect(self.port(listener))
        if tls:
            peer.sock = tls.wrap_socket(peer.sock, server_hostname=server_name)
        return peer

    def stats(self, pattern=""):
        """Counters and gauges by name."""
        text = self.get_admin("/stats").body.decode()
        found = {}
        for line in text.splitlines():
            name, _, value = line.partition(": ")
            if re.search(pattern, name) and re.fullmatch(r"-?\d+", value):
                found[name] = int(value)
        return found

    def stat(self, name):
        return self.stats("^" + re.escape(name) + "$").get(name, 0)

    def wait_stat(self, name, value):
        wait_until(lambda: self.stat(name) == value, lambda: f"{name} == {value} (is {self.stat(name)})")

    def memory(self):
        """Resident bytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024

    def signal(self, number):
        self.process.send_signal(number)

    def log_text(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        """Ends it at once; a proxy that had died by itself is an error."""
        died = self.process.poll()
        if died is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        text = self.log_text()
        self.folder.cleanup()
        assert died in (None, 0), f"the proxy died with {died}:\n{text[-4000:]}"


def connect(port, host="127.0.0.1"):
    return Peer(socket.create_connection((host, port), timeout=WAIT))


def refused(port):
    """Whether nobody listens there."""
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the handshake when the socket was closed: nobody could have accepted it
    return False
