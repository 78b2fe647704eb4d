// What listeners carry: the figures that a drain waits for.

/// Figures of one or more listeners at one moment.
public struct ListenerLoad: Equatable, Sendable {
    /// Downstream connections that are open.
    public var connections = 0
    /// Requests and TCP sessions under way, and connections that are still being set up.
    public var active = 0
    /// Connections and requests so far: moves when there was something between two looks.
    public var begun: UInt64 = 0

    public init(connections: Int = 0, active: Int = 0, begun: UInt64 = 0) {
        self.connections = connections
        self.active = active
        self.begun = begun
    }

    public static func += (sum: inout ListenerLoad, other: ListenerLoad) {
        sum.connections += other.connections
        sum.active += other.active
        sum.begun &+= other.begun
    }
}
