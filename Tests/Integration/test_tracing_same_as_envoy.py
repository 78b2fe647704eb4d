"""One bootstrap with tracing, two proxies, the same requests: what reaches the collectors and the upstreams is compared.

Every case has a listener, an upstream and a service name (OpenTelemetry) or a path (Zipkin) of its own.
"""
import contextlib
import dataclasses
import os
import re
import socket

import pytest
from bootstrap import address, bootstrap, cluster, forward, listener, manager
from collectors import GRPCCollector, ZipkinCollector
from conftest import ENVOY
from harness import Proxy, Upstream, connect, response, serve, wait_until
from tracing import H2, flush_at_once, otlp_over_grpc, zipkin

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENTED = f"traceparent: 00-{TRACE}-{PARENT}-01"
B3 = ("x-b3-traceid: 463ac35c9f6413ad48485a3953bb6124", "x-b3-spanid: a2fb4a1d1a96d312", "x-b3-sampled: 1",
      "x-b3-parentspanid: 0020000000000001")
B3_IDS = "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312"
KNOWN = {TRACE, PARENT, "463ac35c9f6413ad48485a3953bb6124", "48485a3953bb6124", "a2fb4a1d1a96d312", "0020000000000001"}
REFUSED_PORT = socket.socket()  # bound and never listening: connecting to it is refused
REFUSED_PORT.bind(("127.0.0.1", 0))
NOBODY = {"load_assignment": {"cluster_name": "x", "endpoints": []}}
REFUSES = {"load_assignment": {"cluster_name": "x", "endpoints": [
    {"lb_endpoints": [{"endpoint": {"address": address(REFUSED_PORT.getsockname()[1])}}]}]}}
FULL = {"circuit_breakers": {"thresholds": [{"max_requests": 0, "max_connections": 0, "max_pending_requests": 0}]}}
FAST = {"retry_back_off": {"base_interval": "0.001s"}}
INTERNAL = {"use_remote_address": True, "internal_address_config": {
    "cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
WEBSOCKET = {"upgrade_configs": [{"upgrade_type": "websocket"}]}
DECORATED = {"decorator": {"operation": "op1"}}
NONE = {"value": 0}
SPAWN = {"spawn_upstream_span": True}
WORDS = ("response_size",)  # the proxies' own answers are worded differently
HALVES = ("response_flags", "canceled")  # Outrider lets the two halves of a tunnel end one by one
NO_ROUTE = [{**forward("/x")}]


def get(path="/", *headers, method="GET"):
    return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "host: a.example", *headers)) + "\r\n"


def request_id(digit):
    return f"x-request-id: 57aaf09a-9dc9-{digit}9ee-a0b0-6fda7e9a1c2d"


def twice_503(peer, _number):
    """The third try is answered well."""
    while peer.request():
        turn = peer.upstream.turn = getattr(peer.upstream, "turn", 0) + 1
        peer.send(response(503 if turn % 3 else 200, b"x"))


def silent(peer, _number):
    peer.request()
    peer.rest()


def resets(peer, _number):
    peer.request()
    peer.reset()


def switches(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi")
    peer.rest()


def hangs_up_later(peer):
    """The client goes when the upstream has the request."""
    peer.send(get())
    wait_until(lambda: peer.case.upstream.requests, "request")


def over_websocket(peer):
    peer.send(get("/", "connection: upgrade", "upgrade: websocket"))
    peer.until(b"\r\n\r\nhi")


def status(code, *headers):
    return serve(lambda _request: response(code, b"hello", headers))


def grpc(code):
    return serve(lambda _request: response(200, b"", [("content-type", "application/grpc"), ("grpc-status", code),
                                                      ("grpc-message", "said")]))


@dataclasses.dataclass
class Case:
    send: object = dataclasses.field(default_factory=lambda: [get()])  # requests, or what to do with a connection
    tracing: dict = dataclasses.field(default_factory=dict)
    provider: dict = dataclasses.field(default_factory=dict)
    zipkin: bool = False
    script: object = None
    routes: list = None
    manager: dict = dataclasses.field(default_factory=dict)
    cluster: dict = dataclasses.field(default_factory=dict)
    direction: str = "UNSPECIFIED"
    spans: int = 1  # of the whole case
    differs: tuple = ()  # tags that do


def spawning(**settings):
    return Case(**{"tracing": SPAWN, "spans": 2, **settings})


def b3(*send, **settings):
    return Case(list(send) or [get()], zipkin=True, **settings)


TAGS = [
    {"tag": "literal", "literal": {"value": "v"}}, {"tag": "set", "environment": {"name": "TRACED_HERE"}},
    {"tag": "default", "environment": {"name": "NOT_TRACED", "default_value": "d"}},
    {"tag": "unset", "environment": {"name": "NOT_TRACED"}}, {"tag": "header", "request_header": {"name": "x-h"}},
    {"tag": "header default", "request_header": {"name": "x-no", "default_value": "dd"}},
    {"tag": "no header", "request_header": {"name": "x-no"}}, {"tag": "http.url", "literal": {"value": "mine"}},
    {"tag": "format", "value": "%REQ(x-h)%-%RESPONSE_CODE%%REQ(x-no)%"}, {"tag": "empty", "value": "%REQ(x-no)%"},
]

CASES = {
    "plain": Case(),
    "with a body": Case([get("/", "content-length: 3", method="POST") + "abc"]),
    "sampled parent": Case([get("/", PARENTED, "tracestate: a=b,c=d")]),
    "unsampled parent": Case([get("/", PARENTED[:-1] + "0", "tracestate: a=b")], spans=0),
    "two states": Case([get("/", PARENTED, "tracestate: a=b", "tracestate: c=d")]),
    "state alone": Case([get("/", "tracestate: a=b")]),
    "parents that are none": Case(
        [get("/", f"traceparent: {value}") for value in (
            f"00-{TRACE}-{PARENT}", f"zz-{TRACE}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", "x", f"00-{'0' * 32}-{PARENT}-01")],
        spans=0),
    "parents of other kinds": Case(
        [get("/", f"traceparent: {value}") for value in (
            f"01-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-03", f"00-{TRACE.upper()}-{PARENT}-01")], spans=3),
    "never by chance": Case([get(), get("/", PARENTED)], {"random_sampling": NONE}, spans=0),
    "never at all": Case([get(), get("/", "x-client-trace-id: abc")], {"overall_sampling": NONE}, spans=0),
    "client asks": Case([get("/", "x-client-trace-id: abc")], {"random_sampling": NONE}),
    "client may not ask": Case(
        [get("/", "x-client-trace-id: abc")], {"random_sampling": NONE, "client_sampling": NONE}, spans=0),
    "forced from outside": Case([get("/", "x-envoy-force-trace: 1")], {"random_sampling": NONE}, spans=0),
    "forced": Case([get("/", "x-envoy-force-trace: 1")], {"random_sampling": NONE}, manager=INTERNAL),
    "forced in vain": Case([get("/", "x-envoy-force-trace: 1")], {"overall_sampling": NONE}, manager=INTERNAL, spans=0),
    **{f"request id {digit}": Case([get("/", request_id(digit))], {"random_sampling": NONE}, manager=INTERNAL,
                                   spans=int(digit in "9ab")) for digit in "49abc"},
    "request id in time for all": Case([get("/", request_id(4))], manager=INTERNAL),
    "request ids that are none": Case(
        [get("/", "x-request-id: hello"), get("/", "x-request-id: zzzzzzzz-9dc9-49ee-a0b0-6fda7e9a1c2d")],
        manager=INTERNAL, spans=0),
    "no request id": Case(manager={"generate_request_id": False}, spans=0),
    "route never": Case(routes=[{**forward(), "tracing": {"random_sampling": {"numerator": 0}}}], spans=0),
    "route always": Case(tracing={"random_sampling": NONE}, routes=[{**forward(), "tracing": {"custom_tags": TAGS[:1]}}]),
    "outward": Case(direction="OUTBOUND"),
    "inward": Case(direction="INBOUND"),
    "tries": spawning(),
    "tries outward": spawning(direction="OUTBOUND"),
    "verbose": spawning(tracing={**SPAWN, "verbose": True}),
    "retries": spawning(script=twice_503, routes=[forward(retry_policy={
        "retry_on": "5xx", "num_retries": 3, **FAST})], spans=4),
    "retries of one span": Case(script=twice_503, routes=[forward(retry_policy={
        "retry_on": "5xx", "num_retries": 3, **FAST})]),
    **{f"status {code}": spawning(script=status(code)) for code in (302, 404, 499, 500, 503)},
    **{f"grpc status {code}": spawning(
        send=[get("/svc/M", "content-type: application/grpc", "te: trailers", "grpc-timeout: 9S", method="POST")],
        script=grpc(code)) for code in (0, 1, 2, 4, 7, 8, 12, 13, 14, 15, 16)},
    "no route": spawning(send=[get("/y")], routes=NO_ROUTE, spans=1, differs=WORDS),
    "direct response": spawning(routes=[{"match": {"prefix": "/"}, "direct_response": {"status": 418}}], spans=1),
    "redirect": spawning(routes=[{"match": {"prefix": "/"}, "redirect": {"host_redirect": "b"}}], spans=1),
    "no cluster": spawning(routes=[{"match": {"prefix": "/"}, "route": {"cluster_header": "x-c"}}], spans=1,
                           differs=WORDS),
    "nobody there": spawning(cluster=NOBODY, spans=1, differs=WORDS),
    "refused": spawning(cluster=REFUSES, differs=WORDS),
    "full": spawning(cluster=FULL, differs=WORDS),
    "reset": spawning(script=resets, differs=WORDS),
    "timeout": spawning(script=silent, routes=[forward(timeout="0.1s")], differs=WORDS),
    "timeouts of tries": spawning(script=silent, routes=[forward(timeout="5s", retry_policy={
        "retry_on": "5xx", "num_retries": 1, "per_try_timeout": "0.1s", **FAST})], spans=3, differs=WORDS),
    "client gone": spawning(send=hangs_up_later, script=silent),
    "websocket": spawning(send=over_websocket, script=switches, manager=WEBSOCKET, differs=HALVES),
    "bad request": spawning(send=["GET / HTTP/1.1\r\n\r\n"], spans=0),
    "custom tags": spawning(
        send=[get("/", "x-h: hv", "x-h: hv2")], tracing={**SPAWN, "custom_tags": TAGS},
        routes=[{**forward(), "tracing": {"custom_tags": [
            {"tag": "literal", "literal": {"value": "route"}}, {"tag": "set", "environment": {"name": "NOT_TRACED"}},
            {"tag": "route", "literal": {"value": "r"}}]}}]),
    "short path": Case([get("/123456789")], {"max_path_tag_length": 5}),
    "long path": Case([get("/" + "a" * 300 + "?q=1")]),
    "path before the rewrite": Case([get("/a/b?q=1")], routes=[
        {"match": {"prefix": "/a"}, "route": {"cluster": "x", "prefix_rewrite": "/c"}}]),
    "who asks": Case([get("/", "user-agent: ua/1", "x-forwarded-for: 1.2.3.4",
                          "x-envoy-downstream-service-cluster: web")]),
    "cluster by another name": spawning(cluster={"alt_stat_name": "alt"}),
    "names": spawning(tracing={**SPAWN, "operation": "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%",
                               "upstream_operation": "up %UPSTREAM_CLUSTER%"}),
    "names that are empty": spawning(tracing={**SPAWN, "operation": "%REQ(x-no)%", "upstream_operation": "%REQ(x-no)%"}),
    "names of the route": spawning(
        tracing={**SPAWN, "operation": "a", "upstream_operation": "b"},
        routes=[{**forward(), "tracing": {"operation": "R%REQ(:PATH)%", "upstream_operation": "U"}}]),
    "decorated name and format": Case(
        [get("/", "x-envoy-decorator-operation: client")], {"operation": "%REQ(:METHOD)%"},
        routes=[{**forward(), **DECORATED}]),
    "decorated inward": Case(routes=[{**forward(), **DECORATED}]),
    "decorated inward and not told": Case(
        routes=[{**forward(), "decorator": {"operation": "op1", "propagate": False}}]),
    "decorated by the client": Case(
        [get("/", "x-envoy-decorator-operation: client")], routes=[{**forward(), **DECORATED}]),
    "decorated outward": Case(routes=[{**forward(), **DECORATED}], direction="OUTBOUND"),
    "decorated outward and not told": Case(
        routes=[{**forward(), "decorator": {"operation": "op1", "propagate": False}}], direction="OUTBOUND"),
    "decorated by the server": Case(
        script=status(200, ("x-envoy-decorator-operation", "server")), direction="OUTBOUND"),
    "server inward": Case(script=status(200, ("x-envoy-decorator-operation", "server"))),
    # Zipkin
    "b3": b3(),
    "b3 tries": b3(tracing=SPAWN, spans=2),
    "b3 verbose": b3(tracing={**SPAWN, "verbose": True}, spans=2),
    "b3 long ids": b3(provider={"trace_id_128bit": True}),
    "b3 shared": b3(get("/", *B3)),
    "b3 shared tries": b3(get("/", *B3), tracing=SPAWN, spans=2),
    "b3 not shared": b3(get("/", *B3), provider={"shared_span_context": False}),
    "b3 outward": b3(get("/", *B3), direction="OUTBOUND"),
    "b3 outward alone": b3(direction="OUTBOUND"),
    "b3 outward tries": b3(get("/", *B3), direction="OUTBOUND", tracing=SPAWN, spans=2),
    "b3 outward split": b3(get("/", *B3), direction="OUTBOUND", provider={"split_spans_for_request": True}),
    "b3 unsampled": b3(get("/", *B3[:2], "x-b3-sampled: 0"), get("/", "x-b3-sampled: 0"),
                       get("/", *B3[:2], "x-b3-sampled: d"), spans=0),
    "b3 undecided": b3(get("/", *B3[:2]), get("/", *B3[:2], "x-b3-flags: 1"), get("/", *B3[:2], "x-b3-sampled: true"),
                       spans=3),
    "b3 decides": b3(get(), get("/", *B3), tracing={"random_sampling": NONE}),
    "b3 short": b3(get("/", "x-b3-traceid: 48485a3953bb6124", *B3[1:3])),
    "b3 half": b3(get("/", B3[0])),
    "b3 none": b3(get("/", "x-b3-traceid: xyz", *B3[1:3]), get("/", B3[0], "x-b3-spanid: xyz"), spans=0),
    **{f"b3 single {value}": b3(get("/", f"b3: {value}"), spans=spans) for value, spans in {
        f"{B3_IDS}-1-0020000000000001": 1, f"{B3_IDS}-1": 1, B3_IDS: 1, f"{B3_IDS}-d": 1, f"{B3_IDS}-0": 0,
        B3_IDS[16:] + "-1": 1, "0": 0, "1": 1, "d": 1, "x": 0, f"{B3_IDS}-x": 0, f"{B3_IDS[:-1]}-1": 0,
        f"{B3_IDS}-1-002000000000": 0, f"{B3_IDS}-0020000000000001": 0}.items()},
    **{f"b3 and traceparent {option} {len(headers)}": b3(get("/", *headers), provider={"trace_context_option": option})
       for option in ("USE_B3", "USE_B3_WITH_W3C_PROPAGATION") for headers in ((), B3, (PARENTED,), (*B3, PARENTED))},
    "b3 status 503": b3(script=status(503), tracing=SPAWN, spans=2),
    "b3 no route": b3(get("/y"), routes=NO_ROUTE, differs=WORDS),
    "b3 names": b3(tracing={"operation": "op %REQ(:PATH)%"}),
    "b3 decorated": b3(routes=[{**forward(), **DECORATED}]),
}


class Ids:
    """Ids that were made up get names, in the order in which they are seen."""

    def __init__(self):
        self.names = {}

    def known(self, text):
        def name(match):
            found = match[0].lower()
            if found in KNOWN or not found.strip("0"):
                return found
            for known, label in self.names.items():
                if known.endswith(found):
                    return label
                if found.endswith(known):
                    return "long " + label
            return self.names.setdefault(found, f"id{len(self.names)}")

        return re.sub(r"\b(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{16})\b", name, text)


def masked(value, case):
    value = re.sub(r"(?<=[0-9a-f]{8}-[0-9a-f]{4}-)([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", r"\1-rest", value)
    value = re.sub(r"^[0-9a-f]{8}-[0-9a-f]{4}-(.-rest)$", r"id-\1", value)
    return value.replace(f":{case.upstream.port}", ":port") if case.upstream else value


def described(case, seen):
    """What upstreams, the client and the collector saw of a case, without times."""
    ids = Ids()
    out = []
    for request in case.upstream.requests:
        out.append(("upstream", *sorted(
            (name.lower(), ids.known(masked(value, case))) for name, value in request.headers if value and re.match(
                r"x-b3|b3|trace|x-request-id|x-client-trace|x-envoy-(decorator|force)", name.lower()))))
    out.append(("answers", [(answer.status, answer.get("x-envoy-decorator-operation")) for answer in case.answers]))
    for span in sorted(seen, key=lambda span: (span["name"], span.get("kind"), span["tags"].get("retry.count", ""),
                                              span["tags"].get("grpc.status_code", ""))):
        tags = {name: masked(value, case) for name, value in span["tags"].items()}
        for tag in case.differs:
            tags.pop(tag, None)
        rest = {"events": [name for name, _ in span["events"]]} if "events" in span else {
            "events": [event["value"] for event in span["annotations"]], "shared": span.get("shared"),
            "service": span["localEndpoint"]["serviceName"]}
        out.append((
            "span", span["name"], span["kind"], span.get("status"), span.get("state"),
            ids.known(span.get("trace") or span.get("traceId")), ids.known(span["id"]),
            ids.known(span.get("parent") or span.get("parentId") or "-"), rest, sorted(tags.items())))
    return out


def configuration(cases, telemetry, spans):
    listeners, clusters = [], [
        cluster("otlp", telemetry.port, typed_extension_protocol_options=H2), cluster("zipkin", spans.port)]
    for number, (name, case) in enumerate(cases.items()):
        case.name = f"case-{number}"
        case.upstream = Upstream(case.script or status(200))
        provider = (zipkin("zipkin", collector_endpoint=f"/{case.name}", **case.provider) if case.zipkin
                    else otlp_over_grpc("otlp", service_name=case.name, **case.provider))
        routes = [_to(case.name, route) for route in case.routes or [forward()]]
        filters = manager(routes, tracing={"provider": provider, **case.tracing}, stat_prefix=case.name, **case.manager)
        listeners.append(listener(filters, name=case.name, traffic_direction=case.direction))
        settings = dict(case.cluster)
        if "load_assignment" in settings:
            settings["load_assignment"] = {**settings["load_assignment"], "cluster_name": case.name}
        clusters.append(cluster(case.name, case.upstream.port, **settings))
    node = {"id": "node", "cluster": "services", "locality": {"zone": "here"}}
    return bootstrap(listeners, clusters, node=node, **flush_at_once())


def _to(name, route):
    """The route with the case's own cluster."""
    if "cluster" not in route.get("route", {}):
        return route
    return {**route, "route": {**route["route"], "cluster": name}}


def run(binary):
    """Each case by its name: what was seen, and the stats of its connection manager."""
    cases = {name: dataclasses.replace(case) for name, case in CASES.items()}
    telemetry, spans = GRPCCollector(), ZipkinCollector()
    with contextlib.ExitStack() as stack:
        stack.callback(telemetry.close)
        stack.callback(spans.close)
        config = configuration(cases, telemetry, spans)
        proxy = Proxy(config, binary=binary, environment={"TRACED_HERE": "yes"})
        stack.callback(proxy.stop)
        ports = {case.name: proxy.port(case.name) for case in cases.values()}
        for case in cases.values():
            case.answers = []
            if callable(case.send):
                with contextlib.closing(connect(ports[case.name])) as peer:
                    peer.case = case
                    case.send(peer)
                continue
            for request in case.send:
                with contextlib.closing(connect(ports[case.name])) as peer:
                    peer.send(request)
                    case.answers.append(peer.response())
        expected = sum(case.spans for case in cases.values())
        wait_until(lambda: len(telemetry.spans) + len(spans.spans) >= expected,
                   lambda: f"{expected} spans (there are {len(telemetry.spans)} and {len(spans.spans)})")
        stats = proxy.stats(r"^http\..*\.tracing\.")
        found = {}
        for name, case in cases.items():
            if case.zipkin:
                seen = [span for request, export in zip(spans.requests, spans.exports, strict=True)
                        if request.path == f"/{case.name}" for span in export]
            else:
                seen = [span for span in telemetry.spans if span["resource"]["service.name"] == case.name]
            assert len(seen) == case.spans, (name, seen)
            counted = {stat.rsplit(".", 1)[1]: value for stat, value in stats.items()
                       if stat.startswith(f"http.{case.name}.") and value}
            found[name] = [*described(case, seen), ("stats", counted)]
            case.upstream.close()
        return found


@pytest.fixture(scope="module")
def ours():
    return run(os.environ["OUTRIDER"])


@pytest.fixture(scope="module")
def theirs():
    return run(str(ENVOY))


@pytest.mark.parametrize("name", CASES)
def test_same_as_envoy(ours, theirs, name):
    assert ours[name] == theirs[name]
