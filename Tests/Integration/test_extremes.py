"""Numbers at the ends of what their fields can hold, as a file or a control plane may have them: refused by name, or served."""
import contextlib

import pytest
from bootstrap import TCP, bootstrap, cluster, forward, http, listener, manager
from control_plane import CLUSTER, LISTENER
from harness import wait_until
from xds_world import Planned, body, wait_body

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LARGEST = (1 << 32) - 1
FOREVER = "315576000000s"


def weighted_tcp(*names):
    weights = [{"name": name, "weight": LARGEST} for name in names]
    return {"name": "tcp", "typed_config": {"@type": TCP, "stat_prefix": "tcp", "weighted_clusters": {"clusters": weights}}}


def test_weights_of_tcp_clusters_whose_sum_is_beyond_32_bits(start, named):
    names = [chr(97 + number) for number in range(5)]
    clusters = [cluster(name, named(name.encode()).port) for name in names]
    proxy = start(bootstrap([listener(weighted_tcp(*names))], clusters))
    assert {body(proxy) for _ in range(200)} == {name.encode() for name in names}


def test_the_same_from_a_control_plane(start, named):
    """What ends a process that starts would end one that serves."""
    world = Planned()
    proxy = start(world.bootstrap([cluster("a", named(b"a").port), cluster("b", named(b"b").port)]))
    world.put(LISTENER, listener(weighted_tcp("a", "b")))
    wait_until(lambda: body(proxy) in (b"a", b"b"), "served")


def test_more_choices_than_anybody_can_look_at(start, named):
    """Least request compares as many hosts as the file says, for each request."""
    world = Planned()
    one, two = named(b"one"), named(b"two")
    proxy = start(world.bootstrap())
    world.put(CLUSTER, cluster("app", one.port, two.port, lb_policy="LEAST_REQUEST",
                               least_request_lb_config={"choice_count": LARGEST}))
    world.put(LISTENER, listener(manager([forward()])))
    wait_until(lambda: body(proxy) in (b"one", b"two"), "served")
    assert {body(proxy) for _ in range(50)} == {b"one", b"two"}


@pytest.mark.parametrize("value", [1e300, -1e300, 1 << 32, -1, 0.5])
@pytest.mark.parametrize("key", [
    "outrider.listener.max_tls_handshake_ms", "outrider.control_plane.max_response_mib", "outrider.control_plane.max_resources",
    "outrider.upstream.max_original_dst_hosts", "outrider.tls.poll_files_seconds"])
def test_runtime_numbers_that_are_none(start, key, value):
    layers = {"layers": [{"name": "static", "static_layer": {key: value}}]}
    with pytest.raises(AssertionError, match="must be (a whole number|whole seconds) from 0 to"):
        start(http(clusters=[cluster("app", 1)]) | {"layered_runtime": layers})


#: Fields of a connection manager and a cluster that take a length of time, and those that take a number.
MANAGER_TIMES = ["stream_idle_timeout", "request_timeout", "request_headers_timeout", "drain_timeout", "delayed_close_timeout",
                 "stream_flush_timeout"]
COMMON_TIMES = ["idle_timeout", "max_connection_duration", "max_stream_duration"]
ROUTE_TIMES = ["timeout", "idle_timeout"]


def everything(port, number, time):
    """A proxy that has whatever it can have set to the same number and the same time."""
    retries = {"retry_on": "5xx", "num_retries": number, "per_try_timeout": time, "per_try_idle_timeout": time,
               "retry_back_off": {"base_interval": time, "max_interval": time},
               "rate_limited_retry_back_off": {"reset_headers": [{"name": "retry-after"}], "max_interval": time}}
    route = forward(retry_policy=retries, **{name: time for name in ROUTE_TIMES},
                    max_stream_duration={"max_stream_duration": time, "grpc_timeout_header_max": time,
                                         "grpc_timeout_header_offset": time})
    filters = manager(
        [route], route_config={"max_direct_response_body_size_bytes": number},
        common_http_protocol_options={**{name: time for name in COMMON_TIMES}, "max_headers_count": max(number, 100),
                                      "max_requests_per_connection": number},
        **{name: time for name in MANAGER_TIMES})
    limits = {"max_connections": number, "max_pending_requests": number, "max_requests": number, "max_retries": number,
              "max_connection_pools": number, "track_remaining": True}
    outliers = {"interval": time, "base_ejection_time": time, "max_ejection_time": time, "max_ejection_time_jitter": time,
                "consecutive_5xx": number, "consecutive_gateway_failure": number, "success_rate_minimum_hosts": number,
                "success_rate_request_volume": number, "success_rate_stdev_factor": number,
                "failure_percentage_minimum_hosts": number, "failure_percentage_request_volume": number}
    checks = {"timeout": time, "interval": time, "interval_jitter": time, "interval_jitter_percent": number,
              "initial_jitter": "0.000000001s", "unhealthy_interval": time, "unhealthy_edge_interval": time,
              "healthy_edge_interval": time, "no_traffic_interval": time, "unhealthy_threshold": number,
              "healthy_threshold": number, "http_health_check": {"path": "/"}}
    app = cluster("app", port, connect_timeout=time, circuit_breakers={"thresholds": [limits, {**limits, "priority": "HIGH"}]},
                  outlier_detection=outliers, health_checks=[checks], lb_policy="LEAST_REQUEST",
                  least_request_lb_config={"choice_count": max(number, 2), "active_request_bias": {"default_value": number, "runtime_key": "b"}},
                  common_lb_config={"healthy_panic_threshold": {"value": 100}},
                  upstream_connection_options={"tcp_keepalive": {}},
                  load_assignment={"cluster_name": "app", "policy": {"overprovisioning_factor": max(number, 1)}, "endpoints": [
                      {"priority": 0, "lb_endpoints": [{"load_balancing_weight": max(number, 1), "endpoint": {"address": {
                          "socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]})
    return bootstrap([listener(filters, per_connection_buffer_limit_bytes=number, tcp_backlog_size=number,
                               listener_filters_timeout=time, max_connections_to_accept_per_socket_event=max(number, 1))], [app])


@pytest.mark.parametrize("time", [FOREVER, "9223372036.854775807s", "9223372037s"])
def test_the_largest_of_everything(start, upstream, time):
    """Sums and products of such settings do not overflow: requests are served, and the pages of the admin port."""
    proxy = start(everything(upstream().port, LARGEST, time))
    wait_body(proxy, b"hello")
    with contextlib.closing(proxy.client()) as client:
        for _ in range(3):
            client.send(GET)
            assert client.response().body == b"hello"
    for page in ("/stats", "/clusters", "/clusters?format=json", "/config_dump", "/stats/prometheus"):
        assert proxy.get_admin(page).status == 200
    proxy.signal(15)
    assert proxy.process.wait(20) == 0


def test_the_smallest_of_everything(start, upstream):
    """Whatever becomes of requests, the process lives, and ends when it is told to."""
    proxy = start(everything(upstream().port, 1, "0.000000001s"))
    for _ in range(50):
        with contextlib.suppress(OSError, AttributeError):
            with contextlib.closing(proxy.client()) as client:
                client.send(GET)
                client.response()
    assert proxy.get_admin("/clusters").status == 200
    proxy.signal(15)
    assert proxy.process.wait(20) == 0
