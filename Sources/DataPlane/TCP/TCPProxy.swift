// A TCP proxy on one worker: takes connections of a filter chain and pairs each with one to a host.
import Metrics
import Reactor

/// Serves the connections of one filter chain. One a worker; loop thread only.
/// Envoy page: TCP proxy.
public final class TCPProxy {
    let spec: TCPProxySpec
    let loop: EventLoop
    let stats: TCPProxyStats
    /// Keeps the stats.
    private let cells: StatCells
    let accessLogs: [AccessLogger]
    /// nil: what becomes of connections is not recorded.
    let recorder: FlightRecorder?
    /// For people.
    let listenerName: String
    let bufferLimit: Int
    private let set: ClusterSet
    private let names: ClusterNames
    /// By place, with the sum of the weights up to and with each.
    private let clusters: [(place: Int, upTo: UInt64, criteria: SubsetCriteria?)]
    private let totalWeight: UInt64
    private let hashPolicy: HashPolicy?
    private var random = FastRandom()
    private var sessions: [TCPSession] = []

    /// `bufferLimit` is the listener's soft watermark in bytes. Clusters may come and go; connections to one that is not there
    /// are closed.
    public init(
        _ spec: TCPProxySpec, loop: EventLoop, cells: StatCells, clusters: ClusterSet, accessLogs: [AccessLogger],
        bufferLimit: Int, recorder: FlightRecorder? = nil, listenerName: String = ""
    ) {
        self.spec = spec
        self.loop = loop
        self.accessLogs = accessLogs
        self.bufferLimit = bufferLimit
        self.recorder = recorder
        self.listenerName = listenerName
        self.cells = cells
        hashPolicy = spec.hashesSourceIP ? HashPolicy([HashPolicySpec(source: .sourceIP, terminal: false)]) : nil
        stats = TCPProxyStats(prefix: spec.statPrefix, cells: cells)
        var sum: UInt64 = 0
        let names = clusters.makeNames()
        set = clusters
        self.names = names
        self.clusters = spec.clusters.map { choice in
            sum += UInt64(choice.weight)
            return (names.place(of: choice.name), sum, SubsetCriteria(choice.metadataMatch))
        }
        totalWeight = sum
    }

    /// Sessions that are open.
    public var connectionCount: Int { sessions.count }

    /// Serves a connection whose TLS handshake, if any, is done. The session becomes its delegate. A head start of this
    /// proxy is made use of, one of another is given up.
    func serve(_ connection: Connection, _ downstream: DownstreamInfo, _ headStart: TCPHeadStart? = nil) {
        let session = TCPSession(self, connection, downstream)
        session.index = sessions.count
        sessions.append(session)
        if let headStart, headStart.proxy === self {
            session.start(from: headStart)
        } else {
            headStart?.abandon()
            session.start()
        }
    }

    /// Counts, logs and closes a connection that the chain's gate did not let in.
    func turnAway(_ connection: Connection, _ downstream: DownstreamInfo, _ refusal: ConnectionRefusal) {
        let session = TCPSession(self, connection, downstream)
        session.index = sessions.count
        sessions.append(session)
        session.turnAway(refusal)
    }

    /// Closes all sessions now.
    public func closeConnections() {
        for session in sessions { session.closeNow("connection_manager_closed") }
    }

    /// With which subset of its hosts is wanted, where anybody says; nil: there is no cluster of the chosen name now.
    func chooseCluster(_ downstream: DownstreamInfo?) -> (cluster: Cluster, criteria: SubsetCriteria?)? {
        var choice = clusters.first
        if clusters.count > 1 {
            let draw = random.below(totalWeight)
            choice = clusters.first { draw < $0.upTo }
        }
        guard let choice, let cluster = set.cluster(at: choice.place) else { return nil }
        if cluster.spec.balancing.subsets == nil { return (cluster, nil) }
        let noted = downstream?.metadata.entries.filter { $0.namespace == SubsetSpec.namespace } ?? []
        return (
            cluster,
            SubsetCriteria.merged(choice.criteria, noted.map { SubsetLabel(name: $0.key, text: $0.value) })
        )
    }

    /// For clusters that choose hosts by hashes: by their own policy, or else this proxy's.
    func hash(_ policy: HashPolicy?, _ downstream: DownstreamInfo?) -> UInt64? {
        (policy ?? hashPolicy)?.hash(nil, client: downstream?.remoteAddress, downstream)
    }

    /// Milliseconds to wait before connect attempt `attempt + 1`: exponential with full jitter.
    func connectDelay(afterAttempt attempt: Int) -> TimeAmount? {
        guard let backoff = spec.connectBackoff else { return nil }
        let doublings = Int64(1) << Int64(min(max(0, attempt - 1), 20))
        let ceiling = min((backoff.base * doublings).nanoseconds, backoff.max.nanoseconds)
        return .nanoseconds(Int64(random.next() % UInt64(max(1, ceiling))))
    }

    func remove(_ session: TCPSession) {
        let index = session.index
        guard index >= 0, index < sessions.count, sessions[index] === session else { return }
        let last = sessions.removeLast()
        if last !== session {
            sessions[index] = last
            last.index = index
        }
        session.index = -1
    }
}
