"""RING_HASH and MAGLEV: a fleet of Envoy and Outrider sends a key to the same host."""
import contextlib
import queue
import re
import socket
import threading

import pytest
from bootstrap import address, bootstrap, cluster, forward, http, listener, tcp_proxy
from harness import WAIT, Upstream, response, serve

RING = "type.googleapis.com/envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash"
MAGLEV = "type.googleapis.com/envoy.extensions.load_balancing_policies.maglev.v3.Maglev"
HEADER = [{"header": {"header_name": "x-key"}}]
KEYS = [f"key-{number}" for number in range(60)]


def extension(config, **settings):
    return {"load_balancing_policy": {"policies": [{"typed_extension_config": {
        "name": "policy", "typed_config": {"@type": config, **settings}}}]}}


POLICIES = {
    "ring": {"lb_policy": "RING_HASH"},
    "small ring": {"lb_policy": "RING_HASH",
                   "ring_hash_lb_config": {"minimum_ring_size": 7, "maximum_ring_size": 11}},
    "ring by murmur hash": {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"hash_function": "MURMUR_HASH_2"}},
    "ring by names": {"type": "STRICT_DNS", "lb_policy": "RING_HASH", "common_lb_config": {
        "consistent_hashing_lb_config": {"use_hostname_for_hashing": True}}},
    "ring extension": extension(RING, minimum_ring_size=64, hash_function="XX_HASH"),
    "ring extension by murmur hash and names": extension(
        RING, hash_function="MURMUR_HASH_2", use_hostname_for_hashing=True),
    "maglev": {"lb_policy": "MAGLEV"},
    "small maglev": {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 31}},
    "maglev extension by names": extension(
        MAGLEV, table_size=997, consistent_hashing_lb_config={"use_hostname_for_hashing": True}),
}


@pytest.fixture
def hosts(named):
    """Servers that answer with their numbers."""
    return [named(str(number).encode()).port for number in range(5)]


def weighted(ports, weights=(1, 2, 1, 3, 1), keys=(None, None, "third", None, None), health=()):
    """An assignment whose hosts have weights, names, and some a key of their own."""
    endpoints = []
    for number, port in enumerate(ports):
        endpoint = {"endpoint": {"address": address(port), "hostname": f"host-{number}"}}
        endpoint["load_balancing_weight"] = weights[number]
        if keys[number]:
            endpoint["metadata"] = {"filter_metadata": {"envoy.lb": {"hash_key": keys[number]}}}
        if number in health:
            endpoint["health_status"] = health[number]
        endpoints.append(endpoint)
    return {"cluster_name": "app", "endpoints": [{"lb_endpoints": endpoints}]}


def ask(peer, path="/", *headers):
    peer.send("\r\n".join((f"GET {path} HTTP/1.1", "host: a", *headers, "", "")))
    return peer.response()


def places(proxy, keys=KEYS):
    """The hosts that the keys get."""
    with contextlib.closing(proxy.client()) as peer:
        return [ask(peer, "/", f"x-key: {key}").body.decode() for key in keys]


def both(start, start_envoy, config):
    return start(config), start_envoy(config)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
def test_same_hosts_as_envoy(start, start_envoy, hosts, policy):
    config = http([forward(hash_policy=HEADER)], [{**cluster("app", **policy), "load_assignment": weighted(hosts)}])
    own, envoy = both(start, start_envoy, config)
    found = places(own)
    assert found == places(envoy)
    assert len(set(found)) > 2
    assert found == places(own)
    pattern = r"^cluster\.app\.(ring_hash_lb|maglev_lb)\."
    assert own.stats(pattern) == envoy.stats(pattern) != {}


@pytest.mark.parametrize("policy", ["RING_HASH", "MAGLEV"])
def test_health_moves_as_few_keys_as_in_envoy(start, start_envoy, hosts, policy):
    def config(health, **common):
        return http([forward(hash_policy=HEADER)], [{
            **cluster("app", lb_policy=policy, common_lb_config=common), "load_assignment": weighted(hosts, health=health)}])

    all_healthy = places(start(config({})))
    for health in ({1: "UNHEALTHY"}, {0: "DRAINING", 1: "UNHEALTHY"}, {2: "DEGRADED"}):
        own, envoy = both(start, start_envoy, config(health))
        found = places(own)
        assert found == places(envoy)
        assert not set(found) & {str(number) for number in health}
        # Weights change their share of the ring a little, and nothing else moves.
        moved = [old for old, new in zip(all_healthy, found) if old != new and int(old) not in health]
        assert len(moved) < len(KEYS) / 4
    # Under the panic threshold all count again.
    own, envoy = both(start, start_envoy, config({0: "UNHEALTHY", 1: "UNHEALTHY", 2: "UNHEALTHY"}))
    assert places(own) == all_healthy == places(envoy)
    assert own.stat("cluster.app.lb_healthy_panic") == envoy.stat("cluster.app.lb_healthy_panic") == len(KEYS)


def test_priorities_share_keys_as_in_envoy(start, start_envoy, hosts):
    assignment = {"cluster_name": "app", "endpoints": [
        {"priority": 0, "lb_endpoints": [
            {"endpoint": {"address": address(hosts[0])}, "health_status": "UNHEALTHY"},
            {"endpoint": {"address": address(hosts[1])}}]},
        {"priority": 1, "lb_endpoints": [{"endpoint": {"address": address(port)}} for port in hosts[2:]]}]}
    config = http([forward(hash_policy=HEADER)], [{
        **cluster("app", lb_policy="RING_HASH"), "load_assignment": assignment}])
    own, envoy = both(start, start_envoy, config)
    found = places(own)
    assert found == places(envoy)
    assert "0" not in found and "1" in found and len(set(found)) > 2


def test_only_degraded_hosts_are_better_than_none(start, start_envoy, hosts):
    health = dict.fromkeys(range(5), "DEGRADED")
    config = http([forward(hash_policy=HEADER)], [{
        **cluster("app", lb_policy="MAGLEV"), "load_assignment": weighted(hosts, health=health)}])
    own, envoy = both(start, start_envoy, config)
    assert len(set(places(own))) > 2
    assert set(places(envoy)) == {"no healthy upstream"}


class Holding:
    """Servers that take requests and answer when they are told."""

    def __init__(self, stack, count):
        self.arrived, self.go = queue.Queue(), threading.Event()
        self.servers = [Upstream(lambda peer, _number, name=str(number): self._serve(peer, name)) for number in range(count)]
        for server in self.servers:
            stack.callback(server.close)
        stack.callback(self.go.set)

    def _serve(self, peer, name):
        while peer.request():
            self.arrived.put(name)
            self.go.wait(WAIT)
            peer.send(response(body=name.encode()))


@pytest.mark.parametrize("policy", [
    {"lb_policy": "RING_HASH", "common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 150}}},
    {"lb_policy": "MAGLEV", "common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 100}}},
    extension(RING, hash_balance_factor=120),
    extension(MAGLEV, consistent_hashing_lb_config={"hash_balance_factor": 130}),
], ids=["ring", "maglev", "ring extension", "maglev extension"])
def test_bounded_load_spreads_a_key_as_envoy_does(start, start_envoy, policy):
    with contextlib.ExitStack() as stack:
        holding = Holding(stack, 7)
        ports = [server.port for server in holding.servers]
        assignment = weighted(ports, (1, 1, 3, 1, 1, 2, 1), (None,) * 7)
        config = http([forward(hash_policy=HEADER)], [{**cluster("app", **policy), "load_assignment": assignment}])

        def order(proxy):
            found = []
            with contextlib.ExitStack() as clients:
                for number in range(25):
                    peer = clients.enter_context(contextlib.closing(proxy.client()))
                    peer.send(f"GET / HTTP/1.1\r\nhost: a\r\nx-key: key-{number // 20}\r\n\r\n")
                    found.append(holding.arrived.get(timeout=WAIT))
            # The clients are gone, and so is what they asked for.
            proxy.wait_stat("cluster.app.upstream_rq_active", 0)
            return found

        own, envoy = both(start, start_envoy, config)
        seen = order(own)
        assert seen == order(envoy) == order(own)
        # One host has it without a bound.
        assert len(set(seen[:20])) > 2


@pytest.mark.parametrize("policy", ["RING_HASH", "MAGLEV"])
def test_retries_go_where_envoys_go(start, start_envoy, upstream, policy):
    servers = [upstream(serve(lambda _request, number=number: response(503 if number < 3 else 200, str(number).encode())))
               for number in range(6)]
    retry = {"retry_on": "5xx", "num_retries": 4, "host_selection_retry_max_attempts": 5,
             "retry_back_off": {"base_interval": "0.001s"},
             "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                 "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]}
    config = http([forward(hash_policy=HEADER, retry_policy=retry)],
                  [cluster("app", *[server.port for server in servers], lb_policy=policy)])
    own, envoy = both(start, start_envoy, config)
    found = places(own)
    assert found == places(envoy)
    assert len(set(found)) > 2


SOURCES = {
    "two headers": ([{"header": {"header_name": "x-key"}}, {"header": {"header_name": "x-other"}}],
                    lambda key: ("/", f"x-key: {key}", f"x-other: {key}")),
    "two values": (HEADER, lambda key: ("/", f"x-key: {key}", "x-key: a")),
    "two values the other way": (HEADER, lambda key: ("/", "x-key: a", f"x-key: {key}")),
    "many values": (HEADER, lambda key: ("/", "x-key: z" * 20, f"x-key: {key}", "x-key:", "x-key: a")),
    "rewritten header": ([{"header": {"header_name": "x-key", "regex_rewrite": {
        "pattern": {"regex": "-([0-9])[0-9]*"}, "substitution": "\\1\\1"}}}], lambda key: ("/", f"x-key: {key}")),
    "rewritten values": ([{"header": {"header_name": "x-key", "regex_rewrite": {
        "pattern": {"regex": "^k"}, "substitution": "z"}}}], lambda key: ("/", f"x-key: {key}", "x-key: y")),
    "path": ([{"header": {"header_name": ":path"}}], lambda key: (f"/{key}",)),
    "cookie": ([{"cookie": {"name": "c"}}], lambda key: ("/", f'cookie: a=b; c="{key}"; d=e')),
    "cookie of several": ([{"cookie": {"name": "c"}}], lambda key: ("/", f"cookie: c={key}", "cookie: c=other")),
    "query": ([{"query_parameter": {"name": "q"}}], lambda key: (f"/a?p=1&q={key}%20&q=2",)),
    "terminal": ([{"header": {"header_name": "x-none"}, "terminal": True}, {"query_parameter": {"name": "q"}, "terminal": True},
                  {"header": {"header_name": "x-key"}}], lambda key: (f"/?q={key}", "x-key: a")),
    "terminal without a hash of its own": (
        [{"header": {"header_name": "x-key"}}, {"header": {"header_name": "x-none"}, "terminal": True},
         {"query_parameter": {"name": "q"}}], lambda key: ("/?q=1", f"x-key: {key}")),
    "source": ([{"connection_properties": {"source_ip": True}}], lambda key: ("/", f"x-forwarded-for: 192.0.2.{key[4:]}")),
    "source of six": ([{"connection_properties": {"source_ip": True}}], lambda key: ("/", f"x-forwarded-for: 2001:db8::{key[4:]}")),
}


@pytest.mark.parametrize("policy, request_of", SOURCES.values(), ids=SOURCES.keys())
def test_same_hash_of_a_request_as_envoy(start, start_envoy, hosts, policy, request_of):
    config = http([forward(hash_policy=policy)], [cluster("app", *hosts, lb_policy="RING_HASH")], xff_num_trusted_hops=0)

    def found(proxy):
        with contextlib.closing(proxy.client()) as peer:
            return [ask(peer, *request_of(key)).body.decode() for key in KEYS]

    own, envoy = both(start, start_envoy, config)
    seen = found(own)
    assert seen == found(envoy)
    assert len(set(seen)) > 2


def test_path_is_hashed_as_it_is_rewritten(start, start_envoy, hosts):
    route = {"match": {"prefix": "/"}, "route": {
        "cluster": "app", "hash_policy": [{"header": {"header_name": ":path"}}],
        "regex_rewrite": {"pattern": {"regex": "^/key-([0-9]).*"}, "substitution": "/\\1"}}}
    config = http([route], [cluster("app", *hosts, lb_policy="MAGLEV")])

    def found(proxy):
        with contextlib.closing(proxy.client()) as peer:
            return [ask(peer, f"/{key}").body for key in KEYS]

    own, envoy = both(start, start_envoy, config)
    seen = found(own)
    assert seen == found(envoy)
    assert seen[10:20] == [seen[1]] * 10


def test_without_a_hash_hosts_are_taken_at_random(either, hosts):
    proxy = either(http([forward(hash_policy=HEADER)], [cluster("app", *hosts, lb_policy="MAGLEV")]))
    with contextlib.closing(proxy.client()) as peer:
        assert len({ask(peer).body for _ in range(60)}) > 2


COOKIE = {"cookie": {"name": "sticky", "ttl": "90s", "path": "/here", "attributes": [
    {"name": "SameSite", "value": "Strict"}, {"name": "Secure"}]}}


@pytest.mark.parametrize("cookie, rest", [
    (COOKIE, "; Max-Age=90; Path=/here; SameSite=Strict; Secure; HttpOnly"),
    ({"cookie": {"name": "sticky", "ttl": "0s"}}, "; HttpOnly"),
], ids=["with all", "of a session"])
def test_cookie_is_made_and_brings_its_client_back(either, hosts, cookie, rest):
    config = http([forward(hash_policy=[cookie], append_x_forwarded_host=True)],
                  [cluster("app", *hosts, lb_policy="RING_HASH")],
                  virtual_host={"response_headers_to_add": [{"header": {"key": "x-seen", "value": "%RESP(SET-COOKIE)%"}}]})
    proxy = either(config)
    seen = set()
    for _ in range(12):
        with contextlib.closing(proxy.client()) as peer:
            first = ask(peer)
            [line] = first.all("set-cookie")
            value, tail = re.fullmatch(r'sticky="([0-9a-f]{16})"(.*)', line).groups()
            assert tail == rest
            assert first.get("x-seen") == line
            # Until the client has it, it gets the same one over the same connection.
            again = ask(peer)
            assert again.all("set-cookie") == [line] and again.body == first.body
        with contextlib.closing(proxy.client()) as peer:
            back = ask(peer, "/", f"cookie: sticky={value}")
            assert back.all("set-cookie") == [] and back.body == first.body
        seen.add(first.body)
    assert len(seen) > 1


def test_cookie_stands_for_the_same_host_in_envoy(start, start_envoy, hosts):
    own, envoy = both(start, start_envoy, http(
        [forward(hash_policy=[COOKIE])], [cluster("app", *hosts, lb_policy="RING_HASH")]))
    for _ in range(10):
        with contextlib.closing(own.client()) as peer:
            first = ask(peer)
        value = first.get("set-cookie").split('"')[1]
        with contextlib.closing(envoy.client()) as peer:
            assert ask(peer, "/", f"cookie: sticky={value}").body == first.body


@pytest.mark.parametrize("policy, cookie", [("ROUND_ROBIN", COOKIE), ("RING_HASH", {"cookie": {"name": "sticky"}})],
                         ids=["no hashes", "no ttl"])
def test_cookie_is_not_made(either, hosts, policy, cookie):
    proxy = either(http([forward(hash_policy=[cookie])], [cluster("app", *hosts, lb_policy=policy)]))
    with contextlib.closing(proxy.client()) as peer:
        assert ask(peer).all("set-cookie") == []


def test_cookie_is_not_in_the_proxys_own_answers(either):
    proxy = either(http([forward(hash_policy=[COOKIE])], [cluster("app", lb_policy="RING_HASH")]))
    with contextlib.closing(proxy.client()) as peer:
        answer = ask(peer)
        assert answer.status == 503 and answer.all("set-cookie") == []


def test_policy_of_the_cluster_comes_before_the_routes(start, start_envoy, hosts):
    clusters = [cluster("app", *hosts, **extension(MAGLEV, consistent_hashing_lb_config={"hash_policy": [
        {"header": {"header_name": "x-own"}}]}))]
    own, envoy = both(start, start_envoy, http([forward(hash_policy=HEADER)], clusters))

    def found(proxy):
        with contextlib.closing(proxy.client()) as peer:
            return [ask(peer, "/", f"x-own: {key}", "x-key: same").body for key in KEYS]

    seen = found(own)
    assert seen == found(envoy)
    assert len(set(seen)) > 2


def test_tcp_sessions_go_by_their_clients_address(start, start_envoy):
    with contextlib.ExitStack() as stack:
        servers = [Upstream(lambda peer, _number, name=str(number): (peer.send(name), peer.rest())) for number in range(5)]
        for server in servers:
            stack.callback(server.close)
        config = bootstrap(
            [listener(tcp_proxy(hash_policy=[{"source_ip": {}}]))],
            [cluster("app", *[server.port for server in servers], lb_policy="MAGLEV")])

        def found(proxy):
            names, port = [], proxy.port("main")
            for number in range(1, 30):
                with socket.create_connection(("127.0.0.1", port), WAIT, (f"127.0.0.{number}", 0)) as sock:
                    names.append(sock.recv(1))
            return names

        own, envoy = both(start, start_envoy, config)
        seen = found(own)
        assert seen == found(envoy)
        assert len(set(seen)) > 2
