"""Access logs: lines as Envoy writes them, filters, every place they can be set, and files that move or do not drain."""
import contextlib
import json
import os
import re
import signal
import time

import pytest
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from harness import response, serve, wait_until
from pki import Authority, client_context

QUICK = ["--file-flush-interval-msec", "20"]
STDERR = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog"


def logger(path, text=None, fields=None, accept=None, **more):
    """The entry of an `access_log` list."""
    config = {"@type": FILE_LOG, "path": str(path), **more}
    if text is not None:
        config["log_format"] = {"text_format_source": {"inline_string": text}}
    if fields is not None:
        config["log_format"] = {"json_format": fields}
    return {"name": "log", "typed_config": config, **({"filter": accept} if accept else {})}


def lines(path, count):
    """The lines of a log file, once there are `count`."""

    def found():
        text = path.read_text() if path.exists() else ""
        return text.splitlines() if text.count("\n") >= count else None

    return wait_until(found, f"{count} lines in {path.name}")


def ask(proxy, *headers, path="/", method="GET", host="a", body=""):
    with contextlib.closing(proxy.client()) as client:
        length = [f"Content-Length: {len(body)}"] if body else []
        client.send("\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, *length, "", body]))
        return client.response(head_only=method == "HEAD")


def skeleton(line):
    """A line without times, ports and made-up ids."""
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", line)
    line = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", line)
    line = re.sub(r"^(\[TIME\] \".*?\" \d+ \S+ \d+ \d+) \d+ (\d+|-)", lambda m: f"{m[1]} MS {'MS' if m[2] != '-' else '-'}", line)
    return re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)


def exercise(proxy):
    ask(proxy, "User-Agent: tests/1.0", path="/some?query=1")
    ask(proxy, "X-Forwarded-For: 10.0.0.1, 10.0.0.2", 'User-Agent: with "quotes" and \\', host="other.example:80")
    ask(proxy, method="POST", body="x" * 1000)
    ask(proxy, method="HEAD")
    ask(proxy, path="/direct")
    ask(proxy, path="/rewritten/x")
    ask(proxy, path="/nowhere")


ROUTES = [
    {"match": {"prefix": "/direct"}, "direct_response": {"status": 418, "body": {"inline_string": "teapot"}}},
    {"match": {"prefix": "/rewritten"}, "route": {"cluster": "app", "prefix_rewrite": "/new"}},
    {"match": {"prefix": "/nowhere"}, "route": {"cluster": "dead"}},
    {"name": "all", **forward()},
]


@pytest.mark.parametrize("form", ["default", "text", "json", "nested"])
def test_lines_are_those_of_envoy(start, start_envoy, upstream, tmp_path, form):
    server = upstream(serve(lambda request: response(body=b"" if request.method == "HEAD" else b"hello", headers=[("X-App", "one")])))
    operators = [
        "REQ(:METHOD)", "REQ(:AUTHORITY)", "REQ(X-MISSING)", "REQ(X-MISSING?USER-AGENT):5", "REQUEST_HEADER(:PATH):4", "RESP(X-APP)",
        "RESPONSE_HEADER(content-length)", "TRAILER(x)", "RESPONSE_TRAILER(x)", "PROTOCOL", "UPSTREAM_PROTOCOL", "RESPONSE_CODE",
        "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG", "CONNECTION_TERMINATION_DETAILS", "BYTES_RECEIVED",
        "BYTES_SENT", "UPSTREAM_WIRE_BYTES_RECEIVED",
        "UPSTREAM_REQUEST_ATTEMPT_COUNT", "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW", "UPSTREAM_TRANSPORT_FAILURE_REASON",
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "REQUESTED_SERVER_NAME", "DOWNSTREAM_PEER_SUBJECT",
        "DOWNSTREAM_TLS_VERSION", "ROUTE_NAME", "VIRTUAL_CLUSTER_NAME", "GRPC_STATUS", "GRPC_STATUS_NUMBER", "HOSTNAME",
        "ENVIRONMENT(OUTRIDER_TEST)", "ENVIRONMENT(OUTRIDER_MISSING)", "ACCESS_LOG_TYPE", "FILTER_CHAIN_NAME", "DYNAMIC_METADATA(a:b)",
        "FILTER_STATE(x)", "QUERY_PARAM(query)", "PATH(NQ:PATH)", "DOWNSTREAM_LOCAL_SUBJECT", "START_TIME(%Y)", "UNIQUE_ID_MISSING"][:-1]
    fields = {str(number): f"%{one}%" for number, one in enumerate(operators)}
    settings = {
        "default": {},
        "text": {"text": "|".join(f"%{one}%" for one in operators) + "|100%%|\n"},
        "json": {"fields": {**fields, "mixed": "code=%RESPONSE_CODE% %REQ(X)%", "text": "plain"}},
        "nested": {"fields": {"inner": {"code": "%RESPONSE_CODE%", "list": ["%PROTOCOL%", "x", "%BYTES_SENT%"], "flag": True},
                              "agent": "%REQ(USER-AGENT)%", "missing": "%REQ(X-MISSING)%", "number": 7}},
    }[form]
    seen = []
    for name, launch in (("envoy", start_envoy), ("outrider", start)):
        path = tmp_path / name
        config = http(ROUTES, clusters=[cluster("app", server.port), {"name": "dead", "type": "STATIC"}],
                      access_log=[logger(path, **settings)], generate_request_id=form == "default")
        proxy = launch(config, arguments=QUICK, environment={"OUTRIDER_TEST": "value"})
        exercise(proxy)
        found = lines(path, 7)
        seen.append([json.loads(line) for line in found] if "fields" in settings else [skeleton(line) for line in found])
    # Local replies are longer here: they name the setting that decided.
    theirs, ours = seen
    for one, other in list(zip(theirs, ours))[:6]:
        assert other == one


def test_times_and_addresses(start, upstream, tmp_path):
    path = tmp_path / "log"
    numbers = ["DURATION", "REQUEST_DURATION", "REQUEST_TX_DURATION", "RESPONSE_DURATION", "RESPONSE_TX_DURATION",
               "UPSTREAM_CONNECTION_POOL_READY_DURATION", "COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)", "START_TIME(%s)", "EMIT_TIME(%s)",
               "START_TIME(%s.%3f)", "DOWNSTREAM_REMOTE_PORT", "DOWNSTREAM_LOCAL_PORT", "UPSTREAM_REMOTE_PORT", "CONNECTION_ID",
               "UPSTREAM_CONNECTION_ID"]
    addresses = ["UPSTREAM_HOST", "UPSTREAM_LOCAL_ADDRESS", "UPSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_ADDRESS",
                 "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS"]
    server = upstream()
    before = int(time.time())
    proxy = start(http(clusters=[cluster("app", server.port)], access_log=[
        logger(path, fields={one: f"%{one}%" for one in [*numbers, *addresses, "START_TIME", "STREAM_ID"]})]), arguments=QUICK)
    ask(proxy)
    line = json.loads(lines(path, 1)[0])
    for name in numbers:
        assert re.fullmatch(r"\d+(\.\d+)?", str(line[name])), (name, line[name])
    for name in addresses:
        assert re.fullmatch(r"127\.0\.0\.1:\d+", line[name]), (name, line[name])
    assert line["UPSTREAM_HOST"] == f"127.0.0.1:{server.port}"
    assert line["DOWNSTREAM_LOCAL_ADDRESS"] == f"127.0.0.1:{proxy.port('main')}"
    assert before <= int(line["START_TIME(%s)"]) <= time.time()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["START_TIME"])
    assert line["STREAM_ID"] == server.requests[0].get("x-request-id")


def compare(field, value, op="GE"):
    return {field: {"comparison": {"op": op, "value": {"default_value": value, "runtime_key": "k"}}}}


FILTERS = {
    "status_code": (compare("status_code_filter", 500), ["503"]),
    "status_code equal": (compare("status_code_filter", 404, "EQ"), ["404"]),
    "status_code below": (compare("status_code_filter", 404, "LE"), ["200", "404", "200"]),
    "duration": (compare("duration_filter", 60_000), []),
    "duration below": (compare("duration_filter", 60_000, "LE"), ["200", "404", "503", "200"]),
    "not_health_check": ({"not_health_check_filter": {}}, ["200", "404", "503", "200"]),
    "header": ({"header_filter": {"header": {"name": "x-mark", "string_match": {"prefix": "b"}}}}, ["200"]),
    "header of no request": ({"header_filter": {"header": {"name": "x-mark", "present_match": False}}}, ["200", "404", "503"]),
    "response_flag": ({"response_flag_filter": {"flags": ["UH", "UF"]}}, ["503"]),
    "any response_flag": ({"response_flag_filter": {}}, ["503"]),
    "or": ({"or_filter": {"filters": [compare("status_code_filter", 500), compare("status_code_filter", 404, "EQ")]}}, ["404", "503"]),
    "and": ({"and_filter": {"filters": [compare("status_code_filter", 400), compare("status_code_filter", 500, "LE")]}}, ["404"]),
}


def test_filters(start, upstream, tmp_path):
    server = upstream(serve(lambda request: response(404 if "404" in request.path else 200)))
    paths = {name: tmp_path / name.replace(" ", "_") for name in FILTERS}
    logs = [logger(paths[name], text="%RESPONSE_CODE%\n", accept=accept) for name, (accept, _) in FILTERS.items()]
    last = tmp_path / "last"
    proxy = start(http([{"match": {"prefix": "/dead"}, "route": {"cluster": "dead"}}, forward()], access_log=[
        *logs, logger(last, text="%RESPONSE_CODE%\n")],
        clusters=[cluster("app", server.port), {"name": "dead", "type": "STATIC"}]), arguments=QUICK)
    for path, *headers in (["/"], ["/404"], ["/dead"], ["/", "X-Mark: blue"]):
        ask(proxy, *headers, path=path)
    lines(last, 4)
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(10) == 0
    assert {name: paths[name].read_text().split() for name in FILTERS} == {name: expected for name, (_, expected) in FILTERS.items()}


def test_tcp_and_listener_logs(start, upstream, tmp_path):
    server = upstream(lambda peer, _number: peer.send(b"bye:" + (peer.until(b"\n") or b"")))
    text = "%PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% %ACCESS_LOG_TYPE%\n"
    session, connection = tmp_path / "session", tmp_path / "connection"
    proxy = start(bootstrap([
        listener(tcp_proxy(access_log=[logger(session, text)]), access_log=[logger(connection, text)]),
        listener(tcp_proxy(to="dead", access_log=[logger(tmp_path / "dead", text)]), name="dead")],
        [cluster("app", server.port), {"name": "dead", "type": "STATIC"}]), arguments=QUICK)
    with contextlib.closing(proxy.client()) as client:
        client.send("hello\n")
        assert client.rest() == b"bye:hello\n"
    assert lines(session, 1) == [f"- 0 - 6 10 app 127.0.0.1:{server.port} TcpConnectionEnd"]
    assert lines(connection, 1)[0].startswith("- 0 - ")
    with contextlib.closing(proxy.client("dead")) as client:
        assert client.closed()
    assert lines(tmp_path / "dead", 1) == ["- 0 UH 0 0 dead - TcpConnectionEnd"]


def tls_chain(authority, leaf, **more):
    context = {"@type": DOWNSTREAM_TLS, "require_client_certificate": True, "common_tls_context": {
        "tls_certificates": [leaf.config], "validation_context": {"trusted_ca": {"filename": str(authority.path)}, **more}}}
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


TLS_FIELDS = ["DOWNSTREAM_TLS_VERSION", "DOWNSTREAM_TLS_CIPHER", "REQUESTED_SERVER_NAME", "DOWNSTREAM_PEER_SUBJECT",
              "DOWNSTREAM_PEER_ISSUER", "DOWNSTREAM_PEER_URI_SAN", "DOWNSTREAM_PEER_DNS_SAN", "DOWNSTREAM_PEER_IP_SAN",
              "DOWNSTREAM_PEER_FINGERPRINT_256", "DOWNSTREAM_PEER_FINGERPRINT_1", "DOWNSTREAM_PEER_SERIAL", "DOWNSTREAM_PEER_CERT_V_START",
              "DOWNSTREAM_PEER_CERT_V_END", "DOWNSTREAM_LOCAL_SUBJECT", "DOWNSTREAM_LOCAL_URI_SAN", "DOWNSTREAM_LOCAL_DNS_SAN",
              "DOWNSTREAM_PEER_CERT", "UPSTREAM_TLS_VERSION", "UPSTREAM_PEER_SUBJECT", "UPSTREAM_PEER_URI_SAN"]


def test_tls_fields_are_those_of_envoy(start, start_envoy, upstream, tmp_path):
    authority = Authority(tmp_path)
    server_leaf = authority.leaf("server", dns=["server.example"], uri=["spiffe://td/server"])
    client_leaf = authority.leaf("client", dns=["c.example", "d.example"], uri=["spiffe://td/client"], ip=["10.1.2.3"])
    app = upstream(serve(lambda _request: response()), tls=server_leaf.server_context(client_ca=authority))
    upstream_tls = {"transport_socket": {"name": "tls", "typed_config": {
        "@type": UPSTREAM_TLS, "sni": "server.example", "common_tls_context": {
            "tls_certificates": [client_leaf.config], "validation_context": {"trusted_ca": {"filename": str(authority.path)}}}}}}
    seen = {}
    for name, launch in (("envoy", start_envoy), ("outrider", start)):
        path = tmp_path / name
        log = logger(path, fields={one: f"%{one}%" for one in TLS_FIELDS})
        proxy = launch(bootstrap(
            [listener(manager([forward()], access_log=[log]), chain=tls_chain(authority, server_leaf))],
            [cluster("app", app.port, **upstream_tls)]), arguments=QUICK)
        with contextlib.closing(proxy.client(tls=client_context(authority, client_leaf), server_name="server.example")) as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().status == 200
        seen[name] = json.loads(lines(path, 1)[0])
    cipher = seen["envoy"].pop("DOWNSTREAM_TLS_CIPHER"), seen["outrider"].pop("DOWNSTREAM_TLS_CIPHER")
    assert all(one.startswith("TLS_") for one in cipher)
    # Envoy knows the SNI only by way of a tls_inspector.
    assert (seen["envoy"].pop("REQUESTED_SERVER_NAME"), seen["outrider"].pop("REQUESTED_SERVER_NAME")) == (None, "server.example")
    assert seen["outrider"] == seen["envoy"]
    assert seen["outrider"]["DOWNSTREAM_PEER_URI_SAN"] == "spiffe://td/client"


def test_refused_handshake_is_logged_with_its_reason(start, upstream, tmp_path):
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["server.example"])
    path = tmp_path / "log"
    proxy = start(bootstrap([listener(
        manager([forward()]), chain=tls_chain(authority, leaf),
        access_log=[logger(path, "%RESPONSE_FLAGS% %DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n")])], [cluster("app", upstream().port)]), arguments=QUICK)
    with contextlib.closing(proxy.client()) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.rest()
    assert len(lines(path, 1)[0]) > len("- -"), path.read_text()


def test_every_line_ends(start, upstream, tmp_path):
    """Envoy leaves the newline to the format, a frequent complaint: a format without one gets one here."""
    path = tmp_path / "log"
    proxy = start(http(clusters=[cluster("app", upstream().port)], access_log=[logger(path, "%RESPONSE_CODE%")]), arguments=QUICK)
    ask(proxy)
    ask(proxy)
    assert lines(path, 2) == ["200", "200"]


@pytest.mark.parametrize("how", ["SIGUSR1", "/reopen_logs"])
def test_reopen_after_rename(start, upstream, tmp_path, how):
    path, old = tmp_path / "log", tmp_path / "log.1"
    proxy = start(http(clusters=[cluster("app", upstream().port)], access_log=[logger(path, "%REQ(:PATH)%\n")]), arguments=QUICK)
    ask(proxy, path="/before")
    lines(path, 1)
    path.rename(old)
    ask(proxy, path="/between")
    lines(old, 2)
    if how == "SIGUSR1":
        proxy.signal(signal.SIGUSR1)
    else:
        assert proxy.get_admin(how, "POST").status == 200
    wait_until(path.exists, "file opened anew")
    ask(proxy, path="/after")
    assert lines(path, 1) == ["/after"]
    assert old.read_text().split() == ["/before", "/between"]


@pytest.mark.parametrize("end", ["drain", "quit"])
def test_lines_are_flushed_at_the_end(start, upstream, tmp_path, end):
    path = tmp_path / "log"
    proxy = start(http(clusters=[cluster("app", upstream().port)], access_log=[logger(path, "%REQ(:PATH)%\n")]),
                  arguments=["--file-flush-interval-msec", "600000"])
    for number in range(20):
        ask(proxy, path=f"/{number}")
    if end == "drain":
        proxy.signal(signal.SIGTERM)
    else:
        proxy.get_admin("/quitquitquit", "POST")
    assert proxy.process.wait(10) == 0
    assert path.read_text().split() == [f"/{number}" for number in range(20)]


def test_a_disk_that_stands_still_stops_no_request(start, upstream, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # so that opening succeeds; nobody reads
    try:
        proxy = start(http(clusters=[cluster("app", upstream().port)], access_log=[logger(path, "%REQ(X-LONG)%\n")]),
                      arguments=[*QUICK, "--file-flush-min-size-kb", "1"])
        with contextlib.closing(proxy.client()) as client:
            for _ in range(600):
                client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + "y" * 30_000 + "\r\n\r\n")
                assert client.response().status == 200
        # 18 MB were logged: what the pipe and the bounded queues do not take is dropped and counted.
        wait_until(lambda: proxy.stat("filesystem.write_dropped") > 0, "dropped lines counted")
        assert proxy.memory() < 128 << 20
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(10) == 0
    finally:
        os.close(reader)


def test_standard_error(start, upstream):
    entry = {"name": "log", "typed_config": {"@type": STDERR, "log_format": {"text_format_source": {"inline_string": "seen %RESPONSE_CODE%\n"}}}}
    proxy = start(http(clusters=[cluster("app", upstream().port)], access_log=[entry]), arguments=QUICK)
    ask(proxy)
    wait_until(lambda: "seen 200" in proxy.log_text(), "line on standard error")


def test_unwritable_log_is_an_error_at_start(start, upstream, tmp_path):
    with pytest.raises(AssertionError) as failure:
        start(http(clusters=[cluster("app", upstream().port)], access_log=[logger(tmp_path / "no" / "folder")]))
    assert "no/folder" in str(failure.value) and "No such file" in str(failure.value)
