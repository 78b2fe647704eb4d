"""Secrets that come while the proxy runs: keys of session tickets, and what /config_dump and /certs show of secrets from control
planes and from files. All of it against the real Envoy, too."""
import base64
import json
import os
import ssl

import pytest
from bootstrap import DOWNSTREAM_TLS
from control_plane import LISTENER, SECRET
from harness import wait_until
from pki import client_context
from test_secret_files import NODE, put, reference
from test_tls import ask, tls_config
from test_xds_grpc import aggregated, encoded, planned, secret, secured, trust  # noqa: F401
from xds_world import fill

REDACTED = base64.b64encode(b"[redacted]").decode()


def tickets(*keys, name="tickets"):
    return {"name": name, "session_ticket_keys": {"keys": [{"inline_bytes": base64.b64encode(one).decode()} for one in keys]}}


def with_tickets(one, source):
    """The listener with keys of tickets from elsewhere."""
    context = one["filter_chains"][0]["transport_socket"]["typed_config"]
    context["session_ticket_keys_sds_secret_config"] = {"name": "tickets", "sds_config": source}
    return one


class Resumer:
    """A client that comes back with the session that it once got."""

    def __init__(self, proxy, context):
        self.proxy, self.context, self.session = proxy, context, None

    def begin(self):
        peer = self.proxy.client(tls=self.context, server_name="localhost")
        assert ask(peer).status == 200
        self.session = peer.sock.session

    def is_resumed(self):
        peer = self.proxy.client()
        peer.sock = self.context.wrap_socket(peer.sock, server_hostname="localhost", session=self.session)
        assert ask(peer).status == 200
        return peer.sock.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_keys_of_session_tickets_turn(either, aggregated, named, ca, version):  # noqa: F811
    one, two, three = os.urandom(80), os.urandom(80), os.urandom(80)
    fill(aggregated, named(b"one").port)
    aggregated.put(LISTENER, with_tickets(secured(aggregated), aggregated.source(SECRET)))
    aggregated.put(SECRET, secret(ca.leaf("pair", dns=["localhost"])), tickets(one))
    proxy = either(aggregated.bootstrap())
    context = client_context(ca)
    context.maximum_version = version
    client = Resumer(proxy, context)
    client.begin()
    assert client.is_resumed()

    def turn(*keys):
        before = proxy.stat("sds.tickets.update_success")
        aggregated.put(SECRET, tickets(*keys))
        wait_until(lambda: proxy.stat("sds.tickets.update_success") > before, "the keys are there")

    # The older key opens what it sealed.
    turn(two, one)
    wait_until(client.is_resumed, "the session of the older key")
    turn(three)
    wait_until(lambda: not client.is_resumed(), "a whole handshake")
    client.begin()
    assert client.is_resumed()
    # What is no good changes nothing.
    aggregated.put(SECRET, tickets(b"short"))
    aggregated.plane.wait_nack(SECRET)
    assert client.is_resumed()


def test_keys_of_session_tickets_from_a_file(either, ca, files):
    one, two = os.urandom(80), os.urandom(80)
    put(files, "tickets.json", "1", tickets(one))
    leaf = ca.leaf("pair", dns=["localhost"])
    socket = {"name": "tls", "typed_config": {
        "@type": DOWNSTREAM_TLS, "common_tls_context": {"tls_certificates": [leaf.config]},
        "session_ticket_keys_sds_secret_config": reference(files, "tickets", "tickets.json")}}
    proxy = either(tls_config(socket), arguments=NODE)
    client = Resumer(proxy, client_context(ca))
    client.begin()
    assert client.is_resumed()
    put(files, "tickets.json", "2", tickets(two, one))
    proxy.wait_stat("sds.tickets.update_success", 2)
    wait_until(client.is_resumed, "the session of the older key")
    put(files, "tickets.json", "3", tickets(two))
    proxy.wait_stat("sds.tickets.update_success", 3)
    wait_until(lambda: not client.is_resumed(), "a whole handshake")


# What is shown


def shown(proxy, field):
    """A list of the dump's secrets by name, without their times."""
    found = json.loads(proxy.get_admin(f"/config_dump?resource={field}").body).get("configs", [])
    for one in found:
        assert one.pop("last_updated").endswith("Z") and one.pop("@type").endswith("SecretsConfigDump.DynamicSecret")
    return {one.pop("name"): one for one in found}


def message(name, **content):
    return {"@type": SECRET, "name": name, **content}


def test_what_is_shown_of_secrets(either, aggregated, named, ca):  # noqa: F811
    leaf = ca.leaf("pair", dns=["localhost"])
    fill(aggregated, named(b"one").port)
    aggregated.put(LISTENER, with_tickets(secured(aggregated, "trust"), aggregated.source(SECRET)))
    proxy = either(aggregated.bootstrap(), wait=False)
    proxy.wait_admin()
    empty = {name: {"version_info": "uninitialized", "secret": message(name)} for name in ("pair", "trust", "tickets")}
    wait_until(lambda: shown(proxy, "dynamic_warming_secrets") == empty, lambda: shown(proxy, "dynamic_warming_secrets"))
    assert shown(proxy, "dynamic_active_secrets") == {}
    assert json.loads(proxy.get_admin("/certs").body) == {"certificates": []}

    aggregated.put(SECRET, secret(leaf), trust(ca), tickets(os.urandom(80)))
    wait_until(lambda: shown(proxy, "dynamic_warming_secrets") == {}, lambda: shown(proxy, "dynamic_warming_secrets"))
    pair = {"certificate_chain": {"inline_bytes": base64.b64encode(leaf.certificate_path.read_bytes()).decode()},
            "private_key": {"inline_bytes": REDACTED}}
    assert shown(proxy, "dynamic_active_secrets") == {
        name: {"version_info": str(aggregated.plane.version), "secret": message(name, **content)} for name, content in {
            "pair": {"tls_certificate": pair}, "trust": {"validation_context": trust(ca)["validation_context"]},
            "tickets": {"session_ticket_keys": {"keys": [{"inline_bytes": REDACTED}]}}}.items()}
    certificates, = wait_until(lambda: json.loads(proxy.get_admin("/certs").body)["certificates"], "certificates")
    serial = f"{leaf.certificate.serial_number:x}"
    assert [one["serial_number"].lstrip("0") for one in certificates["cert_chain"]] == [serial]
    assert certificates["cert_chain"][0]["subject_alt_names"] == [{"dns": "localhost"}]
    assert certificates["cert_chain"][0]["path"] == certificates["ca_cert"][0]["path"] == "<inline>"


def test_secrets_go_with_who_wants_them(start, aggregated, named, ca):  # noqa: F811
    """Envoy keeps them until the connections of the listener have drained."""
    fill(aggregated, named(b"one").port)
    aggregated.put(LISTENER, secured(aggregated))
    aggregated.put(SECRET, secret(ca.leaf("pair", dns=["localhost"])))
    proxy = start(aggregated.bootstrap())
    assert list(shown(proxy, "dynamic_active_secrets")) == ["pair"]
    aggregated.remove(LISTENER, "main")
    wait_until(lambda: shown(proxy, "dynamic_active_secrets") == {}, "the secret is gone")


def test_what_is_shown_of_secrets_from_files(either, ca, files):
    """Envoy shows the certificate that it has read in place of the file's name."""
    leaf = ca.leaf("pair", dns=["localhost"])
    put(files, "pair.json", "one", {"name": "pair", "tls_certificate": leaf.config})
    socket = {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, "common_tls_context": {
        "tls_certificate_sds_secret_configs": [reference(files, "pair", "pair.json")]}}}
    proxy = either(tls_config(socket), arguments=NODE)

    def wait_shown(version):
        wait_until(lambda: shown(proxy, "dynamic_active_secrets")["pair"]["version_info"] == version, f"version {version}")
        secret, = shown(proxy, "dynamic_active_secrets").values()  # noqa: F811
        pair = secret["secret"]["tls_certificate"]
        return pair["certificate_chain"], pair["private_key"]

    chain, key = wait_shown("one")
    assert chain in (leaf.config["certificate_chain"], {"inline_bytes": encoded(leaf.certificate_path)})
    assert key in ({"filename": "[redacted]"}, {"inline_bytes": REDACTED})
    inline = {"certificate_chain": {"inline_bytes": encoded(leaf.certificate_path)},
              "private_key": {"inline_bytes": encoded(leaf.key_path)}}
    put(files, "pair.json", "two", {"name": "pair", "tls_certificate": inline})
    assert wait_shown("two") == (inline["certificate_chain"], {"inline_bytes": REDACTED})
    files.put("pair.json", b"{")
    proxy.wait_stat("sds.pair.update_failure", 1)
    assert wait_shown("two") == (inline["certificate_chain"], {"inline_bytes": REDACTED})
