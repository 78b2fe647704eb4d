"""The filter that answers the health checks of clients: by itself, for the app, from its cache, and when it is to fail."""
import contextlib
import signal
import threading

import pytest
from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager
from filters import ROUTER, health_check
from harness import response, serve, wait_until

FAIL, OK = "/healthcheck/fail", "/healthcheck/ok"


@pytest.fixture
def app(upstream):
    def answer(request):
        if "bad" in request.path:
            return response(500, b"bad")
        return response(200, b"app", [("x-envoy-degraded", "true")] if "degraded" in request.path else [])

    return upstream(serve(answer))


def logger(path, **settings):
    return {"name": "log", **settings, "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {
        "text_format_source": {"inline_string": "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}}}


def proxy_with(either, app, check, clusters=(), logs=(), routes=None, **settings):
    http = manager(routes or [forward()], http_filters=[check, ROUTER], access_log=list(logs))
    return either(bootstrap([listener(http)], [cluster("app", app.port), *clusters], node={"id": "n", "cluster": "svc"}, **settings),
                  arguments=["--file-flush-interval-msec", "20"])


def ask(proxy, path="/hc", *headers, peer=None):
    with contextlib.closing(proxy.client()) if peer is None else contextlib.nullcontext(peer) as one:
        one.send("".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "host: a", *headers)) + "\r\n")
        return one.response()


def told(answer):
    """Status, body, whose check it was, degraded, and whether the proxy is to be taken out."""
    return (answer.status, answer.body, answer.get("x-envoy-upstream-healthchecked-cluster"), answer.get("x-envoy-degraded"),
            answer.get("x-envoy-immediate-health-check-fail"))


def counted(proxy):
    names = proxy.stats(r"^http\.ingress\.health_check\.").items()
    return {name.removeprefix("http.ingress.health_check."): value for name, value in names if value}


def set_health(proxy, path):
    assert proxy.get_admin(path, method="POST").status == 200


def test_checks_are_answered_for_the_app(either, app, tmp_path):
    logs = [logger(tmp_path / "all"), logger(tmp_path / "rest", filter={"not_health_check_filter": {}})]
    proxy = proxy_with(either, app, health_check(), logs=logs)
    assert told(ask(proxy)) == (200, b"", "svc", None, None)
    assert told(ask(proxy, "/x")) == (200, b"app", None, None, None)
    set_health(proxy, FAIL)
    failed, other, grpc = ask(proxy), ask(proxy, "/x"), ask(proxy, "/hc", "content-type: application/grpc")
    assert told(failed) == (503, b"", "svc", None, "true")
    assert told(other) == (200, b"app", None, None, "true")
    assert told(grpc) == (200, b"", "svc", None, "true") and grpc.get("grpc-status") == "14"
    assert [one.get("connection") for one in (failed, other, grpc)] == ["close"] * 3
    set_health(proxy, OK)
    assert told(ask(proxy)) == (200, b"", "svc", None, None)
    lines = wait_until(lambda: len(text := (tmp_path / "all").read_text().splitlines()) == 6 and text, "six lines")
    assert lines == ["/hc 200 - health_check_ok", "/x 200 - via_upstream", "/hc 503 LH health_check_failed",
                     "/x 200 - via_upstream", "/hc 200 LH health_check_failed", "/hc 200 - health_check_ok"]
    assert (tmp_path / "rest").read_text().splitlines() == ["/x 200 - via_upstream"] * 2
    assert len(app.requests) == 2
    assert counted(proxy) == {"request_total": 4, "ok": 2, "failed": 2}
    # Checks are no requests but in the total.
    found = proxy.stats(r"^http\.ingress\.")
    assert [found["http.ingress." + name] for name in (
        "downstream_rq_total", "downstream_rq_completed", "downstream_rq_2xx", "downstream_rq_5xx", "tracing.health_check",
        "rq_total")] == [6, 2, 2, 0, 4, 2]


def test_checks_that_pass(either, app):
    proxy = proxy_with(either, app, health_check(passes=True))
    assert told(ask(proxy)) == (200, b"app", "svc", None, None)
    assert told(ask(proxy, "/x")) == (200, b"app", None, None, None)
    set_health(proxy, FAIL)
    assert told(ask(proxy)) == (503, b"", "svc", None, "true")
    assert len(app.requests) == 2 and counted(proxy) == {"request_total": 1, "failed": 1}
    # Only what is no check is charged to the cluster.
    assert (proxy.stat("cluster.app.upstream_rq_200"), proxy.stat("cluster.app.upstream_rq_total")) == (1, 2)


def test_answers_of_the_app_are_kept(either, app, tmp_path):
    proxy = proxy_with(either, app, health_check(passes=True, cache_time="600s"), logs=[logger(tmp_path / "log")])
    assert told(ask(proxy, "/hc/degraded")) == (200, b"app", "svc", "true", None)
    assert told(ask(proxy, "/hc/bad")) == (200, b"", "svc", "", None)
    assert told(ask(proxy, "/x")) == (200, b"app", None, None, None)
    set_health(proxy, FAIL)
    assert told(ask(proxy)) == (503, b"", "svc", None, "true")
    set_health(proxy, OK)
    # That was an answer, too.
    assert told(ask(proxy)) == (503, b"", "svc", None, None)
    assert [request.path for request in app.requests] == ["/hc/degraded", "/x"]
    assert counted(proxy) == {"request_total": 3, "ok": 1, "failed": 2, "degraded": 1, "cached_response": 2}
    lines = wait_until(lambda: len(text := (tmp_path / "log").read_text().splitlines()) == 5 and text, "five lines")
    assert lines[1] == "/hc/bad 200 - health_check_cached" and lines[4] == "/hc 503 LH health_check_cached"


def test_an_answer_is_not_kept_for_ever(either, app):
    proxy = proxy_with(either, app, health_check(passes=True, cache_time="0.05s"))
    assert ask(proxy).status == 200
    wait_until(lambda: ask(proxy, "/hc/bad").status == 500, "the app to be asked again")


@pytest.mark.parametrize("percent, hosts, details", [
    (0, 0, "ok_cluster_healthy"), (10, 0, "failed_cluster_empty"), (100, 2, "ok_cluster_healthy"),
    (50, None, "failed_no_cluster_found")])
def test_clusters_decide(either, app, tmp_path, percent, hosts, details):
    found = [] if hosts is None else [cluster("b", *range(1, hosts + 1))]
    check = health_check(cluster_min_healthy_percentages={"b": {"value": percent}})
    proxy = proxy_with(either, app, check, found, [logger(tmp_path / "log")])
    status = 200 if details.startswith("ok") else 503
    assert told(ask(proxy)) == (status, b"", "svc", None, None)
    flag = "-" if status == 200 else "LH"
    line = wait_until(lambda: (tmp_path / "log").read_text(), "a line")
    assert line == f"/hc {status} {flag} health_check_{details}\n"
    more = {"failed_cluster_empty": 1} if "empty" in details else {"failed_cluster_not_found": 1} if "found" in details else {}
    assert counted(proxy) == {"request_total": 1, "ok" if status == 200 else "failed": 1, **more}


def test_unhealthy_hosts_count(either, app, upstream):
    bad = upstream(serve(lambda _request: response(500, b"")))
    checks = {"health_checks": [{"timeout": "1s", "interval": "0.05s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                                 "no_traffic_interval": "0.05s", "http_health_check": {"path": "/"}}]}
    for percent, status in ((50, 200), (51, 503)):
        check = health_check(cluster_min_healthy_percentages={"b": {"value": percent}})
        proxy = proxy_with(either, app, check, [cluster("b", app.port, bad.port, **checks)])
        proxy.wait_stat("cluster.b.membership_healthy", 1)
        wait_until(lambda proxy=proxy, status=status: ask(proxy).status == status, f"status {status}")
    assert proxy.stat("http.ingress.health_check.failed_cluster_unhealthy") >= 1


def test_checks_fail_when_the_process_ends(start, upstream):
    """Whoever checks over a connection that is still there is to look for another proxy."""
    free = threading.Event()

    def slowly(peer, _number):
        while peer.request():
            free.wait(20)
            peer.send(response(200, b"late"))

    app = upstream(slowly)
    proxy = proxy_with(start, app, health_check())
    running, checker = proxy.client(), proxy.client()
    running.send("GET /x HTTP/1.1\r\nhost: a\r\n\r\n")
    wait_until(lambda: app.requests, "the request")
    assert ask(proxy, peer=checker).status == 200
    # A connection with a request on it is not closed for being idle.
    checker.send("GET /hc HTTP/1.1\r\nhost: a\r\n")
    wait_until(lambda: proxy.stat("http.ingress.downstream_rq_active") == 2, "the check")
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: proxy.get_admin("/ready").status == 503, "the drain")
    checker.send("\r\n")
    assert told(checker.response()) == (503, b"", "svc", None, "true")
    free.set()
    assert running.response().body == b"late"
    for peer in (running, checker):
        peer.close()
