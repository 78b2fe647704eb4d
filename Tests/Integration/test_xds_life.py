"""The process's beginning and end while its configuration comes from a control plane, and what clients see when it churns: streams,
tunnels and sessions, and what is left of what has gone."""
import contextlib
import os
import signal
import threading
import time

import pytest
from bootstrap import cluster, forward, listener, manager, tcp_proxy
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from harness import Upstream, connect, response, wait_until
from http2_peers import DATA, END_HEADERS, H2, HEADERS, H2Peer, block, frame, spoken
from test_hot_restart import Load, launch, path  # noqa: F401
from xds_world import (
    VARIANTS, Planned, ask, body, direct, eds_cluster, endpoints, fill, rds_manager, routes, wait_body)


@pytest.fixture(params=["ads", "own-delta"])
def world(request):
    made = Planned(**VARIANTS[request.param])
    yield made
    made.plane.stop()


@pytest.fixture
def ads():
    made = Planned()
    yield made
    made.plane.stop()


class Storm:
    """A control plane that changes everything all the time, and nothing that matters to requests."""

    def __init__(self, world, *ports):
        self.world, self.ports, self.turns = world, ports, 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        world = self.world
        while not self.stopped.is_set():
            turn = self.turns
            world.put(ENDPOINTS, endpoints(*self.ports[turn % len(self.ports):]))
            world.put(ROUTES, routes(forward(f"/never/{turn}", f"new{turn}"), forward()))
            world.put(LISTENER, listener(rds_manager(world, via=f"turn-{turn}")), listener(
                manager([direct("x")], stat_prefix=f"new{turn}"), name=f"new{turn}"))
            world.put(CLUSTER, eds_cluster(world, connect_timeout=f"{turn + 2}s"), cluster(f"new{turn}", *self.ports))
            if turn > 2:
                world.remove(CLUSTER, f"new{turn - 2}")
                world.remove(LISTENER, f"new{turn - 2}")
            self.turns += 1
            self.stopped.wait(0.05)

    def more(self):
        before = self.turns
        wait_until(lambda: self.turns > before + 3, "the storm")

    def stop(self):
        self.stopped.set()
        self.thread.join()


# The end


def end(proxy, how):
    if how == "quitquitquit":
        assert proxy.get_admin("/quitquitquit", "POST").status == 200
    else:
        proxy.signal(signal.SIGTERM)


@pytest.mark.parametrize("how", ["SIGTERM", "quitquitquit"])
@pytest.mark.parametrize("quiet", [CLUSTER, ENDPOINTS, LISTENER, ROUTES, "everything"], ids=lambda one: one.rpartition(".")[2])
def test_the_end_before_the_first_answer(start, ads, named, how, quiet):
    fill(ads, named(b"one").port)
    if quiet == "everything":
        ads.plane.stop()
    ads.plane.quiet = {quiet}
    proxy = start(ads.bootstrap(), wait=False)
    proxy.wait_admin()
    if quiet == "everything":
        wait_until(lambda: "the control plane 'xds'" in proxy.log_text(), "an attempt")
    else:
        wait_until(lambda: ads.plane.requests(quiet), "the question")
    assert proxy.get_admin("/ready").status == 503
    end(proxy, how)
    assert proxy.process.wait(20) == 0
    assert "exiting" in proxy.log_text()


@pytest.mark.parametrize("how", ["SIGTERM", "quitquitquit"])
def test_the_end_in_a_storm(start, world, named, how):
    port = named(b"one").port
    fill(world, port)
    proxy = start(world.bootstrap(), concurrency=2)
    wait_body(proxy, b"one")
    storm = Storm(world, port)
    storm.more()
    end(proxy, how)
    assert proxy.process.wait(20) == 0
    storm.stop()
    assert "exiting" in proxy.log_text()


def test_sigterm_finishes_what_runs_whatever_comes(start, ads, upstream):
    """Its cluster goes, its listener changes and goes, the control plane itself goes: the request has its answer."""
    go = threading.Event()

    def slow(peer, _number):
        while peer.request():
            go.wait(20)
            peer.send(response(body=b"slow"))

    server = upstream(slow)
    fill(ads, server.port)
    proxy = start(ads.bootstrap())
    wait_until(lambda: proxy.stat("listener_manager.total_listeners_active") == 1, "the listener")
    port = proxy.port("main")
    with contextlib.closing(connect(port)) as peer:
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        wait_until(lambda: server.requests, "the request")
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: proxy.get_admin("/ready").status == 503, "draining")
        ads.put(LISTENER, listener(rds_manager(ads, via="other")), listener(manager([direct("x")]), name="late"))
        ads.put(CLUSTER, eds_cluster(ads, connect_timeout="7s"))
        ads.plane.wait_ack(CLUSTER)
        ads.remove(LISTENER, "main")
        ads.remove(CLUSTER, "app")
        ads.plane.wait_ack(CLUSTER)
        assert body(proxy, name="late") is None
        ads.plane.stop()
        go.set()
        answer = peer.response()
        assert (answer.body, answer.get("connection")) == (b"slow", "close")
    assert proxy.process.wait(20) == 0


@pytest.mark.parametrize("query", ["", "?inboundonly"])
def test_drained_listeners_stay_so(start, ads, named, query):
    """What comes after /drain_listeners, new or changed, does not accept."""
    port = named(b"one").port
    fill(ads, port)
    ads.put(LISTENER, listener(rds_manager(ads), traffic_direction="INBOUND"))
    proxy = start(ads.bootstrap(), arguments=["--drain-time-s", "1"])
    wait_body(proxy, b"one")
    before = proxy.port("main")
    assert proxy.get_admin("/drain_listeners" + query, "POST").status == 200

    def refused(number):
        with contextlib.suppress(OSError), contextlib.closing(connect(number)) as peer:
            return ask(peer) is None
        return True

    wait_until(lambda: refused(before), "closed")
    ads.put(LISTENER, listener(rds_manager(ads, via="x"), traffic_direction="INBOUND"),
            listener(rds_manager(ads), name="new", traffic_direction="INBOUND"),
            listener(rds_manager(ads), name="out", traffic_direction="OUTBOUND"))
    ads.plane.wait_ack(LISTENER)
    proxy.wait_stat("listener_manager.total_listeners_warming", 0)
    assert refused(before)
    assert body(proxy, name="new") is None
    assert body(proxy, name="out") == (b"one" if query else None)


# Hot restart


def test_restarts_in_a_storm_lose_nothing(launch, world, named):  # noqa: F811
    one, two = named(b"hello"), named(b"hello")
    fill(world, one.port, two.port)
    flags = ["--drain-time-s", "2", "--parent-shutdown-time-s", "20"]
    generations = [launch(world.bootstrap(), *flags, concurrency=2)]
    wait_body(generations[0], b"hello")
    port = generations[0].port("main")
    load, storm = Load(port), Storm(world, one.port, two.port)
    try:
        for _ in range(3):
            load.more()
            generations.append(launch(world.bootstrap(), *flags, concurrency=2))
            assert generations[-1].port("main") == port
        load.more()
    finally:
        load.stop()
        storm.stop()
    for old in generations[:-1]:
        assert old.process.wait(20) == 0
        assert "cut off" not in old.log_text()


@pytest.mark.parametrize("quiet", [CLUSTER, ROUTES], ids=["clusters", "routes"])
def test_the_old_process_serves_while_the_new_one_waits(launch, start, ads, named, path, quiet):  # noqa: F811
    """A successor without answers has taken nothing; it may end, too."""
    fill(ads, named(b"hello").port)
    old = launch(ads.bootstrap())
    wait_body(old, b"hello")
    port = old.port("main")
    ads.plane.quiet = {quiet}
    ads.plane.forget()
    new = start(ads.bootstrap(), arguments=["--hot-restart-path", path], wait=False)
    wait_until(lambda: ads.plane.requests(quiet), "the question")
    load = Load(port)
    load.more()
    new.signal(signal.SIGTERM)
    assert new.process.wait(20) == 0
    load.more()
    # And one that gets its answers takes over.
    ads.plane.forget()
    newer = start(ads.bootstrap(), arguments=["--hot-restart-path", path], wait=False)
    wait_until(lambda: ads.plane.requests(quiet), "the question")
    ads.plane.quiet = set()
    ads.plane.push(quiet)
    wait_until(lambda: "] ready after" in newer.log_text(), "the new process ready")
    load.more()
    load.stop()
    assert old.process.wait(20) == 0


# What is under way


def test_sessions_outlive_their_clusters(start, world, upstream):
    """A TCP session, a WebSocket and a stream of HTTP/2 each go on while their cluster is changed, loses its host, and goes."""
    def echo(peer, _number):
        first = peer.exactly(1)
        if first == b"G":
            peer.until(b"\r\n\r\n")
            peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        else:
            peer.send(first)
        while peer.fill():
            peer.send(peer.buffer)
            peer.buffer = b""

    def stream(peer, _number):
        server = H2Peer(peer)
        while part := server.next():
            kind, _flags, number, payload = part
            if kind == HEADERS:
                peer.send(frame(HEADERS, END_HEADERS, number, block((":status", "200"), ("content-type", "application/grpc"))))
            if kind == DATA:
                peer.send(frame(DATA, 0, number, payload))

    servers = {"tcp": upstream(echo), "ws": upstream(echo), "h2": upstream(stream)}
    settings = {"tcp": {}, "ws": {}, "h2": spoken()}

    def clusters(timeout):
        world.put(CLUSTER, *[eds_cluster(world, name, connect_timeout=timeout, **settings[name]) for name in servers])

    for name, server in servers.items():
        world.put(ENDPOINTS, endpoints(server.port, name=name))
    clusters("1s")
    world.put(ROUTES, routes(forward("/ws", "ws", upgrade_configs=[{"upgrade_type": "websocket"}]), forward("/a", "h2")))
    world.put(LISTENER, listener(rds_manager(world)), listener(tcp_proxy("tcp"), name="raw"))
    proxy = start(world.bootstrap())
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(contextlib.closing(proxy.client("raw")))
        ws = stack.enter_context(contextlib.closing(proxy.client()))
        ws.send("GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        assert b" 101 " in ws.until(b"\r\n\r\n")
        h2 = H2(proxy.port("main"))
        stack.callback(h2.peer.close)
        h2.headers(1, [(":method", "POST"), (":scheme", "http"), (":path", "/a/b"), (":authority", "a"),
                       ("te", "trailers"), ("content-type", "application/grpc")], end=False)

        def alive():
            for peer in (tcp, ws):
                peer.send("ping")
                assert peer.exactly(4) == b"ping"
            h2.send(frame(DATA, 0, 1, b"ping"))
            assert h2.until(DATA, 1)[3] == b"ping"

        alive()
        clusters("2s")
        wait_until(lambda: proxy.stat("cluster_manager.cluster_modified") == 3
                   and proxy.stat("cluster_manager.warming_clusters") == 0, "the change")
        alive()
        world.put(ROUTES, routes(direct("other")))
        wait_body(proxy, b"other")
        alive()
        world.remove(CLUSTER, *servers)
        proxy.wait_stat("cluster_manager.cluster_removed", 3)
        alive()
        assert body(proxy) == b"other"


def test_what_a_listener_leaves_has_the_drain_time(start, ads, named, upstream):
    """Of a listener that changes: requests and sessions go on until the drain time is over, idle connections until then at most."""
    server = upstream(lambda peer, _number: [peer.send(peer.buffer) or setattr(peer, "buffer", b"") for _ in iter(peer.fill, False)])
    fill(ads, named(b"one").port)
    ads.put(CLUSTER, cluster("raw", server.port))
    ads.put(LISTENER, listener(tcp_proxy("raw"), name="raw"))
    proxy = start(ads.bootstrap(), arguments=["--drain-time-s", "1"])
    wait_body(proxy, b"one")
    with contextlib.closing(proxy.client("raw")) as tcp, contextlib.closing(proxy.client()) as idle:
        tcp.send("ping")
        assert tcp.exactly(4) == b"ping"
        assert ask(idle).body == b"one"
        ads.remove(LISTENER, "raw", "main")
        proxy.wait_stat("listener_manager.total_listeners_draining", 2)
        tcp.send("ping")
        assert tcp.exactly(4) == b"ping"
        assert idle.closed() and tcp.closed()
    proxy.wait_stat("listener_manager.total_listeners_draining", 0)
    proxy.wait_stat("server.total_connections", 0)


# What is left


def names_of(proxy):
    """Stats, without the numbers in them that depend on time."""
    return {line.partition(b":")[0] for line in proxy.get_admin("/stats").body.splitlines()}


def test_nothing_is_left_of_what_has_gone(start, world, named):
    """Stats and descriptors are what they were before clusters, listeners, routes and services of ever new names came and went."""
    port = named(b"one").port
    fill(world, port)
    proxy = start(world.bootstrap(), arguments=["--drain-time-s", "0"])
    wait_body(proxy, b"one")

    def descriptors():
        return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))

    def turn(name):
        world.put(ENDPOINTS, endpoints(port, name=name))
        world.put(CLUSTER, eds_cluster(world, name))
        world.put(ROUTES, routes(
            {**forward("/", name), "stat_prefix": "r"}, name=name))
        world.put(ROUTES, {**routes({**forward("/", name), "stat_prefix": name}, name=name), "virtual_hosts": [
            {"name": name, "domains": ["*"], "routes": [{**forward("/", name), "stat_prefix": name}],
             "virtual_clusters": [{"name": "vc", "headers": [{"name": ":path", "string_match": {"prefix": "/"}}]}]}]})
        world.put(LISTENER, listener(rds_manager(world, name, stat_prefix=name), name=name, stat_prefix=name),
                  listener(tcp_proxy(name, stat_prefix=name), name=name + "-raw", stat_prefix=name + "-raw"))
        wait_body(proxy, b"one", name=name)
        world.remove(LISTENER, name, name + "-raw")
        world.remove(ROUTES, name)
        world.remove(CLUSTER, name)
        world.remove(ENDPOINTS, name)
        proxy.wait_stat("cluster_manager.active_clusters", 2)
        proxy.wait_stat("listener_manager.total_listeners_active", 1)
        proxy.wait_stat("listener_manager.total_listeners_draining", 0)

    turn("warm-up")
    wait_until(lambda: not any(b"warm-up" in one for one in names_of(proxy)),
               lambda: sorted(one for one in names_of(proxy) if b"warm-up" in one)[:20])
    before, files = names_of(proxy), descriptors()
    for number in range(5):
        turn(f"name-{number}")
    wait_until(lambda: names_of(proxy) == before, lambda: sorted(names_of(proxy) ^ before)[:20])
    wait_until(lambda: descriptors() <= files, lambda: f"{descriptors()} descriptors, {files} before")
