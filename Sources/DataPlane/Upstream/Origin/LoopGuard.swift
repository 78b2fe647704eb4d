// Keeps a transparent proxy from connecting to itself: what this process listens on, and where it connects from.
import Reactor
import Synchronization

/// The process's own ends of connections. Any thread: there is a lock, which is taken for new connections to original
/// destinations and not for requests.
///
/// Two kinds of loops are seen: a destination that is a listener of ours, and redirect rules that send our own
/// connections back to us. The second kind passes a few times, since rules for both directions may lead a connection
/// through one process twice.
public final class LoopGuard: Sendable {
    /// A connection that came through here so often is not passed on again.
    static let maxPasses = 4

    private struct Listening {
        let name: String
        let address: IPAddress
        let acceptsIPv4: Bool
    }

    private struct State {
        var listeners: [UInt16: [Listening]] = [:]
        /// Local ends of upstream connections, with how often what they carry came through here before.
        var ownEnds: [SocketAddress: Int] = [:]
    }

    private let state = Mutex(State())

    init() {}

    /// Notes what a listener is bound to; a virtual one (`bind_to_port: false`) is to nothing.
    public func add(_ listener: ListenerSockets) {
        guard listener.spec.bindToPort else { return }
        for (address, spec) in zip(listener.localAddresses, listener.spec.addresses) {
            guard let ip = address.unmapped.ip else { continue }
            let entry = Listening(name: listener.spec.name, address: ip, acceptsIPv4: spec.acceptsIPv4)
            state.withLock { $0.listeners[address.port, default: []].append(entry) }
        }
    }

    /// Forgets what `add` noted, once.
    public func remove(_ listener: ListenerSockets) {
        guard listener.spec.bindToPort else { return }
        for address in listener.localAddresses {
            guard let ip = address.unmapped.ip else { continue }
            state.withLock { state in
                let known = state.listeners[address.port]?.firstIndex { entry in
                    entry.name == listener.spec.name && entry.address == ip
                }
                if let known { state.listeners[address.port]?.remove(at: known) }
                if state.listeners[address.port]?.isEmpty == true { state.listeners[address.port] = nil }
            }
        }
    }

    /// The name of the listener of ours that a connection to `target` would come to, or nil.
    func listener(at target: SocketAddress) -> String? {
        guard let ip = target.unmapped.ip else { return nil }
        let candidates = state.withLock { $0.listeners[target.port] ?? [] }
        if let exact = candidates.first(where: { $0.address == ip }) { return exact.name }
        let wildcard = candidates.first { candidate in
            guard candidate.address.isAny else { return false }
            switch (candidate.address, ip) {
            case (.v4, .v4), (.v6, .v6): return true
            case (.v6, .v4): return candidate.acceptsIPv4
            case (.v4, .v6): return false
            }
        }
        // Whether the address is this machine's is asked last: it costs system calls.
        return wildcard.flatMap { InterfaceAddresses.contain(ip) ? $0.name : nil }
    }

    /// Why a connection is not passed on, or nil. Notes in it how often it came through here.
    func refusal(_ downstream: DownstreamInfo?) -> HostRefusal? {
        guard let downstream else { return nil }
        let passes = downstream.passes ?? self.passes(of: downstream.directRemoteAddress)
        downstream.passes = passes
        return passes >= LoopGuard.maxPasses ? .circling(passes: passes) : nil
    }

    private func passes(of peer: SocketAddress) -> Int {
        state.withLock { $0.ownEnds[peer].map { $0 + 1 } ?? 0 }
    }

    /// An upstream connection comes from `end`, for a stream that came through here `passes` times before.
    func enter(_ end: SocketAddress, passes: Int) {
        state.withLock { $0.ownEnds[end] = passes }
    }

    func leave(_ end: SocketAddress) {
        state.withLock { _ = $0.ownEnds.removeValue(forKey: end) }
    }
}
