"""transport_socket_matches: hosts of one cluster that are spoken to in different ways, by their metadata. Nearly all of it
against the real Envoy, too."""
import contextlib
import json
import socket

import pytest
from bootstrap import UPSTREAM_TLS, address, cluster, http, listener, tcp_proxy
from control_plane import CLUSTER, ENDPOINTS, SECRET
from harness import Peer, Upstream, response, wait_until
from pki import Files
from test_xds import world  # noqa: F401
from test_xds_grpc import aggregated, planned, secret  # noqa: F401
from xds_world import ask, body, eds_cluster, fill

RAW = {"name": "envoy.transport_sockets.raw_buffer", "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}
PROXY = "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"


class Both:
    """Takes plain text and TLS, and answers with which it was, and whose certificate it saw: `plain`, `tls client-1`. A first
    line of the PROXY protocol is answered, too."""

    def __init__(self, context, closes=False):
        self.context, self.closes, self.seen, self.names, self.open = context, closes, [], [], set()
        context.sni_callback = lambda _sock, name, _context: self.names.append(name)
        self.upstream = Upstream(self._serve)
        self.port = self.upstream.port

    def _serve(self, peer, number):
        kind, proxied = "plain", ""
        if peer.sock.recv(1, socket.MSG_PEEK) == b"\x16":
            peer = Peer(self.context.wrap_socket(peer.sock, server_side=True), self.upstream)
            subject = dict(pair[0] for pair in (peer.sock.getpeercert() or {}).get("subject", ()))
            kind = f"tls {subject.get('commonName', '-')}"
        self.open.add(number)
        try:
            if peer.sock and kind == "plain" and peer.sock.recv(5, socket.MSG_PEEK) == b"PROXY":
                proxied = " proxied" if peer.line().startswith(b"PROXY TCP4 127.0.0.1") else " garbled"
            while request := peer.request():
                self.seen.append((request.path, kind))
                peer.send(response(body=(kind + proxied).encode(), headers=[("connection", "close")] if self.closes else []))
                if self.closes:
                    return
        finally:
            self.open.discard(number)


@pytest.fixture
def both(ca):
    """both() -> a server that takes plain text and TLS."""
    with contextlib.ExitStack() as stack:

        def launch(**settings):
            server = Both(ca.leaf("server", dns=["server.example"]).server_context(client_ca=ca), **settings)
            stack.callback(server.upstream.close)
            return server

        yield launch


def tls(ca, leaf=None, **settings):
    common = {"validation_context": {"trusted_ca": {"filename": str(ca.path)}}}
    if leaf:
        common["tls_certificates"] = [leaf.config]
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": UPSTREAM_TLS, "common_tls_context": common, **settings}}


def match(name, transport, **labels):
    return {"name": name, "match": labels, "transport_socket": transport}


def host(port, **labels):
    metadata = {"metadata": {"filter_metadata": {"envoy.transport_socket_match": labels}}} if labels else {}
    return {"endpoint": {"address": address(port)}, **metadata}


def of(*hosts, **locality):
    labels = {"metadata": {"filter_metadata": {"envoy.transport_socket_match": locality}}} if locality else {}
    return {"lb_endpoints": list(hosts), **labels}


def described(*localities, name="app", **settings):
    return {**cluster(name), "load_assignment": {"cluster_name": name, "endpoints": list(localities)}, **settings}


def answers(proxy, count=12):
    return {body(proxy) for _ in range(count)}


def test_the_first_match_decides(either, both, ca):
    one, two, other = (ca.leaf(name) for name in ("one", "two", "other"))
    servers = [both() for _ in range(5)]
    proxy = either(http(clusters=[described(
        of(host(servers[0].port, mode="mtls", extra="x"), host(servers[1].port, mode="mtls"), host(servers[2].port, mode="none"),
           host(servers[3].port)),
        of(host(servers[4].port, mode="unknown"), mode="none"),
        transport_socket=tls(ca, other),
        transport_socket_matches=[match("both", tls(ca, one), mode="mtls", extra="x"), match("mtls", tls(ca, two), mode="mtls"),
                                  match("raw", RAW, mode="none")])]))
    wait_until(lambda: answers(proxy) == {b"tls one", b"tls two", b"plain", b"tls other"}, "all four ways")
    for server, kind in zip(servers, ["tls one", "tls two", "plain", "tls other", "plain"]):
        assert {seen for _, seen in server.seen} == {kind}
    assert [proxy.stat(f"cluster.app.{name}.total_match_count") for name in ("both", "mtls", "raw", "default")] == [1, 1, 2, 1]


def test_automatic_mtls_of_a_mesh(either, both, ca):
    """What Istio writes: peers with a sidecar get mutual TLS, all others plain text."""
    inside, outside = both(), both()
    proxy = either(http(clusters=[described(
        of(host(inside.port, tlsMode="istio"), host(outside.port)),
        transport_socket_matches=[match("tlsMode-istio", tls(ca, ca.leaf("workload")), tlsMode="istio"),
                                  match("tlsMode-disabled", RAW)])]))
    wait_until(lambda: answers(proxy) == {b"tls workload", b"plain"}, "both")
    assert {kind for _, kind in inside.seen} == {"tls workload"} and {kind for _, kind in outside.seen} == {"plain"}
    assert proxy.stat("cluster.app.ssl.handshake") == inside.upstream.connections
    assert proxy.stat("cluster.app.tlsMode-disabled.total_match_count") == 1


def test_tcp_sessions(either, both, ca):
    server, other = both(), both()
    transport = {"transport_socket_matches": [match("tls", tls(ca, ca.leaf("client")), mode="mtls")]}
    config = http(clusters=[described(of(host(server.port, mode="mtls"), host(other.port)), **transport)])
    config["static_resources"]["listeners"].append(listener(tcp_proxy(), name="tcp"))
    proxy = either(config)
    found = set()
    for _ in range(6):
        with contextlib.closing(proxy.client("tcp")) as peer:
            found.add(ask(peer).body)
    assert found == {b"tls client", b"plain"}


def test_a_proxy_protocol_header_for_some(either, both):
    server, other = both(), both()
    wrapped = {"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": {
        "@type": PROXY, "config": {"version": "V1"}, "transport_socket": RAW}}
    proxy = either(http(clusters=[described(
        of(host(server.port, header="yes"), host(other.port)),
        transport_socket_matches=[match("proxied", wrapped, header="yes")])]))
    wait_until(lambda: answers(proxy) == {b"plain proxied", b"plain"}, "both")


def test_names_of_requests_are_for_handshakes_alone(either, both, ca):
    """auto_sni, and a host without TLS: its connections serve all names."""
    secure, plain = both(), both()
    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "upstream_http_protocol_options": {"auto_sni": True}, "explicit_http_config": {"http_protocol_options": {}}}}}
    proxy = either(http(clusters=[described(
        of(host(secure.port, mode="mtls"), host(plain.port)), **options,
        transport_socket_matches=[match("tls", tls(ca, ca.leaf("client")), mode="mtls")])]))
    with contextlib.closing(proxy.client()) as peer:
        for name in ["one.example", "one.example", "two.example", "two.example"] * 2:
            peer.send(f"GET / HTTP/1.1\r\nhost: {name}\r\n\r\n")
            assert peer.response().status == 200
    assert set(secure.names) == {"one.example", "two.example"}
    assert plain.upstream.connections <= 2


@pytest.mark.parametrize("criteria", [{"mode": "none"}, {"mode": "neither"}, None])
def test_health_checks(either, both, ca, criteria):
    """By the host's own way, by that of their criteria, or by the cluster's own where nothing fits these."""
    server = both()
    check = {"interval": "0.1s", "no_traffic_interval": "0.1s", "timeout": "5s", "unhealthy_threshold": 1, "healthy_threshold": 1,
             "http_health_check": {"path": "/health"}}
    if criteria:
        check["transport_socket_match_criteria"] = criteria
    proxy = either(http(clusters=[described(
        of(host(server.port, mode="mtls")), health_checks=[check], transport_socket=tls(ca, ca.leaf("default")),
        transport_socket_matches=[match("tls", tls(ca, ca.leaf("client")), mode="mtls"), match("raw", RAW, mode="none")])]))
    wait_until(lambda: body(proxy) == b"tls client", "a healthy host")
    kinds = {kind for path, kind in server.seen if path == "/health"}
    assert kinds == {{"none": "plain", "neither": "tls default", None: "tls client"}[criteria and criteria["mode"]]}
    expected = {"none": (1, 1, 0), "neither": (1, 0, 1), None: (1, 0, 0)}[criteria and criteria["mode"]]
    assert tuple(proxy.stat(f"cluster.app.{name}.total_match_count") for name in ("tls", "raw", "default")) == expected


def dynamic(world, ca, leaf):  # noqa: F811
    return eds_cluster(world, transport_socket_matches=[match("tls", tls(ca, leaf), mode="mtls")])


def test_metadata_of_an_endpoint_change(either, world, both, ca):  # noqa: F811
    server = both(closes=True)
    fill(world, server.port)
    world.put(CLUSTER, dynamic(world, ca, ca.leaf("client")))
    proxy = either(world.bootstrap())
    wait_until(lambda: body(proxy) == b"plain", "plain text")
    world.put(ENDPOINTS, {"cluster_name": "app", "endpoints": [of(host(server.port, mode="mtls"))]})
    wait_until(lambda: body(proxy) == b"tls client", "TLS")
    world.put(ENDPOINTS, {"cluster_name": "app", "endpoints": [of(host(server.port))]})
    wait_until(lambda: body(proxy) == b"plain", "plain text again")
    assert proxy.stat("cluster.app.membership_change") == 1


def test_metadata_of_a_locality_change(start, planned, both, ca):  # noqa: F811
    """Envoy looks at them when a host is new, and not again."""
    world, server = planned(), both(closes=True)  # noqa: F811
    fill(world, server.port)
    world.put(CLUSTER, dynamic(world, ca, ca.leaf("client")))
    proxy = start(world.bootstrap())
    wait_until(lambda: body(proxy) == b"plain", "plain text")
    world.put(ENDPOINTS, {"cluster_name": "app", "endpoints": [of(host(server.port), mode="mtls")]})
    wait_until(lambda: body(proxy) == b"tls client", "TLS")
    world.put(ENDPOINTS, {"cluster_name": "app", "endpoints": [of(host(server.port, mode="x"), mode="mtls")]})
    world.put(ENDPOINTS, {"cluster_name": "app", "endpoints": [of(host(server.port))]})
    wait_until(lambda: body(proxy) == b"plain", "plain text again")


def test_connections_of_the_old_kind_end(start, planned, both, ca):  # noqa: F811
    """Envoy goes on with those that it has until they are idle for an hour."""
    world, server = planned(), both()  # noqa: F811
    fill(world, server.port)
    world.put(CLUSTER, dynamic(world, ca, ca.leaf("client")))
    proxy = start(world.bootstrap())
    wait_until(lambda: body(proxy) == b"plain", "plain text")
    with contextlib.closing(proxy.client()) as peer:
        assert ask(peer).body == b"plain" and len(server.open) == 1
        world.put(ENDPOINTS, {"cluster_name": "app", "endpoints": [of(host(server.port, mode="mtls"))]})
        wait_until(lambda: not server.open, "the connection ends")
        # For the same client.
        assert ask(peer).body == b"tls client"
    assert proxy.stats(r"upstream_rq_5xx") == {}


def test_secrets_of_a_match_turn(either, aggregated, both, ca):  # noqa: F811
    server = both(closes=True)
    fill(aggregated, server.port)
    common = {"validation_context": {"trusted_ca": {"filename": str(ca.path)}},
              "tls_certificate_sds_secret_configs": [{"name": "pair", "sds_config": aggregated.source(SECRET)}]}
    socket_ = {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": UPSTREAM_TLS, "common_tls_context": common}}
    aggregated.put(CLUSTER, eds_cluster(aggregated, transport_socket_matches=[match("tls", socket_, mode="mtls")]))
    aggregated.put(ENDPOINTS, {"cluster_name": "app", "endpoints": [of(host(server.port, mode="mtls"))]})
    aggregated.put(SECRET, secret(ca.leaf("first")))
    proxy = either(aggregated.bootstrap())
    wait_until(lambda: body(proxy) == b"tls first", "the first certificate")
    aggregated.put(SECRET, secret(ca.leaf("second")))
    wait_until(lambda: body(proxy) == b"tls second", "the second certificate")


def test_files_of_matches_are_followed(start, both, ca, files):
    """Each context by itself; what is no good leaves all as they are."""
    server, other = both(closes=True), both(closes=True)
    more = Files(files.folder / "more")
    files.put_leaf(ca.leaf("one"))
    more.put_leaf(ca.leaf("two"))

    def from_files(folder):
        common = {"validation_context": {"trusted_ca": {"filename": str(ca.path)}}, "tls_certificates": [folder.pair()]}
        return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": UPSTREAM_TLS, "common_tls_context": common}}

    proxy = start(http(clusters=[described(
        of(host(server.port, mode="mtls"), host(other.port)), transport_socket=from_files(files),
        transport_socket_matches=[match("tls", from_files(more), mode="mtls")])]))
    wait_until(lambda: answers(proxy) == {b"tls one", b"tls two"}, "both certificates")
    more.put_leaf(ca.leaf("three"))
    wait_until(lambda: answers(proxy) == {b"tls one", b"tls three"}, "the newer one of the match")
    files.put_leaf(ca.leaf("four"))
    wait_until(lambda: answers(proxy) == {b"tls four", b"tls three"}, "the newer one of the cluster")
    more.put("tls.key", b"no key")
    wait_until(lambda: "What cluster 'app', transport_socket_matches[0] had before stays in use" in proxy.log_text(), "it is said")
    assert proxy.stat("cluster.app.client_ssl_socket_factory.key_rotation_failed") == 1
    assert answers(proxy) == {b"tls four", b"tls three"}
    shown = json.loads(proxy.get_admin("/certs").body)["certificates"]
    assert len({chain["serial_number"] for one in shown for chain in one["cert_chain"]}) == 2
