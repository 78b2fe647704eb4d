// What the HTTP filters keep of one stream.
import HTTPWire
import Reactor

/// One a stream, used again for each of its requests; streams of a connection manager without such filters have none.
/// Loop thread only.
final class StreamFilters {
    private let filters: HTTPFilters
    /// What clients are told about rate limits, with the response.
    @exclusivity(unchecked) var quotas: [TokenRate.Quota] = []
    /// The rate limits of the request's route; nil: it has none.
    @exclusivity(unchecked) var rateLimits: RouteRateLimits?
    /// Descriptors of a request while one filter looks at it.
    @exclusivity(unchecked) var matches: [DescriptorMatch] = []
    @exclusivity(unchecked) private var digits = ByteArena()
    /// The request that a filter holds, and the filters that it goes through.
    @exclusivity(unchecked) private var held: Held?
    /// Made for the first request that a fault is for.
    @exclusivity(unchecked) var fault: StreamFault?
    /// Made for the first request that a service is asked about.
    @exclusivity(unchecked) var authorization: StreamAuthorization?
    /// Made for the first request that a rate limit service is asked about.
    @exclusivity(unchecked) var rateLimit: StreamRateLimit?
    /// Filters that tell a rate limit service of the request when it is over.
    @exclusivity(unchecked) var limitsAtEnd: [GlobalRateLimit] = []
    /// The filters of the request's route, where some of them change responses; nil: it has none of its own, or none yet.
    @exclusivity(unchecked) private var chain: HTTPFilterChain?
    /// Made for the first request that needs a token.
    @exclusivity(unchecked) var token: StreamJWT?
    /// What services add to the response.
    @exclusivity(unchecked) var responseFields: [ServiceField] = []
    /// The filter that found the request to be a health check.
    @exclusivity(unchecked) var healthCheck: HTTPHealthCheck?
    /// The policies by which the request's origin is allowed, in the order of their filters.
    @exclusivity(unchecked) private var origins: [HTTPCORS] = []
    @exclusivity(unchecked) private var origin = ByteArena()

    private struct Held {
        let request: any FilteredRequest
        var chain: HTTPFilterChain
        /// The filter that holds it, in `chain`.
        var position: Int
        let hold: any FilterHold
    }

    init(_ filters: HTTPFilters) { self.filters = filters }

    /// Room for one descriptor at a time.
    var descriptor: RequestDescriptor { filters.descriptor }

    func forget() {
        rateLimits = nil
        chain = nil
        healthCheck = nil
        if !quotas.isEmpty { quotas.removeAll(keepingCapacity: true) }
        if !responseFields.isEmpty { responseFields.removeAll(keepingCapacity: true) }
        if !limitsAtEnd.isEmpty { limitsAtEnd.removeAll(keepingCapacity: true) }
        if !origins.isEmpty { origins.removeAll(keepingCapacity: true) }
        fault?.forget()
    }

    /// The request comes from an origin that a policy allows; the field may have been changed when the response comes.
    func note(_ policy: HTTPCORS, _ origin: ByteView) {
        origins.append(policy)
        self.origin.removeAll()
        self.origin.append(origin)
    }

    /// Shows a request's head to one filter after the other, until one answers or holds it.
    ///
    /// - Parameter chain: the route's own; nil: it has none.
    func pass(_ stream: HTTPStream, _ request: any FilteredRequest, _ chain: HTTPFilterChain?) -> FilterVerdict {
        if !filters.responders.isEmpty { self.chain = chain }
        return pass(stream, request, chain ?? filters.standard, from: 0)
    }

    private func pass(
        _ stream: HTTPStream, _ request: any FilteredRequest, _ chain: HTTPFilterChain, from first: Int
    ) -> FilterVerdict {
        for position in first..<chain.filters.count {
            switch chain.filters[position].pass(stream, self, request) {
            case .passed: guard stream.isActive else { return .answered }
            case .answered: return .answered
            case .held(let hold):
                held = Held(request: request, chain: chain, position: position, hold: hold)
                return .held(hold)
            }
        }
        return .passed
    }

    // MARK: - A request that is held

    /// Who holds a request; nil: nobody does.
    var hold: (any FilterHold)? { held?.hold }

    /// Lets the request go on that `hold` holds: to the filters behind it, and when none of them answers or holds it, on
    /// its way.
    ///
    /// - Parameter reroutes: its route is chosen anew first.
    func release(_ stream: HTTPStream, reroutes: Bool = false) {
        guard var last = held else { return }
        held = nil
        if reroutes {
            let filter = last.chain.places[last.position]
            chain = last.request.chooseRouteAgain()
            last.chain = chain ?? filters.standard
            // Not all chains have all filters.
            last.position = (last.chain.places.firstIndex { $0 > filter } ?? last.chain.places.count) - 1
        }
        if case .passed = pass(stream, last.request, last.chain, from: last.position + 1) {
            last.request.filtersPassed()
        }
    }

    /// The stream is over, or somebody else has answered.
    func cancelHold() {
        guard let last = held else { return }
        held = nil
        last.hold.cancel()
    }

    /// The stream is over, and all is known of it.
    func streamEnded(_ stream: HTTPStream) {
        if limitsAtEnd.isEmpty { return }
        for limit in limitsAtEnd { limit.streamEnded(stream, self) }
    }

    // MARK: - The response

    /// What filters change about a response's head, the proxy's own answers included.
    func finish(_ stream: HTTPStream) {
        let response = stream.responseHeaders
        for responder in filters.responders {
            switch responder {
            case .serviceFields:
                for field in responseFields { field.apply(to: response, isRequest: false) }
            case .quotas:
                for quota in quotas { append(quota, to: response) }
            case .cors:
                for policy in origins.reversed() { policy.change(response, origin: origin.view) }
            case .healthCheck(let place):
                if case .healthCheck(let check)? = (chain ?? filters.standard).filter(at: place) {
                    check.change(response, isCheck: check === healthCheck, now: stream.loop.now)
                }
            case .mutation(let place):
                if case .headerMutation(let mutation)? = (chain ?? filters.standard).filter(at: place) {
                    mutation.changeResponse(stream)
                }
            }
        }
    }

    private func append(_ quota: TokenRate.Quota, to response: HeaderMap) {
        append(.xRateLimitLimit, UInt64(quota.limit), to: response)
        append(.xRateLimitRemaining, UInt64(quota.remaining), to: response)
        append(.xRateLimitReset, quota.resetSeconds, to: response)
    }

    private func append(_ name: HeaderName, _ value: UInt64, to response: HeaderMap) {
        digits.removeAll()
        digits.append(decimal: value)
        response.append(name, digits.view)
    }
}
