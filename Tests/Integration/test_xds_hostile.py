"""Control planes that do everything wrong: whatever they send, the proxy serves on with what it has, does not grow, and takes the
next good word."""
import contextlib
import threading

import pytest
from bootstrap import cluster, forward, listener
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES, discovery, packed
from google.protobuf import any_pb2
from harness import Upstream, wait_until
from http2_peers import (
    ACK, CANCEL, CONTINUATION, DATA, END, END_HEADERS, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PREFACE, RST, SETTINGS,
    block, frame, number)
from xds_world import Grpc, Planned, body, eds_cluster, endpoints, fill, rds_manager, routes, wait_body

MEBIBYTE = 1 << 20


@pytest.fixture
def world(request):
    made = Planned(**getattr(request, "param", {}))
    yield made
    made.plane.stop()


def serves_on(proxy, world, port):
    """What was there is there, and what is said next is taken."""
    assert body(proxy) == b"one"
    world.put(CLUSTER, eds_cluster(world, "after"))
    world.put(ENDPOINTS, endpoints(port, name="after"))
    world.put(ROUTES, routes(forward("/after", "after"), forward()))
    wait_body(proxy, b"one", "/after")


# Responses


def field(tag, contents):
    length, size = b"", len(contents)
    while size >= 128:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([tag << 3 | 2]) + length + bytes([size]) + contents


def response(*resources, url=CLUSTER, nonce="n", version="v"):
    return discovery.DiscoveryResponse(version_info=version, type_url=url, nonce=nonce, resources=resources)


def deep(levels):
    """A cluster whose metadata has lists in lists (google.protobuf.Value.list_value.values)."""
    value = field(4, b"x")
    for _ in range(levels):
        value = field(6, field(1, value))
    struct = field(1, field(1, b"k") + field(2, value))
    metadata = field(1, field(1, b"filter") + field(2, struct))
    return any_pb2.Any(type_url=CLUSTER, value=field(1, b"deep") + field(25, metadata))


def plain(name, kind=CLUSTER):
    return any_pb2.Any(type_url=kind, value=field(1, name.encode()))


def broken(name):
    """A cluster whose connect_timeout is negative."""
    return any_pb2.Any(type_url=CLUSTER, value=field(1, name.encode()) + field(4, b"\x08" + b"\xff" * 9 + b"\1"))


# Beside the cluster that there is.
REFUSED = {
    "twice": [plain("a"), plain("a")],
    "of another type": [plain("a", LISTENER)],
    "of no type": [any_pb2.Any(value=field(1, b"a"))],
    "no message": [any_pb2.Any(type_url=CLUSTER, value=b"\xff\xff\xff")],
    "nothing": [any_pb2.Any()],
    "deep": [deep(5000)],
    "a long name": [broken("n" * MEBIBYTE)],
    "a control character": [broken("a\r\nb\0")],
    "no text": [any_pb2.Any(type_url=CLUSTER, value=field(1, b"\xff\xfe"))],
    "too many": [any_pb2.Any()] * 100_001,
    "many broken ones": [broken(f"c{i}") for i in range(1000)],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_response(start, world, named, kind):
    port = named(b"one").port
    fill(world, port)
    proxy = start(world.bootstrap())
    wait_body(proxy, b"one")
    world.plane.wait_ack(CLUSTER)
    world.plane.forget()
    world.plane.inject(response(packed(CLUSTER, eds_cluster(world)), *REFUSED[kind]))
    error = world.plane.wait_nack(CLUSTER)
    assert error.message and len(error.message.encode()) < 16_384
    assert proxy.stat("cluster_manager.cds.update_rejected") == 1
    assert len(proxy.log_text()) < 100_000
    if kind == "too many":
        assert proxy.stat("control_plane.too_many_resources") == 1
        assert "outrider.control_plane.max_resources" in proxy.log_text()
    serves_on(proxy, world, port)


IGNORED = {
    "without a type": lambda: response(url=""),
    "of a type that nobody asked for": lambda: response(url="type.googleapis.com/envoy.service.runtime.v3.Runtime"),
    "nothing at all": lambda: b"",
}


@pytest.mark.parametrize("kind", IGNORED)
def test_responses_to_nobody(start, world, named, kind):
    port = named(b"one").port
    fill(world, port)
    proxy = start(world.bootstrap())
    wait_body(proxy, b"one")
    for _ in range(2000):
        world.plane.inject(IGNORED[kind]())
    serves_on(proxy, world, port)
    assert proxy.log_text().count("nobody has asked for") == 1


def test_the_same_nonce_again_and_again(start, world, named):
    port = named(b"one").port
    fill(world, port)
    world.plane.rewrite = lambda one: setattr(one, "nonce", "the same") or one
    proxy = start(world.bootstrap())
    wait_body(proxy, b"one")
    serves_on(proxy, world, port)


def test_a_response_that_is_too_long(start, world, named):
    port = named(b"one").port
    fill(world, port)
    proxy = start(world.bootstrap(layered_runtime={"layers": [
        {"name": "limits", "static_layer": {"outrider.control_plane.max_response_mib": 1}}]}))
    wait_body(proxy, b"one")
    world.plane.inject(response(plain("n" * MEBIBYTE)))
    proxy.wait_stat("control_plane.response_too_large", 1)
    assert "outrider.control_plane.max_response_mib" in proxy.log_text()
    wait_until(lambda: len(world.plane.ended) == 1 and world.plane.streams, "another stream")
    serves_on(proxy, world, port)


def test_the_answer_to_a_nack_is_the_same_again(start, world, named):
    """As servers do that know nothing of errors: a loop, which the log does not go along with."""
    port = named(b"one").port
    fill(world, port)
    proxy = start(world.bootstrap())
    wait_body(proxy, b"one")
    for _ in range(500):
        world.plane.inject(response(plain("a"), plain("a")))
    wait_until(lambda: proxy.stat("cluster_manager.cds.update_rejected") == 500, "all refused")
    assert proxy.log_text().count("was refused") <= 10
    serves_on(proxy, world, port)


# Streams


class RawPlane(Upstream):
    """Speaks HTTP/2 by hand: `answer(peer)` is called when the request of a stream has come."""

    def __init__(self, answer, settings=b""):
        self.settings = settings
        super().__init__(self.run)
        self.answer = answer

    def run(self, peer, _number):
        if peer.exactly(len(PREFACE)) != PREFACE:
            return
        peer.send(frame(SETTINGS, payload=self.settings))
        while True:
            head = peer.exactly(9)
            peer.exactly(int.from_bytes(head[:3], "big"))
            if head[3] == SETTINGS and not head[4] & ACK:
                peer.send(frame(SETTINGS, ACK))
            if head[3] == HEADERS:
                break
        self.answer(peer)


OK = frame(HEADERS, END_HEADERS, 1, block((":status", "200"), ("content-type", "application/grpc")))


def then(*frames, ends=True):
    """Sends these, and then ends the connection, or waits for its end."""
    def answer(peer):
        for one in frames:
            peer.send(one)
        if not ends:
            peer.rest()

    return answer


def message(contents, flag=0):
    return bytes([flag]) + number(len(contents)) + contents


def endless_headers(peer):
    peer.send(frame(HEADERS, 0, 1, block((":status", "200"))))
    while True:
        peer.send(frame(CONTINUATION, 0, 1, block(("x", "y" * 16_000))))


def reset(peer):
    peer.reset()


FAILURES = {
    "goaway": (then(OK, frame(GOAWAY, 0, 0, number(1) + number(ENHANCE_YOUR_CALM) + b"too many"), ends=False), "GOAWAY"),
    "reset stream": (then(OK, frame(RST, 0, 1, number(CANCEL)), ends=False), "reset"),
    "reset connection": (reset, ""),
    "end of the connection": (then(OK), "127.0.0.1"),
    "garbage": (then(b"HTTP/1.1 400 Bad Request\r\n\r\n", ends=False), ""),
    "headers without end": (endless_headers, ""),
    "status 503": (then(frame(HEADERS, END_HEADERS | END, 1, block((":status", "503"))), ends=False), "503"),
    "not grpc": (then(frame(HEADERS, END_HEADERS, 1, block((":status", "200"), ("content-type", "text/html"))), ends=False),
                 "content-type"),
    "a long error": (then(frame(HEADERS, END_HEADERS | END, 1, block(
        (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "8"), ("grpc-message", "no%0A" * 2000))),
        ends=False), "grpc-status 8: no"),
    "compressed": (then(OK, frame(DATA, 0, 1, message(b"x", flag=1)), ends=False), "compressed"),
    "4 GiB": (then(OK, frame(DATA, 0, 1, b"\0\xff\xff\xff\xff"), ends=False), "max_response_mib"),
    "half a message": (then(OK, frame(DATA, END, 1, b"\0\0\0\0\x10half"), ends=False), ""),
    "no protobuf": (then(OK, frame(DATA, 0, 1, message(b"\xff" * 10)), ends=False), "cannot be read"),
}


def asking(port, **source):
    """A proxy that is ready soon, whoever answers."""
    grpc = Grpc(port, initial_fetch_timeout="0.2s", **source)
    static = [cluster("app", port)]
    config = grpc.bootstrap(static)
    config["static_resources"]["listeners"] = [listener({**rds_manager(grpc)}, name="dynamic")]
    return config


@pytest.mark.parametrize("kind", FAILURES)
def test_a_stream_that_fails(start, kind):
    answer, reason = FAILURES[kind]
    plane = RawPlane(answer)
    with contextlib.closing(plane):
        proxy = start(asking(plane.port))
        wait_until(lambda: plane.connections >= 2, "another attempt")
        assert proxy.stat("cluster_manager.cds.update_failure") >= 1
        assert proxy.stat("cluster.xds.upstream_cx_active") <= 1
        text = proxy.log_text()
        assert "the control plane 'xds' (ADS)" in text and reason in text
        assert len(text) < 10_000 and "\nno" not in text


QUIET = {
    # Accepts, and says nothing more, not even SETTINGS.
    "mute": lambda: Upstream(lambda peer, _number: peer.rest()),
    "no answer": lambda: RawPlane(then(ends=False)),
    "a head and no more": lambda: RawPlane(then(OK, ends=False)),
    "no window": lambda: RawPlane(then(OK, ends=False), settings=b"\0\4" + number(0)),
    "no stream": lambda: RawPlane(then(OK, ends=False), settings=b"\0\3" + number(0)),
    "byte by byte": lambda: RawPlane(drip),
}


def drip(peer):
    peer.send(OK)
    stop = threading.Event()
    for byte in message(b"\x0a\x01v" * 20):
        peer.send(frame(DATA, 0, 1, bytes([byte])))
        stop.wait(0.01)
    peer.rest()


@pytest.mark.parametrize("kind", QUIET)
def test_a_control_plane_that_says_nothing(start, kind):
    with contextlib.closing(QUIET[kind]()) as plane:
        proxy = start(asking(plane.port))
        assert proxy.stat("cluster_manager.cds.init_fetch_timeout") == 1
        assert proxy.stat("listener_manager.lds.init_fetch_timeout") == 1
        assert body(proxy, name="dynamic") == 404


def test_a_window_that_stays_shut_holds_requests_back(start, named):
    """Requests wait for the server; they do not pile up."""
    plane = RawPlane(then(OK, ends=False), settings=b"\0\4" + number(10))
    with contextlib.closing(plane):
        proxy = start(asking(plane.port))
        assert proxy.stat("control_plane.pending_requests") <= 4
        assert proxy.stat("control_plane.connected_state") == 1


def test_tls_that_fails(start, upstream, ca):
    """The server speaks no TLS."""
    plain_text = upstream(lambda peer, _number: peer.send("220 mail\r\n") or peer.rest())
    config = asking(plain_text.port)
    tls = {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
           "common_tls_context": {"validation_context": {"trusted_ca": {"filename": str(ca.path)}}}}
    config["static_resources"]["clusters"][0]["transport_socket"] = {
        "name": "envoy.transport_sockets.tls", "typed_config": tls}
    proxy = start(config)
    wait_until(lambda: proxy.stat("cluster_manager.cds.update_failure") >= 2, "two attempts")
    assert "does not speak TLS" in proxy.log_text()
