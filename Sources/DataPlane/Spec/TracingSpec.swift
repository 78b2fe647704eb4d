// Tracing: which requests, what their spans say, and who gets them.
import Reactor

/// `HttpConnectionManager.Tracing`.
public struct TracingSpec: Sendable {
    public var tracer: TracerSpec
    public var sampling = SamplingSpec()
    /// Spans tell when each byte came and went.
    public var isVerbose = false
    /// Bytes of a path that `http.url` shows.
    public var maxPathTagLength = 256
    public var customTags: [CustomTagSpec] = []
    /// Each try upstream has a span of its own.
    public var spawnsUpstreamSpans = false
    /// Format of the span's name; empty: the tracer's own name, or the route's decorator's.
    public var operation = ""
    /// The same for spans of tries; empty: "router <cluster> egress".
    public var upstreamOperation = ""

    public init(_ tracer: TracerSpec) { self.tracer = tracer }
}

/// Three fractions of the requests, which the runtime may override (`tracing.client_enabled`,
/// `tracing.random_sampling`, `tracing.global_enabled`).
public struct SamplingSpec: Sendable, Equatable {
    /// Of those with `x-client-trace-id`.
    public var client = Fraction.always
    public var random = Fraction.always
    /// Of those that are to be traced for whatever reason.
    public var overall = Fraction.always

    public init() {}
}

/// `Route.tracing` and `Route.decorator`.
public struct RouteTracingSpec: Sendable {
    /// nil: the connection manager's.
    public var sampling: SamplingSpec?
    public var customTags: [CustomTagSpec] = []
    /// Empty: the connection manager's.
    public var operation = ""
    public var upstreamOperation = ""
    public var decorator: DecoratorSpec?

    public init() {}
}

/// `envoy.config.route.v3.Decorator`.
public struct DecoratorSpec: Sendable {
    /// The span's name.
    public var operation: String
    /// The other side is told the name (`x-envoy-decorator-operation`).
    public var isPropagated: Bool

    public init(_ operation: String, isPropagated: Bool = true) {
        self.operation = operation
        self.isPropagated = isPropagated
    }
}

/// `envoy.type.tracing.v3.CustomTag`. Environment variables were read with the configuration.
public struct CustomTagSpec: Sendable {
    public enum Value: Sendable {
        case literal(String)
        /// `standard`: for requests without the header; empty: those have no tag.
        case header(name: String, standard: String)
        case format(String)
        /// The variable is not set, and there is no default: the route hides the manager's tag, and that is all.
        case none
    }

    public var name: String
    public var value: Value

    public init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

/// Who makes spans and sends them. Connection managers with equal ones share a batch.
public enum TracerSpec: Hashable, Sendable {
    case openTelemetry(OpenTelemetrySpec)
    case zipkin(ZipkinSpec)
}

/// When spans are sent, and how many wait until then.
public struct SpanBatchSpec: Hashable, Sendable {
    /// Spans that are sent without waiting for the interval.
    public var minSpans = 5
    public var interval = TimeAmount.seconds(5)
    /// Spans that wait on one worker, at most (`max_cache_size`); more are dropped.
    public var maxSpans = 1024
    /// Bytes of spans that wait or are under way on one worker, at most; 0: no limit
    /// (`outrider.tracing.max_buffer_kib`).
    public var maxBytes = 4 << 20

    public init() {}
}

/// Where spans are sent.
public struct CollectorSpec: Hashable, Sendable {
    public struct Header: Hashable, Sendable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var cluster: String
    public var authority: String
    /// Of HTTP; a gRPC method has its own.
    public var path: String
    public var headers: [Header] = []
    /// nil: as long as it takes.
    public var timeout: TimeAmount?

    public init(cluster: String, authority: String, path: String) {
        self.cluster = cluster
        self.authority = authority
        self.path = path
    }
}

/// `envoy.config.trace.v3.OpenTelemetryConfig`.
public struct OpenTelemetrySpec: Hashable, Sendable {
    public struct Attribute: Hashable, Sendable {
        public var key: String
        public var value: String
        public init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    public var collector: CollectorSpec
    public var isGRPC: Bool
    /// `service.name`, and what resource detectors found.
    public var resource: [Attribute] = []
    public var batch = SpanBatchSpec()

    public init(_ collector: CollectorSpec, isGRPC: Bool) {
        self.collector = collector
        self.isGRPC = isGRPC
    }
}

/// `envoy.config.trace.v3.ZipkinConfig`.
public struct ZipkinSpec: Hashable, Sendable {
    public enum Encoding: Hashable, Sendable { case json, protobuf }

    public var collector: CollectorSpec
    public var encoding = Encoding.json
    /// New traces have ids of 128 bits.
    public var has128BitIDs = false
    /// A server's span is the client's.
    public var sharesSpans = true
    /// Requests are always received by one span and sent by another: no span of ours is a client's.
    public var splitsSpans = false
    /// traceparent is read where there is no B3, and written beside it.
    public var usesW3C = false
    public var batch = SpanBatchSpec()

    public init(_ collector: CollectorSpec) { self.collector = collector }
}
