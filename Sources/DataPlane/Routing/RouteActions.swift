// What a route does with a request, compiled.
import HTTPWire
import Reactor

/// The action of a matched route.
public enum RouteAction {
    case forward(ForwardAction)
    case redirect(RedirectAction)
    case direct(DirectResponseSpec)

    /// Whether the request's path or host is rewritten before a host is chosen.
    var rewritesRequest: Bool {
        switch self {
        case .forward(let forward): forward.pathRewrite != nil || forward.hostRewrite != nil
        case .redirect(let redirect): redirect.pathRewrite != nil
        case .direct: false
        }
    }
}

/// `RouteAction`: the request goes to a cluster. One thread.
public final class ForwardAction {
    /// Timeouts, priority, upgrades and hash policies, as configured.
    public let spec: ForwardSpec
    /// The route's policy, or else the virtual host's.
    public let retryPolicy: RetryPolicy?
    /// True when the authority becomes the chosen endpoint's host name (`auto_host_rewrite`).
    public let rewritesHostToEndpoint: Bool
    let pathRewrite: PathRewrite?
    let hostRewrite: HostRewrite?
    /// For filters that limit rates; nil: there are none, or nothing for them.
    let rateLimits: RouteRateLimits?
    /// For clusters that choose hosts by hashes; nil: there is none.
    let hashPolicy: HashPolicy?
    /// For clusters with subsets; nil: there are none.
    let subsetCriteria: SubsetCriteria?
    /// nil: redirects go to the client.
    let redirects: InternalRedirects?
    /// nil: requests are not mirrored.
    let mirrors: [MirrorPolicy]?
    private let target: Target

    private enum Target {
        case cluster(ClusterReference)
        case header(HeaderKey)
        case weighted([WeightedCluster], total: UInt64)
    }

    init(
        _ spec: ForwardSpec, fallbackRetryPolicy: RetryPolicy?, filters: HTTPFilterLevels = HTTPFilterLevels(nil),
        hostRateLimits: [RateLimitRule] = [], mirrors: [MirrorPolicy] = [], clusterIndex: (String) -> Int?
    ) throws(FormatError) {
        self.spec = spec
        self.mirrors = mirrors.isEmpty ? nil : mirrors
        redirects = spec.redirects.map { InternalRedirects($0) }
        hashPolicy = HashPolicy(spec.hashPolicies)
        subsetCriteria = SubsetCriteria(spec.metadataMatch)
        if let filters = filters.filters {
            rateLimits = RouteRateLimits(
                route: try RateLimitRule.compiled(spec.rateLimits ?? [], filters.runtime),
                virtualHost: hostRateLimits, includesVirtualHost: spec.includesHostRateLimits)
        } else {
            rateLimits = nil
        }
        retryPolicy = spec.retryPolicy.map(RetryPolicy.init) ?? fallbackRetryPolicy
        var pathRewrite: PathRewrite?
        if let rewrite = spec.pathRewrite { pathRewrite = try PathRewrite(rewrite) }
        self.pathRewrite = pathRewrite
        var hostRewrite: HostRewrite?
        if let rewrite = spec.hostRewrite { hostRewrite = try HostRewrite(rewrite) }
        self.hostRewrite = hostRewrite
        if case .auto = hostRewrite { rewritesHostToEndpoint = true } else { rewritesHostToEndpoint = false }
        switch spec.target {
        case .cluster(let name):
            target = .cluster(ClusterReference(name, clusterIndex))
        case .clusterHeader(let name):
            guard let key = HeaderKey(name) else {
                throw FormatError(position: 0, message: "'\(name)' is not a header name")
            }
            target = .header(key)
        case .weighted(let specs):
            var entries: [WeightedCluster] = []
            var total: UInt64 = 0
            for spec in specs {
                total += UInt64(spec.weight)
                entries.append(try WeightedCluster(spec, end: total, filters: filters, clusterIndex: clusterIndex))
            }
            target = .weighted(entries, total: total)
        }
    }

    /// The cluster of one request. A given random value always chooses the same of the weighted clusters.
    public func choose(_ request: HeaderMap, random: UInt64) -> ClusterChoice {
        switch target {
        case .cluster(let reference): return ClusterChoice(.cluster(reference))
        case .header(let key): return ClusterChoice(.header(key))
        case .weighted(let entries, let total):
            let value = total == 0 ? 0 : random % total
            guard let entry = entries.first(where: { value < $0.end }) ?? entries.last else {
                return ClusterChoice(.none)
            }
            return ClusterChoice(entry.target, weighted: entry)
        }
    }
}

/// A cluster named in the configuration: its name and its place among the worker's clusters.
public final class ClusterReference {
    public let name: String
    /// As the `clusterIndex` of the route table gave it; nil when there is no such cluster.
    public let index: Int?

    init(_ name: String, _ clusterIndex: (String) -> Int?) {
        self.name = name
        index = clusterIndex(name)
    }
}

/// Where a request goes.
public struct ClusterChoice {
    public enum Target {
        case cluster(ClusterReference)
        /// The value of this request header names the cluster; without the header there is none.
        case header(HeaderKey)
        case none
    }

    public let target: Target
    /// Set when one of several weighted clusters was chosen.
    public let weighted: WeightedCluster?

    init(_ target: Target, weighted: WeightedCluster? = nil) {
        self.target = target
        self.weighted = weighted
    }
}

/// One of a route's weighted clusters, with what it changes in headers.
public final class WeightedCluster {
    let target: ClusterChoice.Target
    /// The sum of the weights up to this one.
    let end: UInt64
    let requestMutations: HeaderMutations
    let responseMutations: HeaderMutations
    let hostRewrite: FixedBytes?
    /// The filters before the router, where the cluster's are not those of all.
    let filters: HTTPFilterChain?
    /// In place of the route's.
    let subsetCriteria: SubsetCriteria?

    init(
        _ spec: ForwardSpec.WeightedRouteCluster, end: UInt64, filters: HTTPFilterLevels, clusterIndex: (String) -> Int?
    ) throws(FormatError) {
        self.filters = try filters.adding(spec.filterOverrides).chain
        subsetCriteria = SubsetCriteria(spec.metadataMatch)
        switch spec.name {
        case .cluster(let name): target = .cluster(ClusterReference(name, clusterIndex))
        case .header(let name):
            guard let key = HeaderKey(name) else {
                throw FormatError(position: 0, message: "'\(name)' is not a header name")
            }
            target = .header(key)
        }
        self.end = end
        requestMutations = try spec.headers.compiledRequest()
        responseMutations = try spec.headers.compiledResponse()
        hostRewrite = spec.hostRewrite.flatMap { $0.isEmpty ? nil : FixedBytes($0) }
    }
}

/// `RetryPolicy` with its header conditions compiled. One thread.
public final class RetryPolicy {
    public let spec: RetryPolicySpec
    /// Responses that pass one of these are retried under `retriable-headers`.
    public let retriableHeaders: [HeaderMatcher]
    /// Empty, or requests must pass one of these to be retried at all.
    public let retriableRequestHeaders: [HeaderMatcher]

    public init(_ spec: RetryPolicySpec) {
        self.spec = spec
        retriableHeaders = spec.retriableHeaders.map(HeaderMatcher.init)
        retriableRequestHeaders = spec.retriableRequestHeaders.map(HeaderMatcher.init)
    }
}
