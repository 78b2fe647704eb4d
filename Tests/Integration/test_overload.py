"""The overload manager: pressures, triggers, actions and load shed points, here and in the real Envoy.

The pressure is what a test writes into a file (`injected_resource`), but where the resource itself is tested.
"""
import contextlib
import os
import pathlib
import re

import pytest
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, bootstrap, cluster, forward, http, listener, manager
from harness import connect, readable, wait_until
from http2_peers import GOAWAY, H2

ACTION, POINT = "envoy.overload_actions.", "envoy.load_shed_points."
INJECTED = "envoy.resource_monitors.injected_resource"
GLOBAL = "envoy.resource_monitors.global_downstream_max_connections"
GET = "GET /x HTTP/1.1\r\nhost: a\r\n\r\n"
POST = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n"
LOG = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"
FLUSH = ["--file-flush-interval-msec", "10"]


def monitor(kind, message, name=None, **config):
    url = f"type.googleapis.com/envoy.extensions.resource_monitors.{kind}.v3.{message}"
    return {"name": name or f"envoy.resource_monitors.{kind}", "typed_config": {"@type": url, **config}}


def heap(size):
    return monitor("fixed_heap", "FixedHeapConfig", max_heap_size_bytes=size)


def cgroup(size):
    return monitor("cgroup_memory", "CgroupMemoryConfig", max_memory_bytes=size)


def cpu(mode):
    return monitor("cpu_utilization", "CpuUtilizationConfig", mode=mode)


def connections(limit):
    return monitor("downstream_connections", "DownstreamConnectionsConfig", GLOBAL,
                   max_active_downstream_connections=limit)


def threshold(value=0.9, resource=INJECTED):
    return [{"name": resource, "threshold": {"value": value}}]


def scaled(begin, end):
    return [{"name": INJECTED, "scaled": {"scaling_threshold": begin, "saturation_threshold": end}}]


def action(name, triggers=None, **settings):
    return {"name": ACTION + name, "triggers": triggers or threshold(), **settings}


def point(name, triggers=None):
    return {"name": POINT + name, "triggers": triggers or threshold()}


def reduce(timer, least, triggers=None):
    url = "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig"
    return action("reduce_timeouts", triggers, typed_config={
        "@type": url, "timer_scale_factors": [{"timer": timer, **least}]})


class Pressure:
    """A file with a pressure, for `injected_resource`."""

    def __init__(self, folder):
        self.path = folder / "pressure"
        self.write(0)

    def write(self, value):
        new = self.path.with_name("new")
        new.write_text(str(value))
        new.rename(self.path)

    @property
    def monitor(self):
        return monitor("injected_resource", "InjectedResourceConfig", filename=str(self.path))

    def set(self, proxy, value):
        """Writes it, and waits until the proxy acts on it."""
        self.write(value)
        wait_until(lambda: proxy.stat(f"overload.{INJECTED}.pressure") == round(value * 100), f"a pressure of {value}")
        if is_envoy(proxy):
            # Its main thread shows what its workers may still have to hear of. (The uptime moves with the stats' flush.)
            begun = proxy.stat("server.uptime")
            wait_until(lambda: proxy.stat("server.uptime") > begun, "a second")


@pytest.fixture
def pressure(tmp_path):
    return Pressure(tmp_path)


@pytest.fixture
def overloaded(either, upstream, pressure, tmp_path):
    """overloaded([actions], [points], ...) -> a proxy whose pressure the test sets."""

    def launch(actions=(), points=(), listener_settings=None, **settings):
        logs = [{"name": "file", "typed_config": {"@type": FILE_LOG, "path": str(tmp_path / "access"), "log_format": {
            "text_format_source": {"inline_string": LOG}}}}]
        config = http(clusters=[cluster("app", upstream().port)], access_log=logs, **settings)
        config["stats_flush_interval"] = "0.1s"
        config["static_resources"]["listeners"][0].update(stat_prefix="main", **(listener_settings or {}))
        config["overload_manager"] = {
            "refresh_interval": "0.05s", "resource_monitors": [pressure.monitor], "actions": list(actions),
            "loadshed_points": list(points)}
        return either(config, arguments=FLUSH)

    return launch


def lines(tmp_path, count):
    path = tmp_path / "access"
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= count, "the access log")
    return path.read_text().splitlines()


def is_envoy(proxy):
    return proxy.process.args[0].endswith("envoy")


def names_cause(proxy, text, name):
    """Outrider's answers and lines say what decided."""
    return is_envoy(proxy) or (name in text and f"{INJECTED} (filename '" in text and "is at 100%, threshold 90%" in text)


# MARK: Requests


@pytest.mark.parametrize("by", ["action", "point"])
def test_new_requests_are_refused(overloaded, pressure, tmp_path, by):
    name = ACTION + "stop_accepting_requests" if by == "action" else POINT + "http_connection_manager_decode_headers"
    proxy = overloaded(
        [action("stop_accepting_requests")] if by == "action" else [],
        [] if by == "action" else [point("http_connection_manager_decode_headers")], append_local_overload=True)
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 200
    pressure.set(proxy, 1)
    for _ in range(2):
        client.send(GET)
        answer = client.response()
        text = answer.body.decode()
        assert (answer.status, answer.get("x-envoy-local-overloaded"), answer.get("content-type")) == (
            503, "true", "text/plain")
        assert text.startswith("envoy overloaded") and names_cause(proxy, text, name)
    client.send(GET.replace("host", "content-type: application/grpc\r\nhost"))
    answer = client.response()
    assert (answer.status, answer.get("grpc-status")) == (200, "14")
    assert answer.get("grpc-message").startswith("envoy overloaded")
    pressure.set(proxy, 0)
    client.send(GET)
    assert client.response().status == 200
    assert proxy.stat("http.ingress.downstream_rq_overload_close") == 3
    if by == "point":
        assert proxy.stat(f"overload.{name}.shed_load_count") == 3
    assert lines(tmp_path, 5)[1:3] == ["503 - overload"] * 2


def test_an_answer_says_nothing_of_it_unless_asked_to(overloaded, pressure):
    proxy = overloaded([action("stop_accepting_requests")])
    pressure.set(proxy, 1)
    client = proxy.client()
    client.send(POST + "abc" + GET)
    assert client.response().get("x-envoy-local-overloaded") is None


def test_a_scaled_trigger_refuses_some(overloaded, pressure):
    proxy = overloaded([action("stop_accepting_requests", scaled(0.2, 0.8))])
    pressure.set(proxy, 0.5)
    name = f"overload.{ACTION}stop_accepting_requests."
    assert (proxy.stat(name + "active"), proxy.stat(name + "scale_percent")) == (0, 50)
    client, seen = proxy.client(), []
    for _ in range(400):
        client.send(GET)
        seen.append(client.response().status)
    assert 100 < seen.count(503) < 300 and seen.count(200) == 400 - seen.count(503)


def test_the_trigger_that_asks_for_most_decides(either, upstream, pressure):
    config = http(clusters=[cluster("app", upstream().port)])
    triggers = threshold() + threshold(0.5, "other")
    other = {**heap(1 << 50), "name": "other"}
    config["overload_manager"] = {
        "refresh_interval": "0.05s", "resource_monitors": [other, pressure.monitor],
        "actions": [action("stop_accepting_requests", triggers)]}
    proxy = either(config)
    assert proxy.stat("overload.other.pressure") == 0
    pressure.set(proxy, 1)
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 503


def test_http2_requests_are_refused_one_by_one(overloaded, pressure):
    proxy = overloaded([action("stop_accepting_requests")])
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.answer(1).status == 200
    pressure.set(proxy, 1)
    client.headers(3)
    answer = client.answer(3)
    assert answer.status == 503 and answer.body.startswith(b"envoy overloaded")
    pressure.set(proxy, 0)
    client.headers(5)
    assert client.answer(5).status == 200


@pytest.mark.parametrize("route", ["forwards", "answers"])
def test_the_router_refuses_what_would_go_upstream(overloaded, pressure, tmp_path, route):
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 418}}
    proxy = overloaded(points=[point("http_downstream_filter_check")], routes=[direct if route == "answers" else forward()])
    pressure.set(proxy, 1)
    client = proxy.client()
    client.send(GET)
    answer = client.response()
    if route == "answers":
        assert answer.status == 418
        return
    assert answer.status == 503 and answer.body.startswith(b"envoy overloaded")
    assert names_cause(proxy, answer.body.decode(), POINT + "http_downstream_filter_check")
    assert proxy.stat("http.ingress.rq_overload_local_reply") == proxy.stat("http.ingress.rq_total") == 1
    assert proxy.stat("cluster.app.upstream_rq_total") == 0
    assert lines(tmp_path, 1) == ["503 - overload"]


# MARK: Connections that are there


def test_http1_connections_close_with_their_response(overloaded, pressure):
    proxy = overloaded([action("disable_http_keepalive")])
    client = proxy.client()
    client.send(GET)
    assert client.response().get("connection") is None
    pressure.set(proxy, 1)
    client.send(GET)
    answer = client.response()
    assert (answer.status, answer.get("connection")) == (200, "close") and client.closed()
    assert proxy.stat("http.ingress.downstream_cx_overload_disable_keepalive") == 1
    assert proxy.stat("http.ingress.downstream_cx_drain_close") == 1


@pytest.mark.parametrize("by", ["action", "point"])
def test_http2_connections_drain(overloaded, pressure, by):
    proxy = overloaded(
        [action("disable_http_keepalive")] if by == "action" else [],
        [] if by == "action" else [point("http2_server_go_away_on_dispatch")], drain_timeout="0.1s")
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.answer(1).status == 200
    pressure.set(proxy, 1)
    client.headers(3)
    assert client.answer(3).status == 200
    assert client.goaway() == 0
    if by == "action":
        assert proxy.stat("http.ingress.downstream_cx_overload_disable_keepalive") == 1
    else:
        assert proxy.stat(f"overload.{POINT}http2_server_go_away_on_dispatch.shed_load_count") >= 1


def test_http2_connections_are_cut_off(overloaded, pressure):
    proxy = overloaded(points=[point("http2_server_go_away_and_close_on_dispatch")])
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.answer(1).status == 200
    pressure.set(proxy, 1)
    client.headers(3)
    client.until(GOAWAY)
    with contextlib.suppress(AssertionError):
        assert client.answer(3).status is None
    assert proxy.stat(f"overload.{POINT}http2_server_go_away_and_close_on_dispatch.shed_load_count") == 1
    assert proxy.stat("cluster.app.upstream_rq_total") == 1


@pytest.mark.parametrize("moment", ["new", "idle", "in the body"])
def test_http1_connections_are_answered_and_closed(overloaded, pressure, tmp_path, moment):
    name = "http1_server_abort_dispatch"
    proxy = overloaded(points=[point(name)])
    client = proxy.client()
    if moment == "idle":
        client.send(GET)
        assert client.response().status == 200
    if moment == "in the body":
        client.send(POST)
        wait_until(lambda: proxy.stat("http.ingress.downstream_rq_active") == 1, "the request")
    pressure.set(proxy, 1)
    client.send("abc" if moment == "in the body" else GET)
    answer = client.response()
    assert (answer.status, answer.get("connection")) == (500, "close") and client.closed()
    text = answer.body.decode()
    assert text.startswith("Internal Server Error") and names_cause(proxy, text, POINT + name)
    assert proxy.stat(f"overload.{POINT}{name}.shed_load_count") == 1
    assert proxy.stat("http.ingress.downstream_rq_overload_close") == 1
    assert lines(tmp_path, 2 if moment == "idle" else 1)[-1] == "500 DPE overload"


def test_no_codec_is_made(overloaded, pressure):
    proxy = overloaded(points=[point("hcm_ondata_creating_codec")])
    pressure.set(proxy, 1)
    client = proxy.client()
    with contextlib.suppress(ConnectionError):
        client.send(GET)
    assert client.closed()
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_active") == 0, "the connection's end")
    assert proxy.stat("http.ingress.downstream_rq_overload_close") == 1
    assert proxy.stat("http.ingress.downstream_cx_total") == 1 and proxy.stat("http.ingress.downstream_rq_total") == 0
    assert proxy.stat(f"overload.{POINT}hcm_ondata_creating_codec.shed_load_count") == 1


# MARK: New connections


@pytest.mark.parametrize("by", ["action", "point"])
def test_new_connections_are_rejected(overloaded, pressure, by):
    name = ACTION + "reject_incoming_connections" if by == "action" else POINT + "tcp_listener_accept"
    proxy = overloaded(
        [action("reject_incoming_connections")] if by == "action" else [],
        [] if by == "action" else [point("tcp_listener_accept")])
    old = proxy.client()
    old.send(GET)
    assert old.response().status == 200
    pressure.set(proxy, 1)
    assert not knock(proxy.port("main"), [])
    old.send(GET)
    assert old.response().status == 200
    assert proxy.stat("listener.main.downstream_cx_overload_reject") == 1
    assert proxy.stat("listener.main.downstream_cx_total") == 1
    if by == "point":
        assert proxy.stat(f"overload.{name}.shed_load_count") == 1
    if not is_envoy(proxy):
        assert names_cause(proxy, proxy.log_text(), name) and "was not let in" in proxy.log_text()
    pressure.set(proxy, 0)
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 200


def test_new_connections_wait(overloaded, pressure):
    proxy = overloaded([action("stop_accepting_connections")])
    old, port = proxy.client(), proxy.port("main")
    old.send(GET)
    assert old.response().status == 200
    pressure.set(proxy, 1)
    waiting = connect(port)
    waiting.send(GET)
    old.send(GET)
    assert old.response().status == 200
    assert not readable([waiting.sock], 0.3)
    pressure.write(0)
    assert waiting.response().status == 200


@pytest.mark.parametrize("name", ["stop_accepting_requests", "disable_http_keepalive", "stop_accepting_connections",
                                  "reject_incoming_connections", "tcp_listener_accept", "hcm_ondata_creating_codec",
                                  "http_connection_manager_decode_headers", "http1_server_abort_dispatch",
                                  "http_downstream_filter_check"])
def test_a_listener_can_be_left_alone(overloaded, pressure, name):
    is_action = any(part in name for part in ("stop_", "disable_", "reject_"))
    proxy = overloaded(
        [action(name)] if is_action else [], [] if is_action else [point(name)],
        listener_settings={"bypass_overload_manager": True})
    pressure.set(proxy, 1)
    client = proxy.client()
    client.send(GET)
    answer = client.response()
    assert (answer.status, answer.get("connection")) == (200, None)


# MARK: The limit on connections of all listeners


def two_listeners(upstream, **second):
    return bootstrap(
        [listener(manager([forward()]), stat_prefix="one"),
         listener(manager([forward()]), name="second", stat_prefix="two", **second)],
        [cluster("app", upstream.port)])


def knock(port, kept):
    """Whether a connection gets an answer; it stays open."""
    with contextlib.suppress(ConnectionError):
        client = connect(port)
        client.send(GET)
        if answer := client.response():
            kept.append(client)
            return answer.status == 200
    return False


@pytest.mark.parametrize("ignores", [False, True])
def test_connections_are_limited_over_all_listeners(either, upstream, ignores):
    config = two_listeners(upstream(), ignore_global_conn_limit=ignores)
    config["overload_manager"] = {"resource_monitors": [connections(3)]}
    proxy, kept = either(config, concurrency=2), []
    one, two = proxy.port("main"), proxy.port("second")
    assert [knock(two, kept) for _ in range(2)] == [True, True]
    # As in Envoy, the monitor does not count connections of listeners that ignore it.
    assert [knock(one, kept) for _ in range(5)] == ([True] * 3 + [False] * 2 if ignores else [True] + [False] * 4)
    assert knock(two, kept) == ignores
    overflow = "downstream_global_cx_overflow"
    assert (proxy.stat(f"listener.one.{overflow}"), proxy.stat(f"listener.two.{overflow}")) == (
        (2, 0) if ignores else (4, 1))
    assert proxy.stat(f"overload.{GLOBAL}.failed_updates") == (2 if ignores else 5)
    assert proxy.get_admin("/ready").status == 200
    for client in kept:
        client.close()
    wait_until(lambda: knock(one, kept), "a place that is free again")
    if not is_envoy(proxy):
        assert "max_active_downstream_connections 3" in proxy.log_text()


@pytest.mark.parametrize("ignores", [False, True])
def test_the_old_runtime_key_counts_the_admin_port_too(either, upstream, ignores):
    config = two_listeners(upstream(), ignore_global_conn_limit=True)
    config["admin"]["ignore_global_conn_limit"] = ignores
    config["layered_runtime"] = {"layers": [
        {"name": "all", "static_layer": {"overload.global_downstream_max_connections": 3}}]}
    proxy, kept = either(config), []
    one, two = proxy.port("main"), proxy.port("second")
    with contextlib.closing(connect(proxy.admin)) as admin:
        admin.send("GET /ready HTTP/1.1\r\nhost: a\r\n\r\n")
        assert admin.response().status == 200
        assert [knock(one, kept) for _ in range(4)] == [True, True, False, False]
        assert knock(two, kept)
    if ignores:
        assert proxy.stat("listener.one.downstream_global_cx_overflow") == 2
    else:
        with pytest.raises((ConnectionError, AttributeError)):
            assert proxy.get_admin("/ready").status == 200
    for client in kept:
        client.close()
    wait_until(lambda: knock(one, kept), "a place that is free again")


# MARK: Timeouts

LEAST = {"min_timeout": "0.1s"}


def test_connections_idle_for_less(overloaded, pressure):
    proxy = overloaded([reduce("HTTP_DOWNSTREAM_CONNECTION_IDLE", LEAST)], drain_timeout="0.1s")
    old = proxy.client()
    old.send(GET)
    assert old.response().status == 200
    pressure.set(proxy, 1)
    assert old.closed()
    assert proxy.client().closed()
    assert proxy.stat("http.ingress.downstream_cx_idle_timeout") == 2
    pressure.set(proxy, 0)
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 200 and not readable([client.sock], 0.3)


def test_connections_live_for_less(overloaded, pressure):
    proxy = overloaded(
        [reduce("HTTP_DOWNSTREAM_CONNECTION_MAX", {"min_scale": {"value": 0.01}})], drain_timeout="0.1s",
        common_http_protocol_options={"max_connection_duration": "600s"})
    old = proxy.client()
    old.send(GET)
    assert old.response().status == 200
    pressure.set(proxy, 1)
    assert old.closed()
    assert proxy.stat("http.ingress.downstream_cx_max_duration_reached") == 1


@pytest.mark.parametrize("begun", ["before", "after"])
@pytest.mark.parametrize("owner", ["manager", "route"])
def test_streams_idle_for_less(overloaded, pressure, begun, owner):
    limits = {"idle_timeout": "300s"} if owner == "route" else {}
    proxy = overloaded([reduce("HTTP_DOWNSTREAM_STREAM_IDLE", LEAST)], routes=[forward(**limits)])
    client = proxy.client()
    if begun == "after":
        pressure.set(proxy, 1)
    client.send(POST)
    if begun == "before":
        wait_until(lambda: proxy.stat("http.ingress.downstream_rq_active") == 1, "the request")
        pressure.set(proxy, 1)
    answer = client.response()
    assert answer.status == 408 and answer.body.startswith(b"stream timeout")
    assert proxy.stat("http.ingress.downstream_rq_idle_timeout") == 1
    if not is_envoy(proxy):
        assert b"idle_timeout 300s, reduced by envoy.overload_actions.reduce_timeouts" in answer.body


def test_handshakes_take_less(either, upstream, pressure, ca):
    tls = {"@type": DOWNSTREAM_TLS, "common_tls_context": {"tls_certificates": [ca.leaf("server", dns=["a"]).config]}}
    chain = {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
             "transport_socket_connect_timeout": "600s"}
    config = bootstrap(
        [listener(manager([forward()]), chain=chain, stat_prefix="main")], [cluster("app", upstream().port)])
    config["overload_manager"] = {
        "refresh_interval": "0.05s", "resource_monitors": [pressure.monitor],
        "actions": [reduce("TRANSPORT_SOCKET_CONNECT", LEAST)]}
    proxy = either(config)
    silent = proxy.client()
    wait_until(lambda: proxy.stat("listener.main.downstream_cx_active") == 1, "the connection")
    pressure.set(proxy, 1)
    assert silent.closed()
    assert proxy.client().closed()
    assert proxy.stat("listener.main.downstream_cx_transport_socket_connect_timeout") == 2


# MARK: Resources


def test_a_heap_over_its_limit(either, upstream):
    config = http(clusters=[cluster("app", upstream().port)])
    config["overload_manager"] = {
        "refresh_interval": "0.05s", "resource_monitors": [heap(4096)],
        "actions": [action("stop_accepting_requests", threshold(0.95, "envoy.resource_monitors.fixed_heap"))]}
    proxy = either(config)
    name = "overload.envoy.resource_monitors.fixed_heap."
    wait_until(lambda: proxy.stat(name + "pressure") > 100, "a pressure")
    client = proxy.client()
    client.send(GET)
    answer = client.response()
    assert answer.status == 503
    assert is_envoy(proxy) or b"fixed_heap (max_heap_size_bytes 4096) is at " in answer.body
    assert (proxy.stat(name + "failed_updates"), proxy.stat(name + "skipped_updates")) == (0, 0)


def test_the_heap_is_the_memory_of_the_process(start, upstream):
    config = http(clusters=[cluster("app", upstream().port)])
    config["overload_manager"] = {"refresh_interval": "0.05s", "resource_monitors": [heap(100 << 20)]}
    proxy = start(config)
    fields = pathlib.Path(f"/proc/{proxy.process.pid}/statm").read_text().split()
    anonymous = (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
    pressure = proxy.stat("overload.envoy.resource_monitors.fixed_heap.pressure")
    assert abs(pressure - anonymous * 100 / (100 << 20)) <= 5


def memory_cgroup():
    folders = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
    return any(os.path.exists(path) for path in folders)


@pytest.mark.skipif(not memory_cgroup(), reason="needs a memory cgroup")
def test_a_cgroup_over_its_limit(either, upstream):
    config = http(clusters=[cluster("app", upstream().port)])
    config["overload_manager"] = {
        "refresh_interval": "0.05s", "resource_monitors": [cgroup(4096)],
        "actions": [action("stop_accepting_requests", threshold(0.95, "envoy.resource_monitors.cgroup_memory"))]}
    proxy = either(config)
    wait_until(lambda: proxy.stat("overload.envoy.resource_monitors.cgroup_memory.pressure") > 100, "a pressure")
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 503


@pytest.mark.parametrize("mode", ["HOST", "CONTAINER"])
def test_cpus(either, upstream, mode):
    config = http(clusters=[cluster("app", upstream().port)])
    config["overload_manager"] = {"refresh_interval": "0.05s", "resource_monitors": [cpu(mode)]}
    proxy = either(config)
    name = "overload.envoy.resource_monitors.cpu_utilization."
    if mode == "HOST":
        # Two processes work, if nobody else does: the one that is asked and the one that asks.
        wait_until(lambda: proxy.stat(name + "pressure") > 0, "a load")
        # The kernel counts by hundredths of a second: a reading may find that none has passed.
        return
    before = proxy.stat(name + "failed_updates")
    wait_until(lambda: proxy.stat(name + "pressure") > 0 or proxy.stat(name + "failed_updates") > before, "a reading")
    assert proxy.stat(name + "failed_updates") == before


def test_a_file_that_is_no_good_changes_nothing(overloaded, pressure):
    proxy = overloaded([action("stop_accepting_requests")])
    pressure.set(proxy, 1)
    for text in ("nonsense", "1.5", ""):
        failed = proxy.stat(f"overload.{INJECTED}.failed_updates")
        pressure.write(text)
        wait_until(lambda: proxy.stat(f"overload.{INJECTED}.failed_updates") > failed, f"a failure of '{text}'")
        client = proxy.client()
        client.send(GET)
        assert client.response().status == 503
    assert proxy.stat(f"overload.{INJECTED}.pressure") == 100


def test_free_memory_is_given_back(overloaded, pressure):
    proxy = overloaded([action("shrink_heap")])
    pressure.set(proxy, 1)
    proxy.wait_stat(f"overload.{ACTION}shrink_heap.shrink_count", 1)


# MARK: What is shown and said


def test_stats_have_envoys_names(start, start_envoy, upstream, pressure):
    names = []
    for launch in (start, start_envoy):
        config = http(clusters=[cluster("app", upstream().port)])
        config["overload_manager"] = {
            "refresh_interval": "0.05s",
            "resource_monitors": [pressure.monitor, heap(1 << 40), cpu("HOST"), connections(100)],
            "actions": [action("stop_accepting_requests"), action("shrink_heap", scaled(0.1, 0.2)),
                        reduce("HTTP_DOWNSTREAM_STREAM_IDLE", LEAST), action("stop_accepting_connections")],
            "loadshed_points": [point("tcp_listener_accept"), point("http1_server_abort_dispatch")]}
        proxy = launch(config)
        text = proxy.get_admin("/stats").body.decode()
        names.append({name for name in re.findall(r"^(.*?): ", text, re.M) if name.startswith("overload.")})
    assert names[0] == names[1]
    assert len(names[0]) > 15


def test_people_are_told(start, upstream, pressure):
    config = http(clusters=[cluster("app", upstream().port)])
    config["overload_manager"] = {
        "refresh_interval": "0.05s", "resource_monitors": [pressure.monitor],
        "actions": [action("stop_accepting_requests")]}
    proxy = start(config)
    pressure.set(proxy, 1)
    said = f"overload: {ACTION}stop_accepting_requests: {INJECTED} (filename '{pressure.path}') is at 100%, threshold 90%"
    wait_until(lambda: said in proxy.log_text(), "a line about its begin")
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 503
    explained = proxy.get_admin("/explain?failed").body.decode()
    assert "overload" in explained and "is at 100%, threshold 90%" in explained
    pressure.set(proxy, 0)
    wait_until(lambda: f"overload is over: {ACTION}stop_accepting_requests" in proxy.log_text(), "a line about its end")


def test_a_resource_that_is_not_there_keeps_the_process_from_starting(start, tmp_path, upstream):
    """No limit is accepted that nothing would hold; a file that others write may come later."""
    config = http(clusters=[cluster("app", upstream().port)])
    missing = monitor("injected_resource", "InjectedResourceConfig", filename=str(tmp_path / "missing"))
    config["overload_manager"] = {"refresh_interval": "0.05s", "resource_monitors": [missing]}
    proxy = start(config)
    wait_until(lambda: proxy.stat(f"overload.{INJECTED}.failed_updates") > 0, "a failure")
    assert "cannot be read" in proxy.log_text()
