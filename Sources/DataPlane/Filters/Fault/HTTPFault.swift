// The fault filter: makes some requests wait, and fails others.
import HTTPWire
import Metrics
import Reactor

/// Injects the faults of one filter, or of one route's own. Compiled for one worker. Loop thread only.
/// Envoy page: HTTP filters, "Fault Injection".
final class HTTPFault {
    private let spec: HTTPFaultSpec
    private let headers: [HeaderMatcher]
    private let nodes: [FixedBytes]
    private let maxActive: UInt64
    /// For requests that name no cluster that they come from.
    private let rules: FaultRules
    /// For those whose `x-envoy-downstream-service-cluster` the runtime has keys for.
    private let clusterRules: FaultClusterRules
    private let stats: FaultStats
    private let active: ActiveFaults

    init(_ spec: HTTPFaultSpec, _ stats: FaultStats, _ active: ActiveFaults, runtime: RuntimeSpec) {
        self.spec = spec
        self.stats = stats
        self.active = active
        headers = spec.headers.map { HeaderMatcher($0) }
        nodes = spec.downstreamNodes.map { FixedBytes($0) }
        maxActive = runtime.integer(spec.keys.maxActiveFaults) ?? spec.maxActiveFaults ?? .max
        rules = FaultRules(spec, runtime)
        clusterRules = FaultClusterRules(spec, runtime)
    }

    func pass(_ stream: HTTPStream, _ filters: StreamFilters) -> FilterVerdict {
        guard isFor(stream) else { return .passed }
        let request = stream.requestHeaders
        let rules = rules(for: request)
        if let delay = rules.delay, let time = delay.time(request), time > .zero,
            delay.share(request).includes(stream.core.random.next()), begin(stream, filters)
        {
            stats.delayed(client(request))
            stream.info.flags.insert(.delayInjected)
            return .held(fault(filters, stream).wait(time, self, stream, filters))
        }
        return abort(stream, filters) ? .answered : .passed
    }

    /// Fails the request, if it is its turn: by itself, or after its delay.
    func abort(_ stream: HTTPStream, _ filters: StreamFilters) -> Bool {
        let request = stream.requestHeaders
        guard let abort = rules(for: request).abort, let status = abort.status(request),
            abort.share(request).includes(stream.core.random.next()), begin(stream, filters)
        else { return false }
        stats.aborted(client(request))
        var answer = LocalReply(
            status.http, "fault filter abort", details: "fault_filter_abort", flags: .faultInjected)
        answer.grpcStatus = status.grpc
        stream.reply(answer)
        return true
    }

    private func isFor(_ stream: HTTPStream) -> Bool {
        if !spec.upstreamCluster.isEmpty, stream.info.upstream.clusterName != spec.upstreamCluster { return false }
        if !nodes.isEmpty {
            guard let node = stream.requestHeaders.value(.xEnvoyDownstreamServiceNode) else { return false }
            guard nodes.contains(where: { $0.view == node }) else { return false }
        }
        return headers.allMatch(stream.requestHeaders)
    }

    /// The cluster that the request says it comes from, if it does.
    private func client(_ request: HeaderMap) -> ByteView? {
        guard spec.countsDownstreamClusters else { return nil }
        return request.value(.xEnvoyDownstreamServiceCluster)
    }

    private func rules(for request: HeaderMap) -> FaultRules {
        guard let client = request.value(.xEnvoyDownstreamServiceCluster) else { return rules }
        return clusterRules.rules(for: client)
    }

    // MARK: - How many at a time

    private func fault(_ filters: StreamFilters, _ stream: HTTPStream) -> StreamFault {
        if let fault = filters.fault { return fault }
        let made = StreamFault(loop: stream.loop)
        filters.fault = made
        return made
    }

    /// Counts the request among those that have a fault, once. False: there are too many of them.
    private func begin(_ stream: HTTPStream, _ filters: StreamFilters) -> Bool {
        let fault = fault(filters, stream)
        if fault.counts(self) { return true }
        guard active.tryBegin(limit: maxActive) else {
            stats.overflow.increment()
            return false
        }
        stats.active.increment()
        fault.count(self)
        return true
    }

    /// The stream that was counted is over.
    func end() {
        active.end()
        stats.active.decrement()
    }
}
