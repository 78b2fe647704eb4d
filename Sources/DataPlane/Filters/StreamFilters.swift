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

    init(_ filters: HTTPFilters) { self.filters = filters }

    /// Room for one descriptor at a time.
    var descriptor: RequestDescriptor { filters.descriptor }

    func forget() {
        rateLimits = nil
        if !quotas.isEmpty { quotas.removeAll(keepingCapacity: true) }
    }

    /// Shows a request's head to one filter after the other. False: one of them answered.
    ///
    /// - Parameter chain: the route's own; nil: it has none.
    func pass(_ stream: HTTPStream, _ chain: HTTPFilterChain?) -> Bool {
        for filter in (chain ?? filters.standard).filters {
            guard filter.pass(stream, self) else { return false }
            guard stream.isActive else { return false }
        }
        return true
    }

    /// The fields that filters add to a response, the proxy's own answers included.
    func finish(_ response: HeaderMap) {
        for quota in quotas {
            append(.xRateLimitLimit, UInt64(quota.limit), to: response)
            append(.xRateLimitRemaining, UInt64(quota.remaining), to: response)
            append(.xRateLimitReset, quota.resetSeconds, to: response)
        }
    }

    private func append(_ name: HeaderName, _ value: UInt64, to response: HeaderMap) {
        digits.removeAll()
        digits.append(decimal: value)
        response.append(name, digits.view)
    }
}
