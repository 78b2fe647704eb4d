// The response on its way down.
import HTTPWire
import Metrics
import Reactor

extension Router {
    func upstreamInformational(_ upstream: UpstreamStream) {
        guard isSending(upstream) else { return }
        touchTry()
        // Expectations are answered by the proxy: another 100 would confuse the client.
        guard response.status != 100 else { return }
        sentInformational = true
        chargeCode(response.status)
        stream.sendInformational()
    }

    func upstreamHead(_ upstream: UpstreamStream, end: Bool) {
        guard isSending(upstream), let host else { return }
        let now = stream.loop.now
        info.marks.firstUpstreamReceived = now
        touchTry()
        if let sizes = stats?.sizes {
            sizes.rsHeadersSize.record(UInt64(response.byteSize))
            sizes.rsHeadersCount.record(UInt64(response.count))
        }
        if reportsOutcomes { report(.answered(status: answeredStatus)) }
        if response.contains(.xEnvoyImmediateHealthCheckFail) { cluster?.failImmediately(host) }
        if retryInstead(of: upstream, end: end) { return }
        if response.status / 100 == 3, let redirects = facts?.action.redirects, redirects.follows(response.status),
            followInstead(of: upstream, redirects, end: end)
        {
            return
        }
        stream.clear(.perTry)
        if let received = requestEnd, stream.upgrade == .none, !config.spec.suppressEnvoyHeaders {
            response.set(.xEnvoyUpstreamServiceTime, decimal: UInt64(max(0, (now - received).milliseconds)))
        }
        isCanary = host.canary || response.value(.xEnvoyUpstreamCanary)?.equals("true") == true
        chargeCode(response.status)
        if response.status < 500 { noteSuccess(host, end: end) }
        info.responseCodeDetails = CodeDetails.viaUpstream
        finalizeResponse(response)
        if stream.upgrade.isAccepted(by: response.status) && !end {
            clearTryDeadlines()
            requestEndSent = false
            upstream.becomeTunnel()
        }
        body.stopKeeping()
        if end { upstreamCompleted(upstream) }
        stream.sendHead(end: end)
    }

    func upstreamBody(_ upstream: UpstreamStream, _ bytes: inout ByteQueue, end: Bool) {
        guard isSending(upstream) else { return bytes.clear() }
        let now = stream.loop.now
        touchTry()
        if info.marks.firstUpstreamBodyReceived == nil { info.marks.firstUpstreamBodyReceived = now }
        if end { upstreamCompleted(upstream) }
        stream.sendBody(&bytes, end: end)
    }

    func upstreamTrailers(_ upstream: UpstreamStream) {
        guard isSending(upstream) else { return }
        if awaitsGRPCStatus {
            awaitsGRPCStatus = false
            judge(GRPCRules.status(stream.responseTrailers))
        }
        upstreamCompleted(upstream)
        stream.sendTrailers()
    }

    /// The upstream has said all. A tunnel lives on while the client still talks.
    private func upstreamCompleted(_ upstream: UpstreamStream) {
        let now = stream.loop.now
        info.marks.lastUpstreamReceived = now
        upstreamEnded = true
        if awaitsGRPCStatus {
            // A gRPC response without trailers is an error.
            awaitsGRPCStatus = false
            judge(nil)
        }
        if stream.isTunnel && !requestEndSent { return }
        chargeTime(now)
        attemptCompleted(upstream)
        // An answer before the request was complete: the rest of it has no reader.
        if !requestEndSent { upstream.cancel() }
    }

    /// Both sides have said all.
    func attemptCompleted(_ upstream: UpstreamStream) {
        attempt = .none
        clearTryDeadlines()
        stream.clear(.response)
        noteEnd(upstream, .completed)
        releaseRetry()
    }

    /// Cookies that choose the host next time, header changes of the route, and the number of tries.
    func finalizeResponse(_ response: HeaderMap) {
        guard let facts, facts.addsToResponse else { return changeResponse(response) }
        // Nobody has asked for the hash where the cluster does not choose by it.
        if let policy = facts.action.hashPolicy, policy.makesCookies, cluster?.spec.balancing.hashing != nil {
            policy.addCookies(to: response, request, info.downstream)
        }
        changeResponse(response)
        if facts.includeAttemptCountInResponse && info.upstream.attemptCount > 0 {
            response.set(.xEnvoyAttemptCount, decimal: UInt64(info.upstream.attemptCount))
        }
    }

    /// Answers in place of the upstream.
    func replyLocally(_ answer: LocalReply, isOverload: Bool = false) {
        let last: (HeaderMap) -> Void = { [self] response in
            if isOverload && !config.spec.suppressEnvoyHeaders { response.set(.xEnvoyOverloaded, "true") }
            if facts?.includeAttemptCountInResponse == true, info.upstream.attemptCount > 0 {
                response.set(.xEnvoyAttemptCount, decimal: UInt64(info.upstream.attemptCount))
            }
        }
        stream.reply(answer, last: last)
    }

    // MARK: Flow of the response

    func downstreamBackedUp() {
        guard case .sending(let upstream) = attempt, !isResponsePaused else { return }
        isResponsePaused = true
        stats?.flowPausedReading.increment()
        upstream.pauseReading()
    }

    func downstreamDrained() {
        guard isResponsePaused else { return }
        isResponsePaused = false
        guard case .sending(let upstream) = attempt else { return }
        stats?.flowResumedReading.increment()
        upstream.resumeReading()
    }
}
