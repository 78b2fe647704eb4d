"""Whose address rules go by: the peer of the socket, what PROXY protocol tells, what trusted headers tell; over HTTP/1.1 and
HTTP/2. Every test runs against the real Envoy, too."""
import contextlib

import pytest
from bootstrap import bootstrap, cluster, listener, manager, tcp_proxy
from filters import FILTERS, ROUTER, network_rbac, policy, rbac, rules
from http2_peers import H2
from test_local_rate_limit import ask, direct

LOCAL, TOLD, HEADER = "127.0.0.1", "1.2.3.4", "9.8.7.6"
SEEN = {LOCAL: "PROXY UNKNOWN\r\n", TOLD: f"PROXY TCP4 {TOLD} 5.6.7.8 1000 2000\r\n",
        "2001:db8::1": "PROXY TCP6 2001:db8::1 2001:db8::2 1000 2000\r\n"}
PROXY_PROTOCOL = {"listener_filters": [{
    "name": "proxy", "typed_config": {"@type": FILTERS + "listener.proxy_protocol.v3.ProxyProtocol"}}]}


def of(kind, address):
    return {kind: {"address_prefix": address, "prefix_len": 128 if ":" in address else 32}}


def told(kinds, addresses):
    """Rules that let everybody in, and count by shadow rules of many filters who is who."""
    return [rbac(f"{kind} {number}", shadow_rules_stat_prefix=f"{kind}_{number}", shadow_rules=rules(
        one=policy(principals=[of(kind, address)]))) for kind in kinds for number, address in enumerate(addresses)]


def who(proxy, kinds, addresses):
    """Which address each kind of principal was."""
    return {kind: {address for number, address in enumerate(addresses)
                   if proxy.stat(f"http.ingress.rbac.{kind}_{number}.shadow_allowed")} for kind in kinds}


KINDS, ADDRESSES = ("direct_remote_ip", "source_ip", "remote_ip"), (LOCAL, TOLD, HEADER, "2001:db8::1")


@pytest.mark.parametrize("trust", [False, True], ids=["", "use_remote_address"])
@pytest.mark.parametrize("hops", [0, 1])
@pytest.mark.parametrize("told_by", [None, *SEEN])
def test_addresses_of_requests(either, told_by, hops, trust):
    config = manager([direct()], http_filters=[*told(KINDS, ADDRESSES), ROUTER], use_remote_address=trust,
                     xff_num_trusted_hops=hops)
    proxy = either(bootstrap([listener(config, **(PROXY_PROTOCOL if told_by else {}))], []))
    with contextlib.closing(proxy.client()) as peer:
        if told_by:
            peer.send(SEEN[told_by])
        assert ask(peer, "/", f"x-forwarded-for: {HEADER}").status == 200
    peer_address = told_by or LOCAL
    # With use_remote_address the peer is a trusted hop itself only where there is one; without it headers tell of the client.
    client = HEADER if trust == (hops == 1) else peer_address
    assert who(proxy, KINDS, ADDRESSES) == {"direct_remote_ip": {LOCAL}, "source_ip": {peer_address}, "remote_ip": {client}}


def test_addresses_of_requests_over_http2(either):
    config = manager([direct()], http_filters=[*told(KINDS, ADDRESSES), ROUTER], codec_type="HTTP2", use_remote_address=False)
    proxy = either(bootstrap([listener(config)], []))
    client = H2(proxy.port("main"))
    fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
    client.headers(1, fields)
    assert client.answer(1).status == 200
    assert who(proxy, KINDS, ADDRESSES)["remote_ip"] == {LOCAL}
    # Each request of a connection is judged by its own headers.
    client.headers(3, [*fields, ("x-forwarded-for", HEADER)])
    assert client.answer(3).status == 200
    assert who(proxy, KINDS, ADDRESSES) == {
        "direct_remote_ip": {LOCAL}, "source_ip": {LOCAL}, "remote_ip": {LOCAL, HEADER}}


def test_a_denied_stream_leaves_its_connection_alone(either):
    denied = rbac(rules=rules("DENY", one=policy(principals=[of("remote_ip", HEADER)])))
    proxy = either(bootstrap([listener(manager(
        [direct()], http_filters=[denied, ROUTER], codec_type="HTTP2", use_remote_address=False))], []))
    client = H2(proxy.port("main"))
    fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]
    client.headers(1, [*fields, ("x-forwarded-for", HEADER)], end=False)
    assert client.answer(1).status == 403
    client.headers(3, fields)
    assert client.answer(3).status == 200


@pytest.mark.parametrize("kind, admitted", [
    ("direct_remote_ip", [None, LOCAL, TOLD, "2001:db8::1"]), ("source_ip", [None, LOCAL]), ("remote_ip", [None, LOCAL])])
def test_addresses_of_connections(either, upstream, kind, admitted):
    def echo(peer, _number):
        while peer.fill():
            peer.send(bytes(peer.buffer))
            peer.buffer = type(peer.buffer)()

    app = cluster("app", upstream(echo).port)
    gate = network_rbac(rules=rules(one=policy(principals=[of(kind, LOCAL)])))
    chain = {"filters": [gate, tcp_proxy()]}
    proxy = either(bootstrap([listener(None, chain=chain), listener(None, name="behind", chain=chain, **PROXY_PROTOCOL)], [app]))

    def is_in(told_by):
        with contextlib.closing(proxy.client("behind" if told_by else "main")) as peer, contextlib.suppress(ConnectionError):
            peer.send((SEEN[told_by] if told_by else "") + "ping")
            return bool(peer.fill())
        return False

    assert [one for one in (None, *SEEN) if is_in(one)] == admitted
