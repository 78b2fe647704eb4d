// What the router counts and logs of a request.
import HTTPWire
import Metrics
import Reactor

extension Router {
    /// Charges a response code, the proxy's own answers for failed tries included.
    func chargeCode(_ status: Int) {
        guard let stats, config.spec.dynamicStats, !info.isHealthCheck else { return }
        stats.charge(status: status, isCanary: isCanary, isInternal: stream.isInternalRequest)
        forEachGroup { $0.responses.record(status: status) }
        alternative?.record(status: status)
        if status >= 500, let host { cells(host)?.requestFailed() }
    }

    /// Charges the time from the request's end to the response's.
    func chargeTime(_ now: MonotonicTime) {
        guard let stats, let received = requestEnd else { return }
        chargeTimeoutBudget()
        guard config.spec.dynamicStats, !info.isHealthCheck else { return }
        let elapsed = UInt64(max(0, (now - received).milliseconds))
        stats.charge(milliseconds: elapsed, isCanary: isCanary, isInternal: stream.isInternalRequest)
        forEachGroup { $0.responses.recordTime(milliseconds: elapsed) }
        alternative?.recordTime(milliseconds: elapsed)
    }

    /// The virtual cluster's and the route's own stats, where there are any.
    func forEachGroup(_ body: (RequestGroupStats) -> Void) {
        if let virtualCluster { body(virtualCluster) }
        if let stats = facts?.routeStats { body(stats) }
    }

    func chargeTimeoutBudget() {
        guard let budget = stats?.timeoutBudget, let received = requestEnd else { return }
        budget.percentUsed.record(Router.percent(stream.loop.now - received, of: timeouts.response ?? .zero))
    }

    /// 0 for no limit.
    static func percent(_ used: TimeAmount, of limit: TimeAmount) -> UInt64 {
        guard limit.milliseconds > 0 else { return 0 }
        return UInt64(max(0, used.milliseconds)) &* 100 / UInt64(limit.milliseconds)
    }

    /// A response that is no 5xx. For gRPC the trailers decide, unless the head is all there is.
    func noteSuccess(_ host: Host, end: Bool) {
        guard isGRPC else { return cells(host)?.requestSucceeded() ?? () }
        if end {
            judge(GRPCRules.status(response))
        } else {
            awaitsGRPCStatus = true
        }
    }

    /// Counts a gRPC status as success or error of the host.
    func judge(_ status: Int?) {
        guard let host else { return }
        if let status, GRPCRules.httpStatus(status) < 500 {
            cells(host)?.requestSucceeded()
        } else {
            cells(host)?.requestFailed()
            info.isGRPCFailure = true
        }
    }

    /// Tells outlier detection how the try went, or how far it has come.
    @inline(never)
    func report(_ outcome: AttemptOutcome) {
        guard reportsOutcomes, let cluster, let host else { return }
        cluster.report(outcome, of: host)
    }

    /// The status that the head stands for: with gRPC that of `grpc-status`, if it is there already; what is no number
    /// counts as an unknown status, as in Envoy.
    var answeredStatus: Int {
        guard isGRPC, response.contains(.grpcStatus) else { return response.status }
        return GRPCRules.httpStatus(GRPCRules.status(response) ?? GRPCRules.Status.unknown.rawValue)
    }

    func cells(_ host: Host) -> HostCells? { cluster?.cells(of: host) }

    /// What formatters of headers and logs may draw from.
    var formatContext: FormatContext {
        FormatContext(
            info, request: request, response: response, now: stream.loop.now,
            wallNow: stream.loop.wallNow)
    }

    /// One line per try, where `upstream_log` asks for it.
    func logUpstream() {
        guard !config.upstreamLogs.isEmpty else { return }
        var context = FormatContext(
            info, request: request, response: response,
            trailers: stream.responseTrailers, now: stream.loop.now, wallNow: stream.loop.wallNow)
        context.logType = .upstreamEnd
        for log in config.upstreamLogs { log.log(context) }
    }
}
