"""Injected faults: what waits, what fails, what clients and logs are told."""
import contextlib
import json
import os
import subprocess

from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager
from filters import FILTER_CONFIG, ROUTER, fault, fault_settings, rbac, rules
from harness import response, serve, wait_until

ALL = {"numerator": 100}
LONG = {"fixed_delay": "600s", "percentage": ALL}
SHORT = {"fixed_delay": "0.05s", "percentage": ALL}


def abort(**status):
    return {**status, "percentage": ALL}


def route(path, **settings):
    return {**forward(), "match": {"path": path}, "typed_per_filter_config": {"fault": fault_settings(**settings)}}


def proxy_with(either, filters, app, routes=(), log=None, **settings):
    more = {"access_log": [log]} if log else {}
    config = manager([*routes, forward()], http_filters=[*filters, ROUTER], **more)
    return either(bootstrap([listener(config)], [cluster("app", app.port)], **settings),
                  arguments=["--file-flush-interval-msec", "20"])


def ask(proxy, path="/", *headers, method="GET", body=""):
    with contextlib.closing(proxy.client()) as peer:
        peer.send("".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "host: a", *headers)) + "\r\n" + body)
        return peer.response()


def log_to(path):
    return {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {"text_format_source": {
        "inline_string": "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %GRPC_STATUS%\n"}}}}


def lines_of(path, count):
    return wait_until(lambda: (lines := path.read_text().splitlines()) and len(lines) == count and lines, f"{count} lines")


def faults(proxy):
    return {name.removeprefix("http.ingress.fault."): value for name, value in proxy.stats(r"^http\.ingress\.fault\.").items()}


def test_faults_by_route(either, upstream, tmp_path):
    routes = [route("/abort", abort=abort(http_status=418)), route("/grpc", abort=abort(grpc_status=5)),
              route("/delay", delay=SHORT), route("/both", delay=SHORT, abort=abort(http_status=500)),
              route("/never", delay={"fixed_delay": "600s"}, abort={"http_status": 500}),
              route("/full", delay=LONG, abort=abort(http_status=500), max_active_faults=0)]
    proxy = proxy_with(either, [fault()], upstream(), routes, log_to(tmp_path / "log"))
    grpc = "content-type: application/grpc"
    answers = [ask(proxy, "/abort"), ask(proxy, "/abort", grpc), ask(proxy, "/grpc"), ask(proxy, "/grpc", grpc)]
    assert [(one.status, one.body, one.get("grpc-status"), one.get("grpc-message")) for one in answers] == [
        (418, b"fault filter abort", None, None), (200, b"", "2", "fault filter abort"),
        (200, b"fault filter abort", None, None), (200, b"", "5", "fault filter abort")]
    assert [ask(proxy, path).status for path in ("/delay", "/both", "/never", "/full", "/")] == [200, 500, 200, 200, 200]
    assert faults(proxy) == {"aborts_injected": 5, "delays_injected": 2, "faults_overflow": 2, "active_faults": 0,
                             "response_rl_injected": 0}
    assert lines_of(tmp_path / "log", 9) == [
        "/abort 418 FI fault_filter_abort -", "/abort 200 FI fault_filter_abort Unknown", "/grpc 200 FI fault_filter_abort -",
        "/grpc 200 FI fault_filter_abort NotFound", "/delay 200 DI via_upstream -", "/both 500 DI,FI fault_filter_abort -",
        "/never 200 - via_upstream -", "/full 200 - via_upstream -", "/ 200 - via_upstream -"]


def test_faults_that_clients_ask_for(either, upstream):
    everything = fault(delay={"header_delay": {}, "percentage": ALL}, abort={"header_abort": {}, "percentage": ALL})
    proxy = proxy_with(either, [everything], upstream())
    head = "x-envoy-fault-"
    cases = [((f"{head}abort-request: 429",), 429), ((f"{head}abort-request: 600",), 200), ((f"{head}abort-request: 199",), 200),
             ((f"{head}abort-request: 429", f"{head}abort-request-percentage: 0"), 200),
             ((f"{head}abort-request: 429", f"{head}abort-grpc-request: 3"), 429), ((f"{head}delay-request: 30",), 200),
             ((f"{head}delay-request: 30", f"{head}delay-request-percentage: 0"), 200), ((f"{head}delay-request: x",), 200),
             ((f"{head}delay-request: 0",), 200), ((f"{head}delay-request: 30", f"{head}abort-request: 503"), 503)]
    assert [ask(proxy, "/", *headers).status for headers, _ in cases] == [status for _, status in cases]
    answer = ask(proxy, "/", f"{head}abort-grpc-request: 77", "content-type: application/grpc")
    assert answer.get("grpc-status") == "77"
    assert (faults(proxy)["aborts_injected"], faults(proxy)["delays_injected"]) == (4, 2)


def test_who_has_a_fault(either, upstream):
    some = fault(abort=abort(http_status=503), upstream_cluster="app", downstream_nodes=["a", "b"],
                 headers=[{"name": "x-on", "string_match": {"exact": "yes"}}])
    proxy = proxy_with(either, [some], upstream())
    node = "x-envoy-downstream-service-node"
    cases = [((), 200), (("x-on: yes",), 200), ((f"{node}: a",), 200), (("x-on: yes", f"{node}: c"), 200),
             (("x-on: yes", f"{node}: b"), 503)]
    assert [ask(proxy, "/", *headers).status for headers, _ in cases] == [status for _, status in cases]
    other = proxy_with(either, [fault(abort=abort(http_status=503), upstream_cluster="other")], upstream())
    assert ask(other).status == 200


def test_the_runtime_and_downstream_clusters(either, upstream):
    some = fault(abort={"http_status": 503}, abort_http_status_runtime="my.status")
    layer = {"layers": [{"name": "static", "static_layer": {
        "my.status": 507, "fault.http.abort.abort_percent": 100, "fault.http.shop.abort.abort_percent": 100,
        "fault.http.shop.abort.http_status": 404}}]}
    proxy = proxy_with(either, [some], upstream(), layered_runtime=layer)
    origin = "x-envoy-downstream-service-cluster"
    # The general percentage does not count for those that say where they come from.
    assert [ask(proxy, "/", *headers).status for headers in ((), (f"{origin}: shop",), (f"{origin}: other",))] == [507, 404, 200]
    found = faults(proxy)
    assert (found["aborts_injected"], found["shop.aborts_injected"]) == (2, 1)
    assert "other.aborts_injected" not in found
    quiet = proxy_with(either, [fault(abort=abort(http_status=503), disable_downstream_cluster_stats=True)], upstream())
    assert ask(quiet, "/", f"{origin}: shop").status == 503
    assert "shop.aborts_injected" not in faults(quiet)


def test_the_body_of_a_request_that_waits(either, upstream):
    app = upstream(serve(lambda request: response(200, b"%d" % len(request.body))))
    proxy = proxy_with(either, [fault(delay=SHORT)], app)
    assert ask(proxy, "/", "content-length: 5", method="POST", body="hello").body == b"5"
    assert ask(proxy, "/", "transfer-encoding: chunked", method="POST", body="5\r\nhello\r\n0\r\n\r\n").body == b"5"
    # More than the watermark: it comes when the wait is over.
    size = 3 << 20
    assert ask(proxy, "/", f"content-length: {size}", method="POST", body="x" * size).body == b"%d" % size


def test_a_client_that_leaves(either, upstream):
    app = upstream()
    proxy = proxy_with(either, [fault(delay=LONG)], app)
    with contextlib.closing(proxy.client()) as peer:
        peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello")
        proxy.wait_stat("http.ingress.fault.active_faults", 1)
    proxy.wait_stat("http.ingress.fault.active_faults", 0)
    proxy.wait_stat("http.ingress.downstream_rq_active", 0)
    assert proxy.stat("cluster.app.upstream_rq_total") == 0
    assert proxy.stat("http.ingress.downstream_rq_rx_reset") == 1


def test_deadlines_run_while_a_request_waits(either, upstream):
    config = manager([forward()], http_filters=[fault(delay=LONG), ROUTER], stream_idle_timeout="0.1s")
    proxy = either(bootstrap([listener(config)], [cluster("app", upstream().port)]))
    assert ask(proxy).status == 504
    proxy.wait_stat("http.ingress.fault.active_faults", 0)


def test_filters_in_the_order_of_the_list(either, upstream):
    deny = rbac(rules=rules())
    for filters, delays in (([fault(delay=SHORT), deny], 1), ([deny, fault(delay=SHORT)], 0)):
        proxy = proxy_with(either, filters, upstream())
        assert ask(proxy).status == 403
        assert faults(proxy)["delays_injected"] == delays


def test_a_route_may_be_spared(either, upstream):
    routes = [{**forward(), "match": {"path": "/off"}, "typed_per_filter_config": {"fault": {"@type": FILTER_CONFIG, "disabled": True}}},
              route("/own")]
    proxy = proxy_with(either, [fault(abort=abort(http_status=503))], upstream(), routes)
    assert [ask(proxy, path).status for path in ("/off", "/own", "/")] == [200, 200, 503]


def test_only_so_many_faults_over_all_workers(start, upstream):
    config = manager([forward()], http_filters=[fault(delay=LONG, max_active_faults=2), ROUTER])
    proxy = start(bootstrap([listener(config)], [cluster("app", upstream().port)]), concurrency=4)
    with contextlib.ExitStack() as stack:
        for number in (1, 2):
            peer = stack.enter_context(contextlib.closing(proxy.client()))
            peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            proxy.wait_stat("http.ingress.fault.active_faults", number)
        assert [ask(proxy).status for _ in range(8)] == [200] * 8
    proxy.wait_stat("http.ingress.fault.active_faults", 0)
    assert proxy.stat("http.ingress.fault.faults_overflow") == 8


def test_what_is_not_acted_on_is_refused(tmp_path):
    def errors(settings):
        path = tmp_path / "bootstrap.json"
        path.write_text(json.dumps(bootstrap([listener(manager([forward()], http_filters=[fault(**settings), ROUTER]))], [cluster("app", 1)])))
        return subprocess.run([os.environ["OUTRIDER"], "validate", str(path)], capture_output=True, text=True).stderr

    for field in ({"response_rate_limit": {"fixed_limit": {"limit_kbps": 1}}}, {"filter_metadata": {"a": "b"}},
                  {"response_rate_limit_percent_runtime": "a"}):
        assert next(iter(field)) in errors(field)
    assert "http_status" in errors({"abort": {"http_status": 600}})
    assert "fixed_delay" in errors({"delay": {"fixed_delay": "0s"}})
    assert errors({"delay": SHORT}) == ""
