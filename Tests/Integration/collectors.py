"""Collectors of spans: OTLP over gRPC and HTTP, and Zipkin. They keep what arrives."""
import concurrent.futures
import gzip
import json
import threading

import grpc
from harness import Upstream, response, serve, wait_until
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {0: "unspecified", 1: "internal", 2: "server", 3: "client"}


class Collector:
    """What all collectors have: the exports in the order in which they came, and the spans in them."""

    def __init__(self):
        self.exports, self.lock = [], threading.Lock()

    def keep(self, export):
        with self.lock:
            self.exports.append(export)

    @property
    def spans(self):
        with self.lock:
            return [span for export in self.exports for span in self.of(export)]

    def wait(self, count=1):
        """`count` spans, and no more."""
        wait_until(lambda: len(self.spans) >= count, lambda: f"{count} spans (there are {self.spans})")
        assert len(self.spans) == count, self.spans
        return self.spans


def attribute(value):
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


class OTLP(Collector):
    """Spans as plain dictionaries."""

    def take(self, data):
        self.keep(ExportTraceServiceRequest.FromString(data))

    @staticmethod
    def of(export):
        for resource in export.resource_spans:
            # The messages are those of xds-protos, from before scopes had their name; on the wire they are the same.
            for scope in resource.instrumentation_library_spans:
                for span in scope.spans:
                    yield {
                        "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                        "state": span.trace_state, "name": span.name, "kind": KINDS.get(span.kind, span.kind),
                        "start": span.start_time_unix_nano, "end": span.end_time_unix_nano,
                        "tags": {a.key: attribute(a.value) for a in span.attributes},
                        "status": (span.status.code, span.status.message),
                        "events": [(e.name, {a.key: attribute(a.value) for a in e.attributes}) for e in span.events],
                        "resource": {a.key: attribute(a.value) for a in resource.resource.attributes},
                        "scope": (scope.instrumentation_library.name, scope.instrumentation_library.version),
                    }


class GRPCCollector(OTLP):
    """TraceService.Export on a port of its own."""

    def __init__(self, answer=None):
        super().__init__()
        self.metadata, self.answer = [], answer
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        method = grpc.unary_unary_rpc_method_handler(self._export)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "opentelemetry.proto.collector.trace.v1.TraceService", {"Export": method}),))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def _export(self, data, context):
        self.metadata.append(dict(context.invocation_metadata()))
        if self.answer:
            self.answer(context)
        self.take(data)
        return b""

    def close(self):
        self.server.stop(None)


class HTTPCollector(OTLP):
    """OTLP over HTTP/1."""

    def __init__(self, status=200):
        super().__init__()
        self.upstream = Upstream(serve(self._answer))
        self.port, self.status = self.upstream.port, status

    def _answer(self, request):
        self.take(request.body)
        return response(self.status)

    @property
    def requests(self):
        return self.upstream.requests

    def close(self):
        self.upstream.close()


class ZipkinCollector(Collector):
    """Zipkin v2, in JSON."""

    def __init__(self, status=202):
        super().__init__()
        self.upstream = Upstream(serve(self._answer))
        self.port, self.status = self.upstream.port, status

    def _answer(self, request):
        body = gzip.decompress(request.body) if request.get("content-encoding") == "gzip" else request.body
        self.keep(json.loads(body))
        return response(self.status)

    @staticmethod
    def of(export):
        return export

    @property
    def requests(self):
        return self.upstream.requests

    def close(self):
        self.upstream.close()
