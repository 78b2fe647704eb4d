"""Role-based access control of requests and connections: what is let in, what is answered, counted and logged."""
import contextlib
import os
import re

from bootstrap import DOWNSTREAM_TLS, FILE_LOG, bootstrap, cluster, forward, listener, manager, tcp_proxy
from conftest import ENVOY
from filters import ANY, FILTER_CONFIG, INSPECTED, ROUTER, network_limit, network_rbac, policy, rbac, route_rbac, rules
from harness import Message, Proxy, connect, free_port, wait_until
from pki import client_context

LOGGED = ["REQ(X-CASE)", "REQ(X-NUMBER)", "RESPONSE_CODE", "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS", "ROUTE_NAME",
          "UPSTREAM_CLUSTER", "DYNAMIC_METADATA(envoy.filters.http.rbac)", "DYNAMIC_METADATA(envoy.common)",
          "DYNAMIC_METADATA(envoy.filters.http.rbac:enforced_engine_result)"]


def header(name, **match):
    return {"header": {"name": name, **match}}


def text(kind, value, **more):
    return {"string_match": {kind: value, **more}}


def cidr(address, bits):
    return {"address_prefix": address, "prefix_len": bits}


def url(kind, value, **more):
    return {"url_path": {"path": {kind: value, **more}}}


def regex(pattern):
    return {"safe_regex": {"regex": pattern}}


def named(kind, value, **more):
    return {"authenticated": {"principal_name": {kind: value, **more}}}


# What holds of requests alone, and may stand among permissions and among principals.
SHARED = {
    "any": ANY,
    "method": header(":method", **text("exact", "POST")),
    "authority": header(":authority", **text("suffix", ".example.com")),
    "host": header("host", **text("exact", "api.example.com")),
    "path with query": header(":path", **text("exact", "/public/a?x=1")),
    "scheme": header(":scheme", **text("exact", "https")),
    "present": header("x-role", present_match=True),
    "absent": header("x-role", present_match=False),
    "not present": header("x-role", present_match=True, invert_match=True),
    "exact": header("x-role", **text("exact", "admin")),
    "inverted": header("x-role", **text("exact", "admin"), invert_match=True),
    "missing as empty": header("x-role", **text("exact", ""), treat_missing_header_as_empty=True),
    "ignore case": header("X-Role", **text("exact", "ADMIN", ignore_case=True)),
    "contains": header("x-role", **text("contains", "dmi")),
    "header regex": header("x-role", string_match=regex("a.*n")),
    "range": header("x-level", range_match={"start": 3, "end": 10}),
    "url exact": url("exact", "/public/a"),
    "url prefix": url("prefix", "/public"),
    "url suffix": url("suffix", "/a"),
    "url ignore case": url("prefix", "/PUBLIC", ignore_case=True),
    "url regex": {"url_path": {"path": regex("/public/[a-z]*")}},
}
PERMISSIONS = {
    **SHARED,
    "and": {"and_rules": {"rules": [url("prefix", "/public"), header(":method", **text("exact", "GET"))]}},
    "or": {"or_rules": {"rules": [url("prefix", "/private"), header("x-role", present_match=True)]}},
    "not": {"not_rule": url("prefix", "/public")},
    "nested": {"not_rule": {"or_rules": {"rules": [{"and_rules": {"rules": [ANY, url("prefix", "/public")]}},
                                                    header("x-role", **text("exact", "guest"))]}}},
    "destination": {"destination_ip": cidr("127.0.0.0", 8)},
    "other destination": {"destination_ip": cidr("10.0.0.0", 8)},
    "other family": {"destination_ip": cidr("::1", 128)},
    "port": {"destination_port": "PORT"},
    "other port": {"destination_port": 1},
    "port range": {"destination_port_range": {"start": 1024, "end": 65536}},
    "low ports": {"destination_port_range": {"start": 0, "end": 1024}},
    "server name": {"requested_server_name": {"exact": "api.example.com"}},
    "server name suffix": {"requested_server_name": {"suffix": ".example.com"}},
    "no server name": {"requested_server_name": {"exact": ""}},
}
PRINCIPALS = {
    **SHARED,
    "and": {"and_ids": {"ids": [{"authenticated": {}}, header("x-role", present_match=True)]}},
    "or": {"or_ids": {"ids": [named("prefix", "spiffe://"), header("x-role", **text("exact", "admin"))]}},
    "not": {"not_id": {"authenticated": {}}},
    "authenticated": {"authenticated": {}},
    "uri": named("exact", "spiffe://cluster.local/ns/shop/sa/cart"),
    "second uri": named("exact", "spiffe://cluster.local/ns/shop/sa/second"),
    "uri prefix": named("prefix", "spiffe://cluster.local/ns/shop/"),
    "dns": named("exact", "cart.shop"),
    "subject": named("exact", "CN=plain"),
    "subject of one with names": named("exact", "CN=named"),
    "name regex": {"authenticated": {"principal_name": regex(".*shop.*")}},
    "any name": {"authenticated": {"principal_name": regex(".*")}},
    "name of nobody": named("exact", ""),
    "source": {"source_ip": cidr("127.0.0.1", 32)},
    "direct": {"direct_remote_ip": cidr("127.0.0.0", 8)},
    "direct forwarded": {"direct_remote_ip": cidr("192.0.2.0", 24)},
    "remote": {"remote_ip": cidr("127.0.0.0", 8)},
    "remote forwarded": {"remote_ip": cidr("192.0.2.0", 24)},
}
READ, WRITE = header(":method", **text("exact", "GET")), header(":method", **text("exact", "POST"))
PUBLIC, ADMIN = url("prefix", "/public"), header("x-role", **text("exact", "admin"))
WHOLE = {
    "nobody": {"rules": rules()},
    "deny nobody": {"rules": rules("DENY")},
    "no rules": {"shadow_rules": rules(reads=policy([READ]))},
    "deny": {"rules": rules("DENY", writes=policy([WRITE]))},
    "log": {"rules": rules("LOG", writes=policy([WRITE]))},
    "shadow log": {"shadow_rules": rules("LOG", writes=policy([WRITE]))},
    "first by name": {"rules": rules(**{"b reads": policy([READ]), "a public": policy([PUBLIC]), "Z admin": policy([ADMIN])}),
                      "track_per_rule_stats": True},
    "deny first by name": {"rules": rules("DENY", zz=policy([WRITE]), **{"é": policy([ADMIN]), "tab\tin": policy([PUBLIC])})},
    "both": {"rules": rules(reads=policy([READ])), "shadow_rules": rules("DENY", public=policy([PUBLIC])),
             "rules_stat_prefix": "own_", "shadow_rules_stat_prefix": "own_shadow_", "track_per_rule_stats": True},
    "several of each": {"rules": rules(some=policy([PUBLIC, WRITE], [ADMIN, header("x-level", present_match=True)]))},
}
CASES = {
    **{f"permission {name}": {"rules": rules(one=policy([rule]))} for name, rule in PERMISSIONS.items()},
    **{f"principal {name}": {"rules": rules(one=policy([ANY], [who]))} for name, who in PRINCIPALS.items()},
    **WHOLE,
}
REQUESTS = [
    ("GET", "/public/a?x=1", {}),
    ("GET", "/public/a", {"x-role": "admin", "x-level": "3"}),
    ("POST", "/PUBLIC/b", {"x-role": "ADMIN", "x-level": "10", "content-length": "0"}),
    ("POST", "/private?/public", {"x-role": "guest", "content-length": "0", "x-forwarded-for": "192.0.2.7"}),
    ("GET", "/private/a", {"x-role": "", "host": "other"}),
]


def with_port(value, port):
    if isinstance(value, dict):
        return {key: with_port(one, port) for key, one in value.items()}
    if isinstance(value, list):
        return [with_port(one, port) for one in value]
    return port if value == "PORT" else value


class Side:
    """One proxy with all cases, a route each."""

    def __init__(self, binary, folder, ca):
        self.log = folder / f"{os.path.basename(binary)}.log"
        self.ports = {"plain": free_port(), "tls": free_port()}
        tls = {"common_tls_context": {"tls_certificates": [ca.leaf("server", dns=["api.example.com"]).config],
                                      "validation_context": {"trusted_ca": {"filename": str(ca.path)}}}}
        socket = {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, **tls}}
        listeners = [self.listener("plain"), self.listener("tls", {"transport_socket": socket})]
        self.proxy = Proxy(bootstrap(listeners, [cluster("app", 1)]), binary=binary,
                           arguments=["--file-flush-interval-msec", "20"])

    def listener(self, name, chain=None):
        routes = []
        for case, settings in CASES.items():
            overrides = {"rbac": route_rbac(**with_port(settings, self.ports[name]))}
            routes.append({"name": case, "match": {"prefix": "/", "headers": [header("x-case", **text("exact", case))["header"]]},
                           "direct_response": {"status": 200, "body": {"inline_string": "in"}},
                           "typed_per_filter_config": overrides})
        log = {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(self.log), "log_format": {
            "text_format_source": {"inline_string": name + "\t" + "\t".join(f"%{one}%" for one in LOGGED) + "\n"}}}}
        base = rbac(rules=rules(), rules_stat_prefix="base", shadow_rules_stat_prefix="dry.")
        made = listener(manager(routes, http_filters=[base, ROUTER], access_log=[log], stat_prefix=name,
                                use_remote_address=True, xff_num_trusted_hops=1), name=name, chain=chain,
                        **(INSPECTED if chain else {}))
        made["address"]["socket_address"]["port_value"] = self.ports[name]
        return made

    def ask(self, peer, case, number):
        method, path, headers = REQUESTS[number]
        fields = {"host": "api.example.com", "x-case": case, "x-number": str(number), **headers}
        peer.send(f"{method} {path} HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\n")
        message = Message.read(peer, is_request=False)
        return message.status, message.body, message.get("content-type")

    def play(self, clients):
        """All answers, log lines and counters."""
        answers = {}
        for client, (port, tls, server_name) in clients.items():
            with contextlib.closing(connect(self.ports[port])) as peer:
                if tls:
                    peer.sock = tls.wrap_socket(peer.sock, server_hostname=server_name)
                for case in CASES:
                    for number in range(len(REQUESTS)):
                        answers[client, case, number] = self.ask(peer, case, number)
        lines = wait_until(lambda: self.lines(len(answers)), "the access log")
        return answers, lines, self.proxy.stats(r"rbac")

    def lines(self, count):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return lines if len(lines) >= count else None


def test_every_rule_decides_as_in_envoy(tmp_path, ca):
    spiffe = ca.leaf("named", uri=["spiffe://cluster.local/ns/shop/sa/cart", "spiffe://cluster.local/ns/shop/sa/second"],
                     dns=["cart.shop"])
    dns, plain = ca.leaf("dns", dns=["cart.shop"]), ca.leaf("plain")
    clients = {
        "plain": ("plain", None, None),
        "tls": ("tls", client_context(ca, check_hostname=False), "api.example.com"),
        "no sni": ("tls", client_context(ca, check_hostname=False), None),
        "spiffe": ("tls", client_context(ca, spiffe, check_hostname=False), "api.example.com"),
        "dns": ("tls", client_context(ca, dns, check_hostname=False), "API.example.com"),
        "subject": ("tls", client_context(ca, plain, check_hostname=False), "other"),
    }
    results = []
    for binary in (str(ENVOY), os.environ["OUTRIDER"]):
        side = Side(binary, tmp_path, ca)
        try:
            results.append(side.play(clients))
        finally:
            side.proxy.stop()
    (theirs, their_lines, their_stats), (ours, our_lines, our_stats) = results
    assert {answer[0] for answer in ours.values()} == {200, 403}
    assert {key: (value, ours[key]) for key, value in theirs.items() if value != ours[key]} == {}
    assert [pair for pair in zip(their_lines, our_lines) if pair[0] != pair[1]] == []
    assert our_stats == their_stats


def get(proxy, path="/", *headers, name="main"):
    with contextlib.closing(proxy.client(name)) as peer:
        peer.send("".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "host: a", *headers)) + "\r\n")
        return peer.response()


DENY_ALL = {"rules": rules("DENY", all=policy())}
ALLOW_ALL = {"rules": rules(all=policy())}


def direct(path, overrides=None):
    return {"match": {"path": path}, "direct_response": {"status": 200},
            **({"typed_per_filter_config": overrides} if overrides is not None else {})}


def test_the_most_specific_level_decides(either, upstream):
    app = upstream()
    deny, allow, off = (route_rbac(**DENY_ALL), route_rbac(**ALLOW_ALL), {"@type": FILTER_CONFIG, "disabled": True})
    weighted = {"match": {"path": "/weighted"}, "typed_per_filter_config": {"rbac": allow}, "route": {"weighted_clusters": {"clusters": [
        {"name": "app", "weight": 1, "typed_per_filter_config": {"rbac": deny}},
        {"name": "app", "weight": 0}]}}}
    routes = [
        direct("/own", {"rbac": allow}), direct("/off", {"rbac": off}), direct("/none", {"rbac": route_rbac()}),
        direct("/inner", {"rbac": {"@type": FILTER_CONFIG, "config": allow}}),
        direct("/other", {"unused": allow}), direct("/asleep", {"rbac": off, "asleep": {"@type": FILTER_CONFIG, "config": {}}}),
        direct("/awake", {"rbac": off, "asleep": {"@type": FILTER_CONFIG, "config": deny}}), weighted,
        {**forward("/"), "match": {"path": "/forward"}},
    ]
    hosts = [{"name": "denied", "domains": ["a"], "routes": routes, "typed_per_filter_config": {"rbac": deny}},
             {"name": "configured", "domains": ["b"], "routes": routes}]
    filters = [rbac(**ALLOW_ALL), rbac("asleep", True, **ALLOW_ALL), ROUTER]
    config = manager([], http_filters=filters)
    config["typed_config"]["route_config"] = {"virtual_hosts": hosts, "typed_per_filter_config": {"rbac": deny}}
    proxy = either(bootstrap([listener(config)], [cluster("app", app.port)]))
    expected = {"/own": 200, "/off": 200, "/none": 200, "/inner": 200, "/other": 403, "/asleep": 200, "/awake": 403,
                "/weighted": 403, "/forward": 403, "/nowhere": 200}
    for host in ("a", "b"):
        seen = {}
        for path in expected:
            with contextlib.closing(proxy.client()) as peer:
                peer.send(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")
                seen[path] = peer.response().status
        assert seen == {**expected, "/nowhere": 404}  # without a route the filter is as the manager has it
    assert proxy.stat("http.ingress.rbac.denied") == 8
    assert proxy.stat("http.ingress.rbac.allowed") == 8


def test_who_is_denied_never_reaches_the_app(either, upstream):
    app = upstream()
    route = {**forward(), "response_headers_to_add": [{"header": {"key": "x-route", "value": "1"}}]}
    config = manager([route], http_filters=[rbac(rules=rules(admins=policy([ANY], [ADMIN]))), ROUTER])
    proxy = either(bootstrap([listener(config)], [cluster("app", app.port)]))
    assert get(proxy, "/", "x-role: admin").body == b"hello"
    answer = get(proxy)
    assert (answer.status, answer.body, answer.get("x-route")) == (403, b"RBAC: access denied", "1")
    assert proxy.stat("cluster.app.upstream_rq_total") == 1
    assert proxy.stat("http.ingress.rq_total") == 1
    assert proxy.stat("http.ingress.downstream_rq_4xx") == 1


def test_a_grpc_call_is_denied_in_its_own_words(either):
    config = manager([direct("/a")], http_filters=[rbac(rules=rules()), ROUTER])
    answer = get(either(bootstrap([listener(config)], [])), "/a", "content-type: application/grpc")
    assert (answer.status, answer.get("grpc-status"), answer.get("grpc-message")) == (200, "7", "RBAC: access denied")


def test_the_log_names_the_policy_and_the_client(start, ca):
    tls = {"common_tls_context": {"tls_certificates": [ca.leaf("server", dns=["a"]).config],
                                  "validation_context": {"trusted_ca": {"filename": str(ca.path)}}}}
    config = manager([direct("/a")], http_filters=[rbac("who", rules=rules("DENY", **{"no carts": policy()})), ROUTER])
    socket = {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, **tls}}
    proxy = start(bootstrap([listener(config, chain={"transport_socket": socket})], []))
    leaf = ca.leaf("cart", uri=["spiffe://shop/cart"])
    with contextlib.closing(proxy.client(tls=client_context(ca, leaf, check_hostname=False))) as peer:
        peer.send("GET /secret?token=1 HTTP/1.1\r\nhost: a\r\n\r\n")
        assert peer.response().body == b"RBAC: access denied"
    line = wait_until(lambda: [one for one in proxy.log_text().splitlines() if "refused by" in one], "a line in the log")[0]
    assert re.search(r"http 'ingress': GET /secret of 127\.0\.0\.1:\d+ \(spiffe://shop/cart\) was refused by 'who', by policy 'no carts'; outrider explain [0-9a-f-]{36}$", line)


TCP_LOGGED = "%CONNECTION_TERMINATION_DETAILS% %RESPONSE_FLAGS% %DYNAMIC_METADATA(envoy.filters.network.rbac)%"


def file_log(path, line):
    return {"name": "log", "typed_config": {"@type": FILE_LOG, "path": str(path), "log_format": {
        "text_format_source": {"inline_string": line + "\n"}}}}


def send(proxy, data="ping", name="main", **tls):
    """What a connection answers; empty: it was closed."""
    with contextlib.closing(proxy.client(name, **tls)) as peer, contextlib.suppress(ConnectionError):
        peer.send(data)
        while peer.fill():
            if len(peer.buffer) >= 4:
                break
        return bytes(peer.buffer)
    return b""


def echo(peer, _number):
    while peer.fill():
        peer.send(bytes(peer.buffer))
        peer.buffer = type(peer.buffer)()


LOCAL, ELSEWHERE = {"direct_remote_ip": cidr("127.0.0.0", 8)}, {"direct_remote_ip": cidr("10.0.0.0", 8)}


def test_connections_are_let_in_by_address(either, upstream, tmp_path):
    app, log = upstream(echo), tmp_path / "log"
    proxy_filter = tcp_proxy(access_log=[file_log(log, TCP_LOGGED)])
    gates = {
        "in": network_rbac(rules=rules(near=policy([ANY], [LOCAL])), shadow_rules=rules(far=policy([ANY], [ELSEWHERE])),
                           shadow_rules_stat_prefix="dry_"),
        "out": network_rbac(rules=rules("DENY", **{"the near": policy([ANY], [LOCAL])}), stat_prefix="closed."),
        "held": network_rbac(rules=rules(), stat_prefix="held", delay_deny="0.2s", enforcement_type="CONTINUOUS"),
    }
    listeners = [listener(proxy_filter, name=name, chain={"filters": [gate, proxy_filter]}) for name, gate in gates.items()]
    proxy = either(bootstrap(listeners, [cluster("app", app.port)]), arguments=["--file-flush-interval-msec", "20"])
    assert send(proxy, name="in") == b"ping"
    assert send(proxy, name="out") == b""
    assert send(proxy, name="held") == b""
    assert proxy.stats(r"rbac") == {
        "gate.rbac.allowed": 1, "gate.rbac.denied": 0, "gate.rbac.dry_.shadow_allowed": 0, "gate.rbac.dry_.shadow_denied": 1,
        "closed.rbac.allowed": 0, "closed.rbac.denied": 1, "closed.rbac.shadow_allowed": 0, "closed.rbac.shadow_denied": 0,
        "held.rbac.allowed": 0, "held.rbac.denied": 1, "held.rbac.shadow_allowed": 0, "held.rbac.shadow_denied": 0}
    lines = wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 3 and log.read_text(), "three lines")
    assert sorted(lines.splitlines()) == sorted([
        '- - {"dry_shadow_engine_result":"denied"}', "rbac_access_denied_matched_policy[the_near] - -",
        "rbac_access_denied_matched_policy[none] - -"])
    assert proxy.stat("tcp.tcp.downstream_cx_total") == 3
    wait_until(lambda: not any(proxy.stats(r"listener\.(?!admin).*downstream_cx_active$").values()), "nothing active")


def test_connections_are_let_in_by_certificate(either, upstream, ca):
    app = upstream(echo)
    tls = {"require_client_certificate": True, "common_tls_context": {
        "tls_certificates": [ca.leaf("server", dns=["a"]).config],
        "validation_context": {"trusted_ca": {"filename": str(ca.path)}}}}
    socket = {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, **tls}}
    rule = network_rbac(rules=rules(carts=policy([{"requested_server_name": {"exact": "a"}}], [named("prefix", "spiffe://shop/")])))
    chain = {"filters": [rule, tcp_proxy()], "transport_socket": socket}
    proxy = either(bootstrap([listener(None, chain=chain, **INSPECTED)], [cluster("app", app.port)]))
    cart = client_context(ca, ca.leaf("cart", uri=["spiffe://shop/cart"]), check_hostname=False)
    other = client_context(ca, ca.leaf("other", uri=["spiffe://bank/cart"]), check_hostname=False)
    assert send(proxy, tls=cart, server_name="a") == b"ping"
    assert send(proxy, tls=other, server_name="a") == b""
    assert send(proxy, tls=cart, server_name="b") == b""
    assert proxy.stats(r"rbac\.(allowed|denied)") == {"gate.rbac.allowed": 1, "gate.rbac.denied": 2}


def test_http_connections_are_let_in_as_well(either):
    chain = {"filters": [network_rbac(rules=rules("DENY", near=policy([ANY], [LOCAL]))), manager([direct("/a")])]}
    proxy = either(bootstrap([listener(None, chain=chain)], []))
    assert send(proxy, "GET /a HTTP/1.1\r\nhost: a\r\n\r\n") == b""
    assert proxy.stat("http.ingress.downstream_cx_total") == 1
    assert proxy.stat("http.ingress.downstream_rq_total") == 0
    assert proxy.stat("gate.rbac.denied") == 1
    wait_until(lambda: proxy.stat("http.ingress.downstream_cx_active") == 0, "nothing active")


def test_a_refused_connection_is_named_in_the_log(start, upstream):
    gates = [network_limit(100), network_rbac(rules=rules(), stat_prefix="inner")]
    proxy = start(bootstrap([listener(None, chain={"filters": [*gates, tcp_proxy()]})], [cluster("app", upstream(echo).port)]))
    assert send(proxy) == b""
    line = wait_until(lambda: [one for one in proxy.log_text().splitlines() if "not let in" in one], "a line in the log")[0]
    assert "it was refused by the rules 'inner', as no policy allows it" in line
