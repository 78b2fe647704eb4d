"""Programs that others wrote: curl and openssl as clients, nginx as an upstream, Prometheus as the reader of metrics."""
import pathlib
import shutil
import socket
import subprocess
import threading

import pytest
from bootstrap import DOWNSTREAM_TLS, UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager
from harness import free_port, response, serve, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def curl(*arguments, text=None):
    command = ["curl", "--silent", "--show-error", "--max-time", "20", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, input=text, timeout=30, check=True).stdout


def echo():
    """Answers with the request's body."""
    return serve(lambda request: response(body=request.body or b"hello"))


@needs("curl")
def test_curl_keeps_its_connection(start, upstream):
    proxy = start(http(clusters=[cluster("app", upstream().port)]))
    url = f"http://127.0.0.1:{proxy.port('main')}/"
    codes = curl("--write-out", "%{http_code}:%{num_connects} ", *["--output", "/dev/null", url] * 3)
    assert codes.decode().split() == ["200:1", "200:0", "200:0"]
    assert proxy.stat("http.ingress.downstream_cx_total") == 1


@needs("curl")
def test_curl_uploads_in_chunks(start, upstream, tmp_path):
    server = upstream(echo())
    proxy = start(http(clusters=[cluster("app", server.port)]))
    file = tmp_path / "body"
    file.write_bytes(bytes(range(256)) * 8192)  # 2 MiB
    sent = curl("--header", "Transfer-Encoding: chunked", "--data-binary", f"@{file}", f"http://127.0.0.1:{proxy.port('main')}/")
    assert sent == file.read_bytes()
    assert server.requests[0].get("transfer-encoding") == "chunked"


@needs("curl")
def test_curl_waits_for_100_continue(start, upstream, tmp_path):
    proxy = start(http(clusters=[cluster("app", upstream(echo()).port)]))
    file = tmp_path / "body"
    file.write_bytes(b"x" * 100_000)
    sent = curl("--header", "Expect: 100-continue", "--expect100-timeout", "15", "--upload-file", file,
                f"http://127.0.0.1:{proxy.port('main')}/")
    assert sent == file.read_bytes()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """What `certs/make` makes, for two workloads."""
    folder = tmp_path_factory.mktemp("certs")
    subprocess.run([ROOT / "certs" / "make", "--out", folder], check=True, capture_output=True, timeout=60)
    return folder


def tls(kind, folder, name, ca, **context):
    files = {"certificate_chain": {"filename": f"{folder}/{name}.crt"}, "private_key": {"filename": f"{folder}/{name}.key"}}
    common = {"tls_certificates": [files], "validation_context": {"trusted_ca": {"filename": f"{folder}/ca.crt"}, **ca}}
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": kind, "common_tls_context": common, **context}}}


def san(text):
    return {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": text}}]}


FRONTEND = "spiffe://cluster.local/ns/default/sa/frontend"
BACKEND = "spiffe://cluster.local/ns/default/sa/backend"


@needs("openssl")
@needs("curl")
def test_curl_by_mutual_tls(start, upstream, certificates):
    chain = tls(DOWNSTREAM_TLS, certificates, "server", {}, require_client_certificate=True)
    proxy = start(bootstrap([listener(manager([forward()]), chain=chain)], [cluster("app", upstream().port)]))
    url = f"https://localhost:{proxy.port('main')}/"
    trust = ["--cacert", certificates / "ca.crt", "--ipv4"]
    client = ["--cert", certificates / "client.crt", "--key", certificates / "client.key"]
    for version in ("--tlsv1.2", "--tlsv1.3"):
        assert curl(*trust, *client, version, "--tls-max", version[-3:], url) == b"hello"
    with pytest.raises(subprocess.CalledProcessError):
        curl(*trust, url)
    assert proxy.stat("listener.127.0.0.1_" + str(proxy.port("main")) + ".ssl.fail_verify_no_cert") == 1


@needs("openssl")
def test_two_sidecars_by_spiffe_names(start, upstream, certificates):
    inbound = start(bootstrap([listener(manager([forward()]), chain=tls(
        DOWNSTREAM_TLS, certificates, "backend", san(FRONTEND), require_client_certificate=True))], [cluster("app", upstream().port)]))
    port = inbound.port("main")
    outbound = start(bootstrap([listener(manager([forward()]))], [
        cluster("app", port, **tls(UPSTREAM_TLS, certificates, "frontend", san(BACKEND)))]))
    assert ask(outbound).status == 200
    stranger = start(bootstrap([listener(manager([forward()]))], [
        cluster("app", port, **tls(UPSTREAM_TLS, certificates, "client", san(BACKEND)))]))
    assert ask(stranger).status == 503
    wrong = start(bootstrap([listener(manager([forward()]))], [
        cluster("app", port, **tls(UPSTREAM_TLS, certificates, "frontend", san(FRONTEND)))]))
    assert ask(wrong).status == 503
    assert wrong.stat("cluster.app.ssl.fail_verify_san") >= 1


def ask(proxy):
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return client.response()


@needs("openssl")
def test_openssl_s_client_sees_the_chain_and_resumes(start, upstream, certificates, tmp_path):
    chain = tls(DOWNSTREAM_TLS, certificates, "server", {})
    proxy = start(bootstrap([listener(manager([forward()]), chain=chain)], [cluster("app", upstream().port)]))
    session = tmp_path / "session"
    # TLS 1.2 hands its ticket out within the handshake, so that openssl need not wait for it.
    base = ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port('main')}", "-servername", "localhost", "-CAfile",
            str(certificates / "ca.crt"), "-verify_return_error", "-tls1_2"]
    first = subprocess.run([*base, "-sess_out", str(session)], input=b"", capture_output=True, timeout=20, check=True).stdout
    assert b"Verify return code: 0 (ok)" in first and b"New, TLSv1.2" in first
    again = subprocess.run([*base, "-sess_in", str(session)], input=b"", capture_output=True, timeout=20, check=True).stdout
    assert b"Reused, TLSv1.2" in again


@pytest.fixture
def nginx(tmp_path):
    """nginx that closes idle connections after a second, and each after 50 requests."""
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(f"""
        daemon off; master_process off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
        events {{ worker_connections 512; }}
        http {{
            access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
            fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;
            keepalive_timeout 1s; keepalive_requests 50;
            server {{ listen 127.0.0.1:{port}; location / {{ return 200 "from nginx"; }} }}
        }}""")
    process = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        def up():
            assert process.poll() is None, (tmp_path / "error.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False
        wait_until(up, "nginx listens")
        yield port
    finally:
        process.kill()
        process.wait()


@needs("nginx")
def test_no_request_is_lost_to_the_keepalive_timeout_of_nginx(start, nginx):
    proxy = start(http(clusters=[cluster("app", nginx)]))
    failures, pauses = [], threading.Event()

    def load(offset):
        client = proxy.client()
        # Paces around the second at which nginx closes: 0.90 s to 1.10 s after the last request.
        for pause in (0, 0, 0, 0.90 + offset, 1.0 + offset, 0.95 + offset):
            pauses.wait(pause)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = client.response()
            if (answer.status, answer.body) != (200, b"from nginx"):
                failures.append((pause, answer.status, answer.body))

    threads = [threading.Thread(target=load, args=(number / 400,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert proxy.stat("cluster.app.upstream_rq_200") == 240
    assert proxy.stat("cluster.app.upstream_cx_destroy_remote") > 0, "nginx never closed anything"


@needs("nginx")
def test_connections_that_nginx_ends_after_fifty_requests(start, nginx):
    proxy = start(http(clusters=[cluster("app", nginx)]))
    client = proxy.client()
    for _ in range(160):
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200
    assert proxy.stat("cluster.app.upstream_cx_total") == 4


@pytest.fixture
def metrics(start, upstream):
    """The Prometheus page after some traffic."""
    proxy = start(http(clusters=[cluster("app", upstream().port), cluster("a.b:c", 1)]))
    for _ in range(3):
        ask(proxy)
    # Histograms show what the last flush merged.
    wait_until(lambda: b"upstream_rq_time_count{" in proxy.get_admin("/stats/prometheus").body
               and b'upstream_rq_time_count{envoy_cluster_name="app"} 3' in proxy.get_admin("/stats/prometheus").body, "histograms flushed")
    return proxy.get_admin("/stats/prometheus").body


@needs("promtool")
def test_promtool_finds_nothing_to_complain_of(metrics):
    result = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, timeout=30, check=False)
    # Envoy's names break naming conventions (no help texts, counters without _total); it is the syntax that counts.
    complaints = [line for line in (result.stdout + result.stderr).decode().splitlines()
                  if "error while linting" in line or "parse" in line]
    assert result.returncode in (0, 3) and complaints == [], complaints


def test_the_official_parser_reads_every_line(metrics):
    from prometheus_client.parser import text_string_to_metric_families
    families = list(text_string_to_metric_families(metrics.decode()))
    # By sample: the parser gives the counters `x` and `x_total` one name, and Envoy has both.
    samples = {}
    for sample in (sample for family in families for sample in family.samples):
        labels = {key.removeprefix("envoy_"): value for key, value in sample.labels.items()}
        samples.setdefault(sample.name.removeprefix("envoy_"), []).append((labels, sample.value))
    assert next(family.type for family in families if family.name == "envoy_cluster_upstream_rq_time") == "histogram"
    counts = [(labels["le"], value) for labels, value in samples["cluster_upstream_rq_time_bucket"] if labels["cluster_name"] == "app"]
    assert counts[-1] == ("+Inf", 3)
    assert [value for _, value in counts] == sorted(value for _, value in counts)
    assert ({"cluster_name": "app", "response_code": "200"}, 3) in samples["cluster_upstream_rq_total"]
    assert ({"cluster_name": "app"}, 3) in samples["cluster_upstream_rq_total"]
    lines = [line for line in metrics.decode().splitlines() if line and not line.startswith("#")]
    assert sum(map(len, samples.values())) == len(lines) == len(set(line.rpartition(" ")[0] for line in lines))
