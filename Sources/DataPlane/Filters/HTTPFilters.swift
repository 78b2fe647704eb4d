// The HTTP filters of a connection manager that look at a request before the router does.
import HTTPWire
import Metrics
import Reactor

/// One filter, compiled.
enum HTTPFilter {
    case rbac(HTTPRBAC)
    case localRateLimit(LocalRateLimit)
    case globalRateLimit(GlobalRateLimit)
    case fault(HTTPFault)
    case extAuthz(ExtAuthz)

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
}

/// Makes the chains: one for all requests, and one for each place in the routes that changes a filter. Loop thread only.
final class HTTPFilters {
    /// For requests without a route of their own opinion.
    let standard: HTTPFilterChain
    private let specs: [HTTPFilterSpec]
    private let compiled: [HTTPFilter]
    private let rbacStats: [RBACStats?]
    /// nil: there is no fault filter.
    private let faultStats: FaultStats?
    private let cells: StatCells
    let runtime: RuntimeSpec
    private let serviceCluster: String
    /// nil: no filter asks a service.
    private let services: FilterServices?
    /// Room for what rate limits make of requests.
    let descriptor = RequestDescriptor()

    /// - Parameters:
    ///   - statPrefix: the connection manager's.
    ///   - serviceCluster: the proxy's own, of which descriptors of rate limits tell.
    ///   - services: for filters that ask some.
    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(
        _ specs: [HTTPFilterSpec], statPrefix: String, cells: StatCells, runtime: RuntimeSpec,
        serviceCluster: String = "", services: FilterServices? = nil
    ) throws(FormatError) {
        var compiled: [HTTPFilter] = []
        var rbacStats: [RBACStats?] = []
        var faultStats: FaultStats?
        for spec in specs {
            var ownStats: RBACStats?
            switch spec.kind {
            case .rbac(let rbac):
                let stats = RBACStats(
                    cells, prefix: "http.\(statPrefix).", rulesPrefix: rbac.rulesStatPrefix,
                    shadowPrefix: rbac.shadowStatPrefix)
                compiled.append(.rbac(HTTPRBAC(rbac, name: spec.name, stats: stats)))
                ownStats = stats
            case .localRateLimit(let limit):
                compiled.append(
                    .localRateLimit(
                        try LocalRateLimit(limit, cells, runtime: runtime, serviceCluster: serviceCluster)))
            case .globalRateLimit(let limit):
                guard let services else { preconditionFailure("nobody knows the clusters of services") }
                compiled.append(
                    .globalRateLimit(
                        try GlobalRateLimit(
                            limit, GlobalRateLimit.Shared(cells, statPrefix: limit.statPrefix), services,
                            runtime: runtime, serviceCluster: serviceCluster)))
            case .fault(let fault):
                let stats = faultStats ?? FaultStats(cells, prefix: "http.\(statPrefix).fault.")
                faultStats = stats
                compiled.append(.fault(HTTPFault(fault, stats, fault.active, runtime: runtime)))
            case .extAuthz(let authz):
                guard let services else { preconditionFailure("nobody knows the clusters of services") }
                let stats = ExtAuthzStats(cells, statPrefix: statPrefix, ownPrefix: authz.statPrefix)
                compiled.append(
                    .extAuthz(try ExtAuthz(authz, name: spec.name, stats, services, runtime: runtime)))
            }
            rbacStats.append(ownStats)
        }
        self.specs = specs
        self.compiled = compiled
        self.rbacStats = rbacStats
        self.faultStats = faultStats
        self.cells = cells
        self.runtime = runtime
        self.serviceCluster = serviceCluster
        self.services = services
        standard = HTTPFilterChain(compiled.enumerated().filter { !specs[$0.offset].isDisabled }.map { ($0, $1) })
    }

    /// The chain under overrides, the most specific level first; for each filter the first that names it counts.
    func chain(_ levels: [HTTPFilterOverrides]) throws(FormatError) -> HTTPFilterChain {
        var filters: [(place: Int, filter: HTTPFilter)] = []
        for (index, spec) in specs.enumerated() {
            let override = levels.lazy.compactMap { $0[spec.name] }.first
            if let filter = try filter(index, override, levels) { filters.append((index, filter)) }
        }
        return HTTPFilterChain(filters)
    }

    /// nil: the filter is off. Overrides are checked to be the filter's own before they get here; only a manager that drains
    /// may see later ones that are another filter's, and keeps what it has.
    private func filter(
        _ index: Int, _ override: HTTPFilterOverride?, _ levels: [HTTPFilterOverrides]
    ) throws(FormatError) -> HTTPFilter? {
        switch override {
        case nil: return specs[index].isDisabled ? nil : compiled[index]
        case .disabled: return nil
        case .enabled: return compiled[index]
        case .rbac(let rbac):
            guard let stats = rbacStats[index], case .rbac(let own) = specs[index].kind else { return compiled[index] }
            guard var rbac else { return nil }
            // What the route does not name is named as the connection manager does.
            if rbac.rulesStatPrefix.isEmpty { rbac.rulesStatPrefix = own.rulesStatPrefix }
            if rbac.shadowStatPrefix.isEmpty { rbac.shadowStatPrefix = own.shadowStatPrefix }
            return .rbac(HTTPRBAC(rbac, name: specs[index].name, stats: stats))
        case .localRateLimit(let limit):
            guard case .localRateLimit = compiled[index] else { return compiled[index] }
            return .localRateLimit(
                try LocalRateLimit(limit, cells, runtime: runtime, serviceCluster: serviceCluster))
        case .globalRateLimit(let change):
            guard let services, case .globalRateLimit(let limit) = compiled[index],
                case .globalRateLimit(let own) = specs[index].kind
            else { return compiled[index] }
            return .globalRateLimit(
                try GlobalRateLimit(
                    own, override: change, limit.shared, services, runtime: runtime, serviceCluster: serviceCluster))
        case .fault(let fault):
            guard let faultStats, case .fault(let own) = specs[index].kind else { return compiled[index] }
            return .fault(HTTPFault(fault, faultStats, own.active, runtime: runtime))
        case .extAuthz(var change):
            guard let services, case .extAuthz(let authz) = compiled[index], case .extAuthz(let own) = specs[index].kind
            else { return compiled[index] }
            // As in Envoy, the extensions of all levels are told, those of the most specific first.
            for case .extAuthz(let other)? in levels.map({ $0[specs[index].name] }) {
                change.contextExtensions.merge(other.contextExtensions) { specific, _ in specific }
            }
            return .extAuthz(
                try ExtAuthz(
                    own, name: specs[index].name, override: change, authz.stats, services, runtime: runtime))
        }
    }
}

/// The overrides that hold at one place of the routes, and the chain that they make: routes that add nothing of their own
/// share it.
struct HTTPFilterLevels {
    /// nil: no filter looks at requests before the router.
    let filters: HTTPFilters?
    private let levels: [HTTPFilterOverrides]
    /// nil: the standard one.
    let chain: HTTPFilterChain?

    init(_ filters: HTTPFilters?) {
        self.filters = filters
        levels = []
        chain = nil
    }

    private init(_ filters: HTTPFilters, _ levels: [HTTPFilterOverrides]) throws(FormatError) {
        self.filters = filters
        self.levels = levels
        chain = try filters.chain(levels)
    }

    /// With those of the next, more specific level.
    func adding(_ overrides: HTTPFilterOverrides?) throws(FormatError) -> HTTPFilterLevels {
        guard let filters, let overrides, !overrides.isEmpty else { return self }
        return try HTTPFilterLevels(filters, [overrides] + levels)
    }
}
