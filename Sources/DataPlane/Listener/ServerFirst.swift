// Servers that speak before their clients do, behind a listener that waits for its clients' first bytes.
import Metrics
import Reactor

/// What one listener knows about who speaks first, on one worker. Loop thread only.
struct ServerFirst {
    /// How many destinations are remembered; beyond it all are forgotten.
    static let capacity = 4096
    /// How long one is.
    static let lifetime = TimeAmount.seconds(600)
    /// A destination whose clients speak first gets this long before the server is asked: some day it may be another's.
    static let patience = TimeAmount.milliseconds(100)

    /// Connections to servers are opened ahead.
    let asksServers: Bool
    private let ports: Set<UInt16>
    private var clientsSpeak: [SocketAddress: MonotonicTime] = [:]
    /// Connections that were opened ahead, and those that a session took over.
    let opened: Counter
    let used: Counter

    init(_ spec: ServerFirstSpec, prefix: String, cells: StatCells) {
        asksServers = spec.asksServers
        ports = spec.ports
        opened = cells.counter(prefix + "server_first_cx_opened")
        used = cells.counter(prefix + "server_first_cx_used")
    }

    /// The file says that servers of this port speak first: there is no use in waiting for the client.
    func isDeclared(_ destination: SocketAddress) -> Bool { !destination.isUnix && ports.contains(destination.port) }

    /// How long the client's first bytes are waited for before the server is asked.
    func patience(for destination: SocketAddress, now: MonotonicTime) -> TimeAmount {
        guard let until = clientsSpeak[destination], now < until else { return .zero }
        return Self.patience
    }

    /// Somebody has spoken while both could have.
    mutating func learn(_ destination: SocketAddress, clientSpoke: Bool, now: MonotonicTime) {
        guard clientSpoke else {
            clientsSpeak[destination] = nil
            return
        }
        if clientsSpeak.count >= Self.capacity { clientsSpeak.removeAll(keepingCapacity: true) }
        clientsSpeak[destination] = now + Self.lifetime
    }
}
