// All clusters of one worker, and the ways to find one.
import HTTPWire
import Metrics
import Reactor

/// One worker's clusters. Loop thread only. Found by place where routes were compiled (`ClusterNames`); by bytes for
/// `cluster_header`.
///
/// A name has a place while there is a cluster of that name or somebody refers to it; then the place is given to another.
/// Clusters come, are replaced and go by what the directory sends. A cluster takes no memory of the worker's before
/// something goes to it: most workers never use most clusters.
public final class ClusterSet {
    private struct Place {
        /// nil: there is no cluster of that name now (`vacant` has it).
        var shared: ClusterShared?
        /// As the directory sent them last.
        var hosts: HostSet?
        /// Made ahead: it can fail. As it was replaced last.
        var tls = TransportContexts()
        /// References by `ClusterNames`.
        var users: Int32 = 0
    }

    private var places: [Place] = []
    /// By place; nil: not used yet, or not there.
    private var made: [Cluster?] = []
    /// Names of places that have no cluster, and are referred to.
    private var vacant: [Int: String] = [:]
    private var freePlaces: [Int] = []
    private var table = ClusterPlaces()
    private var followsSources = false
    private let workerIndex: Int
    private let loop: EventLoop
    private let cells: StatCells
    private let inflated: Gauge
    /// How many clusters there are.
    public private(set) var count = 0

    /// Fails when a TLS context cannot be made; the configuration check has already made them all once.
    public init(_ seed: ClusterSeed, loop: EventLoop, cells: StatCells) throws(TLSConfigurationError) {
        workerIndex = seed.workerIndex
        self.loop = loop
        self.cells = cells
        inflated = cells.gauge("thread_local_cluster_manager.worker_\(workerIndex).clusters_inflated")
        places.reserveCapacity(seed.clusters.count)
        made.reserveCapacity(seed.clusters.count)
        for (shared, hosts, tls) in seed.clusters {
            put(shared, hosts, try TransportContexts(tls))
        }
        inflated.set(Int64(count))
        seed.port.attach(self)
    }

    // MARK: - Finding

    /// For who will refer to clusters by place.
    public func makeNames() -> ClusterNames { ClusterNames(self) }

    /// The cluster at a place, or nil.
    public func cluster(at place: Int) -> Cluster? {
        guard made.indices.contains(place) else { return nil }
        return made[place] ?? make(place)
    }

    /// A cluster by name, or nil.
    public func cluster(_ name: String) -> Cluster? { FixedBytes(name).withView { cluster(named: $0) } }

    /// A cluster by the bytes of its name, or nil (`cluster_header`). Allocates nothing.
    public func cluster(named name: ByteView) -> Cluster? { place(of: name).flatMap { cluster(at: $0) } }

    private func place(of name: ByteView) -> Int? { table.find(name) { name.equals(text: self.name(of: $0)) } }

    private func name(of place: Int) -> String { places[place].shared?.name ?? vacant[place] ?? "" }

    private func place(of name: String) -> Int? { FixedBytes(name).withView { place(of: $0) } }

    /// The place of this very cluster; nil: it was replaced or removed.
    private func place(of shared: ClusterShared) -> Int? {
        place(of: shared.name).flatMap { places[$0].shared === shared ? $0 : nil }
    }

    @inline(never)
    private func make(_ place: Int) -> Cluster? {
        guard let shared = places[place].shared, let hosts = places[place].hosts else { return nil }
        // As Envoy without deferred creation, the gauge does not tell: what a worker keeps back is no concern of the reader's.
        let cluster = Cluster(
            shared, hosts: hosts, workerIndex: workerIndex, loop: loop, cells: cells.held(by: cells.store.makeHold()),
            tls: places[place].tls, random: FastRandom())
        if followsSources { cluster.followSources() }
        made[place] = cluster
        return cluster
    }

    // MARK: - Places

    /// Refers to a name once more; it gets a place if it has none.
    func hold(_ name: String) -> Int {
        let place = place(of: name) ?? makePlace(name)
        places[place].users += 1
        return place
    }

    func letGo(_ held: [Int32]) {
        for place in held {
            places[Int(place)].users -= 1
            giveBackIfUnused(Int(place))
        }
    }

    private func makePlace(_ name: String) -> Int {
        let place: Int
        if let free = freePlaces.popLast() {
            place = free
        } else {
            place = places.count
            places.append(Place())
            made.append(nil)
        }
        vacant[place] = name
        table.insert(name, place) { self.name(of: $0) }
        return place
    }

    private func giveBackIfUnused(_ place: Int) {
        guard places[place].users == 0, places[place].shared == nil, let name = vacant[place] else { return }
        table.remove(name, place) { self.name(of: $0) }
        vacant[place] = nil
        freePlaces.append(place)
    }

    /// How many places there are, in use or not, for tests of what it takes.
    var placeCount: Int { places.count }

    // MARK: - What the directory sends

    /// A cluster that is there from now on, maybe in place of another of its name.
    func take(_ arrival: ClusterArrival) {
        put(arrival.shared, arrival.hosts, arrival.takeTLS())
        inflated.set(Int64(count))
    }

    private func put(_ shared: ClusterShared, _ hosts: HostSet, _ tls: TransportContexts) {
        let place = place(of: shared.name) ?? makePlace(shared.name)
        if places[place].shared == nil { count += 1 }
        places[place].shared = shared
        vacant[place] = nil
        places[place].hosts = hosts
        places[place].tls = tls
        retire(at: place)
    }

    /// A cluster goes.
    func remove(_ shared: ClusterShared) {
        guard let place = place(of: shared) else { return }
        count -= 1
        inflated.set(Int64(count))
        places[place].shared = nil
        vacant[place] = shared.name
        places[place].hosts = nil
        places[place].tls = TransportContexts()
        retire(at: place)
        giveBackIfUnused(place)
    }

    private func retire(at place: Int) {
        let old = made[place]
        made[place] = nil
        old?.retire(from: self)
    }

    func apply(_ hosts: HostSet, to shared: ClusterShared) {
        guard let place = place(of: shared) else { return }
        places[place].hosts = hosts
        made[place]?.apply(hosts)
    }

    func hostFailed(_ host: Host, of shared: ClusterShared) {
        if let place = place(of: shared) { made[place]?.hostFailed(host) }
    }

    /// Takes over a TLS context in place of the one that the cluster has for a transport.
    func apply(_ tls: TLSContext, for transport: TransportIndex, to shared: ClusterShared) {
        guard let place = place(of: shared), places[place].tls[transport] != nil else { return }
        places[place].tls[transport] = tls
        made[place]?.apply(tls, for: transport)
    }

    // MARK: - The worker

    /// Has connections bound to their clients' addresses where a listener asks for it (`original_src`).
    func followSources() {
        followsSources = true
        for cluster in made { cluster?.followSources() }
    }

    /// Closes every upstream connection at once, for the end of the worker.
    public func shutDown() {
        for place in places.indices where places[place].shared != nil { places[place].hosts = HostSet([]) }
        for cluster in made { cluster?.shutDown() }
    }
}
