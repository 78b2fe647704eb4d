"""A rate limit service that is asked about requests: what it is told, and what becomes of its answers."""
import contextlib
import json
import os
import socket
import subprocess
import threading
import types

import grpc
import pytest
from authorizers import header
from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager
from filters import FILTER_CONFIG, ROUTER, fault, limit
from harness import response, serve, wait_until
from http2_peers import spoken
from limiters import (OK, OVER, PER_ROUTE, Limiter, counted, global_limit, key, limited, per_route, proxy_with, rule,
                      service)
from test_explain import only


@pytest.fixture
def limiter():
    """limiter(answer) -> a service; without an answer everybody is within the limits."""
    with contextlib.ExitStack() as stack:

        def launch(answer=lambda _request, _context: OK):
            made = Limiter(answer)
            stack.callback(made.close)
            return made

        yield launch


@pytest.fixture
def app(upstream):
    """An app that remembers what it was sent."""
    seen = []

    def answer(request):
        seen.append(request)
        return response(200, b"hello", [("x-from", "app")])

    server = upstream(serve(answer))
    server.seen = seen
    return server


def ask(proxy, path="/", *headers, method="GET", body=""):
    with contextlib.closing(proxy.client()) as peer:
        lines = (f"{method} {path} HTTP/1.1", "host: a", *headers)
        peer.send("".join(f"{line}\r\n" for line in lines) + "\r\n" + body)
        return peer.response()


def log_to(path, more=""):
    return {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {"text_format_source": {
        "inline_string": f"%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER%{more}\n"}}}}


def lines_of(path, count):
    return wait_until(lambda: (lines := path.read_text().splitlines()) and len(lines) == count and lines, f"{count} lines")


def user():
    """An action: whose request it is."""
    return {"request_headers": {"header_name": "x-user", "descriptor_key": "user"}}


def refuse(request, _context):
    """Whoever is called bob is over the limit."""
    return OVER if "bob" in str(request["descriptors"]) else OK


def fails(_request, context):
    context.abort(grpc.StatusCode.UNAVAILABLE, "down for a while")


# What the service is told

def test_who_is_over_the_limit_is_refused(either, limiter, app, tmp_path):
    asked = limiter(refuse)
    proxy = proxy_with(either, app, asked, routes=[limited(rule(user()))], log=log_to(tmp_path / "log"))
    answers = [ask(proxy, "/", *lines) for lines in (["x-user: eve"], ["x-user: bob"], [])]
    assert [(one.status, one.body, one.get("x-envoy-ratelimited")) for one in answers] == [
        (200, b"hello", None), (429, b"", "true"), (200, b"hello", None)]
    assert asked.seen == [{"domain": "shop", "descriptors": [{"entries": [{"key": "user", "value": one}]}]} for one in ("eve", "bob")]
    metadata = asked.metadata[0]
    assert (metadata["x-envoy-internal"], metadata["x-envoy-expected-rq-timeout-ms"]) == ("true", "5000")
    assert "x-forwarded-for" in metadata
    assert len(app.seen) == 2
    assert counted(proxy) == {"ok": 1, "over_limit": 1}
    assert [proxy.stat(f"cluster.app.{name}") for name in ("upstream_rq_429", "internal.upstream_rq_4xx", "upstream_rq_200")] == [1, 1, 2]
    assert lines_of(tmp_path / "log", 3) == ["200 - via_upstream app", "429 RL request_rate_limited app", "200 - via_upstream app"]


def test_descriptors_are_made_of_all_that_can_be_counted(either, limiter, app):
    asked = limiter()
    actions = [key("x"), key("y", "k"), {"source_cluster": {}}, {"destination_cluster": {}}, {"remote_address": {}},
               {"masked_remote_address": {"v4_prefix_mask_len": 9}}, user(), {"query_parameters": {
                   "query_parameter_name": "q", "descriptor_key": "q"}},
               {"header_value_match": {"descriptor_value": "h", "headers": [{"name": "x-user", "present_match": True}]}},
               {"query_parameter_value_match": {"descriptor_value": "p", "query_parameters": [{"name": "q", "present_match": True}]}}]
    proxy = proxy_with(either, app, asked, routes=[limited(
        rule(*actions), rule(user(), {"query_parameters": {"query_parameter_name": "no", "descriptor_key": "no"}}), rule(key("last")))])
    ask(proxy, "/?q=a%20b", "x-user: eve")
    assert asked.entries == [[
        "generic_key=x,k=y,source_cluster=me,destination_cluster=app,remote_address=127.0.0.1,masked_remote_address=127.0.0.0/9,"
        "user=eve,q=a b,header_match=h,query_match=p", "generic_key=last"]]


@pytest.mark.parametrize("option, includes, own, expected", [
    (None, None, True, ["route"]), (None, None, False, ["host"]), (None, True, True, ["route", "host"]),
    ("INCLUDE", None, True, ["route", "host"]), ("INCLUDE", None, False, ["host"]), ("IGNORE", None, True, ["route"]),
    ("IGNORE", None, False, None), ("IGNORE", True, True, ["route", "host"]), ("OVERRIDE", None, True, ["route"]),
    ("OVERRIDE", None, False, ["host"]),
])
def test_rules_of_routes_and_of_their_virtual_hosts(either, limiter, app, option, includes, own, expected):
    asked = limiter()
    route = forward(**({"rate_limits": [rule(key("route"))]} if own else {}),
                    **({"include_vh_rate_limits": includes} if includes is not None else {}))
    route = per_route(route, vh_rate_limits=option) if option else route
    proxy = proxy_with(either, app, asked, routes=[route], virtual_host={"rate_limits": [rule(key("host"))]})
    assert ask(proxy).status == 200
    assert asked.entries == ([[f"generic_key={one}" for one in expected]] if expected else [])
    assert counted(proxy) == ({"ok": 1} if expected else {})


def test_whose_rules_come_first(either, limiter, app):
    asked = limiter()
    routes = [per_route(limited(prefix="/own", include_vh_rate_limits=True), rate_limits=[rule(key("own"))], domain="other"),
              per_route(limited(prefix="/domain"), domain="other"), limited()]
    proxy = proxy_with(either, app, asked, global_limit(stage=3, rate_limits=[rule(key("filter"))]), routes=routes,
                       virtual_host={"rate_limits": [rule(key("host"))]})
    for path in ("/own", "/domain", "/"):
        ask(proxy, path)
    assert [(one["domain"], *entries) for one, entries in zip(asked.seen, asked.entries)] == [
        ("other", "generic_key=own"), ("other", "generic_key=filter"), ("shop", "generic_key=filter")]


def test_a_weighted_cluster_has_its_own_domain(either, limiter, app):
    asked = limiter()
    own = {"name": "app", "weight": 1, "typed_per_filter_config": {"limit": {"@type": PER_ROUTE, "domain": "other"}}}
    route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [own]}, "rate_limits": [rule(key("x"))]}}
    assert ask(proxy_with(either, app, asked, routes=[route])).status == 200
    assert [one["domain"] for one in asked.seen] == ["other"]


def test_stages(either, limiter, app):
    asked = limiter()
    rules = [rule(key("0")), rule(key("2"), stage=2), rule(key("3"), stage=3)]
    proxy = proxy_with(either, app, asked, global_limit("one", domain="one"), global_limit("two", domain="two", stage=2),
                       routes=[limited(*rules)])
    assert ask(proxy).status == 200
    assert [(one["domain"], *entries) for one, entries in zip(asked.seen, asked.entries)] == [
        ("one", "generic_key=0"), ("two", "generic_key=2")]
    assert counted(proxy) == {"ok": 2}


def test_what_a_request_counts_for(either, limiter, app):
    asked = limiter()
    rules = [rule(key("number"), hits_addend={"number": 7}), rule(key("none"), hits_addend={"number": 0}),
             *(rule(key(name), hits_addend={"format": f"%REQ(x-{name})%"}) for name in ("whole", "part", "minus", "word", "no", "huge")),
             rule(key("bytes"), hits_addend={"format": "%BYTES_RECEIVED%"})]
    proxy = proxy_with(either, app, asked, global_limit(rate_limits=rules), routes=[forward()])
    ask(proxy, "/", "x-whole: 12", "x-part: 3.7", "x-minus: -3", "x-word: many", "x-huge: 1000000001")
    assert {one["entries"][0]["value"]: one["hits_addend"] for one in asked.seen[0]["descriptors"]} == {
        "number": "7", "none": "0", "whole": "12", "part": "3", "bytes": "0"}


@pytest.mark.parametrize("which, expected", [("internal", ["10.0.0.1"]), ("external", ["127.0.0.1"]), ("both", ["127.0.0.1", "10.0.0.1"])])
def test_who_is_asked_about(either, limiter, app, which, expected):
    asked = limiter()
    known = {"use_remote_address": False, "internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}
    proxy = proxy_with(either, app, asked, global_limit(request_type=which), routes=[limited(rule({"remote_address": {}}))], http=known)
    assert [ask(proxy, "/", *lines).status for lines in ([], ["x-forwarded-for: 10.0.0.1"])] == [200, 200]
    assert asked.entries == [[f"remote_address={one}"] for one in expected]


def test_only_requests_that_go_to_a_cluster(either, limiter, app):
    asked = limiter()
    routes = [{"match": {"prefix": "/direct"}, "direct_response": {"status": 299}},
              {"match": {"prefix": "/off"}, **{k: v for k, v in limited().items() if k != "match"},
               "typed_per_filter_config": {"limit": {"@type": FILTER_CONFIG, "disabled": True}}},
              {"match": {"prefix": "/"}, "route": {"cluster_header": "x-to"}}]
    proxy = proxy_with(either, app, asked, global_limit(rate_limits=[rule(key("x"))]), routes=routes)
    assert [ask(proxy, *one).status for one in (["/direct"], ["/off"], ["/"], ["/", "x-to: none"], ["/", "x-to: app"])] == [
        299, 200, 503, 503, 200]
    assert len(asked.seen) == 1


# What follows

FULL = {"statuses": [
    {"code": "OVER_LIMIT", "current_limit": {"requests_per_unit": 10, "unit": "MINUTE", "name": "per-ip"}, "duration_until_reset": "7.9s"},
    {"code": "OK", "current_limit": {"requests_per_unit": 100, "unit": "MONTH"}, "limit_remaining": 5},
    {"code": "OK"}, {"code": "OK", "current_limit": {"requests_per_unit": 9, "unit": "UNKNOWN"}, "limit_remaining": 3}],
    "response_headers_to_add": [{"key": "X-Told", "value": "1"}, {"key": "x-told", "value": "2"}, {"key": "content-type", "value": "text/html"}],
    "request_headers_to_add": [{"key": "X-Asked", "value": "1"}, {"key": "x-user", "value": "2"}]}
QUOTA = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]


def test_what_the_service_adds_to_a_refusal(either, limiter, app):
    asked = limiter(lambda *_: {**OVER, **FULL, "raw_body": "Ym9keQ=="})
    settings = {"enable_x_ratelimit_headers": "DRAFT_VERSION_03", "rate_limited_status": {"code": "ServiceUnavailable"},
                "disable_x_envoy_ratelimited_header": True, "stat_prefix": "mine",
                "response_headers_to_add": [header("x-added", "%PROTOCOL%"), header("x-told", "3")]}
    proxy = proxy_with(either, app, asked, global_limit(**settings))
    answer = ask(proxy)
    assert (answer.status, answer.body) == (503, b"body")
    assert [answer.all(name) for name in ("x-told", "content-type", "x-added", "x-envoy-ratelimited")] == [
        ["1", "2", "3"], ["text/html"], ["HTTP/1.1"], []]
    assert [answer.get(name) for name in QUOTA] == ['10, 10;w=60;name="per-ip", 100;w=2592000', "0", "7"]
    assert counted(proxy, "mine.") == {"over_limit": 1}
    assert proxy.stat("cluster.app.upstream_rq_503") == 1
    assert app.seen == []


def test_what_the_service_adds_to_a_request_that_passes(either, limiter, app):
    asked = limiter(lambda *_: {**OK, **FULL, "response_headers_to_add": [{"key": "X-From", "value": "limiter"}],
                                "statuses": [{"code": "OK", "current_limit": {"requests_per_unit": 4, "unit": "WEEK"}, "limit_remaining": 3}]})
    answer = ask(proxy_with(either, app, asked, global_limit(enable_x_ratelimit_headers="DRAFT_VERSION_03")), "/", "x-user: 1")
    assert (answer.status, answer.all("x-from"), [answer.get(name) for name in QUOTA]) == (
        200, ["app", "limiter"], ["4, 4;w=604800", "3", "0"])
    assert [app.seen[0].all(name) for name in ("x-asked", "x-user")] == [["1"], ["1", "2"]]


def test_quotas_are_told_only_where_asked_for(either, limiter, app):
    answer = ask(proxy_with(either, app, limiter(lambda *_: {**OVER, **FULL})))
    assert (answer.status, [answer.get(name) for name in QUOTA]) == (429, [None] * 3)
    telling = global_limit(enable_x_ratelimit_headers="DRAFT_VERSION_03")
    answer = ask(proxy_with(either, app, limiter(lambda *_: {**OVER, "statuses": [{"code": "OVER_LIMIT"}]}), telling))
    assert (answer.status, [answer.get(name) for name in QUOTA]) == (429, [None] * 3)


def test_grpc_calls_are_told_in_their_own_words(either, limiter, app):
    asked = limiter(lambda *_: {**OVER, "raw_body": "Ym9keQ=="})
    for settings, status in (({}, "14"), ({"rate_limited_as_resource_exhausted": True}, "8")):
        answer = ask(proxy_with(either, app, asked, global_limit(**settings)), "/", "content-type: application/grpc")
        assert [answer.status, *(answer.get(name) for name in ("grpc-status", "grpc-message", "x-envoy-ratelimited"))] == [
            200, status, "body", "true"]


def test_limits_that_are_not_enforced(either, limiter, app, tmp_path):
    for settings, layer in (({"filter_enforced": {"default_value": {"numerator": 0}}}, None), ({}, {"ratelimit.http_filter_enforcing": 0})):
        asked = limiter(lambda *_: {**OVER, **FULL, "raw_body": "Ym9keQ=="})
        proxy = proxy_with(either, app, asked, global_limit(**settings), layer=layer)
        answer = ask(proxy)
        assert (answer.status, answer.body, answer.all("x-told"), answer.get("x-envoy-ratelimited")) == (200, b"hello", ["1", "2"], "true")
        assert app.seen[-1].get("x-asked") == "1"
        assert counted(proxy) == {"over_limit": 1}
        assert proxy.stat("cluster.app.upstream_rq_429") == 1


def test_what_is_off(either, limiter, app):
    keyed = {"default_value": {"numerator": 100}, "runtime_key": "mine"}
    for settings, layer in (({}, {"ratelimit.http_filter_enabled": 0}), ({"filter_enabled": {"default_value": {"numerator": 0}}}, None),
                            ({"filter_enabled": keyed}, {"mine": 0})):
        asked = limiter()
        proxy = proxy_with(either, app, asked, global_limit(**settings), layer=layer)
        assert (ask(proxy).status, asked.seen, counted(proxy)) == (200, [], {})
    asked = limiter()
    proxy = proxy_with(either, app, asked, global_limit(filter_enabled=keyed), layer={"ratelimit.http_filter_enabled": 0})
    assert (ask(proxy).status, len(asked.seen)) == (200, 1)


def test_rules_can_be_switched_off(either, limiter, app):
    asked = limiter()
    rules = [rule(key("off"), disable_key="one"), rule(key("on"), disable_key="two")]
    proxy = proxy_with(either, app, asked, routes=[limited(*rules)], layer={"ratelimit.one.http_filter_enabled": 0})
    assert ask(proxy).status == 200
    assert asked.entries == [["generic_key=on"]]


def test_metadata_of_the_service_is_for_logs(either, limiter, app, tmp_path):
    sent = {"text": 'a"b', "number": 1.5, "whole": 3, "flag": True, "none": None, "list": [1, "x"], "inner": {"z": 1, "b": {}}}
    names = ("text", "number", "whole", "flag", "list", "inner", "missing")
    more = "".join(f"|%DYNAMIC_METADATA(envoy.filters.http.ratelimit:{name})%" for name in names)
    proxy = proxy_with(either, app, limiter(lambda *_: {**OK, "dynamic_metadata": sent}),
                       log=log_to(tmp_path / "log", more + "|%DYNAMIC_METADATA(envoy.filters.http.ratelimit)%"))
    assert ask(proxy).status == 200
    *values, whole = lines_of(tmp_path / "log", 1)[0].split("|")[1:]
    assert values == ['a"b', "1.5", "3", "true", '[1,"x"]', '{"b":{},"z":1}', "-"]
    assert whole == '{"flag":true,"inner":{"b":{},"z":1},"list":[1,"x"],"none":null,"number":1.5,"text":"a\\"b","whole":3}'


# Without an answer

@pytest.mark.parametrize("settings, status", [
    ({}, 200), ({"failure_mode_deny": True}, 500), ({"failure_mode_deny": True, "status_on_error": {"code": "BadGateway"}}, 502),
    ({"failure_mode_deny": True, "failure_mode_deny_percent": {"default_value": {"numerator": 0}, "runtime_key": "k"}}, 200),
    ({"failure_mode_deny_percent": {"default_value": {"numerator": 100}, "runtime_key": "k"}}, 500),
])
def test_a_service_that_fails(either, limiter, app, tmp_path, settings, status):
    proxy = proxy_with(either, app, limiter(fails), global_limit(**settings), log=log_to(tmp_path / "log"))
    answer = ask(proxy)
    assert (answer.status, answer.body) == (status, b"hello" if status == 200 else b"")
    assert counted(proxy) == {"error": 1, **({"failure_mode_allowed": 1} if status == 200 else {})}
    expected = "200 - via_upstream app" if status == 200 else f"{status} RLSE rate_limiter_error app"
    assert lines_of(tmp_path / "log", 1) == [expected]


def test_nobody_to_ask(either, app):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and nobody listens there
        proxy = proxy_with(either, app, types.SimpleNamespace(port=deaf.getsockname()[1]), global_limit(failure_mode_deny=True))
        assert (ask(proxy).status, counted(proxy)) == (500, {"error": 1})


def test_a_service_that_is_silent(either, limiter, app):
    done = threading.Event()
    asked = limiter(lambda *_: (done.wait(60), OK)[1])
    standard = global_limit(failure_mode_deny=True)
    del standard["typed_config"]["timeout"]
    for one in (standard, global_limit(failure_mode_deny=True, timeout="0.1s")):
        proxy = proxy_with(either, app, asked, one)
        assert (ask(proxy).status, counted(proxy)) == (500, {"error": 1})
        assert proxy.stat("cluster.limiter.upstream_rq_timeout") == 1
    done.set()


def test_a_client_that_leaves_takes_its_question_back(either, limiter, app):
    done = threading.Event()
    proxy = proxy_with(either, app, limiter(lambda *_: (done.wait(60), OK)[1]), global_limit(timeout="60s"))
    with contextlib.closing(proxy.client()) as peer:
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        proxy.wait_stat("cluster.limiter.upstream_rq_active", 1)
    proxy.wait_stat("cluster.limiter.upstream_rq_active", 0)
    proxy.wait_stat("http.ingress.downstream_rq_active", 0)
    done.set()
    assert counted(proxy) == {}


def test_bodies_wait_for_the_answer(either, limiter, app):
    go = threading.Event()
    proxy = proxy_with(either, app, limiter(lambda *_: (go.wait(60), OK)[1]), global_limit(timeout="60s"))
    with contextlib.closing(proxy.client()) as peer:
        peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf")
        proxy.wait_stat("cluster.limiter.upstream_rq_active", 1)
        assert app.seen == []
        go.set()
        peer.send("rest")
        assert peer.response().status == 200
    assert app.seen[0].body == b"halfrest"


# When a request is over

def ended(asked, count):
    wait_until(lambda: len(asked.seen) >= count, f"{count} questions")
    return asked.entries


def test_the_service_is_told_when_a_request_is_over(either, limiter, app):
    asked = limiter(refuse)
    rules = [rule(key("now")), rule(key("end"), {"request_headers": {"header_name": "x-user", "descriptor_key": "user", "skip_if_absent": True}},
                                    apply_on_stream_done=True)]
    proxy = proxy_with(either, app, asked, routes=[limited(*rules), ])
    assert ask(proxy).status == 200
    assert ended(asked, 2) == [["generic_key=now"], ["generic_key=end"]]
    # Over the limit at the end: nobody is told, and nobody counts.
    assert ask(proxy, "/", "x-user: bob").status == 200
    assert ended(asked, 4)[2:] == [["generic_key=now"], ["generic_key=end,user=bob"]]
    assert counted(proxy) == {"ok": 2}


def test_what_a_request_was_is_known_at_its_end(either, limiter, app):
    asked = limiter()
    end = {"apply_on_stream_done": True}
    own = [rule(key("sent"), hits_addend={"format": "%BYTES_SENT%"}, **end), rule(key("code"), hits_addend={"format": "%RESPONSE_CODE%"}, **end)]
    proxy = proxy_with(either, app, asked, routes=[per_route(limited(prefix="/own"), rate_limits=own), limited(rule(key("x"), **end))])
    assert ask(proxy, "/own").status == 200
    ended(asked, 1)
    assert {one["entries"][0]["value"]: one["hits_addend"] for one in asked.seen[0]["descriptors"]} == {"sent": "5", "code": "200"}
    assert ask(proxy, "/").status == 200
    assert ended(asked, 2)[1] == ["generic_key=x"]
    assert counted(proxy) == {}


def test_requests_that_others_answer_are_over_too(either, limiter, app):
    abort = fault(abort={"http_status": 418, "percentage": {"numerator": 100}})
    filters = [global_limit(rate_limits=[rule(key("bob")), rule(key("end"), apply_on_stream_done=True)])]
    asked = limiter(refuse)
    assert ask(proxy_with(either, app, asked, *filters)).status == 429
    assert ended(asked, 2) == [["generic_key=bob"], ["generic_key=end"]]
    asked = limiter()
    assert ask(proxy_with(either, app, asked, *filters, abort)).status == 418
    assert ended(asked, 2) == [["generic_key=bob"], ["generic_key=end"]]
    asked = limiter()
    assert ask(proxy_with(either, app, asked, abort, *filters)).status == 418
    assert asked.seen == []


# With others

def test_local_limits_beside_it(either, limiter, app):
    """Both read the rules of the route; what can be switched off is for services."""
    asked = limiter()
    local = limit("local", descriptors=[{"entries": [{"key": "generic_key", "value": value}], "token_bucket": {
        "max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "1000s"}} for value in ("off", "end")], token_bucket={
            "max_tokens": 100, "tokens_per_fill": 1, "fill_interval": "1s"})
    routes = [limited(rule(key("off"), disable_key="k"), prefix="/off"), limited(rule(key("end"), apply_on_stream_done=True))]
    proxy = proxy_with(either, app, asked, local, global_limit(), routes=routes)
    assert [ask(proxy, "/off").status for _ in range(3)] == [200] * 3
    assert [ask(proxy).status for _ in range(2)] == [200, 429]
    ended(asked, 4)
    assert asked.entries == [["generic_key=off"]] * 3 + [["generic_key=end"]]


def test_one_connection_serves_many_questions(either, limiter, app):
    proxy = proxy_with(either, app, limiter())
    with contextlib.closing(proxy.client()) as peer:
        for _ in range(50):
            peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert peer.response().status == 200
    assert [proxy.stat(f"cluster.limiter.upstream_{name}_total") for name in ("rq", "cx")] == [50, 1]
    assert counted(proxy) == {"ok": 50}
    assert 'envoy_cluster_ratelimit_ok{envoy_cluster_name="app"} 50\n' in proxy.get_admin("/stats/prometheus").body.decode()


# Beyond Envoy

def test_who_decided_is_told(start, limiter, app, tmp_path):
    more = " %DYNAMIC_METADATA(outrider.ratelimit:domain)% %DYNAMIC_METADATA(outrider.ratelimit:descriptor)%"
    full = {**OVER, "statuses": [{"code": "OK"}, {"code": "OVER_LIMIT", "current_limit": {"requests_per_unit": 10, "unit": "HOUR"}}]}
    proxy = proxy_with(start, app, limiter(lambda *_: full), routes=[limited(rule(key("x")), rule(user(), key("y")))],
                       log=log_to(tmp_path / "log", more))
    assert ask(proxy, "/", "x-user: bob").status == 429
    assert lines_of(tmp_path / "log", 1) == ["429 RL request_rate_limited app shop user=bob, generic_key=y"]
    record = only(proxy)
    assert record["decided_by"] == "rate limit domain 'shop', descriptor 'user=bob, generic_key=y', 10 a hour"
    assert record["response_flags"] == ["RL"]


def test_why_there_is_no_answer_is_told(start, limiter, app):
    proxy = proxy_with(start, app, limiter(fails), global_limit(failure_mode_deny=True))
    for _ in range(20):
        assert ask(proxy).status == 500
    why = "the rate limit service of domain 'shop' (cluster 'limiter') did not answer: grpc-status 14: down for a while"
    wait_until(lambda: why in proxy.log_text(), "a line")
    assert 10 <= proxy.log_text().count(why) < 20
    assert only(proxy)["decided_by"].endswith("grpc-status 14: down for a while; failure_mode_deny")


def test_what_clients_send_cannot_keep_the_service_from_answering(start, limiter, app):
    """Envoy asks nothing where a value is no UTF-8, and lets the request pass."""
    asked = limiter(lambda *_: OVER)
    proxy = proxy_with(start, app, asked, routes=[limited(rule(user()))])
    assert ask(proxy, "/", "x-user: caf\xe9").status == 429
    assert asked.entries == [["user=caf!"]]


def test_a_service_cannot_change_where_a_request_goes(start, limiter, app):
    asked = limiter(lambda *_: {**OK, "request_headers_to_add": [
        {"key": ":path", "value": "/b"}, {"key": "host", "value": "b"}, {"key": "content-length", "value": "7"}, {"key": "x-ok", "value": "1"}]})
    assert ask(proxy_with(start, app, asked), "/a").status == 200
    request = app.seen[0]
    assert (request.path, request.all("host"), request.get("content-length"), request.get("x-ok")) == ("/a", ["a"], None, "1")


def validate(tmp_path, *filters, routes=(), clusters=("app", "limiter")):
    path = tmp_path / "bootstrap.json"
    config = manager(list(routes) or [forward()], http_filters=[*filters, ROUTER])
    path.write_text(json.dumps(bootstrap([listener(config)], [cluster(name, 1, **spoken()) for name in clusters])))
    done = subprocess.run([os.environ["OUTRIDER"], "validate", str(path)], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_what_is_not_acted_on_is_refused(tmp_path):
    def errors(*filters, **settings):
        return validate(tmp_path, *filters, **settings)

    assert "OK" in errors(global_limit()), errors(global_limit())
    for field in ("stage", "disable_key", "limit"):
        value = {"stage": 1, "disable_key": "x", "limit": {}}[field]
        assert f"rate_limits[0].{field}" in errors(global_limit(rate_limits=[rule(key("x"), **{field: value})]))
    for hits in ({}, {"number": 1, "format": "%PROTOCOL%"}, {"format": "%REQ(a)%%REQ(b)%"}, {"format": "%NO%"}):
        assert "rate_limits[0].hits_addend" in errors(global_limit(rate_limits=[rule(key("x"), hits_addend=hits)]))
    assert "route.rate_limits[0].hits_addend" in errors(global_limit(), routes=[limited(rule(key("x"), hits_addend={"number": 1}))])
    assert "override_option" in errors(global_limit(), routes=[per_route(limited(), override_option="INCLUDE_POLICY")])
    assert "request_type" in errors(global_limit(request_type="some"))
    assert "domain" in errors(global_limit(domain=""))
    assert 'there is no cluster "limiter"' in errors(global_limit(), clusters=("app",))
    assert "retry_policy" in errors(global_limit(**service(retry_policy={})))
    timed = service()
    timed["rate_limit_service"]["grpc_service"]["timeout"] = "1s"
    assert "grpc_service.timeout: does nothing" in errors(global_limit(**timed))
    for local in ("disable_key", "apply_on_stream_done"):
        routes = [limited(rule(key("x"), **{local: "x" if local == "disable_key" else True}))]
        assert "does nothing" in errors(limit(), routes=routes)
        assert "does nothing" not in errors(limit("local"), global_limit(), routes=routes)
