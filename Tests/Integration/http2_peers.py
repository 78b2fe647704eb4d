"""The two ends of an HTTP/2 connection, frame by frame: for tests that say exactly what is sent."""
import contextlib
import shutil
import struct
import subprocess

import hpack
import pytest
from bootstrap import UPSTREAM_HTTP
from harness import connect

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(value):
    return struct.pack(">I", value)


def block(*fields):
    """A header block of literals that are neither indexed nor compressed (RFC 7541, section 6.2.2)."""
    def text(value):
        value = value if isinstance(value, bytes) else value.encode("latin-1")
        if len(value) < 127:
            return bytes([len(value)]) + value
        length, rest = b"\x7f", len(value) - 127
        while rest >= 128:
            length, rest = length + bytes([rest & 127 | 128]), rest >> 7
        return length + bytes([rest]) + value

    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


GET = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
POST = [(":method", "POST"), *GET[1:]]


def fields_of(decoder, payload):
    """The fields of a header block; bytes beyond ASCII are left as they are."""
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in decoder.decode(payload, raw=True)]


class Answer:
    """A response as it came: `interim` are the statuses of 1xx; `error` is the code of a reset."""

    def __init__(self):
        self.interim, self.status, self.headers, self.body, self.trailers, self.error = [], None, [], b"", [], None

    def get(self, name):
        return next((value for key, value in self.headers if key == name), None)


class H2:
    """A client that says exactly what it is told."""

    def __init__(self, port, settings=b"", window=True):
        self.peer = connect(port)
        self.decoder = hpack.Decoder()
        self.peer.send(PREFACE + frame(SETTINGS, payload=settings))
        if window:
            self.peer.send(frame(WINDOW, payload=number(1 << 30)))
        assert self.next()[0] == SETTINGS
        self.peer.send(frame(SETTINGS, ACK))

    def send(self, *frames):
        self.peer.send(b"".join(frames))

    def headers(self, stream, fields=GET, end=True):
        self.send(frame(HEADERS, END_HEADERS | (END if end else 0), stream, block(*fields)))

    def next(self):
        """(kind, flags, stream, payload); None at the end of the connection."""
        try:
            head = self.peer.exactly(9)
            payload = self.peer.exactly(int.from_bytes(head[:3], "big"))
        except (EOFError, ConnectionError):
            return None
        return head[3], head[4], struct.unpack(">I", head[5:])[0], payload

    def until(self, kind, stream=None):
        """Skips to the first frame of a kind."""
        while found := self.next():
            if found[0] == kind and stream in (None, found[2]):
                return found
        raise AssertionError(f"the connection ended before a frame of kind {kind}")

    def goaway(self):
        """The error code of the GOAWAY that ends the connection."""
        code = struct.unpack(">I", self.until(GOAWAY)[3][4:8])[0]
        while self.next():
            pass
        return code

    def answer(self, stream):
        """The whole answer on a stream. Every header block since the connection began must be read by this."""
        answer = Answer()
        while found := self.next():
            kind, flags, number_, payload = found
            if kind == HEADERS:
                assert flags & END_HEADERS
                fields = fields_of(self.decoder, payload)
                if number_ != stream:
                    continue
                if answer.status is not None:
                    answer.trailers = fields
                elif (status := int(dict(fields)[":status"])) < 200:
                    answer.interim.append(status)
                else:
                    answer.status, answer.headers = status, fields
            elif kind == DATA and number_ == stream:
                answer.body += payload
                if payload:
                    self.send(frame(WINDOW, 0, stream, number(len(payload))) if not flags & END else b"")
            elif kind == RST and number_ == stream:
                answer.error = struct.unpack(">I", payload)[0]
                return answer
            if kind in (HEADERS, DATA) and number_ == stream and flags & END:
                return answer
        raise AssertionError("the connection ended before the answer")


class H2Peer:
    """The server's end of a scripted HTTP/2 connection."""

    def __init__(self, peer, settings=b""):
        self.peer = peer
        self.decoder = hpack.Decoder()
        assert peer.exactly(24) == PREFACE
        peer.send(frame(SETTINGS, payload=settings))

    def next(self):
        """The next frame but SETTINGS, PING and WINDOW_UPDATE; None at the end."""
        while True:
            try:
                head = self.peer.exactly(9)
                payload = self.peer.exactly(int.from_bytes(head[:3], "big"))
            except (EOFError, ConnectionError):
                return None
            kind, flags, stream = head[3], head[4], struct.unpack(">I", head[5:])[0]
            if kind == SETTINGS and not flags & ACK:
                self.peer.send(frame(SETTINGS, ACK))
            elif kind == PING and not flags & ACK:
                self.peer.send(frame(PING, ACK, 0, payload))
            elif kind in (HEADERS, DATA, RST, GOAWAY):
                return kind, flags, stream, payload

    def request(self):
        """The stream of the next request; None at the end."""
        while found := self.next():
            if found[0] == HEADERS:
                return found[2]

    def answer(self, stream, body=b"hello", status="200", fields=()):
        self.peer.send(frame(HEADERS, END_HEADERS, stream, block((":status", status), *fields)))
        self.peer.send(frame(DATA, END, stream, body))


def serve_h2(answer=None, settings=b""):
    """A script that answers each request at once."""

    def script(peer, _number):
        h2 = H2Peer(peer, settings)
        while stream := h2.request():
            peer.upstream.requests.append(stream)
            (answer or H2Peer.answer)(h2, stream)

    return script


def spoken(kind="explicit_http_config", http2=None, **common):
    """A cluster's protocol options; `http2` are those of HTTP/2."""
    return {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": UPSTREAM_HTTP, kind: {"http2_protocol_options": http2 or {}}, **common}}}


def get(proxy, path="/", client=None, **headers):
    """An HTTP/1 request and its response."""
    peer = client or proxy.client()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    peer.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n")
    return peer.response()


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*command, **settings):
    return subprocess.run([*map(str, command)], capture_output=True, timeout=60, check=True, **settings).stdout


def reachable(port):
    with contextlib.suppress(OSError):
        connect(port).close()
        return True
    return False
