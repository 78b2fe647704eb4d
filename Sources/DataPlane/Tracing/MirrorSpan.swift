// The span of a request's copy at a mirror: a child of the request's, which may end after it.
import HTTPWire
import Reactor

/// What is kept of a mirror's span until it ends. Loop thread only.
struct MirrorSpan {
    let rules: TracingRules
    let context: SpanContext
    let start: MonotonicTime
    let startWall: WallTime

    /// The copy is answered, has failed, or was given up: its span, with what Envoy's says of it.
    ///
    /// - Parameters:
    ///   - status: of the answer, or that which stands for its failure; 0: there is none.
    ///   - version: of the connection; nil: there was none.
    func finish(
        _ cluster: ClusterSpec, host: Host?, version: HTTPVersion?, status: Int, flags: ResponseFlags,
        wasCanceled: Bool, head: HeaderMap, trailers: HeaderMap, now: MonotonicTime
    ) {
        guard context.isSampled else { return }
        let record = rules.tracer.record
        record.clear()
        record.context = context
        record.kind = .client
        record.start = startWall
        record.end = startWall + (now - start)
        record.setName { $0.append(literal: "mirror") }
        if wasCanceled { record.add("canceled", "true") }
        record.addVersion(version ?? .http11)
        if let host { record.addUpstream(host) }
        record.addCommon(
            cluster: cluster.name, observed: cluster.altStatName.isEmpty ? cluster.name : cluster.altStatName,
            status: status, flags: flags)
        record.addGRPCStatus(head, trailers, failsAt: .client)
        rules.tracer.send(record)
    }
}
