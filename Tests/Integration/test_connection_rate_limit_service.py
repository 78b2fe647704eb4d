"""A rate limit service that is asked about connections."""
import contextlib
import json
import os
import subprocess
import threading

import grpc
import pytest
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, bootstrap, cluster, forward, listener, manager, tcp_proxy
from filters import network_limit as local_limit
from filters import network_rbac, rules
from harness import wait_until
from http2_peers import spoken
from limiters import OK, OVER, network_limit
from pki import client_context
from test_explain import only
from test_local_rate_limit import alive, echo
from test_rate_limit_service import limiter  # noqa: F401

ONE = [("a", "b"), ("c", "d")]


def proxy_with(either, asked, port, *filters, last=None, chain=None, layer=None, **settings):
    whole = {"filters": [*filters, last or tcp_proxy()], **(chain or {})}
    runtime = {"layered_runtime": {"layers": [{"name": "static", "static_layer": layer}]}} if layer else {}
    return either(bootstrap([listener(None, chain=whole)], [cluster("app", port), cluster("limiter", asked.port, **spoken())], **runtime),
                  arguments=["--file-flush-interval-msec", "20"], **settings)


def counted(proxy, prefix="gate"):
    found = proxy.stats(rf"^ratelimit\.{prefix}\.")
    assert {name.rpartition(".")[2] for name in found} == {
        "active", "cx_closed", "error", "failure_mode_allowed", "ok", "over_limit", "total"}
    return {name.rpartition(".")[2]: value for name, value in found.items() if value}


def log_to(path):
    return {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {"text_format_source": {
        "inline_string": "%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% %DOWNSTREAM_LOCAL_CLOSE_REASON% %BYTES_RECEIVED%"
                         " %DYNAMIC_METADATA(envoy.filters.network.ratelimit)%\n"}}}}


def lines_of(path, count):
    return wait_until(lambda: (lines := path.read_text().splitlines()) and len(lines) == count and lines, f"{count} lines")


def fails(_request, context):
    context.abort(grpc.StatusCode.UNAVAILABLE, "down")


@pytest.mark.parametrize("answer, deny, passes, line, stats", [
    (lambda *_: {**OK, "dynamic_metadata": {"a": 1}}, True, True, '- - - 4 {"a":1}', {"ok": 1}),
    (lambda *_: {**OVER, "dynamic_metadata": {"a": "b"}}, False, False, '- - ratelimit_close_over_limit 0 {"a":"b"}', {"over_limit": 1, "cx_closed": 1}),
    (fails, False, True, "- - - 4 -", {"error": 1, "failure_mode_allowed": 1}),
    (fails, True, False, "- - ratelimit_error_failure_mode_connection_close 0 -", {"error": 1, "cx_closed": 1}),
], ids=["ok", "over", "allowed", "denied"])
def test_who_is_let_in(either, limiter, upstream, tmp_path, answer, deny, passes, line, stats):  # noqa: F811
    asked = limiter(answer)
    proxy = proxy_with(either, asked, upstream(echo).port, network_limit(ONE, [("e", "f")], failure_mode_deny=deny),
                       last=tcp_proxy(access_log=[log_to(tmp_path / "log")]))
    assert bool(alive(proxy)) == passes
    assert asked.seen == [{"domain": "shop", "descriptors": [
        {"entries": [{"key": "a", "value": "b"}, {"key": "c", "value": "d"}]}, {"entries": [{"key": "e", "value": "f"}]}]}]
    assert counted(proxy) == {"total": 1, **stats}
    assert lines_of(tmp_path / "log", 1) == [line]
    assert proxy.stat("tcp.tcp.downstream_cx_total") == 1
    wait_until(lambda: proxy.stat("listener.127.0.0.1_0.downstream_cx_active") == 0, "nobody is there")


def test_values_are_formats(either, limiter, upstream):  # noqa: F811
    asked = limiter()
    entries = [("client", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% x"), ("name", "%REQUESTED_SERVER_NAME%"), ("none", "")]
    proxy = proxy_with(either, asked, upstream(echo).port, network_limit(entries))
    assert alive(proxy)
    assert asked.entries == [["client=127.0.0.1 x,name=-,none="]]


@pytest.mark.parametrize("key, stats", [
    ("ratelimit.tcp_filter_enabled", {}), ("ratelimit.tcp_filter_enforcing", {"total": 1, "over_limit": 1})])
def test_the_runtime_decides(either, limiter, upstream, key, stats):  # noqa: F811
    proxy = proxy_with(either, limiter(lambda *_: OVER), upstream(echo).port, network_limit(ONE), layer={key: 0})
    assert alive(proxy)
    assert counted(proxy) == stats


def test_http_connections(either, limiter, upstream):  # noqa: F811
    asked = limiter(lambda *_: [OK, OVER][len(asked.seen) - 1])
    proxy = proxy_with(either, asked, upstream().port, network_limit(ONE), last=manager([forward()]))
    with contextlib.closing(proxy.client()) as peer:
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert peer.response().body == b"hello"
        assert not alive(proxy, data="GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        # Whoever is in stays in, and is not asked about again.
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert peer.response().body == b"hello"
    assert counted(proxy) == {"total": 2, "ok": 1, "over_limit": 1, "cx_closed": 1}
    assert proxy.stat("http.ingress.downstream_cx_destroy_local") == 1
    assert 'envoy_ratelimit_over_limit{envoy_ratelimit_prefix="gate"} 1\n' in proxy.get_admin("/stats/prometheus").body.decode()


def test_tls_connections(either, limiter, upstream, ca):  # noqa: F811
    asked = limiter(lambda *_: [OK, OVER][len(asked.seen) - 1])
    socket = {"transport_socket": {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, "common_tls_context": {
        "tls_certificates": [ca.leaf("server", dns=["a"]).config]}}}}
    proxy = proxy_with(either, asked, upstream(echo).port, network_limit(ONE), chain=socket)
    with contextlib.closing(proxy.client(tls=client_context(ca), server_name="a")) as peer:
        peer.send("ping")
        assert peer.fill()
    with pytest.raises(OSError):
        with contextlib.closing(proxy.client(tls=client_context(ca), server_name="a")) as peer:
            peer.send("ping")
            if not peer.fill():
                raise ConnectionError("closed")
    assert counted(proxy) == {"total": 2, "ok": 1, "over_limit": 1, "cx_closed": 1}


def test_what_clients_say_meanwhile_waits(either, limiter, upstream):  # noqa: F811
    go = threading.Event()
    app = upstream(echo)
    proxy = proxy_with(either, limiter(lambda *_: (go.wait(60), OK)[1]), app.port, network_limit(ONE, timeout="60s"))
    with contextlib.closing(proxy.client()) as peer:
        peer.send("ping")
        wait_until(lambda: counted(proxy) == {"total": 1, "active": 1}, "a question")
        assert app.connections == 0
        go.set()
        assert peer.fill() and peer.buffer == b"ping"
    assert counted(proxy) == {"total": 1, "ok": 1}


def test_a_client_that_leaves_takes_its_question_back(start, limiter, upstream):  # noqa: F811
    done = threading.Event()
    proxy = proxy_with(start, limiter(lambda *_: (done.wait(60), OK)[1]), upstream(echo).port, network_limit(ONE, timeout="60s"))
    with contextlib.closing(proxy.client()) as peer:
        wait_until(lambda: counted(proxy) == {"total": 1, "active": 1}, "a question")
        peer.reset()
    wait_until(lambda: counted(proxy) == {"total": 1}, "no question")
    proxy.wait_stat("cluster.limiter.upstream_rq_active", 0)
    done.set()


def test_limits_in_their_order(either, limiter, upstream):  # noqa: F811
    asked = limiter(lambda *_: [OK, OK, OVER, OK][len(asked.seen) - 1])
    proxy = proxy_with(either, asked, upstream(echo).port, network_limit(ONE), local_limit(1), network_limit(ONE, stat_prefix="second"))
    assert [bool(alive(proxy)) for _ in range(3)] == [True, False, False]
    assert counted(proxy) == {"total": 3, "ok": 2, "over_limit": 1, "cx_closed": 1}
    assert counted(proxy, "second") == {"total": 1, "ok": 1}
    assert proxy.stat("local_rate_limit.gate.rate_limited") == 1


def test_rules_come_behind_limits(start, limiter, upstream):  # noqa: F811
    proxy = proxy_with(start, limiter(), upstream(echo).port, network_rbac(rules=rules("ALLOW")), network_limit(ONE))
    assert not alive(proxy)
    assert counted(proxy) == {"total": 1, "ok": 1}
    assert proxy.stat("gate.rbac.denied") == 1


def test_who_decided_is_told(start, limiter, upstream):  # noqa: F811
    proxy = proxy_with(start, limiter(lambda *_: OVER), upstream(echo).port, network_limit(ONE))
    assert not alive(proxy)
    words = "rate limit domain 'shop', descriptor 'a=b, c=d'"
    assert only(proxy)["decided_by"] == words
    wait_until(lambda: f"was not let in: {words}" in proxy.log_text(), "a line")


def test_why_there_is_no_answer_is_told(start, limiter, upstream):  # noqa: F811
    proxy = proxy_with(start, limiter(fails), upstream(echo).port, network_limit(ONE))
    assert alive(proxy)
    why = "rate limit 'gate': the rate limit service of domain 'shop' (cluster 'limiter') did not answer: grpc-status 14: down"
    wait_until(lambda: why in proxy.log_text(), "a line")


def test_what_is_not_acted_on_is_refused(tmp_path):
    def errors(*descriptors, **settings):
        path = tmp_path / "bootstrap.json"
        one = network_limit(*descriptors, **settings)
        path.write_text(json.dumps(bootstrap([listener(None, chain={"filters": [one, tcp_proxy()]})], [
            cluster(name, 1, **spoken()) for name in ("app", "limiter")])))
        done = subprocess.run([os.environ["OUTRIDER"], "validate", str(path)], capture_output=True, text=True)
        return done.stdout + done.stderr

    assert "OK" in errors(ONE)
    assert "descriptors[0].entries[0].value" in errors([("a", "%NO%")])
    assert "descriptors" in errors()
    entry = [{"key": "a", "value": "b"}]
    for field in ({"hits_addend": 3}, {"limit": {"requests_per_unit": 1, "unit": "HOUR"}}):
        assert f"descriptors[0].{next(iter(field))}" in errors(descriptors=[{"entries": entry, **field}])
