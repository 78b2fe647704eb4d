"""The README's tour works as it is printed; only the ports and the folder of the certificates are the test's own."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from harness import free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="curl or openssl is not installed")


def blocks(path):
    """The indented blocks of a document, without their indent."""
    found = re.findall(r"(?:^(?:    .*|)\n)+", path.read_text(), re.M)
    return [re.sub(r"^    ", "", block, flags=re.M).strip("\n") for block in found if "    " in block]


@pytest.fixture(scope="module")
def tour():
    return next(block for block in blocks(ROOT / "README.md") if "hello.yaml" in block and "curl" in block)


def test_the_tour(tour, tmp_path):
    ports = {port: str(free_port()) for port in ("9901", "10000", "8080")}
    out = tmp_path / "out"

    def own(text):
        for port, other in ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        return text.replace("certs/out", str(out)).replace("certs/make", f"{ROOT}/certs/make --out {out}").replace(
            ".build/release/outrider", os.environ["OUTRIDER"])

    def run(command):
        return subprocess.run(["bash", "-c", own(command)], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    (tmp_path / "hello.yaml").write_text(own(re.search(r"<<'YAML'\n(.*?)\nYAML\n", tour, re.S)[1]))
    (tmp_path / "page.txt").write_text("a page")
    lines = [line.split("#")[0].strip() for line in tour.split("\nYAML\n")[1].splitlines() if line.strip()]
    assert lines[0] == "certs/make" and run(lines[0]).returncode == 0
    background = [line.removesuffix("&").strip() for line in lines if line.endswith("&")]
    server, proxy = (subprocess.Popen(own(line).split(), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                     for line in background)
    try:
        ready = ["curl", "-sf", f"localhost:{ports['9901']}/ready"]
        wait_until(lambda: subprocess.run(ready, capture_output=True).stdout == b"LIVE\n", "ready")
        wait_until(lambda: subprocess.run(["curl", "-sf", f"localhost:{ports['8080']}"], capture_output=True).returncode == 0, "app")
        welcome, refused, metrics, clusters = (run(line) for line in lines if line.startswith("curl"))
        assert welcome.returncode == 0 and "page.txt" in welcome.stdout, welcome.stderr
        assert refused.returncode != 0
        assert re.search(r'^envoy_cluster_upstream_rq\{envoy_response_code="200",envoy_cluster_name="app"\} 1$', metrics.stdout, re.M)
        assert f"app::127.0.0.1:{ports['8080']}::rq_success::1" in clusters.stdout
    finally:
        for process in (server, proxy):
            process.terminate()
        said = proxy.communicate(timeout=20)[1].decode()
        server.communicate(timeout=20)
    assert "require_client_certificate" in said, "the log says why"


def test_files_that_documents_link_to(tour):
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "certs" / "README.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_certificates_that_certs_make_makes(tmp_path):
    """As certs/README.md lists and prints them."""
    text = (ROOT / "certs" / "README.md").read_text()
    files = set(re.findall(r"`(\w+\.(?:crt|key))`", text))
    assert {"ca.crt", "server.crt", "client.key"} <= files
    out = tmp_path / "out"
    make = [ROOT / "certs" / "make", "--out", out]
    subprocess.run(make, check=True, capture_output=True, timeout=60)
    assert files <= {path.name for path in out.iterdir()}
    before = (out / "server.crt").read_bytes()
    subprocess.run(make, check=True, capture_output=True, timeout=60)
    assert (out / "server.crt").read_bytes() == before, "renews only what is missing"
    subprocess.run([*make, "--trust-domain", "prod.example", "api"], check=True, capture_output=True, timeout=60)
    names = subprocess.run(["openssl", "x509", "-in", out / "api.crt", "-noout", "-ext", "subjectAltName"],
                           check=True, capture_output=True, text=True).stdout
    assert "URI:spiffe://prod.example/ns/default/sa/api" in names
    subprocess.run([*make, "--force"], check=True, capture_output=True, timeout=60)
    assert (out / "server.crt").read_bytes() != before
