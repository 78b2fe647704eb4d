// What the overload manager does to a stream: no new request, no rest of one, less time.
import HTTPWire
import Reactor

extension HTTPStream {
    /// Answers a request whose head has just come in place of serving it, where the overload manager wants it so. As in
    /// Envoy nothing of the proxy looks at such a request: no header rule, no filter, no route.
    func refuseNew(_ overload: OverloadGate) -> Bool {
        guard let point = overload.refusal(.decodeHeaders, .stopAcceptingRequests) else { return false }
        stats.rqOverloadClose.increment()
        reply(
            overload.answer(point),
            last: { [core] response in
                if core.spec.appendsLocalOverload { response.set(.xEnvoyLocalOverloaded, "true") }
            })
        return true
    }

    public func requestShed() {
        guard phase == .active, let overload = core.overload else { return }
        writer?.closeAfterResponse()
        isHeadRequest = requestHeaders.methodKind == .head
        stats.rqOverloadClose.increment()
        info.flags.insert(.downstreamProtocolError)
        reply(overload.answer(.dispatchHTTP1, status: 500, words: "Internal Server Error: envoy overloaded"))
    }

    // MARK: Timeouts

    /// The idle timeout that was just set is as long as the overload manager leaves it.
    func reduceIdleLimit(_ overload: OverloadGate) {
        fullIdleLimit = idleLimit
        idleLimit = idleLimit.map { overload.reduced(.streamIdle, $0) }
    }

    /// The overload manager has other timeouts now: what is armed moves with them.
    func followTimeouts(_ overload: OverloadGate, from before: Double) {
        guard phase == .active, let limit = fullIdleLimit else { return }
        let now = overload.reduced(.streamIdle, limit)
        idleLimit = now
        guard let due = time(of: .streamIdle) else { return }
        set(.streamIdle, at: due + (now - overload.reduced(.streamIdle, limit, by: before)))
    }

    /// What to call the idle timeout in an answer.
    var idleSettingInWords: String {
        guard let overload = core.overload, overload.reduces(.streamIdle), let limit = fullIdleLimit else {
            return idleSetting
        }
        return "\(idleSetting) \(limit), \(overload.reductionReason), to"
    }
}

extension OverloadGate {
    /// The answer to what a point has refused, in Envoy's words and with what has decided.
    func answer(_ point: OverloadPoint, status: Int = 503, words: String = "envoy overloaded") -> LocalReply {
        let reason = state.reason(point)
        return LocalReply(status, "\(words): \(reason)", details: CodeDetails.overload, decidedBy: reason)
    }
}
