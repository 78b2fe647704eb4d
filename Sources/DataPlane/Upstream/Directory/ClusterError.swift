// Why a cluster could not be put into the directory.
import Reactor

/// What the configuration check cannot foresee of a cluster. The clusters are as they were before.
public enum ClusterError: Error, CustomStringConvertible {
    /// Its TLS context cannot be made.
    case tls(TLSConfigurationError)
    /// A resolver cannot be made.
    case resolver(SystemError)
    /// A file of health check events cannot be opened; `field` is the cluster's that names it.
    case eventLog(field: String, SystemError)

    public var description: String {
        switch self {
        case .tls(let error): "\(error)"
        case .resolver(let error): error.description
        case .eventLog(let field, let error): "\(field): \(error)"
        }
    }
}

/// Why a cluster of the bootstrap cannot be made.
public struct StaticClusterError: Error, CustomStringConvertible {
    public let cluster: String
    public let error: ClusterError

    public var description: String { "cluster '\(cluster)': \(error)" }
}
