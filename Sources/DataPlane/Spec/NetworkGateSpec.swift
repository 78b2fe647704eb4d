// Network filters before the one that ends a chain: they let connections in or turn them away.

/// One of a chain's filters but for its last.
public enum NetworkGateSpec: Sendable {
    case rbac(NetworkRBACSpec)
    case rateLimit(ConnectionRateLimitSpec)
    case serviceLimit(ConnectionServiceLimitSpec)
}
