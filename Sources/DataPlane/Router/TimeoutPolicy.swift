// The timeouts of one request: from its route and, for those that may, from its headers.
import HTTPWire
import Reactor

/// What limits a request's time upstream. Envoy page: router, "x-envoy-upstream-rq-timeout-ms".
struct TimeoutPolicy {
    /// From the request's end to the response's end, retries included; nil: none.
    var response: TimeAmount?
    /// Of one try; nil: none.
    var perTry: TimeAmount?
    var perTryIdle: TimeAmount?
    /// Of the try's stream, from connection to end; nil: the cluster's.
    var upstreamDuration: TimeAmount?
    /// Answer a timeout with 204.
    var answersWithNoContent = false
    /// What set `response` and `perTry`, for the answers.
    var responseSetting = Setting.route
    var perTrySetting = Setting.route

    enum Setting { case route, header }

    init() {}

    /// Reads and removes the request's timeout headers.
    init(
        _ forward: ForwardAction, _ retry: RetryPolicySpec?, _ request: HeaderMap,
        respectsExpected: Bool
    ) {
        // A route with max_stream_duration is limited by that alone.
        if forward.spec.maxStreamDuration == nil { response = forward.spec.timeout }
        perTry = retry?.perTryTimeout
        perTryIdle = retry?.perTryIdleTimeout
        if request.containsAny(of: TimeoutPolicy.headers) { readHeaders(request, respectsExpected) }
        response = response.flatMap { $0 > .zero ? $0 : nil }
        perTry = perTry.flatMap { $0 > .zero ? $0 : nil }
        perTryIdle = perTryIdle.flatMap { $0 > .zero ? $0 : nil }
        if let limit = perTry, let response, limit >= response { perTry = nil }
    }

    private static let headers: HeaderNameSet = [
        .xEnvoyExpectedRQTimeoutMs, .xEnvoyUpstreamRQTimeoutMs, .xEnvoyUpstreamRQPerTryTimeoutMs,
        .xEnvoyUpstreamStreamDurationMs, .xEnvoyUpstreamRQTimeoutAltResponse,
    ]

    private mutating func readHeaders(_ request: HeaderMap, _ respectsExpected: Bool) {
        if respectsExpected, let expected = request.value(.xEnvoyExpectedRQTimeoutMs) {
            setResponse(expected)
        } else if let wanted = request.value(.xEnvoyUpstreamRQTimeoutMs) {
            setResponse(wanted)
            request.remove(.xEnvoyUpstreamRQTimeoutMs)
        }
        if let wanted = request.value(.xEnvoyUpstreamRQPerTryTimeoutMs) {
            if let amount = TimeoutPolicy.milliseconds(wanted) {
                perTry = amount
                perTrySetting = .header
            }
            request.remove(.xEnvoyUpstreamRQPerTryTimeoutMs)
        }
        if let wanted = request.value(.xEnvoyUpstreamStreamDurationMs) {
            upstreamDuration = TimeoutPolicy.milliseconds(wanted)
            request.remove(.xEnvoyUpstreamStreamDurationMs)
        }
        if request.contains(.xEnvoyUpstreamRQTimeoutAltResponse) {
            answersWithNoContent = true
            request.remove(.xEnvoyUpstreamRQTimeoutAltResponse)
        }
    }

    private mutating func setResponse(_ value: ByteView) {
        guard let amount = TimeoutPolicy.milliseconds(value) else { return }
        response = amount
        responseSetting = .header
    }

    private static func milliseconds(_ value: ByteView) -> TimeAmount? {
        guard let number = value.decimal, number <= UInt64(Int64.max) else { return nil }
        return .milliseconds(Int64(number))
    }

    /// Tells the next hop how long it has, as x-envoy-expected-rq-timeout-ms. `elapsed`: since the request's end.
    func announce(_ request: HeaderMap, elapsed: TimeAmount) {
        guard var expected = perTry ?? response else { return }
        if let response {
            let left = response - elapsed
            // 0 would mean no timeout.
            expected = left > .zero ? min(expected, left) : .milliseconds(1)
        }
        request.set(.xEnvoyExpectedRQTimeoutMs, decimal: UInt64(max(1, expected.milliseconds)))
    }
}

/// The limit on a downstream stream's life that a route sets: max_stream_duration and gRPC's timeout header.
enum StreamDurationPolicy {
    /// What to do with the stream's limit.
    enum Outcome: Equatable {
        /// The connection manager's setting stays.
        case unchanged
        case none
        case limit(TimeAmount)
    }

    /// Follows `refreshDurationTimeout` of Envoy's connection manager.
    static func apply(
        _ spec: MaxStreamDurationSpec?, _ request: HeaderMap, isGRPC: Bool, _ scratch: inout ByteArena
    ) -> Outcome {
        guard let spec else { return .unchanged }
        let limit: TimeAmount
        if let most = spec.grpcTimeoutHeaderMax, let asked = GRPCRules.timeout(request) {
            var capped = most > .zero && asked > most ? most : asked
            if capped > .zero, let offset = spec.grpcTimeoutHeaderOffset {
                capped = offset < capped ? capped - offset : .zero
            }
            limit = capped
        } else if let fixed = spec.maxStreamDuration {
            guard fixed > .zero else {
                if isGRPC { request.remove(.grpcTimeout) }
                return .none
            }
            limit = fixed
        } else {
            return .unchanged
        }
        if isGRPC { GRPCRules.setTimeout(limit, request, &scratch) }
        return .limit(limit)
    }
}
