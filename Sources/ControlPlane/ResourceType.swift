// The kinds of resources that a control plane serves.

/// A resource type of xDS. Envoy page: xDS REST and gRPC protocol, "Resource Types".
public enum ResourceType: Sendable, Hashable, CaseIterable {
    /// CDS
    case clusters
    /// EDS
    case endpoints
    /// LDS
    case listeners
    /// RDS
    case routes
    /// SDS
    case secrets

    public var typeURL: String {
        switch self {
        case .clusters: "type.googleapis.com/envoy.config.cluster.v3.Cluster"
        case .endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
        case .listeners: "type.googleapis.com/envoy.config.listener.v3.Listener"
        case .routes: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
        case .secrets: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
        }
    }

    /// For the log.
    public var name: String {
        switch self {
        case .clusters: "CDS"
        case .endpoints: "EDS"
        case .listeners: "LDS"
        case .routes: "RDS"
        case .secrets: "SDS"
        }
    }

    /// nil: a type that nobody here asks for.
    init?(typeURL: String) {
        guard let known = ResourceType.allCases.first(where: { $0.typeURL == typeURL }) else { return nil }
        self = known
    }

    /// The gRPC method of a stream of its own.
    func method(isDelta: Bool) -> String {
        let (package, service, noun) =
            switch self {
            case .clusters: ("cluster", "ClusterDiscoveryService", "Clusters")
            case .endpoints: ("endpoint", "EndpointDiscoveryService", "Endpoints")
            case .listeners: ("listener", "ListenerDiscoveryService", "Listeners")
            case .routes: ("route", "RouteDiscoveryService", "Routes")
            case .secrets: ("secret", "SecretDiscoveryService", "Secrets")
            }
        return "/envoy.service.\(package).v3.\(service)/\(isDelta ? "Delta" : "Stream")\(noun)"
    }

    /// The gRPC method of a stream for all types.
    static func aggregatedMethod(isDelta: Bool) -> String {
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/\(isDelta ? "Delta" : "Stream")AggregatedResources"
    }
}

/// Which resources of a type somebody wants.
public struct ResourceInterest: Sendable, Equatable {
    /// All that there are.
    public var isWildcard: Bool
    /// Those of these names, each once, in the order in which they were asked for.
    public private(set) var names: [String]
    private var known: Set<String>

    public static let everything = ResourceInterest(isWildcard: true, names: [])
    public static func named(_ names: [String]) -> ResourceInterest {
        ResourceInterest(isWildcard: false, names: names)
    }

    private init(isWildcard: Bool, names: [String]) {
        self.isWildcard = isWildcard
        self.names = []
        known = []
        for name in names { add(name) }
    }

    var isEmpty: Bool { !isWildcard && names.isEmpty }

    func contains(_ name: String) -> Bool { isWildcard || known.contains(name) }
    /// By name, whatever else is wanted.
    func names(_ name: String) -> Bool { known.contains(name) }

    private mutating func add(_ name: String) {
        if known.insert(name).inserted { names.append(name) }
    }

    mutating func formUnion(_ other: ResourceInterest) {
        isWildcard = isWildcard || other.isWildcard
        for name in other.names { add(name) }
    }
}
