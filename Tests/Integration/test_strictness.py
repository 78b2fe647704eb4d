"""Requests that could be read in two ways are refused and never reach an upstream (RFC 9112)."""
import pytest
from bootstrap import cluster, http

REFUSED = {
    "content-length and transfer-encoding": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "differing content-lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "list of differing content-lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabcd",
    "signed content-length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "hexadecimal content-length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    "huge content-length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "empty content-length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
    "coding but chunked": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunked not last": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in disguise": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked with a control": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding in HTTP/1.0": "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "folded line": "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
    "first line folded": "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "NUL in value": "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n",
    "bare CR in value": "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rc\r\n\r\n",
    "bare LF after a line": "GET / HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n",
    "illegal name": "GET / HTTP/1.1\r\nHost: a\r\nX(A): b\r\n\r\n",
    "empty name": "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "no colon": "GET / HTTP/1.1\r\nHost: a\r\nwords\r\n\r\n",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "user in host": "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "two spaces": "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": "GET /\r\nHost: a\r\n\r\n",
    "lower-case version": "GET / http/1.1\r\nHost: a\r\n\r\n",
    "version 2.0 in text": "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "control in target": "GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad chunk size": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "negative chunk size": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "chunk size beyond 64 bits": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "junk after chunk data": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n",
    "lone LF after chunk data": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
}


@pytest.fixture
def proxy(start, upstream):
    upstream.server = upstream()
    return start(http(clusters=[cluster("app", upstream.server.port)]))


def test_ambiguous_requests_are_answered_400_and_closed(proxy, upstream):
    answers = {}
    for name, request in REFUSED.items():
        client = proxy.client()
        client.send(request)
        answer = client.response()
        answers[name] = (answer and answer.status, client.closed())
    # A version that is not served says so.
    other = {"version 2.0 in text": 505, "transfer-encoding in HTTP/1.0": 426, "no version": 426}
    assert answers == {name: (other.get(name, 400), True) for name in REFUSED}
    # What was refused by its head never opened an upstream request that completed.
    assert proxy.stat("cluster.app.upstream_rq_completed") == 0
    # All that is malformed counts; a version that is merely not served need not.
    malformed = len(REFUSED) - len(other)
    assert malformed <= proxy.stat("http.ingress.downstream_cx_protocol_error") <= len(REFUSED)


def test_http_1_0_gets_426_unless_accepted(start, upstream):
    server = upstream()
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = proxy.client()
    client.send("GET / HTTP/1.0\r\n\r\n")
    assert client.response().status == 426
    accepting = start(http(
        clusters=[cluster("app", server.port)],
        http_protocol_options={"accept_http_10": True, "default_host_for_http_10": "fallback"}))
    client = accepting.client()
    client.send("GET / HTTP/1.0\r\n\r\n")
    assert client.response().status == 200
    assert client.closed()
    assert server.requests[-1].get("host") == "fallback"


def test_too_many_or_too_large_headers_get_431_that_names_the_limit(proxy):
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n" + "".join(f"x-{n}: y\r\n" for n in range(101)) + "\r\n")
    answer = client.response()
    assert answer.status == 431
    assert b"max_headers_count" in answer.body and b"100" in answer.body
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\nx-long: " + "y" * 61 * 1024 + "\r\n\r\n")
    answer = client.response()
    assert answer.status == 431
    assert b"max_request_headers_kb" in answer.body and b"60" in answer.body


def test_head_that_never_ends_is_bounded(proxy):
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n")
    try:
        for number in range(10_000):
            client.send(f"x-{number % 50}: " + "y" * 200 + "\r\n")
    except (ConnectionError, BrokenPipeError):
        pass
    assert proxy.memory() < 64 << 20


def test_drip_fed_request_is_the_same_request(proxy):
    client = proxy.client()
    for byte in b"POST /drip HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
        client.send(bytes([byte]))
    assert client.response().status == 200


def test_smuggled_second_request_is_not_served(proxy, upstream):
    client = proxy.client()
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
                "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response().status == 400
    assert client.closed()
    assert upstream.server.requests == []
