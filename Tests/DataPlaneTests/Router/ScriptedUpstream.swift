// An upstream in memory: a cluster whose connections the test hands out, and streams that it answers.
import HTTPWire
import Metrics
import Reactor

@testable import DataPlane

/// One try as the upstream sees it.
final class ScriptedTry: UpstreamStream {
    private weak var delegate: UpstreamStreamDelegate?
    let loop: EventLoop
    let host: Host
    let isFresh: Bool
    private(set) var method = ""
    private(set) var path = ""
    private(set) var authority = ""
    private(set) var fields: [String] = []
    private(set) var body = ""
    private(set) var trailers: [String] = []
    private(set) var hasHead = false
    private(set) var headWasEnd = false
    private(set) var ended = false
    private(set) var cancelled = false
    private(set) var isTunnel = false
    private(set) var isPaused = false
    var isBackedUp = false
    var earlierRequests = 0
    var sentAnything = true
    var wireBytesSent: UInt64 = 0
    var wireBytesReceived: UInt64 = 0
    let connectionInfo: UpstreamConnectionInfo

    init(_ delegate: UpstreamStreamDelegate, _ loop: EventLoop, host: Host, isFresh: Bool) {
        self.delegate = delegate
        self.loop = loop
        self.host = host
        self.isFresh = isFresh
        connectionInfo = UpstreamConnectionInfo(
            connectionID: 7, local: nil, remote: host.address, httpVersion: .http11, tls: nil)
    }

    func value(_ name: String) -> String? {
        fields.first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.utf8.count + 2)) }
    }

    // MARK: UpstreamStream

    func sendHead(_ request: HeaderMap, end: Bool) {
        hasHead = true
        method = request.method.string
        path = request.path.string
        authority = request.authority.string
        fields = request.lines
        headWasEnd = end
        ended = end
    }

    func sendBody(_ bytes: inout ByteQueue, end: Bool) {
        body += bytes.string
        bytes.clear()
        ended = end
    }

    func sendTrailers(_ trailers: HeaderMap) {
        self.trailers = trailers.lines
        ended = true
    }

    func pauseReading() { isPaused = true }
    func resumeReading() { isPaused = false }
    func cancel() { cancelled = true }
    func becomeTunnel() { isTunnel = true }

    // MARK: What the server does

    func answer(_ status: Int = 200, _ fields: [String] = [], _ body: String? = nil, end: Bool = true) {
        fill(status, fields)
        delegate?.upstreamHead(self, end: end && body == nil)
        if let body { send(body, end: end) }
    }

    func inform(_ status: Int) {
        fill(status, [])
        delegate?.upstreamInformational(self)
    }

    func send(_ text: String, end: Bool = false) {
        var bytes = ByteQueue(pool: loop.slabs)
        bytes.append(text)
        delegate?.upstreamBody(self, &bytes, end: end)
    }

    func endWithTrailers(_ name: String, _ value: String) {
        name.bytes { name in
            value.bytes { _ = delegate?.upstreamResponseTrailers.append(name: name, value: $0) }
        }
        delegate?.upstreamTrailers(self)
    }

    func reset(_ reason: StreamResetReason, _ detail: String = "") {
        delegate?.upstreamReset(self, reason, detail: detail)
    }

    func backUp(_ isBackedUp: Bool) {
        self.isBackedUp = isBackedUp
        if isBackedUp { delegate?.upstreamBackedUp(self) } else { delegate?.upstreamDrained(self) }
    }

    private func fill(_ status: Int, _ fields: [String]) {
        guard let headers = delegate?.upstreamResponseHeaders else { return }
        headers.removeAll()
        headers.status = status
        for field in fields {
            let parts = field.split(separator: ":", maxSplits: 1).map(String.init)
            parts[0].bytes { name in
                String(parts[1].drop { $0 == " " }).bytes { _ = headers.append(name: name, value: $0) }
            }
        }
    }
}

/// A cluster that connects when the test says so.
final class ScriptedCluster: RequestCluster {
    enum Mode { case connected, waiting, noHost, overflow }

    let name: String
    var spec: ClusterSpec
    var metadata: Metadata? { spec.metadata }
    let stats: ClusterStats
    let loop: EventLoop
    var mode = Mode.connected
    var hosts: [Host]
    /// Called on each try before the router sends on it.
    var onTry: ((ScriptedTry) -> Void)?
    private(set) var tries: [ScriptedTry] = []
    /// Delegates live as long as the cluster, as with real codecs, which hold them: for those that nobody else holds.
    var keepsDelegates = false
    private var delegates: [UpstreamStreamDelegate] = []
    private(set) var avoided: [[Host]] = []
    private(set) var waiters: [PoolWaiter] = []
    private(set) var cancelledTickets = 0
    var retryLimit = 3
    private(set) var retriesInFlight = 0
    var watchesOutcomes = true
    private(set) var outcomes: [AttemptOutcome] = []

    func report(_ outcome: AttemptOutcome, of host: Host) { outcomes.append(outcome) }
    private(set) var failedHosts: [Host] = []
    var membership: (total: Int, healthy: Int) = (1, 1)

    func fullLimit(_ priority: ForwardSpec.Priority) -> (setting: String, value: Int)? {
        mode == .overflow ? ("max_requests", 7) : nil
    }

    init(_ name: String, _ loop: EventLoop, _ cells: StatCells) {
        self.name = name
        self.loop = loop
        spec = ClusterSpec(name: name)
        stats = ClusterStats(cells: cells, cluster: name)
        hosts = [Host(address: .v4(.loopback, port: 80), hostname: "app.example")]
    }

    var last: ScriptedTry? { tries.last }

    func newStream(
        _ waiter: any PoolWaiter, priority: ForwardSpec.Priority, version: HTTPVersion, authority: ByteView,
        avoiding: [Host], selectionAttempts: Int, fresh: Bool
    ) -> NewStreamOutcome {
        avoided.append(avoiding)
        switch mode {
        case .noHost: return .noHealthyHost
        case .overflow: return .overflow(hosts[0])
        case .waiting:
            waiters.append(waiter)
            let holder = Holder { [weak self] in self?.cancelledTickets += 1 }
            return .waiting(PoolTicket(holder: holder, serial: 0))
        case .connected:
            connect(waiter, fresh: fresh)
            return .started
        }
    }

    func newTunnel(_ waiter: any PoolWaiter, avoiding: [Host], selectionAttempts: Int) -> NewStreamOutcome {
        newStream(
            waiter, priority: .default, version: .http11, authority: ByteView(), avoiding: avoiding,
            selectionAttempts: selectionAttempts, fresh: true)
    }

    /// Gives the first waiter its connection.
    func connectWaiter() { connect(waiters.removeFirst(), fresh: false) }

    func failWaiter(_ reason: StreamResetReason, _ detail: String) {
        waiters.removeFirst().poolFailed(reason, host: hosts[0], detail: detail)
    }

    private func connect(_ waiter: PoolWaiter, fresh: Bool) {
        let host = hosts[tries.count % hosts.count]
        let made = ScriptedTry(waiter.upstreamDelegate, loop, host: host, isFresh: fresh)
        tries.append(made)
        if keepsDelegates { delegates.append(waiter.upstreamDelegate) }
        onTry?(made)
        waiter.poolReady(made, host: host)
    }

    func tryStartRetry(_ priority: ForwardSpec.Priority) -> Bool {
        guard retriesInFlight < retryLimit else { return false }
        retriesInFlight += 1
        return true
    }

    func failImmediately(_ host: Host) { failedHosts.append(host) }

    func endRetry(_ priority: ForwardSpec.Priority) { retriesInFlight -= 1 }
    func cells(of host: Host) -> HostCells { host.cells(worker: 0) }

    private final class Holder: PoolTicketHolder {
        private let onCancel: () -> Void
        init(_ onCancel: @escaping () -> Void) { self.onCancel = onCancel }
        func cancel(serial: UInt64) { onCancel() }
    }
}

/// Clusters by name and place.
final class ScriptedClusters: RequestClusters {
    var clusters: [ScriptedCluster] = []
    func requestCluster(at index: Int) -> (any RequestCluster)? {
        clusters.indices.contains(index) ? clusters[index] : nil
    }
    func requestCluster(named name: ByteView) -> (any RequestCluster)? { clusters.first { name.equals(text: $0.name) } }
}
