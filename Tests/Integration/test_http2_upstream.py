"""HTTP/2 to upstreams: shared connections, limits, GOAWAY and refusals, failures, ALPN."""
import contextlib
import struct
import threading

import pytest
from bootstrap import UPSTREAM_TLS, cluster, forward, http
from harness import Upstream, response, serve, wait_until
from http2_peers import (
    DATA, END, END_HEADERS, GET, GOAWAY, H2, HEADERS, PING, PUSH, RST, SETTINGS, WINDOW, H2Peer, block, frame, get,
    number, serve_h2, spoken)
from pki import Authority


def test_http1_clients_reach_an_http2_server(start, upstream):
    server = upstream(serve_h2())
    proxy = start(http(clusters=[cluster("app", server.port, **spoken())]))
    client = proxy.client()
    for _ in range(3):
        answer = get(proxy, client=client)
        assert (answer.status, answer.body) == (200, b"hello")
    assert server.connections == 1 and server.requests == [1, 3, 5]
    assert proxy.stat("cluster.app.upstream_cx_http2_total") == 1 and proxy.stat("cluster.app.upstream_rq_200") == 3
    wait_until(lambda: proxy.stat("cluster.app.http2.streams_active") == 0, "no stream is left")


def test_many_requests_share_a_connection(start, upstream):
    gate = threading.Event()

    def hold(h2, stream):
        held.append((h2, stream))
        if len(held) == 20:
            gate.set()
            for one, place in reversed(held):
                one.answer(place, str(place).encode())

    held = []
    server = upstream(serve_h2(hold))
    proxy = start(http(clusters=[cluster("app", server.port, **spoken())]))
    clients = [proxy.client() for _ in range(20)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert gate.wait(10)
    assert {client.response().body for client in clients} == {str(2 * n + 1).encode() for n in range(20)}
    assert server.connections == 1


def test_the_servers_limit_on_streams_is_kept(start, upstream):
    lock, active, most = threading.Lock(), {}, []

    def script(peer, number):
        h2 = H2Peer(peer, struct.pack(">HI", 3, 4))
        get_started.wait(0.01)
        while stream := h2.request():
            with lock:
                active[number] = active.get(number, 0) + 1
                most.append(active[number])

            def finish(stream=stream):
                done.wait(10)
                with lock:
                    active[number] -= 1
                h2.answer(stream)

            threading.Thread(target=finish, daemon=True).start()

    done, get_started = threading.Event(), threading.Event()
    server = upstream(script)
    proxy = start(http(clusters=[cluster("app", server.port, **spoken())]))
    # The limit is known once a connection stands.
    first = proxy.client()
    done.set()
    assert get(proxy, client=first).status == 200
    done.clear()
    clients = [proxy.client() for _ in range(30)]
    for client in clients:
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    wait_until(lambda: proxy.stat("cluster.app.upstream_rq_active") >= 12, "requests are under way")
    done.set()
    assert [client.response().status for client in clients] == [200] * 30
    assert max(most) <= 100 and proxy.stat("cluster.app.upstream_rq_200") == 31


@pytest.mark.parametrize("how", ["goaway", "refused"])
def test_streams_that_were_not_looked_at_are_replayed(start, upstream, how):
    def script(peer, number):
        h2 = H2Peer(peer)
        while stream := h2.request():
            peer.upstream.requests.append((number, stream))
            if number == 1 and stream == 3:
                if how == "goaway":
                    peer.send(frame(GOAWAY, payload=struct.pack(">II", 1, 0)))
                else:
                    peer.send(frame(RST, 0, stream, struct.pack(">I", 7)))
                    number = 2
                continue
            h2.answer(stream)

    server = upstream(script)
    proxy = start(http(clusters=[cluster("app", server.port, **spoken())]))
    client = proxy.client()
    assert get(proxy, client=client).status == 200
    # Whatever its method, and with its body.
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello")
    assert client.response().status == 200
    assert proxy.stat("cluster.app.upstream_rq_replayed_refused") == 1
    assert proxy.stat("cluster.app.upstream_rq_200") == 2 and proxy.stat("cluster.app.upstream_rq_503") == 0


def test_goaway_ends_a_connection_with_its_last_stream(start, upstream):
    def answer(h2, stream):
        h2.peer.send(frame(GOAWAY, payload=struct.pack(">II", stream, 0)))
        h2.answer(stream)

    server = upstream(serve_h2(answer))
    proxy = start(http(clusters=[cluster("app", server.port, **spoken())]))
    client = proxy.client()
    assert [get(proxy, client=client).status for _ in range(3)] == [200] * 3
    assert server.connections == 3 and proxy.stat("cluster.app.upstream_cx_close_notify") == 3


FAULTS = {
    "reset": (lambda h2, stream: h2.peer.send(frame(RST, 0, stream, struct.pack(">I", 2))), 503, "UR"),
    "broken": (lambda h2, stream: h2.peer.send(frame(HEADERS, END_HEADERS, stream, block(("x", "y")))), 502, "UPE"),
    "closed": (lambda h2, _stream: h2.peer.reset(), 503, "UC"),
    "garbage": (lambda h2, _stream: h2.peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9), 502, "UPE"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_failures_have_envoys_flags(start, upstream, name):
    act, status, flag = FAULTS[name]
    log = {"name": "file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/stdout",
        "log_format": {"text_format_source": {"inline_string": "LOG %RESPONSE_FLAGS% %UPSTREAM_PROTOCOL%\n"}}}}
    server = upstream(serve_h2(act))
    proxy = start(http(clusters=[cluster("app", server.port, **spoken())], access_log=[log]))
    assert get(proxy).status == status
    wait_until(lambda: f"LOG {flag} HTTP/2" in proxy.log_text(), f"{flag} in the log")


def test_auto_config_follows_alpn(start, tmp_path):
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["localhost"])
    socket = {"transport_socket": {"name": "tls", "typed_config": {"@type": UPSTREAM_TLS, "sni": "localhost", "common_tls_context": {
        "validation_context": {"trusted_ca": {"filename": str(authority.path)}}}}}}
    new = Upstream(serve_h2(), leaf.server_context(alpn=["h2", "http/1.1"]))
    old = Upstream(serve(lambda _request: response(body=b"old")), leaf.server_context(alpn=["http/1.1"]))
    with contextlib.closing(new), contextlib.closing(old):
        clusters = [cluster(name, server.port, **socket, **spoken("auto_config")) for name, server in (("new", new), ("old", old))]
        proxy = start(http([forward("/old", "old"), forward("/", "new")], clusters))
        assert get(proxy).body == b"hello" and get(proxy, "/old").body == b"old"
        assert proxy.stat("cluster.new.upstream_cx_http2_total") == 1
        assert proxy.stat("cluster.old.upstream_cx_http1_total") == 1


def test_the_downstream_protocol_can_be_kept(start, upstream):
    def script(peer, number):
        while not peer.buffer:
            peer.fill()
        (serve_h2() if peer.buffer.startswith(b"PRI") else serve(lambda _request: response(body=b"old")))(peer, number)

    server = upstream(script)
    proxy = start(http(clusters=[cluster("app", server.port, **spoken("use_downstream_protocol_config"))]))
    assert get(proxy).body == b"old"
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.until(DATA, 1)[3] == b"hello"


def test_auto_config_needs_tls(start):
    with pytest.raises(AssertionError, match="no TLS transport_socket"):
        start(http(clusters=[cluster("app", 1, **spoken("auto_config"))]))


# Servers that break the rules

def head(*fields, flags=END_HEADERS):
    return lambda stream: frame(HEADERS, flags, stream, block(*fields))


OK = (":status", "200")
FAULTY = {
    "PUSH_PROMISE": lambda s: frame(PUSH, END_HEADERS, s, number(2) + block(*GET)),
    "DATA before the head": lambda s: frame(DATA, END, s, b"x"),
    "DATA on stream 0": lambda s: frame(DATA, END, 0, b"x"),
    "DATA on an idle stream": lambda s: frame(DATA, END, s + 100, b"x"),
    "HEADERS on a stream of its own": lambda s: frame(HEADERS, END_HEADERS | END, 2, block(OK)),
    "no status": head(("x", "y")),
    "two statuses": head(OK, OK),
    "a status of two digits": head((":status", "20")),
    "a status of 99": head((":status", "099")),
    "101, which HTTP/2 has not": head((":status", "101")),
    "a pseudo-header of requests": head(OK, (":path", "/")),
    "a pseudo-header behind a field": head(("x", "y"), OK),
    "an upper-case name": head(OK, ("X-A", "b")),
    "connection": head(OK, ("connection", "close")),
    "transfer-encoding": head(OK, ("transfer-encoding", "chunked")),
    "a line end in a value": head(OK, ("x", "a\r\nset-cookie: b")),
    "content-length that lies": lambda s: head(OK, ("content-length", "3"))(s) + frame(DATA, END, s, b"hello"),
    "a block that cannot be decoded": lambda s: frame(HEADERS, END_HEADERS, s, b"\xff\xff\xff\xff\xff\x0f"),
    "a frame too large": lambda s: frame(HEADERS, END_HEADERS, s, block(OK, ("x", "y" * 20_000))),
    "SETTINGS of another size": lambda _s: frame(SETTINGS, 0, 0, b"\0\3\0"),
    "SETTINGS that let it push": lambda _s: frame(SETTINGS, 0, 0, b"\0\2\0\0\0\1"),
    "a window over its maximum": lambda _s: frame(WINDOW, 0, 0, number(0x7fffffff)),
    "PING on a stream": lambda s: frame(PING, 0, s, b"12345678"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_servers_that_break_the_rules(start, upstream, name):
    def answer(h2, stream):
        if not h2.peer.upstream.requests[1:]:
            h2.peer.send(FAULTY[name](stream))
        else:
            h2.answer(stream)

    server = upstream(serve_h2(answer))
    proxy = start(http(clusters=[cluster("app", server.port, **spoken())]))
    with contextlib.suppress(EOFError):  # a response that has begun is cut off
        client = proxy.client()
        client.sock.settimeout(5)
        first = get(proxy, client=client)
        assert first is None or first.status == 502
    assert get(proxy).body == b"hello"
    proxy.wait_stat("http.ingress.downstream_rq_active", 0)


# Connections

def test_another_connection_is_made_before_one_is_full(start, upstream):
    waiting = []
    server = upstream(serve_h2(lambda h2, stream: waiting.append((h2, stream))))
    proxy = start(http(clusters=[cluster("app", server.port, **spoken(http2={"max_concurrent_streams": 10}))]))
    clients = []
    for count in range(1, 10):
        clients.append(proxy.client())
        clients[-1].send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        proxy.wait_stat("cluster.app.upstream_rq_active", count)
    wait_until(lambda: server.connections == 2, "the second connection is made ahead")
    assert proxy.stat("cluster.app.upstream_rq_pending_overflow") == 0
    wait_until(lambda: len(waiting) == 9, "all have come")
    for h2, stream in waiting:
        h2.answer(stream)
    assert [client.response().status for client in clients] == [200] * 9


def test_keepalive_pings_find_dead_servers(start, upstream):
    def script(peer, number_):
        h2 = H2Peer(peer)
        stream = h2.request()
        if number_ > 1:
            return h2.answer(stream)
        peer.rest()  # alive as a socket, and nothing more

    options = {"connection_keepalive": {"interval": "0.2s", "timeout": "0.3s"}}
    proxy = start(http(clusters=[cluster("app", upstream(script).port, **spoken(http2=options))]))
    answer = get(proxy)
    assert answer.status == 503
    assert proxy.stat("cluster.app.http2.keepalive_timeout") == 1
    assert get(proxy).body == b"hello"


def test_connections_have_an_age_and_a_number_of_requests(start, upstream):
    server = upstream(serve_h2())
    proxy = start(http([forward("/old", "old"), forward("/", "many")], [
        cluster("old", server.port, **spoken(common_http_protocol_options={"max_connection_duration": "0.3s"})),
        cluster("many", server.port, **spoken(common_http_protocol_options={"max_requests_per_connection": 2}))]))
    assert [get(proxy).status for _ in range(5)] == [200] * 5
    assert proxy.stat("cluster.many.upstream_cx_http2_total") == 3 and proxy.stat("cluster.many.upstream_cx_max_requests") == 2
    assert get(proxy, "/old").status == 200
    proxy.wait_stat("cluster.old.upstream_cx_max_duration_reached", 1)
    assert get(proxy, "/old").status == 200 and proxy.stat("cluster.old.upstream_cx_total") == 2


def test_connections_that_the_pool_closes_leave_nothing(start, upstream):
    """A session is some 20 KiB: 600 of them would be 12 MiB."""
    server = upstream(serve_h2())
    proxy = start(http(clusters=[
        cluster("app", server.port, **spoken(common_http_protocol_options={"max_requests_per_connection": 1}))]))
    client = proxy.client()
    assert [get(proxy, client=client).status for _ in range(200)] == [200] * 200
    before = proxy.memory()
    assert [get(proxy, client=client).status for _ in range(600)] == [200] * 600
    assert server.connections == 800
    assert proxy.memory() - before < 4 << 20


def test_server_names_share_nothing(start, tmp_path):
    """auto_sni: one connection for each name, whatever could be multiplexed."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["one.test", "two.test"])
    with contextlib.closing(Upstream(serve_h2(), leaf.server_context(alpn=["h2"]))) as server:
        socket = {"transport_socket": {"name": "tls", "typed_config": {"@type": UPSTREAM_TLS, "common_tls_context": {
            "validation_context": {"trusted_ca": {"filename": str(authority.path)}}}}}}
        settings = spoken(upstream_http_protocol_options={"auto_sni": True, "auto_san_validation": True})
        proxy = start(http(clusters=[cluster("app", server.port, **socket, **settings)]))
        for name in ("one.test", "two.test", "one.test"):
            peer = proxy.client()
            peer.send(f"GET / HTTP/1.1\r\nhost: {name}\r\n\r\n")
            assert peer.response().status == 200
        assert server.connections == 2
