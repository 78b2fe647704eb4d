"""What the proxy adds, removes and keeps, on requests and on responses."""
from bootstrap import cluster, forward, http
from harness import response, serve


def ask(proxy, text="GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
    client = proxy.client()
    client.send(text)
    return client.response()


def run(start, upstream, request="GET / HTTP/1.1\r\nHost: a\r\n\r\n", routes=None, virtual_host=None, **settings):
    server = upstream()
    proxy = start(http(routes, [cluster("app", server.port)], virtual_host, **settings))
    answer = ask(proxy, request)
    return answer, server.requests[0] if server.requests else None


def test_hop_by_hop_fields_stay_on_their_hop(start, upstream):
    _, seen = run(start, upstream, "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
                  "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers, deflate\r\nX-End: 2\r\n\r\n")
    for name in ("connection", "x-hop", "keep-alive", "proxy-connection"):
        assert seen.get(name) is None, name
    assert seen.get("x-end") == "2"


def test_response_connection_fields_are_removed_and_server_is_set(start, upstream):
    answer = response(headers=[("Connection", "X-Hop"), ("X-Hop", "1"), ("Server", "app"), ("X-Kept", "2")])
    server = upstream(serve(lambda _request: answer))
    proxy = start(http(clusters=[cluster("app", server.port)], server_name="front"))
    got = ask(proxy)
    assert got.get("x-hop") is None
    assert got.all("server") == ["front"]
    assert got.get("x-kept") == "2"
    passing = start(http(clusters=[cluster("app", server.port)], server_header_transformation="PASS_THROUGH"))
    assert ask(passing).all("server") == ["app"]
    if_absent = start(http(clusters=[cluster("app", server.port)], server_header_transformation="APPEND_IF_ABSENT"))
    assert ask(if_absent).all("server") == ["app"]


def test_forwarded_for_with_and_without_remote_address(start, upstream):
    _, seen = run(start, upstream, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
    assert seen.get("x-forwarded-for") == "1.2.3.4"
    _, seen = run(start, upstream, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", use_remote_address=True)
    assert seen.get("x-forwarded-for").startswith("1.2.3.4,")
    _, seen = run(start, upstream, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
                  use_remote_address=True, skip_xff_append=True)
    assert seen.get("x-forwarded-for") == "1.2.3.4"


def test_external_clients_cannot_set_control_headers(start, upstream):
    _, seen = run(start, upstream, "GET / HTTP/1.1\r\nHost: a\r\nX-Envoy-Internal: true\r\n"
                  "X-Envoy-Retry-On: 5xx\r\nX-Envoy-Upstream-Rq-Timeout-Ms: 1\r\n\r\n", use_remote_address=True)
    assert seen.get("x-envoy-internal") is None
    assert seen.get("x-envoy-retry-on") is None
    assert seen.get("x-envoy-expected-rq-timeout-ms") == "15000"


def test_internal_clients_can_set_timeout_and_retries(start, upstream):
    internal = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
    server = upstream(serve(lambda _request: response(503)))
    proxy = start(http(clusters=[cluster("app", server.port)], use_remote_address=True, **internal))
    ask(proxy, "GET / HTTP/1.1\r\nHost: a\r\nX-Envoy-Retry-On: 5xx\r\nX-Envoy-Max-Retries: 2\r\n"
        "X-Envoy-Upstream-Rq-Timeout-Ms: 5000\r\n\r\n")
    assert len(server.requests) == 3
    assert server.requests[0].get("x-envoy-internal") == "true"
    assert server.requests[0].get("x-envoy-expected-rq-timeout-ms") == "5000"


def test_request_id_is_made_kept_or_returned(start, upstream):
    _, seen = run(start, upstream)
    made = seen.get("x-request-id")
    assert len(made) == 36 and made[14] in "49ab"
    _, seen = run(start, upstream, "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n",
                  use_remote_address=True, preserve_external_request_id=True)
    assert seen.get("x-request-id") == "mine"
    answer, seen = run(start, upstream, always_set_request_id_in_response=True)
    assert answer.get("x-request-id") == seen.get("x-request-id")
    _, seen = run(start, upstream, generate_request_id=False)
    assert seen.get("x-request-id") is None


def test_via_and_user_agent(start, upstream):
    answer, seen = run(start, upstream, via="edge")
    assert seen.get("via") == "1.1 edge" or seen.get("via") == "edge"
    assert answer.get("via") == seen.get("via")


def test_headers_are_added_and_removed_on_every_level(start, upstream):
    add = lambda name, value, action="APPEND_IF_EXISTS_OR_ADD": {
        "header": {"key": name, "value": value}, "append_action": action}
    route = {
        **forward(), "request_headers_to_add": [
            add("x-level", "route"), add("x-addr", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            add("x-over", "new", "OVERWRITE_IF_EXISTS_OR_ADD"), add("x-absent", "no", "OVERWRITE_IF_EXISTS"),
            add("x-there", "no", "ADD_IF_ABSENT"), add("x-path", "%REQ(:PATH)%")],
        "request_headers_to_remove": ["x-drop"],
        "response_headers_to_add": [add("x-out", "route")],
    }
    host = {"request_headers_to_add": [add("x-level", "host")], "response_headers_to_add": [add("x-out", "host")]}
    answer, seen = run(start, upstream, "GET /p HTTP/1.1\r\nHost: a\r\nX-Over: old\r\nX-There: yes\r\nX-Drop: 1\r\n\r\n",
                       [route], host)
    assert seen.all("x-level") == ["route", "host"]
    assert seen.get("x-addr") == "127.0.0.1"
    assert seen.all("x-over") == ["new"]
    assert seen.get("x-absent") is None
    assert seen.all("x-there") == ["yes"]
    assert seen.get("x-path") == "/p"
    assert seen.get("x-drop") is None
    assert answer.all("x-out") == ["route", "host"]


def test_absolute_form_sets_the_authority(start, upstream):
    _, seen = run(start, upstream, "GET http://real.example/x?y HTTP/1.1\r\nHost: other\r\n\r\n")
    assert (seen.path, seen.get("host")) == ("/x?y", "real.example")


def test_expect_continue(start, upstream):
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.response().status == 100
    client.send("abc")
    assert client.response().status == 200
    assert server.requests[0].body == b"abc"
    assert server.requests[0].get("expect") is None


def test_trailers_pass_when_enabled(start, upstream):
    def with_trailers(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n")
        peer.rest()

    options = {"http_protocol_options": {"enable_trailers": True}}
    server = upstream(with_trailers)
    app = cluster("app", server.port, typed_extension_protocol_options={
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}})
    proxy = start(http(clusters=[app], **options))
    answer = ask(proxy, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nx-req: 2\r\n\r\n")
    assert answer.trailers == [("x-sum", "1")]
    assert server.requests[0].trailers == [("x-req", "2")]


def test_path_normalisation(start, upstream):
    _, seen = run(start, upstream, "GET /a/../b//c%2Fd HTTP/1.1\r\nHost: a\r\n\r\n")
    assert seen.path == "/a/../b//c%2Fd"
    _, seen = run(start, upstream, "GET /a/../b//c HTTP/1.1\r\nHost: a\r\n\r\n", normalize_path=True, merge_slashes=True)
    assert seen.path == "/b/c"
    answer, _ = run(start, upstream, "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n",
                    path_with_escaped_slashes_action="REJECT_REQUEST")
    assert answer.status == 400
    answer, _ = run(start, upstream, "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n",
                    path_with_escaped_slashes_action="UNESCAPE_AND_REDIRECT")
    assert (answer.status, answer.get("location")) == (307, "/a/b")


def test_underscores(start, upstream):
    request = "GET / HTTP/1.1\r\nHost: a\r\nx_y: 1\r\n\r\n"
    _, seen = run(start, upstream, request)
    assert seen.get("x_y") == "1"
    _, seen = run(start, upstream, request, common_http_protocol_options={"headers_with_underscores_action": "DROP_HEADER"})
    assert seen.get("x_y") is None
    answer, _ = run(start, upstream, request,
                    common_http_protocol_options={"headers_with_underscores_action": "REJECT_REQUEST"})
    assert answer.status == 400


def test_host_port_stripping(start, upstream):
    _, seen = run(start, upstream, "GET / HTTP/1.1\r\nHost: example.com:8080\r\n\r\n", strip_any_host_port=True)
    assert seen.get("host") == "example.com"
