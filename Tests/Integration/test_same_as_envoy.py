"""One bootstrap, two proxies, the same requests: answers, access-log lines and counters are compared.

Every case has a route and a cluster of its own, so that its counters stand alone. What differs on purpose is listed in
ACCEPTED with the reason; anything else that differs fails and is printed.
"""
import contextlib
import dataclasses
import itertools
import os
import pathlib
import re
import socket
import tempfile

import pytest
from bad_servers import closes, cut, garbage, resets, silent
from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager
from conftest import ENVOY
from harness import Message, Proxy, Upstream, connect, response, serve, wait_until

OPERATORS = [
    "RESPONSE_CODE", "RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG", "RESPONSE_CODE_DETAILS", "CONNECTION_TERMINATION_DETAILS",
    "PROTOCOL", "BYTES_RECEIVED", "BYTES_SENT", "UPSTREAM_CLUSTER", "ROUTE_NAME", "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "UPSTREAM_TRANSPORT_FAILURE_REASON", "GRPC_STATUS", "REQ(:METHOD)", "REQ(:PATH)", "REQ(:AUTHORITY)",
    "REQ(X-ENVOY-ORIGINAL-PATH?:PATH)", "RESP(CONTENT-TYPE)", "UPSTREAM_PROTOCOL", "VIRTUAL_CLUSTER_NAME",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED", "REQUESTED_SERVER_NAME",
]


def get(path="/", *headers, method="GET", host="a"):
    return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", f"Host: {host}", *headers)) + "\r\n"


def post(body, *headers, length=None):
    return get("/", f"Content-Length: {len(body) if length is None else length}", *headers, method="POST") + body


@dataclasses.dataclass
class Case:
    """`send` goes out as it is, but for the path `/`, which becomes the case's own."""
    send: str = get()
    script: object = None  # of the upstream; default: 200 "hello"
    route: dict = dataclasses.field(default_factory=dict)  # fields of the route action
    whole_route: dict = None  # in place of an action that forwards
    cluster: dict = dataclasses.field(default_factory=dict)
    listener: str = "main"
    answers: int = 1
    hangs_up: bool = False  # the client goes away without waiting for an answer
    reads_on: bool = False  # to the end of the connection
    lines: int = 1  # of access log


def until_close(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 200 OK\r\n\r\nall of it")


def second_answers(peer, number):
    """The odd tries fail: both proxies begin with one."""
    while peer.request():
        peer.upstream.turns = getattr(peer.upstream, "turns", itertools.count(1))
        peer.send(response(503, b"no") if next(peer.upstream.turns) % 2 else response(body=b"yes"))


def hints(peer, _number):
    while peer.request():
        peer.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n" + response(body=b"done"))


def answers(status, body=b"", headers=()):
    return serve(lambda _request: response(status, body, headers))


def chunked(peer, _number):
    while peer.request():
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")


def head_answer(peer, _number):
    while peer.request():
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")


def early(peer, _number):
    peer.until(b"\r\n\r\n")
    peer.send(response(413, b"too big"))
    peer.rest()


def switching(peer, _number):
    peer.request()
    peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi")


REFUSED_PORT = socket.socket()  # bound and never listening: connecting to it is refused
REFUSED_PORT.bind(("127.0.0.1", 0))

RETRY = {"retry_policy": {"retry_on": "5xx,reset,connect-failure", "num_retries": 1,
                          "retry_back_off": {"base_interval": "0.001s"}}}
DIRECT = {"direct_response": {"status": 418, "body": {"inline_string": "short and stout"}}}
REDIRECT = {"redirect": {"https_redirect": True, "path_redirect": "/elsewhere", "response_code": "FOUND"}}
CLOSED = {"circuit_breakers": {"thresholds": [{"max_requests": 0, "max_connections": 0, "max_pending_requests": 0}]}}
LONG = "Cookie: " + "c" * 61 * 1024
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket")

CASES = {
    "plain": Case(),
    "two on one connection": Case(get() + get(), answers=2, lines=2),
    "connection close": Case(get("/", "Connection: close")),
    "head": Case(get(method="HEAD"), head_answer),
    "small body": Case(post("x" * 10)),
    "big body": Case(post("x" * 300_000)),
    "chunked body": Case(get("/", "Transfer-Encoding: chunked", method="POST") + "3\r\nabc\r\n0\r\n\r\n"),
    "expect continue": Case(get("/", "Expect: 100-continue", "Content-Length: 3", method="POST") + "abc", answers=2),
    "chunked response": Case(script=chunked),
    "response until close": Case(script=until_close),
    "no content": Case(script=serve(lambda _r: b"HTTP/1.1 204 No Content\r\n\r\n")),
    "not modified": Case(script=serve(lambda _r: b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n")),
    "early hints": Case(script=hints),
    "response with headers": Case(script=answers(200, b"x", [
        ("Server", "app"), ("X-Envoy-Upstream-Canary", "true"), ("Keep-Alive", "timeout=5"), ("Connection", "x-hop"),
        ("X-Hop", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])),
    "upstream 404": Case(script=answers(404, b"none")),
    "upstream 500": Case(script=answers(500, b"oops")),
    "upstream closes after the response": Case(script=answers(200, b"x", [("Connection", "close")])),
    "direct response": Case(whole_route=DIRECT),
    "redirect": Case(whole_route=REDIRECT),
    "prefix rewrite": Case(route={"prefix_rewrite": "/new"}),
    "no such cluster": Case(whole_route={"route": {"cluster_header": "x-to"}}, send=get("/", "x-to: nobody")),
    "no cluster header": Case(whole_route={"route": {"cluster_header": "x-to"}}),
    "retried": Case(script=second_answers, route=RETRY),
    "retries used up": Case(script=answers(503, b"no"), route=RETRY),
    "retries of connections used up": Case(route=RETRY, cluster={"port": REFUSED_PORT.getsockname()[1]}),
    "retries of resets used up": Case(script=resets, route=RETRY),
    "route timeout": Case(script=silent, route={"timeout": "0.1s"}),
    "per-try timeout": Case(script=silent, route={"retry_policy": {"retry_on": "gateway-error", "per_try_timeout": "0.1s",
                                                                  "num_retries": 0}}),
    "idle timeout before the response": Case(script=silent, route={"idle_timeout": "0.1s"}),
    "idle timeout in the request": Case(post("abc", length=10), silent, route={"idle_timeout": "0.1s"}),
    "max stream duration": Case(script=silent, route={"max_stream_duration": {"max_stream_duration": "0.1s"}}),
    "request timeout": Case(post("abc", length=10), silent, listener="timed"),
    "request headers timeout": Case("GET / HTTP/1.1\r\nHo", listener="timed"),
    "upstream closes": Case(script=closes),
    "upstream resets": Case(script=resets),
    "upstream speaks no HTTP": Case(script=garbage),
    "upstream cuts the response": Case(script=cut),
    "upstream answers early": Case(post("abc", length=1000), early),
    "connection refused": Case(cluster={"port": REFUSED_PORT.getsockname()[1]}),
    "no hosts": Case(cluster={"load_assignment": None}),
    "breaker open": Case(cluster=CLOSED),
    "client goes away": Case(script=silent, hangs_up=True),
    "client goes away in the body": Case(post("abc", length=10), silent, hangs_up=True),
    "headers too large": Case(get("/", LONG)),
    "too many headers": Case(get("/", *(f"x-{n}: y" for n in range(101)))),
    "space in a name": Case(get("/", "a b: c")),
    "both framings": Case(get("/", "Content-Length: 3", "Transfer-Encoding: chunked", method="POST") + "abc"),
    "no host": Case("GET / HTTP/1.1\r\n\r\n"),
    "http 1.0": Case("GET / HTTP/1.0\r\n\r\n"),
    "bad chunk": Case(get("/", "Transfer-Encoding: chunked", method="POST") + "zz\r\n", silent),
    "upgrade refused": Case(get("/", *WEBSOCKET)),
    "upgrade": Case(get("/", *WEBSOCKET), switching, route={"upgrade_configs": [{"upgrade_type": "websocket"}]}, reads_on=True),
    "upgrade not taken": Case(get("/", *WEBSOCKET), route={"upgrade_configs": [{"upgrade_type": "websocket"}]}),
    "connect refused": Case("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    "absolute form": Case("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "unknown method": Case(get(method="PURGE")),
    "grpc without an upstream": Case(get("/", "content-type: application/grpc", method="POST"),
                                     cluster={"port": REFUSED_PORT.getsockname()[1]}),
    "hop-by-hop request headers": Case(get("/", "Connection: x-drop", "X-Drop: 1", "TE: trailers", "Keep-Alive: 3")),
}
NOT_FOUND = Case(get("/nowhere"))


def slug(name):
    return re.sub(r"\W+", "_", name)


def build(ports, log):
    routes, clusters = [], []
    for name, case in CASES.items():
        label = slug(name)
        match = {"prefix": f"/{label}/"}
        routes.append({"name": label, "match": match, **(case.whole_route or forward(to=label, **case.route) | {"match": match})})
        settings = dict(case.cluster)
        port = settings.pop("port", ports.get(name))
        one = cluster(label, port, **settings)
        clusters.append({key: value for key, value in one.items() if value is not None})
    logger = {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(log), "log_format": {
        "text_format_source": {"inline_string": "\t".join(f"%{one}%" for one in OPERATORS) + "\n"}}}}
    settings = {"access_log": [logger], "delayed_close_timeout": "0s", "generate_request_id": False}
    timed = {"request_timeout": "0.4s", "request_headers_timeout": "0.1s", "stat_prefix": "timed"}
    return bootstrap([
        listener(manager(routes, **settings), stat_prefix="main"),
        listener(manager(routes, **settings, **timed), name="timed", stat_prefix="timed"),
    ], clusters)


class Side:
    """One proxy with its log."""

    def __init__(self, binary, ports, folder):
        self.log = folder / f"{pathlib.Path(binary).name}.log"
        self.proxy = Proxy(build(ports, self.log), binary=binary, arguments=["--file-flush-interval-msec", "20"])
        self.ports = {name: self.proxy.port(name) for name in ("main", "timed")}
        self.read = 0

    def counters(self):
        """Counters, once nothing moves any more."""
        last = None
        while True:
            wait_until(lambda: not any(self.gauges().values()), f"nothing active, but {self.gauges()}")
            text = self.proxy.get_admin("/stats?type=Counters").body.decode()
            now = {name: int(value) for name, value in (line.split(": ") for line in text.splitlines())
                   if re.match(r"(cluster|http|listener)\.(?!admin)", name)}
            if now == last:
                return now
            last = now

    def gauges(self):
        return self.proxy.stats(r"^(http\.(ingress|timed)\.downstream_(rq|cx)_active|cluster\..*upstream_rq_active)$")

    def log_lines(self, count):
        """The next `count` lines of the access log, as operator and value."""

        def fresh():
            lines = self.log.read_text().splitlines()[self.read:]
            return lines if len(lines) >= count else None

        lines = wait_until(fresh, f"{count} lines in the access log")
        self.read += len(lines)
        return [dict(zip(OPERATORS, line.split("\t"))) for line in lines]

    def play(self, name, case):
        """What this proxy makes of a case: a flat dictionary."""
        before = self.counters()
        self.read = len(self.log.read_text().splitlines())
        seen, varying = {}, 0
        with contextlib.closing(connect(self.ports[case.listener])) as client:
            client.send(case.send.replace(" / HTTP", f" /{slug(name)}/ HTTP").replace("://b/ ", f"://b/{slug(name)}/ "))
            if case.hangs_up:
                wait_until(lambda: self.proxy.stat(f"cluster.{slug(name)}.upstream_rq_active"), "the request upstream")
            else:
                for number in range(case.answers):
                    answer = self.answer(number, client, case.send.startswith("HEAD"))
                    varying += answer.pop("digits", 0)
                    seen |= answer
                if case.reads_on or "close" in str(seen.get("0 header connection")):
                    seen["bytes after the end"] = client.rest()
        for number, line in enumerate(self.log_lines(case.lines)):
            seen |= {f"log {number} {operator}": value for operator, value in line.items()}
        after = self.counters()
        # Idle connections of other cases may close meanwhile.
        own = [key for key in after if not key.startswith("cluster.") or key.startswith(f"cluster.{slug(name)}.")]
        seen |= {f"counter {key}": after[key] - before.get(key, 0) for key in own if after[key] != before.get(key, 0)}
        return {key: value - varying if key.endswith("downstream_cx_tx_bytes_total") else value for key, value in seen.items()}

    @staticmethod
    def answer(number, client, is_head):
        try:
            message = Message.read(client, is_request=False, head_only=is_head)
        except EOFError:
            return {f"{number} cut": client.buffer}
        if message is None:
            return {f"{number} start": None}
        seen = {f"{number} start": message.start, f"{number} body": message.body,
                "digits": len(message.get("x-envoy-upstream-service-time", ""))}
        for name in {key.lower() for key, _ in message.headers}:
            varies = name in ("date", "x-envoy-upstream-service-time", "x-request-id")
            seen[f"{number} header {name}"] = "..." if varies else message.all(name)
        return seen


@pytest.fixture(scope="module")
def sides():
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = {}
        for name, case in CASES.items():
            server = Upstream(case.script or answers(200, b"hello"))
            stack.callback(server.close)
            ports[name] = server.port
        pair = []
        for binary in (str(ENVOY), os.environ["OUTRIDER"]):
            side = Side(binary, ports, folder)
            stack.callback(side.proxy.stop)
            pair.append(side)
        yield pair


NO_END = "Envoy never sees the end of a request that asks for an upgrade; ours ends where RFC 9112 says"
# Stats of what Outrider does not have: subsets, HTTP/3, hot restart, watchdogs, resets of large streams, build flags.
NOT_OURS = (r"\.lb_subsets_|http3|0_?rtt|original_dst|preconnect_skipped|queue_overloaded|watchdog|total_match_count"
            r"|assignment_use_cached|^envoy\.overload|^server\.(compilation|envoy_notifications|stats_recent|wip_protos)"
            r"|^http\.async-client\.|workers_pinned|early_data|route_delayed|cx_overload_close")
# Cases, what may differ as "what: Envoy's value -> Outrider's value", the reason. Patterns that must match the whole.
ACCEPTED = [
    ("two on one connection", r"log 0 DOWNSTREAM_WIRE_BYTES_RECEIVED: .*",
     "Envoy charges the first request with the bytes that it read of the second"),
    ("early hints", r"(0 |counter (http|listener)).*",
     "Envoy swallows 103; RFC 9110, section 15.2: a proxy forwards informational responses"),
    ("response with headers", r"0 header x-hop: .*|counter http\.ingress\.downstream_cx_tx_bytes_total: .*",
     "Envoy keeps what Connection lists; RFC 9110, section 7.6.1: a proxy removes it"),
    (".*", r"log 0 (RESPONSE_CODE_DETAILS|UPSTREAM_TRANSPORT_FAILURE_REASON): .*_?Connection_refused}?'",
     "the address that refused is named"),
    ("retries of resets used up|upstream resets|upstream speaks no HTTP|bad chunk|upstream cuts the response",
     r"log 0 (RESPONSE_CODE_DETAILS|UPSTREAM_TRANSPORT_FAILURE_REASON): '(.*?)}?' -> '.*'",
     "where Envoy gives no reason, ours is told"),
    ("retried|retries used up", r"counter cluster\.retr\w+\.upstream_(cx_destroy\w*: 1 -> None|(cx_http1|cx|rq_pending)_total: 2 -> 1)",
     "a response that is in already when it is tried again costs its connection nothing; Envoy closes it"),
    ("no host", r"counter http\.ingress\.downstream_(cx_protocol_error|rq_response_before_rq_complete|rq_rx_reset): None -> 1"
                r"|log 0 REQ.*",
     "RFC 9112, section 3.2: without Host it is no request, and nothing of it is trusted"),
    ("upgrade refused|upgrade|upgrade not taken|connect refused",
     r"counter http\.ingress\.downstream_rq_(response_before_rq_complete|rx_reset): 1 -> None", NO_END),
    ("upgrade refused|connect refused", r"counter http\.ingress\.rq_total: None -> 1", "our router decides on upgrades"),
    ("upgrade", r"counter cluster\.upgrade\.upstream_cx_destroy.*|counter http\.ingress\.downstream_rq_tx_reset: 1 -> None"
                r"|log 0 RESPONSE_(CODE_DETAILS|FLAGS|FLAGS_LONG): .*",
     "a tunnel that an end closes in order is no failure here; Envoy flags each as UC or DC"),
    ("upgrade not taken", r"(counter cluster|log 0 RESPONSE_CODE_DETAILS).*",
     "a server may answer as if Upgrade were not there (RFC 9110, section 7.8); Envoy takes that for a failure"),
]


def says_more(theirs, ours):
    """Keys that differ because a local reply names the setting and value that decided, behind Envoy's words."""
    one, other = theirs.get("0 body"), ours.get("0 body")
    if not (isinstance(one, bytes) and isinstance(other, bytes) and other.startswith(one) and len(other) > len(one)):
        return set()
    keys = {"0 body", "0 header content-length", "log 0 BYTES_SENT", "counter http.ingress.downstream_cx_tx_bytes_total",
            "counter http.timed.downstream_cx_tx_bytes_total"}
    return keys if one else keys | {"0 header content-type", "log 0 RESP(CONTENT-TYPE)"}


def differences(name, theirs, ours):
    found = []
    for key in sorted((theirs.keys() | ours.keys()) - says_more(theirs, ours)):
        line = f"{key}: {theirs.get(key)!r} -> {ours.get(key)!r}"
        if theirs.get(key) != ours.get(key) and not any(
                re.fullmatch(cases, name) and re.fullmatch(what, line) for cases, what, _ in ACCEPTED):
            found.append(line)
    return found


@pytest.mark.parametrize("name", [*CASES, "nowhere"])
def test_same(sides, name):
    envoy, outrider = sides
    case = CASES.get(name, NOT_FOUND)
    theirs, ours = envoy.play(name, case), outrider.play(name, case)
    found = differences(name, theirs, ours)
    assert not found, "\n".join(["Envoy -> Outrider", *found])


def test_same_counters_exist(sides):
    """Dashboards ask for names: every counter and gauge of Envoy's is there, whether it moved or not."""
    envoy, outrider = (set(side.proxy.stats(r"^(cluster\.plain|http\.ingress|listener\.main|tcp|server|"
                                            r"listener_manager|cluster_manager|filesystem)\.")) for side in sides)
    missing = sorted(envoy - outrider)
    missing = [name for name in missing if not re.search(NOT_OURS, name)]
    assert not missing, missing
