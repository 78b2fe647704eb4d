"""HTTP/2 to upstreams, all pairings of protocols, and gRPC with real clients and servers (grpcio, nghttpd, Envoy)."""
import contextlib
import shutil
import struct
import subprocess
import threading
from concurrent import futures

import pytest
from bootstrap import DOWNSTREAM_TLS, UPSTREAM_HTTP, UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager
from harness import Upstream, connect, free_port, response, serve, wait_until
from pki import Authority
from test_http2 import (
    ACK, DATA, END, END_HEADERS, GET, GOAWAY, H2, HEADERS, PING, POST, PREFACE, RST, SETTINGS, block, frame, run)


def spoken(kind="explicit_http_config", http2=None, **common):
    """The cluster's protocol options; `http2` are those of HTTP/2."""
    return {"typed_extension_protocol_options": {UPSTREAM_HTTP_KEY: {
        "@type": UPSTREAM_HTTP, kind: {"http2_protocol_options": http2 or {}}, **common}}}


UPSTREAM_HTTP_KEY = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class H2Peer:
    """The server's end of a scripted HTTP/2 connection."""

    def __init__(self, peer, settings=b""):
        self.peer = peer
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


def get(proxy, path="/", client=None, **headers):
    peer = client or proxy.client()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    peer.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n")
    return peer.response()


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
            for one, number in reversed(held):
                one.answer(number, str(number).encode())

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


PAIRS = [(down, up) for down in ("1", "2") for up in ("1", "2")]


@pytest.mark.parametrize("down,up", PAIRS)
def test_all_pairings_carry_whole_messages(start, tmp_path, down, up):
    """Two proxies over mTLS: what one sends the other takes, bodies, trailers and all."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("both", dns=["localhost"])
    common = {"tls_certificates": [leaf.config],
              "validation_context": {"trusted_ca": {"filename": str(authority.path)}}}

    def echo(request):
        return response(body=request.body or b"hello", headers=[("x-path", request.path), ("x-cookie", request.get("cookie", ""))])

    server = Upstream(serve(echo))
    chain = {"transport_socket": {"name": "tls", "typed_config": {
        "@type": DOWNSTREAM_TLS, "require_client_certificate": True,
        "common_tls_context": {**common, "alpn_protocols": ["h2", "http/1.1"]}}}}
    inner = start(bootstrap([listener(manager([forward()]), chain=chain)], [cluster("app", server.port)]))
    socket = {"transport_socket": {"name": "tls", "typed_config": {
        "@type": UPSTREAM_TLS, "sni": "localhost", "common_tls_context": common}}}
    options = spoken() if up == "2" else {}
    outer = start(http(clusters=[cluster("app", inner.port("main"), **socket, **options)]))
    file = tmp_path / "body"
    file.write_bytes(bytes(range(256)) * 8192)  # 2 MiB
    flag = "--http2-prior-knowledge" if down == "2" else "--http1.1"
    url = f"http://127.0.0.1:{outer.port('main')}/path?query"
    curl = ["curl", "--silent", "--show-error", "--max-time", "30", flag]
    assert run(*curl, "--data-binary", f"@{file}", url) == file.read_bytes()
    shown = run(*curl, "--include", "--cookie", "a=1; b=2", url).decode().lower()
    assert shown.startswith(f"http/{'2' if down == '2' else '1.1'} 200")
    assert "x-path: /path?query" in shown and "x-cookie: a=1; b=2" in shown and shown.endswith("hello")
    assert run(*curl, "--head", url).startswith(b"HTTP/")
    assert inner.stat(f"http.ingress.downstream_cx_http{up}_total") >= 1
    assert outer.stat(f"cluster.app.upstream_cx_http{up}_total") >= 1
    server.close()


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


@pytest.mark.skipif(shutil.which("nghttpd") is None, reason="nghttpd is not installed")
def test_nghttpd_serves_through_us(start, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    port = free_port()
    server = subprocess.Popen(["nghttpd", "--no-tls", "-d", tmp_path, str(port)])
    try:
        wait_until(lambda: reachable(port), "nghttpd is up")
        proxy = start(http(clusters=[cluster("app", port, **spoken())]))
        url = f"http://127.0.0.1:{proxy.port('main')}/file"
        assert len(run("curl", "--silent", "--http2-prior-knowledge", url)) == 3_000_000
        text = run("h2load", "-n", "500", "-c", "4", "-m", "10", url).decode()
        assert "500 succeeded, 0 failed" in text
    finally:
        server.kill()
        server.wait()


def reachable(port):
    with contextlib.suppress(OSError):
        connect(port).close()
        return True
    return False


# gRPC

grpc = pytest.importorskip("grpc")


class Echo(grpc.GenericRpcHandler):
    """unary, client, server and bidi streams of bytes; `fail` ends with the status that it is sent."""

    def service(self, details):
        def fail(request, context):
            context.abort(grpc.StatusCode[request.decode()], "asked for it")

        handlers = {
            "/echo/unary": grpc.unary_unary_rpc_method_handler(lambda request, _context: request),
            "/echo/collect": grpc.stream_unary_rpc_method_handler(lambda requests, _context: b"".join(requests)),
            "/echo/repeat": grpc.unary_stream_rpc_method_handler(lambda request, _context: (request for _ in range(100))),
            "/echo/talk": grpc.stream_stream_rpc_method_handler(lambda requests, _context: (b"<" + one + b">" for one in requests)),
            "/echo/fail": grpc.unary_unary_rpc_method_handler(fail),
            "/echo/sleep": grpc.unary_unary_rpc_method_handler(lambda request, context: stopped.wait(30) and request),
        }
        return handlers.get(details.method)


stopped = threading.Event()


@pytest.fixture
def grpc_server():
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Echo(),))
    server.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield server
    server.stop(0)


@pytest.fixture
def channel(start, grpc_server):
    proxy = start(http([forward("/", timeout="0s", max_stream_duration={"grpc_timeout_header_max": "0s"})],
                       [cluster("app", grpc_server.port, **spoken())]))
    with grpc.insecure_channel(f"127.0.0.1:{proxy.port('main')}") as channel:
        channel.proxy = proxy
        yield channel


def test_grpc_in_all_four_shapes(channel):
    assert channel.unary_unary("/echo/unary")(b"hello", timeout=10) == b"hello"
    assert channel.unary_unary("/echo/unary")(b"x" * 3_000_000, timeout=20) == b"x" * 3_000_000
    assert channel.stream_unary("/echo/collect")(iter([b"a", b"b", b"c"]), timeout=10) == b"abc"
    assert list(channel.unary_stream("/echo/repeat")(b"r", timeout=10)) == [b"r"] * 100
    assert list(channel.stream_stream("/echo/talk")(iter([b"1", b"2"]), timeout=10)) == [b"<1>", b"<2>"]
    assert channel.proxy.stat("cluster.app.upstream_cx_http2_total") == 1


def test_grpc_errors_come_as_they_are(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/echo/fail")(b"RESOURCE_EXHAUSTED", timeout=10)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and error.value.details() == "asked for it"


def test_a_grpc_deadline_is_kept(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/echo/sleep")(b"", timeout=0.3)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    stopped.set()
    wait_until(lambda: channel.proxy.stat("cluster.app.upstream_rq_active") == 0, "the call is given up upstream")


def test_answers_of_our_own_are_grpc_too(start):
    proxy = start(http(clusters=[cluster("app", free_port(), **spoken())]))
    with grpc.insecure_channel(f"127.0.0.1:{proxy.port('main')}") as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/echo/unary")(b"hello", timeout=10)
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE and "upstream connect error" in error.value.details()


def test_grpc_is_retried_by_its_status(start, upstream):
    def answer(h2, stream):
        tries.append(stream)
        status = "14" if len(tries) == 1 else "0"
        h2.peer.send(frame(HEADERS, END_HEADERS | END, stream, block(
            (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status))))

    tries = []
    server = upstream(serve_h2(answer))
    route = forward(retry_policy={"retry_on": "unavailable", "num_retries": 2})
    proxy = start(http([route], [cluster("app", server.port, **spoken())]))
    client = H2(proxy.port("main"))
    client.headers(1, [*POST, ("content-type", "application/grpc"), ("te", "trailers")], end=False)
    client.send(frame(DATA, END, 1, b"\0\0\0\0\0"))
    assert client.until(HEADERS, 1)[1] & END
    assert len(tries) == 2 and proxy.stat("cluster.app.upstream_rq_retry_success") == 1


@pytest.mark.parametrize("side", ["before", "behind"])
def test_the_real_envoy_at_either_end(start, start_envoy, grpc_server, side):
    first, second = (start_envoy, start) if side == "before" else (start, start_envoy)
    inner = second(http(clusters=[cluster("app", grpc_server.port, **spoken())]))
    outer = first(http(clusters=[cluster("app", inner.port("main"), **spoken())]))
    with grpc.insecure_channel(f"127.0.0.1:{outer.port('main')}") as channel:
        assert channel.unary_unary("/echo/unary")(b"x" * 1_000_000, timeout=20) == b"x" * 1_000_000
        assert list(channel.stream_stream("/echo/talk")(iter([b"1", b"2"]), timeout=10)) == [b"<1>", b"<2>"]
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/echo/fail")(b"NOT_FOUND", timeout=10)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND


# CONNECT and WebSocket

UPGRADE = {"upgrade_configs": [{"upgrade_type": "websocket"}]}
EXTENDED = [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:], ("sec-websocket-version", "13")]


def test_websockets_from_http2_reach_http1(start, upstream):
    def script(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        while peer.fill():
            data, peer.buffer = peer.buffer, b""
            peer.send(data.upper())

    server = upstream(script)
    proxy = start(http(clusters=[cluster("app", server.port)], http2_protocol_options={"allow_connect": True}, **UPGRADE))
    client = H2(proxy.port("main"))
    client.headers(1, EXTENDED, end=False)
    client.until(HEADERS, 1)
    client.send(frame(DATA, 0, 1, b"hello"))
    assert client.until(DATA, 1)[3] == b"HELLO"
    assert server.requests[0].start == "GET / HTTP/1.1" and server.requests[0].get("upgrade") == "websocket"
    client.send(frame(DATA, END, 1))
    assert client.until(DATA, 1)[1] & END
    assert proxy.stat("http.ingress.downstream_cx_upgrades_total") == 1


def test_websockets_from_http1_reach_http2(start, upstream):
    def answer(h2, stream):
        h2.peer.send(frame(HEADERS, END_HEADERS, stream, block((":status", "200"))))
        while found := h2.next():
            if found[0] == DATA:
                h2.peer.send(frame(DATA, found[1], stream, found[3].upper()))

    server = upstream(serve_h2(answer, struct.pack(">HI", 8, 1)))
    options = spoken(http2={"allow_connect": True})
    proxy = start(http(clusters=[cluster("app", server.port, **options)], **UPGRADE))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
    assert client.response().status == 101
    client.send("hello")
    assert client.exactly(5) == b"HELLO"
