"""Hostile HTTP/2 peers: each has a limit, a counter with Envoy's name, and a line that names the setting and its value.

While one of them is at work, others must be served and memory must stay within bounds.
"""
import contextlib
import socket
import struct
import threading
import time

import pytest
from bootstrap import cluster, forward, http
from harness import connect, response, serve, wait_until
from http2_peers import (
    CONTINUATION, DATA, END, END_HEADERS, ENHANCE_YOUR_CALM, GET, H2, HEADERS, PADDED, PING, POST, PREFACE,
    PRIORITY, RST, SETTINGS, WINDOW, H2Peer, block, frame, get, number, spoken)

BIG = 8 << 20


def app(request):
    return response(body=b"x" * BIG) if request.path == "/big" else response(body=request.body or b"hello")


@pytest.fixture
def proxy(start, upstream):
    return start(http(clusters=[cluster("app", upstream(serve(app)).port)]))


def path(value):
    return [(name, value if name == ":path" else old) for name, old in GET]


def is_logged(proxy, *words):
    wait_until(lambda: any(all(word in line for word in words) for line in proxy.log_text().splitlines()),
               f"a line with {words}: {proxy.log_text()[-2000:]}")


FLOODS = {
    "empty DATA": (frame(DATA, 0, 1), 3, "inbound_empty_frames_flood",
                   "max_consecutive_inbound_frames_with_empty_payload 1"),
    "DATA of padding": (frame(DATA, PADDED, 1, b"\3\0\0\0"), 3, "inbound_empty_frames_flood",
                        "max_consecutive_inbound_frames_with_empty_payload 1"),
    "PRIORITY": (frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f"), 300, "inbound_priority_frames_flood",
                 "max_inbound_priority_frames_per_stream 100"),
    "WINDOW_UPDATE": (frame(WINDOW, 0, 1, b"\0\0\0\1"), 30, "inbound_window_update_frames_flood",
                      "max_inbound_window_update_frames_per_data_frame_sent 10"),
    "WINDOW_UPDATE of the connection": (frame(WINDOW, 0, 0, b"\0\0\0\1"), 30, "inbound_window_update_frames_flood",
                                        "max_inbound_window_update_frames_per_data_frame_sent 10"),
    "CONTINUATION, large": (frame(CONTINUATION, 0, 3, block(("x", "y" * 16000))), 20, "header_list_size_too_large",
                            "max_request_headers_kb"),
    "CONTINUATION, small": (frame(CONTINUATION, 0, 3, block(("x", "y"))), 2000, "header_overflow",
                            "max_request_headers_kb 60"),
    "CONTINUATION, empty": (frame(CONTINUATION, 0, 3), 10, "inbound_empty_frames_flood",
                            "max_consecutive_inbound_frames_with_empty_payload 1"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_of_frames(proxy, name):
    flood, count, counter, setting = FLOODS[name]
    client = H2(proxy.port("main"), window=False)
    client.headers(1, POST, end=False)
    if name.startswith("CONTINUATION"):
        client.send(frame(HEADERS, END, 3, block(*GET)))
    with contextlib.suppress(ConnectionError):
        client.send(flood * count)
    assert client.goaway() == ENHANCE_YOUR_CALM
    assert proxy.stat(f"http2.{counter}") == 1 and proxy.stat("http.ingress.downstream_cx_protocol_error") == 1
    is_logged(proxy, "was cut off", setting)
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.answer(1).body == b"hello"


@pytest.mark.parametrize("flood", [frame(PING, 0, 0, b"12345678"), frame(SETTINGS), frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1" * 30)],
                         ids=["PING", "SETTINGS", "SETTINGS, large"])
def test_a_client_that_asks_and_does_not_read(proxy, flood):
    client = H2(proxy.port("main"))
    client.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.suppress(OSError):
        for _ in range(2000):
            client.send(flood * 1000)
    wait_until(lambda: proxy.stat("http2.outbound_control_flood") == 1, "the flood is counted")
    is_logged(proxy, "was cut off", "max_outbound_control_frames 1000")
    assert proxy.memory() < 200 << 20


def test_a_client_that_has_many_answers_made_and_does_not_read(start, upstream):
    """Heads are not held back by windows: only the limit on frames stops them."""
    proxy = start(http([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                       http2_protocol_options={"max_outbound_frames": 500, "max_concurrent_streams": 100_000}))
    client = H2(proxy.port("main"))
    client.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.suppress(OSError):
        for first in range(0, 400_000, 1000):
            client.send(*[frame(HEADERS, END | END_HEADERS, 2 * (first + n) + 1, b"\x82\x86\x84\x41\x01a") for n in range(1000)])
    wait_until(lambda: proxy.stat("http2.outbound_flood") == 1, "the flood is counted")
    is_logged(proxy, "was cut off", "max_outbound_frames 500")
    assert proxy.memory() < 200 << 20


RESETS = {
    "by the client": lambda stream: frame(RST, 0, stream, number(8)),
    "by a window that overflows": lambda stream: frame(WINDOW, 0, stream, number(0x7fffffff)),
    "by a window update of nothing": lambda stream: frame(WINDOW, 0, stream, number(0)),
    "by DATA behind the end": lambda stream: frame(DATA, END, stream, b"") + frame(DATA, END, stream, b"x"),
    "by a length that lies": lambda stream: frame(DATA, END, stream, b"xy"),
    "by a PRIORITY of 4 bytes": lambda stream: frame(PRIORITY, 0, stream, b"\0\0\0\0"),
}


@pytest.mark.parametrize("how", RESETS)
def test_rapid_resets(start, upstream, how):
    """CVE-2023-44487, and its sister where the server is made to reset (MadeYouReset)."""
    server = upstream(lambda peer, _number: peer.rest())
    proxy = start(http(clusters=[cluster("app", server.port)],
                       http2_protocol_options={"override_stream_error_on_invalid_http_message": True}))
    client = H2(proxy.port("main"))
    fields = [*POST, ("content-length", "1")] if how == "by a length that lies" else POST
    with contextlib.suppress(ConnectionError):
        for stream in range(1, 8001, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, block(*fields)), RESETS[how](stream))
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_active") == 0, "the connection is closed")
    proxy.wait_stat("http.ingress.downstream_rq_active", 0)
    if proxy.stat("http.ingress.downstream_cx_protocol_error"):
        is_logged(proxy, "was cut off")  # the first offence ends the connection
    else:
        assert proxy.stat("http.ingress.downstream_rq_too_many_premature_resets") == 1
        is_logged(proxy, "was cut off", "premature_reset_total_stream_count (500)")
    # Resets of our own making take effect when they are sent: until then max_concurrent_streams (1024) is the limit.
    assert server.connections < 1500


def test_the_limit_on_resets_is_the_runtimes(start, upstream):
    server = upstream(lambda peer, _number: peer.rest())
    layer = {"overload.premature_reset_total_stream_count": 10}
    proxy = start({**http(clusters=[cluster("app", server.port)]),
                   "layered_runtime": {"layers": [{"name": "s", "static_layer": layer}]}})
    client = H2(proxy.port("main"))
    with contextlib.suppress(ConnectionError):
        for stream in range(1, 41, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, block(*POST)), frame(RST, 0, stream, number(8)))
    proxy.wait_stat("http.ingress.downstream_rq_too_many_premature_resets", 1)
    is_logged(proxy, "premature_reset_total_stream_count (10)")


def test_clients_that_change_their_mind_are_served(proxy):
    """As many resets, but most requests are answered."""
    client = H2(proxy.port("main"))
    for stream in range(1, 3001, 6):
        client.headers(stream, POST, end=False)
        client.send(frame(RST, 0, stream, number(8)))
        for other in (stream + 2, stream + 4):
            client.headers(other)
            assert client.answer(other).body == b"hello"
    assert proxy.stat("http.ingress.downstream_rq_too_many_premature_resets") == 0


# Headers

def bomb(names=1, size=4000, references=1000):
    """A few entries of the dynamic table and many references to each."""
    entries = b"".join(b"\x40" + block((f"x-bomb-{n}", "x" * size))[1:] for n in range(names))
    return block(*GET) + entries + b"\xbe" * references


HEADER_BOMBS = {
    "one large field": (block(*GET, ("x", "y" * 62_000)), "header_list_size_too_large", "max_request_headers_kb 60"),
    "references to one entry": (bomb(), "header_list_size_too_large", "max_request_headers_kb 60"),
    "many small fields": (block(*GET, *[(f"x-{n}", "") for n in range(101)]), "header_overflow", "max_headers_count 100"),
    "references to an empty entry": (bomb(size=0, references=16_000), "header_overflow", "max_headers_count 100"),
    "many cookies": (block(*GET, *[("cookie", "a=b")] * 200), "header_overflow", "max_headers_count 100"),
}


@pytest.mark.parametrize("name", HEADER_BOMBS)
def test_headers_that_are_too_many_or_too_large(proxy, name):
    sent, counter, setting = HEADER_BOMBS[name]
    client = H2(proxy.port("main"))
    parts = [sent[n:n + 16384] for n in range(0, len(sent), 16384)]
    for stream in range(1, 41, 2):
        for index, part in enumerate(parts):
            flags = END_HEADERS if index == len(parts) - 1 else 0
            client.send(frame(CONTINUATION if index else HEADERS, flags | (0 if index else END), stream, part))
        client.until(RST, stream)
    client.headers(41)
    assert client.until(DATA, 41)[3] == b"hello"
    assert proxy.stat(f"http2.{counter}") == 20 and proxy.memory() < 150 << 20
    is_logged(proxy, "stream 1 is over", setting)


def test_more_streams_than_allowed(start, upstream):
    server = upstream(lambda peer, _number: peer.rest())
    proxy = start(http(clusters=[cluster("app", server.port)], http2_protocol_options={"max_concurrent_streams": 10}))
    peer = connect(proxy.port("main"))  # the SETTINGS are not acknowledged: streams too many are refused
    peer.send(PREFACE + frame(SETTINGS))
    peer.send(b"".join(frame(HEADERS, END_HEADERS, 2 * n + 1, block(*POST)) for n in range(30)))
    proxy.wait_stat("http2.stream_refused_errors", 20)
    proxy.wait_stat("http.ingress.downstream_rq_active", 10)
    is_logged(proxy, "max_concurrent_streams 10")


# Stalls

def stat_is_zero(proxy, name):
    wait_until(lambda: proxy.stat(name) == 0, f"{name} is 0")


def test_zero_windows_hold_little_and_end(start, upstream):
    """A client opens many large responses and takes none: bounded memory, then stream_flush_timeout or idle timeout."""
    proxy = start(http([forward(timeout="0s")], [cluster("app", upstream(serve(app)).port)], stream_idle_timeout="6s"))
    client = H2(proxy.port("main"), settings=struct.pack(">HI", 4, 0))
    before = proxy.memory()
    for stream in range(1, 401, 2):
        client.headers(stream, path("/big"))
    wait_until(lambda: proxy.stat("http2.pending_send_bytes") > 8 << 20, "responses wait")
    assert proxy.stat("http2.pending_send_bytes") < 32 << 20
    assert proxy.memory() - before < 120 << 20
    # The others are served meanwhile.
    other = H2(proxy.port("main"))
    other.headers(1)
    assert other.answer(1).body == b"hello"
    proxy.wait_stat("http.ingress.downstream_rq_idle_timeout", 200)
    is_logged(proxy, "a response was cut off", "stream_idle_timeout 6s")
    for name in ("pending_send_bytes", "streams_active"):
        stat_is_zero(proxy, f"http2.{name}")


def test_the_end_of_a_response_that_nobody_takes(start, upstream):
    server = upstream(serve(lambda _request: response(body=b"x" * 200_000)))
    proxy = start(http(clusters=[cluster("app", server.port)], stream_flush_timeout="0.3s"))
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.until(RST, 1)[3] == number(8)
    assert proxy.stat("http2.tx_flush_timeout") == 1
    is_logged(proxy, "stream 1", "stream_flush_timeout 300ms")
    stat_is_zero(proxy, "http2.pending_send_bytes")


def test_the_routes_flush_timeout_counts(start, upstream):
    server = upstream(serve(lambda _request: response(body=b"x" * 200_000)))
    proxy = start(http([forward(flush_timeout="0.3s")], [cluster("app", server.port)]))
    client = H2(proxy.port("main"))
    client.headers(1)
    assert client.until(RST, 1)[3] == number(8)


def test_a_client_that_takes_drop_by_drop_is_served(start, upstream):
    """Windows of a few bytes at a time: slow, but it moves, and WINDOW_UPDATEs stay within their limit."""
    server = upstream(serve(lambda _request: response(body=b"x" * 2000)))
    proxy = start(http(clusters=[cluster("app", server.port)], stream_flush_timeout="1s"))
    client = H2(proxy.port("main"), settings=struct.pack(">HI", 4, 10))
    client.headers(1)
    got = 0
    while got < 2000:
        got += len(client.until(DATA, 1)[3])
        client.send(frame(WINDOW, 0, 1, number(10)) if got < 2000 else b"")
    assert proxy.stat("http2.tx_flush_timeout") == 0


DRIPS = {
    "a preface": (PREFACE[:20], {"common_http_protocol_options": {"idle_timeout": "0.5s"}}, "downstream_cx_idle_timeout"),
    "a frame": (PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, block(*GET))[:8],
                {"common_http_protocol_options": {"idle_timeout": "0.5s"}, "drain_timeout": "0.2s"}, "downstream_cx_idle_timeout"),
    "a header block": (PREFACE + frame(SETTINGS) + frame(HEADERS, END, 1, block(*GET)),
                       {"request_headers_timeout": "0.5s"}, "downstream_rq_header_timeout"),
    "a body": (PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, block(*POST)),
               {"request_timeout": "0.5s"}, "downstream_rq_timeout"),
    "a body, idle": (PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, block(*POST)),
                     {"stream_idle_timeout": "0.5s"}, "downstream_rq_idle_timeout"),
}


@pytest.mark.parametrize("name", DRIPS)
def test_peers_that_stop_in_the_middle(start, upstream, name):
    sent, settings, counter = DRIPS[name]
    proxy = start(http(clusters=[cluster("app", upstream(serve(app)).port)], **settings))
    peer = connect(proxy.port("main"))
    for byte in sent:
        peer.send(bytes([byte]))
    proxy.wait_stat(f"http.ingress.{counter}", 1)
    stat_is_zero(proxy, "http.ingress.downstream_rq_active")
    if "idle_timeout" in counter and "cx" in counter:
        stat_is_zero(proxy, "http.ingress.downstream_cx_active")


# Neighbours

def test_neighbours_are_served_while_all_of_it_goes_on(start, upstream):
    """Floods, bombs and resets over and over on some connections; every request on another is answered."""
    proxy = start(http(clusters=[cluster("app", upstream(serve(app)).port)]))
    port, stop = proxy.port("main"), threading.Event()
    ping = frame(PING, 0, 0, b"12345678")
    attacks = [
        ping * 2000, frame(HEADERS, END | END_HEADERS, 1, bomb()),
        b"".join(frame(HEADERS, END_HEADERS, 2 * n + 1, b"\x83\x86\x84\x41\x01a") + frame(RST, 0, 2 * n + 1, number(8)) for n in range(400)),
        frame(HEADERS, END, 1, block(*GET)) + frame(CONTINUATION, 0, 1, block(("x", "y" * 16000))) * 20,
        frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f") * 2000, frame(0x16, 0, 0, b"x" * 16384) * 100,
    ]

    def attack(sent):
        while not stop.is_set():
            with contextlib.suppress(OSError, AssertionError, TypeError):
                client = H2(port)
                client.peer.sock.settimeout(1)
                client.send(sent)
                while client.next():
                    pass
            time.sleep(0.005)

    threads = [threading.Thread(target=attack, args=(sent,), daemon=True) for sent in attacks]
    for thread in threads:
        thread.start()
    try:
        client = H2(port)
        for stream in range(1, 401, 2):
            client.headers(stream, [*POST], end=False)
            client.send(frame(DATA, END, stream, b"x" * 100))
            assert client.answer(stream).body == b"x" * 100
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert proxy.memory() < 200 << 20
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_active") == 1, "only the good connection is left")


# Hostile servers

SERVERS = {
    "headers too large": (lambda h2, s: h2.peer.send(frame(HEADERS, 0, s, block((":status", "200"))) + frame(CONTINUATION, 0, s, block(("x", "y" * 16000))) * 10),
                          "header_list_size_too_large", "max_response_headers_kb"),
    "headers too many": (lambda h2, s: h2.peer.send(frame(HEADERS, END_HEADERS, s, block((":status", "200"), *[(f"x{n}", "") for n in range(101)]))),
                         "header_overflow", "max_headers_count 100"),
    "a header bomb": (lambda h2, s: h2.peer.send(frame(HEADERS, END_HEADERS, s, block((":status", "200")) + b"\x40" + block(("x", "y" * 4000))[1:] + b"\xbe" * 1000)),
                      "header_list_size_too_large", "max_response_headers_kb 60"),
    "CONTINUATION": (lambda h2, s: h2.peer.send(frame(HEADERS, 0, s, block((":status", "200"))) + frame(CONTINUATION, 0, s, block(("x", "y"))) * 2000),
                     "header_overflow", "max_response_headers_kb"),
    "empty DATA": (lambda h2, s: h2.peer.send(frame(HEADERS, END_HEADERS, s, block((":status", "200"))) + frame(DATA, 0, s) * 3),
                   "inbound_empty_frames_flood", "max_consecutive_inbound_frames_with_empty_payload 1"),
    "PRIORITY": (lambda h2, s: h2.peer.send(frame(PRIORITY, 0, s, b"\0\0\0\0\x0f") * 300),
                 "inbound_priority_frames_flood", "max_inbound_priority_frames_per_stream 100"),
    "WINDOW_UPDATE": (lambda h2, s: h2.peer.send(frame(WINDOW, 0, s, number(1)) * 30),
                      "inbound_window_update_frames_flood", "max_inbound_window_update_frames_per_data_frame_sent 10"),
}


@pytest.mark.parametrize("name", SERVERS)
def test_hostile_servers(start, upstream, name):
    act, counter, setting = SERVERS[name]

    def script(peer, connection):
        h2 = H2Peer(peer)
        while stream := h2.request():
            if connection == 1:
                act(h2, stream)
            else:
                h2.answer(stream)

    proxy = start(http(clusters=[cluster("app", upstream(script).port, **spoken())]))
    with contextlib.suppress(EOFError):  # a response that has begun is cut off
        assert get(proxy).status in (502, 503)
    assert proxy.stat(f"cluster.app.http2.{counter}") == 1
    is_logged(proxy, "cluster 'app'", setting)
    if name not in ("headers too many", "a header bomb"):
        assert get(proxy).body == b"hello"  # on another connection
