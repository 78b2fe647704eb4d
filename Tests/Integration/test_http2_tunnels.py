"""WebSocket over HTTP/2 (RFC 8441) and CONNECT, on both sides; and how tunnels end."""
import contextlib
import signal
import struct
import time

import pytest
from bootstrap import FILE_LOG, cluster, http
from harness import wait_until
from http2_peers import (
    DATA, END, END_HEADERS, GET, GOAWAY, H2, HEADERS, H2Peer, RST, block, frame, get, number, spoken)

UPGRADE = {"upgrade_configs": [{"upgrade_type": "websocket"}]}
ALLOWED = {"http2_protocol_options": {"allow_connect": True}}
EXTENDED = [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:], ("sec-websocket-version", "13")]


def shout_1(peer, _number):
    """An HTTP/1 server that upgrades and answers in capitals."""
    while request := peer.request():
        if request.get("upgrade") != "websocket":
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            continue
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        while peer.buffer or peer.fill():
            data, peer.buffer = peer.buffer, b""
            peer.send(data.upper())
        return


def shout_2(peer, _number):
    """The same on HTTP/2."""
    h2 = H2Peer(peer, struct.pack(">HI", 8, 1))
    tunnels = set()
    while found := h2.next():
        kind, flags, stream, payload = found
        if kind == HEADERS:
            fields = dict(h2.decoder.decode(payload))
            peer.upstream.requests.append(fields)
            if fields[":method"] == "CONNECT":
                tunnels.add(stream)
                peer.send(frame(HEADERS, END_HEADERS, stream, block((":status", "200"))))
            else:
                h2.answer(stream)
        elif kind == DATA and stream in tunnels:
            peer.send(frame(DATA, flags, stream, payload.upper()))


def rest(client):
    """What comes on stream 1 up to its end."""
    got = b""
    while not (found := client.until(DATA, 1))[1] & END:
        got += found[3]
    return got + found[3]


SERVERS = {"1": (shout_1, {}), "2": (shout_2, spoken(http2={"allow_connect": True}))}


@pytest.mark.parametrize("up", SERVERS)
def test_websockets_from_http2(start, upstream, up):
    script, protocol = SERVERS[up]
    server = upstream(script)
    proxy = start(http(clusters=[cluster("app", server.port, **protocol)], **ALLOWED, **UPGRADE))
    client = H2(proxy.port("main"))
    client.headers(1, EXTENDED, end=False)
    assert dict(client.decoder.decode(client.until(HEADERS, 1)[3]))[":status"] == "200"
    client.send(frame(DATA, 0, 1, b"hello"))
    assert client.until(DATA, 1)[3] == b"HELLO"
    # Others have their turn on the same connection.
    client.headers(3)
    assert client.answer(3).body == b"hello"
    request = server.requests[0]
    if up == "1":
        assert request.start == "GET / HTTP/1.1" and request.get("sec-websocket-version") == "13"
    else:
        assert (request[":method"], request[":protocol"], request[":path"]) == ("CONNECT", "websocket", "/")
    client.send(frame(DATA, END, 1, b"bye"))
    assert rest(client) == b"BYE"
    assert proxy.stat("http.ingress.downstream_cx_upgrades_total") == 1
    proxy.wait_stat("http.ingress.downstream_cx_upgrades_active", 0)
    proxy.wait_stat("cluster.app.upstream_rq_active", 0)


def test_websockets_from_http1_reach_http2(start, upstream):
    script, protocol = SERVERS["2"]
    proxy = start(http(clusters=[cluster("app", upstream(script).port, **protocol)], **UPGRADE))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
    answer = client.response()
    assert answer.status == 101 and answer.get("upgrade") == "websocket"
    client.send("hello")
    assert client.exactly(5) == b"HELLO"


def test_websockets_that_are_not_allowed(start, upstream):
    server = upstream(shout_1)
    proxy = start(http(clusters=[cluster("app", server.port)], **ALLOWED))
    client = H2(proxy.port("main"))
    client.headers(1, EXTENDED, end=False)
    assert client.answer(1).status == 403 and server.requests == []
    assert proxy.stat("http.ingress.downstream_rq_ws_on_non_ws_route") == 1


def test_websockets_that_the_server_refuses(start, upstream):
    def script(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno")

    proxy = start(http(clusters=[cluster("app", upstream(script).port)], **ALLOWED, **UPGRADE))
    client = H2(proxy.port("main"))
    client.headers(1, EXTENDED, end=False)
    answer = client.answer(1)
    assert (answer.status, answer.body) == (426, b"no")


def test_servers_that_do_not_offer_it_get_none(start, upstream):
    def script(peer, _number):
        h2 = H2Peer(peer)
        while stream := h2.request():
            h2.answer(stream)

    log = {"name": "file", "typed_config": {"@type": FILE_LOG, "path": "/dev/stdout", "log_format": {
        "text_format_source": {"inline_string": "LOG %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}}}
    settings = spoken(http2={"allow_connect": True})
    proxy = start(http(clusters=[cluster("app", upstream(script).port, **settings)], access_log=[log], **UPGRADE))
    assert get(proxy).status == 200  # its SETTINGS are known from here on
    answer = get(proxy, upgrade="websocket", connection="upgrade")
    assert answer.status == 503
    wait_until(lambda: "LOG LR" in proxy.log_text(), "the access log")
    assert "CONNECT_with_:protocol" in proxy.log_text()


CONNECT = [(":method", "CONNECT"), (":authority", "the.db:5432")]


def connect_route(**config):
    return {"match": {"connect_matcher": {}}, "route": {"cluster": "app", "upgrade_configs": [
        {"upgrade_type": "CONNECT", **config}]}}


def test_connect_ends_at_the_proxy(start, upstream):
    def script(peer, _number):
        while peer.fill():
            data, peer.buffer = peer.buffer, b""
            peer.send(data.upper())

    proxy = start(http([connect_route(connect_config={})], [cluster("app", upstream(script).port)], **ALLOWED))
    client = H2(proxy.port("main"))
    client.headers(1, CONNECT, end=False)
    client.headers(3, CONNECT, end=False)
    for stream in (1, 3):
        assert client.decoder.decode(client.until(HEADERS, stream)[3])[0] == (":status", "200")
    for stream in (3, 1):
        client.send(frame(DATA, 0, stream, b"hello"))
        assert client.until(DATA, stream)[3] == b"HELLO"
    client.send(frame(DATA, END, 1), frame(RST, 0, 3, number(8)))
    assert rest(client) == b""
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)


def test_connect_goes_on_to_an_http2_server(start, upstream):
    server = upstream(shout_2)
    proxy = start(http([connect_route()], [cluster("app", server.port, **spoken(http2={"allow_connect": True}))], **ALLOWED))
    client = H2(proxy.port("main"))
    client.headers(1, CONNECT, end=False)
    client.until(HEADERS, 1)
    client.send(frame(DATA, 0, 1, b"hello"))
    assert client.until(DATA, 1)[3] == b"HELLO"
    assert server.requests[0][":authority"] == "the.db:5432" and ":path" not in server.requests[0]


# Draining

def goodbyes(client):
    """The last streams that two GOAWAYs name."""
    return [struct.unpack(">II", client.until(GOAWAY)[3][:8]) for _ in range(2)]


def tunnel(proxy):
    client = H2(proxy.port("main"))
    client.headers(1, EXTENDED, end=False)
    client.until(HEADERS, 1)
    return client


def say(client, word):
    client.send(frame(DATA, 0, 1, word))
    assert client.until(DATA, 1)[3] == word.upper()


def test_tunnels_outlive_the_end_of_their_connections_life(start, upstream):
    """max_connection_duration: two GOAWAYs, drain_timeout apart, and what is upgraded goes on."""
    proxy = start(http(clusters=[cluster("app", upstream(shout_1).port)], drain_timeout="0.3s", **ALLOWED, **UPGRADE,
                       common_http_protocol_options={"max_connection_duration": "0.5s"}))
    client = tunnel(proxy)
    assert goodbyes(client) == [(0x7fffffff, 0), (1, 0)]
    assert proxy.stat("http.ingress.downstream_cx_max_duration_reached") == 1
    for word in (b"still", b"here"):
        say(client, word)
    client.send(frame(DATA, END, 1))
    while client.next():
        pass  # with its last stream the connection ends


@pytest.mark.parametrize("reads", [True, False])
def test_sigterm_leaves_tunnels_until_the_deadline(start, upstream, reads):
    proxy = start(http(clusters=[cluster("app", upstream(shout_1).port)], **ALLOWED, **UPGRADE),
                  arguments=["--drain-time-s", "2"])
    client = tunnel(proxy)
    other = H2(proxy.port("main"))
    other.headers(1)
    assert other.answer(1).body == b"hello"
    begin = time.monotonic()
    proxy.signal(signal.SIGTERM)
    assert goodbyes(other)[0] == (0x7fffffff, 0) and other.next() is None
    say(client, b"still")
    if reads:
        client.send(frame(DATA, END, 1))  # the last stream ends, and so does the process
    with contextlib.suppress(AssertionError):
        while client.next():
            pass
    assert proxy.process.wait(20) == 0
    assert reads or time.monotonic() - begin >= 1.9  # not before the deadline


def test_requests_under_sigterm_are_answered(start, upstream):
    """Requests that cross the first GOAWAY on the wire are served, as the RFC promises."""
    proxy = start(http(clusters=[cluster("app", upstream(shout_1).port)]), arguments=["--drain-time-s", "20"])
    client = H2(proxy.port("main"))
    client.headers(1)
    client.answer(1)
    proxy.signal(signal.SIGTERM)
    assert client.until(GOAWAY)[3][:4] == number(0x7fffffff)
    client.headers(3)
    assert client.until(DATA, 3)[3] == b"hello"
    assert client.until(GOAWAY)[3][:4] == number(3)
    wait_until(lambda: proxy.process.poll() == 0, "it ended well")
