// How one connection manager traces, and what a route changes about it.
import HTTPWire
import Metrics
import Reactor

/// `HttpConnectionManager.Tracing`, compiled for one worker. Loop thread only.
final class TracingRules {
    let tracer: Tracer
    let sampling: TraceSampling
    let tags: CustomTags
    let operation: Formatter?
    let upstreamOperation: Formatter?
    let spawnsUpstreamSpans: Bool
    let isVerbose: Bool
    let maxPathTagLength: Int
    /// The listener is the app's way out (`traffic_direction: OUTBOUND`).
    let isEgress: Bool
    let stats: TracingStats
    let identity: TracedIdentity

    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(
        _ spec: TracingSpec, tracer: Tracer, isEgress: Bool, statPrefix: String, identity: ProxyIdentity,
        runtime: RuntimeSpec, cells: StatCells
    ) throws(FormatError) {
        self.tracer = tracer
        sampling = TraceSampling(spec.sampling, runtime)
        tags = try CustomTags(spec.customTags)
        operation = try Formatter(named: spec.operation)
        upstreamOperation = try Formatter(named: spec.upstreamOperation)
        spawnsUpstreamSpans = spec.spawnsUpstreamSpans
        isVerbose = spec.isVerbose
        maxPathTagLength = spec.maxPathTagLength
        self.isEgress = isEgress
        stats = TracingStats(cells, prefix: "http.\(statPrefix).tracing.")
        self.identity = TracedIdentity(identity)
    }
}

/// Who this proxy is, as spans tell it.
struct TracedIdentity {
    let nodeID: FixedBytes
    let zone: FixedBytes

    init(_ identity: ProxyIdentity) {
        nodeID = FixedBytes(identity.serviceNode)
        zone = FixedBytes(identity.zone)
    }
}

/// `http.<prefix>.tracing.`: why requests were traced, or that they were not.
struct TracingStats {
    let clientEnabled: Counter
    let notTraceable: Counter
    let randomSampling: Counter
    let serviceForced: Counter

    init(_ cells: StatCells, prefix: String) {
        clientEnabled = cells.counter(prefix + "client_enabled")
        notTraceable = cells.counter(prefix + "not_traceable")
        randomSampling = cells.counter(prefix + "random_sampling")
        serviceForced = cells.counter(prefix + "service_forced")
    }

    func count(_ reason: TraceReason) {
        switch reason {
        case .notTraceable: notTraceable.increment()
        case .sampled: randomSampling.increment()
        case .client: clientEnabled.increment()
        case .forced: serviceForced.increment()
        }
    }
}

/// `Route.tracing` and `Route.decorator`, compiled for one worker. Loop thread only.
final class RouteTracing {
    /// nil: the connection manager's.
    let sampling: TraceSampling?
    let tags: CustomTags?
    let operation: Formatter?
    let upstreamOperation: Formatter?
    /// nil: the route decorates nothing.
    let decoration: FixedBytes?
    let propagatesDecoration: Bool

    /// - Throws: for a format that does not compile; a checked configuration has none.
    init?(_ spec: RouteTracingSpec?, _ runtime: RuntimeSpec) throws(FormatError) {
        guard let spec else { return nil }
        sampling = spec.sampling.map { TraceSampling($0, runtime) }
        tags = spec.customTags.isEmpty ? nil : try CustomTags(spec.customTags)
        operation = try Formatter(named: spec.operation)
        upstreamOperation = try Formatter(named: spec.upstreamOperation)
        decoration = spec.decorator.map { FixedBytes($0.operation) }
        propagatesDecoration = spec.decorator?.isPropagated ?? false
    }
}

extension Formatter {
    /// Of a span's name; nil where the configuration has none.
    fileprivate convenience init?(named template: String) throws(FormatError) {
        if template.isEmpty { return nil }
        try self.init(template, omitEmpty: true)
    }
}
