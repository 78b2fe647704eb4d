"""Gone last: on SIGTERM the app's own calls go out until the app has ended, or nothing is called any more."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from bootstrap import address, bootstrap, cluster, forward, listener, manager, tcp_proxy
from harness import connect, free_port, refused, response, wait_until

REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

# An app that says goodbye to a peer, through its sidecar, when it is told to end.
APP = textwrap.dedent("""
    import signal, socket, sys, threading, time
    port, delay, calls = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    def call():
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(b"GET /goodbye HTTP/1.1\\r\\nHost: peer\\r\\n\\r\\n")
            return b" 200 " in sock.recv(65536)
    def end(*_):
        good = 0
        for _ in range(calls):
            time.sleep(delay)
            with __import__("contextlib").suppress(OSError):
                good += call()
        print(good, flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("up", flush=True)
    threading.Event().wait()
""")


@contextlib.contextmanager
def app(port, delay, calls):
    process = subprocess.Popen([sys.executable, "-c", APP, str(port), str(delay), str(calls)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def both(peer, inbound=None):
    """A sidecar with a listener for each direction."""
    return bootstrap(
        [listener(inbound or manager([forward()]), name="in", traffic_direction="INBOUND"),
         listener(manager([forward(to="peer")]), name="out", traffic_direction="OUTBOUND")],
        [cluster("app", peer), cluster("peer", peer)])


def test_the_app_calls_out_while_it_ends(start, upstream):
    """Both are told to end at the same time, as in a pod; the app takes longer than any quiet period."""
    peer, inbound, outbound = upstream(), free_port(), free_port()
    config = both(peer.port)
    for entry, port in zip(config["static_resources"]["listeners"], (inbound, outbound)):
        entry["address"] = address(port)
    with app(outbound, 1.5, 2) as child:
        assert child.stdout.readline() == "up\n"
        proxy = start(config, arguments=["--exit-with", str(child.pid)])
        proxy.signal(signal.SIGTERM)
        child.terminate()
        wait_until(lambda: refused(inbound), "inbound closed")
        assert proxy.get_admin("/ready").status == 503
        assert proxy.stat("listener_manager.total_listeners_active") == 1
        assert child.stdout.readline() == "2\n"
        assert child.wait(10) == 0
        assert proxy.process.wait(10) == 0
        assert f"process {child.pid} has ended" in proxy.log_text()


def test_without_exit_with_calls_go_out_until_it_is_quiet(start, upstream):
    peer = upstream()
    proxy = start(both(peer.port))
    inbound, outbound = proxy.port("in"), proxy.port("out")
    kept = connect(outbound)
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: refused(inbound), "inbound closed")
    for _ in range(8):
        kept.send(REQUEST)
        answer = kept.response()
        # Not told to go elsewhere: there is no elsewhere.
        assert (answer.status, answer.get("connection")) == (200, None)
        other = connect(outbound)
        other.send(REQUEST)
        assert other.response().status == 200
        other.close()
        time.sleep(0.3)
    assert proxy.process.poll() is None
    assert proxy.process.wait(10) == 0
    assert kept.closed()


def test_it_ends_with_the_app_alone(start, upstream):
    """No SIGTERM at all: what a job needs."""
    sleeper = subprocess.Popen(["sleep", "600"])
    proxy = start(both(upstream().port), arguments=["--exit-with", str(sleeper.pid)])
    client = proxy.client("in")
    client.send(REQUEST)
    assert client.response().status == 200
    sleeper.kill()
    sleeper.wait()
    assert proxy.process.wait(10) == 0
    assert f"process {sleeper.pid} has ended: draining" in proxy.log_text()


def test_a_running_request_of_the_app_is_waited_for(start, upstream):
    gate = threading.Event()

    def late(peer, _number):
        while peer.request():
            assert gate.wait(20)
            peer.send(response(body=b"late"))

    proxy = start(both(upstream(late).port))
    client = proxy.client("out")
    client.send(REQUEST)
    proxy.wait_stat("http.ingress.downstream_rq_active", 1)
    inbound = proxy.port("in")
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: refused(inbound), "inbound closed")
    time.sleep(1.3)  # longer than the quiet that would end it
    assert proxy.process.poll() is None
    gate.set()
    assert client.response().body == b"late"
    assert proxy.process.wait(10) == 0


def test_the_deadline_holds_for_an_app_that_does_not_end(start, upstream):
    sleeper = subprocess.Popen(["sleep", "600"])
    try:
        proxy = start(both(upstream().port), arguments=["--exit-with", str(sleeper.pid), "--drain-time-s", "1"])
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(10) == 0
        assert "--drain-time-s 1 has passed" in proxy.log_text()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_second_signal_ends_at_once(start, upstream):
    sleeper = subprocess.Popen(["sleep", "600"])
    try:
        proxy = start(both(upstream().port), arguments=["--exit-with", str(sleeper.pid)])
        inbound = proxy.port("in")
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: refused(inbound), "draining")
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(5) == 0
    finally:
        sleeper.kill()
        sleeper.wait()


@pytest.fixture
def cgroup():
    """A cgroup of version 2 of our own."""
    for root in (pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/unified")):
        if not (root / "cgroup.controllers").exists():
            continue
        path = root / f"outrider-test-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            break
        yield path
        path.rmdir()
        return
    pytest.skip("no cgroup can be made here")


def test_it_ends_when_a_cgroup_is_empty(start, upstream, cgroup):
    proxy = start(both(upstream().port), arguments=["--exit-with", f"cgroup:{cgroup.name}"])
    # Empty, but not yet used: that is no end.
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
    for sleeper in sleepers:
        (cgroup / "cgroup.procs").write_text(str(sleeper.pid))
    sleepers[0].kill()
    sleepers[0].wait()
    assert proxy.get_admin("/ready").status == 200
    sleepers[1].kill()
    sleepers[1].wait()
    assert proxy.process.wait(10) == 0
    assert f"cgroup {cgroup.name} has ended" in proxy.log_text()


@pytest.mark.parametrize("value, word", [
    ("nobody", "neither a process's number nor cgroup:PATH"), ("2147483647", "No such process"),
    ("cgroup:/no/such", "no cgroup.events"), ("cgroup:/", "this process in it"),
])
def test_what_cannot_be_watched_is_said(tmp_path, upstream, value, word):
    import json
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(bootstrap([listener(tcp_proxy())], [cluster("app", upstream().port)])))
    done = subprocess.run([os.environ["OUTRIDER"], "-c", str(path), "--exit-with", value],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and word in done.stderr, done.stderr
