// A filter chain's TLS context on its way to the worker that uses it from now on.
import Reactor
import Synchronization

/// Carries a new context from the main thread, which reads and checks everything, to one worker, which only puts it in
/// its place. Made on the main thread, taken once on the worker's. Those of clusters go by way of the `ClusterDirectory`.
public final class TLSReplacement: Sendable {
    public let owner: TLSContextOwner
    // A context belongs to one thread: here to the one that takes it out.
    private let context: Mutex<Passenger?>

    private struct Passenger: @unchecked Sendable {
        let context: TLSContext
    }

    public init(_ spec: TLSContextSpec, for owner: TLSContextOwner) throws(TLSConfigurationError) {
        self.owner = owner
        context = Mutex(Passenger(context: try TLSContext.server(spec)))
    }

    fileprivate func take() -> TLSContext? {
        context.withLock { passenger in
            defer { passenger = nil }
            return passenger?.context
        }
    }
}

extension Worker {
    /// Handshakes that begin from now on use the new context. Connections keep the one that they began with, and let go of
    /// it when they end. Loop thread only.
    public func replaceTLS(_ replacement: TLSReplacement) {
        guard let context = replacement.take() else { return }
        guard case .filterChain(let name, let chain) = replacement.owner else { return }
        for listener in listeners where listener.spec.name == name { listener.apply(context, chain: chain) }
        for update in prepared.values where update.listenerName == name {
            for made in update.chains where made.identity == chain { made.apply(context) }
        }
    }
}
