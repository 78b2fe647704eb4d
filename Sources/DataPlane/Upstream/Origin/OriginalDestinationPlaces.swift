// The destinations that one worker connects to by itself, without anybody having configured them.
import HTTPWire
import Metrics
import Reactor

/// One worker's hosts of an ORIGINAL_DST cluster. Loop thread only. Envoy page: "Original destination".
final class OriginalDestinationPlaces: TimerTarget {
    /// What became of the question for a host.
    enum Choice {
        case place(WorkerHost)
        /// Nobody says where the client wanted to go.
        case unknown
        case refused(HostRefusal)
    }

    private struct Place {
        let host: WorkerHost
        /// Chosen since the last sweep.
        var wasUsed: Bool
    }

    private unowned let cluster: Cluster
    private let shared: OriginalDestinations
    private let spec: OriginalDestinationSpec
    private let header: HeaderKey?
    private let overflow, loopRefused: Counter
    private var places: [SocketAddress: Place] = [:]
    private var sweepTimer: LoopTimer?

    init(_ cluster: Cluster, shared: OriginalDestinations, cells: StatCells) {
        self.cluster = cluster
        self.shared = shared
        spec = cluster.spec.originalDestination
        header = spec.header.flatMap { HeaderKey($0) }
        (overflow, loopRefused) = Self.counters(cells, cluster: cluster.shared.statName)
    }

    /// The counters that only these clusters have, both Outrider's own.
    static func counters(_ cells: StatCells, cluster: String) -> (overflow: Counter, loopRefused: Counter) {
        let prefix = "cluster.\(cluster).original_dst_"
        return (cells.counter(prefix + "host_overflow"), cells.counter(prefix + "loop_refused"))
    }

    // MARK: - Choosing

    /// The host that the stream's client meant.
    func choose(for origin: StreamOrigin) -> Choice {
        guard var address = override(origin.request) ?? origin.downstream?.originalDestination else { return .unknown }
        if let port = spec.portOverride { address = address.with(port: port) }
        if let loops = cluster.shared.loops, let refusal = loops.refusal(origin.downstream) {
            return refuse(refusal, address, loopRefused)
        }
        let passes = origin.downstream?.passes ?? 0
        if let index = places.index(forKey: address) {
            places.values[index].wasUsed = true
            let host = places.values[index].host
            host.passes = passes
            return .place(host)
        }
        if let name = cluster.shared.loops?.listener(at: address) {
            return refuse(.ownListener(name), address, loopRefused)
        }
        guard let host = shared.take(address) else {
            return refuse(.tooManyHosts(limit: spec.maxHosts), address, overflow)
        }
        let place = WorkerHost(host, cluster: cluster)
        place.passes = passes
        places[address] = Place(host: place, wasUsed: true)
        if places.count == 1 { armSweep() }
        return .place(place)
    }

    /// What the request's header says. One that is no address counts, and the connection's own destination holds.
    private func override(_ request: HeaderMap?) -> SocketAddress? {
        guard let header, let value = request?.value(header) else { return nil }
        if let address = SocketAddress(value.string) { return address }
        cluster.stats.originalDestinationInvalid.increment()
        return nil
    }

    private func refuse(_ refusal: HostRefusal, _ address: SocketAddress, _ counter: Counter) -> Choice {
        counter.increment()
        cluster.offences.note("\(address) refused: \(refusal.message)", now: cluster.loop.now)
        return .refused(refusal)
    }

    // MARK: - The end of a destination

    private func armSweep() {
        if sweepTimer == nil { sweepTimer = LoopTimer(loop: cluster.loop, target: self) }
        sweepTimer?.arm(after: spec.cleanupInterval)
    }

    /// Lets go of the destinations that were not chosen since the last time and have no connection.
    func timerFired(_ timer: LoopTimer) {
        var unused: [SocketAddress] = []
        for (address, place) in places {
            if place.wasUsed {
                places[address]?.wasUsed = false
            } else if place.host.isUnused {
                unused.append(address)
            }
        }
        for address in unused { places.removeValue(forKey: address)?.host.drain() }
        if !unused.isEmpty { shared.giveUp(unused) }
        if !places.isEmpty { armSweep() }
    }

    /// The cluster has gone: connections end with what runs on them.
    func retire() {
        sweepTimer = nil
        let leaving = places
        places = [:]
        for place in leaving.values { place.host.drain() }
    }

    /// Closes everything at once.
    func shutDown() {
        sweepTimer = nil
        let leaving = places
        places = [:]
        for place in leaving.values { place.host.shutDown() }
    }
}
