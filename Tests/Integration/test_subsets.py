"""lb_subset_config: requests that go to some of a cluster's hosts, by metadata; the same of Envoy, which counts subsets once for
each of its threads."""
import contextlib

import pytest
from bootstrap import address, bootstrap, cluster, forward, http, listener, tcp_proxy
from control_plane import CLUSTER, ENDPOINTS, ROUTES
from harness import wait_until
from test_listener_filters import extension, proxy_protocol, v2
from test_xds import world  # noqa: F401
from xds_world import ask, eds_cluster, fill, routes, wait_body

LABELS = [{"v": "1", "stage": "prod"}, {"v": "1", "stage": "dev"}, {"v": "2", "stage": "prod"}, {"stage": "prod"},
          {"v": ["2", "3"], "n": 1}]


@pytest.fixture
def hosts(named):
    """Servers that answer with their numbers."""
    return [named(str(number).encode()).port for number in range(len(LABELS))]


def lb(**labels):
    return {"filter_metadata": {"envoy.lb": labels}}


def assignment(ports, labels=LABELS, **settings):
    endpoints = [{"endpoint": {"address": address(port)}, **({"metadata": lb(**one)} if one else {})}
                 for port, one in zip(ports, labels)]
    for number, more in settings.items():
        endpoints[int(number[1:])].update(more)
    return {"cluster_name": "app", "endpoints": [{"lb_endpoints": endpoints}]}


def selector(*keys, **settings):
    return {"keys": list(keys), **settings}


def subsets(*selectors, **settings):
    return {"lb_subset_config": {"subset_selectors": list(selectors), **settings}}


# What is wanted, by the path of a request; None: no metadata_match.
WANTED = {"v1": {"v": "1"}, "v2": {"v": "2"}, "v3": {"v": "3"}, "v9": {"v": "9"}, "both": {"stage": "prod", "v": "1"},
          "none": {"stage": "test", "v": "1"}, "stage": {"stage": "dev"}, "number": {"n": 1}, "text": {"n": "1"}, "other": {"x": "y"},
          "empty": {}, "list": {"v": ["2", "3"]},
          "fallback": {"stage": "prod", "fallback_list": [{"v": "9"}, {"v": "2"}, {"v": "1"}]},
          "dry": {"stage": "none", "fallback_list": [{"v": "1"}]}, "plain": None}


def table(to="app"):
    entries = []
    for name, labels in WANTED.items():
        action = {} if labels is None else {"metadata_match": lb(**labels)}
        entries.append({"match": {"path": f"/{name}"}, "route": {"cluster": to, **action}})
    return entries


def shares(proxy, name, count=16):
    """The hosts that requests of a path get, or the status."""
    with contextlib.closing(proxy.client()) as peer:
        found = [ask(peer, f"/{name}") for _ in range(count)]
    return frozenset(one.body.decode() if one.status == 200 else str(one.status) for one in found)


CASES = {
    "no fallback": subsets(selector("v")),
    "any": subsets(selector("v"), selector("v", "stage"), fallback_policy="ANY_ENDPOINT"),
    "default": subsets(selector("stage", "v"), fallback_policy="DEFAULT_SUBSET", default_subset={"stage": "prod"}),
    "default without labels": subsets(selector("v"), fallback_policy="DEFAULT_SUBSET"),
    "default without hosts": subsets(selector("v"), fallback_policy="DEFAULT_SUBSET", default_subset={"stage": "x"}),
    "panic": subsets(selector("v"), fallback_policy="DEFAULT_SUBSET", default_subset={"stage": "x"}, panic_mode_any=True),
    "panic without fallback": subsets(selector("v"), panic_mode_any=True),
    "own fallbacks": subsets(
        selector("v", fallback_policy="NO_FALLBACK"), selector("stage", fallback_policy="ANY_ENDPOINT"),
        selector("n", fallback_policy="DEFAULT_SUBSET"),
        selector("v", "stage", fallback_policy="KEYS_SUBSET", fallback_keys_subset=["v"]),
        fallback_policy="DEFAULT_SUBSET", default_subset={"v": "2"}),
    "keys to keys": subsets(
        selector("v", fallback_policy="ANY_ENDPOINT"),
        selector("stage", "v", fallback_policy="KEYS_SUBSET", fallback_keys_subset=["stage"])),
    "lists": subsets(selector("v"), selector("n", "v"), list_as_any=True, fallback_policy="DEFAULT_SUBSET", default_subset={"v": "3"}),
    "single": subsets(selector("v", single_host_per_subset=True), selector("stage", single_host_per_subset=True)),
    "fallback list": subsets(selector("stage", "v"), metadata_fallback_policy="FALLBACK_LIST", fallback_policy="ANY_ENDPOINT"),
    "no selectors": {"lb_subset_config": {"fallback_policy": "DEFAULT_SUBSET", "default_subset": {"v": "1"}}},
    "no keys": subsets(selector(), fallback_policy="DEFAULT_SUBSET", default_subset={"v": "1"}),
}
COUNTED = r"^cluster\.app\.(lb_subsets_(selected|fallback|fallback_panic|single_host_per_subset_duplicate)|lb_healthy_panic)"


# No policy has a say in which subset it is.
POLICIES = [("ROUND_ROBIN", name) for name in CASES] + [
    (policy, name) for policy in ("LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV") for name in ("own fallbacks", "lists")]


@pytest.mark.parametrize(("policy", "name"), POLICIES)
def test_same_hosts_as_envoy(start, start_envoy, hosts, policy, name):
    config = http(table(), [{**cluster("app", lb_policy=policy, **CASES[name]), "load_assignment": assignment(hosts)}])
    # Of the random ones each host of a subset may be missed once in a thousand times.
    count = 16 if policy == "ROUND_ROBIN" else 60
    own, envoy = start(config), start_envoy(config)
    found, expected = ({name: shares(proxy, name, count) for name in WANTED} for proxy in (own, envoy))
    assert found == expected
    assert own.stats(COUNTED) == envoy.stats(COUNTED)
    assert own.stat("cluster.app.lb_subsets_active") * 2 == envoy.stat("cluster.app.lb_subsets_active")


def test_health_counts_within_a_subset(start, start_envoy, hosts):
    """Unhealthy ones are left out, priorities follow each other, and a subset panics by itself."""
    labels = [{"v": "1"}, {"v": "1"}, {"v": "2"}, {"v": "2"}, {"v": "2"}]
    load = assignment(hosts, labels, _0={"health_status": "UNHEALTHY"}, _2={"health_status": "UNHEALTHY"})
    low = load["endpoints"][0]["lb_endpoints"].pop()
    load["endpoints"].append({"priority": 1, "lb_endpoints": [low]})
    config = http(table(), [{**cluster("app", **subsets(selector("v"))), "load_assignment": load}])
    found = []
    for launch in (start, start_envoy):
        proxy = launch(config)
        found.append([shares(proxy, name, 40) for name in ("v1", "v2")] + [proxy.stat("cluster.app.lb_healthy_panic")])
    assert found[0] == found[1]
    assert found[0][0] == {"1"} and found[0][1] == {"3", "4"}


@pytest.mark.parametrize("scaled", [False, True])
def test_localities_keep_their_weights(start, start_envoy, hosts, scaled):
    localities = [
        {"locality": {"zone": "a"}, "load_balancing_weight": 3}, {"locality": {"zone": "b"}, "load_balancing_weight": 1}]
    labels = [[{"v": "1"}, {"v": "2"}, {"v": "2"}], [{"v": "1"}]]
    ports = iter(hosts)
    for locality, of in zip(localities, labels):
        locality["lb_endpoints"] = [{"endpoint": {"address": address(next(ports))}, "metadata": lb(**one)} for one in of]
    config = http(table(), [{
        **cluster("app", common_lb_config={"locality_weighted_lb_config": {}},
                  **subsets(selector("v"), locality_weight_aware=True, scale_locality_weight=scaled)),
        "load_assignment": {"cluster_name": "app", "endpoints": localities}}])
    counts = []
    for launch in (start, start_envoy):
        with contextlib.closing(launch(config).client()) as peer:
            counts.append([ask(peer, "/v1").body for _ in range(80)].count(b"0"))
    # Where a round begins is left to chance.
    assert all(abs(count - (40 if scaled else 60)) <= 2 for count in counts), counts


def test_weighted_clusters_have_criteria_of_their_own(start, start_envoy, hosts):
    """Their values come before the route's, the others of the route stay."""
    targets = [{"name": "app", "weight": 1, "metadata_match": lb(stage="dev")}, {"name": "app", "weight": 1},
               {"name": "app", "weight": 1, "metadata_match": lb(v="2")}]
    route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": targets}, "metadata_match": lb(v="1", stage="prod")}}
    config = http([route], [{**cluster("app", **subsets(selector("v", "stage"))), "load_assignment": assignment(hosts)}])
    assert shares(start(config), "", 60) == shares(start_envoy(config), "", 60) == {"0", "1", "2"}


def test_a_header_names_the_cluster(start, start_envoy, hosts):
    route = {"match": {"prefix": "/"}, "route": {"cluster_header": "x-to", "metadata_match": lb(v="2")}}
    config = http([route], [{**cluster("app", **subsets(selector("v"))), "load_assignment": assignment(hosts)}])
    for launch in (start, start_envoy):
        with contextlib.closing(launch(config).client()) as peer:
            peer.send("GET / HTTP/1.1\r\nhost: a\r\nx-to: app\r\n\r\n")
            assert peer.response().body == b"2"


TCP_TARGETS = {
    "one": {"cluster": "app", "metadata_match": lb(v="2")},
    "weighted": {"cluster": None, "metadata_match": lb(v="1", stage="dev"), "weighted_clusters": {"clusters": [
        {"name": "app", "weight": 1, "metadata_match": lb(v="2", stage="prod")}, {"name": "app", "weight": 1}]}},
    "nothing": {"cluster": "app"},
}


@pytest.mark.parametrize("target", TCP_TARGETS.values(), ids=TCP_TARGETS.keys())
def test_tcp_sessions(start, start_envoy, hosts, target):
    keys = ["v", "stage"] if "weighted_clusters" in target else ["v"]
    proxy_filter = tcp_proxy(**target)
    if target["cluster"] is None:
        del proxy_filter["typed_config"]["cluster"]
    config = bootstrap([listener(proxy_filter)], [{
        **cluster("app", **subsets(selector(*keys))), "load_assignment": assignment(hosts)}])

    def found(proxy):
        seen = set()
        for _ in range(30):
            with contextlib.closing(proxy.client()) as peer:
                with contextlib.suppress(OSError, EOFError):
                    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                    answer = peer.response()
                    seen.add(answer.body if answer else None)
        return seen

    own = found(start(config))
    assert own - {None} == found(start_envoy(config)) - {None} == {
        "one": {b"2"}, "weighted": {b"1", b"2"}, "nothing": set()}[
            next(name for name, value in TCP_TARGETS.items() if value is target)]


def test_a_proxy_protocol_header_chooses(start, start_envoy, hosts):
    """What it says under envoy.lb comes before what the TCP proxy wants."""
    rules = [{"tlv_type": 0xEA, "on_tlv_present": {"metadata_namespace": "envoy.lb", "key": "v"}}]
    config = bootstrap([listener(tcp_proxy(metadata_match=lb(v="1", stage="prod")), listener_filters=[proxy_protocol(rules=rules)])], [{
        **cluster("app", **subsets(selector("v", "stage"))), "load_assignment": assignment(hosts)}])
    for launch in (start, start_envoy):
        proxy = launch(config)
        for extensions, expected in ((extension(0xEA, b"2"), b"2"), (b"", b"0")):
            with contextlib.closing(proxy.client()) as peer:
                peer.send(v2(extensions=extensions) + b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                assert peer.response().body == expected


def test_retries_go_to_other_hosts_of_the_subset(start, start_envoy, upstream, named):
    """previous_hosts within a subset of two."""
    def refuses(peer, _number):
        while peer.request():
            peer.send(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")

    bad, good, other = upstream(refuses), named(b"good"), named(b"other")
    retry = {"retry_policy": {"retry_on": "5xx", "num_retries": 1, "host_selection_retry_max_attempts": 10,
                              "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                                  "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]}}
    load = assignment([bad.port, good.port, other.port], [{"v": "1"}, {"v": "1"}, {"v": "2"}])
    config = http([forward(metadata_match=lb(v="1"), **retry)], [{**cluster("app", **subsets(selector("v"))), "load_assignment": load}])
    for launch in (start, start_envoy):
        assert shares(launch(config), "", 20) == {"good"}


def test_endpoints_and_routes_change(either, world, hosts):  # noqa: F811
    """Other metadata make other subsets, and what is wanted changes with the routes."""
    fill(world, *hosts)
    world.put(CLUSTER, eds_cluster(world, **subsets(selector("v"))))
    world.put(ENDPOINTS, assignment(hosts[:2], [{"v": "1"}, {"v": "2"}]))
    world.put(ROUTES, routes(forward(metadata_match=lb(v="1"))))
    proxy = either(world.bootstrap())
    wait_body(proxy, b"0")
    world.put(ENDPOINTS, assignment(hosts[:2], [{"v": "2"}, {"v": "1"}]))
    wait_body(proxy, b"1")
    world.put(ROUTES, routes(forward(metadata_match=lb(v="2"))))
    wait_body(proxy, b"0")
    world.put(ENDPOINTS, assignment(hosts[:2], [{"v": "3"}, {"v": "1"}]))
    wait_until(lambda: shares(proxy, "", 1) == {"503"}, "no subset")
    assert proxy.stat("cluster.app.lb_subsets_created") >= 3 and proxy.stat("cluster.app.lb_subsets_removed") >= 1
    assert proxy.stat("cluster.app.membership_change") == 1


def test_more_subsets_than_there_may_be(start, hosts):
    """Those that come first are there; for the others requests fall back."""
    config = http(table(), [{**cluster("app", **subsets(selector("v"), selector("stage"), fallback_policy="DEFAULT_SUBSET",
                                                        default_subset={"n": 1})), "load_assignment": assignment(hosts)}])
    config["layered_runtime"] = {"layers": [{"name": "l", "static_layer": {"outrider.upstream.max_subsets": 2}}]}
    proxy = start(config)
    assert shares(proxy, "v1") == {"0", "1"} and shares(proxy, "v2") == {"4"}
    assert proxy.stat("cluster.app.lb_subsets_active") == 2 and proxy.stat("cluster.app.lb_subsets_overflow") > 0
    assert "outrider.upstream.max_subsets 2" in proxy.log_text()
