"""Hot restart: a new process takes the sockets over; nobody is refused, nothing is lost, and counters go on."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from bootstrap import address, bootstrap, cluster, forward, http, listener, manager, tcp_proxy
from harness import Peer, connect, free_port, response, wait_until

REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = ["--drain-time-s", "2", "--parent-shutdown-time-s", "20"]


@pytest.fixture
def path():
    """Where two generations meet."""
    return f"@outrider-test-{os.getpid()}-{time.monotonic_ns()}"


@pytest.fixture
def launch(start, path):
    """launch(config, ...) -> the next generation, once it has taken over."""

    def launch(config, *arguments, flags=("--hot-restart-path", path), **settings):
        proxy = start(config, arguments=[*flags, *arguments], wait=False, **settings)
        wait_until(lambda: "] ready after" in proxy.log_text() or ended(proxy), "the new process ready")
        proxy.wait_admin()
        return proxy

    return launch


def ended(proxy):
    if proxy.process.poll() is not None:
        raise AssertionError(f"the new process ended with {proxy.process.returncode}:\n{proxy.log_text()}")


def ask(port):
    with contextlib.closing(connect(port)) as client:
        client.send(REQUEST)
        return client.response()


def inbound(*ports, **settings):
    """One HTTP listener for each upstream port, with a fixed stat prefix."""
    return http(clusters=[cluster("app", *ports)], **settings)


class Load:
    """Clients that ask without a pause until they are told to stop; whatever goes wrong is kept."""

    def __init__(self, port, kept=3, new=3, limit=200_000):
        self.port, self.limit = port, limit
        self.answered, self.errors, self.stopped = 0, [], threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(index < kept,)) for index in range(kept + new)]
        for thread in self.threads:
            thread.start()

    def _run(self, keeps):
        client = None
        try:
            for _ in range(self.limit):
                if self.stopped.is_set():
                    return
                client = client or connect(self.port)
                client.send(REQUEST)
                answer = client.response()
                assert answer is not None and (answer.status, answer.body) == (200, b"hello"), answer
                with self.lock:
                    self.answered += 1
                if not keeps or answer.get("connection") == "close":
                    client.close()
                    client = None
        except (OSError, AssertionError) as error:
            self.errors.append(repr(error))

    def more(self):
        """Waits until some more requests are answered."""
        before = self.answered
        wait_until(lambda: self.answered >= before + 50 or self.errors, "load")

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(20)
        assert self.errors == []
        return self.answered


class Scrapes:
    """Reads a counter again and again, as a monitoring system does, over the admin port that is handed on."""

    def __init__(self, proxy, name):
        self.proxy, self.name = proxy, name
        self.seen, self.errors, self.stopped = [0], [], threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.stopped.is_set():
            try:
                value = self.proxy.stat(self.name)
                if value < self.seen[-1]:
                    self.errors.append((self.seen[-1], value))
                self.seen.append(value)
            except (OSError, AttributeError) as error:
                self.errors.append(repr(error))
            self.stopped.wait(0.02)

    def stop(self):
        self.stopped.set()
        self.thread.join(20)
        assert self.errors == []


@pytest.mark.parametrize("strategy", ["immediate", "gradual"])
def test_ten_restarts_under_load_lose_nothing(launch, upstream, strategy):
    config = inbound(upstream().port)
    flags = [*QUICK, "--drain-strategy", strategy]
    generations = [launch(config, *flags)]
    port = generations[0].port("main")
    load, scrapes = Load(port), Scrapes(generations[0], "http.ingress.downstream_rq_total")
    try:
        for number in range(1, 11):
            load.more()
            generations.append(launch(config, *flags))
            assert generations[-1].port("main") == port
            assert generations[-1].stat("server.hot_restart_epoch") == number
        load.more()
    finally:
        answered = load.stop()
        scrapes.stop()
    assert len(scrapes.seen) > 10
    for old in generations[:-1]:
        assert old.process.wait(20) == 0
        assert "passed" not in old.log_text()
    last = generations[-1]
    # Not one is forgotten, over eleven processes.
    last.wait_stat("http.ingress.downstream_rq_2xx", answered)
    assert last.stat("http.ingress.downstream_rq_total") == answered
    last.wait_stat("http.ingress.downstream_cx_active", 0)
    assert last.stat("server.parent_connections") == 0


def test_worker_counts_may_change(launch, upstream):
    """More queues than workers, and more workers than queues: every one is emptied."""
    config = inbound(upstream().port)
    generations = [launch(config, *QUICK, "--concurrency", "3")]
    port = generations[0].port("main")
    load = Load(port, kept=1, new=3)
    try:
        for count in ("1", "4", "2"):
            load.more()
            generations.append(launch(config, *QUICK, "--concurrency", count))
            generations[-2].process.wait(20)
            assert generations[-1].stat("server.concurrency") == int(count)
            load.more()
        for _ in range(60):
            assert ask(port).status == 200
    finally:
        load.stop()


def test_what_runs_in_the_old_process_is_finished(launch, upstream):
    gate = threading.Event()

    def late(peer, number):
        while peer.request():
            assert number > 1 or gate.wait(20)
            peer.send(response(body=b"late"))

    config = inbound(upstream(late).port)
    old = launch(config)
    port = old.port("main")
    client = old.client()
    client.send(REQUEST)
    old.wait_stat("http.ingress.downstream_rq_active", 1)
    new = launch(config)
    assert ask(port).body == b"late"
    # One sum over both processes.
    new.wait_stat("http.ingress.downstream_rq_active", 1)
    assert new.stat("server.parent_connections") >= 1
    assert old.process.poll() is None
    gate.set()
    assert client.response().body == b"late"
    client.close()
    assert old.process.wait(10) == 0
    new.wait_stat("http.ingress.downstream_rq_active", 0)
    assert new.stat("http.ingress.downstream_rq_total") == 2


def test_an_idle_connection_is_served_by_the_old_process(launch, upstream):
    config = inbound(upstream().port)
    old = launch(config, "--drain-strategy", "immediate")
    client = old.client()
    client.send(REQUEST)
    assert client.response().status == 200
    launch(config)
    time.sleep(1.5)  # longer than the grace of a drain by signal
    assert old.process.poll() is None
    client.send(REQUEST)
    answer = client.response()
    assert (answer.status, answer.get("connection")) == (200, "close")
    assert old.process.wait(10) == 0


def test_what_is_idle_goes_after_the_drain_time_and_what_runs_at_the_limit(launch, upstream):
    def never(peer, _number):
        while peer.request():
            peer.closed()

    config = bootstrap(
        [listener(manager([forward("/never", to="never"), forward()]))],
        [cluster("app", upstream().port), cluster("never", upstream(never).port)])
    old = launch(config, "--drain-time-s", "1", "--parent-shutdown-time-s", "4")
    idle, busy = old.client(), old.client()
    idle.send(REQUEST)
    assert idle.response().status == 200
    busy.send(REQUEST.replace(" / ", " /never "))
    old.wait_stat("http.ingress.downstream_rq_active", 1)
    launch(config)
    assert idle.closed()
    assert old.process.poll() is None
    assert busy.closed()
    assert old.process.wait(10) == 0
    assert "--parent-shutdown-time-s 4 has passed" in old.log_text()


def test_a_tcp_session_stays_with_the_old_process(launch, upstream):
    server = upstream(lambda peer, _number: peer.send(b"bye:" + (peer.until(b"\n") or b"")))
    config = bootstrap([listener(tcp_proxy())], [cluster("app", server.port)])
    old = launch(config)
    session = old.client()
    old.wait_stat("tcp.tcp.downstream_cx_total", 1)
    new = launch(config)
    other = new.client()
    other.send("new\n")
    assert other.rest() == b"bye:new\n"
    assert old.process.poll() is None
    session.send("old\n")
    assert session.rest() == b"bye:old\n"
    session.close()
    assert old.process.wait(10) == 0
    assert new.stat("tcp.tcp.downstream_cx_total") == 2


@pytest.mark.parametrize("kind", ["unix", "one queue for all workers", "ipv6"])
def test_other_sockets_go_over_too(launch, upstream, tmp_path, kind):
    config = inbound(upstream().port)
    entry = config["static_resources"]["listeners"][0]
    path = str(tmp_path / "listener.sock")
    if kind == "unix":
        entry["address"] = {"pipe": {"path": path, "mode": 0o600}}
    elif kind == "ipv6":
        entry["address"] = address(host="::1")
    else:
        entry["enable_reuse_port"] = False

    def again():
        if kind == "unix":
            client = Peer(socket.socket(socket.AF_UNIX))
            client.sock.connect(path)
        else:
            client = connect(port, host="::1" if kind == "ipv6" else "127.0.0.1")
        with contextlib.closing(client):
            client.send(REQUEST)
            return client.response().status

    generations = [launch(config, *QUICK, "--concurrency", "2")]
    port = None if kind == "unix" else generations[0].port("main")
    inode = os.stat(path).st_ino if kind == "unix" else None
    for count in ("2", "1", "3"):
        assert again() == 200
        generations.append(launch(config, *QUICK, "--concurrency", count))
        assert [again() for _ in range(10)] == [200] * 10
        assert generations[-2].process.wait(20) == 0
    if kind == "unix":
        assert os.stat(path).st_ino == inode
    else:
        assert generations[-1].port("main") == port


def test_a_new_process_that_fails_changes_nothing(launch, start, upstream, path):
    config = inbound(upstream().port)
    old = launch(config)
    port = old.port("main")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broken = inbound(upstream().port)
        second = listener(manager([forward()]), name="second")
        second["address"] = address(taken.getsockname()[1])
        broken["static_resources"]["listeners"].append(second)
        new = start(broken, arguments=["--hot-restart-path", path], wait=False)
        assert new.process.wait(20) == 1
        new.process.returncode = 0  # what was to happen
        assert "listener 'second'" in new.log_text()
    assert ask(port).status == 200
    assert old.get_admin("/ready").status == 200
    launch(config)
    assert ask(port).status == 200


def test_the_configuration_may_change(launch, upstream):
    """A listener is gone, one is new, one has other socket options: each is what the new file says."""
    server = upstream()
    fixed = free_port()

    def config(*names, backlog=128):
        listeners = [listener(manager([forward()]), name=name, tcp_backlog_size=backlog) for name in names]
        if "fixed" in names:
            listeners[names.index("fixed")]["address"] = address(fixed)
        return bootstrap(listeners, [cluster("app", server.port)])

    old = launch(config("kept", "gone"), *QUICK)
    kept, gone = old.port("kept"), old.port("gone")
    new = launch(config("fixed", "kept"), *QUICK)
    assert new.port("kept") == kept
    assert ask(kept).status == ask(fixed).status == 200
    with pytest.raises(OSError):
        wait_until(lambda: connect(gone).close(), "refused", timeout=5)
    assert old.process.wait(20) == 0
    newest = launch(config("fixed", "kept", backlog=64), *QUICK)
    assert ask(fixed).status == 200
    assert newest.port("kept") != kept
    assert new.process.wait(20) == 0


def test_sigterm_after_the_handover(launch, upstream):
    config = inbound(upstream().port)
    old = launch(config)
    idle = old.client()
    idle.send(REQUEST)
    assert idle.response().status == 200
    new = launch(config)
    old.signal(signal.SIGTERM)
    assert old.process.wait(10) == 0
    new.signal(signal.SIGTERM)
    assert new.process.wait(10) == 0


def test_garbage_and_strangers_get_nothing(launch, upstream, path):
    config = inbound(upstream().port)
    old = launch(config)
    port, name = old.port("main"), "\0" + path[1:]
    for packet in (b"\0", b"\x05", b"\x01", b"\x01" + b"\xff" * 8, b"\x02" + b"\xff" * 40, b"x" * 100_000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(10)
            peer.connect(name)
            peer.send(packet)
            with contextlib.suppress(ConnectionError):
                assert peer.recv(1000) == b""
    wait_until(lambda: "does not keep to the protocol" in old.log_text(), "a line about it")
    if os.geteuid() == 0:
        stranger = subprocess.run(
            ["python3", "-c", f"import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect({name!r}); "
             "s.send(b'\\x01' + b'\\0' * 7 + b'\\x01'); print(s.recv(1000))"],
            user=65534, capture_output=True, text=True, timeout=20, check=False)
        assert stranger.stdout == "b''\n" or "Error" in stranger.stderr, stranger
        assert "of user 65534 is refused" in old.log_text()
    assert ask(port).status == 200
    launch(config)
    assert ask(port).status == 200


def test_envoys_flags(launch, start, upstream):
    config = inbound(upstream().port)
    base = str(free_port())
    old = launch(config, flags=["--base-id", base, "--restart-epoch", "0"])
    port = old.port("main")
    info = json.loads(old.get_admin("/server_info").body)
    assert info["command_line_options"]["base_id"] == base
    assert info["hot_restart_version"] == old.get_admin("/hot_restart_version").body.decode() != "disabled"
    new = launch(config, *QUICK, flags=["--base-id", base, "--restart-epoch", "1"])
    assert new.port("main") == port
    options = json.loads(new.get_admin("/server_info").body)["command_line_options"]
    assert (options["restart_epoch"], options["disable_hot_restart"]) == (1, False)
    assert (new.stat("server.hot_restart_epoch"), new.stat("server.hot_restart_generation")) == (1, 2)
    # Nobody is there for this one, and the flag says that somebody has to be.
    lonely = start(config, arguments=["--base-id", base + "1", "--restart-epoch", "1"], wait=False)
    assert lonely.process.wait(20) == 1
    assert "nobody to take over from" in lonely.log_text()
    lonely.process.returncode = 0
    start(config, arguments=["--base-id", base + "1", "--restart-epoch", "1", "--skip-hot-restart-on-no-parent"])


def test_parent_stats_can_be_left(launch, upstream):
    config = inbound(upstream().port)
    old = launch(config)
    assert ask(old.port("main")).status == 200
    new = launch(config, "--skip-hot-restart-parent-stats")
    assert new.stat("http.ingress.downstream_rq_total") == 0


def test_a_chosen_base_id_is_written(start, upstream, tmp_path):
    file = tmp_path / "base-id"
    start(inbound(upstream().port), arguments=["--use-dynamic-base-id", "--base-id-path", str(file)])
    assert int(file.read_text()) > 0


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nsenter"), reason="a PID namespace needs root")
def test_the_first_process_of_a_container_stays(launch, upstream, path, tmp_path):
    """PID 1 has to outlive its successor, and passes signals on to it."""
    config, flags = inbound(upstream().port), ["--hot-restart-path", path, *QUICK]
    file, admin = tmp_path / "bootstrap.json", tmp_path / "admin"
    file.write_text(json.dumps(config))
    with open(tmp_path / "log", "wb") as log:
        unshare = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", os.environ["OUTRIDER"], "-c", str(file), "--admin-address-path",
             str(admin), *flags], stdout=log, stderr=log)
    try:
        wait_until(lambda: "] ready after" in (tmp_path / "log").read_text() or unshare.poll() is not None, "started")
        if unshare.poll() is not None:
            pytest.skip("no PID namespace here: " + (tmp_path / "log").read_text())
        first = int(pathlib.Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text())
        with open(tmp_path / "log2", "wb") as log:
            second = subprocess.Popen(
                ["nsenter", "--target", str(first), "--pid", "--mount", os.environ["OUTRIDER"], "-c", str(file),
                 "--admin-address-path", str(admin), *flags], stdout=log, stderr=log)
        wait_until(lambda: "process 1 stays for process" in (tmp_path / "log").read_text(), "the first stays")
        admin_port = int(admin.read_text().rsplit(":", 1)[1])
        with contextlib.closing(connect(admin_port)) as peer:
            peer.send("GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert peer.response().status == 200
        os.kill(first, signal.SIGTERM)
        assert second.wait(20) == 0
        assert unshare.wait(20) == 0
    finally:
        unshare.kill()
        unshare.wait()


def test_the_port_for_stats_goes_over(launch, upstream):
    port = free_port()
    layers = [{"name": "s", "static_layer": {"outrider.admin.stats_address": f"127.0.0.1:{port}"}}]
    config = {**inbound(upstream().port), "layered_runtime": {"layers": layers}}

    def epoch():
        with contextlib.closing(connect(port)) as client:
            client.send("GET /stats?filter=hot_restart_epoch HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            return client.response().body

    old = launch(config)
    assert epoch() == b"server.hot_restart_epoch: 0\n"
    launch(config, *QUICK)
    assert epoch() == b"server.hot_restart_epoch: 1\n"
    wait_until(lambda: old.process.poll() is not None, "the old process ended")
    assert epoch() == b"server.hot_restart_epoch: 1\n"
