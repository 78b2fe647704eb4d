"""What a listener does before it chooses a filter chain. It holds for Envoy too, where nothing else is said."""
import itertools
import socket
import struct

import pytest
from bootstrap import FILE_LOG, bootstrap, cluster, forward, listener, manager, tcp_proxy
from harness import wait_until
from pki import Authority, client_context

LISTENER_FILTERS = "type.googleapis.com/envoy.extensions.filters.listener"
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESSES = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_PORT% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_PORT%"


def listener_filter(name, message, disabled=None, **settings):
    config = {"@type": f"{LISTENER_FILTERS}.{name}.v3.{message}", **settings}
    return {"name": f"envoy.filters.listener.{name}", "typed_config": config, **({"filter_disabled": disabled} if disabled else {})}


TLS = listener_filter("tls_inspector", "TlsInspector")
HTTP = listener_filter("http_inspector", "HttpInspector")
ORIGINAL_DST = listener_filter("original_dst", "OriginalDst")


def proxy_protocol(**settings):
    return listener_filter("proxy_protocol", "ProxyProtocol", **settings)


def v2(client=("9.8.7.6", 4096), destination=("5.4.3.2", 8192), extensions=b"", command=0x21, transport=1):
    family = socket.AF_INET6 if ":" in client[0] else socket.AF_INET
    addresses = b"".join(socket.inet_pton(family, host) for host, _ in (client, destination))
    addresses += struct.pack("!HH", client[1], destination[1])
    kind = (0x20 if family == socket.AF_INET6 else 0x10) | transport
    return SIGNATURE + struct.pack("!BBH", command, kind, len(addresses) + len(extensions)) + addresses + extensions


def extension(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


class Log:
    """An access log that tests read line by line."""

    def __init__(self, path, text):
        self.path = path
        self.config = [{"name": "file", "typed_config": {
            "@type": FILE_LOG, "path": str(self.path), "log_format": {"text_format_source": {"inline_string": text + "\n"}}}}]

    def lines(self, count):
        def read():
            lines = self.path.read_text().splitlines() if self.path.exists() else []
            return lines if len(lines) >= count else None
        return wait_until(read, f"{count} lines of the log")


FLUSH = ["--file-flush-interval-msec", "50"]


def detecting(*chains, filters, **settings):
    """A listener with a chain for each (match, cluster), and `other` for what is left."""
    made = [{"filter_chain_match": match, "filters": [tcp_proxy(to)]} for match, to in chains]
    return listener(tcp_proxy("other"), filter_chains=made, default_filter_chain={"filters": [tcp_proxy("other")]},
                    listener_filters=filters, stat_prefix="main", **settings)


def says(word):
    """A script that answers the first bytes with its name."""
    def script(peer, _number):
        if peer.fill():
            peer.send(word)
            peer.rest()
    return script


@pytest.fixture
def named(upstream):
    """named("a", "b") -> clusters whose hosts say their names."""
    return lambda *names: [cluster(name, upstream(says(name)).port) for name in names]


def answer(peer, data, count):
    peer.send(data)
    return peer.exactly(count).decode()


def test_http_is_told_from_other_bytes(start, named):
    proxy = start(bootstrap(
        [detecting(({"application_protocols": ["http/1.1", "http/1.0"]}, "http1"), ({"application_protocols": ["h2c"]}, "http2"),
                   filters=[HTTP])],
        named("http1", "http2", "other")))
    for data, expected in [
            (REQUEST, "http1"), (b"GET / HTTP/1.0\r\n\r\n", "http1"), (b"M-SEARCH * HTTP/1.1\r\n\r\n", "http1"),
            (PREFACE, "http2"), (b"EHLO me\r\n", "other"), (b"SSH-2.0-x\r\n", "other"), (b"\r\nGET / HTTP/1.1\r\n", "other"),
            (b"\0\1\2", "other"), (b"GET / FTP/1.1\r\n", "other")]:
        assert answer(proxy.client(), data, len(expected)) == expected, data
    found = proxy.stats("^http_inspector")
    assert (found["http_inspector.http10_found"], found["http_inspector.http11_found"]) == (1, 2)
    assert (found["http_inspector.http2_found"], found["http_inspector.http_not_found"]) == (1, 5)


def test_first_bytes_may_come_one_by_one(start, named):
    proxy = start(bootstrap(
        [detecting(({"application_protocols": ["http/1.1"]}, "http1"), filters=[HTTP])], named("http1", "other")))
    client = proxy.client()
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in REQUEST:
        client.send(bytes([byte]))
    assert client.exactly(5) == b"http1"


def test_an_endless_request_line_is_cut_off(start, named):
    proxy = start(bootstrap([detecting(filters=[HTTP])], named("other")))
    client = proxy.client()
    with pytest.raises((OSError, EOFError)):
        for _ in range(100):
            client.send(b"GET /" + b"a" * 8192)
        client.exactly(1)
        raise AssertionError("bytes came")
    assert proxy.stat("http_inspector.read_error") == 1


def test_tls_inspector_counts(start, named, tmp_path):
    authority = Authority(tmp_path)
    proxy = start(bootstrap(
        [detecting(({"server_names": ["a.example"], "transport_protocol": "tls"}, "named"), filters=[TLS, HTTP])],
        named("named", "other")))
    context = client_context(authority, check_hostname=False)
    for name in ("a.example", None):
        with pytest.raises(OSError):
            proxy.client(tls=context, server_name=name)
    assert answer(proxy.client(), REQUEST, 5) == "other"
    found = {name: value for name, value in proxy.stats("^tls_inspector").items() if value}
    assert found == {
        "tls_inspector.tls_found": 2, "tls_inspector.tls_not_found": 1, "tls_inspector.sni_found": 1,
        "tls_inspector.sni_not_found": 1, "tls_inspector.alpn_not_found": 2}
    # What is inside TLS is not looked at.
    assert proxy.stat("http_inspector.http11_found") == 1 and proxy.stat("http_inspector.http_not_found") == 0
    assert proxy.stat("cluster.named.upstream_cx_total") == 1


def test_a_client_hello_may_be_too_large(start, named):
    limited = listener_filter("tls_inspector", "TlsInspector", max_client_hello_size=256)
    proxy = start(bootstrap([detecting(filters=[limited])], named("other")))
    client = proxy.client()
    client.send(b"\x16\3\1\x10\0\1\0\x0f\xfc\3\3" + b"a" * 400)
    assert client.closed()
    assert proxy.stat("tls_inspector.client_hello_too_large") == 1


def test_who_speaks_no_tls_may_be_refused(start, named):
    strict = listener_filter("tls_inspector", "TlsInspector", close_connection_on_client_hello_parsing_errors=True)
    proxy = start(bootstrap([detecting(filters=[strict])], named("other")))
    client = proxy.client()
    client.send(REQUEST)
    assert client.closed()
    assert proxy.stat("listener.main.downstream_cx_total") == 0


def test_a_client_that_leaves_early_is_counted(start, named):
    proxy = start(bootstrap([detecting(filters=[HTTP])], named("other")))
    client = proxy.client()
    client.send(b"GE")
    client.close()
    proxy.wait_stat("listener.main.downstream_listener_filter_remote_close", 1)
    proxy.client().reset()
    proxy.wait_stat("listener.main.downstream_listener_filter_error", 1)
    assert proxy.stat("listener.main.downstream_cx_total") == 0
    proxy.wait_stat("listener.main.downstream_pre_cx_active", 0)


def test_filters_are_switched_off_by_port(start, named):
    def off(**predicate):
        return [listener_filter("http_inspector", "HttpInspector", disabled=predicate)]
    every = {"start": 1, "end": 65536}
    for predicate, expected in [
            ({"any_match": True}, 0), ({"destination_port_range": every}, 0),
            ({"not_match": {"destination_port_range": every}}, 1),
            ({"and_match": {"rules": [{"any_match": True}, {"not_match": {"any_match": True}}]}}, 1),
            ({"or_match": {"rules": [{"any_match": True}, {"not_match": {"any_match": True}}]}}, 0)]:
        proxy = start(bootstrap([detecting(filters=off(**predicate))], named("other")))
        assert answer(proxy.client(), REQUEST, 5) == "other"
        assert proxy.stats("^http_inspector").get("http_inspector.http11_found", 0) == expected, predicate


def test_original_dst_without_a_redirect(start, named, tmp_path):
    log = Log(tmp_path / "log", "%DOWNSTREAM_LOCAL_ADDRESS%")
    proxy = start(bootstrap([listener(tcp_proxy("other", access_log=log.config), listener_filters=[ORIGINAL_DST])],
                            named("other")), arguments=FLUSH)
    client = proxy.client()
    assert answer(client, b"x", 5) == "other"
    client.close()
    assert log.lines(1) == [f"127.0.0.1:{proxy.port('main')}"]


# -- PROXY protocol


@pytest.fixture
def behind(start, upstream, tmp_path):
    """behind(**settings) -> (proxy, log): a TCP listener behind a load balancer."""
    number = itertools.count()

    def launch(text=ADDRESSES, **settings):
        log = Log(tmp_path / f"log{next(number)}", text)
        filters = [proxy_protocol(stat_prefix="lb", **settings)]
        proxy = start(bootstrap(
            [listener(tcp_proxy(access_log=log.config), listener_filters=filters, stat_prefix="main")],
            [cluster("app", upstream(says("ok")).port)]), arguments=FLUSH)
        return proxy, log

    return launch


def counts(proxy):
    return {name.removeprefix("proxy_proto.lb."): value
            for name, value in proxy.stats("^(proxy_proto|downstream_cx_proxy)").items() if value}


@pytest.mark.parametrize("header, client, destination", [
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n", "1.2.3.4:1000", "5.6.7.8:2000"),
    (b"PROXY TCP6 2001:db8::1 ::2 1 65535\r\n", "[2001:db8::1]:1", "[::2]:65535"),
    (v2(), "9.8.7.6:4096", "5.4.3.2:8192"),
    (v2(transport=2), "9.8.7.6:4096", "5.4.3.2:8192"),
    (v2(client=("2001:db8::1", 7), destination=("::2", 8), extensions=extension(4, b"\0" * 300)), "[2001:db8::1]:7", "[::2]:8"),
])
def test_the_client_is_the_load_balancers(behind, header, client, destination):
    proxy, log = behind()
    peer = proxy.client()
    port = peer.sock.getsockname()[1]
    assert answer(peer, header + b"hello", 2) == "ok"
    peer.close()
    assert log.lines(1) == [f"{client} {port} {destination} {proxy.port('main')}"]
    version = "v1" if header.startswith(b"PROXY") else "v2"
    assert counts(proxy) == {f"versions.{version}.found": 1}


@pytest.mark.parametrize("header", [
    b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 1.2.3.4 5.6.7.8 1000 2000\r\n", SIGNATURE + b"\x20\0\0\0",
    v2(command=0x20, extensions=extension(1, b"x"))])
def test_a_load_balancer_may_speak_for_itself(behind, header):
    proxy, log = behind()
    peer = proxy.client()
    port = peer.sock.getsockname()[1]
    assert answer(peer, header + b"hello", 2) == "ok"
    peer.close()
    assert log.lines(1) == [f"127.0.0.1:{port} {port} 127.0.0.1:{proxy.port('main')} {proxy.port('main')}"]


def test_the_header_comes_in_pieces_and_counts_nothing(behind):
    proxy, log = behind("%BYTES_RECEIVED%")
    peer = proxy.client()
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in v2(extensions=extension(2, b"name")) + b"hello":
        peer.send(bytes([byte]))
    assert peer.exactly(2) == b"ok"
    peer.close()
    assert int(log.lines(1)[0]) <= 5


@pytest.mark.parametrize("header, version", [
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n", "v1"), (b"PROXY TCP4 1.2.3.4 five 1000 2000\r\n", "v1"),
    (b"PROXY TCP4 ::1 ::2 1 2\r\n", "v1"), (b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 70000\r\n", "v1"),
    (b"PROXY TCP4 1.2.3.4 224.0.0.1 1 2\r\n", "v1"), (b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", "v1"),
    (v2(command=0x11), "v2"), (v2(command=0x22), "v2"), (v2(transport=3), "v2"),
    (SIGNATURE + b"\x21\x00\0\x0c" + b"a" * 12, "v2"), (SIGNATURE + b"\x21\x11\0\4" + b"a" * 12, "v2"),
    (v2(extensions=b"\1\0\5abc"), "v2")])
def test_a_header_that_breaks_the_format_is_refused(behind, header, version):
    proxy, _ = behind()
    peer = proxy.client()
    peer.send(header + b"hello")
    assert peer.closed()
    assert counts(proxy) == {f"versions.{version}.error": 1, "downstream_cx_proxy_proto_error": 1}
    assert proxy.stat("listener.main.downstream_cx_total") == 0


def test_no_header_is_refused_unless_allowed(behind):
    proxy, _ = behind()
    peer = proxy.client()
    peer.send(REQUEST)
    assert peer.closed()
    assert counts(proxy) == {"not_found_disallowed": 1, "downstream_cx_proxy_proto_error": 1}
    proxy, _ = behind(allow_requests_without_proxy_protocol=True)
    assert answer(proxy.client(), REQUEST, 2) == "ok"
    assert answer(proxy.client(), v2() + REQUEST, 2) == "ok"
    assert counts(proxy) == {"not_found_allowed": 1, "versions.v2.found": 1}


def test_versions_can_be_disallowed(behind):
    header = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\n"
    proxy, _ = behind(disallowed_versions=["V1"])
    peer = proxy.client()
    peer.send(header)
    assert peer.closed()
    assert answer(proxy.client(), v2() + REQUEST, 2) == "ok"
    assert counts(proxy) == {"versions.v1.found": 1, "versions.v1.disallowed": 1, "versions.v2.found": 1}
    proxy, log = behind("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", disallowed_versions=["V1"],
                        allow_requests_without_proxy_protocol=True)
    peer = proxy.client()
    assert answer(peer, header, 2) == "ok"
    peer.close()
    assert log.lines(1) == ["127.0.0.1"]
    assert counts(proxy) == {"not_found_allowed": 1}


def test_extensions_go_to_the_log(behind):
    rules = [{"tlv_type": 2, "on_tlv_present": {"key": "authority"}},
             {"tlv_type": 0xEA, "on_tlv_present": {"metadata_namespace": "aws", "key": "vpce"}}]
    own = "envoy.filters.listener.proxy_protocol"
    proxy, log = behind(
        f"%DYNAMIC_METADATA({own}:authority)% %DYNAMIC_METADATA(aws)% %METADATA(DYNAMIC:aws:vpce)% %DYNAMIC_METADATA(aws:no)%",
        rules=rules)
    peer = proxy.client()
    parts = [extension(2, b"a.example"), extension(2, b"twice"), extension(3, b"no rule"), extension(0xEA, b"\1vpce-7"[1:])]
    assert answer(peer, v2(extensions=b"".join(parts)) + b"hello", 2) == "ok"
    peer.close()
    assert log.lines(1) == ['a.example {"vpce":"vpce-7"} vpce-7 -']


def test_chains_go_by_the_restored_addresses(start, named):
    chains = [({"destination_port": 8192}, "port"), ({"prefix_ranges": [{"address_prefix": "10.1.0.0", "prefix_len": 16}]}, "range"),
              ({"source_prefix_ranges": [{"address_prefix": "9.0.0.0", "prefix_len": 8}]}, "source"),
              ({"direct_source_prefix_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}, "direct")]
    proxy = start(bootstrap([detecting(*chains, filters=[proxy_protocol()])], named("port", "range", "source", "direct", "other")))
    for client, destination, expected in [
            (("1.1.1.1", 1), ("5.4.3.2", 8192), "port"), (("1.1.1.1", 1), ("10.1.2.3", 1), "range"),
            (("9.9.9.9", 1), ("2.2.2.2", 1), "direct"), (("1.1.1.1", 1), ("2.2.2.2", 1), "direct")]:
        assert answer(proxy.client(), v2(client, destination) + b"x", len(expected)) == expected


def test_requests_come_from_the_client_behind_the_balancer(start, upstream):
    app = upstream()
    proxy = start(bootstrap(
        [listener(manager([forward()], use_remote_address=True), listener_filters=[proxy_protocol()])], [cluster("app", app.port)]))
    client = proxy.client()
    client.send(v2() + REQUEST)
    assert client.response().status == 200
    assert app.requests[0].get("x-forwarded-for") == "9.8.7.6"
    assert app.requests[0].get("x-envoy-external-address") == "9.8.7.6"


# -- Virtual listeners


def test_redirected_connections_go_on_to_their_listener(start, named):
    """The balancer's header stands for a redirect rule: both restore an address."""
    def virtual(name, host, port):
        return listener(tcp_proxy(name), name=name, bind_to_port=False, stat_prefix=name,
                        address={"socket_address": {"address": host, "port_value": port}})
    entry = listener(tcp_proxy("entry"), name="main", use_original_dst=True, stat_prefix="main", listener_filters=[proxy_protocol()])
    proxy = start(bootstrap(
        [entry, virtual("exact", "5.4.3.2", 80), virtual("wildcard", "0.0.0.0", 80), virtual("six", "::", 80)],
        named("entry", "exact", "wildcard", "six")))
    for destination, expected in [
            (("5.4.3.2", 80), "exact"), (("5.4.3.3", 80), "wildcard"), (("5.4.3.2", 81), "entry"), (("2001:db8::2", 80), "six")]:
        client = ("2001:db8::1", 1) if ":" in destination[0] else ("1.1.1.1", 1)
        peer = proxy.client()
        assert answer(peer, v2(client, destination) + b"x", len(expected)) == expected
        peer.close()
    for name in ("main", "exact", "wildcard", "six"):
        assert proxy.stat(f"listener.{name}.downstream_cx_total") == 1
        proxy.wait_stat(f"listener.{name}.downstream_cx_active", 0)
        proxy.wait_stat(f"listener.{name}.downstream_pre_cx_active", 0)
    assert proxy.stat("listener_manager.total_listeners_active") == 4


def test_a_virtual_listener_has_filters_and_limits_of_its_own(start, named):
    """Envoy does not hold a virtual listener to its limit."""
    virtual = listener(
        tcp_proxy("raw"), name="virtual", bind_to_port=False, stat_prefix="virtual", listener_filters=[HTTP],
        address={"socket_address": {"address": "0.0.0.0", "port_value": 80}},
        filter_chains=[{"filter_chain_match": {"application_protocols": ["http/1.1"]}, "filters": [tcp_proxy("web")]}])
    entry = listener(tcp_proxy("raw"), name="main", use_original_dst=True, listener_filters=[proxy_protocol()])
    proxy = start(bootstrap(
        [entry, virtual], named("raw", "web"),
        layered_runtime={"layers": [{"name": "static", "static_layer": {
            "envoy.resource_limits.listener.virtual.connection_limit": 1}}]}))
    header = v2(("1.1.1.1", 1), ("2.2.2.2", 80))
    first = proxy.client()
    assert answer(first, header + REQUEST, 3) == "web"
    second = proxy.client()
    second.send(header + REQUEST)
    assert second.closed()
    assert proxy.stat("listener.virtual.downstream_cx_overflow") == 1
    first.close()
    proxy.wait_stat("listener.virtual.downstream_cx_active", 0)
    third = proxy.client()
    third.send(header + b"EHLO x\r\n")
    assert third.closed()
    assert proxy.stat("listener.virtual.no_filter_chain_match") == 1
