"""Rate limit services that tests script, and what configures a proxy to ask them."""
import importlib
from concurrent import futures

import grpc
from bootstrap import bootstrap, cluster, forward, listener, manager
from filters import FILTERS, ROUTER
from google.protobuf import json_format
from http2_peers import spoken

rls = importlib.import_module("envoy.service.ratelimit.v3.rls_pb2")
LIMIT = FILTERS + "http.ratelimit.v3.RateLimit"
PER_ROUTE = FILTERS + "http.ratelimit.v3.RateLimitPerRoute"
NETWORK = FILTERS + "network.ratelimit.v3.RateLimit"
OK, OVER = {"overall_code": "OK"}, {"overall_code": "OVER_LIMIT"}


class Limiter:
    """`answer(request, context)` -> a RateLimitResponse as a dictionary. `seen` has all requests, as dictionaries."""

    def __init__(self, answer):
        self.seen, self.metadata = [], []

        def should_rate_limit(request, context):
            self.seen.append(json_format.MessageToDict(request, preserving_proto_field_name=True))
            self.metadata.append(dict(context.invocation_metadata()))
            return json_format.ParseDict(answer(self.seen[-1], context), rls.RateLimitResponse())

        handler = grpc.method_handlers_generic_handler("envoy.service.ratelimit.v3.RateLimitService", {
            "ShouldRateLimit": grpc.unary_unary_rpc_method_handler(
                should_rate_limit, rls.RateLimitRequest.FromString, rls.RateLimitResponse.SerializeToString)})
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((handler,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    @property
    def entries(self):
        """Of each request the entries of its descriptors, as `key=value` joined by commas."""
        return [[text(one) for one in request["descriptors"]] for request in self.seen]

    def close(self):
        self.server.stop(0)


def text(descriptor):
    return ",".join(f"{entry['key']}={entry.get('value', '')}" for entry in descriptor["entries"])


def service(**settings):
    return {"rate_limit_service": {"transport_api_version": "V3", "grpc_service": {
        "envoy_grpc": {"cluster_name": "limiter", **settings}}}}


def global_limit(name="limit", **settings):
    return {"name": name, "typed_config": {"@type": LIMIT, "domain": "shop", "timeout": "5s", **service(), **settings}}


def network_limit(*descriptors, **settings):
    return {"name": "limit", "typed_config": {
        "@type": NETWORK, "stat_prefix": "gate", "domain": "shop", "timeout": "5s", **service(),
        "descriptors": [{"entries": [{"key": key, "value": value} for key, value in one]} for one in descriptors],
        **settings}}


def key(value, name=None):
    return {"generic_key": {"descriptor_value": value, **({"descriptor_key": name} if name else {})}}


def rule(*actions, **settings):
    return {"actions": list(actions), **settings}


def limited(*rules, prefix="/", **action):
    """A route with rate limits."""
    return forward(prefix, rate_limits=list(rules or [rule(key("route"))]), **action)


def per_route(route, **settings):
    return {**route, "typed_per_filter_config": {"limit": {"@type": PER_ROUTE, **settings}}}


def proxy_with(either, app, limiter, *filters, routes=(), log=None, virtual_host=None, http=None, layer=None, **settings):
    more = {**(http or {}), **({"access_log": [log]} if log else {})}
    config = manager(list(routes) or [limited()], virtual_host, http_filters=[*(filters or [global_limit()]), ROUTER], **more)
    runtime = {"layered_runtime": {"layers": [{"name": "static", "static_layer": layer}]}} if layer else {}
    return either(bootstrap([listener(config)], [cluster("app", app.port), cluster("limiter", limiter.port, **spoken())], **runtime),
                  arguments=["--file-flush-interval-msec", "20", "--service-cluster", "me", "--service-node", "n"], **settings)


def counted(proxy, prefix=""):
    """What the filter counts of the route's cluster."""
    start = f"cluster.app.ratelimit.{prefix}"
    return {name.removeprefix(start): value for name, value in proxy.stats(rf"^cluster\.app\.ratelimit\.").items() if value}
