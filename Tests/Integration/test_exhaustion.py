"""What the process lives on runs out, and comes back: descriptors, the disk, ports, time to run. Nothing breaks, nothing spins, and
afterwards all is as before."""
import contextlib
import pathlib
import resource
import signal
import socket
import threading

import pytest
from bootstrap import FILE_LOG, bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from chaos_clients import GoodGRPC, GoodHTTP1, GoodHTTP2, GoodTCP
from chaos_world import World
from harness import Peer, connect, response, wait_until
from netns import hosts  # noqa: F401

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def ticks(proxy):
    """CPU time that it has used, in hundredths of a second."""
    return sum(int(value) for value in pathlib.Path(f"/proc/{proxy.process.pid}/stat").read_text().split()[13:15])


@pytest.fixture
def world(start, tmp_path):
    """The chaos world with servers that behave, and a proxy in it."""
    with World(3, tmp_path, delta=True) as world:
        world.calm.set()
        world.proxy = start(world.bootstrap(), arguments=["-l", "info"], concurrency=2)
        yield world


def all_are_served(world, turn):
    clients = [GoodHTTP1(world, f"{turn}-plain", 6, "plain"), GoodHTTP1(world, f"{turn}-tls", 6, "tls", world.tls),
               GoodHTTP2(world, f"{turn}-h2", 2), GoodGRPC(world, f"{turn}-grpc", 1), GoodTCP(world, f"{turn}-tcp", 2)]
    for client in clients:
        client.run()
    assert [mistake for client in clients for mistake in client.mistakes] == []


def test_no_descriptor_for_anything(world):
    """Not for clients, hosts, checks, certificates, logs or the control plane, and all of them are wanted."""
    all_are_served(world, "before")
    proxy = world.proxy
    kept = [connect(world.port("plain")) for _ in range(3)]
    for peer in kept:
        peer.send("GET /bad2/k/10 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert peer.response().status == 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (5, hard))
    before = ticks(proxy)
    world.put_secret()
    world.plane.plane.hang_up()
    for name in ("plain", "tls", "tcp"):
        world.put_listener(name)
    for name in ("good", "secure", "good2", "echo"):
        world.put_cluster(name)
    proxy.signal(signal.SIGUSR1)
    waiting = [connect(world.port(name)) for name in ("plain", "tls", "tcp", "small")]
    for peer in kept:
        # Whatever the answer is: there is one.
        peer.send("GET /mixed/k/10 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert peer.response().status in (200, 503, 504)
    threading.Event().wait(2)
    assert ticks(proxy) - before < 100, "it must not spin"
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    for peer in [*kept, *waiting]:
        peer.close()
    proxy.wait_stat("control_plane.connected_state", 1)
    all_are_served(world, "after")
    world.put_secret()
    all_are_served(world, "renewed")
    assert "Too many open files" in proxy.log_text()


def test_a_disk_that_is_full(start, upstream):
    """Lines are lost and counted; requests are served, and what is lost is not kept in memory."""
    log = {"name": "file", "typed_config": {"@type": FILE_LOG, "path": "/dev/full"}}
    proxy = start(http(clusters=[cluster("app", upstream().port)], access_log=[log]),
                  arguments=["--file-flush-interval-msec", "10"])
    for _ in range(3):
        with contextlib.closing(proxy.client()) as client:
            for _ in range(50):
                client.send(GET)
                assert client.response().status == 200
    wait_until(lambda: proxy.stat("filesystem.write_failed") > 0, "a write that failed")
    proxy.wait_stat("filesystem.write_total_buffered", 0)
    assert proxy.stat("filesystem.write_completed") == 0
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(20) == 0


def test_a_process_that_stands_still(world):
    """Stopped for longer than its timers, with requests under way; afterwards thousands of deadlines are over at once."""
    proxy, peers = world.proxy, []
    for number in range(300):
        peer = connect(world.port("plain"))
        peer.send(f"GET /good/{number}/300000 HTTP/1.1\r\nhost: a\r\n\r\n"[:None if number % 3 else 40])
        peers.append(peer)
    proxy.signal(signal.SIGSTOP)
    threading.Event().wait(3)
    proxy.signal(signal.SIGCONT)
    for peer in peers:
        with contextlib.suppress(OSError, EOFError, AttributeError):
            if peer is not peers[0]:
                peer.fill()
        peer.close()
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_active") == 0, "all gone")
    all_are_served(world, "after")


def test_no_port_is_left(start, upstream, hosts):  # noqa: F811
    """A host with a handful of ports for connections: what gets none is refused at once, and served when there are some."""
    def from_port(port, own):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", own))
        sock.connect(("127.0.0.1", port))
        return Peer(sock)

    gate = threading.Event()

    def held(peer, _number):
        while peer.request():
            gate.wait(20)
            peer.send(response())

    with hosts[0].entered():
        app, raw = upstream(held), upstream(lambda peer, _number: peer.rest())
        proxy = start(bootstrap([listener(manager([forward()])), listener(tcp_proxy("raw"), name="tcp")],
                                [cluster("app", app.port), cluster("raw", raw.port)]))
        port, tcp = proxy.port("main"), proxy.port("tcp")
        pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40007")
        peers = [from_port(port, 20_000 + number) for number in range(20)]
        for peer in peers:
            peer.send(GET)
        sessions = [from_port(tcp, 21_000 + number) for number in range(20)]
        # Those that found no port are told; the others wait for the gate.
        refused = 0
        for session in sessions:
            session.sock.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                refused += session.closed()
        assert refused >= 10
        gate.set()
        answers = [peer.response().status for peer in peers]
        assert set(answers) == {200, 503} and answers.count(503) >= 10
        pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("32768 60999")
        for peer in peers:
            peer.send(GET)
        assert {peer.response().status for peer in peers} == {200}
