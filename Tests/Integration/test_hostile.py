"""Peers that mean harm: whatever they send and whenever they go, the proxy serves on, and gives back what it took."""
import contextlib
import os
import pathlib
import random
import re
import socket
import ssl
import threading
import time

import pytest
from bootstrap import DOWNSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from harness import connect, response, serve, wait_until
from pki import Authority, client_context

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Y: z\r\n\r\n5\r\nhello\r\n0\r\nt: u\r\n\r\n"
#: Gauges that are zero when nobody is connected.
AT_REST = r"(_active|_buffered|rq_pending_active|\.[a-z_]*_open)$"
NOT_AT_REST = r"^(http\.admin|listener\.admin|listener_manager|cluster_manager|server|main_thread)|total_.*_active|admin"
MIB = 1 << 20


def open_files(proxy):
    return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))


class Watch:
    """What the proxy holds before an attack, to be compared with what it holds after."""

    def __init__(self, proxy, port=None):
        self.proxy, self.port = proxy, port or proxy.port("main")
        self.files, self.memory = open_files(proxy), proxy.memory()

    def gauges(self):
        return {name: value for name, value in self.proxy.stats(AT_REST).items() if value and not re.search(NOT_AT_REST, name)}

    def at_rest(self, growth=24 * MIB):
        """Nothing active, no file left open, memory back."""
        wait_until(lambda: not {name: value for name, value in self.gauges().items() if "cluster." not in name},
                   f"gauges of the client side at rest: {self.gauges()}")
        wait_until(lambda: not {name: value for name, value in self.gauges().items() if "upstream_cx_active" not in name},
                   f"gauges at rest: {self.gauges()}")
        # Pooled upstream connections may stay: they are counted.
        pooled = sum(self.proxy.stats(r"^cluster\..*upstream_cx_active$").values())
        wait_until(lambda: open_files(self.proxy) <= self.files + pooled + 1, f"files: {open_files(self.proxy)}, were {self.files}, pool {pooled}")
        assert self.proxy.memory() - self.memory < growth
        with contextlib.closing(connect(self.port)) as client:
            client.send(GET)
            return client.response()


def throw(port, data, wait=False, tls=None):
    """Sends bytes and leaves, in order or with a reset."""
    with contextlib.suppress(OSError, ssl.SSLError):
        with contextlib.closing(connect(port)) as client:
            if tls:
                client.sock = tls.wrap_socket(client.sock, server_hostname="localhost")
            client.send(data)
            if wait:
                client.sock.settimeout(0.2)
                client.rest()
            if len(data) % 3 == 0:
                client.reset()


def mutations(seed, source, count):
    """Requests with bytes changed, dropped, doubled and cut."""
    dice = random.Random(seed)
    for _ in range(count):
        data = bytearray(source)
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(data))
            match dice.randrange(5):
                case 0: data[at] = dice.randrange(256)
                case 1: del data[at:at + dice.randint(1, 8)]
                case 2: data[at:at] = data[at:at + dice.randint(1, 8)]
                case 3: data[at:at] = dice.choice([b"\r\n", b"\n", b"\0", b":", b" ", b"\r", b",", b"0", b"%", b"/..", b"chunked"])
                case 4: data[at:] = data[at:] + data
            if not data:
                data = bytearray(b"x")
        yield bytes(data[:65536])


@pytest.mark.parametrize("seed", range(4))
def test_mutated_requests(start, upstream, seed):
    proxy = start(http(clusters=[cluster("app", upstream().port)], normalize_path=True, merge_slashes=True,
                       path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD", http_protocol_options={"enable_trailers": True}))
    watch = Watch(proxy)
    for data in mutations(seed, POST + GET, 400):
        throw(watch.port, data)
    assert watch.at_rest().status == 200


def test_random_bytes(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    watch, dice = Watch(proxy), random.Random(7)
    for _ in range(300):
        throw(watch.port, dice.randbytes(dice.choice([1, 10, 100, 5000])), wait=dice.random() < 0.1)
    assert watch.at_rest().status == 200


@pytest.mark.parametrize("seed", range(3))
def test_upstreams_that_answer_mutated(start, upstream, seed):
    """Each answer damaged in another way; some are served, some refused, none breaks a later one."""
    good = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n"
    damaged = mutations(seed, good, 10_000)

    def script(peer, _number):
        request = peer.request()
        if request.path == "/good":
            peer.send(response(body=b"good"))
            return peer.rest()
        peer.send(next(damaged))

    proxy = start(http(clusters=[cluster("app", upstream(script).port)]))
    watch = Watch(proxy)
    for number in range(250):
        with contextlib.closing(connect(watch.port)) as client:
            client.send(GET)
            client.sock.settimeout(0.3)  # what waits for more than the upstream sent is given up
            with contextlib.suppress(ValueError, IndexError, AssertionError, TypeError, OSError, EOFError, AttributeError):
                client.response()
        if number % 50 == 0:
            with contextlib.closing(connect(watch.port)) as client:
                client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.response().body == b"good"
    watch.at_rest()


def test_tls_garbage(start, upstream, tmp_path):
    """Random bytes, cut and changed ClientHellos, plain HTTP, and handshakes left in the middle."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["localhost"])
    chain = {"transport_socket": {"name": "tls", "typed_config": {
        "@type": DOWNSTREAM_TLS, "common_tls_context": {"tls_certificates": [leaf.config]}}}}
    looking = {"filter_chain_match": {"server_names": ["localhost"]}, **chain}
    proxy = start(bootstrap([listener(manager([forward()]), chain=chain), listener(manager([forward()]), name="looks", chain=looking)],
                            [cluster("app", upstream().port)]), arguments=["-l", "error"])
    outgoing = ssl.MemoryBIO()
    client = client_context(authority).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello, dice = outgoing.read(), random.Random(3)
    files, memory = open_files(proxy), proxy.memory()
    for name in ("main", "looks"):
        port = proxy.port(name)
        for data in mutations(11, hello, 250):
            throw(port, data)
        for cut in range(0, len(hello), 7):
            throw(port, hello[:cut])
        for _ in range(50):
            throw(port, dice.randbytes(dice.choice([3, 300, 17_000])))
        throw(port, GET, wait=True)
        for _ in range(20):
            throw(port, GET, wait=True, tls=client_context(authority))
    wait_until(lambda: not any(proxy.stats(r"^(http\.ingress|listener\.127).*cx_active$").values()), "nobody connected")
    wait_until(lambda: open_files(proxy) <= files + 4, "files closed")
    assert proxy.memory() - memory < 24 * MIB
    with contextlib.closing(proxy.client("looks", tls=client_context(authority), server_name="localhost")) as client:
        client.send(GET)
        assert client.response().status == 200


def test_thousands_of_connections_opened_and_abandoned(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=["--concurrency", "2"])
    watch = Watch(proxy)
    for _ in range(5):
        crowd = []
        for number in range(400):
            client = connect(watch.port)
            if number % 3 == 0:
                client.send(GET[:number % len(GET)])
            crowd.append(client)
        for number, client in enumerate(crowd):
            client.reset() if number % 2 else client.close()
    assert watch.at_rest().status == 200
    assert proxy.stat("http.ingress.downstream_cx_total") >= 2000


def test_an_idle_connection_costs_little(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    port = proxy.port("main")
    crowd = [connect(port) for _ in range(50)]
    for client in crowd:
        client.send(GET)
        assert client.response().status == 200
    before = proxy.memory()
    for _ in range(450):
        client = connect(port)
        client.send(GET)
        assert client.response().status == 200
        crowd.append(client)
    # A buffer of 16 KiB for each would be seen.
    assert proxy.memory() - before < 450 * 12 * 1024


def test_slowloris(start, upstream):
    """Heads that never end, a byte now and then: each is cut off at request_headers_timeout, while others are served."""
    proxy = start(http(clusters=[cluster("app", upstream().port)], request_headers_timeout="0.5s"))
    watch = Watch(proxy)
    crowd = [connect(watch.port) for _ in range(200)]
    for letter in b"GET / HTTP/1.1\r\nHost: a":
        for client in crowd:
            with contextlib.suppress(OSError):
                client.send(bytes([letter]))
        if letter == ord("/"):
            with contextlib.closing(connect(watch.port)) as other:
                other.send(GET)
                assert other.response().status == 200
    wait_until(lambda: proxy.stat("http.ingress.downstream_rq_header_timeout") == 200, "all cut off")
    for client in crowd:
        client.close()
    assert watch.at_rest().status == 200


def test_a_flood_of_pipelined_requests_is_not_buffered(start, upstream):
    """The sender is stopped while its requests are served one by one, and loses interest: nothing stays."""
    gate = threading.Event()

    def slow(peer, _number):
        while peer.request():
            assert gate.wait(20)
            peer.send(response())

    proxy = start(http(clusters=[cluster("app", upstream(slow).port)]))
    watch = Watch(proxy)
    client = connect(watch.port)
    client.sock.settimeout(1)
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 64 * MIB:
            sent += client.sock.send(GET * 1000)
    assert sent < 32 * MIB, "the proxy read on"
    assert proxy.memory() - watch.memory < 8 * MIB
    client.reset()
    gate.set()
    assert watch.at_rest().status == 200


def test_resets_at_random_moments(start, upstream):
    """Both sides go away whenever they like, mid-head, mid-body, mid-response, with two workers."""
    dice, lock, calm = random.Random(5), threading.Lock(), threading.Event()

    def draw(*choices):
        with lock:
            return dice.choice(choices)

    def moody(peer, _number):
        while peer.until(b"\r\n\r\n") is not None:
            mood = "whole" if calm.is_set() else draw("whole", "whole", "reset", "half", "none")
            if mood == "reset":
                return peer.reset()
            if mood == "none":
                return
            body = b"y" * draw(10, 100_000, 2_000_000)
            answer = response(body=body)
            if mood == "half":
                peer.send(answer[:len(answer) // 2])
                return peer.reset()
            peer.send(answer)

    policy = {"retry_on": "5xx,reset", "num_retries": 2, "retry_back_off": {"base_interval": "0.001s"}}
    config = http([forward(retry_policy=policy, timeout="5s")], clusters=[cluster("app", upstream(moody).port)])
    proxy = start(config, arguments=["--concurrency", "2"])
    watch = Watch(proxy)

    def load():
        for _ in range(60):
            with contextlib.suppress(OSError, EOFError, AssertionError, ValueError, IndexError, TypeError):
                client = connect(watch.port)
                client.sock.settimeout(5)
                chosen = draw("get", "post", "cut", "gone", "reset")
                if chosen == "post":
                    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"z" * draw(10, 300_000))
                elif chosen == "cut":
                    client.send(GET[:draw(1, 10, 20)])
                else:
                    client.send(GET)
                if chosen in ("get", "post"):
                    client.sock.settimeout(draw(0.01, 0.5))
                    client.response()
                client.reset() if chosen == "reset" else client.close()

    threads = [threading.Thread(target=load) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    calm.set()
    assert watch.at_rest().status == 200


def test_tcp_sessions_cut_at_random(start, upstream):
    dice = random.Random(9)

    def echo(peer, number):
        while peer.fill():
            peer.send(peer.buffer)
            peer.buffer = b""
            if number % 4 == 0:
                return peer.reset()

    config = bootstrap([listener(tcp_proxy()), listener(manager([forward()]), name="http")], [cluster("app", upstream(echo).port)])
    proxy = start(config)
    port, files, memory = proxy.port("main"), open_files(proxy), proxy.memory()
    for number in range(400):
        with contextlib.suppress(OSError):
            client = connect(port)
            client.send(b"x" * dice.choice([0, 1, 1000, 200_000]))
            if number % 3 == 0:
                client.sock.shutdown(socket.SHUT_WR)
            client.reset() if number % 2 else client.close()
    wait_until(lambda: not any(proxy.stats(r"^(cluster\.app\.upstream_cx_active|tcp\..*active|listener\.127.*cx_active)$").values()),
               "every session ended")
    wait_until(lambda: open_files(proxy) <= files + 1, "files closed")
    assert proxy.memory() - memory < 24 * MIB


def test_headers_of_every_size_up_to_the_limit(start, upstream):
    """Around each power of two, where buffers end."""
    server = upstream(serve(lambda request: response(body=b"%d" % len(request.get("x-long", "")))))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    for size in sorted({base + delta for base in (128, 4096, 8192, 16384, 32768) for delta in range(-70, 70, 7)}):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"v" * size + b"\r\n\r\n")
        assert client.response().body == b"%d" % size


def test_no_more_files_than_there_are(start, upstream):
    """Out of file descriptors: connections wait in the backlog, and are served when others go."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    port = proxy.port("main")
    limit = open_files(proxy) + 20
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (limit, hard))
    crowd = [connect(port) for _ in range(60)]
    used = lambda: sum(int(value) for value in pathlib.Path(f"/proc/{proxy.process.pid}/stat").read_text().split()[13:15])
    wait_until(lambda: open_files(proxy) >= limit - 1, "no file is left")  # the admin port has none, either
    before, begun = used(), time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 1, "a second")
    assert used() - before < 50, "it must not spin"
    for client in crowd[:50]:
        client.close()
    crowd[-1].send(GET)
    assert crowd[-1].response().status == 200
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_the_admin_port_answers_without_files(start, upstream, tmp_path):
    """Traffic cannot have the last descriptors: who looks after the process can still ask it."""
    wrapper = tmp_path / "limited"
    wrapper.write_text(f"#!/bin/sh\nulimit -n 160\nexec {os.environ['OUTRIDER']} \"$@\"\n")
    wrapper.chmod(0o755)
    proxy = start(http(clusters=[cluster("app", upstream().port)]), binary=str(wrapper))
    port = proxy.port("main")
    crowd = [connect(port) for _ in range(300)]
    wait_until(lambda: open_files(proxy) >= 140, "traffic has what it may have")
    for _ in range(3):
        assert proxy.get_admin("/ready").status == 200
    assert open_files(proxy) < 150
    assert "listener 'main': new connections wait" in proxy.log_text() and "Too many open files" in proxy.log_text()
    for client in crowd[:250]:
        client.close()
    crowd[-1].send(GET)
    assert crowd[-1].response().status == 200
