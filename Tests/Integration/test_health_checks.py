"""Active health checks: hosts that go down and return, by HTTP, TCP, TLS and gRPC; the same of Envoy where it makes sense."""
import collections
import contextlib
import json
import socket
import threading
from concurrent import futures

import grpc
import pytest
from bootstrap import UPSTREAM_TLS, address, bootstrap, cluster, forward, http, listener, tcp_proxy
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from harness import Upstream, response, wait_until
from http2_peers import (
    DATA, END, END_HEADERS, GOAWAY, HEADERS, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, RST, block, frame, get, number,
    serve_h2, spoken)
from pki import Authority
from test_dns import NameServer, named

FILE_SINK = "type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink"
IMMEDIATE = ("x-envoy-immediate-health-check-fail", "true")


def check(kind=None, unhealthy=2, healthy=2, **settings):
    """A check that is made ten times a second, whether there is traffic or not."""
    settings = {"interval": "0.1s", "no_traffic_interval": "0.1s", "timeout": "5s", **settings}
    return {"health_checks": [{
        "unhealthy_threshold": unhealthy, "healthy_threshold": healthy, **settings,
        **(kind or {"http_health_check": {"path": "/health"}})}]}


class Server:
    """Answers checks with `health` (status, headers) and everything else with its name; None: closes."""

    def __init__(self, name=b"hello", tls=None):
        self.health, self.answer, self.checks = (200, ()), response(body=name), collections.deque(maxlen=1000)
        self.upstream = Upstream(self._serve, tls)
        self.port = self.upstream.port

    def _serve(self, peer, _number):
        while request := peer.request():
            if request.path != "/health":
                peer.send(self.answer)
                continue
            self.checks.append(request)
            if self.health is None:
                return
            status, headers = self.health
            peer.send(response(status, headers=headers))


@pytest.fixture
def server():
    with contextlib.ExitStack() as stack:

        def launch(*arguments, **settings):
            made = Server(*arguments, **settings)
            stack.callback(made.upstream.close)
            return made

        yield launch


def flags(proxy, name="app"):
    """The flags of each host, in the order of the file."""
    lines = [line.split("::") for line in proxy.get_admin("/clusters").body.decode().splitlines()]
    return [line[3] for line in lines if line[0] == name and len(line) == 4 and line[2] == "health_flags"]


def wait_flags(proxy, *wanted):
    wait_until(lambda: flags(proxy) == [*wanted], lambda: f"flags {wanted} (are {flags(proxy)})")


def bodies(proxy, count=20):
    client = proxy.client()
    return {get(proxy, client=client).body for _ in range(count)}


def test_a_host_goes_down_and_returns(either, server):
    one, two = server(b"one"), server(b"two")
    proxy = either(http(clusters=[cluster("app", one.port, two.port, **check())]))
    assert flags(proxy) == ["healthy", "healthy"]
    assert bodies(proxy) == {b"one", b"two"}
    one.health = (503, ())
    wait_flags(proxy, "/failed_active_hc", "healthy")
    wait_until(lambda: bodies(proxy) == {b"two"}, "requests go elsewhere")
    assert proxy.stat("cluster.app.membership_healthy") == 1
    assert proxy.stat("cluster.app.health_check.healthy") == 1
    one.health = (200, ())
    wait_flags(proxy, "healthy", "healthy")
    wait_until(lambda: bodies(proxy) == {b"one", b"two"}, "requests come back")
    assert proxy.stat("cluster.app.health_check.failure") >= 1
    assert proxy.stat("cluster.app.membership_change") == 1


def test_a_server_that_is_gone_counts_up_to_the_threshold(either, server):
    one, two = server(b"one"), server(b"two")
    proxy = either(http(clusters=[cluster("app", one.port, two.port, **check(unhealthy=3))]))
    one.health = None
    wait_flags(proxy, "/failed_active_hc", "healthy")
    assert proxy.stat("cluster.app.health_check.network_failure") >= 3


def test_requests_are_the_same_as_envoys(start, start_envoy, server):
    """All but the case of names that the file writes in capitals: Outrider keeps it."""
    kinds = [
        {"path": "/health"}, {"path": "/health", "host": "app.example", "method": "HEAD"},
        {"path": "/health", "method": "POST", "send": {"text": "70696e67"}}, {"path": "/health", "method": "PUT"},
        {"path": "/health", "request_headers_to_add": [{"header": {"key": "x-a", "value": "%UPSTREAM_HOST% %PROTOCOL%"}}],
         "request_headers_to_remove": ["user-agent"]},
    ]
    seen = []
    for launch in (start, start_envoy):
        servers = [server() for _ in kinds]
        launch(bootstrap([], [cluster(f"app{number}", one.port, **check({"http_health_check": kind}))
                              for number, (kind, one) in enumerate(zip(kinds, servers))]))
        for one in servers:
            wait_until(lambda one=one: one.checks, "a check")
        seen.append([(one.checks[0].start, [(name, value.replace(str(one.port), "PORT")) for name, value in one.checks[0].headers],
                      one.checks[0].body) for one in servers])
    assert seen[0] == seen[1]


def test_degraded_hosts_are_second_choice(either, server):
    one, two = server(b"one"), server(b"two")
    one.health = (200, [("x-envoy-degraded", "true")])
    proxy = either(http(clusters=[cluster("app", one.port, two.port, **check())]))
    wait_flags(proxy, "/degraded_active_hc", "healthy")
    # 140 % of half of the hosts is not all of the load.
    two.health = (503, ())
    wait_flags(proxy, "/degraded_active_hc", "/failed_active_hc")
    wait_until(lambda: bodies(proxy) == {b"one"}, "the degraded host serves")
    assert proxy.stat("cluster.app.membership_degraded") == 1
    assert proxy.stat("cluster.app.health_check.degraded") == 1
    host = json.loads(proxy.get_admin("/clusters?format=json").body)["cluster_statuses"][0]["host_statuses"][0]
    assert host["health_status"] == {"failed_active_degraded_check": True, "eds_health_status": "HEALTHY"}


def test_a_response_to_ordinary_traffic_takes_its_host_out(either, server):
    one, two = server(b"one"), server(b"two")
    proxy = either(http(clusters=[cluster("app", one.port, two.port, **check(interval="60s", no_traffic_interval="60s"))]))
    one.answer = response(503, b"leaving", headers=[IMMEDIATE])
    client = proxy.client()
    leaving = next(answer for answer in iter(lambda: get(proxy, client=client), None) if answer.status == 503)
    assert leaving.get(IMMEDIATE[0]) == "true"
    wait_flags(proxy, "/failed_active_hc/excluded_via_immediate_hc_fail", "healthy")
    wait_until(lambda: bodies(proxy) == {b"two"}, "requests go elsewhere")
    assert proxy.stat("cluster.app.health_check.passive_failure") == 1
    assert proxy.stat("cluster.app.membership_excluded") == 1


@pytest.mark.parametrize("returns", [True, False])
def test_an_ejection_ends_with_a_check_that_is_passed(either, server, returns):
    """`successful_active_health_check_uneject_host`: whether a host that was ejected for its answers comes back at once."""
    bad, good = server(), server()
    bad.answer = response(503)
    outliers = {"consecutive_5xx": 1, "interval": "600s", "base_ejection_time": "600s", "max_ejection_time": "600s",
                "max_ejection_percent": 50, "successful_active_health_check_uneject_host": returns}
    proxy = either(http(clusters=[cluster("app", bad.port, good.port, **check(), outlier_detection=outliers)]))
    wait_flags(proxy, "healthy", "healthy")
    client = proxy.client()
    wait_until(lambda: get(proxy, client=client).status == 503, "an answer of the bad host")
    proxy.wait_stat("cluster.app.outlier_detection.ejections_enforced_total", 1)
    checked = proxy.stat("cluster.app.health_check.success")
    wait_until(lambda: proxy.stat("cluster.app.health_check.success") >= checked + 6, "three more checks of each host")
    wait_flags(proxy, "healthy" if returns else "/failed_outlier_check", "healthy")


def test_a_check_can_exclude_its_host(either, server):
    one, two = server(), server()
    one.health = (503, [IMMEDIATE])
    proxy = either(http(clusters=[cluster("app", one.port, two.port, **check())]))
    wait_flags(proxy, "/failed_active_hc/excluded_via_immediate_hc_fail", "healthy")
    one.health = (200, ())
    wait_flags(proxy, "healthy", "healthy")
    assert proxy.stat("cluster.app.membership_excluded") == 0


def test_nobody_is_served_before_the_first_checks(either, upstream):
    asked, release = threading.Event(), threading.Event()

    def script(peer, _number):
        while peer.request():
            asked.set()
            release.wait(20)
            peer.send(response())

    proxy = either(http(clusters=[cluster("app", upstream(script).port, **check(timeout="20s"))]), wait=False)
    proxy.wait_admin()
    assert asked.wait(20)
    assert proxy.get_admin("/ready").status == 503
    assert proxy.stat("cluster.app.warming_state") in (0, 1)
    release.set()
    wait_until(lambda: proxy.get_admin("/ready").status == 200, "ready")
    assert flags(proxy) == ["healthy"]


def test_silence_is_a_timeout(either, upstream):
    proxy = either(http(clusters=[cluster("app", upstream(lambda peer, _number: peer.rest()).port, **check(timeout="0.2s"))]))
    wait_flags(proxy, "/failed_active_hc/active_hc_timeout")
    host = json.loads(proxy.get_admin("/clusters?format=json").body)["cluster_statuses"][0]["host_statuses"][0]
    assert host["health_status"] == {
        "failed_active_health_check": True, "active_hc_timeout": True, "eds_health_status": "HEALTHY"}


def test_stats_have_envoys_names(start, start_envoy, server):
    config = http(clusters=[cluster("app", server().port, **check())])
    names = [{name for name in launch(config).stats(r"^cluster\.app\.health_check\.")} for launch in (start, start_envoy)]
    assert names[0] == names[1] and len(names[0]) == 8


def test_checks_go_to_the_ports_of_endpoints(either, server):
    traffic, checked, exempt = server(b"traffic"), server(), server(b"exempt")
    app = cluster("app", traffic.port, exempt.port, **check({"http_health_check": {"path": "/health", "host": "common"}}))
    endpoints = app["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoints[0]["endpoint"]["health_check_config"] = {"port_value": checked.port, "hostname": "own"}
    endpoints[1]["endpoint"]["health_check_config"] = {"disable_active_health_check": True}
    proxy = either(http(clusters=[app]))
    assert flags(proxy) == ["healthy", "healthy"]
    assert checked.checks[0].get("host") == "own"
    assert not traffic.checks and not exempt.checks
    assert bodies(proxy) == {b"traffic", b"exempt"}
    checked.health = (500, ())
    wait_flags(proxy, "/failed_active_hc", "healthy")


def test_alt_port_is_acted_on(start, server):
    """Envoy takes the field and does nothing with it."""
    traffic, checked = server(b"traffic"), server()
    proxy = start(http(clusters=[cluster("app", traffic.port, **check(alt_port=checked.port))]))
    assert flags(proxy) == ["healthy"]
    assert checked.checks and not traffic.checks
    assert bodies(proxy) == {b"traffic"}


def tls(ca, leaf, **context):
    return {"transport_socket": {"name": "tls", "typed_config": {
        "@type": UPSTREAM_TLS, "sni": "app.example", "common_tls_context": {
            "tls_certificates": [leaf.config],
            "validation_context": {"trusted_ca": {"filename": str(ca.path)}}, **context}}}}


def test_checks_speak_the_clusters_tls(either, server, tmp_path):
    ca = Authority(tmp_path)
    leaf = ca.leaf("server", dns=["app.example"])
    context = leaf.server_context(ca, alpn=["check/1", "http/1.1"])
    names, protocols = [], []
    context.sni_callback = lambda sock, name, _context: names.append(name)
    one = server(b"secret", tls=context)
    inner = one.upstream.script

    def script(peer, number):
        protocols.append(peer.sock.selected_alpn_protocol())
        inner(peer, number)

    one.upstream.script = script
    proxy = either(http(clusters=[cluster(
        "app", one.port, **check(tls_options={"alpn_protocols": ["check/1"]}), **tls(ca, ca.leaf("proxy")))]))
    assert flags(proxy) == ["healthy"]
    assert set(names) == {"app.example"} and protocols == ["check/1"]
    assert bodies(proxy, 2) == {b"secret"}


def test_a_certificate_that_is_not_trusted_fails_the_check(either, server, tmp_path):
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    one = server(tls=other.leaf("server", dns=["app.example"]).server_context())
    proxy = either(http(clusters=[cluster("app", one.port, **check(), **tls(ca, ca.leaf("proxy")))]))
    wait_flags(proxy, "/failed_active_hc")
    assert proxy.stat("cluster.app.health_check.network_failure") >= 1
    assert not one.checks


def test_checks_follow_certificates_that_change(start, server, tmp_path):
    """The CA's file is replaced by that of the server's CA: the next check trusts it."""
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    one = server(tls=other.leaf("server", dns=["app.example"]).server_context())
    proxy = start(http(clusters=[cluster("app", one.port, **check(), **tls(ca, ca.leaf("proxy")))]))
    wait_flags(proxy, "/failed_active_hc")
    other.path.replace(ca.path)
    wait_flags(proxy, "healthy")


@pytest.fixture
def grpc_server():
    """A server with grpcio's own health service."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.health = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(server.health, server)
    server.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield server
    server.stop(0)


def test_grpc_servers_say_how_they_are(either, grpc_server):
    grpc_server.health.set("shop", health_pb2.HealthCheckResponse.SERVING)
    kind = {"grpc_health_check": {"service_name": "shop", "initial_metadata": [{"header": {"key": "x-a", "value": "b"}}]}}
    proxy = either(http(clusters=[cluster("app", grpc_server.port, **check(kind), **spoken())]))
    assert flags(proxy) == ["healthy"]
    grpc_server.health.set("shop", health_pb2.HealthCheckResponse.NOT_SERVING)
    wait_flags(proxy, "/failed_active_hc")
    grpc_server.health.set("shop", health_pb2.HealthCheckResponse.SERVING)
    wait_flags(proxy, "healthy")
    assert proxy.stat("cluster.app.health_check.network_failure") == 0


def test_grpc_services_that_nobody_knows_are_down(either, grpc_server):
    kind = {"grpc_health_check": {"service_name": "unknown"}}
    proxy = either(http(clusters=[cluster("app", grpc_server.port, **check(kind), **spoken())]))
    wait_flags(proxy, "/failed_active_hc")
    assert proxy.stat("cluster.app.health_check.failure") >= 1
    assert proxy.stat("cluster.app.health_check.network_failure") == 0


def test_checks_over_http2(either, upstream):
    answers = collections.deque(["200"] * 3)

    def answer(h2, stream):
        h2.answer(stream, status=answers[0] if len(answers) == 1 else answers.popleft())

    server = upstream(serve_h2(answer))
    kind = {"http_health_check": {"path": "/health", "codec_client_type": "HTTP2"}}
    proxy = either(http(clusters=[cluster("app", server.port, **check(kind))]))
    wait_until(lambda: proxy.stat("cluster.app.health_check.success") >= 3, "successes")
    assert server.connections == 1
    answers.append("500")
    wait_flags(proxy, "/failed_active_hc")
    answers.append("200")
    wait_flags(proxy, "healthy")
    assert server.connections == 1


def test_a_server_that_goes_away_in_the_middle_of_a_check_still_answers(either, upstream):
    """GOAWAY without an error: what is under way ends well, and the next check goes over a new connection."""

    def answer(h2, stream):
        h2.peer.send(frame(GOAWAY, 0, 0, number(stream) + number(NO_ERROR)))
        h2.answer(stream)

    server = upstream(serve_h2(answer))
    kind = {"http_health_check": {"path": "/health", "codec_client_type": "HTTP2"}}
    proxy = either(http(clusters=[cluster("app", server.port, **check(kind))]))
    wait_until(lambda: proxy.stat("cluster.app.health_check.success") >= 3, "successes")
    assert server.connections >= 3
    assert proxy.stat("cluster.app.health_check.failure") == 0


@pytest.mark.parametrize("last", [
    lambda stream: frame(GOAWAY, 0, 0, number(stream) + number(INTERNAL_ERROR)),
    lambda stream: frame(RST, 0, stream, number(INTERNAL_ERROR)),
    lambda stream: frame(RST, 0, stream, number(REFUSED_STREAM)),
    lambda stream: frame(DATA, END, stream, b"no head"),
    lambda stream: b"nothing like a frame of HTTP/2",
], ids=["goaway", "reset", "refused", "headless", "garbage"])
def test_what_breaks_an_http2_check_is_a_network_failure(either, upstream, last):
    server = upstream(serve_h2(lambda h2, stream: h2.peer.send(last(stream))))
    kind = {"http_health_check": {"path": "/health", "codec_client_type": "HTTP2"}}
    proxy = either(http(clusters=[cluster("app", server.port, **check(kind, timeout="0.3s"))]))
    wait_until(lambda: proxy.stat("cluster.app.health_check.network_failure") >= 3, "failures")
    assert proxy.stat("cluster.app.health_check.failure") == proxy.stat("cluster.app.health_check.network_failure")
    assert flags(proxy)[0].startswith("/failed_active_hc")


@pytest.mark.parametrize("fields, body", [
    ([(":status", "503")], b"no"), ([(":status", "200"), ("content-type", "text/html")], b"<html>"),
    ([(":status", "200"), ("content-type", "application/grpc")], b"\0\0\0\0\2\x08\1"),
], ids=["http error", "web page", "no status"])
def test_what_is_no_answer_of_grpc_is_a_no(either, upstream, fields, body):
    def answer(h2, stream):
        h2.peer.send(frame(HEADERS, END_HEADERS, stream, block(*fields)) + frame(DATA, END, stream, body))

    proxy = either(http(clusters=[cluster(
        "app", upstream(serve_h2(answer)).port, **check({"grpc_health_check": {}}), **spoken())]))
    wait_flags(proxy, "/failed_active_hc")
    assert proxy.stat("cluster.app.health_check.failure") >= 1
    assert proxy.stat("cluster.app.health_check.network_failure") == 0


def test_tcp_checks_send_and_look(either, upstream):
    state = {"answer": b"+PONG\r\n"}

    def script(peer, _number):
        while peer.until(b"PING\r\n"):
            peer.send(state["answer"][:3])
            peer.send(state["answer"][3:])

    kind = {"tcp_health_check": {"send": {"text": b"PING\r\n".hex()}, "receive": [{"text": b"+PONG".hex()}]}}
    proxy = either(bootstrap([listener(tcp_proxy())], [cluster("app", upstream(script).port, **check(kind, timeout="0.3s"))]))
    assert flags(proxy) == ["healthy"]
    state["answer"] = b"-LOADING\r\n"
    wait_flags(proxy, "/failed_active_hc/active_hc_timeout")
    state["answer"] = b"+PONG\r\n"
    wait_flags(proxy, "healthy")


def test_tcp_checks_by_connecting_alone(either):
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    proxy = either(bootstrap([listener(tcp_proxy())], [cluster("app", port, **check({"tcp_health_check": {}}))]))
    assert flags(proxy) == ["healthy"]
    listening.close()
    wait_flags(proxy, "/failed_active_hc")


@pytest.mark.parametrize("closes", [True, False])
def test_tcp_sessions_end_with_their_hosts_health_where_asked(either, upstream, server, closes):
    health = server()
    app = cluster("app", upstream(lambda peer, _number: peer.send(b"hi") or peer.rest()).port, **check(),
                  close_connections_on_host_health_failure=closes)
    app["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["health_check_config"] = {"port_value": health.port}
    proxy = either(bootstrap([listener(tcp_proxy())], [app]))
    client = proxy.client()
    assert client.exactly(2) == b"hi"
    health.health = (500, ())
    wait_flags(proxy, "/failed_active_hc")
    if closes:
        assert client.closed()
        wait_until(lambda: proxy.stat("cluster.app.upstream_cx_active") == 0, "the connection is gone")
        assert proxy.stat("cluster.app.upstream_cx_destroy_local") == 1
    else:
        health.health = (200, ())
        wait_flags(proxy, "healthy")
        assert proxy.stat("cluster.app.upstream_cx_active") == 1


def test_http_connections_of_a_failed_host_are_given_up(either, server):
    one = server()
    proxy = either(http(clusters=[cluster("app", one.port, **check(), common_lb_config={"healthy_panic_threshold": {}})]))
    client = proxy.client()
    assert get(proxy, client=client).status == 200
    assert proxy.stat("cluster.app.upstream_cx_active") == 1
    one.health = (500, ())
    wait_until(lambda: proxy.stat("cluster.app.upstream_cx_active") == 0, "the pool is empty")
    assert get(proxy, client=client).status == 503
    assert proxy.stat("cluster.app.upstream_cx_none_healthy") >= 1


@pytest.fixture
def names():
    server = NameServer()
    yield server
    server.sock.close()


class Everywhere(Server):
    """A server on all loopback addresses; `down` are those that fail their checks."""

    def __init__(self):
        self.down = set()
        super().__init__()

    def _serve(self, peer, number):
        while peer.request():
            mine = peer.sock.getsockname()[0]
            peer.send(response(500 if mine in self.down else 200, mine.encode()))


@pytest.fixture
def everywhere():
    server = Everywhere()
    server.upstream.close()
    server.upstream = Upstream(server._serve, address="0.0.0.0")
    server.port = server.upstream.port
    yield server
    server.upstream.close()


def hosts(proxy):
    lines = [line.split("::") for line in proxy.get_admin("/clusters").body.decode().splitlines()]
    return {line[1].split(":")[0]: line[3] for line in lines if len(line) == 4 and line[2] == "health_flags"}


@pytest.mark.parametrize("removes", [True, False])
def test_hosts_of_names_are_checked(either, names, everywhere, removes):
    names.answers["app.test"] = ["127.0.0.1"]
    proxy = either(http(clusters=[named(names, everywhere.port, **check(), ignore_health_on_host_removal=removes)]))
    assert hosts(proxy) == {"127.0.0.1": "healthy"}
    names.answers["app.test"] = ["127.0.0.2"]
    if removes:
        wait_until(lambda: hosts(proxy) == {"127.0.0.2": "healthy"}, lambda: f"the new host alone: {hosts(proxy)}")
        return
    wait_until(lambda: hosts(proxy) == {"127.0.0.1": "/pending_dynamic_removal", "127.0.0.2": "healthy"},
               lambda: f"both hosts: {hosts(proxy)}")
    wait_until(lambda: bodies(proxy) == {b"127.0.0.1", b"127.0.0.2"}, "both serve")
    everywhere.down.add("127.0.0.1")
    wait_until(lambda: hosts(proxy) == {"127.0.0.2": "healthy"}, lambda: f"the new host alone: {hosts(proxy)}")


def events(path):
    """The lines of an event log without what differs from run to run."""
    found = []
    for line in path.read_text().splitlines():
        event = json.loads(line)
        assert event.pop("timestamp").endswith("Z")
        event["host"]["socket_address"]["port_value"] = 0
        found.append(event)
    return found


def test_events_are_the_same_as_envoys(start, start_envoy, server, tmp_path):
    logs = []
    for launch, name in ((start, "outrider"), (start_envoy, "envoy")):
        one = server()
        log = tmp_path / name
        sink = {"event_logger": [{"name": "file", "typed_config": {"@type": FILE_SINK, "event_log_path": str(log)}}]}
        proxy = launch(http(clusters=[cluster("app", one.port, **check(unhealthy=1, healthy=1, **sink))]),
                       arguments=["--file-flush-interval-msec", "50"])
        one.health = (503, ())
        wait_flags(proxy, "/failed_active_hc")
        one.health = (200, ())
        wait_flags(proxy, "healthy")
        one.health = (200, [("x-envoy-degraded", "1")])
        wait_flags(proxy, "/degraded_active_hc")
        one.health = (200, ())
        wait_flags(proxy, "healthy")
        one.health = None
        wait_flags(proxy, "/failed_active_hc")
        wait_until(lambda log=log: log.exists() and len(log.read_text().splitlines()) == 6, "six events")
        logs.append(events(log))
    assert logs[0] == logs[1]
    # The order of members is that of the message's fields in both.
    assert [list(event) for event in logs[0]] == [list(event) for event in logs[1]]


def test_the_log_says_who_went_down_and_why(start, server):
    one = server()
    proxy = start(http(clusters=[cluster("app", one.port, **check(unhealthy=2, healthy=2))]))
    one.health = None
    wait_flags(proxy, "/failed_active_hc")
    one.health = (200, ())
    wait_flags(proxy, "healthy")
    one.health = (503, ())
    wait_flags(proxy, "/failed_active_hc")
    host = f"cluster 'app': host 127.0.0.1:{one.port}"
    for line in (
        f"{host} is unhealthy: the connection was closed (2 in a row, unhealthy_threshold 2)",
        f"{host} is healthy again (healthy_threshold 2)",
        f"{host} is unhealthy: status 503 is not among expected_statuses (200)",
    ):
        wait_until(lambda line=line: line in proxy.log_text(), lambda line=line: f"{line} in {proxy.log_text()}")


def endless_head(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\n")
    while True:
        peer.send("x: y\r\n" * 1000)


def endless_body(peer, _number):
    peer.request()
    peer.send(f"HTTP/1.1 200 OK\r\ncontent-length: {1 << 30}\r\n\r\n")
    block = b"x" * (1 << 20)
    while True:
        peer.send(block)


def endless_hints(peer, _number):
    peer.request()
    while True:
        peer.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 1000)


def drips(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        peer.send("x")
        threading.Event().wait(0.05)


@pytest.mark.parametrize("script", [endless_head, endless_body, endless_hints, drips])
def test_no_answer_takes_memory_or_time(start, upstream, server, script):
    kind = {"http_health_check": {"path": "/", "receive": [{"text": "00"}], "response_buffer_size": 0}}
    proxy = start(http(clusters=[
        cluster("bad", upstream(script).port, **check(kind, timeout="0.5s")), cluster("app", server().port)]))
    before = proxy.memory()
    wait_until(lambda: proxy.stat("cluster.bad.health_check.failure") >= 3, "failures")
    assert bodies(proxy) == {b"hello"}
    assert proxy.memory() < before + (16 << 20)


def test_a_thousand_hosts(start, everywhere):
    """All are checked on one thread, beside traffic, and what they take is bounded."""
    app = cluster("app", **check(interval="60s", no_traffic_interval="60s"))
    app["load_assignment"]["endpoints"][0]["lb_endpoints"] = [
        {"endpoint": {"address": address(everywhere.port, f"127.0.{number // 250 + 1}.{number % 250 + 1}")}}
        for number in range(1000)]
    everywhere.down.add("127.0.4.250")
    proxy = start(http(clusters=[app]))
    assert proxy.stat("cluster.app.membership_total") == 1000
    proxy.wait_stat("cluster.app.health_check.healthy", 999)
    proxy.wait_stat("cluster.app.membership_healthy", 999)
    assert get(proxy).status == 200
    assert proxy.memory() < 64 << 20


def test_the_start_does_not_wait_for_what_is_refused(start):
    """A cluster with nobody behind it is known to be down, and the others serve."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy = start(http([forward("/down", to="down"), forward()], [
            cluster("down", closed.getsockname()[1], **check()), cluster("app", Server().port)]))
        assert get(proxy).status == 200
        assert flags(proxy, "down") == ["/failed_active_hc"]
