"""What the admin pages show of resources that come while the proxy runs: filters of /config_dump, /clusters, /init_dump and
/server_info. Where both proxies show it, the real Envoy is asked, too."""
import contextlib
import json
import threading

import pytest
from bootstrap import address, bootstrap, listener
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from harness import response, serve, wait_until
from test_xds_grpc import aggregated, planned, secured  # noqa: F401
from xds_world import NODE, body, direct, eds_cluster, endpoints, fill, rds_manager, routes, wait_body

FILE_SINK = "type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink"
TYPES = "type.googleapis.com/envoy."


def two_of_each(world, port):
    fill(world, port)
    world.put(ENDPOINTS, endpoints(port, name="service"))
    other = eds_cluster(world, "other")
    other["eds_cluster_config"]["service_name"] = "service"
    world.put(CLUSTER, other)
    world.put(ROUTES, routes(direct("other"), name="more"))
    world.put(LISTENER, listener(rds_manager(world, "more"), "second"))


def page(proxy, query):
    answer = proxy.get_admin("/config_dump?" + query)
    return json.loads(answer.body).get("configs", []) if answer.status == 200 else answer.status


def names(proxy, field, *path, **query):
    """The names in a list of the dump."""
    more = "".join(f"&{key}={value}" for key, value in query.items())
    found = []
    for one in page(proxy, f"resource={field}{more}"):
        for step in path:
            one = one[step]
        found.append(one)
    return sorted(found)


@pytest.fixture
def served(either, aggregated, named):  # noqa: F811
    two_of_each(aggregated, named(b"one").port)
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"one")
    wait_body(proxy, b"other", name="second")
    return proxy


@pytest.mark.parametrize("field, path, all_names, one, extra", [
    ("dynamic_active_clusters", ("cluster", "name"), ["app", "other"], "other", {}),
    ("dynamic_listeners", ("name",), ["main", "second"], "second", {}),
    ("dynamic_route_configs", ("route_config", "name"), ["more", "routes"], "more", {}),
    ("dynamic_endpoint_configs", ("endpoint_config", "cluster_name"), ["app", "service"], "service", {"include_eds": ""}),
])
def test_lists_are_chosen_by_name(served, field, path, all_names, one, extra):
    assert names(served, field, *path, **extra) == all_names
    assert names(served, field, *path, name_regex=one, **extra) == [one]
    # The whole name has to match.
    assert names(served, field, *path, name_regex=one[:3], **extra) == []
    assert names(served, field, *path, name_regex=one[:3] + ".*", **extra) == [one]
    if extra:
        assert page(served, f"resource={field}") == 404


@pytest.mark.parametrize("query, wanted", [
    ("resource=dynamic_active_clusters&mask=cluster.name&name_regex=app", [
        {"@type": TYPES + "admin.v3.ClustersConfigDump.DynamicCluster", "cluster": {"@type": CLUSTER, "name": "app"}}]),
    ("resource=dynamic_listeners&mask=name&name_regex=main", [
        {"@type": TYPES + "admin.v3.ListenersConfigDump.DynamicListener", "name": "main"}]),
    ("resource=dynamic_route_configs&mask=route_config.name&name_regex=routes", [
        {"@type": TYPES + "admin.v3.RoutesConfigDump.DynamicRouteConfig", "route_config": {"@type": ROUTES, "name": "routes"}}]),
    ("resource=dynamic_endpoint_configs&include_eds&mask=endpoint_config.cluster_name&name_regex=app", [
        {"@type": TYPES + "admin.v3.EndpointsConfigDump.DynamicEndpointConfig",
         "endpoint_config": {"@type": ENDPOINTS, "cluster_name": "app"}}]),
    ("resource=dynamic_active_clusters&mask=nothing", 400),
    ("mask=dynamic_listeners.name", 400),
    ("mask=dynamic_warming_clusters", [{"@type": TYPES + "admin.v3.ClustersConfigDump"}]),
])
def test_masks(served, query, wanted):
    assert page(served, query) == wanted


def test_a_mask_inside_the_state_of_a_listener(start, aggregated, named):  # noqa: F811
    """Envoy does not look into a resource that is as deep."""
    fill(aggregated, named(b"one").port)
    assert page(start(aggregated.bootstrap()), "resource=dynamic_listeners&mask=active_state.listener.name") == [
        {"@type": TYPES + "admin.v3.ListenersConfigDump.DynamicListener",
         "active_state": {"listener": {"@type": LISTENER, "name": "main"}}}]


def test_a_mask_of_lists(served):
    found, = page(served, "mask=dynamic_active_clusters&name_regex=app")
    assert list(found) == ["@type", "dynamic_active_clusters"] and len(found["dynamic_active_clusters"]) == 1


def test_clusters_and_listeners(served):
    text = served.get_admin("/clusters").body.decode()
    assert "xds::added_via_api::false\n" in text
    assert "app::added_via_api::true\napp::127.0.0.1:" in text
    assert "other::added_via_api::true\nother::eds_service_name::service\n" in text
    found = {one["name"]: one for one in json.loads(served.get_admin("/clusters?format=json").body)["cluster_statuses"]}
    assert [(name, one.get("added_via_api"), one.get("eds_service_name")) for name, one in sorted(found.items())] == [
        ("app", True, None), ("other", True, "service"), ("xds", None, None)]
    statuses = json.loads(served.get_admin("/listeners?format=json").body)["listener_statuses"]
    assert sorted(one["name"] for one in statuses) == ["main", "second"]
    assert all(one["local_address"]["socket_address"]["port_value"] for one in statuses)


def test_who_the_server_is(served):
    node = json.loads(served.get_admin("/server_info").body)["node"]
    assert (node["id"], node["cluster"], node["metadata"]) == (NODE["id"], NODE["cluster"], NODE["metadata"])


def states(proxy, name="main"):
    found, = page(proxy, f"resource=dynamic_listeners&name_regex={name}") or [{}]
    return {key.removesuffix("_state"): one["version_info"] for key, one in found.items() if key.endswith("_state")}


def test_a_listener_that_drains_is_shown(either, aggregated, named, upstream):  # noqa: F811
    """As long as a request runs on it."""
    gate = threading.Event()

    def hold(_request):
        gate.wait(20)
        return response(body=b"late")

    world = aggregated
    fill(world, upstream(lambda peer, _number: serve(hold)(peer, 1)).port)
    proxy = either(world.bootstrap(), arguments=["--drain-time-s", "600"])
    first = wait_until(lambda: states(proxy).get("active"), "active")
    with contextlib.closing(proxy.client()) as peer:
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        proxy.wait_stat("http.ingress.downstream_rq_active", 1)
        world.remove(LISTENER, "main")
        wait_until(lambda: states(proxy) == {"draining": first}, lambda: states(proxy))
        gate.set()
        assert peer.response().body == b"late"


def test_a_listener_that_has_drained_is_not_shown(start, aggregated, named):  # noqa: F811
    """Envoy shows it until the drain time is over, connections or none."""
    world = aggregated
    fill(world, named(b"one").port)
    proxy = start(world.bootstrap(), arguments=["--drain-time-s", "600"])
    wait_body(proxy, b"one")
    world.remove(LISTENER, "main")
    wait_until(lambda: states(proxy) == {}, lambda: states(proxy))


def unready(proxy):
    found = json.loads(proxy.get_admin("/init_dump").body).get("unready_targets_dumps", [])
    # Envoy adds a number that is different each time.
    return {" ".join(word for word in one["name"].split() if not word.isdigit()): sorted(one["target_names"]) for one in found}


def test_what_listeners_wait_for(either, aggregated, named):  # noqa: F811
    world = aggregated
    fill(world, named(b"one").port)
    world.remove(ROUTES, "routes")
    proxy = either(world.bootstrap(), wait=False)
    proxy.wait_admin()
    manager = "init manager Listener-local-init-manager main"
    wait_until(lambda: unready(proxy) == {manager: ["shared target RdsRouteConfigSubscription RDS init routes"]},
               lambda: unready(proxy))
    assert proxy.get_admin("/ready").status == 503
    world.put(ROUTES, routes())
    wait_until(lambda: unready(proxy) == {}, lambda: unready(proxy))
    wait_until(lambda: proxy.get_admin("/ready").status == 200, "ready")


def test_what_a_listener_waits_for_with_secrets(either, aggregated, named):  # noqa: F811
    world = aggregated
    fill(world, named(b"one").port)
    world.put(LISTENER, secured(world, "trust"))
    proxy = either(world.bootstrap(), wait=False)
    proxy.wait_admin()
    wait_until(lambda: unready(proxy) == {
        "init manager Listener-local-init-manager main": ["shared target SdsApi pair", "shared target SdsApi trust"]},
        lambda: unready(proxy))


def test_what_the_start_waits_for(start, aggregated, named):  # noqa: F811
    """Envoy shows nothing before its listeners."""
    world = aggregated
    world.plane.quiet.update([CLUSTER, LISTENER, ENDPOINTS])
    fill(world, named(b"one").port)
    proxy = start(world.bootstrap(), wait=False)
    proxy.wait_admin()

    def wait_for(*targets):
        wanted = {"init manager Server": [*targets]} if targets else {}
        wait_until(lambda: unready(proxy) == wanted, lambda: unready(proxy))

    def give(type_url):
        world.plane.quiet.discard(type_url)
        world.plane.push(type_url)

    wait_for("CDS")
    give(CLUSTER)
    wait_for("cluster app")
    give(ENDPOINTS)
    wait_for("LDS")
    give(LISTENER)
    wait_for()


def test_the_start_does_not_wait_for_endpoints_that_are_refused(either, aggregated, named):  # noqa: F811
    world = aggregated
    fill(world, named(b"one").port)
    world.put(ENDPOINTS, endpoints({"endpoint": {"address": address(1, "not-an-address")}}))
    proxy = either(world.bootstrap())
    assert body(proxy) == 503
    assert proxy.stat("cluster.app.update_rejected") == 1
    world.put(ENDPOINTS, endpoints(named(b"two").port))
    wait_body(proxy, b"two")


# A file of events that cannot be opened


def checked(path):
    sink = {"name": "file", "typed_config": {"@type": FILE_SINK, "event_log_path": path}}
    return {"health_checks": [{
        "timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "tcp_health_check": {},
        "event_logger": [sink]}]}


def test_a_cluster_whose_event_log_cannot_be_opened_is_refused(start, aggregated, named):  # noqa: F811
    world = aggregated
    fill(world, named(b"one").port)
    proxy = start(world.bootstrap())
    wait_body(proxy, b"one")
    world.put(CLUSTER, eds_cluster(world, **checked("/no/such/folder/log")))
    told = world.plane.wait_nack(CLUSTER).message
    assert "cds 'app': health_checks[0].event_logger[0].typed_config.event_log_path: " in told, told
    assert "/no/such/folder/log" in told and "No such file" in told, told
    wait_body(proxy, b"one")
    failed, = page(proxy, "resource=dynamic_active_clusters&mask=error_state.details")
    assert failed["error_state"]["details"] == told


def test_a_static_cluster_whose_event_log_cannot_be_opened_stops_the_start(start):
    static = {"name": "app", "type": "STATIC", "connect_timeout": "1s", **checked("/no/such/folder/log"), "load_assignment": {
        "cluster_name": "app", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(1)}}]}]}}
    with pytest.raises(AssertionError, match=r"cluster 'app': health_checks\[0\]\.event_logger\[0\]\.typed_config\."
                                             "event_log_path: .*No such file"):
        start(bootstrap([], [static]))
