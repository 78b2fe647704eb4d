"""HTTP/1 and HTTP/2 on either side, in all four pairings: every part of a message comes out as it went in."""
import subprocess

import pytest
from bootstrap import bootstrap, cluster, forward, http, listener, manager
from harness import free_port, wait_until
from http2_peers import (
    DATA, END, END_HEADERS, H2, HEADERS, H2Peer, WINDOW, block, fields_of, frame, needs, number, reachable, run, spoken)
from test_grpc import mutual_tls

PAIRS = [(down, up) for down in ("1", "2") for up in ("1", "2")]


class Request:
    """What a server has got."""

    def __init__(self, method, path, authority, headers):
        self.method, self.path, self.authority, self.headers = method, path, authority, headers
        self.body, self.trailers = b"", []

    def all(self, name):
        return [value for key, value in self.headers if key == name]


class Reply:
    def __init__(self, status=200, headers=(), body=b"", trailers=(), interim=()):
        self.status, self.headers, self.body, self.trailers = status, list(headers), body, list(trailers)
        self.interim = interim


def lower(fields):
    return [(name.lower(), value) for name, value in fields]


def serve_either(answer):
    """A script that speaks what the proxy speaks, and answers with `answer(request)`, a Reply."""

    def script(peer, _number):
        while not peer.buffer:
            if not peer.fill():
                return
        (serve_2 if peer.buffer.startswith(b"PRI ") else serve_1)(peer)

    def serve_1(peer):
        while message := peer.request():
            request = Request(message.method, message.path, message.get("host"), lower(message.headers))
            request.body, request.trailers = message.body, lower(message.trailers)
            reply = seen(peer, request)
            head = [f"HTTP/1.1 {reply.status} x", *(f"{name}: {value}" for name, value in reply.headers)]
            chunked = reply.body and not any(name == "content-length" for name, _ in reply.headers)
            if chunked:
                head.append("transfer-encoding: chunked")
            elif not reply.body and reply.status == 200 and request.method != "HEAD":
                head.append("content-length: 0")
            for status in reply.interim:
                peer.send(f"HTTP/1.1 {status} x\r\nlink: </a>\r\n\r\n")
            peer.send("\r\n".join(head) + "\r\n\r\n")
            if chunked:
                peer.send(b"%x\r\n%s\r\n0\r\n" % (len(reply.body), reply.body))
                peer.send("".join(f"{name}: {value}\r\n" for name, value in reply.trailers) + "\r\n")
            else:
                peer.send(reply.body)

    def serve_2(peer):
        h2, requests = H2Peer(peer), {}
        while found := h2.next():
            kind, flags, stream, payload = found
            if kind == HEADERS:
                fields = fields_of(h2.decoder, payload)
                if stream in requests:
                    requests[stream].trailers = fields
                else:
                    pseudo = dict(fields)
                    requests[stream] = Request(
                        pseudo[":method"], pseudo.get(":path"), pseudo[":authority"],
                        [field for field in fields if field[0][0] != ":"])
            elif kind == DATA:
                requests[stream].body += payload
                if payload:
                    peer.send(frame(WINDOW, 0, 0, number(len(payload))))
            if kind in (HEADERS, DATA) and flags & END:
                reply = seen(peer, requests.pop(stream))
                for status in reply.interim:
                    peer.send(frame(HEADERS, END_HEADERS, stream, block((":status", str(status)), ("link", "</a>"))))
                ends = not reply.body and not reply.trailers
                peer.send(frame(HEADERS, END_HEADERS | (END if ends else 0), stream,
                                block((":status", str(reply.status)), *reply.headers)))
                parts = [reply.body[n:n + 16384] for n in range(0, len(reply.body), 16384)]
                for index, part in enumerate(parts):
                    last = index == len(parts) - 1 and not reply.trailers
                    peer.send(frame(DATA, END if last else 0, stream, part))
                if reply.trailers:
                    peer.send(frame(HEADERS, END | END_HEADERS, stream, block(*reply.trailers)))

    def seen(peer, request):
        peer.upstream.requests.append(request)
        return answer(request)

    return script


class Client1:
    def __init__(self, proxy):
        self.peer = proxy.client()

    def ask(self, method="GET", path="/", headers=(), body=None, trailers=(), expects=False):
        lines = [f"{method} {path} HTTP/1.1", "host: the.app:80", *(f"{name}: {value}" for name, value in headers)]
        if body is not None:
            lines.append("transfer-encoding: chunked")
        if expects:
            lines.append("expect: 100-continue")
        self.peer.send("\r\n".join(lines) + "\r\n\r\n")
        interim = []
        if expects:
            interim.append(self.peer.response().status)
        if body is not None:
            self.peer.send(b"%x\r\n%s\r\n0\r\n" % (len(body), body))
            self.peer.send("".join(f"{name}: {value}\r\n" for name, value in trailers) + "\r\n")
        while (message := self.peer.response(head_only=method == "HEAD")).status < 200:
            interim.append(message.status)
        message.interim, message.trailers = interim, lower(message.trailers)
        return message


class Client2:
    def __init__(self, proxy):
        self.h2, self.stream = H2(proxy.port("main")), -1

    def ask(self, method="GET", path="/", headers=(), body=None, trailers=(), expects=False):
        self.stream += 2
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "the.app:80"), *headers]
        if expects:
            fields.append(("expect", "100-continue"))
        self.h2.headers(self.stream, fields, end=body is None)
        if body is not None:
            for first in range(0, len(body), 16384):
                last = first + 16384 >= len(body) and not trailers
                self.h2.send(frame(DATA, END if last else 0, self.stream, body[first:first + 16384]))
            if trailers:
                self.h2.headers(self.stream, trailers)
        return self.h2.answer(self.stream)


@pytest.fixture(params=PAIRS, ids=[f"{down}-{up}" for down, up in PAIRS])
def pair(request, start, upstream):
    """pair(answer) -> a client of one protocol before a server of one, and the server."""
    down, up = request.param

    def launch(answer, **settings):
        server = upstream(serve_either(answer))
        # Trailers of HTTP/1 are off unless asked for, as in Envoy.
        protocol = spoken() if up == "2" else {"http_protocol_options": {"enable_trailers": True}}
        proxy = start(http(clusters=[cluster("app", server.port, **protocol)],
                           http_protocol_options={"enable_trailers": True}, **settings))
        return (Client2 if down == "2" else Client1)(proxy), server

    launch.down, launch.up = down, up
    return launch


def test_bodies_and_trailers(pair):
    client, server = pair(lambda request: Reply(
        body=request.body, headers=[("x-method", request.method)], trailers=[("x-sum", "7"), ("grpc-status", "0")]))
    for size in (1, 1000, 60_000):
        body = bytes(index % 251 for index in range(size))
        answer = client.ask("POST", "/p?q=1", [("te", "trailers")], body, [("x-check", "1")])
        assert (answer.status, answer.body) == (200, body)
        assert ("x-sum", "7") in answer.trailers and ("grpc-status", "0") in answer.trailers
        request = server.requests[-1]
        assert (request.method, request.path, request.authority, request.body) == ("POST", "/p?q=1", "the.app:80", body)
        assert request.all("te") == ["trailers"] and request.trailers == [("x-check", "1")]
        for name in ("connection", "keep-alive", "upgrade", "http2-settings"):
            assert request.all(name) == []
        assert (request.all("transfer-encoding") == ["chunked"]) == (pair.up == "1")
    assert server.connections == 1


def test_lengths_that_are_known_stay_known(pair):
    client, server = pair(lambda request: Reply(body=b"hello", headers=[("content-length", "5")]))
    answer = client.ask("PUT", headers=[("content-length", "3")] if pair.down == "2" else [], body=b"abc")
    assert answer.get("content-length") == "5" and answer.body == b"hello"
    if pair.down == "2":
        assert server.requests[0].all("content-length") == ["3"]


def test_heads_and_statuses_without_bodies(pair):
    statuses = {"/204": 204, "/304": 304}
    client, _server = pair(lambda request: Reply(
        statuses.get(request.path, 200), [("content-length", "12345")] if request.method == "HEAD" else []))
    answer = client.ask("HEAD")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "12345", b"")
    for path, status in statuses.items():
        answer = client.ask(path=path)
        assert (answer.status, answer.body) == (status, b"")
    assert client.ask("OPTIONS", "/").status == 200  # the connection goes on


def test_interim_answers(pair):
    client, _server = pair(lambda _request: Reply(body=b"hello", interim=(103, 103)))
    answer = client.ask()
    assert (answer.interim, answer.status, answer.body) == ([103, 103], 200, b"hello")


def test_expectations_are_answered_by_the_proxy(pair):
    client, server = pair(lambda request: Reply(body=request.body))
    answer = client.ask("POST", body=b"hello", expects=True)
    assert (answer.interim, answer.body) == ([100], b"hello")
    assert server.requests[0].all("expect") == []


def test_cookies_are_one_field(pair):
    client, server = pair(lambda _request: Reply(headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")], body=b"x"))
    crumbs = [("cookie", "a=1"), ("cookie", "b=2; c=3")] if pair.down == "2" else [("cookie", "a=1; b=2; c=3")]
    answer = client.ask(headers=crumbs)
    assert server.requests[0].all("cookie") == ["a=1; b=2; c=3"]
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]


def test_many_requests_on_one_connection(pair):
    client, server = pair(lambda request: Reply(body=request.path.encode()))
    for index in range(50):
        assert client.ask(path=f"/{index}").body == f"/{index}".encode()
    assert server.connections == 1


def test_names_and_values_keep_their_bytes(pair):
    value = "t\u00e4st \u00ff, \"quoted\"; a=b"
    client, server = pair(lambda request: Reply(headers=[("x-value", value)], body=b"x"))
    answer = client.ask(headers=[("x-value", value), ("x-empty", "")])
    assert server.requests[0].all("x-empty") == [""]
    if pair.down == pair.up == "1":
        assert server.requests[0].all("x-value") == [value] and answer.get("x-value") == value
    assert "x-value" in [name for name, _ in answer.headers]


# Real clients and servers

@needs("curl")
@pytest.mark.parametrize("down,up", PAIRS)
def test_two_proxies_over_mutual_tls(start, upstream, tmp_path, down, up):
    """curl -> proxy -> mTLS -> proxy -> app."""
    below, above = mutual_tls(tmp_path)
    server = upstream(serve_either(lambda request: Reply(
        body=request.body or b"hello", headers=[("x-path", request.path), ("x-cookie", "".join(request.all("cookie")))])))
    inner = start(bootstrap_inner(server, below))
    options = spoken() if up == "2" else {}
    outer = start(http(clusters=[cluster("app", inner.port("main"), **above, **options)]))
    file = tmp_path / "body"
    file.write_bytes(bytes(range(256)) * 8192)  # 2 MiB
    flag = "--http2-prior-knowledge" if down == "2" else "--http1.1"
    url = f"http://127.0.0.1:{outer.port('main')}/path?query"
    curl = ["curl", "--silent", "--show-error", "--max-time", "30", flag]
    assert run(*curl, "--data-binary", f"@{file}", url) == file.read_bytes()
    shown = run(*curl, "--include", "--cookie", "a=1; b=2", url).decode().lower()
    assert shown.startswith(f"http/{'2' if down == '2' else '1.1'} 200")
    assert "x-path: /path?query" in shown and "x-cookie: a=1; b=2" in shown and shown.endswith("hello")
    assert run(*curl, "--head", url).startswith(b"HTTP/")
    assert inner.stat(f"http.ingress.downstream_cx_http{up}_total") >= 1
    assert outer.stat(f"cluster.app.upstream_cx_http{up}_total") >= 1


def bootstrap_inner(server, below):
    return bootstrap([listener(manager([forward()]), chain=below)], [cluster("app", server.port)])


@needs("nghttpd")
@needs("h2load")
def test_nghttpd_serves_through_us(start, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    (tmp_path / "small").write_bytes(b"hello")
    port = free_port()
    server = subprocess.Popen(["nghttpd", "--no-tls", "-d", tmp_path, "--trailer", "x-sum: 7", str(port)])
    try:
        wait_until(lambda: reachable(port), "nghttpd is up")
        proxy = start(http(clusters=[cluster("app", port, **spoken())]))
        base = f"http://127.0.0.1:{proxy.port('main')}"
        assert len(run("curl", "--silent", "--http2-prior-knowledge", f"{base}/file")) == 3_000_000
        assert run("curl", "--silent", "--http1.1", f"{base}/small") == b"hello"
        assert "x-sum: 7" in run("nghttp", "-v", f"{base}/small").decode()
        text = run("h2load", "-n", "500", "-c", "4", "-m", "10", f"{base}/file").decode()
        assert "500 succeeded, 0 failed" in text
        assert proxy.stat("cluster.app.upstream_cx_http2_total") <= 4
    finally:
        server.kill()
        server.wait()


@needs("h2load")
def test_h2load_through_two_proxies(start, upstream, tmp_path):
    below, above = mutual_tls(tmp_path)
    server = upstream(serve_either(lambda _request: Reply(body=b"hello")))
    inner = start(bootstrap_inner(server, below))
    outer = start(http(clusters=[cluster("app", inner.port("main"), **above, **spoken("auto_config"))]))
    url = f"http://127.0.0.1:{outer.port('main')}/"
    for protocol in ("h2c", "http/1.1"):
        text = run("h2load", "-n", "2000", "-c", "5", "-m", "20", f"--no-tls-proto={protocol}", url).decode()
        assert "2000 succeeded, 0 failed, 0 errored" in text
    assert outer.stat("cluster.app.upstream_rq_2xx") == 4000 and inner.stat("cluster.app.upstream_rq_2xx") == 4000
