// Whose a TLS context is.

/// What of the configuration a TLS context belongs to.
public enum TLSContextOwner: Sendable, Hashable {
    /// By positions in the `BootstrapSpec`: `chain` in `filterChains`; nil: the default chain.
    case filterChain(listener: Int, chain: Int?)
    /// By name.
    case cluster(String)
}
