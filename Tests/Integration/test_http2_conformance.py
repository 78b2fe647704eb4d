"""RFC 9113 and RFC 7541 from outside: each rule that a peer can break, and what must come of it."""
import struct

import pytest
from bootstrap import cluster, http
from harness import connect, response, serve
from http2_peers import (
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END, END_HEADERS, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GET, GOAWAY, H2,
    HEADERS, PADDED, PING, POST, PREFACE, PRIORITIZED, PRIORITY, PROTOCOL_ERROR, PUSH, REFUSED_STREAM, RST, SETTINGS,
    STREAM_CLOSED, WINDOW, block, frame, number)

OPAQUE = b"\0\1\2\3\4\5\6\7"
HEAD = [(":method", "HEAD"), *GET[1:]]


def headers(stream=1, fields=GET, end=True, flags=END_HEADERS, block_bytes=None):
    return frame(HEADERS, flags | (END if end else 0), stream, block(*fields) if block_bytes is None else block_bytes)


def post(stream=1, **more):
    return headers(stream, [*POST, *more.items()], end=False)


def data(payload=b"test", stream=1, end=True):
    return frame(DATA, END if end else 0, stream, payload)


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", *pair) for pair in pairs))


def without(name, fields=GET):
    return [field for field in fields if field[0] != name]


@pytest.fixture(scope="module")
def proxy():
    """One proxy for all cases: what a case does to its connection is no other's business."""
    from harness import Proxy, Upstream
    upstream = Upstream(serve(lambda request: response(body=request.body or b"hello")))
    started = Proxy(http(clusters=[cluster("app", upstream.port)], http2_protocol_options={
        "override_stream_error_on_invalid_http_message": True, "max_concurrent_streams": 100}))
    yield started
    upstream.close()
    started.stop()


@pytest.fixture
def client(proxy):
    client = H2(proxy.port("main"), window=False)
    yield client
    client.peer.close()


def first_error(client):
    """Code and kind of the first RST_STREAM or GOAWAY; None when the connection ends without."""
    while found := client.next():
        if found[0] in (RST, GOAWAY):
            return struct.unpack(">I", found[3][4:8] if found[0] == GOAWAY else found[3])[0], found[0]
    return None


# What must be answered

def padded(kind, flags, payload, padding=b"\0" * 5, stream=1):
    return frame(kind, flags | PADDED, stream, bytes([len(padding)]) + payload + padding)


weight = number(0) + b"\xff"
first_half, second_half = block(*GET)[:20], block(*GET)[20:]
FINE = {
    "headers": headers(),
    "head": headers(fields=HEAD),
    "post, one frame": post() + data(),
    "post, several frames": post() + data(b"a", end=False) + data(b"b"),
    "padded data": post() + padded(DATA, END, b"test"),
    "padded headers": padded(HEADERS, END | END_HEADERS, block(*GET)),
    "headers with priority": frame(HEADERS, END | END_HEADERS | PRIORITIZED, 1, weight + block(*GET)),
    "padded headers with priority": padded(HEADERS, END | END_HEADERS | PRIORITIZED, weight + block(*GET)),
    "trailers": post() + data(end=False) + headers(fields=[("x-sum", "1")]),
    "trailers without a body": post() + headers(fields=[("x-sum", "1")]),
    "priority before the stream": frame(PRIORITY, 0, 1, number(0) + b"\0") + headers(),
    "priority of 256, exclusive": frame(PRIORITY, 0, 1, number(0x80000000) + b"\xff") + headers(),
    "priority of a later stream": frame(PRIORITY, 0, 3, number(0) + b"\x0f") + headers(),
    "priority on a half-closed stream": headers() + frame(PRIORITY, 0, 1, weight),
    "window update on a half-closed stream": headers() + frame(WINDOW, 0, 1, number(100)),
    "window update on the connection": frame(WINDOW, 0, 0, number(1)) + headers(),
    "window update on the stream": post() + frame(WINDOW, 0, 1, number(1)) + data(),
    "settings": settings((1, 4096), (3, 100), (4, 65535), (5, 16384), (6, 1000)) + headers(),
    "settings that are not known": settings((0xff, 1)) + headers(),
    "no push": settings((2, 0)) + headers(),
    "ping": frame(PING, 0, 0, OPAQUE) + headers(),
    "continuation": headers(flags=0, block_bytes=first_half) + frame(CONTINUATION, END_HEADERS, 1, second_half),
    "continuations": headers(flags=0, block_bytes=first_half)
        + b"".join(frame(CONTINUATION, 0, 1, second_half[n:n + 1]) for n in range(8))
        + frame(CONTINUATION, END_HEADERS, 1, second_half[8:]),
    "an unknown frame": frame(0x16, 0xff, 0, b"anything") + headers(),
    "an unknown frame on the stream": post() + frame(0x16, 0, 1, b"anything") + data(),
    "flags that are not known": frame(PING, 0x16, 0, OPAQUE) + headers(),
    "a reserved bit": frame(PING, 0, 1 << 31, OPAQUE) + headers(),
    "a reset with an unknown code": headers(1, POST, end=False) + frame(RST, 0, 1, number(0xff)) + headers(3),
    "data of the largest size": post() + data(b"x" * 16384),
    # RFC 7541: every form of a field.
    "indexed fields": headers(block_bytes=b"\x82\x86\x84\x41\x01a"),
    "a new entry, name indexed": headers(block_bytes=block(*GET) + b"\x50\x04gzip"),
    "a new entry, name literal": headers(block_bytes=block(*GET) + b"\x40\x03x-a\x01b"),
    "no entry, name indexed": headers(block_bytes=block(*GET) + b"\x0f\x01\x04gzip"),
    "no entry, name literal": headers(block_bytes=block(*GET) + b"\x00\x03x-a\x01b"),
    "never indexed, name indexed": headers(block_bytes=block(*GET) + b"\x1f\x01\x04gzip"),
    "never indexed, name literal": headers(block_bytes=block(*GET) + b"\x10\x03x-a\x01b"),
    "an entry used again": headers(block_bytes=block(*GET) + b"\x40\x03x-a\x01b\xbe"),
    "a smaller table": headers(block_bytes=b"\x3f\x61" + block(*GET)),
    "an empty table and a full one": headers(block_bytes=b"\x20\x3f\xe1\x1f" + block(*GET)),
    "Huffman": headers(block_bytes=b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
}


@pytest.mark.parametrize("name", FINE)
def test_is_answered(client, name):
    client.send(FINE[name])
    stream = 3 if name.startswith("a reset") else 1
    answer = client.answer(stream)
    assert answer.status == 200 and answer.error is None
    assert answer.body == b"" if name == "head" else len(answer.body) > 0


# What ends the connection

BROKEN = {
    "4.2, a header block larger than SETTINGS_MAX_FRAME_SIZE": (
        headers(block_bytes=block(*GET, ("x-a", "b" * 16384))), FRAME_SIZE_ERROR),
    "4.3, a block that cannot be decoded": (headers(block_bytes=b"\xff\xff\xff\xff\xff\x0f"), COMPRESSION_ERROR),
    "4.3, PRIORITY inside a block": (headers(flags=0) + frame(PRIORITY, 0, 1, weight), PROTOCOL_ERROR),
    "4.3, another stream inside a block": (headers(flags=0) + headers(3), PROTOCOL_ERROR),
    "5.1, idle: DATA": (data(), PROTOCOL_ERROR),
    "5.1, idle: RST_STREAM": (frame(RST, 0, 1, number(8)), PROTOCOL_ERROR),
    "5.1, idle: WINDOW_UPDATE": (frame(WINDOW, 0, 1, number(100)), PROTOCOL_ERROR),
    "5.1, idle: CONTINUATION": (frame(CONTINUATION, END_HEADERS, 1, block(*GET)), PROTOCOL_ERROR),
    "5.1, half-closed: CONTINUATION": (headers() + frame(CONTINUATION, END_HEADERS, 1, block(*GET)), PROTOCOL_ERROR),
    "5.1.1, an even stream": (headers(2), PROTOCOL_ERROR),
    "5.1.1, a lower stream": (headers(5) + headers(3), PROTOCOL_ERROR),
    "5.5, an unknown frame inside a block": (headers(flags=0) + frame(0x16, 0, 0, b"x"), PROTOCOL_ERROR),
    "6.1, DATA on stream 0": (data(stream=0), PROTOCOL_ERROR),
    "6.1, padding as long as the payload": (post() + frame(DATA, PADDED, 1, b"\x05test"), PROTOCOL_ERROR),
    "6.2, HEADERS on stream 0": (headers(0), PROTOCOL_ERROR),
    "6.2, padding as long as the payload": (
        frame(HEADERS, END | END_HEADERS | PADDED, 1, bytes([len(block(*GET)) + 1]) + block(*GET)), PROTOCOL_ERROR),
    "6.3, PRIORITY on stream 0": (frame(PRIORITY, 0, 0, weight), PROTOCOL_ERROR),
    "6.4, RST_STREAM on stream 0": (frame(RST, 0, 0, number(8)), PROTOCOL_ERROR),
    "6.4, RST_STREAM of 3 bytes": (post() + frame(RST, 0, 1, b"\0\0\0"), FRAME_SIZE_ERROR),
    "6.5, SETTINGS ACK with a payload": (frame(SETTINGS, ACK, 0, b"\0"), FRAME_SIZE_ERROR),
    "6.5, SETTINGS on a stream": (frame(SETTINGS, 0, 1, struct.pack(">HI", 3, 100)), PROTOCOL_ERROR),
    "6.5, SETTINGS of 3 bytes": (frame(SETTINGS, 0, 0, b"\0\3\0"), FRAME_SIZE_ERROR),
    "6.5.2, ENABLE_PUSH of 2": (settings((2, 2)), PROTOCOL_ERROR),
    "6.5.2, INITIAL_WINDOW_SIZE over 2^31-1": (settings((4, 1 << 31)), FLOW_CONTROL_ERROR),
    "6.5.2, MAX_FRAME_SIZE below 2^14": (settings((5, 16383)), PROTOCOL_ERROR),
    "6.5.2, MAX_FRAME_SIZE over 2^24-1": (settings((5, 1 << 24)), PROTOCOL_ERROR),
    "6.7, PING on a stream": (frame(PING, 0, 1, OPAQUE), PROTOCOL_ERROR),
    "6.7, PING of 6 bytes": (frame(PING, 0, 0, OPAQUE[:6]), FRAME_SIZE_ERROR),
    "6.8, GOAWAY on a stream": (frame(GOAWAY, 0, 1, number(0) + number(0)), PROTOCOL_ERROR),
    "6.9, WINDOW_UPDATE of 0 on the connection": (frame(WINDOW, 0, 0, number(0)), PROTOCOL_ERROR),
    "6.9, WINDOW_UPDATE of 3 bytes": (frame(WINDOW, 0, 0, b"\0\0\1"), FRAME_SIZE_ERROR),
    "6.9.1, a connection window over 2^31-1": (frame(WINDOW, 0, 0, number(0x7fffffff)) * 2, FLOW_CONTROL_ERROR),
    "6.9.2, a change that makes a window larger than 2^31-1": (
        post() + frame(WINDOW, 0, 1, number(0x7fffffff - 65535)) + settings((4, 65536)), FLOW_CONTROL_ERROR),
    "6.10, CONTINUATION behind the end of its block": (
        post() + frame(CONTINUATION, END_HEADERS, 1, block(("x", "y"))), PROTOCOL_ERROR),
    "6.10, CONTINUATION on stream 0": (
        headers(flags=0) + frame(CONTINUATION, END_HEADERS, 0, block(("x", "y"))), PROTOCOL_ERROR),
    "6.10, CONTINUATION behind DATA": (
        post() + data(end=False) + frame(CONTINUATION, END_HEADERS, 1, block(("x", "y"))), PROTOCOL_ERROR),
    "6.10, DATA inside a block": (headers(flags=0, end=False) + data(), PROTOCOL_ERROR),
    "8.4, PUSH_PROMISE from a client": (
        post() + frame(PUSH, END_HEADERS, 1, number(2) + block(*GET)), PROTOCOL_ERROR),
    "RFC 7541 2.3.3, an index without an entry": (headers(block_bytes=block(*GET) + b"\xc6"), COMPRESSION_ERROR),
    "RFC 7541 2.3.3, a name without an entry": (headers(block_bytes=block(*GET) + b"\x7f\x07\x01a"), COMPRESSION_ERROR),
    "RFC 7541 4.2, a table size at the end of a block": (headers(block_bytes=block(*GET) + b"\x21"), COMPRESSION_ERROR),
    "RFC 7541 5.1, an integer that never ends": (
        headers(block_bytes=block(*GET) + b"\x7f" + b"\xff" * 20), COMPRESSION_ERROR),
    "RFC 7541 5.2, padding of more than 7 bits": (
        headers(block_bytes=block(*GET) + b"\0\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"), COMPRESSION_ERROR),
    "RFC 7541 5.2, padding of zeros": (
        headers(block_bytes=block(*GET) + b"\0\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"), COMPRESSION_ERROR),
    "RFC 7541 5.2, the end-of-string symbol": (
        headers(block_bytes=block(*GET) + b"\0\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"),
        COMPRESSION_ERROR),
    "RFC 7541 6.1, index 0": (headers(block_bytes=block(*GET) + b"\x80"), COMPRESSION_ERROR),
    "RFC 7541 6.3, a table larger than SETTINGS_HEADER_TABLE_SIZE": (
        headers(block_bytes=b"\x3f\xe2\x1f" + block(*GET)), COMPRESSION_ERROR),
}


@pytest.mark.parametrize("name", BROKEN)
def test_ends_the_connection(client, name):
    sent, code = BROKEN[name]
    client.send(sent)
    assert client.goaway() == code


# What ends a stream, or more

AT_LEAST_THE_STREAM = {
    "4.2, DATA larger than SETTINGS_MAX_FRAME_SIZE": (post() + data(b"x" * 16385), {FRAME_SIZE_ERROR}),
    "5.1, half-closed: DATA": (headers() + data(), {STREAM_CLOSED}),
    "5.1, half-closed: HEADERS": (headers() + headers(), {STREAM_CLOSED}),
    "5.1, closed by RST_STREAM: DATA": (post() + frame(RST, 0, 1, number(8)) + data(), {STREAM_CLOSED}),
    "5.1, closed by RST_STREAM: HEADERS": (post() + frame(RST, 0, 1, number(8)) + headers(), {STREAM_CLOSED}),
    "5.1, closed by RST_STREAM: CONTINUATION": (
        post() + frame(RST, 0, 1, number(8)) + frame(CONTINUATION, END_HEADERS, 1, block(("x", "y"))),
        {STREAM_CLOSED, PROTOCOL_ERROR}),
    "RFC 7540 5.3.1, HEADERS that depend on themselves": (
        frame(HEADERS, END | END_HEADERS | PRIORITIZED, 1, number(1) + b"\xff" + block(*GET)), {PROTOCOL_ERROR}),
    "RFC 7540 5.3.1, PRIORITY that depends on itself": (
        post() + frame(PRIORITY, 0, 1, number(1) + b"\xff"), {PROTOCOL_ERROR}),
    "6.3, PRIORITY of 4 bytes": (post() + frame(PRIORITY, 0, 1, b"\x80\0\0\1"), {FRAME_SIZE_ERROR}),
    "6.9, WINDOW_UPDATE of 0 on a stream": (post() + frame(WINDOW, 0, 1, number(0)), {PROTOCOL_ERROR}),
    "6.9.1, a stream window over 2^31-1": (post() + frame(WINDOW, 0, 1, number(0x7fffffff)) * 2, {FLOW_CONTROL_ERROR}),
}


@pytest.mark.parametrize("name", AT_LEAST_THE_STREAM)
def test_ends_at_least_the_stream(client, name):
    sent, codes = AT_LEAST_THE_STREAM[name]
    client.send(sent)
    assert first_error(client)[0] in codes


@pytest.mark.parametrize("late", [data(), headers(), frame(CONTINUATION, END_HEADERS, 1, block(("x", "y")))],
                         ids=["DATA", "HEADERS", "CONTINUATION"])
def test_5_1_frames_on_a_stream_that_has_ended(client, late):
    client.headers(1)
    assert client.answer(1).status == 200
    client.send(late)
    assert first_error(client)[0] in (STREAM_CLOSED, PROTOCOL_ERROR)


# Messages that are malformed (section 8): their stream is reset, and the connection goes on.

def length(value, *frames):
    return headers(1, [*POST, ("content-length", value)], end=False) + b"".join(frames)


MALFORMED = {
    "8.1, HEADERS without END_STREAM behind DATA": post() + data(end=False) + headers(fields=[("x", "y")], end=False),
    "8.2.1, an upper-case name": headers(fields=[*GET, ("X-TEST", "a")]),
    "8.2.1, a line end in a value": headers(fields=[*GET, ("x-a", "b\r\nc: d")]),
    "8.2.1, NUL in a value": headers(fields=[*GET, ("x-a", "b\0")]),
    "8.2.1, a blank around a value": headers(fields=[*GET, ("x-a", " b")]),
    "8.2.1, a colon in a name": headers(fields=[*GET, ("x:a", "b")]),
    "8.2.1, an empty name": headers(fields=[*GET, ("", "b")]),
    "8.2.2, connection": headers(fields=[*GET, ("connection", "keep-alive")]),
    "8.2.2, keep-alive": headers(fields=[*GET, ("keep-alive", "5")]),
    "8.2.2, proxy-connection": headers(fields=[*GET, ("proxy-connection", "close")]),
    "8.2.2, transfer-encoding": headers(fields=[*GET, ("transfer-encoding", "chunked")]),
    "8.2.2, upgrade": headers(fields=[*GET, ("upgrade", "websocket")]),
    "8.2.2, te that is not trailers": headers(fields=[*GET, ("te", "trailers, deflate;q=0.5")]),
    "8.3, an unknown pseudo-header": headers(fields=[(":test", "x"), *GET]),
    "8.3, a pseudo-header of responses": headers(fields=[(":status", "200"), *GET]),
    "8.3, a pseudo-header in trailers": post() + data(end=False) + headers(fields=[(":method", "GET")]),
    "8.3, a pseudo-header behind a field": headers(fields=[*GET[:3], ("x", "y"), GET[3]]),
    "8.3.1, an empty path": headers(fields=[*GET[:2], (":path", ""), GET[3]]),
    "8.3.1, no method": headers(fields=without(":method")),
    "8.3.1, no scheme": headers(fields=without(":scheme")),
    "8.3.1, no path": headers(fields=without(":path")),
    "8.3.1, two methods": headers(fields=[GET[0], *GET]),
    "8.3.1, two schemes": headers(fields=[GET[1], *GET]),
    "8.3.1, two paths": headers(fields=[GET[2], *GET]),
    "8.3.1, two authorities": headers(fields=[GET[3], *GET]),
    "8.3.1, a path that is none": headers(fields=[*GET[:2], (":path", "/a b"), GET[3]]),
    "8.3.1, a method that is no token": headers(fields=[(":method", "GET /"), *GET[1:]]),
    "8.3.1, an authority with user info": headers(fields=[*GET[:3], (":authority", "me@a")]),
    "8.3.1, host and authority that differ": headers(fields=[*GET, ("host", "b")]),
    "8.5, CONNECT with a path": headers(fields=[(":method", "CONNECT"), (":authority", "a:1"), (":path", "/")]),
    "8.5, CONNECT without a port": headers(fields=[(":method", "CONNECT"), (":authority", "a")]),
    "8.1.1, content-length longer than one DATA": length("5", data()),
    "8.1.1, content-length longer than several DATA": length("9", data(end=False), data()),
    "8.1.1, content-length shorter than DATA": length("1", data()),
    "8.1.1, content-length without DATA": headers(1, [*POST, ("content-length", "1")]),
    "8.1.1, content-length and trailers": length("9", data(end=False), headers(fields=[("x", "y")])),
    "RFC 9110 8.6, two content-lengths": headers(1, [*POST, ("content-length", "4"), ("content-length", "5")], end=False),
    "RFC 9110 8.6, a content-length that is no number": length("4x"),
    "RFC 8441 3, :protocol that was not offered": headers(
        fields=[(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]], end=False),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_resets_the_stream(client, name):
    client.send(MALFORMED[name])
    assert first_error(client) == (PROTOCOL_ERROR, RST)
    client.headers(3)
    assert client.until(DATA, 3)[3] == b"hello"


# Behaviour over several frames

def test_3_4_a_preface_that_is_wrong(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)], codec_type="HTTP2"))
    peer = connect(proxy.port("main"))
    peer.send(PREFACE.replace(b"SM", b"XX") + frame(SETTINGS))
    peer.rest()
    other = connect(proxy.port("main"))
    other.send(PREFACE + frame(PING, 0, 0, OPAQUE))  # the first frame is not SETTINGS
    other.rest()
    proxy.wait_stat("http.ingress.downstream_cx_protocol_error", 2)


def test_5_1_2_more_streams_than_allowed(client):
    # The setting is acknowledged: from then on a stream too many is an error of the connection's or its own.
    client.send(*[post(2 * n + 1) for n in range(101)])
    assert first_error(client)[0] in (PROTOCOL_ERROR, REFUSED_STREAM)


def test_6_5_3_settings_are_acknowledged_and_applied_in_order(client):
    client.send(settings((4, 100), (4, 1)))
    found = client.until(SETTINGS)
    assert found[1] == ACK and found[3] == b""
    client.headers(1)
    assert client.until(DATA, 1)[3] == b"h"


def test_6_7_pings_are_answered_with_what_they_say(client):
    client.send(frame(PING, 0, 0, OPAQUE))
    assert client.until(PING)[1:] == (ACK, 0, OPAQUE)
    client.send(frame(PING, ACK, 0, OPAQUE))  # an answer that nobody asked for
    client.send(frame(PING, 0, 0, OPAQUE[::-1]))
    assert client.until(PING)[3] == OPAQUE[::-1]


def test_6_8_streams_under_way_when_the_client_says_goodbye_are_served(client):
    client.headers(1)
    client.send(frame(GOAWAY, 0, 0, number(0) + number(0)))
    assert client.answer(1).body == b"hello"


def test_6_9_windows_hold_data_back(client):
    client.send(settings((4, 1)))
    client.until(SETTINGS)
    client.headers(1)
    assert client.until(DATA, 1)[3] == b"h"
    client.send(frame(WINDOW, 0, 1, number(2)))
    assert client.until(DATA, 1)[3] == b"el"
    client.send(settings((4, 2)))
    assert client.until(DATA, 1)[3] == b"l"


def test_6_9_2_a_window_may_become_negative(client):
    client.send(settings((4, 3)))
    client.until(SETTINGS)
    client.headers(1)
    assert client.until(DATA, 1)[3] == b"hel"
    client.send(settings((4, 2)))
    client.until(SETTINGS)
    client.send(frame(WINDOW, 0, 1, number(2)))
    assert client.until(DATA, 1)[3] == b"l"


def test_6_9_the_connections_window_holds_all_streams_back(start, upstream):
    server = upstream(serve(lambda _request: response(body=b"x" * 100_000)))
    proxy = start(http(clusters=[cluster("app", server.port)]))
    client = H2(proxy.port("main"), settings=struct.pack(">HI", 4, 1 << 20), window=False)
    client.headers(1)
    got = 0
    while got < 65535:
        got += len(client.until(DATA, 1)[3])
    assert got == 65535
    client.send(frame(WINDOW, 0, 0, number(50_000)))
    while got < 100_000:
        got += len(client.until(DATA, 1)[3])


def test_8_1_an_answer_before_the_request_is_whole(start):
    proxy = start(http([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]))
    client = H2(proxy.port("main"))
    client.send(post())
    answer = client.answer(1)
    assert answer.status == 200
    assert client.until(RST, 1)[3] == number(0)  # NO_ERROR: the rest of it is not wanted
    client.send(data(end=False))  # was on its way
    client.headers(3)
    assert client.answer(3).status == 200
