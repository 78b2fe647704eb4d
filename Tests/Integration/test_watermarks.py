"""Buffers that are full for a while: whoever waits for room hears of it, whatever it was that filled them."""
import contextlib

import pytest
from bootstrap import bootstrap, cluster, forward, http, listener, manager
from harness import connect, response, serve, wait_until
from http2_peers import END_HEADERS, H2, HEADERS, H2Peer, block, frame, spoken

GET = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"
MIB = 1 << 20


@pytest.mark.parametrize("limit", [0, 1, 100, 32 * 1024])
def test_a_response_head_beyond_the_limit(start, upstream, limit):
    """The head alone is more than the listener buffers, and the body comes after it."""
    head = [(f"x-{number}", "v" * 4000) for number in range(12)]
    server = upstream(serve(lambda _request: response(body=b"b" * 200_000, headers=head)))
    proxy = start(bootstrap([listener(manager([forward()]), per_connection_buffer_limit_bytes=limit)],
                            [cluster("app", server.port)]))
    with contextlib.closing(proxy.client()) as client:
        for number in range(3):
            client.send(GET % number)
            assert client.response().body == b"b" * 200_000
    assert proxy.stat("cluster.app.upstream_rq_active") == 0


def test_the_next_response_while_the_last_ones_are_still_unread(start, upstream):
    """A client that asks on and on before it reads: what is left of the answers fills the buffer for the next one."""
    server = upstream(serve(lambda request: response(body=request.path.encode() * 2000)))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    with contextlib.closing(proxy.client()) as client:
        client.send(b"".join(GET % number for number in range(1500)))
        # The kernel's buffers and the proxy's are full before anything is read.
        wait_until(lambda: proxy.stat("cluster.app.upstream_flow_control_paused_reading_total"), "the server held back")
        for number in range(1500):
            assert client.response().body == b"/%d" % number * 2000


def test_a_pause_is_counted_once(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream(serve(lambda _request: response(body=b"b" * 64 * MIB))).port)]))
    with contextlib.closing(proxy.client()) as client:
        client.send(GET % 0)
        wait_until(lambda: proxy.stat("cluster.app.upstream_flow_control_paused_reading_total"), "the server held back")
        # Nothing is read: the first pause lasts.
        assert proxy.stat("cluster.app.upstream_flow_control_paused_reading_total") == 1
        assert proxy.stat("cluster.app.upstream_flow_control_resumed_reading_total") == 0
        assert len(client.response().body) == 64 * MIB
    counts = proxy.stats("cluster.app.upstream_flow_control")
    assert counts["cluster.app.upstream_flow_control_paused_reading_total"] == \
        counts["cluster.app.upstream_flow_control_resumed_reading_total"]


def hint(number):
    """A value that no table of headers makes shorter."""
    return ("</" + f"{number:06}" * 170 + ">").encode()


def storm_of_http1(peer, _number):
    peer.request()
    for turn in range(64):
        peer.send(b"".join(b"HTTP/1.1 103 Early Hints\r\nlink: " + hint(turn * 1000 + n) + b"\r\n\r\n" for n in range(1000)))
    peer.send(response(body=b"done"))


def storm_of_http2(peer, _number):
    h2 = H2Peer(peer)
    stream = h2.request()
    for turn in range(64):
        peer.send(b"".join(frame(HEADERS, END_HEADERS, stream, block((":status", "103"), ("link", hint(turn * 1000 + n))))
                           for n in range(1000)))
    h2.answer(stream, b"done")
    peer.rest()


@pytest.mark.parametrize("client", ["http1", "http2"])
@pytest.mark.parametrize("server", ["http1", "http2"])
def test_a_storm_of_interim_responses_is_not_kept(start, upstream, server, client):
    """A server that says 103 without end, and a client that does not read: it is held back, or hints are dropped."""
    script, protocol = (storm_of_http1, {}) if server == "http1" else (storm_of_http2, spoken())
    proxy = start(http(clusters=[cluster("app", upstream(script).port, **protocol)]))
    before = proxy.memory()
    if client == "http1":
        reader = proxy.client()
        reader.send(GET % 0)
    else:
        reader = H2(proxy.port("main"))
        reader.headers(1)
    with contextlib.closing(reader if client == "http1" else reader.peer):
        held = "cluster.app.upstream_flow_control_paused_reading_total"
        wait_until(lambda: proxy.stat(held) or proxy.stat("http.ingress.downstream_rq_1xx") == 64_000, "a full buffer")
        assert proxy.memory() - before < 24 * MIB
        if client == "http1":
            while (answer := reader.response()).status == 103:
                pass
            assert answer.body == b"done"
        else:
            answer = reader.answer(1)
            assert answer.body == b"done" and set(answer.interim) == {103}


@pytest.mark.parametrize("limit", [0, 1000, 32 * 1024])
def test_a_tunnel_to_a_host_with_a_small_buffer(start, upstream, limit):
    """CONNECT ends here; the client sends more at once than may wait for the host."""
    def echo(peer, _number):
        while peer.fill():
            peer.send(peer.buffer)
            peer.buffer = b""

    connects = {"match": {"connect_matcher": {}}, "route": {
        "cluster": "app", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}}
    config = http([connects], clusters=[cluster("app", upstream(echo).port, per_connection_buffer_limit_bytes=limit)],
                  upgrade_configs=[{"upgrade_type": "CONNECT"}])
    proxy = start(config)
    with contextlib.closing(connect(proxy.port("main"))) as client:
        client.send("CONNECT host:80 HTTP/1.1\r\nhost: host:80\r\n\r\n")
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        for number in range(20):
            data = b"%d" % (number % 10) * 150_000
            client.send(data)
            assert client.exactly(len(data)) == data
