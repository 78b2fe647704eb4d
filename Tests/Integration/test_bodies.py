"""Bodies of any size and framing: bounded memory, both ways at once, early answers, and every cut."""
import contextlib
import socket
import threading

import pytest
from bootstrap import UPSTREAM_HTTP, cluster, forward, http
from harness import response, serve, wait_until

MIB = 1 << 20
PIECE = b"x" * MIB
#: What a bounded transfer may add to the resident memory: its buffers, and pools that a debug build keeps.
ALLOWANCE = 12 * MIB


def limited(port, limit=65536, **settings):
    config = http(clusters=[cluster("app", port, per_connection_buffer_limit_bytes=limit)], **settings)
    config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"] = limit
    return config


class Peak:
    """The most memory that a proxy had while something ran, above what it had before."""

    def __init__(self, proxy):
        self.proxy, self.before, self.most = proxy, proxy.memory(), 0

    def look(self):
        self.most = max(self.most, self.proxy.memory() - self.before)


def sends(count, chunked=False):
    """An upstream that answers with `count` MiB."""

    def script(peer, _number):
        while peer.request():
            if chunked:
                peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                for _ in range(count):
                    peer.send(b"%x\r\n" % MIB + PIECE + b"\r\n")
                peer.send("0\r\n\r\n")
            else:
                peer.send(f"HTTP/1.1 200 OK\r\ncontent-length: {count * MIB}\r\n\r\n")
                for _ in range(count):
                    peer.send(PIECE)

    return script


def test_a_gigabyte_down_costs_only_buffers(start, upstream):
    proxy = start(limited(upstream(sends(1024)).port))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    peak = Peak(proxy)
    for _ in range(64):
        assert client.discard(16 * MIB) == 16 * MIB
        peak.look()
    assert peak.most < ALLOWANCE
    proxy.wait_stat("cluster.app.upstream_rq_active", 0)


def test_a_gigabyte_up_costs_only_buffers(start, upstream):
    def takes(peer, _number):
        head = peer.until(b"\r\n\r\n")
        assert b"ontent-length: 1073741824" in head.lower()
        peer.upstream.taken = peer.discard(1 << 30)
        peer.send(response())

    server = upstream(takes)
    proxy = start(limited(server.port))
    client = proxy.client()
    client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {1 << 30}\r\n\r\n")
    peak = Peak(proxy)
    for number in range(1024):
        client.send(PIECE)
        if number % 16 == 0:
            peak.look()
    assert client.response().status == 200
    assert server.taken == 1 << 30
    assert peak.most < ALLOWANCE


@pytest.mark.parametrize("chunked", [False, True])
def test_slow_readers_stop_fast_upstreams(start, upstream, chunked):
    """Forty clients that read next to nothing: each costs its buffers, whatever the upstream has to send."""
    proxy = start(limited(upstream(sends(16, chunked)).port))
    peak, clients = Peak(proxy), []
    for _ in range(40):
        client = proxy.client()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        clients.append(client)
    wait_until(lambda: proxy.stat("cluster.app.upstream_flow_control_paused_reading_total") >= 40, "every upstream paused")
    peak.look()
    # A little at a time: what is read is made up for, and no more.
    for _ in range(8):
        for client in clients:
            client.exactly(32768)
        peak.look()
    # Two buffers of 64 KiB a client, each of which may be overshot by one read, and what the connections are made of.
    assert peak.most < 40 * 2 * (65536 + 65536) + MIB
    reader = clients.pop()
    reader.buffer = b""
    assert reader.discard(MIB) == MIB
    for client in [*clients, reader]:
        client.close()
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)
    stats = proxy.stats("flow_control|buffered|rq_active|cx_active")
    assert stats["cluster.app.upstream_rq_active"] == stats["http.ingress.downstream_rq_active"] == 0


def test_a_slow_upstream_stops_a_fast_client(start, upstream):
    gate = threading.Event()

    def slow(peer, _number):
        head = peer.until(b"\r\n\r\n")
        assert head and gate.wait(20)
        assert peer.discard(64 * MIB) == 64 * MIB
        peer.send(response(body=b"all"))

    proxy = start(limited(upstream(slow).port))
    peak, client = Peak(proxy), proxy.client()
    client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {64 * MIB}\r\n\r\n")
    sender = threading.Thread(target=lambda: [client.send(PIECE) for _ in range(64)])
    sender.start()
    wait_until(lambda: proxy.stat("http.ingress.downstream_flow_control_paused_reading_total") >= 1, "the client paused")
    peak.look()
    assert peak.most < ALLOWANCE
    assert proxy.stat("cluster.app.upstream_cx_tx_bytes_total") < 32 * MIB
    gate.set()
    assert client.response().body == b"all"
    sender.join(20)
    assert proxy.stat("http.ingress.downstream_flow_control_resumed_reading_total") >= 1


def test_both_ways_at_once(start, upstream):
    """The response streams while the request does: neither waits for the other's end."""

    def echo(peer, _number):
        assert peer.until(b"\r\n\r\n")
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while (size := int(peer.until(b"\r\n"), 16)):
            data = peer.exactly(size + 2)
            peer.send(b"%x\r\n" % size + data)
        peer.send("0\r\n\r\n")

    proxy = start(http(clusters=[cluster("app", upstream(echo).port)]))
    client = proxy.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    for word in (b"one", b"two", b"three"):
        client.send(b"%x\r\n%s\r\n" % (len(word), word))
        assert client.until(b"\r\n") == b"%x\r\n" % len(word)
        assert client.exactly(len(word) + 2) == word + b"\r\n"
    client.send("0\r\n\r\n")
    assert client.until(b"0\r\n\r\n")


def test_an_early_answer_while_the_upstream_still_reads(start, upstream):
    """Answered in full before the request ended: the client gets it, and the connection ends."""

    def early(peer, _number):
        peer.until(b"\r\n\r\n")
        peer.send(response(401, b"who are you"))
        peer.upstream.rest = peer.rest()

    server = upstream(early)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {8 * MIB}\r\n\r\nabc")
    answer = client.response()
    assert (answer.status, answer.body, answer.get("connection")) == (401, b"who are you", "close")
    # A client that sends on must not lose the answer to a reset, nor be waited for without end.
    with contextlib.suppress(OSError):
        for _ in range(7):
            client.send(PIECE)
    assert client.closed()
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)
    assert proxy.stat("http.ingress.downstream_rq_response_before_rq_complete") == 1
    proxy.wait_stat("http.ingress.downstream_rq_active", 0)


def test_the_client_goes_away_in_the_response(start, upstream):
    proxy = start(limited(upstream(sends(64)).port))
    for end in ("close", "reset"):
        client = proxy.client()
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.exactly(MIB)
        getattr(client, end)()
        proxy.wait_stat("cluster.app.upstream_cx_active", 0)
    assert proxy.stat("http.ingress.downstream_cx_destroy_remote_active_rq") == 2
    assert proxy.stat("cluster.app.upstream_cx_destroy_local_with_active_rq") == 2


def test_a_client_that_shuts_down_its_side_is_gone(start, upstream):
    """As in Envoy: a half-close in mid-request is a disconnect, and after the request too."""
    server = upstream(lambda peer, _number: (peer.until(b"\r\n\r\n"), peer.rest()))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    for request in ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
        client = proxy.client()
        client.send(request)
        proxy.wait_stat("cluster.app.upstream_rq_active", 1)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.closed()
        proxy.wait_stat("cluster.app.upstream_cx_active", 0)


FRAMINGS = {
    "length": (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
    "chunks": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;ext=1\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello"),
    "trailers": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", b"hello"),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "304": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n", b""),
    "hints": (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
}


def read_final(client, **how):
    answer = client.response(**how)
    while answer is not None and answer.status < 200:
        answer = client.response(**how)
    return answer


def test_responses_one_byte_at_a_time(start, upstream):
    """Each byte in a segment of its own: whatever the parser kept between two reads, it kept right."""

    def drips(peer, _number):
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while request := peer.request():
            for byte in FRAMINGS[request.path[1:]][0]:
                peer.send(bytes([byte]))

    server = upstream(drips)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    for name, (_, body) in FRAMINGS.items():
        client.send(f"GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_final(client).body == body, name
    assert server.connections == 1


REQUESTS = {
    "get": (b"GET /x?y=1 HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n", b""),
    "length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "chunks": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n004;a=\"b\"\r\nello\r\n0\r\nx: y\r\n\r\n", b"hello"),
    "blank lines before": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "absolute": (b"GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "options": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b""),
}


def test_requests_one_byte_at_a_time(start, upstream):
    server = upstream(serve(lambda request: response(body=request.body)))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    slow, fast = proxy.client(), proxy.client()
    slow.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, (request, body) in REQUESTS.items():
        fast.send(request)
        whole = fast.response()
        for byte in request:
            slow.send(bytes([byte]))
        dripped = slow.response()
        assert (dripped.status, dripped.body) == (whole.status, whole.body) == (200, body) or name == "options", name
        assert dripped.status == whole.status
    pairs = [(one.start, one.body) for one in server.requests]
    assert pairs[0::2] == pairs[1::2]


def test_pipelined_requests_are_answered_in_order(start, upstream):
    server = upstream(serve(lambda request: response(body=request.path.encode() + request.body)))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    sent = b"".join(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n-%d" % (n, n % 10) for n in range(300))
    threading.Thread(target=client.send, args=(sent,), daemon=True).start()
    for number in range(300):
        assert client.response().body == b"/%d-%d" % (number, number % 10)
    assert server.connections == 1
    assert proxy.stat("http.ingress.downstream_cx_total") == 1


def test_pipelining_stops_at_connection_close(start, upstream):
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 200
    answer = client.response()
    assert (answer.status, answer.get("connection")) == (200, "close")
    assert client.closed()
    assert [request.path for request in server.requests] == ["/1", "/2"]


def test_http_1_0(start, upstream):
    """Framed for 1.0: no chunks, and keep-alive only by name."""

    def answer(request):
        if request.path == "/chunked":
            return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        return response(body=b"plain")

    server = upstream(serve(answer))
    proxy = start(http(clusters=[cluster("app", server.port)], http_protocol_options={"accept_http_10": True}))
    kept = proxy.client()
    for _ in range(2):
        kept.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        got = kept.response()
        assert (got.status, got.body, got.get("connection")) == (200, b"plain", "keep-alive")
    client = proxy.client()
    client.send("GET /chunked HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    head = client.until(b"\r\n\r\n").lower()
    assert b"transfer-encoding" not in head and b"content-length" not in head
    assert client.rest() == b"abc"
    assert all(request.start.endswith("HTTP/1.1") for request in server.requests)


def test_an_upstream_of_http_1_0(start, upstream):
    def old(peer, number):
        request = peer.request()
        if request.path == "/kept":
            peer.send("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
            peer.request()
            peer.send("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nlast")
        else:
            peer.send(b"HTTP/1.0 200 OK\r\n\r\nto the end %d" % number)

    server = upstream(old)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    for path, body in (("/kept", b"ok"), ("/kept", b"last"), ("/", b"to the end 2"), ("/", b"to the end 3")):
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.response()
        assert (answer.start, answer.body) == ("HTTP/1.1 200 OK", body)


def test_expect_is_answered_before_the_body_and_only_once(start, upstream):
    server = upstream(serve(lambda request: response(body=request.body)))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    for _ in range(2):
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-Continue\r\n\r\n")
        assert client.response().status == 100
        client.send("3\r\nabc\r\n0\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"abc")
    # No body, no reason to wait.
    client.send("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
    assert client.response().status == 200


def test_a_refusal_instead_of_100(start, upstream):
    """Refused by the route: no body is asked for, and what comes anyway is no second request."""
    proxy = start(http([{"match": {"prefix": "/"}, "direct_response": {"status": 403}}]))
    client = proxy.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\nExpect: 100-continue\r\n\r\n")
    assert read_final(client).status == 403
    with contextlib.suppress(OSError):
        client.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.closed()


def test_head_is_never_followed_by_a_body(start, upstream):
    """Whatever the upstream's head says, and whether it came by itself or as a local reply."""

    def answer(request):
        return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" if request.path == "/chunked" else (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")

    server = upstream(serve(answer))
    proxy = start(http([forward("/app"), forward("/chunked"),
                        {"match": {"prefix": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "body"}}}],
                       clusters=[cluster("app", server.port)]))
    client = proxy.client()
    for path, length in (("/app", "1000"), ("/chunked", None), ("/direct", "4"), ("/nowhere", None)):
        client.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.response(head_only=True)
        if length:
            assert answer.get("content-length") == length
    client.send("GET /direct HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().body == b"body"


TARGETS = {
    "GET http://b.example/x?y HTTP/1.1\r\nHost: a\r\n\r\n": ("/x?y", "b.example"),
    "GET HTTP://B.example HTTP/1.1\r\nHost: a\r\n\r\n": ("/", "B.example"),
    "GET http://b:81?q HTTP/1.1\r\nHost: a\r\n\r\n": ("/?q", "b:81"),
    "GET /a:b@c HTTP/1.1\r\nHost: [::1]:80\r\n\r\n": ("/a:b@c", "[::1]:80"),
}


def test_targets_and_authorities(start, upstream):
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port)]))
    for request, (path, host) in TARGETS.items():
        client = proxy.client()
        client.send(request)
        assert client.response().status == 200, request
        assert (server.requests[-1].path, server.requests[-1].get("host")) == (path, host)
    for bad in ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"):
        client = proxy.client()
        client.send(bad)
        assert client.response().status in (400, 404), bad
        if "Host: a " in bad or "Host: a/" in bad:
            assert client.closed()
    assert len(server.requests) == len(TARGETS)


@pytest.mark.parametrize("trailers", [False, True])
def test_request_trailers_need_to_be_enabled(start, upstream, trailers):
    server = upstream()
    options = {"explicit_http_config": {"http_protocol_options": {"enable_trailers": trailers}}}
    app = cluster("app", server.port, typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": UPSTREAM_HTTP, **options}})
    proxy = start(http(clusters=[app], http_protocol_options={"enable_trailers": trailers}))
    client = proxy.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nx-t: 2\r\n\r\n")
    assert client.response().status == 200
    assert server.requests[0].trailers == ([("x-t", "2")] if trailers else [])


def test_bytes_behind_an_upgrade_wait_for_its_answer(start, upstream):
    """What a client sends ahead of the 101 reaches the upstream only behind the 101 (pingora#945)."""
    gate = threading.Event()

    def websocket(peer, _number):
        assert peer.until(b"\r\n\r\n")
        peer.sock.setblocking(True)
        assert not peer.buffer
        gate.wait(20)
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        peer.send(peer.exactly(5).upper())
        peer.rest()

    proxy = start(http(clusters=[cluster("app", upstream(websocket).port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nearly")
    proxy.wait_stat("cluster.app.upstream_rq_active", 1)
    gate.set()
    assert client.response().status == 101
    assert client.exactly(5) == b"EARLY"
    client.close()
    proxy.wait_stat("http.ingress.downstream_cx_upgrades_active", 0)
    assert proxy.stat("http.ingress.downstream_cx_upgrades_total") == 1


def test_a_tunnel_moves_much_and_ends_on_either_side(start, upstream):
    def echo(peer, _number):
        assert peer.until(b"\r\n\r\n")
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        left = 32 * MIB
        while left:
            data = peer.sock.recv(65536)
            peer.send(data)
            left -= len(data)

    proxy = start(limited(upstream(echo).port, upgrade_configs=[{"upgrade_type": "websocket"}]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
    assert client.response().status == 101
    peak = Peak(proxy)
    sender = threading.Thread(target=lambda: [client.send(PIECE) for _ in range(32)])
    sender.start()
    assert client.discard(32 * MIB) == 32 * MIB
    peak.look()
    sender.join(20)
    assert client.closed(), "the upstream ended the tunnel"
    assert peak.most < ALLOWANCE
    # Either end may be half closed for as long as the tunnel is not idle.
    proxy.wait_stat("http.ingress.downstream_cx_upgrades_active", 1)
    client.close()
    proxy.wait_stat("http.ingress.downstream_cx_active", 0)
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)
