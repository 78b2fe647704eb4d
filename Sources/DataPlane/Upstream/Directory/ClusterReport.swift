// What `/clusters` shows of a cluster.
import Reactor

/// A cluster at one moment. Made by `ClusterDirectory.reports`.
public struct ClusterReport: Sendable {
    public var name: String
    /// The name in stats.
    public var observabilityName: String
    public var defaultThresholds: ThresholdsSpec
    public var highThresholds: ThresholdsSpec
    public var addedViaAPI: Bool
    public var hosts: [HostReport]

    init(_ shared: ClusterShared, _ hosts: HostSet) {
        name = shared.name
        observabilityName = shared.spec.altStatName.isEmpty ? shared.name : shared.spec.altStatName
        defaultThresholds = shared.spec.breakers.default
        highThresholds = shared.spec.breakers.high
        addedViaAPI = false
        self.hosts = hosts.hosts.map(HostReport.init)
    }
}

/// A host at one moment.
public struct HostReport: Sendable {
    public var address: SocketAddress
    public var hostname: String
    public var flags: HostHealthFlags
    public var health: HostHealth
    public var weight: UInt32
    public var locality: Locality
    public var canary: Bool
    public var priority: Int
    public var totals: HostTotals

    init(_ host: Host) {
        address = host.address
        hostname = host.hostname
        flags = host.healthFlags
        health = host.health
        weight = host.weight
        locality = host.locality
        canary = host.canary
        priority = host.priority
        totals = host.totals
    }
}
