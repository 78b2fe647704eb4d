"""Secrets from files (SDS with a path_config_source): read at the start, followed from then on, and the same as the real Envoy
counts them."""
import json

import pytest
from bootstrap import UPSTREAM_TLS, cluster, http
from cryptography.hazmat.primitives import serialization
from harness import response, wait_until
from pki import Files, client_context
from test_certificate_reload import serials, total
from test_tls import ask, downstream, refused, tls_config

SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
NODE = ["--service-node", "node", "--service-cluster", "cluster"]


def put(files, name, version, *secrets):
    body = {"version_info": version, "resources": [{"@type": SECRET, **one} for one in secrets]}
    files.put(name, json.dumps(body, indent=1).encode())


def pair(leaf, name="pair"):
    return {"name": name, "tls_certificate": leaf.config}


def trust(authority, name="trust"):
    return {"name": name, "validation_context": {"trusted_ca": {"filename": str(authority.path)}}}


def reference(files, name, file, **source):
    return {"name": name, "sds_config": {
        "path_config_source": {"path": str(files.folder / file), **source}, "resource_api_version": "V3"}}


def server(files, **validation):
    socket = downstream(type("", (), {"config": None}), require=True if validation else None)
    socket["typed_config"]["common_tls_context"] = {
        "tls_certificate_sds_secret_configs": [reference(files, "pair", "pair.json")], **validation}
    return socket


@pytest.mark.parametrize("which", ["outrider", "envoy"])
def test_a_certificate_as_envoy_counts_it(start, start_envoy, ca, files, which):
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    put(files, "pair.json", "one", pair(old))
    proxy = (start if which == "outrider" else start_envoy)(tls_config(server(files)), arguments=NODE)
    context, counted = client_context(ca), {}

    def expect(serving, **more):
        for name, by in more.items():
            counted[name] = counted.get(name, 0) + by
        wanted = {"update_attempt": 0, "update_success": 0, "update_rejected": 0, "update_failure": 0, **counted}
        wait_until(lambda: {name: proxy.stat(f"sds.pair.{name}") for name in wanted} == wanted, lambda: (wanted, proxy.stats("^sds")))
        wait_until(lambda: serials(proxy, context) == {serving.certificate.serial_number}, "the certificate")

    def version():
        line, = [one for one in proxy.get_admin("/stats").body.decode().splitlines() if one.startswith("sds.pair.version_text")]
        return line.partition(": ")[2]

    expect(old, update_attempt=1, update_success=1)
    assert version() == '"one"' and proxy.stat("sds.pair.update_time") > 0
    put(files, "pair.json", "two", pair(new))
    expect(new, update_attempt=1, update_success=1)
    assert version() == '"two"'
    put(files, "pair.json", "three", pair(old, "other"))
    expect(new, update_attempt=1, update_rejected=1)
    files.put("pair.json", b'{"resources": [')
    expect(new, update_attempt=1, update_failure=1)
    mismatch = {"name": "pair", "tls_certificate": {**new.config, "private_key": old.config["private_key"]}}
    put(files, "pair.json", "four", mismatch)
    expect(new, update_attempt=1, update_rejected=1)
    assert version() == '"two"'
    put(files, "pair.json", "five", pair(old))
    expect(old, update_attempt=1, update_success=1)
    # The secret stays; the files that it names change, one after the other.
    there = Files(ca.folder)
    there.put("old.pem", new.certificate_path.read_bytes())
    wait_until(lambda: proxy.stat("sds.pair.key_rotation_failed") > 0, "the failure is counted")
    expect(old)
    there.put("old.key", new.key_path.read_bytes())
    expect(new)
    shown = set(proxy.stats(r"certificate\.pair\.expiration_unix_time_seconds"))
    assert len(shown) == 1 and total(proxy, "ssl_context_update_by_sds") >= 3


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("followed", [True, False])
def test_a_ca_that_is_merged_over_a_default(start, ca, other_ca, files, workers, followed):
    """`combined_validation_context`; the switch is for files that no secret names."""
    put(files, "pair.json", "1", pair(ca.leaf("s", dns=["localhost"])))
    put(files, "trust.json", "1", trust(ca))
    matcher = {"san_type": "URI", "matcher": {"exact": "spiffe://test/client"}}
    config = tls_config(server(files, combined_validation_context={
        "default_validation_context": {"match_typed_subject_alt_names": [matcher]},
        "validation_context_sds_secret_config": reference(files, "trust", "trust.json")}))
    config["layered_runtime"] = {"layers": [{"name": "s", "static_layer": {"outrider.tls.reload_files": followed}}]}
    proxy = start(config, arguments=["--concurrency", str(workers)])
    contexts = {authority.name: client_context(ca, authority.leaf(f"c-{authority.name}", uri=["spiffe://test/client"]))
                for authority in (ca, other_ca)}
    stranger = client_context(ca, other_ca.leaf("stranger", uri=["spiffe://test/other"]))
    assert not refused(proxy, contexts[ca.name]) and refused(proxy, contexts[other_ca.name])
    put(files, "trust.json", "2", trust(other_ca))
    wait_until(lambda: proxy.stat("sds.trust.update_success") == 2, "update")
    wait_until(lambda: not any(refused(proxy, contexts[other_ca.name]) for _ in range(8)), "every worker")
    assert all(refused(proxy, contexts[ca.name]) and refused(proxy, stranger) for _ in range(4))


def test_a_cluster_whose_secrets_share_a_watched_folder(start, upstream, ca, other_ca, files):
    """One file with both secrets, found through a link that is set anew."""

    def publish(name, leaf, authority):
        folder = Files(files.folder / name)
        put(folder, "secrets.yaml", name, pair(leaf), trust(authority))
        link = files.folder / "..data_tmp"
        link.symlink_to(name)
        link.rename(files.folder / "..data")

    seen = []

    def script(peer, _number):
        seen.append(peer.sock.getpeercert(True))
        peer.request()
        peer.send(response(headers=[("connection", "close")]))

    first, second = ca.leaf("c1"), ca.leaf("c2")
    publish("..1", first, ca)
    (files.folder / "secrets.yaml").symlink_to("..data/secrets.yaml")
    server_leaf = ca.leaf("server", dns=["app.test"])
    app = upstream(script, tls=server_leaf.server_context(ca))
    watched = {"watched_directory": {"path": str(files.folder)}}
    common = {
        "tls_certificate_sds_secret_configs": [reference(files, "pair", "secrets.yaml", **watched)],
        "validation_context_sds_secret_config": reference(files, "trust", "secrets.yaml", **watched)}
    socket = {"name": "tls", "typed_config": {"@type": UPSTREAM_TLS, "sni": "app.test", "common_tls_context": common}}
    proxy = start(http(clusters=[cluster("app", app.port, transport_socket=socket)]))
    assert ask(proxy.client()).status == 200
    publish("..2", second, ca)
    wait_until(lambda: proxy.stat("sds.pair.update_success") == 2 == proxy.stat("sds.trust.update_success"), "update")
    assert ask(proxy.client()).status == 200
    assert seen == [one.certificate.public_bytes(serialization.Encoding.DER) for one in (first, second)]
    publish("..3", second, other_ca)
    wait_until(lambda: proxy.stat("sds.trust.update_success") == 3, "update")
    assert ask(proxy.client()).status == 503
    shown, = json.loads(proxy.get_admin("/certs").body)["certificates"]
    assert shown["ca_cert"][0]["serial_number"] == f"{other_ca.certificate.serial_number:04x}"
