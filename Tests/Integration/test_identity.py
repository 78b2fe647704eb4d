"""Whose certificate is whose: every way to accept or refuse a peer, on both sides, and the words about it."""
import base64
import contextlib
import hashlib
import ssl
import threading

import pytest
from bootstrap import DOWNSTREAM_TLS, UPSTREAM_HTTP, UPSTREAM_TLS, bootstrap, cluster, forward, http, listener, manager
from cryptography.hazmat.primitives import serialization
from harness import Upstream, response, serve, wait_until
from pki import Authority, client_context

GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server(ca):
    return ca.leaf("server", dns=["localhost", "app.test"], uri=["spiffe://td/server"])


@pytest.fixture(scope="module")
def client_leaf(ca):
    return ca.leaf("client", dns=["client.test", "*.wild.test"], uri=["spiffe://td/ns/a/sa/client"], ip=["10.1.2.3", "fd00::1"],
                   email=["who@client.test"])


def validation(ca, **more):
    return {"validation_context": {"trusted_ca": {"filename": str(ca.path)}, **more}}


def downstream(leaf, ca=None, common=None, accept=None, **settings):
    checks = validation(ca, **(accept or {})) if ca else {}
    return {"name": "tls", "typed_config": {
        "@type": DOWNSTREAM_TLS, "require_client_certificate": ca is not None, **settings,
        "common_tls_context": {"tls_certificates": [leaf.config], **checks, **(common or {})}}}


def serving(socket, clusters=(), action=None, **settings):
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "in"}}}
    one = listener(manager([action or direct], **settings), chain={"transport_socket": socket}, stat_prefix="main")
    return bootstrap([one], list(clusters))


def visit(proxy, context, name="localhost"):
    """The answer's body; None when the handshake or the first read fails."""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        with contextlib.closing(proxy.client(tls=context, server_name=name)) as client:
            client.send(GET)
            answer = client.response()
            return answer and answer.body
    return None


def spki(leaf):
    der = leaf.certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def san(kind, **matcher):
    return {"match_typed_subject_alt_names": [{"san_type": kind, "matcher": matcher}]}


SANS = [
    ("DNS", {"exact": "client.test"}, True), ("DNS", {"exact": "CLIENT.TEST"}, True), ("DNS", {"exact": "x.wild.test"}, True),
    ("DNS", {"exact": "x.y.wild.test"}, False), ("DNS", {"suffix": ".test"}, True), ("DNS", {"prefix": "server"}, False),
    ("URI", {"exact": "spiffe://td/ns/a/sa/client"}, True), ("URI", {"exact": "spiffe://td/ns/b/sa/client"}, False),
    ("URI", {"prefix": "spiffe://td/"}, True), ("URI", {"prefix": "spiffe://other/"}, False),
    ("URI", {"safe_regex": {"regex": "spiffe://td/ns/[a-z]/sa/client"}}, True), ("URI", {"safe_regex": {"regex": "spiffe://td/"}}, False),
    ("URI", {"contains": "/ns/a/"}, True), ("URI", {"exact": "SPIFFE://TD/NS/A/SA/CLIENT", "ignore_case": True}, True),
    ("IP_ADDRESS", {"exact": "10.1.2.3"}, True), ("IP_ADDRESS", {"exact": "fd00::1"}, True), ("IP_ADDRESS", {"exact": "10.1.2.4"}, False),
    ("IP_ADDRESS", {"prefix": "10.1."}, True),
    ("EMAIL", {"exact": "who@client.test"}, True), ("EMAIL", {"suffix": "@other.test"}, False),
]


@pytest.mark.parametrize("side", ["ours", "envoy"])
def test_names_of_every_type(start, start_envoy, ca, server, client_leaf, side):
    """One listener for each matcher; the real Envoy is asked the same."""
    listeners = []
    for number, (kind, matcher, _) in enumerate(SANS):
        one = serving(downstream(server, ca, accept=san(kind, **matcher)))["static_resources"]["listeners"][0]
        listeners.append({**one, "name": f"l{number}", "stat_prefix": f"l{number}"})
    proxy = (start if side == "ours" else start_envoy)(bootstrap(listeners, []))
    context = client_context(ca, client_leaf)
    for number, (kind, matcher, accepted) in enumerate(SANS):
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            client = proxy.client(f"l{number}", tls=context, server_name="localhost")
            client.send(GET)
            answer = client.response()
            assert (answer is not None) == accepted, (kind, matcher)
        assert proxy.stat(f"listener.l{number}.ssl.fail_verify_san") == int(not accepted), (kind, matcher)


def test_public_key_pins(start, ca, server, client_leaf):
    other = ca.leaf("other")
    for pins, accepted in (([spki(client_leaf)], True), ([spki(other)], False), ([spki(other), spki(client_leaf)], True)):
        proxy = start(serving(downstream(server, ca, accept={"verify_certificate_spki": pins})))
        assert (visit(proxy, client_context(ca, client_leaf)) == b"in") == accepted
        assert proxy.stat("listener.main.ssl.fail_verify_cert_hash") == int(not accepted)
    # Either kind of pin is enough; a hash may be written with colons.
    colons = ":".join(client_leaf.sha256[at:at + 2] for at in range(0, 64, 2)).upper()
    proxy = start(serving(downstream(server, ca, accept={"verify_certificate_spki": [spki(other)], "verify_certificate_hash": [colons]})))
    assert visit(proxy, client_context(ca, client_leaf)) == b"in"


REASONS = {
    "no certificate": ("none", {}, "fail_verify_no_cert", "certificate"),
    "unknown CA": ("stranger", {}, "fail_verify_error", "CA"),
    "expired": ("expired", {}, "fail_verify_error", "expired"),
    "wrong name": ("client", san("URI", exact="spiffe://td/ns/b/sa/b"), "fail_verify_san", "match none of 1 matcher"),
    "wrong name, two rules": ("client", {"match_typed_subject_alt_names": [
        {"san_type": "URI", "matcher": {"exact": "spiffe://x/y"}}, {"san_type": "DNS", "matcher": {"exact": "z"}}]},
        "fail_verify_san", "match none of 2 matchers"),
    "wrong pin": ("client", {"verify_certificate_hash": ["00" * 32]}, "fail_verify_cert_hash", "match none of the pins"),
    "revoked": ("revoked", "crl", "fail_verify_error", "revoked"),
}


@pytest.mark.parametrize("name", REASONS)
def test_a_refused_client_is_explained(start, ca, server, client_leaf, tmp_path, name):
    who, accept, counter, words = REASONS[name]
    revoked = ca.leaf("revoked", uri=["spiffe://td/ns/a/sa/client"])
    if accept == "crl":
        accept = {"crl": {"filename": str(ca.revoke(revoked))}}
    leaf = {"none": lambda: None, "stranger": lambda: Authority(tmp_path, "stranger").leaf("x"), "client": lambda: client_leaf,
            "expired": lambda: ca.leaf("old", expired=True), "revoked": lambda: revoked}[who]()
    proxy = start(serving(downstream(server, ca, accept=accept)), arguments=["-l", "debug"])
    assert visit(proxy, client_context(ca, leaf)) is None
    # What is said of the proxy's own certificates says nothing of the client.
    line = wait_until(
        lambda: next((line for line in proxy.log_text().splitlines() if words in line and "[secret]" not in line), None),
        f"'{words}' in the log")
    assert "127.0.0.1" in line and "main" in line, line
    if who == "client" and "san" in counter:
        assert "spiffe://td/ns/a/sa/client" in line, line
    assert proxy.stat(f"listener.main.ssl.{counter}") == 1
    assert proxy.stat("listener.main.ssl.handshake") == 0


def upstream_socket(ca, leaf=None, accept=None, common=None, **settings):
    certificates = {"tls_certificates": [leaf.config]} if leaf else {}
    return {"transport_socket": {"name": "tls", "typed_config": {
        "@type": UPSTREAM_TLS, "sni": "app.test", **settings,
        "common_tls_context": {**certificates, **validation(ca, **(accept or {})), **(common or {})}}}}


def ask(proxy, host="a"):
    with contextlib.closing(proxy.client()) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
        return client.response()


def test_an_upstream_that_is_not_who_it_should_be(start, upstream, ca, server, client_leaf, tmp_path):
    """503 without a word of the reason to the client; the counter, the flag and the log of it are there."""
    cases = {
        "stranger": (Authority(tmp_path, "stranger").leaf("x", dns=["app.test"]), {}, "fail_verify_error"),
        "name": (server, san("URI", exact="spiffe://td/else"), "fail_verify_san"),
        "pin": (server, {"verify_certificate_hash": ["11" * 32]}, "fail_verify_cert_hash"),
        "expired": (ca.leaf("old", dns=["app.test"], expired=True), {}, "fail_verify_error"),
        "revoked": (gone := ca.leaf("gone", dns=["app.test"]), {"crl": {"filename": str(ca.revoke(gone))}}, "fail_verify_error"),
    }
    for name, (leaf, accept, counter) in cases.items():
        app = upstream(serve(lambda _request: response()), tls=leaf.server_context())
        proxy = start(http(clusters=[cluster("app", app.port, **upstream_socket(ca, client_leaf, accept))]))
        answer = ask(proxy)
        assert answer.status == 503, name
        assert b"spiffe" not in answer.body and b"remote connection failure" in answer.body, (name, answer.body)
        assert proxy.stat(f"cluster.app.ssl.{counter}") == 1, name
        assert proxy.stat("cluster.app.upstream_cx_connect_fail") == 1, name
        assert proxy.stat("cluster.app.ssl.handshake") == 0, name


class SNI:
    """A TLS server that notes the names it was asked for."""

    def __init__(self, leaf, ca=None):
        self.names, self.resumed = [], []
        self.context = leaf.server_context(ca)
        self.context.sni_callback = lambda _socket, name, _context: self.names.append(name)

    def script(self, peer, _number):
        self.resumed.append(peer.sock.session_reused)
        while peer.request():
            peer.send(response())


def test_server_names_from_requests(start, ca, server):
    """`auto_sni`: each name has connections of its own; identities are never mixed."""
    seen = SNI(ca.leaf("many", dns=["one.test", "two.test"]))
    app = Upstream(seen.script, seen.context)
    options = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": UPSTREAM_HTTP, "explicit_http_config": {"http_protocol_options": {}},
        "upstream_http_protocol_options": {"auto_sni": True, "auto_san_validation": True}}}}
    socket = upstream_socket(ca)
    del socket["transport_socket"]["typed_config"]["sni"]
    proxy = start(http(clusters=[cluster("app", app.port, **socket, **options)]))
    for host, status in (("one.test", 200), ("two.test:8080", 200), ("one.test", 200), ("three.test", 503)):
        assert ask(proxy, host).status == status, host
    assert seen.names == ["one.test", "two.test", "three.test"]
    assert proxy.stat("cluster.app.ssl.fail_verify_san") == 1
    app.close()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("keys", [None, 0])
def test_sessions_are_resumed_upstream(start, ca, server, version, keys):
    seen = SNI(server)
    seen.context.maximum_version = ssl.TLSVersion[version]

    def once(peer, _number):
        seen.resumed.append(peer.sock.session_reused)
        peer.request()
        peer.send(response(headers=[("connection", "close")]))

    app = Upstream(once, seen.context)
    settings = {} if keys is None else {"max_session_keys": keys}
    proxy = start(http(clusters=[cluster("app", app.port, **upstream_socket(
        ca, common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}}, **settings))]))
    for _ in range(3):
        assert ask(proxy).status == 200
        proxy.wait_stat("cluster.app.upstream_cx_active", 0)
    assert seen.resumed == ([False, True, True] if keys is None else [False, False, False])
    assert proxy.stat("cluster.app.ssl.session_reused") == (2 if keys is None else 0)
    app.close()


def test_tickets_can_be_turned_off(start, ca, server):
    proxy = start(serving(downstream(server, session_ticket_keys=None, disable_stateless_session_resumption=True,
                                     disable_stateful_session_resumption=True)))
    context = client_context(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    first = proxy.client(tls=context, server_name="localhost")
    first.send(GET)
    assert first.response().status == 200
    again = proxy.client()
    again.sock = context.wrap_socket(again.sock, server_hostname="localhost", session=first.sock.session)
    assert not again.sock.session_reused


def test_the_end_is_said_by_close_notify(start, ca, server):
    """A client that takes a missing close_notify for an attack is content."""
    proxy = start(serving(downstream(server)))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client_context(ca)
        context.maximum_version = version
        peer = proxy.client()
        peer.sock = context.wrap_socket(peer.sock, server_hostname="localhost", suppress_ragged_eofs=False)
        peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert peer.response().status == 200
        assert peer.sock.recv(1) == b""
        peer.close()


def test_secrets_by_name_and_inline(start, ca, server, client_leaf):
    socket = downstream(server, ca)
    common = socket["typed_config"]["common_tls_context"]
    common.pop("tls_certificates"), common.pop("validation_context")
    common["tls_certificate_sds_secret_configs"] = [{"name": "ours"}]
    common["validation_context_sds_secret_config"] = {"name": "theirs"}
    config = serving(socket)
    config["static_resources"]["secrets"] = [
        {"name": "ours", "tls_certificate": {
            "certificate_chain": {"inline_string": server.certificate_path.read_text()},
            "private_key": {"inline_bytes": base64.b64encode(server.key_path.read_bytes()).decode()}}},
        {"name": "theirs", "validation_context": {"trusted_ca": {"inline_string": ca.path.read_text()}}}]
    proxy = start(config)
    assert visit(proxy, client_context(ca, client_leaf)) == b"in"
    assert visit(proxy, client_context(ca)) is None


def test_several_certificates_chosen_by_name(start, ca):
    leaves = [ca.leaf("first", dns=["first.test"]), ca.leaf("second", dns=["second.test", "*.second.test"])]
    socket = downstream(leaves[0])
    socket["typed_config"]["common_tls_context"]["tls_certificates"] = [leaf.config for leaf in leaves]
    proxy = start(serving(socket))
    for name in ("first.test", "second.test", "x.second.test"):
        assert visit(proxy, client_context(ca), name) == b"in", name


def test_ciphers_curves_and_versions(start, ca, server):
    def chosen(parameters, **wish):
        proxy = start(serving(downstream(server, common={"tls_params": parameters})))
        context = client_context(ca)
        for key, value in wish.items():
            getattr(context, key)(value) if callable(getattr(context, key)) else setattr(context, key, value)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            with contextlib.closing(proxy.client(tls=context, server_name="localhost")) as client:
                client.send(GET)
                assert client.response().status == 200
                moved = {name.split(".ssl.")[1] for name, value in proxy.stats(r"^listener\.main\.ssl\.(ciphers|curves|versions)").items() if value}
                return client.sock.version(), client.sock.cipher()[0], moved
        return None

    v12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    version, cipher, moved = chosen({"cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384"], "ecdh_curves": ["P-256"]}, **v12)
    assert (version, cipher) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert {"ciphers.ECDHE-ECDSA-AES256-GCM-SHA384", "curves.P-256", "versions.TLSv1.2"} <= moved
    assert chosen({"cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384"]}, set_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", **v12) is None
    assert chosen({"ecdh_curves": ["X25519"]}, set_ecdh_curve="prime256v1") is None
    assert chosen({"tls_maximum_protocol_version": "TLSv1_2"})[0] == "TLSv1.2"
    assert chosen({"tls_minimum_protocol_version": "TLSv1_3"}, **v12) is None
    assert chosen({})[0] == "TLSv1.3"


XFCC = {
    "SANITIZE": lambda own, came: None,
    "FORWARD_ONLY": lambda own, came: came,
    "APPEND_FORWARD": lambda own, came: f"{came},{own}",
    "SANITIZE_SET": lambda own, came: own,
    "ALWAYS_FORWARD_ONLY": lambda own, came: came,
}


@pytest.mark.parametrize("mode", XFCC)
def test_client_certificate_header(start, start_envoy, upstream, ca, server, client_leaf, mode):
    came = "By=spiffe://before/proxy;Hash=0011;URI=spiffe://before/client"
    seen = {}
    for name, launch in (("envoy", start_envoy), ("ours", start)):
        app = upstream()
        proxy = launch(serving(
            downstream(server, ca), [cluster("app", app.port)], forward(), forward_client_cert_details=mode,
            set_current_client_cert_details={"subject": True, "uri": True, "dns": True, "cert": True, "chain": True}))
        with contextlib.closing(proxy.client(tls=client_context(ca, client_leaf), server_name="localhost")) as client:
            client.send(f"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: {came}\r\n\r\n")
            assert client.response().status == 200
        seen[name] = app.requests[0].get("x-forwarded-client-cert")
    assert seen["ours"] == seen["envoy"]
    expected = XFCC[mode]("OWN", came)
    assert (seen["ours"] is None) == (expected is None)
    if mode in ("FORWARD_ONLY", "ALWAYS_FORWARD_ONLY"):
        assert seen["ours"] == came


def test_many_handshakes_at_once(start, ca, server, client_leaf):
    proxy = start(serving(downstream(server, ca)), arguments=["--concurrency", "2"])
    bodies, lock = [], threading.Lock()

    def shake():
        for _ in range(10):
            body = visit(proxy, client_context(ca, client_leaf))
            with lock:
                bodies.append(body)

    threads = [threading.Thread(target=shake) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert bodies == [b"in"] * 80
    assert proxy.stat("listener.main.ssl.handshake") == 80
