"""Timeouts say which setting decided; retries follow the policy and never do harm."""
import pytest
from bootstrap import cluster, forward, http
from harness import response, serve


def ask(proxy, text="GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
    client = proxy.client()
    client.send(text)
    return client.response()


def silent(peer, _number):
    peer.request()
    peer.rest()


def test_route_timeout_is_504_and_names_the_setting(start, upstream):
    server = upstream(silent)
    proxy = start(http([forward(timeout="0.2s")], clusters=[cluster("app", server.port)]))
    answer = ask(proxy)
    assert answer.status == 504
    assert answer.body.startswith(b"upstream request timeout")
    assert b"0.2s" in answer.body or b"200ms" in answer.body
    assert proxy.stat("cluster.app.upstream_rq_timeout") == 1
    assert proxy.stat("cluster.app.upstream_rq_504") == 1


def test_per_try_timeout_and_retry(start, upstream):
    def second_answers(peer, number):
        peer.request()
        if number == 1:
            peer.rest()
        else:
            peer.send(response(body=b"second"))

    server = upstream(second_answers)
    policy = {"retry_on": "5xx,reset", "num_retries": 2, "per_try_timeout": "0.2s"}
    proxy = start(http([forward(retry_policy=policy)], clusters=[cluster("app", server.port)]))
    assert ask(proxy).body == b"second"
    assert proxy.stat("cluster.app.upstream_rq_per_try_timeout") == 1
    assert proxy.stat("cluster.app.upstream_rq_retry") == 1
    assert proxy.stat("cluster.app.upstream_rq_retry_success") == 1


def test_stream_idle_timeout_is_408_for_a_half_request(start, upstream):
    server = upstream(silent)
    proxy = start(http(clusters=[cluster("app", server.port)], stream_idle_timeout="0.2s"))
    answer = ask(proxy, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    assert answer.status == 408
    assert b"stream timeout" in answer.body or b"stream_idle_timeout" in answer.body
    assert proxy.stat("http.ingress.downstream_rq_idle_timeout") == 1


def test_request_headers_timeout(start, upstream):
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port)], request_headers_timeout="0.2s"))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHo")
    answer = client.response()
    assert answer is None or answer.status == 408
    assert client.closed()
    assert proxy.stat("http.ingress.downstream_rq_header_timeout") == 1


def test_request_timeout(start, upstream):
    server = upstream(silent)
    proxy = start(http(clusters=[cluster("app", server.port)], request_timeout="0.2s"))
    answer = ask(proxy, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
    assert answer.status == 408
    assert proxy.stat("http.ingress.downstream_rq_timeout") == 1


def test_idle_connection_is_closed(start, upstream):
    server = upstream()
    proxy = start(http(
        clusters=[cluster("app", server.port)], common_http_protocol_options={"idle_timeout": "0.2s"}, drain_timeout="0.1s"))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 200
    assert client.closed()
    assert proxy.stat("http.ingress.downstream_cx_idle_timeout") == 1


def test_connect_timeout_is_counted(start, upstream):
    # A listener whose backlog is full does not answer a SYN.
    import socket
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fill = [socket.socket() for _ in range(4)]
    for sock in fill:
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
    proxy = start(http(clusters=[cluster("app", full.getsockname()[1], connect_timeout="0.2s")]))
    answer = ask(proxy)
    assert answer.status == 503
    assert proxy.stat("cluster.app.upstream_cx_connect_timeout") == 1


def test_retry_on_5xx_then_success(start, upstream):
    answers = iter([response(503), response(503), response(body=b"third")])
    server = upstream(serve(lambda _request: next(answers)))
    policy = {"retry_on": "5xx", "num_retries": 2}
    proxy = start(http([forward(retry_policy=policy)], clusters=[cluster("app", server.port)]))
    answer = ask(proxy)
    assert (answer.status, answer.body) == (200, b"third")
    assert proxy.stat("cluster.app.upstream_rq_retry") == 2
    assert proxy.stat("cluster.app.upstream_rq_200") == 1
    assert proxy.stat("cluster.app.retry.upstream_rq_503") == 2


def test_retry_limit_is_flagged(start, upstream):
    server = upstream(serve(lambda _request: response(503)))
    proxy = start(http([forward(retry_policy={"retry_on": "5xx"})], clusters=[cluster("app", server.port)]))
    assert ask(proxy).status == 503
    assert proxy.stat("cluster.app.upstream_rq_retry_limit_exceeded") == 1
    assert len(server.requests) == 2


def test_body_is_replayed(start, upstream):
    answers = iter([response(503), response(body=b"ok")])
    server = upstream(serve(lambda _request: next(answers)))
    proxy = start(http([forward(retry_policy={"retry_on": "5xx"})], clusters=[cluster("app", server.port)]))
    body = "x" * 50_000
    answer = ask(proxy, f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    assert answer.body == b"ok"
    assert [len(request.body) for request in server.requests] == [50_000, 50_000]


def test_body_beyond_the_buffer_is_not_retried(start, upstream):
    server = upstream(serve(lambda _request: response(503)))
    proxy = start(http(
        [forward(retry_policy={"retry_on": "5xx"})], virtual_host={"per_request_buffer_limit_bytes": 1000},
        clusters=[cluster("app", server.port)]))
    body = "x" * 50_000
    assert ask(proxy, f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}").status == 503
    assert len(server.requests) == 1
    assert proxy.stat("cluster.app.retry_or_shadow_abandoned") == 1


def test_previous_hosts_are_avoided(start, upstream):
    bad = upstream(serve(lambda _request: response(503)))
    good = upstream()
    predicate = {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
    }
    policy = {"retry_on": "5xx", "num_retries": 1, "retry_host_predicate": [predicate],
              "host_selection_retry_max_attempts": 10}
    proxy = start(http([forward(retry_policy=policy)], clusters=[cluster("app", bad.port, good.port)]))
    assert {ask(proxy).status for _ in range(10)} == {200}


def one_each(peer, number):
    peer.request()
    peer.send(response(body=b"%d" % number))
    # The close comes only after the next request is on its way: a FIN check cannot see it.
    peer.sock.recv(1)
    peer.reset()


def turned_off(*keys):
    """Runtime keys of docs/beyond-envoy.md; Envoy takes them too and has nothing to turn off."""
    return {"layered_runtime": {"layers": [{"name": "off", "static_layer": dict.fromkeys(keys, False)}]}}


def test_stale_keep_alive_connection_is_not_replaced_where_that_is_off(start, upstream):
    server = upstream(one_each)
    proxy = start({
        **http(clusters=[cluster("app", server.port)]), **turned_off("outrider.upstream.replace_stale_connections")})
    client = proxy.client()
    statuses = []
    for _ in range(4):
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        statuses.append(client.response().status)
    assert statuses == [200, 503, 200, 503]


@pytest.mark.parametrize("keys, status", [((), 503), (("outrider.retry.keep_within_deadline",), 504)])
def test_no_retry_without_room_before_the_deadline(start, upstream, keys, status):
    server = upstream(serve(lambda _request: response(503, headers=[("retry-after", "60")])))
    policy = {"retry_on": "5xx", "rate_limited_retry_back_off": {"reset_headers": [{"name": "retry-after"}]}}
    proxy = start({
        **http([forward(retry_policy=policy, timeout="0.3s")], clusters=[cluster("app", server.port)]), **turned_off(*keys)})
    assert ask(proxy).status == status
    assert len(server.requests) == 1


def test_stale_keep_alive_connection_is_replaced(start, upstream):
    server = upstream(one_each)
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    for number in (b"1", b"2", b"3"):
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.body) == (200, number)
    # A POST that was written is not sent twice.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    assert client.response().status == 503


def test_attempt_count_headers(start, upstream):
    answers = iter([response(503), response()])
    server = upstream(serve(lambda _request: next(answers)))
    proxy = start(http(
        [forward(retry_policy={"retry_on": "5xx"})],
        virtual_host={"include_request_attempt_count": True, "include_attempt_count_in_response": True},
        clusters=[cluster("app", server.port)]))
    assert ask(proxy).get("x-envoy-attempt-count") == "2"
    assert [request.get("x-envoy-attempt-count") for request in server.requests] == ["1", "2"]
