// What follows a failure: a fresh connection, another try, or an answer.
import HTTPWire
import Metrics
import Reactor

extension Router {
    func upstreamReset(_ upstream: UpstreamStream, _ reason: StreamResetReason, detail: String) {
        guard isSending(upstream) else { return }
        attempt = .none
        clearTryDeadlines()
        noteEnd(upstream, .failed(reason))
        failed(
            reason, detail: detail, requestStarted: upstream.sentAnything,
            isStale: upstream.earlierRequests > 0 && upstream.wireBytesReceived == 0)
    }

    /// A try ended without a whole response. `isStale`: on a connection that had served before, without a byte of an
    /// answer.
    func failed(_ reason: StreamResetReason, detail: String, requestStarted: Bool, isStale: Bool) {
        info.upstream.transportFailureReason = detail
        info.upstream.end = .reset(reason)
        if !stream.hasResponseStarted {
            if isStale && replaceStale(reason, requestStarted: requestStarted) { return }
            if reason == .remoteRefused && replayRefused() { return }
        }
        if reason.tellsOfHost { report(.failed) }
        if !stream.hasResponseStarted {
            if retryAfter(.reset(reason, requestStarted: requestStarted)) { return }
            chargeCode(reason.status)
        } else if awaitsGRPCStatus {
            // The head was no error yet; a response without its gRPC status is one.
            if let host { cells(host)?.requestFailed() }
            config.stats.rqResetAfterResponseStarted.increment()
        }
        replyLocally(
            UpstreamFailure.reply(
                reason, detail: detail, setting: settingBehind(reason), wasRetried: wasRetried,
                isLate: stream.hasResponseStarted),
            isOverload: reason == .overflow)
    }

    /// Our own limit that ended a try, with its value; empty when it was none.
    private func settingBehind(_ reason: StreamResetReason) -> String {
        guard let cluster, let facts else { return "" }
        switch reason {
        case .connectTimeout:
            return "cluster '\(cluster.name)' connect_timeout \(cluster.spec.connectTimeout)"
        case .overflow:
            guard let full = cluster.fullLimit(facts.action.spec.priority) else { return "" }
            return "cluster '\(cluster.name)' \(full.setting) \(full.value)"
        default:
            return ""
        }
    }

    // MARK: A keep-alive connection that died under the request

    /// Beyond Envoy: the server may close an idle connection just when it is used again. Where it is safe, the request
    /// goes out once more on a fresh connection, without touching the retry policy.
    private func replaceStale(_ reason: StreamResetReason, requestStarted: Bool) -> Bool {
        guard let cluster, cluster.spec.reuse.replacesStaleConnections, reason == .connectionTermination, !wasReplaced,
            !sentInformational, body.canBeSentAgain, !requestStarted || request.methodKind.isIdempotent
        else { return false }
        wasReplaced = true
        stats?.rqReplacedStale.increment()
        noteTry(.reset(reason), wasRetried: false)
        startAttempt(fresh: true)
        return true
    }

    /// Beyond Envoy: a server that goes away tells which streams it has not looked at (RFC 9113, section 6.8). They go
    /// out once more, whatever their method, and count as no failure of anybody's.
    private func replayRefused() -> Bool {
        guard let cluster, cluster.spec.reuse.replaysRefused, !wasReplaced, !sentInformational, body.canBeSentAgain
        else { return false }
        wasReplaced = true
        stats?.rqReplayedRefused.increment()
        noteTry(.reset(.remoteRefused), wasRetried: false)
        startAttempt()
        return true
    }

    // MARK: Retries by policy

    /// True when the response is not passed on because a retry follows.
    func retryInstead(of upstream: UpstreamStream, end: Bool) -> Bool {
        guard !stream.hasResponseStarted,
            let decision = retry?.decide(response: response, wallNow: stream.loop.wallNow),
            grant(decision, after: .answered(status: response.status))
        else { return false }
        stats?.retry.record(status: response.status)
        if let host { cells(host)?.requestFailed() }
        attempt = .backingOff
        clearTryDeadlines()
        let isOver = end && requestEndSent
        noteEnd(upstream, isOver ? .completed : .canceled([]))
        if !isOver { upstream.cancel() }
        return true
    }

    /// True when a try without a response is followed by another.
    private func retryAfter(_ failure: RetryState.Failure) -> Bool {
        guard !stream.hasResponseStarted, let decision = retry?.decide(failure: failure),
            grant(decision, after: info.upstream.end)
        else { return false }
        if let host { cells(host)?.requestFailed() }
        lastFailureWasTimeout = failure == .timedOut
        attempt = .backingOff
        return true
    }

    /// Asks everyone who may object, counts who did, and arms the back-off.
    private func grant(_ decision: RetryState.Decision, after end: TryEnd) -> Bool {
        guard let cluster, let facts else { return false }
        if holdsRetry && decision == .notWanted {
            stats?.rqRetrySuccess.increment()
            forEachGroup { $0.rqRetrySuccess.increment() }
        }
        releaseRetry()
        switch decision {
        case .notWanted:
            return false
        case .limitExceeded:
            stats?.rqRetryLimitExceeded.increment()
            forEachGroup { $0.rqRetryLimitExceeded.increment() }
            info.flags.insert(.upstreamRetryLimitExceeded)
            return false
        case .retry:
            break
        }
        if sentInformational {
            config.stats.retryResponseStarted.increment()
            return false
        }
        guard body.canBeSentAgain else {
            config.stats.retryBodyTooLarge.increment()
            return false
        }
        guard let (wait, isRateLimited) = retry?.backoff(&stream.core.random) else { return false }
        if config.spec.keepsRetriesWithinDeadline, let due = stream.time(of: .response), stream.loop.now + wait >= due {
            config.stats.retryNoTime.increment()
            return false
        }
        guard cluster.tryStartRetry(facts.action.spec.priority) else {
            stats?.rqRetryOverflow.increment()
            forEachGroup { $0.rqRetryOverflow.increment() }
            info.flags.insert(.upstreamOverflow)
            return false
        }
        holdsRetry = true
        stats?.rqRetry.increment()
        forEachGroup { $0.rqRetry.increment() }
        if isRateLimited {
            stats?.rqRetryBackoffRatelimited.increment()
        } else {
            stats?.rqRetryBackoffExponential.increment()
        }
        lastFailureWasTimeout = false
        if facts.retry?.spec.avoidPreviousHosts == true, let host, !triedHosts.contains(where: { $0 === host }) {
            triedHosts.append(host)
        }
        if host != nil { noteTry(end, wasRetried: true) }
        stream.set(.retryBackoff, after: wait)
        return true
    }

    /// Keeps what is known of a try that another one follows.
    private func noteTry(_ end: TryEnd, wasRetried: Bool) {
        var detail = ""
        if case .reset = end { detail = info.upstream.transportFailureReason }
        info.upstream.earlierTries.append(
            UpstreamTry(
                host, connectionID: info.upstream.connectionID, took: stream.loop.now - attemptStart, end: end,
                detail: detail, wasRetried: wasRetried))
    }

    func releaseRetry() {
        guard holdsRetry, let cluster, let facts else { return }
        holdsRetry = false
        cluster.endRetry(facts.action.spec.priority)
    }

    private func startRetry() {
        guard case .backingOff = attempt, let facts else { return }
        wasRetried = true
        info.upstream.attemptCount += 1
        if facts.includeAttemptCount {
            request.set(.xEnvoyAttemptCount, decimal: UInt64(info.upstream.attemptCount))
        }
        if facts.includeTimeoutRetry { request.set(.xEnvoyIsTimeoutRetry, lastFailureWasTimeout ? "true" : "false") }
        if !config.spec.suppressEnvoyHeaders {
            let elapsed = requestEnd.map { stream.loop.now - $0 } ?? .zero
            timeouts.announce(request, elapsed: elapsed)
        }
        startAttempt()
    }

    // MARK: Time

    func deadlinePassed(_ kind: StreamDeadline) {
        switch kind {
        case .retryBackoff:
            startRetry()
        case .response:
            responseTimedOut()
        case .perTry:
            guard !stream.hasResponseStarted else { return }
            stats?.rqPerTryTimeout.increment()
            info.upstream.end = .perTryTimeout
            tryTimedOut(
                CodeDetails.perTryTimeout, timeouts.perTry, setting: "per_try_timeout", from: timeouts.perTrySetting,
                header: "x-envoy-upstream-rq-per-try-timeout-ms")
        case .perTryIdle:
            stats?.rqPerTryIdleTimeout.increment()
            info.upstream.end = .perTryIdleTimeout
            tryTimedOut(
                CodeDetails.perTryIdleTimeout, timeouts.perTryIdle, setting: "per_try_idle_timeout", from: .route,
                header: "")
        case .upstreamMaxDuration:
            upstreamDurationReached()
        case .requestHeaders, .request, .streamIdle, .maxDuration, .accessLog:
            break
        }
    }

    private func responseTimedOut() {
        info.upstream.end = .responseTimeout
        stats?.rqTimeout.increment()
        forEachGroup { $0.rqTimeout.increment() }
        if let host { cells(host)?.requestTimedOut() }
        if case .sending = attempt, !stream.hasResponseStarted { report(.timedOut(status: timeoutStatus)) }
        chargeTimeoutBudget()
        answerTimeout(
            CodeDetails.responseTimeout, timeouts.response, setting: "timeout", from: timeouts.responseSetting,
            header: "x-envoy-upstream-rq-timeout-ms")
    }

    private func tryTimedOut(
        _ details: String, _ limit: TimeAmount?, setting: String, from source: TimeoutPolicy.Setting, header: String
    ) {
        if let host { cells(host)?.requestTimedOut() }
        dropAttempt(.upstreamRequestTimeout)
        report(.timedOut(status: timeoutStatus))
        if retryAfter(.timedOut) { return }
        answerTimeout(details, limit, setting: setting, from: source, header: header)
    }

    /// 204 where the client asked for that.
    private var timeoutStatus: Int { timeouts.answersWithNoContent ? 204 : 504 }

    private func answerTimeout(
        _ details: String, _ limit: TimeAmount?, setting: String, from source: TimeoutPolicy.Setting, header: String
    ) {
        dropAttempt()
        let status = timeoutStatus
        if !stream.hasResponseStarted { chargeCode(status) }
        let name = source == .header ? header : facts?.label(setting) ?? setting
        let value = limit.map { " \($0)" } ?? ""
        replyLocally(
            LocalReply(
                status, status == 204 ? "" : "upstream request timeout: \(name)\(value)", details: details,
                flags: .upstreamRequestTimeout, decidedBy: name + value))
    }

    private func upstreamDurationReached() {
        stats?.rqMaxDurationReached.increment()
        info.upstream.end = .maxDuration
        dropAttempt()
        if retryAfter(.reset(.localReset, requestStarted: true)) { return }
        let limit = timeouts.upstreamDuration ?? cluster?.spec.http.maxStreamDuration
        let name =
            timeouts.upstreamDuration != nil
            ? "x-envoy-upstream-stream-duration-ms" : "cluster '\(cluster?.name ?? "")' max_stream_duration"
        let setting = name + (limit.map { " \($0)" } ?? "")
        replyLocally(
            LocalReply(
                stream.isRequestComplete ? 504 : 408, "upstream max stream duration reached: \(setting)",
                details: CodeDetails.upstreamMaxStreamDuration, flags: .upstreamMaxStreamDurationReached,
                decidedBy: setting))
    }
}
