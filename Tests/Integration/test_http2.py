"""HTTP/2 from clients: real ones (curl, nghttp, h2load), hand-made frames, floods, draining."""
import contextlib
import shutil
import socket
import struct
import subprocess

import pytest
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, bootstrap, cluster, forward, http, listener, manager
from harness import connect, response, serve, wait_until
from pki import Authority

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(*fields):
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


class H2:
    """A client that says exactly what it is told."""

    def __init__(self, port, settings=b"", window=True):
        self.peer = connect(port)
        self.peer.send(PREFACE + frame(SETTINGS, payload=settings))
        if window:
            self.peer.send(frame(WINDOW, payload=struct.pack(">I", 1 << 30)))
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
        except (EOFError, ConnectionError):
            return None
        return head[3], head[4], struct.unpack(">I", head[5:])[0], self.peer.exactly(int.from_bytes(head[:3], "big"))

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


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*command, **settings):
    return subprocess.run([*map(str, command)], capture_output=True, timeout=60, check=True, **settings).stdout


def echo():
    return serve(lambda request: response(body=request.body or b"hello"))


@pytest.fixture
def proxy(start, upstream):
    return start(http(clusters=[cluster("app", upstream(echo()).port)]))


@needs("curl")
def test_curl_speaks_with_prior_knowledge(proxy, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(bytes(range(256)) * 16384)  # 4 MiB
    url = f"http://127.0.0.1:{proxy.port('main')}/"
    common = ["curl", "--silent", "--show-error", "--max-time", "30", "--http2-prior-knowledge"]
    assert run(*common, url) == b"hello"
    assert run(*common, "--data-binary", f"@{file}", url) == file.read_bytes()
    assert run(*common, "--head", url).startswith(b"HTTP/2 200")
    assert proxy.stat("http.ingress.downstream_cx_http2_total") == 3
    assert proxy.stat("http.ingress.downstream_rq_http2_total") == 3
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_http2_active") == 0, "the connections are gone")
    assert proxy.stat("http2.streams_active") == 0 and proxy.stat("http2.outbound_frames_active") == 0


@needs("curl")
def test_alpn_chooses_the_protocol(start, upstream, tmp_path):
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["localhost"])
    context = {"common_tls_context": {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [leaf.config]}}
    chain = {"transport_socket": {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, **context}}}
    proxy = start(bootstrap([listener(manager([forward()]), chain=chain)], [cluster("app", upstream().port)]))
    url = f"https://127.0.0.1:{proxy.port('main')}/"
    common = ["curl", "--silent", "--insecure", "--max-time", "20", "--output", "/dev/null", "--write-out", "%{http_version}"]
    assert run(*common, "--http2", url) == b"2"
    assert run(*common, "--http1.1", url) == b"1.1"
    assert proxy.stat("http.ingress.downstream_cx_http1_total") == 1
    assert proxy.stat("http.ingress.downstream_cx_http2_total") == 1


@needs("h2load")
def test_h2load_succeeds_every_time(proxy):
    text = run("h2load", "-n", "3000", "-c", "5", "-m", "20", f"http://127.0.0.1:{proxy.port('main')}/").decode()
    assert "3000 succeeded, 0 failed, 0 errored" in text
    assert proxy.stat("http.ingress.downstream_rq_2xx") == 3000


@needs("nghttp")
def test_nghttp_gets_a_large_body_and_small_ones(start, upstream):
    big = b"x" * (32 << 20)
    server = upstream(serve(lambda request: response(body=big if request.path == "/big" else b"small")))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    base = f"http://127.0.0.1:{proxy.port('main')}"
    text = run("nghttp", "--no-dep", "--null-out", "--stat", f"{base}/big", *[f"{base}/{n}" for n in range(100)]).decode()
    lines = [line.split() for line in text.splitlines() if line.rstrip().endswith(tuple(str(n) for n in range(10)))
             or " 200 " in line]
    finished = [line[-1] for line in lines if "200" in line]
    assert len(finished) == 101 and "/big" in finished[1:]  # the small ones do not wait for it


def test_first_bytes_decide_however_they_come(proxy):
    peer = connect(proxy.port("main"))
    for byte in PREFACE + frame(SETTINGS):
        peer.send(bytes([byte]))
    assert peer.exactly(4)[3] == SETTINGS
    # A method that begins like the preface is still HTTP/1.
    other = connect(proxy.port("main"))
    other.send("PROPFIND / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert other.response().status == 200


def test_codec_type_http2_takes_nothing_else(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)], codec_type="HTTP2"))
    peer = connect(proxy.port("main"))
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert b"HTTP/1" not in peer.rest()
    proxy.wait_stat("http.ingress.downstream_cx_protocol_error", 1)
    assert "does not begin as HTTP/2 does" in proxy.log_text()


def test_settings_are_as_configured(start, upstream):
    options = {"max_concurrent_streams": 7, "initial_stream_window_size": 70000, "hpack_table_size": 100,
               "initial_connection_window_size": 100000, "allow_connect": True,
               "custom_settings_parameters": [{"identifier": 4242, "value": 9}]}
    proxy = start(http(clusters=[cluster("app", upstream().port)], http2_protocol_options=options))
    peer = connect(proxy.port("main"))
    peer.send(PREFACE + frame(SETTINGS))
    size = int.from_bytes(peer.exactly(9)[:3], "big")
    payload = peer.exactly(size)
    found = dict(struct.unpack(">HI", payload[n:n + 6]) for n in range(0, size, 6))
    assert found == {1: 100, 3: 7, 4: 70000, 8: 1, 4242: 9}
    assert peer.exactly(13)[9:] == struct.pack(">I", 100000 - 65535)


def test_messages_keep_their_parts(start, upstream):
    def script(peer, _number):
        while peer.request():
            peer.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                      "Connection: keep-alive\r\nX-Name: b\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")

    server = upstream(script)
    log = {"name": "file", "typed_config": {"@type": FILE_LOG, "path": "/dev/stdout", "log_format": {
        "text_format_source": {"inline_string": "LOG %PROTOCOL% %REQ(:AUTHORITY)% %BYTES_SENT% %RESPONSE_FLAGS%\n"}}}}
    proxy = start(http(clusters=[cluster("app", server.port)], access_log=[log]))
    text = run("nghttp", "-v", "-H", "cookie: a=1", "-H", "te: trailers", f"http://127.0.0.1:{proxy.port('main')}/").decode()
    for part in (":status: 103", "link: </a>", ":status: 200", "x-name: b", "x-sum: 7"):
        assert part in text, part
    assert "connection:" not in text.replace("keep-alive", "") and "transfer-encoding" not in text
    request = server.requests[0]
    assert request.start == "GET / HTTP/1.1" and request.get("te") == "trailers" and request.get("cookie") == "a=1"
    wait_until(lambda: "LOG HTTP/2 127.0.0.1:" in proxy.log_text() and " 5 -" in proxy.log_text(), "the access log")


def test_cookies_are_joined_and_bodies_are_framed(proxy, upstream, start):
    server = upstream(echo())
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = H2(proxy.port("main"))
    client.headers(1, [*POST, ("cookie", "a=1"), ("cookie", "b=2")], end=False)
    client.send(frame(DATA, 0, 1, b"he"), frame(DATA, END, 1, b"llo"))
    assert client.until(DATA, 1)[3] == b"hello"
    request = server.requests[0]
    assert request.all("cookie") == ["a=1; b=2"] and request.get("transfer-encoding") == "chunked"
    client.headers(3, [*POST, ("content-length", "3")], end=False)
    client.send(frame(DATA, END, 3, b"abc"))
    assert client.until(DATA, 3)[3] == b"abc" and server.requests[1].get("content-length") == "3"


SMUGGLING = [
    [*POST, ("transfer-encoding", "chunked")],
    [*GET[:2], (":path", "/ HTTP/1.1\r\nhost: b\r\n\r\nGET /x"), GET[3]],
    [(":method", "GET / HTTP/1.1\r\nhost: b\r\n\r\nGET"), *GET[1:]],
    [*GET, ("x", "a\r\nb: c")],
    [*GET, ("x: y\r\nz", "a")],
    [*GET, ("host", "other")],
    [*GET[:3], (":authority", "a\r\nb: c")],
]


@pytest.mark.parametrize("fields", SMUGGLING, ids=range(len(SMUGGLING)))
def test_nothing_is_smuggled_into_http1(start, upstream, fields):
    server = upstream(echo())
    options = {"override_stream_error_on_invalid_http_message": True}
    proxy = start(http(clusters=[cluster("app", server.port)], http2_protocol_options=options))
    client = H2(proxy.port("main"))
    client.headers(1, fields)
    assert client.until(RST, 1)[3] == struct.pack(">I", 1)
    # The connection is as good as before.
    client.headers(3)
    assert client.until(DATA, 3)[3] == b"hello"
    assert len(server.requests) == 1 and proxy.stat("http2.rx_messaging_error") == 1


def test_a_length_that_lies_reaches_nobody(start, upstream):
    server = upstream(echo())
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = H2(proxy.port("main"))
    client.headers(1, [*POST, ("content-length", "5")], end=False)
    client.send(frame(DATA, END, 1, b"abc"))
    client.until(RST, 1)
    assert server.requests == []


FLOODS = {
    "empty": (frame(DATA, 0, 1), 3, "http2.inbound_empty_frames_flood"),
    "priority": (frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f"), 300, "http2.inbound_priority_frames_flood"),
    "window": (frame(WINDOW, 0, 1, b"\0\0\0\1"), 30, "http2.inbound_window_update_frames_flood"),
    "continuation": (frame(CONTINUATION, 0, 5, block(("x", "y" * 16000))), 20, "http2.header_overflow"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_cut_off(proxy, name):
    flood, count, counter = FLOODS[name]
    client = H2(proxy.port("main"), window=False)
    client.headers(1, POST, end=False)
    if name == "continuation":
        client.send(frame(HEADERS, END, 5, block(*GET)))
    client.send(flood * count)
    assert client.goaway() == 11  # ENHANCE_YOUR_CALM
    assert proxy.stat(counter) >= 1 and proxy.stat("http.ingress.downstream_cx_protocol_error") == 1
    assert "was cut off" in proxy.log_text()
    H2(proxy.port("main")).headers(1)


@pytest.mark.parametrize("flood", [frame(PING, 0, 0, b"12345678"), frame(SETTINGS)], ids=["ping", "settings"])
def test_a_client_that_asks_and_does_not_read_is_cut_off(proxy, flood):
    client = H2(proxy.port("main"))
    client.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.suppress(OSError):
        for _ in range(2000):
            client.send(flood * 1000)
    wait_until(lambda: proxy.stat("http2.outbound_control_flood") == 1, "the flood is counted")
    assert proxy.memory() < 200 << 20


@pytest.mark.parametrize("kind", ["client", "server"])
def test_rapid_resets_are_cut_off(start, upstream, kind):
    """CVE-2023-44487, and its sister where the proxy is made to reset."""
    server = upstream(lambda peer, _number: peer.rest())
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = H2(proxy.port("main"))
    end = frame(RST, 0, 0, b"\0\0\0\x08") if kind == "client" else frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff")
    try:
        for number in range(400):
            stream = 2 * number + 1
            client.send(frame(HEADERS, END_HEADERS, stream, block(*POST)), end[:5] + struct.pack(">I", stream) + end[9:])
    except ConnectionError:
        pass
    proxy.wait_stat("http.ingress.downstream_rq_too_many_premature_resets", 1)
    assert "were reset within" in proxy.log_text()
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_active") == 0, "the connection is closed")
    assert proxy.stat("http.ingress.downstream_rq_active") == 0


def test_a_reader_that_stops_holds_no_more_than_its_share(start, upstream):
    server = upstream(serve(lambda request: response(body=b"x" * (64 << 20) if request.path == "/big" else b"small")))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = H2(proxy.port("main"), window=True)
    for stream in range(1, 20, 2):
        client.headers(stream, [*GET[:2], (":path", "/big"), GET[3]])  # their windows stay at 64 KiB
    client.headers(21)
    assert client.until(DATA, 21)[3] == b"small"
    assert proxy.memory() < 120 << 20


def test_goodbye_is_said_twice_at_the_end_of_a_connections_life(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)], drain_timeout="0.3s",
                       common_http_protocol_options={"max_requests_per_connection": 2}))
    client = H2(proxy.port("main"))
    client.headers(1)
    client.headers(3)
    first = client.until(GOAWAY)[3]
    assert first == struct.pack(">II", 0x7FFFFFFF, 0)
    client.headers(5)
    last = client.until(GOAWAY)[3]
    assert last == struct.pack(">II", 5, 0)
    assert client.next() is None
    assert proxy.stat("http2.goaway_graceful_sent") == 1 and proxy.stat("http.ingress.downstream_cx_max_requests_reached") >= 1


def test_a_client_that_leaves_a_response_lying_is_given_up(start, upstream):
    server = upstream(serve(lambda _request: response(body=b"x" * 200_000)))
    proxy = start(http(clusters=[cluster("app", server.port)], stream_flush_timeout="0.3s"))
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.until(RST, 1)[3] == struct.pack(">I", 8)
    assert proxy.stat("http2.tx_flush_timeout") == 1


def test_keepalive_pings_find_the_dead(start, upstream):
    options = {"connection_keepalive": {"interval": "0.1s", "timeout": "0.3s", "interval_jitter": {"value": 0}}}
    proxy = start(http(clusters=[cluster("app", upstream().port)], http2_protocol_options=options))
    client = H2(proxy.port("main"))
    for _ in range(3):
        ping = client.until(PING)
        client.send(frame(PING, ACK, 0, ping[3]))
    client.until(PING)
    assert client.until(GOAWAY)
    assert client.next() is None and proxy.stat("http2.keepalive_timeout") == 1


def test_options_that_cannot_be_are_named(start, upstream):
    for options, words in (
        ({"allow_metadata": True}, "allow_metadata"),
        ({"custom_settings_parameters": [{"identifier": 3, "value": 9}]}, "max_concurrent_streams"),
    ):
        with pytest.raises(AssertionError, match=words):
            start(http(clusters=[cluster("app", 1)], http2_protocol_options=options))
