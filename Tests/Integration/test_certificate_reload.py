"""Certificates, keys, CAs and revocation lists that change while the proxy serves: new handshakes have the new ones, no
connection is lost, and what is no good changes nothing."""
import contextlib
import json
import os
import shutil
import ssl
import threading

import pytest
from bootstrap import cluster, http
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from harness import connect, response, serve, wait_until
from pki import Files, client_context
from test_tls import ask, downstream, refused, tls_config, upstream_tls

UPDATES = "server_ssl_socket_factory.ssl_context_update_by_sds"
FAILURES = "server_ssl_socket_factory.key_rotation_failed"
both_worker_counts = pytest.mark.parametrize("workers", [1, 2])


def server(files, validation=None, **more):
    """A listener's transport socket whose pair is in `files`."""
    socket = downstream(type("", (), {"config": files.pair()}), require=True if validation else None, **more)
    if validation:
        socket["typed_config"]["common_tls_context"]["validation_context"] = validation
    return socket


def launch(start, config, workers=1, runtime=None, **settings):
    if runtime:
        config["layered_runtime"] = {"layers": [{"name": "settings", "static_layer": runtime}]}
    return start(config, arguments=["--concurrency", str(workers)], **settings)


def serial(peer):
    return x509.load_der_x509_certificate(peer.sock.getpeercert(True)).serial_number


def serials(proxy, context, count=8):
    """What as many new connections are shown, over all workers."""
    found = set()
    for _ in range(count):
        peer = proxy.client(tls=context, server_name="localhost")
        found.add(serial(peer))
        peer.close()
    return found


def wait_serial(proxy, context, leaf):
    wanted = {leaf.certificate.serial_number}
    wait_until(lambda: serials(proxy, context) == wanted, "the new certificate on every worker")


def total(proxy, name):
    return sum(proxy.stats(rf"^(listener|cluster)\..*{name}$").values())


@both_worker_counts
def test_a_rotation_under_load_fails_no_request(start, ca, files, workers):
    leaves = [ca.leaf(f"s{number}", dns=["localhost"]) for number in range(6)]
    files.put_leaf(leaves[0])
    proxy = launch(start, tls_config(server(files)), workers)
    context, stop, done, failures = client_context(ca), threading.Event(), [], []
    first = proxy.client(tls=context, server_name="localhost")
    port = proxy.port("main")

    def load(keeps):
        peer = None
        while not stop.is_set():
            try:
                if not keeps or peer is None:
                    peer = proxy_client(port, context)
                assert ask(peer).status == 200
                done.append(keeps)
                if not keeps:
                    peer.close()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
                failures.append(error)
                return

    threads = [threading.Thread(target=load, args=(keeps,)) for keeps in (True, False, False)]
    for thread in threads:
        thread.start()
    for leaf in leaves[1:]:
        files.put_leaf(leaf)
        wait_serial(proxy, context, leaf)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and {True, False} <= set(done)
    # Who was there before is still served, with what there was then.
    assert ask(first).status == 200 and serial(first) == leaves[0].certificate.serial_number
    assert total(proxy, UPDATES) == 5 and total(proxy, FAILURES) == 0


def proxy_client(port, context):
    peer = connect(port)
    peer.sock = context.wrap_socket(peer.sock, server_hostname="localhost")
    return peer


@both_worker_counts
def test_what_is_shown_follows(start, ca, files, workers):
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"], days=7)
    files.put_leaf(old)
    proxy = launch(start, tls_config(server(files)), workers)
    assert f"serial {old.certificate.serial_number:04x}" in proxy.log_text()
    assert proxy.stat("server.days_until_first_cert_expiring") > 20
    files.put_leaf(new)
    wait_serial(proxy, client_context(ca), new)
    shown = json.loads(proxy.get_admin("/certs").body)["certificates"][0]["cert_chain"][0]
    assert shown["serial_number"] == f"{new.certificate.serial_number:04x}"
    assert proxy.stat("server.days_until_first_cert_expiring") < 10
    expires = int(new.certificate.not_valid_after_utc.timestamp())
    assert set(proxy.stats(r"^listener\..*certificate\..*expiration_unix_time_seconds").values()) == {expires}
    text = proxy.log_text()
    assert f"CN=new of {files.folder / 'tls.crt'}: serial {new.certificate.serial_number:04x}" in text
    assert "new TLS context for listener 'main'" in text


@both_worker_counts
def test_kubelet_swaps_a_link(start, ca, files, workers):
    """`tls.crt` -> `..data/tls.crt`, and `..data` -> a folder that a new one takes the place of."""

    def publish(name, leaf):
        Files(files.folder / name).put_leaf(leaf)
        link = files.folder / "..data_tmp"
        link.symlink_to(name)
        link.rename(files.folder / "..data")

    leaves = [ca.leaf(f"s{number}", dns=["localhost"]) for number in range(3)]
    publish("..2026_1", leaves[0])
    for name in ("tls.crt", "tls.key"):
        (files.folder / name).symlink_to(f"..data/{name}")
    proxy = launch(start, tls_config(server(files)), workers)
    for number, leaf in enumerate(leaves[1:], 2):
        publish(f"..2026_{number}", leaf)
        shutil.rmtree(files.folder / f"..2026_{number - 1}")
        wait_serial(proxy, client_context(ca), leaf)
    assert total(proxy, UPDATES) == 2 and total(proxy, FAILURES) == 0


def test_a_new_certificate_without_its_key_waits_for_it(start, ca, files):
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    files.put_leaf(old)
    proxy = launch(start, tls_config(server(files)))
    files.put("tls.crt", new.certificate_path.read_bytes())
    wait_until(lambda: total(proxy, FAILURES) == 1, "the failure is counted")
    assert serials(proxy, client_context(ca)) == {old.certificate.serial_number}
    line, = [line for line in proxy.log_text().splitlines() if "does not belong" in line]
    for part in ("tls_certificates[0].private_key", str(files.folder / "tls.key"), "CN=new", "listener 'main'"):
        assert part in line
    files.put("tls.key", new.key_path.read_bytes())
    wait_serial(proxy, client_context(ca), new)
    assert total(proxy, FAILURES) == 1 and total(proxy, UPDATES) == 1


@pytest.mark.parametrize("broken, reason", [
    (b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "no readable PEM"), (b"", "is empty"), (None, "cannot be read"),
])
def test_what_is_broken_changes_nothing_until_it_is_mended(start, ca, files, broken, reason):
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    files.put_leaf(old)
    proxy = launch(start, tls_config(server(files)), runtime={"outrider.tls.poll_files_seconds": 1})
    path = files.folder / "tls.crt"
    if broken is None:
        path.unlink()
    else:
        # In place, as `cat > file` does.
        path.write_bytes(broken)
    wait_until(lambda: total(proxy, FAILURES) >= 1, "the failure is counted")
    assert serials(proxy, client_context(ca)) == {old.certificate.serial_number}
    assert reason in proxy.log_text() and str(path) in proxy.log_text()
    (files.folder / "tls.key").write_bytes(new.key_path.read_bytes())
    path.write_bytes(new.certificate_path.read_bytes())
    wait_serial(proxy, client_context(ca), new)


class Marker:
    """A cluster whose CA is changed last: when that has been acted on, all changes before it have been looked at."""

    def __init__(self, folder, one, two):
        self.files, self.next = Files(folder), two
        self.files.put("ca.crt", one.path.read_bytes())
        self.cluster = cluster("marker", 1, **upstream_tls(one))
        self.cluster["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"] = self.files.validation()

    def pass_by(self, proxy):
        self.files.put("ca.crt", self.next.path.read_bytes())
        name = "cluster.marker.client_ssl_socket_factory.ssl_context_update_by_sds"
        wait_until(lambda: proxy.stat(name) == 1, "the marker's change")


def test_equal_contents_change_nothing(start, ca, other_ca, files, tmp_path):
    leaf, marker = ca.leaf("one", dns=["localhost"]), Marker(tmp_path / "marker", ca, other_ca)
    files.put_leaf(leaf)
    config = tls_config(server(files))
    config["static_resources"]["clusters"] = [marker.cluster]
    proxy = launch(start, config)
    before = len(proxy.log_text().splitlines())
    files.put_leaf(leaf)
    (files.folder / "tls.crt").write_bytes(leaf.certificate_path.read_bytes())
    os.utime(files.folder / "tls.key")
    marker.pass_by(proxy)
    assert sum(proxy.stats(rf"^listener.*{UPDATES}$").values()) == 0 and total(proxy, FAILURES) == 0
    # A line for the marker's new CA, and one for the cluster that has it.
    wait_until(lambda: len(proxy.log_text().splitlines()) >= before + 2, "what is said of the marker")
    assert "listener" not in "".join(proxy.log_text().splitlines()[before:])


@both_worker_counts
def test_a_client_certificate_and_a_ca_upstream(start, upstream, ca, other_ca, files, workers):
    seen = []

    def script(peer, _number):
        seen.append(x509.load_der_x509_certificate(peer.sock.getpeercert(True)).serial_number)
        while peer.request():
            peer.send(response(headers=[("connection", "close")]))
            return

    def answers(leaf, client_ca):
        return upstream(script, tls=leaf.server_context(client_ca))

    first, second = ca.leaf("c1"), ca.leaf("c2")
    files.put_leaf(first)
    files.put("ca.crt", ca.path.read_bytes())
    before = answers(ca.leaf("server", dns=["app.test"]), ca)
    after = answers(other_ca.leaf("server", dns=["app.test"]), ca)

    def app(name, port):
        own = cluster(name, port, **upstream_tls(ca, sni="app.test"))
        own["transport_socket"]["typed_config"]["common_tls_context"].update(
            {"tls_certificates": [files.pair()], "validation_context": files.validation()})
        return own

    routes = [{"match": {"prefix": f"/{name}"}, "route": {"cluster": name}} for name in ("before", "after", "unused")]
    proxy = launch(start, http(
        routes, [app("before", before.port), app("after", after.port), app("unused", before.port)]), workers)

    def status(name):
        """From a new client each time, so that every worker is asked."""
        found = set()
        for _ in range(8):
            peer = proxy.client()
            peer.send(f"GET /{name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            found.add(peer.response().status)
        return found

    assert status("before") == {200} and set(seen) == {first.certificate.serial_number}
    assert status("after") == {503}
    files.put_leaf(second)
    wait_until(lambda: proxy.stat("cluster.before.client_ssl_socket_factory.ssl_context_update_by_sds") == 1, "update")
    seen.clear()
    assert status("before") == {200} and set(seen) == {second.certificate.serial_number}
    # A cluster that no worker has made yet.
    seen.clear()
    assert status("unused") == {200} and set(seen) == {second.certificate.serial_number}
    files.put("ca.crt", other_ca.path.read_bytes())
    wait_until(lambda: proxy.stat("cluster.before.client_ssl_socket_factory.ssl_context_update_by_sds") == 2, "update")
    assert status("after") == {200} and status("before") == {503}
    shown = json.loads(proxy.get_admin("/certs").body)["certificates"]
    assert {one["ca_cert"][0]["serial_number"] for one in shown} == {f"{other_ca.certificate.serial_number:04x}"}


def test_a_session_upstream_is_not_resumed_past_another_ca(start, upstream, ca, other_ca, files):
    """The server resumes whatever it is offered: it is for the client not to offer it."""
    files.put("ca.crt", ca.path.read_bytes())
    answering = serve(lambda _request: response(headers=[("connection", "close")]))
    server = upstream(answering, tls=ca.leaf("server", dns=["app.test"]).server_context())
    app = cluster("app", server.port, **upstream_tls(ca, sni="app.test"))
    app["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"] = files.validation()
    proxy = launch(start, http(clusters=[app]))
    for _ in range(3):
        assert ask(proxy.client()).status == 200
    assert proxy.stat("cluster.app.ssl.session_reused") >= 1
    files.put("ca.crt", other_ca.path.read_bytes())
    wait_until(lambda: proxy.stat("cluster.app.client_ssl_socket_factory.ssl_context_update_by_sds") == 1, "update")
    assert ask(proxy.client()).status == 503
    assert proxy.stat("cluster.app.ssl.fail_verify_error") >= 1


@both_worker_counts
def test_a_revocation_list_that_grows(start, ca, files, workers):
    good, bad = ca.leaf("good"), ca.leaf("bad")
    files.put_leaf(ca.leaf("s", dns=["localhost"]))
    files.put("ca.crt", ca.path.read_bytes())
    files.put("crl.pem", ca.revoke().read_bytes())
    proxy = launch(start, tls_config(server(files, files.validation(crl=True))), workers)
    assert not refused(proxy, client_context(ca, bad))
    files.put("crl.pem", ca.revoke(bad).read_bytes())
    wait_until(lambda: total(proxy, UPDATES) == 1, "update")
    wait_until(lambda: all(refused(proxy, client_context(ca, bad)) for _ in range(8)), "refused by every worker")
    assert not any(refused(proxy, client_context(ca, good)) for _ in range(8))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@both_worker_counts
def test_tickets_and_changes(start, ca, other_ca, files, version, workers):
    """A new certificate of our own is no reason to forget a session; another CA is."""
    files.put_leaf(ca.leaf("s", dns=["localhost"]))
    files.put("ca.crt", ca.path.read_bytes())
    proxy = launch(start, tls_config(server(files, files.validation())), workers)
    context = client_context(ca, ca.leaf("client"))
    context.maximum_version = version

    def session(peer):
        assert ask(peer).status == 200
        return peer.sock.session

    def again(held):
        peer = proxy.client()
        peer.sock = context.wrap_socket(peer.sock, server_hostname="localhost", session=held)
        return peer

    held = session(proxy.client(tls=context, server_name="localhost"))
    peer = again(held)
    held = session(peer)
    assert peer.sock.session_reused
    newer = ca.leaf("s", dns=["localhost"])
    files.put_leaf(newer)
    wait_serial(proxy, client_context(ca, ca.leaf("another")), newer)
    peer = again(held)
    held = session(peer)
    assert peer.sock.session_reused
    files.put("ca.crt", other_ca.path.read_bytes())
    wait_until(lambda: total(proxy, UPDATES) == 2, "update")
    friend = client_context(ca, other_ca.leaf("friend"))
    wait_until(lambda: not any(refused(proxy, friend) for _ in range(8)), "the new CA on every worker")
    for _ in range(8):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError, AttributeError)):
            peer = again(held)
            assert ask(peer).status == 200
    assert total(proxy, r"ssl\.session_reused") == 2


def test_pkcs12_its_password_and_ticket_keys(start, ca, files):
    def put(leaf, password):
        made = pkcs12.serialize_key_and_certificates(
            b"n", serialization.load_pem_private_key(leaf.key_path.read_bytes(), None), leaf.certificate, None,
            serialization.BestAvailableEncryption(password))
        files.put("both.p12", made)
        files.put("password", password)

    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    put(old, b"sesame")
    files.put("tickets", os.urandom(80))
    pair = {"pkcs12": {"filename": str(files.folder / "both.p12")}, "password": {"filename": str(files.folder / "password")}}
    socket = downstream(type("", (), {"config": pair}))
    socket["typed_config"]["session_ticket_keys"] = {"keys": [{"filename": str(files.folder / "tickets")}]}
    proxy = launch(start, tls_config(socket))
    context = client_context(ca)
    peer = proxy.client(tls=context, server_name="localhost")
    assert ask(peer).status == 200
    put(new, b"another")
    wait_serial(proxy, context, new)
    files.put("tickets", os.urandom(80))
    wait_until(lambda: total(proxy, UPDATES) == 2, "update")
    other = proxy.client()
    other.sock = context.wrap_socket(other.sock, server_hostname="localhost", session=peer.sock.session)
    assert ask(other).status == 200 and not other.sock.session_reused
    files.put("tickets", b"short")
    wait_until(lambda: "has 80 bytes, this has 5" in proxy.log_text(), "the reason in the log")


def test_watched_directory_tells_when(start, ca, other_ca, files, tmp_path):
    """Files may change at leisure; what counts is a move into the folder that is watched."""
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    files.put_leaf(old)
    flags, marker = Files(tmp_path / "flags"), Marker(tmp_path / "marker", ca, other_ca)
    socket = server(files)
    certificate = socket["typed_config"]["common_tls_context"]["tls_certificates"][0]
    certificate["watched_directory"] = {"path": str(flags.folder)}
    config = tls_config(socket)
    config["static_resources"]["clusters"] = [marker.cluster]
    proxy = launch(start, config, runtime={"outrider.tls.poll_files_seconds": 0})
    files.put_leaf(new)
    marker.pass_by(proxy)
    assert serials(proxy, client_context(ca)) == {old.certificate.serial_number}
    flags.put("now", b"")
    wait_serial(proxy, client_context(ca), new)
    assert sum(proxy.stats(rf"^listener.*{UPDATES}$").values()) == 1 and total(proxy, FAILURES) == 0


def test_what_the_kernel_does_not_tell_is_found_by_looking(start, ca, files):
    """A folder far above is exchanged: no watch is on it."""
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    inner = Files(files.folder / "a" / "b")
    inner.put_leaf(old)
    proxy = launch(start, tls_config(server(inner)), runtime={"outrider.tls.poll_files_seconds": 1})
    Files(files.folder / "a2" / "b").put_leaf(new)
    (files.folder / "a").rename(files.folder / "a1")
    (files.folder / "a2").rename(files.folder / "a")
    wait_serial(proxy, client_context(ca), new)


def test_turned_off_files_are_read_once(start, ca, files):
    old, new = ca.leaf("old", dns=["localhost"]), ca.leaf("new", dns=["localhost"])
    files.put_leaf(old)
    proxy = launch(start, tls_config(server(files)), runtime={
        "outrider.tls.reload_files": False, "outrider.tls.poll_files_seconds": 1})
    files.put_leaf(new)
    watched = []
    for descriptor in os.scandir(f"/proc/{proxy.process.pid}/fd"):
        # One may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            watched.append(os.readlink(descriptor.path))
    assert watched and not [one for one in watched if "inotify" in one]
    assert serials(proxy, client_context(ca)) == {old.certificate.serial_number}


@both_worker_counts
def test_two_hundred_rotations_take_no_memory(start, ca, files, workers):
    leaves = [ca.leaf(f"s{number}", dns=["localhost"]) for number in range(2)]
    files.put_leaf(leaves[0])
    files.put("ca.crt", ca.path.read_bytes())
    client = client_context(ca, ca.leaf("client"))
    proxy = launch(start, tls_config(server(files, files.validation())), workers)
    held = proxy.client(tls=client, server_name="localhost")
    sizes = []
    for number in range(1, 201):
        files.put_leaf(leaves[number % 2])
        wait_until(lambda: total(proxy, UPDATES) == number, "update")
        for _ in range(4):
            peer = proxy.client(tls=client, server_name="localhost")
            assert ask(peer).status == 200
            peer.close()
        if number % 50 == 0:
            sizes.append(proxy.memory())
    assert ask(held).status == 200
    # A context is some 50 KB: 150 that stayed would be 8 MB for each worker.
    assert sizes[-1] - sizes[0] < 2 << 20, sizes
