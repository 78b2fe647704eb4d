"""The admin port, endpoint by endpoint. Whatever Envoy answers too is also checked against the real one."""
import contextlib
import json
import os
import re
import socket

import pytest
from bootstrap import FILE_LOG, address, bootstrap, cluster, forward, listener, manager, tcp_proxy
from harness import WAIT, connect, wait_until


def config(upstream_port=1, **settings):
    """Two listeners, two clusters, a secret, a runtime layer."""
    second = listener(
        tcp_proxy(), name="second", traffic_direction="INBOUND", additional_addresses=[{"address": address()}])
    full = bootstrap(
        [listener(manager([forward()])), second],
        [cluster("app", upstream_port, circuit_breakers={
            "thresholds": [{"max_retries": 7}, {"priority": "HIGH", "max_connections": 9}]}),
         cluster("a:b", alt_stat_name="alt")],
        node={"id": "n1", "cluster": "svc", "locality": {"zone": "z"}},
        layered_runtime={"layers": [{"name": "base", "static_layer": {"some.key": 5, "x": {"y": True}}}]},
    )
    full["static_resources"]["secrets"] = [
        {"name": "top", "tls_certificate": {"certificate_chain": {"inline_string": CERTIFICATE},
                                            "private_key": {"inline_string": KEY}}}]
    full["admin"].update(settings)
    return full


CERTIFICATE = KEY = ""
IS_ENVOY = os.environ.get("OUTRIDER", "").endswith("envoy")


@pytest.fixture(scope="module", autouse=True)
def material(tmp_path_factory):
    from pki import Authority
    global CERTIFICATE, KEY
    leaf = Authority(tmp_path_factory.mktemp("pki")).leaf("top", dns=["top.example"])
    CERTIFICATE, KEY = leaf.certificate_path.read_text(), leaf.key_path.read_text()


def ask(proxy, path, method="GET", headers="", body=""):
    with contextlib.closing(connect(proxy.admin)) as peer:
        length = f"content-length: {len(body)}\r\n" if body else ""
        peer.send(f"{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}{length}\r\n{body}")
        return peer.response(head_only=method == "HEAD")


def page(proxy, path):
    answer = ask(proxy, path)
    assert answer.status == 200, (path, answer.body)
    return answer.body.decode()


def dump(proxy, path):
    return json.loads(page(proxy, path))


def test_fields_of_every_answer(start):
    proxy = start(config())
    answer = ask(proxy, "/ready")
    assert (answer.status, answer.body) == (200, b"LIVE\n")
    assert answer.get("content-type") == "text/plain; charset=UTF-8"
    assert answer.get("cache-control") == "no-cache, max-age=0"
    assert answer.get("x-content-type-options") == "nosniff"
    assert answer.get("server") == "envoy"
    assert answer.get("date")
    assert ask(proxy, "/server_info").get("content-type") == "application/json"
    assert ask(proxy, "/").get("content-type") == "text/html; charset=UTF-8"


def test_paths(start):
    proxy = start(config())
    for path in ("/nothing", "/ready/", "/READY", "/tap", "/hystrix_event_stream"):
        answer = ask(proxy, path)
        assert answer.status == 404, path
        assert answer.body.startswith(b"invalid path. admin commands are:\n  /: "), path
    assert ask(proxy, "/nothing", "POST").status == 404
    for path in ("//ready", "/./ready", "/%72eady", "/ready?x"):
        assert page(proxy, path) == "LIVE\n", path
    assert page(proxy, "/help").startswith("admin commands are:\n")


def test_head_has_no_body(start):
    proxy = start(config())
    for path in ("/ready", "/stats", "/nothing"):
        with contextlib.closing(connect(proxy.admin)) as peer:
            peer.send(f"HEAD {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert peer.response(head_only=True).status in (200, 404)
            if not IS_ENVOY:  # Envoy sends the body
                assert peer.rest() == b"", path


def test_methods(start):
    proxy = start(config())
    posts = [line.split()[0] for line in page(proxy, "/help").splitlines() if "(POST): " in line]
    assert {"/quitquitquit", "/logging", "/healthcheck/fail", "/drain_listeners", "/reset_counters"} <= set(posts)
    for path in posts:
        for method in ("GET", "PUT"):
            answer = ask(proxy, path, method)
            assert answer.status == 405, path
            assert answer.body.decode() == f"Method {method} not allowed, POST required."
    assert ask(proxy, "/ready", "POST").body == b"LIVE\n"


def test_home_page(start):
    text = page(start(config()), "/")
    assert "<!DOCTYPE html>" in text and "src=" not in text and "http://" not in text
    for name in ("stats/prometheus", "clusters", "config_dump", "certs", "listeners"):
        assert re.search(rf"(action|href)='{name}'", text), name
    for name in ("quitquitquit", "healthcheck/fail", "logging"):
        assert re.search(rf"<form[^>]* action='{name}' method='post'", text), name
    assert "name='usedonly'" in text and "name='name_regex'" in text


def test_server_info(start):
    info = dump(start(config()), "/server_info")
    assert set(info) >= {"version", "state", "uptime_current_epoch", "uptime_all_epochs", "hot_restart_version",
                         "command_line_options", "node"}
    assert info["state"] == "LIVE" and re.fullmatch(r"\d+s", info["uptime_all_epochs"])
    options = info["command_line_options"]
    assert options["concurrency"] == 1 and options["mode"] == "Serve" and options["drain_time"] == "600s"
    assert options["config_path"].endswith("bootstrap.json")
    assert (info["node"]["id"], info["node"]["cluster"], info["node"]["locality"]["zone"]) == ("n1", "svc", "z")


def test_listeners(start):
    proxy = start(config())
    lines = page(proxy, "/listeners").splitlines()
    assert [line.split("::")[0] for line in lines] == ["main", "second", "second"]
    statuses = dump(proxy, "/listeners?format=json")["listener_statuses"]
    assert [one["name"] for one in statuses] == ["main", "second"]
    ports = [statuses[0]["local_address"], statuses[1]["local_address"], *statuses[1]["additional_local_addresses"]]
    ports = [one["socket_address"]["port_value"] for one in ports]
    assert [f"127.0.0.1:{port}" for port in ports] == [line.split("::")[1] for line in lines]
    for port in ports:
        connect(port).close()


HOST_FIGURES = ["cx_active", "cx_connect_fail", "cx_total", "rq_active", "rq_error", "rq_pending_active", "rq_success",
                "rq_timeout", "rq_total", "hostname", "health_flags", "weight", "region", "zone", "sub_zone", "canary",
                "priority", "success_rate", "local_origin_success_rate"]


def test_clusters(start, upstream):
    app = upstream()
    proxy = start(config(app.port))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 200
    host = f"127.0.0.1:{app.port}"

    def figures():
        lines = [line.split("::") for line in page(proxy, "/clusters?filter=%5Eapp$").splitlines()]
        return {line[2]: line[3] for line in lines if line[1] == host}

    wait_until(lambda: figures()["rq_success"] == "1", "the request is counted")
    found = figures()
    assert list(found) == HOST_FIGURES
    assert (found["cx_total"], found["cx_active"], found["rq_total"], found["rq_active"]) == ("1", "1", "1", "0")
    assert (found["health_flags"], found["weight"], found["priority"]) == ("healthy", "1", "0")
    text = page(proxy, "/clusters")
    for line in ("app::default_priority::max_retries::7", "app::high_priority::max_connections::9",
                 "app::high_priority::max_retries::3", "app::added_via_api::false", "a:b::observability_name::alt"):
        assert line in text.splitlines()
    assert "a:b" not in page(proxy, "/clusters?filter=app")
    assert ask(proxy, "/clusters?filter=(").status == 400

    statuses = {one["name"]: one for one in dump(proxy, "/clusters?format=json")["cluster_statuses"]}
    only = statuses["app"]["host_statuses"][0]
    assert only["address"] == {"socket_address": {"address": "127.0.0.1", "port_value": app.port}}
    assert only["health_status"] == {"eds_health_status": "HEALTHY"} and only["locality"] == {}
    stats = {one["name"]: (one.get("type", "COUNTER"), one.get("value", "0")) for one in only["stats"]}
    assert stats["rq_success"] == ("COUNTER", "1") and stats["cx_active"] == ("GAUGE", "1")
    assert statuses["app"]["circuit_breakers"]["thresholds"][0] == {
        "max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 7}
    assert dump(proxy, "/clusters?format=json&filter=nothing") == {}


def test_config_dump(start):
    proxy = start(config())
    configs = dump(proxy, "/config_dump")["configs"]
    names = [one["@type"].rsplit(".", 1)[1] for one in configs]
    assert names == ["BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "ScopedRoutesConfigDump",
                     "RoutesConfigDump", "SecretsConfigDump"]
    by_name = dict(zip(names, configs))
    assert by_name["BootstrapConfigDump"]["bootstrap"]["node"]["id"] == "n1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", by_name["BootstrapConfigDump"]["last_updated"])
    clusters = [one["cluster"] for one in by_name["ClustersConfigDump"]["static_clusters"]]
    assert sorted(one["name"] for one in clusters) == ["a:b", "app"]
    assert clusters[0]["@type"] == "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    listeners = [one["listener"]["name"] for one in by_name["ListenersConfigDump"]["static_listeners"]]
    assert sorted(listeners) == ["main", "second"]
    routes = by_name["RoutesConfigDump"]["static_route_configs"]
    assert [one["route_config"]["name"] for one in routes] == ["local"]
    endpoints = dump(proxy, "/config_dump?include_eds&resource=static_endpoint_configs")["configs"]
    assert {one["endpoint_config"]["cluster_name"] for one in endpoints} == {"app", "a:b"}


def test_config_dump_keeps_secrets(start):
    proxy = start(config())
    text = page(proxy, "/config_dump")
    assert "[redacted]" in text or "W3JlZGFjdGVkXQ==" in text
    for line in KEY.splitlines()[1:-1]:
        assert line not in text
    secret = dump(proxy, "/config_dump?resource=static_secrets")["configs"][0]
    assert secret["name"] == "top" and "BEGIN CERTIFICATE" in json.dumps(secret)


def test_config_dump_parts(start):
    proxy = start(config())
    prefix = "type.googleapis.com/envoy.admin.v3."
    assert dump(proxy, "/config_dump?mask=bootstrap.node.id") == {
        "configs": [{"@type": prefix + "BootstrapConfigDump", "bootstrap": {"node": {"id": "n1"}}}]}
    listeners = dump(proxy, "/config_dump?resource=static_listeners&mask=listener.name")["configs"]
    assert [one["listener"]["name"] for one in listeners] == ["main", "second"]
    assert {tuple(one["listener"]) for one in listeners} == {("@type", "name")}
    assert listeners[0]["@type"] == prefix + "ListenersConfigDump.StaticListener"
    found = dump(proxy, "/config_dump?resource=static_clusters&name_regex=a..")["configs"]
    assert {one["cluster"]["name"] for one in found} == {"app", "a:b"}
    assert dump(proxy, "/config_dump?resource=static_clusters&name_regex=ap") == {}
    assert dump(proxy, "/config_dump?resource=dynamic_listeners") == {}
    for parameters, status, text in [
        ("resource=nothing", 404, "nothing not found in config dump"),
        ("resource=bootstrap", 400, "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field"),
        ("mask=nothing", 400, "FieldMask nothing could not be successfully applied to any configs."),
        ("mask=static_clusters.cluster.name", 400, "could not be successfully applied to any configs."),
        ("resource=static_clusters&mask=nope", 400, "could not be successfully used."),
        ("name_regex=(", 400, "Error while parsing name_regex from ("),
    ]:
        answer = ask(proxy, "/config_dump?" + parameters)
        assert answer.status == status and text in answer.body.decode(), parameters


def test_runtime_and_memory(start):
    proxy = start(config())
    runtime = dump(proxy, "/runtime")
    assert runtime["layers"] == ["base"]
    assert runtime["entries"] == {"some.key": {"final_value": "5", "layer_values": ["5"]},
                                  "x.y": {"final_value": "true", "layer_values": ["true"]}}
    assert ask(proxy, "/runtime_modify?a=b", "POST").status == 503
    memory = dump(proxy, "/memory")
    assert set(memory) == {"allocated", "heap_size", "pageheap_unmapped", "pageheap_free", "total_thread_cache",
                           "total_physical_bytes"}
    assert 0 < int(memory["allocated"]) <= int(memory["heap_size"])
    assert page(proxy, "/init_dump") == "{}\n"
    assert page(proxy, "/hot_restart_version") == "disabled"
    assert page(proxy, "/contention").startswith("Mutex contention tracing is not enabled.")


def test_certs(start, tmp_path):
    from pki import Authority
    from bootstrap import DOWNSTREAM_TLS
    authority = Authority(tmp_path)
    leaf = authority.leaf("server", dns=["a.example"], uri=["spiffe://a/b"], ip=["127.0.0.1"])
    context = {"@type": DOWNSTREAM_TLS, "common_tls_context": {
        "tls_certificates": [leaf.config],
        "validation_context": {"trusted_ca": {"filename": str(authority.path)}}}}
    proxy = start(bootstrap([listener(tcp_proxy(), chain={"transport_socket": {"name": "tls", "typed_config": context}})],
                            [cluster("app", 1)]))
    only = dump(proxy, "/certs")["certificates"][0]
    assert only["ca_cert"][0]["path"] == str(authority.path)
    chain = only["cert_chain"][0]
    assert chain["path"] == str(leaf.certificate_path)
    assert chain["subject_alt_names"] == [{"dns": "a.example"}, {"uri": "spiffe://a/b"}, {"ip_address": "127.0.0.1"}]
    assert chain["days_until_expiration"] in ("29", "30")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", chain["expiration_time"])
    assert re.fullmatch(r"[0-9a-f]+", chain["serial_number"])


def levels(proxy, parameters="", **request):
    answer = ask(proxy, "/logging" + parameters, "POST", **request)
    text = answer.body.decode()
    assert "active loggers:\n  " in text and text.endswith("\n\n")
    return answer.status, dict(re.findall(r"^  (\w+): (\w+)$", text, re.M)), text


def test_logging(start):
    proxy = start(config())
    status, before, _ = levels(proxy)
    assert status == 200 and set(before.values()) == {"info"}
    assert {"main", "config", "connection", "upstream", "http", "router", "http2"} <= set(before)
    assert levels(proxy, "?main=debug")[1] == {**before, "main": "debug"}
    assert levels(proxy)[1] == {**before, "main": "debug"}
    assert levels(proxy, "?paths=main:error,upstream:warning")[1] == {**before, "main": "error", "upstream": "warning"}
    assert set(levels(proxy, "?level=critical")[1].values()) == {"critical"}
    form = "content-type: application/x-www-form-urlencoded\r\n"
    assert set(levels(proxy, headers=form, body="paths=&level=off")[1].values()) == {"off"}
    for parameters, reason in [
        ("?level=loud", "unknown logger level"), ("?main=warn", "unknown logger level"),
        ("?nobody=debug", "unknown logger name"), ("?paths=main", "empty logger name or empty logger level"),
        ("?level=info&main=debug", "invalid number of parameters"),
    ]:
        status, _, text = levels(proxy, parameters)
        assert status == 400 and text.startswith(f"error: {reason}\n\nusage: /logging?<name>=<level>"), parameters
    assert set(levels(proxy)[1].values()) == {"off"}


def test_health_check_takes_readiness_away(start, upstream):
    proxy = start(config(upstream().port))
    assert ask(proxy, "/healthcheck/fail", "POST").body == b"OK\n"
    answer = ask(proxy, "/ready")
    assert (answer.status, answer.body) == (503, b"DRAINING\n")
    assert dump(proxy, "/server_info")["state"] == "DRAINING"
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 200
    assert ask(proxy, "/healthcheck/ok", "POST").body == b"OK\n"
    assert page(proxy, "/ready") == "LIVE\n"


def refuses(port):
    try:
        connect(port).close()
        return False
    except ConnectionError:
        return True


def test_drain_listeners(start, upstream):
    proxy = start(config(upstream().port))
    main, second = proxy.port("main"), proxy.port("second")
    assert ask(proxy, "/drain_listeners?inboundonly", "POST").body == b"OK\n"
    wait_until(lambda: refuses(second), "the inbound listener closes")
    assert not refuses(main)
    assert ask(proxy, "/drain_listeners", "POST").body == b"OK\n"
    wait_until(lambda: refuses(main), "the other one closes")
    assert page(proxy, "/ready") == "LIVE\n"


def test_drain_listeners_gracefully(start, upstream):
    proxy = start(config(upstream().port), arguments=("--drain-time-s", "2", "--drain-strategy", "immediate"))
    main = proxy.port("main")
    client = proxy.client()
    assert ask(proxy, "/drain_listeners?graceful", "POST").body == b"OK\n"
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    answer = client.response()
    assert (answer.status, answer.get("connection")) == (200, "close")
    assert not refuses(main)
    wait_until(lambda: refuses(main), "the listener closes after the drain time")


def test_reset_counters(start, upstream):
    proxy = start(config(upstream().port))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 200
    proxy.wait_stat("cluster.app.upstream_rq_200", 1)
    assert ask(proxy, "/reset_counters", "POST").body == b"OK\n"
    found = proxy.stats(r"^cluster\.app\.upstream_(rq_200|cx_total|cx_active)$")
    assert found == {"cluster.app.upstream_rq_200": 0, "cluster.app.upstream_cx_total": 0,
                     "cluster.app.upstream_cx_active": 1}


def test_quit(start):
    proxy = start(config())
    answer = ask(proxy, "/quitquitquit", "POST")
    assert (answer.status, answer.body) == (200, b"OK\n")
    assert proxy.process.wait(WAIT) == 0


def test_reopen_logs(start, tmp_path):
    log = tmp_path / "log"
    access = [{"name": "file", "typed_config": {"@type": FILE_LOG, "path": str(log),
               "log_format": {"text_format_source": {"inline_string": "%REQ(:PATH)% %RESPONSE_CODE% %BYTES_SENT%\n"}}}}]
    proxy = start(config(access_log=access), arguments=("--file-flush-interval-msec", "10"))
    ask(proxy, "/ready?first")
    wait_until(lambda: log.exists() and "/ready?first 200 5\n" in log.read_text(), "the line is written")
    log.rename(tmp_path / "old")
    assert ask(proxy, "/reopen_logs", "POST").body == b"OK\n"
    ask(proxy, "/ready?second")
    wait_until(lambda: log.exists() and "/ready?second 200 5\n" in log.read_text(), "the new file has the line")


def test_allow_paths(start):
    proxy = start(config(allow_paths=[{"exact": "/ready"}, {"prefix": "/stats"}, {"exact": "/listeners?format=json"}]))
    assert page(proxy, "/ready") == "LIVE\n"
    assert ask(proxy, "/stats/prometheus").status == 200
    for path, method in [("/", "GET"), ("/ready?x=1", "GET"), ("/quitquitquit", "POST"), ("/nothing", "GET")]:
        answer = ask(proxy, path, method)
        assert answer.status == 403, path
        assert answer.body.decode() == f"request to path {path} not allowed"


def test_pipe_address(start, tmp_path):
    path = tmp_path / "admin.sock"
    full = config()
    full["admin"]["address"] = {"pipe": {"path": str(path)}}
    del full["static_resources"]["secrets"]
    # The harness waits on TCP; here the file is waited for.
    admin = full.pop("admin")
    proxy = start(full, arguments=("--config-yaml", json.dumps({"admin": admin})))

    def ready():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(WAIT)
            client.connect(str(path))
            client.sendall(b"GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            answer = b""
            while data := client.recv(4096):
                answer += data
            return b"LIVE" in answer

    wait_until(ready, "ready on the pipe")
    assert proxy.admin_file.read_text().strip() == str(path)


@pytest.mark.skipif(IS_ENVOY, reason="Envoy keeps what it is sent")
def test_bodies_are_bounded(start):
    proxy = start(config())
    with contextlib.closing(connect(proxy.admin)) as peer:
        peer.send("POST /reopen_logs HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        before = proxy.memory()
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(500):
                peer.send(chunk)
        assert proxy.memory() - before < 24 << 20
    assert page(proxy, "/ready") == "LIVE\n"


@pytest.mark.parametrize("request_bytes", [
    b"GET /stats?filter=" + b"(" * 20000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /stats?filter=" + b"(.*){1000}" * 50 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /config_dump?mask=bootstrap." + b"a." * 20000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /clusters?" + b"&" * 30000 + b"filter=%ff%00%zz HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /logging?\xff HTTP/1.1\r\nhost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
    b"GET /ready HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /logging HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    b"content-length: 60000\r\n\r\n" + b"&=" * 30000,
], ids=range(9))
def test_nothing_from_outside_brings_it_down(start, request_bytes):
    proxy = start(config())
    with contextlib.closing(connect(proxy.admin)) as peer:
        peer.send(request_bytes)
        peer.sock.settimeout(2)
        with contextlib.suppress(OSError):
            peer.fill()
    assert page(proxy, "/ready") == "LIVE\n"


def test_admin_counts_itself(start):
    proxy = start(config())
    ask(proxy, "/nothing")
    found = proxy.stats(r"^(http|listener)\.admin\.")
    assert found["http.admin.downstream_rq_4xx"] >= 1 and found["listener.admin.http.admin.downstream_rq_4xx"] >= 1
    assert found["listener.admin.downstream_cx_active"] == 1 == found["listener.admin.main_thread.downstream_cx_active"]
    assert found["listener.admin.downstream_cx_total"] == found["http.admin.downstream_cx_total"] > 1
