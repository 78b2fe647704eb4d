// The listeners of a worker by address: where a redirected connection goes on.
import Reactor

/// Finds the listener of an original destination, as Envoy does for `use_original_dst`. Loop thread only; the worker
/// holds the listeners.
struct ListenerTable {
    private struct Entry {
        unowned let listener: Listener
        let acceptsIPv4: Bool
    }

    private var entries: [SocketAddress: Entry] = [:]

    init(_ listeners: [Listener]) {
        for listener in listeners {
            for (address, wanted) in zip(listener.localAddresses, listener.spec.addresses)
            where entries[address] == nil {
                entries[address] = Entry(listener: listener, acceptsIPv4: wanted.acceptsIPv4)
            }
        }
    }

    /// The listener of exactly this address, or else the one of this port on all addresses. Listeners that have stopped
    /// are not found.
    func listener(at address: SocketAddress) -> Listener? {
        guard let ip = address.ip else { return nil }
        if let exact = running(address) { return exact.listener }
        let anyV6 = SocketAddress.v6(.any, scope: 0, port: address.port)
        guard case .v4 = ip else { return running(anyV6)?.listener }
        if let wildcard = running(.v4(.any, port: address.port)) { return wildcard.listener }
        return running(anyV6).flatMap { $0.acceptsIPv4 ? $0.listener : nil }
    }

    private func running(_ address: SocketAddress) -> Entry? {
        entries[address].flatMap { $0.listener.hasStopped ? nil : $0 }
    }
}
