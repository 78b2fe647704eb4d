// Zone aware routing: requests stay in the zone of this proxy as far as that leaves all hosts an equal load.

/// How the requests of one proxy are shared among the localities of priority 0. Envoy page: "Zone aware routing".
struct ZonePlan: Sendable, Equatable {
    enum Way: Equatable, Sendable {
        /// To all hosts alike.
        case anywhere
        /// All to the own locality.
        case direct
        /// `own` of 10,000 to the own locality, the others by what localities have more than their own clients need.
        /// `capacity` is a running sum by locality.
        case residual(own: UInt64, capacity: [UInt64])
    }

    private(set) var way = Way.anywhere
    /// The local cluster is in panic: nobody knows who the other clients are.
    private(set) var isLocalClusterInPanic = false
    /// Why it is `anywhere`, for the stats.
    private(set) var isClusterTooSmall = false
    private(set) var isLocalClusterNotOK = false
    let spec: ZoneAwareSpec

    /// Localities matter.
    var routes: Bool { way != .anywhere }

    /// `localities`: of priority 0, the own one first if it has hosts. `local`: the hosts of the local cluster, which stand
    /// for the proxies that share the load.
    init(
        _ cluster: ClusterSpec, _ hosts: [Host], _ level: PriorityHosts, _ localities: [LocalityHosts], local: HostSet,
        own: Locality?
    ) {
        spec = cluster.balancing.zone
        let proxies = HostShape.localities(
            local.priorities[0], priority: 0, local.hosts, HostSetContext(ownLocality: own))
        isLocalClusterInPanic = local.priorities[0].isInPanic(threshold: cluster.panicThreshold)
        guard localities.count >= 2, proxies.count >= 2 || spec.forcedLocalHosts != nil else { return }
        guard let own, proxies.first?.locality == own else {
            isLocalClusterNotOK = true
            return
        }
        guard level.healthy.count >= spec.minClusterSize else {
            isClusterTooSmall = true
            return
        }
        let shares = Self.shares(
            of: localities, hosts, and: proxies, local.hosts, byWeight: spec.sharesByWeight)
        let hasOwn = localities[0].locality == own
        if hasOwn {
            let ownHosts = localities[0].hosts.healthy.count
            let isForced = spec.forcedLocalHosts.map { ownHosts >= $0 } ?? false
            if shares[0].hosts > 0 && shares[0].hosts >= shares[0].proxies || isForced {
                way = .direct
                return
            }
        }
        var capacity: [UInt64] = []
        for (index, share) in shares.enumerated() {
            // The own locality has got what it can take already.
            let free = index == 0 && hasOwn || share.hosts < share.proxies ? 0 : share.hosts - share.proxies
            capacity.append((capacity.last ?? 0) + free)
        }
        let ownPart = hasOwn && shares[0].proxies > 0 ? shares[0].hosts * 10_000 / shares[0].proxies : 0
        way = .residual(own: ownPart, capacity: capacity)
    }

    /// By locality, of 10,000: healthy hosts, and proxies that want something of them.
    private static func shares(
        of localities: [LocalityHosts], _ hosts: [Host], and proxies: [LocalityHosts], _ proxyHosts: [Host],
        byWeight: Bool
    ) -> [(hosts: UInt64, proxies: UInt64)] {
        func size(_ members: [Int], _ hosts: [Host]) -> UInt64 {
            byWeight ? members.reduce(0) { $0 + UInt64(hosts[$1].weight) } : UInt64(members.count)
        }
        func part(_ size: UInt64, of total: UInt64) -> UInt64 { total == 0 ? 0 : 10_000 * size / total }
        let hostSizes = localities.map { size($0.hosts.healthy, hosts) }
        var proxySizes: [Locality: UInt64] = [:]
        for locality in proxies { proxySizes[locality.locality] = size(locality.hosts.healthy, proxyHosts) }
        let (allHosts, allProxies) = (hostSizes.reduce(0, +), proxySizes.values.reduce(0, +))
        return zip(localities, hostSizes).map { locality, size in
            if locality.hosts.healthy.isEmpty { return (0, 0) }
            return (part(size, of: allHosts), part(proxySizes[locality.locality] ?? 0, of: allProxies))
        }
    }
}

extension PriorityHosts {
    /// Fewer healthy and degraded hosts than `threshold` percent of those that count.
    fileprivate func isInPanic(threshold: Double) -> Bool {
        let usable = counted == 0 ? 0 : 100 * Double(healthy.count + degraded.count) / Double(counted)
        return usable < min(100, max(0, threshold.rounded(.down)))
    }
}
