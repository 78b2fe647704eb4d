// One endpoint of a cluster: shared by all workers, immutable but for its health flags and counters.
import Reactor
import Synchronization

/// Where an endpoint runs (`envoy.config.core.v3.Locality`).
public struct Locality: Hashable, DefaultedSpec {
    public var region: String
    public var zone: String
    public var subZone: String

    public init() { self.init(region: "") }

    public init(region: String, zone: String = "", subZone: String = "") {
        self.region = region
        self.zone = zone
        self.subZone = subZone
    }
}

/// Why a host is not wholly healthy; empty means healthy.
public struct HostHealthFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let failedActiveHealthCheck = HostHealthFlags(rawValue: 1 << 0)
    public static let failedOutlierCheck = HostHealthFlags(rawValue: 1 << 1)
    public static let failedEDSHealth = HostHealthFlags(rawValue: 1 << 2)
    public static let degradedActiveHealthCheck = HostHealthFlags(rawValue: 1 << 3)
    public static let degradedEDSHealth = HostHealthFlags(rawValue: 1 << 4)
    public static let pendingDynamicRemoval = HostHealthFlags(rawValue: 1 << 5)
    public static let pendingActiveHealthCheck = HostHealthFlags(rawValue: 1 << 6)
    public static let excludedByImmediateHealthCheckFail = HostHealthFlags(rawValue: 1 << 7)
    public static let activeHealthCheckTimeout = HostHealthFlags(rawValue: 1 << 8)
    public static let edsStatusDraining = HostHealthFlags(rawValue: 1 << 9)

    /// What active health checks say.
    static let ofActiveHealthChecks: HostHealthFlags = [
        .failedActiveHealthCheck, .degradedActiveHealthCheck, .pendingActiveHealthCheck,
        .excludedByImmediateHealthCheckFail, .activeHealthCheckTimeout,
    ]
    /// Any of these takes the host out of rotation.
    public static let unhealthy: HostHealthFlags = [
        .failedActiveHealthCheck, .failedOutlierCheck, .failedEDSHealth, .edsStatusDraining,
    ]
    /// Any of these (and none of `unhealthy`) makes the host second choice.
    public static let degraded: HostHealthFlags = [.degradedActiveHealthCheck, .degradedEDSHealth]
    /// Any of these and the host does not count where the share of healthy hosts is told.
    public static let excluded: HostHealthFlags = [
        .pendingActiveHealthCheck, .excludedByImmediateHealthCheckFail, .edsStatusDraining,
    ]

    /// The words of `/clusters`, in Envoy's order.
    public static let names: [(flag: HostHealthFlags, name: String)] = [
        (.failedActiveHealthCheck, "failed_active_hc"),
        (.failedOutlierCheck, "failed_outlier_check"),
        (.failedEDSHealth, "failed_eds_health"),
        (.degradedActiveHealthCheck, "degraded_active_hc"),
        (.degradedEDSHealth, "degraded_eds_health"),
        (.pendingDynamicRemoval, "pending_dynamic_removal"),
        (.pendingActiveHealthCheck, "pending_active_hc"),
        (.excludedByImmediateHealthCheckFail, "excluded_via_immediate_hc_fail"),
        (.activeHealthCheckTimeout, "active_hc_timeout"),
        (.edsStatusDraining, "eds_status_draining"),
    ]

    /// `healthy`, or each flag with a slash before it (`/failed_eds_health`), as `/clusters` prints it.
    public var description: String {
        isEmpty ? "healthy" : Self.names.filter { contains($0.flag) }.map { "/" + $0.name }.joined()
    }
}

/// What a host is to the balancers.
public enum HostHealth: Sendable, Equatable { case healthy, degraded, unhealthy }

/// What outlives a change of a host's address or weight: its health flags and its counters.
final class HostState: Sendable {
    let flags: Atomic<UInt32>
    /// One set a worker, indexed by the worker's number.
    let cells: [HostCells]
    /// Connections of all workers, for `per_host_thresholds`.
    let connections = Atomic<Int>(0)
    /// Where the cluster has outlier detection.
    let monitor: OutlierMonitor?

    init(flags: HostHealthFlags, workers: Int, watch: OutlierWatch? = nil) {
        self.flags = Atomic(flags.rawValue)
        cells = (0..<max(1, workers)).map { _ in HostCells() }
        monitor = watch.map { OutlierMonitor(watch: $0, workers: workers) }
    }
}

/// What few hosts have.
struct HostRarities: DefaultedSpec {
    var check: EndpointHealthCheckSpec?
    var hashKey: String?
    /// Of its locality: what transports are chosen by.
    var localityMetadata: Metadata?

    init() {}

    init(check: EndpointHealthCheckSpec?, hashKey: String?, localityMetadata: Metadata? = nil) {
        self.check = check
        self.hashKey = hashKey
        self.localityMetadata = localityMetadata
    }
}

/// One endpoint of a cluster. Any thread.
public final class Host: Sendable {
    public let address: SocketAddress
    /// `endpoint.hostname`, or the name that was resolved; empty for a plain address.
    public let hostname: String
    public var locality: Locality { place.wrappedValue }
    private let place: RarelySet<Locality>
    /// At least 1.
    public let weight: UInt32
    /// 0 is the most preferred.
    public let priority: Int
    public let canary: Bool
    /// How connections to it begin.
    let transport: TransportIndex
    /// As its endpoint has it, or what of that is used.
    let metadata: Metadata?
    private let rare: RarelySet<HostRarities>
    let state: HostState

    init(
        address: SocketAddress, hostname: String = "", locality: Locality = Locality(), weight: UInt32 = 1,
        priority: Int = 0, canary: Bool = false, transport: TransportIndex = 0, metadata: Metadata? = nil,
        rare: HostRarities = HostRarities(), state: HostState
    ) {
        self.address = address
        self.hostname = hostname
        place = RarelySet(wrappedValue: locality)
        self.weight = max(1, weight)
        self.priority = priority
        self.canary = canary
        self.transport = transport
        self.metadata = metadata
        self.rare = RarelySet(wrappedValue: rare)
        self.state = state
    }

    /// A host on its own, with cells for `workers` workers.
    public convenience init(
        address: SocketAddress, hostname: String = "", locality: Locality = Locality(), weight: UInt32 = 1,
        priority: Int = 0, canary: Bool = false, flags: HostHealthFlags = [], workers: Int = 1
    ) {
        self.init(
            address: address, hostname: hostname, locality: locality, weight: weight, priority: priority,
            canary: canary, state: HostState(flags: flags, workers: workers))
    }

    /// `endpoint.health_check_config`.
    var checkSettings: EndpointHealthCheckSpec? { rare.wrappedValue.check }

    /// `hash_key` of its metadata under `envoy.lb`: what it is known by in hash tables, in place of address or name.
    var hashKey: String? { rare.wrappedValue.hashKey }

    /// Of its locality: what transports are chosen by.
    var localityMetadata: Metadata? { rare.wrappedValue.localityMetadata }

    /// No active health checks are made of it.
    var isExemptFromChecks: Bool { checkSettings?.isDisabled == true }

    /// Where health checks go. `altPort` is the cluster's; the endpoint's own settings come before it.
    func checkAddress(altPort: UInt16?) -> SocketAddress {
        guard let settings = checkSettings else { return altPort.map { address.with(port: $0) } ?? address }
        if let port = settings.port { return (settings.address ?? address).with(port: port) }
        return settings.address ?? altPort.map { address.with(port: $0) } ?? address
    }

    public var healthFlags: HostHealthFlags { HostHealthFlags(rawValue: state.flags.load(ordering: .relaxed)) }

    /// Raises or lowers a flag; false when it stood so already. Main thread only. The balancers see it with the cluster's
    /// next host set (`ClusterEntry.healthChanged`).
    @discardableResult
    func set(_ flag: HostHealthFlags, _ raised: Bool) -> Bool {
        let old = HostHealthFlags(rawValue: state.flags.load(ordering: .relaxed))
        let new = raised ? old.union(flag) : old.subtracting(flag)
        state.flags.store(new.rawValue, ordering: .relaxed)
        return new != old
    }

    public var health: HostHealth {
        let flags = healthFlags
        if !flags.isDisjoint(with: .unhealthy) { return .unhealthy }
        return flags.isDisjoint(with: .degraded) ? .healthy : .degraded
    }

    /// Requests in flight in all workers; a moment's view.
    public var activeRequests: Int {
        var sum = 0
        for cells in state.cells { sum &+= cells.requestsActive }
        return max(0, sum)
    }

    /// The counters that worker `index` writes. Only that worker may write them.
    public func cells(worker index: Int) -> HostCells { state.cells[index] }

    /// The counters of all workers together, for `/clusters`.
    public var totals: HostTotals {
        var totals = HostTotals()
        for cells in state.cells { totals.add(cells) }
        return totals
    }
}
