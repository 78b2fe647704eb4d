"""Ready first: what /ready waits for, and `outrider wait`."""
import contextlib
import os
import socket
import subprocess
import threading

import pytest
from bootstrap import cluster, http
from harness import Upstream, free_port, ok_upstream, response, serve, wait_until

GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def wait(*arguments, timeout=20):
    return subprocess.run([os.environ["OUTRIDER"], "wait", *arguments], capture_output=True, text=True, timeout=timeout, check=False)


@contextlib.contextmanager
def waiting(*arguments):
    process = subprocess.Popen([os.environ["OUTRIDER"], "wait", *arguments], stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def server_on(port, script):
    """An upstream on a port that was free a moment ago."""
    server = Upstream(script)
    server.listener.close()
    server.listener = socket.create_server(("127.0.0.1", port))
    server.port = port
    threading.Thread(target=server._accept, daemon=True).start()
    return server


def test_ready_follows_the_app(start):
    port = free_port()
    proxy = start(http(clusters=[cluster("app", port)]), arguments=["--ready-when-app", f"tcp://127.0.0.1:{port}"], wait=False)
    proxy.wait_admin()
    wait_until(lambda: "Connection refused" in ready(proxy)[1], "the reason")
    assert ready(proxy) == (503, f"the app at tcp://127.0.0.1:{port} does not answer: Connection refused\n")
    assert proxy.stat("server.live") == 1
    app = server_on(port, serve(lambda _request: response(body=b"hello")))
    try:
        wait_until(lambda: ready(proxy) == (200, "LIVE\n"), "ready with the app")
        client = proxy.client()
        client.send(GET)
        assert client.response().body == b"hello"
    finally:
        app.listener.shutdown(socket.SHUT_RDWR)
        app.close()
    wait_until(lambda: ready(proxy)[0] == 503, "not ready without the app")
    assert "not ready: the app at" in proxy.log_text()


def ready(proxy):
    try:
        answer = proxy.get_admin("/ready")
        return answer.status, answer.body.decode()
    except OSError:
        return 0, ""


def test_ready_follows_a_health_path(start, upstream):
    health = {"status": 500}
    app = upstream(serve(lambda _request: response(status=health["status"], body=b"starting\nmore")))
    proxy = start(http(clusters=[cluster("app", app.port)]),
                  arguments=["--ready-when-app", f"http://127.0.0.1:{app.port}/health"], wait=False)
    proxy.wait_admin()
    wait_until(lambda: "status 500" in ready(proxy)[1], "the reason")
    assert app.requests[0].path == "/health"
    health["status"] = 204
    wait_until(lambda: ready(proxy)[0] == 200, "ready")


def test_wait_for_the_sidecar(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    done = wait("--admin", f"127.0.0.1:{proxy.admin}")
    assert done.returncode == 0 and "is ready after" in done.stderr, done.stderr
    assert proxy.get_admin("/healthcheck/fail", "POST").status == 200
    done = wait("--admin", f"127.0.0.1:{proxy.admin}", "--timeout", "300ms")
    assert done.returncode == 1
    assert f"gave up after 300ms: outrider at 127.0.0.1:{proxy.admin}: status 503: DRAINING" in done.stderr


def test_wait_for_an_admin_socket(start, upstream, tmp_path):
    path = str(tmp_path / "admin.sock")
    config = http(clusters=[cluster("app", upstream().port)])
    config["admin"]["address"] = {"pipe": {"path": path}}
    start(config, wait=False)
    assert wait("--admin", path).returncode == 0


def test_wait_for_dependencies_that_come_late():
    port, web = free_port(), ok_upstream()
    with waiting("--for", f"tcp://127.0.0.1:{port}", "--for", f"http://localhost:{web.port}/x") as process:
        assert f"http://localhost:{web.port}/x is ready" in "".join(process.stderr.readline() for _ in range(2))
        assert process.poll() is None
        late = server_on(port, serve(lambda _request: response()))
        assert process.wait(20) == 0
        late.close()
    assert web.requests[0].path == "/x"
    web.close()


def test_wait_ends_with_a_signal():
    with waiting("--for", f"tcp://127.0.0.1:{free_port()}", "--timeout", "0") as process:
        assert "Connection refused" in process.stderr.readline()
        process.terminate()
        assert process.wait(10) == 1
        assert "interrupted" in process.stderr.read()


@pytest.mark.parametrize("arguments, word", [
    (["--for", "db:3306"], "no scheme"), (["--for", "https://a"], "none of tcp, http and unix"),
    (["--timeout", "soon"], "no length of time"), (["--admin", "x"], "no port"), (["--for", "tcp://no-such.invalid:1", "--timeout", "300ms"], "gave up"),
])
def test_wait_says_what_is_wrong(arguments, word):
    done = wait(*arguments)
    assert done.returncode != 0 and word in done.stderr, done.stderr
