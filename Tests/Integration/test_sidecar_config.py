"""`outrider sidecar`: what it prints is a file for Outrider and for Envoy, and what it refuses."""
import os
import pathlib
import subprocess

import pytest
from conftest import ENVOY

REQUIRED = ["--tls-cert", "backend.crt", "--tls-key", "backend.key", "--tls-ca", "ca.crt"]
IN, OUT, APP = ["--inbound", "15006"], ["--outbound", "15001"], ["--app", "8080"]
USUAL = [*APP, *IN, *OUT, *REQUIRED]


def sidecar(*arguments, **settings):
    return subprocess.run([os.environ["OUTRIDER"], "sidecar", *arguments], capture_output=True, text=True, timeout=60, **settings)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki")
    subprocess.run([os.environ["OUTRIDER"], "certs", "--out", str(folder), "--force"], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("words", [
    [*APP, *IN, *OUT], [*APP, *IN], [*APP, *OUT], [*APP, *IN, *OUT, "--accept-plaintext"],
    [*APP, *IN, "--tproxy", "--tproxy-mark", "7"], [*APP, *IN, *OUT, "--mark", "1337"],
    [*APP, *IN, *OUT, "--allow", "spiffe://cluster.local/ns/*", "--allow", "spiffe://other/x", "--allow-server", "spiffe://cluster.local/*"],
    [*APP, *IN, *OUT, "--plaintext-ports", "9090", "--tcp-ports", "3306,25"],
    [*APP, *IN, *OUT, "--accept-plaintext", "--plaintext-ports", "9090,9091", "--tcp-ports", "3306", "--metrics", "0.0.0.0:15090"],
    [*APP, *OUT, "--mesh-cidrs", "none", "--access-log", "off", "--no-ipv6"],
    [*APP, *OUT, "--mesh-cidrs", "10.1.2.3,fd00::/8", "--access-log", "/tmp/access.log"],
    [*APP, *IN, *OUT, "--admin", "[::1]:9901", "--metrics", "[::]:15090", "--ipv6"],
    [*APP, *IN, *OUT, "--trace-otlp", "127.0.0.1:4317", "--service-cluster", "shop", "--mark", "1337"], ["--app", "127.0.0.1:8080", *IN],
], ids=" ".join)
def test_what_is_printed_is_a_file_for_both(certificates, tmp_path, words):
    """Every wish makes a bootstrap without a warning, and Envoy takes it."""
    printed = sidecar(*words, *REQUIRED, "--print-config", cwd=certificates)
    assert printed.returncode == 0, printed.stderr
    assert max(map(len, printed.stdout.splitlines())) < 180
    path = tmp_path / "sidecar.yaml"
    path.write_text(printed.stdout)
    for command in ([os.environ["OUTRIDER"], "validate", str(path)], [str(ENVOY), "--mode", "validate", "-c", str(path), "-l", "error"]):
        done = subprocess.run(command, cwd=certificates, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert "warning" not in done.stdout + done.stderr


@pytest.mark.parametrize("words, message", [
    (["--app", "8080", "--inbound", "15006"], "tls-cert"), (["--app", "8080", *REQUIRED], "nothing to do"),
    ([*USUAL, "--allow", "cart"], "'cart' is no SPIFFE ID"), ([*USUAL, "--plaintext-ports", "1-2"], "'1-2' is no port"),
    ([*USUAL, "--admin", "localhost:1"], "'localhost:1' is no address with a port"),
    ([*USUAL, "-c", "x.yaml"], "makes its own configuration"), (["--app", "0", *USUAL[2:]], "'0' is no address"),
    ([*USUAL, "--ready-with-app", "--ready-when-app", "tcp://127.0.0.1:1"], "one of them"),
])
def test_wishes_that_are_refused(words, message):
    run = sidecar(*words)
    assert run.returncode == 64 and message in run.stderr, run.stderr


def test_a_certificate_that_is_not_there(tmp_path):
    run = sidecar(*USUAL, cwd=tmp_path)
    assert run.returncode == 1 and "backend.crt" in run.stderr and "No such file" in run.stderr


def test_flags_of_the_proxy_count(certificates):
    """`--mode validate` is one of them, `--config-yaml` another."""
    run = sidecar(*USUAL, "--mode", "validate", cwd=certificates)
    assert run.returncode == 0 and "OK" in run.stdout, run.stderr
    run = sidecar(*USUAL, "--mode", "validate", "--config-yaml", "nonsense: 1", cwd=certificates)
    assert run.returncode == 1 and "nonsense" in run.stderr
    assert pathlib.Path(certificates, "ca.crt").exists()
