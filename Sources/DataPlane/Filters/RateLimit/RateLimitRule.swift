// What makes descriptors of requests: the `rate_limits` of routes, virtual hosts and filters.
import HTTPWire
import Reactor

/// A compiled `envoy.config.route.v3.RateLimit`. Loop thread only.
struct RateLimitRule {
    let stage: Int
    let appliesAtEnd: Bool
    let hits: RateLimitHits?
    /// nil: for all requests.
    private let enabled: Fraction?
    private let actions: [RateLimitAction]

    /// - Throws: for a format that does not compile; a checked configuration has none.
    init(_ spec: RateLimitRuleSpec, _ runtime: RuntimeSpec) throws(FormatError) {
        stage = spec.stage
        appliesAtEnd = spec.appliesAtEnd
        hits = try spec.hits.map { spec throws(FormatError) in try RateLimitHits(spec) }
        enabled = spec.enabled?.resolved(runtime)
        actions = spec.actions.map(RateLimitAction.init)
    }

    static func compiled(
        _ specs: [RateLimitRuleSpec], _ runtime: RuntimeSpec
    ) throws(FormatError) -> [RateLimitRule] {
        var rules: [RateLimitRule] = []
        for spec in specs { rules.append(try RateLimitRule(spec, runtime)) }
        return rules
    }

    /// It has a `disable_key`.
    var canBeDisabled: Bool { enabled != nil }

    /// Makes the descriptor of a request; false: it has none.
    func describe(_ stream: HTTPStream, _ serviceCluster: String, into descriptor: RequestDescriptor) -> Bool {
        if let enabled, !enabled.includes(stream.core.random.next()) { return false }
        descriptor.removeAll()
        for action in actions where !action.describe(stream, serviceCluster, into: descriptor) { return false }
        return true
    }
}

/// The rules that hold for the requests of one route.
final class RouteRateLimits {
    private let route: [RateLimitRule]
    private let virtualHost: [RateLimitRule]
    private let includesVirtualHost: Bool

    /// nil: there are none.
    init?(route: [RateLimitRule], virtualHost: [RateLimitRule], includesVirtualHost: Bool) {
        if route.isEmpty && virtualHost.isEmpty { return nil }
        self.route = route
        self.virtualHost = virtualHost
        self.includesVirtualHost = includesVirtualHost
    }

    /// Calls `body` with the rules of one stage.
    func forEach(stage: Int, _ virtualHostRules: VirtualHostRateLimits, _ body: (RateLimitRule) -> Void) {
        for rule in route where rule.stage == stage { body(rule) }
        if !includesVirtualHost {
            switch virtualHostRules {
            case .ignored: return
            case .overridden: guard route.isEmpty else { return }
            case .included: break
            }
        }
        for rule in virtualHost where rule.stage == stage { body(rule) }
    }
}
