// Whose a TLS context is.

/// What of the configuration a TLS context belongs to, by positions in the `BootstrapSpec`.
public enum TLSContextOwner: Sendable, Hashable {
    /// `chain` is a position in `filterChains`; nil: the default chain.
    case filterChain(listener: Int, chain: Int?)
    case cluster(Int)
}
