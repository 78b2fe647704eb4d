"""What a listener says about its sockets and about the first bytes of a connection. All of it holds for Envoy too."""
import pathlib
import socket
import stat

import pytest
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, bootstrap, cluster, forward, listener, manager, tcp_proxy
from harness import WAIT, Peer, connect, wait_until
from pki import Authority, client_context

INSPECTOR = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"


def speaks_first(peer, _number):
    peer.send("welcome\n")
    peer.rest()


def looked_at(port, **settings):
    """A listener whose chain only takes connections that are not TLS."""
    plain = listener(
        tcp_proxy(), chain={"filter_chain_match": {"transport_protocol": "raw_buffer"}}, stat_prefix="looked",
        listener_filters=[{"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": INSPECTOR}}], **settings)
    # Beyond Envoy, a server that speaks first would be asked.
    layer = {"outrider.listener.server_first": False}
    return bootstrap([plain], [cluster("app", port)], layered_runtime={"layers": [{"name": "static", "static_layer": layer}]})


def test_a_silent_client_is_closed(start, upstream):
    proxy = start(looked_at(upstream(speaks_first).port, listener_filters_timeout="0.2s"))
    assert proxy.client().closed()
    assert proxy.stat("listener.looked.downstream_pre_cx_timeout") == 1
    assert proxy.stat("cluster.app.upstream_cx_total") == 0


def test_a_silent_client_goes_on_where_it_may(start, upstream):
    proxy = start(looked_at(
        upstream(speaks_first).port, listener_filters_timeout="0.2s", continue_on_listener_filters_timeout=True))
    assert proxy.client().until(b"\n") == b"welcome\n"
    assert proxy.stat("listener.looked.downstream_pre_cx_timeout") == 1


def test_a_pipe_gets_its_permissions(start, upstream, tmp_path):
    path = tmp_path / "listen"
    app = upstream(speaks_first)
    proxy = start(bootstrap(
        [listener(tcp_proxy(), address={"pipe": {"path": str(path), "mode": 0o640}})], [cluster("app", app.port)]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert Peer(client).until(b"\n") == b"welcome\n"
    assert proxy.process.poll() is None


def test_who_comes_over_ipv4_has_an_ipv4_address(start, upstream):
    app = upstream()
    both = {"socket_address": {"address": "::", "port_value": 0, "ipv4_compat": True}}
    proxy = start(bootstrap([listener(manager([forward()], use_remote_address=True), address=both)], [cluster("app", app.port)]))
    client = connect(proxy.port("main"))
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 200
    assert "::ffff" not in app.requests[0].get("x-forwarded-for")


def test_filter_chains_have_names_in_logs(start, upstream, tmp_path):
    log = tmp_path / "log"
    logs = [{"name": "file", "typed_config": {
        "@type": FILE_LOG, "path": str(log), "log_format": {"text_format_source": {"inline_string": "%FILTER_CHAIN_NAME%\n"}}}}]
    proxy = start(bootstrap(
        [listener(manager([forward()], access_log=logs), chain={"name": "only"})], [cluster("app", upstream().port)]),
        arguments=["--file-flush-interval-msec", "50"])
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 200
    wait_until(lambda: log.exists() and log.read_text() == "only\n", "a line with the chain's name")


@pytest.mark.skipif(not pathlib.Path("/proc/net/if_inet6").read_text(), reason="no IPv6")
def test_an_ipv6_listener_may_take_ipv4(start, upstream):
    app = upstream(speaks_first)
    every = [
        listener(tcp_proxy(), name=name, address={"socket_address": {"address": "::", "port_value": 0, **more}})
        for name, more in (("both", {"ipv4_compat": True}), ("only", {}))]
    proxy = start(bootstrap(every, [cluster("app", app.port)]))
    for name in ("both", "only"):
        assert connect(proxy.port(name), "::1").until(b"\n") == b"welcome\n"
    assert connect(proxy.port("both")).until(b"\n") == b"welcome\n"
    # Not 127.0.0.1: somebody else may listen there on the same port, or the client may get it as its own and meet itself.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.83.1.9", proxy.port("only")), timeout=WAIT)


def test_require_sni(start, upstream, tmp_path):
    """Envoy knows this field and does not act on it; here it does what its description says."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["a.example"])
    tls = {"@type": DOWNSTREAM_TLS, "require_sni": True, "common_tls_context": {"tls_certificates": [leaf.config]}}
    proxy = start(bootstrap(
        [listener(tcp_proxy(), chain={"transport_socket": {"name": "tls", "typed_config": tls}})],
        [cluster("app", upstream(speaks_first).port)]))
    context = client_context(authority, check_hostname=False)
    assert proxy.client(tls=context, server_name="a.example").until(b"\n") == b"welcome\n"
    for name in (None, "b.example"):
        with pytest.raises(OSError, match="(?i)unrecognized.name"):
            proxy.client(tls=context, server_name=name)
    assert "the client sent no server name (SNI), but require_sni is set" in proxy.log_text()
