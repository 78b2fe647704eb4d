// What the main thread tells workers of a listener: a new one, or other filter chains of one that there is.

/// A listener as one `put` made it. Numbers are never used again.
public struct ListenerID: Hashable, Sendable, Comparable {
    public let number: UInt64

    public init(_ number: UInt64) { self.number = number }

    public static func < (one: ListenerID, other: ListenerID) -> Bool { one.number < other.number }
}

/// One change on its way to the workers. Immutable.
public struct ListenerUpdate: Sendable {
    /// Of the update: what `Worker.start` and `Worker.discard` mean.
    public let id: ListenerID
    /// nil: a listener of its own, over the sockets. Otherwise the running listener that gets the spec's filter chains in
    /// place of its own; those with an equal `FilterChainSpec.identity` go on untouched.
    public let running: ListenerID?
    public let sockets: ListenerSockets
    /// The last answers to the subscriptions of its connection managers.
    public let routes: [RouteSubscriptionSpec: RouteConfigurationSpec]

    public init(
        id: ListenerID, running: ListenerID? = nil, sockets: ListenerSockets,
        routes: [RouteSubscriptionSpec: RouteConfigurationSpec] = [:]
    ) {
        self.id = id
        self.running = running
        self.sockets = sockets
        self.routes = routes
    }
}
