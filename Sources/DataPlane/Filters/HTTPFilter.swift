// The HTTP filters of a connection manager, and those that one route has.
import HTTPWire
import Reactor

/// One filter, compiled.
enum HTTPFilter {
    case rbac(HTTPRBAC)
    case localRateLimit(LocalRateLimit)
    case globalRateLimit(GlobalRateLimit)
    case fault(HTTPFault)
    case extAuthz(ExtAuthz)
    case cors(HTTPCORS)
    case headerMutation(HTTPHeaderMutation)
    case healthCheck(HTTPHealthCheck)
    case jwt(HTTPJWT)

    /// Looks at a request's head.
    func pass(_ stream: HTTPStream, _ filters: StreamFilters, _ request: any FilteredRequest) -> FilterVerdict {
        switch self {
        case .rbac(let rbac):
            guard let refusal = rbac.check(stream) else { return .passed }
            stream.reply(refusal)
            return .answered
        case .localRateLimit(let limit): return limit.pass(stream, filters)
        case .globalRateLimit(let limit): return limit.pass(stream, filters)
        case .fault(let fault): return fault.pass(stream, filters)
        case .extAuthz(let authz): return authz.pass(stream, filters, request)
        case .headerMutation(let mutation):
            mutation.changeRequest(stream)
            return .passed
        case .healthCheck(let check): return check.pass(stream, filters)
        case .jwt(let jwt): return jwt.pass(stream, filters)
        case .cors(let cors): return request.isForwarded ? cors.pass(stream, filters) : .passed
        }
    }
}

/// The filters that the requests of one route go through, in their order.
final class HTTPFilterChain {
    let filters: [HTTPFilter]
    /// Where each stands in the connection manager's list, by which it is found in another chain.
    let places: [Int]

    init(_ filters: [(place: Int, filter: HTTPFilter)]) {
        self.filters = filters.map(\.filter)
        places = filters.map(\.place)
    }

    /// nil: the filter is off here.
    func filter(at place: Int) -> HTTPFilter? { places.firstIndex(of: place).map { filters[$0] } }
}

/// What one filter of a connection manager does to responses.
enum HTTPResponder: Equatable {
    /// Fields from services that were asked, of all such filters.
    case serviceFields
    /// What is left of rate limits, of all such filters.
    case quotas
    case cors
    /// The filter at a place, as the request's route has it.
    case mutation(place: Int)
    case healthCheck(place: Int)
}
