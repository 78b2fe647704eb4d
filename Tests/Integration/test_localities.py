"""Balancing by where hosts run: weighted localities and zone aware routing, beside the real Envoy."""
import contextlib
import time
from collections import Counter

import pytest
from bootstrap import address, cluster, forward, http
from control_plane import ENDPOINTS
from harness import wait_until
from test_hashing import HEADER, MAGLEV, RING, ask, both, extension, places
from xds_world import NODE, InFiles, eds_cluster, endpoints

ZONE_STATS = (r"^cluster\.app\.(lb_zone_routing_(all_directly|sampled|cross_zone)|lb_zone_no_capacity_left"
              r"|lb_healthy_panic)$")
POLICY = "type.googleapis.com/envoy.extensions.load_balancing_policies."


@pytest.fixture
def hosts(named):
    return [named(str(number).encode()).port for number in range(6)]


def group(zone, ports, weight=None, health=(), priority=0, **endpoint):
    entries = [{"endpoint": {"address": address(port)}, **endpoint} for port in ports]
    for entry, state in zip(entries, health):
        entry["health_status"] = state
    return {"locality": {"region": "r", "zone": zone}, "priority": priority, "lb_endpoints": entries,
            **({"load_balancing_weight": weight} if weight else {})}


def assigned(*groups, name="app"):
    return {"cluster_name": name, "endpoints": list(groups)}


def counts(proxy, number=600):
    with contextlib.closing(proxy.client()) as peer:
        return Counter(ask(peer).body.decode() for _ in range(number))


def near(found, expected):
    """Whether hosts got about what they should have."""
    total, whole = sum(found.values()), sum(expected.values())
    return set(found) == set(expected) and all(
        abs(found[host] / total - share / whole) < 0.07 for host, share in expected.items())


WEIGHTED = {"common_lb_config": {"locality_weighted_lb_config": {}}}


def weighted_extension(name, **settings):
    return extension(f"{POLICY}{name}", locality_lb_config={"locality_weighted_lb_config": {}}, **settings)


@pytest.mark.parametrize("policy", [
    {"lb_policy": "ROUND_ROBIN", **WEIGHTED}, {"lb_policy": "LEAST_REQUEST", **WEIGHTED}, {"lb_policy": "RANDOM", **WEIGHTED},
    weighted_extension("round_robin.v3.RoundRobin"), weighted_extension("least_request.v3.LeastRequest"),
    weighted_extension("random.v3.Random"),
], ids=["round robin", "least request", "random", "round robin extension", "least request extension", "random extension"])
def test_localities_get_their_weight(either, hosts, policy):
    assignment = assigned(group("a", hosts[:1], 1), group("b", hosts[1:4], 3), group("c", hosts[4:]))
    proxy = either(http([forward()], [{**cluster("app", **policy), "load_assignment": assignment}]))
    # A locality without a weight gets nothing.
    assert near(counts(proxy), {"0": 1, "1": 1, "2": 1, "3": 1})


@pytest.mark.parametrize("factor, expected", [
    (None, {"0": 0.5 * 1.4, "2": 1 / 2, "3": 1 / 2}),  # half of the first is healthy
    (100, {"0": 0.5, "2": 1 / 2, "3": 1 / 2}),
    (300, {"0": 1, "2": 1 / 2, "3": 1 / 2}),
], ids=["as usual", "exactly", "far too many hosts"])
def test_weight_goes_down_with_health(either, hosts, factor, expected):
    assignment = assigned(group("a", hosts[:2], 1, ["HEALTHY", "UNHEALTHY"]), group("b", hosts[2:4], 1))
    if factor:
        assignment["policy"] = {"overprovisioning_factor": factor}
    proxy = either(http([forward()], [{**cluster("app", **WEIGHTED), "load_assignment": assignment}]))
    assert near(counts(proxy), expected)


def test_without_weights_all_hosts_are_alike(either, hosts):
    assignment = assigned(group("a", hosts[:1]), group("b", hosts[1:4]))
    proxy = either(http([forward()], [{**cluster("app", **WEIGHTED), "load_assignment": assignment}]))
    assert near(counts(proxy), dict.fromkeys("0123", 1))


def test_weights_without_the_setting_do_nothing(either, hosts):
    assignment = assigned(group("a", hosts[:1], 9), group("b", hosts[1:4], 1))
    proxy = either(http([forward()], [{**cluster("app"), "load_assignment": assignment}]))
    assert near(counts(proxy), dict.fromkeys("0123", 1))


def test_panic_forgets_localities(either, hosts):
    assignment = assigned(group("a", hosts[:1], 9), group("b", hosts[1:4], 1, ["UNHEALTHY"] * 3))
    proxy = either(http([forward()], [{**cluster("app", **WEIGHTED), "load_assignment": assignment}]))
    assert near(counts(proxy), dict.fromkeys("0123", 1))
    assert proxy.stat("cluster.app.lb_healthy_panic") == 600


@pytest.mark.parametrize("policy", [
    {"lb_policy": "RING_HASH", **WEIGHTED}, {"lb_policy": "MAGLEV", **WEIGHTED},
    extension(RING, locality_weighted_lb_config={}), extension(MAGLEV, locality_weighted_lb_config={}),
], ids=["ring", "maglev", "ring extension", "maglev extension"])
@pytest.mark.parametrize("node", [{}, {"node": {"id": "n", "cluster": "c", "locality": {"region": "r", "zone": "b"}}}],
                         ids=["nowhere", "in a zone"])
def test_hash_tables_have_localities_by_weight(start, start_envoy, hosts, policy, node):
    assignment = assigned(
        group("c", hosts[:2], 5, ["UNHEALTHY"]), group("a", hosts[2:3], 2), group("b", hosts[3:5], 3),
        group("d", hosts[5:]))
    config = {**http([forward(hash_policy=HEADER)], [{**cluster("app", **policy), "load_assignment": assignment}]), **node}
    own, envoy = both(start, start_envoy, config)
    found = places(own)
    assert found == places(envoy)
    assert set(found) == {"1", "2", "3", "4"}
    pattern = r"^cluster\.app\.(ring_hash_lb|maglev_lb)\."
    assert own.stats(pattern) == envoy.stats(pattern)


# Zone aware routing

def zoned(hosts, *groups, proxies=(("a", 1), ("b", 1)), zone="a", runtime=None, **settings):
    """A proxy in a zone, with others of its kind elsewhere."""
    local = [group(name, hosts[:1] * count) for name, count in proxies]
    for number, entry in enumerate(local):
        for place, endpoint in enumerate(entry["lb_endpoints"]):
            endpoint["endpoint"] = {"address": address(9, f"127.1.{number}.{place + 1}")}
    config = http([forward()], [
        {**cluster("app", **settings), "load_assignment": assigned(*groups)},
        {**cluster("proxies"), "load_assignment": assigned(*local, name="proxies")}])
    config["cluster_manager"] = {"local_cluster_name": "proxies"}
    config["node"] = {"id": "n", "cluster": "c", "locality": {"region": "r", "zone": zone}}
    if runtime:
        config["layered_runtime"] = {"layers": [{"name": "s", "static_layer": runtime}]}
    return config


def zone_settings(**settings):
    return {"common_lb_config": {"zone_aware_lb_config": settings}}


def zone_extension(name="round_robin.v3.RoundRobin", **settings):
    return extension(f"{POLICY}{name}", locality_lb_config={"zone_aware_lb_config": settings})


@pytest.mark.parametrize("settings", [
    {}, zone_settings(min_cluster_size=6), {"lb_policy": "LEAST_REQUEST"}, {"lb_policy": "RANDOM"},
    zone_extension("random.v3.Random"),
], ids=["by itself", "set", "least request", "random", "extension"])
def test_requests_stay_in_a_zone_that_can_take_them(either, hosts, settings):
    proxy = either(zoned(hosts, group("b", hosts[3:]), group("a", hosts[:3]), **settings))
    assert near(counts(proxy, 900), dict.fromkeys("012", 1))
    assert proxy.stats(ZONE_STATS) == {
        "cluster.app.lb_zone_routing_all_directly": 900, "cluster.app.lb_zone_routing_sampled": 0,
        "cluster.app.lb_zone_routing_cross_zone": 0, "cluster.app.lb_zone_no_capacity_left": 0,
        "cluster.app.lb_healthy_panic": 0}
    assert proxy.stat("cluster.app.lb_recalculate_zone_structures") > 0


def test_what_a_zone_cannot_take_goes_to_those_that_can(either, hosts):
    # A half of the proxies, a third of the hosts: two thirds stay. The rest goes to zones with more hosts than proxies.
    proxy = either(zoned(
        hosts, group("a", hosts[:2]), group("b", hosts[2:3]), group("c", hosts[3:]),
        proxies=(("a", 3), ("b", 2), ("c", 1))))
    found = counts(proxy, 900)
    assert near(found, {"0": 1 / 3, "1": 1 / 3, "3": 1 / 9, "4": 1 / 9, "5": 1 / 9})
    stats = proxy.stats(ZONE_STATS)
    assert stats["cluster.app.lb_zone_routing_sampled"] == found["0"] + found["1"]
    assert stats["cluster.app.lb_zone_routing_cross_zone"] == found["3"] + found["4"] + found["5"]


def test_a_zone_without_hosts_sends_all_elsewhere(either, hosts):
    proxy = either(zoned(hosts, group("b", hosts[:2]), group("c", hosts[2:]), proxies=(("a", 2), ("b", 1), ("c", 1))))
    found = counts(proxy, 600)
    # Of four proxies' load b's have a quarter, of the hosts a third; c's have two thirds.
    assert near(found, {"0": 1 / 12, "1": 1 / 12, "2": 5 / 24, "3": 5 / 24, "4": 5 / 24, "5": 5 / 24})
    assert proxy.stat("cluster.app.lb_zone_routing_cross_zone") == 600


NOWHERE = {
    "too few hosts": (dict(settings=zone_settings(min_cluster_size=7)), "lb_zone_cluster_too_small"),
    "too few hosts by runtime": (dict(runtime={"upstream.zone_routing.min_cluster_size": 7}), "lb_zone_cluster_too_small"),
    "switched off": (dict(settings=zone_settings(routing_enabled={"value": 0})), None),
    "switched off by runtime": (dict(runtime={"upstream.zone_routing.enabled": 0}), None),
    "switched off in the extension": (dict(settings=zone_extension(routing_enabled={"value": 0})), None),
    "proxies in one zone": (dict(proxies=(("a", 2),)), None),
    "no proxy here": (dict(zone="z"), "lb_local_cluster_not_ok"),
}


@pytest.mark.parametrize("change, stat", NOWHERE.values(), ids=NOWHERE.keys())
def test_all_hosts_are_alike(either, hosts, change, stat):
    change = dict(change)
    config = zoned(hosts, group("a", hosts[:3]), group("b", hosts[3:]), **change.pop("settings", {}), **change)
    proxy = either(config)
    assert near(counts(proxy), dict.fromkeys("012345", 1))
    assert proxy.stats(ZONE_STATS)["cluster.app.lb_zone_routing_all_directly"] == 0
    for name in ("lb_zone_cluster_too_small", "lb_local_cluster_not_ok"):
        assert (proxy.stat(f"cluster.app.{name}") > 0) == (name == stat)


def test_zones_by_weight(either, hosts):
    """A third of the hosts, but half of their weight: enough for half of the proxies."""
    groups = group("a", hosts[:2], load_balancing_weight=2), group("b", hosts[2:])
    proxy = either(zoned(hosts, *groups, **zone_extension(locality_basis="HEALTHY_HOSTS_WEIGHT")))
    assert near(counts(proxy, 300), dict.fromkeys("01", 1))
    assert proxy.stat("cluster.app.lb_zone_routing_all_directly") == 300


@pytest.mark.parametrize("settings, is_forced", [
    ({"force_local_zone": {}}, True), ({"force_local_zone": {"min_size": 2}}, False),
    ({"force_local_zone": {"min_size": 1}}, True),
])
def test_zones_by_force(either, hosts, settings, is_forced):
    proxy = either(zoned(hosts, group("a", hosts[:1]), group("b", hosts[1:]), **zone_extension(**settings)))
    assert (set(counts(proxy, 200)) == {"0"}) == is_forced


def test_force_needs_no_second_zone_of_proxies(either, hosts):
    proxy = either(zoned(hosts, group("a", hosts[:1]), group("b", hosts[1:]), proxies=(("a", 1),),
                         **zone_extension(force_local_zone={})))
    assert set(counts(proxy, 200)) == {"0"}


@pytest.mark.parametrize("settings", [zone_settings(fail_traffic_on_panic=True), zone_extension(fail_traffic_on_panic=True)],
                         ids=["cluster", "extension"])
@pytest.mark.parametrize("has_local", [True, False], ids=["beside a local cluster", "alone"])
def test_panic_may_fail(either, hosts, settings, has_local):
    config = zoned(hosts, group("a", hosts[:3], health=["UNHEALTHY"] * 2), group("b", hosts[3:], health=["UNHEALTHY"] * 3),
                   **settings)
    if not has_local:
        del config["cluster_manager"]
    proxy = either(config)
    with contextlib.closing(proxy.client()) as peer:
        answer = ask(peer)
    assert answer.status == 503 and answer.body.startswith(b"no healthy upstream")
    assert proxy.stat("cluster.app.lb_healthy_panic") == 1


def test_local_cluster_in_panic(either, hosts):
    config = zoned(hosts, group("a", hosts[:3]), group("b", hosts[3:]), proxies=(("a", 3), ("b", 3)))
    for entry in config["static_resources"]["clusters"][1]["load_assignment"]["endpoints"]:
        for endpoint in entry["lb_endpoints"][:2]:
            endpoint["health_status"] = "UNHEALTHY"
    proxy = either(config)
    assert near(counts(proxy), dict.fromkeys("012345", 1))
    assert proxy.stat("cluster.app.lb_local_cluster_not_ok") >= 600
    assert proxy.stat("cluster.app.lb_zone_routing_all_directly") == 0


def test_the_local_cluster_itself_knows_no_zones(either, hosts):
    config = zoned(hosts, group("a", hosts[:3]), group("b", hosts[3:]))
    config["cluster_manager"] = {"local_cluster_name": "app"}
    proxy = either(config)
    assert near(counts(proxy), dict.fromkeys("012345", 1))


# Endpoints that change

@pytest.fixture
def world(files):
    return InFiles(files)


def test_weights_of_an_assignment_hold_at_once(either, world, hosts):
    world.put(ENDPOINTS, assigned(group("a", hosts[:1], 1), group("b", hosts[1:3], 4)))
    proxy = either({**http([forward()], [eds_cluster(world, **WEIGHTED)]), "node": NODE})
    assert near(counts(proxy), {"0": 1, "1": 2, "2": 2})
    world.put(ENDPOINTS, assigned(group("a", hosts[:1], 6), group("b", hosts[1:3], 4)))
    wait_until(lambda: near(counts(proxy), {"0": 6, "1": 2, "2": 2}), "the new weights")


def test_zones_follow_the_local_cluster(either, world, hosts):
    def proxies(*zones):
        return assigned(*(group(zone, [number + 1]) for number, zone in enumerate(zones)), name="proxies")

    world.put(ENDPOINTS, proxies("a", "b"))
    config = zoned(hosts, group("a", hosts[:3]), group("b", hosts[3:]))
    config["static_resources"]["clusters"][1] = eds_cluster(world, "proxies")
    proxy = either(config)
    assert set(counts(proxy, 200)) == set("012")
    world.put(ENDPOINTS, proxies("a", "a", "a", "b"))
    # Half of the hosts for three quarters of the proxies: two thirds stay.
    wait_until(lambda: near(counts(proxy), {**dict.fromkeys("012", 2), **dict.fromkeys("345", 1)}), "the new plan")
    world.put(ENDPOINTS, proxies("b", "c"))
    wait_until(lambda: near(counts(proxy), dict.fromkeys("012345", 1)), "no plan")


@pytest.mark.parametrize("policy", [
    {"round_robin_lb_config": {"slow_start_config": {"slow_start_window": "1000s", "min_weight_percent": {"value": 0}}}},
    extension(f"{POLICY}least_request.v3.LeastRequest", slow_start_config={
        "slow_start_window": "1000s", "min_weight_percent": {"value": 0}}),
], ids=["round robin", "least request extension"])
def test_a_new_host_starts_slowly(either, world, hosts, policy):
    world.put(ENDPOINTS, endpoints(*hosts[:1]))
    proxy = either({**http([forward()], [eds_cluster(world, **policy)]), "node": NODE})
    # How old the first one is says how much less the second gets.
    time.sleep(1)
    world.put(ENDPOINTS, endpoints(*hosts[:2]))
    proxy.wait_stat("cluster.app.membership_total", 2)
    assert counts(proxy, 60)["1"] < 20


def test_without_slow_start_a_new_host_has_its_share(either, world, hosts):
    world.put(ENDPOINTS, endpoints(*hosts[:1]))
    proxy = either({**http([forward()], [eds_cluster(world)]), "node": NODE})
    world.put(ENDPOINTS, endpoints(*hosts[:2]))
    proxy.wait_stat("cluster.app.membership_total", 2)
    assert near(counts(proxy, 200), dict.fromkeys("01", 1))
