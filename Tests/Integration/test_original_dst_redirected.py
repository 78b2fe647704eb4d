"""Redirected connections go on to where they were meant to go, between two hosts of their own."""
import contextlib
import threading

import pytest
from bootstrap import bootstrap, forward, listener, manager, tcp_proxy
from harness import Peer, Proxy, Upstream, response, serve
from netns import greeter, hosts  # noqa: F401
from test_original_dst import original

ENTRY = 15006
MARK = 123
ANY = {"4": "0.0.0.0", "6": "::"}
FILTERS = "type.googleapis.com/envoy.extensions.filters.listener"
ORIGINAL_DST = {"name": "dst", "typed_config": {"@type": f"{FILTERS}.original_dst.v3.OriginalDst"}}
ORIGINAL_SRC = {"name": "src", "typed_config": {"@type": f"{FILTERS}.original_src.v3.OriginalSrc", "mark": MARK}}
VERSIONS = pytest.mark.parametrize("version", ["4", "6"])


def address_of(host, version):
    return host.v4 if version == "4" else host.v6


def tables(host, version, *words):
    host.run("iptables" if version == "4" else "ip6tables", "-w", *words)


def entry(network_filter, version, *filters, **settings):
    """A listener that redirected connections come to."""
    where = {"socket_address": {"address": ANY[version], "port_value": ENTRY}}
    return listener(network_filter, address=where, listener_filters=[ORIGINAL_DST, *filters], **settings)


class Server(Upstream):
    """A scripted server on a host, on all its addresses."""

    def __init__(self, host, port, script):
        self.script, self.tls, self.listener, self.connections = script, None, host.listen(port), 0
        self.requests, self.errors = [], []
        threading.Thread(target=self._accept, daemon=True).start()


@pytest.fixture
def on():
    """on(host, config) -> a proxy that runs on the host."""
    with contextlib.ExitStack() as stack:

        def launch(host, config):
            with host.entered():
                proxy = Proxy(config)
            stack.callback(proxy.stop)
            return proxy

        yield launch


@pytest.fixture
def server_on():
    """server_on(host, port, script) -> a scripted server on the host."""
    with contextlib.ExitStack() as stack:

        def launch(host, port, script):
            server = Server(host, port, script)
            stack.callback(server.close)
            return server

        yield launch


def stat(host, proxy, name):
    with host.entered():
        return proxy.stat(name)


@VERSIONS
def test_a_redirected_connection_goes_where_it_was_meant_to(hosts, greeter, on, version):  # noqa: F811
    near, far = hosts
    tables(near, version, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8000:8999",
           "-j", "REDIRECT", "--to-ports", str(ENTRY))
    for port in (8080, 8081):
        greeter(near, port, f"app on {port}")
    proxy = on(near, bootstrap([entry(tcp_proxy(), version)], [original()]))
    for port in (8080, 8081, 8080):
        client = Peer(far.connect(address_of(near, version), port))
        assert client.rest() == f"app on {port}".encode()
    assert stat(near, proxy, "cluster.app.membership_total") == 2
    assert stat(near, proxy, "cluster.app.upstream_cx_total") == 3


@VERSIONS
def test_requests_share_connections_by_destination(hosts, server_on, on, version):  # noqa: F811
    near, far = hosts
    tables(near, version, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8000:8999",
           "-j", "REDIRECT", "--to-ports", str(ENTRY))
    servers = [server_on(near, port, serve(lambda _request, port=port: response(body=str(port).encode())))
               for port in (8080, 8081)]
    on(near, bootstrap([entry(manager([forward()]), version)], [original()]))
    for _ in range(2):
        for port in (8080, 8081):
            with contextlib.closing(Peer(far.connect(address_of(near, version), port))) as client:
                for _ in range(2):
                    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                    assert client.response().body == str(port).encode()
    assert [server.connections for server in servers] == [1, 1]


@VERSIONS
def test_own_connections_leave_by_their_mark(hosts, greeter, on, version):  # noqa: F811
    near, far = hosts
    greeter(far, 8080, "far")
    tables(near, version, "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "8080", "-m", "mark", "!", "--mark", str(MARK),
           "-j", "REDIRECT", "--to-ports", str(ENTRY))
    mark = {"socket_options": [{"level": 1, "name": 36, "int_value": MARK}]}
    config = bootstrap([entry(tcp_proxy(), version)], [original()])
    proxy = on(near, {**config, "cluster_manager": {"upstream_bind_config": mark}})
    assert Peer(near.connect(address_of(far, version), 8080)).rest() == b"far"
    assert stat(near, proxy, "cluster.app.upstream_cx_total") == 1


@VERSIONS
def test_the_server_sees_the_client_under_tproxy(hosts, server_on, on, version):  # noqa: F811
    near, far = hosts
    for name in ("all", "lo", "cable"):
        near.run("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
    tables(near, version, "-t", "mangle", "-A", "PREROUTING", "-i", "cable", "-p", "tcp", "--dport", "8080",
           "-j", "TPROXY", "--on-port", str(ENTRY), "--tproxy-mark", "1")
    # What our connections are answered comes back to us, though it is for the client.
    tables(near, version, "-t", "mangle", "-A", "PREROUTING", "-i", "lo", "-m", "mark", "--mark", str(MARK),
           "-j", "CONNMARK", "--save-mark")
    tables(near, version, "-t", "mangle", "-A", "OUTPUT", "-m", "connmark", "--mark", str(MARK), "-j", "CONNMARK", "--restore-mark")
    for mark in ("1", str(MARK)):
        near.run("ip", f"-{version}", "rule", "add", "fwmark", mark, "lookup", "100")
    near.run("ip", f"-{version}", "route", "add", "local", "default", "dev", "lo", "table", "100")
    clients = [address_of(far, version), "10.77.0.9" if version == "4" else "fd77::9"]
    far.run("ip", "addr", "add", clients[1] + ("/24" if version == "4" else "/64"), "dev", "cable", *(["nodad"] if version == "6" else []))

    def tells_the_peer(peer, number):
        serve(lambda _request: response(body=peer.sock.getpeername()[0].removeprefix("::ffff:").encode()))(peer, number)

    server = server_on(near, 8080, tells_the_peer)
    proxy = on(near, bootstrap([entry(manager([forward()]), version, ORIGINAL_SRC, transparent=True)], [original()]))
    for _ in range(2):
        for client in clients:
            with contextlib.closing(Peer(far.connect(address_of(near, version), 8080, source=client))) as peer:
                peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                assert peer.response().body == client.encode()
    # A client's later connections share its upstream connection, and no other client's.
    assert server.connections == 2
    assert stat(near, proxy, "cluster.app.membership_total") == 1


# Envoy goes round and round here.


@VERSIONS
def test_rules_that_catch_our_own_connections(hosts, greeter, on, version):  # noqa: F811
    near, far = hosts
    greeter(far, 8080, "far")
    tables(near, version, "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "--dport", "8080", "-j", "REDIRECT", "--to-ports", str(ENTRY))
    proxy = on(near, bootstrap([entry(tcp_proxy(), version)], [original()]))
    assert Peer(near.connect(address_of(far, version), 8080)).rest() == b""
    assert stat(near, proxy, "cluster.app.original_dst_loop_refused") == 1
    assert stat(near, proxy, "cluster.app.upstream_cx_total") == 4
    assert "came through this proxy 4 times" in proxy.log_text()


@VERSIONS
def test_who_means_the_listener_itself_is_refused(hosts, on, version):  # noqa: F811
    near, far = hosts
    # With a rule there is connection tracking, which tells of every connection where it was meant to go.
    tables(near, version, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8080", "-j", "REDIRECT", "--to-ports", str(ENTRY))
    proxy = on(near, bootstrap([entry(tcp_proxy(), version)], [original()]))
    assert Peer(far.connect(address_of(near, version), ENTRY)).rest() == b""
    assert stat(near, proxy, "cluster.app.original_dst_loop_refused") == 1
    assert stat(near, proxy, "cluster.app.upstream_cx_total") == 0
