"""Internal redirects: which responses are followed for the client, with which request, and what goes to the client as it is.

Nearly all tests run against the real Envoy, too.
"""
import contextlib

import pytest
from bootstrap import FILE_LOG, ROUTER, cluster, forward, http
from collectors import GRPCCollector
from harness import response, serve, wait_until
from http2_peers import spoken
from test_explain import records
from test_http2_pairings import Client1, Client2, Reply, serve_either
from test_mirroring import at_rest, get, post
from tracing import H2, flush_at_once, otlp_over_grpc

PREDICATES = "type.googleapis.com/envoy.extensions.internal_redirect."
PREVIOUS = {"name": "p", "typed_config": {"@type": PREDICATES + "previous_routes.v3.PreviousRoutesConfig"}}
SAFE = {"name": "s", "typed_config": {"@type": PREDICATES + "safe_cross_scheme.v3.SafeCrossSchemeConfig"}}
HOSTS = {"domains": ["shop", "other", "other:8080"]}


def allowed(*names):
    return {"name": "a", "typed_config": {
        "@type": PREDICATES + "allow_listed_routes.v3.AllowListedRoutesConfig", "allowed_route_names": names}}


def follows(prefix="/", name="from", **policy):
    return {"name": name, **forward(prefix, internal_redirect_policy=policy)}


FINAL = {"name": "final", **forward("/final", to="final")}


class World:
    """A proxy before an app that redirects to what the path says, and one that answers."""

    def __init__(self, start, upstream, *routes, location="http://other/final", status=302, fields=(), **settings):
        self.location, self.status, self.fields = location, status, list(fields)
        self.app = upstream(serve(self._redirect))
        self.final = upstream(serve(lambda _request: response(body=b"final", headers=[("x-final", "1")])))
        settings = {"virtual_host": HOSTS, **settings}
        self.proxy = start(http([FINAL, *(routes or [follows()])], [
            cluster("app", self.app.port), cluster("final", self.final.port)], **settings))

    def _redirect(self, request):
        locations = self.location if isinstance(self.location, dict) else {}
        to = locations.get(request.path, self.location)
        return response(self.status, b"moved", [*([("location", to)] if to is not None else []), *self.fields])

    def ask(self, message):
        with contextlib.closing(self.proxy.client()) as client:
            client.send(message)
            return client.response(head_only=message[:4] in ("HEAD", b"HEAD"))

    def followed(self, message):
        answer = self.ask(message)
        assert (answer.status, answer.body) == (200, b"final")
        return self.final.requests[-1]

    def passed_on(self, message, reason):
        """The redirect goes to the client, and counts."""
        count = self.count(f"http.ingress.passthrough_internal_redirect_{reason}") if reason else 0
        failed = self.count("cluster.app.upstream_internal_redirect_failed_total")
        answer = self.ask(message)
        assert (answer.status, answer.body) == (self.status, b"moved")
        assert self.count("cluster.app.upstream_internal_redirect_failed_total") == failed + 1
        if reason:
            assert self.count(f"http.ingress.passthrough_internal_redirect_{reason}") == count + 1
        return answer

    def count(self, name):
        return self.proxy.stat(name)


def test_a_redirect_is_followed(either, upstream):
    world = World(either, upstream, location="http://other/final?x=1#part")
    request = world.followed(get("/from?a=b", "x-own: 1"))
    assert request.start == "GET /final?x=1 HTTP/1.1" and request.get("host") == "other"
    assert request.get("x-envoy-original-url") == "http://shop/from?a=b" and request.get("x-own") == "1"
    assert request.get("x-request-id") == world.app.requests[0].get("x-request-id")
    assert request.get("x-envoy-expected-rq-timeout-ms") == "15000"
    stats = world.proxy.stats()
    # Two requests, of which one was answered.
    for name, value in {
            "http.ingress.downstream_rq_total": 2, "http.ingress.downstream_rq_http1_total": 2, "http.ingress.rq_total": 2,
            "http.ingress.downstream_rq_completed": 1, "http.ingress.downstream_rq_2xx": 1,
            "http.ingress.downstream_rq_3xx": 0, "http.ingress.downstream_rq_active": 0,
            "cluster.app.upstream_internal_redirect_succeeded_total": 1,
            "cluster.app.upstream_internal_redirect_failed_total": 0, "cluster.app.upstream_rq_total": 1,
            "cluster.final.upstream_rq_200": 1, "cluster.final.upstream_internal_redirect_succeeded_total": 0}.items():
        assert stats[name] == value, name
    assert not [name for name in stats if name.startswith("cluster.app.upstream_rq_3")]
    at_rest(world.proxy, "app", "final")


@pytest.mark.parametrize("location, path, host", [
    ("http://other/final/", "/final/", "other"), ("http://other:8080/final", "/final", "other:8080"),
    ("http://shop/final?a=http://x/", "/final?a=http://x/", "shop")])
def test_where_it_leads(either, upstream, location, path, host):
    request = World(either, upstream, location=location).followed(get("/from"))
    assert (request.path, request.get("host")) == (path, host)


def test_an_origin_alone_is_its_root(either, upstream):
    world = World(either, upstream, follows("/from"), {"name": "root", **forward("/", to="final")}, location="http://other")
    assert world.followed(get("/from")).path == "/"


@pytest.mark.parametrize("location, reason", [
    ("/final", "bad_location"), ("", "bad_location"), ("http://", "bad_location"), ("http://other/a b", "bad_location"),
    ("final", "bad_location"), ("https://other/final", "unsafe_scheme"), ("ftp://other/final", "unsafe_scheme"),
    ("http://nowhere/final", "no_route"), (None, None)])
def test_what_is_not_followed(either, upstream, location, reason):
    world = World(either, upstream, location=location)
    answer = world.passed_on(get("/from"), reason)
    assert answer.get("location") == location
    assert len(world.app.requests) == 1 and world.final.requests == []
    at_rest(world.proxy, "app")


def test_other_schemes_where_they_are_allowed(either, upstream):
    world = World(either, upstream, follows(allow_cross_scheme_redirect=True), location="https://other/final")
    assert world.followed(get("/from")).get("x-envoy-original-url") == "http://shop/from"
    safe = World(either, upstream, follows(allow_cross_scheme_redirect=True, predicates=[SAFE]),
                 location="https://other/final")
    safe.passed_on(get("/from"), "predicate")


def test_only_the_statuses_of_the_policy(either, upstream):
    world = World(either, upstream, follows(redirect_response_codes=[301, 308]), status=302)
    assert world.ask(get("/from")).status == 302
    assert world.count("cluster.app.upstream_internal_redirect_failed_total") == 0
    for status in (301, 308):
        world.status = status
        world.followed(get("/from"))


def test_no_more_than_the_limit(either, upstream):
    """Each route counts the redirects of the whole request."""
    steps = {"/a": "http://shop/b", "/b": "http://shop/c", "/c": "http://shop/final", "/loop": "http://shop/loop"}
    world = World(either, upstream, follows(max_internal_redirects=3), location=steps)
    assert world.followed(get("/a")).get("x-envoy-original-url") == "http://shop/c"
    assert [request.path for request in world.app.requests] == ["/a", "/b", "/c"]
    world.passed_on(get("/loop"), "too_many_redirects")
    assert [request.path for request in world.app.requests[3:]] == ["/loop"] * 4
    once = World(either, upstream, location=steps)
    once.passed_on(get("/a"), "too_many_redirects")
    none = World(either, upstream, follows(max_internal_redirects=0), location=steps)
    none.passed_on(get("/c"), "too_many_redirects")


def test_routes_that_were_seen(either, upstream):
    steps = {"/a": "http://shop/b", "/b": "http://shop/a"}
    world = World(either, upstream, follows("/a", "a", max_internal_redirects=9, predicates=[PREVIOUS]),
                  follows("/b", "b", max_internal_redirects=9, predicates=[PREVIOUS]), location=steps)
    world.passed_on(get("/a"), "predicate")
    # From each of the routes to each of the others once.
    assert [request.path for request in world.app.requests] == ["/a", "/b", "/a"]
    world.passed_on(get("/a"), "predicate")
    assert len(world.app.requests) == 6


def test_routes_that_are_listed(either, upstream):
    world = World(either, upstream, follows("/good", predicates=[allowed("other", "final")]),
                  follows("/bad", predicates=[allowed("other")]))
    world.followed(get("/good"))
    world.passed_on(get("/bad"), "predicate")


def test_headers_of_the_response_go_along(either, upstream):
    world = World(either, upstream, follows(response_headers_to_copy=["x-copied", "X-Gone", "x-new"]),
                  fields=[("x-copied", "1"), ("x-copied", "2"), ("x-new", "n"), ("x-not", "3")])
    request = world.followed(get("/from", "x-copied: old", "x-gone: old", "x-kept: old"))
    assert request.all("x-copied") == ["1", "2"] and request.get("x-new") == "n"
    assert request.get("x-gone") is None and request.get("x-not") is None and request.get("x-kept") == "old"


@pytest.mark.parametrize("status, method", [(301, "POST"), (302, "POST"), (307, "PUT"), (308, "POST")])
def test_bodies_go_along(either, upstream, status, method):
    world = World(either, upstream, follows(redirect_response_codes=[301, 302, 307, 308]), status=status)
    body = bytes(range(256)) * 1000
    request = world.followed(post("/from", body).replace(b"POST", method.encode(), 1))
    assert (request.method, request.body) == (method, body) and request.get("content-length") == str(len(body))
    assert world.app.requests[0].body == body


@pytest.mark.parametrize("method, then", [("POST", "GET"), ("PUT", "GET"), ("GET", "GET"), ("HEAD", "HEAD")])
def test_see_other(either, upstream, method, then):
    """Another page answers: the method is GET from now on, and there is no body."""
    world = World(either, upstream, follows(redirect_response_codes=[303]), status=303)
    message = get("/from", method=method) if method in ("GET", "HEAD") else post("/from", b"body").replace(
        b"POST", method.encode(), 1)
    assert world.ask(message).status == 200
    request = world.final.requests[-1]
    assert (request.method, request.body, request.get("content-length"), request.get("transfer-encoding")) == (
        then, b"", None, None)


@pytest.mark.parametrize("down, up", [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")])
def test_every_protocol_with_trailers(start, upstream, down, up):
    """Envoy loses the trailers of a request that it sends on."""

    trailers = {"http_protocol_options": {"enable_trailers": True}}
    moved = upstream(serve_either(lambda _request: Reply(307, [("location", "http://the.app:80/final")], b"moved" * 1000)))
    final = upstream(serve_either(lambda request: Reply(body=request.body, trailers=[("x-sum", "7")])))
    protocol = spoken() if up == "2" else trailers
    proxy = start(http(
        [FINAL, follows(redirect_response_codes=[307])],
        [cluster("app", moved.port, **protocol), cluster("final", final.port, **protocol)], **trailers))
    client = (Client2 if down == "2" else Client1)(proxy)
    for size in (1, 50_000):
        answer = client.ask("POST", "/p", [("te", "trailers")], b"b" * size, [("x-check", "1")])
        assert (answer.status, answer.body) == (200, b"b" * size) and ("x-sum", "7") in answer.trailers
        assert (final.requests[-1].body, final.requests[-1].trailers) == (b"b" * size, [("x-check", "1")])
        assert (final.requests[-1].method, final.requests[-1].path) == ("POST", "/final")
    at_rest(proxy, "app", "final")
    assert proxy.stat("cluster.app.upstream_internal_redirect_succeeded_total") == 2


def test_a_body_beyond_the_limit_is_not_kept(either, upstream):
    world = World(either, upstream, {**follows(), "per_request_buffer_limit_bytes": 1000})
    world.followed(post("/from", b"x" * 1000))
    world.passed_on(post("/from", b"x" * 200_000), None)
    assert world.count("cluster.app.retry_or_shadow_abandoned") == 1


def test_a_redirect_before_the_request_is_whole(either, upstream):
    def early(peer, _number):
        peer.until(b"\r\n\r\n")
        peer.send(response(302, b"moved", [("location", "http://other/final")]))
        peer.rest()

    world = World(either, upstream)
    world.app.script = early
    with contextlib.closing(world.proxy.client()) as client:
        client.send(get("/from", "content-length: 10", method="POST") + "half")
        assert client.response().status == 302
    at_rest(world.proxy, "app")
    assert world.count("cluster.app.upstream_internal_redirect_failed_total") == 1


def test_retries_come_first(either, upstream):
    route = follows(redirect_response_codes=[302])
    route["route"]["retry_policy"] = {"retry_on": "retriable-status-codes", "retriable_status_codes": [302],
                                      "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}
    world = World(either, upstream, route)
    world.followed(get("/from"))
    assert len(world.app.requests) == 2
    at_rest(world.proxy, "app", "final")
    assert world.count("cluster.app.circuit_breakers.default.rq_retry_open") == 0


def test_what_answers_itself_may_be_the_target(either, upstream):
    world = World(either, upstream, {"name": "own", "match": {"prefix": "/own"}, "direct_response": {"status": 418}},
                  follows(), location="http://shop/own")
    assert world.ask(get("/from")).status == 418
    assert world.count("cluster.app.upstream_internal_redirect_succeeded_total") == 1


def test_the_routes_own_settings_hold(either, upstream):
    """The target's header changes, rewrites, timeout; and the client learns nothing of the first answer."""
    final = {"name": "final", **forward("/final", to="final", timeout="3s", prefix_rewrite="/rewritten"),
             "request_headers_to_add": [{"header": {"key": "x-by", "value": "%REQ(x-envoy-original-url)%"}}],
             "response_headers_to_add": [{"header": {"key": "x-answer", "value": "of the target"}}]}
    first = {**follows("/from"), "response_headers_to_add": [{"header": {"key": "x-first", "value": "1"}}]}
    world = World(either, upstream, first, fields=[("x-moved", "1")])
    config = http([final, first], [cluster("app", world.app.port), cluster("final", world.final.port)], virtual_host=HOSTS)
    proxy = either(config)
    with contextlib.closing(proxy.client()) as client:
        client.send(get("/from"))
        answer = client.response()
    request = world.final.requests[-1]
    assert answer.get("x-answer") == "of the target" and answer.get("x-first") is None and answer.get("x-moved") is None
    assert request.path == "/rewritten" and request.get("x-by") == "http://shop/from"
    assert request.get("x-envoy-expected-rq-timeout-ms") == "3000"


def test_filters_see_the_second_request_too(either, upstream):
    """A limit on the target's route holds."""
    limit = {"@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
             "stat_prefix": "limit"}
    bucket = {**limit, "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"},
              "filter_enabled": {"default_value": {"numerator": 100}},
              "filter_enforced": {"default_value": {"numerator": 100}}}
    name = "envoy.filters.http.local_ratelimit"
    app = upstream(serve(lambda _request: response(302, b"moved", [("location", "http://shop/final")])))
    final = {**FINAL, "typed_per_filter_config": {name: bucket}}
    proxy = either(http([final, follows()], [cluster("app", app.port), cluster("final", upstream().port)], http_filters=[
        {"name": name, "typed_config": limit},
        {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]))
    statuses = []
    with contextlib.closing(proxy.client()) as client:
        for _ in range(2):
            client.send(get("/from"))
            statuses.append(client.response().status)
    assert statuses == [200, 429] and len(app.requests) == 2


def test_a_client_that_leaves_in_between(either, upstream):
    gone = []

    def later(peer, _number):
        peer.request()
        gone.append(peer.closed())

    world = World(either, upstream)
    world.final.script = later
    with contextlib.closing(world.proxy.client()) as client:
        client.send(get("/from"))
        world.proxy.wait_stat("cluster.final.upstream_rq_active", 1)
    wait_until(lambda: gone == [True], "the end of the second request")
    at_rest(world.proxy, "app", "final")
    world.proxy.wait_stat("http.ingress.downstream_rq_active", 0)


def test_each_of_the_requests_has_a_line_in_the_log(start, upstream):
    """Envoy's line of the first has the target's path, route and cluster, for its route was chosen anew before."""
    text = "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %UPSTREAM_CLUSTER% %BYTES_SENT%\n"
    log = {"name": "f", "typed_config": {"@type": FILE_LOG, "path": "/dev/stdout", "log_format": {
        "text_format_source": {"inline_string": "LOG " + text}}}}
    world = World(start, upstream, access_log=[log])
    world.followed(get("/from"))
    lines = lambda: [line[4:] for line in world.proxy.log_text().splitlines() if line.startswith("LOG ")]  # noqa: E731
    wait_until(lambda: len(lines()) == 2, lines)
    assert lines() == ["/from 302 internal_redirect from app 0", "/final 200 via_upstream final final 5"]


def test_explain_tells_of_redirects(start, upstream):
    world = World(start, upstream)
    world.final.script = serve(lambda _request: response(500, b"oops"))
    assert world.ask(get("/from", "x-request-id: one")).status == 500
    record = wait_until(lambda: records(world.proxy), "a record")[0]
    assert [(one["host"], one["end"]) for one in record["tries"]] == [
        (f"127.0.0.1:{world.app.port}", "answered 302"), (f"127.0.0.1:{world.final.port}", "answered 500")]


def test_the_second_request_has_a_span_below_the_first(start, upstream):
    """In Envoy it has ids, and is not sampled."""
    with contextlib.closing(GRPCCollector()) as collector:
        app = upstream(serve(lambda _request: response(302, b"moved", [("location", "http://shop/final")])))
        final = upstream()
        proxy = start({**http(
            [FINAL, follows()], [cluster("app", app.port), cluster("final", final.port), cluster(
                "collector", collector.port, typed_extension_protocol_options=H2)],
            tracing={"provider": otlp_over_grpc(), "random_sampling": {"value": 100}}), **flush_at_once()})
        with contextlib.closing(proxy.client()) as client:
            client.send(get("/from"))
            assert client.response().status == 200
        first, second = sorted(collector.wait(2), key=lambda span: span["tags"]["http.status_code"], reverse=True)
        assert [span["tags"]["http.status_code"] for span in (first, second)] == ["302", "200"]
        assert (second["trace"], second["parent"]) == (first["trace"], first["id"])
        assert final.requests[0].get("traceparent") == f"00-{second['trace']}-{second['id']}-01"


@pytest.mark.parametrize("policy, complaint", [
    ({"response_headers_to_copy": [":path"]}, '":path" cannot be copied'),
    ({"predicates": [{"name": "x"}]}, "predicates[0]"),
    ({"predicates": [{"name": "x", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Struct"}}]}, "predicates[0]"),
    ({"redirect_response_codes": [301] * 6}, "redirect_response_codes")])
def test_what_is_wrong_is_said(start, upstream, policy, complaint):
    with pytest.raises(AssertionError) as failure:
        start(http([follows(**policy)], [cluster("app", upstream().port)]))
    assert complaint in str(failure.value)


def test_a_status_that_is_no_redirect_is_warned_of(start, upstream):
    world = World(start, upstream, follows(redirect_response_codes=[200, 302]))
    assert "200 is no redirect: only 301, 302, 303, 307 and 308 are followed" in world.proxy.log_text()
    world.followed(get("/from"))
