"""What is said between the proxy and its control plane: subscriptions, ACK and NACK, reconnecting, time limits, secrets, TLS,
and control planes that do not behave. Most of it against the real Envoy, too."""
import base64
import contextlib
import json
import ssl

import grpc
import pytest
from bootstrap import DOWNSTREAM_TLS, UPSTREAM_TLS, address, cluster, forward, listener
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, discovery
from cryptography import x509
from google.protobuf import any_pb2, json_format
from harness import free_port, wait_until
from pki import client_context
from xds_world import (
    NODE, VARIANTS, Planned, ask, body, direct, eds_cluster, endpoints, fill, rds_manager, routes, wait_body)


@pytest.fixture
def planned():
    """planned(variant...) -> a world with a control plane."""
    with contextlib.ExitStack() as stack:

        def launch(**settings):
            made = Planned(**settings)
            stack.callback(made.plane.stop)
            return made

        yield launch


@pytest.fixture(params=[*VARIANTS])
def world(request, planned):
    return planned(**VARIANTS[request.param])


@pytest.fixture(params=["ads", "ads-delta"])
def aggregated(request, planned):
    return planned(**VARIANTS[request.param])


def names(request):
    """The names that a request of either variant asks for."""
    return [*(request.resource_names_subscribe if hasattr(request, "resource_names_subscribe") else request.resource_names)]


def version_text(proxy, prefix):
    for line in proxy.get_admin("/stats").body.decode().splitlines():
        if line.startswith(prefix + ".version_text: "):
            return json.loads(line.partition(": ")[2])
    return None


def ready(proxy):
    return proxy.get_admin("/ready").status == 200


# Subscriptions


def test_what_is_asked_for(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    plane = world.plane
    for type_url, wanted in ((CLUSTER, []), (ENDPOINTS, ["app"]), (LISTENER, []), (ROUTES, ["routes"])):
        first = plane.requests(type_url)[0]
        assert names(first) == wanted and first.response_nonce == ""
        assert world.aggregated is False or first.type_url == type_url
    first = plane.requests()[0]
    node = json_format.MessageToDict(first.node, preserving_proto_field_name=True)
    assert node["id"] == "proxy-1" and node["cluster"] == "shop" and node["locality"] == {"zone": "z1"}
    assert node["metadata"] == NODE["metadata"]
    assert node["user_agent_name"] in ("envoy", "outrider") and node["user_agent_build_version"]["version"]
    calls = {stream.call for stream in plane.streams}
    kind = "Delta" if world.delta else "Stream"
    if world.aggregated:
        assert calls == {f"/envoy.service.discovery.v3.AggregatedDiscoveryService/{kind}AggregatedResources"}
        assert len(plane.streams) == 1
    else:
        assert calls == {
            f"/envoy.service.{one}.v3.{one.capitalize()}DiscoveryService/{kind}{one.capitalize()}s"
            for one in ("cluster", "endpoint", "listener", "route")}


def test_every_response_is_acknowledged(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    world.put(ROUTES, routes(forward("/only")))
    world.plane.wait_ack(ROUTES)
    wait_body(proxy, 404)
    last = world.plane.requests(ROUTES)[-1]
    assert last.response_nonce and not last.HasField("error_detail")
    assert version_text(proxy, "http.ingress.rds.routes") == str(world.plane.version)


def test_names_follow_the_clusters(either, aggregated, named):
    fill(aggregated, named(b"one").port)
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"one")
    aggregated.put(ENDPOINTS, endpoints(named(b"two").port, name="second"))
    aggregated.put(CLUSTER, eds_cluster(aggregated, "second"))
    plane = aggregated.plane
    if aggregated.delta:
        wait_until(lambda: any(names(one) == ["second"] for one in plane.requests(ENDPOINTS)), "subscribed")
    else:
        wait_until(lambda: set(names(plane.requests(ENDPOINTS)[-1])) == {"app", "second"}, "subscribed")
    proxy.wait_stat("cluster_manager.warming_clusters", 0)
    aggregated.remove(CLUSTER, "second")
    if aggregated.delta:
        wait_until(
            lambda: any([*one.resource_names_unsubscribe] == ["second"] for one in plane.requests(ENDPOINTS)), "unsubscribed")
    else:
        wait_until(lambda: names(plane.requests(ENDPOINTS)[-1]) == ["app"], "unsubscribed")


def test_a_service_name_is_asked_for(either, aggregated, named):
    fill(aggregated, named(b"one").port)
    changed = eds_cluster(aggregated)
    changed["eds_cluster_config"]["service_name"] = "service-x"
    aggregated.put(CLUSTER, changed)
    aggregated.put(ENDPOINTS, endpoints(named(b"x").port, name="service-x"))
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"x")
    assert names(aggregated.plane.requests(ENDPOINTS)[0]) == ["service-x"]


# NACK


def test_a_broken_cluster_is_refused_and_the_others_are_taken(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    # Well formed, and wrong: a cluster of this type has one endpoint.
    broken = {**cluster("broken", 1, 2), "type": "LOGICAL_DNS"}
    world.put(ENDPOINTS, endpoints(named(b"two").port, name="good"))
    world.put(CLUSTER, broken, eds_cluster(world, "good"))
    error = world.plane.wait_nack(CLUSTER)
    assert "broken" in error.message
    world.put(ROUTES, routes(forward(to="good")))
    wait_body(proxy, b"two")
    assert proxy.stat("cluster_manager.cds.update_rejected") >= 1
    world.remove(CLUSTER, "broken")
    world.plane.wait_ack(CLUSTER)


def test_a_broken_listener_is_refused_and_the_old_one_serves(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    before = version_text(proxy, "listener_manager.lds")
    world.put(LISTENER, {"name": "main", "address": address(), "filter_chains": []})
    error = world.plane.wait_nack(LISTENER)
    assert "main" in error.message
    assert body(proxy) == b"one"
    assert proxy.stat("listener_manager.lds.update_rejected") >= 1
    assert version_text(proxy, "listener_manager.lds") == before
    world.put(LISTENER, listener(rds_manager(world, server_name="again")))
    world.plane.wait_ack(LISTENER)
    wait_body(proxy, b"one")


def test_a_port_that_is_taken_is_refused(either, aggregated, named):
    taken = named(b"one")
    fill(aggregated, taken.port)
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"one")
    aggregated.put(LISTENER, listener(
        rds_manager(aggregated), "second", address=address(taken.port), enable_reuse_port=False))
    error = aggregated.plane.wait_nack(LISTENER)
    assert "second" in error.message and ("bind" in error.message or "in use" in error.message)
    assert body(proxy) == b"one"


def test_broken_routes_are_refused_and_the_old_ones_serve(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    twice = routes()
    twice["virtual_hosts"].append({**twice["virtual_hosts"][0], "name": "again"})
    world.put(ROUTES, twice)
    world.plane.wait_nack(ROUTES)
    assert body(proxy) == b"one"
    assert proxy.stat("http.ingress.rds.routes.update_rejected") >= 1


def test_broken_endpoints_are_refused_and_the_old_ones_serve(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    world.put(ENDPOINTS, endpoints({"endpoint": {"address": address(1, "not-an-address")}}))
    world.plane.wait_nack(ENDPOINTS)
    assert body(proxy) == b"one"
    assert proxy.stat("cluster.app.update_rejected") >= 1


def test_rubbish_is_refused(either, aggregated, named):
    fill(aggregated, named(b"one").port)
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"one")
    broken = any_pb2.Any(type_url=CLUSTER, value=b"\x0a\xff\xff\xff\xff\x0f")
    if aggregated.delta:
        made = discovery.DeltaDiscoveryResponse(type_url=CLUSTER, nonce="x", system_version_info="9", resources=[
            discovery.Resource(name="broken", version="1", resource=broken)])
    else:
        made = discovery.DiscoveryResponse(type_url=CLUSTER, nonce="x", version_info="9", resources=[broken])
    aggregated.plane.inject(made)
    error = aggregated.plane.wait_nack(CLUSTER)
    assert error.message
    assert body(proxy) == b"one"


# The stream


def test_a_control_plane_that_goes_and_returns(either, aggregated, named):
    fill(aggregated, named(b"one").port)
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"one")
    proxy.wait_stat("control_plane.connected_state", 1)
    aggregated.plane.stop()
    proxy.wait_stat("control_plane.connected_state", 0)
    assert body(proxy) == b"one"
    aggregated.plane.ended = []
    aggregated.plane.put(ROUTES, routes(direct("new")))
    aggregated.plane.start()
    wait_body(proxy, b"new")
    first = {one: aggregated.plane.requests(one)[0] for one in (CLUSTER, ENDPOINTS, LISTENER, ROUTES)}
    for type_url, request in first.items():
        assert request.response_nonce == ""
        if aggregated.delta:
            assert len(request.initial_resource_versions) == 1, type_url
        else:
            assert request.version_info != "", type_url
    assert body(proxy) == b"new" and proxy.stat("cluster_manager.cluster_removed") == 0


def test_a_stream_that_ends_is_opened_again(either, world, named):
    fill(world, named(b"one").port)
    proxy = either(world.bootstrap())
    wait_body(proxy, b"one")
    count = len(world.plane.streams)
    world.plane.hang_up()
    wait_until(lambda: len(world.plane.streams) == count, "new streams")
    world.put(ROUTES, routes(forward("/only")))
    wait_body(proxy, 404)
    assert proxy.stat("cluster_manager.cds.update_failure") >= 1


# Time


def test_ready_waits_for_the_first_answers(either, aggregated, named):
    fill(aggregated, named(b"one").port)
    aggregated.plane.quiet = {LISTENER}
    proxy = either(aggregated.bootstrap(), wait=False)
    proxy.wait_admin()
    proxy.wait_stat("cluster_manager.cds.update_success", 1)
    wait_until(lambda: aggregated.plane.requests(LISTENER), "listeners are asked for")
    assert not ready(proxy)
    aggregated.plane.quiet = set()
    aggregated.plane.push(LISTENER)
    wait_until(lambda: ready(proxy), "ready")
    wait_body(proxy, b"one")


@pytest.mark.parametrize("silent", [CLUSTER, ENDPOINTS, LISTENER, ROUTES], ids=["cds", "eds", "lds", "rds"])
def test_the_first_answer_has_its_time(either, planned, named, silent):
    world = planned(initial_fetch_timeout="0.5s")
    fill(world, named(b"one").port)
    world.plane.quiet = {silent}
    proxy = either(world.bootstrap(), wait=False)
    proxy.wait_admin()
    wait_until(lambda: ready(proxy), "ready without the answer")
    prefix = {CLUSTER: "cluster_manager.cds", ENDPOINTS: "cluster.app", LISTENER: "listener_manager.lds",
              ROUTES: "http.ingress.rds.routes"}[silent]
    assert proxy.stat(prefix + ".init_fetch_timeout") == 1
    wanted = {CLUSTER: 503, ENDPOINTS: 503, LISTENER: None, ROUTES: 404}[silent]
    wait_body(proxy, wanted)
    world.plane.quiet = set()
    world.plane.push(silent)
    wait_body(proxy, b"one")


def test_clusters_warm_before_they_serve(either, aggregated, named):
    one = named(b"one")
    fill(aggregated, one.port)
    proxy = either(aggregated.bootstrap())
    wait_body(proxy, b"one")
    aggregated.plane.quiet = {ENDPOINTS}
    aggregated.put(ROUTES, routes(forward("/new", to="new"), forward()))
    aggregated.put(CLUSTER, eds_cluster(aggregated, "new"))
    proxy.wait_stat("cluster_manager.warming_clusters", 1)
    wait_body(proxy, 503, "/new")
    aggregated.plane.quiet = set()
    aggregated.put(ENDPOINTS, endpoints(named(b"two").port, name="new"))
    wait_body(proxy, b"two", "/new")
    proxy.wait_stat("cluster_manager.warming_clusters", 0)


# Secrets


def secured(world, trusted=None):
    common = {"tls_certificate_sds_secret_configs": [{"name": "pair", "sds_config": world.source(SECRET)}]}
    if trusted:
        common["validation_context_sds_secret_config"] = {"name": trusted, "sds_config": world.source(SECRET)}
    context = {"@type": DOWNSTREAM_TLS, "common_tls_context": common}
    if trusted:
        context["require_client_certificate"] = True
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return listener(rds_manager(world), chain={"transport_socket": socket})


def secret(leaf, name="pair"):
    pair = {"certificate_chain": {"inline_bytes": encoded(leaf.certificate_path)},
            "private_key": {"inline_bytes": encoded(leaf.key_path)}}
    return {"name": name, "tls_certificate": pair}


def trust(authority):
    return {"name": "trust", "validation_context": {"trusted_ca": {"inline_bytes": encoded(authority.path)}}}


def encoded(path):
    return base64.b64encode(path.read_bytes()).decode()


def serial(proxy, context):
    """The certificate that a new connection sees; None: nobody is there."""
    try:
        with contextlib.closing(proxy.client(tls=context, server_name="localhost")) as peer:
            return x509.load_der_x509_certificate(peer.sock.getpeercert(True)).serial_number
    except (OSError, KeyError):
        return None


def test_certificates_come_and_are_replaced(either, world, named, ca):
    first, second = ca.leaf("first", dns=["localhost"]), ca.leaf("second", dns=["localhost"])
    fill(world, named(b"one").port)
    world.put(LISTENER, secured(world))
    world.put(SECRET, secret(first))
    proxy = either(world.bootstrap())
    context = client_context(ca)
    wait_until(lambda: serial(proxy, context) == first.certificate.serial_number, "the first certificate")
    world.put(SECRET, secret(second))
    wait_until(lambda: serial(proxy, context) == second.certificate.serial_number, "the second certificate")
    assert proxy.stat("listener_manager.listener_modified") == 0
    world.put(SECRET, {"name": "pair", "tls_certificate": {
        "certificate_chain": {"inline_string": "no certificate"}, "private_key": {"inline_string": "no key"}}})
    world.plane.wait_nack(SECRET)
    assert serial(proxy, context) == second.certificate.serial_number


def test_a_static_listener_waits_for_its_secret(either, aggregated, named, ca):
    leaf = ca.leaf("static", dns=["localhost"])
    fill(aggregated, named(b"one").port)
    aggregated.remove(LISTENER, "main")
    aggregated.plane.quiet = {SECRET}
    config = aggregated.bootstrap()
    config["static_resources"]["listeners"] = [secured(aggregated)]
    proxy = either(config, wait=False)
    proxy.wait_admin()
    wait_until(lambda: aggregated.plane.requests(SECRET), "the secret is asked for")
    assert not ready(proxy)
    aggregated.plane.quiet = set()
    aggregated.put(SECRET, secret(leaf))
    wait_until(lambda: ready(proxy), "ready")
    assert serial(proxy, client_context(ca)) == leaf.certificate.serial_number


def test_a_listener_that_waits_for_its_secret_is_taken_back(start, aggregated, named, ca):
    fill(aggregated, named(b"one").port)
    aggregated.plane.quiet = {SECRET}
    proxy = start(aggregated.bootstrap())
    wait_body(proxy, b"one")
    aggregated.put(LISTENER, secured(aggregated))
    wait_until(lambda: aggregated.plane.requests(SECRET), "the secret is asked for")
    assert body(proxy) == b"one"
    aggregated.put(LISTENER, listener(rds_manager(aggregated)))
    aggregated.plane.wait_ack(LISTENER)
    aggregated.plane.quiet = set()
    aggregated.put(SECRET, secret(ca.leaf("late", dns=["localhost"])))
    aggregated.put(ROUTES, routes(direct("new")))
    wait_body(proxy, b"new")


def test_who_is_trusted_comes_and_is_replaced(either, aggregated, named, ca, other_ca):
    leaf = ca.leaf("server", dns=["localhost"])
    fill(aggregated, named(b"one").port)
    aggregated.put(LISTENER, secured(aggregated, "trust"))
    aggregated.put(SECRET, secret(leaf), trust(ca))
    proxy = either(aggregated.bootstrap())

    def served(leaf):
        try:
            with contextlib.closing(proxy.client(tls=client_context(ca, leaf), server_name="localhost")) as peer:
                return ask(peer).body == b"one"
        except (OSError, KeyError, AttributeError, ssl.SSLError):
            return False

    mine, theirs = ca.leaf("mine", uri=["spiffe://a/b"]), other_ca.leaf("theirs", uri=["spiffe://a/b"])
    wait_until(lambda: served(mine), "the client of the first CA")
    assert not served(theirs)
    aggregated.put(SECRET, trust(other_ca))
    wait_until(lambda: served(theirs), "the client of the second CA")
    assert not served(mine)


# The way to the control plane


def test_over_tls(either, planned, named, ca):
    leaf = ca.leaf("plane", dns=["localhost"])
    credentials = grpc.ssl_server_credentials(
        [(leaf.key_path.read_bytes(), leaf.certificate_path.read_bytes())], ca.path.read_bytes(), True)
    world = planned(credentials=credentials)
    fill(world, named(b"one").port)
    context = {"@type": UPSTREAM_TLS, "common_tls_context": {
        "tls_certificates": [ca.leaf("proxy").config], "validation_context": {"trusted_ca": {"filename": str(ca.path)}}}}
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    proxy = either(world.bootstrap(cluster={"transport_socket": socket}))
    wait_body(proxy, b"one")


def test_the_next_host_is_tried(either, planned, named):
    world = planned()
    fill(world, named(b"one").port)
    two = {"load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [
        {"endpoint": {"address": address(port)}} for port in (free_port(), world.port)]}]}}
    proxy = either(world.bootstrap(cluster=two))
    wait_body(proxy, b"one")


def test_initial_metadata_goes_along(either, planned, named):
    world = planned()
    fill(world, named(b"one").port)
    config = world.bootstrap()
    service = config["dynamic_resources"]["ads_config"]["grpc_services"][0]
    service["initial_metadata"] = [{"key": "x-token", "value": "secret"}]
    proxy = either(config)
    wait_body(proxy, b"one")
    assert world.plane.streams[0].metadata["x-token"] == "secret"
