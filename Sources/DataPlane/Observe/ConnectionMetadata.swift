// What listener filters note about a connection for logs: Envoy's dynamic metadata, as far as it is set here.
import Reactor

/// Texts by namespace and key. Few: a filter notes what its configuration names.
public struct ConnectionMetadata: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public let namespace: String
        public let key: String
        public let value: String
        /// False: JSON already, as numbers are.
        public let isText: Bool
    }

    /// In the order in which they were noted.
    public private(set) var entries: [Entry] = []

    public init() {}

    /// The first value of a key stays, as in Envoy.
    public mutating func note(_ namespace: String, _ key: String, _ value: String, isText: Bool = true) {
        if entries.contains(where: { $0.namespace == namespace && $0.key == key }) { return }
        entries.append(Entry(namespace: namespace, key: key, value: value, isText: isText))
    }
}
