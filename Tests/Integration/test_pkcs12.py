"""Certificates in PKCS#12 files: taken with their chain and password, and told apart when they cannot be opened."""
import json
import os
import subprocess

import pytest
from bootstrap import DOWNSTREAM_TLS, bootstrap, cluster, forward, listener, manager
from conftest import ENVOY
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from pki import Authority, client_context


def write(folder, leaf, password=None):
    """A file as `openssl pkcs12 -export` makes it, with the CA behind the leaf."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = serialization.load_pem_private_key(leaf.key_path.read_bytes(), None)
    path = folder / "server.p12"
    path.write_bytes(pkcs12.serialize_key_and_certificates(
        b"server", key, leaf.certificate, [leaf.authority.certificate], encryption))
    return path


def config(port, path, **fields):
    tls = {"@type": DOWNSTREAM_TLS, "common_tls_context": {
        "tls_certificates": [{"pkcs12": {"filename": str(path)}, **fields}]}}
    return bootstrap(
        [listener(manager([forward()]), chain={"transport_socket": {"name": "tls", "typed_config": tls}})],
        [cluster("app", port)])


@pytest.mark.parametrize("password", [None, b"secret"])
@pytest.mark.parametrize("proxy", ["outrider", "envoy"])
def test_a_file_with_and_without_a_password(start, start_envoy, upstream, tmp_path, proxy, password):
    if proxy == "envoy" and not ENVOY.exists():
        pytest.skip("no Envoy")
    authority = Authority(tmp_path)
    path = write(tmp_path, authority.leaf("server", dns=["a.example"]), password)
    fields = {"password": {"inline_string": password.decode()}} if password else {}
    running = (start if proxy == "outrider" else start_envoy)(config(upstream().port, path, **fields))
    client = running.client(tls=client_context(authority), server_name="a.example")
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert client.response().status == 200


@pytest.mark.parametrize("fields, what", [
    ({}, "server.p12 is encrypted, and no password is given"),
    ({"password": {"inline_string": "wrong"}}, "server.p12 cannot be opened with the given password"),
    ({"pkcs12": {"inline_string": "junk"}}, "<inline> is no PKCS#12 file"),
    ({"password": {"inline_string": "secret"}, "private_key": {"inline_string": "x"}},
     "private_key: only one of pkcs12 and private_key may be set"),
])
def test_what_is_wrong_with_a_file(tmp_path, fields, what):
    path = write(tmp_path, Authority(tmp_path).leaf("server"), b"secret")
    file = tmp_path / "bootstrap.json"
    file.write_text(json.dumps(config(1, path, **fields)))
    result = subprocess.run([os.environ["OUTRIDER"], "validate", str(file)], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1 and what in result.stderr, result.stderr
    assert ".tls_certificates[0]." in result.stderr
