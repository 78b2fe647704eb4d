// The CORS filter: answers preflights, and tells browsers what other origins may see.
import HTTPWire
import Metrics
import Reactor

/// `http.<stat_prefix>.cors.`
struct CORSStats {
    let originValid: Counter
    let originInvalid: Counter

    init(_ cells: StatCells, statPrefix: String) {
        originValid = cells.counter("http.\(statPrefix).cors.origin_valid")
        originInvalid = cells.counter("http.\(statPrefix).cors.origin_invalid")
    }
}

/// One place's policy. Compiled for one worker. Loop thread only.
/// Envoy page: HTTP filters, "CORS".
final class HTTPCORS {
    private let policy: CORSPolicy
    private let stats: CORSStats

    init(_ policy: CORSPolicy, _ stats: CORSStats) {
        self.policy = policy
        self.stats = stats
    }

    private static let privateNetworkAsked: StaticString = "access-control-request-private-network"
    private static let privateNetworkAllowed: StaticString = "access-control-allow-private-network"

    func pass(_ stream: HTTPStream, _ filters: StreamFilters) -> FilterVerdict {
        let request = stream.requestHeaders
        let isEnabled = policy.enabled.includes(stream.core.random.next())
        guard isEnabled || policy.shadowEnabled.includes(stream.core.random.next()),
            let origin = request.value(.origin), !origin.isEmpty
        else { return .passed }
        let isAllowed = policy.allows(origin)
        (isAllowed ? stats.originValid : stats.originInvalid).increment()
        guard isEnabled else { return .passed }
        if isAllowed { filters.note(self, origin) }
        guard request.methodKind == .options, request.value(.accessControlRequestMethod).map({ !$0.isEmpty }) ?? false,
            isAllowed || !policy.forwardsOtherPreflights
        else { return .passed }
        stream.answer(200, details: "cors_response") { answerPreflight($0, to: request, isAllowed: isAllowed) }
        return .answered
    }

    private func answerPreflight(_ response: HeaderMap, to request: HeaderMap, isAllowed: Bool) {
        if isAllowed, let origin = request.value(.origin) { response.append(.accessControlAllowOrigin, origin) }
        if policy.allowsCredentials { response.append(.accessControlAllowCredentials, "true") }
        append(
            policy.allowedMethods, orAsked: .accessControlRequestMethod, request, .accessControlAllowMethods, response)
        append(
            policy.allowedHeaders, orAsked: .accessControlRequestHeaders, request, .accessControlAllowHeaders, response)
        if policy.maxAge.count > 0 { response.append(.accessControlMaxAge, policy.maxAge.view) }
        if policy.allowsPrivateNetworks, request.value(named: HTTPCORS.privateNetworkAsked)?.equals("true") == true {
            response.append(name: ByteView(HTTPCORS.privateNetworkAllowed), value: ByteView("true"))
        }
    }

    private func append(
        _ value: FixedBytes, orAsked asked: HeaderName, _ request: HeaderMap, _ name: HeaderName, _ response: HeaderMap
    ) {
        guard value.count > 0 else { return }
        guard value.view.equals("*") else { return response.append(name, value.view) }
        response.append(name, request.value(asked) ?? ByteView())
    }

    /// What browsers are told about a response to `origin`, which is allowed.
    func change(_ response: HeaderMap, origin: ByteView) {
        response.set(.accessControlAllowOrigin, origin)
        if policy.allowsCredentials { response.set(.accessControlAllowCredentials, "true") }
        if policy.exposedHeaders.count > 0 { response.set(.accessControlExposeHeaders, policy.exposedHeaders.view) }
    }
}
