// One try: from asking the pool to the last byte.
import HTTPWire
import Metrics
import Reactor

extension Router: PoolWaiter, UpstreamStreamDelegate {
    var upstreamDelegate: UpstreamStreamDelegate { self }
    var origin: StreamOrigin { StreamOrigin(downstream: info.downstream, request: request) }
    func hash(_ policy: HashPolicy?) -> UInt64? {
        guard let policy = policy ?? facts?.action.hashPolicy else { return nil }
        return policy.hash(request, client: info.client ?? info.downstream?.remoteAddress, info.downstream)
    }
    var subsetCriteria: SubsetCriteria? { choice?.weighted?.subsetCriteria ?? facts?.action.subsetCriteria }
    var upstreamResponseHeaders: HeaderMap { response }
    var upstreamResponseTrailers: HeaderMap { stream.responseTrailers }

    func isSending(_ upstream: UpstreamStream) -> Bool {
        if case .sending(let current) = attempt { return current === upstream }
        return false
    }

    /// Asks the cluster for a host and a connection. `fresh`: for a request that died on a connection used before.
    func startAttempt(fresh: Bool = false) {
        guard let cluster, let facts else { return }
        stream.forgetResponse()
        requestEndSent = false
        upstreamEnded = false
        awaitsGRPCStatus = false
        attemptStart = stream.loop.now
        info.upstream.end = .open
        // `poolReady` may come before the call returns, and see this state.
        attempt = .none
        stream.trace?.beginAttempt(max(0, info.upstream.attemptCount - 1), now: attemptStart, &stream.core.random)
        let avoiding = facts.retry?.spec.avoidPreviousHosts == true ? triedHosts : []
        let picks = facts.retry?.spec.hostSelectionAttempts ?? 1
        let outcome: NewStreamOutcome
        if facts.upgrades.endsConnect && request.methodKind == .connect {
            outcome = cluster.newTunnel(self, avoiding: avoiding, selectionAttempts: picks)
        } else {
            outcome = cluster.newStream(
                self, priority: facts.action.spec.priority, version: info.httpVersion ?? .http11,
                authority: request.authority, avoiding: avoiding,
                selectionAttempts: picks, fresh: fresh)
        }
        switch outcome {
        case .started:
            break
        case .waiting(let ticket):
            attempt = .waiting(ticket)
        case .noHealthyHost:
            info.upstream.end = .noHost
            stream.trace?.forgetAttempt()
            chargeCode(503)
            replyLocally(
                LocalReply(
                    503, "no healthy upstream", details: CodeDetails.noHealthyUpstream, flags: .noHealthyUpstream))
        case .refused(let refusal):
            info.upstream.end = .refused
            stream.trace?.forgetAttempt()
            chargeCode(503)
            replyLocally(
                LocalReply(
                    503, "no healthy upstream: \(refusal.message)", details: refusal.details, flags: refusal.flags),
                isOverload: refusal.isOverload)
        case .overflow(let host):
            take(host)
            stream.trace?.endAttempt(stream, .failed(.overflow), isConnected: false)
            failed(.overflow, detail: "", requestStarted: false, isStale: false)
        }
    }

    func poolReady(_ upstream: UpstreamStream, host: Host) {
        attempt = .sending(upstream)
        take(host)
        if reportsOutcomes { report(.connected) }
        describe(upstream.connectionInfo)
        virtualCluster?.rqTotal.increment()
        facts?.routeStats?.rqTotal.increment()
        if facts?.action.rewritesHostToEndpoint == true {
            route?.rewriteHost(
                request, toEndpoint: host.hostname, keepOriginal: !config.spec.suppressEnvoyHeaders)
        }
        if stream.isRequestComplete { armTryTimeouts() }
        if let limit = timeouts.upstreamDuration ?? cluster?.spec.http.maxStreamDuration, limit > .zero {
            stream.set(.upstreamMaxDuration, after: limit)
        }
        info.marks.firstUpstreamSent = stream.loop.now
        let endsWithHead = stream.isRequestComplete && !body.exists
        if endsWithHead {
            requestEndSent = true
            info.marks.lastUpstreamSent = stream.loop.now
        }
        stream.trace?.inject(request)
        upstream.sendHead(request, end: endsWithHead)
        if !endsWithHead && isSending(upstream) { sendHeldBody(upstream) }
    }

    private func sendHeldBody(_ upstream: UpstreamStream) {
        let endsNow = stream.isRequestComplete
        if body.count > 0 || endsNow && !body.hasTrailers {
            var bytes = body.takeForSending()
            let ends = endsNow && !body.hasTrailers
            if ends { noteRequestEnd() }
            upstream.sendBody(&bytes, end: ends)
        }
        guard isSending(upstream) else { return }
        if endsNow && body.hasTrailers {
            noteRequestEnd()
            upstream.sendTrailers(stream.requestTrailers)
        }
        if isSending(upstream) && !upstream.isBackedUp { stream.resumeRequest() }
    }

    private func noteRequestEnd() {
        requestEndSent = true
        info.marks.lastUpstreamSent = stream.loop.now
    }

    func poolFailed(_ reason: StreamResetReason, host: Host, detail: String) {
        guard case .waiting = attempt else { return }
        attempt = .none
        take(host)
        stream.trace?.endAttempt(stream, .failed(reason), isConnected: false)
        failed(reason, detail: detail, requestStarted: false, isStale: false)
    }

    private func take(_ host: Host) {
        self.host = host
        info.upstream.host = host
        info.upstream.remoteAddress = host.address
        info.upstream.poolReady = stream.loop.now - attemptStart
    }

    private func describe(_ connection: UpstreamConnectionInfo) {
        info.upstream.localAddress = connection.localAddress
        info.upstream.remoteAddress = connection.remoteAddress
        info.upstream.connectionID = connection.connectionID
        info.upstream.httpVersion = connection.httpVersion
        info.upstream.tls = connection.tls
        info.upstream.connectStart = connection.connectStart
        if connection.tls == nil {
            info.upstream.connectEnd = connection.established
        } else {
            info.upstream.handshakeEnd = connection.established
            info.upstream.serverName = connection.tls?.serverName ?? ""
        }
    }

    /// The limits of one try; they run from the request's end.
    func armTryTimeouts() {
        if let limit = timeouts.perTry { stream.set(.perTry, after: limit) }
        touchTry()
    }

    func touchTry() {
        if let limit = timeouts.perTryIdle { stream.set(.perTryIdle, after: limit) }
    }

    /// Stops what runs upstream.
    ///
    /// - Parameter flags: why, as the log of the try has it.
    func dropAttempt(_ flags: ResponseFlags = []) {
        let dropped = attempt
        attempt = .none
        clearTryDeadlines()
        switch dropped {
        case .none: return
        case .held: stream.filters?.cancelHold()
        case .waiting(let ticket):
            stream.trace?.endAttempt(stream, .canceled(flags), isConnected: false)
            ticket.cancel()
        case .backingOff: stream.clear(.retryBackoff)
        case .sending(let upstream):
            noteEnd(upstream, .canceled(flags))
            upstream.cancel()
        }
    }

    /// The try is over on both sides, or cannot go on.
    func noteEnd(_ upstream: UpstreamStream, _ end: TraceAttemptEnd) {
        info.upstreamWire.sent &+= upstream.wireBytesSent
        info.upstreamWire.received &+= upstream.wireBytesReceived
        if let budget = stats?.timeoutBudget, let limit = timeouts.perTry {
            budget.perTryPercentUsed.record(Router.percent(stream.loop.now - attemptStart, of: limit))
        }
        logUpstream()
        stream.trace?.endAttempt(stream, end, isConnected: true)
    }

    func clearTryDeadlines() {
        stream.clear(.perTry)
        stream.clear(.perTryIdle)
        stream.clear(.upstreamMaxDuration)
    }
}
