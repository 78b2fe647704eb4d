// What a request of a worker's own counts, as a client's would: in its cluster's stats, at its host, for outlier
// detection.
import HTTPWire
import Metrics
import Reactor

/// A request that a worker makes by itself: a question to a service, a copy for a mirror. Loop thread only.
protocol OwnRequest: AnyObject {
    var loop: EventLoop { get }
    var request: HeaderMap { get }
    var response: HeaderMap { get }
    var responseTrailers: HeaderMap { get }
    var cluster: (any RequestCluster)? { get }
    /// The host of the try that is under way or has just failed.
    var host: Host? { get }
    /// What the time that it takes is counted from.
    var began: MonotonicTime { get }
}

extension OwnRequest {
    private var isGRPC: Bool { GRPCRules.isRequest(request) }

    private var cells: HostCells? { host.flatMap { cluster?.cells(of: $0) } }

    /// Tells outlier detection how the try goes.
    func report(_ outcome: AttemptOutcome) {
        guard let cluster, cluster.watchesOutcomes, let host else { return }
        cluster.report(outcome, of: host)
    }

    /// An answer has begun.
    func chargeHead() {
        guard let cluster else { return }
        var status = response.status
        if isGRPC, response.contains(.grpcStatus) {
            status = GRPCRules.httpStatus(GRPCRules.status(response) ?? GRPCRules.Status.unknown.rawValue)
        }
        report(.answered(status: status))
        if let host, response.contains(.xEnvoyImmediateHealthCheckFail) { cluster.failImmediately(host) }
        charge(status: response.status)
    }

    /// The answer is whole.
    func chargeAnswer() {
        let elapsed = UInt64(max(0, (loop.now - began).milliseconds))
        cluster?.stats.charge(milliseconds: elapsed, isCanary: isCanary, isInternal: true)
        guard response.status < 500 else { return }
        let status = isGRPC ? GRPCRules.status(responseTrailers) ?? GRPCRules.status(response) : 0
        if let status, GRPCRules.httpStatus(status) < 500 {
            cells?.requestSucceeded()
        } else {
            cells?.requestFailed()
        }
    }

    /// There will be no answer, or not all of it.
    func charge(_ failure: SideCallFailure) {
        if response.status == 0 { charge(status: failure.status) }
        if case .tookTooLong = failure { cluster?.stats.rqMaxDurationReached.increment() }
    }

    /// The time is up. `isSending`: a host has the request.
    func chargeTimeout(isSending: Bool) {
        guard let cluster else { return }
        cluster.stats.rqTimeout.increment()
        cells?.requestTimedOut()
        if isSending, response.status == 0 { report(.timedOut(status: 504)) }
    }

    /// A try that ended without a whole answer may be made again as one of a client's may: a server that goes away has not
    /// looked at it, or a connection that was used before has died under it. Counts it.
    ///
    /// - Parameter isRepeatable: doing it twice does no harm.
    func maySendAgain(
        _ reason: StreamResetReason, _ stream: any UpstreamStream, _ cluster: any RequestCluster, isRepeatable: Bool
    ) -> Bool {
        if reason == .remoteRefused && cluster.spec.reuse.replaysRefused {
            cluster.stats.rqReplayedRefused.increment()
            return true
        }
        guard reason == .connectionTermination, cluster.spec.reuse.replacesStaleConnections,
            stream.earlierRequests > 0, stream.wireBytesReceived == 0, !stream.sentAnything || isRepeatable
        else { return false }
        cluster.stats.rqReplacedStale.increment()
        return true
    }

    private func charge(status: Int) {
        cluster?.stats.charge(status: status, isCanary: isCanary, isInternal: true)
        if status >= 500 { cells?.requestFailed() }
    }

    private var isCanary: Bool {
        host?.canary == true || response.value(.xEnvoyUpstreamCanary)?.equals("true") == true
    }
}
