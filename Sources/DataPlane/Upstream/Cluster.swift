// One worker's side of a cluster: its balancer, its pools, its stats.
import HTTPWire
import Metrics
import Reactor

/// A cluster as one worker uses it. Loop thread only.
public final class Cluster {
    public let name: String
    /// Breakers and all else that the workers have in common.
    public let shared: ClusterShared
    /// This worker's number.
    public let workerIndex: Int
    /// Tries' outcomes are wanted: there is outlier detection.
    let watchesOutcomes: Bool
    /// For formatters.
    let metadata: Metadata?
    let loop: EventLoop
    /// What connections that are opened now are made with; replaced when certificates change.
    private var contexts: TransportContexts
    /// Some connections have TLS.
    private let isSecure: Bool
    let socketOptions: SocketOptions
    let requestStyle: HTTP1Style
    let responseLimits: HTTP1Limits
    let responseOptions: HTTP1Options
    private let cells: StatCells
    private var hostSet: HostSet
    private var places: [WorkerHost] = []
    private var balancer: Balancer
    /// In place of the balancer, where localities or slow start have a say.
    private var shaped: ShapedBalancer?
    /// In place of both, where there are subsets.
    private var subsets: SubsetBalancer?
    /// In place of hosts and balancer, where the cluster is of type ORIGINAL_DST.
    private var originalDestinations: OriginalDestinationPlaces?
    /// Set once another has taken its place, or nobody: who knows what stands there now.
    private var retiredFrom: ClusterSet?
    /// Whether more than the balancer decides where a stream's connection goes, where it comes from, or how it begins.
    @exclusivity(unchecked) private var goesByOrigin: Bool
    /// Whatever the hosts are.
    private var alwaysGoesByOrigin: Bool
    private var random: FastRandom
    /// Made on first use: most workers never touch most clusters.
    public private(set) lazy var stats = ClusterStats(
        cells: cells, cluster: shared.statName, trackTimeoutBudgets: spec.trackTimeoutBudgets,
        trackSizes: spec.trackRequestResponseSizes)
    private(set) lazy var http2Settings = HTTP2ClientSettings(
        spec, cells: cells, statPrefix: "cluster.\(shared.statName).")
    /// In place of the routes'.
    private lazy var hashPolicy = spec.hashPolicies.flatMap { HashPolicy($0) }
    lazy var offences = OffenceLog(label: "upstream", place: "cluster '\(name)'")
    private(set) lazy var http1Stats = HTTP1CodecStats(cells, prefix: "cluster.\(shared.statName).http1.")

    init(
        _ shared: ClusterShared, hosts: HostSet, workerIndex: Int, loop: EventLoop, cells: StatCells,
        tls: TransportContexts, random: FastRandom
    ) {
        name = shared.name
        self.shared = shared
        self.workerIndex = workerIndex
        watchesOutcomes = shared.outliers != nil
        metadata = shared.spec.metadata
        self.loop = loop
        self.cells = cells
        contexts = tls
        isSecure = !tls.isEmpty
        socketOptions = UpstreamDefaults.socketOptions(shared.spec)
        requestStyle = UpstreamDefaults.requestStyle(shared.spec.http)
        responseLimits = UpstreamDefaults.responseLimits(shared.spec.http)
        responseOptions = UpstreamDefaults.responseOptions(shared.spec.http)
        var random = random
        balancer = Balancer(shared.spec, hosts, random: &random)
        self.random = random
        hostSet = hosts
        alwaysGoesByOrigin =
            shared.originalDestinations != nil || shared.spec.usesProxyProtocol || shared.spec.namesSomeServers
            || shared.spec.balancing.hashing != nil || shared.spec.balancing.subsets != nil
        goesByOrigin = alwaysGoesByOrigin
        places = hosts.hosts.map { WorkerHost($0, cluster: self) }
        originalDestinations = shared.originalDestinations.map {
            OriginalDestinationPlaces(self, shared: $0, cells: cells)
        }
        followShape()
        for context in tls.all { context.count(in: TLSStats(cells: cells, prefix: "cluster.\(shared.statName).ssl.")) }
    }

    deinit {
        // Who has just let go of it may count something yet in this turn.
        loop.later { [cells] in withExtendedLifetime(cells) {} }
    }

    public var spec: ClusterSpec { shared.spec }

    /// The hosts as this worker knows them.
    public var hosts: HostSet { hostSet }

    /// This worker's counters of a host of this cluster.
    public func cells(of host: Host) -> HostCells { host.cells(worker: workerIndex) }

    /// How a try at a host of this cluster went.
    func report(_ outcome: AttemptOutcome, of host: Host) { host.state.monitor?.record(outcome, worker: workerIndex) }

    // MARK: - Streams and connections

    /// Chooses a host and gets a stream on a pooled connection to it.
    ///
    /// - `version`: what the request came in, where the cluster's protocol follows it.
    /// - `authority`: the request's `:authority`; names the server in the TLS handshake where `auto_sni` asks for it.
    /// - `avoiding`: hosts that failed this request before; chosen again only after `selectionAttempts` further picks.
    /// - `fresh`: a connection that served no request yet, for a request that died on one that did.
    ///
    /// `poolReady` may be called before this returns; then the outcome is `.started`.
    public func newStream(
        _ waiter: any PoolWaiter, priority: ForwardSpec.Priority = .default, version: HTTPVersion = .http11,
        authority: ByteView = ByteView(), avoiding: [Host] = [], selectionAttempts: Int = 1, fresh: Bool = false
    ) -> NewStreamOutcome {
        let wanted = PoolVersion(spec.http.protocol, request: version)
        let serverName = requestServerName(authority)
        if goesByOrigin {
            return newStreamByOrigin(
                waiter, priority, wanted, serverName, avoiding: avoiding, selectionAttempts: selectionAttempts,
                fresh: fresh)
        }
        guard let place = choosePlace(avoiding: avoiding, attempts: selectionAttempts),
            let pool = place.pool(priority, wanted, serverName: serverName)
        else {
            return successor?.newStream(
                waiter, priority: priority, version: version, authority: authority, avoiding: avoiding,
                selectionAttempts: selectionAttempts, fresh: fresh) ?? .noHealthyHost
        }
        return pool.newStream(waiter, fresh: fresh)
    }

    @inline(never)
    private func newStreamByOrigin(
        _ waiter: any PoolWaiter, _ priority: ForwardSpec.Priority, _ version: PoolVersion, _ serverName: ByteView,
        avoiding: [Host], selectionAttempts: Int, fresh: Bool
    ) -> NewStreamOutcome {
        let origin = waiter.origin
        switch choosePlace(waiter, origin, avoiding: avoiding, attempts: selectionAttempts) {
        case .unknown: return .noHealthyHost
        case .refused(let refusal): return .refused(refusal)
        case .place(let place):
            let binding = ClientBinding(spec.proxyProtocol(of: place.host.transport), origin.downstream)
            let serverName = tls(of: place.host.transport) == nil ? ByteView() : serverName
            guard let pool = place.pool(priority, version, serverName: serverName, binding) else {
                return .noHealthyHost
            }
            if let downstream = origin.downstream, binding?.header.isEmpty == false {
                if downstream.ownPools == nil { downstream.ownPools = ClientPools() }
                downstream.ownPools?.note(pool)
            }
            return pool.newStream(waiter, fresh: fresh)
        }
    }

    /// Looks from now on at where each stream comes from: a listener has `original_src`.
    func followSources() {
        alwaysGoesByOrigin = true
        goesByOrigin = true
    }

    /// Chooses a host and connects to it, for a TCP session. Neither of the waiter's methods is called before this
    /// returns.
    public func connectTCP(
        _ waiter: any TCPWaiter, avoiding: [Host] = [], selectionAttempts: Int = 1
    ) -> ConnectTCPOutcome {
        if retiredFrom != nil {
            return successor?.connectTCP(waiter, avoiding: avoiding, selectionAttempts: selectionAttempts)
                ?? .noHealthyHost
        }
        let origin = waiter.origin
        let place: WorkerHost
        switch choosePlace(waiter, origin, avoiding: avoiding, attempts: selectionAttempts) {
        case .unknown: return .noHealthyHost
        case .refused(let refusal): return .refused(refusal)
        case .place(let chosen): place = chosen
        }
        let breakers = shared.breakers.default
        guard breakers.connections.tryAcquire() else {
            stats.cxOverflow.increment()
            return .overflow(place.host)
        }
        guard place.tryAcquireConnection() else {
            breakers.connections.release()
            stats.cxOverflow.increment()
            return .overflow(place.host)
        }
        guard breakers.pending.tryAcquire() else {
            place.releaseConnection()
            breakers.connections.release()
            stats.rqPendingOverflow.increment()
            return .overflow(place.host)
        }
        let lease = TCPLease(
            place: place, waiter: waiter, breakers: breakers,
            binding: ClientBinding(spec.proxyProtocol(of: place.host.transport), origin.downstream))
        lease.start()
        return .waiting(PoolTicket(holder: lease, serial: 0))
    }

    /// By the stream's origin where the cluster is of type ORIGINAL_DST, by its criteria where there are subsets, by its hash
    /// where there are hash tables, else by the balancer.
    private func choosePlace(
        _ stream: any StreamOriginating, _ origin: StreamOrigin, avoiding: [Host], attempts: Int
    ) -> OriginalDestinationPlaces.Choice {
        guard let originalDestinations else {
            if let subsets {
                let place = choosePlace(subsets, stream, avoiding: avoiding, attempts: attempts)
                return place.map { .place($0) } ?? .unknown
            }
            let place =
                hostSet.hashing.map {
                    choosePlace($0, stream.hash(hashPolicy), avoiding: avoiding, attempts: attempts)
                } ?? choosePlaceByShape(avoiding: avoiding, attempts: attempts)
            return place.map { .place($0) } ?? .unknown
        }
        let choice = originalDestinations.choose(for: origin)
        if case .unknown = choice { stats.cxNoneHealthy.increment() }
        return choice
    }

    private func choosePlace(avoiding: [Host], attempts: Int) -> WorkerHost? {
        var panicPicks: UInt64 = 0
        let position = balancer.pick(
            avoiding: avoiding, attempts: attempts, random: &random, panicPicks: &panicPicks)
        if panicPicks > 0 { stats.lbHealthyPanic.add(panicPicks) }
        guard let position else {
            if retiredFrom == nil { stats.cxNoneHealthy.increment() }
            return nil
        }
        return places[position]
    }

    private func choosePlaceByShape(avoiding: [Host], attempts: Int) -> WorkerHost? {
        guard let shaped else { return choosePlace(avoiding: avoiding, attempts: attempts) }
        var panicPicks: UInt64 = 0
        let position = shaped.pick(
            avoiding: avoiding, attempts: attempts, now: loop.now, random: &random, panicPicks: &panicPicks)
        return place(at: position, panicPicks)
    }

    private func choosePlace(
        _ hashing: HashRouting, _ hash: UInt64?, avoiding: [Host], attempts: Int
    ) -> WorkerHost? {
        var panicPicks: UInt64 = 0
        let position = hashing.pick(
            hash ?? random.next(), hostSet.hosts, avoiding: avoiding, attempts: attempts,
            running: runningRequests, panicPicks: &panicPicks)
        return place(at: position, panicPicks)
    }

    private func choosePlace(
        _ subsets: SubsetBalancer, _ stream: any StreamOriginating, avoiding: [Host], attempts: Int
    ) -> WorkerHost? {
        var panicPicks: UInt64 = 0
        let question = HostQuestion(
            hash: spec.balancing.hashing == nil ? nil : stream.hash(hashPolicy), avoiding: avoiding,
            attempts: attempts, now: loop.now, running: runningRequests)
        let position = subsets.pick(
            stream.subsetCriteria, question, random: &random, panicPicks: &panicPicks)
        return place(at: position, panicPicks)
    }

    private var runningRequests: Int {
        shared.breakers.default.requests.current + shared.breakers.high.requests.current
    }

    private func place(at position: Int?, _ panicPicks: UInt64) -> WorkerHost? {
        if panicPicks > 0 { stats.lbHealthyPanic.add(panicPicks) }
        guard let position else {
            stats.cxNoneHealthy.increment()
            return nil
        }
        return places[position]
    }

    /// The host part of `authority` where the handshake names it; empty otherwise. Literal addresses are no names.
    private func requestServerName(_ authority: ByteView) -> ByteView {
        guard spec.http.autoSNI, isSecure, !authority.isEmpty, authority[0] != UInt8(ascii: "[") else {
            return ByteView()
        }
        let host = authority.prefix(authority.lastIndex(of: UInt8(ascii: ":")) ?? authority.count)
        guard let last = host.isEmpty ? nil : host[host.count - 1], !(0x30...0x39).contains(last) else {
            return ByteView()
        }
        return host
    }

    // MARK: - Retries

    /// Takes a place for a retry within `max_retries` or the retry budget; given back by `endRetry`.
    public func tryStartRetry(_ priority: ForwardSpec.Priority) -> Bool {
        shared.breakers.set(priority).tryStartRetry()
    }

    public func endRetry(_ priority: ForwardSpec.Priority) { shared.breakers.set(priority).endRetry() }

    // MARK: - Updates

    /// Takes over a newer snapshot. Hosts that stay keep their connections; those that left drain.
    func apply(_ newer: HostSet) {
        var known: [ObjectIdentifier: WorkerHost] = [:]
        for place in places { known[ObjectIdentifier(place.host.state)] = place }
        places = newer.hosts.map { host in
            guard let place = known.removeValue(forKey: ObjectIdentifier(host.state)) else {
                return WorkerHost(host, cluster: self)
            }
            place.update(host)
            return place
        }
        hostSet = newer
        balancer = Balancer(spec, newer, random: &random)
        followShape()
        for place in known.values { place.drain() }
    }

    /// Makes the balancer that the hosts' shape asks for, if it does.
    private func followShape() {
        shaped = hostSet.shape.flatMap { shape in
            guard shape.decides, hostSet.hashing == nil else { return nil }
            return ShapedBalancer(
                spec, hostSet, shape, stats: ZoneStats(cells, cluster: shared.statName), now: loop.now,
                random: &random)
        }
        subsets = hostSet.subsets.map { table in
            SubsetBalancer(
                table, spec, stats: SubsetStats(cells, cluster: shared.statName),
                zones: { [cells, shared] in ZoneStats(cells, cluster: shared.statName) })
        }
        goesByOrigin = alwaysGoesByOrigin || shaped != nil
    }

    /// A host was taken out for its health.
    func hostFailed(_ host: Host) { places.first { $0.host.state === host.state }?.healthFailed() }

    /// What connections by a transport are made with; nil: plain text.
    func tls(of transport: TransportIndex) -> TLSContext? { contexts[transport] }

    /// Connections that are opened from now on by a transport use another TLS context, which counts where the one before
    /// did.
    func apply(_ newer: TLSContext, for transport: TransportIndex) {
        guard let older = contexts[transport] else { return }
        newer.succeed(older)
        contexts[transport] = newer
    }

    /// The cluster was replaced or removed. What runs on its connections goes on, idle ones close. Streams that are asked
    /// for from now on (retries of what runs) are its successor's.
    func retire(from set: ClusterSet) {
        retiredFrom = set
        alwaysGoesByOrigin = false
        apply(HostSet([]))
        originalDestinations?.retire()
        originalDestinations = nil
    }

    /// The cluster that has its name now, if it was replaced.
    private var successor: Cluster? {
        guard let next = retiredFrom?.cluster(name), next !== self else { return nil }
        return next
    }

    /// Closes everything at once, for the end of the worker.
    func shutDown() {
        let leaving = places
        places = []
        hostSet = HostSet([])
        shaped = nil
        subsets = nil
        balancer = Balancer(spec, hostSet, random: &random)
        for place in leaving { place.shutDown() }
        originalDestinations?.shutDown()
    }
}
