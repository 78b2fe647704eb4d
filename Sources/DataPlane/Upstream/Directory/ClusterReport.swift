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
    /// The name by which the cluster's endpoints are asked for.
    public var service: String
    public var hosts: [HostReport]
    /// Where the cluster has outlier detection.
    public var outliers: OutlierReport?

    init(_ entry: ClusterEntry) {
        let (shared, detector) = (entry.shared, entry.outliers)
        name = shared.name
        observabilityName = shared.spec.altStatName.isEmpty ? shared.name : shared.spec.altStatName
        defaultThresholds = shared.spec.breakers.default
        highThresholds = shared.spec.breakers.high
        addedViaAPI = entry.isAddedByAPI
        service = shared.spec.endpointSource?.service ?? shared.name
        hosts = entry.hosts.hosts.map { HostReport($0, detector?.subject(of: $0)) }
        outliers = detector.map(OutlierReport.init)
    }
}

/// What hosts were compared by in the last interval of outlier detection, percent; nil: too few requests or hosts.
public struct OutlierReport: Sendable {
    public var average: Double?
    /// Less than this is an outlier.
    public var threshold: Double?
    public var localOriginAverage: Double?
    public var localOriginThreshold: Double?

    init(_ detector: OutlierDetector) {
        average = detector.rates?.average
        threshold = detector.rates?.threshold
        localOriginAverage = detector.localOriginRates?.average
        localOriginThreshold = detector.localOriginRates?.threshold
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
    /// Percent, in the last interval of outlier detection; nil: none, or too few requests.
    public var successRate: Double?
    public var localOriginSuccessRate: Double?

    init(_ host: Host, _ subject: OutlierDetector.Subject?) {
        address = host.address
        hostname = host.hostname
        flags = host.healthFlags
        health = host.health
        weight = host.weight
        locality = host.locality
        canary = host.canary
        priority = host.priority
        totals = host.totals
        successRate = subject?.successRate
        localOriginSuccessRate = subject?.localOriginSuccessRate
    }
}
