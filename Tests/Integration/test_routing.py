"""Which route takes a request, and what it does with it."""
import contextlib

import pytest
from bootstrap import bootstrap, cluster, forward, http, listener, manager
from harness import response, serve


def direct(match, body, **extra):
    return {"match": match, "direct_response": {"status": 200, "body": {"inline_string": body}}, **extra}


def hosts_config(hosts):
    network = manager([])
    network["typed_config"]["route_config"]["virtual_hosts"] = hosts
    return bootstrap([listener(network)], [])


def ask(proxy, path="/", host="a", headers="", method="GET"):
    client = proxy.client()
    client.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
    return client.response(head_only=method == "HEAD")


def test_virtual_host_precedence(start):
    vhost = lambda name, *domains: {"name": name, "domains": domains, "routes": [direct({"prefix": "/"}, name)]}
    proxy = start(hosts_config([
        vhost("any", "*"), vhost("suffix", "*.example.com"), vhost("longer", "*.b.example.com"),
        vhost("prefix", "api.*"), vhost("exact", "www.example.com", "port.example.com:8080")]))
    for host, name in {
        "www.example.com": "exact", "WWW.Example.com": "exact", "x.example.com": "suffix", "a.b.example.com": "longer",
        "api.org": "prefix", "api.example.com": "suffix", "example.com": "any", "other": "any",
        "port.example.com:8080": "exact",
    }.items():
        assert ask(proxy, host=host).body.decode() == name, host


def test_path_matches(start):
    proxy = start(http([
        direct({"path": "/exact"}, "exact"),
        direct({"path_separated_prefix": "/sep"}, "separated"),
        direct({"safe_regex": {"regex": "/r/[0-9]+"}}, "regex"),
        direct({"prefix": "/CaSe", "case_sensitive": False}, "case"),
        direct({"prefix": "/p"}, "prefix"),
    ]))
    for path, name in {
        "/exact": "exact", "/exact?q=1": "exact", "/sep": "separated", "/sep/x": "separated", "/r/12": "regex",
        "/case/x": "case", "/pq": "prefix",
    }.items():
        assert ask(proxy, path).body.decode() == name, path
    for path in ("/exac", "/exact/", "/separate", "/r/12x", "/nothing"):
        assert ask(proxy, path).status == 404, path


def test_first_match_wins_whatever_its_kind(start):
    proxy = start(http([
        direct({"prefix": "/a/b"}, "1"), direct({"path": "/a/b/c"}, "2"), direct({"prefix": "/a"}, "3"),
        direct({"path": "/x"}, "4"), direct({"prefix": "/"}, "5"), direct({"path": "/y"}, "6"),
    ]))
    for path, name in {"/a/b/c": "1", "/a/c": "3", "/x": "4", "/y": "5"}.items():
        assert ask(proxy, path).body.decode() == name


@pytest.mark.parametrize("matcher, header, matches", [
    ({"present_match": True}, "x-m: 1\r\n", True),
    ({"present_match": True}, "", False),
    ({"present_match": False}, "", True),
    ({"string_match": {"exact": "v"}}, "x-m: v\r\n", True),
    ({"string_match": {"exact": "v"}}, "x-m: V\r\n", False),
    ({"string_match": {"exact": "v", "ignore_case": True}}, "x-m: V\r\n", True),
    ({"string_match": {"prefix": "ab"}}, "x-m: abc\r\n", True),
    ({"string_match": {"suffix": "bc"}}, "x-m: abc\r\n", True),
    ({"string_match": {"contains": "b"}}, "x-m: abc\r\n", True),
    ({"string_match": {"safe_regex": {"regex": "a.c"}}}, "x-m: abc\r\n", True),
    ({"string_match": {"safe_regex": {"regex": "a.c"}}}, "x-m: abcd\r\n", False),
    ({"range_match": {"start": 1, "end": 10}}, "x-m: 9\r\n", True),
    ({"range_match": {"start": 1, "end": 10}}, "x-m: 10\r\n", False),
    ({"range_match": {"start": -5, "end": 10}}, "x-m: -5\r\n", True),
    ({"string_match": {"exact": "v"}, "invert_match": True}, "x-m: w\r\n", True),
    ({"string_match": {"exact": "v"}, "invert_match": True}, "", False),
    ({"string_match": {"exact": ""}, "treat_missing_header_as_empty": True}, "", True),
    ({"string_match": {"exact": "2"}}, "x-m: 1\r\nx-m: 2\r\n", True),
    ({"string_match": {"contains": ","}}, "x-m: 1\r\nx-m: 2\r\n", False),
])
def test_header_matches(start, matcher, header, matches):
    proxy = start(http([direct({"prefix": "/", "headers": [{"name": "x-m", **matcher}]}, "hit")]))
    assert ask(proxy, headers=header).status == (200 if matches else 404)


def test_query_matches(start):
    proxy = start(http([
        direct({"prefix": "/", "query_parameters": [{"name": "a", "string_match": {"exact": "1"}}]}, "value"),
        direct({"prefix": "/", "query_parameters": [{"name": "b", "present_match": True}]}, "present"),
    ]))
    assert ask(proxy, "/?a=1").body == b"value"
    assert ask(proxy, "/?x=2&b").body == b"present"
    assert ask(proxy, "/?a=2").status == 404


def test_redirects(start):
    proxy = start(http([
        {"match": {"prefix": "/old"}, "redirect": {"prefix_rewrite": "/new", "response_code": "PERMANENT_REDIRECT"}},
        {"match": {"prefix": "/host"}, "redirect": {"host_redirect": "other", "strip_query": True}},
        {"match": {"prefix": "/secure"}, "redirect": {"https_redirect": True}},
        {"match": {"prefix": "/full"}, "redirect": {"path_redirect": "/there", "port_redirect": 81}},
    ]))
    answers = {path: ask(proxy, path, host="h") for path in ("/old/x?q", "/host?q=1", "/secure?q", "/full")}
    assert [(a.status, a.get("location")) for a in answers.values()] == [
        (308, "http://h/new/x?q"), (301, "http://other/host"), (301, "https://h/secure?q"), (301, "http://h:81/there")]


def test_rewrites(start, upstream):
    server = upstream()
    proxy = start(http([
        forward("/prefix", prefix_rewrite="/p"),
        forward("/regex", regex_rewrite={"pattern": {"regex": "/regex/([a-z]+)"}, "substitution": "/r-\\1"}),
        forward("/host", host_rewrite_literal="literal"),
        forward("/header", host_rewrite_header="x-host"),
        forward("/pathhost", host_rewrite_path_regex={"pattern": {"regex": "/pathhost/(.+)"}, "substitution": "\\1"}),
    ], [cluster("app", server.port)]))
    ask(proxy, "/prefix/x?q=1")
    ask(proxy, "/regex/abc/d")
    ask(proxy, "/host")
    ask(proxy, "/header", headers="x-host: from-header\r\n")
    ask(proxy, "/pathhost/inner")
    assert [(request.path, request.get("host")) for request in server.requests] == [
        ("/p/x?q=1", "a"), ("/r-abc/d", "a"), ("/host", "literal"), ("/header", "from-header"),
        ("/pathhost/inner", "inner")]
    assert server.requests[0].get("x-envoy-original-path") == "/prefix/x?q=1"


def test_weighted_clusters(start, upstream):
    servers = [upstream(), upstream()]
    weighted = {"weighted_clusters": {"clusters": [{"name": "one", "weight": 80}, {"name": "two", "weight": 20}]}}
    proxy = start(http([{"match": {"prefix": "/"}, "route": weighted}],
                       [cluster("one", servers[0].port), cluster("two", servers[1].port)]))
    client = proxy.client()
    for _ in range(400):
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 200
    # 400 draws at 20 %: fewer than 40 or more than 130 happens less than once in a million runs.
    assert 40 < len(servers[1].requests) < 130


def test_require_tls_redirects(start):
    proxy = start(http([direct({"prefix": "/"}, "in")], virtual_host={"require_tls": "ALL"}))
    answer = ask(proxy, "/x")
    assert (answer.status, answer.get("location")) == (301, "https://a/x")


def test_runtime_fraction_from_a_static_layer(start):
    never = {"runtime_fraction": {"default_value": {"numerator": 0}, "runtime_key": "route.on"}}
    routes = [direct({"prefix": "/", **never}, "on"), direct({"prefix": "/"}, "off")]
    assert ask(start(http(routes))).body == b"off"
    config = http(routes)
    config["layered_runtime"] = {"layers": [{"name": "static", "static_layer": {"route.on": 100}}]}
    assert ask(start(config)).body == b"on"


def test_a_thousand_routes(start):
    routes = [direct({"path": f"/r{n}"}, str(n)) for n in range(1000)]
    routes += [direct({"prefix": f"/p{n}/"}, f"p{n}") for n in range(1000)]
    proxy = start(http(routes))
    assert ask(proxy, "/r999").body == b"999"
    assert ask(proxy, "/p999/x").body == b"p999"


def test_upgrade_makes_a_tunnel(start, upstream):
    def websocket(peer, _number):
        request = peer.request()
        assert request.get("upgrade") == "websocket" and "upgrade" in request.get("connection").lower()
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
        peer.send(peer.exactly(4)[::-1])
        peer.rest()

    server = upstream(websocket)
    upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    proxy = start(http(clusters=[cluster("app", server.port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    client = proxy.client()
    client.send(upgrade)
    assert client.response().status == 101
    client.send("ping")
    assert client.exactly(4) == b"gnip"
    client.close()
    proxy.wait_stat("cluster.app.upstream_cx_active", 0)
    refusing = start(http(clusters=[cluster("app", server.port)]))
    client = refusing.client()
    client.send(upgrade)
    assert client.response().status == 403


@pytest.mark.parametrize("lines", [
    ["websocket", "h2c"], ["h2c", "websocket"], ["websocket", "websocket"], ["websocket, h2c"], ["websocket,"]])
def test_an_upgrade_to_one_of_several_protocols(either, upstream, lines):
    """The upstream could choose h2c, and the client speak to it past every rule from then on."""
    def chooses(peer, _number):
        peer.request()
        peer.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n")
        peer.rest()

    proxy = either(http(clusters=[cluster("app", upstream(chooses).port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    with contextlib.closing(proxy.client()) as client:
        asked = "".join(f"Upgrade: {line}\r\n" for line in lines)
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{asked}Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
        assert client.response().status == 403


def test_refused_upgrade_is_an_ordinary_response(start, upstream):
    server = upstream(serve(lambda _request: response(400, b"no")))
    proxy = start(http(clusters=[cluster("app", server.port)], upgrade_configs=[{"upgrade_type": "websocket"}]))
    client = proxy.client()
    client.send("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    assert client.response().status == 400


def test_connect_tunnel(start, upstream):
    def echo(peer, _number):
        while peer.fill():
            peer.send(peer.buffer)
            peer.buffer = b""

    server = upstream(echo)
    routes = [{"match": {"connect_matcher": {}}, "route": {
        "cluster": "app", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}}]
    proxy = start(http(routes, [cluster("app", server.port)], upgrade_configs=[{"upgrade_type": "CONNECT"}]))
    client = proxy.client()
    client.send("CONNECT inner:443 HTTP/1.1\r\nHost: inner:443\r\n\r\n")
    assert client.response(head_only=True).status == 200
    client.send("raw bytes")
    assert client.exactly(9) == b"raw bytes"
