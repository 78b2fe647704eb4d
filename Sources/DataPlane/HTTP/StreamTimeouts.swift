// What happens when a stream's time is up. Every answer names the setting and its value.
import HTTPWire
import Reactor

extension HTTPStream: TimerTarget {
    public func timerFired(_ timer: LoopTimer) {
        deadlines.timerFired()
        while phase == .active, let slot = deadlines.takeExpired(now: core.loop.now),
            let deadline = StreamDeadline(rawValue: slot)
        {
            passed(deadline)
        }
        guard phase == .active, let next = deadlines.nextWake() else { return }
        self.timer.arm(at: next)
    }

    private func passed(_ deadline: StreamDeadline) {
        let spec = core.spec
        switch deadline {
        case .requestHeaders:
            stats.rqHeaderTimeout.increment()
            timeOut(
                "request header timeout", "request_headers_timeout", spec.requestHeadersTimeout,
                details: CodeDetails.requestHeaderTimeout)
        case .request:
            stats.rqTimeout.increment()
            timeOut(
                "request timeout", "request_timeout", spec.requestTimeout,
                details: CodeDetails.requestOverallTimeout)
        case .streamIdle:
            stats.rqIdleTimeout.increment()
            timeOut(
                "stream timeout", idleSettingInWords, idleLimit, details: CodeDetails.streamIdleTimeout,
                flags: .streamIdleTimeout)
        case .maxDuration:
            stats.rqMaxDurationReached.increment()
            timeOut(
                "downstream duration timeout", durationSetting, durationLimit,
                details: CodeDetails.maxDurationTimeout, grpc: .deadlineExceeded)
        case .accessLog:
            logAccess(.downstreamPeriodic)
            if let interval = spec.accessLogFlushInterval { set(.accessLog, after: interval) }
        case .response, .perTry, .perTryIdle, .upstreamMaxDuration, .retryBackoff:
            handler?.deadlinePassed(deadline)
        }
    }

    /// 408 while the request is incomplete, else 504; a response that has begun is cut off.
    private func timeOut(
        _ words: String, _ setting: String, _ limit: TimeAmount?, details: String, flags: ResponseFlags = [],
        grpc: GRPCRules.Status? = nil
    ) {
        let value = limit.map { " \($0)" } ?? ""
        if hasResponseStarted {
            // No answer can say it any more.
            session?.noteOffence("a response was cut off: \(setting)\(value)\(whereToAsk)")
        }
        var answer = LocalReply(
            isRequestComplete ? 504 : 408, "\(words): \(setting)\(value)", details: details, flags: flags,
            decidedBy: setting + value)
        answer.grpcStatus = grpc?.rawValue
        reply(answer)
    }
}
