"""Local rate limits of requests and connections: who gets a token, and what the others are told."""
import contextlib
import json
import os
import subprocess

from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager, tcp_proxy
from filters import (FILTER_CONFIG, HTTP_LIMIT, ROUTER, bucket, limit, limit_settings, network_limit, rbac,
                     rules)
from harness import response, serve, wait_until

NEVER = {"default_value": {"numerator": 0}}


def direct(path="/", overrides=None):
    return {"match": {"path": path}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
            **({"typed_per_filter_config": overrides} if overrides else {})}


def proxy_with(either, filters, routes=None, clusters=(), log=None, **settings):
    more = {"access_log": [log]} if log else {}
    config = manager(routes or [direct()], http_filters=[*filters, ROUTER], **more)
    return either(bootstrap([listener(config)], list(clusters)), arguments=["--file-flush-interval-msec", "20"], **settings)


def ask(peer, path="/", *headers):
    peer.send("".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "host: a", *headers)) + "\r\n")
    return peer.response()


def statuses(proxy, count, path="/"):
    with contextlib.closing(proxy.client()) as peer:
        return [ask(peer, path).status for _ in range(count)]


def counters(proxy, prefix="limited"):
    names = ("enabled", "enforced", "ok", "rate_limited", "shadow_mode")
    found = proxy.stats(rf"^{prefix}\.http_local_rate_limit\.")
    assert set(found) == {f"{prefix}.http_local_rate_limit.{name}" for name in names}
    return [found[f"{prefix}.http_local_rate_limit.{name}"] for name in names[:4]]


def test_over_the_limit_is_429(either, tmp_path):
    log = {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(tmp_path / "log"), "log_format": {
        "text_format_source": {"inline_string": "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%\n"}}}}
    added = [{"header": {"key": "x-limited", "value": "%PROTOCOL%"}}]
    proxy = proxy_with(either, [limit(response_headers_to_add=added)], log=log)
    with contextlib.closing(proxy.client()) as peer:
        answers = [ask(peer) for _ in range(4)]
    assert [(one.status, one.body, one.get("x-limited")) for one in answers] == (
        [(200, b"ok", None)] * 2 + [(429, b"local_rate_limited", "HTTP/1.1")] * 2)
    assert counters(proxy) == [4, 2, 2, 2]
    assert proxy.stat("http.ingress.rq_total") == 2
    lines = wait_until(lambda: (lines := (tmp_path / "log").read_text().splitlines()) and len(lines) == 4 and lines, "four lines")
    assert lines == ["200 direct_response -"] * 2 + ["429 local_rate_limited RL"] * 2


def test_what_is_off_or_not_enforced(either, upstream):
    app = upstream()
    marked = [{"header": {"key": "x-over", "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    filters = [limit("default", prefix="default", tokens=1, filter_enabled=None, filter_enforced=None),
               limit("counted", prefix="counted", tokens=1, filter_enforced=NEVER,
                     request_headers_to_add_when_not_enforced=marked),
               limit("empty", prefix="empty", token_bucket=None)]
    for one in filters:
        one["typed_config"] = {key: value for key, value in one["typed_config"].items() if value is not None}
    proxy = proxy_with(either, filters, [forward()], [cluster("app", app.port)])
    assert statuses(proxy, 3) == [200] * 3
    assert counters(proxy, "default") == [0, 0, 0, 0]
    assert counters(proxy, "counted") == [3, 0, 1, 2]
    assert counters(proxy, "empty") == [3, 0, 3, 0]


def test_the_app_sees_what_was_over(either, upstream):
    seen = []

    def answer(request):
        seen.append(request.get("x-over"))
        return response()

    marked = [{"header": {"key": "x-over", "value": "1"}}]
    filters = [limit(tokens=1, filter_enforced=NEVER, request_headers_to_add_when_not_enforced=marked)]
    proxy = proxy_with(either, filters, [forward()], [cluster("app", upstream(serve(answer)).port)])
    assert statuses(proxy, 2) == [200, 200]
    assert seen == [None, "1"]


def test_the_runtime_decides(either):
    keyed = {"default_value": {"numerator": 100}, "runtime_key": "limit.on"}
    config = manager([direct()], http_filters=[limit(tokens=1, filter_enabled=keyed), ROUTER])
    layer = {"layers": [{"name": "static", "static_layer": {"limit.on": 0}}]}
    proxy = either(bootstrap([listener(config)], [], layered_runtime=layer))
    assert statuses(proxy, 3) == [200] * 3
    assert counters(proxy) == [0, 0, 0, 0]


def test_clients_are_told_what_is_left(either, upstream):
    app = upstream(serve(lambda _request: response(200, b"", [("X-RateLimit-Limit", "7")])))
    settings = {"enable_x_ratelimit_headers": "DRAFT_VERSION_03", "token_bucket": bucket(2, "100s", 1)}
    proxy = proxy_with(either, [limit(**settings)], [direct("/direct"), forward("/")], [cluster("app", app.port)])
    with contextlib.closing(proxy.client()) as peer:
        answers = [ask(peer, "/"), ask(peer, "/direct"), ask(peer, "/direct")]
    told = [[one.all(f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset")] for one in answers]
    assert told == [[["7", "2"], ["1"], ["0"]], [["2"], ["0"], ["100"]], [["2"], ["0"], ["100"]]]
    assert answers[2].status == 429


def test_a_route_has_a_limit_of_its_own(either):
    own = {"limit": limit_settings("own", 1, status={"code": "ServiceUnavailable"})}
    off = {"limit": {"@type": FILTER_CONFIG, "disabled": True}}
    low = {"limit": limit_settings("low", 1, status={"code": "OK"})}
    routes = [direct("/own", own), direct("/off", off), direct("/low", low), direct("/")]
    proxy = proxy_with(either, [limit()], routes)
    assert statuses(proxy, 3, "/own") == [200, 503, 503]
    assert statuses(proxy, 3, "/off") == [200] * 3
    assert statuses(proxy, 2, "/low") == [200, 429]
    assert statuses(proxy, 3) == [200, 200, 429]
    assert counters(proxy) == [3, 1, 2, 1]
    assert counters(proxy, "own") == [3, 2, 1, 2]


def test_each_connection_has_its_own_bucket(either):
    proxy = proxy_with(either, [limit(local_rate_limit_per_downstream_connection=True)])
    assert [statuses(proxy, 3) for _ in range(2)] == [[200, 200, 429]] * 2


def test_grpc_calls_are_told_in_their_own_words(either):
    filters = [limit("one", prefix="one", tokens=1)]
    proxy = proxy_with(either, filters, [direct("/"), direct("/exhausted", {"one": limit_settings(
        "exhausted", 1, rate_limited_as_resource_exhausted=True)})])
    grpc = "content-type: application/grpc"
    with contextlib.closing(proxy.client()) as peer:
        for path, status in (("/", "14"), ("/exhausted", "8")):
            ask(peer, path, grpc)
            answer = ask(peer, path, grpc)
            assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message")) == (200, status, "local_rate_limited")


def test_filters_run_in_the_order_of_the_list(either):
    deny = rbac(rules=rules())
    first = proxy_with(either, [deny, limit(tokens=1)])
    assert statuses(first, 2) == [403, 403]
    assert counters(first) == [0, 0, 0, 0]
    second = proxy_with(either, [limit(tokens=1), deny])
    assert statuses(second, 2) == [403, 429]
    assert second.stat("http.ingress.rbac.denied") == 1


def test_a_bucket_holds_over_all_workers(either):
    proxy = proxy_with(either, [limit(tokens=20)], concurrency=4)
    answers = [status for _ in range(40) for status in statuses(proxy, 1)]
    assert sorted(answers) == [200] * 20 + [429] * 20


# Connections

def alive(proxy, name="main", data="ping"):
    """What answers: nothing where a connection is not let in."""
    with contextlib.closing(proxy.client(name)) as peer, contextlib.suppress(ConnectionError):
        peer.send(data)
        return peer.fill()
    return False


def echo(peer, _number):
    while peer.fill():
        peer.send(bytes(peer.buffer))
        peer.buffer = type(peer.buffer)()


def test_connections_are_limited(either, upstream, tmp_path):
    log = {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(tmp_path / "log"), "log_format": {
        "text_format_source": {"inline_string": "%RESPONSE_FLAGS% %DOWNSTREAM_LOCAL_CLOSE_REASON%\n"}}}}
    proxy_filter = tcp_proxy(access_log=[log])
    chain = {"filters": [network_limit(2), proxy_filter]}
    off = {"filters": [network_limit(1, runtime_enabled={"default_value": False, "runtime_key": "none"}), tcp_proxy()]}
    keyed = {"filters": [network_limit(1, runtime_enabled={"default_value": True, "runtime_key": "limit.on"}), tcp_proxy()]}
    layer = {"layers": [{"name": "static", "static_layer": {"limit.on": False}}]}
    proxy = either(bootstrap(
        [listener(None, chain=chain), listener(None, name="off", chain=off), listener(None, name="keyed", chain=keyed)],
        [cluster("app", upstream(echo).port)], layered_runtime=layer), arguments=["--file-flush-interval-msec", "20"])
    assert [bool(alive(proxy)) for _ in range(4)] == [True, True, False, False]
    assert all(alive(proxy, "off") for _ in range(3))
    assert all(alive(proxy, "keyed") for _ in range(3))
    assert proxy.stat("local_rate_limit.gate.rate_limited") == 2
    lines = wait_until(lambda: (lines := (tmp_path / "log").read_text().splitlines()) and len(lines) == 4 and lines, "four lines")
    assert sorted(lines) == ["- -"] * 2 + ["URX local_ratelimit_close_over_limit"] * 2


def test_filters_of_one_key_share_their_bucket(either, upstream):
    def chain(**settings):
        return {"filters": [network_limit(2, **settings), tcp_proxy()]}

    proxy = either(bootstrap([
        listener(None, name="a", chain=chain(share_key="both")), listener(None, name="b", chain=chain(share_key="both")),
        listener(None, name="c", chain=chain(share_key="both", token_bucket=bucket(3))), listener(None, name="d", chain=chain()),
    ], [cluster("app", upstream(echo).port)]))
    assert [bool(alive(proxy, name)) for name in "abab"] == [True, True, False, False]
    assert [bool(alive(proxy, "c")) for _ in range(4)] == [True, True, True, False]
    assert [bool(alive(proxy, "d")) for _ in range(3)] == [True, True, False]


def test_http_connections_are_limited_before_their_handshake(either, ca):
    tls = {"common_tls_context": {"tls_certificates": [ca.leaf("server", dns=["a"]).config]}}
    socket = {"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", **tls}}
    chain = {"filters": [network_limit(1), manager([direct()])], "transport_socket": socket}
    proxy = either(bootstrap([listener(None, chain=chain, stat_prefix="main")], []))
    with contextlib.closing(proxy.client()) as first:  # it never begins its handshake, and has its token all the same
        assert not alive(proxy, data="x" * 64)
        first.send("x" * 64)
        first.rest()
    assert proxy.stat("local_rate_limit.gate.rate_limited") == 1
    assert proxy.stat("listener.main.ssl.connection_error") == 1
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_active") == 0, "nothing active")


def test_what_cannot_be_is_refused_by_name(tmp_path):
    def errors(filters):
        path = tmp_path / "bootstrap.json"
        path.write_text(json.dumps(bootstrap([listener(manager([direct()], http_filters=[*filters, ROUTER]))], [])))
        return subprocess.run([os.environ["OUTRIDER"], "validate", str(path)], capture_output=True, text=True).stderr

    assert "local_cluster_rate_limit" in errors([limit(local_cluster_rate_limit={})])
    one = {"entries": [{"key": "a", "value": "b"}], "token_bucket": bucket(1)}
    assert "descriptors[1]: the same descriptor" in errors([limit(descriptors=[one, one])])
    assert "descriptors[0].token_bucket" in errors([limit(descriptors=[{"entries": one["entries"]}])])
    for action in ("metadata", "dynamic_metadata", "extension"):
        assert f"rate_limits[0].actions[0].{action}" in errors([limit(descriptors=[one], rate_limits=[{"actions": [{action: {}}]}])])
    for field in ({"disable_key": "x"}, {"limit": {}}, {"hits_addend": {}}, {"apply_on_stream_done": True}, {"stage": 1}):
        rate_limits = [{"actions": [{"remote_address": {}}], **field}]
        assert f"rate_limits[0].{next(iter(field))}" in errors([limit(descriptors=[one], rate_limits=rate_limits)])
    assert "must be at least 50 ms" in errors([limit(token_bucket=bucket(1, "0.01s"))])
    assert HTTP_LIMIT.rpartition("/")[2] in errors([{"name": "x", "typed_config": {"@type": HTTP_LIMIT + "s"}}])
