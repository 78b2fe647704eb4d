"""Upstreams that misbehave: what the client sees, which flag is logged, which counter moves."""
import pytest
from bootstrap import cluster, http
from harness import response, serve

FORMAT = {"log_format": {"text_format_source": {"inline_string": "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}}
STDOUT = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
LOG = {"access_log": [{"name": "log", "typed_config": {"@type": STDOUT, **FORMAT}}]}


def ask(proxy, text="GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
    client = proxy.client()
    client.send(text)
    return client.response()


def closes_at_once(peer, _number):
    peer.request()


def resets(peer, _number):
    peer.request()
    peer.reset()


def sends_garbage(peer, _number):
    peer.request()
    peer.send("this is no HTTP\r\n\r\n")


def four_digit_status(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n")


def both_framings(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")


def too_many_headers(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\n" + "".join(f"x-{n}: y\r\n" for n in range(120)) + "content-length: 0\r\n\r\n")


@pytest.mark.parametrize("script, status, flag", [
    (closes_at_once, 503, "UC"), (resets, 503, "UC"), (sends_garbage, 502, "UPE"), (four_digit_status, 502, "UPE"),
    (both_framings, 502, "UPE"), (too_many_headers, 502, "UPE"),
])
def test_fault_before_the_response(start, upstream, script, status, flag):
    server = upstream(script)
    proxy = start(http(clusters=[cluster("app", server.port)], **LOG))
    assert ask(proxy).status == status
    proxy.wait_stat("http.ingress.downstream_rq_5xx", 1)
    proxy.signal(15)
    proxy.process.wait(10)
    assert f"{status} {flag} " in proxy.log_text()


def test_response_cut_in_the_middle_closes_the_client(start, upstream):
    def cut(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

    server = upstream(cut)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert client.rest() == b"half"


def test_cut_chunked_response_is_not_completed(start, upstream):
    def cut(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")

    server = upstream(cut)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    client.until(b"\r\n\r\n")
    assert b"0\r\n\r\n" not in client.rest()


def test_response_that_ends_at_close(start, upstream):
    def until_close(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 200 OK\r\n\r\nall of it")

    server = upstream(until_close)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    answer = ask(proxy)
    assert (answer.status, answer.body) == (200, b"all of it")


def test_early_response_while_the_request_is_still_coming(start, upstream):
    def early(peer, _number):
        peer.until(b"\r\n\r\n")
        peer.send(response(413, b"too big"))
        peer.rest()

    server = upstream(early)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
    answer = client.response()
    assert (answer.status, answer.body) == (413, b"too big")


def test_extra_bytes_after_a_response_do_not_reach_the_next_request(start, upstream):
    def extra(peer, number):
        peer.request()
        peer.send(response(body=b"first") + response(500, b"injected"))
        peer.request()

    server = upstream(lambda peer, number: extra(peer, number) if number == 1 else serve(lambda r: response())(peer, number))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().body == b"first"
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 200


def test_informational_responses_pass(start, upstream):
    def hints(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n" + response(body=b"done").decode())

    server = upstream(hints)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    first = client.response()
    final = first if first.status == 200 else client.response()
    assert final.body == b"done"


def test_circuit_breaker_overflow_is_503_with_its_header(start, upstream):
    server = upstream(lambda peer, _number: peer.rest())
    limits = {"circuit_breakers": {"thresholds": [{"max_requests": 1, "max_connections": 1, "max_pending_requests": 1}]}}
    proxy = start(http(clusters=[cluster("app", server.port, **limits)]))
    held = proxy.client()
    held.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    proxy.wait_stat("cluster.app.upstream_rq_active", 1)
    queued = proxy.client()
    queued.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    proxy.wait_stat("cluster.app.upstream_rq_pending_active", 1)
    answer = ask(proxy)
    assert answer.status == 503
    assert answer.get("x-envoy-overloaded") == "true"
    assert answer.body.endswith(b"reset reason: overflow: cluster 'app' max_pending_requests 1")
    assert proxy.stat("cluster.app.upstream_rq_pending_overflow") == 1


def test_no_host_is_503_no_healthy_upstream(start):
    proxy = start(http(clusters=[{"name": "app", "type": "STATIC"}]))
    answer = ask(proxy)
    assert (answer.status, answer.body[:19]) == (503, b"no healthy upstream")


def test_unknown_cluster_by_header_is_503(start, upstream):
    server = upstream()
    routes = [{"match": {"prefix": "/"}, "route": {"cluster_header": "x-to"}}]
    proxy = start(http(routes, clusters=[cluster("app", server.port)]))
    assert ask(proxy).status == 404 or ask(proxy).status == 503
    assert ask(proxy, "GET / HTTP/1.1\r\nHost: a\r\nx-to: nobody\r\n\r\n").status == 503
    assert ask(proxy, "GET / HTTP/1.1\r\nHost: a\r\nx-to: app\r\n\r\n").status == 200
    assert proxy.stat("http.ingress.no_cluster") >= 1
