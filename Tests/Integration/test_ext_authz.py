"""Services that are asked whether a request may pass, by HTTP and by gRPC."""
import contextlib
import json
import os
import socket
import subprocess
import threading
import types

import grpc
import pytest
from authorizers import (EXT_AUTHZ, Authorizer, ask, authz, counted, grpc_service, header, http_service, names, per_route,
                         proxy_with)
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, bootstrap, cluster, forward, listener, manager
from filters import ROUTER, rbac, rules
from harness import response, serve, wait_until
from http2_peers import spoken
from pki import client_context


@pytest.fixture
def authorizer():
    """authorizer(answer) -> a gRPC service."""
    with contextlib.ExitStack() as stack:

        def launch(answer=lambda _http, _context: {"status": {}}):
            service = Authorizer(answer)
            stack.callback(service.close)
            return service

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


def log_to(path):
    return {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {"text_format_source": {
        "inline_string": "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER%\n"}}}}


def lines_of(path, count):
    return wait_until(lambda: (lines := path.read_text().splitlines()) and len(lines) == count and lines, f"{count} lines")


# By HTTP

def by_path(request):
    """200 with a few headers, or the status that the path names."""
    if not (status := request.path.rpartition("/")[2].partition("?")[0]).isdigit():
        return response(200, b"", [("x-user", "joe"), ("x-app", "2"), ("x-client", "told"), ("x-other", "1")])
    return response(int(status), b"no", [("x-why", "because"), ("location", "/login"), ("content-type", "text/html")])


def test_http_service_decides(either, upstream, app, tmp_path):
    service = upstream(serve(by_path))
    proxy = proxy_with(either, [authz(**http_service())], app, service, log=log_to(tmp_path / "log"))
    answers = [ask(proxy, path) for path in ("/ok", "/403", "/401", "/302", "/500", "/503")]
    assert [(one.status, one.body) for one in answers] == [
        (200, b"hello"), (403, b"no"), (401, b"no"), (302, b"no"), (403, b""), (403, b"")]
    assert [answers[1].get(name) for name in ("x-why", "location", "content-type")] == ["because", "/login", "text/html"]
    grpc_answer = ask(proxy, "/403", "content-type: application/grpc")
    assert (grpc_answer.get("grpc-status"), grpc_answer.get("grpc-message")) == ("7", "no")
    assert len(app.seen) == 1
    assert counted(proxy) == counted(proxy, "cluster.app") == {"ok": 1, "denied": 4, "error": 2}
    assert [proxy.stat(f"cluster.app.upstream_rq_{code}") for code in (200, 401, 302)] == [1, 1, 1]
    assert [proxy.stat(f"cluster.authz.{name}") for name in ("upstream_rq_total", "upstream_rq_403", "internal.upstream_rq_200")] == [7, 2, 1]
    lines = lines_of(tmp_path / "log", 7)
    assert lines[:2] == ["/ok 200 - via_upstream app", "/403 403 UAEX ext_authz_denied app"]
    assert lines[4] == "/500 403 UAEX ext_authz_error app"


def test_what_an_http_service_is_shown(either, upstream, app):
    seen = []

    def answer(request):
        seen.append(request)
        return response(200)

    service = upstream(serve(answer))
    settings = http_service(path_prefix="/pre", authorization_request={"headers_to_add": [{"key": "x-added", "value": "%PROTOCOL%"}]})
    proxy = proxy_with(either, [authz(**settings, allowed_headers=names("x-shown"))], app, service)
    ask(proxy, "/a?b=c", "x-shown: 1", "x-hidden: 1", "authorization: me", "cookie: x", "content-length: 4", method="POST", body="body")
    assert (seen[0].method, seen[0].path, seen[0].body) == ("POST", "/pre/a?b=c", b"")
    shown = {name: seen[0].get(name) for name in ("host", "x-shown", "x-hidden", "authorization", "cookie", "x-added", "content-length",
                                                  "x-envoy-internal", "x-envoy-expected-rq-timeout-ms", "x-forwarded-for")}
    assert shown == {"host": "a", "x-shown": "1", "x-hidden": None, "authorization": "me", "cookie": None, "x-added": "HTTP/1.1",
                     "content-length": "0", "x-envoy-internal": "true", "x-envoy-expected-rq-timeout-ms": "5000", "x-forwarded-for": None}
    assert app.seen[0].body == b"body"


def test_which_headers_of_an_http_answer_count(either, upstream, app):
    rules_of_answer = {"allowed_upstream_headers": names("x-user"), "allowed_upstream_headers_to_append": names("x-app"),
                       "allowed_client_headers": names("x-why"), "allowed_client_headers_on_success": names("x-client")}
    settings = http_service(authorization_response=rules_of_answer)
    proxy = proxy_with(either, [authz(**settings)], app, upstream(serve(by_path)))
    answer = ask(proxy, "/", "x-user: me", "x-app: 1")
    request = app.seen[0]
    assert [request.all(name) for name in ("x-user", "x-app", "x-other", "x-client")] == [["joe"], ["1", "2"], [], []]
    assert [answer.get(name) for name in ("x-client", "x-other", "x-from")] == ["told", None, "app"]
    refusal = ask(proxy, "/403")
    assert [refusal.get(name) for name in ("x-why", "location", "content-type")] == ["because", "/login", "text/plain"]


def test_headers_that_an_http_service_removes(either, upstream, app):
    service = upstream(serve(lambda _request: response(200, b"", [("x-envoy-auth-headers-to-remove", "x-one, x-two,host")])))
    proxy = proxy_with(either, [authz(**http_service())], app, service)
    assert ask(proxy, "/", "x-one: 1", "x-two: 2", "x-three: 3").status == 200
    assert [app.seen[0].get(name) for name in ("x-one", "x-two", "x-three", "host")] == [None, None, "3", "a"]


# Bodies

def test_bodies_are_shown(either, upstream, app):
    seen = []

    def answer(request):
        seen.append((request.get("x-envoy-auth-partial-body"), request.body))
        return response(200)

    service = upstream(serve(answer))
    whole = authz(**http_service(), with_request_body={"max_request_bytes": 8})
    partial = authz(**http_service(), with_request_body={"max_request_bytes": 8, "allow_partial_message": True})
    long = "x" * 20
    proxy = proxy_with(either, [whole], app, service)
    assert ask(proxy, "/", "content-length: 5", method="POST", body="hello").status == 200
    assert ask(proxy, "/", "transfer-encoding: chunked", method="POST", body="8\r\n12345678\r\n0\r\n\r\n").status == 200
    too_long = ask(proxy, "/", "content-length: 20", method="POST", body=long)
    assert (too_long.status, too_long.body) == (413, b"Payload Too Large")
    assert ask(proxy).status == 200
    assert seen == [("false", b"hello"), ("false", b"12345678"), (None, b"")]
    assert proxy.stat("http.ingress.downstream_rq_too_large") == 1
    del seen[:]
    proxy = proxy_with(either, [partial], app, service)
    assert ask(proxy, "/", "content-length: 20", method="POST", body=long).status == 200
    assert seen == [("true", b"xxxxxxxx")]
    assert [request.body for request in app.seen] == [b"hello", b"12345678", b"", long.encode()]


def test_a_body_that_is_longer_than_the_watermark(either, authorizer, app):
    size = 3 << 20
    service = authorizer()
    proxy = proxy_with(either, [authz(**grpc_service(), with_request_body={"max_request_bytes": size})], app, service)
    assert ask(proxy, "/", f"content-length: {size}", method="POST", body="x" * size).status == 200
    assert len(service.seen[0]["request"]["http"]["body"]) == size
    assert len(app.seen[0].body) == size


# By gRPC

def test_what_a_grpc_service_is_told(either, authorizer, app):
    service = authorizer()
    settings = authz(**grpc_service(authority="my.authority"), include_tls_session=True, disallowed_headers=names("x-bad"))
    proxy = proxy_with(either, [settings], app, service)
    ask(proxy, "/a?b=c", "x-one: 1", "x-one: 2", "x-bad: 1", "x-request-id: abc", "X-Mixed: Case", "x-bytes: caf\xe9")
    told = service.seen[0]
    http = told["request"]["http"]
    headers = http.pop("headers")
    assert http.pop("id").isdigit()
    assert http == {"method": "GET", "path": "/a?b=c", "host": "a", "scheme": "http", "protocol": "HTTP/1.1"}
    assert headers.pop("x-request-id")
    assert headers == {":authority": "a", ":path": "/a?b=c", ":method": "GET", ":scheme": "http", "x-forwarded-proto": "http",
                       "x-one": "1,2", "x-mixed": "Case", "x-bytes": "caf!"}
    assert told["destination"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": proxy.port("main")}
    assert told["source"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert (told["tls_session"], told["metadata_context"], told["route_metadata_context"]) == ({}, {}, {})
    metadata = service.metadata[0]
    assert (metadata["x-envoy-internal"], metadata["x-envoy-expected-rq-timeout-ms"]) == ("true", "5000")
    assert "x-forwarded-for" in metadata and "content-length" not in metadata


def test_what_a_grpc_service_says(either, authorizer, app, tmp_path):
    def answer(http, context):
        match http["path"]:
            case "/denied":
                return {"status": {"code": 7}, "denied_response": {"status": {"code": 401}, "body": "who?",
                        "headers": [header("x-a", "1"), header("x-a", "2"), header("content-type", "text/html")]}}
            case "/bare": return {"status": {"code": 16}}
            case "/okay": return {"status": {"code": 0}, "denied_response": {"body": "never"}}
            case "/broken": context.abort(grpc.StatusCode.INTERNAL, "broken")
            case "/failed": return {"status": {"code": 7}, "error_response": {"status": {"code": 502}, "body": "later"}}
        return {}

    service = authorizer(answer)
    proxy = proxy_with(either, [authz(**grpc_service(), status_on_error={"code": "ServiceUnavailable"})], app, service,
                       log=log_to(tmp_path / "log"))
    answers = [ask(proxy, path) for path in ("/denied", "/bare", "/okay", "/broken", "/failed", "/else")]
    assert [(one.status, one.body) for one in answers] == [
        (401, b"who?"), (403, b""), (200, b"hello"), (503, b""), (502, b"later"), (200, b"hello")]
    assert (answers[0].all("x-a"), answers[0].get("content-type")) == (["1", "2"], "text/html")
    assert counted(proxy) == {"ok": 2, "denied": 2, "error": 2}
    assert lines_of(tmp_path / "log", 6)[3:5] == ["/broken 503 UAEX ext_authz_error app", "/failed 502 UAEX ext_authz_error app"]


CHANGES = {"status": {}, "ok_response": {
    "headers": [header("x-set", "S"), header("x-appended", "L", append=True), header("x-lonely", "L", append=True),
                header(":path", "/new?a=1&b=2"), header("host", "other"), header(":method", "PUT")],
    "headers_to_remove": ["x-gone", ":method", "host"],
    "response_headers_to_add": [header("x-told", "1"), header("x-from", "both"),
                                header("x-over", "2", append_action="OVERWRITE_IF_EXISTS_OR_ADD")],
    "query_parameters_to_set": [{"key": "c", "value": "3"}], "query_parameters_to_remove": ["a"]}}


def test_what_a_grpc_service_changes(either, authorizer, app):
    proxy = proxy_with(either, [authz(**grpc_service())], app, authorizer(lambda *_: CHANGES))
    answer = ask(proxy, "/old", "x-set: 0", "x-appended: 0", "x-gone: 1")
    request = app.seen[0]
    assert (request.method, request.path, request.get("host")) == ("PUT", "/new?b=2&c=3", "other")
    assert [request.all(name) for name in ("x-set", "x-appended", "x-lonely", "x-gone")] == [["S"], ["0,L"], [], []]
    assert [answer.all(name) for name in ("x-told", "x-from", "x-over")] == [["1"], ["app", "both"], ["2"]]


def test_another_route_for_a_changed_request(either, authorizer, app):
    new = {"match": {"prefix": "/new"}, "direct_response": {"status": 299}}
    for settings, status in (({}, 200), ({"clear_route_cache": True}, 299)):
        proxy = proxy_with(either, [authz(**grpc_service(), **settings)], app, authorizer(lambda *_: CHANGES), [new])
        answer = ask(proxy, "/old")
        assert (answer.status, answer.get("x-told")) == (status, "1")


def test_the_new_routes_filters_hold_behind_it(either, authorizer, app):
    deny = {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute", "rbac": {"rules": rules()}}
    new = {**forward(), "match": {"prefix": "/new"}, "typed_per_filter_config": {"rbac": deny}}
    filters = [authz(**grpc_service(), clear_route_cache=True), rbac()]
    proxy = proxy_with(either, filters, app, authorizer(lambda *_: CHANGES), [new])
    assert ask(proxy, "/old").status == 403


def test_who_the_client_is(either, authorizer, app, ca):
    service = authorizer()
    tls = {"common_tls_context": {"tls_certificates": [ca.leaf("server", dns=["a"], uri=["spiffe://me"]).config],
                                  "validation_context": {"trusted_ca": {"filename": str(ca.path)}}}, "require_client_certificate": True}
    chain = {"filters": [manager([forward()], http_filters=[authz(**grpc_service(), include_peer_certificate=True,
                                                                  include_tls_session=True), ROUTER])],
             "transport_socket": {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, **tls}}}
    proxy = either(bootstrap([listener(None, chain=chain)], [cluster("app", app.port), cluster("authz", service.port, **spoken())]))
    client = ca.leaf("client", uri=["spiffe://client"])
    with contextlib.closing(proxy.client(tls=client_context(ca, client), server_name="a")) as peer:
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert peer.response().status == 200
    told = service.seen[0]
    assert (told["source"]["principal"], told["destination"]["principal"]) == ("spiffe://client", "spiffe://me")
    assert told["source"]["certificate"].startswith("-----BEGIN%20CERTIFICATE-----")
    assert told["tls_session"] == {"sni": "a"}


# Failures, time, routes

def test_without_an_answer_requests_may_go_on(either, authorizer, app):
    service = authorizer(lambda _http, context: context.abort(grpc.StatusCode.UNAVAILABLE, "no"))
    settings = {"failure_mode_allow": True, "failure_mode_allow_header_add": True, "stat_prefix": "mine"}
    proxy = proxy_with(either, [authz(**grpc_service(), **settings)], app, service)
    assert ask(proxy).status == 200
    assert app.seen[0].get("x-envoy-auth-failure-mode-allowed") == "true"
    expected = {"mine.error": 1, "mine.failure_mode_allowed": 1}
    assert counted(proxy) == counted(proxy, "cluster.app") == expected


def test_nobody_to_ask(either, app):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and nobody listens there
        proxy = proxy_with(either, [authz(**http_service())], app, types.SimpleNamespace(port=deaf.getsockname()[1]))
        assert (ask(proxy).status, counted(proxy)) == (403, {"error": 1})
        assert proxy.stat("cluster.authz.upstream_cx_connect_fail") == 1


def test_a_service_that_is_silent(either, upstream, app):
    done = threading.Event()

    def silent(peer, _number):
        peer.request()
        done.wait(60)

    proxy = proxy_with(either, [authz(**http_service("0.2s"))], app, upstream(silent))
    assert ask(proxy).status == 403
    done.set()
    assert [proxy.stat(f"cluster.authz.upstream_rq_{name}") for name in ("timeout", "504")] == [1, 1]
    assert counted(proxy) == {"error": 1}


def test_a_client_that_leaves_takes_its_question_back(either, upstream, app):
    done = threading.Event()

    def silent(peer, _number):
        peer.request()
        done.wait(60)

    proxy = proxy_with(either, [authz(**http_service("60s"))], app, upstream(silent))
    with contextlib.closing(proxy.client()) as peer:
        peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        proxy.wait_stat("cluster.authz.upstream_rq_active", 1)
    proxy.wait_stat("cluster.authz.upstream_rq_active", 0)
    proxy.wait_stat("http.ingress.downstream_rq_active", 0)
    done.set()
    assert counted(proxy) == {}


def test_routes_change_it(either, authorizer, app):
    service = authorizer()
    host = {"typed_per_filter_config": {"authz": {"@type": EXT_AUTHZ + "PerRoute", "check_settings": {
        "context_extensions": {"host": "h", "both": "host"}}}}}
    routes = [per_route("/off", disabled=True), per_route("/told", check_settings={"context_extensions": {"route": "r", "both": "route"}}),
              per_route("/blind", check_settings={"disable_request_body_buffering": True}),
              per_route("/short", check_settings={"with_request_body": {"max_request_bytes": 2, "allow_partial_message": True}})]
    filters = [authz(**grpc_service(), with_request_body={"max_request_bytes": 100, "pack_as_bytes": True})]
    proxy = proxy_with(either, filters, app, service, routes, virtual_host=host)
    assert [ask(proxy, path, "content-length: 4", method="POST", body="body").status
            for path in ("/off", "/told", "/blind", "/short", "/")] == [200] * 5
    told = {one["request"]["http"]["path"]: one for one in service.seen}
    assert set(told) == {"/told", "/blind", "/short", "/"}
    assert told["/told"]["context_extensions"] == {"host": "h", "both": "route", "route": "r"}
    assert told["/"]["context_extensions"] == {"host": "h", "both": "host"}
    bodies = {path: one["request"]["http"].get("raw_body") for path, one in told.items()}
    assert bodies == {"/told": "Ym9keQ==", "/blind": None, "/short": "Ym8=", "/": "Ym9keQ=="}


def test_some_requests_are_not_asked_about(either, authorizer, app):
    off = {"filter_enabled": {"default_value": {"numerator": 0}}}
    service = authorizer()
    proxy = proxy_with(either, [authz(**grpc_service(), **off)], app, service)
    assert (ask(proxy).status, counted(proxy)) == (200, {"disabled": 1})
    deny = {**off, "deny_at_disable": {"default_value": True, "runtime_key": "none"}}
    proxy = proxy_with(either, [authz(**grpc_service(), **deny)], app, service)
    assert (ask(proxy).status, counted(proxy)) == (403, {"disabled": 1})
    assert service.seen == []


def test_one_connection_serves_many_questions(either, authorizer, app):
    service = authorizer()
    proxy = proxy_with(either, [authz(**grpc_service())], app, service)
    with contextlib.closing(proxy.client()) as peer:
        for _ in range(50):
            peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert peer.response().status == 200
    assert [proxy.stat(f"cluster.authz.upstream_{name}_total") for name in ("rq", "cx")] == [50, 1]
    assert counted(proxy) == {"ok": 50}


def test_what_is_not_acted_on_is_refused(tmp_path):
    def errors(clusters=True, **settings):
        path = tmp_path / "bootstrap.json"
        known = [cluster("app", 1), *([cluster("authz", 1)] if clusters else [])]
        path.write_text(json.dumps(bootstrap([listener(manager([forward()], http_filters=[authz(**settings), ROUTER]))], known)))
        return subprocess.run([os.environ["OUTRIDER"], "validate", str(path)], capture_output=True, text=True).stderr

    assert errors(**grpc_service()) == errors(**http_service()) == ""
    for field in ({"metadata_context_namespaces": ["a"]}, {"encode_raw_headers": True}, {"validate_mutations": True},
                  {"enable_dynamic_metadata_ingestion": True}, {"bootstrap_metadata_labels_key": "a"}, {"emit_filter_state_stats": True},
                  {"max_denied_response_body_bytes": 1}, {"filter_metadata": {"a": "b"}}):
        assert next(iter(field)) in errors(**grpc_service(), **field)
    assert "retry_policy" in errors(**http_service(retry_policy={}))
    assert "dynamic_metadata_from_headers" in errors(**http_service(authorization_response={"dynamic_metadata_from_headers": names("a")}))
    assert 'there is no cluster "authz"' in errors(clusters=False, **grpc_service())
    assert 'there is no cluster "authz"' in errors(clusters=False, **http_service())
    assert "grpc_service" in errors()
