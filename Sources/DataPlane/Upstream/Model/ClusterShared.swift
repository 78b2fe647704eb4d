// What all threads share of one cluster: its spec and its breakers.

/// The immutable side of a cluster and the totals that hold over all workers. Any thread.
public final class ClusterShared: Sendable {
    public let spec: ClusterSpec
    public let breakers: CircuitBreakers
    /// Position in every `ClusterSet`.
    public let index: Int

    init(spec: ClusterSpec, index: Int) {
        self.spec = spec
        self.index = index
        breakers = CircuitBreakers(spec.breakers)
    }

    public var name: String { spec.name }
    /// The name in stats: `:` becomes `_`, as in Envoy.
    public var statName: String {
        let name = spec.altStatName.isEmpty ? spec.name : spec.altStatName
        return String(name.map { $0 == ":" ? "_" : $0 })
    }
}
