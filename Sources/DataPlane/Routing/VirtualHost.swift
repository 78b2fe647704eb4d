// A compiled virtual host.
import HTTPWire
import Reactor

/// What all routes of a virtual host share. One thread.
public final class VirtualHost {
    public let name: String
    public let requireTLS: VirtualHostSpec.TLSRequirement
    public let includeRequestAttemptCount: Bool
    public let includeAttemptCountInResponse: Bool
    public let includeIsTimeoutRetryHeader: Bool
    public let hasVirtualClusters: Bool
    let perRequestBufferLimit: Int?
    let metadata: Metadata?
    private let virtualClusters: [(name: String, headers: [HeaderMatcher])]

    init(_ spec: VirtualHostSpec) {
        name = spec.name
        requireTLS = spec.requireTLS
        includeRequestAttemptCount = spec.includeRequestAttemptCount
        includeAttemptCountInResponse = spec.includeAttemptCountInResponse
        includeIsTimeoutRetryHeader = spec.includeIsTimeoutRetryHeader
        perRequestBufferLimit = spec.perRequestBufferLimit
        metadata = spec.metadata
        virtualClusters = spec.virtualClusters.map { ($0.name, $0.headers.map(HeaderMatcher.init)) }
        hasVirtualClusters = !virtualClusters.isEmpty
    }

    /// The position of the first virtual cluster that the request belongs to. Without one, stats count it under `other`
    /// if there are any virtual clusters.
    public func virtualClusterIndex(_ request: HeaderMap) -> Int? {
        virtualClusters.firstIndex { $0.headers.allMatch(request) }
    }

    /// The names of the virtual clusters, by position.
    public var virtualClusterNames: [String] { virtualClusters.map(\.name) }
}
