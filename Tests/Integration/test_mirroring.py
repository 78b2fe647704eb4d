"""Request mirroring: what a mirror is sent, and that nothing about a mirror is anybody else's concern.

Most tests run against the real Envoy, too. Where Outrider does more (a slow mirror never holds a request up), they do not.
"""
import contextlib
import itertools
import threading

import pytest
from bad_servers import closes, cut, garbage, resets, silent
from bootstrap import ROUTER, cluster, forward, http
from collectors import GRPCCollector, ZipkinCollector
from harness import WAIT, free_port, response, serve, wait_until
from http2_peers import DATA, END, WINDOW, H2Peer, frame, number as four_bytes, spoken
from test_http2_pairings import Client1, Client2, Reply, serve_either
from tracing import H2, flush_at_once, otlp_over_grpc, zipkin

MIB = 1 << 20
TRAILERS = {"http_protocol_options": {"enable_trailers": True}}


def mirrored(*targets, prefix="/", **policy):
    """A route whose requests are copied to these clusters."""
    return forward(prefix, request_mirror_policies=[{"cluster": target, **policy} for target in targets or ("mirror",)])


def get(path="/", *headers, method="GET", host="shop"):
    return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", f"host: {host}", *headers)) + "\r\n"


def post(path, body, *headers):
    return get(path, f"content-length: {len(body)}", *headers, method="POST").encode() + body


def at_rest(proxy, *clusters):
    """Nothing is under way, and no breaker is open."""
    for name in clusters:
        for gauge in ("upstream_rq_active", "upstream_rq_pending_active", "circuit_breakers.default.rq_open"):
            proxy.wait_stat(f"cluster.{name}.{gauge}", 0)


def deaf(peer, _number):
    """Takes a head, and nothing of what follows it."""
    peer.until(b"\r\n\r\n")
    threading.Event().wait(WAIT)


class World:
    """A proxy before an app and a mirror that both answer by their names."""

    def __init__(self, start, upstream, *routes, mirror=None, app=None, clusters=(), settings=None, **listener_settings):
        self.app = upstream(app or serve(lambda _request: response(body=b"app")))
        self.mirror = upstream(mirror or serve(lambda _request: response(500, b"no business of yours")))
        config = http(routes or [mirrored()], [
            cluster("app", self.app.port), cluster("mirror", self.mirror.port), *clusters], **(settings or {}))
        config["static_resources"]["listeners"][0].update(listener_settings)
        self.proxy = start(config)

    def ask(self, message, status=200):
        with contextlib.closing(self.proxy.client()) as client:
            client.send(message)
            answer = client.response()
        assert answer.status == status
        return answer

    def copies(self, count=1):
        wait_until(lambda: len(self.mirror.requests) >= count, lambda: f"{count} copies, not {len(self.mirror.requests)}")
        return self.mirror.requests

    def pair(self, message):
        """What the app and the mirror get of a request."""
        count = len(self.mirror.requests)
        assert self.ask(message).body == b"app"
        return self.app.requests[-1], self.copies(count + 1)[count]


# What a mirror is sent

@pytest.mark.parametrize("host, marked", [
    ("shop", "shop-shadow"), ("shop.example:8080", "shop.example-shadow:8080"), ("[::1]:80", "[::1]-shadow:80"),
    ("[2001:db8::1]", "[2001:db8::1]-shadow")])
def test_the_host_says_that_it_is_a_copy(either, upstream, host, marked):
    app, copy = World(either, upstream).pair(get("/a?b=c", "x-own: 1", host=host))
    assert (app.get("host"), copy.get("host")) == (host, marked)
    assert copy.start == app.start == "GET /a?b=c HTTP/1.1"
    assert copy.get("transfer-encoding") is None and copy.get("content-length") is None
    assert copy.get("x-own") == "1" and copy.get("x-request-id") == app.get("x-request-id")
    # The copy comes from the proxy.
    assert copy.get("x-envoy-internal") == "true" and app.get("x-envoy-internal") is None
    assert copy.get("x-forwarded-for") and app.get("x-forwarded-for") is None
    assert copy.get("x-envoy-expected-rq-timeout-ms") == "15000"


def test_the_copy_is_of_what_the_app_gets(either, upstream):
    """Rewrites and header changes of the route come first; a timeout of a try is none of the copy's."""
    route = forward("/old", prefix_rewrite="/new", host_rewrite_literal="inner:1", timeout="9s",
                    retry_policy={"retry_on": "5xx", "per_try_timeout": "3s"},
                    request_mirror_policies=[{"cluster": "mirror"}])
    route["request_headers_to_add"] = [{"header": {"key": "x-added", "value": "%REQ(:path)%"}}]
    app, copy = World(either, upstream, route).pair(get("/old/path", "x-forwarded-for: 192.0.2.7"))
    assert (app.path, copy.path) == ("/new/path", "/new/path")
    assert (app.get("host"), copy.get("host")) == ("inner:1", "inner-shadow:1")
    for name in ("x-added", "x-envoy-original-path", "x-envoy-original-host"):
        assert app.get(name) == copy.get(name) is not None
    assert copy.get("x-forwarded-for").startswith("192.0.2.7,")
    assert app.get("x-envoy-expected-rq-timeout-ms") == "3000"
    assert copy.get("x-envoy-expected-rq-timeout-ms") == "9000"


def test_the_head_of_the_copy_can_be_changed(either, upstream):
    changes = [
        {"append": {"header": {"key": "x-first", "value": "%REQ(:authority)%"}}},
        {"append": {"header": {"key": "x-second", "value": "%REQ(x-first)%!"}}},
        {"remove": "x-first"},
        {"remove_on_match": {"key_matcher": {"prefix": "x-secret"}}},
        {"append": {"header": {"key": "x-old", "value": "new"}, "append_action": "OVERWRITE_IF_EXISTS"}},
        {"append": {"header": {"key": "x-none", "value": "new"}, "append_action": "OVERWRITE_IF_EXISTS"}},
        {"append": {"header": {"key": "x-list", "value": "2"}}},
        {"append": {"header": {"key": "x-nothing", "value": ""}}},
        {"append": {"header": {"key": "x-empty", "value": ""}, "keep_empty_value": True}},
    ]
    app, copy = World(either, upstream, mirrored(request_headers_mutations=changes)).pair(
        get("/", "x-old: old", "x-list: 1", "x-secret-a: 1", "X-Secret-B: 2"))
    assert copy.get("x-second") == "shop!" and copy.get("x-old") == "new" and copy.all("x-list") == ["1", "2"]
    assert copy.get("x-empty") == ""
    for name in ("x-first", "x-none", "x-nothing", "x-secret-a", "x-secret-b"):
        assert copy.get(name) is None
    assert app.get("x-old") == "old" and app.get("x-secret-b") == "2" and app.get("x-second") is None


def test_hosts_as_the_policy_has_them(either, upstream):
    world = World(either, upstream, mirrored(prefix="/same", disable_shadow_host_suffix_append=True),
                  mirrored(prefix="/other", host_rewrite_literal="test.example:81"))
    assert world.pair(get("/same", host="shop:80"))[1].get("host") == "shop:80"
    assert world.pair(get("/other", host="shop:80"))[1].get("host") == "test.example:81"


def test_the_nearest_policies_hold(either, upstream, named):
    """Those of the route, or else of the virtual host, or else of the route configuration."""
    where = {name: upstream() for name in ("route", "host", "config")}
    policy = lambda name: {"request_mirror_policies": [{"cluster": name}]}  # noqa: E731
    hosts = [
        {"name": "with", "domains": ["with"], "routes": [forward("/own", **policy("route")), forward()], **policy("host")},
        {"name": "without", "domains": ["*"], "routes": [forward()]}]
    config = http(clusters=[cluster("app", named(b"app").port),
                            *(cluster(name, server.port) for name, server in where.items())],
                  route_config={"virtual_hosts": hosts, **policy("config")})
    proxy = either(config)
    for path, host, target in (("/own", "with", "route"), ("/", "with", "host"), ("/", "shop", "config")):
        with contextlib.closing(proxy.client()) as client:
            client.send(get(path, host=host))
            assert client.response().body == b"app"
        wait_until(lambda: len(where[target].requests) == 1, f"a copy at {target}")
    assert [len(server.requests) for server in where.values()] == [1, 1, 1]


def test_the_cluster_that_a_header_names(either, upstream):
    world = World(either, upstream, forward(request_mirror_policies=[{"cluster_header": "x-to"}]))
    # None, and one that does not exist: the request does not care.
    assert world.ask(get()).body == world.ask(get("/", "x-to: nobody")).body == b"app"
    assert world.pair(get("/wanted", "x-to: mirror"))[1].path == "/wanted"
    assert len(world.mirror.requests) == 1


def test_a_share_of_the_requests(either, upstream):
    runtime = {"layered_runtime": {"layers": [{"name": "s", "static_layer": {"mirror": {"all": 100}}}]}}
    none = {"default_value": {"numerator": 0}}
    half = {"default_value": {"numerator": 50}}
    server = upstream()
    config = http([mirrored(prefix="/none", runtime_fraction=none), mirrored(prefix="/half", runtime_fraction=half),
                   mirrored(prefix="/all", runtime_fraction={**none, "runtime_key": "mirror.all"})],
                  [cluster("app", upstream().port), cluster("mirror", server.port)])
    proxy = either({**config, **runtime})
    with contextlib.closing(proxy.client()) as client:
        for path in ["/none", "/half", "/all"] * 60:
            client.send(get(path))
            assert client.response().status == 200
    wait_until(lambda: [request.path for request in server.requests].count("/all") == 60, "all of them")
    at_rest(proxy, "mirror")
    paths = [request.path for request in server.requests]
    assert paths.count("/none") == 0
    # 1 in 10^13 to be wrong.
    assert 4 <= paths.count("/half") <= 56


def test_several_mirrors(either, upstream):
    servers = [upstream() for _ in range(3)]
    names = [f"m{number}" for number in range(3)]
    world = World(either, upstream, mirrored(*names), clusters=[
        cluster(name, server.port) for name, server in zip(names, servers)])
    world.ask(post("/", b"abc" * 1000))
    for server in servers:
        wait_until(lambda: server.requests, "a copy")
        assert server.requests[0].body == b"abc" * 1000
    at_rest(world.proxy, "app", *names)


# Bodies, trailers, protocols

@pytest.mark.parametrize("size", [0, 1, 100_000, 5 * MIB])
def test_bodies(either, upstream, size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    app, copy = World(either, upstream).pair(post("/", body))
    assert app.body == body and copy.body == body
    assert copy.get("content-length") == str(size) and copy.get("transfer-encoding") is None


@pytest.mark.parametrize("down, up", [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")])
def test_streams_and_trailers(either, upstream, down, up):
    """Of each protocol to each; a copy's end comes with the request's."""
    copies = []
    reply = Reply(body=b"x", trailers=[("grpc-status", "0")])
    app = upstream(serve_either(lambda _request: reply))
    copy = upstream(serve_either(lambda request: copies.append(request) or reply))
    protocol = spoken() if up == "2" else TRAILERS
    proxy = either(http([mirrored()], [cluster("app", app.port), cluster("mirror", copy.port, **protocol)], **TRAILERS))
    client = (Client2 if down == "2" else Client1)(proxy)
    for count, size in enumerate((1, 10, 60_000), 1):
        body = b"b" * size
        headers = [("te", "trailers"), ("content-type", "application/grpc")]
        answer = client.ask("POST", "/p", headers, body, [("x-check", "1")])
        assert answer.status == 200
        wait_until(lambda: len(copies) == count, "the copy")
        assert (copies[-1].body, copies[-1].trailers) == (body, [("x-check", "1")])
        assert (copies[-1].method, copies[-1].path, copies[-1].authority) == ("POST", "/p", "the.app-shadow:80")
        # The next one finds the connection free.
        proxy.wait_stat("cluster.mirror.upstream_rq_200", count)
        at_rest(proxy, "app", "mirror")
    # All over the same connection: an answer that is dropped leaves it as it was.
    assert copy.connections == 1


def test_a_body_reaches_the_mirror_as_it_comes(either, upstream):
    parts = []

    def script(peer, _number):
        peer.until(b"\r\n\r\n")
        while True:
            parts.append(peer.buffer)
            peer.buffer = b""
            if not peer.fill():
                return

    world = World(either, upstream, mirror=script)
    with contextlib.closing(world.proxy.client()) as client:
        client.send(get("/", "content-length: 4", method="POST"))
        for number, part in enumerate(("ab", "cd"), 1):
            client.send(part)
            wait_until(lambda: b"".join(parts) == b"abcd"[:number * 2], "what was sent so far")
        assert client.response().status == 200


def test_tunnels_are_not_mirrored(start, upstream):
    def switches(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        peer.send(peer.exactly(2))

    world = World(start, upstream, app=switches, settings={"upgrade_configs": [{"upgrade_type": "websocket"}]})
    with contextlib.closing(world.proxy.client()) as client:
        client.send(get("/", "connection: upgrade", "upgrade: websocket"))
        assert client.response(head_only=True).status == 101
        client.send(b"hi")
        assert client.exactly(2) == b"hi"
    assert world.proxy.stat("cluster.mirror.upstream_rq_total") == 0


# Nobody waits for a mirror

@pytest.mark.parametrize("script", [closes, resets, garbage, cut, silent], ids=lambda script: script.__name__)
@pytest.mark.parametrize("body", [b"", b"x" * 300_000], ids=["head", "body"])
def test_mirrors_that_fail(either, upstream, script, body):
    world = World(either, upstream, mirror=script)
    for _ in range(3):
        assert world.ask(post("/", body)).body == b"app"
    assert world.proxy.stats("cluster.app.upstream_rq_200") == {"cluster.app.upstream_rq_200": 3}


def test_mirrors_that_are_not_there(either, upstream):
    world = World(either, upstream, mirrored("dead", "empty"), clusters=[cluster("dead", free_port()), cluster("empty")])
    for message in (get(), post("/", b"x" * 300_000)):
        assert world.ask(message).body == b"app"
    for name in ("dead", "empty"):
        for prefix in ("", "internal."):
            world.proxy.wait_stat(f"cluster.{name}.{prefix}upstream_rq_503", 2)
    at_rest(world.proxy, "app", "dead", "empty")


def test_answers_are_counted_and_dropped(either, upstream):
    """Whatever a mirror answers, and however much of it."""
    answers = {"/big": response(200, b"x" * 3 * MIB), "/404": response(404), "/500": response(500, b"oops")}
    world = World(either, upstream, mirror=serve(lambda request: answers[request.path]))
    for path in answers:
        assert world.ask(get(path)).body == b"app"
    for status in (200, 404, 500):
        world.proxy.wait_stat(f"cluster.mirror.upstream_rq_{status}", 1)
        world.proxy.wait_stat(f"cluster.mirror.internal.upstream_rq_{status}", 1)
        assert world.proxy.stat(f"cluster.mirror.external.upstream_rq_{status}") == 0
    at_rest(world.proxy, "mirror")
    assert world.proxy.stat("cluster.mirror.upstream_rq_total") == 3
    assert world.proxy.stat("http.ingress.downstream_rq_2xx") == 3


def test_a_mirror_that_does_not_answer_is_given_up_in_time(either, upstream):
    route = mirrored()
    route["route"]["timeout"] = "0.3s"
    world = World(either, upstream, route, mirror=silent)
    assert world.ask(get()).body == b"app"
    world.proxy.wait_stat("cluster.mirror.upstream_rq_504", 1)
    assert world.proxy.stat("cluster.mirror.upstream_rq_timeout") == 1
    at_rest(world.proxy, "mirror")


def test_an_answer_before_the_copy_is_whole(either, upstream):
    def early(peer, _number):
        peer.until(b"\r\n\r\n")
        peer.send(response(404))
        peer.rest()

    world = World(either, upstream, mirror=early)
    assert world.ask(post("/", b"x" * 3 * MIB)).body == b"app"
    world.proxy.wait_stat("cluster.mirror.upstream_rq_404", 1)
    at_rest(world.proxy, "mirror")


def test_a_copy_goes_with_its_request(either, upstream):
    """A client that leaves in the middle of its request takes the copy along."""
    ends = []

    def script(peer, _number):
        peer.until(b"\r\n\r\n")
        ends.append(peer.rest())

    world = World(either, upstream, mirror=script)
    with contextlib.closing(world.proxy.client()) as client:
        client.send(get("/", "content-length: 100", method="POST") + "half")
        world.proxy.wait_stat("cluster.mirror.upstream_rq_active", 1)
    wait_until(lambda: ends == [b"half"], lambda: f"the copy's end: {ends}")
    at_rest(world.proxy, "app", "mirror")
    assert world.proxy.stats("cluster.mirror.upstream_rq_[1-5]") == {}


def test_a_whole_copy_outlives_its_request(either, upstream):
    release = threading.Event()

    def later(peer, _number):
        while peer.request():
            release.wait(20)
            peer.send(response(200))

    world = World(either, upstream, mirror=later)
    assert world.ask(post("/", b"abc")).body == b"app"
    world.proxy.wait_stat("http.ingress.downstream_rq_active", 0)
    assert world.proxy.stat("cluster.mirror.upstream_rq_active") == 1
    release.set()
    world.proxy.wait_stat("cluster.mirror.upstream_rq_200", 1)
    at_rest(world.proxy, "mirror")


def test_retries_are_not_copied(either, upstream):
    turns = itertools.count()
    route = mirrored()
    route["route"]["retry_policy"] = {"retry_on": "5xx", "num_retries": 3, "retry_back_off": {"base_interval": "0.001s"}}
    world = World(either, upstream, route, app=serve(lambda _request: response(503 if next(turns) < 2 else 200, b"app")))
    assert world.ask(post("/", b"abc")).body == b"app"
    assert len(world.app.requests) == 3
    assert [request.body for request in world.copies()] == [b"abc"]
    at_rest(world.proxy, "app", "mirror")
    assert len(world.mirror.requests) == 1


def test_a_request_that_nobody_takes_is_not_copied(either, upstream):
    """As in Envoy: there is no copy where there is no host for the request itself."""
    world = World(either, upstream, forward(to="empty", request_mirror_policies=[{"cluster": "mirror"}]),
                  clusters=[cluster("empty")])
    world.ask(get(), status=503)
    at_rest(world.proxy, "mirror")
    assert world.proxy.stat("cluster.mirror.upstream_rq_total") == 0


def test_the_mirrors_breakers_hold(either, upstream):
    release = threading.Event()

    def later(peer, _number):
        while peer.request():
            release.wait(20)
            peer.send(response(200))

    server = upstream(later)
    breakers = {"thresholds": [{"max_requests": 1, "max_connections": 1, "max_pending_requests": 1}]}
    world = World(either, upstream, mirrored("narrow"), clusters=[
        cluster("narrow", server.port, circuit_breakers=breakers)])
    for _ in range(5):
        assert world.ask(get()).body == b"app"
    proxy = world.proxy
    assert proxy.stat("cluster.narrow.upstream_rq_pending_overflow") + proxy.stat(
        "cluster.narrow.upstream_rq_active_overflow") >= 3
    assert proxy.stat("cluster.narrow.circuit_breakers.default.rq_open") == 1
    release.set()
    at_rest(proxy, "app", "narrow")
    assert proxy.stat("cluster.narrow.upstream_rq_503") >= 3


def test_a_slow_mirror_holds_nothing_up(start, upstream):
    """Envoy would make the client wait for a mirror that does not read; here it loses its copy, and the log says why."""
    world = World(start, upstream, mirror=deaf)
    before = world.proxy.memory()
    body = b"x" * 64 * MIB
    assert world.ask(post("/", body)).body == b"app"
    assert world.app.requests[0].body == body
    assert world.proxy.stat("cluster.app.retry_or_shadow_abandoned") == 1
    wait_until(lambda: "the mirror 'mirror' takes a request more slowly than it comes; the copy was given up: more than "
               "per_connection_buffer_limit_bytes 1048576 wait for it" in world.proxy.log_text(), world.proxy.log_text)
    at_rest(world.proxy, "app", "mirror")
    assert world.proxy.memory() - before < 16 * MIB


def test_the_limit_is_the_routes(start, upstream):
    route = {**mirrored(), "request_body_buffer_limit": 65536}
    world = World(start, upstream, route, mirror=deaf)
    assert world.ask(post("/", b"x" * 32 * MIB)).body == b"app"
    wait_until(lambda: "request_body_buffer_limit (per_request_buffer_limit_bytes) 65536 wait for it"
               in world.proxy.log_text(), world.proxy.log_text)
    at_rest(world.proxy, "app", "mirror")


@pytest.mark.parametrize("http2", [False, True])
def test_a_mirror_that_catches_up_gets_all_of_it(start, upstream, http2):
    """A pause that the limit covers costs nothing."""
    release = threading.Event()
    got = []

    def script(peer, number):
        release.wait(20)
        if not http2:
            return serve(lambda request: got.append(request.body) or response())(peer, number)
        h2, body = H2Peer(peer), bytearray()
        while found := h2.next():
            kind, flags, stream, payload = found
            if kind == DATA:
                body += payload
                if payload:
                    peer.send(b"".join(frame(WINDOW, 0, one, four_bytes(len(payload))) for one in (0, stream)))
                if flags & END:
                    got.append(bytes(body))
                    h2.answer(stream)

    protocol = spoken() if http2 else {}
    server = upstream(script)
    world = World(start, upstream, mirrored("slow"), clusters=[cluster("slow", server.port, **protocol)],
                  per_connection_buffer_limit_bytes=64 * MIB)
    body = bytes(range(256)) * 4 * 4096 * 4
    assert world.ask(post("/", body)).body == b"app"
    release.set()
    wait_until(lambda: got, "the copy")
    assert got[0] == body
    at_rest(world.proxy, "app", "slow")


def test_the_proxy_ends_without_waiting_for_mirrors(start, upstream):
    world = World(start, upstream, mirror=silent)
    assert world.ask(get()).body == b"app"
    world.proxy.wait_stat("cluster.mirror.upstream_rq_active", 1)
    world.proxy.signal(15)
    assert world.proxy.process.wait(15) == 0


# Held requests, traces, configuration

def test_what_a_filter_held_is_copied_whole(start, upstream):
    """The body that came while a filter thought about the request is the mirror's, too."""
    fault = {"name": "envoy.filters.http.fault", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "delay": {"fixed_delay": "0.3s", "percentage": {"numerator": 100}}}}
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}
    world = World(start, upstream, settings={"http_filters": [fault, router]})
    app, copy = world.pair(post("/", b"held" * 1000))
    assert app.body == copy.body == b"held" * 1000


def ids(message):
    """Trace, span and sampled as the next hop is told."""
    if parent := message.get("traceparent"):
        return tuple(parent.split("-")[1:])
    return message.get("x-b3-traceid"), message.get("x-b3-spanid"), "0" + message.get("x-b3-sampled")


@pytest.mark.parametrize("provider, collect", [(otlp_over_grpc, GRPCCollector), (zipkin, ZipkinCollector)])
def test_mirrors_have_spans(either, upstream, provider, collect):
    app, mirror = upstream(), upstream()
    with contextlib.closing(collect()) as collector:
        options = {"typed_extension_protocol_options": H2} if collect is GRPCCollector else {}
        config = http(
            [mirrored(prefix="/as-is"), mirrored(prefix="/never", trace_sampled=False), mirrored("dead", prefix="/dead")],
            [cluster("app", app.port), cluster("mirror", mirror.port, alt_stat_name="seen"),
             cluster("dead", free_port()), cluster("collector", collector.port, **options)],
            tracing={"provider": provider(), "random_sampling": {"value": 100}})
        proxy = either({**config, **flush_at_once()})

        def ask(path):
            with contextlib.closing(proxy.client()) as client:
                client.send(get(path))
                assert client.response().status == 200

        ask("/as-is")
        spans = {span["name"]: span for span in collector.wait(2)}
        told, copied = ids(app.requests[0]), ids(mirror.requests[0])
        assert copied[0] == told[0] and copied[1] != told[1] and copied[2] == told[2] == "01"
        span = spans["mirror"]
        assert (span.get("trace") or span["traceId"], span["id"], span.get("parent") or span["parentId"]) == (
            told[0], copied[1], told[1])
        assert span["kind"].lower() == "client"
        address = f"127.0.0.1:{mirror.port}"
        assert span["tags"] == {
            "component": "proxy", "http.protocol": "HTTP/1.1", "upstream_cluster": "mirror", "upstream_cluster.name": "seen",
            "upstream_address": address, "peer.address": address, "http.status_code": "200", "response_flags": "-"}
        ask("/never")
        wait_until(lambda: len(mirror.requests) == 2, "the copy")
        assert ids(mirror.requests[1])[2] == "00" and ids(app.requests[1])[2] == "01"
        ask("/dead")
        failed = [span for span in collector.wait(5) if span["name"] == "mirror"][1]
        assert failed["tags"]["response_flags"] == "UF" and failed["tags"]["error"] == "true"
        assert failed["tags"]["http.status_code"] == "503"


@pytest.mark.parametrize("policy, complaint", [
    ({}, "one of cluster and cluster_header is required"),
    ({"cluster": "app", "cluster_header": "x"}, "one of cluster and cluster_header is required"),
    ({"cluster": "nobody"}, 'there is no cluster "nobody"'),
    ({"cluster": "app", "request_headers_mutations": [{"remove": "host"}]}, '"host" cannot be removed'),
    ({"cluster": "app", "request_headers_mutations": [{}]}, "request_headers_mutations[0]"),
    ({"cluster": "app", "request_headers_mutations": [{"append": {"header": {"key": ":path", "value": "/"}}}]},
     '":path" cannot be changed'),
    ({"cluster": "app", "request_headers_mutations": [{"append": {"header": {"key": "x", "value": "%NO%"}}}]},
     "unknown operator NO")])
def test_what_is_wrong_is_said(start, upstream, policy, complaint):
    config = http([forward(request_mirror_policies=[policy])], [cluster("app", upstream().port)])
    with pytest.raises(AssertionError) as failure:
        start(config)
    assert complaint in str(failure.value)
