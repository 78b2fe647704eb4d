"""Clusters, endpoints, listeners and routes that come while the proxy runs: from a control plane, by each variant of xDS, and
from files. Every test runs against the real Envoy, too."""
import contextlib
import json
import threading
import time

import pytest
from bootstrap import address, forward, listener, tcp_proxy
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from harness import connect, refused, response, wait_until
from xds_world import (
    VARIANTS, InFiles, Planned, ask, body, direct, eds_cluster, endpoints, fill, rds_manager, routes, wait_body)

@pytest.fixture(params=[*VARIANTS, "files"])
def world(request, files):
    """Where the resources come from."""
    if request.param == "files":
        yield InFiles(files)
        return
    made = Planned(**VARIANTS[request.param])
    yield made
    made.plane.stop()


def test_everything_comes_at_run_time(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    assert proxy.stat("cluster_manager.cds.update_success") >= 1
    assert proxy.stat("listener_manager.lds.update_success") >= 1
    assert proxy.stat("http.ingress.rds.routes.update_success") >= 1
    assert proxy.stat("cluster.app.update_success") >= 1
    assert proxy.stat("cluster_manager.warming_clusters") == 0
    assert proxy.stat("listener_manager.total_listeners_active") == 1


def test_endpoints_move_and_connections_of_clients_stay(either, world, named):
    one, two = named(b"one"), named(b"two")
    fill(world, one.port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    with contextlib.closing(proxy.client()) as peer:
        assert ask(peer).body == b"one"
        world.put(ENDPOINTS, endpoints(two.port))
        wait_until(lambda: ask(peer).body == b"two", "the other host, for the same client")
        assert proxy.stat("cluster.app.membership_total") == 1
        world.put(ENDPOINTS, endpoints())
        wait_until(lambda: ask(peer).status == 503, "nobody is left")
        world.put(ENDPOINTS, endpoints(one.port, two.port))
        wait_until(lambda: {ask(peer).body for _ in range(8)} == {b"one", b"two"}, "both")
    assert proxy.stat("http.ingress.downstream_cx_destroy_local") == 0


def test_a_host_that_stays_keeps_its_connection(either, world, named):
    one, two = named(b"one"), named(b"two")
    fill(world, one.port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    before = one.connections
    world.put(ENDPOINTS, endpoints(one.port, two.port))
    wait_until(lambda: {body(proxy) for _ in range(8)} == {b"one", b"two"}, "both")
    world.put(ENDPOINTS, endpoints(one.port))
    proxy.wait_stat("cluster.app.membership_total", 1)
    wait_until(lambda: {body(proxy) for _ in range(4)} == {b"one"}, "the first again")
    assert one.connections == before


def test_unhealthy_by_eds_is_not_chosen(either, world, named):
    one, two = named(b"one"), named(b"two")
    fill(world, one.port, two.port)
    proxy = either(world.bootstrap())
    wait_until(lambda: {body(proxy) for _ in range(8)} == {b"one", b"two"}, "both")
    world.put(ENDPOINTS, endpoints(
        {"endpoint": {"address": address(one.port)}, "health_status": "UNHEALTHY"}, two.port))
    proxy.wait_stat("cluster.app.membership_healthy", 1)
    wait_until(lambda: {body(proxy) for _ in range(8)} == {b"two"}, "the healthy one")
    world.put(ENDPOINTS, endpoints(one.port, two.port))
    wait_until(lambda: {body(proxy) for _ in range(8)} == {b"one", b"two"}, "both again")


def test_routes_change_under_a_connection(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    with contextlib.closing(proxy.client()) as peer:
        assert ask(peer).body == b"one"
        world.put(ROUTES, routes(direct("new")))
        wait_until(lambda: ask(peer).body == b"new", "the new route, for the same client")
        world.put(ROUTES, routes(forward("/app")))
        wait_until(lambda: ask(peer).status == 404, "no route")
        assert ask(peer, "/app").body == b"one"
    assert proxy.stat("listener_manager.listener_modified") == 0


def test_a_route_may_name_a_cluster_that_comes_later_and_goes(either, world, named):
    one, two = named(b"one"), named(b"two")
    fill(world, one.port)
    world.put(ROUTES, routes(forward("/later", to="later"), forward()))
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    assert body(proxy, "/later") == 503
    assert proxy.stat("http.ingress.no_cluster") >= 1
    world.put(ENDPOINTS, endpoints(two.port, name="later"))
    world.put(CLUSTER, eds_cluster(world, "later"))
    wait_body(proxy, b"two", "/later")
    assert proxy.stat("cluster_manager.active_clusters") == (2 if isinstance(world, InFiles) else 3)
    world.remove(CLUSTER, "later")
    wait_body(proxy, 503, "/later")
    assert body(proxy) == b"one"
    assert proxy.stat("cluster_manager.cluster_removed") == 1
    world.put(CLUSTER, eds_cluster(world, "later"))
    wait_body(proxy, b"two", "/later")


def test_a_request_outlives_its_cluster(either, world, named, upstream):
    go = threading.Event()

    def slow(peer, _number):
        while peer.request():
            go.wait(20)
            peer.send(response(body=b"slow"))

    server = upstream(slow)
    fill(world, named(b"one").port)
    world.put(ENDPOINTS, endpoints(server.port, name="slow"))
    world.put(CLUSTER, eds_cluster(world, "slow"))
    world.put(ROUTES, routes(forward("/slow", to="slow"), forward()))
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    with contextlib.closing(proxy.client()) as peer:
        peer.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        wait_until(lambda: server.requests, "the request")
        world.remove(CLUSTER, "slow")
        proxy.wait_stat("cluster_manager.cluster_removed", 1)
        go.set()
        assert peer.response().body == b"slow"
    assert body(proxy, "/slow") == 503


def test_a_cluster_changes(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    world.put(CLUSTER, eds_cluster(world, circuit_breakers={"thresholds": [{"max_connections": 0, "max_pending_requests": 0}]}))
    proxy.wait_stat("cluster_manager.cluster_modified", 1)
    wait_body(proxy, 503)
    world.put(CLUSTER, eds_cluster(world))
    wait_body(proxy, b"one")


def test_listeners_come_and_go(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    world.put(LISTENER, listener(tcp_proxy(), "raw"))
    wait_body(proxy, b"one", name="raw")
    assert proxy.stat("listener_manager.listener_added") == 2
    port = proxy.port("raw")
    world.remove(LISTENER, "raw")
    proxy.wait_stat("listener_manager.listener_removed", 1)

    wait_until(lambda: refused(port), "the port is closed")
    assert body(proxy) == b"one"
    world.put(LISTENER, listener(tcp_proxy(), "raw"))
    wait_body(proxy, b"one", name="raw")


def test_a_changed_listener_keeps_its_port(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap(), arguments=["--drain-time-s", "600"])
    wait_body(proxy, b"one")
    port = proxy.port("main")
    with contextlib.closing(proxy.client()) as old:
        assert ask(old).body == b"one"
        world.put(LISTENER, listener(rds_manager(world, server_name="second")))
        wait_until(lambda: proxy.stat("listener_manager.listener_modified") + proxy.stat(
            "listener_manager.listener_in_place_updated") > 0, "the update")

        def server():
            with contextlib.closing(proxy.client()) as peer:
                return ask(peer).get("server")

        wait_until(lambda: server() == "second", "the new listener")
        assert proxy.port("main") == port
        # The connection of the old one goes on until it is drained.
        answer = ask(old)
        assert (answer.status, answer.get("server")) == (200, "envoy")


def test_connections_of_a_chain_that_stays_are_left_alone(either, world, named):
    fill(world, named(b"one").port)

    def two_chains(settings):
        return {
            "name": "main", "address": address(),
            "filter_chains": [
                {"name": "kept", "filters": [rds_manager(world)],
                 "filter_chain_match": {"source_prefix_ranges": [{"address_prefix": "127.0.0.1", "prefix_len": 32}]}}],
            "default_filter_chain": {"name": "other", "filters": [rds_manager(world, **settings)]},
        }

    world.put(LISTENER, two_chains({}))
    proxy = either(world.bootstrap(), arguments=["--drain-time-s", "1", "--drain-strategy", "immediate"])
    wait_body(proxy, b"one")
    with contextlib.closing(proxy.client()) as peer:
        assert ask(peer).body == b"one"
        world.put(LISTENER, two_chains({"server_name": "second"}))
        proxy.wait_stat("listener_manager.listener_in_place_updated", 1)
        proxy.wait_stat("listener_manager.total_filter_chains_draining", 0)
        answer = ask(peer)
        assert (answer.status, answer.get("connection")) == (200, None)
        assert ask(peer).body == b"one"


def test_what_is_the_same_changes_nothing(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    with contextlib.closing(proxy.client()) as peer:
        assert ask(peer).body == b"one"
        for type_url in (CLUSTER, LISTENER, ROUTES, ENDPOINTS):
            world.put(type_url)
        if isinstance(world, InFiles) or not world.delta:
            wait_until(lambda: proxy.stat("listener_manager.lds.update_attempt") >= 2, "the push has come")
        world.put(ROUTES, routes(forward("/"), forward("/last")))
        wait_until(lambda: proxy.stat("http.ingress.rds.routes.config_reload") == 2, "the last push has come")
        answer = ask(peer)
        assert (answer.body, answer.get("connection")) == (b"one", None)
    assert proxy.stat("listener_manager.listener_modified") == 0
    assert proxy.stat("cluster_manager.cluster_modified") == 0


def test_no_request_is_lost_in_a_storm_of_updates(either, world, named):
    one, two = named(b"one"), named(b"two")
    fill(world, one.port, two.port)
    proxy = either(world.bootstrap(), concurrency=2)
    wait_body(proxy, b"one")
    stopped, bad, good = threading.Event(), [], []
    port = proxy.port("main")

    def load():
        while not stopped.is_set():
            peer = connect(port)
            try:
                for _ in range(20):
                    answer = ask(peer)
                    if answer is None or answer.status != 200:
                        bad.append(answer and (answer.status, answer.body))
                        break
                    good.append(1)
                    if answer.get("connection") == "close":
                        break
            except OSError as error:
                bad.append(error)
            finally:
                peer.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for one_thread in threads:
        one_thread.start()
    for turn in range(30):
        world.put(ENDPOINTS, endpoints(*[(one.port, two.port), (two.port,), (one.port,)][turn % 3]))
        world.put(ROUTES, routes(forward("/never/" + str(turn)), forward()))
        world.put(LISTENER, listener(rds_manager(world, via=f"turn-{turn}")))
        world.put(CLUSTER, eds_cluster(world, connect_timeout=f"{turn + 2}s"))
        time.sleep(0.02)
    stopped.set()
    for one_thread in threads:
        one_thread.join()
    assert not bad and len(good) > 100, (len(good), bad[:5])


def test_config_dump_shows_what_came(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")

    def section(kind):
        dump = json.loads(proxy.get_admin("/config_dump?include_eds").body)["configs"]
        return next(one for one in dump if one["@type"].endswith("." + kind))

    cluster, = section("ClustersConfigDump")["dynamic_active_clusters"]
    assert cluster["cluster"]["name"] == "app" and cluster["version_info"] and cluster["last_updated"]
    one, = section("ListenersConfigDump")["dynamic_listeners"]
    assert one["name"] == "main" and one["active_state"]["listener"]["name"] == "main" and one["active_state"]["version_info"]
    route, = section("RoutesConfigDump")["dynamic_route_configs"]
    assert route["route_config"]["name"] == "routes" and route["version_info"]
    endpoint, = section("EndpointsConfigDump")["dynamic_endpoint_configs"]
    assert endpoint["endpoint_config"]["cluster_name"] == "app"


def test_memory_that_an_update_took_is_given_back(start, world, named):
    """A sidecar lives for months, and a large table comes now and then: between them it takes what the table takes."""
    def large(tag):
        return routes(*[{"match": {"prefix": f"/{number}/{tag}/"}, "route": {"cluster": "app"}} for number in range(4000)],
                      direct(tag))

    fill(world, named(b"app").port)
    world.put(ROUTES, large("first"))
    proxy = start(world.bootstrap())
    wait_body(proxy, b"first")
    proxy.wait_stat("server.state", 0)
    before = proxy.memory()
    for tag in ("second", "third"):
        world.put(ROUTES, large(tag))
        wait_body(proxy, tag.encode())
        wait_until(lambda: proxy.memory() < 1.25 * before, lambda: f"{before} bytes again (is {proxy.memory()})")
