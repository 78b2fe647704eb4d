"""TLS on both sides: who is let in, what is told about it, and that the real Envoy agrees."""
import ssl
import subprocess

import pytest
from bootstrap import DOWNSTREAM_TLS, UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager
from harness import response, serve, wait_until
from pki import Authority, client_context


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server_leaf(ca):
    return ca.leaf("server", dns=["localhost", "app.test"], uri=["spiffe://test/server"])


@pytest.fixture(scope="module")
def client_leaf(ca):
    return ca.leaf("client", uri=["spiffe://test/client"], dns=["client.test"])


def downstream(leaf, ca=None, require=None, match=None, **common):
    context = {"tls_certificates": [leaf.config], **common}
    if ca:
        context["validation_context"] = {"trusted_ca": {"filename": str(ca.path)}, **(match or {})}
    body = {"@type": DOWNSTREAM_TLS, "common_tls_context": context}
    if require is not None:
        body["require_client_certificate"] = require
    return {"name": "envoy.transport_sockets.tls", "typed_config": body}


def upstream_tls(ca, leaf=None, sni=None, match=None, **common):
    context = {"validation_context": {"trusted_ca": {"filename": str(ca.path)}, **(match or {})}, **common}
    if leaf:
        context["tls_certificates"] = [leaf.config]
    body = {"@type": UPSTREAM_TLS, "common_tls_context": context, **({"sni": sni} if sni else {})}
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": body}}


def uri_is(value):
    return {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": value}}]}


def tls_config(socket, port=None, **settings):
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "in"}}}]
    filters = manager([forward()] if port else routes, **settings)
    return bootstrap([listener(filters, chain={"transport_socket": socket})], [cluster("app", port)] if port else [])


def ask(client):
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return client.response()


def refused(proxy, context):
    """With TLS 1.3 a client learns of a refused certificate only when it reads."""
    try:
        return ask(proxy.client(tls=context, server_name="localhost")) is None
    except (ssl.SSLError, ConnectionError):
        return True


def test_serves_tls_and_counts_the_handshake(start, ca, server_leaf):
    proxy = start(tls_config(downstream(server_leaf, alpn_protocols=["h2", "http/1.1"])))
    client = proxy.client(tls=client_context(ca, alpn=["http/1.1"]), server_name="localhost")
    assert client.sock.version() == "TLSv1.3"
    assert client.sock.selected_alpn_protocol() == "http/1.1"
    assert ask(client).body == b"in"
    stats = proxy.stats(r"^listener\..*\.ssl\.")
    moved = {name.split(".ssl.")[1] for name, value in stats.items() if value}
    assert {"handshake", "no_certificate", "versions.TLSv1.3"} <= moved


@pytest.mark.parametrize("which, reason", [
    ("none", "require_client_certificate"), ("stranger", "CA"), ("expired", "expired"), ("wrong name", "spiffe://test/other"),
])
def test_refuses_clients_and_says_why(start, ca, server_leaf, client_leaf, tmp_path, which, reason):
    leaf = {
        "none": lambda: None,
        "stranger": lambda: Authority(tmp_path, "stranger").leaf("x", uri=["spiffe://test/client"]),
        "expired": lambda: ca.leaf("old", uri=["spiffe://test/client"], expired=True),
        "wrong name": lambda: ca.leaf("other", uri=["spiffe://test/other"]),
    }[which]()
    proxy = start(tls_config(downstream(server_leaf, ca, True, uri_is("spiffe://test/client"))), arguments=["-l", "debug"])
    assert refused(proxy, client_context(ca, leaf))
    # The client hears of the refusal a moment before the log does.
    lines = lambda: [line for line in proxy.log_text().splitlines() if "[secret]" not in line]
    wait_until(lambda: any(reason in line for line in lines()), f"'{reason}' in the log")
    assert sum(proxy.stats(r"ssl\.(fail_verify|connection_error)").values()) >= 1
    assert not refused(proxy, client_context(ca, client_leaf))


@pytest.mark.parametrize("kind, matcher, allowed", [
    ("URI", {"prefix": "spiffe://test/"}, True), ("URI", {"suffix": "/nobody"}, False),
    ("URI", {"safe_regex": {"regex": "spiffe://test/c.*"}}, True), ("DNS", {"exact": "client.test"}, True),
    ("DNS", {"exact": "other.test"}, False), ("URI", {"contains": "est/cl"}, True),
])
def test_subject_alternative_names(start, ca, server_leaf, client_leaf, kind, matcher, allowed):
    match = {"match_typed_subject_alt_names": [{"san_type": kind, "matcher": matcher}]}
    proxy = start(tls_config(downstream(server_leaf, ca, True, match)))
    assert refused(proxy, client_context(ca, client_leaf)) != allowed
    if not allowed:
        assert sum(proxy.stats(r"ssl\.fail_verify_san$").values()) == 1


def test_pinned_certificates(start, ca, server_leaf, client_leaf):
    pinned = start(tls_config(downstream(server_leaf, ca, True, {"verify_certificate_hash": [client_leaf.sha256]})))
    assert not refused(pinned, client_context(ca, client_leaf))
    other = start(tls_config(downstream(server_leaf, ca, True, {"verify_certificate_hash": ["00" * 32]})))
    assert refused(other, client_context(ca, client_leaf))
    assert sum(other.stats(r"ssl\.fail_verify_cert_hash$").values()) == 1


def test_revoked_certificate(start, ca, server_leaf, client_leaf):
    revoked = ca.leaf("revoked", uri=["spiffe://test/client"])
    match = {"crl": {"filename": str(ca.revoke(revoked))}}
    proxy = start(tls_config(downstream(server_leaf, ca, True, match)))
    assert refused(proxy, client_context(ca, revoked))
    assert not refused(proxy, client_context(ca, client_leaf))


def test_sessions_are_resumed(start, ca, server_leaf):
    proxy = start(tls_config(downstream(server_leaf)))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client_context(ca)
        context.maximum_version = version
        first = proxy.client(tls=context, server_name="localhost")
        assert ask(first).status == 200
        again = proxy.client()
        again.sock = context.wrap_socket(again.sock, server_hostname="localhost", session=first.sock.session)
        assert ask(again).status == 200
        assert again.sock.session_reused, version
    assert sum(proxy.stats(r"ssl\.session_reused$").values()) == 2


def test_versions_are_limited(start, ca, server_leaf):
    only13 = {"tls_params": {"tls_minimum_protocol_version": "TLSv1_3"}}
    proxy = start(tls_config(downstream(server_leaf, **only13)))
    old = client_context(ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.client(tls=old, server_name="localhost")


def test_certificate_and_chain_by_server_name(start, ca):
    chain = lambda name: {
        "name": name, "filter_chain_match": {"server_names": [name]},
        "filters": [manager([{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": name}}}])],
        "transport_socket": downstream(ca.leaf(name.replace("*", "star"), dns=[name])),
    }
    config = bootstrap([{"name": "main", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                         "listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {
                             "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}],
                         "filter_chains": [chain("one.test"), chain("two.test"), chain("*.wild.test")]}], [])
    proxy = start(config)
    for asked, name in (("one.test", "one.test"), ("two.test", "two.test"), ("a.wild.test", "*.wild.test")):
        assert ask(proxy.client(tls=client_context(ca), server_name=asked)).body.decode() == name
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.client(tls=client_context(ca), server_name="other.test")
    assert sum(proxy.stats("no_filter_chain_match").values()) == 1


def test_client_identity_is_forwarded(start, upstream, ca, server_leaf, client_leaf):
    server = upstream()
    proxy = start(tls_config(
        downstream(server_leaf, ca, True), server.port, forward_client_cert_details="SANITIZE_SET",
        set_current_client_cert_details={"subject": True, "uri": True, "dns": True}))
    client = proxy.client(tls=client_context(ca, client_leaf), server_name="localhost")
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: By=forged\r\n\r\n")
    assert client.response().status == 200
    assert server.requests[0].get("x-forwarded-client-cert") == (
        f'By=spiffe://test/server;Hash={client_leaf.sha256};Subject="CN=client";URI=spiffe://test/client;DNS=client.test')
    assert server.requests[0].get("x-forwarded-proto") == "https"


def test_upstream_mutual_tls(start, upstream, ca, server_leaf, client_leaf):
    server = upstream(serve(lambda _request: response(body=b"secret")), tls=server_leaf.server_context(ca))
    app = cluster("app", server.port, **upstream_tls(ca, client_leaf, "app.test", uri_is("spiffe://test/server")))
    proxy = start(http(clusters=[app]))
    assert ask(proxy.client()).body == b"secret"
    assert proxy.stat("cluster.app.ssl.handshake") == 1
    wrong = cluster("app", server.port, **upstream_tls(ca, client_leaf, "app.test", uri_is("spiffe://test/nobody")))
    proxy = start(http(clusters=[wrong]))
    answer = ask(proxy.client())
    assert answer.status == 503
    assert proxy.stat("cluster.app.ssl.fail_verify_san") == 1
    plain = start(http(clusters=[cluster("app", server.port, **upstream_tls(ca, None, "app.test"))]))
    assert ask(plain.client()).status == 503


def test_garbage_instead_of_a_handshake(start, server_leaf):
    proxy = start(tls_config(downstream(server_leaf)))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    client.rest()
    assert sum(proxy.stats(r"ssl\.connection_error$").values()) == 1


def test_openssl_s_client(start, ca, server_leaf, client_leaf):
    proxy = start(tls_config(downstream(server_leaf, ca, True)))
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port('main')}", "-CAfile", str(ca.path), "-cert",
         str(client_leaf.certificate_path), "-key", str(client_leaf.key_path), "-verify_return_error", "-servername",
         "localhost", "-quiet"],
        input="GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", capture_output=True, text=True, timeout=20)
    assert done.stdout.startswith("HTTP/1.1 200 OK"), done.stderr


@pytest.mark.parametrize("outer", ["outrider", "envoy"])
def test_mesh_pair_with_the_real_envoy(start, start_envoy, upstream, ca, server_leaf, client_leaf, outer):
    """client -> proxy -> mTLS -> proxy -> app, with the real Envoy at one end."""
    app = upstream()
    inbound = tls_config(downstream(server_leaf, ca, True, uri_is("spiffe://test/client")), app.port)
    inside = (start_envoy if outer == "outrider" else start)(inbound)
    to_peer = upstream_tls(ca, client_leaf, "localhost", uri_is("spiffe://test/server"))
    outbound = http(clusters=[cluster("app", inside.port("main"), **to_peer)])
    outside = (start if outer == "outrider" else start_envoy)(outbound)
    client = outside.client()
    for _ in range(3):
        assert ask(client).body == b"hello"
    assert outside.stat("cluster.app.ssl.handshake") == 1
    assert sum(inside.stats(r"^listener.*ssl\.handshake$").values()) == 1
    assert len(app.requests) == 3
