"""A scripted control plane: holds resources, serves them by every variant of xDS, and remembers what it was asked and told.

Resources are dictionaries as in a bootstrap. It behaves: whoever subscribes gets what there is, a change goes to whom it
concerns. `quiet`, `rewrite`, `inject` and `hang_up` make it misbehave.
"""
import importlib
import queue
import threading
from concurrent import futures

import grpc
from google.protobuf import any_pb2, json_format
from harness import WAIT, wait_until

for module in (
        "config.cluster.v3.cluster_pb2", "config.endpoint.v3.endpoint_pb2", "config.listener.v3.listener_pb2",
        "config.route.v3.route_pb2", "extensions.access_loggers.file.v3.file_pb2",
        "extensions.filters.http.fault.v3.fault_pb2",
        "extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2", "extensions.filters.http.rbac.v3.rbac_pb2",
        "extensions.filters.http.router.v3.router_pb2",
        "extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
        "extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2", "extensions.health_check.event_sinks.file.v3.file_pb2",
        "extensions.transport_sockets.tls.v3.secret_pb2",
        "extensions.transport_sockets.tls.v3.tls_pb2", "extensions.upstreams.http.v3.http_protocol_options_pb2"):
    importlib.import_module("envoy." + module)
discovery = importlib.import_module("envoy.service.discovery.v3.discovery_pb2")

PREFIX = "type.googleapis.com/envoy."
CLUSTER = PREFIX + "config.cluster.v3.Cluster"
ENDPOINTS = PREFIX + "config.endpoint.v3.ClusterLoadAssignment"
LISTENER = PREFIX + "config.listener.v3.Listener"
ROUTES = PREFIX + "config.route.v3.RouteConfiguration"
SECRET = PREFIX + "extensions.transport_sockets.tls.v3.Secret"

# Which call of which service serves which type; None: whichever the request names.
SERVICES = {
    "envoy.service.discovery.v3.AggregatedDiscoveryService": (None, "AggregatedResources"),
    "envoy.service.cluster.v3.ClusterDiscoveryService": (CLUSTER, "Clusters"),
    "envoy.service.endpoint.v3.EndpointDiscoveryService": (ENDPOINTS, "Endpoints"),
    "envoy.service.listener.v3.ListenerDiscoveryService": (LISTENER, "Listeners"),
    "envoy.service.route.v3.RouteDiscoveryService": (ROUTES, "Routes"),
    "envoy.service.secret.v3.SecretDiscoveryService": (SECRET, "Secrets"),
}


def name_of(resource):
    return resource.get("name") or resource["cluster_name"]


def packed(type_url, resource):
    message = json_format.ParseDict({"@type": type_url, **resource}, any_pb2.Any())
    # The same resource always has the same bytes, so that what does not change can be told.
    return any_pb2.Any(type_url=type_url, value=message.value)


class Stream:
    """One stream that a proxy has opened."""

    def __init__(self, plane, call, type_url, is_delta, context):
        self.plane, self.call, self.type_url, self.is_delta = plane, call, type_url, is_delta
        self.metadata = dict(context.invocation_metadata())
        self.requests = []
        self.outbox = queue.Queue()
        # By type: the names that are asked for (None: all), and by name the version that was sent.
        self.names, self.sent, self.nonce = {}, {}, 0
        self.last_nonce = {}

    def wants(self, type_url, name):
        names = self.names.get(type_url, set())
        return names is None or name in names

    def took(self, request):
        """A request has come: what is to be done about it."""
        self.requests.append(request)
        type_url = self.type_url or request.type_url
        if self.is_delta:
            self._took_delta(request, type_url)
            return
        names = set(request.resource_names)
        asked = names or None if type_url in (CLUSTER, LISTENER) else names
        if type_url not in self.names or self.names[type_url] != asked:
            self.names[type_url] = asked
            self.push(type_url)

    def _took_delta(self, request, type_url):
        first = type_url not in self.names
        if first:
            wildcard = type_url in (CLUSTER, LISTENER) and not request.resource_names_subscribe
            self.names[type_url] = None if wildcard else set()
            self.sent[type_url] = dict(request.initial_resource_versions)
        added = set(request.resource_names_subscribe)
        if "*" in added:
            self.names[type_url] = None
        elif self.names[type_url] is not None:
            self.names[type_url] |= added
            self.names[type_url] -= set(request.resource_names_unsubscribe)
        for name in request.resource_names_unsubscribe:
            self.sent[type_url].pop(name, None)
        if first or added:
            self.push(type_url)

    def push(self, type_url):
        """Sends what there is of a type, or with delta what is new; nothing for a type that nobody asked for."""
        if type_url not in self.names or type_url in self.plane.quiet:
            return
        with self.plane.lock:
            known = {name: one for name, one in self.plane.resources[type_url].items() if self.wants(type_url, name)}
            version = str(self.plane.version)
        if not self.is_delta:
            # A subscription by names is answered when there is something to say, as control planes do.
            if known or self.names[type_url] is None:
                self._count(type_url)
                self.outbox.put(discovery.DiscoveryResponse(
                    version_info=version, type_url=type_url, nonce=str(self.nonce),
                    resources=[packed(type_url, one) for one, _ in known.values()]))
            return
        sent = self.sent.setdefault(type_url, {})
        news = [discovery.Resource(name=name, version=str(at), resource=packed(type_url, one))
                for name, (one, at) in known.items() if sent.get(name) != str(at)]
        gone = [name for name in sent if name not in known]
        if news or gone or self.nonce == 0:
            self._count(type_url)
            self.outbox.put(discovery.DeltaDiscoveryResponse(
                system_version_info=version, type_url=type_url, nonce=str(self.nonce), resources=news, removed_resources=gone))
        for name in gone:
            del sent[name]
        sent.update({one.name: one.version for one in news})

    def _count(self, type_url):
        self.nonce += 1
        self.last_nonce[type_url] = str(self.nonce)


class ControlPlane(grpc.GenericRpcHandler):
    def __init__(self, credentials=None):
        self.lock = threading.RLock()
        self.version = 0
        # By type: name -> (resource, version of its last change).
        self.resources = {one: {} for one in (CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET)}
        self.streams, self.ended = [], []
        self.quiet = set()  # types that get no answer
        self.rewrite = lambda response: response  # what is sent in place of a response; None: nothing
        self.credentials, self.port, self.server = credentials, 0, None
        self.start()

    # Life

    def start(self):
        """Listens, on the port that it had before if there was one."""
        self.server = grpc.server(futures.ThreadPoolExecutor(64), options=[("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers((self,))
        where = f"127.0.0.1:{self.port}"
        self.port = (self.server.add_secure_port(where, self.credentials) if self.credentials
                     else self.server.add_insecure_port(where))
        self.server.start()

    def stop(self):
        """Gone: connections are closed, new ones refused."""
        self.hang_up()
        self.server.stop(0).wait(WAIT)

    def hang_up(self, code=grpc.StatusCode.UNAVAILABLE):
        """Ends all streams; those that come anew are served."""
        with self.lock:
            for stream in self.streams:
                stream.outbox.put(code)

    # Resources

    def put(self, type_url, *resources):
        """These are there from now on, beside what there is."""
        with self.lock:
            self.version += 1
            for one in resources:
                self.resources[type_url][name_of(one)] = (one, self.version)
        self.push(type_url)

    def remove(self, type_url, *names):
        with self.lock:
            self.version += 1
            for name in names:
                del self.resources[type_url][name]
        self.push(type_url)

    def push(self, type_url):
        """Sends the type to everybody who asked for it; with the state of the world even when nothing has changed."""
        with self.lock:
            for stream in self.streams:
                stream.push(type_url)

    def inject(self, response):
        """Sends a response as it is on every stream; bytes need not be one."""
        with self.lock:
            for stream in self.streams:
                stream.outbox.put(response)

    # What was said

    def requests(self, type_url=None):
        """All requests of all streams, ended ones first, each with its type."""
        with self.lock:
            return [one for stream in [*self.ended, *self.streams] for one in stream.requests
                    if type_url in (None, stream.type_url or one.type_url)]

    def wait_nack(self, type_url):
        """The first error that was told of a type, and forgets everything that was said so far."""
        def find():
            return next((one for one in self.requests(type_url) if one.HasField("error_detail")), None)

        found = wait_until(find, f"a NACK of {type_url}")
        self.forget()
        return found.error_detail

    def wait_ack(self, type_url):
        """Until the last version of a type was taken, on every stream that asked for it."""
        def taken():
            with self.lock:
                for stream in self.streams:
                    mine = [one for one in stream.requests if type_url == (stream.type_url or one.type_url)]
                    if mine and not stream.is_delta and mine[-1].version_info != str(self.version):
                        return False
                    if mine and stream.is_delta and mine[-1].response_nonce != stream.last_nonce.get(type_url, ""):
                        return False
                return bool(self.streams)

        wait_until(taken, f"an ACK of {type_url}")

    def forget(self):
        with self.lock:
            self.ended = []
            for stream in self.streams:
                stream.requests = []

    # gRPC

    def service(self, details):
        service, _, method = details.method[1:].rpartition("/")
        if service not in SERVICES:
            return None
        type_url, noun = SERVICES[service]
        is_delta = method == "Delta" + noun
        if not is_delta and method != "Stream" + noun:
            return None
        request = discovery.DeltaDiscoveryRequest if is_delta else discovery.DiscoveryRequest

        def run(requests, context):
            return self._run(Stream(self, details.method, type_url, is_delta, context), requests, context)

        return grpc.stream_stream_rpc_method_handler(
            run, request.FromString, lambda one: one if isinstance(one, bytes) else one.SerializeToString())

    def _run(self, stream, requests, context):
        with self.lock:
            self.streams.append(stream)

        def read():
            try:
                for request in requests:
                    with self.lock:
                        stream.took(request)
            except Exception:  # the stream has ended, however it did
                pass
            stream.outbox.put(None)

        threading.Thread(target=read, daemon=True).start()
        try:
            while (one := stream.outbox.get()) is not None:
                if isinstance(one, grpc.StatusCode):
                    context.abort(one, "as the script says")
                changed = one if isinstance(one, bytes) else self.rewrite(one)
                if changed is not None:
                    yield changed
        finally:
            with self.lock:
                self.streams.remove(stream)
                self.ended.append(stream)
