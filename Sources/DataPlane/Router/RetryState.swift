// Whether a try that went wrong is worth another one, and when: the retry policy of one request.
import HTTPWire
import Reactor

/// A route's retry policy with everything compiled. Envoy page: router, "x-envoy-retry-on".
final class RetryRules {
    let policy: RetryPolicy
    let resetHeaders: [(key: HeaderKey, format: RateLimitedBackoffSpec.Format)]
    var spec: RetryPolicySpec { policy.spec }

    init(_ policy: RetryPolicy) {
        self.policy = policy
        resetHeaders = (policy.spec.rateLimitedBackoff?.resetHeaders ?? []).compactMap { header in
            HeaderKey(header.name).map { ($0, header.format) }
        }
    }
}

/// What a request's retries may do and have done. Made from the route's policy and the request's headers.
struct RetryState {
    /// How a try ended that may be worth another one.
    enum Failure: Equatable {
        /// No response head. `requestStarted`: the upstream may have seen some of the request.
        case reset(StreamResetReason, requestStarted: Bool)
        /// A per-try timeout cut it off.
        case timedOut
    }

    /// Why no retry follows, or that one does.
    enum Decision: Equatable {
        case retry
        /// The policy does not ask for one.
        case notWanted
        /// `num_retries` are used up (URX).
        case limitExceeded
    }

    private static let gRPCConditions: RetryConditions = [
        .grpcCancelled, .grpcDeadlineExceeded, .grpcInternal, .grpcResourceExhausted, .grpcUnavailable,
    ]

    private(set) var conditions: RetryConditions = []
    private(set) var remaining = 0
    private var rules: RetryRules?
    /// From x-envoy-retriable-status-codes and -header-names; mostly empty.
    private var extraStatusCodes: [Int] = []
    private var extraHeaders: [HeaderKey] = []
    /// The next back-off's upper bound, ms.
    private var nextInterval: Int64 = 0
    /// Set by a response that told when to come back, ms; for one retry.
    private var toldInterval: Int64?

    /// Reads and removes the request's retry headers: the next hop shall not see them. nil when no failure at all is
    /// retried.
    init?(_ rules: RetryRules?, _ request: HeaderMap) {
        guard rules != nil || request.containsAny(of: RetryState.headers) else { return nil }
        self.rules = rules
        conditions = rules?.spec.conditions ?? []
        remaining = rules?.spec.numRetries ?? 1
        nextInterval = rules?.spec.backoff.base.milliseconds ?? 25
        readHeaders(request)
        if let matchers = rules?.policy.retriableRequestHeaders, !matchers.isEmpty,
            !matchers.contains(where: { $0.matches(request) })
        {
            return nil
        }
        if conditions.isEmpty { return nil }
    }

    private static let headers: HeaderNameSet = [
        .xEnvoyRetryOn, .xEnvoyRetryGRPCOn, .xEnvoyMaxRetries, .xEnvoyRetriableStatusCodes,
        .xEnvoyRetriableHeaderNames, .xEnvoyHedgeOnPerTryTimeout,
    ]

    private mutating func readHeaders(_ request: HeaderMap) {
        guard request.containsAny(of: RetryState.headers) else { return }
        if let words = request.value(.xEnvoyRetryOn) {
            conditions.formUnion(RetryState.conditions(words).known)
            request.remove(.xEnvoyRetryOn)
        }
        if let words = request.value(.xEnvoyRetryGRPCOn) {
            conditions.formUnion(RetryState.conditions(words).known)
            request.remove(.xEnvoyRetryGRPCOn)
        }
        if let count = request.value(.xEnvoyMaxRetries) {
            if !conditions.isEmpty, let number = count.decimal, number <= 1 << 20 { remaining = Int(number) }
            request.remove(.xEnvoyMaxRetries)
        }
        if let codes = request.value(.xEnvoyRetriableStatusCodes) {
            ListHeader.forEach(codes) { code in
                if let number = code.decimal, number < 1000 { extraStatusCodes.append(Int(number)) }
                return extraStatusCodes.count < 64
            }
            request.remove(.xEnvoyRetriableStatusCodes)
        }
        if let names = request.value(.xEnvoyRetriableHeaderNames) {
            ListHeader.forEach(names) { name in
                if let key = HeaderKey(name) { extraHeaders.append(key) }
                return extraHeaders.count < 64
            }
            request.remove(.xEnvoyRetriableHeaderNames)
        }
        request.remove(.xEnvoyHedgeOnPerTryTimeout)
    }

    /// The words of a `retry_on` list; `allKnown` is false when one is none.
    static func conditions(_ words: ByteView) -> (known: RetryConditions, allKnown: Bool) {
        var known: RetryConditions = []
        var allKnown = true
        ListHeader.forEach(words) { word in
            if let entry = RetryConditions.names.first(where: { word.equals(text: $0.0) }) {
                known.insert(entry.1)
            } else {
                allKnown = false
            }
            return true
        }
        return (known, allKnown)
    }

    /// Decides over a response head. A retry that is granted counts against `num_retries`.
    mutating func decide(response: HeaderMap, wallNow: WallTime) -> Decision {
        guard wants(response: response) else { return .notWanted }
        guard remaining > 0 else { return .limitExceeded }
        remaining -= 1
        toldInterval = told(by: response, wallNow)
        return .retry
    }

    /// Decides over a try that had no response.
    mutating func decide(failure: Failure) -> Decision {
        guard wants(failure: failure) else { return .notWanted }
        guard remaining > 0 else { return .limitExceeded }
        remaining -= 1
        toldInterval = nil
        return .retry
    }

    private func wants(response: HeaderMap) -> Bool {
        let status = response.status
        // Only the policy that asks for it retries what an upstream proxy has limited, and then nothing else counts.
        if conditions.contains(.envoyRateLimited) {
            return response.value(.xEnvoyRateLimited)?.equals("true") == true
        }
        if conditions.contains(.serverError) && status >= 500 && status < 600 { return true }
        if conditions.contains(.gatewayError) && status >= 502 && status <= 504 { return true }
        if conditions.contains(.retriable4xx) && status == 409 { return true }
        if conditions.contains(.retriableStatusCodes),
            rules?.spec.retriableStatusCodes.contains(status) == true || extraStatusCodes.contains(status)
        {
            return true
        }
        if conditions.contains(.retriableHeaders),
            rules?.policy.retriableHeaders.contains(where: { $0.matches(response) }) == true
                || extraHeaders.contains(where: { response.contains($0) })
        {
            return true
        }
        if conditions.isDisjoint(with: RetryState.gRPCConditions) { return false }
        guard let code = GRPCRules.status(response) else { return false }
        switch code {
        case 1: return conditions.contains(.grpcCancelled)
        case 4: return conditions.contains(.grpcDeadlineExceeded)
        case 8: return conditions.contains(.grpcResourceExhausted)
        case 13: return conditions.contains(.grpcInternal)
        case 14: return conditions.contains(.grpcUnavailable)
        default: return false
        }
    }

    private func wants(failure: Failure) -> Bool {
        switch failure {
        case .timedOut:
            return !conditions.isDisjoint(with: [.reset, .serverError, .gatewayError])
        case .reset(let reason, let requestStarted):
            switch reason {
            case .overflow: return false
            case .connectFailure, .localConnectFailure, .connectTimeout:
                if conditions.contains(.connectFailure) { return true }
            case .remoteRefused:
                if conditions.contains(.refusedStream) { return true }
            case .connectionTermination, .remoteReset, .protocolError, .localReset:
                break
            }
            if conditions.contains(.resetBeforeRequest) && !requestStarted { return true }
            return !conditions.isDisjoint(with: [.reset, .serverError, .gatewayError])
        }
    }

    /// Ms until the upstream wants to hear from us again; nil: it did not say, or asks for more than the policy allows.
    private func told(by response: HeaderMap, _ wallNow: WallTime) -> Int64? {
        guard let rules, let most = rules.spec.rateLimitedBackoff?.maxInterval else { return nil }
        for header in rules.resetHeaders {
            guard let value = response.value(header.key) else { continue }
            let seconds =
                switch header.format {
                case .seconds: RetryAfter.seconds(value, nowUnixSeconds: wallNow.unixSeconds)
                case .unixTimestamp: RetryAfter.secondsUntil(value, nowUnixSeconds: wallNow.unixSeconds)
                }
            guard let seconds, seconds > 0, seconds <= 1 << 40 else { continue }
            let interval = TimeAmount.seconds(Int64(seconds))
            if interval <= most { return interval.milliseconds }
        }
        return nil
    }

    /// How long to wait before the retry that was granted, and whether the upstream told.
    mutating func backoff(_ random: inout FastRandom) -> (wait: TimeAmount, isRateLimited: Bool) {
        if let told = toldInterval {
            toldInterval = nil
            return (.milliseconds(told + Int64(random.below(UInt64(max(1, told / 2))))), true)
        }
        let interval = max(1, nextInterval)
        let most = max(1, rules?.spec.backoff.max.milliseconds ?? 250)
        nextInterval = interval < (most + 1) / 2 ? interval * 2 : most
        return (.milliseconds(Int64(random.below(UInt64(interval)))), false)
    }
}
