"""What upstream connections come from and begin with: PROXY protocol headers and source addresses."""
import struct

import pytest
from bootstrap import UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, tcp_proxy
from harness import response, serve
from pki import Authority

PROXY = "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
RAW = {"name": "raw", "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}
TLS = {"name": "tls", "typed_config": {"@type": UPSTREAM_TLS}}
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def proxied(port, inner=None, **config):
    """A cluster whose connections begin with a header."""
    socket = {"name": "proxy", "typed_config": {"@type": PROXY, "config": config, "transport_socket": inner or RAW}}
    return cluster("app", port, transport_socket=socket)


def remember(headers, read):
    """A script that notes the header of each connection and serves HTTP behind it."""

    def script(peer, number):
        headers.append(read(peer))
        serve(lambda _request: response(body=str(number).encode()))(peer, number)

    return script


def version1(peer):
    return peer.until(b"\r\n").decode()


def version2(peer):
    head = peer.exactly(16)
    assert head[:12] == SIGNATURE
    return head[12], head[13], peer.exactly(struct.unpack(">H", head[14:])[0])


def get(client):
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return client.response().body


def test_each_client_connection_is_named(start, upstream):
    headers = []
    proxy = start(http(clusters=[proxied(upstream(remember(headers, version1)).port, version="V1")]))
    port = proxy.port("main")
    one, two = proxy.client(), proxy.client()
    assert [get(one), get(two), get(one), get(two)] == [b"1", b"2", b"1", b"2"]
    ports = [client.sock.getsockname()[1] for client in (one, two)]
    assert headers == [f"PROXY TCP4 127.0.0.1 127.0.0.1 {client} {port}\r\n" for client in ports]
    assert proxy.stat("cluster.app.upstream_cx_total") == 2
    assert "cluster.app.upstream.proxyprotocol.v2_tlvs_exceed_max_length" in proxy.stats("proxyprotocol")


def test_version_2_with_extensions(start, upstream):
    headers = []
    server = upstream(remember(headers, version2))
    proxy = start(http(clusters=[proxied(server.port, version="V2", added_tlvs=[{"type": 0xE0, "value": "YWI="}])]))
    client = proxy.client()
    assert get(client) == b"1"
    ports = struct.pack(">HH", client.sock.getsockname()[1], proxy.port("main"))
    loopback = bytes([127, 0, 0, 1])
    assert headers == [(0x21, 0x11, loopback + loopback + ports + b"\xe0\0\2ab")]


def test_a_server_that_speaks_first_gets_the_header_first(start, upstream):
    def greets(peer, _number):
        peer.send(version1(peer))

    server = upstream(greets)
    proxy = start(bootstrap([listener(tcp_proxy())], [proxied(server.port)]))
    client = proxy.client()
    name = client.sock.getsockname()
    assert client.until(b"\r\n").decode() == f"PROXY TCP4 127.0.0.1 127.0.0.1 {name[1]} {proxy.port('main')}\r\n"


def test_the_header_comes_before_tls(start, upstream, tmp_path):
    context = Authority(tmp_path).leaf("server").server_context()
    headers = []

    def script(peer, number):
        # Byte by byte: what follows the line is for TLS.
        line = b""
        while not line.endswith(b"\n"):
            line += peer.sock.recv(1)
        headers.append(line.decode())
        peer.sock = context.wrap_socket(peer.sock, server_side=True)
        serve(lambda _request: response(body=b"secret"))(peer, number)

    proxy = start(http(clusters=[proxied(upstream(script).port, TLS)]))
    client = proxy.client()
    assert [get(client), get(client)] == [b"secret", b"secret"]
    assert headers == [f"PROXY TCP4 127.0.0.1 127.0.0.1 {client.sock.getsockname()[1]} {proxy.port('main')}\r\n"]
    assert proxy.stat("cluster.app.ssl.handshake") == 1


PROXY_IN = {"name": "proxy", "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}}


def test_what_a_load_balancer_said_is_passed_on(start, upstream):
    headers = []
    server = upstream(remember(headers, version1))
    proxy = start(bootstrap([listener(tcp_proxy(), listener_filters=[PROXY_IN])], [proxied(server.port)]))
    for line in ("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n", "PROXY TCP6 2001:db8::1 2001:db8::2 5000 443\r\n"):
        client = proxy.client()
        client.send(line)
        assert get(client)
        assert headers.pop() == line


def test_a_load_balancer_names_the_destination(start, upstream):
    headers = []
    server = upstream(remember(headers, version1))
    app = proxied(0)
    del app["load_assignment"]
    app.update(type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED")
    proxy = start(bootstrap([listener(tcp_proxy(), listener_filters=[PROXY_IN])], [app]))
    client = proxy.client()
    line = f"PROXY TCP4 192.0.2.1 127.0.0.1 5000 {server.port}\r\n"
    client.send(line)
    assert get(client) == b"1"
    assert headers == [line]


def test_a_source_address(start, upstream):
    def script(peer, _number):
        serve(lambda _request: response(body=peer.sock.getpeername()[0].encode()))(peer, 1)

    server = upstream(script)
    bind = {"source_address": {"address": "127.0.0.7", "port_value": 0}}
    own = {"source_address": {"address": "127.0.0.8", "port_value": 0}}
    clusters = [cluster("app", server.port), cluster("own", server.port, upstream_bind_config=own)]
    routes = [forward(f"/{name}", name) for name in ("app", "own")]
    client = start({**http(routes, clusters), "cluster_manager": {"upstream_bind_config": bind}}).client()
    for path, source in [("app", b"127.0.0.7"), ("own", b"127.0.0.8")]:
        client.send(f"GET /{path} HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.response().body == source


def test_a_source_address_that_is_not_here(start, upstream):
    bind = {"source_address": {"address": "192.0.2.1", "port_value": 0}}
    proxy = start(http(clusters=[cluster("app", upstream().port, upstream_bind_config=bind)]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 503
    proxy.wait_stat("cluster.app.bind_errors", 1)
    assert proxy.stat("cluster.app.upstream_cx_connect_fail") == 1


def unbound(port, **detection):
    """A cluster whose connections cannot be bound, and whose hosts are ejected for the first failure."""
    bind = {"source_address": {"address": "192.0.2.1", "port_value": 0}}
    detection = {"consecutive_5xx": 1, "consecutive_local_origin_failure": 1, "max_ejection_percent": 100, **detection}
    return cluster("app", port, upstream_bind_config=bind, outlier_detection=detection)


def nobody_was_ejected(proxy, failures):
    proxy.wait_stat("cluster.app.bind_errors", failures)
    assert not any(proxy.stats(r"^cluster\.app\.outlier_detection\.").values())
    assert "::health_flags::healthy" in proxy.get_admin("/clusters").body.decode()


@pytest.mark.parametrize("splits", [False, True])
def test_a_source_address_that_is_not_here_is_not_the_hosts_fault(either, upstream, splits):
    app = unbound(upstream().port, split_external_local_origin_errors=splits)
    proxy = either(bootstrap([listener(tcp_proxy())], [app]))
    for _ in range(3):
        assert proxy.client().closed()
    nobody_was_ejected(proxy, 3)


def test_nor_is_it_with_http(start, upstream):
    """Envoy counts it."""
    proxy = start(http(clusters=[unbound(upstream().port)]))
    client = proxy.client()
    for _ in range(3):
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.body) == (
            503, b"upstream connect error or disconnect/reset before headers. reset reason: local connection failure")
    nobody_was_ejected(proxy, 3)


# Envoy keeps such connections until they have been idle for an hour, though nobody can use them.


def test_with_the_client_goes_its_connection(start, upstream):
    proxy = start(http(clusters=[proxied(upstream(remember([], version1)).port)]))
    clients = [proxy.client() for _ in range(20)]
    for client in clients:
        assert get(client)
    proxy.wait_stat("cluster.app.upstream_cx_active", 20)
    for client in clients[1:]:
        client.close()
    proxy.wait_stat("cluster.app.upstream_cx_active", 1)
    assert get(clients[0])
    assert proxy.stat("cluster.app.upstream_cx_total") == 20
