"""A proxy whose configuration comes from a control plane or from files, and the resources that such tests use."""
import contextlib
import json

from bootstrap import HCM, ROUTER, UPSTREAM_HTTP, address, bootstrap, forward, listener
from control_plane import CLUSTER, ENDPOINTS, LISTENER, ROUTES, ControlPlane, name_of
from harness import wait_until

NODE = {"id": "proxy-1", "cluster": "shop", "metadata": {"zone-count": 3, "nested": {"on": True}}, "locality": {"zone": "z1"}}


class Grpc:
    """How a proxy is told to ask: over one stream or one for each type, state of the world or delta."""

    def __init__(self, port, aggregated=True, delta=False, **source):
        self.port, self.aggregated, self.delta, self.source_settings = port, aggregated, delta, source

    @property
    def api(self):
        kind = ("DELTA_" if self.delta else "") + "GRPC"
        return {"api_type": kind, "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}

    def source(self, _type_url, _name=""):
        where = {"ads": {}} if self.aggregated else {"api_config_source": self.api}
        return {**where, "resource_api_version": "V3", **self.source_settings}

    def bootstrap(self, static=(), cluster=None, **settings):
        resources = {"cds_config": self.source(CLUSTER), "lds_config": self.source(LISTENER)}
        if self.aggregated:
            resources["ads_config"] = self.api
        xds = {
            "name": "xds", "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": {"cluster_name": "xds", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address(self.port)}}]}]},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": UPSTREAM_HTTP, "explicit_http_config": {"http2_protocol_options": {}}}},
            **(cluster or {}),
        }
        return bootstrap([], [xds, *static], node=NODE, dynamic_resources=resources, **settings)


VARIANTS = {
    "ads": {}, "ads-delta": {"delta": True}, "own": {"aggregated": False}, "own-delta": {"aggregated": False, "delta": True},
}


class Planned(Grpc):
    """A control plane and how to ask it."""

    def __init__(self, credentials=None, **variant):
        self.plane = ControlPlane(credentials)
        super().__init__(self.plane.port, **variant)
        self.put, self.remove = self.plane.put, self.plane.remove


class InFiles:
    """The same from files, which are replaced as a mounted volume's are: one for all clusters, one for all listeners, and one
    for each service and each table of routes, for Envoy takes a file of those only with one resource in it."""

    def __init__(self, files, **source):
        self.files, self.source_settings = files, source
        self.resources = {one: {} for one in (CLUSTER, ENDPOINTS, LISTENER, ROUTES)}
        self.version = 0

    def file(self, type_url, name):
        kind = type_url.rpartition(".")[2]
        return f"{kind}.json" if type_url in (CLUSTER, LISTENER) else f"{kind}-{name}.json"

    def source(self, type_url, name=""):
        return {"path_config_source": {"path": str(self.files.folder / self.file(type_url, name))},
                "resource_api_version": "V3", **self.source_settings}

    def bootstrap(self, static=(), **settings):
        resources = {"cds_config": self.source(CLUSTER), "lds_config": self.source(LISTENER)}
        return bootstrap([], list(static), node=NODE, dynamic_resources=resources, **settings)

    def put(self, type_url, *resources):
        for one in resources:
            self.resources[type_url][name_of(one)] = one
        self.write(type_url, [name_of(one) for one in resources])

    def remove(self, type_url, *names):
        for name in names:
            del self.resources[type_url][name]
        self.write(type_url, names)

    def write(self, type_url, names):
        self.version += 1
        for file in {self.file(type_url, name) for name in names or self.resources[type_url]}:
            mine = [{"@type": type_url, **one} for name, one in self.resources[type_url].items()
                    if self.file(type_url, name) == file]
            self.files.put(file, json.dumps({"version_info": str(self.version), "resources": mine}, indent=1).encode())


def eds_cluster(world, name="app", **settings):
    return {"name": name, "type": "EDS", "connect_timeout": "2s", **settings,
            "eds_cluster_config": {"eds_config": world.source(ENDPOINTS, name)}}


def endpoints(*ports, name="app", **settings):
    hosts = [{"endpoint": {"address": address(port)}} if isinstance(port, int) else port for port in ports]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}], **settings}


def routes(*entries, name="routes", **settings):
    hosts = [{"name": "all", "domains": ["*"], "routes": list(entries) or [forward()]}]
    return {"name": name, "virtual_hosts": hosts, **settings}


def direct(text):
    """A route that is answered at once."""
    return {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}


def rds_manager(world, name="routes", **settings):
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": HCM, "stat_prefix": "ingress",
            "rds": {"route_config_name": name, "config_source": world.source(ROUTES, name)},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
            **settings,
        },
    }


def fill(world, *ports):
    """One of each: a request goes from listener `main` by `routes` to `app`."""
    world.put(ENDPOINTS, endpoints(*ports))
    world.put(CLUSTER, eds_cluster(world))
    world.put(ROUTES, routes())
    world.put(LISTENER, listener(rds_manager(world)))


def ask(peer, path="/"):
    peer.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
    return peer.response()


def body(proxy, path="/", name="main"):
    """What a new connection is answered, or its status, or None where there is nobody."""
    try:
        with contextlib.closing(proxy.client(name)) as peer:
            answer = ask(peer, path)
            return answer and (answer.body if answer.status == 200 else answer.status)
    except (OSError, KeyError):
        return None


def wait_body(proxy, wanted, path="/", name="main"):
    wait_until(lambda: body(proxy, path, name) == wanted, lambda: f"{wanted} (is {body(proxy, path, name)})")
