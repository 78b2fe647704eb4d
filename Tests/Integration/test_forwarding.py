"""A request goes through and comes back."""
from bootstrap import cluster, forward, http
from harness import response, serve


def test_forwards_a_request_and_keeps_both_connections(start, upstream):
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    for _ in range(5):
        client.send("GET /x?y=1 HTTP/1.1\r\nHost: example.com\r\nX-Case: Kept\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.get("server") == "envoy"
        assert answer.get("x-envoy-upstream-service-time").isdigit()
    assert server.connections == 1
    request = server.requests[0]
    assert request.path == "/x?y=1"
    assert ("X-Case", "Kept") in request.headers
    assert request.get("x-request-id")
    assert request.get("x-forwarded-proto") == "http"
    assert proxy.stat("cluster.app.upstream_rq_200") == 5
    assert proxy.stat("http.ingress.downstream_rq_2xx") == 5
    assert proxy.stat("cluster.app.upstream_cx_total") == 1


def test_bodies_of_every_framing_pass(start, upstream):
    def answer(request):
        if request.path == "/chunked":
            return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        return response(body=request.body)

    server = upstream(serve(answer))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nworld")
    assert client.response().body == b"world"
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthere\r\n0\r\n\r\n")
    assert client.response().body == b"there"
    client.send("GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().body == b"abcde"
    client.send("HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response(head_only=True).status == 200
    assert client.response().status == 200


def test_no_route_is_404(start):
    proxy = start(http(routes=[forward("/only")], clusters=[cluster("app", 1)]))
    client = proxy.client()
    client.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 404
    assert proxy.stat("http.ingress.no_route") == 1


def test_connection_refused_is_503_with_the_reason(start):
    proxy = start(http(clusters=[cluster("app", 1)]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = client.response()
    assert answer.status == 503
    assert b"upstream connect error or disconnect/reset before headers" in answer.body
    assert proxy.stat("cluster.app.upstream_cx_connect_fail") == 1
