"""Authorization services that tests script: gRPC, and what configures a proxy to ask them."""
import contextlib
import importlib
from concurrent import futures

import grpc
from bootstrap import bootstrap, cluster, forward, listener, manager
from filters import FILTERS, ROUTER
from google.protobuf import json_format
from http2_peers import spoken

external_auth = importlib.import_module("envoy.service.auth.v3.external_auth_pb2")
EXT_AUTHZ = FILTERS + "http.ext_authz.v3.ExtAuthz"
PER_ROUTE = FILTERS + "http.ext_authz.v3.ExtAuthzPerRoute"


class Authorizer:
    """`answer(request, context)` -> a CheckResponse as a dictionary. `seen` has all requests, as dictionaries."""

    def __init__(self, answer):
        self.seen, self.metadata = [], []

        def check(request, context):
            self.seen.append(json_format.MessageToDict(request, preserving_proto_field_name=True)["attributes"])
            self.metadata.append(dict(context.invocation_metadata()))
            return json_format.ParseDict(answer(self.seen[-1]["request"]["http"], context), external_auth.CheckResponse())

        handler = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {
            "Check": grpc.unary_unary_rpc_method_handler(
                check, external_auth.CheckRequest.FromString, external_auth.CheckResponse.SerializeToString)})
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((handler,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def close(self):
        self.server.stop(0)


def header(key, value, **settings):
    return {"header": {"key": key, "value": value}, **settings}


def names(*exact):
    return {"patterns": [{"exact": name} for name in exact]}


def grpc_service(timeout="5s", **settings):
    return {"grpc_service": {"envoy_grpc": {"cluster_name": "authz", **settings}, "timeout": timeout}}


def http_service(timeout="5s", **settings):
    return {"http_service": {"server_uri": {"uri": "http://authz/x", "cluster": "authz", "timeout": timeout}, **settings}}


def authz(name="authz", **settings):
    return {"name": name, "typed_config": {"@type": EXT_AUTHZ, **settings}}


def per_route(path, route=None, **settings):
    return {**(route or forward()), "match": {"prefix": path},
            "typed_per_filter_config": {"authz": {"@type": PER_ROUTE, **settings}}}


def proxy_with(either, filters, app, service, routes=(), log=None, virtual_host=None, **settings):
    more = {"access_log": [log]} if log else {}
    config = manager([*routes, forward()], virtual_host, http_filters=[*filters, ROUTER], **more)
    # A gRPC service speaks HTTP/2, a plain one HTTP/1.
    speaks = spoken() if isinstance(service, Authorizer) else {}
    return either(bootstrap([listener(config)], [cluster("app", app.port), cluster("authz", service.port, **speaks)]),
                  arguments=["--file-flush-interval-msec", "20"], **settings)


def ask(proxy, path="/", *headers, method="GET", body=""):
    with contextlib.closing(proxy.client()) as peer:
        peer.send("".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "host: a", *headers)) + "\r\n" + body)
        return peer.response()


def counted(proxy, prefix="http.ingress"):
    found = proxy.stats(rf"^{prefix}\.ext_authz\.")
    return {name.removeprefix(f"{prefix}.ext_authz."): value for name, value in found.items() if value}
