"""gRPC through the proxy: real clients and servers (grpcio), deadlines, statuses, retries, statistics."""
import contextlib
import threading
from concurrent import futures

import grpc
import pytest
from bootstrap import (
    DOWNSTREAM_TLS, FILE_LOG, ROUTER, UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager)
from harness import free_port, wait_until
from http2_peers import (
    DATA, END, END_HEADERS, GOAWAY, H2, HEADERS, POST, RST, H2Peer, block, fields_of, frame, number, serve_h2, spoken)
from pki import Authority

CALL = [*POST, ("content-type", "application/grpc"), ("te", "trailers")]
MESSAGE = b"\0\0\0\0\0"


class Echo(grpc.GenericRpcHandler):
    """unary, client, server and bidi streams of bytes; `fail` ends with the status that it is sent."""

    def __init__(self):
        self.stopped = threading.Event()
        self.asleep = threading.Event()
        self.cancelled = threading.Event()
        self.metadata = {}

    def service(self, details):
        def fail(request, context):
            context.abort(grpc.StatusCode[request.decode()], "asked for it: \u00e9%\n")

        def sleep(request, context):
            context.add_callback(self.cancelled.set)
            self.asleep.set()
            self.stopped.wait(30)
            return request

        def talk(requests, context):
            context.send_initial_metadata([("x-initial", "1")])
            context.set_trailing_metadata([("x-trailing-bin", b"\0\xff")])
            for one in requests:
                yield b"<" + one + b">"

        def note(request, context):
            self.metadata = dict(context.invocation_metadata())
            return request

        handlers = {
            "unary": grpc.unary_unary_rpc_method_handler(note),
            "collect": grpc.stream_unary_rpc_method_handler(lambda requests, _context: b"".join(requests)),
            "repeat": grpc.unary_stream_rpc_method_handler(lambda request, _context: (request for _ in range(100))),
            "talk": grpc.stream_stream_rpc_method_handler(talk),
            "fail": grpc.unary_unary_rpc_method_handler(fail),
            "sleep": grpc.unary_unary_rpc_method_handler(sleep),
        }
        return handlers.get(details.method.rpartition("/")[2])


@pytest.fixture
def server():
    echo = Echo()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((echo,))
    server.port, server.echo = server.add_insecure_port("127.0.0.1:0"), echo
    server.start()
    yield server
    echo.stopped.set()
    server.stop(0)


@contextlib.contextmanager
def dial(proxy):
    with grpc.insecure_channel(f"127.0.0.1:{proxy.port('main')}") as channel:
        yield channel


def unlimited(**action):
    """A route that leaves deadlines to the calls."""
    return forward("/", timeout="0s", max_stream_duration={"grpc_timeout_header_max": "0s"}, **action)


def speak(channel):
    """All four shapes of calls."""
    assert channel.unary_unary("/pkg.Echo/unary")(b"hello", timeout=10) == b"hello"
    assert channel.unary_unary("/pkg.Echo/unary")(b"x" * 3_000_000, timeout=20) == b"x" * 3_000_000
    assert channel.stream_unary("/pkg.Echo/collect")(iter([b"a", b"b", b"c"]), timeout=10) == b"abc"
    assert list(channel.unary_stream("/pkg.Echo/repeat")(b"r", timeout=10)) == [b"r"] * 100
    call = channel.stream_stream("/pkg.Echo/talk")(iter([b"1", b"2"]), timeout=10)
    assert list(call) == [b"<1>", b"<2>"]
    assert ("x-initial", "1") in call.initial_metadata() and ("x-trailing-bin", b"\0\xff") in call.trailing_metadata()


def failure(call, *arguments, **settings):
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **settings)
    return error.value


def test_calls_in_all_four_shapes(start, server):
    proxy = start(http([unlimited()], [cluster("app", server.port, **spoken())]))
    with dial(proxy) as channel:
        speak(channel)
    assert proxy.stat("cluster.app.upstream_cx_http2_total") == 1


def mutual_tls(folder):
    """Transport sockets of the two ends of a mesh."""
    authority = Authority(folder)
    common = {"tls_certificates": [authority.leaf("both", dns=["localhost"]).config],
              "validation_context": {"trusted_ca": {"filename": str(authority.path)}}}
    below = {"transport_socket": {"name": "tls", "typed_config": {
        "@type": DOWNSTREAM_TLS, "require_client_certificate": True,
        "common_tls_context": {**common, "alpn_protocols": ["h2", "http/1.1"]}}}}
    above = {"transport_socket": {"name": "tls", "typed_config": {
        "@type": UPSTREAM_TLS, "sni": "localhost", "common_tls_context": common}}}
    return below, above


@pytest.mark.parametrize("how", ["explicit_http_config", "auto_config"])
def test_two_proxies_over_mutual_tls(start, server, tmp_path, how):
    below, above = mutual_tls(tmp_path)
    inner = start(bootstrap([listener(manager([unlimited()]), chain=below, stat_prefix="mesh")], [cluster("app", server.port, **spoken())]))
    outer = start(http([unlimited()], [cluster("app", inner.port("main"), **above, **spoken(how))]))
    with dial(outer) as channel:
        speak(channel)
        error = failure(channel.unary_unary("/pkg.Echo/fail"), b"NOT_FOUND", timeout=10)
        assert error.code() == grpc.StatusCode.NOT_FOUND
        sleeping = channel.unary_unary("/pkg.Echo/sleep").future(b"", timeout=20)
        assert server.echo.asleep.wait(10)
        assert inner.stat("cluster.app.upstream_rq_active") == 1
        sleeping.cancel()
        assert server.echo.cancelled.wait(10)
    assert outer.stat("cluster.app.upstream_cx_http2_total") == 1 and inner.stat("listener.mesh.ssl.handshake") == 1
    assert inner.stat("http.ingress.downstream_rq_http2_total") == 7


@pytest.mark.parametrize("side", ["before", "behind"])
def test_the_real_envoy_at_either_end(start, start_envoy, server, tmp_path, side):
    below, above = mutual_tls(tmp_path)
    first, second = (start_envoy, start) if side == "before" else (start, start_envoy)
    inner = second(bootstrap([listener(manager([unlimited()]), chain=below)], [cluster("app", server.port, **spoken())]))
    outer = first(http([unlimited()], [cluster("app", inner.port("main"), **above, **spoken())]))
    with dial(outer) as channel:
        speak(channel)
        error = failure(channel.unary_unary("/pkg.Echo/fail"), b"NOT_FOUND", timeout=10)
        assert error.code() == grpc.StatusCode.NOT_FOUND


def test_statuses_come_as_they_are(start, server):
    log = {"name": "file", "typed_config": {"@type": FILE_LOG, "path": "/dev/stdout", "log_format": {
        "text_format_source": {"inline_string": "LOG %RESPONSE_CODE% %GRPC_STATUS% %GRPC_STATUS_NUMBER%\n"}}}}
    proxy = start(http([unlimited()], [cluster("app", server.port, **spoken())], access_log=[log]))
    with dial(proxy) as channel:
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            error = failure(channel.unary_unary("/pkg.Echo/fail"), code.name.encode(), timeout=10)
            assert (error.code(), error.details()) == (code, "asked for it: \u00e9%\n")
        # The server knows no such method: a response of trailers alone.
        assert failure(channel.unary_unary("/pkg.Echo/none"), b"").code() == grpc.StatusCode.UNIMPLEMENTED
    wait_until(lambda: "LOG 200 ResourceExhausted 8" in proxy.log_text(), "the access log")
    assert proxy.stat("cluster.app.upstream_rq_200") == len(grpc.StatusCode)


# Deadlines

def test_a_clients_deadline_reaches_the_server(start, server):
    proxy = start(http([unlimited()], [cluster("app", server.port, **spoken())]))
    with dial(proxy) as channel:
        error = failure(channel.unary_unary("/pkg.Echo/sleep"), b"", timeout=0.3)
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and server.echo.cancelled.wait(10)
    wait_until(lambda: proxy.stat("cluster.app.upstream_rq_active") == 0, "the call is given up upstream")


def test_the_proxy_keeps_the_deadline_of_a_client_that_does_not(start, upstream):
    server = upstream(serve_h2(lambda _h2, _stream: None))
    proxy = start(http([unlimited()], [cluster("app", server.port, **spoken())]))
    client = H2(proxy.port("main"))
    client.headers(1, [*CALL, ("grpc-timeout", "200m")], end=False)
    client.send(frame(DATA, END, 1, MESSAGE))
    answer = client.answer(1)
    assert answer.status == 200 and answer.get("grpc-status") == "4"
    assert "max_stream_duration" in answer.get("grpc-message")
    assert proxy.stat("http.ingress.downstream_rq_max_duration_reached") == 1


@pytest.mark.parametrize("asked,most,offset,sent", [
    ("10S", "2s", None, "2000m"), ("1S", "2s", None, "1000m"), ("1S", "0s", None, "1000m"), ("1S", "2s", "0.250s", "750m"),
])
def test_deadlines_are_capped_and_told_upstream(start, upstream, asked, most, offset, sent):
    def script(peer, _number):
        h2 = H2Peer(peer)
        while found := h2.next():
            if found[0] == HEADERS:
                seen.append(dict(fields_of(h2.decoder, found[3])))
                peer.send(frame(HEADERS, END_HEADERS | END, found[2], block((":status", "200"), ("grpc-status", "0"))))

    seen = []
    limit = {"grpc_timeout_header_max": most, **({"grpc_timeout_header_offset": offset} if offset else {})}
    proxy = start(http([forward("/", max_stream_duration=limit)], [cluster("app", upstream(script).port, **spoken())]))
    client = H2(proxy.port("main"))
    client.headers(1, [*CALL, ("grpc-timeout", asked)], end=False)
    client.send(frame(DATA, END, 1, MESSAGE))
    assert client.answer(1).get("grpc-status") == "0"
    assert seen[0]["grpc-timeout"] == sent and seen[0]["te"] == "trailers"


# Answers of the proxy's own

def test_answers_of_our_own_are_grpc_too(start, upstream):
    silent = upstream(serve_h2(lambda _h2, _stream: None))
    routes = [
        {"match": {"prefix": "/pkg.Echo/direct"}, "direct_response": {"status": 403, "body": {"inline_string": "no 100%"}}},
        forward("/pkg.Echo/silent", "silent", timeout="0.2s"),
        forward("/pkg.Echo/gone", "gone")]
    proxy = start(http(routes, [cluster("silent", silent.port, **spoken()), cluster("gone", free_port(), **spoken())]))
    with dial(proxy) as channel:
        for method, code, words in (
            ("direct", grpc.StatusCode.PERMISSION_DENIED, "no 100%"),
            ("silent", grpc.StatusCode.UNAVAILABLE, "timeout 200ms"),
            ("gone", grpc.StatusCode.UNAVAILABLE, "upstream connect error"),
            ("nowhere", grpc.StatusCode.UNIMPLEMENTED, "no route"),
        ):
            error = failure(channel.unary_unary(f"/pkg.Echo/{method}"), b"", timeout=10)
            assert error.code() == code and words in error.details(), (method, error.details())


# Retries

CONDITIONS = {"cancelled": 1, "deadline-exceeded": 4, "resource-exhausted": 8, "internal": 13, "unavailable": 14}


def scripted(statuses):
    """A server that ends call after call with these statuses, each in a response of trailers alone."""
    def answer(h2, stream):
        status = str(statuses.pop(0))
        h2.peer.send(frame(HEADERS, END_HEADERS | END, stream, block(
            (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", status))))

    return serve_h2(answer)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("source", ["route", "header"])
def test_calls_are_retried_by_their_status(start, upstream, condition, source):
    status = CONDITIONS[condition]
    other = next(number for number in CONDITIONS.values() if number != status)
    server = upstream(scripted([status, status, 0, other]))
    policy = {"retry_on": condition, "num_retries": 2} if source == "route" else {"num_retries": 2}
    inside = {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}
    proxy = start(http([forward(retry_policy=policy)], [cluster("app", server.port, **spoken())],
                       internal_address_config=inside, use_remote_address=True))
    client = H2(proxy.port("main"))
    extra = [("x-envoy-retry-grpc-on", condition)] if source == "header" else []
    for stream, expected in ((1, "0"), (3, str(other))):
        client.headers(stream, [*CALL, *extra], end=False)
        client.send(frame(DATA, END, stream, MESSAGE))
        assert client.answer(stream).get("grpc-status") == expected
    assert len(server.requests) == 4
    assert proxy.stat("cluster.app.upstream_rq_retry") == 2 and proxy.stat("cluster.app.upstream_rq_retry_success") == 1


@pytest.mark.parametrize("how", ["goaway", "refused"])
def test_refused_calls_are_no_failures(start, upstream, how):
    """The first server takes nothing: calls go elsewhere, and no failure is counted anywhere."""
    def script(peer, connection):
        h2 = H2Peer(peer)
        while stream := h2.request():
            if connection == 1 and how == "goaway":
                peer.send(frame(GOAWAY, payload=number(0) + number(0)))
            elif connection == 1 and not refused:
                refused.append(stream)
                peer.send(frame(RST, 0, stream, number(7)))
            else:
                peer.send(frame(HEADERS, END_HEADERS | END, stream, block((":status", "200"), ("grpc-status", "0"))))

    refused = []
    proxy = start(http(clusters=[cluster("app", upstream(script).port, **spoken())]))
    client = H2(proxy.port("main"))
    client.headers(1, CALL, end=False)
    client.send(frame(DATA, END, 1, MESSAGE))
    assert client.answer(1).get("grpc-status") == "0"
    assert proxy.stat("cluster.app.upstream_rq_replayed_refused") == 1
    for name in ("upstream_rq_503", "upstream_rq_retry", "upstream_cx_destroy_with_active_rq", "upstream_rq_pending_failure_eject"):
        assert proxy.stat(f"cluster.app.{name}") == 0, name
    assert "::rq_error::0" in proxy.get_admin("/clusters").body.decode()


# Statistics

GRPC_STATS = "type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"


def with_stats(server, **settings):
    filters = [{"name": "stats", "typed_config": {"@type": GRPC_STATS, **settings}},
               {"name": "router", "typed_config": {"@type": ROUTER}}]
    return http([unlimited()], [cluster("app", server.port, **spoken())], http_filters=filters)


LISTED = {"services": [{"name": "pkg.Echo", "method_names": ["unary", "fail"]}]}


@pytest.mark.parametrize("settings", [
    {}, {"stats_for_all_methods": True, "enable_upstream_stats": True},
    {"stats_for_all_methods": True, "replace_dots_in_grpc_service_name": True},
    {"individual_method_stats_allowlist": LISTED, "enable_upstream_stats": True},
], ids=["together", "all", "dots", "listed"])
def test_calls_are_counted_as_envoy_counts_them(start, start_envoy, server, settings):
    found = []
    for launch in (start, start_envoy):
        proxy = launch(with_stats(server, **settings))
        with dial(proxy) as channel:
            speak(channel)
            for method, request in (("fail", b"NOT_FOUND"), ("fail", b"INTERNAL"), ("none", b"")):
                failure(channel.unary_unary(f"/pkg.Echo/{method}"), request, timeout=10)
        found.append(proxy.stats(r"^cluster\.app\.grpc\."))
        names = {line.split("{")[0] for line in proxy.get_admin("/stats?filter=grpc.*upstream_rq_time").body.decode().splitlines()}
        found.append({name.split(":")[0] for name in names})
    assert found[0] == found[2] and found[1] == found[3]
    assert sum(value for name, value in found[0].items() if name.endswith(".total")) == 8


def test_statistics_of_made_up_methods_have_a_limit(start, upstream):
    server = upstream(scripted([0] * 1100))
    proxy = start(with_stats(server, stats_for_all_methods=True))
    client = H2(proxy.port("main"))
    for index in range(1100):
        fields = [(name, f"/pkg.Echo/m{index}" if name == ":path" else value) for name, value in CALL]
        client.headers(2 * index + 1, fields)
        client.answer(2 * index + 1)
    assert proxy.stat("cluster.app.grpc.total") == 1100 - 1024
    assert "grpc_stats stats_for_all_methods: 1024 methods" in proxy.log_text()
