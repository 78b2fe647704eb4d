"""What tests of tracing share: providers, and the parts of a bootstrap."""
from bootstrap import UPSTREAM_HTTP

TRACE = "type.googleapis.com/envoy.config.trace.v3."
H2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": UPSTREAM_HTTP, "explicit_http_config": {"http2_protocol_options": {}}}}


def runtime(**values):
    return {"layered_runtime": {"layers": [{"name": "settings", "static_layer": values}]}}


def flush_at_once(**values):
    """Each span is sent when it is finished."""
    return runtime(**{"tracing.opentelemetry.min_flush_spans": 1, "tracing.zipkin.min_flush_spans": 1, **values})


def telemetry(**settings):
    return {"name": "envoy.tracers.opentelemetry", "typed_config": {"@type": TRACE + "OpenTelemetryConfig", **settings}}


def otlp_over_grpc(cluster="collector", **settings):
    service = {"envoy_grpc": {"cluster_name": cluster}, "timeout": "5s"}
    return telemetry(**{"grpc_service": service, "service_name": "shop", **settings})


def otlp_over_http(cluster="collector", headers=(), **settings):
    service = {"http_uri": {"uri": "http://collector.example:4318/v1/traces", "cluster": cluster, "timeout": "5s"},
               "request_headers_to_add": [{"header": {"key": name, "value": value}} for name, value in headers]}
    return telemetry(**{"http_service": service, "service_name": "shop", **settings})


def zipkin(cluster="collector", **settings):
    return {"name": "envoy.tracers.zipkin", "typed_config": {
        "@type": TRACE + "ZipkinConfig", "collector_cluster": cluster, "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON", **settings}}
