"""HTTP/2 from clients: real ones (curl, nghttp, h2load), hand-made frames, floods, draining."""
import struct

import pytest
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, bootstrap, cluster, forward, http, listener, manager
from harness import connect, response, serve, wait_until
from http2_peers import (
    ACK, DATA, END, GET, GOAWAY, H2, PING, POST, PREFACE, RST, SETTINGS, WINDOW, frame, needs, run)
from pki import Authority


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


@pytest.mark.parametrize("which", ["outrider", "envoy"])
def test_upgrades_to_h2c_are_not_taken(start, start_envoy, upstream, which):
    """The request is served as what it is, and the next hop hears nothing of it, as with Envoy."""
    server = upstream(echo())
    proxy = (start if which == "outrider" else start_envoy)(http(clusters=[cluster("app", server.port)]))
    peer = proxy.client()
    for _ in range(2):
        peer.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"
                  "http2-settings: AAMAAABkAAQAAP__\r\n\r\n")
        assert peer.response().status == 200
    for name in ("upgrade", "http2-settings"):
        assert server.requests[0].all(name) == []


GIGABYTE = 1 << 30


def test_a_gigabyte_on_one_stream_beside_a_hundred_small_ones(start, upstream):
    """Neither starves the other, and nothing of it stays in memory."""
    piece = bytes(1 << 20)

    def script(peer, _number):
        while request := peer.request():
            if request.path != "/big":
                peer.send(response(body=b"small"))
                continue
            peer.send(f"HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n")
            for _ in range(GIGABYTE // len(piece)):
                peer.send(piece)

    proxy = start(http([forward("/", timeout="0s")], [cluster("app", upstream(script).port)]))
    client = H2(proxy.port("main"), settings=struct.pack(">HI", 4, (1 << 31) - 1))
    client.headers(1, [*GET[:2], (":path", "/big"), GET[3]])
    before, peak, got, small, last = proxy.memory(), 0, 0, set(), 3
    given = 0
    while got < GIGABYTE:
        kind, flags, stream, payload = client.next()
        if kind != DATA:
            continue
        given += len(payload)
        if given > 1 << 26:
            client.send(frame(WINDOW, 0, 0, struct.pack(">I", given)))
            given = 0
        if stream == 1:
            got += len(payload)
        else:
            small.add(stream)
        if got > (last - 3) // 2 * (GIGABYTE // 120) and last < 203:
            client.headers(last)
            last += 2
            peak = max(peak, proxy.memory())
    assert len(small) == 100 and peak - before < 20 << 20
