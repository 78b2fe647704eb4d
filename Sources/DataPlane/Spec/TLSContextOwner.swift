// Whose a TLS context is.
import Reactor

/// What of the configuration a TLS context belongs to.
public enum TLSContextOwner: Sendable, Hashable {
    /// A chain of the listener of this name, known by `FilterChainSpec.identity`: an update of the listener that leaves
    /// the chain as it is leaves its contexts with their owner.
    case filterChain(listener: String, chain: ContentDigest)
    /// By name; one of its transports.
    case cluster(String, transport: TransportIndex)
}
