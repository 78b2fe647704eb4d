// Compiles the HTTP filters of a connection manager, as it has them and as its routes change them.
import HTTPWire
import Metrics
import Reactor

/// Makes the chains: one for all requests, and one for each place in the routes that changes a filter. Loop thread only.
final class HTTPFilters {
    /// For requests without a route of their own opinion.
    let standard: HTTPFilterChain
    /// What filters do to responses, as these come from the app: the last filter first. Empty for most.
    let responders: [HTTPResponder]
    /// Some filter reads what routes say of other origins.
    let hasCORS: Bool
    private let specs: [HTTPFilterSpec]
    /// nil: the filter does nothing but for routes that give it something to do.
    private let compiled: [HTTPFilter?]
    private let stats: FilterStats
    private let cells: StatCells
    let runtime: RuntimeSpec
    private let serviceCluster: String
    /// nil: no filter asks a service.
    private let services: FilterServices?
    /// Room for what rate limits make of requests.
    let descriptor = RequestDescriptor()

    /// What the filters that routes have of their own count in.
    private struct FilterStats {
        /// By the place of the filter.
        var rbac: [Int: RBACStats] = [:]
        var fault: FaultStats?
        var cors: CORSStats?
    }

    /// - Parameters:
    ///   - statPrefix: the connection manager's.
    ///   - serviceCluster: the proxy's own, of which descriptors of rate limits tell.
    ///   - services: for filters that ask some.
    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(
        _ specs: [HTTPFilterSpec], statPrefix: String, cells: StatCells, runtime: RuntimeSpec,
        serviceCluster: String = "", services: FilterServices? = nil
    ) throws(FormatError) {
        var compiled: [HTTPFilter?] = []
        var responders: [HTTPResponder] = []
        var stats = FilterStats()
        for (index, spec) in specs.enumerated() {
            switch spec.kind {
            case .rbac(let rbac):
                let own = RBACStats(
                    cells, prefix: "http.\(statPrefix).", rulesPrefix: rbac.rulesStatPrefix,
                    shadowPrefix: rbac.shadowStatPrefix)
                compiled.append(.rbac(HTTPRBAC(rbac, name: spec.name, stats: own)))
                stats.rbac[index] = own
            case .localRateLimit(let limit):
                compiled.append(
                    .localRateLimit(
                        try LocalRateLimit(limit, cells, runtime: runtime, serviceCluster: serviceCluster)))
                HTTPFilters.add(.quotas, to: &responders)
            case .globalRateLimit(let limit):
                guard let services else { preconditionFailure("nobody knows the clusters of services") }
                compiled.append(
                    .globalRateLimit(
                        try GlobalRateLimit(
                            limit, GlobalRateLimit.Shared(cells, statPrefix: limit.statPrefix), services,
                            runtime: runtime, serviceCluster: serviceCluster)))
                HTTPFilters.add(.serviceFields, to: &responders)
            case .fault(let fault):
                let own = stats.fault ?? FaultStats(cells, prefix: "http.\(statPrefix).fault.")
                stats.fault = own
                compiled.append(.fault(HTTPFault(fault, own, fault.active, runtime: runtime)))
            case .extAuthz(let authz):
                guard let services else { preconditionFailure("nobody knows the clusters of services") }
                let own = ExtAuthzStats(cells, statPrefix: statPrefix, ownPrefix: authz.statPrefix)
                compiled.append(.extAuthz(try ExtAuthz(authz, name: spec.name, own, services, runtime: runtime)))
                HTTPFilters.add(.serviceFields, to: &responders)
            case .cors:
                stats.cors = stats.cors ?? CORSStats(cells, statPrefix: statPrefix)
                compiled.append(nil)
                HTTPFilters.add(.cors, to: &responders)
            case .headerMutation(let mutation):
                compiled.append(.headerMutation(try HTTPHeaderMutation(mutation, [])))
                HTTPFilters.add(.mutation(place: index), to: &responders)
            case .healthCheck(let check):
                guard let services else { preconditionFailure("nobody knows how the proxy is") }
                compiled.append(
                    .healthCheck(
                        HTTPHealthCheck(
                            check, HealthCheckFilterStats(cells, statPrefix: statPrefix), services,
                            serviceCluster: serviceCluster)))
                HTTPFilters.add(.healthCheck(place: index), to: &responders)
            case .jwt(let jwt):
                guard let services else { preconditionFailure("nobody knows the clusters of keys") }
                let own = JWTStats(cells, statPrefix: statPrefix, ownPrefix: jwt.statPrefix)
                compiled.append(
                    .jwt(
                        HTTPJWT(
                            JWTAuthn(
                                jwt, name: spec.name, own, services, runtime: runtime, loop: services.loop))))
            }
        }
        self.specs = specs
        self.compiled = compiled
        self.responders = responders
        self.stats = stats
        self.cells = cells
        self.runtime = runtime
        self.serviceCluster = serviceCluster
        self.services = services
        hasCORS = stats.cors != nil
        var standard: [(place: Int, filter: HTTPFilter)] = []
        for (index, filter) in compiled.enumerated() where !specs[index].isDisabled {
            if let filter { standard.append((index, filter)) }
        }
        self.standard = HTTPFilterChain(standard)
    }

    /// Filters of one kind do it together, in the place of the last of them.
    private static func add(_ responder: HTTPResponder, to responders: inout [HTTPResponder]) {
        responders.removeAll { $0 == responder }
        responders.insert(responder, at: 0)
    }

    /// The chain under overrides, the most specific level first; for each filter the first that names it counts.
    func chain(_ levels: [HTTPFilterOverrides], cors: [CORSPolicySpec]) throws(FormatError) -> HTTPFilterChain {
        var filters: [(place: Int, filter: HTTPFilter)] = []
        for (index, spec) in specs.enumerated() {
            let overrides = HTTPFilterLevels.overrides(of: spec.name, levels)
            switch overrides.first {
            case .disabled?: continue
            case nil: if spec.isDisabled { continue }
            default: break
            }
            if let filter = try filter(index, overrides, cors) { filters.append((index, filter)) }
        }
        return HTTPFilterChain(filters)
    }

    /// nil: the filter is off. Overrides are checked to be the filter's own before they get here; only a manager that drains
    /// may see later ones that are another filter's, and keeps what it has.
    private func filter(
        _ index: Int, _ overrides: [HTTPFilterOverride], _ cors: [CORSPolicySpec]
    ) throws(FormatError) -> HTTPFilter? {
        let spec = specs[index]
        switch (spec.kind, overrides.first) {
        case (.rbac(let own), .rbac(let rbac)?):
            guard let stats = stats.rbac[index], var rbac else { return nil }
            // What the route does not name is named as the connection manager does.
            if rbac.rulesStatPrefix.isEmpty { rbac.rulesStatPrefix = own.rulesStatPrefix }
            if rbac.shadowStatPrefix.isEmpty { rbac.shadowStatPrefix = own.shadowStatPrefix }
            return .rbac(HTTPRBAC(rbac, name: spec.name, stats: stats))
        case (.localRateLimit, .localRateLimit(let limit)?):
            return .localRateLimit(
                try LocalRateLimit(limit, cells, runtime: runtime, serviceCluster: serviceCluster))
        case (.globalRateLimit(let own), .globalRateLimit(let change)?):
            guard let services, case .globalRateLimit(let limit)? = compiled[index] else { return nil }
            return .globalRateLimit(
                try GlobalRateLimit(
                    own, override: change, limit.shared, services, runtime: runtime, serviceCluster: serviceCluster))
        case (.fault(let own), .fault(let fault)?):
            guard let stats = stats.fault else { return nil }
            return .fault(HTTPFault(fault, stats, own.active, runtime: runtime))
        case (.extAuthz(let own), .extAuthz(var change)?):
            guard let services, case .extAuthz(let authz)? = compiled[index] else { return nil }
            // As in Envoy, the extensions of all levels are told, those of the most specific first.
            for case .extAuthz(let other) in overrides {
                change.contextExtensions.merge(other.contextExtensions) { specific, _ in specific }
            }
            return .extAuthz(
                try ExtAuthz(own, name: spec.name, override: change, authz.stats, services, runtime: runtime))
        case (.cors, _):
            let policies = overrides.compactMap { if case .cors(let policy) = $0 { policy } else { nil } }
            // As in Envoy, the older fields count where the routes have none of the newer kind.
            guard let stats = stats.cors, let policy = CORSPolicy(policies.isEmpty ? cors : policies, runtime)
            else { return nil }
            return .cors(HTTPCORS(policy, stats))
        case (.jwt, .jwt(let route)?):
            guard case .jwt(let own)? = compiled[index] else { return nil }
            return .jwt(HTTPJWT(own.authn, route: route))
        case (.headerMutation(let own), _):
            let levels = overrides.compactMap { if case .headerMutation(let level) = $0 { level } else { nil } }
            return levels.isEmpty ? compiled[index] : .headerMutation(try HTTPHeaderMutation(own, levels))
        default: return compiled[index]
        }
    }
}
