// Who makes the spans of one provider on one worker, and all tracers of a worker.
import HTTPWire
import Metrics
import Reactor

/// How a trace goes from hop to hop.
enum TracePropagation: Equatable {
    case w3c
    case b3(alsoW3C: Bool)
}

/// `provider` of `tracing`, on one worker: connection managers with equal ones share it. Loop thread only.
final class Tracer {
    let propagation: TracePropagation
    /// Of traces that begin here (Zipkin; W3C's always have 128 bits).
    let has128BitIDs: Bool
    let sharesSpans: Bool
    let splitsSpans: Bool
    /// A span is called after the host that was asked for, as Zipkin's are.
    let namesSpansByHost: Bool
    /// Ids of traces are written as short as they are.
    var hasShortIDs: Bool { propagation != .w3c }
    /// For whoever has a finished span to tell of.
    let record = SpanRecord()
    private let exporter: SpanExporter

    init(
        _ spec: TracerSpec, loop: EventLoop, cells: StatCells, clusters: any RequestClusters, _ identity: ProxyIdentity
    ) {
        let format: SpanFormat
        let batch: SpanBatchSpec
        let collector: CollectorSpec
        switch spec {
        case .openTelemetry(let telemetry):
            propagation = .w3c
            (has128BitIDs, sharesSpans, splitsSpans, namesSpansByHost) = (true, false, false, false)
            let own: [OpenTelemetrySpec.Attribute] = [
                .init(key: "telemetry.sdk.name", value: "outrider"),
                .init(key: "telemetry.sdk.version", value: identity.version),
                .init(key: "telemetry.sdk.language", value: "swift"),
            ]
            format = .otlp(
                OTLPEncoder(resource: own + telemetry.resource, version: identity.version),
                isGRPC: telemetry.isGRPC)
            (batch, collector) = (telemetry.batch, telemetry.collector)
        case .zipkin(let zipkin):
            propagation = .b3(alsoW3C: zipkin.usesW3C)
            (has128BitIDs, sharesSpans) = (zipkin.has128BitIDs, zipkin.sharesSpans)
            (splitsSpans, namesSpansByHost) = (zipkin.splitsSpans, true)
            format = .zipkin(
                ZipkinEncoder(
                    zipkin.encoding, serviceName: identity.serviceCluster, address: identity.localAddress))
            (batch, collector) = (zipkin.batch, zipkin.collector)
        }
        exporter = SpanExporter(
            format, batch, to: SpanCollector(collector, format, identity), loop: loop, cells: cells, clusters: clusters)
    }

    /// The span in `record` is finished.
    func send(_ record: SpanRecord) { exporter.add(record) }

    /// No span waits for its interval from now on: the worker, or the tracer's last connection manager, is about to go.
    func hurry() { exporter.hurry() }

    /// Spans are under way, or wait to be.
    var isBusy: Bool { exporter.isBusy }
}

/// The tracers of one worker. Loop thread only.
final class TracerLibrary {
    private let loop: EventLoop
    private let cells: StatCells
    private let clusters: ClusterSet
    private let identity: ProxyIdentity
    private var tracers: [TracerSpec: Tracer] = [:]
    private var isInHurry = false

    init(loop: EventLoop, cells: StatCells, clusters: ClusterSet, identity: ProxyIdentity) {
        self.loop = loop
        self.cells = cells
        self.clusters = clusters
        self.identity = identity
    }

    func tracer(_ spec: TracerSpec) -> Tracer {
        if let known = tracers[spec] { return known }
        let made = Tracer(spec, loop: loop, cells: cells, clusters: clusters, identity)
        if isInHurry { made.hurry() }
        tracers[spec] = made
        return made
    }

    /// Lets go of tracers that no connection manager has any more, when their last spans are sent.
    func forgetUnused() {
        for spec in Array(tracers.keys) {
            guard var tracer = tracers.removeValue(forKey: spec) else { continue }
            if isKnownUniquelyReferenced(&tracer) {
                tracer.hurry()
            } else {
                tracers[spec] = tracer
            }
        }
    }

    /// The worker drains: spans are sent as they come.
    func hurry() {
        isInHurry = true
        for tracer in tracers.values { tracer.hurry() }
    }

    /// The worker drains, and its last spans have not arrived yet.
    var isSendingTheLast: Bool { isInHurry && tracers.values.contains { $0.isBusy } }
}
