"""Names: found, refreshed, lost and stale, with a name server that answers what the test says."""
import contextlib
import socket
import struct
import threading

import pytest
from bootstrap import address, cluster, forward, http
from harness import wait_until

GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SERVFAIL, NXDOMAIN = 2, 3


class NameServer:
    """Answers A questions with `answers[name]`: a list of addresses, a code, or None for silence."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.answers, self.asked, self.ttl = {}, [], 300
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                question, sender = self.sock.recvfrom(4096)
                if reply := self._reply(question):
                    self.sock.sendto(reply, sender)

    def _reply(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        name, kind = ".".join(labels).lower(), struct.unpack(">H", question[at + 1:at + 3])[0]
        self.asked.append((name, kind))
        answer = self.answers.get(name, NXDOMAIN)
        if answer is None:
            return None
        code = answer if isinstance(answer, int) else 0
        found = answer if isinstance(answer, list) and kind == 1 else []
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, self.ttl, 4) + socket.inet_aton(one) for one in found)
        return head + question[12:at + 5] + records


@pytest.fixture
def names():
    server = NameServer()
    yield server
    server.sock.close()


def named(names, port, kind="STRICT_DNS", host="app.test", **settings):
    resolver = {"name": "envoy.network.dns_resolver.cares", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [address(names.port)], "dns_resolver_options": {"no_default_search_domain": True}}}
    return cluster("app", port, type=kind, dns_lookup_family="V4_ONLY", dns_refresh_rate="0.1s", typed_dns_resolver_config=resolver,
                   load_assignment={"cluster_name": "app", "endpoints": [{"lb_endpoints": [
                       {"endpoint": {"address": address(port, host)}}]}]}, **settings)


def ask(proxy):
    client = proxy.client()
    client.send(GET)
    return client.response()


def addresses(proxy):
    """The hosts of the cluster."""
    lines = proxy.get_admin("/clusters").body.decode().splitlines()
    return sorted({line.split("::")[1].rsplit(":", 1)[0] for line in lines if "::cx_total::" in line})


def test_addresses_come_and_go(start, upstream, names):
    names.answers["app.test"] = ["127.0.0.1"]
    proxy = start(http(clusters=[named(names, upstream().port)]))
    assert ask(proxy).status == 200
    names.answers["app.test"] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    wait_until(lambda: addresses(proxy) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"], "three hosts")
    names.answers["app.test"] = ["127.0.0.1"]
    wait_until(lambda: addresses(proxy) == ["127.0.0.1"], "one host")
    assert ask(proxy).status == 200
    assert proxy.stat("cluster.app.membership_total") == 1
    assert proxy.stat("cluster.app.membership_change") == 3
    updates = proxy.stats(r"^cluster\.app\.update_(attempt|success)$")
    assert updates["cluster.app.update_attempt"] >= updates["cluster.app.update_success"] >= 3


@pytest.mark.parametrize("failure", [SERVFAIL, NXDOMAIN, None])
def test_a_name_server_that_fails_empties_nothing(start, upstream, names, failure):
    """The last addresses serve on, through however many failures (envoy#31992: there, NXDOMAIN empties the cluster)."""
    names.answers["app.test"] = ["127.0.0.1"]
    proxy = start(http(clusters=[named(names, upstream().port)]))
    assert ask(proxy).status == 200
    names.answers["app.test"] = failure
    if failure is None:
        asked = len(names.asked)
        wait_until(lambda: len(names.asked) > asked + 1, "questions without an answer")
    else:
        counter = "cluster.app.update_failure" if failure == SERVFAIL else "cluster.app.update_empty"
        wait_until(lambda: proxy.stat(counter) >= 1 or proxy.stat("cluster.app.update_failure") >= 2, "failures counted")
    assert ask(proxy).status == 200
    if failure is not None:  # the next question after silence comes only after the resolver's own timeout
        names.answers["app.test"] = ["127.0.0.2"]
        wait_until(lambda: addresses(proxy) == ["127.0.0.2"], "the new address")


def test_a_name_that_is_not_there_yet(start, upstream, names):
    """The proxy starts, says so, and finds the name when it comes."""
    names.answers["app.test"] = SERVFAIL
    proxy = start(http(clusters=[named(names, upstream().port)]))
    answer = ask(proxy)
    assert (answer.status, answer.body[:19]) == (503, b"no healthy upstream")
    names.answers["app.test"] = ["127.0.0.1"]
    wait_until(lambda: ask(proxy).status == 200, "the name is found")


def test_failures_back_off(start, upstream, names):
    names.answers["app.test"] = SERVFAIL
    proxy = start(http(clusters=[named(names, upstream().port, dns_failure_refresh_rate={"base_interval": "0.02s", "max_interval": "0.05s"})]))
    wait_until(lambda: proxy.stat("cluster.app.update_failure") >= 5, "five failures")


def test_logical_dns_has_one_host(start, upstream, names):
    names.answers["app.test"] = ["127.0.0.1", "127.0.0.2"]
    proxy = start(http(clusters=[named(names, upstream().port, "LOGICAL_DNS")]))
    assert ask(proxy).status == 200
    assert proxy.stat("cluster.app.membership_total") == 1
    client = proxy.client()
    client.send(GET)
    assert client.response().status == 200
    names.answers["app.test"] = ["127.0.0.3"]
    wait_until(lambda: proxy.stat("cluster.app.update_success") >= 3, "refreshed")
    assert proxy.stat("cluster.app.membership_total") == 1


def test_the_time_to_live_decides_when_asked_to(start, upstream, names):
    names.answers["app.test"], names.ttl = ["127.0.0.1"], 3600
    proxy = start(http(clusters=[named(names, upstream().port, respect_dns_ttl=True)]))
    assert ask(proxy).status == 200
    assert names.asked.count(("app.test", 1)) == 1


def test_auto_host_rewrite_gives_the_name(start, upstream, names):
    names.answers["app.test"] = ["127.0.0.1"]
    server = upstream()
    proxy = start(http([forward(auto_host_rewrite=True)], clusters=[named(names, server.port)]))
    assert ask(proxy).status == 200
    assert server.requests[0].get("host") == "app.test"
