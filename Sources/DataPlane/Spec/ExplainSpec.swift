// What is kept of requests and connections that are over, for `outrider explain`.

/// The room that flight recorders have. Runtime keys: `outrider.explain.`; none of it is Envoy's.
public struct ExplainSpec: Sendable, Equatable {
    /// Bytes a worker; 0: nothing is recorded.
    public var maxBytes = 256 << 10
    /// Requests and connections without fault that a worker records in a second, beside all of those with one.
    public var othersPerSecond = 10

    public init() {}
}
