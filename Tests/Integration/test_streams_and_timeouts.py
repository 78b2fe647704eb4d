"""What ends long streams: upgraded, tunnelled, half-open and server-streaming ones, as in Envoy; and the warning about it."""
import contextlib
import os
import subprocess

import pytest
from bootstrap import cluster, forward, http

WEBSOCKET = "connection: Upgrade\r\nupgrade: websocket\r\n"
ROUTE = {"timeout": "0.2s"}


def quiet(peer, seconds=0.5):
    """Nothing comes for a while, longer than the route's timeout."""
    peer.sock.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        assert not peer.sock.recv(100), "something came"
        raise AssertionError("the stream was ended")
    peer.sock.settimeout(20)


def echo(peer, _number):
    request = peer.request()
    if request.get("upgrade"):
        peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
    while peer.buffer or peer.fill():
        peer.send(peer.buffer)
        peer.buffer = b""


def test_an_upgraded_stream_has_no_route_timeout(either, upstream):
    proxy = either(http([forward(**ROUTE)], [cluster("app", upstream(echo).port)],
                        upgrade_configs=[{"upgrade_type": "websocket"}]))
    with contextlib.closing(proxy.client()) as client:
        client.send(f"GET / HTTP/1.1\r\nhost: a\r\n{WEBSOCKET}\r\n")
        assert client.response().status == 101
        quiet(client)
        client.send(b"still there?")
        assert client.exactly(12) == b"still there?"


def test_nor_has_a_connect_that_ends_here(either, upstream):
    app = upstream(lambda peer, _: (peer.fill(), peer.send(peer.buffer)))
    route = {"match": {"connect_matcher": {}}, "route": {"cluster": "app", **ROUTE, "upgrade_configs": [
        {"upgrade_type": "CONNECT", "connect_config": {}}]}}
    proxy = either(http([route], [cluster("app", app.port)]))
    with contextlib.closing(proxy.client()) as client:
        client.send("CONNECT app:1 HTTP/1.1\r\nhost: app:1\r\n\r\n")
        assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        quiet(client)
        client.send(b"hello")
        assert client.exactly(5) == b"hello"


def test_an_upgrade_that_is_not_answered_has(either, upstream):
    app = upstream(lambda peer, _: (peer.request(), peer.fill()))
    proxy = either(http([forward(**ROUTE)], [cluster("app", app.port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    with contextlib.closing(proxy.client()) as client:
        client.send(f"GET / HTTP/1.1\r\nhost: a\r\n{WEBSOCKET}\r\n")
        assert client.response().status == 504


def test_a_quiet_upgraded_stream_is_idle(either, upstream):
    proxy = either(http([forward(idle_timeout="0.2s", **ROUTE)], [cluster("app", upstream(echo).port)],
                        upgrade_configs=[{"upgrade_type": "websocket"}]))
    with contextlib.closing(proxy.client()) as client:
        client.send(f"GET / HTTP/1.1\r\nhost: a\r\n{WEBSOCKET}\r\n")
        assert client.response().status == 101
        assert client.rest() == b""


def drip(peer, _number):
    peer.until(b"\r\n\r\n")
    peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    peer.fill()


@pytest.mark.parametrize("whole", [True, False], ids=["the request is whole", "the request goes on"])
def test_a_response_that_goes_on_is_cut_once_the_request_is_whole(either, upstream, whole):
    proxy = either(http([forward(**ROUTE)], [cluster("app", upstream(drip).port)]))
    with contextlib.closing(proxy.client()) as client:
        body = "2\r\nab\r\n" + ("0\r\n\r\n" if whole else "")
        client.send(f"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}")
        assert client.until(b"\r\n1\r\na\r\n").startswith(b"HTTP/1.1 200")
        if whole:
            assert client.closed()
        else:
            quiet(client)


def test_defaults_that_end_streams_are_warned_of(tmp_path):
    """By `validate` and in the log, with their place."""
    path = tmp_path / "bootstrap.yaml"
    path.write_text("""\
static_resources:
  clusters: [{name: app}]
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          http_filters:
          - {name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          upgrade_configs:
          - upgrade_type: websocket
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /, grpc: {}}
                route: {cluster: app}
""")
    done = subprocess.run([os.environ["OUTRIDER"], "validate", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    lines = sorted(line for line in done.stderr.splitlines() if line.startswith("warning: "))
    assert len(lines) == 2
    assert f"{path}:15:" in lines[0] and "stream_idle_timeout" in lines[0] and "300s" in lines[0]
    assert f"{path}:22:" in lines[1] and "timeout" in lines[1] and "15s" in lines[1]
