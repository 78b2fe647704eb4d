"""Outlier detection: what counts as a failure of a host, who is ejected, who comes back. All of it against the real Envoy, too."""
import collections
import contextlib
import json
import socket

import pytest
from bad_servers import closes, cut, garbage, resets, silent
from bootstrap import bootstrap, cluster, forward, http, listener, tcp_proxy
from harness import WAIT, connect, readable, response, serve, wait_until

DETECTED = r"\.outlier_detection\.ejections_detected_"
FAST = ["--file-flush-interval-msec", "20"]
# Every row may be as long as it likes.
NO_ROWS = {"consecutive_5xx": 0, "consecutive_gateway_failure": 0, "consecutive_local_origin_failure": 0}


@pytest.fixture(params=["start", "start_envoy"])
def launch(request):
    """Starts Outrider, and in another run of the same test the real Envoy."""
    return request.getfixturevalue(request.param)


class Switch:
    """What an upstream answers next, and how often it was asked."""

    def __init__(self, upstream, status=200):
        self.status, self.asked = status, 0
        self.server = upstream(serve(self.answer))
        self.port = self.server.port
        self.address = f"127.0.0.1:{self.port}"

    def answer(self, _request):
        self.asked += 1
        return response(self.status, b"x")


def dead_port():
    """Nobody listens there, and nobody else gets it."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind(("127.0.0.1", 0))
    return place


def deaf_port(stack):
    """Somebody listens there and takes no more: a SYN is not answered."""
    full = stack.enter_context(socket.socket())
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    return full.getsockname()[1]


def get(client, path="/", *headers):
    client.send("".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "host: a", *headers)) + "\r\n")
    return client.response().status


def hosts(proxy, name="app"):
    """What /clusters says of the hosts: {address: {figure: text}}."""
    found = collections.defaultdict(dict)
    for line in proxy.get_admin("/clusters").body.decode().splitlines():
        parts = line.split("::")
        if len(parts) == 4 and parts[0] == name and parts[1].startswith("127.0.0.1:"):
            found[parts[1]][parts[2]] = parts[3]
    return found


def wait_out(proxy, *switches, name="app"):
    """Until exactly these hosts are out."""
    wanted = {switch.address for switch in switches}
    wait_until(lambda: {address for address, host in hosts(proxy, name).items()
                        if host["health_flags"] == "/failed_outlier_check"} == wanted, lambda: hosts(proxy, name))


def outliers(proxy, name="app"):
    """The counters that are not zero."""
    prefix = f"cluster.{name}.outlier_detection.ejections_"
    return {key.removeprefix(prefix): value for key, value in proxy.stats("^" + prefix).items() if value}


# MARK: What counts as what

def answers(status, *headers):
    return serve(lambda _request: response(status, b"x", headers))


def grpc(value, status=200):
    return answers(status, ("content-type", "application/grpc"), ("grpc-status", value))


GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n"
CALL = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n"
LATE = {"timeout": "0.1s"}
PER_TRY = {"retry_policy": {"retry_on": "gateway-error", "num_retries": 0, "per_try_timeout": "0.1s"}}
PER_TRY_IDLE = {"retry_policy": {"retry_on": "gateway-error", "num_retries": 0, "per_try_idle_timeout": "0.1s"}}
ALTERNATIVE = "GET / HTTP/1.1\r\nhost: a\r\nx-envoy-upstream-rq-timeout-alt-response: 1\r\n\r\n"
NOTHING, SERVER, GATEWAY, LOCAL = set(), {"consecutive_5xx"}, {"consecutive_5xx", "consecutive_gateway_failure"}, {
    "consecutive_local_origin_failure"}

# name: upstream, request, route action, what is detected, and what with split_external_local_origin_errors
CAUSES = {
    "200": (answers(200), GET, {}, NOTHING, NOTHING),
    "404": (answers(404), GET, {}, NOTHING, NOTHING),
    "500": (answers(500), GET, {}, SERVER, SERVER),
    "501": (answers(501), GET, {}, SERVER, SERVER),
    "502": (answers(502), GET, {}, GATEWAY, GATEWAY),
    "503": (answers(503), GET, {}, GATEWAY, GATEWAY),
    "504": (answers(504), GET, {}, GATEWAY, GATEWAY),
    "599": (answers(599), GET, {}, SERVER, SERVER),
    "closes": (closes, GET, {}, GATEWAY, LOCAL),
    "resets": (resets, GET, {}, GATEWAY, LOCAL),
    "cuts the response": (cut, GET, {}, GATEWAY, LOCAL),
    "speaks no HTTP": (garbage, GET, {}, GATEWAY, LOCAL),
    "timeout": (silent, GET, LATE, GATEWAY, LOCAL),
    "timeout answered 204": (silent, ALTERNATIVE, LATE, NOTHING, LOCAL),
    "per-try timeout": (silent, GET, PER_TRY, GATEWAY, LOCAL),
    "per-try idle timeout": (silent, GET, PER_TRY_IDLE, GATEWAY, LOCAL),
    "max stream duration": (silent, GET, {"max_stream_duration": {"max_stream_duration": "0.1s"}}, NOTHING, NOTHING),
    "refused": (dead_port, GET, {}, GATEWAY, LOCAL),
    "connect timeout": (deaf_port, GET, {}, GATEWAY, LOCAL),
    "grpc ok": (grpc(0), CALL, {}, NOTHING, NOTHING),
    "grpc unknown": (grpc(2), CALL, {}, SERVER, SERVER),
    "grpc deadline": (grpc(4), CALL, {}, GATEWAY, GATEWAY),
    "grpc exhausted": (grpc(8), CALL, {}, NOTHING, NOTHING),
    "grpc unimplemented": (grpc(12), CALL, {}, SERVER, SERVER),
    "grpc internal": (grpc(13), CALL, {}, SERVER, SERVER),
    "grpc unavailable": (grpc(14), CALL, {}, GATEWAY, GATEWAY),
    "grpc status of no meaning": (grpc("x"), CALL, {}, SERVER, SERVER),
    "grpc ok in a 503": (grpc(0, 503), CALL, {}, NOTHING, NOTHING),
    "grpc status for others": (grpc(14), GET, {}, NOTHING, NOTHING),
}


@pytest.fixture
def places():
    """Ports that do not serve."""
    with contextlib.ExitStack() as stack:
        refusing = stack.enter_context(dead_port())
        yield {dead_port: refusing.getsockname()[1], deaf_port: deaf_port(stack)}


def test_what_counts_as_what(launch, upstream, places):
    """One try each, with rows of one that eject nobody: what is detected is what the try was taken for."""
    routes, clusters, wanted, requests = [], [], {}, {}
    for index, (name, (script, request, action, together, apart)) in enumerate(CAUSES.items()):
        for split in (False, True):
            label = f"{index}_{split}"
            port = places[script] if script in places else upstream(script).port
            clusters.append(cluster(label, port, connect_timeout="0.5s", outlier_detection={
                **dict.fromkeys(NO_ROWS, 1), **{f"enforcing_{key}": 0 for key in NO_ROWS}, "max_ejection_percent": 100,
                "split_external_local_origin_errors": split}))
            routes.append(forward(f"/{label}/", to=label, **action))
            requests[label] = request.replace(" / HTTP", f" /{label}/ HTTP")
            wanted[name, split] = apart if split else together
    loopback = {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}
    proxy = launch(http(routes, clusters, use_remote_address=True, internal_address_config=loopback))
    # The last one is surely detected: when it is, all are, as the only worker tells them in order.
    for label, request in [*requests.items(), ("last", requests["5_False"])]:
        with contextlib.closing(proxy.client()) as client:
            client.send(request)
            with contextlib.suppress(EOFError):
                client.response()
    wait_until(lambda: outliers(proxy, "5_False").get("detected_consecutive_5xx") == 2, "the last one")
    found = {(name, split): {key.removeprefix("detected_") for key in outliers(proxy, f"{index}_{split}") if "detected" in key}
             for index, name in enumerate(CAUSES) for split in (False, True)}
    assert found == wanted


def test_all_counters_have_envoys_names(start, start_envoy):
    names = []
    for launch in (start, start_envoy):
        proxy = launch(http(clusters=[cluster("app", 1, outlier_detection={})]))
        names.append(set(proxy.stats(r"outlier_detection")))
    assert names[0] == names[1]


# MARK: Out and back

def test_a_failing_host_is_left_out_for_a_time(launch, upstream, tmp_path):
    bad, good = Switch(upstream, 503), Switch(upstream)
    log = tmp_path / "events"
    detection = {"consecutive_5xx": 3, "base_ejection_time": "0.5s", "interval": "0.1s", "max_ejection_percent": 50}
    config = http(clusters=[cluster("app", bad.port, good.port, outlier_detection=detection)])
    config["cluster_manager"] = {"outlier_detection": {"event_log_path": str(log)}}
    proxy = launch(config, arguments=FAST)
    client = proxy.client()
    assert collections.Counter(get(client) for _ in range(6)) == {503: 3, 200: 3}
    wait_out(proxy, bad)
    assert proxy.stat("cluster.app.membership_healthy") == 1
    bad.status = 200
    # Back, and asked again.
    wait_out(proxy)
    assert bad.asked == 3
    wait_until(lambda: get(client) == 200 and bad.asked > 3, "it is asked again")
    assert outliers(proxy) == {
        "consecutive_5xx": 1, "detected_consecutive_5xx": 1, "enforced_consecutive_5xx": 1, "enforced_total": 1, "total": 1}
    assert proxy.stat("cluster.app.membership_healthy") == 2
    assert proxy.stat("cluster.app.membership_change") == 1
    lines = wait_until(lambda: len(found := log.read_text().splitlines()) == 2 and found, "two events")
    out, back = map(json.loads, lines)
    assert out.pop("timestamp").endswith("Z") and back.pop("timestamp").endswith("Z")
    assert list(out.items()) == list({
        "type": "CONSECUTIVE_5XX", "cluster_name": "app", "upstream_url": bad.address, "action": "EJECT",
        "num_ejections": 1, "enforced": True, "eject_consecutive_event": {}}.items())
    assert back.pop("secs_since_last_action").isdigit()
    assert list(back.items()) == list({
        "type": "CONSECUTIVE_5XX", "cluster_name": "app", "upstream_url": bad.address, "action": "UNEJECT",
        "num_ejections": 1, "enforced": False}.items())


def test_connections_of_an_ejected_host(launch, upstream):
    """Idle ones close; a request that is under way is served to its end."""
    bad, good = Switch(upstream, 500), Switch(upstream)
    detection = {"consecutive_5xx": 1, "max_ejection_percent": 50}
    proxy = launch(http(clusters=[cluster("app", bad.port, good.port, outlier_detection=detection)]))
    client = proxy.client()
    for _ in range(2):
        get(client)
    wait_out(proxy, bad)
    wait_until(lambda: hosts(proxy)[bad.address]["cx_active"] == "0", "the idle connection closed")
    assert hosts(proxy)[good.address]["cx_active"] == "1"


@pytest.mark.parametrize("settings, wanted", [
    ({"max_ejection_percent": 67}, {"active": 2, "overflow": 1}),
    ({"max_ejection_percent": 33}, {"overflow": 3}),
    ({}, {"overflow": 3}),
    ({"always_eject_one_host": True}, {"active": 1, "overflow": 2}),
    ({"max_ejection_percent": 100}, {"active": 3}),
    ({"max_ejection_percent": 100, "enforcing_consecutive_5xx": 0}, {"total": 3}),
])
def test_how_many_are_ejected(launch, upstream, settings, wanted):
    bad = [Switch(upstream, 500) for _ in range(3)]
    detection = {"consecutive_5xx": 2, **settings}
    proxy = launch(http(clusters=[cluster("app", *[one.port for one in bad], outlier_detection=detection)]))
    client = proxy.client()
    # Round robin asks each of those that are in, and in panic all.
    wait_until(lambda: get(client) and outliers(proxy).get("detected_consecutive_5xx", 0) >= 3, lambda: outliers(proxy))
    found = outliers(proxy)
    assert found["detected_consecutive_5xx"] >= 3
    for name in ("active", "overflow", "total"):
        if name in wanted:
            assert found.get(name, 0) >= wanted[name], found
    assert found.get("active", 0) == wanted.get("active", 0)


def test_when_all_are_out_all_are_asked(launch, upstream):
    bad = [Switch(upstream, 503) for _ in range(2)]
    detection = {"consecutive_5xx": 1, "max_ejection_percent": 100}
    proxy = launch(http(clusters=[cluster("app", *[one.port for one in bad], outlier_detection=detection)]))
    client = proxy.client()
    wait_until(lambda: get(client) == 503 and outliers(proxy).get("active") == 2, "both are out")
    wait_until(lambda: get(client) == 503 and proxy.stat("cluster.app.lb_healthy_panic"), "panic")
    panics = proxy.stat("cluster.app.lb_healthy_panic")
    asked = sum(one.asked for one in bad)
    assert [get(client) for _ in range(4)] == [503] * 4
    assert sum(one.asked for one in bad) == asked + 4
    assert proxy.stat("cluster.app.lb_healthy_panic") == panics + 4
    assert outliers(proxy)["detected_consecutive_5xx"] == 2


def test_without_panic_nobody_is_asked(launch, upstream):
    bad = Switch(upstream, 503)
    proxy = launch(http(clusters=[cluster(
        "app", bad.port, outlier_detection={"consecutive_5xx": 1, "max_ejection_percent": 100},
        common_lb_config={"healthy_panic_threshold": {"value": 0}})]))
    client = proxy.client()


    def refused():
        client.send(GET)
        answer = client.response()
        return (answer.status, answer.body) == (503, b"no healthy upstream")

    wait_until(refused, "nobody is left")
    asked = bad.asked
    assert all(refused() for _ in range(3))
    assert bad.asked == asked
    wait_out(proxy, bad)


def test_retries_go_round_ejected_hosts(launch, upstream):
    bad, good = [Switch(upstream, 503) for _ in range(2)], Switch(upstream)
    policy = {"retry_on": "5xx", "num_retries": 3, "retry_back_off": {"base_interval": "0.001s"},
              "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                  "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}],
              "host_selection_retry_max_attempts": 5}
    proxy = launch(http([forward(retry_policy=policy)], [cluster(
        "app", *[one.port for one in (*bad, good)],
        outlier_detection={"consecutive_5xx": 2, "max_ejection_percent": 67},
        common_lb_config={"healthy_panic_threshold": {"value": 0}})]))
    client = proxy.client()
    wait_until(lambda: get(client) and outliers(proxy).get("active") == 2, "both are out")
    wait_out(proxy, *bad)


    def only_good():
        asked = [one.asked for one in bad]
        return all(get(client) == 200 for _ in range(10)) and [one.asked for one in bad] == asked

    # As soon as the worker knows.
    wait_until(only_good, "only the good one is asked")
    assert only_good()


def test_connect_failures_apart_from_answers(launch, upstream):
    """A host that cannot be connected to is ejected by its own rule; one that answers badly is not."""
    dead, bad = dead_port(), Switch(upstream, 503)
    proxy = launch(http(clusters=[cluster("app", dead.getsockname()[1], bad.port, outlier_detection={
        "split_external_local_origin_errors": True, "consecutive_local_origin_failure": 2, "max_ejection_percent": 100,
        "enforcing_consecutive_5xx": 0})]))
    client = proxy.client()
    wait_until(lambda: get(client) and outliers(proxy).get("active"), "the dead one is out")
    assert hosts(proxy)[bad.address]["health_flags"] == "healthy"
    assert hosts(proxy)[f"127.0.0.1:{dead.getsockname()[1]}"]["health_flags"] == "/failed_outlier_check"
    assert outliers(proxy)["enforced_consecutive_local_origin_failure"] == 1


    def only_bad():
        asked = bad.asked
        for _ in range(4):
            get(client)
        return bad.asked == asked + 4

    wait_until(only_bad, "only the other one is asked")
    assert only_bad()


def test_workers_count_together(launch, upstream):
    """Nine failures over two workers are none too many, the tenth is."""
    bad = Switch(upstream, 500)
    detection = {"consecutive_5xx": 10, "enforcing_consecutive_5xx": 0, "max_ejection_percent": 100}
    config = http(clusters=[cluster("app", bad.port, outlier_detection=detection)])
    proxy = launch(config, concurrency=2)
    port, clients = proxy.port("main"), []

    def both_busy():
        clients.append(connect(port))
        busy = proxy.stats(r"^listener\.127.*\.worker_[01]\.downstream_cx_total$")
        return len(busy) == 2 and all(busy.values())

    wait_until(both_busy, lambda: f"both workers have a client: {proxy.stats('worker_')}")
    # The last one came to the worker that had none before.
    for number in range(9):
        assert get(clients[-(number % 2)]) == 500
    assert outliers(proxy) == {}
    assert get(clients[0]) == 500
    wait_until(lambda: outliers(proxy).get("detected_consecutive_5xx") == 1, "the tenth is one too many")
    assert bad.asked == 10


# MARK: Rates

def test_success_rates(launch, upstream, tmp_path):
    """/clusters shows what hosts are compared by; who is far below the others is ejected."""
    switches = [Switch(upstream) for _ in range(5)]
    log = tmp_path / "events"
    config = http(clusters=[cluster("app", *[one.port for one in switches], outlier_detection={
        **NO_ROWS, "interval": "1s", "base_ejection_time": "60s", "success_rate_request_volume": 8,
        "failure_percentage_request_volume": 8, "failure_percentage_threshold": 100, "max_ejection_percent": 20})])
    config["cluster_manager"] = {"outlier_detection": {"event_log_path": str(log)}}
    proxy = launch(config, arguments=FAST)
    client = proxy.client()
    switches[0].status = 500

    def asked_enough():
        for _ in range(50):
            get(client)
        return outliers(proxy).get("active")

    # More than enough in every interval.
    wait_until(asked_enough, lambda: outliers(proxy))
    found = outliers(proxy)
    assert found["enforced_success_rate"] == found["success_rate"] == found["total"] == found["active"] == 1
    # 80 - 1.9 × 40 = 4, and 0 is less.
    text = proxy.get_admin("/clusters").body.decode()
    figures = [line for line in text.splitlines() if line.startswith("app::outlier::")]
    assert figures == [
        "app::outlier::success_rate_average::80", "app::outlier::success_rate_ejection_threshold::4",
        "app::outlier::local_origin_success_rate_average::-1",
        "app::outlier::local_origin_success_rate_ejection_threshold::-1"]
    rates = {address: (host["success_rate"], host["local_origin_success_rate"]) for address, host in hosts(proxy).items()}
    assert rates == {one.address: ("0" if one is switches[0] else "100", "-1") for one in switches}
    page = json.loads(proxy.get_admin("/clusters?format=json").body)["cluster_statuses"][0]
    assert page["success_rate_ejection_threshold"] == {"value": 4}
    assert "local_origin_success_rate_ejection_threshold" not in page
    statuses = {status["address"]["socket_address"]["port_value"]: status for status in page["host_statuses"]}
    assert statuses[switches[0].port]["success_rate"] == {}
    assert statuses[switches[0].port]["health_status"]["failed_outlier_check"] is True
    assert statuses[switches[1].port]["success_rate"] == {"value": 100}
    assert "local_origin_success_rate" not in statuses[switches[1].port]
    lines = wait_until(lambda: log.read_text().splitlines(), "events")
    event = json.loads(lines[0])
    assert (event["type"], event["enforced"], event["upstream_url"]) == ("SUCCESS_RATE", True, switches[0].address)
    assert event["eject_success_rate_event"] == {
        "host_success_rate": 0, "cluster_average_success_rate": 80, "cluster_success_rate_ejection_threshold": 4}


def test_failure_percentage(launch, upstream):
    switches = [Switch(upstream) for _ in range(2)]
    proxy = launch(http(clusters=[cluster("app", *[one.port for one in switches], outlier_detection={
        **NO_ROWS, "interval": "0.5s", "base_ejection_time": "60s", "failure_percentage_minimum_hosts": 2,
        "failure_percentage_request_volume": 5, "enforcing_failure_percentage": 100, "max_ejection_percent": 50})]))
    client = proxy.client()
    switches[1].status = 500

    def asked_enough():
        for _ in range(20):
            get(client)
        return outliers(proxy).get("active")

    wait_until(asked_enough, lambda: outliers(proxy))
    wait_out(proxy, switches[1])
    assert outliers(proxy)["enforced_failure_percentage"] == 1
    assert "detected_success_rate" not in outliers(proxy)


# MARK: TCP

def greets(peer, _number):
    peer.send("x")
    peer.rest()


def tcp(*ports, settings=None, **detection):
    detection = {"consecutive_5xx": 2, "max_ejection_percent": 100, **detection}
    return bootstrap([listener(tcp_proxy())], [cluster("app", *ports, outlier_detection=detection, **(settings or {}))])


def is_served(proxy):
    """Whether a new client hears from a server."""
    with contextlib.closing(proxy.client()) as client, contextlib.suppress(ConnectionError):
        return client.fill()
    return False


@pytest.mark.parametrize("split, rule", [(False, "consecutive_5xx"), (True, "consecutive_local_origin_failure")])
def test_tcp_hosts_that_refuse(launch, upstream, split, rule):
    dead, good = dead_port(), upstream(greets)
    proxy = launch(tcp(dead.getsockname()[1], good.port, split_external_local_origin_errors=split,
                       consecutive_local_origin_failure=2))
    served = []
    wait_until(lambda: served.append(is_served(proxy)) or outliers(proxy).get("active"), "the dead one is out")
    # Two, or more that were under way.
    assert served.count(False) >= 2
    wait_until(lambda: all(is_served(proxy) for _ in range(6)), "only the other one is asked")
    assert hosts(proxy)[f"127.0.0.1:{dead.getsockname()[1]}"]["health_flags"] == "/failed_outlier_check"
    assert outliers(proxy)[f"enforced_{rule}"] == 1


def test_tcp_connections_are_successes(launch):
    """A host that is there now and then does not fail in a row."""
    place = dead_port()
    proxy = launch(tcp(place.getsockname()[1], consecutive_5xx=3, enforcing_consecutive_5xx=0))
    for _ in range(2):
        assert not is_served(proxy)
        assert not is_served(proxy)
        with socket.create_server(place.getsockname(), reuse_port=True) as there, contextlib.closing(proxy.client()) as client:
            there.settimeout(WAIT)
            peer, _ = there.accept()
            with peer:
                peer.sendall(b"x")
                assert client.exactly(1) == b"x"
    for _ in range(3):
        assert not is_served(proxy)
    wait_until(lambda: outliers(proxy).get("detected_consecutive_5xx"), "three in a row")
    assert outliers(proxy)["detected_consecutive_5xx"] == 1


@pytest.mark.parametrize("closes_them", [False, True])
def test_tcp_connections_of_an_ejected_host(launch, upstream, closes_them):
    leaving, good = upstream(greets), upstream(greets)
    settings = {"close_connections_on_host_health_failure": True} if closes_them else {}
    proxy = launch(tcp(leaving.port, good.port, settings=settings))
    clients = [proxy.client() for _ in range(2)]
    for client in clients:
        assert client.exactly(1) == b"x"
    address = f"127.0.0.1:{leaving.port}"
    assert hosts(proxy)[address]["cx_active"] == "1"
    leaving.listener.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: is_served(proxy) is None or outliers(proxy).get("active"), "the one that left is out")
    if closes_them:
        wait_until(lambda: hosts(proxy)[address]["cx_active"] == "0", "its connection is closed")
        ended = readable([client.sock for client in clients], WAIT)
        assert [sock.recv(1) for sock in ended] == [b""]
    else:
        wait_until(lambda: all(is_served(proxy) for _ in range(4)), "only the other one is asked")
        assert hosts(proxy)[address]["cx_active"] == "1"
        assert readable([client.sock for client in clients]) == []


# MARK: Where it has nothing to do

def test_original_destinations_are_only_counted(launch, upstream):
    """There is no other host to go to: what a client asks for is what it gets."""
    bad = Switch(upstream, 503)
    proxy = launch(http(clusters=[{
        "name": "app", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "2s",
        "original_dst_lb_config": {"use_http_header": True},
        "outlier_detection": {"consecutive_5xx": 2, "max_ejection_percent": 100}}]))
    client = proxy.client()
    where = f"x-envoy-original-dst-host: {bad.address}"
    wait_until(lambda: get(client, "/", where) and outliers(proxy).get("active"), lambda: outliers(proxy))
    assert hosts(proxy)[bad.address]["health_flags"] == "/failed_outlier_check"
    asked = bad.asked
    assert get(client, "/", where) == 503
    assert bad.asked == asked + 1


# MARK: Outrider's own words

def test_the_log_says_why(start, upstream):
    bad = Switch(upstream, 503)
    detection = {"consecutive_5xx": 2, "interval": "0.1s", "base_ejection_time": "0.2s", "max_ejection_percent": 50}
    proxy = start(http(clusters=[cluster("app", bad.port, Switch(upstream).port, outlier_detection=detection)]))
    client = proxy.client()
    for _ in range(4):
        get(client)
    wait_until(lambda: "is back" in proxy.log_text(), proxy.log_text)
    text = proxy.log_text()
    assert (f"cluster 'app': host {bad.address} is ejected for at least 200ms (base_ejection_time 200ms), as 1 of 2 hosts: "
            "server errors in a row reached consecutive_5xx 2") in text
    assert "its time is over (base_ejection_time 200ms)" in text


def test_the_log_says_why_not(start, upstream):
    bad = Switch(upstream, 503)
    proxy = start(http(clusters=[cluster("app", bad.port, outlier_detection={"consecutive_5xx": 2})]))
    client = proxy.client()
    for _ in range(2):
        get(client)
    wait_until(lambda: (f"host {bad.address} is not ejected, with 0 of 1 hosts out and max_ejection_percent 10: "
                        "server errors in a row reached consecutive_5xx 2") in proxy.log_text(), proxy.log_text)


def test_an_event_log_that_cannot_be_opened(start):
    config = http(clusters=[cluster("app", 1)])
    config["cluster_manager"] = {"outlier_detection": {"event_log_path": "/no/such/folder/log"}}
    with pytest.raises(AssertionError, match="outlier_detection.event_log_path.*No such file"):
        start(config)


def test_a_stale_connection_that_is_replaced_is_no_failure(start, upstream):
    """Beyond Envoy: the app closes an idle connection just as it is used; nobody is ejected for that."""

    def once(peer, _number):
        peer.request()
        peer.send(response(200, b"x"))
        peer.request()

    proxy = start(http(clusters=[cluster("app", upstream(once).port, outlier_detection={
        "consecutive_5xx": 1, "max_ejection_percent": 100})]))
    client = proxy.client()
    assert [get(client) for _ in range(6)] == [200] * 6
    assert proxy.stat("cluster.app.upstream_rq_replaced_stale") >= 1
    assert outliers(proxy) == {}
