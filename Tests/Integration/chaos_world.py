"""The chaos world: one proxy and its successors, good and bad servers, clients of all kinds, and a control plane that never
rests. Everything that is drawn comes from one seed; everything is bounded in number."""
import contextlib
import os
import random
import threading
from concurrent import futures

import grpc
from bootstrap import DOWNSTREAM_TLS, FILE_LOG, UPSTREAM_TLS, address, forward, listener, tcp_proxy
from chaos_clients import Bad, GoodGRPC, GoodHTTP1, GoodHTTP2, GoodTCP
from chaos_servers import Dice, bad, bad_echo, bad_h2, echo, good, good_h2
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET
from filters import FILTERS, ROUTER
from harness import Upstream, free_port
from http2_peers import spoken
from pki import Authority, client_context
from test_grpc import Echo
from test_xds_grpc import secret, trust
from xds_world import Planned, eds_cluster, endpoints, rds_manager, routes

LISTENERS = ("plain", "small", "tls", "tcp", "badtcp")


class World(contextlib.ExitStack):
    """Start a proxy with `bootstrap()`, tell it by `take`, then `run`."""

    def __init__(self, seed, folder, delta):
        super().__init__()
        self.seed, self.folder = seed, folder
        self.dice, self.calm, self.stopped = Dice(f"{seed}"), threading.Event(), threading.Event()
        self.ports = {name: free_port() for name in LISTENERS}
        self.ca = Authority(folder)
        self.tls = client_context(self.ca)
        self.leaf = self.ca.leaf("host", dns=["localhost"])
        self.good = [self.serve(good(self.dice)) for _ in range(3)]
        self.secure = [self.serve(good(self.dice), self.leaf.server_context()) for _ in range(2)]
        self.good2 = [self.serve(good_h2) for _ in range(2)]
        self.bad = [self.serve(bad(self.dice, self.calm)) for _ in range(3)]
        self.bad2 = [self.serve(bad_h2(self.dice, self.calm)) for _ in range(2)]
        self.echoes = [self.serve(echo) for _ in range(2)]
        self.bad_echoes = [self.serve(bad_echo(self.dice))]
        self.calls = self.serve_grpc()
        self.plane = Planned(delta=delta)
        self.callback(self.plane.plane.stop)
        self.proxies, self.mistakes, self.turn = [], [], 0
        self.fill()

    def serve(self, script, tls=None):
        server = Upstream(script, tls)
        self.callback(server.close)
        return server

    def serve_grpc(self):
        echoes = Echo()
        server = grpc.server(futures.ThreadPoolExecutor(16))
        server.add_generic_rpc_handlers((echoes,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.callback(lambda: server.stop(0).wait())
        self.callback(echoes.stopped.set)
        return port

    def dice_for(self, label):
        return random.Random(f"{self.seed} {label}")

    def pause(self, seconds):
        self.stopped.wait(seconds)

    def port(self, name):
        return self.ports[name]

    # Configuration

    def bootstrap(self):
        return self.plane.bootstrap()

    def fill(self):
        for name in ("good", "secure", "good2", "calls", "bad", "bad2", "mixed", "echo", "badecho"):
            self.put_endpoints(name)
        for name in ("good", "secure", "good2", "calls", "bad", "bad2", "mixed", "echo", "badecho"):
            self.put_cluster(name)
        self.put_secret()
        self.put_routes()
        for name in LISTENERS:
            self.put_listener(name)

    def hosts(self, name):
        ports = {"good": self.good, "secure": self.secure, "good2": self.good2, "bad": self.bad, "bad2": self.bad2,
                 "mixed": [*self.bad, self.good[0]], "echo": self.echoes, "badecho": self.bad_echoes}
        return [one.port for one in ports[name]] if name in ports else [self.calls]

    def put_endpoints(self, name):
        """Some of a cluster's hosts, in any order, with any weights; bad clusters have one that refuses, too."""
        ports = self.hosts(name)
        chosen = self.dice.sample(ports, self.dice.randint(1, len(ports)))
        if name in ("bad", "mixed"):
            chosen.append(1)
        weights = [self.dice.choice((1, 1, 5, 1000)) for _ in chosen]
        self.plane.put(ENDPOINTS, endpoints(*(
            {"endpoint": {"address": address(port)}, "load_balancing_weight": weight} for port, weight in zip(chosen, weights)),
            name=name))

    def put_cluster(self, name):
        draw = self.dice.choice
        settings = {"lb_policy": draw(("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV")),
                    "connect_timeout": f"{draw((2, 3, 4))}s", "per_connection_buffer_limit_bytes": draw((0, 1000, 32_768, 1 << 20))}
        if name in ("good2", "bad2", "calls"):
            settings |= spoken(http2={"max_concurrent_streams": draw((3, 100))} if name == "bad2" else None)
        if name == "secure":
            context = {"@type": UPSTREAM_TLS, "sni": "localhost", "common_tls_context": {
                "validation_context_sds_secret_config": {"name": "trust", "sds_config": self.plane.source(SECRET)}}}
            settings["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
        if name in ("good", "bad", "mixed"):
            settings["health_checks"] = [{
                "timeout": "1s", "interval": "0.2s", "unhealthy_threshold": 3, "healthy_threshold": 1,
                **draw(({"tcp_health_check": {}}, {"http_health_check": {"path": "/check/1", "expected_statuses": [
                    {"start": 100, "end": 599}]}}))}]
        if name in ("bad", "bad2", "mixed"):
            settings["outlier_detection"] = {
                "interval": "0.1s", "base_ejection_time": "0.1s", "consecutive_5xx": draw((2, 5)), "max_ejection_percent": 50,
                "split_external_local_origin_errors": draw((True, False))}
            settings["circuit_breakers"] = {"thresholds": [{
                "max_connections": draw((2, 50)), "max_pending_requests": draw((1, 50)), "max_requests": draw((5, 100)),
                "max_retries": draw((1, 20))}]}
        self.plane.put(CLUSTER, eds_cluster(self.plane, name, **settings))

    def put_secret(self):
        """Another certificate each time, by the same authority."""
        self.turn += 1
        self.plane.put(SECRET, secret(self.ca.leaf(f"leaf{self.turn}", dns=["localhost"])), trust(self.ca))

    def put_routes(self):
        retries = {"retry_on": "5xx,reset,connect-failure,refused-stream", "num_retries": self.dice.randint(1, 4),
                   "per_try_timeout": "0.2s", "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.01s"}}
        # Some requests are copied, as suits them: what becomes of a copy is nobody's concern.
        copies = {name: {"request_mirror_policies": [{"cluster": to}]} if self.dice.random() < 0.5 else {}
                  for name, to in (("bad", "bad2"), ("bad2", "mixed"), ("mixed", "bad"), ("good", "good2"), ("good2", "secure"))}
        entries = [forward(f"/{name}/", name, prefix_rewrite="/", timeout="0.5s", retry_policy=retries, **copies[name])
                   for name in ("bad", "bad2", "mixed")]
        # A good server is as near as a retry where a kept connection ends under a request.
        entries += [forward(f"/{name}/", name, prefix_rewrite="/", timeout="60s",
                            retry_policy={"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 3},
                            **copies[name])
                    for name in ("good2",)]
        halves = {"clusters": [{"name": "good", "weight": 50}, {"name": "secure", "weight": self.dice.choice((1, 50))}]}
        entries.append({"match": {"prefix": "/good/"}, "route": {
            "weighted_clusters": halves, "prefix_rewrite": "/", "timeout": "60s", "hash_policy": [{"header": {"header_name": ":path"}}],
            "retry_policy": {"retry_on": "connect-failure,reset-before-request", "num_retries": 3}, **copies["good"]}})
        entries.append(forward("/s/", "calls", timeout="60s"))
        spare = [forward(f"/spare{number}/", "good") for number in range(self.dice.randint(0, 30))]
        self.plane.put(ROUTES, routes(*spare, *entries))

    def put_listener(self, name):
        if name in ("tcp", "badtcp"):
            filters = tcp_proxy({"tcp": "echo", "badtcp": "badecho"}[name], idle_timeout="5s", max_connect_attempts=3)
        else:
            log = {"name": "file", "typed_config": {"@type": FILE_LOG, "path": str(self.folder / "access.log")}}
            # Some requests wait a little before they go on.
            delay = {"fixed_delay": "0.01s", "percentage": {"numerator": self.dice.choice((0, 20))}}
            fault = {"name": "fault", "typed_config": {"@type": FILTERS + "http.fault.v3.HTTPFault", "delay": delay}}
            filters = rds_manager(
                self.plane, access_log=[log], http_filters=[fault, ROUTER], request_headers_timeout="1s", stream_idle_timeout="20s",
                common_http_protocol_options={"idle_timeout": f"{self.dice.choice((10, 20))}s"},
                delayed_close_timeout="0.2s", http_protocol_options={"enable_trailers": True}, upgrade_configs=[{"upgrade_type": "CONNECT"}])
        chain = {}
        if name == "tls":
            context = {"@type": DOWNSTREAM_TLS, "common_tls_context": {
                "tls_certificate_sds_secret_configs": [{"name": "pair", "sds_config": self.plane.source(SECRET)}]}}
            chain = {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}
        limit = self.dice.choice((100, 4000)) if name == "small" else self.dice.choice((16_384, 1 << 20))
        self.plane.put(LISTENER, listener(
            filters, name=name, chain=chain, per_connection_buffer_limit_bytes=limit,
            metadata={"filter_metadata": {"turn": {"number": self.dice.randint(0, 3)}}}) | {"address": address(self.ports[name])})

    # What happens while clients ask

    def push(self):
        """One change of the configuration, or something that is none."""
        names = ("good", "secure", "good2", "bad", "bad2", "mixed", "echo", "badecho")
        match self.dice.randrange(10):
            case 0 | 1 | 2: self.put_endpoints(self.dice.choice(names))
            case 3 | 4: self.put_cluster(self.dice.choice(names))
            case 5: self.put_routes()
            case 6: self.put_listener(self.dice.choice(LISTENERS))
            case 7: self.put_secret()
            case 8:
                # Refused by name; the others stay.
                self.plane.put(CLUSTER, {"name": "wrong", "type": "STATIC", "connect_timeout": "-1s"} if self.dice.random() < 0.5
                               else {"name": "spare", "type": "STATIC", "connect_timeout": f"{self.dice.randint(1, 9)}s"})
            case 9: self.plane.plane.hang_up()

    def pages(self, proxy):
        while not self.stopped.is_set():
            with contextlib.suppress(OSError, AttributeError, EOFError, ValueError, AssertionError):
                proxy.get_admin(self.dice.draw("/stats", "/stats/prometheus", "/clusters", "/config_dump", "/listeners", "/certs",
                                               "/stats?format=json&histogram_buckets=detailed", "/server_info", "/nowhere"))
            self.pause(0.05)

    def run(self, count, restart):
        """`count` requests of each client; `restart()` puts a successor in the proxy's place half way."""
        clients = [
            *(GoodHTTP1(self, f"h1-{number}", count, "plain") for number in range(2)),
            GoodHTTP1(self, "small", count, "small"), GoodHTTP1(self, "tls", count, "tls", self.tls),
            *(GoodHTTP2(self, f"h2-{number}", count // 2) for number in range(2)), GoodGRPC(self, "grpc", count // 4),
            GoodTCP(self, "tcp", count), *(Bad(self, f"bad-{number}", count * 2) for number in range(4)),
        ]
        threads = [threading.Thread(target=client.run, name=client.label) for client in clients]
        scraper = threading.Thread(target=self.pages, args=(self.proxies[0],))
        for thread in [*threads, scraper]:
            thread.start()
        pushes = 0
        while any(thread.is_alive() for thread in threads):
            if pushes < 20 * count:
                self.push()
            pushes += 1
            if pushes == 20:
                restart()
            self.stopped.wait(0.02)
        self.stopped.set()
        scraper.join()
        self.calm.set()
        return [mistake for client in clients for mistake in client.mistakes]
