// Why a cluster could not be put into the directory.
import Reactor

/// What the configuration check cannot foresee of a cluster. The clusters are as they were before.
public enum ClusterError: Error, CustomStringConvertible {
    /// Its TLS context cannot be made.
    case tls(TLSConfigurationError)
    /// A resolver cannot be made, or a file of health check events cannot be opened.
    case system(SystemError)

    public var description: String {
        switch self {
        case .tls(let error): "\(error)"
        case .system(let error): error.description
        }
    }
}
