// What a side call counts, as a client's request would: in its cluster's stats, at its host, for outlier detection.
import HTTPWire
import Metrics
import Reactor

extension SideCall {
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

    /// The time is up; the try that is under way still is.
    func chargeTimeout() {
        guard let cluster else { return }
        cluster.stats.rqTimeout.increment()
        cells?.requestTimedOut()
        if case .sending = phase, response.status == 0 { report(.timedOut(status: 504)) }
    }

    private func charge(status: Int) {
        cluster?.stats.charge(status: status, isCanary: isCanary, isInternal: true)
        if status >= 500 { cells?.requestFailed() }
    }

    private var isCanary: Bool {
        host?.canary == true || response.value(.xEnvoyUpstreamCanary)?.equals("true") == true
    }
}
