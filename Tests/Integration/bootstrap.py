"""Builds bootstraps, the way a user would write them."""

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
UPSTREAM_HTTP = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
DOWNSTREAM_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
UPSTREAM_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def address(port=0, host="127.0.0.1"):
    return {"socket_address": {"address": host, "port_value": port}}


def cluster(name, *ports, **settings):
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}} for port in ports]}],
        },
        **settings,
    }


def forward(prefix="/", to="app", **action):
    return {"match": {"prefix": prefix}, "route": {"cluster": to, **action}}


def manager(routes, virtual_host=None, route_config=None, **settings):
    hosts = [{"name": "all", "domains": ["*"], "routes": routes, **(virtual_host or {})}]
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": HCM,
            "stat_prefix": "ingress",
            "route_config": {"name": "local", "virtual_hosts": hosts, **(route_config or {})},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
            **settings,
        },
    }


def tcp_proxy(to="app", **settings):
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {"@type": TCP, "stat_prefix": "tcp", "cluster": to, **settings},
    }


def listener(network_filter, name="main", chain=None, **settings):
    return {
        "name": name,
        "address": address(),
        "filter_chains": [{"filters": [network_filter], **(chain or {})}],
        **settings,
    }


def bootstrap(listeners, clusters, **settings):
    return {
        "admin": {"address": address()},
        "static_resources": {"listeners": listeners, "clusters": clusters},
        **settings,
    }


def http(routes=None, clusters=(), virtual_host=None, route_config=None, **settings):
    """One HTTP listener `main` with these routes."""
    filters = manager(routes or [forward()], virtual_host, route_config, **settings)
    return bootstrap([listener(filters)], list(clusters))
