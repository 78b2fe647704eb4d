"""Two hosts, a sidecar on each, and programs that know nothing of it: curl, nginx, servers that speak first, TLS of their own."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import pytest
from harness import WAIT, free_port, wait_until
from netns import greeter, hosts  # noqa: F401

# The program itself, without the script around it that not everybody may read.
ENVOY = next(pathlib.Path(sys.prefix).glob("lib/*/site-packages/envoy/_bin/envoy"), None)
PROXY = "1337"  # the user that the sidecars run as
PORTS = ["--inbound", "15006", "--outbound", "15001"]


class Wire:
    """What passes by on the cable, in both directions."""

    def __init__(self, host):
        with host.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            self.socket.bind(("cable", 0))
        self.packets = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError):
            while True:
                self.packets.append(self.socket.recv(65536))

    def has(self, data):
        return any(data in packet for packet in list(self.packets))

    def close(self):
        self.socket.close()


class Mesh:
    """Two hosts with certificates, rules and sidecars."""

    def __init__(self, pair, stack):
        self.a, self.b = pair
        self.stack = stack
        # The sidecars are nobody's children in particular: they need files that everybody can read.
        self.folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outrider-mesh-")))
        self.folder.chmod(0o755)
        self.binary = self.folder / "outrider"
        shutil.copy(os.environ["OUTRIDER"], self.binary)
        self.certificates = self.folder / "pki"
        subprocess.run([self.binary, "certs", "--out", self.certificates], check=True, capture_output=True)
        for path in [self.certificates, *self.certificates.iterdir()]:
            path.chmod(0o755)

    def flags(self, name, *more):
        return ["--app", "8080", "--tls-cert", f"{self.certificates}/{name}.crt", "--tls-key", f"{self.certificates}/{name}.key",
                "--tls-ca", f"{self.certificates}/ca.crt", *more]

    def redirect(self, host, *arguments):
        host.run(str(self.binary), "redirect", "--proxy-uid", PROXY, *arguments)

    def launch(self, host, *words, user=PROXY):
        """A program that runs until the test ends; its log."""
        log = self.folder / f"{host.name}-{len(list(self.folder.iterdir()))}.log"
        become = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        with open(log, "wb") as output:
            process = subprocess.Popen(host.words(*become, *map(str, words)), stdout=output, stderr=output, stdin=subprocess.DEVNULL)

        def stop():
            process.kill()
            process.wait()

        self.stack.callback(stop)
        return log

    def sidecar(self, host, name, *more, ports=PORTS, user=PROXY):
        log = self.launch(host, self.binary, "sidecar", *self.flags(name, *ports, *more), user=user)
        self.ready(host, log)
        return log

    def ready(self, host, log):
        def asks():
            return subprocess.run(host.words(str(self.binary), "wait", "--timeout", "1s"), capture_output=True, check=False).returncode == 0

        try:
            wait_until(asks, "the sidecar is ready")
        except AssertionError:
            raise AssertionError(log.read_text()[-3000:]) from None

    def nginx(self, host):
        """Answers with what it sees: who calls, from where."""
        folder = self.folder / "nginx"
        folder.mkdir()
        (folder / "nginx.conf").write_text(f"""
            daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}
            http {{
                access_log off;
                server {{
                    listen 8080; listen [::]:8080; listen 9090; listen 8081 http2;
                    location / {{ return 200 "$request_uri peer=$http_x_forwarded_client_cert from=$remote_addr\\n"; }}
                }}
                server {{
                    listen 8443 ssl; ssl_certificate {self.certificates}/server.crt; ssl_certificate_key {self.certificates}/server.key;
                    location / {{ return 200 "own TLS\\n"; }}
                }}
            }}""")
        self.launch(host, shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf", user=None)
        wait_until(lambda: self.answers(host, 8080), "nginx")

    @staticmethod
    def answers(host, port):
        with contextlib.suppress(OSError), host.connect("127.0.0.1", port):
            return True

    def curl(self, *words, user=None):
        become = ["setpriv", "--reuid", user, "--clear-groups"] if user else []
        return subprocess.run(self.a.words(*become, "curl", "-sS", "--max-time", str(WAIT), *words), capture_output=True, text=True, check=False)

    def stat(self, host, name):
        for line in host.run("curl", "-s", "http://127.0.0.1:9901/stats").splitlines():
            if line.startswith(f"{name}: "):
                return int(line.rsplit(" ", 1)[1])
        return None


@pytest.fixture
def mesh(hosts):
    with contextlib.ExitStack() as stack:
        yield Mesh(hosts, stack)


@pytest.fixture
def wire(hosts):
    capture = Wire(hosts[1])
    yield capture
    capture.close()


def pair(mesh, *more, backend="nft"):
    """Rules and a sidecar on both hosts."""
    for host, name in ((mesh.a, "frontend"), (mesh.b, "backend")):
        mesh.redirect(host, *PORTS, "--backend", backend)
        mesh.sidecar(host, name, *more)


def assert_tls(wire, *secrets):
    """TLS records passed by, and none of these words."""
    wait_until(lambda: wire.has(b"\x16\x03"), "a handshake on the wire")
    for secret in secrets:
        assert not wire.has(secret), f"{secret} on the wire"


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
def test_curl_to_nginx(mesh, wire, backend):
    """Neither knows; between the hosts there is mutual TLS, in both families."""
    mesh.nginx(mesh.b)
    pair(mesh, "--allow", "spiffe://cluster.local/ns/default/sa/front*", backend=backend)
    for address in (mesh.b.v4, f"[{mesh.b.v6}]"):
        answer = mesh.curl(f"http://{address}:8080/secret-path")
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.startswith("/secret-path peer=") and "URI=spiffe://cluster.local/ns/default/sa/frontend" in answer.stdout
    assert_tls(wire, b"secret-path", b"nginx", b"HTTP/1.1")
    assert mesh.stat(mesh.a, "cluster.mesh.upstream_rq_200") == 2
    assert mesh.stat(mesh.b, "http.inbound.downstream_rq_2xx") == 2


def test_http2_stays_http2(mesh, wire):
    mesh.nginx(mesh.b)
    pair(mesh)
    answer = mesh.curl("--http2-prior-knowledge", "-w", "%{http_version}", f"http://{mesh.b.v4}:8081/secret-path")
    assert "sa/frontend" in answer.stdout and answer.stdout.endswith("2"), answer
    assert_tls(wire, b"secret-path", b"PRI * HTTP/2.0")
    assert mesh.stat(mesh.a, "cluster.mesh.upstream_cx_http2_total") == 1
    assert mesh.stat(mesh.b, "cluster.inbound.upstream_cx_http2_total") == 1


@pytest.mark.parametrize("side", ["both outrider -c", "the server's Envoy", "the client's Envoy"])
def test_the_printed_file_runs_the_same(mesh, wire, side):
    """In `outrider -c`, and in Envoy, beside a sidecar of the other kind."""
    mesh.nginx(mesh.b)
    for host, name in ((mesh.a, "frontend"), (mesh.b, "backend")):
        mesh.redirect(host, *PORTS)
        path = mesh.folder / f"{name}.yaml"
        path.write_text(mesh.a.run(str(mesh.binary), "sidecar", *mesh.flags(name, *PORTS), "--print-config"))
        if side == ("the server's Envoy" if name == "backend" else "the client's Envoy"):
            envoy = shutil.copy(ENVOY, mesh.folder / f"envoy-{name}")
            log = mesh.launch(host, envoy, "-c", path, "--base-id", free_port(), "--concurrency", "1")
        else:
            log = mesh.launch(host, mesh.binary, "-c", path)
        mesh.ready(host, log)
    answer = mesh.curl(f"http://{mesh.b.v4}:8080/secret-path")
    assert "URI=spiffe://cluster.local/ns/default/sa/frontend" in answer.stdout, answer
    assert_tls(wire, b"secret-path")


def test_servers_that_speak_first(mesh, wire, greeter):
    """A database that greets: the client says nothing before."""
    for port in (3306, 3307):
        greeter(mesh.b, port, f"greeting-{port}")
    pair(mesh, "--tcp-ports", "3307")
    for port in (3306, 3307):
        with mesh.a.connect(mesh.b.v4, port) as client:
            assert client.recv(100) == f"greeting-{port}".encode()
    assert_tls(wire, b"greeting")
    assert mesh.stat(mesh.a, "cluster.mesh-tcp.upstream_cx_total") == 2


def test_an_app_with_tls_of_its_own(mesh, wire):
    """Its certificate is what the client sees, though the sidecars have theirs around it."""
    mesh.nginx(mesh.b)
    pair(mesh)
    answer = mesh.curl("--cacert", f"{mesh.certificates}/server.crt", "--connect-to", f"localhost:8443:{mesh.b.v4}:8443", "https://localhost:8443/")
    assert answer.stdout == "own TLS\n", answer
    assert mesh.stat(mesh.a, "cluster.mesh-tcp.ssl.handshake") == 1
    # The app's ClientHello names its server; the sidecars' have no name.
    assert_tls(wire, b"localhost")


def test_plain_ports_and_hosts_without_a_sidecar(mesh, wire):
    mesh.nginx(mesh.b)
    pair(mesh, "--plaintext-ports", "9090")
    assert mesh.curl(f"http://{mesh.b.v4}:9090/in-the-open").stdout.startswith("/in-the-open peer= ")
    wait_until(lambda: wire.has(b"/in-the-open"), "plain text on the wire")


def test_hosts_outside_the_mesh(mesh, wire):
    """Unknown destinations get what the app sends: HTTP with retries and counters, all else byte for byte."""
    mesh.nginx(mesh.b)
    mesh.redirect(mesh.a, *PORTS)
    mesh.sidecar(mesh.a, "frontend", "--mesh-cidrs", "192.0.2.0/24")
    assert mesh.curl(f"http://{mesh.b.v4}:8080/in-the-open").stdout.startswith("/in-the-open peer= ")
    own = mesh.curl("--cacert", f"{mesh.certificates}/server.crt", "--connect-to", f"localhost:8443:{mesh.b.v4}:8443", "https://localhost:8443/")
    assert own.stdout == "own TLS\n", own
    wait_until(lambda: wire.has(b"/in-the-open"), "plain text on the wire")
    assert mesh.stat(mesh.a, "http.passthrough.downstream_rq_2xx") == 1
    assert mesh.stat(mesh.a, "tcp.passthrough-tcp.downstream_cx_total") == 1


def test_an_upgraded_connection(mesh, wire):
    """WebSocket and the like: after 101 the bytes are the app's."""

    def serve():
        sock, _peer = server.accept()
        with sock:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(1000)
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while data := sock.recv(1000):
                sock.sendall(data.upper())

    server = mesh.b.listen(9000)
    mesh.stack.callback(server.close)
    threading.Thread(target=serve, daemon=True).start()
    pair(mesh)
    with mesh.a.connect(mesh.b.v4, 9000) as client:
        client.sendall(b"GET /chat HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 101 ")
        client.sendall(b"quiet words")
        assert client.recv(1000) == b"QUIET WORDS"
    assert_tls(wire, b"/chat", b"quiet words", b"QUIET WORDS")


def test_who_is_let_in(mesh):
    """Only peers with a certificate, and of these only whom `--allow` names."""
    mesh.nginx(mesh.b)
    mesh.redirect(mesh.b, *PORTS)
    mesh.sidecar(mesh.b, "backend", "--allow", "spiffe://cluster.local/ns/default/sa/nobody")
    # Without a sidecar: the connection is closed.
    plain = mesh.curl(f"http://{mesh.b.v4}:8080/")
    assert plain.returncode in (52, 56), plain
    mesh.redirect(mesh.a, *PORTS)
    mesh.sidecar(mesh.a, "frontend")
    refused = mesh.curl("-o", "/dev/null", "-w", "%{http_code}", f"http://{mesh.b.v4}:8080/")
    assert refused.stdout == "503", refused
    assert mesh.stat(mesh.b, "listener.0.0.0.0_15006.ssl.fail_verify_san") > 0


def test_a_host_without_redirect_rules(mesh, wire):
    """Its inbound port is called by its number, and leads to the app that listens on loopback."""
    mesh.nginx(mesh.b)
    log = mesh.launch(mesh.b, mesh.binary, "sidecar", *mesh.flags("backend", "--inbound", "15006")[2:], "--app", "127.0.0.1:8080")
    mesh.ready(mesh.b, log)
    mesh.redirect(mesh.a, *PORTS)
    mesh.sidecar(mesh.a, "frontend")
    assert "sa/frontend" in mesh.curl(f"http://{mesh.b.v4}:15006/secret-path").stdout
    assert_tls(wire, b"secret-path")


def test_plain_clients_are_let_in_when_asked(mesh, greeter):
    mesh.nginx(mesh.b)
    greeter(mesh.b, 3306, "greeting")
    mesh.redirect(mesh.b, *PORTS)
    mesh.sidecar(mesh.b, "backend", "--accept-plaintext")
    assert mesh.curl("-H", "x-forwarded-client-cert: URI=spiffe://liar", f"http://{mesh.b.v4}:8080/x").stdout.startswith("/x peer= ")
    with mesh.a.connect(mesh.b.v4, 3306) as client:
        assert client.recv(100) == b"greeting"
    mesh.redirect(mesh.a, *PORTS)
    mesh.sidecar(mesh.a, "frontend")
    assert "sa/frontend" in mesh.curl(f"http://{mesh.b.v4}:8080/x").stdout


@pytest.mark.parametrize("backend", ["nft", "iptables-legacy"])
def test_the_app_sees_the_client_by_tproxy(mesh, wire, backend):
    mesh.nginx(mesh.b)
    inbound = ["--inbound", "15006"]
    mesh.redirect(mesh.b, *inbound, "--inbound-mode", "tproxy", "--backend", backend)
    mesh.sidecar(mesh.b, "backend", "--tproxy", ports=inbound, user=None)
    mesh.redirect(mesh.a, *PORTS, "--backend", backend)
    mesh.sidecar(mesh.a, "frontend")
    for address, client in ((mesh.b.v4, mesh.a.v4), (f"[{mesh.b.v6}]", mesh.a.v6)):
        answer = mesh.curl(f"http://{address}:8080/secret-path")
        assert answer.stdout.strip().endswith(f"from={client}"), answer
    assert_tls(wire, b"secret-path")


def test_metrics_without_the_rest_of_the_admin_port(mesh):
    mesh.redirect(mesh.b, *PORTS, "--exclude-inbound-ports", "15090")
    mesh.sidecar(mesh.b, "backend", "--metrics", "0.0.0.0:15090")
    url = f"http://{mesh.b.v4}:15090"
    assert "envoy_server_live{} 1" in mesh.curl(f"{url}/stats/prometheus").stdout
    assert mesh.curl(f"{url}/ready").stdout == "LIVE\n"
    for path in ("/quitquitquit", "/config_dump", "/"):
        assert mesh.curl("-o", "/dev/null", "-w", "%{http_code}", f"{url}{path}").stdout == "404"


def test_ready_with_the_app(mesh):
    log = mesh.launch(mesh.b, mesh.binary, "sidecar", *mesh.flags("backend", *PORTS, "--ready-with-app"))

    def status():
        return subprocess.run(mesh.b.words("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:9901/ready"),
                              capture_output=True, text=True, check=False).stdout

    wait_until(lambda: status() == "503", "not ready without the app")
    mesh.nginx(mesh.b)
    wait_until(lambda: status() == "200", f"ready with the app: {log}")
