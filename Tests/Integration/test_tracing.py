"""Tracing: what collectors get and how, batches, collectors that are away, ids in logs, and refusals."""
import json
import os
import pathlib
import subprocess

import pytest
from bootstrap import FILE_LOG, address, bootstrap, cluster, forward, http, listener, manager
from collectors import GRPCCollector, HTTPCollector, ZipkinCollector
from harness import connect, free_port, response, serve, wait_until
from tracing import H2, TRACE, flush_at_once, otlp_over_grpc, otlp_over_http, runtime, telemetry, zipkin

DETECTORS = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3."
SENT = "tracing.opentelemetry.spans_sent"
DROPPED = "tracing.opentelemetry.spans_dropped"


@pytest.fixture
def collector(request):
    """collector(Kind, ...) -> a running collector."""

    def launch(kind, *arguments):
        made = kind(*arguments)
        request.addfinalizer(made.close)
        return made

    return launch


def traced(app, collector, provider, settings=None, node=None, h2=False, tracing=None, **more):
    """One listener whose requests are all traced."""
    extra = {"typed_extension_protocol_options": H2} if h2 else {}
    config = http(clusters=[cluster("app", app.port), cluster("collector", collector.port, **extra)],
                  tracing={"provider": provider, **(tracing or {})}, **more)
    return {**config, "node": node or {"id": "node", "cluster": "services"}, **(settings or flush_at_once())}


def ask(proxy, count=1, path="/", *headers):
    peer = proxy.client()
    lines = "".join(f"{header}\r\n" for header in headers)
    for _ in range(count):
        peer.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n")
        assert peer.response().status == 200
    peer.close()


def test_otlp_over_grpc(start, upstream, collector):
    spans = collector(GRPCCollector)
    provider = telemetry(service_name="shop", grpc_service={
        "envoy_grpc": {"cluster_name": "collector", "authority": "spans.example"}, "timeout": "5s",
        "initial_metadata": [{"key": "x-team", "value": "blue"}]})
    proxy = start(traced(upstream(), spans, provider, h2=True))
    ask(proxy)
    (span,) = spans.wait(1)
    assert spans.metadata[0]["x-team"] == "blue"
    assert spans.metadata[0]["user-agent"].startswith("OTel-OTLP-Exporter-Outrider/")
    assert span["resource"]["service.name"] == "shop" and span["resource"]["telemetry.sdk.name"] == "outrider"
    assert span["scope"][0] == "outrider" and span["scope"][1] == span["resource"]["telemetry.sdk.version"]
    assert 0 < span["start"] <= span["end"]
    proxy.wait_stat(SENT, 1)
    assert proxy.stat("cluster.collector.upstream_rq_200") == 1


def test_otlp_over_http(either, upstream, collector):
    spans = collector(HTTPCollector)
    proxy = either(traced(upstream(), spans, otlp_over_http(headers=[("x-key", "secret")])))
    ask(proxy)
    (span,) = spans.wait(1)
    (request,) = spans.requests
    assert (request.method, request.path, request.get("host")) == ("POST", "/v1/traces", "collector.example:4318")
    assert request.get("content-type") == "application/x-protobuf" and request.get("x-key") == "secret"
    assert span["tags"]["http.url"] == "http://a/" and span["resource"]["service.name"] == "shop"
    proxy.wait_stat(SENT, 1)


def test_zipkin_in_json(either, upstream, collector):
    spans = collector(ZipkinCollector)
    proxy = either(traced(upstream(), spans, zipkin(collector_hostname="zipkin.example:9411")))
    ask(proxy)
    (span,) = spans.wait(1)
    (request,) = spans.requests
    assert (request.method, request.path, request.get("host")) == ("POST", "/api/v2/spans", "zipkin.example:9411")
    assert request.get("content-type") == "application/json"
    assert span["localEndpoint"]["serviceName"] == "services" and span["localEndpoint"]["port"] == 0
    assert "zone" not in span["tags"], "empty tags are left out"
    proxy.wait_stat("tracing.zipkin.reports_sent", 1)
    assert proxy.stat("tracing.zipkin.spans_sent") == 1


def test_zipkin_by_a_service(either, upstream, collector):
    spans = collector(ZipkinCollector)
    service = {"http_uri": {"uri": "http://zipkin.example/spans", "cluster": "collector", "timeout": "1s"},
               "request_headers_to_add": [{"header": {"key": "x-key", "value": "secret"}}]}
    provider = zipkin(collector_service=service)
    for name in ("collector_cluster", "collector_endpoint"):
        del provider["typed_config"][name]
    proxy = either(traced(upstream(), spans, provider))
    ask(proxy)
    spans.wait(1)
    (request,) = spans.requests
    assert (request.path, request.get("host"), request.get("x-key")) == ("/spans", "zipkin.example", "secret")


def fields(data):
    """The fields of a protobuf message: (number, value)."""
    place = 0

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(data):
        key = varint()
        if key & 7 == 2:
            length = varint()
            yield key >> 3, data[place:place + length]
            place += length
        elif key & 7 == 1:
            yield key >> 3, int.from_bytes(data[place:place + 8], "little")
            place += 8
        else:
            assert key & 7 == 0
            yield key >> 3, varint()


def test_zipkin_in_protobuf(start, upstream):
    bodies = []
    spans = upstream(serve(lambda request: bodies.append((request.get("content-type"), request.body)) or response(202)))
    app = upstream()
    proxy = start(traced(app, spans, zipkin(collector_endpoint_version="HTTP_PROTO"), tracing={"spawn_upstream_span": True}))
    ask(proxy, 1, "/", "x-b3-traceid: 463ac35c9f6413ad48485a3953bb6124", "x-b3-spanid: a2fb4a1d1a96d312")
    wait_until(lambda: sum(len(list(fields(body))) for _, body in bodies) == 2, "two spans")
    assert {kind for kind, _ in bodies} == {"application/x-protobuf"}
    spans = [dict(fields(span)) for _, body in bodies for _, span in fields(body)]
    server, client = sorted(spans, key=lambda span: -span[4])
    assert server[1].hex() == client[1].hex() == "463ac35c9f6413ad48485a3953bb6124"
    # As B3 has them: what the next hop is told is found again.
    assert server[3].hex() == client[2].hex() == "a2fb4a1d1a96d312" and server[13] == 1
    assert client[3].hex() == app.requests[0].get("x-b3-spanid")
    assert (server[4], client[4]) == (2, 1) and server[5] == b"a" and client[5] == b"router app egress"
    assert dict(fields(server[8]))[1] == b"services"
    tags = {number: value for number, value in fields(server[11])}
    assert set(tags) == {1, 2}


def test_a_batch_goes_when_it_is_full(either, upstream, collector):
    spans = collector(GRPCCollector)
    proxy = either(traced(upstream(), spans, otlp_over_grpc(), h2=True, settings=runtime(**{
        "tracing.opentelemetry.min_flush_spans": 4, "tracing.opentelemetry.flush_interval_ms": 3_600_000})))
    ask(proxy, 8)
    wait_until(lambda: len(spans.spans) == 8, lambda: f"8 spans (there are {len(spans.spans)})")
    assert len(spans.exports) == 2


def test_a_batch_goes_when_its_time_has_come(either, upstream, collector):
    spans = collector(HTTPCollector)
    proxy = either(traced(upstream(), spans, otlp_over_http(), settings=runtime(**{
        "tracing.opentelemetry.min_flush_spans": 1000, "tracing.opentelemetry.flush_interval_ms": 100})))
    ask(proxy)
    spans.wait(1)
    assert proxy.stat("tracing.opentelemetry.timer_flushed") > 0


def test_connection_managers_share_a_batch(start, upstream, collector):
    spans, app = collector(GRPCCollector), upstream()
    listeners = [listener(manager([forward()], tracing={"provider": otlp_over_grpc()}), name=name)
                 for name in ("main", "other")]
    config = bootstrap(listeners, [cluster("app", app.port), cluster(
        "collector", spans.port, typed_extension_protocol_options=H2)], **runtime(**{
            "tracing.opentelemetry.min_flush_spans": 2, "tracing.opentelemetry.flush_interval_ms": 3_600_000}))
    proxy = start(config)
    ask(proxy)
    other = connect(proxy.port("other"))
    other.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    other.response()
    spans.wait(2)
    assert len(spans.exports) == 1


def test_a_collector_that_is_away(start, upstream, collector):
    away = free_port()
    app = upstream()

    class Away:
        port = away

    proxy = start(traced(app, Away, otlp_over_http()))
    for count in (1, 2, 3):
        ask(proxy)
        proxy.wait_stat(DROPPED, count)
    assert proxy.stat(SENT) == 0
    log = proxy.log_text()
    assert log.count("spans are dropped until it takes them") == 1, log
    assert "collector of cluster 'collector': remote connection failure" in log


def test_a_collector_that_refuses_and_comes_back(start, upstream, collector):
    spans = collector(HTTPCollector, 503)
    proxy = start(traced(upstream(), spans, otlp_over_http()))
    ask(proxy)
    proxy.wait_stat(DROPPED, 1)
    assert "it answers 503" in proxy.log_text()
    spans.status = 200
    ask(proxy)
    proxy.wait_stat(SENT, 1)
    wait_until(lambda: "takes spans again" in proxy.log_text(), "the log")
    spans.status = 503
    ask(proxy)
    proxy.wait_stat(DROPPED, 2)
    wait_until(lambda: proxy.log_text().count("spans are dropped until it takes them") == 2, "the log")


def silent(peer, _number):
    peer.request()
    peer.rest()


def test_spans_that_wait_are_bounded(start, upstream):
    app, slow = upstream(), upstream(silent)
    proxy = start(traced(app, slow, otlp_over_http(max_cache_size=4)))
    ask(proxy)
    wait_until(lambda: slow.requests, "a first message")
    ask(proxy, 10)
    # One is under way, four wait.
    proxy.wait_stat(DROPPED, 6)
    assert proxy.log_text().count("spans beyond max_cache_size 4 are dropped") == 1


def test_bytes_that_wait_are_bounded(start, upstream):
    app, slow = upstream(), upstream(silent)
    tags = [{"tag": "long", "request_header": {"name": "x-long"}}]
    proxy = start(traced(app, slow, otlp_over_http(), tracing={"custom_tags": tags},
                         settings=flush_at_once(**{"outrider.tracing.max_buffer_kib": 100})))
    ask(proxy, 1, "/", "x-long: " + "x" * 50_000)
    wait_until(lambda: slow.requests, "a first message")
    ask(proxy, 3, "/", "x-long: " + "x" * 40_000)
    proxy.wait_stat(DROPPED, 2)
    assert "spans beyond outrider.tracing.max_buffer_kib 100 are dropped" in proxy.log_text()
    ask(proxy, 1)  # a small one still has room
    assert proxy.stat(DROPPED) == 2


def test_what_is_no_text_does_not_cost_the_batch(start, upstream, collector):
    spans = collector(GRPCCollector)
    tags = [{"tag": "odd", "request_header": {"name": "x-odd"}}]
    proxy = start(traced(upstream(), spans, otlp_over_grpc(), h2=True, tracing={"custom_tags": tags}))
    ask(proxy, 1, "/", "x-odd: caf\xe9")
    (span,) = spans.wait(1)
    assert span["tags"]["odd"] == "café"


def test_ids_in_the_access_log(either, upstream, collector, tmp_path):
    spans, path = collector(HTTPCollector), tmp_path / "log"
    log = {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {
        "text_format_source": {"inline_string": "%TRACE_ID% %SPAN_ID%\n"}}}}
    proxy = either(traced(upstream(), spans, otlp_over_http(), access_log=[log]))
    ask(proxy)
    ask(proxy, 1, "/", "traceparent: none")
    (span,) = spans.wait(1)

    def lines():
        proxy.get_admin("/reopen_logs", "POST")
        found = path.read_text().splitlines()
        return found if len(found) == 2 else None

    assert wait_until(lines, "two lines") == [f"{span['trace']} {span['id']}", "- -"]


def test_resource_detectors(either, upstream, collector):
    spans = collector(HTTPCollector)
    detectors = [
        {"name": "static", "typed_config": {"@type": DETECTORS + "StaticConfigResourceDetectorConfig",
                                            "attributes": {"place": "here", "team": "blue"}}},
        {"name": "env", "typed_config": {"@type": DETECTORS + "EnvironmentResourceDetectorConfig"}}]
    proxy = either(traced(upstream(), spans, otlp_over_http(resource_detectors=detectors)),
                   environment={"OTEL_RESOURCE_ATTRIBUTES": "place=there,service.version=7"})
    ask(proxy)
    resource = spans.wait(1)[0]["resource"]
    assert {name: resource[name] for name in ("place", "team", "service.version", "service.name")} == {
        "place": "there", "team": "blue", "service.version": "7", "service.name": "shop"}


def test_the_last_spans_are_sent(start, upstream, collector):
    """A proxy that drains does not wait for the interval."""
    spans = collector(GRPCCollector)
    proxy = start(traced(upstream(), spans, otlp_over_grpc(), h2=True, settings=runtime(**{
        "tracing.opentelemetry.min_flush_spans": 1000, "tracing.opentelemetry.flush_interval_ms": 3_600_000})))
    ask(proxy, 3)
    assert not spans.spans
    proxy.signal(15)
    spans.wait(3)
    assert proxy.process.wait(20) == 0


def test_retries_upstream_are_told_apart(either, upstream, collector):
    spans = collector(GRPCCollector)
    turns = iter([503, 200])
    app = upstream(serve(lambda _request: response(next(turns))))
    retry = {"retry_on": "5xx", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}
    proxy = either(traced(app, spans, otlp_over_grpc(), h2=True, tracing={"spawn_upstream_span": True},
                          routes=[forward(retry_policy=retry)]))
    ask(proxy)
    by_id = {span["id"]: span for span in spans.wait(3)}
    (server,) = [span for span in by_id.values() if span["kind"] == "server"]
    tries = [by_id[request.get("traceparent").split("-")[2]] for request in app.requests]
    assert [span["tags"].get("retry.count") for span in tries] == [None, "1"]
    assert [span["parent"] for span in tries] == [server["id"]] * 2


# Refusals

def refusal(tmp_path, config):
    path = pathlib.Path(tmp_path) / "bootstrap.json"
    path.write_text(json.dumps(config))
    done = subprocess.run([os.environ["OUTRIDER"], "validate", str(path)], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 1, done.stdout
    return done.stdout + done.stderr


GOOD = otlp_over_grpc()
NO_DETECTOR = [{"name": "x", "typed_config": {"@type": DETECTORS + "DynatraceResourceDetectorConfig"}}]


@pytest.mark.parametrize("tracing, words", [
    ({}, "tracing.provider: is required"),
    ({"provider": telemetry()}, "one of grpc_service and http_service is required"),
    ({"provider": telemetry(**GOOD["typed_config"], http_service={"http_uri": {
        "uri": "http://a", "cluster": "app", "timeout": "1s"}})}, "only one of grpc_service and http_service"),
    ({"provider": otlp_over_grpc("nowhere")}, 'there is no cluster "nowhere"'),
    ({"provider": telemetry(grpc_service={"google_grpc": {"target_uri": "a", "stat_prefix": "b"}})}, "google_grpc"),
    ({"provider": otlp_over_grpc(sampler={"name": "x"})}, "sampler"),
    ({"provider": otlp_over_grpc(resource_detectors=NO_DETECTOR)}, "resource_detectors[0]"),
    ({"provider": otlp_over_http(headers=[("content-type", "x")])}, '"content-type" cannot be set'),
    ({"provider": otlp_over_http(headers=[("x-a", "%REQ(x)%")])}, "has no commands with %"),
    ({"provider": zipkin(collector_endpoint_version="GRPC")}, "GRPC"),
    ({"provider": zipkin(collector_cluster="")}, "collector_cluster: is required"),
    ({"provider": {"name": "x", "typed_config": {"@type": TRACE + "DatadogConfig"}}}, "DatadogConfig"),
    ({"provider": GOOD, "operation": "%NOPE%"}, "NOPE"),
    ({"provider": GOOD, "custom_tags": [{"tag": "a", "metadata": {"kind": {"request": {}}}}]}, "metadata"),
    ({"provider": GOOD, "custom_tags": [{"tag": "a", "literal": {"value": "b"}}] * 2}, "is the name of another tag"),
])
def test_refused_by_name(tmp_path, tracing, words):
    config = http(clusters=[cluster("app", 1), cluster("collector", 2)], tracing=tracing)
    assert words in refusal(tmp_path, config)
