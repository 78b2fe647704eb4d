"""Every timeout of the defaults table: what the client sees, which counter moves, and that the answer names setting and value."""
import contextlib
import socket
import ssl

import pytest
from bootstrap import UPSTREAM_HTTP, bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from harness import connect, wait_until
from pki import Authority, client_context

GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
INTERNAL = {"use_remote_address": True, "internal_address_config": {
    "cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}


def silent(peer, _number):
    peer.until(b"\r\n\r\n")
    peer.rest()


def stalls(peer, _number):
    """Answers half."""
    peer.until(b"\r\n\r\n")
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    peer.rest()


def upstream_http(**common):
    return {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": UPSTREAM_HTTP, "common_http_protocol_options": common,
        "explicit_http_config": {"http_protocol_options": {}}}}}


def policy(**settings):
    return {"retry_policy": {"retry_on": "connect-failure", **settings}}


# name: (route action, settings of the manager, of the cluster, request, status, words of the body, counter)
BEFORE_THE_RESPONSE = {
    "route timeout": ({"timeout": "0.15s"}, {}, {}, GET, 504, ["upstream request timeout", "timeout 150ms"], "cluster.app.upstream_rq_timeout"),
    "per_try_timeout": (policy(per_try_timeout="0.15s"), {}, {}, GET, 504, ["per_try_timeout 150ms"], "cluster.app.upstream_rq_per_try_timeout"),
    "per_try_idle_timeout": (policy(per_try_idle_timeout="0.15s"), {}, {}, GET, 504, ["per_try_idle_timeout 150ms"],
                             "cluster.app.upstream_rq_per_try_idle_timeout"),
    "stream_idle_timeout": ({}, {"stream_idle_timeout": "0.15s"}, {}, GET, 504, ["stream timeout", "stream_idle_timeout 150ms"],
                            "http.ingress.downstream_rq_idle_timeout"),
    "route idle_timeout": ({"idle_timeout": "0.15s"}, {}, {}, GET, 504, ["stream timeout", "idle_timeout 150ms"],
                           "http.ingress.downstream_rq_idle_timeout"),
    "max_stream_duration of the manager": ({}, {"common_http_protocol_options": {"max_stream_duration": "0.15s"}}, {}, GET, 504,
                                           ["max_stream_duration 150ms"], "http.ingress.downstream_rq_max_duration_reached"),
    "max_stream_duration of the route": ({"max_stream_duration": {"max_stream_duration": "0.15s"}}, {}, {}, GET, 504,
                                         ["max_stream_duration 150ms"], "http.ingress.downstream_rq_max_duration_reached"),
    "max_stream_duration of the cluster": ({}, {}, upstream_http(max_stream_duration="0.15s"), GET, 504,
                                           ["max_stream_duration 150ms"], "cluster.app.upstream_rq_max_duration_reached"),
    "request_timeout": ({}, {"request_timeout": "0.15s"}, {}, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc", 408,
                        ["request timeout", "request_timeout 150ms"], "http.ingress.downstream_rq_timeout"),
    "request_headers_timeout": ({}, {"request_headers_timeout": "0.15s"}, {}, "GET / HTTP/1.1\r\nHos", 408,
                                ["request header timeout", "request_headers_timeout 150ms"], "http.ingress.downstream_rq_header_timeout"),
    "x-envoy-upstream-rq-timeout-ms": ({}, INTERNAL, {}, GET.replace("\r\n\r\n", "\r\nx-envoy-upstream-rq-timeout-ms: 150\r\n\r\n"), 504,
                                       ["x-envoy-upstream-rq-timeout-ms 150ms"], "cluster.app.upstream_rq_timeout"),
    "x-envoy-upstream-rq-per-try-timeout-ms": (
        {}, INTERNAL, {}, GET.replace("\r\n\r\n", "\r\nx-envoy-upstream-rq-per-try-timeout-ms: 150\r\n\r\n"), 504,
        ["x-envoy-upstream-rq-per-try-timeout-ms 150ms"], "cluster.app.upstream_rq_per_try_timeout"),
}


@pytest.mark.parametrize("name", BEFORE_THE_RESPONSE)
def test_the_answer_names_what_decided(start, upstream, name):
    action, settings, of_cluster, request, status, words, counter = BEFORE_THE_RESPONSE[name]
    proxy = start(http([forward(**action)], clusters=[cluster("app", upstream(silent).port, **of_cluster)], **settings))
    client = proxy.client()
    client.send(request)
    answer = client.response()
    assert answer.status == status
    for word in words:
        assert word in answer.body.decode(), answer.body
    assert proxy.stat(counter) == 1
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)
    proxy.wait_stat("cluster.app.upstream_rq_active", 0)
    proxy.wait_stat("http.ingress.downstream_rq_active", 0)


@pytest.mark.parametrize("name", ["route timeout", "per_try_idle_timeout", "stream_idle_timeout", "route idle_timeout",
                                  "max_stream_duration of the manager", "max_stream_duration of the cluster"])
def test_a_response_that_stalls_is_cut(start, upstream, name):
    """The head went out already: nothing can be said any more, but the cut must be seen."""
    action, settings, of_cluster, _, _, _, counter = BEFORE_THE_RESPONSE[name]
    proxy = start(http([forward(**action)], clusters=[cluster("app", upstream(stalls).port, **of_cluster)], **settings))
    client = proxy.client()
    client.send(GET)
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert client.rest() == b"half"
    assert proxy.stat(counter) == 1
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)


def test_alternative_answer_to_a_timeout(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream(silent).port)], **INTERNAL))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\nx-envoy-upstream-rq-timeout-ms: 100\r\nx-envoy-upstream-rq-timeout-alt-response: 1\r\n\r\n")
    assert client.response().status == 204


def test_the_upstream_is_told_what_is_left(start, upstream):
    server = upstream()
    proxy = start(http([forward(timeout="3s")], clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 200
    assert server.requests[0].get("x-envoy-expected-rq-timeout-ms") == "3000"


def test_no_timeout_when_it_is_zero(start, upstream):
    """0 turns the route's timeout off, and the upstream is told of none."""
    server = upstream()
    proxy = start(http([forward(timeout="0s")], clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 200
    assert server.requests[0].get("x-envoy-expected-rq-timeout-ms") is None


def test_max_connection_duration_of_the_client(start, upstream):
    """The connection that is too old is told with its next response, or closed when it is idle."""
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port)], drain_timeout="0.1s",
                       common_http_protocol_options={"max_connection_duration": "0.2s"}))
    idle = proxy.client()
    assert idle.closed()
    client = proxy.client()
    count = 0
    while True:
        client.send(GET)
        answer = client.response()
        if answer is None:
            break
        count += 1
        assert answer.status == 200
        if answer.get("connection") == "close":
            break
    assert count > 1 and client.closed()
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_max_duration_reached") >= 2, "both counted")


def test_max_requests_of_a_connection(start, upstream):
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port, **upstream_http(max_requests_per_connection=2))],
                       common_http_protocol_options={"max_requests_per_connection": 3}))
    client = proxy.client()
    for number in range(3):
        client.send(GET)
        answer = client.response()
        assert (answer.status, answer.get("connection")) == (200, "close" if number == 2 else None)
    assert client.closed()
    assert server.connections == 2
    assert proxy.stat("cluster.app.upstream_cx_max_requests") == 1
    assert proxy.stat("http.ingress.downstream_cx_max_requests_reached") == 1


def test_idle_and_old_connections_upstream_are_closed(start, upstream):
    proxy = start(http(
        [forward("/idle", to="idle"), forward("/old", to="old")],
        clusters=[cluster("idle", upstream().port, **upstream_http(idle_timeout="0.1s")),
                  cluster("old", upstream().port, **upstream_http(max_connection_duration="0.1s"))]))
    client = proxy.client()
    for path in ("/idle", "/old"):
        client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200
    proxy.wait_stat("cluster.idle.upstream_cx_active", 0)
    proxy.wait_stat("cluster.old.upstream_cx_active", 0)
    assert proxy.stat("cluster.idle.upstream_cx_idle_timeout") == 1
    assert proxy.stat("cluster.old.upstream_cx_max_duration_reached") == 1
    client.send("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 200


def test_delayed_close(start, upstream):
    """A client that was told to close and does not is closed after delayed_close_timeout."""
    proxy = start(http(clusters=[cluster("app", upstream().port)], delayed_close_timeout="0.2s"))
    client = proxy.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n")
    assert client.response().status == 400
    assert client.closed()  # its side is shut down at once
    proxy.wait_stat("http.ingress.downstream_cx_active", 0)
    assert proxy.stat("http.ingress.downstream_cx_delayed_close_timeout") == 1


@pytest.mark.parametrize("secure", [False, True])
def test_a_client_that_is_done_is_not_waited_for(start, upstream, tmp_path, secure):
    """The client said that this was its last request: as in Envoy nothing can cross the close on the wire."""
    authority, config = tls_listener(tmp_path)
    if not secure:
        del config["filter_chains"][0]["transport_socket"]
    proxy = start(bootstrap([config], [cluster("app", upstream().port)]))
    client = proxy.client(tls=client_context(authority) if secure else None, server_name="localhost")
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert client.response().status == 200
    assert client.closed()
    proxy.wait_stat("http.ingress.downstream_cx_active", 0)
    assert proxy.stat("http.ingress.downstream_cx_destroy_local") == 1
    assert proxy.stat("http.ingress.downstream_cx_delayed_close_timeout") == 0


def test_connect_timeout_names_the_setting(start):
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        proxy = start(http(clusters=[cluster("app", full.getsockname()[1], connect_timeout="0.15s")]))
        client = proxy.client()
        client.send(GET)
        answer = client.response()
        assert answer.status == 503
        assert answer.body.endswith(b"reset reason: connection timeout: cluster 'app' connect_timeout 150ms")
        assert proxy.stat("cluster.app.upstream_cx_connect_timeout") == 1


def tls_listener(tmp_path, **chain):
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["localhost"])
    return authority, listener(manager([forward()]), chain={
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [leaf.config]}}}, **chain})


@pytest.mark.parametrize("chain, layer", [
    ({"transport_socket_connect_timeout": "0.2s"}, {}), ({}, {"outrider.listener.max_tls_handshake_ms": 200})])
def test_a_handshake_that_does_not_come(start, upstream, tmp_path, chain, layer):
    _, config = tls_listener(tmp_path, **chain)
    config["stat_prefix"] = "main"
    proxy = start({**bootstrap([config], [cluster("app", upstream().port)]),
                   "layered_runtime": {"layers": [{"name": "s", "static_layer": layer}]}})
    client = proxy.client()
    client.send(b"\x16\x03\x01")
    assert client.closed()
    proxy.wait_stat("listener.main.downstream_cx_active", 0)
    assert proxy.stat("listener.main.downstream_cx_transport_socket_connect_timeout") == 1
    wait_until(lambda: "its TLS handshake was not done after" in proxy.log_text(), "a line of the log")


def test_tls_garbage_in_the_middle_of_a_connection(start, upstream, tmp_path):
    authority, config = tls_listener(tmp_path)
    config["stat_prefix"] = "main"
    proxy = start(bootstrap([config], [cluster("app", upstream().port)]))
    raw = connect(proxy.port("main"))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(authority).wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            raw.send(outgoing.read())
            incoming.write(raw.sock.recv(65536))
    tls.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    raw.send(outgoing.read())
    assert raw.fill()
    raw.send(b"\x17\x03\x03\x00\x20" + b"\xff" * 32)
    raw.rest()
    proxy.wait_stat("listener.main.downstream_cx_active", 0)
    assert proxy.stat("listener.main.ssl.connection_error") == 1


def test_tcp_limits(start, upstream):
    def quiet(peer, _number):
        peer.rest()

    proxy = start(bootstrap(
        [listener(tcp_proxy(max_downstream_connection_duration="0.2s"))], [cluster("app", upstream(quiet).port)]))
    assert proxy.client().closed()
    assert proxy.stat("tcp.tcp.max_downstream_connection_duration") == 1
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)


def test_a_slow_but_steady_request_is_not_idle(start, upstream):
    """The idle timeout is about silence: bytes that trickle keep a stream alive past it."""

    def trickles(peer, _number):
        peer.until(b"\r\n\r\n")
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n")
        with contextlib.closing(socket.socketpair()[0]) as never:
            never.settimeout(0.05)
            for _ in range(12):
                with contextlib.suppress(TimeoutError):
                    never.recv(1)
                peer.send("x")

    proxy = start(http(clusters=[cluster("app", upstream(trickles).port)], stream_idle_timeout="0.4s"))
    client = proxy.client()
    client.send(GET)
    assert client.response().body == b"x" * 12
    assert proxy.stat("http.ingress.downstream_rq_idle_timeout") == 0
