"""Servers that speak first behind a listener that waits for its clients' first bytes. Envoy lets their clients wait."""
import types

import pytest
from bootstrap import bootstrap, cluster, forward, listener, manager, tcp_proxy
from harness import free_port, wait_until
from test_listener_filters import HTTP, PREFACE, REQUEST, SIGNATURE, TLS, proxy_protocol, says, v2

LONG = "600s"


def greets(word):
    """A script that says its name first, and then what it was told."""
    def script(peer, _number):
        peer.send(word + b"\n")
        while peer.fill():
            peer.send(peer.buffer)
            peer.buffer = b""
    return script


def settings(**values):
    layer = {f"outrider.listener.{name}": value for name, value in values.items()}
    return {"layered_runtime": {"layers": [{"name": "static", "static_layer": layer}]}}


def detecting(raw, web=None, filters=(TLS, HTTP), **more):
    """HTTP goes to `web`, everything else to the host that may speak first."""
    chains = [{"filter_chain_match": {"application_protocols": ["http/1.1"]}, "filters": [manager([forward(to="web")])]}]
    clusters = [cluster("raw", raw.port), *([cluster("web", web.port)] if web else [])]
    return bootstrap(
        [listener(tcp_proxy("raw"), filter_chains=chains if web else [], default_filter_chain={"filters": [tcp_proxy("raw")]},
                  listener_filters=list(filters), listener_filters_timeout=LONG, stat_prefix="main")], clusters, **more)


def opened(proxy):
    return proxy.stat("listener.main.server_first_cx_opened"), proxy.stat("listener.main.server_first_cx_used")


def test_the_server_may_speak_first(start, upstream):
    app = upstream(greets(b"220 ready"))
    proxy = start(detecting(app, upstream()))
    for number in (1, 2):
        client = proxy.client()
        assert client.until(b"\n") == b"220 ready\n"
        client.send(b"EHLO me\n")
        assert client.until(b"\n") == b"EHLO me\n"
        client.close()
        assert opened(proxy) == (number, number)
    assert app.connections == 2
    assert proxy.stat("listener.main.downstream_cx_total") == 2
    assert proxy.stat("tcp.tcp.downstream_cx_total") == 2
    proxy.wait_stat("cluster.raw.upstream_cx_active", 0)
    proxy.wait_stat("listener.main.downstream_pre_cx_active", 0)


def test_a_client_that_speaks_is_inspected(start, upstream):
    """The host says nothing, so that it is the client's turn."""
    app, web = upstream(says(b"raw")), upstream()
    proxy = start(detecting(app, web))
    client = proxy.client()
    proxy.wait_stat("listener.main.server_first_cx_opened", 1)
    client.send(REQUEST)
    assert client.response().body == b"hello"
    assert opened(proxy) == (1, 0)
    proxy.wait_stat("cluster.raw.upstream_cx_active", 0)
    # The destination is remembered as one whose clients speak: the next client has time to.
    client = proxy.client()
    client.send(REQUEST)
    assert client.response().body == b"hello"
    assert opened(proxy) == (1, 0)
    # But not for ever.
    client = proxy.client()
    proxy.wait_stat("listener.main.server_first_cx_opened", 2)
    client.send(b"\0\1\2")
    assert client.exactly(3) == b"raw"
    assert opened(proxy) == (2, 1)


def test_a_client_that_leaves_takes_the_connection_with_it(start, upstream):
    app = upstream(says(b"raw"))
    proxy = start(detecting(app))
    client = proxy.client()
    proxy.wait_stat("cluster.raw.upstream_cx_active", 1)
    client.close()
    proxy.wait_stat("cluster.raw.upstream_cx_active", 0)
    assert proxy.stat("listener.main.downstream_listener_filter_remote_close") == 1
    assert proxy.stat("listener.main.downstream_cx_total") == 0


def test_a_host_that_is_not_there_is_the_sessions_business(start):
    proxy = start(detecting(types.SimpleNamespace(port=free_port())))
    client = proxy.client()
    proxy.wait_stat("cluster.raw.upstream_cx_connect_fail", 1)
    client.send(b"\0\1\2")
    assert client.closed()
    assert proxy.stat("listener.main.downstream_cx_total") == 1
    proxy.wait_stat("listener.main.downstream_cx_active", 0)


def test_a_host_that_hangs_up_without_a_word_is_asked_again(start, upstream):
    def script(peer, number):
        if number > 1:
            says(b"raw")(peer, number)
    app = upstream(script)
    proxy = start(detecting(app))
    client = proxy.client()
    wait_until(lambda: app.connections == 1 and proxy.stat("cluster.raw.upstream_cx_active") == 0, "the first to end")
    client.send(b"\0\1\2")
    assert client.exactly(3) == b"raw"
    assert app.connections == 2


def test_the_greeting_waits_for_the_balancers_header(start, upstream):
    app = upstream(greets(b"220 ready"))
    proxy = start(detecting(app, filters=[proxy_protocol(), HTTP]))
    client = proxy.client()
    client.send(SIGNATURE[:4])
    client.send(v2()[4:])
    assert client.until(b"\n") == b"220 ready\n"
    assert opened(proxy) == (1, 1)


def test_it_can_be_switched_off(start, upstream):
    app = upstream(greets(b"220 ready"))
    config = detecting(app, **settings(server_first=False))
    config["static_resources"]["listeners"][0]["listener_filters_timeout"] = "0.2s"
    proxy = start(config)
    assert proxy.client().closed()
    assert app.connections == 0
    assert proxy.stats("server_first") == {}


def test_ports_can_be_declared(start, upstream):
    app = upstream(greets(b"220 ready"))
    proxy = start(detecting(app, upstream(), filters=[proxy_protocol(), HTTP], **settings(server_first=False, server_first_ports="25, 3306")))
    client = proxy.client()
    client.send(v2(destination=("5.4.3.2", 3306)))
    assert client.until(b"\n") == b"220 ready\n"
    assert opened(proxy) == (0, 0)
    client = proxy.client()
    client.send(v2(destination=("5.4.3.2", 80)))
    client.send(REQUEST)
    assert client.response().body == b"hello"


@pytest.mark.parametrize("chain", ["http", "none"])
def test_nothing_is_opened_where_no_tcp_proxy_would_get_the_client(start, upstream, chain):
    app = upstream()
    last = {"default_filter_chain": {"filters": [manager([forward()])]}} if chain == "http" else {}
    chains = [{"filter_chain_match": {"application_protocols": ["h2c"]}, "filters": [tcp_proxy()]}]
    proxy = start(bootstrap(
        [listener(tcp_proxy(), filter_chains=chains, listener_filters=[HTTP], stat_prefix="main", **last)], [cluster("app", app.port)]))
    client = proxy.client()
    proxy.wait_stat("listener.main.downstream_pre_cx_active", 1)
    assert opened(proxy) == (0, 0)
    client.send(PREFACE)
    proxy.wait_stat("cluster.app.upstream_cx_total", 1)
