"""TCP proxying: bytes both ways, half-close, idle, flags and counters."""
from bootstrap import bootstrap, cluster, listener, tcp_proxy


def echo(peer, _number):
    while peer.fill():
        peer.send(peer.buffer)
        peer.buffer = b""


def config(port, settings=None, **cluster_settings):
    return bootstrap([listener(tcp_proxy(**(settings or {})))], [cluster("app", port, **cluster_settings)])


def test_bytes_go_both_ways_and_are_counted(start, upstream):
    proxy = start(config(upstream(echo).port))
    client = proxy.client()
    data = bytes(range(256)) * 8192
    import threading
    threading.Thread(target=client.send, args=(data,), daemon=True).start()
    assert client.exactly(len(data)) == data
    client.close()
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)
    assert proxy.stat("tcp.tcp.downstream_cx_total") == 1
    assert proxy.stat("tcp.tcp.downstream_cx_rx_bytes_total") == len(data)
    assert proxy.stat("tcp.tcp.downstream_cx_tx_bytes_total") == len(data)


def test_half_close_reaches_the_upstream(start, upstream):
    def answers_at_end(peer, _number):
        data = peer.rest()
        peer.send(data.upper())

    proxy = start(config(upstream(answers_at_end).port))
    client = proxy.client()
    client.send("question")
    client.sock.shutdown(1)
    assert client.rest() == b"QUESTION"


def test_server_speaks_first(start, upstream):
    def greets(peer, _number):
        peer.send("220 hello\r\n")
        peer.rest()

    proxy = start(config(upstream(greets).port))
    assert proxy.client().until(b"\r\n") == b"220 hello\r\n"


def test_refused_upstream_closes_the_client(start):
    proxy = start(config(1))
    assert proxy.client().closed()
    assert proxy.stat("cluster.app.upstream_cx_connect_fail") == 1


def test_idle_timeout(start, upstream):
    proxy = start(config(upstream(echo).port, {"idle_timeout": "0.2s"}))
    client = proxy.client()
    client.send("x")
    assert client.exactly(1) == b"x"
    assert client.closed()
    assert proxy.stat("tcp.tcp.idle_timeout") == 1


def test_slow_reader_bounds_memory(start, upstream):
    def floods(peer, _number):
        for _ in range(2000):
            peer.send(b"x" * 65536)

    settings = {"per_connection_buffer_limit_bytes": 65536}
    configuration = config(upstream(floods).port, **settings)
    configuration["static_resources"]["listeners"][0].update(settings)
    proxy = start(configuration)
    before = proxy.memory()
    client = proxy.client()
    client.exactly(1 << 20)
    proxy.wait_stat("cluster.app.upstream_cx_active", 1)
    assert proxy.memory() - before < 8 << 20
    assert len(client.exactly(100 << 20)) == 100 << 20
