"""Start, drain and end: what the process does with its signals, its flags and the requests that run meanwhile."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import pytest
from bootstrap import address, bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from harness import connect, refused, response, wait_until

REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Gate:
    """An upstream script that answers when it is told to."""

    def __init__(self):
        self.open = threading.Event()

    def __call__(self, peer, _number):
        while peer.request():
            assert self.open.wait(20)
            peer.send(response(body=b"late"))


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open.set()


def run(*arguments, config=None, folder=None, timeout=20):
    """Runs the program to its end."""
    command = [os.environ["OUTRIDER"], *arguments]
    if config is not None:
        path = pathlib.Path(folder) / "bootstrap.json"
        path.write_text(json.dumps(config))
        command += ["-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def busy(proxy):
    """A client whose request waits upstream."""
    client = proxy.client()
    client.send(REQUEST)
    proxy.wait_stat("http.ingress.downstream_rq_active", 1)
    return client


def test_sigterm_finishes_what_runs(start, upstream, gate):
    proxy = start(http(clusters=[cluster("app", upstream(gate).port)]))
    port = proxy.port("main")
    client = busy(proxy)
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: refused(port), "new connections refused")
    ready = proxy.get_admin("/ready")
    assert (ready.status, ready.body) == (503, b"DRAINING\n")
    assert proxy.stat("server.live") == 0
    assert proxy.stat("listener_manager.total_listeners_draining") == 1
    assert proxy.process.poll() is None
    gate.open.set()
    answer = client.response()
    assert (answer.status, answer.body, answer.get("connection")) == (200, b"late", "close")
    assert client.closed()
    assert proxy.process.wait(10) == 0


def test_sigterm_ends_at_once_when_nothing_runs(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    idle = proxy.client()
    idle.send(REQUEST)
    assert idle.response().status == 200
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(5) == 0
    assert idle.closed()


def test_sigterm_lets_a_tcp_session_end(start, upstream):
    server = upstream(lambda peer, _number: peer.send(b"bye:" + (peer.until(b"\n") or b"")))
    proxy = start(bootstrap([listener(tcp_proxy())], [cluster("app", server.port)]))
    port, client = proxy.port("main"), proxy.client()
    proxy.wait_stat("tcp.tcp.downstream_cx_total", 1)
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: refused(port), "new connections refused")
    client.send("last words\n")
    assert client.rest() == b"bye:last words\n"
    client.close()
    assert proxy.process.wait(10) == 0


def test_drain_ends_at_its_deadline(start, upstream, gate):
    proxy = start(http(clusters=[cluster("app", upstream(gate).port)]), arguments=["--drain-time-s", "1"])
    client = busy(proxy)
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(10) == 0
    assert client.closed()
    assert "--drain-time-s 1 has passed" in proxy.log_text()


@pytest.mark.parametrize("first, second", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)])
def test_second_signal_ends_at_once(start, upstream, gate, first, second):
    proxy = start(http(clusters=[cluster("app", upstream(gate).port)]))
    port, client = proxy.port("main"), busy(proxy)
    proxy.signal(first)
    wait_until(lambda: refused(port), "draining")
    proxy.signal(second)
    assert proxy.process.wait(5) == 0
    assert client.closed()


def test_other_signals_do_not_end_it(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
        proxy.signal(number)
    wait_until(lambda: "SIGHUP" in proxy.log_text(), "SIGHUP logged")
    client = proxy.client()
    client.send(REQUEST)
    assert client.response().status == 200


def test_quitquitquit_ends_at_once(start, upstream, gate):
    proxy = start(http(clusters=[cluster("app", upstream(gate).port)]))
    client = busy(proxy)
    assert proxy.get_admin("/quitquitquit", "POST").status == 200
    assert proxy.process.wait(5) == 0
    assert client.closed()


def test_healthcheck_fail_and_ok(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=["--drain-strategy", "immediate"])
    kept = proxy.client()
    for _ in range(2):
        kept.send(REQUEST)
        assert kept.response().get("connection") is None
    assert proxy.get_admin("/healthcheck/fail", "POST").status == 200
    assert proxy.get_admin("/ready").status == 503
    assert proxy.stat("server.live") == 0
    # Served as before, but told to go elsewhere.
    kept.send(REQUEST)
    answer = kept.response()
    assert (answer.status, answer.get("connection")) == (200, "close")
    assert kept.closed()
    assert proxy.stat("http.ingress.downstream_cx_drain_close") == 1
    assert not refused(proxy.port("main"))
    assert proxy.get_admin("/healthcheck/ok", "POST").status == 200
    assert proxy.get_admin("/ready").status == 200
    kept = proxy.client()
    kept.send(REQUEST)
    assert kept.response().get("connection") is None


def test_drain_listeners_stops_listening(start, upstream, gate):
    proxy = start(http(clusters=[cluster("app", upstream(gate).port)]))
    port, client = proxy.port("main"), busy(proxy)
    assert proxy.get_admin("/drain_listeners", "POST").status == 200
    wait_until(lambda: refused(port), "listener closed")
    gate.open.set()
    assert client.response().body == b"late"
    assert proxy.process.poll() is None
    assert proxy.get_admin("/ready").status == 200


def test_drain_listeners_inboundonly_keeps_the_others(start, upstream):
    server = upstream()
    config = bootstrap(
        [listener(manager([forward()]), name="in", traffic_direction="INBOUND"), listener(manager([forward()]), name="out")],
        [cluster("app", server.port)])
    proxy = start(config)
    inbound, outbound = proxy.port("in"), proxy.port("out")
    assert proxy.get_admin("/drain_listeners?inboundonly", "POST").status == 200
    wait_until(lambda: refused(inbound), "inbound closed")
    client = connect(outbound)
    client.send(REQUEST)
    assert client.response().status == 200


def test_drain_listeners_graceful_serves_until_the_drain_time(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]),
                  arguments=["--drain-time-s", "2", "--drain-strategy", "immediate"])
    port = proxy.port("main")
    assert proxy.get_admin("/drain_listeners?graceful", "POST").status == 200
    client = connect(port)
    client.send(REQUEST)
    answer = client.response()
    assert (answer.status, answer.get("connection")) == (200, "close")
    wait_until(lambda: refused(port), "closed after the drain time")
    assert proxy.process.poll() is None


def test_no_request_is_lost_while_draining_under_load(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=["--concurrency", "2"])
    port = proxy.port("main")
    outcomes, lock = {"answered": 0, "lost": []}, threading.Lock()
    begun = threading.Barrier(9)

    def load():
        first = True
        while True:
            try:
                client = connect(port)
            except ConnectionError:
                return  # not listening any more: never accepted, so not lost
            with contextlib.closing(client):
                for number in range(1000):
                    try:
                        client.send(REQUEST)
                        answer = client.response()
                    except ConnectionError:
                        answer = None
                    if answer is None:
                        with lock:
                            outcomes["lost"].append(number)
                        break
                    assert (answer.status, answer.body) == (200, b"hello")
                    with lock:
                        outcomes["answered"] += 1
                    if first:
                        first = False
                        begun.wait(20)
                    if answer.get("connection") == "close":
                        break

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    begun.wait(20)
    wait_until(lambda: outcomes["answered"] > 200, "some load")
    proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(20) == 0
    for thread in threads:
        thread.join(20)
    # Neither a request under way, nor one that crosses the close on the wire, nor one on a connection just made.
    assert outcomes["lost"] == [], outcomes


def test_admin_address_path(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    assert proxy.admin_file.read_text() == f"127.0.0.1:{proxy.admin}"


def test_mode_validate(tmp_path):
    result = run("--mode", "validate", config=http(clusters=[cluster("app", 1)]), folder=tmp_path)
    assert result.returncode == 0
    assert f"configuration '{tmp_path / 'bootstrap.json'}' OK" in result.stdout + result.stderr


def test_mode_init_only(tmp_path):
    result = run("--mode", "init_only", config=http(clusters=[cluster("app", 1)]), folder=tmp_path)
    assert result.returncode == 0, result.stderr


def test_version_and_help():
    assert run("--version").returncode == 0
    text = run("--help").stdout
    for flag in ("--config-path", "--concurrency", "--drain-time-s", "--mode", "--log-level"):
        assert flag in text


def test_hot_restart_can_be_off(start, upstream):
    flags = ["--restart-epoch", "0", "--base-id", "7", "--disable-hot-restart", "--skip-hot-restart-on-no-parent"]
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=flags)
    assert proxy.get_admin("/hot_restart_version").body == b"disabled"
    assert run("--hot-restart-version", "--disable-hot-restart").stdout == "disabled\n"
    assert run("--hot-restart-version").stdout == "outrider.1\n"


@pytest.mark.parametrize("where", ["listener", "admin"])
def test_port_in_use_is_a_clear_error(tmp_path, where):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = http(clusters=[cluster("app", 1)])
        target = config["admin"] if where == "admin" else config["static_resources"]["listeners"][0]
        target["address"] = address(port)
        result = run(config=config, folder=tmp_path)
    assert result.returncode == 1
    assert f"127.0.0.1:{port}" in result.stderr and "Address already in use" in result.stderr, result.stderr
    assert ("admin" if where == "admin" else "listener 'main'") in result.stderr


@pytest.mark.parametrize("arguments, word", [
    ([], "-c FILE"), (["-c", "/nonexistent.yaml"], "/nonexistent.yaml"), (["--concurrency", "x", "-c", "f"], "concurrency"),
    (["--no-such-flag", "-c", "f"], "no-such-flag"), (["-l", "loud", "-c", "f"], "loud"), (["--stats-tag", "x", "-c", "f"], "stats-tag"),
    (["--stats-tag", "a_b:c", "-c", "f"], "a tag's name has letters and digits only"),
    (["--component-log-level", "foo:debug", "-c", "f"], "there is no component 'foo'; it is one of a2a, admin, "),
])
def test_bad_command_line_ends_with_a_reason(arguments, word):
    result = run(*arguments)
    assert result.returncode != 0
    assert word in result.stderr


def many(proxy, connections, requests):
    clients = [proxy.client() for _ in range(connections)]
    for _ in range(requests):
        for client in clients:
            client.send(REQUEST)
        for client in clients:
            assert client.response().status == 200
    return clients


def test_counters_add_up_across_workers(start, upstream):
    config = http(clusters=[cluster("app", upstream().port)])
    config["static_resources"]["listeners"][0]["stat_prefix"] = "main"
    proxy = start(config, arguments=["--concurrency", "2"])
    clients = many(proxy, 40, 5)
    stats = proxy.stats()
    assert stats["http.ingress.downstream_rq_2xx"] == 200
    assert stats["cluster.app.upstream_rq_total"] == 200
    assert stats["http.ingress.downstream_cx_active"] == 40
    workers = [stats[f"listener.main.worker_{index}.downstream_cx_total"] for index in (0, 1)]
    assert sum(workers) == stats["listener.main.downstream_cx_total"] == 40
    assert min(workers) > 0
    for client in clients:
        client.close()
    proxy.wait_stat("http.ingress.downstream_cx_active", 0)


def test_circuit_breakers_hold_across_workers(start, upstream, gate):
    limits = {"circuit_breakers": {"thresholds": [{"max_requests": 5, "max_connections": 100, "max_pending_requests": 100}]}}
    server = upstream(gate)
    proxy = start(http(clusters=[cluster("app", server.port, **limits)]), arguments=["--concurrency", "2"])
    clients = []
    for _ in range(30):
        client = proxy.client()
        client.send(REQUEST)
        clients.append(client)
    wait_until(lambda: proxy.stat("http.ingress.downstream_rq_total") == 30
               and proxy.stat("http.ingress.downstream_rq_active") == 5, "five requests under way")
    assert proxy.stat("cluster.app.circuit_breakers.default.rq_open") >= 1
    gate.open.set()
    statuses = [client.response().status for client in clients]
    assert (statuses.count(200), statuses.count(503)) == (5, 25)
    assert proxy.stat("cluster.app.upstream_rq_total") == 5
    assert proxy.stat("cluster.app.upstream_rq_active_overflow") == 25
    assert proxy.stat("cluster.app.circuit_breakers.default.rq_open") == 0


def test_worker_count(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]), arguments=["--concurrency", "3"])
    assert proxy.stat("server.concurrency") == 3


def test_log_lines_go_where_they_are_told(start, upstream, tmp_path):
    path = tmp_path / "outrider.log"
    proxy = start(http(clusters=[cluster("app", upstream().port)]),
                  arguments=["--log-path", str(path), "--log-format", "%l|%v", "-l", "info"])
    wait_until(lambda: "info|" in path.read_text(), "log lines in the file")
    assert proxy.log_text() == ""
